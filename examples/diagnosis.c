// Five mistakes, and what is reported of them: each with the line that made the block, the line
// that freed it, and the line that noticed.
//
// MEMMGR_DEBUG stands here for all calls of the program; -DMEMMGR_DEBUG for all files does the
// same.

#include <stdio.h>
#include <string.h>

#define MEMMGR_DEBUG
#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

#ifdef USE_MEMORY_MGR
static void misuse(memmgr_pool *pool) {
    char *name = memmgr_pool_alloc(pool, 10);
    strcpy(name, "0123456789");   // 1: its last byte is the eleventh
    memmgr_pool_free(pool, name); // told here
    memmgr_pool_free(pool, name); // 2: freed twice

    char *numbers = memmgr_pool_alloc(pool, 400);
    memmgr_pool_free(pool, numbers + 4); // 3: not where the block starts
    memmgr_pool_free(pool, numbers);
    numbers[8] = 1;          // 4: written to after its free
    memmgr_pool_check(pool); // told here, or when the block leaves the quarantine
}
#endif

int main(void) {
    static unsigned char buffer[65536];
    memmgr_pool *pool =
        memmgr_pool_init(buffer, sizeof buffer,
                         &(memmgr_pool_desc){.name = "orders", .flags = MEMMGR_POOL_QUARANTINE});
    if (!pool) return 1;
    size_t expected = 0;
#ifdef USE_MEMORY_MGR // else the C library would be shown them, and may well abort
    misuse(pool);
    expected = 4;
#endif
    for (int i = 0; i < 3; i++)
        memmgr_pool_alloc(pool, 1000); // 5: never freed

    memmgr_stats stats;
    memmgr_pool_stats(pool, &stats);
    size_t leaks = memmgr_pool_destroy(pool); // told here
    return stats.misuses == expected && leaks == 3 ? 0 : 1;
}
