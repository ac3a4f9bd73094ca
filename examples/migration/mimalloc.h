// mimalloc.h: the heaps of mimalloc 2 (github.com/microsoft/mimalloc), on memmgr: a heap is a
// growing pool, and mi_malloc is a general call.
//
// Old source that uses these calls compiles as it is. In place of the library, one file of the
// program says
//
//     #define MEMMGR_IMPLEMENTATION
//     #include "mimalloc.h"
//
// mi_free names no heap and memmgr's blocks have no header, so it asks one heap after the other,
// under a lock. That is for the first days: name the pool, and the price is gone.
// It takes GCC or Clang, for the lock.

#ifndef MEMMGR_FROM_MIMALLOC_H
#define MEMMGR_FROM_MIMALLOC_H

#include "memmgr.h"
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MI_SMALL_SIZE_MAX (128 * sizeof(void *))

typedef struct mi_heap_s mi_heap_t;

void *mi_malloc(size_t size);
void *mi_zalloc(size_t size);
void *mi_calloc(size_t count, size_t size);
void *mi_realloc(void *p, size_t newsize);
void *mi_malloc_aligned(size_t size, size_t alignment);
size_t mi_usable_size(const void *p);
void mi_free(void *p);
void mi_collect(bool force);

mi_heap_t *mi_heap_new(void);
void mi_heap_delete(mi_heap_t *heap);
void mi_heap_destroy(mi_heap_t *heap);
void mi_heap_collect(mi_heap_t *heap, bool force);
bool mi_heap_contains_block(mi_heap_t *heap, const void *p);
void *mi_heap_malloc(mi_heap_t *heap, size_t size);
void *mi_heap_malloc_small(mi_heap_t *heap, size_t size);
void *mi_heap_zalloc(mi_heap_t *heap, size_t size);
void *mi_heap_calloc(mi_heap_t *heap, size_t count, size_t size);
void *mi_heap_mallocn(mi_heap_t *heap, size_t count, size_t size);
void *mi_heap_realloc(mi_heap_t *heap, void *p, size_t newsize);
void *mi_heap_reallocn(mi_heap_t *heap, void *p, size_t count, size_t size);
void *mi_heap_reallocf(mi_heap_t *heap, void *p, size_t newsize);
void *mi_heap_malloc_aligned(mi_heap_t *heap, size_t size, size_t alignment);
void *mi_heap_zalloc_aligned(mi_heap_t *heap, size_t size, size_t alignment);
void *mi_heap_calloc_aligned(mi_heap_t *heap, size_t count, size_t size, size_t alignment);
char *mi_heap_strdup(mi_heap_t *heap, const char *s);
char *mi_heap_strndup(mi_heap_t *heap, const char *s, size_t n);

#ifdef MEMMGR_IMPLEMENTATION

struct mi_heap_s {
    memmgr_pool *pool;
    mi_heap_t *next;
    bool deleted; // goes when its last block is freed
};

static mi_heap_t *mi_heaps; // all that there are, under the lock
static char mi_lock;

static void mi_enter(void) {
    while (__atomic_test_and_set(&mi_lock, __ATOMIC_ACQUIRE)) {
    }
}

static void mi_leave(void) { __atomic_clear(&mi_lock, __ATOMIC_RELEASE); }

mi_heap_t *mi_heap_new(void) {
    memmgr_pool_desc desc;
    mi_heap_t *heap = (mi_heap_t *)memmgr_calloc(1, sizeof *heap);
    if (!heap) return NULL;
    memset(&desc, 0, sizeof desc);
    desc.name = "mi_heap";
    desc.flags = MEMMGR_POOL_GROW | MEMMGR_POOL_LOCKED; // any thread may free
    heap->pool = memmgr_pool_create((size_t)64 << 10, &desc);
    if (!heap->pool) {
        memmgr_free(heap);
        return NULL;
    }
    mi_enter();
    heap->next = mi_heaps;
    __atomic_store_n(&mi_heaps, heap, __ATOMIC_RELEASE);
    mi_leave();
    return heap;
}

// With the lock.
static void mi_heap_end(mi_heap_t *heap) {
    mi_heap_t **link = &mi_heaps;
    while (*link != heap)
        link = &(*link)->next;
    __atomic_store_n(link, heap->next, __ATOMIC_RELEASE);
    memmgr_pool_reset(heap->pool);
    memmgr_pool_destroy(heap->pool);
    memmgr_free(heap);
}

void mi_heap_destroy(mi_heap_t *heap) {
    mi_enter();
    mi_heap_end(heap);
    mi_leave();
}

void mi_heap_delete(mi_heap_t *heap) {
    mi_enter();
    heap->deleted = true;
    if (memmgr_pool_bytes_used(heap->pool) == 0) mi_heap_end(heap);
    mi_leave();
}

// The heap that `p` is a live block of, or NULL. With the lock.
static mi_heap_t *mi_heap_having(const void *p) {
    mi_heap_t *heap = mi_heaps;
    while (heap && !memmgr_pool_owns(heap->pool, p))
        heap = heap->next;
    return heap;
}

static bool mi_no_heaps(void) { return !__atomic_load_n(&mi_heaps, __ATOMIC_ACQUIRE); }

void mi_free(void *p) {
    mi_heap_t *heap = NULL;
    if (p && !mi_no_heaps()) {
        mi_enter();
        heap = mi_heap_having(p);
        if (heap) memmgr_pool_free(heap->pool, p);
        if (heap && heap->deleted && memmgr_pool_bytes_used(heap->pool) == 0) mi_heap_end(heap);
        mi_leave();
    }
    if (!heap) memmgr_free(p);
}

size_t mi_usable_size(const void *p) {
    mi_heap_t *heap = NULL;
    size_t size = 0;
    if (p && !mi_no_heaps()) {
        mi_enter();
        heap = mi_heap_having(p);
        if (heap) size = memmgr_pool_usable_size(heap->pool, p);
        mi_leave();
    }
    return heap ? size : memmgr_usable_size(p);
}

// Moves to `to`, NULL: the general calls, when `p` is not a block of it.
static void *mi_move(mi_heap_t *to, void *p, size_t newsize) {
    size_t size = mi_usable_size(p);
    if (p && size == 0) return NULL; // no block, and reported
    void *moved = to ? memmgr_pool_alloc(to->pool, newsize) : memmgr_malloc(newsize);
    if (!moved) return NULL;
    if (p) memcpy(moved, p, size < newsize ? size : newsize);
    mi_free(p);
    return moved;
}

void *mi_heap_realloc(mi_heap_t *heap, void *p, size_t newsize) {
    if (!p || memmgr_pool_owns(heap->pool, p)) return memmgr_pool_realloc(heap->pool, p, newsize);
    return mi_move(heap, p, newsize);
}

void *mi_realloc(void *p, size_t newsize) {
    if (newsize == 0) newsize = 1; // the original frees nothing, and returns a block
    if (!p || mi_no_heaps()) return memmgr_realloc(p, newsize);
    mi_enter();
    mi_heap_t *heap = mi_heap_having(p);
    mi_leave();
    return heap ? mi_move(NULL, p, newsize) : memmgr_realloc(p, newsize);
}

static bool mi_overflows(size_t count, size_t size) { return size > 0 && count > SIZE_MAX / size; }

void *mi_heap_reallocn(mi_heap_t *heap, void *p, size_t count, size_t size) {
    return mi_overflows(count, size) ? NULL : mi_heap_realloc(heap, p, count * size);
}

void *mi_heap_reallocf(mi_heap_t *heap, void *p, size_t newsize) {
    void *resized = mi_heap_realloc(heap, p, newsize);
    if (!resized) mi_free(p);
    return resized;
}

void *mi_malloc(size_t size) { return memmgr_malloc(size); }
void *mi_zalloc(size_t size) { return memmgr_calloc(1, size); }
void *mi_calloc(size_t count, size_t size) { return memmgr_calloc(count, size); }
void mi_collect(bool force) { (void)force, (void)memmgr_trim(); }

void *mi_malloc_aligned(size_t size, size_t alignment) {
    return memmgr_aligned_alloc(alignment, size);
}

void mi_heap_collect(mi_heap_t *heap, bool force) { (void)heap, (void)force; }

bool mi_heap_contains_block(mi_heap_t *heap, const void *p) {
    return memmgr_pool_owns(heap->pool, p);
}

void *mi_heap_malloc(mi_heap_t *heap, size_t size) { return memmgr_pool_alloc(heap->pool, size); }

void *mi_heap_malloc_small(mi_heap_t *heap, size_t size) { return mi_heap_malloc(heap, size); }

void *mi_heap_calloc(mi_heap_t *heap, size_t count, size_t size) {
    return memmgr_pool_calloc(heap->pool, count, size);
}

void *mi_heap_zalloc(mi_heap_t *heap, size_t size) { return mi_heap_calloc(heap, 1, size); }

void *mi_heap_mallocn(mi_heap_t *heap, size_t count, size_t size) {
    return mi_overflows(count, size) ? NULL : mi_heap_malloc(heap, count * size);
}

void *mi_heap_malloc_aligned(mi_heap_t *heap, size_t size, size_t alignment) {
    return memmgr_pool_aligned_alloc(heap->pool, alignment, size);
}

void *mi_heap_zalloc_aligned(mi_heap_t *heap, size_t size, size_t alignment) {
    void *p = mi_heap_malloc_aligned(heap, size, alignment);
    return p ? memset(p, 0, size) : NULL;
}

void *mi_heap_calloc_aligned(mi_heap_t *heap, size_t count, size_t size, size_t alignment) {
    return mi_overflows(count, size) ? NULL : mi_heap_zalloc_aligned(heap, count * size, alignment);
}

char *mi_heap_strndup(mi_heap_t *heap, const char *s, size_t n) {
    size_t length = 0;
    if (!s) return NULL;
    while (length < n && s[length])
        length++;
    char *copy = (char *)mi_heap_malloc(heap, length + 1);
    if (!copy) return NULL;
    copy[length] = '\0';
    return (char *)memcpy(copy, s, length);
}

char *mi_heap_strdup(mi_heap_t *heap, const char *s) { return mi_heap_strndup(heap, s, SIZE_MAX); }

#endif // MEMMGR_IMPLEMENTATION

#ifdef __cplusplus
}
#endif
#endif
