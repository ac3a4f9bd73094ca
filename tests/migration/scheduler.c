#include "FreeRTOS.h"
#include "task.h"
unsigned freertos_assertions, freertos_failures, freertos_suspended;
void vTaskSuspendAll(void) { freertos_suspended++; }
long xTaskResumeAll(void) { return freertos_suspended-- ? 0 : -1; }
void vApplicationMallocFailedHook(void) { freertos_failures++; }
