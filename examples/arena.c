// A pool for each request, emptied at once when the request is done: no free, no leak, no walk
// over what was built. Such a region is often called an arena; in memmgr.h that word means a row of
// units of the general heap, which has nothing to do with it.

#include <stdio.h>
#include <string.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

typedef struct Pair {
    struct Pair *next;
    char *key, *value;
} Pair;

static char *copy(memmgr_pool *pool, const char *text, size_t length) {
    char *bytes = memmgr_pool_calloc(pool, length + 1, 1);
    return bytes ? memcpy(bytes, text, length) : NULL;
}

// "a=1&b=2" as a list of pairs; NULL if the request is too large for the pool.
static Pair *parse(memmgr_pool *pool, const char *query) {
    Pair *pairs = NULL;
    while (*query) {
        size_t key = strcspn(query, "="), value = strcspn(query + key, "&");
        Pair *pair = memmgr_pool_alloc(pool, sizeof *pair);
        if (!pair) return NULL;
        pair->next = pairs;
        pair->key = copy(pool, query, key);
        pair->value = copy(pool, query + key + 1, value - 1);
        if (!pair->key || !pair->value) return NULL;
        pairs = pair;
        query += key + value;
        query += *query == '&';
    }
    return pairs;
}

int main(void) {
    static unsigned char buffer[2048];
    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, NULL);
    size_t used = 0;
    for (int request = 0; request < 100000; request++) {
        Pair *pairs = parse(pool, "user=ada&page=7&sort=name&lang=en");
        if (!pairs || strcmp(pairs->key, "lang") != 0 || strcmp(pairs->value, "en") != 0) return 1;
        used = memmgr_pool_bytes_used(pool);
        memmgr_pool_reset(pool);
    }
    printf("100000 requests in %zu bytes, %zu of them used by each, %zu at the end\n",
           sizeof buffer, used, memmgr_pool_bytes_used(pool));
    return memmgr_pool_destroy(pool) == 0 ? 0 : 1;
}
