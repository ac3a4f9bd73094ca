// bench_run.c: runs one program with a library preloaded and prints how long it took and the most
// memory it held, as "SECONDS KIB".
//
//     bench_run LIBRARY OUTPUT PROGRAM...                     "" for no library
//     bench_run -s SOCKET LIBRARY OUTPUT SERVER... -- CLIENT...
//
// What the program writes to standard output goes to the file OUTPUT. The memory is the greatest
// resident size of any process of its tree that was waited for. With -s the library is for the
// server: it runs until the client has ended, the time is the client's and the memory the server's.
// Whatever takes longer than two minutes is killed. The exit status is that of the program or the
// client; 126 when it was killed or did not start.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { FAILED = 126, PATIENCE = 120 };

static volatile pid_t running[2]; // the group to be killed in the end; 0: none

static void kill_all(void) {
    for (int i = 0; i < 2; i++)
        if (running[i] > 0) kill(-running[i], SIGKILL);
}

static void on_signal(int number) {
    (void)number;
    kill_all();
    _exit(FAILED);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// In a group of its own, so that all of it can be killed; on Linux it also ends when this ends.
static pid_t start(int index, const char *library, const char *output, char **command) {
    pid_t child = fork();
    if (child < 0) return child;
    if (child > 0) {
        setpgid(child, child);
        return running[index] = child;
    }
    setpgid(0, 0);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    int file = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0666),
        nothing = open("/dev/null", O_RDWR);
    if (file < 0 || nothing < 0) {
        perror(output);
        _exit(FAILED);
    }
    dup2(nothing, 0);
    dup2(file, 1);
    close(nothing);
    close(file);
    if (*library) setenv("LD_PRELOAD", library, 1);
    execvp(command[0], command);
    perror(command[0]);
    _exit(FAILED);
}

static int finish(int index, struct rusage *usage) {
    int status = 0;
    if (wait4(running[index], &status, 0, usage) != running[index]) return FAILED;
    running[index] = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

static int report(double seconds, const struct rusage *usage, int status) {
    long kib = usage->ru_maxrss;
#ifdef __APPLE__
    kib /= 1024; // bytes there
#endif
    if (status == 0) printf("%.6f %ld\n", seconds, kib);
    return status;
}

static int run_program(char **argv) {
    struct rusage usage;
    double started = now();
    if (start(0, argv[0], argv[1], argv + 2) < 0) return FAILED;
    int status = finish(0, &usage);
    return report(now() - started, &usage, status);
}

// The server is ready when its socket is there.
static bool server_ready(const char *path) {
    struct stat info;
    for (int i = 0; i < 1000; i++) {
        if (stat(path, &info) == 0 && S_ISSOCK(info.st_mode)) return true;
        if (waitpid(running[0], NULL, WNOHANG) == running[0]) {
            running[0] = 0;
            return false;
        }
        usleep(10000);
    }
    return false;
}

static int run_server(const char *path, char **argv) {
    struct rusage usage, unused;
    char **client = argv + 2;
    while (*client && strcmp(*client, "--"))
        client++;
    if (!*client) return FAILED;
    *client++ = NULL;
    unlink(path);
    if (start(0, argv[0], "/dev/null", argv + 2) < 0 || !server_ready(path)) {
        fprintf(stderr, "%s does not start\n", argv[2]);
        kill_all();
        return FAILED;
    }
    double started = now();
    if (start(1, "", argv[1], client) < 0) return FAILED;
    int status = finish(1, &unused);
    double seconds = now() - started;
    kill(running[0], SIGTERM);
    int ended = finish(0, &usage);
    unlink(path);
    return report(seconds, &usage, status ? status : ended);
}

int main(int argc, char **argv) {
    bool serves = argc > 1 && !strcmp(argv[1], "-s");
    if (argc < (serves ? 8 : 4)) {
        fprintf(stderr, "usage: %s [-s SOCKET] LIBRARY OUTPUT PROGRAM... [-- CLIENT...]\n",
                argv[0]);
        return 2;
    }
    signal(SIGALRM, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    alarm(PATIENCE);
    int status = serves ? run_server(argv[2], argv + 3) : run_program(argv + 1);
    kill_all();
    return status;
}
