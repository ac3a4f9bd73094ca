// Pictures of heaps for the docs, drawn now: SVG files, and on stdout a line for each, with its
// file, a tab and its caption.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

enum { BLOCKS = 120, ROUNDS = 4000 };

static unsigned char buffer[64 * 1024];
static void *blocks[BLOCKS];
static unsigned state = 1;

static unsigned random_below(unsigned limit) {
    state = state * 1103515245u + 12345u;
    return (state >> 16) % limit;
}

static void write_to(const char *text, size_t length, void *file) { fwrite(text, 1, length, file); }

static int draw(const memmgr_pool *pool, const char *name, const char *caption) {
    FILE *file = fopen(name, "w");
    if (!file) return 1;
    memmgr_pool_draw(pool, MEMMGR_PICTURE_SVG, write_to, file);
    printf("%s\t%s\n", name, caption);
    return fclose(file);
}

static memmgr_pool *make(const char *name, unsigned flags) {
    memmgr_pool_desc desc = {0};
    desc.name = name;
    desc.flags = flags;
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = NULL;
    return memmgr_pool_init(buffer, sizeof buffer, &desc);
}

static void end(memmgr_pool *pool) {
    memmgr_pool_reset(pool);
    memmgr_pool_destroy(pool);
}

// Blocks of many sizes come and go.
static int draw_busy(void) {
    memmgr_pool *pool = make("busy", 0);
    if (!pool) return 1;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned at = random_below(BLOCKS), size = 16 + random_below(8) * random_below(160);
        (void)memmgr_pool_free(pool, blocks[at]);
        blocks[at] = memmgr_pool_alloc(pool, size);
    }
    int failed = draw(pool, "busy.svg", "A pool of 64 KiB after 4,000 random steps.");
    end(pool);
    return failed;
}

// Half of the blocks are freed, but no two neighbours.
static int draw_fragmented(void) {
    memmgr_pool *pool = make("fragmented", 0);
    if (!pool) return 1;
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = memmgr_pool_alloc(pool, 464);
    for (int i = 0; i < BLOCKS; i += 2)
        (void)memmgr_pool_free(pool, blocks[i]);
    int failed =
        draw(pool, "fragmented.svg", "Every second block was freed: much is free, in pieces.");
    end(pool);
    return failed;
}

// Sites are told where blocks are tracked.
static int draw_tracked(void) {
    memmgr_pool *pool = make("tracked", MEMMGR_POOL_TRACK);
    if (!pool) return 1;
    for (unsigned i = 0; i < 40; i++) {
        (void)memmgr_pool_alloc_at(pool, 40 + i * 7 % 64, "parser.c", 120);
        if (i % 4 == 0) (void)memmgr_pool_alloc_at(pool, 1500, "image.c", 44);
        if (i % 8 == 0) (void)memmgr_pool_alloc_at(pool, 256, "log.c", 9);
    }
    int failed = draw(pool, "tracked.svg", "With MEMMGR_POOL_TRACK: who holds how much.");
    end(pool);
    return failed;
}

int main(void) {
    int failed = draw_busy();
    failed |= draw_fragmented();
    failed |= draw_tracked();
    return failed;
}
