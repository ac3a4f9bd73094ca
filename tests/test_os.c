// test_os.c: a system that says no: that does not tell which pages are held, writes a byte at a
// time or nothing, and has no key left; and a terminal, which is shown colours unless its user
// wants none.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // fork(), terminals and more under a strict -std=c11
#endif
#if !defined(MEMMGR_NO_THREADS) && defined(__unix__)
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

// --- Calls that fail -----------------------------------------------------------------------------

static bool pages_are_secret;

static inline int secretive_mincore(void *at, size_t size, unsigned char *resident) {
    if (!pages_are_secret) return mincore(at, size, resident);
    errno = EPERM;
    return -1;
}

#define mincore secretive_mincore
#endif

#include "workers.h"

#if HAVE_THREADS

#undef mincore
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>

// --- Pages ---------------------------------------------------------------------------------------

static void test_os_pages(void) {
#if SWITCH_ON && defined(__linux__)
    for (int secret = 0; secret < 2; secret++) {
        size_t size = 1500 * mmi_os_page(); // more than are asked for at once
        unsigned char *memory = (unsigned char *)mmi_os_map(size);
        REQUIRE(memory != NULL);
        memset(memory, 1, size);
        pages_are_secret = secret;
        errno = EDOM;
        CHECK_EQUAL(mmi_os_purge(memory, size), secret ? 0 : size);
        CHECK_EQUAL(errno_now(), EDOM);
        pages_are_secret = false;
        CHECK(bytes_are(memory, size, 0)); // they went back all the same
        mmi_os_unmap(memory, size);
    }
#endif
}

// --- Reports ------------------------------------------------------------------------------------

static void report_something(void) {
    memmgr_set_error_handler(NULL, NULL);
    errno = EDOM;
    CHECK_EQUAL(memmgr_pool_check(NULL), MEMMGR_BAD_ARGUMENT);
    CHECK_EQUAL(errno_now(), EDOM);
}

// To a file that may have so many bytes. Returns how many it has then.
static long report_to_file(rlim_t most) {
    FILE *file = tmpfile();
    struct rlimit limit;
    int old = dup(2);
    if (!CHECK(file && old >= 0 && getrlimit(RLIMIT_FSIZE, &limit) == 0)) return -1;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = most;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    dup2(fileno(file), 2);
    report_something();
    dup2(old, 2);
    close(old);
    limit.rlim_cur = before;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fclose(file);
    return size;
}

// What there is room for is written; the program goes on.
static void report_without_room(void *ctx) {
    (void)ctx;
    signal(SIGXFSZ, SIG_IGN);
    long whole = report_to_file(1000);
    CHECK(whole > 20 && whole < 1000);
    CHECK_EQUAL(report_to_file(10), 10);
    CHECK_EQUAL(report_to_file(0), 0);
    close(2);
    report_something();
}

static void test_os_report_without_room(void) { in_child(report_without_room, NULL); }

// --- Threads' ends ------------------------------------------------------------------------------

enum { BLOCKS = 1000 };

static void *blocks_of_thread[BLOCKS];

static void *allocate_and_end(void *ctx) {
    (void)ctx;
    for (size_t i = 0; i < BLOCKS; i++)
        blocks_of_thread[i] = memmgr_malloc(i);
    return NULL;
}

// When no key is left nobody hears that a thread ends: its heap stays as it is.
static void use_up_keys(void *ctx) {
    (void)ctx;
    pthread_key_t key;
    pthread_t thread;
    size_t keys = 0;
    while (keys < 100000 && pthread_key_create(&key, NULL) == 0)
        keys++;
    CHECK(keys < 100000);
    reports_start();
    for (int round = 0; round < 3; round++) {
        REQUIRE(pthread_create(&thread, NULL, allocate_and_end, NULL) == 0);
        pthread_join(thread, NULL);
        for (size_t i = 0; i < BLOCKS; i++) {
            CHECK(blocks_of_thread[i] != NULL);
            memmgr_free(blocks_of_thread[i]);
        }
        void *own = kept(memmgr_malloc(100));
        CHECK(own != NULL);
        memmgr_free(own);
        CHECK_EQUAL(memmgr_check(), MEMMGR_OK);
    }
    CHECK_SILENT();
}

static void test_os_no_key_left(void) { in_child(use_up_keys, NULL); }

// --- Terminals -----------------------------------------------------------------------------------

static const char *term, *no_color; // of the child; NULL: not set
static bool print_pool, print_to_stderr;

static void set_or_not(const char *name, const char *value) {
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void print_something(void) {
#ifndef MEMMGR_NO_STDIO
    static union {
        unsigned char bytes[8192];
        void *align;
    } memory;
    FILE *out = print_to_stderr ? stderr : NULL; // NULL: stdout
    set_or_not("TERM", term);
    set_or_not("NO_COLOR", no_color);
    if (print_pool) {
        memmgr_pool *pool = memmgr_pool_init(memory.bytes, sizeof memory.bytes, NULL);
        void *block = memmgr_pool_alloc(pool, 1000);
        errno = EDOM;
        memmgr_pool_print(pool, out);
        memmgr_pool_free(pool, block);
    } else {
        void *block = kept(memmgr_malloc(1000));
        errno = EDOM;
        memmgr_print(out);
        memmgr_free(block);
    }
    fflush(out ? out : stdout);
#endif
}

// What a child prints, to a terminal or a file. The number of escapes, or -1.
static int escapes_printed(bool terminal, size_t *printed) {
    static char bytes[4096];
    int main_end = terminal ? posix_openpt(O_RDWR | O_NOCTTY) : -1, ends[2] = {-1, -1}, escapes = 0;
    if (terminal && (main_end < 0 || grantpt(main_end) != 0 || unlockpt(main_end) != 0)) return -1;
    if (terminal) ends[1] = open(ptsname(main_end), O_RDWR | O_NOCTTY);
    if (!terminal && pipe(ends) == 0) main_end = ends[0];
    if (ends[1] < 0) return -1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], print_to_stderr ? 2 : 1);
        print_something();
        _exit(0);
    }
    close(ends[1]);
    *printed = 0;
    for (ssize_t got; (got = read(main_end, bytes, sizeof bytes)) > 0; *printed += (size_t)got)
        for (ssize_t i = 0; i < got; i++)
            escapes += bytes[i] == '\033';
    close(main_end);
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return escapes;
}

static void check_colours(const char *kind, const char *unwanted, bool expected) {
    size_t printed;
    term = kind;
    no_color = unwanted;
    int escapes = escapes_printed(true, &printed);
    CHECK(printed > 50);
    // Of its heap the C library shows nothing that could be coloured.
    CHECK_EQUAL(escapes > 0, expected && (SWITCH_ON || print_pool));
}

static void test_os_colours(void) {
#ifndef MEMMGR_NO_STDIO
    size_t printed;
    term = "xterm";
    if (escapes_printed(true, &printed) < 0) {
        printf("    skipped: there are no terminals to be had\n");
        return;
    }
    for (int way = 0; way < 4; way++) {
        print_pool = way & 1;
        print_to_stderr = way & 2;
        check_colours("xterm", NULL, true);
        check_colours("xterm", "", true); // which is as good as not set
        check_colours("xterm", "1", false);
        check_colours("dumb", NULL, false);
        check_colours(NULL, NULL, false);
        term = "xterm";
        no_color = NULL;
        CHECK_EQUAL(escapes_printed(false, &printed), 0);
        CHECK(printed > 50);
    }
#endif
}

// To wait, for a moment or for longer, is nobody's error.
static void test_os_waits(void) {
    errno = 77;
    mmi_os_yield(false);
    mmi_os_yield(true);
    CHECK_EQUAL(errno, 77);
}

static const test_case tests[] = {
    TEST(test_os_waits),       TEST(test_os_pages),   TEST(test_os_report_without_room),
    TEST(test_os_no_key_left), TEST(test_os_colours),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }

#else
int main(void) { return 0; }
#endif
