// one.c: the file with the implementation.
#define MEMMGR_IMPLEMENTATION
#include "../../memmgr.h"

int two_general(void *from_one);
int two_pool(memmgr_pool *pool, void *from_one);
void *two_block(memmgr_pool *pool);

int main(void) {
    static unsigned char memory[16384];
    memmgr_pool *pool = memmgr_pool_init(memory, sizeof memory, NULL);
    if (!pool) return 1;
    void *block = memmgr_pool_alloc(pool, 100);
    if (!block || two_pool(pool, block) != 0) return 2;
    if (two_general(memmgr_malloc(100)) != 0) return 3;
    block = two_block(pool);
    if (!block || memmgr_pool_free(pool, block) != MEMMGR_OK) return 4;
    return memmgr_pool_destroy(pool) == 0 ? 0 : 5;
}
