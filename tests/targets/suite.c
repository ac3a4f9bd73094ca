// suite.c: the same tests for every target, from a processor of 8 bits to a server: random calls
// against a model, misuse at every byte, sizes and buffers at their limits, growth, general calls,
// threads, watched blocks. C99 and C++11, with the switch on. It needs nothing of its target but a
// print function. The last line printed is "N passed, N failed".
//
//   SUITE_POOL     bytes of the largest pool (default 65536)
//   SUITE_BLOCKS   blocks that the model follows (default 200)
//   SUITE_STEPS    random calls of each model (default 8000)
//   SUITE_EDGE     buffers of 0 to so many bytes are tried (default 700)
//   SUITE_SEED     of the random numbers (default 1)
//   SUITE_THREADS  threads (default 4, or 0 where there are none)
//   SUITE_GENERAL  bytes of the largest general block (default SUITE_POOL / 16)
//   SUITE_PRINT    name of a function void f(const char *) to print with, for targets without
//                  stdio, or where it is too large
//
// MEMMGR_LOCK is defined by the option SUITE_LOCK: as on a target whose locks memmgr does not know.
#ifdef SUITE_LOCK
static unsigned suite_locked, suite_lock_depth;
#define MEMMGR_LOCK() (suite_locked++, suite_lock_depth++)
#define MEMMGR_UNLOCK() (suite_lock_depth--)
#endif

#define MEMMGR_ASSERT(condition) ((condition) ? (void)0 : suite_broken(#condition, __LINE__))
static void suite_broken(const char *what, long line);

#define MEMMGR_IMPLEMENTATION
#include "../../memmgr.h"

#ifndef SUITE_POOL
#define SUITE_POOL 65536
#endif
#ifndef SUITE_BLOCKS
#define SUITE_BLOCKS 200
#endif
#ifndef SUITE_STEPS
#define SUITE_STEPS 8000
#endif
#ifndef SUITE_EDGE
#define SUITE_EDGE 700
#endif
#ifndef SUITE_SEED
#define SUITE_SEED 1
#endif
#ifndef SUITE_GENERAL
#define SUITE_GENERAL (SUITE_POOL / 16)
#endif
#ifndef SUITE_THREADS
#if defined(MEMMGR_NO_THREADS) || defined(MEMMGR_NO_OS) || defined(SUITE_LOCK)
#define SUITE_THREADS 0
#else
#define SUITE_THREADS 4
#endif
#endif
#ifdef MEMMGR_NO_WATCH
#define SUITE_WATCH 0
#else
#define SUITE_WATCH 1
#endif

#ifdef SUITE_PRINT
#ifdef __cplusplus
extern "C"
#endif
    void
    SUITE_PRINT(const char *text);
static void print(const char *text) { SUITE_PRINT(text); }
#else
#include <stdio.h>
static void print(const char *text) {
    fputs(text, stdout);
    fflush(stdout);
}
#endif

#if SUITE_THREADS > 0
#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#endif
#define SHARED_ADD(counter) ((void)__atomic_fetch_add(&(counter), 1, __ATOMIC_SEQ_CST))
#else
#define SHARED_ADD(counter) ((void)++(counter))
#endif

// --- Checks --------------------------------------------------------------------------------------

static unsigned long failures, passed_tests, failed_tests;

static void print_number(unsigned long number) {
    char digits[24];
    char *at = digits + sizeof digits;
    *--at = '\0';
    do
        *--at = (char)('0' + (int)(number % 10));
    while ((number /= 10) != 0);
    print(at);
}

static bool check_failed(const char *what, long line) {
    SHARED_ADD(failures);
    if (failures > 8) return false;
    print("    suite.c:");
    print_number((unsigned long)line);
    print(": ");
    print(what);
    print("\n");
    return false;
}

#define CHECK(condition) ((condition) ? true : check_failed(#condition, __LINE__))

// Nothing that the library does after a broken assertion is worth testing, but it must come to an
// end.
static void suite_broken(const char *what, long line) {
    if (failures == 0) print("    assertion of memmgr.h:\n");
    (void)check_failed(what, line);
}

static void run(const char *name, void (*test)(void)) {
    failures = 0;
    test();
    print(failures == 0 ? "  " : "  FAILED ");
    print(name);
    print("\n");
    if (failures == 0)
        passed_tests++;
    else
        failed_tests++;
}

// --- Reports -------------------------------------------------------------------------------------

static unsigned long report_count;
static memmgr_report report_last;
static bool report_is_shared; // other threads report, too: they are only counted

static void record_report(const memmgr_report *report, void *ctx) {
    (void)ctx;
    SHARED_ADD(report_count);
    if (!report_is_shared) report_last = *report;
}

// Was just this reported since the last question?
static bool reported(memmgr_error error) {
    bool as_expected = report_count == 1 && report_last.error == error;
    report_count = 0;
    return as_expected;
}

static bool silent(void) {
    bool none = report_count == 0;
    report_count = 0;
    return none;
}

// --- Memory --------------------------------------------------------------------------------------

enum { CANARY = 32, CANARY_BYTE = 0x5A };

static unsigned char memory[SUITE_POOL + 2 * CANARY + 16];
static unsigned char *const arena = memory + CANARY; // SUITE_POOL bytes and 16 from here on

static void fill(unsigned char *at, size_t size, unsigned char value) {
    for (size_t i = 0; i < size; i++)
        at[i] = value;
}

static bool is_filled(const unsigned char *at, size_t size, unsigned char value) {
    for (size_t i = 0; i < size; i++)
        if (at[i] != value) return false;
    return true;
}

static void canaries_place(size_t offset, size_t size) {
    fill(arena + offset - CANARY, CANARY, CANARY_BYTE);
    fill(arena + offset + size, CANARY, CANARY_BYTE);
}

static bool canaries_hold(size_t offset, size_t size) {
    return is_filled(arena + offset - CANARY, CANARY, CANARY_BYTE) &&
           is_filled(arena + offset + size, CANARY, CANARY_BYTE);
}

// A pointer, and a size, that no compiler reasons about.
static unsigned char *opaque(const void *pointer) {
    const void *volatile hidden = pointer;
    return (unsigned char *)(uintptr_t)hidden;
}

static size_t opaque_size(size_t size) {
    volatile size_t hidden = size;
    return hidden;
}

static memmgr_pool_desc desc_of(memmgr_fit fit, unsigned flags) {
    memmgr_pool_desc desc;
    fill((unsigned char *)&desc, sizeof desc, 0);
    desc.fit = fit;
    desc.flags = flags;
    return desc;
}

// Takes the largest.
static bool choose_worst(const memmgr_block *candidate, const memmgr_block *best, size_t size,
                         void *ctx) {
    (void)size, (void)ctx;
    return !best || candidate->size > best->size;
}

// --- The model -----------------------------------------------------------------------------------

typedef struct {
    unsigned char *at;
    size_t size;
    unsigned char tag;
} held;

// What the pool, or the general calls, must have: `count` blocks with their contents.
typedef struct {
    memmgr_pool *pool; // NULL: the general calls
    size_t largest;    // size that is asked for
    uint32_t random;
    unsigned count;
    unsigned long misuses, refused;
    bool shared; // with other threads: reports cannot be told apart
    bool roomy;  // nothing is to be refused
    bool grows;  // memory that is free may be nobody's by now
    held block[SUITE_BLOCKS];
} model;

static model models[SUITE_THREADS > 0 ? SUITE_THREADS : 1];

static model *model_new(memmgr_pool *pool, size_t largest, size_t number) {
    model *m = &models[number];
    fill((unsigned char *)m, sizeof *m, 0);
    m->pool = pool;
    m->largest = largest;
    m->random = (uint32_t)SUITE_SEED * 2654435761u + (uint32_t)number * 40503u + 12345u;
    if (m->random == 0) m->random = 1;
    return m;
}

// Below `limit`; 0 for 0. xorshift32, whose low bits are the weakest.
static size_t below(model *m, size_t limit) {
    uint32_t x = m->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    m->random = x;
    return limit == 0 ? 0 : (size_t)((x >> 3) % limit);
}

static size_t any_size(model *m) {
    size_t top = 16;
    unsigned doublings = 1;
    while (top < m->largest / 2)
        top *= 2, doublings++;
    size_t size = (size_t)16 << below(m, doublings);
    switch (below(m, 8)) {
    case 0:
        return below(m, 17);
    case 1:
        return size - 1;
    case 2:
        return size;
    default:
        size += below(m, size);
        return size > m->largest ? m->largest : size;
    }
}

static void block_mark(held *block, unsigned char tag) {
    block->tag = tag;
    for (size_t i = 0; i < block->size; i++)
        block->at[i] = (unsigned char)(tag + i * 7 + (i >> 8) * 11);
}

static bool block_is_marked(const held *block, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (block->at[i] != (unsigned char)(block->tag + i * 7 + (i >> 8) * 11)) return false;
    return true;
}

static memmgr_error model_free(model *m, void *ptr) {
    if (m->pool) return memmgr_pool_free(m->pool, ptr);
    memmgr_free(ptr);
    return MEMMGR_OK;
}

static void *model_realloc(model *m, void *ptr, size_t size) {
    return m->pool ? memmgr_pool_realloc(m->pool, ptr, size) : memmgr_realloc(ptr, size);
}

static size_t model_usable(model *m, const void *ptr) {
    return m->pool ? memmgr_pool_usable_size(m->pool, ptr) : memmgr_usable_size(ptr);
}

// A block that has just come: aligned, long enough, and apart from all the others.
static void model_add(model *m, unsigned char *at, size_t size, size_t alignment) {
    size_t usable = model_usable(m, at);
    CHECK(usable >= size);
    CHECK(((uintptr_t)at & (alignment - 1)) == 0);
    for (unsigned i = 0; i < m->count; i++) {
        const held *other = &m->block[i];
        CHECK(at + usable <= other->at || other->at + other->size <= at);
    }
    held *block = &m->block[m->count++];
    block->at = at;
    block->size = size;
    block_mark(block, (unsigned char)below(m, 256));
}

static void model_take(model *m) {
    size_t size = any_size(m), alignment = 16, parts = 1 + below(m, 4);
    size_t kind = below(m, 8);
    unsigned char *at;
    if (kind == 0) {
        size = size / parts * parts;
        at = (unsigned char *)(m->pool ? memmgr_pool_calloc(m->pool, parts, size / parts)
                                       : memmgr_calloc(parts, size / parts));
        if (at) CHECK(is_filled(at, size, 0));
    } else if (kind == 1) {
        alignment = (size_t)1 << below(m, 9);
        at = (unsigned char *)(m->pool ? memmgr_pool_aligned_alloc(m->pool, alignment, size)
                                       : memmgr_aligned_alloc(alignment, size));
        if (alignment < 16) alignment = 16;
    } else {
        at = (unsigned char *)(m->pool ? memmgr_pool_alloc(m->pool, size) : memmgr_malloc(size));
    }
    if (at) {
        model_add(m, at, size, alignment);
        return;
    }
    m->refused++;
    CHECK(!m->roomy);
    if (m->pool && alignment == 16 && !m->shared)
        CHECK(memmgr_pool_largest_free(m->pool) < size + (size == 0));
}

static void model_drop(model *m) {
    if (m->count == 0) return;
    held *block = &m->block[below(m, m->count)];
    CHECK(block_is_marked(block, block->size));
    CHECK(model_free(m, block->at) == MEMMGR_OK);
    *block = m->block[--m->count];
}

static void model_resize(model *m) {
    if (m->count == 0) return;
    held *block = &m->block[below(m, m->count)];
    size_t size = any_size(m);
    if (size == 0 && !m->pool) size = 1; // for which C libraries differ
    unsigned char *at = (unsigned char *)model_realloc(m, block->at, size);
    if (!at) {
        m->refused++;
        CHECK(!m->roomy && size > block->size);
        CHECK(block_is_marked(block, block->size));
        return;
    }
    held was = *block;
    was.at = at;
    CHECK(block_is_marked(&was, was.size < size ? was.size : size));
    *block = m->block[--m->count];
    model_add(m, at, size, 16);
}

// Through every call that takes a block: the same answer, one report each.
static void misuse(model *m, unsigned char *ptr, memmgr_error error) {
    m->misuses += 3;
    memmgr_error found = model_free(m, ptr);
    if (m->grows && error == MEMMGR_DOUBLE_FREE && found == MEMMGR_FOREIGN_POINTER) error = found;
    CHECK(!m->pool || found == error);
    CHECK(m->shared || reported(error));
    CHECK(model_realloc(m, ptr, 20) == NULL);
    CHECK(m->shared || reported(error));
    CHECK(model_usable(m, ptr) == 0);
    CHECK(m->shared || (reported(error) && report_last.pointer == ptr));
    if (m->pool) CHECK(!memmgr_pool_owns(m->pool, ptr));
}

static void model_misuse(model *m) {
    static unsigned char foreign;
    if (below(m, 4) == 0) misuse(m, opaque(&foreign), MEMMGR_FOREIGN_POINTER);
    if (m->count == 0) return;
    size_t number = below(m, m->count);
    held *block = &m->block[number];
    size_t usable = model_usable(m, block->at);
    misuse(m, opaque(block->at) + 1 + below(m, usable - 1), MEMMGR_INTERIOR_POINTER);
    CHECK(block_is_marked(block, block->size));
    // Another thread may have the block by the time of a second free.
    if (m->shared || usable > 4096) return;
    unsigned char *at = opaque(block->at);
    CHECK(model_free(m, at) == MEMMGR_OK);
    *block = m->block[--m->count];
    misuse(m, at, MEMMGR_DOUBLE_FREE);
}

static void model_step(model *m, size_t step) {
    size_t kind = below(m, 16);
    size_t takes = (step / SUITE_BLOCKS) % 3 == 1 ? 3 : 8; // fills up, then empties
    if (kind < takes && m->count < SUITE_BLOCKS)
        model_take(m);
    else if (kind < 11)
        model_drop(m);
    else if (kind < 14)
        model_resize(m);
    else
        model_misuse(m);
}

// --- Audits --------------------------------------------------------------------------------------

typedef struct {
    const unsigned char *end; // of the block before
    size_t live, live_bytes, free_bytes;
    bool ordered;
} tally;

static bool count_block(const memmgr_block *block, void *ctx) {
    tally *sum = (tally *)ctx;
    const unsigned char *at = (const unsigned char *)block->address;
    if (sum->end && at < sum->end) sum->ordered = false;
    sum->end = at + block->size;
    if (block->live)
        sum->live++, sum->live_bytes += block->size;
    else
        sum->free_bytes += block->size;
    return true;
}

// The walk, the statistics, the audit and the model tell the same story.
static void audit(const memmgr_pool *pool, size_t live) {
    tally sum = {NULL, 0, 0, 0, true};
    memmgr_stats stats;
    CHECK(memmgr_pool_check(pool) == MEMMGR_OK);
    CHECK(memmgr_pool_walk(pool, count_block, &sum));
    memmgr_pool_stats(pool, &stats);
    CHECK(sum.ordered);
    CHECK(sum.live == live && stats.live_blocks == live);
    CHECK(sum.live_bytes == stats.used && sum.free_bytes == stats.free);
    CHECK(stats.used + stats.free + stats.overhead == stats.capacity);
    CHECK(stats.allocations - stats.frees == live);
    CHECK(stats.largest_free <= stats.free && stats.used <= stats.peak_used);
    CHECK(memmgr_pool_largest_free(pool) == stats.largest_free);
    CHECK(memmgr_pool_bytes_used(pool) == stats.used && memmgr_pool_bytes_free(pool) == stats.free);
    CHECK(stats.fragmentation <= 100);
}

static void model_audit(const model *m) {
    audit(m->pool, m->count);
    for (unsigned i = 0; i < m->count; i++) {
        CHECK(block_is_marked(&m->block[i], m->block[i].size));
        CHECK(memmgr_pool_owns(m->pool, m->block[i].at));
    }
    CHECK(silent());
}

// Random calls, audited all along, in a pool; it is empty in the end.
static void model_run(model *m, size_t steps) {
    size_t every = steps / 64 + 1;
    for (size_t step = 0; step < steps && failures == 0; step++) {
        model_step(m, step);
        if (m->pool && !m->shared && step % every == 0) model_audit(m);
    }
    while (m->count > 0 && failures == 0)
        model_drop(m);
}

// --- Pools ---------------------------------------------------------------------------------------

// A run of the model in a buffer `offset` bytes into the arena; refusals are no failure there.
static void pool_model(memmgr_fit fit, unsigned flags, size_t offset, size_t size) {
    memmgr_pool_desc desc = desc_of(fit, flags);
    memmgr_stats stats;
    if (fit == MEMMGR_FIT_CUSTOM) desc.choose = choose_worst;
    fill(arena + offset, size, 0xA7);
    canaries_place(offset, size);
    memmgr_pool *pool = memmgr_pool_init(arena + offset, size, &desc);
    if (!CHECK(pool != NULL)) return;
    size_t room = memmgr_pool_largest_free(pool);
    model *m = model_new(pool, room / 8, 0);
    model_run(m, fit == MEMMGR_FIT_GOOD ? SUITE_STEPS : SUITE_STEPS / 4);
    model_audit(m);
    memmgr_pool_stats(pool, &stats);
    CHECK(stats.misuses == m->misuses && stats.failures <= m->refused);
    CHECK(memmgr_pool_largest_free(pool) == room);
    CHECK(memmgr_pool_destroy(pool) == 0);
    CHECK(canaries_hold(offset, size) && silent());
}

static void test_pool_model(void) {
    pool_model(MEMMGR_FIT_GOOD, 0, 0, SUITE_POOL);
    pool_model(MEMMGR_FIT_GOOD, 0, 5, SUITE_POOL / 4 + 3);
}

static void test_pool_model_eager(void) {
    pool_model(MEMMGR_FIT_GOOD, MEMMGR_POOL_EAGER, 1, SUITE_POOL);
}

static void test_pool_strategies(void) {
    pool_model(MEMMGR_FIT_FIRST, 0, 3, SUITE_POOL / 2);
    pool_model(MEMMGR_FIT_BEST, 0, 8, SUITE_POOL / 2);
    pool_model(MEMMGR_FIT_CUSTOM, 0, 15, SUITE_POOL / 2);
}

static void test_pool_locked(void) {
    pool_model(MEMMGR_FIT_GOOD, MEMMGR_POOL_LOCKED, 0, SUITE_POOL / 2);
#ifdef SUITE_LOCK
    CHECK(suite_locked > 0 && suite_lock_depth == 0);
#endif
}

// First fit takes the lowest hole, best fit the smallest.
static void test_pool_strategy_places(void) {
    for (int best = 0; best < 2; best++) {
        memmgr_pool_desc desc = desc_of(best ? MEMMGR_FIT_BEST : MEMMGR_FIT_FIRST, 0);
        memmgr_pool *pool = memmgr_pool_init(arena, SUITE_POOL / 2, &desc);
        void *block[6];
        for (int i = 0; i < 6; i++)
            block[i] = memmgr_pool_alloc(pool, i == 1 ? 160 : i == 3 ? 64 : 16);
        CHECK(block[5] != NULL);
        CHECK(memmgr_pool_free(pool, block[1]) == MEMMGR_OK);
        CHECK(memmgr_pool_free(pool, block[3]) == MEMMGR_OK);
        CHECK(memmgr_pool_alloc(pool, 60) == block[best ? 3 : 1]);
        CHECK(memmgr_pool_destroy(pool) == 5);
        CHECK(report_count > 0 && report_last.error == MEMMGR_LEAK);
        report_count = 0;
    }
}

// Every byte of the buffer, and some around it, as a pointer to free.
static memmgr_error expected_at(const unsigned char *at, const unsigned char *first, size_t count,
                                const unsigned char *map) {
    if (at < first || (size_t)(at - first) >= count * 16) return MEMMGR_FOREIGN_POINTER;
    size_t granule = (size_t)(at - first) / 16;
    bool starts = (size_t)(at - first) % 16 == 0;
    if (map[granule] == 0) return starts ? MEMMGR_DOUBLE_FREE : MEMMGR_INTERIOR_POINTER;
    return map[granule] == 2 && starts ? MEMMGR_OK : MEMMGR_INTERIOR_POINTER;
}

enum { SWEEP = SUITE_POOL < 8192 ? 2048 : 6000 };

typedef struct {
    const unsigned char *first;
    size_t count;                  // granules
    unsigned char map[SWEEP / 16]; // 0: free, 1: inside a block, 2: its start
} granules;

static granules seen;

static bool see_block(const memmgr_block *block, void *ctx) {
    granules *all = (granules *)ctx;
    const unsigned char *at = (const unsigned char *)block->address;
    if (all->count == 0) all->first = at;
    CHECK(at == all->first + all->count * 16 && block->size % 16 == 0);
    for (size_t i = 0; i < block->size / 16; i++)
        all->map[all->count++] = (unsigned char)(!block->live ? 0 : i == 0 ? 2 : 1);
    return true;
}

static void test_pool_misuse_everywhere(void) {
    static const unsigned short sizes[] = {16, 100, 1, 40, 256, 0, 33, 500};
    void *block[16];
    size_t live = 0;
    unsigned long misuses = 0;
    memmgr_stats stats;
    memmgr_pool *pool = memmgr_pool_init(arena + 3, SWEEP, NULL);
    if (!CHECK(pool != NULL)) return;
    for (size_t i = 0; i < 16; i++)
        block[i] = memmgr_pool_alloc(pool, sizes[i % 8]);
    for (size_t i = 0; i < 16; i++) {
        if (i % 3 == 0) live += block[i] ? 1u : 0u;
        if (i % 3 != 0) CHECK(memmgr_pool_free(pool, block[i]) == MEMMGR_OK);
    }
    seen.count = 0;
    CHECK(memmgr_pool_walk(pool, see_block, &seen));
    for (size_t i = 0; i < SWEEP + 2 * 16 && failures == 0; i++) {
        unsigned char *at = opaque(arena + 3 + i) - 16;
        memmgr_error expected = expected_at(at, seen.first, seen.count, seen.map);
        if (expected == MEMMGR_OK) continue;
        misuses++;
        CHECK(memmgr_pool_free(pool, at) == expected);
        CHECK(reported(expected) && report_last.pointer == at && report_last.pool == pool);
    }
    memmgr_pool_stats(pool, &stats);
    CHECK(stats.misuses == misuses && stats.live_blocks == live);
    audit(pool, live);
    memmgr_pool_reset(pool);
    CHECK(memmgr_pool_destroy(pool) == 0 && silent());
}

// Buffers of every small size, at every offset: no pool, or one that works, and keeps to itself.
static void test_pool_buffers(void) {
    size_t least = 0;
    for (size_t size = 0; size <= SUITE_EDGE && failures == 0; size++) {
        size_t offset = size % 16;
        canaries_place(offset, size);
        memmgr_pool *pool = memmgr_pool_init(arena + offset, size, NULL);
        if (pool && least == 0) least = size;
        if (pool) {
            size_t blocks = 0;
            unsigned char *block;
            while ((block = (unsigned char *)memmgr_pool_alloc(pool, 16)) != NULL) {
                fill(block, 16, 0xEE);
                blocks++;
            }
            CHECK(blocks > 0 && memmgr_pool_bytes_free(pool) == 0);
            audit(pool, blocks);
            memmgr_pool_reset(pool);
            CHECK(memmgr_pool_largest_free(pool) == blocks * 16);
            CHECK(memmgr_pool_destroy(pool) == 0);
        }
        CHECK(canaries_hold(offset, size) && silent());
    }
    CHECK(least == 0 || least >= 100);
    CHECK(memmgr_pool_init(NULL, 1000, NULL) == NULL && reported(MEMMGR_BAD_ARGUMENT));
}

// Sizes and alignments that nothing can satisfy, and those that no call accepts.
static void test_pool_limits(void) {
    static const size_t huge[] = {SIZE_MAX,     SIZE_MAX - 7,     SIZE_MAX - 15, SIZE_MAX - 16,
                                  SIZE_MAX / 2, SIZE_MAX / 2 + 1, SUITE_POOL};
    memmgr_pool *pool = memmgr_pool_init(arena, SUITE_POOL, NULL);
    if (!CHECK(pool != NULL)) return;
    unsigned char *block = (unsigned char *)memmgr_pool_alloc(pool, 1);
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        size_t size = opaque_size(huge[i]);
        CHECK(memmgr_pool_alloc(pool, size) == NULL &&
              memmgr_pool_realloc(pool, block, size) == NULL);
        CHECK(memmgr_pool_calloc(pool, 1, size) == NULL &&
              memmgr_pool_calloc(pool, size, 3) == NULL);
        CHECK(memmgr_pool_aligned_alloc(pool, 64, size) == NULL);
    }
    CHECK(memmgr_pool_calloc(pool, SIZE_MAX / 2, SIZE_MAX / 2) == NULL);
    CHECK(memmgr_pool_aligned_alloc(pool, SIZE_MAX / 2 + 1, 1) == NULL);
    CHECK(silent());
    for (size_t alignment = 0; alignment < 100; alignment++) {
        if (alignment != 0 && (alignment & (alignment - 1)) == 0) continue;
        CHECK(memmgr_pool_aligned_alloc(pool, alignment, 16) == NULL);
        CHECK(reported(MEMMGR_BAD_ARGUMENT));
    }
    CHECK(memmgr_pool_alloc(NULL, 16) == NULL && reported(MEMMGR_BAD_ARGUMENT));
    CHECK(memmgr_pool_free(pool, NULL) == MEMMGR_OK && memmgr_pool_usable_size(pool, NULL) == 0);
    void *empty = memmgr_pool_alloc(pool, 0), *another = memmgr_pool_calloc(pool, 0, 9);
    CHECK(empty && another && empty != another);
    audit(pool, 3);
    CHECK(memmgr_pool_size_for(0, 0) == 0 || memmgr_pool_size_for(0, 0) > 100);
    CHECK(memmgr_pool_size_for(SIZE_MAX, SIZE_MAX) == 0);
    memmgr_pool_reset(pool);
    audit(pool, 0);
    CHECK(memmgr_pool_destroy(pool) == 0 && silent());
}

// Full of the smallest blocks, emptied in several orders: all comes back, and merges.
static void test_pool_conservation(void) {
    memmgr_pool *pool = memmgr_pool_init(arena, SUITE_POOL, NULL);
    if (!CHECK(pool != NULL)) return;
    size_t room = memmgr_pool_largest_free(pool), count = room / 16;
    for (size_t order = 0; order < 4; order++) {
        size_t taken = 0;
        unsigned char *first = NULL, *block;
        while ((block = (unsigned char *)memmgr_pool_alloc(pool, 16)) != NULL) {
            if (!first || block < first) first = block;
            taken++;
        }
        CHECK(taken == count && memmgr_pool_bytes_free(pool) == 0);
        audit(pool, count);
        size_t step = order == 0 ? 1 : order == 1 ? count - 1 : order == 2 ? 7 : 13;
        while (count % step == 0 && step > 1)
            step += 2;
        for (size_t i = 0, at = 0; i < count && failures == 0; i++, at = (at + step) % count)
            if (memmgr_pool_owns(pool, first + at * 16))
                CHECK(memmgr_pool_free(pool, first + at * 16) == MEMMGR_OK);
        for (size_t at = 0; at < count; at++)
            if (memmgr_pool_owns(pool, first + at * 16))
                CHECK(memmgr_pool_free(pool, first + at * 16) == MEMMGR_OK);
        CHECK(memmgr_pool_largest_free(pool) == room);
    }
    CHECK(memmgr_pool_destroy(pool) == 0 && silent());
}

// As many live bytes as memmgr_pool_size_for was asked for: nothing is refused.
static void test_pool_bound(void) {
    const size_t block = 48;
    size_t live = SUITE_POOL / 8;
    while (memmgr_pool_size_for(live, block) > SUITE_POOL)
        live /= 2;
    size_t size = memmgr_pool_size_for(live, block);
    if (!CHECK(size > 0)) return;
    memmgr_pool *pool = memmgr_pool_init(arena, size, NULL);
    if (!CHECK(pool != NULL)) return;
    model *m = model_new(pool, block, 0);
    size_t most = live / block < SUITE_BLOCKS ? live / block : SUITE_BLOCKS;
    for (size_t step = 0; step < SUITE_STEPS / 4; step++) {
        if (m->count == most || below(m, 5) < 2) {
            model_drop(m);
            continue;
        }
        size_t wanted = below(m, block + 1);
        unsigned char *at = (unsigned char *)memmgr_pool_alloc(pool, wanted);
        if (!CHECK(at != NULL)) break;
        model_add(m, at, wanted, 16);
    }
    model_audit(m);
    memmgr_pool_reset(pool);
    CHECK(memmgr_pool_destroy(pool) == 0 && silent());
}

// --- Pictures and faults -------------------------------------------------------------------------

typedef struct {
    size_t length, opened, closed;
} written;

static void count_text(const char *text, size_t length, void *ctx) {
    written *all = (written *)ctx;
    all->length += length;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '{' || text[i] == '<') all->opened++;
        if (text[i] == '}' || text[i] == '>') all->closed++;
    }
}

static void test_pool_pictures(void) {
    memmgr_pool *pool = memmgr_pool_init(arena, SUITE_POOL, NULL);
    written text = {0, 0, 0}, json = {0, 0, 0}, svg = {0, 0, 0};
    if (!CHECK(pool != NULL)) return;
    for (size_t i = 1; i < 20; i++)
        (void)memmgr_pool_alloc(pool, i * i);
    memmgr_pool_draw(pool, MEMMGR_PICTURE_TEXT, count_text, &text);
    memmgr_pool_draw(pool, MEMMGR_PICTURE_SVG, count_text, &svg);
    memmgr_pool_json(pool, count_text, &json);
    CHECK(text.length > 200);
    CHECK(svg.length > 500 && svg.opened == svg.closed);
    CHECK(json.length > 100 && json.opened > 0 && json.opened == json.closed);
    memmgr_pool_reset(pool);
    CHECK(memmgr_pool_destroy(pool) == 0 && silent());
}

#if SUITE_WATCH
static void test_pool_faults(void) {
    memmgr_faults faults = {2, 0, 0};
    memmgr_pool *pool = memmgr_pool_init(arena, SUITE_POOL, NULL);
    if (!CHECK(pool != NULL)) return;
    memmgr_pool_set_faults(pool, &faults);
    CHECK(memmgr_pool_alloc(pool, 1) && !memmgr_pool_alloc(pool, 1) && memmgr_pool_alloc(pool, 1));
    faults.nth = 0, faults.one_in = 3, faults.seed = SUITE_SEED;
    memmgr_pool_set_faults(pool, &faults);
    int failed = 0;
    for (int i = 0; i < 60; i++) {
        void *block = memmgr_pool_alloc(pool, 1);
        failed += block == NULL;
        (void)memmgr_pool_free(pool, block);
    }
    CHECK(failed > 5 && failed < 40);
    memmgr_pool_set_faults(pool, NULL);
    memmgr_pool_reset(pool);
    CHECK(memmgr_pool_destroy(pool) == 0 && silent());
}

enum {
    WATCHED = MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK | MEMMGR_POOL_FILL | MEMMGR_POOL_QUARANTINE
};

// Guards, records, quarantine: each fault of a program, at each of its places, and told with lines.
static void test_watched_pool(void) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, WATCHED);
    memmgr_pool *pool = memmgr_pool_init(arena + 1, SUITE_POOL, &desc);
    if (!CHECK(pool != NULL)) return;
    for (size_t size = 1; size < 40; size += 3) {
        unsigned char *block = (unsigned char *)memmgr_pool_alloc_at(pool, size, "here", 7);
        if (!CHECK(block != NULL)) break;
        CHECK(is_filled(block, size, 0xCC) && memmgr_pool_usable_size(pool, block) == size);
        bool before = size % 2 == 0;
        opaque(block)[before ? (size_t)0 - 1 : size] ^= 1;
        CHECK(memmgr_pool_free_at(pool, block, "there", 8) == MEMMGR_OVERRUN);
        CHECK(reported(MEMMGR_OVERRUN) && report_last.alloc_line == 7 && report_last.line == 8);
        CHECK(report_last.offset == (before ? -1 : (ptrdiff_t)size));
        CHECK(memmgr_pool_free_at(pool, opaque(block), "again", 9) == MEMMGR_DOUBLE_FREE);
        CHECK(reported(MEMMGR_DOUBLE_FREE) && report_last.free_line == 8);
    }
    unsigned char *block = (unsigned char *)memmgr_pool_alloc_at(pool, 50, "here", 10);
    CHECK(memmgr_pool_free_at(pool, block, "there", 11) == MEMMGR_OK &&
          memmgr_pool_check(pool) == 0);
    opaque(block)[20] = 0;
    CHECK(memmgr_pool_check(pool) == MEMMGR_USE_AFTER_FREE);
    CHECK(reported(MEMMGR_USE_AFTER_FREE) && report_last.offset == 20);
    (void)memmgr_pool_alloc_at(pool, 60, "here", 12);
    CHECK(memmgr_pool_destroy(pool) == 1);
    CHECK(report_last.error == MEMMGR_LEAK && report_last.alloc_line == 12);
    report_count = 0;
}

static void test_watched_general(void) {
    memmgr_watch(MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK);
    unsigned char *block = (unsigned char *)memmgr_malloc_at(21, "here", 20);
    if (!CHECK(block != NULL)) return;
    CHECK(memmgr_usable_size(block) == 21 && memmgr_check() == MEMMGR_OK);
    block = (unsigned char *)memmgr_realloc_at(block, 90, "here", 21);
    if (!CHECK(block != NULL)) return;
    opaque(block)[90] = 0;
    memmgr_free_at(block, "there", 22);
    CHECK(reported(MEMMGR_OVERRUN) && report_last.alloc_line > 19 && report_last.line == 22);
    memmgr_free_at(opaque(block), "again", 23);
    CHECK(reported(MEMMGR_DOUBLE_FREE));
    memmgr_watch(0);
    CHECK(memmgr_check() == MEMMGR_OK && silent());
}

// --- Traces --------------------------------------------------------------------------------------

static unsigned char trace[400];
static size_t trace_length;

static void keep_trace(const char *text, size_t length, void *ctx) {
    (void)ctx;
    for (size_t i = 0; i < length && trace_length < sizeof trace; i++)
        trace[trace_length++] = (unsigned char)text[i];
}

static uint64_t trace_number(size_t *at) {
    uint64_t number = 0;
    for (unsigned shift = 0; *at < trace_length && shift < 64; shift += 7) {
        unsigned char byte = trace[(*at)++];
        number |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) break;
    }
    return number;
}

static int64_t trace_distance(size_t *at) {
    uint64_t number = trace_number(at);
    return number & 1 ? -(int64_t)(number / 2) - 1 : (int64_t)(number / 2);
}

static size_t trace_text(size_t at) {
    size_t length = (size_t)trace_number(&at);
    return at + length;
}

// Reads the events of a block that was allocated and freed. True when both are there.
static bool trace_tells(const void *block, size_t size) {
    size_t at = 15;
    int64_t address = 0;
    bool taken = false, freed = false;
    while (at < trace_length) {
        unsigned char event = trace[at++];
        uint64_t told = 0;
        unsigned kind = event & 15u;
        if (kind == 0) break;
        if (kind > 7) return false;
        if (kind >= 5) { // number, [line], [length, text]
            (void)trace_number(&at);
            if (kind == 7 && trace_number(&at) == 0) return false;
            if (kind >= 6) at = trace_text(at);
            continue;
        }
        (void)trace_number(&at);
        if (kind != 4) address += trace_distance(&at);
        if (kind == 1 || kind == 4) told = trace_number(&at);
        if (event & 32u) (void)trace_number(&at);
        (void)trace_number(&at);
        bool same = (uintptr_t)address == (uintptr_t)block;
        if (kind == 1 && same && told == size) taken = true;
        if (kind == 2 && same && taken) freed = true;
    }
    return taken && freed;
}

static void test_trace(void) {
    static const char head[] = "memmgr trace 1\n";
    trace_length = 0;
    if (!CHECK(memmgr_trace_start(keep_trace, NULL))) return;
    void *block = opaque(memmgr_malloc_at(100, "f", 5));
    memmgr_free_at(block, "f", 6);
    memmgr_trace_stop();
    CHECK(trace_length > sizeof head);
    for (size_t i = 0; i + 1 < sizeof head; i++)
        CHECK(trace[i] == (unsigned char)head[i]);
    CHECK(block && trace_tells(block, 100) && silent());
}
#endif

// --- Growth --------------------------------------------------------------------------------------

// A source of memory in the arena: one piece behind the other, all of it free again when the last
// is.
static size_t source_used, source_pieces, source_faults;

static void *source_map(size_t size, void *ctx) {
    uintptr_t start = ((uintptr_t)arena + 15) / 16 * 16 + source_used;
    (void)ctx;
    if (source_used + size > SUITE_POOL) return NULL;
    source_used += (size + 15) / 16 * 16;
    source_pieces++;
    return (void *)start;
}

static void source_unmap(void *piece, size_t size, void *ctx) {
    (void)ctx;
    fill((unsigned char *)piece, size, 0xE3);
    if (source_pieces == 0) source_faults++;
    if (--source_pieces == 0) source_used = 0;
}

static void test_growing_pool(void) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW);
    desc.source.map = source_map;
    desc.source.unmap = source_unmap;
    source_used = source_pieces = source_faults = 0;
    memmgr_pool *pool = memmgr_pool_create(SUITE_POOL / 16, &desc);
#ifdef MEMMGR_SMALL
    CHECK(pool == NULL && reported(MEMMGR_BAD_ARGUMENT));
    return;
#endif
    if (!CHECK(pool != NULL)) return;
    model *m = model_new(pool, SUITE_POOL / 32, 0);
    m->grows = true;
    model_run(m, SUITE_STEPS / 2);
    model_audit(m);
    CHECK(source_pieces > 0);
    (void)memmgr_pool_alloc(pool, 100);
    memmgr_pool_reset(pool);
    audit(pool, 0);
    CHECK(memmgr_pool_destroy(pool) == 0);
    CHECK(source_pieces == 0 && source_faults == 0 && silent());
}

#ifndef MEMMGR_NO_OS
static void test_growing_pool_of_the_system(void) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW);
    desc.limit = (size_t)SUITE_POOL * 64;
    memmgr_pool *pool = memmgr_pool_create(SUITE_POOL, &desc);
    if (!CHECK(pool != NULL)) return;
    model *m = model_new(pool, SUITE_POOL, 0);
    m->grows = true;
    model_run(m, SUITE_STEPS);
    model_audit(m);
    CHECK(memmgr_pool_alloc(pool, desc.limit) == NULL);
    size_t kept = 0;
    while (memmgr_pool_alloc(pool, SUITE_POOL / 2))
        kept++;
    memmgr_stats stats;
    memmgr_pool_stats(pool, &stats);
    CHECK(kept > 8 && stats.capacity <= desc.limit && stats.live_blocks == kept);
    CHECK(memmgr_pool_destroy(pool) == kept);
    report_count = 0;
}

// A large fixed pool, which has classes.
static void test_pool_with_classes(void) {
    memmgr_pool *pool = memmgr_pool_create((size_t)2 << 20, NULL);
    if (!CHECK(pool != NULL)) return;
    model *m = model_new(pool, 30000, 0);
    model_run(m, SUITE_STEPS);
    model_audit(m);
    CHECK(memmgr_pool_destroy(pool) == 0 && silent());
}
#endif

// --- General calls -------------------------------------------------------------------------------

static void test_general(void) {
    memmgr_stats before, after;
    memmgr_stats_get(&before);
    model *m = model_new(NULL, SUITE_GENERAL, 0);
#ifndef MEMMGR_NO_OS
    m->roomy = true;
#endif
    model_run(m, SUITE_STEPS);
    CHECK(silent());
    CHECK(memmgr_check() == MEMMGR_OK);
    memmgr_stats_get(&after);
    CHECK(after.live_blocks == before.live_blocks);
    CHECK(after.misuses - before.misuses == m->misuses);
    CHECK(after.used + after.free + after.overhead == after.capacity);
    (void)memmgr_trim();
    CHECK(memmgr_check() == MEMMGR_OK && memmgr_leaks() == before.live_blocks);
    report_count = 0;
}

static void test_general_limits(void) {
    CHECK(memmgr_malloc(opaque_size(SIZE_MAX)) == NULL);
    CHECK(memmgr_malloc(opaque_size(SIZE_MAX - 7)) == NULL);
    CHECK(memmgr_calloc(opaque_size(SIZE_MAX / 2), 3) == NULL);
    CHECK(memmgr_aligned_alloc(opaque_size(SIZE_MAX / 2 + 1), 1) == NULL);
    CHECK(silent());
    CHECK(memmgr_aligned_alloc(opaque_size(24), 1) == NULL && reported(MEMMGR_BAD_ARGUMENT));
    void *empty = memmgr_malloc(0), *another = memmgr_malloc(0);
    CHECK(empty && another && empty != another);
    CHECK(memmgr_realloc(empty, opaque_size(SIZE_MAX)) == NULL);
    memmgr_free_sized(empty, 0);
    memmgr_free(another);
    memmgr_free(NULL);
    CHECK(silent());
}

// --- Threads -------------------------------------------------------------------------------------

#if SUITE_THREADS > 0

enum { MAIL = 64, ROUNDS = 3 };

static void *mail[MAIL]; // blocks on their way to whichever thread looks
static memmgr_pool *shared_pool;
static size_t shared_steps;

// A block for others: its size stands at its beginning, the rest is full of its lowest byte.
static void mail_send(model *m) {
    size_t size = sizeof(size_t) + 16 + below(m, below(m, 20) == 0 ? 50000 : 600);
    unsigned char *block = (unsigned char *)(m->pool ? memmgr_pool_alloc(m->pool, size % 2000 + 32)
                                                     : memmgr_malloc(size));
    if (m->pool) size = size % 2000 + 32;
    if (!block) return;
    fill(block, size, (unsigned char)size);
    for (size_t i = 0; i < sizeof size; i++)
        block[i] = ((unsigned char *)&size)[i];
    unsigned char *old = (unsigned char *)__atomic_exchange_n(&mail[below(m, MAIL)], (void *)block,
                                                              __ATOMIC_SEQ_CST);
    if (!old) return;
    for (size_t i = 0; i < sizeof size; i++)
        ((unsigned char *)&size)[i] = old[i];
    CHECK(model_usable(m, old) >= size);
    CHECK(is_filled(old + sizeof size, size - sizeof size, (unsigned char)size));
    CHECK(model_free(m, old) == MEMMGR_OK);
}

static void thread_work(size_t number) {
    model *m = model_new(shared_pool, shared_pool ? 500 : SUITE_GENERAL, number);
    m->shared = true;
    m->roomy = !shared_pool;
    for (size_t step = 0; step < shared_steps && failures == 0; step++) {
        model_step(m, step);
        if (step % 2 == 0) mail_send(m);
    }
    while (m->count > 0 && failures == 0)
        model_drop(m);
}

#if defined(_WIN32)
typedef HANDLE thread_id;
static DWORD WINAPI thread_main(void *number) {
    thread_work((size_t)(uintptr_t)number);
    return 0;
}
static bool thread_start(thread_id *id, size_t number) {
    *id = CreateThread(NULL, 0, thread_main, (void *)(uintptr_t)number, 0, NULL);
    return *id != NULL;
}
static void thread_join(thread_id id) {
    (void)WaitForSingleObject(id, INFINITE);
    (void)CloseHandle(id);
}
#else
typedef pthread_t thread_id;
static void *thread_main(void *number) {
    thread_work((size_t)(uintptr_t)number);
    return NULL;
}
static bool thread_start(thread_id *id, size_t number) {
    return pthread_create(id, NULL, thread_main, (void *)(uintptr_t)number) == 0;
}
static void thread_join(thread_id id) { (void)pthread_join(id, NULL); }
#endif

// Threads that come and go; what they leave in the mail is freed by the threads after them.
static unsigned long threads_run(void) {
    thread_id ids[SUITE_THREADS];
    unsigned long misuses = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t started = 0;
        while (started < SUITE_THREADS && CHECK(thread_start(&ids[started], started)))
            started++;
        for (size_t i = 0; i < started; i++) {
            thread_join(ids[i]);
            misuses += models[i].misuses;
        }
    }
    for (size_t i = 0; i < MAIL; i++) {
        if (mail[i]) CHECK(model_free(&models[0], mail[i]) == MEMMGR_OK);
        mail[i] = NULL;
    }
    return misuses;
}

static void test_threads(void) {
    memmgr_stats before, after;
    memmgr_stats_get(&before);
    report_is_shared = true;
    shared_pool = NULL;
    shared_steps = SUITE_STEPS / 2;
    unsigned long misuses = threads_run();
    report_is_shared = false;
    CHECK(report_count == misuses);
    report_count = 0;
    CHECK(memmgr_check() == MEMMGR_OK);
    memmgr_stats_get(&after);
    CHECK(after.live_blocks == before.live_blocks && after.misuses - before.misuses == misuses);
    (void)memmgr_trim();
    CHECK(memmgr_check() == MEMMGR_OK && silent());
}

#if !defined(SUITE_LOCK)
// The heap of a thread that has ended is the next one's: there are no more heaps than there were
// threads at once.
static void test_threads_leave_their_heaps(void) {
    thread_id id;
    size_t before = 0, after = 0;
    for (const mmi_heap *heap = mmi_heap_all.all; heap; heap = heap->next)
        before++;
    report_is_shared = true;
    shared_pool = NULL;
    shared_steps = 10;
    for (int i = 0; i < 20; i++)
        if (CHECK(thread_start(&id, 0))) thread_join(id);
    for (const mmi_heap *heap = mmi_heap_all.all; heap; heap = heap->next)
        after++;
    for (size_t i = 0; i < MAIL; i++) {
        memmgr_free(mail[i]);
        mail[i] = NULL;
    }
    CHECK(before <= SUITE_THREADS + 1 && after <= SUITE_THREADS + 1);
    report_is_shared = false;
    report_count = 0;
}
#endif

static void test_threads_in_a_pool(void) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_LOCKED | MEMMGR_POOL_GROW);
    shared_pool = memmgr_pool_create(SUITE_POOL, &desc);
    if (!CHECK(shared_pool != NULL)) return;
    report_is_shared = true;
    shared_steps = SUITE_STEPS / 8;
    unsigned long misuses = threads_run();
    report_is_shared = false;
    CHECK(report_count == misuses);
    report_count = 0;
    audit(shared_pool, 0);
    CHECK(memmgr_pool_destroy(shared_pool) == 0 && silent());
}
#endif

// --- All of them ---------------------------------------------------------------------------------

#define RUN(test) run(#test, test)

int main(void) {
    print("suite: SEED=");
    print_number(SUITE_SEED);
    print(", pool of ");
    print_number(SUITE_POOL);
    print(" bytes, size_t of ");
    print_number(sizeof(size_t) * 8);
    print(" bits\n");
    memmgr_set_error_handler(record_report, NULL);
    RUN(test_pool_model);
    RUN(test_pool_model_eager);
    RUN(test_pool_strategies);
    RUN(test_pool_strategy_places);
    RUN(test_pool_locked);
    RUN(test_pool_misuse_everywhere);
    RUN(test_pool_buffers);
    RUN(test_pool_limits);
    RUN(test_pool_conservation);
    RUN(test_pool_bound);
    RUN(test_pool_pictures);
    RUN(test_growing_pool);
#ifndef MEMMGR_NO_OS
    RUN(test_growing_pool_of_the_system);
    RUN(test_pool_with_classes);
#endif
    RUN(test_general);
    RUN(test_general_limits);
#if SUITE_THREADS > 0
    RUN(test_threads);
#if !defined(SUITE_LOCK)
    RUN(test_threads_leave_their_heaps);
#endif
    RUN(test_threads_in_a_pool);
#endif
#if SUITE_WATCH
    RUN(test_pool_faults);
    RUN(test_watched_pool);
    RUN(test_watched_general);
    RUN(test_trace);
#endif
    print_number(passed_tests);
    print(" passed, ");
    print_number(failed_tests);
    print(" failed\n");
    return failed_tests == 0 ? 0 : 1;
}
