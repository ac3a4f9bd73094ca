// stress_threads.c: everything at random from several threads, with misuses, of which each must be
// reported, and with audits in between, for as long as one likes:
//
//     build/tests/stress_threads SECONDS [THREADS] [SEED]
//
// Some threads live as long as the program, some for a phase, some for a moment. A phase ends with
// all of them at rest: then what the general calls say must be what the threads know.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // clock_gettime() and more under a strict -std=c11
#endif
#include "workers.h"

#if HAVE_THREADS
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CREW_MAX = 64, ERRORS = MEMMGR_LEAK + 1 };

typedef enum { LIVES_LONG, LIVES_A_PHASE, LIVES_A_MOMENT, LIVES } life;

typedef struct {
    servant thread;
    worker work;
    life lives;
    unsigned long long steps, births;
} member;

static member crew[CREW_MAX];
static size_t crew_count = THREADS;
static mailbox box;
static atomic_bool phase_over;
static atomic_ulong expected[ERRORS], reported[ERRORS];
static memmgr_pool *pool;
static void *pool_block, *libc_block;
static pthread_key_t last_steps;
static unsigned long audits, forks;
static size_t capacity_early, capacity_most;

// --- Misuse --------------------------------------------------------------------------------------

// Now and then it makes calls itself.
static void stress_report(const memmgr_report *report, void *ctx) {
    atomic_fetch_add(&reported[report->error], 1);
    own_reports_record(report, ctx);
    if (atomic_load(&all_reports) % 16 == 0) memmgr_free(kept(memmgr_malloc(50)));
}

static void misuse(uint64_t *random, void *pointer, memmgr_error error) {
    atomic_fetch_add(&expected[error], 1);
    own_reports.count = 0;
    switch (thread_below(random, 4)) {
    case 0:
        HOLDS(kept(memmgr_realloc(pointer, 1 + thread_below(random, 9999))) == NULL);
        break;
    case 1:
        HOLDS(memmgr_usable_size(pointer) == 0);
        break;
    case 2:
        memmgr_free_sized(pointer, 100);
        break;
    default:
        memmgr_free(pointer);
    }
    HOLDS(own_report_was(error, pointer));
}

static void misuse_foreign(uint64_t *random) {
    static unsigned char in_static_memory[64];
    unsigned char on_the_stack[64] = {0};
    void *const pointers[] = {pointer_plus(in_static_memory, 16), pointer_plus(on_the_stack, 24),
                              pointer_plus(pool_block, 0), pointer_plus(libc_block, 0),
                              pointer_plus(NULL, 64)};
    misuse(random, pointers[thread_below(random, 5)], MEMMGR_FOREIGN_POINTER);
}

// Only of what is live, or what is nobody's: a stale pointer may be another thread's block by now.
static void misuse_any(worker *w) {
    owned *block = &w->block[thread_below(&w->random, WORKER_BLOCKS)];
    if (!SWITCH_ON) return;
    if (!block->at) {
        misuse_foreign(&w->random);
        return;
    }
    size_t inside = 1 + thread_below(&w->random, memmgr_usable_size(block->at) - 1);
    misuse(&w->random, pointer_plus(block->at, (intptr_t)inside), MEMMGR_INTERIOR_POINTER);
}

// --- Work ----------------------------------------------------------------------------------------

static void any_step(member *own) {
    uint64_t *random = &own->work.random;
    size_t roll = thread_below(random, 3000);
    memmgr_stats stats;
    own->steps++;
    worker_step(&own->work);
    if (roll < 60) misuse_any(&own->work);
    if (roll == 60) memmgr_trim();
    if (roll == 61) {
        memmgr_stats_get(&stats);
        HOLDS(!SWITCH_ON || stats.used <= stats.capacity);
    }
}

static void steps_after_the_end(void *ctx) {
    for (int i = 0; i < 5; i++)
        any_step((member *)ctx);
}

static void whole_phase(void *ctx) {
    member *own = (member *)ctx;
    own->births++;
    while (!atomic_load(&phase_over))
        any_step(own);
}

static void moment(void *ctx) {
    member *own = (member *)ctx;
    size_t steps = thread_below(&own->work.random, 300);
    own->births++;
    if (steps % 2) pthread_setspecific(last_steps, own);
    for (size_t i = 0; i < steps; i++)
        any_step(own);
}

static void moments(void *ctx) {
    while (!atomic_load(&phase_over))
        in_new_thread(moment, ctx);
}

static void phase_begin(void) {
    atomic_store(&phase_over, false);
    for (size_t i = 0; i < crew_count; i++) {
        member *own = &crew[i];
        if (own->lives == LIVES_LONG) servant_begin(&own->thread, whole_phase, own);
        if (own->lives == LIVES_A_MOMENT) servant_begin(&own->thread, moments, own);
        if (own->lives != LIVES_A_PHASE) continue;
        CHECK(servant_start(&own->thread));
        servant_begin(&own->thread, whole_phase, own);
    }
}

static void phase_end(void) {
    atomic_store(&phase_over, true);
    for (size_t i = 0; i < crew_count; i++) {
        servant_wait(&crew[i].thread);
        if (crew[i].lives == LIVES_A_PHASE) servant_stop(&crew[i].thread);
    }
}

// --- A fork in the middle ------------------------------------------------------------------------

static void child_thread(void *ctx) {
    static worker own;
    worker_open(&own, *(uint64_t *)ctx, NULL);
    for (size_t i = 0; i < 500; i++)
        worker_step(&own);
    worker_close(&own);
}

// The sanitizers' own data do not survive it.
static void fork_once(uint64_t *random) {
    int status = 1;
    if (SANITIZED) return;
    owned block = owned_new(random, any_size(random, 100000));
    forks++;
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        child_thread(random);
        in_new_thread(child_thread, random);
        owned_free(&block, random);
        fflush(stdout);
        _exit(test_failures == 0 ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    owned_free(&block, random);
}

// --- At rest -------------------------------------------------------------------------------------

typedef struct {
    size_t blocks, bytes, usable;
} sum;

static void sum_add(sum *all, const owned *block) {
    if (!block->at) return;
    CHECK(owned_holds(block));
    all->blocks++;
    all->bytes += block->size;
    all->usable += memmgr_usable_size(block->at);
}

static sum sum_of_all(void) {
    sum all = {0, 0, 0};
    for (size_t i = 0; i < crew_count * WORKER_BLOCKS; i++)
        sum_add(&all, &crew[i / WORKER_BLOCKS].work.block[i % WORKER_BLOCKS]);
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        sum_add(&all, &box.block[i]);
    return all;
}

static void audit(void) {
    memmgr_stats stats;
    unsigned long misuses = 0;
    sum all = sum_of_all();
    audits++;
    memmgr_stats_get(&stats);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    if (!SWITCH_ON) return;
    for (size_t i = 0; i < ERRORS; i++) {
        misuses += expected[i];
        CHECK_EQUAL(reported[i], expected[i]);
    }
    CHECK_EQUAL(stats.live_blocks, all.blocks);
    CHECK_EQUAL(stats.used, all.usable);
    CHECK(stats.used >= all.bytes && stats.peak_used >= stats.used);
    CHECK_EQUAL(stats.used + stats.free + stats.overhead, stats.capacity);
    CHECK_EQUAL(stats.allocations - stats.frees, stats.live_blocks);
    CHECK_EQUAL(stats.misuses, misuses);
    CHECK_EQUAL(stats.failures, 0);
    if (stats.capacity > capacity_most) capacity_most = stats.capacity;
    if (audits <= 10) capacity_early = capacity_most;
    CHECK(capacity_most <= 2 * capacity_early + ((size_t)64 << 20));
}

// A double free, each step by a thread of its own, while nobody can be handed the block.
typedef struct {
    uint64_t *random;
    owned block[3]; // the outer two keep the memory around the middle one alive
    size_t size;
} twice;

static void twice_take(void *ctx) {
    twice *own = (twice *)ctx;
    for (size_t i = 0; i < 3; i++) {
        owned *block = &own->block[i];
        block->size = own->size;
        block->at = (unsigned char *)memmgr_malloc(own->size);
        if (HOLDS(block->at != NULL)) owned_stamp(block, own->random);
    }
}

static void twice_free(void *ctx) { memmgr_free(((twice *)ctx)->block[1].at); }

static void twice_again(void *ctx) {
    twice *own = (twice *)ctx;
    misuse(own->random, pointer_plus(own->block[1].at, 0), MEMMGR_DOUBLE_FREE);
}

static void twice_drop(void *ctx) {
    twice *own = (twice *)ctx;
    owned_free(&own->block[0], own->random);
    owned_free(&own->block[2], own->random);
}

static void by_anyone(job work, void *ctx, uint64_t *random) {
    member *who = &crew[thread_below(random, crew_count)];
    if (who->lives == LIVES_LONG)
        servant_ask(&who->thread, work, ctx);
    else if (who->lives == LIVES_A_MOMENT)
        in_new_thread(work, ctx);
    else
        work(ctx);
}

static void double_frees(uint64_t *random) {
    for (int i = 0; SWITCH_ON && i < 20; i++) {
        twice one = {random, {{NULL, 0, 0}}, any_size(random, 1 << 20)};
        by_anyone(twice_take, &one, random);
        by_anyone(twice_free, &one, random);
        by_anyone(twice_again, &one, random);
        by_anyone(twice_drop, &one, random);
    }
}

// Everything is freed, half of it by the main thread.
static void close_one(void *ctx) { worker_close(&((member *)ctx)->work); }

static void free_all(uint64_t *random) {
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        owned_free(&box.block[i], random);
    for (size_t i = 0; i < crew_count; i++) {
        if (i % 2 || crew[i].lives == LIVES_A_PHASE)
            close_one(&crew[i]);
        else
            servant_ask(&crew[i].thread, close_one, &crew[i]);
    }
}

// --- The whole -----------------------------------------------------------------------------------

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void doze(size_t milliseconds) {
    struct timespec time = {0, (long)milliseconds * 1000000};
    nanosleep(&time, NULL);
}

static bool stress_open(uint64_t seed) {
    memmgr_set_error_handler(stress_report, NULL);
    pool = memmgr_pool_create(65536, NULL);
    pool_block = pool ? memmgr_pool_alloc(pool, 100) : NULL;
    libc_block = malloc(100);
    if (!pool_block || !libc_block || pthread_key_create(&last_steps, steps_after_the_end) != 0)
        return false;
    mailbox_open(&box);
    for (size_t i = 0; i < crew_count; i++) {
        crew[i].lives = (life)(i % LIVES);
        worker_open(&crew[i].work, seed * 1000 + i, &box);
        if (crew[i].lives != LIVES_A_PHASE && !servant_start(&crew[i].thread)) return false;
    }
    return true;
}

static void stress_close(uint64_t *random) {
    free_all(random);
    audit();
    for (size_t i = 0; i < crew_count; i++)
        if (crew[i].lives != LIVES_A_PHASE) servant_stop(&crew[i].thread);
    audit();
    mailbox_close(&box, random);
    pthread_key_delete(last_steps);
    memmgr_pool_free(pool, pool_block);
    memmgr_pool_destroy(pool);
    free(libc_block);
}

static void stress_run(double seconds, uint64_t *random) {
    double end = now() + seconds;
    while (now() < end && test_failures == 0) {
        phase_begin();
        doze(1 + thread_below(random, 80));
        if (thread_below(random, 6) == 0) fork_once(random);
        if (thread_below(random, 6) == 0) memmgr_trim();
        phase_end();
        audit();
        double_frees(random);
        audit();
        if (thread_below(random, 10) != 0) continue;
        free_all(random);
        memmgr_trim();
        audit();
    }
}

static void stress_tell(void) {
    unsigned long long steps = 0, births = 0, misuses = 0;
    for (size_t i = 0; i < crew_count; i++)
        steps += crew[i].steps, births += crew[i].births;
    for (size_t i = 0; i < ERRORS; i++)
        misuses += expected[i];
    printf("%llu steps, %llu misuses, %llu lives, %lu forks, %lu audits, at most %lu KiB\n", steps,
           misuses, births, forks, audits, (unsigned long)(capacity_most >> 10));
}

static bool stress(double seconds, uint64_t seed) {
    uint64_t random = seed;
    alarm((unsigned)seconds + 120); // a deadlock ends here, as a failure
    if (!CHECK(stress_open(seed))) return false;
    stress_run(seconds, &random);
    stress_close(&random);
    stress_tell();
    return test_failures == 0;
}

int main(int argc, char **argv) {
    const char *seed = argc > 3 ? argv[3] : getenv("SEED"), *scale = getenv("SCALE");
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    if (argc <= 1 && scale && *scale) seconds *= strtod(scale, NULL) / 100;
    if (argc > 2) crew_count = strtoul(argv[2], NULL, 10);
    if (crew_count < 1 || crew_count > CREW_MAX || seconds < 0) {
        printf("stress_threads SECONDS [THREADS, at most %d] [SEED]\n", CREW_MAX);
        return 1;
    }
    if (seed && *seed) test_seed = strtoull(seed, NULL, 0);
    printf("%s SEED=%llu\n", argv[0], (unsigned long long)test_seed);
    fflush(stdout);
    bool well = stress(seconds, test_seed);
    printf("%d passed, %d failed\n", well ? 1 : 0, well ? 0 : 1);
    return well ? 0 : 1;
}

#else
int main(void) { return 0; }
#endif
