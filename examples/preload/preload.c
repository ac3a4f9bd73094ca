// preload.c: memmgr for programs that know nothing of it. `make preload` builds it as
// build/libmemmgr.so:
//
//     LD_PRELOAD=build/libmemmgr.so program
//     LD_PRELOAD=build/libmemmgr.so MEMMGR_OPTIONS=stats,leaks program
//
// MEMMGR_OPTIONS is a list of
//
//     stats        statistics of the heap at exit, on stderr
//     leaks        blocks that are live at exit
//     abort        a misuse ends the program
//     fill         fresh blocks are filled with 0xCC, freed ones with 0xDD
//     draw=FILE    a picture of the heap at exit: SVG, or text if FILE does not end in .svg
#define USE_MEMORY_MGR
#define MEMMGR_IMPLEMENTATION
#define MEMMGR_OVERRIDE
#include "../../memmgr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    bool stats, leaks;
    char draw[4096]; // the file's name, or ""
} options;

// What the default handler would do, and then the end.
static void report_and_abort(const memmgr_report *report, void *ctx) {
    char line[256];
    (void)ctx;
    int length =
        snprintf(line, sizeof line, "memmgr: %s: %p: %s\n", memmgr_error_name(report->error),
                 report->pointer, memmgr_error_text(report->error));
    ssize_t written = length > 0 ? write(2, line, (size_t)length) : 0;
    (void)written; // stderr may be closed: the end is the same
    if (report->error != MEMMGR_LEAK) abort();
}

static bool take_option(const char *option, size_t length) {
    static const char draw[] = "draw=";
    if (length == 5 && memcmp(option, "stats", 5) == 0) return options.stats = true;
    if (length == 5 && memcmp(option, "leaks", 5) == 0) return options.leaks = true;
    if (length == 4 && memcmp(option, "fill", 4) == 0) return memmgr_set_fill(true), true;
    if (length == 5 && memcmp(option, "abort", 5) == 0)
        return memmgr_set_error_handler(report_and_abort, NULL), true;
    if (length <= sizeof draw - 1 || memcmp(option, draw, sizeof draw - 1) != 0) return false;
    if (length - (sizeof draw - 1) >= sizeof options.draw) return false;
    memcpy(options.draw, option + sizeof draw - 1, length - (sizeof draw - 1));
    return true;
}

__attribute__((constructor)) static void read_options(void) {
    const char *option = getenv("MEMMGR_OPTIONS");
    while (option && *option) {
        size_t length = strcspn(option, ",");
        if (length != 0 && !take_option(option, length))
            fprintf(stderr, "memmgr: MEMMGR_OPTIONS: %.*s: no such option\n", (int)length, option);
        option += length + (option[length] == ',');
    }
}

static void write_to_file(const char *text, size_t length, void *ctx) {
    fwrite(text, 1, length, (FILE *)ctx);
}

// Into an open file, whose buffer is there before the heap is looked at.
static void draw(const char *name) {
    static char buffer[4096];
    size_t length = strlen(name);
    bool svg = length > 4 && strcmp(name + length - 4, ".svg") == 0;
    FILE *file = fopen(name, "w");
    if (!file) {
        perror(name);
        return;
    }
    setvbuf(file, buffer, _IOFBF, sizeof buffer);
    memmgr_draw(svg ? MEMMGR_PICTURE_SVG : MEMMGR_PICTURE_TEXT, write_to_file, file);
    fclose(file);
}

__attribute__((destructor)) static void at_exit(void) {
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    if (options.stats)
        fprintf(stderr,
                "memmgr: used %zu B in %zu blocks, peak %zu B, free %zu B, overhead %zu B, "
                "capacity %zu B, failures %zu, misuses %zu\n",
                stats.used, stats.live_blocks, stats.peak_used, stats.free, stats.overhead,
                stats.capacity, stats.failures, stats.misuses);
    if (options.leaks && memmgr_leaks() == 0) fputs("memmgr: no leaks\n", stderr);
    if (options.draw[0]) draw(options.draw);
}
