// smoke.c: every call once, for the matrix of compilers, standards and options. Needs nothing but
// the header, so that it shows what each option leaves out. The exit status is 0, or the number of
// the check that failed.
#ifdef SMOKE_HEADER_ONLY
#include "../memmgr.h"

// The declarations alone, in every language.
size_t smoke_size(void);
size_t smoke_size(void) {
    return sizeof(memmgr_pool_desc) + sizeof(memmgr_stats) + sizeof(memmgr_report);
}
#else

#define MEMMGR_IMPLEMENTATION
#include "../memmgr.h"

static int check_number, first_failed;
static unsigned report_count;
static union {
    unsigned char bytes[65536];
    void *align;
} memory;

static void check(bool holds) {
    check_number++;
    if (!holds && !first_failed) first_failed = check_number;
}

static void count_report(const memmgr_report *report, void *ctx) {
    (void)report;
    ++*(unsigned *)ctx;
}

static bool count_block(const memmgr_block *block, void *ctx) {
    *(size_t *)ctx += block->live ? 1u : 0u;
    return true;
}

static void count_text(const char *text, size_t length, void *ctx) {
    (void)text;
    *(size_t *)ctx += length;
}

static void smoke_pool(memmgr_pool *pool) {
    memmgr_stats stats;
    size_t live = 0, drawn = 0;
    check(pool != NULL);
    if (!pool) return;
    unsigned char *block = (unsigned char *)memmgr_pool_alloc(pool, 1000);
    unsigned char *zeroed = (unsigned char *)memmgr_pool_calloc(pool, 10, 10);
    void *aligned = memmgr_pool_aligned_alloc(pool, 256, 10);
    check(block && zeroed && aligned && ((size_t)aligned & 255) == 0 && zeroed[99] == 0);
    block[999] = 77;
    block = (unsigned char *)memmgr_pool_realloc(pool, block, 2000);
    check(block && block[999] == 77);
    check(memmgr_pool_usable_size(pool, block) >= 2000);
    check(memmgr_pool_owns(pool, block) && !memmgr_pool_owns(pool, &stats));
    memmgr_pool_stats(pool, &stats);
    check(stats.live_blocks == 3 && stats.used == memmgr_pool_bytes_used(pool));
    check(stats.free == memmgr_pool_bytes_free(pool));
    check(stats.largest_free == memmgr_pool_largest_free(pool));
    check(memmgr_pool_check(pool) == MEMMGR_OK);
    check(memmgr_pool_walk(pool, count_block, &live) && live == 3);
    memmgr_pool_draw(pool, MEMMGR_PICTURE_TEXT, count_text, &drawn);
    memmgr_pool_draw(pool, MEMMGR_PICTURE_SVG, count_text, &drawn);
    check(drawn > 100);
    drawn = 0;
    memmgr_pool_json(pool, count_text, &drawn);
    check(drawn > 100);
    check(memmgr_pool_free(pool, zeroed) == MEMMGR_OK);
#ifdef USE_MEMORY_MGR
    check(memmgr_pool_free(pool, zeroed) == MEMMGR_DOUBLE_FREE && report_count == 1);
    check(memmgr_pool_free(pool, block + 16) == MEMMGR_INTERIOR_POINTER && report_count == 2);
    check(memmgr_pool_free(pool, &stats) == MEMMGR_FOREIGN_POINTER && report_count == 3);
#endif
    memmgr_pool_reset(pool);
    check(memmgr_pool_bytes_used(pool) == 0);
    check(memmgr_pool_destroy(pool) == 0);
    report_count = 0;
}

// Two allocations; counts the runs in which one of them fails.
static void take_two(void *ctx) {
    void *one = memmgr_malloc(30), *two = memmgr_malloc(30);
    if (!one || !two) ++*(size_t *)ctx;
    memmgr_free(one);
    memmgr_free(two);
}

// What shows the general calls, and what watches them.
static void smoke_shown(void) {
    size_t live = 0, drawn = 0, traced = 0, failed = 0;
    bool starts = memmgr_trace_start(count_text, &traced);
    void *block = memmgr_malloc(40);
    check(block && memmgr_walk(count_block, &live));
    memmgr_draw(MEMMGR_PICTURE_TEXT, count_text, &drawn);
    memmgr_draw(MEMMGR_PICTURE_SVG, count_text, &drawn);
    memmgr_json(count_text, &drawn);
    check(drawn > 100 && memmgr_check() == MEMMGR_OK);
    memmgr_free(block);
    memmgr_trace_stop();
    memmgr_set_fill(true);
    block = memmgr_calloc(1, 40);
    check(block && ((unsigned char *)block)[39] == 0);
    memmgr_free(block);
    memmgr_set_fill(false);
    check(memmgr_leaks() == 0);
    check(memmgr_fail_each(NULL, take_two, &failed) == failed);
#if defined(USE_MEMORY_MGR) && !defined(MEMMGR_NO_WATCH) && !defined(MEMMGR_SMALL)
    check(starts && traced > 20 && live == 1 && failed == 2);
#else
    check(!starts && traced == 0 && failed == 0);
#endif
    report_count = 0;
}

static void smoke_general(void) {
    memmgr_stats stats;
    unsigned char *block = (unsigned char *)memmgr_malloc(100);
    unsigned char *zeroed = (unsigned char *)memmgr_calloc(10, 10);
    void *aligned = memmgr_aligned_alloc(64, 128);
    check(block && zeroed && aligned && ((size_t)aligned & 63) == 0 && zeroed[99] == 0);
    if (!block) return;
    block[99] = 78;
    block = (unsigned char *)memmgr_realloc(block, 3000);
    check(block && block[99] == 78 && memmgr_usable_size(block) >= 3000);
    memmgr_stats_get(&stats);
    memmgr_free(block);
#ifdef USE_MEMORY_MGR
    check(stats.live_blocks >= 3);
    memmgr_free(block);
    check(report_count == 1);
    memmgr_free(&stats);
    check(report_count == 2);
#endif
    memmgr_free_sized(zeroed, 100);
    memmgr_free(aligned);
    memmgr_free(NULL);
    memmgr_trim();
    report_count = 0;
}

int main(void) {
    memmgr_set_error_handler(count_report, &report_count);
    smoke_pool(memmgr_pool_init(memory.bytes, sizeof memory.bytes, NULL));
#ifndef MEMMGR_NO_OS
    smoke_pool(memmgr_pool_create(65536, NULL));
#endif
    smoke_general();
    smoke_shown();
    check(memmgr_pool_size_for(4096, 64) > 4096);
    check(memmgr_error_name(MEMMGR_LEAK)[0] == 'M' && memmgr_error_text(MEMMGR_LEAK)[0] != '\0');
    memmgr_set_error_handler(NULL, NULL);
    return first_failed;
}
#endif
