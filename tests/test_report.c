// test_report.c: what is reported, to whom, and what a handler may do.
#include "support.h"

#define NAMED(error)                                                                               \
    { error, #error }

static const struct {
    memmgr_error error;
    const char *name;
} errors[] = {
    NAMED(MEMMGR_OK),          NAMED(MEMMGR_OUT_OF_MEMORY),    NAMED(MEMMGR_BAD_ARGUMENT),
    NAMED(MEMMGR_DOUBLE_FREE), NAMED(MEMMGR_INTERIOR_POINTER), NAMED(MEMMGR_FOREIGN_POINTER),
    NAMED(MEMMGR_OVERRUN),     NAMED(MEMMGR_USE_AFTER_FREE),   NAMED(MEMMGR_CORRUPT),
    NAMED(MEMMGR_LEAK),
};

static void test_report_names(void) {
    CHECK_EQUAL(MEMMGR_OK, 0);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        const char *text = memmgr_error_text(errors[i].error);
        CHECK(strcmp(memmgr_error_name(errors[i].error), errors[i].name) == 0);
        CHECK(text && strlen(text) > 3 && !strchr(text, '\n'));
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(memmgr_error_text(errors[k].error), text) != 0);
    }
#ifndef __cplusplus
    for (int wrong = -3; wrong < 300; wrong++) {
        CHECK(memmgr_error_name((memmgr_error)wrong) != NULL);
        CHECK(memmgr_error_text((memmgr_error)wrong) != NULL);
    }
#endif
}

// A handler that uses the pool, and the general calls, while it is told about them.
typedef struct {
    memmgr_pool *pool;
    size_t calls;
} busy_handler;

static void work_in_handler(const memmgr_report *report, void *ctx) {
    busy_handler *busy = (busy_handler *)ctx;
    memmgr_stats stats;
    busy->calls++;
    void *block = memmgr_pool_alloc(busy->pool, 100);
    void *general = memmgr_malloc(100);
    CHECK(block && general);
    memmgr_pool_stats(busy->pool, &stats);
    CHECK(stats.live_blocks > 0);
    CHECK_EQUAL(memmgr_pool_check(busy->pool), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_free(busy->pool, block), MEMMGR_OK);
    memmgr_free(general);
    CHECK(report->error != MEMMGR_OK);
}

static void misuse_all(memmgr_pool *pool, size_t *misuses) {
    char *block = (char *)memmgr_pool_alloc(pool, 200);
    char *general = (char *)memmgr_malloc(200);
    char *freed = (char *)memmgr_pool_alloc(pool, 300);
    REQUIRE(block && general && freed);
    memmgr_pool_free(pool, freed);
    memmgr_pool_free(pool, pointer_plus(freed, 0));
    memmgr_pool_free(pool, pointer_plus(block, 16));
    memmgr_pool_realloc(pool, pointer_plus(block, 8), 100);
    memmgr_pool_usable_size(pool, &block);
    memmgr_pool_aligned_alloc(pool, opaque(3), 100);
    memmgr_free(pointer_plus(general, 1));
    memmgr_realloc(pointer_plus(general, 16), 10);
    memmgr_usable_size(&block);
    memmgr_aligned_alloc(opaque(12), 100);
    *misuses += 9;
    memmgr_pool_free(pool, block);
    memmgr_free(general);
}

static void test_report_handler_may_call(void) {
    for (int round = 0; round < 2 && SWITCH_ON; round++) {
        memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, 0);
        size_t misuses = 0;
        busy_handler busy;
        test_buffer buffer = buffer_new(16384, 0);
        if (round) desc.flags = MEMMGR_POOL_LOCKED;
        busy.pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
        busy.calls = 0;
        REQUIRE(busy.pool != NULL);
        memmgr_set_error_handler(work_in_handler, &busy);
        misuse_all(busy.pool, &misuses);
        CHECK_EQUAL(busy.calls, misuses);
        CHECK(pool_agrees(busy.pool));
        reports_start();
        CHECK_EQUAL(memmgr_pool_destroy(busy.pool), 0);
        CHECK_SILENT();
        buffer_drop(&buffer);
    }
}

static void test_report_contents(void) {
    test_buffer buffer = buffer_new(16384, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
    REQUIRE(pool != NULL);
    reports_start();
    char *block = (char *)memmgr_pool_alloc(pool, 1000);
    REQUIRE(block != NULL);
    if (SWITCH_ON) {
        CHECK_EQUAL(memmgr_pool_free(pool, pointer_plus(block, 160)), MEMMGR_INTERIOR_POINTER);
        CHECK(reports.last.pointer == block + 160 && reports.last.block == block);
        CHECK(reports.last.size == 1008 && reports.last.pool == pool);
        CHECK_REPORTED(MEMMGR_INTERIOR_POINTER);
        CHECK_EQUAL(memmgr_pool_free(pool, &pool), MEMMGR_FOREIGN_POINTER);
        CHECK(reports.last.pointer == (void *)&pool && reports.last.block == NULL);
        CHECK_REPORTED(MEMMGR_FOREIGN_POINTER);
        CHECK(memmgr_pool_aligned_alloc(pool, opaque(24), 100) == NULL);
        CHECK(reports.last.pool == pool && reports.last.size == 100);
        CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    }
    CHECK_EQUAL(memmgr_pool_destroy(pool), 1);
    CHECK(reports.last.block == block && reports.last.size == 1008);
    CHECK_REPORTED(MEMMGR_LEAK);
    buffer_drop(&buffer);
}

// A place without a line is none: then it is the code that called.
static void test_report_without_a_line(void) {
    static const int lines[] = {7, 0, -3};
    reports_start();
    for (size_t i = 0; i < 3; i++) {
        CHECK(memmgr_pool_aligned_alloc_at(NULL, 16, 10, "a.c", lines[i]) == NULL);
        CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
        bool placed = reports.last.file && strcmp(reports.last.file, "a.c") == 0;
        CHECK_EQUAL(placed, lines[i] > 0);
        CHECK_EQUAL(reports.last.line, lines[i] > 0 ? lines[i] : 0);
        if (lines[i] > 0) CHECK(reports.last.caller == NULL);
    }
}

// A handler that frees what has leaked, while the pool ends.
typedef struct {
    memmgr_pool *pool;
    size_t calls, freed;
} freeing_handler;

static void free_in_handler(const memmgr_report *report, void *ctx) {
    freeing_handler *freeing = (freeing_handler *)ctx;
    freeing->calls++;
    CHECK_EQUAL(report->error, MEMMGR_LEAK);
    CHECK(report->pool == freeing->pool);
    if (!report->block) return; // all the others
    CHECK_EQUAL(memmgr_pool_usable_size(freeing->pool, report->block), report->size);
    CHECK_EQUAL(memmgr_pool_free(freeing->pool, pointer_plus(report->block, 0)), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_check(freeing->pool), MEMMGR_OK);
    freeing->freed++;
}

// Takes `count` blocks, and ends the pool.
static void leak_and_free(memmgr_pool *pool, size_t count, size_t size) {
    freeing_handler freeing = {pool, 0, 0};
    for (size_t i = 0; i < count; i++)
        CHECK(kept(memmgr_pool_alloc(pool, size)) != NULL);
    memmgr_set_error_handler(free_in_handler, &freeing);
    CHECK_EQUAL(memmgr_pool_destroy(pool), count);
    CHECK_EQUAL(freeing.freed, count < 16 ? count : 16);
    CHECK_EQUAL(freeing.calls, count < 17 ? count : 17);
    reports_start();
}

static void leak_in_buffer(size_t count, size_t size) {
    test_buffer buffer = buffer_new((size_t)2 << 20, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
    REQUIRE(pool != NULL);
    leak_and_free(pool, count, size);
    buffer_drop(&buffer);
}

// In segments that are unmapped when their last block is freed.
static void leak_in_segments(size_t count, size_t size, unsigned flags) {
    static test_source source;
    source_open(&source, (size_t)16 << 20);
    memmgr_pool_desc desc = desc_growing(&source, 0);
    desc.flags |= flags;
    memmgr_pool *pool = memmgr_pool_create(4096, &desc);
    REQUIRE(pool != NULL);
    leak_and_free(pool, count, size);
    if (SWITCH_ON && count >= 5 && count * size >= 20000) CHECK(source.calls > 3);
    source_close(&source);
}

static void test_report_handler_may_free_leaks(void) {
    static const size_t counts[] = {1, 2, 5, 13, 16, 17, 40};
    static const size_t sizes[] = {16, 1000, 4000, 20000, 40000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            leak_in_buffer(counts[i], sizes[k]);
            leak_in_segments(counts[i], sizes[k], 0);
            leak_in_segments(counts[i], sizes[k], MEMMGR_POOL_EAGER);
        }
    }
}

// A pool that is about to end is not ended a second time by who hears of its leaks.
typedef struct {
    memmgr_pool *pool;
    size_t calls;
} destroying_handler;

static void destroy_in_handler(const memmgr_report *report, void *ctx) {
    destroying_handler *destroying = (destroying_handler *)ctx;
    destroying->calls++;
    CHECK_EQUAL(report->error, MEMMGR_LEAK);
    CHECK_EQUAL(memmgr_pool_destroy(destroying->pool), 0);
}

static void test_report_handler_may_not_destroy(void) {
    if (!SWITCH_ON) return; // there it is the program's to know
    test_buffer buffer = buffer_new(16384, 0);
    destroying_handler destroying = {memmgr_pool_init(buffer.at, buffer.size, NULL), 0};
    REQUIRE(destroying.pool != NULL);
    CHECK(kept(memmgr_pool_alloc(destroying.pool, 100)) != NULL);
    memmgr_set_error_handler(destroy_in_handler, &destroying);
    CHECK_EQUAL(memmgr_pool_destroy(destroying.pool), 1);
    CHECK_EQUAL(destroying.calls, 1);
    reports_start();
    CHECK_EQUAL(memmgr_pool_destroy(destroying.pool), 0); // now it is none
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    buffer_drop(&buffer);
}

static const test_case tests[] = {
    TEST(test_report_names),
    TEST(test_report_handler_may_call),
    TEST(test_report_contents),
    TEST(test_report_without_a_line),
    TEST(test_report_handler_may_free_leaks),
    TEST(test_report_handler_may_not_destroy),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
