// A picture of a heap: text to the terminal, and SVG to the file named on the command line.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

static void write_to(const char *text, size_t length, void *file) { fwrite(text, 1, length, file); }

int main(int argc, char **argv) {
    static unsigned char buffer[64 * 1024];
    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, NULL);
    if (!pool) return 1;

    // Something to look at: blocks of many sizes, every third one freed.
    void *blocks[60];
    for (unsigned i = 0; i < 60; i++)
        blocks[i] = memmgr_pool_alloc(pool, 64 + i * i % 29 * 48);
    for (unsigned i = 0; i < 60; i += 3)
        memmgr_pool_free(pool, blocks[i]);

    memmgr_pool_print(pool, stdout); // the statistics and the text picture
    if (argc > 1) {
        FILE *file = fopen(argv[1], "w");
        if (!file) return 1;
        memmgr_pool_draw(pool, MEMMGR_PICTURE_SVG, write_to, file);
        if (fclose(file) != 0) return 1;
        printf("SVG written to %s\n", argv[1]);
    }
    memmgr_pool_reset(pool);
    return memmgr_pool_destroy(pool) == 0 ? 0 : 1;
}
