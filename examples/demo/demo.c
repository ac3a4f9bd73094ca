// An archive of documents, built from text files: a program's allocations on three kinds of memory.
//
//     demo FILE...                       every block from memmgr_malloc and the rest
//     demo -p BYTES FILE...              every block from one fixed pool of so many bytes
//     demo -p BYTES -d SVG FILE...       the same, but shows only the pool's picture before the end
//     demo -q ...                        quietly: no message when memory runs out
//
// Compiled with -DUSE_MEMORY_MGR it runs on memmgr, without it on the C library. compare.c runs
// them by turns. Each line of the result is `name value unit`.
//
// What it does: the text is cut into documents. An index, a hash table, holds every phrase of one
// to four words and the numbers of the editions that contain it. Each edition has its text, a
// binary tree of its words, and the list of its phrases. Documents are edited: a new edition is
// written and indexed, the oldest forgotten. Then it is searched, rebuilt, and torn down.

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

enum {
    TEXT_LIMIT = 1 << 20,  // bytes of text that are read at most
    WORDS_KEPT = 250000,   // words in all editions together, about
    EDITIONS_MOST = 1000,  // of one document
    PHRASE_WORDS = 4,      // longest phrase
    EDITS_PER_EDITION = 2, // how often each edition is replaced
    SEARCHES = 40000,
    HITS_SHOWN = 12
};

// --- Memory: the only place that knows where blocks come from. ---------------------------------

static memmgr_pool *pool; // NULL: the general calls
static unsigned long calls;
static bool quiet;

static void fail(const char *what) {
    fprintf(stderr, "demo: %s\n", what);
    exit(EXIT_FAILURE);
}

static void *got(void *memory) {
    calls++;
    if (!memory && quiet) exit(EXIT_FAILURE);
    if (!memory) fail("out of memory");
    return memory;
}

static void *take(size_t size) {
    return got(pool ? memmgr_pool_alloc(pool, size) : memmgr_malloc(size));
}

static void *take_zeroed(size_t count, size_t size) {
    return got(pool ? memmgr_pool_calloc(pool, count, size) : memmgr_calloc(count, size));
}

static void *resize(void *memory, size_t size) {
    return got(pool ? memmgr_pool_realloc(pool, memory, size) : memmgr_realloc(memory, size));
}

static void drop(void *memory) {
    calls++;
    if (pool)
        memmgr_pool_free(pool, memory);
    else
        memmgr_free(memory);
}

// --- Growing strings. --------------------------------------------------------------------------

typedef struct {
    char *bytes; // ends in a zero that `length` does not count
    size_t length, capacity;
} Text;

static void text_add(Text *text, const char *bytes, size_t length) {
    size_t needed = text->length + length + 1;
    if (needed > text->capacity) {
        text->capacity = needed + needed / 2;
        text->bytes = resize(text->bytes, text->capacity);
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

static void text_trim(Text *text) {
    text->capacity = text->length + 1;
    text->bytes = resize(text->bytes, text->capacity);
}

// --- A binary tree of the words of one edition, in order. --------------------------------------

typedef struct Word {
    struct Word *left, *right;
    unsigned count, length;
    char letters[];
} Word;

static int word_compare(const Word *word, const char *letters, size_t length) {
    int order = memcmp(letters, word->letters, length < word->length ? length : word->length);
    return order ? order : (length > word->length) - (length < word->length);
}

static Word **word_find(Word **root, const char *letters, size_t length) {
    while (*root) {
        int order = word_compare(*root, letters, length);
        if (order == 0) break;
        root = order < 0 ? &(*root)->left : &(*root)->right;
    }
    return root;
}

static void word_add(Word **root, const char *letters, size_t length) {
    Word **place = word_find(root, letters, length);
    if (!*place) {
        *place = take(sizeof(Word) + length);
        **place = (Word){.length = (unsigned)length};
        memcpy((*place)->letters, letters, length);
    }
    (*place)->count++;
}

// How many words of one tree the other lacks.
static unsigned words_missing(Word *tree, Word **other) {
    if (!tree) return 0;
    unsigned missing = *word_find(other, tree->letters, tree->length) == NULL;
    return missing + words_missing(tree->left, other) + words_missing(tree->right, other);
}

static void words_drop(Word *tree) {
    if (!tree) return;
    words_drop(tree->left);
    words_drop(tree->right);
    drop(tree);
}

// --- The index: a hash table of phrases, each with the editions that contain it. ---------------

typedef struct Phrase {
    struct Phrase *next; // in its bucket
    unsigned hash, length;
    unsigned count, capacity;
    unsigned *editions; // numbers, ascending
    char words[];
} Phrase;

static struct {
    Phrase **buckets;
    size_t bucket_count, phrase_count;
} table;

static void table_grow(void) {
    size_t count = table.bucket_count ? table.bucket_count * 2 : 1024;
    Phrase **buckets = take_zeroed(count, sizeof *buckets);
    for (size_t i = 0; i < table.bucket_count; i++) {
        for (Phrase *phrase = table.buckets[i], *next; phrase; phrase = next) {
            next = phrase->next;
            phrase->next = buckets[phrase->hash & (count - 1)];
            buckets[phrase->hash & (count - 1)] = phrase;
        }
    }
    if (table.buckets) drop(table.buckets);
    table.buckets = buckets;
    table.bucket_count = count;
}

static Phrase **table_find(const char *words, size_t length, unsigned hash) {
    Phrase **place = &table.buckets[hash & (table.bucket_count - 1)];
    for (; *place; place = &(*place)->next) {
        Phrase *phrase = *place;
        if (phrase->hash == hash && phrase->length == length &&
            memcmp(phrase->words, words, length) == 0) {
            break;
        }
    }
    return place;
}

static Phrase *table_add(const char *words, size_t length, unsigned hash) {
    if (table.phrase_count >= table.bucket_count) table_grow();
    Phrase **place = table_find(words, length, hash);
    if (*place) return *place;
    *place = take(sizeof(Phrase) + length);
    **place = (Phrase){.hash = hash, .length = (unsigned)length};
    memcpy((*place)->words, words, length);
    table.phrase_count++;
    return *place;
}

static void table_remove(Phrase *phrase) {
    *table_find(phrase->words, phrase->length, phrase->hash) = phrase->next;
    table.phrase_count--;
    drop(phrase->editions);
    drop(phrase);
}

static void table_drop(void) {
    for (size_t i = 0; i < table.bucket_count; i++) {
        for (Phrase *phrase = table.buckets[i], *next; phrase; phrase = next) {
            next = phrase->next;
            drop(phrase->editions);
            drop(phrase);
        }
    }
    drop(table.buckets);
    memset(&table, 0, sizeof table);
}

// Notes that the edition, the newest of all, contains the phrase; false if that was known.
static bool phrase_note(Phrase *phrase, unsigned edition) {
    if (phrase->count && phrase->editions[phrase->count - 1] == edition) return false;
    if (phrase->count == phrase->capacity) {
        phrase->capacity += phrase->capacity / 2 + 1;
        phrase->editions = resize(phrase->editions, phrase->capacity * sizeof *phrase->editions);
    }
    phrase->editions[phrase->count++] = edition;
    return true;
}

static void phrase_forget(Phrase *phrase, unsigned edition) {
    unsigned low = 0, high = phrase->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (phrase->editions[middle] < edition)
            low = middle + 1;
        else
            high = middle;
    }
    phrase->count--;
    if (phrase->count == 0) {
        table_remove(phrase);
        return;
    }
    unsigned *gap = phrase->editions + low;
    memmove(gap, gap + 1, (phrase->count - low) * sizeof *gap);
    if (phrase->count < phrase->capacity / 4) {
        phrase->capacity = phrase->count * 2;
        phrase->editions = resize(phrase->editions, phrase->capacity * sizeof *phrase->editions);
    }
}

// --- Editions and documents. -------------------------------------------------------------------

typedef struct Edition {
    struct Edition *newer;
    unsigned number, word_count, phrase_count;
    Text text;
    Word *words;
    Phrase **phrases; // each once
} Edition;

typedef struct {
    Edition *oldest, *newest;
    unsigned usual_words; // that its editions tend to
} Document;

static struct {
    Text source; // what was read, normalised
    Document *documents;
    Edition **editions; // by number; NULL: forgotten
    unsigned document_count, document_capacity;
    unsigned edition_count, edition_capacity;
} archive;

static unsigned long long checksum;

static void answer(unsigned long long value) { checksum = (checksum ^ value) * 1099511628211u + 1; }

static unsigned dice(unsigned sides) {
    static unsigned long long state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state >> 32) % sides);
}

// Where the word that starts at `at` ends.
static size_t word_end(const Text *text, size_t at) {
    const char *space = memchr(text->bytes + at, ' ', text->length - at);
    return space ? (size_t)(space - text->bytes) : text->length;
}

// Enters all phrases that start with the word at `at`.
static void index_phrases(Edition *edition, size_t at) {
    unsigned hash = 2166136261u;
    for (size_t words = 0, end = at; words < PHRASE_WORDS; words++) {
        size_t from = end;
        if (from >= edition->text.length) break;
        end = word_end(&edition->text, from + (words > 0));
        for (size_t i = from; i < end; i++)
            hash = (hash ^ (unsigned char)edition->text.bytes[i]) * 16777619u;
        Phrase *phrase = table_add(edition->text.bytes + at, end - at, hash ^ hash >> 15);
        if (phrase_note(phrase, edition->number))
            edition->phrases[edition->phrase_count++] = phrase;
    }
}

static void edition_index(Edition *edition) {
    edition->phrase_count = 0;
    edition->phrases = take(edition->word_count * PHRASE_WORDS * sizeof(Phrase *));
    for (size_t at = 0; at < edition->text.length; at = word_end(&edition->text, at) + 1)
        index_phrases(edition, at);
    edition->phrases = resize(edition->phrases, edition->phrase_count * sizeof(Phrase *));
}

// Takes the text over.
static void edition_add(Document *document, Text text) {
    if (archive.edition_count == archive.edition_capacity) {
        archive.edition_capacity += archive.edition_capacity / 2 + 64;
        archive.editions = resize(archive.editions, archive.edition_capacity * sizeof(Edition *));
    }
    Edition *edition = take(sizeof *edition);
    *edition = (Edition){.number = archive.edition_count, .text = text};
    text_trim(&edition->text);
    for (size_t at = 0, end; at < text.length; at = end + 1, edition->word_count++) {
        end = word_end(&edition->text, at);
        word_add(&edition->words, edition->text.bytes + at, end - at);
    }
    edition_index(edition);

    if (document->newest) {
        answer(words_missing(edition->words, &document->newest->words));
        document->newest->newer = edition;
    } else {
        document->oldest = edition;
    }
    document->newest = edition;
    archive.editions[archive.edition_count++] = edition;
}

static void edition_drop(Edition *edition) {
    archive.editions[edition->number] = NULL;
    words_drop(edition->words);
    drop(edition->phrases);
    drop(edition->text.bytes);
    drop(edition);
}

static void document_forget_oldest(Document *document) {
    Edition *edition = document->oldest;
    document->oldest = edition->newer;
    for (unsigned i = 0; i < edition->phrase_count; i++)
        phrase_forget(edition->phrases[i], edition->number);
    edition_drop(edition);
}

// Adds a word, and a space before it if it is not the first.
static void append_word(Text *text, const char *word, size_t length) {
    if (text->length) text_add(text, " ", 1);
    text_add(text, word, length);
}

// Some word of the text that was read.
static void append_any_word(Text *text) {
    const Text *source = &archive.source;
    size_t at = word_end(source, dice((unsigned)source->length)) + 1;
    if (at >= source->length) at = 0;
    append_word(text, source->bytes + at, word_end(source, at) - at);
}

// A new edition: some words are replaced, some left out or added.
static void document_edit(Document *document) {
    const Text *old = &document->newest->text;
    bool too_long = document->newest->word_count > document->usual_words;
    Text text = {0};
    for (size_t at = 0, end; at < old->length; at = end + 1) {
        unsigned chance = dice(30);
        end = word_end(old, at);
        if (chance > 1 || (chance == 1 && !too_long)) append_word(&text, old->bytes + at, end - at);
        if (chance == 0 || (chance == 1 && !too_long)) append_any_word(&text);
    }
    if (text.length == 0) append_any_word(&text);
    edition_add(document, text);
}

static void document_add(Text text, unsigned usual_words) {
    if (archive.document_count == archive.document_capacity) {
        archive.document_capacity += archive.document_capacity / 2 + 16;
        archive.documents =
            resize(archive.documents, archive.document_capacity * sizeof *archive.documents);
    }
    Document *document = &archive.documents[archive.document_count++];
    *document = (Document){.usual_words = usual_words};
    edition_add(document, text);
}

// --- The phases. -------------------------------------------------------------------------------

static Text read_files(char **names) {
    Text all = {0};
    char part[4096];
    for (; *names; names++) {
        FILE *file = fopen(*names, "rb");
        if (!file) fail(*names);
        for (size_t n; all.length < TEXT_LIMIT && (n = fread(part, 1, sizeof part, file)) > 0;)
            text_add(&all, part, n);
        fclose(file);
    }
    return all;
}

// The words of a text in small letters, one space between.
static Text normalise(const Text *text) {
    Text words = {0};
    char word[64];
    for (size_t at = 0, length; at < text->length; at += length + (length == 0)) {
        for (length = 0; at + length < text->length && length < sizeof word; length++) {
            unsigned char c = (unsigned char)text->bytes[at + length];
            if (!isalnum(c) && c < 0x80 && c != '_') break;
            word[length] = (char)tolower(c);
        }
        if (length > 0) append_word(&words, word, length);
    }
    return words;
}

// Cuts the source into documents of 8 to 256 words. Returns how many words there are.
static unsigned cut_documents(void) {
    const Text *source = &archive.source;
    unsigned words = 0, in_document = 0, wanted = 8;
    for (size_t start = 0, at = 0; at < source->length; at++) {
        at = word_end(source, at);
        words++;
        if (++in_document < wanted && at < source->length) continue;
        Text text = {0};
        text_add(&text, source->bytes + start, at - start);
        document_add(text, in_document);
        start = at + 1;
        in_document = 0;
        wanted = 8u << dice(6);
    }
    return words;
}

static unsigned build(char **names) {
    Text text = read_files(names);
    archive.source = normalise(&text);
    drop(text.bytes);
    unsigned words = cut_documents();
    if (words == 0) fail("no words in this text");
    unsigned kept = WORDS_KEPT / words;
    kept = kept < 2 ? 2 : kept > EDITIONS_MOST ? EDITIONS_MOST : kept;
    for (unsigned edition = 1; edition < kept; edition++)
        for (unsigned i = 0; i < archive.document_count; i++)
            document_edit(&archive.documents[i]);
    return kept;
}

static void edit(unsigned kept) {
    for (unsigned n = archive.document_count * kept * EDITS_PER_EDITION; n > 0; n--) {
        Document *document = &archive.documents[dice(archive.document_count)];
        document_forget_oldest(document);
        document_edit(document);
    }
}

static int compare_lines(const void *a, const void *b) {
    return strcmp(((const Text *)a)->bytes, ((const Text *)b)->bytes);
}

// A page with the newest editions that contain a phrase, a line each, in order.
static Text result_page(const Phrase *phrase) {
    unsigned shown = phrase->count < HITS_SHOWN ? phrase->count : HITS_SHOWN;
    Text *lines = take_zeroed(shown, sizeof *lines), page = {0};
    for (unsigned i = 0; i < shown; i++) {
        const Edition *edition = archive.editions[phrase->editions[phrase->count - 1 - i]];
        char number[16];
        text_add(&lines[i], edition->text.bytes, word_end(&edition->text, 0));
        text_add(&lines[i], " ... ", 5);
        text_add(&lines[i], phrase->words, phrase->length);
        text_add(&lines[i], number,
                 (size_t)snprintf(number, sizeof number, " (%u)\n", edition->number));
    }
    qsort(lines, shown, sizeof *lines, compare_lines);
    for (unsigned i = 0; i < shown; i++) {
        text_add(&page, lines[i].bytes, lines[i].length);
        drop(lines[i].bytes);
    }
    drop(lines);
    return page;
}

static void search(void) {
    for (unsigned n = 0; n < SEARCHES; n++) {
        const Edition *edition = archive.documents[dice(archive.document_count)].newest;
        Text page = result_page(edition->phrases[dice(edition->phrase_count)]);
        for (size_t i = 0; i < page.length; i += 8)
            answer((unsigned char)page.bytes[i]);
        answer(page.length);
        drop(page.bytes);
    }
}

// The index afresh, from the editions.
static void rebuild(void) {
    for (unsigned i = 0; i < archive.edition_count; i++)
        if (archive.editions[i]) drop(archive.editions[i]->phrases);
    table_drop();
    for (unsigned i = 0; i < archive.edition_count; i++)
        if (archive.editions[i]) edition_index(archive.editions[i]);
    answer(table.phrase_count);
}

static void tear_down(void) {
    if (pool) { // all at once
        memmgr_pool_reset(pool);
        return;
    }
    table_drop();
    for (unsigned i = 0; i < archive.edition_count; i++)
        if (archive.editions[i]) edition_drop(archive.editions[i]);
    drop(archive.editions);
    drop(archive.source.bytes);
    drop(archive.documents);
}

// --- The run. ----------------------------------------------------------------------------------

// Prints the time since the last call, unless `phase` is NULL. Returns the sum of what was printed.
static double lap(const char *phase) {
    static double last, total;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double ms = (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
    if (phase) {
        printf("%s %.3f ms\n", phase, ms - last);
        total += ms - last;
    }
    last = ms;
    return total;
}

static void write_file(const char *text, size_t length, void *file) {
    fwrite(text, 1, length, file);
}

static void draw(const char *picture) {
    FILE *file = fopen(picture, "w");
    if (!file) fail(picture);
    memmgr_pool_draw(pool, MEMMGR_PICTURE_SVG, write_file, file);
    if (fclose(file) != 0) fail(picture);
    memmgr_pool_print(pool, stdout);
}

static void run(char **names) {
    lap(NULL);
    unsigned kept = build(names);
    lap("build");
    edit(kept);
    lap("edit");
    search();
    lap("search");
    rebuild();
    lap("rebuild");
    tear_down();
    printf("total %.3f ms\n", lap("teardown"));

    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double peak = (double)usage.ru_maxrss / 1024; // of KiB; macOS counts bytes
#ifdef __APPLE__
    peak /= 1024;
#endif
    printf("peak %.1f MiB\ncalls %lu -\nanswer %llx -\n", peak, calls, checksum);
}

// Everything was given back, and the pool is sound.
static void verify(bool picture) {
    memmgr_stats stats;
    if (pool) {
        memmgr_pool_stats(pool, &stats);
        if (!picture) printf("used %zu bytes\n", stats.peak_used);
        if (memmgr_pool_check(pool) != MEMMGR_OK) fail("the pool is damaged");
        if (memmgr_pool_destroy(pool) != 0) fail("blocks were left");
        return;
    }
#ifdef USE_MEMORY_MGR
    memmgr_stats_get(&stats);
    if (stats.live_blocks != 0) fail("blocks were left");
#endif
}

int main(int argc, char **argv) {
    const char *picture = NULL;
    size_t pool_size = 0;
    for (int option; (option = getopt(argc, argv, "p:d:q")) != -1;) {
        if (option == 'p')
            pool_size = (size_t)strtoull(optarg, NULL, 10);
        else if (option == 'd')
            picture = optarg;
        else if (option == 'q')
            quiet = true;
        else
            return EXIT_FAILURE;
    }
    if (pool_size &&
        !(pool = memmgr_pool_create(pool_size, &(memmgr_pool_desc){.name = "archive"})))
        fail("no memory for the pool");

    char **names = argv + optind;
    if (pool && picture) {
        edit(build(names));
        draw(picture);
        tear_down();
    } else {
        run(names);
    }
    verify(pool && picture);
    return EXIT_SUCCESS;
}
