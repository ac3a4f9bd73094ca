// The shortest program: include the header, define the implementation in one file, use the calls.
//
//     cc -DUSE_MEMORY_MGR hello.c      on memmgr
//     cc hello.c                       the same source on the C library's malloc
//
// The README's first program has a pool as well, and prints a picture of it; pool_in_buffer.c is
// like that. This one keeps to the general calls: it says the same on every system, with the switch
// on and off, also where there are 16 KiB of RAM.

#include <stdio.h>
#include <string.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

int main(void) {
    char *text = memmgr_malloc(6);
    int *squares = memmgr_calloc(10, sizeof *squares);
    if (!text || !squares) return 1;
    memcpy(text, "hello", 6);
    for (int i = 0; i < 10; i++)
        squares[i] = i * i;

    char *longer = memmgr_realloc(text, 100);
    if (!longer) return 1; // `text` would still be there
    strcat(longer, ", world");
    printf("%s, %d, at least %d usable bytes: %s\n", longer, squares[9], 100,
           memmgr_usable_size(longer) >= 100 ? "yes" : "no");

    memmgr_free(squares);
    memmgr_free(longer);
    memmgr_free(NULL); // does nothing
    return 0;
}
