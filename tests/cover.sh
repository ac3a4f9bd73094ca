#!/bin/sh
# cover.sh [job...]: which lines and branches of memmgr.h the tests reach. Below 100 percent of what
# is not excused in memmgr.h it fails. A row for each room; what is missing stands in
# build/cover/missing.txt. With words, only the jobs whose names contain one of them are run anew:
# what the others counted before stays.
#
# SHORT=1 repeats less. SEED is honoured. It takes clang and llvm-profdata and llvm-cov of the same
# version (CLANG=clang-19 by default), and python3.
#
# Why clang's source-based coverage: its branches are the conditions of the source, each operand of
# && and || by itself, also in macros, and constant conditions are known as such; gcc's are jumps of
# the code that it makes. And a counter's place in the source does not depend on the configuration,
# so that programs compiled in any way can be added up; cover.py does so, program by program.
#
# The counters stand in a file that is mapped ("continuous mode"): what a program counted is there
# however it ends, and a child of fork counts on in the same file. Where threads count at the same
# time they do so atomically, as some counts are differences of others.
#
# Excuses stand in memmgr.h, at the end of the line:
#
#     // uncovered: REASON        the line never runs here
#     // half covered: REASON     one branch direction of this line never happens here
#     // half covered 2: REASON   two of them
#
# An excuse without a reason, or for what is covered by now, fails. Conditions of assertions are no
# branches: they are always true.
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
out=$root/build/cover
tree=$out/tree
CLANG=${CLANG:-clang-19}
case $CLANG in *-[0-9]*) version=-${CLANG##*-} ;; *) version= ;; esac
CLANGXX="clang++$version"
export CLANG CLANGXX
SEED=${SEED:-1}
SCALE=2
[ -z "${SHORT:-}" ] || SCALE=1
export SEED SCALE
ASAN_OPTIONS=detect_leaks=0
export ASAN_OPTIONS

# --- A compiler that counts ----------------------------------------------------------------------

# cover.sh --compile COMPILER argument...: the argument list, with coverage. Each program gets a
# file of its own for its counts, and a copy of it is kept. COUNTING=atomic for threads.
compile()
{
    compiler=$1
    shift
    links=1 next= program=a.out
    for argument; do
        [ -z "$next" ] || program=$argument
        next=
        case $argument in
        -c | -E | -S | -fsyntax-only) links= ;;
        -o) next=1 ;;
        esac
    done
    id=$JOB=$(mktemp -u XXXXXXXXXX)
    set -- "$@" -O0 -g0 -fcoverage-mapping "-fprofile-instr-generate=$out/raw/$id.%m%c.profraw" \
        -mllvm -runtime-counter-relocation
    [ "${COUNTING:-}" != atomic ] || set -- "$@" -fprofile-update=atomic
    [ -z "$links" ] || set -- "$@" -Wl,--build-id=sha1
    "$compiler" -Wno-unused-command-line-argument "$@" || return
    [ -z "$links" ] || cp "$program" "$out/bin/$id"
}

# --- The jobs ------------------------------------------------------------------------------------

# job NAME WORD...: a line of the list.
job() { echo "$*"; }

on=-DUSE_MEMORY_MGR
one=-DMEMMGR_NO_THREADS
bare="$one -DMEMMGR_NO_OS"

# Tests with threads, of programs that have others, too.
threaded='thread|fork'

list_jobs()
{
    # The slow ones first, so that both processors are busy to the end.
    job test_watch.plain plain tests/test_watch.c $on
    job test_watch.threaded threaded tests/test_watch.c $on
    job test_trace.plain plain tests/test_trace.c $on
    job test_trace.threaded threaded tests/test_trace.c $on
    for name in threads fork general lock regress holes scarce single idle os exit exit_call; do
        job test_$name atomic tests/test_$name.c $on
    done
    for name in model pool misuse edges grow strategy draw report bound exhaustion base os_none \
        trace_clock damage damage_end watch_wounds tool; do
        job test_$name program tests/test_$name.c $on
    done
    for file in tests/test_*.c; do
        name=${file##*/}
        job ${name%.c}.off program $file
    done
    job test_general.one program tests/test_general.c $on $one
    job test_general.no_os program tests/test_general.c $on $bare -DMEMMGR_STATIC_HEAP_SIZE=8000000
    job test_single.debug atomic tests/test_single.c $on -DMEMMGR_DEBUG
    job test_base.one program tests/test_base.c $on $one
    job test_base.no_tools program tests/test_base.c $on -DMEMMGR_NO_TOOLS
    for name in base pool model misuse edges strategy draw; do
        job test_$name.small program tests/test_$name.c $on -DMEMMGR_SMALL
    done
    job smoke.small smoke $on -DMEMMGR_SMALL
    job smoke.small.one smoke $on -DMEMMGR_SMALL $one -DMEMMGR_NO_STDIO
    job test_base.32 program tests/test_base.c $on -m32
    job test_os_none.no_stdio program tests/test_os_none.c $on -DMEMMGR_NO_STDIO
    for name in watch trace; do
        job test_$name.debug plain tests/test_$name.c $on -DMEMMGR_DEBUG
        job test_$name.one program tests/test_$name.c $on $one
    done
    for name in pool edges grow; do
        job test_$name.32 program tests/test_$name.c $on -m32
        job test_$name.32.off program tests/test_$name.c -m32
    done
    job large_pages program tests/targets/large_pages.c $on
    job test_damage.no_os program tests/test_damage.c $on $bare
    job test_watch_wounds.asan program tests/test_watch_wounds.c $on -fsanitize=address
    job test_tool.asan program tests/test_tool.c $on -fsanitize=address
    job test_no_room program tests/test_no_room.c $on
    job corpus.debug program tests/corpus/corpus.c $on -DMEMMGR_DEBUG
    job corpus program tests/corpus/corpus.c $on
    job stress stress tests/stress_threads.c $on
    job watch_options script tests/test_watch_options.sh
    job switch script tests/test_switch/run.sh
    job trace_tool script tests/test_trace_tool.sh
    job plugin plugin
    job override override c
    job override.cpp override c++
    list_smoke
}

list_smoke()
{
    for switch in on off; do
        mode=
        [ $switch = off ] || mode=$on
        job smoke.$switch smoke $mode
        job smoke.$switch.one smoke $mode $one
        job smoke.$switch.no_stdio smoke $mode -DMEMMGR_NO_STDIO
        job smoke.$switch.static smoke $mode -DMEMMGR_STATIC
        job smoke.$switch.debug smoke $mode -DMEMMGR_DEBUG
        job smoke.$switch.debug.one smoke $mode -DMEMMGR_DEBUG $one
        job smoke.$switch.no_watch smoke $mode -DMEMMGR_NO_WATCH
        job smoke.$switch.no_tools smoke $mode -DMEMMGR_NO_TOOLS
        job smoke.$switch.asan smoke $mode -fsanitize=address
        job smoke.$switch.32 smoke $mode -m32
        job smoke.$switch.32.debug smoke $mode -m32 -DMEMMGR_DEBUG
        job smoke.$switch.c99 smoke $mode $one -std=c99
    done
    job smoke.valgrind valgrind $on -DMEMMGR_DEBUG
    job smoke.valgrind.lock valgrind $on '-DMEMMGR_LOCK()=(void)0' '-DMEMMGR_UNLOCK()=(void)0'
    job smoke.strict strict $on $one
    job smoke.huge smoke $on -DMEMMGR_HUGE_PAGES
    job smoke.no_os smoke $on -DMEMMGR_NO_OS
    job smoke.no_os.one smoke $on $bare
    job smoke.no_os.small smoke $on $bare -DMEMMGR_NO_STDIO -DMEMMGR_STATIC_HEAP_SIZE=20000
    job smoke.no_os.debug smoke $on $bare -DMEMMGR_DEBUG
    job smoke.no_os.no_watch smoke $on $bare -DMEMMGR_NO_WATCH
}

. "$root/tests/narrow.sh"
runner= # what programs are run by

# --- A job ---------------------------------------------------------------------------------------

# Each job ends with a line 'NAME ok', 'NAME failed' or 'NAME skipped: reason'.
ok() { echo "$name ok"; }
broken() { echo "$name failed: $*"; }
skips() { echo "$name skipped: $*"; }

# build option... source: build/cover/programs/NAME
build()
{
    case " $* " in
    *' -m32 '*)
        mkdir -p "$program.narrow"
        if ! narrow "$program.narrow" "$CLANG" -fprofile-instr-generate; then
            skips "$CLANG -m32 does not work here"
            return 1
        fi
        set -- "$@" $narrow_flags
        runner=$narrow_runner
        ;;
    esac
    "$out/cc" -std=c11 "$@" -o "$program" -pthread && return 0
    broken 'does not compile'
    return 1
}

runs() { if "$@"; then ok; else broken "status $?: $*"; fi; }

run_job()
{
    name=$1 kind=$2
    shift 2
    program=$out/programs/$name
    JOB=$name
    export JOB
    rm -f "$out/bin/$name="* "$out/raw/$name="*
    cd "$tree" || exit 1
    case $kind in
    program | smoke)
        [ $kind = program ] || set -- "$@" tests/smoke.c
        build "$@" && runs $runner "$program"
        ;;
    atomic)
        COUNTING=atomic
        export COUNTING
        build "$@" && runs "$program"
        ;;
    plain) build "$@" && runs "$program" $("$program" --list | grep -Ev "$threaded") ;;
    threaded)
        COUNTING=atomic
        export COUNTING
        build "$@" && runs "$program" $("$program" --list | grep -E "$threaded")
        ;;
    stress)
        COUNTING=atomic
        export COUNTING
        build "$@" && runs "$program" 5
        ;;
    strict) # -pthread would make the C library show what standard C does not have
        "$out/cc" -std=c99 "$@" -o "$program" tests/smoke.c && runs "$program"
        ;;
    # C++ is not counted there: of functions that nobody calls it has other branches than C.
    script) CC=$out/cc CXX=$CLANGXX CFLAGS=-O0 runs sh "$1" ;;
    plugin)
        set -- $on tests/plugin/plugin.c
        "$out/cc" "$@" -shared -fPIC -o "$program.so" -pthread &&
            build $on tests/plugin/host.c -ldl && runs "$program" "$program.so"
        ;;
    valgrind)
        if ! command -v valgrind >/dev/null; then skips 'valgrind is not here'; return; fi
        build "$@" tests/smoke.c && runs valgrind -q "$program"
        ;;
    override) run_override "$1" ;;
    esac
}

# In the place of malloc: the tests of the preloaded library, with the implementation linked.
run_override()
{
    COUNTING=atomic
    export COUNTING
    options="$on -DMEMMGR_IMPLEMENTATION -DMEMMGR_OVERRIDE"
    if [ "$1" = c ]; then
        "$out/cc" -x c -std=c11 $options -c -o "$program.o" memmgr.h &&
            "$out/cc" -std=c11 -fno-builtin -o "$program" tests/preload/family.c "$program.o" \
                -pthread -ldl &&
            "$CLANG" -std=c11 -fPIC -shared -DFAMILY_PLUGIN -o "$program.plugin.so" \
                tests/preload/family.c
    else
        "$out/cxx" -x c++ -std=c++17 -fsized-deallocation $options -c -o "$program.o" memmgr.h &&
            "$out/cxx" -std=c++17 -fsized-deallocation -o "$program" tests/preload/standard.cpp \
                "$program.o" -pthread
    fi
    status=$?
    [ "$1" = c ] && set -- memmgr # it is shown misuse, too
    [ "$1" = memmgr ] || set --
    if [ $status = 0 ]; then runs "$program" "$@"; else broken 'does not compile'; fi
}

# --- All of it -----------------------------------------------------------------------------------

skip_all()
{
    echo "  cover  skipped: $*"
    if [ "${MEMMGR_REQUIRE_ALL:-}" = 1 ]; then echo '0 passed, 1 failed'; exit 1; fi
    echo '0 passed, 0 failed'
    exit 0
}

case ${1:-} in
--compile) # where the caller is
    shift
    compile "$@"
    exit
    ;;
esac
cd "$root" || exit 1
case ${1:-} in
--job)
    set -- $2 # a line of the list is words
    run_job "$@" >"$out/log/$1" 2>&1
    exit 0
    ;;
esac

for tool in "$CLANG" "$CLANGXX" "llvm-profdata$version" "llvm-cov$version" \
    "llvm-readelf$version" python3; do
    command -v "$tool" >/dev/null || skip_all "there is no $tool"
done

# What was counted before is worth nothing when lines have moved.
if [ $# -gt 0 ] && ! cmp -s memmgr.h "$tree/memmgr.h"; then
    echo '  memmgr.h is not as it was: all jobs run'
    set --
fi

# The tests run in a copy, so that what other runs build does not meet.
[ $# -gt 0 ] || rm -rf "$out"
rm -rf "$tree"
mkdir -p "$out/bin" "$out/raw" "$out/log" "$out/programs" "$out/data" "$tree"
cp -R memmgr.h tests examples "$tree"
printf '#!/bin/sh\nexec sh "%s/tests/cover.sh" --compile "$CLANG" "$@"\n' "$root" >"$out/cc"
printf '#!/bin/sh\nexec sh "%s/tests/cover.sh" --compile "$CLANGXX" "$@"\n' "$root" >"$out/cxx"
chmod +x "$out/cc" "$out/cxx"

words=$(echo "$*" | tr ' ' '|')
list_jobs | awk -v words="$words" 'words == "" || $1 ~ words' >"$out/jobs"
tr '\n' '\0' <"$out/jobs" | xargs -0 -P2 -n1 sh "$root/tests/cover.sh" --job

python3 tests/cover.py "$out" "$version"
