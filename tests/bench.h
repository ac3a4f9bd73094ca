// bench.h: what every allocator is put through, the same code compiled around each of them.
//
// An adaptor (bench_pool.c, bench_peers.cpp) includes this file and then defines the heap_
// functions. bench.sh runs
//
//     PROGRAM MODE KIND LEAST MOST even|log BLOCKS BUFFER COUNT VARIANT
//
// and reads one line of figures, or "-" where the allocator does not do that job, or "full" where
// the buffer ran out. MODE and KIND:
//
//     time   lifo, walk, churn, strings, vectors, drop   ns per operation
//     delay  the same                                    ns of one call: 99.99th percentile, worst
//     fill   fill                                        bytes of overhead per block; live share
//     pack   half, refill, growth, brim                  live share of the buffer, in percent
//
// Sizes are drawn evenly or log-uniformly from LEAST to MOST. BLOCKS are live, or for lifo and walk
// the stack goes up to as many. COUNT is RUNS/STEPS: for time and delay passes of 65,536 steps, for
// delay in so many processes; for pack seeds, and steps of half and brim.
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    const char *mode, *kind;
    size_t least, most; // bytes
    bool log;
    unsigned blocks;
    size_t buffer; // bytes
    unsigned seeds, count;
    const char *variant;
} bench_job;

// --- What an adaptor defines. --------------------------------------------------------------------

// Starts a fresh, empty heap inside `buffer`, forgetting the one before. false: this allocator does
// not do that job.
static bool heap_open(const bench_job *job, void *buffer);
static inline void *heap_alloc(size_t size); // NULL when the buffer is full
static inline void heap_free(void *block, size_t size);
static inline void *heap_realloc(void *block, size_t old_size, size_t size);
static void heap_drop(void **blocks, const uint32_t *sizes, size_t count); // frees all there is

// --- Numbers. ------------------------------------------------------------------------------------

static uint64_t bench_state = 88172645463325252u;

static inline uint64_t bench_random(void) {
    bench_state += 0x9E3779B97F4A7C15u;
    uint64_t z = bench_state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline uint32_t bench_below(uint32_t limit) {
    return (uint32_t)((bench_random() >> 32) * limit >> 32);
}

static inline uint32_t bench_size(const bench_job *job) {
    if (!job->log)
        return (uint32_t)job->least + bench_below((uint32_t)(job->most - job->least + 1));
    double part = (double)(bench_random() >> 11) * (1.0 / 9007199254740992.0);
    return (uint32_t)((double)job->least * pow((double)job->most / (double)job->least, part));
}

static inline uint64_t bench_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t bench_ns(void) { return bench_clock(CLOCK_MONOTONIC); }

// The clock for passes: what the process had of a processor, so that other programs do not count.
static inline uint64_t bench_cpu_ns(void) { return bench_clock(CLOCK_PROCESS_CPUTIME_ID); }

// The clock for single calls: the processor's own where it has one, fenced on both sides.
#if defined(__x86_64__) && defined(__GNUC__)
static inline uint64_t bench_ticks(void) {
    uint32_t low, high;
    __asm__ __volatile__("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}
#define BENCH_CLOCK "rdtsc"
#else
static inline uint64_t bench_ticks(void) { return bench_ns(); }
#define BENCH_CLOCK "clock_gettime"
#endif

static void *bench_map(size_t size, int flags) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) return memory;
    perror("mmap");
    exit(1);
}

// The buffer, if the allocator works in one: every page of it has been touched before anything is
// measured.
static void *bench_buffer(const bench_job *job) {
    if (!HEAP_IN_BUFFER) return NULL;
    void *buffer = bench_map(job->buffer, MAP_PRIVATE);
    memset(buffer, 0xA5, job->buffer);
    return buffer;
}

static int bench_order(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// --- Steps: what the timed loops read, worked out beforehand, 8 bytes each. ----------------------

enum { BENCH_STEPS = 1 << 16, BENCH_SLOTS = 1 << 20 };

static struct { uint32_t slot, size; } steps[BENCH_STEPS];
static void *blocks[BENCH_SLOTS];
static uint32_t sizes[BENCH_SLOTS]; // of blocks[i], as requested
static uint32_t planned[BENCH_SLOTS];
static uint32_t depth; // of the stack, between passes of walk

// Growth of a string: by 16 to 128 bytes; of a vector: doubled. Past `most` it is freed and starts
// again at `least`.
static uint32_t steps_grow(const bench_job *job, uint32_t size) {
    uint32_t grown = job->kind[0] == 's' ? size + 16 + bench_below(113) : size * 2;
    return size == 0 || grown > job->most ? (uint32_t)job->least : grown;
}

// In a walk a step is a leg: `slot` blocks up or down, in turn, of at most 16.
static uint32_t steps_leg(const bench_job *job, uint32_t index) {
    static uint32_t at;
    uint32_t room = index % 2 == 0 ? job->blocks - at : at;
    uint32_t leg = 1 + bench_below(16);
    if (leg > room) leg = room;
    at = index % 2 == 0 ? at + leg : at - leg;
    return leg;
}

static void steps_plan(const bench_job *job) {
    bool grows = !strcmp(job->kind, "strings") || !strcmp(job->kind, "vectors");
    bool walks = !strcmp(job->kind, "walk");
    for (uint32_t i = 0; i < BENCH_STEPS; i++) {
        uint32_t slot = walks ? steps_leg(job, i) : bench_below(job->blocks);
        uint32_t size = grows ? steps_grow(job, planned[slot]) : bench_size(job);
        if (grows) planned[slot] = size;
        steps[i].slot = slot;
        steps[i].size = size;
    }
}

// --- One call. `watch` is a constant in every caller, so unwatched calls carry nothing. ----------

static uint32_t *delays; // ticks of every watched call, in order
static size_t delay_count;

static void bench_full(void) {
    puts("full");
    fflush(stdout);
    _exit(3);
}

static inline void note(uint64_t start, bool watch) {
    if (!watch) return;
    uint64_t ticks = bench_ticks() - start;
    delays[delay_count++] = ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
}

static inline void take(uint32_t slot, uint32_t size, bool watch) {
    uint64_t start = watch ? bench_ticks() : 0;
    void *block = heap_alloc(size);
    note(start, watch);
    if (!block) bench_full();
    *(volatile unsigned char *)block = 1;
    blocks[slot] = block;
    sizes[slot] = size;
}

static inline void give(uint32_t slot, bool watch) {
    void *block = blocks[slot];
    uint32_t size = sizes[slot];
    uint64_t start = watch ? bench_ticks() : 0;
    heap_free(block, size);
    note(start, watch);
}

static inline void resize(uint32_t slot, uint32_t size, bool watch) {
    uint64_t start = watch ? bench_ticks() : 0;
    void *block = heap_realloc(blocks[slot], sizes[slot], size);
    note(start, watch);
    if (!block) bench_full();
    ((volatile unsigned char *)block)[size - 1] = 1;
    blocks[slot] = block;
    sizes[slot] = size;
}

// --- Passes over the steps; each returns the operations it made. ---------------------------------

static inline size_t pass_churn(bool watch) {
    for (size_t i = 0; i < BENCH_STEPS; i++) {
        give(steps[i].slot, watch);
        take(steps[i].slot, steps[i].size, watch);
    }
    return 2 * (size_t)BENCH_STEPS;
}

static inline size_t pass_lifo(uint32_t peak, bool watch) {
    size_t done = 0;
    while (done + peak <= BENCH_STEPS) {
        for (uint32_t i = 0; i < peak; i++)
            take(i, steps[done + i].size, watch);
        for (uint32_t i = peak; i-- > 0;)
            give(i, watch);
        done += peak;
    }
    return 2 * done;
}

// The sizes come from every second step, so that a pass of legs reads as much as the others.
static inline size_t pass_walk(bool watch) {
    size_t done = 0;
    for (size_t i = 0; i < BENCH_STEPS; i += 2) {
        for (uint32_t up = steps[i].slot; up > 0; up--)
            take(depth++, steps[done++ % BENCH_STEPS].size, watch);
        for (uint32_t down = steps[i + 1].slot; down > 0; down--, done++)
            give(--depth, watch);
    }
    return done;
}

static inline size_t pass_grow(bool watch) {
    size_t done = 0;
    for (size_t i = 0; i < BENCH_STEPS; i++, done++) {
        uint32_t slot = steps[i].slot, size = steps[i].size;
        if (size > sizes[slot]) {
            resize(slot, size, watch);
            continue;
        }
        give(slot, watch);
        take(slot, size, watch);
        done++;
    }
    return done;
}

// Built block by block, then dropped at once: as many operations as if each had been freed.
static inline size_t pass_drop(uint32_t count, bool watch) {
    for (uint32_t i = 0; i < count; i++)
        take(i, steps[i % BENCH_STEPS].size, watch);
    heap_drop(blocks, sizes, count);
    return 2 * (size_t)count;
}

static inline size_t pass_any(const bench_job *job, bool watch) {
    switch (job->kind[0]) {
    case 'l':
        return pass_lifo(job->blocks, watch);
    case 'w':
        return pass_walk(watch);
    case 'c':
        return pass_churn(watch);
    case 'd':
        return pass_drop(job->blocks, watch);
    default:
        return pass_grow(watch);
    }
}

static size_t pass_watched(const bench_job *job) { return pass_any(job, true); }
static size_t pass_plain(const bench_job *job) { return pass_any(job, false); }

// Fills the slots and runs until the heap is in its steady state: four turnovers.
static bool bench_warm(const bench_job *job) {
    void *buffer = bench_buffer(job);
    memset(sizes, 0, sizeof sizes);
    if (!heap_open(job, buffer)) return false;
    bool keeps = strchr("csv", job->kind[0]) != NULL;
    for (uint32_t i = 0; keeps && i < job->blocks; i++) {
        uint32_t size = job->kind[0] == 'c' ? bench_size(job) : (uint32_t)job->least;
        planned[i] = size;
        take(i, size, false);
    }
    size_t turns = job->kind[0] == 'c' ? 4 * (size_t)job->blocks / BENCH_STEPS + 1 : 2;
    for (size_t i = 0; i < turns; i++) {
        steps_plan(job);
        pass_plain(job);
    }
    return true;
}

// --- time: the median pass. ----------------------------------------------------------------------

static int mode_time(const bench_job *job) {
    double passes[256];
    unsigned count = job->count < 256 ? job->count : 256;
    if (!bench_warm(job)) return puts("-");
    for (unsigned i = 0; i < count; i++) {
        steps_plan(job);
        uint64_t start = bench_cpu_ns();
        size_t done = pass_plain(job);
        double ns = (double)(bench_cpu_ns() - start) / (double)done;
        unsigned at = i;
        for (; at > 0 && passes[at - 1] > ns; at--)
            passes[at] = passes[at - 1];
        passes[at] = ns;
    }
    return printf("%.3f\n", passes[count / 2]);
}

// --- delay. The same calls are made in several processes that start alike, and of each call the
// shortest time counts: what an interrupt took is not charged to the allocator. ---

static double ticks_per_ns(void) {
    uint64_t t0 = bench_ns(), c0 = bench_ticks();
    while (bench_ns() - t0 < 20000000u) {
    }
    return (double)(bench_ticks() - c0) / (double)(bench_ns() - t0);
}

static uint32_t ticks_of_nothing(void) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 100000; i++) {
        uint64_t start = bench_ticks(), ticks = bench_ticks() - start;
        if (ticks < least) least = ticks;
    }
    return (uint32_t)least;
}

typedef struct {
    size_t count;
    bool absent;
    uint32_t least[1];
} delay_sheet;

static void delay_run(const bench_job *job, delay_sheet *sheet, size_t room) {
    delays = (uint32_t *)bench_map(room * sizeof *delays, MAP_PRIVATE);
    memset(delays, 0xFF, room * sizeof *delays);
    sheet->absent = !bench_warm(job);
    for (unsigned i = 0; i < job->count && !sheet->absent; i++) {
        steps_plan(job);
        pass_watched(job);
    }
    for (size_t i = 0; i < delay_count; i++)
        if (delays[i] < sheet->least[i]) sheet->least[i] = delays[i];
    sheet->count = delay_count;
    _exit(0);
}

static int mode_delay(const bench_job *job) {
    size_t room = (size_t)job->count * BENCH_STEPS * (job->kind[0] == 'w' ? 9 : 2);
    delay_sheet *sheet =
        (delay_sheet *)bench_map(sizeof *sheet + room * sizeof(uint32_t), MAP_SHARED);
    memset(sheet->least, 0xFF, room * sizeof(uint32_t));
    for (unsigned run = 0; run < job->seeds; run++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) delay_run(job, sheet, room);
        waitpid(child, &status, 0);
        if (status != 0) return 0;
    }
    if (sheet->absent) return puts("-");
    double scale = ticks_per_ns();
    double nothing = ticks_of_nothing();
    qsort(sheet->least, sheet->count, sizeof(uint32_t), bench_order);
    double rare = sheet->least[sheet->count - 1 - sheet->count / 10000],
           worst = sheet->least[sheet->count - 1];
    return printf("%.0f %.0f\n", (rare - nothing) / scale, (worst - nothing) / scale);
}

// --- fill and pack. ------------------------------------------------------------------------------

static uint32_t live_count;
static uint64_t live_bytes;

static bool pack_add(uint32_t size) {
    void *block = live_count < BENCH_SLOTS ? heap_alloc(size) : NULL;
    if (!block) return false;
    *(volatile unsigned char *)block = 1;
    blocks[live_count] = block;
    sizes[live_count++] = size;
    live_bytes += size;
    return true;
}

static void pack_remove(void) {
    uint32_t index = bench_below(live_count);
    heap_free(blocks[index], sizes[index]);
    live_bytes -= sizes[index];
    blocks[index] = blocks[--live_count];
    sizes[index] = sizes[live_count];
}

static void pack_fill(const bench_job *job) {
    while (pack_add(bench_size(job))) {
    }
}

// Held at half the buffer by random allocations and frees, then filled.
static double pack_half(const bench_job *job) {
    for (unsigned i = 0; i < job->count; i++) {
        if (live_bytes < job->buffer / 2) {
            if (!pack_add(bench_size(job))) break;
        } else {
            pack_remove();
        }
    }
    pack_fill(job);
    return (double)live_bytes;
}

static double pack_refill(const bench_job *job) {
    pack_fill(job);
    for (uint32_t n = live_count / 2; n > 0; n--)
        pack_remove();
    pack_fill(job);
    return (double)live_bytes;
}

// Three allocations to two frees, to the first failure.
static double pack_growth(const bench_job *job) {
    for (;;) {
        if (bench_below(100) < 60) {
            if (!pack_add(bench_size(job))) return (double)live_bytes;
        } else if (live_count > 0) {
            pack_remove();
        }
    }
}

// Always full: each step draws a size and frees random blocks until it fits. The mean over the
// second half.
static double pack_brim(const bench_job *job) {
    double sum = 0;
    pack_fill(job);
    for (unsigned i = 0; i < job->count; i++) {
        uint32_t size = bench_size(job);
        while (!pack_add(size)) {
            if (live_count == 0) bench_full();
            pack_remove();
        }
        if (i >= job->count / 2) sum += (double)live_bytes;
    }
    return sum / (job->count - job->count / 2);
}

static int mode_pack(const bench_job *job) {
    double sum = 0;
    void *buffer = bench_buffer(job);
    memset(blocks, 1, sizeof blocks);
    memset(sizes, 1, sizeof sizes);
    for (unsigned seed = 1; seed <= job->seeds; seed++) {
        bench_state = seed * (uint64_t)0xD1342543DE82EF95u;
        live_count = 0;
        live_bytes = 0;
        if (!heap_open(job, buffer)) return puts("-");
        switch (job->kind[0]) {
        case 'h':
            sum += pack_half(job);
            break;
        case 'r':
            sum += pack_refill(job);
            break;
        case 'g':
            sum += pack_growth(job);
            break;
        default:
            sum += pack_brim(job);
            break;
        }
    }
    return printf("%.2f\n", 100 * sum / job->seeds / (double)job->buffer);
}

static int mode_fill(const bench_job *job) {
    size_t count = 0;
    double live = 0;
    void *buffer = bench_buffer(job);
    if (!heap_open(job, buffer)) return puts("-");
    for (;;) {
        uint32_t size = bench_size(job);
        unsigned char *block = (unsigned char *)heap_alloc(size);
        if (!block) break;
        *(volatile unsigned char *)block = 1;
        live += size;
        count++;
    }
    if (count == 0) return puts("-");
    return printf("%.2f %.2f\n", ((double)job->buffer - live) / (double)count,
                  100 * live / (double)job->buffer);
}

static inline int bench_main(int argc, char **argv) {
    if (argc != 10) {
        fprintf(stderr, "usage: %s MODE KIND LEAST MOST even|log BLOCKS BUFFER COUNT VARIANT\n",
                argv[0]);
        return 2;
    }
    bench_job job = {argv[1],
                     argv[2],
                     strtoul(argv[3], NULL, 0),
                     strtoul(argv[4], NULL, 0),
                     argv[5][0] == 'l',
                     (unsigned)strtoul(argv[6], NULL, 0),
                     strtoul(argv[7], NULL, 0),
                     1,
                     1,
                     argv[9]};
    char *rest;
    job.seeds = job.count = (unsigned)strtoul(argv[8], &rest, 0);
    if (*rest == '/') job.count = (unsigned)strtoul(rest + 1, NULL, 0);
    switch (job.mode[0]) {
    case 't':
        mode_time(&job);
        break;
    case 'd':
        mode_delay(&job);
        break;
    case 'f':
        mode_fill(&job);
        break;
    default:
        mode_pack(&job);
        break;
    }
    return 0;
}

#endif
