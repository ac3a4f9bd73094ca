// segment.c: proofs of the rooms segment and search.
//
// Symbolic: everything that stands in the map of a segment of ENTRIES entries, live and kept
// blocks, runs and spans; the number of its granules; the block, the length, the place, the
// alignment. Whatever came before: each proof begins at any segment in order, and shows that what
// is left is one in order, so it holds after any number of operations.
// Bounded: ENTRIES. Granules are never looked at: there are none.
#ifndef ENTRIES
#define ENTRIES 4
#endif
#include "proof.h"

static mmi_segment memory, *const segment = &memory;
static spec_map spec;
static uint32_t count;

static void any_segment(void) {
    count = nondet_u32();
    ASSUME(count > (ENTRIES - 1) * 64 && count <= GRANULES);
    spec = spec_any(count, true);
    spec_segment_make(&spec, count, &memory);
}

static mmi_run any_run(void) {
    mmi_run run = {nondet_u32(), nondet_u32()};
    ASSUME(run.at < count && run.length > 0 && run.length <= count - run.at);
    ASSUME(spec_is_run(&spec, run.at, run.at + run.length));
    return run;
}

static uint32_t any_block(uint32_t *end) {
    uint32_t block = nondet_u32();
    *end = nondet_u32();
    ASSUME(block < count && *end <= count && spec_is_block(&spec, block, *end));
    return block;
}

// A block from any place of any run: map and index say so, and nothing else.
void segment_takes(void) {
    any_segment();
    mmi_run run = any_run();
    uint32_t block = nondet_u32(), length = nondet_u32();
    ASSUME(block >= run.at && block < run.at + run.length);
    ASSUME(length > 0 && length <= run.at + run.length - block);
    mmi_segment_take(segment, run, block, length);
    spec_set(&spec, block, block + length, true);
    PROVE(spec_is(&spec, proof_map));
    PROVE(spec_index_is(&spec, proof_index));
    REACHED();
}

// Any block given back: one run with what was free around it, and the index knows.
void segment_gives(void) {
    any_segment();
    uint32_t end, block = any_block(&end);
    mmi_segment_give(segment, block, end - block);
    spec_set(&spec, block, end, false);
    PROVE(spec_is(&spec, proof_map));
    PROVE(spec_index_is(&spec, proof_index));
    PROVE(segment->last_merged < ENTRIES);
    REACHED();
}

// A live block of another length where it lies: just when there is room; else nothing has changed.
void segment_resizes(void) {
    any_segment();
    uint32_t end, block = any_block(&end), to = nondet_u32();
    ASSUME(spec_live(&spec, block) && to > 0);
    bool room = to <= count - block && (block + to <= end || spec_all_free(&spec, end, block + to));
    PROVE(mmi_segment_resize(segment, block, end - block, to) == room);
    if (room) {
        spec_set(&spec, block, end, false);
        spec_set(&spec, block, block + to, true);
    }
    PROVE(spec_is(&spec, proof_map));
    PROVE(spec_index_is(&spec, proof_index));
    REACHED();
}

// CBMC keeps the number of an object in an address's upper 8 bits: nothing here carries into them.
enum { OFFSET_BITS = sizeof(size_t) * 8 - 8 };

// Where a block with an alignment lies in a run, whatever the segment's address: inside, aligned,
// and no lower place is.
void segment_places(void) {
    mmi_segment anywhere;
    mmi_run run = {nondet_u32(), nondet_u32()};
    uint32_t length = nondet_u32(), lower = nondet_u32();
    unsigned shift = nondet_u32();
    anywhere.granules_offset = nondet_size();
    ASSUME(shift < OFFSET_BITS);
    size_t alignment = (size_t)1 << shift;
    uintptr_t base = (uintptr_t)mmi_segment_granules(&anywhere);
    ASSUME(base % 16 == 0 && length > 0);
    ASSUME(run.length <= UINT32_MAX - run.at && run.at + run.length <= (UINTPTR_MAX - base) / 16);
    ASSUME((base ^ (base + (uintptr_t)(run.at + run.length) * 16)) >> OFFSET_BITS == 0);
    uint32_t at = mmi_segment_place(&anywhere, run, length, alignment);
    if (at != UINT32_MAX) {
        PROVE(at >= run.at && length <= run.length && at - run.at <= run.length - length);
        PROVE(((base + (uintptr_t)at * 16) & (alignment - 1)) == 0);
    }
    ASSUME(lower >= run.at && length <= run.length && lower - run.at <= run.length - length);
    ASSUME(at == UINT32_MAX || lower < at);
    PROVE(((base + (uintptr_t)lower * 16) & (alignment - 1)) != 0);
    REACHED();
}

// Good fit finds a run just when there is one that is long enough, and one that is.
void search_finds(void) {
    any_segment();
    mmi_request want = {nondet_u32(), 16, nondet_size()};
    mmi_found found;
    ASSUME(want.length > 0);
    bool fits = false;
    uint32_t longest[ENTRIES];
    spec_longest(&spec, longest);
    for (unsigned entry = 0; entry < ENTRIES; entry++)
        fits = fits || longest[entry] >= want.length;
    PROVE(mmi_search_good(segment, &want, &found) == fits);
    if (fits) {
        PROVE(found.segment == segment && found.at == found.run.at);
        PROVE(found.run.at < count && found.run.length >= want.length);
        PROVE(spec_is_run(&spec, found.run.at, found.run.at + found.run.length));
    }
    REACHED();
}
