// umm_malloc.h: the calls of umm_malloc (github.com/rhempel/umm_malloc), on memmgr pools.
//
// Old source compiles as it is, what it includes as umm_malloc_cfg.h among it. In place of
// umm_malloc.c, one file of the program says
//
//     #define MEMMGR_IMPLEMENTATION
//     #include "umm_malloc.h"
//
// UMM_CRITICAL_ENTRY and UMM_CRITICAL_EXIT become MEMMGR_LOCK and MEMMGR_UNLOCK, with UMM_FLAGS
// defined as MEMMGR_POOL_LOCKED. UMM_POISON_CHECK becomes MEMMGR_POOL_GUARD in UMM_FLAGS. The
// poison calls and umm_info are not here.

#ifndef MEMMGR_FROM_UMM_H
#define MEMMGR_FROM_UMM_H

#include "memmgr.h"
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef UMM_FLAGS
#define UMM_FLAGS 0u // MEMMGR_POOL_..., for every heap
#endif

typedef struct umm_heap_config {
    memmgr_pool *pool;
} umm_heap;

void umm_multi_init_heap(umm_heap *heap, void *ptr, size_t size);
void umm_multi_init(umm_heap *heap);
void *umm_multi_malloc(umm_heap *heap, size_t size);
void *umm_multi_calloc(umm_heap *heap, size_t num, size_t size);
void *umm_multi_realloc(umm_heap *heap, void *ptr, size_t size);
void umm_multi_free(umm_heap *heap, void *ptr);
size_t umm_multi_free_heap_size(umm_heap *heap);
size_t umm_multi_max_free_block_size(umm_heap *heap);
int umm_multi_usage_metric(umm_heap *heap);
int umm_multi_fragmentation_metric(umm_heap *heap);

void umm_init_heap(void *ptr, size_t size);
void umm_init(void);
void *umm_malloc(size_t size);
void *umm_calloc(size_t num, size_t size);
void *umm_realloc(void *ptr, size_t size);
void umm_free(void *ptr);
size_t umm_free_heap_size(void);
size_t umm_max_free_block_size(void);
int umm_usage_metric(void);
int umm_fragmentation_metric(void);
bool umm_integrity_check(void);

#ifdef MEMMGR_IMPLEMENTATION

// As with the original, the program or its linker script says where the heap is.
extern void *UMM_MALLOC_CFG_HEAP_ADDR;
extern uint32_t UMM_MALLOC_CFG_HEAP_SIZE;

static umm_heap umm_current;

void umm_multi_init_heap(umm_heap *heap, void *ptr, size_t size) {
    memmgr_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.fit = MEMMGR_FIT_BEST; // UMM_FIRST_FIT: MEMMGR_FIT_FIRST
    desc.flags = UMM_FLAGS;
    heap->pool = memmgr_pool_init(ptr, size, &desc);
}

void umm_multi_init(umm_heap *heap) {
    umm_multi_init_heap(heap, UMM_MALLOC_CFG_HEAP_ADDR, UMM_MALLOC_CFG_HEAP_SIZE);
}

// The heap that has no name is made by its first call. Of another that was not made, or whose
// memory was too small, memmgr reports a NULL pool.
static memmgr_pool *umm_pool(umm_heap *heap) {
    if (!heap->pool && heap == &umm_current) umm_multi_init(heap);
    return heap->pool;
}

void *umm_multi_malloc(umm_heap *heap, size_t size) {
    return size > 0 ? memmgr_pool_alloc(umm_pool(heap), size) : NULL;
}

void *umm_multi_calloc(umm_heap *heap, size_t num, size_t size) {
    return num > 0 && size > 0 ? memmgr_pool_calloc(umm_pool(heap), num, size) : NULL;
}

void umm_multi_free(umm_heap *heap, void *ptr) { memmgr_pool_free(umm_pool(heap), ptr); }

void *umm_multi_realloc(umm_heap *heap, void *ptr, size_t size) {
    if (!ptr) return umm_multi_malloc(heap, size);
    if (size > 0) return memmgr_pool_realloc(umm_pool(heap), ptr, size);
    umm_multi_free(heap, ptr);
    return NULL;
}

size_t umm_multi_free_heap_size(umm_heap *heap) { return memmgr_pool_bytes_free(umm_pool(heap)); }

size_t umm_multi_max_free_block_size(umm_heap *heap) {
    return memmgr_pool_largest_free(umm_pool(heap));
}

// Percent used of free: -1 when nothing is free.
int umm_multi_usage_metric(umm_heap *heap) {
    uint64_t used = memmgr_pool_bytes_used(umm_pool(heap));
    uint64_t left = memmgr_pool_bytes_free(umm_pool(heap));
    return left > 0 ? (int)(used * 100 / left) : -1;
}

static bool umm_add_square(const memmgr_block *block, void *ctx) {
    uint64_t granules = block->size / 16;
    if (!block->live) *(uint64_t *)ctx += granules * granules;
    return true;
}

// 0: what is free lies together. Up to 100 the more pieces it is in.
int umm_multi_fragmentation_metric(umm_heap *heap) {
    uint64_t squares = 0, root = 0;
    uint64_t left = memmgr_pool_bytes_free(umm_pool(heap)) / 16;
    memmgr_pool_walk(umm_pool(heap), umm_add_square, &squares);
    for (uint64_t bit = (uint64_t)1 << 31; bit > 0; bit /= 2)
        if ((root + bit) * (root + bit) <= squares) root += bit;
    return left > 0 && squares > 0 ? (int)(100 - root * 100 / left) : 0;
}

void umm_init_heap(void *ptr, size_t size) { umm_multi_init_heap(&umm_current, ptr, size); }
void umm_init(void) { umm_multi_init(&umm_current); }
void *umm_malloc(size_t size) { return umm_multi_malloc(&umm_current, size); }
void *umm_calloc(size_t num, size_t size) { return umm_multi_calloc(&umm_current, num, size); }
void *umm_realloc(void *ptr, size_t size) { return umm_multi_realloc(&umm_current, ptr, size); }
void umm_free(void *ptr) { umm_multi_free(&umm_current, ptr); }
size_t umm_free_heap_size(void) { return umm_multi_free_heap_size(&umm_current); }
size_t umm_max_free_block_size(void) { return umm_multi_max_free_block_size(&umm_current); }
int umm_usage_metric(void) { return umm_multi_usage_metric(&umm_current); }
int umm_fragmentation_metric(void) { return umm_multi_fragmentation_metric(&umm_current); }
bool umm_integrity_check(void) { return memmgr_pool_check(umm_pool(&umm_current)) == MEMMGR_OK; }

#endif // MEMMGR_IMPLEMENTATION

#ifdef __cplusplus
}
#endif
#endif
