// workers.h: what the tests of several threads share: checks, reports and random numbers of a
// thread's own, barriers, blocks that can be recognised, a mailbox through which they change hands,
// a worker that does everything at random, and servants that do one thing when asked.
#ifndef WORKERS_H
#define WORKERS_H

#include "support.h"
#include "threads.h"

#if HAVE_THREADS

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZED_THREADS 1
#elif __has_feature(address_sanitizer)
#define SANITIZED_ADDRESSES 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(SANITIZED_THREADS)
enum { SANITIZED = 1, UNDER_TSAN = 1 };
#elif defined(__SANITIZE_ADDRESS__) || defined(SANITIZED_ADDRESSES)
enum { SANITIZED = 1, UNDER_TSAN = 0 };
#else
enum { SANITIZED = 0, UNDER_TSAN = 0 };
#endif

// --- Checks and reports --------------------------------------------------------------------------

static pthread_mutex_t workers_lock = PTHREAD_MUTEX_INITIALIZER;

static inline bool workers_check(bool holds, const char *what, const char *file, int line) {
    if (holds) return true;
    pthread_mutex_lock(&workers_lock);
    test_fail(what, file, line);
    pthread_mutex_unlock(&workers_lock);
    return false;
}

// As CHECK, from any thread.
#define HOLDS(condition) workers_check((condition) ? true : false, #condition, __FILE__, __LINE__)

// A handler runs in the thread that made the call: so each thread sees its own reports, in order.
static _Thread_local report_log own_reports;
static atomic_ulong all_reports;

static inline void own_reports_record(const memmgr_report *report, void *ctx) {
    (void)ctx;
    atomic_fetch_add(&all_reports, 1);
    reports_record(report, &own_reports);
}

// Before the threads start.
static inline void own_reports_start(void) {
    atomic_store(&all_reports, 0);
    memset(&own_reports, 0, sizeof own_reports);
    memmgr_set_error_handler(own_reports_record, NULL);
}

// Has this thread had exactly one report since the last question, with this error and pointer?
static inline bool own_report_was(memmgr_error error, const void *pointer) {
    const memmgr_report *last = &own_reports.last;
    bool as_expected = own_reports.count == 1 && last->error == error && last->pointer == pointer &&
                       last->pool == NULL;
    if (!as_expected) {
        pthread_mutex_lock(&workers_lock);
        printf("    %lu reports, the last %s of %p; expected one %s of %p\n",
               (unsigned long)own_reports.count,
               own_reports.count ? memmgr_error_name(last->error) : "none", last->pointer,
               memmgr_error_name(error), pointer);
        pthread_mutex_unlock(&workers_lock);
    }
    own_reports.count = 0;
    return as_expected;
}

#define CHECK_ALL_SILENT() CHECK_EQUAL(atomic_load(&all_reports), 0)

// Compilers know that malloc sets nothing that they can see, and errno is a thing that they see.
static inline int errno_now(void) { return *(volatile int *)&errno; }

// --- Barriers ------------------------------------------------------------------------------------

// Not every system has those of pthreads.
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t passed;
    size_t parties, waiting, round;
} barrier;

static inline void barrier_open(barrier *b, size_t parties) {
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->passed, NULL);
    b->parties = parties;
    b->waiting = b->round = 0;
}

static inline void barrier_close(barrier *b) {
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->passed);
}

static inline void barrier_wait(barrier *b) {
    pthread_mutex_lock(&b->lock);
    size_t round = b->round;
    if (++b->waiting == b->parties) {
        b->waiting = 0;
        b->round++;
        pthread_cond_broadcast(&b->passed);
    }
    while (round == b->round)
        pthread_cond_wait(&b->passed, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

// Releases its threads within some nanoseconds of each other, for races.
typedef struct {
    atomic_size_t arrived;
    size_t parties;
} starting_line;

static inline void starting_line_wait(starting_line *line) {
    size_t place = atomic_fetch_add(&line->arrived, 1);
    size_t full = (place / line->parties + 1) * line->parties;
    for (unsigned spins = 0; atomic_load(&line->arrived) < full; spins++) {
        if (spins % 1024 == 1023) sched_yield();
    }
}

// --- Blocks --------------------------------------------------------------------------------------

typedef struct {
    unsigned char *at; // NULL: no block
    size_t size;       // as asked for
    uint64_t tag;
} owned;

// Of a large block the beginning, the end and a part of every page bear the pattern: to fill and to
// verify every byte would be all that the tests do.
enum { STAMP_WHOLE = 16384, STAMP_PAGE = 4096, STAMP_PART = 64 };

static inline bool stamp_part(const owned *block, size_t from, size_t to, bool write) {
    if (from >= to) return true;
    if (write) pattern_fill(block->at + from, to - from, block->tag + from);
    return write || pattern_holds(block->at + from, to - from, block->tag + from);
}

// Writes the pattern, or says whether it holds in the first `limit` bytes.
static inline bool stamp(const owned *block, size_t limit, bool write) {
    size_t end = limit < block->size ? limit : block->size, at = STAMP_PAGE;
    if (block->size <= STAMP_WHOLE) return stamp_part(block, 0, end, write);
    bool holds = stamp_part(block, 0, end < STAMP_PAGE ? end : STAMP_PAGE, write);
    for (; at + 2 * STAMP_PART <= end; at += STAMP_PAGE)
        holds &= stamp_part(block, at, at + STAMP_PART, write);
    if (end == block->size) holds &= stamp_part(block, end - STAMP_PART, end, write);
    return holds;
}

static inline void owned_stamp(owned *block, uint64_t *random) {
    block->tag = thread_below(random, SIZE_MAX);
    (void)stamp(block, block->size, true);
}

static inline bool owned_holds(const owned *block) { return stamp(block, block->size, false); }

// 0 to 64 KiB, every doubling as likely as any other, and now and then up to `largest`.
static inline size_t any_size(uint64_t *random, size_t largest) {
    if (thread_below(random, 300) == 0 && largest > 65536)
        return 65536 + thread_below(random, largest - 65536);
    size_t size = thread_below(random, (size_t)1 << thread_below(random, 17));
    return size > largest ? largest : size;
}

// By one of the calls that give a block.
static inline owned owned_new(uint64_t *random, size_t size) {
    owned block = {NULL, size, 0};
    size_t alignment = 16;
    switch (thread_below(random, 8)) {
    case 0:
        block.at = (unsigned char *)memmgr_calloc(1, size);
        HOLDS(!block.at || bytes_are(block.at, size < STAMP_PAGE ? size : STAMP_PAGE, 0));
        break;
    case 1:
        alignment = (size_t)1 << thread_below(random, 13);
        block.at = (unsigned char *)memmgr_aligned_alloc(alignment, size);
        break;
    case 2:
        block.at = (unsigned char *)memmgr_realloc(NULL, size);
        break;
    default:
        block.at = (unsigned char *)memmgr_malloc(size);
    }
    if (!HOLDS(block.at != NULL)) return block;
    if (SWITCH_ON || alignment > 16) HOLDS(is_aligned(block.at, alignment));
    owned_stamp(&block, random);
    return block;
}

// Its pattern must hold.
static inline void owned_free(owned *block, uint64_t *random) {
    if (!block->at) return;
    HOLDS(owned_holds(block));
    if (thread_below(random, 2) == 0)
        memmgr_free_sized(block->at, block->size);
    else
        memmgr_free(block->at);
    block->at = NULL;
}

static inline void owned_resize(owned *block, uint64_t *random, size_t size) {
    size_t same = size < block->size ? size : block->size;
    HOLDS(owned_holds(block));
    unsigned char *moved = (unsigned char *)memmgr_realloc(block->at, size);
    if (!HOLDS(moved != NULL)) return;
    block->at = moved;
    HOLDS(stamp(block, same, false));
    block->size = size;
    owned_stamp(block, random);
}

// --- A mailbox -----------------------------------------------------------------------------------

enum { MAILBOX_SLOTS = 64 };

typedef struct {
    pthread_mutex_t lock[MAILBOX_SLOTS]; // one for each, so that few threads wait
    owned block[MAILBOX_SLOTS];
} mailbox;

static inline void mailbox_open(mailbox *box) {
    memset(box->block, 0, sizeof box->block);
    for (size_t i = 0; i < MAILBOX_SLOTS; i++)
        pthread_mutex_init(&box->lock[i], NULL);
}

static inline owned mailbox_exchange(mailbox *box, size_t slot, owned block) {
    pthread_mutex_lock(&box->lock[slot]);
    owned found = box->block[slot];
    box->block[slot] = block;
    pthread_mutex_unlock(&box->lock[slot]);
    return found;
}

static inline void mailbox_close(mailbox *box, uint64_t *random) {
    for (size_t i = 0; i < MAILBOX_SLOTS; i++) {
        owned_free(&box->block[i], random);
        pthread_mutex_destroy(&box->lock[i]);
    }
}

// --- A worker ------------------------------------------------------------------------------------

enum { WORKER_BLOCKS = 200 };

// Does everything at random, and knows all blocks that are its own.
typedef struct {
    uint64_t random;
    size_t largest; // bytes of a block
    mailbox *box;   // NULL: nothing changes hands
    bool filling;   // more is taken than freed
    owned block[WORKER_BLOCKS];
} worker;

static inline void worker_open(worker *w, uint64_t seed, mailbox *box) {
    memset(w, 0, sizeof *w);
    w->random = seed;
    w->largest = SANITIZED ? 400000 : 3 << 20;
    w->box = box;
}

static inline void worker_use(worker *w, owned *block, size_t roll) {
    if (roll < (w->filling ? 20u : 60u)) {
        owned_free(block, &w->random);
    } else if (roll < 75) {
        // Not 0, which frees with some C libraries.
        owned_resize(block, &w->random, any_size(&w->random, w->largest) + 1);
    } else if (roll < 85) {
        HOLDS(memmgr_usable_size(block->at) >= block->size);
    } else if (w->box) {
        *block = mailbox_exchange(w->box, thread_below(&w->random, MAILBOX_SLOTS), *block);
    }
}

static inline void worker_step(worker *w) {
    owned *block = &w->block[thread_below(&w->random, WORKER_BLOCKS)];
    size_t roll = thread_below(&w->random, 100);
    if (thread_below(&w->random, 1000) == 0) w->filling = !w->filling;
    if (block->at)
        worker_use(w, block, roll);
    else if (w->box && roll < 10)
        *block = mailbox_exchange(w->box, thread_below(&w->random, MAILBOX_SLOTS), *block);
    else if (roll < (w->filling ? 90u : 50u))
        *block = owned_new(&w->random, any_size(&w->random, w->largest));
}

static inline void worker_close(worker *w) {
    for (size_t i = 0; i < WORKER_BLOCKS; i++)
        owned_free(&w->block[i], &w->random);
}

// --- Servants ------------------------------------------------------------------------------------

typedef void (*job)(void *ctx);

typedef struct {
    job work;
    void *ctx;
} errand;

static inline void *errand_run(void *ctx) {
    errand *one = (errand *)ctx;
    one->work(one->ctx);
    return NULL;
}

enum { CHILD_SECONDS = 120 }; // until a child that is stuck is ended

// Done by a child process. Whether it ended well.
static inline bool in_child(job work, void *ctx) {
    int status = 1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        own_reports_start();
        work(ctx);
        fflush(stdout);
        _exit(test_failures == 0 ? 0 : 1);
    }
    return CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static inline void errand_run_silently(void *ctx) {
    errand *one = (errand *)ctx;
    one->work(one->ctx);
    CHECK_ALL_SILENT();
}

// The same, and nothing is reported there.
static inline bool in_silent_child(job work, void *ctx) {
    errand one = {work, ctx};
    return in_child(errand_run_silently, &one);
}

// Done by a thread that does nothing else, and has ended when this returns.
static inline void in_new_thread(job work, void *ctx) {
    errand one = {work, ctx};
    pthread_t thread;
    if (!CHECK(pthread_create(&thread, NULL, errand_run, &one) == 0)) return;
    pthread_join(thread, NULL);
}

// A thread that lives on and does what it is asked, at best while the one who asks waits: so that
// tests can say which thread does what, and in what order.
typedef struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    job work; // NULL: nothing to do
    void *ctx;
    bool stop;
} servant;

static inline void *servant_run(void *ctx) {
    servant *own = (servant *)ctx;
    pthread_mutex_lock(&own->lock);
    while (!own->stop) {
        if (own->work) {
            own->work(own->ctx);
            own->work = NULL;
            pthread_cond_broadcast(&own->changed);
        }
        if (!own->stop) pthread_cond_wait(&own->changed, &own->lock);
    }
    pthread_mutex_unlock(&own->lock);
    return NULL;
}

static inline bool servant_start(servant *s) {
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    return CHECK(pthread_create(&s->thread, NULL, servant_run, s) == 0);
}

static inline void servant_begin(servant *s, job work, void *ctx) {
    pthread_mutex_lock(&s->lock);
    s->work = work;
    s->ctx = ctx;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static inline void servant_wait(servant *s) {
    pthread_mutex_lock(&s->lock);
    while (s->work)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static inline void servant_ask(servant *s, job work, void *ctx) {
    servant_begin(s, work, ctx);
    servant_wait(s);
}

static inline void servant_stop(servant *s) {
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

// --- Statistics ----------------------------------------------------------------------------------

// Nothing is live that was not before; asked while no other thread works.
static inline void check_live_as(const memmgr_stats *before) {
    memmgr_stats after;
    memmgr_stats_get(&after);
    if (!SWITCH_ON) return;
    CHECK_EQUAL(after.live_blocks, before->live_blocks);
    CHECK_EQUAL(after.used, before->used);
    CHECK_EQUAL(after.allocations - after.frees, after.live_blocks);
}

#endif
#endif
