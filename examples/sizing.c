// How large must a buffer be, so that a program with known limits can never run out, whatever
// the order of its calls? memmgr_pool_size_for() knows; here it is put to the test.

#include <stdio.h>
#include <stdlib.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

enum { MAX_LIVE = 32 * 1024, MAX_BLOCK = 1024, SLOTS = 500 };

static unsigned dice(unsigned sides) {
    static unsigned state = 1;
    state = state * 1664525u + 1013904223u;
    return (state >> 16) % sides;
}

int main(void) {
    size_t size = memmgr_pool_size_for(MAX_LIVE, MAX_BLOCK);
    void *buffer = malloc(size);
    memmgr_pool *pool = memmgr_pool_init(buffer, size, NULL);
    if (!pool) return 1;

    static struct {
        void *block;
        size_t size;
    } slots[SLOTS];
    size_t live = 0; // sizes rounded up to 16
    for (int i = 0; i < 500000; i++) {
        unsigned slot = dice(SLOTS);
        size_t wanted = (16u << dice(7)) / 16 * 16;
        memmgr_pool_free(pool, slots[slot].block);
        live -= slots[slot].size;
        slots[slot].block = NULL;
        slots[slot].size = 0;
        if (live + wanted > MAX_LIVE) continue; // the program's own limit
        slots[slot].block = memmgr_pool_alloc(pool, wanted);
        if (!slots[slot].block) return 1; // never
        slots[slot].size = wanted;
        live += wanted;
    }
    printf("at most %d bytes live in blocks of at most %d: %zu bytes suffice\n", MAX_LIVE,
           MAX_BLOCK, size);
    memmgr_pool_reset(pool);
    size_t leaks = memmgr_pool_destroy(pool);
    free(buffer);
    return leaks == 0 ? 0 : 1;
}
