// fuzz.h: what the fuzz targets share: the library itself, an input that is read as numbers, checks
// that end the process, a log of reports, and contents that can be recognised.
//
// A target is a function LLVMFuzzerTestOneInput. libFuzzer and AFL++ bring a main of their own;
// with FUZZ_REPLAY defined there is one here that runs the files, and the folders of files, it is
// given.
//
// Assertions of memmgr's own end the process, too. Most of the judging is black-box; where a check
// looks at the library's own data, it is only to know where a pool's granules lie, and which freed
// blocks are still in quarantine.
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long fuzz_step; // operations so far, for messages
static const char *fuzz_name;   // of the input, where it is known

__attribute__((noreturn, noinline, cold)) static void fuzz_failed(const char *what,
                                                                  const char *file, int line) {
    fprintf(stderr, "%s:%d: operation %lu: does not hold: %s\n", file, line, fuzz_step, what);
    if (fuzz_name) fprintf(stderr, "input: %s\n", fuzz_name);
    abort();
}

#define EXPECT(condition) ((condition) ? (void)0 : fuzz_failed(#condition, __FILE__, __LINE__))
#define MEMMGR_ASSERT(condition) EXPECT(condition)
#define MEMMGR_IMPLEMENTATION
#include "../../memmgr.h"

// 1: AddressSanitizer is told of every block. Then all pools have records, and nothing but the
// program's own bytes may be touched.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_ASAN 1
#endif
#endif
#if !defined(MEMMGR_NO_TOOLS) && (defined(__SANITIZE_ADDRESS__) || defined(FUZZ_ASAN))
enum { TOOLS = 1 };
#else
enum { TOOLS = 0 };
#endif

enum {
    TRACK = MEMMGR_POOL_TRACK,
    GUARD = MEMMGR_POOL_GUARD,
    FILL = MEMMGR_POOL_FILL,
    QUARANTINE = MEMMGR_POOL_QUARANTINE,
    RECORDED = TRACK | GUARD | QUARANTINE,
    GUARD_BYTE = 0xFD,
    FRESH_BYTE = 0xCC,
    FREED_BYTE = 0xDD
};

#define GRANULE ((size_t)16)
#define GUARD_SIZE ((size_t)16) // behind a watched block

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline size_t round_up(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

// The usable size of a block in a pool that is not watched.
static inline size_t granules_up(size_t size) { return size ? round_up(size, GRANULE) : GRANULE; }

static inline bool is_aligned(const void *pointer, size_t alignment) {
    return ((uintptr_t)pointer & (alignment - 1)) == 0;
}

// A pointer that no compiler may reason about.
static inline void *pointer_plus(const void *pointer, intptr_t offset) {
    volatile uintptr_t address = (uintptr_t)pointer + (uintptr_t)offset;
    return (void *)address;
}

static inline bool bytes_are(const void *at, size_t size, int value) {
    const unsigned char *bytes = (const unsigned char *)at;
    return size == 0 ||
           (bytes[0] == (unsigned char)value && memcmp(bytes, bytes + 1, size - 1) == 0);
}

// --- The input -----------------------------------------------------------------------------------

static struct { const uint8_t *at, *end; } input;

static inline void input_open(const uint8_t *data, size_t size) {
    input.at = data;
    input.end = data + size;
    fuzz_step = 0;
}

static inline bool input_ended(void) { return input.at == input.end; }

// Behind the end of the input all is zero.
static inline unsigned input_byte(void) { return input_ended() ? 0 : *input.at++; }

static inline unsigned input_word(void) {
    unsigned low = input_byte();
    return low | input_byte() << 8;
}

static inline size_t input_below(size_t limit) {
    return limit < 2 ? 0 : (limit <= 256 ? input_byte() : input_word()) % limit;
}

// Sizes at which arithmetic wraps.
static inline size_t input_extreme(void) {
    static const size_t extremes[] = {SIZE_MAX,       SIZE_MAX - 7,       SIZE_MAX - 15,
                                      SIZE_MAX - 16,  SIZE_MAX - 63,      SIZE_MAX - 64,
                                      SIZE_MAX - 79,  SIZE_MAX - 80,      SIZE_MAX - 81,
                                      SIZE_MAX / 2,   SIZE_MAX / 2 + 1,   SIZE_MAX / 16,
                                      SIZE_MAX - 100, SIZE_MAX / 16 * 15, (size_t)1 << 31,
                                      UINT32_MAX,     SIZE_MAX - 128,     (size_t)UINT32_MAX + 1};
    return extremes[input_below(sizeof extremes / sizeof extremes[0])];
}

// Mostly small; 0, 1, powers of two and their neighbours, parts of `room`, and what is too large.
static inline size_t input_size(size_t room) {
    unsigned kind = input_byte();
    if (kind < 128) return kind;
    if (kind < 192) return input_word() >> (kind & 7);
    if (kind < 216) return room / 24 * (kind - 191) - input_byte() % 64;
    if (kind < 248) return ((size_t)1 << (kind - 216) % 22) + input_byte() % 3 - 1;
    return input_extreme();
}

// Mostly powers of two; sometimes something else, which is an error.
static inline size_t input_alignment(void) {
    static const size_t wrong[] = {0, 3, 5, 6, 7, 12, 24, 48, SIZE_MAX, SIZE_MAX - 1};
    unsigned kind = input_byte();
    if (kind < 224) return (size_t)1 << kind % 14;
    if (kind < 240) return wrong[kind % 10];
    return (size_t)1 << input_byte() % (8 * sizeof(size_t));
}

static inline bool is_power_of_two(size_t number) { return number && !(number & (number - 1)); }

// --- Contents ------------------------------------------------------------------------------------

// Of a long block the beginning, the end, and a part of every page are written and compared.
enum { STAMP = 4096, STAMP_WHOLE = 8192, STAMP_PART = 32 };

static unsigned char stamps[2 * STAMP];

static inline void stamps_make(void) {
    uint64_t state = 1;
    if (stamps[0] != 0) return;
    for (size_t i = 0; i < sizeof stamps; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        stamps[i] = (unsigned char)(state >> 56) | 1;
    }
}

static inline const unsigned char *stamp_at(uint32_t tag, size_t offset) {
    return stamps + (tag * 37 + offset / STAMP * 11) % STAMP;
}

// Writes, or compares, the part of a block's contents from a multiple of STAMP on.
static inline bool stamp_part(unsigned char *at, size_t from, size_t length, uint32_t tag,
                              bool write) {
    const unsigned char *stamp = stamp_at(tag, from);
    if (write) memcpy(at + from, stamp, length);
    return write || memcmp(at + from, stamp, length) == 0;
}

// The first `size` bytes of a block whose contents were written as `whole` bytes.
static inline bool stamp_holds(unsigned char *at, size_t size, size_t whole, uint32_t tag,
                               bool write) {
    for (size_t from = 0; from < size; from += STAMP) {
        size_t length = size - from < STAMP ? size - from : STAMP;
        size_t rest = whole - from;
        bool all = whole <= STAMP_WHOLE || from == 0 || rest <= STAMP;
        if (!all && length > STAMP_PART) length = STAMP_PART;
        if (!stamp_part(at, from, length, tag, write)) return false;
    }
    return true;
}

// --- Reports -------------------------------------------------------------------------------------

enum { REPORTS = 256 };

static struct {
    size_t count;
    memmgr_report report[REPORTS];
} heard;

static inline void heard_note(const memmgr_report *report) {
    EXPECT(heard.count < REPORTS);
    heard.report[heard.count++] = *report;
}

// Has nothing been reported?
static inline bool heard_nothing(void) { return heard.count == 0; }

// Was this error, and nothing else, reported once?
static inline bool heard_one(memmgr_error error, const memmgr_pool *pool, const void *pointer) {
    bool one = heard.count == 1 && heard.report[0].error == error && heard.report[0].pool == pool &&
               heard.report[0].pointer == pointer;
    if (!one)
        fprintf(stderr, "%lu reports, the first %s; expected one %s\n", (unsigned long)heard.count,
                heard.count ? memmgr_error_name(heard.report[0].error) : "none",
                memmgr_error_name(error));
    heard.count = 0;
    return one;
}

// --- Guards --------------------------------------------------------------------------------------

// What was written beyond a block's bytes: the first byte before it and the first behind it, as
// offsets from its start; and for a block in quarantine the first one in it.
typedef struct {
    ptrdiff_t before; // 0: none
    size_t behind;    // SIZE_MAX: none
    size_t within;    // SIZE_MAX: none
} strays;

static const strays no_strays = {0, SIZE_MAX, SIZE_MAX};

static inline bool has_strays(const strays *s) {
    return s->before != 0 || s->behind != SIZE_MAX || s->within != SIZE_MAX;
}

// Where a report is to say that the block was changed first.
static inline ptrdiff_t strays_first(const strays *s) {
    if (s->within != SIZE_MAX) return (ptrdiff_t)s->within;
    return s->before != 0 ? s->before : (ptrdiff_t)s->behind;
}

// Bytes before a watched block that are its own, and those of them that are its guard.
static inline size_t front_of(unsigned shift) { return mmi_record_front(shift); }

static inline size_t guard_of(unsigned shift) {
    size_t size = front_of(shift) - round_up(sizeof(mmi_record), GRANULE);
    return size < 4096 ? size : 4096;
}

// Writes one byte into a guard of a block, before or behind it, so that it changes.
static inline void stray_into_guard(unsigned char *at, size_t size, unsigned shift, strays *s) {
    bool before = input_byte() & 1;
    size_t distance = input_below(before ? guard_of(shift) : GUARD_SIZE);
    unsigned char *byte = before ? at - 1 - distance : at + size + distance;
    if (*byte == GUARD_BYTE) *byte = (unsigned char)(GUARD_BYTE ^ (1 + input_byte() % 255));
    if (before && -(ptrdiff_t)(1 + distance) < s->before) s->before = -(ptrdiff_t)(1 + distance);
    if (!before && (s->behind == SIZE_MAX || size + distance < s->behind))
        s->behind = size + distance;
}

// The same in the bytes of a block in quarantine.
static inline void stray_into_block(unsigned char *at, size_t size, strays *s) {
    size_t offset = input_below(size);
    if (size == 0) return;
    if (at[offset] == FREED_BYTE)
        at[offset] = (unsigned char)(FREED_BYTE ^ (1 + input_byte() % 255));
    if (s->within == SIZE_MAX || offset < s->within) s->within = offset;
}

// --- Replay --------------------------------------------------------------------------------------

#ifdef FUZZ_REPLAY
#include <dirent.h>

static unsigned long replayed;

static void replay_file(const char *name) {
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(name, "rb");
    if (!file) return;
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    uint8_t *exact = (uint8_t *)malloc(size + (size == 0)); // a sanitizer knows where it ends
    if (!exact) abort();
    memcpy(exact, bytes, size);
    fuzz_name = name;
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    replayed++;
}

static void replay_folder(const char *name, DIR *folder) {
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", name, entry->d_name);
        replay_file(path);
    }
    closedir(folder);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (folder)
            replay_folder(argv[i], folder);
        else
            replay_file(argv[i]);
    }
    printf("%lu inputs\n", replayed);
    return replayed == 0;
}
#endif

#endif
