// test.h: a test runner of a page.
//
// A program lists its tests and hands them over:
//
//     static const test_case tests[] = {TEST(test_pool_reset), TEST(test_pool_walk)};
//     int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
//
//     program               runs every test, in order
//     program walk reset    runs those whose name contains one of the words
//     program --seed 42     replays a run; SEED=42 in the environment does the same
//     program --list        names the tests
//
// SCALE=10 in the environment makes the random tests do 10 percent of their work.
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name;
    void (*run)(void);
} test_case;

#define TEST(function)                                                                             \
    { #function, function }
#define TEST_MAIN(tests, argc, argv) test_main(tests, sizeof(tests) / sizeof(tests)[0], argc, argv)

// Each is true when the check holds; a failure is printed and the test goes on.
#define CHECK(condition) test_check((condition) ? true : false, #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(actual, expected)                                                              \
    test_check_equal((unsigned long long)(actual), (unsigned long long)(expected),                 \
                     #actual " == " #expected, __FILE__, __LINE__)
#define FAIL(what) test_fail(what, __FILE__, __LINE__)
// In a void function: leaves it when the check fails.
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!CHECK(condition)) return;                                                             \
    } while (0)

enum { TEST_SHOWN = 8 }; // failures printed per test

static uint64_t test_seed = 1;
static uint64_t test_state = 1;
static unsigned long test_scale = 100; // percent
static unsigned long test_failures;    // in the running test

static inline void test_fail(const char *what, const char *file, int line) {
    test_failures++;
    if (test_failures <= TEST_SHOWN) printf("    %s:%d: %s\n", file, line, what);
    if (test_failures == TEST_SHOWN + 1) printf("    ... and more\n");
    fflush(stdout);
}

static inline bool test_check(bool holds, const char *what, const char *file, int line) {
    if (!holds) test_fail(what, file, line);
    return holds;
}

static inline bool test_check_equal(unsigned long long actual, unsigned long long expected,
                                    const char *what, const char *file, int line) {
    if (actual == expected) return true;
    test_fail(what, file, line);
    if (test_failures <= TEST_SHOWN) printf("        is %llu, not %llu\n", actual, expected);
    return false;
}

// A failed assertion inside the library is a bug of the library: nothing can go on after it.
static inline void test_assertion_failed(const char *what, const char *file, int line) {
    printf("    %s:%d: assertion failed: %s\n    SEED=%llu\n", file, line, what,
           (unsigned long long)test_seed);
    fflush(stdout);
    abort();
}

// splitmix64
static inline uint64_t test_random(void) {
    uint64_t z = (test_state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

// 0 to limit - 1; limit 0 gives 0
static inline size_t test_below(size_t limit) {
    return limit == 0 ? 0 : (size_t)(test_random() % limit);
}

static inline bool test_chance(unsigned percent) { return test_below(100) < percent; }

// low to high, every doubling as likely as any other
static inline size_t test_log_uniform(size_t low, size_t high) {
    size_t top = low;
    size_t doublings = 1;
    while (top < high / 2)
        top *= 2, doublings++;
    size_t from = low << test_below(doublings);
    size_t value = from + test_below(from);
    return value > high ? high : value;
}

// How many of `count` random steps this run does, at least one.
static inline size_t test_count(size_t count) {
    size_t scaled = (size_t)((unsigned long long)count * test_scale / 100);
    return scaled == 0 ? 1 : scaled;
}

static inline bool test_wanted(const char *name, int argc, char **argv) {
    bool filtered = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0) {
            i++;
            continue;
        }
        filtered = true;
        if (strstr(name, argv[i])) return true;
    }
    return !filtered;
}

// Every test starts from a state of its own, so that a filter changes nothing for the others.
static inline bool test_run(const test_case *test) {
    test_state = test_seed;
    for (const char *c = test->name; *c; c++)
        test_state = test_state * 131 + (unsigned char)*c;
    test_failures = 0;
    printf("  %s\n", test->name);
    fflush(stdout);
    test->run();
    if (test_failures > 0) printf("    FAILED: %lu checks\n", test_failures);
    return test_failures == 0;
}

static inline int test_main(const test_case *tests, size_t count, int argc, char **argv) {
    const char *seed = getenv("SEED");
    const char *scale = getenv("SCALE");
    size_t passed = 0, failed = 0;
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0) seed = argv[i + 1];
    }
    if (seed && *seed) test_seed = strtoull(seed, NULL, 0);
    if (scale && *scale) test_scale = strtoul(scale, NULL, 0);
    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < count; i++)
            printf("%s\n", tests[i].name);
        return 0;
    }
    const char *program = argc > 0 && argv[0] ? argv[0] : "tests"; // on a board there may be none
    printf("%s SEED=%llu\n", program, (unsigned long long)test_seed);
    for (size_t i = 0; i < count; i++) {
        if (!test_wanted(tests[i].name, argc, argv)) continue;
        if (test_run(&tests[i]))
            passed++;
        else
            failed++;
    }
    printf("%lu passed, %lu failed\n", (unsigned long)passed, (unsigned long)failed);
    return failed == 0 ? 0 : 1;
}

#endif
