#!/bin/sh
# run.sh [debug off asan valgrind]: the corpus of faulty programs, see corpus.c.
#
#   debug     switch on: memmgr reports every fault, in the right lines, and of no twin anything;
#             with every compiler that is here, as C and as C++, and without MEMMGR_DEBUG
#   off       switch off, under AddressSanitizer: it finds every fault that it can find
#   asan      switch on, pools under AddressSanitizer: it finds accesses, memmgr the rest
#   valgrind  the same under Valgrind, for a choice of programs, as it is slow
#
# What a tool cannot find is listed in unseen.txt, with reasons. Build output goes to
# build/tests/corpus.

# Judges the programs named, each with its twin: one line for each that is not as it should be, and
# one at the end with the counts. tool is off, asan or valgrind.
judge()
{
    tool=$1
    shift
    good=0 bad=0
    log=$out/judge.$$.log
    for name; do
        finder=${name#*=} twin=1
        name=${name%%=*}
        case $finder in *-) twin=0 finder=${finder%-} ;; esac
        status=0
        $runner "$out/$tool" "$name" >"$log" 2>&1 || status=$?
        if "found_$tool"; then
            good=$((good + 1))
        elif is_listed; then
            good=$((good + 1))
        else
            bad=$((bad + 1))
            echo "    $tool: $name: not found, status $status"
            head -12 "$log" | sed 's/^/        /'
        fi
        [ $twin = 1 ] || continue
        if $runner "$out/$tool" "$name" twin >"$log" 2>&1 && [ ! -s "$log" ]; then
            good=$((good + 1))
        else
            bad=$((bad + 1))
            echo "    $tool: $name: its twin was not silent"
            head -12 "$log" | sed 's/^/        /'
        fi
    done
    rm -f "$log"
    echo "count $good $bad"
}

found_by_sanitizer() { grep -Eq 'ERROR: (Address|Leak)Sanitizer' "$log"; }
found_by_memmgr() { [ "$status" = 0 ] && grep -q '^    reported: ' "$log"; }

# What memmgr reports with the switch off, too, such as leaks of pools.
found_off() { found_by_sanitizer || found_by_memmgr; }

found_asan()
{
    if [ "$finder" = access ]; then grep -q '^WRITE of size 1 ' "$log"
    else found_by_memmgr; fi
}

# Here the program goes on after the access, so that memmgr finds the damage as well.
found_valgrind()
{
    if [ "$finder" = access ]; then
        grep -q 'Invalid write' "$log" && grep -q '^    reported: ' "$log" &&
            ! grep -Fq "    $name: " "$log"
    else
        found_by_memmgr
    fi
}

# Is there a line in unseen.txt for it? Which one is noted.
is_listed()
{
    while read -r of pattern reason; do
        [ "$of" = "$tool" ] || continue
        # shellcheck disable=SC2254
        case $name in $pattern)
            echo "used $of $pattern $reason"
            return 0
            ;;
        esac
    done <"$unseen"
    return 1
}

if [ "${1:-}" = --judge ]; then
    shift
    judge "$@"
    exit 0
fi

cd "$(dirname "$0")/../.." || exit 1
out=$PWD/build/tests/corpus
unseen=$PWD/tests/corpus/unseen.txt
script=$PWD/tests/corpus/run.sh
runner=
export out unseen runner
mkdir -p "$out"
rm -f "$out"/*.log
passed=0
failed=0
source=tests/corpus/corpus.c
warnings='-Wall -Wextra'
ASAN_OPTIONS=symbolize=0:detect_leaks=1:exitcode=23
export ASAN_OPTIONS

has() { command -v "$1" >/dev/null 2>&1; }

# tell name passed failed: counted, and shown as other stages do.
tell()
{
    passed=$((passed + $2))
    failed=$((failed + $3))
    printf '  %-28s %s\n' "$1" "$2 passed, $3 failed"
}

# build name command...: without a word.
build()
{
    target=$1
    shift
    "$@" $warnings -g -o "$out/$target" $source -pthread >"$out/$target.build.log" 2>&1 &&
        [ ! -s "$out/$target.build.log" ] && return 0
    sed 's/^/    /' "$out/$target.build.log" | head -20
    tell "$target" 0 1
    return 1
}

# build_and_run_all name command...: one of the debug runs, in a shell of its own.
build_and_run_all()
{
    name=$1
    build "$@" || return
    "$out/$name" >"$out/$name.log" 2>&1
    result=$(sed -n '$p' "$out/$name.log")
    case $result in
    [0-9]*' passed, '[0-9]*' failed') ;;
    *) result='0 passed, 1 failed' ;;
    esac
    case $result in
    *' passed, 0 failed') ;;
    *) grep -v ' passed, ' "$out/$name.log" | head -60 ;;
    esac
    tell "$name" "${result%% *}" "$(echo "$result" | sed 's/.*, \([0-9]*\) failed/\1/')"
}

# count_told file...: what other shells have told is counted, and shown.
count_told()
{
    cat "$@"
    for told in "$@"; do
        while read -r line; do
            case $line in
            *[0-9]' passed, '*[0-9]' failed')
                line=${line% failed}
                failed=$((failed + ${line##* }))
                line=${line% passed, *}
                passed=$((passed + ${line##* }))
                ;;
            esac
        done <"$told"
    done
}

stage_debug()
{
    on='-DUSE_MEMORY_MGR -DMEMMGR_DEBUG'
    (
        has gcc && build_and_run_all debug.gcc gcc -std=c11 -O1 $on
        has clang && build_and_run_all debug.clang clang -std=c11 -O1 $on
        true
    ) >"$out/debug.1.log" 2>&1 &
    beside=$!
    (
        has g++ && build_and_run_all debug.g++ g++ -x c++ -std=c++11 -O0 $on
        has clang++ && build_and_run_all debug.clang++ clang++ -x c++ -std=c++11 -O0 $on
        build_and_run_all debug.without_lines ${CC:-cc} -std=c11 -O1 -DUSE_MEMORY_MGR
    ) >"$out/debug.2.log" 2>&1
    wait $beside
    count_told "$out/debug.1.log" "$out/debug.2.log"
    for compiler in gcc clang g++ clang++; do
        has $compiler || echo "  debug.$compiler: skipped, not here"
    done
}

# judge_all tool <list: the names, each with =finder, and - behind it if its twin is not asked for
judge_all()
{
    xargs -P2 -n 25 sh "$script" --judge "$1" >"$out/$1.judged.log"
    grep '^    ' "$out/$1.judged.log"
    sed -n 's/^used //p' "$out/$1.judged.log" | sort | uniq -c |
        awk '{ n = $1; $1 = $2 = ""; printf "    not findable: %s (%d)\n", substr($0, 3), n }'
    grep "^$1 " "$unseen" | while read -r tool pattern reason; do
        grep -Fq "used $tool $pattern " "$out/$1.judged.log" ||
            echo "    unseen.txt: nothing needs $tool $pattern $reason"
    done
    counts=$(awk '/^count / { good += $2; bad += $3 } END { print good + 0, bad + 0 }' \
        "$out/$1.judged.log")
    [ "$counts" = '0 0' ] && counts='0 1'
    tell "$1" ${counts% *} ${counts#* }
}

has_asan()
{
    printf 'int main(void) { return 0; }\n' >"$out/works.c"
    ${CC:-cc} -fsanitize=address -o "$out/works" "$out/works.c" >/dev/null 2>&1 && "$out/works"
}

stage_off()
{
    if ! has_asan; then
        echo "  off: SKIPPED, ${CC:-cc} has no AddressSanitizer"
        return
    fi
    build off ${CC:-cc} -std=c11 -O1 -DMEMMGR_DEBUG -fsanitize=address || return
    # Without the switch all pools are the same.
    "$out/off" --list |
        awk '$4 == "general" || $4 == "buffer" { print $1 "=" $2 }' >"$out/off.names"
    judge_all off <"$out/off.names"
}

stage_asan()
{
    if ! has_asan; then
        echo "  asan: SKIPPED, ${CC:-cc} has no AddressSanitizer"
        return
    fi
    build asan ${CC:-cc} -std=c11 -O1 -DUSE_MEMORY_MGR -DMEMMGR_DEBUG -fsanitize=address || return
    "$out/asan" --list | awk '
        $4 == "buffer" || ($4 != "general" && $1 ~ /\/small$/) { print $1 "=" $2 }
        ' >"$out/asan.names"
    judge_all asan <"$out/asan.names"
}

# Every program that makes a wrong access, in one of its places and sizes, and a part of the others.
stage_valgrind()
{
    if ! has valgrind; then
        echo '  valgrind: SKIPPED, it is not installed'
        return
    fi
    build valgrind ${CC:-cc} -std=c11 -O1 -DUSE_MEMORY_MGR -DMEMMGR_DEBUG || return
    "$out/valgrind" --list | awk '
        $4 == "general" { next }
        $3 != program { program = $3; number++; seen = 0; finder[number] = $2 }
        { name[number, seen++] = $1; count[number] = seen }
        END {
            for (i = 1; i <= number; i++) {
                if (finder[i] != "access" && i % 3 != 0) continue
                print name[i, i * 7 % count[i]] "=" finder[i] (i % 4 == 0 ? "" : "-")
            }
        }' >"$out/valgrind.names"
    runner='valgrind -q --error-exitcode=99 --leak-check=no'
    judge_all valgrind <"$out/valgrind.names"
}

[ $# -gt 0 ] || set -- debug off asan valgrind
for stage; do
    "stage_$stage"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
