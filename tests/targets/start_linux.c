// start_linux.c: a program on Linux for x86-64 with nothing below it, no C library and no header of
// one: it begins at _start, prints and ends by system calls.
#include <stddef.h>

int main(void);
void print_raw(const char *text);

static long system_call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

void print_raw(const char *text) {
    size_t length = 0;
    while (text[length])
        length++;
    (void)system_call(1, 1, (long)text, (long)length);
}

// The kernel leaves the stack aligned; a call needs it to be so before the call.
__attribute__((used)) void start_c(void) {
    (void)system_call(60, main(), 0, 0);
    for (;;) {
    }
}

__asm__(".globl _start\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
        "    and $-16, %rsp\n"
        "    call start_c\n");
