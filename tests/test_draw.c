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

// --- Heaps that are made up ----------------------------------------------------------------------

// A heap of which every block is written down: what is shown of records, guards and sites.
enum { FAKE_MAX = 4096 };

typedef struct {
    memmgr_block block[FAKE_MAX];
    size_t count;
    uintptr_t end;
} fake_heap;

static fake_heap fake;

static void fake_start(void) {
    fake.count = 0;
    fake.end = 0x40001000;
}

// `front` bytes of overhead before the block, `behind` after it.
static memmgr_block *fake_add(bool live, size_t requested, size_t size, size_t front,
                              size_t behind) {
    memmgr_block *block = &fake.block[fake.count];
    memset(block, 0, sizeof *block);
    block->live = live;
    block->address = (const void *)(fake.end + front);
    block->size = size;
    block->requested = requested;
    block->overhead = front + behind;
    block->before = front;
    fake.count++;
    block->serial = live ? fake.count : 0;
    fake.end += front + size + behind;
    return block;
}

static void fake_live(size_t size) { fake_add(true, size, size, 0, 0); }
static void fake_free(size_t size) { fake_add(false, size, size, 0, 0); }

static void fake_site(const char *file, int line, size_t size) {
    memmgr_block *block = fake_add(true, size, size, 64, 16);
    block->file = file;
    block->line = line;
}

static void fake_caller(uintptr_t caller, size_t size) {
    fake_add(true, size, size, 64, 16)->caller = (const void *)caller;
}

static bool fake_walk(const void *heap, memmgr_visitor visit, void *ctx) {
    const fake_heap *all = (const fake_heap *)heap;
    for (size_t i = 0; i < all->count; i++)
        if (!visit(&all->block[i], ctx)) return false;
    return true;
}

static void fake_stats(memmgr_stats *stats) {
    memset(stats, 0, sizeof *stats);
    for (size_t i = 0; i < fake.count; i++) {
        const memmgr_block *block = &fake.block[i];
        stats->capacity += block->size + block->overhead;
        *(block->live ? &stats->used : &stats->free) += block->size;
        stats->live_blocks += block->live;
    }
    stats->overhead = stats->capacity - stats->used - stats->free;
}

static void fake_draw(memmgr_picture kind) {
    memmgr_stats stats;
    fake_stats(&stats);
    picture_length = 0;
    mmi_draw(kind, "made up", &stats, &fake, fake_walk, collect, picture);
    picture[picture_length] = '\0';
}

// Is this a line, or the end of one, of the picture?
static bool picture_has_line(const char *line) {
    size_t length = strlen(line);
    for (const char *at = strstr(picture, line); at; at = strstr(at + 1, line))
        if (at[length] == '\n') return true;
    printf("    no line that ends in \"%s\" in\n%s", line, picture);
    return false;
}

static size_t picture_count(const char *part) {
    size_t count = 0;
    for (const char *at = strstr(picture, part); at; at = strstr(at + 1, part))
        count++;
    return count;
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

// A letter where a block begins, of its size; = where it goes on. The cells are of 16 bytes.
static void test_draw_text_shows_sizes(void) {
    fake_start();
    fake_live(16);
    fake_live(64);
    fake_live(80);
    fake_free(32);
    fake_live(272);
    fake_free(64);
    fake_draw(MEMMGR_PICTURE_TEXT);
    check_text(picture);
    CHECK(picture_has_line("40001000  AA===B====..C================...."));
    fake_start();
    for (size_t size = 64; size <= (size_t)64 << 12; size *= 4)
        fake_live(size);
    fake_live((size_t)256 << 10);
    fake_draw(MEMMGR_PICTURE_TEXT);
    check_text(picture);
    // Cells of 512 bytes: the blocks of 64 and 256 share one with the next, and the larger counts.
    CHECK(strstr(picture, "  B=C=======D===============================E====") != NULL);
    CHECK(picture_count("=F==") == 1 && picture_count("=G==") == 1);
}

// Capital from half full on, = rather than -. There are too many bytes for cells of 16: 32.
static void test_draw_text_shows_fullness(void) {
    fake_start();
    fake_free(24576);
    fake_live(8);
    fake_free(40);
    fake_live(56);
    fake_free(24576 - 104);
    fake_draw(MEMMGR_PICTURE_TEXT);
    check_text(picture);
    CHECK(strstr(picture, "  aA=-....") != NULL);
    fake_start();
    fake_live(8);
    fake_free(24);
    for (int i = 0; i < 800; i++) {
        fake_live(16);
        fake_free(16);
    }
    fake_draw(MEMMGR_PICTURE_TEXT);
    CHECK(strstr(picture, "  aAAAAAA") != NULL);
}

// Records, guards and rounding are neither live nor free.
static void test_draw_text_shows_slack(void) {
    fake_start();
    fake_live(64);
    fake_draw(MEMMGR_PICTURE_TEXT);
    CHECK(strstr(picture, "slack") == NULL && strchr(picture, '~') == NULL);
    fake_start();
    fake_free(32);
    fake_add(true, 32, 32, 64, 32); // a record, and guards
    fake_add(true, 5, 48, 0, 0);    // rounding
    fake_free(16);
    fake_draw(MEMMGR_PICTURE_TEXT);
    check_text(picture);
    // What is behind a block is drawn before it: how much that is, a walk does not tell.
    CHECK(picture_has_line("40001000  ..~~~~A=~~A~~."));
    CHECK(strstr(picture, "139 B slack") != NULL);
    // The sizes of blocks are still to be seen where cells are large.
    fake_start();
    for (int i = 0; i < 1000; i++)
        fake_add(true, 200, 200, 64, 24);
    fake_draw(MEMMGR_PICTURE_TEXT);
    CHECK(strchr(picture, 'B') != NULL && strstr(picture, "BBBBBBBB") != NULL);
    // Addresses are those of the memory, though a walk does not tell how much lies behind a block.
    fake_start();
    fake_free(16);
    for (int i = 0; i < 300; i++)
        fake_add(true, 80, 80, 64, 16);
    fake_draw(MEMMGR_PICTURE_TEXT);
    CHECK(strstr(picture, "40001000  ") != NULL && strstr(picture, "40002000  ") != NULL);
}

// --- Colour --------------------------------------------------------------------------------------

// The same text when the escapes are taken away; and each line ends as it began.
static void check_colour(void) {
    static char colour[PICTURE_MAX / 8];
    size_t length = 0;
    bool plain = true;
    for (const char *c = picture; *c; c++) {
        if (*c != '\033') {
            if (*c == '\n') CHECK(plain);
            if (CHECK(length < sizeof colour - 1)) colour[length++] = *c;
            continue;
        }
        plain = strncmp(c, "\033[0m", 4) == 0;
        while (*c && *c != 'm')
            c++;
        if (!CHECK(*c == 'm')) return;
    }
    colour[length] = '\0';
    CHECK(length < picture_length && plain);
    fake_draw(MEMMGR_PICTURE_TEXT);
    check_text(picture); // no escape in it
    CHECK(strcmp(colour, picture) == 0);
}

static void test_draw_colour(void) {
    for (int round = 0; round < 20; round++) {
        fake_start();
        while (fake.count < 50 + 100 * (size_t)round) {
            size_t size = test_log_uniform(1, 100000);
            if (test_chance(50)) fake_free(16 * test_log_uniform(1, 1000));
            if (test_chance(50))
                fake_add(true, size, granules_up(size), 0, 0);
            else
                fake_site("a.c", 1 + (int)test_below(20), size);
        }
        fake_draw(MEMMGR_PICTURE_COLOR);
        check_colour();
    }
    fake_start();
    fake_draw(MEMMGR_PICTURE_COLOR);
}

// --- Sites ---------------------------------------------------------------------------------------

static void test_draw_sites_in_text(void) {
    fake_start();
    fake_live(100);
    fake_draw(MEMMGR_PICTURE_TEXT);
    CHECK(strstr(picture, "allocated at") == NULL);
    fake_start();
    for (int i = 1; i <= 14; i++)
        for (int block = 0; block < i; block++)
            fake_site("src/main.c", i, 100);
    fake_caller(0x401136, 9000);
    fake_site("/a/path/much/too/long/to/be/shown/whole/src/server/main.c", 120, 700);
    fake_site("a\tb\033[31mc", 0, 800);
    fake_live(50);
    fake_draw(MEMMGR_PICTURE_TEXT);
    check_text(picture);
    CHECK(strstr(picture, "\n  0x401136                                  1    8.7 KiB   42%") !=
          NULL);
    CHECK(strstr(picture, "\n  src/main.c:14                            14    1.3 KiB    6%") !=
          NULL);
    CHECK(strstr(picture, "\n  src/main.c:6 ") == NULL && strstr(picture, "src/main.c:1 ") == NULL);
    CHECK(strstr(picture, "\n  a?b?[31mc ") != NULL); // 800 bytes: beside main.c:8
    CHECK(strstr(picture, "\n  other sites ") != NULL && strstr(picture, "not tracked") != NULL);
    CHECK(strstr(picture, "0x401136") < strstr(picture, "src/main.c:14"));
    fake_start();
    fake_site("/a/path/much/too/long/to/be/shown/whole/src/server/main.c", 120, 700);
    fake_draw(MEMMGR_PICTURE_TEXT);
    CHECK(strstr(picture, "\n  ...be/shown/whole/src/server/main.c:120") == NULL);
    CHECK(strstr(picture, "\n  ...own/whole/src/server/main.c:120 ") != NULL);
}

static void test_draw_sites_table(void) {
    static mmi_sites sites;
    static const char name[] = "same.h", again[] = "same.h";
    char other[sizeof name];
    size_t blocks = 0, bytes = 0;
    memcpy(other, again, sizeof name);
    fake_start();
    fake_site(name, 5, 10);
    fake_site(other, 5, 20);
    fake_site(other, 6, 7);
    fake_caller((uintptr_t)name, 3);
    fake_free(1000); // comes from nowhere
    mmi_site_open(&sites);
    CHECK(fake_walk(&fake, mmi_site_note, &sites));
    mmi_site_sort(&sites);
    CHECK_EQUAL(sites.count, 3);
    CHECK(sites.table[0].bytes == 30 && sites.table[0].blocks == 2 && sites.table[0].line == 5);
    CHECK(sites.table[0].first == fake.block[0].address);
    CHECK(mmi_site_file(&sites.table[0]) == name && !mmi_site_caller(&sites.table[0]));
    CHECK(mmi_site_caller(&sites.table[2]) == (const void *)name);
    // More sites than there is room for: nothing gets lost.
    fake_start();
    for (int i = 0; i < FAKE_MAX; i++)
        fake_site("many.c", 1 + (int)test_below(2000), 1 + test_below(1000));
    mmi_site_open(&sites);
    CHECK(fake_walk(&fake, mmi_site_note, &sites));
    mmi_site_sort(&sites);
    CHECK_EQUAL(sites.count, MMI_SITE_MOST);
    for (uint32_t i = 0; i < 12; i++) {
        mmi_site line = mmi_site_line(&sites, 10, i);
        blocks += line.blocks;
        bytes += line.bytes;
    }
    CHECK_EQUAL(blocks, FAKE_MAX);
    CHECK_EQUAL(bytes, sites.bytes);
    for (uint32_t i = 1; i < sites.count; i++)
        CHECK(sites.table[i - 1].bytes >= sites.table[i].bytes && sites.table[i].place != NULL);
}

// More blocks than can be counted: the count stays at the most, the bytes are still right.
static void test_draw_sites_of_too_many_blocks(void) {
    static mmi_sites sites;
    fake_start();
    for (int i = 1; i <= 12; i++)
        fake_site("many.c", i, 1000);
    mmi_site_open(&sites);
    CHECK(fake_walk(&fake, mmi_site_note, &sites));
    for (size_t i = 0; i < MMI_SITE_SLOTS; i++)
        if (sites.table[i].place) sites.table[i].blocks = UINT32_MAX - 1;
    CHECK(fake_walk(&fake, mmi_site_note, &sites) && fake_walk(&fake, mmi_site_note, &sites));
    mmi_site_sort(&sites);
    CHECK_EQUAL(sites.table[0].blocks, UINT32_MAX);
    CHECK_EQUAL(sites.table[0].bytes, 3000);
    mmi_site line = mmi_site_line(&sites, 10, 10); // the other two
    CHECK_EQUAL(line.blocks, UINT32_MAX);
    CHECK_EQUAL(line.bytes, 6000);
}

// Sizes that no heap has today.
static void test_draw_largest_class(void) {
    size_t top = (size_t)16 << (MMI_DRAW_CLASSES - 2);
    CHECK_EQUAL(mmi_draw_class(16), 0);
    CHECK_EQUAL(mmi_draw_class(17), 1);
    CHECK_EQUAL(mmi_draw_class(top), MMI_DRAW_CLASSES - 2);
    CHECK_EQUAL(mmi_draw_class(top + 1), MMI_DRAW_CLASSES - 1);
    CHECK_EQUAL(mmi_draw_class(SIZE_MAX), MMI_DRAW_CLASSES - 1);
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

// Slack has a look of its own, and large blocks are seen apart.
static void test_draw_svg_shows_slack(void) {
    fake_start();
    fake_live(4096);
    fake_live(4096);
    fake_draw(MEMMGR_PICTURE_SVG);
    CHECK(svg_is_good(picture));
    CHECK(strstr(picture, "pattern") == NULL && strstr(picture, "slack") == NULL);
    // 256 cells of 16 bytes a block: two rows, and no row has a part of another's rectangle.
    CHECK_EQUAL(picture_count("h639v12"), 8);
    fake_start();
    fake_live(512);
    fake_live(512);
    fake_draw(MEMMGR_PICTURE_SVG);
    CHECK_EQUAL(picture_count("h159v12"), 2);
    fake_start();
    for (int i = 0; i < 500; i++)
        fake_add(true, 100 + test_below(900), 1008, 64, 16);
    fake_draw(MEMMGR_PICTURE_SVG);
    CHECK(svg_is_good(picture));
    CHECK(strstr(picture, "<pattern") != NULL && strstr(picture, "url(#memmgr-slack)") != NULL);
}

static void test_draw_svg_sites(void) {
    fake_start();
    fake_site("line\nbreak\001.c", 1, 100000);
    fake_caller(0x401136, 50000);
    for (int i = 39; i > 0; i--)
        fake_site("a<b>&\"c\".c", i, 100 * (size_t)i);
    fake_draw(MEMMGR_PICTURE_SVG);
    CHECK(svg_is_good(picture));
    CHECK(strstr(picture, ">a&lt;b&gt;&amp;\"c\".c:39<") != NULL);
    CHECK(strstr(picture, ">line?break?.c:1<") != NULL && strstr(picture, ">0x401136<") != NULL);
    CHECK(strstr(picture, "other sites") != NULL && strstr(picture, "not tracked") == NULL);
    for (size_t i = 0; i < 40; i++) // most kinds of cells side by side: still a moderate size
        fake_free(16 * test_log_uniform(1, 1000));
    while (fake.count < FAKE_MAX)
        fake_add(true, test_log_uniform(1, 100000), 100000, 64, 16);
    fake_draw(MEMMGR_PICTURE_SVG);
    CHECK(svg_is_good(picture) && picture_length < 300000);
}

// A heap in which nothing has been allocated yet has neither a map nor sizes.
static void test_draw_of_nothing(void) {
    fake_start();
    fake_draw(MEMMGR_PICTURE_TEXT);
    check_text(picture);
    CHECK(strstr(picture, "made up") && !strstr(picture, "size to") && !strstr(picture, "400010"));
    fake_draw(MEMMGR_PICTURE_SVG);
    CHECK(svg_is_good(picture));
    CHECK(strstr(picture, "made up") && !strstr(picture, "400010"));
}

// Other threads may allocate while general calls are drawn: each walk shows more than the last.
static bool growing_walk(const void *heap, memmgr_visitor visit, void *ctx) {
    for (int i = 0; i < 1000; i++)
        fake_site("new.c", i, 1000);
    return fake_walk(heap, visit, ctx);
}

static void test_draw_of_a_heap_that_grows(void) {
    static const memmgr_picture kinds[] = {MEMMGR_PICTURE_TEXT, MEMMGR_PICTURE_COLOR,
                                           MEMMGR_PICTURE_SVG};
    for (size_t i = 0; i < 3; i++) {
        memmgr_stats stats;
        fake_start();
        fake_live(8000);
        fake_stats(&stats);
        picture_length = 0;
        mmi_draw(kinds[i], "made up", &stats, &fake, growing_walk, collect, picture);
        picture[picture_length] = '\0';
        if (kinds[i] == MEMMGR_PICTURE_SVG) CHECK(svg_is_good(picture));
        if (kinds[i] == MEMMGR_PICTURE_TEXT) check_text(picture);
        CHECK(strstr(picture, "made up") && picture_length < PICTURE_MAX);
    }
}

// --- JSON ----------------------------------------------------------------------------------------

static const char *json_value(const char *c, int depth);

static const char *json_string(const char *c) {
    if (*c++ != '"') return NULL;
    for (; *c != '"'; c++) {
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~') return NULL;
        if (*c == '\\' && *++c != '"' && *c != '\\') return NULL;
    }
    return c + 1;
}

// [value, ...] or {"key":value, ...}
static const char *json_list(const char *c, int depth) {
    char close = *c == '{' ? '}' : ']';
    if (*++c == close) return c + 1;
    for (;; c++) {
        if (close == '}') c = json_string(c);
        if (!c || (close == '}' && *c++ != ':')) return NULL;
        c = json_value(c, depth + 1);
        if (!c) return NULL;
        if (*c == close) return c + 1;
        if (*c != ',') return NULL;
    }
}

// Returns what follows, NULL when it is not JSON, or not as short as it can be.
static const char *json_value(const char *c, int depth) {
    if (depth > 10) return NULL;
    if (*c == '{' || *c == '[') return json_list(c, depth);
    if (*c == '"') return json_string(c);
    if (*c == '0') return c + 1;
    if (*c < '1' || *c > '9') return NULL;
    while (*c >= '0' && *c <= '9')
        c++;
    return c;
}

static bool json_is_good(const char *text) {
    const char *end = *text == '{' ? json_value(text, 0) : NULL;
    return end && strcmp(end, "\n") == 0;
}

static bool json_has(const char *key, size_t value) {
    char part[100];
    snprintf(part, sizeof part, "\"%s\":%lu", key, (unsigned long)value);
    const char *at = strstr(picture, part);
    return at && (at[strlen(part)] == ',' || at[strlen(part)] == '}');
}

static void json(void) {
    picture_length = 0;
    memmgr_pool_json(pool, collect, picture);
    picture[picture_length] = '\0';
    if (!CHECK(json_is_good(picture))) printf("    %s", picture);
}

static void test_draw_json(void) {
    memmgr_stats stats;
    CHECK(json_is_good("{\"a\":[1,{\"b\":0}],\"c\":\"\\\"\"}\n"));
    CHECK(!json_is_good("{\"a\":1,}\n") && !json_is_good("{\"a\":[1,]}\n"));
    CHECK(!json_is_good("{\"a\" 1}\n") && !json_is_good("{}"));
    if (!open_pool(65536, "any \"name\" \\ at\nall, and longer than pictures show it")) return;
    json();
    CHECK(strstr(picture, "\"classes\":[]") != NULL && strstr(picture, "sites") == NULL);
    CHECK(strstr(picture, "{\"name\":\"any \\\"name\\\" \\\\ at?all, and longer") == picture);
    void *twelve = memmgr_pool_alloc(pool, 12);
    memmgr_pool_alloc(pool, 13);
    memmgr_pool_alloc(pool, 1000);
    CHECK(memmgr_pool_alloc(pool, 1000000) == NULL);
    json();
    CHECK(strstr(picture, "\"classes\":[{\"size_to\":16,\"blocks\":2,\"bytes\":32},"
                          "{\"size_to\":1024,\"blocks\":1,\"bytes\":1008}]") != NULL);
    memmgr_pool_free(pool, twelve);
    dirty_pool(50, 500);
    json();
    memmgr_pool_stats(pool, &stats);
    CHECK(json_has("capacity", stats.capacity) && json_has("used", stats.used));
    CHECK(json_has("free", stats.free) && json_has("largest_free", stats.largest_free));
    CHECK(json_has("overhead", stats.overhead) && json_has("peak_used", stats.peak_used));
    CHECK(json_has("requested", stats.requested) && json_has("live_blocks", stats.live_blocks));
    CHECK(json_has("allocations", stats.allocations) && json_has("frees", stats.frees));
    CHECK(json_has("failures", stats.failures) && json_has("misuses", stats.misuses));
    CHECK(json_has("fragmentation", stats.fragmentation));
    CHECK_SILENT();
    memmgr_pool_json(pool, NULL, NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_pool_json(NULL, collect, picture);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    close_pool();
}

static void test_draw_json_sites(void) {
    memmgr_stats stats;
    fake_start();
    fake_caller(0x401136, 50000);
    for (int i = 40; i > 0; i--)
        fake_site("C:\\a\"b.c", i, 100 * (size_t)i);
    fake_live(48);
    fake_stats(&stats);
    picture_length = 0;
    mmi_draw_json("made up", &stats, &fake, fake_walk, collect, picture);
    picture[picture_length] = '\0';
    CHECK(json_is_good(picture));
    CHECK(strstr(picture, "\"sites\":[{\"caller\":\"0x401136\",\"blocks\":1,\"bytes\":50000},"
                          "{\"file\":\"C:\\\\a\\\"b.c\",\"line\":40,\"blocks\":1,"
                          "\"bytes\":4000},") != NULL);
    if (MMI_SITE_MOST > 41) { // there is room for all of them
        CHECK_EQUAL(picture_count("\"line\":"), 31);
        CHECK(strstr(picture, "\"other_sites\":{\"blocks\":9,\"bytes\":4500}") != NULL);
    }
    CHECK(strstr(picture, "\"not_tracked\":{\"blocks\":1,\"bytes\":48}") != NULL);
    // A few, and nothing else.
    fake_start();
    fake_site("a.c", 1, 10);
    fake_site("a.c", 2, 5);
    fake_stats(&stats);
    picture_length = 0;
    mmi_draw_json("made up", &stats, &fake, fake_walk, collect, picture);
    picture[picture_length] = '\0';
    CHECK(json_is_good(picture) && picture_count("\"line\":") == 2);
    CHECK(!strstr(picture, "other_sites") && !strstr(picture, "not_tracked"));
}

// The general calls, from which the writer stays away.
static void test_draw_json_of_the_heap(void) {
    void *block = kept(memmgr_malloc(100));
    reports_start();
    picture_length = 0;
    memmgr_json(collect, picture);
    picture[picture_length] = '\0';
    CHECK(json_is_good(picture) && strstr(picture, "{\"name\":\"heap\",") == picture);
    CHECK_SILENT();
    memmgr_json(NULL, NULL);
    CHECK_REPORTED(MEMMGR_BAD_ARGUMENT);
    memmgr_free(block);
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
    TEST(test_draw_text),
    TEST(test_draw_text_with_any_name),
    TEST(test_draw_text_shows_the_pool),
    TEST(test_draw_text_shows_sizes),
    TEST(test_draw_text_shows_fullness),
    TEST(test_draw_text_shows_slack),
    TEST(test_draw_colour),
    TEST(test_draw_sites_in_text),
    TEST(test_draw_sites_table),
    TEST(test_draw_sites_of_too_many_blocks),
    TEST(test_draw_largest_class),
    TEST(test_draw_svg),
    TEST(test_draw_svg_with_any_name),
    TEST(test_draw_svg_shows_slack),
    TEST(test_draw_svg_sites),
    TEST(test_draw_of_nothing),
    TEST(test_draw_of_a_heap_that_grows),
    TEST(test_draw_json),
    TEST(test_draw_json_sites),
    TEST(test_draw_json_of_the_heap),
    TEST(test_draw_print),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
