#!/bin/sh
# run.sh: examples/gdb/memmgr.py in a process and in its core file: tests/gdb/program.c, built in
# several ways. The last line is 'N passed, N failed'; both are 0 where there is no gdb.
#
# CC is honoured, and INCLUDE, where memmgr.h is (default: here). Everything that is built goes to
# build/tests/gdb.
cd "$(dirname "$0")/../.." || exit 1
CC=${CC:-cc}
INCLUDE=${INCLUDE:-.}
root=$PWD
out=build/tests/gdb
passed=0
failed=0
mkdir -p "$out"
case $INCLUDE in /*) ;; *) INCLUDE=$root/$INCLUDE ;; esac

skip()
{
    echo "gdb: skipped, $*"
    echo '0 passed, 0 failed'
    exit 0
}

debugger()
{
    gdb -nx -q -batch -iex 'set debuginfod enabled off' -ex 'set confirm off' "$@" 2>&1
}

# check run step argument...: the commands, in gdb with these arguments.
check()
{
    run=$1
    MEMMGR_CHECK="$root/tests/gdb/expected.txt $run.walk $run.maps $2"
    export MEMMGR_CHECK
    shift 2
    debugger -ex "source $root/examples/gdb/memmgr.py" "$@" \
        -ex "source $root/tests/gdb/check.py" >"$run.log"
    result=$(sed -n '$p' "$run.log")
    case $result in
    [0-9]*' passed, '[0-9]*' failed') ;;
    *) result='0 passed, 1 failed' ;;
    esac
    case $result in *' 0 failed') ;; *) sed 's/^/    /' "$run.log" ;; esac
    printf '  %-28s %s\n' "$run" "$result"
    set -- $result
    passed=$((passed + $1))
    failed=$((failed + $3))
}

# compile target compiler option...: in two files where the options ask for it.
compile()
{
    target=$1 compiler=$2
    shift 2
    set -- -std=c11 -Wall -Wextra -g -DUSE_MEMORY_MGR -I"$INCLUDE" "$@"
    case $target in
    *two_files*)
        $compiler "$@" -DPART=1 -c -o "$out/$target.o" tests/gdb/program.c &&
            $compiler "$@" -DPART=2 -o "$out/$target" tests/gdb/program.c "$out/$target.o" -pthread
        ;;
    *) $compiler "$@" -o "$out/$target" tests/gdb/program.c -pthread ;;
    esac
}

# try name step compiler option...: live, and from the core file.
try()
{
    name=$1 step=$2
    shift 2
    if ! compile "$name" "$@" >"$out/$name.log" 2>&1; then
        sed 's/^/    /' "$out/$name.log"
        printf '  %-28s %s\n' "$name" '0 passed, 1 failed'
        failed=$((failed + 1))
        return
    fi
    cd "$out" || exit 1
    [ "$live" = no ] || check "$name.live" 29 -ex "run $name.live.walk $name.live.maps" "$name"
    rm -f core core.*
    sh -c 'ulimit -c unlimited; "$@"; exit 0' sh "./$name" "$name.core.walk" "$name.core.maps" \
        >/dev/null 2>&1
    core=$(ls core core.* 2>/dev/null | sed 1q)
    if [ -n "$core" ]; then
        check "$name.core" "$step" -ex "core-file $core" "$name"
    else
        echo "  $name.core: skipped, the system leaves no core file here"
    fi
    rm -f core core.*
    cd "$root" || exit 1
}

command -v gdb >/dev/null 2>&1 || skip 'it is not installed'
debugger -ex 'python print(6 * 7)' | grep -q '^42$' || skip 'it has no Python here'
echo 'int main(void) { return 0; }' >"$out/probe.c"
$CC -g -o "$out/probe" "$out/probe.c" || skip "$CC makes no program"
live=yes
debugger -ex 'break main' -ex run "$out/probe" | grep -q '^Breakpoint 1, main' || live=no
[ "$live" = yes ] || echo '  live: skipped, gdb cannot run a program here'

try plain 1 "$CC" -O0
try optimized_two_files 29 "$CC" -O2
if command -v clang >/dev/null 2>&1; then
    try clang 29 clang -O2
else
    echo '  clang: skipped, not installed'
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
