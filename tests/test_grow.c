// test_grow.c: pools that take more memory from a source, and a source that fails.
#include "support.h"

enum { HELD_MAX = 4096 };

typedef struct {
    unsigned char *at;
    size_t size;
    uint64_t tag;
} held_block;

static test_source source;
static held_block held[HELD_MAX];
static size_t held_count;

static bool hold(memmgr_pool *pool, size_t size) {
    held_block *block = &held[held_count];
    if (held_count == HELD_MAX) return false;
    block->at = (unsigned char *)memmgr_pool_alloc(pool, size);
    if (!block->at) return false;
    block->size = memmgr_pool_usable_size(pool, block->at);
    block->tag = test_random();
    CHECK(block->size == granules_up(size));
    pattern_fill(block->at, block->size, block->tag);
    held_count++;
    return true;
}

static void let_go(memmgr_pool *pool, size_t index) {
    held_block block = held[index];
    CHECK(pattern_holds(block.at, block.size, block.tag));
    held[index] = held[--held_count];
    CHECK_EQUAL(memmgr_pool_free(pool, block.at), MEMMGR_OK);
}

static bool resize(memmgr_pool *pool, size_t index, size_t size) {
    held_block *block = &held[index];
    unsigned char *at = (unsigned char *)memmgr_pool_realloc(pool, block->at, size);
    size_t same = block->size < size ? block->size : size;
    CHECK(pattern_holds(at ? at : block->at, at ? same : block->size, block->tag));
    if (!at) return false;
    block->at = at;
    block->size = granules_up(size);
    pattern_fill(at, block->size, block->tag);
    return true;
}

static bool source_holds(const void *at, size_t size) {
    for (size_t i = 0; i < source.count; i++) {
        uintptr_t base = (uintptr_t)source.segment[i].at;
        size_t room = source.segment[i].size;
        if ((uintptr_t)at < base || (uintptr_t)at - base > room) continue;
        if (size <= room - ((uintptr_t)at - base)) return true;
    }
    return false;
}

static void check_pool(const memmgr_pool *pool) {
    memmgr_stats stats;
    CHECK(pool_agrees(pool));
    memmgr_pool_stats(pool, &stats);
    CHECK_EQUAL(stats.live_blocks, held_count);
    if (SWITCH_ON) CHECK_EQUAL(stats.capacity, source.bytes);
    for (size_t i = 0; i < held_count; i++) {
        CHECK(pattern_holds(held[i].at, held[i].size, held[i].tag));
        CHECK(!SWITCH_ON || source_holds(held[i].at, held[i].size));
    }
}

// --- A source that fails -------------------------------------------------------------------------

// The same requests each time. Returns how many failed.
static size_t scenario(memmgr_pool *pool) {
    size_t failed = 0;
    for (size_t i = 0; i < 300; i++) {
        size_t size = 1 + (i * i * 37) % 1500 + (i % 50 == 49 ? 100000 : 0);
        if (i % 7 == 6 && held_count > 3)
            let_go(pool, (i * 31) % held_count);
        else if (i % 11 == 10 && held_count > 3)
            failed += !resize(pool, i % held_count, 2 * size);
        else
            failed += !hold(pool, size);
    }
    return failed;
}

static void test_grow_source_fails_at_every_call(void) {
    bool reached = true;
    for (size_t fail_at = 1; reached && SWITCH_ON && test_failures == 0; fail_at++) {
        reports_start();
        source_open(&source, (size_t)8 << 20);
        source.fail_at = fail_at;
        source.fail_on = fail_at % 2 == 0;
        memmgr_pool_desc desc = desc_growing(&source, 0);
        memmgr_pool *pool = memmgr_pool_create(4096, &desc);
        CHECK((pool == NULL) == (fail_at == 1));
        if (pool) {
            memmgr_stats stats;
            size_t failed = scenario(pool);
            memmgr_pool_stats(pool, &stats);
            CHECK_EQUAL(stats.failures, failed);
            reached = source.calls >= fail_at;
            if (!reached) CHECK_EQUAL(failed, 0);
            check_pool(pool);
            while (held_count)
                let_go(pool, held_count / 2);
            check_pool(pool);
            CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        }
        CHECK_SILENT();
        source_close(&source);
        CHECK(fail_at < 1000);
    }
}

// The table of segments is given, the segment itself is not.
static void test_grow_table_but_no_segment(void) {
    memmgr_stats before, after;
    if (!SWITCH_ON) return;
    reports_start();
    source_open(&source, (size_t)4 << 20);
    memmgr_pool_desc desc = desc_growing(&source, 0);
    memmgr_pool *pool = memmgr_pool_create(4096, &desc);
    REQUIRE(pool != NULL);
    memmgr_pool_stats(pool, &before);
    source.fail_at = 3;
    source.fail_on = true;
    for (size_t i = 1; i <= 5; i++) {
        CHECK(!hold(pool, 5000 * i));
        CHECK(source.calls > 2);
        memmgr_pool_stats(pool, &after);
        CHECK_EQUAL(after.failures, i);
        after.failures = before.failures;
        CHECK(stats_equal(&before, &after));
        CHECK_EQUAL(source.count, 1);
        source.fail_at = source.calls + 2; // again the call after the table's
    }
    source.fail_at = 0;
    CHECK(hold(pool, 100) && hold(pool, 50000));
    check_pool(pool);
    while (held_count)
        let_go(pool, 0);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    source_close(&source);
}

// From some call on it gives what is not aligned to 16, which is as good as nothing.
enum { SKEW = 8 };
static size_t skewed_from;

static void *skewed_map(size_t size, void *ctx) {
    char *at = (char *)source_map(size + GRANULE, ctx);
    return at && source.calls >= skewed_from ? at + SKEW : at;
}

static void skewed_unmap(void *memory, size_t size, void *ctx) {
    char *at = (char *)memory;
    source_unmap(is_aligned(at, GRANULE) ? at : at - SKEW, size + GRANULE, ctx);
}

static void test_grow_source_misaligned(void) {
    for (skewed_from = 1; skewed_from <= 6 && SWITCH_ON; skewed_from++) {
        reports_start();
        source_open(&source, (size_t)4 << 20);
        memmgr_pool_desc desc = desc_growing(&source, 0);
        desc.source.map = skewed_map;
        desc.source.unmap = skewed_unmap;
        memmgr_pool *pool = memmgr_pool_create(4096, &desc);
        CHECK((pool == NULL) == (skewed_from == 1));
        if (pool) {
            memmgr_stats stats;
            while (hold(pool, 3000)) {
            }
            CHECK(!hold(pool, 3000) && !hold(pool, 60000));
            memmgr_pool_stats(pool, &stats);
            CHECK_EQUAL(stats.failures, 3);
            CHECK_EQUAL(stats.capacity, source.bytes - GRANULE * source.count);
            CHECK(pool_agrees(pool));
            while (held_count)
                let_go(pool, test_below(held_count));
            CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        }
        CHECK_SILENT();
        source_close(&source);
    }
}

// --- Limits --------------------------------------------------------------------------------------

static void limited(size_t capacity, size_t limit, size_t low, size_t high) {
    reports_start();
    source_open(&source, (size_t)8 << 20);
    memmgr_pool_desc desc = desc_growing(&source, limit);
    memmgr_pool *pool = memmgr_pool_create(capacity, &desc);
    CHECK(source.peak <= limit);
    if (pool) {
        for (size_t misses = 0; misses < 30;) {
            if (!hold(pool, test_log_uniform(low, high))) misses++;
            CHECK(source.bytes <= limit);
        }
        CHECK(held_count > 0 || high > limit / 4);
        CHECK(memmgr_pool_bytes_used(pool) <= limit);
        check_pool(pool);
        while (held_count)
            let_go(pool, test_below(held_count));
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    } else {
        CHECK(capacity >= limit / 2 || limit < 2048);
    }
    CHECK(source.peak <= limit);
    CHECK_SILENT();
    source_close(&source);
}

static void test_grow_limit(void) {
    static const size_t limits[] = {1, 100, 1024, 4096, 10000, 65536, 300000, 1000000};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (size_t capacity = 64; capacity <= limits[i] * 2; capacity *= 4) {
            limited(capacity, limits[i], 1 + limits[i] / 4000, 1 + limits[i] / 40);
        }
        limited(limits[i], limits[i], 1000, 5000);
        limited(0, limits[i], 1000, 5000);
    }
}

// Without the flag it stays as it is.
static void test_grow_only_when_asked(void) {
    reports_start();
    source_open(&source, (size_t)4 << 20);
    memmgr_pool_desc desc = desc_growing(&source, 0);
    desc.flags = 0;
    memmgr_pool *pool = memmgr_pool_create(65536, &desc);
    REQUIRE(pool != NULL);
    while (hold(pool, 1000)) {
    }
    CHECK(held_count >= 55 && held_count < 140);
    if (SWITCH_ON) CHECK_EQUAL(source.calls, 1);
    check_pool(pool);
    while (held_count)
        let_go(pool, held_count - 1);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    source_close(&source);
}

// --- Segments ------------------------------------------------------------------------------------

static void random_work(memmgr_pool *pool, size_t steps, size_t largest) {
    bool filling = true;
    for (size_t i = 0; i < steps && test_failures == 0; i++) {
        size_t roll = test_below(100);
        if (test_below(300) == 0) filling = !filling;
        if (roll < (filling ? 60u : 30u))
            hold(pool, test_log_uniform(1, largest));
        else if (roll < 85 && held_count)
            let_go(pool, test_below(held_count));
        else if (held_count)
            resize(pool, test_below(held_count), test_log_uniform(1, largest));
        if (i % 200 == 0) check_pool(pool);
    }
}

static void test_grow_many_segments(void) {
    static const memmgr_fit fits[] = {MEMMGR_FIT_GOOD, MEMMGR_FIT_FIRST, MEMMGR_FIT_BEST,
                                      MEMMGR_FIT_CUSTOM};
    for (size_t round = 0; round < 8; round++) {
        reports_start();
        source_open(&source, (size_t)64 << 20);
        memmgr_pool_desc desc = desc_growing(&source, 0);
        desc.fit = fits[round % 4];
        if (desc.fit == MEMMGR_FIT_CUSTOM) desc.choose = choose_worst;
        if (round >= 4) desc.flags |= MEMMGR_POOL_EAGER | MEMMGR_POOL_LOCKED;
        memmgr_pool *pool = memmgr_pool_create(1024, &desc);
        REQUIRE(pool != NULL);
        random_work(pool, test_count(3000), round % 2 ? 200 : 20000);
        check_pool(pool);
        while (held_count)
            let_go(pool, test_below(held_count));
        check_pool(pool);
        random_work(pool, test_count(1000), 100000);
        size_t leaks = held_count;
        CHECK_SILENT();
        CHECK_EQUAL(memmgr_pool_destroy(pool), leaks);
        CHECK_EQUAL(reports.of[MEMMGR_LEAK], leaks < 17 ? leaks : 17);
        held_count = 0;
        source_close(&source);
    }
}

// A source that gives only little at once: the table of segments grows, too.
static void *little_map(size_t size, void *ctx) {
    return size > 4096 ? NULL : source_map(size, ctx);
}

static void test_grow_by_little(void) {
    memmgr_stats stats;
    reports_start();
    source_open(&source, (size_t)8 << 20);
    memmgr_pool_desc desc = desc_growing(&source, 0);
    desc.source.map = little_map;
    memmgr_pool *pool = memmgr_pool_create(2048, &desc);
    REQUIRE(pool != NULL);
    while (held_count < 300)
        REQUIRE(hold(pool, 2000));
    if (SWITCH_ON) CHECK(source.count > 100);
    CHECK(!SWITCH_ON || !hold(pool, 5000));
    memmgr_pool_stats(pool, &stats);
    if (SWITCH_ON) CHECK_EQUAL(stats.failures, 1);
    check_pool(pool);
    while (held_count)
        let_go(pool, test_below(held_count));
    check_pool(pool);
    if (SWITCH_ON) CHECK_EQUAL(source.count, 1);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    source_close(&source);
}

// Where the limit leaves room for a segment, but not for the table that goes with it, there is no
// growth.
static void test_grow_limit_below_the_table(void) {
    for (size_t more = 16; more < 2000 && SWITCH_ON; more += 48) {
        memmgr_stats before, after;
        reports_start();
        source_open(&source, (size_t)1 << 20);
        memmgr_pool_desc desc = desc_growing(&source, 4096 + more);
        memmgr_pool *pool = memmgr_pool_create(4096, &desc);
        REQUIRE(pool != NULL);
        size_t room = memmgr_pool_largest_free(pool);
        CHECK(hold(pool, room));
        memmgr_pool_stats(pool, &before);
        bool grown = hold(pool, 16);
        CHECK(more < 1500 || grown);
        CHECK(source.peak <= 4096 + more);
        memmgr_pool_stats(pool, &after);
        CHECK_EQUAL(after.failures, grown ? 0 : 1);
        if (!grown) CHECK_EQUAL(after.capacity, before.capacity);
        check_pool(pool);
        while (held_count)
            let_go(pool, held_count - 1);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        CHECK_SILENT();
        source_close(&source);
    }
}

// A source that takes nothing back need not say how.
static void test_grow_source_without_unmap(void) {
    if (!SWITCH_ON) return;
    reports_start();
    source_open(&source, (size_t)4 << 20);
    memmgr_pool_desc desc = desc_growing(&source, 0);
    desc.source.unmap = NULL;
    memmgr_pool *pool = memmgr_pool_create(4096, &desc);
    REQUIRE(pool != NULL);
    for (size_t round = 0; round < 3; round++) {
        while (held_count < 20)
            REQUIRE(hold(pool, 3000));
        CHECK(pool_agrees(pool));
        while (held_count)
            let_go(pool, test_below(held_count));
        CHECK(pool_agrees(pool));
    }
    CHECK_EQUAL(memmgr_pool_bytes_used(pool), 0);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK(source.count > 3);
    CHECK_EQUAL(source.faults, 0);
    CHECK_SILENT();
    while (source.count)
        source_unmap(source.segment[0].at, source.segment[0].size, &source);
    source_close(&source);
}

// A block larger than anything so far.
static void test_grow_for_large_blocks(void) {
    reports_start();
    source_open(&source, (size_t)64 << 20);
    memmgr_pool_desc desc = desc_growing(&source, 0);
    memmgr_pool *pool = memmgr_pool_create(1024, &desc);
    REQUIRE(pool != NULL);
    for (size_t size = 1000; size < (size_t)6 << 20; size = size * 3 / 2)
        CHECK(hold(pool, size));
    for (int shift = 4; shift <= 22; shift++) {
        size_t alignment = (size_t)1 << shift;
        void *block = memmgr_pool_aligned_alloc(pool, alignment, 100);
        CHECK(block && is_aligned(block, alignment));
        CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
    }
    CHECK(!hold(pool, opaque(SIZE_MAX)) && !hold(pool, opaque(SIZE_MAX - 5000)));
    CHECK(!hold(pool, opaque(SIZE_MAX / 2)));
    CHECK(!SWITCH_ON || !hold(pool, (size_t)65 << 20));
    check_pool(pool);
    while (held_count)
        let_go(pool, 0);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    source_close(&source);
}

// A strategy that takes nothing, however many it is offered.
static bool choose_none(const memmgr_block *candidate, const memmgr_block *best, size_t size,
                        void *ctx) {
    (void)candidate, (void)best, (void)size;
    ++*(size_t *)ctx;
    return false;
}

// Memory is not what such a pool lacks: it grows for a block that fits nowhere, and then no more.
static void test_grow_not_when_refused(void) {
    static const size_t sizes[] = {1, 100, 1000, 20000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && SWITCH_ON; i++) {
        size_t offered = 0, calls = 0;
        reports_start();
        source_open(&source, (size_t)16 << 20);
        memmgr_pool_desc desc = desc_growing(&source, 0);
        desc.fit = MEMMGR_FIT_CUSTOM;
        desc.choose = choose_none;
        desc.choose_ctx = &offered;
        memmgr_pool *pool = memmgr_pool_create(8192, &desc);
        REQUIRE(pool != NULL);
        for (int again = 0; again < 20; again++) {
            CHECK(!hold(pool, sizes[i]));
            if (again == 0) calls = source.calls;
            CHECK_EQUAL(source.calls, calls);
        }
        CHECK(source.count <= (sizes[i] < 4096 ? 1u : 3u)); // its first, the table, one segment
        CHECK(offered >= 20);
        check_pool(pool);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        CHECK_SILENT();
        source_close(&source);
    }
}

// Blocks that classes keep do not hold a segment for good.
static void test_grow_all_freed(void) {
    for (int way = 0; way < 3; way++) {
        memmgr_stats stats;
        reports_start();
        source_open(&source, (size_t)64 << 20);
        memmgr_pool_desc desc = desc_growing(&source, 0);
        memmgr_pool *pool = memmgr_pool_create((size_t)1 << 20, &desc);
        REQUIRE(pool != NULL);
        size_t first = source.bytes;
        while (held_count < HELD_MAX)
            REQUIRE(hold(pool, 1 + test_below(1500)));
        CHECK(!SWITCH_ON || source.count >= 4);
        check_pool(pool);
        while (held_count)
            let_go(pool, way == 0 ? held_count - 1 : way == 1 ? 0 : test_below(held_count));
        memmgr_pool_stats(pool, &stats);
        CHECK_EQUAL(stats.used, 0);
        CHECK_EQUAL(source.bytes, first);
        CHECK_EQUAL(source.count, 1);
        check_pool(pool);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        CHECK_SILENT();
        source_close(&source);
    }
}

// Every segment but what the pool needs to live goes back, and the same work never needs more the
// next time.
static void rounds_of_growth(void (*empty)(memmgr_pool *pool)) {
    reports_start();
    source_open(&source, (size_t)64 << 20);
    memmgr_pool_desc desc = desc_growing(&source, 0);
    memmgr_pool *pool = memmgr_pool_create(4096, &desc);
    size_t first_peak = 0;
    REQUIRE(pool != NULL);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 1000; i++)
            CHECK(hold(pool, 1 + (i * 97) % 3000));
        check_pool(pool);
        if (round == 1) first_peak = source.peak;
        empty(pool);
        check_pool(pool);
        CHECK(source.bytes <= source.peak);
    }
    CHECK(source.peak <= first_peak * 2);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    source_close(&source);
}

static void empty_by_reset(memmgr_pool *pool) {
    held_count = 0;
    memmgr_pool_reset(pool);
}

static void empty_by_frees(memmgr_pool *pool) {
    while (held_count)
        let_go(pool, test_below(held_count));
}

static void test_grow_reset(void) { rounds_of_growth(empty_by_reset); }
static void test_grow_peak_is_steady(void) { rounds_of_growth(empty_by_frees); }

// --- Misuse between segments ---------------------------------------------------------------------

static memmgr_error expected_at(const unsigned char *at, const unsigned char *low,
                                const unsigned char *high) {
    if (at < low || at >= high) return MEMMGR_FOREIGN_POINTER;
    for (size_t i = 0; i < held_count; i++) {
        if (at == held[i].at) return MEMMGR_OK;
        if (at > held[i].at && at < held[i].at + held[i].size) return MEMMGR_INTERIOR_POINTER;
    }
    return is_aligned(at, GRANULE) ? MEMMGR_DOUBLE_FREE : MEMMGR_INTERIOR_POINTER;
}

// A segment's granules: from the first block to the end of the last, as a walk shows them.
static void misuse_segment(memmgr_pool *pool, const source_segment *segment) {
    const unsigned char *low = NULL, *high = NULL;
    for (size_t i = 0; i < walked.count; i++) {
        const unsigned char *at = (const unsigned char *)walked.block[i].address;
        if (at < segment->at || at >= segment->at + segment->size) continue;
        low = low ? low : at;
        high = at + walked.block[i].size;
    }
    if (!low) low = high = segment->at; // no blocks: the pool's own
    CHECK(high <= segment->at + segment->size);
    for (int i = 0; i < 300; i++) {
        size_t span = segment->size + 2 * CANARY;
        const unsigned char *at = segment->at - CANARY + test_below(span);
        if (test_chance(20)) at = segment->at - 32 + test_below((size_t)(low - segment->at) + 64);
        if (test_chance(20)) at = (const unsigned char *)((uintptr_t)at & ~(uintptr_t)15);
        memmgr_error expected = expected_at(at, low, high);
        CHECK_EQUAL(memmgr_pool_owns(pool, at), expected == MEMMGR_OK);
        if (expected == MEMMGR_OK) continue;
        CHECK_EQUAL(memmgr_pool_free(pool, pointer_plus(at, 0)), expected);
        CHECK_REPORTED(expected);
    }
}

static void test_grow_misuse(void) {
    for (int round = 0; round < 5 && SWITCH_ON; round++) {
        reports_start();
        source_open(&source, (size_t)16 << 20);
        memmgr_pool_desc desc = desc_growing(&source, 0);
        memmgr_pool *pool = memmgr_pool_create(2000, &desc);
        REQUIRE(pool != NULL);
        random_work(pool, 1500, 10000);
        CHECK(walk_pool(pool));
        CHECK_SILENT();
        for (size_t i = 0; i < source.count; i++)
            misuse_segment(pool, &source.segment[i]);
        check_pool(pool);
        while (held_count)
            let_go(pool, test_below(held_count));
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        CHECK_SILENT();
        source_close(&source);
    }
}

// From the operating system itself.
static void test_grow_from_the_system(void) {
#ifndef MEMMGR_NO_OS
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW);
    memmgr_pool *pool = memmgr_pool_create(0, &desc);
    reports_start();
    if (!pool) pool = memmgr_pool_create(1, &desc);
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < 2000; i++)
        REQUIRE(hold(pool, test_log_uniform(1, 50000)));
    CHECK(pool_agrees(pool));
    while (held_count)
        let_go(pool, test_below(held_count));
    CHECK(pool_agrees(pool));
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
#endif
}

// A segment made for a block has room for it, whatever its size is.
static void test_grow_serves_every_size(void) {
#ifndef MEMMGR_NO_OS
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW);
    memmgr_pool *pool = memmgr_pool_create(65536, &desc);
    memmgr_stats before, after;
    reports_start();
    REQUIRE(pool != NULL);
    memmgr_pool_stats(pool, &before);
    for (size_t size = 500000; size < 5000000; size += 4512) {
        void *block = kept(memmgr_pool_alloc(pool, size));
        if (!CHECK(block != NULL)) {
            printf("        size %lu\n", (unsigned long)size);
            continue;
        }
        CHECK_EQUAL(memmgr_pool_usable_size(pool, block), granules_up(size));
        CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
    }
    memmgr_pool_stats(pool, &after);
    CHECK_EQUAL(after.failures, 0);
    if (SWITCH_ON) CHECK_EQUAL(after.capacity, before.capacity);
    CHECK(pool_agrees(pool));
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
#endif
}

// A limit that is no whole number of pages is for as many pages as such a capacity.
static void test_grow_limit_is_the_capacity(void) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW);
    reports_start();
    for (size_t capacity = 1000; capacity < 300000; capacity = capacity * 2 + 1) {
        memmgr_stats stats;
        desc.limit = capacity;
        memmgr_pool *pool = memmgr_pool_create(capacity, &desc);
        REQUIRE(pool != NULL);
        while (memmgr_pool_alloc(pool, 100))
            ;
        memmgr_pool_stats(pool, &stats);
        CHECK(stats.live_blocks > 0 && stats.capacity >= capacity);
        CHECK(stats.capacity < capacity + 65536); // of pages
        memmgr_pool_reset(pool);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    }
    desc.limit = 8191;
    CHECK(memmgr_pool_create(100000, &desc) == NULL);
    desc.limit = 1; // no pool is as small as that
    CHECK(memmgr_pool_create(0, &desc) == NULL || !SWITCH_ON);
    desc.limit = SIZE_MAX;
    memmgr_pool *pool = memmgr_pool_create(100000, &desc);
    REQUIRE(pool != NULL);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
}

static const test_case tests[] = {
    TEST(test_grow_limit_is_the_capacity),
    TEST(test_grow_source_fails_at_every_call),
    TEST(test_grow_table_but_no_segment),
    TEST(test_grow_source_misaligned),
    TEST(test_grow_limit),
    TEST(test_grow_only_when_asked),
    TEST(test_grow_many_segments),
    TEST(test_grow_by_little),
    TEST(test_grow_limit_below_the_table),
    TEST(test_grow_source_without_unmap),
    TEST(test_grow_for_large_blocks),
    TEST(test_grow_not_when_refused),
    TEST(test_grow_all_freed),
    TEST(test_grow_reset),
    TEST(test_grow_peak_is_steady),
    TEST(test_grow_misuse),
    TEST(test_grow_from_the_system),
    TEST(test_grow_serves_every_size),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
