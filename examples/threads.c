// One pool for several threads: blocks made by one may be freed by another.

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

enum { THREADS = 4, ROUNDS = 20000 };

static memmgr_pool *pool;
static pthread_mutex_t exchange_lock = PTHREAD_MUTEX_INITIALIZER;
static void *exchange; // a block on its way from one thread to the next

static void *work(void *name) {
    for (size_t i = 0; i < ROUNDS; i++) {
        char *mine = memmgr_pool_alloc(pool, 16 + i % 500);
        if (!mine) return mine;
        memset(mine, *(char *)name, 16);

        pthread_mutex_lock(&exchange_lock);
        void *theirs = exchange;
        exchange = mine;
        pthread_mutex_unlock(&exchange_lock);
        memmgr_pool_free(pool, theirs); // NULL the first time, which is fine
    }
    return name;
}

int main(void) {
    pool = memmgr_pool_create(1u << 20, &(memmgr_pool_desc){.flags = MEMMGR_POOL_LOCKED});
    if (!pool) return 1;

    pthread_t threads[THREADS];
    char names[THREADS] = "abcd";
    bool good = true;
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, &names[i]) != 0) return 1;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        good = good && result == &names[i];
    }
    memmgr_pool_free(pool, exchange);

    memmgr_stats stats;
    memmgr_pool_stats(pool, &stats);
    printf("%zu allocations by %d threads, %zu frees, %zu blocks live\n", stats.allocations,
           THREADS, stats.frees, stats.live_blocks);
    good = good && stats.frees == THREADS * ROUNDS && memmgr_pool_check(pool) == MEMMGR_OK;
    return memmgr_pool_destroy(pool) == 0 && good ? 0 : 1;
}
