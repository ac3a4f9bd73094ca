#!/bin/sh
# run.sh [word...]: bounded proofs of memmgr.h with CBMC 6, and faults that they must find; only
# those whose names contain one of the words.
#
# CBMC is that of the system, or the one that install.sh puts below CBMC_ROOT. SHORT=1 leaves out
# the long ones. JOBS proofs run at a time (2), each with at most 6 GB. What a proof shows, what is
# symbolic and what is bounded stands above it in its file. A row:
#
#   name   CPU seconds, conditions: all those that CBMC checked, pointers and bounds and shifts and
#          the ends of loops among them
#
# What is proved. Of a pool with MEMMGR_SMALL, of 32 bits, of 1 to 8 granules, for each strategy
# but the user's own: from any state that is in order, one call with any arguments leaves one that
# is, so that this holds after any number of calls; no block overlaps another, NULL means that
# there is no room, a misuse is classified as the manual says and changes nothing; the audit tells
# a map that is in order from any other. Of the map, with words of 32 bits and of 64: the
# functions named in the list, for any map of so many entries. Of the index: its codes, a tree of
# small nodes, the first place in a node with vectors. That the sizes named do not wrap. With the
# index and classes: that any pointer may be freed.
#
# What is not: pools of two entries or more as a whole, the other calls with the index and
# classes, map_clears with words of 64 bits, map_tells_longest, pool_sequence, the search in the
# index, wraps_fit: no answer came in minutes. These functions are in the files, but not in the
# list. calloc's product is proved as far as small_callocs goes: one factor up to 255.
#
# A proof holds when every condition does, and when its end can be reached: an assertion that is
# false stands there, and CBMC must find it. A fault is a change to a copy of memmgr.h: the proof
# named must fail on it, or it would prove nothing.
cd "$(dirname "$0")/../.." || exit 1
here=tests/proof
out=build/proof
root=${CBMC_ROOT:-/opt/memmgr-debian13}
CC=${CC:-cc}

# Bounds of the loops of memmgr.h: CBMC proves that they end there, and so that a block's end, and a
# run's, is never more than three steps away.
steps=mmi_map_length_beyond.0:3,mmi_map_run_start_beyond.0:4,mmi_map_run_end_beyond.0:4
steps=$steps,mmi_map_longest.0:34,mmi_index_set_code.0:4,mmi_index_next.0:8,mmi_index_next.1:3
steps=$steps,mmi_map_block_at.0:5,mmi_map_block_at.1:5
steps=$steps,mmi_segment_lay_out_lists.0:1,mmi_index_lay_out.0:6,mmi_segment_fit_with.1:16
steps=$steps,mmi_text_number.0:20,mmi_text_number.1:21
wraps='--unsigned-overflow-check --pointer-overflow-check'
tree='-DNODE=4 -DROOT_NODES=2 -DLEAVES=20 --no-array-field-sensitivity --no-standard-checks'
tree="$tree --bounds-check --unwinding-assertions"
# A pool of 8 granules, in one entry: what a fixed pool never does is bounded at nothing.
once=mmi_segment_clear.0:1,mmi_map_length_beyond.0:2,mmi_map_run_start_beyond.0:2
once=$once,mmi_map_run_end_beyond.0:3,mmi_map_block_at.0:2,mmi_map_block_at.1:2,mmi_map_longest.0:6
once=$once,mmi_index_set_code.0:2,mmi_pool_search_table.0:1,mmi_pool_drop_segment.0:1
once=$once,mmi_pool_drop_segment.1:1,mmi_pool_sweep.0:2,mmi_pool_flush.0:2,mmi_class_flush.0:1
once=$once,mmi_class_flush.1:1,mmi_pool_add_segment.0:1,mmi_pool_grow_table.0:1,mmi_pool_grow.0:1
once=$once,mmi_class_split.0:1,mmi_pool_search.0:2,mmi_search_candidates.0:3,mmi_search_good.0:3
once=$once,mmi_search_entry.0:6,mmi_index_next.0:3,mmi_index_next.1:1,mmi_class_release.0:1
once=$once,mmi_class_release.1:1,mmi_class_make_room.0:1,mmi_index_least.1:64,mmi_index_first.0:65
pool="-DGRANULES_WANTED=8 --no-array-field-sensitivity --no-standard-checks --bounds-check"
pool="$pool --unwinding-assertions --unwindset $once"
bits32='--32 -DPROOF_SIZE32'
# With MEMMGR_SMALL, of 32 bits: a pool of up to 8 granules, in one entry; maps of 3 entries.
one=mmi_search_all.0:6,mmi_search_all.1:3,mmi_pool_search.0:2,mmi_pool_flush.0:2
one=$one,mmi_map_length_beyond.0:2,mmi_map_run_start_beyond.0:2,mmi_map_run_end_beyond.0:3
one=$one,mmi_map_block_at.0:2,mmi_map_block_at.1:2,mmi_pool_search_table.0:1,mmi_pool_grow.0:1
one=$one,mmi_pool_sweep.0:1,mmi_watch_send.0:1,mmi_watch_empty.0:1,mmi_text_string.0:1
one=$one,mmi_text_number.0:1,mmi_text_number.1:1,mmi_text_hex.0:1,mmi_text_pointer.0:1
one=$one,mmi_text_name.0:1,mmi_segment_fit_with.0:5,mmi_segment_fit_with.1:11
small="$bits32 -DMEMMGR_SMALL -DGRANULES_WANTED=8 --no-array-field-sensitivity"
small="$small --no-standard-checks --bounds-check --unwinding-assertions --unwind 10"
small="$small --unwindset $one"
words="$bits32 -DMEMMGR_SMALL --no-standard-checks --bounds-check --unwinding-assertions"
node='--no-standard-checks --bounds-check --unwinding-assertions --unwind 66'
bits16='--16 -DPROOF_SIZE32 -DPROOF_INT16'
other_order='--arch ppc64 --big-endian'

# name | file | function | header | wraps that are meant, in these functions | options
# header: memory (see memory.sed), nodes (small nodes, see index.c), plain. L: not in a short run.
proofs()
{
    cat <<END
map_live          |map|map_tells_live|memory||-DENTRIES=5
map_run_start     |map|map_tells_run_start|memory||-DENTRIES=4
map_run_end       |map|map_tells_run_end|memory||-DENTRIES=4
map_length        |map|map_tells_length|memory||-DENTRIES=4
map_sets          |map|map_sets|memory||-DENTRIES=4
map_conserves     |map|map_conserves|memory||-DENTRIES=4
L map_run_start.5 |map|map_tells_run_start|memory||-DENTRIES=5
L map_run_end.5   |map|map_tells_run_end|memory||-DENTRIES=5
L map_conserves.5 |map|map_conserves|memory||-DENTRIES=5
index_codes       |index|index_codes|plain||
index_sets        |index|index_sets|nodes||$tree
L pool_frees      |pool|pool_frees|memory||$pool
small_allocs      |pool|pool_allocs|memory||$small
L small_aligned     |pool|pool_aligned_allocs|memory||$small -DANY_PLACE
L small_callocs     |pool|pool_callocs|memory||$small
L small_reallocs  |pool|pool_reallocs|memory||$small
small_frees       |pool|pool_frees|memory||$small
small_sizes       |pool|pool_sizes|memory||$small
small_resets      |pool|pool_resets|memory||$small
L small_checks      |pool|pool_checks|memory||$small
small_begins      |pool|pool_begins|memory||$small
map_live.w        |map|map_tells_live|memory||-DENTRIES=4 $words
map_run_start.w   |map|map_tells_run_start|memory||-DENTRIES=4 $words
map_run_end.w     |map|map_tells_run_end|memory||-DENTRIES=4 $words
map_length.w      |map|map_tells_length|memory||-DENTRIES=4 $words
map_block_at.w    |map|map_tells_block_at|memory||-DENTRIES=3 $words
map_sets.w        |map|map_sets|memory||-DENTRIES=4 $words
map_clears.w      |map|map_clears|memory||-DENTRIES=3 $words
map_conserves.w   |map|map_conserves|memory||-DENTRIES=4 $words
segment_places    |segment|segment_places|memory||
granules          |arith|wraps_granules|plain||$wraps
granule           |arith|wraps_granule|plain|mmi_segment_granule|$wraps
align_up          |arith|wraps_align_up|plain||$wraps
layout            |arith|wraps_layout|plain||$wraps
share             |arith|wraps_share|plain||$wraps
number            |arith|wraps_number|plain||$wraps
node_first.v      |index|index_node_first|plain||$node -DPROOF_SSE2
END
    for model in 32 16; do
        eval "bits=\$bits$model"
        cat <<END
granules.$model   |arith|wraps_granules|plain||$wraps $bits
granule.$model    |arith|wraps_granule|plain|mmi_segment_granule|$wraps $bits
align_up.$model   |arith|wraps_align_up|plain||$wraps $bits
layout.$model     |arith|wraps_layout|plain||$wraps $bits
share.$model      |arith|wraps_share|plain||$wraps $bits
number.$model     |arith|wraps_number|plain||$wraps $bits
END
    done
    cat <<END
granule.big       |arith|wraps_granule|plain|mmi_segment_granule|$wraps $other_order
map_live.big      |map|map_tells_live|memory||-DENTRIES=4 $other_order
END
}

# name | the proof that must fail |
#     what is changed, for sed
faults()
{
    awk '/^ / { sub(/^ +/, ""); print head $0; next } { head = $0 }' <<'END'
length_short      |map_length|
    /mmi_map_length_short/,/^}/s/(MMI_WORD_BITS - 1 - bit)/(MMI_WORD_BITS - 2 - bit)/
span_skipped      |map_length|
    /mmi_map_length_beyond/,/^}/s/mmi_map_live_span(map + next)/0 \&\& &/
run_start_mask    |map_run_start|
    /mmi_map_run_start(/,/^}/s/mmi_map_mask(granule) - 1/mmi_map_mask(granule)/
run_end_span      |map_run_end|
    /mmi_map_run_end_beyond/,/^}/s/mmi_map_span(right) : 1/1 : 1/
set_one_less      |map_sets|
    /^MMI_FN void mmi_map_set/,/^}/s/block + length - 1/block + length/
mark_first        |map_sets|
    /mmi_map_mark_span/,/^}/s/first + 2 > behind/first + 2 >= behind/
lone_entry        |map_conserves|
    /^MMI_FN void mmi_map_set/,/^}/s/if (between == 1) head\[1\].used = MMI_WORD_ONES;//
kept_live         |map_live|
    /mmi_map_is_live/,/^}/s/entry->start & entry->used/entry->start/
parents_stay      |index_sets|
    /^MMI_FN void mmi_index_set_code/,/^}/s/code < most && old < most/code < most/
code_step         |index_codes|
    s/code_for(uint32_t length) {/& length++;/
misuse_kind       |pool_frees|
    s/return live ? MEMMGR_INTERIOR_POINTER : MEMMGR_DOUBLE_FREE;/return MEMMGR_DOUBLE_FREE;/
place_end         |segment_places|
    s/> run.length - length) return/> run.length) return/
granules_up       |granules|
    s/return ((size - (size != 0)) >> MMI_GRANULE_SHIFT) + 1;/return (size + 15) >> 4;/
rotation          |granule|
    s/| offset << (sizeof offset \* 8 - MMI_GRANULE_SHIFT)//
align_down        |align_up|
    s/return (x + (unit - 1)) & ~(unit - 1);/return (x + unit) \& ~(unit - 1);/
no_sentinel       |layout|
    s/(entries + 1) \* sizeof(mmi_entry)/entries * sizeof(mmi_entry)/
share_product     |share|
    s/part <= SIZE_MAX \/ scale) return/part <= SIZE_MAX) return/
clear_last        |small_frees|
    /^MMI_FN void mmi_map_clear/,/^}/s/map_bit(last));/map_bit(last - (length > 1)));/
misuse_small      |small_frees|
    s/return live ? MEMMGR_INTERIOR_POINTER : MEMMGR_DOUBLE_FREE;/return MEMMGR_DOUBLE_FREE;/
misuse_size       |small_sizes|
    s/if (offset % MMI_GRANULE != 0) return MEMMGR_INTERIOR_POINTER;//
run_too_long      |small_allocs|
    /mmi_map_next_run(/,/^}/s/mmi_bits_lowest(rest & ~\*left) - bit/& + 1/
place_beyond      |small_aligned|
    s/> run.length - length) return/> run.length) return/
calloc_short      |small_callocs|
    /^MMI_COLD void \*mmi_public_alloc/,/^}/s/mmi_pool_granules(size) << MMI_GRANULE_SHIFT/size/
copy_short        |small_reallocs|
    s/mmi_bytes_copy(to, from, old_bytes)/mmi_bytes_copy(to, from, old_bytes - 16)/
reset_used        |small_resets|
    /^MMI_FN void mmi_pool_reset/,/^}/s/pool->used = 0;//
audit_more        |small_checks|
    s/audit->used += live ? length : 0/audit->used += length + live/
audit_end         |small_checks|
    s/if (!mmi_stats_end_valid(segment)) return false;//
number_short      |number|
    /^MMI_FN void mmi_text_number/,/^}/s/digits\[3 \* sizeof(size_t)\]/digits[2 * sizeof(size_t)]/
node_from         |node_first.v|
    /mmi_index_first(const/,/^}/s/mmi_bits_range(from, 63)/mmi_bits_range(from \& 62, 63)/
fit_more          |small_begins|
    /^MMI_FN size_t mmi_segment_fit_with/,/^}/s/> size)/> size + 1)/
resize_beyond     |small_reallocs|
    /^MMI_FN bool mmi_segment_resize/,/^}/s/to > right - block)/to > right - block + 1)/
span_left         |map_clears.w|
    /^MMI_FN void mmi_map_clear/,/^}/s/if (tail - head > 1) head\[1\].used = 0;//
mark_short        |map_clears.w|
    /mmi_map_mark_span/,/^}/s/first + 2 > behind/first + 2 >= behind/
lone_free_entry   |map_block_at.w|
    s/} else if (entry != at || !(mmi_map_taken/} else if (!(mmi_map_taken/
END
}

find_cbmc()
{
    if command -v cbmc >/dev/null; then
        cbmc=cbmc
    elif [ -x "$root/usr/bin/cbmc" ]; then
        # Its libraries are beside it: no chroot is needed, and so no root.
        loader=$(ls "$root"/usr/lib*/ld-linux* "$root"/lib/ld-linux* 2>/dev/null | sed 1q)
        libraries=$(ls -d "$root"/usr/lib/*-linux-gnu* | sed 1q)
        cbmc="$loader --library-path $libraries:$root/usr/lib $root/usr/bin/cbmc"
    else
        return 1
    fi
    $cbmc --version >/dev/null 2>&1
}

# header name [sed]: a copy of memmgr.h below $out/name, with the fault; fails when nothing changed.
header()
{
    mkdir -p "$out/$1"
    sed -e "$2" memmgr.h >"$out/$1/whole.h"
    [ -z "$2" ] || ! cmp -s memmgr.h "$out/$1/whole.h" || return 1
    case $3 in
    nodes)
        sed -e 's/^#define MMI_NODE 64$/#define MMI_NODE 4/' \
            -e 's/^#define MMI_ROOT_NODES 4 /#define MMI_ROOT_NODES 2 /' \
            "$out/$1/whole.h" >"$out/$1/memmgr.h"
        ;;
    memory) sed -f $here/memory.sed "$out/$1/whole.h" >"$out/$1/memmgr.h" ;;
    *) cp "$out/$1/whole.h" "$out/$1/memmgr.h" ;;
    esac
}

# The shell's children so far, in seconds of CPU.
# The times of a subshell would be its own: so through a file.
cpu_seconds()
{
    times >"$out/$1.times"
    awk 'NR == 2 { gsub(/[ms]/, " "); cpu = $1 * 60 + $2 + $3 * 60 + $4 }
        END { printf "%.1f", cpu }' "$out/$1.times" >"$out/$1.seconds"
    read -r seconds <"$out/$1.seconds" || :
}

# run_cbmc log header file function options: 1 for a failure, 2 for no answer.
run_cbmc()
{
    log=$1 folder=$2 file=$3 function=$4
    shift 4
    (
        ulimit -v 6000000
        ulimit -t 900
        # shellcheck disable=SC2086
        $cbmc $here/"$file".c -I $here/include -I "$folder" --function "$function" \
            --drop-unused-functions --unwindset $steps "$@"
    ) >"$log" 2>&1
    case $? in
    0 | 10) return 0 ;;
    *) return 1 ;;
    esac
}

say()
{
    printf '  %-20s %-32s %s\n' "$1" "$2" "$3"
    echo "$3" >"$out/$1.verdict"
}

field() { echo "$row" | cut -d'|' -f"$1" | sed 's/^ *//;s/ *$//'; }

prove()
{
    row=$(proofs | sed 's/^L //' | grep "^$1 *|")
    meant=$(field 5)
    if ! header "$1" '' "$(field 4)"; then
        say "$1" 'no copy' '0 passed, 1 failed'
        return
    fi
    # shellcheck disable=SC2046
    if ! run_cbmc "$out/$1.log" "$out/$1" "$(field 2)" "$(field 3)" $(field 6); then
        say "$1" "no answer: $out/$1.log" '0 passed, 1 failed'
        return
    fi
    reached=$(grep -c 'reached: FAILURE' "$out/$1.log")
    broken=$(grep ': FAILURE' "$out/$1.log" | grep -v 'reached: FAILURE')
    for name in $meant; do
        broken=$(echo "$broken" | grep -v "^\[$name.overflow")
    done
    conditions=$(sed -n 's/.* of \([0-9]*\) failed.*/\1/p' "$out/$1.log")
    cpu_seconds "$1"
    what="$seconds s, $conditions conditions"
    if [ "$reached" = 1 ] && [ -z "$broken" ]; then
        say "$1" "$what" '1 passed, 0 failed'
    else
        [ "$reached" = 1 ] || echo '    the end is never reached'
        echo "$broken" | sed 's/^/    /'
        say "$1" "$what" '0 passed, 1 failed'
    fi
}

catch()
{
    fault=$(faults | grep "^$1 *|")
    proof=$(echo "$fault" | cut -d'|' -f2)
    row=$(proofs | sed 's/^L //' | grep "^$proof *|")
    name=fault_$1
    if ! header "$name" "$(echo "$fault" | cut -d'|' -f3-)" "$(field 4)"; then
        say "$name" 'memmgr.h has no such place' '0 passed, 1 failed'
        return
    fi
    # shellcheck disable=SC2046
    run_cbmc "$out/$name.log" "$out/$name" "$(field 2)" "$(field 3)" -DPROOF_FAULT --stop-on-fail \
        $(field 6)
    cpu_seconds "$name"
    if grep -q '^VERIFICATION FAILED' "$out/$name.log"; then
        say "$name" "$seconds s, found by $proof" '1 passed, 0 failed'
    else
        say "$name" "$seconds s, not found by $proof" '0 passed, 1 failed'
    fi
}

# The numbers of a slab's blocks: every size, every address.
slab()
{
    if ! $CC -std=c11 -O1 -Wall -Wextra -I. -o "$out/slab" $here/slab.c -pthread \
        >"$out/slab.log" 2>&1; then
        say slab 'does not compile' '0 passed, 1 failed'
        return
    fi
    say slab 'every address, by a program' "$("$out/slab" | sed -n '$p')"
    if "$out/slab" fault >"$out/fault_slab.log"; then
        say fault_slab 'not found' '0 passed, 1 failed'
    else
        say fault_slab 'found by slab' '1 passed, 0 failed'
    fi
}

# The proofs of this run, and the faults that they are to find.
names()
{
    proofs | if [ -n "$SHORT" ]; then grep -v '^L '; else sed 's/^L //'; fi |
        sed 's/ *|.*//' >"$out/names"
    sed 's/^/prove /' "$out/names"
    faults | awk -F ' *[|]' -v names="$out/names" '
        BEGIN { while ((getline name <names) > 0) runs[name] = 1 }
        $2 in runs { print "catch " $1 }'
}

case ${1:-} in
--row)
    [ -n "${2:-}" ] || exit 0 # no row has such a name
    find_cbmc && "$2" "$3"
    exit 0
    ;;
esac

mkdir -p "$out"
rm -f "$out"/*.verdict
slab
if find_cbmc; then
    names | if [ $# -gt 0 ]; then grep -E "$(echo "$*" | tr ' ' '|')"; else cat; fi |
        xargs -P "${JOBS:-2}" -L 1 sh "$here/run.sh" --row
    wanted=$(echo "$*" | tr ' ' '|')
    expected=$(names | grep -c -E "${wanted:-.}")
elif [ -n "${MEMMGR_REQUIRE_ALL:-}" ]; then
    say proofs 'skipped: there is no CBMC 6' '0 passed, 1 failed'
    expected=1
else
    echo '  proofs             skipped: there is no CBMC 6, see tests/proof/install.sh'
    expected=0
fi
cat "$out"/*.verdict | awk -v rows="$((expected + 2))" '
    { passed += $1; failed += $3 }
    END {
        failed += rows > NR ? rows - NR : 0
        printf "%d passed, %d failed\n", passed, failed
        exit failed > 0
    }'
