// o1heap.h: the calls of o1heap 3 (github.com/pavel-kirienko/o1heap), on a memmgr pool.
//
// Old source compiles as it is. In place of o1heap.c, one file of the program says
//
//     #define MEMMGR_IMPLEMENTATION
//     #include "o1heap.h"
//
// Where deadlines count, define O1HEAP_FLAGS as MEMMGR_POOL_EAGER: then no call is long.
// o1heapInit of version 1 takes two hooks for a critical section. Leave them out, and define
// MEMMGR_LOCK and MEMMGR_UNLOCK in their place, and O1HEAP_FLAGS as MEMMGR_POOL_LOCKED.

#ifndef MEMMGR_FROM_O1HEAP_H
#define MEMMGR_FROM_O1HEAP_H

#include "memmgr.h"
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define O1HEAP_VERSION_MAJOR 3
#define O1HEAP_ALIGNMENT ((size_t)16)

#ifndef O1HEAP_FLAGS
#define O1HEAP_FLAGS 0u // MEMMGR_POOL_..., for every heap
#endif

typedef struct O1HeapInstance O1HeapInstance;

typedef struct {
    size_t capacity, allocated, peak_allocated, peak_request_size;
    uint64_t oom_count;
} O1HeapDiagnostics;

extern const size_t o1heapMinArenaSize;

O1HeapInstance *o1heapInit(void *base, size_t size);
void *o1heapAllocate(O1HeapInstance *handle, size_t amount);
void *o1heapReallocate(O1HeapInstance *handle, void *pointer, size_t new_amount);
void o1heapFree(O1HeapInstance *handle, void *pointer);
size_t o1heapGetMaxAllocationSize(const O1HeapInstance *handle);
bool o1heapDoInvariantsHold(const O1HeapInstance *handle);
O1HeapDiagnostics o1heapGetDiagnostics(const O1HeapInstance *handle);

#ifdef MEMMGR_IMPLEMENTATION

// At the beginning of the arena. The pool is behind it.
struct O1HeapInstance {
    memmgr_pool *pool;
    size_t peak_request;
};

const size_t o1heapMinArenaSize = 512;

O1HeapInstance *o1heapInit(void *base, size_t size) {
    if (!base || (uintptr_t)base % O1HEAP_ALIGNMENT != 0 || size < o1heapMinArenaSize) return NULL;
    O1HeapInstance *heap = (O1HeapInstance *)base;
    memmgr_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.flags = O1HEAP_FLAGS;
    heap->peak_request = 0;
    heap->pool = memmgr_pool_init((char *)base + sizeof *heap, size - sizeof *heap, &desc);
    return heap->pool ? heap : NULL;
}

static void o1heapNote(O1HeapInstance *handle, size_t amount) {
    if (amount > handle->peak_request) handle->peak_request = amount;
}

void *o1heapAllocate(O1HeapInstance *handle, size_t amount) {
    o1heapNote(handle, amount);
    return amount > 0 ? memmgr_pool_alloc(handle->pool, amount) : NULL;
}

void o1heapFree(O1HeapInstance *handle, void *pointer) { memmgr_pool_free(handle->pool, pointer); }

void *o1heapReallocate(O1HeapInstance *handle, void *pointer, size_t new_amount) {
    if (!pointer) return o1heapAllocate(handle, new_amount);
    if (new_amount > 0) {
        o1heapNote(handle, new_amount);
        return memmgr_pool_realloc(handle->pool, pointer, new_amount);
    }
    memmgr_pool_free(handle->pool, pointer);
    return NULL;
}

// All that can be handed out, as if nothing were live.
size_t o1heapGetMaxAllocationSize(const O1HeapInstance *handle) {
    return memmgr_pool_bytes_used(handle->pool) + memmgr_pool_bytes_free(handle->pool);
}

bool o1heapDoInvariantsHold(const O1HeapInstance *handle) {
    return memmgr_pool_check(handle->pool) == MEMMGR_OK;
}

O1HeapDiagnostics o1heapGetDiagnostics(const O1HeapInstance *handle) {
    O1HeapDiagnostics out;
    memmgr_stats stats;
    memmgr_pool_stats(handle->pool, &stats);
    out.capacity = stats.used + stats.free;
    out.allocated = stats.used;
    out.peak_allocated = stats.peak_used;
    out.peak_request_size = handle->peak_request;
    out.oom_count = stats.failures;
    return out;
}

#endif // MEMMGR_IMPLEMENTATION

#ifdef __cplusplus
}
#endif
#endif
