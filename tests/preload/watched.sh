#!/bin/sh
# watched.sh [library]: real programs under the library with MEMMGR_OPTIONS. With everything watched
# they must print what they print otherwise. Then some are recorded, and their traces replayed: what
# is live at the end must be the same on both allocators. At last what is told of programs that do
# something wrong, told.c and told.cpp, and of options that are none. What is not installed is skipped, and a
# line says so. Everything that is built or written goes to build.
cd "$(dirname "$0")/../.." || exit 1
CC=${CC:-cc}
CXX=${CXX:-c++}
CFLAGS=${CFLAGS:--O1 -g}
CXXFLAGS=${CXXFLAGS:-$CFLAGS}
library=${1:-build/libmemmgr.so}
out=build/tests/watched
passed=0
failed=0
case $library in /*) ;; *) library=$PWD/$library ;; esac
rm -rf "$out"
mkdir -p "$out"

MEMMGR_OPTIONS=track,guard,quarantine,fill
export MEMMGR_OPTIONS
sh tests/preload/run.sh "$library" bash sort sed tar xz zstd perl python3 lua5.4 jq sqlite3 git gcc gs \
    >"$out/programs" 2>&1
grep -v ' passed, ' "$out/programs"
passed=$(sed -n 's/^\([0-9]*\) passed, .*/\1/p' "$out/programs")
failed=$(sed -n 's/^.* passed, \([0-9]*\) failed$/\1/p' "$out/programs")

fails() { failed=$((failed + 1)); echo "    FAILED: $*"; }

# record NAME OPTIONS COMMAND...: the command under the library; then its trace is replayed.
record()
{
    name=$1 options=$2
    shift 2
    if ! command -v "$1" >/dev/null 2>&1; then
        echo "    $name: skipped, there is no $1"
        return
    fi
    LD_PRELOAD=$library MEMMGR_OPTIONS=$options,trace=$out/$name.trace,json=$out/$name.json "$@" \
        >"$out/$name.out" 2>&1 </dev/null || { fails "$name, recorded"; return; }
    if "$out/replay" --rounds 1 --svg "$out/$name.svg" "$out/$name.trace" >"$out/$name.replay" 2>&1 &&
        [ -s "$out/$name.svg" ] && grep -q '"live_blocks":' "$out/$name.json"; then
        passed=$((passed + 1))
    else
        fails "$name, replayed"
        sed 's/^/    /' "$out/$name.replay"
    fi
}

if $CC $CFLAGS -I. -DUSE_MEMORY_MGR -o "$out/replay" examples/trace/replay.c -pthread >"$out/replay.log" 2>&1; then
    cp memmgr.h "$out/memmgr.h"
    record sqlite stats sqlite3 :memory: "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT);
        WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 20000)
            INSERT INTO t SELECT x, 'name' || (x * 7919 % 20000) FROM c;
        CREATE INDEX i ON t(name); DELETE FROM t WHERE id % 5 = 0;
        SELECT count(*) FROM t a JOIN t b ON a.name = b.name;"
    record lua track lua5.4 -e 'local t = {}
        for i = 1, 20000 do t[i % 1000] = {i, tostring(i) .. "x", {}} end print(#t)'
    record jq track,guard jq -n '[range(20000) | {k: tostring, v: .}] | group_by(.v % 7) | length'
    record zstd leaks zstd -q -T2 -12 -c memmgr.h
    record perl track,quarantine perl -e 'for my $i (1..20000) { $h{$i % 999} .= "x$i" } print %h'
    record faulty inject=1/1000000000:7 sort -u memmgr.h
else
    fails "replay.c does not compile"
    sed 's/^/    /' "$out/replay.log"
fi
unset MEMMGR_OPTIONS

# told OPTIONS PATTERN COMMAND...: the command ends with 0, and a line like that is on stderr (basic
# regular expression; "-": none of memmgr's). On stdout there is nothing of memmgr's.
told()
{
    options=$1 pattern=$2
    shift 2
    LD_PRELOAD=$library MEMMGR_OPTIONS=$options "$@" >"$out/told.out" 2>"$out/told.err" </dev/null ||
        { fails "[$options] $*: ends badly"; sed 's/^/    /' "$out/told.err"; return; }
    if [ "$pattern" = - ]; then grep -q '^memmgr' "$out/told.err"; [ $? = 1 ]
    else grep -q -- "^memmgr: $pattern\$" "$out/told.err"; fi &&
        ! grep -q '^memmgr' "$out/told.out" && passed=$((passed + 1)) && return
    fails "[$options] $*: not: $pattern"
    sed 's/^/    /' "$out/told.err"
}

place='told+0x[0-9a-f]*.*'
process='in process [1-9][0-9]*'
if $CC $CFLAGS -Wall -Wextra -fno-builtin -o "$out/told" tests/preload/told.c -pthread -ldl >"$out/told.log" 2>&1; then
    told '' "MEMMGR_DOUBLE_FREE at $place, $process" "$out/told" double
    told track "MEMMGR_DOUBLE_FREE at $place, allocated at $place, freed at $place, $process" "$out/told" double
    told '' - "$out/told" overrun
    told guard "MEMMGR_OVERRUN.*: bytes before .*, first at byte 24, .*$process" "$out/told" overrun
    told guard,track "MEMMGR_OVERRUN.*, allocated at $place, $process" "$out/told" overrun
    told quarantine "MEMMGR_USE_AFTER_FREE.*, first at byte 3, .*$process" "$out/told" stale
    told guard,stats '.*, misuses 1' "$out/told" overrun
    told guard "[0-9]*: no audit at exit: .*" "$out/told" busy
    told guard "MEMMGR_OVERRUN.*, $process" "$out/told" fork
    told guard "[0-9]*: no audit at exit: .*" "$out/told" busyfork
    told guard,quarantine - "$out/told" nothing
else
    fails "told.c does not compile"
    sed 's/^/    /' "$out/told.log"
fi

told leaks '[1-9][0-9]*: no leaks' "$out/told" nothing
told stats '[1-9][0-9]*: used .*' "$out/told" nothing
told help 'MEMMGR_OPTIONS is a list .*' "$out/told" nothing
told 'abort,  leaks ,' '[1-9][0-9]*: no leaks' "$out/told" nothing
told json 'MEMMGR_OPTIONS: json wants =FILE' "$out/told" nothing
told draw= 'MEMMGR_OPTIONS: draw= wants =FILE' "$out/told" nothing
told stats=1 'MEMMGR_OPTIONS: stats=1 takes no value' "$out/told" nothing
told guard= 'MEMMGR_OPTIONS: guard= takes no value' "$out/told" nothing
told inject 'MEMMGR_OPTIONS: inject wants =N .*' "$out/told" nothing
told inject=0 'MEMMGR_OPTIONS: inject=0: bad value, .*' "$out/told" nothing
told inject=1/0 'MEMMGR_OPTIONS: inject=1/0: bad value, .*' "$out/told" nothing
told inject=1/5:x 'MEMMGR_OPTIONS: inject=1/5:x: bad value, .*' "$out/told" nothing
told statistics 'MEMMGR_OPTIONS: statistics: no such option' "$out/told" nothing
told json=/nowhere/at/all '/nowhere/at/all: .*' "$out/told" nothing
for word in help stats leaks abort fill track guard quarantine inject trace draw json; do
    told help "    $word .*" "$out/told" nothing
done

# cxx NAME OPTION...: told.cpp, built like that.
cxx()
{
    name=$1
    shift
    $CXX -std=c++17 -fsized-deallocation $CXXFLAGS -Wall -Wextra -o "$out/$name" tests/preload/told.cpp "$@" \
        >"$out/$name.log" 2>&1 && return
    fails "told.cpp does not compile: $name"
    sed 's/^/    /' "$out/$name.log"
    return 1
}

if ! command -v "${CXX%% *}" >/dev/null 2>&1; then
    echo "    told.cpp: skipped, there is no $CXX"
else
    if cxx sites; then
        for size in 1001 1002 1003 1004 1152 128; do
            told track,leaks "MEMMGR_LEAK: .*, $size bytes, allocated at sites+0x.*" "$out/sites"
        done
        told '' - "$out/sites"
        told guard,quarantine,fill - "$out/sites"
    fi
    cxx plugin.so -fPIC -shared -DTOLD_PLUGIN && told '' - "$out/told" plugin "$out/plugin.so"
    cxx own -DTOLD_OWN && told '' - "$out/own"
    cxx libown.so -fPIC -shared -DTOLD_LIBRARY && cxx uses -DTOLD_USES_LIBRARY "$out/libown.so" &&
        told '' - "$out/uses"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
