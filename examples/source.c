// A growing pool whose memory comes from the program itself: here from a static area, in pieces
// that are counted. It could as well be shared memory, huge pages, or another pool.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

typedef struct {
    size_t taken, maps, unmaps;
} Area;

static _Alignas(16) unsigned char area_bytes[4u << 20];

static void *map(size_t size, void *ctx) {
    Area *area = ctx;
    size = (size + 15) / 16 * 16; // 16 bytes are all the alignment that is asked for
    if (size > sizeof area_bytes - area->taken) return NULL;
    void *memory = area_bytes + area->taken;
    area->taken += size;
    area->maps++;
    return memory;
}

static void unmap(void *memory, size_t size, void *ctx) {
    (void)memory, (void)size;
    Area *area = ctx;
    if (++area->unmaps == area->maps) area->taken = 0; // all of it is back
}

int main(void) {
    Area area = {0};
    memmgr_pool_desc desc = {
        .name = "area",
        .flags = MEMMGR_POOL_GROW,
        .source = {.map = map, .unmap = unmap, .ctx = &area},
    };
    memmgr_pool *pool = memmgr_pool_create(64u << 10, &desc);
    if (!pool) return 1;

    size_t count = 0;
    for (; count < 3000; count++)
        if (!memmgr_pool_alloc(pool, 1000)) break;
    printf("%zu blocks of 1000 bytes from %zu pieces, %zu bytes in all\n", count, area.maps,
           area.taken);
    memmgr_pool_reset(pool);
    size_t leaks = memmgr_pool_destroy(pool);
    printf("%zu pieces given back\n", area.unmaps);
    return count == 3000 && leaks == 0 && area.unmaps == area.maps ? 0 : 1;
}
