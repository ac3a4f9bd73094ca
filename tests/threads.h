// threads.h: as much of threads as the tests need, where there are any.
#ifndef THREADS_H
#define THREADS_H

#if !defined(MEMMGR_NO_THREADS) && (defined(__unix__) || defined(__APPLE__))
#define HAVE_THREADS 1
#include <pthread.h>
#else
#define HAVE_THREADS 0
#endif

#if HAVE_THREADS

enum { THREADS = 4 };

// Runs work(ctx, 0) to work(ctx, THREADS - 1) at once and waits for all.
typedef struct {
    void (*work)(void *ctx, size_t index);
    void *ctx;
    size_t index;
} thread_start;

static inline void *thread_run(void *start) {
    thread_start *own = (thread_start *)start;
    own->work(own->ctx, own->index);
    return NULL;
}

static inline bool threads_run(void (*work)(void *ctx, size_t index), void *ctx) {
    pthread_t threads[THREADS];
    thread_start starts[THREADS];
    size_t started = 0;
    for (; started < THREADS; started++) {
        starts[started].work = work;
        starts[started].ctx = ctx;
        starts[started].index = started;
        if (pthread_create(&threads[started], NULL, thread_run, &starts[started]) != 0) break;
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return started == THREADS;
}

// A random number of a thread's own.
static inline size_t thread_below(uint64_t *state, size_t limit) {
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (size_t)((z ^ (z >> 31)) % limit);
}

#endif
#endif
