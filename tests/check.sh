#!/bin/sh
# check.sh [name...]: the matrix of targets, one line a row; or the rows whose names match the
# patterns: sh tests/check.sh aarch64 'gcc*'
#
# Each row builds memmgr.h for a target, runs the same tests there (tests/targets/suite.c and tests
# of this folder, shrunk to its memory) and a demonstration. What is not installed is skipped in a
# line that says so; with MEMMGR_REQUIRE_ALL=1 that is a failure. A row that fails shows its log.
#
# JOBS rows at a time (2). SEED of the random tests (1), SCALE of the existing ones in percent (3).
# SKIP: patterns of rows that are left out. Build output goes to build/check.
cd "$(dirname "$0")/.." || exit 1
out=build/check
JOBS=${JOBS:-2} SEED=${SEED:-1} SCALE=${SCALE:-3}
export SEED SCALE
warnings='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror'
on=-DUSE_MEMORY_MGR
one_thread=-DMEMMGR_NO_THREADS
escape=$(printf '\033')
. tests/narrow.sh
bare="$on -DMEMMGR_NO_OS $one_thread"

# name, kind, and what the kind is told. The slowest come first.
table()
{
    cat <<'ROWS'
switches         script sh tests/configs.sh
cover            script sh tests/cover.sh
proof            script sh tests/proof/run.sh
protocol         script sh tests/protocol/run.sh
fuzz             script sh tests/fuzz/run.sh
mutate           script python3 tests/mutate.py
lint             script sh tests/lint.sh
soak             script sh tests/soak/run.sh
header           script sh tests/check_header.sh
examples         script sh examples/run.sh
hooks            script sh tests/hooks.sh
windows          windows
aarch64          cross aarch64-linux-gnu qemu-aarch64-static
aarch64-64k      cross aarch64-linux-gnu qemu-aarch64-static -p 65536
armhf            cross arm-linux-gnueabihf qemu-arm-static
riscv64          cross riscv64-linux-gnu qemu-riscv64-static
s390x            cross s390x-linux-gnu qemu-s390x-static
powerpc          cross powerpc-linux-gnu qemu-ppc-static
m68k             cross m68k-linux-gnu qemu-m68k-static
gcc-c99-O0       native gcc -std=c99 -O0
gcc-c11-O1       native gcc -std=c11 -O1
gcc-c17-O2       native gcc -std=c17 -O2
gcc-c2x-O3       native gcc -std=c2x -O3
gcc-c11-Os       native gcc -std=c11 -Os
g++-c++11-O0     native_cxx g++ -std=c++11 -O0
g++-c++14-Os     native_cxx g++ -std=c++14 -Os
g++-c++17-O1     native_cxx g++ -std=c++17 -O1
g++-c++20-O2     native_cxx g++ -std=c++20 -O2
clang-c99-O3     native clang -std=c99 -O3
clang-c11-O0     native clang -std=c11 -O0
clang-c17-Os     native clang -std=c17 -Os
clang-c2x-O1     native clang -std=c2x -O1
clang-c11-O2     native clang -std=c11 -O2
clang++-c++11-O1 native_cxx clang++ -std=c++11 -O1
clang++-c++14-O2 native_cxx clang++ -std=c++14 -O2
clang++-c++17-O3 native_cxx clang++ -std=c++17 -O3
clang++-c++20-O0 native_cxx clang++ -std=c++20 -O0
clang-19-c23-O2  native clang-19 -std=c23 -O2
clang-19-c++23   native_cxx clang++-19 -std=c++23 -Os -Wno-unused-command-line-argument
gcc-m32          narrow gcc -std=c11 -O2
clang-m32        narrow clang -std=c11 -O1
musl             native musl-gcc -std=c11 -O2 -static
one-thread       native gcc -std=c99 -O2 -DMEMMGR_NO_THREADS
own-lock         native gcc -std=c11 -O1 -DSUITE_LOCK
small            native gcc -std=c11 -O2 -DMEMMGR_SMALL -DMEMMGR_NO_THREADS
no-watch         native gcc -std=c11 -O2 -DMEMMGR_NO_WATCH
emulated-locals  native clang -std=c11 -O1 -femulated-tls
large-pages      one tests/targets/large_pages.c
tcc              tcc
cortex-m3        cortex_m3
cortex-m0        cortex_m0
cortex-m0-lock   cortex_m0 -DSUITE_LOCK
rv32             rv32
avr              avr
wasm             wasm
wasm-no-os       wasm -DMEMMGR_NO_OS
freestanding     freestanding_x86_64
freestanding-arm freestanding_arm
macos            compiled posix x86_64-apple-macos11 arm64-apple-macos11
freebsd          compiled posix x86_64-unknown-freebsd13 aarch64-unknown-freebsd13
openbsd          compiled posix x86_64-unknown-openbsd7 sparc64-unknown-openbsd7
netbsd           compiled posix x86_64-unknown-netbsd9 armv7-unknown-netbsd-eabihf
msvc             compiled msvc x86_64-pc-windows-msvc i686-pc-windows-msvc aarch64-pc-windows-msvc
clang-cl         compiled clang_cl x86_64-pc-windows-msvc aarch64-pc-windows-msvc
ROWS
}

# --- steps of a row ------------------------------------------------------------------------------

# A row sets these: the compiler with its flags, what a program is run by, what is behind its
# sources, what it is called, and what it is told.
cc= runner= libraries= suffix= words=
status_counts=1 # 0: the runner's status says nothing

skip() { echo "skipped: $*" >"$dir/result"; exit 0; }
need()
{
    for tool; do command -v "$tool" >/dev/null 2>&1 || skip "no $tool"; done
}
note() { echo "$*" >>"$dir/notes"; }
passes() { passed=$((passed + ${1:-1})); }
fails() { failed=$((failed + 1)); echo "FAILED: $*"; }

# limited seconds command...
limited()
{
    if command -v timeout >/dev/null 2>&1; then timeout "$@"; else shift; "$@"; fi
}

# build name source option...: without a word from the compiler.
build()
{
    target=$dir/$1$suffix source=$2
    shift 2
    echo "--- $cc $* $source"
    $cc "$@" -o "$target" $source $libraries >"$dir/build.log" 2>&1 && [ ! -s "$dir/build.log" ] &&
        return 0
    cat "$dir/build.log"
    fails "to build $target"
    return 1
}

# try name: runs what was built. The last line that counts something is its verdict, or the status.
try()
{
    limited 300 $runner "$dir/$1$suffix" $words </dev/null >"$dir/$1.raw" 2>&1
    status=$?
    [ $status_counts = 1 ] || status=0
    # What simulators add: colours, carriage returns, and dots for them.
    sed "s/$escape\[[0-9;]*m//g" "$dir/$1.raw" | tr -d '\r' | sed 's/\.*$//' >"$dir/$1.out"
    cat "$dir/$1.out"
    verdict=$(sed -n 's/^\([0-9][0-9]* passed, [0-9][0-9]* failed\)$/\1/p' "$dir/$1.out" |
        sed -n '$p')
    case $status:$verdict in
    0:*' passed, 0 failed') passes "${verdict%% *}" ;;
    0:) if [ $status_counts = 1 ]; then passes; else fails "$1 printed no verdict"; fi ;;
    *) fails "$1, status $status, $verdict" ;;
    esac
}

program() { build "$@" && try "$1"; }

# The suite, as large as the options say.
suite() { program suite tests/targets/suite.c $warnings $on -DSUITE_SEED="$SEED" "$@"; }

# Existing tests, by name. An emulator of processors enforces no limits of memory, so those tests of
# watched blocks that set one are left out.
existing()
{
    for test; do
        [ "$test" != watch ] || words='watch_faults watch_off realloc sizes alignments serials
            model leaks lines threads holds_back is_a_queue no_large is_emptied findings'
        program "test_$test" "tests/test_$test.c" -Wall -Wextra -Werror $on $sizes
        words=
    done
}

# The demonstration prints what it prints on the host.
demo()
{
    build hello examples/hello.c -Wall -Wextra -Wpedantic -Wshadow -Werror -I. "$@" || return
    limited 300 $runner "$dir/hello$suffix" </dev/null 2>&1 | tr -d '\r' | sed 's/\.*$//' |
        grep '[^ ]' >"$dir/hello.out"
    cat "$dir/hello.out"
    if grep -qxF "$(cat "$out/hello.expected")" "$dir/hello.out"; then passes
    else fails "hello says something else"; fi
}

# --- kinds of rows -------------------------------------------------------------------------------

# Another script, which follows the same conventions.
row_script()
{
    [ -f "$2" ] || skip "no $2"
    need "$1"
    SHORT=1 "$@" >"$dir/script.out" 2>&1
    status=$?
    cat "$dir/script.out"
    grep 'skipped' "$dir/script.out" | sed 's/^ *//' >"$dir/notes"
    verdict=$(sed -n '$p' "$dir/script.out")
    case $status:$verdict in
    0:[0-9]*' passed, 0 failed') passes "${verdict%% *}" ;;
    *) fails "$*, status $status, $verdict" ;;
    esac
}

row_native()
{
    need "$1"
    cc=$*
    libraries=-pthread
    case $cc in *clang-19*c23*) cc="$cc -Wno-c23-extensions" ;; esac
    suite
    program smoke.on tests/smoke.c $warnings $on
    program smoke.off tests/smoke.c $warnings
    demo $on
    case $cc in
    *musl*) existing pool model misuse edges grow strategy general threads ;;
    *SUITE_LOCK*) program atfork tests/targets/atfork.c $warnings $on ;;
    esac
}

row_native_cxx()
{
    need "$1"
    cc="$* -x c++"
    libraries='-x none -pthread'
    suite
    program smoke.on tests/smoke.c $warnings $on
    program smoke.off tests/smoke.c $warnings
    program override tests/targets/override.cpp $warnings $on
    program cplusplus examples/cplusplus.cpp -Wall -Wextra -Wpedantic -Werror -I. $on
}

# A program for what this machine is not.
row_one()
{
    case $(uname -s) in Linux) ;; *) skip 'not Linux' ;; esac
    cc="${CC:-cc} -std=c11 -O1" libraries=-pthread
    program one "$1" $warnings $on
}

# 32 bits of x86.
row_narrow()
{
    need "$1"
    narrow "$dir" "$1" || skip "$1 -m32 does not work here"
    cc="$* $narrow_flags"
    libraries=-pthread runner=$narrow_runner
    suite
    program smoke.on tests/smoke.c $warnings $on
    program smoke.off tests/smoke.c $warnings
    demo $on
    [ "$1" != gcc ] || existing pool model misuse edges grow strategy general threads watch trace
}

row_tcc()
{
    need tcc
    cc="tcc $one_thread"
    program suite tests/targets/suite.c $on -DSUITE_SEED="$SEED"
    program smoke.on tests/smoke.c $on
    program smoke.off tests/smoke.c
    program test_pool tests/test_pool.c $on
    program test_model tests/test_model.c $on
    build hello examples/hello.c -I. $on && try hello
}

# cross triplet emulator...
row_cross()
{
    need "$1-gcc" "$2"
    cc="$1-gcc -std=c11 -O1 -static"
    libraries=-pthread
    shift
    runner=$*
    suite
    program smoke.on tests/smoke.c $warnings $on
    program smoke.off tests/smoke.c $warnings
    demo $on
    existing pool model misuse edges general watch trace
}

row_windows()
{
    mingw=x86_64-w64-mingw32
    for kind in -posix ''; do command -v "$mingw-gcc$kind" >/dev/null 2>&1 && break; done
    need "$mingw-gcc$kind" "$mingw-g++$kind" wine
    WINEDEBUG=-all WINEDLLOVERRIDES='mscoree=d;mshtml=d' WINEPREFIX=$PWD/$out/wine
    export WINEDEBUG WINEDLLOVERRIDES WINEPREFIX
    cc="$mingw-gcc$kind -std=c11 -O2 -static" suffix=.exe runner=wine
    suite
    program smoke.on tests/smoke.c $warnings $on
    program smoke.one tests/smoke.c $warnings $on $one_thread
    demo $on
    # Its C library has no aligned blocks that free() takes, so smoke.c is not for the switch off.
    demo
    sizes='-include tests/targets/windows_names.h'
    existing pool model misuse edges grow strategy
    sizes=
    cc="$mingw-g++$kind -std=c++17 -O2 -static"
    program override tests/targets/override.cpp $warnings $on
    program cplusplus examples/cplusplus.cpp -Wall -Wextra -Wpedantic -Werror -I. $on
}

# sizes_of nm-prefix option...: code and RAM of a pool with alloc, free and audit.
smallest()
{
    tools=$1
    shift
    for empty in '' -DEMPTY; do
        build "smallest$empty" tests/targets/smallest.c -Os -ffunction-sections -fdata-sections \
            -Wl,--gc-sections $empty "$@" || return
    done
    used=$("$tools-size" "$dir/smallest$suffix" "$dir/smallest-DEMPTY$suffix" | awk '
        NR == 2 { code = $1 + $2; ram = $2 + $3 }
        NR == 3 { print "smallest pool:", code - $1 - $2, "bytes of code,", ram - $2 - $3,
                  "bytes of RAM beside the buffer" }')
    if [ -n "$used" ]; then passes; note "$used"; else fails 'no sizes'; fi
}

# flash and RAM, as picolibc's linker script is told them
board()
{
    echo "-Wl,--defsym=__flash=$1 -Wl,--defsym=__flash_size=$2 -Wl,--defsym=__ram=$3" \
        "-Wl,--defsym=__ram_size=$4 -Wl,--defsym=__stack_size=$5"
}

semihosted='-nographic -monitor none -serial none -semihosting-config enable=on -kernel'
picolibc='--specs=picolibc.specs --oslib=semihost --crt0=hosted'

row_cortex_m3()
{
    need arm-none-eabi-gcc qemu-system-arm
    arm-none-eabi-gcc $picolibc -E -x c /dev/null >/dev/null 2>&1 || skip 'no picolibc for Arm'
    cc="arm-none-eabi-gcc -std=c11 -Os -mcpu=cortex-m3 -mthumb"
    smallest arm-none-eabi $picolibc $(board 0 4M 0x20000000 4M 8K)
    cc="$cc $picolibc"
    runner="qemu-system-arm -M mps2-an385 $semihosted" sizes=$(board 0 4M 0x20000000 4M 64K)
    suite $bare $sizes
    suite $bare $sizes -DMEMMGR_SMALL
    program smoke tests/smoke.c $warnings $bare $sizes
    demo $bare $sizes
    sizes="$sizes $bare"
    existing misuse edges
}

row_cortex_m0()
{
    need arm-none-eabi-gcc qemu-system-arm
    arm-none-eabi-gcc $picolibc -E -x c /dev/null >/dev/null 2>&1 || skip 'no picolibc for Arm'
    cc="arm-none-eabi-gcc -std=c11 -Os -mcpu=cortex-m0 -mthumb"
    runner="qemu-system-arm -M microbit $semihosted"
    options="$(board 0 256K 0x20000000 16K 2K) -DMEMMGR_STATIC_HEAP_SIZE=2048"
    mode=$bare
    case $* in
    *SUITE_LOCK*) # no atomic operations, and yet not MEMMGR_NO_THREADS
        mode="$on -DMEMMGR_NO_OS $*"
        if $cc $on -DMEMMGR_NO_OS -fsyntax-only $picolibc tests/smoke.c 2>&1 |
            grep -q 'error "memmgr: no atomic operations here'; then passes
        else fails 'no clear error without a lock'; fi
        ;;
    *) smallest arm-none-eabi $picolibc $(board 0 256K 0x20000000 16K 2K) ;;
    esac
    cc="$cc $picolibc"
    for small in '' -DMEMMGR_SMALL; do
        suite $mode $options -DSUITE_POOL=5000 -DSUITE_BLOCKS=40 -DSUITE_EDGE=600 $small
    done
    [ -n "$*" ] || demo $mode $options
}

row_rv32()
{
    need riscv64-unknown-elf-gcc qemu-system-riscv32
    riscv64-unknown-elf-gcc $picolibc -E -x c /dev/null >/dev/null 2>&1 ||
        skip 'no picolibc for RISC-V'
    cc="riscv64-unknown-elf-gcc -std=c11 -Os -march=rv32imac -mabi=ilp32 -mcmodel=medany"
    cc="$cc $picolibc"
    sizes=$(board 0x80000000 4M 0x80400000 4M 64K)
    runner="qemu-system-riscv32 -M virt -bios none $semihosted"
    smallest riscv64-unknown-elf $sizes
    suite $bare $sizes
    suite $bare $sizes -DMEMMGR_SMALL
    program smoke tests/smoke.c $warnings $bare $sizes
    demo $bare $sizes
    sizes="$sizes $bare"
    existing misuse edges
}

# 16-bit int and pointers, 16 KiB of RAM. simavr's status says nothing.
row_avr()
{
    need avr-gcc simavr
    cc="avr-gcc -std=c11 -Os -mmcu=atmega1284p -ffunction-sections -fdata-sections"
    cc="$cc -Wl,--gc-sections" suffix=.elf status_counts=0
    runner='simavr -m atmega1284p -f 16000000'
    smallest avr
    cc="$cc -DMEMMGR_NO_WATCH" # whose texts alone are half of the RAM
    sizes='-DMEMMGR_STATIC_HEAP_SIZE=2048 -DSUITE_POOL=3000 -DSUITE_BLOCKS=32 -DSUITE_EDGE=400'
    for small in '' -DMEMMGR_SMALL; do
        program "suite$small" 'tests/targets/suite.c tests/targets/start_avr.c' -Wall -Wextra \
            -Wshadow -Wundef -Werror $bare $small $sizes -DSUITE_STEPS=3000 \
            -DSUITE_SEED="$SEED" -DMEMMGR_NO_STDIO -DSUITE_PRINT=print_raw
    done
    build hello 'examples/hello.c tests/targets/start_avr.c' -Wall -Wextra -I. $bare \
        -DMEMMGR_STATIC_HEAP_SIZE=2048 || return
    $runner "$dir/hello.elf" 2>&1 | tr -d '\r' | sed "s/$escape\[[0-9;]*m//g; s/\.*$//" |
        tee "$dir/hello.out"
    if grep -qF "$(cat "$out/hello.expected")" "$dir/hello.out"; then passes
    else fails "hello says something else"; fi
}

row_wasm()
{
    need clang wasm-ld node
    echo 'int main(void) { return 0; }' >"$dir/empty.c"
    clang --target=wasm32-wasi -o "$dir/empty.wasm" "$dir/empty.c" || skip 'no wasi-libc'
    cc="clang --target=wasm32-wasi -std=c11 -O2 $* $one_thread"
    # node 20's own threads make it crash at times, behind the program's end.
    suffix=.wasm runner='node --single-threaded tests/targets/wasi.js'
    case $* in
    '') { grep -q '__wasm' memmgr.h && clang --target=wasm32-wasi $on $one_thread -fsyntax-only \
        -DMEMMGR_IMPLEMENTATION -x c memmgr.h >/dev/null 2>&1; } || skip 'memmgr.h knows no memory there' ;;
    esac
    suite
    program smoke tests/smoke.c $warnings $on
    demo $on
    existing pool model misuse edges
}

# No header but the compiler's own, no library but what is linked here.
freestanding_sources='tests/targets/suite.c tests/targets/memory.c'
freestanding='-std=c11 -ffreestanding -fno-builtin -nostdlib -nostdinc'
freestanding="$freestanding -DMEMMGR_NO_STDIO -DSUITE_PRINT=print_raw"

row_freestanding_x86_64()
{
    case $(uname -sm) in 'Linux x86_64') ;; *) skip 'not Linux on x86-64' ;; esac
    for compiler in gcc clang; do
        command -v $compiler >/dev/null 2>&1 || { note "$compiler: skipped: not here"; continue; }
        own=$($compiler -print-file-name=include)
        [ $compiler = gcc ] || own=$($compiler -print-resource-dir)/include
        cc="$compiler -O2 -static -fno-stack-protector $freestanding -isystem $own"
        program suite.$compiler "$freestanding_sources tests/targets/start_linux.c" $warnings \
            $bare -DSUITE_SEED="$SEED"
    done
    cc="${CC:-cc} -std=c11 -O2 -I." # its main prints
    program example examples/freestanding.c -Wall -Wextra $on
}

row_freestanding_arm()
{
    need arm-none-eabi-gcc qemu-system-arm
    cc="arm-none-eabi-gcc -Os -mcpu=cortex-m3 -mthumb $freestanding"
    cc="$cc -isystem $(arm-none-eabi-gcc -print-file-name=include)"
    runner="qemu-system-arm -M mps2-an385 $semihosted" libraries=-lgcc
    program suite "$freestanding_sources tests/targets/start_arm.c" $warnings $bare \
        -DSUITE_SEED="$SEED" -T tests/targets/start_arm.ld
}

# compiled system target...: parsed and type-checked in each configuration, with stand-ins for the
# system's headers.
row_compiled()
{
    need clang
    system=$1
    shift
    headers=tests/targets/syntax
    own=$(clang -print-resource-dir)/include
    options="$warnings -fsyntax-only -nostdinc -Wno-unused-command-line-argument"
    case $system in
    posix) options="$options -isystem $headers/posix" ;;
    # clang's own names are taken away, for memmgr.h to see MSVC's. It knows no attribute that
    # would say that a function may be unused.
    msvc) options="$options -U__clang__ -U__SSE2__ -Wno-unused-function -Wno-unused-const-variable" ;;
    esac
    [ $system = posix ] || options="$options -isystem $headers/windows -fms-extensions
        -fms-compatibility -fms-compatibility-version=19.30"
    for target; do
        for mode in '' $on "$on -DMEMMGR_DEBUG" "$on -DMEMMGR_OVERRIDE" "$on $one_thread" \
            "$on -DMEMMGR_NO_WATCH" "$on -DMEMMGR_NO_OS" "-DMEMMGR_STATIC $on"; do
            compile_only -x c -std=c11 $mode
            [ $system = msvc ] || compile_only -x c -std=c99 $mode $one_thread
            compile_only -x c++ -std=c++17 -stdlib=libc++ $mode
        done
    done
}

compile_only()
{
    echo "--- $target $*"
    if clang --target="$target" "$@" $options -isystem $headers/common -isystem "$own" \
        tests/targets/syntax/one.c; then passes
    else fails "$target $*"; fi
}

# --- all rows ------------------------------------------------------------------------------------

# run_row name kind argument...: its line, and its log if it failed.
run_row()
{
    name=$1 kind=$2 dir=$out/$1
    shift 2
    mkdir -p "$dir"
    rm -f "$dir/result" "$dir/notes"
    (
        passed=0 failed=0 sizes=
        "row_$kind" "$@"
        [ $((passed + failed)) -gt 0 ] || fails 'nothing was done'
        echo "$passed passed, $failed failed" >"$dir/result"
    ) >"$dir/log" 2>&1
    [ -s "$dir/result" ] || echo '0 passed, 1 failed' >"$dir/result"
    result=$(cat "$dir/result")
    [ "$kind" != compiled ] || name="$name (compiled only)"
    {
        case $result in
        skipped:* | *' 0 failed') ;;
        *) sed 's/^/    /' "$dir/log" ;;
        esac
        printf '  %-28s %s\n' "$name" "$result"
        [ ! -s "$dir/notes" ] || sed 's/^/      /' "$dir/notes"
    } >"$dir/shown"
    cat "$dir/shown"
}

wanted()
{
    for pattern in $SKIP; do
        case $1 in $pattern) return 1 ;; esac
    done
    [ -n "$patterns" ] || return 0
    for pattern in $patterns; do
        case $1 in $pattern) return 0 ;; esac
    done
    return 1
}

# Takes row after row that nobody has taken yet.
work()
{
    while read -r name rest; do
        mkdir "$out/taken/$name" 2>/dev/null || continue
        run_row "$name" $rest </dev/null
    done <"$out/rows"
}

main()
{
    set -f # patterns are for names of rows
    patterns=$*
    mkdir -p "$out"
    rm -rf "$out/taken"
    mkdir "$out/taken"
    { ${CC:-cc} -I. -o "$out/hello" examples/hello.c && "$out/hello" >"$out/hello.expected"; } ||
        { echo "${CC:-cc} makes no program that works"; echo '0 passed, 1 failed'; exit 1; }
    table | while read -r name rest; do
        ! wanted "$name" || echo "$name $rest"
    done >"$out/rows"
    echo "SEED=$SEED SCALE=$SCALE"
    job=1
    while [ $job -lt "$JOBS" ]; do
        work &
        job=$((job + 1))
    done
    work
    wait

    while read -r name kind rest; do
        echo "$name $kind $(cat "$out/$name/result")"
    done <"$out/rows" >"$out/results"
    awk -v all="${MEMMGR_REQUIRE_ALL:-0}" '
        $3 == "skipped:" { skipped++; broken += all == 1; next }
        { passed += $3; broken += $5 }
        $2 == "compiled" { compiled++; next }
        { run++ }
        END {
            printf "rows: %d run, %d compiled only, %d skipped\n", run, compiled, skipped
            if (run + compiled + skipped == 0) broken++
            printf "%d passed, %d failed\n", passed, broken
            exit broken > 0
        }
    ' "$out/results"
}

main "$@"
