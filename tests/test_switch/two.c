// two.c: the file that only calls.
#include "../../memmgr.h"

int two_general(void *from_one);
int two_pool(memmgr_pool *pool, void *from_one);
void *two_block(memmgr_pool *pool);

int two_general(void *from_one) {
    void *block = memmgr_calloc(10, 10);
    block = memmgr_realloc(block, 1000);
    if (!block || memmgr_usable_size(block) < 1000) return 1;
    memmgr_free(block);
    memmgr_free(from_one);
    return from_one ? 0 : 2;
}

int two_pool(memmgr_pool *pool, void *from_one) {
    if (memmgr_pool_usable_size(pool, from_one) != 112) return 1;
    return memmgr_pool_free(pool, from_one) == MEMMGR_OK ? 0 : 2;
}

void *two_block(memmgr_pool *pool) { return memmgr_pool_alloc(pool, 10); }
