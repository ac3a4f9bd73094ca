// support.h: what the tests share: the library itself, a log of its reports, buffers with canaries,
// block contents that can be recognised, a list of what a walk shows, and a source of memory that
// can be made to fail.
#ifndef SUPPORT_H
#define SUPPORT_H

#include "test.h"

#define MEMMGR_ASSERT(condition)                                                                   \
    ((condition) ? (void)0 : test_assertion_failed(#condition, __FILE__, __LINE__))
#define MEMMGR_IMPLEMENTATION
#include "../memmgr.h"

// 1: the calls are memmgr's own. 0: they run on the C library, to which misuse must not be shown.
#ifdef USE_MEMORY_MGR
#define SWITCH_ON 1
#else
#define SWITCH_ON 0
#endif

// 1: the small configuration, whose pools neither grow nor fill blocks.
#if defined(MEMMGR_SMALL) && SWITCH_ON
#define SMALL 1
#else
#define SMALL 0
#endif

#define GRANULE ((size_t)16)

// The usable size of a block in a pool.
static inline size_t granules_up(size_t size) {
    return size == 0 ? GRANULE : (size + GRANULE - 1) / GRANULE * GRANULE;
}

static inline bool is_aligned(const void *pointer, size_t alignment) {
    return ((uintptr_t)pointer & (alignment - 1)) == 0;
}

// A pointer that no compiler may reason about: misuses would be warned about otherwise.
static inline void *pointer_plus(const void *pointer, intptr_t offset) {
    volatile uintptr_t address = (uintptr_t)pointer + (uintptr_t)offset;
    return (void *)address;
}

// A result that no compiler may do without: some take away calls of the C library's malloc.
static inline void *kept(void *pointer) {
    void *volatile hidden = pointer;
    return hidden;
}

// A size that no compiler may warn about.
static inline size_t opaque(size_t size) {
    volatile size_t hidden = size;
    return hidden;
}

// --- Reports -------------------------------------------------------------------------------------

typedef struct {
    size_t count;
    size_t of[MEMMGR_LEAK + 1]; // by error
    memmgr_report last;
} report_log;

static report_log reports;

static inline void reports_record(const memmgr_report *report, void *ctx) {
    report_log *log = (report_log *)ctx;
    log->count++;
    if (report->error <= MEMMGR_LEAK) log->of[report->error]++;
    log->last = *report;
}

// Every test that looks at reports begins with this.
static inline void reports_start(void) {
    memset(&reports, 0, sizeof reports);
    memmgr_set_error_handler(reports_record, &reports);
}

// Was this error, and nothing else, reported exactly once since the last question?
static inline bool reports_were(memmgr_error error) {
    bool as_expected = reports.count == 1 && reports.last.error == error;
    if (!as_expected) {
        printf("    %lu reports, the last %s; expected one %s\n", (unsigned long)reports.count,
               reports.count ? memmgr_error_name(reports.last.error) : "none",
               memmgr_error_name(error));
    }
    reports.count = 0;
    memset(reports.of, 0, sizeof reports.of);
    return as_expected;
}

static inline bool reports_none(void) {
    bool none = reports.count == 0;
    if (!none) printf("    reported: %s\n", memmgr_error_name(reports.last.error));
    reports.count = 0;
    memset(reports.of, 0, sizeof reports.of);
    return none;
}

#define CHECK_REPORTED(error) CHECK(reports_were(error))
#define CHECK_SILENT() CHECK(reports_none())

// --- Descriptions --------------------------------------------------------------------------------

static inline memmgr_pool_desc desc_of(memmgr_fit fit, unsigned flags) {
    memmgr_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.fit = fit;
    desc.flags = flags;
    return desc;
}

// Takes the largest; of equals the first.
static inline bool choose_worst(const memmgr_block *candidate, const memmgr_block *best,
                                size_t size, void *ctx) {
    (void)size;
    (void)ctx;
    return !best || candidate->size > best->size;
}

// --- Block contents ------------------------------------------------------------------------------

static inline uint64_t pattern_word(uint64_t tag, size_t index) {
    return (tag ^ (uint64_t)index) * UINT64_C(0x9E3779B97F4A7C15);
}

static inline void pattern_fill(void *at, size_t size, uint64_t tag) {
    unsigned char *bytes = (unsigned char *)at;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = pattern_word(tag, i);
        memcpy(bytes + i, &word, size - i < 8 ? size - i : 8);
    }
}

static inline bool pattern_holds(const void *at, size_t size, uint64_t tag) {
    const unsigned char *bytes = (const unsigned char *)at;
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = pattern_word(tag, i);
        if (memcmp(bytes + i, &word, size - i < 8 ? size - i : 8) != 0) return false;
    }
    return true;
}

static inline bool bytes_are(const void *at, size_t size, int value) {
    const unsigned char *bytes = (const unsigned char *)at;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != value) return false;
    }
    return true;
}

// --- Buffers -------------------------------------------------------------------------------------

// [ canary | at ... at + size | canary ], `at` being `offset` bytes past a multiple of 4096, all of
// it dirty at first.
enum { CANARY = 64, CANARY_BYTE = 0x5A, BUFFER_ALIGNMENT = 4096 };

typedef struct {
    unsigned char *raw;
    unsigned char *at;
    size_t size;
} test_buffer;

static inline test_buffer buffer_new(size_t size, size_t offset) {
    test_buffer buffer;
    buffer.raw = (unsigned char *)malloc(size + offset + BUFFER_ALIGNMENT + 2 * CANARY);
    if (!buffer.raw) abort();
    uintptr_t start = (uintptr_t)buffer.raw + CANARY + BUFFER_ALIGNMENT - 1;
    start = start / BUFFER_ALIGNMENT * BUFFER_ALIGNMENT;
    buffer.at = buffer.raw + (start - (uintptr_t)buffer.raw) + offset;
    buffer.size = size;
    memset(buffer.at, 0xA7, size);
    memset(buffer.at - CANARY, CANARY_BYTE, CANARY);
    memset(buffer.at + size, CANARY_BYTE, CANARY);
    return buffer;
}

static inline bool buffer_intact(const test_buffer *buffer) {
    return bytes_are(buffer->at - CANARY, CANARY, CANARY_BYTE) &&
           bytes_are(buffer->at + buffer->size, CANARY, CANARY_BYTE);
}

static inline bool buffer_holds(const test_buffer *buffer, const void *at, size_t size) {
    uintptr_t from = (uintptr_t)buffer->at, block = (uintptr_t)at;
    return block >= from && block - from <= buffer->size && size <= buffer->size - (block - from);
}

static inline void buffer_drop(test_buffer *buffer) {
    CHECK(buffer_intact(buffer));
    free(buffer->raw);
    buffer->raw = buffer->at = NULL;
}

// --- What a walk shows ---------------------------------------------------------------------------

enum { WALK_MAX = 32768 };

typedef struct {
    memmgr_block block[WALK_MAX];
    size_t count, live_count;
    size_t live_bytes, free_bytes;
    bool ordered; // by address, no overlap
} walk_list;

static walk_list walked;

static inline bool walk_add(const memmgr_block *block, void *ctx) {
    walk_list *list = (walk_list *)ctx;
    if (list->count == WALK_MAX) return false;
    if (list->count > 0) {
        const memmgr_block *previous = &list->block[list->count - 1];
        uintptr_t end = (uintptr_t)previous->address + previous->size;
        if ((uintptr_t)block->address < end) list->ordered = false;
    }
    if (block->live)
        list->live_count++, list->live_bytes += block->size;
    else
        list->free_bytes += block->size;
    list->block[list->count++] = *block;
    return true;
}

// The pool's blocks, in `walked`. Whether the walk came to its end.
static inline bool walk_pool(const memmgr_pool *pool) {
    walked.count = walked.live_count = walked.live_bytes = walked.free_bytes = 0;
    walked.ordered = true;
    return memmgr_pool_walk(pool, walk_add, &walked);
}

// Makes one block of free neighbours that touch; they may be merged later than they are freed.
static inline void walk_merge(void) {
    size_t count = 0;
    for (size_t i = 0; i < walked.count; i++) {
        memmgr_block *last = count ? &walked.block[count - 1] : NULL;
        const memmgr_block *next = &walked.block[i];
        bool touch = last && !last->live && !next->live &&
                     (uintptr_t)last->address + last->size == (uintptr_t)next->address;
        if (touch)
            last->size += next->size;
        else
            walked.block[count++] = *next;
    }
    walked.count = count;
}

// The statistics, the walk and the audit tell the same story.
static inline bool pool_agrees(const memmgr_pool *pool) {
    memmgr_stats stats;
    bool agrees = CHECK(walk_pool(pool));
    memmgr_pool_stats(pool, &stats);
    agrees &= CHECK_EQUAL(stats.used + stats.free + stats.overhead, stats.capacity);
    agrees &= CHECK_EQUAL(stats.live_blocks, walked.live_count);
    agrees &= CHECK_EQUAL(stats.allocations - stats.frees, stats.live_blocks);
    agrees &= CHECK_EQUAL(stats.used, walked.live_bytes);
    agrees &= CHECK_EQUAL(stats.requested, stats.used);
    agrees &= CHECK_EQUAL(memmgr_pool_bytes_used(pool), stats.used);
    agrees &= CHECK_EQUAL(memmgr_pool_bytes_free(pool), stats.free);
    agrees &= CHECK_EQUAL(memmgr_pool_largest_free(pool), stats.largest_free);
    agrees &= CHECK(stats.largest_free <= stats.free && stats.peak_used >= stats.used);
    agrees &= CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    if (stats.free > 0) {
        unsigned long long share = 100ull * stats.largest_free / stats.free;
        bool near = stats.fragmentation + share >= 99 && stats.fragmentation + share <= 101;
        if (!CHECK(near)) {
            printf("        %u percent, %lu of %lu\n", stats.fragmentation,
                   (unsigned long)stats.largest_free, (unsigned long)stats.free);
        }
        agrees &= near;
    } else {
        agrees &= CHECK_EQUAL(stats.fragmentation, 0);
    }
    if (!SWITCH_ON) return agrees;
    agrees &= CHECK(walked.ordered);
    agrees &= CHECK_EQUAL(stats.free, walked.free_bytes);
    return agrees;
}

static inline bool stats_equal(const memmgr_stats *a, const memmgr_stats *b) {
    return a->capacity == b->capacity && a->used == b->used && a->free == b->free &&
           a->largest_free == b->largest_free && a->overhead == b->overhead &&
           a->peak_used == b->peak_used && a->requested == b->requested &&
           a->live_blocks == b->live_blocks && a->allocations == b->allocations &&
           a->frees == b->frees && a->failures == b->failures && a->misuses == b->misuses &&
           a->fragmentation == b->fragmentation;
}

// --- A source of memory --------------------------------------------------------------------------

// Segments stand in one arena at random places, aligned to 16 and to no more, dirty, with canaries
// around.
enum { SOURCE_MAX = 2048 };

typedef struct {
    unsigned char *at;
    size_t size;
} source_segment;

typedef struct {
    unsigned char *raw, *arena;
    size_t arena_size;
    source_segment segment[SOURCE_MAX];
    size_t count;       // segments that are mapped now
    size_t bytes, peak; // mapped now, and the most
    size_t calls;       // of map
    size_t fail_at;     // this call of map fails; 0: none
    bool fail_on;       // and all after it
    size_t faults;      // an unmap of what was not mapped, or a canary overwritten
} test_source;

static inline void source_open(test_source *source, size_t arena_size) {
    memset(source, 0, sizeof *source);
    source->raw = (unsigned char *)malloc(arena_size + 64);
    if (!source->raw) abort();
    source->arena = source->raw + (64 - (uintptr_t)source->raw % 64);
    source->arena_size = arena_size;
}

static inline bool source_is_free(const test_source *source, const unsigned char *at, size_t size) {
    for (size_t i = 0; i < source->count; i++) {
        const source_segment *other = &source->segment[i];
        if (at < other->at + other->size + 2 * CANARY && other->at < at + size + 2 * CANARY) {
            return false;
        }
    }
    return true;
}

// A random place, 16 bytes past a multiple of 32.
static inline unsigned char *source_place(const test_source *source, size_t size) {
    if (size > source->arena_size - 4 * CANARY) return NULL;
    size_t room = source->arena_size - 4 * CANARY - size;
    for (int attempt = 0; attempt < 1000; attempt++) {
        unsigned char *at = source->arena + CANARY + test_below(room / 32 + 1) * 32 + GRANULE;
        if (source_is_free(source, at, size)) return at;
    }
    return NULL;
}

static inline void *source_map(size_t size, void *ctx) {
    test_source *source = (test_source *)ctx;
    source->calls++;
    if (source->fail_at && source->calls == source->fail_at) return NULL;
    if (source->fail_at && source->fail_on && source->calls > source->fail_at) return NULL;
    if (source->count == SOURCE_MAX) return NULL;
    unsigned char *at = source_place(source, size);
    if (!at) return NULL;
    memset(at - CANARY, CANARY_BYTE, CANARY);
    memset(at, 0xB5, size);
    memset(at + size, CANARY_BYTE, CANARY);
    source->segment[source->count].at = at;
    source->segment[source->count++].size = size;
    source->bytes += size;
    if (source->bytes > source->peak) source->peak = source->bytes;
    return at;
}

static inline bool source_canaries_hold(const source_segment *segment) {
    return bytes_are(segment->at - CANARY, CANARY, CANARY_BYTE) &&
           bytes_are(segment->at + segment->size, CANARY, CANARY_BYTE);
}

static inline void source_unmap(void *memory, size_t size, void *ctx) {
    test_source *source = (test_source *)ctx;
    for (size_t i = 0; i < source->count; i++) {
        source_segment *segment = &source->segment[i];
        if (segment->at != memory || segment->size != size) continue;
        if (!source_canaries_hold(segment)) source->faults++;
        memset(segment->at, 0xE3, size);
        *segment = source->segment[--source->count];
        source->bytes -= size;
        return;
    }
    source->faults++;
}

static inline void source_close(test_source *source) {
    CHECK_EQUAL(source->count, 0);
    CHECK_EQUAL(source->bytes, 0);
    CHECK_EQUAL(source->faults, 0);
    free(source->raw);
    source->raw = source->arena = NULL;
}

static inline memmgr_pool_desc desc_growing(test_source *source, size_t limit) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW);
    desc.limit = limit;
    desc.source.map = source_map;
    desc.source.unmap = source_unmap;
    desc.source.ctx = source;
    return desc;
}

#endif
