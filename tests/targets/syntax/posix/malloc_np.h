// FreeBSD.
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C"
#endif
    size_t
    malloc_usable_size(const void *ptr);
