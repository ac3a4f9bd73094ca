// test_draw.c: pictures that any terminal and any browser can show.
#include "support.h"

enum { PICTURE_MAX = 8 << 20 };

static char picture[PICTURE_MAX + 1];
static size_t picture_length;
static memmgr_pool *pool;
static test_buffer buffer;

static void collect(const char *text, size_t length, void *ctx) {
    CHECK(ctx == picture);
    if (!CHECK(length <= PICTURE_MAX - picture_length)) return;
    memcpy(picture + picture_length, text, length);
    picture_length += length;
}

static void draw(memmgr_picture kind) {
    picture_length = 0;
    memmgr_pool_draw(pool, kind, collect, picture);
    picture[picture_length] = '\0';
    CHECK(picture_length > 0 && strlen(picture) == picture_length);
}

static bool open_pool(size_t size, const char *name) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, 0);
    desc.name = name;
    reports_start();
    buffer = buffer_new(size, 0);
    pool = memmgr_pool_init(buffer.at, size, &desc);
    return CHECK(pool != NULL);
}

static void dirty_pool(unsigned percent, size_t largest) {
    static void *blocks[8192];
    size_t count = 0;
    while (count < 8192) {
        blocks[count] = memmgr_pool_alloc(pool, test_log_uniform(1, largest));
        if (!blocks[count]) break;
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        if (!test_chance(percent)) memmgr_pool_free(pool, blocks[i]);
    }
}

static void close_pool(void) {
    memmgr_pool_reset(pool);
    CHECK_EQUAL(memmgr_pool_destroy(pool), 0);
    CHECK_SILENT();
    buffer_drop(&buffer);
}

// --- Text ----------------------------------------------------------------------------------------

static void check_text(const char *text) {
    size_t column = 0, lines = 0;
    for (const char *c = text; *c; c++) {
        if (*c == '\n') {
            column = 0;
            lines++;
            continue;
        }
        CHECK(*c >= ' ' && *c <= '~');
        CHECK(++column <= 80);
    }
    CHECK(column == 0 && lines >= 1 && lines <= 200);
}

static void test_draw_text(void) {
    static const size_t sizes[] = {1024, 5000, 65536, 1000000, (size_t)8 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (unsigned percent = 0; percent <= 100; percent += 50) {
            if (!open_pool(sizes[i], NULL)) return;
            draw(MEMMGR_PICTURE_TEXT);
            check_text(picture);
            CHECK(strstr(picture, "pool") != NULL);
            dirty_pool(percent, sizes[i] / 100 + 100);
            draw(MEMMGR_PICTURE_TEXT);
            check_text(picture);
            close_pool();
        }
    }
}

static void test_draw_text_with_any_name(void) {
    static char longest[500];
    memset(longest, 'n', sizeof longest - 1);
    const char *names[] = {"a heap", "", longest, "two\nlines\tand a bell\a", "caf\xC3\xA9"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!open_pool(16384, names[i])) return;
        dirty_pool(60, 400);
        draw(MEMMGR_PICTURE_TEXT);
        check_text(picture);
        if (i == 0) CHECK(strstr(picture, "a heap") != NULL);
        close_pool();
    }
}

// A full pool, an empty one and a half full one do not look the same.
static void test_draw_text_shows_the_pool(void) {
    static char empty[65536], full[65536];
    if (!open_pool(65536, NULL)) return;
    draw(MEMMGR_PICTURE_TEXT);
    REQUIRE(picture_length < sizeof empty);
    memcpy(empty, picture, picture_length + 1);
    dirty_pool(100, 64);
    draw(MEMMGR_PICTURE_TEXT);
    REQUIRE(picture_length < sizeof full);
    memcpy(full, picture, picture_length + 1);
    CHECK(strcmp(empty, full) != 0);
    close_pool();
}

// --- SVG -----------------------------------------------------------------------------------------

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == ':' || c == '_' || c == '.';
}

// An entity such as &amp; or &#39; Returns its end, NULL when it is none.
static const char *svg_entity(const char *c) {
    size_t length = 1;
    while (length < 10 && (is_name_char(c[length]) || c[length] == '#'))
        length++;
    return length > 1 && c[length] == ';' ? c + length + 1 : NULL;
}

// name="value" ... up to > or /> or ?>. Returns the place of the closing sign, NULL on an error.
static const char *svg_attributes(const char *c) {
    for (;;) {
        while (*c == ' ' || *c == '\n')
            c++;
        if (*c == '>' || *c == '/' || *c == '?') return c;
        const char *name = c;
        while (is_name_char(*c))
            c++;
        if (c == name || c[0] != '=' || (c[1] != '"' && c[1] != '\'')) return NULL;
        char quote = c[1];
        for (c += 2; *c != quote;) {
            if (*c == '\0' || *c == '<') return NULL;
            c = *c == '&' ? svg_entity(c) : c + 1;
            if (!c) return NULL;
        }
        c++;
    }
}

typedef struct {
    const char *open[32];
    size_t length[32];
    size_t depth, elements;
} svg_state;

// One tag, from its <. Returns what follows it, NULL on an error.
static const char *svg_tag(const char *c, svg_state *state) {
    bool closes = c[1] == '/';
    const char *name = c + (closes ? 2 : 1);
    const char *end = name;
    if (strncmp(c, "<!--", 4) == 0) return strstr(c, "-->") ? strstr(c, "-->") + 3 : NULL;
    if (strncmp(c, "<?xml", 5) == 0) return strstr(c, "?>") ? strstr(c, "?>") + 2 : NULL;
    while (is_name_char(*end))
        end++;
    if (end == name) return NULL;
    if (closes) {
        if (state->depth == 0 || *end != '>') return NULL;
        state->depth--;
        if (state->length[state->depth] != (size_t)(end - name)) return NULL;
        if (strncmp(state->open[state->depth], name, (size_t)(end - name)) != 0) return NULL;
        return end + 1;
    }
    state->elements++;
    c = svg_attributes(end);
    if (!c) return NULL;
    if (*c == '/') return c[1] == '>' ? c + 2 : NULL;
    if (*c != '>' || state->depth == 32) return NULL;
    state->open[state->depth] = name;
    state->length[state->depth++] = (size_t)(end - name);
    return c + 1;
}

// Is it well formed, with one svg element around everything?
static bool svg_is_good(const char *text) {
    svg_state state;
    bool ended = false;
    memset(&state, 0, sizeof state);
    for (const char *c = text; *c;) {
        if (*c == '<') {
            if (ended) return false;
            c = svg_tag(c, &state);
            ended = state.depth == 0 && state.elements > 0;
        } else if (*c == '&') {
            c = svg_entity(c);
        } else {
            bool blank = *c == '\n' || *c == ' ';
            if (state.depth == 0 && !blank) return false;
            if (!blank && ((unsigned char)*c < ' ' || *c == 127)) return false;
            c++;
        }
        if (!c) return false;
    }
    return ended && strstr(text, "<svg") && strstr(text, "http://www.w3.org/2000/svg");
}

static void test_draw_svg(void) {
    static const size_t sizes[] = {1024, 65536, 1000000};
    CHECK(svg_is_good("<svg xmlns=\"http://www.w3.org/2000/svg\"><a b='1'/>x &amp; y</svg>\n"));
    CHECK(!svg_is_good("<svg xmlns=\"http://www.w3.org/2000/svg\"><a></svg></a>"));
    CHECK(!svg_is_good("<svg xmlns=\"http://www.w3.org/2000/svg\">x & y</svg>"));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (unsigned percent = 0; percent <= 100; percent += 25) {
            if (!open_pool(sizes[i], NULL)) return;
            dirty_pool(percent, sizes[i] / 50);
            draw(MEMMGR_PICTURE_SVG);
            CHECK(svg_is_good(picture));
            close_pool();
        }
    }
}

static void test_draw_svg_with_any_name(void) {
    static char longest[500];
    memset(longest, '&', sizeof longest - 1);
    const char *names[] = {"<b>&\"'</b>",  "]]>",         "<!--", "a & b", longest,
                           "two\nlines\a", "caf\xC3\xA9", "",     "</svg>"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!open_pool(16384, names[i])) return;
        dirty_pool(60, 400);
        draw(MEMMGR_PICTURE_SVG);
        CHECK(svg_is_good(picture));
        CHECK(strstr(picture, "<b>") == NULL);
        if (i == 0) CHECK(strstr(picture, "&lt;b&gt;&amp;") != NULL);
        close_pool();
    }
}

// --- Print ---------------------------------------------------------------------------------------

static void test_draw_print(void) {
#ifndef MEMMGR_NO_STDIO
    FILE *out = tmpfile();
    if (!out) return;
    if (!open_pool(65536, "printed")) return;
    dirty_pool(50, 500);
    memmgr_pool_print(pool, out);
    rewind(out);
    picture_length = fread(picture, 1, PICTURE_MAX, out);
    picture[picture_length] = '\0';
    fclose(out);
    check_text(picture);
    CHECK(strstr(picture, "printed") != NULL);
    close_pool();
#endif
}

static const test_case tests[] = {
    TEST(test_draw_text), TEST(test_draw_text_with_any_name), TEST(test_draw_text_shows_the_pool),
    TEST(test_draw_svg),  TEST(test_draw_svg_with_any_name),  TEST(test_draw_print),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
