// POSIX, with what macOS and the BSDs add. MAP_ANON is the name that all of them have.
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef long long off_t;
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_PRIVATE 2
#define MAP_ANON 0x1000
#define MAP_FAILED ((void *)-1)
#ifdef __APPLE__
#define MAP_NORESERVE 0x40
#endif
#define MADV_DONTNEED 4
#define MADV_FREE 5
void *mmap(void *at, size_t size, int protection, int flags, int file, off_t offset);
int munmap(void *at, size_t size);
int madvise(void *at, size_t size, int advice);
#ifdef __cplusplus
}
#endif
