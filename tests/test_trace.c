// test_trace.c: traces that the library writes, read by the reader of examples/trace.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // fork(), mmap() and more under a strict -std=c11
#endif
#include "workers.h"

#if defined(__unix__) || defined(__APPLE__)
#define HAVE_READER 1
#else
#define HAVE_READER 0
#endif

#if HAVE_READER
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#include "../examples/trace/trace.h"
#include <time.h>

#ifdef MEMMGR_NO_WATCH
enum { TRACES = 0 };
#else
enum { TRACES = SWITCH_ON };
#endif

// Where everything is watched, every pool is tracked, and so traced.
#if defined(MEMMGR_DEBUG)
enum { ALL_TRACKED = 1 };
#elif defined(MEMMGR_NO_TOOLS) || !HAVE_THREADS
enum { ALL_TRACKED = 0 };
#else
enum { ALL_TRACKED = SANITIZED && !UNDER_TSAN };
#endif

static const char here[] = "here.c";

// --- A writer, and what it was given -------------------------------------------------------------

enum { WRITTEN_MOST = 24 << 20 };

static struct {
    uint8_t *bytes;
    size_t size, calls, longest;
    bool empty_call; // it was called with nothing
} written;

static void keep_bytes(const char *text, size_t length, void *ctx) {
    (void)ctx;
    written.calls++;
    if (length == 0) written.empty_call = true;
    if (length > written.longest) written.longest = length;
    if (written.size + length > WRITTEN_MOST) abort();
    memcpy(written.bytes + written.size, text, length);
    written.size += length;
}

static bool trace_begins(void) {
    if (!written.bytes) written.bytes = (uint8_t *)malloc(WRITTEN_MOST);
    if (!written.bytes) abort();
    written.size = written.calls = written.longest = 0;
    written.empty_call = false;
    reports_start();
    return CHECK(memmgr_trace_start(keep_bytes, NULL));
}

// --- What the events tell ------------------------------------------------------------------------

enum { SLOTS = 4096, LIVE_MOST = 65536, HEAPS_MOST = 64 };

typedef struct {
    uint64_t address, size, heap, thread;
} live_block;

typedef struct {
    Reader reader;
    Event event;   // the last one
    uint64_t heap; // of the events now
    uint64_t thread;
    Text heap_name;
    Event sites[SLOTS];
    bool site_known[SLOTS];
    live_block *live;
    size_t live_count;
    size_t count[EVENT_KINDS];
    size_t unknown, reused; // frees of what was not live, allocations of what was
} story;

static story the_story;

static story *story_open(void) {
    story *s = &the_story;
    live_block *live = s->live;
    memset(s, 0, sizeof *s);
    s->live = live ? live : (live_block *)malloc(LIVE_MOST * sizeof *live);
    if (!s->live) abort();
    s->heap_name = (Text){"", 0};
    s->reader.bytes = written.bytes;
    s->reader.size = written.size;
    s->reader.at = sizeof trace_magic - 1;
    CHECK(written.size >= s->reader.at &&
          memcmp(written.bytes, trace_magic, sizeof trace_magic - 1) == 0);
    return s;
}

// Later blocks are looked at first: most are freed soon.
static live_block *story_find(story *s, uint64_t address) {
    for (size_t i = s->live_count; i-- > 0;)
        if (s->live[i].address == address) return &s->live[i];
    return NULL;
}

static void story_add(story *s, uint64_t address, uint64_t size) {
    if (story_find(s, address)) s->reused++;
    if (s->live_count == LIVE_MOST) abort();
    s->live[s->live_count++] = (live_block){address, size, s->heap, s->thread};
}

static void story_remove(story *s, uint64_t address) {
    live_block *block = story_find(s, address);
    if (block)
        *block = s->live[--s->live_count];
    else
        s->unknown++;
}

static void story_clear(story *s) {
    size_t kept_count = 0;
    for (size_t i = 0; i < s->live_count; i++)
        if (s->live[i].heap != s->heap) s->live[kept_count++] = s->live[i];
    s->live_count = kept_count;
}

static void story_follow(story *s) {
    const Event *event = &s->event;
    s->count[event->kind]++;
    switch (event->kind) {
    case EVENT_ALLOC:
        story_add(s, event->address, event->size);
        break;
    case EVENT_FREE:
        story_remove(s, event->address);
        break;
    case EVENT_RESIZE:
        story_remove(s, event->old);
        story_add(s, event->address, event->size);
        break;
    case EVENT_THREAD:
        s->thread = event->id;
        break;
    case EVENT_HEAP:
        s->heap = event->id;
        s->heap_name = event->name;
        break;
    case EVENT_SITE:
        if (!CHECK(event->slot > 0 && event->slot < SLOTS)) break;
        s->sites[event->slot] = *event;
        s->site_known[event->slot] = true;
        break;
    case EVENT_CLEAR:
        story_clear(s);
        break;
    default:
        break;
    }
}

static Reading story_next(story *s) {
    Reading reading = read_event(&s->reader, &s->event);
    if (reading == READ_EVENT) story_follow(s);
    if (reading == READ_BAD) printf("        %s\n", s->reader.problem);
    return reading;
}

// The next event that is about a block, or clears a heap.
static const Event *story_deed(story *s) {
    while (story_next(s) == READ_EVENT)
        if (s->event.kind < EVENT_THREAD || s->event.kind == EVENT_CLEAR) return &s->event;
    return NULL;
}

// The whole trace: every event can be read, and it ends properly.
static story *story_all(void) {
    story *s = story_open();
    Reading reading;
    while ((reading = story_next(s)) == READ_EVENT) {
    }
    CHECK(reading == READ_END);
    CHECK_EQUAL(s->reader.at, written.size);
    return s;
}

static bool text_is(Text text, const char *wanted) {
    return text.length == strlen(wanted) && memcmp(text.bytes, wanted, text.length) == 0;
}

static bool site_is(const story *s, const char *file, uint64_t line) {
    uint64_t slot = s->event.slot;
    if (slot == 0 || slot >= SLOTS || !s->site_known[slot]) return false;
    return s->sites[slot].line == line && text_is(s->sites[slot].name, file);
}

// Is the next deed one of this kind, of this block, made on this line?
static const Event *deed_is(story *s, EventKind kind, const void *block, size_t size, int line) {
    const Event *event = story_deed(s);
    if (!CHECK(event != NULL)) return NULL;
    CHECK_EQUAL(event->kind, kind);
    CHECK_EQUAL(event->address, (uintptr_t)block);
    CHECK_EQUAL(event->size, size);
    if (line && !CHECK(site_is(s, here, (uint64_t)line))) printf("        not line %d\n", line);
    return event;
}

// --- Start and stop ------------------------------------------------------------------------------

static void test_trace_start_and_stop(void) {
    if (!TRACES) return;
    reports_start();
    memmgr_trace_stop(); // of nothing
    CHECK(!memmgr_trace_start(NULL, NULL));
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    for (int round = 0; round < 3; round++) {
        if (!trace_begins()) return;
        void *block = memmgr_malloc_at(10, here, 1);
        CHECK(!memmgr_trace_start(keep_bytes, NULL));
        CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
        CHECK(!memmgr_trace_start(NULL, NULL));
        CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
        memmgr_free_at(block, here, 2);
        memmgr_trace_stop();
        size_t size = written.size;
        memmgr_free(memmgr_malloc(20));
        memmgr_trace_stop();
        CHECK_EQUAL(written.size, size);
        story *s = story_open();
        deed_is(s, EVENT_ALLOC, block, 10, 1);
        CHECK_EQUAL(s->thread, 1);
        deed_is(s, EVENT_FREE, block, 0, 2);
        CHECK(story_deed(s) == NULL);
        CHECK_EQUAL(story_all()->live_count, 0);
        CHECK(!written.empty_call);
        CHECK_SILENT();
    }
}

static void test_trace_of_nothing(void) {
    if (!TRACES || !trace_begins()) return;
    memmgr_trace_stop();
    CHECK_EQUAL(written.size, sizeof trace_magic);
    story *s = story_all();
    for (int kind = 0; kind < EVENT_KINDS; kind++)
        CHECK_EQUAL(s->count[kind], 0);
}

// The C library's calls cannot be traced.
static void test_trace_without_switch(void) {
    if (TRACES) return;
    reports_start();
    CHECK(!memmgr_trace_start(keep_bytes, NULL));
    memmgr_free(memmgr_malloc(10));
    memmgr_trace_stop();
    CHECK_EQUAL(written.calls, 0);
}

// --- Every event ---------------------------------------------------------------------------------

// What the calls of general_calls gave.
typedef struct {
    void *plain, *zeroed, *aligned, *again, *larger, *little, *smaller;
} general_blocks;

static general_blocks general_calls(void) {
    memmgr_faults next = {1, 0, 0};
    general_blocks g;
    g.plain = memmgr_malloc_at(100, here, 10);
    g.zeroed = memmgr_calloc_at(7, 30, here, 11);
    g.aligned = memmgr_aligned_alloc_at(4096, 50, here, 12);
    g.again = memmgr_realloc_at(NULL, 60, here, 13);
    g.larger = memmgr_realloc_at(g.plain, 200000, here, 14);
    CHECK(memmgr_malloc_at(opaque(SIZE_MAX), here, 15) == NULL);
    CHECK(memmgr_realloc_at(g.larger, opaque(SIZE_MAX - 100), here, 16) == NULL);
    memmgr_set_faults(&next);
    CHECK(memmgr_calloc_at(10, 10, here, 17) == NULL);
    CHECK(memmgr_calloc_at(opaque(SIZE_MAX), 2, here, 18) == NULL);
    g.little = memmgr_aligned_alloc_at(8, 5, here, 19);
    memmgr_free_at(g.zeroed, here, 20);
    memmgr_free_at(NULL, here, 21); // nothing happens
    memmgr_free_at(g.larger, here, 22);
    memmgr_free_sized(g.aligned, 50);
    g.smaller = memmgr_realloc_at(g.again, 20, here, 23);
    memmgr_free(g.smaller);
    memmgr_free(g.little);
    memmgr_set_faults(NULL);
    return g;
}

static void fail_is(story *s, size_t size, int line) {
    const Event *event = story_deed(s);
    if (!CHECK(event && event->kind == EVENT_FAIL)) return;
    CHECK_EQUAL(event->size, size);
    CHECK(site_is(s, here, (uint64_t)line));
}

static void check_general_events(unsigned flags) {
    memmgr_watch(flags);
    if (!trace_begins()) return;
    general_blocks g = general_calls();
    memmgr_trace_stop();
    memmgr_watch(0);
    story *s = story_open();
    const Event *event = deed_is(s, EVENT_ALLOC, g.plain, 100, 10);
    CHECK(event && !event->zeroed && !event->aligned && s->heap == 0 && s->thread == 1);
    event = deed_is(s, EVENT_ALLOC, g.zeroed, 210, 11);
    CHECK(event && event->zeroed && !event->aligned);
    event = deed_is(s, EVENT_ALLOC, g.aligned, 50, 12);
    CHECK(event && !event->zeroed && event->aligned && event->shift == 12);
    deed_is(s, EVENT_ALLOC, g.again, 60, 13);
    event = deed_is(s, EVENT_RESIZE, g.larger, 200000, 14);
    CHECK(event && event->old == (uintptr_t)g.plain);
    fail_is(s, SIZE_MAX, 15);
    fail_is(s, SIZE_MAX - 100, 16);
    fail_is(s, 100, 17);
    fail_is(s, SIZE_MAX, 18);
    event = deed_is(s, EVENT_ALLOC, g.little, 5, 19);
    CHECK(event && !event->aligned);
    deed_is(s, EVENT_FREE, g.zeroed, 0, 20);
    deed_is(s, EVENT_FREE, g.larger, 0, 22);
    deed_is(s, EVENT_FREE, g.aligned, 0, 0);
    event = deed_is(s, EVENT_RESIZE, g.smaller, 20, 23);
    CHECK(event && event->old == (uintptr_t)g.again);
    deed_is(s, EVENT_FREE, g.smaller, 0, 0);
    deed_is(s, EVENT_FREE, g.little, 0, 0);
    CHECK(story_deed(s) == NULL);
    CHECK_EQUAL(story_all()->live_count, 0);
    CHECK_SILENT();
}

static void test_trace_general_events(void) {
    static const unsigned flags[] = {0, MEMMGR_POOL_TRACK, MEMMGR_POOL_GUARD | MEMMGR_POOL_FILL,
                                     MEMMGR_POOL_FILL, MEMMGR_POOL_QUARANTINE | MEMMGR_POOL_TRACK};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0] && TRACES; i++)
        check_general_events(flags[i]);
}

static memmgr_pool *pool_named(test_buffer *buffer, const char *name, unsigned flags) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, flags);
    desc.name = name;
    return memmgr_pool_init(buffer->at, buffer->size, &desc);
}

// What the calls of pool_calls gave.
typedef struct {
    void *in_pool, *zeroed, *general, *aligned, *larger, *last;
} pool_blocks;

static pool_blocks pool_calls(memmgr_pool *pool, memmgr_pool *other) {
    pool_blocks p;
    p.in_pool = memmgr_pool_alloc_at(pool, 100, here, 30);
    p.zeroed = memmgr_pool_calloc_at(other, 2, 100, here, 31);
    p.general = memmgr_malloc_at(10, here, 32);
    p.aligned = memmgr_pool_aligned_alloc_at(pool, 64, 77, here, 33);
    CHECK(memmgr_pool_alloc_at(pool, 100000, here, 34) == NULL);
    p.larger = memmgr_pool_realloc_at(other, p.zeroed, 300, here, 35);
    memmgr_pool_reset(pool);
    CHECK_EQUAL(memmgr_pool_free_at(other, p.larger, here, 36), MEMMGR_OK);
    p.last = memmgr_pool_alloc_at(other, 10, here, 37);
    CHECK_EQUAL(memmgr_pool_destroy(other), 1);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    memmgr_free(p.general);
    return p;
}

static void clear_is(story *s, uint64_t heap) {
    const Event *event = story_deed(s);
    CHECK(event && event->kind == EVENT_CLEAR && s->heap == heap);
}

static void check_pool_events(const pool_blocks *p) {
    story *s = story_open();
    deed_is(s, EVENT_ALLOC, p->in_pool, 100, 30);
    uint64_t pool = s->heap;
    CHECK(pool != 0 && text_is(s->heap_name, "words"));
    const Event *event = deed_is(s, EVENT_ALLOC, p->zeroed, 200, 31);
    uint64_t other = s->heap;
    CHECK(event && event->zeroed && other != pool && other != 0);
    CHECK(text_is(s->heap_name, "numbers"));
    deed_is(s, EVENT_ALLOC, p->general, 10, 32);
    CHECK_EQUAL(s->heap, 0);
    event = deed_is(s, EVENT_ALLOC, p->aligned, 77, 33);
    CHECK(event && event->aligned && event->shift == 6 && s->heap == pool);
    fail_is(s, 100000, 34);
    CHECK_EQUAL(s->heap, pool);
    event = deed_is(s, EVENT_RESIZE, p->larger, 300, 35);
    CHECK(event && event->old == (uintptr_t)p->zeroed && s->heap == other);
    clear_is(s, pool);
    deed_is(s, EVENT_FREE, p->larger, 0, 36);
    deed_is(s, EVENT_ALLOC, p->last, 10, 37);
    clear_is(s, other);
    clear_is(s, pool);
    deed_is(s, EVENT_FREE, p->general, 0, 0);
    CHECK_EQUAL(s->heap, 0);
    CHECK(story_deed(s) == NULL);
    CHECK_EQUAL(story_all()->live_count, 0);
}

static void test_trace_pool_events(void) {
    if (!TRACES || !trace_begins()) return;
    test_buffer buffer = buffer_new(65536, 0), second = buffer_new(65536, 16);
    memmgr_pool *pool = pool_named(&buffer, "words", MEMMGR_POOL_TRACK);
    memmgr_pool *other = pool_named(&second, "numbers", MEMMGR_POOL_TRACK | MEMMGR_POOL_QUARANTINE);
    REQUIRE(pool && other);
    pool_blocks p = pool_calls(pool, other);
    memmgr_trace_stop();
    check_pool_events(&p);
    buffer_drop(&buffer);
    buffer_drop(&second);
}

// A pool where another one was: its own name counts.
static void test_trace_pool_in_the_same_place(void) {
    static const char *const names[] = {"first", "second", "third"};
    if (!TRACES || !trace_begins()) return;
    test_buffer buffer = buffer_new(65536, 0);
    for (int i = 0; i < 3; i++) {
        memmgr_pool *pool = pool_named(&buffer, names[i], MEMMGR_POOL_TRACK);
        REQUIRE(pool != NULL);
        CHECK(memmgr_pool_alloc_at(pool, 10, here, i + 1) != NULL);
        CHECK_EQUAL(memmgr_pool_destroy(pool), 1);
    }
    memmgr_trace_stop();
    story *s = story_open();
    for (int i = 0; i < 3; i++) {
        const Event *event = story_deed(s);
        CHECK(event && event->kind == EVENT_ALLOC && site_is(s, here, (uint64_t)i + 1));
        if (!CHECK(text_is(s->heap_name, names[i])))
            printf("        %.*s\n", (int)s->heap_name.length, s->heap_name.bytes);
        event = story_deed(s);
        CHECK(event && event->kind == EVENT_CLEAR);
    }
    buffer_drop(&buffer);
}

// Pools that are not tracked are left out; so are misuses, and what only looks.
static void test_trace_leaves_out(void) {
    if (!TRACES || !trace_begins()) return;
    test_buffer buffer = buffer_new(65536, 0);
    unsigned flags[] = {0, MEMMGR_POOL_GUARD, MEMMGR_POOL_FILL, MEMMGR_POOL_QUARANTINE};
    for (size_t i = 0; i < 4; i++) {
        memmgr_pool *pool = pool_named(&buffer, "untold", flags[i]);
        REQUIRE(pool != NULL);
        void *block = memmgr_pool_alloc(pool, 100);
        block = memmgr_pool_realloc(pool, block, 200);
        memmgr_pool_free(pool, block);
        memmgr_pool_reset(pool);
        memmgr_pool_destroy(pool);
    }
    void *block = memmgr_malloc_at(10, here, 1), *freed = pointer_plus(block, 0);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK(memmgr_usable_size(block) >= 10);
    memmgr_free_at(block, here, 2);
    CHECK_SILENT();
    memmgr_free_at(freed, here, 3);
    memmgr_free_at(&buffer, here, 4);
    CHECK(memmgr_realloc_at(freed, 5, here, 5) == NULL);
    CHECK(memmgr_aligned_alloc_at(opaque(24), 5, here, 6) == NULL);
    reports_start();
    memmgr_trace_stop();
    if (!ALL_TRACKED) {
        story *s = story_open();
        deed_is(s, EVENT_ALLOC, block, 10, 1);
        deed_is(s, EVENT_FREE, block, 0, 2);
        CHECK(story_deed(s) == NULL);
    }
    CHECK_EQUAL(story_all()->live_count, 0);
    buffer_drop(&buffer);
}

// Blocks from before the trace, and those that outlive it.
static void test_trace_begins_in_the_middle(void) {
    if (!TRACES) return;
    void *before = memmgr_malloc(10), *moved = memmgr_malloc(10);
    if (!trace_begins()) return;
    memmgr_free_at(before, here, 1);
    void *larger = memmgr_realloc_at(moved, 100000, here, 2);
    void *after = memmgr_malloc_at(30, here, 3);
    memmgr_trace_stop();
    memmgr_free(after);
    memmgr_free(larger);
    story *s = story_all();
    CHECK_EQUAL(s->count[EVENT_FREE], 1);
    CHECK_EQUAL(s->unknown, 2);
    CHECK_EQUAL(s->live_count, 2);
    CHECK(story_find(s, (uintptr_t)larger) && story_find(s, (uintptr_t)after));
}

// --- Sites ---------------------------------------------------------------------------------------

// More than the slots there are, and names longer than what is written at a time: whatever is told
// of an allocation at the time it is told is right.
static void test_trace_many_sites(void) {
    enum { SITES = 6000, NAME = 1500 };
    static char names[4][NAME];
    if (!TRACES) return;
    for (int i = 0; i < 4; i++) {
        memset(names[i], 'a' + i, i == 0 ? 1 : (size_t)i * 400 + 100);
        strcat(names[i], ".c");
    }
    if (!trace_begins()) return;
    for (int i = 0; i < SITES; i++)
        memmgr_free_at(memmgr_malloc_at(10, names[i % 4], 1 + i * 7 % 3001), names[(i + 1) % 4],
                       1 + i);
    memmgr_trace_stop();
    story *s = story_open();
    for (int i = 0; i < SITES; i++) {
        const Event *event = story_deed(s);
        CHECK(event && event->kind == EVENT_ALLOC);
        CHECK(site_is(s, names[i % 4], 1 + (uint64_t)i * 7 % 3001));
        event = story_deed(s);
        CHECK(event && event->kind == EVENT_FREE);
        CHECK(site_is(s, names[(i + 1) % 4], 1 + (uint64_t)i));
    }
    CHECK(story_deed(s) == NULL);
}

// Calls that do not tell their place are told apart by their code.
static void test_trace_code_as_site(void) {
#ifndef MEMMGR_DEBUG
    if (!TRACES || !trace_begins()) return;
    for (int i = 0; i < 3; i++) {
        void *one = kept(memmgr_malloc(10));
        void *two = kept(memmgr_malloc(20));
        memmgr_free(one);
        memmgr_free(two);
    }
    memmgr_trace_stop();
    story *s = story_open();
    uint64_t slots[12] = {0};
    for (int i = 0; i < 12; i++) {
        const Event *event = story_deed(s);
        REQUIRE(event != NULL);
        slots[i] = event->slot;
        CHECK(event->slot != 0 && s->sites[event->slot].line == 0);
        CHECK(s->sites[event->slot].code != 0);
    }
    for (int i = 4; i < 12; i++)
        CHECK(slots[i] == slots[i - 4]);
    CHECK(slots[0] != slots[1] && slots[2] != slots[3]);
#endif
}

// --- Time, and bytes -----------------------------------------------------------------------------

static void test_trace_times(void) {
    struct timespec pause = {0, 20000000};
    if (!TRACES || !trace_begins()) return;
    void *block = memmgr_malloc(10);
    nanosleep(&pause, NULL);
    memmgr_free(block);
    memmgr_trace_stop();
    story *s = story_open();
    const Event *event = story_deed(s);
    uint64_t first = event ? event->time : 0;
    CHECK(event && first < UINT64_C(5000000000));
    event = story_deed(s);
    CHECK(event && event->time - first >= 19000000 && event->time - first < UINT64_C(60000000000));
}

// A trace that was cut anywhere tells what came before: as of a program that died.
static void test_trace_cut_short(void) {
    if (!TRACES || !trace_begins()) return;
    for (int i = 0; i < 40; i++)
        memmgr_free_at(memmgr_malloc_at(10, here, i + 1), here, i + 1);
    memmgr_trace_stop();
    size_t whole = written.size, last = 0;
    for (written.size = sizeof trace_magic - 1; written.size < whole - 1; written.size++) {
        story *s = story_open();
        Reading reading;
        size_t events = 0;
        while ((reading = story_next(s)) == READ_EVENT)
            events++;
        CHECK(reading == READ_CUT);
        CHECK(events >= last && events <= last + 1);
        last = events;
    }
}

// --- Live at the end: as a model says ------------------------------------------------------------

enum { ITEMS = 300 };

typedef struct {
    memmgr_pool *pool; // NULL: the general calls
    void *at;
    size_t size;
} item;

static size_t item_any_size(void) {
    return test_chance(5) ? test_below(3) : test_log_uniform(1, test_chance(5) ? 200000 : 2000);
}

static void item_step(item *one, memmgr_pool *pool) {
    size_t size = item_any_size() + 1;
    if (!one->at) {
        one->pool = pool;
        one->size = size;
        switch (test_below(4)) {
        case 0:
            one->at = pool ? memmgr_pool_calloc(pool, 1, size) : memmgr_calloc(1, size);
            break;
        case 1:
            one->at = pool ? memmgr_pool_aligned_alloc(pool, (size_t)1 << test_below(10), size)
                           : memmgr_aligned_alloc((size_t)1 << test_below(10), size);
            break;
        default:
            one->at = pool ? memmgr_pool_alloc(pool, size) : memmgr_malloc(size);
        }
    } else if (test_chance(40)) {
        void *moved = one->pool ? memmgr_pool_realloc(one->pool, one->at, size)
                                : memmgr_realloc(one->at, size);
        if (!moved) return;
        one->at = moved;
        one->size = size;
    } else {
        if (one->pool)
            memmgr_pool_free(one->pool, one->at);
        else
            memmgr_free(one->at);
        one->at = NULL;
    }
}

static void items_check(const item *items, const story *s) {
    size_t live = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        if (!items[i].at) continue;
        live++;
        const live_block *block = story_find(&the_story, (uintptr_t)items[i].at);
        if (!CHECK(block != NULL)) continue;
        CHECK_EQUAL(block->size, items[i].size);
        CHECK((block->heap == 0) == (items[i].pool == NULL));
    }
    CHECK_EQUAL(s->live_count, live);
    CHECK_EQUAL(s->unknown, 0);
    CHECK_EQUAL(s->reused, 0);
}

static void check_model(unsigned flags) {
    static item items[ITEMS];
    test_buffer buffer = buffer_new((size_t)1 << 20, 0), second = buffer_new(65536, 0);
    memmgr_pool *pools[3] = {NULL, NULL, NULL};
    memset(items, 0, sizeof items);
    memmgr_watch(flags);
    if (!trace_begins()) return;
    pools[1] = pool_named(&buffer, "one", flags | MEMMGR_POOL_TRACK);
    pools[2] = pool_named(&second, "two", flags | MEMMGR_POOL_TRACK | MEMMGR_POOL_LOCKED);
    REQUIRE(pools[1] && pools[2]);
    for (size_t i = 0; i < test_count(30000); i++) {
        item_step(&items[test_below(ITEMS)], pools[test_below(3)]);
        if (test_below(3000) != 0) continue;
        memmgr_pool_reset(pools[2]);
        for (size_t k = 0; k < ITEMS; k++)
            if (items[k].pool == pools[2]) items[k].at = NULL;
    }
    memmgr_trace_stop();
    items_check(items, story_all());
    for (size_t i = 0; i < ITEMS; i++)
        if (items[i].at && !items[i].pool) memmgr_free(items[i].at);
    memmgr_pool_destroy(pools[1]);
    memmgr_pool_destroy(pools[2]);
    memmgr_watch(0);
    buffer_drop(&buffer);
    buffer_drop(&second);
    CHECK_EQUAL(reports.of[MEMMGR_DOUBLE_FREE] + reports.of[MEMMGR_OVERRUN] +
                    reports.of[MEMMGR_INTERIOR_POINTER] + reports.of[MEMMGR_USE_AFTER_FREE],
                0);
}

static void test_trace_model(void) {
    static const unsigned flags[] = {0, MEMMGR_POOL_TRACK, MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK,
                                     MEMMGR_POOL_QUARANTINE | MEMMGR_POOL_FILL};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0] && TRACES; i++)
        check_model(flags[i]);
}

// The writer gets some hundred bytes at a time, in whatever pieces.
static void test_trace_pieces(void) {
    if (!TRACES || !trace_begins()) return;
    for (int i = 0; i < 5000; i++)
        memmgr_free(memmgr_malloc(10));
    memmgr_trace_stop();
    CHECK(written.longest < 4096 && written.size / written.calls > 100);
    CHECK(!written.empty_call);
    CHECK_EQUAL(story_all()->count[EVENT_ALLOC], 5000);
}

// --- Threads -------------------------------------------------------------------------------------

#if HAVE_THREADS

static void trace_work(void *ctx, size_t index) {
    static worker workers[THREADS];
    worker *own = &workers[index];
    worker_open(own, test_seed * 9 + index, (mailbox *)ctx);
    own->largest = 50000;
    for (size_t i = 0; i < test_count(SANITIZED ? 2000 : 15000); i++)
        worker_step(own);
    worker_close(own);
}

static void threads_traced(void *ctx) {
    static mailbox box;
    uint64_t random = test_seed;
    memmgr_watch(*(unsigned *)ctx);
    mailbox_open(&box);
    if (!trace_begins()) return;
    void *first = memmgr_malloc(1);
    CHECK(threads_run(trace_work, &box));
    mailbox_close(&box, &random);
    memmgr_trace_stop();
    story *s = story_all();
    CHECK_EQUAL(s->unknown, 0);
    CHECK_EQUAL(s->reused, 0);
    CHECK_EQUAL(s->live_count, 1);
    CHECK(story_find(s, (uintptr_t)first) != NULL);
    CHECK(s->count[EVENT_THREAD] > THREADS);
    CHECK_EQUAL(s->count[EVENT_FAIL], 0);
    memmgr_free(first);
    CHECK_SILENT();
}

static void test_trace_threads(void) {
    static const unsigned flags[] = {0, MEMMGR_POOL_TRACK | MEMMGR_POOL_QUARANTINE};
    for (size_t i = 0; i < 2 && TRACES; i++) {
        unsigned given = flags[i];
        in_child(threads_traced, &given);
    }
}

// Which thread did what: their numbers are those of the order in which they came.
static void take_one(void *ctx) { *(void **)ctx = memmgr_malloc(10); }
static void drop_one(void *ctx) { memmgr_free(*(void **)ctx); }

static void threads_are_told_apart(void *ctx) {
    servant servants[2];
    void *block[3];
    (void)ctx;
    if (!trace_begins()) return;
    if (!servant_start(&servants[0]) || !servant_start(&servants[1])) return;
    take_one(&block[0]);
    servant_ask(&servants[1], take_one, &block[1]);
    servant_ask(&servants[0], take_one, &block[2]);
    servant_ask(&servants[0], drop_one, &block[0]);
    servant_ask(&servants[0], drop_one, &block[1]);
    drop_one(&block[2]);
    servant_stop(&servants[0]);
    servant_stop(&servants[1]);
    memmgr_trace_stop();
    static const uint64_t threads[] = {1, 2, 3, 3, 3, 1};
    story *s = story_open();
    for (size_t i = 0; i < 6; i++) {
        const Event *event = story_deed(s);
        REQUIRE(event != NULL);
        CHECK_EQUAL(event->kind, i < 3 ? EVENT_ALLOC : EVENT_FREE);
        CHECK_EQUAL(event->address, (uintptr_t)block[i % 3]);
        CHECK_EQUAL(s->thread, threads[i]);
    }
    CHECK(story_deed(s) == NULL);
}

static void test_trace_tells_threads_apart(void) {
    if (TRACES) in_child(threads_are_told_apart, NULL);
}

// --- Fork ----------------------------------------------------------------------------------------

// The child has no part in its parent's trace, and may begin one of its own.
static void child_of_traced(void *ctx) {
    size_t size = written.size, calls = written.calls;
    for (size_t i = 0; i < 1000; i++)
        memmgr_free_at(memmgr_malloc_at(i, here, 1), here, 2);
    memmgr_free(ctx);
    CHECK_EQUAL(written.size, size);
    CHECK_EQUAL(written.calls, calls);
    memmgr_trace_stop();
    CHECK_EQUAL(written.size, size);
    if (!trace_begins()) return;
    void *block = memmgr_malloc_at(77, here, 3);
    memmgr_trace_stop();
    story *s = story_open();
    deed_is(s, EVENT_ALLOC, block, 77, 3);
    CHECK(story_deed(s) == NULL);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
}

static void silent_child_of_traced(void *ctx) {
    size_t size = written.size;
    (void)ctx;
    for (size_t i = 0; i < 1000; i++)
        memmgr_free_at(memmgr_malloc_at(i, here, 1), here, 2);
    CHECK_EQUAL(written.size, size);
}

// Also when the parent has made no general call before it forks: the first of all tests.
static void test_trace_fork_at_once(void) {
    if (!TRACES || !trace_begins()) return;
    in_child(silent_child_of_traced, NULL);
    memmgr_trace_stop();
}

static void check_fork(unsigned flags) {
    memmgr_watch(flags);
    if (!trace_begins()) return;
    void *shared = memmgr_malloc_at(5, here, 1);
    for (int i = 0; i < 30; i++)
        memmgr_free_at(memmgr_malloc_at(50, here, 2), here, 3);
    in_child(child_of_traced, shared);
    own_reports_start();
    void *block = memmgr_malloc_at(60, here, 4);
    memmgr_trace_stop();
    memmgr_free(shared);
    memmgr_free(block);
    memmgr_watch(0);
    story *s = story_all();
    CHECK_EQUAL(s->count[EVENT_ALLOC], 32);
    CHECK_EQUAL(s->count[EVENT_FREE], 30);
    CHECK_EQUAL(s->live_count, 2);
    CHECK_ALL_SILENT();
}

static void test_trace_fork(void) {
    if (!TRACES) return;
    check_fork(0);
    check_fork(MEMMGR_POOL_TRACK | MEMMGR_POOL_QUARANTINE | MEMMGR_POOL_GUARD);
}

// Forks while other threads write to the trace: the children work, and write nothing.
static atomic_bool traced_stop;

static void traced_work(void *ctx) {
    static worker own[2];
    worker *mine = &own[*(size_t *)ctx];
    worker_open(mine, test_seed + *(size_t *)ctx, NULL);
    mine->largest = 20000;
    while (!atomic_load(&traced_stop))
        worker_step(mine);
    worker_close(mine);
}

static void child_among_threads(void *ctx) {
    size_t size = written.size;
    (void)ctx;
    for (size_t i = 0; i < 500; i++)
        memmgr_free(memmgr_malloc(i * 10));
    CHECK_EQUAL(written.size, size);
}

static void fork_among_threads(void *ctx) {
    servant workers[2];
    size_t numbers[2] = {0, 1};
    memmgr_watch(*(unsigned *)ctx);
    if (!trace_begins()) return;
    atomic_store(&traced_stop, false);
    for (size_t i = 0; i < 2; i++) {
        if (!servant_start(&workers[i])) return;
        servant_begin(&workers[i], traced_work, &numbers[i]);
    }
    for (size_t round = 0; round < test_count(25) && written.size < WRITTEN_MOST / 2; round++)
        in_child(child_among_threads, NULL);
    atomic_store(&traced_stop, true);
    for (size_t i = 0; i < 2; i++) {
        servant_wait(&workers[i]);
        servant_stop(&workers[i]);
    }
    memmgr_trace_stop();
    story *s = story_all();
    CHECK_EQUAL(s->unknown + s->reused + s->live_count, 0);
}

static void test_trace_fork_among_threads(void) {
    unsigned flags = MEMMGR_POOL_TRACK | MEMMGR_POOL_QUARANTINE;
    if (TRACES && !UNDER_TSAN) in_child(fork_among_threads, &flags);
}

#endif // HAVE_THREADS
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic pop
#endif

static const test_case tests[] = {
#if HAVE_THREADS
    TEST(test_trace_fork_at_once),
#endif
    TEST(test_trace_start_and_stop), TEST(test_trace_of_nothing),
    TEST(test_trace_without_switch), TEST(test_trace_general_events),
    TEST(test_trace_pool_events),    TEST(test_trace_pool_in_the_same_place),
    TEST(test_trace_leaves_out),     TEST(test_trace_begins_in_the_middle),
    TEST(test_trace_many_sites),     TEST(test_trace_code_as_site),
    TEST(test_trace_times),          TEST(test_trace_cut_short),
    TEST(test_trace_model),          TEST(test_trace_pieces),
#if HAVE_THREADS
    TEST(test_trace_threads),        TEST(test_trace_tells_threads_apart),
    TEST(test_trace_fork),           TEST(test_trace_fork_among_threads),
#endif
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }

#else

int main(void) {
    puts("0 passed, 0 failed");
    return 0;
}
#endif // HAVE_READER
