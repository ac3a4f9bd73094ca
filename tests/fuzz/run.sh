#!/bin/sh
# run.sh [row...]: looks for faults by fuzzing. A row is a target, an engine, or both, such as pool,
# libfuzzer or general.afl; without any, all are run. The targets are pool, general and trace; the
# engines
#   replay      the kept inputs through a plain build by CC: needs no fuzzer
#   libfuzzer   clang's, with ASan and UBSan; memmgr tells the tools nothing, so that the models can
#               write into guards and freed blocks
#   tools       the same, with ASan told of every block: half the time, without trace, which has none
#   afl         AFL++, with ASan and UBSan
#
# run.sh seeded [name...]: puts the faults of seeded.txt into copies of memmgr.h, one at a time. Each
# must be found within a minute. FUZZ_EMPTY=1: without the kept inputs to begin with.
# run.sh merge: makes the kept inputs anew of those and of what the last runs have found: as few,
# and as small, as reach all that all of them reach.
#
#   FUZZ_SECONDS=1800   for each row    SHORT=1   20 seconds for libFuzzer, 15 for AFL++
#   JOBS=2              rows at a time  MEMMGR_REQUIRE_ALL=1  what is not installed is a failure
#
# Everything goes to build/fuzz. A finding is kept in build/fuzz/findings; it belongs into
# tests/fuzz/findings, named after its target, when its cause is known.
cd "$(dirname "$0")/../.." || exit 1
CC=${CC:-cc}
CLANG=${CLANG:-clang}
AFL=${AFL:-afl-clang-fast}
JOBS=${JOBS:-2}
FUZZ_SECONDS=${FUZZ_SECONDS:-1800}
out=$PWD/build/fuzz
kept=$PWD/tests/fuzz
targets='pool general trace'
engines='replay libfuzzer tools afl'
longest=2048 # bytes of an input
mkdir -p "$out/findings"
ASAN_OPTIONS=quarantine_size_mb=16:detect_leaks=0:abort_on_error=1:symbolize=0
UBSAN_OPTIONS=print_stacktrace=1
AFL_SKIP_CPUFREQ=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1
AFL_QUIET=1
export ASAN_OPTIONS UBSAN_OPTIONS AFL_SKIP_CPUFREQ AFL_NO_UI AFL_NO_AFFINITY
export AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES AFL_QUIET

has() { command -v "$1" >/dev/null 2>&1; }

# result name passed failed [words]: a row's line.
result() { printf '  %-34s %s passed, %s failed%s\n' "$1" "$2" "$3" "${4:+   $4}"; }

skip()
{
    printf '  %-34s skipped: %s\n' "$1" "$2"
    [ -z "$MEMMGR_REQUIRE_ALL" ] || result "$1" 0 1
}

seconds_of() # engine
{
    case $1:${SHORT:+short} in
    afl:short) echo 15 ;;
    tools:short) echo 10 ;;
    *:short) echo 20 ;;
    tools:) echo $((FUZZ_SECONDS / 2)) ;;
    *) echo "$FUZZ_SECONDS" ;;
    esac
}

# --- Builds

common='-g -DUSE_MEMORY_MGR -Wall -Wextra'

# Comparisons are traced only where the input is what is compared.
sanitizers()
{
    echo '-O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all'
    [ "$1" = trace ] || echo '-fno-sanitize-coverage=trace-cmp'
}

build() # target engine, in the folder of the sources
{
    case $2 in
    replay) $CC -std=gnu11 -O2 $common -DFUZZ_REPLAY -I. -o "$out/$1.$2" "tests/fuzz/$1.c" -pthread ;;
    libfuzzer) $CLANG $common $(sanitizers "$1") -DMEMMGR_NO_TOOLS -I. -o "$out/$1.$2" \
        "tests/fuzz/$1.c" -pthread ;;
    tools) $CLANG $common $(sanitizers "$1") -I. -o "$out/$1.$2" "tests/fuzz/$1.c" -pthread ;;
    afl) AFL_USE_ASAN=1 AFL_USE_UBSAN=1 $AFL $common -O1 -fsanitize=fuzzer -DMEMMGR_NO_TOOLS -I. \
        -o "$out/$1.$2" "tests/fuzz/$1.c" -pthread ;;
    esac >"$out/$1.$2.log" 2>&1
}

can_build() # engine
{
    case $1 in
    replay) has "$CC" ;;
    afl) has "$AFL" && has afl-fuzz ;;
    *)
        has "$CLANG" || return 1
        [ -n "$fuzzer_links" ] || {
            echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return !d && n; }' >"$out/try.c"
            $CLANG -fsanitize=fuzzer,address -o "$out/try" "$out/try.c" >/dev/null 2>&1 || return 1
            fuzzer_links=1
        }
        ;;
    esac
}

# What the kept inputs are, in one folder.
seeds() # target folder
{
    mkdir -p "$2"
    for file in "$kept/corpus/$1"/* "$kept/findings/$1".*; do
        [ -f "$file" ] && cp "$file" "$2/"
    done
    [ -n "$(ls "$2")" ] || printf 'memmgr' >"$2/first"
}

# --- Rows

# The edges in memmgr.h that a folder of inputs reaches, of those that are compiled.
edges() # target folder
{
    can_build libfuzzer || return
    [ -x "$out/$1.libfuzzer" ] || return
    ASAN_OPTIONS=$ASAN_OPTIONS:symbolize=1 "$out/$1.libfuzzer" -runs=0 -print_coverage=1 "$2" 2>&1 |
        awk '/COVERED_FUNC: / && /memmgr\.h/ {
                 sub(".*edges: ", ""); split($1, part, "/"); covered += part[1]; all += part[2]
             }
             END { if (all) printf ", %d of %d edges of memmgr.h", covered, all }'
}

# Keeps findings, and says how each is seen again.
findings() # target engine folder pattern
{
    count=0
    for file in "$3"/$4; do
        [ -f "$file" ] || continue
        name=$1.$(cksum <"$file" | tr ' ' -)
        cp "$file" "$out/findings/$name"
        echo "    found: build/fuzz/$1.$2 build/fuzz/findings/$name"
        count=$((count + 1))
    done
    return $count
}

row_replay() # target
{
    work=$out/replay.$1
    rm -rf "$work"
    seeds "$1" "$work"
    if text=$("$out/$1.replay" "$work" 2>"$work.log"); then
        result "$1.replay" "${text% inputs}" 0
    else
        sed 's/^/    /' "$work.log"
        result "$1.replay" 0 1
    fi
}

row_libfuzzer() # target engine
{
    work=$out/$2.$1
    rm -rf "$work"
    mkdir -p "$work/found"
    seeds "$1" "$work/corpus"
    "$out/$1.$2" -max_total_time="$(seconds_of "$2")" -max_len=$longest -len_control=20 -timeout=120 \
        -rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$work/found/" "$work/corpus" \
        >"$work/log" 2>&1
    status=$?
    findings "$1" "$2" "$work/found" '[clot]*-*' # crash, leak, oom, timeout
    found=$?
    [ $status = 0 ] || [ $found != 0 ] || found=1
    [ $found = 0 ] || grep -e 'does not hold' -e 'runtime error' -e 'ERROR: ' "$work/log" |
        sed 's/^/    /'
    awk '/number_of_executed_units/ { runs = $2 } /average_exec_per_sec/ { speed = $2 }
         END { printf "    %d executions, %d a second", runs, speed }' "$work/log"
    echo "$(edges "$1" "$work/corpus"), $(ls "$work/corpus" | wc -l) inputs"
    result "$1.$2" $((found == 0)) $found
}

# A hang is one only if the input takes as long when nothing else runs.
row_afl() # target
{
    work=$out/afl.$1
    rm -rf "$work"
    seeds "$1" "$work/in"
    afl-fuzz -i "$work/in" -o "$work" -m none -t 5000+ -V "$(seconds_of afl)" -g 1 -G $longest -- \
        "$out/$1.afl" >"$work/log" 2>&1
    status=$?
    findings "$1" afl "$work/default/crashes" 'id*'
    found=$?
    for file in "$work/default/hangs"/id*; do
        [ -f "$file" ] || continue
        timeout 60 "$out/$1.afl" "$file" >/dev/null 2>&1
        [ $? != 124 ] || findings "$1" afl "$work/default/hangs" "${file##*/}" || found=$((found + 1))
    done
    if [ ! -f "$work/default/fuzzer_stats" ] || [ $status != 0 ]; then
        tail -5 "$work/log" | sed 's/^/    /'
        [ $found != 0 ] || found=1
    fi
    awk -F ' *: *' '{ value[$1] = $2 }
         END { printf "    %d executions, %d a second", value["execs_done"], value["execs_per_sec"] }
         ' "$work/default/fuzzer_stats"
    echo "$(edges "$1" "$work/default/queue"), $(ls "$work/default/queue" | grep -c id) inputs"
    result "$1.afl" $((found == 0)) $found
}

run_row() # target engine
{
    can_build "$2" || { skip "$1.$2" "no $2 here"; return; }
    if ! build "$1" "$2"; then
        sed 's/^/    /' "$out/$1.$2.log"
        result "$1.$2" 0 1 'does not build'
        return
    fi
    case $2 in
    replay) row_replay "$1" ;;
    afl) row_afl "$1" ;;
    *) row_libfuzzer "$1" "$2" ;;
    esac
}

# Rows go by JOBS at a time; what one says is shown when all of these have ended.
run_rows() # rows
{
    while [ $# != 0 ]; do
        group= number=0
        while [ $# != 0 ] && [ $number -lt "$JOBS" ]; do
            run_row "${1%.*}" "${1#*.}" >"$out/row.$1" 2>&1 &
            group="$group $1" number=$((number + 1))
            shift
        done
        wait
        for row in $group; do
            tee -a "$rows_of_run" <"$out/row.$row"
        done
    done
}

# --- Seeded faults

# A copy of the sources with a fault in it. False when the script does not fit memmgr.h any more.
seed_fault() # name script
{
    copy=$out/seeded/$1
    rm -rf "$copy"
    mkdir -p "$copy/tests/fuzz" "$copy/examples/trace"
    cp tests/fuzz/*.[ch] "$copy/tests/fuzz/"
    cp examples/trace/*.h "$copy/examples/trace/"
    sed "$2" memmgr.h >"$copy/memmgr.h"
    ! cmp -s memmgr.h "$copy/memmgr.h"
}

run_seeded() # name target script
{
    seed_fault "$1" "$3" || { result "seeded.$1" 0 1 'its script changes nothing'; return; }
    (cd "$copy" && out=$copy && build "$2" libfuzzer) || {
        sed 's/^/    /' "$copy/$2.libfuzzer.log"
        result "seeded.$1" 0 1 'does not build'
        return
    }
    mkdir -p "$copy/corpus"
    [ -n "$FUZZ_EMPTY" ] || seeds "$2" "$copy/corpus"
    start=$(date +%s)
    "$copy/$2.libfuzzer" -max_total_time=60 -max_len=$longest -len_control=20 -timeout=20 \
        -artifact_prefix="$copy/" "$copy/corpus" >"$copy/log" 2>&1
    status=$? seconds=$(($(date +%s) - start))
    if [ $status != 0 ]; then
        how=$(grep -h -m 1 -e 'does not hold' -e 'runtime error' -e 'ERROR: ' "$copy/log")
        result "seeded.$1" 1 0 "$seconds s: ${how##*does not hold: }"
    else
        result "seeded.$1" 0 1 "not found in $seconds s"
    fi
}

stage_seeded() # names
{
    can_build libfuzzer || { skip seeded 'no libFuzzer here'; return; }
    while IFS='|' read -r name target script; do
        case $name in '#'* | '') continue ;; esac
        case " ${*:-$name} " in *" $name "*) run_seeded "$name" "$target" "$script" ;; esac
    done <tests/fuzz/seeded.txt | tee -a "$rows_of_run"
}

# --- The kept inputs

stage_merge()
{
    can_build libfuzzer || { skip merge 'no libFuzzer here'; return; }
    for target in $targets; do
        { build "$target" libfuzzer && build "$target" replay; } || continue
        all=$out/merge.$target small=$out/small.$target
        rm -rf "$all" "$small"
        mkdir -p "$small"
        seeds "$target" "$all"
        for file in "$out/libfuzzer.$target/corpus"/* "$out/tools.$target/corpus"/* \
            "$out/afl.$target/default/queue"/id*; do
            [ -f "$file" ] && cp "$file" "$all/$(cksum <"$file" | tr ' ' -)"
        done
        "$out/$target.libfuzzer" -set_cover_merge=1 -use_counters=0 "$small" "$all" >"$out/merge.$target.log" \
            2>&1 || { result "merge.$target" 0 1; continue; }
        mkdir -p "$kept/corpus/$target"
        rm -f "$kept/corpus/$target"/*
        cp "$small"/* "$kept/corpus/$target/"
        result "merge.$target" "$(ls "$small" | wc -l)" 0 "$(cat "$small"/* | wc -c) bytes"
    done | tee -a "$rows_of_run"
}

rows_of_run=$out/rows.$$
trap 'rm -f "$rows_of_run"' EXIT
: >"$rows_of_run"
case $1 in
seeded)
    shift
    stage_seeded "$@"
    ;;
merge) stage_merge ;;
*)
    rows=
    for engine in $engines; do
        for target in $targets; do
            [ "$target.$engine" != trace.tools ] || continue
            for want in "${@:-all}"; do
                case $want in all | "$target" | "$engine" | "$target.$engine") ;; *) continue ;; esac
                rows="$rows $target.$engine"
                break
            done
        done
    done
    run_rows $rows
    ;;
esac
awk '{ for (i = 2; i < NF; i++)
           if ($i == "passed," && $(i + 2) ~ /^failed/) { passed += $(i - 1); failed += $(i + 1) } }
     END { printf "%d passed, %d failed\n", passed, failed; exit failed != 0 }' "$rows_of_run"
