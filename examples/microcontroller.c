// A microcontroller: one small pool in static memory, and an interrupt that needs blocks. An
// interrupt may not call the pool, as it may have come in the midst of a call. So the main loop
// keeps a queue of empty packets for it, and takes the full ones out of another.

#ifndef USE_MEMORY_MGR
#define USE_MEMORY_MGR // else pools are the C library's malloc; for all files of the firmware
#endif
#define MEMMGR_SMALL // for a device: less code, no operating system
#define MEMMGR_STATIC
#define MEMMGR_NO_THREADS
#define MEMMGR_NO_STDIO
#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

enum { QUEUE = 8, PACKET = 48 };

// One end writes, the other reads: an index each, so that neither waits for the other.
typedef struct {
    void *volatile slot[QUEUE];
    volatile unsigned in, out;
} Queue;

static int put(Queue *queue, void *block) {
    if (queue->in - queue->out == QUEUE) return 0;
    queue->slot[queue->in % QUEUE] = block;
    queue->in++;
    return 1;
}

static void *take(Queue *queue) {
    if (queue->in == queue->out) return NULL;
    void *block = queue->slot[queue->out % QUEUE];
    queue->out++;
    return block;
}

static unsigned char memory[2048]; // anywhere, with any alignment: a section of your linker script
static Queue empty, full;
static unsigned lost;

// There is no stderr to write to: what goes wrong is kept for whoever reads it out.
static struct {
    memmgr_error error;
    const void *pointer, *caller; // what was freed, say, and where: an address of code
} fault;

static void note_fault(const memmgr_report *report, void *ctx) {
    (void)ctx;
    fault.error = report->error;
    fault.pointer = report->pointer;
    fault.caller = report->caller;
}

// The interrupt of a serial line: on a device the hardware calls it.
static void on_packet(unsigned char number) {
    unsigned char *packet = (unsigned char *)take(&empty);
    if (!packet) {
        lost++;
        return;
    }
    for (int i = 0; i < PACKET; i++)
        packet[i] = number;
    put(&full, packet);
}

#include <stdio.h>

int main(void) {
    memmgr_pool *pool = memmgr_pool_init(memory, sizeof memory, NULL);
    unsigned sum = 0, received = 0;
    memmgr_set_error_handler(note_fault, NULL);
    for (unsigned tick = 0; pool && tick < 1000; tick++) {
        void *block;
        while (empty.in - empty.out < QUEUE && (block = memmgr_pool_alloc(pool, PACKET)) != NULL)
            put(&empty, block);
        for (unsigned i = 0; i < tick % 10; i++) // nine at once are one too many
            on_packet((unsigned char)i);
        for (unsigned char *packet; (packet = (unsigned char *)take(&full)) != NULL; received++) {
            sum += packet[PACKET - 1];
            if (memmgr_pool_free(pool, packet) != MEMMGR_OK) return 1;
        }
    }
    for (void *block; (block = take(&empty)) != NULL;)
        memmgr_pool_free(pool, block);
    printf("%u packets, %u lost, checksum %u, %u bytes of memory\n", received, lost, sum,
           (unsigned)sizeof memory);
    memmgr_pool_free(pool, memory + 1); // a mistake
    printf("a fault was noted: %s\n", memmgr_error_name(fault.error));
    if (memmgr_pool_check(pool) != MEMMGR_OK) return 1; // then: memmgr_pool_reset, and go on anew
    return fault.error == MEMMGR_FOREIGN_POINTER && received == 4400 && lost == 100 ? 0 : 1;
}
