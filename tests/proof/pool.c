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
#define ENTRIES 1
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
#include "proof.h"
void *memset(void *, int, size_t);
void *memcpy(void *, const void *, size_t);

// A pool without its granules: they are addresses behind the map, and nothing may touch them.
static struct {
    memmgr_pool pool;
    _Alignas(16) mmi_segment segment;
} memory;

static memmgr_pool *const pool = &memory.pool;
static spec_map spec; // what the pool is to look like

static struct {
    unsigned count;
    const void *to, *from;
    size_t size;
} filled, copied;
static bool noting; // the pool is made

void *__builtin_return_address(unsigned level) { return (void)level, (void *)0; }

static void *note_fill(void *to, int value, size_t size) {
    if (!noting || !__CPROVER_same_object(to, &memory)) return memset(to, value, size);
    PROVE(value == 0);
    filled.count++;
    filled.to = to;
    filled.size = size;
    return to;
}

static void *note_copy(void *to, const void *from, size_t size) {
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

static uintptr_t granule_address(uint32_t granule) {
    uintptr_t front = (sizeof memory + 15) / 16 * 16 + 64 + (ENTRIES + 1) * 16;
    return (uintptr_t)&memory + front + (uintptr_t)granule * 16;
}

static void begin(void) {
    memmgr_set_error_handler(on_report, NULL);
    PROVE(mmi_pool_first(pool) == &memory.segment);
    (void)mmi_pool_desc_with_defaults(NULL, &pool->desc);
    pool->segment_count = 1;
    pool->capacity = sizeof memory + 64 + (ENTRIES + 1 + GRANULES_WANTED) * 16;
    mmi_pool_set_magic(pool);
    (void)mmi_segment_lay_out(&memory.segment, GRANULES_WANTED, 0);
    memory.segment.size = pool->capacity - sizeof(memmgr_pool);
    PROVE((uintptr_t)mmi_segment_granules(&memory.segment) == granule_address(0));
    noting = true;
}

static size_t spec_live_blocks(void) {
    return (size_t)__builtin_popcountll(spec.start[0] & spec_span(0, 0, GRANULES_WANTED));
}

static size_t spec_used_bytes(void) {
    return (size_t)__builtin_popcountll(spec.used[0] & spec_span(0, 0, GRANULES_WANTED)) * 16;
}

static void begin_anywhere(void) {
    uint32_t longest;
    begin();
    spec = spec_any(GRANULES_WANTED, false);
    spec_pack(&spec, proof_map);
    spec_longest(&spec, &longest);
    proof_index[0] = (uint8_t)mmi_index_code(longest);
    pool->used = spec_used_bytes();
    pool->peak_used = nondet_size();
    pool->frees = nondet_size();
    ASSUME(pool->peak_used >= pool->used && pool->peak_used <= GRANULES_WANTED * 16);
    ASSUME(pool->frees <= SIZE_MAX / 2);
    pool->allocations = pool->frees + spec_live_blocks();
}

static void begin_empty(void) {
    begin();
    mmi_map_mark_span(proof_map, 0, GRANULES_WANTED, true);
    spec.start[0] = proof_map[0].start = (uint64_t)1 << GRANULES_WANTED;
    spec.used[0] = proof_map[0].used = UINT64_MAX << GRANULES_WANTED;
    spec.start[1] = proof_map[1].start = 1;
    spec.used[1] = proof_map[1].used = UINT64_MAX;
    proof_index[0] = (uint8_t)mmi_index_code(GRANULES_WANTED);
}

// Is the pool just what the specification says? used + free == capacity, and all that is free and
// touches is one run: that is what the map and the index say.
static void check(void) {
    PROVE(spec_is(&spec, proof_map));
    PROVE(spec_index_is(&spec, proof_index));
    PROVE(memory.segment.last_merged == 0 && memory.segment.granule_count == GRANULES_WANTED);
    PROVE(pool->used == spec_used_bytes() && pool->used <= pool->peak_used);
    PROVE(pool->allocations - pool->frees == spec_live_blocks());
    PROVE(memmgr_pool_bytes_used(pool) + memmgr_pool_bytes_free(pool) == GRANULES_WANTED * 16);
}

// --- one call each

static size_t granules_for(size_t size) { return size == 0 ? 1 : size / 16 + (size % 16 != 0); }

static uint32_t spec_longest_run(void) {
    uint32_t longest;
    spec_longest(&spec, &longest);
    return longest;
}

// A fresh block is where nothing was, and aligned.
static uint32_t check_fresh(const void *block, size_t length) {
    uintptr_t offset = (uintptr_t)block - granule_address(0);
    PROVE(offset % 16 == 0 && offset / 16 < GRANULES_WANTED);
    uint32_t at = (uint32_t)(offset / 16);
    PROVE(length <= GRANULES_WANTED - at);
    PROVE(spec_all_free(&spec, at, at + (uint32_t)length));
    spec_set(&spec, at, at + (uint32_t)length, true);
    return at;
}

static void check_failed(size_t failures, size_t length) {
    PROVE(pool->failures == failures + 1);
    PROVE(spec_longest_run() < length);
}

static void call_alloc(void) {
    size_t size = nondet_size(), length = granules_for(size), failures = pool->failures;
    void *block = memmgr_pool_alloc(pool, size);
    if (block)
        (void)check_fresh(block, length);
    else
        check_failed(failures, length);
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
    PROVE(block || !power || pool->failures == failures + 1);
    PROVE(filled.count == 0 && copied.count == 0);
}

// The factor is at most 255, so that the product is one that a solver can follow: see
// wraps_product.
static void call_calloc(void) {
    size_t count = nondet_size(), size = nondet_byte(), failures = pool->failures;
    bool fits = ((size_t)-1 >> 8) >= count; // else no product that is not 0 fits into the buffer
    size_t bytes = fits ? count * size : SIZE_MAX;
    ASSUME(fits || size != 0);
    void *block = memmgr_pool_calloc(pool, count, size);
    if (block) {
        (void)check_fresh(block, granules_for(bytes));
        PROVE(filled.count == 1 && filled.to == block);
        PROVE(filled.size == granules_for(bytes) * 16);
    } else {
        check_failed(failures, granules_for(bytes));
        PROVE(filled.count == 0);
    }
    PROVE(copied.count == 0 && reported.count == 0);
}

// What the manual says of a pointer.
static memmgr_error spec_error(uintptr_t address) {
    uintptr_t offset = address - granule_address(0);
    if (offset >= GRANULES_WANTED * 16) return MEMMGR_FOREIGN_POINTER;
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
    ASSUME(end <= GRANULES_WANTED && spec_is_block(&spec, block, end));
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
        PROVE(copied.count == 0 && length <= GRANULES_WANTED - at);
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
        check_failed(failures, length);
    }
    PROVE(filled.count == 0 && (block || copied.count == 0));
}

// --- the proofs

void pool_begins(void) {
    begin_empty();
    check();
    REACHED();
}

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
