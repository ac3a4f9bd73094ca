// only_pool.c: a file that calls pools and nothing else.
#include "../../memmgr.h"

int two_general(void *from_one);

int two_general(void *from_one) {
    return memmgr_pool_owns((memmgr_pool *)from_one, from_one) ? 1 : 0;
}
