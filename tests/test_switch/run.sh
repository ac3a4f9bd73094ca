#!/bin/sh
# run.sh: programs of two files. Both with the switch, both without: they run. Compiled differently:
# they must not link, and the linker's message must name USE_MEMORY_MGR. CC and CFLAGS are honoured.
cd "$(dirname "$0")/../.." || exit 1
CC=${CC:-cc}
out=build/tests/switch
here=tests/test_switch
passed=0
failed=0
mkdir -p "$out"

passes() { passed=$((passed + 1)); }
fails() { failed=$((failed + 1)); echo "    FAILED: $*"; head -12 "$out/log"; }

# object name mode [option...]: build/tests/switch/name.mode.o, mode being on or off
object()
{
    name=$1 mode=$2
    shift 2
    define=
    [ "$mode" = on ] && define=-DUSE_MEMORY_MGR
    $CC $CFLAGS "$@" $define -c -o "$out/$name.$mode.o" "$here/$name.c" >"$out/log" 2>&1 ||
        fails "$name $mode does not compile"
}

links() { $CC $CFLAGS -o "$out/program" "$@" -pthread >"$out/log" 2>&1; }

must_run()
{
    links "$@" || { fails "linking $*"; return; }
    if "$out/program" >"$out/log" 2>&1; then passes; else fails "status $?: $*"; fi
}

must_not_link()
{
    if links "$@"; then fails "linked: $*"
    elif grep -q USE_MEMORY_MGR "$out/log"; then passes
    else fails "the message does not say why: $*"; fi
}

for optimise in -O0 -O2; do
    for mode in on off; do
        for name in one two caller only_general only_pool static_one static_two; do
            object $name $mode $optimise
        done
    done
    for mode in on off; do
        must_run "$out/one.$mode.o" "$out/two.$mode.o"
        must_run "$out/caller.$mode.o" "$out/only_general.$mode.o"
        must_run "$out/static_one.$mode.o" "$out/static_two.$mode.o"
    done
    must_not_link "$out/one.on.o" "$out/two.off.o"
    must_not_link "$out/one.off.o" "$out/two.on.o"
    for name in only_general only_pool; do
        must_not_link "$out/caller.on.o" "$out/$name.off.o"
        must_not_link "$out/caller.off.o" "$out/$name.on.o"
    done
done

# A linker that drops what nobody calls: pools have other names without the switch.
if $CC $CFLAGS -ffunction-sections -fdata-sections -Wl,--gc-sections -DUSE_MEMORY_MGR \
    -o "$out/program" "$out/one.on.o" "$out/two.on.o" -pthread >"$out/log" 2>&1 &&
    echo | $CC -dM -E -x c - 2>/dev/null | grep -q __PRAGMA_REDEFINE_EXTNAME; then
    CFLAGS_before=$CFLAGS
    CFLAGS="$CFLAGS -ffunction-sections -fdata-sections -Wl,--gc-sections"
    for mode in on off; do
        for name in one two; do object $name $mode -O1; done
    done
    must_not_link "$out/one.on.o" "$out/two.off.o"
    if links "$out/one.off.o" "$out/two.on.o"; then fails 'linked with --gc-sections'; else passes; fi
    CFLAGS=$CFLAGS_before
fi

# C++'s operators in the place of the standard library's: whose the blocks are. Under a sanitizer
# malloc and they are the sanitizer's.
CXX=${CXX:-c++}
override() { $CXX -std=c++11 "$@" -DUSE_MEMORY_MGR -o "$out/program" tests/override_sites.cpp -pthread; }
if override >"$out/log" 2>&1; then
    for optimise in -O0 -O2; do
        if override $optimise >"$out/log" 2>&1 && "$out/program" >"$out/log" 2>&1; then passes
        else fails "sites of new, $optimise"; fi
    done
    for sanitizer in address thread; do
        override -O1 -fsanitize=$sanitizer >"$out/log" 2>&1 || continue # there is none
        if "$out/program" run >"$out/log" 2>&1; then passes
        else fails "new under the sanitizer of $sanitizer"; fi
    done
else
    echo "    override_sites.cpp: skipped, no $CXX"
fi

# The implementation in a file that has read the header before.
for mode in on off; do
    object one $mode -O1 -include memmgr.h
    must_run "$out/one.$mode.o" "$out/two.$mode.o"
done

# The default handler: a line on stderr for each misuse, and the program goes on.
object default_report on -O1
must_run "$out/default_report.on.o"
"$out/program" 2>"$out/log" >/dev/null
if [ "$(awk 'END { print NR }' "$out/log")" = 2 ] && grep -q 'MEMMGR_DOUBLE_FREE' "$out/log" &&
    grep -q 'MEMMGR_FOREIGN_POINTER' "$out/log" &&
    [ "$(grep -c ', pool a small heap??\[31m??$' "$out/log")" = 2 ]; then passes
else fails "the default handler's lines"; fi

# And where it shall abort, the first misuse is the last. (The shell's own word is thrown away.)
object default_report on -O1 -DMEMMGR_ABORT_ON_MISUSE
$CC $CFLAGS -o "$out/program" "$out/default_report.on.o" -pthread
(ulimit -c 0; "$out/program" 2>"$out/log"; exit $?) 2>/dev/null
status=$?
if [ $status -gt 128 ] && [ "$(grep -c MEMMGR_ "$out/log")" = 1 ]; then passes
else fails "MEMMGR_ABORT_ON_MISUSE: status $status"; fi

echo "$passed passed, $failed failed"
[ $failed = 0 ]
