// proof.h: what the proofs share: the library in its smallest configuration, values that may be
// anything, and the specification of the map, a granule at a time.
//
// A proof is a function without arguments. CBMC follows all its paths, with all values at once,
// and says of each PROVE whether it can fail. What ASSUME says is not proved: it is what the
// function under proof may rely on. So every proof also has a REACHED, which has to fail: else its
// assumptions contradict each other, and it would prove anything.
#ifndef PROOF_H
#define PROOF_H

#define MEMMGR_ASSERT(condition) __CPROVER_assert(condition, "assertion in memmgr.h")
#define MEMMGR_IMPLEMENTATION
#define MEMMGR_STATIC
#define MEMMGR_NO_OS
#define MEMMGR_NO_THREADS
#define MEMMGR_NO_STDIO
#define MEMMGR_NO_WATCH
#define USE_MEMORY_MGR
#ifdef ENTRIES // see memory.sed
#ifndef CLASSES
#define CLASSES 0
#define CLASS_SLOTS 0
#endif
#define PROOF_MEMORY                                                                               \
    static mmi_entry proof_map[ENTRIES + 1];                                                       \
    static uint8_t proof_index[(ENTRIES + 63) / 64 * 64];                                          \
    static mmi_class proof_classes[CLASSES + 1];                                                   \
    static uint32_t proof_slots[CLASSES * CLASS_SLOTS + 1];
#endif
#ifndef PROOF_POOL // pool.c knows where it is
#define PROOF_POOL(at) ((memmgr_pool *)(void *)(at))
#endif
#ifdef PROOF_SSE2 // by the model in include/emmintrin.h
#define __SSE2__ 1
#else
#undef __SSE2__
#endif
#include "memmgr.h"

#define ASSUME(condition) __CPROVER_assume(condition)
#define PROVE(condition) __CPROVER_assert(condition, #condition)
#ifdef PROOF_FAULT // only what is really wrong is to be found
#define REACHED() ((void)0)
#else
#define REACHED() __CPROVER_assert(0, "reached")
#endif

bool nondet_bool(void);
uint8_t nondet_byte(void);
uint32_t nondet_u32(void);
uint64_t nondet_u64(void);
size_t nondet_size(void);

// --- The map, as a specification

// Two bits for each granule, and nothing packed into spans: what the manual says of the map.
// ENTRIES is the harness's.
#ifdef ENTRIES
enum { BITS = sizeof(mmi_word) * 8, GRANULES = ENTRIES * BITS };
#define ONES ((mmi_word) ~(mmi_word)0)

typedef struct {
    mmi_word start[ENTRIES + 1], used[ENTRIES + 1]; // the last one is the sentinel
} spec_map;

static bool spec_start(const spec_map *spec, uint32_t granule) {
    return spec->start[granule / BITS] >> granule % BITS & 1;
}

static bool spec_used(const spec_map *spec, uint32_t granule) {
    return spec->used[granule / BITS] >> granule % BITS & 1;
}

static bool spec_free(const spec_map *spec, uint32_t granule) {
    return !spec_start(spec, granule) && !spec_used(spec, granule);
}

static bool spec_goes_on(const spec_map *spec, uint32_t granule) {
    return !spec_start(spec, granule) && spec_used(spec, granule);
}

static bool spec_live(const spec_map *spec, uint32_t granule) {
    return spec_start(spec, granule) && spec_used(spec, granule);
}

// Any map there can be of `count` granules, above (ENTRIES - 1) * BITS: each granule inside a block
// follows another of that block. `kept`: may there be kept blocks?
static spec_map spec_any(uint32_t count, bool kept) {
    spec_map spec;
    mmi_word carry = 0;
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        mmi_word start = (mmi_word)nondet_u64(), used = (mmi_word)nondet_u64();
        if (entry == ENTRIES - 1 &&
            count % BITS != 0) { // behind the last granule a block, for ever
            ASSUME(start >> count % BITS == 1);
            ASSUME((used | (((mmi_word)1 << count % BITS) - 1)) == ONES);
        }
        mmi_word taken = start | used;
        ASSUME((used & ~start & ~(taken << 1 | carry)) == 0);
        if (!kept) ASSUME((start & ~used) == 0);
        carry = taken >> (BITS - 1);
        spec.start[entry] = start;
        spec.used[entry] = used;
    }
    spec.start[ENTRIES] = 1;
    spec.used[ENTRIES] = ONES;
    return spec;
}

// The map that stands for it: the same bits, but for spans.
static bool spec_inner_live(const spec_map *spec, unsigned entry) {
    return entry < ENTRIES && spec->start[entry] == 0 && spec->used[entry] == ONES &&
           (spec->start[entry + 1] & 1) == 0 && (spec->used[entry + 1] & 1) == 1;
}

static bool spec_inner_free(const spec_map *spec, unsigned entry) {
    return entry < ENTRIES && spec->start[entry] == 0 && spec->used[entry] == 0;
}

static void spec_pack(const spec_map *spec, mmi_entry *map) {
    unsigned row_live = 0, row_free = 0; // entries of a row that end here
    for (unsigned entry = 0; entry <= ENTRIES; entry++) {
        row_live = spec_inner_live(spec, entry) ? row_live + 1 : 0;
        row_free = spec_inner_free(spec, entry) ? row_free + 1 : 0;
        map[entry].start = spec->start[entry];
        map[entry].used = spec->used[entry];
        if (row_live >= 2) {
            map[entry].used = 0;
            map[entry - row_live + 1].used = (mmi_word)row_live << 3 | 5;
        }
        if (row_free >= 2) {
            if (row_free > 2) map[entry - 1].used = 0;
            map[entry].used = (mmi_word)row_free << 3 | 2;
            map[entry - row_free + 1].used = (mmi_word)row_free << 3 | 2;
        }
    }
}

static bool spec_is(const spec_map *spec, const mmi_entry *map) {
    mmi_entry packed[ENTRIES + 1];
    bool same = true;
    spec_pack(spec, packed);
    for (unsigned entry = 0; entry <= ENTRIES; entry++)
        same = same && packed[entry].start == map[entry].start &&
               packed[entry].used == map[entry].used;
    return same;
}

// Which granules of an entry lie in [from, to).
static mmi_word spec_from(unsigned entry, uint32_t from) {
    if (from / BITS != entry) return from / BITS < entry ? ONES : 0;
    return ONES << from % BITS;
}

static mmi_word spec_span(unsigned entry, uint32_t from, uint32_t to) {
    return spec_from(entry, from) & ~spec_from(entry, to);
}

// Are all granules in [from, to) free?
static bool spec_all_free(const spec_map *spec, uint32_t from, uint32_t to) {
    mmi_word taken = 0;
    for (unsigned entry = 0; entry < ENTRIES; entry++)
        taken |= (spec->start[entry] | spec->used[entry]) & spec_span(entry, from, to);
    return from <= to && taken == 0;
}

// Is [from, to) a run, and does it go on neither to the left nor to the right?
static bool spec_is_run(const spec_map *spec, uint32_t from, uint32_t to) {
    if (from > 0 && spec_free(spec, from - 1)) return false;
    return spec_all_free(spec, from, to) && !spec_free(spec, to);
}

// Is [from, to) a block?
static bool spec_is_block(const spec_map *spec, uint32_t from, uint32_t to) {
    mmi_word other = 0;
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        mmi_word goes_on = spec->used[entry] & ~spec->start[entry];
        other |= ~goes_on & spec_span(entry, from + 1, to);
    }
    return from < to && spec_start(spec, from) && other == 0 && !spec_goes_on(spec, to);
}

// A live block of these granules comes to be, or these granules become free.
static void spec_set(spec_map *spec, uint32_t from, uint32_t to, bool live) {
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        mmi_word covered = spec_span(entry, from, to);
        spec->start[entry] &= ~covered;
        spec->used[entry] &= ~covered;
        if (live) spec->used[entry] |= covered;
        if (live) spec->start[entry] |= covered & spec_span(entry, from, from + 1);
    }
}

// The length of the longest run that starts in an entry, for each of them.
static void spec_longest(const spec_map *spec, uint32_t *longest) {
    uint32_t length = 0; // of the run that goes on to the right
    for (unsigned entry = ENTRIES; entry-- > 0;) {
        longest[entry] = 0;
        for (unsigned bit = BITS; bit-- > 0;) {
            uint32_t granule = entry * BITS + bit;
            length = spec_free(spec, granule) ? length + 1 : 0;
            bool starts = granule == 0 || !spec_free(spec, granule - 1);
            if (starts && length > longest[entry]) longest[entry] = length;
        }
    }
}

// --- A segment that such a map belongs to

// Does each byte of the index follow from the map?
static bool spec_index_is(const spec_map *spec, const uint8_t *index) {
#ifdef MEMMGR_SMALL
    return spec && index; // there is none
#else
    uint32_t longest[ENTRIES];
    bool same = true;
    spec_longest(spec, longest);
    for (unsigned entry = 0; entry < ENTRIES; entry++)
        same = same && index[entry] == mmi_index_code(longest[entry]);
    return same;
#endif
}

// A segment in order, of `count` granules, that stands for a map.
static void spec_segment_make(const spec_map *spec, uint32_t count, mmi_segment *made) {
    uint32_t longest[ENTRIES];
    (void)mmi_segment_lay_out(made, GRANULES, 0);
    made->granule_count = count;
#ifndef MEMMGR_SMALL
    made->last_merged = nondet_u32();
    ASSUME(made->last_merged < ENTRIES);
#endif
    spec_pack(spec, proof_map);
    spec_longest(spec, longest);
    for (unsigned entry = 0; entry < ENTRIES; entry++)
        proof_index[entry] = (uint8_t)mmi_index_code(longest[entry]);
}
#endif

#endif
