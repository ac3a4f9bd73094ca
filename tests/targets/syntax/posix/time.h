// POSIX. OpenBSD and NetBSD have no coarse clock, nor has macOS under this name; FreeBSD has.
#pragma once
#ifdef __cplusplus
extern "C" {
#endif
typedef long long time_t;
typedef int clockid_t;
struct timespec {
    time_t tv_sec;
    long tv_nsec;
};
#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 4
#ifdef __FreeBSD__
#define CLOCK_MONOTONIC_COARSE 12
#endif
time_t time(time_t *to);
int clock_gettime(clockid_t clock, struct timespec *to);
#ifdef __cplusplus
}
#endif
