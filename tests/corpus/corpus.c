// corpus.c: small faulty programs. Each has a twin that does the same without the fault. Of the
// program memmgr must report that fault and nothing else, with the lines of the calls concerned,
// and then work on; of the twin it must report nothing.
//
//     corpus              every program and every twin, each in a process of its own
//     corpus NAME         one program, in this process: status 0 when it was reported as expected
//     corpus NAME twin    its twin: status 0 when nothing was reported
//     corpus --list       every program: its name, what finds it with the switch on (see `finder`),
//                         its name without place and size, its place, its size
//
// The place is where the program's blocks come from, general calls or one of three pools; how they
// are made is a part of the name if it is not by malloc or memmgr_pool_alloc.
#include "../support.h"
#undef SMALL // the small configuration: here it is a size
#include "../threads.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef MEMMGR_DEBUG
enum { HAS_LINES = 1 }; // and everything is watched without being asked for
#else
enum { HAS_LINES = 0 };
#endif

// --- What there is -------------------------------------------------------------------------------

enum { GENERAL = 1, BUFFER = 2, LITTLE = 4, GROWING = 8, TWO = 3, POOLS = 14, ALL = 15 };
enum { ZERO = 1, SMALL = 2, MEDIUM = 4, LARGE = 8, NOT_ZERO = 14, ANY_SIZE = 15 };
enum {
    MALLOC = 1,
    CALLOC = 2,
    REALLOC = 4, // of NULL
    CHAIN = 8,   // several times a realloc
    ALIGNED_64 = 16,
    ALIGNED_4096 = 32,
    ANYHOW = 63
};

typedef struct {
    unsigned bit;
    const char *name;
    size_t size;
} choice;

static const choice places[] = {
    {GENERAL, "general", 0},
    {BUFFER, "buffer", (size_t)4 << 20}, // large enough to keep classes
    {LITTLE, "little", 32768},
    {GROWING, "growing", 65536},
};
static const choice sizes[] = {
    {ZERO, "zero", 0}, {SMALL, "small", 24}, {MEDIUM, "medium", 3000}, {LARGE, "large", 200000}};
static const choice makings[] = {
    {MALLOC, "", 0},      {CALLOC, "/calloc", 0},          {REALLOC, "/realloc", 0},
    {CHAIN, "/chain", 0}, {ALIGNED_64, "/aligned-64", 64}, {ALIGNED_4096, "/aligned-4096", 4096}};
enum { PLACES = 4, SIZES = 4, MAKINGS = 6 };

// Who finds it with the switch on: memmgr, in a call; ASan or Valgrind, at the access itself, and
// memmgr later; memmgr at the end.
typedef enum { BY_CALL, BY_ACCESS, BY_END } finder;

// The call that is the misuse, or that finds a change of bytes.
typedef enum {
    FREE_IT,
    RESIZE_IT,
    SHRINK_IT,
    MEASURE_IT,
    AUDIT_IT,
    FREE_NEXT,   // the block behind
    LATER_CALLS, // which push it out of the quarantine
    FULL_POOL,   // in which the quarantine has to give way
    END_OF_POOL
} step;

// Offsets that depend on the size.
enum { HALF = 1000000, LAST, END };

struct scene;

typedef struct {
    const char *name;
    void (*run)(const struct scene *s);
    finder found;
    step by;
    unsigned places, sizes, makings;
    unsigned flags;   // what is watched beside places, guards and fills
    ptrdiff_t offset; // in the block: of the pointer, or of the first byte that is changed
    size_t count;     // bytes that are changed
} program;

// One program in one place.
typedef struct scene {
    const program *what;
    const choice *place, *making;
    memmgr_pool *pool; // NULL: general calls
    size_t size;       // bytes of the block that it is all about
    bool faulty;       // false: it is the twin
} scene;

// --- Calls, and the lines they stand on ----------------------------------------------------------

#define ALLOC(s, bytes)                                                                            \
    ((char *)kept((s)->pool ? memmgr_pool_alloc((s)->pool, bytes) : memmgr_malloc(bytes)))
#define CALLOC(s, bytes)                                                                           \
    ((char *)kept((s)->pool ? memmgr_pool_calloc((s)->pool, 1, bytes) : memmgr_calloc(1, bytes)))
#define ALIGNED(s, to, bytes)                                                                      \
    ((char *)kept((s)->pool ? memmgr_pool_aligned_alloc((s)->pool, to, bytes)                      \
                            : memmgr_aligned_alloc(to, bytes)))
#define RESIZE(s, ptr, bytes)                                                                      \
    ((char *)kept((s)->pool ? memmgr_pool_realloc((s)->pool, ptr, bytes)                           \
                            : memmgr_realloc(ptr, bytes)))
#define FREE(s, ptr) ((s)->pool ? (void)memmgr_pool_free((s)->pool, ptr) : memmgr_free(ptr))
#define MEASURE(s, ptr)                                                                            \
    ((s)->pool ? memmgr_pool_usable_size((s)->pool, ptr) : memmgr_usable_size(ptr))

// The line of the block's allocation, of its free, and of the call that is reported.
static struct { int allocated, freed, fault; } at;

// Makes a call and remembers its line: HERE(freed, FREE(s, block)).
#define HERE(what, call) (at.what = __LINE__, (call))

// --- Reports -------------------------------------------------------------------------------------

enum { SEEN_MAX = 64, EXCUSED_MAX = 2, LEAKS_MAX = 17 };

static memmgr_report seen[SEEN_MAX];
static size_t seen_count;
static const void *excused[EXCUSED_MAX]; // blocks of which more may be reported; see excuse()
static memmgr_report leaks[LEAKS_MAX];   // what is left at the end, as it is to be reported
static size_t leak_count, left;          // of these reports; blocks
static bool broken, ended, leaks_at_exit, shows_all;
static bool stays_damaged; // something in quarantine that has been reported
static const char *running = "";

static void complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    printf("    %s: ", running);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    fflush(stdout);
    broken = true;
}

// What another block's overrun has gone over. A general block may be beyond recognition by then: it
// is as if it were none, and stays.
static struct {
    uintptr_t from, to;
    bool may_stay;
} victim;

static bool is_of_victim(const void *pointer) {
    return victim.from <= (uintptr_t)pointer && (uintptr_t)pointer < victim.to;
}

static bool is_excused(const memmgr_report *report) {
    bool damage = report->error == MEMMGR_OVERRUN || report->error == MEMMGR_USE_AFTER_FREE ||
                  report->error == MEMMGR_CORRUPT;
    if (is_of_victim(report->pointer) && (damage || victim.may_stay)) return true;
    for (size_t i = 0; i < EXCUSED_MAX; i++)
        if (damage && excused[i] && (report->pointer == excused[i] || report->block == excused[i]))
            return true;
    return false;
}

// Damage to this block has been reported: whether it is reported again, by the audit and by its own
// free, is not asked.
static void excuse(const void *block) {
    for (size_t i = 0; i < EXCUSED_MAX; i++) {
        if (excused[i]) continue;
        excused[i] = block;
        return;
    }
}

// The same for a block in quarantine: it stays as it was found.
static void excuse_freed(const void *block) {
    excuse(block);
    stays_damaged = true;
}

static void check_leaks_at_exit(void);

static void hear(const memmgr_report *report, void *ctx) {
    (void)ctx;
    if (is_excused(report) || (ended && !leaks_at_exit && left)) return;
    if (seen_count < SEEN_MAX) seen[seen_count] = *report;
    seen_count++;
    if (ended) check_leaks_at_exit();
}

static void show_report(const memmgr_report *report) {
    printf("    reported: %s of %p in block %p, offset %ld, %lu bytes, %lu blocks, pool %p\n",
           memmgr_error_name(report->error), report->pointer, report->block, (long)report->offset,
           (unsigned long)report->size, (unsigned long)report->count, (const void *)report->pool);
    printf("              line %d, allocated in line %d, freed in line %d\n", report->line,
           report->alloc_line, report->free_line);
}

static void show_seen(void) {
    for (size_t i = 0; i < seen_count && i < SEEN_MAX; i++)
        show_report(&seen[i]);
    fflush(stdout);
}

static bool is_here(const char *file) { return file && strcmp(file, __FILE__) == 0; }

// 0: not asked. Calls that tell no line tell the address of their code.
static void check_place(const char *what, int line, const char *file, int wanted,
                        const void *caller) {
    if (wanted == 0) return;
    if (HAS_LINES && line != wanted) complain("%s in line %d, not %d", what, wanted, line);
    if (HAS_LINES && !is_here(file)) complain("%s: in file %s", what, file ? file : "NULL");
    if (!HAS_LINES && !caller && !file) complain("%s: neither place nor code", what);
}

static void check_report(const memmgr_report *is, const memmgr_report *wanted) {
    bool addressed = is->pointer == wanted->pointer || wanted->error == MEMMGR_LEAK;
    if (is->error != wanted->error)
        complain("is %s, not %s", memmgr_error_name(is->error), memmgr_error_name(wanted->error));
    if (!addressed) complain("of %p, not %p", is->pointer, wanted->pointer);
    if (is->pool != wanted->pool) complain("of pool %p, not %p", is->pool, wanted->pool);
    if (wanted->block && is->block != wanted->block)
        complain("in block %p, not %p", is->block, wanted->block);
    if (is->offset != wanted->offset)
        complain("at offset %ld, not %ld", (long)is->offset, (long)wanted->offset);
    if (is->count != wanted->count)
        complain("%lu blocks, not %lu", (unsigned long)is->count, (unsigned long)wanted->count);
    if (wanted->size && SWITCH_ON && is->size != wanted->size)
        complain("%lu bytes, not %lu", (unsigned long)is->size, (unsigned long)wanted->size);
    check_place("the call", is->line, is->file, wanted->line, is->caller);
    check_place("allocated", is->alloc_line, is->alloc_file, wanted->alloc_line, is->alloc_caller);
    check_place("freed", is->free_line, is->free_file, wanted->free_line, is->free_caller);
}

// These, in this order, and nothing else has been reported since the last question.
static void check_seen(const memmgr_report *wanted, size_t count) {
    bool was_broken = broken;
    broken = false;
    if (seen_count != count)
        complain("%lu reports, not %lu", (unsigned long)seen_count, (unsigned long)count);
    for (size_t i = 0; i < count && i < seen_count && i < SEEN_MAX; i++)
        check_report(&seen[i], &wanted[i]);
    if (broken || shows_all) show_seen();
    broken |= was_broken;
    seen_count = 0;
}

static void check_silent(const char *when) {
    if (seen_count) complain("reported %s", when);
    check_seen(NULL, 0);
}

// --- What is expected ----------------------------------------------------------------------------

// A report of this pointer as this error: with the lines where they can be known.
static memmgr_report expected(const scene *s, memmgr_error error, const void *pointer) {
    memmgr_report wanted;
    memset(&wanted, 0, sizeof wanted);
    wanted.error = error;
    wanted.pointer = pointer;
    wanted.pool = s->pool;
    wanted.line = at.fault;
    if (error != MEMMGR_FOREIGN_POINTER) wanted.alloc_line = at.allocated;
    if (error == MEMMGR_DOUBLE_FREE || error == MEMMGR_USE_AFTER_FREE) wanted.free_line = at.freed;
    return wanted;
}

// Has the program's fault been reported, once, and nothing else? Of the twin: nothing at all. With
// the switch off it is for the sanitizer to say.
static void check_reported(const scene *s, const memmgr_report *wanted) {
    bool without_switch = wanted->error == MEMMGR_BAD_ARGUMENT;
    if (SWITCH_ON || without_switch) check_seen(wanted, s->faulty ? 1 : 0);
}

static void check_misuse(const scene *s, memmgr_error error, const void *pointer) {
    memmgr_report wanted = expected(s, error, pointer);
    check_reported(s, &wanted);
}

static void check_damage(const scene *s, memmgr_error error, const void *block, ptrdiff_t offset) {
    memmgr_report wanted = expected(s, error, block);
    wanted.offset = offset;
    check_reported(s, &wanted);
}

// `count` blocks of `bytes` in all will be left, made in `line`: to be called for the largest
// first.
static void expect_leak(const scene *s, int line, size_t count, size_t bytes) {
    memmgr_report *leak = &leaks[leak_count++];
    if (!s->faulty) return;
    memset(leak, 0, sizeof *leak);
    leak->error = MEMMGR_LEAK;
    leak->pool = s->pool;
    leak->alloc_line = line;
    leak->count = count;
    leak->size = bytes;
    left += count;
}

static void check_leaks(const scene *s, const char *when, size_t count) {
    if (!SWITCH_ON && !s->pool) return;
    if (victim.may_stay && count == left + 1) count--;
    if (count != left)
        complain("%s: %lu leaks, not %lu", when, (unsigned long)count, (unsigned long)left);
    check_seen(leaks, left ? leak_count : 0);
}

// The last things that are heard: exit() would go on with the status that the process has had.
static void check_leaks_at_exit(void) {
    if (seen_count < leak_count && leaks_at_exit) return;
    check_seen(leaks, leaks_at_exit ? leak_count : 0);
    fflush(stdout);
    _exit(broken ? 1 : 0);
}

// --- What the programs do ------------------------------------------------------------------------

static ptrdiff_t offset_of(const scene *s, ptrdiff_t offset) {
    if (offset == HALF) return (ptrdiff_t)s->size / 2;
    if (offset == LAST) return (ptrdiff_t)s->size - 1;
    return offset >= END ? (ptrdiff_t)s->size + offset - END : offset;
}

// A block, made as the program is to make it, and written to.
static char *make(const scene *s) {
    size_t size = opaque(s->size);
    char *block = NULL;
    switch (s->making->bit) {
    case CALLOC:
        block = HERE(allocated, CALLOC(s, size));
        if (block && !bytes_are(block, size, 0)) complain("not zero");
        break;
    case REALLOC:
        block = HERE(allocated, RESIZE(s, NULL, size));
        break;
    case CHAIN: // a realloc is an allocation: the last one counts
        block = HERE(allocated, ALLOC(s, size / 4 + 1));
        block = HERE(allocated, RESIZE(s, block, size / 2 + 1));
        block = HERE(allocated, RESIZE(s, block, size * 2));
        block = HERE(allocated, RESIZE(s, block, size));
        break;
    case ALIGNED_64:
    case ALIGNED_4096:
        block = HERE(allocated, ALIGNED(s, s->making->size, size));
        break;
    default:
        block = HERE(allocated, ALLOC(s, size));
    }
    if (!block) complain("no block");
    if (block) memset(block, 0x5A, size);
    return block;
}

// The call that is the fault.
static void misuse(const scene *s, char *pointer) {
    size_t size = s->size * 2 + 100;
    if (s->what->by == FREE_IT) HERE(fault, FREE(s, pointer));
    if (s->what->by == RESIZE_IT && HERE(fault, RESIZE(s, pointer, size)))
        complain("a misuse got a block");
    if (s->what->by == MEASURE_IT && HERE(fault, MEASURE(s, pointer)))
        complain("a misuse got a size");
}

static memmgr_error audit(const scene *s) {
    return s->pool ? memmgr_pool_check(s->pool) : memmgr_check();
}

// Of a program it must return an error, of a twin MEMMGR_OK.
static void find_by_audit(const scene *s) {
    bool found = audit(s) != MEMMGR_OK;
    if (SWITCH_ON && found != s->faulty) complain("the audit %s", found ? "fails" : "is content");
}

// Writes `count` bytes, as a loop does that runs too far.
static void scribble(char *block, ptrdiff_t offset, size_t count) {
    volatile char *bytes = (volatile char *)pointer_plus(block, offset);
    for (size_t i = 0; i < count; i++)
        bytes[i] = 'B';
}

// Frees the block, or resizes it, or audits: what is to find the damage that was done to it.
static void find_damage(const scene *s, char *block, memmgr_error error, ptrdiff_t offset) {
    size_t size = s->what->by == SHRINK_IT ? s->size / 2 + 1 : s->size * 2 + 100;
    char *resized = block;
    at.fault = 0;
    if (s->what->by == AUDIT_IT) find_by_audit(s);
    if (s->what->by == RESIZE_IT || s->what->by == SHRINK_IT)
        resized = HERE(fault, RESIZE(s, block, size));
    if (s->what->by == FREE_IT) HERE(fault, FREE(s, block));
    check_damage(s, error, block, offset);
    if (s->what->by == AUDIT_IT) excuse(block);
    if (s->what->by != FREE_IT) FREE(s, resized);
}

// --- The programs: freed twice -------------------------------------------------------------------

static void freed_twice(const scene *s) {
    char *block = make(s);
    HERE(freed, FREE(s, block));
    if (s->faulty) misuse(s, block);
    check_misuse(s, MEMMGR_DOUBLE_FREE, block);
}

// Both neighbours are free by then, too.
static void freed_twice_among_free(const scene *s) {
    char *before = ALLOC(s, s->size), *block = make(s), *behind = ALLOC(s, s->size);
    FREE(s, before);
    HERE(freed, FREE(s, block));
    FREE(s, behind);
    if (s->faulty) misuse(s, block);
    check_misuse(s, MEMMGR_DOUBLE_FREE, block);
}

// Each is reported, and none does harm.
static void freed_many_times(const scene *s) {
    char *block = make(s);
    HERE(freed, FREE(s, block));
    for (int i = 0; i < 5; i++) {
        if (s->faulty) misuse(s, block);
        check_misuse(s, MEMMGR_DOUBLE_FREE, block);
    }
}

// By the pointer from before a realloc that has moved the block. Where there is room it grows where
// it lies, which is an allocation, too.
static char *move(const scene *s, char *block, size_t *size) {
    char *fence = ALLOC(s, s->size), *moved = block;
    *size = s->size;
    for (int i = 0; i < 4 && moved == block; i++) {
        if (i > 0) at.allocated = at.freed;
        *size = *size * 2 + 100;
        moved = HERE(freed, RESIZE(s, block, *size));
    }
    if (moved == block || !moved) complain("it has not moved");
    FREE(s, fence);
    return moved;
}

static void freed_by_old_pointer(const scene *s) {
    size_t size;
    char *block = make(s), *moved = move(s, block, &size);
    if (s->faulty) misuse(s, block);
    check_misuse(s, MEMMGR_DOUBLE_FREE, block);
    FREE(s, moved);
}

static void freed_twice_after_realloc(const scene *s) {
    size_t size;
    char *moved = move(s, make(s), &size);
    at.allocated = at.freed; // by the realloc
    HERE(freed, FREE(s, moved));
    if (s->faulty) misuse(s, moved);
    check_misuse(s, MEMMGR_DOUBLE_FREE, moved);
}

// Without the quarantine the memory would be somebody else's by then.
static void freed_twice_reissued(const scene *s) {
    char *block = make(s);
    HERE(freed, FREE(s, block));
    char *other = ALLOC(s, s->size);
    if (s->faulty && SWITCH_ON && other == block) complain("the quarantine did not keep it");
    if (s->faulty) misuse(s, block);
    check_misuse(s, MEMMGR_DOUBLE_FREE, block);
    FREE(s, other);
}

static void freed_after_reset(const scene *s) {
    char *block = make(s);
    memmgr_pool_reset(s->pool);
    at.allocated = 0;
    if (s->faulty) misuse(s, block);
    check_misuse(s, MEMMGR_DOUBLE_FREE, block);
}

// --- Not the start of a block --------------------------------------------------------------------

static void interior(const scene *s) {
    char *block = make(s);
    char *inside = (char *)pointer_plus(block, offset_of(s, s->what->offset));
    memmgr_report wanted;
    if (s->faulty) misuse(s, inside);
    wanted = expected(s, MEMMGR_INTERIOR_POINTER, inside);
    wanted.block = block;
    wanted.size = s->size;
    check_reported(s, &wanted);
    FREE(s, block);
}

// The pointer was moved on before it was freed.
static void walked_along(const scene *s) {
    char *block = make(s), *end = block;
    while (*end == 0x5A && end < block + s->size / 2)
        end++;
    if (s->faulty) misuse(s, end);
    check_misuse(s, MEMMGR_INTERIOR_POINTER, end);
    FREE(s, block);
}

// --- Not this memory manager's -------------------------------------------------------------------

static char static_bytes[256];

static void foreign(const scene *s, char *pointer) {
    char *block = make(s);
    if (s->faulty) misuse(s, pointer);
    check_misuse(s, MEMMGR_FOREIGN_POINTER, pointer);
    FREE(s, block);
}

static void foreign_on_stack(const scene *s) {
    char local[256];
    memset(local, 0x5A, sizeof local);
    foreign(s, (char *)pointer_plus(local, 64));
}

static void foreign_static(const scene *s) {
    memset(static_bytes, 0x5A, sizeof static_bytes);
    foreign(s, (char *)pointer_plus(static_bytes, 64));
}

static void foreign_of_libc(const scene *s) {
    char *block = (char *)kept(malloc(300));
    foreign(s, block);
    free(block);
}

static void foreign_code(const scene *s) {
    foreign(s, (char *)pointer_plus((const void *)(uintptr_t)foreign_code, 0));
}

static void foreign_number(const scene *s) { foreign(s, (char *)pointer_plus(NULL, 48)); }

static void foreign_pool_itself(const scene *s) { foreign(s, (char *)(void *)s->pool); }

// --- A block given to the wrong calls ------------------------------------------------------------

static char other_bytes[(size_t)1 << 20];

// A scene beside this one.
static scene other_pool(const scene *s, void *buffer, size_t size) {
    scene other = *s;
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, MEMMGR_POOL_TRACK | MEMMGR_POOL_GUARD);
    other.pool = memmgr_pool_init(buffer, size, &desc);
    if (!other.pool) complain("no pool");
    return other;
}

static void destroy_other(const scene *other) {
    if (memmgr_pool_destroy(other->pool)) complain("a leak");
}

static void mixed_pools(const scene *s) {
    scene other = other_pool(s, other_bytes, sizeof other_bytes);
    char *block = make(s), *others = make(&other);
    if (s->faulty) misuse(s, others);
    check_misuse(s, MEMMGR_FOREIGN_POINTER, others);
    FREE(&other, others);
    FREE(s, block);
    destroy_other(&other);
}

static void general_to_pool(const scene *s) {
    scene general = *s;
    general.pool = NULL;
    char *block = make(s), *others = make(&general);
    if (s->faulty) misuse(s, others);
    check_misuse(s, MEMMGR_FOREIGN_POINTER, others);
    FREE(&general, others);
    FREE(s, block);
}

static void pool_to_general(const scene *s) {
    scene general = *s;
    general.pool = NULL;
    char *block = make(s), *others = make(&general);
    if (s->faulty) misuse(&general, block);
    check_misuse(&general, MEMMGR_FOREIGN_POINTER, block);
    FREE(&general, others);
    FREE(s, block);
}

// The pool's buffer is itself a block of the heap that gets the pointer.
static void inner_pool_to_outer(const scene *s) {
    char *buffer = HERE(allocated, ALLOC(s, 16384));
    int buffer_line = at.allocated;
    scene inner = other_pool(s, buffer, 16384);
    char *block = make(&inner);
    memmgr_report wanted;
    if (s->faulty) misuse(s, block);
    wanted = expected(s, MEMMGR_INTERIOR_POINTER, block);
    wanted.block = buffer;
    wanted.alloc_line = buffer_line;
    check_reported(s, &wanted);
    FREE(&inner, block);
    destroy_other(&inner);
    FREE(s, buffer);
}

// A pool that has been destroyed, in a buffer that is still there.
static void pool_is_gone(const scene *s) {
    scene other = other_pool(s, other_bytes, sizeof other_bytes);
    char *block = make(&other);
    FREE(&other, block);
    destroy_other(&other);
    if (s->faulty) misuse(&other, block);
    memmgr_report wanted = expected(&other, MEMMGR_BAD_ARGUMENT, other.pool);
    wanted.pool = NULL;
    wanted.alloc_line = 0;
    check_reported(s, &wanted);
}

// --- Written beside a block ----------------------------------------------------------------------

static void written_beside(const scene *s) {
    char *block = make(s);
    ptrdiff_t offset = offset_of(s, s->what->offset);
    if (s->faulty) scribble(block, offset, s->what->count);
    find_damage(s, block, MEMMGR_OVERRUN, offset);
}

// The loop goes on to the record and the bytes of the block behind: the first one is to blame. What
// is then said of the other is not asked, but a pool can free it.
static void written_over_neighbour(const scene *s) {
    enum { ROW = 8 };
    char *row[ROW];
    size_t first = 0, second = 0, distance = SIZE_MAX;
    for (size_t i = 0; i < ROW; i++)
        row[i] = make(s);
    for (size_t i = 0; i < ROW * ROW; i++) {
        uintptr_t low = (uintptr_t)row[i / ROW], high = (uintptr_t)row[i % ROW];
        if (low >= high || high - low >= distance) continue;
        distance = high - low, first = i / ROW, second = i % ROW;
    }
    victim.from = (uintptr_t)row[first] + s->size;
    victim.to = (uintptr_t)row[second] + s->size;
    victim.may_stay = !s->pool && s->faulty;
    if (s->faulty) scribble(row[first], (ptrdiff_t)s->size, distance - s->size + s->size / 2 + 1);
    if (s->what->by == FREE_NEXT) {
        HERE(fault, FREE(s, row[second]));
        check_damage(s, MEMMGR_OVERRUN, row[first], (ptrdiff_t)s->size);
        excuse(row[first]);
        FREE(s, row[first]);
    } else {
        find_damage(s, row[first], MEMMGR_OVERRUN, (ptrdiff_t)s->size);
        FREE(s, row[second]);
    }
    for (size_t i = 0; i < ROW; i++)
        if (i != first && i != second) FREE(s, row[i]);
}

// --- Written to after its free -------------------------------------------------------------------

// Blocks come and go until something is reported, or for so long that nothing stays in quarantine.
static void use_quarantine_up(const scene *s) {
    enum { LONG = 512 };
    size_t rounds = ((size_t)256 << 20) / (s->size + LONG);
    if (rounds > 100000) rounds = 100000;
    for (size_t i = 0; i < rounds && seen_count == 0; i++) {
        char *block = ALLOC(s, s->size);
        FREE(s, block);
        if (!s->faulty && i == rounds / 100) return;
    }
}

// All at once: nothing is given up while the quarantine has room to give.
static void fill_pool(const scene *s) {
    enum { MANY = 4096 };
    static char *blocks[MANY];
    size_t count = 0;
    while (count < MANY && (blocks[count] = ALLOC(s, s->size)) != NULL)
        count++;
    while (count)
        FREE(s, blocks[--count]);
}

static void written_after_free(const scene *s) {
    char *block = make(s);
    ptrdiff_t offset = offset_of(s, s->what->offset);
    HERE(freed, FREE(s, block));
    if (s->faulty) scribble(block, offset, s->what->count);
    if (s->what->by == AUDIT_IT) find_by_audit(s);
    if (s->what->by == LATER_CALLS) use_quarantine_up(s);
    if (s->what->by == FULL_POOL) fill_pool(s);
    if (s->what->by == END_OF_POOL) memmgr_pool_reset(s->pool);
    check_damage(s, MEMMGR_USE_AFTER_FREE, block, offset);
    if (s->what->by == AUDIT_IT) excuse_freed(block);
}

// By a pointer from before the realloc.
static void written_after_realloc(const scene *s) {
    size_t size;
    char *block = make(s), *moved = move(s, block, &size);
    ptrdiff_t offset = offset_of(s, s->what->offset);
    if (s->faulty) scribble(block, offset, s->what->count);
    find_by_audit(s);
    check_damage(s, MEMMGR_USE_AFTER_FREE, block, offset);
    excuse_freed(block);
    FREE(s, moved);
}

// --- Never freed ---------------------------------------------------------------------------------

static void forget(const scene *s, char *block) {
    if (!s->faulty) FREE(s, block);
}

static void leak_one(const scene *s) {
    forget(s, make(s));
    expect_leak(s, at.allocated, 1, s->size);
}

// Three places, of which the last leaves the most, and the first the least.
static void leak_three_sites(const scene *s) {
    struct {
        int allocated;
    } site[3];
    forget(s, HERE(allocated, ALLOC(s, s->size)));
    site[0].allocated = at.allocated;
    for (int i = 0; i < 2; i++)
        forget(s, HERE(allocated, ALLOC(s, s->size)));
    site[1].allocated = at.allocated;
    for (int i = 0; i < 3; i++)
        forget(s, HERE(allocated, ALLOC(s, s->size)));
    site[2].allocated = at.allocated;
    for (size_t i = 3; i > 0; i--)
        expect_leak(s, site[i - 1].allocated, i, i * s->size);
}

// 20 places: of 16 it is told which they are.
static void leak_many_sites(const scene *s) {
    for (int line = 1; line <= 20; line++) {
        size_t size = (size_t)line * 16;
        forget(s, (char *)kept(s->pool ? memmgr_pool_alloc_at(s->pool, size, __FILE__, line)
                                       : memmgr_malloc_at(size, __FILE__, line)));
    }
    for (int line = 20; line > 4; line--)
        expect_leak(s, line, 1, (size_t)line * 16);
    expect_leak(s, 0, 4, (1 + 2 + 3 + 4) * 16);
}

// The moved block is what is left.
static void leak_after_realloc(const scene *s) {
    size_t size;
    char *moved = move(s, make(s), &size);
    forget(s, moved);
    expect_leak(s, at.freed, 1, size);
}

// The pointer is overwritten by a second allocation; the first block is lost.
static void leak_by_overwriting(const scene *s) {
    char *block = make(s);
    int line = at.allocated;
    forget(s, block);
    block = ALLOC(s, s->size);
    FREE(s, block);
    expect_leak(s, line, 1, s->size);
}

// --- In another thread ---------------------------------------------------------------------------

typedef struct errand {
    const scene *s;
    char *block;
    void (*work)(struct errand *own);
} errand;

static void *errand_run(void *ctx) {
    errand *own = (errand *)ctx;
    own->work(own);
    return NULL;
}

// In a thread that has ended when this returns.
static void elsewhere(errand *own, void (*work)(errand *own)) {
    pthread_t thread;
    own->work = work;
    if (pthread_create(&thread, NULL, errand_run, own) != 0)
        complain("no thread");
    else
        pthread_join(thread, NULL);
}

static void make_there(errand *own) { own->block = make(own->s); }
static void free_there(errand *own) { HERE(freed, FREE(own->s, own->block)); }
static void misuse_there(errand *own) { misuse(own->s, own->block); }

static void misuse_inside_there(errand *own) {
    misuse(own->s, (char *)pointer_plus(own->block, own->s->what->offset));
}

static void scribble_there(errand *own) {
    const scene *s = own->s;
    scribble(own->block, offset_of(s, s->what->offset), s->what->count);
}

static void find_damage_there(errand *own) {
    ptrdiff_t offset = offset_of(own->s, own->s->what->offset);
    find_damage(own->s, own->block, MEMMGR_OVERRUN, offset);
}

static errand errand_for(const scene *s) {
    errand own;
    own.s = s;
    own.block = NULL;
    return own;
}

static void thread_frees_again(const scene *s) {
    errand own = errand_for(s);
    own.block = make(s);
    HERE(freed, FREE(s, own.block));
    if (s->faulty) elsewhere(&own, misuse_there);
    check_misuse(s, MEMMGR_DOUBLE_FREE, own.block);
}

static void thread_has_freed(const scene *s) {
    errand own = errand_for(s);
    own.block = make(s);
    elsewhere(&own, free_there);
    if (s->faulty) misuse(s, own.block);
    check_misuse(s, MEMMGR_DOUBLE_FREE, own.block);
}

// Its maker has ended, and neither of the two that free it has made it.
static void threads_free_of_third(const scene *s) {
    errand own = errand_for(s);
    elsewhere(&own, make_there);
    elsewhere(&own, free_there);
    if (s->faulty) elsewhere(&own, misuse_there);
    check_misuse(s, MEMMGR_DOUBLE_FREE, own.block);
}

static void thread_frees_inside(const scene *s) {
    errand own = errand_for(s);
    char *block = own.block = make(s);
    if (s->faulty) elsewhere(&own, misuse_inside_there);
    check_misuse(s, MEMMGR_INTERIOR_POINTER, pointer_plus(block, s->what->offset));
    FREE(s, block);
}

static void thread_finds_overrun(const scene *s) {
    errand own = errand_for(s);
    own.block = make(s);
    if (s->faulty) scribble_there(&own);
    elsewhere(&own, find_damage_there);
}

static void thread_overruns(const scene *s) {
    errand own = errand_for(s);
    own.block = make(s);
    if (s->faulty) elsewhere(&own, scribble_there);
    find_damage_there(&own);
}

static void thread_writes_after_free(const scene *s) {
    errand own = errand_for(s);
    own.block = make(s);
    HERE(freed, FREE(s, own.block));
    if (s->faulty) elsewhere(&own, scribble_there);
    find_by_audit(s);
    check_damage(s, MEMMGR_USE_AFTER_FREE, own.block, offset_of(s, s->what->offset));
    excuse_freed(own.block);
}

// Freed by a thread that has ended, and so has its quarantine.
static void written_after_thread(const scene *s) {
    errand own = errand_for(s);
    elsewhere(&own, make_there);
    elsewhere(&own, free_there);
    if (s->faulty) scribble_there(&own);
    find_by_audit(s);
    check_damage(s, MEMMGR_USE_AFTER_FREE, own.block, offset_of(s, s->what->offset));
    excuse_freed(own.block);
}

static void thread_leaks(const scene *s) {
    errand own = errand_for(s);
    elsewhere(&own, make_there);
    forget(s, own.block);
    expect_leak(s, at.allocated, 1, s->size);
}

// --- The table -----------------------------------------------------------------------------------

enum { KEEP = MEMMGR_POOL_QUARANTINE };

// Blocks by malloc: a misuse by the call; bytes changed beside a block, or in one that was freed;
// blocks that are lost.
#define MISUSE(name, run, by, places, sizes) MISUSE_AT(name, run, by, places, sizes, 0)
#define MISUSE_AT(name, run, by, places, sizes, offset)                                            \
    { name, run, BY_CALL, by, places, sizes, MALLOC, 0, offset, 0 }
#define DAMAGE(name, run, by, places, sizes, offset, count)                                        \
    { name, run, BY_ACCESS, by, places, sizes, MALLOC, 0, offset, count }
#define LATE(name, run, by, places, sizes, offset, count)                                          \
    { name, run, BY_ACCESS, by, places, sizes, MALLOC, KEEP, offset, count }
#define LOSS(name, run, by, places, sizes)                                                         \
    { name, run, BY_END, by, places, sizes, MALLOC, 0, 0, 0 }

// clang-format off
static const program programs[] = {
    {"double-free", freed_twice, BY_CALL, FREE_IT, ALL, ANY_SIZE, ANYHOW, 0, 0, 0},
    MISUSE("realloc-of-freed", freed_twice, RESIZE_IT, ALL, ANY_SIZE),
    MISUSE("usable-size-of-freed", freed_twice, MEASURE_IT, ALL, ANY_SIZE),
    MISUSE("double-free-among-free", freed_twice_among_free, FREE_IT, ALL, NOT_ZERO),
    MISUSE("double-free-five-times", freed_many_times, FREE_IT, ALL, SMALL | MEDIUM),
    {"free-of-old-pointer", freed_by_old_pointer, BY_CALL, FREE_IT, ALL,
     NOT_ZERO, MALLOC | ALIGNED_64, 0, 0, 0},
    MISUSE("realloc-of-old-pointer", freed_by_old_pointer, RESIZE_IT, ALL, NOT_ZERO),
    MISUSE("double-free-after-realloc", freed_twice_after_realloc, FREE_IT, ALL, NOT_ZERO),
    {"double-free-in-quarantine", freed_twice, BY_CALL, FREE_IT, ALL, ANY_SIZE, ANYHOW, KEEP, 0, 0},
    {"realloc-in-quarantine", freed_twice, BY_CALL, RESIZE_IT, ALL, NOT_ZERO, MALLOC, KEEP, 0, 0},
    {"double-free-reissued", freed_twice_reissued, BY_CALL, FREE_IT, ALL,
     ANY_SIZE, MALLOC, KEEP, 0, 0},
    MISUSE("free-after-reset", freed_after_reset, FREE_IT, BUFFER | LITTLE, NOT_ZERO),

    {"interior-1", interior, BY_CALL, FREE_IT, ALL, NOT_ZERO, ANYHOW, 0, 1, 0},
    MISUSE_AT("interior-8", interior, FREE_IT, ALL, NOT_ZERO, 8),
    {"interior-16", interior, BY_CALL, FREE_IT, ALL, NOT_ZERO, ANYHOW, 0, 16, 0},
    MISUSE_AT("interior-half", interior, FREE_IT, ALL, NOT_ZERO, HALF),
    MISUSE_AT("interior-last", interior, FREE_IT, ALL, NOT_ZERO, LAST),
    MISUSE_AT("interior-end", interior, FREE_IT, ALL, NOT_ZERO, END),
    MISUSE_AT("interior-before", interior, FREE_IT, ALL, NOT_ZERO, -16),
    MISUSE_AT("interior-raw", interior, FREE_IT, ALL, NOT_ZERO, -64),
    {"interior-raw-4096", interior, BY_CALL, FREE_IT, ALL, SMALL, ALIGNED_4096, 0, -4096, 0},
    MISUSE_AT("realloc-interior", interior, RESIZE_IT, ALL, NOT_ZERO, 8),
    MISUSE_AT("usable-size-interior", interior, MEASURE_IT, ALL, NOT_ZERO, 16),
    MISUSE("interior-walked-along", walked_along, FREE_IT, ALL, NOT_ZERO),

    MISUSE("foreign-stack", foreign_on_stack, FREE_IT, ALL, SMALL),
    MISUSE("foreign-static", foreign_static, FREE_IT, ALL, SMALL),
    MISUSE("foreign-libc", foreign_of_libc, FREE_IT, ALL, SMALL),
    MISUSE("foreign-code", foreign_code, FREE_IT, ALL, SMALL),
    MISUSE("foreign-number", foreign_number, FREE_IT, ALL, SMALL),
    MISUSE("foreign-pool-itself", foreign_pool_itself, FREE_IT, POOLS, SMALL),
    MISUSE("realloc-foreign-stack", foreign_on_stack, RESIZE_IT, ALL, SMALL),
    MISUSE("realloc-foreign-libc", foreign_of_libc, RESIZE_IT, ALL, SMALL),
    MISUSE("usable-size-foreign-static", foreign_static, MEASURE_IT, ALL, SMALL),

    MISUSE("mismatch-pools", mixed_pools, FREE_IT, POOLS, NOT_ZERO),
    MISUSE("mismatch-pools-realloc", mixed_pools, RESIZE_IT, POOLS, NOT_ZERO),
    MISUSE("mismatch-general-to-pool", general_to_pool, FREE_IT, POOLS, NOT_ZERO),
    MISUSE("mismatch-general-to-pool-realloc", general_to_pool, RESIZE_IT, POOLS, NOT_ZERO),
    MISUSE("mismatch-pool-to-general", pool_to_general, FREE_IT, POOLS, NOT_ZERO),
    MISUSE("mismatch-pool-to-general-realloc", pool_to_general, RESIZE_IT, POOLS, NOT_ZERO),
    MISUSE("mismatch-inner-pool", inner_pool_to_outer, FREE_IT, ALL, SMALL | MEDIUM),
    MISUSE("pool-is-gone", pool_is_gone, FREE_IT, BUFFER, SMALL),

    {"overrun-1", written_beside, BY_ACCESS, FREE_IT, ALL, ANY_SIZE, ANYHOW, 0, END, 1},
    {"overrun-1-realloc", written_beside, BY_ACCESS, RESIZE_IT, ALL,
     ANY_SIZE, MALLOC | ALIGNED_64, 0, END, 1},
    DAMAGE("overrun-1-shrink", written_beside, SHRINK_IT, ALL, NOT_ZERO, END, 1),
    {"overrun-1-audit", written_beside, BY_ACCESS, AUDIT_IT, ALL,
     ANY_SIZE, MALLOC | ALIGNED_4096, 0, END, 1},
    {"overrun-16", written_beside, BY_ACCESS, FREE_IT, ALL,
     ANY_SIZE, MALLOC | ALIGNED_64, 0, END, 16},
    DAMAGE("overrun-16-realloc", written_beside, RESIZE_IT, ALL, NOT_ZERO, END, 16),
    DAMAGE("overrun-16-audit", written_beside, AUDIT_IT, ALL, NOT_ZERO, END, 16),
    DAMAGE("overrun-the-16th", written_beside, FREE_IT, ALL, NOT_ZERO, END + 15, 1),
    DAMAGE("overrun-many", written_over_neighbour, FREE_IT, ALL, SMALL | LARGE, 0, 0),
    DAMAGE("overrun-many-next", written_over_neighbour, FREE_NEXT, POOLS, SMALL | LARGE, 0, 0),
    DAMAGE("overrun-many-audit", written_over_neighbour, AUDIT_IT, ALL, SMALL | LARGE, 0, 0),

    {"underrun-1", written_beside, BY_ACCESS, FREE_IT, ALL, ANY_SIZE, ANYHOW, 0, -1, 1},
    DAMAGE("underrun-8", written_beside, FREE_IT, ALL, NOT_ZERO, -8, 8),
    DAMAGE("underrun-16", written_beside, FREE_IT, ALL, NOT_ZERO, -16, 16),
    DAMAGE("underrun-1-realloc", written_beside, RESIZE_IT, ALL, NOT_ZERO, -1, 1),
    DAMAGE("underrun-8-audit", written_beside, AUDIT_IT, ALL, NOT_ZERO, -8, 8),
    DAMAGE("underrun-16-audit", written_beside, AUDIT_IT, ALL, NOT_ZERO, -16, 16),
    {"underrun-far", written_beside, BY_ACCESS, FREE_IT, ALL, SMALL, ALIGNED_4096, 0, -1000, 1},

    {"write-after-free-first", written_after_free, BY_ACCESS, AUDIT_IT, ALL,
     NOT_ZERO, ANYHOW, KEEP, 0, 1},
    LATE("write-after-free-middle", written_after_free, AUDIT_IT, ALL, NOT_ZERO, HALF, 2),
    LATE("write-after-free-last", written_after_free, AUDIT_IT, ALL, NOT_ZERO, LAST, 1),
    LATE("write-after-free-first-later", written_after_free, LATER_CALLS, ALL, NOT_ZERO, 0, 1),
    LATE("write-after-free-middle-later", written_after_free, LATER_CALLS, ALL, NOT_ZERO, HALF, 4),
    LATE("write-after-free-last-later", written_after_free, LATER_CALLS, ALL, NOT_ZERO, LAST, 1),
    LATE("write-after-free-pool-full", written_after_free, FULL_POOL, LITTLE, SMALL | MEDIUM, 0, 1),
    LATE("write-after-free-reset", written_after_free, END_OF_POOL, BUFFER, NOT_ZERO, HALF, 1),
    LATE("write-after-realloc", written_after_realloc, AUDIT_IT, ALL, NOT_ZERO, 0, 1),

    {"leak", leak_one, BY_END, AUDIT_IT, ALL, ANY_SIZE, ANYHOW, 0, 0, 0},
    LOSS("leak-at-end", leak_one, END_OF_POOL, ALL, ANY_SIZE),
    LOSS("leak-three-sites", leak_three_sites, AUDIT_IT, ALL, NOT_ZERO),
    LOSS("leak-three-sites-at-end", leak_three_sites, END_OF_POOL, ALL, NOT_ZERO),
    LOSS("leak-twenty-sites", leak_many_sites, AUDIT_IT, ALL, SMALL),
    LOSS("leak-after-realloc", leak_after_realloc, AUDIT_IT, ALL, NOT_ZERO),
    LOSS("leak-overwritten", leak_by_overwriting, AUDIT_IT, ALL, NOT_ZERO),
    {"leak-in-quarantine", leak_by_overwriting, BY_END, AUDIT_IT, ALL,
     NOT_ZERO, MALLOC, KEEP, 0, 0},

    MISUSE("thread-double-free", thread_frees_again, FREE_IT, TWO, NOT_ZERO),
    MISUSE("thread-realloc-of-freed", thread_frees_again, RESIZE_IT, TWO, NOT_ZERO),
    MISUSE("thread-has-freed", thread_has_freed, FREE_IT, TWO, NOT_ZERO),
    MISUSE("thread-double-free-of-third", threads_free_of_third, FREE_IT, TWO, NOT_ZERO),
    {"thread-double-free-in-quarantine", threads_free_of_third, BY_CALL, FREE_IT, TWO,
     NOT_ZERO, MALLOC, KEEP, 0, 0},
    MISUSE_AT("thread-interior", thread_frees_inside, FREE_IT, TWO, NOT_ZERO, 16),
    DAMAGE("thread-finds-overrun", thread_finds_overrun, FREE_IT, TWO, NOT_ZERO, END, 1),
    DAMAGE("thread-finds-underrun", thread_finds_overrun, RESIZE_IT, TWO, NOT_ZERO, -1, 1),
    DAMAGE("thread-overruns", thread_overruns, FREE_IT, TWO, NOT_ZERO, END, 16),
    LATE("thread-writes-after-free", thread_writes_after_free, AUDIT_IT, TWO, NOT_ZERO, 0, 1),
    LATE("thread-freed-written-after", written_after_thread, AUDIT_IT, TWO, NOT_ZERO, LAST, 1),
    LOSS("thread-leak", thread_leaks, AUDIT_IT, TWO, NOT_ZERO),
};
// clang-format on
enum { PROGRAMS = sizeof programs / sizeof programs[0] };

// --- A program's beginning and end ---------------------------------------------------------------

enum { ANCHORS = 40, ANCHOR_SIZE = 65536 };

static char pool_bytes[(size_t)4 << 20];
static char *anchors[ANCHORS];
static memmgr_stats before;

// What the general calls and the pools are told to watch. MEMMGR_DEBUG is to do without being told,
// but for the quarantine.
static unsigned watched(const scene *s) {
    unsigned flags = MEMMGR_POOL_TRACK | MEMMGR_POOL_GUARD | MEMMGR_POOL_FILL | s->what->flags;
    return HAS_LINES && !s->what->flags ? 0 : flags;
}

// Blocks in every segment, so that none of them goes back to the system with what was freed in it.
static void drop_anchors(const scene *s) {
    for (size_t i = 0; i < ANCHORS; i++)
        anchors[i] = ALLOC(s, ANCHOR_SIZE);
}

static void weigh_anchors(const scene *s) {
    for (size_t i = 0; i < ANCHORS; i++)
        FREE(s, anchors[i]);
}

static void open_scene(scene *s) {
    memmgr_pool_desc desc = desc_of(MEMMGR_FIT_GOOD, watched(s));
    memmgr_set_error_handler(hear, NULL);
    if (watched(s)) memmgr_watch(watched(s));
    if (s->place->bit == GROWING) {
        desc.flags |= MEMMGR_POOL_GROW;
        s->pool = memmgr_pool_create(s->place->size, &desc);
    } else if (s->place->bit != GENERAL) {
        s->pool = memmgr_pool_init(pool_bytes, s->place->size, &desc);
    }
    if (s->place->bit != GENERAL && !s->pool) complain("no pool");
    if (s->place->bit == GROWING && s->pool) drop_anchors(s);
    if (s->pool)
        memmgr_pool_stats(s->pool, &before);
    else
        memmgr_stats_get(&before);
    check_silent("at the beginning");
}

// It works as if nothing had been wrong.
static void go_on(const scene *s) {
    enum { BLOCKS = 12 };
    static const size_t some[] = {24, 1, 700, 100, 0, 3000, 48, 333, 16, 1000, 24, 64};
    char *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = ALLOC(s, opaque(some[i]));
        if (!blocks[i]) complain("no room afterwards");
        if (blocks[i]) pattern_fill(blocks[i], some[i], i);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        if (blocks[i] && !pattern_holds(blocks[i], some[i], i)) complain("bytes are lost");
        if (blocks[i] && MEASURE(s, blocks[i]) < some[i]) complain("a size is too small");
        if (i % 2) blocks[i] = RESIZE(s, blocks[i], some[i] + 50);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        FREE(s, blocks[i]);
}

static void check_live(const scene *s) {
    memmgr_stats now;
    if (!SWITCH_ON && !s->pool) return;
    if (s->pool)
        memmgr_pool_stats(s->pool, &now);
    else
        memmgr_stats_get(&now);
    if (victim.may_stay && now.live_blocks == before.live_blocks + left + 1) return;
    if (now.live_blocks != before.live_blocks + left)
        complain("%lu blocks are live, not %lu", (unsigned long)now.live_blocks,
                 (unsigned long)(before.live_blocks + left));
}

static void close_scene(const scene *s) {
    go_on(s);
    bool content = audit(s) == MEMMGR_OK;
    if (!content && !(s->faulty && (stays_damaged || victim.may_stay)))
        complain("the audit at the end fails");
    check_silent("at the end");
    check_live(s);
    if (s->pool && s->place->bit == GROWING) weigh_anchors(s);
    if (s->what->by != END_OF_POOL || s->what->found != BY_END || !s->faulty) {
        size_t count = s->pool ? memmgr_pool_leaks(s->pool) : memmgr_leaks();
        check_leaks(s, "on demand", count);
    } else if (!s->pool) {
        leaks_at_exit = SWITCH_ON == 1 && HAS_LINES == 1;
    }
    if (s->pool) check_leaks(s, "at the end of the pool", memmgr_pool_destroy(s->pool));
}

// The status of the process; the last that may be heard is heard in exit().
static int run(scene *s) {
    open_scene(s);
    if (broken) return 1;
    s->what->run(s);
    close_scene(s);
    ended = true;
    fflush(stdout);
    return broken || leaks_at_exit;
}

// --- All of them ---------------------------------------------------------------------------------

enum { NAME_SIZE = 128 };
enum { PROCESS_SECONDS = 60 }; // until one that is stuck is ended

typedef struct {
    scene s;
    char name[NAME_SIZE];
    const char *size;
} test;

static size_t test_count_all(void) { return (size_t)PROGRAMS * PLACES * SIZES * MAKINGS; }

// The test of a number; false when there is none with it.
static bool test_number(size_t number, test *one) {
    const program *what = &programs[number / (PLACES * SIZES * MAKINGS)];
    const choice *place = &places[number / (SIZES * MAKINGS) % PLACES];
    const choice *size = &sizes[number / MAKINGS % SIZES];
    const choice *making = &makings[number % MAKINGS];
    if (!(what->places & place->bit) || !(what->sizes & size->bit)) return false;
    if (!(what->makings & making->bit)) return false;
    if (place->bit == LITTLE && size->bit == LARGE) return false; // it has no room for them
    if (making->bit != MALLOC && size->bit != SMALL) return false;
    if (making->bit == ALIGNED_4096 && place->bit == LITTLE) return false;
    if (what->run == written_over_neighbour && place->bit == LITTLE && size->bit != SMALL)
        return false;
    // A growing pool's quarantine is as large as what the pool began with allows.
    if (what->flags && place->bit == GROWING && size->bit == LARGE) return false;
    // Only MEMMGR_DEBUG reports general leaks at exit; elsewhere a sanitizer may.
    bool at_exit = what->found == BY_END && what->by == END_OF_POOL && place->bit == GENERAL;
    if (at_exit && SWITCH_ON && !HAS_LINES) return false;
    memset(one, 0, sizeof *one);
    one->s.what = what;
    one->s.place = place;
    one->s.making = making;
    one->s.size = size->size;
    one->size = size->name;
    snprintf(one->name, sizeof one->name, "%s/%s/%s%s", what->name, place->name, size->name,
             making->name);
    return true;
}

static const char *finder_name(finder found) {
    return found == BY_CALL ? "call" : found == BY_ACCESS ? "access" : "end";
}

static void list(void) {
    test one;
    for (size_t i = 0; i < test_count_all(); i++) {
        if (!test_number(i, &one)) continue;
        const program *what = one.s.what;
        printf("%s %s %s %s %s\n", one.name, finder_name(what->found), what->name,
               one.s.place->name, one.size);
    }
}

static int run_named(const char *name, bool twin) {
    test one;
    for (size_t i = 0; i < test_count_all(); i++) {
        if (!test_number(i, &one) || strcmp(one.name, name) != 0) continue;
        one.s.faulty = !twin;
        running = name;
        shows_all = true;
        alarm(PROCESS_SECONDS);
        return run(&one.s);
    }
    fprintf(stderr, "%s: there is no such program\n", name);
    return 2;
}

static bool run_in_child(test *one, bool faulty) {
    int status = 1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(PROCESS_SECONDS);
        one->s.faulty = faulty;
        running = one->name;
        exit(run(&one->s));
    }
    if (child > 0) (void)waitpid(child, &status, 0);
    if (child > 0 && status == 0) return true;
    printf("  %s%s: FAILED", one->name, faulty ? "" : " twin");
    printf(WIFSIGNALED(status) ? " by signal %d\n" : "\n", WTERMSIG(status));
    return false;
}

static int run_all(void) {
    size_t passed = 0, failed = 0;
    test one;
    for (size_t i = 0; i < test_count_all(); i++) {
        if (!test_number(i, &one)) continue;
        for (int twin = 0; twin < 2; twin++) {
            if (run_in_child(&one, !twin))
                passed++;
            else
                failed++;
        }
    }
    printf("%lu passed, %lu failed\n", (unsigned long)passed, (unsigned long)failed);
    return failed ? 1 : 0;
}

int main(int argc, char **argv) {
    if (argc < 2) return run_all();
    if (strcmp(argv[1], "--list") != 0) return run_named(argv[1], argc > 2);
    list();
    return 0;
}
