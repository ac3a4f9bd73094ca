// As POSIX has it, as far as memmgr.h calls it.
#ifndef POLL_H
#define POLL_H
#ifdef __cplusplus
extern "C" {
#endif
typedef unsigned long nfds_t;
struct pollfd {
    int fd;
    short events, revents;
};
int poll(struct pollfd *files, nfds_t count, int milliseconds);
#ifdef __cplusplus
}
#endif
#endif
