// regions.c: heap_memmgr.c as heap_5: three regions, filled and emptied. The status tells what
// broke.
#include "FreeRTOS.h"
static uint8_t one[3000], two[20000], three[7000];
int main(void) {
    const HeapRegion_t regions[] = {
        {one, sizeof one}, {two, sizeof two}, {three, sizeof three}, {NULL, 0}};
    void *block[300];
    size_t count = 0;
    if (pvPortMalloc(10)) return 1; // before there are regions
    vPortDefineHeapRegions(regions);
    size_t whole = xPortGetFreeHeapSize();
    while (count < 300 && (block[count] = pvPortMalloc(200)))
        count++;
    if (count < 120 || count > 150 || whole < 27000) return 2;
    if (xPortGetMinimumEverFreeHeapSize() > 2000) return 3;
    for (size_t i = 0; i < count; i++)
        vPortFree(block[i]);
    if (xPortGetFreeHeapSize() != whole || freertos_assertions != 0) return 4;
#ifdef USE_MEMORY_MGR
    if (pvPortMalloc(18000) == NULL || pvPortMalloc(18000)) return 5; // only the second has it
    vPortFree(block[0]), vPortFree(block[count - 1] = &count);
    if (freertos_assertions != 2) return 6; // a double free, and one of the stack
#endif
    vPortHeapResetState();
    return freertos_suspended == 0 ? 0 : 7;
}
