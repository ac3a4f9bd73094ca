// migration.c: the same small program on every origin's calls, as they stand in the headers here.
// A dictionary of words is built, grown, thinned out and dropped; then each origin's own questions
// are asked. In the end every heap is empty, and no misuse has been reported that was not made
// here.
//
// The file is C and C++. heap_memmgr.c is compiled by itself and linked.

#include <stdio.h>
#include <string.h>

#define MEMMGR_IMPLEMENTATION
#include "apr_pools.h"
#include "mimalloc.h"
#include "mspace.h"
#include "o1heap.h"
#include "textbook.h"
#include "tlsf.h"
#include "umm_malloc.h"

#include "FreeRTOS.h"

static unsigned checks, broken;

static void check_at(bool holds, const char *what, int line) {
    checks++;
    if (holds) return;
    broken++;
    printf("    migration.c:%d: %s\n", line, what);
}
#define CHECK(condition) check_at((condition) ? true : false, #condition, __LINE__)

// 1: memmgr judges misuse. Without the switch that is the C library's, and it must not be shown
// any.
#ifdef USE_MEMORY_MGR
#define SWITCH_ON 1
#else
#define SWITCH_ON 0
#endif

static unsigned reports;
static memmgr_error last_report;

static void on_report(const memmgr_report *report, void *ctx) {
    (void)ctx;
    reports++;
    last_report = report->error;
}

// Exactly one report since the last question, and of this kind.
static bool reported(memmgr_error error) {
    bool one = reports == 1 && last_report == error;
    reports = 0;
    return one;
}

// --- The program --------------------------------------------------------------------------------

typedef struct {
    const char *name;
    void *(*alloc)(void *heap, size_t size);
    void *(*resize)(void *heap, void *block, size_t size); // NULL: the origin has none
    void (*release)(void *heap, void *block);
} calls;

enum { WORDS = 600, LETTERS = 40 };

static uint32_t seed = 1;

static size_t below(size_t limit) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

static char letter_of(size_t word, size_t at) { return (char)('a' + (word * 31 + at * 7) % 26); }

static bool word_is_whole(const char *text, size_t word, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (text[i] != letter_of(word, i)) return false;
    return true;
}

static void spell(char *text, size_t word, size_t from, size_t to) {
    for (size_t i = from; i < to; i++)
        text[i] = letter_of(word, i);
}

// A word grows to `length`, by resize or by hand.
static char *grow(const calls *from, void *heap, char *text, size_t word, size_t old,
                  size_t length) {
    char *longer = NULL;
    if (from->resize) {
        longer = (char *)from->resize(heap, text, length);
    } else if ((longer = (char *)from->alloc(heap, length)) != NULL) {
        memcpy(longer, text, old);
        from->release(heap, text);
    }
    if (!longer) return NULL;
    spell(longer, word, old, length);
    return longer;
}

static void run_dictionary(const calls *from, void *heap) {
    char *text[WORDS] = {NULL};
    size_t length[WORDS] = {0};
    for (size_t step = 0; step < 20 * (size_t)WORDS; step++) {
        size_t word = below(WORDS), want = 1 + below(LETTERS);
        if (!text[word]) {
            text[word] = (char *)from->alloc(heap, want);
            CHECK(text[word] != NULL);
            if (!text[word]) return;
            CHECK((uintptr_t)text[word] % (sizeof(void *) * 2) == 0);
            spell(text[word], word, 0, want);
            length[word] = want;
        } else if (below(3) == 0) {
            CHECK(word_is_whole(text[word], word, length[word]));
            from->release(heap, text[word]);
            text[word] = NULL;
        } else if (length[word] < 8 * (size_t)LETTERS) {
            char *longer = grow(from, heap, text[word], word, length[word], length[word] + want);
            CHECK(longer != NULL);
            if (!longer) return;
            text[word] = longer;
            length[word] += want;
            CHECK(word_is_whole(longer, word, length[word]));
        }
    }
    for (size_t word = 0; word < WORDS; word++) {
        if (!text[word]) continue;
        CHECK(word_is_whole(text[word], word, length[word]));
        from->release(heap, text[word]);
    }
}

static union {
    unsigned char bytes[1 << 19];
    void *aligned;
    long double aligned_too;
} buffer, second;

// --- TLSF ---------------------------------------------------------------------------------------

typedef struct {
    size_t used, left, blocks;
} totals;

static void add_up(void *ptr, size_t size, int used, void *user) {
    totals *sum = (totals *)user;
    (void)ptr;
    if (used)
        sum->used += size, sum->blocks++;
    else
        sum->left += size;
}

static void from_tlsf(void) {
    static const calls tlsf_calls = {"tlsf", tlsf_malloc, tlsf_realloc, tlsf_free};
    tlsf_t tlsf = tlsf_create_with_pool(buffer.bytes, sizeof buffer.bytes);
    totals sum = {0, 0, 0};
    CHECK(tlsf != NULL && tlsf_get_pool(tlsf) != NULL);
    run_dictionary(&tlsf_calls, tlsf);
    tlsf_walk_pool(tlsf_get_pool(tlsf), add_up, &sum);
    CHECK(sum.blocks == 0 && sum.used == 0);
    CHECK(!SWITCH_ON || sum.left > sizeof buffer.bytes * 9 / 10);
    CHECK(tlsf_malloc(tlsf, 0) == NULL && tlsf_memalign(tlsf, 64, 0) == NULL);
    CHECK(tlsf_malloc(tlsf, tlsf_block_size_max()) == NULL);
    void *page = tlsf_memalign(tlsf, 4096, 100);
    CHECK(page && (uintptr_t)page % 4096 == 0);
    tlsf_free(tlsf, page);
    tlsf_free(tlsf, NULL);

    // What does not fit into the first pool goes into the second; also when a block is to grow.
    char *whole = (char *)tlsf_malloc(tlsf, sizeof buffer.bytes * 8 / 10);
    CHECK(whole && !tlsf_malloc(tlsf, sizeof buffer.bytes / 2));
    pool_t more = tlsf_add_pool(tlsf, second.bytes, sizeof second.bytes);
    char *other = (char *)tlsf_malloc(tlsf, 1000);
    CHECK(more && other);
    memset(other, 'o', 1000);
    other = (char *)tlsf_realloc(tlsf, other, sizeof second.bytes / 2);
    CHECK(other && other[0] == 'o' && other[999] == 'o');
    CHECK(memmgr_pool_owns((memmgr_pool *)more, other));
    CHECK(tlsf_check(tlsf) == 0 && tlsf_check_pool(more) == 0);
    CHECK(tlsf_realloc(tlsf, other, 0) == NULL && reports == 0);
    if (SWITCH_ON) {
        tlsf_free(tlsf, other);
        CHECK(reported(MEMMGR_DOUBLE_FREE));
        tlsf_free(tlsf, whole + 16);
        CHECK(reported(MEMMGR_INTERIOR_POINTER));
        tlsf_free(tlsf, &sum);
        CHECK(reported(MEMMGR_FOREIGN_POINTER));
        CHECK(tlsf_realloc(tlsf, other, 10) == NULL && reported(MEMMGR_DOUBLE_FREE));
    }
    CHECK(tlsf_check(tlsf) == 0);
    tlsf_remove_pool(tlsf, more);
    CHECK(reports == 0 && tlsf_malloc(tlsf, sizeof buffer.bytes / 2) == NULL);
    tlsf_destroy(tlsf); // `whole` goes with it
    CHECK(reports == 0);
}

// --- o1heap -------------------------------------------------------------------------------------

static void *o1_alloc(void *heap, size_t size) {
    return o1heapAllocate((O1HeapInstance *)heap, size);
}

static void *o1_resize(void *heap, void *block, size_t size) {
    return o1heapReallocate((O1HeapInstance *)heap, block, size);
}

static void o1_free(void *heap, void *block) { o1heapFree((O1HeapInstance *)heap, block); }

static void from_o1heap(void) {
    static const calls o1_calls = {"o1heap", o1_alloc, o1_resize, o1_free};
    unsigned char *base = buffer.bytes + (16 - (uintptr_t)buffer.bytes % 16) % 16;
    CHECK(o1heapInit(base, o1heapMinArenaSize - 1) == NULL);
    CHECK(o1heapInit(base + 1, sizeof buffer.bytes / 2) == NULL);
    O1HeapInstance *heap = o1heapInit(base, o1heapMinArenaSize);
    CHECK(heap != NULL);
    if (!SWITCH_ON) memmgr_pool_destroy(heap->pool); // it has a header of its own there
    heap = o1heapInit(base, sizeof buffer.bytes - 16);
    CHECK(heap != NULL);
    run_dictionary(&o1_calls, heap);
    O1HeapDiagnostics seen = o1heapGetDiagnostics(heap);
    CHECK(seen.allocated == 0 && seen.peak_allocated > 0 && seen.oom_count == 0);
    CHECK(seen.peak_request_size <= 10 * (size_t)LETTERS && seen.peak_request_size > LETTERS);
    CHECK(seen.capacity == o1heapGetMaxAllocationSize(heap) && o1heapDoInvariantsHold(heap));
    CHECK(o1heapAllocate(heap, 0) == NULL);
    CHECK(o1heapAllocate(heap, seen.capacity + 1) == NULL);
    CHECK(o1heapGetDiagnostics(heap).oom_count == 1);
    CHECK(o1heapGetDiagnostics(heap).peak_request_size == seen.capacity + 1);
    void *all = o1heapReallocate(heap, NULL, seen.capacity / 2);
    CHECK(all != NULL && o1heapReallocate(heap, all, 0) == NULL);
    if (SWITCH_ON) {
        o1heapFree(heap, all);
        CHECK(reported(MEMMGR_DOUBLE_FREE) && o1heapDoInvariantsHold(heap));
    }
    CHECK(memmgr_pool_destroy(heap->pool) == 0);
}

// --- umm_malloc ---------------------------------------------------------------------------------

void *UMM_MALLOC_CFG_HEAP_ADDR = buffer.bytes;
uint32_t UMM_MALLOC_CFG_HEAP_SIZE = sizeof buffer.bytes;

static void *umm_one_alloc(void *heap, size_t size) {
    (void)heap;
    return umm_malloc(size);
}

static void *umm_one_resize(void *heap, void *block, size_t size) {
    (void)heap;
    return umm_realloc(block, size);
}

static void umm_one_free(void *heap, void *block) {
    (void)heap;
    umm_free(block);
}

static void *umm_two_alloc(void *heap, size_t size) {
    return umm_multi_malloc((umm_heap *)heap, size);
}

static void *umm_two_resize(void *heap, void *block, size_t size) {
    return umm_multi_realloc((umm_heap *)heap, block, size);
}

static void umm_two_free(void *heap, void *block) { umm_multi_free((umm_heap *)heap, block); }

static void from_umm(void) {
    static const calls one = {"umm_malloc", umm_one_alloc, umm_one_resize, umm_one_free};
    static const calls two = {"umm_multi", umm_two_alloc, umm_two_resize, umm_two_free};
    umm_heap other = {NULL};
    run_dictionary(&one, NULL); // without umm_init: the first call makes the heap
    umm_multi_init_heap(&other, second.bytes, 100);
    CHECK(umm_multi_malloc(&other, 10) == NULL && reported(MEMMGR_BAD_ARGUMENT));
    umm_multi_init_heap(&other, second.bytes, sizeof second.bytes);
    run_dictionary(&two, &other);
    CHECK(umm_usage_metric() == 0 && umm_fragmentation_metric() <= 1 && umm_integrity_check());
    CHECK(umm_multi_free_heap_size(&other) - umm_multi_max_free_block_size(&other) <= 128);
    CHECK(umm_malloc(0) == NULL && umm_calloc(0, 8) == NULL);
    CHECK(umm_calloc(SIZE_MAX / 2, 3) == NULL); // the original multiplies, and wraps
    unsigned char *zeros = (unsigned char *)umm_calloc(10, 10);
    CHECK(zeros && zeros[0] == 0 && zeros[99] == 0);

    // Every other block of a row is free: half of it, in many pieces.
    void *row[100];
    for (size_t i = 0; i < 100; i++)
        row[i] = umm_multi_malloc(&other, 4000);
    for (size_t i = 0; i < 100; i += 2)
        umm_multi_free(&other, row[i]);
    CHECK(!SWITCH_ON || umm_multi_fragmentation_metric(&other) > 30);
    CHECK(umm_multi_usage_metric(&other) > 0);
    for (size_t i = 1; i < 100; i += 2)
        umm_multi_free(&other, row[i]);
    CHECK(umm_multi_fragmentation_metric(&other) <= 1);
    CHECK(umm_realloc(zeros, 0) == NULL && umm_free_heap_size() - umm_max_free_block_size() <= 128);
    if (SWITCH_ON) {
        umm_multi_free(&other, row[0]);
        CHECK(reported(MEMMGR_DOUBLE_FREE));
        umm_free(row[0]); // of the other heap
        CHECK(reported(MEMMGR_FOREIGN_POINTER));
    }
    CHECK(memmgr_pool_destroy(other.pool) == 0 && memmgr_pool_destroy(umm_current.pool) == 0);
    umm_init_heap(buffer.bytes, sizeof buffer.bytes);
    CHECK(umm_free_heap_size() > 0 && memmgr_pool_destroy(umm_current.pool) == 0);
}

// --- dlmalloc's mspaces -------------------------------------------------------------------------

static void add_region(void *start, void *end, size_t used_bytes, void *arg) {
    add_up(start, (size_t)((char *)end - (char *)start), used_bytes > 0, arg);
}

static void from_mspace(void) {
    static const calls mspace_calls = {"mspace", mspace_malloc, mspace_realloc, mspace_free};
    mspace growing = create_mspace(0, 1);
    mspace fixed = create_mspace_with_base(buffer.bytes, sizeof buffer.bytes, 0);
    CHECK(growing && fixed && !create_mspace_with_base(second.bytes, 100, 0));
    run_dictionary(&mspace_calls, growing);
    run_dictionary(&mspace_calls, fixed);
    size_t sizes[3] = {10, 1000, 100000};
    void *three[3];
    CHECK(mspace_independent_comalloc(growing, 3, sizes, three) == three);
    CHECK(three[0] && three[1] && three[2]);
    memset(three[2], 1, 100000);
    CHECK(mspace_footprint(growing) >= 101010);
    CHECK(mspace_bulk_free(growing, three, 3) == 0 && !three[0] && !three[2]);
    char **five = (char **)mspace_independent_calloc(fixed, 5, 100, NULL);
    CHECK(five && five[4][99] == 0);
    CHECK(mspace_realloc_in_place(fixed, five[0], 50) == five[0]);
    CHECK(mspace_realloc_in_place(fixed, five[0], 100000) == NULL);
    totals sum = {0, 0, 0};
    mspace_inspect_all(fixed, add_region, &sum);
    CHECK(sum.blocks == 6 && sum.used >= 500);
    CHECK(mspace_bulk_free(fixed, (void **)five, 5) == 0);
    mspace_free(fixed, five);
    CHECK(mspace_independent_calloc(fixed, 1000, 1000, NULL) == NULL); // all or nothing
    memset(&sum, 0, sizeof sum);
    mspace_inspect_all(fixed, add_region, &sum);
    CHECK(sum.blocks == 0);
    void *odd = mspace_memalign(growing, 100, 10);
    CHECK(odd && (uintptr_t)odd % 128 == 0);
    char *zero = (char *)mspace_malloc(growing, 0);
    CHECK(zero && mspace_realloc(growing, zero, 0) != NULL);
    CHECK(mspace_track_large_chunks(growing, 0) == 1 && mspace_trim(growing, 0) == 0);
    if (SWITCH_ON) {
        mspace_free(fixed, odd); // of the other space
        CHECK(reported(MEMMGR_FOREIGN_POINTER));
    }
    size_t footprint = mspace_footprint(growing);
    CHECK(footprint > 0 && destroy_mspace(growing) == footprint);
    CHECK(destroy_mspace(fixed) <= sizeof buffer.bytes && reports == 0);
}

// --- mimalloc's heaps ---------------------------------------------------------------------------

static void *mi_alloc(void *heap, size_t size) { return mi_heap_malloc((mi_heap_t *)heap, size); }

static void *mi_resize(void *heap, void *block, size_t size) {
    return mi_heap_realloc((mi_heap_t *)heap, block, size);
}

static void mi_release(void *heap, void *block) {
    (void)heap;
    mi_free(block);
}

static void from_mimalloc(void) {
    static const calls mi_calls = {"mimalloc", mi_alloc, mi_resize, mi_release};
    mi_heap_t *heap = mi_heap_new(), *other = mi_heap_new();
    CHECK(heap && other);
    run_dictionary(&mi_calls, heap);
    char *name = mi_heap_strdup(heap, "heap"), *start = mi_heap_strndup(heap, "heaps", 2);
    CHECK(strcmp(name, "heap") == 0 && strcmp(start, "he") == 0);
    CHECK(mi_heap_contains_block(heap, name) && !mi_heap_contains_block(other, name));
    char *plain = (char *)mi_zalloc(100);
    CHECK(plain && plain[99] == 0 && mi_usable_size(plain) >= 100 && mi_usable_size(NULL) == 0);
    plain = (char *)mi_realloc(plain, 5000);
    CHECK(plain && mi_usable_size(plain) >= 5000 && mi_usable_size(name) >= 5);
    name = (char *)mi_heap_realloc(other, name, 1000); // from one heap to the other
    CHECK(mi_heap_contains_block(other, name) && strcmp(name, "heap") == 0);
    name = (char *)mi_realloc(name, 2000); // and to the general one
    CHECK(!mi_heap_contains_block(other, name) && strcmp(name, "heap") == 0);
    mi_free(name);
    mi_free(plain);
    mi_free(NULL);
    CHECK(mi_heap_mallocn(heap, SIZE_MAX / 2, 3) == NULL);
    CHECK(mi_heap_reallocn(heap, start, SIZE_MAX / 2, 3) == NULL);
    CHECK(mi_heap_calloc_aligned(heap, SIZE_MAX / 2, 3, 64) == NULL);
    char *line = (char *)mi_heap_calloc_aligned(heap, 3, 33, 64);
    CHECK(line && (uintptr_t)line % 64 == 0 && line[98] == 0);
    CHECK(mi_heap_reallocf(heap, start, SIZE_MAX / 2) == NULL); // freed
    if (SWITCH_ON) {
        mi_free(start);
        CHECK(reported(MEMMGR_FOREIGN_POINTER)); // no heap has it, so the general calls judge it
        CHECK(mi_heap_realloc(heap, start, 10) == NULL && reported(MEMMGR_FOREIGN_POINTER));
    }
    mi_heap_collect(heap, true);
    mi_heap_delete(heap); // `line` lives on
    mi_heap_delete(other);
    CHECK(mi_heaps == heap && mi_heaps->next == NULL);
    memset(line, 1, 99);
    mi_free(line);
    CHECK(mi_heaps == NULL);
    heap = mi_heap_new();
    CHECK(heap && mi_heap_zalloc(heap, 10) && mi_heap_malloc_small(heap, MI_SMALL_SIZE_MAX));
    mi_heap_destroy(heap); // blocks and all
    mi_collect(true);
    CHECK(reports == 0);
}

// --- FreeRTOS -----------------------------------------------------------------------------------

static void *rtos_alloc(void *heap, size_t size) {
    (void)heap;
    return pvPortMalloc(size);
}

static void rtos_free(void *heap, void *block) {
    (void)heap;
    vPortFree(block);
}

static void from_freertos(void) {
    static const calls rtos_calls = {"FreeRTOS", rtos_alloc, NULL, rtos_free};
    HeapStats_t stats;
    void *first = pvPortMalloc(1);
    size_t least = xPortGetFreeHeapSize();
    vPortFree(first);
    size_t whole = xPortGetFreeHeapSize();
    CHECK(first && least < whole && xPortGetMinimumEverFreeHeapSize() == least);
    run_dictionary(&rtos_calls, NULL);
    vPortGetHeapStats(&stats);
    CHECK(xPortGetFreeHeapSize() == whole && stats.xAvailableHeapSpaceInBytes == whole);
    CHECK(stats.xNumberOfSuccessfulAllocations == stats.xNumberOfSuccessfulFrees);
    CHECK(stats.xNumberOfSuccessfulFrees > WORDS);
    CHECK(stats.xMinimumEverFreeBytesRemaining == xPortGetMinimumEverFreeHeapSize());
    CHECK(stats.xMinimumEverFreeBytesRemaining < least);
    CHECK(!SWITCH_ON || stats.xNumberOfFreeBlocks >= 1);
    CHECK(!SWITCH_ON || stats.xSizeOfLargestFreeBlockInBytes <= whole);
    xPortResetHeapMinimumEverFreeHeapSize();
    CHECK(xPortGetMinimumEverFreeHeapSize() == whole);
    unsigned char *zeros = (unsigned char *)pvPortCalloc(10, 10);
    CHECK(zeros && zeros[0] == 0 && zeros[99] == 0);
    CHECK(pvPortCalloc(SIZE_MAX / 2, 3) == NULL && pvPortMalloc(0) == NULL);
    unsigned failures = freertos_failures;
    CHECK(pvPortMalloc(whole + 1) == NULL && freertos_failures == failures + 1);
    vPortFree(zeros);
    vPortFree(NULL);
    CHECK(freertos_assertions == 0 && freertos_suspended == 0);
    if (SWITCH_ON) {
        vPortFree(zeros);
        CHECK(freertos_assertions == 1);
        vPortFree(&stats);
        CHECK(freertos_assertions == 2 && xPortGetFreeHeapSize() == whole);
    }
    (void)pvPortMalloc(1000);
    vPortHeapResetState();
    CHECK(xPortGetFreeHeapSize() == 0);
}

// --- APR, and all that is freed at once ---------------------------------------------------------

static void *apr_alloc(void *heap, size_t size) { return apr_palloc((apr_pool_t *)heap, size); }

static void apr_keep(void *heap, void *block) { (void)heap, (void)block; }

static unsigned closed, order;

static apr_status_t close_file(void *data) {
    closed++;
    order = order * 10 + *(unsigned *)data;
    return APR_SUCCESS;
}

static void from_apr(void) {
    static const calls apr_calls = {"APR", apr_alloc, NULL, apr_keep};
    apr_pool_t *server, *request;
    unsigned one = 1, two = 2, three = 3;
    CHECK(apr_pool_create(&server, NULL) == APR_SUCCESS);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(apr_pool_create(&request, server) == APR_SUCCESS);
        run_dictionary(&apr_calls, request);
        CHECK(strcmp(apr_pstrdup(request, "path"), "path") == 0 && !apr_pstrdup(request, NULL));
        CHECK(*(unsigned char *)apr_pcalloc(request, 100) == 0);
        apr_pool_cleanup_register(request, &one, close_file, apr_pool_cleanup_null);
        apr_pool_cleanup_register(request, &two, close_file, apr_pool_cleanup_null);
        apr_pool_cleanup_register(request, &three, close_file, apr_pool_cleanup_null);
        CHECK(apr_pool_num_bytes(server, 1) > apr_pool_num_bytes(server, 0));
        if (i == 0) apr_pool_cleanup_kill(request, &two, close_file);
        if (i == 1) CHECK(apr_pool_cleanup_run(request, &one, close_file) == APR_SUCCESS);
        if (i < 2) apr_pool_destroy(request);
    }
    CHECK(closed == 5 && order == 31132); // the newest first
    CHECK(apr_pool_parent_get(request) == server);
    CHECK(apr_pool_is_ancestor(server, request) && !apr_pool_is_ancestor(request, server));
    apr_pool_clear(server); // the last request goes with it
    CHECK(closed == 8 && server->child == NULL);
    apr_pool_destroy(server);
    CHECK(reports == 0);
}

// --- The textbook's -----------------------------------------------------------------------------

static void *mm_alloc(void *heap, size_t size) { return mm_allocate((mm_manager *)heap, size); }

static void *mm_resize(void *heap, void *block, size_t size) {
    return mm_reallocate((mm_manager *)heap, block, size);
}

static void mm_release(void *heap, void *block) { CHECK(mm_deallocate((mm_manager *)heap, block)); }

static void from_textbook(void) {
    static const calls mm_calls = {"textbook", mm_alloc, mm_resize, mm_release};
    static const mm_strategy strategies[] = {MM_FIRST_FIT, MM_BEST_FIT, MM_WORST_FIT};
    memmgr_stats stats;
    for (int i = 0; i < 3; i++) {
        mm_manager *manager = mm_create((size_t)1 << 19, strategies[i]);
        CHECK(manager != NULL);
        run_dictionary(&mm_calls, manager);
        void *hole = mm_allocate(manager, 1000), *wall = mm_allocate(manager, 16);
        CHECK(mm_deallocate(manager, hole) && mm_validate(manager));
        if (SWITCH_ON) {
            CHECK(!mm_deallocate(manager, hole) && reported(MEMMGR_DOUBLE_FREE));
            CHECK((mm_allocate(manager, 500) == hole) == (strategies[i] != MM_WORST_FIT));
        }
        mm_stats(manager, &stats);
        CHECK(stats.live_blocks == (SWITCH_ON ? 2u : 1u) && stats.failures == 0);
        if (strategies[i] == MM_WORST_FIT) mm_visualize(manager);
        mm_reset(manager);
        (void)wall;
        mm_destroy(manager);
        CHECK(reports == 0);
    }
    mm_manager *leaky = mm_create(4096, MM_BEST_FIT);
    (void)mm_allocate(leaky, 100);
    mm_destroy(leaky);
    CHECK(reported(MEMMGR_LEAK));
}

int main(void) {
    static const struct {
        const char *name;
        void (*run)(void);
    } origins[] = {
        {"TLSF", from_tlsf},      {"o1heap", from_o1heap},     {"umm_malloc", from_umm},
        {"mspaces", from_mspace}, {"mimalloc", from_mimalloc}, {"FreeRTOS", from_freertos},
        {"APR pools", from_apr},  {"textbook", from_textbook},
    };
    memmgr_set_error_handler(on_report, NULL);
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        unsigned already = checks, bad = broken;
        origins[i].run();
        printf("%-10s %u checks, %u broken\n", origins[i].name, checks - already, broken - bad);
    }
    if (SWITCH_ON) CHECK(memmgr_leaks() == 0 && memmgr_check() == MEMMGR_OK);
    printf("%u checks, %u broken\n", checks, broken);
    return broken == 0 ? 0 : 1;
}
