// claim.c: two threads free a watched block at once. The second is stopped where it has seen that
// the record is live; it must not put the block into quarantine once more.
static void claim_pause(const char *point);
#define MMI_PAUSE(point) claim_pause(point)
#include "../workers.h"

#if HAVE_THREADS
#include <semaphore.h>
#include <string.h>

static _Thread_local bool stops;
static sem_t arrived, go_on;

static void claim_pause(const char *point) {
    if (!stops || strcmp(point, "record is live") != 0) return;
    stops = false;
    sem_post(&arrived);
    sem_wait(&go_on);
}

static void free_and_stop(void *block) {
    stops = true;
    memmgr_free(block);
}

static void free_at_once(unsigned flags, void (*second)(void *)) {
    servant other;
    reports_start();
    sem_init(&arrived, 0, 0);
    sem_init(&go_on, 0, 0);
    memmgr_watch(flags);
    servant_start(&other);
    void *block = memmgr_malloc(100);
    REQUIRE(block != NULL);
    servant_begin(&other, free_and_stop, block);
    sem_wait(&arrived);
    second(block);
    CHECK_SILENT();
    sem_post(&go_on);
    servant_wait(&other);
    CHECK_EQUAL(reports.last.pointer == block, true);
    CHECK_REPORTED(MEMMGR_DOUBLE_FREE);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    memmgr_watch(MEMMGR_POOL_TRACK); // empties the quarantine
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
    servant_stop(&other);
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    CHECK_EQUAL(stats.live_blocks, 0);
}

static void just_free(void *block) { memmgr_free(block); }

static void free_by_moving(void *block) {
    void *moved = memmgr_realloc(block, 5000);
    CHECK(moved != NULL);
    memmgr_free(moved);
}

static void test_claim_held_once(void) {
    free_at_once(MEMMGR_POOL_TRACK | MEMMGR_POOL_QUARANTINE, just_free);
}
static void test_claim_moved_and_freed(void) {
    free_at_once(MEMMGR_POOL_TRACK | MEMMGR_POOL_QUARANTINE, free_by_moving);
}
static void test_claim_tracked(void) { free_at_once(MEMMGR_POOL_TRACK, just_free); }

static const test_case tests[] = {
    TEST(test_claim_held_once),
    TEST(test_claim_moved_and_freed),
    TEST(test_claim_tracked),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
#else
int main(void) { return 0; }
#endif
