// Without an operating system and without stdio: general calls draw from one static array. Only
// main, which shows the result, is at home here; on a small device it would be the firmware.

#define MEMMGR_NO_OS
#define MEMMGR_NO_STDIO
#define MEMMGR_NO_THREADS
#define MEMMGR_STATIC_HEAP_SIZE 16384
#define MEMMGR_STATIC // one file: nothing is exported
#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

// A device's log: the last readings, in blocks taken as they come.
typedef struct Reading {
    struct Reading *older;
    unsigned value;
} Reading;

static Reading *log_reading(Reading *newest, unsigned value) {
    Reading *reading = (Reading *)memmgr_malloc(sizeof *reading);
    if (!reading) return NULL;
    reading->older = newest;
    reading->value = value;
    return reading;
}

static unsigned sum_and_free(Reading *newest) {
    unsigned sum = 0;
    while (newest) {
        Reading *older = newest->older;
        sum += newest->value;
        memmgr_free(newest);
        newest = older;
    }
    return sum;
}

#include <stdio.h>

int main(void) {
    unsigned sum = 0;
    for (int day = 0; day < 1000; day++) {
        Reading *newest = NULL;
        for (unsigned i = 1; i <= 100; i++) {
            Reading *reading = log_reading(newest, i);
            if (!reading) return 1;
            newest = reading;
        }
        sum = sum_and_free(newest);
    }
    printf("100000 readings through a heap of %d bytes, sum of a day %u\n", MEMMGR_STATIC_HEAP_SIZE,
           sum);
    return sum == 5050 ? 0 : 1;
}
