// pool.c: proofs of a whole pool in a buffer, through the API.
//
// Symbolic: which granules are live blocks, and where each begins: any of the states that a pool
// can be in, and for each operation sizes, alignments and pointers, the whole range of them:
// pointers into the pool, beside it, and anywhere. Each proof begins at any state in order, makes
// one call, and shows that what is left is a state in order, so it holds after any number of calls
// in any order. pool_sequence makes some calls in any order from an empty pool, so that no state is
// thought of that cannot be. Which of them run.sh runs stands there.
// Bounded: the buffer, with room for GRANULES_WANTED granules.
//
// The granules are not there: what would touch one is an access out of bounds, which CBMC finds
// where it is run with --pointer-check. Only a calloc's fill and a realloc's copy do; they are
// noted, and proved to be where they ought to be, instead of made.
//
// With MEMMGR_SMALL a strategy is symbolic, too: first fit, best fit, and good fit, which is best
// fit there. With ANY_PLACE also how the granules' address is aligned.
#ifndef ENTRIES
#define ENTRIES 1
#endif
#ifndef GRANULES_WANTED
#define GRANULES_WANTED 20
#endif
#ifndef CALLS
#define CALLS 3
#endif
#define __builtin_memset note_fill
#define __builtin_memcpy note_copy
static void *note_fill(void *to, int value, __CPROVER_size_t size);
static void *note_copy(void *to, const void *from, __CPROVER_size_t size);
struct memmgr_pool;
static struct memmgr_pool *pool_at(const void *at);
#define PROOF_POOL(at) pool_at(at)
#include "proof.h"
void *memset(void *, int, size_t);
void *memcpy(void *, const void *, size_t);

// A pool without its granules: they are addresses behind the map, and nothing may touch them.
static struct {
    _Alignas(16) char lead[16]; // where a buffer that is not aligned begins
    _Alignas(16) memmgr_pool pool;
    _Alignas(16) mmi_segment segment;
} memory;

#ifdef MEMMGR_SMALL
enum { LISTS = 0 }; // bytes of the index
#else
enum { LISTS = (ENTRIES + 63) / 64 * 64 };
#endif
enum {
    HEADERS = (sizeof(memmgr_pool) + 15) / 16 * 16 + (sizeof(mmi_segment) + 15) / 16 * 16,
    FRONT = 16 + HEADERS // of `memory`
};
enum { MAP_BYTES = ((ENTRIES + 1) * (int)sizeof(mmi_entry) + 15) / 16 * 16 };

static memmgr_pool *const pool = &memory.pool;
static spec_map spec;  // what the pool is to look like
static uint32_t count; // its granules

static struct {
    unsigned count;
    const void *to, *from;
    size_t size;
} filled, copied;
static bool noting, making; // the pool is made; is being made by memmgr_pool_init
static size_t cleared;      // bytes behind the segment's header that it made zero

// The pool that memmgr_pool_init is to make: where it says, and so CBMC need not find that out.
static memmgr_pool *pool_at(const void *at) {
    PROVE(at == (const void *)pool);
    return pool;
}

void *__builtin_return_address(unsigned level) { return (void)level, (void *)0; }

static void *note_fill(void *to, int value, size_t size) {
    if (making && __CPROVER_same_object(to, &memory)) { // the map
        PROVE((uintptr_t)to == (uintptr_t)&memory + FRONT && value == 0 && cleared == 0);
        cleared = size;
        for (unsigned entry = 0; entry <= ENTRIES; entry++)
            if ((entry + 1) * sizeof(mmi_entry) <= size)
                proof_map[entry].start = proof_map[entry].used = 0;
        return to;
    }
    if (!noting || !__CPROVER_same_object(to, &memory)) return memset(to, value, size);
    PROVE(value == 0);
    filled.count++;
    filled.to = to;
    filled.size = size;
    return to;
}

static void *note_copy(void *to, const void *from, size_t size) {
    if (making && __CPROVER_same_object(to, &memory)) {
        PROVE(to == (void *)&memory.segment || to == (void *)&memory.pool);
        PROVE(size == (to == (void *)pool ? sizeof(memmgr_pool) : sizeof(mmi_segment)));
        if (to == (void *)&memory.segment)
            memory.segment = *(const mmi_segment *)from;
        else
            memory.pool = *(const memmgr_pool *)from;
        return to;
    }
    if (!noting || !__CPROVER_same_object(to, &memory)) return memcpy(to, from, size);
    copied.count++;
    copied.to = to;
    copied.from = from;
    copied.size = size;
    return to;
}

static struct {
    unsigned count;
    memmgr_error error;
    const void *pointer;
} reported;

static void on_report(const memmgr_report *report, void *ctx) {
    (void)ctx;
    reported.count++;
    reported.error = report->error;
    reported.pointer = report->pointer;
}

// --- the states

static size_t front = FRONT + LISTS + MAP_BYTES;

static uintptr_t granule_address(uint32_t granule) {
    return (uintptr_t)&memory + front + (uintptr_t)granule * 16;
}

// A pool of a number of granules, with all but its map. What is symbolic in a small pool CBMC is
// told twice: a constant, and that it is what memmgr.h makes of it.
static void begin(void) {
    memmgr_set_error_handler(on_report, NULL);
    PROVE(mmi_pool_first(pool) == &memory.segment);
    count = GRANULES_WANTED;
#ifdef MEMMGR_SMALL
    count = nondet_u32();
    ASSUME(count > (ENTRIES - 1) * BITS && count <= GRANULES_WANTED);
#endif
    (void)mmi_pool_desc_with_defaults(NULL, &pool->desc);
    pool->segment_count = 1;
    pool->capacity = HEADERS + LISTS + MAP_BYTES + count * 16;
    mmi_pool_set_magic(pool);
    (void)mmi_segment_lay_out(&memory.segment, count, 0);
    memory.segment.size = pool->capacity - ((uintptr_t)&memory.segment - (uintptr_t)pool);
#ifdef MEMMGR_SMALL
    pool->desc.fit = (memmgr_fit)(nondet_u32() % 3);
    PROVE(memory.segment.entry_count == ENTRIES);
    PROVE((uintptr_t)mmi_segment_granules(&memory.segment) == granule_address(0));
    memory.segment.entry_count = ENTRIES;
    memory.segment.granules_offset = granule_address(0) - (uintptr_t)&memory.segment;
#endif
#ifdef ANY_PLACE
    uint32_t further = nondet_u32();
    ASSUME(further < 64); // so that a buffer aligned to 1 KiB is as good as one aligned to 16
    front += further * 16;
    memory.segment.granules_offset += further * 16;
#endif
    PROVE((uintptr_t)mmi_segment_granules(&memory.segment) == granule_address(0));
    noting = true;
}

#ifdef MEMMGR_SMALL
// What memmgr_pool_init makes of any buffer, aligned or not, with room for so many granules.
static void begin_by_init(void) {
    unsigned skip = nondet_u32();
    size_t size = nondet_size(), most = HEADERS + MAP_BYTES + GRANULES_WANTED * 16;
    memmgr_pool_desc desc = {
        NULL, (memmgr_fit)(nondet_u32() % 3), NULL, NULL, 0, 0, {NULL, NULL, NULL}};
    memmgr_set_error_handler(on_report, NULL);
    ASSUME(skip < 16 && size >= skip && size - skip < most + 16);
    making = true;
    memmgr_pool *made = memmgr_pool_init((char *)pool - skip, size, &desc);
    making = false;
    noting = true;
    size_t room = size - skip;
    PROVE((made == NULL) == (room < HEADERS + MAP_BYTES + 16));
    PROVE(made == NULL || made == pool);
    ASSUME(made);
    count = (uint32_t)((room - HEADERS - MAP_BYTES) / 16);
    PROVE(memory.segment.granule_count == count && memory.segment.entry_count == ENTRIES);
    PROVE((uintptr_t)&memory.segment + memory.segment.map_offset == (uintptr_t)&memory + FRONT);
    PROVE((uintptr_t)mmi_segment_granules(&memory.segment) == granule_address(0));
    PROVE(cleared == MAP_BYTES && pool->capacity == size && pool->segment_count == 1);
    PROVE(memory.segment.size == room - ((uintptr_t)&memory.segment - (uintptr_t)pool));
    PROVE(!pool->segments && !pool->recent && pool->desc.fit == desc.fit && pool->desc.flags == 0);
    PROVE(pool->used == 0 && pool->peak_used == 0 && pool->allocations == 0 && pool->frees == 0);
    PROVE(pool->failures == 0 && pool->misuses == 0);
}
#endif

static size_t spec_count(const mmi_word *words) {
    size_t bits = 0;
    for (unsigned entry = 0; entry < ENTRIES; entry++)
        bits += (size_t)__builtin_popcountll(words[entry] & spec_span(entry, 0, count));
    return bits;
}

static size_t spec_live_blocks(void) { return spec_count(spec.start); }
static size_t spec_used_bytes(void) { return spec_count(spec.used) * 16; }

static void begin_anywhere(void) {
    begin();
    spec = spec_any(count, false);
    spec_pack(&spec, proof_map);
#ifndef MEMMGR_SMALL
    uint32_t longest;
    spec_longest(&spec, &longest);
    proof_index[0] = (uint8_t)mmi_index_code(longest);
#endif
    pool->used = spec_used_bytes();
    pool->peak_used = nondet_size();
    pool->frees = nondet_size();
    ASSUME(pool->peak_used >= pool->used && pool->peak_used <= count * 16);
    ASSUME(pool->frees <= SIZE_MAX / 2);
    pool->allocations = pool->frees + spec_live_blocks();
}

#ifdef MEMMGR_SMALL
// A pool that was just made has one run.
static void begin_empty(void) {
    begin_by_init();
    spec.start[ENTRIES] = 1;
    spec.used[ENTRIES] = ONES;
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        spec.start[entry] = count / BITS == entry ? (mmi_word)1 << count % BITS : 0;
        spec.used[entry] = count / BITS == entry ? ONES << count % BITS : 0;
    }
}
#endif

// Is the pool just what the specification says? used + free == capacity, and all that is free and
// touches is one run: that is what the map and the index say.
static void check(void) {
    PROVE(spec_is(&spec, proof_map));
    PROVE(spec_index_is(&spec, proof_index));
    PROVE(memory.segment.granule_count == count);
#ifndef MEMMGR_SMALL
    PROVE(memory.segment.last_merged == 0);
#endif
    PROVE(pool->used == spec_used_bytes() && pool->used <= pool->peak_used);
    PROVE(pool->allocations - pool->frees == spec_live_blocks());
    PROVE(memmgr_pool_bytes_used(pool) + memmgr_pool_bytes_free(pool) == count * 16);
}

// --- one call each

static size_t granules_for(size_t size) { return size == 0 ? 1 : size / 16 + (size % 16 != 0); }

// Is there a place for a block? By trying them all.
static bool spec_has_room(size_t length, size_t alignment) {
    bool has = false;
    for (uint32_t at = 0; at < count; at++) {
        bool fits = length <= count - at;
        fits = fits && spec_all_free(&spec, at, at + (uint32_t)length);
        has = has || (fits && (granule_address(at) & (alignment - 1)) == 0);
    }
    return has;
}

// A fresh block is where nothing was, and aligned.
static uint32_t check_fresh(const void *block, size_t length) {
    uintptr_t offset = (uintptr_t)block - granule_address(0);
    PROVE(offset % 16 == 0 && offset / 16 < count);
    uint32_t at = (uint32_t)(offset / 16);
    PROVE(length <= count - at);
    PROVE(spec_all_free(&spec, at, at + (uint32_t)length));
    spec_set(&spec, at, at + (uint32_t)length, true);
    return at;
}

static void check_failed(size_t failures, size_t length, size_t alignment) {
    PROVE(pool->failures == failures + 1);
    PROVE(!spec_has_room(length, alignment));
}

static void call_alloc(void) {
    size_t size = nondet_size(), length = granules_for(size), failures = pool->failures;
    void *block = memmgr_pool_alloc(pool, size);
    if (block)
        (void)check_fresh(block, length);
    else
        check_failed(failures, length, 1);
    PROVE(filled.count == 0 && copied.count == 0 && reported.count == 0);
}

static void call_aligned_alloc(void) {
    size_t alignment = nondet_size(), size = nondet_size(), failures = pool->failures;
    bool power = alignment != 0 && (alignment & (alignment - 1)) == 0;
    void *block = memmgr_pool_aligned_alloc(pool, alignment, size);
    if (block) {
        PROVE(power && ((uintptr_t)block & (alignment - 1)) == 0);
        (void)check_fresh(block, granules_for(size));
    }
    PROVE(reported.count == !power);
    PROVE(power || (!block && reported.error == MEMMGR_BAD_ARGUMENT));
    if (!block && power) check_failed(failures, granules_for(size), alignment);
    PROVE(block || power || pool->failures == failures);
    PROVE(filled.count == 0 && copied.count == 0);
}

// The factor is at most 255, so that the product is one that a solver can follow: see
// wraps_product.
static void call_calloc(void) {
    size_t items = nondet_size(), size = nondet_byte(), failures = pool->failures;
    bool fits = ((size_t)-1 >> 8) >= items; // else no product that is not 0 fits into the buffer
    size_t bytes = fits ? items * size : SIZE_MAX;
    ASSUME(fits || size != 0);
    void *block = memmgr_pool_calloc(pool, items, size);
    if (block) {
        (void)check_fresh(block, granules_for(bytes));
        PROVE(filled.count == 1 && filled.to == block);
        PROVE(filled.size == granules_for(bytes) * 16);
    } else {
        check_failed(failures, granules_for(bytes), 1);
        PROVE(filled.count == 0);
    }
    PROVE(copied.count == 0 && reported.count == 0);
}

// What the manual says of a pointer.
static memmgr_error spec_error(uintptr_t address) {
    uintptr_t offset = address - granule_address(0);
    if (offset >= count * 16) return MEMMGR_FOREIGN_POINTER;
    if (offset % 16 != 0) return MEMMGR_INTERIOR_POINTER;
    uint32_t granule = (uint32_t)(offset / 16);
    if (spec_free(&spec, granule)) return MEMMGR_DOUBLE_FREE;
    return spec_start(&spec, granule) ? MEMMGR_OK : MEMMGR_INTERIOR_POINTER;
}

// Any address at all: near the buffer, far from it, NULL.
static void *any_pointer(void) { return (void *)((uintptr_t)&memory + nondet_size()); }

static uint32_t granule_of(const void *pointer) {
    return (uint32_t)(((uintptr_t)pointer - granule_address(0)) / 16);
}

static uint32_t spec_end(uint32_t block) {
    uint32_t end = nondet_u32();
    ASSUME(end <= count && spec_is_block(&spec, block, end));
    return end;
}

static void check_reported(memmgr_error error, const void *pointer, size_t misuses) {
    PROVE(reported.count == (error != MEMMGR_OK) && pool->misuses == misuses + reported.count);
    PROVE(reported.count == 0 || (reported.error == error && reported.pointer == pointer));
}

static void call_free(void) {
    void *pointer = any_pointer();
    size_t misuses = pool->misuses;
    memmgr_error error = pointer ? spec_error((uintptr_t)pointer) : MEMMGR_OK;
    PROVE(memmgr_pool_free(pool, pointer) == error);
    check_reported(error, pointer, misuses);
    if (pointer && error == MEMMGR_OK) {
        uint32_t at = granule_of(pointer);
        spec_set(&spec, at, spec_end(at), false);
    }
    PROVE(filled.count == 0 && copied.count == 0);
}

static void call_sizes(void) {
    void *pointer = any_pointer();
    size_t misuses = pool->misuses;
    memmgr_error error = pointer ? spec_error((uintptr_t)pointer) : MEMMGR_OK;
    PROVE(memmgr_pool_owns(pool, pointer) == (pointer && error == MEMMGR_OK));
    PROVE(reported.count == 0);
    size_t size = memmgr_pool_usable_size(pool, pointer), expected = 0;
    check_reported(error, pointer, misuses);
    if (pointer && error == MEMMGR_OK) {
        uint32_t at = granule_of(pointer);
        expected = (size_t)(spec_end(at) - at) * 16;
    }
    PROVE(size == expected);
    PROVE(filled.count == 0 && copied.count == 0);
}

// A block that was resized: it lies where it lay, or elsewhere, and its bytes were taken along.
static void check_resized(uint32_t at, uint32_t end, const void *block, size_t length) {
    if ((uintptr_t)block == granule_address(at)) {
        PROVE(copied.count == 0 && length <= count - at);
        spec_set(&spec, at, end, false);
        PROVE(spec_all_free(&spec, at, at + (uint32_t)length));
        spec_set(&spec, at, at + (uint32_t)length, true);
        return;
    }
    (void)check_fresh(block, length);
    PROVE(copied.count == 1 && copied.to == block && copied.size == (size_t)(end - at) * 16);
    PROVE((uintptr_t)copied.from == granule_address(at) && length >= end - at);
    spec_set(&spec, at, end, false);
}

static void call_realloc(void) {
    void *pointer = any_pointer();
    size_t size = nondet_size(), length = granules_for(size), misuses = pool->misuses;
    size_t failures = pool->failures;
    memmgr_error error = pointer ? spec_error((uintptr_t)pointer) : MEMMGR_OK;
    ASSUME(pointer); // else it is an alloc
    void *block = memmgr_pool_realloc(pool, pointer, size);
    check_reported(error, pointer, misuses);
    PROVE(error == MEMMGR_OK || !block);
    if (error == MEMMGR_OK && block) {
        uint32_t at = granule_of(pointer);
        check_resized(at, spec_end(at), block, length);
    } else if (error == MEMMGR_OK) {
        check_failed(failures, length, 1);
    }
    PROVE(filled.count == 0 && (block || copied.count == 0));
}

static void call_reset(void) {
    size_t allocations = pool->allocations;
    making = true;
    memmgr_pool_reset(pool);
    making = false;
    PROVE(cleared == MAP_BYTES);
    PROVE(pool->allocations == allocations && pool->used == 0);
    spec_set(&spec, 0, count, false);
    PROVE(copied.count == 0 && reported.count == 0);
}

// --- the proofs

#define FROM_ANYWHERE(call)                                                                        \
    do {                                                                                           \
        begin_anywhere();                                                                          \
        call();                                                                                    \
        check();                                                                                   \
        REACHED();                                                                                 \
    } while (0)

void pool_allocs(void) { FROM_ANYWHERE(call_alloc); }
void pool_aligned_allocs(void) { FROM_ANYWHERE(call_aligned_alloc); }
void pool_callocs(void) { FROM_ANYWHERE(call_calloc); }
void pool_frees(void) { FROM_ANYWHERE(call_free); }
void pool_sizes(void) { FROM_ANYWHERE(call_sizes); }
void pool_reallocs(void) { FROM_ANYWHERE(call_realloc); }

void pool_resets(void) { FROM_ANYWHERE(call_reset); }

#ifdef MEMMGR_SMALL
// Whatever stands in the map of one entry: memmgr_pool_check says that all is in order just when it
// is, and never leaves the map.
void pool_checks(void) {
    begin_anywhere();
    if (nondet_bool())
        for (unsigned entry = 0; entry <= 1; entry++) {
            proof_map[entry].start = (mmi_word)nondet_u64();
            proof_map[entry].used = (mmi_word)nondet_u64();
        }
    mmi_word start = proof_map[0].start, used = proof_map[0].used;
    mmi_word within = ((mmi_word)1 << count) - 1;
    bool valid = proof_map[1].start == 1 && proof_map[1].used == ONES;
    valid = valid && start >> count == 1 && used >> count == ONES >> count;
    valid = valid && (start & ~used) == 0 && (used & ~start & ~(used << 1)) == 0;
    valid = valid && (size_t)__builtin_popcountll(used & within) * 16 == pool->used;
    valid =
        valid && (size_t)__builtin_popcountll(start & within) == pool->allocations - pool->frees;
    PROVE(memmgr_pool_check(pool) == (valid ? MEMMGR_OK : MEMMGR_CORRUPT));
    REACHED();
}
#endif

#ifdef MEMMGR_SMALL
// What memmgr_pool_init makes is a state in order.
void pool_begins(void) {
    begin_empty();
    check();
    REACHED();
}

// From what memmgr_pool_init makes, CALLS calls in any order.
void pool_sequence(void) {
    begin_empty();
    for (unsigned i = 0; i < CALLS; i++) {
        unsigned which = nondet_u32();
        reported.count = filled.count = copied.count = 0;
        if (which == 0)
            call_alloc();
        else if (which == 1)
            call_free();
        else
            call_realloc();
        check();
    }
    REACHED();
}
#endif
