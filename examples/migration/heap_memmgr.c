// heap_memmgr.c: FreeRTOS's heap on memmgr pools, in place of heap_4.c or heap_5.c. Put it, and
// memmgr.h, among the sources of the project, and compile it with -DUSE_MEMORY_MGR.
//
// It takes from FreeRTOSConfig.h what heap_4.c takes: configTOTAL_HEAP_SIZE,
// configAPPLICATION_ALLOCATED_HEAP, configUSE_MALLOC_FAILED_HOOK. With configHEAP_REGIONS 1 it is
// heap_5.c: there is no array, and vPortDefineHeapRegions comes first.
//
// As with heap_4.c no call may be made from an interrupt. A pointer that is not a live block fails
// configASSERT, whichever it is, and then nothing is done.

#define MEMMGR_STATIC
#define MEMMGR_SMALL
#define MEMMGR_NO_THREADS // the scheduler is suspended around every call
#define MEMMGR_NO_STDIO
#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

#define MPU_WRAPPERS_INCLUDED_FROM_API_FILE // these are the functions, not calls through a wrapper
#include "FreeRTOS.h"
#include "task.h"
#undef MPU_WRAPPERS_INCLUDED_FROM_API_FILE

enum { HEAP_REGIONS = 8 };

typedef struct {
    memmgr_pool *pool;
    const uint8_t *start, *end;
} HeapPool;

static HeapPool heap_pool[HEAP_REGIONS];
static size_t heap_count;
static size_t heap_minimum, heap_allocations, heap_frees;
static bool heap_is_ready;

static void heap_misuse(const memmgr_report *report, void *ctx) {
    (void)report, (void)ctx;
    configASSERT(report->error == MEMMGR_OK);
}

size_t xPortGetFreeHeapSize(void) {
    size_t bytes = 0;
    for (size_t i = 0; i < heap_count; i++)
        bytes += memmgr_pool_bytes_free(heap_pool[i].pool);
    return bytes;
}

static void heap_add(uint8_t *start, size_t size) {
    memmgr_pool *pool = heap_count < HEAP_REGIONS ? memmgr_pool_init(start, size, NULL) : NULL;
    configASSERT(pool != NULL);
    if (!pool) return;
    heap_pool[heap_count].pool = pool;
    heap_pool[heap_count].start = start;
    heap_pool[heap_count++].end = start + size;
}

static void heap_start(void) {
    memmgr_set_error_handler(heap_misuse, NULL);
    heap_minimum = xPortGetFreeHeapSize();
    heap_is_ready = true;
}

#if defined(configHEAP_REGIONS) && configHEAP_REGIONS == 1

void vPortDefineHeapRegions(const HeapRegion_t *const pxHeapRegions) {
    configASSERT(!heap_is_ready);
    for (const HeapRegion_t *region = pxHeapRegions; region->xSizeInBytes > 0; region++)
        heap_add(region->pucStartAddress, region->xSizeInBytes);
    heap_start();
}

static bool heap_ready(void) { return heap_is_ready; }

#else

#if defined(configAPPLICATION_ALLOCATED_HEAP) && configAPPLICATION_ALLOCATED_HEAP == 1
extern uint8_t ucHeap[configTOTAL_HEAP_SIZE];
#else
static uint8_t ucHeap[configTOTAL_HEAP_SIZE];
#endif

static bool heap_ready(void) {
    if (heap_is_ready) return true;
    heap_add(ucHeap, sizeof ucHeap);
    heap_start();
    return true;
}

#endif

// The pool that `pv` is a block of; or lies in, so that this pool reports what is wrong with it.
static memmgr_pool *heap_pool_of(const void *pv) {
    const uint8_t *at = (const uint8_t *)pv;
    for (size_t i = 0; i < heap_count; i++)
        if (memmgr_pool_owns(heap_pool[i].pool, pv)) return heap_pool[i].pool;
    for (size_t i = 0; i < heap_count; i++)
        if (at >= heap_pool[i].start && at < heap_pool[i].end) return heap_pool[i].pool;
    return heap_pool[0].pool;
}

static void *heap_alloc(size_t size) {
    void *block = NULL;
    for (size_t i = 0; size > 0 && !block && i < heap_count; i++)
        block = memmgr_pool_alloc(heap_pool[i].pool, size);
    if (!block) return NULL;
    size_t left = xPortGetFreeHeapSize();
    if (left < heap_minimum) heap_minimum = left;
    heap_allocations++;
    return block;
}

void *pvPortMalloc(size_t xWantedSize) {
    void *block = NULL;
    vTaskSuspendAll();
    if (heap_ready()) block = heap_alloc(xWantedSize);
    (void)xTaskResumeAll();
#if defined(configUSE_MALLOC_FAILED_HOOK) && configUSE_MALLOC_FAILED_HOOK == 1
    if (!block) vApplicationMallocFailedHook();
#endif
    return block;
}

void *pvPortCalloc(size_t xNum, size_t xSize) {
    if (xSize > 0 && xNum > SIZE_MAX / xSize) return NULL;
    uint8_t *block = (uint8_t *)pvPortMalloc(xNum * xSize);
    for (size_t i = 0; block && i < xNum * xSize; i++)
        block[i] = 0;
    return block;
}

void vPortFree(void *pv) {
    if (!pv) return;
    vTaskSuspendAll();
    if (memmgr_pool_free(heap_pool_of(pv), pv) == MEMMGR_OK) heap_frees++;
    (void)xTaskResumeAll();
}

size_t xPortGetMinimumEverFreeHeapSize(void) { return heap_minimum; }

void xPortResetHeapMinimumEverFreeHeapSize(void) { heap_minimum = xPortGetFreeHeapSize(); }

void vPortInitialiseBlocks(void) {}

// All blocks are gone. For a scheduler that is started anew.
void vPortHeapResetState(void) {
    for (size_t i = 0; i < heap_count; i++) {
        memmgr_pool_reset(heap_pool[i].pool);
        memmgr_pool_destroy(heap_pool[i].pool);
    }
    heap_count = heap_minimum = heap_allocations = heap_frees = 0;
    heap_is_ready = false;
}

static bool heap_count_free(const memmgr_block *block, void *ctx) {
    HeapStats_t *stats = (HeapStats_t *)ctx;
    if (block->live) return true;
    stats->xNumberOfFreeBlocks++;
    if (block->size > stats->xSizeOfLargestFreeBlockInBytes)
        stats->xSizeOfLargestFreeBlockInBytes = block->size;
    if (block->size < stats->xSizeOfSmallestFreeBlockInBytes)
        stats->xSizeOfSmallestFreeBlockInBytes = block->size;
    return true;
}

void vPortGetHeapStats(HeapStats_t *pxHeapStats) {
    HeapStats_t stats = {0};
    stats.xSizeOfSmallestFreeBlockInBytes = SIZE_MAX; // so the original, when there is none
    vTaskSuspendAll();
    for (size_t i = 0; i < heap_count; i++)
        memmgr_pool_walk(heap_pool[i].pool, heap_count_free, &stats);
    stats.xAvailableHeapSpaceInBytes = xPortGetFreeHeapSize();
    stats.xMinimumEverFreeBytesRemaining = heap_minimum;
    stats.xNumberOfSuccessfulAllocations = heap_allocations;
    stats.xNumberOfSuccessfulFrees = heap_frees;
    (void)xTaskResumeAll();
    *pxHeapStats = stats;
}
