// The file of the program in which the implementation is compiled.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include <memmgr.h>

#include "words.h"

int main(void) {
    static char buffer[4096];
    static const char *const text[] = {"to", "be", "or", "not", "to", "be"};
    word *list = NULL;
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        word *longer = words_add(list, text[i]);
        if (!longer) return 1;
        list = longer;
    }

    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, NULL);
    void *block = memmgr_pool_alloc(pool, 100);
    memmgr_error freed = memmgr_pool_free(pool, block);
    size_t words = words_count(list);
    words_free(list);

    size_t leaks = memmgr_leaks() + memmgr_pool_destroy(pool);
#ifdef USE_MEMORY_MGR
    const char *memory = "memmgr";
#else
    const char *memory = "libc";
#endif
    printf("memmgr %s: %u words on %s, %u leaks\n", MEMMGR_VERSION, (unsigned)words, memory,
           (unsigned)leaks);
    return block && freed == MEMMGR_OK && words == 6 && leaks == 0 ? 0 : 1;
}
