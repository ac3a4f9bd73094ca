// apr_pools.h: pools as those of the Apache Portable Runtime (apr.apache.org), and of programs that
// allocate for a request and free it all at once, on memmgr: a pool is a growing memmgr pool, and
// takes its memory from the general calls, so that making one asks no system for pages.
//
// Old source that uses these calls compiles as it is. One file of the program says
//
//     #define MEMMGR_IMPLEMENTATION
//     #include "apr_pools.h"
//
// What is not here: user data, allocators, cleanups for a child of fork, and the rest of APR.

#ifndef MEMMGR_FROM_APR_H
#define MEMMGR_FROM_APR_H

#include "memmgr.h"
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int apr_status_t;
typedef size_t apr_size_t;
typedef struct apr_pool_t apr_pool_t;

#define APR_SUCCESS 0
#define APR_ENOMEM 12

apr_status_t apr_pool_create(apr_pool_t **newpool, apr_pool_t *parent);
void apr_pool_clear(apr_pool_t *p);
void apr_pool_destroy(apr_pool_t *p);
void *apr_palloc(apr_pool_t *p, apr_size_t size);
void *apr_pcalloc(apr_pool_t *p, apr_size_t size);
char *apr_pstrdup(apr_pool_t *p, const char *s);
void *apr_pmemdup(apr_pool_t *p, const void *m, apr_size_t n);
void apr_pool_cleanup_register(apr_pool_t *p, const void *data,
                               apr_status_t (*plain_cleanup)(void *),
                               apr_status_t (*child_cleanup)(void *));
void apr_pool_cleanup_kill(apr_pool_t *p, const void *data, apr_status_t (*cleanup)(void *));
apr_status_t apr_pool_cleanup_run(apr_pool_t *p, void *data, apr_status_t (*cleanup)(void *));
apr_status_t apr_pool_cleanup_null(void *data);
apr_pool_t *apr_pool_parent_get(apr_pool_t *pool);
int apr_pool_is_ancestor(apr_pool_t *a, apr_pool_t *b);
apr_size_t apr_pool_num_bytes(apr_pool_t *p, int recurse);

#ifdef MEMMGR_IMPLEMENTATION

typedef struct apr_cleanup {
    struct apr_cleanup *next;
    void *data;
    apr_status_t (*run)(void *);
} apr_cleanup;

struct apr_pool_t {
    memmgr_pool *memory;
    apr_pool_t *parent, *child, *sibling;
    apr_cleanup *cleanups; // the newest first; in `memory`
};

static void *apr_map(size_t size, void *ctx) {
    (void)ctx;
    return memmgr_aligned_alloc(16, size);
}

static void apr_unmap(void *memory, size_t size, void *ctx) {
    (void)size, (void)ctx;
    memmgr_free(memory);
}

apr_status_t apr_pool_create(apr_pool_t **newpool, apr_pool_t *parent) {
    memmgr_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.name = "apr_pool";
    desc.flags = MEMMGR_POOL_GROW;
    desc.source.map = apr_map;
    desc.source.unmap = apr_unmap;
    apr_pool_t *p = (apr_pool_t *)memmgr_calloc(1, sizeof *p);
    *newpool = NULL;
    if (!p) return APR_ENOMEM;
    p->memory = memmgr_pool_create(8192, &desc);
    if (!p->memory) {
        memmgr_free(p);
        return APR_ENOMEM;
    }
    p->parent = parent;
    if (parent) {
        p->sibling = parent->child;
        parent->child = p;
    }
    *newpool = p;
    return APR_SUCCESS;
}

void apr_pool_clear(apr_pool_t *p) {
    while (p->child)
        apr_pool_destroy(p->child);
    while (p->cleanups) {
        apr_cleanup *cleanup = p->cleanups;
        p->cleanups = cleanup->next;
        cleanup->run(cleanup->data);
    }
    memmgr_pool_reset(p->memory);
}

void apr_pool_destroy(apr_pool_t *p) {
    apr_pool_clear(p);
    if (p->parent) {
        apr_pool_t **link = &p->parent->child;
        while (*link != p)
            link = &(*link)->sibling;
        *link = p->sibling;
    }
    memmgr_pool_destroy(p->memory);
    memmgr_free(p);
}

void *apr_palloc(apr_pool_t *p, apr_size_t size) { return memmgr_pool_alloc(p->memory, size); }
void *apr_pcalloc(apr_pool_t *p, apr_size_t size) { return memmgr_pool_calloc(p->memory, 1, size); }

void *apr_pmemdup(apr_pool_t *p, const void *m, apr_size_t n) {
    void *copy = m ? apr_palloc(p, n) : NULL;
    return copy ? memcpy(copy, m, n) : NULL;
}

char *apr_pstrdup(apr_pool_t *p, const char *s) {
    return s ? (char *)apr_pmemdup(p, s, strlen(s) + 1) : NULL;
}

void apr_pool_cleanup_register(apr_pool_t *p, const void *data,
                               apr_status_t (*plain_cleanup)(void *),
                               apr_status_t (*child_cleanup)(void *)) {
    apr_cleanup *cleanup = (apr_cleanup *)apr_palloc(p, sizeof *cleanup);
    (void)child_cleanup;
    if (!cleanup) return;
    cleanup->next = p->cleanups;
    cleanup->data = (void *)(uintptr_t)data;
    cleanup->run = plain_cleanup;
    p->cleanups = cleanup;
}

void apr_pool_cleanup_kill(apr_pool_t *p, const void *data, apr_status_t (*cleanup)(void *)) {
    for (apr_cleanup **link = &p->cleanups; *link; link = &(*link)->next) {
        apr_cleanup *found = *link;
        if (found->data != data || found->run != cleanup) continue;
        *link = found->next;
        memmgr_pool_free(p->memory, found);
        return;
    }
}

apr_status_t apr_pool_cleanup_run(apr_pool_t *p, void *data, apr_status_t (*cleanup)(void *)) {
    apr_pool_cleanup_kill(p, data, cleanup);
    return cleanup(data);
}

apr_status_t apr_pool_cleanup_null(void *data) {
    (void)data;
    return APR_SUCCESS;
}

apr_pool_t *apr_pool_parent_get(apr_pool_t *pool) { return pool->parent; }

int apr_pool_is_ancestor(apr_pool_t *a, apr_pool_t *b) {
    while (b && b != a)
        b = b->parent;
    return b == a;
}

apr_size_t apr_pool_num_bytes(apr_pool_t *p, int recurse) {
    memmgr_stats stats;
    memmgr_pool_stats(p->memory, &stats);
    apr_size_t bytes = stats.capacity;
    for (apr_pool_t *child = p->child; recurse && child; child = child->sibling)
        bytes += apr_pool_num_bytes(child, recurse);
    return bytes;
}

#endif // MEMMGR_IMPLEMENTATION

#ifdef __cplusplus
}
#endif
#endif
