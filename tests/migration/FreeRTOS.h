// FreeRTOS.h: what heap_memmgr.c and migration.c need of FreeRTOS: its names, a heap of a size, and
// assertions that count, so that a test can see them.
#ifndef FREERTOS_H
#define FREERTOS_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#define configTOTAL_HEAP_SIZE (512u * 1024)
#define configUSE_MALLOC_FAILED_HOOK 1
extern unsigned freertos_assertions, freertos_failures, freertos_suspended;
#define configASSERT(x) ((x) ? (void)0 : (void)freertos_assertions++)
typedef struct HeapRegion {
    uint8_t *pucStartAddress;
    size_t xSizeInBytes;
} HeapRegion_t;
typedef struct xHeapStats {
    size_t xAvailableHeapSpaceInBytes, xSizeOfLargestFreeBlockInBytes;
    size_t xSizeOfSmallestFreeBlockInBytes, xNumberOfFreeBlocks, xMinimumEverFreeBytesRemaining;
    size_t xNumberOfSuccessfulAllocations, xNumberOfSuccessfulFrees;
} HeapStats_t;
void vPortDefineHeapRegions(const HeapRegion_t *const pxHeapRegions);
void vPortGetHeapStats(HeapStats_t *pxHeapStats);
void *pvPortMalloc(size_t xWantedSize);
void *pvPortCalloc(size_t xNum, size_t xSize);
void vPortFree(void *pv);
void vPortInitialiseBlocks(void);
void vPortHeapResetState(void);
size_t xPortGetFreeHeapSize(void);
size_t xPortGetMinimumEverFreeHeapSize(void);
void xPortResetHeapMinimumEverFreeHeapSize(void);
void vApplicationMallocFailedHook(void);
#ifdef __cplusplus
}
#endif
#endif
