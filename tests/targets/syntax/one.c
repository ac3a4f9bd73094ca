// one.c: the whole of memmgr.h.
#define MEMMGR_IMPLEMENTATION
#include "../../../memmgr.h"
