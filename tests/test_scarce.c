// test_scarce.c: systems that give memory only in small pieces, or no more of it, and threads that
// are stopped just then. Everything happens in children, each of which begins with its first
// general call.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // MAP_ANONYMOUS and more under a strict -std=c11
#endif

#if !defined(MEMMGR_NO_THREADS) && defined(__unix__) && defined(USE_MEMORY_MGR) &&                 \
    !defined(MEMMGR_NO_OS) && !defined(MEMMGR_SMALL) && !defined(MEMMGR_LOCK)
#define SCARCE 1
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

// --- What the system gives -----------------------------------------------------------------------

static atomic_size_t mapped;           // bytes
static size_t most_at_once = SIZE_MAX; // of one mapping
static size_t most_of_all = SIZE_MAX;

static void scarce_pause(const char *point);

static void *scarce_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
    scarce_pause("map");
    if (size > most_at_once || size > most_of_all - atomic_load(&mapped)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void *memory = mmap(at, size, protection, flags, file, offset);
    if (memory != MAP_FAILED) atomic_fetch_add(&mapped, size);
    return memory;
}

static int scarce_munmap(void *memory, size_t size) {
    int status = munmap(memory, size);
    if (status == 0) atomic_fetch_sub(&mapped, size);
    return status;
}

static atomic_size_t keys, yields;
static void (*at_yield)(void);

static int scarce_key_create(pthread_key_t *key, void (*end)(void *)) {
    keys++;
    scarce_pause("key");
    return pthread_key_create(key, end);
}

static int scarce_yield(void) {
    yields++;
    if (at_yield) at_yield();
    return sched_yield();
}

#define mmap scarce_mmap
#define munmap scarce_munmap
#define pthread_key_create scarce_key_create
#define sched_yield scarce_yield
#define MMI_PAUSE(point) scarce_pause(point)
#endif

#include "workers.h"

#ifdef SCARCE
#undef mmap
#undef munmap
#undef sched_yield
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
#define UNIT (64 * KIB)

enum { WHOLE = 32768, MOST = 40000 }; // the largest block of a slab, two in a unit

// --- Threads that are stopped --------------------------------------------------------------------

static _Thread_local const char *stop_at;
static sem_t arrived, go_on;

static void scarce_pause(const char *point) {
    if (!stop_at || strcmp(stop_at, point) != 0) return;
    stop_at = NULL;
    sem_post(&arrived);
    sem_wait(&go_on);
}

static void stop_doing(servant *own, job work, void *ctx) {
    sem_init(&arrived, 0, 0);
    sem_init(&go_on, 0, 0);
    servant_begin(own, work, ctx);
    sem_wait(&arrived);
}

static void resume(servant *own) {
    sem_post(&go_on);
    servant_wait(own);
}

// --- Blocks --------------------------------------------------------------------------------------

static void *blocks[MOST];
static size_t count;

// Blocks, until there are no more, or so many.
static void take(size_t size, size_t most) {
    errno = 0;
    while (count < most && (blocks[count] = memmgr_malloc(size)) != NULL)
        count++;
    CHECK(count == most || errno_now() == ENOMEM);
}

static void drop_all(void) {
    while (count > 0)
        memmgr_free(blocks[--count]);
}

static memmgr_stats stats_now(void) {
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    return stats;
}

// A request that no system can meet: what is kept is given back first.
static void ask_too_much(void) { CHECK(kept(memmgr_malloc(opaque(SIZE_MAX / 4))) == NULL); }

static void check_all_is_well(void) {
    CHECK_EQUAL(stats_now().live_blocks, 0);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_ALL_SILENT();
}

// Nothing of the system's is held any more, and the next call begins afresh.
static void check_nothing_is_left(void) {
#if defined(__ELF__) && (defined(__GNUC__) || defined(__clang__))
    mmi_heap_unloaded();
    CHECK_EQUAL(atomic_load(&mapped), 0);
    void *block = memmgr_malloc(100);
    CHECK(block != NULL);
    memmgr_free(block);
    check_all_is_well();
#endif
}

// --- Arenas --------------------------------------------------------------------------------------

// As many arenas as there may be, twice, with all memory given back between.
static void many_arenas(void *ctx) {
    (void)ctx;
    most_at_once = MIB;
    take(WHOLE, MOST);
    size_t all = count;
    // Halving may come to little more than half of what there is at once.
    CHECK(all >= 256 * 2 * (MIB / UNIT / 2 - 1) && all <= 256 * 2 * (MIB / UNIT));
    size_t held = atomic_load(&mapped);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    drop_all();
    ask_too_much();
    CHECK(atomic_load(&mapped) < held / 4);
    check_all_is_well();
    take(WHOLE, MOST);
    CHECK(count >= all / 3); // a place with fewer descriptors has fewer units
    drop_all();
    ask_too_much();
    check_all_is_well();
    check_nothing_is_left();
}

static void test_scarce_many_arenas(void) { in_child(many_arenas, NULL); }

// The second arena is as large as the first, whatever is reserved to start with.
static void second_arena(void *ctx) {
    (void)ctx;
    void *first = memmgr_malloc(WHOLE);
    size_t size = mmi_arena_at(0)->size;
    while (mmi_arena_all.count == 1 && count < MOST && (blocks[count] = memmgr_malloc(WHOLE)))
        count++;
    REQUIRE(first && mmi_arena_all.count == 2);
    CHECK(count >= 2 * (size / UNIT - 1) - 1);
    CHECK(mmi_arena_at(1)->size >= size || sizeof(size_t) < 8);
    memmgr_free(first);
    drop_all();
    memmgr_trim();
    check_all_is_well();
    check_nothing_is_left();
}

static void test_scarce_second_arena(void) { in_child(second_arena, NULL); }

// There are units, but nowhere to put the states of many blocks: larger blocks are still to be had.
static void no_states(void *ctx) {
    (void)ctx;
    most_at_once = 3 * MIB;
    take(16, 1);
    REQUIRE(count == 1);
    most_of_all = atomic_load(&mapped);
    take(16, MOST);
    CHECK(count < MOST);
    size_t tiny = count;
    take(WHOLE, MOST);
    CHECK(count > tiny);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    most_of_all = SIZE_MAX;
    take(16, count + 20000);
    CHECK(count > tiny + 20000);
    drop_all();
    memmgr_trim();
    check_all_is_well();
}

static void test_scarce_no_states(void) {
    if (sizeof(void *) == 8) in_child(no_states, NULL); // a smaller heap leaves room for more
}

// A thread frees a pointer that was freed before, and stops on its way; meanwhile the arena is
// given back, and its place is taken by another, elsewhere, whose blocks stay as they are. The
// pointer is nobody's then.
static const char *late_point;

static void free_late(void *block) {
    stop_at = late_point;
    memmgr_free(block);
    HOLDS(own_report_was(MEMMGR_FOREIGN_POINTER, block));
}

// Frees one of the two blocks in the second arena's first unit.
static void *free_in_second_arena(void) {
    void *block = NULL;
    size_t i = 0;
    while (i < count && (uintptr_t)blocks[i] - mmi_arena_at(1)->base >= UNIT)
        i++;
    if (!CHECK(i < count)) return NULL;
    block = blocks[i];
    memmgr_free(block);
    blocks[i] = NULL;
    return block;
}

static void arena_replaced(void *ctx) {
    servant late;
    late_point = (const char *)ctx;
    most_at_once = MIB;
    servant_start(&late);
    take(WHOLE, 2 * MIB / WHOLE);
    const mmi_arena *old = mmi_arena_at(1);
    void *block = free_in_second_arena();
    REQUIRE(block != NULL);
    stop_doing(&late, free_late, block); // while there is a slab
    drop_all();
    ask_too_much();
    CHECK(mmi_arena_at(1) == old && old->unit_count == 0);
    CHECK(mmap(old->memory, old->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
          old->memory);
    take(WHOLE, 2 * MIB / WHOLE);
    CHECK(mmi_arena_at(1) != old && mmi_arena_at(1)->before == old);
    CHECK(mmi_arena_at(1)->base != old->base && mmi_arena_at(1)->fresh > 0);
    size_t live = stats_now().live_blocks;
    resume(&late);
    CHECK_EQUAL(stats_now().live_blocks, live);
    // When the first place is free again, and the second is not, the old arena is back.
    const mmi_arena *other = mmi_arena_at(1);
    drop_all();
    ask_too_much();
    CHECK_EQUAL(other->unit_count, 0);
    CHECK(munmap(old->memory, old->size) == 0);
    CHECK(mmap(other->memory, other->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
          other->memory);
    take(WHOLE, 2 * MIB / WHOLE);
    CHECK(mmi_arena_at(1) == old && old->before == other && !other->before && old->fresh > 0);
    drop_all();
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_EQUAL(atomic_load(&all_reports), 1);
    servant_stop(&late);
}

static void test_scarce_arena_replaced(void) {
    static char found[] = "unit of an arena seen", sized[] = "size of another's slab seen";
    in_child(arena_replaced, found);
    in_child(arena_replaced, sized);
}

// An arena whose memory was given back gets it again where it was, and needs no more descriptors.
static void arena_revived(void *ctx) {
    (void)ctx;
    most_at_once = MIB;
    take(WHOLE, 2 * MIB / WHOLE);
    const mmi_arena *old = mmi_arena_at(1);
    size_t held = 0, arenas = mmi_arena_all.count;
    for (int round = 0; round < 20; round++) {
        drop_all();
        ask_too_much();
        CHECK(old->unit_count == 0 && old->fresh == 0);
        take(WHOLE, 2 * MIB / WHOLE);
        CHECK(mmi_arena_at(1) == old && old->unit_count != 0 && old->fresh != 0);
        if (round == 0) held = atomic_load(&mapped);
        CHECK(atomic_load(&mapped) == held && mmi_arena_all.count == arenas);
        CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    }
    drop_all();
    check_all_is_well();
}

static void test_scarce_arena_revived(void) { in_child(arena_revived, NULL); }

// --- Large blocks --------------------------------------------------------------------------------

// An empty segment that the large blocks keep goes back when small ones need memory.
static void segment_for_small_blocks(void *ctx) {
    (void)ctx;
    most_at_once = MIB;
    void *large = memmgr_malloc(600 * KIB), *larger = memmgr_malloc(900 * KIB);
    REQUIRE(large && larger && mmi_large.pool->segment_count == 2);
    memmgr_free(larger);
    CHECK_EQUAL(mmi_large.pool->segment_count, 2);
    take(WHOLE, 1);
    most_of_all = atomic_load(&mapped);
    take(WHOLE, MOST);
    CHECK(count > 2 * MIB / UNIT);
    CHECK_EQUAL(mmi_large.pool->segment_count, 1);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    drop_all();
    memmgr_free(large);
    check_all_is_well();
}

static void test_scarce_segment_for_small_blocks(void) { in_child(segment_for_small_blocks, NULL); }

// The largest block that can be had is told, when all of it has been used before, too.
static void largest_of_all(void *ctx) {
    (void)ctx;
    most_at_once = MIB;
    void *block = memmgr_malloc(100 * KIB);
    REQUIRE(block != NULL);
    memmgr_free(block);
    most_of_all = atomic_load(&mapped);
    size_t largest = mmi_stats_largest_free(mmi_large.pool);
    for (int i = 0; i < 2; i++) {
        block = memmgr_malloc(largest);
        CHECK(block != NULL && memmgr_usable_size(block) == largest);
        CHECK(stats_now().largest_free <= WHOLE);
        memmgr_free(block);
        CHECK_EQUAL(stats_now().largest_free, largest);
    }
    check_all_is_well();
}

static void test_scarce_largest_of_all(void) { in_child(largest_of_all, NULL); }

// A large block can become neither small nor larger: it stays as it is.
static void realloc_fails(void *ctx) {
    (void)ctx;
    most_at_once = MIB;
    unsigned char *large = (unsigned char *)memmgr_malloc(100 * KIB);
    REQUIRE(large != NULL);
    pattern_fill(large, 100 * KIB, 11);
    take(100, 1);
    most_of_all = atomic_load(&mapped);
    take(WHOLE, MOST);
    take(100, MOST);
    CHECK(count < MOST);
    size_t failures = stats_now().failures;
    errno = 0;
    CHECK(kept(memmgr_realloc(large, 100)) == NULL && errno_now() == ENOMEM);
    errno = 0;
    CHECK(kept(memmgr_realloc(large, 40 * MIB)) == NULL && errno_now() == ENOMEM);
    CHECK_EQUAL(stats_now().failures, failures + 2);
    CHECK(pattern_holds(large, 100 * KIB, 11));
    CHECK_EQUAL(memmgr_usable_size(large), 100 * KIB);
    memmgr_free(large);
    drop_all();
    check_all_is_well();
}

static void test_scarce_realloc_fails(void) { in_child(realloc_fails, NULL); }

// --- Threads -------------------------------------------------------------------------------------

// While a thread finds no memory another frees a block of its: it gets that.
static void take_one(void *ctx) {
    (void)ctx;
    take(WHOLE, count + 1);
}

static void take_until_stopped(void *ctx) {
    (void)ctx;
    stop_at = "no memory";
    take(WHOLE, MOST);
}

static void freed_when_none_is_left(void *ctx) {
    servant owner;
    (void)ctx;
    most_at_once = MIB;
    servant_start(&owner);
    servant_ask(&owner, take_one, NULL);
    most_of_all = atomic_load(&mapped);
    stop_doing(&owner, take_until_stopped, NULL);
    size_t all = count;
    void *freed = blocks[all / 2];
    memmgr_free(freed);
    resume(&owner);
    CHECK_EQUAL(count, all + 1);
    CHECK(blocks[all] == freed);
    blocks[all / 2] = NULL;
    drop_all();
    servant_stop(&owner);
    check_all_is_well();
}

static void test_scarce_freed_when_none_is_left(void) { in_child(freed_when_none_is_left, NULL); }

// What was freed of threads that have ended is used before anything that is fresh, however many
// threads that were.
enum { ENDED = 20, EACH = 21, SIZE = 3000 }; // a whole slab for each

static void take_slab(void *ctx) {
    void **own = (void **)ctx;
    for (size_t i = 0; i < EACH; i++)
        HOLDS((own[i] = memmgr_malloc(SIZE)) != NULL);
}

static void many_ended(void *ctx) {
    servant threads[ENDED];
    (void)ctx;
    memmgr_free(memmgr_malloc(1));
    for (size_t i = 0; i < ENDED; i++)
        servant_start(&threads[i]);
    for (size_t i = 0; i < ENDED; i++)
        servant_ask(&threads[i], take_slab, &blocks[i * EACH]);
    for (size_t i = 0; i < ENDED; i++)
        servant_stop(&threads[i]);
    for (count = ENDED * EACH; count > 0;)
        memmgr_free(blocks[--count]);
    size_t fresh = mmi_arena_at(0)->fresh;
    CHECK(fresh >= ENDED);
    take(SIZE, ENDED * EACH);
    CHECK_EQUAL(count, ENDED * EACH);
    CHECK_EQUAL(mmi_arena_at(0)->fresh, fresh);
    drop_all();
    check_all_is_well();
}

static void test_scarce_many_threads_ended(void) { in_child(many_ended, NULL); }

// --- The first calls -----------------------------------------------------------------------------

static void first_call(void *point) {
    stop_at = (const char *)point;
    void *block = memmgr_malloc(100);
    HOLDS(block != NULL);
    memmgr_free(block);
}

static char at_map[] = "map", at_key[] = "key", before_start[] = "not started yet";
static servant first;

static void finish_first(void) {
    at_yield = NULL;
    resume(&first);
}

static void check_started(void) {
    CHECK_EQUAL(keys, 1);
    CHECK_EQUAL(mmi_heap_all.started, 2);
    servant_stop(&first);
    check_all_is_well();
}

// A thread that makes its first call while another prepares waits for it.
static void waits_for_the_first(void *ctx) {
    (void)ctx;
    servant_start(&first);
    stop_doing(&first, first_call, at_key);
    at_yield = finish_first;
    first_call(NULL);
    CHECK_EQUAL(yields, 1);
    check_started();
}

// But not for ever: the other may be stopped, or not be there.
static void waits_in_vain(void *ctx) {
    (void)ctx;
    servant_start(&first);
    stop_doing(&first, first_call, at_key);
    first_call(NULL);
    CHECK(yields > 100);
    finish_first();
    check_started();
}

// A thread that is about to prepare finds that it has been done.
static void comes_second(void *ctx) {
    (void)ctx;
    servant_start(&first);
    stop_doing(&first, first_call, before_start);
    first_call(NULL);
    finish_first();
    CHECK_EQUAL(yields, 0);
    check_started();
}

// A process forks while another thread's first call holds a lock, or prepares what all threads
// need: the child's calls work, and its threads' ends are heard of.
static void fork_then_call(void *ctx) {
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        void *block = memmgr_malloc(100);
        _exit(block && mmi_heap_all.started == 2 && mmi_os_has_key ? 0 : 1);
    }
    int status = 1;
    *(bool *)ctx = child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void forks_meanwhile(void *ctx) {
    servant forker;
    bool well = false;
    servant_start(&first);
    servant_start(&forker);
    stop_doing(&first, first_call, ctx);
    servant_begin(&forker, fork_then_call, &well);
    usleep(50000); // the fork is to wait; if it does not, it comes too soon
    resume(&first);
    servant_wait(&forker);
    CHECK(well);
    servant_stop(&forker);
    check_started();
}

static void test_scarce_first_calls(void) {
    in_child(waits_for_the_first, NULL);
    in_child(waits_in_vain, NULL);
    in_child(comes_second, NULL);
    in_child(forks_meanwhile, at_map);
    in_child(forks_meanwhile, at_key);
    in_child(forks_meanwhile, before_start);
}

// --- What is settled for -------------------------------------------------------------------------

// Half as much, until that can be had; and of this a quarter, unless that is less than the least.
static void test_scarce_reserve(void) {
    static const struct {
        size_t most, least, mapped;
    } cases[] = {
        {4, 1, 4}, {4, 4, 4}, {8, 1, 1}, {8, 2, 4}, {16, 1, 1}, {32, 4, 4}, {8, 5, 0}, {5, 5, 5},
    };
    most_at_once = 5 * MIB;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = 0;
        void *memory = mmi_os_reserve(cases[i].most * MIB, cases[i].least * MIB, &size);
        CHECK((memory != NULL) == (cases[i].mapped != 0));
        if (!memory) continue;
        CHECK_EQUAL(size, cases[i].mapped * MIB);
        mmi_os_unmap(memory, size);
    }
    most_at_once = SIZE_MAX;
}

static const test_case tests[] = {
    TEST(test_scarce_reserve),
    TEST(test_scarce_many_arenas),
    TEST(test_scarce_second_arena),
    TEST(test_scarce_no_states),
    TEST(test_scarce_arena_replaced),
    TEST(test_scarce_arena_revived),
    TEST(test_scarce_segment_for_small_blocks),
    TEST(test_scarce_largest_of_all),
    TEST(test_scarce_realloc_fails),
    TEST(test_scarce_freed_when_none_is_left),
    TEST(test_scarce_many_threads_ended),
    TEST(test_scarce_first_calls),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
#else
int main(void) { return 0; }
#endif
