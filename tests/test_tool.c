// test_tool.c: what AddressSanitizer and Valgrind know of blocks. Under ASan the program asks it;
// else it runs itself under Valgrind, if that is there, and asks memcheck by its client requests.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // fork() under a strict -std=c11
#endif
#include "support.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(UNDER_ASAN)
#define TOOL_IS_ASAN 1
#else
#define TOOL_IS_ASAN 0
#endif

#if SWITCH_ON && !SMALL && !defined(MEMMGR_NO_WATCH) && !defined(MEMMGR_NO_TOOLS) &&               \
    defined(__linux__) && (TOOL_IS_ASAN || defined(__x86_64__) || defined(__aarch64__))
#include <sys/wait.h>
#include <unistd.h>

enum { POOL_SIZE = 65536 };

static const char *state_of(const void *at);

// --- The two tools: may the program read and write a byte? Is it known to have a value? ----------

#if TOOL_IS_ASAN
#ifdef __cplusplus
extern "C"
#endif
    int
    __asan_address_is_poisoned(const volatile void *at);

static const char *state_of(const void *at) {
    return __asan_address_is_poisoned(at) ? "closed" : "open";
}

static const char *const fresh = "open", *const open_ = "open";
static size_t errors_seen(void) { return 0; }
static bool under_tool(void) { return true; }
#else
// Memcheck's and Valgrind's own numbers.
enum { COUNT_ERRORS = 0x1201, IS_OPEN = 0x4D430004, IS_DEFINED = 0x4D430005 };

static size_t own_errors;

// A question that is answered by "no" counts as an error of the program.
static bool ask(uintptr_t question, const void *at) {
    bool no = mmi_tool_request(question, at, 1, 0, 0) != 0;
    own_errors += no;
    return !no;
}

static const char *state_of(const void *at) {
    if (!ask(IS_OPEN, at)) return "closed";
    return ask(IS_DEFINED, at) ? "open" : "unwritten";
}

static const char *const fresh = "unwritten", *const open_ = "open";
static size_t errors_seen(void) {
    return (size_t)mmi_tool_request(COUNT_ERRORS, NULL, 0, 0, 0) - own_errors;
}
static bool under_tool(void) { return mmi_tool_is_there(); }
#endif

static bool state_is(const void *at, const char *wanted) {
    const char *state = state_of(at);
    if (strcmp(state, wanted) != 0) printf("    it is %s, not %s\n", state, wanted);
    return strcmp(state, wanted) == 0;
}

// --- Tests ---------------------------------------------------------------------------------------

static void *pointer_of(memmgr_pool *pool, size_t size) {
    return pool ? memmgr_pool_alloc(pool, size) : memmgr_malloc(size);
}

static memmgr_error drop(memmgr_pool *pool, void *block) {
    if (pool) return memmgr_pool_free(pool, block);
    memmgr_free(block);
    return MEMMGR_OK;
}

// A block, and nothing beside it, is the program's.
static void block_is_seen(memmgr_pool *pool, size_t size) {
    char *block = (char *)pointer_of(pool, size);
    REQUIRE(block != NULL);
    CHECK(state_is(block, fresh) && state_is(block + size - 1, fresh));
    CHECK(state_is(block - 1, "closed") && state_is(block + size, "closed"));
    memset(block, 1, size);
    CHECK(state_is(block, open_) && state_is(block + size - 1, open_));
    CHECK_EQUAL(drop(pool, block), MEMMGR_OK);
    CHECK(state_is(block, "closed") && state_is(block + size - 1, "closed"));
    CHECK(state_is(block - 1, "closed") && state_is(block + size, "closed"));
}

static void zeroed_is_seen(memmgr_pool *pool) {
    char *block = (char *)(pool ? memmgr_pool_calloc(pool, 10, 10) : memmgr_calloc(10, 10));
    REQUIRE(block != NULL);
    CHECK(state_is(block, open_) && state_is(block + 99, open_));
    CHECK(state_is(block - 1, "closed") && state_is(block + 100, "closed"));
    CHECK_EQUAL(drop(pool, block), MEMMGR_OK);
}

static void resized_is_seen(memmgr_pool *pool) {
    char *block = (char *)pointer_of(pool, 40);
    REQUIRE(block != NULL);
    memset(block, 2, 40);
    for (size_t size = 30; size < 5000; size = size * 3 + 1) {
        char *old = block;
        block =
            (char *)(pool ? memmgr_pool_realloc(pool, block, size) : memmgr_realloc(block, size));
        REQUIRE(block != NULL);
        if (block != old) CHECK(state_is(pointer_plus(old, 0), "closed"));
        CHECK(state_is(block, open_));
        memset(block, 3, size);
        CHECK(state_is(block + size - 1, open_) && state_is(block + size, "closed"));
    }
    CHECK_EQUAL(drop(pool, block), MEMMGR_OK);
}

static void all_is_seen(memmgr_pool *pool) {
    static const size_t sizes[] = {1, 8, 16, 24, 100, 1000, 4096, 20000};
    size_t errors = errors_seen();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        block_is_seen(pool, sizes[i]);
        zeroed_is_seen(pool);
    }
    resized_is_seen(pool);
    CHECK_EQUAL(errors_seen(), errors); // memmgr's own reading is in order
}

static void test_tool_general_calls(void) {
    reports_start();
    all_is_seen(NULL);
    CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    CHECK_SILENT();
}

static void in_pool(unsigned flags) {
    static unsigned char memory[POOL_SIZE];
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, flags);
    size_t errors = errors_seen();
    memset(memory, 4, sizeof memory);
    reports_start();
    memmgr_pool *pool = memmgr_pool_init(memory, sizeof memory, &desc);
    REQUIRE(pool != NULL);
    CHECK(state_is(memory + POOL_SIZE - 1, "closed"));
    all_is_seen(pool);
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OK);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    // The buffer is the program's again, and has kept values wherever nobody wrote others.
    for (size_t i = 0; i < sizeof memory; i += 97)
        CHECK(strcmp(state_of(memory + i), "closed") != 0);
    CHECK_EQUAL(errors_seen(), errors);
}

static void test_tool_pool(void) { in_pool(0); }
static void test_tool_pool_quarantine(void) { in_pool(MEMMGR_POOL_QUARANTINE); }
static void test_tool_pool_fill(void) { in_pool(MEMMGR_POOL_FILL | MEMMGR_POOL_TRACK); }

// A record that the program has overwritten, as far as a tool lets it, stays closed.
static void test_tool_wounds(void) {
    static unsigned char memory[POOL_SIZE];
    reports_start();
    memmgr_pool *pool = memmgr_pool_init(memory, sizeof memory, NULL);
    REQUIRE(pool != NULL);
    char *block = (char *)memmgr_pool_alloc(pool, 100);
    char *record = block - 64;
    REQUIRE(block != NULL);
    mmi_tool_open(record, 64);
    memset(record, 0x5B, 48);
    mmi_tool_close(record, 64);
    CHECK(memmgr_pool_owns(pool, block) && state_is(record, "closed"));
    CHECK_EQUAL(memmgr_pool_check(pool), MEMMGR_OVERRUN);
    CHECK(state_is(record, "closed") && state_is(block - 1, "closed"));
    CHECK_EQUAL(memmgr_pool_free(pool, block), MEMMGR_OK);
    CHECK(state_is(record, "closed") && state_is(block, "closed"));
    reports_start();
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
}

static const test_case tests[] = {
    TEST(test_tool_general_calls), TEST(test_tool_pool),   TEST(test_tool_pool_quarantine),
    TEST(test_tool_pool_fill),     TEST(test_tool_wounds),
};

// The program again, under Valgrind. 0 if that is not there.
static int again_under_valgrind(int argc, char **argv) {
    char *words[16] = {(char *)(uintptr_t) "valgrind", (char *)(uintptr_t) "-q",
                       (char *)(uintptr_t) "--log-file=/dev/null", argv[0]};
    int status = 0;
    if (argc > 10) argc = 10;
    for (int i = 1; i < argc; i++)
        words[3 + i] = argv[i];
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        (void)execvp(words[0], words);
        printf("skipped: no valgrind\n0 passed, 0 failed\n");
        (void)fflush(stdout);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
    bool listed = argc > 1 && strcmp(argv[1], "--list") == 0;
    if (!listed && !under_tool()) return again_under_valgrind(argc, argv);
    return TEST_MAIN(tests, argc, argv);
}
#else
int main(void) { return 0; }
#endif
