// test_trace_clock.c: traces when the clock stands still or goes backwards; and one that ends just
// where a piece of it does. With such a clock a trace's length is known to the byte.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // clock_gettime() under a strict -std=c11
#endif
#include <stdint.h>
#include <time.h>

static int64_t clock_now = 1000;
static int64_t clock_step; // from one look to the next

static inline int test_clock(clockid_t clock, struct timespec *at) {
    (void)clock;
    clock_now += clock_step;
    at->tv_sec = (time_t)(clock_now / 1000000000);
    at->tv_nsec = (long)(clock_now % 1000000000);
    return 0;
}

#define clock_gettime test_clock
#include "support.h"

#if SWITCH_ON && defined(__unix__)

static uint8_t written[8192];
static size_t written_size, written_calls;

static void keep_bytes(const char *text, size_t length, void *ctx) {
    (void)ctx;
    CHECK(length != 0 && written_size + length <= sizeof written);
    memcpy(written + written_size, text, length);
    written_size += length;
    written_calls++;
}

static void trace_begins(void) {
    written_size = written_calls = 0;
    CHECK(memmgr_trace_start(keep_bytes, NULL));
}

static uint64_t number_at(size_t *at) {
    uint64_t number = 0;
    unsigned shift = 0;
    for (; written[*at] & 0x80; shift += 7)
        number |= (uint64_t)(written[(*at)++] & 0x7F) << shift;
    return number | (uint64_t)written[(*at)++] << shift;
}

// The time in a trace of one allocation: THREAD 1, SITE with the code that called, ALLOC.
static uint64_t time_traced(int64_t step) {
    size_t at = sizeof "memmgr trace 1\n" - 1;
    clock_step = 0;
    trace_begins();
    clock_step = step;
    void *block = memmgr_malloc(10);
    memmgr_trace_stop();
    clock_step = 0;
    memmgr_free(block);
    CHECK(written[at++] == MMI_TRACE_THREAD && number_at(&at) == 1);
    CHECK_EQUAL(written[at++], MMI_TRACE_SITE);
    for (int numbers = 0; numbers < 3; numbers++)
        (void)number_at(&at);
    CHECK_EQUAL(written[at++], MMI_TRACE_ALLOC);
    return number_at(&at);
}

static void test_trace_clock_steps(void) {
    CHECK_EQUAL(time_traced(0), 0);
    CHECK_EQUAL(time_traced(5), 5);
    CHECK_EQUAL(time_traced(300), 300);
    CHECK_EQUAL(time_traced(-700), 0); // as if it stood still
}

// A general call at a place whose name has so many letters: each makes the trace a byte longer.
static size_t trace_with_name(size_t letters) {
    static char name[2000];
    memset(name, 'n', letters);
    name[letters] = '\0';
    trace_begins();
    void *block = memmgr_malloc_at(10, name, 1);
    memmgr_trace_stop();
    memmgr_free(block);
    CHECK(written[written_size - 1] == MMI_TRACE_END);
    return written_size;
}

static void test_trace_clock_ends_with_a_piece(void) {
    enum { PIECE = MMI_TRACE_BYTES, LETTERS = 200 };
    clock_step = 0;
    (void)trace_with_name(LETTERS); // so that the next has all in common with it
    size_t size = trace_with_name(LETTERS), calls = written_calls, more = PIECE - size % PIECE;
    CHECK_EQUAL(calls, size / PIECE + 1);
    CHECK_EQUAL(trace_with_name(LETTERS + more), size + more);
    CHECK_EQUAL(written_calls, (size + more) / PIECE); // and no piece with nothing in it
    CHECK_EQUAL(trace_with_name(LETTERS + more + 1), size + more + 1);
    CHECK_EQUAL(written_calls, (size + more) / PIECE + 1);
}

static const test_case tests[] = {
    TEST(test_trace_clock_steps),
    TEST(test_trace_clock_ends_with_a_piece),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }

#else
int main(void) { return 0; }
#endif
