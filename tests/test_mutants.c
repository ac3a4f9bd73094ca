// test_mutants.c: what small changes of memmgr.h would have left unnoticed by the other tests. A
// section for each room; the names of the tests say what is pinned down.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // clock_gettime() and madvise() under a strict -std=c11
#endif

#if defined(__linux__) && !defined(MEMMGR_NO_OS) && !defined(MEMMGR_DEBUG)
#define HAVE_OS_TESTS 1
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>

static uint64_t clock_frozen; // milliseconds; 0: the clock runs
static size_t given_back;     // bytes that memmgr has no use for

static int told_clock_gettime(clockid_t clock, struct timespec *now) {
    if (clock_frozen == 0) return clock_gettime(clock, now);
    now->tv_sec = (time_t)(clock_frozen / 1000);
    now->tv_nsec = (long)(clock_frozen % 1000) * 1000000;
    return 0;
}

static int counted_madvise(void *at, size_t size, int advice) {
    if (advice == MADV_DONTNEED) given_back += size;
    return madvise(at, size, advice);
}

#define clock_gettime told_clock_gettime
#define madvise counted_madvise
#include "support.h"
#undef clock_gettime
#undef madvise
#else
#define HAVE_OS_TESTS 0
#include "support.h"
#endif

// --- What is written -----------------------------------------------------------------------------

enum { WRITTEN_MAX = 1 << 16 };

static char written[WRITTEN_MAX + 1];
static size_t written_length;

static void collect(const char *text, size_t length, void *ctx) {
    (void)ctx;
    if (!CHECK(length <= WRITTEN_MAX - written_length)) return;
    memcpy(written + written_length, text, length);
    written_length += length;
    written[written_length] = '\0';
}

static void collect_nothing(void) {
    written_length = 0;
    written[0] = '\0';
}

// Line by line, up to a NULL. Shows the first line that is not as it should be.
static bool written_is(const char *const *lines) {
    const char *at = written;
    for (; *lines; lines++) {
        size_t length = strcspn(at, "\n"), expected = strlen(*lines);
        if (length != expected || memcmp(at, *lines, length) != 0) break;
        at += at[length] == '\n' ? length + 1 : length;
    }
    if (CHECK(*lines == NULL && *at == '\0')) return true;
    printf("        is        %.*s\n", (int)strcspn(at, "\n"), at);
    printf("        should be %s\n", *lines ? *lines : "the end");
    return false;
}

// --- Text ----------------------------------------------------------------------------------------

static size_t pieces, piece_lengths[64];

static void collect_pieces(const char *text, size_t length, void *ctx) {
    CHECK(length > 0 && length <= MMI_TEXT_LINE);
    if (pieces < 64) piece_lengths[pieces] = length;
    pieces++;
    collect(text, length, ctx);
}

static mmi_text open_text(void) {
    mmi_text text;
    collect_nothing();
    pieces = 0;
    mmi_text_open(&text, collect_pieces, NULL);
    return text;
}

// Ends the text: what was written is `expected`.
static bool text_is(mmi_text *text, const char *expected) {
    mmi_text_flush(text);
    if (CHECK(strcmp(written, expected) == 0)) return true;
    printf("        is        %s\n        should be %s\n", written, expected);
    return false;
}

// A line goes out when it ends, or is full; an empty one not at all.
static void test_mutants_text_goes_out_by_lines(void) {
    mmi_text text = open_text();
    mmi_text_flush(&text);
    CHECK_EQUAL(pieces, 0);
    mmi_text_string(&text, "one\ntwo");
    CHECK(pieces == 1 && piece_lengths[0] == 4);
    mmi_text_flush(&text);
    CHECK(pieces == 2 && piece_lengths[1] == 3);
    mmi_text_flush(&text);
    CHECK_EQUAL(pieces, 2);
    mmi_text_repeat(&text, 'x', MMI_TEXT_LINE - 1);
    CHECK_EQUAL(pieces, 2);
    mmi_text_char(&text, 'y');
    CHECK(pieces == 3 && piece_lengths[2] == MMI_TEXT_LINE);
    mmi_text_repeat(&text, 'z', 0);
    mmi_text_flush(&text);
    CHECK_EQUAL(pieces, 3);
    CHECK_EQUAL(written_length, 7 + MMI_TEXT_LINE);
}

static void check_number(size_t value) {
    mmi_text text = open_text();
    char expected[32];
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)value);
    mmi_text_number(&text, value);
    text_is(&text, expected);
    text = open_text();
    snprintf(expected, sizeof expected, "0x%llx", (unsigned long long)value);
    mmi_text_pointer(&text, (const void *)(uintptr_t)value);
    text_is(&text, expected);
}

static void test_mutants_text_numbers(void) {
    for (size_t value = 1; value != 0; value *= 2) {
        check_number(value - 1);
        check_number(value);
    }
    for (size_t value = 1; value <= SIZE_MAX / 10; value *= 10) {
        check_number(value - 1);
        check_number(value);
    }
    check_number(SIZE_MAX);
    mmi_text text = open_text();
    mmi_text_hex(&text, 0xA0F, 2);
    mmi_text_hex(&text, 0xA0F, 5);
    text_is(&text, "0f00a0f");
}

// Rounded down to a tenth, in the largest unit that is not more.
static void test_mutants_text_bytes(void) {
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {1, "1 B"},
                 {1023, "1023 B"},
                 {1024, "1 KiB"},
                 {1024 + 102, "1 KiB"},
                 {1024 + 103, "1.1 KiB"},
                 {1536, "1.5 KiB"},
                 {2047, "1.9 KiB"},
                 {2048, "2 KiB"},
                 {(1 << 20) - 1, "1023.9 KiB"},
                 {1 << 20, "1 MiB"},
                 {(1 << 20) + (1 << 19), "1.5 MiB"},
                 {(uint64_t)1 << 30, "1 GiB"},
                 {(uint64_t)3 << 40, "3 TiB"},
                 {(uint64_t)5 << 50, "5 PiB"},
                 {(uint64_t)7 << 60, "7 EiB"},
                 {UINT64_MAX, "15.9 EiB"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mmi_text text = open_text();
        if (cases[i].bytes > SIZE_MAX) continue;
        mmi_text_bytes(&text, (size_t)cases[i].bytes);
        text_is(&text, cases[i].text);
    }
}

static void test_mutants_text_shares(void) {
    CHECK_EQUAL(mmi_text_share(0, 0, 100), 0);
    CHECK_EQUAL(mmi_text_share(1, 0, 100), 0);
    CHECK_EQUAL(mmi_text_share(0, 7, 100), 0);
    CHECK_EQUAL(mmi_text_share(7, 7, 100), 100);
    CHECK_EQUAL(mmi_text_share(8, 7, 100), 100);
    CHECK_EQUAL(mmi_text_share(1, 3, 100), 33);
    CHECK_EQUAL(mmi_text_share(2, 3, 100), 66);
    CHECK_EQUAL(mmi_text_share(6, 7, 10), 8);
    size_t whole = SIZE_MAX / 100 * 3 + 2, third = SIZE_MAX / 100; // where the product still fits
    CHECK_EQUAL(mmi_text_share(third, whole, 100), 33);
    CHECK_EQUAL(mmi_text_share(third + 1, whole, 100), 33);           // and where it does not
    CHECK(mmi_text_share(SIZE_MAX / 4 * 3, SIZE_MAX, 100) - 74 <= 1); // nearly
    CHECK(mmi_text_share(SIZE_MAX - 1, SIZE_MAX, 100) - 99 <= 1);
    mmi_text text = open_text();
    mmi_text_percent(&text, 1, 8);
    text_is(&text, "12%");
}

static void check_right(const char *before, const char *moved, size_t to, const char *expected) {
    mmi_text text = open_text();
    mmi_text_string(&text, before);
    size_t from = text.length;
    mmi_text_string(&text, moved);
    mmi_text_right(&text, from, to);
    text_is(&text, expected);
}

static void test_mutants_text_right(void) {
    check_right("", "ab", 5, "   ab");
    check_right("", "ab", 3, " ab");
    check_right("xy", "ab", 7, "xy   ab");
    check_right("xy", "ab", 4, "xyab");
    check_right("xy", "ab", 3, "xyab");
    check_right("xy", "", 4, "xy  ");
    mmi_text text = open_text();
    mmi_text_right(&text, 0, MMI_TEXT_LINE - 1);
    CHECK_EQUAL(text.length, MMI_TEXT_LINE - 1);
}

static void check_ending(const char *string, size_t most, unsigned form, const char *expected) {
    mmi_text text = open_text();
    mmi_text_ending(&text, string, most, form);
    text_is(&text, expected);
}

static void test_mutants_text_of_the_user(void) {
    check_ending("abcdef", 6, MMI_TEXT_PLAIN, "abcdef");
    check_ending("abcdefg", 6, MMI_TEXT_PLAIN, "...efg");
    check_ending("abcdefgh", 4, MMI_TEXT_PLAIN, "...h");
    check_ending("", 4, MMI_TEXT_PLAIN, "");
    check_ending("\x1f ~\x7f\n<&>\"\\", SIZE_MAX, MMI_TEXT_PLAIN, "? ~?\?<&>\"\\");
    check_ending("<&>\"\\", SIZE_MAX, MMI_TEXT_XML, "&lt;&amp;&gt;\"\\");
    check_ending("<&>\"\\", SIZE_MAX, MMI_TEXT_JSON, "<&>\\\"\\\\");
    mmi_text text = open_text();
    mmi_text_name(&text, "123456789012345678901234567890", MMI_TEXT_PLAIN);
    text_is(&text, "123456789012345678901234");
    CHECK(mmi_text_same("", "") && mmi_text_same("ab", "ab"));
    CHECK(!mmi_text_same("ab", "a") && !mmi_text_same("a", "ab") && !mmi_text_same("ab", "ac"));
}

// --- Sites ---------------------------------------------------------------------------------------

static mmi_sites sites;

static void site_note(const char *file, int line, size_t requested, uintptr_t address) {
    memmgr_block block = mmi_block_shown((const void *)address, requested + 5, true);
    block.requested = requested;
    block.file = file;
    block.line = line;
    CHECK(mmi_site_note(&block, &sites));
}

// Largest first; of equals the one with more blocks, of those the one that lies first.
static void test_mutants_site_order(void) {
    mmi_site_open(&sites);
    site_note("low.c", 1, 10, 100);
    site_note("high.c", 1, 30, 400);
    site_note("two.c", 1, 10, 900);
    site_note("two.c", 1, 20, 300);
    site_note("behind.c", 1, 30, 500);
    site_note("before.c", 1, 30, 200);
    site_note("below.c", -7, 9, 50);
    mmi_site_sort(&sites);
    static const char *const order[] = {"two.c",    "before.c", "high.c",
                                        "behind.c", "low.c",    "below.c"};
    CHECK(sites.count == 6 && sites.bytes == 139);
    for (size_t i = 0; i < 6; i++)
        CHECK(strcmp(mmi_site_file(&sites.table[i]), order[i]) == 0);
    CHECK(sites.table[0].blocks == 2 && sites.table[0].first == (const void *)900);
    CHECK(sites.table[5].line == 0 && sites.table[0].line == 1);
}

// What does not fit in a count stays at the most there can be.
static void test_mutants_site_counts_end(void) {
    mmi_site_open(&sites);
    site_note("a.c", 1, 40, 100);
    site_note("b.c", 1, 30, 200);
    site_note("c.c", 1, 20, 300);
    mmi_site_sort(&sites);
    sites.table[1].blocks = UINT32_MAX - 5;
    sites.table[2].blocks = 5;
    sites.others.blocks = 0;
    CHECK_EQUAL(mmi_site_line(&sites, 1, 1).blocks, UINT32_MAX);
    sites.table[2].blocks = 6;
    CHECK_EQUAL(mmi_site_line(&sites, 1, 1).blocks, UINT32_MAX);
    CHECK_EQUAL(mmi_site_line(&sites, 1, 1).bytes, 50);
    sites.table[2].blocks = 4;
    CHECK_EQUAL(mmi_site_line(&sites, 1, 1).blocks, UINT32_MAX - 1);
    CHECK_EQUAL(mmi_site_line(&sites, 5, 3).blocks, 0);
    CHECK_EQUAL(mmi_site_line(&sites, 5, 5).blocks, 0);
    CHECK_EQUAL(mmi_site_line(&sites, 5, 6).blocks, 0);
    mmi_site_open(&sites);
    site_note("a.c", 1, 40, 100);
    for (size_t i = 0; i < MMI_SITE_SLOTS; i++)
        sites.table[i].blocks = UINT32_MAX - 1;
    site_note("a.c", 1, 40, 100);
    site_note("a.c", 1, 40, 100);
    mmi_site_sort(&sites);
    CHECK(sites.table[0].blocks == UINT32_MAX && sites.table[0].bytes == 120);
}

// The same text is the same place, wherever it stands; code and a file are never the same.
static void test_mutants_site_places(void) {
    static const char here[] = "x.c";
    char copy[] = "x.c";
    mmi_site site = {here, NULL, 0, 0, 3};
    CHECK(mmi_site_is(&site, here, 3) && mmi_site_is(&site, copy, 3));
    CHECK(!mmi_site_is(&site, here, 4) && !mmi_site_is(&site, "x.h", 3));
    CHECK(!mmi_site_is(&site, here, MMI_SITE_CODE));
    CHECK(mmi_site_hash(here, 3) == mmi_site_hash(copy, 3));
    CHECK(mmi_site_hash(here, 3) != mmi_site_hash(here, 4));
    CHECK(mmi_site_hash("ab", 3) != mmi_site_hash("ba", 3));
    CHECK(mmi_site_hash(here, MMI_SITE_CODE) != mmi_site_hash(copy, MMI_SITE_CODE));
    site.line = MMI_SITE_CODE;
    CHECK(mmi_site_is(&site, here, MMI_SITE_CODE) && !mmi_site_is(&site, copy, MMI_SITE_CODE));
    CHECK(mmi_site_file(&site) == NULL && mmi_site_caller(&site) == here);
}

// Sites spread over the table, so that few meet another's slot first.
static void test_mutants_site_hash_spreads(void) {
    static unsigned char used[2][MMI_SITE_SLOTS];
    size_t slots[2] = {0, 0};
    memset(used, 0, sizeof used);
    for (int line = 1; line <= MMI_SITE_SLOTS; line++) {
        uint32_t of_file = mmi_site_hash("some.c", line) % MMI_SITE_SLOTS;
        uintptr_t code = 0x401136 + (uintptr_t)line * 48;
        uint32_t of_code = mmi_site_hash((const void *)code, MMI_SITE_CODE) % MMI_SITE_SLOTS;
        slots[0] += !used[0][of_file], used[0][of_file] = 1;
        slots[1] += !used[1][of_code], used[1][of_code] = 1;
    }
    CHECK(slots[0] > MMI_SITE_SLOTS / 2 && slots[1] > MMI_SITE_SLOTS / 2);
}

static void check_site_text(const char *file, int line, size_t most, const char *expected) {
    mmi_site site = {file, NULL, 0, 0, line};
    mmi_text text = open_text();
    mmi_site_text(&text, &site, most, MMI_TEXT_PLAIN);
    text_is(&text, expected);
}

static void test_mutants_site_text(void) {
    check_site_text("main.c", 120, 10, "main.c:120");
    check_site_text("main.c", 120, 9, "....c:120");
    check_site_text("main.c", 9, 8, "main.c:9");
    check_site_text("main.c", 10, 9, "main.c:10");
    check_site_text("main.c", 0, 6, "main.c");
    check_site_text((const char *)(uintptr_t)0x401136, MMI_SITE_CODE, 10, "0x401136");
}

// --- Leaks ---------------------------------------------------------------------------------------

enum { TOLD = 16, TOLD_MAX = 2 * TOLD + 2 };

static memmgr_report told[TOLD_MAX];
static size_t told_count;

static void tell(const memmgr_report *report, void *ctx) {
    (void)ctx;
    CHECK(report->error == MEMMGR_LEAK);
    if (CHECK(told_count < TOLD_MAX)) told[told_count++] = *report;
}

static mmi_leaks leaks;

// So many blocks that are not tracked, and so many sites of one block each.
static size_t leaks_told(size_t untracked, size_t tracked) {
    memmgr_block block = mmi_block_shown(NULL, 0, true);
    mmi_site_open_leaks(&leaks);
    for (size_t i = 1; i <= untracked + tracked; i++) {
        block.address = (const void *)(i * 4096);
        block.size = block.requested = i;
        block.file = i > untracked ? "leak.c" : NULL;
        block.line = (int)i;
        CHECK(mmi_site_note_leak(&block, &leaks));
    }
    block.live = false;
    CHECK(mmi_site_note_leak(&block, &leaks));
    told_count = 0;
    memmgr_set_error_handler(tell, NULL);
    CHECK_EQUAL(mmi_site_report_leaks(&leaks, NULL), untracked + tracked);
    memmgr_set_error_handler(NULL, NULL);
    return told_count;
}

// The first few one by one, and the others together: their bytes, and how many.
static void test_mutants_leaks_untracked(void) {
    CHECK_EQUAL(leaks_told(0, 0), 0);
    CHECK_EQUAL(leaks_told(1, 0), 1);
    CHECK(told[0].count == 1 && told[0].size == 1 && told[0].block == (const void *)4096);
    CHECK_EQUAL(leaks_told(TOLD, 0), TOLD);
    CHECK(told[TOLD - 1].size == TOLD && told[TOLD - 1].pointer == told[TOLD - 1].block);
    CHECK_EQUAL(leaks_told(TOLD + 1, 0), TOLD + 1);
    CHECK(told[TOLD].count == 1 && told[TOLD].size == TOLD + 1 && !told[TOLD].block);
    CHECK_EQUAL(leaks_told(TOLD + 3, 0), TOLD + 1);
    CHECK(told[TOLD].count == 3 && told[TOLD].size == 3 * TOLD + 6);
}

// The largest sites, and the others together.
static void test_mutants_leaks_by_site(void) {
    CHECK_EQUAL(leaks_told(0, TOLD), TOLD);
    CHECK(told[0].size == TOLD && told[0].alloc_line == TOLD && told[0].count == 1);
    CHECK(strcmp(told[0].alloc_file, "leak.c") == 0 && !told[0].alloc_caller);
    CHECK(told[TOLD - 1].size == 1 && told[TOLD - 1].block == (const void *)4096);
    CHECK_EQUAL(leaks_told(0, TOLD + 2), TOLD + 1);
    CHECK(told[TOLD].count == 2 && told[TOLD].size == 3 && !told[TOLD].block);
    CHECK(!told[TOLD].alloc_file && told[TOLD].alloc_line == 0);
    CHECK_EQUAL(leaks_told(2, 1), 3);
    CHECK(told[0].size == 3 && told[0].alloc_line == 3 && told[1].size == 1 && told[2].size == 2);
    CHECK(!told[1].alloc_file);
}

// --- Faults --------------------------------------------------------------------------------------

// Which allocations fail is the same everywhere, and in every version: a seed that was written down
// brings back what was seen.
static uint32_t fault_reference(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void check_faults(uint64_t seed, size_t one_in, size_t nth) {
    memmgr_faults asked = {nth, one_in, seed};
    mmi_faults faults;
    uint32_t state = (uint32_t)((seed + 1) * UINT64_C(0x9E3779B97F4A7C15) >> 32) | 1;
    mmi_fault_set(&faults, &asked);
    CHECK_EQUAL(mmi_fault_is_set(&faults), one_in != 0 || nth != 0);
    for (size_t i = 1; i <= 200; i++) {
        bool expected = one_in != 0 && fault_reference(&state) % one_in == 0;
        CHECK_EQUAL(mmi_fault_strikes(&faults), expected || i == nth);
    }
    CHECK_EQUAL(mmi_fault_is_set(&faults), one_in != 0 || nth > 200);
}

static void test_mutants_fault_seeds_stay(void) {
    static const uint64_t seeds[] = {0, 1, 2, 42, 0x123456789ABCDEF0, UINT64_MAX};
    for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++)
        for (size_t one_in = 0; one_in < 9; one_in++) {
            check_faults(seeds[i], one_in, 0);
            check_faults(seeds[i], one_in, 1 + i * 37);
            check_faults(seeds[i], one_in, 250);
        }
    mmi_faults faults;
    memmgr_faults asked = {0, SIZE_MAX, 0};
    mmi_fault_set(&faults, &asked);
    CHECK(faults.one_in == UINT32_MAX && faults.random != 0);
    mmi_fault_set(&faults, NULL);
    CHECK(!mmi_fault_is_set(&faults) && !mmi_fault_strikes(&faults));
}

// --- Draw ----------------------------------------------------------------------------------------

// A heap that is written down block by block, so that its pictures are the same everywhere.
enum { HEAP_MAX = 300 };

typedef struct {
    memmgr_block block[HEAP_MAX];
    size_t count;
    uintptr_t end;
    memmgr_stats stats;
} heap_story;

static heap_story heap;

static void heap_start(void) {
    memset(&heap, 0, sizeof heap);
    heap.end = 0x40001000;
    heap.stats.overhead = 3001, heap.stats.peak_used = 3002, heap.stats.requested = 3003;
    heap.stats.allocations = 3004, heap.stats.frees = 3005, heap.stats.failures = 3006;
    heap.stats.misuses = 3007;
}

static memmgr_block *heap_add(bool live, size_t size, size_t before, size_t behind) {
    memmgr_block *block = &heap.block[heap.count++];
    block->live = live;
    block->address = (const void *)(heap.end + before);
    block->size = block->requested = size;
    block->overhead = before + behind;
    block->before = before;
    heap.end += before + size + behind;
    heap.stats.capacity += before + size + behind;
    *(live ? &heap.stats.used : &heap.stats.free) += size;
    heap.stats.live_blocks += live;
    if (!live && size > heap.stats.largest_free) heap.stats.largest_free = size;
    return block;
}

// A watched block: what was asked for, and where.
static void heap_add_tracked(const char *file, int line, size_t requested, size_t size) {
    memmgr_block *block = heap_add(true, size, 64, 16);
    block->requested = requested;
    block->serial = heap.count;
    block->file = file;
    block->line = line;
}

static bool heap_walk(const void *of, memmgr_visitor visit, void *ctx) {
    const heap_story *all = (const heap_story *)of;
    for (size_t i = 0; i < all->count; i++)
        if (!visit(&all->block[i], ctx)) return false;
    return true;
}

static const char heap_name[] = "a \"<story>\" \\ & more";

// What is drawn: three pictures, and JSON.
enum { KIND_TEXT, KIND_COLOUR, KIND_SVG, KIND_JSON, KINDS };

static void heap_draw(int kind) {
    static const memmgr_picture picture[] = {MEMMGR_PICTURE_TEXT, MEMMGR_PICTURE_COLOR,
                                             MEMMGR_PICTURE_SVG};
    collect_nothing();
    if (kind == KIND_JSON)
        mmi_draw_json(heap_name, &heap.stats, &heap, heap_walk, collect, NULL);
    else
        mmi_draw(picture[kind], heap_name, &heap.stats, &heap, heap_walk, collect, NULL);
}

// Blocks of all tones, a run, a gap in the addresses; nothing is tracked.
static void heap_of_tones(void) {
    heap_start();
    for (size_t size = 16; size <= 262144; size *= 2) {
        heap_add(true, size, 0, 0);
        if (size % 3 == 1) heap_add(false, size + 16, 0, 0);
    }
    heap_add(false, 1000, 0, 0);
    heap.end += 1 << 20;
    for (size_t i = 0; i < 40; i++)
        heap_add(i % 3 != 0, 16 + 16 * i, 0, 0);
    heap.stats.fragmentation = 23;
}

// Watched blocks of several sites, and others.
static void heap_of_sites(void) {
    static const char *const files[] = {"alpha.c", "beta.c",
                                        "a/very/long/path/to/the/source/of/gamma.c"};
    heap_start();
    for (size_t i = 0; i < 60; i++) {
        heap_add_tracked(files[i % 3], (int)(1 + i % 40), 20 + 10 * i, 32 + 10 * i / 16 * 16);
        if (i % 7 == 0) heap_add(false, 48, 0, 0);
    }
    heap_add(true, 4096, 0, 0);
    heap_add_tracked("alpha.c", 7, 3, 16);
}

// Few sites, each of one block: no line for the others.
static void heap_of_few(void) {
    heap_start();
    heap_add_tracked("one.c", 12, 100, 112);
    heap_add(false, 16, 0, 0);
    heap_add_tracked("two.c", 3, 50, 64);
}

// One cell more than a row of the SVG has; of the text it is three rows.
static void heap_of_edges(void) {
    heap_start();
    heap_add(true, 16 * 64, 0, 0);
    heap_add(true, 16 * 65, 0, 0);
}

// Memory of which only the size is known, before and behind some whose address is.
static void heap_of_unknown(void) {
    heap_start();
    heap_add(true, 16 * 80, 0, 0)->address = NULL;
    heap_add(true, 16 * 60, 0, 0);
    heap_add(false, 16 * 70, 0, 0)->address = NULL;
}

// Nothing at all.
static void heap_of_nothing(void) { heap_start(); }

typedef struct {
    const char *name;
    void (*make)(void);
} heap_kind;

static const heap_kind heaps[] = {{"tones", heap_of_tones},     {"sites", heap_of_sites},
                                  {"few", heap_of_few},         {"edges", heap_of_edges},
                                  {"unknown", heap_of_unknown}, {"nothing", heap_of_nothing}};

enum { HEAPS = sizeof heaps / sizeof heaps[0] };

#ifndef NO_PICTURES
#include "pictures.h"
#endif

// Writes pictures.h anew: what has changed on purpose is then to be looked at.
static int write_pictures(void) {
    static const char *const kinds[] = {"text", "colour", "svg", "json"};
    printf("// pictures.h: the pictures of the heaps of test_mutants.c, which writes this file:\n"
           "// cc -DNO_PICTURES -DUSE_MEMORY_MGR tests/test_mutants.c -pthread\n"
           "// ./a.out --pictures >tests/pictures.h\n"
           "// clang-format off\n");
    for (size_t i = 0; i < HEAPS; i++)
        for (int kind = 0; kind < KINDS; kind++) {
            heaps[i].make();
            heap_draw(kind);
            printf("static const char *const picture_%s_%s[] = {\n\"", heaps[i].name, kinds[kind]);
            for (const char *c = written; *c; c++) {
                if (*c == '\n')
                    printf(c[1] ? "\",\n\"" : "\",\n");
                else
                    printf(*c == 033 ? "\\033" : *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
            }
            printf("NULL};\n");
        }
    printf("static const char *const *const pictures[HEAPS][KINDS] = {\n");
    for (size_t i = 0; i < HEAPS; i++) {
        printf("    {");
        for (int kind = 0; kind < KINDS; kind++)
            printf("picture_%s_%s%s", heaps[i].name, kinds[kind], kind < KINDS - 1 ? ", " : "},\n");
    }
    printf("};\n");
    return 0;
}

#ifndef NO_PICTURES
static void check_pictures(int kind) {
    if (MMI_DRAW_ADDRESS_DIGITS != 12) return; // addresses of 32 bits take less room
    for (size_t i = 0; i < HEAPS; i++) {
        heaps[i].make();
        heap_draw(kind);
        if (!written_is(pictures[i][kind])) printf("        in the heap of %s\n", heaps[i].name);
    }
}

// Classes and tones take their upper bounds in, and end with one for all that is larger.
static void test_mutants_draw_classes(void) {
    for (unsigned i = 0; i < MMI_DRAW_CLASSES - 1; i++) {
        CHECK_EQUAL(mmi_draw_class((size_t)16 << i), i);
        CHECK_EQUAL(mmi_draw_class(((size_t)16 << i) + 1), i + 1);
    }
    CHECK_EQUAL(mmi_draw_class(SIZE_MAX), MMI_DRAW_CLASSES - 1);
    for (unsigned i = 0; i < MMI_DRAW_TONES - 1; i++) {
        CHECK_EQUAL(mmi_draw_tone((size_t)64 << 2 * i), i);
        CHECK_EQUAL(mmi_draw_tone(((size_t)64 << 2 * i) + 1), i + 1);
    }
    CHECK_EQUAL(mmi_draw_tone(SIZE_MAX), MMI_DRAW_TONES - 1);
}

static void test_mutants_draw_text_to_the_byte(void) { check_pictures(KIND_TEXT); }
static void test_mutants_draw_colour_to_the_byte(void) { check_pictures(KIND_COLOUR); }
static void test_mutants_draw_svg_to_the_byte(void) { check_pictures(KIND_SVG); }
static void test_mutants_draw_json_to_the_byte(void) { check_pictures(KIND_JSON); }
#endif

// --- Calls, with the switch on and off -----------------------------------------------------------

static bool reported_without_size(memmgr_error error) {
    bool without = reports.last.size == 0 && reports.last.block == NULL;
    return CHECK(without) && reports_were(error);
}

static void test_mutants_calls_tell_bad_arguments(void) {
    reports_start();
    CHECK(!memmgr_walk(NULL, NULL));
    CHECK(reported_without_size(MEMMGR_BAD_ARGUMENT));
    memmgr_json(NULL, NULL);
    CHECK(reported_without_size(MEMMGR_BAD_ARGUMENT));
    CHECK_EQUAL(memmgr_pool_destroy(NULL), 0);
    CHECK_SILENT();
    if (!SWITCH_ON) return;
    memmgr_pool *pool = memmgr_pool_create(10000, NULL);
    void *block = memmgr_pool_alloc(pool, 100);
    memmgr_pool_free(pool, block);
    CHECK(memmgr_pool_realloc(pool, block, 200) == NULL);
    CHECK(reports.last.size == 0 && reports_were(MEMMGR_DOUBLE_FREE));
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
}

// A limit is one of growing pools.
static void test_mutants_calls_limit_what_grows(void) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, 0);
    reports_start();
    desc.limit = 4096;
    memmgr_pool *pool = memmgr_pool_create(100000, &desc);
    REQUIRE(pool != NULL && memmgr_pool_alloc(pool, 50000) != NULL);
    memmgr_pool_reset(pool);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    desc.flags = MEMMGR_POOL_GROW;
    CHECK(memmgr_pool_create(100000, &desc) == NULL);
}

// The numbers of the general calls fit each other.
static void test_mutants_calls_tell_numbers_that_fit(void) {
    void *block[100];
    memmgr_stats stats;
    for (size_t i = 0; i < 100; i++)
        block[i] = kept(memmgr_malloc(1000 + i));
    for (size_t i = 0; i < 100; i += 2)
        memmgr_free(block[i]);
    memmgr_stats_get(&stats);
    size_t whole = mmi_text_share(stats.largest_free, stats.free, 100);
    CHECK_EQUAL(stats.fragmentation, stats.free ? 100 - whole : 0);
    CHECK_EQUAL(stats.used + stats.free + stats.overhead, stats.capacity);
    CHECK(stats.requested == stats.used && stats.peak_used >= stats.used);
    for (size_t i = 1; i < 100; i += 2)
        memmgr_free(block[i]);
}

#ifndef USE_MEMORY_MGR
// The audit of a list of blocks.
static void test_mutants_calls_audit_lists(void) {
    memmgr_pool *pool = memmgr_pool_create(100000, NULL);
    void *block[5];
    memmgr_stats stats;
    reports_start();
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < 5; i++)
        block[i] = memmgr_pool_alloc(pool, 100 * i);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    for (size_t i = 0; i < 5; i++) {
        mmi_libc_block *own = mmi_libc_block_of(block[i]), *was = own->previous;
        own->previous = own;
        CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_CORRUPT);
        own->previous = was;
        own->size += 8;
        CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_CORRUPT);
        own->size -= 8;
    }
    pool->live_blocks++;
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_CORRUPT);
    pool->live_blocks--;
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    reports_start();
    memmgr_pool_stats(pool, &stats);
    size_t misuses = stats.misuses;
    CHECK(memmgr_pool_aligned_alloc(pool, 3, 10) == NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_pool_stats(pool, &stats);
    CHECK_EQUAL(stats.misuses, misuses + 1);
    memmgr_pool_reset(pool);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
}
#endif

#ifdef USE_MEMORY_MGR

// What memmgr.h calls so, by its drawings.
#define NONE UINT32_MAX
enum { NODE = 64 };
#define HEADER ((sizeof(mmi_segment) + 15) / 16 * 16)
#define GRANULES_MOST (SIZE_MAX / 16 < 0xFFFFF000u ? SIZE_MAX / 16 : 0xFFFFF000u)

// --- System --------------------------------------------------------------------------------------

#if HAVE_OS_TESTS
#include <errno.h>

static uint64_t nanoseconds_now(clockid_t clock) {
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Both clocks are the system's: in milliseconds, modulo 2^32, and in nanoseconds.
static void test_mutants_os_clocks(void) {
    uint64_t before = nanoseconds_now(CLOCK_MONOTONIC), now = mmi_os_nanoseconds();
    uint64_t after = nanoseconds_now(CLOCK_MONOTONIC);
    CHECK(before <= now && now <= after);
    before = nanoseconds_now(CLOCK_MONOTONIC_COARSE);
    uint32_t clock = mmi_os_clock();
    after = nanoseconds_now(CLOCK_MONOTONIC_COARSE);
    CHECK(clock - (uint32_t)(before / 1000000) <= (uint32_t)(after / 1000000 - before / 1000000));
}

// What was touched is counted, given back, and zero again; errno stays.
static void test_mutants_os_purges(void) {
    size_t page = mmi_os_page(), pages = 2500, size = pages * page;
    unsigned char *memory = (unsigned char *)mmi_os_map(size);
    REQUIRE(memory != NULL && (uintptr_t)memory % page == 0);
    errno = 77;
    for (size_t i = 0; i < pages; i += 5)
        memory[i * page + 100] = 1;
    size_t held = mmi_os_purge(memory, size); // more where the system holds more at once
    CHECK(held >= pages / 5 * page && held <= size && held % page == 0);
    for (size_t i = 0; i < size; i += page / 4)
        CHECK_EQUAL(memory[i], 0);
    CHECK_EQUAL(errno, 77);
    mmi_os_unmap(memory, size);
}
#endif

// --- Record --------------------------------------------------------------------------------------

// A record as in a raw block: what lies before and behind it is there as well.
static unsigned char raw_memory[1 << 15];
static const mmi_caller record_here = {"here.c", 77};

static mmi_record *record_make(unsigned shift, size_t requested) {
    uintptr_t at = ((uintptr_t)raw_memory + 8191) / 8192 * 8192;
    mmi_record *record = (mmi_record *)at;
    memset(raw_memory, 0x11, sizeof raw_memory);
    mmi_record_write(record, shift, requested, 4711, record_here);
    return record;
}

// A record that is changed in any bit, or lies elsewhere, is not believed.
static void test_mutants_record_is_not_faked(void) {
    mmi_record *record = record_make(4, 100);
    unsigned char *bytes = (unsigned char *)record;
    CHECK(mmi_record_is_valid(record));
    for (size_t i = 0; i < sizeof *record * 8; i++) {
        bytes[i / 8] ^= (unsigned char)(1u << i % 8);
        CHECK(!mmi_record_is_valid(record));
        bytes[i / 8] ^= (unsigned char)(1u << i % 8);
    }
    CHECK(mmi_record_is_valid(record));
    record->state = MMI_RECORD_QUARANTINED;
    CHECK(mmi_record_is_valid(record));
    record->state = MMI_RECORD_FREED;
    CHECK(mmi_record_is_valid(record));
    mmi_record copy = *record;
    CHECK(!mmi_record_is_valid(&copy));
    record->shift = (uint8_t)(8 * sizeof(size_t)); // no address is so aligned
    record->check = mmi_record_sum(record, (uintptr_t)record);
    CHECK(!mmi_record_is_valid(record));
}

// The block lies behind the record and 16 bytes of guard at least, at a multiple of its alignment.
static void test_mutants_record_leaves_room(void) {
    size_t front = (sizeof(mmi_record) + 15) / 16 * 16 + 16;
    for (unsigned shift = 0; shift < 20; shift++) {
        size_t unit = (size_t)1 << shift;
        size_t expected = shift <= 4 ? front : (front + unit - 1) / unit * unit;
        CHECK_EQUAL(mmi_record_front(shift), expected);
        CHECK_EQUAL(mmi_record_raw_size(shift, 10), expected + 10 + 16);
        CHECK_EQUAL(mmi_record_raw_size(shift, SIZE_MAX - expected - 16), SIZE_MAX);
        CHECK_EQUAL(mmi_record_raw_size(shift, SIZE_MAX - expected - 17), SIZE_MAX - 1);
        CHECK_EQUAL(mmi_record_raw_size(shift, SIZE_MAX - expected - 15), SIZE_MAX);
        CHECK_EQUAL(mmi_record_raw_size(shift, SIZE_MAX), SIZE_MAX);
    }
}

static void test_mutants_record_is_found_from_its_block(void) {
    const mmi_record *record = record_make(4, 1);
    size_t front = mmi_record_front(4);
    for (size_t distance = 16; distance <= 8192; distance += 16) {
        unsigned shift = 0, expected = 0;
        for (unsigned i = 16; i >= 4; i--)
            if (mmi_record_front(i) == distance) expected = i;
        bool may = mmi_record_may_have(record, pointer_plus(record, (intptr_t)distance), &shift);
        CHECK_EQUAL(may, expected != 0);
        if (may && distance > front) CHECK(mmi_record_front(shift) == distance && shift > 4);
        if (may && distance == front) CHECK_EQUAL(shift, 4);
    }
}

static void test_mutants_record_differs_at_every_byte(void) {
    char bytes[40];
    for (size_t size = 0; size <= sizeof bytes; size++)
        for (size_t at = 0; at <= size; at++) {
            memset(bytes, 0x5C, sizeof bytes);
            if (at < size) bytes[at] = 0x5D;
            CHECK_EQUAL(mmi_record_differs(bytes, size, 0x5C), at);
        }
}

// Both guards, of a block of any alignment: whatever byte is written to, but with what stood there.
static void test_mutants_record_guards_every_byte(void) {
    for (unsigned shift = 4; shift <= 13; shift++)
        for (size_t size = 0; size < 50; size += 7) {
            mmi_record *record = record_make(shift, size);
            unsigned char *block = (unsigned char *)mmi_record_block(record);
            ptrdiff_t offset = 1000000;
            size_t before =
                (size_t)(block - (unsigned char *)record) - (sizeof(mmi_record) + 15) / 16 * 16;
            if (before > 4096) before = 4096;
            CHECK_EQUAL((uintptr_t)block - (uintptr_t)record, mmi_record_front(shift));
            CHECK(mmi_record_guards_hold(record, &offset) && offset == 1000000);
            CHECK_EQUAL(mmi_record_is_guarded(record), shift == 4);
            CHECK(block[-(ptrdiff_t)before - 1] != 0xFD && block[size + 16] == 0x11);
            for (ptrdiff_t i = -(ptrdiff_t)before; i < (ptrdiff_t)size + 16; i++) {
                if (before > 64 && i > 40 - (ptrdiff_t)before && i < -40) continue;
                unsigned char was = block[i];
                block[i] = (unsigned char)(i % 2 ? 0 : was + 1);
                bool inside = i >= 0 && i < (ptrdiff_t)size;
                CHECK_EQUAL(mmi_record_guards_hold(record, &offset), inside);
                CHECK(inside || offset == i);
                if (!inside) CHECK(!mmi_record_is_guarded(record));
                block[i] = was;
            }
        }
}

// In quarantine no byte may change; in the block first.
static void test_mutants_record_in_quarantine(void) {
    mmi_record *record = record_make(4, 21);
    unsigned char *block = (unsigned char *)mmi_record_block(record);
    ptrdiff_t offset = 0;
    memset(block, 0xDD, 21);
    CHECK(mmi_record_is_untouched(record, &offset));
    for (ptrdiff_t i = -16; i < 21 + 16; i++) {
        unsigned char was = block[i];
        block[i] = 0;
        CHECK(!mmi_record_is_untouched(record, &offset) && offset == i);
        block[i] = was;
    }
}

// A record that was overwritten: its size is a guess, and what may be the program's stays.
static void test_mutants_record_is_rewritten(void) {
    mmi_record *record = record_make(4, 21);
    unsigned char *block = (unsigned char *)mmi_record_block(record);
    size_t around = mmi_record_front(4) + 16;
    ptrdiff_t offset = 0;
    memset(record, 0x33, sizeof *record);
    memset(block + 21, 0x44, 79);
    mmi_record_rewrite(record, around + 100, 4);
    CHECK(mmi_record_is_valid(record) && record->state == MMI_RECORD_LIVE && record->lost == 1);
    CHECK(record->requested == 100 && record->serial == 0 && !record->file && record->shift == 4);
    CHECK(bytes_are(block - 16, 16, 0xFD) && bytes_are(block + 21, 79, 0x44));
    CHECK(mmi_record_guards_hold(record, &offset) && !mmi_record_is_guarded(record));
    record->state = MMI_RECORD_QUARANTINED;
    mmi_record_rewrite(record, around, 4);
    CHECK(record->state == MMI_RECORD_QUARANTINED && record->requested == 0);
    mmi_record_rewrite(record, around - 16, 4);
    CHECK(record->requested == 0 && mmi_record_is_valid(record));
}

static void test_mutants_record_tells(void) {
    mmi_record *record = record_make(6, 21);
    memmgr_report report;
    memset(&report, 0, sizeof report);
    record->freed_file = "there.c";
    record->freed_line = 88;
    mmi_record_describe(record, &report);
    CHECK(report.size == 21 && report.serial == 4711 && report.alloc_line == 77);
    CHECK(strcmp(report.alloc_file, "here.c") == 0 && !report.alloc_caller && !report.free_file);
    record->state = MMI_RECORD_FREED;
    mmi_record_describe(record, &report);
    CHECK(strcmp(report.free_file, "there.c") == 0 && report.free_line == 88);
    memmgr_block shown = mmi_record_shown(record, 300);
    CHECK(!shown.live && shown.size == 21 && shown.requested == 21 && shown.overhead == 279);
    CHECK(shown.before == mmi_record_front(6) && shown.address == mmi_record_block(record));
    CHECK(shown.serial == 4711 && shown.line == 77 && !shown.caller);
    record->state = MMI_RECORD_LIVE;
    CHECK(mmi_record_shown(record, 300).live);
}

// --- Map -----------------------------------------------------------------------------------------

// A map beside a model of it: for every granule which block it belongs to.
enum { MAP_ENTRIES = 24, MAP_GRANULES = MAP_ENTRIES * 64 - 20, MAP_BLOCKS = 200 };

static mmi_entry map[MAP_ENTRIES + 1], expected_map[MAP_ENTRIES + 1];
static unsigned map_owner[MAP_GRANULES + 1]; // 0: free
static struct {
    uint32_t at, length; // 0: none
    bool kept;
} map_block[MAP_BLOCKS];

// The map as the drawings in memmgr.h have it.
static void map_draw_span(uint32_t first, uint32_t behind, bool live) {
    uint64_t word = (uint64_t)(behind - first) << 3 | (live ? 5u : 2u);
    if (behind < first + 2) return;
    for (uint32_t i = first; i < behind; i++)
        expected_map[i].start = expected_map[i].used = 0;
    expected_map[first].used = word;
    if (!live) expected_map[behind - 1].used = word;
}

static void map_draw(void) {
    memset(expected_map, 0, sizeof expected_map);
    for (uint32_t i = 0; i < MAP_GRANULES; i++) {
        uint64_t bit = (uint64_t)1 << (i % 64);
        unsigned owner = map_owner[i];
        if (!owner) continue;
        bool first = map_block[owner].at == i;
        if (first) expected_map[i / 64].start |= bit;
        if (!first || !map_block[owner].kept) expected_map[i / 64].used |= bit;
    }
    for (uint32_t i = MAP_GRANULES; i < MAP_ENTRIES * 64; i++)
        expected_map[i / 64].used |= (uint64_t)1 << (i % 64);
    expected_map[MAP_GRANULES / 64].start |= (uint64_t)1 << (MAP_GRANULES % 64);
    expected_map[MAP_ENTRIES].start = 1;
    expected_map[MAP_ENTRIES].used = UINT64_MAX;
    for (uint32_t at = 0, end; at < MAP_GRANULES; at = end) {
        for (end = at + 1; end < MAP_GRANULES && map_owner[end] == map_owner[at];)
            end++;
        bool live = map_owner[at] != 0;
        map_draw_span(live ? at / 64 + 1 : (at + 63) / 64, live ? (end - 1) / 64 : end / 64, live);
    }
}

static uint32_t map_left(uint32_t granule) {
    while (granule > 0 && !map_owner[granule - 1])
        granule--;
    return granule;
}

static uint32_t map_right(uint32_t granule) {
    while (granule < MAP_GRANULES && !map_owner[granule])
        granule++;
    return granule;
}

static void map_put(unsigned id, uint32_t at, uint32_t length) {
    uint32_t left = map_left(at), right = map_right(at);
    mmi_map_mark_span(map, left, right, false);
    mmi_map_set(map, at, length);
    mmi_map_mark_span(map, left, at, true);
    mmi_map_mark_span(map, at + length, right, true);
    map_block[id].at = at;
    map_block[id].length = length;
    map_block[id].kept = test_chance(30);
    if (map_block[id].kept) map[at / 64].used &= ~((uint64_t)1 << (at % 64));
    for (uint32_t i = at; i < at + length; i++)
        map_owner[i] = id;
}

static void map_remove(unsigned id) {
    uint32_t at = map_block[id].at, end = at + map_block[id].length;
    for (uint32_t i = at; i < end; i++)
        map_owner[i] = 0;
    uint32_t left = map_left(at), right = map_right(at);
    mmi_map_clear(map, at, end - at);
    CHECK_EQUAL(mmi_map_run_start(map, at), left);
    CHECK_EQUAL(mmi_map_run_end(map, end), right);
    mmi_map_mark_span(map, left, at, false);
    mmi_map_mark_span(map, end, right, false);
    mmi_map_mark_span(map, left, right, true);
    map_block[id].length = 0;
}

// A place where a block of some length is free, often at the edge of an entry or of a run.
static bool map_place(uint32_t *at, uint32_t *length) {
    uint32_t wanted = (uint32_t)test_log_uniform(1, 700);
    for (int attempt = 0; attempt < 20; attempt++) {
        uint32_t place = (uint32_t)test_below(MAP_GRANULES);
        if (map_owner[place]) continue;
        uint32_t left = map_left(place), room = map_right(place) - left;
        uint32_t skip = test_chance(40) ? 0 : (uint32_t)test_below(room);
        if (test_chance(30))
            skip = ((left + skip) / 64 * 64 > left) ? (left + skip) / 64 * 64 - left : 0;
        *at = left + skip;
        *length = wanted < room - skip ? wanted : room - skip;
        if (test_chance(30) && (*at + *length) / 64 * 64 > *at)
            *length = (*at + *length) / 64 * 64 - *at;
        return true;
    }
    return false;
}

static void map_start(void) {
    memset(map, 0, sizeof map);
    memset(map_owner, 0, sizeof map_owner);
    memset(map_block, 0, sizeof map_block);
    map_draw(); // only what lies behind the granules matters here
    map[MAP_ENTRIES - 1] = expected_map[MAP_ENTRIES - 1];
    map[MAP_ENTRIES] = expected_map[MAP_ENTRIES];
    mmi_map_mark_span(map, 0, MAP_GRANULES, true);
}

static void map_check_blocks(void) {
    for (unsigned id = 1; id < MAP_BLOCKS; id++) {
        uint32_t at = map_block[id].at, length = map_block[id].length;
        if (length == 0) continue;
        CHECK_EQUAL(mmi_map_is_live(map, at), !map_block[id].kept);
        CHECK_EQUAL(mmi_map_is_kept(map, at), map_block[id].kept);
        CHECK_EQUAL(mmi_map_length(map, at), length);
        CHECK_EQUAL(mmi_map_length_beyond(map, at) == length, (at + length) / 64 > at / 64);
        bool is_short = (at + length) / 64 <= at / 64 + 1;
        CHECK_EQUAL(mmi_map_length_short(map, at), is_short ? length : 0);
    }
}

static void map_check_granules(void) {
    for (uint32_t i = 0; i < MAP_GRANULES; i++) {
        unsigned id = map_owner[i];
        CHECK_EQUAL(mmi_map_block_at(map, i), id ? map_block[id].at : NONE);
        if (!id || map_block[id].at != i)
            CHECK(!mmi_map_is_live(map, i) && !mmi_map_is_kept(map, i));
        bool begins = i == 0 || map_owner[i - 1] != id; // where one may ask for a run
        if (!begins) continue;
        CHECK_EQUAL(mmi_map_run_end(map, i), map_right(i));
        CHECK_EQUAL(mmi_map_run_start(map, i), map_left(i));
    }
    CHECK_EQUAL(mmi_map_run_start(map, MAP_GRANULES), map_left(MAP_GRANULES));
}

static void map_check_runs(void) {
    for (uint32_t entry = 0; entry < MAP_ENTRIES; entry++) {
        uint32_t longest = 0, at = entry * 64;
        uint64_t left = mmi_map_live_span(map + entry) ? 0 : mmi_map_runs(map, entry);
        for (; at < entry * 64 + 64 && at < MAP_GRANULES; at++) {
            if (map_owner[at] || (at > 0 && !map_owner[at - 1])) continue;
            mmi_run run = mmi_map_next_run(map, entry, &left);
            CHECK_EQUAL(run.at, at);
            CHECK_EQUAL(run.length, map_right(at) - at);
            if (run.length > longest) longest = run.length;
        }
        CHECK_EQUAL(mmi_map_next_run(map, entry, &left).length, 0);
        CHECK_EQUAL(mmi_map_longest(map, entry), longest);
    }
}

static void test_mutants_map_is_as_drawn(void) {
    size_t rounds = 20 + test_count(400);
    map_start();
    for (size_t round = 0; round < rounds && test_failures == 0; round++) {
        unsigned id = 1 + (unsigned)test_below(round % 200 < 100 ? MAP_BLOCKS - 1 : 12);
        uint32_t at, length;
        if (map_block[id].length != 0) map_remove(id);
        if (test_chance(70) && map_place(&at, &length)) map_put(id, at, length);
        map_draw();
        CHECK(memcmp(map, expected_map, sizeof map) == 0);
        map_check_blocks();
        map_check_granules();
        map_check_runs();
    }
}

// --- Index ---------------------------------------------------------------------------------------

// Codes grow with lengths, one length at the most for a code below 64, and are exact at powers of
// two and where they change.
static void test_mutants_index_codes(void) {
    unsigned code = 0;
    for (uint32_t length = 1; length < 300000; length++) {
        unsigned next = mmi_index_code(length);
        CHECK(next == code || next == code + 1);
        CHECK(next != code || next >= 64);
        if (next != code) {
            CHECK_EQUAL(mmi_index_shortest(next), length);
            CHECK_EQUAL(mmi_index_code_for(length), next);
        } else {
            CHECK_EQUAL(mmi_index_code_for(length), next + 1);
        }
        code = next;
    }
    for (unsigned power = 6; power < 26; power++) {
        unsigned steps = power < 10 ? 32 : 4;
        unsigned first = mmi_index_code((uint32_t)1 << power);
        if (first + steps > 255) break;
        CHECK_EQUAL(mmi_index_code((uint32_t)1 << (power + 1)), first + steps);
        CHECK_EQUAL(mmi_index_shortest(first), (uint32_t)1 << power);
    }
    CHECK_EQUAL(mmi_index_code(63), 63);
    CHECK_EQUAL(mmi_index_code(64), 64);
    CHECK_EQUAL(mmi_index_code(1024), 192);
    CHECK_EQUAL(mmi_index_code(UINT32_MAX / 16), 255);
    CHECK_EQUAL(mmi_index_code_for(mmi_index_shortest(255)), 255);
    CHECK_EQUAL(mmi_index_code_for(mmi_index_shortest(255) + 1), 256);
}

static void test_mutants_index_node(void) {
    uint8_t node[NODE];
    for (size_t round = 0; round < 100 + test_count(2000); round++) {
        unsigned largest = 0, most = test_chance(50) ? 4 : 255;
        for (unsigned i = 0; i < NODE; i++) {
            node[i] = test_chance(70) ? 0 : (uint8_t)test_below(most + 1);
            if (node[i] > largest) largest = node[i];
        }
        CHECK_EQUAL(mmi_index_largest(node), largest);
        unsigned code = 1 + (unsigned)test_below(most), from = (unsigned)test_below(NODE);
        unsigned first = NODE, least = NODE;
        for (unsigned i = NODE; i-- > 0;) {
            if (node[i] < code) continue;
            if (i >= from) first = i;
            if (least == NODE || node[i] <= node[least]) least = i;
        }
        CHECK_EQUAL(mmi_index_first(node, from, code), first);
        CHECK_EQUAL(mmi_index_least(node, code), least);
    }
}

// An index of so many entries, beside the codes that it was given.
enum { INDEX_MOST = 70000 };

static uint8_t index_codes[INDEX_MOST];

static unsigned index_level_byte(const mmi_segment *segment, unsigned level, uint32_t place) {
    return mmi_index_level(segment, level)[place];
}

// Every byte of a level is the largest of the 64 below it.
static void index_check_levels(const mmi_segment *segment, uint32_t count) {
    uint32_t below = count;
    for (unsigned level = 1; level < segment->level_count; level++) {
        uint32_t bytes = (below + 63) / 64;
        for (uint32_t i = 0; i < bytes; i++) {
            unsigned largest = 0;
            for (uint32_t j = i * 64; j < i * 64 + 64 && j < below; j++)
                if (index_level_byte(segment, level - 1, j) > largest)
                    largest = index_level_byte(segment, level - 1, j);
            CHECK_EQUAL(index_level_byte(segment, level, i), largest);
        }
        below = bytes;
    }
}

static void index_check_search(const mmi_segment *segment, uint32_t count, unsigned code) {
    uint32_t from = (uint32_t)test_below(count), next = from, found;
    unsigned top = 0;
    while (next < count && index_codes[next] < code)
        next++;
    CHECK_EQUAL(mmi_index_next(segment, from, code), next < count ? next : NONE);
    for (uint32_t i = 0; i < count; i++)
        if (index_codes[i] > top) top = index_codes[i];
    CHECK_EQUAL(mmi_index_top(segment), top);
    found = mmi_index_find(segment, code);
    CHECK_EQUAL(found == NONE, top < code);
    if (found == NONE) return;
    REQUIRE(found < count && index_codes[found] >= code);
    // Down from the root, the place whose byte is the smallest that will do.
    unsigned level = segment->level_count;
    for (uint32_t place, first = 0, width = segment->root_nodes * 64u; level-- > 0;
         first = place * 64, width = 64) {
        place = found >> (6 * level);
        unsigned byte = index_level_byte(segment, level, place);
        for (uint32_t i = first; i < first + width; i++) {
            unsigned other = index_level_byte(segment, level, i);
            CHECK(other < code || other > byte || (other == byte && i >= place));
        }
    }
}

static void index_check(uint32_t count) {
    mmi_segment laid, *segment;
    memset(&laid, 0, sizeof laid);
    size_t front = mmi_segment_lay_out(&laid, (size_t)count * 64, 0);
    segment = (mmi_segment *)calloc(1, front);
    REQUIRE(segment != NULL);
    *segment = laid;
    memset(index_codes, 0, count);
    CHECK(mmi_index_find(segment, 1) == NONE && mmi_index_next(segment, 0, 1) == NONE);
    for (size_t round = 0; round < 50 && test_failures == 0; round++) {
        for (size_t i = 0; i < 10; i++) {
            uint32_t entry = (uint32_t)test_below(count);
            unsigned code = test_chance(40) ? 0 : (unsigned)test_below(256);
            if (test_chance(20)) entry = count - 1;
            index_codes[entry] = (uint8_t)code;
            mmi_index_set_code(segment, entry, code);
        }
        index_check_search(segment, count, 1 + (unsigned)test_below(255));
    }
    CHECK(memcmp(mmi_index_level(segment, 0), index_codes, count) == 0);
    index_check_levels(segment, count);
    free(segment);
}

static void test_mutants_index_finds(void) {
    static const uint32_t counts[] = {1,   2,   63,   64,    65,    255,       256,
                                      257, 300, 4096, 16384, 16385, INDEX_MOST};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        index_check(counts[i]);
}

// --- Segment -------------------------------------------------------------------------------------

// The drawing of a segment: header, classes, slots, index, map, granules, each behind the other,
// with no more left over than the manual says.
static void segment_check(size_t size, bool classes) {
    mmi_segment s;
    memset(&s, 0, sizeof s);
    size_t granules = mmi_segment_fit(&s, size, classes);
    if (granules == 0) {
        CHECK(size < HEADER + 64 + 32 + 16);
        return;
    }
    size_t entries = (granules + 63) / 64, slots = 0, nodes = entries, index_bytes = 0;
    unsigned levels = 0;
    CHECK_EQUAL(s.granule_count, granules);
    CHECK_EQUAL(s.entry_count, entries);
    CHECK_EQUAL(s.slots_offset, HEADER + (s.class_limit ? 8 * (s.class_limit + 1) : 0));
    for (uint32_t length = 1; length <= s.class_limit; length++) {
        uint32_t depth = 4 * s.class_limit / length;
        slots += depth < 4 ? 4 : depth > 128 ? 128 : depth;
    }
    CHECK_EQUAL(s.index_offset, (s.slots_offset + 4 * slots + 15) / 16 * 16);
    do {
        nodes = (nodes + 63) / 64;
        CHECK_EQUAL(s.level_offset[levels], index_bytes);
        levels++, index_bytes += nodes * 64;
    } while (nodes > 4);
    CHECK(s.level_count == levels && s.root_nodes == nodes);
    CHECK_EQUAL(s.map_offset, s.index_offset + index_bytes);
    CHECK_EQUAL(s.granules_offset, s.map_offset + 16 * (entries + 1));
    size_t end = s.granules_offset + 16 * granules;
    CHECK(end <= size);
    if (!classes) CHECK(size - end < 16 + 16 + 64 * 3 || granules == GRANULES_MOST);
    if (!classes && granules < GRANULES_MOST) {
        mmi_segment more;
        memset(&more, 0, sizeof more);
        CHECK(mmi_segment_lay_out(&more, granules + 1, 0) + 16 * (granules + 1) > size);
    }
}

static void test_mutants_segment_is_as_drawn(void) {
    for (size_t size = 0; size < 20000; size += 16)
        segment_check(size, true);
    for (size_t i = 0; i < 300; i++) {
        size_t size = test_log_uniform(16384, (size_t)1 << 30);
        segment_check(size, true);
        segment_check(size, false);
        segment_check(size / 16384 * 16384, true);
        segment_check(size / 65536 * 65536 + 64, false);
    }
    CHECK_EQUAL(mmi_segment_class_limit(((size_t)1 << 20) - 16384), 0);
    CHECK_EQUAL(mmi_segment_class_limit(((size_t)1 << 20) - 16383), 64);
    CHECK_EQUAL(mmi_segment_class_limit((size_t)1 << 20), 64);
    CHECK_EQUAL(mmi_segment_class_limit(((size_t)1 << 20) + 1), 65);
    CHECK_EQUAL(mmi_segment_class_limit((size_t)255 << 14), 255);
    CHECK_EQUAL(mmi_segment_class_limit((size_t)256 << 14), 256);
    CHECK_EQUAL(mmi_segment_class_limit((size_t)999 << 14), 256);
}

// More bytes never give fewer granules.
static void test_mutants_segment_grows_with_its_bytes(void) {
    mmi_segment s;
    size_t before = 0;
    for (size_t size = ((size_t)1 << 20) - 32768; size < ((size_t)1 << 20) + 65536; size += 16) {
        memset(&s, 0, sizeof s);
        size_t granules = mmi_segment_fit(&s, size, true);
        CHECK(granules >= before && granules <= before + (before == 0 ? SIZE_MAX / 2 : 2));
        before = granules;
    }
}

// Off the granules, or outside, no address is a granule's.
static void test_mutants_segment_knows_its_granules(void) {
    static unsigned char memory[8192];
    uintptr_t base = ((uintptr_t)memory + 15) / 16 * 16;
    mmi_segment *segment = mmi_segment_make((void *)base, 8000, false, false);
    REQUIRE(segment != NULL);
    const char *granules = mmi_segment_granules(segment);
    CHECK_EQUAL((uintptr_t)granules, base + segment->granules_offset);
    for (intptr_t offset = -100; offset < 8000; offset++) {
        size_t granule = mmi_segment_granule(segment, pointer_plus(granules, offset));
        bool starts = offset >= 0 && offset % 16 == 0;
        if (starts) CHECK_EQUAL(granule, offset / 16);
        if (!starts) CHECK(granule > segment->granule_count);
    }
    CHECK(mmi_segment_address(segment, 3) == granules + 48);
}

// --- Search --------------------------------------------------------------------------------------

// A segment with blocks here and there: its runs, as found granule by granule.
enum { SEARCH_BYTES = 40000 };

static uint64_t search_memory[SEARCH_BYTES / 8 + 2];
static mmi_run search_runs[3000];
static size_t search_run_count;

static mmi_segment *search_make(unsigned crowded) {
    uintptr_t at = ((uintptr_t)search_memory + 15) / 16 * 16;
    mmi_segment *segment = mmi_segment_make((void *)at, SEARCH_BYTES, false, false);
    uint32_t granule = 0, free_from = 0, count = segment->granule_count;
    search_run_count = 0;
    while (granule < count) {
        uint32_t length = 1 + (uint32_t)test_below(test_chance(crowded) ? 6 : 150);
        if (length > count - granule) length = count - granule;
        mmi_run rest = {free_from, count - free_from};
        mmi_segment_take(segment, rest, granule, length);
        free_from = granule += length;
        mmi_run run = {granule, 1 + (uint32_t)test_below(test_chance(crowded) ? 9 : 200)};
        if (granule >= count) break;
        if (run.length > count - granule) run.length = count - granule;
        search_runs[search_run_count++] = run;
        granule += run.length;
    }
    return segment;
}

// Where the request lies in a run; NONE if it does not fit.
static uint32_t search_place(const mmi_segment *segment, mmi_run run, const mmi_request *want) {
    for (uint32_t at = run.at; at + want->length <= run.at + run.length; at++)
        if (is_aligned(mmi_segment_address(segment, at), want->alignment)) return at;
    return NONE;
}

// The run that first fit, best fit, or best fit in one entry, is to find; NONE as the count.
static size_t search_expected(const mmi_segment *segment, const mmi_request *want, bool first,
                              uint32_t entry) {
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < search_run_count; i++) {
        if (entry != NONE && search_runs[i].at / 64 != entry) continue;
        if (search_place(segment, search_runs[i], want) == NONE) continue;
        if (best == SIZE_MAX || (!first && search_runs[i].length < search_runs[best].length))
            best = i;
    }
    return best;
}

static void search_is(const mmi_segment *segment, const mmi_found *found, const mmi_request *want,
                      size_t expected) {
    if (expected == SIZE_MAX) {
        CHECK(found->segment == NULL);
        return;
    }
    REQUIRE(found->segment == segment);
    CHECK_EQUAL(found->run.at, search_runs[expected].at);
    CHECK_EQUAL(found->run.length, search_runs[expected].length);
    CHECK_EQUAL(found->at, search_place(segment, search_runs[expected], want));
}

// Good fit finds a run that fits, and always where one is as long as it promises to find.
static void search_check_good(mmi_segment *segment, const mmi_request *want) {
    mmi_found found;
    size_t longest = 0, enough = want->length;
    for (size_t i = 0; i < search_run_count; i++)
        if (search_runs[i].length > longest) longest = search_runs[i].length;
    if (want->alignment > 16) enough += want->alignment / 16 - 1;
    enough = mmi_index_shortest(mmi_index_code_for((uint32_t)enough));
    bool is_found = mmi_search_good(segment, want, &found);
    CHECK(is_found || longest < enough);
    if (!is_found) return;
    size_t i = 0;
    while (i < search_run_count && search_runs[i].at != found.run.at)
        i++;
    REQUIRE(i < search_run_count && search_runs[i].length == found.run.length);
    CHECK_EQUAL(found.at, search_place(segment, found.run, want));
    search_is(segment, &found, want, search_expected(segment, want, false, found.run.at / 64));
}

static void test_mutants_search_finds_what_is_there(void) {
    for (size_t round = 0; round < 40 + test_count(400) && test_failures == 0; round++) {
        mmi_segment *segment = search_make(round % 3 == 0 ? 100 : round % 3 == 1 ? 50 : 10);
        segment->last_merged = (uint32_t)test_below(segment->entry_count);
        for (size_t i = 0; i < 30; i++) {
            uint32_t length = (uint32_t)test_log_uniform(1, 256);
            size_t alignment = test_chance(60) ? 16 : (size_t)16 << test_below(7);
            mmi_request want = {length, alignment, (size_t)length * 16};
            memmgr_pool_desc desc = desc_of(i % 2 ? MEMMGR_FIT_FIRST : MEMMGR_FIT_BEST, 0);
            uint32_t entry = (uint32_t)test_below(segment->entry_count);
            mmi_found found;
            found.segment = NULL;
            mmi_search_all(segment, &want, &desc, &found);
            search_is(segment, &found, &want, search_expected(segment, &want, i % 2 == 1, NONE));
            if (!mmi_map_live_span(mmi_map_of(segment) + entry)) {
                bool is_found = mmi_search_entry(segment, entry, &want, &found);
                CHECK_EQUAL(is_found, found.segment != NULL);
                search_is(segment, &found, &want, search_expected(segment, &want, false, entry));
            }
            search_check_good(segment, &want);
        }
    }
}

// --- Growth --------------------------------------------------------------------------------------

// A source that writes down what it is asked for, and gives no more than `most` at once.
enum { ASKED_MAX = 256 };

static struct {
    size_t asked[ASKED_MAX], count, most;
    void *given[ASKED_MAX];
    size_t mapped;
} asks;

// Aligned to 16; how much was skipped for that stands in front.
static unsigned char *asks_allocate(size_t size) {
    unsigned char *raw = (unsigned char *)malloc(size + 32);
    if (!raw) return NULL;
    size_t skip = 32 - (uintptr_t)raw % 16;
    raw[skip - 1] = (unsigned char)skip;
    return raw + skip;
}

static void *asks_map(size_t size, void *ctx) {
    (void)ctx;
    if (asks.count == ASKED_MAX) asks.count = 0;
    void *memory = size <= asks.most ? asks_allocate(size) : NULL;
    asks.asked[asks.count] = size;
    asks.given[asks.count++] = memory;
    if (memory) asks.mapped += size;
    return memory;
}

static void asks_unmap(void *memory, size_t size, void *ctx) {
    unsigned char *at = (unsigned char *)memory;
    (void)ctx;
    asks.mapped -= size;
    free(at - at[-1]);
}

static memmgr_pool *asks_create(size_t capacity, size_t limit, unsigned flags) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW | flags);
    memset(&asks, 0, sizeof asks);
    asks.most = SIZE_MAX;
    desc.limit = limit;
    desc.source.map = asks_map;
    desc.source.unmap = asks_unmap;
    reports_start();
    return memmgr_pool_create(capacity, &desc);
}

static void asks_end(memmgr_pool *pool) {
    memmgr_pool_reset(pool);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_EQUAL(asks.mapped, 0);
    CHECK_SILENT();
}

static size_t asks_last(void) { return asks.asked[asks.count - 1]; }

// A table of 64 segments with the second of them; each segment is as large as all that there is.
static void test_mutants_growth_doubles(void) {
    memmgr_pool *pool = asks_create(10000, 0, 0);
    REQUIRE(pool != NULL);
    CHECK(asks.count == 1 && asks.asked[0] == 10000 / 16 * 16);
    size_t table = 64 * sizeof(void *);
    for (size_t segments = 1; segments < 12; segments++) {
        size_t mapped = asks.mapped, count = asks.count;
        while (asks.count == count)
            REQUIRE(memmgr_pool_alloc(pool, 1000) != NULL);
        CHECK_EQUAL(asks.count, count + (segments == 1 ? 2 : 1));
        if (segments == 1) CHECK_EQUAL(asks.asked[count], table);
        CHECK_EQUAL(asks_last(), segments == 1 ? mapped + table : mapped);
    }
    asks_end(pool);
}

// Half as much, and half of that, down to what is needed; and when there is not even that, nothing
// has changed.
static void test_mutants_growth_takes_less(void) {
    memmgr_pool *pool = asks_create(100000, 0, 0);
    memmgr_stats before, after;
    REQUIRE(pool && memmgr_pool_alloc(pool, 90000));
    asks.most = 13000;
    REQUIRE(memmgr_pool_alloc(pool, 12000) != NULL);
    size_t first = 100000 + 64 * sizeof(void *);
    CHECK_EQUAL(asks.asked[1], 64 * sizeof(void *));
    CHECK_EQUAL(asks.asked[2], first / 16 * 16);
    CHECK_EQUAL(asks.asked[3], (first / 16 * 16 / 2 + 15) / 16 * 16);
    CHECK_EQUAL(asks.asked[4], (asks.asked[3] / 2 + 15) / 16 * 16);
    CHECK_EQUAL(asks.asked[5], (asks.asked[4] / 2 + 15) / 16 * 16);
    CHECK(asks.count == 7 || asks.count == 6);
    CHECK(asks_last() >= 12000 && asks_last() <= 13000);
    memmgr_pool_stats(pool, &before);
    asks.most = 700;
    CHECK(memmgr_pool_alloc(pool, 20000) == NULL);
    memmgr_pool_stats(pool, &after);
    CHECK(after.capacity == before.capacity && after.failures == before.failures + 1);
    asks_end(pool);
    pool = asks_create(100000, 0, 0);
    REQUIRE(pool && memmgr_pool_alloc(pool, 90000));
    asks.most = 700; // enough for a table
    CHECK(memmgr_pool_alloc(pool, 20000) == NULL);
    memmgr_pool_stats(pool, &after);
    CHECK_EQUAL(after.capacity, asks.asked[0]);
    CHECK_EQUAL(asks.mapped, asks.asked[0]);
    asks_end(pool);
}

// Never beyond the limit, the table counted in, and up to it where that is needed.
static void test_mutants_growth_to_the_limit(void) {
    size_t table = 64 * sizeof(void *), first = 16384, needed = 0;
    CHECK(asks_create(16384, 16383, 0) == NULL);
    for (size_t more = 1000; more < 4000; more += 8) {
        memmgr_pool *pool = asks_create(first, first + table + more, 0);
        REQUIRE(pool && memmgr_pool_alloc(pool, 15000));
        bool grown = memmgr_pool_alloc(pool, 2000) != NULL;
        CHECK(asks.mapped <= first + table + more);
        if (grown) CHECK_EQUAL(asks_last(), more / 16 * 16);
        if (grown && !needed) needed = more;
        CHECK(grown == (needed != 0));
        asks_end(pool);
    }
    CHECK(needed > 2000 && needed < 2000 + 400 + 16 && needed % 16 == 0);
}

// A size that no pool can have is not asked for: not as 0 bytes, either.
static void test_mutants_growth_asks_for_something(void) {
    CHECK(asks_create(SIZE_MAX, 0, 0) == NULL);
    CHECK_EQUAL(asks.count, 0);
    CHECK_SILENT();
}

// A table that is full is replaced by one that is twice as long.
static void test_mutants_growth_of_the_table(void) {
    static void *block[150];
    size_t tables = 0;
    memmgr_pool *pool = asks_create(4096, 0, MEMMGR_POOL_EAGER);
    REQUIRE(pool != NULL);
    asks.most = 40000; // so that segments stay small
    for (size_t i = 0; i < 150; i++) {
        asks.count = 0;
        block[i] = memmgr_pool_alloc(pool, 30000);
        REQUIRE(block[i] != NULL);
        for (size_t j = 0; j < asks.count; j++)
            tables += asks.given[j] && asks.asked[j] < 30000;
        pattern_fill(block[i], 30000, i);
    }
    CHECK_EQUAL(tables, 3); // for 64, 128, 256
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    for (size_t i = 0; i < 150; i++)
        CHECK(pattern_holds(block[i], 30000, i));
    asks_end(pool);
}

// --- Audit ---------------------------------------------------------------------------------------

// How many of the bits of some bytes the audit would not see changed.
static size_t audit_misses(memmgr_pool *pool, unsigned char *from, size_t bytes) {
    size_t missed = 0;
    for (size_t i = 0; i < bytes * 8; i++) {
        from[i / 8] ^= (unsigned char)(1u << i % 8);
        missed += memmgr_pool_check(pool) == MEMMGR_OK;
        from[i / 8] ^= (unsigned char)(1u << i % 8);
    }
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    return missed;
}

// Every bit of a map, with long and short blocks and runs in it, and of the index.
static void test_mutants_audit_sees_every_bit(void) {
    test_buffer buffer = buffer_new(40000, 0);
    void *block[60];
    reports_start();
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < 60; i++)
        block[i] = memmgr_pool_alloc(pool, i % 20 == 7 ? 4000 : 16 + i * 3);
    for (size_t i = 0; i < 60; i += 3)
        memmgr_pool_free(pool, block[i]);
    memmgr_pool_free(pool, block[7]);
    mmi_segment *segment = mmi_pool_first(pool);
    unsigned char *base = (unsigned char *)segment;
    size_t whole =
        segment->granule_count / 64; // behind the last granule are bits that nobody reads
    CHECK_EQUAL(audit_misses(pool, base + segment->map_offset, 16 * whole), 0);
    CHECK_EQUAL(audit_misses(pool, base + segment->index_offset, segment->entry_count), 0);
    CHECK_EQUAL(audit_misses(pool, (unsigned char *)&pool->used, sizeof pool->used), 0);
    reports_start();
    memmgr_pool_reset(pool);
    (void)memmgr_pool_destroy(pool);
    buffer_drop(&buffer);
}

// What classes keep: every slot that is in use, and the counts.
static void test_mutants_audit_sees_classes(void) {
    memmgr_pool *pool = memmgr_pool_create(2 << 20, NULL);
    void *block[40];
    reports_start();
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < 40; i++)
        block[i] = memmgr_pool_alloc(pool, 100 + i / 10 * 100);
    for (size_t i = 0; i < 40; i += 2)
        memmgr_pool_free(pool, block[i]);
    mmi_segment *segment = mmi_pool_first(pool);
    for (uint32_t length = 1; length <= segment->class_limit; length++) {
        mmi_class *kept = mmi_segment_class(segment, length);
        if (kept->count == 0) continue;
        CHECK_EQUAL(audit_misses(pool, (unsigned char *)kept, sizeof *kept), 0);
        unsigned char *slots = (unsigned char *)mmi_class_slots(segment, kept);
        CHECK_EQUAL(audit_misses(pool, slots, 4 * kept->count), 0);
    }
    reports_start();
    memmgr_pool_reset(pool);
    (void)memmgr_pool_destroy(pool);
}

// A kept block stands in the class of its own size.
static void test_mutants_audit_sees_blocks_of_other_classes(void) {
    memmgr_pool *pool = memmgr_pool_create(2 << 20, NULL);
    reports_start();
    REQUIRE(pool != NULL);
    memmgr_pool_free(pool, memmgr_pool_alloc(pool, 100));
    memmgr_pool_free(pool, memmgr_pool_alloc(pool, 200));
    mmi_segment *segment = mmi_pool_first(pool);
    uint32_t *first = mmi_class_slots(segment, mmi_segment_class(segment, 7));
    uint32_t *second = mmi_class_slots(segment, mmi_segment_class(segment, 13)), was = *first;
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    *first = *second, *second = was;
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_CORRUPT);
    *second = *first, *first = was;
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    reports_start();
    memmgr_pool_reset(pool);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
}

// The table of a growing pool is in the order of addresses.
static void test_mutants_audit_sees_the_table(void) {
    memmgr_pool *pool = asks_create(4096, 0, MEMMGR_POOL_EAGER);
    REQUIRE(pool != NULL);
    asks.most = 40000;
    for (size_t i = 0; i < 3; i++)
        REQUIRE(memmgr_pool_alloc(pool, 30000) != NULL);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    for (uint32_t i = 1; i < pool->segment_count; i++) {
        mmi_segment *was = pool->segments[i];
        pool->segments[i] = pool->segments[i - 1];
        pool->segments[i - 1] = was;
        CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_CORRUPT);
        pool->segments[i - 1] = pool->segments[i];
        pool->segments[i] = was;
    }
    reports_start();
    asks_end(pool);
}

// --- Watch ---------------------------------------------------------------------------------------

#ifndef MEMMGR_NO_WATCH
static memmgr_pool *watched_make(test_buffer *buffer, unsigned flags) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, flags);
    reports_start();
    *buffer = buffer_new(100000, 0);
    return memmgr_pool_init(buffer->at, buffer->size, &desc);
}

static void watched_end(memmgr_pool *pool, test_buffer *buffer) {
    memmgr_pool_reset(pool);
    reports_start();
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(buffer);
}

// A write that goes on from one block into the next is one fault, the first block's; but what lies
// behind free memory is another's.
static void test_mutants_audit_tells_each_fault_once(void) {
    test_buffer buffer;
    memmgr_pool *pool = watched_make(&buffer, MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK);
    unsigned char *block[3];
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < 3; i++)
        block[i] = (unsigned char *)memmgr_pool_alloc(pool, 40);
    size_t between = (size_t)(block[1] - block[0]);
    REQUIRE(block[1] > block[0] && block[2] == block[1] + between);
    memset(block[0] + 40, 0x55, between - 40 - 16); // up to the end of the next block's record
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OVERRUN);
    CHECK(reports.count == 1 && reports.last.pointer == block[0] && reports.last.offset == 40);
    reports_start();
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    memmgr_pool_free(pool, block[1]);
    reports_start();
    block[0][40] = 0x55;
    memset(block[2] - 64, 0x55, 48);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OVERRUN);
    CHECK_EQUAL(reports.count, 2);
    watched_end(pool, &buffer);
}

// What quarantine holds is no part of what is used, and the numbers fit each other.
static void test_mutants_stats_of_watched_pools(void) {
    test_buffer buffer;
    memmgr_stats stats;
    memmgr_pool *pool = watched_make(&buffer, MEMMGR_POOL_QUARANTINE | MEMMGR_POOL_GUARD);
    void *block[20];
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < 20; i++)
        block[i] = memmgr_pool_alloc(pool, 1000 + i);
    for (size_t i = 0; i < 20; i += 2)
        memmgr_pool_free(pool, block[i]);
    memmgr_pool_stats(pool, &stats);
    CHECK_EQUAL(stats.live_blocks, 10);
    CHECK_EQUAL(stats.requested, 10 * 1000 + 100);
    CHECK_EQUAL(stats.used + stats.free + stats.overhead, stats.capacity);
    CHECK(stats.largest_free > 0 && stats.largest_free <= stats.free);
    CHECK_EQUAL(stats.fragmentation, 100 - 100 * stats.largest_free / stats.free);
    while (kept(memmgr_pool_alloc(pool, 1000)))
        continue;
    memmgr_pool_free(pool, block[1]);
    memmgr_pool_stats(pool, &stats); // where a record's bytes count
    CHECK(stats.largest_free > 0 && stats.free < 10000);
    CHECK_EQUAL(stats.fragmentation, 100 - 100 * stats.largest_free / stats.free);
    watched_end(pool, &buffer);
}

#if defined(__unix__) && !defined(MEMMGR_NO_THREADS)
#include <pthread.h>

static void *do_nothing(void *ctx) { return ctx; }

// Locks are taken in earnest from here on.
static void be_threaded(void) {
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, do_nothing, NULL) == 0);
    pthread_join(thread, NULL);
}
#else
static void be_threaded(void) {}
#endif

// General calls in quarantine, more of them than it holds at once; and what was asked for is told.
static void test_mutants_watch_general_calls(void) {
    void *block[200];
    memmgr_stats stats;
    be_threaded();
    reports_start();
    memmgr_watch(MEMMGR_POOL_QUARANTINE | MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK);
    memmgr_stats_get(&stats);
    size_t before = stats.requested;
    for (size_t i = 0; i < 200; i++)
        block[i] = memmgr_malloc(i);
    memmgr_stats_get(&stats);
    CHECK_EQUAL(stats.requested - before, 199 * 200 / 2);
    for (size_t i = 0; i < 200; i++)
        memmgr_free(block[i]);
    memmgr_free(block[7]);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    for (size_t i = 0; i < 40; i++)
        memmgr_free(kept(memmgr_malloc(1 << 20)));
    memmgr_stats_get(&stats);
    CHECK_EQUAL(stats.requested, before);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    memmgr_watch(0);
    memmgr_free(kept(memmgr_malloc(100)));
    CHECK_SILENT();
}
#endif

// --- What goes back ------------------------------------------------------------------------------

// A segment that is empty goes back to its source, unless the others are so full that it would soon
// be needed again: more than half.
static void test_mutants_growth_is_kept_where_it_is_needed(void) {
    memmgr_pool *pool = asks_create(100000, 0, MEMMGR_POOL_EAGER);
    REQUIRE(pool != NULL);
    void *most = memmgr_pool_alloc(pool, 45000), *more = memmgr_pool_alloc(pool, 35000);
    void *extra = memmgr_pool_alloc(pool, 50000);
    REQUIRE(most && more && extra);
    size_t mapped = asks.mapped;
    CHECK(mapped > 200000);
    memmgr_pool_free(pool, extra);
    CHECK_EQUAL(asks.mapped, mapped);
    extra = memmgr_pool_alloc(pool, 50000);
    CHECK_EQUAL(asks.mapped, mapped);
    memmgr_pool_free(pool, more);
    CHECK_EQUAL(asks.mapped, mapped);
    memmgr_pool_free(pool, extra);
    CHECK_EQUAL(asks.mapped, 100000);
    memmgr_pool_free(pool, most);
    asks_end(pool);
}

#if HAVE_OS_TESTS
#include "addresses.h"

// What the system gave goes back to it: a program can make pools for ever.
static void test_mutants_pools_go_back(void) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW);
    size_t before = addresses_now();
    for (size_t i = 0; i < 100; i++) {
        memmgr_pool *pool = memmgr_pool_create(1 << 20, i % 2 ? &desc : NULL);
        REQUIRE(pool != NULL);
        if (i % 2) memmgr_pool_free(pool, memmgr_pool_alloc(pool, 3 << 20));
        CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    }
    CHECK(addresses_now() <= before + (8 << 20));
}

// A pool of the system's memory with runs of many lengths, the blocks between them filled.
static void *purged_block[200];

static memmgr_pool *purged_make(void) {
    memmgr_pool *pool = memmgr_pool_create(4 << 20, NULL);
    void *gap[200];
    if (!CHECK(pool != NULL)) return NULL;
    void *all = memmgr_pool_alloc(pool, 3 << 20);
    if (CHECK(all != NULL)) memset(all, 0x77, 3 << 20);
    memmgr_pool_free(pool, all);
    for (size_t i = 0; i < 200; i++) {
        gap[i] = memmgr_pool_alloc(pool, 16 * (1 + i * 5));
        purged_block[i] = memmgr_pool_alloc(pool, 100 + i);
        pattern_fill(purged_block[i], 100 + i, i);
    }
    for (size_t i = 0; i < 200; i++)
        memmgr_pool_free(pool, gap[i]);
    (void)mmi_pool_flush(pool);
    return pool;
}

// Whole pages of free runs go back, all but what `keep` granules take, and nothing else: what they
// held is zero, all else as it was.
static void purged_check(const memmgr_pool *pool, size_t keep) {
    size_t page = mmi_os_page(), most = 0, zero = 0;
    walk_pool(pool);
    for (size_t i = 0; i + 1 < walked.count; i++) { // most of the last run was never touched
        uintptr_t from = (uintptr_t)walked.block[i].address, end = from + walked.block[i].size;
        if (walked.block[i].live) continue;
        for (uintptr_t at = (from + page - 1) / page * page; at + page <= end; at += page)
            most += page;
    }
    for (size_t i = 0; i + 1 < walked.count; i++) {
        const unsigned char *bytes = (const unsigned char *)walked.block[i].address;
        for (size_t at = 0; !walked.block[i].live && at < walked.block[i].size; at++)
            zero += bytes[at] == 0;
    }
    CHECK(zero <= most && (keep == 0 || zero < most || most == 0));
    CHECK(zero + keep * 16 + (keep ? page : 0) >= most);
    for (size_t i = 0; i < 200; i++)
        CHECK(pattern_holds(purged_block[i], 100 + i, i));
}

static void test_mutants_purge_of_idle_pages(void) {
    for (size_t keep = 0; keep < 100000; keep += 20000) {
        memmgr_pool *pool = purged_make();
        REQUIRE(pool != NULL);
        const mmi_segment *segment = mmi_pool_first(pool);
        size_t given = mmi_pool_purge_segment(segment, segment->granule_count, keep, SIZE_MAX);
        CHECK(given % mmi_os_page() == 0);
        purged_check(pool, keep);
        memmgr_pool_reset(pool);
        (void)memmgr_pool_destroy(pool);
    }
}
#endif

// Where there is an operating system, threads have heaps of slabs.
#if (defined(__unix__) || defined(_WIN32)) && !defined(MEMMGR_NO_OS)
#define HEAPS_HERE 1

// --- Slabs ---------------------------------------------------------------------------------------

enum { UNIT = 65536, SIZES = 40 };

// 16 to 128 in steps of 16; then four sizes to a doubling, up to 32 KiB.
static size_t slab_size(unsigned index) {
    size_t size = 16;
    for (unsigned i = 0; i < index; i++) {
        size_t power = 128;
        while (power * 2 <= size)
            power *= 2;
        size += size < 128 ? 16 : power / 4;
    }
    return size;
}

static void test_mutants_slab_sizes(void) {
    static mmi_heap bins_of;
    mmi_slab_fill_tables();
    CHECK_EQUAL(slab_size(SIZES - 1), 32768);
    for (unsigned i = 0; i < SIZES; i++) {
        size_t states = (UNIT + slab_size(i) - 1) / slab_size(i);
        CHECK_EQUAL(mmi_slab_size(i), slab_size(i));
        CHECK_EQUAL(mmi_slab_live(i), 0x40 + i);
        unsigned order = mmi_slab_order(i);
        CHECK(((size_t)64 << order) >= states && (order == 0 || ((size_t)32 << order) < states));
    }
    for (size_t size = 0; size <= 32768; size++) {
        unsigned index = 0;
        while (slab_size(index) < size)
            index++;
        CHECK(mmi_slab_bin(&bins_of, size) == &bins_of.bins[index]);
    }
}

// One multiplication tells the block and whether it begins there, for every address of a unit.
static void test_mutants_slab_numbers(void) {
    mmi_slab_fill_tables();
    for (unsigned i = 0; i < SIZES; i++) {
        size_t size = slab_size(i), wrong = 0;
        for (size_t address = 0; address < UNIT; address++) {
            bool starts = false;
            size_t number = mmi_slab_number(UNIT * 7 + address, mmi_slab_multipliers[i], &starts);
            wrong += number != address / size || starts != (address % size == 0);
        }
        CHECK_EQUAL(wrong, 0);
    }
}

// A slab of blocks of 1280 bytes, 51 of them, whose states can be set at will.
enum { SLAB_INDEX = 20, SLAB_BLOCKS = 51 };

static mmi_item slab_items[SLAB_BLOCKS + 1];
static union {
    uint64_t aligned[8];
    mmi_entry more[4];
    uint8_t states[64];
} slab_states_raw[2];

static mmi_slab slab_make(uint8_t *states) {
    mmi_slab slab;
    memset(&slab, 0, sizeof slab);
    CHECK_EQUAL(UNIT / slab_size(SLAB_INDEX), SLAB_BLOCKS);
    mmi_slab_fill_tables();
    slab.start = UNIT * 9;
    slab.states = states;
    slab.size_index = SLAB_INDEX;
    slab.multiplier = mmi_slab_multipliers[SLAB_INDEX];
    slab.live = mmi_slab_live(SLAB_INDEX);
    slab.count = SLAB_BLOCKS;
    memset(states, MMI_STATE_FREE, 64);
    return slab;
}

// The lowest FREE blocks are taken, the lowest of them on top, and are CACHED then.
static void test_mutants_slab_takes_the_lowest(void) {
    uint8_t *states = (uint8_t *)(((uintptr_t)slab_states_raw[0].states + 15) / 16 * 16);
    for (size_t round = 0; round < 300; round++) {
        mmi_slab slab = slab_make(states);
        mmi_bin bin;
        memset(&bin, 0, sizeof bin);
        bin.bottom = bin.top = slab_items;
        unsigned free_count = 0, remote = 0, first = SLAB_BLOCKS, taken = 0;
        for (unsigned i = 0; i < SLAB_BLOCKS; i++) {
            uint8_t kinds[] = {MMI_STATE_FREE, slab.live, MMI_STATE_CACHED, MMI_STATE_REMOTE};
            states[i] = kinds[test_below(4)];
            free_count += states[i] == MMI_STATE_FREE;
            remote += states[i] == MMI_STATE_REMOTE;
            if (states[i] == MMI_STATE_FREE && first == SLAB_BLOCKS) first = i;
        }
        CHECK_EQUAL(mmi_slab_count(&slab, MMI_STATE_REMOTE), remote);
        if (free_count == 0) continue;
        slab.free_count = (uint16_t)free_count;
        slab.cursor = (uint16_t)test_below(first + 1);
        unsigned take = 1 + (unsigned)test_below(free_count);
        mmi_slab_take(&slab, &bin, take);
        CHECK(slab.free_count == free_count - take && bin.top == slab_items + take);
        for (unsigned i = first; taken < take; i++) {
            const mmi_item *item = &slab_items[take - taken - 1];
            if (item->state != &states[i]) continue;
            taken++;
            CHECK_EQUAL((uintptr_t)item->block, slab.start + i * slab_size(SLAB_INDEX));
            CHECK_EQUAL(states[i], MMI_STATE_CACHED);
            CHECK_EQUAL(mmi_slab_block(&slab, i) == item->block, true);
            if (taken == take) CHECK_EQUAL(slab.cursor, i + 1);
            if (i == SLAB_BLOCKS - 1) break;
        }
        CHECK_EQUAL(taken, take);
        unsigned lowest = SLAB_BLOCKS;
        for (unsigned i = SLAB_BLOCKS; i-- > 0;)
            if (states[i] == MMI_STATE_REMOTE) lowest = i;
        unsigned before = slab.cursor;
        CHECK_EQUAL(mmi_slab_sweep(&slab), remote);
        CHECK_EQUAL(slab.cursor, lowest < before ? lowest : before);
        CHECK_EQUAL(mmi_slab_count(&slab, MMI_STATE_REMOTE), 0);
        CHECK_EQUAL(mmi_slab_sweep(&slab), 0);
    }
}

// What a walk of a slab shows: live blocks one by one, all others in a row as one.
static void test_mutants_slab_is_walked(void) {
    uint8_t *states = (uint8_t *)(((uintptr_t)slab_states_raw[0].states + 15) / 16 * 16);
    mmi_slab slab = slab_make(states);
    size_t size = slab_size(SLAB_INDEX);
    static const unsigned live[] = {0, 1, 7, 20, 21, SLAB_BLOCKS - 2};
    for (size_t i = 0; i < 6; i++)
        states[live[i]] = slab.live;
    states[3] = MMI_STATE_CACHED, states[4] = MMI_STATE_REMOTE;
    walked.count = walked.live_count = walked.live_bytes = walked.free_bytes = 0;
    walked.ordered = true;
    CHECK(mmi_slab_walk(&slab, walk_add, &walked));
    CHECK(walked.ordered && walked.live_count == 6 && walked.count == 10);
    CHECK(walked.live_bytes == 6 * size && walked.free_bytes == (SLAB_BLOCKS - 6) * size);
    CHECK_EQUAL((uintptr_t)walked.block[2].address, slab.start + 2 * size);
    CHECK_EQUAL(walked.block[2].size, 5 * size);
}

// A pointer to what is not a live block's start.
static void test_mutants_slab_tells_misuse(void) {
    uint8_t *states = (uint8_t *)(((uintptr_t)slab_states_raw[0].states + 15) / 16 * 16);
    mmi_slab slab = slab_make(states);
    size_t size = slab_size(SLAB_INDEX);
    memmgr_block around;
    states[3] = slab.live;
    CHECK_EQUAL(mmi_slab_misuse_of(&slab, slab.start + 3 * size + 32, &around), MEMMGR_DOUBLE_FREE);
    slab.owner = 1;
    for (size_t offset = 0; offset < 5 * size; offset++) {
        bool inside = offset / size == 3 && offset % size != 0;
        memmgr_error expected =
            inside || offset % 16 ? MEMMGR_INTERIOR_POINTER : MEMMGR_DOUBLE_FREE;
        memset(&around, 0, sizeof around);
        CHECK_EQUAL(mmi_slab_misuse_of(&slab, slab.start + offset, &around), expected);
        CHECK_EQUAL((uintptr_t)around.address, inside ? slab.start + 3 * size : 0);
        CHECK_EQUAL(around.size, inside ? size : 0);
    }
}

// --- Heaps ---------------------------------------------------------------------------------------

enum { HEAP_BLOCKS = 20000 };

static void *heap_block[HEAP_BLOCKS];

static void heap_fill(size_t size, size_t count) {
    for (size_t i = 0; i < count; i++) {
        heap_block[i] = memmgr_malloc(size);
        REQUIRE(heap_block[i] != NULL);
    }
}

static void *heap_free_all(void *ctx) {
    for (size_t i = 0; i < *(size_t *)ctx; i++)
        memmgr_free(heap_block[i]);
    return NULL;
}

static memmgr_stats general_stats(void) {
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    return stats;
}

// The peak is that of all blocks together, small and large, to within what stacks keep ready.
static void test_mutants_heap_peak(void) {
    size_t count = 0, near = 1 << 20;
    memmgr_stats before = general_stats();
    while (before.used + count * 1000 < before.peak_used + (4u << 20))
        count++;
    REQUIRE(count < HEAP_BLOCKS);
    heap_fill(1000, count);
    void *large = memmgr_malloc(4 << 20);
    memmgr_stats high = general_stats();
    CHECK(high.peak_used >= high.used && high.peak_used - high.used < near);
    memmgr_free(large);
    (void)heap_free_all(&count);
    memmgr_stats after = general_stats();
    CHECK(after.requested == after.used && after.largest_free <= after.free);
    CHECK_EQUAL(after.fragmentation, 100 - mmi_text_share(after.largest_free, after.free, 100));
    CHECK(after.peak_used - high.peak_used < near && after.used < high.used - (7u << 20));
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
}

// Nobody needs to ask at that moment.
static void test_mutants_heap_peak_is_noted(void) {
    size_t count = 0;
    memmgr_stats before = general_stats();
    while (before.used + count * 8000 < before.peak_used + (4u << 20))
        count++;
    REQUIRE(count < HEAP_BLOCKS);
    heap_fill(8000, count);
    (void)heap_free_all(&count);
    CHECK(general_stats().peak_used >= before.peak_used + (3u << 20));
}

// What a stack keeps ready: 64 KiB of a size, but 4 blocks at least and 128 at most.
static void test_mutants_heap_depth(void) {
    for (unsigned i = 0; i < SIZES; i++) {
        size_t depth = 65536 / slab_size(i);
        CHECK_EQUAL(mmi_heap_depth(i), depth < 4 ? 4 : depth > 128 ? 128 : depth);
    }
    memmgr_free(kept(memmgr_malloc(1)));
    for (unsigned i = 0; i < SIZES; i++) // each has its own room, one behind the other
        CHECK_EQUAL((size_t)(mmi_heap_mine->bins[i].limit - mmi_heap_mine->bins[i].bottom),
                    mmi_heap_depth(i));
}

// The audit of the general calls, with one thing changed; it must not be set right by itself.
#define AUDIT_SEES(place, value)                                                                   \
    do {                                                                                           \
        CHECK_EQUAL(memmgr_check(), MEMMGR_OK);                                                    \
        (place) = (value);                                                                         \
        CHECK_EQUAL(memmgr_check(), MEMMGR_CORRUPT);                                               \
        (place) = was;                                                                             \
    } while (0)
#define AUDIT_SEES_IN(type, place, value)                                                          \
    do {                                                                                           \
        type was = (place);                                                                        \
        AUDIT_SEES(place, value);                                                                  \
    } while (0)

static void test_mutants_heap_audit(void) {
    size_t count = 2000;
    heap_fill(1000, count);
    (void)heap_free_all(&count);
    heap_fill(1000, 300);
    memmgr_free(heap_block[5]);
    mmi_bin *bin = mmi_slab_bin(mmi_heap_mine, 1000);
    mmi_slab *slab = bin->partial, *idle = mmi_arena_all.idle.first;
    REQUIRE(bin->top > bin->bottom + 1 && slab && idle);
    mmi_item *item = bin->bottom;
    reports_start();
    AUDIT_SEES_IN(uint8_t *, item->state, was + 1);
    AUDIT_SEES_IN(void *, item->block, pointer_plus(was, 16));
    AUDIT_SEES_IN(void *, item->block, &count);
    AUDIT_SEES_IN(uint8_t, *item->state, MMI_STATE_FREE);
    AUDIT_SEES_IN(mmi_item *, bin->top, was - 1);
    AUDIT_SEES_IN(mmi_bin *, slab->bin, was + 1);
    AUDIT_SEES_IN(bool, slab->listed, !was);
    AUDIT_SEES_IN(mmi_slab *, slab->prev, slab);
    AUDIT_SEES_IN(uint16_t, slab->free_count, (uint16_t)(was + 1));
    AUDIT_SEES_IN(uint32_t, slab->multiplier, was + 1);
    AUDIT_SEES_IN(uint8_t, slab->live, (uint8_t)(was + 1));
    AUDIT_SEES_IN(bool, idle->listed, !was);
    AUDIT_SEES_IN(uintptr_t, idle->owner, (uintptr_t)mmi_heap_mine);
    AUDIT_SEES_IN(size_t, mmi_arena_all.idle.count, was + 1);
    reports_start();
    size_t left = 300;
    heap_block[5] = NULL;
    (void)heap_free_all(&left);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
}

#if defined(__unix__) && !defined(MEMMGR_NO_THREADS)
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

// What another thread has freed is used before more memory is taken, for blocks of any size.
static void test_mutants_heap_uses_what_others_freed(void) {
    size_t count = 10000;
    pthread_t thread;
    heap_fill(1000, count);
    REQUIRE(pthread_create(&thread, NULL, heap_free_all, &count) == 0);
    pthread_join(thread, NULL);
    size_t capacity = general_stats().capacity;
    for (size_t size = 500; size < 2000; size += 700) {
        size_t fewer = (9u << 20) / size;
        heap_fill(size, fewer);
        CHECK(general_stats().capacity <= capacity + (1 << 20));
        REQUIRE(pthread_create(&thread, NULL, heap_free_all, &fewer) == 0);
        pthread_join(thread, NULL);
    }
}

// The child of a fork finds what other threads have freed, and uses it.
static void test_mutants_heap_in_the_child_of_a_fork(void) {
    size_t count = 10000;
    pthread_t thread;
    int status = 1;
    heap_fill(1000, count);
    REQUIRE(pthread_create(&thread, NULL, heap_free_all, &count) == 0);
    pthread_join(thread, NULL);
    pid_t child = fork();
    if (child == 0) {
        size_t capacity = general_stats().capacity;
        heap_fill(1000, 9000);
        bool sound = memmgr_check() == MEMMGR_OK;
        _exit(sound && general_stats().capacity <= capacity + (1 << 20) ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}
#define HEAPS_SHARED 1
#else
#define HEAPS_SHARED 0
#endif

#else
#define HEAPS_HERE 0
#define HEAPS_SHARED 0
#endif

#if defined(USE_MEMORY_MGR) && HEAPS_HERE && HAVE_OS_TESTS
#define IDLE_HERE 1
// --- A second later ------------------------------------------------------------------------------

// Calls after which idle memory is looked at: a large block; or slabs that become empty.
static void idle_call_large(void) { memmgr_free(kept(memmgr_malloc(100000))); }

static void idle_call_slabs(void) {
    static void *block[500];
    for (size_t i = 0; i < 500; i++)
        block[i] = memmgr_malloc(1000);
    for (size_t i = 0; i < 500; i++)
        memmgr_free(block[i]);
}

static void idle_use_large(void) {
    void *block = memmgr_malloc(10 << 20);
    REQUIRE(block != NULL);
    memset(block, 1, 10 << 20);
    memmgr_free(block);
}

static void idle_use_slabs(void) {
    static void *block[10000];
    for (size_t i = 0; i < 10000; i++) {
        block[i] = memmgr_malloc(1000);
        REQUIRE(block[i] != NULL);
        memset(block[i], 1, 1000);
    }
    for (size_t i = 0; i < 10000; i++)
        memmgr_free(block[i]);
}

// Bytes that go back at a call, so many milliseconds later.
static size_t idle_later(uint64_t milliseconds, void (*call)(void)) {
    clock_frozen += milliseconds;
    given_back = 0;
    call();
    return given_back;
}

// What was not needed for more than two seconds has gone back, all of it. At the moment when it
// was needed last it has not.
static void check_idle(void (*use)(void), void (*call)(void)) {
    clock_frozen = mmi_os_clock() + 1000000;
    for (int i = 0; i < 4; i++)
        (void)idle_later(2000, call);
    for (int round = 0; round < 3; round++) {
        size_t given = 0;
        use();
        CHECK_EQUAL(idle_later(0, call), 0);
        for (int i = 0; i < 5; i++)
            given += idle_later(500, call);
        CHECK(given >= 9 << 20);
    }
    clock_frozen = 0;
}

// All that is idle goes back at once when it is asked for, and its bytes are told.
static void test_mutants_trim_tells_its_bytes(void) {
    (void)memmgr_trim();
    idle_use_large();
    idle_use_slabs();
    size_t idle = general_stats().capacity;
    given_back = 0;
    size_t given = memmgr_trim();
    CHECK(given >= 18 << 20 && given <= idle && given_back >= given);
}

static void test_mutants_large_memory_goes_back(void) {
    check_idle(idle_use_large, idle_call_large);
}

static void test_mutants_slabs_go_back(void) { check_idle(idle_use_slabs, idle_call_slabs); }
#else
#define IDLE_HERE 0
#endif

// --- Trace ---------------------------------------------------------------------------------------

#if HEAPS_SHARED && !defined(MEMMGR_NO_WATCH)
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int trace_inside; // writers that are at work
static atomic_bool trace_slow;
static size_t trace_bytes;

static void trace_write(const char *bytes, size_t count, void *ctx) {
    (void)bytes;
    CHECK(ctx == &trace_bytes);
    atomic_store(&trace_inside, 1);
    if (atomic_load(&trace_slow)) (void)usleep(50000);
    trace_bytes += count;
    atomic_store(&trace_inside, 0);
}

static void test_mutants_trace_hands_on_its_context(void) {
    trace_bytes = 0;
    REQUIRE(memmgr_trace_start(trace_write, &trace_bytes));
    for (size_t i = 0; i < 1000; i++)
        memmgr_free(kept(memmgr_malloc(i)));
    memmgr_trace_stop();
    CHECK(trace_bytes > 1000);
}

static void *trace_work(void *stop) {
    while (!atomic_load((atomic_bool *)stop))
        memmgr_free(kept(memmgr_malloc(100)));
    return NULL;
}

// A fork waits for a writer that is at work: so the child finds the trace at rest.
static void test_mutants_trace_is_at_rest_in_a_fork(void) {
    static atomic_bool stop;
    pthread_t thread;
    int status = 1;
    atomic_store(&stop, false);
    REQUIRE(memmgr_trace_start(trace_write, &trace_bytes));
    atomic_store(&trace_slow, true);
    bool started = CHECK(pthread_create(&thread, NULL, trace_work, &stop) == 0);
    while (started && !atomic_load(&trace_inside))
        (void)usleep(100);
    pid_t child = fork();
    if (child == 0) _exit(atomic_load(&trace_inside));
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    atomic_store(&trace_slow, false);
    atomic_store(&stop, true);
    if (started) pthread_join(thread, NULL);
    memmgr_trace_stop();
}
#define TRACES_HERE 1
#else
#define TRACES_HERE 0
#endif

#else
#define IDLE_HERE 0
#endif // USE_MEMORY_MGR

#ifdef USE_MEMORY_MGR
// --- Pools ---------------------------------------------------------------------------------------

// The segment that became empty goes back at once, if the others are at most half full.
static void test_mutants_pool_shrinks_at_once(void) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_GROW | MEMMGR_POOL_EAGER);
    memmgr_pool *pool = memmgr_pool_create(65536, &desc);
    REQUIRE(pool != NULL);
    void *first = memmgr_pool_alloc(pool, 20000), *second = memmgr_pool_alloc(pool, 60000);
    void *third = memmgr_pool_alloc(pool, 60000);
    REQUIRE(first && second && third && pool->segment_count == 3);
    CHECK_EQUAL(memmgr_pool_free(pool, second), MEMMGR_OK);
    CHECK_EQUAL(pool->segment_count, 2);
    CHECK_EQUAL(memmgr_pool_free(pool, third), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_free(pool, first), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
}

// Of the runs with the index's highest code a search looks at eight, and so does what it promises.
static void test_mutants_pool_largest_free(void) {
    enum { RUNS = 8, LENGTH = 64 * 16 };
    test_buffer buffer = buffer_new(65536, 0);
    memmgr_pool *pool = memmgr_pool_init(buffer.at, buffer.size, NULL);
    void *run[RUNS];
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < RUNS; i++) {
        run[i] = memmgr_pool_alloc(pool, i + 1 < RUNS ? LENGTH : LENGTH + 16);
        REQUIRE(run[i] != NULL && memmgr_pool_alloc(pool, 1) != NULL);
    }
    while (memmgr_pool_alloc(pool, 1))
        ;
    CHECK_EQUAL(memmgr_pool_largest_free(pool), 0);
    for (size_t i = RUNS; i-- > 0;)
        CHECK_EQUAL(memmgr_pool_free(pool, run[i]), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_largest_free(pool), LENGTH + 16);
    memmgr_pool_reset(pool);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    buffer_drop(&buffer);
}

// Tracking alone writes nothing into a block.
static void test_mutants_tracking_does_not_fill(void) {
    static unsigned char memory[8192];
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_TRACK);
    memset(memory, 0x11, sizeof memory);
    memmgr_pool *pool = memmgr_pool_init(memory, sizeof memory, &desc);
    REQUIRE(pool != NULL);
    unsigned char *block = (unsigned char *)memmgr_pool_alloc(pool, 100);
    REQUIRE(block != NULL);
    for (size_t i = 0; i < 100; i++)
        CHECK_EQUAL(block[i], 0x11);
    CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
}

// What fits where it is does not move.
static void test_mutants_calls_resize_in_place(void) {
    for (size_t size = 16; size <= 40000; size += size / 8) {
        void *block = memmgr_malloc(size);
        REQUIRE(block != NULL);
        size_t usable = memmgr_usable_size(block);
        block = memmgr_realloc(block, usable);
        void *same = memmgr_realloc(block, usable);
        CHECK(same == block);
        CHECK(memmgr_usable_size(same) == usable);
        memmgr_free(same);
    }
    void *largest = memmgr_malloc(32768), *same = memmgr_realloc(largest, 32768);
    CHECK(same != NULL && same == largest);
    memmgr_free(same);
}
#endif

#if !defined(USE_MEMORY_MGR) && defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 33)
// The C library's own numbers are handed on where it has any.
static void test_mutants_libc_numbers(void) {
    memmgr_stats stats;
    void *block = memmgr_malloc(50000);
    REQUIRE(block != NULL);
    memmgr_stats_get(&stats);
    CHECK(stats.used >= 50000 && stats.capacity >= stats.used);
    memmgr_free(block);
}
#define HAVE_LIBC_NUMBERS 1
#endif
#endif

static const test_case tests[] = {
#if IDLE_HERE // while the heap is as new
    TEST(test_mutants_large_memory_goes_back),
    TEST(test_mutants_slabs_go_back),
    TEST(test_mutants_trim_tells_its_bytes),
#endif
    TEST(test_mutants_calls_tell_bad_arguments),
    TEST(test_mutants_calls_limit_what_grows),
    TEST(test_mutants_calls_tell_numbers_that_fit),
#ifndef USE_MEMORY_MGR
    TEST(test_mutants_calls_audit_lists),
#endif
    TEST(test_mutants_text_goes_out_by_lines),
    TEST(test_mutants_text_numbers),
    TEST(test_mutants_text_bytes),
    TEST(test_mutants_text_shares),
    TEST(test_mutants_text_right),
    TEST(test_mutants_text_of_the_user),
    TEST(test_mutants_site_order),
    TEST(test_mutants_site_counts_end),
    TEST(test_mutants_site_places),
    TEST(test_mutants_site_hash_spreads),
    TEST(test_mutants_site_text),
    TEST(test_mutants_fault_seeds_stay),
    TEST(test_mutants_leaks_untracked),
    TEST(test_mutants_leaks_by_site),
#ifndef NO_PICTURES
    TEST(test_mutants_draw_classes),
    TEST(test_mutants_draw_text_to_the_byte),
    TEST(test_mutants_draw_colour_to_the_byte),
    TEST(test_mutants_draw_svg_to_the_byte),
    TEST(test_mutants_draw_json_to_the_byte),
#endif
#ifdef HAVE_LIBC_NUMBERS
    TEST(test_mutants_libc_numbers),
#endif
#ifdef USE_MEMORY_MGR
    TEST(test_mutants_pool_shrinks_at_once),
    TEST(test_mutants_pool_largest_free),
    TEST(test_mutants_tracking_does_not_fill),
    TEST(test_mutants_calls_resize_in_place),
#if HAVE_OS_TESTS
    TEST(test_mutants_os_clocks),
    TEST(test_mutants_os_purges),
#endif
    TEST(test_mutants_record_is_not_faked),
    TEST(test_mutants_record_leaves_room),
    TEST(test_mutants_record_is_found_from_its_block),
    TEST(test_mutants_record_differs_at_every_byte),
    TEST(test_mutants_record_guards_every_byte),
    TEST(test_mutants_record_in_quarantine),
    TEST(test_mutants_record_is_rewritten),
    TEST(test_mutants_record_tells),
    TEST(test_mutants_map_is_as_drawn),
    TEST(test_mutants_index_codes),
    TEST(test_mutants_index_node),
    TEST(test_mutants_index_finds),
    TEST(test_mutants_segment_is_as_drawn),
    TEST(test_mutants_segment_grows_with_its_bytes),
    TEST(test_mutants_segment_knows_its_granules),
    TEST(test_mutants_search_finds_what_is_there),
    TEST(test_mutants_growth_doubles),
    TEST(test_mutants_growth_takes_less),
    TEST(test_mutants_growth_to_the_limit),
    TEST(test_mutants_growth_asks_for_something),
    TEST(test_mutants_growth_of_the_table),
    TEST(test_mutants_audit_sees_every_bit),
    TEST(test_mutants_audit_sees_classes),
    TEST(test_mutants_audit_sees_blocks_of_other_classes),
    TEST(test_mutants_audit_sees_the_table),
#ifndef MEMMGR_NO_WATCH
    TEST(test_mutants_audit_tells_each_fault_once),
    TEST(test_mutants_stats_of_watched_pools),
#endif
    TEST(test_mutants_growth_is_kept_where_it_is_needed),
#if HAVE_OS_TESTS
    TEST(test_mutants_pools_go_back),
    TEST(test_mutants_purge_of_idle_pages),
#endif
#if HEAPS_HERE
    TEST(test_mutants_slab_sizes),
    TEST(test_mutants_slab_numbers),
    TEST(test_mutants_slab_takes_the_lowest),
    TEST(test_mutants_slab_is_walked),
    TEST(test_mutants_slab_tells_misuse),
    TEST(test_mutants_heap_peak),
    TEST(test_mutants_heap_peak_is_noted),
    TEST(test_mutants_heap_depth),
    TEST(test_mutants_heap_audit),
#if HEAPS_SHARED
    TEST(test_mutants_heap_uses_what_others_freed),
    TEST(test_mutants_heap_in_the_child_of_a_fork),
#endif
#endif
#if TRACES_HERE
    TEST(test_mutants_trace_hands_on_its_context),
    TEST(test_mutants_trace_is_at_rest_in_a_fork),
#endif
#ifndef MEMMGR_NO_WATCH
    TEST(test_mutants_watch_general_calls), // the last, for it leaves records behind
#endif
#endif
};

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--pictures") == 0) return write_pictures();
    return TEST_MAIN(tests, argc, argv);
}
