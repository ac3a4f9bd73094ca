// override_sites.cpp: blocks that new makes, and what delete makes of them, are told by the line's
// own function: the site is what calls the operator. Argument "run": only whether new works.
#include <stdio.h>
#include <string.h>

#define MEMMGR_OVERRIDE
#define MEMMGR_IMPLEMENTATION
#include "../memmgr.h"

#if defined(__GNUC__)
#define APART __attribute__((noinline, noclone))
#else
#define APART
#endif

#ifdef __clang__
#undef APART
#define APART __attribute__((noinline))
#endif

static const void *sites[8];
static size_t count;

static void note(const memmgr_report *report, void *ctx) {
    (void)ctx;
    bool ours = report->size == 10 || report->size == sizeof(int) || report->size == 30;
    if (report->error == MEMMGR_LEAK && ours && count < 8) sites[count++] = report->alloc_caller;
}

APART static char *one() { return new char[10]; }
APART static int *two() { return new int(2); }
APART static char *three() { return new (std::nothrow) char[30]; }

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "run") == 0) {
        delete[] one();
        delete two();
        return 0;
    }
    memmgr_set_error_handler(note, NULL);
    memmgr_watch(MEMMGR_POOL_TRACK);
    char *first = one(), *third = three();
    int *second = two();
    memmgr_leaks();
    bool apart = count == 3;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            apart = apart && sites[i] != sites[j];
    delete[] first;
    delete second;
    delete[] third;
    printf("%d sites, %s\n", (int)count, apart ? "apart" : "the same");
    return apart ? 0 : 1;
}
