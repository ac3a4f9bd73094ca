// One of the files that only call memmgr.

#include <memmgr.h>
#include <string.h>

#include "words.h"

struct word {
    word *next;
    char *text;
};

word *words_add(word *list, const char *text) {
    size_t size = strlen(text) + 1;
    word *added = (word *)memmgr_malloc(sizeof *added);
    char *copy = (char *)memmgr_malloc(size);
    if (!added || !copy) {
        memmgr_free(added);
        memmgr_free(copy);
        return NULL;
    }
    added->next = list;
    added->text = (char *)memcpy(copy, text, size);
    return added;
}

size_t words_count(const word *list) {
    size_t count = 0;
    for (; list; list = list->next)
        count++;
    return count;
}

void words_free(word *list) {
    while (list) {
        word *next = list->next;
        memmgr_free(list->text);
        memmgr_free(list);
        list = next;
    }
}
