// A pool that is destroyed says which blocks were forgotten.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

static void on_error(const memmgr_report *report, void *ctx) {
    printf("%s: %zu bytes\n", memmgr_error_name(report->error), report->size);
    ++*(int *)ctx;
}

int main(void) {
    int reports = 0;
    memmgr_set_error_handler(on_error, &reports);

    memmgr_pool *pool = memmgr_pool_create(1u << 20, &(memmgr_pool_desc){.name = "session"});
    if (!pool) return 1;
    void *kept[5];
    for (int i = 0; i < 5; i++)
        kept[i] = memmgr_pool_alloc(pool, 100u * (unsigned)(i + 1));
    memmgr_pool_free(pool, kept[0]);
    memmgr_pool_free(pool, kept[3]);

    size_t leaks = memmgr_pool_destroy(pool); // the memory is given back all the same
    printf("%zu blocks leaked, %d reports\n", leaks, reports);
    return leaks == 3 && reports > 0 ? 0 : 1;
}
