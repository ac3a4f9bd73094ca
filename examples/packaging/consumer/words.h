// A list of words, whose memory is memmgr's, or the C library's: see main.c.

#include <stddef.h>

typedef struct word word;

word *words_add(word *list, const char *text); // NULL when there is no memory: the list stays
size_t words_count(const word *list);
void words_free(word *list);
