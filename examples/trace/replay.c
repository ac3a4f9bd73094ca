// Shows what a trace of memmgr holds, and what it costs on memmgr and on libc's malloc.
//
//     replay [option...] TRACE
//
//     --svg FILE     memory over time, by the sites that hold most, as a picture
//     --csv FILE     memory over time, as a table: nanoseconds, live bytes, live blocks
//     --rounds N     how often each allocator is timed (default 5); 0: nothing is replayed
//     --limit MIB    a trace in which more is live is not replayed (default: half the machine's)
//
//     cc -O2 -DUSE_MEMORY_MGR -I. examples/trace/replay.c -o replay -pthread
//
// A trace is made by memmgr_trace_start. Its operations are replayed on one thread, in the order of
// the trace, whichever threads did them. Blocks of pools are general blocks here; memory that a
// pool's own buffer takes from the general calls is therefore counted twice.
//
// Each replay has a process of its own, in which neither allocator has done anything yet; the
// allocators take turns. Failed allocations, and frees of what is older than the trace, are left
// out.

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE // MAP_ANONYMOUS, where the compiler is told -std=c11
#endif

#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"
#include "picture.h"
#include "trace.h"

#ifndef USE_MEMORY_MGR
#error "replay.c compares memmgr with libc's malloc: compile it with -DUSE_MEMORY_MGR"
#endif

enum {
    ROUNDS = 5,
    ROUNDS_MOST = 99,
    ROUNDS_AT_LEAST = 3,
    SECONDS = 30,
    SAMPLES = 200,
    PAGE = 4096
};

typedef struct {
    const char *trace, *svg, *csv; // names of files, or NULL
    long rounds;
    uint64_t limit; // bytes
} Options;

// --- The replay. -------------------------------------------------------------------------------

typedef struct {
    const char *name;
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *block, size_t size);
    void *(*aligned)(size_t alignment, size_t size);
    void (*free)(void *block);
} Allocator;

static void *libc_aligned(size_t alignment, size_t size) {
    void *block = NULL;
    if (alignment < sizeof block) alignment = sizeof block;
    return posix_memalign(&block, alignment, size) == 0 ? block : NULL;
}

enum { LIBC, MEMMGR, ALLOCATORS };

// Both are called through pointers, so that both pay the same and no compiler takes a call away.
static const Allocator allocators[ALLOCATORS] = {
    {"libc malloc", malloc, calloc, realloc, libc_aligned, free},
    {"memmgr", memmgr_malloc, memmgr_calloc, memmgr_realloc, memmgr_aligned_alloc, memmgr_free}};

// What a child tells its parent.
typedef struct {
    double nanoseconds;
    uint64_t peak_memory;             // bytes; only of the run that looks at it
    uint64_t live_bytes, live_blocks; // at the end: blocks that are there, with what they held
    uint64_t refused;                 // tries that failed, as they must
} Outcome;

typedef struct {
    const Trace *trace;
    const Allocator *allocator;
    unsigned char **pointers; // by number of block
    uint64_t refused;
} Replay;

static unsigned char tag_of(uint32_t block) { return (unsigned char)(block % 251 + 1); }

// A program writes to what it allocates, and until then memory is neither in the caches nor, where
// it is fresh, there at all. So the first and the last byte and one in each page are written, of a
// block that has grown only beyond what it had; and the ends tell later whether it is still whole.
static void touch(unsigned char *bytes, const Op *op) {
    unsigned char tag = tag_of(op->block);
    size_t size = (size_t)op->size, old = (size_t)op->old;
    if (size == 0) return;
    if (old == 0) bytes[0] = tag;
    for (size_t page = old / PAGE * PAGE + PAGE; page < size; page += PAGE)
        bytes[page] = tag;
    bytes[size - 1] = tag;
}

// More than the address space holds, also where that is smaller than the trace's.
static size_t clamped(uint64_t size) { return size < SIZE_MAX ? (size_t)size : SIZE_MAX; }

static void try_op(Replay *replay, const Op *op) {
    void *block = replay->allocator->malloc(clamped(op->size));
    replay->refused += block == NULL;
    replay->allocator->free(block);
}

// realloc to no bytes frees, here and there, what the trace says is live: one byte does not. A
// block that cannot grow is given up, and missed at the end.
static void *resized(const Allocator *allocator, void *block, size_t size) {
    void *moved = allocator->realloc(block, size + (size == 0));
    if (!moved) allocator->free(block);
    return moved;
}

static void replay_ops(Replay *replay, size_t from, size_t to) {
    const Allocator *allocator = replay->allocator;
    for (const Op *op = replay->trace->ops + from; op < replay->trace->ops + to; op++) {
        unsigned char **block = &replay->pointers[op->block];
        size_t size = (size_t)op->size;
        switch ((OpKind)op->kind) {
        case OP_MALLOC:
            *block = allocator->malloc(size);
            break;
        case OP_CALLOC:
            *block = allocator->calloc(1, size);
            break;
        case OP_ALIGNED:
            *block = allocator->aligned((size_t)1 << op->shift, size);
            break;
        case OP_REALLOC:
            *block = resized(allocator, *block, size);
            break;
        case OP_FREE:
            allocator->free(*block), *block = NULL;
            break;
        case OP_TRY:
            try_op(replay, op);
            continue;
        }
        if (*block) touch(*block, op);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

// Linux tells what is private to the process and not a file's; elsewhere it is the most that was
// ever resident. Nothing here may allocate.
static uint64_t memory_now(bool *by_smaps) {
    static const char word[] = "\nAnonymous:";
    char text[4096];
    int file = open("/proc/self/smaps_rollup", O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    text[length > 0 ? length : 0] = '\0';
    const char *line = strstr(text, word);
    *by_smaps = line != NULL;
    if (line) return strtoull(line + sizeof word - 1, NULL, 10) * 1024;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
    return (uint64_t)usage.ru_maxrss;
#else
    return (uint64_t)usage.ru_maxrss * 1024;
#endif
}

// Looks at the memory some hundred times, and when most is live.
static void replay_for_memory(Replay *replay, Outcome *outcome) {
    size_t count = replay->trace->op_count, step = count / SAMPLES + 1;
    size_t peak = replay->trace->peak_op + 1;
    bool by_smaps;
    uint64_t before = memory_now(&by_smaps), most = before;
    for (size_t at = 0, next; at < count; at = next) {
        next = count - at < step ? count : at + step;
        if (at < peak && peak < next) next = peak;
        replay_ops(replay, at, next);
        uint64_t memory = memory_now(&by_smaps);
        if (memory > most) most = memory;
    }
    outcome->peak_memory = most - before;
}

static void replay_for_time(Replay *replay, Outcome *outcome) {
    double begin = now();
    replay_ops(replay, 0, replay->trace->op_count);
    outcome->nanoseconds = now() - begin;
}

// Of the blocks that the trace says are live: those that are there and have kept their ends.
static void count_live(const Replay *replay, Outcome *outcome) {
    for (uint32_t i = 0; i < replay->trace->block_count; i++) {
        const Block *block = &replay->trace->blocks[i];
        const unsigned char *bytes = replay->pointers[i];
        if (!block->live || !bytes) continue;
        if (block->size != 0 && (bytes[0] != tag_of(i) || bytes[block->size - 1] != tag_of(i)))
            continue;
        outcome->live_blocks++;
        outcome->live_bytes += block->size;
    }
}

static Outcome replay_here(const Trace *trace, int which, bool for_memory) {
    Outcome outcome = {0};
    size_t table = trace->block_count * sizeof(unsigned char *);
    Replay replay = {trace, &allocators[which], pages(table), 0};
    memset(replay.pointers, 0, table); // resident before the clock starts
    if (for_memory)
        replay_for_memory(&replay, &outcome);
    else
        replay_for_time(&replay, &outcome);
    count_live(&replay, &outcome);
    outcome.refused = replay.refused;
    return outcome;
}

static Outcome replay_in_child(const Trace *trace, int which, bool for_memory) {
    Outcome outcome;
    int ends[2], status;
    fflush(NULL);
    if (pipe(ends) != 0) fail("no pipe");
    pid_t child = fork();
    if (child < 0) fail("no process");
    if (child == 0) {
        outcome = replay_here(trace, which, for_memory);
        _exit(write(ends[1], &outcome, sizeof outcome) == sizeof outcome ? 0 : EXIT_FAILURE);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], &outcome, sizeof outcome);
    close(ends[0]);
    if (waitpid(child, &status, 0) != child || status != 0 || length != sizeof outcome)
        fail("the replay on %s died", allocators[which].name);
    return outcome;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

typedef struct {
    Outcome outcomes[ALLOCATORS]; // of the runs for memory, with the median of the times
    double ratio;                 // of times: the median of the rounds' own
    int rounds;
    bool agree; // every run had live at its end what the trace says
} Comparison;

static bool agrees(const Trace *trace, int which, const Outcome *outcome) {
    if (outcome->live_bytes == trace->live_bytes && outcome->live_blocks == trace->live_blocks)
        return true;
    fprintf(stderr,
            "replay: %s ended with %llu bytes in %llu blocks, the trace with %llu in %llu\n",
            allocators[which].name, (unsigned long long)outcome->live_bytes,
            (unsigned long long)outcome->live_blocks, (unsigned long long)trace->live_bytes,
            (unsigned long long)trace->live_blocks);
    return false;
}

static Comparison compare(const Trace *trace, int rounds) {
    Comparison comparison = {.agree = true};
    double times[ALLOCATORS][ROUNDS_MOST], ratios[ROUNDS_MOST], begin = now();
    int round = 0;
    for (int i = 0; i < ALLOCATORS; i++) {
        comparison.outcomes[i] = replay_in_child(trace, i, true);
        comparison.agree = agrees(trace, i, &comparison.outcomes[i]) && comparison.agree;
    }
    for (; round < rounds && comparison.agree; round++) {
        if (round >= ROUNDS_AT_LEAST && now() - begin > SECONDS * 1e9) break;
        for (int i = 0; i < ALLOCATORS; i++) {
            int which = (round + i) % ALLOCATORS;
            Outcome outcome = replay_in_child(trace, which, false);
            comparison.agree = agrees(trace, which, &outcome) && comparison.agree;
            times[which][round] = outcome.nanoseconds;
        }
        ratios[round] = times[MEMMGR][round] / times[LIBC][round];
    }
    comparison.rounds = round;
    if (round == 0) return comparison;
    comparison.ratio = median(ratios, (size_t)round);
    for (int i = 0; i < ALLOCATORS; i++)
        comparison.outcomes[i].nanoseconds = median(times[i], (size_t)round);
    return comparison;
}

static void print_row(const char *name, const char *libc, const char *memmgr, double ratio) {
    printf("  %-30s %14s %14s", name, libc, memmgr);
    if (ratio > 0) printf(" %8.2f", ratio);
    putchar('\n');
}

static void print_times(const Trace *trace, const Comparison *comparison) {
    double libc = comparison->outcomes[LIBC].nanoseconds;
    double memmgr = comparison->outcomes[MEMMGR].nanoseconds;
    double count = (double)trace->op_count;
    char left[32], right[32];
    if (comparison->rounds == 0) return;
    snprintf(left, sizeof left, "%.1f ns", libc / count);
    snprintf(right, sizeof right, "%.1f ns", memmgr / count);
    print_row("time, one operation", left, right, comparison->ratio);
    print_row("time, all of them", time_text(libc).text, time_text(memmgr).text, comparison->ratio);
}

// What is resident above what the program asked for: fragmentation, and the allocator's own data.
static void print_memory(const Trace *trace, const Outcome *libc, const Outcome *memmgr) {
    double live = (double)trace->peak_bytes, left = (double)libc->peak_memory,
           right = (double)memmgr->peak_memory;
    char over[2][32];
    print_row("peak live, as asked for", bytes_text(trace->peak_bytes).text,
              bytes_text(trace->peak_bytes).text, 0);
    print_row("peak memory", bytes_text(libc->peak_memory).text,
              bytes_text(memmgr->peak_memory).text, left > 0 ? right / left : 0);
    if (trace->peak_bytes == 0) return;
    snprintf(over[0], sizeof over[0], "%.1f %%", 100 * (left / live - 1));
    snprintf(over[1], sizeof over[1], "%.1f %%", 100 * (right / live - 1));
    print_row("fragmentation: memory over live", over[0], over[1], 0);
}

static void print_counts(const char *name, uint64_t libc, uint64_t memmgr) {
    char left[32], right[32];
    snprintf(left, sizeof left, "%llu", (unsigned long long)libc);
    snprintf(right, sizeof right, "%llu", (unsigned long long)memmgr);
    print_row(name, left, right, 0);
}

static void print_comparison(const Trace *trace, const Comparison *comparison) {
    const Outcome *libc = &comparison->outcomes[LIBC], *memmgr = &comparison->outcomes[MEMMGR];
    bool by_smaps;
    memory_now(&by_smaps);
    printf("\nreplayed on one thread, in the trace's order: %s\n",
           count_text(trace->op_count, "operation").text);
    printf("  %-30s %14s %14s %8s\n", "", allocators[LIBC].name, allocators[MEMMGR].name, "ratio");
    print_times(trace, comparison);
    print_memory(trace, libc, memmgr);
    print_counts("live at the end, bytes", libc->live_bytes, memmgr->live_bytes);
    print_counts("live at the end, blocks", libc->live_blocks, memmgr->live_blocks);
    if (trace->tries) print_counts("impossible ones refused", libc->refused, memmgr->refused);
    if (comparison->rounds > 0)
        printf("  Time: medians of %s by turns, ratios of the same round; a write to\n"
               "  each page of a block is included.\n",
               count_text((uint64_t)comparison->rounds, "round").text);
    printf("  Memory: %s, less what was there\n"
           "  before; the most of some %d looks, one of them when most is live.\n",
           by_smaps ? "Anonymous in /proc/self/smaps_rollup" : "the most that was ever resident",
           SAMPLES);
}

// --- What the trace is. ------------------------------------------------------------------------

static void print_heaps(const Trace *trace) {
    enum { SHOWN = 4, WIDTH = 24 };
    char name[WIDTH + 1];
    if (trace->heap_count == 1) return;
    printf(", %s", count_text(trace->heap_count - 1, "pool").text);
    for (size_t i = 1; i < trace->heap_count && i <= SHOWN; i++) {
        Text text = trace->heaps[i].name;
        if (text.length > WIDTH) text.length = WIDTH;
        put_plain(name, text);
        printf("%s %s", i == 1 ? ":" : ",", text.length ? name : "(no name)");
    }
    if (trace->heap_count - 1 > SHOWN) printf(", ...");
}

static void print_notes(const Trace *trace) {
    const Reader *reader = &trace->reader;
    if (reader->at < reader->size && !trace->ended)
        printf("  note: cut short in the middle of an event, at byte %zu: all before it counts\n",
               reader->at);
    else if (!trace->ended)
        printf("  note: no END: the program died, or was still running\n");
    if (trace->strange)
        printf("  note: %zu bytes behind the END: has another process written to the file?\n",
               trace->strange);
    if (trace->unknown)
        printf("  note: %s about blocks from before the trace, left out\n",
               count_text(trace->unknown, "event").text);
    if (trace->reused)
        printf("  note: %s handed out again without a free: taken as freed\n",
               count_text(trace->reused, "block").text);
    if (trace->tries)
        printf("  note: %s of more than there can be: only tried\n",
               count_text(trace->tries, "allocation").text);
}

static void print_facts(const Trace *trace, const char *name) {
    const uint64_t *events = trace->events;
    printf("%s: %s", name, time_text((double)trace->time).text);
    printf(", %s", count_text(trace->threads.count + (trace->threads.count == 0), "thread").text);
    print_heaps(trace);
    printf("\n  %s", count_text(events[EVENT_ALLOC], "allocation").text);
    printf(", %s", count_text(events[EVENT_FREE], "free").text);
    printf(", %s", count_text(events[EVENT_RESIZE], "resize").text);
    if (events[EVENT_CLEAR]) printf(", %s", count_text(events[EVENT_CLEAR], "clear").text);
    if (events[EVENT_FAIL]) printf(", %s", count_text(events[EVENT_FAIL], "failure").text);
    printf("\n  peak %s in %s", bytes_text(trace->peak_bytes).text,
           count_text(trace->peak_blocks, "block").text);
    printf(" after %s", time_text((double)trace->peak_time).text);
    printf("; at the end %s in %s\n", bytes_text(trace->live_bytes).text,
           count_text(trace->live_blocks, "block").text);
    print_notes(trace);
}

// Classes of four times the size before: 16 B, 64 B, ... 4 MiB, and larger.
static void print_sizes(const Trace *trace) {
    enum { CLASSES = 11, BAR = 40 };
    uint64_t counts[CLASSES] = {0}, most = 1;
    int first = CLASSES, last = -1;
    for (const Op *op = trace->ops; op < trace->ops + trace->op_count; op++) {
        int i = 0;
        if (op->kind == OP_FREE) continue;
        while (i < CLASSES - 1 && op->size > UINT64_C(16) << 2 * i)
            i++;
        if (++counts[i] > most) most = counts[i];
        if (i < first) first = i;
        if (i > last) last = i;
    }
    if (last >= 0) printf("\n  size up to  allocations and resizes\n");
    for (int i = first; i <= last; i++) {
        int bar = (int)((double)counts[i] / (double)most * BAR);
        printf("  %10s %12llu%s%.*s\n",
               i < CLASSES - 1 ? bytes_text(UINT64_C(16) << 2 * i).text : "larger",
               (unsigned long long)counts[i], counts[i] ? "  " : "",
               bar + (bar == 0 && counts[i] > 0), "########################################");
    }
}

static void print_ranking(const Trace *trace, const char *title,
                          uint64_t (*value)(const Site *site)) {
    Ranking ranking = rank_sites(trace, value);
    printf("\n  %-34s %11s %12s %11s\n", title, "most live", "allocations", "at the end");
    for (int i = 0; i < ranking.count; i++) {
        const Site *site = &trace->sites[ranking.sites[i]];
        printf("  %-34s %11s %12llu %11s\n", site_name(trace, ranking.sites[i], 34).text,
               bytes_text(site->peak).text, (unsigned long long)site->allocations,
               bytes_text(site->live).text);
    }
}

static void print_sites(const Trace *trace) {
    if (!sites_known(trace)) return;
    print_ranking(trace, "sites that hold most", site_peak);
    print_ranking(trace, "sites that allocate most", site_allocations);
}

// --- Files. ------------------------------------------------------------------------------------

static void write_to_file(const char *text, size_t length, void *file) {
    fwrite(text, 1, length, file);
}

static void write_output(const Trace *trace, const char *title, const char *name,
                         void (*draw)(const Trace *trace, const char *title, const Sink *sink)) {
    FILE *file = name ? fopen(name, "w") : NULL;
    if (!name) return;
    if (!file) fail("%s: cannot be written", name);
    Sink sink = {write_to_file, file};
    draw(trace, title, &sink);
    bool failed = ferror(file);
    if (fclose(file) != 0 || failed) fail("%s: cannot be written", name);
    printf("\nwritten: %s\n", name);
}

// --- The command. ------------------------------------------------------------------------------

static uint64_t half_the_memory(void) {
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
}

static long number_option(const char *text, long most) {
    char *end;
    long number = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || number < 0 || number > most)
        fail("%s: not a number from 0 to %ld", text, most);
    return number;
}

static Options read_options(int argc, char **argv) {
    Options options = {.rounds = ROUNDS, .limit = half_the_memory()};
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i], *value = argv[i + 1];
        bool takes_value = strncmp(option, "--", 2) == 0;
        if (takes_value && !value) fail("%s: a value is missing", option);
        if (strcmp(option, "--svg") == 0)
            options.svg = value;
        else if (strcmp(option, "--csv") == 0)
            options.csv = value;
        else if (strcmp(option, "--rounds") == 0)
            options.rounds = number_option(value, ROUNDS_MOST);
        else if (strcmp(option, "--limit") == 0)
            options.limit = (uint64_t)number_option(value, 1 << 27) << 20;
        else if (takes_value || options.trace)
            fail("%s: not an option, or one trace too many", option);
        else
            options.trace = option;
        i += takes_value;
    }
    if (!options.trace)
        fail("usage: replay [--svg FILE] [--csv FILE] [--rounds N] [--limit MIB] TRACE");
    return options;
}

int main(int argc, char **argv) {
    static Trace trace;
    static char output[BUFSIZ]; // or stdio would allocate one, and libc's malloc not be fresh
    Comparison comparison = {.agree = true};
    setvbuf(stdout, output, _IOFBF, sizeof output);
    Options options = read_options(argc, argv);
    read_trace(&trace, options.trace);
    bool replayed = options.rounds > 0 && trace.op_count > 0 && trace.peak_bytes <= options.limit;
    if (replayed) comparison = compare(&trace, (int)options.rounds);
    print_facts(&trace, options.trace);
    print_picture(&trace);
    print_sizes(&trace);
    print_sites(&trace);
    if (replayed) print_comparison(&trace, &comparison);
    if (trace.peak_bytes > options.limit)
        printf("\nnot replayed: more is live than the limit, %s\n", bytes_text(options.limit).text);
    write_output(&trace, options.trace, options.svg, draw_svg);
    write_output(&trace, options.trace, options.csv, draw_csv);
    return comparison.agree ? EXIT_SUCCESS : EXIT_FAILURE;
}
