// test_strategy.c: each strategy takes the block that it says, judged by what a walk shows just
// before.
#include "support.h"

enum { HELD_MAX = 2048, ASKED_MAX = 4096 };

static test_buffer buffer;
static memmgr_pool *pool;
static void *held[HELD_MAX];
static size_t held_count;

// What a choose function was asked about, in one call.
typedef struct {
    memmgr_block candidate[ASKED_MAX];
    size_t count;
    size_t size;
    size_t wrong;     // a best that is not the last one taken
    const void *best; // the last one taken
    bool (*prefers)(const memmgr_block *candidate, const memmgr_block *best);
} asked_list;

static asked_list asked;

static bool choose_recorded(const memmgr_block *candidate, const memmgr_block *best, size_t size,
                            void *ctx) {
    asked_list *list = (asked_list *)ctx;
    if (list->count == 0) list->best = NULL;
    if ((best ? best->address : NULL) != list->best) list->wrong++;
    if (candidate->live) list->wrong++;
    if (list->count < ASKED_MAX) list->candidate[list->count++] = *candidate;
    list->size = size;
    if (best && !list->prefers(candidate, best)) return false;
    if (!best && !list->prefers(candidate, NULL)) return false;
    list->best = candidate->address;
    return true;
}

static bool prefers_largest(const memmgr_block *candidate, const memmgr_block *best) {
    return !best || candidate->size > best->size;
}

static bool prefers_last(const memmgr_block *candidate, const memmgr_block *best) {
    (void)candidate;
    (void)best;
    return true;
}

static bool prefers_none(const memmgr_block *candidate, const memmgr_block *best) {
    (void)candidate;
    (void)best;
    return false;
}

// The address that the strategy should take; NULL where nothing fits.
static const void *expected_place(memmgr_fit fit, size_t size) {
    const memmgr_block *best = NULL;
    for (size_t i = 0; i < walked.count; i++) {
        const memmgr_block *block = &walked.block[i];
        if (block->live || block->size < granules_up(size)) continue;
        if (!best)
            best = block;
        else if (fit == MEMMGR_FIT_BEST && block->size < best->size)
            best = block;
        else if (fit == MEMMGR_FIT_CUSTOM && asked.prefers(block, best))
            best = block;
    }
    return best ? best->address : NULL;
}

static void check_asked(size_t size) {
    size_t met = 0;
    for (size_t i = 0; i < walked.count; i++) {
        const memmgr_block *block = &walked.block[i];
        if (block->live || block->size < granules_up(size)) continue;
        if (!CHECK(met < asked.count)) return;
        CHECK(asked.candidate[met].address == block->address);
        CHECK_EQUAL(asked.candidate[met].size, block->size);
        met++;
    }
    CHECK_EQUAL(met, asked.count);
    CHECK_EQUAL(asked.wrong, 0);
    if (met) CHECK_EQUAL(granules_up(asked.size), granules_up(size));
}

static void take(memmgr_fit fit, size_t size) {
    if (held_count == HELD_MAX) return;
    CHECK(walk_pool(pool));
    walk_merge();
    const void *expected = expected_place(fit, size);
    asked.count = asked.wrong = 0;
    void *block =
        test_chance(80) ? memmgr_pool_alloc(pool, size) : memmgr_pool_calloc(pool, 1, size);
    CHECK(block == expected);
    if (fit == MEMMGR_FIT_CUSTOM) check_asked(size);
    if (block) held[held_count++] = block;
}

static void run_strategy(memmgr_fit fit, unsigned flags, size_t steps) {
    memmgr_pool_desc desc = desc_of(fit, flags);
    desc.choose = fit == MEMMGR_FIT_CUSTOM ? choose_recorded : NULL;
    desc.choose_ctx = &asked;
    buffer = buffer_new(test_log_uniform(2000, 64000), test_below(32));
    pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
    bool filling = true;
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < steps && test_failures == 0; i++) {
        if (test_below(200) == 0) filling = !filling;
        if (test_chance(filling ? 60 : 35)) {
            take(fit, test_log_uniform(1, test_chance(10) ? 4000 : 300));
        } else if (held_count) {
            size_t index = test_below(held_count);
            CHECK_EQUAL(memmgr_pool_free(pool, held[index]), MEMMGR_OK);
            held[index] = held[--held_count];
        }
    }
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    while (held_count)
        memmgr_pool_free(pool, held[--held_count]);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&buffer);
}

static unsigned eager(int round) {
    unsigned flag = MEMMGR_POOL_EAGER;
    return round % 2 ? flag : 0;
}

static void test_strategy_first_is_lowest(void) {
    reports_start();
    for (int i = 0; i < 12; i++) {
        run_strategy(MEMMGR_FIT_FIRST, eager(i), test_count(2000));
    }
    CHECK_SILENT();
}

static void test_strategy_best_is_smallest_then_lowest(void) {
    reports_start();
    for (int i = 0; i < 12; i++) {
        run_strategy(MEMMGR_FIT_BEST, eager(i), test_count(2000));
    }
    CHECK_SILENT();
}

static void test_strategy_custom_is_asked_and_obeyed(void) {
    reports_start();
    for (int i = 0; i < 12; i++) {
        asked.prefers = i % 3 ? prefers_largest : prefers_last;
        run_strategy(MEMMGR_FIT_CUSTOM, eager(i), test_count(2000));
    }
    CHECK_SILENT();
}

// A strategy that takes nothing: exhaustion.
static void test_strategy_custom_may_refuse(void) {
    static unsigned char memory[4096];
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_CUSTOM, 0);
    memmgr_stats stats;
    desc.choose = choose_recorded;
    desc.choose_ctx = &asked;
    asked.prefers = prefers_none;
    asked.count = 0;
    reports_start();
    memmgr_pool *one = memmgr_pool_init(memory, sizeof memory, &desc);
    REQUIRE(one != NULL);
    CHECK(memmgr_pool_alloc(one, 100) == NULL);
    CHECK_EQUAL(asked.count, 1);
    memmgr_pool_stats(one, &stats);
    CHECK_EQUAL(stats.failures, 1);
    asked.prefers = prefers_last;
    asked.count = 0;
    CHECK(memmgr_pool_alloc(one, 100) != NULL);
    CHECK_SILENT();
    CHECK_EQUAL(memmgr_pool_destroy(one), 1);
    CHECK_REPORTED(MEMMGR_LEAK);
}

// Of a hole that is a little larger and one that is twice as large good fit takes the first.
static void test_strategy_good_is_nearly_best(void) {
    for (size_t small = 2048; small <= 8192; small += 16) {
        buffer = buffer_new(65536, 0);
        pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
        REQUIRE(pool != NULL);
        void *low = memmgr_pool_alloc(pool, 2 * small);
        void *wall = memmgr_pool_alloc(pool, 2048);
        void *high = memmgr_pool_alloc(pool, small);
        void *end = memmgr_pool_alloc(pool, 2048);
        REQUIRE(low && wall && high && end);
        memmgr_pool_free(pool, low);
        memmgr_pool_free(pool, high);
        char *block = (char *)memmgr_pool_alloc(pool, small - small / 8);
        CHECK(block >= (char *)high && block < (char *)high + small);
        block = (char *)memmgr_pool_alloc(pool, 2 * small - small / 4);
        CHECK(block >= (char *)low && block < (char *)low + 2 * small);
        memmgr_pool_reset(pool);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        buffer_drop(&buffer);
    }
}

static const test_case tests[] = {
    TEST(test_strategy_first_is_lowest),
    TEST(test_strategy_best_is_smallest_then_lowest),
    TEST(test_strategy_custom_is_asked_and_obeyed),
    TEST(test_strategy_custom_may_refuse),
    TEST(test_strategy_good_is_nearly_best),
};

// Without the switch the C library chooses.
int main(int argc, char **argv) { return SWITCH_ON ? TEST_MAIN(tests, argc, argv) : 0; }
