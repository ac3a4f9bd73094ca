// test_pool.c: what a pool promises, one promise a test.
#include "support.h"

enum { BLOCKS_MAX = 1 << 17, DESCS = 7 };

static void *blocks[BLOCKS_MAX];
static size_t block_count;

// Every strategy, and the flags that change how memory is same.
static memmgr_pool_desc desc_number(size_t number) {
    static const memmgr_fit fits[DESCS] = {MEMMGR_FIT_GOOD, MEMMGR_FIT_GOOD,   MEMMGR_FIT_FIRST,
                                           MEMMGR_FIT_BEST, MEMMGR_FIT_CUSTOM, MEMMGR_FIT_GOOD,
                                           MEMMGR_FIT_FIRST};
    static const unsigned flags[DESCS] = {
        0, MEMMGR_POOL_EAGER, 0, 0, 0, MEMMGR_POOL_LOCKED, MEMMGR_POOL_EAGER};
    memmgr_pool_desc desc = desc_of(fits[number], flags[number]);
    if (desc.fit == MEMMGR_FIT_CUSTOM) desc.choose = choose_worst;
    return desc;
}

static void blocks_shuffle(void) {
    for (size_t i = block_count; i > 1; i--) {
        size_t other = test_below(i);
        void *moved = blocks[i - 1];
        blocks[i - 1] = blocks[other];
        blocks[other] = moved;
    }
}

// Takes blocks of low to high bytes until there is no room for one.
static void blocks_fill(memmgr_pool *pool, size_t low, size_t high) {
    while (block_count < BLOCKS_MAX) {
        size_t size = low == high ? low : test_log_uniform(low, high);
        void *block = memmgr_pool_alloc(pool, size);
        if (!block) return;
        blocks[block_count++] = block;
    }
    FAIL("a pool that never ends");
}

// Frees all: 0 in order, 1 backwards, 2 every other one first, 3 at random.
static void blocks_free(memmgr_pool *pool, int way) {
    if (way == 3) blocks_shuffle();
    for (size_t i = 0; i < block_count; i++) {
        size_t index = way == 1 ? block_count - 1 - i : i;
        if (way == 2) {
            size_t half = (block_count + 1) / 2;
            index = i < half ? 2 * i : 2 * (i - half) + 1;
        }
        if (!CHECK_EQUAL(memmgr_pool_free(pool, blocks[index]), MEMMGR_OK)) break;
    }
    block_count = 0;
}

// --- Room ----------------------------------------------------------------------------------------

static void test_pool_of_1024_bytes(void) {
    for (size_t offset = 0; offset < 64; offset++) {
        test_buffer buffer = buffer_new(1024, offset);
        memmgr_pool *pool = memmgr_pool_init(buffer.at, 1024, NULL);
        REQUIRE(pool != NULL);
        size_t promised = offset % GRANULE == 0 ? 640 : 624;
        CHECK(memmgr_pool_largest_free(pool) >= promised);
        void *block = memmgr_pool_alloc(pool, promised);
        if (CHECK(block != NULL)) memset(block, 0xFF, memmgr_pool_usable_size(pool, block));
        CHECK(!SWITCH_ON || buffer_holds(&buffer, block, promised));
        CHECK(pool_agrees(pool));
        CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        buffer_drop(&buffer);
    }
}

static void exhaust(size_t size, const memmgr_pool_desc *desc, size_t low, size_t high) {
    test_buffer buffer = buffer_new(size, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, size, desc);
    REQUIRE(pool != NULL);
    size_t largest = memmgr_pool_largest_free(pool);
    size_t room = memmgr_pool_bytes_free(pool);
    for (int way = 0; way < 4; way++) {
        blocks_fill(pool, low, high);
        CHECK(block_count > 0 && pool_agrees(pool));
        blocks_free(pool, way);
        CHECK(pool_agrees(pool));
        CHECK_EQUAL(memmgr_pool_bytes_used(pool), 0);
        CHECK_EQUAL(memmgr_pool_bytes_free(pool), room);
        CHECK_EQUAL(memmgr_pool_largest_free(pool), largest);
        void *whole = memmgr_pool_alloc(pool, largest);
        CHECK(whole != NULL);
        CHECK(memmgr_pool_alloc(pool, 1) == NULL || largest < room);
        memmgr_pool_free(pool, whole);
    }
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&buffer);
}

static void test_pool_exhaustion(void) {
    static const size_t sizes[] = {1024, 3000, 16384, 200000};
    static const size_t mixes[][2] = {{1, 1},  {16, 16},  {48, 48},  {100, 100},
                                      {8, 64}, {16, 512}, {1, 4096}, {256, 8192}};
    reports_start();
    for (size_t d = 0; d < DESCS; d++) {
        memmgr_pool_desc desc = desc_number(d);
        size_t size_count = desc.fit == MEMMGR_FIT_GOOD ? 4 : 3;
        for (size_t s = 0; s < size_count; s++) {
            for (size_t x = 0; x < sizeof mixes / sizeof mixes[0]; x++) {
                if (mixes[x][1] > sizes[s] / 2) continue;
                exhaust(sizes[s], &desc, mixes[x][0], mixes[x][1]);
            }
        }
    }
    CHECK_SILENT();
}

// More bytes never make less room: what lies in front of the blocks grows in steps of 16 KiB, and
// most at the first with classes.
static void test_pool_room_grows(void) {
    test_buffer buffer = buffer_new((size_t)6 << 20, 0);
    reports_start();
    for (size_t step = 63; step <= 320; step += step == 63 ? 1 : 9) {
        size_t middle = step * 16384, before = 0;
        for (size_t size = middle - 1023; size < middle + 1024; size += GRANULE) {
            memmgr_pool *pool = memmgr_pool_init(buffer.at, size, NULL);
            REQUIRE(pool != NULL);
            size_t room = memmgr_pool_bytes_free(pool);
            if (!CHECK(room >= before)) printf("        %lu bytes\n", (unsigned long)size);
            CHECK_EQUAL(memmgr_pool_largest_free(pool), room);
            CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
            before = room;
        }
    }
    CHECK_SILENT();
    buffer_drop(&buffer);
}

// --- The same size again in a full pool ----------------------------------------------------------

// Nothing is left but what cannot be had.
static void fill_whole(memmgr_pool *pool, size_t low, size_t high) {
    blocks_fill(pool, low, high);
    for (size_t size = low; size > GRANULE; size /= 2)
        blocks_fill(pool, size, size);
    blocks_fill(pool, 1, 1);
}

static void refit(memmgr_pool *pool, size_t index) {
    size_t size = memmgr_pool_usable_size(pool, blocks[index]);
    CHECK_EQUAL(memmgr_pool_free(pool, blocks[index]), MEMMGR_OK);
    CHECK(memmgr_pool_largest_free(pool) >= size);
    blocks[index] = memmgr_pool_alloc(pool, size - test_below(GRANULE));
    if (CHECK(blocks[index] != NULL)) return;
    printf("        size %lu\n", (unsigned long)size);
    blocks[index] = blocks[--block_count];
}

static void test_pool_refits_every_size(void) {
    test_buffer buffer = buffer_new(65536, 0);
    reports_start();
    for (size_t d = 0; d < DESCS; d++) {
        memmgr_pool_desc desc = desc_number(d);
        size_t step = desc.fit == MEMMGR_FIT_GOOD ? 16 : 464;
        for (size_t size = 1; size <= 32768; size += size < 4096 ? step : 5 * step) {
            memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
            REQUIRE(pool != NULL);
            fill_whole(pool, size, size);
            for (int i = 0; i < 20; i++)
                refit(pool, test_below(block_count));
            CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
            blocks_free(pool, 3);
            memmgr_pool_destroy(pool);
        }
    }
    CHECK_SILENT();
    buffer_drop(&buffer);
}

static void test_pool_refits_mixes(void) {
    for (size_t round = 0; round < 40; round++) {
        memmgr_pool_desc desc = desc_number(round % DESCS);
        size_t size = test_log_uniform(1024, desc.fit == MEMMGR_FIT_GOOD ? 262144 : 16384);
        test_buffer buffer = buffer_new(size, test_below(64));
        memmgr_pool *pool = memmgr_pool_init(buffer.at, size, &desc);
        REQUIRE(pool != NULL);
        for (int again = 0; again < 3; again++) {
            fill_whole(pool, 1 + test_below(100), 200 + test_below(size / 4));
            for (size_t i = 0; i < test_count(1000); i++)
                refit(pool, test_below(block_count));
            CHECK(pool_agrees(pool));
            blocks_shuffle();
            while (block_count > 1 && test_below(64) != 0) {
                memmgr_pool_free(pool, blocks[--block_count]);
            }
        }
        blocks_free(pool, 3);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        buffer_drop(&buffer);
    }
}

// Among many holes that are a granule too short.
static void refit_among_near_misses(const memmgr_pool_desc *desc, size_t size) {
    test_buffer buffer = buffer_new(48 * size, test_below(64));
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, desc);
    void *exact[3], *misses[24];
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < 24; i++) {
        if (i % 8 == 4) exact[i / 8] = memmgr_pool_alloc(pool, size);
        blocks[block_count++] = memmgr_pool_alloc(pool, 256);
        misses[i] = memmgr_pool_alloc(pool, size - GRANULE);
        blocks[block_count++] = memmgr_pool_alloc(pool, 256);
        REQUIRE(misses[i] && blocks[block_count - 1] && blocks[block_count - 2]);
    }
    fill_whole(pool, 4096, 4096);
    for (size_t i = 0; i < 24; i++)
        CHECK_EQUAL(memmgr_pool_free(pool, misses[i]), MEMMGR_OK);
    for (size_t i = 0; i < 12; i++) {
        REQUIRE(exact[i % 3] != NULL);
        CHECK_EQUAL(memmgr_pool_free(pool, exact[i % 3]), MEMMGR_OK);
        exact[i % 3] = memmgr_pool_alloc(pool, size);
        CHECK(exact[i % 3] != NULL);
    }
    CHECK(pool_agrees(pool));
    for (size_t i = 0; i < 3; i++)
        blocks[block_count++] = exact[i];
    blocks_free(pool, 3);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&buffer);
}

static void test_pool_refits_among_near_misses(void) {
    reports_start();
    for (size_t d = 0; d < DESCS; d++) {
        memmgr_pool_desc desc = desc_number(d);
        for (size_t size = 1024; size <= 20000; size += 16 + size / 4 / GRANULE * GRANULE) {
            refit_among_near_misses(&desc, size);
        }
    }
    CHECK_SILENT();
}

// A run that is long enough is found, before or behind many that are nearly.
static void find_long_run(const memmgr_pool_desc *desc, size_t place) {
    const size_t mib = (size_t)1 << 20;
    test_buffer buffer = buffer_new(20 * mib, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, desc);
    void *runs[13];
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < 13; i++) {
        runs[i] = memmgr_pool_alloc(pool, i == place ? mib * 19 / 10 : mib * 11 / 10);
        blocks[block_count++] = memmgr_pool_alloc(pool, 12288);
        REQUIRE(runs[i] && blocks[block_count - 1]);
    }
    blocks_fill(pool, 60000, 60000);
    blocks_fill(pool, 3000, 3000);
    CHECK_EQUAL(memmgr_pool_free(pool, runs[place]), MEMMGR_OK);
    for (size_t i = 0; i < 13; i++) {
        if (i != place) CHECK_EQUAL(memmgr_pool_free(pool, runs[i]), MEMMGR_OK);
    }
    CHECK(memmgr_pool_largest_free(pool) >= mib * 19 / 10);
    void *found = memmgr_pool_alloc(pool, mib * 3 / 2);
    CHECK(found != NULL && (!SWITCH_ON || found == runs[place]));
    CHECK(pool_agrees(pool));
    CHECK_EQUAL(memmgr_pool_free(pool, found), MEMMGR_OK);
    blocks_free(pool, 0);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&buffer);
}

static void test_pool_finds_a_long_run(void) {
    reports_start();
    for (size_t d = 0; d < DESCS; d++) {
        memmgr_pool_desc desc = desc_number(d);
        find_long_run(&desc, 0);
        find_long_run(&desc, 6);
        find_long_run(&desc, 12);
    }
    CHECK_SILENT();
}

typedef struct {
    void *at;
    size_t size, alignment;
} aligned_block;

static void test_pool_refits_aligned(void) {
    static aligned_block aligned[4096];
    for (size_t round = 0; round < 40; round++) {
        memmgr_pool_desc desc = desc_number(round % DESCS);
        test_buffer buffer = buffer_new(65536, test_below(64));
        memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
        size_t count = 0;
        REQUIRE(pool != NULL);
        for (size_t misses = 0; misses < 20 && count < 4096;) {
            aligned_block *block = &aligned[count];
            block->size = test_log_uniform(1, 3000);
            block->alignment = (size_t)1 << test_below(11);
            block->at = memmgr_pool_aligned_alloc(pool, block->alignment, block->size);
            if (block->at)
                count++;
            else
                misses++;
        }
        blocks_fill(pool, 1, 1);
        for (size_t i = 0; i < test_count(1000) && count; i++) {
            aligned_block *block = &aligned[test_below(count)];
            CHECK_EQUAL(memmgr_pool_free(pool, block->at), MEMMGR_OK);
            block->at = memmgr_pool_aligned_alloc(pool, block->alignment, block->size);
            if (CHECK(block->at != NULL)) continue;
            *block = aligned[--count];
        }
        CHECK(pool_agrees(pool));
        while (count)
            memmgr_pool_free(pool, aligned[--count].at);
        blocks_free(pool, 2);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        buffer_drop(&buffer);
    }
}

// --- Realloc -------------------------------------------------------------------------------------

// Into all of the free memory behind it and back, for a live block that has some.
static void resize_in_place(memmgr_pool *pool, const memmgr_block *live, size_t room) {
    void *block = pointer_plus(live->address, 0);
    pattern_fill(block, live->size, live->size);
    for (int i = 0; i < 3; i++) {
        size_t more = live->size + room - test_below(GRANULE);
        size_t less = 1 + test_below(live->size);
        CHECK(memmgr_pool_realloc(pool, block, more) == block);
        CHECK_EQUAL(memmgr_pool_usable_size(pool, block), live->size + room);
        CHECK(pattern_holds(block, live->size, live->size));
        CHECK(memmgr_pool_realloc(pool, block, less) == block);
        CHECK_EQUAL(memmgr_pool_usable_size(pool, block), granules_up(less));
        CHECK(memmgr_pool_realloc(pool, block, live->size) == block);
        CHECK(pattern_holds(block, less / 8 * 8, live->size));
        pattern_fill(block, live->size, live->size);
    }
}

static void test_pool_realloc_in_place(void) {
    for (size_t d = 0; d < DESCS && SWITCH_ON; d++) {
        memmgr_pool_desc desc = desc_number(d);
        test_buffer buffer = buffer_new(300000, 0);
        memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
        size_t resized = 0;
        REQUIRE(pool != NULL);
        blocks_fill(pool, 300, 6000);
        blocks_shuffle();
        while (block_count > 40)
            memmgr_pool_free(pool, blocks[--block_count]);
        CHECK(walk_pool(pool));
        walk_merge();
        for (size_t i = 0; i + 1 < walked.count; i++) {
            const memmgr_block *live = &walked.block[i], *behind = live + 1;
            if (!live->live || behind->live) continue;
            resize_in_place(pool, live, behind->size);
            resized++;
        }
        CHECK(resized > 10 && pool_agrees(pool));
        blocks_free(pool, 3);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        buffer_drop(&buffer);
    }
}

// A realloc that fails leaves the block; one that shrinks never fails.
static void test_pool_realloc_when_full(void) {
    test_buffer buffer = buffer_new(16384, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
    memmgr_stats before, after;
    reports_start();
    REQUIRE(pool != NULL);
    blocks_fill(pool, 480, 480);
    blocks_fill(pool, 1, 1);
    pattern_fill(blocks[0], 480, 7);
    memmgr_pool_stats(pool, &before);
    CHECK(memmgr_pool_realloc(pool, blocks[0], 600) == NULL);
    CHECK(memmgr_pool_realloc(pool, blocks[0], opaque(SIZE_MAX)) == NULL);
    memmgr_pool_stats(pool, &after);
    CHECK_EQUAL(after.failures, before.failures + 2);
    after.failures = before.failures;
    CHECK(stats_equal(&before, &after));
    CHECK(pattern_holds(blocks[0], 480, 7));
    for (size_t size = 480; size > 0; size -= 15) {
        blocks[0] = memmgr_pool_realloc(pool, blocks[0], size);
        REQUIRE(blocks[0] != NULL);
        CHECK(pattern_holds(blocks[0], size / 8 * 8, 7));
    }
    blocks[0] = memmgr_pool_realloc(pool, blocks[0], 0);
    CHECK(blocks[0] != NULL && memmgr_pool_usable_size(pool, blocks[0]) == GRANULE);
    CHECK(pool_agrees(pool));
    CHECK_SILENT();
    blocks_free(pool, 0);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&buffer);
}

static void test_pool_realloc_of_null_allocates(void) {
    test_buffer buffer = buffer_new(4096, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
    reports_start();
    REQUIRE(pool != NULL);
    void *block = memmgr_pool_realloc(pool, NULL, 100);
    void *empty = memmgr_pool_realloc(pool, NULL, 0);
    CHECK(block && empty && block != empty);
    CHECK_EQUAL(memmgr_pool_usable_size(pool, block), 112);
    CHECK_EQUAL(memmgr_pool_usable_size(pool, empty), 16);
    CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_free(pool, empty), MEMMGR_OK);
    CHECK(pool_agrees(pool));
    CHECK_SILENT();
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&buffer);
}

// --- Alignment -----------------------------------------------------------------------------------

static void align(memmgr_pool *pool, size_t alignment) {
    static const size_t sizes[] = {0, 1, 16, 100, 5000, 100000};
    size_t free_before = memmgr_pool_bytes_free(pool);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *block = memmgr_pool_aligned_alloc(pool, alignment, sizes[i]);
        if (!CHECK(block && is_aligned(block, alignment) && is_aligned(block, GRANULE))) continue;
        CHECK_EQUAL(memmgr_pool_usable_size(pool, block), granules_up(sizes[i]));
        memset(block, 0xFF, granules_up(sizes[i]));
        CHECK(pool_agrees(pool));
        CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
        CHECK_EQUAL(memmgr_pool_bytes_free(pool), free_before);
    }
}

static void test_pool_alignment(void) {
    reports_start();
    for (size_t d = 0; d < DESCS; d++) {
        memmgr_pool_desc desc = desc_number(d);
        test_buffer buffer = buffer_new((size_t)12 << 20, test_below(4096));
        memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
        REQUIRE(pool != NULL);
        for (int dirt = 0; dirt < 2; dirt++) {
            for (int shift = 0; shift <= 22; shift++)
                align(pool, (size_t)1 << shift);
            for (int i = 0; i < 100; i++) {
                blocks[block_count++] = memmgr_pool_alloc(pool, test_log_uniform(1, 5000));
            }
        }
        blocks_free(pool, 3);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        buffer_drop(&buffer);
    }
    CHECK_SILENT();
}

// --- A pool's life -------------------------------------------------------------------------------

static void test_pool_reset(void) {
    for (size_t d = 0; d < DESCS; d++) {
        memmgr_pool_desc desc = desc_number(d);
        test_buffer buffer = buffer_new(40000, 3);
        memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
        memmgr_stats stats;
        reports_start();
        REQUIRE(pool != NULL);
        size_t largest = memmgr_pool_largest_free(pool);
        for (int again = 0; again < 5; again++) {
            blocks_fill(pool, 1, 1000);
            void *old = blocks[test_below(block_count)];
            block_count = 0;
            memmgr_pool_reset(pool);
            CHECK_SILENT();
            memmgr_pool_stats(pool, &stats);
            CHECK_EQUAL(stats.live_blocks, 0);
            CHECK_EQUAL(stats.used, 0);
            CHECK_EQUAL(stats.largest_free, largest);
            CHECK(pool_agrees(pool));
            CHECK(!memmgr_pool_owns(pool, old));
            if (!SWITCH_ON) continue;
            CHECK_EQUAL(memmgr_pool_free(pool, old), MEMMGR_DOUBLE_FREE);
            CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
        }
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        buffer_drop(&buffer);
    }
}

// Without a destroy, over live blocks, and with another size.
static void test_pool_init_again(void) {
    test_buffer buffer = buffer_new(20000, 0);
    size_t first = 0;
    reports_start();
    for (int again = 0; again < 10 && SWITCH_ON; again++) {
        size_t size = again % 2 ? buffer.size : 5000;
        memmgr_pool *pool = memmgr_pool_init(buffer.at, size, NULL);
        REQUIRE(pool != NULL);
        CHECK_EQUAL(memmgr_pool_bytes_used(pool), 0);
        if (again == 1) first = memmgr_pool_largest_free(pool);
        if (again % 2) CHECK_EQUAL(memmgr_pool_largest_free(pool), first);
        blocks_fill(pool, 1, 500);
        CHECK(pool_agrees(pool));
        for (size_t i = 0; i < block_count; i++)
            memset(blocks[i], 0xFF, 1);
        block_count = 0;
    }
    CHECK_SILENT();
    buffer_drop(&buffer);
}

// A pool in a buffer may be carried elsewhere. The old place is spoilt, so that a pointer into it
// would show.
static void test_pool_moved(void) {
    enum { SIZE = 65536 };
    static size_t sizes[512];
    test_buffer place = buffer_new(SIZE, 0);
    memmgr_pool *pool = memmgr_pool_init(place.at, SIZE, NULL);
    reports_start();
    REQUIRE(pool != NULL);
    for (int move = 0; move < 20 && SWITCH_ON; move++) {
        while (block_count < 300) {
            size_t size = test_log_uniform(1, 300);
            blocks[block_count] = memmgr_pool_alloc(pool, size);
            if (!blocks[block_count]) break;
            sizes[block_count] = granules_up(size);
            pattern_fill(blocks[block_count], sizes[block_count], block_count);
            block_count++;
        }
        test_buffer next = buffer_new(SIZE, 0);
        intptr_t distance = (intptr_t)((uintptr_t)next.at - (uintptr_t)place.at);
        memcpy(next.at, place.at, SIZE);
        memset(place.at, 0xDE, SIZE);
        buffer_drop(&place);
        place = next;
        pool = (memmgr_pool *)pointer_plus(pool, distance);
        for (size_t i = 0; i < block_count; i++) {
            blocks[i] = pointer_plus(blocks[i], distance);
            CHECK(pattern_holds(blocks[i], sizes[i], i));
        }
        CHECK(pool_agrees(pool));
        for (int i = 0; i < 100; i++) {
            CHECK_EQUAL(memmgr_pool_free(pool, blocks[--block_count]), MEMMGR_OK);
        }
        CHECK(pool_agrees(pool));
    }
    CHECK_SILENT();
    blocks_free(pool, 3);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&place);
}

static void test_pool_created(void) {
#ifndef MEMMGR_NO_OS
    static const size_t capacities[] = {1, 1024, 4096, 65536, 1000000, (size_t)8 << 20};
    reports_start();
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        memmgr_pool *pool = memmgr_pool_create(capacities[i], NULL);
        memmgr_stats stats;
        REQUIRE(pool != NULL);
        memmgr_pool_stats(pool, &stats);
        CHECK(stats.capacity >= capacities[i]);
        void *block = memmgr_pool_alloc(pool, capacities[i] / 2);
        if (CHECK(block != NULL)) memset(block, 1, capacities[i] / 2);
        CHECK(pool_agrees(pool));
        CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    }
    // Without the switch a pool takes no memory before its blocks do.
    for (size_t less = 0; less < 10000 && SWITCH_ON; less += 100) {
        CHECK(memmgr_pool_create(opaque(SIZE_MAX) - less, NULL) == NULL);
        if (sizeof(size_t) < 8) continue; // half of the address space may be there
        CHECK(memmgr_pool_create(opaque(SIZE_MAX / 2) + 5000 - less, NULL) == NULL);
    }
    CHECK_SILENT();
#endif
}

enum { LEAKS_SEEN = 32 };
static memmgr_report leaks[LEAKS_SEEN];
static size_t leak_count;

static void leak_record(const memmgr_report *report, void *ctx) {
    (void)ctx;
    if (leak_count < LEAKS_SEEN) leaks[leak_count] = *report;
    leak_count++;
}

// Is every block but the last one report named once?
static void check_leaks(size_t count, size_t size) {
    size_t named = count < 16 ? count : 16;
    CHECK_EQUAL(leak_count, count > 16 ? 17 : count);
    for (size_t i = 0; i < leak_count; i++)
        CHECK_EQUAL(leaks[i].error, MEMMGR_LEAK);
    for (size_t i = 0; i < named; i++) {
        size_t found = 0;
        for (size_t k = 0; k < block_count; k++)
            found += leaks[i].block == blocks[k];
        CHECK_EQUAL(found, 1);
        CHECK_EQUAL(leaks[i].size, size);
        for (size_t k = 0; k < i; k++)
            CHECK(leaks[k].block != leaks[i].block);
    }
}

static void test_pool_leaks(void) {
    static const size_t counts[] = {0, 1, 2, 15, 16, 17, 18, 100};
    memmgr_set_error_handler(leak_record, NULL);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        test_buffer buffer = buffer_new(32768, 0);
        memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
        REQUIRE(pool != NULL);
        for (size_t k = 0; k < counts[i]; k++) {
            void *freed = memmgr_pool_alloc(pool, 40);
            blocks[block_count++] = memmgr_pool_alloc(pool, 48);
            memmgr_pool_free(pool, freed);
        }
        leak_count = 0;
        CHECK_EQUAL(memmgr_pool_destroy(pool), counts[i]);
        check_leaks(counts[i], 48);
        block_count = 0;
        buffer_drop(&buffer);
    }
    CHECK_EQUAL(memmgr_pool_destroy(NULL), 0);
}

// --- Contents ------------------------------------------------------------------------------------

static void test_pool_fill(void) {
    for (size_t d = 0; d < DESCS; d++) {
        memmgr_pool_desc desc = desc_number(d);
        desc.flags |= MEMMGR_POOL_FILL;
        test_buffer buffer = buffer_new(65536, 0);
        memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
        REQUIRE(pool != NULL);
        for (int i = 0; i < 300; i++) {
            size_t size = test_log_uniform(1, 3000);
            size_t alignment = (size_t)1 << test_below(9);
            unsigned char *block =
                (unsigned char *)memmgr_pool_aligned_alloc(pool, alignment, size);
            REQUIRE(block != NULL);
            CHECK(SMALL || bytes_are(block, granules_up(size), 0xCC));
            memset(block, 0x11, granules_up(size));
            unsigned char *zeroed = (unsigned char *)memmgr_pool_calloc(pool, 1, size);
            CHECK(zeroed && bytes_are(zeroed, size, 0));
            memmgr_pool_free(pool, block);
            // The ends of a free block are the pool's to use.
            if (SWITCH_ON && !SMALL && size > 32)
                CHECK(bytes_are(block + 16, granules_up(size) - 32, 0xDD));
            memmgr_pool_free(pool, zeroed);
        }
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        buffer_drop(&buffer);
    }
}

static void test_pool_calloc_is_zero(void) {
    for (size_t d = 0; d < DESCS; d++) {
        memmgr_pool_desc desc = desc_number(d);
        test_buffer buffer = buffer_new(65536, 0);
        memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
        REQUIRE(pool != NULL);
        for (int round = 0; round < 10; round++) {
            blocks_fill(pool, 1, 2000);
            for (size_t i = 0; i < block_count; i++) {
                memset(blocks[i], 0xFF, memmgr_pool_usable_size(pool, blocks[i]));
            }
            blocks_free(pool, 3);
            for (int i = 0; i < 50; i++) {
                size_t count = 1 + test_below(20), size = test_below(50);
                void *block = memmgr_pool_calloc(pool, count, size);
                REQUIRE(block != NULL);
                CHECK(bytes_are(block, count * size, 0));
                blocks[block_count++] = block;
            }
            blocks_free(pool, 3);
        }
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        buffer_drop(&buffer);
    }
}

static bool stop_at(const memmgr_block *block, void *ctx) {
    size_t *left = (size_t *)ctx;
    (void)block;
    return --*left > 0;
}

static void test_pool_walk_stops(void) {
    test_buffer buffer = buffer_new(8192, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
    REQUIRE(pool != NULL);
    blocks_fill(pool, 300, 300);
    for (size_t stop = 1; stop <= block_count; stop++) {
        size_t left = stop;
        CHECK(!memmgr_pool_walk(pool, stop_at, &left));
        CHECK_EQUAL(left, 0);
    }
    blocks_free(pool, 0);
    memmgr_pool_destroy(pool);
    buffer_drop(&buffer);
}

static void test_pool_owns(void) {
    test_buffer buffer = buffer_new(16384, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
    reports_start();
    REQUIRE(pool != NULL);
    blocks_fill(pool, 1, 600);
    for (size_t i = 0; i < block_count; i++) {
        size_t size = memmgr_pool_usable_size(pool, blocks[i]);
        CHECK(memmgr_pool_owns(pool, blocks[i]));
        for (size_t inside = 1; inside < size; inside++) {
            CHECK(!memmgr_pool_owns(pool, pointer_plus(blocks[i], (intptr_t)inside)));
        }
    }
    void *freed = blocks[--block_count];
    memmgr_pool_free(pool, freed);
    CHECK(!memmgr_pool_owns(pool, freed));
    CHECK(!memmgr_pool_owns(pool, NULL) && !memmgr_pool_owns(pool, pool));
    CHECK(!memmgr_pool_owns(pool, &buffer));
    CHECK_SILENT();
    blocks_free(pool, 3);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&buffer);
}

// --- Damage --------------------------------------------------------------------------------------

// One bit of the pool's own data is turned over, and back after the audit. Whether it was found.
static bool audit_damaged(memmgr_pool *pool, size_t at, unsigned bit) {
    unsigned char *byte = (unsigned char *)pointer_plus(pool, (intptr_t)at);
    bool pool_gone = false;
#ifdef USE_MEMORY_MGR
    size_t in_magic = at - offsetof(struct memmgr_pool, magic);
    pool_gone = in_magic < sizeof pool->magic;
#endif
    *byte ^= (unsigned char)(1u << bit);
    memmgr_error error = memmgr_pool_check(pool);
    *byte ^= (unsigned char)(1u << bit);
    CHECK_EQUAL(reports.count, error == MEMMGR_OK ? 0 : 1);
    bool known = error == MEMMGR_OK || error == MEMMGR_CORRUPT;
    if (!CHECK(pool_gone ? error == MEMMGR_BAD_ARGUMENT : known))
        printf("        byte %lu, bit %u\n", (unsigned long)at, bit);
    reports.count = 0;
    return error != MEMMGR_OK;
}

// All bits of the first kilobyte, and some of the others in front of the first block.
static void audit_damage(size_t size, size_t largest, size_t flips) {
    test_buffer buffer = buffer_new(size, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, size, NULL);
    size_t found = 0, done = 0;
    REQUIRE(pool != NULL);
    CHECK(walk_pool(pool) && walked.count == 1);
    size_t front = (uintptr_t)walked.block[0].address - (uintptr_t)pool;
    for (int i = 0; i < 200; i++) {
        void *block = memmgr_pool_alloc(pool, test_log_uniform(1, largest));
        if (block) blocks[block_count++] = block;
    }
    blocks_shuffle();
    for (size_t left = block_count / 2; block_count > left;)
        CHECK_EQUAL(memmgr_pool_free(pool, blocks[--block_count]), MEMMGR_OK);
    reports_start();
    for (size_t at = 0; at < front && at < 1024; at++) {
        for (unsigned bit = 0; bit < 8; bit++, done++)
            found += audit_damaged(pool, at, bit);
    }
    for (size_t i = 0; i < test_count(flips); i++, done++)
        found += audit_damaged(pool, test_below(front), (unsigned)test_below(8));
    CHECK(found > done / 4);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    blocks_free(pool, 3);
    CHECK(pool_agrees(pool));
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    buffer_drop(&buffer);
}

// The audit itself survives any damage.
static void test_pool_check_damaged(void) {
    if (!SWITCH_ON) return;
    audit_damage(32768, 500, 2000);
    audit_damage((size_t)2 << 20, 20000, 4000);
}

static const test_case tests[] = {
    TEST(test_pool_of_1024_bytes),
    TEST(test_pool_exhaustion),
    TEST(test_pool_room_grows),
    TEST(test_pool_refits_every_size),
    TEST(test_pool_refits_mixes),
    TEST(test_pool_refits_aligned),
    TEST(test_pool_refits_among_near_misses),
    TEST(test_pool_finds_a_long_run),
    TEST(test_pool_realloc_in_place),
    TEST(test_pool_realloc_when_full),
    TEST(test_pool_realloc_of_null_allocates),
    TEST(test_pool_alignment),
    TEST(test_pool_reset),
    TEST(test_pool_init_again),
    TEST(test_pool_moved),
    TEST(test_pool_created),
    TEST(test_pool_leaks),
    TEST(test_pool_fill),
    TEST(test_pool_calloc_is_zero),
    TEST(test_pool_walk_stops),
    TEST(test_pool_owns),
    TEST(test_pool_check_damaged),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
