// caller.c: the implementation, and a call of the other file; what only_general.c and only_pool.c
// are linked with.
#define MEMMGR_IMPLEMENTATION
#include "../../memmgr.h"

int two_general(void *from_one);

int main(void) { return two_general(NULL); }
