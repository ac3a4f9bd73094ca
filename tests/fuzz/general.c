// general.c: a fuzz target. The input is a program of general calls, misuse among them, made by up
// to three threads in turn: one hands over to the other and waits, so that a run is the same each
// time. Threads end and are replaced; what is watched changes on the way. A model foretells what
// each call must answer and report.
//
// The heap is the process's: it is not new when a run begins, but all blocks of the run before are
// freed, and nothing is watched.
#include "fuzz.h"

#include <pthread.h>

enum {
    BLOCKS = 200,
    FREED = 64,
    STEPS = 400,
    WORKERS = 2,
    LARGEST = 3 << 20,   // bytes that must be had
    ALIGNMENT = 1 << 20, // and their alignment
    MANY_FINDINGS = 12   // as many as memmgr notes in one call, and some less
};

// Where the C library's does so.
#if defined(__GLIBC__)
enum { REALLOC_0_FREES = 1 };
#else
enum { REALLOC_0_FREES = 0 };
#endif

typedef struct {
    unsigned char *at;
    size_t size, usable; // as asked for; that may be written
    unsigned char *raw;  // with record and guards, where there are any
    size_t raw_size;
    unsigned shift;
    bool recorded;
    uint32_t tag;
    int line;
    strays changed; // guards
} block;

// A block that was freed. It may be in quarantine, and have been written to there.
typedef struct {
    unsigned char *at, *raw;
    size_t size, raw_size;
    unsigned shift;
    bool recorded;
    int line, freed_line;
    strays changed; // not yet reported
} freed_block;

static struct {
    unsigned flags; // of memmgr_watch, and what the tools add
    block blocks[BLOCKS];
    size_t live;
    freed_block freed[FREED];
    size_t freed_count;
    size_t nth, one_in; // faults
    size_t failures, misuses;
    memmgr_stats base; // when the run began
    uint32_t next_tag;
} m;

static int line; // of the call
static const char here[] = "general.c";

static bool has(unsigned flags) { return (m.flags & flags) != 0; }

// --- Threads -------------------------------------------------------------------------------------

typedef struct {
    pthread_t thread;
    bool there, busy, ends;
    unsigned operation;
} worker;

static worker workers[WORKERS];
static pthread_mutex_t baton = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t handed = PTHREAD_COND_INITIALIZER;

static void step(unsigned operation);

static void *work(void *ctx) {
    worker *w = (worker *)ctx;
    pthread_mutex_lock(&baton);
    for (;;) {
        while (!w->busy)
            pthread_cond_wait(&handed, &baton);
        if (w->ends) break;
        step(w->operation);
        w->busy = false;
        pthread_cond_broadcast(&handed);
    }
    pthread_mutex_unlock(&baton);
    return NULL;
}

// Makes another thread do something, and waits for it.
static void hand_over(worker *w, unsigned operation) {
    if (!w->there && pthread_create(&w->thread, NULL, work, w) != 0) abort();
    pthread_mutex_lock(&baton);
    w->there = w->busy = true;
    w->ends = false;
    w->operation = operation;
    pthread_cond_broadcast(&handed);
    while (w->busy)
        pthread_cond_wait(&handed, &baton);
    pthread_mutex_unlock(&baton);
}

static void end_worker(worker *w) {
    if (!w->there) return;
    pthread_mutex_lock(&baton);
    w->busy = w->ends = true;
    pthread_cond_broadcast(&handed);
    pthread_mutex_unlock(&baton);
    pthread_join(w->thread, NULL);
    w->there = w->busy = false;
}

static void end_workers(void) {
    for (size_t i = 0; i < WORKERS; i++)
        end_worker(&workers[i]);
}

// --- What the model knows ------------------------------------------------------------------------

static bool overlap(const unsigned char *a, size_t a_size, const unsigned char *b, size_t b_size) {
    return a < b + b_size && b < a + a_size;
}

static bool lies_in(const void *pointer, const unsigned char *at, size_t size) {
    return (uintptr_t)pointer - (uintptr_t)at < size;
}

static size_t raw_size_at(const void *raw) {
    memmgr_block around;
    memmgr_error error = MEMMGR_OK;
    return mmi_heap_size(raw, &error, &around);
}

// The raw block of the quarantine's own list; size 0: there is none.
static const unsigned char *list_of(size_t *size) {
    const unsigned char *list = (const unsigned char *)mmi_watch_quarantine(NULL);
    *size = list ? raw_size_at(list) : 0;
    return list;
}

// Is an address of no live block in the general calls' memory?
static bool is_theirs(const void *pointer) {
    if (mmi_arena_find((uintptr_t)pointer)) return true;
    for (uint32_t i = 0; mmi_large.pool && i < mmi_large.pool->segment_count; i++) {
        const mmi_segment *segment = mmi_pool_segment(mmi_large.pool, i);
        uintptr_t offset = (uintptr_t)pointer - (uintptr_t)mmi_segment_granules(segment);
        if (offset / GRANULE < segment->granule_count) return true;
    }
    return false;
}

static memmgr_error classify(const void *pointer, block **around) {
    size_t list_size;
    const unsigned char *list = list_of(&list_size);
    *around = NULL;
    for (size_t i = 0; i < m.live; i++) {
        block *b = &m.blocks[i];
        if (!lies_in(pointer, b->raw, b->raw_size)) continue;
        *around = b;
        return pointer == b->at ? MEMMGR_OK : MEMMGR_INTERIOR_POINTER;
    }
    if (lies_in(pointer, list, list_size)) return MEMMGR_INTERIOR_POINTER;
    if (!is_theirs(pointer)) return MEMMGR_FOREIGN_POINTER;
    return is_aligned(pointer, GRANULE) ? MEMMGR_DOUBLE_FREE : MEMMGR_INTERIOR_POINTER;
}

// Is a freed block still in quarantine?
static bool is_held(const freed_block *f) {
    size_t list_size;
    if (TOOLS || !f->recorded || f->raw == list_of(&list_size) || !is_theirs(f->raw)) return false;
    if (raw_size_at(f->raw) != f->raw_size) return false;
    const mmi_record *record = (const mmi_record *)(void *)f->raw;
    return mmi_record_is_valid(record) && record->state == MMI_RECORD_QUARANTINED &&
           mmi_record_block(record) == (char *)f->at && record->requested == f->size;
}

static size_t pending_count(void) {
    size_t count = 0;
    for (size_t i = 0; i < m.freed_count; i++)
        count += has_strays(&m.freed[i].changed);
    return count;
}

// --- Reports -------------------------------------------------------------------------------------

// No lock is held: the handler may call memmgr.
static void handle(const memmgr_report *report, void *ctx) {
    memmgr_stats stats;
    (void)ctx;
    heard_note(report);
    if (report->error != MEMMGR_LEAK) memmgr_stats_get(&stats);
}

static void settle_use_after_free(const memmgr_report *report) {
    for (size_t i = 0; i < m.freed_count; i++) {
        freed_block *f = &m.freed[i];
        if (f->at != report->block || !has_strays(&f->changed)) continue;
        EXPECT(report->offset == strays_first(&f->changed));
        EXPECT(report->size == f->size && report->alloc_line == f->line);
        EXPECT(report->free_line == f->freed_line);
        f->changed = no_strays;
        m.misuses++;
        return;
    }
    fuzz_failed("a use after free that there was none of", __FILE__, __LINE__);
}

// An overrun of the block `written`, or with NULL of any.
static void settle_overrun(const memmgr_report *report, block *written) {
    EXPECT(has(GUARD));
    for (size_t i = 0; i < m.live && !written; i++)
        if (m.blocks[i].at == report->block) written = &m.blocks[i];
    EXPECT(written && written->at == report->block && has_strays(&written->changed));
    EXPECT(report->offset == strays_first(&written->changed));
    EXPECT(report->size == written->size && report->alloc_line == written->line);
    written->changed = no_strays;
    m.misuses++;
}

// After a call that was to report `error` of `pointer`, or nothing but what became known of blocks
// that had been written to: of freed ones at any time, of live ones only `written`.
static void settle(memmgr_error error, const void *pointer, const block *around, block *written) {
    size_t seen = 0;
    bool overrun = written && has(GUARD) && has_strays(&written->changed);
    for (size_t i = 0; i < heard.count; i++) {
        const memmgr_report *report = &heard.report[i];
        EXPECT(report->pool == NULL);
        if (report->error == MEMMGR_USE_AFTER_FREE) {
            settle_use_after_free(report);
        } else if (report->error == MEMMGR_OVERRUN) {
            EXPECT(overrun);
            settle_overrun(report, written);
        } else {
            EXPECT(report->error == error && report->pointer == pointer);
            if (around) EXPECT(report->block == around->at && report->size == around->usable);
            m.misuses++;
            seen++;
        }
    }
    heard.count = 0;
    EXPECT(seen == (error != MEMMGR_OK));
    if (overrun) EXPECT(!has_strays(&written->changed));
}

static void settle_quiet(void) { settle(MEMMGR_OK, NULL, NULL, NULL); }

// --- Live blocks ---------------------------------------------------------------------------------

// Freed blocks that a new block covers are history; what was written to them has been reported.
static void forget_covered(const block *b) {
    for (size_t i = m.freed_count; i-- > 0;) {
        freed_block *f = &m.freed[i];
        if (!overlap(b->raw, b->raw_size, f->raw, f->raw_size)) continue;
        EXPECT(!has_strays(&f->changed));
        *f = m.freed[--m.freed_count];
    }
}

static void expect_well_placed(const block *b) {
    size_t list_size;
    const unsigned char *list = list_of(&list_size);
    EXPECT(is_aligned(b->at, GRANULE) && is_theirs(b->raw));
    EXPECT(b->raw_size >= (size_t)(b->at - b->raw) + b->usable);
    for (size_t i = 0; i < m.live; i++) {
        const block *other = &m.blocks[i];
        EXPECT(other == b || !overlap(b->raw, b->raw_size, other->raw, other->raw_size));
    }
    EXPECT(list_size == 0 || !overlap(b->raw, b->raw_size, list, list_size));
}

static void place_block(block *b, void *pointer, size_t size, unsigned shift, bool recorded) {
    b->at = (unsigned char *)pointer;
    b->size = size;
    b->shift = shift;
    b->recorded = recorded;
    b->raw = recorded ? b->at - front_of(shift) : b->at;
    b->raw_size = raw_size_at(b->raw);
    b->usable = recorded ? size : b->raw_size;
    b->line = line;
    b->changed = no_strays;
    EXPECT(memmgr_usable_size(pointer) == b->usable && b->usable >= size);
    expect_well_placed(b);
    forget_covered(b);
    b->tag = m.next_tag++;
    (void)stamp_holds(b->at, b->usable, b->usable, b->tag, true);
}

static void expect_contents(const block *b) {
    EXPECT(stamp_holds(b->at, b->usable, b->usable, b->tag, false));
}

static void forget_block(block *b) {
    freed_block *f = &m.freed[m.freed_count % FREED];
    if (m.freed_count == FREED) {
        f = &m.freed[b->tag % FREED];
    } else {
        m.freed_count++;
        f->changed = no_strays;
    }
    if (!has_strays(&f->changed))
        *f = (freed_block){b->at,       b->raw,  b->size, b->raw_size, b->shift,
                           b->recorded, b->line, line,    no_strays};
    *b = m.blocks[--m.live];
}

static block *pick_block(void) { return m.live ? &m.blocks[input_below(m.live)] : NULL; }

static freed_block *pick_freed(void) {
    return m.freed_count ? &m.freed[input_below(m.freed_count)] : NULL;
}

// --- Allocation ----------------------------------------------------------------------------------

// Is this allocation one that was asked to fail? Counts it.
static bool strikes(void) {
    bool nth = m.nth == 1;
    if (m.nth) m.nth--;
    return nth || m.one_in == 1;
}

// Too large to be had anywhere, or not large: what lies between is not asked for.
static size_t input_general_size(void) {
    size_t size = input_size((size_t)1 << 20);
    if (size > LARGEST && size < SIZE_MAX / 16) size = SIZE_MAX - size;
    return size;
}

// The same for alignments.
static size_t input_general_alignment(void) {
    size_t alignment = input_alignment(), too_large = (size_t)1 << (8 * sizeof(size_t) - 2);
    return is_power_of_two(alignment) && alignment > ALIGNMENT ? too_large : alignment;
}

static void expect_fresh(const void *pointer, size_t size, bool zeroed) {
    if (zeroed)
        EXPECT(bytes_are(pointer, size, 0));
    else if (has(FILL) && !TOOLS)
        EXPECT(bytes_are(pointer, has(RECORDED) ? size : memmgr_usable_size(pointer), FRESH_BYTE));
}

static unsigned shift_of(size_t alignment) {
    unsigned shift = 4;
    while ((size_t)1 << shift < alignment)
        shift++;
    return shift;
}

static void *call_alloc(unsigned kind, size_t alignment, size_t count, size_t size) {
    if (kind == 0) return memmgr_aligned_alloc_at(alignment, size, here, line);
    if (kind == 1) return memmgr_calloc_at(count, size, here, line);
    if (kind == 2) return memmgr_realloc_at(NULL, size, here, line);
    return memmgr_malloc_at(size, here, line);
}

static void run_alloc(unsigned kind) {
    size_t alignment = kind == 0 ? input_general_alignment() : 1;
    size_t size = input_general_size();
    size_t count = kind == 1 ? input_size(64) : 1, bytes = size;
    if (m.live == BLOCKS) return;
    if (kind == 1) {
        bool overflows = size != 0 && count > SIZE_MAX / size;
        bytes = overflows ? SIZE_MAX : count * size;
        if (bytes > LARGEST && bytes < SIZE_MAX / 16) count = 1, bytes = size;
    }
    if (!is_power_of_two(alignment)) {
        EXPECT(!call_alloc(kind, alignment, count, size));
        settle(MEMMGR_BAD_ARGUMENT, NULL, NULL, NULL);
        return;
    }
    bool must = strikes();
    void *pointer = call_alloc(kind, alignment, count, size);
    settle_quiet();
    if (must || bytes > LARGEST || alignment > ALIGNMENT) EXPECT(!pointer);
    if (!pointer) {
        EXPECT(must || m.one_in || bytes > LARGEST || alignment > ALIGNMENT);
        m.failures++;
        return;
    }
    EXPECT(is_aligned(pointer, alignment));
    expect_fresh(pointer, bytes, kind == 1);
    place_block(&m.blocks[m.live++], pointer, bytes, shift_of(alignment), has(RECORDED));
}

// --- Freeing -------------------------------------------------------------------------------------

static void free_block(block *b) {
    block was = *b;
    expect_contents(b);
    if (b->tag % 3 == 0)
        memmgr_free(was.at);
    else if (b->tag % 3 == 1)
        memmgr_free_sized(was.at, was.size);
    else
        memmgr_free_at(was.at, here, line);
    settle(MEMMGR_OK, NULL, NULL, b);
    int own_line = line;
    if (was.tag % 3 != 2) line = 0; // not known
    forget_block(b);
    line = own_line;
    freed_block f = {was.at,       was.raw, was.size, was.raw_size, was.shift,
                     was.recorded, 0,       0,        no_strays};
    const mmi_quarantine *held = mmi_watch_quarantine(NULL);
    if (has(QUARANTINE) && !TOOLS && was.recorded && held && was.size <= held->limit)
        EXPECT(is_held(&f));
}

static void run_free(void) {
    block *b = pick_block();
    if (b) free_block(b);
}

static void resized(block *b, void *pointer, size_t size) {
    block was = *b;
    size_t same = was.usable < size ? was.usable : size;
    EXPECT(stamp_holds((unsigned char *)pointer, same, was.usable, was.tag, false));
    if (has(FILL) && has(RECORDED) && was.recorded && !TOOLS && size > was.size)
        EXPECT(bytes_are((unsigned char *)pointer + was.size, size - was.size, FRESH_BYTE));
    if (pointer == was.at) {
        place_block(b, pointer, size, was.shift, was.recorded);
        return;
    }
    forget_block(b);
    place_block(&m.blocks[m.live++], pointer, size, 4, has(RECORDED));
}

static void run_realloc(void) {
    block *b = pick_block();
    size_t size = input_general_size();
    if (!b) return;
    bool must = size > b->usable && strikes(), frees = size == 0 && REALLOC_0_FREES;
    expect_contents(b);
    void *pointer = memmgr_realloc_at(b->at, size, here, line);
    settle(MEMMGR_OK, NULL, NULL, b);
    if (must || size > LARGEST || frees) EXPECT(!pointer);
    if (frees) {
        forget_block(b);
    } else if (pointer) {
        resized(b, pointer, size);
    } else {
        EXPECT(must || size > LARGEST || (m.one_in && size > b->usable));
        m.failures++;
        expect_contents(b);
    }
}

// --- Comparing -----------------------------------------------------------------------------------

enum { SHOWN = 8192 };

// What a walk has shown; it is looked at afterwards, for a visitor must make no general call.
static struct {
    memmgr_block block[SHOWN];
    size_t count, live, live_bytes;
} walk;

static bool meet(const memmgr_block *shown, void *ctx) {
    (void)ctx;
    EXPECT(walk.count < SHOWN);
    walk.block[walk.count++] = *shown;
    return true;
}

static void expect_shown(const memmgr_block *shown) {
    block *around;
    memmgr_error error = classify(shown->address, &around);
    if (!shown->live) {
        EXPECT(error != MEMMGR_OK && !around);
        return;
    }
    EXPECT(error == MEMMGR_OK && around->usable == shown->size);
    EXPECT(around->raw_size == shown->size + shown->overhead);
    if (around->recorded) EXPECT(shown->line == around->line && shown->file == here);
    walk.live++;
    walk.live_bytes += around->raw_size;
}

static void walk_all(void) {
    walk.count = walk.live = walk.live_bytes = 0;
    EXPECT(memmgr_walk(meet, NULL));
    for (size_t i = 0; i < walk.count; i++)
        expect_shown(&walk.block[i]);
    EXPECT(walk.live == m.live);
}

static void compare(void) {
    memmgr_stats stats;
    size_t requested = 0;
    walk_all();
    memmgr_stats_get(&stats);
    for (size_t i = 0; i < m.live; i++) {
        requested += m.blocks[i].usable;
        expect_contents(&m.blocks[i]);
    }
    EXPECT(stats.used + stats.free + stats.overhead == stats.capacity);
    EXPECT(stats.used == walk.live_bytes && stats.live_blocks == m.live);
    EXPECT(stats.requested == requested);
    EXPECT(stats.allocations - stats.frees == m.live);
    EXPECT(stats.failures - m.base.failures == m.failures);
    EXPECT(stats.misuses - m.base.misuses == m.misuses);
    EXPECT(stats.largest_free <= stats.free && stats.fragmentation <= 100);
    EXPECT(heard_nothing());
}

// Audits until nothing more is found: every block that was written to is reported once, and no
// other.
static void audit(void) {
    size_t strayed = 0, pending = pending_count(), found = 0;
    for (size_t i = 0; i < m.live; i++)
        strayed += has(GUARD) && has_strays(&m.blocks[i].changed);
    for (int round = 0;; round++) {
        memmgr_error error = memmgr_check();
        EXPECT((error == MEMMGR_OK) == (heard.count == 0));
        if (heard.count) EXPECT(heard.report[0].error == error);
        found += heard.count;
        for (size_t i = 0; i < heard.count; i++) {
            if (heard.report[i].error == MEMMGR_USE_AFTER_FREE)
                settle_use_after_free(&heard.report[i]);
            else
                settle_overrun(&heard.report[i], NULL);
        }
        heard.count = 0;
        if (error == MEMMGR_OK) break;
        EXPECT(round < 2 * BLOCKS);
    }
    EXPECT(found == strayed + pending);
}

static void run_leaks(void) {
    size_t told = 0, leaks = memmgr_leaks();
    EXPECT(leaks == m.live && heard.count <= 17 + 17);
    for (size_t i = 0; i < heard.count; i++) {
        EXPECT(heard.report[i].error == MEMMGR_LEAK && !heard.report[i].pool);
        told += heard.report[i].count;
    }
    EXPECT(told == leaks);
    heard.count = 0;
}

// --- Misuse --------------------------------------------------------------------------------------

static unsigned char in_static_memory[64];
static void *in_heap;
static unsigned char pool_memory[4096];
static memmgr_pool *a_pool;

static void *foreign_pointer(void) {
    unsigned char on_the_stack[64];
    unsigned kind = input_byte();
    switch (kind % 6) {
    case 0:
        return pointer_plus(on_the_stack, kind / 8);
    case 1:
        return pointer_plus(in_static_memory, kind / 8);
    case 2:
        return pointer_plus(in_heap, kind / 8);
    case 3:
        return pointer_plus(NULL, 1 + kind / 8 * 16);
    case 4:
        return pointer_plus(NULL, -1 - (intptr_t)(kind / 8) * 8);
    default:
        return pointer_plus(pool_memory, kind / 8 * 16);
    }
}

// A pointer that is perhaps none of a live block.
static void *wrong_pointer(void) {
    const block *b = pick_block();
    const freed_block *f = pick_freed();
    switch (input_byte() % 6) {
    case 0:
        return foreign_pointer();
    case 1:
        return b ? pointer_plus(b->raw + b->raw_size, (intptr_t)input_below(128) - 64) : NULL;
    case 2:
        return b ? pointer_plus(b->at, (intptr_t)input_below(b->usable + 1)) : NULL;
    case 3:
        return b ? pointer_plus(b->raw, (intptr_t)input_below(b->raw_size)) : NULL;
    case 4:
        return f ? pointer_plus(f->raw, (intptr_t)input_below(f->raw_size)) : NULL;
    default:
        return f ? f->at : NULL;
    }
}

static void expect_same(const memmgr_stats *a, const memmgr_stats *b) {
    EXPECT(a->used == b->used && a->requested == b->requested);
    EXPECT(a->live_blocks == b->live_blocks && a->failures == b->failures);
    EXPECT(a->misuses + 1 == b->misuses);
}

static void call_wrongly(unsigned kind, void *pointer) {
    if (kind == 0)
        EXPECT(!memmgr_realloc_at(pointer, input_general_size(), here, line));
    else if (kind == 1)
        EXPECT(memmgr_usable_size_at(pointer, here, line) == 0);
    else if (kind == 2)
        memmgr_free(pointer);
    else
        memmgr_free_at(pointer, here, line);
}

static void run_misuse(void) {
    unsigned kind = input_byte();
    void *pointer = wrong_pointer();
    memmgr_stats before, after;
    block *around;
    if (!pointer) return;
    memmgr_error error = classify(pointer, &around);
    if (error == MEMMGR_OK) return;
    memmgr_stats_get(&before);
    call_wrongly(kind % 4, pointer);
    settle(error, pointer, around, NULL);
    memmgr_stats_get(&after);
    expect_same(&before, &after);
}

// A block is freed, and at once again.
static void run_double_free(void) {
    block *b = pick_block(), *around;
    if (!b) return;
    void *pointer = b->at;
    free_block(b);
    memmgr_error error = classify(pointer, &around); // its memory may have gone back
    call_wrongly(input_byte() % 4, pointer);
    settle(error, pointer, around, NULL);
}

static void run_null(void) {
    memmgr_free(NULL);
    EXPECT(memmgr_usable_size(NULL) == 0);
    EXPECT(heard_nothing());
    EXPECT(!memmgr_walk(NULL, NULL));
    settle(MEMMGR_BAD_ARGUMENT, NULL, NULL, NULL);
    EXPECT(!memmgr_trace_start(NULL, NULL));
    settle(MEMMGR_BAD_ARGUMENT, NULL, NULL, NULL);
    memmgr_watch(MEMMGR_POOL_GROW);
    settle(MEMMGR_BAD_ARGUMENT, NULL, NULL, NULL);
}

// --- Stray writes --------------------------------------------------------------------------------

static void run_stray(void) {
    block *b = pick_block();
    if (!b || TOOLS || !b->recorded) return;
    stray_into_guard(b->at, b->size, b->shift, &b->changed);
}

static void run_write_after_free(void) {
    freed_block *f = pick_freed();
    if (!f || !is_held(f)) return;
    if (input_byte() % 4 == 0)
        stray_into_guard(f->at, f->size, f->shift, &f->changed);
    else
        stray_into_block(f->at, f->size, &f->changed);
}

// --- What is switched on, and off ----------------------------------------------------------------

static void set_watch(unsigned flags) {
    end_workers();
    memmgr_watch(flags);
    m.flags = flags | (TOOLS ? (unsigned)(TRACK | GUARD) : 0);
    settle_quiet();
    if (!(flags & QUARANTINE)) EXPECT(pending_count() == 0);
}

static void set_faults(size_t nth, size_t one_in) {
    memmgr_faults faults = {nth, one_in, nth};
    end_workers();
    m.nth = nth;
    m.one_in = one_in;
    memmgr_set_faults(nth || one_in ? &faults : NULL);
    EXPECT(heard_nothing());
}

static void run_watch(void) {
    unsigned kind = input_byte();
    set_watch((kind & 1 ? (unsigned)TRACK : 0) | (kind & 2 ? (unsigned)GUARD : 0) |
              (kind & 4 ? (unsigned)FILL : 0) | (kind & 8 ? (unsigned)QUARANTINE : 0));
}

static void run_faults(void) {
    unsigned kind = input_byte();
    set_faults(kind % 8, kind / 8 % 4 == 3 ? kind / 32 : 0);
}

static void job(void *ctx) {
    void *first = memmgr_malloc(100);
    void *second = first ? memmgr_calloc(10, 300) : NULL;
    void *third = second ? memmgr_realloc(first, 70000) : NULL;
    memmgr_free(third ? third : first);
    memmgr_free(second);
    ++*(size_t *)ctx;
}

static void run_fail_each(void) {
    size_t runs = 0;
    set_faults(0, 0);
    EXPECT(memmgr_fail_each(NULL, job, &runs) == 3 && runs == 4);
    m.failures += 3;
    settle_quiet();
}

static void count_text(const char *text, size_t length, void *ctx) {
    for (size_t i = 0; i < length; i++)
        EXPECT(text[i] != '\0');
    *(size_t *)ctx += length;
}

static void run_draw(void) {
    size_t length = 0;
    unsigned kind = input_byte() % 4;
    if (kind == 3)
        memmgr_json(count_text, &length);
    else
        memmgr_draw((memmgr_picture)kind, count_text, &length);
    EXPECT(length > 0 && heard_nothing());
}

// --- Steps ---------------------------------------------------------------------------------------

// Those that any thread may take.
static void step(unsigned operation) {
    switch (operation) {
    default:
        run_alloc(operation % 4);
        break;
    case 12:
    case 13:
    case 14:
    case 15:
    case 16:
    case 17:
    case 18:
        run_free();
        break;
    case 19:
    case 20:
    case 21:
        run_realloc();
        break;
    case 22:
    case 23:
    case 24:
        run_misuse();
        break;
    case 25:
        run_double_free();
        break;
    case 26:
        run_stray();
        break;
    case 27:
        run_write_after_free();
        break;
    case 28:
        audit();
        break;
    case 29:
        compare();
        break;
    case 30:
        (void)memmgr_trim();
        break;
    case 31:
        run_null();
        break;
    }
    EXPECT(heard_nothing());
}

// Those that are for the first thread, alone or not.
static void control(unsigned operation) {
    switch (operation % 8) {
    case 0:
    case 1:
        run_watch();
        break;
    case 2:
        run_faults();
        break;
    case 3:
        end_worker(&workers[0]);
        break;
    case 4:
        end_worker(&workers[1]);
        break;
    case 5:
        run_leaks();
        break;
    case 6:
        run_draw();
        break;
    default:
        run_fail_each();
        break;
    }
    EXPECT(heard_nothing());
}

// The operation's high bits name the thread; every eighth is for the first one.
static void run_step(void) {
    unsigned operation = input_byte(), thread = operation >> 6;
    fuzz_step++;
    line = 1 + (int)(fuzz_step % 40);
    if (operation & 32 && thread == 1)
        control(operation);
    else if (thread < 2)
        step(operation & 31);
    else
        hand_over(&workers[thread - 2], operation & 31);
}

// The pool of large blocks as the library makes it, but smaller: else an audit, which is linear in
// it, would be all that a run does.
static void make_large_pool(void) {
    size_t size = (size_t)2 << 20;
    memmgr_pool_desc desc;
    if (mmi_large.pool) return;
    (void)mmi_pool_desc_with_defaults(NULL, &desc);
    desc.name = "heap";
    desc.flags = MEMMGR_POOL_GROW | MEMMGR_POOL_EAGER;
    mmi_large.pool = mmi_pool_make(mmi_os_map(size), size, &desc, true, true);
    EXPECT(mmi_large.pool);
}

static void run_open(void) {
    memset(&m, 0, sizeof m);
    m.flags = TOOLS ? (unsigned)(TRACK | GUARD) : 0;
    heard.count = 0;
    memmgr_stats_get(&m.base);
    EXPECT(m.base.live_blocks == 0 && m.base.used == 0);
}

// With no block live and no thread but this one nothing is lost: every slab becomes an idle unit
// again.
static void expect_all_idle(void) {
    (void)mmi_heap_give_all();
    for (size_t i = 0; i < mmi_arena_all.count; i++)
        for (size_t j = 0; j < mmi_arena_at(i)->fresh; j++)
            EXPECT(!mmi_heap_owner(&mmi_arena_at(i)->units[j]));
    EXPECT(!mmi_large.pool || mmi_large.pool->used == 0);
}

// All is as it was before the run; as far as the library is concerned, nothing was ever watched.
static void run_close(void) {
    end_workers();
    set_faults(0, 0);
    audit();
    compare();
    while (m.live)
        free_block(&m.blocks[m.live - 1]);
    audit();
    set_watch(0);
    compare();
    void *list = mmi_watch_quarantine(NULL);
    mmi_watch_set_quarantine(NULL, NULL);
    if (list) EXPECT(mmi_watch_raw_free(NULL, list) == MEMMGR_OK);
    expect_all_idle();
    if (TOOLS) return;
    mmi_heap_all.watched = 0;
    if (mmi_heap_is_real(mmi_heap_mine)) mmi_heap_short = mmi_heap_mine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!in_heap) in_heap = malloc(256);
    if (!a_pool) a_pool = memmgr_pool_init(pool_memory, sizeof pool_memory, NULL);
    stamps_make();
    make_large_pool();
    memmgr_set_error_handler(handle, NULL);
    input_open(data, size);
    run_open();
    while (!input_ended() && fuzz_step < STEPS)
        run_step();
    run_close();
    return 0;
}
