// Microsoft's C library.
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
size_t _msize(void *ptr);
void *_aligned_malloc(size_t size, size_t alignment);
void _aligned_free(void *ptr);
#ifdef __cplusplus
}
#endif
