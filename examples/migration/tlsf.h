// tlsf.h: the calls of the TLSF allocator (github.com/mattconte/tlsf), on memmgr pools.
//
// Old source compiles as it is. In place of tlsf.c, one file of the program says
//
//     #define MEMMGR_IMPLEMENTATION
//     #include "tlsf.h"
//
// Where deadlines count, define TLSF_FLAGS as MEMMGR_POOL_EAGER: then no call is long.
// tlsf_block_size is not here: it names no pool, and memmgr's blocks have no header to ask.

#ifndef MEMMGR_FROM_TLSF_H
#define MEMMGR_FROM_TLSF_H

#include "memmgr.h"
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef TLSF_FLAGS
#define TLSF_FLAGS 0u // MEMMGR_POOL_..., for every pool
#endif

typedef void *tlsf_t; // a control structure with 1 to TLSF_POOLS pools
typedef void *pool_t; // one of them: a memmgr_pool
typedef void (*tlsf_walker)(void *ptr, size_t size, int used, void *user);

tlsf_t tlsf_create(void *mem);
tlsf_t tlsf_create_with_pool(void *mem, size_t bytes);
void tlsf_destroy(tlsf_t tlsf);
pool_t tlsf_get_pool(tlsf_t tlsf);
pool_t tlsf_add_pool(tlsf_t tlsf, void *mem, size_t bytes);
void tlsf_remove_pool(tlsf_t tlsf, pool_t pool);
void *tlsf_malloc(tlsf_t tlsf, size_t bytes);
void *tlsf_memalign(tlsf_t tlsf, size_t align, size_t bytes);
void *tlsf_realloc(tlsf_t tlsf, void *ptr, size_t size);
void tlsf_free(tlsf_t tlsf, void *ptr);
size_t tlsf_size(void);
size_t tlsf_align_size(void);
size_t tlsf_block_size_min(void);
size_t tlsf_block_size_max(void);
size_t tlsf_pool_overhead(void);
size_t tlsf_alloc_overhead(void);
void tlsf_walk_pool(pool_t pool, tlsf_walker walker, void *user);
int tlsf_check(tlsf_t tlsf);
int tlsf_check_pool(pool_t pool);

#ifdef MEMMGR_IMPLEMENTATION

enum { TLSF_POOLS = 8 };

typedef struct {
    memmgr_pool *pool;
    const char *start, *end; // the memory that it was made in
} tlsf_region;

typedef struct {
    tlsf_region region[TLSF_POOLS];
    size_t count;
} tlsf_control;

size_t tlsf_align_size(void) { return 16; }
size_t tlsf_size(void) { return (sizeof(tlsf_control) + 15) / 16 * 16; }
size_t tlsf_block_size_min(void) { return 16; }
size_t tlsf_block_size_max(void) { return (size_t)1 << (sizeof(size_t) > 4 ? 36 : 30); }
size_t tlsf_alloc_overhead(void) { return 0; }

// The header. The map takes 1/64 more, the index 1/1000.
size_t tlsf_pool_overhead(void) { return 400; }

tlsf_t tlsf_create(void *mem) {
    if (!mem || (uintptr_t)mem % sizeof(void *) != 0) return NULL;
    return memset(mem, 0, sizeof(tlsf_control));
}

pool_t tlsf_add_pool(tlsf_t tlsf, void *mem, size_t bytes) {
    tlsf_control *control = (tlsf_control *)tlsf;
    if (control->count == TLSF_POOLS) return NULL;
    tlsf_region *region = &control->region[control->count];
    memmgr_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = "tlsf";
    desc.flags = TLSF_FLAGS;
    region->pool = memmgr_pool_init(mem, bytes, &desc);
    region->start = (const char *)mem;
    region->end = region->start + bytes;
    if (region->pool) control->count++;
    return region->pool;
}

tlsf_t tlsf_create_with_pool(void *mem, size_t bytes) {
    tlsf_t tlsf = bytes > tlsf_size() ? tlsf_create(mem) : NULL;
    if (!tlsf) return NULL;
    return tlsf_add_pool(tlsf, (char *)mem + tlsf_size(), bytes - tlsf_size()) ? tlsf : NULL;
}

pool_t tlsf_get_pool(tlsf_t tlsf) { return ((tlsf_control *)tlsf)->region[0].pool; }

// The original expects that the pool is empty. Here what is live is reported.
void tlsf_remove_pool(tlsf_t tlsf, pool_t pool) {
    tlsf_control *control = (tlsf_control *)tlsf;
    for (size_t i = 0; i < control->count; i++) {
        if (control->region[i].pool != pool) continue;
        memmgr_pool_destroy((memmgr_pool *)pool);
        control->count--;
        memmove(&control->region[i], &control->region[i + 1],
                (control->count - i) * sizeof(tlsf_region));
        return;
    }
}

// Live blocks go with it, and nobody is told.
void tlsf_destroy(tlsf_t tlsf) {
    tlsf_control *control = (tlsf_control *)tlsf;
    while (control->count > 0) {
        memmgr_pool *pool = control->region[--control->count].pool;
        memmgr_pool_reset(pool);
        memmgr_pool_destroy(pool);
    }
}

// The pool that `ptr` is a block of; or lies in, so that this pool reports what is wrong with it.
static memmgr_pool *tlsf_pool_of(const tlsf_control *control, const void *ptr) {
    const char *at = (const char *)ptr;
    if (control->count > 1) {
        for (size_t i = 0; i < control->count; i++)
            if (memmgr_pool_owns(control->region[i].pool, ptr)) return control->region[i].pool;
        for (size_t i = 0; i < control->count; i++)
            if (at >= control->region[i].start && at < control->region[i].end)
                return control->region[i].pool;
    }
    return control->region[0].pool;
}

void *tlsf_memalign(tlsf_t tlsf, size_t align, size_t bytes) {
    const tlsf_control *control = (const tlsf_control *)tlsf;
    void *ptr = NULL;
    for (size_t i = 0; bytes > 0 && !ptr && i < control->count; i++)
        ptr = memmgr_pool_aligned_alloc(control->region[i].pool, align, bytes);
    return ptr;
}

void *tlsf_malloc(tlsf_t tlsf, size_t bytes) {
    const tlsf_control *control = (const tlsf_control *)tlsf;
    void *ptr = NULL;
    for (size_t i = 0; bytes > 0 && !ptr && i < control->count; i++)
        ptr = memmgr_pool_alloc(control->region[i].pool, bytes);
    return ptr;
}

void tlsf_free(tlsf_t tlsf, void *ptr) {
    if (ptr) memmgr_pool_free(tlsf_pool_of((const tlsf_control *)tlsf, ptr), ptr);
}

void *tlsf_realloc(tlsf_t tlsf, void *ptr, size_t size) {
    if (!ptr) return tlsf_malloc(tlsf, size);
    if (size == 0) {
        tlsf_free(tlsf, ptr);
        return NULL;
    }
    memmgr_pool *pool = tlsf_pool_of((const tlsf_control *)tlsf, ptr);
    void *moved = memmgr_pool_realloc(pool, ptr, size);
    if (moved || !memmgr_pool_owns(pool, ptr)) return moved;
    size_t old = memmgr_pool_usable_size(pool, ptr);
    moved = tlsf_malloc(tlsf, size); // there may be room in another pool
    if (!moved) return NULL;
    memcpy(moved, ptr, old < size ? old : size);
    memmgr_pool_free(pool, ptr);
    return moved;
}

typedef struct {
    tlsf_walker walker;
    void *user;
} tlsf_visit;

static bool tlsf_visit_block(const memmgr_block *block, void *ctx) {
    const tlsf_visit *visit = (const tlsf_visit *)ctx;
    visit->walker((void *)(uintptr_t)block->address, block->size, block->live, visit->user);
    return true;
}

void tlsf_walk_pool(pool_t pool, tlsf_walker walker, void *user) {
    tlsf_visit visit = {walker, user};
    if (walker)
        memmgr_pool_walk((memmgr_pool *)pool, tlsf_visit_block, &visit);
    else
        memmgr_pool_print((memmgr_pool *)pool, stdout);
}

int tlsf_check_pool(pool_t pool) {
    return memmgr_pool_check((memmgr_pool *)pool) == MEMMGR_OK ? 0 : -1;
}

int tlsf_check(tlsf_t tlsf) {
    const tlsf_control *control = (const tlsf_control *)tlsf;
    int status = 0;
    for (size_t i = 0; i < control->count; i++)
        status += tlsf_check_pool(control->region[i].pool);
    return status;
}

#endif // MEMMGR_IMPLEMENTATION

#ifdef __cplusplus
}
#endif
#endif
