// told.c: a program that does one thing wrong, for watched.sh, which looks at what is told of it.
//
//     told nothing|double|overrun|stale|busy|fork|busyfork
//     told plugin FILE     calls the C++ library FILE, that this C program does not know
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *volatile block;

static void overrun(void) {
    block = malloc(24);
    block[24] = 'x';
}

static void stale(void) {
    block = malloc(24);
    free(block);
    block[3] = 'x';
}

static void *sleeps(void *ctx) {
    for (;;)
        pause();
    return ctx;
}

static void start_a_thread(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, sleeps, NULL) != 0) abort();
}

// The child does it, and ends by way of exit.
static int in_a_child(void) {
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        overrun();
        exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

static int plugin(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return puts(dlerror()), 1;
    int (*catches)(void);
    void *found = dlsym(library, "plugin_catches");
    if (!found) return puts(dlerror()), 1;
    memcpy(&catches, &found, sizeof catches);
    return catches() ? 0 : 1;
}

int main(int argc, char **argv) {
    char what[16] = "";
    if (argc > 1) strncpy(what, argv[1], sizeof what - 1);
    if (strcmp(what, "plugin") == 0) return plugin(argv[2]);
    memset(argv[0], 'x', strlen(argv[0])); // as servers do, to show a title
    if (strcmp(what, "busy") == 0 || strcmp(what, "busyfork") == 0) start_a_thread();
    if (strcmp(what, "fork") == 0 || strcmp(what, "busyfork") == 0) return in_a_child();
    if (strcmp(what, "stale") == 0) {
        stale();
    } else if (strcmp(what, "double") == 0) {
        block = malloc(24);
        free(block);
        free(block);
    } else if (strcmp(what, "nothing") != 0) {
        overrun();
    }
    return 0;
}
