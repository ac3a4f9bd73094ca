// test_exhaustion.c: no more memory, at every moment. The calls by which the implementation gets
// memory are replaced by ones that fail when told to, and processes are started that may have
// little. Everything happens in children, each of which begins with its first general call.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // mremap() and more under a strict -std=c11
#endif

#if !defined(MEMMGR_NO_THREADS) && (defined(__unix__) || defined(__APPLE__))
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/types.h>

// --- Mappings that fail --------------------------------------------------------------------------

typedef enum { FAIL_NEVER, FAIL_ONCE, FAIL_FROM, FAIL_OFTEN, FAIL_MODES } fail_mode;

static fail_mode failing;
static size_t failing_at;
static atomic_size_t mappings;     // calls that ask for memory
static atomic_size_t mapped_bytes; // at least what is mapped now
static atomic_size_t failures_made;

static bool mapping_fails(void) {
    size_t call = atomic_fetch_add(&mappings, 1) + 1;
    bool fails = false;
    if (failing == FAIL_ONCE) fails = call == failing_at;
    if (failing == FAIL_FROM) fails = call >= failing_at;
    // Fibonacci hashing: half of the calls, in no order.
    if (failing == FAIL_OFTEN) fails = ((call ^ failing_at) * 2654435769u >> 16) % 2;
    if (!fails) return false;
    atomic_fetch_add(&failures_made, 1);
    errno = call % 2 ? ENOMEM : EAGAIN; // it may be either; what a caller sees is ENOMEM
    return true;
}

static inline void *failing_mmap(void *at, size_t size, int protection, int flags, int file,
                                 off_t offset) {
    if (mapping_fails()) return MAP_FAILED;
    void *memory = mmap(at, size, protection, flags, file, offset);
    if (memory != MAP_FAILED) atomic_fetch_add(&mapped_bytes, size);
    return memory;
}

// Bytes that were mapped twice over are counted twice, and may stay so: there is never less mapped
// than counted.
static inline int failing_munmap(void *at, size_t size) {
    int status = munmap(at, size);
    if (status == 0) atomic_fetch_sub(&mapped_bytes, size);
    return status;
}

static inline int failing_mprotect(void *at, size_t size, int protection) {
    if (protection != PROT_NONE && mapping_fails()) return -1;
    return mprotect(at, size, protection);
}

#define mmap failing_mmap
#define munmap failing_munmap
#define mprotect failing_mprotect

#ifdef MREMAP_MAYMOVE
static inline void *failing_mremap(void *at, size_t old, size_t size, int flags, ...) {
    void *to = NULL;
    va_list more;
    if (size > old && mapping_fails()) return MAP_FAILED;
    va_start(more, flags);
    if (flags & MREMAP_FIXED) to = va_arg(more, void *);
    va_end(more);
    void *memory = to ? mremap(at, old, size, flags, to) : mremap(at, old, size, flags);
    if (memory != MAP_FAILED) atomic_fetch_add(&mapped_bytes, size - old);
    return memory;
}
#define mremap failing_mremap
#endif
#endif

#include "addresses.h"
#include "workers.h"

#if HAVE_THREADS

#undef mmap
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

#define MIB ((size_t)1 << 20)

// What a child tells its parent.
typedef struct {
    size_t mappings, failures; // made in the workload
    size_t nulls;              // calls that gave NULL
} verdict;

static verdict *told;

static bool verdict_open(void) {
    if (told) return true;
    void *memory =
        mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!CHECK(memory != MAP_FAILED)) return false;
    told = (verdict *)memory;
    return true;
}

// --- The workload --------------------------------------------------------------------------------

// Blocks of all sizes, up to some that are half of what there is. Their first and last bytes bear a
// pattern.
enum { HELD_MAX = 4000, ENDS = 128 };

static owned held[HELD_MAX];
static size_t held_count;

static size_t end_size(const owned *block) { return block->size < ENDS ? block->size : ENDS; }

static void mark(owned *block) {
    block->tag = test_random();
    pattern_fill(block->at, end_size(block), block->tag);
    // The last word whole, where the first and the last bytes meet.
    if (block->size > 2 * ENDS) pattern_fill(block->at + block->size - ENDS, ENDS, block->tag + 1);
}

static bool is_marked(const owned *block) {
    if (!pattern_holds(block->at, end_size(block), block->tag)) return false;
    return block->size <= 2 * ENDS ||
           pattern_holds(block->at + block->size - ENDS, ENDS, block->tag + 1);
}

static void check_all_marked(void) {
    for (size_t i = 0; i < held_count; i++)
        CHECK(is_marked(&held[i]));
}

// A call gave NULL: that is all that happened.
static void check_failure(int error) {
    told->nulls++;
    CHECK_EQUAL(error, ENOMEM);
    CHECK_ALL_SILENT();
    if (told->nulls % 64 < 4) check_all_marked();
}

static void hold(void *at, size_t size) {
    if (!at) {
        check_failure(errno_now());
        return;
    }
    held[held_count].at = (unsigned char *)at;
    held[held_count].size = size;
    mark(&held[held_count++]);
}

static void let_go(size_t index) {
    CHECK(is_marked(&held[index]));
    memmgr_free(held[index].at);
    held[index] = held[--held_count];
}

static void resize(size_t index, size_t size) {
    owned *block = &held[index];
    errno = 0;
    unsigned char *moved = (unsigned char *)memmgr_realloc(block->at, size);
    if (!moved) {
        check_failure(errno_now());
        CHECK(is_marked(block));
        return;
    }
    block->at = moved;
    CHECK(pattern_holds(moved, size < end_size(block) ? size : end_size(block), block->tag));
    block->size = size;
    mark(block);
}

static void take(size_t count, size_t smallest, size_t largest) {
    for (size_t i = 0; i < count && held_count < HELD_MAX; i++) {
        size_t size = test_log_uniform(smallest, largest);
        errno = 0;
        hold(memmgr_malloc(size), size);
    }
}

static void take_zeroed(size_t count, size_t largest) {
    for (size_t i = 0; i < count; i++) {
        size_t size = test_log_uniform(1, largest);
        errno = 0;
        void *at = memmgr_calloc(size, 1);
        CHECK(!at || bytes_are(at, size, 0));
        hold(at, size);
    }
}

static void take_aligned(size_t count, int shifts) {
    for (size_t i = 0; i < count; i++) {
        size_t alignment = (size_t)1 << test_below((size_t)shifts), size = test_below(100000);
        errno = 0;
        void *at = memmgr_aligned_alloc(alignment, size);
        CHECK(is_aligned(at, alignment));
        hold(at, size);
    }
}

// More than is mapped must fail when nothing more can be mapped.
static void take_too_much(void) {
    if (failing != FAIL_FROM || atomic_load(&mappings) < failing_at) return;
    size_t size = atomic_load(&mapped_bytes) + MIB;
    errno = 0;
    CHECK(kept(memmgr_malloc(size)) == NULL && errno_now() == ENOMEM);
    errno = 0;
    CHECK(kept(memmgr_calloc(size / 8, 8)) == NULL && errno_now() == ENOMEM);
    errno = 0;
    CHECK(kept(memmgr_aligned_alloc(65536, size)) == NULL && errno_now() == ENOMEM);
    if (held_count > 0) resize(0, size);
}

// A thread's first calls, one by one in an order of its own; the main thread waits meanwhile.
static void thread_takes(void *ctx) {
    size_t order = *(size_t *)ctx;
    if (order == 0) take_zeroed(1, 1000);
    if (order == 1) take_aligned(1, 12);
    if (order == 2 && held_count) let_go(held_count - 1);
    if (order == 3 && held_count) resize(held_count - 1, 5000);
    take(60, 1, 3000);
    take(4, 40000, 300000);
    for (size_t i = 0; i < 20 && held_count > 0; i++)
        let_go(held_count - 1);
}

static void workload_takes(void) {
    take(800, 1, 600);
    for (size_t i = 0; i < 60 && held_count > 0; i++)
        resize(test_below(held_count), test_log_uniform(1, 65536));
    take(80, 4096, 65536);
    for (size_t i = 0; i < 4; i++)
        in_new_thread(thread_takes, &i);
    take(20, 65536, 3 * MIB);
    take_too_much();
    take_zeroed(20, 5000);
    take_zeroed(1, MIB);
    take_aligned(20, 22);
    take(1, 66 * MIB, 66 * MIB);
    take(2, 5 * MIB, 20 * MIB);
    if (held_count > 0) resize(held_count - 1, 21 * MIB);
    if (held_count > 0) resize(held_count - 1, 100);
    take(1, 150 * MIB, 150 * MIB);
    take_too_much();
}

static void workload(void *ctx) {
    (void)ctx;
    workload_takes();
    check_all_marked();
    while (held_count > 300)
        let_go(test_below(held_count));
    memmgr_trim();
    workload_takes();
    told->mappings = atomic_load(&mappings);
    told->failures = atomic_load(&failures_made);
    check_all_marked();
    // There is memory again.
    failing = FAIL_NEVER;
    size_t nulls = told->nulls;
    workload_takes();
    CHECK_EQUAL(told->nulls, nulls);
    check_all_marked();
    while (held_count > 0)
        let_go(test_below(held_count));
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    CHECK_EQUAL(stats.live_blocks, 0);
    CHECK_EQUAL(stats.used, 0);
    CHECK_ALL_SILENT();
}

static bool workload_with(fail_mode mode, size_t at) {
    memset(told, 0, sizeof *told);
    failing = mode;
    failing_at = at;
    bool well = in_child(workload, NULL);
    if (!well) printf("    mode %d at mapping %lu\n", (int)mode, (unsigned long)at);
    failing = FAIL_NEVER;
    return well;
}

// At most so many of `all`, evenly: the first ones are always there.
static size_t next_point(size_t at, size_t all) {
    size_t points = SANITIZED ? 10 : test_count(30);
    return at < points / 2 || all <= points ? at + 1 : at + (all - at + points) / points;
}

static void each_mapping(fail_mode mode) {
    size_t nulls = 0;
    if (!SWITCH_ON || !verdict_open()) return;
    REQUIRE(workload_with(FAIL_NEVER, 0));
    CHECK_EQUAL(told->nulls, 0);
    size_t all = told->mappings;
    CHECK(all > 0);
    for (size_t at = 1; at <= all && test_failures == 0; at = next_point(at, all)) {
        if (!workload_with(mode, at)) break;
        CHECK(told->failures > 0);
        nulls += told->nulls;
    }
    if (mode == FAIL_FROM) CHECK(nulls > 0);
    printf("    %lu mappings, %lu times NULL\n", (unsigned long)all, (unsigned long)nulls);
}

static void test_exhaustion_once(void) { each_mapping(FAIL_ONCE); }
static void test_exhaustion_from_then_on(void) { each_mapping(FAIL_FROM); }

static void test_exhaustion_often(void) {
    if (!SWITCH_ON || !verdict_open()) return;
    for (size_t seed = 0; seed < test_count(20) && test_failures == 0; seed++)
        (void)workload_with(FAIL_OFTEN, seed * 7919);
}

// The first calls of a process that gets nothing at all: NULL, and misuse is misuse.
static void nothing_at_all(void *ctx) {
    unsigned char here[64] = {0};
    void *pointer = pointer_plus(here, 16);
    memmgr_stats stats;
    switch (*(size_t *)ctx) {
    case 0:
        memmgr_free(NULL);
        break;
    case 1:
        memmgr_stats_get(&stats);
        break;
    case 2:
        memmgr_trim();
        break;
    case 3:
        CHECK(kept(memmgr_realloc(NULL, 10)) == NULL);
        break;
    case 4:
        CHECK(kept(memmgr_aligned_alloc(64, 64)) == NULL);
        break;
    case 5:
        CHECK(kept(memmgr_calloc(1, 1)) == NULL);
        break;
    default:
        CHECK_EQUAL(memmgr_usable_size(NULL), 0);
    }
    errno = 0;
    CHECK(kept(memmgr_malloc(1)) == NULL && errno_now() == ENOMEM);
    CHECK_ALL_SILENT();
    memmgr_free(pointer);
    CHECK(own_report_was(MEMMGR_FOREIGN_POINTER, pointer));
    CHECK(kept(memmgr_realloc(pointer, 10)) == NULL);
    CHECK(own_report_was(MEMMGR_FOREIGN_POINTER, pointer));
    CHECK_EQUAL(memmgr_usable_size(pointer), 0);
    CHECK(own_report_was(MEMMGR_FOREIGN_POINTER, pointer));
    failing = FAIL_NEVER;
    void *block = memmgr_malloc(1);
    CHECK(block != NULL);
    memmgr_free(block);
    CHECK_EQUAL(own_reports.count, 0);
}

static void test_exhaustion_from_the_start(void) {
    if (!SWITCH_ON) return;
    for (size_t kind = 0; kind < 7; kind++) {
        failing = FAIL_FROM;
        failing_at = 1;
        in_child(nothing_at_all, &kind);
        failing = FAIL_NEVER;
    }
}

// --- Threads, each until there is no more --------------------------------------------------------

static barrier taken;

static void take_all_work(void *ctx, size_t index) {
    owned *first = (owned *)ctx + index * 400;
    uint64_t random = test_seed + index;
    size_t count = 0, nulls = 0;
    for (size_t i = 0; i < 4000 && nulls < 50 && count < 400; i++) {
        owned *block = &first[count];
        block->size = 1 + any_size(&random, MIB);
        errno = 0;
        block->at = (unsigned char *)memmgr_malloc(block->size);
        HOLDS(block->at || errno_now() == ENOMEM);
        if (block->at)
            owned_stamp(block, &random), count++;
        else
            nulls++;
    }
    barrier_wait(&taken);
    for (size_t i = 0; i < count; i++)
        owned_free(&first[i], &random);
}

static void take_all(void *ctx) {
    memmgr_stats stats;
    owned *blocks = (owned *)calloc(THREADS * 400, sizeof *blocks);
    (void)ctx;
    barrier_open(&taken, THREADS);
    if (!CHECK(blocks && threads_run(take_all_work, blocks))) return;
    failing = FAIL_NEVER;
    CHECK(threads_run(take_all_work, blocks));
    barrier_close(&taken);
    memmgr_stats_get(&stats);
    CHECK_EQUAL(stats.live_blocks, 0);
    CHECK_EQUAL(stats.used, 0);
    CHECK_ALL_SILENT();
    free(blocks);
}

static void test_exhaustion_of_threads(void) {
    if (!SWITCH_ON) return;
    for (size_t at = 1; at <= test_count(12) && test_failures == 0; at++) {
        for (failing = FAIL_ONCE; failing < FAIL_MODES; failing++) {
            failing_at = at;
            in_child(take_all, NULL);
        }
    }
    failing = FAIL_NEVER;
}

// --- Limits --------------------------------------------------------------------------------------

typedef struct {
    bool of_data; // and not of addresses
    size_t limit; // bytes
} limited;

static bool limit_set(const limited *own) {
    struct rlimit limit = {own->limit, own->limit};
#if defined(RLIMIT_DATA)
    if (own->of_data) return setrlimit(RLIMIT_DATA, &limit) == 0;
#endif
    return setrlimit(RLIMIT_AS, &limit) == 0;
}

// Blocks in a list, until there are no more; their sum.
static size_t fill_up(size_t size) {
    void **last = NULL, **block;
    size_t bytes = 0;
    errno = 0;
    while ((block = (void **)memmgr_malloc(size)) != NULL) {
        *block = last;
        last = block;
        bytes += size;
        if (bytes / MIB > 8192) break; // there is no limit
    }
    CHECK_EQUAL(errno_now(), ENOMEM);
    while (last) {
        block = (void **)*last;
        memmgr_free(last);
        last = block;
    }
    return bytes;
}

static void limited_work(void *ctx) {
    limited *own = (limited *)ctx;
    static const size_t sizes[] = {1000, 50000, 1 << 20, 5 << 20};
    // Small blocks touch all of it.
    size_t first = own->limit <= 128 * MIB ? 0 : own->limit <= 512 * MIB ? 1 : 2;
    if (!CHECK(limit_set(own))) return;
    printf("    %4lu MiB:", (unsigned long)(own->limit / MIB));
    for (size_t i = first; i < sizeof sizes / sizeof *sizes; i++) {
        size_t once = fill_up(sizes[i]), again = fill_up(sizes[i]);
        printf(" %lu MiB of %lu B", (unsigned long)(once / MIB), (unsigned long)sizes[i]);
        // After smaller blocks, larger ones must find room.
        if (!(once >= own->limit / 2 && again >= once - once / 10)) {
            printf(", again %lu MiB\n", (unsigned long)(again / MIB));
            FAIL("less than half of it");
        }
    }
    printf("\n");
    CHECK_ALL_SILENT();
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    if (SWITCH_ON) CHECK_EQUAL(stats.live_blocks, 0);
}

static void limits(bool of_data) {
    static const size_t sizes[] = {64, 128, 512, 4096};
    if (SANITIZED || sizeof(size_t) < 8) return; // a sanitizer has mapped far more already
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        limited one = {of_data, sizes[i] * MIB};
        in_child(limited_work, &one);
    }
}

static void test_exhaustion_limit_of_addresses(void) { limits(false); }

static void test_exhaustion_limit_of_data(void) {
#if defined(__linux__) // elsewhere it is about brk() alone
    limits(true);
#endif
}

// A process that had memory before it was limited, and a thread that starts without any. What was
// mapped or reserved before counts, so the limit is above that; the thread's stack is below it.
static void thread_fills_up(void *served) { *(size_t *)served = fill_up(30000); }

static void limited_late(void *ctx) {
    size_t served = 0;
    uint64_t random = test_seed;
    (void)ctx;
    owned before = owned_new(&random, 100000);
    limited one = {false, addresses_now() + 128 * MIB};
    if (!CHECK(before.at && limit_set(&one))) return;
    in_new_thread(thread_fills_up, &served);
    CHECK(served >= 64 * MIB);
    size_t again = fill_up(30000);
    printf("    %lu MiB, then %lu MiB\n", (unsigned long)(served / MIB),
           (unsigned long)(again / MIB));
    CHECK(again >= served - served / 10);
    owned_free(&before, &random);
    CHECK_ALL_SILENT();
}

static void test_exhaustion_limited_late(void) {
    if (!SANITIZED && addresses_now() > 0) in_child(limited_late, NULL);
}

#endif

static const test_case tests[] = {
#if HAVE_THREADS
    TEST(test_exhaustion_once),
    TEST(test_exhaustion_from_then_on),
    TEST(test_exhaustion_often),
    TEST(test_exhaustion_from_the_start),
    TEST(test_exhaustion_of_threads),
    TEST(test_exhaustion_limit_of_addresses),
    TEST(test_exhaustion_limit_of_data),
    TEST(test_exhaustion_limited_late),
#endif
    {NULL, NULL},
};

int main(int argc, char **argv) {
#if HAVE_THREADS
    (void)failing_mprotect; // the implementation need not use all of them
#ifdef MREMAP_MAYMOVE
    (void)failing_mremap;
#endif
#endif
    return test_main(tests, sizeof tests / sizeof *tests - 1, argc, argv);
}
