// What does a library allocate? One that takes an allocator is given a pool of its own: with
// counts, a limit, and the leaks that it leaves.

#include <stdio.h>
#include <string.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

// --- The library. It takes one function, as Lua does: size 0 frees, and ptr NULL allocates.

typedef void *(*lib_allocator)(void *ctx, void *ptr, size_t size);

static char *lib_repeat(const char *word, unsigned times, lib_allocator allocate, void *ctx) {
    char *text = allocate(ctx, NULL, 1);
    for (unsigned i = 0; text && i < times; i++) {
        size_t length = i * strlen(word);
        char *longer = allocate(ctx, text, length + strlen(word) + 1);
        if (!longer) allocate(ctx, text, 0);
        text = longer;
        if (text) memcpy(text + length, word, strlen(word) + 1);
    }
    return text;
}

// --- The program.

static void *from_pool(void *ctx, void *ptr, size_t size) {
    if (size > 0) return memmgr_pool_realloc(ctx, ptr, size);
    memmgr_pool_free(ctx, ptr);
    return NULL;
}

static void to_file(const char *text, size_t length, void *ctx) { fwrite(text, 1, length, ctx); }

int main(void) {
    memmgr_pool_desc desc = {
        .name = "lib",
        .flags = MEMMGR_POOL_GROW | MEMMGR_POOL_TRACK,
        .limit = 1u << 20, // a mebibyte, and no more
    };
    memmgr_pool *pool = memmgr_pool_create(16384, &desc);
    if (!pool) return 1;
    char *text = lib_repeat("memory ", 1000, from_pool, pool);
    memmgr_stats stats;
    memmgr_pool_stats(pool, &stats);
    printf("%zu allocations, %zu bytes at most; live now: %zu\n", stats.allocations,
           stats.peak_used, stats.live_blocks);
    memmgr_pool_json(pool, to_file, stdout);
    printf("\n");
    from_pool(pool, text, 0);

    char *too_long = lib_repeat("memory ", 200000, from_pool, pool); // 1.4 MB: beyond the limit
    memmgr_pool_stats(pool, &stats);
    printf("beyond its limit the library is told NULL: %s\n", too_long ? "no" : "yes");
    return memmgr_pool_destroy(pool) == 0 && text && !too_long && stats.failures > 0 ? 0 : 1;
}
