// pools.c: libraries whose hook carries a pointer of the program's. Each use gets a pool of its own
// behind that pointer: its memory has a limit, and one call ends all of it, in whatever state the
// library left it.
//
// A library is in the program where HAVE_... is defined: see README.md.

#include "inputs.h"

#if defined(HAVE_ZLIB) || defined(HAVE_BZIP2) || defined(HAVE_LZMA)
// `count` times `size` bytes, for hooks that hand over two numbers. NULL when the product is too
// large for a size_t, as it may be where a size_t has 32 bits.
static inline void *pool_array(memmgr_pool *pool, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    return memmgr_pool_alloc(pool, count * size);
}
#endif

// Every work below runs on the library's own malloc where `pool` is NULL. It returns a hash of its
// results, 0 when it failed. With `finish` false it does not take down what it built.

// Room for what the compressors write. It is no library's memory.
enum { PACKED_ROOM = 16 << 20 };
static unsigned char *packed, *unpacked;

// --- zlib ----------------------------------------------------------------------------------------
#ifdef HAVE_ZLIB
#include <zlib.h>

static voidpf zlib_alloc(voidpf pool, uInt count, uInt size) {
    return pool_array((memmgr_pool *)pool, count, size);
}

static void zlib_free(voidpf pool, voidpf block) { memmgr_pool_free((memmgr_pool *)pool, block); }

static void zlib_hook(z_stream *stream, memmgr_pool *pool) {
    stream->zalloc = zlib_alloc;
    stream->zfree = zlib_free;
    stream->opaque = pool;
}

// One message, there and back. The size that it was packed to; 0: failed.
static size_t zlib_message(memmgr_pool *pool, char *text, size_t size, bool finish) {
    z_stream out = {0}, in = {0};
    if (pool) zlib_hook(&out, pool), zlib_hook(&in, pool);
    out.next_in = (Bytef *)text, out.avail_in = (uInt)size;
    out.next_out = packed, out.avail_out = PACKED_ROOM;
    if (deflateInit(&out, 6) != Z_OK) return 0;
    bool done = deflate(&out, Z_FINISH) == Z_STREAM_END;
    size_t length = out.total_out;
    in.next_in = packed, in.avail_in = (uInt)length;
    in.next_out = unpacked, in.avail_out = PACKED_ROOM;
    bool opened = done && inflateInit(&in) == Z_OK;
    done = opened && inflate(&in, Z_FINISH) == Z_STREAM_END && in.total_out == size &&
           memcmp(unpacked, text, size) == 0;
    if (finish) deflateEnd(&out);
    if (finish && opened) inflateEnd(&in);
    return done ? length : 0;
}

// 50 messages, each with streams of its own, as a server has them.
static uint64_t zlib_work(memmgr_pool *pool, bool finish) {
    uint64_t hash = HASH_START;
    size_t part = xml_text.size / 50;
    for (size_t i = 0; i < 50; i++) {
        size_t length = zlib_message(pool, xml_text.at + i * part, part, finish);
        if (length == 0) return 0;
        hash = hash_bytes(hash, packed, length);
    }
    return hash;
}
#endif

// --- bzip2 ---------------------------------------------------------------------------------------
#ifdef HAVE_BZIP2
#include <bzlib.h>

static void *bzip2_alloc(void *pool, int count, int size) {
    return pool_array((memmgr_pool *)pool, (size_t)count, (size_t)size);
}

static void bzip2_free(void *pool, void *block) { memmgr_pool_free((memmgr_pool *)pool, block); }

static void bzip2_hook(bz_stream *stream, memmgr_pool *pool) {
    stream->bzalloc = bzip2_alloc;
    stream->bzfree = bzip2_free;
    stream->opaque = pool;
}

static uint64_t bzip2_work(memmgr_pool *pool, bool finish) {
    bz_stream out = {0}, in = {0};
    unsigned size = 1 << 20;
    if (pool) bzip2_hook(&out, pool), bzip2_hook(&in, pool);
    out.next_in = json_text.at, out.avail_in = size;
    out.next_out = (char *)packed, out.avail_out = PACKED_ROOM;
    if (BZ2_bzCompressInit(&out, 9, 0, 0) != BZ_OK) return 0;
    bool done = BZ2_bzCompress(&out, BZ_FINISH) == BZ_STREAM_END;
    in.next_in = (char *)packed, in.avail_in = out.total_out_lo32;
    in.next_out = (char *)unpacked, in.avail_out = PACKED_ROOM;
    bool opened = done && BZ2_bzDecompressInit(&in, 0, 0) == BZ_OK;
    done = opened && BZ2_bzDecompress(&in) == BZ_STREAM_END && in.total_out_lo32 == size &&
           memcmp(unpacked, json_text.at, size) == 0;
    size_t length = out.total_out_lo32;
    if (finish) BZ2_bzCompressEnd(&out);
    if (finish && opened) BZ2_bzDecompressEnd(&in);
    return done ? hash_bytes(HASH_START, packed, length) : 0;
}
#endif

// --- liblzma -------------------------------------------------------------------------------------
#ifdef HAVE_LZMA
#include <lzma.h>

static void *lzma_from_pool(void *pool, size_t count, size_t size) {
    return pool_array((memmgr_pool *)pool, count, size);
}

static void lzma_to_pool(void *pool, void *block) { memmgr_pool_free((memmgr_pool *)pool, block); }

static uint64_t lzma_work(memmgr_pool *pool, bool finish) {
    lzma_allocator from_pool = {lzma_from_pool, lzma_to_pool, pool};
    lzma_stream out = LZMA_STREAM_INIT, in = LZMA_STREAM_INIT;
    if (pool) out.allocator = in.allocator = &from_pool;
    size_t size = 1 << 20;
    out.next_in = (const uint8_t *)json_text.at, out.avail_in = size;
    out.next_out = packed, out.avail_out = PACKED_ROOM;
    bool done = lzma_easy_encoder(&out, 2, LZMA_CHECK_CRC64) == LZMA_OK &&
                lzma_code(&out, LZMA_FINISH) == LZMA_STREAM_END;
    size_t length = (size_t)out.total_out;
    in.next_in = packed, in.avail_in = length;
    in.next_out = unpacked, in.avail_out = PACKED_ROOM;
    done = done && lzma_stream_decoder(&in, UINT64_MAX, 0) == LZMA_OK &&
           lzma_code(&in, LZMA_FINISH) == LZMA_STREAM_END && in.total_out == size &&
           memcmp(unpacked, json_text.at, size) == 0;
    if (finish) lzma_end(&out), lzma_end(&in);
    return done ? hash_bytes(HASH_START, packed, length) : 0;
}
#endif

// --- zstd ----------------------------------------------------------------------------------------
#ifdef HAVE_ZSTD
#define ZSTD_STATIC_LINKING_ONLY // the calls that take a ZSTD_customMem
#include <zstd.h>

static void *zstd_alloc(void *pool, size_t size) {
    return memmgr_pool_alloc((memmgr_pool *)pool, size);
}

static void zstd_free(void *pool, void *block) { memmgr_pool_free((memmgr_pool *)pool, block); }

static uint64_t zstd_work(memmgr_pool *pool, bool finish) {
    ZSTD_customMem from_pool = {zstd_alloc, zstd_free, pool}, standard = {NULL, NULL, NULL};
    ZSTD_CCtx *out = ZSTD_createCCtx_advanced(pool ? from_pool : standard);
    ZSTD_DCtx *in = ZSTD_createDCtx_advanced(pool ? from_pool : standard);
    uint64_t hash = HASH_START;
    bool done = out && in;
    for (int level = 1; done && level <= 9; level += 4) {
        size_t length =
            ZSTD_compressCCtx(out, packed, PACKED_ROOM, json_text.at, json_text.size, level);
        done = !ZSTD_isError(length) &&
               ZSTD_decompressDCtx(in, unpacked, PACKED_ROOM, packed, length) == json_text.size &&
               memcmp(unpacked, json_text.at, json_text.size) == 0;
        if (done) hash = hash_bytes(hash, packed, length);
    }
    if (finish) ZSTD_freeCCtx(out), ZSTD_freeDCtx(in);
    return done ? hash : 0;
}
#endif

// --- libpng --------------------------------------------------------------------------------------
#ifdef HAVE_PNG
#include <png.h>

static png_voidp png_from_pool(png_structp png, png_alloc_size_t size) {
    return memmgr_pool_alloc((memmgr_pool *)png_get_mem_ptr(png), size);
}

static void png_to_pool(png_structp png, png_voidp block) {
    memmgr_pool_free((memmgr_pool *)png_get_mem_ptr(png), block);
}

// Without these libpng writes a line to stderr.
static void png_fail(png_structp png, png_const_charp message) {
    (void)message;
    png_longjmp(png, 1);
}

static void png_warn(png_structp png, png_const_charp message) { (void)png, (void)message; }

static png_structp png_writer(memmgr_pool *pool) {
    if (!pool) return png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, png_fail, png_warn);
    return png_create_write_struct_2(PNG_LIBPNG_VER_STRING, NULL, png_fail, png_warn, pool,
                                     png_from_pool, png_to_pool);
}

static png_structp png_reader(memmgr_pool *pool) {
    if (!pool) return png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, png_fail, png_warn);
    return png_create_read_struct_2(PNG_LIBPNG_VER_STRING, NULL, png_fail, png_warn, pool,
                                    png_from_pool, png_to_pool);
}

static size_t png_at, png_length; // in `packed`

static void png_put(png_structp png, png_bytep bytes, png_size_t size) {
    if (size > PACKED_ROOM - png_length) png_error(png, "no room");
    memcpy(packed + png_length, bytes, size);
    png_length += size;
}

static void png_flush_nothing(png_structp png) { (void)png; }

static void png_get(png_structp png, png_bytep bytes, png_size_t size) {
    if (size > png_length - png_at) png_error(png, "no more");
    memcpy(bytes, packed + png_at, size);
    png_at += size;
}

// libpng's errors, running out of memory among them, jump back to where setjmp stands.
static bool png_encode(png_structp png, png_infop info) {
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_write_fn(png, NULL, png_put, png_flush_nothing);
    png_set_compression_level(png, 2);
    png_set_filter(png, 0, PNG_FILTER_SUB);
    png_set_IHDR(png, info, PICTURE_WIDTH, PICTURE_HEIGHT, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (size_t y = 0; y < PICTURE_HEIGHT; y++)
        png_write_row(png, picture + y * 3 * PICTURE_WIDTH);
    png_write_end(png, info);
    return true;
}

static bool png_decode(png_structp png, png_infop info) {
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_read_fn(png, NULL, png_get);
    png_read_info(png, info);
    if (png_get_rowbytes(png, info) != 3 * PICTURE_WIDTH) return false;
    for (size_t y = 0; y < PICTURE_HEIGHT; y++)
        png_read_row(png, unpacked + y * 3 * PICTURE_WIDTH, NULL);
    png_read_end(png, NULL);
    return memcmp(unpacked, picture, PICTURE_SIZE) == 0;
}

static uint64_t png_work(memmgr_pool *pool, bool finish) {
    png_at = png_length = 0;
    png_structp writer = png_writer(pool), reader = png_reader(pool);
    png_infop written = writer ? png_create_info_struct(writer) : NULL;
    png_infop read = reader ? png_create_info_struct(reader) : NULL;
    bool done = written && read && png_encode(writer, written) && png_decode(reader, read);
    if (finish) png_destroy_write_struct(&writer, &written);
    if (finish) png_destroy_read_struct(&reader, &read, NULL);
    return done ? hash_bytes(HASH_START, packed, png_length) : 0;
}
#endif

// --- FreeType ------------------------------------------------------------------------------------
#ifdef HAVE_FREETYPE
#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_MODULE_H
#include FT_SYSTEM_H

static void *freetype_alloc(FT_Memory memory, long size) {
    return memmgr_pool_alloc((memmgr_pool *)memory->user, (size_t)size);
}

static void freetype_free(FT_Memory memory, void *block) {
    memmgr_pool_free((memmgr_pool *)memory->user, block);
}

// The pool knows the old size. FreeType never asks for size 0 here: it frees instead.
static void *freetype_realloc(FT_Memory memory, long old_size, long new_size, void *block) {
    (void)old_size;
    return memmgr_pool_realloc((memmgr_pool *)memory->user, block, (size_t)new_size);
}

// `memory` must be there as long as the library.
static FT_Library freetype_open(FT_Memory memory, memmgr_pool *pool) {
    FT_Library library = NULL;
    *memory = (struct FT_MemoryRec_){pool, freetype_alloc, freetype_free, freetype_realloc};
    if (!pool) return FT_Init_FreeType(&library) == 0 ? library : NULL;
    if (FT_New_Library(memory, &library) != 0) return NULL;
    FT_Add_Default_Modules(library); // FT_Init_FreeType does these two by itself
    FT_Set_Default_Properties(library);
    return library;
}

// Every glyph of the face, drawn.
static uint64_t freetype_glyphs(FT_Face face, unsigned size, uint64_t hash) {
    if (FT_Set_Pixel_Sizes(face, 0, size) != 0) return 0;
    for (FT_Long i = 0; i < face->num_glyphs; i++) {
        if (FT_Load_Glyph(face, (FT_UInt)i, FT_LOAD_RENDER) != 0) return 0;
        const FT_Bitmap *bitmap = &face->glyph->bitmap;
        hash = hash_number(hash, (uint64_t)face->glyph->advance.x);
        for (unsigned y = 0; y < bitmap->rows; y++)
            hash = hash_bytes(hash, bitmap->buffer + (int)y * bitmap->pitch, bitmap->width);
    }
    return hash;
}

static uint64_t freetype_work(memmgr_pool *pool, bool finish) {
    struct FT_MemoryRec_ memory;
    FT_Face face = NULL;
    FT_Library library = freetype_open(&memory, pool);
    if (!library) return 0;
    uint64_t hash = FT_New_Face(library, font_path(), 0, &face) == 0 ? HASH_START : 0;
    for (unsigned size = 12; hash != 0 && size <= 28; size += 8)
        hash = freetype_glyphs(face, size, hash);
    if (!finish) {
        // The pool's end is not the end of what is no memory: FreeType has the file open, and
        // mapped.
        if (face && face->stream->close) face->stream->close(face->stream);
        return hash;
    }
    if (face) FT_Done_Face(face);
    if (pool)
        FT_Done_Library(library);
    else
        FT_Done_FreeType(library);
    return hash;
}
#endif

// --- PCRE2 ---------------------------------------------------------------------------------------
#ifdef HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

static void *pcre2_alloc(size_t size, void *pool) {
    return memmgr_pool_alloc((memmgr_pool *)pool, size);
}

static void pcre2_free(void *block, void *pool) { memmgr_pool_free((memmgr_pool *)pool, block); }

// All matches of one pattern; what it finds is hashed. 0: failed.
static uint64_t pcre2_scan(pcre2_compile_context *compiling, pcre2_general_context *general,
                           const char *pattern, bool finish, uint64_t hash) {
    int error;
    PCRE2_SIZE where, at = 0;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, 0, &error, &where, compiling);
    pcre2_match_data *match = code ? pcre2_match_data_create_from_pattern(code, general) : NULL;
    int found = 1;
    while (match && found > 0) {
        found = pcre2_match(code, (PCRE2_SPTR)xml_text.at, xml_text.size, at, 0, match, NULL);
        if (found <= 0) break;
        const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(match);
        hash = hash_bytes(hash, xml_text.at + ends[0], ends[1] - ends[0]);
        at = ends[1];
    }
    if (finish) pcre2_match_data_free(match), pcre2_code_free(code);
    return match && found == PCRE2_ERROR_NOMATCH ? hash : 0;
}

static uint64_t pcre2_work(memmgr_pool *pool, bool finish) {
    static const char *const patterns[] = {
        "<order id=\"(o\\d+)\" kind=\"(birch|kelp|lantern)\">",
        "<customer>(\\w+) &amp; \\1</customer>",
        "(?s)<order[^>]*>(?:(?!</order>).)*<total>9999\\d</total>.*?</order>",
    };
    pcre2_general_context *general =
        pool ? pcre2_general_context_create(pcre2_alloc, pcre2_free, pool) : NULL;
    if (pool && !general) return 0;
    pcre2_compile_context *compiling = pcre2_compile_context_create(general);
    uint64_t hash = compiling ? HASH_START : 0;
    for (size_t i = 0; hash != 0 && i < sizeof patterns / sizeof *patterns; i++)
        hash = pcre2_scan(compiling, general, patterns[i], finish, hash);
    if (finish) pcre2_compile_context_free(compiling), pcre2_general_context_free(general);
    return hash;
}
#endif

// --- The table -----------------------------------------------------------------------------------

typedef struct {
    const char *name;
    uint64_t (*work)(memmgr_pool *pool, bool finish);
} library;

static const library libraries[] = {
#ifdef HAVE_ZLIB
    {"zlib", zlib_work},
#endif
#ifdef HAVE_BZIP2
    {"bzip2", bzip2_work},
#endif
#ifdef HAVE_LZMA
    {"lzma", lzma_work},
#endif
#ifdef HAVE_ZSTD
    {"zstd", zstd_work},
#endif
#ifdef HAVE_PNG
    {"libpng", png_work},
#endif
#ifdef HAVE_FREETYPE
    {"freetype", freetype_work},
#endif
#ifdef HAVE_PCRE2
    {"pcre2", pcre2_work},
#endif
    {NULL, NULL},
};

static uint64_t on_libc(void *ctx) { return ((const library *)ctx)->work(NULL, true); }

static memmgr_pool *open_pool(const library *row, size_t limit) {
    memmgr_pool_desc desc = {.name = row->name, .flags = MEMMGR_POOL_GROW, .limit = limit};
    return memmgr_pool_create(16384, &desc);
}

// The library takes down what it built: every block has been freed.
static uint64_t on_pool(void *ctx) {
    const library *row = (const library *)ctx;
    memmgr_pool *pool = open_pool(row, 0);
    if (!pool) return 0;
    uint64_t answer = row->work(pool, true);
    end_pool(pool);
    return answer;
}

// It does not: everything is freed by the pool's end. Returns the answer, 0 when nothing was live.
static uint64_t abandoned(void *ctx) {
    const library *row = (const library *)ctx;
    memmgr_pool *pool = open_pool(row, 0);
    if (!pool) return 0;
    uint64_t answer = row->work(pool, false);
    memmgr_stats stats;
    memmgr_pool_stats(pool, &stats);
    memmgr_pool_reset(pool);
    end_pool(pool);
    return stats.live_blocks > 0 ? answer : 0;
}

static size_t too_small; // the limit below

// Returns 1 when the library said that it failed, and was asked for more than there was.
static uint64_t limited(void *ctx) {
    const library *row = (const library *)ctx;
    memmgr_pool *pool = open_pool(row, too_small);
    if (!pool) return 0;
    uint64_t answer = row->work(pool, true);
    memmgr_stats stats;
    memmgr_pool_stats(pool, &stats);
    end_pool(pool);
    return answer == 0 && stats.failures > 0;
}

static void check_library(const library *row) {
    void *ctx = (void *)(uintptr_t)row;
    outcome out, best = compare(row->name, on_libc, on_pool, ctx);
    check(run_apart(abandoned, ctx, &out), row->name, "ends well when abandoned");
    check(out.answer == best.answer, row->name, "the same answer when abandoned");
    check_clean(row->name, &out);
    // The peak is known from the run before; where libc is behind the calls, from the pool, too.
    too_small = best.peak_used / 2 < 16384 ? 16384 : best.peak_used / 2;
    check(run_apart(limited, ctx, &out), row->name, "ends well with half of the memory");
    check(out.answer == 1, row->name, "fails politely with half of the memory");
    check_clean(row->name, &out);
}

int main(int argc, char **argv) {
    inputs_make();
    packed = (unsigned char *)malloc(PACKED_ROOM);
    unpacked = (unsigned char *)malloc(PACKED_ROOM);
    if (!packed || !unpacked) return 1;
    memset(packed, 1, PACKED_ROOM); // resident before anything is measured
    memset(unpacked, 1, PACKED_ROOM);
    compare_head();
    for (const library *row = libraries; row->name; row++) {
        if (argc < 2 || strcmp(argv[1], row->name) == 0) check_library(row);
    }
    free(packed);
    free(unpacked);
    inputs_free();
    return checks_end();
}
