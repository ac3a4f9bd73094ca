// Records what a program allocates into a file, to look at and to replay later:
//
//     cc -DUSE_MEMORY_MGR -I. examples/record.c -o record && ./record out.trace
//     make replay TRACE=out.trace
//
// The replay runs the same calls on memmgr and on the C library, and draws a picture. A recording
// is a trace, a file of calls; the record of a watched block, in memmgr.h, is another thing.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

static void to_file(const char *bytes, size_t length, void *ctx) { fwrite(bytes, 1, length, ctx); }

// Something to record: a list that breathes.
static size_t work(void) {
    void *block[100] = {NULL};
    size_t made = 0;
    for (unsigned i = 0; i < 10000; i++) {
        void **at = &block[i * 7919u % 100];
        memmgr_free(*at);
        *at = i % 3 ? memmgr_malloc(16 + i % 500) : NULL;
        made += *at != NULL;
    }
    for (size_t i = 0; i < 100; i++)
        memmgr_free(block[i]);
    return made;
}

int main(int argc, char **argv) {
    static char buffer[65536]; // stdio's own: else it would allocate while it records
    FILE *file = fopen(argc > 1 ? argv[1] : "out.trace", "wb");
    if (!file) return 1;
    setvbuf(file, buffer, _IOFBF, sizeof buffer);

    bool recording = memmgr_trace_start(to_file, file); // without the switch there is no trace
    size_t made = work();
    if (recording) memmgr_trace_stop();

    long length = ftell(file);
    printf("%zu blocks, %ld bytes of trace\n", made, length);
    return fclose(file) == 0 && (length > 0) == recording ? 0 : 1;
}
