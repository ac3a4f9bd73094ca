// mspace.h: the mspaces of dlmalloc 2.8.6 (gee.cs.oswego.edu/pub/misc), on memmgr pools.
//
// Old source compiles with this in place of dlmalloc's header. In place of malloc.c, one file of
// the program says
//
//     #define MEMMGR_IMPLEMENTATION
//     #include "mspace.h"
//
// Not here: mspace_usable_size, which names no space, mspace_mallinfo, mspace_mallopt, and the two
// calls for a footprint limit, which a pool has from its beginning (memmgr_pool_desc.limit).

#ifndef MEMMGR_FROM_MSPACE_H
#define MEMMGR_FROM_MSPACE_H

#include "memmgr.h"
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void *mspace; // a memmgr_pool
typedef void (*mspace_handler)(void *start, void *end, size_t used_bytes, void *arg);

mspace create_mspace(size_t capacity, int locked);
mspace create_mspace_with_base(void *base, size_t capacity, int locked);
size_t destroy_mspace(mspace msp);
int mspace_track_large_chunks(mspace msp, int enable);
void *mspace_malloc(mspace msp, size_t bytes);
void mspace_free(mspace msp, void *mem);
void *mspace_calloc(mspace msp, size_t n_elements, size_t elem_size);
void *mspace_realloc(mspace msp, void *mem, size_t newsize);
void *mspace_realloc_in_place(mspace msp, void *mem, size_t newsize);
void *mspace_memalign(mspace msp, size_t alignment, size_t bytes);
void **mspace_independent_calloc(mspace msp, size_t n_elements, size_t elem_size, void *chunks[]);
void **mspace_independent_comalloc(mspace msp, size_t n_elements, size_t sizes[], void *chunks[]);
size_t mspace_bulk_free(mspace msp, void *array[], size_t n_elements);
void mspace_malloc_stats(mspace msp);
int mspace_trim(mspace msp, size_t pad);
size_t mspace_footprint(mspace msp);
void mspace_inspect_all(mspace msp, mspace_handler handler, void *arg);

#ifdef MEMMGR_IMPLEMENTATION

static memmgr_pool_desc mspace_desc(int locked) {
    memmgr_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = "mspace";
    desc.flags = locked ? (unsigned)MEMMGR_POOL_LOCKED : 0u;
    return desc;
}

mspace create_mspace(size_t capacity, int locked) {
    memmgr_pool_desc desc = mspace_desc(locked);
    desc.flags |= MEMMGR_POOL_GROW;
    return memmgr_pool_create(capacity > 0 ? capacity : (size_t)64 << 10, &desc);
}

// It stays within `base`. The original goes on to the system when that is full.
mspace create_mspace_with_base(void *base, size_t capacity, int locked) {
    memmgr_pool_desc desc = mspace_desc(locked);
    return memmgr_pool_init(base, capacity, &desc);
}

size_t mspace_footprint(mspace msp) {
    memmgr_stats stats;
    memmgr_pool_stats((memmgr_pool *)msp, &stats);
    return stats.capacity;
}

// Live blocks go with it, and nobody is told.
size_t destroy_mspace(mspace msp) {
    size_t footprint = mspace_footprint(msp);
    memmgr_pool_reset((memmgr_pool *)msp);
    memmgr_pool_destroy((memmgr_pool *)msp);
    return footprint;
}

// Large blocks are always a pool's own.
int mspace_track_large_chunks(mspace msp, int enable) {
    (void)msp, (void)enable;
    return 1;
}

void *mspace_malloc(mspace msp, size_t bytes) {
    return memmgr_pool_alloc((memmgr_pool *)msp, bytes);
}

void mspace_free(mspace msp, void *mem) { memmgr_pool_free((memmgr_pool *)msp, mem); }

void *mspace_calloc(mspace msp, size_t n_elements, size_t elem_size) {
    return memmgr_pool_calloc((memmgr_pool *)msp, n_elements, elem_size);
}

void *mspace_realloc(mspace msp, void *mem, size_t newsize) {
    return memmgr_pool_realloc((memmgr_pool *)msp, mem, newsize);
}

// Within what the block has already. The original also takes free memory behind it.
void *mspace_realloc_in_place(mspace msp, void *mem, size_t newsize) {
    return mem && newsize <= memmgr_pool_usable_size((memmgr_pool *)msp, mem) ? mem : NULL;
}

// An alignment that is no power of two is rounded up to one.
void *mspace_memalign(mspace msp, size_t alignment, size_t bytes) {
    size_t power = 16;
    while (power < alignment && power < SIZE_MAX / 2)
        power *= 2;
    return memmgr_pool_aligned_alloc((memmgr_pool *)msp, power, bytes);
}

size_t mspace_bulk_free(mspace msp, void *array[], size_t n_elements) {
    size_t left = 0;
    for (size_t i = 0; i < n_elements; i++) {
        if (memmgr_pool_free((memmgr_pool *)msp, array[i]) == MEMMGR_OK)
            array[i] = NULL;
        else
            left++;
    }
    return left;
}

// Blocks of their own, with nothing in between but chance. sizes NULL: `size` each, and zero.
static void **mspace_several(mspace msp, size_t n_elements, const size_t *sizes, size_t size,
                             void *chunks[]) {
    void **array = chunks;
    if (!array) array = (void **)mspace_calloc(msp, n_elements, sizeof(void *));
    for (size_t i = 0; array && i < n_elements; i++) {
        array[i] = sizes ? mspace_malloc(msp, sizes[i]) : mspace_calloc(msp, 1, size);
        if (array[i]) continue;
        mspace_bulk_free(msp, array, i);
        if (!chunks) mspace_free(msp, array);
        return NULL;
    }
    return array;
}

void **mspace_independent_calloc(mspace msp, size_t n_elements, size_t elem_size, void *chunks[]) {
    return mspace_several(msp, n_elements, NULL, elem_size, chunks);
}

void **mspace_independent_comalloc(mspace msp, size_t n_elements, size_t sizes[], void *chunks[]) {
    return mspace_several(msp, n_elements, sizes, 0, chunks);
}

void mspace_malloc_stats(mspace msp) { memmgr_pool_print((memmgr_pool *)msp, stderr); }

int mspace_trim(mspace msp, size_t pad) {
    (void)msp, (void)pad;
    return 0; // a pool keeps what it has
}

typedef struct {
    mspace_handler handler;
    void *arg;
} mspace_visit;

static bool mspace_visit_block(const memmgr_block *block, void *ctx) {
    const mspace_visit *visit = (const mspace_visit *)ctx;
    char *start = (char *)(uintptr_t)block->address;
    visit->handler(start, start + block->size, block->live ? block->size : 0, visit->arg);
    return true;
}

void mspace_inspect_all(mspace msp, mspace_handler handler, void *arg) {
    mspace_visit visit = {handler, arg};
    memmgr_pool_walk((memmgr_pool *)msp, mspace_visit_block, &visit);
}

#endif // MEMMGR_IMPLEMENTATION

#ifdef __cplusplus
}
#endif
#endif
