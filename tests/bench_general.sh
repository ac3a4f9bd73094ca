#!/bin/sh
# bench_general.sh: programs on malloc, with one allocator after another preloaded: time and memory.
#
#     sh tests/bench_general.sh                   all patterns, all real programs: some ten minutes
#     sh tests/bench_general.sh pair mixed gcc    those named; also: patterns, programs
#     BENCH_QUICK=1 sh tests/bench_general.sh     short patterns, once: less than a minute
#     BENCH_CHART=1 sh tests/bench_general.sh     and draws build/bench/general.svg
#     sh tests/bench_general.sh chart             draws it anew from build/bench/general.tsv
#     BENCH_WATCHED=1 sh tests/bench_general.sh patterns   what MEMMGR_OPTIONS=track,guard costs
#
# BENCH_ROUNDS        how often everything is run, default 5: the median counts
# BENCH_BASE=name     the allocator the others are compared with, default memmgr
# BENCH_EXTRA="name=/path/lib.so ..."   more allocators
# BENCH_PROGRAMS         programs by name, as the arguments are
#
# The figures of the last run stay in build/bench/general.tsv. memmgr is build/libmemmgr.so. What is
# not installed is skipped, and a line says so. Nothing outside build/bench is written, and nothing
# is fetched: all input is made here. CC is honoured.
set -eu
case " ${BENCH_ONLY:-general} " in *' general '*) ;; *) exit 0 ;; esac
cd "$(dirname "$0")/.."
out=build/bench
input=$out/input
mkdir -p "$out" "$input"
results=$out/general.$$ # of this run alone
trap 'rm -rf "$results"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$results"
CC=${CC:-cc}
BENCH_BASE=${BENCH_BASE:-memmgr}
BENCH_ROUNDS=${BENCH_ROUNDS:-5}
scale=100
made=tests/bench_programs
LC_ALL=C PYTHONHASHSEED=0 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export LC_ALL PYTHONHASHSEED GIT_CONFIG_NOSYSTEM GIT_CONFIG_GLOBAL
if [ -n "${BENCH_QUICK:-}" ]; then BENCH_ROUNDS=1 scale=40; fi
. tests/bench_allocators.sh

PROGRAMS="python python_malloc lua perl awk jq sqlite redis"
PROGRAMS="$PROGRAMS gcc gs z3 git_log git_pack zstd_1 zstd_2 xz"

# --- Real programs. ---

installed() { # NAME PROGRAM...
    name=$1
    shift
    for program; do
        command -v "$program" >/dev/null && continue
        echo "skipped: $name, there is no $program"
        return 1
    done
}

# A launcher that stands for python3, such as a version manager's, would be measured too: the real
# program says where it is.
find_python() {
    installed "$1" python3 || return 1
    python=$(python3 -c 'import sys; print(sys.executable)')
    if [ -z "$python" ]; then python=python3; fi
}

once() { # NAME: true the first time it is asked
    case " $done_once " in *" $1 "*) return 1 ;; esac
    done_once="$done_once $1"
}
done_once=

make_text() { # the lines that awk, jq, xz and zstd work on
    if once text; then awk -v lines=60000 -f "$made/text.awk" >"$input/text"; fi
}

make_repository() {
    if once repository; then
        rm -rf "$input/made.git"
        git init -q --bare "$input/made.git"
        awk -v commits=300 -f "$made/git.awk" | git -C "$input/made.git" fast-import --quiet
    fi
}

# Makes the input of one program; false when the program is not here.
prepare() { # NAME
    case $1 in
    python | python_malloc) find_python "$1" ;;
    lua) installed lua lua5.4 ;;
    perl | gs) installed "$1" "$1" ;;
    sqlite) installed sqlite sqlite3 ;;
    redis) installed redis redis-server redis-benchmark ;;
    awk | xz) installed "$1" "$1" && make_text ;;
    zstd_1 | zstd_2) installed "$1" zstd && make_text ;;
    jq)
        installed jq jq && make_text &&
            awk -v records=25000 -f "$made/json.awk" "$input/text" >"$input/records.json"
        ;;
    gcc) installed gcc gcc && cp memmgr.h "$input/memmgr.h" ;;
    z3) installed z3 z3 && awk -f "$made/z3.awk" >"$input/problem.smt2" ;;
    git_log | git_pack) installed "$1" git && make_repository ;;
    esac
}

run() { "$out/bench_run" "$library" "$results/output" "$@"; }

run_redis() {
    "$out/bench_run" -s "$out/redis.sock" "$library" "$results/output" \
        redis-server --port 0 --unixsocket "$out/redis.sock" --save '' --appendonly no \
        --daemonize no --loglevel warning -- \
        sh -c "redis-benchmark -s $out/redis.sock -q -P 16 -n 80000 -r 100000 -d 100 \
            -t set,get,lpush,lpop,sadd,hset &&
            redis-benchmark -s $out/redis.sock -q -P 16 -n 8000 -t lrange_100" || return 1
    : >"$results/output" # its own figures are never the same
}

run_program() { # NAME: prints "SECONDS KIB"
    case $1 in
    python) run "$python" "$made/python.py" ;;
    python_malloc) run env PYTHONMALLOC=malloc "$python" "$made/python.py" ;;
    lua) run lua5.4 "$made/lua.lua" ;;
    perl) run perl "$made/perl.pl" ;;
    awk) run awk -f "$made/count.awk" "$input/text" ;;
    jq) run jq -c 'group_by(.at.x) | map({n: length, names: (map(.name) | sort | unique)})' \
        "$input/records.json" ;;
    sqlite) run sqlite3 :memory: ".read $made/sqlite.sql" ;;
    redis) run_redis ;;
    gcc) run gcc -O2 -x c -DMEMMGR_IMPLEMENTATION -DUSE_MEMORY_MGR -S -o - "$input/memmgr.h" ;;
    gs) run gs -q -dBATCH -dNOPAUSE -sDEVICE=ppmraw -r100 -o /dev/null "$made/gs.ps" ;;
    z3) run z3 "$input/problem.smt2" ;;
    git_log) run git -C "$input/made.git" log -p --stat main ;;
    git_pack) run git -C "$input/made.git" -c pack.threads=1 pack-objects --all --stdout \
        --no-reuse-delta -q ;;
    zstd_1) run zstd -q -c -10 -T1 "$input/text" ;;
    zstd_2) run zstd -q -c -10 -T2 "$input/text" ;;
    xz) run xz -c -2 -T1 "$input/text" ;;
    *) run "$out/bench_general" "$1" "$scale" ;;
    esac
}

# --- Run. ---

build_all() {
    $CC -O2 -std=c11 -pthread -fno-builtin tests/bench_general.c -o "$out/bench_general"
    $CC -O2 -std=c11 tests/bench_run.c -o "$out/bench_run"
}

kind_of() { # NAME
    case " $patterns " in *" $1 "*) echo pattern ;; *) echo program ;; esac
}

choose() { # NAME...: sets `chosen` to those that can be run, each once
    chosen=
    for name; do
        case " $patterns $PROGRAMS " in
        *" $name "*) ;;
        *)
            echo "bench_general.sh: there is no $name; there are:" $patterns $PROGRAMS >&2
            exit 2
            ;;
        esac
        case " $chosen " in *" $name "*) continue ;; esac
        if prepare "$name"; then chosen="$chosen $name"; fi
    done
}

# The output has to be the same with every allocator.
same_output() { # NAME
    if [ ! -e "$results/expected.$1" ]; then
        mv "$results/output" "$results/expected.$1"
    else
        cmp -s "$results/output" "$results/expected.$1"
    fi
}

measure() { # NAME ALLOCATOR
    figures=-
    library=$(path_of "$2")
    unset MEMMGR_OPTIONS
    if [ "$2" = watched ]; then export MEMMGR_OPTIONS=track,guard; fi
    if ! said=$(run_program "$1" 2>"$results/errors"); then
        echo "FAILED: $1 with $2: $(head -1 "$results/errors")" >&2
    elif ! same_output "$1"; then
        echo "FAILED: $1 with $2: its output is another" >&2
    else
        figures=$said
    fi
    echo "$(kind_of "$1") $1 $2 $figures" >>"$results/all"
}

measure_all() {
    : >"$results/all"
    round=1
    while [ "$round" -le "$BENCH_ROUNDS" ]; do
        for program in $chosen; do
            if [ -t 2 ]; then printf '\r\033[Kround %s: %s' "$round" "$program" >&2; fi
            for allocator in $allocators; do measure "$program" "$allocator"; done
        done
        round=$((round + 1))
    done
    if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}

# Lines of "kind program allocator seconds KiB" become their medians, in the order they came. A
# program that failed once with an allocator has no figures with it.
medians() {
    awk '
    function middle(what, n,    i, j, x) {
        for (i = 1; i <= n; i++) {
            x = value[key, i, what]
            for (j = i - 1; j >= 1 && list[j] > x; j--) list[j + 1] = list[j]
            list[j + 1] = x
        }
        return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    {
        key = $1 "\t" $2 "\t" $3
        if (!(key in count)) { count[key] = 0; keys[++key_count] = key }
        if ($4 == "-") failed[key] = 1
        n = ++count[key]
        value[key, n, "time"] = $4 * 1000
        value[key, n, "memory"] = $5 + 0
    }
    END {
        print "kind\tprogram\tallocator\tms\tKiB"
        for (k = 1; k <= key_count; k++) {
            key = keys[k]
            if (key in failed) print key "\t-\t-"
            else printf "%s\t%.1f\t%.0f\n", key, middle("time", count[key]),
                    middle("memory", count[key])
        }
    }' "$results/all"
}

# --- Tables. ---

table() { # COLUMN DIVISOR FORMAT: the base, the ratios to it, their geometric means
    awk -F'\t' -v column="$1" -v divisor="$2" -v form="$3" -v base="$BENCH_BASE" '
    function cell(a, b) {
        return a == "" || b == "" ? sprintf("%10s", "-") : sprintf("%10.2f", a / b)
    }
    # The least of the others, but for the base.
    function best(program,    i, x, least) {
        for (i = 1; i <= name_count; i++) {
            x = value[program, names[i]]
            if (x != "" && (least == "" || x < least)) least = x
        }
        return least
    }
    function note(name, kind, ratio) {
        sum[name, kind] += log(ratio); counted[name, kind]++
        sum[name, "all"] += log(ratio); counted[name, "all"]++
    }
    function mark(ratio) { return sprintf("%8.2f%s", ratio, ratio > 1.15 ? " !" : "") }
    function means(kind,    i, line) {
        if (!counted["best", kind]) return
        line = sprintf("%-14s%10s", kind == "all" ? "all" : kind "s", "")
        for (i = 1; i <= name_count; i++)
            line = line (counted[names[i], kind] ? sprintf("%10.2f",
                exp(sum[names[i], kind] / counted[names[i], kind])) : sprintf("%10s", "-"))
        print line mark(exp(sum["best", kind] / counted["best", kind]))
    }
    NR == 1 { next }
    !($2 in kinds) { programs[++program_count] = $2; kinds[$2] = $1 }
    !($3 in known) { known[$3] = 1; if ($3 != base) names[++name_count] = $3 }
    $column != "-" && $column > 0 { value[$2, $3] = $column }
    END {
        line = sprintf("%-14s%10s", "", base)
        for (i = 1; i <= name_count; i++) line = line sprintf("%10s", substr(names[i], 1, 9))
        print line "    best"
        for (p = 1; p <= program_count; p++) {
            program = programs[p]
            own = value[program, base]
            line = sprintf("%-14s", program)
            line = line (own == "" ? sprintf("%10s", "-") : sprintf("%10" form, own / divisor))
            for (i = 1; i <= name_count; i++) {
                x = value[program, names[i]]
                line = line cell(own, x)
                if (own != "" && x != "") note(names[i], kinds[program], own / x)
            }
            if (own != "" && best(program) != "") {
                note("best", kinds[program], own / best(program))
                line = line mark(own / best(program))
            }
            print line
        }
        print "geometric mean"
        means("pattern")
        means("program")
        if (counted["best", "pattern"] && counted["best", "program"]) means("all")
    }' "$out/general.tsv"
}

tables() {
    printf '\nTIME: %s in ms, median of %s; then %s / the other: below 1.00 %s is faster\n\n' \
        "$BENCH_BASE" "$BENCH_ROUNDS" "$BENCH_BASE" "$BENCH_BASE"
    table 4 1 .0f
    printf '\nMEMORY: most resident, %s in MiB, then %s / the other: below 1.00 %s takes less\n\n' \
        "$BENCH_BASE" "$BENCH_BASE" "$BENCH_BASE"
    table 5 1024 .1f
    cat <<END

best: $BENCH_BASE / the best of the others; "!" where that is over 1.15. Every program is run with
every allocator in turn, round by round. What a program prints has to be the same with all of them.
Memory is that of the largest process; redis: that of the server. "-": the program failed. glibc is
the C library's malloc, which is preloaded as well where a program is linked with another.
END
}

# --- ---

chart() {
    if ! command -v gnuplot >/dev/null; then
        echo "skipped: the chart, there is no gnuplot (Debian: gnuplot-nox)"
    elif [ ! -e "$out/general.tsv" ]; then
        echo "bench_general.sh: there is no $out/general.tsv yet" >&2
        exit 2
    else
        sh tests/bench_chart.sh "$out/general.tsv" "$out/general.svg"
        echo "$out/general.svg"
    fi
}

describe() {
    echo "$($CC --version | head -1); $(uname -sm)," \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -1)," \
        "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo '?') processors"
    awk '{ print "    " $1 ": " $2 }' "$out/allocators"
    getconf GNU_LIBC_VERSION 2>/dev/null || true
}

main() {
    if [ "${1:-}" = chart ]; then
        chart
        return
    fi
    build_all
    patterns=$("$out/bench_general" | tr '\n' ' ')
    patterns=${patterns% }
    find_allocators
    case " $allocators " in
    *" $BENCH_BASE "*) ;;
    *)
        echo "$BENCH_BASE is not here: the others are compared with glibc"
        BENCH_BASE=glibc
        ;;
    esac
    wanted=
    for name in "$@" ${BENCH_PROGRAMS:-}; do
        case $name in
        patterns) wanted="$wanted $patterns" ;;
        programs) wanted="$wanted $PROGRAMS" ;;
        *) wanted="$wanted $name" ;;
        esac
    done
    if [ -z "$wanted" ]; then
        wanted=$patterns
        if [ -z "${BENCH_QUICK:-}" ]; then wanted="$patterns $PROGRAMS"; fi
    fi
    choose $wanted
    describe
    measure_all
    medians >"$out/general.tsv"
    tables
    if [ -n "${BENCH_CHART:-}" ]; then chart; fi
}

main "$@"
