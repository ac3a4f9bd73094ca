// test_single.c: the general calls without thread heaps, which are one pool behind a lock of the
// program's. The lock is also where another thread can be made to come in between, at any moment.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // fork() and more under a strict -std=c11
#endif
static int lock_depth, lock_deepest, lock_lowest;
static unsigned long lock_count, lock_due; // the intruder comes before this taking of the lock
static void (*intruder)(void);

void lock_take(void);
void lock_give(void);

void lock_take(void) {
    if (++lock_count == lock_due) intruder();
    if (++lock_depth > lock_deepest) lock_deepest = lock_depth;
}

void lock_give(void) {
    if (--lock_depth < lock_lowest) lock_lowest = lock_depth;
}

#define MEMMGR_LOCK() lock_take()
#define MEMMGR_UNLOCK() lock_give()
#include "workers.h"

#if HAVE_THREADS && SWITCH_ON && !defined(MEMMGR_NO_OS)

#include <sys/resource.h>

// Sends it in before the lock is taken for the n-th time from now on.
static void intrude(unsigned long nth, void (*work)(void)) {
    intruder = work;
    lock_due = lock_count + nth;
}

static void check_lock(void) {
    CHECK_EQUAL(lock_depth, 0);
    CHECK_EQUAL(lock_lowest, 0);
}

static memmgr_stats stats_now(void) {
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    return stats;
}

static void limit_addresses(rlim_t bytes) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static bool count_blocks(const memmgr_block *block, void *ctx) {
    *(size_t *)ctx += block->live;
    return true;
}

// --- No memory -----------------------------------------------------------------------------------

// Every call while there is not even a pool; later there is.
static void work_without_memory(void *ctx) {
    memmgr_faults first = {1, 0, 0};
    size_t blocks = 0;
    int no_block = 0;
    (void)ctx;
    reports_start();
    limit_addresses(1 << 20);
    errno = 0;
    CHECK(kept(memmgr_malloc(10)) == NULL);
    CHECK_EQUAL(errno_now(), ENOMEM);
    CHECK(kept(memmgr_calloc(10, 10)) == NULL && kept(memmgr_aligned_alloc(64, 10)) == NULL);
    CHECK(kept(memmgr_realloc(NULL, 10)) == NULL);
    CHECK_EQUAL(memmgr_trim(), 0);
    CHECK_EQUAL(stats_now().capacity, 0);
    CHECK(memmgr_walk(count_blocks, &blocks) && blocks == 0);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    memmgr_set_faults(&first);
    CHECK(kept(memmgr_malloc(10)) == NULL);
    memmgr_set_faults(NULL);
    CHECK_SILENT();
    memmgr_free(&no_block);
    CHECK_REPORTED(MEMMGR_FOREIGN_POINTER);
    CHECK_EQUAL(memmgr_usable_size(&no_block), 0);
    CHECK_REPORTED(MEMMGR_FOREIGN_POINTER);
    limit_addresses(RLIM_INFINITY);
    void *block = kept(memmgr_malloc(10));
    CHECK(block != NULL);
    CHECK_EQUAL(stats_now().failures, 0);
    memmgr_free(block);
    CHECK_SILENT();
    check_lock();
}

static void test_single_without_memory(void) {
    if (!SANITIZED) in_child(work_without_memory, NULL);
}

static void *run_job(void *ctx) {
    void *block = kept(memmgr_malloc(100));
    ++*(size_t *)ctx;
    return block;
}

static void free_job(void *ctx) { memmgr_free(run_job(ctx)); }

static void fail_on_purpose(void *ctx) {
    memmgr_faults second = {2, 0, 0};
    size_t runs = 0;
    (void)ctx;
    reports_start();
    CHECK_EQUAL(memmgr_fail_each(NULL, free_job, &runs), 1); // from the first call on
    CHECK_EQUAL(runs, 2);
    size_t failures = stats_now().failures;
    memmgr_set_faults(&second);
    void *block = kept(memmgr_malloc(10));
    errno = 0;
    CHECK(block != NULL && kept(memmgr_malloc(10)) == NULL);
    CHECK_EQUAL(errno_now(), ENOMEM);
    CHECK_EQUAL(stats_now().failures, failures + 1);
    memmgr_free(block);
    CHECK_SILENT();
    check_lock();
}

static void test_single_fails_on_purpose(void) { in_child(fail_on_purpose, NULL); }

// An allocation that there is only room for when quarantine gives way finds what was done to the
// blocks there; and is no failure.
static void give_way(void *ctx) {
    enum { SIZE = 1 << 20, HELD = 8 };
    char *block[HELD];
    size_t more = 0;
    (void)ctx;
    reports_start();
    memmgr_watch(MEMMGR_POOL_QUARANTINE);
    for (size_t i = 0; i < HELD; i++)
        block[i] = (char *)kept(memmgr_malloc(SIZE));
    limit_addresses(1 << 20);
    for (size_t i = 0; i < HELD; i++)
        memmgr_free(block[i]);
    *(char *)pointer_plus(block[3], 5) = 1;
    size_t failures = stats_now().failures;
    while (kept(memmgr_malloc(SIZE)) && reports.count == 0 && more < 1000)
        more++;
    CHECK(more < 1000 && reports.last.block == block[3] && reports.last.offset == 5);
    CHECK_REPORTED(MEMMGR_USE_AFTER_FREE);
    CHECK_EQUAL(stats_now().failures, failures);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    check_lock();
}

static void test_single_quarantine_gives_way(void) {
    if (!SANITIZED) in_child(give_way, NULL);
}

// --- Damage --------------------------------------------------------------------------------------

static void test_single_damaged(void) {
    void *block = kept(memmgr_malloc(100));
    reports_start();
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
    mmi_heap_pool->used += 16;
    CHECK_EQUAL(memmgr_check(), MEMMGR_CORRUPT);
    CHECK_REPORTED(MEMMGR_CORRUPT);
    mmi_heap_pool->used -= 16;
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
    memmgr_free(block);
}

// --- Forks ---------------------------------------------------------------------------------------

// The lock need not be one that can be entered again.
static void plain_fork(void) {
    int status = 1;
    lock_deepest = 0;
    pid_t child = fork();
    if (child == 0) _exit(lock_deepest == 1 && lock_depth == 0 ? 0 : 1);
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CHECK_EQUAL(lock_deepest, 1);
}

static void work_in_child(void *ctx) {
    char *text = (char *)ctx;
    CHECK(text && strcmp(text, "from the parent") == 0);
    check_lock();
    text = (char *)memmgr_realloc(text, 100000);
    CHECK(text && strcmp(text, "from the parent") == 0);
    memmgr_free(text);
    memmgr_trace_stop(); // the parent's, which is none of the child's
    check_lock();
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
}

static size_t traced;

static void count_traced(const char *text, size_t length, void *ctx) {
    (void)text, (void)ctx;
    traced += length;
}

static void fork_and_work(void *ctx) {
    (void)ctx;
    reports_start();
    char *text = (char *)kept(memmgr_malloc(100));
    REQUIRE(text != NULL);
    strcpy(text, "from the parent");
    CHECK(memmgr_trace_start(count_traced, NULL));
    unsigned long before = lock_count;
    plain_fork();
    in_child(work_in_child, text);
    CHECK(lock_count > before); // the fork waits for whoever is in a call
    check_lock();
    memmgr_free(text);
    traced = 0;
    memmgr_trace_stop();
    CHECK(traced > 0);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
}

static void test_single_fork(void) { in_child(fork_and_work, NULL); }

// --- Another thread comes in between
// --------------------------------------------------------------

static void *in_work; // the block that a call is at work on

static void free_it(void) { memmgr_free(in_work); }

// A block that is freed while another thread resizes it: who did that is wrong, and the heap is
// intact all the same.
static void test_single_freed_while_resized(void) {
    static const size_t sizes[] = {10, 3000, 200000};
    reports_start();
    for (size_t i = 0; i < 3; i++) {
        for (unsigned long moment = 1; moment <= 4; moment++) {
            in_work = kept(memmgr_malloc(3000));
            void *guard = kept(memmgr_malloc(1));
            intrude(moment, free_it);
            void *moved = kept(memmgr_realloc(in_work, sizes[i]));
            lock_due = 0;
            CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
            CHECK(reports.count <= 1);
            reports_start();
            if (moved && moved != in_work) memmgr_free(moved);
            memmgr_free(guard);
            CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
            reports_start();
        }
    }
    // When the size is known, and before the block is resized, it is too late for a report.
    in_work = kept(memmgr_malloc(3000));
    intrude(2, free_it);
    void *moved = kept(memmgr_realloc(in_work, 10));
    lock_due = 0;
    CHECK(moved != NULL);
    CHECK_SILENT();
    memmgr_free(moved);
    check_lock();
}

// A trace ends between the question whether there is one and its lock: the call goes on untraced.
static memmgr_pool *traced_pool;

typedef struct {
    void *block;
    bool worked;
} traced_call;

static void call_alloc(traced_call *call) {
    call->block = kept(memmgr_pool_alloc(traced_pool, 50));
    call->worked = call->block != NULL;
}

static void call_fail(traced_call *call) {
    call->worked = kept(memmgr_pool_alloc(traced_pool, opaque(1 << 30))) == NULL;
}

static void call_free(traced_call *call) {
    call->worked = memmgr_pool_free(traced_pool, call->block) == MEMMGR_OK;
    call->block = NULL;
}

static void call_realloc(traced_call *call) {
    call->block = kept(memmgr_pool_realloc(traced_pool, call->block, 1000));
    call->worked = call->block != NULL;
}

static void call_reset(traced_call *call) {
    memmgr_pool_reset(traced_pool);
    call->worked = memmgr_pool_bytes_used(traced_pool) == 0;
    call->block = NULL;
}

static void test_single_trace_ends_in_a_call(void) {
    static void (*const calls[])(traced_call *) = {call_alloc, call_fail, call_free, call_realloc,
                                                   call_reset};
    test_buffer buffer = buffer_new(65536, 0);
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_TRACK);
    traced_pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
    REQUIRE(traced_pool != NULL);
    reports_start();
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        traced_call call = {kept(memmgr_pool_alloc(traced_pool, 30)), false};
        traced = 0;
        CHECK(memmgr_trace_start(count_traced, NULL));
        memmgr_trace_stop();
        size_t nothing = traced;
        traced = 0;
        CHECK(memmgr_trace_start(count_traced, NULL));
        intrude(1, memmgr_trace_stop); // the first lock that the call takes is the trace's
        calls[i](&call);
        CHECK(lock_count >= lock_due);
        lock_due = 0;
        CHECK(call.worked);
        CHECK_EQUAL(traced, nothing);
        memmgr_trace_stop();
        CHECK_EQUAL(traced, nothing);
        CHECK_EQUAL(memmgr_pool_check(traced_pool), MEMMGR_OK);
        memmgr_pool_reset(traced_pool);
        check_lock();
    }
    CHECK_SILENT();
    CHECK_EQUAL(memmgr_pool_destroy(traced_pool), 0);
    buffer_drop(&buffer);
}

static const test_case tests[] = {
    TEST(test_single_without_memory), // before the process has made a general call
    TEST(test_single_fails_on_purpose),
    TEST(test_single_quarantine_gives_way),
    TEST(test_single_fork),
    TEST(test_single_damaged),
    TEST(test_single_freed_while_resized),
    TEST(test_single_trace_ends_in_a_call),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }

#else
int main(void) { return 0; }
#endif
