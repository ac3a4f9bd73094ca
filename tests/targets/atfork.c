// atfork.c: to ask to be told of forks may be to call malloc, as on OpenBSD: with MEMMGR_LOCK, in
// the place of malloc, that call must find the lock free. Ends with status 0, or an alarm.
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

static int ask(void (*before)(void), void (*after)(void), void (*in_child)(void));
#define pthread_atfork(before, after, in_child) ask(before, after, in_child)

static pthread_mutex_t the_lock = PTHREAD_MUTEX_INITIALIZER;
#define MEMMGR_LOCK() ((void)pthread_mutex_lock(&the_lock))
#define MEMMGR_UNLOCK() ((void)pthread_mutex_unlock(&the_lock))
#undef SUITE_LOCK
#define MEMMGR_IMPLEMENTATION
#include "../../memmgr.h"

static void *asked;

static int ask(void (*before)(void), void (*after)(void), void (*in_child)(void)) {
    asked = memmgr_malloc(100);
    return before && after && in_child && asked ? 0 : 1;
}

int main(void) {
    (void)alarm(20);
    void *block = memmgr_malloc(50);
    int holds = block != NULL && asked != NULL && block != asked;
    memmgr_free(block);
    memmgr_free(asked);
    return holds ? 0 : 1;
}
