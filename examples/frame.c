// A game's memory: what lives for a level, and what lives for a frame. Two frame pools take turns,
// so that what one frame made is still there in the next. Nothing is freed one by one. C, and C++
// as it stands.
//
// A block of a frame pool costs what any block of a pool does, and each free is checked. Where that
// is too much, take one block of the pool for the frame and hand it out from front to back, with no
// frees at all; in C++, std::pmr::monotonic_buffer_resource on such a block does it.

#include <stdio.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

typedef struct Contact {
    struct Contact *next;
    int a, b;
} Contact;

static unsigned char level_memory[256 * 1024], frame_memory[2][32 * 1024];

// Pairs of bodies that touch: more in some frames than in others.
static Contact *find_contacts(memmgr_pool *frame, const int *bodies, int count, int time) {
    Contact *list = NULL;
    for (int i = 0; i < count; i++) {
        if ((bodies[i] + time) % 7 != 0) continue;
        Contact *contact = (Contact *)memmgr_pool_alloc(frame, sizeof *contact);
        if (!contact) return list; // a full frame drops contacts, and the game goes on
        contact->next = list;
        contact->a = i;
        contact->b = (i + 1) % count;
        list = contact;
    }
    return list;
}

static int length(const Contact *list) {
    int count = 0;
    for (; list; list = list->next)
        count++;
    return count;
}

int main(void) {
    memmgr_pool *level = memmgr_pool_init(level_memory, sizeof level_memory, NULL);
    memmgr_pool *frame[2];
    for (int i = 0; i < 2; i++)
        frame[i] = memmgr_pool_init(frame_memory[i], sizeof frame_memory[i], NULL);
    int *bodies = (int *)memmgr_pool_calloc(level, 1000, sizeof *bodies);
    if (!bodies || !frame[0] || !frame[1]) return 1;
    for (int i = 0; i < 1000; i++)
        bodies[i] = i * i;

    const Contact *before = NULL;
    int ended = 0;
    for (int time = 0; time < 10000; time++) {
        memmgr_pool *now = frame[time % 2];
        memmgr_pool_reset(now); // the frame before the last one
        const Contact *contacts = find_contacts(now, bodies, 1000, time);
        if (length(before) > length(contacts)) ended++;
        before = contacts;
    }
    memmgr_stats stats;
    memmgr_pool_stats(frame[0], &stats);
    printf("10000 frames, contacts ended in %d; a frame took at most %zu of %zu bytes\n", ended,
           stats.peak_used, sizeof frame_memory[0]);
    for (int i = 0; i < 2; i++)
        memmgr_pool_reset(frame[i]), memmgr_pool_destroy(frame[i]);
    memmgr_pool_free(level, bodies);
    return memmgr_pool_destroy(level) == 0 && stats.failures == 0 && ended > 0 ? 0 : 1;
}
