// A pool in memory that two processes share: one fills it, the other reads and frees. They take
// turns; a lock of a pool is for the threads of one process. The memory lies at the same address in
// both, as a child inherits it, so that pointers within it hold.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

#if defined(USE_MEMORY_MGR) && defined(__unix__)

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Result {
    struct Result *next;
    int number, square;
} Result;

typedef struct {
    memmgr_pool *pool;
    Result *results;
} Shared;

static void fill(Shared *shared) {
    for (int i = 0; i < 1000; i++) {
        Result *result = memmgr_pool_alloc(shared->pool, sizeof *result);
        if (!result) return;
        *result = (Result){shared->results, i, i * i};
        shared->results = result;
    }
}

int main(void) {
    const size_t size = 1u << 20;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 1;
    Shared *shared = (Shared *)memory;
    *shared = (Shared){memmgr_pool_init(memory + 64, size - 64, NULL), NULL};

    pid_t child = fork();
    if (child == 0) {
        fill(shared);
        _exit(0);
    }
    int status = 0, sum = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) return 1;
    for (Result *result = shared->results; result; result = shared->results) {
        sum += result->square == result->number * result->number;
        shared->results = result->next;
        if (memmgr_pool_free(shared->pool, result) != MEMMGR_OK) return 1;
    }
    printf("%d results made by one process, read and freed by the other\n", sum);
    return memmgr_pool_destroy(shared->pool) == 0 && sum == 1000 ? 0 : 1;
}

#else

// Without the switch a pool's blocks are malloc's, and not in the buffer: there is nothing to
// share.
int main(void) {
    printf("needs the switch, and a POSIX system\n");
    return 0;
}

#endif
