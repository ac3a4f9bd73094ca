// test_fork.c: processes that fork while their threads are in the middle of general calls. In the
// child everything works, with what the parent's threads had; the parent goes on as if nothing had
// been.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // fork() and more under a strict -std=c11
#endif
#include "workers.h"

#if HAVE_THREADS
#include <sys/wait.h>
#include <unistd.h>

// The sanitizers' own data do not survive a fork in the middle of work: a child must not start
// threads there, nor, with theirs in the place of malloc, allocate.
enum { CHILD_THREADS = !SANITIZED, FORKS_IN_WORK = !SANITIZED || SWITCH_ON };

enum { LEGACY = 40, PATIENCE = 60 }; // seconds until what is stuck counts as a failure

// Blocks that the parent's threads took and leave alone, so that a child finds them whole.
static owned legacy[THREADS][LEGACY];

static void legacy_take(size_t index) {
    uint64_t random = test_seed * 5 + index;
    for (size_t i = 0; i < LEGACY; i++)
        legacy[index][i] = owned_new(&random, any_size(&random, i == 0 ? 2 << 20 : 60000));
}

static void legacy_drop(void) {
    uint64_t random = test_seed;
    for (size_t i = 0; i < THREADS * LEGACY; i++)
        owned_free(&legacy[i / LEGACY][i % LEGACY], &random);
}

// --- In the child --------------------------------------------------------------------------------

static void child_legacy(size_t from, size_t step, uint64_t *random) {
    for (size_t i = from; i < THREADS * LEGACY; i += step) {
        owned *block = &legacy[i / LEGACY][i % LEGACY];
        if (block->at && i % 4 < 2) owned_resize(block, random, 1 + any_size(random, 60000));
        if (i % 4 < 3) owned_free(block, random);
    }
}

// A thread of the child's own.
static void child_thread(void *ctx) {
    static worker own;
    worker_open(&own, *(uint64_t *)ctx, NULL);
    child_legacy(1, 2, &own.random);
    for (size_t i = 0; i < 200; i++)
        worker_step(&own);
    worker_close(&own);
}

static void child_misuse(void) {
    unsigned char here[32] = {0};
    void *block = memmgr_malloc(100), *foreign = pointer_plus(here, 0);
    if (!SWITCH_ON || !HOLDS(block != NULL)) return;
    void *inside = pointer_plus(block, 16);
    memmgr_free(inside);
    HOLDS(own_report_was(MEMMGR_INTERIOR_POINTER, inside));
    memmgr_free(block);
    HOLDS(own_reports.count == 0);
    block = pointer_plus(block, 0);
    memmgr_free(block);
    HOLDS(own_report_was(MEMMGR_DOUBLE_FREE, block));
    memmgr_free(foreign);
    HOLDS(own_report_was(MEMMGR_FOREIGN_POINTER, foreign));
    atomic_store(&all_reports, 0);
}

// There is one thread now, so the counts are exact again.
static void child_counts(uint64_t *random) {
    memmgr_stats before, during;
    owned block[30];
    memmgr_stats_get(&before);
    for (size_t i = 0; i < 30; i++)
        block[i] = owned_new(random, any_size(random, 70000));
    memmgr_stats_get(&during);
    if (SWITCH_ON) CHECK_EQUAL(during.live_blocks, before.live_blocks + 30);
    for (size_t i = 0; i < 30; i++)
        owned_free(&block[i], random);
    check_live_as(&before);
}

// By _exit, and now and then by exit, which runs handlers; a leak checker would see the blocks of
// threads that are no more.
static void child_ends(size_t round) {
    int status = test_failures == 0 && atomic_load(&all_reports) == 0 ? 0 : 1;
    fflush(stdout);
    if (round % 4 == 1 && !SANITIZED) exit(status);
    _exit(status);
}

static bool child_ended_well(pid_t child) {
    int status = 1;
    bool well = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    if (!well && WIFSIGNALED(status)) printf("    signal %d\n", WTERMSIG(status));
    return HOLDS(well);
}

// `own`: the worker of the thread that forked, or NULL.
static void child_work(size_t round, worker *own) {
    uint64_t random = test_seed * 11 + round;
    alarm(PATIENCE / 2);
    own_reports_start();
    child_counts(&random);
    child_legacy(0, 2, &random);
    if (round % 2 == 0 && CHILD_THREADS) in_new_thread(child_thread, &random);
    child_legacy(0, 1, &random);
    for (size_t i = 0; own && i < 100; i++)
        worker_step(own);
    if (own) worker_close(own);
    if (round % 3 == 0) memmgr_trim();
    child_misuse();
    child_counts(&random);
}

// The worker's mailbox may have been locked by others.
static bool fork_once(size_t round, worker *own) {
    alarm(PATIENCE);
    pid_t child = fork();
    if (child != 0) return child_ended_well(child);
    if (own) own->box = NULL;
    child_work(round, own);
    // A grandchild, of a process that has had a thread of its own.
    if (round % 8 == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            child_work(round + 2, NULL);
            child_ends(round + 1);
        }
        (void)child_ended_well(grandchild);
    }
    child_ends(round);
    return false;
}

// --- In the parent -------------------------------------------------------------------------------

typedef struct {
    worker workers[THREADS];
    mailbox box;
    barrier ready;
    atomic_bool done;
    size_t forks;
    bool threads_come_and_go;
    bool main_forks;
    uint64_t random[THREADS];
} fork_state;

static fork_state state;

// A thread that takes some blocks, gives them away and ends.
static void short_life(void *ctx) {
    uint64_t *random = (uint64_t *)ctx;
    for (size_t i = 0; i < 20; i++) {
        owned block = owned_new(random, any_size(random, 20000));
        block = mailbox_exchange(&state.box, thread_below(random, MAILBOX_SLOTS), block);
        owned_free(&block, random);
    }
}

static void parent_works(size_t index) {
    while (!atomic_load(&state.done)) {
        if (state.threads_come_and_go)
            in_new_thread(short_life, &state.random[index]);
        else
            worker_step(&state.workers[index]);
    }
}

static void parent_forks(worker *own) {
    for (size_t round = 0; round < state.forks; round++) {
        for (size_t i = 0; i < 20; i++)
            worker_step(own);
        if (!fork_once(round, own)) break;
    }
    atomic_store(&state.done, true);
    alarm(0);
}

static void parent_thread(void *ctx, size_t index) {
    (void)ctx;
    legacy_take(index);
    barrier_wait(&state.ready);
    if (index == 0 && !state.main_forks)
        parent_forks(&state.workers[0]);
    else
        parent_works(index);
    worker_close(&state.workers[index]);
}

static void *parent_threads(void *ctx) {
    (void)ctx;
    CHECK(threads_run(parent_thread, NULL));
    return NULL;
}

static void parent_open(void) {
    mailbox_open(&state.box);
    atomic_store(&state.done, false);
    for (size_t i = 0; i < THREADS; i++) {
        worker_open(&state.workers[i], test_seed * 23 + i, &state.box);
        // A child has a copy of everything, and touches much of it.
        state.workers[i].largest = 300000;
        state.random[i] = test_seed * 29 + i;
    }
    barrier_open(&state.ready, THREADS + (state.main_forks ? 1 : 0));
}

static void forks_run(size_t forks, bool main_forks, bool threads_come_and_go) {
    static worker main_worker;
    memmgr_stats before;
    pthread_t starter;
    if (!FORKS_IN_WORK) return;
    own_reports_start();
    memmgr_stats_get(&before);
    state.forks = test_count(forks);
    state.main_forks = main_forks;
    state.threads_come_and_go = threads_come_and_go;
    parent_open();
    if (main_forks) {
        REQUIRE(pthread_create(&starter, NULL, parent_threads, NULL) == 0);
        barrier_wait(&state.ready);
        worker_open(&main_worker, test_seed, &state.box);
        parent_forks(&main_worker);
        pthread_join(starter, NULL);
        worker_close(&main_worker);
    } else {
        (void)parent_threads(NULL);
    }
    legacy_drop();
    mailbox_close(&state.box, &state.random[0]);
    barrier_close(&state.ready);
    check_live_as(&before);
    CHECK_ALL_SILENT();
}

static void test_fork_from_main(void) { forks_run(60, true, false); }
static void test_fork_from_a_thread(void) { forks_run(60, false, false); }
static void test_fork_while_threads_come_and_go(void) { forks_run(40, true, true); }
static void test_fork_from_a_thread_among_short_ones(void) { forks_run(40, false, true); }

// By several threads at once.
static void forking_thread(void *ctx, size_t index) {
    (void)ctx;
    for (size_t round = 0; round < state.forks; round++) {
        for (size_t i = 0; i < 50; i++)
            worker_step(&state.workers[index]);
        if (!fork_once(round + index, &state.workers[index])) break;
    }
    worker_close(&state.workers[index]);
}

static void test_fork_from_all(void) {
    memmgr_stats before;
    if (!FORKS_IN_WORK) return;
    own_reports_start();
    memmgr_stats_get(&before);
    state.forks = test_count(12);
    state.main_forks = state.threads_come_and_go = false;
    parent_open();
    for (size_t i = 0; i < THREADS; i++)
        legacy_take(i);
    CHECK(threads_run(forking_thread, NULL));
    alarm(0);
    legacy_drop();
    mailbox_close(&state.box, &state.random[0]);
    barrier_close(&state.ready);
    check_live_as(&before);
    CHECK_ALL_SILENT();
}

// Before the process has made a general call, and after its only threads have ended.
static void ended_thread(void *ctx) { legacy_take(*(size_t *)ctx); }

static void test_fork_at_rest(void) {
    own_reports_start();
    for (size_t round = 0; round < 4; round++)
        CHECK(fork_once(round, NULL));
    for (size_t i = 0; i < THREADS; i++)
        in_new_thread(ended_thread, &i);
    for (size_t round = 0; round < 16; round++)
        CHECK(fork_once(round, NULL));
    alarm(0);
    legacy_drop();
    CHECK_ALL_SILENT();
}

#endif

static const test_case tests[] = {
#if HAVE_THREADS
    TEST(test_fork_at_rest), // first: before the parent has made a general call
    TEST(test_fork_from_main),
    TEST(test_fork_from_a_thread),
    TEST(test_fork_while_threads_come_and_go),
    TEST(test_fork_from_a_thread_among_short_ones),
    TEST(test_fork_from_all),
#endif
    {NULL, NULL},
};

int main(int argc, char **argv) {
    return test_main(tests, sizeof tests / sizeof *tests - 1, argc, argv);
}
