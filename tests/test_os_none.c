// test_os_none.c: where there is no operating system: nothing is mapped, written or timed, and a
// program that is to end stands still.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // fork() and more under a strict -std=c11
#endif
#ifndef MEMMGR_NO_OS
#define MEMMGR_NO_OS
#endif
#include "support.h"

#if defined(__unix__)
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_os_none_memory(void) {
    unsigned char bytes[64];
    memset(bytes, 0x3C, sizeof bytes);
    CHECK(mmi_os_map(mmi_os_page()) == NULL);
    CHECK_EQUAL(mmi_os_purge(bytes, sizeof bytes), 0);
    mmi_os_unmap(bytes, sizeof bytes);
    CHECK(bytes_are(bytes, sizeof bytes, 0x3C));
#if SWITCH_ON
    CHECK(memmgr_pool_create(100000, NULL) == NULL);
    CHECK_EQUAL(memmgr_trim(), 0);
#endif
}

// Who may say something says it by stdio, or not at all.
static void test_os_none_reports(void) {
    char text[500] = "";
    int ends[2], old = dup(2);
    fflush(stderr);
    REQUIRE(old >= 0 && pipe(ends) == 0);
    dup2(ends[1], 2);
    close(ends[1]);
    memmgr_set_error_handler(NULL, NULL);
    CHECK_EQUAL(memmgr_pool_check(NULL), MEMMGR_BAD_ARGUMENT);
    mmi_os_write_error("once more\n", 10);
    fflush(stderr);
    dup2(old, 2);
    close(old);
    ssize_t length = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
#ifdef MEMMGR_NO_STDIO
    CHECK_EQUAL(length, 0);
#else
    CHECK(length > 20 && strncmp(text, "memmgr: MEMMGR_BAD_ARGUMENT", 27) == 0);
    CHECK(strstr(text, "\nonce more\n") != NULL);
#endif
}

static void not_to_be_called(void) { FAIL("called at exit"); }

static void test_os_none_of_the_rest(void) {
    size_t page = mmi_os_page();
    CHECK(page >= GRANULE && (page & (page - 1)) == 0);
    CHECK(!mmi_os_shows_colours(1) && !mmi_os_shows_colours(2));
    CHECK_EQUAL(mmi_os_nanoseconds(), 0);
    mmi_os_at_exit(not_to_be_called);
    mmi_os_yield(false);
    mmi_os_yield(true);
    mmi_os_no_memory();
    CHECK_EQUAL(mmi_os_nanoseconds(), 0);
}

// There is nobody to end the program.
static void test_os_none_abort(void) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(30);
        mmi_os_abort();
        _exit(0);
    }
    int status = 0;
    usleep(100000);
    CHECK_EQUAL(waitpid(child, &status, WNOHANG), 0); // it runs on
    kill(child, SIGKILL);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

static const test_case tests[] = {
    TEST(test_os_none_memory),
    TEST(test_os_none_reports),
    TEST(test_os_none_of_the_rest),
    TEST(test_os_none_abort),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }

#else
int main(void) { return 0; }
#endif
