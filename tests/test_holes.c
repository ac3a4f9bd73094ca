// test_holes.c: the moments at which another thread must not come in between, or must find that it
// did. A thread is stopped at one of the points that memmgr.h names with MMI_PAUSE, the others do
// their worst, and it goes on.
#if !defined(MEMMGR_NO_THREADS) && defined(__unix__) && defined(USE_MEMORY_MGR)
static void hole_pause(const char *point);
#define MMI_PAUSE(point) hole_pause(point)
#endif
#include "workers.h"

#if HAVE_THREADS && SWITCH_ON && defined(__unix__)
#include <poll.h>
#include <semaphore.h>
#include <string.h>

enum { SIZE = 3000, BLOCKS = 200 }; // some slabs of 21 blocks
#define UNIT ((uintptr_t)65536)

// A thread stops at a point, when it has passed it some times, and may then at another.
static _Thread_local const char *stop_at, *stop_then;
static _Thread_local size_t stop_passes;
static sem_t arrived, go_on;

static void hole_pause(const char *point) {
    if (!stop_at || strcmp(stop_at, point) != 0 || stop_passes-- > 0) return;
    stop_at = stop_then;
    stop_then = NULL;
    stop_passes = 0;
    sem_post(&arrived);
    sem_wait(&go_on);
}

static void free_one(void *block) { memmgr_free(block); }

static const char *stop_there, *stop_there_then; // for the next to be stopped
static size_t passes_there;

static void prepare_to_stop(void) {
    stop_at = stop_there;
    stop_then = stop_there_then;
    stop_passes = passes_there;
}

static void free_and_stop(void *block) {
    prepare_to_stop();
    memmgr_free(block);
    stop_at = NULL;
}

// Lets a servant do something and stop at a point of that, when it has passed it some times;
// returns when it has. It may stop at another then.
static void stop_doing(servant *own, job work, void *ctx, const char *point, size_t passes,
                       const char *then) {
    stop_there = point;
    stop_there_then = then;
    passes_there = passes;
    servant_begin(own, work, ctx);
    sem_wait(&arrived);
}

static void stop_freeing(servant *own, const char *point, void *block) {
    stop_doing(own, free_and_stop, block, point, 0, NULL);
}

static void resume_to_next_stop(void) {
    sem_post(&go_on);
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

// Two threads see at once that nobody has told of a slab: one does.
static void test_holes_two_want_to_tell(void) {
    void *blocks[BLOCKS];
    servant owner, other;
    start();
    servant_start(&owner);
    servant_start(&other);
    size_t before = live_blocks();
    servant_ask(&owner, take_all, blocks);
    stop_freeing(&other, "seen that nobody has told", blocks[5]);
    memmgr_free(blocks[4]);
    memmgr_free(blocks[6]);
    resume(&other);
    servant_ask(&owner, trim, NULL);
    CHECK_EQUAL(live_blocks(), before + BLOCKS - 3);
    blocks[4] = blocks[5] = blocks[6] = NULL;
    servant_ask(&owner, free_all, blocks);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_EQUAL(live_blocks(), before);
    CHECK_SILENT();
    servant_stop(&owner);
    servant_stop(&other);
}

// Two slabs of an owner's are told of at once: both words arrive.
static void test_holes_two_tell_of_two_slabs(void) {
    void *blocks[BLOCKS], *again[BLOCKS];
    servant owner, other;
    start();
    servant_start(&owner);
    servant_start(&other);
    servant_ask(&owner, take_all, blocks);
    stop_freeing(&other, "about to tell the owner", blocks[5]);
    memmgr_free(blocks[BLOCKS - 30]);
    resume(&other);
    void *first = blocks[5], *second = blocks[BLOCKS - 30];
    CHECK((uintptr_t)first / UNIT != (uintptr_t)second / UNIT);
    servant_ask(&owner, trim, NULL);
    servant_ask(&owner, take_all, again);
    CHECK(has(again, first) && has(again, second) && all_differ(again));
    blocks[5] = blocks[BLOCKS - 30] = NULL;
    servant_ask(&owner, free_all, blocks);
    servant_ask(&owner, free_all, again);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
    servant_stop(&owner);
    servant_stop(&other);
}

// A block in the middle, freed by another thread that stops before it tells; the owner is told by
// someone else, and frees all the rest: the unit is idle.
static void *idle_before_it_is_told(servant *owner, servant *other, void **blocks,
                                    const char *then) {
    servant_ask(owner, take_all, blocks);
    void *last = blocks[BLOCKS / 2];
    stop_doing(other, free_and_stop, last, "claimed and not told", 0, then);
    memmgr_free(blocks[BLOCKS / 2 + 1]);
    memmgr_free(blocks[BLOCKS / 2 - 1]);
    blocks[BLOCKS / 2 - 1] = blocks[BLOCKS / 2] = blocks[BLOCKS / 2 + 1] = NULL;
    return last;
}

static bool is_idle(const void *block) {
    return mmi_heap_owner(mmi_arena_find((uintptr_t)block)) == NULL;
}

static void free_chain(void **chain) {
    while (chain) {
        void **next = (void **)*chain;
        memmgr_free(chain);
        chain = next;
    }
}

// Blocks of another size, until one lies in the unit of a block.
static void **use_unit_of(const void *block) {
    void **chain = NULL, **next;
    do {
        next = (void **)memmgr_malloc(500);
        if (!CHECK(next != NULL)) break;
        *next = chain;
        chain = next;
    } while ((uintptr_t)chain / UNIT != (uintptr_t)block / UNIT);
    return chain;
}

// It has no owner then to be told, or gets one at that moment, who is told in vain.
static void nobody_to_tell(bool reused) {
    void *blocks[BLOCKS];
    servant owner, other;
    start();
    servant_start(&owner);
    servant_start(&other);
    size_t before = live_blocks();
    void *last = idle_before_it_is_told(&owner, &other, blocks, reused ? "nobody to tell" : NULL);
    servant_ask(&owner, free_all, blocks);
    servant_ask(&owner, trim, NULL);
    CHECK(is_idle(last));
    void **chain = NULL;
    if (reused) {
        resume_to_next_stop();
        chain = use_unit_of(last);
    }
    resume(&other);
    if (!reused) chain = use_unit_of(last);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    void **told = chain; // who frees a block of it now is heard
    chain = (void **)*chain;
    servant_ask(&other, free_one, told);
    (void)memmgr_trim();
    CHECK_EQUAL(mmi_atomic_byte(&mmi_arena_find((uintptr_t)told)->told), 0);
    free_chain(chain);
    (void)memmgr_trim();
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_EQUAL(live_blocks(), before);
    CHECK_SILENT();
    servant_stop(&owner);
    servant_stop(&other);
}

static void test_holes_nobody_to_tell(void) { nobody_to_tell(false); }
static void test_holes_new_owner_told_in_vain(void) { nobody_to_tell(true); }

// The owner is told of a slab in which nothing is to be found, or which it has given back.
static void told_in_vain(bool given_back) {
    void *blocks[BLOCKS];
    servant owner, other;
    start();
    servant_start(&owner);
    servant_start(&other);
    size_t before = live_blocks();
    void *last = idle_before_it_is_told(&owner, &other, blocks, "about to tell the owner");
    servant_ask(&owner, trim, NULL);
    resume_to_next_stop();
    if (given_back) servant_ask(&owner, free_all, blocks);
    servant_ask(&owner, trim, NULL);
    CHECK(is_idle(last) == given_back);
    resume(&other);
    servant_ask(&owner, trim, NULL);
    CHECK_EQUAL(mmi_atomic_byte(&mmi_arena_find((uintptr_t)last)->told), 0);
    if (!given_back) servant_ask(&owner, free_all, blocks);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_EQUAL(live_blocks(), before);
    CHECK_SILENT();
    servant_stop(&owner);
    servant_stop(&other);
}

static void test_holes_told_of_nothing(void) { told_in_vain(false); }
static void test_holes_told_of_a_slab_given_back(void) { told_in_vain(true); }

// While a thread has found no idle unit, another frees a block of its: that is used, and no fresh
// unit.
static void take_until_stopped(void *ctx) {
    void ***last = (void ***)ctx;
    prepare_to_stop();
    do {
        void **block = (void **)memmgr_malloc(SIZE);
        if (!HOLDS(block != NULL)) return;
        *block = *last;
        *last = block;
    } while (stop_at);
}

static void test_holes_freed_while_looking(void) {
    void *blocks[BLOCKS], **mine = NULL, **idle = NULL;
    servant owner;
    start();
    servant_start(&owner);
    size_t before = live_blocks();
    servant_ask(&owner, take_all, blocks);
    while (mmi_arena_has_idle()) {
        void **block = (void **)memmgr_malloc(32768);
        REQUIRE(block != NULL);
        *block = idle;
        idle = block;
    }
    stop_doing(&owner, take_until_stopped, &mine, "no idle unit", 0, NULL);
    memmgr_free(blocks[5]);
    resume(&owner);
    CHECK((void *)mine == blocks[5]);
    blocks[5] = NULL;
    servant_ask(&owner, free_all, blocks);
    servant_stop(&owner);
    free_chain(mine);
    free_chain(idle);
    (void)memmgr_trim();
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_EQUAL(live_blocks(), before);
    CHECK_SILENT();
}

// A large block is freed by another thread while one resizes it: there is a new block, and the old
// one is freed once.
static void *resized;

static void resize_and_stop(void *block) {
    prepare_to_stop();
    resized = memmgr_realloc(block, 300000);
    stop_at = NULL;
}

static void test_holes_freed_while_resized(void) {
    servant other;
    start();
    servant_start(&other);
    size_t before = live_blocks();
    void *block = memmgr_malloc(100000);
    REQUIRE(block != NULL);
    stop_doing(&other, resize_and_stop, block, "about to resize", 0, NULL);
    memmgr_free(block);
    resume(&other);
    CHECK(resized != NULL);
    CHECK_EQUAL(live_blocks(), before + 1);
    memmgr_free(resized);
    CHECK_EQUAL(live_blocks(), before);
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

// A pointer that is idle when it is freed once more, and live when that is about to be said: the
// free takes effect, if the owner does not free it sooner.
static void handed_out_at_last(bool freed_again) {
    void *blocks[BLOCKS];
    servant late;
    start();
    servant_start(&late);
    size_t before = live_blocks();
    take_all(blocks);
    void *block = blocks[BLOCKS / 2];
    memmgr_free(block);
    // Twice it is seen not to be live.
    stop_doing(&late, free_and_stop, block, "size of another's slab seen", 2,
               freed_again ? "about to claim" : NULL);
    void *again = memmgr_malloc(SIZE);
    CHECK(again == block);
    if (freed_again) {
        resume_to_next_stop();
        memmgr_free(again);
        CHECK_SILENT();
    }
    resume(&late);
    if (!freed_again) memmgr_free(again); // the owner's is the second
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    blocks[BLOCKS / 2] = NULL;
    free_all(blocks);
    (void)memmgr_trim();
    CHECK_EQUAL(live_blocks(), before);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
    servant_stop(&late);
}

static void test_holes_handed_out_before_a_late_free(void) { handed_out_at_last(false); }
static void test_holes_and_freed_before_a_late_free(void) { handed_out_at_last(true); }

// --- Watched blocks: two threads free one at once ---

#ifndef MEMMGR_NO_WATCH
enum { TRACK = MEMMGR_POOL_TRACK, KEEP = MEMMGR_POOL_QUARANTINE, LARGE = 1 << 20 };

// One free takes effect, the other is reported.
static void two_free_watched(const char *point) {
    servant other;
    start();
    memmgr_watch(TRACK | MEMMGR_POOL_GUARD);
    servant_start(&other);
    size_t before = live_blocks();
    void *block = memmgr_malloc(100);
    REQUIRE(block != NULL);
    stop_freeing(&other, point, block);
    memmgr_free(block);
    CHECK_SILENT();
    resume(&other);
    CHECK(reports.last.pointer == block);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    CHECK_EQUAL(live_blocks(), before);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    servant_stop(&other);
    memmgr_watch(0);
}

static void test_holes_watched_before_the_claim(void) {
    two_free_watched("about to claim a record");
}
static void test_holes_watched_both_claim(void) { two_free_watched("record seen LIVE"); }

static void test_holes_watched_freed_while_resized(void) {
    servant other;
    start();
    memmgr_watch(TRACK);
    servant_start(&other);
    size_t before = live_blocks();
    void *block = memmgr_malloc(100);
    REQUIRE(block != NULL);
    stop_doing(&other, resize_and_stop, block, "about to claim a record", 0, NULL);
    memmgr_free(block);
    resume(&other);
    CHECK(resized != NULL && resized != block);
    CHECK_EQUAL(live_blocks(), before + 1);
    memmgr_free(resized);
    CHECK_EQUAL(live_blocks(), before);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
    servant_stop(&other);
    memmgr_watch(0);
}

// Two threads need the quarantine at once: there is one.
static void test_holes_two_make_quarantine(void) {
    servant other;
    start();
    memmgr_watch(TRACK | KEEP);
    servant_start(&other);
    size_t before = live_blocks();
    void *first = memmgr_malloc(100), *second = memmgr_malloc(100);
    REQUIRE(first && second && !mmi_watch_quarantine(NULL));
    stop_freeing(&other, "quarantine made", first);
    memmgr_free(second);
    const mmi_quarantine *held = mmi_watch_quarantine(NULL);
    CHECK(held && held->count == 1);
    resume(&other);
    CHECK(mmi_watch_quarantine(NULL) == held && held->count == 2);
    CHECK_EQUAL(live_blocks(), before);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
    servant_stop(&other);
    memmgr_watch(0);
}

// Two threads free a watched block at once: it comes into quarantine once, and leaves it once.
static void test_holes_once_in_quarantine(void) {
    void *many[16];
    servant other;
    start();
    memmgr_watch(TRACK | KEEP);
    servant_start(&other);
    size_t before = live_blocks(), count = 0;
    void *block = memmgr_malloc(LARGE), *most = memmgr_malloc(14 * (size_t)LARGE);
    void *one = memmgr_malloc(LARGE), *two = memmgr_malloc(LARGE), *three = memmgr_malloc(LARGE);
    REQUIRE(block && most && one && two && three);
    stop_freeing(&other, "record seen LIVE", block);
    memmgr_free(block);
    resume(&other);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    memmgr_free(most);
    memmgr_free(one);
    memmgr_free(two); // the block goes for it
    do
        many[count] = memmgr_malloc(LARGE);
    while (many[count] && many[count] != block && ++count < 15);
    CHECK(many[count] == block);
    pattern_fill(many[count], LARGE, 3);
    memmgr_free(three); // and not once more
    CHECK(pattern_holds(many[count], LARGE, 3));
    CHECK_EQUAL(live_blocks(), before + count + 1);
    CHECK_SILENT();
    for (size_t i = 0; i <= count; i++)
        memmgr_free(many[i]);
    memmgr_watch(0);
    CHECK_EQUAL(live_blocks(), before);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
    servant_stop(&other);
}
#endif

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

// A thread that holds a lock for long, and has it again at once, lets one in that sleeps.
enum { HOLDS_MOST = 500 };
static sem_t is_held;
static atomic_bool had_it;

static void hold_again_and_again(void *ctx) {
    size_t *holds = (size_t *)ctx;
    for (*holds = 0; *holds < HOLDS_MOST && !atomic_load(&had_it); ++*holds) {
        mmi_lock_acquire(&contended);
        if (*holds == 0) sem_post(&is_held);
        (void)poll(NULL, 0, 2); // milliseconds
        mmi_lock_hand_over(&contended);
    }
}

static void test_holes_lock_handed_over(void) {
    size_t holds;
    servant keeper;
    start();
    servant_start(&keeper);
    sem_init(&is_held, 0, 0);
    atomic_store(&had_it, false);
    servant_begin(&keeper, hold_again_and_again, &holds);
    sem_wait(&is_held);
    mmi_lock_acquire(&contended);
    atomic_store(&had_it, true);
    mmi_lock_release(&contended);
    servant_wait(&keeper);
    CHECK(holds < HOLDS_MOST);
    servant_stop(&keeper);
}

static const test_case tests[] = {
    TEST(test_holes_owner_sees_a_claim),
    TEST(test_holes_two_free_at_once),
    TEST(test_holes_slab_reused_before_it_is_told),
    TEST(test_holes_told_to_the_old_owner),
    TEST(test_holes_two_want_to_tell),
    TEST(test_holes_two_tell_of_two_slabs),
    TEST(test_holes_nobody_to_tell),
    TEST(test_holes_new_owner_told_in_vain),
    TEST(test_holes_told_of_nothing),
    TEST(test_holes_told_of_a_slab_given_back),
    TEST(test_holes_freed_while_looking),
    TEST(test_holes_freed_while_resized),
    TEST(test_holes_unit_cut_anew_when_size_is_seen),
    TEST(test_holes_unit_cut_anew_before_the_claim),
    TEST(test_holes_lock_taken_by_a_third),
    TEST(test_holes_lock_handed_over),
    TEST(test_holes_handed_out_before_a_late_free),
    TEST(test_holes_and_freed_before_a_late_free),
#ifndef MEMMGR_NO_WATCH // the last: calls stay watched
    TEST(test_holes_watched_before_the_claim),
    TEST(test_holes_watched_both_claim),
    TEST(test_holes_watched_freed_while_resized),
    TEST(test_holes_two_make_quarantine),
    TEST(test_holes_once_in_quarantine),
#endif
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
#else
int main(void) { return 0; }
#endif
