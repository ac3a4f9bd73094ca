// test_libc.c: the calls with the switch off, where they are the C library's: what is checked all
// the same, and an audit that finds what was done to a pool's list.
#include "support.h"

#if !SWITCH_ON

static test_buffer buffer;

static memmgr_pool *pool_in_buffer(unsigned flags) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, flags);
    buffer = buffer_new(16384, 0);
    reports_start();
    return memmgr_pool_init(buffer.at, buffer.size, &desc);
}

// --- Arguments -----------------------------------------------------------------------------------

static bool no_visit(const memmgr_block *block, void *ctx) {
    (void)block, (void)ctx;
    FAIL("there is nothing to see");
    return true;
}

static size_t drawn;

static void count_text(const char *text, size_t length, void *ctx) {
    (void)text, (void)ctx;
    drawn += length;
}

static void test_libc_general_calls(void) {
    reports_start();
    CHECK(memmgr_aligned_alloc(opaque(3), 10) == NULL);
    CHECK_EQUAL(reports.last.size, 10);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK(memmgr_aligned_alloc_at(opaque(0), 10, "a.c", 5) == NULL);
    CHECK(reports.last.line == 5 && strcmp(reports.last.file, "a.c") == 0);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK(!memmgr_walk(NULL, NULL));
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK(memmgr_walk(no_visit, NULL)); // the C library shows nothing of its heap
    drawn = 0;
    memmgr_draw(MEMMGR_PICTURE_TEXT, NULL, NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_draw(MEMMGR_PICTURE_SVG, count_text, NULL);
    CHECK(drawn > 100);
    memmgr_json(NULL, NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK_SILENT();
}

static void test_libc_bad_fits(void) {
    memmgr_pool_desc desc = desc_of((memmgr_fit)-1, 0);
    reports_start();
    CHECK(memmgr_pool_create(10000, &desc) == NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    desc.fit = (memmgr_fit)(MEMMGR_FIT_CUSTOM + 1);
    CHECK(memmgr_pool_create(10000, &desc) == NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    desc.fit = MEMMGR_FIT_CUSTOM; // and nothing to choose with
    CHECK(memmgr_pool_create(10000, &desc) == NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
}

static void test_libc_sizes(void) {
    size_t size = memmgr_pool_size_for(1000, 100);
    CHECK(size >= 1008 + sizeof(memmgr_pool) && size < 2000);
    CHECK_EQUAL(memmgr_pool_size_for(SIZE_MAX, 100), 0);
    CHECK_EQUAL(memmgr_pool_size_for(SIZE_MAX / 2 - 64, 100), 0);
}

// A block with an alignment of its own is moved by hand, and stays where it is if that cannot be.
static void test_libc_aligned_block_without_room(void) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW);
    memmgr_pool *pool = memmgr_pool_create(4096, &desc);
    memmgr_stats stats;
    REQUIRE(pool != NULL);
    unsigned char *block = (unsigned char *)memmgr_pool_aligned_alloc(pool, 4096, 100);
    REQUIRE(block != NULL);
    memset(block, 7, 100);
    CHECK(memmgr_pool_realloc(pool, block, opaque(SIZE_MAX / 2 - 4096)) == NULL);
    CHECK(bytes_are(block, 100, 7));
    memmgr_pool_stats(pool, &stats);
    CHECK(stats.failures == 1 && stats.live_blocks == 1);
    block = (unsigned char *)memmgr_pool_realloc(pool, block, 10000);
    CHECK(block && is_aligned(block, 4096) && bytes_are(block, 100, 7));
    memmgr_pool_free(pool, block);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
}

// --- A pool's end --------------------------------------------------------------------------------

static void test_libc_destroyed_pool(void) {
    memmgr_pool *pool = pool_in_buffer(0);
    REQUIRE(pool != NULL);
    CHECK_EQUAL(memmgr_pool_leaks(pool), 0);
    CHECK(kept(memmgr_pool_alloc(pool, 10)) != NULL);
    CHECK_EQUAL(memmgr_pool_leaks(pool), 1);
    CHECK_REPORTED(MEMMGR_LEAK);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 1);
    CHECK_REPORTED(MEMMGR_LEAK);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK_EQUAL(memmgr_pool_leaks(pool), 0);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    buffer_drop(&buffer);
}

// A source that does not take back what it gave.
static void test_libc_source_without_unmap(void) {
    static test_source source;
    source_open(&source, 65536);
    memmgr_pool_desc desc = desc_growing(&source, 0);
    desc.source.unmap = NULL;
    memmgr_pool *pool = memmgr_pool_create(4096, &desc);
    REQUIRE(pool != NULL);
    void *block = kept(memmgr_pool_alloc(pool, 100));
    CHECK(block != NULL);
    CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_EQUAL(source.count, 1);
    source_unmap(source.segment[0].at, source.segment[0].size, &source);
    source_close(&source);
}

// --- Audits --------------------------------------------------------------------------------------

static memmgr_pool *audited;

static void audit_finds(void) {
    CHECK_EQUAL(memmgr_pool_check(audited), MEMMGR_CORRUPT);
    CHECK(reports.last.pool == audited);
    CHECK_REPORTED(MEMMGR_CORRUPT);
}

#define DAMAGE(lvalue, value)                                                                      \
    do {                                                                                           \
        size_t intact = (lvalue);                                                                  \
        (lvalue) = (value);                                                                        \
        audit_finds();                                                                             \
        (lvalue) = intact;                                                                         \
        CHECK_EQUAL(memmgr_pool_check(audited), MEMMGR_OK);                                        \
    } while (0)

static void test_libc_audit(void) {
    audited = pool_in_buffer(0);
    REQUIRE(audited != NULL);
    for (size_t i = 0; i < 4; i++)
        CHECK(kept(memmgr_pool_alloc(audited, 100)) != NULL);
    CHECK_EQUAL(memmgr_pool_check(audited), MEMMGR_OK);
    mmi_libc_block *second = audited->first->next, *third = second->next, *last = third->next;
    DAMAGE(second->size, second->size + 1);
    DAMAGE(second->size, second->size + 16);
    DAMAGE(audited->used, audited->used + 16);
    DAMAGE(audited->live_blocks, 3);
    DAMAGE(audited->live_blocks, 5);
    DAMAGE(audited->capacity, audited->used);
    second->previous = NULL;
    audit_finds();
    second->previous = audited->first;
    last->next = last; // a ring, in which every block seems to have the one before it
    audit_finds();
    last->next = NULL;
    CHECK_EQUAL(memmgr_pool_check(audited), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_check(NULL), MEMMGR_BAD_ARGUMENT);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_pool_reset(audited);
    CHECK_EQUAL(memmgr_pool_destroy(audited), 0);
    CHECK_SILENT();
    buffer_drop(&buffer);
}

static void test_libc_smallest_buffer(void) {
    static _Alignas(16) unsigned char memory[512];
    size_t least = sizeof(memmgr_pool) + 16;
    REQUIRE(least < sizeof memory);
    CHECK(memmgr_pool_init(memory, least - 1, NULL) == NULL);
    memmgr_pool *pool = memmgr_pool_init(memory, least, NULL);
    REQUIRE(pool != NULL);
    void *block = memmgr_pool_alloc(pool, 16);
    CHECK(block != NULL && memmgr_pool_alloc(pool, 1) == NULL);
    CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
}

static const test_case tests[] = {
    TEST(test_libc_smallest_buffer),
    TEST(test_libc_general_calls),
    TEST(test_libc_bad_fits),
    TEST(test_libc_sizes),
    TEST(test_libc_aligned_block_without_room),
    TEST(test_libc_destroyed_pool),
    TEST(test_libc_source_without_unmap),
    TEST(test_libc_audit),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }

#else
int main(void) { return 0; }
#endif
