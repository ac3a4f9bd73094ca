// program.c WALK MAPS: pools and general blocks of a known layout for gdb to look at. Writes to the
// file WALK what memmgr_pool_walk shows of a randomly used pool, to MAPS how memmgr draws it and
// the others, and aborts.
//
// With -DPART=1 it is the library alone and with -DPART=2 the program alone: two files, as most
// programs have.
#ifndef PART
#define PART 3
#endif
#if PART & 1
#define MEMMGR_IMPLEMENTATION
#endif
#include "memmgr.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void damage(memmgr_pool *pool, int how);

#if PART & 1

void damage(memmgr_pool *pool, int how) {
    mmi_segment *segment = (mmi_segment *)(void *)((char *)pool + (sizeof *pool + 15) / 16 * 16);
    mmi_entry *map = (mmi_entry *)(void *)((char *)segment + segment->map_offset);
    if (how == 0) segment->granule_count++;
    if (how == 1) map[0].used = 8;
    if (how == 2) pool->segment_count = 7;
    if (how == 3) map[segment->entry_count].start = 0;
    if (how == 4) pool->used += 16;
}

#endif // PART & 1

#if PART & 2

_Alignas(16) static char buffer[65536], tracked_buffer[8192], broken[5][4096], ended[4096];
// What nothing reads here is not static: else nothing would be left of it.
static memmgr_pool *fixed, *random_pool;
memmgr_pool *growing, *classy, *tracked, *damaged[5], *destroyed;
char *blocks[6], *grown[8], *kept[4], *small[3], *large, *huge;
char *watched[5], *noted;
memmgr_stats fixed_stats, growing_stats;

// Live 112 B, free 64 B, live 8 KiB (a span of entries in it), live 208 B, free 16 KiB, live 16 B.
static void fill_fixed(void) {
    static const size_t sizes[] = {112, 64, 8192, 200, 16384, 1};
    fixed = memmgr_pool_init(buffer, sizeof buffer, &(memmgr_pool_desc){.name = "fixed"});
    for (size_t i = 0; i < 6; i++)
        blocks[i] = memmgr_pool_alloc(fixed, sizes[i]);
    memmgr_pool_free(fixed, blocks[1]);
    memmgr_pool_free(fixed, blocks[4]);
    memmgr_pool_stats(fixed, &fixed_stats);
}

// Segments of 64 KiB and up, the last block of which is larger than all before.
static void fill_growing(void) {
    memmgr_pool_desc desc = {.name = "growing", .flags = MEMMGR_POOL_GROW};
    growing = memmgr_pool_create(65536, &desc);
    for (size_t i = 0; i < 8; i++)
        grown[i] = memmgr_pool_alloc(growing, 40000);
    memmgr_pool_free(growing, grown[5]);
    memmgr_pool_stats(growing, &growing_stats);
}

// Four blocks in a row, of which the class keeps the second.
static void fill_classy(void) {
    classy = memmgr_pool_create((size_t)2 << 20, &(memmgr_pool_desc){.name = "classy"});
    for (size_t i = 0; i < 4; i++)
        kept[i] = memmgr_pool_alloc(classy, 1000);
    memmgr_pool_free(classy, kept[1]);
}

// Two blocks from one line, of which one is overrun; one freed and written to, in quarantine; one
// aligned to 64; one whose record is overwritten; and one of the general heap.
static void fill_tracked(void) {
    memmgr_pool_desc desc = {.name = "tracked"};
    desc.flags = MEMMGR_POOL_TRACK | MEMMGR_POOL_GUARD | MEMMGR_POOL_QUARANTINE;
    tracked = memmgr_pool_init(tracked_buffer, sizeof tracked_buffer, &desc);
    for (int i = 0; i < 5; i++)
        watched[i] =
            memmgr_pool_aligned_alloc_at(tracked, i == 3 ? 64 : 16, 100, "app.c", 41 + (i + 1) / 2);
    watched[1][101] = 'x';
    memmgr_pool_free_at(tracked, watched[2], "app.c", 50);
    watched[2][7] = 'x';
    memset(watched[4] - 60, 'x', 50);
    memmgr_watch(MEMMGR_POOL_TRACK);
    noted = memmgr_malloc_at(60, "app.c", 70);
    memmgr_watch(0);
}

// Frees a block of another thread's, and leaves a heap behind, and an idle unit.
static void *free_it(void *block) {
    memmgr_free(memmgr_malloc(40));
    memmgr_free(block);
    return NULL;
}

// Small blocks, one after the other in a slab: live, freed by this thread, freed by another.
static void fill_heap(void) {
    pthread_t thread;
    for (size_t i = 0; i < 3; i++)
        small[i] = memmgr_malloc(5000);
    huge = memmgr_malloc(300000);
    large = memmgr_malloc(50000);
    memmgr_free(huge);
    memmgr_free(small[1]);
    if (pthread_create(&thread, NULL, free_it, small[2]) == 0) pthread_join(thread, NULL);
}

static bool note(const memmgr_block *block, void *file) {
    fprintf(file, "%zx %zx %d\n", (size_t)block->address, block->size, block->live);
    return true;
}

// Random allocations and frees, of sizes up to some map entries; what the pool's own walk shows;
// and some frees more, of blocks that the pool's classes may keep.
static void fill_random(const char *path) {
    enum { COUNT = 400 };
    static void *held[COUNT];
    uint32_t seed = 12345;
    FILE *file = fopen(path, "w");
    random_pool = memmgr_pool_create((size_t)1 << 20, &(memmgr_pool_desc){.name = "random"});
    for (int i = 0; i < 8000; i++) {
        seed = seed * 1664525u + 1013904223u;
        size_t place = (seed >> 8) % COUNT, size = (size_t)(seed >> 20);
        if (size < 64) size *= 256;
        if (held[place]) memmgr_pool_free(random_pool, held[place]);
        held[place] = i % 3 == 0 ? NULL : memmgr_pool_alloc(random_pool, size);
    }
    if (!file) return;
    memmgr_pool_walk(random_pool, note, file);
    for (int i = 0; i < COUNT; i += 7) {
        if (held[i]) fprintf(file, "%zx 0 0\n", (size_t)held[i]);
        if (held[i]) memmgr_pool_free(random_pool, held[i]);
    }
    fclose(file);
}

static void draw_all(const char *path) {
    FILE *file = fopen(path, "w");
    if (!file) return;
    fprintf(file, "fixed\n");
    memmgr_pool_print(fixed, file);
    fprintf(file, "growing\n");
    memmgr_pool_print(growing, file);
    fprintf(file, "tracked\n");
    memmgr_pool_print(tracked, file);
    fprintf(file, "heap\n");
    memmgr_print(file);
    fclose(file);
}

int main(int argc, char **argv) {
    if (argc < 3) return 1;
    fill_fixed();
    fill_growing();
    fill_classy();
    fill_tracked();
    fill_heap();
    fill_random(argv[1]);
    for (int i = 0; i < 5; i++) {
        damaged[i] = memmgr_pool_init(broken[i], sizeof broken[i], NULL);
        damage(damaged[i], i);
    }
    destroyed = memmgr_pool_init(ended, sizeof ended, NULL);
    memmgr_pool_destroy(destroyed);
    draw_all(argv[2]);
    abort();
}

#endif // PART & 2
