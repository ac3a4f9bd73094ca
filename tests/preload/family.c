// family.c: what a C program may expect of malloc and its relations, whoever provides them.
//
//     family [memmgr] [word...]    "memmgr": misuse is shown to it, too, and must be survived
//
// The same file is a library, with -DFAMILY_PLUGIN, that is loaded and unloaded at run time.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // all of the family
#endif

#ifdef FAMILY_PLUGIN

#include <stdlib.h>
#include <string.h>

char *plugin_text(const char *text);

static char *early;

__attribute__((constructor)) static void plugin_load(void) { early = strdup("early"); }
__attribute__((destructor)) static void plugin_unload(void) { free(early); }

// A block that the caller frees, perhaps when the library is gone.
char *plugin_text(const char *text) {
    char *joined = malloc(strlen(early) + strlen(text) + 2);
    if (!joined) return NULL;
    strcpy(joined, early);
    strcat(joined, " ");
    return strcat(joined, text);
}

#else

#include "../test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <spawn.h>
#include <stdalign.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool is_memmgr;

static void misuse(void *volatile pointer, const char *word);
static const char *own_path;

// Sizes and pointers that no compiler may reason about.
static size_t opaque(size_t size) {
    volatile size_t hidden = size;
    return hidden;
}

static void *kept(void *pointer) {
    void *volatile hidden = pointer;
    return hidden;
}

static void *pointer_plus(const void *pointer, intptr_t offset) {
    volatile uintptr_t address = (uintptr_t)pointer + (uintptr_t)offset;
    return (void *)address;
}

static bool is_aligned(const void *pointer, size_t alignment) {
    return (uintptr_t)pointer % alignment == 0;
}

static bool bytes_are(const void *at, size_t size, int value) {
    const unsigned char *bytes = at;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != value) return false;
    }
    return true;
}

// --- Each of them --------------------------------------------------------------------------------

static void test_family_malloc(void) {
    enum { COUNT = 3000 };
    static unsigned char *block[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        block[i] = malloc(i);
        REQUIRE(block[i] != NULL);
        CHECK(is_aligned(block[i], i >= alignof(max_align_t) ? alignof(max_align_t) : 8));
        CHECK(malloc_usable_size(block[i]) >= i);
        memset(block[i], (int)(i & 255), i);
    }
    for (size_t i = 0; i < COUNT; i++)
        CHECK(bytes_are(block[i], i, (int)(i & 255)));
    for (size_t i = 0; i < COUNT; i++)
        free(block[i * 7 % COUNT]);
    for (size_t size = 1; size <= (size_t)64 << 20; size *= 2) {
        unsigned char *large = kept(malloc(size));
        REQUIRE(large && is_aligned(large, size >= 16 ? 16 : 8));
        large[0] = large[size - 1] = 1;
        free(large);
    }
}

static void test_family_nothing(void) {
    void *block[100];
    free(NULL);
    CHECK_EQUAL(malloc_usable_size(NULL), 0);
    for (size_t i = 0; i < 100; i++) {
        block[i] = i % 2 ? malloc(opaque(0)) : calloc(opaque(0), i);
        CHECK(block[i] != NULL);
        for (size_t j = 0; j < i; j++)
            CHECK(block[i] != block[j]);
    }
    for (size_t i = 0; i < 100; i++)
        free(block[i]);
}

static void test_family_calloc(void) {
    for (size_t size = 1; size < 300000; size += 1 + size / 3) {
        unsigned char *dirty = kept(malloc(size));
        REQUIRE(dirty != NULL);
        memset(dirty, 0xFF, size);
        free(dirty);
        unsigned char *zeroed = calloc(1, size), *also = calloc(size, 3);
        CHECK(zeroed && also && bytes_are(zeroed, size, 0) && bytes_are(also, 3 * size, 0));
        free(zeroed);
        free(also);
    }
}

static void test_family_realloc(void) {
    size_t size = 1;
    unsigned char *block = realloc(NULL, size);
    REQUIRE(block != NULL);
    memset(block, 0x5A, size);
    for (int i = 0; i < 500; i++) {
        size_t next = test_log_uniform(1, 1 << 20);
        unsigned char *moved = i % 2 ? realloc(block, next) : reallocarray(block, next, 1);
        REQUIRE(moved != NULL);
        CHECK(bytes_are(moved, size < next ? size : next, 0x5A) && is_aligned(moved, 8));
        block = moved;
        size = next;
        memset(block, 0x5A, size);
    }
    // To nothing: freed and NULL with this C library; others may give a block of no bytes.
    void *left = kept(realloc(block, opaque(0)));
    if (is_memmgr) CHECK(left == NULL);
    free(left);
}

static void test_family_alignment(void) {
    for (size_t alignment = sizeof(void *); alignment <= 1 << 21; alignment *= 2) {
        for (size_t count = 1; count < 4; count++) {
            void *first = NULL;
            CHECK_EQUAL(posix_memalign(&first, alignment, count * 100), 0);
            void *second = aligned_alloc(alignment, count * alignment);
            void *third = memalign(alignment, count * 33);
            REQUIRE(first && second && third);
            CHECK(is_aligned(first, alignment) && is_aligned(second, alignment) &&
                  is_aligned(third, alignment));
            memset(first, 1, count * 100);
            memset(second, 2, count * alignment);
            memset(third, 3, count * 33);
            CHECK(malloc_usable_size(third) >= count * 33);
            void *moved = realloc(third, count * 5000);
            CHECK(moved && bytes_are(moved, count * 33, 3));
            CHECK(bytes_are(first, count * 100, 1) && bytes_are(second, count * alignment, 2));
            free(first);
            free(second);
            free(moved);
        }
    }
}

static void test_family_pages(void) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t size = 1; size < 10 * page; size += 1000) {
        void *one = valloc(size), *other = pvalloc(size);
        REQUIRE(one && other && is_aligned(one, page) && is_aligned(other, page));
        CHECK(malloc_usable_size(other) >= (size + page - 1) / page * page);
        memset(other, 1, (size + page - 1) / page * page);
        free(one);
        free(other);
    }
}

static void test_family_bad_alignment(void) {
    static const size_t bad[] = {0, 1, 2, 3, 4, 5, 7, 12, 24, 40, 100, 4097};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *untouched = &untouched;
        CHECK_EQUAL(posix_memalign(&untouched, opaque(bad[i]), 100), EINVAL);
        CHECK(untouched == &untouched);
        if (!is_memmgr || (bad[i] & (bad[i] - 1)) == 0) continue; // others may round it up
        *(volatile int *)&errno = 0;
        CHECK(kept(aligned_alloc(opaque(bad[i]), 100)) == NULL);
        CHECK_EQUAL(*(volatile int *)&errno, EINVAL);
    }
}

// What C23 has, where it is there.
extern void free_sized(void *block, size_t size) __attribute__((weak));
extern void free_aligned_sized(void *block, size_t alignment, size_t size) __attribute__((weak));

static void test_family_free_sized(void) {
    if (is_memmgr) CHECK(free_sized && free_aligned_sized);
    for (size_t size = 1; size < 100000 && free_sized && free_aligned_sized; size = 3 * size + 1) {
        void *block = kept(malloc(size)), *aligned = kept(aligned_alloc(64, 64 * size));
        REQUIRE(block && aligned);
        free_sized(block, size);
        free_aligned_sized(aligned, 64, 64 * size);
        free_sized(NULL, size);
        free_aligned_sized(NULL, 64, size);
        if (is_memmgr) misuse(block, "MEMMGR_DOUBLE_FREE");
        if (is_memmgr) misuse(aligned, "MEMMGR_DOUBLE_FREE");
    }
}

static void test_family_usable_size(void) {
    for (size_t size = 0; size < 100000; size += 1 + size / 5) {
        unsigned char *block = kept(malloc(size));
        size_t usable = malloc_usable_size(block);
        REQUIRE(block && usable >= size);
        memset(block, 0x77, opaque(usable)); // all of it
        unsigned char *moved = realloc(block, 2 * usable + 1);
        CHECK(moved && bytes_are(moved, usable, 0x77));
        free(moved);
    }
}

// --- Failure -------------------------------------------------------------------------------------

static void check_no_memory(void *result) {
    CHECK(result == NULL);
    CHECK_EQUAL(*(volatile int *)&errno, ENOMEM);
    *(volatile int *)&errno = 0;
}

static void test_family_too_large(void) {
    static const size_t large[] = {SIZE_MAX, SIZE_MAX - 100, (size_t)PTRDIFF_MAX + 1,
                                   (size_t)PTRDIFF_MAX - 100, SIZE_MAX / 2 - 5000};
    char *volatile block = kept(strdup("intact")); // no compiler may follow it
    *(volatile int *)&errno = 0;
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        size_t size = opaque(large[i]);
        void *untouched = &untouched;
        check_no_memory(kept(malloc(size)));
        check_no_memory(kept(calloc(1, size)));
        check_no_memory(kept(calloc(size, 1)));
        check_no_memory(kept(realloc(block, size)));
        check_no_memory(kept(reallocarray(block, size, 1)));
        check_no_memory(kept(aligned_alloc(64, size / 64 * 64)));
        check_no_memory(kept(memalign(4096, size)));
        if (is_memmgr) check_no_memory(kept(memalign(size, 100)));
        check_no_memory(kept(valloc(size)));
        check_no_memory(kept(pvalloc(size)));
        CHECK_EQUAL(posix_memalign(&untouched, 64, size), ENOMEM);
        CHECK(untouched == &untouched);
        *(volatile int *)&errno = 0;
    }
    size_t half = (size_t)1 << (4 * sizeof(size_t));
    check_no_memory(kept(calloc(opaque(half), opaque(half))));
    check_no_memory(kept(calloc(opaque(SIZE_MAX), opaque(2))));
    check_no_memory(kept(reallocarray(block, opaque(half), opaque(half))));
    check_no_memory(kept(reallocarray(block, opaque(SIZE_MAX / 2 + 1), opaque(2))));
    CHECK(strcmp(block, "intact") == 0);
    free(block);
}

static void test_family_free_keeps_errno(void) {
    for (size_t size = 0; size <= (size_t)128 << 20; size = 2 * size + 1) {
        void *block = kept(malloc(size));
        REQUIRE(block != NULL);
        *(volatile int *)&errno = EDOM;
        free(block);
        CHECK_EQUAL(*(volatile int *)&errno, EDOM);
    }
}

// --- Blocks that the C library gives -------------------------------------------------------------

static void test_family_of_the_library(void) {
    char *text = NULL, *line = NULL;
    size_t size = 0, length = 0;
    FILE *stream = open_memstream(&text, &size);
    REQUIRE(stream != NULL);
    for (int i = 0; i < 20000; i++)
        fprintf(stream, "line %d\n", i);
    fclose(stream);
    CHECK_EQUAL(strlen(text), size);
    stream = fmemopen(text, size, "r");
    REQUIRE(stream != NULL);
    int lines = 0;
    while (getline(&line, &length, stream) > 0)
        lines++;
    fclose(stream);
    CHECK_EQUAL(lines, 20000);
    free(line);
    CHECK_EQUAL(asprintf(&line, "%s!%0*d", "printed", 5000, 7), 5008);
    char *copy = strdup(line), *part = strndup(line, 8);
    CHECK(copy && part && strcmp(copy, line) == 0 && strcmp(part, "printed!") == 0);
    free(copy);
    free(part);
    free(line);
    free(text);
}

static void test_family_of_paths(void) {
    struct dirent **names = NULL;
    char *here = getcwd(NULL, 0), *same = realpath(".", NULL);
    CHECK(here && same && strcmp(here, same) == 0);
    int count = scandir("/", &names, NULL, alphasort);
    CHECK(count > 3);
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    free(here);
    free(same);
    CHECK(setenv("FAMILY", "value", 1) == 0 && putenv(strdup("OTHER=1")) == 0);
    CHECK(strcmp(getenv("FAMILY"), "value") == 0);
}

static void test_family_plugin(void) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s.plugin.so", own_path);
    for (int round = 0; round < 20; round++) {
        void *library = dlopen(path, RTLD_NOW);
        if (!CHECK(library != NULL)) {
            printf("    %s\n", dlerror());
            return;
        }
        char *(*text)(const char *);
        void *found = dlsym(library, "plugin_text");
        memcpy(&text, &found, sizeof text);
        REQUIRE(text != NULL);
        char *joined = text("bird");
        CHECK_EQUAL(dlclose(library), 0);
        CHECK(joined && strcmp(joined, "early bird") == 0);
        free(joined);
    }
}

// --- What glibc adds -----------------------------------------------------------------------------

// Of the heap that is in use, whoever's it is.
// Linked into a program, memmgr leaves the C library's own numbers alone.
static bool numbers_are_another_s(void) { return is_memmgr && !getenv("LD_PRELOAD"); }

static void test_family_numbers(void) {
    if (numbers_are_another_s()) return;
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    enum { COUNT = 1000, SIZE = 3000 };
    static void *block[COUNT];
    struct mallinfo2 before = mallinfo2();
    for (size_t i = 0; i < COUNT; i++) {
        REQUIRE((block[i] = kept(malloc(SIZE))) != NULL);
        memset(block[i], 1, SIZE); // else there is nothing to be given back
    }
    struct mallinfo2 after = mallinfo2();
    CHECK(after.uordblks >= before.uordblks + COUNT * SIZE && after.arena >= after.uordblks);
    for (size_t i = 0; i < COUNT; i++)
        free(block[i]);
    after = mallinfo2();
    CHECK(after.uordblks < before.uordblks + COUNT * SIZE / 10);
    int trimmed = malloc_trim(0);
    CHECK(trimmed == 0 || trimmed == 1);
    if (is_memmgr) CHECK_EQUAL(trimmed, 1);
    if (is_memmgr) CHECK(after.usmblks >= COUNT * SIZE);
#endif
}

static void test_family_stats(void) {
    if (numbers_are_another_s()) return;
#ifdef __GLIBC__
    char path[PATH_MAX + 16], text[1000] = "";
    snprintf(path, sizeof path, "%s.stats", own_path);
    int plain = dup(2), file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    REQUIRE(plain >= 0 && file >= 0 && dup2(file, 2) == 2);
    malloc_stats();
    fflush(stderr);
    dup2(plain, 2);
    CHECK(pread(file, text, sizeof text - 1, 0) > 0);
    CHECK(strstr(text, is_memmgr ? "heap" : "bytes") != NULL);
    close(file);
    close(plain);
    unlink(path);
#endif
}

// --- Threads and processes -----------------------------------------------------------------------

enum { MOST_BLOCKS = 64 };

typedef struct {
    size_t count;
    unsigned char *block[MOST_BLOCKS];
} share;

// Every other block is freed here, the others by whoever joins.
static void *share_work(void *ctx) {
    share *own = ctx;
    for (size_t i = 0; i < own->count; i++) {
        size_t size = 1 + own->count * i;
        own->block[i] = malloc(size);
        if (own->block[i]) memset(own->block[i], (int)i, size);
    }
    for (size_t i = 0; i < own->count; i += 2) {
        free(own->block[i]);
        own->block[i] = NULL;
    }
    return strdup("done");
}

static void test_family_threads(void) {
    static share shares[MOST_BLOCKS];
    pthread_t threads[MOST_BLOCKS];
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < MOST_BLOCKS; i++) {
            shares[i].count = i + 1;
            REQUIRE(pthread_create(&threads[i], NULL, share_work, &shares[i]) == 0);
        }
        for (size_t i = 0; i < MOST_BLOCKS; i++) {
            void *done = NULL;
            CHECK(pthread_join(threads[i], &done) == 0 && strcmp(done, "done") == 0);
            free(done);
            for (size_t j = 1; j <= i; j += 2) {
                CHECK(bytes_are(shares[i].block[j], 1 + (i + 1) * j, (int)j));
                free(shares[i].block[j]);
            }
        }
    }
}

static bool ended_well(pid_t child) {
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void *busy_work(void *ctx) {
    for (size_t i = 0; !*(volatile bool *)ctx; i++)
        free(kept(malloc(i % 5000)));
    return NULL;
}

// While a thread allocates: a child that works on, one that executes another program, one that is
// spawned.
static void test_family_fork_and_exec(void) {
    volatile bool stop = false;
    pthread_t busy;
    char *const arguments[] = {(char *)(uintptr_t)own_path, (char *)(uintptr_t) "--child", NULL};
    REQUIRE(pthread_create(&busy, NULL, busy_work, (void *)(uintptr_t)&stop) == 0);
    for (int round = 0; round < 15; round++) {
        char *before = kept(strdup("before"));
        pid_t child = fork();
        if (child == 0) {
            alarm(30);
            char *after = kept(strdup(before));
            if (round % 3 == 0) execv(own_path, arguments);
            bool same = after && strcmp(after, "before") == 0;
            free(before);
            free(after);
            _exit(same && round % 3 != 0 ? 0 : 1);
        }
        CHECK(ended_well(child));
        free(before);
        CHECK(posix_spawn(&child, own_path, NULL, NULL, arguments, environ) == 0);
        CHECK(ended_well(child));
    }
    stop = true;
    pthread_join(busy, NULL);
    FILE *pipe = popen("echo from a pipe", "r");
    char line[64] = "";
    CHECK(pipe && fgets(line, sizeof line, pipe) && strcmp(line, "from a pipe\n") == 0);
    CHECK(pipe && pclose(pipe) == 0);
}

static int child_main(void) {
    void *block = kept(malloc(100000));
    free(block);
    return block ? 0 : 1;
}

// --- Misuse: reported on stderr, and survived ----------------------------------------------------

static int true_stderr;

static void stderr_to(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    fflush(stderr);
    true_stderr = dup(2);
    dup2(file, 2);
    close(file);
}

// What was written meanwhile: one line, with this word in it?
static bool stderr_had(const char *path, const char *word) {
    char text[1000] = "";
    dup2(true_stderr, 2);
    close(true_stderr);
    int file = open(path, O_RDONLY);
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    unlink(path);
    bool as_expected = length > 0 && strstr(text, word) && strchr(text, '\n') == text + length - 1;
    if (!as_expected) printf("    expected %s, not: %s\n", word, text);
    return as_expected;
}

static void misuse(void *volatile pointer, const char *word) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s.stderr", own_path);
    stderr_to(path);
    free(pointer);
    CHECK(stderr_had(path, word));
    stderr_to(path);
    CHECK(kept(realloc(pointer, 10)) == NULL);
    CHECK(stderr_had(path, word));
    stderr_to(path);
    CHECK_EQUAL(malloc_usable_size(pointer), 0);
    CHECK(stderr_had(path, word));
}

static void *misuse_by_another(void *pointer) {
    misuse(pointer, "MEMMGR_DOUBLE_FREE");
    return NULL;
}

static void test_family_misuse(void) {
    static char in_static_memory[64];
    char on_the_stack[64];
    pthread_t other;
    if (!is_memmgr) return;
    for (size_t size = 1; size < 100000; size = 3 * size + 1) {
        char *guard = kept(malloc(size)), *volatile block = kept(malloc(size));
        char *after = kept(malloc(size));
        size_t last = malloc_usable_size(block) - 1;
        misuse(pointer_plus(block, 1), "MEMMGR_INTERIOR_POINTER");
        misuse(pointer_plus(block, (intptr_t)last), "MEMMGR_INTERIOR_POINTER");
        free(block);
        misuse(block, "MEMMGR_DOUBLE_FREE");
        REQUIRE(pthread_create(&other, NULL, misuse_by_another, block) == 0);
        pthread_join(other, NULL);
        free(guard);
        free(after);
    }
    misuse(pointer_plus(on_the_stack, 16), "MEMMGR_FOREIGN_POINTER");
    misuse(pointer_plus(in_static_memory, 16), "MEMMGR_FOREIGN_POINTER");
    misuse(pointer_plus(NULL, 64), "MEMMGR_FOREIGN_POINTER");
    test_family_malloc();
}

static const test_case tests[] = {
    TEST(test_family_malloc),         TEST(test_family_nothing),
    TEST(test_family_calloc),         TEST(test_family_realloc),
    TEST(test_family_alignment),      TEST(test_family_pages),
    TEST(test_family_bad_alignment),  TEST(test_family_usable_size),
    TEST(test_family_too_large),      TEST(test_family_free_keeps_errno),
    TEST(test_family_of_the_library), TEST(test_family_of_paths),
    TEST(test_family_plugin),         TEST(test_family_threads),
    TEST(test_family_fork_and_exec),  TEST(test_family_misuse),
    TEST(test_family_free_sized),     TEST(test_family_numbers),
    TEST(test_family_stats),
};

int main(int argc, char **argv) {
    own_path = argv[0];
    if (argc > 1 && strcmp(argv[1], "--child") == 0) return child_main();
    is_memmgr = argc > 1 && strcmp(argv[1], "memmgr") == 0;
    if (is_memmgr) argc--, argv++;
    return TEST_MAIN(tests, argc, argv);
}

#endif
