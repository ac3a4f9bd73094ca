// The C standard's.
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct FILE FILE;
extern FILE *stdout_file, *stderr_file;
#define stdout stdout_file
#define stderr stderr_file
size_t fwrite(const void *from, size_t size, size_t count, FILE *file);
int fflush(FILE *file);
int fileno(FILE *file);
int _fileno(FILE *file);
#ifdef __cplusplus
}
#endif
