// preload.c: memmgr for programs that know nothing of it. `make preload` builds it as
// build/libmemmgr.so:
//
//     LD_PRELOAD=build/libmemmgr.so program
//     LD_PRELOAD=build/libmemmgr.so MEMMGR_OPTIONS=track,guard,leaks program
//
// MEMMGR_OPTIONS is a list, with commas between them, of
//
// clang-format off
//     help               lists the options
//     stats              statistics of the heap at exit, on stderr
//     leaks              blocks that are live at exit; with `track` by where they were allocated
//     abort              a misuse ends the program
//     fill               fresh blocks are filled with 0xCC, freed ones with 0xDD
//     track              each block knows where it was allocated and freed
//     guard              bytes before and behind each block are watched; at exit, too
//     quarantine         freed blocks are kept a while, to see who writes to them; at exit, too
//     inject=N           the N-th allocation fails
//     inject=1/N[:SEED]  one allocation in N fails, at random
//     trace=FILE         records allocations and frees, for examples/trace/replay.c
//     draw=FILE          a picture of the heap at exit: SVG, or text if FILE does not end in .svg
//     json=FILE          the statistics at exit as JSON
// clang-format on
//
// %p in a FILE becomes the process's number. Places in a program are told as module+offset, with
// options and without, which `addr2line -f -e module offset` makes a line of.
#define _GNU_SOURCE // dladdr, dl_iterate_phdr
#include <malloc.h>

#define USE_MEMORY_MGR
#define MEMMGR_IMPLEMENTATION
#define MEMMGR_OVERRIDE
#include "../../memmgr.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

typedef char file_name[4096]; // "" for none

static struct {
    bool help, stats, leaks, abort;
    unsigned watch; // MEMMGR_POOL_...
    memmgr_faults faults;
    file_name draw, json, trace;
} options;

// --- reports

// A line in the making, in a buffer of fixed size: a report must not allocate.
typedef struct {
    char text[1024];
    size_t length;
} line;

static void add(line *to, const char *format, ...) {
    va_list arguments;
    size_t room = sizeof to->text - to->length;
    va_start(arguments, format);
    int length = vsnprintf(to->text + to->length, room, format, arguments);
    va_end(arguments);
    if (length > 0) to->length += (size_t)length < room ? (size_t)length : room - 1;
}

// The program, as it was at the start: what the loader knows it by is its argv[0], which programs
// write over.
static struct {
    const void *base;
    file_name path;
} program;

static void find_program(void) {
    Dl_info module;
    ssize_t length = readlink("/proc/self/exe", program.path, sizeof program.path - 1);
    program.path[length > 0 ? length : 0] = '\0';
    if (dladdr((const void *)getauxval(AT_ENTRY), &module)) program.base = module.dli_fbase;
}

static const char *name_of(const Dl_info *module) {
    bool own = program.path[0] && module->dli_fbase == program.base;
    const char *path = own ? program.path : module->dli_fname;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// Code as module+offset. The return address of a call is one behind it.
static void add_place(line *to, const char *words, const void *code) {
    Dl_info module;
    if (!code) return;
    const char *at = (const char *)code - 1;
    if (!dladdr(at, &module) || !module.dli_fname) {
        add(to, "%s%p", words, code);
        return;
    }
    add(to, "%s%s+0x%zx", words, name_of(&module), (size_t)(at - (const char *)module.dli_fbase));
    if (module.dli_sname) add(to, " (%s)", module.dli_sname);
}

static void report(const memmgr_report *found, void *ctx) {
    line out = {"", 0};
    (void)ctx;
    add(&out, "memmgr: %s", memmgr_error_name(found->error));
    add_place(&out, " at ", found->caller);
    if (found->pointer) add(&out, ": %p", found->pointer);
    add(&out, ": %s", memmgr_error_text(found->error));
    if (found->count > 1) add(&out, ", %zu blocks", found->count);
    if (found->size) add(&out, ", %zu bytes", found->size);
    if (found->error == MEMMGR_OVERRUN || found->error == MEMMGR_USE_AFTER_FREE)
        add(&out, ", first at byte %td", found->offset);
    add_place(&out, ", allocated at ", found->alloc_caller);
    add_place(&out, ", freed at ", found->free_caller);
    add(&out, ", in process %ld\n", (long)getpid());
    out.text[out.length - 1] = '\n'; // also of a line that was too long
    ssize_t written = write(2, out.text, out.length);
    (void)written; // stderr may be closed: the end is the same
    if (options.abort && found->error != MEMMGR_LEAK) abort();
}

// --- options

static bool take_file(file_name name, const char *value) {
    size_t length = strlen(value);
    if (length == 0 || length >= sizeof(file_name)) return false;
    memcpy(name, value, length + 1);
    return true;
}

// The name with the process's number for %p: at the time of use, for a fork's child has another.
static const char *file_of(const file_name name) {
    static file_name whole;
    size_t length = 0;
    for (const char *at = name; *at && length + 32 < sizeof whole; at++)
        if (at[0] == '%' && at[1] == 'p') {
            length += (size_t)snprintf(whole + length, 32, "%ld", (long)getpid());
            at++;
        } else {
            whole[length++] = *at;
        }
    whole[length] = '\0';
    return whole;
}

static bool take_number(const char **at, uint64_t *number) {
    char *end;
    if (**at < '0' || **at > '9') return false;
    *number = strtoumax(*at, &end, 10);
    *at = end;
    return true;
}

// N, or 1/N, or 1/N:SEED.
static bool take_faults(const char *value) {
    uint64_t number, one_in = 0, seed = 0;
    if (!take_number(&value, &number)) return false;
    if (*value == '/') {
        value++;
        if (number != 1 || !take_number(&value, &one_in) || one_in == 0) return false;
        if (*value == ':' && (value++, !take_number(&value, &seed))) return false;
    }
    options.faults.nth = one_in ? 0 : (size_t)number;
    options.faults.one_in = (size_t)one_in;
    options.faults.seed = seed;
    return *value == '\0' && (one_in != 0 || number != 0);
}

static const struct {
    const char *word;
    bool *set;      // of those without a value
    unsigned watch; // or what is to be watched
    char *file;     // of those with a FILE
    const char *what;
} known[] = {
    {"help", &options.help, 0, NULL, "this list"},
    {"stats", &options.stats, 0, NULL, "statistics at exit"},
    {"leaks", &options.leaks, 0, NULL, "blocks that are live at exit"},
    {"abort", &options.abort, 0, NULL, "a misuse ends the program"},
    {"fill", NULL, MEMMGR_POOL_FILL, NULL, "fills fresh blocks with 0xCC, freed ones with 0xDD"},
    {"track", NULL, MEMMGR_POOL_TRACK, NULL, "where blocks were allocated and freed"},
    {"guard", NULL, MEMMGR_POOL_GUARD, NULL, "watches the bytes beside each block"},
    {"quarantine", NULL, MEMMGR_POOL_QUARANTINE, NULL, "finds writes to freed blocks"},
    {"inject", NULL, 0, NULL, "=N the N-th allocation fails; =1/N[:SEED] one in N does"},
    {"trace", NULL, 0, options.trace, "=FILE records allocations and frees"},
    {"draw", NULL, 0, options.draw, "=FILE a picture of the heap at exit, SVG if it ends in .svg"},
    {"json", NULL, 0, options.json, "=FILE the statistics at exit as JSON"},
};

enum { KNOWN = sizeof known / sizeof known[0] };

// What is wrong with it; NULL: nothing.
static const char *take_option(const char *option) {
    size_t length = strcspn(option, "="), i = 0;
    const char *value = option[length] ? option + length + 1 : NULL;
    while (i < KNOWN &&
           (strlen(known[i].word) != length || memcmp(option, known[i].word, length) != 0))
        i++;
    if (i == KNOWN) return ": no such option";
    if (known[i].file) {
        if (!value || !*value) return " wants =FILE";
        return take_file(known[i].file, value) ? NULL : ": the name is too long";
    }
    if (!known[i].set && !known[i].watch) {
        if (!value) return " wants =N or =1/N[:SEED]";
        return take_faults(value) ? NULL : ": bad value, wants =N or =1/N[:SEED]";
    }
    if (value) return " takes no value";
    if (known[i].set) *known[i].set = true;
    options.watch |= known[i].watch;
    return NULL;
}

static void take_options(const char *list) {
    char option[sizeof(file_name) + 16];
    for (size_t length; *list; list += length + (list[length] == ',')) {
        list += strspn(list, " \t\n");
        size_t end = length = strcspn(list, ",");
        while (end > 0 && strchr(" \t\n", list[end - 1]))
            end--;
        snprintf(option, sizeof option, "%.*s", (int)end, list);
        const char *wrong = end != 0 ? take_option(option) : NULL;
        if (wrong) fprintf(stderr, "memmgr: MEMMGR_OPTIONS: %s%s\n", option, wrong);
    }
    if (!options.help) return;
    fputs("memmgr: MEMMGR_OPTIONS is a list of these, with commas between them:\n", stderr);
    for (size_t i = 0; i < KNOWN; i++)
        fprintf(stderr, "memmgr:     %-12s%s\n", known[i].word, known[i].what);
}

static void tell_error(const char *name) {
    fprintf(stderr, "memmgr: %s: %s\n", name, strerror(errno));
}

// --- the trace

static struct {
    int file;
    dev_t device; // of the file: a program may close its descriptor, and open another as the same
    ino_t inode;
    size_t length;
    char bytes[65536];
} trace;

static bool trace_is_ours(void) {
    struct stat now;
    return fstat(trace.file, &now) == 0 && now.st_dev == trace.device && now.st_ino == trace.inode;
}

static void trace_flush(void) {
    int error = errno;
    bool ours = trace_is_ours();
    for (size_t done = 0; ours && done < trace.length;) {
        ssize_t written = write(trace.file, trace.bytes + done, trace.length - done);
        if (written <= 0) break;
        done += (size_t)written;
    }
    trace.length = 0;
    errno = error;
}

static void trace_write(const char *text, size_t length, void *ctx) {
    (void)ctx;
    if (length > sizeof trace.bytes - trace.length) trace_flush();
    memcpy(trace.bytes + trace.length, text, length);
    trace.length += length;
}

// The file gets a high descriptor, out of the way of those that shells and servers give out.
static void trace_start(void) {
    struct stat opened;
    const char *name = file_of(options.trace);
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0 || fstat(file, &opened) != 0) {
        tell_error(name);
        return;
    }
    trace.file = fcntl(file, F_DUPFD_CLOEXEC, 900);
    if (trace.file < 0)
        trace.file = file;
    else
        close(file);
    trace.device = opened.st_dev;
    trace.inode = opened.st_ino;
    memmgr_trace_start(trace_write, NULL);
}

// Where each module lies, so that code's addresses can be told from another process.
static int trace_module(struct dl_phdr_info *module, size_t size, void *ctx) {
    char text[sizeof(file_name) + 64];
    uintptr_t start = UINTPTR_MAX, end = 0;
    (void)size, (void)ctx;
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &module->dlpi_phdr[i];
        uintptr_t at = (uintptr_t)(module->dlpi_addr + part->p_vaddr);
        if (part->p_type != PT_LOAD) continue;
        if (at < start) start = at;
        if (at + part->p_memsz > end) end = (uintptr_t)(at + part->p_memsz);
    }
    const char *name = module->dlpi_name;
    if (!name || !*name) name = program.path;
    int length =
        snprintf(text, sizeof text, "module %" PRIxPTR " %" PRIxPTR " %s\n", start, end, name);
    if (length > 0 && *name && start < end) trace_write(text, (size_t)length, NULL);
    return 0;
}

static void trace_end(void) {
    memmgr_trace_stop();
    dl_iterate_phdr(trace_module, NULL);
    trace_flush();
    if (trace_is_ours()) close(trace.file);
}

// --- new and delete of C++

// The standard library's are calls of malloc and free, so that all blocks of a C++ program would be
// told as that library's. These know who called them. They go on to the next definition when there
// is no memory, for its exception; and always if the program, or one of its libraries, has
// operators of its own.

#ifdef __LP64__
#define SIZE_CODE "m" // size_t, in the names that the linker knows
#else
#define SIZE_CODE "j"
#endif

typedef void (*function)(void);

enum { NOT_KNOWN, OURS, THEIRS };
static char operators;

static bool is_standard(const char *path) {
    return path && (strstr(path, "libstdc++") || strstr(path, "libc++"));
}

static int find_standard(struct dl_phdr_info *module, size_t size, void *ctx) {
    (void)size, (void)ctx;
    return is_standard(module->dlpi_name);
}

// The first definition is this library's, unless the program has one; the next one the standard
// library's, unless another library has one. A name that is not found would cost a block.
static bool operators_are_ours(void) {
    static const char *const names[] = {
        "_Znw" SIZE_CODE,
        "_Zna" SIZE_CODE,
        "_ZdlPv",
        "_ZdaPv",
        "_ZdlPv" SIZE_CODE,
        "_ZdaPv" SIZE_CODE,
        "_Znw" SIZE_CODE "RKSt9nothrow_t",
        "_Zna" SIZE_CODE "RKSt9nothrow_t",
        "_Znw" SIZE_CODE "St11align_val_t",
        "_Zna" SIZE_CODE "St11align_val_t",
        "_ZdlPvSt11align_val_t",
        "_ZdaPvSt11align_val_t",
    };
    Dl_info own, first, next;
    bool has_standard = dl_iterate_phdr(find_standard, NULL) != 0;
    if (!dladdr(&operators, &own)) return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!dladdr(dlsym(RTLD_DEFAULT, names[i]), &first) || first.dli_fbase != own.dli_fbase)
            return false;
        if (has_standard && i < 4 &&
            (!dladdr(dlsym(RTLD_NEXT, names[i]), &next) || !is_standard(next.dli_fname)))
            return false;
    }
    return true;
}

static bool decide(void) {
    char who = operators_are_ours() ? OURS : THEIRS;
    __atomic_store_n(&operators, who, __ATOMIC_RELAXED);
    return who == OURS;
}

static inline bool are_known_ours(void) {
    return __atomic_load_n(&operators, __ATOMIC_RELAXED) == OURS;
}

static bool are_ours(void) {
    char who = __atomic_load_n(&operators, __ATOMIC_RELAXED);
    return who == OURS || (who == NOT_KNOWN && decide());
}

// The next definition; where C++ came into a C program with dlopen, what the caller's module knows.
static function next_of(function *known_next, const char *name, const void *caller) {
    Dl_info module;
    function found = __atomic_load_n(known_next, __ATOMIC_RELAXED);
    if (found) return found;
    void *next = dlsym(RTLD_NEXT, name);
    memcpy(&found, &next, sizeof next);
    if (next) __atomic_store_n(known_next, found, __ATOMIC_RELAXED);
    if (next || !dladdr(caller, &module)) return found;
    void *handle = dlopen(module.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (!handle) return NULL;
    next = dlsym(handle, name);
    memcpy(&found, &next, sizeof next);
    dlclose(handle);
    return found;
}

// The ways that most of them go: to be known to need no stack.
static inline bool allocate_short(size_t alignment, size_t size, void **block) {
    return alignment == 1 && are_known_ours() && mmi_heap_alloc_short(mmi_heap_short, size, block);
}

static inline bool release_short(void *ptr) {
    return are_known_ours() && mmi_heap_free_short(mmi_heap_short, ptr);
}

// Alignment 1: that of every block.
static void *allocate(size_t alignment, size_t size, const void *caller) {
    mmi_caller site = mmi_caller_of(NULL, 0, caller);
    if (alignment == 1) return mmi_public_heap_alloc(size, site);
    if (alignment == 0 || (alignment & (alignment - 1)) != 0) return NULL;
    return mmi_public_heap_aligned(alignment, size, site);
}

static function new_handler(const void *caller) {
    static function known_next;
    function get = next_of(&known_next, "_ZSt15get_new_handlerv", caller);
    return get ? ((function(*)(void))get)() : NULL;
}

// As the standard says: the handler is called until there is memory, or it gives up.
__attribute__((noinline)) static void *ask_handler(size_t alignment, size_t size,
                                                   const void *caller) {
    function handler;
    while ((handler = new_handler(caller))) {
        handler();
        void *block = allocate(alignment, size, caller);
        if (block) return block;
    }
    return NULL;
}

static void *no_operator(void) {
    fprintf(stderr, "memmgr: %ld: operator new: no memory, and nobody to throw\n", (long)getpid());
    abort();
}

// When all has been in vain the next one is asked for more than there can be: it throws.
#define NEW(name, symbol, alignment, parameters, arguments)                                        \
    EXPORT void *name parameters __asm__(symbol);                                                  \
    void *name parameters {                                                                        \
        static function known_next;                                                                \
        void *block;                                                                               \
        if (allocate_short(alignment, size, &block)) return block;                                 \
        const void *caller = __builtin_return_address(0);                                          \
        if (are_ours()) {                                                                          \
            block = allocate(alignment, size, caller);                                             \
            if (block || (block = ask_handler(alignment, size, caller))) return block;             \
            size = PTRDIFF_MAX;                                                                    \
        }                                                                                          \
        void *(*next)parameters = (void *(*)parameters)next_of(&known_next, symbol, caller);       \
        return next ? next arguments : no_operator();                                              \
    }

// A handler may throw, which the next one knows to catch.
#define NEW_OR_NULL(name, symbol, alignment, parameters, arguments)                                \
    EXPORT void *name parameters __asm__(symbol);                                                  \
    void *name parameters {                                                                        \
        static function known_next;                                                                \
        void *block;                                                                               \
        if (allocate_short(alignment, size, &block)) return block;                                 \
        const void *caller = __builtin_return_address(0);                                          \
        if (are_ours()) {                                                                          \
            block = allocate(alignment, size, caller);                                             \
            if (block || !new_handler(caller)) return block;                                       \
        }                                                                                          \
        void *(*next)parameters = (void *(*)parameters)next_of(&known_next, symbol, caller);       \
        return next ? next arguments : NULL;                                                       \
    }

#define DELETE(name, symbol, parameters, arguments)                                                \
    EXPORT void name parameters __asm__(symbol);                                                   \
    void name parameters {                                                                         \
        static function known_next;                                                                \
        if (release_short(ptr)) return;                                                            \
        const void *caller = __builtin_return_address(0);                                          \
        void(*next) parameters = NULL;                                                             \
        if (!are_ours()) next = (void(*) parameters)next_of(&known_next, symbol, caller);          \
        if (next)                                                                                  \
            next arguments;                                                                        \
        else                                                                                       \
            mmi_public_heap_free(ptr, mmi_caller_of(NULL, 0, caller));                             \
    }

// clang-format off
#define OPERATORS(array, new_code, delete_code)                                                    \
    NEW(new_##array, new_code SIZE_CODE, 1, (size_t size), (size))                                 \
    NEW_OR_NULL(new_##array##_or_null, new_code SIZE_CODE "RKSt9nothrow_t", 1,                     \
        (size_t size, const void *nothrow), (size, nothrow))                                       \
    NEW(new_##array##_aligned, new_code SIZE_CODE "St11align_val_t", alignment,                    \
        (size_t size, size_t alignment), (size, alignment))                                        \
    NEW_OR_NULL(new_##array##_aligned_or_null,                                                     \
        new_code SIZE_CODE "St11align_val_tRKSt9nothrow_t", alignment,                             \
        (size_t size, size_t alignment, const void *nothrow), (size, alignment, nothrow))          \
    DELETE(delete_##array, delete_code "Pv", (void *ptr), (ptr))                                   \
    DELETE(delete_##array##_sized, delete_code "Pv" SIZE_CODE,                                     \
        (void *ptr, size_t size), (ptr, size))                                                     \
    DELETE(delete_##array##_nothrow, delete_code "PvRKSt9nothrow_t",                               \
        (void *ptr, const void *nothrow), (ptr, nothrow))                                          \
    DELETE(delete_##array##_aligned, delete_code "PvSt11align_val_t",                              \
        (void *ptr, size_t alignment), (ptr, alignment))                                           \
    DELETE(delete_##array##_sized_aligned, delete_code "Pv" SIZE_CODE "St11align_val_t",           \
        (void *ptr, size_t size, size_t alignment), (ptr, size, alignment))                        \
    DELETE(delete_##array##_aligned_nothrow, delete_code "PvSt11align_val_tRKSt9nothrow_t",        \
        (void *ptr, size_t alignment, const void *nothrow), (ptr, alignment, nothrow))

OPERATORS(one, "_Znw", "_Zdl")
OPERATORS(array, "_Zna", "_Zda")
// clang-format on

// --- what malloc's other relations tell

EXPORT int malloc_trim(size_t keep) {
    (void)keep; // of a heap's top, which there is none of
    return memmgr_trim() != 0;
}

EXPORT void malloc_stats(void) { memmgr_print(stderr); }

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
EXPORT struct mallinfo2 mallinfo2(void) {
    struct mallinfo2 info;
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    memset(&info, 0, sizeof info);
    info.arena = stats.capacity;
    info.uordblks = stats.used;
    info.fordblks = stats.free;
    info.usmblks = stats.peak_used;
    return info;
}
#endif

// --- the beginning and the end

static pid_t process; // a fork's child has the options, but not the trace

static bool was_one_of_many; // at a fork: what other threads began stays undone in the child

// 0: not known.
static size_t threads(void) {
    struct stat tasks; // a directory for each of them, and its own two names
    return stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 2 ? tasks.st_nlink - 2 : 0;
}

static void before_fork(void) { was_one_of_many |= threads() != 1; }

__attribute__((constructor)) static void start(void) {
    const char *list = getenv("MEMMGR_OPTIONS");
    process = getpid();
    find_program();
    memmgr_set_error_handler(report, NULL);
    (void)are_ours(); // now, as dlsym would take a message of dlerror's from the program later
    if (list) take_options(list);
    if (options.watch) memmgr_watch(options.watch);
    if (options.watch) (void)pthread_atfork(before_fork, NULL, NULL);
    if (options.faults.nth || options.faults.one_in) memmgr_set_faults(&options.faults);
    if (options.trace[0]) trace_start();
}

static void write_to_file(const char *text, size_t length, void *ctx) {
    fwrite(text, 1, length, (FILE *)ctx);
}

// An open file, whose buffer is there before the heap is looked at. NULL: it cannot be opened.
static FILE *open_for_writing(const char *name) {
    static char buffer[4096];
    FILE *file = fopen(name, "w");
    if (file)
        setvbuf(file, buffer, _IOFBF, sizeof buffer);
    else
        tell_error(name);
    return file;
}

static void draw(void) {
    size_t length = strlen(options.draw);
    bool svg = length > 4 && strcmp(options.draw + length - 4, ".svg") == 0;
    FILE *file = open_for_writing(file_of(options.draw));
    if (!file) return;
    memmgr_draw(svg ? MEMMGR_PICTURE_SVG : MEMMGR_PICTURE_TEXT, write_to_file, file);
    fclose(file);
}

static void json(void) {
    FILE *file = open_for_writing(file_of(options.json));
    if (!file) return;
    memmgr_json(write_to_file, file);
    fclose(file);
}

// Overruns of blocks that are never freed, writes to blocks that never left quarantine.
static void audit(void) {
    if (!(options.watch & (MEMMGR_POOL_GUARD | MEMMGR_POOL_QUARANTINE))) return;
    if (threads() == 1 && (process == getpid() || !was_one_of_many))
        (void)memmgr_check();
    else
        fprintf(stderr, "memmgr: %ld: no audit at exit: there are threads, or were at the fork\n",
                (long)getpid());
}

__attribute__((destructor)) static void at_exit(void) {
    memmgr_stats stats;
    if (options.faults.nth || options.faults.one_in) memmgr_set_faults(NULL); // enough
    if (trace.file > 0 && process == getpid()) trace_end();
    audit();
    memmgr_stats_get(&stats);
    if (options.stats)
        fprintf(stderr,
                "memmgr: %ld: used %zu B in %zu blocks, peak %zu B, free %zu B, overhead %zu B, "
                "capacity %zu B, failures %zu, misuses %zu\n",
                (long)getpid(), stats.used, stats.live_blocks, stats.peak_used, stats.free,
                stats.overhead, stats.capacity, stats.failures, stats.misuses);
    if (options.leaks && memmgr_leaks() == 0)
        fprintf(stderr, "memmgr: %ld: no leaks\n", (long)getpid());
    if (options.draw[0]) draw();
    if (options.json[0]) json();
}
