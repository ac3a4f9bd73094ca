// test_threads.c: the general calls from several threads: blocks that change hands, threads that
// come and go, first and last calls, misuse from another thread than the owner, races.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // sysconf(), fork() and more under a strict -std=c11
#endif
#include "workers.h"

#if HAVE_THREADS
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

// --- The model -----------------------------------------------------------------------------------

// One worker for each thread, and a mailbox between them.
static void workers_open(worker *workers, uint64_t salt, mailbox *box) {
    mailbox_open(box);
    for (size_t i = 0; i < THREADS; i++)
        worker_open(&workers[i], test_seed * salt + i, box);
}

static void model_work(void *ctx, size_t index) {
    worker *own = (worker *)ctx + index;
    for (size_t i = 0; i < test_count(60000); i++)
        worker_step(own);
    if (index % 2) worker_close(own); // the others leave theirs to the main thread
}

static void test_threads_model(void) {
    static worker workers[THREADS];
    static mailbox box;
    memmgr_stats before;
    own_reports_start();
    memmgr_stats_get(&before);
    workers_open(workers, 31, &box);
    CHECK(threads_run(model_work, workers));
    for (size_t i = 0; i < THREADS; i += 2)
        worker_close(&workers[i]);
    mailbox_close(&box, &workers[0].random);
    check_live_as(&before);
    CHECK_ALL_SILENT();
}

// --- Ways for a block to go ----------------------------------------------------------------------

enum { ROUNDS = 50, WARM = 10, BATCH = 400 };

// What the threads of a round have between them.
typedef struct {
    owned block[THREADS][BATCH];
    uint64_t random[THREADS];
    size_t round;
    barrier filled;
} round_state;

static round_state shared;

static size_t batch_count(void) { return test_scale < 100 ? 1 + BATCH * test_scale / 100 : BATCH; }

static void batch_fill(size_t index, size_t by) {
    uint64_t *random = &shared.random[by];
    for (size_t i = 0; i < batch_count(); i++) {
        owned *block = &shared.block[index][i];
        if (!block->at) *block = owned_new(random, any_size(random, 300000));
    }
}

// In order, backwards, or every other first.
static void batch_free(size_t index, size_t by) {
    size_t count = batch_count();
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        if (shared.round % 3 == 1) at = count - 1 - i;
        if (shared.round % 3 == 2) at = i < (count + 1) / 2 ? 2 * i : 2 * (i - (count + 1) / 2) + 1;
        owned_free(&shared.block[index][at], &shared.random[by]);
    }
}

// Runs a way of using memory again and again: it must not take more and more of it.
static void rounds_run(void (*one_round)(void)) {
    memmgr_stats before, after;
    size_t warm = 0;
    memset(&shared, 0, sizeof shared);
    for (size_t i = 0; i < THREADS; i++)
        shared.random[i] = test_seed * 77 + i;
    barrier_open(&shared.filled, THREADS);
    own_reports_start();
    memmgr_stats_get(&before);
    for (shared.round = 0; shared.round < ROUNDS; shared.round++) {
        one_round();
        memmgr_stats_get(&after);
        if (shared.round < WARM && after.capacity > warm) warm = after.capacity;
    }
    for (size_t i = 0; i < THREADS; i++)
        batch_free(i, 0);
    check_live_as(&before);
    if (SWITCH_ON && !CHECK(after.capacity <= warm + warm / 4 + (8 << 20)))
        printf("        %lu bytes, %lu at first\n", (unsigned long)after.capacity,
               (unsigned long)warm);
    barrier_close(&shared.filled);
    CHECK_ALL_SILENT();
}

static void fill_work(void *ctx, size_t index) {
    (void)ctx;
    batch_fill(index, index);
}

static void free_work(void *ctx, size_t index) {
    (void)ctx;
    batch_free((index + 1) % THREADS, index);
}

static void neighbour_work(void *ctx, size_t index) {
    (void)ctx;
    batch_fill(index, index);
    barrier_wait(&shared.filled);
    batch_free((index + 1) % THREADS, index);
}

static void neighbour_round(void) { CHECK(threads_run(neighbour_work, NULL)); }

// While the owners are alive, and go on.
static void test_threads_freed_by_others(void) { rounds_run(neighbour_round); }

static void freeing_round(void) {
    CHECK(threads_run(fill_work, NULL));
    CHECK(threads_run(free_work, NULL));
}

// The owners have ended, and who frees does nothing else.
static void test_threads_that_only_free(void) { rounds_run(freeing_round); }

static void main_round(void) {
    CHECK(threads_run(fill_work, NULL));
    for (size_t i = 0; i < THREADS; i++)
        batch_free(i, 0);
}

static void test_threads_freed_by_main(void) { rounds_run(main_round); }

static void main_fills_round(void) {
    for (size_t i = 0; i < THREADS; i++)
        batch_fill(i, 0);
    CHECK(threads_run(free_work, NULL));
}

static void test_threads_free_what_main_took(void) { rounds_run(main_fills_round); }

// Each thread has what one of the generation before left: frees a third, resizes a third, and fills
// the gaps.
static void heir_work(void *ctx, size_t index) {
    size_t of = (index + shared.round) % THREADS;
    uint64_t *random = &shared.random[index];
    (void)ctx;
    for (size_t i = 0; i < batch_count(); i++) {
        owned *block = &shared.block[of][i];
        size_t roll = thread_below(random, 3);
        if (block->at && roll == 0) owned_free(block, random);
        if (block->at && roll == 1) owned_resize(block, random, 1 + any_size(random, 300000));
    }
    batch_fill(of, index);
}

static void heir_round(void) { CHECK(threads_run(heir_work, NULL)); }

static void test_threads_generations(void) { rounds_run(heir_round); }

// One thread only takes, another only frees, all the time: a pipe.
typedef struct {
    mailbox box;
    atomic_size_t taken, freed;
    size_t target;
} pipe_state;

static void pipe_work(void *ctx, size_t index) {
    pipe_state *state = (pipe_state *)ctx;
    uint64_t random = test_seed * 13 + index;
    owned none = {NULL, 0, 0}, block = none;
    for (size_t slot = index; atomic_load(&state->freed) < state->target; slot++) {
        if (index % 2 == 0 && !block.at) {
            if (atomic_fetch_add(&state->taken, 1) >= state->target) break;
            block = owned_new(&random, any_size(&random, 100000));
        }
        block = mailbox_exchange(&state->box, slot % MAILBOX_SLOTS, block);
        if (index % 2 == 0 || !block.at) {
            if (slot % 64 == 0) sched_yield();
            continue;
        }
        owned_free(&block, &random);
        block = none;
        atomic_fetch_add(&state->freed, 1);
    }
    owned_free(&block, &random);
}

static void test_threads_pipe(void) {
    static pipe_state state;
    memmgr_stats before, middle, after;
    uint64_t random = test_seed;
    own_reports_start();
    memmgr_stats_get(&before);
    memset(&middle, 0, sizeof middle);
    for (int half = 0; half < 4; half++) {
        mailbox_open(&state.box);
        atomic_store(&state.taken, 0);
        atomic_store(&state.freed, 0);
        // What is in the box or in a hand when the last is taken is never freed by the others.
        state.target = test_count(20000) + MAILBOX_SLOTS + THREADS;
        atomic_store(&state.freed, MAILBOX_SLOTS + THREADS);
        CHECK(threads_run(pipe_work, &state));
        mailbox_close(&state.box, &random);
        memmgr_stats_get(half < 2 ? &middle : &after);
    }
    check_live_as(&before);
    if (SWITCH_ON) CHECK(after.capacity <= middle.capacity + middle.capacity / 4 + (4 << 20));
    CHECK_ALL_SILENT();
}

// --- First calls ---------------------------------------------------------------------------------

enum { FIRST_CALLS = 12 };

typedef struct {
    owned block;
    unsigned char foreign[32];
    size_t kind;
} first_call;

static void first_misuse(first_call *call, bool interior) {
    void *bad = interior ? pointer_plus(call->block.at, 8) : pointer_plus(call->foreign, 16);
    if (!SWITCH_ON) return;
    memmgr_free(bad);
    HOLDS(own_report_was(interior ? MEMMGR_INTERIOR_POINTER : MEMMGR_FOREIGN_POINTER, bad));
}

static void first_call_work(void *ctx) {
    first_call *call = (first_call *)ctx;
    uint64_t random = call->kind + 1;
    memmgr_stats stats;
    void *none = NULL;
    switch (call->kind) {
    case 0:
        memmgr_free(call->block.at), call->block.at = NULL;
        break;
    case 1:
        memmgr_free_sized(call->block.at, call->block.size), call->block.at = NULL;
        break;
    case 2:
        owned_resize(&call->block, &random, 30000);
        break;
    case 3:
        owned_resize(&call->block, &random, 1);
        break;
    case 4:
        HOLDS(memmgr_usable_size(call->block.at) >= call->block.size);
        break;
    case 5:
        memmgr_free(none);
        break;
    case 6:
        memmgr_stats_get(&stats);
        break;
    case 7:
        memmgr_trim();
        break;
    case 8:
        memmgr_free(kept(memmgr_calloc(3, 5)));
        break;
    case 9:
        memmgr_free(kept(memmgr_aligned_alloc(4096, 5000)));
        break;
    case 10:
        first_misuse(call, true);
        break;
    default:
        first_misuse(call, false);
    }
}

static void first_calls_run(bool early) {
    for (size_t kind = 0; kind < FIRST_CALLS; kind++) {
        first_call call = {{NULL, 0, 0}, {0}, kind};
        uint64_t random = test_seed + kind;
        call.block = owned_new(&random, early ? 100 : any_size(&random, 100000) + 32);
        in_new_thread(first_call_work, &call);
        owned_free(&call.block, &random);
    }
}

static void test_threads_first_call(void) {
    memmgr_stats before;
    own_reports_start();
    memmgr_stats_get(&before);
    for (size_t round = 0; round < test_count(100); round++)
        first_calls_run(round == 0);
    check_live_as(&before);
    if (SWITCH_ON) CHECK_EQUAL(atomic_load(&all_reports), 2 * test_count(100));
}

// --- Last calls ----------------------------------------------------------------------------------

// Keys of before the first general call, and of after it: their destructors run before and after
// one that the heap may have. Each asks for another round while there is one.
enum { KEYS = 2, KEY_BLOCKS = 6 };

#ifdef PTHREAD_DESTRUCTOR_ITERATIONS
// In the last round the thread sanitizer is no longer there.
enum { KEY_ROUNDS = PTHREAD_DESTRUCTOR_ITERATIONS - UNDER_TSAN };
#else
enum { KEY_ROUNDS = 4 - UNDER_TSAN };
#endif

typedef struct {
    size_t key, rounds;
    uint64_t random;
    owned kept; // by the thread, freed in the destructor
    owned left; // by the destructor, freed by the main thread
} key_state;

static pthread_key_t keys[KEYS];
static atomic_size_t key_rounds[KEY_ROUNDS];

static void key_destructor(void *value) {
    key_state *state = (key_state *)value;
    owned block[KEY_BLOCKS];
    if (state->rounds < KEY_ROUNDS) atomic_fetch_add(&key_rounds[state->rounds++], 1);
    owned_free(&state->left, &state->random);
    for (size_t i = 0; i < KEY_BLOCKS; i++)
        block[i] = owned_new(&state->random, any_size(&state->random, 50000));
    for (size_t i = 1; i < KEY_BLOCKS; i++) {
        if (i % 2) owned_resize(&block[i], &state->random, 5000);
        owned_free(&block[i], &state->random);
    }
    state->left = block[0];
    if (state->rounds == 2) owned_free(&state->kept, &state->random);
    if (state->rounds < KEY_ROUNDS) pthread_setspecific(keys[state->key], state);
}

static void key_work(void *ctx, size_t index) {
    key_state *state = (key_state *)ctx + index;
    pthread_setspecific(keys[state->key], state);
    // One thread makes its first general call in a destructor.
    if (index != 3) state->kept = owned_new(&state->random, 1 + index * 5000);
}

static void key_round(void) {
    key_state states[THREADS];
    memset(states, 0, sizeof states);
    for (size_t i = 0; i < THREADS; i++) {
        states[i].key = (i + shared.round) % KEYS;
        states[i].random = shared.random[i];
    }
    CHECK(threads_run(key_work, states));
    for (size_t i = 0; i < THREADS; i++) {
        owned_free(&states[i].kept, &states[i].random);
        owned_free(&states[i].left, &states[i].random);
        shared.random[i] = states[i].random;
    }
}

static void test_threads_key_destructors(void) {
    memmgr_free(kept(memmgr_malloc(1)));
    REQUIRE(pthread_key_create(&keys[1], key_destructor) == 0);
    rounds_run(key_round);
    CHECK_EQUAL(atomic_load(&key_rounds[KEY_ROUNDS - 1]), ROUNDS * THREADS);
    pthread_key_delete(keys[1]);
}

// In a child: handlers that run after main, the last of them tells how it went.
static owned for_exit;

static void exit_last(void) {
    fflush(stdout);
    _exit(test_failures == 0 && atomic_load(&all_reports) == 0 ? 0 : 1);
}

static void exit_work(void) {
    uint64_t random = test_seed;
    owned block = owned_new(&random, 3000);
    owned_resize(&for_exit, &random, 10000);
    owned_free(&for_exit, &random);
    for_exit = owned_new(&random, 100);
    owned_free(&block, &random);
}

static void exit_thread(void *ctx, size_t index) {
    (void)ctx;
    if (index == 0) exit(0);
    for (size_t i = 0;; i++)
        memmgr_free(kept(memmgr_malloc(i % 5000)));
}

static void exit_child(bool from_a_thread) {
    uint64_t random = test_seed;
    alarm(20); // a deadlock ends here, as a failure
    if (atexit(exit_last) || atexit(exit_work) || atexit(exit_work)) _exit(1);
    for_exit = owned_new(&random, 5000);
    if (!from_a_thread) exit(0);
    (void)threads_run(exit_thread, NULL);
    _exit(1);
}

static void test_threads_atexit(void) {
    const size_t rounds = UNDER_TSAN ? 2 : 20; // it sleeps for a second at every exit
    own_reports_start();
    for (size_t round = 0; round < rounds; round++) {
        int status = 1;
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) exit_child(round % 2);
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
}

// --- Misuse from another thread ------------------------------------------------------------------

// A free, and whatever else is refused, of one pointer.
typedef struct {
    void *pointer;
    memmgr_error expected;
} misuse;

static void misuse_work(void *ctx) {
    misuse *one = (misuse *)ctx;
    own_reports.count = 0;
    memmgr_free(one->pointer);
    HOLDS(own_report_was(one->expected, one->pointer));
    memmgr_free_sized(one->pointer, 16);
    HOLDS(own_report_was(one->expected, one->pointer));
    HOLDS(kept(memmgr_realloc(one->pointer, 50)) == NULL);
    HOLDS(own_report_was(one->expected, one->pointer));
    HOLDS(memmgr_usable_size(one->pointer) == 0);
    HOLDS(own_report_was(one->expected, one->pointer));
}

enum { MISUSE_CALLS = 4 }; // in misuse_work

static servant first_servant, second_servant;

typedef enum { BY_MAIN, BY_FIRST, BY_SECOND, BY_NEW, BY_COUNT } actor;

static void done_by(actor who, job work, void *ctx) {
    switch (who) {
    case BY_FIRST:
        servant_ask(&first_servant, work, ctx);
        break;
    case BY_SECOND:
        servant_ask(&second_servant, work, ctx);
        break;
    case BY_NEW:
        in_new_thread(work, ctx);
        break;
    default:
        work(ctx);
    }
}

static bool servants_start(void) {
    own_reports_start();
    return servant_start(&first_servant) && servant_start(&second_servant);
}

static void servants_stop(void) {
    servant_stop(&first_servant);
    servant_stop(&second_servant);
}

// Three of a size: the middle one is freed twice, its neighbours keep the memory around it alive.
enum { TRIO = 3, AFTERWARDS = 6 };

typedef struct {
    size_t size, count;
    uint64_t random;
    owned block[AFTERWARDS];
} takings;

static void takings_take(void *ctx) {
    takings *own = (takings *)ctx;
    for (size_t i = 0; i < own->count; i++) {
        owned *block = &own->block[i];
        block->size = own->size;
        block->at = (unsigned char *)memmgr_malloc(own->size);
        if (HOLDS(block->at != NULL)) owned_stamp(block, &own->random);
    }
}

static void takings_drop(void *ctx) {
    takings *own = (takings *)ctx;
    for (size_t i = 0; i < own->count; i++)
        owned_free(&own->block[i], &own->random);
}

static void free_one_work(void *pointer) { memmgr_free(pointer); }

// Nobody else is handed the freed block twice, and its neighbours are whole.
static void check_afterwards(actor who, size_t size) {
    takings next = {size, AFTERWARDS, size, {{NULL, 0, 0}}};
    done_by(who, takings_take, &next);
    for (size_t i = 0; i < AFTERWARDS; i++) {
        for (size_t j = 0; j < i; j++)
            HOLDS(next.block[i].at != next.block[j].at);
        HOLDS(!next.block[i].at || owned_holds(&next.block[i]));
    }
    done_by(who, takings_drop, &next);
}

static void double_free(size_t size, actor owner, actor first, actor second) {
    memmgr_stats before, after;
    takings trio = {size, TRIO, size + 1, {{NULL, 0, 0}}};
    unsigned long reported = atomic_load(&all_reports);
    memmgr_stats_get(&before);
    done_by(owner, takings_take, &trio);
    misuse again = {pointer_plus(trio.block[1].at, 0), MEMMGR_DOUBLE_FREE};
    done_by(first, free_one_work, trio.block[1].at);
    trio.block[1].at = NULL;
    done_by(second, misuse_work, &again);
    check_afterwards(first, size);
    check_afterwards(second, size);
    check_afterwards(owner, size);
    done_by(owner, takings_drop, &trio);
    memmgr_stats_get(&after);
    CHECK_EQUAL(atomic_load(&all_reports), reported + MISUSE_CALLS);
    CHECK_EQUAL(after.misuses, before.misuses + MISUSE_CALLS);
    check_live_as(&before);
}

// By the owner and then another, the other way round, by two others, by and after threads that have
// ended: every combination of four.
static void test_threads_double_free(void) {
    static const size_t sizes[] = {0,    1,    16,   24,    64,    100,    500,    1024,
                                   1500, 4096, 9000, 32768, 70000, 300000, 1 << 20};
    if (!SWITCH_ON || !CHECK(servants_start())) return;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && test_failures == 0; i++) {
        if (SANITIZED && i % 3) continue;
        for (unsigned all = 0; all < BY_COUNT * BY_COUNT * BY_COUNT; all++) {
            double_free(sizes[i], (actor)(all % BY_COUNT), (actor)(all / BY_COUNT % BY_COUNT),
                        (actor)(all / BY_COUNT / BY_COUNT));
        }
    }
    servants_stop();
}

// Pointers into a block that is live.
typedef struct {
    owned block;
    size_t from, to, step;
    size_t refused;
} interior;

static void interior_take(void *ctx) {
    interior *own = (interior *)ctx;
    own->block.at = (unsigned char *)memmgr_malloc(own->block.size);
    if (HOLDS(own->block.at != NULL)) owned_stamp(&own->block, &own->block.tag);
    own->to = memmgr_usable_size(own->block.at);
}

static void interior_free(void *ctx) {
    interior *own = (interior *)ctx;
    HOLDS(owned_holds(&own->block));
    memmgr_free(own->block.at);
}

static void interior_work(void *ctx) {
    interior *own = (interior *)ctx;
    own_reports.count = 0;
    for (size_t at = own->from; at < own->to && test_failures == 0; at += own->step) {
        void *inside = pointer_plus(own->block.at, (intptr_t)at);
        switch (at % 4) {
        case 0:
            HOLDS(kept(memmgr_realloc(inside, at)) == NULL);
            break;
        case 1:
            HOLDS(memmgr_usable_size(inside) == 0);
            break;
        default:
            memmgr_free(inside);
        }
        HOLDS(own_report_was(MEMMGR_INTERIOR_POINTER, inside));
        const void *start = own_reports.last.block;
        HOLDS(start == NULL || start == own->block.at);
        own->refused++;
    }
}

static void interior_pointers(size_t size, size_t step, actor owner, actor by) {
    memmgr_stats before, after;
    interior own;
    memset(&own, 0, sizeof own);
    own.block.size = size;
    own.step = step;
    memmgr_stats_get(&before);
    done_by(owner, interior_take, &own);
    REQUIRE(own.block.at != NULL);
    own.from = 1;
    done_by(by, interior_work, &own);
    // Where the pages, the granules and the block itself end.
    size_t last = own.to;
    own.step = 1;
    own.from = last > 600 ? last - 600 : 1;
    done_by(by, interior_work, &own);
    for (size_t page = 4096; page < last && size > 32768; page *= 4) {
        own.from = page - 20;
        own.to = page + 20 < last ? page + 20 : last;
        done_by(by, interior_work, &own);
    }
    done_by(by == BY_NEW ? owner : by, interior_free, &own);
    memmgr_stats_get(&after);
    CHECK_EQUAL(after.misuses, before.misuses + own.refused);
    check_live_as(&before);
}

static void test_threads_interior_pointers(void) {
    static const size_t every[] = {1, 16, 17, 48, 100, 256, 500, 1000, 1024};
    static const size_t some[] = {2048, 3000, 4096, 5000, 8192, 12000, 16384, 20000, 32768};
    if (!SWITCH_ON || !CHECK(servants_start())) return;
    for (actor owner = BY_MAIN; owner < BY_COUNT; owner++) {
        for (size_t i = 0; i < sizeof every / sizeof *every; i++)
            interior_pointers(every[i], 1, owner, BY_SECOND);
        for (size_t i = 0; i < sizeof some / sizeof *some; i++)
            interior_pointers(some[i], SANITIZED ? 129 : 37, owner, BY_SECOND);
        interior_pointers(1 << 20, 4093, owner, BY_SECOND);
        interior_pointers(1 << 20, 4096, owner, BY_NEW);
        interior_pointers(40000, 16, owner, BY_NEW);
        interior_pointers(5 << 20, 65536, owner, BY_FIRST);
    }
    // Every offset inside one of each.
    interior_pointers(test_count(32768), 1, BY_FIRST, BY_SECOND);
    interior_pointers(1 << 20, SANITIZED ? 1021 : 61, BY_FIRST, BY_SECOND);
    servants_stop();
}

static void foreign_by(actor who, void *pointer) {
    misuse one = {pointer, MEMMGR_FOREIGN_POINTER};
    done_by(who, misuse_work, &one);
}

// Its own stack, in a thread that has made no call before.
static void foreign_own_stack(void *ctx) {
    unsigned char here[64] = {0};
    misuse one = {pointer_plus(here, 32), MEMMGR_FOREIGN_POINTER};
    (void)ctx;
    misuse_work(&one);
}

static void test_threads_foreign_pointers(void) {
    static unsigned char in_static_memory[256];
    static unsigned char pool_memory[65536];
    unsigned char on_the_stack[256] = {0};
    memmgr_stats before;
    if (!SWITCH_ON || !CHECK(servants_start())) return;
    memmgr_stats_get(&before);
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW);
    memmgr_pool *pool = memmgr_pool_init(pool_memory, sizeof pool_memory, NULL);
    memmgr_pool *growing = memmgr_pool_create(100000, &desc);
    REQUIRE(pool && growing);
    void *pool_block = memmgr_pool_alloc(pool, 500);
    void *growing_block = memmgr_pool_alloc(growing, 5000);
    void *small = malloc(64), *large = malloc(1 << 20);
    REQUIRE(small && large && pool_block && growing_block);
    for (actor who = BY_MAIN; who < BY_COUNT; who++) {
        done_by(who, foreign_own_stack, NULL);
        for (intptr_t offset = 0; offset < 64; offset++) {
            foreign_by(who, pointer_plus(on_the_stack, 64 + offset));
            foreign_by(who, pointer_plus(in_static_memory, 64 + offset));
        }
        foreign_by(who, pointer_plus(small, 0));
        foreign_by(who, pointer_plus(large, 0));
        foreign_by(who, pointer_plus(large, 4096));
        foreign_by(who, pointer_plus(pool_block, 0));
        foreign_by(who, pointer_plus(growing_block, 0));
        foreign_by(who, pointer_plus(growing, 0));
        foreign_by(who, pointer_plus(NULL, 8));
        foreign_by(who, pointer_plus(NULL, 4096));
        foreign_by(who, pointer_plus(NULL, -16));
    }
    check_afterwards(BY_NEW, 64);
    CHECK_EQUAL(memmgr_pool_free(pool, pool_block), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_free(growing, growing_block), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(growing), 0);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    free(small);
    free(large);
    check_live_as(&before);
    servants_stop();
}

// A handler may make general calls itself.
static void handler_that_allocates(const memmgr_report *report, void *ctx) {
    void *block = memmgr_malloc(100);
    own_reports_record(report, ctx);
    HOLDS(block != NULL);
    memmgr_free(block);
}

static void handler_work(void *ctx, size_t index) {
    (void)ctx;
    for (size_t i = 0; i < test_count(2000); i++) {
        unsigned char here[32] = {0};
        void *block = memmgr_malloc(200 + index);
        misuse inside = {pointer_plus(block, 16), MEMMGR_INTERIOR_POINTER};
        misuse outside = {pointer_plus(here, 0), MEMMGR_FOREIGN_POINTER};
        misuse_work(&inside);
        misuse_work(&outside);
        memmgr_free(block);
    }
}

static void test_threads_handler_allocates(void) {
    memmgr_stats before;
    if (!SWITCH_ON) return;
    own_reports_start();
    memmgr_set_error_handler(handler_that_allocates, NULL);
    memmgr_stats_get(&before);
    CHECK(threads_run(handler_work, NULL));
    CHECK_EQUAL(atomic_load(&all_reports), 2 * MISUSE_CALLS * THREADS * test_count(2000));
    check_live_as(&before);
}

// --- Races ---------------------------------------------------------------------------------------

// Two threads free the same blocks at the same moment: that is a misuse which nobody is promised to
// hear of, but at least one of the two takes effect, and what both are handed out afterwards is not
// the same.
enum { RACERS = 2, RACED = 8, RACE_TAKEN = 12 };

typedef struct {
    starting_line line;
    size_t rounds;
    void *block[RACED];
    owned taken[RACERS][RACE_TAKEN];
    uint64_t random[RACERS];
    size_t size;
    size_t probes; // reports that are asked for
} race_state;

static race_state race;

static size_t race_size(uint64_t *random) {
    size_t roll = thread_below(random, 20);
    if (roll == 0) return 32769 + thread_below(random, 500000);
    return 1 + thread_below(random, roll < 5 ? 32768 : 1200);
}

static void race_fill(void *random) {
    race.size = race_size((uint64_t *)random);
    for (size_t i = 0; i < RACED; i++)
        HOLDS((race.block[i] = memmgr_malloc(race.size)) != NULL);
}

static void race_take(size_t index) {
    for (size_t i = 0; i < RACE_TAKEN; i++) {
        owned *own = &race.taken[index][i];
        own->size = race.size;
        own->at = (unsigned char *)memmgr_malloc(race.size);
        if (HOLDS(own->at != NULL)) owned_stamp(own, &race.random[index]);
    }
}

// None overlaps another; asked by one thread while the others wait.
static void race_audit(void) {
    owned *taken = &race.taken[0][0];
    for (size_t i = 0; i < RACERS * RACE_TAKEN; i++) {
        for (size_t j = 0; j < i; j++)
            HOLDS(taken[i].at != taken[j].at);
        HOLDS(owned_holds(&taken[i]));
    }
}

// After the race none is live.
static void race_probe(void) {
    own_reports.count = 0;
    for (size_t i = 0; i < RACED; i++)
        HOLDS(memmgr_usable_size(pointer_plus(race.block[i], 0)) == 0);
    HOLDS(own_reports.count == RACED);
    race.probes += RACED;
}

static void race_work(void *ctx, size_t index) {
    (void)ctx;
    if (index >= RACERS) return;
    for (size_t round = 0; round < race.rounds && test_failures == 0; round++) {
        // Taken by one of the two; in every third round by a thread that has ended.
        if (index == 0 && round % 3 == 0) in_new_thread(race_fill, &race.random[0]);
        if (index == round % 3 - 1) race_fill(&race.random[index]);
        starting_line_wait(&race.line);
        for (size_t i = 0; i < RACED; i++)
            memmgr_free(pointer_plus(race.block[i], 0));
        starting_line_wait(&race.line);
        if (index == 0) race_probe();
        starting_line_wait(&race.line);
        race_take(index);
        starting_line_wait(&race.line);
        if (index == 0) race_audit();
        starting_line_wait(&race.line);
        size_t whose = round / 3 % 2 ? index : RACERS - 1 - index;
        for (size_t i = 0; i < RACE_TAKEN; i++)
            owned_free(&race.taken[whose][i], &race.random[index]);
        starting_line_wait(&race.line);
    }
}

static void test_threads_race_to_free(void) {
    if (!SWITCH_ON) return;
    memset(&race, 0, sizeof race);
    race.line.parties = RACERS;
    race.rounds = test_count(4000);
    race.random[0] = test_seed, race.random[1] = test_seed + 1;
    own_reports_start();
    CHECK(threads_run(race_work, NULL));
    unsigned long reported = atomic_load(&all_reports);
    CHECK(reported >= race.probes && reported - race.probes <= race.rounds * RACED);
    printf("    %lu of %lu races reported\n", reported - (unsigned long)race.probes,
           (unsigned long)race.rounds * RACED);
    check_afterwards(BY_NEW, 100);
}

// --- Trimming and statistics during work ---------------------------------------------------------

static void trim_work(void *ctx, size_t index) {
    worker *own = (worker *)ctx + index;
    for (size_t i = 0; i < test_count(12000); i++) {
        worker_step(own);
        if (thread_below(&own->random, 400) == 0) memmgr_trim();
    }
    worker_close(own);
}

static void test_threads_trim(void) {
    static worker workers[THREADS];
    static mailbox box;
    memmgr_stats before;
    own_reports_start();
    memmgr_stats_get(&before);
    workers_open(workers, 17, &box);
    CHECK(threads_run(trim_work, workers));
    mailbox_close(&box, &workers[0].random);
    memmgr_trim();
    check_live_as(&before);
    CHECK_ALL_SILENT();
}

typedef struct {
    worker workers[THREADS];
    mailbox box;
    atomic_size_t working;
} stats_state;

static void stats_look(size_t most) {
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    if (!SWITCH_ON) return;
    HOLDS(stats.used + stats.free + stats.overhead == stats.capacity);
    HOLDS(stats.used <= stats.capacity && stats.free <= stats.capacity);
    HOLDS(stats.largest_free <= stats.free && stats.fragmentation <= 100);
    HOLDS(stats.live_blocks <= most && stats.frees <= stats.allocations);
    HOLDS(stats.failures == 0 && stats.misuses == 0);
}

static void stats_work(void *ctx, size_t index) {
    stats_state *state = (stats_state *)ctx;
    if (index == 0) {
        while (atomic_load(&state->working) > 0)
            stats_look(THREADS * (WORKER_BLOCKS + 2) + MAILBOX_SLOTS);
        return;
    }
    for (size_t i = 0; i < test_count(12000); i++)
        worker_step(&state->workers[index]);
    worker_close(&state->workers[index]);
    atomic_fetch_sub(&state->working, 1);
}

// In a child, where nothing was counted before.
static void stats_child(void *ctx) {
    static stats_state state;
    (void)ctx;
    workers_open(state.workers, 19, &state.box);
    atomic_init(&state.working, THREADS - 1);
    CHECK(threads_run(stats_work, &state));
    mailbox_close(&state.box, &state.workers[0].random);
    if (SWITCH_ON) stats_look(0);
}

static void test_threads_stats(void) { in_silent_child(stats_child, NULL); }

#endif

static const test_case tests[] = {
#if HAVE_THREADS
    TEST(test_threads_stats), // first: before the parent has made a general call
    TEST(test_threads_first_call),
    TEST(test_threads_key_destructors),
    TEST(test_threads_atexit),
    TEST(test_threads_model),
    TEST(test_threads_freed_by_others),
    TEST(test_threads_that_only_free),
    TEST(test_threads_freed_by_main),
    TEST(test_threads_free_what_main_took),
    TEST(test_threads_generations),
    TEST(test_threads_pipe),
    TEST(test_threads_double_free),
    TEST(test_threads_interior_pointers),
    TEST(test_threads_foreign_pointers),
    TEST(test_threads_handler_allocates),
    TEST(test_threads_race_to_free),
    TEST(test_threads_trim),
#endif
    {NULL, NULL},
};

int main(int argc, char **argv) {
#if HAVE_THREADS
    // Before any general call.
    if (pthread_key_create(&keys[0], key_destructor) != 0) return 1;
#endif
    return test_main(tests, sizeof tests / sizeof *tests - 1, argc, argv);
}
