// where.c: a library for LD_PRELOAD, beside memmgr's. When a process dies by a fault it first
// writes, to stderr, the signal, the address and the calls it was in, as module+offset:
//
//     soak: signal 11 address 0x8 in libmemmgr.so+0x1234 nginx+0x5678 libc.so.6+0x9abc
//
// so that a fault of memmgr's can be told from a program's that uses the NULL it was given.
#define _GNU_SOURCE // dladdr, REG_RIP
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 16 };

static void add_place(char *line, size_t size, void *code) {
    Dl_info module;
    size_t length = strlen(line);
    if (!dladdr(code, &module) || !module.dli_fname) {
        snprintf(line + length, size - length, " %p", code);
        return;
    }
    const char *slash = strrchr(module.dli_fname, '/');
    snprintf(line + length, size - length, " %s+0x%zx", slash ? slash + 1 : module.dli_fname,
             (size_t)((uintptr_t)code - (uintptr_t)module.dli_fbase));
}

// The first frames are this function's and the kernel's, and tell nothing. What is left of the
// handlers is the default, so that the process dies of the same fault.
static void tell(int number, siginfo_t *info, void *context) {
    void *frames[FRAMES];
    char line[2048];
    int count = backtrace(frames, FRAMES);
    (void)context;
    snprintf(line, sizeof line, "\nsoak: signal %d address %p in", number, info->si_addr);
    for (int i = 2; i < count; i++)
        add_place(line, sizeof line - 2, frames[i]);
    strcat(line, "\n");
    ssize_t written = write(2, line, strlen(line));
    (void)written;
    if (info->si_code <= 0) raise(number); // sent by a call: nothing raises it again
}

// backtrace loads a library when it is called first: now, not in a handler.
__attribute__((constructor)) static void watch_signals(void) {
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    void *frame;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = tell;
    action.sa_flags = SA_SIGINFO | (int)SA_RESETHAND;
    (void)backtrace(&frame, 1);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
}
