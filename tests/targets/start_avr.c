// start_avr.c: what a program on an ATmega1284P prints goes to its first serial port, which simavr
// shows; at the end of main it sleeps for ever, which ends the simulation.
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <stdio.h>

void print_raw(const char *text);

static int put(char c, FILE *file) {
    (void)file;
    while (!(UCSR0A & (1 << UDRE0))) {
    }
    UDR0 = (uint8_t)c;
    return 0;
}

static FILE port = FDEV_SETUP_STREAM(put, NULL, _FDEV_SETUP_WRITE);

void print_raw(const char *text) {
    while (*text)
        (void)put(*text++, NULL);
}

__attribute__((constructor)) static void begin(void) {
    UCSR0B = (1 << TXEN0);
    stdout = &port;
}

// A sleep without interrupts: nothing can end it.
__attribute__((destructor)) static void end(void) {
    cli();
    sleep_mode();
}
