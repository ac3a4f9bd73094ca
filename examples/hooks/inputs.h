// inputs.h: what the libraries work on. It is the same on every run and every machine.
#ifndef INPUTS_H
#define INPUTS_H

#include "compare.h"
#include <stdarg.h>

typedef struct {
    char *at;
    size_t size, room;
} input;

static input json_text, xml_text; // some 3 MB each

enum { PICTURE_WIDTH = 1920, PICTURE_HEIGHT = 1080, PICTURE_SIZE = 3 * 1920 * 1080 };
static unsigned char *picture; // red, green, blue

static inline void input_add(input *to, const char *format, ...) {
    char line[512];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    if (to->size + (size_t)length >= to->room) {
        to->room = 2 * to->room + sizeof line;
        to->at = (char *)realloc(to->at, to->room);
        if (!to->at) abort();
    }
    memcpy(to->at + to->size, line, (size_t)length + 1);
    to->size += (size_t)length;
}

static inline const char *input_word(uint64_t *state) {
    static const char *const words[] = {"anvil", "birch",  "copper", "delta",   "ember", "fjord",
                                        "grain", "harbor", "island", "juniper", "kelp",  "lantern"};
    return words[noise(state) % (sizeof words / sizeof *words)];
}

static inline void inputs_make_json(void) {
    uint64_t state = 1;
    input_add(&json_text, "[");
    for (int i = 0; i < 18000; i++) {
        input_add(&json_text, "%s{\"id\":%d,\"name\":\"%s %s\",\"price\":%d.%02d,", i ? "," : "", i,
                  input_word(&state), input_word(&state), (int)(noise(&state) % 1000), i % 100);
        input_add(&json_text, "\"tags\":[\"%s\",\"%s\",\"\\u00e9t\\u00e9\"],", input_word(&state),
                  input_word(&state));
        input_add(&json_text, "\"sold\":%s,\"size\":{\"w\":%d,\"h\":%d,\"note\":null}}",
                  i % 3 ? "true" : "false", (int)(noise(&state) % 500), (int)(noise(&state) % 500));
    }
    input_add(&json_text, "]");
}

static inline void inputs_make_xml(void) {
    uint64_t state = 2;
    input_add(&xml_text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<orders>\n");
    for (int i = 0; i < 16000; i++) {
        input_add(&xml_text, "  <order id=\"o%d\" kind=\"%s\">\n", i, input_word(&state));
        input_add(&xml_text, "    <customer>%s &amp; %s</customer>\n", input_word(&state),
                  input_word(&state));
        input_add(&xml_text, "    <item count=\"%d\"><![CDATA[%s < %s]]></item>\n",
                  (int)(noise(&state) % 90), input_word(&state), input_word(&state));
        input_add(&xml_text, "    <!-- %s --><total>%d</total>\n  </order>\n", input_word(&state),
                  (int)(noise(&state) % 100000));
    }
    input_add(&xml_text, "</orders>\n");
}

// Slopes, edges, and the noise of a camera.
static inline void inputs_make_picture(void) {
    uint64_t state = 3;
    picture = (unsigned char *)malloc(PICTURE_SIZE);
    if (!picture) abort();
    unsigned char *pixel = picture;
    for (unsigned y = 0; y < PICTURE_HEIGHT; y++) {
        for (unsigned x = 0; x < PICTURE_WIDTH; x++, pixel += 3) {
            unsigned grain = (unsigned)(noise(&state) & 3);
            pixel[0] = (unsigned char)(x / 8 + grain);
            pixel[1] = (unsigned char)(y / 5 + grain);
            pixel[2] = (unsigned char)((x / 64 + y / 64) % 2 ? 200 + grain : (x ^ y) / 16);
        }
    }
}

static inline void inputs_make(void) {
    inputs_make_json();
    inputs_make_xml();
    inputs_make_picture();
}

static inline void inputs_free(void) {
    free(json_text.at);
    free(xml_text.at);
    free(picture);
}

// The font of $HOOKS_FONT, or one that is often there.
static inline const char *font_path(void) {
    const char *path = getenv("HOOKS_FONT");
    return path ? path : "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";
}

#endif
