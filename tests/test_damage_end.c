// test_damage_end.c: what marks the end of a pool's memory, behind the map's last granule, is
// damaged. The audit must say so: else the next free makes a run that goes on there.
#include "support.h"

#if SWITCH_ON

// Granules in an entry of the map: a bit of each word for every one.
enum { BITS = sizeof(mmi_word) * 8 };

static void test_damage_end_of_map(void) {
    static _Alignas(16) char buffer[2048];
    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, NULL);
    CHECK(pool != NULL);
    reports_start(); // they are counted, and not written
    const mmi_segment *segment = mmi_pool_first(pool);
    uint32_t count = segment->granule_count;
    mmi_entry *last = mmi_map_of(segment) + count / BITS, was;
    CHECK(memmgr_pool_alloc(pool, (size_t)count * 16) != NULL);
    CHECK(memmgr_pool_check(pool) == MEMMGR_OK);
    was = *last;
    for (unsigned bit = count % BITS; bit < BITS; bit++) {
        last->used = was.used ^ (mmi_word)1 << bit;
        CHECK(memmgr_pool_check(pool) == MEMMGR_CORRUPT);
        last->used = was.used;
        last->start = was.start ^ (mmi_word)1 << bit;
        CHECK(memmgr_pool_check(pool) == MEMMGR_CORRUPT);
        last->start = was.start;
    }
    CHECK(memmgr_pool_check(pool) == MEMMGR_OK);
    reports_start();
}

static const test_case tests[] = {TEST(test_damage_end_of_map)};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
#else
int main(void) { return 0; }
#endif
