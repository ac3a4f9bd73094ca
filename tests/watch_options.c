// watch_options.c: the programs of test_watch_options.sh. What WITH_... is defined says which one.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef WITH_IMPLEMENTATION
#define MEMMGR_IMPLEMENTATION
#endif
#include "../memmgr.h"

#ifdef USE_MEMORY_MGR
enum { SWITCH_ON = 1 };
#else
enum { SWITCH_ON = 0 };
#endif

// A result that no compiler may do without.
void *options_kept(void *pointer);
int options_use(void); // the second file's
#ifdef WITH_IMPLEMENTATION
void *options_kept(void *pointer) {
    void *volatile hidden = pointer;
    return hidden;
}
#endif

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#ifdef WITH_USER
// A file with MEMMGR_DEBUG; the implementation may be without. Returns 0.

static memmgr_report last;
static size_t reported;

static void hear(const memmgr_report *report, void *ctx) {
    (void)ctx;
    last = *report;
    reported++;
}

static int this_file(const char *file) { return file && strcmp(file, __FILE__) == 0; }

static void use_pool(unsigned flags) {
    static char buffer[65536];
    memmgr_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.flags = flags;
    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, &desc);
    EXPECT(pool != NULL);
    reported = 0;
    int line = __LINE__ + 1;
    void *block = options_kept(memmgr_pool_alloc(pool, 100));
    EXPECT(memmgr_pool_usable_size(pool, block) >= 100);
    EXPECT(memmgr_pool_leaks(pool) == 1 && reported == 1 && last.error == MEMMGR_LEAK);
    EXPECT(last.count == 1);
    if (flags & MEMMGR_POOL_TRACK) {
        EXPECT(last.size == 100 && this_file(last.alloc_file) && last.alloc_line == line);
    }
    int freed = __LINE__ + 1;
    EXPECT(memmgr_pool_free(pool, block) == MEMMGR_OK);
    if (SWITCH_ON) {
        EXPECT(memmgr_pool_free(pool, options_kept(block)) == MEMMGR_DOUBLE_FREE);
        EXPECT(reported == 2 && this_file(last.file) && last.line == freed + 2);
        if (flags & MEMMGR_POOL_TRACK) EXPECT(last.alloc_line == line && last.free_line == freed);
    }
    block = options_kept(memmgr_pool_calloc(pool, 2, 30));
    block = options_kept(memmgr_pool_realloc(pool, block, 90));
    EXPECT(memmgr_pool_free(pool, block) == MEMMGR_OK);
    block = options_kept(memmgr_pool_aligned_alloc(pool, 64, 10));
    EXPECT(memmgr_pool_free(pool, block) == MEMMGR_OK);
    EXPECT(memmgr_pool_destroy(pool) == 0);
}

int options_use(void) {
    memmgr_set_error_handler(hear, NULL);
    use_pool(0);
    use_pool(MEMMGR_POOL_TRACK);
    use_pool(MEMMGR_POOL_TRACK | MEMMGR_POOL_GUARD | MEMMGR_POOL_FILL | MEMMGR_POOL_QUARANTINE);
    reported = 0;
    void *block = options_kept(memmgr_malloc(100));
    block = options_kept(memmgr_realloc(block, 200));
    EXPECT(memmgr_usable_size(block) >= 200);
    memmgr_free(block);
    memmgr_free(options_kept(memmgr_calloc(2, 3)));
    memmgr_free(options_kept(memmgr_aligned_alloc(128, 3)));
    EXPECT(reported == 0);
    if (!SWITCH_ON) return 0;
    block = options_kept(memmgr_malloc(24));
    memmgr_free(block);
    memmgr_free(options_kept(block));
    EXPECT(reported == 1 && last.error == MEMMGR_DOUBLE_FREE);
    EXPECT(this_file(last.file) && last.line == __LINE__ - 2);
    return 0;
}
#endif

#ifdef WITH_MAIN
int main(void) { return options_use(); }
#endif

#ifdef WITH_LEAKS
// Leaves blocks behind. The lines that are to be told are given in comments, for the script.
int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "none") == 0) {
        memmgr_free(options_kept(memmgr_malloc(10)));
        return 0;
    }
    for (int i = 0; i < 3; i++)
        EXPECT(options_kept(memmgr_malloc(1000)) != NULL); // leaks 3000
    EXPECT(options_kept(memmgr_calloc(1, 50)) != NULL);    // leaks 50
    if (argc > 1 && strcmp(argv[1], "exit") == 0) exit(3);
    return 0;
}
#endif

#ifdef WITH_NO_WATCH
// Flags are accepted and change nothing; whatever else there is works.
static size_t reported;

static void hear(const memmgr_report *report, void *ctx) {
    (void)ctx;
    (void)report;
    reported++;
}

static void never_write(const char *text, size_t length, void *ctx) {
    (void)text, (void)length, (void)ctx;
    EXPECT(!"nothing is to be written");
}

static void job(void *ctx) { ++*(size_t *)ctx; }

static void use_watched_pool(void) {
    static char buffer[65536];
    memmgr_faults all = {1, 1, 0};
    memmgr_pool_desc desc;
    memmgr_stats stats;
    size_t runs = 0;
    memset(&desc, 0, sizeof desc);
    desc.flags = MEMMGR_POOL_TRACK | MEMMGR_POOL_GUARD | MEMMGR_POOL_FILL | MEMMGR_POOL_QUARANTINE;
    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, &desc);
    EXPECT(pool != NULL);
    memmgr_pool_set_faults(pool, &all);
    if (SWITCH_ON) {
        void *first = options_kept(memmgr_pool_alloc(pool, 100));
        EXPECT(first && memmgr_pool_usable_size(pool, first) == 112);
        EXPECT(memmgr_pool_free(pool, first) == MEMMGR_OK);
        EXPECT(options_kept(memmgr_pool_alloc(pool, 100)) == first); // no quarantine
        EXPECT(memmgr_pool_free(pool, first) == MEMMGR_OK);
        EXPECT(memmgr_pool_free(pool, options_kept(first)) == MEMMGR_DOUBLE_FREE);
        EXPECT(reported == 1);
        EXPECT(memmgr_fail_each(pool, job, &runs) == 0 && runs <= 1);
    }
    memmgr_pool_set_faults(pool, NULL);
    reported = 0;
    EXPECT(options_kept(memmgr_pool_calloc(pool, 10, 10)) != NULL);
    EXPECT(options_kept(memmgr_pool_alloc(pool, 10)) != NULL);
    EXPECT(memmgr_pool_check(pool) == MEMMGR_OK);
    memmgr_pool_stats(pool, &stats);
    EXPECT(stats.live_blocks == 2 && stats.used + stats.free + stats.overhead == stats.capacity);
    EXPECT(memmgr_pool_leaks(pool) == 2 && reported >= 1);
    memmgr_pool_reset(pool);
    EXPECT(memmgr_pool_destroy(pool) == 0);
}

int main(void) {
    memmgr_faults all = {1, 1, 0};
    memmgr_set_error_handler(hear, NULL);
    memmgr_watch(MEMMGR_POOL_TRACK | MEMMGR_POOL_GUARD | MEMMGR_POOL_FILL | MEMMGR_POOL_QUARANTINE);
    memmgr_set_fill(true);
    memmgr_set_faults(&all);
    EXPECT(reported == 0);
    memmgr_watch(MEMMGR_POOL_GROW);
    EXPECT(reported == 1);
    EXPECT(!memmgr_trace_start(never_write, NULL));
    for (size_t size = 0; size < 200000; size = size * 3 + 1) {
        char *block = (char *)options_kept(memmgr_malloc(size));
        EXPECT(block && memmgr_usable_size(block) >= size);
        block = (char *)options_kept(memmgr_realloc(block, size + 100));
        EXPECT(block != NULL);
        memset(block, 1, size + 100);
        memmgr_free(block);
        memmgr_free(options_kept(memmgr_calloc(size, 2)));
        memmgr_free(options_kept(memmgr_aligned_alloc(64, size)));
    }
    memmgr_trace_stop();
    EXPECT(memmgr_check() == MEMMGR_OK);
    reported = 0;
    EXPECT(memmgr_leaks() == 0 && reported == 0);
    use_watched_pool();
    memmgr_watch(0);
    return 0;
}
#endif
