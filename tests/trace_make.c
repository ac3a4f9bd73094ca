// trace_make.c: writes traces, and breaks them, for test_trace_tool.sh.
//
//     trace_make known FILE               a small one: the script knows its numbers
//     trace_make random FILE SEED COUNT   a large one; prints "peak live blocks" as they must be
//     trace_make fuzz TOOL FILE SEED COUNT
//                                         runs TOOL on so many mutations of FILE, in FILE.fuzz, and
//                                         prints those that it does not survive
#define _DEFAULT_SOURCE

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END, ALLOC, FREE, RESIZE, FAIL, THREAD, HEAP, SITE, CLEAR, ZEROED = 0x10, ALIGNED = 0x20 };

static FILE *out;
static uint64_t last_address;
static uint64_t random_state;

static void fail(const char *what) {
    fprintf(stderr, "trace_make: %s\n", what);
    exit(2);
}

// splitmix64
static uint64_t random_number(void) {
    uint64_t z = (random_state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t limit) { return random_number() % limit; }

// --- The encoder. ------------------------------------------------------------------------------

static void put_number(uint64_t number) {
    for (; number >= 0x80; number >>= 7)
        putc((int)(number & 0x7F) | 0x80, out);
    putc((int)number, out);
}

static void put_address(uint64_t address) {
    uint64_t distance = address - last_address;
    put_number(distance << 1 ^ (0 - (distance >> 63)));
    last_address = address;
}

static void put_name(const char *name) {
    put_number(strlen(name));
    fputs(name, out);
}

static void put_alloc(int flags, uint64_t time, uint64_t address, uint64_t size, unsigned shift,
                      unsigned slot) {
    putc(ALLOC | flags, out);
    put_number(time);
    put_address(address);
    put_number(size);
    if (flags & ALIGNED) put_number(shift);
    put_number(slot);
}

static void put_free(uint64_t time, uint64_t address) {
    putc(FREE, out);
    put_number(time);
    put_address(address);
    put_number(0);
}

static void put_resize(uint64_t time, uint64_t old, uint64_t address, uint64_t size,
                       unsigned slot) {
    putc(RESIZE, out);
    put_number(time);
    put_address(old);
    put_address(address);
    put_number(size);
    put_number(slot);
}

static void put_fail(uint64_t time, uint64_t size) {
    putc(FAIL, out);
    put_number(time);
    put_number(size);
    put_number(0);
}

static void put_thread(uint64_t id) {
    putc(THREAD, out);
    put_number(id);
}

static void put_heap(uint64_t id, const char *name) {
    putc(HEAP, out);
    put_number(id);
    put_name(name);
}

static void put_site(unsigned slot, uint64_t line, const char *file, uint64_t code) {
    putc(SITE, out);
    put_number(slot);
    put_number(line);
    if (line)
        put_name(file);
    else
        put_number(code);
}

static void put_clear(uint64_t time) {
    putc(CLEAR, out);
    put_number(time);
}

static void open_trace(const char *name) {
    out = fopen(name, "wb");
    if (!out) fail("cannot write");
    fputs("memmgr trace 1\n", out);
}

static void close_trace(void) {
    if (fclose(out) != 0) fail("cannot write");
}

// --- Traces. -----------------------------------------------------------------------------------

// One of each event, a microsecond apart. Slot 1 is defined twice.
static void make_known(void) {
    put_thread(1);
    put_site(1, 10, "src/alpha.c", 0);
    put_site(2, 0, NULL, 0x402034);
    put_alloc(0, 1000, 0x10000, 100, 0, 1);         // live: 100 bytes in 1 block
    put_alloc(ZEROED, 1000, 0x20000, 1000, 0, 2);   // 1100 in 2
    put_alloc(ALIGNED, 1000, 0x30000, 5000, 12, 1); // 6100 in 3
    put_free(1000, 0x10000);                        // 6000 in 2
    put_resize(1000, 0x20000, 0x40000, 70000, 2);   // 75000 in 2
    put_fail(1000, 999999);
    put_free(0, 0x99990); // from before the trace
    put_thread(2);
    put_heap(7, "words");
    put_site(1, 20, "src/<beta>&.c", 0);
    put_alloc(0, 1000, 0x50000, 200000, 0, 1); // 275000 in 3
    put_alloc(0, 1000, 0x50040, 0, 0, 1);      // 275000 in 4
    put_alloc(0, 0, 0x50060, 16, 0, 0);        // 275016 in 5: the peak
    put_clear(1000);                           // 75000 in 2
    put_heap(0, "");
    put_free(1000, 0x30000); // 70000 in 1
    putc(END, out);
    fputs("module 400000 402000 /usr/bin/known\nmodule 402000 403000 /usr/bin/known\n"
          "nonsense\nmodule zz\nmodule 5 4 x\n",
          out);
}

enum { LIVE_MOST = 20000, HEAPS = 3, SITES = 12 };

typedef struct {
    uint64_t address, size;
    unsigned heap;
} Live;

static Live blocks[LIVE_MOST];
static size_t block_count;
static uint64_t free_addresses[LIVE_MOST], free_count, fresh_address = UINT64_C(0x7F0000001000);
static uint64_t live_bytes, peak_bytes;

static uint64_t random_size(void) { return below(UINT64_C(2) << below(below(8) ? 10 : 18)); }

static uint64_t take_address(void) {
    if (free_count > 0 && below(4) != 0) return free_addresses[--free_count];
    return fresh_address += UINT64_C(1) << 20;
}

static void forget(size_t i) {
    live_bytes -= blocks[i].size;
    if (free_count < LIVE_MOST) free_addresses[free_count++] = blocks[i].address;
    blocks[i] = blocks[--block_count];
}

static void add_live(uint64_t size) {
    live_bytes += size;
    if (live_bytes > peak_bytes) peak_bytes = live_bytes;
}

static void random_alloc(unsigned heap, uint64_t time) {
    static const int kinds[] = {0, 0, 0, ZEROED, ALIGNED};
    Live *block = &blocks[block_count++];
    *block = (Live){take_address(), random_size(), heap};
    put_alloc(kinds[below(5)], time, block->address, block->size, (unsigned)below(13),
              (unsigned)below(SITES));
    add_live(block->size);
}

static void random_resize(uint64_t time) {
    Live *block = &blocks[below(block_count)];
    uint64_t old = block->address;
    if (below(2)) block->address = take_address();
    live_bytes -= block->size;
    block->size = random_size();
    put_resize(time, old, block->address, block->size, (unsigned)below(SITES));
    add_live(block->size);
}

static void random_clear(unsigned heap, uint64_t time) {
    put_clear(time);
    for (size_t i = block_count; i-- > 0;)
        if (blocks[i].heap == heap) forget(i);
}

static void random_event(unsigned *heap) {
    static const char *const names[HEAPS] = {"", "tree", "words"};
    uint64_t kind = below(1000), time = below(3000);
    if (kind < 20) {
        *heap = (unsigned)below(HEAPS);
        put_heap(*heap, names[*heap]);
    } else if (kind < 30) {
        put_thread(1 + below(4));
    } else if (kind < 31 && *heap != 0 && below(20) == 0) {
        random_clear(*heap, time);
    } else if (kind < 100 && block_count > 0) {
        random_resize(time);
    } else if (block_count == LIVE_MOST || (kind < 520 && block_count > 0)) {
        size_t i = below(block_count);
        put_free(time, blocks[i].address);
        forget(i);
    } else {
        random_alloc(*heap, time);
    }
}

static void make_random(uint64_t count) {
    char name[64];
    unsigned heap = 0;
    for (unsigned i = 1; i < SITES; i++) {
        snprintf(name, sizeof name, "source/of/the/program/part_%u.c", i);
        put_site(i, i * 37, name, 0);
    }
    for (uint64_t i = 0; i < count; i++)
        random_event(&heap);
    putc(END, out);
    printf("%llu %llu %zu\n", (unsigned long long)peak_bytes, (unsigned long long)live_bytes,
           block_count);
}

// --- Mutations. --------------------------------------------------------------------------------

enum { MAGIC = 15, GROWTH = 64 };

static uint8_t *read_all(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    uint8_t *bytes = malloc(1 << 20);
    if (!file || !bytes) fail("cannot read");
    *size = fread(bytes, 1, (1 << 20) - GROWTH, file);
    fclose(file);
    return bytes;
}

// One change behind the magic: a byte, a bit, some bytes less, or a row of continued bytes more.
static size_t mutate(uint8_t *bytes, size_t size) {
    size_t at = MAGIC + below(size - MAGIC), some = 1 + below(11);
    switch (below(6)) {
    case 0:
        bytes[at] = (uint8_t)below(256);
        break;
    case 1:
        bytes[at] ^= (uint8_t)(1 << below(8));
        break;
    case 2:
        bytes[at] = (uint8_t)below(9);
        break;
    case 3:
        return below(8) ? size : at + 1;
    case 4:
        if (some >= size - at) return size;
        memmove(bytes + at, bytes + at + some, size - at - some);
        return size - some;
    default:
        memmove(bytes + at + some, bytes + at, size - at);
        memset(bytes + at, 0x80 + (int)below(128), some);
        return size + some;
    }
    return size;
}

static void write_all(const char *name, const uint8_t *bytes, size_t size) {
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) fail("cannot write");
}

// 0 or 1 are answers; a sanitizer's is neither.
static bool survives(const char *tool, const char *trace, bool replayed) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execl(tool, tool, "--limit", "64", "--rounds", replayed ? "1" : "0", "--svg", "/dev/null",
              "--csv", "/dev/null", trace, (char *)NULL);
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child) return false;
    return WIFEXITED(status) && WEXITSTATUS(status) <= 1;
}

static int fuzz(const char *tool, const char *name, uint64_t seed, uint64_t count) {
    char mutation[4096];
    size_t size, died = 0;
    uint8_t *bytes = read_all(name, &size), *changed = malloc(size + 8 * GROWTH);
    if (!changed || size <= MAGIC) fail("cannot read");
    for (uint64_t i = 0; i < count; i++) {
        size_t changed_size = size;
        random_state = seed + i;
        memcpy(changed, bytes, size);
        for (uint64_t changes = 1 + below(4); changes > 0 && changed_size > MAGIC + 1; changes--)
            changed_size = mutate(changed, changed_size);
        snprintf(mutation, sizeof mutation, "%s.fuzz", name);
        write_all(mutation, changed, changed_size);
        if (survives(tool, mutation, i % 8 == 0)) continue;
        snprintf(mutation, sizeof mutation, "%s.died.%zu", name, died++);
        printf("    SEED=%llu kills it: %s\n", (unsigned long long)(seed + i), mutation);
        write_all(mutation, changed, changed_size);
    }
    free(bytes);
    free(changed);
    return died > 0;
}

int main(int argc, char **argv) {
    const char *what = argc > 2 ? argv[1] : "";
    if (strcmp(what, "fuzz") == 0 && argc == 6)
        return fuzz(argv[2], argv[3], strtoull(argv[4], NULL, 0), strtoull(argv[5], NULL, 0));
    if (strcmp(what, "known") == 0 && argc == 3) {
        open_trace(argv[2]);
        make_known();
    } else if (strcmp(what, "random") == 0 && argc == 5) {
        open_trace(argv[2]);
        random_state = strtoull(argv[3], NULL, 0);
        make_random(strtoull(argv[4], NULL, 0));
    } else {
        fail("see the top of the source");
    }
    close_trace();
    return 0;
}
