// A list whose code survives each allocation that fails: every one of them is made to fail once.

#include <stdio.h>
#include <string.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

typedef struct node {
    struct node *next;
    char *name;
} Node;

static memmgr_pool *pool;

static void drop(Node *list) {
    while (list) {
        Node *next = list->next;
        memmgr_pool_free(pool, list->name);
        memmgr_pool_free(pool, list);
        list = next;
    }
}

// The list with a name put in front of it. NULL, and the list as it was, when there is no memory.
static Node *push(Node *list, const char *name) {
    Node *node = memmgr_pool_alloc(pool, sizeof *node);
    if (!node) return NULL;
    node->name = memmgr_pool_alloc(pool, strlen(name) + 1);
    if (!node->name) {
        memmgr_pool_free(pool, node); // without this line a run below leaves a block behind
        return NULL;
    }
    strcpy(node->name, name);
    node->next = list;
    return node;
}

// Builds a list of five as far as it gets, and drops it. Counts the runs that leave memory behind.
static void build(void *lost) {
    static const char *const names[] = {"Ada", "Barbara", "Grace", "Jean", "Margaret"};
    Node *list = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        Node *longer = push(list, names[i]);
        if (!longer) break;
        list = longer;
    }
    drop(list);
    *(int *)lost += memmgr_pool_bytes_used(pool) != 0;
}

int main(void) {
    static unsigned char buffer[65536];
    int lost = 0;
    pool = memmgr_pool_init(buffer, sizeof buffer, NULL);
    if (!pool) return 1;
    size_t failures = memmgr_fail_each(pool, build, &lost);
    printf("%zu allocations failed, one a run; %d runs lost memory\n", failures, lost);
    return memmgr_pool_destroy(pool) == 0 && failures == 10 && lost == 0 ? 0 : 1;
}
