// test_model.c: random operations on a pool against a naive model of it.
//
// The model is an array of live blocks and, for every granule of the pool's memory, the number of
// the live block that it belongs to. From these two it foretells what every call must answer,
// misuses included. Contents are a pattern of each block's own, so that a byte which belongs to two
// blocks shows.
#include "support.h"

enum { MODEL_SLOTS = 1 << 18, MODEL_REGIONS = 256, MODEL_RECENT = 64, REGION_MAX = 1 << 26 };

typedef struct {
    unsigned char *at;
    size_t size; // usable bytes
    uint64_t tag;
    size_t position; // in model.order
} live_block;

// A buffer or a segment: [ base | header and map | low ... granules ... high | rest ]
typedef struct {
    unsigned char *base;
    size_t size;
    const unsigned char *low, *high; // NULL until a walk has shown them
    uint32_t *owner;                 // per 16 bytes from base's granule: slot + 1, or 0
} region;

typedef struct {
    memmgr_pool *pool;
    memmgr_pool_desc desc;
    test_buffer buffer; // where not created
    bool created;
    size_t capacity;
    region regions[MODEL_REGIONS];
    size_t region_count;
    size_t max_size; // of most requests
    bool filling;    // more is allocated than freed, at the moment
    bool mapped;     // a new region, of which the granules are not known
    bool moving;     // within a realloc, which may free what the model holds to be live
    size_t live;
    size_t used, peak_low, peak_high;
    size_t allocations, moves, failures, misuses;
    uint64_t next_tag;
    void *recent[MODEL_RECENT]; // freed not long ago
} model;

static live_block slots[MODEL_SLOTS];
static uint32_t order[MODEL_SLOTS]; // the first model.live are the slots in use, the rest are free
static model m;

static unsigned char other_buffer[4096];
static memmgr_pool *other_pool;
static void *other_live, *other_freed, *other_heap;

// --- Regions -------------------------------------------------------------------------------------

static size_t region_index(const region *r, const void *at) {
    return ((uintptr_t)at - ((uintptr_t)r->base & ~(uintptr_t)(GRANULE - 1))) / GRANULE;
}

static void region_add(unsigned char *base, size_t size) {
    if (m.region_count == MODEL_REGIONS) abort();
    region *r = &m.regions[m.region_count++];
    memset(r, 0, sizeof *r);
    r->base = base;
    r->size = size;
    r->owner = (uint32_t *)calloc(size / GRANULE + 2, sizeof *r->owner);
    if (!r->owner) abort();
    m.mapped = true;
}

static void region_drop(size_t index) {
    free(m.regions[index].owner);
    m.regions[index] = m.regions[--m.region_count];
}

static region *region_of(const void *at) {
    for (size_t i = 0; i < m.region_count; i++) {
        uintptr_t base = (uintptr_t)m.regions[i].base;
        if ((uintptr_t)at >= base && (uintptr_t)at - base < m.regions[i].size) return &m.regions[i];
    }
    return NULL;
}

// Blocks stand side by side from a region's first granule to its last, so a walk tells where these
// are.
static bool region_extend(const memmgr_block *block, void *ctx) {
    region *r = region_of(block->address);
    const unsigned char *from = (const unsigned char *)block->address;
    (void)ctx;
    if (!CHECK(r != NULL)) return false;
    if (!r->low || from < r->low) r->low = from;
    if (from + block->size > r->high) r->high = from + block->size;
    return true;
}

// After a call that may have mapped something. A mapping without blocks is the pool's own.
static void regions_learn(void) {
    if (!m.mapped || !SWITCH_ON) return;
    m.mapped = false;
    memmgr_pool_walk(m.pool, region_extend, NULL);
    for (size_t i = 0; i < m.region_count; i++) {
        const region *r = &m.regions[i];
        if (r->low) CHECK(r->low >= r->base && r->high <= r->base + r->size);
    }
}

static void *model_map(size_t size, void *ctx) {
    (void)ctx;
    if (test_chance(10) || m.region_count == MODEL_REGIONS || size > REGION_MAX) return NULL;
    unsigned char *raw = (unsigned char *)malloc(size + 64);
    if (!raw) return NULL;
    memset(raw, 0xB5, size + 64);
    size_t shift = 64 - (uintptr_t)raw % 32 - GRANULE; // 16 past a multiple of 32
    raw[shift - 1] = (unsigned char)shift;
    region_add(raw + shift, size);
    return raw + shift;
}

static void model_unmap(void *memory, size_t size, void *ctx) {
    unsigned char *at = (unsigned char *)memory;
    (void)ctx;
    for (size_t i = 0; i < m.region_count; i++) {
        region *r = &m.regions[i];
        if (r->base != at || !CHECK_EQUAL(r->size, size)) continue;
        for (size_t k = 0; k < size / GRANULE && !m.moving; k++) {
            if (!CHECK_EQUAL(r->owner[k], 0)) break;
        }
        region_drop(i);
        free(at - at[-1]);
        return;
    }
    FAIL("unmap of what map did not give");
}

// --- Live blocks ---------------------------------------------------------------------------------

static void owners_set(const live_block *block, uint32_t from, uint32_t to) {
    region *r = region_of(block->at);
    if (!r) return;
    size_t first = region_index(r, block->at);
    for (size_t i = 0; i < block->size / GRANULE; i++) {
        if (r->owner[first + i] != from) {
            FAIL("a granule belongs to one block");
            return;
        }
        r->owner[first + i] = to;
    }
}

// A new live block, at its place, filled with its pattern.
static void model_take(void *pointer, size_t size) {
    live_block *block = &slots[order[m.live]];
    block->at = (unsigned char *)pointer;
    block->size = granules_up(size);
    block->tag = m.next_tag++;
    block->position = m.live++;
    if (SWITCH_ON) {
        region *r = region_of(pointer);
        if (!CHECK(r && block->at >= r->low && block->at + block->size <= r->high)) return;
        owners_set(block, 0, (uint32_t)(block - slots) + 1);
    }
    m.used += block->size;
    if (m.used > m.peak_low) m.peak_low = m.used;
    if (m.used > m.peak_high) m.peak_high = m.used;
    CHECK_EQUAL(memmgr_pool_usable_size(m.pool, pointer), block->size);
    pattern_fill(pointer, block->size, block->tag);
}

static void model_forget(live_block *block) {
    uint32_t slot = (uint32_t)(block - slots);
    if (SWITCH_ON) owners_set(block, slot + 1, 0);
    m.used -= block->size;
    m.live--;
    order[block->position] = order[m.live];
    slots[order[m.live]].position = block->position;
    order[m.live] = slot;
    m.recent[test_below(MODEL_RECENT)] = block->at;
}

static live_block *model_pick(void) { return m.live ? &slots[order[test_below(m.live)]] : NULL; }

// What a call must say to this pointer, and the live block that it lies in.
static memmgr_error model_expects(const void *pointer, const live_block **block) {
    const region *r = region_of(pointer);
    const unsigned char *at = (const unsigned char *)pointer;
    *block = NULL;
    if (!r || !r->low || at < r->low || at >= r->high) {
        return MEMMGR_FOREIGN_POINTER;
    }
    uint32_t owner = r->owner[region_index(r, pointer)];
    if (owner == 0) {
        return is_aligned(pointer, GRANULE) ? MEMMGR_DOUBLE_FREE : MEMMGR_INTERIOR_POINTER;
    }
    *block = &slots[owner - 1];
    return (*block)->at == pointer ? MEMMGR_OK : MEMMGR_INTERIOR_POINTER;
}

static size_t model_longest_gap(void) {
    size_t longest = 0;
    for (size_t i = 0; i < m.region_count; i++) {
        const region *r = &m.regions[i];
        size_t run = 0;
        for (const unsigned char *at = r->low; at < r->high; at += GRANULE) {
            run = r->owner[region_index(r, at)] ? 0 : run + GRANULE;
            if (run > longest) longest = run;
        }
    }
    return longest;
}

// --- Comparing -----------------------------------------------------------------------------------

static bool model_meet(const memmgr_block *block, void *ctx) {
    size_t *live = (size_t *)ctx;
    const live_block *known;
    *live += block->live ? 1 : 0;
    if (!SWITCH_ON) return true;
    memmgr_error expected = model_expects(block->address, &known);
    if (!block->live) return CHECK_EQUAL(expected, MEMMGR_DOUBLE_FREE);
    return CHECK_EQUAL(expected, MEMMGR_OK) && CHECK_EQUAL(block->size, known->size);
}

static void model_compare_stats(void) {
    memmgr_stats stats;
    memmgr_pool_stats(m.pool, &stats);
    CHECK_EQUAL(stats.used, m.used);
    CHECK_EQUAL(stats.live_blocks, m.live);
    CHECK_EQUAL(stats.used + stats.free + stats.overhead, stats.capacity);
    CHECK_EQUAL(stats.allocations - stats.frees, m.live);
    CHECK(stats.allocations >= m.allocations && stats.allocations <= m.allocations + m.moves);
    CHECK_EQUAL(stats.failures, m.failures);
    CHECK_EQUAL(stats.misuses, m.misuses);
    CHECK(stats.peak_used >= m.peak_low && stats.peak_used <= m.peak_high);
    CHECK_EQUAL(memmgr_pool_bytes_used(m.pool), stats.used);
    CHECK_EQUAL(memmgr_pool_bytes_free(m.pool), stats.free);
    CHECK_EQUAL(memmgr_pool_largest_free(m.pool), stats.largest_free);
    if (!SWITCH_ON) return;
    size_t bytes = 0;
    for (size_t i = 0; i < m.region_count; i++)
        bytes += m.regions[i].size;
    CHECK_EQUAL(stats.capacity, bytes);
    CHECK(stats.largest_free <= model_longest_gap());
}

static void model_compare(void) {
    size_t live = 0;
    model_compare_stats();
    CHECK(memmgr_pool_walk(m.pool, model_meet, &live));
    CHECK_EQUAL(live, m.live);
    CHECK_EQUAL(memmgr_pool_check(m.pool), MEMMGR_OK);
    CHECK_SILENT();
}

static void model_compare_contents(void) {
    for (size_t i = 0; i < m.live; i++) {
        const live_block *block = &slots[order[i]];
        if (!CHECK(pattern_holds(block->at, block->size, block->tag))) return;
    }
}

// --- Legitimate operations -----------------------------------------------------------------------

static size_t model_size(void) {
    switch (test_below(64)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return m.capacity + test_below(m.capacity + 1);
    case 3:
        return test_below(m.capacity + 1);
    case 4:
        return opaque(SWITCH_ON && test_chance(50) ? SIZE_MAX / 2 : SIZE_MAX) - test_below(64);
    default:
        return test_log_uniform(1, m.max_size);
    }
}

static bool model_pool_is_exact(void) {
    return SWITCH_ON && m.desc.fit != MEMMGR_FIT_GOOD && !(m.desc.flags & MEMMGR_POOL_GROW);
}

// A request failed: was there really no room?
static void model_failed(size_t size, size_t alignment) {
    m.failures++;
    if (m.desc.flags & MEMMGR_POOL_GROW || alignment > GRANULE) return;
    size_t needed = size > SIZE_MAX - GRANULE ? SIZE_MAX : granules_up(size);
    CHECK(needed > memmgr_pool_largest_free(m.pool));
    if (model_pool_is_exact()) CHECK(needed > model_longest_gap());
}

static void model_alloc(void) {
    size_t size = model_size();
    size_t count = 1 + test_below(4);
    size_t alignment = 1;
    void *pointer;
    if (m.live == MODEL_SLOTS) return;
    unsigned kind = (unsigned)test_below(4);
    if (kind == 0) {
        alignment = (size_t)1 << test_below(test_chance(5) ? 23 : 10);
        pointer = memmgr_pool_aligned_alloc(m.pool, alignment, size);
    } else if (kind == 1) {
        bool overflows = size > SIZE_MAX / 8;
        if (overflows) count = 4;
        size = overflows ? size : size / count;
        pointer = memmgr_pool_calloc(m.pool, count, size);
        size = overflows ? SIZE_MAX : size * count;
    } else {
        pointer = memmgr_pool_alloc(m.pool, size);
    }
    CHECK_SILENT();
    regions_learn();
    if (!pointer) {
        model_failed(size, alignment);
        return;
    }
    m.allocations++;
    CHECK(is_aligned(pointer, GRANULE) && is_aligned(pointer, alignment));
    if (kind == 1)
        CHECK(bytes_are(pointer, size, 0));
    else if (m.desc.flags & MEMMGR_POOL_FILL)
        CHECK(bytes_are(pointer, granules_up(size), 0xCC));
    model_take(pointer, size);
}

static void model_free(void) {
    live_block *block = model_pick();
    if (!block) return;
    void *pointer = block->at;
    CHECK(pattern_holds(pointer, block->size, block->tag));
    model_forget(block);
    CHECK_EQUAL(memmgr_pool_free(m.pool, pointer), MEMMGR_OK);
    CHECK_SILENT();
}

static void model_realloc(void) {
    live_block *block = model_pick();
    size_t size = model_size();
    if (!block) return;
    live_block old = *block;
    m.moving = true;
    void *pointer = memmgr_pool_realloc(m.pool, old.at, size);
    m.moving = false;
    CHECK_SILENT();
    regions_learn();
    if (!pointer) {
        CHECK(size > old.size);
        model_failed(size, 1);
        CHECK(pattern_holds(old.at, old.size, old.tag));
        return;
    }
    size_t same = old.size < size ? old.size : size;
    CHECK(pattern_holds(pointer, same, old.tag));
    if (pointer != old.at) {
        m.moves++;
        if (m.used + granules_up(size) > m.peak_high) m.peak_high = m.used + granules_up(size);
    }
    model_forget(block);
    model_take(pointer, size);
}

static void model_reset(void) {
    memmgr_stats stats;
    while (m.live)
        model_forget(model_pick());
    memmgr_pool_reset(m.pool);
    CHECK_SILENT();
    regions_learn();
    memmgr_pool_stats(m.pool, &stats);
    CHECK_EQUAL(stats.used, 0);
    CHECK_EQUAL(stats.allocations, stats.frees);
    m.allocations = stats.allocations;
    m.moves = 0;
    m.failures = stats.failures;
    m.misuses = stats.misuses;
    m.peak_low = m.peak_high = stats.peak_used;
}

// largest_free tells the truth.
static void model_take_largest(void) {
    size_t largest = memmgr_pool_largest_free(m.pool);
    if (largest == 0 || largest > (size_t)16 << 20) return;
    void *pointer = memmgr_pool_alloc(m.pool, largest);
    if (!CHECK(pointer != NULL)) {
        m.failures++;
        return;
    }
    m.allocations++;
    model_take(pointer, largest);
    live_block *block = &slots[order[m.live - 1]];
    if (model_pool_is_exact()) {
        size_t next = memmgr_pool_largest_free(m.pool);
        CHECK(memmgr_pool_alloc(m.pool, next + GRANULE) == NULL);
        m.failures++;
    }
    model_forget(block);
    CHECK_EQUAL(memmgr_pool_free(m.pool, pointer), MEMMGR_OK);
    CHECK_SILENT();
}

static void model_ignore(const char *text, size_t length, void *ctx) {
    (void)text;
    *(size_t *)ctx += length;
}

static void model_ask(void) {
    size_t drawn = 0;
    const live_block *block = model_pick();
    switch (test_below(2000)) {
    case 0:
        memmgr_pool_draw(m.pool, MEMMGR_PICTURE_TEXT, model_ignore, &drawn);
        break;
    case 1:
        memmgr_pool_draw(m.pool, MEMMGR_PICTURE_SVG, model_ignore, &drawn);
        break;
    case 2:
        model_compare();
        break;
    case 3:
        model_compare_contents();
        break;
    case 4:
        model_reset();
        break;
    default:
        break;
    }
    if (test_chance(3)) model_take_largest();
    if (!block || m.live == 0) return;
    block = model_pick();
    CHECK(memmgr_pool_owns(m.pool, block->at));
    CHECK_EQUAL(memmgr_pool_usable_size(m.pool, block->at), block->size);
    CHECK_EQUAL(memmgr_pool_free(m.pool, NULL), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_usable_size(m.pool, NULL), 0);
    CHECK(!memmgr_pool_owns(m.pool, NULL));
    CHECK_SILENT();
}

// --- Misuses -------------------------------------------------------------------------------------

static void *misuse_foreign(void) {
    static unsigned char in_static_memory[64];
    unsigned char on_the_stack[64];
    switch (test_below(9)) {
    case 0:
        return pointer_plus(on_the_stack, 16);
    case 1:
        return pointer_plus(in_static_memory, 16);
    case 2:
        return other_heap;
    case 3:
        return other_live;
    case 4:
        return other_freed;
    case 5:
        return m.pool;
    case 6:
        return pointer_plus(NULL, 1 + (intptr_t)test_below(4096));
    case 7:
        return pointer_plus(NULL, -1 - (intptr_t)test_below(4096));
    default:
        return (void *)order;
    }
}

// Somewhere in or about a region: in its header, at its ends, in its blocks.
static void *misuse_near(void) {
    const region *r = &m.regions[test_below(m.region_count)];
    intptr_t far = (intptr_t)test_below(r->size);
    if (!r->low) return pointer_plus(r->base, far);
    switch (test_below(8)) {
    case 0:
        return pointer_plus(r->low, -(intptr_t)test_below(64));
    case 1:
        return pointer_plus(r->high, (intptr_t)test_below(64) - 32);
    case 2:
        return pointer_plus(r->base, (intptr_t)test_below((size_t)(r->low - r->base) + 16));
    case 3:
        return pointer_plus(r->base, -(intptr_t)test_below(64));
    case 4:
        return pointer_plus(r->base + r->size, (intptr_t)test_below(64) - 32);
    case 5:
        return pointer_plus(r->base, far);
    default:
        return pointer_plus(r->low, far / 16 * 16);
    }
}

static void *misuse_pointer(void) {
    const live_block *block = model_pick();
    switch (test_below(8)) {
    case 0:
        return misuse_foreign();
    case 1:
    case 2:
        return misuse_near();
    case 3:
        return block ? pointer_plus(block->at, 1 + (intptr_t)test_below(block->size)) : NULL;
    case 4: {
        size_t inside = block ? test_below(block->size / GRANULE) : 0;
        return block ? pointer_plus(block->at, (intptr_t)(inside * GRANULE)) : NULL;
    }
    default:
        return m.recent[test_below(MODEL_RECENT)];
    }
}

static void misuse_reported(memmgr_error expected, const void *pointer, const live_block *block) {
    CHECK_REPORTED(expected);
    CHECK(reports.last.pool == m.pool && reports.last.pointer == pointer);
    if (block) CHECK(reports.last.block == block->at && reports.last.size == block->size);
    m.misuses++;
}

static void misuse_by_pointer(void) {
    const live_block *block;
    void *pointer = misuse_pointer();
    if (!pointer) return;
    memmgr_error expected = model_expects(pointer, &block);
    CHECK_EQUAL(memmgr_pool_owns(m.pool, pointer), expected == MEMMGR_OK);
    CHECK_SILENT();
    if (expected == MEMMGR_OK) return;
    size_t turn = test_below(4);
    if (turn == 0)
        CHECK(memmgr_pool_realloc(m.pool, pointer, model_size()) == NULL);
    else if (turn == 1)
        CHECK_EQUAL(memmgr_pool_usable_size(m.pool, pointer), 0);
    else
        CHECK_EQUAL(memmgr_pool_free(m.pool, pointer), expected);
    misuse_reported(expected, pointer, block);
}

static void misuse_by_argument(void) {
    static const size_t wrong[] = {0, 3, 5, 6, 7, 9, 12, 24, 48, 1000, SIZE_MAX, SIZE_MAX / 2};
    if (test_chance(50)) {
        size_t alignment = opaque(wrong[test_below(sizeof wrong / sizeof wrong[0])]);
        CHECK(memmgr_pool_aligned_alloc(m.pool, alignment, model_size()) == NULL);
        CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
        m.misuses++;
        return;
    }
    const live_block *block = model_pick();
    void *pointer = block ? block->at : other_live;
    switch (test_below(4)) {
    case 0:
        CHECK(memmgr_pool_alloc(NULL, model_size()) == NULL);
        break;
    case 1:
        CHECK(memmgr_pool_realloc(NULL, pointer, 16) == NULL);
        break;
    case 2:
        CHECK_EQUAL(memmgr_pool_usable_size(NULL, pointer), 0);
        break;
    default:
        CHECK_EQUAL(memmgr_pool_free(NULL, pointer), MEMMGR_BAD_ARGUMENT);
        break;
    }
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
}

static void model_misuse(void) {
    if (!SWITCH_ON) return;
    if (test_chance(15))
        misuse_by_argument();
    else
        misuse_by_pointer();
}

// --- Rounds --------------------------------------------------------------------------------------

static void model_step(void) {
    size_t roll = test_below(100);
    size_t allocates = m.filling ? 38 : 18;
    if (test_below(500) == 0) m.filling = !m.filling;
    if (roll < 20)
        model_misuse();
    else if (roll < 20 + allocates)
        model_alloc();
    else if (roll < 76)
        model_free();
    else if (roll < 90)
        model_realloc();
    else
        model_ask();
}

// Any of the strategies, any of the flags. Those that search the whole pool get a small one.
static void model_describe(size_t largest) {
    static const memmgr_fit fits[] = {MEMMGR_FIT_GOOD, MEMMGR_FIT_GOOD, MEMMGR_FIT_FIRST,
                                      MEMMGR_FIT_BEST, MEMMGR_FIT_CUSTOM};
    static const unsigned flags[] = {0, MEMMGR_POOL_LOCKED, MEMMGR_POOL_FILL, MEMMGR_POOL_EAGER};
    unsigned mixed = flags[test_below(4)] | flags[test_below(4)];
    if (SMALL) mixed &= ~(unsigned)MEMMGR_POOL_FILL;
    m.desc = desc_of(fits[test_below(5)], mixed);
    if (m.desc.fit != MEMMGR_FIT_GOOD && largest > 65536) largest = 65536;
    if (m.desc.fit == MEMMGR_FIT_CUSTOM) m.desc.choose = choose_worst;
    m.capacity = test_log_uniform(1024, largest);
    m.created = test_chance(40);
    if (!m.created) return;
    m.desc.source.map = model_map;
    m.desc.source.unmap = model_unmap;
    if (!SMALL && test_chance(60)) {
        m.desc.flags |= MEMMGR_POOL_GROW;
        m.desc.limit = test_chance(30) ? 0 : m.capacity * 4 + 65536;
    }
}

static bool model_open(size_t largest) {
    memset(&m, 0, sizeof m);
    m.next_tag = test_random();
    for (uint32_t i = 0; i < MODEL_SLOTS; i++)
        order[i] = i;
    model_describe(largest);
    m.max_size = test_log_uniform(32, m.capacity / 2);
    m.filling = true;
    for (int attempt = 0; m.created && !m.pool && attempt < 20; attempt++) {
        m.pool = memmgr_pool_create(m.capacity, &m.desc);
    }
    if (!m.created) {
        m.buffer = buffer_new(m.capacity, test_below(64));
        region_add(m.buffer.at, m.buffer.size);
        m.pool = memmgr_pool_init(m.buffer.at, m.buffer.size, &m.desc);
    }
    if (!CHECK(m.pool != NULL)) return false;
    regions_learn();
    CHECK_SILENT();
    return true;
}

static void model_close(void) {
    size_t leaks = test_chance(50) ? 0 : m.live;
    model_compare_contents();
    while (leaks == 0 && m.live)
        model_free();
    model_compare();
    while (m.live)
        model_forget(model_pick());
    CHECK_EQUAL(memmgr_pool_destroy(m.pool), leaks);
    CHECK_EQUAL(reports.count, leaks <= 16 ? leaks : 17);
    CHECK_EQUAL(reports.of[MEMMGR_LEAK], reports.count);
    reports_start();
    if (!m.created) region_drop(0);
    if (!m.created) buffer_drop(&m.buffer);
    CHECK_EQUAL(m.region_count, 0);
}

static void model_round(size_t steps, size_t largest, bool thorough) {
    if (!model_open(largest)) return;
    for (size_t i = 0; i < steps && test_failures == 0; i++) {
        model_step();
        if (thorough) model_compare();
        if (thorough && i % 16 == 0) model_compare_contents();
        if (test_failures == 0) continue;
        printf("    step %lu: capacity %lu, fit %d, flags %u, %s, max %lu\n", (unsigned long)i,
               (unsigned long)m.capacity, (int)m.desc.fit, m.desc.flags,
               m.created ? "created" : "in a buffer", (unsigned long)m.max_size);
    }
    if (test_failures == 0) model_close();
}

static void model_start(void) {
    reports_start();
    other_pool = memmgr_pool_init(other_buffer, sizeof other_buffer, NULL);
    REQUIRE(other_pool != NULL);
    other_heap = malloc(64);
    other_live = memmgr_pool_alloc(other_pool, 100);
    other_freed = memmgr_pool_alloc(other_pool, 100);
    memmgr_pool_free(other_pool, other_freed);
    CHECK_SILENT();
}

static void model_end(void) {
    free(other_heap);
    if (test_failures) return;
    CHECK_EQUAL(memmgr_pool_free(other_pool, other_live), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(other_pool), 0);
    CHECK_SILENT();
}

static void test_model_thorough(void) {
    size_t steps = test_count(30000);
    model_start();
    for (size_t done = 0; done < steps && test_failures == 0; done += 600) {
        model_round(600, 16384, true);
    }
    model_end();
}

static void test_model_long(void) {
    size_t steps = test_count(1000000);
    model_start();
    for (size_t done = 0; done < steps && test_failures == 0;) {
        size_t round = test_log_uniform(2000, 64000);
        model_round(round, (size_t)4 << 20, false);
        done += round;
    }
    model_end();
}

static const test_case tests[] = {TEST(test_model_thorough), TEST(test_model_long)};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
