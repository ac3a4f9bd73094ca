// static_one.c: an implementation of its own, seen by nobody else.
#define MEMMGR_STATIC
#define MEMMGR_IMPLEMENTATION
#include "../../memmgr.h"

int static_two(void);

int main(void) {
    static unsigned char memory[4096];
    memmgr_pool *pool = memmgr_pool_init(memory, sizeof memory, NULL);
    void *block = pool ? memmgr_pool_alloc(pool, 10) : NULL;
    if (!block || memmgr_pool_free(pool, block) != MEMMGR_OK) return 1;
    return static_two();
}
