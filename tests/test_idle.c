// test_idle.c: memory that has been idle goes back to the system while a program does little, as a
// server does after its load has ended. Time is the test's own.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // clock_gettime() under a strict -std=c11
#endif

#if defined(USE_MEMORY_MGR) && !defined(MEMMGR_NO_THREADS) && defined(__linux__)
#include <time.h>
#include <unistd.h>

static time_t seconds_now = 1;

static inline int own_clock(clockid_t clock, struct timespec *now) {
    (void)clock;
    now->tv_sec = seconds_now;
    now->tv_nsec = 0;
    return 0;
}
#define clock_gettime own_clock
#define HAVE_CLOCK 1
#else
#define HAVE_CLOCK 0
#endif

#define MEMMGR_IMPLEMENTATION
#include "../memmgr.h"

#include "test.h"

#if HAVE_CLOCK

enum { BLOCKS = 30000, BLOCK = 1000, STEPS = 6, UNIT = 65536 };

static void *blocks[BLOCKS];

static size_t idle_bytes(void) { return mmi_arena_all.idle.count * UNIT; }

static void churn_small_blocks(void) {
    for (int step = 0; step < STEPS; step++, seconds_now++) {
        for (int i = 0; i < 1500; i++)
            blocks[i] = memmgr_malloc(16);
        for (int i = 0; i < 1500; i++)
            memmgr_free(blocks[i]);
    }
}

static size_t resident_bytes(void) {
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2) FAIL("/proc/self/statm");
    if (file) fclose(file);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

// Many small blocks, all of them freed but one, which keeps its slab.
static void *fill_and_free(void) {
    void *kept = memmgr_malloc(16);
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = memmgr_malloc(BLOCK);
    for (int i = 0; i < BLOCKS; i++)
        memmgr_free(blocks[i]);
    CHECK(idle_bytes() > (size_t)BLOCKS * BLOCK / 2);
    return kept;
}

static size_t slab_bytes(void) {
    size_t units = 0;
    for (size_t i = 0; i < mmi_arena_all.count; i++)
        units += mmi_arena_at(i)->used;
    return units * UNIT;
}

static void check_given_back(void *kept) {
    CHECK(idle_bytes() < (size_t)BLOCKS * BLOCK / 20);
    memmgr_free(kept);
}

// Blocks that have nothing to do with units.
static void test_idle_goes_back_beside_large_blocks(void) {
    void *kept = fill_and_free();
    for (int step = 0; step < STEPS; step++, seconds_now++)
        for (int i = 0; i < 20; i++) // some of it each time
            memmgr_free(memmgr_malloc(50000));
    check_given_back(kept);
}

// Blocks from slabs that a heap has already: no unit is taken, and none is left.
static void test_idle_goes_back_beside_small_blocks(void) {
    void *kept = fill_and_free();
    churn_small_blocks();
    check_given_back(kept);
}

// Each of a heap's cached blocks may lie in a slab of its own, which is empty but for that.
static void test_idle_goes_back_from_below_cached_blocks(void) {
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = memmgr_malloc(200 + i % 20 * 100);
    size_t filled = slab_bytes();
    for (size_t i = BLOCKS - 1; i > 0; i--) {
        size_t other = (size_t)(test_random() % (i + 1));
        void *block = blocks[i];
        blocks[i] = blocks[other];
        blocks[other] = block;
    }
    for (int i = 0; i < BLOCKS; i++)
        memmgr_free(blocks[i]);
    for (int step = 0; step < STEPS; step++, seconds_now++)
        for (int i = 0; i < 20; i++) // some of it each time
            memmgr_free(memmgr_malloc(50000));
    CHECK(idle_bytes() + slab_bytes() < filled / 10);
}

// Small blocks alone: what the large ones have left goes back, too.
static void test_idle_large_goes_back_beside_small_blocks(void) {
    enum { COUNT = 30 };
    void *kept = memmgr_malloc(16), *last, *between[COUNT / 10];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = memmgr_malloc(1 << 20);
        if (CHECK(blocks[i])) memset(blocks[i], 1, 1 << 20);
    }
    last = memmgr_malloc(1 << 20);
    for (int i = 0; i < COUNT; i++)
        if (i % 10 != 5) // several runs, each more than goes at once
            memmgr_free(blocks[i]);
        else
            between[i / 10] = blocks[i];
    size_t before = resident_bytes();
    churn_small_blocks();
    CHECK(resident_bytes() + (size_t)COUNT / 2 * (1 << 20) < before);
    for (int i = 0; i < COUNT / 10; i++)
        memmgr_free(between[i]);
    memmgr_free(last);
    memmgr_free(kept);
}

// It goes in portions; what is needed again in between stays.
static void test_idle_goes_in_portions(void) {
    void *kept = fill_and_free();
    size_t before = idle_bytes(), steps = 0;
    seconds_now++;
    mmi_heap_visit(mmi_heap_mine);
    seconds_now++;
    mmi_heap_visit(mmi_heap_mine);
    CHECK(mmi_arena_all.due != 0 && idle_bytes() < before && idle_bytes() > before / 2);
    for (int i = 0; i < BLOCKS / 2; i++)
        blocks[i] = memmgr_malloc(BLOCK);
    for (int i = 0; i < BLOCKS / 2; i++)
        memmgr_free(blocks[i]);
    for (; mmi_arena_all.due != 0 && steps < 100; steps++) {
        mmi_heap_visit(mmi_heap_mine);
        CHECK(mmi_arena_all.due <= mmi_arena_all.least_idle);
    }
    CHECK(steps < 100);
    for (int step = 0; step < 100; step++, seconds_now++)
        mmi_heap_visit(mmi_heap_mine);
    check_given_back(kept);
}

// What a program needs again within a second stays.
static void test_idle_stays_for_who_needs_it(void) {
    memmgr_free(fill_and_free());
    for (int step = 0; step < STEPS; step++, seconds_now++) {
        memmgr_free(fill_and_free());
        for (int i = 0; i < 20; i++) // some of it each time
            memmgr_free(memmgr_malloc(50000));
        CHECK(idle_bytes() > (size_t)BLOCKS * BLOCK / 2);
    }
}

#endif

static const test_case tests[] = {
#if HAVE_CLOCK

    TEST(test_idle_goes_back_beside_large_blocks),
    TEST(test_idle_goes_back_beside_small_blocks),
    TEST(test_idle_goes_back_from_below_cached_blocks),
    TEST(test_idle_large_goes_back_beside_small_blocks),
    TEST(test_idle_goes_in_portions),
    TEST(test_idle_stays_for_who_needs_it),
#endif
    {NULL, NULL},
};

int main(int argc, char **argv) {
    return test_main(tests, sizeof tests / sizeof *tests - 1, argc, argv);
}
