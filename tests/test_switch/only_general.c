// only_general.c: a file that makes general calls and no others.
#include "../../memmgr.h"

int two_general(void *from_one);

int two_general(void *from_one) {
    memmgr_free(from_one);
    return 0;
}
