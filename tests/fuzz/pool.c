// pool.c: a fuzz target. The input is a program of operations on two pools of any kind, misuse
// among them; a model foretells what each call must answer and report.
//
// The model is a list of the live blocks, with what lies around them where they are watched, and of
// those that were freed not long ago. From these, and from where the pool's granules lie, follows
// what every pointer is, what every call must report, and whether there is room.
#include "fuzz.h"

enum {
    BLOCKS = 160,
    FREED = 48,
    REGIONS = 64,
    STEPS = 500,
    POOLS = 2,
    MAPPED_MOST = 6 << 20, // bytes that a source gives in all
    MANY_FINDINGS = 12     // as many as memmgr notes in one call, and some less
};

typedef struct {
    unsigned char *at;
    size_t size, usable; // as asked for; that may be written
    unsigned char *raw;  // with record and guards, where there are any
    size_t raw_size;
    unsigned shift;
    uint32_t tag;
    int line;
    strays changed; // guards
} block;

// A block that was freed. It may be in quarantine, and have been written to there.
typedef struct {
    unsigned char *at, *raw;
    size_t size, raw_size;
    unsigned shift;
    int line, freed_line;
    strays changed; // not yet reported
} freed_block;

typedef struct {
    unsigned char *base;
    size_t size;
    unsigned char *memory; // of malloc; base is not, where the source gives misaligned memory
} region;

typedef struct {
    memmgr_pool *pool; // NULL: there is none
    memmgr_pool_desc desc;
    unsigned flags; // what is switched on for it, also without being asked for
    bool created;
    unsigned char *buffer; // of malloc, exactly as long as
    size_t buffer_size, offset;
    size_t capacity;
    region regions[REGIONS];
    size_t region_count, mapped, mapped_before, map_calls;
    unsigned refusals; // a bit for each of 16 calls of map, in turn
    bool misaligns, refused, picky, moving, reenters;
    block blocks[BLOCKS];
    size_t live;
    freed_block freed[FREED];
    size_t freed_count;
    size_t nth, one_in; // faults
    size_t failures, misuses, failures_at_most;
    size_t peak;
} model;

static model models[POOLS];
static uint32_t next_tag;
static int line; // of the call

static const char here[] = "pool.c";

// --- What the model knows of a pool --------------------------------------------------------------

static bool has(const model *m, unsigned flags) { return (m->flags & flags) != 0; }

static bool is_growing(const model *m) { return (m->desc.flags & MEMMGR_POOL_GROW) != 0; }

// The segment that an address lies in, among its granules; NULL for none.
static const mmi_segment *segment_of(const model *m, const void *address) {
    for (uint32_t i = 0; i < m->pool->segment_count; i++) {
        const mmi_segment *segment = mmi_pool_segment(m->pool, i);
        uintptr_t offset = (uintptr_t)address - (uintptr_t)mmi_segment_granules(segment);
        if (offset / GRANULE < segment->granule_count) return segment;
    }
    return NULL;
}

static bool overlap(const unsigned char *a, size_t a_size, const unsigned char *b, size_t b_size) {
    return a < b + b_size && b < a + a_size;
}

static bool lies_in(const void *pointer, const unsigned char *at, size_t size) {
    return (uintptr_t)pointer - (uintptr_t)at < size;
}

// The raw block of the quarantine's own list; size 0: there is none.
static unsigned char *list_of(const model *m, size_t *size) {
    mmi_live live = {NULL, 0, 0};
    *size = 0;
    unsigned char *list = (unsigned char *)m->pool->quarantine;
    if (list && mmi_pool_locate(m->pool, list, &live) == MEMMGR_OK)
        *size = (size_t)live.length * GRANULE;
    return list;
}

// Is a freed block still in quarantine?
static bool is_held(const model *m, const freed_block *f) {
    mmi_live live;
    size_t list_size;
    if (!has(m, QUARANTINE) || TOOLS) return false;
    if (f->raw == list_of(m, &list_size) || !segment_of(m, f->raw)) return false;
    if (mmi_pool_locate(m->pool, f->raw, &live) != MEMMGR_OK) return false;
    const mmi_record *record = (const mmi_record *)(void *)f->raw;
    return mmi_record_is_valid(record) && record->state == MMI_RECORD_QUARANTINED &&
           mmi_record_block(record) == (char *)f->at && record->requested == f->size;
}

// What a pointer is, and the block it lies in.
static memmgr_error classify(model *m, const void *pointer, block **around) {
    size_t list_size;
    const unsigned char *list = list_of(m, &list_size);
    *around = NULL;
    if (!segment_of(m, pointer)) return MEMMGR_FOREIGN_POINTER;
    for (size_t i = 0; i < m->live; i++) {
        block *b = &m->blocks[i];
        if (!lies_in(pointer, b->raw, b->raw_size)) continue;
        *around = b;
        return pointer == b->at ? MEMMGR_OK : MEMMGR_INTERIOR_POINTER;
    }
    if (lies_in(pointer, list, list_size)) return MEMMGR_INTERIOR_POINTER;
    return is_aligned(pointer, GRANULE) ? MEMMGR_DOUBLE_FREE : MEMMGR_INTERIOR_POINTER;
}

// --- Is there room? ------------------------------------------------------------------------------

static int compare_blocks(const void *a, const void *b) {
    const region *left = (const region *)a, *right = (const region *)b;
    return left->base < right->base ? -1 : left->base > right->base;
}

// Whether a request fits between two addresses, in as many granules as the pool is sure to find:
// with good fit that is more than it needs.
static bool fits_between(const model *m, const unsigned char *from, const unsigned char *to,
                         size_t size, size_t alignment) {
    size_t gap = (size_t)(to - from) / GRANULE, length = granules_up(size) / GRANULE;
    if (m->desc.fit != MEMMGR_FIT_GOOD) {
        size_t skip = (size_t)(0 - (uintptr_t)from) & (alignment - 1);
        return skip < (size_t)(to - from) && length <= ((size_t)(to - from) - skip) / GRANULE;
    }
    if (alignment > GRANULE) length += alignment / GRANULE - 1;
    if (length > 1024)
        length += (length + 3) / 4;
    else if (length > 64)
        length += (length + 31) / 32;
    return length <= gap;
}

// Does a raw request surely fit into one of the runs that there are now? Blocks in quarantine do
// not count: they are let go when there is no room.
static bool fits(const model *m, size_t size, size_t alignment) {
    region taken[BLOCKS + 1];
    size_t count = 0;
    for (size_t i = 0; i < m->live; i++)
        taken[count++] = (region){m->blocks[i].raw, m->blocks[i].raw_size, NULL};
    taken[count].base = list_of(m, &taken[count].size);
    count += taken[count].size != 0;
    qsort(taken, count, sizeof taken[0], compare_blocks);
    if (size > ((size_t)1 << 30) || alignment > ((size_t)1 << 30)) return false;
    for (uint32_t i = 0; i < m->pool->segment_count; i++) {
        const mmi_segment *segment = mmi_pool_segment(m->pool, i);
        const unsigned char *at = (const unsigned char *)mmi_segment_granules(segment);
        const unsigned char *end = at + (size_t)segment->granule_count * GRANULE;
        for (size_t k = 0; k < count; k++) {
            if (!lies_in(taken[k].base, at, (size_t)(end - at))) continue;
            if (fits_between(m, at, taken[k].base, size, alignment)) return true;
            at = taken[k].base + taken[k].size;
        }
        if (fits_between(m, at, end, size, alignment)) return true;
    }
    return false;
}

static size_t pending_count(const model *m) {
    size_t count = 0;
    for (size_t i = 0; i < m->freed_count; i++)
        count += has_strays(&m->freed[i].changed);
    return count;
}

// Bytes of a raw block for so many; SIZE_MAX for none.
static size_t raw_size_of(const model *m, unsigned shift, size_t size) {
    size_t more = has(m, RECORDED) ? front_of(shift) + GUARD_SIZE : 0;
    return size <= SIZE_MAX - more - GRANULE ? granules_up(size + more) : SIZE_MAX;
}

// An allocation of so many bytes is about to be made: may it fail?
static bool may_fail(const model *m, size_t size, size_t alignment) {
    unsigned shift = 4;
    if (m->one_in != 0 || m->picky) return true;
    while (shift < 63 && (size_t)1 << shift < alignment)
        shift++;
    size_t raw_size = raw_size_of(m, shift, size);
    if (raw_size == SIZE_MAX || pending_count(m) >= MANY_FINDINGS) return true;
    return !fits(m, raw_size, alignment);
}

// --- A source of memory --------------------------------------------------------------------------

static void *source_map(size_t size, void *ctx) {
    model *m = (model *)ctx;
    bool refuses = m->refusals >> (m->map_calls++ % 16) & 1;
    EXPECT(size > 0 && size % GRANULE == 0);
    if (is_growing(m) && m->desc.limit && m->desc.source.unmap)
        EXPECT(m->mapped + size <= m->desc.limit);
    if (refuses || size > MAPPED_MOST - m->mapped || m->region_count == REGIONS) {
        m->refused = true;
        return NULL;
    }
    bool misaligned = m->misaligns && m->map_calls % 4 == 2;
    region *r = &m->regions[m->region_count++];
    r->memory = (unsigned char *)malloc(size + misaligned * 8);
    if (!r->memory) abort();
    r->base = r->memory + misaligned * 8;
    r->size = size;
    memset(r->base, 0xB5, size < 65536 ? size : 65536);
    m->mapped += size;
    if (misaligned) m->refused = true;
    return r->base;
}

static void source_unmap(void *memory, size_t size, void *ctx) {
    model *m = (model *)ctx;
    for (size_t i = 0; i < m->region_count; i++) {
        region *r = &m->regions[i];
        if (r->base != memory) continue;
        EXPECT(r->size == size);
        for (size_t k = 0; k < m->live && !m->moving; k++)
            EXPECT(!overlap(m->blocks[k].raw, m->blocks[k].raw_size, r->base, r->size));
        m->mapped -= size;
        free(r->memory);
        *r = m->regions[--m->region_count];
        return;
    }
    fuzz_failed("unmap of what map did not give", __FILE__, __LINE__);
}

// --- Strategies of the program's own -------------------------------------------------------------

static void expect_candidate(const memmgr_block *candidate, const memmgr_block *best) {
    EXPECT(!candidate->live && is_aligned(candidate->address, GRANULE));
    EXPECT(candidate->size >= GRANULE && candidate->size % GRANULE == 0);
    EXPECT(!best || (uintptr_t)best->address + best->size <= (uintptr_t)candidate->address);
}

static bool choose_worst(const memmgr_block *candidate, const memmgr_block *best, size_t size,
                         void *ctx) {
    (void)ctx, (void)size;
    expect_candidate(candidate, best);
    return !best || candidate->size > best->size;
}

static bool choose_picky(const memmgr_block *candidate, const memmgr_block *best, size_t size,
                         void *ctx) {
    (void)ctx, (void)size;
    expect_candidate(candidate, best);
    return candidate->size / GRANULE % 3 != 0;
}

// --- Reports -------------------------------------------------------------------------------------

// No lock is held: the handler may call memmgr.
static void handle(const memmgr_report *report, void *ctx) {
    (void)ctx;
    heard_note(report);
    for (size_t i = 0; i < POOLS; i++) {
        model *m = &models[i];
        if (report->pool != m->pool || !report->pool || !m->reenters) continue;
        (void)memmgr_pool_bytes_free(report->pool);
        if (report->error == MEMMGR_LEAK)
            EXPECT(memmgr_pool_owns(report->pool, report->block ? report->block : report->pool) ==
                   (report->block != NULL));
    }
}

static void settle_use_after_free(model *m, const memmgr_report *report) {
    for (size_t i = 0; i < m->freed_count; i++) {
        freed_block *f = &m->freed[i];
        if (f->at != report->block || !has_strays(&f->changed)) continue;
        EXPECT(report->offset == strays_first(&f->changed));
        EXPECT(report->size == f->size && report->alloc_line == f->line);
        EXPECT(report->free_line == f->freed_line);
        f->changed = no_strays;
        m->misuses++;
        return;
    }
    fuzz_failed("a use after free that there was none of", __FILE__, __LINE__);
}

// An overrun of the block `written`, or with NULL of any.
static void settle_overrun(model *m, const memmgr_report *report, block *written) {
    EXPECT(has(m, GUARD));
    for (size_t i = 0; i < m->live && !written; i++)
        if (m->blocks[i].at == report->block) written = &m->blocks[i];
    EXPECT(written && written->at == report->block && has_strays(&written->changed));
    EXPECT(report->offset == strays_first(&written->changed));
    EXPECT(report->size == written->size && report->alloc_line == written->line);
    written->changed = no_strays;
    m->misuses++;
}

// After a call that was to report `error` of `pointer`, or nothing but what became known of blocks
// that had been written to: of freed ones at any time, of live ones only `written`.
static void settle(model *m, memmgr_error error, const void *pointer, const block *around,
                   block *written) {
    size_t seen = 0;
    bool overrun = written && has(m, GUARD) && has_strays(&written->changed);
    for (size_t i = 0; i < heard.count; i++) {
        const memmgr_report *report = &heard.report[i];
        EXPECT(report->pool == m->pool);
        if (report->error == MEMMGR_USE_AFTER_FREE) {
            settle_use_after_free(m, report);
        } else if (report->error == MEMMGR_OVERRUN) {
            EXPECT(overrun);
            settle_overrun(m, report, written);
        } else {
            EXPECT(report->error == error && report->pointer == pointer);
            if (around) EXPECT(report->block == around->at && report->size == around->usable);
            m->misuses++;
            seen++;
        }
    }
    heard.count = 0;
    EXPECT(seen == (error != MEMMGR_OK));
    if (overrun) EXPECT(!has_strays(&written->changed));
}

static void settle_quiet(model *m) { settle(m, MEMMGR_OK, NULL, NULL, NULL); }

// --- Live blocks ---------------------------------------------------------------------------------

// Where a block lies has been decided: the extents around it.
static void place_block(model *m, block *b, void *pointer, size_t size, unsigned shift) {
    b->at = (unsigned char *)pointer;
    b->size = size;
    b->shift = shift;
    b->usable = has(m, RECORDED) ? size : granules_up(size);
    b->raw = has(m, RECORDED) ? b->at - front_of(shift) : b->at;
    b->raw_size = raw_size_of(m, shift, size);
    b->line = line;
    b->changed = no_strays;
}

static void expect_well_placed(model *m, const block *b) {
    const mmi_segment *segment = segment_of(m, b->raw);
    size_t list_size;
    const unsigned char *list = list_of(m, &list_size);
    EXPECT(is_aligned(b->at, GRANULE));
    EXPECT(segment != NULL);
    EXPECT(segment == segment_of(m, b->raw + b->raw_size - 1));
    for (size_t i = 0; i < m->live; i++) {
        const block *other = &m->blocks[i];
        EXPECT(other == b || !overlap(b->raw, b->raw_size, other->raw, other->raw_size));
    }
    EXPECT(list_size == 0 || !overlap(b->raw, b->raw_size, list, list_size));
}

// Freed blocks that a new block covers are history; what was written to them has been reported.
static void forget_covered(model *m, const block *b) {
    for (size_t i = m->freed_count; i-- > 0;) {
        freed_block *f = &m->freed[i];
        if (!overlap(b->raw, b->raw_size, f->raw, f->raw_size)) continue;
        EXPECT(!has_strays(&f->changed));
        *f = m->freed[--m->freed_count];
    }
}

static void stamp_block(block *b) {
    b->tag = next_tag++;
    (void)stamp_holds(b->at, b->usable, b->usable, b->tag, true);
}

static void expect_contents(const block *b) {
    EXPECT(stamp_holds(b->at, b->usable, b->usable, b->tag, false));
}

// A new live block.
static void take_block(model *m, void *pointer, size_t size, unsigned shift) {
    block *b = &m->blocks[m->live++];
    place_block(m, b, pointer, size, shift);
    expect_well_placed(m, b);
    forget_covered(m, b);
    EXPECT(is_aligned(pointer, (size_t)1 << shift));
    if (input_byte() & 1) EXPECT(memmgr_pool_usable_size(m->pool, pointer) == b->usable);
    stamp_block(b);
}

// A block that is not live any more. What is written to it from here on is written after free.
static void forget_block(model *m, block *b) {
    freed_block *f = &m->freed[m->freed_count % FREED];
    if (m->freed_count == FREED) {
        f = &m->freed[b->tag % FREED];
    } else {
        m->freed_count++;
        f->changed = no_strays;
    }
    if (!has_strays(&f->changed))
        *f = (freed_block){b->at, b->raw, b->size, b->raw_size, b->shift, b->line, line, no_strays};
    *b = m->blocks[--m->live];
}

static block *pick_block(model *m) { return m->live ? &m->blocks[input_below(m->live)] : NULL; }

static freed_block *pick_freed(model *m) {
    return m->freed_count ? &m->freed[input_below(m->freed_count)] : NULL;
}

// --- Allocation ----------------------------------------------------------------------------------

// Is this allocation one that was asked to fail? Counts it.
static bool strikes(model *m) {
    bool nth = m->nth == 1;
    if (m->nth) m->nth--;
    return nth || m->one_in == 1;
}

// An allocation has failed.
static void expect_failure(model *m, bool may, size_t size) {
    m->failures++;
    if (may && !is_growing(m)) return;
    // Quarantine gave way, its segments went back, and were not to be had again.
    if (is_growing(m) && m->refused && m->mapped < m->mapped_before) return;
    if (may && (m->refused || m->desc.limit || size > MAPPED_MOST || m->one_in || m->picky)) return;
    if (may && pending_count(m) >= MANY_FINDINGS) return;
    if (may && !m->desc.source.map) return;
    fuzz_failed("there was room", __FILE__, __LINE__);
}

static void expect_fresh(const model *m, const void *pointer, size_t size, bool zeroed) {
    size_t usable = has(m, RECORDED) ? size : granules_up(size);
    if (zeroed)
        EXPECT(bytes_are(pointer, size, 0));
    else if (has(m, FILL) && !TOOLS)
        EXPECT(bytes_are(pointer, usable, FRESH_BYTE));
}

static unsigned shift_of(size_t alignment) {
    unsigned shift = 4;
    while ((size_t)1 << shift < alignment)
        shift++;
    return shift;
}

static void *call_alloc(model *m, unsigned kind, size_t alignment, size_t count, size_t size) {
    if (kind == 0) return memmgr_pool_aligned_alloc_at(m->pool, alignment, size, here, line);
    if (kind == 1) return memmgr_pool_calloc_at(m->pool, count, size, here, line);
    if (kind == 2) return memmgr_pool_realloc_at(m->pool, NULL, size, here, line);
    return memmgr_pool_alloc_at(m->pool, size, here, line);
}

static void run_alloc(model *m, unsigned kind) {
    size_t alignment = kind == 0 ? input_alignment() : 1;
    size_t count = kind == 1 ? input_size(64) : 1;
    size_t size = input_size(m->capacity), bytes = size;
    bool overflows = kind == 1 && size != 0 && count > SIZE_MAX / size;
    if (m->live == BLOCKS) return;
    if (kind == 1) bytes = overflows ? SIZE_MAX : count * size;
    if (!is_power_of_two(alignment)) {
        EXPECT(!call_alloc(m, kind, alignment, count, size));
        settle(m, MEMMGR_BAD_ARGUMENT, NULL, NULL, NULL);
        return;
    }
    bool may = may_fail(m, bytes, alignment), must = strikes(m);
    m->refused = false;
    m->mapped_before = m->mapped;
    void *pointer = call_alloc(m, kind, alignment, count, size);
    settle_quiet(m);
    if (must) EXPECT(!pointer);
    if (overflows) EXPECT(!pointer);
    if (!pointer) {
        bool too_large = must || alignment > MAPPED_MOST;
        expect_failure(m, may || must || overflows, too_large ? SIZE_MAX : bytes);
        return;
    }
    expect_fresh(m, pointer, bytes, kind == 1);
    take_block(m, pointer, bytes, shift_of(alignment));
}

// --- Freeing -------------------------------------------------------------------------------------

// The free has been made. Freed memory that is still there is full of 0xDD, where that was asked
// for, and what may be quarantined is.
static void expect_freed(model *m, const block *was) {
    freed_block f = {was->at, was->raw, was->size, was->raw_size, was->shift, 0, 0, no_strays};
    const mmi_quarantine *held = (const mmi_quarantine *)m->pool->quarantine;
    bool stays = !is_growing(m) || segment_of(m, was->at) == mmi_pool_first(m->pool);
    if (has(m, QUARANTINE) && !TOOLS && held && was->size <= held->limit) EXPECT(is_held(m, &f));
    if (has(m, FILL) && !TOOLS && stays) EXPECT(bytes_are(was->at, was->usable, FREED_BYTE));
}

static void free_block(model *m, block *b) {
    block was = *b;
    expect_contents(b);
    bool overrun = has(m, GUARD) && has_strays(&b->changed);
    m->moving = true; // its segment may go
    memmgr_error error = memmgr_pool_free_at(m->pool, was.at, here, line);
    m->moving = false;
    EXPECT(error == (overrun ? MEMMGR_OVERRUN : MEMMGR_OK));
    settle(m, MEMMGR_OK, NULL, NULL, b);
    expect_freed(m, &was);
    forget_block(m, b);
}

static void run_free(model *m) {
    block *b = pick_block(m);
    if (b) free_block(m, b);
}

// What realloc has done when it has not failed.
static void resized(model *m, block *b, void *pointer, size_t size) {
    block was = *b;
    size_t same = was.usable < size ? was.usable : size;
    EXPECT(stamp_holds((unsigned char *)pointer, same, was.usable, was.tag, false));
    if (has(m, FILL) && has(m, RECORDED) && !TOOLS && size > was.size)
        EXPECT(bytes_are((unsigned char *)pointer + was.size, size - was.size, FRESH_BYTE));
    if (pointer != was.at) {
        forget_block(m, b);
        b = &m->blocks[m->live++];
    }
    place_block(m, b, pointer, size, pointer == was.at ? was.shift : 4);
    expect_well_placed(m, b);
    forget_covered(m, b);
    EXPECT(memmgr_pool_usable_size(m->pool, pointer) == b->usable);
    stamp_block(b);
}

static void run_realloc(model *m) {
    block *b = pick_block(m);
    size_t size = input_size(m->capacity);
    if (!b) return;
    bool in_place = !TOOLS && !has(m, QUARANTINE);
    bool grows = size > b->usable, may = false, must = false;
    if (grows || !in_place) may = may_fail(m, size, 1);
    if (grows) must = strikes(m);
    m->refused = false;
    m->mapped_before = m->mapped;
    m->moving = true;
    void *pointer = memmgr_pool_realloc_at(m->pool, b->at, size, here, line);
    m->moving = false;
    settle(m, MEMMGR_OK, NULL, NULL, b);
    if (must) EXPECT(!pointer);
    if (pointer) {
        resized(m, b, pointer, size);
        return;
    }
    expect_failure(m, may || must, must ? SIZE_MAX : size);
    expect_contents(b);
}

// --- Comparing -----------------------------------------------------------------------------------

static struct {
    model *m;
    size_t live, live_bytes, free_bytes;
    uintptr_t end; // of the block before
} walk;

static bool meet(const memmgr_block *shown, void *ctx) {
    block *around;
    (void)ctx;
    uintptr_t start = (uintptr_t)shown->address - shown->before;
    EXPECT(start >= walk.end);
    walk.end = start + shown->size + shown->overhead;
    memmgr_error error = classify(walk.m, shown->address, &around);
    if (!shown->live) {
        EXPECT(error == MEMMGR_DOUBLE_FREE);
        walk.free_bytes += shown->overhead ? 0 : shown->size;
        return true;
    }
    EXPECT(error == MEMMGR_OK && around->usable == shown->size);
    EXPECT((uintptr_t)around->raw == start);
    EXPECT(around->raw_size == shown->size + shown->overhead);
    if (has(walk.m, RECORDED)) EXPECT(shown->line == around->line && shown->file == here);
    walk.live++;
    walk.live_bytes += around->raw_size;
    return true;
}

static void compare_stats(model *m, const memmgr_stats *stats) {
    size_t requested = 0;
    for (size_t i = 0; i < m->live; i++)
        requested += m->blocks[i].usable;
    EXPECT(stats->used + stats->free + stats->overhead == stats->capacity);
    EXPECT(stats->used == walk.live_bytes && stats->requested == requested);
    EXPECT(stats->live_blocks == m->live);
    EXPECT(stats->allocations - stats->frees == m->live);
    EXPECT(stats->failures == m->failures);
    EXPECT(stats->misuses == m->misuses);
    EXPECT(stats->peak_used >= stats->used && stats->largest_free <= stats->free);
    EXPECT(stats->fragmentation <= 100);
    EXPECT(memmgr_pool_bytes_used(m->pool) == stats->used);
    EXPECT(memmgr_pool_bytes_free(m->pool) == stats->free);
    EXPECT(memmgr_pool_largest_free(m->pool) == stats->largest_free);
    if (!m->created) EXPECT(stats->capacity == m->buffer_size);
    if (m->created && m->desc.source.map && m->desc.source.unmap)
        EXPECT(stats->capacity == m->mapped);
    if (!has(m, QUARANTINE)) EXPECT(stats->free == walk.free_bytes);
}

static void compare(model *m) {
    memmgr_stats stats;
    memset(&walk, 0, sizeof walk);
    walk.m = m;
    EXPECT(memmgr_pool_walk(m->pool, meet, NULL));
    EXPECT(walk.live == m->live);
    memmgr_pool_stats(m->pool, &stats);
    compare_stats(m, &stats);
    for (size_t i = 0; i < m->live; i++) {
        EXPECT(memmgr_pool_owns(m->pool, m->blocks[i].at));
        expect_contents(&m->blocks[i]);
    }
    EXPECT(heard_nothing());
}

// Audits until nothing more is found: every block that was written to is reported once, and no
// other.
static void audit(model *m) {
    size_t strayed = 0;
    for (size_t i = 0; i < m->live; i++)
        strayed += has(m, GUARD) && has_strays(&m->blocks[i].changed);
    size_t pending = pending_count(m), found = 0;
    for (int round = 0;; round++) {
        memmgr_error error = memmgr_pool_check(m->pool);
        EXPECT((error == MEMMGR_OK) == (heard.count == 0));
        if (heard.count) EXPECT(heard.report[0].error == error);
        found += heard.count;
        for (size_t i = 0; i < heard.count; i++) {
            if (heard.report[i].error == MEMMGR_USE_AFTER_FREE)
                settle_use_after_free(m, &heard.report[i]);
            else
                settle_overrun(m, &heard.report[i], NULL);
        }
        heard.count = 0;
        if (error == MEMMGR_OK) break;
        EXPECT(round < 2 * BLOCKS);
    }
    EXPECT(found == strayed + pending);
}

// largest_free tells the truth.
static void run_largest(model *m) {
    size_t largest = memmgr_pool_largest_free(m->pool);
    if (largest == 0 || m->live == BLOCKS || m->nth || m->one_in || m->picky) return;
    void *pointer = memmgr_pool_alloc_at(m->pool, largest, here, line);
    EXPECT(pointer != NULL);
    settle_quiet(m);
    take_block(m, pointer, largest, 4);
}

// --- Pictures ------------------------------------------------------------------------------------

static struct {
    size_t length, open, closed;
    char last;
} drawn;

static void draw_text(const char *text, size_t length, void *ctx) {
    (void)ctx;
    for (size_t i = 0; i < length; i++) {
        EXPECT(text[i] != '\0');
        drawn.open += text[i] == '{' || text[i] == '<';
        drawn.closed += text[i] == '}' || text[i] == '>';
        drawn.last = text[i];
    }
    drawn.length += length;
}

static void run_draw(model *m) {
    unsigned kind = input_byte() % 4;
    memset(&drawn, 0, sizeof drawn);
    if (kind == 3)
        memmgr_pool_json(m->pool, draw_text, NULL);
    else
        memmgr_pool_draw(m->pool, (memmgr_picture)kind, draw_text, NULL);
    EXPECT(drawn.length > 0 && heard_nothing());
    if (kind == MEMMGR_PICTURE_SVG) EXPECT(drawn.open == drawn.closed);
}

// --- Misuse --------------------------------------------------------------------------------------

static unsigned char in_static_memory[64];
static void *in_heap;

static void *foreign_pointer(model *m) {
    unsigned char on_the_stack[64];
    unsigned kind = input_byte();
    const model *other = &models[m == models];
    switch (kind % 8) {
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
    case 5:
        return other->live ? (void *)other->blocks[0].at : (void *)m->pool;
    case 6:
        return pointer_plus(other->pool ? (void *)other->pool : (void *)m->pool, kind / 8 * 16);
    default:
        return pointer_plus(m->pool, kind / 8 * 16);
    }
}

// At the ends of a segment, and anywhere in it.
static void *near_pointer(model *m) {
    const mmi_segment *segment =
        mmi_pool_segment(m->pool, (uint32_t)input_below(m->pool->segment_count));
    const char *low = mmi_segment_granules(segment);
    size_t bytes = (size_t)segment->granule_count * GRANULE;
    switch (input_byte() % 4) {
    case 0:
        return pointer_plus(low, (intptr_t)input_below(64) - 32);
    case 1:
        return pointer_plus(low + bytes, (intptr_t)input_below(64) - 32);
    case 2:
        return pointer_plus(low, (intptr_t)(input_word() * GRANULE % bytes));
    default:
        return pointer_plus(segment, (intptr_t)input_word());
    }
}

// A pointer that is perhaps none of a live block.
static void *wrong_pointer(model *m) {
    const block *b = pick_block(m);
    const freed_block *f = pick_freed(m);
    switch (input_byte() % 6) {
    case 0:
        return foreign_pointer(m);
    case 1:
        return near_pointer(m);
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
    EXPECT(a->capacity == b->capacity && a->used == b->used && a->free == b->free);
    EXPECT(a->largest_free == b->largest_free && a->overhead == b->overhead);
    EXPECT(a->peak_used == b->peak_used && a->requested == b->requested);
    EXPECT(a->live_blocks == b->live_blocks && a->allocations == b->allocations);
    EXPECT(a->frees == b->frees && a->failures == b->failures);
    EXPECT(a->misuses + 1 == b->misuses);
}

static void call_wrongly(model *m, unsigned kind, void *pointer, memmgr_error error) {
    if (kind == 0)
        EXPECT(!memmgr_pool_realloc_at(m->pool, pointer, input_size(m->capacity), here, line));
    else if (kind == 1)
        EXPECT(memmgr_pool_usable_size_at(m->pool, pointer, here, line) == 0);
    else if (kind == 2)
        EXPECT(memmgr_pool_free(m->pool, pointer) == error);
    else
        EXPECT(memmgr_pool_free_at(m->pool, pointer, here, line) == error);
}

// A block that is free is known with the lines of its allocation and its free while it is in
// quarantine.
static void expect_lines(model *m, const void *pointer) {
    for (size_t i = 0; i < m->freed_count && heard.count == 1; i++) {
        const freed_block *f = &m->freed[i];
        if (f->at != pointer || !is_held(m, f)) continue;
        EXPECT(heard.report[0].alloc_line == f->line);
        EXPECT(heard.report[0].free_line == f->freed_line);
    }
}

static void run_misuse(model *m) {
    unsigned kind = input_byte();
    void *pointer = wrong_pointer(m);
    memmgr_stats before, after;
    block *around;
    if (!pointer) return;
    memmgr_error error = classify(m, pointer, &around);
    EXPECT(memmgr_pool_owns(m->pool, pointer) == (error == MEMMGR_OK));
    EXPECT(heard_nothing());
    if (error == MEMMGR_OK) return;
    bool compares = kind & 128;
    if (compares) memmgr_pool_stats(m->pool, &before);
    call_wrongly(m, kind % 4, pointer, error);
    if (error == MEMMGR_DOUBLE_FREE) expect_lines(m, pointer);
    settle(m, error, pointer, around, NULL);
    if (!compares) return;
    memmgr_pool_stats(m->pool, &after);
    expect_same(&before, &after);
}

// A block is freed, and at once again.
static void run_double_free(model *m) {
    block *b = pick_block(m), *around;
    if (!b) return;
    void *pointer = b->at;
    free_block(m, b);
    memmgr_error error = classify(m, pointer, &around); // its segment may be gone
    call_wrongly(m, input_byte() % 4, pointer, error);
    expect_lines(m, pointer);
    settle(m, error, pointer, around, NULL);
}

static void run_null(model *m) {
    EXPECT(memmgr_pool_free(m->pool, NULL) == MEMMGR_OK);
    EXPECT(memmgr_pool_usable_size(m->pool, NULL) == 0);
    EXPECT(!memmgr_pool_owns(m->pool, NULL));
    EXPECT(heard_nothing());
    EXPECT(!memmgr_pool_alloc(NULL, 1) && heard_one(MEMMGR_BAD_ARGUMENT, NULL, NULL));
    EXPECT(memmgr_pool_free(NULL, in_heap) == MEMMGR_BAD_ARGUMENT);
    EXPECT(heard_one(MEMMGR_BAD_ARGUMENT, NULL, NULL));
    EXPECT(!memmgr_pool_walk(m->pool, NULL, NULL));
    settle(m, MEMMGR_BAD_ARGUMENT, NULL, NULL, NULL);
    memmgr_pool_draw(m->pool, MEMMGR_PICTURE_TEXT, NULL, NULL);
    settle(m, MEMMGR_BAD_ARGUMENT, NULL, NULL, NULL);
}

// --- Stray writes --------------------------------------------------------------------------------

static void run_stray(model *m) {
    block *b = pick_block(m);
    if (!b || TOOLS || !has(m, RECORDED)) return;
    stray_into_guard(b->at, b->size, b->shift, &b->changed);
}

static void run_write_after_free(model *m) {
    freed_block *f = pick_freed(m);
    if (!f || !is_held(m, f)) return;
    if (input_byte() % 4 == 0)
        stray_into_guard(f->at, f->size, f->shift, &f->changed);
    else
        stray_into_block(f->at, f->size, &f->changed);
}

// --- Life and death ------------------------------------------------------------------------------

static void forget_all(model *m) {
    for (size_t i = 0; i < m->freed_count; i++)
        EXPECT(!has_strays(&m->freed[i].changed));
    m->live = m->freed_count = 0;
}

static void run_reset(model *m) {
    m->moving = true;
    memmgr_pool_reset(m->pool);
    m->moving = false;
    settle_quiet(m);
    forget_all(m);
}

// A pool in a buffer may be moved, while its blocks are not watched.
static void run_move(model *m) {
    if (m->created || has(m, RECORDED)) return;
    unsigned char *buffer = (unsigned char *)malloc(m->offset + m->buffer_size);
    if (!buffer) abort();
    ptrdiff_t distance = buffer - m->buffer;
    memcpy(buffer, m->buffer, m->offset + m->buffer_size);
    free(m->buffer);
    m->buffer = buffer;
    m->pool = (memmgr_pool *)pointer_plus(m->pool, distance);
    m->freed_count = 0;
    for (size_t i = 0; i < m->live; i++) {
        m->blocks[i].at += distance;
        m->blocks[i].raw += distance;
    }
}

static void run_faults(model *m) {
    memmgr_faults faults = {input_byte() % 8, 0, 0};
    unsigned kind = input_byte();
    if (kind % 4 == 0) faults.one_in = kind / 4 % 4;
    faults.seed = kind;
    m->nth = faults.nth;
    m->one_in = faults.one_in;
    memmgr_pool_set_faults(m->pool, kind == 255 ? NULL : &faults);
    if (kind == 255) m->nth = m->one_in = 0;
    EXPECT(heard_nothing());
}

// What a pool that has ended says to calls.
static void call_dead(model *m, memmgr_pool *pool) {
    EXPECT(!memmgr_pool_alloc(pool, 16) && heard_one(MEMMGR_BAD_ARGUMENT, NULL, pool));
    EXPECT(memmgr_pool_free(pool, m->buffer) == MEMMGR_BAD_ARGUMENT);
    EXPECT(heard_one(MEMMGR_BAD_ARGUMENT, NULL, pool));
    EXPECT(memmgr_pool_check(pool) == MEMMGR_BAD_ARGUMENT);
    EXPECT(heard_one(MEMMGR_BAD_ARGUMENT, NULL, pool));
    EXPECT(memmgr_pool_destroy(pool) == 0 && heard_one(MEMMGR_BAD_ARGUMENT, NULL, pool));
}

// The reports of leaks: every live block in one of them, at most 17.
static void expect_leaks(model *m, size_t leaks) {
    size_t told = 0, reports = 0;
    EXPECT(leaks == m->live);
    for (size_t i = 0; i < heard.count; i++) {
        const memmgr_report *report = &heard.report[i];
        if (report->error == MEMMGR_USE_AFTER_FREE) {
            settle_use_after_free(m, report);
            continue;
        }
        EXPECT(report->error == MEMMGR_LEAK && report->pool == m->pool);
        told += report->count;
        reports++;
    }
    EXPECT(told == leaks && reports <= 17 && (reports != 0) == (leaks != 0));
    if (!has(m, RECORDED)) EXPECT(reports == (leaks < 17 ? leaks : 17));
    heard.count = 0;
}

static void run_leaks(model *m) { expect_leaks(m, memmgr_pool_leaks(m->pool)); }

static void close_pool(model *m) {
    memmgr_pool *pool = m->pool;
    if (!pool) return;
    audit(m);
    compare(m);
    m->moving = true;
    expect_leaks(m, memmgr_pool_destroy(pool));
    m->pool = NULL;
    forget_all(m);
    if (!m->created) {
        call_dead(m, pool);
        for (size_t i = 0; i < m->offset; i++)
            EXPECT(m->buffer[i] == 0x5A);
        free(m->buffer);
    }
    if (m->desc.source.unmap) EXPECT(m->region_count == 0);
    while (m->region_count)
        free(m->regions[--m->region_count].memory);
}

static size_t input_capacity(void) {
    unsigned kind = input_byte();
    if (kind < 40) return 300 + kind * 24 + input_byte() % 24;
    if (kind < 200) return 1024 + input_word() / (1 + kind % 8);
    if (kind < 232) return ((size_t)1 << 20) - 16384 + input_word(); // just with classes
    if (kind < 244) return (size_t)2 << 20;
    return kind < 250 ? kind - 244 : input_extreme();
}

// A desc; sometimes one that cannot be.
static void input_desc(model *m) {
    static const char *const names[] = {NULL,           "pool",       "",
                                        "a<b>&\"c\"\\", "\xFF\x01\n", "long name"};
    unsigned fit = input_byte(), kind = input_byte();
    memmgr_pool_desc *desc = &m->desc;
    desc->name = names[input_below(sizeof names / sizeof names[0])];
    desc->flags = input_byte() & 0x7F;
    desc->fit = fit < 128 ? MEMMGR_FIT_GOOD : (memmgr_fit)(fit % 4);
    if (fit == 255) desc->fit = (memmgr_fit)4;
    if (desc->fit == MEMMGR_FIT_CUSTOM && fit != 251) {
        m->picky = fit & 16;
        desc->choose = m->picky ? choose_picky : choose_worst;
    }
    m->reenters = kind & 1;
    if (kind & 2) {
        desc->source.map = source_map;
        if (kind & 4 || kind & 8) desc->source.unmap = source_unmap;
        desc->source.ctx = m;
    }
    m->misaligns = kind & 16;
    m->refusals = kind & 32 ? input_word() : 0;
    if (kind & 64) desc->limit = 1024 + input_word() * 8;
    if (kind == 255) desc->flags |= 1u << (7 + input_below(25));
}

static bool is_valid(const memmgr_pool_desc *desc) {
    if (desc->flags & ~0x7Fu || (unsigned)desc->fit > MEMMGR_FIT_CUSTOM) return false;
    return desc->fit != MEMMGR_FIT_CUSTOM || desc->choose;
}

// What a segment of so many bytes would be, also of more than there are.
static void expect_layout(size_t size) {
    mmi_segment segment;
    size_t granules = mmi_segment_fit(&segment, size, true);
    memset(&segment, 0, sizeof segment);
    EXPECT(granules <= size / GRANULE);
    EXPECT(granules == 0 || mmi_segment_fit(&segment, size, true) == granules);
    EXPECT(granules == 0 || segment.granules_offset + granules * GRANULE <= size);
    EXPECT(segment.level_count <= sizeof segment.level_offset / sizeof segment.level_offset[0]);
}

static memmgr_pool *open_in_buffer(model *m) {
    size_t size = m->capacity < MAPPED_MOST ? m->capacity : 0;
    m->offset = input_below(64);
    m->buffer_size = size;
    m->buffer = (unsigned char *)malloc(m->offset + size + (size == 0));
    if (!m->buffer) abort();
    memset(m->buffer, 0x5A, m->offset);
    memset(m->buffer + m->offset, 0xA7, size < 65536 ? size : 65536);
    memmgr_pool *pool = memmgr_pool_init(m->buffer + m->offset, m->capacity, &m->desc);
    if (!pool) free(m->buffer);
    return pool;
}

// A request for a pool that cannot be is refused, and reported; one that is too small, or that
// there is no memory for, only refused.
static void open_pool(model *m) {
    memset(m, 0, sizeof *m);
    m->capacity = input_capacity();
    expect_layout(m->capacity);
    m->created = input_byte() & 1;
    input_desc(m);
    bool valid = is_valid(&m->desc);
    if (!m->created) {
        if (m->capacity > UINTPTR_MAX / 2)
            m->desc.flags |= MEMMGR_POOL_GROW; // refused, so that it is never touched
        else if (m->capacity > MAPPED_MOST)
            m->capacity = 65536;
        valid = valid && !is_growing(m);
    }
    m->flags = m->desc.flags | (TOOLS ? (unsigned)(TRACK | GUARD) : 0);
    if (!m->desc.source.map && m->created) { // the system would have more
        if (m->capacity > MAPPED_MOST) m->capacity = 65536;
        if (m->desc.limit == 0) m->desc.limit = MAPPED_MOST;
    }
    m->pool = m->created ? memmgr_pool_create(m->capacity, &m->desc) : open_in_buffer(m);
    EXPECT(heard.count == (valid ? 0 : 1));
    if (!valid) EXPECT(!m->pool && heard.report[0].error == MEMMGR_BAD_ARGUMENT);
    heard.count = 0;
    if (valid && !m->created && m->capacity >= 768) EXPECT(m->pool != NULL);
    if (!m->pool) EXPECT(!m->desc.source.unmap || m->region_count == 0);
    while (!m->pool && m->region_count)
        free(m->regions[--m->region_count].memory);
}

// --- Steps ---------------------------------------------------------------------------------------

static void step(model *m, unsigned operation) {
    switch (operation) {
    default:
        run_alloc(m, operation % 4);
        break;
    case 8:
    case 9:
    case 10:
    case 11:
        run_free(m);
        break;
    case 12:
    case 13:
    case 14:
        run_realloc(m);
        break;
    case 15:
    case 16:
    case 17:
    case 18:
        run_misuse(m);
        break;
    case 19:
        run_double_free(m);
        break;
    case 20:
        run_stray(m);
        break;
    case 21:
    case 22:
        run_write_after_free(m);
        break;
    case 23:
        audit(m);
        break;
    case 24:
        compare(m);
        break;
    case 25:
        run_largest(m);
        break;
    case 26:
        run_draw(m);
        break;
    case 27:
        run_null(m);
        break;
    case 28:
        run_move(m);
        break;
    case 29:
        run_faults(m);
        break;
    case 30:
        run_leaks(m);
        break;
    case 31:
        run_reset(m);
        break;
    }
    EXPECT(heard_nothing());
}

static void run_step(void) {
    unsigned operation = input_byte();
    model *m = &models[operation >> 7];
    fuzz_step++;
    line = 1 + (int)(fuzz_step % 40);
    if ((operation & 0x7F) == 0x7F) close_pool(m);
    if (!m->pool)
        open_pool(m);
    else
        step(m, operation & 31);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!in_heap) in_heap = malloc(256);
    stamps_make();
    memmgr_set_error_handler(handle, NULL);
    heard.count = 0;
    next_tag = 0;
    input_open(data, size);
    memset(models, 0, sizeof models);
    open_pool(&models[0]);
    while (!input_ended() && fuzz_step < STEPS)
        run_step();
    for (size_t i = 0; i < POOLS; i++)
        close_pool(&models[i]);
    return 0;
}
