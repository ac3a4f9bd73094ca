// faulty.c: a program with the fault that its argument names, to see that the soak would see it.
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    const char *fault = count > 1 ? arguments[1] : "none";
    char *volatile block = malloc(100);
    void *volatile nowhere = (void *)8;
    if (strcmp(fault, "null") == 0) *(char *)nowhere = 1;
    if (strcmp(fault, "inside") == 0) return posix_memalign((void **)nowhere, 16, 100);
    free(block);
    if (strcmp(fault, "twice") == 0) free(block);
    return 0;
}
