// test_general.c: memmgr_malloc and the rest, from one thread and from many; a pool that threads
// share.
#include "support.h"
#include "threads.h"

#include <errno.h>
#if HAVE_THREADS
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

// Where general calls draw from one small array, less is asked of them.
#ifdef MEMMGR_NO_OS
enum { LARGEST = 4096, HELD_MAX = 100 };
#else
enum { LARGEST = 1 << 20, HELD_MAX = 2000 };
#endif

typedef struct {
    unsigned char *at;
    size_t size; // as asked for
    uint64_t tag;
} held_block;

static held_block held[HELD_MAX];
static size_t held_count;

static void hold(void *at, size_t size) {
    if (!at) return;
    held[held_count].at = (unsigned char *)at;
    held[held_count].size = size;
    held[held_count].tag = test_random();
    pattern_fill(at, size, held[held_count].tag);
    held_count++;
}

static void let_go(size_t index) {
    held_block block = held[index];
    CHECK(pattern_holds(block.at, block.size, block.tag));
    held[index] = held[--held_count];
    if (test_chance(50))
        memmgr_free(block.at);
    else
        memmgr_free_sized(block.at, block.size);
}

// --- One thread ----------------------------------------------------------------------------------

static void test_general_small_sizes(void) {
    reports_start();
    for (size_t size = 0; size <= 600; size++) {
        void *block = memmgr_malloc(size);
        void *zeroed = memmgr_calloc(size, 1);
        REQUIRE(block && zeroed && block != zeroed);
        CHECK(is_aligned(block, sizeof(void *) == 8 && size >= 16 ? 16 : sizeof(void *)));
        CHECK(memmgr_usable_size(block) >= size && memmgr_usable_size(zeroed) >= size);
        CHECK(bytes_are(zeroed, size, 0));
        memset(block, 0xFF, size);
        CHECK(bytes_are(zeroed, size, 0));
        memmgr_free(block);
        memmgr_free_sized(zeroed, size);
    }
    CHECK_SILENT();
}

static void test_general_null_and_nothing(void) {
    reports_start();
    memmgr_free(NULL);
    memmgr_free_sized(NULL, 100);
    CHECK_EQUAL(memmgr_usable_size(NULL), 0);
    void *first = memmgr_malloc(0), *second = memmgr_malloc(0);
    void *third = memmgr_calloc(0, 100), *fourth = memmgr_realloc(NULL, 0);
    CHECK(first && second && third && fourth && first != second && second != third);
    memmgr_free(first);
    memmgr_free(second);
    memmgr_free(third);
    memmgr_free(fourth);
    CHECK_SILENT();
}

static void test_general_too_large(void) {
    static const size_t edges[] = {SIZE_MAX, SIZE_MAX / 2 + 64, (size_t)PTRDIFF_MAX + 64};
    unsigned char *block = (unsigned char *)memmgr_malloc(100);
    reports_start();
    REQUIRE(block != NULL);
    pattern_fill(block, 100, 5);
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
        for (size_t less = 0; less < 64; less++) {
            size_t size = opaque(edges[i] - less);
            errno = 0;
            CHECK(kept(memmgr_malloc(size)) == NULL);
#ifndef MEMMGR_NO_OS
            CHECK_EQUAL(errno, ENOMEM);
#endif
            CHECK(!kept(memmgr_calloc(1, size)) && !kept(memmgr_calloc(size, 1)));
            CHECK(!kept(memmgr_realloc(NULL, size)) && !kept(memmgr_realloc(block, size)));
            CHECK(kept(memmgr_aligned_alloc(64, size / 64 * 64)) == NULL);
        }
    }
    CHECK(!kept(memmgr_calloc(opaque(SIZE_MAX / 2 + 1), opaque(2))));
    CHECK(!kept(memmgr_calloc(opaque(SIZE_MAX / 8), opaque(9))));
    const size_t half = (size_t)1 << (4 * sizeof(size_t));
    CHECK(!kept(memmgr_calloc(opaque(half), opaque(half))));
    CHECK(pattern_holds(block, 100, 5));
    memmgr_free(block);
    CHECK_SILENT();
}

static void test_general_realloc(void) {
    reports_start();
    unsigned char *block = (unsigned char *)memmgr_realloc(NULL, 10);
    REQUIRE(block != NULL);
    size_t size = 10;
    pattern_fill(block, size, 3);
    for (int i = 0; i < 2000; i++) {
        size_t next = test_log_uniform(1, LARGEST);
        unsigned char *moved = (unsigned char *)memmgr_realloc(block, next);
        REQUIRE(moved != NULL);
        CHECK(pattern_holds(moved, (size < next ? size : next) / 8 * 8, 3));
        CHECK(memmgr_usable_size(moved) >= next);
        block = moved;
        size = next;
        pattern_fill(block, size, 3);
    }
    memmgr_free(block);
    CHECK_SILENT();
}

// As the C library of the platform has it.
static void test_general_realloc_to_nothing(void) {
    void *block = kept(memmgr_malloc(100));
    reports_start();
    REQUIRE(block != NULL);
    void *left = kept(memmgr_realloc(block, opaque(0)));
#ifdef __GLIBC__
    CHECK(left == NULL);
    if (SWITCH_ON) {
        memmgr_free(pointer_plus(block, 0));
        CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    }
#endif
    memmgr_free(left);
    CHECK_SILENT();
}

static void test_general_alignment(void) {
#ifdef MEMMGR_NO_OS
    const int last = 10;
#else
    const int last = 22;
#endif
    reports_start();
    for (int shift = 0; shift <= last; shift++) {
        size_t alignment = (size_t)1 << shift;
        for (size_t size = alignment; size < 3 * alignment + 2000; size += 1 + size / 2) {
            size_t request = size / alignment * alignment;
            void *block = memmgr_aligned_alloc(alignment, request);
            REQUIRE(block && is_aligned(block, alignment));
            CHECK(memmgr_usable_size(block) >= request);
            hold(block, request < 5000 ? request : 5000);
        }
        while (held_count)
            let_go(test_below(held_count));
    }
    CHECK_SILENT();
    if (!SWITCH_ON) return;
    for (size_t alignment = 0; alignment < 200; alignment++) {
        void *block = memmgr_aligned_alloc(opaque(alignment), 100);
        bool power = alignment != 0 && (alignment & (alignment - 1)) == 0;
        CHECK((block != NULL) == power);
        if (!power) CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
        memmgr_free(block);
        CHECK_SILENT();
    }
    CHECK(kept(memmgr_aligned_alloc(opaque(SIZE_MAX), 100)) == NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    CHECK(kept(memmgr_aligned_alloc(opaque(SIZE_MAX / 2 + 1), 100)) == NULL);
    CHECK_SILENT();
}

// --- Statistics ----------------------------------------------------------------------------------

static void test_general_stats(void) {
    memmgr_stats before, during, after;
    reports_start();
    memmgr_stats_get(&before);
    for (size_t i = 0; i < HELD_MAX / 2; i++)
        hold(memmgr_malloc(200), 200);
    memmgr_stats_get(&during);
    size_t count = held_count;
    while (held_count)
        let_go(held_count - 1);
    memmgr_stats_get(&after);
    CHECK_SILENT();
    if (!SWITCH_ON) return;
    CHECK_EQUAL(during.live_blocks, before.live_blocks + count);
    CHECK(during.used >= before.used + 200 * count);
    CHECK(during.used + during.free + during.overhead == during.capacity);
    CHECK(during.peak_used >= during.used && after.peak_used >= during.used);
    CHECK_EQUAL(during.allocations - during.frees, during.live_blocks);
    // Blocks count as allocated when they leave their slab for a thread's stack.
    CHECK(during.allocations >= before.live_blocks + count);
    CHECK(during.allocations >= before.allocations);
    CHECK_EQUAL(after.live_blocks, before.live_blocks);
    CHECK_EQUAL(after.used, before.used);
    CHECK_EQUAL(after.allocations - after.frees, after.live_blocks);
    CHECK_EQUAL(after.failures, before.failures);
    CHECK_EQUAL(after.misuses, before.misuses);
    CHECK(kept(memmgr_malloc(opaque(SIZE_MAX))) == NULL);
    memmgr_stats_get(&after);
    CHECK_EQUAL(after.failures, before.failures + 1);
}

static void test_general_trim(void) {
    memmgr_stats before, after;
    reports_start();
    for (int round = 0; round < 3; round++) {
        while (held_count < HELD_MAX) {
            size_t size = test_log_uniform(1, LARGEST / 32);
            void *block = memmgr_malloc(size);
            if (!block) break;
            hold(block, size);
        }
        while (held_count > 10)
            let_go(test_below(held_count));
        memmgr_stats_get(&before);
        memmgr_trim();
        memmgr_stats_get(&after);
        CHECK(after.capacity <= before.capacity);
        CHECK_EQUAL(after.used, before.used);
        for (size_t i = 0; i < held_count; i++) {
            CHECK(pattern_holds(held[i].at, held[i].size, held[i].tag));
        }
        while (held_count)
            let_go(0);
        memmgr_trim();
        CHECK_SILENT();
    }
}

// --- Misuse --------------------------------------------------------------------------------------

static void misuse(void *pointer, memmgr_error expected) {
    memmgr_stats before, after;
    reports_start();
    memmgr_stats_get(&before);
    memmgr_free(pointer);
    CHECK_REPORTED(expected);
    CHECK(reports.last.pointer == pointer && reports.last.pool == NULL);
    memmgr_free_sized(pointer, 16);
    CHECK_REPORTED(expected);
    CHECK(kept(memmgr_realloc(pointer, 50)) == NULL);
    CHECK_REPORTED(expected);
    CHECK(kept(memmgr_realloc(pointer, opaque(SIZE_MAX))) == NULL);
    CHECK_REPORTED(expected);
    CHECK_EQUAL(memmgr_usable_size(pointer), 0);
    CHECK_REPORTED(expected);
    memmgr_stats_get(&after);
    CHECK_EQUAL(after.misuses, before.misuses + 5);
    after.misuses = before.misuses;
    CHECK(stats_equal(&before, &after));
}

static void test_general_misuse(void) {
    static unsigned char in_static_memory[64];
    static unsigned char pool_memory[4096];
    unsigned char on_the_stack[64];
    if (!SWITCH_ON) return;
    reports_start();
    memmgr_pool *pool = memmgr_pool_init(pool_memory, sizeof pool_memory, NULL);
    void *guard = memmgr_malloc(100);
    void *in_pool = memmgr_pool_alloc(pool, 64), *on_the_heap = malloc(64);
    REQUIRE(pool && in_pool && on_the_heap && guard);
    for (size_t size = 1; size <= 20000; size += size < 300 ? 1 : 997) {
        unsigned char *block = (unsigned char *)memmgr_malloc(size);
        if (!block) break;
        for (int i = 0; i < 5; i++) {
            size_t inside = 1 + test_below(memmgr_usable_size(block) - 1);
            misuse(pointer_plus(block, (intptr_t)inside), MEMMGR_INTERIOR_POINTER);
        }
        memmgr_free(block);
        CHECK_SILENT();
        misuse(pointer_plus(block, 0), MEMMGR_DOUBLE_FREE);
    }
    misuse(pointer_plus(on_the_stack, 16), MEMMGR_FOREIGN_POINTER);
    misuse(pointer_plus(in_static_memory, 16), MEMMGR_FOREIGN_POINTER);
    misuse(pointer_plus(in_pool, 0), MEMMGR_FOREIGN_POINTER);
    misuse(pointer_plus(on_the_heap, 0), MEMMGR_FOREIGN_POINTER);
    misuse(pointer_plus(NULL, 8), MEMMGR_FOREIGN_POINTER);
    misuse(pointer_plus(NULL, -16), MEMMGR_FOREIGN_POINTER);
    memmgr_free(guard);
    free(on_the_heap);
    CHECK_SILENT();
}

// A model of the general calls: an array of live blocks.
static void test_general_random(void) {
    bool filling = true;
    reports_start();
    for (size_t i = 0; i < test_count(200000) && test_failures == 0; i++) {
        size_t roll = test_below(100);
        size_t size = test_log_uniform(1, test_chance(2) ? LARGEST : 2000);
        if (test_below(5000) == 0) filling = !filling;
        if (held_count < HELD_MAX && roll < (filling ? 55u : 35u)) {
            size_t alignment = (size_t)1 << test_below(9);
            if (roll % 8 == 0)
                hold(memmgr_aligned_alloc(alignment, size), size);
            else if (roll % 8 == 1)
                hold(memmgr_calloc(size, 1), size);
            else
                hold(memmgr_malloc(size), size);
        } else if (held_count && roll < 80) {
            let_go(test_below(held_count));
        } else if (held_count && roll < 95) {
            held_block *block = &held[test_below(held_count)];
            unsigned char *at = (unsigned char *)memmgr_realloc(block->at, size);
            if (!at) continue;
            CHECK(pattern_holds(at, (size < block->size ? size : block->size) / 8 * 8, block->tag));
            block->at = at;
            block->size = size;
            pattern_fill(at, size, block->tag);
        } else if (SWITCH_ON && held_count) {
            held_block *block = &held[test_below(held_count)];
            CHECK_SILENT();
            size_t inside = 1 + test_below(memmgr_usable_size(block->at) - 1);
            memmgr_free(pointer_plus(block->at, (intptr_t)inside));
            CHECK_EQUAL(reports.count, 1);
            reports_start();
        }
    }
    while (held_count)
        let_go(test_below(held_count));
    CHECK_SILENT();
}

// --- Many threads --------------------------------------------------------------------------------

#if HAVE_THREADS

enum { SHELF = 256, STEPS = 40000 };

// Blocks change hands here: whoever finds one frees it.
typedef struct {
    pthread_mutex_t lock;
    held_block shelf[SHELF];
    memmgr_pool *pool; // NULL: the general calls
    size_t wrong;
    size_t done;
    size_t misuses[THREADS];
} hand_over;

static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;

static void report_locked(const memmgr_report *report, void *ctx) {
    pthread_mutex_lock(&report_lock);
    reports_record(report, ctx);
    pthread_mutex_unlock(&report_lock);
}

static void *any_alloc(memmgr_pool *pool, uint64_t *state, size_t size) {
    size_t kind = thread_below(state, 8);
    if (kind == 0) return pool ? memmgr_pool_calloc(pool, 1, size) : memmgr_calloc(1, size);
    if (kind == 1) {
        return pool ? memmgr_pool_aligned_alloc(pool, 64, size) : memmgr_aligned_alloc(64, size);
    }
    return pool ? memmgr_pool_alloc(pool, size) : memmgr_malloc(size);
}

static void any_free(memmgr_pool *pool, void *block) {
    if (pool)
        memmgr_pool_free(pool, block);
    else
        memmgr_free(block);
}

static void *any_realloc(memmgr_pool *pool, void *block, size_t size) {
    return pool ? memmgr_pool_realloc(pool, block, size) : memmgr_realloc(block, size);
}

static held_block exchange(hand_over *shared, size_t place, held_block block) {
    pthread_mutex_lock(&shared->lock);
    held_block found = shared->shelf[place];
    shared->shelf[place] = block;
    pthread_mutex_unlock(&shared->lock);
    return found;
}

static size_t finish(hand_over *shared, held_block block) {
    if (!block.at) return 0;
    size_t wrong = pattern_holds(block.at, block.size, block.tag) ? 0 : 1;
    any_free(shared->pool, block.at);
    return wrong;
}

static void hand_over_work(void *ctx, size_t index) {
    hand_over *shared = (hand_over *)ctx;
    uint64_t state = test_seed * 31 + index;
    size_t wrong = 0;
    for (size_t i = 0; i < test_count(STEPS); i++) {
        held_block block;
        block.size = 1 + thread_below(&state, thread_below(&state, 50) ? 500 : 5000);
        block.tag = thread_below(&state, SIZE_MAX);
        block.at = (unsigned char *)any_alloc(shared->pool, &state, block.size);
        if (block.at) pattern_fill(block.at, block.size, block.tag);
        if (block.at && thread_below(&state, 4) == 0) {
            size_t size = 1 + thread_below(&state, 800);
            void *moved = any_realloc(shared->pool, block.at, size);
            size_t same = size < block.size ? size : block.size;
            if (moved && !pattern_holds(moved, same / 8 * 8, block.tag)) wrong++;
            if (moved) block.at = (unsigned char *)moved, block.size = size;
            pattern_fill(block.at, block.size, block.tag);
        }
        wrong += finish(shared, exchange(shared, thread_below(&state, SHELF), block));
        if (!SWITCH_ON || thread_below(&state, 10) != 0) continue;
        unsigned char own[32];
        any_free(shared->pool, pointer_plus(own, 8));
        shared->misuses[index]++;
    }
    pthread_mutex_lock(&shared->lock);
    shared->wrong += wrong;
    shared->done++;
    pthread_mutex_unlock(&shared->lock);
}

static void hand_over_run(memmgr_pool *pool) {
    static hand_over shared;
    held_block none;
    size_t misuses = 0;
    memset(&shared, 0, sizeof shared);
    memset(&none, 0, sizeof none);
    pthread_mutex_init(&shared.lock, NULL);
    shared.pool = pool;
    reports_start();
    memmgr_set_error_handler(report_locked, &reports);
    CHECK(threads_run(hand_over_work, &shared));
    for (size_t i = 0; i < SHELF; i++)
        shared.wrong += finish(&shared, exchange(&shared, i, none));
    for (size_t i = 0; i < THREADS; i++)
        misuses += shared.misuses[i];
    CHECK_EQUAL(shared.done, THREADS);
    CHECK_EQUAL(shared.wrong, 0);
    CHECK_EQUAL(reports.count, misuses);
    CHECK_EQUAL(reports.of[MEMMGR_FOREIGN_POINTER], misuses);
    reports_start();
    pthread_mutex_destroy(&shared.lock);
}

static void test_general_threads_hand_over(void) {
    memmgr_stats before, after;
    memmgr_stats_get(&before);
    hand_over_run(NULL);
    memmgr_stats_get(&after);
    if (!SWITCH_ON) return;
    CHECK_EQUAL(after.live_blocks, before.live_blocks);
    CHECK_EQUAL(after.used, before.used);
    CHECK_EQUAL(after.allocations - after.frees, after.live_blocks);
}

static void test_general_threads_share_a_pool(void) {
    for (int round = 0; round < 3; round++) {
        memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_LOCKED);
        if (round == 1) desc.flags |= MEMMGR_POOL_EAGER | MEMMGR_POOL_FILL;
        test_buffer buffer = buffer_new(round == 2 ? 40000 : 1000000, 0);
        memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
        REQUIRE(pool != NULL);
        hand_over_run(pool);
        CHECK(pool_agrees(pool));
        CHECK_EQUAL(memmgr_pool_bytes_used(pool), 0);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
        CHECK_SILENT();
        buffer_drop(&buffer);
    }
}

// A pool that threads share and that grows.
static void test_general_threads_share_a_growing_pool(void) {
#ifndef MEMMGR_NO_OS
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_LOCKED | MEMMGR_POOL_GROW);
    memmgr_pool *pool = memmgr_pool_create(4096, &desc);
    REQUIRE(pool != NULL);
    hand_over_run(pool);
    CHECK(pool_agrees(pool));
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
#endif
}

// The same blocks freed by every thread at once: of each, one free takes effect and the others are
// reported.
enum { RACED = 500 };

typedef struct {
    void *block[RACED];
    memmgr_pool *pool;
} race;

static void race_work(void *ctx, size_t index) {
    race *raced = (race *)ctx;
    for (size_t i = 0; i < RACED; i++) {
        size_t which = index % 2 ? i : RACED - 1 - i;
        any_free(raced->pool, pointer_plus(raced->block[which], 0));
    }
}

static void race_run(memmgr_pool *pool) {
    static race raced;
    raced.pool = pool;
    uint64_t state = test_seed;
    for (size_t i = 0; i < RACED; i++) {
        raced.block[i] = any_alloc(pool, &state, 1 + i);
        REQUIRE(raced.block[i] != NULL);
    }
    reports_start();
    memmgr_set_error_handler(report_locked, &reports);
    CHECK(threads_run(race_work, &raced));
    CHECK_EQUAL(reports.count, RACED * (THREADS - 1));
    CHECK_EQUAL(reports.of[MEMMGR_DOUBLE_FREE], RACED * (THREADS - 1));
    reports_start();
}

static void test_general_threads_race_to_free(void) {
    if (!SWITCH_ON) return;
    memmgr_stats before, after;
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_LOCKED);
    test_buffer buffer = buffer_new(400000, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, &desc);
    REQUIRE(pool != NULL);
    race_run(pool);
    CHECK(pool_agrees(pool));
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&buffer);
    memmgr_stats_get(&before);
    race_run(NULL);
    memmgr_stats_get(&after);
    CHECK_EQUAL(after.live_blocks, before.live_blocks);
    CHECK_EQUAL(after.misuses, before.misuses + RACED * (THREADS - 1));
}

// A thread whose first call is a free, a realloc or a misuse.
static void first_call_work(void *ctx, size_t index) {
    void **block = (void **)ctx + index;
    if (index == 0)
        memmgr_free(*block), *block = NULL;
    else if (index == 1)
        *block = memmgr_realloc(*block, 3000);
    else if (index == 2)
        memmgr_usable_size(*block);
    else
        memmgr_free(NULL);
}

static void test_general_threads_first_call(void) {
    reports_start();
    for (int round = 0; round < 50; round++) {
        void *block[THREADS];
        for (size_t i = 0; i < THREADS; i++)
            block[i] = memmgr_malloc(100 + i);
        REQUIRE(block[0] && block[1] && block[2] && block[3]);
        pattern_fill(block[1], 96, 9);
        CHECK(threads_run(first_call_work, block));
        CHECK(pattern_holds(block[1], 96, 9));
        for (size_t i = 0; i < THREADS; i++)
            memmgr_free(block[i]);
    }
    CHECK_SILENT();
}

// A fork while other threads are in the heap: the child's calls work.
typedef struct {
    atomic_bool done;
    int children;
} fork_state;

static void fork_work(void *ctx, size_t index) {
    fork_state *state = (fork_state *)ctx;
    if (index != 0) {
        while (!atomic_load(&state->done))
            memmgr_free(memmgr_malloc(index * 100));
        return;
    }
    for (int round = 0; round < 100; round++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(5); // a deadlock ends here, as a failure
            void *block = memmgr_malloc(1000);
            memmgr_free(block);
            _exit(block ? 0 : 1);
        }
        int status = 1;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) break;
        state->children++;
    }
    atomic_store(&state->done, true);
}

static void test_general_threads_fork(void) {
    fork_state state;
    atomic_init(&state.done, false);
    state.children = 0;
    reports_start();
    CHECK(threads_run(fork_work, &state));
    CHECK_EQUAL(state.children, 100);
    CHECK_SILENT();
}

#endif

static const test_case tests[] = {
    TEST(test_general_small_sizes),
    TEST(test_general_null_and_nothing),
    TEST(test_general_too_large),
    TEST(test_general_realloc),
    TEST(test_general_realloc_to_nothing),
    TEST(test_general_alignment),
    TEST(test_general_stats),
    TEST(test_general_trim),
    TEST(test_general_misuse),
    TEST(test_general_random),
#if HAVE_THREADS
    TEST(test_general_threads_hand_over),
    TEST(test_general_threads_share_a_pool),
    TEST(test_general_threads_share_a_growing_pool),
    TEST(test_general_threads_race_to_free),
    TEST(test_general_threads_first_call),
    TEST(test_general_threads_fork),
#endif
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
