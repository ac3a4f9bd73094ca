// test_misuse.c: misuse is recognised whatever the memory holds, reported once, and survived. For
// the switch on only: the C library must not be shown these.
#include "support.h"

enum { COUNT = 64, KINDS = 5 };

// What a program may leave in the memory of a block that it has freed.
typedef enum { LEFT_ALONE, LEFT_ONES, LEFT_ZEROS, LEFT_HEADER, LEFT_INDICES } leftover;

static test_buffer buffer;
static memmgr_pool *pool;

static memmgr_pool_desc desc_number(size_t number) {
    static const memmgr_fit fits[] = {MEMMGR_FIT_GOOD, MEMMGR_FIT_GOOD, MEMMGR_FIT_FIRST,
                                      MEMMGR_FIT_BEST, MEMMGR_FIT_CUSTOM};
    memmgr_pool_desc desc = desc_of(fits[number % 5], 0);
    if (number % 5 == 1) desc.flags = MEMMGR_POOL_EAGER;
    desc.choose = desc.fit == MEMMGR_FIT_CUSTOM ? choose_worst : NULL;
    return desc;
}

static bool open_pool(size_t size, size_t number) {
    memmgr_pool_desc desc = desc_number(number);
    reports_start();
    buffer = buffer_new(size, 0);
    pool = memmgr_pool_init(buffer.at, size, &desc);
    return CHECK(pool != NULL);
}

static void close_pool(size_t leaks) {
    CHECK_EQUAL(memmgr_pool_destroy(pool), leaks);
    buffer_drop(&buffer);
}

static void leave(void *freed, size_t size, leftover kind) {
    unsigned char *bytes = (unsigned char *)freed;
    switch (kind) {
    case LEFT_ONES:
        memset(bytes, 0xFF, size);
        break;
    case LEFT_ZEROS:
        memset(bytes, 0, size);
        break;
    case LEFT_HEADER:
        memcpy(bytes, pool, size < 128 ? size : 128);
        break;
    case LEFT_INDICES:
        for (size_t i = 0; i + 4 <= size; i += 4) {
            uint32_t index = (uint32_t)test_below(buffer.size / GRANULE);
            memcpy(bytes + i, &index, 4);
        }
        break;
    case LEFT_ALONE:
    default:
        break;
    }
}

// After memory that was written to when it was free, the pool may say so, but nothing else.
static void only_damage_was_reported(void) {
    CHECK_EQUAL(reports.of[MEMMGR_CORRUPT] + reports.of[MEMMGR_USE_AFTER_FREE], reports.count);
    reports_start();
}

// Through free, realloc and usable_size: the same answer, one report each, nothing changed but a
// count.
static void misuse(void *pointer, memmgr_error expected) {
    memmgr_stats before, after;
    memmgr_pool_stats(pool, &before);
    reports_start();
    CHECK_EQUAL(memmgr_pool_free(pool, pointer), expected);
    CHECK_REPORTED(expected);
    CHECK(memmgr_pool_realloc(pool, pointer, 100) == NULL);
    CHECK_REPORTED(expected);
    CHECK(memmgr_pool_realloc(pool, pointer, 0) == NULL);
    CHECK_REPORTED(expected);
    CHECK(memmgr_pool_realloc(pool, pointer, opaque(SIZE_MAX)) == NULL);
    CHECK_REPORTED(expected);
    CHECK_EQUAL(memmgr_pool_usable_size(pool, pointer), 0);
    CHECK_REPORTED(expected);
    CHECK(!memmgr_pool_owns(pool, pointer));
    CHECK(reports_none());
    CHECK(reports.last.pointer == pointer && reports.last.pool == pool);
    CHECK(memmgr_error_text(reports.last.error)[0] != '\0');
    memmgr_pool_stats(pool, &after);
    CHECK_EQUAL(after.misuses, before.misuses + 5);
    after.misuses = before.misuses;
    CHECK(stats_equal(&before, &after));
}

// --- Double free ---------------------------------------------------------------------------------

// Three neighbours freed in each order, so that they merge to either side.
static void free_three(size_t number, size_t size, const int *sequence, leftover kind) {
    void *block[5];
    if (!open_pool(65536, number)) return;
    for (int i = 0; i < 5; i++)
        block[i] = memmgr_pool_alloc(pool, size);
    for (int i = 0; i < 3; i++) {
        reports_start();
        CHECK_EQUAL(memmgr_pool_free(pool, block[sequence[i]]), MEMMGR_OK);
        only_damage_was_reported();
        leave(block[sequence[i]], size, kind);
        for (int k = 0; k <= i; k++) {
            char *freed = (char *)block[sequence[k]];
            misuse(freed, MEMMGR_DOUBLE_FREE);
            misuse(pointer_plus(freed, (intptr_t)(size / 32 * 16)), MEMMGR_DOUBLE_FREE);
            misuse(pointer_plus(freed, 8), MEMMGR_INTERIOR_POINTER);
        }
        if (kind == LEFT_ALONE) CHECK(pool_agrees(pool));
    }
    misuse(pointer_plus(block[0], 1), MEMMGR_INTERIOR_POINTER);
    reports_start();
    CHECK_EQUAL(memmgr_pool_free(pool, block[0]), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_free(pool, block[4]), MEMMGR_OK);
    only_damage_was_reported();
    close_pool(0);
}

static void test_misuse_double_free_after_merge(void) {
    static const int sequences[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
                                        {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
    static const size_t sizes[] = {16, 32, 48, 64, 128, 256, 1000, 1024, 4096, 9000};
    for (size_t number = 0; number < 5; number++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            for (int q = 0; q < 6; q++) {
                for (int kind = 0; kind < KINDS; kind++) {
                    free_three(number, sizes[s], sequences[q], (leftover)kind);
                }
            }
        }
    }
}

// The very memory is filled with ones, in a pool where everything has been freed.
static void test_misuse_double_free_in_ones(void) {
    static void *block[COUNT];
    for (size_t number = 0; number < 5; number++) {
        if (!open_pool(65536, number)) return;
        for (int i = 0; i < COUNT; i++)
            block[i] = memmgr_pool_alloc(pool, 16 + test_below(600));
        for (int i = 0; i < COUNT; i++) {
            size_t size = memmgr_pool_usable_size(pool, block[i]);
            CHECK_EQUAL(memmgr_pool_free(pool, block[i]), MEMMGR_OK);
            memset(block[i], 0xFF, size);
            reports_start();
        }
        for (int i = 0; i < COUNT; i++)
            misuse(block[i], MEMMGR_DOUBLE_FREE);
        memmgr_pool_reset(pool);
        reports_start();
        CHECK(pool_agrees(pool));
        CHECK_SILENT();
        close_pool(0);
    }
}

// --- Interior pointers ---------------------------------------------------------------------------

// Every byte of live blocks, whose contents look like the pool's own data.
static void test_misuse_interior(void) {
    static const size_t sizes[] = {16, 32, 48, 112, 256, 1008, 1024, 2080, 5000};
    for (size_t number = 0; number < 5; number++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            if (!open_pool(65536, number)) return;
            void *left = memmgr_pool_alloc(pool, sizes[s]);
            unsigned char *block = (unsigned char *)memmgr_pool_alloc(pool, sizes[s]);
            REQUIRE(left && block);
            leave(block, sizes[s], (leftover)(1 + test_below(KINDS - 1)));
            size_t usable = memmgr_pool_usable_size(pool, block);
            for (size_t i = 1; i < usable; i += i < 64 ? 1 : 1 + test_below(40)) {
                misuse(pointer_plus(block, (intptr_t)i), MEMMGR_INTERIOR_POINTER);
                CHECK(reports.last.block == block && reports.last.size == usable);
            }
            CHECK(pool_agrees(pool));
            CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
            CHECK_EQUAL(memmgr_pool_free(pool, left), MEMMGR_OK);
            close_pool(0);
        }
    }
}

// --- Foreign pointers ----------------------------------------------------------------------------

static void test_misuse_foreign(void) {
    static unsigned char in_static_memory[256];
    unsigned char on_the_stack[256];
    void *on_the_heap = malloc(256);
    static unsigned char other_memory[8192];
    memmgr_pool *other = memmgr_pool_init(other_memory, sizeof other_memory, NULL);
    if (!open_pool(16384, 0)) return;
    void *others = memmgr_pool_alloc(other, 64);
    void *general = memmgr_malloc(64);
    REQUIRE(other && others && general);
    for (intptr_t i = 0; i < 64; i++) {
        misuse(pointer_plus(on_the_stack, i), MEMMGR_FOREIGN_POINTER);
        misuse(pointer_plus(in_static_memory, i), MEMMGR_FOREIGN_POINTER);
        misuse(pointer_plus(on_the_heap, i), MEMMGR_FOREIGN_POINTER);
        misuse(pointer_plus(others, i), MEMMGR_FOREIGN_POINTER);
        misuse(pointer_plus(general, i), MEMMGR_FOREIGN_POINTER);
        misuse(pointer_plus(pool, i), MEMMGR_FOREIGN_POINTER);
        misuse(pointer_plus(NULL, i + 1), MEMMGR_FOREIGN_POINTER);
        misuse(pointer_plus(NULL, -i - 1), MEMMGR_FOREIGN_POINTER);
        misuse(pointer_plus(buffer.at, -i - 1), MEMMGR_FOREIGN_POINTER);
        misuse(pointer_plus(buffer.at, i), MEMMGR_FOREIGN_POINTER);
        misuse(pointer_plus(buffer.at + buffer.size, i), MEMMGR_FOREIGN_POINTER);
    }
    CHECK(memmgr_pool_owns(other, others));
    CHECK_EQUAL(memmgr_pool_free(other, others), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(other), 0);
    memmgr_free(general);
    free(on_the_heap);
    close_pool(0);
}

// From the buffer's start to the first granule everything is the pool's own: the header, the bins,
// the map.
static void test_misuse_of_the_pools_own_data(void) {
    if (!open_pool(8192, 0)) return;
    CHECK(walk_pool(pool) && walked.count == 1);
    const unsigned char *low = (const unsigned char *)walked.block[0].address;
    const unsigned char *high = low + walked.block[0].size;
    for (const unsigned char *at = buffer.at; at < low; at++) {
        misuse(pointer_plus(at, 0), MEMMGR_FOREIGN_POINTER);
    }
    for (const unsigned char *at = low; at < high; at++) {
        bool aligned = is_aligned(at, GRANULE);
        misuse(pointer_plus(at, 0), aligned ? MEMMGR_DOUBLE_FREE : MEMMGR_INTERIOR_POINTER);
    }
    for (const unsigned char *at = high; at < buffer.at + buffer.size; at++) {
        misuse(pointer_plus(at, 0), MEMMGR_FOREIGN_POINTER);
    }
    CHECK(pool_agrees(pool));
    close_pool(0);
}

// A pool that is gone.
static void test_misuse_of_a_destroyed_pool(void) {
    if (!open_pool(8192, 0)) return;
    void *block = memmgr_pool_alloc(pool, 100);
    CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    CHECK(memmgr_pool_alloc(pool, 100) == NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_BAD_ARGUMENT);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK(memmgr_pool_realloc(pool, block, 100) == NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK_EQUAL(memmgr_pool_usable_size(pool, block), 0);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_pool_reset(pool);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_BAD_ARGUMENT);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    buffer_drop(&buffer);
}

// --- Writing after free --------------------------------------------------------------------------

typedef struct {
    unsigned char *at;
    size_t size;
    uint64_t tag;
} stayed_block;

static stayed_block stayed[512];
static size_t stayed_count;

// Bytes of free memory, anywhere, changed to anything.
static void scribble(void) {
    CHECK(walk_pool(pool));
    for (size_t i = 0; i < walked.count; i++) {
        const memmgr_block *block = &walked.block[i];
        if (block->live || test_chance(50)) continue;
        unsigned char *bytes = (unsigned char *)pointer_plus(block->address, 0);
        if (test_chance(30)) leave(bytes, block->size, (leftover)(1 + test_below(KINDS - 1)));
        for (size_t k = test_below(20); k > 0; k--) {
            size_t where = test_chance(50) ? test_below(block->size) : test_below(16);
            if (test_chance(20)) where = block->size - 1 - test_below(8);
            bytes[where] = (unsigned char)test_random();
        }
    }
}

static bool overlaps_stayed(const unsigned char *at, size_t size) {
    for (size_t i = 0; i < stayed_count; i++) {
        if (at < stayed[i].at + stayed[i].size && stayed[i].at < at + size) return true;
    }
    return false;
}

static void keep_one(void) {
    stayed_block *block = &stayed[stayed_count];
    size_t size = test_log_uniform(1, test_chance(10) ? 8000 : 700);
    if (stayed_count == sizeof stayed / sizeof stayed[0]) return;
    block->at = (unsigned char *)memmgr_pool_alloc(pool, size);
    if (!block->at) return;
    block->size = granules_up(size);
    block->tag = test_random();
    CHECK(buffer_holds(&buffer, block->at, block->size));
    CHECK(!overlaps_stayed(block->at, block->size));
    CHECK_EQUAL(memmgr_pool_usable_size(pool, block->at), block->size);
    pattern_fill(block->at, block->size, block->tag);
    stayed_count++;
}

static void free_one(void) {
    if (stayed_count == 0) return;
    size_t index = test_below(stayed_count);
    stayed_block block = stayed[index];
    CHECK(pattern_holds(block.at, block.size, block.tag));
    CHECK_EQUAL(memmgr_pool_free(pool, block.at), MEMMGR_OK);
    stayed[index] = stayed[--stayed_count];
    only_damage_was_reported();
    CHECK_EQUAL(memmgr_pool_free(pool, block.at), MEMMGR_DOUBLE_FREE);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
}

static void realloc_one(void) {
    if (stayed_count == 0) return;
    stayed_block *block = &stayed[test_below(stayed_count)];
    size_t size = test_log_uniform(1, 1500);
    unsigned char *at = (unsigned char *)memmgr_pool_realloc(pool, block->at, size);
    if (!at) return;
    size_t same = block->size < size ? block->size : size;
    CHECK(pattern_holds(at, same, block->tag));
    block->size = 0;
    CHECK(!overlaps_stayed(at, granules_up(size)));
    block->at = at;
    block->size = granules_up(size);
    pattern_fill(at, block->size, block->tag);
}

static void write_after_free(size_t number) {
    if (!open_pool(test_log_uniform(2048, 65536), number)) return;
    stayed_count = 0;
    for (int step = 0; step < 600 && test_failures == 0; step++) {
        if (test_below(40) == 0) scribble();
        size_t roll = test_below(10);
        if (roll < 5)
            keep_one();
        else if (roll < 8)
            free_one();
        else
            realloc_one();
        only_damage_was_reported();
        memmgr_error health = memmgr_pool_check(pool);
        CHECK(health == MEMMGR_OK || health == MEMMGR_CORRUPT);
        CHECK((health == MEMMGR_OK) == (reports.count == 0));
        only_damage_was_reported();
    }
    while (stayed_count && test_failures == 0)
        free_one();
    memmgr_pool_reset(pool);
    reports_start();
    CHECK(pool_agrees(pool));
    CHECK_SILENT();
    close_pool(0);
}

static void test_misuse_write_after_free(void) {
    size_t rounds = test_count(200);
    for (size_t i = 0; i < rounds && test_failures == 0; i++)
        write_after_free(i);
}

static const test_case tests[] = {
    TEST(test_misuse_double_free_after_merge),
    TEST(test_misuse_double_free_in_ones),
    TEST(test_misuse_interior),
    TEST(test_misuse_foreign),
    TEST(test_misuse_of_the_pools_own_data),
    TEST(test_misuse_of_a_destroyed_pool),
    TEST(test_misuse_write_after_free),
};

int main(int argc, char **argv) { return SWITCH_ON ? TEST_MAIN(tests, argc, argv) : 0; }
