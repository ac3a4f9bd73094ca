// Which free block is taken? Four strategies on the same pool with three gaps, in address order
// of 512, 128 and 1024 bytes, and a request of 100.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

// Worst fit: the largest block, so that what remains of it stays useful.
static bool choose_largest(const memmgr_block *candidate, const memmgr_block *best, size_t size,
                           void *ctx) {
    (void)size;
    ++*(int *)ctx; // how often it was asked
    return !best || candidate->size > best->size;
}

// Makes the gaps, asks for 100 bytes and says which gap they came from, 0 for none of them.
static int gap_chosen(memmgr_fit fit, int *asked) {
    static unsigned char buffer[8192];
    static const size_t sizes[] = {512, 128, 1024};
    memmgr_pool_desc desc = {.fit = fit, .choose = choose_largest, .choose_ctx = asked};
    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, &desc);
    void *gaps[3];
    for (int i = 0; i < 3; i++) {
        gaps[i] = memmgr_pool_alloc(pool, sizes[i]);
        memmgr_pool_alloc(pool, 16); // keeps the gaps apart
    }
    while (memmgr_pool_alloc(pool, 16))
        continue; // the rest is full
    for (int i = 0; i < 3; i++)
        memmgr_pool_free(pool, gaps[i]);

    *asked = 0;
    void *block = memmgr_pool_alloc(pool, 100);
    int chosen = 0;
    for (int i = 0; i < 3; i++)
        if (block == gaps[i]) chosen = i + 1;
    memmgr_pool_reset(pool); // a pool in a buffer needs no destroy, but without the switch it does
    memmgr_pool_destroy(pool);
    return chosen;
}

int main(void) {
    static const char *const names[] = {"good", "first", "best", "worst (custom)"};
    static const int expected[] = {2, 1, 2, 3};
    int surprises = 0;
    for (int fit = MEMMGR_FIT_GOOD; fit <= MEMMGR_FIT_CUSTOM; fit++) {
        int asked, chosen = gap_chosen((memmgr_fit)fit, &asked);
        printf("%-15s gap %d, choose() asked %d times\n", names[fit], chosen, asked);
        surprises += chosen != expected[fit];
    }
#ifndef USE_MEMORY_MGR
    surprises = 0; // the C library has a strategy of its own
#endif
    return surprises ? 1 : 0;
}
