// test_damage.c: memmgr's own data are overwritten, one field at a time, and put right again. The
// audit must say so each time, and only then.
#include "support.h"

#if SWITCH_ON && !SMALL

#if !defined(MEMMGR_NO_OS) && !defined(MEMMGR_LOCK)
#define HAS_HEAPS 1
#else
#define HAS_HEAPS 0
#endif

#define UNIT ((uintptr_t)65536)
enum { ENTRY = 64 }; // granules

static memmgr_pool *damaged_pool; // NULL: the general calls

static memmgr_error audit(void) {
    return damaged_pool ? memmgr_pool_check(damaged_pool) : memmgr_check();
}

// --- Damage --------------------------------------------------------------------------------------

static uint64_t number_at(const void *at, size_t size) {
    uint64_t number = 0;
    if (size == 1) return *(const uint8_t *)at;
    if (size == 2) return *(const uint16_t *)at;
    if (size == 4) return *(const uint32_t *)at;
    memcpy(&number, at, size);
    return number;
}

static void number_set(void *at, size_t size, uint64_t number) {
    if (size == 1)
        *(uint8_t *)at = (uint8_t)number;
    else if (size == 2)
        *(uint16_t *)at = (uint16_t)number;
    else if (size == 4)
        *(uint32_t *)at = (uint32_t)number;
    else
        memcpy(at, &number, size);
}

static void audit_finds(const char *what) {
    reports.count = 0;
    bool told = audit() == MEMMGR_CORRUPT && reports.count == 1 &&
                reports.last.error == MEMMGR_CORRUPT && reports.last.pool == damaged_pool;
    reports_start();
    if (!told) FAIL(what);
}

static void audit_is_content(const char *what) {
    reports.count = 0;
    if (audit() != MEMMGR_OK || reports.count != 0) FAIL(what);
}

static void damaged(void *field, size_t size, uint64_t value, const char *what) {
    uint64_t was = number_at(field, size);
    if (was == value) FAIL("it is no damage");
    number_set(field, size, value);
    audit_finds(what);
    number_set(field, size, was);
    audit_is_content(what);
}

// Fields of one machine word or less.
#define DAMAGED(field, value)                                                                      \
    damaged((void *)&(field), sizeof(field), (uint64_t)(uintptr_t)(value), #field " = " #value)

// --- Pools ---------------------------------------------------------------------------------------

static memmgr_pool *pool_in(test_buffer *buffer, size_t size) {
    *buffer = buffer_new(size, 0);
    reports_start();
    damaged_pool = memmgr_pool_init(buffer->at, buffer->size, NULL);
    CHECK(damaged_pool != NULL);
    return damaged_pool;
}

static void pool_out(test_buffer *buffer) {
    CHECK_EQUAL(memmgr_pool_destroy(damaged_pool), 0);
    damaged_pool = NULL;
    CHECK_SILENT();
    buffer_drop(buffer);
}

static void test_damage_segment_sizes(void) {
    test_buffer buffer;
    memmgr_pool *pool = pool_in(&buffer, 60000);
    REQUIRE(pool != NULL);
    mmi_segment *segment = mmi_pool_first(pool);
    DAMAGED(segment->size, 16); // too small for any granule
    DAMAGED(segment->size, buffer.size + 16);
    DAMAGED(segment->granule_count, segment->granule_count - 1);
    DAMAGED(pool->used, 16);
    DAMAGED(pool->frees, 1);
    pool_out(&buffer);
}

// A block of 6 entries, the last of them not whole:
//   [A...][span][ 0  ][ 0  ][ 0  ][AA..][free span ...][last]
static void test_damage_map(void) {
    test_buffer buffer;
    memmgr_pool *pool = pool_in(&buffer, 60000);
    REQUIRE(pool != NULL);
    void *block = memmgr_pool_alloc(pool, (6 * ENTRY - 10) * GRANULE);
    mmi_segment *segment = mmi_pool_first(pool);
    mmi_entry *map = mmi_map_of(segment);
    uint32_t last = segment->entry_count - 1;
    REQUIRE(block && segment->granule_count % ENTRY != 0 && last > 8);
    REQUIRE(mmi_map_live_span(map + 1) && mmi_map_free_span(map + 6));
    DAMAGED(map[1].used, 1 << 3 | 5); // spans of one entry
    DAMAGED(map[6].used, 1 << 3 | 2);
    DAMAGED(map[6].used, (uint64_t)(last + 1) << 3 | 2); // beyond the map
    DAMAGED(map[2].start, 1);
    DAMAGED(map[2].used, 1);
    DAMAGED(map[5].used, 0); // the block has no end, so the run has another beginning from behind
    DAMAGED(map[last + 1].start, 0);
    DAMAGED(map[last + 1].used, 0);
    memmgr_pool_free(pool, block);
    pool_out(&buffer);
}

// Both fields of an entry, or both ends of a span.
static void damaged_both(mmi_word *a, mmi_word *b, const char *what) {
    mmi_word was_a = *a, was_b = *b;
    *a = *b = 0;
    audit_finds(what);
    *a = was_a;
    *b = was_b;
    audit_is_content(what);
}

static void test_damage_map_twice(void) {
    test_buffer buffer;
    memmgr_pool *pool = pool_in(&buffer, 60000);
    REQUIRE(pool != NULL);
    mmi_segment *segment = mmi_pool_first(pool);
    mmi_entry *map = mmi_map_of(segment);
    uint32_t last = segment->entry_count - 1;
    REQUIRE(segment->granule_count % ENTRY != 0 && mmi_map_free_span(map));
    damaged_both(&map[last].start, &map[last].used, "a run goes on behind the last granule");
    damaged_both(&map[0].used, &map[last - 1].used, "a run without its span");
    pool_out(&buffer);
}

static void test_damage_index(void) {
    test_buffer buffer;
    memmgr_pool *pool = pool_in(&buffer, (size_t)2 << 20);
    REQUIRE(pool != NULL);
    mmi_segment *segment = mmi_pool_first(pool);
    REQUIRE(segment->level_count >= 2);
    uint8_t *low = mmi_index_level(segment, 0), *high = mmi_index_level(segment, 1);
    DAMAGED(low[0], low[0] - 1);
    DAMAGED(low[5], 1);
    DAMAGED(high[0], high[0] - 1);
    DAMAGED(high[1], 1);
    DAMAGED(segment->last_merged, segment->entry_count);
    pool_out(&buffer);
}

static void test_damage_classes(void) {
    test_buffer buffer;
    memmgr_pool *pool = pool_in(&buffer, (size_t)2 << 20);
    REQUIRE(pool != NULL);
    void *first = memmgr_pool_alloc(pool, 48), *second = memmgr_pool_alloc(pool, 64);
    REQUIRE(first && second);
    CHECK_EQUAL(memmgr_pool_free(pool, first), MEMMGR_OK);
    mmi_segment *segment = mmi_pool_first(pool);
    mmi_class *kept = mmi_segment_class(segment, 3);
    uint32_t *slots = mmi_class_slots(segment, kept);
    REQUIRE(kept->count > 0);
    DAMAGED(kept->count, kept->depth + 1);
    DAMAGED(kept->count, kept->count - 1);
    DAMAGED(kept->first, kept->first + 1);
    DAMAGED(slots[0], segment->granule_count);
    DAMAGED(slots[0], slots[0] + 1); // inside the block
    CHECK_EQUAL(memmgr_pool_free(pool, second), MEMMGR_OK);
    mmi_class *longer = mmi_segment_class(segment, 4);
    REQUIRE(longer->count > 0);
    uint32_t *others = mmi_class_slots(segment, longer), other = others[0], own = slots[0];
    slots[0] = other, others[0] = own;
    audit_finds("kept blocks of another length");
    slots[0] = own, others[0] = other;
    pool_out(&buffer);
}

static void test_damage_table(void) {
    test_source source;
    source_open(&source, (size_t)4 << 20);
    memmgr_pool_desc desc = desc_growing(&source, 0);
    reports_start();
    memmgr_pool *pool = damaged_pool = memmgr_pool_create(4096, &desc);
    REQUIRE(pool != NULL);
    void *block = memmgr_pool_alloc(pool, 10000);
    REQUIRE(block != NULL && pool->segment_count == 2);
    audit_is_content("two segments");
    mmi_segment *first = pool->segments[0];
    pool->segments[0] = pool->segments[1];
    pool->segments[1] = first;
    audit_finds("segments out of order");
    pool->segments[1] = pool->segments[0];
    pool->segments[0] = first;
    audit_is_content("in order again");
    DAMAGED(pool->segments[1], first);
    DAMAGED(pool->segment_count, 1);
    memmgr_pool_free(pool, block);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    damaged_pool = NULL;
    source_close(&source);
}

// --- The general calls ---------------------------------------------------------------------------

typedef struct {
    size_t left; // blocks until it stops
    size_t least;
} stopper;

static bool stop_at(const memmgr_block *block, void *ctx) {
    stopper *own = (stopper *)ctx;
    if (!block->live || block->size < own->least) return true;
    return own->left-- > 0;
}

// A visitor stops the walk wherever it is, among small blocks and at a large one.
static void test_damage_none_and_walks(void) {
    reports_start();
    damaged_pool = NULL;
    void *small = memmgr_malloc(100), *large = memmgr_malloc(40000);
    REQUIRE(small && large);
    audit_is_content("nothing is damaged");
    stopper at_once = {0, 0}, at_large = {0, 40000}, never = {SIZE_MAX, 0};
    CHECK(!memmgr_walk(stop_at, &at_once));
    CHECK(!memmgr_walk(stop_at, &at_large));
    CHECK(memmgr_walk(stop_at, &never));
    memmgr_free(small);
    memmgr_free(large);
    CHECK_SILENT();
}

#if HAS_HEAPS

enum { SIZE = 3072, BLOCKS = 100, BIG = 30000, BIGS = 32 };

// A heap with some of everything: slabs that are full, and one that is not; cached blocks; units
// that are idle; a large block.
static struct {
    void *blocks[BLOCKS], *tiny, *large;
    mmi_heap *heap;
    mmi_bin *bin;             // of SIZE
    mmi_slab *partial, *full; // of it
} rich;

static bool rich_open(void) {
    void *bigs[BIGS];
    reports_start();
    damaged_pool = NULL;
    for (size_t i = 0; i < BIGS; i++)
        bigs[i] = memmgr_malloc(BIG);
    for (size_t i = 0; i < BIGS; i++)
        memmgr_free(bigs[i]);
    for (size_t i = 0; i < BLOCKS; i++)
        rich.blocks[i] = memmgr_malloc(SIZE);
    rich.tiny = memmgr_malloc(1);
    rich.large = memmgr_malloc(100000);
    rich.heap = mmi_heap_mine;
    rich.bin = mmi_slab_bin(rich.heap, SIZE);
    for (size_t i = BLOCKS - 5; i < BLOCKS; i++)
        memmgr_free(rich.blocks[i]);
    rich.partial = rich.bin->partial;
    rich.full = NULL;
    for (size_t i = 0; i < BLOCKS - 5 && !rich.full; i++) {
        mmi_slab *slab = mmi_arena_find((uintptr_t)rich.blocks[i]);
        if (slab->free_count == 0) rich.full = slab;
    }
    audit_is_content("before the damage");
    return CHECK(rich.partial && rich.full && rich.large && rich.bin->top > rich.bin->bottom + 1 &&
                 mmi_arena_all.idle.count > 1);
}

static void rich_close(void) {
    audit_is_content("after the damage");
    for (size_t i = 0; i < BLOCKS - 5; i++)
        memmgr_free(rich.blocks[i]);
    memmgr_free(rich.tiny);
    memmgr_free(rich.large);
    (void)memmgr_trim();
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
}

static void test_damage_slabs(void) {
    if (!rich_open()) return;
    mmi_slab *slab = rich.partial, *tiny = mmi_arena_find((uintptr_t)rich.tiny);
    DAMAGED(slab->start, slab->start + 16);
    DAMAGED(slab->start, slab->start + UNIT);
    DAMAGED(slab->size_index, 40);
    DAMAGED(slab->bin, slab->bin + 1);
    DAMAGED(slab->count, slab->count - 1);
    DAMAGED(slab->live, slab->live ^ 1);
    DAMAGED(slab->multiplier, slab->multiplier + 1);
    DAMAGED(tiny->order, 0);
    DAMAGED(slab->cursor, slab->count);
    DAMAGED(slab->free_count, slab->free_count - 1);
    DAMAGED(slab->listed, 0);
    rich_close();
}

static void test_damage_states(void) {
    if (!rich_open()) return;
    mmi_slab *slab = rich.full;
    DAMAGED(slab->states[0], MMI_STATE_REMOTE + 1);
    DAMAGED(slab->states[0], slab->live + 1);
    DAMAGED(slab->states[0], MMI_STATE_FREE);
    DAMAGED(slab->states[0], MMI_STATE_CACHED);
    DAMAGED(slab->states[slab->count], MMI_STATE_CACHED);
    rich_close();
}

static void test_damage_stacks(void) {
    if (!rich_open()) return;
    mmi_bin *bin = rich.bin;
    mmi_item *item = bin->bottom;
    DAMAGED(item->block, 16); // nobody's
    DAMAGED(item->block, mmi_arena_all.idle.first->start);
    DAMAGED(item->block, rich.tiny);
    DAMAGED(item->block, (uintptr_t)item->block + 16);
    DAMAGED(item->state, item->state + 1);
    DAMAGED(*item->state, bin->live);
    DAMAGED(bin->top, bin->bottom - 1);
    DAMAGED(bin->top, bin->top - 1);
    DAMAGED(bin->limit, bin->bottom);
    rich_close();
}

static void test_damage_lists_of_slabs(void) {
    if (!rich_open()) return;
    mmi_bin *bin = rich.bin;
    mmi_slab *full = rich.full, *tiny = mmi_arena_find((uintptr_t)rich.tiny);
    mmi_slab *prev = full->prev, *next = full->next;
    DAMAGED(rich.partial->prev, full);
    REQUIRE(tiny->listed && !tiny->prev);
    DAMAGED(bin->partial, tiny);
    full->prev = full->next = NULL;
    DAMAGED(bin->partial, full); // that has no block to give
    full->prev = prev;
    full->next = next;
    rich_close();
}

static void test_damage_idle_units(void) {
    if (!rich_open()) return;
    mmi_units *idle = &mmi_arena_all.idle;
    mmi_slab *full = rich.full, *next = full->next;
    DAMAGED(idle->count, 0);
    DAMAGED(idle->count, idle->count + 1);
    DAMAGED(idle->first->listed, 0);
    DAMAGED(idle->first, NULL);
    size_t count = idle->count;
    full->next = NULL;
    idle->count = 1;
    mmi_slab *first = idle->first;
    idle->first = full;
    audit_finds("a slab among the idle units");
    idle->first = first;
    idle->count = count;
    full->next = next;
    rich_close();
}

static void test_damage_large_pool(void) {
    if (!rich_open()) return;
    DAMAGED(mmi_large.pool->used, mmi_large.pool->used + 16);
    DAMAGED(mmi_large.pool->allocations, mmi_large.pool->allocations + 1);
    rich_close();
}

// A thread's count may be seen later than its blocks: there are never fewer allocations than live
// blocks, and not less than nothing was freed.
static void test_damage_count_comes_late(void) {
    memmgr_stats stats;
    if (!rich_open()) return;
    uintptr_t issued = rich.heap->issued;
    rich.heap->issued = 0;
    memmgr_stats_get(&stats);
    CHECK(stats.live_blocks >= BLOCKS - 5);
    CHECK_EQUAL(stats.allocations, stats.live_blocks);
    CHECK_EQUAL(stats.frees, 0);
    rich.heap->issued = issued;
    rich_close();
}

// Where a fiber ends its value comes to a thread that has another heap: that is left alone.
static void test_damage_end_of_another(void) {
    if (!rich_open()) return;
    static mmi_heap other;
    mmi_heap_thread_ends(&other);
    CHECK(mmi_heap_mine == rich.heap && !rich.heap->parked && !other.parked);
    rich_close();
}

#endif // HAS_HEAPS

static const test_case tests[] = {
    TEST(test_damage_none_and_walks),
    TEST(test_damage_segment_sizes),
    TEST(test_damage_map),
    TEST(test_damage_map_twice),
    TEST(test_damage_index),
    TEST(test_damage_classes),
    TEST(test_damage_table),
#if HAS_HEAPS
    TEST(test_damage_slabs),
    TEST(test_damage_states),
    TEST(test_damage_stacks),
    TEST(test_damage_lists_of_slabs),
    TEST(test_damage_idle_units),
    TEST(test_damage_large_pool),
    TEST(test_damage_count_comes_late),
    TEST(test_damage_end_of_another),
#endif
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
#else
int main(void) { return 0; }
#endif
