// memory.c: the four functions that a compiler calls of its own accord, for programs without a C
// library. To be compiled with -fno-builtin, or they call themselves.
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

void *memcpy(void *to, const void *from, size_t size) {
    unsigned char *target = (unsigned char *)to;
    const unsigned char *source = (const unsigned char *)from;
    while (size--)
        *target++ = *source++;
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    unsigned char *target = (unsigned char *)to;
    const unsigned char *source = (const unsigned char *)from;
    if (target <= source) return memcpy(to, from, size);
    while (size--)
        target[size] = source[size];
    return to;
}

void *memset(void *to, int value, size_t size) {
    unsigned char *target = (unsigned char *)to;
    while (size--)
        *target++ = (unsigned char)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t size) {
    const unsigned char *left = (const unsigned char *)a, *right = (const unsigned char *)b;
    for (; size; size--, left++, right++)
        if (*left != *right) return *left < *right ? -1 : 1;
    return 0;
}
