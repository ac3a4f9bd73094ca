// test_watch_wounds.c: records, guards and quarantine's own list are overwritten, as a program that
// goes astray may do. What is left to know is reported; no block is freed, or filled, that is live.
#include "support.h"

#if SWITCH_ON && !SMALL && !defined(MEMMGR_NO_WATCH)

#if defined(__GNUC__) || defined(__clang__)
#define UNCHECKED __attribute__((no_sanitize_address, noinline))
#else
#define UNCHECKED
#endif

enum {
    TRACK = MEMMGR_POOL_TRACK,
    GUARD = MEMMGR_POOL_GUARD,
    KEEP = MEMMGR_POOL_QUARANTINE,
    FRONT = sizeof(void *) == 8 ? 64 : 48, // a record and a guard
    POOL_SIZE = 65536
};

static test_buffer buffer;
static memmgr_pool *pool;

static bool open_at(size_t offset, unsigned flags) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, flags);
    buffer = buffer_new(POOL_SIZE, offset);
    reports_start();
    pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
    return CHECK(pool != NULL);
}

static bool open_pool(unsigned flags) { return open_at(0, flags); }

// Nothing is live, and the last word about the pool is that it is in order.
static void close_pool(void) {
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    buffer_drop(&buffer);
}

static unsigned char *take(size_t size) {
    unsigned char *block = (unsigned char *)memmgr_pool_alloc(pool, size);
    CHECK(block != NULL);
    return block;
}

static memmgr_error drop(void *block) { return memmgr_pool_free(pool, block); }

// Writes where a tool would not let it.
UNCHECKED static void scribble(void *at, size_t size) {
    volatile unsigned char *bytes = (volatile unsigned char *)at;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(0x5B + i);
}

static mmi_record *record_of(void *block) {
    return (mmi_record *)pointer_plus(block, -(intptr_t)FRONT);
}

static void wound(void *block) { scribble(record_of(block), sizeof(mmi_record)); }

// --- Records -------------------------------------------------------------------------------------

static void test_wounds_audit_tells_of_a_record(void) {
    if (!open_pool(TRACK | GUARD)) return;
    unsigned char *block = take(100), *next = take(100);
    wound(block);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OVERRUN);
    CHECK(reports.last.block == block && reports.last.offset == -(ptrdiff_t)FRONT);
    CHECK_REPORTED(MEMMGR_OVERRUN);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    CHECK_EQUAL(drop(block), MEMMGR_OK);
    CHECK_EQUAL(drop(next), MEMMGR_OK);
    CHECK_SILENT();
    close_pool();
}

// Its size is a guess from then on, so it moves.
static void test_wounds_size_and_realloc(void) {
    if (!open_pool(TRACK | GUARD)) return;
    unsigned char *block = take(100);
    pattern_fill(block, 100, 7);
    wound(block);
    CHECK(memmgr_pool_owns(pool, block));
    CHECK(memmgr_pool_usable_size(pool, block) >= 100);
    CHECK_REPORTED(MEMMGR_OVERRUN);
    unsigned char *moved = (unsigned char *)memmgr_pool_realloc(pool, block, 90);
    CHECK(moved && moved != block && pattern_holds(moved, 90, 7));
    CHECK_EQUAL(memmgr_pool_usable_size(pool, moved), 90);
    CHECK_EQUAL(drop(moved), MEMMGR_OK);
    CHECK_SILENT();
    close_pool();
}

// A block with an alignment is known again by its pointer.
static void test_wounds_alignment(void) {
    if (!open_pool(TRACK | GUARD)) return;
    unsigned char *block = (unsigned char *)memmgr_pool_aligned_alloc(pool, 256, 100);
    REQUIRE(block != NULL);
    memmgr_block raw;
    CHECK_EQUAL(mmi_watch_raw_find(pool, block - 1, &raw), MEMMGR_INTERIOR_POINTER);
    scribble((void *)(uintptr_t)raw.address, sizeof(mmi_record));
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OVERRUN);
    CHECK_REPORTED(MEMMGR_OVERRUN);
    CHECK_EQUAL(drop(block + 8), MEMMGR_INTERIOR_POINTER);
    CHECK_REPORTED(MEMMGR_INTERIOR_POINTER);
    CHECK_EQUAL(drop(block), MEMMGR_OK);
    CHECK_SILENT();
    close_pool();
}

static void test_wounds_interior_pointer(void) {
    if (!open_pool(TRACK | GUARD)) return;
    unsigned char *block = take(100);
    wound(block);
    CHECK_EQUAL(drop(block + 8), MEMMGR_INTERIOR_POINTER);
    CHECK_REPORTED(MEMMGR_INTERIOR_POINTER);
    CHECK_EQUAL(drop(block), MEMMGR_OVERRUN);
    CHECK_REPORTED(MEMMGR_OVERRUN);
    close_pool();
}

// Whose fault is it? The one before, if its guard is gone, too.
static void test_wounds_neighbours(void) {
    if (!open_pool(TRACK | GUARD)) return;
    unsigned char *first = take(96), *second = take(96);
    REQUIRE(second == first + 96 + 16 + FRONT);
    wound(second);
    CHECK_EQUAL(drop(second), MEMMGR_OVERRUN);
    CHECK(reports.last.pointer == second);
    CHECK_REPORTED(MEMMGR_OVERRUN);
    second = take(96);
    scribble(first + 96, 16 + sizeof(mmi_record));
    CHECK_EQUAL(drop(second), MEMMGR_OVERRUN);
    CHECK(reports.last.pointer == first && reports.last.offset == 96);
    CHECK_REPORTED(MEMMGR_OVERRUN);
    second = take(96);
    wound(first);
    wound(second);
    CHECK_EQUAL(drop(second), MEMMGR_OVERRUN);
    CHECK(reports.last.pointer == second);
    CHECK_REPORTED(MEMMGR_OVERRUN);
    CHECK_EQUAL(drop(first), MEMMGR_OVERRUN);
    CHECK_REPORTED(MEMMGR_OVERRUN);
    close_pool();
}

// What is known of a freed block is told only as long as its record is whole.
static void test_wounds_record_of_a_freed_block(void) {
    if (!open_pool(TRACK)) return;
    unsigned char *block = take(100);
    CHECK_EQUAL(drop(block), MEMMGR_OK);
    CHECK_EQUAL(drop(block), MEMMGR_DOUBLE_FREE);
    CHECK(reports.last.size == 100 && reports.last.block == block);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    scribble(&record_of(block)->requested, sizeof(size_t));
    CHECK_EQUAL(drop(block), MEMMGR_DOUBLE_FREE);
    CHECK(reports.last.size == 0 && reports.last.block == NULL);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    close_pool();
}

// The same where its address would go with an alignment whose record lay before the pool.
static void test_wounds_record_before_the_pool(void) {
    if (!open_pool(TRACK)) return;
    unsigned char *block = take(100);
    size_t offset = (0 - (uintptr_t)block) % 4096;
    drop(block);
    close_pool();
    if (!open_at(offset, TRACK)) return;
    block = take(100);
    CHECK_EQUAL((uintptr_t)block % 4096, 0);
    CHECK_EQUAL(drop(block), MEMMGR_OK);
    wound(block);
    CHECK_EQUAL(drop(block), MEMMGR_DOUBLE_FREE);
    CHECK(reports.last.size == 0 && reports.last.block == NULL);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    close_pool();
}

// Where a tool is there all general calls are watched without being asked to be.
static void test_wounds_general_call(void) {
    reports_start();
    if (!mmi_tool_is_there()) return;
    unsigned char *block = (unsigned char *)memmgr_malloc(100);
    REQUIRE(block != NULL);
    wound(block);
    memmgr_free(block);
    CHECK(reports.last.pointer == block);
    CHECK_REPORTED(MEMMGR_OVERRUN);
}

static bool stop_at_once(const memmgr_block *block, void *ctx) {
    ++*(size_t *)ctx;
    return block == NULL;
}

static void test_wounds_none_and_a_walk_that_stops(void) {
    size_t shown = 0;
    if (!open_pool(TRACK)) return;
    unsigned char *block = take(100);
    CHECK(!memmgr_pool_walk(pool, stop_at_once, &shown));
    CHECK_EQUAL(shown, 1);
    CHECK_EQUAL(drop(block), MEMMGR_OK);
    close_pool();
}

// --- Quarantine ----------------------------------------------------------------------------------

enum { HELD = 10, SIZE = 1000, LARGE = 12000 }; // of about 16 KiB in quarantine

static unsigned char *held_blocks[HELD];
static mmi_quarantine *list;

static bool open_quarantine(void) {
    if (!open_pool(TRACK | GUARD | KEEP)) return false;
    for (size_t i = 0; i < HELD; i++)
        held_blocks[i] = take(SIZE);
    for (size_t i = 0; i < HELD; i++)
        CHECK_EQUAL(drop(held_blocks[i]), MEMMGR_OK);
    CHECK_SILENT();
    list = mmi_watch_quarantine(pool);
    if (list) mmi_tool_open(list, sizeof *list + HELD * sizeof *list->items);
    return CHECK(list && list->count == HELD && list->bytes == HELD * SIZE);
}

// Too large for what room is left: some blocks must go.
static void drop_a_large_one(void) {
    unsigned char *large = take(LARGE);
    CHECK_EQUAL(drop(large), MEMMGR_OK);
}

static void close_quarantine(void) {
    memmgr_pool_reset(pool);
    close_pool();
}

static void test_wounds_pointers_into_quarantine(void) {
    if (!open_quarantine()) return;
    CHECK_EQUAL(drop(held_blocks[3]), MEMMGR_DOUBLE_FREE);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    CHECK_EQUAL(drop(held_blocks[3] + 8), MEMMGR_INTERIOR_POINTER);
    CHECK_REPORTED(MEMMGR_INTERIOR_POINTER);
    CHECK_EQUAL(drop((char *)list + 512), MEMMGR_INTERIOR_POINTER);
    CHECK_REPORTED(MEMMGR_INTERIOR_POINTER);
    CHECK_EQUAL(list->count, HELD);
    close_quarantine();
}

// A record that is overwritten in quarantine is a use after free, as the block's bytes are.
static void test_wounds_in_quarantine(void) {
    if (!open_quarantine()) return;
    wound(held_blocks[0]);
    drop_a_large_one();
    CHECK(reports.last.block == held_blocks[0] && reports.last.offset == -(ptrdiff_t)FRONT);
    CHECK_REPORTED(MEMMGR_USE_AFTER_FREE);
    close_quarantine();
}

// A list that was overwritten is given up, with what is in it, and there is a new one.
static void given_up(size_t *field, size_t value) {
    memmgr_stats stats;
    *field = value;
    memmgr_pool_stats(pool, &stats);
    unsigned char *live = take(SIZE), *freed = take(SIZE);
    pattern_fill(live, SIZE, 5);
    CHECK_EQUAL(drop(freed), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OVERRUN); // of what was the list
    CHECK_REPORTED(MEMMGR_OVERRUN);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    freed = take(SIZE);
    CHECK_EQUAL(drop(freed), MEMMGR_OK);
    CHECK_EQUAL(drop(freed), MEMMGR_DOUBLE_FREE);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    mmi_quarantine *other = mmi_watch_quarantine(pool);
    CHECK(other != NULL && other != list && other->count >= 1);
    for (size_t i = 0; i < HELD; i++)
        CHECK(live != held_blocks[i] && freed != held_blocks[i]);
    CHECK(pattern_holds(live, SIZE, 5));
    CHECK_EQUAL(drop(live), MEMMGR_OK);
    CHECK_SILENT();
    close_quarantine();
}

static void test_wounds_list_given_up(void) {
    if (open_quarantine()) given_up(&list->first, list->room);
    if (open_quarantine()) given_up(&list->count, list->room + 1);
    if (open_quarantine()) given_up(&list->bytes, list->limit + 1);
    if (open_quarantine()) given_up(&list->room, list->room + 1);
    if (open_quarantine()) given_up(&list->limit, list->limit + 1);
    if (open_quarantine()) given_up(&list->limit, 0);
    if (open_quarantine()) {
        list->count = SIZE_MAX / 4; // so that who believes it reads far beyond
        given_up(&list->room, SIZE_MAX / 2);
    }
    if (open_quarantine()) given_up(&list->room, 0);
}

// Sizes that are wrong cost what they hold back, and no more.
static void test_wounds_sizes_in_the_list(void) {
    if (!open_quarantine()) return;
    list->items[list->first].size = SIZE_MAX / 2;
    drop_a_large_one();
    CHECK_EQUAL(list->bytes, LARGE);
    close_quarantine();
    if (!open_quarantine()) return;
    for (size_t i = 0; i < HELD; i++)
        list->items[i].size = 0;
    drop_a_large_one();
    CHECK_EQUAL(list->count, 1);
    CHECK_EQUAL(list->bytes, LARGE);
    CHECK_SILENT();
    close_quarantine();
}

// Items that are no blocks of the pool, and one that is live.
static void test_wounds_records_in_the_list(void) {
    memmgr_stats stats;
    if (!open_quarantine()) return;
    unsigned char *live = take(SIZE);
    pattern_fill(live, SIZE, 9);
    list->items[0].record = (mmi_record *)pointer_plus(NULL, 16);
    list->items[1].record = (mmi_record *)pointer_plus(list->items[2].record, 16);
    list->items[3].record = record_of(live);
    memmgr_pool_stats(pool, &stats);
    for (int i = 0; i < 3; i++)
        drop_a_large_one();
    CHECK_SILENT();
    CHECK(pattern_holds(live, SIZE, 9));
    CHECK_EQUAL(drop(live), MEMMGR_OK);
    CHECK_SILENT();
    close_quarantine();
}

// A list that is not the pool's is not freed into it.
static void test_wounds_list_elsewhere(void) {
    static mmi_quarantine elsewhere;
    if (!open_quarantine()) return;
    elsewhere.room = 1;
    elsewhere.limit = 16;
    elsewhere.seal = mmi_watch_seal(&elsewhere);
    pool->quarantine = (uintptr_t)&elsewhere;
    unsigned char *block = take(SIZE);
    CHECK_EQUAL(drop(block), MEMMGR_OK);
    CHECK(mmi_watch_quarantine(pool) != &elsewhere);
    CHECK_EQUAL(mmi_watch_quarantine(pool)->count, 1);
    CHECK_SILENT();
    close_quarantine();
}

// However many are found at once, each is reported once.
static void test_wounds_more_than_can_be_told_at_once(void) {
    enum { MANY = 40 };
    unsigned char *blocks[MANY];
    if (!open_pool(TRACK | GUARD | KEEP)) return;
    unsigned char *large = take(16000);
    for (size_t i = 0; i < MANY; i++)
        blocks[i] = take(20);
    for (size_t i = 0; i < MANY; i++)
        CHECK_EQUAL(drop(blocks[i]), MEMMGR_OK);
    for (size_t i = 0; i < MANY; i++)
        scribble(blocks[i], 1);
    reports.count = 0;
    CHECK_EQUAL(drop(large), MEMMGR_OK); // they are to make room
    CHECK(reports.count > 0 && reports.count < MANY);
    for (size_t i = 0; i < MANY && reports.count < MANY; i++) {
        large = take(16000);
        CHECK_EQUAL(drop(large), MEMMGR_OK);
    }
    CHECK_EQUAL(reports.of[MEMMGR_USE_AFTER_FREE], MANY);
    CHECK_EQUAL(reports.count, MANY);
    memmgr_stats stats;
    memmgr_pool_stats(pool, &stats);
    CHECK_EQUAL(stats.misuses, MANY);
    reports_start();
    close_quarantine();
}

static const test_case tests[] = {
    TEST(test_wounds_audit_tells_of_a_record),
    TEST(test_wounds_size_and_realloc),
    TEST(test_wounds_alignment),
    TEST(test_wounds_interior_pointer),
    TEST(test_wounds_neighbours),
    TEST(test_wounds_record_of_a_freed_block),
    TEST(test_wounds_record_before_the_pool),
    TEST(test_wounds_general_call),
    TEST(test_wounds_none_and_a_walk_that_stops),
    TEST(test_wounds_pointers_into_quarantine),
    TEST(test_wounds_in_quarantine),
    TEST(test_wounds_list_given_up),
    TEST(test_wounds_sizes_in_the_list),
    TEST(test_wounds_records_in_the_list),
    TEST(test_wounds_list_elsewhere),
    TEST(test_wounds_more_than_can_be_told_at_once),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
#else
int main(void) { return 0; }
#endif
