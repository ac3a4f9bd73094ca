// compare.h: runs a piece of work in a process of its own, on the library's own malloc and on
// memmgr, and compares what they say. None of this is needed to hook a library.
#ifndef COMPARE_H
#define COMPARE_H

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

#ifdef USE_MEMORY_MGR
#define SWITCH_ON true
#else
#define SWITCH_ON false
#endif

// --- Checks --------------------------------------------------------------------------------------

static unsigned checks_passed, checks_failed;

static inline bool check(bool holds, const char *name, const char *what) {
    if (holds) {
        checks_passed++;
    } else {
        checks_failed++;
        printf("    FAILED: %s: %s\n", name, what);
    }
    return holds;
}

// The last line of every program here, and its exit status.
static inline int checks_end(void) {
    printf("%u passed, %u failed\n", checks_passed, checks_failed);
    return checks_failed == 0 && checks_passed > 0 ? 0 : 1;
}

// --- Answers -------------------------------------------------------------------------------------

#define HASH_START UINT64_C(14695981039346656037)

// FNV-1a.
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) {
    const unsigned char *byte = (const unsigned char *)bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * UINT64_C(1099511628211);
    return hash;
}

static inline uint64_t hash_text(uint64_t hash, const char *text) {
    return hash_bytes(hash, text, strlen(text));
}

static inline uint64_t hash_number(uint64_t hash, uint64_t number) {
    return hash_bytes(hash, &number, sizeof number);
}

// Numbers that are the same on every run.
static inline uint64_t noise(uint64_t *state) {
    uint64_t word = *state += UINT64_C(0x9E3779B97F4A7C15);
    word = (word ^ (word >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    return word ^ (word >> 29);
}

// --- One run -------------------------------------------------------------------------------------

// A hash of the results; 0: the work failed.
typedef uint64_t (*compare_work)(void *ctx);

typedef struct {
    uint64_t answer;
    double seconds;   // of processor time
    size_t grown;     // bytes: how much more memory was resident at the most
    size_t peak_used; // bytes: live in memmgr at the most
    size_t live;      // blocks of the general calls at the end
    size_t reports;   // misuses, and leaks of pools that were destroyed
    char last_report[64];
} outcome;

static outcome run; // of this process

static inline void count_report(const memmgr_report *report, void *ctx) {
    (void)ctx;
    run.reports++;
    snprintf(run.last_report, sizeof run.last_report, "%s", memmgr_error_name(report->error));
}

// Takes down the pool's peak and destroys it: blocks that are live are reported.
static inline void end_pool(memmgr_pool *pool) {
    memmgr_stats stats;
    memmgr_pool_stats(pool, &stats);
    if (run.peak_used < stats.peak_used) run.peak_used = stats.peak_used;
    memmgr_pool_destroy(pool);
}

static inline size_t resident_peak(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
    return (size_t)usage.ru_maxrss;
#else
    return (size_t)usage.ru_maxrss * 1024;
#endif
}

static inline void run_here(compare_work work, void *ctx) {
    memset(&run, 0, sizeof run);
    memmgr_set_error_handler(count_report, NULL);
    size_t before = resident_peak();
    clock_t start = clock();
    run.answer = work(ctx);
    run.seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    run.grown = resident_peak() - before;
    if (!SWITCH_ON) return; // the numbers would be the C library's
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    run.live = stats.live_blocks;
    if (run.peak_used < stats.peak_used) run.peak_used = stats.peak_used;
}

// In a child: every run begins with a fresh heap, a library that has no hook yet, and its own peak.
// False when the child was killed, or failed at its end, as a leak checker makes it.
static inline bool run_apart(compare_work work, void *ctx, outcome *out) {
    int ends[2];
    memset(out, 0, sizeof *out);
    if (pipe(ends) != 0) return false;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        run_here(work, ctx);
        ssize_t written = write(ends[1], &run, sizeof run);
        exit(written == (ssize_t)sizeof run ? 0 : 1);
    }
    close(ends[1]);
    bool whole = child > 0 && read(ends[0], out, sizeof *out) == (ssize_t)sizeof *out;
    close(ends[0]);
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 && whole;
}

// --- Two runs compared ---------------------------------------------------------------------------

// Without leak and without report. With the switch off nobody counts the general calls' blocks: a
// leak checker does, if there is one.
static inline bool check_clean(const char *name, const outcome *out) {
    bool clean = check(out->reports == 0, name, "no misuse, no leak reported");
    if (!clean) printf("        %zu reports, the last %s\n", out->reports, out->last_report);
    if (SWITCH_ON) {
        bool none = check(out->live == 0, name, "no block of the general calls is live");
        if (!none) printf("        %zu are\n", out->live);
        clean = clean && none;
    }
    return clean;
}

static inline void compare_head(void) {
    printf("%-15s %9s %9s %6s   %10s %10s   %10s\n", "", "libc ms", "memmgr ms", "ratio",
           "libc KiB", "memmgr KiB", "live KiB");
}

static inline void compare_row(const char *name, const outcome *own, const outcome *ours) {
    printf("%-15s %9.1f %9.1f %6.2f   %10zu %10zu   %10zu\n", name, own->seconds * 1e3,
           ours->seconds * 1e3, own->seconds > 0 ? ours->seconds / own->seconds : 1.0,
           own->grown / 1024, ours->grown / 1024, ours->peak_used / 1024);
}

// Runs both, $HOOKS_RUNS times and in turns, and keeps the fastest of each. The figures are printed
// and not judged: time of the processor, growth of the resident memory, and the most that was live
// in memmgr.
static inline outcome compare(const char *name, compare_work own, compare_work ours, void *ctx) {
    const char *text = getenv("HOOKS_RUNS");
    int runs = text ? atoi(text) : 1;
    outcome best_own, best_ours, next;
    bool ended = check(run_apart(own, ctx, &best_own) && best_own.answer != 0, name,
                       "works on its own malloc");
    ended = check(run_apart(ours, ctx, &best_ours), name, "runs on memmgr and ends well") && ended;
    for (int i = 1; ended && i < runs; i++) {
        if (run_apart(own, ctx, &next) && next.seconds < best_own.seconds) best_own = next;
        if (run_apart(ours, ctx, &next) && next.seconds < best_ours.seconds) best_ours = next;
    }
    check(best_ours.answer == best_own.answer, name, "the same answer on memmgr");
    if (SWITCH_ON) check(best_ours.peak_used > 0, name, "its memory is memmgr's");
    check_clean(name, &best_ours);
    compare_row(name, &best_own, &best_ours);
    return best_ours;
}

#endif
