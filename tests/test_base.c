// test_base.c: what all else stands on: bits, sizes, atomics, and text without a C library.
#include "support.h"

enum { WORD_BITS = 8 * sizeof(mmi_word) };

// --- Bits and sizes ------------------------------------------------------------------------------

static void test_base_bits(void) {
    for (unsigned low = 0; low < WORD_BITS; low++) {
        for (unsigned high = low; high < WORD_BITS; high++) {
            mmi_word ends = (mmi_word)1 << low | (mmi_word)1 << high;
            mmi_word range = mmi_bits_range(low, high), between = (mmi_word)test_random() & range;
            CHECK_EQUAL(mmi_bits_lowest(ends | between), low);
            CHECK_EQUAL(mmi_bits_highest(ends | between), high);
            CHECK_EQUAL(range >> low, ~(mmi_word)0 >> (WORD_BITS - 1 - (high - low)));
            CHECK_EQUAL(range & ends, ends);
        }
    }
}

static void test_base_products(void) {
    size_t product = 7;
    CHECK(mmi_multiply(0, SIZE_MAX, &product) && product == 0);
    CHECK(mmi_multiply(SIZE_MAX, 0, &product) && product == 0);
    CHECK(mmi_multiply(SIZE_MAX / 3, 3, &product) && product == SIZE_MAX / 3 * 3);
    product = 7;
    CHECK(!mmi_multiply(SIZE_MAX / 3 + 1, 3, &product) && product == 7);
    CHECK_EQUAL(mmi_product(SIZE_MAX / 2 + 1, 2), SIZE_MAX);
    CHECK_EQUAL(mmi_product(1000, 1000), 1000000);
    CHECK(!mmi_is_power_of_two(0) && mmi_is_power_of_two(1) && !mmi_is_power_of_two(12));
    CHECK_EQUAL(mmi_align_up(0, 16), 0);
    CHECK_EQUAL(mmi_align_up(17, 16), 32);
    CHECK_EQUAL(mmi_align_up(SIZE_MAX - 15, 16), SIZE_MAX - 15);
}

// --- Atomics: whatever stands behind them, alone they are plain loads and stores -----------------

static void test_base_atomic_bytes(void) {
    uint8_t byte = 3, other = 5;
    uint8_t *pointer = &byte;
    uint16_t half = 1000;
    CHECK_EQUAL(mmi_atomic_byte(&byte), 3);
    mmi_atomic_byte_store(&byte, 4);
    CHECK_EQUAL(mmi_atomic_byte_ordered(&byte), 4);
    CHECK_EQUAL(mmi_atomic_byte_exchange(&byte, 9), 4);
    CHECK_EQUAL(byte, 9);
    CHECK(!mmi_atomic_byte_claim(&byte, 8, 1) && byte == 9);
    CHECK(mmi_atomic_byte_claim(&byte, 9, 1) && byte == 1);
    CHECK(mmi_atomic_bytes(&pointer) == &byte);
    mmi_atomic_bytes_store(&pointer, &other);
    CHECK(pointer == &other);
    CHECK_EQUAL(mmi_atomic_half(&half), 1000);
    mmi_atomic_half_store(&half, 2000);
    CHECK_EQUAL(mmi_atomic_half_acquire(&half), 2000);
    mmi_atomic_half_release(&half, 65535);
    CHECK_EQUAL(half, 65535);
    CHECK(!mmi_atomic_half_claim(&half, 8, 1) && half == 65535);
    CHECK(mmi_atomic_half_claim(&half, 65535, 1) && half == 1);
}

static void test_base_atomic_words(void) {
    uintptr_t word = 10, expected = 11;
    CHECK_EQUAL(mmi_atomic_word(&word), 10);
    mmi_atomic_word_store(&word, 20);
    CHECK_EQUAL(mmi_atomic_word_acquire(&word), 20);
    mmi_atomic_word_release(&word, 30);
    mmi_atomic_fence();
    CHECK_EQUAL(mmi_atomic_word_exchange(&word, 40), 30);
    mmi_atomic_acquire();
    CHECK(!mmi_atomic_word_replace(&word, &expected, 50));
    CHECK_EQUAL(word, 40);
    CHECK_EQUAL(expected, 40); // what is there
    while (!mmi_atomic_word_replace(&word, &expected, 50)) {
    } // it may fail for no reason
    CHECK_EQUAL(word, 50);
    mmi_atomic_word_add(&word, 0 - (uintptr_t)49);
    CHECK_EQUAL(word, 1);
}

// --- Tools: where there is none, nobody is told
// ---------------------------------------------------

static void test_base_no_tool(void) {
#if defined(MEMMGR_NO_TOOLS) || defined(MEMMGR_NO_WATCH)
    unsigned char bytes[64];
    memset(bytes, 0x3C, sizeof bytes);
    CHECK(!mmi_tool_is_there());
    mmi_tool_begin(bytes);
    mmi_tool_open(bytes, sizeof bytes);
    mmi_tool_alloc(bytes, bytes + 16, 32);
    mmi_tool_free(bytes, bytes + 16);
    mmi_tool_close(bytes, sizeof bytes);
    mmi_tool_end(bytes);
    CHECK(bytes_are(bytes, sizeof bytes, 0x3C));
#endif
}

// --- Text ----------------------------------------------------------------------------------------

static char collected[2000];
static size_t collected_length, collected_calls;
static mmi_text text;

static void collect(const char *line, size_t length, void *ctx) {
    CHECK(ctx == collected && length != 0 && collected_length + length < sizeof collected);
    memcpy(collected + collected_length, line, length);
    collected_length += length;
    collected_calls++;
}

static void text_begin(void) {
    collected_length = collected_calls = 0;
    mmi_text_open(&text, collect, collected);
}

static bool text_is(const char *expected) {
    mmi_text_flush(&text);
    collected[collected_length] = '\0';
    bool same = strcmp(collected, expected) == 0;
    if (!same) printf("    \"%s\", not \"%s\"\n", collected, expected);
    text_begin();
    return same;
}

static void test_base_text_lines(void) {
    text_begin();
    mmi_text_flush(&text);
    CHECK_EQUAL(collected_calls, 0); // with nothing
    mmi_text_repeat(&text, 'x', 2 * MMI_TEXT_LINE);
    CHECK_EQUAL(collected_calls, 2);
    mmi_text_string(&text, "one\ntwo");
    CHECK_EQUAL(collected_calls, 3);
    mmi_text_flush(&text);
    CHECK_EQUAL(collected_calls, 4);
    CHECK_EQUAL(collected_length, 2 * MMI_TEXT_LINE + 7);
}

static void test_base_text_same(void) {
    CHECK(mmi_text_same("", "") && mmi_text_same("dumb", "dumb"));
    CHECK(!mmi_text_same("dumb", "dumber") && !mmi_text_same("dumber", "dumb"));
    CHECK(!mmi_text_same("", "a") && !mmi_text_same("b", "a"));
}

static void test_base_text_foreign(void) {
    static const char name[] = "a\x7F\x1F\xFF~ <&>\"\\";
    text_begin();
    mmi_text_name(&text, name, MMI_TEXT_PLAIN);
    CHECK(text_is("a???~ <&>\"\\"));
    mmi_text_name(&text, name, MMI_TEXT_XML);
    CHECK(text_is("a???~ &lt;&amp;&gt;\"\\"));
    mmi_text_name(&text, name, MMI_TEXT_JSON);
    CHECK(text_is("a???~ <&>\\\"\\\\"));
    mmi_text_ending(&text, "0123456789", 10, MMI_TEXT_PLAIN);
    CHECK(text_is("0123456789"));
    mmi_text_ending(&text, "0123456789", 9, MMI_TEXT_PLAIN);
    CHECK(text_is("...456789"));
}

static void test_base_text_numbers(void) {
    char all[sizeof(void *) * 2 + 3] = "0x";
    text_begin();
    mmi_text_number(&text, 0);
    mmi_text_char(&text, ' ');
    mmi_text_number(&text, 4294967295u);
    CHECK(text_is("0 4294967295"));
    mmi_text_pointer(&text, NULL);
    CHECK(text_is("0x0"));
    mmi_text_pointer(&text, (void *)(uintptr_t)0x401136);
    CHECK(text_is("0x401136"));
    memset(all + 2, 'f', sizeof(void *) * 2);
    mmi_text_pointer(&text, (void *)UINTPTR_MAX);
    CHECK(text_is(all));
    mmi_text_bytes(&text, 1023);
    CHECK(text_is("1023 B"));
    mmi_text_bytes(&text, 1536);
    CHECK(text_is("1.5 KiB"));
    mmi_text_bytes(&text, (size_t)3 << 20);
    CHECK(text_is("3 MiB"));
}

static void test_base_text_shares(void) {
    CHECK_EQUAL(mmi_text_share(0, 0, 100), 0);
    CHECK_EQUAL(mmi_text_share(5, 0, 100), 0);
    CHECK_EQUAL(mmi_text_share(7, 7, 100), 100);
    CHECK_EQUAL(mmi_text_share(8, 7, 100), 100);
    CHECK_EQUAL(mmi_text_share(1, 3, 100), 33);
    // Where the product would not fit.
    CHECK_EQUAL(mmi_text_share(SIZE_MAX / 2, SIZE_MAX, 100), 50);
    CHECK_EQUAL(mmi_text_share(SIZE_MAX - 1, SIZE_MAX, 100), 100);
    CHECK_EQUAL(mmi_text_share(SIZE_MAX / 100 + 1, SIZE_MAX, 100), 1);
    text_begin();
    mmi_text_percent(&text, 1, 8);
    CHECK(text_is("12%"));
}

static void test_base_text_columns(void) {
    text_begin();
    mmi_text_string(&text, "ab");
    mmi_text_right(&text, 0, 5);
    mmi_text_string(&text, "c");
    mmi_text_right(&text, 5, 8);
    CHECK(text_is("   ab  c"));
    mmi_text_string(&text, "much too long");
    mmi_text_right(&text, 0, 5); // there is no room to move it
    CHECK(text_is("much too long"));
}

static const test_case tests[] = {
    TEST(test_base_bits),         TEST(test_base_products),     TEST(test_base_atomic_bytes),
    TEST(test_base_atomic_words), TEST(test_base_no_tool),      TEST(test_base_text_lines),
    TEST(test_base_text_same),    TEST(test_base_text_foreign), TEST(test_base_text_numbers),
    TEST(test_base_text_shares),  TEST(test_base_text_columns),
};

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
