// test_watch.c: calls that are watched, made to fail and looked at for leaks. What each fault is
// reported as, the corpus shows; here is what must not go wrong meanwhile.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // fork() and more under a strict -std=c11
#endif
#include "workers.h"

#if HAVE_THREADS
#include <fcntl.h>
#include <sys/resource.h>
#endif

// With ASan told of every block, a test must not touch what is not its own, and blocks are not
// filled.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN_FEATURE 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(ASAN_FEATURE)
enum { HAS_ASAN = 1 };
#else
enum { HAS_ASAN = 0 };
#endif
#if defined(MEMMGR_NO_TOOLS) || defined(MEMMGR_NO_WATCH)
enum { TOOL_SEES = 0 };
#else
enum { TOOL_SEES = HAS_ASAN };
#endif

#ifdef MEMMGR_NO_WATCH
enum { WATCHES = 0 };
#else
enum { WATCHES = SWITCH_ON };
#endif

enum {
    TRACK = MEMMGR_POOL_TRACK,
    GUARD = MEMMGR_POOL_GUARD,
    FILL = MEMMGR_POOL_FILL,
    KEEP = MEMMGR_POOL_QUARANTINE,
    RECORDED = TRACK | GUARD | KEEP,
    EVERYTHING = RECORDED | FILL
};

// What is on without being asked for.
#ifdef MEMMGR_DEBUG
enum { ALWAYS = TRACK | GUARD | FILL };
#else
enum { ALWAYS = TOOL_SEES ? (SWITCH_ON ? TRACK | GUARD : GUARD) : 0 };
#endif

// The combinations of the four flags, by number.
static unsigned flags_of(unsigned number) {
    return (number & 1 ? (unsigned)TRACK : 0) | (number & 2 ? (unsigned)GUARD : 0) |
           (number & 4 ? (unsigned)FILL : 0) | (number & 8 ? (unsigned)KEEP : 0);
}

// Calls to a pool, or with NULL the general ones, that say where they are made.
static const char here[] = "here.c";

static unsigned char *take(memmgr_pool *pool, size_t size, int line) {
    void *block =
        pool ? memmgr_pool_alloc_at(pool, size, here, line) : memmgr_malloc_at(size, here, line);
    return (unsigned char *)kept(block);
}

static unsigned char *take_zeroed(memmgr_pool *pool, size_t count, size_t size, int line) {
    void *block = pool ? memmgr_pool_calloc_at(pool, count, size, here, line)
                       : memmgr_calloc_at(count, size, here, line);
    return (unsigned char *)kept(block);
}

static unsigned char *take_aligned(memmgr_pool *pool, size_t alignment, size_t size, int line) {
    void *block = pool ? memmgr_pool_aligned_alloc_at(pool, alignment, size, here, line)
                       : memmgr_aligned_alloc_at(alignment, size, here, line);
    return (unsigned char *)kept(block);
}

static unsigned char *resize(memmgr_pool *pool, void *block, size_t size, int line) {
    void *moved = pool ? memmgr_pool_realloc_at(pool, block, size, here, line)
                       : memmgr_realloc_at(block, size, here, line);
    return (unsigned char *)kept(moved);
}

static memmgr_error drop(memmgr_pool *pool, void *block, int line) {
    if (pool) return memmgr_pool_free_at(pool, block, here, line);
    memmgr_free_at(block, here, line);
    return MEMMGR_OK;
}

static size_t measure(memmgr_pool *pool, const void *block) {
    return pool ? memmgr_pool_usable_size(pool, block) : memmgr_usable_size(block);
}

static memmgr_error audit(memmgr_pool *pool) {
    return pool ? memmgr_pool_check(pool) : memmgr_check();
}

static memmgr_stats stats_of(memmgr_pool *pool) {
    memmgr_stats stats;
    memset(&stats, 0, sizeof stats);
    if (pool)
        memmgr_pool_stats(pool, &stats);
    else
        memmgr_stats_get(&stats);
    return stats;
}

static bool walk_heap(memmgr_pool *pool) {
    walked.count = walked.live_count = walked.live_bytes = walked.free_bytes = 0;
    walked.ordered = true;
    return pool ? memmgr_pool_walk(pool, walk_add, &walked) : memmgr_walk(walk_add, &walked);
}

static size_t live_blocks(memmgr_pool *pool) {
    CHECK(walk_heap(pool));
    return walked.live_count;
}

// --- All reports ---------------------------------------------------------------------------------

enum { SEEN = 128 };

static struct {
    size_t count;
    memmgr_report report[SEEN];
} seen;

static void see(const memmgr_report *report, void *ctx) {
    (void)ctx;
    if (seen.count < SEEN) seen.report[seen.count] = *report;
    seen.count++;
    reports_record(report, &reports);
}

static void seen_start(void) {
    reports_start();
    seen.count = 0;
    memmgr_set_error_handler(see, NULL);
}

// --- Places that blocks come from ----------------------------------------------------------------

typedef enum {
    GENERAL,
    FIXED,
    LITTLE, // often full
    LOCKED,
    EAGER,
    FIRST,
    BEST,
    WORST,
    GROWING,
    GROWING_LOCKED,
    PLACES
} place_kind;

typedef struct {
    place_kind kind;
    memmgr_pool *pool;
    test_buffer buffer;
    test_source source;
} place;

static bool place_is_growing(place_kind kind) { return kind == GROWING || kind == GROWING_LOCKED; }

static memmgr_pool_desc place_desc(place *in, unsigned flags) {
    static const memmgr_fit fits[PLACES] = {
        [FIRST] = MEMMGR_FIT_FIRST, [BEST] = MEMMGR_FIT_BEST, [WORST] = MEMMGR_FIT_CUSTOM};
    memmgr_pool_desc desc = desc_of(fits[in->kind], flags);
    if (place_is_growing(in->kind)) {
        source_open(&in->source, (size_t)16 << 20);
        desc = desc_growing(&in->source, 0);
        desc.flags |= flags;
    }
    if (in->kind == WORST) desc.choose = choose_worst;
    if (in->kind == EAGER) desc.flags |= MEMMGR_POOL_EAGER;
    if (in->kind == LOCKED || in->kind == GROWING_LOCKED) desc.flags |= MEMMGR_POOL_LOCKED;
    desc.name = "place";
    return desc;
}

// Opens a place that is watched like that, and hears of all reports.
static bool place_open(place *in, place_kind kind, unsigned flags) {
    memset(in, 0, sizeof *in);
    in->kind = kind;
    seen_start();
    if (kind == GENERAL) {
        memmgr_watch(flags);
        return true;
    }
    memmgr_pool_desc desc = place_desc(in, flags);
    if (place_is_growing(kind)) {
        in->pool = memmgr_pool_create(4096, &desc);
    } else {
        in->buffer = buffer_new(kind == LITTLE ? 24000 : (size_t)2 << 20, 16 * test_below(4));
        in->pool = memmgr_pool_init(in->buffer.at, in->buffer.size, &desc);
    }
    return CHECK(in->pool != NULL);
}

// Returns how many blocks have leaked.
static size_t place_close(place *in) {
    size_t leaked = 0;
    if (in->kind == GENERAL)
        memmgr_watch(0);
    else
        leaked = memmgr_pool_destroy(in->pool);
    if (place_is_growing(in->kind)) source_close(&in->source);
    if (in->buffer.raw) buffer_drop(&in->buffer);
    return leaked;
}

static place the_place;

// Each place that can be watched: without the switch the general calls are the C library's.
#define FOR_PLACES(kind) for (int kind = SWITCH_ON ? GENERAL : FIXED; kind < PLACES; kind++)

// --- Failures on purpose -------------------------------------------------------------------------

static void set_faults(memmgr_pool *pool, size_t nth, size_t one_in, uint64_t seed) {
    memmgr_faults faults = {nth, one_in, seed};
    if (pool)
        memmgr_pool_set_faults(pool, &faults);
    else
        memmgr_set_faults(&faults);
}

static void no_faults(memmgr_pool *pool) {
    if (pool)
        memmgr_pool_set_faults(pool, NULL);
    else
        memmgr_set_faults(NULL);
}

enum { TRIES = 4000 };

// Which of some allocations fail, under these faults. Returns how many.
static size_t failures_of(memmgr_pool *pool, const memmgr_faults *faults, size_t tries,
                          bool *failed) {
    size_t count = 0;
    set_faults(pool, faults->nth, faults->one_in, faults->seed);
    for (size_t i = 0; i < tries; i++) {
        void *block = take(pool, 10 + i % 50, 1);
        failed[i] = block == NULL;
        count += failed[i];
        drop(pool, block, 2);
    }
    return count;
}

static void check_nth(memmgr_pool *pool, size_t nth) {
    static bool failed[TRIES];
    memmgr_faults faults = {nth, 0, 0};
    memmgr_stats before = stats_of(pool), after;
    CHECK_EQUAL(failures_of(pool, &faults, 30, failed), nth != 0 && nth <= 30);
    if (nth != 0 && nth <= 30) CHECK(failed[nth - 1]);
    after = stats_of(pool);
    CHECK_EQUAL(after.failures - before.failures, nth != 0 && nth <= 30);
    CHECK_EQUAL(after.live_blocks, before.live_blocks);
    no_faults(pool);
}

static void test_watch_faults_nth(void) {
    static const size_t nths[] = {0, 1, 2, 7, 30, 31, 1000};
    FOR_PLACES(kind) {
        for (unsigned number = 0; number < 16; number += 5) {
            if (!place_open(&the_place, (place_kind)kind, flags_of(number))) return;
            for (size_t i = 0; i < sizeof nths / sizeof nths[0]; i++)
                check_nth(the_place.pool, nths[i]);
            CHECK_EQUAL(audit(the_place.pool), MEMMGR_OK);
            CHECK_EQUAL(place_close(&the_place), 0);
            CHECK_SILENT();
        }
    }
}

static void check_one_in(memmgr_pool *pool) {
    static bool failed[TRIES], again[TRIES], other[TRIES];
    memmgr_faults all = {0, 1, 7}, tenth = {0, 10, 42}, third = {0, 3, 1}, never = {0, SIZE_MAX, 3};
    CHECK_EQUAL(failures_of(pool, &all, 100, failed), 100);
    size_t count = failures_of(pool, &tenth, TRIES, failed);
    CHECK(count > TRIES / 10 * 7 / 10 && count < TRIES / 10 * 13 / 10);
    CHECK_EQUAL(failures_of(pool, &tenth, TRIES, again), count);
    CHECK(memcmp(failed, again, sizeof failed) == 0);
    tenth.seed++;
    count = failures_of(pool, &tenth, TRIES, other);
    CHECK(count > TRIES / 10 * 7 / 10 && count < TRIES / 10 * 13 / 10);
    CHECK(memcmp(failed, other, sizeof failed) != 0);
    count = failures_of(pool, &third, TRIES, other);
    CHECK(count > TRIES / 3 * 8 / 10 && count < TRIES / 3 * 12 / 10);
    CHECK_EQUAL(failures_of(pool, &never, 1000, failed), 0);
    no_faults(pool);
    CHECK(take(pool, 10, 1) != NULL);
}

static void test_watch_faults_one_in(void) {
    FOR_PLACES(kind) {
        if (!place_open(&the_place, (place_kind)kind, kind % 3 == 2 ? (unsigned)EVERYTHING : 0))
            return;
        size_t before = kind == GENERAL ? live_blocks(NULL) : 0;
        check_one_in(the_place.pool);
        if (kind == GENERAL) {
            CHECK_EQUAL(live_blocks(NULL), before + 1);
            memmgr_watch(0);
            continue;
        }
        CHECK_SILENT();
        CHECK_EQUAL(place_close(&the_place), 1);
    }
}

// Seeds that are near to each other, and those at the ends, are all different.
static void test_watch_faults_seeds(void) {
    static const uint64_t seeds[] = {0, 1, 2, 3, 1000, UINT64_MAX, UINT64_MAX - 1};
    enum { SEEDS = sizeof seeds / sizeof seeds[0], LENGTH = 400 };
    static bool failed[SEEDS][LENGTH];
    if (!place_open(&the_place, FIXED, 0)) return;
    for (size_t i = 0; i < SEEDS; i++) {
        memmgr_faults faults = {0, 4, seeds[i]};
        size_t count = failures_of(the_place.pool, &faults, LENGTH, failed[i]);
        CHECK(count > LENGTH / 8 && count < LENGTH / 2);
        for (size_t j = 0; j < i; j++)
            CHECK(memcmp(failed[i], failed[j], LENGTH) != 0);
    }
    CHECK_EQUAL(place_close(&the_place), 0);
}

static void test_watch_faults_both(void) {
    static bool failed[TRIES];
    if (!place_open(&the_place, FIXED, TRACK)) return;
    for (size_t nth = 1; nth < 20; nth++) {
        memmgr_faults faults = {nth, 5, nth * 77};
        size_t count = failures_of(the_place.pool, &faults, TRIES, failed);
        CHECK(failed[nth - 1]);
        CHECK(count > TRIES / 5 * 8 / 10 && count < TRIES / 5 * 12 / 10);
    }
    // The count begins anew with each setting.
    set_faults(the_place.pool, 3, 0, 0);
    CHECK(take(the_place.pool, 1, 1) && take(the_place.pool, 1, 1));
    set_faults(the_place.pool, 2, 0, 0);
    CHECK(take(the_place.pool, 1, 1) && !take(the_place.pool, 1, 1) && take(the_place.pool, 1, 1));
    CHECK_EQUAL(place_close(&the_place), 4);
}

// A fault that is due, and the call that meets it.
static void check_calls_fail(memmgr_pool *pool) {
    memmgr_stats before = stats_of(pool);
    set_faults(pool, 1, 0, 0);
    CHECK(take_zeroed(pool, 5, 20, 1) == NULL);
    set_faults(pool, 1, 0, 0);
    CHECK(take_aligned(pool, 64, 100, 2) == NULL);
    set_faults(pool, 1, 0, 0);
    CHECK(resize(pool, NULL, 50, 3) == NULL);
    set_faults(pool, 1, 0, 0);
    CHECK((pool ? memmgr_pool_alloc(pool, 9) : memmgr_malloc(9)) == NULL);
    set_faults(pool, 1, 0, 0);
    CHECK((pool ? memmgr_pool_calloc(pool, 9, 9) : memmgr_calloc(9, 9)) == NULL);
    set_faults(pool, 1, 0, 0);
    CHECK((pool ? memmgr_pool_aligned_alloc(pool, 32, 9) : memmgr_aligned_alloc(32, 9)) == NULL);
    CHECK_EQUAL(stats_of(pool).failures - before.failures, 6);
    CHECK_EQUAL(stats_of(pool).live_blocks, before.live_blocks);
    void *block = take(pool, 100000, 1);
    set_faults(pool, 1, 0, 0);
    CHECK((pool ? memmgr_pool_alloc(pool, 100000) : memmgr_malloc(100000)) == NULL);
    drop(pool, block, 2);
}

static void check_realloc_fails(memmgr_pool *pool, size_t size, size_t larger) {
    unsigned char *block = take(pool, size, 1), *moved;
    if (!CHECK(block != NULL)) return;
    pattern_fill(block, size, 99);
    memmgr_stats before = stats_of(pool);
    size_t usable = measure(pool, block);
    set_faults(pool, 1, 0, 0);
    CHECK(resize(pool, block, larger, 2) == NULL);
    CHECK(pattern_holds(block, size, 99));
    CHECK_EQUAL(measure(pool, block), usable);
    CHECK_EQUAL(stats_of(pool).failures, before.failures + 1);
    CHECK_EQUAL(stats_of(pool).live_blocks, before.live_blocks);
    set_faults(pool, 2, 0, 0);
    CHECK((moved = resize(pool, block, larger, 3)) != NULL);
    CHECK(pattern_holds(moved, size, 99));
    CHECK((block = resize(pool, moved, size / 2, 4)) != NULL);
    CHECK(pattern_holds(block, size / 2, 99));
    CHECK_EQUAL(stats_of(pool).failures, before.failures + 1);
    CHECK(take(pool, 10, 5) == NULL); // the second: to shrink is none
    drop(pool, block, 6);
}

static void test_watch_faults_calls(void) {
    FOR_PLACES(kind) {
        for (unsigned number = 0; number < 16; number++) {
            size_t most = kind == LITTLE ? 2000 : 100000;
            if (!place_open(&the_place, (place_kind)kind, flags_of(number))) return;
            if (kind != LITTLE) check_calls_fail(the_place.pool);
            check_realloc_fails(the_place.pool, 40, 200);
            check_realloc_fails(the_place.pool, 100, most);
            check_realloc_fails(the_place.pool, most, 2 * most);
            CHECK_EQUAL(audit(the_place.pool), MEMMGR_OK);
            CHECK_EQUAL(place_close(&the_place), 0);
            CHECK_SILENT();
        }
    }
}

// --- A job that is to survive every failure ------------------------------------------------------

typedef struct job_node {
    struct job_node *next;
    unsigned char *text;
} job_node;

typedef struct {
    memmgr_pool *pool;
    size_t nodes, runs, complete;
    size_t size; // of the text, which grows once
} list_job;

static void list_drop(memmgr_pool *pool, job_node *first) {
    while (first) {
        job_node *next = first->next;
        drop(pool, first->text, 5);
        drop(pool, first, 6);
        first = next;
    }
}

// Puts a node in front; false when there is no memory for it.
static bool list_add(list_job *own, job_node **first) {
    job_node *node = (job_node *)(void *)take_zeroed(own->pool, 1, sizeof *node, 1);
    if (!node) return false;
    node->next = *first;
    *first = node;
    node->text = take(own->pool, own->size, 2);
    if (!node->text) return false;
    pattern_fill(node->text, own->size, 5);
    unsigned char *larger = resize(own->pool, node->text, 3 * own->size, 3);
    CHECK(pattern_holds(larger ? larger : node->text, own->size, 5));
    if (larger) node->text = larger;
    return larger != NULL;
}

static void list_run(void *ctx) {
    list_job *own = (list_job *)ctx;
    job_node *first = NULL;
    size_t nodes = 0;
    own->runs++;
    while (nodes < own->nodes && list_add(own, &first))
        nodes++;
    own->complete += nodes == own->nodes;
    list_drop(own->pool, first);
}

static void test_watch_fail_each(void) {
    FOR_PLACES(kind) {
        for (unsigned number = 0; number < 16; number += 3) {
            if (!place_open(&the_place, (place_kind)kind, flags_of(number))) return;
            memmgr_pool *pool = the_place.pool;
            list_job list = {pool, 6, 0, 0, 48};
            size_t before = kind == GENERAL ? live_blocks(NULL) : 0;
            memmgr_stats stats = stats_of(pool);
            CHECK_EQUAL(memmgr_fail_each(pool, list_run, &list), 18);
            CHECK_EQUAL(list.runs, 19);
            CHECK_EQUAL(list.complete, 1);
            CHECK_EQUAL(live_blocks(pool), before);
            CHECK_EQUAL(stats_of(pool).failures, stats.failures + 18);
            CHECK_EQUAL(audit(pool), MEMMGR_OK);
            void *block = take(pool, 10, 9);
            CHECK(block != NULL); // it is over
            drop(pool, block, 9);
            CHECK_EQUAL(place_close(&the_place), 0);
            CHECK_SILENT();
        }
    }
}

static void nothing_run(void *ctx) { ++*(size_t *)ctx; }

// A job that sets faults of its own ends the series.
static void undo_faults(void *ctx) {
    memmgr_pool *pool = (memmgr_pool *)ctx;
    no_faults(pool);
    drop(pool, take(pool, 10, 1), 1);
}

static void test_watch_fail_each_undone(void) {
    if (!place_open(&the_place, FIXED, TRACK)) return;
    CHECK_EQUAL(memmgr_fail_each(the_place.pool, undo_faults, the_place.pool), 0);
    CHECK_EQUAL(memmgr_fail_each(NULL, undo_faults, NULL), 0);
    CHECK_EQUAL(stats_of(the_place.pool).failures, 0);
    CHECK_EQUAL(place_close(&the_place), 0);
    CHECK_SILENT();
}

static void test_watch_fail_each_of_nothing(void) {
    size_t runs = 0;
    if (!place_open(&the_place, FIXED, 0)) return;
    CHECK_EQUAL(memmgr_fail_each(the_place.pool, nothing_run, &runs), 0);
    CHECK_EQUAL(runs, 1);
    CHECK_EQUAL(memmgr_fail_each(NULL, nothing_run, &runs), 0);
    CHECK_EQUAL(runs, 2);
    CHECK_SILENT();
    CHECK_EQUAL(memmgr_fail_each(the_place.pool, NULL, &runs), 0);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK_EQUAL(memmgr_fail_each(NULL, NULL, &runs), 0);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK_EQUAL(memmgr_pool_destroy(the_place.pool), 0);
    CHECK_EQUAL(memmgr_fail_each(the_place.pool, nothing_run, &runs), 0);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_pool_set_faults(the_place.pool, NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_pool_set_faults(NULL, NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK_EQUAL(runs, 2);
    buffer_drop(&the_place.buffer);
}

// Without the switch the C library's calls cannot be made to fail: one run is all.
static void test_watch_fail_each_without_switch(void) {
    list_job list = {NULL, 6, 0, 0, 48};
    if (SWITCH_ON) return;
    seen_start();
    CHECK_EQUAL(memmgr_fail_each(NULL, list_run, &list), 0);
    CHECK_EQUAL(list.runs, 1);
    CHECK_EQUAL(list.complete, 1);
    CHECK_SILENT();
}

// --- The general calls, watched and not ----------------------------------------------------------

#if HAVE_THREADS // for what workers.h has

enum { BEFORE = 400 };

static owned early[BEFORE];

static void early_take(uint64_t *random) {
    for (size_t i = 0; i < BEFORE; i++) {
        early[i] = owned_new(random, any_size(random, 100000));
        // What a program writes may look like a guard.
        if (i % 4 == 0 && early[i].size >= 64) memset(early[i].at, 0xFD, 64);
    }
}

static void early_audit(void) {
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    for (size_t i = 0; i < BEFORE; i++) {
        bool guard = i % 4 == 0 && early[i].size >= 64;
        CHECK(memmgr_usable_size(early[i].at) >= early[i].size);
        CHECK(guard ? bytes_are(early[i].at, 64, 0xFD) : owned_holds(&early[i]));
    }
}

static void early_drop(uint64_t *random) {
    for (size_t i = 0; i < BEFORE; i++) {
        if (i % 4 == 0) {
            memmgr_free(early[i].at);
            continue;
        }
        if (i % 4 == 1) owned_resize(&early[i], random, 1 + any_size(random, 100000));
        if (i % 8 == 2) owned_resize(&early[i], random, early[i].size / 2 + 1);
        if (i % 8 == 3) owned_resize(&early[i], random, early[i].size + 1);
        owned_free(&early[i], random);
    }
}

// Blocks from before there was any watching. The first test of all: later ones are watched.
static void test_watch_blocks_from_before(void) {
    uint64_t random = test_seed * 3;
    seen_start();
    size_t before = live_blocks(NULL);
    early_take(&random);
    memmgr_watch(EVERYTHING);
    early_audit();
    if (SWITCH_ON) CHECK_EQUAL(live_blocks(NULL), before + BEFORE);
    early_drop(&random);
    if (SWITCH_ON) CHECK_EQUAL(live_blocks(NULL), before);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    memmgr_watch(0);
    CHECK_SILENT();
}

#endif

static void test_watch_refuses_flags(void) {
    seen_start();
    for (unsigned bit = 0; bit < 32; bit++) {
        unsigned flag = 1u << bit;
        bool known = (flag & (unsigned)EVERYTHING) != 0;
        memmgr_watch(GUARD);
        CHECK_SILENT();
        size_t misuses = stats_of(NULL).misuses;
        memmgr_watch(flag);
        CHECK_EQUAL(reports.count, !known);
        if (!known) CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
        if (SWITCH_ON) CHECK_EQUAL(stats_of(NULL).misuses - misuses, !known);
        memmgr_watch(GUARD);
        memmgr_watch(flag | TRACK | KEEP);
        CHECK_EQUAL(reports.count, !known);
        if (!known && WATCHES) { // it is as it was
            void *block = memmgr_malloc(10);
            CHECK_EQUAL(memmgr_usable_size(block), 10);
            memmgr_free(block);
        }
        reports_start();
    }
    memmgr_watch(~0u);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_watch(0);
    CHECK_SILENT();
}

#if HAVE_THREADS

// Takes blocks while one combination is on, and hands them to another.
static void check_on_and_off(unsigned from, unsigned to, uint64_t *random) {
    enum { BLOCKS = 40 };
    owned block[BLOCKS];
    memmgr_watch(from);
    for (size_t i = 0; i < BLOCKS; i++)
        block[i] = owned_new(random, any_size(random, 40000));
    for (size_t i = 0; i < BLOCKS; i += 4) // so that there is memory that tells of old
        owned_free(&block[i], random);
    memmgr_watch(to);
    for (size_t i = 0; i < BLOCKS; i++) {
        if (!block[i].at) block[i] = owned_new(random, any_size(random, 40000));
        CHECK(memmgr_usable_size(block[i].at) >= block[i].size);
        if (i % 3 == 0) owned_resize(&block[i], random, 1 + any_size(random, 40000));
    }
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    for (size_t i = 0; i < BLOCKS; i++)
        owned_free(&block[i], random);
}

static void test_watch_on_and_off(void) {
    uint64_t random = test_seed;
    seen_start();
    size_t before = live_blocks(NULL);
    for (unsigned from = 0; from < 16; from++) {
        for (unsigned to = 0; to < 16; to++) {
            check_on_and_off(flags_of(from), flags_of(to), &random);
            if (!CHECK_SILENT()) {
                printf("        from %u to %u\n", from, to);
                return;
            }
        }
    }
    memmgr_watch(0);
    if (SWITCH_ON) CHECK_EQUAL(live_blocks(NULL), before);
}

#endif

// A block without a record, in memory that bears the record of one that was freed.
static void test_watch_off_forgets_records(void) {
    enum { BLOCKS = 200 };
    void *block[BLOCKS];
    seen_start();
    for (size_t size = 16; size <= 40000; size *= 3) {
        size_t before = live_blocks(NULL);
        memmgr_watch(TRACK | GUARD);
        for (size_t i = 0; i < BLOCKS; i++)
            block[i] = memmgr_malloc(size);
        for (size_t i = 0; i < BLOCKS; i++)
            memmgr_free(block[i]);
        memmgr_watch(0);
        for (size_t i = 0; i < BLOCKS; i++)
            block[i] = memmgr_malloc(size + 80);
        if (SWITCH_ON) CHECK_EQUAL(live_blocks(NULL), before + BLOCKS);
        for (size_t i = 0; i < BLOCKS; i++)
            CHECK(memmgr_usable_size(block[i]) >= size + 80);
        CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
        for (size_t i = 0; i < BLOCKS; i++)
            memmgr_free(block[i]);
        if (SWITCH_ON) CHECK_EQUAL(live_blocks(NULL), before);
        CHECK_SILENT();
    }
}

static void test_watch_with_set_fill(void) {
    if (!WATCHES || TOOL_SEES) return;
    seen_start();
    for (unsigned number = 0; number < 16; number++) {
        unsigned flags = flags_of(number);
        memmgr_watch(flags);
        memmgr_set_fill(true);
        unsigned char *block = (unsigned char *)memmgr_malloc(100);
        REQUIRE(block != NULL);
        CHECK(bytes_are(block, 100, 0xCC));
        if (flags & GUARD) CHECK_EQUAL(memmgr_usable_size(block), 100);
        memset(block, 1, 100);
        memmgr_set_fill(false);
        if (flags & GUARD) CHECK_EQUAL(memmgr_usable_size(block), 100);
        memmgr_free(block);
        block = (unsigned char *)memmgr_malloc(100);
        REQUIRE(block != NULL);
        if (flags & GUARD) CHECK_EQUAL(memmgr_usable_size(block), 100);
        memset(block, 1, 100);
        memmgr_free(block);
        if (flags & KEEP) {
            CHECK(bytes_are(block, 100, 0xDD));
            memmgr_free(pointer_plus(block, 0)); // as before, it is in quarantine
            CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
        }
        CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
        memmgr_watch(0);
        CHECK_SILENT();
    }
}

// --- What calls give when they are watched -------------------------------------------------------

static const size_t some_sizes[] = {0,     1,     7,     8,     15,    16,    17,     31,    32,
                                    33,    100,   255,   256,   1000,  4000,  4096,   5000,  20000,
                                    32688, 32689, 32767, 32768, 32769, 65536, 100000, 300000};
enum { SOME_SIZES = sizeof some_sizes / sizeof some_sizes[0] };

static void check_block(memmgr_pool *pool, unsigned flags, unsigned char *block, size_t size,
                        size_t alignment, int fresh) {
    if (!CHECK(block != NULL)) return;
    CHECK(is_aligned(block, alignment));
    if (flags & GUARD) CHECK_EQUAL(measure(pool, block), size);
    CHECK(measure(pool, block) >= size);
    if (fresh >= 0) CHECK(bytes_are(block, size, fresh));
    memset(block, 0x11, measure(pool, block));
    if (pool) CHECK(memmgr_pool_owns(pool, block));
    drop(pool, block, 3);
}

static void test_watch_sizes(void) {
    FOR_PLACES(kind) {
        if (kind == LITTLE) continue;
        for (unsigned number = 0; number < 16; number++) {
            unsigned flags = flags_of(number);
            int fresh = (flags & FILL) && WATCHES && !TOOL_SEES ? 0xCC : -1;
            if (!place_open(&the_place, (place_kind)kind, flags)) return;
            memmgr_pool *pool = the_place.pool;
            flags |= ALWAYS;
            for (size_t i = 0; i < SOME_SIZES; i++) {
                size_t size = some_sizes[i];
                check_block(pool, flags, take(pool, size, 1), size, 16, fresh);
                check_block(pool, flags, take_zeroed(pool, 1, size, 1), size, 16, 0);
                check_block(pool, flags, take_zeroed(pool, size, 3, 1), 3 * size, 16, 0);
                check_block(pool, flags, resize(pool, NULL, size, 1), size, 16, fresh);
            }
            CHECK_EQUAL(audit(pool), MEMMGR_OK);
            CHECK_EQUAL(place_close(&the_place), 0);
            CHECK_SILENT();
        }
    }
}

static void test_watch_size_0_is_unique(void) {
    enum { BLOCKS = 100 };
    unsigned char *block[BLOCKS];
    FOR_PLACES(kind) {
        if (!place_open(&the_place, (place_kind)kind, EVERYTHING)) return;
        for (size_t i = 0; i < BLOCKS; i++) {
            REQUIRE((block[i] = take(the_place.pool, 0, 1)) != NULL);
            for (size_t j = 0; j < i; j++)
                CHECK(block[i] != block[j]);
        }
        for (size_t i = 0; i < BLOCKS; i++)
            drop(the_place.pool, block[i], 1);
        CHECK_EQUAL(place_close(&the_place), 0);
        CHECK_SILENT();
    }
}

static void test_watch_alignments(void) {
    FOR_PLACES(kind) {
        if (kind == LITTLE) continue;
        for (unsigned number = 0; number < 16; number += 5) {
            unsigned flags = flags_of(number);
            if (!place_open(&the_place, (place_kind)kind, flags)) return;
            size_t most = place_is_growing((place_kind)kind) || kind == GENERAL ? 1 << 20 : 1 << 19;
            for (size_t alignment = 1; alignment <= most; alignment *= 2) {
                for (size_t size = 0; size < 3000; size = size * 3 + 1)
                    check_block(the_place.pool, flags | ALWAYS,
                                take_aligned(the_place.pool, alignment, size, 1), size, alignment,
                                -1);
            }
            CHECK_EQUAL(audit(the_place.pool), MEMMGR_OK);
            CHECK_EQUAL(place_close(&the_place), 0);
            CHECK_SILENT();
        }
    }
}

// Content survives every way from one size to another, of blocks however aligned.
static void check_realloc(memmgr_pool *pool, size_t from, size_t to, size_t alignment) {
    unsigned char *block = take_aligned(pool, alignment, from, 1);
    size_t same = from < to ? from : to;
    if (!CHECK(block != NULL)) return;
    pattern_fill(block, from, from + 3);
    block = resize(pool, block, to, 2);
    if (!CHECK(block != NULL)) return;
    CHECK(is_aligned(block, 16));
    CHECK(measure(pool, block) >= to);
    CHECK(pattern_holds(block, same, from + 3));
    pattern_fill(block, to, to);
    drop(pool, block, 3);
}

static void test_watch_realloc(void) {
    static const size_t sizes[] = {1, 30, 200, 3000, 32700, 40000, 200000};
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    FOR_PLACES(kind) {
        if (kind == LITTLE) continue;
        for (unsigned number = 0; number < 16; number += kind == GENERAL ? 1 : 3) {
            if (!place_open(&the_place, (place_kind)kind, flags_of(number))) return;
            for (size_t i = 0; i < SIZES; i++) {
                for (size_t j = 0; j < SIZES; j++) {
                    check_realloc(the_place.pool, sizes[i], sizes[j], 16);
                    check_realloc(the_place.pool, sizes[i], sizes[j], 256);
                }
            }
            CHECK_EQUAL(audit(the_place.pool), MEMMGR_OK);
            CHECK_EQUAL(place_close(&the_place), 0);
            CHECK_SILENT();
        }
    }
}

// What a call that cannot succeed leaves: nothing but a failure that is counted, once.
static void check_refused(memmgr_pool *pool, const void *block, const memmgr_stats *before,
                          size_t failures) {
    memmgr_stats after = stats_of(pool);
    CHECK(block == NULL);
    CHECK_EQUAL(after.failures, before->failures + failures);
    CHECK_EQUAL(after.live_blocks, before->live_blocks);
    CHECK_EQUAL(after.used, before->used);
    CHECK_EQUAL(after.requested, before->requested);
}

static void check_impossible(memmgr_pool *pool, size_t size) {
    memmgr_stats before = stats_of(pool);
    check_refused(pool, take(pool, size, 1), &before, 1);
    check_refused(pool, take_zeroed(pool, size, 1, 1), &before, 2);
    check_refused(pool, take_zeroed(pool, 1, size, 1), &before, 3);
    check_refused(pool, take_aligned(pool, 64, size, 1), &before, 4);
    check_refused(pool, take_aligned(pool, opaque(SIZE_MAX / 2 + 1), size, 1), &before, 5);
    check_refused(pool, take_aligned(pool, opaque(SIZE_MAX / 2 + 1), 1, 1), &before, 6);
    check_refused(pool, resize(pool, NULL, size, 1), &before, 7);
    check_refused(pool, take_zeroed(pool, opaque(SIZE_MAX / 2), 3, 1), &before, 8);
    unsigned char *block = take(pool, 60, 1);
    if (!CHECK(block != NULL)) return;
    pattern_fill(block, 60, 3);
    before = stats_of(pool);
    check_refused(pool, resize(pool, block, size, 1), &before, 1);
    CHECK(pattern_holds(block, 60, 3));
    drop(pool, block, 1);
}

// realloc(p, 0) does what the C library's does, and the block is gone either way.
static void test_watch_realloc_to_nothing(void) {
    if (!WATCHES) return;
    place_open(&the_place, GENERAL, TRACK | GUARD);
    size_t before = live_blocks(NULL);
    unsigned char *block = take(NULL, 100, 1), *nothing = resize(NULL, block, 0, 2);
#if defined(__GLIBC__)
    CHECK(nothing == NULL);
#else
    CHECK(nothing != NULL);
#endif
    drop(NULL, nothing, 3);
    CHECK_EQUAL(live_blocks(NULL), before);
    CHECK_SILENT();
    if (!nothing) {
        drop(NULL, pointer_plus(block, 0), 4);
        CHECK(reports.last.free_line == 2);
        CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    }
    place_close(&the_place);
}

static void test_watch_impossible_sizes(void) {
    static const size_t sizes[] = {
        SIZE_MAX,      SIZE_MAX - 7,        SIZE_MAX - 15,    SIZE_MAX - 16,
        SIZE_MAX - 64, SIZE_MAX - 79,       SIZE_MAX - 80,    SIZE_MAX - 81,
        SIZE_MAX - 96, (size_t)PTRDIFF_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 2 - 80};
    FOR_PLACES(kind) {
        // ASan ends a program that asks the C library for so much.
        if (!SWITCH_ON && place_is_growing((place_kind)kind) && HAS_ASAN) continue;
        for (unsigned number = 0; number < 16; number++) {
            if (!place_open(&the_place, (place_kind)kind, flags_of(number))) return;
            drop(the_place.pool, take(the_place.pool, 500, 1), 2); // something for the quarantine
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                // A system may have 2 GiB for a program of 32 bits.
                bool there_may_be = sizeof(size_t) < 8 && sizes[i] <= SIZE_MAX / 2 + 1;
                if (there_may_be) continue;
                check_impossible(the_place.pool, opaque(sizes[i]));
            }
            CHECK_EQUAL(audit(the_place.pool), MEMMGR_OK);
            CHECK_EQUAL(place_close(&the_place), 0);
            CHECK_SILENT();
        }
    }
}

// "Of the allocation: a thread's, or a pool's, count up".
static void test_watch_serials_count_up(void) {
    enum { BLOCKS = 40 };
    unsigned char *block[BLOCKS];
    FOR_PLACES(kind) {
        size_t serial[BLOCKS], last = 0;
        if (kind == GENERAL && TOOL_SEES) continue;
        if (!place_open(&the_place, (place_kind)kind, TRACK)) return;
        for (size_t i = 0; i < BLOCKS; i++)
            block[i] = take(the_place.pool, 100, 1);
        for (size_t i = 0; i < BLOCKS; i += 3) // in place, or not
            block[i] = resize(the_place.pool, block[i], i % 2 ? 60 : 101, 2);
        CHECK(walk_heap(the_place.pool));
        for (size_t i = 0; i < BLOCKS; i++) {
            serial[i] = 0;
            for (size_t k = 0; k < walked.count; k++)
                if (walked.block[k].address == block[i]) serial[i] = walked.block[k].serial;
            CHECK(serial[i] != 0);
            for (size_t j = 0; j < i; j++)
                CHECK(serial[i] != serial[j]);
        }
        for (size_t i = 1; i < BLOCKS; i++) { // those that were left alone
            if (i % 3 == 0) continue;
            CHECK(serial[i] > last);
            last = serial[i];
        }
        for (size_t i = 0; i < BLOCKS; i++)
            drop(the_place.pool, block[i], 3);
        CHECK_EQUAL(place_close(&the_place), 0);
        CHECK_SILENT();
    }
}

// --- Everything at random, beside a model --------------------------------------------------------

typedef struct {
    unsigned char *at;
    size_t size;
    uint64_t tag;
    int line; // of the call that gave it
} item;

enum { ITEMS = 96, MODEL_STEPS = 1200 };

typedef struct {
    place_kind kind;
    memmgr_pool *pool;
    unsigned flags; // all that is on
    item items[ITEMS];
    size_t count, bytes; // live blocks, and what was asked for
    int line;            // of the last call
    size_t misuses;      // that were to be reported
    size_t before;       // blocks that are not the model's
} model;

static model the_model;

static item *model_any(model *m) { return m->count ? &m->items[test_below(m->count)] : NULL; }

static size_t model_size(const model *m) {
    if (test_chance(5)) return test_below(3);
    if (test_chance(4)) return m->kind == LITTLE ? 3000 : test_log_uniform(10000, 120000);
    return test_log_uniform(1, m->kind == LITTLE ? 1000 : 6000);
}

// Exactly this was reported, and nothing else. Places are asked for where blocks are tracked.
static bool model_reported(model *m, memmgr_error error, const void *pointer, ptrdiff_t offset,
                           int line, int alloc_line, int free_line) {
    const memmgr_report *report = &seen.report[0];
    bool as_expected = CHECK_EQUAL(seen.count, 1);
    if (seen.count > 0) {
        bool tracked = (m->flags & TRACK) != 0 && error != MEMMGR_FOREIGN_POINTER;
        as_expected &= CHECK_EQUAL(report->error, error);
        as_expected &= CHECK(report->pointer == pointer && report->pool == m->pool);
        as_expected &= CHECK_EQUAL(report->offset, offset);
        as_expected &= CHECK_EQUAL(report->line, line);
        as_expected &= CHECK((report->file != NULL) == (line != 0));
        if (tracked) as_expected &= CHECK_EQUAL(report->alloc_line, alloc_line);
        if (tracked) as_expected &= CHECK_EQUAL(report->free_line, free_line);
    }
    for (size_t i = 0; i < seen.count && i < SEEN && !as_expected; i++)
        printf("        reported %s of %p\n", memmgr_error_name(seen.report[i].error),
               seen.report[i].pointer);
    seen.count = 0;
    m->misuses++;
    return as_expected;
}

static void model_silent(void) {
    if (!CHECK_EQUAL(seen.count, 0))
        printf("        %s\n", memmgr_error_name(seen.report[0].error));
    seen.count = 0;
}

static bool model_fills(const model *m) { return (m->flags & FILL) && !TOOL_SEES; }

static void model_stamp(item *block) {
    block->tag = test_random();
    pattern_fill(block->at, block->size, block->tag);
}

static void model_alloc(model *m) {
    size_t size = model_size(m), alignment = 16, roll = test_below(8);
    unsigned char *at;
    int line = ++m->line;
    if (m->count == ITEMS) return;
    if (roll == 0) {
        at = take_zeroed(m->pool, size, 1, line);
        CHECK(!at || bytes_are(at, size, 0));
    } else if (roll == 1) {
        alignment = (size_t)1 << test_below(m->kind == LITTLE ? 9 : 14);
        at = take_aligned(m->pool, alignment, size, line);
    } else {
        at = roll == 2 ? resize(m->pool, NULL, size, line) : take(m->pool, size, line);
    }
    if (roll != 0 && at && model_fills(m) && SWITCH_ON) CHECK(bytes_are(at, size, 0xCC));
    if (!at) CHECK(m->pool != NULL);
    if (!at) return;
    item block = {at, size, 0, line};
    CHECK(is_aligned(at, alignment));
    CHECK(measure(m->pool, at) >= size);
    if (m->flags & GUARD) CHECK_EQUAL(measure(m->pool, at), size);
    model_stamp(&block);
    m->items[m->count++] = block;
    m->bytes += size;
}

// Takes a block from the model; it is still to be freed.
static item model_remove(model *m, item *block) {
    item removed = *block;
    CHECK(pattern_holds(removed.at, removed.size, removed.tag));
    *block = m->items[--m->count];
    m->bytes -= removed.size;
    return removed;
}

static void model_free(model *m) {
    item *block = model_any(m);
    if (!block) return;
    item removed = model_remove(m, block);
    CHECK_EQUAL(drop(m->pool, removed.at, ++m->line), MEMMGR_OK);
}

static void model_resized(model *m, item *block, unsigned char *at, size_t size, int line) {
    size_t same = size < block->size ? size : block->size;
    if (!at) {
        CHECK(m->pool != NULL || size == 0);
        CHECK(pattern_holds(block->at, block->size, block->tag));
        return;
    }
    CHECK(is_aligned(at, 16));
    CHECK(pattern_holds(at, same, block->tag));
    if (model_fills(m) && size > block->size && (m->flags & RECORDED) && SWITCH_ON)
        CHECK(bytes_are(at + same, size - same, 0xCC));
    m->bytes += size - block->size;
    block->at = at;
    block->size = size;
    block->line = line;
    model_stamp(block);
}

static void model_realloc(model *m) {
    item *block = model_any(m);
    int line = ++m->line;
    if (!block) return;
    size_t size = test_chance(30) ? test_below(block->size + 1) : model_size(m);
    if (!m->pool && size == 0) size = 1; // 0 frees, or not
    model_resized(m, block, resize(m->pool, block->at, size, line), size, line);
}

// A call that is a misuse of this pointer.
static void model_misuse(model *m, void *pointer, memmgr_error error) {
    int line = ++m->line;
    switch (test_below(3)) {
    case 0:
        CHECK(resize(m->pool, pointer, model_size(m) + 1, line) == NULL);
        break;
    case 1:
        if (m->pool)
            CHECK_EQUAL(memmgr_pool_usable_size_at(m->pool, pointer, here, line), 0);
        else
            CHECK_EQUAL(memmgr_usable_size_at(pointer, here, line), 0);
        break;
    default:
        CHECK(drop(m->pool, pointer, line) == (m->pool ? error : MEMMGR_OK));
    }
}

static void model_double_free(model *m) {
    item *block = model_any(m);
    if (!block) return;
    item removed = model_remove(m, block);
    int freed = ++m->line;
    CHECK_EQUAL(drop(m->pool, removed.at, freed), MEMMGR_OK);
    model_silent();
    // What was the only block of its segment, or many pages, may be the system's again.
    bool may_be_gone = place_is_growing(m->kind) || (m->kind == GENERAL && removed.size > 30000);
    memmgr_error error = MEMMGR_DOUBLE_FREE;
    void *pointer = pointer_plus(removed.at, 0);
    if (may_be_gone && m->pool && !buffer_holds(&the_place.buffer, pointer, 1)) {
        CHECK(measure(m->pool, pointer) == 0);
        if (seen.count == 1) error = seen.report[0].error;
        CHECK(error == MEMMGR_DOUBLE_FREE || error == MEMMGR_FOREIGN_POINTER);
        seen.count = 0;
        m->misuses++;
    }
    model_misuse(m, pointer, error);
    (void)model_reported(m, error, pointer, 0, m->line, removed.line, freed);
}

static void model_interior(model *m) {
    item *block = model_any(m);
    if (!block || block->size < 2) return;
    unsigned char *pointer = (unsigned char *)pointer_plus(
        block->at, (intptr_t)(1 + test_below(test_chance(50) ? block->size - 1 : 1)));
    if (test_chance(30) && block->size > 16) pointer = (unsigned char *)pointer_plus(block->at, 16);
    model_misuse(m, pointer, MEMMGR_INTERIOR_POINTER);
    if (seen.count == 1) CHECK(seen.report[0].block == block->at);
    (void)model_reported(m, MEMMGR_INTERIOR_POINTER, pointer, 0, m->line, block->line, 0);
}

static void model_foreign(model *m) {
    static unsigned char elsewhere[64];
    void *pointer = pointer_plus(elsewhere, (intptr_t)test_below(48));
    model_misuse(m, pointer, MEMMGR_FOREIGN_POINTER);
    (void)model_reported(m, MEMMGR_FOREIGN_POINTER, pointer, 0, m->line, 0, 0);
}

static void model_bad_alignment(model *m) {
    CHECK(take_aligned(m->pool, opaque(24), 10, ++m->line) == NULL);
    (void)model_reported(m, MEMMGR_BAD_ARGUMENT, NULL, 0, m->line, 0, 0);
}

// A byte before or behind the block, and what finds it.
static void model_overrun(model *m) {
    item *block = model_any(m);
    if (!block || !(m->flags & GUARD) || TOOL_SEES) return;
    ptrdiff_t offset = test_chance(40) ? -1 - (ptrdiff_t)test_below(16)
                                       : (ptrdiff_t)(block->size + test_below(16));
    *(unsigned char *)pointer_plus(block->at, offset) ^= 0x41;
    int line = ++m->line, was = block->line;
    void *pointer = block->at;
    if (test_chance(30)) {
        CHECK_EQUAL(audit(m->pool), MEMMGR_OVERRUN);
        line = 0;
    } else if (test_chance(40)) {
        size_t size = model_size(m) + 1;
        model_resized(m, block, resize(m->pool, block->at, size, line), size, line);
    } else {
        item removed = model_remove(m, block);
        CHECK_EQUAL(drop(m->pool, removed.at, line), m->pool ? MEMMGR_OVERRUN : MEMMGR_OK);
    }
    (void)model_reported(m, MEMMGR_OVERRUN, pointer, offset, line, was, 0);
    CHECK_EQUAL(audit(m->pool), MEMMGR_OK);
    model_silent();
}

static void model_write_after_free(model *m) {
    item *block = model_any(m);
    if (!block || !(m->flags & KEEP) || TOOL_SEES || block->size == 0 || block->size > 1000) return;
    item removed = model_remove(m, block);
    int freed = ++m->line;
    drop(m->pool, removed.at, freed);
    size_t offset = test_below(removed.size);
    *(unsigned char *)pointer_plus(removed.at, (intptr_t)offset) = 0x22;
    CHECK_EQUAL(audit(m->pool), MEMMGR_USE_AFTER_FREE);
    (void)model_reported(m, MEMMGR_USE_AFTER_FREE, removed.at, (ptrdiff_t)offset, 0, removed.line,
                         freed);
    CHECK_EQUAL(audit(m->pool), MEMMGR_OK);
    model_silent();
}

// --- What must hold all the time

static const item *model_find(const model *m, const void *at) {
    for (size_t i = 0; i < m->count; i++)
        if (m->items[i].at == at) return &m->items[i];
    return NULL;
}

static void model_check_shown(const model *m, const memmgr_block *shown) {
    const item *block = model_find(m, shown->address);
    if (!block) return;
    CHECK(shown->size >= block->size);
    if (!(m->flags & TRACK)) return;
    CHECK_EQUAL(shown->requested, block->size);
    CHECK_EQUAL(shown->line, block->line);
    CHECK(shown->file && strcmp(shown->file, here) == 0);
    CHECK(shown->serial != 0);
}

// Shows the walk exactly the model's blocks, and do the statistics tell of them?
static void model_check_walk(const model *m, const memmgr_stats *stats) {
    size_t mine = 0, used = 0, live = 0;
    CHECK(walk_heap(m->pool));
    if (m->pool && SWITCH_ON) CHECK(walked.ordered);
    for (size_t i = 0; i < walked.count; i++) {
        if (!walked.block[i].live) continue;
        live++;
        used += walked.block[i].size + walked.block[i].overhead;
        mine += model_find(m, walked.block[i].address) != NULL;
        model_check_shown(m, &walked.block[i]);
    }
    CHECK_EQUAL(mine, m->count);
    CHECK_EQUAL(live, m->count + m->before);
    if (m->pool && SWITCH_ON) CHECK_EQUAL(stats->used, used);
}

static void model_check_pool(const model *m, const memmgr_stats *stats) {
    if (!m->pool) return;
    CHECK_EQUAL(stats->allocations - stats->frees, stats->live_blocks);
    CHECK_EQUAL(memmgr_pool_bytes_used(m->pool), stats->used);
    CHECK_EQUAL(memmgr_pool_bytes_free(m->pool), stats->free);
    CHECK_EQUAL(memmgr_pool_largest_free(m->pool), stats->largest_free);
    CHECK(stats->largest_free <= stats->free);
    CHECK(stats->peak_used >= stats->used);
    if (m->flags & TRACK) CHECK_EQUAL(stats->requested, m->bytes);
}

static void model_check(model *m) {
    CHECK_EQUAL(audit(m->pool), MEMMGR_OK);
    memmgr_stats stats = stats_of(m->pool);
    CHECK_EQUAL(stats.used + stats.free + stats.overhead, stats.capacity);
    CHECK_EQUAL(stats.live_blocks, m->count + m->before);
    if (m->pool) CHECK_EQUAL(stats.misuses, m->misuses);
    model_check_walk(m, &stats);
    model_check_pool(m, &stats);
    for (size_t i = 0; i < m->count; i++)
        CHECK(pattern_holds(m->items[i].at, m->items[i].size, m->items[i].tag));
    model_silent();
}

// A request of that size succeeds now.
static void model_largest(model *m) {
    memmgr_stats stats = stats_of(m->pool);
    if (!m->pool || stats.largest_free == 0) return;
    void *block = take(m->pool, stats.largest_free, ++m->line);
    if (!CHECK(block != NULL))
        printf("        %lu bytes of %lu\n", (unsigned long)stats.largest_free,
               (unsigned long)stats.free);
    drop(m->pool, block, ++m->line);
}

static void model_step(model *m) {
    static void (*const misuses[])(model * m) = {
        model_double_free, model_interior, model_foreign,         model_bad_alignment,
        model_overrun,     model_overrun,  model_write_after_free};
    size_t roll = test_below(100);
    if (roll < 8 && SWITCH_ON)
        misuses[test_below(sizeof misuses / sizeof misuses[0])](m);
    else if (roll < 50)
        model_alloc(m);
    else if (roll < 70)
        model_realloc(m);
    else if (roll < 71)
        model_largest(m);
    else
        model_free(m);
    model_silent();
}

// What is left is reported, and nothing else; twice, if it is asked for twice.
static void model_end(model *m) {
    size_t blocks = 0, bytes = 0;
    if (test_chance(50) || !m->pool)
        while (m->count)
            model_free(m);
    model_silent();
    for (int round = 0; round < 2 && m->pool; round++) {
        blocks = bytes = seen.count = 0;
        size_t count = round ? memmgr_pool_destroy(m->pool) : memmgr_pool_leaks(m->pool);
        CHECK_EQUAL(count, m->count);
        CHECK(seen.count <= 17);
        for (size_t i = 0; i < seen.count && i < SEEN; i++) {
            CHECK_EQUAL(seen.report[i].error, MEMMGR_LEAK);
            blocks += seen.report[i].count;
            bytes += seen.report[i].size;
        }
        CHECK_EQUAL(blocks, m->count);
        if (m->flags & TRACK) CHECK_EQUAL(bytes, m->bytes);
    }
    seen.count = 0;
}

static void model_run(place_kind kind, unsigned flags) {
    model *m = &the_model;
    memset(m, 0, sizeof *m);
    if (!place_open(&the_place, kind, flags)) return;
    m->kind = kind;
    m->pool = the_place.pool;
    m->flags = flags | ALWAYS;
    m->before = kind == GENERAL ? live_blocks(NULL) : 0;
    unsigned long failures = test_failures;
    size_t steps = test_count(MODEL_STEPS);
    for (size_t i = 0; i < steps && test_failures == failures; i++) {
        model_step(m);
        if (i % 16 == 0) model_check(m);
        if (i % 400 == 399 && m->pool) {
            memmgr_pool_reset(m->pool);
            m->count = m->bytes = 0;
        }
    }
    model_check(m);
    model_end(m);
    if (test_failures != failures) printf("        place %d, flags %x\n", (int)kind, flags);
    if (kind == GENERAL) memmgr_watch(0);
    if (place_is_growing(kind)) source_close(&the_place.source);
    if (the_place.buffer.raw) buffer_drop(&the_place.buffer);
}

static void test_watch_model(void) {
    FOR_PLACES(kind) {
        for (unsigned number = 0; number < 16; number++)
            model_run((place_kind)kind, flags_of(number));
    }
}

// --- Quarantine ----------------------------------------------------------------------------------

// A block that was freed comes back, but not soon.
static void test_watch_quarantine_holds_back(void) {
    if (!WATCHES || TOOL_SEES) return;
    FOR_PLACES(kind) {
        size_t size = kind == LITTLE ? 300 : kind == GENERAL ? 200000 : 30000, round = 1;
        if (place_is_growing((place_kind)kind)) size = 100;
        if (!place_open(&the_place, (place_kind)kind, KEEP)) return;
        void *first = take(the_place.pool, size, 1);
        drop(the_place.pool, first, 2);
        for (; round < 5000; round++) {
            void *next = take(the_place.pool, size, 3);
            if (!CHECK(next != NULL)) break;
            drop(the_place.pool, next, 4);
            if (next == first) break;
        }
        if (!CHECK(round > 4 && round < 5000))
            printf("        place %d: after %lu\n", kind, (unsigned long)round);
        CHECK_EQUAL(audit(the_place.pool), MEMMGR_OK);
        CHECK_EQUAL(place_close(&the_place), 0);
        CHECK_SILENT();
    }
}

// What is in it is freed: no call takes it for a block.
static void test_watch_quarantine_has_no_blocks(void) {
    if (!WATCHES || TOOL_SEES || !SWITCH_ON) return;
    FOR_PLACES(kind) {
        if (!place_open(&the_place, (place_kind)kind, TRACK | KEEP)) return;
        memmgr_pool *pool = the_place.pool;
        void *freed = take(pool, 100, 5);
        drop(pool, pointer_plus(freed, 0), 6);
        CHECK_SILENT();
        CHECK_EQUAL(measure(pool, freed), 0);
        CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
        CHECK(resize(pool, pointer_plus(freed, 0), 50, 7) == NULL);
        CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
        CHECK(resize(pool, pointer_plus(freed, 0), 500, 8) == NULL);
        CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
        drop(pool, pointer_plus(freed, 0), 9);
        CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
        CHECK_EQUAL(place_close(&the_place), 0);
        CHECK_SILENT();
    }
}

// Who has been in longest leaves first: told by the order in which changes are found.
static void test_watch_quarantine_is_a_queue(void) {
    enum { BLOCKS = 6 };
    if (!WATCHES || TOOL_SEES) return;
    FOR_PLACES(kind) {
        if (kind == LITTLE || place_is_growing((place_kind)kind)) continue;
        static const size_t order[BLOCKS] = {3, 0, 5, 1, 4, 2}; // another than they lie in
        size_t size = kind == GENERAL ? 300000 : 40000;
        unsigned char *block[BLOCKS];
        if (!place_open(&the_place, (place_kind)kind, KEEP | TRACK)) return;
        for (size_t i = 0; i < BLOCKS; i++)
            block[i] = take(the_place.pool, size, 10 + (int)i);
        for (size_t i = 0; i < BLOCKS; i++) {
            drop(the_place.pool, block[order[i]], 20 + (int)i);
            block[order[i]][i] = 1;
        }
        seen.count = 0;
        for (size_t i = 0; i < 200 && seen.count < BLOCKS; i++)
            drop(the_place.pool, take(the_place.pool, size, 1), 2);
        CHECK_EQUAL(seen.count, BLOCKS);
        for (size_t i = 0; i < BLOCKS && i < seen.count; i++) {
            CHECK_EQUAL(seen.report[i].error, MEMMGR_USE_AFTER_FREE);
            CHECK_EQUAL(seen.report[i].free_line, 20 + i);
        }
        CHECK_EQUAL(place_close(&the_place), 0);
        reports_start();
    }
}

// A large one does not stay: its room is free at once, while that of a small one is not.
static void test_watch_quarantine_takes_no_large_ones(void) {
    if (!WATCHES || TOOL_SEES) return;
    if (!place_open(&the_place, FIXED, KEEP)) return;
    memmgr_stats empty = stats_of(the_place.pool), after;
    drop(the_place.pool, take(the_place.pool, 1000000, 1), 1);
    after = stats_of(the_place.pool);
    CHECK_EQUAL(after.free, empty.free);
    CHECK_EQUAL(after.live_blocks, 0);
    drop(the_place.pool, take(the_place.pool, 1000, 1), 1);
    after = stats_of(the_place.pool);
    CHECK(after.free + 1000 <= empty.free);
    CHECK_EQUAL(after.live_blocks, 0);
    CHECK_EQUAL(after.used, 0);
    CHECK_EQUAL(after.requested, 0);
    CHECK_EQUAL(after.frees, after.allocations);
    CHECK_EQUAL(after.used + after.free + after.overhead, after.capacity);
    CHECK_EQUAL(memmgr_pool_bytes_used(the_place.pool), 0);
    CHECK_EQUAL(live_blocks(the_place.pool), 0);
    CHECK_EQUAL(place_close(&the_place), 0);
    CHECK_SILENT();
}

// Fills a pool with blocks. Returns how many there was room for.
static size_t fill_up(memmgr_pool *pool, size_t size, void **blocks, size_t most) {
    size_t count = 0;
    while (count < most && (blocks[count] = take(pool, size, 1)) != NULL)
        count++;
    return count;
}

static void test_watch_quarantine_gives_way(void) {
    enum { MOST = 4000 };
    static void *blocks[MOST];
    if (!WATCHES) return;
    for (int kind = FIXED; kind < GROWING; kind++) {
        for (size_t size = 10; size < 6000; size *= 7) {
            if (!place_open(&the_place, (place_kind)kind, KEEP | TRACK)) return;
            memmgr_pool *pool = the_place.pool;
            size_t room = fill_up(pool, size, blocks, MOST), failures = stats_of(pool).failures;
            for (int round = 0; round < 3; round++) {
                for (size_t i = 0; i < room; i++)
                    drop(pool, blocks[i], 2);
                CHECK_EQUAL(stats_of(pool).failures, failures);
                CHECK_EQUAL(fill_up(pool, size, blocks, room), room);
                CHECK_EQUAL(stats_of(pool).failures, failures);
            }
            CHECK_EQUAL(audit(pool), MEMMGR_OK);
            for (size_t i = 0; i < room; i++)
                drop(pool, blocks[i], 2);
            CHECK_EQUAL(place_close(&the_place), 0);
            CHECK_SILENT();
        }
    }
}

// A pool without room for a quarantine has none; that is no failure of an allocation.
static void test_watch_quarantine_without_room(void) {
    for (size_t size = 300; size < 3000; size += 16) {
        memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, KEEP);
        test_buffer buffer = buffer_new(size, 0);
        seen_start();
        memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
        if (pool) {
            CHECK_EQUAL(stats_of(pool).failures, 0);
            void *block = take(pool, 10, 1);
            size_t failures = stats_of(pool).failures;
            CHECK_EQUAL(failures, block == NULL);
            if (block) drop(pool, block, 2);
            CHECK_EQUAL(stats_of(pool).failures, failures);
            CHECK_EQUAL(stats_of(pool).live_blocks, 0);
            CHECK_EQUAL(stats_of(pool).frees, stats_of(pool).allocations);
            CHECK_EQUAL(audit(pool), MEMMGR_OK);
            CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        }
        CHECK_SILENT();
        buffer_drop(&buffer);
    }
}

static void test_watch_quarantine_is_emptied(void) {
    if (!WATCHES || TOOL_SEES) return;
    FOR_PLACES(kind) {
        if (!place_open(&the_place, (place_kind)kind, KEEP | TRACK)) return;
        memmgr_pool *pool = the_place.pool;
        for (int round = 0; round < 3; round++) { // by reset, by the end, or by watching no more
            unsigned char *block = take(pool, 50, 1), *live = take(pool, 50, 1);
            drop(pool, block, 2);
            block[7] = 1;
            if (round == 2 || kind == GENERAL) drop(pool, live, 3);
            seen.count = 0;
            if (kind == GENERAL) {
                memmgr_watch(TRACK);
                memmgr_watch(KEEP | TRACK);
            } else if (round < 2) {
                memmgr_pool_reset(pool);
                CHECK_EQUAL(stats_of(pool).live_blocks, 0);
                CHECK_EQUAL(live_blocks(pool), 0);
            } else {
                CHECK_EQUAL(place_close(&the_place), 0);
            }
            CHECK_EQUAL(seen.count, 1);
            CHECK(seen.report[0].pointer == block && seen.report[0].offset == 7);
            CHECK(seen.report[0].free_line == 2 && seen.report[0].alloc_line == 1);
            CHECK_REPORTED(MEMMGR_USE_AFTER_FREE);
        }
        if (kind == GENERAL) memmgr_watch(0);
    }
}

// As many faults as there are, one report for each, however they are found.
static void test_watch_many_findings(void) {
    enum { FAULTS = 24 };
    if (!WATCHES || TOOL_SEES) return;
    FOR_PLACES(kind) {
        unsigned char *block[FAULTS];
        if (!place_open(&the_place, (place_kind)kind, EVERYTHING)) return;
        memmgr_pool *pool = the_place.pool;
        for (size_t i = 0; i < FAULTS; i++)
            block[i] = take(pool, 20, 1);
        for (size_t i = 0; i < FAULTS; i++)
            *(unsigned char *)pointer_plus(block[i], 20) = 1;
        size_t misuses = stats_of(pool).misuses;
        for (int i = 0; i < 4; i++)
            (void)audit(pool);
        CHECK_EQUAL(seen.count, FAULTS);
        CHECK_EQUAL(stats_of(pool).misuses - misuses, FAULTS);
        if (place_is_growing((place_kind)kind))
            (void)take(pool, 50000, 3); // so quarantine grows, too
        for (size_t i = 0; i < FAULTS; i++)
            drop(pool, block[i], 2);
        CHECK_EQUAL(seen.count, FAULTS);
        for (size_t i = 0; i < FAULTS; i++)
            block[i][i % 20] = 1;
        if (kind == GENERAL)
            memmgr_watch(0);
        else
            memmgr_pool_reset(pool);
        CHECK_EQUAL(seen.count, 2 * FAULTS);
        (void)place_close(&the_place);
        reports_start();
    }
}

// --- Damaged records -----------------------------------------------------------------------------

#if SWITCH_ON

static mmi_record *record_of(const void *block) {
    return (mmi_record *)pointer_plus(block, -(intptr_t)mmi_record_front(4));
}

// Opens a pool whose blocks have records that a test may damage.
static bool damage_begins(unsigned flags) {
    return WATCHES && !TOOL_SEES && place_open(&the_place, FIXED, flags);
}

static void damage_ends(void) {
    CHECK_EQUAL(audit(the_place.pool), MEMMGR_OK);
    CHECK_EQUAL(live_blocks(the_place.pool), 0);
    CHECK_EQUAL(place_close(&the_place), 0);
    CHECK_SILENT();
}

// One byte is enough, whichever it is: found by an audit, or when the block is freed. The block is
// freed all the same.
static void test_watch_record_damaged_in_a_byte(void) {
    if (!damage_begins(GUARD)) return;
    memmgr_pool *pool = the_place.pool;
    for (size_t i = 0; i < 2 * sizeof(mmi_record); i++) {
        unsigned char *block = take(pool, 100, 1);
        ((unsigned char *)record_of(block))[i / 2] ^= 0x80;
        if (i % 2) {
            CHECK_EQUAL(audit(pool), MEMMGR_OVERRUN);
            CHECK(reports.last.block == block);
            CHECK_REPORTED(MEMMGR_OVERRUN);
            CHECK_EQUAL(drop(pool, block, 2), MEMMGR_OK);
        } else {
            CHECK_EQUAL(drop(pool, block, 2), MEMMGR_OVERRUN);
            CHECK_REPORTED(MEMMGR_OVERRUN);
        }
    }
    damage_ends();
}

// Without a record nobody knows where in its raw block a block began. A pointer at which one may
// have begun is believed; any other is interior.
static void test_watch_record_damaged_and_guessed(void) {
    if (!damage_begins(GUARD)) return;
    memmgr_pool *pool = the_place.pool;
    size_t front = mmi_record_front(4), aligned = mmi_record_front(7); // of 128
    unsigned char *block = take(pool, aligned - front, 1);
    memset(record_of(block), 0, sizeof(mmi_record));
    CHECK_EQUAL(drop(pool, pointer_plus(block, 96 - (intptr_t)front), 2), MEMMGR_INTERIOR_POINTER);
    CHECK_REPORTED(MEMMGR_INTERIOR_POINTER);
    CHECK_EQUAL(drop(pool, pointer_plus(block, 16 - (intptr_t)front), 2), MEMMGR_INTERIOR_POINTER);
    CHECK_REPORTED(MEMMGR_INTERIOR_POINTER);
    CHECK_EQUAL(drop(pool, pointer_plus(block, (intptr_t)(aligned - front)), 2), MEMMGR_OVERRUN);
    CHECK_EQUAL(reports.last.size, 0); // there is room for no more
    CHECK_REPORTED(MEMMGR_OVERRUN);
    for (size_t alignment = 32; alignment <= 4096; alignment *= 2) {
        block = take_aligned(pool, alignment, 100, 3);
        REQUIRE(block != NULL);
        size_t before = mmi_record_front(mmi_bits_lowest(alignment));
        memset(block - before, 0, sizeof(mmi_record));
        CHECK_EQUAL(drop(pool, block, 4), MEMMGR_OVERRUN);
        CHECK_REPORTED(MEMMGR_OVERRUN);
    }
    damage_ends();
}

// A block whose record was lost keeps its guard before it.
static void test_watch_record_damaged_twice(void) {
    if (!damage_begins(GUARD)) return;
    memmgr_pool *pool = the_place.pool;
    unsigned char *block = take(pool, 100, 1);
    memset(record_of(block), 0, sizeof(mmi_record));
    CHECK_EQUAL(audit(pool), MEMMGR_OVERRUN);
    CHECK_REPORTED(MEMMGR_OVERRUN);
    CHECK_EQUAL(audit(pool), MEMMGR_OK);
    *(unsigned char *)pointer_plus(block, -1) = 1;
    CHECK_EQUAL(audit(pool), MEMMGR_OVERRUN);
    CHECK_EQUAL(reports.last.offset, -1);
    CHECK_REPORTED(MEMMGR_OVERRUN);
    CHECK_EQUAL(audit(pool), MEMMGR_OK);
    CHECK_EQUAL(drop(pool, block, 2), MEMMGR_OK);
    damage_ends();
}

// It stays in quarantine.
static void test_watch_record_damaged_in_quarantine(void) {
    if (!damage_begins(KEEP)) return;
    memmgr_pool *pool = the_place.pool;
    for (int round = 0; round < 2; round++) {
        unsigned char *block = take(pool, 100, 1);
        CHECK_EQUAL(drop(pool, block, 2), MEMMGR_OK);
        record_of(block)->line++;
        if (round == 0) {
            CHECK_EQUAL(audit(pool), MEMMGR_OVERRUN);
            CHECK_REPORTED(MEMMGR_OVERRUN);
            CHECK_EQUAL(audit(pool), MEMMGR_OK);
            CHECK_EQUAL(drop(pool, pointer_plus(block, 0), 3), MEMMGR_DOUBLE_FREE);
            CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
        } else {
            memmgr_pool_reset(pool); // which looks at it a last time
            CHECK_REPORTED(MEMMGR_USE_AFTER_FREE);
        }
    }
    damage_ends();
}

static void test_watch_guard_damaged_in_quarantine(void) {
    static const int offsets[] = {100, 115, -1, -16};
    if (!damage_begins(KEEP | GUARD)) return;
    memmgr_pool *pool = the_place.pool;
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        unsigned char *block = take(pool, 100, 1);
        CHECK_EQUAL(drop(pool, block, 2), MEMMGR_OK);
        *(unsigned char *)pointer_plus(block, offsets[i]) = 1;
        CHECK_EQUAL(audit(pool), MEMMGR_USE_AFTER_FREE);
        CHECK_EQUAL(reports.last.offset, offsets[i]);
        CHECK_REPORTED(MEMMGR_USE_AFTER_FREE);
        CHECK_EQUAL(audit(pool), MEMMGR_OK);
    }
    damage_ends();
}

#endif // SWITCH_ON

// --- Leaks ---------------------------------------------------------------------------------------

// Takes the blocks of site i: (i % 4) + 1 blocks, so that no two sites have the same total.
static size_t leak_site(memmgr_pool *pool, size_t i, size_t *bytes) {
    size_t blocks = i % 4 + 1;
    *bytes = 0;
    for (size_t k = 0; k < blocks; k++) {
        size_t size = k == 0 ? 12 * i + 5 - (blocks - 1) : 1;
        CHECK(take(pool, size, 1000 + (int)i) != NULL);
        *bytes += size;
    }
    return blocks;
}

// The sites' totals rise with their numbers: so the last are reported first, and the rest together.
static void check_leak_reports(const memmgr_pool *pool, size_t sites) {
    size_t shown = sites < 16 ? sites : 16, blocks = 0, bytes = 0;
    if (!CHECK_EQUAL(seen.count, sites > 16 ? 17 : sites)) return;
    for (size_t i = 0; i < shown; i++) {
        const memmgr_report *report = &seen.report[i];
        size_t site = sites - 1 - i;
        CHECK_EQUAL(report->error, MEMMGR_LEAK);
        CHECK_EQUAL(report->alloc_line, 1000 + site);
        CHECK(report->alloc_file && strcmp(report->alloc_file, here) == 0);
        CHECK_EQUAL(report->count, site % 4 + 1);
        CHECK_EQUAL(report->size, 12 * site + 5);
        CHECK(report->pointer && report->pool == pool && report->offset == 0);
    }
    if (sites <= 16) return;
    for (size_t site = 0; site < sites - 16; site++) {
        blocks += site % 4 + 1;
        bytes += 12 * site + 5;
    }
    const memmgr_report *rest = &seen.report[16];
    CHECK(!rest->pointer && !rest->alloc_file && !rest->alloc_caller && rest->alloc_line == 0);
    CHECK_EQUAL(rest->count, blocks);
    CHECK_EQUAL(rest->size, bytes);
    CHECK(rest->pool == pool);
}

static void check_leaks(place_kind kind, size_t sites) {
    size_t blocks = 0, bytes, order = sites / 2 * 2 + 1;
    if (!place_open(&the_place, kind, TRACK)) return;
    memmgr_pool *pool = the_place.pool;
    for (size_t i = 0; i < sites; i++) // in no order
        blocks += leak_site(pool, i * (order > 7 ? 7 : 1) % sites, &bytes);
    for (int round = 0; round < 3; round++) {
        seen.count = 0;
        if (round == 2 && pool)
            CHECK_EQUAL(memmgr_pool_destroy(pool), blocks);
        else
            CHECK_EQUAL(pool ? memmgr_pool_leaks(pool) : memmgr_leaks(), blocks);
        check_leak_reports(pool, sites);
        if (seen.count && kind != GENERAL) CHECK_EQUAL(seen.report[0].pool == pool, true);
    }
    if (place_is_growing(kind)) source_close(&the_place.source);
    if (the_place.buffer.raw) buffer_drop(&the_place.buffer);
}

static void test_watch_leaks_by_site(void) {
    static const size_t counts[] = {1, 2, 15, 16, 17, 18, 45, 102, 300};
    for (int kind = FIXED; kind < PLACES; kind++) {
        if (kind == LITTLE) continue;
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            if (counts[i] % 7 == 0) continue;
            check_leaks((place_kind)kind, counts[i]);
        }
    }
}

// Where there are more sites than there is room for, nothing is lost of the sums.
static void test_watch_leaks_of_too_many_sites(void) {
    enum { SITES = 1500 };
    if (!place_open(&the_place, FIXED, TRACK)) return;
    size_t bytes = 0, blocks = 0, reported = 0;
    for (size_t i = 0; i < SITES; i++, blocks++) {
        CHECK(take(the_place.pool, 1 + i % 90, 1 + (int)i) != NULL);
        bytes += 1 + i % 90;
    }
    seen.count = 0;
    CHECK_EQUAL(memmgr_pool_leaks(the_place.pool), SITES);
    CHECK_EQUAL(seen.count, 17);
    for (size_t i = 0; i < 17 && i < seen.count; i++) {
        reported += seen.report[i].count;
        bytes -= seen.report[i].size;
        if (i > 0 && i < 16) CHECK(seen.report[i].size <= seen.report[i - 1].size);
        CHECK((seen.report[i].pointer == NULL) == (i == 16));
    }
    CHECK_EQUAL(reported, SITES);
    CHECK_EQUAL(bytes, 0);
    CHECK_EQUAL(place_close(&the_place), SITES);
}

// A name may stand at several addresses, one for each file that includes it; lines tell sites
// apart.
static void test_watch_leaks_of_one_file(void) {
    static const char name[] = "same.h", again[] = "same.h", other[] = "same.c";
    if (!place_open(&the_place, FIXED, TRACK)) return;
    void *first = memmgr_pool_alloc_at(the_place.pool, 100, name, 7);
    CHECK(memmgr_pool_alloc_at(the_place.pool, 100, again, 7) != NULL);
    CHECK(memmgr_pool_alloc_at(the_place.pool, 90, other, 7) != NULL);
    CHECK(memmgr_pool_alloc_at(the_place.pool, 80, name, 8) != NULL);
    seen.count = 0;
    CHECK_EQUAL(memmgr_pool_leaks(the_place.pool), 4);
    if (CHECK_EQUAL(seen.count, 3)) {
        CHECK(seen.report[0].count == 2 && seen.report[0].size == 200);
        if (SWITCH_ON) CHECK(seen.report[0].pointer == first);
        CHECK(seen.report[1].size == 90 && seen.report[1].alloc_line == 7);
        CHECK(seen.report[2].size == 80 && seen.report[2].alloc_line == 8);
    }
    CHECK_EQUAL(place_close(&the_place), 4);
}

// One report a block, up to 16, and one for the rest.
static void check_untracked_leaks(size_t count, size_t size, unsigned flags) {
    if (!place_open(&the_place, FIXED, flags)) return;
    size_t blocks = 0;
    for (size_t i = 0; i < count; i++)
        CHECK(take(the_place.pool, size, 1) != NULL);
    seen.count = 0;
    CHECK_EQUAL(memmgr_pool_leaks(the_place.pool), count);
    CHECK_EQUAL(seen.count, count < 17 ? count : 17);
    for (size_t i = 0; i < seen.count && i < SEEN; i++) {
        const memmgr_report *report = &seen.report[i];
        blocks += report->count;
        CHECK_EQUAL(report->count, i < 16 ? 1 : count - 16);
        CHECK_EQUAL(report->size, (i < 16 ? 1 : count - 16) * granules_up(size));
        CHECK((report->pointer == NULL) == (i == 16));
        CHECK(report->alloc_file == NULL && report->alloc_line == 0);
    }
    CHECK_EQUAL(blocks, count);
    CHECK_EQUAL(place_close(&the_place), count);
}

static void test_watch_leaks_untracked(void) {
    if (ALWAYS) return;
    for (size_t count = 1; count < 40; count += 5) {
        check_untracked_leaks(count, 100, 0);
        check_untracked_leaks(count, 0, FILL);
    }
}

static void test_watch_leaks_of_general_calls(void) {
    if (!SWITCH_ON) return;
    size_t before, sites = 20, blocks = 0, bytes;
    void *block[200];
    size_t count = 0;
    seen_start();
    before = memmgr_leaks();
    if (before) return; // other tests have said so
    if (!place_open(&the_place, GENERAL, TRACK)) return;
    for (size_t i = 0; i < sites; i++)
        blocks += leak_site(NULL, i * 7 % sites, &bytes);
    for (int round = 0; round < 2; round++) {
        seen.count = 0;
        CHECK_EQUAL(memmgr_leaks(), blocks);
        if (WATCHES) check_leak_reports(NULL, sites);
    }
    CHECK(walk_heap(NULL));
    for (size_t i = 0; i < walked.count; i++)
        if (walked.block[i].live && count < 200)
            block[count++] = pointer_plus(walked.block[i].address, 0);
    for (size_t i = 0; i < count; i++)
        memmgr_free(block[i]);
    seen.count = 0;
    CHECK_EQUAL(memmgr_leaks(), 0);
    model_silent();
    memmgr_watch(0);
}

// --- The line of the default handler -------------------------------------------------------------

#if HAVE_THREADS

static char said[65536];

// What a job says to stderr with the default handler.
static void hear_job(void (*work)(memmgr_pool *pool), memmgr_pool *pool) {
    int ends[2], was = dup(2);
    size_t length = 0;
    ssize_t part;
    if (!CHECK(was >= 0 && pipe(ends) == 0)) return;
    memmgr_set_error_handler(NULL, NULL);
    dup2(ends[1], 2);
    close(ends[1]);
    work(pool);
    dup2(was, 2);
    close(was);
    while ((part = read(ends[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)part;
    close(ends[0]);
    said[length] = '\0';
}

static void check_said(const char *wanted) {
    if (!CHECK(strcmp(said, wanted) == 0)) printf("        %s     not %s", said, wanted);
}

static const void *line_block;

static void line_double_free(memmgr_pool *pool) {
    unsigned char *block = take(pool, 24, 5);
    drop(pool, block, 6);
    line_block = pointer_plus(block, 0);
    drop(pool, pointer_plus(block, 0), 7);
}

static void line_overrun(memmgr_pool *pool) {
    unsigned char *block = take(pool, 24, 5);
    line_block = block;
    *(unsigned char *)pointer_plus(block, 25) = 1;
    drop(pool, block, 7);
}

static void line_underrun(memmgr_pool *pool) {
    unsigned char *block = take(pool, 24, 5);
    line_block = block;
    *(unsigned char *)pointer_plus(block, -3) = 1;
    drop(pool, block, 7);
}

static void line_use_after_free(memmgr_pool *pool) {
    unsigned char *block = take(pool, 1, 5);
    line_block = block;
    drop(pool, block, 6);
    *(unsigned char *)pointer_plus(block, 0) = 1;
    (void)audit(pool);
}

static void line_interior(memmgr_pool *pool) {
    unsigned char *block = take(pool, 24, 5);
    line_block = pointer_plus(block, 8);
    drop(pool, pointer_plus(block, 8), 7);
    drop(pool, block, 8);
}

static void line_leak(memmgr_pool *pool) {
    line_block = take(pool, 24, 5);
    CHECK(take(pool, 1000, 5) != NULL);
    CHECK(take(pool, 1, 6) != NULL);
    CHECK_EQUAL(memmgr_pool_leaks(pool), 3);
}

static void line_leak_of_many(memmgr_pool *pool) {
    for (int i = 0; i < 18; i++)
        CHECK(take(pool, 100 - (size_t)i, 100 + i) != NULL);
    CHECK_EQUAL(memmgr_pool_leaks(pool), 18);
}

// Where the line says @ stands the block's address.
static void check_line(place_kind kind, void (*work)(memmgr_pool *pool), const char *wanted) {
    static char line[4096];
    if (!place_open(&the_place, kind, TRACK | GUARD | KEEP)) return;
    hear_job(work, the_place.pool);
    const char *at = strchr(wanted, '@');
    snprintf(line, sizeof line, "%.*s0x%llx%s%s\n", (int)(at - wanted), wanted,
             (unsigned long long)(uintptr_t)line_block, at + 1,
             the_place.pool ? ", pool place" : "");
    check_said(line);
    reports_start();
    (void)place_close(&the_place);
}

static void test_watch_lines(void) {
    if (!WATCHES || TOOL_SEES) return;
    for (int kind = GENERAL; kind <= FIXED; kind++) {
        check_line((place_kind)kind, line_double_free,
                   "memmgr: MEMMGR_DOUBLE_FREE at here.c:7: @: the pointer points to memory that "
                   "is free already, 24 bytes, allocated at here.c:5, freed at here.c:6");
        check_line((place_kind)kind, line_overrun,
                   "memmgr: MEMMGR_OVERRUN at here.c:7: @: bytes before or behind the block were "
                   "written to, 24 bytes, first at byte 25, allocated at here.c:5");
        check_line((place_kind)kind, line_underrun,
                   "memmgr: MEMMGR_OVERRUN at here.c:7: @: bytes before or behind the block were "
                   "written to, 24 bytes, first at byte -3, allocated at here.c:5");
        check_line((place_kind)kind, line_use_after_free,
                   "memmgr: MEMMGR_USE_AFTER_FREE: @: a block was written to after it had been "
                   "freed, 1 byte, first at byte 0, allocated at here.c:5, freed at here.c:6");
        check_line((place_kind)kind, line_interior,
                   "memmgr: MEMMGR_INTERIOR_POINTER at here.c:7: @: the pointer points into "
                   "managed memory, but not to the start of a block, 24 bytes, allocated at "
                   "here.c:5");
    }
}

// With and without the switch.
static void test_watch_lines_of_leaks(void) {
    char line[400];
    if (!place_open(&the_place, FIXED, TRACK)) return;
    hear_job(line_leak, the_place.pool);
    const char *second = strchr(said, '\n');
    snprintf(line, sizeof line,
             "memmgr: MEMMGR_LEAK: 0x%llx: the block was never freed, 2 blocks, 1024 bytes, "
             "allocated at here.c:5, pool place\n",
             (unsigned long long)(uintptr_t)line_block);
    if (SWITCH_ON) CHECK(strncmp(said, line, strlen(line)) == 0);
    CHECK(strstr(said, ", 2 blocks, 1024 bytes, allocated at here.c:5, pool place\n") != NULL);
    CHECK(second && strstr(second, "never freed, 1 byte, allocated at here.c:6, pool place\n"));
    memmgr_pool_reset(the_place.pool);
    hear_job(line_leak_of_many, the_place.pool);
    const char *last = strstr(said, "memmgr: MEMMGR_LEAK: the ");
    CHECK(last && strcmp(last, "memmgr: MEMMGR_LEAK: the block was never freed, 2 blocks, 167 "
                               "bytes, pool place\n") == 0);
    reports_start();
    CHECK_EQUAL(place_close(&the_place), 18);
}

// --- Threads -------------------------------------------------------------------------------------

enum { THREAD_FAULTS = 100 };

typedef struct {
    mailbox box;
    barrier all;
    atomic_size_t faults;
    servant *hand;
} crowd;

static crowd the_crowd;

static void fault_double_free(void *block) {
    memmgr_free(block);
    memmgr_free(pointer_plus(block, 0));
    HOLDS(own_report_was(MEMMGR_DOUBLE_FREE, block));
}

static void fault_interior(void *block) {
    void *inside = pointer_plus(block, 16);
    memmgr_free(inside);
    HOLDS(own_report_was(MEMMGR_INTERIOR_POINTER, inside));
    memmgr_free(block);
}

static void fault_foreign(void *block) {
    unsigned char own[32] = {0};
    void *foreign = pointer_plus(own, 0);
    HOLDS(memmgr_usable_size(foreign) == 0);
    HOLDS(own_report_was(MEMMGR_FOREIGN_POINTER, foreign));
    memmgr_free(block);
}

static void fault_overrun(void *block) {
    *(unsigned char *)pointer_plus(block, 40) ^= 0x41;
    memmgr_free(block);
    HOLDS(own_report_was(MEMMGR_OVERRUN, block));
}

static void fault_underrun(void *block) {
    *(unsigned char *)pointer_plus(block, -1) ^= 0x41;
    void *moved = memmgr_realloc(block, 100);
    HOLDS(moved != NULL && own_report_was(MEMMGR_OVERRUN, block));
    memmgr_free(moved);
}

static void faults_of(crowd *in, uint64_t *random) {
    static void (*const faults[])(void *block) = {fault_double_free, fault_interior, fault_foreign,
                                                  fault_overrun, fault_underrun};
    for (size_t i = 0; i < THREAD_FAULTS; i++) {
        void *block = memmgr_malloc(40);
        if (!HOLDS(block != NULL)) return;
        faults[thread_below(random, TOOL_SEES ? 3 : 5)](block);
        atomic_fetch_add(&in->faults, 1);
    }
}

// Everything at random, then misuses only: so little is freed then that quarantine keeps it all.
static void crowd_work(void *ctx, size_t index) {
    crowd *in = (crowd *)ctx;
    static worker workers[THREADS];
    worker *own = &workers[index];
    memset(&own_reports, 0, sizeof own_reports);
    worker_open(own, test_seed * 100 + index, &in->box);
    own->largest = 60000;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < test_count(SANITIZED ? 3000 : 20000); i++)
            worker_step(own);
        HOLDS(own_reports.count == 0);
        barrier_wait(&in->all);
        faults_of(in, &own->random);
        barrier_wait(&in->all);
    }
    worker_close(own);
}

static void crowd_run(void *ctx) {
    uint64_t random = test_seed;
    crowd *in = &the_crowd;
    memmgr_watch(*(unsigned *)ctx);
    size_t before = live_blocks(NULL);
    memmgr_stats stats = stats_of(NULL);
    own_reports_start();
    mailbox_open(&in->box);
    barrier_open(&in->all, THREADS);
    atomic_store(&in->faults, 0);
    CHECK(threads_run(crowd_work, in));
    barrier_close(&in->all);
    mailbox_close(&in->box, &random);
    CHECK_EQUAL(atomic_load(&all_reports), atomic_load(&in->faults));
    CHECK_EQUAL(stats_of(NULL).misuses - stats.misuses, atomic_load(&in->faults));
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_EQUAL(live_blocks(NULL), before);
    CHECK_EQUAL(stats_of(NULL).live_blocks, before);
    CHECK_EQUAL(atomic_load(&all_reports), atomic_load(&in->faults));
}

static void test_watch_threads(void) {
    unsigned flags[] = {EVERYTHING, TRACK | GUARD, KEEP};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0] && WATCHES; i++) {
        if (!(flags[i] & GUARD) && !TOOL_SEES) continue; // overruns would damage others
        in_child(crowd_run, &flags[i]);
    }
}

// The first frees of all, at once: there is no quarantine yet.
static starting_line first_line;

static void free_first(void *ctx, size_t index) {
    void *block[50];
    (void)ctx;
    for (size_t i = 0; i < 50; i++)
        block[i] = memmgr_malloc(i + index);
    starting_line_wait(&first_line);
    for (size_t i = 0; i < 50; i++)
        memmgr_free(block[i]);
    HOLDS(memmgr_usable_size(NULL) == 0);
}

static void free_first_run(void *ctx) {
    (void)ctx;
    memmgr_watch(EVERYTHING);
    size_t before = live_blocks(NULL);
    first_line.parties = THREADS;
    CHECK(threads_run(free_first, NULL));
    CHECK_EQUAL(live_blocks(NULL), before);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_ALL_SILENT();
}

static void test_watch_threads_make_quarantine(void) {
    for (size_t i = 0; i < 10 && WATCHES; i++)
        in_child(free_first_run, NULL);
}

// The same blocks in a locked pool.
typedef struct {
    memmgr_pool *pool;
    atomic_size_t faults;
} pool_crowd;

static void pool_crowd_work(void *ctx, size_t index) {
    pool_crowd *in = (pool_crowd *)ctx;
    uint64_t random = test_seed + index;
    owned block[20];
    memset(&own_reports, 0, sizeof own_reports);
    memset(block, 0, sizeof block);
    for (size_t i = 0; i < test_count(SANITIZED ? 2000 : 10000); i++) {
        owned *any = &block[thread_below(&random, 20)];
        if (any->at) {
            HOLDS(owned_holds(any));
            HOLDS(memmgr_pool_free(in->pool, any->at) == MEMMGR_OK);
            any->at = NULL;
        } else {
            any->size = thread_below(&random, 2000);
            any->at = (unsigned char *)memmgr_pool_alloc(in->pool, any->size);
            if (any->at) owned_stamp(any, &random);
        }
        if (i % 50 == 0 && SWITCH_ON) {
            HOLDS(memmgr_pool_free(in->pool, &random) == MEMMGR_FOREIGN_POINTER);
            HOLDS(own_reports.count == 1 && own_reports.last.pool == in->pool);
            own_reports.count = 0;
            atomic_fetch_add(&in->faults, 1);
        }
        if (i % 1000 == 0) HOLDS(memmgr_pool_check(in->pool) == MEMMGR_OK);
    }
    for (size_t i = 0; i < 20; i++)
        HOLDS(memmgr_pool_free(in->pool, block[i].at) == MEMMGR_OK);
}

static void test_watch_threads_in_a_pool(void) {
    static pool_crowd in;
    for (int kind = LOCKED; kind < PLACES; kind += GROWING_LOCKED - LOCKED) {
        for (unsigned number = 3; number < 16; number += 4) {
            if (!place_open(&the_place, (place_kind)kind, flags_of(number))) return;
            in.pool = the_place.pool;
            atomic_store(&in.faults, 0);
            own_reports_start();
            set_faults(in.pool, 0, 20, 1);
            CHECK(threads_run(pool_crowd_work, &in));
            CHECK(stats_of(in.pool).failures > 0);
            CHECK_EQUAL(atomic_load(&all_reports), atomic_load(&in.faults));
            CHECK_EQUAL(stats_of(in.pool).misuses, atomic_load(&in.faults));
            CHECK_EQUAL(stats_of(in.pool).live_blocks, 0);
            CHECK_EQUAL(place_close(&the_place), 0);
        }
    }
}

// Faults of general calls hold in all threads, those that have made a call before among them.
typedef struct {
    size_t failed;
} count_job;

static void count_failures(void *ctx) {
    count_job *own = (count_job *)ctx;
    own->failed = 0;
    for (size_t i = 0; i < 10; i++) {
        void *block = kept(memmgr_malloc(40));
        own->failed += block == NULL;
        memmgr_free(block);
    }
}

// A thread that has made calls before goes on as it was; others do not.
static void faults_in_threads(void *ctx) {
    servant s;
    count_job counted;
    (void)ctx;
    own_reports_start();
    if (!servant_start(&s)) return;
    servant_ask(&s, count_failures, &counted);
    CHECK_EQUAL(counted.failed, 0);
    set_faults(NULL, 0, 1, 0);
    in_new_thread(count_failures, &counted);
    CHECK_EQUAL(counted.failed, 10);
    set_faults(NULL, 3, 0, 0);
    in_new_thread(count_failures, &counted);
    CHECK_EQUAL(counted.failed, 1);
    no_faults(NULL);
    servant_ask(&s, count_failures, &counted);
    CHECK_EQUAL(counted.failed, 0);
    servant_stop(&s);
}

static void test_watch_faults_in_threads_to_come(void) {
    if (WATCHES) in_child(faults_in_threads, NULL);
}

// Several threads that meet faults at once: as many fail as are to.
static void meet_faults(void *ctx, size_t index) {
    (void)index;
    for (size_t i = 0; i < 2000; i++) {
        void *block = kept(memmgr_malloc(40));
        if (!block) atomic_fetch_add((atomic_size_t *)ctx, 1);
        memmgr_free(block);
    }
}

static void faults_at_once(void *ctx) {
    static atomic_size_t failed;
    (void)ctx;
    set_faults(NULL, 0, 10, 5);
    CHECK(threads_run(meet_faults, &failed));
    CHECK(atomic_load(&failed) > 600 && atomic_load(&failed) < 1000);
    atomic_store(&failed, 0);
    set_faults(NULL, 1000, 0, 0);
    CHECK(threads_run(meet_faults, &failed));
    CHECK_EQUAL(atomic_load(&failed), 1);
    no_faults(NULL);
}

static void test_watch_faults_at_once(void) {
    if (WATCHES) in_child(faults_at_once, NULL);
}

// --- Fork ----------------------------------------------------------------------------------------

// A child in which everything is watched on: what its parent has in quarantine it has, too.
typedef struct {
    unsigned char *written, *freed, *live;
    size_t before;
} fork_scene;

static void child_is_watched(void *ctx) {
    fork_scene *own = (fork_scene *)ctx;
    void *freed = pointer_plus(own->freed, 0);
    CHECK_EQUAL(live_blocks(NULL), own->before + 1);
    memmgr_free(freed);
    CHECK(own_report_was(MEMMGR_DOUBLE_FREE, freed));
    if (!TOOL_SEES) {
        CHECK_EQUAL(memmgr_check(), MEMMGR_USE_AFTER_FREE);
        CHECK(own_report_was(MEMMGR_USE_AFTER_FREE, own->written));
        own->live[50] ^= 1;
        memmgr_free(own->live);
        CHECK(own_report_was(MEMMGR_OVERRUN, own->live));
    }
    for (size_t i = 0; i < 100; i++)
        memmgr_free(memmgr_malloc(i * 1000));
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_EQUAL(own_reports.count, 0);
}

static void test_watch_fork(void) {
    fork_scene own;
    if (!WATCHES) return;
    seen_start();
    memmgr_watch(EVERYTHING);
    own.before = live_blocks(NULL);
    own.written = (unsigned char *)memmgr_malloc(50);
    own.freed = (unsigned char *)memmgr_malloc(50);
    own.live = (unsigned char *)pointer_plus(memmgr_malloc(50), 0);
    memmgr_free(own.freed);
    memmgr_free(own.written);
    unsigned char *written = (unsigned char *)pointer_plus(own.written, 5);
    if (!TOOL_SEES) *written = 1;
    in_child(child_is_watched, &own);
    seen_start();
    if (!TOOL_SEES) {
        CHECK_EQUAL(memmgr_check(), MEMMGR_USE_AFTER_FREE);
        CHECK_REPORTED(MEMMGR_USE_AFTER_FREE);
    }
    memmgr_free(own.live);
    memmgr_watch(0);
    CHECK_SILENT();
}

// Forks in the middle of other threads' work.
static atomic_bool busy_stop;

static void busy_work(void *ctx) {
    static worker own[2];
    worker *mine = &own[*(size_t *)ctx];
    worker_open(mine, test_seed + *(size_t *)ctx, NULL);
    mine->largest = 20000;
    while (!atomic_load(&busy_stop))
        worker_step(mine);
    worker_close(mine);
}

static void busy_child(void *ctx) {
    uint64_t random = *(uint64_t *)ctx;
    owned block[30];
    for (size_t i = 0; i < 30; i++)
        block[i] = owned_new(&random, any_size(&random, 50000));
    for (size_t i = 0; i < 30; i += 2)
        owned_resize(&block[i], &random, 1 + any_size(&random, 50000));
    for (size_t i = 0; i < 30; i++)
        owned_free(&block[i], &random);
    void *freed = pointer_plus(block[0].at, 0);
    CHECK(freed == NULL && own_reports.count == 0);
    freed = kept(memmgr_malloc(9));
    memmgr_free(freed);
    freed = pointer_plus(freed, 0);
    memmgr_free(freed);
    CHECK(own_report_was(MEMMGR_DOUBLE_FREE, freed));
}

static void fork_among_threads(void *ctx) {
    servant workers[2];
    size_t numbers[2] = {0, 1};
    (void)ctx;
    memmgr_watch(EVERYTHING);
    atomic_store(&busy_stop, false);
    for (size_t i = 0; i < 2; i++) {
        if (!servant_start(&workers[i])) return;
        servant_begin(&workers[i], busy_work, &numbers[i]);
    }
    for (uint64_t round = 0; round < test_count(40); round++)
        in_child(busy_child, &round);
    atomic_store(&busy_stop, true);
    for (size_t i = 0; i < 2; i++) {
        servant_wait(&workers[i]);
        servant_stop(&workers[i]);
    }
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_ALL_SILENT();
}

static void test_watch_fork_among_threads(void) {
    if (WATCHES && !UNDER_TSAN) in_child(fork_among_threads, NULL);
}

// Out of memory in earnest: quarantine gives way, and that is no failure.
static void lack_memory(void *ctx) {
    enum { BLOCKS = 12, SIZE = 1 << 20 };
    void *block[BLOCKS];
    struct rlimit limit = {0, 0};
    (void)ctx;
    memmgr_watch(KEEP);
    memmgr_free(memmgr_malloc(1)); // now there is a quarantine, whose list takes memory, too
    for (size_t i = 0; i < BLOCKS; i++)
        block[i] = memmgr_malloc(SIZE);
    size_t failures = stats_of(NULL).failures;
    limit.rlim_cur = limit.rlim_max = 1 << 20;
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    size_t rest = 0; // what is left of what is mapped already
    while (kept(memmgr_malloc(SIZE)) && rest < 100000)
        rest++;
    CHECK_EQUAL(stats_of(NULL).failures, failures + 1);
    for (size_t i = 0; i < BLOCKS; i++)
        memmgr_free(block[i]);
    CHECK_EQUAL(stats_of(NULL).failures, failures + 1);
    for (size_t i = 0; i < BLOCKS; i++)
        CHECK(kept(memmgr_malloc(SIZE)) != NULL);
    CHECK_EQUAL(stats_of(NULL).failures, failures + 1);
}

static void test_watch_quarantine_gives_way_to_general_calls(void) {
    if (WATCHES && !SANITIZED) in_child(lack_memory, NULL);
}

#endif // HAVE_THREADS

static const test_case tests[] = {
#if HAVE_THREADS
    TEST(test_watch_faults_in_threads_to_come), // before anything has been watched, as the next
    TEST(test_watch_blocks_from_before),
    TEST(test_watch_on_and_off),
#endif
    TEST(test_watch_faults_nth),
    TEST(test_watch_faults_one_in),
    TEST(test_watch_faults_seeds),
    TEST(test_watch_faults_both),
    TEST(test_watch_faults_calls),
    TEST(test_watch_fail_each),
    TEST(test_watch_fail_each_undone),
    TEST(test_watch_fail_each_of_nothing),
    TEST(test_watch_fail_each_without_switch),
    TEST(test_watch_refuses_flags),
    TEST(test_watch_off_forgets_records),
    TEST(test_watch_with_set_fill),
    TEST(test_watch_sizes),
    TEST(test_watch_size_0_is_unique),
    TEST(test_watch_alignments),
    TEST(test_watch_realloc),
    TEST(test_watch_impossible_sizes),
    TEST(test_watch_serials_count_up),
    TEST(test_watch_model),
    TEST(test_watch_quarantine_holds_back),
    TEST(test_watch_quarantine_has_no_blocks),
    TEST(test_watch_quarantine_is_a_queue),
    TEST(test_watch_quarantine_takes_no_large_ones),
    TEST(test_watch_quarantine_gives_way),
    TEST(test_watch_quarantine_without_room),
    TEST(test_watch_quarantine_is_emptied),
    TEST(test_watch_many_findings),
    TEST(test_watch_realloc_to_nothing),
#if SWITCH_ON
    TEST(test_watch_record_damaged_in_a_byte),
    TEST(test_watch_record_damaged_and_guessed),
    TEST(test_watch_record_damaged_twice),
    TEST(test_watch_record_damaged_in_quarantine),
    TEST(test_watch_guard_damaged_in_quarantine),
#endif
    TEST(test_watch_leaks_by_site),
    TEST(test_watch_leaks_of_too_many_sites),
    TEST(test_watch_leaks_of_one_file),
    TEST(test_watch_leaks_untracked),
    TEST(test_watch_leaks_of_general_calls),
#if HAVE_THREADS
    TEST(test_watch_lines),
    TEST(test_watch_lines_of_leaks),
    TEST(test_watch_threads_make_quarantine),
    TEST(test_watch_threads),
    TEST(test_watch_threads_in_a_pool),
    TEST(test_watch_faults_at_once),
    TEST(test_watch_fork),
    TEST(test_watch_fork_among_threads),
    TEST(test_watch_quarantine_gives_way_to_general_calls),
#endif
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
