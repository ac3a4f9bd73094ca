// textbook.h: the memory manager of courses and interviews: create, allocate, deallocate, stats,
// visualise, with a strategy to choose. The names are everybody's own; these are one choice.
//
// One file of the program says
//
//     #define MEMMGR_IMPLEMENTATION
//     #include "textbook.h"

#ifndef MEMMGR_FROM_TEXTBOOK_H
#define MEMMGR_FROM_TEXTBOOK_H

#include "memmgr.h"
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef memmgr_pool mm_manager;

typedef enum { MM_FIRST_FIT, MM_BEST_FIT, MM_WORST_FIT } mm_strategy;

mm_manager *mm_create(size_t size, mm_strategy strategy);
void mm_destroy(mm_manager *manager);
void mm_reset(mm_manager *manager);
void *mm_allocate(mm_manager *manager, size_t size);
void *mm_reallocate(mm_manager *manager, void *ptr, size_t size);
bool mm_deallocate(mm_manager *manager, void *ptr); // false: a double free, or no block of ours
void mm_stats(const mm_manager *manager, memmgr_stats *out);
bool mm_validate(const mm_manager *manager);
void mm_visualize(const mm_manager *manager);

#ifdef MEMMGR_IMPLEMENTATION

// Worst fit: the largest, and of these the first.
static bool mm_larger(const memmgr_block *candidate, const memmgr_block *best, size_t size,
                      void *ctx) {
    (void)size, (void)ctx;
    return !best || candidate->size > best->size;
}

mm_manager *mm_create(size_t size, mm_strategy strategy) {
    static const memmgr_fit fits[] = {MEMMGR_FIT_FIRST, MEMMGR_FIT_BEST, MEMMGR_FIT_CUSTOM};
    memmgr_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.fit = fits[strategy];
    if (strategy == MM_WORST_FIT) desc.choose = mm_larger;
    return memmgr_pool_create(size, &desc);
}

void mm_destroy(mm_manager *manager) { memmgr_pool_destroy(manager); } // reports leaks
void mm_reset(mm_manager *manager) { memmgr_pool_reset(manager); }
void *mm_allocate(mm_manager *manager, size_t size) { return memmgr_pool_alloc(manager, size); }

void *mm_reallocate(mm_manager *manager, void *ptr, size_t size) {
    return memmgr_pool_realloc(manager, ptr, size);
}

bool mm_deallocate(mm_manager *manager, void *ptr) {
    return memmgr_pool_free(manager, ptr) == MEMMGR_OK;
}

void mm_stats(const mm_manager *manager, memmgr_stats *out) { memmgr_pool_stats(manager, out); }
bool mm_validate(const mm_manager *manager) { return memmgr_pool_check(manager) == MEMMGR_OK; }
void mm_visualize(const mm_manager *manager) { memmgr_pool_print(manager, stdout); }

#endif // MEMMGR_IMPLEMENTATION

#ifdef __cplusplus
}
#endif
#endif
