// host.c PLUGIN: loads and unloads a library that carries its own memmgr, again and again, with
// threads that have called it and end before and after. Nothing must be left: no function to be
// called at a thread's end, and no memory.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // barriers under a strict -std=c11
#endif
#include "../addresses.h"
#include "../support.h"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

static const char *plugin;

static int (*work_of(void *library))(void) {
    int (*work)(void) = NULL;
    *(void **)(void *)&work = dlsym(library, "plugin_work");
    return work;
}

static void *call_it(void *library) {
    int (*work)(void) = work_of(library);
    CHECK(work && work() == 0);
    return NULL;
}

static void load_and_unload(bool in_thread) {
    pthread_t thread;
    void *library = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(library != NULL);
    call_it(library);
    if (in_thread && CHECK(pthread_create(&thread, NULL, call_it, library) == 0))
        pthread_join(thread, NULL);
    CHECK(dlclose(library) == 0);
}

static void test_plugin_leaves_nothing(void) {
    for (int i = 0; i < 5; i++)
        load_and_unload(true);
    size_t before = addresses_now();
    for (int i = 0; i < 200; i++)
        load_and_unload(i % 2 == 0);
    CHECK(addresses_now() <= before + ((size_t)64 << 20));
}

// A thread that has called the library ends when it is not there any more.
static pthread_barrier_t called, unloaded;

static void *outlive_it(void *library) {
    call_it(library);
    pthread_barrier_wait(&called);
    pthread_barrier_wait(&unloaded);
    return NULL;
}

static void test_plugin_thread_outlives_it(void) {
    pthread_t thread;
    for (int i = 0; i < 10; i++) {
        void *library = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
        REQUIRE(library != NULL);
        pthread_barrier_init(&called, NULL, 2);
        pthread_barrier_init(&unloaded, NULL, 2);
        REQUIRE(pthread_create(&thread, NULL, outlive_it, library) == 0);
        pthread_barrier_wait(&called);
        CHECK(dlclose(library) == 0);
        pthread_barrier_wait(&unloaded);
        pthread_join(thread, NULL);
    }
}

static const test_case tests[] = {
    TEST(test_plugin_leaves_nothing),
    TEST(test_plugin_thread_outlives_it),
};

int main(int argc, char **argv) {
    if (argc < 2) return 0;
    plugin = argv[1];
    argv[1] = argv[0];
    return TEST_MAIN(tests, argc - 1, argv + 1);
}
