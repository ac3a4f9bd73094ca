// test_holes.c: the moments at which another thread must not come in between, or must find that it
// did. A thread is stopped at one of the points that memmgr.h names with MMI_PAUSE, the others do
// their worst, and it goes on.
#if !defined(MEMMGR_NO_THREADS) && defined(__unix__) && defined(USE_MEMORY_MGR)
static void hole_pause(const char *point);
#define MMI_PAUSE(point) hole_pause(point)
#endif
#include "workers.h"

#if HAVE_THREADS && SWITCH_ON && defined(__unix__)
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

static void free_one(void *block) { memmgr_free(block); }

static const char *stop_there; // for the next to be stopped

static void free_and_stop(void *block) {
    stop_at = stop_there;
    memmgr_free(block);
}

// Lets a servant free a block and stop at a point of that; returns when it has.
static void stop_freeing(servant *own, const char *point, void *block) {
    stop_there = point;
    servant_begin(own, free_and_stop, block);
    sem_wait(&arrived);
}

static void resume(servant *own) {
    sem_post(&go_on);
    servant_wait(own);
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

static void trim(void *ctx) {
    (void)ctx;
    (void)memmgr_trim();
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
    stop_freeing(&other, "claimed and not told", blocks[5]);
    memmgr_free(blocks[5]);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    resume(&other);
    blocks[5] = NULL;
    free_all(blocks);
    (void)memmgr_trim();
    servant_stop(&other);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
}

// A block that its owner and another thread free at once is handed out once.
static void test_holes_two_free_at_once(void) {
    void *blocks[BLOCKS], *again[BLOCKS];
    servant owner;
    start();
    servant_start(&owner);
    size_t before = live_blocks();
    servant_ask(&owner, take_all, blocks);
    stop_freeing(&owner, "owner has seen LIVE", blocks[5]);
    memmgr_free(blocks[5]);
    memmgr_free(blocks[6]); // so that the slab is told in any case
    resume(&owner);
    servant_ask(&owner, trim, NULL);
    servant_ask(&owner, take_all, again);
    CHECK(all_differ(again));
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    blocks[5] = blocks[6] = NULL;
    servant_ask(&owner, free_all, blocks);
    servant_ask(&owner, free_all, again);
    CHECK_EQUAL(live_blocks(), before);
    servant_stop(&owner);
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
    servant_ask(&owner, take_all, blocks);
    last = blocks[BLOCKS / 2];
    stop_freeing(&other, "claimed and not told", last);
    memmgr_free(blocks[BLOCKS / 2 + 1]); // of the same slab, or the next: tells
    memmgr_free(blocks[BLOCKS / 2 - 1]);
    blocks[BLOCKS / 2 - 1] = blocks[BLOCKS / 2] = blocks[BLOCKS / 2 + 1] = NULL;
    servant_ask(&owner, free_all, blocks);
    servant_ask(&owner, trim, NULL);
    void **chain = NULL;
    do { // until the unit is in use again
        block = memmgr_malloc(500);
        REQUIRE(block != NULL);
        *(void **)block = chain;
        chain = (void **)block;
    } while ((uintptr_t)block / UNIT != (uintptr_t)last / UNIT);
    resume(&other);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    servant_ask(&owner, trim, NULL);
    block = chain;
    chain = (void **)*chain;
    servant_ask(&other, free_one, block);
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
    servant_stop(&owner);
    servant_stop(&other);
}

// A slab changes hands while its old owner is about to be told. The word reaches the new one.
static void test_holes_told_to_the_old_owner(void) {
    void *blocks[BLOCKS], *mine[BLOCKS], *again[BLOCKS];
    servant owner, other;
    start();
    servant_start(&owner);
    servant_start(&other);
    servant_ask(&owner, take_all, blocks);
    servant_ask(&owner, free_one, blocks[BLOCKS / 2]); // so that the slab has something to give
    stop_freeing(&other, "about to tell the owner", blocks[BLOCKS / 2 + 1]);
    void *first = blocks[BLOCKS / 2 + 1];
    servant_stop(&owner); // parked
    take_all(mine);
    CHECK(has(mine, blocks[BLOCKS / 2]));
    resume(&other);
    servant_ask(&other, free_one, blocks[BLOCKS / 2]);
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
    servant_stop(&other);
}

// --- A free that comes too late ---

// Blocks of one size. Each names its place here: so it shows when one is handed out twice.
enum { HELD_MAX = 3 * 4096 };

typedef struct {
    size_t size, count;
    void *blocks[HELD_MAX];
    uintptr_t last; // hold_until: the address of the last one
} holding;

static void hold_one(holding *own) {
    void **block = (void **)memmgr_malloc(own->size);
    if (!CHECK(block != NULL)) return;
    *block = &own->blocks[own->count];
    own->blocks[own->count++] = block;
}

// Some slabs.
static void hold(void *ctx) {
    holding *own = (holding *)ctx;
    while (own->count < 3 * UNIT / own->size)
        hold_one(own);
}

static void hold_until(void *ctx) {
    holding *own = (holding *)ctx;
    while (own->count < HELD_MAX) {
        hold_one(own);
        if ((uintptr_t)own->blocks[own->count - 1] == own->last) return;
    }
    FAIL("the unit is not used again");
}

static void drop_from(holding *own, size_t first, size_t step) {
    for (size_t i = first; i < own->count; i += step) {
        void **block = (void **)own->blocks[i];
        if (!block) continue;
        CHECK(*block == &own->blocks[i]);
        memmgr_free(block);
        own->blocks[i] = NULL;
    }
}

static void drop(void *ctx) {
    drop_from((holding *)ctx, 0, 1);
    ((holding *)ctx)->count = 0;
}

static void drop_half(void *ctx) { drop_from((holding *)ctx, 1, 2); }

// A block, and what its unit is cut into before it is freed once more. That size's blocks are
// handed out up to the one at `last`, which lies before the block's own place: so the pointer is
// idle.
typedef struct {
    size_t size, offset, anew, last;
} late_case;

static const late_case late_cases[] = {
    {16, 64000, 32768, 0},      // far more states than the new size has: those of which unit?
    {3072, 30720, 640, 6400},   // the 10th state is a LIVE block's again, of another size
    {3072, 30720, 12288, 0},    // or of none
    {3072, 30720, 3072, 15360}, // the same size, and the block has not been handed out
};

static holding held_old, held_anew, held_others, held_again;

static void hold_at_first(const late_case *one) {
    held_old.size = held_others.size = held_again.size = one->size;
    held_anew.size = one->anew;
}

// Takes the block out of its list.
static void *late_block(const late_case *one) {
    for (size_t i = 0; i < held_old.count; i++) {
        void *block = held_old.blocks[i];
        if ((uintptr_t)block % UNIT != one->offset) continue;
        held_old.blocks[i] = NULL;
        return block;
    }
    return NULL;
}

// All that was handed out since is as it was, and stays its holder's.
static void check_the_others(servant *owner, servant *late, size_t live) {
    CHECK_EQUAL(live_blocks(), live);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    servant_ask(late, drop_half, &held_others); // so that what became REMOTE would be found
    servant_ask(owner, hold, &held_again);
    servant_ask(owner, drop, &held_others);
    servant_ask(owner, drop, &held_again);
    servant_ask(owner, drop, &held_anew);
    servant_ask(owner, trim, NULL);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
}

// The owner's own free is the first, sooner than the late one or while that is stopped.
static void late_free(const late_case *one, const char *point, bool sooner) {
    servant owner, late;
    start();
    servant_start(&owner);
    servant_start(&late);
    size_t before = live_blocks();
    hold_at_first(one);
    servant_ask(&owner, hold, &held_old);
    void *block = late_block(one);
    REQUIRE(block != NULL);
    held_anew.last = (uintptr_t)block / UNIT * UNIT + one->last;
    if (sooner) servant_ask(&owner, free_one, block);
    stop_freeing(&late, point, block);
    if (!sooner) servant_ask(&owner, free_one, block);
    servant_ask(&owner, drop, &held_old);
    servant_ask(&owner, trim, NULL);
    servant_ask(&owner, hold_until, &held_anew);
    if (one->anew != one->size) servant_ask(&owner, hold, &held_others);
    size_t live = live_blocks();
    CHECK_SILENT();
    resume(&late);
    CHECK(reports.last.pointer == block);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    check_the_others(&owner, &late, live);
    CHECK_EQUAL(live_blocks(), before);
    servant_stop(&owner);
    servant_stop(&late);
}

static void late_free_each(const char *point) {
    for (size_t i = 0; i < sizeof late_cases / sizeof *late_cases; i++) {
        late_free(&late_cases[i], point, true);
        late_free(&late_cases[i], point, false);
    }
}

// A thread that frees a block once more has seen of what size its slab is, and then it is not.
static void test_holes_unit_cut_anew_when_size_is_seen(void) {
    late_free_each("size of another's slab seen");
}

// The same when it knows the block's state, too.
static void test_holes_unit_cut_anew_before_the_claim(void) { late_free_each("about to claim"); }

// A thread that waits for a lock sees that it is free, and another is faster: it waits on.
static mmi_lock contended;
static bool was_inside;

static void wait_and_pass_through(void *ctx) {
    stop_at = (const char *)ctx;
    mmi_lock_wait(&contended);
    was_inside = true;
    mmi_lock_release(&contended);
}

static void test_holes_lock_taken_by_a_third(void) {
    char point[] = "lock is free";
    servant waiting;
    start();
    servant_start(&waiting);
    was_inside = false;
    servant_begin(&waiting, wait_and_pass_through, point);
    sem_wait(&arrived);
    mmi_lock_acquire(&contended);
    sem_post(&go_on);
    for (int i = 0; i < 200; i++)
        sched_yield();
    CHECK(!was_inside);
    mmi_lock_release(&contended);
    servant_wait(&waiting);
    CHECK(was_inside);
    servant_stop(&waiting);
}

static const test_case tests[] = {
    TEST(test_holes_owner_sees_a_claim),
    TEST(test_holes_two_free_at_once),
    TEST(test_holes_slab_reused_before_it_is_told),
    TEST(test_holes_told_to_the_old_owner),
    TEST(test_holes_unit_cut_anew_when_size_is_seen),
    TEST(test_holes_unit_cut_anew_before_the_claim),
    TEST(test_holes_lock_taken_by_a_third),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
#else
int main(void) { return 0; }
#endif
