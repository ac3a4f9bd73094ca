// test_exit_call.c: the same where objects are not ELF's, and there is no destructor that comes
// last: the C library is asked to call when the program ends.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#undef __ELF__
#include "test_exit.c"
