#!/bin/sh
# bench.sh: builds and runs the benchmarks of the pools and prints their tables.
#
#     make bench                      all of it: some minutes
#     BENCH_QUICK=1 make bench        shorter runs, fewer rows: less than a minute
#     BENCH_ONLY="speed pack" ...     some of: speed delay fill pack brim steps; with `make bench`
#                                     also: general, the general calls (bench_general.sh), and fast
#
# Everything is compiled and measured anew; nothing outside build/bench is written. Allocators that
# are not installed are left out. CC, CXX, CFLAGS (default -O2) and CXXFLAGS are honoured.
set -eu
cd "$(dirname "$0")/.."
out=build/bench
tables=$out/tables.$$ # of this run alone
mkdir -p "$tables"
trap 'rm -rf "$tables"' EXIT
CC=${CC:-cc}
CXX=${CXX:-c++}
CFLAGS=${CFLAGS:--O2}
CXXFLAGS=${CXXFLAGS:-$CFLAGS}
BENCH_ONLY=${BENCH_ONLY:-speed delay fill pack brim steps}
case " $BENCH_ONLY " in
*' speed '* | *' delay '* | *' fill '* | *' pack '* | *' brim '* | *' steps '*) ;;
*) exit 0 ;; # only what other scripts do
esac
MIB=1048576
M64=$((64 * MIB))

if [ -n "${BENCH_QUICK:-}" ]; then
    full=false rounds=3 passes=3 delay_runs=3 delay_passes=1
    seeds=10 brim_steps=200000 calls=20000 picked=8 limit=20000
else
    full=true rounds=9 passes=9 delay_runs=5 delay_passes=8
    seeds=100 brim_steps=1000000 calls=300000 picked=30 limit=50000
fi

# --- Build. ---

build() { # NAME COMMAND...: an optional program; one line when it does not build
    name=$1
    shift
    rm -f "$out/$name"
    "$@" -o "$out/$name" >"$out/$name.log" 2>&1 ||
        echo "skipped: $name does not compile here, see $out/$name.log"
}

has() { # COMPILER LANGUAGE FLAGS HEADER
    printf '#include <%s>\n' "$4" | $1 -x "$2" $3 -E - >/dev/null 2>&1
}

build_all() {
    rm -f "$out"/*.log
    $CC $CFLAGS -DUSE_MEMORY_MGR -DMEMMGR_IMPLEMENTATION -x c -c memmgr.h -o "$out/memmgr.o"
    ours="-DUSE_MEMORY_MGR $out/memmgr.o"
    $CC $CFLAGS -DBENCH_MEMMGR tests/bench_pool.c $ours -o "$out/memmgr" -lm -lpthread
    $CC $CFLAGS -DBENCH_MEMMGR tests/bench_steps.c $ours -o "$out/steps_pool" -lm -lpthread
    $CC $CFLAGS -DBENCH_GENERAL tests/bench_steps.c $ours -o "$out/steps_general" -lm -lpthread
    $CC $CFLAGS -DBENCH_GLIBC tests/bench_steps.c -o "$out/steps_glibc" -lm
    $CC $CFLAGS -DBENCH_GLIBC tests/bench_pool.c -o "$out/glibc" -lm
    $CC $CFLAGS -DBENCH_DRIVER tests/bench_pool.c -o "$out/driver" -lm
    if has "$CC" c "" talloc.h; then
        build talloc $CC $CFLAGS -DBENCH_TALLOC tests/bench_pool.c -ltalloc -lm
    else
        echo "skipped: talloc is not installed"
    fi
    peers="$CXX $CXXFLAGS -std=c++17 tests/bench_peers.cpp"
    if has "$CXX" c++ -std=c++17 memory_resource; then
        build pmr $peers -DBENCH_PMR &
        build pmr_drop $peers -DBENCH_PMR_DROP
    else
        echo "skipped: std::pmr (no C++17 library here)"
    fi
    foonathan=-I/usr/include/foonathan_memory
    if has "$CXX" c++ "-std=c++17 $foonathan" foonathan/memory/memory_pool.hpp; then
        build foonathan $peers $foonathan -DBENCH_FOONATHAN -lfoonathan_memory &
        build foonathan_fixed $peers $foonathan -DBENCH_FOONATHAN_FIXED -lfoonathan_memory &
        build foonathan_drop $peers $foonathan -DBENCH_FOONATHAN_DROP -lfoonathan_memory
    else
        echo "skipped: foonathan/memory is not installed"
    fi
    if has "$CXX" c++ -std=c++17 boost/pool/pool.hpp; then
        build boost_fixed $peers -DBENCH_BOOST_FIXED
    else
        echo "skipped: boost.pool is not installed"
    fi
    wait
}

# --- Run. ---

measure() { # ALLOCATOR MODE KIND LEAST MOST SHAPE BLOCKS BUFFER COUNT
    program=$1 variant=default
    case $1 in eager | first | best | first-eager | best-eager) program=memmgr variant=$1 ;; esac
    if [ "$3" = drop ] && [ -x "$out/${program}_drop" ]; then program=${program}_drop; fi
    if [ "$4" = "$5" ] && [ -x "$out/${program}_fixed" ]; then program=${program}_fixed; fi
    shift
    figures=-
    if [ -x "$out/$program" ]; then figures=$("$out/$program" "$@" "$variant") || true; fi
    echo "${figures:-failed}"
}

present() { # those of the allocators that were built
    for name; do
        case $name in
        eager | first | best | first-eager | best-eager) echo "$name" ;;
        *) if [ -x "$out/$name" ] || [ -x "$out/${name}_fixed" ]; then echo "$name"; fi ;;
        esac
    done
}

# Rows of "label|allocator|figures" become a table: one line a label, one column an allocator, in
# the order they come. MODE plain shows the first figure, both the first two; median and ratio take
# rows of "label|round|allocator|ns".
table() { # MODE WIDTH FILE
    awk -F'|' -v mode="$1" -v width="$2" '
    function middle(n,    i, j, x) {
        for (i = 2; i <= n; i++) {
            x = list[i]
            for (j = i - 1; j >= 1 && list[j] > x; j--) list[j + 1] = list[j]
            list[j + 1] = x
        }
        return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    function number(x) { return sprintf(x < 9.995 ? "%.2f" : x < 99.95 ? "%.1f" : "%.0f", x) }
    function head(name) { return length(name) < width ? name : substr(name, 1, width - 2) "." }
    function cell(row, name,    r, n, part) {
        if (mode == "plain" || mode == "both") {
            split(value[row, 1, name], part, " ")
            return mode == "plain" || part[2] == "" ? part[1] : part[1] " / " part[2]
        }
        for (r = 1; r <= rounds; r++) {
            part[1] = value[row, r, name]
            if (part[1] !~ /^[0-9.]+$/) return part[1]
            list[++n] = mode == "ratio" ? part[1] / value[row, r, "glibc"] : part[1]
        }
        return number(middle(n))
    }
    {
        label = $1; round = NF == 4 ? $2 : 1; name = NF == 4 ? $3 : $2
        if (!(label in seen)) { seen[label] = 1; rows[++row_count] = label }
        if (!(name in known)) { known[name] = 1; names[++name_count] = name }
        value[label, round, name] = $NF
        if (round > rounds) rounds = round
    }
    END {
        line = sprintf("%-27s", "")
        for (i = 1; i <= name_count; i++)
            line = line sprintf("%*s", width, head(names[i]))
        print line
        for (r = 1; r <= row_count; r++) {
            line = sprintf("%-27s", rows[r])
            for (i = 1; i <= name_count; i++)
                line = line sprintf("%*s", width, cell(rows[r], names[i]))
            print line
        }
    }' "$3"
}

title() { printf '\n%s\n\n' "$1"; }
wanted() { case " $BENCH_ONLY " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# --- Speed. ---

speed_jobs() { # KIND LEAST MOST SHAPE BLOCKS BUFFER|label
    cat <<END
lifo 16 256 even 100 $M64|LIFO 16-256 B, 0 to 100
walk 16 256 even 100 $M64|LIFO 16-256 B, walk
churn 16 4096 log 10000 $M64|churn 10k, 16 B-4 KiB
churn 16 256 even 50000 $M64|churn 50k, 16-256 B
churn 16 65536 log 6000 $M64|churn 6k, 16 B-64 KiB
strings 16 8192 even 100 $M64|strings grow to 8 KiB
vectors 16 65536 even 100 $M64|vectors double to 64 KiB
drop 16 256 even 50000 $M64|build 50k, drop at once
lifo 64 64 even 100 $M64|LIFO 64 B
churn 64 64 even 50000 $M64|churn 50k, 64 B
END
    if $full; then echo "churn 16 65536 log 50000 $((512 * MIB))|churn 50k, 16 B-64 KiB *"; fi
}

speed() {
    names=$(present driver glibc memmgr eager pmr foonathan boost talloc)
    : >"$tables/speed.txt"
    round=1
    while [ $round -le $rounds ]; do
        speed_jobs | while IFS='|' read -r job label; do
            for name in $names; do
                figures=$(measure $name time $job $passes)
                echo "$label|$round|$name|$figures" >>"$tables/speed.txt"
            done
        done
        round=$((round + 1))
    done
    title "SPEED: ns per operation, median of $rounds interleaved rounds"
    table median 9 "$tables/speed.txt"
    title "SPEED: ratio to glibc malloc of the same round, median"
    grep -v '|driver|' "$tables/speed.txt" >"$tables/ratio.txt"
    table ratio 9 "$tables/ratio.txt"
    cat <<'END'

An operation is an allocation, a free or a realloc; the first byte of every block is written. Time
is that of the processor. "driver" is the loop alone, which every figure holds. "eager" is memmgr
with MEMMGR_POOL_EAGER. "-": the allocator does not do that job; "full": its buffer ran out.
50,000 blocks of 16 B-64 KiB are 394 MB: in 64 MiB there are 6,000 of them, 70 % of the buffer;
the row marked * of a full run has them all, in 512 MiB. pmr: unsynchronized_pool_resource on a
monotonic one; in "drop" the monotonic one alone. foonathan: memory_pool_collection by powers of
two; memory_pool for 64 B; memory_stack in "drop". boost: boost::pool, only for blocks of one
size. talloc: a talloc_pool takes back only the last block, or all of them. pmr and foonathan
cannot resize: the driver allocates, copies and frees. Where the others drop all blocks at once
glibc frees one by one, and gives the memory back to the system.
END
}

# --- Delay. ---

delay_jobs() { speed_jobs | sed -n '1p;3,6p'; }

delay() {
    : >"$tables/delay.txt"
    delay_jobs | while IFS='|' read -r job label; do
        for name in $(present glibc memmgr eager pmr foonathan); do
            figures=$(measure $name delay $job $delay_runs/$delay_passes)
            echo "$label|$name|$figures" >>"$tables/delay.txt"
        done
    done
    title "DELAY of a single call: 99.99th percentile / worst, in ns"
    table both 14 "$tables/delay.txt"
    cat <<END

Clock: rdtsc on x86-64, else clock_gettime; its own cost is subtracted. The same calls are made in
$delay_runs processes that start alike, and the shortest time of each call counts: what interrupts
took is left out.
END
}

# --- Fill: overhead per block. ---

fill() {
    : >"$tables/overhead.txt"
    : >"$tables/share.txt"
    for job in "16 16 even 1 $M64|blocks of 16 B" "16 512 even 1 $M64|blocks of 16-512 B" \
        "16 4096 log 1 $M64|blocks of 16 B-4 KiB, log"; do
        for name in $(present glibc memmgr eager pmr foonathan boost talloc); do
            figures=$(measure $name fill fill ${job%|*} 1)
            echo "${job#*|}|$name|${figures% *}" >>"$tables/overhead.txt"
            echo "${job#*|}|$name|${figures#* }" >>"$tables/share.txt"
        done
    done
    title "OVERHEAD: bytes per block beyond those asked for, 64 MiB filled to the first failure"
    table plain 9 "$tables/overhead.txt"
    title "SHARE of the buffer that is live then, in percent, nothing freed yet"
    table plain 9 "$tables/share.txt"
    cat <<'END'

The whole buffer counts, with everything an allocator keeps in it. glibc gets 64 MiB by
RLIMIT_DATA.
END
}

# --- Pack: 128 KiB. ---

pack() {
    : >"$tables/pack.txt"
    for kind in half refill growth; do
        for range in "8 64" "16 512" "16 4096" "256 8192"; do
            for name in $(present memmgr eager first first-eager best best-eager pmr foonathan); do
                figures=$(measure $name pack $kind $range even 1 131072 $seeds/20000)
                echo "$kind, ${range% *}-${range#* } B|$name|$figures" >>"$tables/pack.txt"
            done
        done
    done
    title "PACKING: live share of 128 KiB at the first failure, in percent, mean of $seeds seeds"
    sed 's/first-eager/first-e/; s/best-eager/best-e/' "$tables/pack.txt" >"$tables/pack_short.txt"
    table plain 9 "$tables/pack_short.txt"
    cat <<'END'

Bytes asked for, over the whole buffer. half: 20,000 random operations at half load, then filled.
refill: filled, a random half freed, filled again. growth: three allocations to two frees. first,
best: the strategies; -e: with MEMMGR_POOL_EAGER. foonathan: its lists do not share 128 KiB above
512 B.
END
}

# --- Brim: 64 MiB. ---

brim() {
    : >"$tables/brim.txt"
    for kind in half brim; do
        for name in $(present glibc memmgr eager pmr foonathan); do
            figures=$(measure $name pack $kind 16 4096 log 1 $M64 1/$brim_steps)
            echo "$kind, 16 B-4 KiB|$name|$figures" >>"$tables/brim.txt"
        done
    done
    title "PACKING: live share of 64 MiB, 16 B-4 KiB log-uniform, in percent, $brim_steps steps"
    table plain 11 "$tables/brim.txt"
    : >"$tables/brim4.txt"
    for kind in half brim; do
        for name in $(present memmgr eager first first-eager best best-eager pmr foonathan); do
            figures=$(measure $name pack $kind 16 4096 log 1 $((4 * MIB)) 1/$((brim_steps / 5)))
            echo "$kind, 16 B-4 KiB|$name|$figures"
        done
    done | sed 's/first-eager/first-e/; s/best-eager/best-e/' >"$tables/brim4.txt"
    title "The same in 4 MiB, $((brim_steps / 5)) steps, with the strategies that search"
    table plain 9 "$tables/brim4.txt"
    cat <<'END'

half: as above. brim: always full, each step draws a size and frees random blocks until it fits;
the mean of the live share over the second half of the run. glibc gets 64 MiB by RLIMIT_DATA.
END
}

# --- Steps: instructions. ---

steps_worst() { # VARIANT
    pools="1/1000/4096 16/50000/1024"
    if $full; then pools="$pools 64/50000/6144 256/50000/32768"; fi
    : >"$tables/steps.txt"
    for pool in $pools; do
        mib=${pool%%/*} most=${pool##*/} count=${pool#*/}
        LD_BIND_NOW=1 "$out/steps_pool" worst $((mib * MIB)) "${count%/*}" "$most" \
            $calls $picked $limit "$1" |
            sed "s/^/$mib /" >>"$tables/steps.txt"
    done
    awk '
    {
        if (!($2 in seen)) { seen[$2] = 1; rows[++row_count] = $2 }
        if (!($1 in known)) { known[$1] = 1; sizes[++size_count] = $1 }
        worst[$2, $1] = sprintf("%14s%7s", $3, $5)
        mean[$2, $1] = sprintf("%14s%7s", $4, $6)
    }
    END {
        line = sprintf("%-13s", "")
        for (i = 1; i <= size_count; i++) line = line sprintf("%21s", sizes[i] " MiB alloc   free")
        print line
        for (r = 1; r <= row_count; r++) {
            line = sprintf("%-13s", rows[r])
            for (i = 1; i <= size_count; i++) line = line worst[rows[r], sizes[i]]
            print line
        }
        line = sprintf("%-13s", "steady, mean")
        for (i = 1; i <= size_count; i++) line = line mean["steady", sizes[i]]
        print line
    }' "$tables/steps.txt"
}

steps() {
    if [ "$("$out/steps_pool" fast $M64 default | head -1)" = - ]; then
        title "INSTRUCTIONS: skipped, counting them needs an x86-64 processor and its trap flag"
        return
    fi
    title "INSTRUCTIONS of one call at worst, good fit, default"
    steps_worst default
    title "INSTRUCTIONS of one call at worst, good fit, MEMMGR_POOL_EAGER"
    steps_worst eager
    cat <<END

Counted by single-stepping: of every history the calls that took longest, and random ones for the
mean. 50,000 blocks (1,000 in 1 MiB) of 16 B to 4, 1, 6 and 32 KiB log-uniform. steady: random
churn. brim: in a full pool. bursts: all blocks freed, then a large one. comb: every second block
freed, then sizes that do not fit. spans: few blocks of up to half the pool. tides: sizes come and
go. No call is followed beyond $limit.
END
    title "INSTRUCTIONS of the fast paths: one allocation / one free, in turn"
    {
        for name in pool eager general glibc; do
            program=$name variant=default
            if [ $name = eager ]; then program=pool variant=eager; fi
            LD_BIND_NOW=1 "$out/steps_$program" fast $M64 $variant |
                while read -r size alloc free; do
                    echo "$size B|$name|$alloc $free"
                done
        done
    } | sed 's/|general|/|memmgr_malloc|/' >"$tables/fast.txt"
    table both 16 "$tables/fast.txt"
}

# --- ---

build_all
version=$(sed -n 's/^#define MEMMGR_VERSION "\(.*\)"/\1/p' memmgr.h)
echo "memmgr $version, $($CC --version | head -1), $CFLAGS"
echo "$(getconf GNU_LIBC_VERSION 2>/dev/null || echo 'C library unknown'), $(uname -sm)," \
    "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -1)"
for section in speed delay fill pack brim steps; do
    if wanted $section; then $section; fi
done
