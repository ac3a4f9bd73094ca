// smallest.c: what a device needs that wants a pool with alloc, free and an audit, and nothing
// else. Never run: its size is compared with that of the same program without a pool (-DEMPTY).
#define USE_MEMORY_MGR
#define MEMMGR_STATIC
#define MEMMGR_NO_OS
#define MEMMGR_NO_THREADS
#define MEMMGR_NO_STDIO
#define MEMMGR_NO_WATCH
#define MEMMGR_SMALL
#ifndef EMPTY
#define MEMMGR_IMPLEMENTATION
#include "../../memmgr.h"
#endif

int main(void);

static unsigned char buffer[1024];
static void *volatile kept;

#ifndef EMPTY
static void *volatile reported;

static void note(const memmgr_report *report, void *ctx) {
    (void)ctx;
    reported =
        report->caller ? (void *)(uintptr_t)report->caller : (void *)(uintptr_t)report->pointer;
}
#endif

int main(void) {
#ifdef EMPTY
    kept = buffer;
#else
    memmgr_set_error_handler(note, (void *)0);
    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, (void *)0);
    kept = memmgr_pool_alloc(pool, 20);
    if (memmgr_pool_free(pool, kept) != MEMMGR_OK) return 1;
    return memmgr_pool_check(pool) != MEMMGR_OK;
#endif
    return 0;
}
