// test_holes.c: the moments at which another thread must not come in between, or must find that it
// did. A thread is stopped at one of the points that memmgr.h names with MMI_PAUSE, the others do
// their worst, and it goes on.
#if !defined(MEMMGR_NO_THREADS) && defined(__unix__) && defined(USE_MEMORY_MGR)
static void hole_pause(const char *point);
#define MMI_PAUSE(point) hole_pause(point)
#endif
#include "support.h"
#include "threads.h"

#if HAVE_THREADS && SWITCH_ON
#include <semaphore.h>
#include <string.h>

enum { SIZE = 3000, BLOCKS = 200 }; // some slabs of 21 blocks
#define UNIT ((uintptr_t)65536)

static _Thread_local const char *stop_at;
static sem_t arrived, go_on;

static void hole_pause(const char *point) {
    if (!stop_at || strcmp(stop_at, point) != 0) return;
    stop_at = NULL;
    sem_post(&arrived);
    sem_wait(&go_on);
}

// A thread that does one thing after another, so that it can be an owner who waits.
typedef struct {
    pthread_t thread;
    sem_t asked, done;
    void (*work)(void *ctx);
    void *ctx;
} servant;

static void *servant_run(void *ctx) {
    servant *own = (servant *)ctx;
    for (;;) {
        sem_wait(&own->asked);
        if (!own->work) return NULL;
        own->work(own->ctx);
        sem_post(&own->done);
    }
}

static void servant_start(servant *own) {
    sem_init(&own->asked, 0, 0);
    sem_init(&own->done, 0, 0);
    REQUIRE(pthread_create(&own->thread, NULL, servant_run, own) == 0);
}

static void servant_ask(servant *own, void (*work)(void *ctx), void *ctx) {
    own->work = work;
    own->ctx = ctx;
    sem_post(&own->asked);
}

static void servant_do(servant *own, void (*work)(void *ctx), void *ctx) {
    servant_ask(own, work, ctx);
    sem_wait(&own->done);
}

static void servant_end(servant *own) {
    servant_ask(own, NULL, NULL);
    pthread_join(own->thread, NULL);
}

// Asks for something that stops at a point, and returns when it has.
static void servant_stop(servant *own, void (*work)(void *ctx), void *ctx) {
    servant_ask(own, work, ctx);
    sem_wait(&arrived);
}

static void servant_resume(servant *own) {
    sem_post(&go_on);
    sem_wait(&own->done);
}

// --- What servants do ---

static void take_all(void *ctx) {
    void **blocks = (void **)ctx;
    for (size_t i = 0; i < BLOCKS; i++)
        CHECK((blocks[i] = memmgr_malloc(SIZE)) != NULL);
}

static void free_all(void *ctx) {
    void **blocks = (void **)ctx;
    for (size_t i = 0; i < BLOCKS; i++)
        memmgr_free(blocks[i]);
}

static void free_one(void *block) { memmgr_free(block); }
static void trim(void *ctx) {
    (void)ctx;
    (void)memmgr_trim();
}

static void free_one_stopping_when_seen(void *block) {
    stop_at = "owner has seen LIVE";
    memmgr_free(block);
}

static void free_one_stopping_when_claimed(void *block) {
    stop_at = "claimed and not told";
    memmgr_free(block);
}

static void free_one_stopping_before_telling(void *block) {
    stop_at = "about to tell the owner";
    memmgr_free(block);
}

static bool all_differ(void **blocks) {
    for (size_t i = 0; i < BLOCKS; i++)
        for (size_t j = 0; j < i; j++)
            if (blocks[i] == blocks[j]) return false;
    return true;
}

static bool has(void **blocks, const void *block) {
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i] == block) return true;
    return false;
}

static size_t live_blocks(void) {
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    return stats.live_blocks;
}

static void start(void) {
    reports_start();
    sem_init(&arrived, 0, 0);
    sem_init(&go_on, 0, 0);
}

// --- The holes ---

// The owner's own free sees that another thread has freed the block and nobody has told it yet.
static void test_holes_owner_sees_a_claim(void) {
    void *blocks[BLOCKS];
    servant other;
    start();
    servant_start(&other);
    take_all(blocks);
    servant_stop(&other, free_one_stopping_when_claimed, blocks[5]);
    memmgr_free(blocks[5]);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    servant_resume(&other);
    blocks[5] = NULL;
    free_all(blocks);
    (void)memmgr_trim();
    servant_end(&other);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
}

// A block that its owner and another thread free at once is handed out once.
static void test_holes_two_free_at_once(void) {
    void *blocks[BLOCKS], *again[BLOCKS];
    servant owner;
    start();
    servant_start(&owner);
    size_t before = live_blocks();
    servant_do(&owner, take_all, blocks);
    servant_stop(&owner, free_one_stopping_when_seen, blocks[5]);
    memmgr_free(blocks[5]);
    memmgr_free(blocks[6]); // so that the slab is told in any case
    servant_resume(&owner);
    servant_do(&owner, trim, NULL);
    servant_do(&owner, take_all, again);
    CHECK(all_differ(again));
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    blocks[5] = blocks[6] = NULL;
    servant_do(&owner, free_all, blocks);
    servant_do(&owner, free_all, again);
    CHECK_EQUAL(live_blocks(), before);
    servant_end(&owner);
}

// While one thread has claimed a block and not told, the slab is emptied, given back, and becomes
// another size's: that it is told then does no harm, and nothing is told in vain later.
static void test_holes_slab_reused_before_it_is_told(void) {
    void *blocks[BLOCKS], *last, *block;
    servant owner, other;
    start();
    servant_start(&owner);
    servant_start(&other);
    size_t before = live_blocks();
    servant_do(&owner, take_all, blocks);
    last = blocks[BLOCKS / 2];
    servant_stop(&other, free_one_stopping_when_claimed, last);
    memmgr_free(blocks[BLOCKS / 2 + 1]); // of the same slab, or the next: tells
    memmgr_free(blocks[BLOCKS / 2 - 1]);
    blocks[BLOCKS / 2 - 1] = blocks[BLOCKS / 2] = blocks[BLOCKS / 2 + 1] = NULL;
    servant_do(&owner, free_all, blocks);
    servant_do(&owner, trim, NULL);
    void **chain = NULL;
    do { // until the unit is in use again
        block = memmgr_malloc(500);
        REQUIRE(block != NULL);
        *(void **)block = chain;
        chain = (void **)block;
    } while ((uintptr_t)block / UNIT != (uintptr_t)last / UNIT);
    servant_resume(&other);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    servant_do(&owner, trim, NULL);
    block = chain;
    chain = (void **)*chain;
    servant_do(&other, free_one, block);
    (void)memmgr_trim();
    while (chain) {
        void **next = (void **)*chain;
        memmgr_free(chain);
        chain = next;
    }
    (void)memmgr_trim();
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_EQUAL(live_blocks(), before);
    CHECK_SILENT();
    servant_end(&owner);
    servant_end(&other);
}

// A slab changes hands while its old owner is about to be told. The word reaches the new one.
static void test_holes_told_to_the_old_owner(void) {
    void *blocks[BLOCKS], *mine[BLOCKS], *again[BLOCKS];
    servant owner, other;
    start();
    servant_start(&owner);
    servant_start(&other);
    servant_do(&owner, take_all, blocks);
    servant_do(&owner, free_one, blocks[BLOCKS / 2]); // so that the slab has something to give
    servant_stop(&other, free_one_stopping_before_telling, blocks[BLOCKS / 2 + 1]);
    void *first = blocks[BLOCKS / 2 + 1];
    servant_end(&owner); // parked
    take_all(mine);
    CHECK(has(mine, blocks[BLOCKS / 2]));
    servant_resume(&other);
    servant_do(&other, free_one, blocks[BLOCKS / 2]);
    void *second = blocks[BLOCKS / 2];
    for (size_t i = 0; i < BLOCKS; i++)
        if (mine[i] == second) mine[i] = NULL;
    (void)memmgr_trim(); // passes the word on,
    (void)memmgr_trim(); // and hears it
    take_all(again);
    CHECK(has(again, first) && has(again, second) && all_differ(again));
    blocks[BLOCKS / 2] = blocks[BLOCKS / 2 + 1] = NULL;
    free_all(blocks);
    free_all(mine);
    free_all(again);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
    servant_end(&other);
}

static const test_case tests[] = {
    TEST(test_holes_owner_sees_a_claim),
    TEST(test_holes_two_free_at_once),
    TEST(test_holes_slab_reused_before_it_is_told),
    TEST(test_holes_told_to_the_old_owner),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
#else
int main(void) { return 0; }
#endif
