// map.c: proofs of the room map.
//
// Symbolic: everything that stands in the map of a segment of ENTRIES entries, blocks live and
// kept, runs, spans of each, and the number of granules in the last entry; the granule asked for.
// Bounded: ENTRIES, 6 (4 in the short run): the smallest with a span of four entries, and two of
// two. Every loop in memmgr.h is unwound to its end, and CBMC proves that it was the end.
#ifndef ENTRIES
#define ENTRIES 6
#endif
#include "proof.h"

static mmi_entry map[ENTRIES + 1];
static spec_map spec;
static uint32_t count;

// Any map of any number of granules.
static void any_map(void) {
    count = nondet_u32();
    ASSUME(count > (ENTRIES - 1) * 64 && count <= GRANULES);
    spec = spec_any(count, true);
    spec_pack(&spec, map);
}

static uint32_t any_granule(void) {
    uint32_t granule = nondet_u32();
    ASSUME(granule < count);
    return granule;
}

static uint32_t any_block(void) {
    uint32_t block = any_granule();
    ASSUME(spec_start(&spec, block));
    return block;
}

// Of every granule: is it a live block's first, is it a kept one's?
void map_tells_live(void) {
    any_map();
    uint32_t granule = any_granule();
    PROVE(mmi_map_is_live(map, granule) == spec_live(&spec, granule));
    PROVE(mmi_map_is_kept(map, granule) ==
          (spec_start(&spec, granule) && !spec_used(&spec, granule)));
    REACHED();
}

// Of every block: its length, by both ways. At most so many steps: see the unwinding bounds.
void map_tells_length(void) {
    any_map();
    uint32_t block = any_block(), length = mmi_map_length(map, block);
    PROVE(spec_is_block(&spec, block, block + length));
    uint32_t told = mmi_map_length_short(map, block);
    PROVE(told == length || (told == 0 && length > 64));
    REACHED();
}

// Of every granule: which block lies on it.
void map_tells_block_at(void) {
    any_map();
    uint32_t granule = any_granule(), block = mmi_map_block_at(map, granule);
    PROVE((block == UINT32_MAX) == spec_free(&spec, granule));
    PROVE(block == UINT32_MAX || block <= granule);
    PROVE(block == UINT32_MAX || spec_is_block(&spec, block, block + mmi_map_length(map, block)));
    PROVE(block == UINT32_MAX || granule < block + mmi_map_length(map, block));
    REACHED();
}

// From the start of every block, and from the segment's end: where the run before it starts.
void map_tells_run_start(void) {
    any_map();
    uint32_t block = nondet_u32();
    ASSUME(block == count || (block < count && spec_start(&spec, block)));
    PROVE(spec_is_run(&spec, mmi_map_run_start(map, block), block));
    REACHED();
}

// From the end of every block, and from the first granule: where the run behind it ends.
void map_tells_run_end(void) {
    any_map();
    uint32_t end = nondet_u32();
    ASSUME(end <= count && (end == 0 || !spec_free(&spec, end - 1)) && !spec_goes_on(&spec, end));
    PROVE(spec_is_run(&spec, end, mmi_map_run_end(map, end)));
    REACHED();
}

// Of every entry: the longest run that starts in it.
void map_tells_longest(void) {
    any_map();
    uint32_t longest[ENTRIES];
    spec_longest(&spec, longest);
    for (uint32_t entry = 0; entry < ENTRIES; entry++)
        PROVE(mmi_map_longest(map, entry) == longest[entry]);
    REACHED();
}

// From any run any block is taken: its granules are marked, and no others; what is left of the run
// is marked as runs are. This is what mmi_segment_take does with the map.
void map_sets(void) {
    any_map();
    uint32_t at = any_granule(), end = nondet_u32(), block = nondet_u32(), behind = nondet_u32();
    ASSUME(at < end && end <= count && spec_is_run(&spec, at, end));
    ASSUME(at <= block && block < behind && behind <= end);
    mmi_map_mark_span(map, at, end, false);
    mmi_map_set(map, block, behind - block);
    mmi_map_mark_span(map, at, block, true);
    mmi_map_mark_span(map, behind, end, true);
    spec_set(&spec, block, behind, true);
    PROVE(spec_is(&spec, map));
    REACHED();
}

// Any block is given back: its granules are free, and no others; the run is found from end to end,
// and marked as one: merging is complete. This is what mmi_segment_give does with the map.
void map_clears(void) {
    any_map();
    uint32_t block = any_block(), end = nondet_u32();
    ASSUME(end <= count && spec_is_block(&spec, block, end));
    mmi_map_clear(map, block, end - block);
    spec_set(&spec, block, end, false);
    uint32_t left = mmi_map_run_start(map, block), right = mmi_map_run_end(map, end);
    PROVE(left <= block && right >= end && spec_is_run(&spec, left, right));
    mmi_map_mark_span(map, left, block, false);
    mmi_map_mark_span(map, end, right, false);
    mmi_map_mark_span(map, left, right, true);
    PROVE(spec_is(&spec, map));
    REACHED();
}

// To clear a live block and to set it again changes nothing.
void map_conserves(void) {
    any_map();
    uint32_t block = any_block(), end = nondet_u32();
    ASSUME(end <= count && spec_is_block(&spec, block, end) && spec_live(&spec, block));
    mmi_map_clear(map, block, end - block);
    mmi_map_set(map, block, end - block);
    PROVE(spec_is(&spec, map));
    REACHED();
}
