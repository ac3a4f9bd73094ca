// The C standard's, and POSIX's where it is one of its systems.
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *ptr, size_t size);
void free(void *ptr);
void abort(void);
int atexit(void (*end)(void));
char *getenv(const char *name);
#ifndef _WIN32
int posix_memalign(void **ptr, size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
#endif
#ifdef __cplusplus
}
#endif
