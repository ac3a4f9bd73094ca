#!/bin/sh
# watched.sh [library]: real programs under the library with MEMMGR_OPTIONS. With everything watched
# they must print what they print otherwise. Then some are recorded, and their traces replayed: what
# is live at the end must be the same on both allocators. What is not installed is skipped, and a
# line says so. Everything that is built or written goes to build.
cd "$(dirname "$0")/../.." || exit 1
CC=${CC:-cc}
CFLAGS=${CFLAGS:--O1 -g}
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
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
