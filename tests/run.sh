#!/bin/sh
# run.sh [stage...]: every test, or those of the stages named:
# programs switch header pages sanitize corpus trace gdb plugin preload configs
#
# CC, CFLAGS and SEED are honoured; SCALE is the percentage of the random work. Everything that is
# built goes to build/tests. The configs run beside the others; what a stage prints is shown when it
# ends.
cd "$(dirname "$0")/.." || exit 1
CC=${CC:-cc}
CFLAGS=${CFLAGS:--O2 -g}
SEED=${SEED:-$(date +%s)}
export CC CFLAGS SEED
out=build/tests
mkdir -p "$out"
echo "SEED=$SEED CC=$CC CFLAGS=$CFLAGS"

# run_program name command...: "name   N passed, N failed", and all it said when something failed.
# A program that has nothing to do says nothing.
run_program()
{
    program=$1
    shift
    "$@" >"$out/$program.log" 2>&1
    status=$?
    [ $status = 0 ] && [ ! -s "$out/$program.log" ] && return
    result=$(sed -n '$p' "$out/$program.log")
    case $result in
    [0-9]*' passed, 0 failed') ;;
    [0-9]*' passed, '[0-9]*' failed') status=1 ;;
    *)
        status=1
        result='0 passed, 1 failed'
        ;;
    esac
    # A failure that the counts do not know, such as a sanitizer's at the end.
    case $status:$result in
    0:*) ;;
    *' passed, 0 failed') result='0 passed, 1 failed' ;;
    esac
    [ $status = 0 ] || { sed 's/^/    /' "$out/$program.log"; bad=1; }
    printf '  %-28s %s\n' "$program" "$result"
}

# build name source option...
build()
{
    target=$1 source=$2
    shift 2
    $CC -std=c11 -Wall -Wextra $CFLAGS "$@" -o "$out/$target" "$source" -pthread \
        >"$out/$target.log" 2>&1 && return 0
    sed 's/^/    /' "$out/$target.log"
    printf '  %-28s %s\n' "$target" '0 passed, 1 failed'
    bad=1
    return 1
}

# A compiler for which the header knows no atomic operations is tested with one thread.
compiles() { $CC $CFLAGS -DUSE_MEMORY_MGR "$@" -o "$out/works" tests/smoke.c >/dev/null 2>&1; }

if ! compiles && compiles -DMEMMGR_NO_THREADS; then
    echo "threads: skipped, $CC compiles the header only with MEMMGR_NO_THREADS"
    CFLAGS="$CFLAGS -DMEMMGR_NO_THREADS"
fi

# Every tests/test_*.c, with the switch on and off.
stage_programs()
{
    for file in tests/test_*.c tests/stress_*.c; do
        name=${file##*/}
        name=${name%.c}
        build "$name" "$file" -DUSE_MEMORY_MGR && run_program "$name" "$out/$name"
        build "$name.off" "$file" && run_program "$name.off" "$out/$name.off"
    done
    build test_general.one "tests/test_general.c" -DUSE_MEMORY_MGR -DMEMMGR_NO_THREADS &&
        run_program test_general.one "$out/test_general.one"
    build test_general.no_os "tests/test_general.c" -DUSE_MEMORY_MGR -DMEMMGR_NO_THREADS \
        -DMEMMGR_NO_OS -DMEMMGR_STATIC_HEAP_SIZE=8000000 &&
        run_program test_general.no_os "$out/test_general.no_os"
    for name in model pool misuse edges strategy draw bound; do
        build "test_$name.small" "tests/test_$name.c" -DUSE_MEMORY_MGR -DMEMMGR_SMALL &&
            run_program "test_$name.small" "$out/test_$name.small"
    done
}

# A library with a memmgr of its own that comes and goes.
stage_plugin()
{
    if ! $CC $CFLAGS -Wall -Wextra -DUSE_MEMORY_MGR -shared -fPIC -o "$out/plugin.so" \
        tests/plugin/plugin.c -pthread >"$out/plugin.log" 2>&1; then
        echo "  plugin: skipped, $CC makes no shared library here"
        return
    fi
    build plugin tests/plugin/host.c -DUSE_MEMORY_MGR -ldl &&
        run_program plugin "$out/plugin" "$PWD/$out/plugin.so"
}

# Programs that know nothing of memmgr, on Linux.
stage_preload()
{
    if [ "$(uname)" != Linux ]; then
        echo '  preload: skipped, not on Linux'
    elif $CC -O2 -fPIC -shared -fno-builtin -fexceptions -o "$out/libmemmgr.so" examples/preload/preload.c -pthread -ldl \
        >"$out/preload.log" 2>&1; then
        run_program preload sh tests/preload/run.sh "$out/libmemmgr.so"
        grep skipped "$out/preload.log"
        run_program watched sh tests/preload/watched.sh "$out/libmemmgr.so"
        grep skipped "$out/watched.log"
    else
        sed 's/^/    /' "$out/preload.log"
        echo '  preload                      0 passed, 1 failed'
        bad=1
    fi
}

stage_switch() { run_program switch sh tests/test_switch/run.sh; }
stage_corpus() { run_program corpus sh tests/corpus/run.sh; grep skipped "$out/corpus.log"; }
stage_trace()
{
    run_program trace sh tests/test_trace_tool.sh
    run_program watch_options sh tests/test_watch_options.sh
}
stage_gdb() { run_program gdb sh tests/gdb/run.sh; grep skip "$out/gdb.log"; }
stage_header()
{
    run_program header sh tests/check_header.sh
    run_program links sh tests/check_pages.sh
}
stage_pages()
{
    for script in docs install migration; do
        run_program $script sh tests/$script.sh
        grep 'skipped\|not run' "$out/$script.log"
    done
}
stage_configs() { run_program configs sh tests/configs.sh; grep skipped "$out/configs.log"; }

has_sanitizer()
{
    printf 'int main(void) { return 0; }\n' >"$out/works.c"
    $CC "-fsanitize=$1" -o "$out/works" "$out/works.c" >/dev/null 2>&1 &&
        "$out/works" >/dev/null 2>&1
}

stage_sanitize()
{
    own_flags=$CFLAGS
    CFLAGS='-O1 -g -fno-omit-frame-pointer'
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
    SCALE=${SCALE:-4}
    export UBSAN_OPTIONS SCALE
    if has_sanitizer address,undefined; then
        # Blocks lie where they lie otherwise; with guards and poison the corpus has them.
        set -- -fsanitize=address,undefined -fno-sanitize-recover=all -DMEMMGR_NO_TOOLS
        for name in model pool misuse edges grow general strategy draw report bound threads fork \
            exhaustion regress holes watch trace damage watch_wounds scarce; do
            build "test_$name.asan" "tests/test_$name.c" -DUSE_MEMORY_MGR "$@" &&
                run_program "test_$name.asan" "$out/test_$name.asan"
        done
        build test_tool.asan tests/test_tool.c -DUSE_MEMORY_MGR -fsanitize=address &&
            run_program test_tool.asan "$out/test_tool.asan"
        for name in model pool grow; do
            build "test_$name.off.asan" "tests/test_$name.c" "$@" &&
                run_program "test_$name.off.asan" "$out/test_$name.off.asan"
        done
    else
        echo "  address and undefined sanitizers: skipped, $CC has none"
    fi
    if has_sanitizer thread; then
        build test_general.tsan tests/test_general.c -DUSE_MEMORY_MGR -fsanitize=thread &&
            run_program test_general.tsan "$out/test_general.tsan" threads
        for name in test_threads test_fork test_regress test_holes test_watch test_trace \
            test_scarce stress_threads; do
            build "$name.tsan" "tests/$name.c" -DUSE_MEMORY_MGR -fsanitize=thread &&
                run_program "$name.tsan" "$out/$name.tsan"
        done
    else
        echo "  thread sanitizer: skipped, $CC has none"
    fi
    CFLAGS=$own_flags
}

# run_stage name: the stage in a shell of its own; status 1 when anything in it failed.
run_stage()
{
    (
        bad=0
        "stage_$1"
        exit $bad
    ) >"$out/stage_$1.out" 2>&1
}

show_stage()
{
    echo "$1"
    cat "$out/stage_$1.out"
}

[ $# -gt 0 ] || set -- programs switch header pages sanitize corpus trace gdb plugin preload configs
failed=
beside=
case " $* " in
*' configs '*)
    if [ $# -gt 1 ]; then
        run_stage configs &
        beside=$!
    fi
    ;;
esac
for stage in "$@"; do
    if [ "$stage" = configs ] && [ -n "$beside" ]; then
        wait "$beside" || failed="$failed $stage"
    else
        run_stage "$stage" || failed="$failed $stage"
    fi
    show_stage "$stage"
done

# All counts together.
[ -z "$failed" ] || echo "FAILED:$failed"
awk '
    /^  [a-z].* passed, [0-9]+ failed$/ { passed += $(NF - 3); broken += $(NF - 1) }
    END { printf "%d passed, %d failed\n", passed, broken }
' $(for stage in "$@"; do echo "$out/stage_$stage.out"; done)
[ -z "$failed" ]
