// stress_legit.c: legitimate operations only; one report is a failure. The argument is their number
// (default two million); a thousand million takes about a minute:
//
//     build/tests/stress_legit 1000000000
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMMGR_IMPLEMENTATION
#include "../memmgr.h"

enum { SLOTS = 4096, POOLS = 4, POOL_SIZE = 4 << 20, BATCH = 1 << 16 };

typedef struct {
    memmgr_pool *pool; // NULL: the general calls
    void *block[SLOTS];
} worker;

static worker workers[POOLS + 1];
static unsigned char buffers[POOLS][POOL_SIZE];
static uint64_t state;

static void any_report(const memmgr_report *report, void *ctx) {
    (void)ctx;
    printf("FAILED: a report, %s, about %p, without a misuse\n", memmgr_error_name(report->error),
           report->pointer);
    exit(1);
}

static uint64_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t random_size(uint64_t random) {
    unsigned shift = 4 + (unsigned)(random >> 8) % 8;
    if ((random & 63) == 0) shift += 4;
    return 1 + (size_t)(random >> 16) % ((size_t)1 << shift);
}

static void *take(memmgr_pool *pool, uint64_t random, size_t size) {
    size_t alignment = (size_t)1 << (random >> 56) % 10;
    switch (random >> 48 & 31) {
    case 0:
        return pool ? memmgr_pool_calloc(pool, size, 1) : memmgr_calloc(size, 1);
    case 1:
        return pool ? memmgr_pool_aligned_alloc(pool, alignment, size)
                    : memmgr_aligned_alloc(alignment, size);
    default:
        return pool ? memmgr_pool_alloc(pool, size) : memmgr_malloc(size);
    }
}

static void step(worker *w) {
    uint64_t random = next_random();
    void **slot = &w->block[random % SLOTS];
    size_t size = random_size(random >> 12);
    if (!*slot) {
        *slot = take(w->pool, random, size);
    } else if ((random >> 60) == 0) {
        void *moved =
            w->pool ? memmgr_pool_realloc(w->pool, *slot, size) : memmgr_realloc(*slot, size);
        if (moved) *slot = moved;
    } else if ((random >> 60) == 1) {
        size_t usable =
            w->pool ? memmgr_pool_usable_size(w->pool, *slot) : memmgr_usable_size(*slot);
        memset(*slot, (int)(random & 255), usable);
    } else {
        if (w->pool)
            memmgr_pool_free(w->pool, *slot);
        else
            memmgr_free(*slot);
        *slot = NULL;
    }
}

static void finish(worker *w) {
    for (size_t i = 0; i < SLOTS; i++) {
        if (w->pool)
            memmgr_pool_free(w->pool, w->block[i]);
        else
            memmgr_free(w->block[i]);
    }
    if (w->pool && memmgr_pool_check(w->pool) != MEMMGR_OK) exit(1);
    if (w->pool && memmgr_pool_destroy(w->pool) != 0) exit(1);
}

int main(int argc, char **argv) {
    static const unsigned flags[POOLS] = {0, MEMMGR_POOL_EAGER, MEMMGR_POOL_LOCKED, 0};
    unsigned long long count = argc > 1 ? strtoull(argv[1], NULL, 10) : 2000000;
    const char *seed = getenv("SEED");
    state = (seed ? strtoull(seed, NULL, 0) : 1) * 2 + 1;
    memmgr_set_error_handler(any_report, NULL);
    for (size_t i = 0; i < POOLS; i++) {
        memmgr_pool_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.flags = flags[i];
        workers[i].pool = memmgr_pool_init(buffers[i], i == 3 ? 65536 : POOL_SIZE, &desc);
        if (!workers[i].pool) return 1;
    }
    for (unsigned long long done = 0; done < count; done += BATCH) {
        worker *w = &workers[done / BATCH % (POOLS + 1)];
        for (unsigned i = 0; i < BATCH; i++)
            step(w);
    }
    for (size_t i = 0; i <= POOLS; i++)
        finish(&workers[i]);
    printf("%llu legitimate operations, no report\n1 passed, 0 failed\n", count);
    return 0;
}
