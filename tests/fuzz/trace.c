// trace.c: a fuzz target for what is read: traces, and a pool's own data.
//
// The input's first byte says which:
//   bytes      the rest is a trace for the reader of examples/trace: a clear error or a clean end
//   program    allocations and frees, recorded; what is read back must be what was done
//   damage     bits of a pool's own data are turned over: an audit says so, or finds it in order
//
// The reader maps memory and ends the program when a trace is wrong. Here its maps are malloc's, so
// that a sanitizer knows where they end and their sum is known, and its end is a jump.
#include "fuzz.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// --- Around the reader ---------------------------------------------------------------------------

enum { MAPS = 64 };

static struct {
    void *at[MAPS];
    size_t size[MAPS];
    size_t count, bytes, most;
    jmp_buf failed;
    char message[512];
} reader_world;

static void *reader_map(size_t size) {
    EXPECT(reader_world.count < MAPS);
    void *memory = calloc(1, size);
    if (!memory) abort();
    reader_world.at[reader_world.count] = memory;
    reader_world.size[reader_world.count++] = size;
    reader_world.bytes += size;
    if (reader_world.bytes > reader_world.most) reader_world.most = reader_world.bytes;
    return memory;
}

static int reader_unmap(void *memory, size_t size) {
    size_t i = 0;
    while (i < reader_world.count && reader_world.at[i] != memory)
        i++;
    EXPECT(i < reader_world.count && reader_world.size[i] == size);
    reader_world.at[i] = reader_world.at[--reader_world.count];
    reader_world.size[i] = reader_world.size[reader_world.count];
    reader_world.bytes -= size;
    free(memory);
    return 0;
}

static void reader_unmap_all(void) {
    while (reader_world.count)
        (void)reader_unmap(reader_world.at[0], reader_world.size[0]);
}

__attribute__((noreturn)) static void reader_exit(int status) {
    EXPECT(status != 0);
    longjmp(reader_world.failed, 1);
}

#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
#define mmap(address, size, protection, flags, file, offset) reader_map(size)
#define munmap(memory, size) reader_unmap(memory, size)
#define exit(status) reader_exit(status)
#define vfprintf(file, format, arguments)                                                          \
    vsnprintf(reader_world.message, sizeof reader_world.message, format, arguments)
#define fputs(text, file) ((void)0)
#define fputc(character, file) ((void)0)
#include "../../examples/trace/trace.h"
#undef exit
#undef vfprintf
#undef fputs
#undef fputc
#include "../../examples/trace/picture.h"
#undef mmap
#undef munmap
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic pop
#endif

static int trace_file = -1;
static char trace_name[64];

// The bytes as a file that the reader can open.
static void file_holds(const uint8_t *bytes, size_t size) {
    if (trace_file < 0) {
        char name[] = "/tmp/memmgr-fuzz-XXXXXX";
        trace_file = mkstemp(name);
        EXPECT(trace_file >= 0);
        (void)unlink(name);
        snprintf(trace_name, sizeof trace_name, "/proc/self/fd/%d", trace_file);
    }
    EXPECT(ftruncate(trace_file, 0) == 0);
    EXPECT(pwrite(trace_file, bytes, size, 0) == (ssize_t)size);
}

static void take_text(const char *text, size_t length, void *ctx) {
    for (size_t i = 0; i < length; i++)
        EXPECT(text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~'));
    *(size_t *)ctx += length;
}

// What a trace that was read says of itself.
static void expect_sound(const Trace *trace) {
    uint64_t live = 0, bytes = 0;
    for (size_t i = 0; i < trace->block_count; i++) {
        const Block *one = &trace->blocks[i];
        EXPECT(!one->live || (one->heap < trace->heap_count && one->site < trace->site_count));
        live += one->live;
        bytes += one->live ? one->size : 0;
    }
    EXPECT(live == trace->live_blocks && bytes == trace->live_bytes);
    EXPECT(trace->block_at.count == live && bytes <= trace->peak_bytes);
    EXPECT(trace->peak_bytes <= live_limit);
    for (size_t i = 0; i < trace->op_count; i++)
        EXPECT(trace->ops[i].kind == OP_TRY || trace->ops[i].block < trace->block_count);
}

static void draw_all(const Trace *trace) {
    size_t length = 0;
    Sink sink = {take_text, &length};
    Ranking ranking = rank_sites(trace, site_peak);
    for (int i = 0; i < ranking.count; i++)
        EXPECT(strlen(site_name(trace, ranking.sites[i], 40).text) <= 40);
    draw_svg(trace, "fuzz & \x01", &sink);
    draw_csv(trace, "", &sink);
    EXPECT(length > 0);
}

// Reads the trace in the file. False, and a message, when something is wrong with it.
static bool read_all(Trace *trace, size_t size) {
    reader_world.count = reader_world.bytes = reader_world.most = 0;
    reader_world.message[0] = '\0';
    if (setjmp(reader_world.failed) != 0) {
        EXPECT(reader_world.message[0] != '\0');
        return false;
    }
    read_trace(trace, trace_name);
    EXPECT(reader_world.most <= ((size_t)2 << 20) + size * 1024); // of a fixed size for an event
    return true;
}

static void run_bytes(const uint8_t *data, size_t size, bool with_magic) {
    static uint8_t bytes[1 << 16];
    static Trace trace;
    size_t magic = with_magic ? sizeof trace_magic - 1 : 0;
    if (size > sizeof bytes - 32) size = sizeof bytes - 32;
    memcpy(bytes, trace_magic, magic);
    if (size) memcpy(bytes + magic, data, size);
    file_holds(bytes, magic + size);
    if (read_all(&trace, magic + size)) {
        expect_sound(&trace);
        draw_all(&trace);
    }
    reader_unmap_all();
}

// --- Recording -----------------------------------------------------------------------------------

enum { SLOTS = 64, EVENTS = 1024, STEPS = 300, NOT_LIVE = 0, BEFORE = 1 };

// What was done, as it is to be read.
typedef struct {
    EventKind kind;
    bool pool, zeroed;
    unsigned shift;
    uintptr_t address, old;
    size_t size;
    const char *file; // NULL: the call did not say where it is made
    int line;
} deed;

typedef struct {
    void *at;
    size_t size;
    bool pool, before; // before the trace began
} slot;

static struct {
    deed deeds[EVENTS];
    size_t count;
    slot slots[SLOTS];
    bool on;
    uint8_t bytes[1 << 18];
    size_t size;
} record;

static unsigned char pool_memory[1 << 16];
static memmgr_pool *pool;
static char long_name[300];

static void keep_bytes(const char *text, size_t length, void *ctx) {
    (void)ctx;
    EXPECT(length > 0 && length <= sizeof record.bytes - record.size);
    memcpy(record.bytes + record.size, text, length);
    record.size += length;
}

static deed *note(EventKind kind, bool of_pool, const char *file, int line) {
    static deed nothing;
    if (!record.on) return &nothing;
    EXPECT(record.count < EVENTS);
    deed *d = &record.deeds[record.count++];
    memset(d, 0, sizeof *d);
    d->kind = kind;
    d->pool = of_pool;
    d->file = file;
    d->line = line;
    return d;
}

static const char *input_file(int *line) {
    static const char *const files[] = {NULL, "a.c", "", "dir/b \xC3\xA9.c", long_name};
    unsigned kind = input_byte();
    *line = 1 + (int)(kind >> 3) * (kind & 1 ? 1 : 70001);
    return files[kind % 5];
}

static void *call_alloc(bool of_pool, unsigned kind, size_t alignment, size_t size,
                        const char *file, int line) {
    if (kind == 0)
        return of_pool ? memmgr_pool_aligned_alloc_at(pool, alignment, size, file, line)
                       : memmgr_aligned_alloc_at(alignment, size, file, line);
    if (kind == 1)
        return of_pool ? memmgr_pool_calloc_at(pool, 1, size, file, line)
                       : memmgr_calloc_at(1, size, file, line);
    return of_pool ? memmgr_pool_alloc_at(pool, size, file, line)
                   : memmgr_malloc_at(size, file, line);
}

static size_t input_modest_size(void) {
    size_t size = input_size(65536);
    return size > ((size_t)4 << 20) && size < SIZE_MAX / 16 ? SIZE_MAX : size;
}

static void run_alloc(slot *s) {
    unsigned choice = input_byte(), kind = choice & 3;
    bool of_pool = choice & 4;
    size_t alignment = kind == 0 ? (size_t)1 << input_byte() % 15 : 1, size = input_modest_size();
    int line;
    const char *file = input_file(&line);
    s->at = call_alloc(of_pool, kind, alignment, size, file, line);
    s->size = size;
    s->pool = of_pool;
    s->before = !record.on;
    deed *d = note(s->at ? EVENT_ALLOC : EVENT_FAIL, of_pool, file, line);
    d->size = size;
    d->address = (uintptr_t)s->at;
    d->zeroed = kind == 1 && s->at;
    while (s->at && alignment > 16 && (size_t)1 << d->shift < alignment)
        d->shift++;
}

static void run_free(slot *s) {
    int line;
    const char *file = input_file(&line);
    deed *d = note(EVENT_FREE, s->pool, file, line);
    d->address = (uintptr_t)s->at;
    if (s->pool)
        EXPECT(memmgr_pool_free_at(pool, s->at, file, line) == MEMMGR_OK);
    else
        memmgr_free_at(s->at, file, line);
    s->at = NULL;
}

static void run_resize(slot *s) {
    int line;
    const char *file = input_file(&line);
    size_t size = input_modest_size();
    if (size == 0) size = 1; // which may free
    void *old = s->at;
    void *moved = s->pool ? memmgr_pool_realloc_at(pool, old, size, file, line)
                          : memmgr_realloc_at(old, size, file, line);
    deed *d = note(moved ? EVENT_RESIZE : EVENT_FAIL, s->pool, file, line);
    d->size = size;
    if (!moved) return;
    d->old = (uintptr_t)old;
    d->address = (uintptr_t)moved;
    s->at = moved;
    s->size = size;
}

// A misuse is reported, and no event.
static void run_misuse(slot *s) {
    memmgr_free(pointer_plus(s, 0));
    EXPECT(heard_one(MEMMGR_FOREIGN_POINTER, NULL, s));
    if (!s->at || s->pool) return;
    memmgr_free(pointer_plus(s->at, 1));
    EXPECT(heard.count == 1);
    heard.count = 0;
}

static void run_clear(void) {
    memmgr_pool_reset(pool);
    note(EVENT_CLEAR, true, NULL, 0);
    for (size_t i = 0; i < SLOTS; i++)
        if (record.slots[i].pool) record.slots[i].at = NULL;
}

static void run_record_step(void) {
    unsigned operation = input_byte();
    slot *s = &record.slots[input_below(SLOTS)];
    fuzz_step++;
    if (operation == 255)
        run_clear();
    else if (operation >= 240)
        run_misuse(s);
    else if (!s->at)
        run_alloc(s);
    else if (operation & 1)
        run_free(s);
    else
        run_resize(s);
    EXPECT(heard_nothing());
}

// --- Reading it back -----------------------------------------------------------------------------

enum { SITES = 1100 };

static struct {
    Reader reader;
    Event sites[SITES];
    bool known[SITES];
    bool pool; // events are the pool's
} back;

static void expect_site(const Event *event, const deed *d) {
    if (d->kind == EVENT_CLEAR) return;
    EXPECT(event->slot < SITES && back.known[event->slot]);
    const Event *site = &back.sites[event->slot];
    if (!d->file) {
        EXPECT(site->line == 0 && site->code != 0);
        return;
    }
    EXPECT(site->line == (uint64_t)d->line && site->name.length == strlen(d->file));
    EXPECT(memcmp(site->name.bytes, d->file, site->name.length) == 0);
}

static void expect_deed(const Event *event, const deed *d) {
    EXPECT(event->kind == d->kind && back.pool == d->pool);
    EXPECT(event->zeroed == d->zeroed && event->aligned == (d->shift != 0));
    EXPECT(event->shift == d->shift);
    EXPECT(event->address == d->address || event->kind == EVENT_CLEAR || event->kind == EVENT_FAIL);
    EXPECT(event->kind != EVENT_RESIZE || event->old == d->old);
    EXPECT(event->size == d->size);
    expect_site(event, d);
}

static void take_event(const Event *event, size_t *done) {
    if (event->kind == EVENT_SITE) {
        EXPECT(event->slot < SITES);
        back.sites[event->slot] = *event;
        back.known[event->slot] = true;
    } else if (event->kind == EVENT_HEAP) {
        back.pool = event->id != 0;
        EXPECT(event->id == 0 || event->id == (uintptr_t)pool);
    } else if (event->kind != EVENT_THREAD) {
        EXPECT(*done < record.count);
        expect_deed(event, &record.deeds[(*done)++]);
    }
}

static void read_back(void) {
    Event event;
    Reading reading;
    size_t done = 0;
    memset(&back, 0, sizeof back);
    back.reader.bytes = record.bytes;
    back.reader.size = record.size;
    back.reader.at = sizeof trace_magic - 1;
    EXPECT(record.size > back.reader.at &&
           memcmp(record.bytes, trace_magic, sizeof trace_magic - 1) == 0);
    while ((reading = read_event(&back.reader, &event)) == READ_EVENT)
        take_event(&event, &done);
    EXPECT(reading == READ_END && back.reader.at == record.size && done == record.count);
}

// The reader's picture of the program is what is live now, of what came after the beginning.
static void read_as_file(void) {
    static Trace trace;
    uint64_t live = 0, bytes = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        const slot *s = &record.slots[i];
        if (!s->at || s->before) continue;
        live++;
        bytes += s->size;
    }
    file_holds(record.bytes, record.size);
    EXPECT(read_all(&trace, record.size) && trace.ended && trace.strange == 0);
    expect_sound(&trace);
    EXPECT(trace.live_blocks == live && trace.live_bytes == bytes && trace.reused == 0);
    draw_all(&trace);
    reader_unmap_all();
}

static void handle(const memmgr_report *report, void *ctx) {
    (void)ctx;
    heard_note(report);
}

static void run_program(void) {
    memmgr_pool_desc desc;
    memset(&desc, 0, sizeof desc);
    memset(&record, 0, sizeof record);
    memset(long_name, 'x', sizeof long_name - 1);
    desc.name = input_byte() & 1 ? "pool" : long_name;
    desc.flags = MEMMGR_POOL_TRACK;
    pool = memmgr_pool_init(pool_memory, sizeof pool_memory, &desc);
    EXPECT(pool);
    unsigned before = input_byte() % 16;
    for (unsigned i = 0; i < before; i++)
        run_record_step();
    EXPECT(memmgr_trace_start(keep_bytes, NULL));
    record.on = true;
    while (!input_ended() && fuzz_step < STEPS)
        run_record_step();
    // A block from before that was resized has become one that the trace knows.
    memmgr_trace_stop();
    record.on = false;
    for (size_t i = 0; i < record.count; i++)
        for (size_t k = 0; k < SLOTS && record.deeds[i].kind == EVENT_RESIZE; k++)
            if ((uintptr_t)record.slots[k].at == record.deeds[i].address)
                record.slots[k].before = false;
    read_back();
    read_as_file();
    for (size_t i = 0; i < SLOTS; i++)
        if (record.slots[i].at && !record.slots[i].pool) memmgr_free(record.slots[i].at);
    (void)memmgr_pool_destroy(pool);
    heard.count = 0; // leaks
}

// --- Damage --------------------------------------------------------------------------------------

// A pool with a history, in a buffer that ends where the memory does.
static memmgr_pool *damage_pool(unsigned char *buffer, size_t size) {
    void *blocks[64] = {NULL};
    memmgr_pool *made = memmgr_pool_init(buffer, size, NULL);
    unsigned steps = input_byte();
    for (unsigned i = 0; made && i < steps; i++) {
        void **block = &blocks[input_byte() % 64];
        if (*block) EXPECT(memmgr_pool_free(made, *block) == MEMMGR_OK);
        *block = *block ? NULL : memmgr_pool_alloc(made, input_size(size) % (size / 4));
    }
    return made;
}

// An audit can be trusted with any bit of a pool's own data, but where an address stands, what the
// pool is, and whether there is a lock to wait for.
static bool may_be_damaged(const memmgr_pool *made, size_t at) {
    size_t pointers = offsetof(struct memmgr_pool, lock),
           flags = offsetof(struct memmgr_pool, desc);
    flags += offsetof(memmgr_pool_desc, flags);
    if (at >= flags && at < flags + sizeof made->desc.flags) return false;
    return at < pointers || at >= offsetof(struct memmgr_pool, capacity);
}

static void run_damage(void) {
    size_t size = 1024 + input_word(), flips = input_byte() % 8;
    if (input_byte() > 250) size += (size_t)1 << 20;
    unsigned char *buffer = (unsigned char *)malloc(size);
    if (!buffer) abort();
    memset(buffer, 0xA7, size);
    memmgr_pool *made = TOOLS ? NULL : damage_pool(buffer, size);
    size_t front = made ? (size_t)(mmi_segment_granules(mmi_pool_first(made)) - (char *)made) : 0;
    unsigned char *kept = (unsigned char *)malloc(front + 1);
    if (!kept) abort();
    if (made) {
        EXPECT(memmgr_pool_check(made) == MEMMGR_OK);
        memcpy(kept, made, front);
        for (size_t i = 0; i <= flips; i++) {
            size_t at = (input_word() | input_byte() << 16) % front;
            unsigned bit = input_byte() % 8;
            if (may_be_damaged(made, at)) ((unsigned char *)made)[at] ^= (unsigned char)(1u << bit);
        }
        memmgr_error error = memmgr_pool_check(made);
        EXPECT(error == MEMMGR_OK || error == MEMMGR_CORRUPT || error == MEMMGR_BAD_ARGUMENT);
        EXPECT(heard.count == (error != MEMMGR_OK));
        heard.count = 0;
        memcpy(made, kept, front);
        EXPECT(memmgr_pool_check(made) == MEMMGR_OK);
        (void)memmgr_pool_destroy(made);
        heard.count = 0; // leaks
    }
    free(kept);
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    memmgr_set_error_handler(handle, NULL);
    heard.count = 0;
    input_open(data, size);
    unsigned kind = input_byte();
    if (kind < 16)
        run_bytes(input.at, (size_t)(input.end - input.at), false);
    else if (kind < 96)
        run_bytes(input.at, (size_t)(input.end - input.at), true);
    else if (kind < 192)
        run_program();
    else
        run_damage();
    EXPECT(heard_nothing());
    return 0;
}
