// test_edges.c: the ends of every range: sizes, alignments, buffers, descriptions, NULL.
#include "support.h"

static test_buffer buffer;
static memmgr_pool *pool;

static bool open_pool(size_t size) {
    reports_start();
    buffer = buffer_new(size, 0);
    pool = memmgr_pool_init(buffer.at, size, NULL);
    return CHECK(pool != NULL);
}

static void close_pool(void) {
    CHECK(pool_agrees(pool));
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    buffer_drop(&buffer);
}

// --- Sizes ---------------------------------------------------------------------------------------

static void test_edges_small_sizes(void) {
    if (!open_pool(16384)) return;
    for (size_t size = 0; size <= 300; size++) {
        void *block = memmgr_pool_alloc(pool, size);
        void *zeroed = memmgr_pool_calloc(pool, 1, size);
        REQUIRE(block && zeroed && block != zeroed);
        CHECK(is_aligned(block, GRANULE) && is_aligned(zeroed, GRANULE));
        CHECK_EQUAL(memmgr_pool_usable_size(pool, block), granules_up(size));
        CHECK(bytes_are(zeroed, size, 0));
        memset(block, 0xFF, granules_up(size));
        CHECK(bytes_are(zeroed, size, 0));
        CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
        CHECK_EQUAL(memmgr_pool_free(pool, zeroed), MEMMGR_OK);
    }
    close_pool();
}

// Exhaustion: NULL, one failure counted, nothing reported, nothing changed.
static void too_large(size_t size) {
    memmgr_stats before, after;
    void *block = memmgr_pool_alloc(pool, 40);
    REQUIRE(block != NULL);
    pattern_fill(block, 48, size);
    memmgr_pool_stats(pool, &before);
    CHECK(memmgr_pool_alloc(pool, size) == NULL);
    CHECK(memmgr_pool_calloc(pool, size, 1) == NULL);
    CHECK(memmgr_pool_calloc(pool, 1, size) == NULL);
    CHECK(memmgr_pool_realloc(pool, NULL, size) == NULL);
    CHECK(memmgr_pool_realloc(pool, block, size) == NULL);
    CHECK(memmgr_pool_aligned_alloc(pool, 1, size) == NULL);
    CHECK(memmgr_pool_aligned_alloc(pool, 64, size) == NULL);
    CHECK(memmgr_pool_aligned_alloc(pool, (size_t)1 << 22, size) == NULL);
    CHECK(memmgr_pool_aligned_alloc(pool, SIZE_MAX / 2 + 1, size) == NULL);
    memmgr_pool_stats(pool, &after);
    CHECK_EQUAL(after.failures, before.failures + 9);
    after.failures = before.failures;
    CHECK(stats_equal(&before, &after));
    CHECK(pattern_holds(block, 48, size));
    CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
}

static void test_edges_large_sizes(void) {
    if (!open_pool(65536)) return;
    const size_t edges[] = {SIZE_MAX,     SIZE_MAX / 2,  (size_t)PTRDIFF_MAX,
                            SIZE_MAX / 4, SIZE_MAX / 16, (size_t)UINT32_MAX};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        for (size_t near = 0; near < 70; near++) {
            too_large(opaque(edges[i] - near));
            if (edges[i] + near > edges[i]) too_large(opaque(edges[i] + near));
        }
    }
    for (int shift = 17; shift < (int)(8 * sizeof(size_t)); shift++) {
        size_t power = (size_t)1 << shift;
        for (size_t near = 0; near <= 32; near += 8) {
            too_large(opaque(power + near));
            if (shift > 17) too_large(opaque(power - near));
        }
    }
    close_pool();
}

// Around what just fits.
static void test_edges_the_last_granule(void) {
    for (size_t size = 1024; size < 1400; size++) {
        if (!open_pool(size)) return;
        size_t largest = memmgr_pool_largest_free(pool);
        for (size_t more = 1; more < 40; more++) {
            CHECK(memmgr_pool_alloc(pool, largest + more) == NULL);
        }
        for (size_t less = 0; less < 40; less++) {
            void *block = memmgr_pool_alloc(pool, largest - less);
            CHECK(block != NULL);
            CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
        }
        close_pool();
    }
}

static void test_edges_calloc(void) {
    if (!open_pool(65536)) return;
    const size_t half = (size_t)1 << (4 * sizeof(size_t));
    const size_t overflowing[][2] = {
        {SIZE_MAX, 2},    {2, SIZE_MAX},           {SIZE_MAX / 2 + 1, 2}, {SIZE_MAX / 16 + 1, 16},
        {half, half},     {half + 1, half},        {SIZE_MAX, SIZE_MAX},  {SIZE_MAX / 3 + 1, 3},
        {half * 2, half}, {(SIZE_MAX - 15) / 8, 9}};
    for (size_t i = 0; i < sizeof overflowing / sizeof overflowing[0]; i++) {
        size_t count = opaque(overflowing[i][0]), size = opaque(overflowing[i][1]);
        CHECK(memmgr_pool_calloc(pool, count, size) == NULL);
    }
    void *none = memmgr_pool_calloc(pool, 0, opaque(SIZE_MAX));
    void *empty = memmgr_pool_calloc(pool, opaque(SIZE_MAX), 0);
    void *nothing = memmgr_pool_calloc(pool, 0, 0);
    CHECK(none && empty && nothing && none != empty && none != nothing);
    CHECK_EQUAL(memmgr_pool_usable_size(pool, empty), GRANULE);
    CHECK_EQUAL(memmgr_pool_free(pool, none), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_free(pool, empty), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_free(pool, nothing), MEMMGR_OK);
    close_pool();
}

// --- Alignments ----------------------------------------------------------------------------------

static void test_edges_bad_alignments(void) {
    memmgr_stats before, after;
    if (!open_pool(65536)) return;
    memmgr_pool_stats(pool, &before);
    for (size_t i = 0; i < 3000; i++) {
        size_t alignment = i < 1500 ? i : opaque(SIZE_MAX) - (i - 1500);
        if (i >= 2500) alignment = (size_t)test_random();
        if (alignment != 0 && (alignment & (alignment - 1)) == 0) continue;
        size_t size = test_chance(10) ? opaque(SIZE_MAX) : test_below(100000);
        CHECK(memmgr_pool_aligned_alloc(pool, alignment, size) == NULL);
        if (SWITCH_ON) CHECK(reports.count == 1 && reports.last.error == MEMMGR_BAD_ARGUMENT);
        reports_start();
        before.misuses++;
    }
    memmgr_pool_stats(pool, &after);
    if (SWITCH_ON) CHECK(stats_equal(&before, &after));
    close_pool();
}

// Powers of two that the pool cannot give: exhaustion, not misuse.
static void test_edges_large_alignments(void) {
    if (!open_pool(65536)) return;
    for (int shift = 0; shift < (int)(8 * sizeof(size_t)); shift++) {
        size_t alignment = (size_t)1 << shift;
        void *block = memmgr_pool_aligned_alloc(pool, alignment, 1);
        if (alignment <= 4096) CHECK(block != NULL);
        CHECK(!block || is_aligned(block, alignment));
        CHECK(!SWITCH_ON || !block || buffer_holds(&buffer, block, GRANULE));
        if (block) CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
        CHECK_SILENT();
    }
    close_pool();
}

// --- Buffers -------------------------------------------------------------------------------------

// Takes what the pool has, at once and in pieces, writes all of it, gives it back.
static void use_up(memmgr_pool *small, const test_buffer *place) {
    void *blocks[256];
    size_t count = 0;
    size_t largest = memmgr_pool_largest_free(small);
    void *whole = memmgr_pool_alloc(small, largest);
    REQUIRE(largest >= GRANULE && whole != NULL);
    CHECK(!SWITCH_ON || buffer_holds(place, whole, granules_up(largest)));
    memset(whole, 0xFF, granules_up(largest));
    CHECK_EQUAL(memmgr_pool_free(small, whole), MEMMGR_OK);
    while (count < 256) {
        size_t size = test_below(40);
        void *block = memmgr_pool_alloc(small, size);
        if (!block) break;
        CHECK(!SWITCH_ON || buffer_holds(place, block, granules_up(size)));
        memset(block, 0xFF, granules_up(size));
        blocks[count++] = block;
    }
    CHECK_EQUAL(memmgr_pool_check(small), MEMMGR_OK);
    while (count)
        CHECK_EQUAL(memmgr_pool_free(small, blocks[--count]), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_check(small), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_largest_free(small), largest);
}

static void any_buffer(size_t size, size_t offset) {
    test_buffer place = buffer_new(size, offset);
    memmgr_pool *small = memmgr_pool_init(place.at, size, NULL);
    if (size >= 1024) CHECK(small != NULL);
    if (small) {
        CHECK(!SWITCH_ON || buffer_holds(&place, small, 1));
        use_up(small, &place);
        memmgr_pool_reset(small);
        use_up(small, &place);
        CHECK_EQUAL(memmgr_pool_destroy(small), 0);
        CHECK_SILENT();
    }
    // A buffer that is too small may be called a bad argument, and nothing else.
    CHECK_EQUAL(reports.of[MEMMGR_BAD_ARGUMENT], reports.count);
    CHECK(reports.count <= 1);
    reports_start();
    buffer_drop(&place);
}

static void test_edges_every_small_buffer(void) {
    reports_start();
    for (size_t size = 0; size <= 300; size++) {
        for (size_t offset = 0; offset < 32; offset++)
            any_buffer(size, offset);
    }
}

static void test_edges_larger_buffers(void) {
    reports_start();
    for (size_t size = 301; size <= 4300; size += 1 + test_below(7)) {
        any_buffer(size, test_below(64));
        any_buffer(size, 0);
    }
    for (size_t size = 5000; size <= 300000; size += size / 8 + test_below(100)) {
        any_buffer(size, test_below(64));
    }
}

static void test_edges_no_buffer(void) {
    static const size_t sizes[] = {0, 1, 16, 1024, 65536, SIZE_MAX / 2, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        reports_start();
        CHECK(memmgr_pool_init(NULL, opaque(sizes[i]), NULL) == NULL);
        CHECK_EQUAL(reports.of[MEMMGR_BAD_ARGUMENT], reports.count);
        CHECK(reports.count <= 1);
    }
    // A buffer that would end beyond the last address.
    reports_start();
    if (SWITCH_ON) CHECK(memmgr_pool_init(&buffer, opaque(SIZE_MAX), NULL) == NULL);
    if (SWITCH_ON) CHECK(memmgr_pool_init(&buffer, opaque(SIZE_MAX - 100), NULL) == NULL);
}

// --- Descriptions --------------------------------------------------------------------------------

static void *no_memory(size_t size, void *ctx) {
    (void)size;
    ++*(int *)ctx;
    return NULL;
}

static void no_return(void *memory, size_t size, void *ctx) {
    (void)memory;
    (void)size;
    ++*(int *)ctx;
}

static void refused(const memmgr_pool_desc *desc, bool only_in_a_buffer) {
    static unsigned char memory[16384];
    memset(memory, 0x77, sizeof memory);
    CHECK(memmgr_pool_init(memory, sizeof memory, desc) == NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK(bytes_are(memory, sizeof memory, 0x77));
    if (only_in_a_buffer) return;
    CHECK(memmgr_pool_create(sizeof memory, desc) == NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
}

static void test_edges_bad_descriptions(void) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_CUSTOM, 0);
    reports_start();
    refused(&desc, false); // without a choose
    desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW);
    refused(&desc, true);
    for (int bit = 0; bit < 32; bit++) {
        unsigned flag = 1u << bit;
        unsigned known = MEMMGR_POOL_LOCKED | MEMMGR_POOL_FILL | MEMMGR_POOL_GROW;
        known |= MEMMGR_POOL_EAGER | MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK;
        known |= MEMMGR_POOL_QUARANTINE;
        if (flag & known) continue;
        desc = desc_of(MEMMGR_FIT_GOOD, flag);
        refused(&desc, false);
        desc.flags |= MEMMGR_POOL_FILL;
        refused(&desc, false);
    }
#ifndef __cplusplus
    desc = desc_of((memmgr_fit)77, 0);
    refused(&desc, false);
    desc = desc_of((memmgr_fit)(MEMMGR_FIT_CUSTOM + 1), 0);
    refused(&desc, false);
#endif
}

static void test_edges_a_source_without_memory(void) {
    int calls = 0;
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, SMALL ? 0 : MEMMGR_POOL_GROW);
    desc.source.map = no_memory;
    desc.source.unmap = no_return;
    desc.source.ctx = &calls;
    reports_start();
    memmgr_pool *none = memmgr_pool_create(65536, &desc);
    if (SWITCH_ON) CHECK(none == NULL && calls == 1);
    if (none) memmgr_pool_destroy(none);
    CHECK_SILENT();
}

// Without a name, and with an empty one.
static void test_edges_names(void) {
    static const char *const names[] = {NULL, "", "heap"};
    for (int i = 0; i < 3; i++) {
        static unsigned char memory[2048];
        memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, 0);
        desc.name = names[i];
        reports_start();
        memmgr_pool *named = memmgr_pool_init(memory, sizeof memory, &desc);
        REQUIRE(named != NULL);
        void *block = memmgr_pool_alloc(named, 10);
        CHECK(block != NULL);
        CHECK_EQUAL(memmgr_pool_destroy(named), 1);
        CHECK_REPORTED(MEMMGR_LEAK);
    }
}

// --- NULL ----------------------------------------------------------------------------------------

static bool never_called(const memmgr_block *block, void *ctx) {
    (void)block;
    (void)ctx;
    FAIL("a walk through no pool");
    return true;
}

static void never_written(const char *text, size_t length, void *ctx) {
    (void)text;
    (void)length;
    (void)ctx;
    FAIL("a picture of no pool");
}

static void bad_argument(void) {
    if (SWITCH_ON) CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    reports_start();
}

static void test_edges_no_pool(void) {
    int block = 0;
    memmgr_stats stats;
    memset(&stats, 0x55, sizeof stats);
    reports_start();
    CHECK(memmgr_pool_alloc(NULL, 1) == NULL), bad_argument();
    CHECK(memmgr_pool_calloc(NULL, 1, 1) == NULL), bad_argument();
    CHECK(memmgr_pool_aligned_alloc(NULL, 16, 1) == NULL), bad_argument();
    CHECK(memmgr_pool_realloc(NULL, NULL, 1) == NULL), bad_argument();
    CHECK(memmgr_pool_realloc(NULL, &block, 1) == NULL), bad_argument();
    CHECK_EQUAL(memmgr_pool_free(NULL, &block), MEMMGR_BAD_ARGUMENT), bad_argument();
    CHECK_EQUAL(memmgr_pool_usable_size(NULL, &block), 0), bad_argument();
    CHECK_EQUAL(memmgr_pool_bytes_used(NULL), 0), bad_argument();
    CHECK_EQUAL(memmgr_pool_bytes_free(NULL), 0), bad_argument();
    CHECK_EQUAL(memmgr_pool_largest_free(NULL), 0), bad_argument();
    CHECK_EQUAL(memmgr_pool_check(NULL), MEMMGR_BAD_ARGUMENT), bad_argument();
    memmgr_pool_reset(NULL), bad_argument();
    memmgr_pool_stats(NULL, &stats), bad_argument();
    CHECK(!memmgr_pool_walk(NULL, never_called, NULL)), bad_argument();
    memmgr_pool_draw(NULL, MEMMGR_PICTURE_TEXT, never_written, NULL), bad_argument();
    memmgr_pool_draw(NULL, MEMMGR_PICTURE_SVG, never_written, NULL), bad_argument();
    CHECK_EQUAL(memmgr_pool_leaks(NULL), 0), bad_argument();
    CHECK(!memmgr_pool_owns(NULL, &block));
    CHECK_EQUAL(memmgr_pool_destroy(NULL), 0);
}

static void test_edges_null_arguments(void) {
    if (!open_pool(4096)) return;
    CHECK_EQUAL(memmgr_pool_free(pool, NULL), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_usable_size(pool, NULL), 0);
    CHECK(!memmgr_pool_owns(pool, NULL));
    memmgr_pool_stats(pool, NULL);
    memmgr_stats_get(NULL);
    CHECK_SILENT();
    CHECK(!memmgr_pool_walk(pool, NULL, NULL));
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_pool_draw(pool, MEMMGR_PICTURE_TEXT, NULL, NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK(!memmgr_walk(NULL, NULL));
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_draw(MEMMGR_PICTURE_TEXT, NULL, NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    close_pool();
}

// A segment has at most 64 GiB, of however much; and runs of more than 939 MiB are all of one code.
// Nothing of it is touched, so it costs addresses only.
static void test_edges_beyond_64_gib(void) {
#if defined(USE_MEMORY_MGR) && !defined(MEMMGR_NO_OS) && !defined(MEMMGR_SMALL) &&                 \
    SIZE_MAX > 0xFFFFFFFF
    const size_t gib = (size_t)1 << 30;
    memmgr_stats stats;
    reports_start();
    if (mmi_tool_is_there()) return; // it would be told of all of it
    pool = memmgr_pool_create(66 * gib, NULL);
    if (!pool) return; // a system that does not give away what it has not
    size_t most = memmgr_pool_largest_free(pool);
    CHECK(most > 63 * gib && most <= 64 * gib);
    for (int round = 0; round < 2; round++) {
        char *block = (char *)memmgr_pool_alloc(pool, 60 * gib);
        REQUIRE(block != NULL);
        CHECK_EQUAL(memmgr_pool_usable_size(pool, block), 60 * gib);
        CHECK(kept(memmgr_pool_alloc(pool, 5 * gib)) == NULL);
        char *other = (char *)memmgr_pool_alloc(pool, 3 * gib);
        CHECK(other == block + 60 * gib);
        CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
        CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_DOUBLE_FREE);
        CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
        CHECK_EQUAL(memmgr_pool_free(pool, other), MEMMGR_OK);
    }
    memmgr_pool_stats(pool, &stats);
    CHECK_EQUAL(stats.failures, 2);
    CHECK_EQUAL(stats.largest_free, most);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
#endif
}

// --- How large a pool ----------------------------------------------------------------------------

static void test_edges_size_for(void) {
    size_t last = 0;
    for (size_t live = 1; live <= (size_t)1 << 24; live *= 2) {
        size_t size = memmgr_pool_size_for(live, 100);
        CHECK(size > live && size >= last);
        last = size;
    }
    // What no pool can hold.
    CHECK_EQUAL(memmgr_pool_size_for(SIZE_MAX, 16), 0);
    CHECK_EQUAL(memmgr_pool_size_for(SIZE_MAX, SIZE_MAX), 0);
    CHECK_EQUAL(memmgr_pool_size_for(SIZE_MAX / 2, SIZE_MAX / 2), 0);
    if (!SWITCH_ON) return;
    CHECK_EQUAL(memmgr_pool_size_for(SIZE_MAX / 4, SIZE_MAX / 64), 0); // their product
    size_t longest = SIZE_MAX / 16 < 0xFFFFF000u ? SIZE_MAX / 16 : 0xFFFFF000u;
    CHECK_EQUAL(memmgr_pool_size_for(longest * 16 - 16, longest * 16 - 16), 0);
}

static const test_case tests[] = {
    TEST(test_edges_small_sizes),
    TEST(test_edges_large_sizes),
    TEST(test_edges_the_last_granule),
    TEST(test_edges_calloc),
    TEST(test_edges_bad_alignments),
    TEST(test_edges_large_alignments),
    TEST(test_edges_every_small_buffer),
    TEST(test_edges_larger_buffers),
    TEST(test_edges_no_buffer),
    TEST(test_edges_bad_descriptions),
    TEST(test_edges_a_source_without_memory),
    TEST(test_edges_names),
    TEST(test_edges_no_pool),
    TEST(test_edges_null_arguments),
    TEST(test_edges_beyond_64_gib),
    TEST(test_edges_size_for),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
