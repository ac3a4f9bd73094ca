// start_arm.c: a program on a Cortex-M with nothing below it: the vectors, the data copied, and
// main. It prints and ends by semihosting, which the emulator answers. See start_arm.ld.
#include <stddef.h>
#include <stdint.h>

int main(void);
void print_raw(const char *text);
void start(void);
void fault(void);

extern uint32_t data_from[], data_start[], data_end[], bss_end[], stack_top[];

static void semihost(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };

void print_raw(const char *text) { semihost(SYS_WRITE0, text); }

static void end(uint32_t status) {
    const uint32_t block[2] = {APPLICATION_EXIT, status};
    semihost(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

void fault(void) {
    print_raw("a fault of the processor\n0 passed, 1 failed\n");
    end(1);
}

void start(void) {
    const uint32_t *from = data_from;
    uint32_t *to = data_start;
    while (to < data_end)
        *to++ = *from++;
    while (to < bss_end)
        *to++ = 0;
    end((uint32_t)main());
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))(uintptr_t)stack_top, start, fault, fault, fault, fault, fault};
