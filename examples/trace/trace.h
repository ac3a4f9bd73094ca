// trace.h: reads a trace of memmgr into a list of operations on numbered blocks.
//
// Two halves. read_event() knows the format, which memmgr.h describes under "TRACES", and nothing
// else does. read_trace() follows the program through its events: which block an address means at
// that moment, what is live, which heap and which site it belongs to.
//
// A trace may come from a program that died, or from anywhere: no number in it is believed. What
// is kept for an event is of a fixed size, so the memory that a trace takes is bounded by the size
// of its file.
#ifndef TRACE_H
#define TRACE_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_LIMIT = 1 << 16, SITE_NAME = 80, NOWHERE = 0, TOP = 5 };

// Every event takes more than two bytes, so that whatever there is one of an event has a number
// of 32 bits.
static const uint64_t file_limit = UINT64_C(1) << 33;

// More than this is never live at a time: processors have no addresses for it.
static const uint64_t live_limit = UINT64_C(1) << 47;

static const char trace_magic[] = "memmgr trace 1\n";

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...) {
    va_list arguments;
    fflush(stdout);
    fputs("replay: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

// --- Memory. -----------------------------------------------------------------------------------

// Not from malloc: what is freed here would be resident, and libc's to hand out in the replay, so
// that it would look better than it is.
static void *pages(size_t bytes) {
    void *memory = mmap(NULL, bytes + (bytes == 0), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("out of memory");
    return memory;
}

// `items`, or a larger copy of them, with room for one more; all beyond `count` is zero.
static void *with_room(void *items, size_t count, size_t *capacity, size_t item_size) {
    if (count < *capacity) return items;
    size_t larger = *capacity ? *capacity * 2 : 1024;
    void *memory = pages(larger * item_size);
    if (items) {
        memcpy(memory, items, count * item_size);
        munmap(items, *capacity * item_size);
    }
    *capacity = larger;
    return memory;
}

#define MAKE_ROOM(items, count, capacity)                                                          \
    ((items) = with_room((items), (count), &(capacity), sizeof *(items)))

// A map from numbers to numbers, for addresses, ids and slots: no number is too large for it.
typedef struct {
    uint64_t key;
    uint64_t value; // and 1 more; 0: an empty place
} Place;

typedef struct {
    Place *places;          // a key stands at its home, or behind it with no empty place between
    size_t count, capacity; // count <= capacity / 2, a power of two
} Map;

static size_t map_home(const Map *map, uint64_t key) {
    key = (key ^ key >> 32) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(key ^ key >> 32) & (map->capacity - 1);
}

static size_t map_next(const Map *map, size_t place) { return (place + 1) & (map->capacity - 1); }

// The place of the key, or the empty one where it would be.
static size_t map_place(const Map *map, uint64_t key) {
    size_t place = map_home(map, key);
    while (map->places[place].value != 0 && map->places[place].key != key)
        place = map_next(map, place);
    return place;
}

static bool map_get(const Map *map, uint64_t key, uint32_t *value) {
    if (map->capacity == 0) return false;
    const Place *place = &map->places[map_place(map, key)];
    if (place->value == 0) return false;
    *value = (uint32_t)(place->value - 1);
    return true;
}

static void map_grow(Map *map) {
    Map larger = {NULL, map->count, map->capacity ? map->capacity * 2 : 1024};
    larger.places = pages(larger.capacity * sizeof *larger.places);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->places[i].value != 0)
            larger.places[map_place(&larger, map->places[i].key)] = map->places[i];
    if (map->places) munmap(map->places, map->capacity * sizeof *map->places);
    *map = larger;
}

static void map_put(Map *map, uint64_t key, uint32_t value) {
    if (map->count >= map->capacity / 2) map_grow(map);
    Place *place = &map->places[map_place(map, key)];
    if (place->value == 0) map->count++;
    place->key = key;
    place->value = (uint64_t)value + 1;
}

// What stands behind the key moves up, if its home is not behind the gap.
static void map_remove(Map *map, uint64_t key) {
    size_t gap = map_place(map, key), mask = map->capacity - 1;
    if (map->places[gap].value == 0) return;
    for (size_t i = map_next(map, gap); map->places[i].value != 0; i = map_next(map, i)) {
        size_t home = map_home(map, map->places[i].key);
        if (((i - home) & mask) < ((i - gap) & mask)) continue;
        map->places[gap] = map->places[i];
        gap = i;
    }
    map->places[gap].value = 0;
    map->count--;
}

// --- The format: bytes into events. ------------------------------------------------------------

typedef enum {
    EVENT_END,
    EVENT_ALLOC,
    EVENT_FREE,
    EVENT_RESIZE,
    EVENT_FAIL,
    EVENT_THREAD,
    EVENT_HEAP,
    EVENT_SITE,
    EVENT_CLEAR,
    EVENT_KINDS
} EventKind;

enum { EVENT_KIND_BITS = 0x0F, EVENT_ZEROED = 0x10, EVENT_ALIGNED = 0x20 };

// Each letter is a number, in this order. read_field() knows what they mean.
static const char *const event_fields[EVENT_KINDS] = {"",  "tazs", "tas", "toazs", "tzs",
                                                      "i", "in",   "sl",  "t"};

typedef struct {
    const char *bytes; // in the file; no zero behind them
    size_t length;
} Text;

typedef struct {
    EventKind kind;
    bool zeroed, aligned;
    unsigned shift; // of the alignment
    uint64_t time;  // since the trace began, in nanoseconds
    uint64_t address, old, size, slot, id, line, code;
    Text name;
} Event;

typedef enum {
    READ_EVENT,
    READ_END, // an END event
    READ_CUT, // the file ends before the event does
    READ_BAD  // see Reader.problem
} Reading;

typedef struct {
    const uint8_t *bytes;
    size_t size, at;        // at: of the event, when it cannot be read
    uint64_t time, address; // of the event before
    const char *problem;
} Reader;

static Reading bad(Reader *reader, const char *problem) {
    reader->problem = problem;
    return READ_BAD;
}

static Reading read_number(Reader *reader, uint64_t *number) {
    *number = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (reader->at == reader->size) return READ_CUT;
        uint8_t byte = reader->bytes[reader->at++];
        if (shift == 63 && byte > 1) return bad(reader, "a number of more than 64 bits");
        *number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return READ_EVENT;
    }
}

static Reading read_name(Reader *reader, uint64_t length, Text *name) {
    if (length > NAME_LIMIT) return bad(reader, "a name of more than 64 KiB");
    if (length > reader->size - reader->at) return READ_CUT;
    name->bytes = (const char *)reader->bytes + reader->at;
    name->length = (size_t)length;
    reader->at += (size_t)length;
    return READ_EVENT;
}

static Reading read_time(Reader *reader, uint64_t passed, Event *event) {
    if (passed > UINT64_MAX / 2 - reader->time) return bad(reader, "a time of 292 years or more");
    event->time = reader->time += passed;
    return READ_EVENT;
}

// 0, 1, 2, 3 stand for 0, -1, 1, -2.
static uint64_t next_address(Reader *reader, uint64_t zigzag) {
    return reader->address += zigzag >> 1 ^ (0 - (zigzag & 1));
}

static Reading read_field(Reader *reader, char field, Event *event) {
    uint64_t number;
    Reading reading = read_number(reader, &number);
    if (reading != READ_EVENT) return reading;
    switch (field) {
    case 't':
        return read_time(reader, number, event);
    case 'n':
        return read_name(reader, number, &event->name);
    case 'a':
        event->address = next_address(reader, number);
        break;
    case 'o':
        event->old = next_address(reader, number);
        break;
    case 'z':
        event->size = number;
        break;
    case 's':
        event->slot = number;
        break;
    case 'i':
        event->id = number;
        break;
    case 'l':
        event->line = number;
        break;
    case 'c':
        event->code = number;
        break;
    case '^':
        if (number >= 8 * sizeof(size_t)) return bad(reader, "an alignment beyond all addresses");
        event->shift = (unsigned)number;
        break;
    }
    return READ_EVENT;
}

static Reading read_fields(Reader *reader, Event *event) {
    const char *fields = event->aligned ? "taz^s" : event_fields[event->kind];
    Reading reading = READ_EVENT;
    for (; *fields && reading == READ_EVENT; fields++)
        reading = read_field(reader, *fields, event);
    if (event->kind == EVENT_SITE && reading == READ_EVENT)
        reading = read_field(reader, event->line ? 'n' : 'c', event);
    return reading;
}

static Reading read_event(Reader *reader, Event *event) {
    size_t start = reader->at;
    if (start == reader->size) return READ_CUT;
    uint8_t first = reader->bytes[reader->at++];
    memset(event, 0, sizeof *event);
    event->kind = (EventKind)(first & EVENT_KIND_BITS);
    event->zeroed = first & EVENT_ZEROED;
    event->aligned = first & EVENT_ALIGNED;
    bool known = event->kind < EVENT_KINDS && first < 2 * EVENT_ALIGNED &&
                 (!event->aligned || event->kind == EVENT_ALLOC);
    Reading reading = known ? read_fields(reader, event) : bad(reader, "an event of no known kind");
    if (reading != READ_EVENT)
        reader->at = start;
    else if (event->kind == EVENT_END)
        reading = READ_END;
    return reading;
}

// --- The program: events into operations. ------------------------------------------------------

typedef enum {
    OP_MALLOC,
    OP_CALLOC,
    OP_ALIGNED,
    OP_REALLOC,
    OP_FREE,
    OP_TRY // an allocation that cannot be true: it must fail
} OpKind;

// What the program did, to which block. Numbers of blocks are used again, the last one first, as
// an allocator does it, so that the table of the replay's pointers stays small.
typedef struct {
    uint64_t size, old; // bytes asked for, and those of the block before: what is live changes by
    uint32_t block;     // size - old, but for OP_TRY
    uint8_t kind, shift;
} Op;

// What is known about each Op and not needed for replaying it.
typedef struct {
    uint64_t time;
    uint32_t site; // of the block
} Moment;

typedef struct {
    uint64_t address, size;
    uint32_t site, heap;
    uint32_t before, behind; // live: blocks of the same heap. Free: behind is the next free one
    bool live;
} Block;

typedef struct {
    uint64_t id;
    Text name;
    uint32_t first; // of its blocks
} Heap;

typedef struct {
    Text file;     // empty: only code is known
    uint64_t line; // 0: only code is known
    uint64_t code;
    uint64_t allocations, live, peak; // allocations and resizes; bytes
} Site;

typedef struct {
    uint64_t start, end;
    Text path;
} Module;

typedef struct {
    Reader reader;
    Op *ops;
    Moment *moments;
    Block *blocks;
    Heap *heaps; // 0: the general calls
    Site *sites; // 0: not known
    Module *modules;
    size_t op_count, op_room, moment_room, block_count, block_room, heap_count, heap_room,
        site_count, site_room, module_count, module_room;
    uint32_t free_block; // first of the free ones; block_count: none
    uint32_t heap;       // that events are of
    Map block_at, heap_of, site_of, slots, threads;
    uint64_t time, live_bytes, live_blocks;
    uint64_t peak_bytes, peak_blocks, peak_time;
    size_t peak_op; // the first one after which that much is live
    uint64_t events[EVENT_KINDS];
    uint64_t unknown; // frees and resizes of blocks from before the trace
    uint64_t reused;  // blocks that were handed out again, with no free in between
    uint64_t tries;   // OP_TRY
    bool ended;       // by an END event
    size_t strange;   // bytes behind it that are no lines of modules
} Trace;

static const uint32_t no_block = UINT32_MAX;

static void add_op(Trace *trace, Op op, uint32_t site) {
    MAKE_ROOM(trace->ops, trace->op_count, trace->op_room);
    MAKE_ROOM(trace->moments, trace->op_count, trace->moment_room);
    trace->ops[trace->op_count] = op;
    trace->moments[trace->op_count] = (Moment){trace->time, site};
    if (op.kind != OP_TRY) trace->live_bytes += op.size - op.old;
    if (trace->live_bytes > trace->peak_bytes) {
        trace->peak_bytes = trace->live_bytes;
        trace->peak_blocks = trace->live_blocks;
        trace->peak_time = trace->time;
        trace->peak_op = trace->op_count;
    }
    trace->op_count++;
}

static void site_grows(Trace *trace, uint32_t site, uint64_t size) {
    Site *known = &trace->sites[site];
    known->allocations++;
    known->live += size;
    if (known->live > known->peak) known->peak = known->live;
}

static void link_block(Trace *trace, uint32_t number) {
    Block *block = &trace->blocks[number];
    uint32_t *first = &trace->heaps[block->heap].first;
    block->before = no_block;
    block->behind = *first;
    if (*first != no_block) trace->blocks[*first].before = number;
    *first = number;
}

static void unlink_block(Trace *trace, const Block *block) {
    if (block->before != no_block)
        trace->blocks[block->before].behind = block->behind;
    else
        trace->heaps[block->heap].first = block->behind;
    if (block->behind != no_block) trace->blocks[block->behind].before = block->before;
}

static uint32_t take_number(Trace *trace) {
    uint32_t number = trace->free_block;
    if (number < trace->block_count) {
        trace->free_block = trace->blocks[number].behind;
        return number;
    }
    MAKE_ROOM(trace->blocks, trace->block_count, trace->block_room);
    trace->free_block = (uint32_t)++trace->block_count;
    return number;
}

static void end_block(Trace *trace, uint32_t number) {
    Block *block = &trace->blocks[number];
    unlink_block(trace, block);
    map_remove(&trace->block_at, block->address);
    trace->live_blocks--;
    trace->sites[block->site].live -= block->size;
    add_op(trace, (Op){0, block->size, number, OP_FREE, 0}, block->site);
    block->live = false;
    block->behind = trace->free_block;
    trace->free_block = number;
}

// A thread's free may be told after another thread's allocation of the same memory, or not at all.
static void make_way(Trace *trace, uint64_t address) {
    uint32_t number;
    if (!map_get(&trace->block_at, address, &number)) return;
    trace->reused++;
    end_block(trace, number);
}

static bool is_possible(const Trace *trace, uint64_t size) {
    return size <= live_limit - trace->live_bytes;
}

static void add_try(Trace *trace, uint64_t size) {
    trace->tries++;
    add_op(trace, (Op){size, 0, 0, OP_TRY, 0}, NOWHERE);
}

static uint32_t site_in(const Trace *trace, uint64_t slot) {
    uint32_t site;
    return map_get(&trace->slots, slot, &site) ? site : NOWHERE;
}

static void begin_block(Trace *trace, const Event *event) {
    make_way(trace, event->address);
    if (!is_possible(trace, event->size)) {
        add_try(trace, event->size);
        return;
    }
    OpKind kind = event->aligned ? OP_ALIGNED : event->zeroed ? OP_CALLOC : OP_MALLOC;
    uint32_t number = take_number(trace);
    trace->blocks[number] = (Block){.address = event->address,
                                    .size = event->size,
                                    .site = site_in(trace, event->slot),
                                    .heap = trace->heap,
                                    .live = true};
    link_block(trace, number);
    map_put(&trace->block_at, event->address, number);
    trace->live_blocks++;
    site_grows(trace, trace->blocks[number].site, event->size);
    add_op(trace, (Op){event->size, 0, number, (uint8_t)kind, (uint8_t)event->shift},
           trace->blocks[number].site);
}

static void resize_block(Trace *trace, uint32_t number, const Event *event) {
    if (event->address != event->old) make_way(trace, event->address);
    Block *block = &trace->blocks[number];
    uint64_t old = block->size;
    trace->sites[block->site].live -= old;
    map_remove(&trace->block_at, block->address);
    block->address = event->address;
    block->size = event->size;
    if (site_in(trace, event->slot) != NOWHERE) block->site = site_in(trace, event->slot);
    map_put(&trace->block_at, block->address, number);
    site_grows(trace, block->site, block->size);
    add_op(trace, (Op){block->size, old, number, OP_REALLOC, 0}, block->site);
}

static void follow_resize(Trace *trace, const Event *event) {
    uint32_t number;
    if (!map_get(&trace->block_at, event->old, &number)) {
        trace->unknown++;
        begin_block(trace, event);
    } else if (!is_possible(trace, event->size)) {
        add_try(trace, event->size);
    } else {
        resize_block(trace, number, event);
    }
}

static void follow_free(Trace *trace, const Event *event) {
    uint32_t number;
    if (map_get(&trace->block_at, event->address, &number))
        end_block(trace, number);
    else
        trace->unknown++;
}

static void enter_heap(Trace *trace, const Event *event) {
    if (!map_get(&trace->heap_of, event->id, &trace->heap)) {
        MAKE_ROOM(trace->heaps, trace->heap_count, trace->heap_room);
        trace->heap = (uint32_t)trace->heap_count++;
        trace->heaps[trace->heap] = (Heap){event->id, {NULL, 0}, no_block};
        map_put(&trace->heap_of, event->id, trace->heap);
    }
    if (event->name.length > 0) trace->heaps[trace->heap].name = event->name;
}

static void clear_heap(Trace *trace, const Event *event) {
    (void)event;
    while (trace->heaps[trace->heap].first != no_block)
        end_block(trace, trace->heaps[trace->heap].first);
}

static bool same_text(Text a, Text b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.bytes, b.bytes, a.length) == 0);
}

static uint64_t site_hash(const Event *event) {
    uint64_t hash = event->line * UINT64_C(0x9E3779B97F4A7C15) + event->code;
    for (size_t i = 0; i < event->name.length; i++)
        hash = (hash ^ (uint8_t)event->name.bytes[i]) * UINT64_C(0x100000001B3);
    return hash;
}

static bool is_site(const Site *site, const Event *event) {
    return site->line == event->line && site->code == event->code &&
           same_text(site->file, event->name);
}

// A site that is defined again, in whatever slot, is the same one.
static void define_site(Trace *trace, const Event *event) {
    uint64_t key = site_hash(event);
    uint32_t site;
    while (map_get(&trace->site_of, key, &site) && !is_site(&trace->sites[site], event))
        key++;
    if (!map_get(&trace->site_of, key, &site)) {
        MAKE_ROOM(trace->sites, trace->site_count, trace->site_room);
        site = (uint32_t)trace->site_count++;
        trace->sites[site] = (Site){event->name, event->line, event->code, 0, 0, 0};
        map_put(&trace->site_of, key, site);
    }
    if (event->slot != 0) map_put(&trace->slots, event->slot, site);
}

static void enter_thread(Trace *trace, const Event *event) {
    map_put(&trace->threads, event->id, 0);
}

// An END, or an allocation that failed, is only counted.
static void follow_nothing(Trace *trace, const Event *event) { (void)trace, (void)event; }

static void (*const followers[EVENT_KINDS])(Trace *trace, const Event *event) = {
    follow_nothing, begin_block, follow_free, follow_resize, follow_nothing,
    enter_thread,   enter_heap,  define_site, clear_heap};

static void follow_event(Trace *trace, const Event *event) {
    trace->events[event->kind]++;
    trace->time = trace->reader.time;
    followers[event->kind](trace, event);
}

// "module <hex start> <hex end> <path>". Other lines mean nothing, but are counted.
static void read_module(Trace *trace, const char *line, const char *end) {
    static const char word[] = "module ";
    if ((size_t)(end - line) < sizeof word || memcmp(line, word, sizeof word - 1) != 0) {
        trace->strange += (size_t)(end - line);
        return;
    }
    char *at;
    uint64_t start = strtoull(line + sizeof word - 1, &at, 16);
    uint64_t stop = strtoull(at, &at, 16);
    if (at >= end || *at != ' ' || start >= stop) return;
    MAKE_ROOM(trace->modules, trace->module_count, trace->module_room);
    trace->modules[trace->module_count++] = (Module){start, stop, {at + 1, (size_t)(end - at) - 1}};
}

// A zero stands behind the bytes of the file.
static void read_modules(Trace *trace) {
    const char *line = (const char *)trace->reader.bytes + trace->reader.at;
    const char *all = (const char *)trace->reader.bytes + trace->reader.size;
    while (line < all) {
        const char *end = memchr(line, '\n', (size_t)(all - line));
        if (!end) end = all;
        read_module(trace, line, end);
        line = end + (end < all);
    }
}

// The whole file, and a zero behind it.
static uint8_t *read_file(const char *name, size_t *size) {
    struct stat about;
    int file = open(name, O_RDONLY);
    if (file < 0 || fstat(file, &about) != 0) fail("%s: cannot be opened", name);
    if (!S_ISREG(about.st_mode)) fail("%s: is not a file", name);
    if ((uint64_t)about.st_size > file_limit || (uint64_t)about.st_size >= SIZE_MAX)
        fail("%s: is larger than a trace may be", name);
    uint8_t *bytes = pages((size_t)about.st_size + 1);
    ssize_t part = 1;
    for (*size = 0; part > 0 && *size < (size_t)about.st_size; *size += (size_t)part) {
        part = read(file, bytes + *size, (size_t)about.st_size - *size);
        if (part < 0) fail("%s: cannot be read", name);
    }
    close(file);
    return bytes;
}

static void open_trace(Trace *trace, const char *name) {
    Event general = {.kind = EVENT_HEAP};
    Reader *reader = &trace->reader;
    memset(trace, 0, sizeof *trace);
    reader->bytes = read_file(name, &reader->size);
    reader->at = sizeof trace_magic - 1;
    if (reader->size == 0) fail("%s: is empty", name);
    if (reader->size < reader->at || memcmp(reader->bytes, trace_magic, reader->at) != 0)
        fail("%s: is not a trace of memmgr", name);
    enter_heap(trace, &general);
    MAKE_ROOM(trace->ops, 0, trace->op_room); // never NULL, also when nothing happens
    MAKE_ROOM(trace->sites, trace->site_count, trace->site_room);
    trace->site_count = 1;
}

// Reads all of a trace. What is wrong with it ends the program; where it is only cut short, what
// came before counts.
static void read_trace(Trace *trace, const char *name) {
    Event event;
    Reading reading;
    open_trace(trace, name);
    while ((reading = read_event(&trace->reader, &event)) == READ_EVENT)
        follow_event(trace, &event);
    if (reading == READ_BAD)
        fail("%s: at byte %zu: %s", name, trace->reader.at, trace->reader.problem);
    trace->ended = reading == READ_END;
    if (trace->ended) read_modules(trace);
}

// --- Sites: their names and ranks.
// ---------------------------------------------------------------------------

typedef struct {
    char text[SITE_NAME + 1];
} SiteName;

// The lowest address of the module that `code` is in: what its symbols count from.
static const Module *find_module(const Trace *trace, uint64_t code, uint64_t *base) {
    const Module *found = NULL;
    for (size_t i = 0; i < trace->module_count && !found; i++)
        if (code >= trace->modules[i].start && code < trace->modules[i].end)
            found = &trace->modules[i];
    if (!found) return NULL;
    *base = found->start;
    for (size_t i = 0; i < trace->module_count; i++)
        if (trace->modules[i].start < *base && same_text(trace->modules[i].path, found->path))
            *base = trace->modules[i].start;
    return found;
}

// Names are printed to terminals and into SVG, so nothing but plain ASCII is let through.
static void put_plain(char *to, Text name) {
    for (size_t i = 0; i < name.length; i++)
        to[i] = name.bytes[i] >= ' ' && name.bytes[i] <= '~' ? name.bytes[i] : '?';
    to[name.length] = '\0';
}

// Where it is too long the end is shown, which tells more than the beginning. `width` is at most
// SITE_NAME, and room for a number and some letters at least.
static SiteName site_name(const Trace *trace, uint32_t number, size_t width) {
    const Site *site = &trace->sites[number];
    SiteName name = {"(not known)"};
    char tail[32];
    uint64_t base = 0;
    Text text = site->file;
    if (number == NOWHERE) return name;
    if (site->line) {
        snprintf(tail, sizeof tail, ":%llu", (unsigned long long)site->line);
    } else {
        uint64_t call = site->code - (site->code != 0); // code is where a call returns to
        const Module *module = find_module(trace, call, &base);
        if (module) text = module->path;
        snprintf(tail, sizeof tail, "%s0x%llx", module ? "+" : "",
                 (unsigned long long)(call - base));
    }
    size_t room = width - strlen(tail), dots = text.length > room ? 3 : 0;
    if (dots) text = (Text){text.bytes + text.length - (room - dots), room - dots};
    memcpy(name.text, "...", dots);
    put_plain(name.text + dots, text);
    strcat(name.text, tail);
    return name;
}

typedef struct {
    uint32_t sites[TOP]; // the first first
    int count;
} Ranking;

static uint64_t site_peak(const Site *site) { return site->peak; }

static uint64_t site_allocations(const Site *site) { return site->allocations; }

static Ranking rank_sites(const Trace *trace, uint64_t (*value)(const Site *site)) {
    Ranking ranking = {.count = 0};
    for (uint32_t i = 0; i < trace->site_count; i++) {
        uint64_t own = value(&trace->sites[i]);
        int place = ranking.count;
        while (place > 0 && own > value(&trace->sites[ranking.sites[place - 1]]))
            place--;
        if (own == 0 || place == TOP) continue;
        if (ranking.count < TOP) ranking.count++;
        for (int j = ranking.count - 1; j > place; j--)
            ranking.sites[j] = ranking.sites[j - 1];
        ranking.sites[place] = i;
    }
    return ranking;
}

static bool sites_known(const Trace *trace) { return trace->site_count > 1; }

#endif
