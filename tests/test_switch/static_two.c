// static_two.c: another implementation of its own.
#define MEMMGR_STATIC
#define MEMMGR_IMPLEMENTATION
#include "../../memmgr.h"

int static_two(void);

int static_two(void) {
    void *block = memmgr_malloc(100);
    memmgr_free(block);
    return block ? 0 : 2;
}
