// Statistics, and a visit to every block.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

typedef struct {
    size_t live_blocks, live_bytes, largest;
} Census;

static bool count(const memmgr_block *block, void *ctx) {
    Census *census = ctx;
    if (block->live) {
        census->live_blocks++;
        census->live_bytes += block->size;
        if (block->size > census->largest) census->largest = block->size;
    }
    return true; // go on
}

int main(void) {
    memmgr_pool *pool = memmgr_pool_create(1u << 20, NULL);
    if (!pool) return 1;
    void *block = NULL;
    for (size_t i = 1; i <= 100; i++)
        block = memmgr_pool_alloc(pool, i * 48);
    memmgr_pool_free(pool, block);

    memmgr_stats stats;
    memmgr_pool_stats(pool, &stats);
    printf("capacity %zu = used %zu + free %zu + overhead %zu\n", stats.capacity, stats.used,
           stats.free, stats.overhead);
    printf("%zu blocks live, %zu allocations, %zu frees, peak %zu, fragmentation %u %%\n",
           stats.live_blocks, stats.allocations, stats.frees, stats.peak_used, stats.fragmentation);

    Census census = {0};
    if (!memmgr_pool_walk(pool, count, &census)) return 1;
    printf("the walk saw %zu blocks, %zu bytes, the largest of %zu\n", census.live_blocks,
           census.live_bytes, census.largest);
    bool agree = census.live_blocks == stats.live_blocks && census.live_bytes == stats.used;
    memmgr_pool_reset(pool);
    return memmgr_pool_destroy(pool) == 0 && agree ? 0 : 1;
}
