// test_exit.c: with MEMMGR_DEBUG the leaks of the general calls are told when the program ends;
// once, by site, and only if there are any.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // fork() and more under a strict -std=c11
#endif
#ifndef MEMMGR_DEBUG
#define MEMMGR_DEBUG
#endif
#include "support.h"

#if SWITCH_ON && defined(__unix__) && !defined(MEMMGR_NO_WATCH)

#include <sys/wait.h>
#include <unistd.h>

static int count_lines(const char *text, const char *word) {
    int count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        count++;
    return count;
}

// What a child says on stderr from its end on.
static char said[4000];

static void end_child(void (*work)(void)) {
    int ends[2], status = 1;
    size_t length = 0;
    ssize_t got;
    fflush(stdout);
    REQUIRE(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        memmgr_set_error_handler(NULL, NULL);
        work();
        exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    said[length] = '\0';
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void do_nothing(void) {}

static void free_everything(void) {
    for (int i = 0; i < 100; i++)
        memmgr_free(kept(memmgr_malloc(100)));
}

static void leak_three(void) {
    free_everything();
    for (int i = 0; i < 3; i++)
        (void)kept(memmgr_malloc_at(100, "leak.c", 7));
    (void)kept(memmgr_malloc_at(5, "other.c", 9));
}

static void test_exit_without_leaks(void) {
    end_child(do_nothing);
    CHECK_EQUAL(count_lines(said, "\n"), 0);
    end_child(free_everything);
    CHECK_EQUAL(count_lines(said, "\n"), 0);
}

static void test_exit_with_leaks(void) {
    end_child(leak_three);
    CHECK_EQUAL(count_lines(said, "\n"), 2);
    CHECK_EQUAL(count_lines(said, "memmgr: MEMMGR_LEAK"), 2);
    CHECK(strstr(said, "3 blocks, 300 bytes, allocated at leak.c:7\n") != NULL);
    CHECK(strstr(said, "5 bytes, allocated at other.c:9\n") != NULL);
}

static const test_case tests[] = {
    TEST(test_exit_without_leaks),
    TEST(test_exit_with_leaks),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }

#else
int main(void) { return 0; }
#endif
