// bench_steps.c: how many instructions one call takes, counted with the processor's trap flag.
//
//     PROGRAM worst BUFFER BLOCKS MOST CALLS PICKED LIMIT VARIANT   the dearest calls
//     PROGRAM fast BUFFER VARIANT                                   an allocation and a free
//
// A history of `worst` makes CALLS calls and is repeated exactly in processes that start alike.
// Three runs time every call, and the shortest time of each counts; the last run single-steps the
// PICKED allocations and frees that took longest, and some picked at random (in the steady history
// ten times as many), none beyond LIMIT instructions. The figures hold the caller's share
// too: two to four instructions to set up the call. Single-stepping may take 20 microseconds an
// instruction on a virtual machine.
#define BENCH_NO_MAIN
#include "bench_pool.c"

#if defined(__x86_64__) && defined(__GNUC__) && defined(__linux__)

#include <signal.h>
#include <ucontext.h>

static volatile uint64_t trap_count, trap_limit = 50000; // no call is followed any further

static void trap_handler(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    if (++trap_count < trap_limit) return;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

static void trap_start(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = trap_handler;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, NULL);
}

// The trap flag, set and cleared below the red zone. While it is set every instruction raises
// SIGTRAP.
#define TRAP_ON()                                                                                  \
    __asm__ __volatile__("lea -128(%%rsp),%%rsp\n\tpushfq\n\torq $0x100,(%%rsp)\n\tpopfq\n\t"      \
                         "lea 128(%%rsp),%%rsp" ::                                                 \
                             : "memory", "cc")
#define TRAP_OFF()                                                                                 \
    __asm__ __volatile__("lea -128(%%rsp),%%rsp\n\tpushfq\n\tandq $-257,(%%rsp)\n\tpopfq\n\t"      \
                         "lea 128(%%rsp),%%rsp" ::                                                 \
                             : "memory", "cc")

static uint64_t count_nothing(void) {
    trap_count = 0;
    TRAP_ON();
    TRAP_OFF();
    return trap_count;
}

static uint64_t count_alloc(size_t size, void **block) {
    trap_count = 0;
    TRAP_ON();
    void *got = heap_alloc(size);
    TRAP_OFF();
    *block = got;
    return trap_count;
}

static uint64_t count_free(void *block, size_t size) {
    trap_count = 0;
    TRAP_ON();
    heap_free(block, size);
    TRAP_OFF();
    return trap_count;
}

// --- A history's calls. --------------------------------------------------------------------------

enum { CALLS_MOST = 1 << 22, RUNS = 3 };

typedef struct {
    uint32_t least_ticks[CALLS_MOST];
    uint8_t is_free[CALLS_MOST];
    uint8_t picked[CALLS_MOST]; // 1: among the slowest, 2: at random, 0: not
    uint32_t calls;
    uint64_t worst[2], sum[2], counted[2]; // of allocations, of frees
} call_sheet;

static call_sheet *sheet;
static uint32_t call_at;
static bool counting;
static uint64_t nothing;

// Is this call to be single-stepped? Once one went over the limit the other slow ones tell no more.
static bool call_picked(bool is_free) {
    if (!counting || call_at >= CALLS_MOST || !sheet->picked[call_at]) return false;
    return sheet->picked[call_at] == 2 || sheet->worst[is_free] < trap_limit - nothing;
}

static void call_counted(uint64_t instructions, bool is_free) {
    unsigned kind = is_free, random = sheet->picked[call_at] == 2;
    instructions -= nothing;
    if (instructions > sheet->worst[kind]) sheet->worst[kind] = instructions;
    sheet->sum[kind] += random ? instructions : 0;
    sheet->counted[kind] += random;
}

static void call_timed(uint64_t start, bool is_free) {
    uint64_t ticks = bench_ticks() - start;
    if (call_at >= CALLS_MOST) return;
    sheet->is_free[call_at] = is_free;
    if (ticks < sheet->least_ticks[call_at]) sheet->least_ticks[call_at] = (uint32_t)ticks;
}

static void *call_alloc(size_t size) {
    void *block;
    bool counted = call_picked(false);
    uint64_t start = bench_ticks();
    if (counted)
        call_counted(count_alloc(size, &block), false);
    else
        block = heap_alloc(size);
    if (!counting) call_timed(start, false);
    call_at++;
    return block;
}

static void call_free(void *block, size_t size) {
    bool counted = call_picked(true);
    uint64_t start = bench_ticks();
    if (counted)
        call_counted(count_free(block, size), true);
    else
        heap_free(block, size);
    if (!counting) call_timed(start, true);
    call_at++;
}

static bool call_add(size_t size) {
    void *block = live_count < BENCH_SLOTS ? call_alloc(size) : NULL;
    if (!block) return false;
    blocks[live_count] = block;
    sizes[live_count++] = (uint32_t)size;
    return true;
}

static void call_remove(uint32_t index) {
    call_free(blocks[index], sizes[index]);
    blocks[index] = blocks[--live_count];
    sizes[index] = sizes[live_count];
}

static void call_remove_all(void) {
    while (live_count > 0)
        call_remove(bench_below(live_count));
}

// --- The histories. ------------------------------------------------------------------------------

typedef struct {
    bench_job job;
    uint32_t calls, picked; // how many are watched, and stepped, about
} history;

// As many blocks as the job says, each step one freed and another allocated. Only the steady state
// is watched.
static void history_steady(const history *h) {
    while (live_count < h->job.blocks && pack_add(bench_size(&h->job))) {
    }
    for (uint32_t i = 0; i < h->job.blocks * 4; i++) {
        pack_remove();
        pack_add(bench_size(&h->job));
    }
    while (call_at < h->calls) {
        if (live_count > 0) call_remove(bench_below(live_count));
        call_add(bench_size(&h->job));
    }
}

// Always full: most allocations fail.
static void history_brim(const history *h) {
    pack_fill(&h->job);
    while (call_at < h->calls) {
        size_t size = bench_size(&h->job);
        while (!call_add(size) && live_count > 0)
            call_remove(bench_below(live_count));
    }
}

// Small blocks freed by the thousand, then one large one asked for: whatever was put off has to be
// done then.
static void history_bursts(const history *h) {
    while (call_at < h->calls) {
        uint32_t size = 16 + 16 * bench_below(32);
        while (live_count < h->job.blocks && pack_add(size)) {
        }
        while (live_count > 0)
            pack_remove();
        for (size_t large = h->job.buffer; large > h->job.buffer / 16; large -= large / 8) {
            void *block = call_alloc(large);
            if (block) call_free(block, large);
        }
        for (uint32_t i = 0; i < h->job.blocks && call_add(16 + 16 * bench_below(32)); i++) {
        }
        call_remove_all();
        call_add(h->job.most * 4);
        call_remove_all();
    }
}

// Every second block freed, then sizes that fit none of the gaps, then the gaps closed one by one.
static void history_comb(const history *h) {
    for (uint32_t size = 16; call_at < h->calls; size = size < 2048 ? size * 2 + 16 : 16) {
        uint32_t first = live_count;
        while (live_count < h->job.blocks && pack_add(size)) {
        }
        for (uint32_t i = first; i < live_count; i += 2)
            call_free(blocks[i], sizes[i]);
        uint32_t kept = 0;
        for (uint32_t i = 1; i < live_count; i += 2, kept++) {
            blocks[kept] = blocks[i];
            sizes[kept] = sizes[i];
        }
        live_count = kept;
        for (size_t asked = size + 1; asked < size * 4; asked += 16)
            for (int i = 0; i < 8; i++)
                call_add(asked);
        call_remove_all();
    }
}

// Few and large blocks, small ones between them.
static void history_spans(const history *h) {
    bench_job large = h->job;
    large.least = h->job.buffer / 1024;
    large.most = h->job.buffer / 2;
    large.log = true;
    while (call_at < h->calls / 4) {
        if (live_count > 0 && bench_below(2))
            call_remove(bench_below(live_count));
        else
            call_add(bench_below(4) ? bench_size(&large) : bench_size(&h->job));
    }
    call_remove_all();
}

// One size after another comes into use and goes out of use, in order and out of order.
static void history_tides(const history *h) {
    for (size_t size = 16; call_at < h->calls; size = size < 1024 ? size + 16 : 16) {
        uint32_t first = live_count, count = 32 + bench_below(512);
        for (uint32_t i = 0; i < count && call_add(size); i++) {
        }
        if (bench_below(2)) {
            while (live_count > first)
                call_remove(live_count - 1);
        } else {
            for (uint32_t i = 0; i < count && live_count > 0; i++)
                call_remove(bench_below(live_count));
        }
    }
    call_remove_all();
}

static const struct {
    const char *name;
    void (*run)(const history *h);
} histories[] = {
    {"steady", history_steady}, {"brim", history_brim},   {"bursts", history_bursts},
    {"comb", history_comb},     {"spans", history_spans}, {"tides", history_tides},
};

static void history_run(const history *h, void *buffer, size_t index) {
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (!heap_open(&h->job, buffer)) _exit(4);
        bench_state = 1; // picking has drawn numbers of its own
        nothing = count_nothing();
        histories[index].run(h);
        sheet->calls = call_at < CALLS_MOST ? call_at : CALLS_MOST;
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (status == 0) return;
    printf("%s failed with status %d\n", histories[index].name, status);
    exit(1);
}

static void sheet_clear(void) {
    memset(sheet, 0, sizeof *sheet);
    memset(sheet->least_ticks, 0xFF, sizeof sheet->least_ticks);
}

// The slowest of one kind, and some at random.
static void sheet_pick(unsigned is_free, uint32_t slowest, uint32_t random) {
    static uint32_t sorted[CALLS_MOST];
    uint32_t count = 0;
    for (uint32_t i = 0; i < sheet->calls; i++)
        if (sheet->is_free[i] == is_free) sorted[count++] = sheet->least_ticks[i];
    if (count == 0) return;
    qsort(sorted, count, sizeof *sorted, bench_order);
    uint32_t slow = sorted[count > slowest ? count - slowest : 0], left = slowest;
    for (uint32_t i = 0; i < sheet->calls; i++) {
        if (sheet->is_free[i] != is_free) continue;
        if (bench_below(count) < random)
            sheet->picked[i] = 2;
        else if (sheet->least_ticks[i] >= slow && left > 0)
            sheet->picked[i] = 1, left--;
    }
}

static int mode_worst(char **argv) {
    history h = {{"worst", "", 16, strtoul(argv[4], NULL, 0), true,
                  (unsigned)strtoul(argv[3], NULL, 0), strtoul(argv[2], NULL, 0), 1, 1, argv[8]},
                 (uint32_t)strtoul(argv[5], NULL, 0),
                 (uint32_t)strtoul(argv[6], NULL, 0)};
    void *buffer = bench_buffer(&h.job);
    trap_limit = strtoul(argv[7], NULL, 0);
    sheet = (call_sheet *)bench_map(sizeof *sheet, MAP_SHARED);
    for (size_t i = 0; i < sizeof histories / sizeof histories[0]; i++) {
        sheet_clear();
        counting = false;
        for (int run = 0; run < RUNS; run++)
            history_run(&h, buffer, i);
        for (unsigned is_free = 0; is_free < 2; is_free++)
            sheet_pick(is_free, h.picked, i == 0 ? h.picked * 10 : h.picked / 4 + 1);
        counting = true;
        history_run(&h, buffer, i);
        printf("%s", histories[i].name);
        for (int kind = 0; kind < 2; kind++)
            printf(" %llu %.1f", (unsigned long long)sheet->worst[kind],
                   (double)sheet->sum[kind] /
                       (double)(sheet->counted[kind] ? sheet->counted[kind] : 1));
        puts("");
    }
    return 0;
}

// --- The fast paths: the dearest that most calls pay. --------------------------------------------

static int count_order(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int mode_fast(char **argv) {
    enum { PAIRS = 21 };
    static const size_t fast_sizes[] = {16, 64, 256, 1024, 4096};
    static uint64_t allocs[PAIRS], frees[PAIRS];
    bench_job job = {"worst", "", 16, 4096, true, 1, strtoul(argv[2], NULL, 0), 1, 1, argv[3]};
    if (!heap_open(&job, bench_buffer(&job))) return puts("-");
    nothing = count_nothing();
    for (size_t i = 0; i < sizeof fast_sizes / sizeof fast_sizes[0]; i++) {
        size_t size = fast_sizes[i];
        void *first = heap_alloc(size), *block;
        for (int pair = 0; pair < PAIRS; pair++) {
            allocs[pair] = count_alloc(size, &block) - nothing;
            frees[pair] = count_free(block, size) - nothing;
        }
        heap_free(first, size);
        qsort(allocs, PAIRS, sizeof *allocs, count_order);
        qsort(frees, PAIRS, sizeof *frees, count_order);
        printf("%zu %llu %llu\n", size, (unsigned long long)allocs[PAIRS / 2],
               (unsigned long long)frees[PAIRS / 2]);
    }
    return 0;
}

int main(int argc, char **argv) {
    trap_start();
    if (argc == 9) return mode_worst(argv);
    if (argc == 4) return mode_fast(argv);
    fprintf(stderr,
            "usage: %s worst BUFFER BLOCKS MOST CALLS PICKED LIMIT VARIANT | fast BUFFER VARIANT\n",
            argv[0]);
    return 2;
}

#else

int main(void) {
    puts("-");
    return 0;
}

#endif
