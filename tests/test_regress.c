// test_regress.c: faults that were found once, one test for each. Every test runs in a child, which
// begins with its first general call; its mappings can be made to end, and a thread to stop at one
// of the points that memmgr.h names with MMI_PAUSE.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // fork() and more under a strict -std=c11
#endif

#if !defined(MEMMGR_NO_THREADS) && defined(__unix__) && defined(USE_MEMORY_MGR)
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define UNIT (64 * KIB)

static size_t most_at_once = SIZE_MAX, most_in_all = SIZE_MAX; // bytes that can be mapped
static size_t unit_shift;                                      // past a multiple of UNIT
static atomic_size_t mapped;
static atomic_bool lingers; // where memory was unmapped, so that who still uses it is seen

// What is mapped begins where the test says, and what lies behind it must not be touched.
static void *ending_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
    if (file != -1) abort(); // as some systems want it of memory without a file
    if (size > most_at_once || size > most_in_all - atomic_load(&mapped)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    char *room = (char *)mmap(at, size + 2 * UNIT, PROT_NONE, flags, file, offset);
    if (room == MAP_FAILED) return room;
    size_t skipped = UNIT - (uintptr_t)room % UNIT + unit_shift;
    (void)munmap(room, skipped);
    (void)mprotect(room + skipped, size, protection);
    atomic_fetch_add(&mapped, size);
    return room + skipped;
}

static int ending_munmap(void *at, size_t size) {
    int status = munmap(at, size);
    atomic_fetch_sub(&mapped, size);
    if (atomic_load(&lingers)) (void)usleep(1000);
    return status;
}

static void pause_at(const char *point);

#define mmap ending_mmap
#define munmap ending_munmap
#define MMI_PAUSE(point) pause_at(point)
#include "workers.h"

#include <sys/wait.h>

static size_t unit_of(const void *block) { return (uintptr_t)block / UNIT; }

enum { TAKEN_MAX = 8192 };

static void *taken[TAKEN_MAX];

// Blocks until there are no more; how many.
static size_t take_all(size_t size) {
    size_t count = 0;
    while (count < TAKEN_MAX && (taken[count] = memmgr_malloc(size)) != NULL)
        count++;
    CHECK(count < TAKEN_MAX);
    return count;
}

// --- Arenas that come back -----------------------------------------------------------------------

// After an arena's memory was given back one is added elsewhere, where there may be room for one
// more unit than the first had descriptors for. Of the second arena they filled their pages
// exactly.
static void arenas_round(size_t *first) {
    size_t count = take_all(32 * KIB), before = atomic_load(&mapped);
    if (*first == 0) *first = count;
    CHECK(count > *first / 2); // large blocks have their part now
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    while (count > 0)
        memmgr_free(taken[--count]);
    CHECK(kept(memmgr_malloc(opaque(most_at_once + 1))) == NULL); // looks for memory everywhere
    CHECK(atomic_load(&mapped) <= before - 32 * MIB);             // and gives arenas back
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
}

static void arenas_work(void *ctx) {
    static const size_t shifts[] = {0, 4 * KIB, 0, UNIT - 4 * KIB, 0};
    size_t first = 0;
    (void)ctx;
    // Where as much as is asked for cannot be had, an arena takes a quarter of what can.
    most_at_once = 128 * MIB;
    most_in_all = 168 * MIB;
    for (size_t i = 0; i < sizeof shifts / sizeof *shifts && test_failures == 0; i++) {
        unit_shift = shifts[i];
        arenas_round(&first);
    }
}

static void test_regress_arena_added_anew(void) { in_silent_child(arenas_work, NULL); }

// --- A fork while a slab stands in its former owner's list ---------------------------------------

enum { FORK_SIZE = 16384, FORK_SLAB = 4, FORK_TAKEN = 64 };

static void *forked[FORK_SLAB], *forked_too;
static _Thread_local const char *stop_at;
static atomic_bool has_stopped, go_on;

static void pause_at(const char *point) {
    if (!stop_at || strcmp(stop_at, point) != 0) return;
    stop_at = NULL;
    atomic_store(&has_stopped, true);
    while (!atomic_load(&go_on))
        sched_yield();
}

static void fork_take(void *ctx) {
    (void)ctx;
    for (size_t i = 0; i < FORK_SLAB; i++)
        forked[i] = memmgr_malloc(FORK_SIZE);
    memmgr_free(forked[FORK_SLAB - 1]); // something for whoever adopts the slab
    memmgr_free(memmgr_malloc(1));
}

static void fork_free_stopping(void *block) {
    stop_at = "about to tell the owner";
    memmgr_free(block);
}

// In the child the thread tells of the slab again, and then gets the heap of the former owner.
static void fork_child_thread(void *block) {
    memmgr_free(block);
    memmgr_free(memmgr_malloc(1));
}

static void fork_child(void *ctx) {
    void *block[FORK_TAKEN];
    (void)ctx;
    in_new_thread(fork_child_thread, forked[1]);
    for (size_t i = 0; i < FORK_TAKEN; i++) {
        block[i] = memmgr_malloc(FORK_SIZE);
        CHECK(block[i] && block[i] != forked[2] && block[i] != forked_too);
        for (size_t j = 0; j < i; j++)
            CHECK(block[i] != block[j]);
    }
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
}

static void fork_work(void *ctx) {
    servant owner, other;
    (void)ctx;
    memmgr_free(memmgr_malloc(1));
    REQUIRE(servant_start(&owner) && servant_start(&other));
    servant_ask(&owner, fork_take, NULL);
    servant_begin(&other, fork_free_stopping, forked[0]);
    while (!atomic_load(&has_stopped))
        sched_yield();
    servant_stop(&owner);
    forked_too = memmgr_malloc(FORK_SIZE);
    CHECK(unit_of(forked_too) == unit_of(forked[0])); // adopted
    atomic_store(&go_on, true);
    servant_wait(&other); // the one is told that owns it no more
    servant_stop(&other);
    in_silent_child(fork_child, NULL);
}

static void test_regress_fork_with_slab_in_old_list(void) { in_silent_child(fork_work, NULL); }

// --- A program that ends -------------------------------------------------------------------------

// Half of the time none is live, half of the time one is written to.
static void *large_for_ever(void *ctx) {
    for (;;) {
        volatile char *block = (volatile char *)memmgr_malloc(100000);
        for (size_t i = 0; block && i < 300; i++)
            block[i * 300] = 1;
        memmgr_free((void *)(uintptr_t)block);
        for (volatile unsigned i = 0; i < 300; i++)
            continue;
    }
    return ctx;
}

// What the program has mapped is unmapped when nothing is live, and threads still call.
static void end_work(void *ctx) {
    pthread_attr_t detached;
    pthread_t thread;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (size_t i = 0; i < 2; i++)
        REQUIRE(pthread_create(&thread, &detached, large_for_ever, NULL) == 0);
    (void)usleep(*(useconds_t *)ctx);
    atomic_store(&lingers, true);
    CHECK_ALL_SILENT();
    exit(test_failures == 0 ? 0 : 1);
}

static void test_regress_end_among_large_calls(void) {
    size_t ends = UNDER_TSAN ? 1 : 30; // each takes a second there
    for (size_t i = 0; i < ends && test_failures == 0; i++) {
        useconds_t microseconds = (useconds_t)i * 50;
        in_silent_child(end_work, &microseconds);
    }
}

// --- Empty slabs ---------------------------------------------------------------------------------

// Two slabs, the second of which becomes empty, and then the first has a free block: it stands
// before the other.
static void empty_behind_another(size_t size) {
    void *block[2 * UNIT / 1024];
    size_t count = UNIT / size;
    for (size_t i = 0; i < 2 * count; i++)
        CHECK((block[i] = memmgr_malloc(size)) != NULL);
    for (size_t i = count; i < 2 * count; i++)
        memmgr_free(block[i]);
    memmgr_free(block[0]);
}

// What is given back then serves blocks of any size.
static void empty_work(void *ctx) {
    memmgr_stats before, after;
    size_t sizes = 0;
    (void)ctx;
    memmgr_free(memmgr_malloc(32 * KIB)); // its slab is there, empty
    for (size_t doubled = 1024; doubled < 16384; doubled *= 2)
        for (size_t quarters = 4; quarters < 8; quarters++, sizes++)
            empty_behind_another(doubled / 4 * quarters);
    (void)memmgr_trim();
    memmgr_stats_get(&before);
    for (size_t i = 0; i < sizes * 2; i++)
        CHECK(kept(memmgr_malloc(32 * KIB)) != NULL);
    memmgr_stats_get(&after);
    CHECK_EQUAL(after.capacity, before.capacity);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
}

static void test_regress_empty_behind_another(void) { in_silent_child(empty_work, NULL); }

// Units that went idle remember nothing, and are no block's for all that.
static void idle_work(void *ctx) {
    static void *block[4 * UNIT / 2048];
    enum { COUNT = sizeof block / sizeof block[0] };
    (void)ctx;
    reports_start();
    for (size_t i = 0; i < COUNT; i++)
        CHECK((block[i] = memmgr_malloc(2048)) != NULL);
    for (size_t i = 0; i < COUNT; i++)
        memmgr_free(block[i]);
    (void)memmgr_trim();
    for (size_t i = 0; i < COUNT; i++)
        memmgr_free(pointer_plus(block[i], 0));
    CHECK_EQUAL(reports.of[MEMMGR_DOUBLE_FREE], COUNT);
    CHECK_EQUAL(reports.count, COUNT);
    reports_start();
}

static void test_regress_free_into_an_idle_unit(void) { in_silent_child(idle_work, NULL); }

// --- Parked heaps --------------------------------------------------------------------------------

// The first ones each leave half a slab; those that end after them, more than are asked when there
// is memory, leave nothing of that size.
enum { PARKED_THREADS = 34, PARKED_WITH = 10, PARKED_SIZE = 24000 };

static void parked_take_two(void *ctx) {
    void *block = memmgr_malloc(PARKED_SIZE);
    *(void **)ctx = memmgr_malloc(PARKED_SIZE);
    memmgr_free(block);
}

static void parked_take_small(void *ctx) { *(void **)ctx = memmgr_malloc(100); }

static void parked_work(void *ctx) {
    static servant threads[PARKED_THREADS];
    static void *left[PARKED_THREADS];
    (void)ctx;
    most_at_once = 8 * MIB;
    most_in_all = 24 * MIB;
    for (size_t i = 0; i < PARKED_THREADS; i++) {
        REQUIRE(servant_start(&threads[i]));
        servant_ask(&threads[i], i < PARKED_WITH ? parked_take_two : parked_take_small, &left[i]);
        CHECK(left[i] != NULL);
    }
    for (size_t i = 0; i < PARKED_THREADS; i++)
        servant_stop(&threads[i]);
    (void)take_all(32 * KIB);
    CHECK_EQUAL(take_all(PARKED_SIZE), PARKED_WITH);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
}

static void test_regress_all_parked_heaps(void) { in_silent_child(parked_work, NULL); }

// --- Filling -------------------------------------------------------------------------------------

static void fill_grows(size_t from, size_t to, bool moves) {
    unsigned char *block = (unsigned char *)memmgr_malloc(from);
    void *in_the_way = moves ? memmgr_malloc(from) : NULL;
    REQUIRE(block && (in_the_way || !moves));
    from = memmgr_usable_size(block);
    CHECK(bytes_are(block, from, 0xCC));
    memset(block, 1, from);
    block = (unsigned char *)memmgr_realloc(block, to);
    REQUIRE(block != NULL);
    CHECK(bytes_are(block, from, 1));
    CHECK(bytes_are(block + from, to - from, 0xCC));
    memmgr_free(block);
    memmgr_free(in_the_way);
}

static void fill_work(void *ctx) {
    (void)ctx;
    memmgr_set_fill(true);
    fill_grows(100, 1000, true);
    fill_grows(20000, 100000, true);
    fill_grows(100000, 1000000, true);
    fill_grows(100000, 101000, false);
    void *zeroed = memmgr_calloc(1, 300000);
    CHECK(zeroed && bytes_are(zeroed, 300000, 0));
    memmgr_free(zeroed);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
}

static void test_regress_fill_of_moved_blocks(void) { in_silent_child(fill_work, NULL); }

// --- A lock taken before there was a second thread -----------------------------------------------

static memmgr_pool *shared;
static pthread_t second;
static atomic_bool second_is_through;

static void *second_allocates(void *ctx) {
    (void)ctx;
    CHECK_EQUAL(memmgr_pool_free(shared, memmgr_pool_alloc(shared, 32)), MEMMGR_OK);
    atomic_store(&second_is_through, true);
    return NULL;
}

static bool second_waits(const memmgr_block *block, void *ctx) {
    (void)block, (void)ctx;
    CHECK_EQUAL(pthread_create(&second, NULL, second_allocates, NULL), 0);
    (void)usleep(30000);
    CHECK(!atomic_load(&second_is_through));
    return false;
}

// It is held for those who come later, too.
static void first_work(void *ctx) {
    static unsigned char buffer[4096];
    memmgr_pool_desc desc = {0};
    (void)ctx;
    desc.flags = MEMMGR_POOL_LOCKED;
    shared = memmgr_pool_init(buffer, sizeof buffer, &desc);
    REQUIRE(shared != NULL);
    CHECK(!memmgr_pool_walk(shared, second_waits, NULL));
    CHECK_EQUAL(pthread_join(second, NULL), 0);
    CHECK(atomic_load(&second_is_through));
    CHECK_EQUAL(memmgr_pool_destroy(shared), 0);
}

static void test_regress_lock_from_before(void) { in_silent_child(first_work, NULL); }

// --- What was never used -------------------------------------------------------------------------

static bool whole_granules(const memmgr_block *block, void *ctx) {
    CHECK(block->size != 0 && block->size % 16 == 0);
    ++*(size_t *)ctx;
    return true;
}

// Behind the last large block there is nothing to show.
static void unused_work(void *ctx) {
    size_t shown = 0;
    (void)ctx;
    CHECK(kept(memmgr_malloc(100000)) != NULL);
    CHECK(memmgr_walk(whole_granules, &shown));
    CHECK(shown > 0);
}

static void test_regress_walk_of_the_unused(void) { in_silent_child(unused_work, NULL); }

static const test_case tests[] = {
    TEST(test_regress_arena_added_anew),       TEST(test_regress_fork_with_slab_in_old_list),
    TEST(test_regress_end_among_large_calls),  TEST(test_regress_empty_behind_another),
    TEST(test_regress_free_into_an_idle_unit), TEST(test_regress_lock_from_before),
    TEST(test_regress_walk_of_the_unused),     TEST(test_regress_all_parked_heaps),
    TEST(test_regress_fill_of_moved_blocks),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
#else
int main(void) { return 0; }
#endif
