// Every misuse is recognised for certain, reported, and survived, in release builds too.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

static int reported[MEMMGR_LEAK + 1];

static void on_error(const memmgr_report *report, void *ctx) {
    (void)ctx;
    reported[report->error]++;
    printf("  %s: %s\n", memmgr_error_name(report->error), memmgr_error_text(report->error));
}

int main(void) {
#ifdef USE_MEMORY_MGR
    static unsigned char buffer[65536];
    int local = 0;
    memmgr_set_error_handler(on_error, NULL);
    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, NULL);
    char *a = memmgr_pool_alloc(pool, 1000), *b = memmgr_pool_alloc(pool, 1000);
    char *c = memmgr_malloc(50);
    if (!a || !b || !c) return 1;

    puts("freed twice, the second time after it has merged with its neighbour:");
    memmgr_pool_free(pool, b);
    memmgr_pool_free(pool, a);
    memmgr_pool_free(pool, b);

    puts("an address inside a block, in realloc:");
    a = memmgr_pool_alloc(pool, 1000);
    if (memmgr_pool_realloc(pool, a + 160, 2000) != NULL) return 1;

    puts("a variable, given to the general free, and a block of one heap to another:");
    memmgr_free(&local);
    if (memmgr_pool_free(pool, c) != MEMMGR_FOREIGN_POINTER) return 1;

    puts("an alignment that is no power of two:");
    if (memmgr_pool_aligned_alloc(pool, 24, 100) != NULL) return 1;

    // Nothing of this has harmed the heap.
    if (memmgr_pool_check(pool) != MEMMGR_OK || memmgr_pool_free(pool, a) != MEMMGR_OK) return 1;
    memmgr_free(c);
    bool expected = reported[MEMMGR_DOUBLE_FREE] == 1 && reported[MEMMGR_INTERIOR_POINTER] == 1 &&
                    reported[MEMMGR_FOREIGN_POINTER] == 2 && reported[MEMMGR_BAD_ARGUMENT] == 1;
    return expected ? 0 : 1;
#else
    // Without the switch the C library sees these calls, and may well abort.
    memmgr_set_error_handler(on_error, NULL);
    puts("needs the switch: compile with -DUSE_MEMORY_MGR");
    return reported[MEMMGR_OK];
#endif
}
