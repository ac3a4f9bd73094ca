// POSIX.
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef long ssize_t;
#define _SC_PAGESIZE 47
long sysconf(int name);
ssize_t write(int file, const void *from, size_t size);
int isatty(int file);
#ifdef __cplusplus
}
#endif
