#!/bin/sh
# test_trace_tool.sh: examples/trace/replay.c on traces that trace_make.c writes: one with known
# numbers, random ones, broken ones, and mutations under sanitizers, where the compiler has them.
# The last line is 'N passed, N failed'.
#
# CC, CFLAGS and SEED are honoured; SCALE is the percentage of the random work. Everything that is
# built goes to build/tests/trace.
cd "$(dirname "$0")/.." || exit 1
CC=${CC:-cc}
CFLAGS=${CFLAGS:--O2 -g}
SEED=${SEED:-1}
SCALE=${SCALE:-100}
out=build/tests/trace
passed=0
failed=0
rm -rf "$out"
mkdir -p "$out"
NO_COLOR=1
export NO_COLOR

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "    FAILED: $*"; }
finish()
{
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

# compile program source option...
compile()
{
    program=$out/$1 source=$2
    shift 2
    if $CC -std=c11 -Wall -Wextra $CFLAGS "$@" -I. -o "$program" "$source" -pthread \
        >"$program.log" 2>&1 && ! grep -q 'examples/trace\|trace_make' "$program.log"; then
        pass
    else
        fail "$source does not compile, or not without warnings"
        cat "$program.log"
        finish
    fi
}

# answers status trace option...: the tool's answer is in $out/answer
answers()
{
    wanted=$1 trace=$2
    shift 2
    "$out/replay" "$@" "$out/$trace" >"$out/answer" 2>&1
    status=$?
    if [ $status = "$wanted" ]; then
        pass
    else
        fail "replay $* $trace: status $status"
        sed 's/^/        /' "$out/answer"
    fi
}

# says text...: lines of the answer that must be there, or parts of them
says()
{
    for text in "$@"; do
        if grep -qF -- "$text" "$out/answer"; then
            pass
        else
            fail "$trace: '$text' is missing in:"
            sed 's/^/        /' "$out/answer"
        fi
    done
}

# says_not text
says_not() { if grep -qF -- "$1" "$out/answer"; then fail "$trace: says '$1'"; else pass; fi; }

# same file expected
same() { if diff "$1" "$2" >"$out/diff"; then pass; else fail "$1:"; cat "$out/diff"; fi; }

# trace name bytes...: a trace of these bytes, as printf understands them
trace()
{
    name=$1
    shift
    printf 'memmgr trace 1\n' >"$out/$name"
    for bytes in "$@"; do
        printf "$bytes" >>"$out/$name"
    done
}

compile replay examples/trace/replay.c -DUSE_MEMORY_MGR
compile trace_make tests/trace_make.c

# --- A trace with every kind of event.
"$out/trace_make" known "$out/known"
answers 0 known --rounds 1 --svg "$out/known.svg" --csv "$out/known.csv"
says ': 10 us, 2 threads, 1 pool: words' \
    '6 allocations, 3 frees, 1 resize, 1 clear, 1 failure' \
    'peak 269 KiB in 5 blocks after 8 us; at the end 68.4 KiB in 1 block' \
    'note: 1 event about blocks from before the trace, left out' \
    '                                       peak 269 KiB after 8 us v' \
    '        16 B            2  ########################################' \
    '  src/<beta>&.c:20                       195 KiB            2         0 B' \
    '  src/alpha.c:10                         5.0 KiB            2         0 B' \
    '  /usr/bin/known+0x2033                 68.4 KiB            2    68.4 KiB' \
    '  (not known)                               16 B            1         0 B' \
    '  live at the end, bytes                  70000          70000' \
    '  live at the end, blocks                     1              1'
says_not 'no END'
cat >"$out/expected.csv" <<'END'
time_ns,live_bytes,live_blocks
1000,100,1
2000,1100,2
3000,6100,3
4000,6000,2
5000,75000,2
7000,275000,3
8000,275016,5
9000,75000,2
10000,70000,1
END
same "$out/known.csv" "$out/expected.csv"
cp "$out/known.svg" "$out/answer"
says 'src/&#60;beta&#62;&#38;.c:20' 'peak 269 KiB after 8 us' '200 KiB' '8 us' '</svg>'
if command -v xmllint >/dev/null; then
    if xmllint --noout "$out/known.svg"; then pass; else fail 'known.svg is not XML'; fi
fi
answers 0 known --rounds 0
says_not 'replayed'
answers 0 known --limit 0
says 'not replayed: more is live than the limit, 0 B'

# --- A long one: what is live must be what its maker knows.
"$out/trace_make" random "$out/random" "$SEED" $((4000 * SCALE)) >"$out/model"
read -r peak live count <"$out/model"
answers 0 random --rounds 1 --csv "$out/random.csv" --svg "$out/random.svg"
says "  live at the end, bytes     $(printf '%18s %14s' "$live" "$live")" \
    "  live at the end, blocks    $(printf '%18s %14s' "$count" "$count")"
awk -F, 'NR > 1 && $2 > peak { peak = $2 } END { print peak, $2, $3 }' "$out/random.csv" \
    >"$out/random.model"
same "$out/random.model" "$out/model"
wide=$(awk 'length > 80' "$out/answer" | grep -v "^$out")
if [ -z "$wide" ]; then pass; else fail "lines of more than 80 letters: $wide"; fi

# --- What is not a trace, or not all of one.
: >"$out/empty"
answers 1 empty
says 'empty: is empty'
echo 'memmgr trace 2' >"$out/other"
answers 1 other
says 'other: is not a trace of memmgr'
printf 'memmgr tr' >"$out/short"
answers 1 short
says 'short: is not a trace of memmgr'
answers 1 missing
says 'missing: cannot be opened'
answers 1 .
says 'is not a file'
trace nothing
answers 0 nothing --svg "$out/nothing.svg"
says 'note: no END' 'peak 0 B in 0 blocks'
size=$(wc -c <"$out/known")
cut=15
while [ $cut -lt "$size" ]; do
    head -c $cut "$out/known" >"$out/cut"
    answers 0 cut --rounds 0
    cut=$((cut + 1))
done
trace half '\001\012\040\144\000' '\001\012\040'
answers 0 half --rounds 1
says 'note: cut short in the middle of an event, at byte 20' '1 allocation,' 'in 1 block after 10 ns'
trace whole '\001\012\040\144\000'
answers 0 whole --rounds 1 --svg "$out/whole.svg"
says 'note: no END'
says_not 'sites that'

# --- Numbers that cannot be. most: the largest of 64 bits
most='\377\377\377\377\377\377\377\377\377\001'
trace long_number '\002\000\377\377\377\377\377\377\377\377\377\377\001\000'
answers 1 long_number
says 'long_number: at byte 15: a number of more than 64 bits'
trace too_large '\002\000\377\377\377\377\377\377\377\377\377\002\000'
answers 1 too_large
says 'at byte 15: a number of more than 64 bits'
trace no_kind '\002\000\000\000' '\017'
answers 1 no_kind
says 'at byte 19: an event of no known kind'
trace no_flag '\201\000\000\000\000'
answers 1 no_flag
says 'at byte 15: an event of no known kind'
trace aligned_free '\042\000\000\000'
answers 1 aligned_free
says 'at byte 15: an event of no known kind'
trace alignment '\041\000\040\001\100\000'
answers 1 alignment
says 'an alignment beyond all addresses'
trace large_alignment '\041\000\040\001\077\000'
answers 1 large_alignment --rounds 1
says 'ended with 0 bytes in 0 blocks, the trace with 1 in 1'
trace time "\002$most\000\000"
answers 1 time
says 'a time of 292 years or more'
trace long_name "\007\001\001$most"
answers 1 long_name
says 'a name of more than 64 KiB'
trace cut_name '\007\001\001\377\001abc'
answers 0 cut_name
says 'cut short in the middle of an event, at byte 15'
trace long_heap "\006$most$most"
answers 1 long_heap
says 'a name of more than 64 KiB'
trace slot "\007$most\001\001x" "\001\000\040\020$most" '\001\000\040\020\005' "\005$most" \
    "\006$most\001y" '\000'
answers 0 slot --rounds 1
says '1 thread, 1 pool: y' 'x:1' '(not known)'
trace huge "\001\000\040$most\000" '\001\000\040\020\000' "\003\000\000\002$most\000" \
    '\002\000\001\000' '\000'
answers 0 huge --rounds 1
says 'note: 2 allocations of more than there can be: only tried' \
    '  impossible ones refused                     2              2' \
    '  live at the end, blocks                     0              0'
trace again '\001\000\040\020\000' '\001\000\000\040\000' '\000'
answers 0 again --rounds 1
says 'note: 1 block handed out again without a free: taken as freed' \
    '  live at the end, bytes                     32             32'
trace control '\007\001\001\004a\033[m' '\001\000\040\020\001' '\000'
answers 0 control --rounds 0
says 'a?[m:1'

# --- Mutations, and random programs, under sanitizers.
echo 'int main(void) { return 0; }' >"$out/works.c"
sanitize='-fsanitize=address,undefined -fno-sanitize-recover=all'
if $CC $sanitize -o "$out/works" "$out/works.c" >/dev/null 2>&1 && "$out/works"; then
    compile replay.asan examples/trace/replay.c -DUSE_MEMORY_MGR -O1 -g $sanitize
    ASAN_OPTIONS=allocator_may_return_null=1:exitcode=99
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:exitcode=99
    export ASAN_OPTIONS UBSAN_OPTIONS
    "$out/trace_make" random "$out/some" "$SEED" 60 >/dev/null
    for trace in known some; do
        if "$out/trace_make" fuzz "$out/replay.asan" "$out/$trace" "$SEED" $((3 * SCALE)); then
            pass
        else
            fail "mutations of $trace"
        fi
    done
    mv "$out/replay" "$out/replay.plain"
    mv "$out/replay.asan" "$out/replay"
    answers 0 random --rounds 1 --csv /dev/null --svg /dev/null
    answers 0 huge --rounds 1
    mv "$out/replay" "$out/replay.asan"
    mv "$out/replay.plain" "$out/replay"
fi
finish
