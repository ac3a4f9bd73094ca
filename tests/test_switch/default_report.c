// default_report.c: two misuses under the default handler: a line each on stderr, and the program
// goes on, or ends with the first where MEMMGR_ABORT_ON_MISUSE is defined.
#define MEMMGR_IMPLEMENTATION
#include "../../memmgr.h"

int main(void) {
    static unsigned char memory[4096];
    memmgr_pool_desc desc = {0};
    desc.name = "a small heap\n\033[31m\303\251"; // of which no terminal is to be told
    memmgr_pool *pool = memmgr_pool_init(memory, sizeof memory, &desc);
    if (!pool) return 3;
    void *block = memmgr_pool_alloc(pool, 100);
    void *volatile again = block;
    memmgr_pool_free(pool, block);
    memmgr_pool_free(pool, again);
    memmgr_pool_free(pool, &pool);
    memmgr_pool_alloc(pool, sizeof memory); // exhaustion: no line
    return memmgr_pool_destroy(pool) == 0 ? 0 : 4;
}
