// large_pages.c: pages of 256 KiB, larger than a unit, as some kernels have. What is given back
// must be whole pages: a system rounds a part up, and takes what is beside it. Ends with status 0.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGE_PAGE = 262144 };

static unsigned long advised, parts;

static long large_sysconf(int name) { return name == _SC_PAGESIZE ? LARGE_PAGE : sysconf(name); }

static int large_madvise(void *at, size_t size, int advice) {
    advised++;
    if (size % LARGE_PAGE != 0) parts++;
    return madvise(at, size, advice);
}

// What is mapped begins with a page.
static void *large_mmap(void *at, size_t size, int protection, int flags, int file, off_t offset) {
    uintptr_t memory = (uintptr_t)mmap(at, size + LARGE_PAGE, protection, flags, file, offset);
    if (memory == (uintptr_t)MAP_FAILED) return MAP_FAILED;
    return (void *)((memory + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE);
}

// All of it is held.
static int large_mincore(void *at, size_t size, unsigned char *held) {
    (void)at;
    for (size_t i = 0; i < (size + LARGE_PAGE - 1) / LARGE_PAGE; i++)
        held[i] = 1;
    return 0;
}

#define mincore(at, size, held) large_mincore(at, size, held)
#define mmap(at, size, protection, flags, file, offset)                                            \
    large_mmap(at, size, protection, flags, file, offset)
#define sysconf(name) large_sysconf(name)
#define madvise(at, size, advice) large_madvise(at, size, advice)
#define MEMMGR_IMPLEMENTATION
#include "../../memmgr.h"

enum { BLOCKS = 3000, SIZE = 1000 };

int main(void) {
    static unsigned char *block[BLOCKS];
    unsigned long wrong = 0;
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = (unsigned char *)memmgr_malloc(SIZE);
        for (int k = 0; block[i] && k < SIZE; k++)
            block[i][k] = (unsigned char)i;
    }
    // Some units are left idle, and a long block.
    for (int i = 0; i < BLOCKS; i++)
        if (i / 250 % 2) memmgr_free(block[i]);
    memmgr_free(memmgr_malloc((size_t)5 << 20));
    (void)memmgr_trim();
    for (int i = 0; i < BLOCKS; i++)
        for (int k = 0; i / 250 % 2 == 0 && k < SIZE; k++)
            wrong += block[i][k] != (unsigned char)i;
    printf("%lu times memory was given back, %lu times parts of a page; %lu bytes are wrong\n",
           advised, parts, wrong);
    return parts == 0 && wrong == 0 && memmgr_check() == MEMMGR_OK ? 0 : 1;
}
