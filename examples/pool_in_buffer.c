// A heap inside a static array: no C library heap, no operating system, constant time.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

typedef struct Message {
    struct Message *next;
    int number;
    char text[40];
} Message;

static unsigned char buffer[4096];

int main(void) {
    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, NULL);
    if (!pool) return 1;

    // Fill it: exhaustion is NULL, with nothing reported and nothing changed.
    Message *queue = NULL, *message;
    int count = 0;
    while ((message = memmgr_pool_alloc(pool, sizeof *message)) != NULL) {
        *message = (Message){.next = queue, .number = count++};
        queue = message;
    }
    printf("%d messages of %zu bytes in a buffer of %zu\n", count, sizeof *message, sizeof buffer);

    // What was freed can be had again, at once.
    message = queue;
    queue = queue->next;
    if (memmgr_pool_free(pool, message) != MEMMGR_OK) return 1;
    message = memmgr_pool_alloc(pool, sizeof *message);
    if (!message) return 1;
    memmgr_pool_free(pool, message);

    while ((message = queue) != NULL) {
        queue = message->next;
        memmgr_pool_free(pool, message);
    }
    printf("%zu bytes used at the end\n", memmgr_pool_bytes_used(pool));
    return memmgr_pool_destroy(pool) == 0 && count > 40 ? 0 : 1;
}
