// plugin.c: a library with a memmgr of its own, all static, that host.c loads and unloads.
#define MEMMGR_IMPLEMENTATION
#define MEMMGR_STATIC
#include "../../memmgr.h"

#include <string.h>

int plugin_work(void);

// Allocates of every kind and frees all of it. Returns 0.
int plugin_work(void) {
    enum { COUNT = 200 };
    void *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % 50 == 49 ? i * 3000 : 1 + i * i;
        blocks[i] = memmgr_malloc(size);
        if (!blocks[i]) return 1;
        memset(blocks[i], (int)i, size);
    }
    for (size_t i = 0; i < COUNT; i++)
        memmgr_free(blocks[i]);
    return memmgr_check() == MEMMGR_OK ? 0 : 2;
}
