// test_bound.c: in a buffer of memmgr_pool_size_for(live, block) bytes no sequence of requests
// within these bounds ever fails. The sequences here are those that are known to break up memory
// best.
#include "support.h"

enum { HELD_MAX = 1 << 16, BUFFER_MAX = 32 << 20 };

typedef struct {
    unsigned char *at;
    size_t size; // rounded up to granules
} held_block;

static held_block held[HELD_MAX];
static size_t held_count, held_bytes;
static test_buffer buffer;
static memmgr_pool *pool;

// False where the buffer would be too large for a test.
static bool bound_open(size_t live, size_t largest) {
    size_t size = memmgr_pool_size_for(live, largest);
    held_count = held_bytes = 0;
    if (live <= 4096) CHECK(size > live);
    if (size <= live || size > BUFFER_MAX) return false;
    buffer = buffer_new(size, test_below(32));
    pool = memmgr_pool_init(buffer.at, size, NULL);
    return CHECK(pool != NULL);
}

static void hold(size_t size) {
    unsigned char *at = (unsigned char *)memmgr_pool_alloc(pool, size);
    if (!CHECK(at != NULL) || held_count == HELD_MAX) return;
    held[held_count].at = at;
    held[held_count++].size = granules_up(size);
    held_bytes += granules_up(size);
}

static void let_go(size_t index) {
    CHECK_EQUAL(memmgr_pool_free(pool, held[index].at), MEMMGR_OK);
    held_bytes -= held[index].size;
    held[index] = held[--held_count];
}

static void bound_close(void) {
    while (held_count)
        let_go(held_count - 1);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&buffer);
}

// Does the block cover an address that is `offset` past a multiple of `period`?
static bool covers(const held_block *block, const unsigned char *origin, size_t offset,
                   size_t period) {
    size_t from = (size_t)((uintptr_t)block->at - (uintptr_t)origin);
    size_t ahead = (offset - from) & (period - 1); // whatever wraps: period is a power of two
    return ahead < block->size;
}

// Robson: round i keeps the blocks that lie across the marks which stand 2^i granules apart, where
// the marks are chosen so that the kept blocks are as small as can be, and then fills up with
// blocks of 2^i granules.
static void robson(size_t live, size_t largest) {
    size_t offset = 0;
    while (held_bytes + GRANULE <= live)
        hold(GRANULE);
    const unsigned char *origin = held[0].at;
    for (size_t size = 2 * GRANULE; size <= largest; size *= 2) {
        size_t wasted[2] = {0, 0};
        for (size_t i = 0; i < held_count; i++) {
            for (size_t half = 0; half < 2; half++) {
                if (!covers(&held[i], origin, offset + half * size / 2, size)) continue;
                wasted[half] += size - held[i].size;
            }
        }
        if (wasted[1] > wasted[0]) offset += size / 2;
        for (size_t i = held_count; i > 0; i--) {
            if (!covers(&held[i - 1], origin, offset, size)) let_go(i - 1);
        }
        while (held_bytes + size <= live)
            hold(size);
    }
}

// Sizes that grow a little each time, so that no hole fits the next.
static void staircase(size_t live, size_t largest, size_t keep_every) {
    for (size_t size = GRANULE; size <= largest; size += GRANULE * (1 + size / 512)) {
        for (size_t i = held_count; i > 0; i--) {
            if (i % keep_every != 0) let_go(i - 1);
        }
        while (held_bytes + size <= live)
            hold(size);
    }
}

static void random_phases(size_t live, size_t largest) {
    for (size_t phase = 0; phase < 30; phase++) {
        size_t low = test_log_uniform(1, largest);
        size_t high = low + test_below(largest - low + 1);
        for (size_t misses = 0; misses < 20;) {
            size_t size = low + test_below(high - low + 1);
            if (held_bytes + granules_up(size) <= live)
                hold(size);
            else
                misses++;
        }
        size_t keep = test_below(100);
        for (size_t i = held_count; i > 0; i--) {
            if (test_below(100) >= keep) let_go(i - 1);
        }
    }
}

static void bound(size_t live, size_t largest) {
    if (!bound_open(live, largest)) return;
    for (int again = 0; again < 2; again++)
        robson(live, largest);
    bound_close();
    for (size_t keep_every = 2; keep_every <= 5; keep_every++) {
        if (!bound_open(live, largest)) return;
        staircase(live, largest, keep_every);
        bound_close();
    }
    if (!bound_open(live, largest)) return;
    random_phases(live, largest);
    bound_close();
}

static void test_bound_is_never_reached(void) {
    static const size_t lives[] = {16, 160, 1024, 4096, 20000, 65536, 262144};
    reports_start();
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        for (size_t largest = 16; largest <= lives[i]; largest *= 4) {
            bound(lives[i] / 16 * 16, largest);
            if (test_failures) return;
        }
        bound(lives[i] / 16 * 16, lives[i] / 16 * 16);
    }
    CHECK_SILENT();
}

static void test_bound_of_odd_sizes(void) {
    reports_start();
    for (size_t i = 0; i < test_count(40) && test_failures == 0; i++) {
        size_t live = test_log_uniform(16, 65536);
        size_t largest = test_log_uniform(1, live);
        if (!bound_open(live, largest)) return;
        random_phases(live, largest);
        bound_close();
    }
    CHECK_SILENT();
}

static void test_bound_that_no_buffer_has(void) {
    reports_start();
    CHECK_EQUAL(memmgr_pool_size_for(SIZE_MAX, SIZE_MAX), 0);
    CHECK_EQUAL(memmgr_pool_size_for(SIZE_MAX, 16), 0);
    CHECK_EQUAL(memmgr_pool_size_for(SIZE_MAX - 15, SIZE_MAX / 2), 0);
    for (size_t size = 0; size < 64; size++) {
        CHECK_EQUAL(memmgr_pool_size_for(SIZE_MAX - size, SIZE_MAX - 2 * size), 0);
    }
    CHECK_SILENT();
}

// The smallest: one block, or none.
static void test_bound_of_almost_nothing(void) {
    reports_start();
    for (size_t live = 0; live <= 64; live++) {
        for (size_t largest = 0; largest <= 80; largest++) {
            size_t size = memmgr_pool_size_for(live, largest);
            test_buffer small = buffer_new(size, 1);
            memmgr_pool *one = size ? memmgr_pool_init(small.at, size, NULL) : NULL;
            CHECK(one != NULL || live == 0);
            size_t request = largest < live ? largest : live / GRANULE * GRANULE;
            if (one && granules_up(request) <= live) CHECK(memmgr_pool_alloc(one, request) != NULL);
            buffer_drop(&small);
        }
    }
    CHECK_SILENT();
}

static const test_case tests[] = {
    TEST(test_bound_is_never_reached),
    TEST(test_bound_of_odd_sizes),
    TEST(test_bound_that_no_buffer_has),
    TEST(test_bound_of_almost_nothing),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
