// addresses.h: how much address space the process has, where the system tells it.
#ifndef ADDRESSES_H
#define ADDRESSES_H

#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

// Bytes; 0 where it is not known.
static inline size_t addresses_now(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%lu", &pages) != 1) pages = 0;
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

#endif
