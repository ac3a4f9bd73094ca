// test_no_room.c: general calls where the static array is too small for any block: NULL, and all
// else that can be asked is answered.
#ifdef USE_MEMORY_MGR
#define MEMMGR_NO_OS
#define MEMMGR_NO_THREADS
#undef MEMMGR_STATIC_HEAP_SIZE
#define MEMMGR_STATIC_HEAP_SIZE 64
#endif
#include "support.h"

#if SWITCH_ON
static bool none_is_shown(const memmgr_block *block, void *ctx) {
    (void)block, (void)ctx;
    FAIL("a block is shown");
    return true;
}

static void test_no_room_for_anything(void) {
    memmgr_stats stats;
    unsigned char own[16];
    reports_start();
    CHECK(kept(memmgr_malloc(1)) == NULL);
    CHECK(kept(memmgr_calloc(1, 1)) == NULL);
    CHECK(kept(memmgr_realloc(NULL, 1)) == NULL);
    CHECK(kept(memmgr_aligned_alloc(64, 1)) == NULL);
    memmgr_free(NULL);
    CHECK_EQUAL(memmgr_trim(), 0);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK(memmgr_walk(none_is_shown, NULL));
    memmgr_stats_get(&stats);
    CHECK_EQUAL(stats.capacity + stats.used + stats.free + stats.live_blocks, 0);
    CHECK_SILENT();
    memmgr_free(pointer_plus(own, 0));
    CHECK_REPORTED(MEMMGR_FOREIGN_POINTER);
    memmgr_stats_get(&stats);
    CHECK_EQUAL(stats.misuses, 1);
}

static const test_case tests[] = {TEST(test_no_room_for_anything)};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
#else
int main(void) { return 0; }
#endif
