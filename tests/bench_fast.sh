#!/bin/sh
# bench_fast.sh: how many instructions the fast paths of malloc and free take, by allocator.
#
#     sh tests/bench_fast.sh          counts, prints, says what differs from tests/bench_fast.txt
#     sh tests/bench_fast.sh keep     and keeps the new counts there
#
# tests/bench_steps.c counts by single-stepping: one malloc and one free in turn, the median of 21
# pairs. That is exact, so a count differs only when the code does: the allocator, its version, or
# how it was compiled. The caller's call and the jump into the library are within it, three to four
# instructions. Counts are kept for 64 B: "name malloc free". BENCH_EXTRA as in bench_general.sh.
set -eu
case " ${BENCH_ONLY:-fast} " in *' fast '*) ;; *) exit 0 ;; esac
cd "$(dirname "$0")/.."
out=build/bench
kept=tests/bench_fast.txt
mkdir -p "$out"
counts=$out/fast.$$ # of this run alone
trap 'rm -rf "$counts"' EXIT
CC=${CC:-cc}
. tests/bench_allocators.sh

$CC -O2 -std=c11 -pthread -fno-builtin tests/bench_general.c -o "$out/bench_general"
$CC -O2 -fno-builtin -DBENCH_GLIBC tests/bench_steps.c -o "$out/steps_preload" -lm
if [ "$("$out/steps_preload" fast 67108864 default | head -1)" = - ]; then
    echo "skipped: counting instructions needs an x86-64 processor and its trap flag"
    exit
fi
find_allocators
for name in $allocators; do
    LD_BIND_NOW=1 LD_PRELOAD=$(path_of "$name") "$out/steps_preload" fast 67108864 default |
        sed "s/^/$name /"
done >"$counts"

echo
echo "INSTRUCTIONS of malloc / free, in turn"
echo
awk '
!($1 in seen) { seen[$1] = 1; names[++name_count] = $1 }
!($2 in known) { known[$2] = 1; sizes[++size_count] = $2 }
{ cell[$1, $2] = $3 " / " $4 }
END {
    line = sprintf("%-12s", "")
    for (i = 1; i <= size_count; i++) line = line sprintf("%14s", sizes[i] " B")
    print line
    for (n = 1; n <= name_count; n++) {
        line = sprintf("%-12s", names[n])
        for (i = 1; i <= size_count; i++) line = line sprintf("%14s", cell[names[n], sizes[i]])
        print line
    }
}' "$counts"

# What is kept of an allocator that is not here now stays.
merge() {
    awk '
    /^#/ { if (FILENAME == ARGV[1]) print; next }
    FILENAME == ARGV[1] { if (!($1 in count)) names[++n] = $1; count[$1] = $2 " " $3 }
    FILENAME != ARGV[1] && $2 == 64 { if (!($1 in count)) names[++n] = $1; count[$1] = $3 " " $4 }
    END { for (i = 1; i <= n; i++) print names[i], count[names[i]] }' "$kept" "$counts"
}

if [ ! -e "$kept" ]; then echo "# malloc and free of 64 B: name, instructions of each" >"$kept"; fi
awk '
/^#/ { next }
FILENAME == ARGV[1] { was[$1] = $2 " / " $3; next }
$2 == 64 && ($1 in was) && was[$1] != $3 " / " $4 {
    print "CHANGED: " $1 ", malloc / free of 64 B: " was[$1] ", now " $3 " / " $4
}
$2 == 64 && !($1 in was) { print "not kept yet: " $1 ", " $3 " / " $4 }' "$kept" "$counts"
if [ "${1:-}" = keep ]; then
    merge >"$counts.kept"
    mv "$counts.kept" "$kept"
    echo "kept in $kept"
fi
