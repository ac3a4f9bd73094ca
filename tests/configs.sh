#!/bin/sh
# configs.sh: every way to compile the header, with every compiler that is here, warnings as errors,
# and the result run. What the machine does not have is skipped in one line. Build output goes to
# build/tests/configs.
cd "$(dirname "$0")/.." || exit 1
out=build/tests/configs
mkdir -p "$out"
passed=0
failed=0
warnings='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror'
on=-DUSE_MEMORY_MGR
one_thread=-DMEMMGR_NO_THREADS
runner= # what programs are run by
. tests/narrow.sh

c_compilers= cxx_compilers=
for compiler in gcc clang; do
    if command -v $compiler >/dev/null 2>&1; then c_compilers="$c_compilers $compiler"
    else echo "    $compiler: skipped, not here"; fi
done
for compiler in g++ clang++; do
    if command -v $compiler >/dev/null 2>&1; then cxx_compilers="$cxx_compilers $compiler"
    else echo "    $compiler: skipped, not here"; fi
done
# Another compiler, under whose name it may be: it is spared the warnings that it may not know.
own=
case ${CC:-cc} in gcc* | clang*) ;; *) own=${CC:-cc} ;; esac

passes() { passed=$((passed + 1)); }
fails() { failed=$((failed + 1)); echo "    FAILED: $*"; head -12 "$out/log"; }

# build_and_run command...: it must compile without a word and end with status 0.
build_and_run()
{
    if ! "$@" -o "$out/program" >"$out/log" 2>&1; then fails "$@"; return; fi
    if [ -s "$out/log" ]; then fails "$@"; return; fi
    $runner "$out/program" >"$out/log" 2>&1
    status=$?
    if [ $status = 0 ]; then passes; else fails "status $status:" "$@"; fi
}

# compile_only command...
compile_only()
{
    if "$@" -c -o "$out/object.o" >"$out/log" 2>&1 && [ ! -s "$out/log" ]; then passes
    else fails "$@"; fi
}

c_matrix()
{
    cc=$1
    for mode in "" $on; do
        build_and_run $cc -std=c99 -O1 $warnings $mode $one_thread tests/smoke.c
        build_and_run $cc -std=c11 -O2 $warnings $mode tests/smoke.c -pthread
        build_and_run $cc -std=c17 -O3 $warnings $mode tests/smoke.c -pthread
        build_and_run $cc -std=gnu11 -O0 $warnings $mode tests/smoke.c -pthread
        build_and_run $cc -std=c11 -Os $warnings $mode $one_thread tests/smoke.c
        build_and_run $cc -std=c11 -O0 $warnings $mode -DMEMMGR_STATIC tests/smoke.c -pthread
        build_and_run $cc -std=c11 -O0 $warnings $mode -DMEMMGR_NO_STDIO tests/smoke.c -pthread
        build_and_run $cc -std=c11 -O0 $warnings $mode -DMEMMGR_NO_STDIO $one_thread \
            -DMEMMGR_STATIC tests/smoke.c
        for watch in -DMEMMGR_DEBUG -DMEMMGR_NO_WATCH '-DMEMMGR_DEBUG -DMEMMGR_NO_WATCH' \
            '-DMEMMGR_DEBUG -DMEMMGR_NO_TOOLS' "-DMEMMGR_DEBUG $one_thread"; do
            build_and_run $cc -std=c11 -O1 $warnings $mode $watch tests/smoke.c -pthread
        done
        for standard in c99 c11 c17; do
            compile_only $cc -std=$standard $warnings $mode -DSMOKE_HEADER_ONLY tests/smoke.c
        done
    done
    build_and_run $cc -std=c11 -O0 $warnings $on -DMEMMGR_NO_OS tests/smoke.c
    build_and_run $cc -std=c99 -O0 $warnings $on -DMEMMGR_NO_OS $one_thread tests/smoke.c
    for mode in "" $on; do
        build_and_run $cc -std=c11 -Os $warnings $mode -DMEMMGR_SMALL tests/smoke.c
        build_and_run $cc -std=c99 -O2 $warnings $mode -DMEMMGR_SMALL $one_thread \
            -DMEMMGR_NO_STDIO ${mode:+-DMEMMGR_STATIC} tests/smoke.c
    done
    build_and_run $cc -std=c11 -O1 $warnings $on -DMEMMGR_NO_OS $one_thread -DMEMMGR_NO_STDIO \
        -DMEMMGR_STATIC_HEAP_SIZE=20000 tests/smoke.c
    for watch in -DMEMMGR_DEBUG -DMEMMGR_NO_WATCH; do
        build_and_run $cc -std=c99 -O1 $warnings $on -DMEMMGR_NO_OS $one_thread $watch tests/smoke.c
    done
    if narrow "$out" $cc; then
        runner=$narrow_runner
        for mode in "" $on; do
            for program in tests/smoke.c '-DMEMMGR_DEBUG tests/smoke.c' tests/test_pool.c \
                tests/test_edges.c; do
                build_and_run $cc $narrow_flags -std=c11 -O2 $warnings $mode $program -pthread
            done
        done
        runner=
    else
        echo "    $cc -m32: skipped, does not work here"
    fi
}

cxx_matrix()
{
    cxx=$1
    for mode in "" $on; do
        for standard in c++11 c++17; do
            build_and_run $cxx -x c++ -std=$standard -O1 $warnings $mode tests/smoke.c -pthread
            compile_only $cxx -x c++ -std=$standard $warnings $mode -DSMOKE_HEADER_ONLY \
                tests/smoke.c
        done
        build_and_run $cxx -x c++ -std=c++11 -O1 $warnings $mode $one_thread -DMEMMGR_NO_STDIO \
            -DMEMMGR_STATIC tests/smoke.c
        for watch in -DMEMMGR_DEBUG -DMEMMGR_NO_WATCH; do
            build_and_run $cxx -x c++ -std=c++11 -O1 $warnings $mode $watch tests/smoke.c -pthread
        done
    done
    build_and_run $cxx -x c++ -std=c++11 -O1 $warnings $on -DMEMMGR_NO_OS $one_thread tests/smoke.c
    build_and_run $cxx -x c++ -std=c++11 -O1 $warnings $on -DMEMMGR_SMALL $one_thread tests/smoke.c
}

# In the place of malloc and of new.
override()
{
    cc=$1 cxx=$2
    own_malloc="$warnings $on -DMEMMGR_IMPLEMENTATION -DMEMMGR_OVERRIDE"
    compile_only $cc -x c -std=c11 -O2 $own_malloc memmgr.h
    compile_only $cc -x c -std=c99 -O2 $own_malloc $one_thread memmgr.h
    compile_only $cxx -x c++ -std=c++11 -O2 $own_malloc memmgr.h
    compile_only $cxx -x c++ -std=c++20 -O2 -fno-exceptions $own_malloc memmgr.h
    compile_only $cxx -x c++ -std=c++17 -O2 $own_malloc memmgr.h
    build_and_run $cxx -std=c++17 -O1 -fsized-deallocation tests/preload/standard.cpp \
        -x none "$out/object.o" -pthread
    build_and_run $cc -std=c11 -O2 $warnings $on -DMEMMGR_HUGE_PAGES tests/smoke.c -pthread
}

# The tests themselves are held to the same warnings; two of them are C++ as well.
test_programs()
{
    cc=$1
    for file in tests/test_*.c tests/stress_legit.c; do
        for mode in "" $on; do
            if $cc -std=c11 -O0 $warnings $mode -fsyntax-only "$file" >"$out/log" 2>&1; then passes
            else fails $cc $mode "$file"; fi
        done
    done
}

# Freestanding: no name is left open but those that a compiler itself may call.
freestanding()
{
    cc=$1
    command -v nm >/dev/null 2>&1 || { echo "    freestanding: skipped, no nm"; return; }
    printf '#define MEMMGR_IMPLEMENTATION\n#include "../../../memmgr.h"\n' >"$out/free.c"
    if ! $cc -std=c11 -O2 $warnings -ffreestanding $on $one_thread -DMEMMGR_NO_OS \
        -DMEMMGR_NO_STDIO -c -o "$out/free.o" "$out/free.c" >"$out/log" 2>&1; then
        fails "$cc -ffreestanding"
        return
    fi
    open=$(nm "$out/free.o" | awk '$1 == "U" { print $2 }' |
        grep -Ev '^_?(mem(cpy|move|set|cmp)|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_)$')
    : >"$out/log"
    if [ -z "$open" ]; then passes; else fails "$cc: freestanding, and yet it needs" $open; fi
}

for compiler in $c_compilers; do c_matrix $compiler; done
for compiler in $cxx_compilers; do cxx_matrix $compiler; done
for compiler in $c_compilers; do freestanding $compiler; done
case $c_compilers:$cxx_compilers in *gcc*:*' g++'*) override gcc g++ ;; esac
case $c_compilers:$cxx_compilers in *clang*:*clang++*) override clang clang++ ;; esac
for compiler in $c_compilers; do test_programs $compiler; break; done
for compiler in $cxx_compilers; do
    for program in test_model test_pool; do
        SCALE=2
        export SCALE
        build_and_run $compiler -x c++ -std=c++11 -O1 $warnings $on tests/$program.c -pthread
    done
    break
done
if [ -n "$own" ]; then
    for mode in "" $on; do
        if $own $mode $one_thread -o "$out/program" tests/smoke.c >"$out/log" 2>&1 && "$out/program"
        then passes; else fails "$own $mode"; fi
    done
fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
