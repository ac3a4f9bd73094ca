// bench_pool.c: the adaptors in C for bench.h. One of these is defined when it is compiled:
//
//     BENCH_MEMMGR    a pool in the buffer; variants: default, eager, first, best, first-eager
//     BENCH_GENERAL   memmgr_malloc and the rest
//     BENCH_GLIBC     the C library's malloc
//     BENCH_TALLOC    talloc_pool: takes back only what was allocated last, or everything
//     BENCH_DRIVER    nothing: what the driver itself costs
#if defined(BENCH_MEMMGR)
#define HEAP_IN_BUFFER true
#else
#define HEAP_IN_BUFFER false
#endif
#include "bench.h"

#if defined(BENCH_MEMMGR)

#include "../memmgr.h"

static memmgr_pool *pool;

static bool heap_open(const bench_job *job, void *buffer) {
    memmgr_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    if (strstr(job->variant, "first")) desc.fit = MEMMGR_FIT_FIRST;
    if (strstr(job->variant, "best")) desc.fit = MEMMGR_FIT_BEST;
    if (strstr(job->variant, "eager")) desc.flags |= MEMMGR_POOL_EAGER;
    pool = memmgr_pool_init(buffer, job->buffer, &desc);
    return pool != NULL;
}

static inline void *heap_alloc(size_t size) { return memmgr_pool_alloc(pool, size); }

static inline void heap_free(void *block, size_t size) {
    (void)size;
    memmgr_pool_free(pool, block);
}

static inline void *heap_realloc(void *block, size_t old_size, size_t size) {
    (void)old_size;
    return memmgr_pool_realloc(pool, block, size);
}

static void heap_drop(void **all, const uint32_t *all_sizes, size_t count) {
    (void)all, (void)all_sizes, (void)count;
    memmgr_pool_reset(pool);
}

#elif defined(BENCH_GLIBC) || defined(BENCH_GENERAL)

#include <sys/resource.h>
#ifdef BENCH_GENERAL
#include "../memmgr.h"
#define HEAP(name) memmgr_##name
#else
#define HEAP(name) name
#endif

// Where the buffer's size matters malloc gets a limit of as many bytes more than the process has
// already.
static bool heap_limit(size_t bytes) {
    char line[256];
    unsigned long kib = 0;
    struct rlimit limit;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        sscanf(line, "VmData: %lu kB", &kib);
    if (status) fclose(status);
    limit.rlim_cur = limit.rlim_max = kib * 1024 + bytes;
    return kib > 0 && setrlimit(RLIMIT_DATA, &limit) == 0;
}

static bool heap_open(const bench_job *job, void *buffer) {
    (void)buffer;
    bool limited = job->mode[0] == 'f' || job->mode[0] == 'p';
    if (!limited) return true;
    return job->buffer >= (1u << 24) && job->seeds == 1 && heap_limit(job->buffer);
}

static inline void *heap_alloc(size_t size) { return HEAP(malloc)(size); }

static inline void heap_free(void *block, size_t size) {
    (void)size;
    HEAP(free)(block);
}

static inline void *heap_realloc(void *block, size_t old_size, size_t size) {
    (void)old_size;
    return HEAP(realloc)(block, size);
}

static void heap_drop(void **all, const uint32_t *all_sizes, size_t count) {
    (void)all_sizes;
    for (size_t i = 0; i < count; i++)
        HEAP(free)(all[i]);
}

#elif defined(BENCH_TALLOC)

#include <talloc.h>

static void *pool;
static char *pool_end;

static bool heap_open(const bench_job *job, void *buffer) {
    (void)buffer;
    if (job->kind[0] != 'l' && job->kind[0] != 'w' && job->kind[0] != 'd' && job->kind[0] != 'f')
        return false;
    pool = talloc_pool(NULL, job->buffer);
    if (!pool) return false;
    memset(pool, 0xA5, job->buffer);
    pool_end = (char *)pool + job->buffer;
    return true;
}

// What does not fit talloc takes from malloc; here that is a failure.
static inline void *heap_alloc(size_t size) {
    char *block = (char *)talloc_size(pool, size);
    return block > (char *)pool && block < pool_end ? block : NULL;
}

static inline void heap_free(void *block, size_t size) {
    (void)size;
    talloc_free(block);
}

static inline void *heap_realloc(void *block, size_t old_size, size_t size) {
    (void)old_size;
    return talloc_realloc_size(pool, block, size);
}

static void heap_drop(void **all, const uint32_t *all_sizes, size_t count) {
    (void)all, (void)all_sizes, (void)count;
    talloc_free_children(pool);
}

#else

static unsigned char scratch[1 << 17];

static bool heap_open(const bench_job *job, void *buffer) {
    (void)buffer;
    return job->mode[0] == 't' || job->mode[0] == 'd';
}

static inline void *heap_alloc(size_t size) { return scratch + (size & 64); }
static inline void heap_free(void *block, size_t size) { (void)block, (void)size; }

static inline void *heap_realloc(void *block, size_t old_size, size_t size) {
    (void)old_size, (void)size;
    return block;
}

static void heap_drop(void **all, const uint32_t *all_sizes, size_t count) {
    (void)all, (void)all_sizes, (void)count;
}

#endif

#ifndef BENCH_NO_MAIN
int main(int argc, char **argv) { return bench_main(argc, argv); }
#endif
