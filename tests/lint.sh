#!/bin/sh
# lint.sh [section...]: what checkers say, and counts of instructions. Clean, or explained: in
# .clang-tidy, in tests/lint/*.txt, or here where a warning is switched off. Sections:
# text shell warnings analyzers tidy cppcheck instructions memory integer sanitize
#
# SHORT=1 leaves out the analyzers but one, C++ and the tests in clang-tidy, the slower
# configurations, and all sections from memory on but one program of each. SEED and SCALE are
# honoured. With MEMMGR_REQUIRE_ALL=1 what is not installed counts as a failure. Build output goes
# to build/lint.
cd "$(dirname "$0")/.." || exit 1
out=build/lint
mkdir -p "$out"
rm -f "$out"/*.log "$out/known"
SHORT=${SHORT:-}
SEED=${SEED:-1}
SCALE=${SCALE:-1}
export SEED SCALE
on=-DUSE_MEMORY_MGR
one_thread=-DMEMMGR_NO_THREADS
header="-DMEMMGR_IMPLEMENTATION -x c"
passed=0
failed=0

. tests/narrow.sh

# count name passed failed [log]
count() {
    passed=$((passed + $2)) failed=$((failed + $3))
    printf '  %-34s %d passed, %d failed\n' "$1" "$2" "$3"
    if [ "$3" != 0 ] && [ -n "${4:-}" ]; then head -40 "$4" | sed 's/^/    /'; fi
}

skip() {
    printf '  %-34s skipped: %s\n' "$1" "$2"
    if [ -n "${MEMMGR_REQUIRE_ALL:-}" ]; then failed=$((failed + 1)); fi
}

has() { command -v "$1" >/dev/null 2>&1; }

# quiet name command...: passes when the command ends with 0 and says nothing.
quiet() {
    row=$1
    shift
    if "$@" >"$out/$row.log" 2>&1 && [ ! -s "$out/$row.log" ]; then count "$row" 1 0
    else count "$row" 0 1 "$out/$row.log"; fi
}

# program name command...: a test program, whose last line has its counts.
program() {
    row=$1
    shift
    "$@" >"$out/$row.log" 2>&1
    status=$?
    result=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$out/$row.log" | tail -1)
    case $status:$result in
    0:[1-9]*' 0') count "$row" "${result% *}" 0 ;;
    *:*' '[1-9]*) count "$row" "${result% *}" "${result#* }" "$out/$row.log" ;;
    *) count "$row" 0 1 "$out/$row.log" ;;
    esac
}

# build name command...
build() {
    row=$1
    shift
    "$@" -o "$out/$row" >"$out/$row.log" 2>&1 && return 0
    count "$row" 0 1 "$out/$row.log"
    return 1
}


# --- Text ---

text_is_kept() {
    if has git && git rev-parse --git-dir >/dev/null 2>&1; then files=$(git ls-files -co --exclude-standard)
    else files=$(find . -type f ! -path './build/*' | sed 's|^\./||'); fi
    for file in $files; do
        [ -f "$file" ] || continue
        case $file in tests/fuzz/corpus/* | tests/fuzz/findings/*) continue ;; esac # inputs, not text
        [ -z "$(tail -c 1 "$file")" ] || echo "$file: no newline at its end"
        case $file in *.svg) continue ;; esac # written by a program
        grep -n '[[:blank:]]$' "$file" | sed "s|^|$file: a trailing blank: |"
        case $file in
        Makefile | */Makefile | *.md) continue ;;
        tests/preload/run.sh) continue ;; # holds a Makefile
        esac
        grep -n "$(printf '\t')" "$file" | sed "s|^|$file: a tab: |"
    done
}

section_text() {
    quiet text text_is_kept
    if has clang-format; then
        quiet format sh -c "find memmgr.h examples tests -name '*.[ch]' -o -name '*.[ch]pp' |
            xargs clang-format -n -Werror"
    else
        skip format 'no clang-format'
    fi
}

# --- Scripts ---

each_parses() { for file in "$@"; do sh -n "$file"; done; }

# SC2086, SC2046: options and lists of files are words, and to be split. SC2231: the same, in `for`.
# SC2016: programs of awk and sed stand in single quotes.
shell_rules=SC2086,SC2046,SC2231,SC2016

# What shellcheck says of the scripts, less what tests/lint/shellcheck.txt explains.
shellcheck_all() {
    shellcheck -s sh -f gcc -e $shell_rules "$@" | while IFS= read -r finding; do
        code=${finding##*\[}
        grep -Fqx "${finding%%:*} ${code%]}" tests/lint/shellcheck.txt || echo "$finding"
    done
}

section_shell() {
    scripts=$(find tests examples -name '*.sh')
    quiet sh each_parses $scripts
    if has shellcheck; then quiet shellcheck shellcheck_all $scripts
    else skip shellcheck 'not installed'; fi
    if has python3; then
        quiet python env PYTHONPYCACHEPREFIX="$PWD/$out/python" python3 -m py_compile \
            $(find tests examples -name '*.py')
    else
        skip python 'no python3'
    fi
}

# --- Warnings ---

ours='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef'
# Without -Warith-conversion: it wants casts where small unsigned types meet constants.
more='-Wcast-qual -Wcast-align=strict -Wwrite-strings -Wlogical-op -Wduplicated-cond
    -Wduplicated-branches -Wnull-dereference -Wvla -Wdouble-promotion -Wswitch-enum -Wformat=2
    -Wredundant-decls -Wmissing-declarations -Wfloat-equal -Walloca -Wdate-time'
more_c='-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition'

# What clang warns of and this code does on purpose:
#   declaration-after-statement, old-style-cast, zero-as-null-pointer-constant, c++98-compat:
#       C99, which is compiled as C++11 as well
#   padded: layouts are asserted where they matter
#   used-but-marked-unused: a static implementation is used in part, so that all of it is marked
#   unused-macros: the version, and guards, are for others
#   unused-function: inline calls of the header, in the one file that does not call them
#   comma: two short steps of a kind in one line
#   bad-function-cast: of an address that a function computed
#   missing-noreturn: the one that aborts is a system's, and another system's returns
#   unsafe-buffer-usage: the whole of C
everything='-Weverything -Wno-declaration-after-statement -Wno-padded -Wno-used-but-marked-unused
    -Wno-unused-macros -Wno-unused-function -Wno-comma -Wno-bad-function-cast -Wno-missing-noreturn
    -Wno-unknown-warning-option -Wno-unsafe-buffer-usage'
everything_cxx='-Wno-old-style-cast -Wno-zero-as-null-pointer-constant -Wno-c++98-compat-pedantic'

# with name option...: compiles the header as each compiler that is here does.
with() {
    kind=$1
    shift
    if has gcc; then quiet "gcc.$kind" gcc -std=c11 -O2 $ours $more $more_c "$@" $header -c memmgr.h -o /dev/null
    fi
    for clang in clang clang-19; do
        if has $clang; then
            quiet "$clang.$kind" $clang -std=c11 $everything "$@" $header -fsyntax-only memmgr.h
        fi
    done
}

with_cxx() {
    kind=$1
    shift
    set -- "$@" -DMEMMGR_IMPLEMENTATION -x c++
    if has g++; then quiet "g++.$kind" g++ -std=c++11 -O2 $ours $more "$@" -c memmgr.h -o /dev/null; fi
    if has clang++; then
        quiet "clang++.$kind" clang++ -std=c++11 $everything $everything_cxx "$@" -fsyntax-only memmgr.h
    fi
    # Bitwise operations between enumerations are errors since C++26.
    if has clang-19; then quiet "clang-19.c++26.$kind" clang-19 -std=c++26 -Wall -Wextra -Wno-unused-function "$@" -fsyntax-only memmgr.h
    fi
}

section_warnings() {
    for compiler in gcc g++ clang clang++ clang-19; do has $compiler || skip $compiler 'not installed'; done
    with on $on
    with off
    with_cxx on $on
    with_cxx off
    [ -z "$SHORT" ] || return
    with no_os $on -DMEMMGR_NO_OS $one_thread
    with one_thread $on $one_thread
    with debug $on -DMEMMGR_DEBUG
    # Calls that stand behind a condition which is a constant there.
    with no_watch $on -DMEMMGR_NO_WATCH -Wno-unreachable-code
    # Names of libc, some of which its headers declare only when asked.
    with override $on -DMEMMGR_OVERRIDE -Wno-missing-prototypes -Wno-missing-declarations
    with off_debug -DMEMMGR_DEBUG
    with_cxx debug $on -DMEMMGR_DEBUG
}

# --- Analyzers ---

# What the header asserts, an analyzer may believe.
believe='-DMEMMGR_ASSERT(c)=((c)?(void)0:__builtin_unreachable())'

# unexplained log: findings that tests/lint/known.txt does not have; those that it has go to known.
unexplained() {
    sed -n 's/^\([^: ]*\):\([0-9]*\):[0-9]*: warning: .*\[-*W*\([a-zA-Z.-]*\)\]$/\1 \2 \3/p' "$1" | sort -u |
        while read -r file line check; do
            entry="$check | $(sed -n "${line}s/^ *//p" "$file")"
            if grep -Fqx -e "$entry" tests/lint/known.txt; then echo "$entry" >>"$out/known"
            else echo "$file:$line: $entry"; fi
        done
}

# analyze name command...
analyze() {
    row=$1
    shift
    if ! "$@" >"$out/$row.all.log" 2>&1; then count "$row" 0 1 "$out/$row.all.log"; return; fi
    quiet "$row" unexplained "$out/$row.all.log"
}

gcc_analyzes() {
    kind=$1
    shift
    analyze "gcc.analyzer.$kind" gcc -std=c11 -O2 -fanalyzer "$believe" "$@" $header -c memmgr.h -o /dev/null
}

clang_analyzes() {
    kind=$1
    shift
    analyze "clang.analyze.$kind" clang --analyze -Xclang -analyzer-output=text -std=c11 "$believe" "$@" \
        $header memmgr.h -o /dev/null
}

section_analyzers() {
    if has gcc; then
        [ -n "$SHORT" ] || gcc_analyzes on $on
        gcc_analyzes off
        [ -n "$SHORT" ] || gcc_analyzes no_os $on -DMEMMGR_NO_OS $one_thread
        [ -n "$SHORT" ] || gcc_analyzes debug $on -DMEMMGR_DEBUG
        [ -n "$SHORT" ] || gcc_analyzes no_watch $on -DMEMMGR_NO_WATCH
    else
        skip gcc.analyzer 'no gcc'
    fi
    if ! has clang; then skip clang.analyze 'no clang'; return; fi
    [ -n "$SHORT" ] || clang_analyzes on $on
    [ -n "$SHORT" ] || clang_analyzes off
    # The analyzers of other versions find other things; these are the ones the list was made with.
    [ -z "$SHORT" ] && gcc --version | grep -q ' 12\.' && clang --version | grep -q 'version 14\.' || return
    quiet known.needed sh -c "grep -v '^#' tests/lint/known.txt | grep -Fvx -f $out/known"'; :'
}

# --- clang-tidy ---

# tidy_each options file...
tidy_each() {
    checks=$1 options=$2
    shift 2
    for file in "$@"; do clang-tidy --quiet --checks="$checks" "$file" -- $options 2>/dev/null || echo "$file: not clean"; done
}

section_tidy() {
    if ! has clang-tidy; then skip clang-tidy 'not installed'; return; fi
    no_analyzer='-clang-analyzer-*'
    printf '#define MEMMGR_IMPLEMENTATION\n#include "../../memmgr.h"\n' >"$out/header.c"
    cp "$out/header.c" "$out/header.cpp"
    quiet tidy.header.off tidy_each "$no_analyzer" -std=c11 "$out/header.c"
    if [ -n "$SHORT" ]; then return; fi
    quiet tidy.header.on tidy_each '' "-std=c11 $on" "$out/header.c"
    quiet tidy.header.c++ tidy_each "$no_analyzer" "-std=c++11 $on" "$out/header.cpp"
    quiet tidy.examples tidy_each "$no_analyzer" "-std=gnu11 -I. $on" \
        $(find examples -name '*.c' ! -name preload.c ! -path '*/migration/*' ! -path '*/hooks/*')
    quiet tidy.migration tidy_each "$no_analyzer" \
        "-std=gnu11 -I. -Iexamples/migration -Itests/migration $on" examples/migration/*.c
    # It defines functions of libc, whose headers name the parameters __nmemb and the like.
    quiet tidy.preload tidy_each "$no_analyzer,-readability-inconsistent-declaration-parameter-name" \
        "-std=gnu11 -I. $on" examples/preload/preload.c
    quiet tidy.tests tidy_each "$no_analyzer" "-std=gnu11 $on" tests/test_*.c tests/stress_*.c
    quiet tidy.tests.off tidy_each "$no_analyzer" -std=gnu11 tests/test_pool.c tests/test_general.c
}

# --- cppcheck ---

checks() {
    cppcheck --quiet --enable=warning,performance,portability --inconclusive --error-exitcode=1 --std=c11 \
        --language=c -D__GNUC__=12 -D__x86_64__=1 -D__linux__=1 \
        -D__STDC_VERSION__=201112L -D__STDC_HOSTED__=1 -U__cplusplus "$@"
}

section_cppcheck() {
    if ! has cppcheck; then skip cppcheck 'not installed'; return; fi
    implementation=-DMEMMGR_IMPLEMENTATION=1
    quiet cppcheck.on checks ${on}=1 $implementation memmgr.h
    quiet cppcheck.off checks -UUSE_MEMORY_MGR $implementation memmgr.h
    if [ -n "$SHORT" ]; then return; fi
    quiet cppcheck.no_os checks ${on}=1 $implementation ${one_thread}=1 -DMEMMGR_NO_OS=1 memmgr.h
    quiet cppcheck.debug checks ${on}=1 $implementation -DMEMMGR_DEBUG=1 memmgr.h
    quiet cppcheck.no_watch checks ${on}=1 $implementation -DMEMMGR_NO_WATCH=1 memmgr.h
    quiet cppcheck.override checks ${on}=1 $implementation -DMEMMGR_OVERRIDE=1 memmgr.h
}

# --- Instructions of the fast paths ---

counts() {
    "$out/steps_pool" fast 67108864 default | sed 's/^/pool /'
    "$out/steps_general" fast 67108864 default | sed 's/^/general /'
    LD_BIND_NOW=1 LD_PRELOAD=$PWD/$out/libmemmgr.so "$out/steps_preload" fast 67108864 default |
        sed 's/^/preload /'
}

section_instructions() {
    CC=${CC:-gcc}
    if ! has "$CC"; then skip instructions "no $CC"; return; fi
    steps="$CC -O2 tests/bench_steps.c"
    build memmgr.o $CC -O2 $on $header -c memmgr.h || return
    build steps_pool $steps $on -DBENCH_MEMMGR "$out/memmgr.o" -lm -pthread || return
    build steps_general $steps $on -DBENCH_GENERAL "$out/memmgr.o" -lm -pthread || return
    build steps_preload $steps -fno-builtin -DBENCH_GLIBC -lm || return
    build libmemmgr.so $CC -O2 -fPIC -shared -fno-builtin -fexceptions -fvisibility=hidden -ffunction-sections \
        -fdata-sections -Wl,--gc-sections examples/preload/preload.c -pthread -ldl || return
    counts >"$out/counts"
    if grep -q -e - "$out/counts"; then
        skip instructions 'counting them needs an x86-64 processor and its trap flag'
        return
    fi
    judged=no
    # gcc 12, by whatever name it is called
    if echo __GNUC__ __clang__ | $CC -E -P - 2>/dev/null | grep -qx '12 __clang__'; then judged=yes; fi
    awk -v judged=$judged '
    /^#/ || /^compiler/ { next }
    FILENAME == ARGV[1] { most[$1, $2] = $3 " " $4; kept++; next }
    { print "    " $1 ", " $2 " B: " $3 " / " $4 }
    !(($1, $2) in most) { next }
    {
        split(most[$1, $2], limit, " ")
        met++
        if ($3 > limit[1] || $4 > limit[2]) { worse++; word = "MORE THAN" } else word = "less than"
        if ($3 != limit[1] || $4 != limit[2]) print "      " word " " limit[1] " / " limit[2]
    }
    END {
        if (judged == "no") print "    not judged: another compiler"
        if (judged == "yes" && (worse > 0 || met != kept)) exit 1
    }' tests/lint/instructions.txt "$out/counts" >"$out/verdict"
    status=$?
    cat "$out/verdict"
    if [ $judged = no ]; then skip instructions "kept for gcc 12, not for $($CC --version | head -1)"
    elif [ $status = 0 ]; then count instructions 1 0
    else count instructions 0 1; fi
}

# --- Memory that was never written, and Valgrind ---

# MemorySanitizer: huge requests, which tests make, are refused by its malloc as they are by another.
# What memmgr hands out again counts as written: it does not tell this sanitizer of its blocks.
section_memory() {
    MSAN_OPTIONS=allocator_may_return_null=1
    export MSAN_OPTIONS
    msan='-O1 -g -fsanitize=memory -fno-sanitize-recover=all -fsanitize-ignorelist=tests/lint/msan.txt'
    printf 'int main(void) { return 0; }\n' >"$out/works.c"
    names='model pool draw report grow strategy edges'
    if [ -n "$SHORT" ]; then names=model; fi
    if has clang && clang -fsanitize=memory -o "$out/works" "$out/works.c" 2>/dev/null; then
        for name in $names; do
            build "msan.$name" clang -std=c11 $msan $on "tests/test_$name.c" -pthread &&
                program "msan.$name" "$out/msan.$name"
            case $name in strategy) continue ;; esac # has no test without the manager
            build "msan.$name.off" clang -std=c11 $msan "tests/test_$name.c" -pthread &&
                program "msan.$name.off" "$out/msan.$name.off"
        done
    else
        skip msan 'no clang with MemorySanitizer'
    fi
    if ! has valgrind; then skip memcheck 'no valgrind'; return; fi
    memcheck='valgrind -q --error-exitcode=9 --leak-check=full --fair-sched=yes'
    # Told of every block, memmgr watches all: only a program that keeps to what it asked for is clean.
    # The tests fill whole granules, so they run untold.
    names='model grow pool general draw report'
    if [ -n "$SHORT" ]; then names=model; fi
    for name in $names; do
        build "memcheck.$name" gcc -std=c11 -O1 -g $on -DMEMMGR_NO_TOOLS "tests/test_$name.c" -pthread &&
            program "memcheck.$name" $memcheck "$out/memcheck.$name"
        case $name in general) continue ;; esac # libc's heap has no end that can be reached
        build "memcheck.$name.off" gcc -std=c11 -O1 -g "tests/test_$name.c" -pthread &&
            program "memcheck.$name.off" $memcheck "$out/memcheck.$name.off"
    done
    if [ -n "$SHORT" ]; then return; fi
    build memcheck.legit gcc -std=c11 -O1 -g $on tests/stress_legit.c -pthread &&
        program memcheck.legit $memcheck "$out/memcheck.legit"
}

# --- Integers ---

# Unsigned shifts are not among these: the bits that leave a word are meant to.
section_integer() {
    if ! has clang; then skip integer 'no clang'; return; fi
    integer='-O1 -g -fsanitize=undefined,unsigned-integer-overflow,implicit-conversion,local-bounds
        -fsanitize=float-divide-by-zero,nullability -fno-sanitize-recover=all
        -fsanitize-ignorelist=tests/lint/wraps.txt -DMEMMGR_NO_TOOLS'
    names='model pool general grow'
    if [ -n "$SHORT" ]; then names=model; fi
    for name in $names; do
        build "integer.$name" clang -std=c11 $integer $on "tests/test_$name.c" -pthread &&
            program "integer.$name" "$out/integer.$name"
        build "integer.$name.off" clang -std=c11 $integer "tests/test_$name.c" -pthread &&
            program "integer.$name.off" "$out/integer.$name.off"
    done
    if [ -n "$SHORT" ]; then return; fi
    if narrow "$out" gcc -fsanitize=undefined; then
        for name in model pool general; do
            build "undefined.m32.$name" gcc -std=c11 $narrow_flags -O1 -g -fsanitize=undefined \
                -fno-sanitize-recover=all -DMEMMGR_NO_TOOLS $on "tests/test_$name.c" -pthread &&
                program "undefined.m32.$name" $narrow_runner "$out/undefined.m32.$name"
        done
    else
        skip undefined.m32 'no 32-bit compiler'
    fi
}

# --- The stage of tests/run.sh, with clang ---

section_sanitize() {
    if ! has clang; then skip sanitize.clang 'no clang'; return; fi
    if [ -n "$SHORT" ]; then echo '  sanitize.clang: only in a full run'; return; fi
    program sanitize.clang env CC=clang sh tests/run.sh sanitize
}

# section_in_full name: in a shell of its own, whose counts are written down.
in_full() {
    passed=0
    failed=0
    "section_$1"
    echo "$passed $failed" >"$out/$1.counts"
}

# lane section...: one after the other
lane() { for section in "$@"; do in_full "$section" >"$out/$section.out" 2>&1; done; }

if [ $# = 0 ]; then
    set -- text shell warnings analyzers tidy cppcheck instructions memory integer sanitize
fi
for section in "$@"; do
    case $section in
    text | shell | warnings | analyzers | tidy | cppcheck) static="${static:-} $section" ;;
    instructions | memory | integer | sanitize) dynamic="${dynamic:-} $section" ;;
    *)
        echo "lint.sh: no section $section"
        exit 2
        ;;
    esac
    rm -f "$out/$section.counts" "$out/$section.out"
done
lane ${dynamic:-} &
lane ${static:-}
wait
total_passed=0
total_failed=0
for section in "$@"; do
    echo "$section"
    cat "$out/$section.out"
    read -r passed failed <"$out/$section.counts" || failed=1
    total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed))
done
echo "$total_passed passed, $total_failed failed"
[ $total_failed = 0 ]
