#!/bin/sh
# test_watch_options.sh: what MEMMGR_DEBUG and MEMMGR_NO_WATCH make of the calls: programs of
# watch_options.c, with the switch on and off, and test_watch.c and test_trace.c in other settings.
# The last line is 'N passed, N failed'.
#
# CC, CFLAGS and SEED are honoured; SCALE is the percentage of the random work. Everything that is
# built goes to build/tests/watch_options.
cd "$(dirname "$0")/.." || exit 1
CC=${CC:-cc}
CFLAGS=${CFLAGS:--O2 -g}
SCALE=${SCALE:-20}
export SCALE
out=build/tests/watch_options
here=tests/watch_options.c
passed=0
failed=0
mkdir -p "$out"

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "    FAILED: $*"; head -20 "$out/log"; }

# compile argument...: without a word
compile()
{
    $CC -std=c11 -Wall -Wextra $CFLAGS "$@" -pthread >"$out/log" 2>&1
    status=$?
    if [ $status = 0 ] && [ ! -s "$out/log" ]; then
        pass
    else
        fail "$CC $*"
        return 1
    fi
}

# runs status program argument...: what it says is in log
runs()
{
    wanted=$1
    shift
    "$@" >"$out/log" 2>&1
    status=$?
    if [ $status = "$wanted" ]; then pass; else fail "status $status: $*"; fi
}

# says text: once
says()
{
    count=$(grep -cF -- "$1" "$out/log")
    if [ "$count" = 1 ]; then pass; else fail "says '$1' $count times:"; fi
}

says_nothing() { if [ ! -s "$out/log" ]; then pass; else fail 'says:'; fi; }

# The line of the program on which stands this text.
line_of() { grep -n -- "$1" "$here" | head -1 | cut -d: -f1; }

for switch in '' -DUSE_MEMORY_MGR; do
    # MEMMGR_DEBUG in the file that uses memmgr, in that with the implementation, in both, in none:
    # only the first is asked for its lines.
    for debug in '' -DMEMMGR_DEBUG; do
        compile $switch $debug -DWITH_IMPLEMENTATION -DWITH_MAIN -c -o "$out/main.o" "$here" &&
            compile $switch -DMEMMGR_DEBUG -DWITH_USER -c -o "$out/user.o" "$here" &&
            compile -o "$out/two" "$out/main.o" "$out/user.o" &&
            runs 0 "$out/two" && says_nothing
    done

    # MEMMGR_NO_WATCH, and with it MEMMGR_DEBUG, which then does nothing but to tell lines.
    for debug in '' -DMEMMGR_DEBUG; do
        compile $switch $debug -DMEMMGR_NO_WATCH -DWITH_IMPLEMENTATION -DWITH_NO_WATCH \
            -o "$out/no_watch" "$here" && runs 0 "$out/no_watch" && says_nothing
    done
done

# Leaks of general calls at the end of the program.
compile -DUSE_MEMORY_MGR -DMEMMGR_DEBUG -DWITH_IMPLEMENTATION -DWITH_LEAKS -o "$out/leaks" "$here"
for how in return exit; do
    status=0
    [ $how = exit ] && status=3
    runs $status "$out/leaks" $how
    says "never freed, 3 blocks, 3000 bytes, allocated at $here:$(line_of 'leaks 3000')"
    says "never freed, 50 bytes, allocated at $here:$(line_of 'leaks 50$')"
    if [ "$(wc -l <"$out/log")" -eq 2 ]; then pass; else fail "leaks $how: not two lines"; fi
done
runs 0 "$out/leaks" none
says_nothing
for option in '-DUSE_MEMORY_MGR' '-DMEMMGR_DEBUG' \
    '-DUSE_MEMORY_MGR -DMEMMGR_DEBUG -DMEMMGR_NO_WATCH'; do
    compile $option -DWITH_IMPLEMENTATION -DWITH_LEAKS -o "$out/silent" "$here" &&
        runs 0 "$out/silent" && says_nothing
done

# The programs of this kind in other settings.
for program in test_watch test_trace; do
    for option in '-DUSE_MEMORY_MGR -DMEMMGR_DEBUG' '-DMEMMGR_DEBUG' \
        '-DUSE_MEMORY_MGR -DMEMMGR_NO_THREADS'; do
        name=$program$(echo "$option" | sed 's/ *-DMEMMGR_/./; s/-DUSE_MEMORY_MGR/.on/')
        compile $option -o "$out/$name" "tests/$program.c" && runs 0 "$out/$name"
    done
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
