// A pool that takes memory from the operating system as it needs it, up to a limit.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

int main(void) {
    memmgr_pool_desc desc = {
        .name = "cache",
        .flags = MEMMGR_POOL_GROW,
        .limit = 8u << 20,
    };
    memmgr_pool *pool = memmgr_pool_create(64u << 10, &desc); // starts small
    if (!pool) return 1;

    size_t taken = 0;
    while (memmgr_pool_alloc(pool, 10000))
        taken += 10000;

    memmgr_stats stats;
    memmgr_pool_stats(pool, &stats);
    printf("%zu bytes in %zu blocks before the limit of %zu; failed calls: %zu\n", taken,
           stats.live_blocks, desc.limit, stats.failures);
    bool within = stats.capacity <= desc.limit && taken > desc.limit / 2;

    // Destroying a pool reports what is still live. These blocks go together, so reset first.
    memmgr_pool_reset(pool);
    return memmgr_pool_destroy(pool) == 0 && within && stats.failures == 1 ? 0 : 1;
}
