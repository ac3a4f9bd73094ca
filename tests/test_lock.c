// test_lock.c: where the program brings the lock. It is taken for general calls and for pools with
// MEMMGR_POOL_LOCKED, never twice at once, always given back, and never held when a report is made.
static int lock_depth, lock_deepest, lock_lowest;
static unsigned long lock_count;

void lock_take(void);
void lock_give(void);

void lock_take(void) {
    if (++lock_depth > lock_deepest) lock_deepest = lock_depth;
    lock_count++;
}

void lock_give(void) {
    if (--lock_depth < lock_lowest) lock_lowest = lock_depth;
}

#define MEMMGR_LOCK() lock_take()
#define MEMMGR_UNLOCK() lock_give()
#include "support.h"

static size_t reported;

static void handler(const memmgr_report *report, void *ctx) {
    (void)report;
    (void)ctx;
    CHECK_EQUAL(lock_depth, 0);
    reported++;
}

static void lock_start(void) {
    lock_depth = lock_deepest = lock_lowest = 0;
    lock_count = 0;
    reported = 0;
    memmgr_set_error_handler(handler, NULL);
}

static void lock_check(unsigned long least) {
    CHECK_EQUAL(lock_depth, 0);
    CHECK_EQUAL(lock_lowest, 0);
    CHECK(lock_deepest <= 1);
    if (SWITCH_ON) CHECK(lock_count >= least);
}

static void use_pool(memmgr_pool *pool) {
    memmgr_stats stats;
    void *block = memmgr_pool_alloc(pool, 100);
    void *other = memmgr_pool_calloc(pool, 3, 100);
    void *third = memmgr_pool_aligned_alloc(pool, 256, 100);
    block = memmgr_pool_realloc(pool, block, 3000);
    CHECK(block && other && third);
    CHECK(memmgr_pool_alloc(pool, opaque(SIZE_MAX)) == NULL);
    memmgr_pool_usable_size(pool, block);
    memmgr_pool_owns(pool, block);
    memmgr_pool_stats(pool, &stats);
    CHECK(pool_agrees(pool));
    CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
    if (SWITCH_ON) {
        CHECK_EQUAL(memmgr_pool_free(pool, pointer_plus(block, 0)), MEMMGR_DOUBLE_FREE);
        CHECK(memmgr_pool_realloc(pool, &block, 10) == NULL);
        CHECK_EQUAL(memmgr_pool_usable_size(pool, &block), 0);
        CHECK(memmgr_pool_aligned_alloc(pool, opaque(3), 10) == NULL);
        CHECK_EQUAL(reported, 4);
    }
    memmgr_pool_free(pool, other);
}

static void test_lock_of_pools(void) {
    test_buffer buffer = buffer_new(16384, 0);
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_LOCKED);
    lock_start();
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
    REQUIRE(pool != NULL);
    use_pool(pool);
    lock_check(8);
    memmgr_pool_reset(pool);
    memmgr_pool_alloc(pool, 1);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 1);
    lock_check(9);
    buffer_drop(&buffer);
}

// A pool for one thread takes no lock.
static void test_lock_of_no_pool(void) {
    test_buffer buffer = buffer_new(16384, 0);
    lock_start();
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
    REQUIRE(pool != NULL);
    use_pool(pool);
    memmgr_pool_reset(pool);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_EQUAL(lock_count, 0);
    buffer_drop(&buffer);
}

static void test_lock_of_general_calls(void) {
    memmgr_stats stats;
    lock_start();
    void *block = memmgr_malloc(100);
    void *zeroed = memmgr_calloc(10, 100);
    void *aligned = memmgr_aligned_alloc(128, 256);
    block = memmgr_realloc(block, 5000);
    CHECK(block && zeroed && aligned);
    CHECK(memmgr_usable_size(block) >= 5000);
    CHECK(kept(memmgr_malloc(opaque(SIZE_MAX))) == NULL);
    memmgr_stats_get(&stats);
    memmgr_free(block);
    if (SWITCH_ON) {
        memmgr_free(pointer_plus(block, 0));
        CHECK(memmgr_realloc(pointer_plus(zeroed, 16), 10) == NULL);
        CHECK_EQUAL(memmgr_usable_size(&block), 0);
        CHECK(memmgr_aligned_alloc(opaque(3), 10) == NULL);
        CHECK_EQUAL(reported, 4);
    }
    memmgr_free(zeroed);
    memmgr_free_sized(aligned, 256);
    memmgr_trim();
    lock_check(8);
}

static const test_case tests[] = {
    TEST(test_lock_of_pools),
    TEST(test_lock_of_no_pool),
    TEST(test_lock_of_general_calls),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
