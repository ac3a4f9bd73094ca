// memmgr.h 1.0.0: a memory manager in one file. MIT licence, at the end.
//
// >>manual
//
// DO THIS
//
// Copy this file into your project. In exactly one .c or .cpp file write
//
//     #define MEMMGR_IMPLEMENTATION
//     #include "memmgr.h"
//
// and include it plainly wherever you call it. Compile every file with -DUSE_MEMORY_MGR for
// memmgr's own memory management, or none of them for the C library's: the source stays the
// same, so that a program can be timed on both, or run on malloc under a sanitizer. A mixture
// does not link.
//
// EXAMPLE
//
//     static char buffer[65536];
//     memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, NULL); // a heap inside a buffer
//     char *text = memmgr_pool_alloc(pool, 100);                         // NULL when it is full
//     text = memmgr_pool_realloc(pool, text, 200);
//     memmgr_pool_free(pool, text);
//     memmgr_pool_free(pool, text);       // reported: MEMMGR_DOUBLE_FREE. The pool is as before
//     memmgr_pool_print(pool, stdout);    // statistics and a picture
//     memmgr_pool_destroy(pool);          // reports what was never freed
//
//     void *block = memmgr_malloc(100);   // general calls, growing as needed, from any thread
//     memmgr_free(block);
//
// WORDS
//
//   granule    16 bytes: every block is a row of granules
//   block      what a call hands out: live until it is freed
//   run        free granules between two blocks
//   map        two bits for every granule, beside the memory: the truth about a segment
//   entry      the map's 16 bytes for 64 granules (1 KiB)
//   span       entries that one long block, or one long run, covers
//   index      a byte for every entry, in a tree: finds a run that is long enough
//   class      freed blocks of one size that are kept whole for the next request of that size
//   segment    one stretch of memory: header, classes, index, map, granules
//   pool       one segment, or several when it grows
//
// and for the general calls:
//
//   unit       64 KiB of memory
//   slab       a unit that is cut into blocks of one size, up to 32 KiB
//   state      a byte for every block of a slab, beside the memory
//   arena      a row of units, with a descriptor for each
//   bin        what a thread has of one size: a stack of blocks, and slabs
//   heap       a thread's bins
//
// and for blocks that are watched:
//
//   raw block  what the pool, or the thread's heap, knows of
//   record     at its beginning: where the block was allocated, and freed
//   guard      bytes before and behind the program's, that nobody is to change
//   quarantine blocks that were freed and are not yet to be used again
//   site       a place in the program: file and line, or an address of code
//
// HOW POOLS WORK
//
// A block has no header. What is known about it stands in the map, at its granule's place:
//
//     granules    [A  A  A ][ free ][B ][K  K ][ free   free ]     A, B live; K kept by its class
//     start bit    1  0  0    0      1   1  0    0      0
//     used bit     1  1  1    0      1   0  1    0      0
//
// To free is to test one bit pair: is there a live block that starts just here? Anything else is
// a misuse, known with certainty, and nothing has been touched. Runs need no merging: they are
// the places where both bits are clear. And free memory holds nothing of memmgr's, no link and
// no size, so a program that writes after free damages nobody but itself, and idle pages can go
// back whole.
//
// A request goes to its class first (pools of 1 MiB and more): about 50 instructions, and 80 to
// free. When the class is empty the index finds an entry with a run of nearly the best
// length. When no run will do, all kept blocks are given back to the runs; then a growing pool
// takes a segment.
//
// HOW THE GENERAL CALLS WORK
//
// Each thread has a heap, and there, for each of 40 sizes, a stack of blocks that are ready. To
// allocate is to take the top of a stack and to store LIVE in the block's state: 20 instructions,
// no lock, no atomic operation. To free is to find the descriptor of the pointer's unit, by a
// shift, and the block's number in it, by a multiplication, whose remainder tells whether the
// pointer is the block's first byte; to see that the state is LIVE; and to push the block: 35
// instructions. The memory itself is not looked at.
//
//     heap           bins[48 B] [A][B][C]      a stack of blocks with their states
//                       |
//     descriptor        `-- slab ----------> states  [L][C][L][L][F]...
//                            |
//     unit                   `-------------> blocks  [   ][   ][   ][   ][   ]...
//
// Stacks are filled from slabs, and slabs from units that are idle. What another thread frees is
// marked in its state by one atomic operation, and collected by the owner of the slab when it has
// no other block of that size; so nobody waits for anybody, and a block that two threads free at
// once is freed once. The heap of a thread that ends is the next thread's; until then its slabs
// are for whoever needs them. Larger blocks come from a growing pool behind a lock, without
// rounding. Memory that has been idle for a second goes back to the system, by the way of some
// later call.
//
// MISUSE
//
// A pointer that is freed, resized or measured and is not the start of a live block is reported
// to the handler (memmgr_set_error_handler), once, and the call does nothing:
//
//   on a granule of free memory                    MEMMGR_DOUBLE_FREE
//   anywhere else in the pool's granules           MEMMGR_INTERIOR_POINTER
//   outside of them                                MEMMGR_FOREIGN_POINTER
//
// That holds for general calls, too, from whichever thread: the pool is then all their memory.
// Every misuse is seen that the program's own locks or joins order after the first free. Of two
// frees at the same time one takes effect and the other is reported, or is harmless.
//
// A block that was freed and has been handed out again is live: freeing it by its old pointer is
// not a misuse that any allocator without tags in its pointers can see. Quarantine puts that off.
//
// WHEN SOMETHING IS WRONG
//
// All of it is off, and then costs nothing. With -DMEMMGR_DEBUG in every file every pool and all
// general calls are watched, and reports name files and lines:
//
//     memmgr: MEMMGR_DOUBLE_FREE at a.c:7: 0x7f3...: the pointer points to memory that is free
//     already, 24 bytes, allocated at a.c:5, freed at a.c:6, pool x
//
// Or only some: by a pool's flags, and by memmgr_watch for the general calls:
//
//   MEMMGR_POOL_TRACK        where each block was allocated and freed; leaks are told by site, the
//                            largest first; without MEMMGR_DEBUG sites are addresses of code
//   MEMMGR_POOL_GUARD        a byte changed just before or behind a block is MEMMGR_OVERRUN, when
//                            the block is freed or resized, and in an audit (memmgr_check,
//                            memmgr_pool_check). The block is freed all the same
//   MEMMGR_POOL_QUARANTINE   a freed block that is written to is MEMMGR_USE_AFTER_FREE: in an
//                            audit, and when it leaves quarantine, a quarter of a pool's bytes, or
//                            16 MiB of general calls, later. It is not handed out before
//   MEMMGR_POOL_FILL         fresh blocks are full of 0xCC, freed ones of 0xDD
//
// A watched block takes 64 bytes more, and 16 behind it with all but FILL; 48 and 16 on 32 bits. A
// pool of watched blocks must not be moved. What memmgr cannot see is a stray write that touches
// neither a guard nor a record, a read, and a free of an address that is another block's by now.
//
// AddressSanitizer and Valgrind see more. Compiled with the first, or run under the second,
// memmgr tells them of every block and watches all of them; so a write beyond a block of a pool
// is found as it happens. (A pool in a local array is to be destroyed before the function returns:
// else its bytes stay poisoned.)
//
// memmgr_set_faults makes allocations fail on purpose, and memmgr_fail_each one after the other.
//
// TRACES
//
// memmgr_trace_start hands a stream of bytes to a writer: "memmgr trace 1" and a newline, then
// events. A number is unsigned LEB128: seven bits a byte, lowest first, the eighth bit says that
// there is more. An event is a byte, with its kind in the low four bits, and numbers:
//
//    0 END
//    1 ALLOC    time, address, size, [alignment, as a power of two, if bit 5 is set], site
//               (bit 4: the bytes were asked to be zero)
//    2 FREE     time, address, site
//    3 RESIZE   time, old address, new address, size, site
//    4 FAIL     time, size, site: an allocation that there was no room for
//    5 THREAD   number: what follows is that thread's
//    6 HEAP     number, length, name: what follows is that heap's; 0: the general calls
//    7 SITE     number, line, length, file; or number, 0, code address: so it is from here on
//    8 CLEAR    time: the heap's blocks are freed, all at once
//
// A time is in nanoseconds since the event before. An address is the difference to the address
// before it in the trace, 0 at first, as 2 d, or -2 d - 1 if it is negative. Site 0 is not known.
// examples/trace has a reader.
//
// WHAT A CALL COSTS
//
// With good fit every call is bounded by a constant, whatever the pool's size and history, but
// for filling and copying. In a pool with classes that constant is large: the one call that
// finds no run merges every kept block, up to some thousand of them. MEMMGR_POOL_EAGER keeps
// none: several times slower on average, and no call above some thousand instructions. A pool
// under 1 MiB is like that anyway. The map takes 1/64 of the memory, the index 1/1000, a header
// about 300 bytes.
//
// HOW LARGE A POOL
//
// memmgr_pool_size_for(live, block) is a bound for the worst program there can be. Counted in
// granules, let at most m be live and no block be longer than n, and let f be the shortest
// length that good fit is sure to find when asked for n (f = n up to 64 granules, at most 1/32
// more up to 16 KiB, 1/4 more beyond). When a request of g <= n granules
// fails, at most m - g are live, every run between them is shorter than f, and there is at most
// one run more than there are blocks, at most m - g + 1. So the pool has at most (m - g) + (m -
// g + 1)(f - 1) <= m f - 1 granules: one of m f never fails. Robson (1977) shows that best fit
// can be driven nearly that far. Real programs are not like that: peak_used in memmgr_stats of a
// trial run, a quarter more (half more under 2 KiB), and the map; run it in that, and see that
// failures stays 0.
//
// THREADS
//
// General calls may be made from any thread, also while it ends, after main has returned, and in
// the child of a fork. A pool is one thread's at a time, unless it was made with
// MEMMGR_POOL_LOCKED. Error handlers are called without locks. Visitors, writers, sources and
// strategies are called with the pool's lock, so they must leave it alone; those of memmgr_walk and
// memmgr_draw must make no general call. A process may fork at any time; in the child the memory of
// threads that are not there any more stays as it is. A locked pool that another thread was in
// stays locked there. No call may be made from a signal handler.
//
// INSTEAD OF MALLOC
//
// With MEMMGR_OVERRIDE, and the switch, the implementation also defines malloc, free and the rest
// of the C family, and when it is compiled as C++ the operators new and delete: the whole program,
// its libraries included, then runs on memmgr. examples/preload/preload.c makes a library of that
// for programs that are not to be compiled anew.
//
// WITHOUT THE SWITCH
//
// General calls are malloc and its family. A pool call is one malloc, with a small header that
// keeps the pool's limits, counts and list of blocks, so that reset and destroy free everything
// and a sanitizer sees every block. Misuse is the C library's to judge. A walk shows live blocks
// only.
//
// HOW TO READ THIS FILE
//
// It reads downwards. A room opens with a line of // and >>name; what it defines carries its
// name; it calls only the rooms above it.
//
//   config      the options                        map       the two bits of every granule
//   attributes  how the API is declared            index     finds an entry with a long run
//   types       structs of the API                 segment   takes blocks from runs
//   api         its functions                      search    which run: good, first, best
//   platform    what compiler, what system         class     keeps freed blocks whole
//   base        assertions, bits, atomics          pool      segments under one roof
//   tool        tells ASan and Valgrind            slab      a unit's blocks, their states
//   text        numbers without stdio              arena     units, where they come from
//   layout      every struct, and a drawing        large     the pool of large blocks
//   os          maps memory, locks, threads        heap      a thread's bins; others' frees
//   report      errors and their handler           single    one pool instead, without an OS
//   fault       failures on purpose                watch     records, quarantine, for all calls
//   site        where live blocks come from        stats     walk, numbers, audit
//   record      a watched block's record, guards   draw      pictures, through a walk only
//   trace       writes events down                 public    the API: validate, lock, call
//                                                  libc      the API without the switch
//                                                  override  malloc and its family
//
// The way of a call, from the API to where it ends:
//
//   memmgr_pool_alloc  mmi_pool_alloc_kept, mmi_class_take: a kept block; or
//                      mmi_pool_alloc_searched, mmi_search_good (mmi_index_next, mmi_search_entry),
//                      mmi_segment_take, mmi_map_set
//   memmgr_pool_free   mmi_pool_free_short, mmi_map_is_live, then mmi_class_keep, or
//                      mmi_segment_give
//   memmgr_malloc      mmi_heap_alloc_short: the top of a stack; or mmi_heap_refill, mmi_slab_take
//   memmgr_free        mmi_heap_free_short, mmi_heap_push, mmi_slab_number; or mmi_heap_free_other
//
// Inside, `at` and `length` are granules from map to pool; a `size` is bytes everywhere. What the
// implementation calls a record is one of a watched block; an arena is a row of units. At >>end all
// macros of the inside are undefined: to experiment with it, write into a copy, before >>end.

#ifndef MEMMGR_H
#define MEMMGR_H

// The version: three numbers, and as text.
#define MEMMGR_VERSION_MAJOR 1
#define MEMMGR_VERSION_MINOR 0
#define MEMMGR_VERSION_PATCH 0
#define MEMMGR_VERSION "1.0.0"

// >>config

// Every option may be defined before the header is included, in the same way in every file of a
// program.
//
// clang-format off
//   USE_MEMORY_MGR           memmgr's own memory management; without it the C library's
//   MEMMGR_IMPLEMENTATION    compile the implementation here: in exactly one .c or .cpp file
//   MEMMGR_STATIC            everything is static: for a program, or a library, of one file
//   MEMMGR_NO_THREADS        one thread only: no lock, no atomic operation, C99 will do
//   MEMMGR_NO_STDIO          no <stdio.h>, and no memmgr_pool_print
//   MEMMGR_NO_OS             no operating system: pools in buffers, general calls in a static array
//   MEMMGR_STATIC_HEAP_SIZE  bytes of that array (default 65536; 2048 where a size_t has 16 bits)
//   MEMMGR_HUGE_PAGES        ask the system for huge pages; without it they are left to the system
//   MEMMGR_OVERRIDE          define malloc, free and the rest, and C++'s new and delete, as well:
//                            beside MEMMGR_IMPLEMENTATION, and with the switch
//   MEMMGR_DEBUG             calls carry file and line; beside MEMMGR_IMPLEMENTATION also: TRACK,
//                            GUARD and FILL for all pools and general calls, whose leaks are
//                            reported at exit
//   MEMMGR_NO_WATCH          nothing can be watched, traced, or made to fail: less code. The calls
//                            are there, and do nothing
//   MEMMGR_SMALL             for a microcontroller: pools that search their map, with neither index
//                            nor classes, and cannot grow; with MEMMGR_NO_OS and MEMMGR_NO_WATCH
//   MEMMGR_NO_TOOLS          AddressSanitizer and Valgrind are not told of anything
//   MEMMGR_ASSERT(condition) what becomes of a bug of memmgr's own (default: nothing)
//   MEMMGR_ABORT_ON_MISUSE   the default error handler aborts after its line, for leaks too
//   MEMMGR_LOCK()            enters a critical section, around whatever needs a lock, on systems
//                            whose locks memmgr does not know; where calls are watched it is
//                            entered twice
//   MEMMGR_UNLOCK()          leaves it
//   MEMMGR_API               stands before every public function (default: extern, or static)
// clang-format on

#if defined(MEMMGR_SMALL) && !defined(MEMMGR_NO_OS)
#define MEMMGR_NO_OS
#endif
#if defined(MEMMGR_SMALL) && !defined(MEMMGR_NO_WATCH)
#define MEMMGR_NO_WATCH
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifndef MEMMGR_NO_STDIO
#include <stdio.h>
#endif

// >>attributes

#ifndef MEMMGR_API
#if defined(MEMMGR_STATIC) && (defined(__GNUC__) || defined(__clang__))
#define MEMMGR_API __attribute__((unused)) static
#elif defined(MEMMGR_STATIC)
#define MEMMGR_API static
#else
#define MEMMGR_API extern
#endif
#endif

// The calls that are the C library's own, inline, when the switch is off.
#ifdef USE_MEMORY_MGR
#define MEMMGR_GENERAL MEMMGR_API
#else
#define MEMMGR_GENERAL static inline
#include <stdlib.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Files with and without the switch do not link: each refers to a name that only an implementation
// with the same setting defines. Linkers that drop what nobody uses (--gc-sections) drop that, too;
// so pools without the switch have other names for the linker.
#ifdef USE_MEMORY_MGR
#define MEMMGR_LINK memmgr_error_no_file_has_MEMMGR_IMPLEMENTATION_and_USE_MEMORY_MGR
#else
#define MEMMGR_LINK memmgr_error_no_file_has_MEMMGR_IMPLEMENTATION_without_USE_MEMORY_MGR
#endif
#if !defined(MEMMGR_STATIC)
#if defined(__PRAGMA_REDEFINE_EXTNAME) && !defined(USE_MEMORY_MGR)
#pragma redefine_extname memmgr_pool_init memmgr_pool_init_without_USE_MEMORY_MGR
#pragma redefine_extname memmgr_pool_create memmgr_pool_create_without_USE_MEMORY_MGR
#pragma redefine_extname memmgr_pool_alloc memmgr_pool_alloc_without_USE_MEMORY_MGR
#pragma redefine_extname memmgr_pool_calloc memmgr_pool_calloc_without_USE_MEMORY_MGR
#pragma redefine_extname memmgr_pool_realloc memmgr_pool_realloc_without_USE_MEMORY_MGR
#pragma redefine_extname memmgr_pool_free memmgr_pool_free_without_USE_MEMORY_MGR
#endif
MEMMGR_API const char MEMMGR_LINK;
#if !(defined(_WIN32) && !defined(__cplusplus)) // a DLL's name is no constant in C
#if defined(__GNUC__) || defined(__clang__)
__attribute__((used))
#endif
static const char *const memmgr_link = &MEMMGR_LINK;
#endif
#endif

// >>types

// What a call found. Never two of them at once; MEMMGR_OK is 0.
typedef enum {
    MEMMGR_OK,               // nothing is wrong
    MEMMGR_OUT_OF_MEMORY,    // no room: never reported, only counted
    MEMMGR_BAD_ARGUMENT,     // a NULL pool, an alignment that is no power of two, an unknown flag
    MEMMGR_DOUBLE_FREE,      // the pointer lies on a granule of free memory
    MEMMGR_INTERIOR_POINTER, // the pointer lies in the pool, but no live block starts there
    MEMMGR_FOREIGN_POINTER,  // the pointer is not the pool's at all
    MEMMGR_OVERRUN,          // guard bytes behind or before a block were changed
    MEMMGR_USE_AFTER_FREE,   // a freed block was written to
    MEMMGR_CORRUPT,          // the pool's own data are damaged
    MEMMGR_LEAK              // a block was live when its pool was destroyed
} memmgr_error;

// A pool: to be used through the calls only. In a buffer, or where its source put it.
typedef struct memmgr_pool memmgr_pool;

// One block, as a walk shows it and as a strategy is asked about it.
typedef struct {
    const void *address; // its first byte
    size_t size;         // usable bytes
    bool live;           // false: free memory
    const char *file;    // of the allocation, where tracked; else NULL
    int line;            // of the allocation, where tracked; else 0
    size_t serial;    // of the allocation, where tracked: a thread's, or a pool's, count up; else 0
    size_t requested; // bytes asked for, where tracked; else equal to size
    size_t overhead;  // bytes around it that are its own: record, guards, rounding; else 0
    size_t before;    // of these, the bytes before it
    const void *caller; // the code that allocated it, where tracked without a file; else NULL
} memmgr_block;

// What is handed to the error handler.
typedef struct {
    memmgr_error error;      // what is wrong
    const void *pointer;     // as the program gave it
    const void *block;       // start of the block it points into, or NULL
    size_t size;             // usable bytes of that block, or the size asked for, or 0
    const memmgr_pool *pool; // NULL: a general call
    const char *file;        // of the call, where known; else NULL
    int line;                // of the call, where known; else 0
    const char *alloc_file;  // of the allocation, where tracked; else NULL
    int alloc_line;          // of the allocation, where tracked; else 0
    const char *free_file;   // of the free that came first, where tracked; else NULL
    int free_line;           // of the free that came first, where tracked; else 0
    const void *caller, *alloc_caller, *free_caller; // code, where there is no file; or NULL
    size_t serial;                                   // of the allocation, where tracked; else 0
    ptrdiff_t offset; // MEMMGR_OVERRUN, MEMMGR_USE_AFTER_FREE: of the first byte that was changed,
                      // from the block's start, negative before it; else 0
    size_t count;     // MEMMGR_LEAK: the blocks that it is about; else 0
} memmgr_report;

// The numbers of a pool, or of the general calls.
typedef struct {
    size_t capacity;     // bytes: the whole buffer, or all that was mapped
    size_t used;         // bytes: the sum of the usable sizes of live blocks; where they are
                         // watched with what goes before and behind them
    size_t free;         // bytes: what can still be handed out
    size_t largest_free; // bytes: a request of this size succeeds now. Of general calls: of large
                         // blocks and idle units, beside what threads have ready and what is mapped
    size_t overhead;     // bytes: capacity - used - free; blocks in quarantine among them
    size_t peak_used;    // bytes: the most that `used` has been; a reset of the pool leaves it
    size_t requested;    // bytes: what callers asked for, where tracked; else equal to used
    // Counts. Of general calls blocks are counted as they go to threads' stacks and come back, in
    // batches: allocations - frees is exact.
    size_t live_blocks, allocations, frees, failures, misuses;
    unsigned fragmentation; // percent: 100 - 100 * largest_free / free; 0 when nothing is free
} memmgr_stats;

// How a pool chooses among the free blocks that fit.
typedef enum {
    MEMMGR_FIT_GOOD,  // nearly the smallest, in constant time
    MEMMGR_FIT_FIRST, // the lowest address
    MEMMGR_FIT_BEST,  // the smallest, and of these the lowest
    MEMMGR_FIT_CUSTOM // the one that memmgr_pool_desc.choose picks
} memmgr_fit;

// Asked of every free block that fits, in address order, `best` NULL at first: true takes
// `candidate` instead of `best`. It must not call the pool.
typedef bool (*memmgr_choose)(const memmgr_block *candidate, const memmgr_block *best, size_t size,
                              void *ctx);

// Where a growing pool gets memory. They may be called with the pool's lock held, so they must not
// call the pool.
typedef struct {
    void *(*map)(size_t size, void *ctx);                // `size` bytes aligned to 16, or NULL
    void (*unmap)(void *memory, size_t size, void *ctx); // takes back exactly what one map gave
    void *ctx;                                           // handed to both
} memmgr_source;

// What a pool does beyond the plain: memmgr_pool_desc.flags, and some of them for memmgr_watch.
enum {
    MEMMGR_POOL_LOCKED = 1u << 0, // may be shared between threads: a lock that spins, then sleeps
    MEMMGR_POOL_FILL = 1u << 1,   // fresh blocks are filled with 0xCC, freed ones with 0xDD
    MEMMGR_POOL_GUARD = 1u << 2,  // 16 bytes before and behind each block are watched
    MEMMGR_POOL_TRACK = 1u << 3,  // each block knows where it was allocated, and freed
    MEMMGR_POOL_GROW = 1u << 4,   // takes more from its source when full (memmgr_pool_create)
    MEMMGR_POOL_EAGER = 1u << 5,  // merges at every free: the lowest worst case, a slower average
    MEMMGR_POOL_QUARANTINE = 1u << 6 // freed blocks are kept a while, to see who writes to them
};

// How a pool is made. A zeroed one means the defaults.
typedef struct {
    const char *name;     // shown in reports and pictures; NULL: "pool". Not copied
    memmgr_fit fit;       // default MEMMGR_FIT_GOOD
    memmgr_choose choose; // with MEMMGR_FIT_CUSTOM
    void *choose_ctx;     // handed to choose
    unsigned flags;       // MEMMGR_POOL_...
    size_t limit;         // bytes that a growing pool may take in all, as capacity; 0: no limit
    memmgr_source source; // where growth comes from; zeroed: the operating system
} memmgr_pool_desc;

// Which allocations are to fail on purpose. A zeroed one: none.
typedef struct {
    size_t nth;    // the n-th from now on, 1 the next one; 0: none
    size_t one_in; // and of all others one in so many, at random; 1: all; 0: none
    uint64_t seed; // of the random ones: the same seed, the same failures
} memmgr_faults;

// How a heap is drawn.
typedef enum {
    MEMMGR_PICTURE_TEXT, // 80 columns of ASCII
    MEMMGR_PICTURE_SVG,  // a whole SVG document
    MEMMGR_PICTURE_COLOR // text with the colours of a terminal
} memmgr_picture;

// Shown one block at a time, live or free, by a walk: false stops it. The block is valid during the
// call only.
typedef bool (*memmgr_visitor)(const memmgr_block *block, void *ctx);

// Takes `length` bytes of what is drawn or recorded, not terminated by a 0. A text comes in many
// calls.
typedef void (*memmgr_writer)(const char *text, size_t length, void *ctx);

// Told of each misuse and leak: see memmgr_set_error_handler. The report is valid during the call
// only.
typedef void (*memmgr_error_handler)(const memmgr_report *report, void *ctx);

// >>api

// --- General purpose. Thread-safe.

// Every block is aligned to 16 bytes; without the switch, as the C library aligns it. Failure is
// NULL (and errno ENOMEM, where there is an errno), with nothing changed but the count of failures.
// Where a size overflows, that is such a failure. A NULL visitor or writer is reported as
// MEMMGR_BAD_ARGUMENT, and nothing done. Cost, where nothing is said: up to 32 KiB some 20 to 40
// instructions without a lock, as long as the thread has a block of that size; above it a lock and
// a search whose cost does not depend on how much is live; now and then a call of the system.

// `size` bytes, uninitialised. Size 0 gives a unique pointer that may be freed.
MEMMGR_GENERAL void *memmgr_malloc(size_t size);

// `count` times `size` bytes, all zero; either of them 0: as size 0. A product that overflows is a
// failure. Cost: as memmgr_malloc, and the filling.
MEMMGR_GENERAL void *memmgr_calloc(size_t count, size_t size);

// Resizes a block, keeping the first min(old, new) bytes; in place where there is room. ptr NULL:
// as memmgr_malloc. Size 0 frees `ptr` and returns NULL where the C library of the platform does;
// elsewhere it shrinks. On failure NULL, and the block is intact. A pointer that is not a live
// block is reported and NULL returned. Cost: as memmgr_malloc and memmgr_free, and copying where it
// moves.
MEMMGR_GENERAL void *memmgr_realloc(void *ptr, size_t size);

// As memmgr_malloc, at a multiple of `alignment`, a power of two (else it is reported as
// MEMMGR_BAD_ARGUMENT, and NULL). `size` need not be a multiple of it. Ends with memmgr_free.
MEMMGR_API void *memmgr_aligned_alloc(size_t alignment, size_t size);

// Frees a block. NULL does nothing. Anything that is not a live block is reported, and nothing is
// changed. A block whose guards were written to is reported, and freed.
MEMMGR_GENERAL void memmgr_free(void *ptr);

// As memmgr_free, for callers who know the size they asked for (C23). The size is not relied upon.
MEMMGR_GENERAL void memmgr_free_sized(void *ptr, size_t size);

// Bytes that may be used at `ptr`, at least what was asked for, and just that where the block is
// watched; 0 for NULL. A pointer that is not a live block is reported, and 0 returned. Cost:
// constant.
MEMMGR_API size_t memmgr_usable_size(const void *ptr);

// A snapshot of the whole process. Without the switch: what the C library tells, else zeros. NULL
// does nothing. Where calls are watched no other thread should be in one: `requested` is counted
// block by block. Cost: linear in the memory.
MEMMGR_API void memmgr_stats_get(memmgr_stats *out);

// Gives idle memory back to the operating system: what the calling thread keeps for itself, what
// threads that have ended have left, and what nobody uses. Returns the bytes given back, where they
// are known. While threads make other calls most of it goes back after about a second, by the way.
// Cost: linear in the memory that nobody uses.
MEMMGR_API size_t memmgr_trim(void);

// Audits the general calls' memory, and the guards and the quarantine of blocks that are watched.
// MEMMGR_OK, or what was found first: MEMMGR_CORRUPT, MEMMGR_OVERRUN, MEMMGR_USE_AFTER_FREE. Each
// is reported, and what is found in blocks put right again. No other thread may be in a call
// meanwhile, nor, in the child of a fork, have been in one: else what is not so may be reported.
// Cost: linear in the memory.
MEMMGR_API memmgr_error memmgr_check(void);

// Shows every live and every free block of the general calls, as memmgr_pool_walk. `visit` must
// make no general call; what other threads do meanwhile is seen in part. Returns whether it got to
// the end. Without the switch there is nothing to see: true. Cost: linear in the memory.
MEMMGR_API bool memmgr_walk(memmgr_visitor visit, void *ctx);

// Draws them through `write`, which must make no general call: as memmgr_pool_draw.
MEMMGR_API void memmgr_draw(memmgr_picture kind, memmgr_writer write, void *ctx);
#ifndef MEMMGR_NO_STDIO
// Prints the statistics and the text picture, in colour on a terminal: as memmgr_draw. out NULL:
// stdout. Not there with MEMMGR_NO_STDIO.
MEMMGR_API void memmgr_print(FILE *out);
#endif

// Reports every live block as a leak: where they are tracked the 16 sites that hold most, one
// report each; else 16 blocks one by one; and the rest as one report with a NULL pointer. To be
// called at the end of a program, or at any time. Returns how many blocks there are; without the
// switch 0. Cost: linear in the memory, and 18 KiB of stack.
MEMMGR_API size_t memmgr_leaks(void);

// From now on fresh blocks are filled with 0xCC and freed ones with 0xDD, or not any more. Slow; to
// be called before there is a second thread. Without the switch nothing is done.
MEMMGR_API void memmgr_set_fill(bool fill);

// Watches the general calls from now on, as a pool is with these flags: any of MEMMGR_POOL_FILL,
// _TRACK, _GUARD, _QUARANTINE; 0: fresh blocks are as always. With MEMMGR_DEBUG those that it
// stands for are always among them. To be called before there is a second
// thread; blocks that were there before are not watched. Any other flag is reported as
// MEMMGR_BAD_ARGUMENT, and nothing done. Without the switch nothing is done. See "WHEN SOMETHING IS
// WRONG" in the manual.
MEMMGR_API void memmgr_watch(unsigned flags);

// Makes general allocations fail on purpose, from now on: those of this thread, and of threads that
// have not made a call yet. NULL: none any more. A realloc that is to grow is one allocation.
// Failures are counted as such. Without the switch, and with MEMMGR_NO_WATCH, nothing is done.
MEMMGR_API void memmgr_set_faults(const memmgr_faults *faults);

// Runs `job` until it has met no failure: the first time its first allocation from `pool` fails
// (NULL: its first general one), then its second, and so on. Returns how many runs had a failure.
// job NULL is reported, and 0. Without the switch general allocations do not fail on purpose: one
// run, and 0. With the switch and MEMMGR_NO_WATCH it is not run.
MEMMGR_API size_t memmgr_fail_each(memmgr_pool *pool, void (*job)(void *ctx), void *ctx);

// Records every allocation and free of general calls, and of pools with MEMMGR_POOL_TRACK, until
// memmgr_trace_stop, through `write`, which is called with a lock held, must make no general call,
// and is handed some hundred bytes at a time. The format is described under "TRACES" in the manual.
// To be called before there is a second thread. False, and reported: NULL, or a trace is under way.
MEMMGR_API bool memmgr_trace_start(memmgr_writer write, void *ctx);

// Ends the trace: what is not yet written is handed to its writer. Nothing when there is none.
MEMMGR_API void memmgr_trace_stop(void);

// Writes the statistics as one JSON object, by size class: see memmgr_pool_json. `write` must make
// no general call.
MEMMGR_API void memmgr_json(memmgr_writer write, void *ctx);

// The same calls with the place in the program that they are made from: `file` is not copied, and
// must be there as long as its blocks, and memory that they lay in, may be reported; line 0: not
// known. With MEMMGR_DEBUG the calls above are macros for these.

// As memmgr_malloc, called from `file` and `line`.
MEMMGR_GENERAL void *memmgr_malloc_at(size_t size, const char *file, int line);
// As memmgr_calloc, called from `file` and `line`.
MEMMGR_GENERAL void *memmgr_calloc_at(size_t count, size_t size, const char *file, int line);
// As memmgr_realloc, called from `file` and `line`.
MEMMGR_GENERAL void *memmgr_realloc_at(void *ptr, size_t size, const char *file, int line);
// As memmgr_aligned_alloc, called from `file` and `line`.
MEMMGR_API void *memmgr_aligned_alloc_at(size_t alignment, size_t size, const char *file, int line);
// As memmgr_free, called from `file` and `line`.
MEMMGR_GENERAL void memmgr_free_at(void *ptr, const char *file, int line);
// As memmgr_usable_size, called from `file` and `line`.
MEMMGR_API size_t memmgr_usable_size_at(const void *ptr, const char *file, int line);

// --- Pools. One thread at a time, unless made with MEMMGR_POOL_LOCKED.

// A NULL pool, or one in a buffer that has been destroyed, is reported as MEMMGR_BAD_ARGUMENT; the
// call returns NULL, 0, false or that error. So is a NULL visitor or writer. A call that finds no
// room returns NULL, and changes nothing but the count of failures.

// Makes a pool inside `buffer`, of any alignment. desc NULL: the defaults. NULL when the buffer is
// too small for one block (about 400 bytes), or, reported, NULL itself or the desc invalid. With
// the switch on the pool needs no memory but the buffer, and no destroy. Cost: clears the map, 1/64
// of the buffer.
MEMMGR_API memmgr_pool *memmgr_pool_init(void *buffer, size_t size, const memmgr_pool_desc *desc);

// Makes a pool of at least `capacity` bytes, its own data among them, in memory that it takes from
// desc->source (zeroed: the operating system, in whole pages). With MEMMGR_POOL_GROW it takes more
// when it is full, up to desc->limit. desc NULL: the defaults. NULL when the source has none, or
// the limit is less than the capacity; or, reported, when the desc is invalid. Cost: as
// memmgr_pool_init.
MEMMGR_API memmgr_pool *memmgr_pool_create(size_t capacity, const memmgr_pool_desc *desc);

// Ends a pool and gives its memory back. Live blocks are reported as leaks, as memmgr_leaks does;
// returns how many there were. NULL: 0. Cost: linear in the pool.
MEMMGR_API size_t memmgr_pool_destroy(memmgr_pool *pool);

// Frees every block at once, and reports no leak. What the pool has grown by goes back to its
// source. Cost: that of memmgr_pool_init.
MEMMGR_API void memmgr_pool_reset(memmgr_pool *pool);

// `size` bytes at a multiple of 16, uninitialised; size 0 gives a unique pointer. NULL when there
// is no room: nothing is changed but the count of failures. Cost: constant with MEMMGR_FIT_GOOD,
// else linear in the pool.
MEMMGR_API void *memmgr_pool_alloc(memmgr_pool *pool, size_t size);

// As memmgr_pool_alloc for count * size bytes, all zero. An overflow is a failure. Cost: as
// memmgr_pool_alloc, and the filling.
MEMMGR_API void *memmgr_pool_calloc(memmgr_pool *pool, size_t count, size_t size);

// As memmgr_pool_alloc, at a multiple of `alignment`, a power of two (else it is reported as
// MEMMGR_BAD_ARGUMENT, and NULL).
MEMMGR_API void *memmgr_pool_aligned_alloc(memmgr_pool *pool, size_t alignment, size_t size);

// Resizes a block: shrinks it in place; grows it in place where there is room, or moves it (small
// ones may move where there is room, too). ptr NULL: as memmgr_pool_alloc.
// Size 0 shrinks to the smallest block. On failure NULL, and the block is intact. A pointer that is
// not a live block of this pool is reported and NULL returned. Cost: as memmgr_pool_alloc, and
// copying where it moves.
MEMMGR_API void *memmgr_pool_realloc(memmgr_pool *pool, void *ptr, size_t size);

// Frees a block. NULL: MEMMGR_OK, nothing done. Anything that is not a live block of this pool is
// reported and returned as an error, and the pool is left as it was. Cost: constant.
MEMMGR_API memmgr_error memmgr_pool_free(memmgr_pool *pool, void *ptr);

// Bytes that may be used at `ptr`; 0 for NULL. A pointer that is not a live block of this pool is
// reported; 0. Cost: constant.
MEMMGR_API size_t memmgr_pool_usable_size(const memmgr_pool *pool, const void *ptr);

// Is `ptr` the start of a live block of this pool? NULL is not. Reports nothing about the pointer.
// Cost: constant; without the switch linear.
MEMMGR_API bool memmgr_pool_owns(const memmgr_pool *pool, const void *ptr);

// A snapshot. What classes keep is merged first, so that this is a change to the pool: not for two
// threads at once, unless it is locked. Cost: constant but for the merging; with other strategies
// than good fit linear in the pool. `out` NULL does nothing.
MEMMGR_API void memmgr_pool_stats(const memmgr_pool *pool, memmgr_stats *out);

// Bytes in live blocks: memmgr_stats.used. Cost: constant, but for what is in quarantine.
MEMMGR_API size_t memmgr_pool_bytes_used(const memmgr_pool *pool);

// Bytes that can still be handed out: memmgr_stats.free. Cost: constant.
MEMMGR_API size_t memmgr_pool_bytes_free(const memmgr_pool *pool);

// Bytes: a request of this size succeeds now, at default alignment; 0: none does. A change to the
// pool, at the same cost, as memmgr_pool_stats.
MEMMGR_API size_t memmgr_pool_largest_free(const memmgr_pool *pool);

// Audits everything the pool knows about itself, and its watched blocks: as memmgr_check. Cost:
// linear in the pool.
MEMMGR_API memmgr_error memmgr_pool_check(const memmgr_pool *pool);

// Shows every live and every free block in address order until `visit` returns false. Returns
// whether it got to the end. `visit` must not call the pool. A change to the pool, as
// memmgr_pool_stats. Cost: linear in the pool.
MEMMGR_API bool memmgr_pool_walk(const memmgr_pool *pool, memmgr_visitor visit, void *ctx);

// Draws the pool through `write`, called many times, which must not call the pool: a text picture
// 80 columns wide, or a whole SVG document. In the map a letter stands for a block's size where it
// begins, and = where it goes on; the legend below it says the rest. Where blocks are tracked the
// sites that hold most are told, too. A change to the pool, as memmgr_pool_stats. Cost: linear in
// the pool.
MEMMGR_API void memmgr_pool_draw(const memmgr_pool *pool, memmgr_picture kind, memmgr_writer write,
                                 void *ctx);
#ifndef MEMMGR_NO_STDIO
// Prints the statistics and the text picture, in colour on a terminal: as memmgr_pool_draw. out
// NULL: stdout. Not there with MEMMGR_NO_STDIO.
MEMMGR_API void memmgr_pool_print(const memmgr_pool *pool, FILE *out);
#endif

// Writes the pool's statistics as one JSON object: the numbers of memmgr_stats by their names, the
// live blocks by powers of two, and where blocks are tracked the sites that hold most. Through
// `write`, as memmgr_pool_draw.
MEMMGR_API void memmgr_pool_json(const memmgr_pool *pool, memmgr_writer write, void *ctx);

// Reports what is live now as leaks, as memmgr_pool_destroy does, and frees nothing; returns how
// many blocks there are. Cost: linear in the pool.
MEMMGR_API size_t memmgr_pool_leaks(const memmgr_pool *pool);

// Makes allocations from this pool fail on purpose: see memmgr_set_faults. NULL faults: none any
// more.
MEMMGR_API void memmgr_pool_set_faults(memmgr_pool *pool, const memmgr_faults *faults);

// The same calls with the place that they are made from, as those for general calls.

// As memmgr_pool_alloc, called from `file` and `line`.
MEMMGR_API void *memmgr_pool_alloc_at(memmgr_pool *pool, size_t size, const char *file, int line);
// As memmgr_pool_calloc, called from `file` and `line`.
MEMMGR_API void *memmgr_pool_calloc_at(memmgr_pool *pool, size_t count, size_t size,
                                       const char *file, int line);
// As memmgr_pool_aligned_alloc, called from `file` and `line`.
MEMMGR_API void *memmgr_pool_aligned_alloc_at(memmgr_pool *pool, size_t alignment, size_t size,
                                              const char *file, int line);
// As memmgr_pool_realloc, called from `file` and `line`.
MEMMGR_API void *memmgr_pool_realloc_at(memmgr_pool *pool, void *ptr, size_t size, const char *file,
                                        int line);
// As memmgr_pool_free, called from `file` and `line`.
MEMMGR_API memmgr_error memmgr_pool_free_at(memmgr_pool *pool, void *ptr, const char *file,
                                            int line);
// As memmgr_pool_usable_size, called from `file` and `line`.
MEMMGR_API size_t memmgr_pool_usable_size_at(const memmgr_pool *pool, const void *ptr,
                                             const char *file, int line);

// Bytes of a buffer in which requests never fail, as long as the live blocks' sizes, each rounded
// up to 16 (and 0 to 16), sum to at most `max_live_bytes` and none is over `max_block`: good fit,
// default alignment; a block that is watched counts 80 bytes more. 0 when no buffer is large
// enough, or `max_block` is above 1.75 GiB. See "HOW LARGE A POOL" in the manual.
MEMMGR_API size_t memmgr_pool_size_for(size_t max_live_bytes, size_t max_block);

// --- Errors.

// Called for every misuse and leak, without locks held, from whichever thread found it; it may call
// memmgr, but not end the pool that it is told about. NULL restores the default, which writes one
// line to stderr, where there is one. Set it before other threads start.
MEMMGR_API void memmgr_set_error_handler(memmgr_error_handler handler, void *ctx);

// The name of an error, such as "MEMMGR_DOUBLE_FREE"; never NULL. From any thread. Cost: constant.
MEMMGR_API const char *memmgr_error_name(memmgr_error error);

// What an error means, in a sentence; never NULL. From any thread. Cost: constant.
MEMMGR_API const char *memmgr_error_text(memmgr_error error);

#ifndef USE_MEMORY_MGR
MEMMGR_GENERAL void *memmgr_malloc(size_t size) { return malloc(size); }

MEMMGR_GENERAL void *memmgr_calloc(size_t count, size_t size) { return calloc(count, size); }

MEMMGR_GENERAL void *memmgr_realloc(void *ptr, size_t size) { return realloc(ptr, size); }

MEMMGR_GENERAL void memmgr_free(void *ptr) { free(ptr); }

MEMMGR_GENERAL void memmgr_free_sized(void *ptr, size_t size) {
    (void)size;
    free(ptr);
}

MEMMGR_GENERAL void *memmgr_malloc_at(size_t size, const char *file, int line) {
    (void)file, (void)line;
    return malloc(size);
}

MEMMGR_GENERAL void *memmgr_calloc_at(size_t count, size_t size, const char *file, int line) {
    (void)file, (void)line;
    return calloc(count, size);
}

MEMMGR_GENERAL void *memmgr_realloc_at(void *ptr, size_t size, const char *file, int line) {
    (void)file, (void)line;
    return realloc(ptr, size);
}

MEMMGR_GENERAL void memmgr_free_at(void *ptr, const char *file, int line) {
    (void)file, (void)line;
    free(ptr);
}
#endif

#ifdef __cplusplus
}
#endif
#endif // MEMMGR_H

// What MEMMGR_DEBUG makes of the calls stands at the end of the file.
#undef memmgr_malloc
#undef memmgr_calloc
#undef memmgr_realloc
#undef memmgr_aligned_alloc
#undef memmgr_free
#undef memmgr_usable_size
#undef memmgr_pool_alloc
#undef memmgr_pool_calloc
#undef memmgr_pool_aligned_alloc
#undef memmgr_pool_realloc
#undef memmgr_pool_free
#undef memmgr_pool_usable_size

// ==============================================================================================
// Part II: the implementation, in rooms. The file reads downwards: a room calls only rooms above.
// ==============================================================================================

#if defined(MEMMGR_IMPLEMENTATION) && !defined(MEMMGR_IMPLEMENTED)
#define MEMMGR_IMPLEMENTED

// >>platform

// What compiler, what system: macros that are 0 or 1, asked in >>base, >>index, >>os and >>public.

#if defined(__GNUC__) || defined(__clang__)
#define MMI_GNUC 1
#else
#define MMI_GNUC 0
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define MMI_MSVC 1
#else
#define MMI_MSVC 0
#endif

#if defined(__TINYC__)
#define MMI_TCC 1
#else
#define MMI_TCC 0
#endif

#if defined(_WIN32) && !defined(MEMMGR_NO_OS)
#define MMI_WINDOWS 1
#else
#define MMI_WINDOWS 0
#endif

// WebAssembly without a system's memory calls: its linear memory, which only grows.
#if defined(__wasm__) && !defined(__EMSCRIPTEN__) && !defined(MEMMGR_NO_OS)
#define MMI_WASM 1
#else
#define MMI_WASM 0
#endif

#if !defined(_WIN32) && !defined(MEMMGR_NO_OS) && !MMI_WASM
#define MMI_POSIX 1
#else
#define MMI_POSIX 0
#endif

#if defined(MEMMGR_NO_THREADS)
#define MMI_THREADS 0
#else
#define MMI_THREADS 1
#endif

// Are there atomic operations? Not on Cortex-M0, on AVR, on RISC-V without its A: there MEMMGR_LOCK
// has to do.
#if !MMI_THREADS
#define MMI_ATOMICS 0
#elif MMI_GNUC && !MMI_TCC && defined(__GCC_ATOMIC_POINTER_LOCK_FREE)
#define MMI_ATOMICS (__GCC_ATOMIC_POINTER_LOCK_FREE == 2)
#else
#define MMI_ATOMICS ((MMI_GNUC && !MMI_TCC) || MMI_MSVC)
#endif

#if MMI_THREADS && !MMI_ATOMICS && !defined(MEMMGR_LOCK)
#error "memmgr: no atomic operations here: define MEMMGR_NO_THREADS, or MEMMGR_LOCK and _UNLOCK"
#endif

// Where thread-locals are emulated the first use of one calls malloc: in the place of malloc there
// can be none.
#if MMI_GNUC && defined(MEMMGR_OVERRIDE) &&                                                        \
    ((defined(_WIN32) && !defined(__clang__)) || defined(__CYGWIN__) || defined(__OpenBSD__))
#define MMI_NO_LOCALS 1
#else
#define MMI_NO_LOCALS 0
#endif

#if defined(MEMMGR_SMALL)
#define MMI_SMALL 1
#else
#define MMI_SMALL 0
#endif

// Each thread has a heap where there is memory to be had from the system, and memmgr knows its
// threads and locks.
#if (MMI_POSIX || MMI_WINDOWS) && !defined(MEMMGR_LOCK) && !MMI_NO_LOCALS
#define MMI_HAS_HEAPS 1
#else
#define MMI_HAS_HEAPS 0
#endif

// Are all locks one, of the program's own? It is not to be entered again by who is in it, unless
// calls are watched.
#if defined(MEMMGR_LOCK) && defined(MEMMGR_UNLOCK)
#define MMI_ONE_LOCK 1
#else
#define MMI_ONE_LOCK 0
#endif

#if defined(__ELF__)
#define MMI_ELF 1
#else
#define MMI_ELF 0
#endif

// The thread sanitizer sees plain and vector loads as races where atomic ones are none.
#if defined(__SANITIZE_THREAD__)
#define MMI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MMI_TSAN 1
#endif
#endif
#if !defined(MMI_TSAN)
#define MMI_TSAN 0
#endif

// Can the calls be watched: with records, guards, quarantine, faults and traces?
#if defined(MEMMGR_NO_WATCH)
#define MMI_WATCH 0
#else
#define MMI_WATCH 1
#endif

#if defined(MEMMGR_DEBUG) && MMI_WATCH
#define MMI_DEBUG 1
#else
#define MMI_DEBUG 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define MMI_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MMI_HAS_ASAN 1
#endif
#if __has_feature(memory_sanitizer) || __has_feature(hwaddress_sanitizer)
#define MMI_HAS_OTHER_SANITIZER 1
#endif
#endif
#if defined(MMI_HAS_ASAN) || defined(MMI_HAS_OTHER_SANITIZER) || MMI_TSAN
#define MMI_SANITIZER 1
#else
#define MMI_SANITIZER 0
#endif
#if defined(MMI_HAS_ASAN) && MMI_WATCH && !defined(MEMMGR_NO_TOOLS)
#define MMI_ASAN 1
#else
#define MMI_ASAN 0
#endif

// Valgrind is asked by instructions that do nothing elsewhere.
#if MMI_GNUC && !MMI_TCC && MMI_POSIX && MMI_WATCH && !MMI_ASAN && !defined(MEMMGR_NO_TOOLS) &&    \
    (defined(__x86_64__) || defined(__i386__) || defined(__aarch64__))
#define MMI_VALGRIND 1
#else
#define MMI_VALGRIND 0
#endif

// Where a function was called from; WebAssembly does not tell.
#if MMI_GNUC && !MMI_TCC && !defined(__wasm__)
#define MMI_RETURN_ADDRESS __builtin_return_address(0)
#elif MMI_MSVC
#define MMI_RETURN_ADDRESS _ReturnAddress()
#else
#define MMI_RETURN_ADDRESS NULL
#endif

#if MMI_POSIX
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <sys/mman.h>
#include <unistd.h>
#if MMI_THREADS
#include <pthread.h>
#endif
#endif

#if MMI_WINDOWS
#include <errno.h>
#include <stdlib.h>
#include <windows.h>
#endif

#if MMI_WASM
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#endif

#if MMI_MSVC
#include <intrin.h>
#endif

#if defined(__SSE2__) && __STDC_HOSTED__ // gcc's header of it needs a C library's
#define MMI_SSE2 1
#include <emmintrin.h>
#else
#define MMI_SSE2 0
#endif

// The C library tells whether a second thread was ever started.
#if MMI_POSIX && MMI_THREADS && defined(__GLIBC__)
#if __GLIBC__ > 2 || __GLIBC_MINOR__ >= 32
#define MMI_TELLS_THREADS 1
#include <sys/single_threaded.h>
#endif
#endif
#if !defined(MMI_TELLS_THREADS)
#define MMI_TELLS_THREADS 0
#endif

// realloc(p, 0) frees and returns NULL where the C library's does.
#if defined(__GLIBC__)
#define MMI_REALLOC_0_FREES 1
#else
#define MMI_REALLOC_0_FREES 0
#endif

// >>base

// Assertions, bits, bytes, checked sizes, atomics: nothing here knows what a pool is.

// A bug of memmgr's own. A user's misuse is never an assertion: it is reported.
#ifndef MEMMGR_ASSERT
#define MEMMGR_ASSERT(condition) ((void)0)
#endif
#define MMI_ASSERT(condition) MEMMGR_ASSERT(condition)

// Where another thread may come in between: the tests stop a thread there.
#ifndef MMI_PAUSE
#define MMI_PAUSE(point) ((void)0)
#endif

#define MMI_JOIN_(a, b) a##b
#define MMI_JOIN(a, b) MMI_JOIN_(a, b)
#define MMI_STATIC_ASSERT(condition)                                                               \
    struct MMI_JOIN(mmi_static_assert_, __LINE__) {                                                \
        int holds : (condition) ? 1 : -1;                                                          \
    }

#if MMI_GNUC
#define MMI_FN __attribute__((unused)) static
#define MMI_INLINE __attribute__((unused, always_inline)) static inline
#define MMI_COLD __attribute__((unused, noinline)) static
#define MMI_LIKELY(x) __builtin_expect(!!(x), 1)
#define MMI_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define MMI_FN static
#define MMI_INLINE static inline
#define MMI_COLD static
#define MMI_LIKELY(x) (x)
#define MMI_UNLIKELY(x) (x)
#endif

// The map's bits come in words.
#if MMI_SMALL
typedef uint32_t mmi_word;
#else
typedef uint64_t mmi_word;
#endif

#define MMI_WORD_BITS ((unsigned)sizeof(mmi_word) * 8)
#define MMI_WORD_ONES ((mmi_word) ~(mmi_word)0)

// Index of the lowest set bit. x is not 0.
MMI_INLINE unsigned mmi_bits_lowest(mmi_word x) {
    MMI_ASSERT(x != 0);
#if MMI_GNUC && !MMI_TCC
    return (unsigned)(sizeof x == sizeof(long) ? __builtin_ctzl((unsigned long)x)
                                               : __builtin_ctzll(x));
#elif MMI_MSVC && defined(_WIN64)
    unsigned long index;
    _BitScanForward64(&index, x);
    return (unsigned)index;
#else
    unsigned index = 0;
    for (unsigned step = MMI_WORD_BITS / 2; step; step >>= 1)
        if ((x & (((mmi_word)1 << step) - 1)) == 0) {
            x >>= step;
            index += step;
        }
    return index;
#endif
}

// Index of the highest set bit. x is not 0.
MMI_INLINE unsigned mmi_bits_highest(mmi_word x) {
    MMI_ASSERT(x != 0);
#if MMI_GNUC && !MMI_TCC
    return sizeof x == sizeof(long) ? MMI_WORD_BITS - 1 - (unsigned)__builtin_clzl((unsigned long)x)
                                    : 63 - (unsigned)__builtin_clzll(x);
#elif MMI_MSVC && defined(_WIN64)
    unsigned long index;
    _BitScanReverse64(&index, x);
    return (unsigned)index;
#else
    unsigned index = 0;
    for (unsigned step = MMI_WORD_BITS / 2; step; step >>= 1)
        if (x >> step) {
            x >>= step;
            index += step;
        }
    return index;
#endif
}

// Bits first..last, first <= last.
MMI_INLINE mmi_word mmi_bits_range(unsigned first, unsigned last) {
    return (MMI_WORD_ONES << first) & (MMI_WORD_ONES >> (MMI_WORD_BITS - 1 - last));
}

MMI_INLINE void mmi_bytes_fill(void *to, int value, size_t size) {
#if MMI_GNUC && !MMI_TCC
    __builtin_memset(to, value, size);
#else
    unsigned char *bytes = (unsigned char *)to;
    while (size--)
        *bytes++ = (unsigned char)value;
#endif
}

MMI_INLINE void mmi_bytes_copy(void *to, const void *from, size_t size) {
#if MMI_GNUC && !MMI_TCC
    __builtin_memcpy(to, from, size);
#else
    unsigned char *target = (unsigned char *)to;
    const unsigned char *source = (const unsigned char *)from;
    while (size--)
        *target++ = *source++;
#endif
}

MMI_INLINE bool mmi_is_power_of_two(size_t x) { return x != 0 && (x & (x - 1)) == 0; }

// Up to a multiple of `unit`, a power of two. The caller has checked that it does not wrap.
MMI_INLINE size_t mmi_align_up(size_t x, size_t unit) {
    MMI_ASSERT(x <= SIZE_MAX - (unit - 1));
    return (x + (unit - 1)) & ~(unit - 1);
}

// The product, or false when it does not fit.
MMI_INLINE bool mmi_multiply(size_t a, size_t b, size_t *product) {
    if (b != 0 && a > SIZE_MAX / b) return false;
    *product = a * b;
    return true;
}

// The bytes that a calloc asks for, or more than there can be: a failure like any other.
MMI_INLINE size_t mmi_product(size_t count, size_t size) {
    size_t bytes = SIZE_MAX;
    (void)mmi_multiply(count, size, &bytes);
    return bytes;
}

// A block as a walk shows it, of which nothing more is known.
MMI_INLINE memmgr_block mmi_block_shown(const void *address, size_t size, bool live) {
    memmgr_block block;
    mmi_bytes_fill(&block, 0, sizeof block);
    block.address = address;
    block.size = block.requested = size;
    block.live = live;
    return block;
}

// Stands before a function that is called when the program, or the library, has been loaded, before
// its own constructors where that can be said.
#if MMI_POSIX && MMI_THREADS && MMI_GNUC && MMI_ELF
#define MMI_AT_LOAD __attribute__((constructor(101), used)) static
#elif MMI_POSIX && MMI_THREADS && MMI_GNUC
#define MMI_AT_LOAD __attribute__((constructor, used)) static
#endif

// A variable of which each thread has its own, where it can.
#if !MMI_THREADS || MMI_NO_LOCALS
#define MMI_THREAD_LOCAL
#elif MMI_GNUC && MMI_ELF // without a call, also in a shared library
#define MMI_THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
#elif MMI_GNUC
#define MMI_THREAD_LOCAL __thread
#elif MMI_MSVC
#define MMI_THREAD_LOCAL __declspec(thread)
#endif

// Bytes and words that several threads may touch. Loads and stores are relaxed, plain moves on
// every processor, but for those that are named otherwise; partners are named where they are
// called.
//   ..._ordered, ..._exchange, ..._claim   sequentially consistent
//   ..._replace                            releases, with mmi_atomic_word_exchange as its partner
//   mmi_atomic_acquire                     makes what was loaded before it an acquiring load
//   mmi_atomic_fence                       no load behind it is made before a store before it
#if MMI_ATOMICS && MMI_GNUC
MMI_INLINE uint8_t mmi_atomic_byte(const uint8_t *at) {
#if MMI_TSAN // which knows no fences
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
#else
    return __atomic_load_n(at, __ATOMIC_RELAXED);
#endif
}
MMI_INLINE uint8_t mmi_atomic_byte_ordered(const uint8_t *at) {
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}
MMI_INLINE void mmi_atomic_byte_store(uint8_t *at, uint8_t value) {
    __atomic_store_n(at, value, __ATOMIC_RELAXED);
}
MMI_INLINE uint8_t mmi_atomic_byte_exchange(uint8_t *at, uint8_t value) {
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
}
MMI_INLINE bool mmi_atomic_byte_claim(uint8_t *at, uint8_t from, uint8_t to) {
    return __atomic_compare_exchange_n(at, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
MMI_INLINE uint16_t mmi_atomic_half(const uint16_t *half) {
    return __atomic_load_n(half, __ATOMIC_RELAXED);
}
MMI_INLINE void mmi_atomic_half_store(uint16_t *half, uint16_t value) {
    __atomic_store_n(half, value, __ATOMIC_RELAXED);
}
MMI_INLINE bool mmi_atomic_half_claim(uint16_t *half, uint16_t from, uint16_t to) {
    return __atomic_compare_exchange_n(half, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
MMI_INLINE uint16_t mmi_atomic_half_acquire(const uint16_t *half) {
    return __atomic_load_n(half, __ATOMIC_ACQUIRE);
}
MMI_INLINE void mmi_atomic_half_release(uint16_t *half, uint16_t value) {
    __atomic_store_n(half, value, __ATOMIC_RELEASE);
}
MMI_INLINE uint8_t *mmi_atomic_bytes(uint8_t *const *pointer) {
    return __atomic_load_n(pointer, __ATOMIC_RELAXED);
}
MMI_INLINE void mmi_atomic_bytes_store(uint8_t **pointer, uint8_t *value) {
    __atomic_store_n(pointer, value, __ATOMIC_RELAXED);
}
MMI_INLINE uintptr_t mmi_atomic_word(const uintptr_t *word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
MMI_INLINE void mmi_atomic_word_store(uintptr_t *word, uintptr_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
MMI_INLINE uintptr_t mmi_atomic_word_acquire(const uintptr_t *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
MMI_INLINE void mmi_atomic_word_release(uintptr_t *word, uintptr_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
MMI_INLINE uintptr_t mmi_atomic_word_exchange(uintptr_t *word, uintptr_t value) {
    return __atomic_exchange_n(word, value, __ATOMIC_ACQUIRE);
}
MMI_INLINE bool mmi_atomic_word_replace(uintptr_t *word, uintptr_t *expected, uintptr_t value) {
    return __atomic_compare_exchange_n(word, expected, value, true, __ATOMIC_RELEASE,
                                       __ATOMIC_RELAXED);
}
MMI_INLINE void mmi_atomic_word_add(uintptr_t *word, uintptr_t value) {
    (void)__atomic_fetch_add(word, value, __ATOMIC_RELAXED);
}
MMI_INLINE void mmi_atomic_acquire(void) {
#if !MMI_TSAN
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}
MMI_INLINE void mmi_atomic_fence(void) {
#if !MMI_TSAN
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}
#else
// MSVC: what volatile accesses leave in order on x86, Arm does not; and a load may be made before
// an earlier store on both.
MMI_INLINE void mmi_atomic_acquire(void) {
#if MMI_ATOMICS && (defined(_M_ARM) || defined(_M_ARM64))
    __dmb(11); // the inner shareable domain: all that runs threads
#endif
}
MMI_INLINE void mmi_atomic_fence(void) {
#if MMI_ATOMICS
    volatile long any = 0;
    (void)_InterlockedOr(&any, 0);
    mmi_atomic_acquire();
#endif
}
MMI_INLINE uint8_t mmi_atomic_byte(const uint8_t *at) { return *(const volatile uint8_t *)at; }
MMI_INLINE uint8_t mmi_atomic_byte_ordered(const uint8_t *at) {
    mmi_atomic_acquire();
    uint8_t value = mmi_atomic_byte(at);
    mmi_atomic_acquire();
    return value;
}
MMI_INLINE void mmi_atomic_byte_store(uint8_t *at, uint8_t value) {
    *(volatile uint8_t *)at = value;
}
MMI_INLINE uint16_t mmi_atomic_half(const uint16_t *half) { return *half; }
MMI_INLINE uint16_t mmi_atomic_half_acquire(const uint16_t *half) {
    uint16_t value = *(const volatile uint16_t *)half;
    mmi_atomic_acquire();
    return value;
}
MMI_INLINE void mmi_atomic_half_release(uint16_t *half, uint16_t value) {
    mmi_atomic_acquire();
    *(volatile uint16_t *)half = value;
}
MMI_INLINE uint8_t *mmi_atomic_bytes(uint8_t *const *pointer) {
    return *(uint8_t *const volatile *)pointer;
}
MMI_INLINE void mmi_atomic_bytes_store(uint8_t **pointer, uint8_t *value) {
    uint8_t *volatile *cell = pointer;
    *cell = value;
}
MMI_INLINE void mmi_atomic_half_store(uint16_t *half, uint16_t value) { *half = value; }
MMI_INLINE uintptr_t mmi_atomic_word(const uintptr_t *word) {
    return *(const volatile uintptr_t *)word;
}
MMI_INLINE void mmi_atomic_word_store(uintptr_t *word, uintptr_t value) {
    *(volatile uintptr_t *)word = value;
}
MMI_INLINE uintptr_t mmi_atomic_word_acquire(const uintptr_t *word) {
    uintptr_t value = mmi_atomic_word(word);
    mmi_atomic_acquire();
    return value;
}
MMI_INLINE void mmi_atomic_word_release(uintptr_t *word, uintptr_t value) {
    mmi_atomic_acquire();
    mmi_atomic_word_store(word, value);
}
#if MMI_ATOMICS // where volatile accesses are ordered, and Interlocked ones all the more
MMI_INLINE uint8_t mmi_atomic_byte_exchange(uint8_t *at, uint8_t value) {
    return (uint8_t)_InterlockedExchange8((volatile char *)at, (char)value);
}
MMI_INLINE bool mmi_atomic_byte_claim(uint8_t *at, uint8_t from, uint8_t to) {
    return _InterlockedCompareExchange8((volatile char *)at, (char)to, (char)from) == (char)from;
}
MMI_INLINE bool mmi_atomic_half_claim(uint16_t *half, uint16_t from, uint16_t to) {
    return _InterlockedCompareExchange16((volatile short *)half, (short)to, (short)from) ==
           (short)from;
}
MMI_INLINE uintptr_t mmi_atomic_word_exchange(uintptr_t *word, uintptr_t value) {
    return (uintptr_t)_InterlockedExchangePointer((void *volatile *)word, (void *)value);
}
MMI_INLINE bool mmi_atomic_word_replace(uintptr_t *word, uintptr_t *expected, uintptr_t value) {
    void *volatile *at = (void *volatile *)word;
    void *was = _InterlockedCompareExchangePointer(at, (void *)value, (void *)*expected);
    bool replaced = (uintptr_t)was == *expected;
    *expected = (uintptr_t)was;
    return replaced;
}
MMI_INLINE void mmi_atomic_word_add(uintptr_t *word, uintptr_t value) {
    uintptr_t seen = mmi_atomic_word(word);
    while (!mmi_atomic_word_replace(word, &seen, seen + value)) {
    }
}
#else
MMI_INLINE uint8_t mmi_atomic_byte_exchange(uint8_t *at, uint8_t value) {
    uint8_t was = *at;
    *at = value;
    return was;
}
MMI_INLINE bool mmi_atomic_byte_claim(uint8_t *at, uint8_t from, uint8_t to) {
    if (*at != from) return false;
    *at = to;
    return true;
}
MMI_INLINE bool mmi_atomic_half_claim(uint16_t *half, uint16_t from, uint16_t to) {
    if (*half != from) return false;
    *half = to;
    return true;
}
MMI_INLINE uintptr_t mmi_atomic_word_exchange(uintptr_t *word, uintptr_t value) {
    uintptr_t was = *word;
    *word = value;
    return was;
}
MMI_INLINE bool mmi_atomic_word_replace(uintptr_t *word, uintptr_t *expected, uintptr_t value) {
    bool replaced = *word == *expected;
    *(replaced ? word : expected) = replaced ? value : *word;
    return replaced;
}
MMI_INLINE void mmi_atomic_word_add(uintptr_t *word, uintptr_t value) {
#if MMI_THREADS
    MEMMGR_LOCK();
    *word += value;
    MEMMGR_UNLOCK();
#else
    *word += value;
#endif
}
#endif
#endif

// One word that two threads may touch: exchange and load acquire, store releases; they are
// partners.
#if MMI_ATOMICS
#if MMI_GNUC
MMI_INLINE unsigned mmi_atomic_exchange(unsigned *word, unsigned value) {
    return __atomic_exchange_n(word, value, __ATOMIC_ACQUIRE);
}
MMI_INLINE unsigned mmi_atomic_load(const unsigned *word) {
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
MMI_INLINE void mmi_atomic_store(unsigned *word, unsigned value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
#else
MMI_INLINE unsigned mmi_atomic_exchange(unsigned *word, unsigned value) {
    return (unsigned)_InterlockedExchange((volatile long *)word, (long)value);
}
MMI_INLINE unsigned mmi_atomic_load(const unsigned *word) {
    unsigned value = *(const volatile unsigned *)word;
    mmi_atomic_acquire();
    return value;
}
MMI_INLINE void mmi_atomic_store(unsigned *word, unsigned value) {
    (void)_InterlockedExchange((volatile long *)word, (long)value);
}
#endif
#endif

// >>tool

// What AddressSanitizer and Valgrind's memcheck are told, so that they see the blocks of a pool as
// they see malloc's: which bytes are the program's, which are nobody's. ASan is there when the
// program is compiled with it; Valgrind is asked for once, and is told by its client requests, so
// that neither's headers are needed. A `heap` is a memmgr_pool, or NULL for the general calls.

#if MMI_ASAN
#ifdef __cplusplus
extern "C" {
#endif
extern void __asan_poison_memory_region(const volatile void *memory, size_t size);
extern void __asan_unpoison_memory_region(const volatile void *memory, size_t size);
#ifdef __cplusplus
}
#endif

MMI_FN bool mmi_tool_is_there(void) { return true; }
MMI_FN void mmi_tool_close(const void *memory, size_t size) {
    __asan_poison_memory_region(memory, size);
}
MMI_FN void mmi_tool_open(const void *memory, size_t size) {
    __asan_unpoison_memory_region(memory, size);
}
MMI_FN void mmi_tool_alloc(const void *heap, const void *block, size_t size) {
    (void)heap;
    __asan_unpoison_memory_region(block, size);
}
MMI_FN void mmi_tool_free(const void *heap, const void *block) { (void)heap, (void)block; }
MMI_FN void mmi_tool_begin(const void *heap) { (void)heap; }
MMI_FN void mmi_tool_end(const void *heap) { (void)heap; }

#elif MMI_VALGRIND
enum {
    MMI_TOOL_IS_THERE = 0x1001,
    MMI_TOOL_MALLOCLIKE = 0x1301, // block, size, red zone, zeroed
    MMI_TOOL_FREELIKE = 0x1302,   // block, red zone
    MMI_TOOL_CREATE_POOL = 0x1303,
    MMI_TOOL_DESTROY_POOL = 0x1304,
    MMI_TOOL_POOL_ALLOC = 0x1305,                   // pool, block, size
    MMI_TOOL_POOL_FREE = 0x1306,                    // pool, block
    MMI_TOOL_NO_ACCESS = ('M' << 24) + ('C' << 16), // memcheck's own: memory, size
    MMI_TOOL_DEFINED = MMI_TOOL_NO_ACCESS + 2
};

// A client request: its number and up to four arguments, whose address the instructions name.
MMI_FN uintptr_t mmi_tool_request(uintptr_t request, const void *a, uintptr_t b, uintptr_t c,
                                  uintptr_t d) {
    volatile uintptr_t asked[6] = {request, (uintptr_t)a, b, c, d, 0};
    uintptr_t answer = 0;
#if defined(__x86_64__)
    __asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\t"
                     "rolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "=d"(answer)
                     : "a"(asked), "0"(answer)
                     : "cc", "memory");
#elif defined(__i386__)
    __asm__ volatile("roll $3, %%edi\n\troll $13, %%edi\n\t"
                     "roll $29, %%edi\n\troll $19, %%edi\n\t"
                     "xchgl %%ebx, %%ebx"
                     : "=d"(answer)
                     : "a"(asked), "0"(answer)
                     : "cc", "memory");
#else
    register volatile uintptr_t *at __asm__("x4") = asked;
    register uintptr_t result __asm__("x3") = answer;
    __asm__ volatile("ror x12, x12, #3\n\tror x12, x12, #13\n\t"
                     "ror x12, x12, #51\n\tror x12, x12, #61\n\t"
                     "orr x10, x10, x10"
                     : "+r"(result)
                     : "r"(at)
                     : "cc", "memory");
    answer = result;
#endif
    return answer;
}

static uint8_t mmi_tool_seen; // 0: not asked yet, 1: there is none, 2: Valgrind

MMI_COLD bool mmi_tool_ask(void) {
    bool there = mmi_tool_request(MMI_TOOL_IS_THERE, NULL, 0, 0, 0) != 0;
    mmi_atomic_byte_store(&mmi_tool_seen, there ? 2 : 1);
    return there;
}

MMI_INLINE bool mmi_tool_is_there(void) {
    return MMI_UNLIKELY(mmi_atomic_byte(&mmi_tool_seen) != 1) && mmi_tool_ask();
}
MMI_INLINE void mmi_tool_close(const void *memory, size_t size) {
    if (mmi_tool_is_there()) (void)mmi_tool_request(MMI_TOOL_NO_ACCESS, memory, size, 0, 0);
}
MMI_INLINE void mmi_tool_open(const void *memory, size_t size) {
    if (mmi_tool_is_there()) (void)mmi_tool_request(MMI_TOOL_DEFINED, memory, size, 0, 0);
}
MMI_FN void mmi_tool_alloc(const void *heap, const void *block, size_t size) {
    if (heap)
        (void)mmi_tool_request(MMI_TOOL_POOL_ALLOC, heap, (uintptr_t)block, size, 0);
    else
        (void)mmi_tool_request(MMI_TOOL_MALLOCLIKE, block, size, 0, 0);
}
MMI_FN void mmi_tool_free(const void *heap, const void *block) {
    if (heap)
        (void)mmi_tool_request(MMI_TOOL_POOL_FREE, heap, (uintptr_t)block, 0, 0);
    else
        (void)mmi_tool_request(MMI_TOOL_FREELIKE, block, 0, 0, 0);
}
MMI_FN void mmi_tool_begin(const void *heap) {
    if (mmi_tool_is_there()) (void)mmi_tool_request(MMI_TOOL_CREATE_POOL, heap, 0, 0, 0);
}
MMI_FN void mmi_tool_end(const void *heap) {
    if (mmi_tool_is_there()) (void)mmi_tool_request(MMI_TOOL_DESTROY_POOL, heap, 0, 0, 0);
}

#else
MMI_INLINE bool mmi_tool_is_there(void) { return false; }
MMI_INLINE void mmi_tool_close(const void *memory, size_t size) { (void)memory, (void)size; }
MMI_INLINE void mmi_tool_open(const void *memory, size_t size) { (void)memory, (void)size; }
MMI_INLINE void mmi_tool_alloc(const void *heap, const void *block, size_t size) {
    (void)heap, (void)block, (void)size;
}
MMI_INLINE void mmi_tool_free(const void *heap, const void *block) { (void)heap, (void)block; }
MMI_INLINE void mmi_tool_begin(const void *heap) { (void)heap; }
MMI_INLINE void mmi_tool_end(const void *heap) { (void)heap; }
#endif

// >>text

// Text without a C library: reports and pictures are put together here and handed to a writer.

enum { MMI_TEXT_LINE = 256, MMI_TEXT_NAME = 24 };

// A line in the making. It goes to `write` at each newline, and when it is full: nothing is lost.
//   line[0 .. length) is what has been put and not yet written; length < MMI_TEXT_LINE
typedef struct {
    char line[MMI_TEXT_LINE];
    size_t length;
    memmgr_writer write;
    void *ctx;
} mmi_text;

MMI_FN void mmi_text_open(mmi_text *text, memmgr_writer write, void *ctx) {
    text->length = 0;
    text->write = write;
    text->ctx = ctx;
}

MMI_FN void mmi_text_flush(mmi_text *text) {
    if (text->length != 0) text->write(text->line, text->length, text->ctx);
    text->length = 0;
}

MMI_FN void mmi_text_char(mmi_text *text, char c) {
    text->line[text->length++] = c;
    if (c == '\n' || text->length == MMI_TEXT_LINE) mmi_text_flush(text);
}

MMI_FN void mmi_text_repeat(mmi_text *text, char c, size_t count) {
    while (count-- != 0)
        mmi_text_char(text, c);
}

MMI_FN void mmi_text_string(mmi_text *text, const char *string) {
    while (*string != '\0')
        mmi_text_char(text, *string++);
}

MMI_FN bool mmi_text_same(const char *a, const char *b) {
    while (*a != '\0' && *a == *b)
        a++, b++;
    return *a == *b;
}

// What the user's own text, a name or a file, must not break: nothing, XML, a string in JSON.
enum { MMI_TEXT_PLAIN, MMI_TEXT_XML, MMI_TEXT_JSON };

// One character of the user's, as plain ASCII that the form can hold.
MMI_FN void mmi_text_foreign(mmi_text *text, char c, unsigned form) {
    if (c < ' ' || c > '~') c = '?';
    if (form == MMI_TEXT_JSON && (c == '"' || c == '\\')) mmi_text_char(text, '\\');
    if (form == MMI_TEXT_XML && c == '&')
        mmi_text_string(text, "&amp;");
    else if (form == MMI_TEXT_XML && c == '<')
        mmi_text_string(text, "&lt;");
    else if (form == MMI_TEXT_XML && c == '>')
        mmi_text_string(text, "&gt;");
    else
        mmi_text_char(text, c);
}

// A pool's name, as the user gave it: its first characters.
MMI_FN void mmi_text_name(mmi_text *text, const char *name, unsigned form) {
    for (size_t i = 0; i < MMI_TEXT_NAME && name[i] != '\0'; i++)
        mmi_text_foreign(text, name[i], form);
}

// The user's text in at most `most` characters, more than 3: of a longer one its end.
MMI_FN void mmi_text_ending(mmi_text *text, const char *string, size_t most, unsigned form) {
    size_t length = 0;
    while (string[length] != '\0')
        length++;
    if (length > most) {
        mmi_text_string(text, "...");
        string += length - (most - 3);
    }
    for (; *string != '\0'; string++)
        mmi_text_foreign(text, *string, form);
}

MMI_FN void mmi_text_number(mmi_text *text, size_t value) {
    char digits[3 * sizeof(size_t)];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    while (count != 0)
        mmi_text_char(text, digits[--count]);
}

// The low `digits` hexadecimal digits of a value, leading zeros included.
MMI_FN void mmi_text_hex(mmi_text *text, uintptr_t value, unsigned digits) {
    while (digits-- != 0)
        mmi_text_char(text, "0123456789abcdef"[value >> (4 * digits) & 15]);
}

MMI_FN void mmi_text_pointer(mmi_text *text, const void *pointer) {
    unsigned digits = 1;
    while (digits < 2 * sizeof(pointer) && (uintptr_t)pointer >> (4 * digits) != 0)
        digits++;
    mmi_text_string(text, "0x");
    mmi_text_hex(text, (uintptr_t)pointer, digits);
}

// Bytes for a reader: "0 B", "1.5 KiB", "64 MiB"; rounded down to a tenth, at most 10 characters.
MMI_FN void mmi_text_bytes(mmi_text *text, size_t bytes) {
    size_t rest = 0;
    unsigned unit = 0;
    for (; bytes >= 1024; unit++) {
        rest = bytes % 1024;
        bytes /= 1024;
    }
    mmi_text_number(text, bytes);
    if (rest * 10 >= 1024) {
        mmi_text_char(text, '.');
        mmi_text_number(text, rest * 10 / 1024);
    }
    mmi_text_char(text, ' ');
    if (unit != 0) {
        mmi_text_char(text, "KMGTPE"[unit - 1]);
        mmi_text_char(text, 'i');
    }
    mmi_text_char(text, 'B');
}

// part / whole on a scale of 0 to `scale`, rounded down. Nothing of nothing is 0.
MMI_FN size_t mmi_text_share(size_t part, size_t whole, size_t scale) {
    if (part >= whole) return whole != 0 ? scale : 0;
    if (part <= SIZE_MAX / scale) return part * scale / whole;
    if (sizeof(size_t) < 4) return (size_t)((uint32_t)part * scale / whole);
    return part / (whole / scale);
}

MMI_FN void mmi_text_percent(mmi_text *text, size_t part, size_t whole) {
    mmi_text_number(text, mmi_text_share(part, whole, 100));
    mmi_text_char(text, '%');
}

// Moves what was put since the line's column `from` to the right, to end at column `to`.
MMI_FN void mmi_text_right(mmi_text *text, size_t from, size_t to) {
    size_t end = text->length;
    MMI_ASSERT(to < MMI_TEXT_LINE);
    if (end >= to) return;
    text->length = to;
    while (to > from)
        text->line[--to] = end > from ? text->line[--end] : ' ';
}

#ifndef MEMMGR_NO_STDIO
// A memmgr_writer whose ctx is a FILE.
MMI_FN void mmi_text_to_file(const char *line, size_t length, void *ctx) {
    fwrite(line, 1, length, (FILE *)ctx);
}
#endif

// >>layout

// Every struct and constant. A segment is one stretch of memory that blocks come from; a pool is
// one segment, or when it grows several:
//
//   pool in a buffer   [ memmgr_pool | segment ]
//   segment            [ mmi_segment | classes, slots | index | map, sentinel | granules ]
//
//   segment->size == granules_offset + 16 * granule_count + slack
//
// where the slack is less than another granule with its part of the map, or than another class.
//
// GRANULE: 16 bytes, the unit of size and alignment. ENTRY: the map's 16 bytes for 64 granules.
// With MEMMGR_SMALL an entry is 8 bytes for 32, and there is no class, no slot and no index.

#define MMI_GRANULE ((size_t)16)
#define MMI_GRANULE_SHIFT 4
#define MMI_ENTRY_GRANULES MMI_WORD_BITS
#define MMI_NONE UINT32_MAX // no granule, no entry
#define MMI_GRANULES_64G 0xFFFFF000u
#define MMI_GRANULES_MAX                                                                           \
    (SIZE_MAX / MMI_GRANULE < MMI_GRANULES_64G ? (uint32_t)(SIZE_MAX / MMI_GRANULE)                \
                                               : MMI_GRANULES_64G) // of one segment

// Two bits for each granule say all there is to know about it:
//
//   start used
//     1    1     a live block starts here
//     1    0     a kept block starts here: freed, and held by its size class
//     0    1     inside a block, live or kept
//     0    0     free memory
//
// A block ends before the next granule that has its start bit set or its used bit clear.
//
// SPAN: two or more entries in a row that hold nothing but one block, without the entries of its
// first and its last granule; or nothing but one run. They are not marked granule by granule, so
// that no operation takes longer on a longer block. They are all zero, but for
//
//   a live span    { 0, entries << 3 | 5 } in its first entry
//   a free span    { 0, entries << 3 | 2 } in its first and in its last
//
//   entries        [..AA][ 5  ][ 0  ][ 0  ][AA..][ 2  ][ 0  ][ 2  ][.BBB]
//                        `-- live span --'       `-free span'
//
// No other entry looks like that: without a start bit, used granules can only be the rest of a
// block from the left, 1 or 3 or 7 in the lowest three bits, or none, 0. And `start & used` is 0 in
// a span, so the test in free need not look for marks. Nobody walks through a span: from the left
// one comes to its first entry, from the right to the last of a free one, or to a live block's last
// granule. So the end of a run or block is never more than three steps away: the rest of an entry,
// a span or a lone whole entry, the beginning of another.
typedef struct {
    mmi_word start, used;
} mmi_entry;

#define MMI_SPAN_SHIFT 3
#define MMI_SPAN_LIVE 5u
#define MMI_SPAN_FREE 2u

// RUN: free granules between two blocks.
typedef struct {
    uint32_t at, length; // granules
} mmi_run;

// The index: for each entry one byte, the size code of the longest run that starts in it, 0 for
// none; above each node of 64 such bytes one byte, their largest; and so up to a few nodes, the
// root.
//
//   level 2   [9.......]                          64 bytes, a node: the root
//   level 1   [94......][................]        a byte for each node below
//   level 0   [..9.....][4...3...][......]        a byte for each entry of the map
#define MMI_NODE 64
#define MMI_ROOT_NODES 4 // the root has at most so many: all of them are looked at
#define MMI_LEVELS_MAX 5 // for 64^5 entries, 2^30: MMI_GRANULES_MAX has 2^26

// A size class: freed blocks of exactly one size that are kept whole for the next request of that
// size, newest last, on a stack of granules: slots[first .. first + count), count <= depth.
typedef struct {
    uint16_t count, depth;
    uint32_t first;
} mmi_class;

#define MMI_CLASS_MAX 256u // granules, the largest size that may have a class: 4 KiB
#define MMI_CLASS_DEPTH_MIN 4u
#define MMI_CLASS_DEPTH_MAX 128u

// Offsets, not pointers, so that a buffer may be moved.
typedef struct {
    size_t size; // bytes, from this header on
    size_t map_offset, granules_offset;
    uint32_t granule_count, entry_count; // granule_count <= 64 * entry_count; then one sentinel
#if !MMI_SMALL
    size_t slots_offset, index_offset;
    uint32_t class_limit;             // granules: the largest size with a class; 0: none
    uint32_t last_merged;             // the entry where the run starts that grew last, for a refit
    uint16_t root_nodes, level_count; // of the index; root_nodes <= MMI_ROOT_NODES
    uint32_t level_offset[MMI_LEVELS_MAX]; // from index_offset; level 0 first
#endif
} mmi_segment;

#define MMI_SEGMENT_SIZE ((sizeof(mmi_segment) + MMI_GRANULE - 1) & ~(MMI_GRANULE - 1))

MMI_STATIC_ASSERT(sizeof(mmi_entry) * 4 == MMI_ENTRY_GRANULES);
MMI_STATIC_ASSERT(sizeof(mmi_class) == 8);
MMI_STATIC_ASSERT(offsetof(memmgr_pool_desc, name) == 0);

typedef struct {
    unsigned held; // 0, 1, or 2: and a thread sleeps until it is free
} mmi_lock;

// Where a call comes from.
typedef struct {
    const char *file;
    uint32_t line; // 0: `file` is the address of the code, or NULL
} mmi_caller;

// Which allocations are to fail: memmgr_faults.
typedef struct {
    size_t nth;
    uint32_t one_in, random; // random: the state of a generator, not 0 while one_in is not
} mmi_faults;

#ifdef USE_MEMORY_MGR

// A pool. used + free + overhead == capacity, in memmgr_stats. A fixed pool has one segment, right
// behind it, and no table; a growing one a table of all of them in address order.
struct memmgr_pool {
    memmgr_pool_desc desc; // its name is first: a report tells it with the switch on and off
    uint32_t magic;        // MMI_MAGIC_... while the pool lives
    uint32_t segment_count, segment_room; // room in the table, where there is one
    mmi_lock lock;
    mmi_segment **segments; // NULL: the only one is the first
    mmi_segment *recent;    // the segment that served last; NULL without a table
    size_t capacity;        // bytes, all that was mapped or the buffer
    size_t used, peak_used; // bytes
    size_t sweep_below;     // bytes in use: below it a growing pool looks for empty segments
    size_t allocations, frees, failures, misuses;
    mmi_faults faults;
    uintptr_t quarantine; // its mmi_quarantine; 0: there is none
};

#define MMI_POOL_CREATED (1u << 15) // in desc.flags: the memory is the pool's own
#define MMI_POOL_ENDING (1u << 14)  // memmgr_pool_destroy has begun

// Flags that take a block's calls through the room watch; and those that give it a record.
#if MMI_WATCH
#define MMI_WATCHED (MMI_RECORDED | MEMMGR_POOL_FILL)
#define MMI_RECORDED (MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK | MEMMGR_POOL_QUARANTINE)
#else
#define MMI_WATCHED 0u
#define MMI_RECORDED 0u
#endif

// A plain pool has no lock, is not watched, and has one segment: its calls take a short way.
#define MMI_MAGIC_PLAIN 0x6D656D67u // "memg"
#define MMI_MAGIC_OTHER 0x6D656D68u
#define MMI_MAGIC_RECORDED 0x6D656D69u // its blocks have records
#define MMI_POOL_SIZE ((sizeof(memmgr_pool) + MMI_GRANULE - 1) & ~(MMI_GRANULE - 1))

// --- watched blocks

// clang-format off
//
// A watched block lies inside a RAW block, which is what the pool, or the thread's heap, knows of:
//
//   raw   [ mmi_record | guard, 16 or more | the program's bytes | guard, 16 | slack ]
//         |            |                   |                     `- requested
//         |            |                   `- the block: raw + front, a multiple of its alignment
//         `------------ front -------------'
//
// The record is in reach of a program that goes astray, so it is checked before it is believed, and
// it never decides what is live: that is the map's word, or the state's. It says:
//
//   LIVE          the program's, as far as the raw block is live
//   FREED         freed, if the raw block is not live any more: who did that
//   QUARANTINED   freed, and the raw block still live: all bytes are 0xDD until it is let go
//
// clang-format on
typedef struct {
    const char *file, *freed_file; // with line 0: addresses of code, or NULL
    uint32_t line, freed_line;
    size_t requested, serial;
    uint32_t check; // of all but `state`, and the record's address
    uint16_t state; // MMI_RECORD_...
    uint8_t shift;  // the block's alignment is 1 << shift
    uint8_t lost;   // 1: the record had been overwritten; `requested` is a guess, and nothing else
                    // is known
} mmi_record;

// Eight bits and more from one to the other.
enum { MMI_RECORD_LIVE = 0x51AE, MMI_RECORD_FREED = 0xA659, MMI_RECORD_QUARANTINED = 0x3CC3 };

#define MMI_GUARD ((size_t)16)
#define MMI_GUARD_MOST ((size_t)4096) // before a block with a large alignment
#define MMI_GUARD_BYTE 0xFD
#define MMI_RECORD_SIZE ((sizeof(mmi_record) + MMI_GRANULE - 1) & ~(MMI_GRANULE - 1))
#define MMI_FRONT (MMI_RECORD_SIZE + MMI_GUARD) // without an alignment above 16

#define MMI_FILL_FRESH 0xCC
#define MMI_FILL_FREED 0xDD

// Blocks in quarantine, a ring: items[first] has been there longest. It lies in a raw block that
// nobody is shown.
//   bytes == the sum of the items' sizes   count <= room   bytes <= limit
typedef struct {
    mmi_record *record;
    size_t size; // bytes of the program's
} mmi_held;

typedef struct mmi_quarantine {
    size_t room, first, count; // items
    size_t bytes, limit;
    uintptr_t seal;    // of what does not change: it may be overwritten, too
    mmi_held items[1]; // `room` of them
} mmi_quarantine;

// --- general calls

#if MMI_HAS_HEAPS

// clang-format off
//
// Small blocks, up to 32 KiB, lie in SLABS: a slab is one UNIT of 64 KiB, cut into blocks of one
// size. An ARENA is a row of units, with a descriptor, an mmi_slab, for each:
//
//   [ mmi_slab 0 | 1 | 2 | .. ]      [ unit 0: 48 B | unit 1: 4 KiB | unit 2: idle | .. ]
//
// What is known about a block stands in a byte outside of it, its STATE: slab->states[i] is the
// i-th block's. A slab belongs to one heap, its owner, and only the owner hands out its blocks:
//
//   FREE     idle in its slab                      ---.  mmi_slab_take, when the stack is empty
//   CACHED   idle on its owner's stack             <--'  ---.  memmgr_malloc
//   LIVE     the program's                               <--'  memmgr_free: CACHED again; when the
//                                                             stack is full its older half is FREE
//   REMOTE   freed by another thread, until its owner takes notice: FREE
//
//   slab->count == FREE + CACHED + LIVE + REMOTE        slab->free_count == FREE
//
// A byte instead of a bit, so that handing out a block is a store that waits for nothing. LIVE
// names the size, too: a thread that frees too late, when the unit has been cut anew, frees none.
//
// clang-format on
enum {
    MMI_STATE_FREE = 0,
    MMI_STATE_CACHED = 1,
    MMI_STATE_REMOTE = 2,
    MMI_STATE_LIVE = 0x40 // | size_index
};

#define MMI_UNIT_SHIFT 16
#define MMI_UNIT ((size_t)1 << MMI_UNIT_SHIFT)
#define MMI_SMALL_MAX ((size_t)32768) // bytes, the largest block of a slab
#define MMI_SIZES 40u                 // block sizes of slabs: see mmi_slab_size

typedef struct mmi_slab mmi_slab;
typedef struct mmi_heap mmi_heap;

// A cached block.
typedef struct {
    void *block;
    uint8_t *state;
} mmi_item;

// What a thread heap has of one size: a stack of cached blocks, items bottom to top, and those of
// its slabs that have FREE blocks.
typedef struct {
    mmi_item *top, *bottom, *limit;
    mmi_slab *partial;
    uint8_t live; // the state of its blocks when they are handed out
} mmi_bin;

// A unit's descriptor. The first 64 bytes are what memmgr_free looks at, in whichever thread: they
// change seldom. The rest is the owner's, and the arena's when the unit is idle.
struct mmi_slab {
    uintptr_t owner;     // the mmi_heap; 0 for an idle unit
    uint8_t *states;     // one for each block; the unit's for ever, or until it needs more
    mmi_bin *bin;        // the owner's
    mmi_slab *told_next; // in owner->told[size_index]
    uint32_t multiplier; // 2^32 / block size, rounded up
    uint16_t size_index;
    uint8_t live; // MMI_STATE_LIVE | size_index
    uint8_t told; // 1: it stands in a list of some heap's `told`, or is about to
    uint8_t unused[64 - 4 * sizeof(void *) - 8];

    uintptr_t start;            // the unit's address
    mmi_slab *next, *prev;      // in bin->partial; of idle units in the arena's lists
    uint16_t count, free_count; // blocks
    uint16_t cursor;            // no block before it is FREE
    bool listed;                // in bin->partial; of an idle unit: among those with pages
    uint8_t order;              // there is room for 64 << order states
    uint8_t unused_too[64 - 3 * sizeof(void *) - 8];
};

// A thread's heap. It outlives its thread: then it is parked, and the next thread takes it over.
struct mmi_heap {
    mmi_bin bins[MMI_SIZES];
    uintptr_t base; // the first arena, as memmgr_free asks for it: its first unit's address,
    size_t unit_count;
    mmi_slab *units; // and descriptors
    mmi_heap *next, *next_parked;
    bool parked;
    uintptr_t issued;   // blocks that left their slabs, of all time
    uintptr_t outside;  // bytes of the blocks that are not FREE
    uintptr_t visit_at; // the next mmi_heap_visit is due when `issued` is that,
    uint32_t visited;   // and the last was then, in milliseconds
    uint8_t unused[64];
    uintptr_t told[MMI_SIZES]; // slabs with REMOTE blocks: others push, the owner takes all
};

// A row of units, and before their descriptors what is known about the row. A thread that is late
// with a free may find a unit by its address when the memory has gone: so descriptors, and states,
// are for ever those of one address, and an arena whose memory was given back gets it there again,
// or not at all. used <= fresh <= unit_count
typedef struct mmi_arena {
    uintptr_t base;     // of the first unit
    size_t unit_count;  // 0: its memory was given back
    size_t fresh, used; // the units from `fresh` on have never been used; those that are slabs
    mmi_slab *units;    // their descriptors
    size_t unit_room;   // for how many units there are descriptors: so many come back
    void *memory;       // as it was mapped,
    size_t size;        // bytes
    struct mmi_arena *before; // which had this one's place, and was not to be had again yet
} mmi_arena;

#define MMI_ARENAS_MAX 256u
#define MMI_ARENA_LEAST (8 * MMI_UNIT)
#define MMI_META ((size_t)4 << 20) // bytes mapped at once for heaps and states
#define MMI_BIN_DEPTH 128u         // cached blocks of a size, at most,
#define MMI_BIN_DEPTH_LEAST 4u
#define MMI_BIN_BYTES ((size_t)64 << 10) // and in between by what they come to
#define MMI_PARKED_MOST SIZE_MAX
#define MMI_PARKED_ASKED ((size_t)16) // parked heaps that are asked for a slab
#define MMI_IDLE_MILLISECONDS 1000u   // after which idle memory goes back to the system
#define MMI_PURGED_UNITS ((size_t)64) // given back at once
#define MMI_VISIT_BLOCKS 1024u        // a heap looks after it when it has taken so many more

MMI_STATIC_ASSERT(sizeof(mmi_slab) == 128);
MMI_STATIC_ASSERT(sizeof(mmi_arena) <= sizeof(mmi_slab)); // it stands in the place of a descriptor
MMI_STATIC_ASSERT((MMI_UNIT / MMI_GRANULE) <= UINT16_MAX);

#endif // MMI_HAS_HEAPS

#endif // USE_MEMORY_MGR

// >>os

// One contract, one block for each system:
//   mmi_os_page()                bytes; what map returns is aligned to it
//   mmi_os_map(size)             zeroed memory, size a multiple of the page, or NULL
//   mmi_os_map_again(memory, size)  the same where it was before it was unmapped, or false
//   mmi_os_unmap(memory, size)   gives back what map returned, whole
//   mmi_os_purge(memory, size)   gives whole pages back, keeps the addresses; bytes that were held
//   mmi_os_no_memory()           errno
//   mmi_os_write_error(text)     one line for whoever looks
//   mmi_os_shows_colours(file)   1, 2: is stdout, stderr a terminal whose user wants colours?
//   mmi_os_reserve(most, least, size)  maps what is only reserved until it is used
//   mmi_os_clock()                 milliseconds, from no known time, in coarse steps
//   mmi_os_nanoseconds()           the same, finer
//   mmi_os_at_exit(end)            end() is called when the program ends
//   mmi_os_at_fork(before, after, in_child)  called around each fork
//   mmi_os_at_thread_end(end)      end(value) is called when a thread ends that has said
//   mmi_os_thread_has(value)       to have a value
//   mmi_lock_...                 mutual exclusion, not recursive

#if MMI_POSIX

#if defined(MAP_ANONYMOUS)
#define MMI_MAP_ANONYMOUS MAP_ANONYMOUS
#elif defined(MAP_ANON)
#define MMI_MAP_ANONYMOUS MAP_ANON
#elif defined(__linux__) // a strict -std=c..: the C library hides what Linux has
#include <asm/mman.h>
#define MMI_MAP_ANONYMOUS MAP_ANONYMOUS
extern int madvise(void *, size_t, int);
extern int mincore(void *, size_t, unsigned char *);
#else
#error "memmgr: no anonymous mappings here: define MEMMGR_NO_OS"
#endif
#if defined(MAP_NORESERVE)
#define MMI_MAP_FLAGS (MAP_PRIVATE | MMI_MAP_ANONYMOUS | MAP_NORESERVE)
#else
#define MMI_MAP_FLAGS (MAP_PRIVATE | MMI_MAP_ANONYMOUS)
#endif

MMI_FN size_t mmi_os_page(void) {
    long page = sysconf(_SC_PAGESIZE);
    MMI_ASSERT(page > 0); // POSIX has it everywhere
    return (size_t)page;
}

// At an address, where it is free, or wherever there is room.
MMI_FN void *mmi_os_map_near(void *address, size_t size) {
    void *memory = mmap(address, size, PROT_READ | PROT_WRITE, MMI_MAP_FLAGS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
#if defined(MEMMGR_HUGE_PAGES) && defined(MADV_HUGEPAGE)
    (void)madvise(memory, size, MADV_HUGEPAGE);
#endif
    return memory;
}

MMI_FN void *mmi_os_map(size_t size) { return mmi_os_map_near(NULL, size); }

MMI_FN void mmi_os_unmap(void *memory, size_t size) {
    int error = errno, failed = munmap(memory, size);
    MMI_ASSERT(!failed);
    (void)failed;
    errno = error;
}

#if MMI_HAS_HEAPS
MMI_FN bool mmi_os_map_again(void *memory, size_t size) {
    void *at = mmi_os_map_near(memory, size);
    if (at && at != memory) mmi_os_unmap(at, size);
    return at == memory;
}
#endif

#define MMI_OS_RESERVE ((size_t)1 << (sizeof(size_t) > 4 ? 30 : 26)) // address space, to start with

#if defined(__linux__) && defined(MADV_DONTNEED)
MMI_FN size_t mmi_os_purge(void *memory, size_t size) {
    unsigned char resident[1024];
    const size_t page = mmi_os_page(),
                 most = 4096 * sizeof resident; // qemu counts the host's pages
    size_t held = 0;
    int error = errno;
    if (size % page != 0) return 0; // a unit that is part of a page: the system would round up
    for (size_t done = 0; done < size;) {
        char *at = (char *)memory + done;
        size_t part = size - done < most ? size - done : most;
        size_t before = held;
        bool known = mincore(at, part, resident) == 0;
        for (size_t i = 0; known && i < part / page; i++)
            held += (resident[i] & 1u) ? page : 0;
        if (!known || held != before) (void)madvise(at, part, MADV_DONTNEED);
        done += part;
    }
    errno = error;
    return held;
}
#else
// The BSDs and macOS take the pages when they need them; how many were held they do not tell.
MMI_FN size_t mmi_os_purge(void *memory, size_t size) {
#if defined(MADV_FREE)
    int error = errno;
    if (size % mmi_os_page() == 0) (void)madvise((char *)memory, size, MADV_FREE);
    errno = error;
#else
    (void)memory, (void)size;
#endif
    return 0;
}
#endif

MMI_FN void mmi_os_no_memory(void) { errno = ENOMEM; }

MMI_FN void mmi_os_write_error(const char *text, size_t length) {
    int error = errno;
    while (length > 0) {
        ssize_t written = write(2, text, length);
        if (written <= 0) break;
        text += written;
        length -= (size_t)written;
    }
    errno = error;
}

MMI_FN bool mmi_os_shows_colours(int file) {
    int error = errno;
    const char *unwanted = getenv("NO_COLOR"), *kind = getenv("TERM");
    bool dumb = !kind || mmi_text_same(kind, "dumb");
    bool shows = !dumb && (!unwanted || !*unwanted) && isatty(file);
    errno = error;
    return shows;
}

MMI_FN void mmi_os_abort(void) { abort(); }

MMI_FN void mmi_os_yield(bool longer) {
    int error = errno;
    if (longer)
        (void)poll(NULL, 0, 1); // a millisecond
    else
        (void)sched_yield();
    errno = error;
}

MMI_FN uint32_t mmi_os_clock(void) {
    struct timespec now = {0, 0};
#if defined(CLOCK_MONOTONIC_COARSE)
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#elif defined(CLOCK_MONOTONIC)
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
#else
    now.tv_sec = time(NULL);
#endif
    return (uint32_t)now.tv_sec * 1000u + (uint32_t)(now.tv_nsec / 1000000);
}

MMI_FN uint64_t mmi_os_nanoseconds(void) {
    struct timespec now = {0, 0};
#if defined(CLOCK_MONOTONIC)
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
#else
    now.tv_sec = time(NULL);
#endif
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

MMI_FN void mmi_os_at_exit(void (*end)(void)) { (void)atexit(end); }

#if MMI_THREADS && MMI_HAS_HEAPS
static pthread_key_t mmi_os_key;
static bool mmi_os_has_key;

MMI_FN void mmi_os_at_thread_end(void (*end)(void *)) {
    mmi_os_has_key = pthread_key_create(&mmi_os_key, end) == 0;
}
MMI_FN void mmi_os_thread_has(void *value) {
    if (mmi_os_has_key) (void)pthread_setspecific(mmi_os_key, value);
}
MMI_FN void mmi_os_no_thread_end(void) {
    if (mmi_os_has_key) (void)pthread_key_delete(mmi_os_key);
    mmi_os_has_key = false;
}
#endif

MMI_FN void mmi_os_at_fork(void (*before)(void), void (*after)(void), void (*in_child)(void)) {
#if MMI_THREADS
    (void)pthread_atfork(before, after, in_child);
#else
    (void)before, (void)after, (void)in_child;
#endif
}

#elif MMI_WINDOWS

#define MMI_OS_RESERVE ((size_t)1 << 26) // bytes: it counts as used from the beginning

MMI_FN size_t mmi_os_page(void) {
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

MMI_FN void *mmi_os_map(size_t size) {
    return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

#if MMI_HAS_HEAPS
MMI_FN bool mmi_os_map_again(void *memory, size_t size) {
    return VirtualAlloc(memory, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) != NULL;
}
#endif

MMI_FN void mmi_os_unmap(void *memory, size_t size) {
    (void)size;
    (void)VirtualFree(memory, 0, MEM_RELEASE);
}

MMI_FN size_t mmi_os_purge(void *memory, size_t size) {
    return VirtualAlloc(memory, size, MEM_RESET, PAGE_READWRITE) ? size : 0;
}

MMI_FN void mmi_os_no_memory(void) { errno = ENOMEM; }

MMI_FN void mmi_os_write_error(const char *text, size_t length) {
    DWORD written;
    (void)WriteFile(GetStdHandle(STD_ERROR_HANDLE), text, (DWORD)length, &written, NULL);
}

// A console that has been told to understand escapes.
MMI_FN bool mmi_os_shows_colours(int file) {
    DWORD mode, understands = 4; // ENABLE_VIRTUAL_TERMINAL_PROCESSING, which old headers lack
    if (GetEnvironmentVariableA("NO_COLOR", NULL, 0) > 1) return false;
    if (!GetConsoleMode(GetStdHandle(file == 1 ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE), &mode))
        return false;
    return (mode & understands) != 0;
}

MMI_FN void mmi_os_abort(void) { abort(); }
MMI_FN void mmi_os_yield(bool longer) {
    if (longer)
        Sleep(1);
    else
        (void)SwitchToThread();
}
MMI_FN uint32_t mmi_os_clock(void) { return (uint32_t)GetTickCount(); }
MMI_FN uint64_t mmi_os_nanoseconds(void) {
    LARGE_INTEGER now, second;
    (void)QueryPerformanceCounter(&now);
    (void)QueryPerformanceFrequency(&second);
    return (uint64_t)((double)now.QuadPart / (double)second.QuadPart * 1e9);
}
MMI_FN void mmi_os_at_exit(void (*end)(void)) { (void)atexit(end); }

#if MMI_THREADS && MMI_HAS_HEAPS
static DWORD mmi_os_key = FLS_OUT_OF_INDEXES;

static void (*mmi_os_thread_end)(void *);

static void WINAPI mmi_os_fiber_ends(void *value) { mmi_os_thread_end(value); }

MMI_FN void mmi_os_at_thread_end(void (*end)(void *)) {
    mmi_os_thread_end = end;
    mmi_os_key = FlsAlloc(mmi_os_fiber_ends);
}
MMI_FN void mmi_os_thread_has(void *value) {
    if (mmi_os_key != FLS_OUT_OF_INDEXES) (void)FlsSetValue(mmi_os_key, value);
}
#endif

MMI_FN void mmi_os_at_fork(void (*before)(void), void (*after)(void), void (*in_child)(void)) {
    (void)before, (void)after, (void)in_child; // there is no fork
}

#elif MMI_WASM

#if defined(__STRICT_ANSI__) // a strict -std=c..: the C library hides what WASI has
#ifdef __cplusplus
extern "C"
#endif
    int
    clock_gettime(const struct __clockid *, struct timespec *);
#endif

// What is given back waits here for the next call, lowest address first; no two of them touch.
typedef struct mmi_os_idle {
    struct mmi_os_idle *next;
    size_t size;
} mmi_os_idle;

static mmi_os_idle *mmi_os_idle_first;
static mmi_lock mmi_os_idle_lock;

MMI_FN size_t mmi_os_page(void) { return 65536; }

MMI_FN void *mmi_os_grow(size_t size) {
    size_t pages = __builtin_wasm_memory_grow(0, (size + 65535) / 65536);
    return pages != SIZE_MAX ? (void *)(pages * 65536) : NULL;
}

// The lower part of the first that is large enough, zeroed again; NULL for none.
MMI_FN void *mmi_os_take_idle(size_t size) {
    mmi_os_idle **link = &mmi_os_idle_first;
    while (*link && (*link)->size < size)
        link = &(*link)->next;
    mmi_os_idle *idle = *link;
    if (!idle) return NULL;
    if (idle->size > size) {
        mmi_os_idle *rest = (mmi_os_idle *)(void *)((char *)idle + size);
        rest->next = idle->next;
        rest->size = idle->size - size;
        *link = rest;
    } else {
        *link = idle->next;
    }
    mmi_bytes_fill(idle, 0, size);
    return idle;
}

MMI_FN void mmi_os_give_idle(void *memory, size_t size) {
    mmi_os_idle *idle = (mmi_os_idle *)memory, *before = NULL, *next = mmi_os_idle_first;
    for (; next && next < idle; next = next->next)
        before = next;
    idle->next = next;
    idle->size = size;
    if (next && (char *)idle + size == (char *)next) {
        idle->size += next->size;
        idle->next = next->next;
    }
    if (before && (char *)before + before->size == (char *)idle) {
        before->size += idle->size;
        before->next = idle->next;
    } else {
        *(before ? &before->next : &mmi_os_idle_first) = idle;
    }
}

MMI_FN void mmi_os_no_memory(void) { errno = ENOMEM; }
MMI_FN void mmi_os_write_error(const char *text, size_t length) { (void)write(2, text, length); }
MMI_FN bool mmi_os_shows_colours(int file) {
    (void)file;
    return false;
}
MMI_FN void mmi_os_abort(void) { abort(); }
MMI_FN void mmi_os_yield(bool longer) { (void)longer; }
MMI_FN uint64_t mmi_os_nanoseconds(void) {
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
MMI_FN void mmi_os_at_exit(void (*end)(void)) { (void)atexit(end); }
MMI_FN void mmi_os_at_fork(void (*before)(void), void (*after)(void), void (*in_child)(void)) {
    (void)before, (void)after, (void)in_child; // there is no fork
}

#else

MMI_FN size_t mmi_os_page(void) { return 4096; }
MMI_FN void *mmi_os_map(size_t size) {
    (void)size;
    return NULL;
}
MMI_FN void mmi_os_unmap(void *memory, size_t size) { (void)memory, (void)size; }
MMI_FN size_t mmi_os_purge(void *memory, size_t size) {
    (void)memory, (void)size;
    return 0;
}
MMI_FN void mmi_os_no_memory(void) {}
#ifdef MEMMGR_NO_STDIO
#define MMI_OS_WRITES 0
#endif
MMI_FN void mmi_os_write_error(const char *text, size_t length) {
#ifndef MEMMGR_NO_STDIO
    (void)fwrite(text, 1, length, stderr);
#else
    (void)text, (void)length;
#endif
}
MMI_FN bool mmi_os_shows_colours(int file) {
    (void)file;
    return false;
}
MMI_FN void mmi_os_abort(void) {
    for (;;) {
    }
}
MMI_FN void mmi_os_yield(bool longer) { (void)longer; }
MMI_FN uint64_t mmi_os_nanoseconds(void) { return 0; }
MMI_FN void mmi_os_at_exit(void (*end)(void)) { (void)end; }

#endif

#ifndef MMI_OS_WRITES
#define MMI_OS_WRITES 1 // does mmi_os_write_error write anywhere?
#endif

#if MMI_HAS_HEAPS
#if !MMI_THREADS
MMI_FN void mmi_os_thread_has(void *value) { (void)value; }
#endif

// Maps as many bytes as can be had, from `most` down to `least`; where that is less than `most`, a
// quarter of it, for others need memory, too. NULL: not even `least`.
MMI_FN void *mmi_os_reserve(size_t most, size_t least, size_t *size) {
    void *memory = NULL;
    for (*size = most; *size >= least && !(memory = mmi_os_map(*size));)
        *size /= 2;
    if (!memory || *size == most || *size / 4 < least) return memory;
    mmi_os_unmap(memory, *size);
    return mmi_os_map(*size /= 4);
}
#endif

// Lock order: a pool's lock, the watch's, the arenas', the large blocks', the trace's. Sources,
// visitors, writers and strategies may make general calls while a pool's is held.
#if MMI_ONE_LOCK
MMI_FN void mmi_lock_acquire(mmi_lock *lock) {
    (void)lock;
    MEMMGR_LOCK();
}
MMI_FN void mmi_lock_release(mmi_lock *lock) {
    (void)lock;
    MEMMGR_UNLOCK();
}
MMI_FN void mmi_lock_hand_over(mmi_lock *lock) { mmi_lock_release(lock); }
#elif MMI_THREADS

// Test and test-and-set, giving the processor away while another thread holds it; and after a while
// for longer, for that may be a thread of lower priority, which a yield alone would never let run.
// Who sleeps marks the lock by taking it with a 2 (Drepper, "Futexes Are Tricky", 2011).
MMI_COLD void mmi_lock_wait(mmi_lock *lock) {
    unsigned spins = 0;
    do {
        for (; spins < 512 && mmi_atomic_load(&lock->held); spins++)
            if (spins >= 64) mmi_os_yield(false);
        if (spins < 512)
            spins = 0;
        else
            mmi_os_yield(true);
        MMI_PAUSE("lock is free");
    } while (mmi_atomic_exchange(&lock->held, spins == 0 ? 1 : 2));
}

MMI_INLINE void mmi_lock_acquire(mmi_lock *lock) {
#if MMI_TELLS_THREADS
    if (__libc_single_threaded) { // nobody to exclude, so no locked instruction
        lock->held = 1;
        return;
    }
#endif
    if (MMI_UNLIKELY(mmi_atomic_exchange(&lock->held, 1))) mmi_lock_wait(lock);
}

MMI_INLINE void mmi_lock_release(mmi_lock *lock) { mmi_atomic_store(&lock->held, 0); }

// Of a lock that is held while the program's own code runs, which may be slow. Its thread comes
// back at once: one that sleeps would hardly ever find the lock free.
MMI_FN void mmi_lock_hand_over(mmi_lock *lock) {
    bool awaited = mmi_atomic_load(&lock->held) == 2;
    mmi_lock_release(lock);
    if (awaited) mmi_os_yield(true);
}
#else
MMI_FN void mmi_lock_acquire(mmi_lock *lock) { (void)lock; }
MMI_FN void mmi_lock_release(mmi_lock *lock) { (void)lock; }
MMI_FN void mmi_lock_hand_over(mmi_lock *lock) { (void)lock; }
#endif

#if MMI_WASM
MMI_FN void *mmi_os_map(size_t size) {
    mmi_lock_acquire(&mmi_os_idle_lock);
    void *memory = mmi_os_take_idle(size);
    mmi_lock_release(&mmi_os_idle_lock);
    return memory ? memory : mmi_os_grow(size);
}

MMI_FN void mmi_os_unmap(void *memory, size_t size) {
    mmi_lock_acquire(&mmi_os_idle_lock);
    mmi_os_give_idle(memory, size);
    mmi_lock_release(&mmi_os_idle_lock);
}

MMI_FN size_t mmi_os_purge(void *memory, size_t size) {
    (void)memory, (void)size;
    return 0;
}
#endif

// >>report

// The table of errors, and the handler that hears of them.

#define MMI_ERRORS(X)                                                                              \
    X(MEMMGR_OK, "no error")                                                                       \
    X(MEMMGR_OUT_OF_MEMORY, "there is no room for a block of this size")                           \
    X(MEMMGR_BAD_ARGUMENT, "an argument is outside what the call accepts")                         \
    X(MEMMGR_DOUBLE_FREE, "the pointer points to memory that is free already")                     \
    X(MEMMGR_INTERIOR_POINTER,                                                                     \
      "the pointer points into managed memory, but not to the start of a block")                   \
    X(MEMMGR_FOREIGN_POINTER, "the pointer points to memory that is not managed here")             \
    X(MEMMGR_OVERRUN, "bytes before or behind the block were written to")                          \
    X(MEMMGR_USE_AFTER_FREE, "a block was written to after it had been freed")                     \
    X(MEMMGR_CORRUPT, "the memory manager's own data are damaged")                                 \
    X(MEMMGR_LEAK, "the block was never freed")

#define MMI_ERROR_NAME(name, text) #name,
#define MMI_ERROR_TEXT(name, text) text,
static const char *const mmi_report_names[] = {MMI_ERRORS(MMI_ERROR_NAME)};
static const char *const mmi_report_texts[] = {MMI_ERRORS(MMI_ERROR_TEXT)};
#define MMI_ERROR_COUNT (sizeof mmi_report_names / sizeof *mmi_report_names)

MMI_FN const char *mmi_report_name(memmgr_error error) {
    return (size_t)error < MMI_ERROR_COUNT ? mmi_report_names[error] : "unknown error";
}

MMI_FN const char *mmi_report_text(memmgr_error error) {
    return (size_t)error < MMI_ERROR_COUNT ? mmi_report_texts[error] : "unknown error";
}

static struct {
    memmgr_error_handler handler; // NULL: the default one
    void *ctx;
} mmi_report_to;

MMI_FN void mmi_report_write(const char *text, size_t length, void *ctx) {
    (void)ctx;
    mmi_os_write_error(text, length);
}

// A place in the program, behind some words; nothing when it is not known.
MMI_FN void mmi_report_place(mmi_text *line, const char *words, const char *file, int number,
                             const void *code) {
    if (!file && !code) return;
    mmi_text_string(line, words);
    if (file) {
        mmi_text_string(line, file);
        mmi_text_char(line, ':');
        mmi_text_number(line, (size_t)number);
    } else {
        mmi_text_pointer(line, code);
    }
}

// Where a block was changed: "first at byte 24".
MMI_FN void mmi_report_offset(mmi_text *line, const memmgr_report *report) {
    if (report->error != MEMMGR_OVERRUN && report->error != MEMMGR_USE_AFTER_FREE) return;
    size_t distance = (size_t)report->offset;
    mmi_text_string(line, ", first at byte ");
    if (report->offset < 0) mmi_text_char(line, '-');
    mmi_text_number(line, report->offset < 0 ? 0 - distance : distance);
}

// memmgr: MEMMGR_DOUBLE_FREE at a.c:7: 0x7f...: the pointer points to memory that is free already,
// 24 bytes, allocated at a.c:5, freed at a.c:6, pool x
MMI_COLD void mmi_report_line(const memmgr_report *report) {
    mmi_text line;
    mmi_text_open(&line, mmi_report_write, NULL);
    mmi_text_string(&line, "memmgr: ");
    mmi_text_string(&line, mmi_report_name(report->error));
    mmi_report_place(&line, " at ", report->file, report->line, report->caller);
    mmi_text_string(&line, ": ");
    if (report->pointer) {
        mmi_text_pointer(&line, report->pointer);
        mmi_text_string(&line, ": ");
    }
    mmi_text_string(&line, mmi_report_text(report->error));
    if (report->count > 1) {
        mmi_text_string(&line, ", ");
        mmi_text_number(&line, report->count);
        mmi_text_string(&line, " blocks");
    }
    if (report->size) {
        mmi_text_string(&line, ", ");
        mmi_text_number(&line, report->size);
        mmi_text_string(&line, report->size == 1 ? " byte" : " bytes");
    }
    mmi_report_offset(&line, report);
    mmi_report_place(&line, ", allocated at ", report->alloc_file, report->alloc_line,
                     report->alloc_caller);
    mmi_report_place(&line, ", freed at ", report->free_file, report->free_line,
                     report->free_caller);
    if (report->pool) {
        mmi_text_string(&line, ", pool ");
        mmi_text_name(&line, *(const char *const *)(const void *)report->pool, false);
    }
    mmi_text_string(&line, "\n");
    mmi_text_flush(&line);
}

// Tells the handler. No lock is held: it may call memmgr. The default one says nothing where there
// is nowhere to say it.
MMI_COLD void mmi_report_send(const memmgr_report *report) {
    if (mmi_report_to.handler) {
        mmi_report_to.handler(report, mmi_report_to.ctx);
        return;
    }
    if (MMI_OS_WRITES) mmi_report_line(report);
#ifdef MEMMGR_ABORT_ON_MISUSE
    mmi_os_abort();
#endif
}

// A place as a report and a block tell it: a file and its line, or code.
MMI_FN void mmi_report_caller(mmi_caller from, const char **file, int *line, const void **code) {
    *file = from.line ? from.file : NULL;
    *line = (int)from.line;
    *code = from.line ? NULL : from.file;
}

// What is found out about a call, before anything is known of the block.
MMI_COLD memmgr_report mmi_report_of(memmgr_error error, const void *pointer,
                                     const memmgr_pool *pool, mmi_caller caller) {
    memmgr_report report;
    mmi_bytes_fill(&report, 0, sizeof report);
    report.error = error;
    report.pointer = pointer;
    report.pool = pool;
    mmi_report_caller(caller, &report.file, &report.line, &report.caller);
    return report;
}

MMI_COLD void mmi_report(memmgr_error error, const void *pointer, const void *block, size_t size,
                         const memmgr_pool *pool, mmi_caller caller) {
    memmgr_report report = mmi_report_of(error, pointer, pool, caller);
    report.block = block;
    report.size = size;
    mmi_report_send(&report);
}

// A caller as the API's functions are told of it.
MMI_INLINE mmi_caller mmi_caller_of(const char *file, int line, const void *code) {
    mmi_caller caller = {(const char *)code, 0};
    if (!file || line <= 0) return caller;
    caller.file = file;
    caller.line = (uint32_t)line;
    return caller;
}

#define MMI_NOBODY mmi_caller_of(NULL, 0, NULL)
#define MMI_CALLER mmi_caller_of(NULL, 0, MMI_RETURN_ADDRESS)
#define MMI_CALLER_AT mmi_caller_of(file, line, MMI_RETURN_ADDRESS)

MEMMGR_API void memmgr_set_error_handler(memmgr_error_handler handler, void *ctx) {
    mmi_report_to.handler = handler;
    mmi_report_to.ctx = ctx;
}

MEMMGR_API const char *memmgr_error_name(memmgr_error error) { return mmi_report_name(error); }
MEMMGR_API const char *memmgr_error_text(memmgr_error error) { return mmi_report_text(error); }

// >>fault

// Allocations that fail on purpose, so that a program can be seen to survive it.

MMI_FN void mmi_fault_set(mmi_faults *faults, const memmgr_faults *asked) {
    mmi_bytes_fill(faults, 0, sizeof *faults);
    if (!asked) return;
    uint64_t one_in = asked->one_in;
    faults->nth = asked->nth;
    faults->one_in = one_in < UINT32_MAX ? (uint32_t)one_in : UINT32_MAX;
    uint64_t mixed = (asked->seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
    faults->random = (uint32_t)(mixed >> 32) | 1;
}

MMI_INLINE bool mmi_fault_is_set(const mmi_faults *faults) {
    return faults->nth != 0 || faults->one_in != 0;
}

// Is this allocation one of them? The generator is Marsaglia's xorshift (2003).
MMI_FN bool mmi_fault_strikes(mmi_faults *faults) {
    bool strikes = faults->nth == 1;
    if (faults->nth != 0) faults->nth--;
    if (faults->one_in == 0) return strikes;
    faults->random ^= faults->random << 13;
    faults->random ^= faults->random >> 17;
    faults->random ^= faults->random << 5;
    return strikes || faults->random % faults->one_in == 0;
}

// >>site

// Where live blocks come from: what each place in the program holds, gathered in one walk in a
// table of fixed size, for pictures and for leaks.
//
//     mmi_site_open(&sites);
//     walk(heap, mmi_site_note, &sites);
//     mmi_site_sort(&sites);    now sites.table[0 .. sites.count) are the sites, largest first

enum {
#ifdef MEMMGR_NO_OS
    MMI_SITE_SLOTS = 32,
#else
    MMI_SITE_SLOTS = 512, // 16 KiB
#endif
    MMI_SITE_MOST = MMI_SITE_SLOTS - MMI_SITE_SLOTS / 8, // a search soon meets an empty slot
    MMI_SITE_CODE = -1
};

// One place in the program.
typedef struct {
    const void *place; // a file's name, or where line is MMI_SITE_CODE the code that called
    const void *first; // the first of its blocks that was shown
    size_t bytes;      // that were asked for
    uint32_t blocks;   // at most UINT32_MAX
    int line;          // 0: not known
} mmi_site;

//   every live block is counted once: in a site of the table, in `others` or in `unknown`
//   bytes == what these hold
typedef struct {
    mmi_site table[MMI_SITE_SLOTS]; // by hash; without a place: empty
    mmi_site others;                // of which came when the table was full
    mmi_site unknown;               // of blocks that are not tracked
    size_t bytes;
    uint32_t count; // sites in the table, at most MMI_SITE_MOST
} mmi_sites;

MMI_FN void mmi_site_open(mmi_sites *sites) { mmi_bytes_fill(sites, 0, sizeof *sites); }

// The file's name, or NULL.
MMI_FN const char *mmi_site_file(const mmi_site *site) {
    return site->line != MMI_SITE_CODE ? (const char *)site->place : NULL;
}

// The code that called where there is no file, or NULL.
MMI_FN const void *mmi_site_caller(const mmi_site *site) {
    return site->line == MMI_SITE_CODE ? site->place : NULL;
}

MMI_FN uint32_t mmi_site_hash(const void *place, int line) {
    const char *at = (const char *)place;
    uint32_t hash = 2166136261u ^ (uint32_t)line;
    if (line == MMI_SITE_CODE)
        for (uintptr_t rest = (uintptr_t)place; rest != 0; rest >>= 8)
            hash = (hash ^ (uint32_t)(rest & 255)) * 16777619u;
    else
        for (; *at != '\0'; at++)
            hash = (hash ^ (uint32_t)(unsigned char)*at) * 16777619u;
    return hash ^ hash >> 16;
}

// One header's name may stand at several addresses, one for each file that includes it.
MMI_FN bool mmi_site_is(const mmi_site *site, const void *place, int line) {
    if (site->line != line) return false;
    if (site->place == place || line == MMI_SITE_CODE) return site->place == place;
    return mmi_text_same((const char *)site->place, (const char *)place);
}

// The site of that place, a new one if need be; `others` when there is no room for it.
MMI_FN mmi_site *mmi_site_find(mmi_sites *sites, const void *place, int line) {
    uint32_t i = mmi_site_hash(place, line) % MMI_SITE_SLOTS;
    while (sites->table[i].place && !mmi_site_is(&sites->table[i], place, line))
        i = (i + 1) % MMI_SITE_SLOTS;
    if (sites->table[i].place) return &sites->table[i];
    if (sites->count == MMI_SITE_MOST) return &sites->others;
    sites->count++;
    sites->table[i].place = place;
    sites->table[i].line = line;
    return &sites->table[i];
}

// A memmgr_visitor whose ctx is a mmi_sites.
MMI_FN bool mmi_site_note(const memmgr_block *block, void *ctx) {
    mmi_sites *sites = (mmi_sites *)ctx;
    const void *place = block->file ? (const void *)block->file : block->caller;
    int line = block->line > 0 ? block->line : 0;
    mmi_site *site = &sites->unknown;
    if (!block->live) return true;
    if (place) site = mmi_site_find(sites, place, block->file ? line : MMI_SITE_CODE);
    size_t bytes = place ? block->requested : block->size;
    if (!site->first) site->first = block->address;
    if (site->blocks != UINT32_MAX) site->blocks++;
    site->bytes += bytes;
    sites->bytes += bytes;
    return true;
}

MMI_FN bool mmi_site_is_larger(const mmi_site *site, const mmi_site *other) {
    if (site->bytes != other->bytes) return site->bytes > other->bytes;
    if (site->blocks != other->blocks) return site->blocks > other->blocks;
    return (uintptr_t)site->first < (uintptr_t)other->first;
}

// Sorts the table by insertion, in place. Nothing can be noted any more.
MMI_FN void mmi_site_sort(mmi_sites *sites) {
    uint32_t count = 0, at;
    for (uint32_t i = 0; i < MMI_SITE_SLOTS; i++) {
        mmi_site site = sites->table[i];
        if (!site.place) continue;
        for (at = count++; at > 0 && mmi_site_is_larger(&site, &sites->table[at - 1]); at--)
            sites->table[at] = sites->table[at - 1];
        sites->table[at] = site;
    }
}

// Line i of a table of the `most` largest: line `most` is all the rest, line most + 1 what is not
// tracked. One without blocks has nothing to say.
MMI_FN mmi_site mmi_site_line(const mmi_sites *sites, uint32_t most, uint32_t i) {
    mmi_site line = {NULL, NULL, 0, 0, 0};
    if (i < most) return i < sites->count ? sites->table[i] : line;
    line = i == most ? sites->others : sites->unknown;
    line.place = i == most ? "other sites" : "not tracked";
    for (uint32_t j = most; i == most && j < sites->count; j++) {
        uint32_t room = UINT32_MAX - line.blocks, blocks = sites->table[j].blocks;
        line.bytes += sites->table[j].bytes;
        line.blocks += blocks < room ? blocks : room;
    }
    return line;
}

// main.c:120, or 0x401136, in at most `most` characters.
MMI_FN void mmi_site_text(mmi_text *text, const mmi_site *site, size_t most, unsigned form) {
    const char *file = mmi_site_file(site);
    size_t digits = 1;
    if (!file) {
        mmi_text_pointer(text, mmi_site_caller(site));
        return;
    }
    for (int line = site->line; line != 0; line /= 10)
        digits++;
    mmi_text_ending(text, file, most - (site->line > 0 ? digits : 0), form);
    if (site->line == 0) return;
    mmi_text_char(text, ':');
    mmi_text_number(text, (size_t)site->line);
}

// --- leaks

// The live blocks of a heap: by site, or where they are not tracked the first few one by one. They
// are noted in a walk and told after it, for the handler may free them.
//   blocks == those in the sites + untracked
#define MMI_LEAKS_TOLD 16
typedef struct {
    mmi_sites sites;
    memmgr_block told[MMI_LEAKS_TOLD];
    size_t blocks, untracked;
    size_t rest; // bytes of the untracked blocks that are not told one by one
} mmi_leaks;

MMI_FN void mmi_site_open_leaks(mmi_leaks *leaks) {
    mmi_site_open(&leaks->sites);
    leaks->blocks = leaks->untracked = leaks->rest = 0;
}

// A memmgr_visitor whose ctx is a mmi_leaks.
MMI_FN bool mmi_site_note_leak(const memmgr_block *block, void *ctx) {
    mmi_leaks *leaks = (mmi_leaks *)ctx;
    if (!block->live) return true;
    leaks->blocks++;
    if (block->file || block->caller) return mmi_site_note(block, &leaks->sites);
    if (leaks->untracked < MMI_LEAKS_TOLD)
        leaks->told[leaks->untracked] = *block;
    else
        leaks->rest += block->size;
    leaks->untracked++;
    return true;
}

MMI_FN void mmi_site_report_leak(const void *block, size_t count, size_t size,
                                 const memmgr_pool *pool, const mmi_site *site) {
    memmgr_report report = mmi_report_of(MEMMGR_LEAK, block, pool, MMI_NOBODY);
    report.block = block;
    report.size = size;
    report.count = count;
    if (site) {
        report.alloc_file = mmi_site_file(site);
        report.alloc_line = report.alloc_file ? site->line : 0;
        report.alloc_caller = mmi_site_caller(site);
    }
    mmi_report_send(&report);
}

// One report for each of the largest sites and one for the others; then the same for blocks that
// are not tracked. Returns how many blocks there are.
MMI_FN size_t mmi_site_report_leaks(mmi_leaks *leaks, const memmgr_pool *pool) {
    mmi_site_sort(&leaks->sites);
    for (uint32_t i = 0; i <= MMI_LEAKS_TOLD; i++) {
        mmi_site site = mmi_site_line(&leaks->sites, MMI_LEAKS_TOLD, i);
        bool rest = i == MMI_LEAKS_TOLD;
        if (site.blocks != 0)
            mmi_site_report_leak(rest ? NULL : site.first, site.blocks, site.bytes, pool,
                                 rest ? NULL : &site);
    }
    for (size_t i = 0; i < leaks->untracked && i < MMI_LEAKS_TOLD; i++) {
        const memmgr_block *block = &leaks->told[i];
        mmi_site_report_leak(block->address, 1, block->size, pool, NULL);
    }
    if (leaks->rest != 0)
        mmi_site_report_leak(NULL, leaks->untracked - MMI_LEAKS_TOLD, leaks->rest, pool, NULL);
    return leaks->blocks;
}

#ifdef USE_MEMORY_MGR

// >>record

// A watched block's record and guards: write, check, describe. Nothing here knows where raw blocks
// come from.

// Bytes from a raw block to the block in it.
MMI_INLINE size_t mmi_record_front(unsigned shift) {
    return shift <= MMI_GRANULE_SHIFT ? MMI_FRONT : mmi_align_up(MMI_FRONT, (size_t)1 << shift);
}

// Bytes of a raw block for so many of the program's; SIZE_MAX when there can be none.
MMI_INLINE size_t mmi_record_raw_size(unsigned shift, size_t size) {
    size_t more = mmi_record_front(shift) + MMI_GUARD;
    return size <= SIZE_MAX - more ? size + more : SIZE_MAX;
}

MMI_INLINE char *mmi_record_block(const mmi_record *record) {
    return (char *)(uintptr_t)record + mmi_record_front(record->shift);
}

// The check of a record, or a copy of one, that lies at an address. An odd factor loses nothing: if
// one field is another, the sum is another.
MMI_INLINE uint32_t mmi_record_sum(const mmi_record *record, uintptr_t address) {
    uint64_t from = (uint64_t)(uintptr_t)record->file + ((uint64_t)record->line << 32);
    uint64_t freed = (uint64_t)(uintptr_t)record->freed_file + ((uint64_t)record->freed_line << 32);
    uint64_t sum = from * UINT64_C(0x9E3779B97F4A7C15) + freed * UINT64_C(0xD6E8FEB86659FD93);
    sum += (uint64_t)record->requested * UINT64_C(0xC2B2AE3D27D4EB4F);
    sum += (uint64_t)record->serial * UINT64_C(0x165667B19E3779F9);
    sum += (uint64_t)address + ((uint64_t)record->lost << 8) + record->shift;
    return (uint32_t)(sum >> 32) ^ (uint32_t)sum;
}

MMI_INLINE bool mmi_record_is_valid(const mmi_record *record) {
    uint16_t state = mmi_atomic_half(&record->state);
    bool known =
        state == MMI_RECORD_LIVE || state == MMI_RECORD_QUARANTINED || state == MMI_RECORD_FREED;
    return MMI_LIKELY(known) && record->shift < 8 * sizeof(size_t) &&
           record->check == mmi_record_sum(record, (uintptr_t)record);
}

// Bytes of the guard before a block: what lies between it and the record, but no more than some.
MMI_INLINE size_t mmi_record_guard_size(const mmi_record *record) {
    size_t size = mmi_record_front(record->shift) - MMI_RECORD_SIZE;
    return size <= MMI_GUARD_MOST ? size : MMI_GUARD_MOST;
}

// Writes a block's guards; not the one behind it where its size is a guess.
MMI_INLINE void mmi_record_write_guards(mmi_record *record) {
    char *block = mmi_record_block(record);
    if (MMI_LIKELY(record->shift <= MMI_GRANULE_SHIFT)) {
        mmi_bytes_fill(block - MMI_GUARD, MMI_GUARD_BYTE, MMI_GUARD);
    } else {
        size_t before = mmi_record_guard_size(record);
        mmi_bytes_fill(block - before, MMI_GUARD_BYTE, before);
    }
    if (!record->lost) mmi_bytes_fill(block + record->requested, MMI_GUARD_BYTE, MMI_GUARD);
}

// Makes a raw block a watched one.
MMI_INLINE void mmi_record_write(mmi_record *record, unsigned shift, size_t requested,
                                 size_t serial, mmi_caller caller) {
    record->file = caller.file;
    record->line = caller.line;
    record->freed_file = NULL;
    record->freed_line = 0;
    record->requested = requested;
    record->serial = serial;
    record->shift = (uint8_t)shift;
    record->lost = 0;
    record->check = mmi_record_sum(record, (uintptr_t)record);
    mmi_atomic_half_store(&record->state, MMI_RECORD_LIVE);
    mmi_record_write_guards(record);
}

// Makes a record good that was overwritten. What is left to know is the raw block's size, and
// perhaps where in it the block begins.
MMI_COLD void mmi_record_rewrite(mmi_record *record, size_t raw_size, unsigned shift) {
    uint16_t state = record->state;
    size_t around = mmi_record_front(shift) + MMI_GUARD;
    mmi_record_write(record, shift, raw_size > around ? raw_size - around : 0, 0, MMI_NOBODY);
    record->lost = 1;
    record->check = mmi_record_sum(record, (uintptr_t)record);
    if (state != MMI_RECORD_QUARANTINED) return;
    char *block = mmi_record_block(record);
    record->state = state;
    mmi_tool_open(block, record->requested);
    mmi_bytes_fill(block, MMI_FILL_FREED, record->requested); // it may be longer than it was
}

// May a block that starts at an address belong to a record? Then it is aligned to 1 << *shift.
MMI_COLD bool mmi_record_may_have(const mmi_record *record, const void *block, unsigned *shift) {
    size_t front = (uintptr_t)block - (uintptr_t)record;
    *shift = MMI_GRANULE_SHIFT;
    if (front > MMI_FRONT) *shift = mmi_bits_lowest((mmi_word)front); // a front is MMI_FRONT or 2^n
    return front == mmi_record_front(*shift);
}

// The first of some bytes that has not a value; `size` when all have.
MMI_FN size_t mmi_record_differs(const char *bytes, size_t size, int value) {
    const uint64_t all = (uint64_t)0x0101010101010101u * (uint8_t)value;
    size_t i = 0;
    for (uint64_t word; size - i >= sizeof word; i += sizeof word) {
        mmi_bytes_copy(&word, bytes + i, sizeof word);
        if (word != all) break;
    }
    while (i < size && (uint8_t)bytes[i] == (uint8_t)value)
        i++;
    return i;
}

MMI_INLINE bool mmi_record_guard_holds(const char *guard) {
    const uint64_t whole = (uint64_t)0x0101010101010101u * MMI_GUARD_BYTE;
    uint64_t first, second;
    mmi_bytes_copy(&first, guard, sizeof first);
    mmi_bytes_copy(&second, guard + sizeof first, sizeof second);
    return first == whole && second == whole;
}

// The same for both guards of a block with no alignment above 16, if it is one.
MMI_INLINE bool mmi_record_is_guarded(const mmi_record *record) {
    const char *block = (const char *)record + MMI_FRONT;
    return record->shift <= MMI_GRANULE_SHIFT && !record->lost &&
           mmi_record_guard_holds(block - MMI_GUARD) &&
           mmi_record_guard_holds(block + record->requested);
}

// Are both guards as they were? Else the first byte that is not, from the block's start.
MMI_FN bool mmi_record_guards_hold(const mmi_record *record, ptrdiff_t *offset) {
    const char *block = mmi_record_block(record);
    size_t before = mmi_record_guard_size(record);
    size_t at = mmi_record_differs(block - before, before, MMI_GUARD_BYTE);
    if (at != before) {
        *offset = (ptrdiff_t)at - (ptrdiff_t)before;
        return false;
    }
    if (record->lost || mmi_record_guard_holds(block + record->requested)) return true;
    at = mmi_record_differs(block + record->requested, MMI_GUARD, MMI_GUARD_BYTE);
    *offset = (ptrdiff_t)(record->requested + at);
    return false;
}

// Was a block that is in quarantine left alone?
MMI_FN bool mmi_record_is_untouched(const mmi_record *record, ptrdiff_t *offset) {
    const char *block = mmi_record_block(record);
    size_t at = mmi_record_differs(block, record->requested, MMI_FILL_FREED);
    *offset = (ptrdiff_t)at;
    return at == record->requested && mmi_record_guards_hold(record, offset);
}

// What a record tells of its block.
MMI_FN void mmi_record_describe(const mmi_record *record, memmgr_report *report) {
    mmi_caller from = {record->file, record->line},
               freed = {record->freed_file, record->freed_line};
    report->size = record->requested;
    report->serial = record->serial;
    mmi_report_caller(from, &report->alloc_file, &report->alloc_line, &report->alloc_caller);
    if (record->state != MMI_RECORD_LIVE)
        mmi_report_caller(freed, &report->free_file, &report->free_line, &report->free_caller);
}

MMI_FN memmgr_block mmi_record_shown(const mmi_record *record, size_t raw_size) {
    mmi_caller from = {record->file, record->line};
    bool live = mmi_atomic_half(&record->state) == MMI_RECORD_LIVE;
    memmgr_block shown = mmi_block_shown(mmi_record_block(record), record->requested, live);
    shown.overhead = raw_size - record->requested;
    shown.before = mmi_record_front(record->shift);
    shown.serial = record->serial;
    mmi_report_caller(from, &shown.file, &shown.line, &shown.caller);
    return shown;
}

// >>trace

// Writes down every allocation and free, in the format that the manual describes.

#ifdef MEMMGR_NO_OS
enum { MMI_TRACE_SITES = 16, MMI_TRACE_BYTES = 64 };
#else
enum { MMI_TRACE_SITES = 1024, MMI_TRACE_BYTES = 512 };
#endif

enum {
    MMI_TRACE_END,
    MMI_TRACE_ALLOC,
    MMI_TRACE_FREE,
    MMI_TRACE_RESIZE,
    MMI_TRACE_FAIL,
    MMI_TRACE_THREAD,
    MMI_TRACE_HEAP,
    MMI_TRACE_SITE,
    MMI_TRACE_CLEAR,
    MMI_TRACE_ZEROED = 0x10,
    MMI_TRACE_ALIGNED = 0x20
};

// Under its lock. bytes[0 .. length) are to be written.
static struct {
    mmi_lock lock;
    uint8_t on; // may be asked without the lock
    memmgr_writer write;
    void *ctx;
    uint64_t time;     // of the last event, nanoseconds
    uintptr_t address; // in the last event
    unsigned threads, thread;
    const void *heap;
    size_t length;
    mmi_caller sites[MMI_TRACE_SITES];
    char bytes[MMI_TRACE_BYTES];
} mmi_trace;

#if MMI_HAS_HEAPS
static MMI_THREAD_LOCAL unsigned mmi_trace_thread; // its number, 1 the first that is seen; or 0
#else
static unsigned mmi_trace_thread; // threads are not told apart
#endif

MMI_INLINE bool mmi_trace_is_on(void) { return MMI_WATCH && mmi_atomic_byte(&mmi_trace.on) != 0; }

MMI_FN void mmi_trace_flush(void) {
    if (mmi_trace.length != 0) mmi_trace.write(mmi_trace.bytes, mmi_trace.length, mmi_trace.ctx);
    mmi_trace.length = 0;
}

MMI_FN void mmi_trace_byte(unsigned value) {
    mmi_trace.bytes[mmi_trace.length++] = (char)value;
    if (mmi_trace.length == MMI_TRACE_BYTES) mmi_trace_flush();
}

MMI_FN void mmi_trace_number(uint64_t number) {
    for (; number >= 0x80; number >>= 7)
        mmi_trace_byte((unsigned)(number & 0x7F) | 0x80);
    mmi_trace_byte((unsigned)number);
}

MMI_FN void mmi_trace_address(const void *pointer) {
    uintptr_t address = (uintptr_t)pointer;
    uint64_t step = (uint64_t)address - mmi_trace.address; // of 64 bits everywhere, as a reader's
    mmi_trace.address = address;
    mmi_trace_number(step >> 63 ? ~step << 1 | 1 : step << 1);
}

MMI_FN void mmi_trace_text(const char *text) {
    size_t length = 0;
    while (text[length] != '\0')
        length++;
    mmi_trace_number(length);
    while (*text != '\0')
        mmi_trace_byte((unsigned char)*text++);
}

// The number of a call's place, told before it is used; 0 when it is not known.
MMI_FN unsigned mmi_trace_site(mmi_caller caller) {
    if (!caller.file) return 0;
    uint64_t mixed =
        ((uint64_t)(uintptr_t)caller.file + caller.line) * UINT64_C(0x9E3779B97F4A7C15);
    unsigned slot = (unsigned)(mixed >> 40) % MMI_TRACE_SITES;
    mmi_caller *site = &mmi_trace.sites[slot];
    if (site->file == caller.file && site->line == caller.line) return slot + 1;
    *site = caller;
    mmi_trace_byte(MMI_TRACE_SITE);
    mmi_trace_number(slot + 1);
    mmi_trace_number(caller.line);
    if (caller.line)
        mmi_trace_text(caller.file);
    else
        mmi_trace_number((uintptr_t)caller.file);
    return slot + 1;
}

MMI_FN void mmi_trace_time(void) {
    uint64_t now = mmi_os_nanoseconds();
    mmi_trace_number(now > mmi_trace.time ? now - mmi_trace.time : 0);
    mmi_trace.time = now;
}

// Begins an event, and says before what is new about its thread, heap and site. False, and no lock
// held, when there is no trace.
MMI_FN bool mmi_trace_begin(unsigned kind, const memmgr_pool *pool, mmi_caller caller,
                            unsigned *site) {
    mmi_lock_acquire(&mmi_trace.lock);
    if (!mmi_trace_is_on()) {
        mmi_lock_release(&mmi_trace.lock);
        return false;
    }
    if (mmi_trace_thread == 0) mmi_trace_thread = ++mmi_trace.threads;
    if (mmi_trace.thread != mmi_trace_thread) {
        mmi_trace.thread = mmi_trace_thread;
        mmi_trace_byte(MMI_TRACE_THREAD);
        mmi_trace_number(mmi_trace_thread);
    }
    if (mmi_trace.heap != pool) {
        mmi_trace.heap = pool;
        mmi_trace_byte(MMI_TRACE_HEAP);
        mmi_trace_number((uintptr_t)pool);
        mmi_trace_text(pool ? pool->desc.name : "heap");
    }
    *site = mmi_trace_site(caller);
    mmi_trace_byte(kind);
    mmi_trace_time();
    return true;
}

MMI_FN void mmi_trace_alloc(const memmgr_pool *pool, const void *block, size_t size, unsigned shift,
                            bool zeroed, mmi_caller caller) {
    unsigned site, kind = MMI_TRACE_ALLOC;
    bool aligned = shift > MMI_GRANULE_SHIFT;
    if (zeroed) kind |= MMI_TRACE_ZEROED;
    if (aligned) kind |= MMI_TRACE_ALIGNED;
    if (!block) kind = MMI_TRACE_FAIL;
    if (!mmi_trace_begin(kind, pool, caller, &site)) return;
    if (block) mmi_trace_address(block);
    mmi_trace_number(size);
    if (block && aligned) mmi_trace_number(shift);
    mmi_trace_number(site);
    mmi_lock_hand_over(&mmi_trace.lock);
}

// Before the block may become another's.
MMI_FN void mmi_trace_free(const memmgr_pool *pool, const void *block, mmi_caller caller) {
    unsigned site;
    if (!mmi_trace_begin(MMI_TRACE_FREE, pool, caller, &site)) return;
    mmi_trace_address(block);
    mmi_trace_number(site);
    mmi_lock_hand_over(&mmi_trace.lock);
}

MMI_FN void mmi_trace_resize(const memmgr_pool *pool, const void *from, const void *to, size_t size,
                             mmi_caller caller) {
    unsigned site;
    if (!mmi_trace_begin(MMI_TRACE_RESIZE, pool, caller, &site)) return;
    mmi_trace_address(from);
    mmi_trace_address(to);
    mmi_trace_number(size);
    mmi_trace_number(site);
    mmi_lock_hand_over(&mmi_trace.lock);
}

// Every block of a pool is freed.
MMI_FN void mmi_trace_clear(const memmgr_pool *pool) {
    unsigned site;
    if (!mmi_trace_begin(MMI_TRACE_CLEAR, pool, MMI_NOBODY, &site)) return;
    mmi_trace.heap = &mmi_trace; // there may be another pool in its place
    mmi_lock_hand_over(&mmi_trace.lock);
}

// False when there is one already.
MMI_FN bool mmi_trace_start(memmgr_writer write, void *ctx) {
    mmi_lock_acquire(&mmi_trace.lock);
    bool starts = !mmi_trace_is_on();
    if (starts) {
        mmi_bytes_fill(mmi_trace.sites, 0, sizeof mmi_trace.sites);
        mmi_trace.write = write;
        mmi_trace.ctx = ctx;
        mmi_trace.time = mmi_os_nanoseconds();
        mmi_trace.address = 0;
        mmi_trace.thread = 0;
        mmi_trace.heap = NULL;
        mmi_trace.length = 0;
        for (const char *magic = "memmgr trace 1\n"; *magic != '\0'; magic++)
            mmi_trace_byte((unsigned char)*magic);
        mmi_atomic_byte_store(&mmi_trace.on, 1);
    }
    mmi_lock_release(&mmi_trace.lock);
    return starts;
}

MMI_FN void mmi_trace_stop(void) {
    mmi_lock_acquire(&mmi_trace.lock);
    if (mmi_trace_is_on()) {
        mmi_trace_byte(MMI_TRACE_END);
        mmi_trace_flush();
    }
    mmi_atomic_byte_store(&mmi_trace.on, 0);
    mmi_lock_release(&mmi_trace.lock);
}

// A fork finds the trace at rest; the child has none, for its parent goes on with it.
MMI_FN void mmi_trace_before_fork(void) {
    if (MMI_WATCH && !MMI_ONE_LOCK) mmi_lock_acquire(&mmi_trace.lock);
}
MMI_FN void mmi_trace_after_fork(bool in_child) {
    if (!MMI_WATCH) return;
    if (in_child) mmi_atomic_byte_store(&mmi_trace.on, 0);
    if (!MMI_ONE_LOCK) mmi_lock_release(&mmi_trace.lock);
}

// >>map

// The two bits of every granule: mark, test, find the length and the neighbours. The map is the
// truth about a segment; all else is found from it. It never looks at the granules' memory.

MMI_INLINE mmi_entry *mmi_map_of(const mmi_segment *segment) {
    return (mmi_entry *)((uintptr_t)segment + segment->map_offset);
}

MMI_INLINE uint32_t mmi_map_entry(uint32_t granule) { return granule / MMI_ENTRY_GRANULES; }
MMI_INLINE unsigned mmi_map_bit(uint32_t granule) { return granule % MMI_ENTRY_GRANULES; }
MMI_INLINE uint32_t mmi_map_first(uint32_t entry) { return entry * MMI_ENTRY_GRANULES; }

MMI_INLINE mmi_word mmi_map_mask(uint32_t granule) { return (mmi_word)1 << mmi_map_bit(granule); }

MMI_INLINE bool mmi_map_live_span(const mmi_entry *entry) {
    return entry->start == 0 && (entry->used & 7) == MMI_SPAN_LIVE;
}

MMI_INLINE bool mmi_map_free_span(const mmi_entry *entry) {
    return entry->start == 0 && (entry->used & 7) == MMI_SPAN_FREE;
}

MMI_INLINE uint32_t mmi_map_span(const mmi_entry *entry) {
    return (uint32_t)(entry->used >> MMI_SPAN_SHIFT);
}

MMI_INLINE mmi_word mmi_map_span_mark(uint32_t entries, unsigned kind) {
    return (mmi_word)entries << MMI_SPAN_SHIFT | kind;
}

// Which granules of an entry blocks lie on. Not to be asked of a live span's first entry, where it
// means nothing: whoever comes by way of the index, or from a block's end, does not get there.
MMI_INLINE mmi_word mmi_map_taken(const mmi_entry *entry) {
    return mmi_map_free_span(entry) ? 0 : entry->start | entry->used;
}

// Where blocks may end: granules that do not go on with the one before them.
MMI_INLINE mmi_word mmi_map_ends(const mmi_entry *entry) { return entry->start | ~entry->used; }

MMI_INLINE bool mmi_map_is_live(const mmi_entry *map, uint32_t granule) {
    const mmi_entry *entry = map + mmi_map_entry(granule);
    return (entry->start & entry->used) >> mmi_map_bit(granule) & 1;
}

MMI_INLINE bool mmi_map_is_kept(const mmi_entry *map, uint32_t granule) {
    const mmi_entry *entry = map + mmi_map_entry(granule);
    return (entry->start & ~entry->used) >> mmi_map_bit(granule) & 1;
}

// The length of a block that does not end in its first entry.
MMI_FN uint32_t mmi_map_length_beyond(const mmi_entry *map, uint32_t block) {
    uint32_t next = mmi_map_entry(block) + 1;
    if (mmi_map_live_span(map + next)) next += mmi_map_span(map + next);
    while (mmi_map_ends(map + next) == 0) // twice at most: a lone whole entry, a whole last one
        next++;
    return mmi_map_first(next) + mmi_bits_lowest(mmi_map_ends(map + next)) - block;
}

// The length of a block that ends in its first entry or the next; 0 for a longer one. Whether it
// crosses into the next is a coin toss, so that is not branched on.
MMI_INLINE uint32_t mmi_map_length_short(const mmi_entry *map, uint32_t block) {
    const mmi_entry *entry = map + mmi_map_entry(block);
    unsigned bit = mmi_map_bit(block);
    mmi_word next = mmi_map_live_span(entry + 1) ? 0 : mmi_map_ends(entry + 1);
    mmi_word ends = mmi_map_ends(entry) >> bit >> 1 | next << (MMI_WORD_BITS - 1 - bit);
    if (MMI_LIKELY(ends != 0)) return 1 + mmi_bits_lowest(ends);
    ends = next >> bit >> 1;
    return ends != 0 ? MMI_ENTRY_GRANULES + 1 + mmi_bits_lowest(ends) : 0;
}

// The length of the block, live or kept, that starts at a granule.
MMI_INLINE uint32_t mmi_map_length(const mmi_entry *map, uint32_t block) {
    mmi_word ends = mmi_map_ends(map + mmi_map_entry(block)) >> mmi_map_bit(block) >> 1;
    if (MMI_LIKELY(ends != 0)) return 1 + mmi_bits_lowest(ends);
    return mmi_map_length_beyond(map, block);
}

// The end of the last block in the entries before `entry`, behind which there is only free memory.
MMI_FN uint32_t mmi_map_run_start_beyond(const mmi_entry *map, uint32_t entry) {
    while (entry > 0) { // three times at most: a lone whole entry or a span, then the end
        const mmi_entry *left = map + entry - 1;
        mmi_word taken = mmi_map_taken(left);
        if (taken) return mmi_map_first(entry - 1) + mmi_bits_highest(taken) + 1;
        entry -= mmi_map_free_span(left) ? mmi_map_span(left) : 1;
    }
    return 0;
}

// The first granule of the free run that ends before `granule`; `granule` itself if there is none.
MMI_INLINE uint32_t mmi_map_run_start(const mmi_entry *map, uint32_t granule) {
    uint32_t entry = mmi_map_entry(granule);
    mmi_word before = mmi_map_taken(map + entry) & (mmi_map_mask(granule) - 1);
    if (before) return mmi_map_first(entry) + mmi_bits_highest(before) + 1;
    return mmi_map_run_start_beyond(map, entry);
}

// The first block in the entries from `entry` on, before which there is only free memory.
MMI_FN uint32_t mmi_map_run_end_beyond(const mmi_entry *map, uint32_t entry) {
    for (;;) { // three times at most, as above; the sentinel stops it
        const mmi_entry *right = map + entry;
        mmi_word taken = mmi_map_taken(right);
        if (taken) return mmi_map_first(entry) + mmi_bits_lowest(taken);
        entry += mmi_map_free_span(right) ? mmi_map_span(right) : 1;
    }
}

// The granule behind the free run that starts at `granule`; `granule` itself if it is taken.
MMI_INLINE uint32_t mmi_map_run_end(const mmi_entry *map, uint32_t granule) {
    uint32_t entry = mmi_map_entry(granule);
    mmi_word behind = mmi_map_taken(map + entry) >> mmi_map_bit(granule);
    if (behind) return granule + mmi_bits_lowest(behind);
    return mmi_map_run_end_beyond(map, entry + (mmi_map_bit(granule) != 0));
}

// Marks the span of a free run, where it has one; or with `mark` false clears the marks.
MMI_FN void mmi_map_mark_span(mmi_entry *map, uint32_t at, uint32_t end, bool mark) {
    uint32_t first = mmi_map_entry(at + MMI_ENTRY_GRANULES - 1), behind = mmi_map_entry(end);
    if (first + 2 > behind) return;
    mmi_word word = mark ? mmi_map_span_mark(behind - first, MMI_SPAN_FREE) : 0;
    map[first].used = word;
    map[behind - 1].used = word;
}

// Free granules become a live block. They carry no span mark.
MMI_FN void mmi_map_set(mmi_entry *map, uint32_t block, uint32_t length) {
    uint32_t last = block + length - 1;
    mmi_entry *head = map + mmi_map_entry(block), *tail = map + mmi_map_entry(last);
    head->start |= mmi_map_mask(block);
    if (head == tail) {
        head->used |= mmi_bits_range(mmi_map_bit(block), mmi_map_bit(last));
        return;
    }
    head->used |= mmi_bits_range(mmi_map_bit(block), MMI_WORD_BITS - 1);
    tail->used |= mmi_bits_range(0, mmi_map_bit(last));
    uint32_t between = (uint32_t)(tail - head) - 1;
    if (between == 1) head[1].used = MMI_WORD_ONES;
    if (between >= 2) head[1].used = mmi_map_span_mark(between, MMI_SPAN_LIVE);
}

// A block, live or kept, becomes free granules without a span mark.
MMI_FN void mmi_map_clear(mmi_entry *map, uint32_t block, uint32_t length) {
    uint32_t last = block + length - 1;
    mmi_entry *head = map + mmi_map_entry(block), *tail = map + mmi_map_entry(last);
    head->start &= ~mmi_map_mask(block);
    if (head == tail) {
        head->used &= ~mmi_bits_range(mmi_map_bit(block), mmi_map_bit(last));
        return;
    }
    head->used &= ~mmi_bits_range(mmi_map_bit(block), MMI_WORD_BITS - 1);
    tail->used &= ~mmi_bits_range(0, mmi_map_bit(last));
    if (tail - head > 1) head[1].used = 0;
}

// The free runs that start in an entry, in address order, one a call; the run's length 0 when there
// are no more. `left` starts as mmi_map_runs gives it.
MMI_INLINE mmi_word mmi_map_runs(const mmi_entry *map, uint32_t entry) {
    mmi_word left = ~mmi_map_taken(map + entry);
    bool goes_on = entry > 0 && mmi_map_taken(map + entry - 1) >> (MMI_WORD_BITS - 1) == 0;
    return goes_on ? left & (left + 1) : left; // without the run that starts further left
}

MMI_INLINE mmi_run mmi_map_next_run(const mmi_entry *map, uint32_t entry, mmi_word *left) {
    mmi_run run = {0, 0};
    if (*left == 0) return run;
    unsigned bit = mmi_bits_lowest(*left);
    mmi_word rest = *left + ((mmi_word)1 << bit); // carries through the run
    run.at = mmi_map_first(entry) + bit;
    run.length =
        rest ? mmi_bits_lowest(rest & ~*left) - bit : mmi_map_run_end(map, run.at) - run.at;
    *left &= rest;
    return run;
}

// The length of the longest free run that starts in an entry; 0 for none.
MMI_FN uint32_t mmi_map_longest(const mmi_entry *map, uint32_t entry) {
    mmi_word left = mmi_map_live_span(map + entry) ? 0 : mmi_map_runs(map, entry);
    uint32_t longest = 0;
    for (mmi_run run; (run = mmi_map_next_run(map, entry, &left)).length != 0;)
        if (run.length > longest) longest = run.length;
    return longest;
}

// The start of the block that covers a granule, or MMI_NONE for free memory. Linear in the length
// of the block or run: for reports.
MMI_COLD uint32_t mmi_map_block_at(const mmi_entry *map, uint32_t granule) {
    uint32_t entry = mmi_map_entry(granule), at = entry;
    while (at > 0 &&
           (map[at].start | map[at].used) == 0) // inside a span, or an entry free as a whole
        at--;
    if (mmi_map_free_span(map + at)) return MMI_NONE;
    if (mmi_map_live_span(map + at)) {
        MMI_ASSERT(entry < at + mmi_map_span(map + at)); // its block's end is behind it
    } else if (entry != at || !(mmi_map_taken(map + at) >> mmi_map_bit(granule) & 1)) {
        return MMI_NONE;
    }
    mmi_word starts =
        map[at].start & mmi_bits_range(0, entry == at ? mmi_map_bit(granule) : MMI_WORD_BITS - 1);
    while (starts == 0)
        starts = map[--at].start;
    return mmi_map_first(at) + mmi_bits_highest(starts);
}

// >>index

// Finds an entry where a free run starts that is long enough: a tournament tree of bytes, 64 to a
// node. The design is ours; summaries in a radix tree are known from the Go runtime's page
// allocator.

// Size codes, in order of length and up to 255: exact below 64 granules; then 32 to a doubling up
// to 16 KiB, where most blocks are; from there on 4.
#define MMI_CODE_FINE 64u    // the first of 32 to a doubling
#define MMI_CODE_COARSE 192u // the first of 4 to a doubling
#define MMI_CODE_MAX 255u

// The code of a run of this length.
MMI_INLINE unsigned mmi_index_code(uint32_t length) {
    if (length < 64) return length;
    unsigned power = mmi_bits_highest(length);
    if (power < 10) return MMI_CODE_FINE + (power - 6) * 32 + (length >> (power - 5) & 31);
    unsigned code = MMI_CODE_COARSE + (power - 10) * 4 + (length >> (power - 2) & 3);
    return code < MMI_CODE_MAX ? code : MMI_CODE_MAX;
}

// The length of the shortest run with this code.
MMI_FN uint32_t mmi_index_shortest(unsigned code) {
    if (code < MMI_CODE_FINE) return code;
    unsigned step = code - (code < MMI_CODE_COARSE ? MMI_CODE_FINE : MMI_CODE_COARSE);
    if (code < MMI_CODE_COARSE) return (32 + step % 32) << (step / 32 + 1);
    return (4 + step % 4) << (step / 4 + 8);
}

// The lowest code all of whose runs have at least this length; MMI_CODE_MAX + 1 when there is none.
MMI_INLINE unsigned mmi_index_code_for(uint32_t length) {
    unsigned code = mmi_index_code(length);
    return mmi_index_shortest(code) == length ? code : code + 1;
}

#if MMI_SMALL

// Without an index, each entry may be the one that no live span covers.
MMI_INLINE void mmi_index_raise(mmi_segment *segment, uint32_t entry, uint32_t length) {
    (void)segment, (void)entry, (void)length;
}
MMI_INLINE unsigned mmi_index_top(const mmi_segment *segment) {
    (void)segment;
    return 1;
}
MMI_INLINE uint32_t mmi_index_next(const mmi_segment *segment, uint32_t from, unsigned code) {
    const mmi_entry *map = mmi_map_of(segment);
    (void)code;
    if (mmi_map_live_span(map + from)) from += mmi_map_span(map + from);
    return from < segment->entry_count ? from : MMI_NONE;
}

#else

// Fills in the levels for so many entries. Bytes.
MMI_FN size_t mmi_index_lay_out(mmi_segment *segment, size_t entries) {
    size_t nodes = entries, bytes = 0;
    segment->level_count = 0;
    do {
        nodes = (nodes + MMI_NODE - 1) / MMI_NODE;
        segment->level_offset[segment->level_count++] = (uint32_t)bytes;
        bytes += nodes * MMI_NODE;
    } while (nodes > MMI_ROOT_NODES);
    segment->root_nodes = (uint16_t)nodes;
    return bytes;
}

MMI_INLINE uint8_t *mmi_index_level(const mmi_segment *segment, unsigned level) {
    size_t offset = segment->index_offset + segment->level_offset[level];
    return (uint8_t *)((uintptr_t)segment + offset);
}

// Of a node: its largest byte; the place of the first byte, from a place on, that is at least
// `code`; the place of the smallest byte that is at least `code`, which is not 0. MMI_NODE for
// none. Bytes below `code` wrap to the top when it is taken from them, so the smallest is found
// without a branch.
#if MMI_SSE2
MMI_INLINE unsigned mmi_index_largest(const uint8_t *node) {
    const __m128i *part = (const __m128i *)(const void *)node;
    __m128i most = _mm_max_epu8(_mm_loadu_si128(part), _mm_loadu_si128(part + 1));
    most = _mm_max_epu8(most, _mm_loadu_si128(part + 2));
    most = _mm_max_epu8(most, _mm_loadu_si128(part + 3));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 8));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 4));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 2));
    most = _mm_max_epu8(most, _mm_srli_si128(most, 1));
    return (unsigned)_mm_cvtsi128_si32(most) & 0xFF;
}

// A bit for each byte of a quarter of a node: is it at least `code`?
MMI_INLINE uint64_t mmi_index_quarter(const uint8_t *node, unsigned quarter, __m128i codes) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)node + quarter);
    __m128i fits = _mm_cmpeq_epi8(_mm_max_epu8(bytes, codes), bytes);
    return (uint64_t)(unsigned)_mm_movemask_epi8(fits) << (quarter * 16);
}

MMI_INLINE unsigned mmi_index_first(const uint8_t *node, unsigned from, unsigned code) {
    __m128i codes = _mm_set1_epi8((char)code);
    uint64_t fits = mmi_index_quarter(node, 0, codes) | mmi_index_quarter(node, 1, codes);
    fits |= mmi_index_quarter(node, 2, codes) | mmi_index_quarter(node, 3, codes);
    fits &= mmi_bits_range(from, 63);
    return fits ? mmi_bits_lowest(fits) : MMI_NODE;
}

MMI_INLINE unsigned mmi_index_least(const uint8_t *node, unsigned code) {
    const __m128i *part = (const __m128i *)(const void *)node;
    __m128i codes = _mm_set1_epi8((char)code);
    __m128i a = _mm_sub_epi8(_mm_loadu_si128(part), codes);
    __m128i b = _mm_sub_epi8(_mm_loadu_si128(part + 1), codes);
    __m128i c = _mm_sub_epi8(_mm_loadu_si128(part + 2), codes);
    __m128i d = _mm_sub_epi8(_mm_loadu_si128(part + 3), codes);
    __m128i least = _mm_min_epu8(_mm_min_epu8(a, b), _mm_min_epu8(c, d));
    least = _mm_min_epu8(least, _mm_srli_si128(least, 8));
    least = _mm_min_epu8(least, _mm_srli_si128(least, 4));
    least = _mm_min_epu8(least, _mm_srli_si128(least, 2));
    least = _mm_min_epu8(least, _mm_srli_si128(least, 1));
    unsigned above = (unsigned)_mm_cvtsi128_si32(least) & 0xFF;
    if (above > UINT8_MAX - code) return MMI_NODE;
    __m128i key = _mm_set1_epi8((char)above);
    uint64_t equal = (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(a, key));
    equal |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(b, key)) << 16;
    equal |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(c, key)) << 32;
    equal |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(d, key)) << 48;
    return mmi_bits_lowest(equal);
}
#else
MMI_INLINE unsigned mmi_index_largest(const uint8_t *node) {
    uint8_t largest = 0;
    for (unsigned i = 0; i < MMI_NODE; i++)
        if (node[i] > largest) largest = node[i];
    return largest;
}

MMI_INLINE unsigned mmi_index_first(const uint8_t *node, unsigned from, unsigned code) {
    unsigned i = from;
    while (i < MMI_NODE && node[i] < code)
        i++;
    return i;
}

MMI_INLINE unsigned mmi_index_least(const uint8_t *node, unsigned code) {
    uint8_t least = UINT8_MAX;
    for (unsigned i = 0; i < MMI_NODE; i++) {
        uint8_t above = (uint8_t)(node[i] - code);
        if (above < least) least = above;
    }
    if (least > UINT8_MAX - code) return MMI_NODE;
    unsigned i = 0;
    while (node[i] != (uint8_t)(least + code))
        i++;
    return i;
}
#endif

// The largest code of all.
MMI_FN unsigned mmi_index_top(const mmi_segment *segment) {
    const uint8_t *root = mmi_index_level(segment, segment->level_count - 1);
    unsigned top = 0;
    for (uint32_t node = 0; node < segment->root_nodes; node++) {
        unsigned largest = mmi_index_largest(root + node * MMI_NODE);
        if (largest > top) top = largest;
    }
    return top;
}

// Gives an entry its code, and every level above what follows from it.
MMI_FN void mmi_index_set_code(mmi_segment *segment, uint32_t entry, unsigned code) {
    for (unsigned level = 0;; level++) {
        uint8_t *bytes = mmi_index_level(segment, level);
        unsigned old = bytes[entry];
        if (old == code) return;
        bytes[entry] = (uint8_t)code;
        if (level + 1 == segment->level_count) return;
        uint32_t parent = entry / MMI_NODE;
        unsigned most = mmi_index_level(segment, level + 1)[parent];
        if (code < most && old < most) return;
        if (code < most) code = mmi_index_largest(bytes + parent * MMI_NODE);
        entry = parent;
    }
}

// The longest run that starts in an entry has this length.
MMI_FN void mmi_index_set(mmi_segment *segment, uint32_t entry, uint32_t length) {
    mmi_index_set_code(segment, entry, mmi_index_code(length));
}

// A run that starts in an entry has this length; others may be longer.
MMI_FN void mmi_index_raise(mmi_segment *segment, uint32_t entry, uint32_t length) {
    unsigned code = mmi_index_code(length);
    if (code > mmi_index_level(segment, 0)[entry]) mmi_index_set_code(segment, entry, code);
}

// The place in the root of the smallest byte that is at least `code`; MMI_NONE for none.
MMI_INLINE uint32_t mmi_index_find_root(const mmi_segment *segment, unsigned code) {
    const uint8_t *root = mmi_index_level(segment, segment->level_count - 1);
    uint32_t best = MMI_NONE;
    for (uint32_t node = 0; node < segment->root_nodes; node++) {
        unsigned place = mmi_index_least(root + node * MMI_NODE, code);
        if (place == MMI_NODE) continue;
        place += node * MMI_NODE;
        if (best == MMI_NONE || root[place] < root[best]) best = place;
    }
    return best;
}

// An entry whose code is nearly the smallest that is at least `code`; MMI_NONE for none.
MMI_FN uint32_t mmi_index_find(const mmi_segment *segment, unsigned code) {
    uint32_t entry = mmi_index_find_root(segment, code);
    if (entry == MMI_NONE) return MMI_NONE;
    for (unsigned level = segment->level_count - 1; level-- > 0;)
        entry = entry * MMI_NODE +
                mmi_index_least(mmi_index_level(segment, level) + entry * MMI_NODE, code);
    return entry;
}

// The first entry, from an entry on, whose code is at least `code`; MMI_NONE for none.
MMI_FN uint32_t mmi_index_next(const mmi_segment *segment, uint32_t from, unsigned code) {
    unsigned level = 0, place = MMI_NODE;
    uint32_t count = segment->entry_count; // bytes in use on this level
    while (from < count) {                 // up, until one lies to the right
        const uint8_t *node = mmi_index_level(segment, level) + from / MMI_NODE * MMI_NODE;
        place = mmi_index_first(node, from % MMI_NODE, code);
        if (place < MMI_NODE) break;
        if (level + 1 == segment->level_count) { // on to the root's next node
            from = (from / MMI_NODE + 1) * MMI_NODE;
            continue;
        }
        from = from / MMI_NODE + 1;
        count = (count + MMI_NODE - 1) / MMI_NODE;
        level++;
    }
    if (place == MMI_NODE) return MMI_NONE;
    uint32_t entry = from / MMI_NODE * MMI_NODE + place;
    while (level-- > 0) { // down, along the first
        const uint8_t *node = mmi_index_level(segment, level) + entry * MMI_NODE;
        entry = entry * MMI_NODE + mmi_index_first(node, 0, code);
    }
    return entry;
}

#endif // MMI_SMALL

// >>segment

// One stretch of memory: lays it out, takes blocks from its runs, gives them back, resizes them.
// Everything is in granules here; what a pool is comes below.

MMI_INLINE char *mmi_segment_granules(const mmi_segment *segment) {
    return (char *)((uintptr_t)segment + segment->granules_offset);
}

MMI_INLINE void *mmi_segment_address(const mmi_segment *segment, uint32_t granule) {
    return mmi_segment_granules(segment) + ((size_t)granule << MMI_GRANULE_SHIFT);
}

// The granule that starts at an address, or one that is no granule of the segment's for any address
// outside it or off the granules: one rotation makes both a number that is too large.
MMI_INLINE size_t mmi_segment_granule(const mmi_segment *segment, const void *address) {
    size_t offset = (uintptr_t)address - (uintptr_t)mmi_segment_granules(segment);
    return offset >> MMI_GRANULE_SHIFT | offset << (sizeof offset * 8 - MMI_GRANULE_SHIFT);
}

// The largest size with a class in a segment of so many bytes, by which the segment's share of kept
// blocks is known. None under 1 MiB: there every byte counts.
MMI_FN uint32_t mmi_segment_class_limit(size_t size) {
    size_t limit = (size + 16383) >> 14; // up, as a header has been taken off
    if (MMI_SMALL || limit < 64) return 0;
    return limit < MMI_CLASS_MAX ? (uint32_t)limit : MMI_CLASS_MAX;
}

// How many blocks a class may keep: the more the smaller they are, and the larger the segment.
MMI_FN uint32_t mmi_segment_class_depth(uint32_t class_limit, uint32_t length) {
    uint32_t depth = MMI_CLASS_DEPTH_MIN * class_limit / length; // length <= class_limit
    return depth < MMI_CLASS_DEPTH_MAX ? depth : MMI_CLASS_DEPTH_MAX;
}

#if MMI_SMALL
MMI_INLINE size_t mmi_segment_lay_out_lists(mmi_segment *segment, size_t entries,
                                            uint32_t class_limit) {
    (void)segment, (void)entries, (void)class_limit;
    return MMI_SEGMENT_SIZE;
}
MMI_INLINE void mmi_segment_clear_classes(mmi_segment *segment) { (void)segment; }
#else
// The classes, their slots and the index: bytes up to the end of them.
MMI_FN size_t mmi_segment_lay_out_lists(mmi_segment *segment, size_t entries,
                                        uint32_t class_limit) {
    size_t offset = MMI_SEGMENT_SIZE;
    segment->class_limit = class_limit;
    offset += class_limit ? (class_limit + 1) * sizeof(mmi_class) : 0;
    segment->slots_offset = offset;
    for (uint32_t length = 1; length <= class_limit; length++)
        offset += mmi_segment_class_depth(class_limit, length) * sizeof(uint32_t);
    segment->index_offset = mmi_align_up(offset, MMI_GRANULE);
    return segment->index_offset + mmi_index_lay_out(segment, entries);
}

MMI_INLINE mmi_class *mmi_segment_class(const mmi_segment *segment, size_t length) {
    MMI_ASSERT(length <= segment->class_limit);
    return (mmi_class *)((uintptr_t)segment + MMI_SEGMENT_SIZE) + length;
}

MMI_FN void mmi_segment_clear_classes(mmi_segment *segment) {
    uint32_t slot = 0;
    for (uint32_t length = 1; length <= segment->class_limit; length++) {
        mmi_class *empty = mmi_segment_class(segment, length);
        empty->count = 0;
        empty->depth = (uint16_t)mmi_segment_class_depth(segment->class_limit, length);
        empty->first = slot;
        slot += empty->depth;
    }
    segment->last_merged = 0;
}
#endif

// Bytes that lie in front of the granules in a segment with so many of them; fills in the offsets.
MMI_FN size_t mmi_segment_lay_out(mmi_segment *segment, size_t granules, uint32_t class_limit) {
    size_t entries = (granules + MMI_ENTRY_GRANULES - 1) / MMI_ENTRY_GRANULES;
    segment->granule_count = (uint32_t)granules;
    segment->entry_count = (uint32_t)entries;
    segment->map_offset = mmi_segment_lay_out_lists(segment, entries, class_limit);
    size_t end = segment->map_offset + (entries + 1) * sizeof(mmi_entry);
    segment->granules_offset = mmi_align_up(end, MMI_GRANULE);
    return segment->granules_offset;
}

// As many granules as fit into `size` bytes with what lies in front of them. 0: too small.
MMI_FN size_t mmi_segment_fit_with(mmi_segment *segment, size_t size, uint32_t class_limit) {
    size_t granules = size / MMI_GRANULE;
    if (granules > MMI_GRANULES_MAX) granules = MMI_GRANULES_MAX; // more have no layout
    for (unsigned i = 0; i < 4; i++) { // each time nearer, from above and from below by turns
        size_t front = mmi_segment_lay_out(segment, granules, class_limit);
        size_t room = front < size ? (size - front) / MMI_GRANULE + 8 : 0; // 8: never from below
        granules = room < MMI_GRANULES_MAX ? room : MMI_GRANULES_MAX;
    }
    while (granules > 0 &&
           mmi_segment_lay_out(segment, granules, class_limit) + granules * MMI_GRANULE > size)
        granules--;
    return granules;
}

// The same, with the classes that such a segment is to have. More bytes never give fewer granules:
// where one more class costs more than the bytes that call for it, it waits, and so do they.
MMI_FN size_t mmi_segment_fit(mmi_segment *segment, size_t size, bool classes) {
    uint32_t limit = classes ? mmi_segment_class_limit(size) : 0;
    if (limit > 0 && size >> 15 < MMI_CLASS_MAX) {
        size_t before = (size_t)(limit - 1) << 14; // the last size with fewer
        uint32_t fewer = mmi_segment_class_limit(before);
        size_t granules = mmi_segment_fit_with(segment, before, fewer);
        if (mmi_segment_fit_with(segment, size, limit) < granules) {
            (void)mmi_segment_lay_out(segment, granules, fewer);
            return granules;
        }
    }
    return mmi_segment_fit_with(segment, size, limit);
}

// Tells the index which run is now the longest that starts in an entry.
#if MMI_SMALL
MMI_INLINE void mmi_segment_index(mmi_segment *segment, uint32_t entry) {
    (void)segment, (void)entry;
}
#else
MMI_FN void mmi_segment_index(mmi_segment *segment, uint32_t entry) {
    mmi_index_set(segment, entry, mmi_map_longest(mmi_map_of(segment), entry));
}
#endif

// Tells the index of a run that has come to be, or has grown.
MMI_FN void mmi_segment_index_run(mmi_segment *segment, uint32_t at, uint32_t end) {
    if (at != end) mmi_index_raise(segment, mmi_map_entry(at), end - at);
}

// All granules become one free run. `zeroed`: the memory is known to be zero.
MMI_FN void mmi_segment_clear(mmi_segment *segment, bool zeroed) {
    mmi_entry *map = mmi_map_of(segment);
    uint32_t count = segment->granule_count, entries = segment->entry_count;
    if (!zeroed) {
        char *head = (char *)segment + MMI_SEGMENT_SIZE;
        mmi_bytes_fill(head, 0, segment->granules_offset - MMI_SEGMENT_SIZE);
    }
    map[entries].start = 1;
    map[entries].used = MMI_WORD_ONES;
    if (mmi_map_bit(count) != 0) { // the last entry has fewer granules
        map[entries - 1].start = mmi_map_mask(count);
        map[entries - 1].used = mmi_bits_range(mmi_map_bit(count), MMI_WORD_BITS - 1);
    }
    mmi_segment_clear_classes(segment);
    mmi_map_mark_span(map, 0, count, true);
    mmi_segment_index_run(segment, 0, count);
}

// Makes a segment at `memory`, aligned to 16. NULL when there is no room for one granule.
MMI_FN mmi_segment *mmi_segment_make(void *memory, size_t size, bool classes, bool zeroed) {
    mmi_segment *segment = (mmi_segment *)memory, made;
    MMI_ASSERT((uintptr_t)memory % MMI_GRANULE == 0);
    mmi_bytes_fill(&made, 0, sizeof made);
    if (mmi_segment_fit(&made, size, classes) == 0) return NULL;
    made.size = size;
    mmi_bytes_copy(segment, &made, sizeof made);
    mmi_segment_clear(segment, zeroed);
    return segment;
}

// Where in a run a block with an alignment can lie, lowest first; MMI_NONE where it does not fit.
MMI_INLINE uint32_t mmi_segment_place(const mmi_segment *segment, mmi_run run, uint32_t length,
                                      size_t alignment) {
    uintptr_t start = (uintptr_t)mmi_segment_address(segment, run.at);
    uintptr_t skip = (0 - start) & (alignment - 1);
    if (alignment <= MMI_GRANULE) skip = 0;
    if (run.length < length || skip >> MMI_GRANULE_SHIFT > run.length - length) return MMI_NONE;
    return run.at + (uint32_t)(skip >> MMI_GRANULE_SHIFT);
}

// A block from a run:  [------run------] => [run][block][run]
MMI_FN void mmi_segment_take(mmi_segment *segment, mmi_run run, uint32_t block, uint32_t length) {
    mmi_entry *map = mmi_map_of(segment);
    uint32_t end = run.at + run.length, behind = block + length;
    MMI_ASSERT(run.at <= block && behind <= end);
    mmi_map_mark_span(map, run.at, end, false);
    mmi_map_set(map, block, length);
    mmi_map_mark_span(map, run.at, block, true);
    mmi_map_mark_span(map, behind, end, true);
    mmi_segment_index(segment, mmi_map_entry(run.at));
    mmi_segment_index_run(segment, behind, end);
}

// Free granules that no run knows of yet become part of the run around them:
//   [run][at .. end][run] => [------run------]
MMI_FN void mmi_segment_merge(mmi_segment *segment, uint32_t at, uint32_t end) {
    mmi_entry *map = mmi_map_of(segment);
    uint32_t left = mmi_map_run_start(map, at), right = mmi_map_run_end(map, end);
    mmi_map_mark_span(map, left, at, false);
    mmi_map_mark_span(map, end, right, false);
    mmi_map_mark_span(map, left, right, true);
    if (end != right && mmi_map_entry(end) != mmi_map_entry(left))
        mmi_segment_index(segment, mmi_map_entry(end));
    mmi_segment_index_run(segment, left, right);
#if !MMI_SMALL
    segment->last_merged = mmi_map_entry(left);
#endif
}

// A block, live or kept, becomes free memory, and one run with what is free around it.
MMI_COLD void mmi_segment_give(mmi_segment *segment, uint32_t block, uint32_t length) {
    mmi_map_clear(mmi_map_of(segment), block, length);
    mmi_segment_merge(segment, block, block + length);
}

// Changes the length of a live block where it lies. False, and nothing changed, when there is no
// room behind it.
MMI_FN bool mmi_segment_resize(mmi_segment *segment, uint32_t block, uint32_t length, uint32_t to) {
    mmi_entry *map = mmi_map_of(segment);
    uint32_t end = block + length, right = mmi_map_run_end(map, end);
    if (to > right - block) return false;
    mmi_map_mark_span(map, end, right, false);
    mmi_map_clear(map, block, length);
    mmi_map_set(map, block, to);
    mmi_map_mark_span(map, block + to, right, true);
    if (end != right) mmi_segment_index(segment, mmi_map_entry(end));
    mmi_segment_index_run(segment, block + to, right);
    return true;
}

// >>search

// Which free run a block is taken from, one function for each memmgr_fit.

// What is asked for, in granules and bytes.
typedef struct {
    uint32_t length;
    size_t alignment; // a power of two
    size_t size;      // as the caller gave it
} mmi_request;

// What was found: a run, and where in it the block is to lie. Of no meaning when nothing was.
typedef struct {
    mmi_segment *segment; // NULL: nothing yet
    mmi_run run;
    uint32_t at;
} mmi_found;

// How many runs are looked at that may be long enough or not, when none is that must be.
#define MMI_CANDIDATES 8

#if !MMI_SMALL
// The shortest run that starts in an entry and that the request fits into. False for none.
MMI_FN bool mmi_search_entry(mmi_segment *segment, uint32_t entry, const mmi_request *want,
                             mmi_found *found) {
    const mmi_entry *map = mmi_map_of(segment);
    mmi_word left = mmi_map_runs(map, entry);
    found->segment = NULL;
    found->run.length = UINT32_MAX;
    for (mmi_run run; (run = mmi_map_next_run(map, entry, &left)).length != 0;) {
        if (run.length >= found->run.length) continue;
        uint32_t at = mmi_segment_place(segment, run, want->length, want->alignment);
        if (at == MMI_NONE) continue;
        found->segment = segment;
        found->run = run;
        found->at = at;
    }
    return found->segment != NULL;
}

// Runs that may be long enough or not: the one that grew last, and the first few of the request's
// code or above.
MMI_FN bool mmi_search_candidates(mmi_segment *segment, const mmi_request *want, mmi_found *found) {
    unsigned code = mmi_index_code(want->length);
    uint32_t entry = segment->last_merged;
    if (mmi_index_level(segment, 0)[entry] >= code && mmi_search_entry(segment, entry, want, found))
        return true;
    entry = 0;
    for (unsigned i = 0; i < MMI_CANDIDATES; i++, entry++) {
        entry = mmi_index_next(segment, entry, code);
        if (entry == MMI_NONE) return false;
        if (mmi_search_entry(segment, entry, want, found)) return true;
    }
    return false;
}

// Good fit: an entry whose longest run is nearly the shortest that will do, and the best run in it.
// A run of the request's own code may be too short; one of the next cannot be. Constant time.
MMI_FN bool mmi_search_good(mmi_segment *segment, const mmi_request *want, mmi_found *found) {
    size_t length = want->length;
    if (want->alignment > MMI_GRANULE) length += (want->alignment >> MMI_GRANULE_SHIFT) - 1;
    if (length <= segment->granule_count) {
        unsigned code = mmi_index_code((uint32_t)length);
        for (; code <= MMI_CODE_MAX; code++) { // twice at most
            uint32_t entry = mmi_index_find(segment, code);
            if (entry == MMI_NONE) break;
            if (mmi_search_entry(segment, entry, want, found)) return true;
        }
    }
    return mmi_search_candidates(segment, want, found);
}
#endif

// A run as a strategy sees it.
MMI_FN memmgr_block mmi_search_show(const mmi_found *found) {
    memmgr_block block = mmi_block_shown(NULL, 0, false);
    block.address = mmi_segment_address(found->segment, found->run.at);
    block.size = (size_t)found->run.length << MMI_GRANULE_SHIFT;
    return block;
}

// Does the pool's strategy take a run instead of the best one so far?
MMI_FN bool mmi_search_prefers(const memmgr_pool_desc *desc, const mmi_found *found,
                               const mmi_found *best, size_t size) {
    if (desc->fit != MEMMGR_FIT_CUSTOM)
        return !best->segment || found->run.length < best->run.length;
    memmgr_block candidate = mmi_search_show(found);
    if (!best->segment) return desc->choose(&candidate, NULL, size, desc->choose_ctx);
    memmgr_block shown = mmi_search_show(best);
    return desc->choose(&candidate, &shown, size, desc->choose_ctx);
}

// First fit stops at the first run that fits; best fit and the user's own strategy see all of them.
// `best` is what was found in the segments before. Linear in the segment.
MMI_FN void mmi_search_all(mmi_segment *segment, const mmi_request *want,
                           const memmgr_pool_desc *desc, mmi_found *best) {
    const mmi_entry *map = mmi_map_of(segment);
    unsigned code = mmi_index_code(want->length);
    for (uint32_t entry = 0;; entry++) {
        entry = mmi_index_next(segment, entry, code);
        if (entry == MMI_NONE) return;
        mmi_word left = mmi_map_runs(map, entry);
        for (mmi_run run; (run = mmi_map_next_run(map, entry, &left)).length != 0;) {
            uint32_t at = mmi_segment_place(segment, run, want->length, want->alignment);
            mmi_found found = {segment, run, at};
            if (at == MMI_NONE || !mmi_search_prefers(desc, &found, best, want->size)) continue;
            *best = found;
            if (desc->fit == MEMMGR_FIT_FIRST) return;
        }
    }
}

// >>class

// Size classes: a freed block is kept whole, on a short stack of its exact size, and handed out
// again without a search, a split or a merge. A kept block is free for every test; only the map's
// used bits behind its first granule still hold its place. (Deferred coalescing, as in the quick
// lists of Weinstock and Wulf, with the stacks outside of the blocks as in a thread cache.)

#if MMI_SMALL
MMI_INLINE uint32_t mmi_class_take(mmi_segment *segment, size_t length) {
    (void)segment, (void)length;
    return MMI_NONE;
}
MMI_INLINE bool mmi_class_keep(mmi_segment *segment, uint32_t block, uint32_t length) {
    (void)segment, (void)block, (void)length;
    return false;
}
MMI_INLINE uint32_t mmi_class_batch(const mmi_segment *segment, uint32_t length) {
    (void)segment, (void)length;
    return 1;
}
MMI_INLINE void mmi_class_split(mmi_segment *segment, uint32_t block, uint32_t length,
                                uint32_t count) {
    (void)segment, (void)block, (void)length, (void)count;
}
MMI_INLINE void mmi_class_make_room(mmi_segment *segment, uint32_t block, uint32_t length,
                                    uint32_t to) {
    (void)segment, (void)block, (void)length, (void)to;
}
MMI_INLINE bool mmi_class_flush(mmi_segment *segment) {
    (void)segment;
    return false;
}
#else

MMI_INLINE uint32_t *mmi_class_slots(const mmi_segment *segment, const mmi_class *kept) {
    return (uint32_t *)((uintptr_t)segment + segment->slots_offset) + kept->first;
}

// The newest kept block of a size, live again; MMI_NONE when there is none.
MMI_INLINE uint32_t mmi_class_take(mmi_segment *segment, size_t length) {
    if (length > segment->class_limit) return MMI_NONE;
    mmi_class *kept = mmi_segment_class(segment, length);
    if (kept->count == 0) return MMI_NONE;
    uint32_t block = mmi_class_slots(segment, kept)[--kept->count];
    mmi_map_of(segment)[mmi_map_entry(block)].used |= mmi_map_mask(block);
    return block;
}

// Keeps a live block that is being freed. False when its class is full or there is none.
MMI_INLINE bool mmi_class_keep(mmi_segment *segment, uint32_t block, uint32_t length) {
    MMI_ASSERT(length != 0);
    if (length > segment->class_limit) return false;
    mmi_class *kept = mmi_segment_class(segment, length);
    if (kept->count == kept->depth) return false;
    mmi_class_slots(segment, kept)[kept->count++] = block;
    mmi_map_of(segment)[mmi_map_entry(block)].used &= ~mmi_map_mask(block);
    return true;
}

// How many blocks a class that has run dry asks for at once: an entry's worth, which is never more
// than half its stack.
MMI_FN uint32_t mmi_class_batch(const mmi_segment *segment, uint32_t length) {
    if (length > segment->class_limit) return 1;
    const mmi_class *kept = mmi_segment_class(segment, length);
    if (kept->count != 0) return 1;
    uint32_t count = MMI_ENTRY_GRANULES / length;
    MMI_ASSERT(count <= kept->depth / 2u);
    return count > 1 ? count : 1;
}

// Splits a live block into `count` of a class; the first stays live, the class keeps the others:
//   [-------block-------] => [live][kept][kept][kept]
MMI_FN void mmi_class_split(mmi_segment *segment, uint32_t block, uint32_t length, uint32_t count) {
    mmi_entry *map = mmi_map_of(segment);
    while (--count > 0) { // from the last, so that the next to be handed out lies next
        uint32_t part = block + count * length;
        map[mmi_map_entry(part)].start |= mmi_map_mask(part);
        (void)mmi_class_keep(segment, part, length);
    }
}

// Gives one kept block back to the runs.
MMI_FN void mmi_class_release(mmi_segment *segment, uint32_t block) {
    uint32_t length = mmi_map_length(mmi_map_of(segment), block), place = 0;
    mmi_class *kept = mmi_segment_class(segment, length);
    uint32_t *slots = mmi_class_slots(segment, kept);
    while (slots[place] != block)
        place++;
    kept->count--;
    for (; place < kept->count; place++)
        slots[place] = slots[place + 1];
    mmi_segment_give(segment, block, length);
}

// Gives back the kept blocks behind a live block that is to have another length.
MMI_FN void mmi_class_make_room(mmi_segment *segment, uint32_t block, uint32_t length,
                                uint32_t to) {
    const mmi_entry *map = mmi_map_of(segment);
    uint32_t end = block + length, behind;
    while ((behind = mmi_map_run_end(map, end)) - block < to && mmi_map_is_kept(map, behind))
        mmi_class_release(segment, behind);
}

// Gives all kept blocks back to the runs. Returns whether there were any.
MMI_FN bool mmi_class_flush(mmi_segment *segment) {
    bool any = false;
    for (uint32_t length = 1; length <= segment->class_limit; length++) {
        mmi_class *kept = mmi_segment_class(segment, length);
        const uint32_t *slots = mmi_class_slots(segment, kept);
        for (; kept->count != 0; any = true)
            mmi_segment_give(segment, slots[--kept->count], length);
    }
    return any;
}

#endif // MMI_SMALL

// >>pool

// One or more segments under one roof: enter and leave, find a pointer's segment, allocate, free,
// resize, grow, shrink. Callers hold the lock, where the pool has one, and send the reports when
// they have left it: see >>public.

MMI_INLINE mmi_segment *mmi_pool_first(const memmgr_pool *pool) {
    return (mmi_segment *)((uintptr_t)pool + MMI_POOL_SIZE);
}

// Has it a table, and so more than one segment?
MMI_INLINE bool mmi_pool_has_table(const memmgr_pool *pool) {
    return !MMI_SMALL && pool->segments != NULL;
}

MMI_INLINE mmi_segment *mmi_pool_segment(const memmgr_pool *pool, uint32_t number) {
    return mmi_pool_has_table(pool) ? pool->segments[number] : mmi_pool_first(pool);
}

// The segment whose memory an address lies in, if it lies in any: the last that starts at or below.
MMI_FN mmi_segment *mmi_pool_search_table(const memmgr_pool *pool, const void *address) {
    uint32_t low = 0, high = pool->segment_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if ((uintptr_t)pool->segments[middle] <= (uintptr_t)address)
            low = middle;
        else
            high = middle;
    }
    return pool->segments[low];
}

MMI_INLINE mmi_segment *mmi_pool_segment_of(const memmgr_pool *pool, const void *address) {
    return mmi_pool_has_table(pool) ? mmi_pool_search_table(pool, address) : mmi_pool_first(pool);
}

MMI_INLINE bool mmi_pool_is_alive(const memmgr_pool *pool) {
    return pool != NULL && pool->magic - MMI_MAGIC_PLAIN <= MMI_MAGIC_RECORDED - MMI_MAGIC_PLAIN;
}

MMI_INLINE bool mmi_pool_is_plain(const memmgr_pool *pool) {
    return MMI_LIKELY(pool != NULL) && MMI_LIKELY(pool->magic == MMI_MAGIC_PLAIN);
}

// What a pool's flags and state make of its magic.
MMI_FN uint32_t mmi_pool_magic(const memmgr_pool *pool) {
    if (pool->desc.flags & MMI_RECORDED) return MMI_MAGIC_RECORDED;
    if (pool->desc.flags & (MEMMGR_POOL_LOCKED | MMI_WATCHED)) return MMI_MAGIC_OTHER;
    bool plain = !mmi_pool_has_table(pool) && !mmi_fault_is_set(&pool->faults);
    return plain ? MMI_MAGIC_PLAIN : MMI_MAGIC_OTHER;
}

// To be called when what it looks at has changed.
MMI_FN void mmi_pool_set_magic(memmgr_pool *pool) {
    uint32_t magic = mmi_pool_magic(pool);
    if (pool->magic != magic) pool->magic = magic; // no write to a locked pool's: no lock guards it
}

// Do its calls go through the room watch?
MMI_INLINE bool mmi_pool_is_watched(const memmgr_pool *pool) {
    return MMI_WATCH && ((pool->desc.flags & MMI_WATCHED) || mmi_fault_is_set(&pool->faults));
}

// Tools are told of the granules of watched pools: they are nobody's.
MMI_FN void mmi_pool_close(const memmgr_pool *pool, const mmi_segment *segment) {
    if (pool->desc.flags & MMI_RECORDED)
        mmi_tool_close(mmi_segment_granules(segment),
                       (size_t)segment->granule_count << MMI_GRANULE_SHIFT);
}

// A const pool is one whose blocks stay as they are: its lock, its counts, and what classes keep
// may change.
MMI_INLINE void mmi_pool_lock(const memmgr_pool *pool) {
    if (pool->desc.flags & MEMMGR_POOL_LOCKED) mmi_lock_acquire((mmi_lock *)(uintptr_t)&pool->lock);
}

MMI_INLINE void mmi_pool_unlock(const memmgr_pool *pool) {
    if (pool->desc.flags & MEMMGR_POOL_LOCKED) mmi_lock_release((mmi_lock *)(uintptr_t)&pool->lock);
}

// A live block, as a pointer names it.
typedef struct {
    mmi_segment *segment;
    uint32_t at, length; // granules
} mmi_live;

// What a pointer is that is not the start of a live block.
MMI_COLD memmgr_error mmi_pool_misuse_of(const mmi_segment *segment, const void *address) {
    size_t offset = (uintptr_t)address - (uintptr_t)mmi_segment_granules(segment);
    if (offset >> MMI_GRANULE_SHIFT >= segment->granule_count) return MEMMGR_FOREIGN_POINTER;
    if (offset % MMI_GRANULE != 0) return MEMMGR_INTERIOR_POINTER;
    const mmi_entry *map = mmi_map_of(segment);
    uint32_t block = mmi_map_block_at(map, (uint32_t)(offset >> MMI_GRANULE_SHIFT));
    bool live = block != MMI_NONE && mmi_map_is_live(map, block);
    return live ? MEMMGR_INTERIOR_POINTER : MEMMGR_DOUBLE_FREE;
}

// Finds the live block that starts at an address. MEMMGR_OK, or what the pointer is instead.
MMI_INLINE memmgr_error mmi_pool_locate(const memmgr_pool *pool, const void *address,
                                        mmi_live *block) {
    block->segment = mmi_pool_segment_of(pool, address);
    size_t granule = mmi_segment_granule(block->segment, address);
    const mmi_entry *map = mmi_map_of(block->segment);
    if (MMI_UNLIKELY(granule >= block->segment->granule_count) ||
        MMI_UNLIKELY(!mmi_map_is_live(map, (uint32_t)granule)))
        return mmi_pool_misuse_of(block->segment, address);
    block->at = (uint32_t)granule;
    block->length = mmi_map_length(map, block->at);
    return MEMMGR_OK;
}

// --- growth

MMI_FN void mmi_pool_unmap(const memmgr_pool_desc *desc, void *memory, size_t size) {
    mmi_tool_open(memory, size);
    if (!desc->source.map)
        mmi_os_unmap(memory, size);
    else if (desc->source.unmap)
        desc->source.unmap(memory, size, desc->source.ctx);
}

// Memory from the source, or NULL. A source that gives misaligned memory is one that has none.
MMI_FN void *mmi_pool_map(const memmgr_pool_desc *desc, size_t size) {
    if (!desc->source.map) return mmi_os_map(size);
    void *memory = desc->source.map(size, desc->source.ctx);
    if ((uintptr_t)memory % MMI_GRANULE == 0) return memory;
    mmi_pool_unmap(desc, memory, size);
    return NULL;
}

// Sources are asked for whole pages of the system's, or granules of any other.
MMI_FN size_t mmi_pool_map_unit(const memmgr_pool_desc *desc) {
    return desc->source.map ? MMI_GRANULE : mmi_os_page();
}

// A size rounded up to that; 0 when it is too large.
MMI_FN size_t mmi_pool_map_size(const memmgr_pool_desc *desc, size_t size) {
    size_t unit = mmi_pool_map_unit(desc);
    return size <= SIZE_MAX - unit ? mmi_align_up(size, unit) : 0;
}

// Bytes of a segment with at least so many granules; 0 when there can be none.
MMI_FN size_t mmi_pool_segment_size(size_t granules) {
    mmi_segment segment;
    size_t size = 0;
    if (granules > MMI_GRANULES_MAX || granules > SIZE_MAX / MMI_GRANULE / 2) return 0;
    for (uint32_t limit = 0;; limit = mmi_segment_class_limit(size)) {
        size = mmi_segment_lay_out(&segment, granules, limit) + granules * MMI_GRANULE;
        if (mmi_segment_class_limit(size) == limit) return size;
    }
}

// Does the pool choose by good fit, in constant time?
MMI_INLINE bool mmi_pool_is_good(const memmgr_pool *pool) {
    return !MMI_SMALL && pool->desc.fit == MEMMGR_FIT_GOOD;
}

MMI_INLINE bool mmi_pool_has_classes(const memmgr_pool *pool) {
    return mmi_pool_is_good(pool) && !(pool->desc.flags & MEMMGR_POOL_EAGER);
}

#define MMI_TABLE_ROOM 64u // segments in a first table

MMI_FN size_t mmi_pool_table_size(const memmgr_pool *pool, uint32_t room) {
    return mmi_pool_map_size(&pool->desc, room * sizeof(mmi_segment *));
}

MMI_FN void mmi_pool_unmap_table(memmgr_pool *pool) {
    size_t size = mmi_pool_table_size(pool, pool->segment_room);
    pool->capacity -= size;
    mmi_pool_unmap(&pool->desc, pool->segments, size);
}

// A table is there while there is more than one segment.
MMI_FN void mmi_pool_drop_table(memmgr_pool *pool) {
    mmi_pool_unmap_table(pool);
    pool->segments = NULL;
    pool->recent = NULL;
    mmi_pool_set_magic(pool);
}

// Bytes that the pool may still take.
MMI_FN size_t mmi_pool_allowance(const memmgr_pool *pool) {
    size_t limit = pool->desc.limit ? pool->desc.limit : SIZE_MAX;
    return limit > pool->capacity ? limit - pool->capacity : 0;
}

// Makes room in the table for one more segment, of which `least` bytes are to be left.
MMI_FN bool mmi_pool_grow_table(memmgr_pool *pool, size_t least) {
    if (pool->segments && pool->segment_count < pool->segment_room) return true;
    uint32_t room = pool->segments ? pool->segment_room * 2 : MMI_TABLE_ROOM;
    size_t size = mmi_pool_table_size(pool, room), allowance = mmi_pool_allowance(pool);
    if (allowance < size || allowance - size < least) return false;
    mmi_segment **table = (mmi_segment **)mmi_pool_map(&pool->desc, size);
    if (!table) return false;
    for (uint32_t i = 0; i < pool->segment_count; i++)
        table[i] = mmi_pool_segment(pool, i);
    if (pool->segments) mmi_pool_unmap_table(pool);
    pool->segments = table;
    pool->segment_room = room;
    pool->capacity += size;
    mmi_pool_set_magic(pool);
    return true;
}

MMI_FN void mmi_pool_add_segment(memmgr_pool *pool, mmi_segment *segment) {
    uint32_t place = pool->segment_count++;
    for (; place > 0 && (uintptr_t)pool->segments[place - 1] > (uintptr_t)segment; place--)
        pool->segments[place] = pool->segments[place - 1];
    pool->segments[place] = segment;
    pool->capacity += segment->size;
    pool->sweep_below = pool->capacity / 4;
}

MMI_FN void mmi_pool_drop_segment(memmgr_pool *pool, mmi_segment *segment) {
    uint32_t place = 0;
    while (pool->segments[place] != segment)
        place++;
    pool->segment_count--;
    for (; place < pool->segment_count; place++)
        pool->segments[place] = pool->segments[place + 1];
    pool->capacity -= segment->size;
    pool->recent = mmi_pool_first(pool);
    mmi_pool_unmap(&pool->desc, segment, segment->size);
    if (pool->segment_count == 1) mmi_pool_drop_table(pool);
}

// Bytes to add: as many again as there are, as far as the limit allows; at least `least`.
MMI_FN size_t mmi_pool_growth(const memmgr_pool *pool, size_t least) {
    size_t size = pool->capacity, allowance = mmi_pool_allowance(pool);
    if (size > allowance) size = allowance;
    size -= size % mmi_pool_map_unit(&pool->desc);
    return size > least ? size : least;
}

// Is there a run that the request fits into? Then it was the user's strategy that refused it.
MMI_FN bool mmi_pool_was_refused(const memmgr_pool *pool, const mmi_request *want) {
    memmgr_pool_desc first = pool->desc;
    mmi_found found = {NULL, {0, 0}, 0};
    first.fit = MEMMGR_FIT_FIRST;
    for (uint32_t i = 0; i < pool->segment_count && !found.segment; i++)
        mmi_search_all(mmi_pool_segment(pool, i), want, &first, &found);
    return found.segment != NULL;
}

// Adds a segment that the request fits into. Asks the source for less when it does not have much.
MMI_FN mmi_segment *mmi_pool_grow(memmgr_pool *pool, const mmi_request *want) {
    if (MMI_SMALL || !(pool->desc.flags & MEMMGR_POOL_GROW)) return NULL;
    if (pool->desc.fit == MEMMGR_FIT_CUSTOM && mmi_pool_was_refused(pool, want)) return NULL;
    size_t slack = want->alignment >> MMI_GRANULE_SHIFT;
    size_t least = mmi_pool_segment_size(want->length + slack);
    least = least ? mmi_pool_map_size(&pool->desc, least) : 0;
    if (least == 0 || least > mmi_pool_allowance(pool)) return NULL;
    if (!mmi_pool_grow_table(pool, least)) return NULL;
    size_t size = mmi_pool_growth(pool, least);
    void *memory = NULL;
    while (!(memory = mmi_pool_map(&pool->desc, size)) && size > least) {
        size = mmi_pool_map_size(&pool->desc, size / 2);
        if (size < least) size = least;
    }
    if (!memory) {
        if (pool->segment_count == 1) mmi_pool_drop_table(pool); // nothing has changed
        return NULL;
    }
    mmi_segment *segment =
        mmi_segment_make(memory, size, mmi_pool_has_classes(pool), !pool->desc.source.map);
    MMI_ASSERT(segment != NULL);
    mmi_pool_add_segment(pool, segment);
    mmi_pool_close(pool, segment);
    return segment;
}

// Unmaps a growing pool's segment if it is empty.
MMI_FN void mmi_pool_shrink_to_fit(memmgr_pool *pool, mmi_segment *segment) {
    if (!mmi_pool_has_table(pool) || segment == mmi_pool_first(pool)) return;
    if (mmi_map_run_end(mmi_map_of(segment), 0) != segment->granule_count) return;
    mmi_pool_drop_segment(pool, segment);
}

// The same, unless the rest is so full that it would soon be back.
MMI_FN void mmi_pool_shrink(memmgr_pool *pool, mmi_segment *segment) {
    if (pool->used <= (pool->capacity - segment->size) / 2) mmi_pool_shrink_to_fit(pool, segment);
}

// --- allocation

// Looks for a run in every segment, as the strategy says. False for none.
MMI_FN bool mmi_pool_search(const memmgr_pool *pool, const mmi_request *want, mmi_found *found) {
    found->segment = NULL;
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        mmi_segment *segment = mmi_pool_segment(pool, i);
        if (!mmi_pool_is_good(pool)) mmi_search_all(segment, want, &pool->desc, found);
#if !MMI_SMALL // where no pool is good
        if (mmi_pool_is_good(pool) && mmi_search_good(segment, want, found)) return true;
#endif
        if (found->segment && pool->desc.fit == MEMMGR_FIT_FIRST) return true;
    }
    return found->segment != NULL;
}

MMI_FN bool mmi_pool_flush(const memmgr_pool *pool) {
    bool any = false;
    for (uint32_t i = 0; i < pool->segment_count; i++)
        any |= mmi_class_flush(mmi_pool_segment(pool, i));
    return any;
}

// Gives back what classes keep, and the segments that are empty then.
MMI_COLD void mmi_pool_sweep(memmgr_pool *pool) {
    pool->sweep_below = pool->used / 2;
    (void)mmi_pool_flush(pool);
    for (uint32_t i = pool->segment_count; i-- > 0;)
        mmi_pool_shrink(pool, mmi_pool_segment(pool, i));
}

MMI_INLINE void mmi_pool_count_in(memmgr_pool *pool, uint32_t length) {
    pool->allocations++;
    pool->used += (size_t)length << MMI_GRANULE_SHIFT;
    if (pool->used > pool->peak_used) pool->peak_used = pool->used;
}

MMI_INLINE void mmi_pool_count_out(memmgr_pool *pool, uint32_t length) {
    pool->frees++;
    pool->used -= (size_t)length << MMI_GRANULE_SHIFT;
}

// A block by search: in the runs, then with the kept blocks merged into them, then in more memory.
MMI_COLD void *mmi_pool_alloc_searched(memmgr_pool *pool, const mmi_request *want) {
    mmi_found found = {NULL, {0, 0}, 0};
    if (!mmi_pool_search(pool, want, &found) &&
        !(mmi_pool_flush(pool) && mmi_pool_search(pool, want, &found)) &&
        !(mmi_pool_grow(pool, want) && mmi_pool_search(pool, want, &found))) {
        pool->failures++;
        return NULL;
    }
    uint32_t count = mmi_class_batch(found.segment, want->length);
    if (found.at + count * want->length > found.run.at + found.run.length) count = 1;
    mmi_segment_take(found.segment, found.run, found.at, want->length * count);
    mmi_class_split(found.segment, found.at, want->length, count);
    mmi_pool_count_in(pool, want->length);
    if (mmi_pool_has_table(pool)) pool->recent = found.segment;
    return mmi_segment_address(found.segment, found.at);
}

// Granules of a block of so many bytes. It may be more than any segment has.
MMI_INLINE size_t mmi_pool_granules(size_t size) {
    return ((size - (size != 0)) >> MMI_GRANULE_SHIFT) + 1;
}

// The segment that served last.
MMI_INLINE mmi_segment *mmi_pool_recent(const memmgr_pool *pool) {
    return pool->recent ? pool->recent : mmi_pool_first(pool);
}

// The short way: a kept block of this size, from a segment's class. NULL when there is none.
MMI_INLINE void *mmi_pool_alloc_kept(memmgr_pool *pool, mmi_segment *segment, size_t size) {
    size_t length = mmi_pool_granules(size);
    uint32_t block = mmi_class_take(segment, length);
    if (MMI_UNLIKELY(block == MMI_NONE)) return NULL;
    mmi_pool_count_in(pool, (uint32_t)length);
    return mmi_segment_address(segment, block);
}

MMI_FN void *mmi_pool_alloc(memmgr_pool *pool, size_t alignment, size_t size) {
    mmi_segment *segment = mmi_pool_recent(pool);
    size_t length = mmi_pool_granules(size);
    if (alignment <= MMI_GRANULE) {
        void *block = mmi_pool_alloc_kept(pool, segment, size);
        if (block) return block;
    }
    if (length > MMI_GRANULES_MAX || alignment >> MMI_GRANULE_SHIFT > MMI_GRANULES_MAX) {
        pool->failures++;
        return NULL;
    }
    mmi_request want = {(uint32_t)length, alignment, size};
    return mmi_pool_alloc_searched(pool, &want);
}

MMI_COLD void mmi_pool_free_merged(memmgr_pool *pool, const mmi_live *block) {
    mmi_segment_give(block->segment, block->at, block->length);
    if (mmi_pool_has_table(pool)) mmi_pool_shrink(pool, block->segment);
}

// The short way, for a segment that stays: frees a block that is not long. False, and nothing done,
// for any other, and for what is no live block.
MMI_INLINE bool mmi_pool_free_short(memmgr_pool *pool, mmi_segment *segment, const void *address) {
    size_t granule = mmi_segment_granule(segment, address);
    const mmi_entry *map = mmi_map_of(segment);
    if (MMI_UNLIKELY(granule >= segment->granule_count)) return false;
    if (MMI_UNLIKELY(!mmi_map_is_live(map, (uint32_t)granule))) return false;
    uint32_t length = mmi_map_length_short(map, (uint32_t)granule);
    if (MMI_UNLIKELY(length == 0)) return false;
    mmi_pool_count_out(pool, length);
    if (MMI_UNLIKELY(!mmi_class_keep(segment, (uint32_t)granule, length)))
        mmi_segment_give(segment, (uint32_t)granule, length);
    return true;
}

MMI_FN void mmi_pool_free(memmgr_pool *pool, const mmi_live *block) {
    mmi_pool_count_out(pool, block->length);
    if (mmi_pool_has_table(pool)) pool->recent = block->segment;
    if (!mmi_class_keep(block->segment, block->at, block->length))
        mmi_pool_free_merged(pool, block);
    if (!MMI_SMALL && MMI_UNLIKELY(pool->used < pool->sweep_below)) mmi_pool_sweep(pool);
}

// Changes a block's length where it lies. False when there is no room.
MMI_FN bool mmi_pool_resize(memmgr_pool *pool, const mmi_live *block, uint32_t length) {
    if (length == block->length) return true;
    if (length > block->length)
        mmi_class_make_room(block->segment, block->at, block->length, length);
    if (!mmi_segment_resize(block->segment, block->at, block->length, length)) return false;
    pool->used += (size_t)length << MMI_GRANULE_SHIFT;
    pool->used -= (size_t)block->length << MMI_GRANULE_SHIFT;
    if (pool->used > pool->peak_used) pool->peak_used = pool->used;
    return true;
}

// Where a new block for a realloc may lie: a large one in a run of twice its length, so that the
// next realloc finds room behind it; any other where a new block lies.
MMI_FN void *mmi_pool_alloc_roomy(memmgr_pool *pool, uint32_t length, size_t size) {
    mmi_request want = {length * 2, MMI_GRANULE, size};
    mmi_found found = {NULL, {0, 0}, 0};
    bool large = length > MMI_ENTRY_GRANULES && length < MMI_GRANULES_MAX / 2;
    if (!large || !mmi_pool_is_good(pool) || !mmi_pool_search(pool, &want, &found))
        return mmi_pool_alloc(pool, MMI_GRANULE, size);
    mmi_segment_take(found.segment, found.run, found.at, length);
    mmi_pool_count_in(pool, length);
    return mmi_segment_address(found.segment, found.at);
}

#define MMI_MOVED_MAX 16u // granules that are copied sooner than runs are split and merged

// Resizes a live block, in place or by moving it. NULL, and the block intact, when there is no
// room.
MMI_FN void *mmi_pool_realloc(memmgr_pool *pool, const mmi_live *block, size_t size) {
    char *from = (char *)mmi_segment_address(block->segment, block->at), *to = from;
    size_t length = mmi_pool_granules(size), old_bytes = (size_t)block->length << MMI_GRANULE_SHIFT;
    if (length > MMI_GRANULES_MAX) {
        pool->failures++;
        return NULL;
    }
    void *kept = NULL; // a small block moves to one that is ready sooner than it is resized
    if (length > block->length && block->length <= MMI_MOVED_MAX)
        kept = mmi_pool_alloc_kept(pool, block->segment, size);
    if (kept || !mmi_pool_resize(pool, block, (uint32_t)length)) {
        to = (char *)(kept ? kept : mmi_pool_alloc_roomy(pool, (uint32_t)length, size));
        if (!to) return NULL;
        mmi_bytes_copy(to, from, old_bytes);
        mmi_pool_free(pool, block);
    }
    return to;
}

// The live block that an interior pointer lies in, and its size; NULL when it lies in none.
MMI_COLD const void *mmi_pool_block_around(const memmgr_pool *pool, const void *address,
                                           size_t *size) {
    const mmi_segment *segment = mmi_pool_segment_of(pool, address);
    const mmi_entry *map = mmi_map_of(segment);
    size_t offset = (uintptr_t)address - (uintptr_t)mmi_segment_granules(segment);
    uint32_t block = mmi_map_block_at(map, (uint32_t)(offset >> MMI_GRANULE_SHIFT));
    if (block == MMI_NONE || !mmi_map_is_live(map, block)) return NULL;
    *size = (size_t)mmi_map_length(map, block) << MMI_GRANULE_SHIFT;
    return mmi_segment_address(segment, block);
}

// --- life and death

// Fills in the defaults. False when the desc asks for something that cannot be.
MMI_FN bool mmi_pool_desc_with_defaults(const memmgr_pool_desc *given, memmgr_pool_desc *desc) {
    const unsigned known = MEMMGR_POOL_LOCKED | MEMMGR_POOL_FILL | MEMMGR_POOL_GUARD |
                           MEMMGR_POOL_TRACK | MEMMGR_POOL_GROW | MEMMGR_POOL_EAGER |
                           MEMMGR_POOL_QUARANTINE;
    mmi_bytes_fill(desc, 0, sizeof *desc);
    if (given) *desc = *given;
    if (!desc->name) desc->name = "pool";
    if (desc->flags & ~known) return false;
    if (MMI_SMALL && (desc->flags & MEMMGR_POOL_GROW)) return false;
    if ((unsigned)desc->fit > (unsigned)MEMMGR_FIT_CUSTOM) return false;
    return desc->fit != MEMMGR_FIT_CUSTOM || desc->choose;
}

// Makes a pool at the first granule of some memory. NULL when it is too small.
MMI_FN memmgr_pool *mmi_pool_make(void *memory, size_t size, const memmgr_pool_desc *desc,
                                  bool zeroed, bool created) {
    size_t skip = (size_t)(0 - (uintptr_t)memory) & (MMI_GRANULE - 1);
    if (size < skip + MMI_POOL_SIZE) return NULL;
    memmgr_pool *pool = (memmgr_pool *)(void *)((char *)memory + skip);
    memmgr_pool made;
    mmi_bytes_fill(&made, 0, sizeof made);
    mmi_tool_open(memory, size);
    made.desc = *desc;
    if (created) made.desc.flags |= MMI_POOL_CREATED;
    if (!mmi_segment_make((char *)pool + MMI_POOL_SIZE, size - skip - MMI_POOL_SIZE,
                          mmi_pool_has_classes(&made), zeroed))
        return NULL;
    mmi_pool_set_magic(&made);
    made.segment_count = 1;
    made.capacity = size;
    mmi_bytes_copy(pool, &made, sizeof made);
    mmi_pool_close(pool, mmi_pool_first(pool));
    return pool;
}

// Bytes to map for a pool with at least this much room, or 0.
MMI_FN size_t mmi_pool_create_size(size_t capacity, const memmgr_pool_desc *desc) {
    size_t least = mmi_pool_segment_size(1) + MMI_POOL_SIZE;
    return mmi_pool_map_size(desc, capacity > least ? capacity : least);
}

MMI_FN memmgr_pool *mmi_pool_create(size_t capacity, const memmgr_pool_desc *desc) {
    size_t size = mmi_pool_create_size(capacity, desc);
    bool limited = (desc->flags & MEMMGR_POOL_GROW) && desc->limit != 0;
    if (size == 0 || (limited && capacity > desc->limit)) return NULL;
    // Of the system's pages the last may be more than the limit; a source never gives more.
    if (limited && size > desc->limit && (desc->source.map || size - capacity >= mmi_os_page()))
        return NULL;
    void *memory = mmi_pool_map(desc, size);
    if (!memory) return NULL;
    return mmi_pool_make(memory, size, desc, !desc->source.map, true);
}

// Unmaps everything but the first segment.
MMI_FN void mmi_pool_unmap_grown(memmgr_pool *pool) {
    while (mmi_pool_has_table(pool)) {
        bool last = pool->segments[1] != mmi_pool_first(pool);
        mmi_pool_drop_segment(pool, pool->segments[last ? 1 : 0]);
    }
}

MMI_FN void mmi_pool_reset(memmgr_pool *pool) {
    mmi_pool_unmap_grown(pool);
    mmi_segment_clear(mmi_pool_first(pool), false);
    mmi_pool_close(pool, mmi_pool_first(pool));
    pool->frees = pool->allocations;
    pool->used = 0;
    pool->quarantine = 0;
}

// Ends the pool's life. Its memory goes back to where it came from; a caller's buffer stays.
MMI_FN void mmi_pool_end(memmgr_pool *pool) {
    mmi_pool_unmap_grown(pool);
    pool->magic = 0;
    if (pool->desc.flags & MMI_POOL_CREATED) {
        memmgr_pool_desc desc = pool->desc;
        mmi_pool_unmap(&desc, pool, pool->capacity);
    } else {
        mmi_tool_open(pool, MMI_POOL_SIZE + mmi_pool_first(pool)->size);
    }
}

// Given back at once, which takes less than a millisecond.
#define MMI_PURGED_BYTES ((size_t)1 << (sizeof(size_t) > 2 ? 22 : 15))

// Gives the whole pages of a free run back, until it is more than `most`. Bytes.
MMI_FN size_t mmi_pool_purge(const mmi_segment *segment, mmi_run run, size_t page, size_t most) {
    uintptr_t start = (uintptr_t)mmi_segment_address(segment, run.at);
    uintptr_t end = start + ((uintptr_t)run.length << MMI_GRANULE_SHIFT);
    size_t given = 0;
    start = mmi_align_up(start, page);
    end &= ~(uintptr_t)(page - 1);
    for (size_t part; start < end && given < most; start += part) {
        part = end - start < MMI_PURGED_BYTES ? end - start : MMI_PURGED_BYTES;
        given += mmi_os_purge((void *)start, part);
    }
    return given;
}

// Gives back the idle pages among the first `end` granules of a segment, all but the first `keep`
// idle granules, until it is more than `most`. Bytes.
MMI_FN size_t mmi_pool_purge_segment(const mmi_segment *segment, uint32_t end, size_t keep,
                                     size_t most) {
    const mmi_entry *map = mmi_map_of(segment);
    size_t given = 0, page = mmi_os_page();
    unsigned code = mmi_index_code((uint32_t)(page >> MMI_GRANULE_SHIFT));
    uint32_t entry = 0;
    for (; (entry = mmi_index_next(segment, entry, code)) != MMI_NONE; entry++) {
        mmi_word left = mmi_map_runs(map, entry);
        for (mmi_run run; (run = mmi_map_next_run(map, entry, &left)).length != 0;) {
            if (run.at >= end || given >= most) return given;
            if (run.length > end - run.at) run.length = end - run.at;
            uint32_t kept = run.length < keep ? run.length : (uint32_t)keep;
            keep -= kept;
            run.at += kept;
            run.length -= kept;
            given += mmi_pool_purge(segment, run, page, most - given);
        }
    }
    return given;
}

// Gives idle memory back: empty segments, then idle pages. For pools in the system's memory. Bytes.
MMI_FN size_t mmi_pool_trim(memmgr_pool *pool) {
    size_t given = pool->capacity;
    mmi_pool_sweep(pool);
    given -= pool->capacity;
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        const mmi_segment *segment = mmi_pool_segment(pool, i);
        given += mmi_pool_purge_segment(segment, segment->granule_count, 0, SIZE_MAX);
    }
    return given;
}

#if MMI_HAS_HEAPS

// >>slab

// The sizes of small blocks, a unit's blocks and their states. Nothing here knows where units come
// from.

// Bytes of a block: in steps of 16 up to 128, then four to a doubling.
MMI_INLINE size_t mmi_slab_size(unsigned index) {
    if (index < 8) return (index + 1) * MMI_GRANULE;
    return (size_t)(5 + (index & 3)) << (((index - 8) >> 2) + 5);
}

// The bin, as an offset in a heap, for each size in granules, rounded up. It is filled when the
// first heap is made; who reads it sooner has a heap all of whose bins are empty.
static uint16_t mmi_slab_bins[MMI_SMALL_MAX / MMI_GRANULE + 1];

// 2^32 / size, rounded up.
static uint32_t mmi_slab_multipliers[MMI_SIZES];

MMI_FN void mmi_slab_fill_tables(void) {
    unsigned index = 0;
    if (mmi_slab_multipliers[0] != 0) return;
    for (; index < MMI_SIZES; index++) {
        uint64_t size = mmi_slab_size(index);
        mmi_slab_multipliers[index] = (uint32_t)((((uint64_t)1 << 32) + size - 1) / size);
    }
    index = 0;
    for (size_t granules = 0; granules <= MMI_SMALL_MAX / MMI_GRANULE; granules++) {
        while (mmi_slab_size(index) < granules * MMI_GRANULE)
            index++;
        mmi_atomic_half_store(&mmi_slab_bins[granules], (uint16_t)(index * sizeof(mmi_bin)));
    }
}

// The bin for blocks of at least so many bytes, at most MMI_SMALL_MAX.
MMI_INLINE mmi_bin *mmi_slab_bin(mmi_heap *heap, size_t size) {
    size_t granules = (size + MMI_GRANULE - 1) >> MMI_GRANULE_SHIFT;
    return (mmi_bin *)(void *)((char *)heap + mmi_atomic_half(&mmi_slab_bins[granules]));
}

// The states of a slab are a piece of memory of 64 << order bytes.
MMI_FN unsigned mmi_slab_order(unsigned size_index) {
    size_t states = (MMI_UNIT + mmi_slab_size(size_index) - 1) / mmi_slab_size(size_index);
    unsigned order = 0;
    while (((size_t)64 << order) < states)
        order++;
    return order;
}

// The number of the block that an address lies in, and whether it is the block's first byte: one
// multiplication tells both. With m = 2^32 / size, rounded up, and e = m * size - 2^32 < size, the
// address k * size + r makes (k << 32) + k * e + r * m; and (k + 1) * e < m for all sizes here, so
// the high half is k, and the low half is below m just when r is 0.
MMI_INLINE size_t mmi_slab_number(uintptr_t address, uint32_t multiplier, bool *starts) {
    uint64_t product = (uint64_t)(address & (MMI_UNIT - 1)) * multiplier;
    *starts = (uint32_t)product < multiplier;
    return (size_t)(product >> 32);
}

// The state of that block, in a slab of the caller's.
MMI_INLINE uint8_t *mmi_slab_state(const mmi_slab *slab, uintptr_t address, bool *starts) {
    return slab->states + mmi_slab_number(address, slab->multiplier, starts);
}

// The same in any slab, which another thread may be giving back or cutting anew: what is said fits
// one size, *size_index, and a state of this unit's. (The size is stored after the states, which
// only grow: mmi_heap_make_slab.)
MMI_INLINE uint8_t *mmi_slab_state_any(const mmi_slab *slab, uintptr_t address,
                                       unsigned *size_index, bool *starts) {
    *size_index = mmi_atomic_half_acquire(&slab->size_index);
    MMI_PAUSE("size of another's slab seen");
    size_t number = mmi_slab_number(address, mmi_slab_multipliers[*size_index], starts);
    return mmi_atomic_bytes(&slab->states) + number;
}

MMI_INLINE uint8_t mmi_slab_live(unsigned size_index) {
    return (uint8_t)(MMI_STATE_LIVE | size_index);
}

MMI_INLINE void *mmi_slab_block(const mmi_slab *slab, size_t block) {
    return (void *)(slab->start + block * mmi_slab_size(slab->size_index));
}

// Which of 16 blocks in a row are in a state, a bit for each.
#if MMI_SSE2 && !MMI_TSAN
MMI_INLINE unsigned mmi_slab_match(const uint8_t *states, uint8_t state) {
    __m128i bytes = _mm_load_si128((const __m128i *)(const void *)states);
    __m128i equal = _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)state));
    return (unsigned)_mm_movemask_epi8(equal);
}
#else
MMI_INLINE unsigned mmi_slab_match(const uint8_t *states, uint8_t state) {
    unsigned equal = 0;
    for (unsigned i = 0; i < 16; i++)
        equal |= (unsigned)(mmi_atomic_byte(&states[i]) == state) << i;
    return equal;
}
#endif

MMI_FN unsigned mmi_slab_count(const mmi_slab *slab, uint8_t state) {
    unsigned count = 0;
    for (unsigned from = 0; from < slab->count; from += 16)
        for (unsigned match = mmi_slab_match(slab->states + from, state); match; match &= match - 1)
            count++;
    return count; // behind the last block all are FREE, which is not asked for
}

// Moves FREE blocks to an empty stack, the lowest on top. `take` <= slab->free_count.
MMI_FN void mmi_slab_take(mmi_slab *slab, mmi_bin *bin, unsigned take) {
    mmi_item *bottom = bin->bottom, *item = bottom + take;
    uint8_t *states = slab->states;
    uintptr_t start = slab->start, size = mmi_slab_size(slab->size_index);
    MMI_ASSERT(take != 0 && take <= slab->free_count);
    bin->top = item;
    slab->free_count = (uint16_t)(slab->free_count - take);
    for (unsigned from = slab->cursor & ~15u;; from += 16) {
        unsigned match = mmi_slab_match(states + from, MMI_STATE_FREE);
        for (; match; match &= match - 1) {
            unsigned block = from + mmi_bits_lowest(match);
            (--item)->block = (void *)(start + block * size);
            item->state = states + block;
            mmi_atomic_byte_store(states + block, MMI_STATE_CACHED);
            if (item != bottom) continue;
            slab->cursor = (uint16_t)(block + 1);
            return;
        }
    }
}

// REMOTE blocks become FREE. Returns how many.
MMI_FN unsigned mmi_slab_sweep(mmi_slab *slab) {
    unsigned count = 0;
    for (unsigned from = 0; from < slab->count; from += 16)
        for (unsigned match = mmi_slab_match(slab->states + from, MMI_STATE_REMOTE); match;
             match &= match - 1) {
            unsigned block = from + mmi_bits_lowest(match);
            mmi_atomic_byte_store(&slab->states[block], MMI_STATE_FREE);
            if (block < slab->cursor) slab->cursor = (uint16_t)block;
            count++;
        }
    mmi_atomic_acquire(); // what was done to the blocks before they were freed:
                          // mmi_heap_free_remote
    return count;
}

// What a pointer into a slab is that is not the start of a live block, and the block it lies in.
MMI_COLD memmgr_error mmi_slab_misuse_of(const mmi_slab *slab, uintptr_t address,
                                         memmgr_block *around) {
    memmgr_error idle = address % MMI_GRANULE ? MEMMGR_INTERIOR_POINTER : MEMMGR_DOUBLE_FREE;
    unsigned size_index;
    bool starts;
    if (mmi_atomic_word(&slab->owner) == 0) return idle;
    const uint8_t *state = mmi_slab_state_any(slab, address, &size_index, &starts);
    if (starts || mmi_atomic_byte(state) != mmi_slab_live(size_index)) return idle;
    around->size = mmi_slab_size(size_index);
    around->address =
        (const void *)(address - (address & (MMI_UNIT - 1)) % (uintptr_t)around->size);
    return MEMMGR_INTERIOR_POINTER;
}

// Shows the blocks of a slab, FREE and CACHED ones in a row as one.
MMI_FN bool mmi_slab_walk(const mmi_slab *slab, memmgr_visitor visit, void *ctx) {
    size_t size = mmi_slab_size(slab->size_index), block = 0, next;
    for (; block < slab->count; block = next) {
        bool live = mmi_atomic_byte(&slab->states[block]) == slab->live;
        for (next = block + 1; !live && next < slab->count; next++)
            if (mmi_atomic_byte(&slab->states[next]) == slab->live) break;
        memmgr_block shown =
            mmi_block_shown(mmi_slab_block(slab, block), (next - block) * size, live);
        if (!visit(&shown, ctx)) return false;
    }
    return true;
}

// >>arena

// Where units, and what is known about them, come from. Whatever is called here is called with the
// arena's lock held, but for mmi_arena_find.

static uintptr_t mmi_arenas[MMI_ARENAS_MAX + 1]; // mmi_arena each; 0 behind the last one

// Idle units, those last that have been idle longest.
typedef struct {
    mmi_slab *first, *last;
    size_t count;
} mmi_units;

static mmi_lock mmi_arena_lock;

static struct {
    size_t count;          // of arenas
    mmi_units idle, clean; // idle units whose pages are held; those whose pages were given back
    size_t least_idle;     // the least idle.count since `ticked`
    size_t due;            // idle units whose pages are to be given back
    uint32_t ticked;       // milliseconds
    char *meta, *meta_end; // memory for heaps and states: the rest of the last piece
    void *meta_maps;       // all pieces: each begins with the one before, and its size
    size_t meta_bytes;     // of that
} mmi_arena_all;

// Memory that stays: zeroed, aligned to 64. NULL when there is none.
MMI_FN void *mmi_arena_meta(size_t size) {
    size = mmi_align_up(size, 64);
    if (size > (size_t)(mmi_arena_all.meta_end - mmi_arena_all.meta)) {
        size_t least = mmi_align_up(size + 64, MMI_UNIT), map = MMI_META;
        MMI_ASSERT(least < map);
        char *memory = (char *)mmi_os_map(map);
        if (!memory) memory = (char *)mmi_os_map(map = least);
        if (!memory) return NULL;
        ((void **)(void *)memory)[0] = mmi_arena_all.meta_maps;
        ((size_t *)(void *)memory)[1] = map;
        mmi_arena_all.meta_maps = memory;
        mmi_arena_all.meta = memory + 64;
        mmi_arena_all.meta_end = memory + map;
    }
    char *piece = mmi_arena_all.meta;
    mmi_arena_all.meta += size;
    mmi_arena_all.meta_bytes += size;
    return piece;
}

// Sees to it that a unit has room for 64 << order states. They never become another unit's: what it
// had before, in all less than twice as much, is left. So a thread that is too late to free a block
// finds nothing but states of this unit. False when there is no memory.
MMI_FN bool mmi_arena_give_states(mmi_slab *unit, unsigned order) {
    if (unit->states && unit->order >= order) return true;
    uint8_t *states = (uint8_t *)mmi_arena_meta((size_t)64 << order);
    if (!states) return false;
    mmi_atomic_bytes_store(&unit->states, states);
    unit->order = (uint8_t)order;
    return true;
}

MMI_INLINE mmi_arena *mmi_arena_at(size_t place) {
    return (mmi_arena *)mmi_atomic_word_acquire(&mmi_arenas[place]);
}

MMI_FN size_t mmi_arena_table_size(size_t units) {
    return mmi_align_up((1 + units) * sizeof(mmi_slab), MMI_UNIT);
}

// An arena, and descriptors, for what was mapped; NULL when there is no memory for them.
MMI_FN mmi_arena *mmi_arena_describe(void *memory, size_t size) {
    uintptr_t base = mmi_align_up((uintptr_t)memory, MMI_UNIT);
    size_t units = ((uintptr_t)memory + size - base) / MMI_UNIT;
    mmi_slab *table = (mmi_slab *)mmi_os_map(mmi_arena_table_size(units));
    if (!table) return NULL;
    mmi_arena *arena = (mmi_arena *)(void *)table;
    arena->base = base;
    arena->unit_count = arena->unit_room = units;
    arena->units = table + 1;
    arena->memory = memory;
    arena->size = size;
    return arena;
}

// Gives an arena of a vacant place its memory again: the last that had the place, or one before it.
// NULL where none is to be had.
MMI_FN mmi_arena *mmi_arena_revive(size_t place) {
    mmi_arena *last = mmi_arena_at(place), *arena = last, *after = NULL;
    for (; arena && !mmi_os_map_again(arena->memory, arena->size); arena = arena->before)
        after = arena;
    if (!arena) return NULL;
    arena->unit_count = arena->unit_room;
    if (!after) return arena;
    after->before = arena->before;
    arena->before = last;
    mmi_atomic_word_release(&mmi_arenas[place], (uintptr_t)arena); // to mmi_arena_at
    return arena;
}

// An arena as large as all others together, or less where there is not as much; NULL for none.
MMI_FN mmi_arena *mmi_arena_make(void) {
    size_t most = 0, size;
    for (size_t i = 0; i < mmi_arena_all.count; i++)
        if (mmi_arena_at(i)->unit_count != 0) most += mmi_arena_at(i)->size;
    if (most < MMI_OS_RESERVE) most = MMI_OS_RESERVE;
    void *memory = mmi_os_reserve(most, MMI_ARENA_LEAST, &size);
    mmi_arena *arena = memory ? mmi_arena_describe(memory, size) : NULL;
    if (memory && !arena) mmi_os_unmap(memory, size);
    return arena;
}

// One arena more: one that was given back, or else a new one, in its place or in the next. NULL
// when there is no memory, or no place.
MMI_FN mmi_arena *mmi_arena_add(void) {
    size_t place = mmi_arena_all.count;
    mmi_arena *arena = NULL;
    for (size_t i = mmi_arena_all.count; i-- > 0;) {
        if (mmi_arena_at(i)->unit_count != 0) continue;
        if ((arena = mmi_arena_revive(i)) != NULL) return arena;
        place = i;
    }
    if (place < MMI_ARENAS_MAX) arena = mmi_arena_make();
    if (!arena) return NULL;
    if (place == mmi_arena_all.count)
        mmi_arena_all.count++;
    else
        arena->before = mmi_arena_at(place);
    mmi_atomic_word_release(&mmi_arenas[place], (uintptr_t)arena); // to mmi_arena_at
    return arena;
}

// The descriptor of the unit that an address lies in; NULL where there is none, or it was never
// used. May be called without the lock.
MMI_FN mmi_slab *mmi_arena_find(uintptr_t address) {
    const mmi_arena *arena;
    for (size_t place = 0; (arena = mmi_arena_at(place)) != NULL; place++) {
        size_t number = (address - arena->base) >> MMI_UNIT_SHIFT;
        if (number >= mmi_atomic_word_acquire(&arena->fresh)) continue;
        MMI_PAUSE("unit of an arena seen");
        return &arena->units[number];
    }
    return NULL;
}

MMI_FN mmi_arena *mmi_arena_of(const mmi_slab *unit) {
    size_t place = 0;
    mmi_arena *arena = mmi_arena_at(0);
    while ((unit->start - arena->base) >> MMI_UNIT_SHIFT >= arena->unit_count)
        arena = mmi_arena_at(++place);
    return arena;
}

MMI_FN void mmi_arena_link(mmi_units *units, mmi_slab *unit) {
    unit->prev = NULL;
    unit->next = units->first;
    if (unit->next)
        unit->next->prev = unit;
    else
        units->last = unit;
    units->first = unit;
    unit->listed = units == &mmi_arena_all.idle;
    units->count++;
}

MMI_FN void mmi_arena_unlink(mmi_slab *unit) {
    mmi_units *units = unit->listed ? &mmi_arena_all.idle : &mmi_arena_all.clean;
    if (unit->prev)
        unit->prev->next = unit->next;
    else
        units->first = unit->next;
    if (unit->next)
        unit->next->prev = unit->prev;
    else
        units->last = unit->prev;
    unit->listed = false;
    units->count--;
    if (mmi_arena_all.least_idle > mmi_arena_all.idle.count)
        mmi_arena_all.least_idle = mmi_arena_all.idle.count;
}

MMI_FN bool mmi_arena_has_idle(void) {
    return mmi_arena_all.idle.count != 0 || mmi_arena_all.clean.count != 0;
}

// A unit that was never used.
MMI_FN mmi_slab *mmi_arena_take_fresh(void) {
    mmi_arena *arena = NULL;
    for (size_t i = 0; i < mmi_arena_all.count && !arena; i++)
        if (mmi_arena_at(i)->fresh < mmi_arena_at(i)->unit_count) arena = mmi_arena_at(i);
    if (!arena && !(arena = mmi_arena_add())) return NULL;
    mmi_slab *unit = &arena->units[arena->fresh];
    unit->start = arena->base + arena->fresh * MMI_UNIT;
    mmi_atomic_word_release(&arena->fresh, arena->fresh + 1); // to mmi_arena_find
    arena->used++;
    return unit;
}

// A unit: one whose pages are there sooner than another. NULL when there is none.
MMI_FN mmi_slab *mmi_arena_take(void) {
    mmi_slab *unit = mmi_arena_all.idle.first;
    if (!unit) unit = mmi_arena_all.clean.first;
    if (!unit) return mmi_arena_take_fresh();
    mmi_arena_unlink(unit);
    mmi_arena_of(unit)->used++;
    return unit;
}

// Gives back the pages of the units that have been idle longest. Bytes.
MMI_FN size_t mmi_arena_purge(size_t count) {
    size_t given = 0;
    while (count-- > 0) {
        mmi_slab *unit = mmi_arena_all.idle.last;
        mmi_arena_unlink(unit);
        given += mmi_os_purge((void *)unit->start, MMI_UNIT);
        mmi_arena_link(&mmi_arena_all.clean, unit);
    }
    return given;
}

// From time to time gives back the units that have not been needed since the last time: some at
// each call, for whoever calls has no time to lose, and others may wait for the lock.
MMI_FN void mmi_arena_tick(void) {
    if (mmi_arena_all.idle.count == 0) {
        mmi_arena_all.due = 0;
        return;
    }
    uint32_t now = mmi_os_clock();
    if (now - mmi_arena_all.ticked >= MMI_IDLE_MILLISECONDS) {
        mmi_arena_all.ticked = now;
        mmi_arena_all.due = mmi_arena_all.least_idle;
        mmi_arena_all.least_idle = mmi_arena_all.idle.count;
    }
    if (mmi_arena_all.due > mmi_arena_all.least_idle)
        mmi_arena_all.due = mmi_arena_all.least_idle; // some have been needed after all
    size_t some = mmi_arena_all.due < MMI_PURGED_UNITS ? mmi_arena_all.due : MMI_PURGED_UNITS;
    mmi_arena_all.due -= some;
    (void)mmi_arena_purge(some);
}

// The same, without the lock held. Is there more to be given back?
MMI_FN bool mmi_arena_visit(void) {
    mmi_lock_acquire(&mmi_arena_lock);
    mmi_arena_tick();
    bool more = mmi_arena_all.due != 0;
    mmi_lock_release(&mmi_arena_lock);
    return more;
}

MMI_FN void mmi_arena_put(mmi_slab *unit) {
    mmi_arena_link(&mmi_arena_all.idle, unit);
    mmi_arena_of(unit)->used--;
    mmi_arena_tick();
}

// Unmaps the arenas without a slab, all but the first, which heaps know. Their descriptors stay:
// another thread may be about to tell that a slab has REMOTE blocks which it has not any more.
MMI_FN bool mmi_arena_retire(void) {
    bool any = false;
    for (size_t i = 1; i < mmi_arena_all.count; i++) {
        mmi_arena *arena = mmi_arena_at(i);
        if (arena->unit_count == 0 || arena->used != 0) continue;
        for (size_t j = 0; j < arena->fresh; j++) {
            mmi_arena_unlink(&arena->units[j]);
            arena->units[j].start = 0;
        }
        mmi_atomic_word_store(&arena->fresh, 0);
        mmi_os_unmap(arena->memory, arena->size);
        arena->unit_count = 0;
        any = true;
    }
    return any;
}

// Unmaps everything.
MMI_FN void mmi_arena_end(void) {
    for (size_t i = 0; i < mmi_arena_all.count; i++)
        for (mmi_arena *arena = mmi_arena_at(i), *before; arena; arena = before) {
            before = arena->before;
            if (arena->unit_count) mmi_os_unmap(arena->memory, arena->size);
            mmi_os_unmap(arena, mmi_arena_table_size(arena->unit_room));
        }
    for (char *map = (char *)mmi_arena_all.meta_maps, *before; map; map = before) {
        before = (char *)((void **)(void *)map)[0];
        mmi_os_unmap(map, ((size_t *)(void *)map)[1]);
    }
    mmi_bytes_fill(mmi_arenas, 0, sizeof mmi_arenas);
    mmi_bytes_fill(&mmi_arena_all, 0, sizeof mmi_arena_all);
}

// Bytes of the system's memory that are, or were, in use.
MMI_FN size_t mmi_arena_capacity(void) {
    size_t bytes = mmi_arena_all.meta_bytes;
    for (size_t i = 0; i < mmi_arena_all.count; i++)
        bytes += mmi_arena_at(i)->fresh * (MMI_UNIT + sizeof(mmi_slab));
    return bytes;
}

// >>large

// Blocks above 32 KiB, and those with an alignment that no slab has: a growing pool behind a lock.

static mmi_lock mmi_large_lock;

static struct {
    memmgr_pool *pool; // NULL until the first large block
    uint32_t touched;  // the first segment's granules from here on have never been used
    size_t least_idle; // bytes of the touched ones that were free, the fewest since `ticked`
    size_t keep;       // of those free ones what is not to be given back,
    bool due;          // when something is
    uint32_t ticked;   // milliseconds
    uintptr_t used;    // what pool->used was when the lock was released last
} mmi_large;

#define MMI_LARGE_RETURNED ((size_t)32 << 20) // bytes: a block that is given back when it is freed

MMI_FN memmgr_pool *mmi_large_pool(void) {
    if (mmi_large.pool) return mmi_large.pool;
    memmgr_pool_desc desc;
    (void)mmi_pool_desc_with_defaults(NULL, &desc);
    desc.name = "heap";
    desc.flags = MEMMGR_POOL_GROW | MEMMGR_POOL_EAGER;
    size_t size;
    void *memory = mmi_os_reserve(MMI_OS_RESERVE, MMI_ARENA_LEAST, &size);
    if (memory) mmi_large.pool = mmi_pool_make(memory, size, &desc, true, true);
    return mmi_large.pool;
}

MMI_FN void mmi_large_enter(void) { mmi_lock_acquire(&mmi_large_lock); }

MMI_FN void mmi_large_leave(void) {
    if (mmi_large.pool) mmi_atomic_word_store(&mmi_large.used, mmi_large.pool->used);
    mmi_lock_release(&mmi_large_lock);
}

// Bytes that have been used, of all segments. What is fresh has no part of the map and the index
// either: 17 bytes for an entry.
MMI_FN size_t mmi_large_capacity(void) {
    const memmgr_pool *pool = mmi_large.pool;
    const mmi_segment *first = mmi_pool_first(pool);
    size_t fresh = (size_t)(first->granule_count - mmi_large.touched) << MMI_GRANULE_SHIFT;
    size_t tables = first->granules_offset - (mmi_large.touched / MMI_ENTRY_GRANULES) * 17;
    return pool->capacity - fresh - tables;
}

// The granules of a segment that have been used.
MMI_FN uint32_t mmi_large_touched(const mmi_segment *segment) {
    bool first = segment == mmi_pool_first(mmi_large.pool);
    return first ? mmi_large.touched : segment->granule_count;
}

// Bytes that are free in what has been used.
MMI_FN size_t mmi_large_idle(void) {
    const memmgr_pool *pool = mmi_large.pool;
    size_t granules = 0;
    for (uint32_t i = 0; i < pool->segment_count; i++)
        granules += mmi_large_touched(mmi_pool_segment(pool, i));
    return (granules << MMI_GRANULE_SHIFT) - pool->used;
}

// From time to time gives back what has not been needed since the last time: that much, from the
// highest addresses, and some of it at each call.
MMI_FN void mmi_large_tick(void) {
    size_t idle = mmi_large_idle();
    uint32_t now = mmi_os_clock();
    if (idle < mmi_large.least_idle) mmi_large.least_idle = idle;
    if (now - mmi_large.ticked >= MMI_IDLE_MILLISECONDS) {
        mmi_large.ticked = now;
        mmi_large.due = mmi_large.least_idle >= MMI_UNIT;
        mmi_large.keep = (idle - mmi_large.least_idle) >> MMI_GRANULE_SHIFT;
        mmi_large.least_idle = idle;
    }
    if (!mmi_large.due) return;
    size_t most = MMI_WINDOWS ? SIZE_MAX : MMI_PURGED_BYTES; // it does not tell what was held
    size_t given = mmi_pool_purge_segment(mmi_pool_first(mmi_large.pool), mmi_large.touched,
                                          mmi_large.keep, most);
    mmi_large.due = given >= most;
}

// The same, without the lock held. Is there more to be given back?
MMI_FN bool mmi_large_visit(void) {
    mmi_large_enter();
    if (mmi_large.pool) mmi_large_tick();
    bool more = mmi_large.due;
    mmi_large_leave();
    return more;
}

// Notes that a block is in use. Returns whether its bytes are known to be zero.
MMI_FN bool mmi_large_touch(const void *block, size_t size) {
    const mmi_segment *segment = mmi_pool_first(mmi_large.pool);
    size_t granule = mmi_segment_granule(segment, block);
    if (granule >= segment->granule_count) return false;
    bool fresh = granule >= mmi_large.touched;
    size_t end = granule + mmi_pool_granules(size);
    if (end > mmi_large.touched) mmi_large.touched = (uint32_t)end;
    return fresh;
}

// A large block, or NULL. *zeroed: its bytes are known to be zero.
MMI_FN void *mmi_large_alloc(size_t alignment, size_t size, bool *zeroed) {
    mmi_large_enter();
    memmgr_pool *pool = mmi_large_pool();
    uint32_t segments = pool ? pool->segment_count : 0;
    void *block = pool ? mmi_pool_alloc(pool, alignment, size) : NULL;
    if (block) *zeroed = mmi_large_touch(block, size) || pool->segment_count > segments;
    if (pool) mmi_large_tick();
    mmi_large_leave();
    return block;
}

// Finds a large block, with the lock held.
MMI_FN memmgr_error mmi_large_locate(const void *ptr, mmi_live *block) {
    return mmi_large.pool ? mmi_pool_locate(mmi_large.pool, ptr, block) : MEMMGR_FOREIGN_POINTER;
}

// The error, and for an interior pointer the block it lies in.
MMI_FN memmgr_error mmi_large_free(void *ptr, memmgr_block *around) {
    mmi_live block = {NULL, 0, 0};
    mmi_large_enter();
    memmgr_error error = mmi_large_locate(ptr, &block);
    if (error == MEMMGR_OK) {
        size_t size = (size_t)block.length << MMI_GRANULE_SHIFT;
        mmi_run run = {block.at, block.length};
        bool first = block.segment == mmi_pool_first(mmi_large.pool);
        mmi_pool_free(mmi_large.pool, &block);
        if (first && size >= MMI_LARGE_RETURNED)
            (void)mmi_pool_purge(block.segment, run, mmi_os_page(), SIZE_MAX);
        mmi_large_tick();
    } else if (error == MEMMGR_INTERIOR_POINTER) {
        around->address = mmi_pool_block_around(mmi_large.pool, ptr, &around->size);
    }
    mmi_large_leave();
    return error;
}

// The usable size of a large block, 0 for what is none; then *error and *around say more.
MMI_FN size_t mmi_large_size(const void *ptr, memmgr_error *error, memmgr_block *around) {
    mmi_live block = {NULL, 0, 0};
    mmi_large_enter();
    *error = mmi_large_locate(ptr, &block);
    if (*error == MEMMGR_INTERIOR_POINTER)
        around->address = mmi_pool_block_around(mmi_large.pool, ptr, &around->size);
    mmi_large_leave();
    return (size_t)block.length << MMI_GRANULE_SHIFT;
}

// Resizes a large block where it lies. False when there is no room, or it is none.
MMI_FN bool mmi_large_resize(void *ptr, size_t size) {
    mmi_live block = {NULL, 0, 0};
    size_t length = mmi_pool_granules(size);
    mmi_large_enter();
    bool done = length <= MMI_GRANULES_MAX && mmi_large_locate(ptr, &block) == MEMMGR_OK &&
                mmi_pool_resize(mmi_large.pool, &block, (uint32_t)length);
    if (done) (void)mmi_large_touch(ptr, size);
    mmi_large_leave();
    return done;
}

// A large block that is to grow: with room behind it where there is.
MMI_FN void *mmi_large_alloc_roomy(size_t size) {
    size_t length = mmi_pool_granules(size);
    void *block = NULL;
    mmi_large_enter();
    memmgr_pool *pool = length <= MMI_GRANULES_MAX ? mmi_large_pool() : NULL;
    if (pool) block = mmi_pool_alloc_roomy(pool, (uint32_t)length, size);
    if (block) (void)mmi_large_touch(block, size);
    mmi_large_leave();
    return block;
}

// Unmaps what segments are empty. False when there is none.
MMI_FN bool mmi_large_sweep(void) {
    size_t capacity = 0, left = 0;
    mmi_large_enter();
    if (mmi_large.pool) {
        capacity = mmi_large.pool->capacity;
        for (uint32_t i = mmi_large.pool->segment_count; i-- > 0;)
            mmi_pool_shrink_to_fit(mmi_large.pool, mmi_pool_segment(mmi_large.pool, i));
        left = mmi_large.pool->capacity;
    }
    mmi_large_leave();
    return left != capacity;
}

// Unmaps everything.
MMI_FN void mmi_large_end(void) {
    if (mmi_large.pool) mmi_pool_end(mmi_large.pool);
    mmi_bytes_fill(&mmi_large, 0, sizeof mmi_large);
}

// Gives the idle pages back. Bytes.
MMI_FN size_t mmi_large_trim(void) {
    size_t given = 0;
    mmi_large_enter();
    for (uint32_t i = 0; mmi_large.pool && i < mmi_large.pool->segment_count; i++) {
        const mmi_segment *segment = mmi_pool_segment(mmi_large.pool, i);
        given += mmi_pool_purge_segment(segment, mmi_large_touched(segment), 0, SIZE_MAX);
    }
    mmi_large_leave();
    return given;
}

// >>heap

// The threads' heaps. A thread's own is used without a lock; what another thread may touch of it
// are the states of its blocks, from LIVE to REMOTE, and the lists `told`:
//
//     heap->told[48 B] --> slab --told_next--> slab --> 0     each has REMOTE blocks, and told == 1
//
// Who frees another's block makes its state REMOTE, and the slab's `told` 1; who finds it 0 pushes
// the slab onto the list. The owner takes the whole list, sets each `told` to 0, then looks at the
// states: what becomes REMOTE after that is told anew.

static mmi_heap mmi_heap_none; // of a thread that has made no call yet: empty, so all calls go slow
static mmi_heap mmi_heap_gone; // of a thread whose end has been seen: the same

// The calling thread's heap; and what the short ways of malloc and free look at: the same, but when
// calls are watched a heap without anything, so that all of them go the long way.
static MMI_THREAD_LOCAL mmi_heap *mmi_heap_mine = &mmi_heap_none;
static MMI_THREAD_LOCAL mmi_heap *mmi_heap_short = &mmi_heap_none;

static struct {
    mmi_heap *all, *parked; // under the arena's lock
    size_t peak_used;       // bytes; under the arena's lock
    unsigned started;       // 0, 1 while the first thread prepares, 2
    unsigned hears_of_forks;
    uintptr_t failures, misuses;
    size_t serials;  // under the arena's lock
    uint8_t watched; // 1: the calls are, or have been
} mmi_heap_all;

static mmi_lock mmi_heap_watch_lock; // the room watch's; here, for a fork is to find it free

MMI_INLINE bool mmi_heap_is_watched(void) {
    if (!MMI_WATCH) return false;
    return MMI_DEBUG || mmi_atomic_byte(&mmi_heap_all.watched) != 0 || mmi_tool_is_there();
}

// From here on the calls of this thread, and of those that have not made one yet, are watched.
MMI_FN void mmi_heap_watch(void) {
    mmi_atomic_byte_store(&mmi_heap_all.watched, 1);
    mmi_heap_short = &mmi_heap_none;
}

MMI_INLINE bool mmi_heap_is_real(const mmi_heap *heap) { return heap->unit_count != 0; }

MMI_INLINE mmi_heap *mmi_heap_owner(const mmi_slab *slab) {
    return (mmi_heap *)mmi_atomic_word(&slab->owner);
}

// Counts bytes that leave a heap's slabs, or come back. Others may read the sum.
MMI_INLINE void mmi_heap_add_outside(mmi_heap *heap, size_t bytes) {
    mmi_atomic_word_store(&heap->outside, mmi_atomic_word(&heap->outside) + bytes);
}

// --- slabs of a heap

MMI_FN void mmi_heap_list(mmi_slab *slab) {
    mmi_bin *bin = slab->bin;
    slab->prev = NULL;
    slab->next = bin->partial;
    if (slab->next) slab->next->prev = slab;
    bin->partial = slab;
    slab->listed = true;
}

MMI_FN void mmi_heap_unlist(mmi_slab *slab) {
    if (slab->prev)
        slab->prev->next = slab->next;
    else
        slab->bin->partial = slab->next;
    if (slab->next) slab->next->prev = slab->prev;
    slab->listed = false;
}

// An unlisted slab without a block outside goes back to the arena.
MMI_FN void mmi_heap_release(mmi_slab *slab) {
    MMI_ASSERT(!slab->listed && slab->free_count == slab->count);
    mmi_lock_acquire(&mmi_arena_lock);
    mmi_atomic_word_store(&slab->owner, 0);
    mmi_arena_put(slab);
    mmi_lock_release(&mmi_arena_lock);
}

// Some blocks of a slab have become FREE. A slab that is empty then is kept only while it is the
// only one with FREE blocks of its size.
MMI_FN void mmi_heap_note_free(mmi_heap *heap, mmi_slab *slab, unsigned count) {
    slab->free_count = (uint16_t)(slab->free_count + count);
    size_t bytes = count * mmi_slab_size(slab->size_index);
    mmi_heap_add_outside(heap, 0 - bytes);
    if (!slab->listed) mmi_heap_list(slab);
    if (slab->free_count != slab->count || (!slab->prev && !slab->next)) return;
    mmi_heap_unlist(slab);
    mmi_heap_release(slab);
}

// Frees the blocks at the bottom of a stack into their slabs: the rest moves down.
MMI_FN void mmi_heap_shed(mmi_heap *heap, mmi_bin *bin, size_t count) {
    mmi_item *item = bin->bottom, *end = item + count;
    while (item != end) {
        uintptr_t unit = (uintptr_t)item->block >> MMI_UNIT_SHIFT;
        mmi_slab *slab = mmi_arena_find((uintptr_t)item->block);
        size_t lowest = slab->cursor;
        unsigned freed = 0;
        for (; item != end && (uintptr_t)item->block >> MMI_UNIT_SHIFT == unit; item++, freed++) {
            size_t block = (size_t)(item->state - slab->states);
            mmi_atomic_byte_store(item->state, MMI_STATE_FREE);
            if (block < lowest) lowest = block;
        }
        slab->cursor = (uint16_t)lowest;
        mmi_heap_note_free(heap, slab, freed);
    }
    for (mmi_item *to = bin->bottom; item != bin->top;)
        *to++ = *item++;
    bin->top -= count;
}

// --- blocks that other threads free

// Tells a slab's owner that it has REMOTE blocks, unless that is under way. The caller has just
// made one, and then looked at `told`; the owner clears `told`, and then looks at the states: so
// one of them sees what the other did. Whatever happens to the slab meanwhile, to be told once too
// often does no harm.
MMI_FN void mmi_heap_tell(mmi_slab *slab) {
    MMI_PAUSE("seen that nobody has told");
    while (!mmi_atomic_byte_exchange(&slab->told, 1)) {
        mmi_heap *owner = mmi_heap_owner(slab);
        if (owner) {
            uintptr_t *told = &owner->told[mmi_atomic_half(&slab->size_index)];
            uintptr_t first = mmi_atomic_word(told);
            MMI_PAUSE("about to tell the owner");
            do
                slab->told_next = (mmi_slab *)first;
            while (!mmi_atomic_word_replace(told, &first, (uintptr_t)slab));
            return;
        }
        MMI_PAUSE("nobody to tell");
        (void)mmi_atomic_byte_exchange(&slab->told, 0);
        mmi_atomic_fence();
        if (!mmi_heap_owner(slab)) return;
    }
}

// Takes in what other threads have freed of one size.
MMI_FN void mmi_heap_collect(mmi_heap *heap, unsigned size_index) {
    if (mmi_atomic_word(&heap->told[size_index]) == 0) return;
    mmi_slab *slab = (mmi_slab *)mmi_atomic_word_exchange(&heap->told[size_index], 0), *next;
    for (; slab; slab = next) {
        next = slab->told_next; // before others may tell it again
        (void)mmi_atomic_byte_exchange(&slab->told, 0);
        mmi_atomic_fence(); // who finds it told already has made its block REMOTE before
        mmi_heap *owner = mmi_heap_owner(slab);
        if (owner != heap) { // it has changed hands since it was told
            if (owner) mmi_heap_tell(slab);
            continue;
        }
        unsigned count = mmi_slab_sweep(slab);
        if (count) mmi_heap_note_free(heap, slab, count);
    }
}

MMI_FN bool mmi_heap_is_told(const mmi_heap *heap) {
    uintptr_t any = 0;
    for (unsigned i = 0; i < MMI_SIZES; i++)
        any |= mmi_atomic_word(&heap->told[i]);
    return any != 0;
}

MMI_FN void mmi_heap_collect_all(mmi_heap *heap) {
    for (unsigned i = 0; i < MMI_SIZES; i++)
        mmi_heap_collect(heap, i);
}

// Frees a block of another thread's. Two threads that free it at once: the first one's state stays.
MMI_FN bool mmi_heap_free_remote(mmi_slab *slab, uint8_t *state, uint8_t live) {
    MMI_PAUSE("about to claim");
    if (!mmi_atomic_byte_claim(state, live, MMI_STATE_REMOTE)) return false;
    MMI_PAUSE("claimed and not told");
    if (!mmi_atomic_byte_ordered(&slab->told)) mmi_heap_tell(slab);
    return true;
}

// --- heaps without a thread

// Empties the stacks.
MMI_FN void mmi_heap_flush(mmi_heap *heap) {
    for (unsigned i = 0; i < MMI_SIZES; i++) {
        mmi_bin *bin = &heap->bins[i];
        mmi_heap_shed(heap, bin, (size_t)(bin->top - bin->bottom));
    }
}

// Gives back the empty slabs.
MMI_FN void mmi_heap_release_empty(mmi_heap *heap) {
    for (unsigned i = 0; i < MMI_SIZES; i++)
        for (mmi_slab *slab = heap->bins[i].partial, *next; slab; slab = next) {
            next = slab->next;
            if (slab->free_count != slab->count) continue;
            mmi_heap_unlist(slab);
            mmi_heap_release(slab);
        }
}

// Gives back what a heap does not need just now.
MMI_FN void mmi_heap_give(mmi_heap *heap) {
    mmi_heap_collect_all(heap);
    mmi_heap_flush(heap);
    mmi_heap_release_empty(heap);
}

// From time to time looks after memory that is idle, by the way of calls that take their time
// anyway: a program that has freed much and does little may take and leave no slab, and each block
// on a stack that it does not use may keep a whole unit.
MMI_FN void mmi_heap_visit(mmi_heap *heap) {
    uint32_t now = mmi_os_clock();
    heap->visit_at = heap->issued + MMI_VISIT_BLOCKS;
    if (now - heap->visited < MMI_IDLE_MILLISECONDS) return;
    heap->visited = now;
    mmi_heap_give(heap);
    bool more = mmi_arena_visit();
    if (!mmi_large_visit() && !more) return;
    heap->visited -= MMI_IDLE_MILLISECONDS; // so that the rest follows soon
    heap->visit_at = heap->issued + MMI_VISIT_BLOCKS / 8;
}

// Leaves a heap to the next thread, or to whoever needs its slabs.
MMI_FN void mmi_heap_park(mmi_heap *heap) {
    mmi_heap_give(heap);
    mmi_lock_acquire(&mmi_arena_lock);
    heap->next_parked = mmi_heap_all.parked;
    heap->parked = true;
    mmi_heap_all.parked = heap;
    mmi_lock_release(&mmi_arena_lock);
}

// --- taking slabs

// Takes a slab with FREE blocks from one of some parked heaps, with the arena's lock held. None
// that the heap may have been told of: the new owner would wait for that word. Where that happens
// in spite of it, the word is passed on by whoever drains that heap.
MMI_FN mmi_slab *mmi_heap_adopt_slab(unsigned size_index, size_t asked) {
    for (mmi_heap *parked = mmi_heap_all.parked; parked && asked-- > 0;
         parked = parked->next_parked) {
        mmi_slab *slab = parked->bins[size_index].partial;
        if (!slab || mmi_atomic_word(&parked->told[size_index]) != 0) continue;
        mmi_heap_unlist(slab);
        size_t bytes = (size_t)(slab->count - slab->free_count) * mmi_slab_size(size_index);
        mmi_heap_add_outside(parked, 0 - bytes);
        return slab;
    }
    return NULL;
}

// Makes a unit a slab, with the arena's lock held. NULL when there is no memory.
MMI_FN mmi_slab *mmi_heap_make_slab(unsigned size_index) {
    mmi_slab *slab = mmi_arena_take();
    if (!slab) return NULL;
    if (!mmi_arena_give_states(slab, mmi_slab_order(size_index))) {
        mmi_arena_put(slab);
        return NULL;
    }
    slab->multiplier = mmi_slab_multipliers[size_index];
    slab->live = mmi_slab_live(size_index);
    slab->count = slab->free_count = (uint16_t)(MMI_UNIT / mmi_slab_size(size_index));
    slab->cursor = 0;
    mmi_atomic_half_release(&slab->size_index, (uint16_t)size_index); // to mmi_slab_state_any
    return slab;
}

MMI_FN void mmi_heap_note_peak(void) {
    size_t used = mmi_atomic_word(&mmi_large.used);
    for (mmi_heap *heap = mmi_heap_all.all; heap; heap = heap->next)
        used += mmi_atomic_word(&heap->outside);
    if (used > mmi_heap_all.peak_used) mmi_heap_all.peak_used = used;
}

// Takes in what was freed of the blocks of so many parked heaps, so that empty slabs of theirs are
// there to use. False when none had been told of any.
MMI_FN bool mmi_heap_drain_parked(size_t most) {
    for (size_t i = 0; i < most; i++) {
        mmi_lock_acquire(&mmi_arena_lock);
        mmi_heap **link = &mmi_heap_all.parked;
        while (*link && !mmi_heap_is_told(*link))
            link = &(*link)->next_parked;
        mmi_heap *heap = *link;
        if (heap) *link = heap->next_parked; // nobody else's, from here on
        mmi_lock_release(&mmi_arena_lock);
        if (!heap) return i != 0;
        mmi_heap_park(heap);
    }
    return true;
}

// Gives to the arenas what is kept: by this thread, and by those that have ended.
MMI_FN bool mmi_heap_give_all(void) {
    mmi_heap *heap = mmi_heap_mine;
    if (mmi_heap_is_real(heap)) mmi_heap_give(heap);
    return mmi_heap_drain_parked(MMI_PARKED_MOST);
}

// When there is no memory: looks for some. False when nothing was found.
MMI_COLD bool mmi_heap_scavenge(void) {
    bool any = mmi_heap_give_all();
    mmi_lock_acquire(&mmi_arena_lock);
    any |= mmi_arena_has_idle();
    any |= mmi_arena_retire();
    mmi_lock_release(&mmi_arena_lock);
    return mmi_large_sweep() || any;
}

// A slab becomes a heap's, with the arena's lock held.
MMI_FN void mmi_heap_own(mmi_heap *heap, mmi_bin *bin, mmi_slab *slab) {
    size_t taken = (size_t)(slab->count - slab->free_count);
    mmi_heap_add_outside(heap, taken * mmi_slab_size(slab->size_index));
    slab->bin = bin;
    mmi_atomic_word_store(&slab->owner, (uintptr_t)heap);
    mmi_atomic_fence(); // to who finds it told no more, and asks for the owner: mmi_heap_tell
    mmi_heap_list(slab);
}

// One more slab for a bin that has none with FREE blocks: a parked heap's, or from idle memory;
// from fresh memory only when nobody has freed any meanwhile. False when there is no memory.
MMI_FN bool mmi_heap_get_slab(mmi_heap *heap, mmi_bin *bin, size_t asked) {
    unsigned size_index = (unsigned)(bin - heap->bins);
    mmi_lock_acquire(&mmi_arena_lock);
    mmi_slab *slab = mmi_heap_adopt_slab(size_index, asked);
    if (!slab && !mmi_arena_has_idle()) {
        mmi_lock_release(&mmi_arena_lock);
        MMI_PAUSE("no idle unit");
        mmi_heap_collect_all(heap);
        (void)mmi_heap_drain_parked(asked);
        if (bin->partial) return true;
        mmi_lock_acquire(&mmi_arena_lock);
        slab = mmi_heap_adopt_slab(size_index, asked);
    }
    if (!slab) slab = mmi_heap_make_slab(size_index);
    if (slab) mmi_heap_own(heap, bin, slab);
    mmi_heap_note_peak();
    mmi_arena_tick();
    mmi_lock_release(&mmi_arena_lock);
    return slab != NULL;
}

// Fills the empty stack of a bin, by a quarter. False when there is no memory.
MMI_FN bool mmi_heap_refill(mmi_heap *heap, mmi_bin *bin) {
    if (heap->issued >= heap->visit_at) mmi_heap_visit(heap);
    if (!bin->partial) mmi_heap_collect(heap, (unsigned)(bin - heap->bins));
    if (!bin->partial && !mmi_heap_get_slab(heap, bin, MMI_PARKED_ASKED)) {
        MMI_PAUSE("no memory");
        (void)mmi_heap_scavenge();
        if (!bin->partial && !mmi_heap_get_slab(heap, bin, MMI_PARKED_MOST)) return false;
    }
    mmi_slab *slab = bin->partial;
    unsigned take = (unsigned)(bin->limit - bin->bottom) / 4; // MMI_BIN_DEPTH_LEAST is 4
    if (take > slab->free_count) take = slab->free_count;
    mmi_slab_take(slab, bin, take);
    if (slab->free_count == 0) mmi_heap_unlist(slab);
    mmi_atomic_word_store(&heap->issued, heap->issued + take);
    mmi_heap_add_outside(heap, take * mmi_slab_size(slab->size_index));
    return true;
}

// --- the calling thread's heap

// Cached blocks of a size that a heap has room for.
MMI_FN size_t mmi_heap_depth(unsigned size_index) {
    size_t depth = MMI_BIN_BYTES / mmi_slab_size(size_index);
    if (depth < MMI_BIN_DEPTH_LEAST) return MMI_BIN_DEPTH_LEAST;
    return depth < MMI_BIN_DEPTH ? depth : MMI_BIN_DEPTH;
}

// A new heap, with the arena's lock held, or NULL.
MMI_FN mmi_heap *mmi_heap_make(void) {
    size_t items = 0;
    mmi_slab_fill_tables();
    if (mmi_arena_all.count == 0 && !mmi_arena_add()) return NULL;
    for (unsigned i = 0; i < MMI_SIZES; i++)
        items += mmi_heap_depth(i);
    mmi_heap *heap = (mmi_heap *)mmi_arena_meta(sizeof(mmi_heap) + items * sizeof(mmi_item));
    if (!heap) return NULL;
    mmi_item *item = (mmi_item *)(void *)(heap + 1);
    for (unsigned i = 0; i < MMI_SIZES; i++) {
        mmi_bin *bin = &heap->bins[i];
        bin->top = bin->bottom = item;
        item += mmi_heap_depth(i);
        bin->limit = item;
        bin->live = mmi_slab_live(i);
    }
    heap->base = mmi_arena_at(0)->base;
    heap->unit_count = mmi_arena_at(0)->unit_count;
    heap->units = mmi_arena_at(0)->units;
    heap->next = mmi_heap_all.all;
    mmi_heap_all.all = heap;
    return heap;
}

MMI_FN void mmi_heap_thread_ends(void *heap) {
    // Where thread-locals end before their thread does they are found anew: as they were at first.
    bool anew = MMI_POSIX && mmi_heap_mine == &mmi_heap_none; // half covered: not with TLS of ELF
    bool mine = mmi_heap_mine == (mmi_heap *)heap || anew;    // half covered: as above
    if (!mine) return;                                        // a fiber of another thread
    mmi_heap_mine = mmi_heap_short = &mmi_heap_gone;
    mmi_heap_park((mmi_heap *)heap);
}

// A fork finds the shared data at rest.
MMI_FN void mmi_heap_before_fork(void) {
    mmi_lock_acquire(&mmi_heap_watch_lock);
    mmi_lock_acquire(&mmi_arena_lock);
    mmi_lock_acquire(&mmi_large_lock);
    mmi_trace_before_fork();
}

MMI_FN void mmi_heap_release_locks(bool in_child) {
    mmi_trace_after_fork(in_child);
    mmi_lock_release(&mmi_large_lock);
    mmi_lock_release(&mmi_arena_lock);
    mmi_lock_release(&mmi_heap_watch_lock);
}

MMI_FN void mmi_heap_after_fork(void) { mmi_heap_release_locks(false); }

// In the child the other threads are gone, perhaps in the middle of a call: their heaps stay as
// they are, and blocks that are freed to them are not used again. Some of them may have been about
// to tell of a slab: so all are taken as not told, and those are swept whose owner is left.
MMI_FN void mmi_heap_after_fork_in_child(void) {
    mmi_heap *own = mmi_heap_mine;
    mmi_heap_release_locks(true);
    if (mmi_heap_all.started == 1) mmi_heap_all.started = 0; // who prepared is gone
    for (mmi_heap *heap = mmi_heap_all.all; heap; heap = heap->next)
        for (unsigned i = 0; i < MMI_SIZES; i++)
            mmi_atomic_word_store(&heap->told[i], 0);
    for (size_t i = 0; i < mmi_arena_all.count; i++)
        for (size_t j = 0; j < mmi_arena_at(i)->fresh; j++) {
            mmi_slab *slab = &mmi_arena_at(i)->units[j];
            mmi_heap *owner = mmi_heap_owner(slab);
            mmi_atomic_byte_store(&slab->told, 0);
            if (!owner || (owner != own && !owner->parked)) continue;
            unsigned count = mmi_slab_sweep(slab);
            if (count) mmi_heap_note_free(owner, slab, count);
        }
}

#if MMI_THREADS
// Asks the system to tell of forks: when the program is loaded, so that no fork finds a first call
// under way. Only what other libraries' constructors call may be sooner.
MMI_FN void mmi_heap_hear_of_forks(void) {
    if (mmi_atomic_exchange(&mmi_heap_all.hears_of_forks, 1) == 0)
        mmi_os_at_fork(mmi_heap_before_fork, mmi_heap_after_fork, mmi_heap_after_fork_in_child);
}

#if defined(MMI_AT_LOAD)
MMI_AT_LOAD void mmi_heap_loaded(void) { mmi_heap_hear_of_forks(); }
#endif

// Asks the system to tell of ends of threads, and of forks if that was not asked yet. It may
// allocate for that: the thread has its heap.
MMI_COLD void mmi_heap_start(void) {
    if (mmi_atomic_load(&mmi_heap_all.started) == 2) return; // and what was prepared is known
    MMI_PAUSE("not started yet");
    unsigned was = mmi_atomic_exchange(&mmi_heap_all.started, 1);
    if (was == 1) { // patience has an end: the other thread may be stopped
        for (unsigned i = 0; i < 1000 && mmi_atomic_load(&mmi_heap_all.started) == 1; i++)
            mmi_os_yield(false);
        return;
    }
    if (was == 0) mmi_os_at_thread_end(mmi_heap_thread_ends);
    mmi_heap_hear_of_forks();
    mmi_atomic_store(&mmi_heap_all.started, 2);
}
#else
MMI_FN void mmi_heap_start(void) {}
#endif

// A parked heap, or a new one; NULL where there is no memory for it.
MMI_FN mmi_heap *mmi_heap_take(void) {
    mmi_lock_acquire(&mmi_arena_lock);
    mmi_heap *heap = mmi_heap_all.parked;
    if (heap)
        mmi_heap_all.parked = heap->next_parked;
    else
        heap = mmi_heap_make();
    if (heap) heap->parked = false;
    mmi_lock_release(&mmi_arena_lock);
    return heap;
}

// The calling thread's heap; NULL where there is no memory for one. A thread that is at its end
// gets one for this call only.
MMI_FN mmi_heap *mmi_heap_enter(void) {
    mmi_heap *heap = mmi_heap_mine;
    bool gone = heap == &mmi_heap_gone;
    if (mmi_heap_is_real(heap)) return heap;
    heap = mmi_heap_take();
    if (!heap) return NULL;
    mmi_heap_mine = heap;
    mmi_heap_short = mmi_heap_is_watched() ? &mmi_heap_none : heap;
    mmi_heap_collect_all(heap); // also what is to be passed on
    if (gone) return heap;
    mmi_heap_start();
    mmi_os_thread_has(heap);
    return heap;
}

// What a first general call begins: from here on, at the latest, forks are told of.
MMI_FN void mmi_heap_begin(void) { (void)mmi_heap_enter(); }

#if MMI_POSIX && MMI_THREADS && MMI_GNUC && MMI_ELF
// Is no block LIVE or REMOTE, and no other thread's heap in use? With both locks held.
MMI_FN bool mmi_heap_is_unused(void) {
    for (const mmi_heap *heap = mmi_heap_all.all; heap; heap = heap->next)
        if (!heap->parked && heap != mmi_heap_mine) return false;
    if (mmi_large.pool && mmi_large.pool->used != 0) return false;
    for (size_t i = 0; i < mmi_arena_all.count; i++)
        for (size_t j = 0; j < mmi_arena_at(i)->fresh; j++) {
            const mmi_slab *slab = &mmi_arena_at(i)->units[j];
            if (!mmi_heap_owner(slab)) continue;
            if (mmi_slab_count(slab, slab->live) != 0) return false;
            if (mmi_slab_count(slab, MMI_STATE_REMOTE) != 0) return false;
        }
    return true;
}

// A library that is unloaded leaves no function behind to be called at a thread's end, and no
// memory if all its blocks are freed: so this comes after its own destructors. It is called when a
// program ends, too; there may be calls after it, and other threads, which start afresh.
__attribute__((destructor(101), used)) static void mmi_heap_unloaded(void) {
    mmi_os_no_thread_end();
    mmi_heap_before_fork();
    if (mmi_heap_is_unused()) {
        mmi_heap_mine = mmi_heap_short = &mmi_heap_none;
        mmi_heap_all.all = mmi_heap_all.parked = NULL;
        mmi_large_end();
        mmi_arena_end();
    }
    mmi_heap_after_fork();
}
#endif

// --- allocation

MMI_COLD void *mmi_heap_failed(void) {
    mmi_atomic_word_add(&mmi_heap_all.failures, 1);
    mmi_os_no_memory();
    return NULL;
}
MMI_COLD void mmi_heap_forget_failure(void) {
    mmi_atomic_word_add(&mmi_heap_all.failures, 0 - (uintptr_t)1);
}
MMI_FN size_t mmi_heap_failures(void) { return mmi_atomic_word(&mmi_heap_all.failures); }

// Has no block been handed out yet?
MMI_FN bool mmi_heap_is_new(void) { return !mmi_heap_all.all && !mmi_large.pool; }

// The top of a stack that is not empty.
MMI_INLINE void *mmi_heap_pop(mmi_bin *bin) {
    mmi_item *item = bin->top - 1;
    void *block = item->block;
    bin->top = item;
    mmi_atomic_byte_store(item->state, bin->live);
    return block;
}

MMI_COLD void *mmi_heap_alloc_slow(size_t size) {
    bool gone = mmi_heap_mine == &mmi_heap_gone;
    mmi_heap *heap = mmi_heap_enter();
    if (!heap) return mmi_heap_failed();
    mmi_bin *bin = mmi_slab_bin(heap, size);
    void *block = NULL;
    MMI_ASSERT(bin->top == bin->bottom);
    if (mmi_heap_refill(heap, bin)) block = mmi_heap_pop(bin);
    if (gone) mmi_heap_thread_ends(heap);
    return block ? block : mmi_heap_failed();
}

MMI_COLD void *mmi_heap_alloc_large(size_t alignment, size_t size, bool *zeroed) {
    void *block = mmi_large_alloc(alignment, size, zeroed);
    if (!block && mmi_heap_scavenge()) block = mmi_large_alloc(alignment, size, zeroed);
    return block ? block : mmi_heap_failed();
}

MMI_COLD void *mmi_heap_alloc_any(size_t size) {
    bool zeroed;
    if (size > MMI_SMALL_MAX) return mmi_heap_alloc_large(MMI_GRANULE, size, &zeroed);
    return mmi_heap_alloc_slow(size);
}

// The short way: a block from a heap's stack. False when there is none.
MMI_INLINE bool mmi_heap_alloc_short(mmi_heap *heap, size_t size, void **block) {
    if (MMI_UNLIKELY(size > MMI_SMALL_MAX)) return false;
    mmi_bin *bin = mmi_slab_bin(heap, size);
    if (MMI_UNLIKELY(bin->top == bin->bottom)) return false;
    *block = mmi_heap_pop(bin);
    return true;
}

MMI_INLINE void *mmi_heap_alloc(size_t size) {
    void *block;
    return mmi_heap_alloc_short(mmi_heap_mine, size, &block) ? block : mmi_heap_alloc_any(size);
}

MMI_FN void *mmi_heap_calloc(size_t bytes) {
    bool zeroed = false;
    void *block = bytes > MMI_SMALL_MAX ? mmi_heap_alloc_large(MMI_GRANULE, bytes, &zeroed)
                                        : mmi_heap_alloc(bytes);
    if (block && !zeroed) mmi_bytes_fill(block, 0, bytes);
    return block;
}

// A slab's block lies at a multiple of its size from the beginning of a unit: where the size is a
// multiple of the alignment, so is the address.
MMI_FN void *mmi_heap_alloc_aligned(size_t alignment, size_t size) {
    bool zeroed;
    if (alignment <= MMI_GRANULE) return mmi_heap_alloc(size);
    for (unsigned i = 0; i < MMI_SIZES && alignment <= MMI_SMALL_MAX; i++)
        if (mmi_slab_size(i) >= size && mmi_slab_size(i) % alignment == 0)
            return mmi_heap_alloc(mmi_slab_size(i));
    return mmi_heap_alloc_large(alignment, size, &zeroed);
}

// --- freeing

// A live block of a slab's, as a pointer names it: its state, or NULL and what the pointer is.
MMI_INLINE uint8_t *mmi_heap_locate(const mmi_slab *slab, const void *ptr, unsigned *size_index,
                                    memmgr_error *error, memmgr_block *around) {
    bool starts = false;
    uint8_t *state = NULL;
    if (mmi_heap_owner(slab)) state = mmi_slab_state_any(slab, (uintptr_t)ptr, size_index, &starts);
    if (starts && mmi_atomic_byte(state) == mmi_slab_live(*size_index)) return state;
    *error = mmi_slab_misuse_of(slab, (uintptr_t)ptr, around);
    return NULL;
}

// Frees what memmgr_free has not freed on its short ways. The error, and the block it is about.
MMI_COLD memmgr_error mmi_heap_free_slow(void *ptr, memmgr_block *around) {
    memmgr_error error = MEMMGR_OK;
    mmi_slab *slab = mmi_arena_find((uintptr_t)ptr);
    if (!slab) {
        if (mmi_heap_is_real(mmi_heap_mine)) mmi_heap_visit(mmi_heap_mine);
        return mmi_large_free(ptr, around);
    }
    unsigned size_index = 0;
    uint8_t *state = mmi_heap_locate(slab, ptr, &size_index, &error, around);
    if (!state) return error;
    mmi_heap *owner = mmi_heap_owner(slab);
    if (owner != mmi_heap_mine) {
        bool freed = mmi_heap_free_remote(slab, state, mmi_slab_live(size_index));
        return freed ? MEMMGR_OK : MEMMGR_DOUBLE_FREE;
    }
    mmi_bin *bin = slab->bin;
    mmi_item item = {ptr, state};
    MMI_ASSERT(bin->top == bin->limit); // else it would have been pushed
    mmi_atomic_byte_store(state, MMI_STATE_CACHED);
    mmi_heap_shed(owner, bin, (size_t)(bin->limit - bin->bottom) / 2);
    *bin->top++ = item;
    return MEMMGR_OK;
}

// Frees a block of this thread's if there is room on its stack. Else false, and nothing done.
MMI_INLINE bool mmi_heap_push(mmi_slab *slab, void *ptr) {
    bool starts;
    uint8_t *state = mmi_slab_state(slab, (uintptr_t)ptr, &starts);
    if (MMI_UNLIKELY(!starts)) return false;
    if (MMI_UNLIKELY(mmi_atomic_byte(state) != slab->live)) return false;
    MMI_PAUSE("owner has seen LIVE");
    mmi_bin *bin = slab->bin;
    mmi_item *item = bin->top;
    if (MMI_UNLIKELY(item == bin->limit)) return false;
    mmi_atomic_byte_store(state, MMI_STATE_CACHED);
    item->block = ptr;
    item->state = state;
    bin->top = item + 1;
    return true;
}

// The short way: a block of this thread's, in the first arena.
MMI_INLINE bool mmi_heap_free_short(mmi_heap *heap, void *ptr) {
    size_t number = ((uintptr_t)ptr - heap->base) >> MMI_UNIT_SHIFT;
    if (MMI_UNLIKELY(number >= heap->unit_count)) return false;
    mmi_slab *slab = &heap->units[number];
    if (MMI_UNLIKELY(mmi_atomic_word(&slab->owner) != (uintptr_t)heap)) return false;
    return mmi_heap_push(slab, ptr);
}

// The other short way: another thread's block, or one of a further arena.
MMI_COLD bool mmi_heap_free_other(void *ptr) {
    mmi_slab *slab = mmi_arena_find((uintptr_t)ptr);
    unsigned size_index;
    bool starts;
    if (!slab) return false;
    uintptr_t owner = mmi_atomic_word(&slab->owner);
    if (owner == (uintptr_t)mmi_heap_mine) return mmi_heap_push(slab, ptr);
    if (owner == 0) return false;
    uint8_t *state = mmi_slab_state_any(slab, (uintptr_t)ptr, &size_index, &starts);
    return starts && mmi_heap_free_remote(slab, state, mmi_slab_live(size_index));
}

// Does a live block of a slab start at a pointer? False for large blocks, too.
MMI_INLINE bool mmi_heap_is_live(const void *ptr) {
    const mmi_heap *heap = mmi_heap_mine;
    size_t number = ((uintptr_t)ptr - heap->base) >> MMI_UNIT_SHIFT;
    const mmi_slab *slab = NULL;
    unsigned size_index;
    bool starts;
    if (MMI_LIKELY(number < heap->unit_count))
        slab = &heap->units[number];
    else
        slab = mmi_arena_find((uintptr_t)ptr);
    if (!slab || !mmi_heap_owner(slab)) return false;
    const uint8_t *state = mmi_slab_state_any(slab, (uintptr_t)ptr, &size_index, &starts);
    return starts && mmi_atomic_byte(state) == mmi_slab_live(size_index);
}

// Frees any block, by the first way that fits.
MMI_INLINE memmgr_error mmi_heap_free(void *ptr, memmgr_block *around) {
    if (mmi_heap_free_short(mmi_heap_mine, ptr) || mmi_heap_free_other(ptr)) return MEMMGR_OK;
    return mmi_heap_free_slow(ptr, around);
}

// The number of an allocation. Each thread takes some hundred numbers at a time.
static MMI_THREAD_LOCAL size_t mmi_heap_next_serial, mmi_heap_last_serial;

MMI_INLINE size_t mmi_heap_serial(void) {
    if (MMI_UNLIKELY(mmi_heap_next_serial == mmi_heap_last_serial)) {
        mmi_lock_acquire(&mmi_arena_lock);
        mmi_heap_next_serial = mmi_heap_all.serials;
        mmi_heap_last_serial = mmi_heap_all.serials += 256;
        mmi_lock_release(&mmi_arena_lock);
    }
    return ++mmi_heap_next_serial;
}

// The usable size of a live block; 0 for any other pointer, and what it is.
MMI_FN size_t mmi_heap_size(const void *ptr, memmgr_error *error, memmgr_block *around) {
    const mmi_slab *slab = mmi_arena_find((uintptr_t)ptr);
    if (!slab) return mmi_large_size(ptr, error, around);
    unsigned size_index = 0;
    if (!mmi_heap_locate(slab, ptr, &size_index, error, around)) return 0;
    return mmi_slab_size(size_index);
}

// Is there room for another size where a block lies, without much of a waste? `old` is its usable
// size.
MMI_FN bool mmi_heap_resize_in_place(void *ptr, size_t old, size_t size) {
    if (old <= MMI_SMALL_MAX) return size <= old && (size >= old / 2 || old <= 64);
    return size > MMI_SMALL_MAX && mmi_large_resize(ptr, size);
}

// A block of another size with the same content, in place where that is near enough. NULL, and the
// block intact, when there is no memory. `old` is its usable size.
MMI_FN void *mmi_heap_resize(void *ptr, size_t old, size_t size) {
    bool small = size <= MMI_SMALL_MAX;
    MMI_PAUSE("about to resize");
    if (mmi_heap_resize_in_place(ptr, old, size)) return ptr;
    void *block = small ? mmi_heap_alloc(size) : mmi_large_alloc_roomy(size);
    if (!block && !small && mmi_heap_scavenge()) block = mmi_large_alloc_roomy(size);
    if (!block) return small ? NULL : mmi_heap_failed();
    mmi_bytes_copy(block, ptr, size < old ? size : old);
    return block;
}

MMI_FN size_t mmi_heap_trim(void) {
    (void)mmi_heap_give_all();
    (void)mmi_large_sweep();
    mmi_lock_acquire(&mmi_arena_lock);
    size_t given = mmi_arena_purge(mmi_arena_all.idle.count);
    mmi_lock_release(&mmi_arena_lock);
    return given + mmi_large_trim();
}

MMI_FN void mmi_heap_note_misuse(void) { mmi_atomic_word_add(&mmi_heap_all.misuses, 1); }

#else

// >>single

// Without thread heaps: one pool behind one lock. It grows, or where there is no operating system
// lies in a static array.

typedef struct mmi_heap mmi_heap; // threads have none

static mmi_heap *const mmi_heap_short = NULL, *const mmi_heap_mine = NULL;
static mmi_lock mmi_heap_lock;
static memmgr_pool *mmi_heap_pool;   // NULL until the first call
static mmi_lock mmi_heap_watch_lock; // the room watch's; here, for a fork is to find it free
static uint8_t mmi_heap_watched;     // 1: the calls are, or have been
static uintptr_t mmi_heap_misuses;

MMI_INLINE bool mmi_heap_is_watched(void) {
    return MMI_WATCH && (MMI_DEBUG || mmi_heap_watched != 0 || mmi_tool_is_there());
}

MMI_FN void mmi_heap_watch(void) { mmi_heap_watched = 1; }

#ifdef MEMMGR_NO_OS
#if !defined(MEMMGR_STATIC_HEAP_SIZE) && SIZE_MAX > 0xFFFF
#define MEMMGR_STATIC_HEAP_SIZE 65536
#elif !defined(MEMMGR_STATIC_HEAP_SIZE)
#define MEMMGR_STATIC_HEAP_SIZE 2048
#endif
static mmi_entry mmi_heap_memory[MEMMGR_STATIC_HEAP_SIZE / sizeof(mmi_entry)];

MMI_COLD memmgr_pool *mmi_heap_make(void) {
    memmgr_pool_desc desc;
    (void)mmi_pool_desc_with_defaults(NULL, &desc);
    desc.name = "heap";
    return mmi_pool_make(mmi_heap_memory, sizeof mmi_heap_memory, &desc, true, false);
}
#else
#define MMI_HEAP_FIRST                                                                             \
    ((size_t)(MMI_WASM ? 1 : 64) << 20) // bytes reserved at first, and less where there is less

// A fork finds the heap at rest, and leaves it so in both processes.
MMI_FN void mmi_heap_before_fork(void) {
    if (!MMI_ONE_LOCK) mmi_lock_acquire(&mmi_heap_watch_lock);
    mmi_lock_acquire(&mmi_heap_lock);
    mmi_trace_before_fork();
}

MMI_FN void mmi_heap_release_locks(bool in_child) {
    mmi_trace_after_fork(in_child);
    mmi_lock_release(&mmi_heap_lock);
    if (!MMI_ONE_LOCK) mmi_lock_release(&mmi_heap_watch_lock);
}

MMI_FN void mmi_heap_after_fork(void) { mmi_heap_release_locks(false); }
MMI_FN void mmi_heap_after_fork_in_child(void) { mmi_heap_release_locks(true); }

MMI_COLD memmgr_pool *mmi_heap_make(void) {
    memmgr_pool_desc desc;
    memmgr_pool *pool = NULL;
    (void)mmi_pool_desc_with_defaults(NULL, &desc);
    desc.name = "heap";
    desc.flags = MEMMGR_POOL_GROW;
    for (size_t size = MMI_HEAP_FIRST; !pool && size >= 65536; size /= 4)
        pool = mmi_pool_create(size, &desc);
    return pool;
}

MMI_FN void mmi_heap_hear_of_forks(void) {
    mmi_os_at_fork(mmi_heap_before_fork, mmi_heap_after_fork, mmi_heap_after_fork_in_child);
}

// Asks the system to tell of forks: when the program is loaded or, where that cannot be said or the
// lock is the program's own, by the first call.
#if defined(MMI_AT_LOAD) && !MMI_ONE_LOCK
MMI_AT_LOAD void mmi_heap_loaded(void) { mmi_heap_hear_of_forks(); }
MMI_FN void mmi_heap_started(void) {}
#else
// With the lock held. To ask may be to call malloc: so it is done without.
MMI_FN void mmi_heap_started(void) {
    mmi_lock_release(&mmi_heap_lock);
    mmi_heap_hear_of_forks();
    mmi_lock_acquire(&mmi_heap_lock);
}
#endif
#endif

// With the lock held.
MMI_COLD void mmi_heap_start(void) {
    mmi_heap_pool = mmi_heap_make();
#ifndef MEMMGR_NO_OS
    if (mmi_heap_pool) mmi_heap_started();
#endif
}

// The pool with its lock held; NULL where there is no memory for one.
MMI_FN memmgr_pool *mmi_heap_enter(void) {
    mmi_lock_acquire(&mmi_heap_lock);
    if (MMI_UNLIKELY(!mmi_heap_pool)) mmi_heap_start();
    return mmi_heap_pool;
}

MMI_FN void mmi_heap_leave(void) { mmi_lock_release(&mmi_heap_lock); }

// What a first general call begins: from here on, at the latest, forks are told of.
MMI_FN void mmi_heap_begin(void) {
    (void)mmi_heap_enter();
    mmi_heap_leave();
}

MMI_FN void *mmi_heap_alloc_aligned(size_t alignment, size_t size) {
    memmgr_pool *pool = mmi_heap_enter();
    void *block = pool ? mmi_pool_alloc(pool, alignment, size) : NULL;
    mmi_heap_leave();
    if (!block) mmi_os_no_memory();
    return block;
}

// An allocation that did not come so far.
MMI_COLD void *mmi_heap_failed(void) {
    memmgr_pool *pool = mmi_heap_enter();
    if (pool) pool->failures++;
    mmi_heap_leave();
    mmi_os_no_memory();
    return NULL;
}

// There is a block, for whose quarantine it was, and so a pool.
MMI_COLD void mmi_heap_forget_failure(void) {
    memmgr_pool *pool = mmi_heap_enter();
    pool->failures--;
    mmi_heap_leave();
}

MMI_FN size_t mmi_heap_failures(void) { return mmi_heap_pool ? mmi_heap_pool->failures : 0; }

// Has no block been handed out yet?
MMI_FN bool mmi_heap_is_new(void) { return !mmi_heap_pool; }

MMI_FN void *mmi_heap_alloc(size_t size) { return mmi_heap_alloc_aligned(MMI_GRANULE, size); }

MMI_FN void *mmi_heap_calloc(size_t bytes) {
    void *block = mmi_heap_alloc(bytes);
    if (block) mmi_bytes_fill(block, 0, bytes);
    return block;
}

MMI_FN memmgr_error mmi_heap_find(const void *ptr, mmi_live *block, memmgr_block *around) {
    memmgr_pool *pool = mmi_heap_pool;
    memmgr_error error = pool ? mmi_pool_locate(pool, ptr, block) : MEMMGR_FOREIGN_POINTER;
    if (error == MEMMGR_INTERIOR_POINTER)
        around->address = mmi_pool_block_around(pool, ptr, &around->size);
    return error;
}

MMI_FN size_t mmi_heap_serial(void) { return mmi_heap_pool->allocations; } // there is a block

// There are no short ways.
MMI_INLINE bool mmi_heap_is_live(const void *ptr) {
    (void)ptr;
    return false;
}
MMI_INLINE bool mmi_heap_alloc_short(mmi_heap *heap, size_t size, void **block) {
    (void)heap, (void)size, (void)block;
    return false;
}
MMI_INLINE bool mmi_heap_free_short(mmi_heap *heap, const void *ptr) {
    (void)heap, (void)ptr;
    return false;
}
MMI_INLINE bool mmi_heap_free_other(const void *ptr) { return ptr == NULL; }
MMI_FN void *mmi_heap_alloc_any(size_t size) { return mmi_heap_alloc(size); }

MMI_FN memmgr_error mmi_heap_free(void *ptr, memmgr_block *around) {
    mmi_live block = {NULL, 0, 0};
    memmgr_pool *pool = mmi_heap_enter();
    memmgr_error error = mmi_heap_find(ptr, &block, around);
    if (error == MEMMGR_OK) mmi_pool_free(pool, &block);
    mmi_heap_leave();
    return error;
}

MMI_FN size_t mmi_heap_size(const void *ptr, memmgr_error *error, memmgr_block *around) {
    mmi_live block = {NULL, 0, 0};
    (void)mmi_heap_enter();
    *error = mmi_heap_find(ptr, &block, around);
    mmi_heap_leave();
    return (size_t)block.length << MMI_GRANULE_SHIFT;
}

// Resizes a block where it lies. False when there is no room.
MMI_FN bool mmi_heap_resize_in_place(void *ptr, size_t old, size_t size) {
    mmi_live block = {NULL, 0, 0};
    memmgr_block around;
    size_t length = mmi_pool_granules(size);
    memmgr_pool *pool = mmi_heap_enter();
    bool resized = mmi_heap_find(ptr, &block, &around) == MEMMGR_OK && length <= MMI_GRANULES_MAX &&
                   mmi_pool_resize(pool, &block, (uint32_t)length);
    mmi_heap_leave();
    (void)old;
    return resized;
}

// A block of another size with the same content, in place where there is room. NULL, and the block
// intact, when there is no memory. `old` is its usable size.
MMI_FN void *mmi_heap_resize(void *ptr, size_t old, size_t size) {
    if (mmi_heap_resize_in_place(ptr, old, size)) return ptr;
    void *moved = mmi_heap_alloc(size);
    if (moved) mmi_bytes_copy(moved, ptr, size < old ? size : old);
    return moved;
}

MMI_FN size_t mmi_heap_trim(void) {
    memmgr_pool *pool = mmi_heap_enter();
    size_t given = pool ? mmi_pool_trim(pool) : 0;
    mmi_heap_leave();
    return given;
}

MMI_FN void mmi_heap_note_misuse(void) { mmi_atomic_word_add(&mmi_heap_misuses, 1); }

#endif // MMI_HAS_HEAPS

// >>watch

// Calls that are watched: blocks with records and guards, quarantine, faults, traces, and what
// tools are told. Here `pool` is a pool with its lock held, or NULL for the general calls. What is
// found out about a program is noted, and told by the callers when they have left the lock.

#ifdef MEMMGR_NO_OS
enum { MMI_FINDINGS = 2 };
#else
enum { MMI_FINDINGS = 16 };
#endif

// reports[0 .. count) are to be sent; `count` alone needs to be set at first.
typedef struct {
    size_t count;
    memmgr_report reports[MMI_FINDINGS];
} mmi_findings;

#define MMI_WATCH_DEFAULT                                                                          \
    (MMI_DEBUG ? (unsigned)(MEMMGR_POOL_TRACK | MEMMGR_POOL_GUARD | MEMMGR_POOL_FILL) : 0u)

static struct {
    unsigned flags;       // MEMMGR_POOL_...
    bool all;             // no block is there that has no record
    uint8_t fails;        // faults are set; may be asked without the lock
    mmi_faults faults;    // under mmi_heap_watch_lock
    uintptr_t quarantine; // its mmi_quarantine, 0 until it is needed: the same
} mmi_watch_general = {MMI_WATCH_DEFAULT, MMI_WATCH_DEFAULT != 0, 0, {0, 0, 0}, 0};

// What flags stand for when a tool is there, or calls are watched by default.
MMI_FN unsigned mmi_watch_flags_for(unsigned flags) {
    flags |= MMI_WATCH_DEFAULT;
    if (mmi_tool_is_there()) flags |= MEMMGR_POOL_TRACK | MEMMGR_POOL_GUARD;
    return flags;
}

MMI_INLINE unsigned mmi_watch_flags(const memmgr_pool *pool) {
    if (pool) return pool->desc.flags;
    if (mmi_tool_is_there()) return mmi_watch_flags_for(mmi_watch_general.flags);
    return mmi_watch_general.flags;
}

MMI_INLINE bool mmi_watch_is_traced(const memmgr_pool *pool) {
    return mmi_trace_is_on() && (!pool || (pool->desc.flags & MEMMGR_POOL_TRACK));
}

MMI_FN void mmi_watch_enter(const memmgr_pool *pool) {
    if (!pool) mmi_lock_acquire(&mmi_heap_watch_lock);
}

MMI_FN void mmi_watch_leave(const memmgr_pool *pool) {
    if (!pool) mmi_lock_hand_over(&mmi_heap_watch_lock);
}

// --- what was found

// Counts a misuse, and notes it. Returns its error. Callers that look at several blocks stop when
// there is no more room: the others are found the next time.
MMI_COLD memmgr_error mmi_watch_note(mmi_findings *found, const memmgr_report *report) {
    MMI_ASSERT(found->count < MMI_FINDINGS);
    if (report->pool)
        ((memmgr_pool *)(uintptr_t)report->pool)->misuses++;
    else
        mmi_heap_note_misuse();
    found->reports[found->count++] = *report;
    return report->error;
}

// Notes what happened to a recorded block.
MMI_COLD memmgr_error mmi_watch_note_block(mmi_findings *found, memmgr_error error,
                                           const memmgr_pool *pool, const mmi_record *record,
                                           ptrdiff_t offset, mmi_caller caller) {
    memmgr_report report = mmi_report_of(error, mmi_record_block(record), pool, caller);
    report.block = report.pointer;
    mmi_record_describe(record, &report);
    report.offset = offset;
    return mmi_watch_note(found, &report);
}

MMI_COLD void mmi_watch_send(const mmi_findings *found) {
    for (size_t i = 0; i < found->count; i++)
        mmi_report_send(&found->reports[i]);
}

// --- raw blocks

// The quarantine, or NULL. What is in it is behind the lock.
MMI_INLINE mmi_quarantine *mmi_watch_quarantine(const memmgr_pool *pool) {
    if (pool) return (mmi_quarantine *)pool->quarantine;
    return (mmi_quarantine *)mmi_atomic_word(&mmi_watch_general.quarantine);
}

MMI_FN void mmi_watch_set_quarantine(memmgr_pool *pool, mmi_quarantine *held) {
    uintptr_t *place = pool ? &pool->quarantine : &mmi_watch_general.quarantine;
    mmi_atomic_word_store(place, (uintptr_t)held);
}

// Is it the raw block that the quarantine's list lies in?
MMI_INLINE bool mmi_watch_is_quarantine(const memmgr_pool *pool, const void *raw) {
    return raw == mmi_watch_quarantine(pool);
}

MMI_INLINE void *mmi_watch_raw_alloc(memmgr_pool *pool, size_t alignment, size_t size) {
    if (pool) return mmi_pool_alloc(pool, alignment, size);
    if (MMI_LIKELY(alignment <= MMI_GRANULE)) return mmi_heap_alloc(size);
    return mmi_heap_alloc_aligned(alignment, size);
}

// The raw block that starts at an address; or what the address is instead, and for an interior one
// the block around it, where there is one.
MMI_INLINE memmgr_error mmi_watch_raw_find(const memmgr_pool *pool, const void *ptr,
                                           memmgr_block *raw) {
    memmgr_error error = MEMMGR_OK;
    raw->address = NULL;
    raw->size = 0;
    if (!pool) {
        size_t size = mmi_heap_size(ptr, &error, raw);
        if (error != MEMMGR_OK) return error;
        raw->size = size;
    } else {
        mmi_live live = {NULL, 0, 0};
        error = mmi_pool_locate(pool, ptr, &live);
        if (error == MEMMGR_INTERIOR_POINTER)
            raw->address = mmi_pool_block_around(pool, ptr, &raw->size);
        if (error != MEMMGR_OK) return error;
        raw->size = (size_t)live.length << MMI_GRANULE_SHIFT;
    }
    raw->address = ptr;
    return MEMMGR_OK;
}

MMI_FN memmgr_error mmi_watch_raw_free(memmgr_pool *pool, void *raw) {
    memmgr_block around;
    mmi_live live;
    if (!pool) return mmi_heap_free(raw, &around);
    memmgr_error error = mmi_pool_locate(pool, raw, &live);
    if (error == MEMMGR_OK) mmi_pool_free(pool, &live);
    return error;
}

MMI_FN bool mmi_watch_raw_resize(memmgr_pool *pool, const memmgr_block *raw, size_t size) {
    void *address = (void *)(uintptr_t)raw->address;
    mmi_live live = {NULL, 0, 0};
    size_t length = mmi_pool_granules(size);
    if (!pool) return mmi_heap_resize_in_place(address, raw->size, size);
    (void)mmi_pool_locate(pool, address, &live); // it has been found before
    return length <= MMI_GRANULES_MAX && mmi_pool_resize(pool, &live, (uint32_t)length);
}

// Lets memmgr look at a record and the guards in spite of a tool; and nobody.
MMI_FN void mmi_watch_expose(const mmi_record *record, size_t raw_size) {
    if (!mmi_tool_is_there()) return;
    mmi_tool_open(record, MMI_RECORD_SIZE);
    if (!mmi_record_is_valid(record)) { // it will be written anew, with its guards
        mmi_tool_open(record, raw_size);
        return;
    }
    const char *block = mmi_record_block(record), *end = (const char *)record + raw_size;
    mmi_tool_open(record, (size_t)(block - (const char *)record));
    mmi_tool_open(block + record->requested, (size_t)(end - block) - record->requested);
}

MMI_FN void mmi_watch_hide(const mmi_record *record, size_t raw_size) {
    if (!mmi_tool_is_there()) return;
    const char *block = mmi_record_block(record), *end = (const char *)record + raw_size;
    if (!mmi_record_is_valid(record)) {
        mmi_tool_close(record, MMI_RECORD_SIZE);
    } else if (mmi_atomic_half(&record->state) == MMI_RECORD_QUARANTINED) {
        mmi_tool_close(record, raw_size); // in one, for ASan closes no beginning of eight bytes
    } else {
        mmi_tool_close(block + record->requested, (size_t)(end - block) - record->requested);
        mmi_tool_close(record, (size_t)(block - (const char *)record));
    }
}

// --- find

// A block as a pointer names it.
typedef struct {
    memmgr_block raw;
    mmi_record *record; // NULL: it has none
    bool damaged;       // the record has been overwritten,
    unsigned shift;     // and the block has this alignment
} mmi_watched;

// What is known of a block that was freed, when its memory still tells: its record, copied, for
// another thread may be about to use the memory.
MMI_COLD bool mmi_watch_find_freed(const memmgr_pool *pool, const void *ptr, mmi_record *copy) {
    memmgr_block raw;
    unsigned most = mmi_bits_lowest((mmi_word)(uintptr_t)ptr); // a granule's address: never 0
    for (unsigned shift = MMI_GRANULE_SHIFT; shift <= most; shift++) {
        const char *at = (const char *)ptr - mmi_record_front(shift);
        if (mmi_watch_raw_find(pool, at, &raw) != MEMMGR_DOUBLE_FREE) continue; // not free memory
        mmi_tool_open(at, MMI_RECORD_SIZE);
        mmi_bytes_copy(copy, at, sizeof *copy);
        mmi_tool_close(at, MMI_RECORD_SIZE);
        if (copy->shift == shift && copy->state != MMI_RECORD_LIVE &&
            copy->check == mmi_record_sum(copy, (uintptr_t)at))
            return true;
    }
    return false;
}

// Notes a misuse: what the pointer is, the block it points into, and what its record tells.
MMI_COLD memmgr_error mmi_watch_misuse(const memmgr_pool *pool, memmgr_error error, const void *ptr,
                                       const mmi_watched *block, mmi_caller caller,
                                       mmi_findings *found) {
    memmgr_report report = mmi_report_of(error, ptr, pool, caller);
    mmi_record copy;
    report.block = block->raw.address;
    report.size = block->raw.size;
    if (block->record) {
        report.block = mmi_record_block(block->record);
        mmi_record_describe(block->record, &report);
        mmi_watch_hide(block->record, block->raw.size);
    } else if (error == MEMMGR_DOUBLE_FREE && mmi_watch_find_freed(pool, ptr, &copy)) {
        report.block = ptr;
        mmi_record_describe(&copy, &report);
    }
    return mmi_watch_note(found, &report);
}

// Do all blocks have records? Then one without has been overwritten.
MMI_INLINE bool mmi_watch_records_all(const memmgr_pool *pool) {
    return pool ? (pool->desc.flags & MMI_RECORDED) != 0
                : mmi_watch_general.all || mmi_tool_is_there();
}

// Is the record at the beginning of a live raw block that block's? One that says FREED is left from
// another, and the block has none; but for another thread that is just about to free the block.
MMI_INLINE bool mmi_watch_has_record(const mmi_record *record) {
    return mmi_record_is_valid(record) && mmi_atomic_half(&record->state) != MMI_RECORD_FREED;
}

// A block by any pointer into its raw one. The quarantine's own is no block.
MMI_COLD memmgr_error mmi_watch_find_around(const memmgr_pool *pool, const void *ptr,
                                            mmi_watched *block) {
    memmgr_error error = mmi_watch_raw_find(pool, ptr, &block->raw);
    mmi_record *record = (mmi_record *)(uintptr_t)block->raw.address;
    if (record && mmi_watch_is_quarantine(pool, record)) return MEMMGR_INTERIOR_POINTER;
    if (!record || block->raw.size < MMI_FRONT + MMI_GUARD) return error;
    mmi_watch_expose(record, block->raw.size);
    if (mmi_watch_has_record(record)) {
        bool live = mmi_atomic_half(&record->state) == MMI_RECORD_LIVE;
        block->record = record;
        if (live && mmi_record_block(record) == ptr) return MEMMGR_OK;
        if (live && record->lost && mmi_record_may_have(record, ptr, &block->shift)) {
            mmi_record_rewrite(record, block->raw.size, block->shift);
            return MEMMGR_OK;
        }
        bool interior = live || (uintptr_t)ptr % MMI_GRANULE != 0;
        return interior ? MEMMGR_INTERIOR_POINTER : MEMMGR_DOUBLE_FREE;
    }
    if (!mmi_watch_records_all(pool)) return error;
    block->damaged = mmi_record_may_have(record, ptr, &block->shift);
    if (block->damaged) block->record = record;
    return block->damaged ? MEMMGR_OK : MEMMGR_INTERIOR_POINTER;
}

// Is there a record of a live block, right before a pointer, in a live raw block?
MMI_INLINE bool mmi_watch_is_record(const mmi_record *record) {
    return MMI_LIKELY(record->shift <= MMI_GRANULE_SHIFT && mmi_record_is_valid(record)) &&
           MMI_LIKELY(mmi_atomic_half(&record->state) == MMI_RECORD_LIVE);
}

// Finds the live block that starts at a pointer. MEMMGR_OK, its record in memmgr's hands; or what
// the pointer is instead. The raw block's size is left 0 where it is not needed: with a record that
// is in order, and without a tool.
MMI_INLINE memmgr_error mmi_watch_find(const memmgr_pool *pool, const void *ptr,
                                       mmi_watched *block) {
    mmi_record *record = (mmi_record *)((uintptr_t)ptr - MMI_FRONT);
    block->record = NULL;
    block->damaged = false;
    block->shift = MMI_GRANULE_SHIFT;
    if (pool && !(pool->desc.flags & MMI_RECORDED))
        return mmi_watch_raw_find(pool, ptr, &block->raw);
    if (!pool && !mmi_tool_is_there() && mmi_heap_is_live(record) && mmi_watch_is_record(record)) {
        block->record = record;
        block->raw.address = record;
        block->raw.size = 0;
        return MEMMGR_OK;
    }
    if (mmi_watch_raw_find(pool, record, &block->raw) == MEMMGR_OK) {
        mmi_watch_expose(record, block->raw.size);
        if (mmi_watch_is_record(record)) {
            block->record = record;
            return MEMMGR_OK;
        }
    }
    return mmi_watch_find_around(pool, ptr, block);
}

// A block whose record was overwritten: by the one before it, or by who wrote before this one.
MMI_COLD memmgr_error mmi_watch_mend(const memmgr_pool *pool, mmi_watched *block, mmi_caller caller,
                                     mmi_findings *found) {
    const mmi_record *damaged = block->record;
    ptrdiff_t offset = -(ptrdiff_t)MMI_FRONT;
    memmgr_block before;
    mmi_record_rewrite(block->record, block->raw.size, block->shift);
    (void)mmi_watch_raw_find(pool, (const char *)block->raw.address - 1, &before);
    mmi_record *record = (mmi_record *)(uintptr_t)before.address;
    bool recorded = record != NULL;
    MMI_ASSERT(!recorded || before.size >= MMI_FRONT + MMI_GUARD); // as all blocks have records
    if (recorded) mmi_watch_expose(record, before.size);
    if (recorded && mmi_record_is_valid(record) && !mmi_record_guards_hold(record, &offset))
        damaged = record;
    (void)mmi_watch_note_block(found, MEMMGR_OVERRUN, pool, damaged, offset, caller);
    if (damaged == record) mmi_record_write_guards(record);
    if (recorded) mmi_watch_hide(record, before.size);
    return MEMMGR_OVERRUN;
}

// Looks at a live block's guards, if they are watched, and puts them right. MEMMGR_OK or
// MEMMGR_OVERRUN, noted.
MMI_INLINE memmgr_error mmi_watch_guards(const memmgr_pool *pool, mmi_watched *block,
                                         mmi_caller caller, mmi_findings *found) {
    ptrdiff_t offset;
    if (!block->record) return MEMMGR_OK;
    if (MMI_UNLIKELY(block->damaged)) return mmi_watch_mend(pool, block, caller, found);
    if (!(mmi_watch_flags(pool) & MEMMGR_POOL_GUARD)) return MEMMGR_OK;
    if (MMI_LIKELY(mmi_record_is_guarded(block->record))) return MEMMGR_OK;
    if (mmi_record_guards_hold(block->record, &offset)) return MEMMGR_OK;
    (void)mmi_watch_note_block(found, MEMMGR_OVERRUN, pool, block->record, offset, caller);
    mmi_record_write_guards(block->record);
    return MEMMGR_OVERRUN;
}

// --- freed blocks, and quarantine

// A raw block goes back.
MMI_INLINE memmgr_error mmi_watch_release(memmgr_pool *pool, void *raw, size_t raw_size) {
    mmi_tool_close(raw, raw_size);
    if (!pool && MMI_LIKELY(mmi_heap_free_short(mmi_heap_mine, raw))) return MEMMGR_OK;
    return mmi_watch_raw_free(pool, raw);
}

// An allocation that was tried for memmgr's own sake is no failure of the program's.
MMI_COLD void mmi_watch_forget_failure(memmgr_pool *pool) {
    if (pool)
        pool->failures--;
    else
        mmi_heap_forget_failure();
}

#define MMI_QUARANTINE_BYTES                                                                       \
    (SIZE_MAX > 0xFFFF ? (size_t)0x1000000 : SIZE_MAX / 4) // of general calls
#define MMI_QUARANTINE_BLOCKS ((size_t)32768)              // at most

// Bytes of blocks that a heap's quarantine is to hold: a quarter of a pool's.
MMI_FN size_t mmi_watch_quarantine_bytes(const memmgr_pool *pool) {
    return pool ? pool->capacity / 4 : MMI_QUARANTINE_BYTES;
}

MMI_FN uintptr_t mmi_watch_seal(const mmi_quarantine *held) {
    return (uintptr_t)held ^ held->room * 31 ^ held->limit * 127;
}

// Does its list make sense? Else it was overwritten.
MMI_FN bool mmi_watch_is_sound(const mmi_quarantine *held) {
    return held->seal == mmi_watch_seal(held) && held->first < held->room &&
           held->count <= held->room && held->bytes <= held->limit;
}

// The quarantine. One that was overwritten is given up, with the blocks that are in it: NULL.
MMI_FN mmi_quarantine *mmi_watch_sound_quarantine(memmgr_pool *pool) {
    mmi_quarantine *held = mmi_watch_quarantine(pool);
    if (!held || mmi_watch_is_sound(held)) return held;
    mmi_watch_set_quarantine(pool, NULL);
    return NULL;
}

// A quarantine with nothing in it; NULL where there is no room for one.
MMI_FN mmi_quarantine *mmi_watch_new_quarantine(memmgr_pool *pool) {
    size_t limit = mmi_watch_quarantine_bytes(pool), room = limit / 64;
    if (room > MMI_QUARANTINE_BLOCKS) room = MMI_QUARANTINE_BLOCKS;
    if (room < 4) room = 4;
    size_t size = sizeof(mmi_quarantine) + (room - 1) * sizeof(mmi_held);
    mmi_quarantine *made = (mmi_quarantine *)mmi_watch_raw_alloc(pool, MMI_GRANULE, size);
    if (!made) {
        mmi_watch_forget_failure(pool);
        return NULL;
    }
    mmi_tool_open(made, size);
    mmi_bytes_fill(made, 0, sizeof *made);
    made->room = room;
    made->limit = limit;
    made->seal = mmi_watch_seal(made);
    return made;
}

// Makes a heap's quarantine, or a larger one for a pool that has grown; where there is no room it
// stays as it is.
MMI_FN void mmi_watch_make_quarantine(memmgr_pool *pool) {
    mmi_quarantine *made = mmi_watch_new_quarantine(pool);
    if (!made) return;
    MMI_PAUSE("quarantine made");
    mmi_watch_enter(pool);
    mmi_quarantine *unused = mmi_watch_sound_quarantine(pool);
    if (!pool && unused) {
        unused = made; // another thread was faster
    } else {
        for (; unused && made->count < unused->count; made->count++)
            made->items[made->count] = unused->items[(unused->first + made->count) % unused->room];
        made->bytes = unused ? unused->bytes : 0;
        mmi_watch_set_quarantine(pool, made);
    }
    mmi_watch_leave(pool);
    if (unused) (void)mmi_watch_raw_free(pool, unused);
}

// Bytes that the quarantine holds at most; 0 when there is none.
MMI_FN size_t mmi_watch_limit(const memmgr_pool *pool) {
    mmi_watch_enter(pool);
    const mmi_quarantine *held = mmi_watch_quarantine(pool);
    size_t limit = held ? held->limit : 0;
    mmi_watch_leave(pool);
    return limit;
}

// Is there room for a block? Then it is in.
MMI_FN bool mmi_watch_push(memmgr_pool *pool, mmi_record *record) {
    mmi_held item = {record, record->requested};
    mmi_watch_enter(pool);
    mmi_quarantine *held = mmi_watch_sound_quarantine(pool);
    bool fits = held && held->count < held->room && item.size <= held->limit - held->bytes;
    if (fits) {
        held->items[(held->first + held->count++) % held->room] = item;
        held->bytes += item.size;
    }
    mmi_watch_leave(pool);
    return fits;
}

// Takes out the block that has been in longest. False when there is none.
MMI_FN bool mmi_watch_pop(memmgr_pool *pool, mmi_record **record) {
    mmi_watch_enter(pool);
    mmi_quarantine *held = mmi_watch_sound_quarantine(pool);
    bool any = held && held->count != 0;
    if (held && !any) held->bytes = 0;
    if (any) {
        *record = held->items[held->first].record;
        size_t size = held->items[held->first].size;
        held->bytes -= size <= held->bytes ? size : held->bytes;
        held->first = (held->first + 1) % held->room;
        held->count--;
    }
    mmi_watch_leave(pool);
    return any;
}

// Was a block written to while it was in quarantine? Notes it, and puts it right. A tool lets it be
// looked at from then on.
MMI_FN void mmi_watch_verify(const memmgr_pool *pool, mmi_record *record, size_t raw_size,
                             mmi_findings *found) {
    ptrdiff_t offset = -(ptrdiff_t)MMI_FRONT;
    bool valid = mmi_record_is_valid(record);
    if (!valid) mmi_record_rewrite(record, raw_size, MMI_GRANULE_SHIFT);
    char *block = mmi_record_block(record);
    mmi_tool_open(block, record->requested);
    if (!valid || !mmi_record_is_untouched(record, &offset)) {
        (void)mmi_watch_note_block(found, MEMMGR_USE_AFTER_FREE, pool, record, offset, MMI_NOBODY);
        mmi_record_write_guards(record);
        mmi_bytes_fill(block, MMI_FILL_FREED, record->requested);
    }
}

// Lets a block go from quarantine, if it is in it: the list may have been overwritten.
MMI_FN void mmi_watch_let_go(memmgr_pool *pool, mmi_record *record, mmi_findings *found) {
    memmgr_block raw;
    if (mmi_watch_raw_find(pool, record, &raw) != MEMMGR_OK) return;
    mmi_watch_expose(record, raw.size);
    if (mmi_record_is_valid(record) && mmi_atomic_half(&record->state) != MMI_RECORD_QUARANTINED) {
        mmi_watch_hide(record, raw.size);
        return;
    }
    mmi_watch_verify(pool, record, raw.size, found);
    mmi_atomic_half_store(&record->state, MMI_RECORD_FREED);
    (void)mmi_watch_release(pool, record, raw.size);
}

// Empties a quarantine, as far as there is room for what is found. False when there was nothing.
MMI_FN bool mmi_watch_empty(memmgr_pool *pool, mmi_findings *found) {
    mmi_record *record;
    bool any = false;
    for (; found->count < MMI_FINDINGS && mmi_watch_pop(pool, &record); any = true)
        mmi_watch_let_go(pool, record, found);
    return any;
}

// Takes a block that was freed into quarantine; the oldest make room. False when it is too large,
// or there is no quarantine to be had, or those that went have filled `found` but for one.
MMI_FN bool mmi_watch_hold(memmgr_pool *pool, mmi_record *record, mmi_findings *found) {
    mmi_record *oldest;
    if (mmi_watch_limit(pool) <= mmi_watch_quarantine_bytes(pool) / 2)
        mmi_watch_make_quarantine(pool);
    size_t limit = mmi_watch_limit(pool);
    if (limit == 0 || record->requested > limit) return false;
    mmi_atomic_half_store(&record->state, MMI_RECORD_QUARANTINED);
    while (!mmi_watch_push(pool, record)) {
        bool full = found->count + 1 >= MMI_FINDINGS;
        if (!full && mmi_watch_pop(pool, &oldest)) {
            mmi_watch_let_go(pool, oldest, found);
        } else if (full || mmi_watch_limit(pool) == 0) { // or it has been overwritten
            mmi_atomic_half_store(&record->state, MMI_RECORD_FREED);
            return false;
        }
    }
    return true;
}

// --- allocation

// Is this allocation to fail, of those where some are to?
MMI_COLD bool mmi_watch_strikes_one(memmgr_pool *pool) {
    mmi_faults *faults = pool ? &pool->faults : &mmi_watch_general.faults;
    mmi_watch_enter(pool);
    bool strikes = mmi_fault_strikes(faults);
    if (pool)
        mmi_pool_set_magic(pool);
    else
        mmi_atomic_byte_store(&mmi_watch_general.fails, mmi_fault_is_set(faults));
    mmi_watch_leave(pool);
    if (!strikes) return false;
    if (pool)
        pool->failures++;
    else
        (void)mmi_heap_failed();
    return true;
}

MMI_INLINE bool mmi_watch_strikes(memmgr_pool *pool) {
    bool some = pool ? mmi_fault_is_set(&pool->faults) : mmi_atomic_byte(&mmi_watch_general.fails);
    return MMI_UNLIKELY(some) && mmi_watch_strikes_one(pool);
}

// Gives what is held back by a quarantine one more chance. NULL when that is of no help, too.
MMI_COLD void *mmi_watch_raw_alloc_again(memmgr_pool *pool, size_t alignment, size_t size,
                                         mmi_findings *found) {
    if (size > (pool ? pool->capacity : SIZE_MAX / 4)) return NULL;
    if (!mmi_watch_empty(pool, found)) return NULL;
    mmi_watch_forget_failure(pool);
    return mmi_watch_raw_alloc(pool, alignment, size);
}

MMI_INLINE size_t mmi_watch_serial(const memmgr_pool *pool) {
    return pool ? pool->allocations : mmi_heap_serial();
}

// A block with a record, or NULL.
MMI_INLINE void *mmi_watch_make(memmgr_pool *pool, size_t alignment, size_t size, mmi_caller caller,
                                mmi_findings *found) {
    unsigned shift = MMI_GRANULE_SHIFT;
    if (MMI_UNLIKELY(alignment > MMI_GRANULE)) shift = mmi_bits_lowest((mmi_word)alignment);
    size_t raw_size = mmi_record_raw_size(shift, size);
    mmi_record *record = (mmi_record *)mmi_watch_raw_alloc(pool, alignment, raw_size);
    if (MMI_UNLIKELY(!record))
        record = (mmi_record *)mmi_watch_raw_alloc_again(pool, alignment, raw_size, found);
    if (!record) return NULL;
    mmi_tool_open(record, raw_size);
    mmi_record_write(record, shift, size, mmi_watch_serial(pool), caller);
    char *block = mmi_record_block(record);
    if (mmi_tool_is_there()) {
        mmi_watch_hide(record, raw_size);
        mmi_tool_alloc(pool, block, size);
    }
    return block;
}

// Fills a fresh block, or a part of it. What a tool is to see as uninitialised is left so.
MMI_INLINE void mmi_watch_fill(const memmgr_pool *pool, char *from, size_t size, bool zeroed) {
    if (zeroed)
        mmi_bytes_fill(from, 0, size);
    else if ((mmi_watch_flags(pool) & MEMMGR_POOL_FILL) && !mmi_tool_is_there())
        mmi_bytes_fill(from, MMI_FILL_FRESH, size);
}

MMI_INLINE void *mmi_watch_alloc(memmgr_pool *pool, size_t alignment, size_t size, bool zeroed,
                                 mmi_caller caller, mmi_findings *found) {
    void *block = NULL;
    memmgr_block raw;
    if (MMI_UNLIKELY(mmi_watch_strikes(pool)))
        block = NULL;
    else if (mmi_watch_flags(pool) & MMI_RECORDED)
        block = mmi_watch_make(pool, alignment, size, caller, found);
    else if ((block = mmi_watch_raw_alloc(pool, alignment, size)) != NULL) {
        (void)mmi_watch_raw_find(pool, block, &raw); // for its size
        mmi_watch_fill(pool, (char *)block, raw.size, zeroed);
    }
    if (block && (mmi_watch_flags(pool) & MMI_RECORDED))
        mmi_watch_fill(pool, (char *)block, size, zeroed);
    if (MMI_UNLIKELY(mmi_watch_is_traced(pool)))
        mmi_trace_alloc(pool, block, size, mmi_bits_lowest((mmi_word)alignment), zeroed, caller);
    return block;
}

// --- freeing

// What is to be done with a block that is not the program's any more.
MMI_INLINE memmgr_error mmi_watch_retire(memmgr_pool *pool, mmi_watched *block,
                                         mmi_findings *found) {
    char *raw = (char *)(uintptr_t)block->raw.address, *bytes = raw;
    size_t size = block->raw.size;
    if (block->record) {
        bytes = mmi_record_block(block->record);
        size = block->record->requested;
        if (mmi_tool_is_there()) mmi_tool_free(pool, bytes);
    }
    unsigned flags = mmi_watch_flags(pool);
    bool holds = block->record && (flags & MEMMGR_POOL_QUARANTINE);
    if (MMI_UNLIKELY((flags & MEMMGR_POOL_FILL) || holds)) {
        mmi_tool_open(bytes, size);
        mmi_bytes_fill(bytes, MMI_FILL_FREED, size);
    }
    if (MMI_UNLIKELY(holds && !(flags & MEMMGR_POOL_GUARD))) // else they have been looked at
        mmi_record_write_guards(block->record);
    if (holds && mmi_watch_hold(pool, block->record, found)) {
        mmi_watch_hide(block->record, block->raw.size);
        return MEMMGR_OK;
    }
    return mmi_watch_release(pool, raw, block->raw.size);
}

// Takes a block from the program. False when another thread has just done that: else both would
// put it into quarantine. A pool's lock keeps them apart.
MMI_INLINE bool mmi_watch_claim(const memmgr_pool *pool, mmi_record *record, mmi_caller caller) {
    MMI_PAUSE("about to claim a record");
    if (mmi_atomic_half(&record->state) != MMI_RECORD_LIVE) return false;
    MMI_PAUSE("record seen LIVE");
    if (pool)
        mmi_atomic_half_store(&record->state, MMI_RECORD_FREED);
    else if (!mmi_atomic_half_claim(&record->state, MMI_RECORD_LIVE, MMI_RECORD_FREED))
        return false;
    record->freed_file = caller.file;
    record->freed_line = caller.line;
    record->check = mmi_record_sum(record, (uintptr_t)record);
    return true;
}

// Frees a block. The error, which has been noted. A block whose guards were changed is freed, too.
MMI_INLINE memmgr_error mmi_watch_free(memmgr_pool *pool, void *ptr, mmi_caller caller,
                                       mmi_findings *found) {
    mmi_watched block;
    memmgr_error error = mmi_watch_find(pool, ptr, &block);
    if (MMI_UNLIKELY(error != MEMMGR_OK))
        return mmi_watch_misuse(pool, error, ptr, &block, caller, found);
    error = mmi_watch_guards(pool, &block, caller, found);
    if (block.record && !mmi_watch_claim(pool, block.record, caller))
        return mmi_watch_misuse(pool, MEMMGR_DOUBLE_FREE, ptr, &block, caller, found);
    if (MMI_UNLIKELY(mmi_watch_is_traced(pool))) mmi_trace_free(pool, ptr, caller);
    memmgr_error raced = mmi_watch_retire(pool, &block, found);
    if (MMI_UNLIKELY(raced != MEMMGR_OK)) { // half covered: two at once, of a block without record
        block.record = NULL;                // uncovered: as above
        return mmi_watch_misuse(pool, raced, ptr, &block, caller, found); // uncovered: as above
    }
    return error;
}

// The usable size of a block. 0 for what is none; then *error says what it is, and is noted.
MMI_FN size_t mmi_watch_size(const memmgr_pool *pool, const void *ptr, mmi_caller caller,
                             memmgr_error *error, mmi_findings *found) {
    mmi_watched block;
    *error = mmi_watch_find(pool, ptr, &block);
    if (*error != MEMMGR_OK) {
        (void)mmi_watch_misuse(pool, *error, ptr, &block, caller, found);
        return 0;
    }
    if (!block.record) return block.raw.size;
    if (block.damaged) (void)mmi_watch_mend(pool, &block, caller, found);
    size_t size = block.record->requested;
    mmi_watch_hide(block.record, block.raw.size);
    return size;
}

MMI_FN bool mmi_watch_owns(const memmgr_pool *pool, const void *ptr) {
    mmi_watched block;
    if (mmi_watch_find(pool, ptr, &block) != MEMMGR_OK) return false;
    if (block.record) mmi_watch_hide(block.record, block.raw.size);
    return true;
}

// Resizes a block where it lies, with a new record. False when that cannot be, or is not to be: who
// looks for a use of the old pointer wants another.
MMI_FN bool mmi_watch_resize(memmgr_pool *pool, mmi_watched *block, size_t size,
                             mmi_caller caller) {
    mmi_record *record = block->record;
    if (block->raw.size == 0) (void)mmi_watch_raw_find(pool, block->raw.address, &block->raw);
    if (mmi_tool_is_there() || (mmi_watch_flags(pool) & MEMMGR_POOL_QUARANTINE)) return false;
    if (!record) return mmi_watch_raw_resize(pool, &block->raw, size);
    if (record->lost) return false;
    size_t raw_size = mmi_record_raw_size(record->shift, size);
    if (raw_size == SIZE_MAX || !mmi_watch_raw_resize(pool, &block->raw, raw_size)) return false;
    if (pool) { // as if it had been moved, and its serial another
        pool->allocations++;
        pool->frees++;
    }
    mmi_record_write(record, record->shift, size, mmi_watch_serial(pool), caller);
    return true;
}

// Resizes a live block, in place or by moving it. NULL, and the block intact, when there is no
// room; NULL, and noted, when it is none.
MMI_FN void *mmi_watch_realloc(memmgr_pool *pool, void *ptr, size_t size, mmi_caller caller,
                               mmi_findings *found) {
    mmi_watched block;
    memmgr_error error = mmi_watch_find(pool, ptr, &block);
    if (error != MEMMGR_OK) {
        (void)mmi_watch_misuse(pool, error, ptr, &block, caller, found);
        return NULL;
    }
    (void)mmi_watch_guards(pool, &block, caller, found);
    size_t old = block.record ? block.record->requested : block.raw.size;
    char *moved = NULL;
    if (size > old && mmi_watch_strikes(pool))
        moved = NULL;
    else if (mmi_watch_resize(pool, &block, size, caller))
        moved = (char *)ptr;
    else if (mmi_watch_flags(pool) & MMI_RECORDED)
        moved = (char *)mmi_watch_make(pool, MMI_GRANULE, size, caller, found);
    else
        moved = (char *)mmi_watch_raw_alloc(pool, MMI_GRANULE, size);
    if (moved && size > old) mmi_watch_fill(pool, moved + old, size - old, false);
    if (mmi_watch_is_traced(pool)) {
        if (moved)
            mmi_trace_resize(pool, ptr, moved, size, caller);
        else
            mmi_trace_alloc(pool, NULL, size, 0, false, caller);
    }
    if (!moved || moved == ptr) {
        if (block.record) mmi_watch_hide(block.record, block.raw.size);
        return moved;
    }
    mmi_bytes_copy(moved, ptr, size < old ? size : old);
    if (!block.record || mmi_watch_claim(pool, block.record, caller))
        (void)mmi_watch_retire(pool, &block, found);
    return moved;
}

// --- what a walk and an audit see

// Is a raw block one that the program is to be shown? Then `shown` is what it is to see.
MMI_FN bool mmi_watch_show(const memmgr_pool *pool, const memmgr_block *raw, memmgr_block *shown) {
    mmi_record *record = (mmi_record *)(uintptr_t)raw->address;
    *shown = *raw;
    if (!raw->live) return true;
    if (mmi_watch_is_quarantine(pool, record)) return false;
    if (pool && !(pool->desc.flags & MMI_RECORDED)) return true;
    if (raw->size < MMI_FRONT + MMI_GUARD) return true;
    mmi_tool_open(record, MMI_RECORD_SIZE);
    bool recorded = mmi_watch_has_record(record);
    if (recorded) *shown = mmi_record_shown(record, raw->size);
    if (pool || recorded) mmi_tool_close(record, MMI_RECORD_SIZE);
    return true;
}

// An audit's progress from block to block, in the order of a walk.
typedef struct {
    const memmgr_pool *pool;
    mmi_findings *found;
    bool overrun; // the block before was written beyond
} mmi_watch_audit;

// Looks at one raw block.
MMI_FN bool mmi_watch_audit_block(const memmgr_block *raw, void *ctx) {
    mmi_watch_audit *audit = (mmi_watch_audit *)ctx;
    const memmgr_pool *pool = audit->pool;
    mmi_record *record = (mmi_record *)(uintptr_t)raw->address;
    bool overrun = audit->overrun;
    if (audit->found->count == MMI_FINDINGS) return false;
    audit->overrun = false;
    if (!raw->live || raw->size < MMI_FRONT + MMI_GUARD) return true;
    if (mmi_watch_is_quarantine(pool, record)) return true;
    mmi_watch_expose(record, raw->size);
    mmi_watched block = {*raw, record, false, MMI_GRANULE_SHIFT};
    bool damaged = !mmi_watch_has_record(record);
    if (damaged && !mmi_watch_records_all(pool)) return true;
    if (damaged) mmi_record_rewrite(record, raw->size, MMI_GRANULE_SHIFT);
    audit->overrun = damaged;
    if (damaged && !overrun) // else it has been said whose fault it is
        (void)mmi_watch_note_block(audit->found, MEMMGR_OVERRUN, pool, record,
                                   -(ptrdiff_t)MMI_FRONT, MMI_NOBODY);
    else if (mmi_atomic_half(&record->state) == MMI_RECORD_QUARANTINED)
        mmi_watch_verify(pool, record, raw->size, audit->found);
    else if (mmi_watch_guards(pool, &block, MMI_NOBODY, audit->found) != MEMMGR_OK)
        audit->overrun = true;
    mmi_watch_hide(record, raw->size);
    return true;
}

// What quarantine takes of a heap's numbers: blocks, and bytes of the raw ones.
MMI_FN size_t mmi_watch_held(const memmgr_pool *pool, size_t *bytes) {
    memmgr_block raw;
    mmi_watch_enter(pool);
    const mmi_quarantine *held = mmi_watch_quarantine(pool);
    if (held && !mmi_watch_is_sound(held)) held = NULL;
    size_t blocks = held ? held->count + 1 : 0;
    *bytes = 0;
    if (held) {
        (void)mmi_watch_raw_find(pool, held, &raw);
        *bytes = raw.size;
    }
    for (size_t i = 0; held && i < held->count; i++) {
        const mmi_record *record = held->items[(held->first + i) % held->room].record;
        if (mmi_watch_raw_find(pool, record, &raw) == MEMMGR_OK) *bytes += raw.size;
    }
    mmi_watch_leave(pool);
    return blocks;
}

// Watches the general calls, or not any more.
MMI_FN void mmi_watch_set(unsigned flags) {
    mmi_findings found;
    bool recorded = (flags & MMI_RECORDED) != 0;
    mmi_watch_general.all = recorded && (mmi_watch_general.all || mmi_heap_is_new());
    mmi_watch_general.flags = flags;
    mmi_heap_watch();
    for (bool more = !(flags & MEMMGR_POOL_QUARANTINE); more;) {
        found.count = 0;
        more = mmi_watch_empty(NULL, &found);
        mmi_watch_send(&found);
    }
}

// >>stats

// What can be told about a pool: the walk over its blocks, the numbers, the audit.

// The block or the free run that starts at a granule; moves on to what lies behind.
MMI_FN memmgr_block mmi_stats_next(const mmi_segment *segment, uint32_t *at) {
    const mmi_entry *map = mmi_map_of(segment);
    uint32_t start = *at, behind = mmi_map_run_end(map, start);
    if (behind == start) behind += mmi_map_length(map, start); // not free memory, so a block
    *at = behind;
    return mmi_block_shown(mmi_segment_address(segment, start),
                           (size_t)(behind - start) << MMI_GRANULE_SHIFT,
                           mmi_map_is_live(map, start));
}

// Every raw block and every free run in address order. Kept blocks are merged first.
MMI_FN bool mmi_stats_walk_raw(const memmgr_pool *pool, memmgr_visitor visit, void *ctx) {
    (void)mmi_pool_flush(pool);
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        const mmi_segment *segment = mmi_pool_segment(pool, i);
        for (uint32_t at = 0; at < segment->granule_count;) {
            memmgr_block block = mmi_stats_next(segment, &at);
            if (!visit(&block, ctx)) return false;
        }
    }
    return true;
}

// A visitor, and the heap whose blocks it is shown as the program knows them.
typedef struct {
    const memmgr_pool *pool;
    memmgr_visitor visit;
    void *ctx;
} mmi_walk;

MMI_FN bool mmi_stats_show(const memmgr_block *raw, void *ctx) {
    const mmi_walk *walk = (const mmi_walk *)ctx;
    memmgr_block shown;
    return !mmi_watch_show(walk->pool, raw, &shown) || walk->visit(&shown, walk->ctx);
}

// Every block and every free run, in address order.
MMI_FN bool mmi_stats_walk(const void *heap, memmgr_visitor visit, void *ctx) {
    const memmgr_pool *pool = (const memmgr_pool *)heap;
    mmi_walk walk = {pool, visit, ctx};
    if (!mmi_pool_is_watched(pool)) return mmi_stats_walk_raw(pool, visit, ctx);
    return mmi_stats_walk_raw(pool, mmi_stats_show, &walk);
}

MMI_FN bool mmi_stats_add_requested(const memmgr_block *block, void *ctx) {
    if (block->live) *(size_t *)ctx += block->requested;
    return true;
}

MMI_FN void mmi_stats_fragmentation(memmgr_stats *out) {
    size_t whole = mmi_text_share(out->largest_free, out->free, 100);
    if (out->free != 0) out->fragmentation = 100 - (unsigned)whole;
}

// Takes from a heap's numbers what quarantine has, and from the largest request what goes into a
// block's record.
MMI_FN void mmi_stats_watched(const memmgr_pool *pool, memmgr_stats *out) {
    size_t bytes, blocks = mmi_watch_held(pool, &bytes);
    out->used -= bytes < out->used ? bytes : out->used;
    out->live_blocks -= blocks < out->live_blocks ? blocks : out->live_blocks;
    if (blocks != 0) out->allocations--;
    out->frees = out->allocations - out->live_blocks;
    out->overhead = out->capacity - out->used - out->free;
    if (!(mmi_watch_flags(pool) & MMI_RECORDED)) return;
    size_t more = MMI_FRONT + MMI_GUARD;
    out->largest_free = out->largest_free > more ? out->largest_free - more : 0;
    mmi_stats_fragmentation(out);
}

// The longest of the runs that start in some entries: of the first few with the index's highest
// code.
MMI_FN uint32_t mmi_stats_longest_of(const mmi_segment *segment, unsigned most) {
    unsigned top = mmi_index_top(segment);
    uint32_t longest = 0, entry = 0;
    for (unsigned i = 0; i < most && top != 0; i++, entry++) {
        entry = mmi_index_next(segment, entry, top);
        if (entry == MMI_NONE) break;
        uint32_t length = mmi_map_longest(mmi_map_of(segment), entry);
        if (length > longest) longest = length;
    }
    return longest;
}

// The longest run that a search is sure to find.
#if MMI_SMALL
MMI_FN uint32_t mmi_stats_longest(const memmgr_pool *pool, const mmi_segment *segment) {
    (void)pool;
    return mmi_stats_longest_of(segment, ~0u);
}
#else
MMI_FN uint32_t mmi_stats_longest(const memmgr_pool *pool, const mmi_segment *segment) {
    if (!mmi_pool_is_good(pool)) return mmi_stats_longest_of(segment, ~0u);
    uint32_t longest = mmi_stats_longest_of(segment, MMI_CANDIDATES), last = segment->last_merged;
    if (mmi_index_level(segment, 0)[last] != mmi_index_top(segment)) return longest;
    uint32_t length = mmi_map_longest(mmi_map_of(segment), last);
    return length > longest ? length : longest; // half covered: of nine runs of one code
}
#endif

MMI_FN size_t mmi_stats_largest_free(const memmgr_pool *pool) {
    uint32_t longest = 0;
    (void)mmi_pool_flush(pool);
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        uint32_t length = mmi_stats_longest(pool, mmi_pool_segment(pool, i));
        if (length > longest) longest = length;
    }
    return (size_t)longest << MMI_GRANULE_SHIFT;
}

MMI_FN size_t mmi_stats_free(const memmgr_pool *pool) {
    size_t granules = 0;
    for (uint32_t i = 0; i < pool->segment_count; i++)
        granules += mmi_pool_segment(pool, i)->granule_count;
    return (granules << MMI_GRANULE_SHIFT) - pool->used;
}

MMI_FN void mmi_stats_get(const memmgr_pool *pool, memmgr_stats *out) {
    mmi_bytes_fill(out, 0, sizeof *out);
    out->capacity = pool->capacity;
    out->used = out->requested = pool->used;
    out->free = mmi_stats_free(pool);
    out->largest_free = mmi_stats_largest_free(pool);
    out->overhead = out->capacity - out->used - out->free;
    out->peak_used = pool->peak_used;
    out->allocations = pool->allocations;
    out->frees = pool->frees;
    out->live_blocks = pool->allocations - pool->frees;
    out->failures = pool->failures;
    out->misuses = pool->misuses;
    mmi_stats_fragmentation(out);
    if (!mmi_pool_is_watched(pool)) return;
    mmi_stats_watched(pool, out);
    out->requested = 0;
    (void)mmi_stats_walk(pool, mmi_stats_add_requested, &out->requested);
}

// What an audit counts.
typedef struct {
    size_t live_blocks, used; // used in granules
    size_t kept_blocks;
} mmi_audit;

// Are a segment's classes and index where its size puts them?
#if MMI_SMALL
MMI_FN bool mmi_stats_lists_valid(const mmi_segment *segment, const mmi_segment *fresh) {
    (void)segment, (void)fresh;
    return true;
}
#else
MMI_FN bool mmi_stats_lists_valid(const mmi_segment *segment, const mmi_segment *fresh) {
    for (unsigned level = 0; level < fresh->level_count; level++)
        if (segment->level_offset[level] != fresh->level_offset[level]) return false;
    return segment->slots_offset == fresh->slots_offset &&
           segment->index_offset == fresh->index_offset &&
           segment->class_limit == fresh->class_limit &&
           segment->level_count == fresh->level_count && segment->root_nodes == fresh->root_nodes &&
           segment->last_merged < fresh->entry_count;
}
#endif

// Is a segment's header what its size makes it?
MMI_FN bool mmi_stats_layout_valid(const memmgr_pool *pool, const mmi_segment *segment) {
    mmi_segment fresh;
    mmi_bytes_fill(&fresh, 0, sizeof fresh);
    if (segment->size > pool->capacity) return false;
    if (mmi_segment_fit(&fresh, segment->size, mmi_pool_has_classes(pool)) == 0) return false;
    return segment->map_offset == fresh.map_offset &&
           segment->granules_offset == fresh.granules_offset &&
           segment->granule_count == fresh.granule_count &&
           segment->entry_count == fresh.entry_count && mmi_stats_lists_valid(segment, &fresh);
}

// Does a block without end begin behind the last granule? Else a run would go on there.
MMI_FN bool mmi_stats_end_valid(const mmi_segment *segment) {
    const mmi_entry *last = mmi_map_of(segment) + mmi_map_entry(segment->granule_count);
    unsigned bit = mmi_map_bit(segment->granule_count);
    return last->start >> bit == 1 && last->used >> bit == MMI_WORD_ONES >> bit;
}

// Do the marks stand only where there can be spans, and nothing in the entries that they cover?
// From here on they can be followed without leaving the map.
MMI_FN bool mmi_stats_spans_valid(const mmi_segment *segment) {
    const mmi_entry *map = mmi_map_of(segment);
    uint32_t count = segment->entry_count, span;
    if (map[count].start != 1 || map[count].used != MMI_WORD_ONES) return false;
    if (!mmi_stats_end_valid(segment)) return false;
    for (uint32_t entry = 0; entry < count; entry += span) {
        const mmi_entry *first = map + entry;
        bool free_span = mmi_map_free_span(first);
        span = 1;
        if (!free_span && !mmi_map_live_span(first)) continue;
        if (first->used >> MMI_SPAN_SHIFT > count - entry) return false;
        span = mmi_map_span(first);
        if (span < 2) return false;
        for (uint32_t i = 1; i < span; i++) {
            bool marked = free_span && i == span - 1;
            if (first[i].start != 0 || first[i].used != (marked ? first->used : 0)) return false;
        }
    }
    return true;
}

// Is a free run found from both of its ends, and its span, and nothing but its span, marked?
MMI_FN bool mmi_stats_run_valid(const mmi_segment *segment, uint32_t at, uint32_t end) {
    const mmi_entry *map = mmi_map_of(segment);
    uint32_t first = mmi_map_entry(at + MMI_ENTRY_GRANULES - 1), behind = mmi_map_entry(end);
    MMI_ASSERT(end <= segment->granule_count); // the marks behind the last granule are checked
    if (mmi_map_run_start(map, end) != at) return false;
    for (uint32_t i = first; i < behind; i++) {
        bool marked = behind - first >= 2 && (i == first || i == behind - 1);
        mmi_word used = marked ? mmi_map_span_mark(behind - first, MMI_SPAN_FREE) : 0;
        if (map[i].used != used) return false; // start bits would have ended the run
    }
    return true;
}

// Is the map of a segment a row of blocks and runs?
MMI_FN bool mmi_stats_map_valid(const mmi_segment *segment, mmi_audit *audit) {
    const mmi_entry *map = mmi_map_of(segment);
    uint32_t at = 0, length;
    for (; at < segment->granule_count; at += length) {
        length = mmi_map_run_end(map, at) - at;
        if (length != 0) {
            if (!mmi_stats_run_valid(segment, at, at + length)) return false;
            continue;
        }
        bool live = mmi_map_is_live(map, at);
        length = mmi_map_length(map, at);
        if (!live && !mmi_map_is_kept(map, at)) return false;
        audit->live_blocks += live;
        audit->used += live ? length : 0;
        audit->kept_blocks += !live;
    }
    return at == segment->granule_count;
}

#if MMI_SMALL
MMI_FN bool mmi_stats_index_valid(const mmi_segment *segment) {
    (void)segment;
    return true;
}
MMI_FN bool mmi_stats_classes_valid(const mmi_segment *segment, mmi_audit *audit) {
    (void)segment;
    return audit->kept_blocks == 0;
}
#else
// Does every byte of the index follow from what is below it?
MMI_FN bool mmi_stats_index_valid(const mmi_segment *segment) {
    const mmi_entry *map = mmi_map_of(segment);
    uint32_t count = segment->entry_count;
    for (uint32_t entry = 0; entry < count; entry++) {
        uint32_t longest = mmi_map_longest(map, entry);
        if (mmi_index_level(segment, 0)[entry] != mmi_index_code(longest)) return false;
    }
    for (unsigned level = 1; level < segment->level_count; level++) {
        count = (count + MMI_NODE - 1) / MMI_NODE;
        for (uint32_t i = 0; i < count; i++)
            if (mmi_index_level(segment, level)[i] !=
                mmi_index_largest(mmi_index_level(segment, level - 1) + i * MMI_NODE))
                return false;
    }
    return true;
}

// Is every block on a class's stack one that the map calls kept, of that length?
MMI_FN bool mmi_stats_classes_valid(const mmi_segment *segment, mmi_audit *audit) {
    const mmi_entry *map = mmi_map_of(segment);
    uint32_t first = 0, depth;
    for (uint32_t length = 1; length <= segment->class_limit; length++, first += depth) {
        const mmi_class *kept = mmi_segment_class(segment, length);
        depth = mmi_segment_class_depth(segment->class_limit, length);
        if (kept->first != first || kept->depth != depth || kept->count > depth) return false;
        for (uint32_t i = 0; i < kept->count; i++) {
            uint32_t block = mmi_class_slots(segment, kept)[i];
            if (block >= segment->granule_count || !mmi_map_is_kept(map, block)) return false;
            if (mmi_map_length(map, block) != length) return false;
        }
        audit->kept_blocks -= kept->count;
    }
    return true;
}

#endif

MMI_FN bool mmi_stats_pool_valid(const memmgr_pool *pool) {
    mmi_audit audit = {0, 0, 0};
    if (pool->magic != mmi_pool_magic(pool)) return false;
    if (mmi_pool_has_table(pool) != (pool->segment_count > 1)) return false;
    for (uint32_t i = 0; i < pool->segment_count; i++) {
        const mmi_segment *segment = mmi_pool_segment(pool, i);
        if (!mmi_stats_layout_valid(pool, segment) || !mmi_stats_spans_valid(segment) ||
            !mmi_stats_map_valid(segment, &audit) || !mmi_stats_index_valid(segment) ||
            !mmi_stats_classes_valid(segment, &audit))
            return false;
        if (i > 0 && (uintptr_t)mmi_pool_segment(pool, i - 1) >= (uintptr_t)segment) return false;
    }
    return audit.kept_blocks == 0 && audit.used << MMI_GRANULE_SHIFT == pool->used &&
           audit.live_blocks == pool->allocations - pool->frees && pool->used <= pool->peak_used;
}

// --- the general calls' heap

#if MMI_HAS_HEAPS

// Every slab and idle unit that was ever used; a visitor for them.
typedef bool (*mmi_unit_visitor)(const mmi_slab *unit, void *ctx);

MMI_FN bool mmi_stats_units(mmi_unit_visitor visit, void *ctx) {
    for (size_t i = 0; i < mmi_arena_all.count; i++)
        for (size_t j = 0; j < mmi_arena_at(i)->fresh; j++)
            if (!visit(&mmi_arena_at(i)->units[j], ctx)) return false;
    return true;
}

MMI_FN bool mmi_stats_count_unit(const mmi_slab *unit, void *ctx) {
    memmgr_stats *out = (memmgr_stats *)ctx;
    size_t live = 0, size = mmi_slab_size(unit->size_index);
    if (mmi_heap_owner(unit)) live = mmi_slab_count(unit, unit->live);
    out->live_blocks += live;
    out->used += live * size;
    out->free += MMI_UNIT - live * size;
    return true;
}

MMI_FN void mmi_stats_add_large(memmgr_stats *out) {
    mmi_large_enter();
    const memmgr_pool *pool = mmi_large.pool;
    if (pool) {
        out->capacity += mmi_large_capacity();
        out->free += mmi_large_idle();
        out->largest_free = mmi_stats_largest_free(pool);
        if (out->largest_free > out->free) out->largest_free = out->free;
        out->used += pool->used;
        out->live_blocks += pool->allocations - pool->frees;
        out->allocations += pool->allocations;
    }
    mmi_large_leave();
}

// What a thread's own stacks serve is counted only when they are refilled.
MMI_FN void mmi_stats_heap_get_raw(memmgr_stats *out) {
    mmi_bytes_fill(out, 0, sizeof *out);
    mmi_stats_add_large(out);
    mmi_lock_acquire(&mmi_arena_lock);
    (void)mmi_stats_units(mmi_stats_count_unit, out);
    out->capacity += mmi_arena_capacity();
    for (const mmi_heap *heap = mmi_heap_all.all; heap; heap = heap->next)
        out->allocations += mmi_atomic_word(&heap->issued);
    if (mmi_heap_all.peak_used < out->used) mmi_heap_all.peak_used = out->used;
    out->peak_used = mmi_heap_all.peak_used;
    if (mmi_arena_has_idle() && out->largest_free < MMI_SMALL_MAX)
        out->largest_free = MMI_SMALL_MAX;
    mmi_lock_release(&mmi_arena_lock);
    if (out->allocations < out->live_blocks) out->allocations = out->live_blocks;
    out->frees = out->allocations - out->live_blocks;
    out->overhead = out->capacity - out->used - out->free;
    out->requested = out->used;
    out->failures = mmi_atomic_word(&mmi_heap_all.failures);
    out->misuses = mmi_atomic_word(&mmi_heap_all.misuses);
    mmi_stats_fragmentation(out);
}

MMI_FN bool mmi_stats_walk_unit(const mmi_slab *unit, void *ctx) {
    const mmi_walk *walk = (const mmi_walk *)ctx;
    memmgr_block idle = mmi_block_shown((const void *)unit->start, MMI_UNIT, false);
    if (!mmi_heap_owner(unit)) return walk->visit(&idle, walk->ctx);
    return mmi_slab_walk(unit, walk->visit, walk->ctx);
}

// Shows the large blocks; free memory at the end only as far as it was ever used.
MMI_FN bool mmi_stats_walk_large(const memmgr_block *block, void *ctx) {
    const mmi_walk *walk = (const mmi_walk *)ctx;
    const mmi_segment *first = mmi_pool_first(mmi_large.pool);
    memmgr_block shown = *block;
    uintptr_t end = (uintptr_t)mmi_segment_address(first, mmi_large.touched);
    uintptr_t at = (uintptr_t)block->address;
    bool last = at + block->size == (uintptr_t)mmi_segment_address(first, first->granule_count);
    if (!block->live && last) shown.size = end > at ? end - at : 0;
    return shown.size == 0 || walk->visit(&shown, walk->ctx);
}

MMI_FN bool mmi_stats_heap_walk_raw(memmgr_visitor visit, void *ctx) {
    mmi_walk walk = {NULL, visit, ctx};
    mmi_lock_acquire(&mmi_arena_lock);
    bool finished = mmi_stats_units(mmi_stats_walk_unit, &walk);
    mmi_lock_release(&mmi_arena_lock);
    mmi_large_enter();
    if (finished && mmi_large.pool)
        finished = mmi_stats_walk_raw(mmi_large.pool, mmi_stats_walk_large, &walk);
    mmi_large_leave();
    return finished;
}

// Is an idle unit marked as one, and a slab in order? Adds to ctx, a size_t, its CACHED blocks.
MMI_FN bool mmi_stats_unit_valid(const mmi_slab *unit, void *ctx) {
    const mmi_heap *owner = mmi_heap_owner(unit);
    size_t cached = 0, idle = 0;
    if (mmi_arena_find(unit->start) != unit || unit->start % MMI_UNIT != 0) return false;
    if (!owner) return true;
    size_t size = mmi_slab_size(unit->size_index);
    if (unit->size_index >= MMI_SIZES || unit->bin != &owner->bins[unit->size_index]) return false;
    if (unit->count != MMI_UNIT / size || unit->live != mmi_slab_live(unit->size_index) ||
        unit->multiplier != mmi_slab_multipliers[unit->size_index] ||
        unit->order < mmi_slab_order(unit->size_index))
        return false;
    for (size_t i = 0; i < (size_t)64 << unit->order; i++) {
        uint8_t state = mmi_atomic_byte(&unit->states[i]);
        if (state > MMI_STATE_REMOTE && state != unit->live) return false;
        if (state != MMI_STATE_FREE && i >= unit->count) return false;
        if (state == MMI_STATE_FREE && i < unit->cursor) return false;
        idle += state == MMI_STATE_FREE && i < unit->count;
        cached += state == MMI_STATE_CACHED;
    }
    *(size_t *)ctx += cached;
    return idle == unit->free_count && unit->listed == (idle != 0);
}

// Are the blocks on a bin's stack CACHED ones of its heap, and its list in order?
MMI_FN bool mmi_stats_bin_valid(const mmi_heap *heap, const mmi_bin *bin) {
    const mmi_slab *before = NULL;
    for (const mmi_item *item = bin->bottom; item < bin->top; item++) {
        const mmi_slab *slab = mmi_arena_find((uintptr_t)item->block);
        bool starts = false;
        if (!slab || mmi_heap_owner(slab) != heap || slab->bin != bin) return false;
        if (mmi_slab_state(slab, (uintptr_t)item->block, &starts) != item->state || !starts ||
            *item->state != MMI_STATE_CACHED)
            return false;
    }
    for (const mmi_slab *slab = bin->partial; slab; before = slab, slab = slab->next)
        if (slab->prev != before || !slab->listed || slab->bin != bin) return false;
    return bin->top >= bin->bottom && bin->top <= bin->limit;
}

// Audits everything. No other thread may be in a call.
MMI_FN bool mmi_stats_heap_valid(void) {
    size_t cached = 0, stacked = 0, idle = 0;
    mmi_lock_acquire(&mmi_arena_lock);
    bool valid = mmi_stats_units(mmi_stats_unit_valid, &cached);
    for (const mmi_heap *heap = mmi_heap_all.all; valid && heap; heap = heap->next)
        for (unsigned i = 0; valid && i < MMI_SIZES; i++) {
            valid = mmi_stats_bin_valid(heap, &heap->bins[i]);
            stacked += (size_t)(heap->bins[i].top - heap->bins[i].bottom);
        }
    for (const mmi_slab *unit = mmi_arena_all.idle.first; unit && idle <= mmi_arena_all.idle.count;
         unit = unit->next, idle++)
        valid = valid && mmi_heap_owner(unit) == NULL && unit->listed;
    valid = valid && cached == stacked && idle == mmi_arena_all.idle.count;
    mmi_lock_release(&mmi_arena_lock);
    mmi_large_enter();
    if (mmi_large.pool) valid = valid && mmi_stats_pool_valid(mmi_large.pool);
    mmi_large_leave();
    return valid;
}

#else

MMI_FN void mmi_stats_heap_get_raw(memmgr_stats *out) {
    const memmgr_pool *pool = mmi_heap_enter();
    mmi_bytes_fill(out, 0, sizeof *out);
    if (pool) mmi_stats_get(pool, out);
    out->misuses = mmi_atomic_word(&mmi_heap_misuses);
    mmi_heap_leave();
}

MMI_FN bool mmi_stats_heap_walk_raw(memmgr_visitor visit, void *ctx) {
    const memmgr_pool *pool = mmi_heap_enter();
    bool finished = !pool || mmi_stats_walk_raw(pool, visit, ctx);
    mmi_heap_leave();
    return finished;
}

MMI_FN bool mmi_stats_heap_valid(void) {
    const memmgr_pool *pool = mmi_heap_enter();
    bool valid = !pool || mmi_stats_pool_valid(pool);
    mmi_heap_leave();
    return valid;
}

#endif // MMI_HAS_HEAPS

MMI_FN bool mmi_stats_heap_walk(const void *heap, memmgr_visitor visit, void *ctx) {
    mmi_walk walk = {NULL, visit, ctx};
    (void)heap;
    if (!mmi_heap_is_watched()) return mmi_stats_heap_walk_raw(visit, ctx);
    return mmi_stats_heap_walk_raw(mmi_stats_show, &walk);
}

MMI_FN void mmi_stats_heap_get(memmgr_stats *out) {
    mmi_stats_heap_get_raw(out);
    if (!mmi_heap_is_watched()) return;
    mmi_stats_watched(NULL, out);
    out->requested = 0;
    (void)mmi_stats_heap_walk(NULL, mmi_stats_add_requested, &out->requested);
}

// Looks at the guards of all blocks, and at what is in quarantine; NULL: of the general calls.
MMI_FN void mmi_stats_audit_watched(const memmgr_pool *pool, mmi_findings *found) {
    mmi_watch_audit audit = {pool, found, false};
    if (!pool && mmi_heap_is_watched())
        (void)mmi_stats_heap_walk_raw(mmi_watch_audit_block, &audit);
    if (pool && (pool->desc.flags & MMI_RECORDED))
        (void)mmi_stats_walk_raw(pool, mmi_watch_audit_block, &audit);
}

#endif // USE_MEMORY_MGR

// >>draw

// Pictures of a heap: a summary, a map, a histogram and the sites that hold most, as text or as
// SVG; and the same numbers as JSON. A heap is seen through walks alone. The map lays the walked
// bytes end to end, so gaps between segments take no space in it; each of its cells stands for an
// equal share of them. What is walked is
//
//     live      what was asked for
//     slack     the rest of a live block: records, guards, rounding
//     free

// Shows every block, live and free, in address order. A block without an address is memory that is
// known by its size only.
typedef bool (*mmi_draw_walk)(const void *heap, memmgr_visitor visit, void *ctx);

enum {
    MMI_DRAW_ADDRESS_DIGITS = sizeof(void *) < 6 ? 2 * sizeof(void *) : 12,
    // Class i: sizes to 16 << i, and over those of class i - 1; the last: any larger.
    MMI_DRAW_CLASSES = sizeof(size_t) < 8 ? 8 * sizeof(size_t) - 4 : 40,
    MMI_DRAW_TONES = 7,              // tone i: sizes to 64 << 2 * i; the last: any
    MMI_DRAW_SLACK = MMI_DRAW_TONES, // further looks that a cell may have
    MMI_DRAW_FREE = MMI_DRAW_TONES + 1,
    MMI_DRAW_LOOKS = MMI_DRAW_TONES + 2, // also: none of them
    MMI_DRAW_SITE = MMI_DRAW_LOOKS,      // the look of a site's bar
    MMI_DRAW_SITES = 10,                 // sites that are shown one by one
    MMI_DRAW_JSON_SITES = 32,
    MMI_DRAW_TEXT_COLUMNS = 64, // cells in a row
    MMI_DRAW_TEXT_ROWS = 24,    // at most
    // The histogram: columns that sizes and blocks end in; the width of bars, and between them of
    // bytes.
    MMI_DRAW_TEXT_SIZE = 10,
    MMI_DRAW_TEXT_BLOCKS = 20,
    MMI_DRAW_TEXT_BAR = 22,
    MMI_DRAW_TEXT_BYTES = 12,
    // The sites: columns that they, blocks, bytes and share end in; the width of bars.
    MMI_DRAW_TEXT_SITE = 36,
    MMI_DRAW_TEXT_SITE_BLOCKS = 45,
    MMI_DRAW_TEXT_SITE_BYTES = 56,
    MMI_DRAW_TEXT_SITE_SHARE = 62,
    MMI_DRAW_TEXT_SITE_BAR = 16,
    MMI_DRAW_SVG_COLUMNS = 128,
    MMI_DRAW_SVG_ROWS = 32,
    // Across the viewBox: 20 of margin, 110 of labels, 128 cells of 5, 30 of margin.
    MMI_DRAW_SVG_WIDTH = 800,
    MMI_DRAW_SVG_MARGIN = 20,
    MMI_DRAW_SVG_LEFT = 130,
    MMI_DRAW_SVG_CELL = 5,   // a cell's width
    MMI_DRAW_SVG_PITCH = 14, // from one row of the map to the next
    MMI_DRAW_SVG_HEIGHT = 12,
    MMI_DRAW_SVG_TOP = 104,   // of the map, below a summary of two lines
    MMI_DRAW_SVG_LINE = 22,   // from one line of writing to the next
    MMI_DRAW_SVG_BYTES = 460, // of the histogram: where the bars of bytes begin
    MMI_DRAW_SVG_BAR = 190,   // the longest
    MMI_DRAW_SVG_SITE = 320,  // where the bars of sites begin
    MMI_DRAW_SVG_SITE_BAR = 200
};

// What the first walk learns: how many blocks there are in each class, and what they come to.
//   bytes == free bytes + live bytes + slack
//   the sum of class_bytes == live bytes + the slack within blocks
typedef struct {
    size_t bytes, slack;
    size_t counts[MMI_DRAW_CLASSES];
    size_t class_bytes[MMI_DRAW_CLASSES];
    unsigned first, last;    // classes with blocks in them; first > last: there are none
    size_t most, most_bytes; // the largest of the counts, and of the class_bytes
    mmi_sites sites;
} mmi_draw_census;

// A picture in the making.
typedef struct {
    const char *name;
    const memmgr_stats *stats;
    const void *heap;
    mmi_draw_walk walk;
    mmi_text text;
    bool in_colour; // text: with a terminal's escapes
    unsigned pen;   // what they are set to now
    mmi_draw_census census;
} mmi_drawing;

MMI_FN unsigned mmi_draw_class(size_t size) {
    unsigned i = 0;
    while (i < MMI_DRAW_CLASSES - 1 && size > (size_t)16 << i)
        i++;
    return i;
}

MMI_FN unsigned mmi_draw_tone(size_t size) {
    unsigned i = 0;
    while (i < MMI_DRAW_TONES - 1 && size > (size_t)64 << 2 * i)
        i++;
    return i;
}

// What of a live block's size was not asked for, as far as that is tracked.
MMI_FN size_t mmi_draw_unasked(const memmgr_block *block) {
    bool tracked = block->serial != 0 && block->requested < block->size;
    return tracked ? block->size - block->requested : 0;
}

MMI_FN bool mmi_draw_count(const memmgr_block *block, void *ctx) {
    mmi_draw_census *census = (mmi_draw_census *)ctx;
    unsigned i = mmi_draw_class(block->size);
    census->bytes += block->size + block->overhead;
    if (!block->live) return true;
    census->slack += mmi_draw_unasked(block) + block->overhead;
    census->counts[i]++;
    census->class_bytes[i] += block->size;
    if (census->first > i) census->first = i;
    if (census->last < i) census->last = i;
    if (census->most < census->counts[i]) census->most = census->counts[i];
    if (census->most_bytes < census->class_bytes[i]) census->most_bytes = census->class_bytes[i];
    return mmi_site_note(block, &census->sites);
}

MMI_FN void mmi_draw_open(mmi_drawing *drawing, const char *name, const memmgr_stats *stats,
                          const void *heap, mmi_draw_walk walk) {
    mmi_draw_census *census = &drawing->census;
    mmi_bytes_fill(drawing, 0, sizeof *drawing);
    drawing->name = name;
    drawing->stats = stats;
    drawing->heap = heap;
    drawing->walk = walk;
    drawing->pen = MMI_DRAW_FREE;
    census->first = MMI_DRAW_CLASSES;
    mmi_site_open(&census->sites);
    walk(heap, mmi_draw_count, census);
    mmi_site_sort(&census->sites);
}

// --- The map, cell by cell, whatever it is drawn with.

// [ cell | cell | cell being filled ... ]    cell i: bytes i * cell_size .. (i + 1) * cell_size
typedef struct mmi_draw_map {
    mmi_drawing *drawing;
    void (*put_cell)(struct mmi_draw_map *map);
    size_t cell_size;
    unsigned columns, rows;
    unsigned column, row;         // of the cell being filled
    uintptr_t address, next;      // of its first byte, and of the next to come; 0: not known
    size_t filled, live, slack;   // bytes of it, so far; filled - live - slack are free
    size_t tones[MMI_DRAW_TONES]; // of the live ones, by size of block; sum: live
    bool starts;                  // a live block starts in it, and has not been shown yet
    // SVG: the rectangle that cells of one look are collected in, and the path that such
    // rectangles are
    unsigned run_x, run_y, run_width, run_height, run_look; // width 0: none
    unsigned path_look;                                     // MMI_DRAW_LOOKS: none
    unsigned top;                                           // y of the first row
} mmi_draw_map;

MMI_FN void mmi_draw_clear_cell(mmi_draw_map *map) {
    map->filled = map->live = map->slack = 0;
    for (unsigned i = 0; i < MMI_DRAW_TONES; i++)
        map->tones[i] = 0;
}

// The smallest cells, of 16 bytes times a power of two, with which the map keeps to its rows.
MMI_FN void mmi_draw_map_open(mmi_draw_map *map, mmi_drawing *drawing, unsigned columns,
                              unsigned rows) {
    size_t bytes = drawing->census.bytes, cells;
    mmi_bytes_fill(map, 0, sizeof *map);
    map->drawing = drawing;
    map->columns = columns;
    map->path_look = MMI_DRAW_LOOKS;
    map->cell_size = 16;
    while (bytes != 0 && (bytes - 1) / map->cell_size >= (size_t)columns * rows)
        map->cell_size *= 2;
    cells = bytes != 0 ? (bytes - 1) / map->cell_size + 1 : 0;
    map->rows = (unsigned)((cells + columns - 1) / columns);
}

MMI_FN void mmi_draw_end_cell(mmi_draw_map *map) {
    map->put_cell(map);
    mmi_draw_clear_cell(map);
    if (++map->column == map->columns) {
        map->column = 0;
        map->row++;
    }
}

// Pours bytes of one look, a tone, MMI_DRAW_SLACK or MMI_DRAW_FREE, into as many cells as they
// cover.
MMI_FN void mmi_draw_pour_part(mmi_draw_map *map, size_t size, unsigned look) {
    for (size_t part; size != 0; size -= part) {
        part = map->cell_size - map->filled;
        if (part > size) part = size;
        if (map->filled == 0) map->address = map->next;
        if (map->next != 0) map->next += part;
        map->filled += part;
        if (look < MMI_DRAW_TONES) map->tones[look] += part;
        if (look < MMI_DRAW_TONES) map->live += part;
        if (look == MMI_DRAW_SLACK) map->slack += part;
        if (map->filled == map->cell_size) mmi_draw_end_cell(map);
    }
}

// A block with what lies before and behind it, which is slack.
MMI_FN bool mmi_draw_pour(const memmgr_block *block, void *ctx) {
    mmi_draw_map *map = (mmi_draw_map *)ctx;
    uintptr_t address = (uintptr_t)block->address;
    size_t unasked = mmi_draw_unasked(block);
    map->next = address != 0 ? address - block->before : 0;
    if (!block->live) {
        mmi_draw_pour_part(map, block->size + block->overhead, MMI_DRAW_FREE);
        return true;
    }
    mmi_draw_pour_part(map, block->before, MMI_DRAW_SLACK);
    map->starts = true; // there is always room for a byte in the cell being filled
    mmi_draw_pour_part(map, block->size - unasked, mmi_draw_tone(block->size));
    mmi_draw_pour_part(map, unasked + block->overhead - block->before, MMI_DRAW_SLACK);
    return true;
}

// The last cell may stand for less than the others.
MMI_FN void mmi_draw_walk_map(mmi_draw_map *map, void (*put_cell)(mmi_draw_map *map)) {
    map->put_cell = put_cell;
    map->column = map->row = 0;
    map->next = 0;
    map->starts = false;
    mmi_draw_clear_cell(map);
    map->drawing->walk(map->drawing->heap, mmi_draw_pour, map);
    if (map->filled != 0) mmi_draw_end_cell(map);
}

// The tone that has most of a cell.
MMI_FN unsigned mmi_draw_cell_tone(const mmi_draw_map *map) {
    unsigned tone = 0;
    for (unsigned i = 1; i < MMI_DRAW_TONES; i++)
        if (map->tones[i] > map->tones[tone]) tone = i;
    return tone;
}

// --- What both pictures say.

MMI_FN void mmi_draw_blocks(mmi_text *text, size_t count) {
    mmi_text_number(text, count);
    mmi_text_string(text, count == 1 ? " block" : " blocks");
}

MMI_FN void mmi_draw_usage(mmi_text *text, const memmgr_stats *stats) {
    mmi_text_bytes(text, stats->capacity);
    mmi_text_string(text, ", ");
    mmi_text_percent(text, stats->used, stats->capacity);
    mmi_text_string(text, " used, ");
    mmi_draw_blocks(text, stats->live_blocks);
    mmi_text_string(text, " live");
}

MMI_FN void mmi_draw_free(mmi_text *text, const memmgr_stats *stats) {
    mmi_text_bytes(text, stats->free);
    mmi_text_string(text, " free, largest ");
    mmi_text_bytes(text, stats->largest_free);
    mmi_text_string(text, ", fragmentation ");
    mmi_text_number(text, stats->fragmentation);
    mmi_text_char(text, '%');
}

MMI_FN void mmi_draw_slack(mmi_text *text, const mmi_draw_census *census) {
    mmi_text_bytes(text, census->slack);
    mmi_text_string(text, " slack: records, guards and rounding of the blocks");
}

// A bar is seen when there is anything at all.
MMI_FN size_t mmi_draw_bar(size_t part, size_t whole, size_t longest) {
    size_t bar = mmi_text_share(part, whole, longest);
    return bar == 0 && part != 0 ? 1 : bar;
}

// The largest of the sites' lines.
MMI_FN size_t mmi_draw_site_most(const mmi_sites *sites) {
    size_t most = 0;
    for (uint32_t i = 0; i < MMI_DRAW_SITES + 2; i++) {
        mmi_site site = mmi_site_line(sites, MMI_DRAW_SITES, i);
        if (most < site.bytes) most = site.bytes;
    }
    return most;
}

// --- As text.

// From here on everything is drawn in the colour of a tone, more than half full or less, or of
// slack; MMI_DRAW_FREE: as the terminal does it by itself. The tones are those of the SVG.
MMI_FN void mmi_draw_pen(mmi_drawing *drawing, unsigned look, bool full) {
    static const unsigned char grounds[MMI_DRAW_TONES] = {227, 214, 166, 175, 75, 36, 25};
    static const unsigned char inks[MMI_DRAW_TONES] = {227, 214, 166, 175, 75, 36, 33};
    mmi_text *text = &drawing->text;
    unsigned pen = look < MMI_DRAW_TONES && full ? look + MMI_DRAW_LOOKS : look;
    bool dark = look == MMI_DRAW_TONES - 1;
    if (!drawing->in_colour || pen == drawing->pen) return;
    drawing->pen = pen;
    mmi_text_string(text, "\033[");
    if (look == MMI_DRAW_FREE)
        mmi_text_char(text, '0');
    else if (look == MMI_DRAW_SLACK)
        mmi_text_string(text, "38;5;252;48;5;240");
    else {
        mmi_text_string(text, full ? (dark ? "38;5;231" : "38;5;16") : "48;5;16");
        mmi_text_string(text, full ? ";48;5;" : ";38;5;");
        mmi_text_number(text, full ? grounds[look] : inks[look]);
    }
    mmi_text_char(text, 'm');
}

// The end of a line, and of all colours.
MMI_FN void mmi_draw_text_end(mmi_drawing *drawing) {
    mmi_draw_pen(drawing, MMI_DRAW_FREE, false);
    mmi_text_char(&drawing->text, '\n');
}

// A letter where a block begins, = or - where one goes on.
MMI_FN void mmi_draw_text_cell(mmi_draw_map *map) {
    mmi_drawing *drawing = map->drawing;
    mmi_text *text = &drawing->text;
    unsigned look = mmi_draw_cell_tone(map);
    size_t taken = map->live + map->slack;
    bool full = taken >= map->filled - taken;
    char glyph = full ? '=' : '-';
    if (map->column == 0) {
        if (map->address != 0)
            mmi_text_hex(text, map->address, MMI_DRAW_ADDRESS_DIGITS);
        else
            mmi_text_repeat(text, ' ', MMI_DRAW_ADDRESS_DIGITS);
        mmi_text_string(text, "  ");
    }
    if (taken == 0)
        look = MMI_DRAW_FREE, glyph = '.';
    else if (map->slack / 3 >= map->live)
        look = MMI_DRAW_SLACK, glyph = '~';
    else if (map->starts)
        glyph = (char)((full ? 'A' : 'a') + (char)look);
    if (look < MMI_DRAW_TONES) map->starts = false;
    mmi_draw_pen(drawing, look, full);
    mmi_text_char(text, glyph);
    if (map->column == map->columns - 1) mmi_draw_text_end(drawing);
}

MMI_FN void mmi_draw_text_legend(mmi_drawing *drawing, size_t cell_size) {
    mmi_text *text = &drawing->text;
    for (unsigned i = 0; i < MMI_DRAW_TONES; i++) {
        mmi_text_string(text, "  ");
        mmi_draw_pen(drawing, i, true);
        mmi_text_char(text, (char)('a' + (char)i));
        mmi_draw_pen(drawing, MMI_DRAW_FREE, false);
        mmi_text_string(text, i == 0 ? ": blocks to " : " ");
        if (i == MMI_DRAW_TONES - 1)
            mmi_text_string(text, "larger\n");
        else
            mmi_text_bytes(text, (size_t)64 << 2 * i);
    }
    mmi_text_string(text, "  cell: ");
    mmi_text_bytes(text, cell_size);
    mmi_text_string(text, "   capital: half full or more   = - goes on   . free");
    if (drawing->census.slack != 0) {
        mmi_text_string(text, "   ");
        mmi_draw_pen(drawing, MMI_DRAW_SLACK, true);
        mmi_text_char(text, '~');
        mmi_draw_pen(drawing, MMI_DRAW_FREE, false);
        mmi_text_string(text, " slack");
    }
    mmi_text_string(text, "\n\n");
}

MMI_FN void mmi_draw_text_map(mmi_drawing *drawing) {
    mmi_draw_map map;
    mmi_draw_map_open(&map, drawing, MMI_DRAW_TEXT_COLUMNS, MMI_DRAW_TEXT_ROWS);
    mmi_draw_walk_map(&map, mmi_draw_text_cell);
    if (map.column != 0) mmi_draw_text_end(drawing);
    mmi_draw_text_legend(drawing, map.cell_size);
}

MMI_FN void mmi_draw_text_bar(mmi_drawing *drawing, size_t length, unsigned look) {
    mmi_draw_pen(drawing, look, true);
    mmi_text_repeat(&drawing->text, '#', length);
    mmi_draw_pen(drawing, MMI_DRAW_FREE, false);
}

MMI_FN void mmi_draw_text_class(mmi_drawing *drawing, unsigned i) {
    const mmi_draw_census *census = &drawing->census;
    mmi_text *text = &drawing->text;
    unsigned tone = mmi_draw_tone((size_t)16 << i);
    size_t bar = mmi_draw_bar(census->counts[i], census->most, MMI_DRAW_TEXT_BAR), start;
    mmi_text_bytes(text, (size_t)16 << i);
    mmi_text_right(text, 0, MMI_DRAW_TEXT_SIZE);
    mmi_text_number(text, census->counts[i]);
    mmi_text_right(text, MMI_DRAW_TEXT_SIZE, MMI_DRAW_TEXT_BLOCKS);
    if (bar != 0) {
        mmi_text_string(text, "  ");
        mmi_draw_text_bar(drawing, bar, tone);
        mmi_text_repeat(text, ' ', MMI_DRAW_TEXT_BAR - bar);
        start = text->length;
        mmi_text_bytes(text, census->class_bytes[i]);
        mmi_text_right(text, start, start + MMI_DRAW_TEXT_BYTES);
        mmi_text_string(text, "  ");
        bar = mmi_draw_bar(census->class_bytes[i], census->most_bytes, MMI_DRAW_TEXT_BAR);
        mmi_draw_text_bar(drawing, bar, tone);
    }
    mmi_draw_text_end(drawing);
}

MMI_FN void mmi_draw_text_site(mmi_drawing *drawing, const mmi_site *site, size_t most) {
    mmi_text *text = &drawing->text;
    mmi_text_string(text, "  ");
    mmi_site_text(text, site, MMI_DRAW_TEXT_SITE - 2, MMI_TEXT_PLAIN);
    mmi_text_repeat(text, ' ', MMI_DRAW_TEXT_SITE - text->length);
    mmi_text_number(text, site->blocks);
    mmi_text_right(text, MMI_DRAW_TEXT_SITE, MMI_DRAW_TEXT_SITE_BLOCKS);
    mmi_text_bytes(text, site->bytes);
    mmi_text_right(text, MMI_DRAW_TEXT_SITE_BLOCKS, MMI_DRAW_TEXT_SITE_BYTES);
    mmi_text_percent(text, site->bytes, drawing->census.sites.bytes);
    mmi_text_right(text, MMI_DRAW_TEXT_SITE_BYTES, MMI_DRAW_TEXT_SITE_SHARE);
    mmi_text_string(text, "  ");
    mmi_text_repeat(text, '#', mmi_draw_bar(site->bytes, most, MMI_DRAW_TEXT_SITE_BAR));
    mmi_text_char(text, '\n');
}

MMI_FN void mmi_draw_text_sites(mmi_drawing *drawing) {
    const mmi_sites *sites = &drawing->census.sites;
    size_t most = mmi_draw_site_most(sites);
    mmi_text_string(&drawing->text,
                    "\n  allocated at                         blocks      bytes share\n");
    for (uint32_t i = 0; i < MMI_DRAW_SITES + 2; i++) {
        mmi_site site = mmi_site_line(sites, MMI_DRAW_SITES, i);
        if (site.blocks != 0) mmi_draw_text_site(drawing, &site, most);
    }
}

MMI_FN void mmi_draw_text(mmi_drawing *drawing) {
    const mmi_draw_census *census = &drawing->census;
    mmi_text *text = &drawing->text;
    mmi_text_name(text, drawing->name, MMI_TEXT_PLAIN);
    mmi_text_string(text, ": ");
    mmi_draw_usage(text, drawing->stats);
    mmi_text_string(text, "\n  ");
    mmi_draw_free(text, drawing->stats);
    if (census->slack != 0) {
        mmi_text_string(text, "\n  ");
        mmi_draw_slack(text, census);
    }
    mmi_text_string(text, "\n\n");
    if (census->bytes != 0) mmi_draw_text_map(drawing);
    if (census->most != 0)
        mmi_text_string(text, "   size to    blocks                               bytes\n");
    for (unsigned i = census->first; i <= census->last; i++)
        mmi_draw_text_class(drawing, i);
    if (census->sites.count != 0) mmi_draw_text_sites(drawing);
}

// --- As SVG.

MMI_FN void mmi_draw_svg_number(mmi_text *text, const char *name, size_t value) {
    mmi_text_char(text, ' ');
    mmi_text_string(text, name);
    mmi_text_string(text, "=\"");
    mmi_text_number(text, value);
    mmi_text_char(text, '"');
}

// What stands between the quotes of fill="". Seven of the eight colours that Okabe and Ito chose to
// be told apart by everyone, warm to cold. Without colour yellow would look like free memory, so it
// has an outline; and slack is hatched, which nothing else is.
MMI_FN const char *mmi_draw_svg_fill(unsigned look) {
    static const char *const fills[MMI_DRAW_LOOKS + 1] = {
        "#F0E442\" stroke=\"#6B6300\" stroke-width=\".7",
        "#E69F00",
        "#D55E00",
        "#CC79A7",
        "#56B4E9",
        "#009E73",
        "#0072B2",
        "url(#memmgr-slack)",
        "#DDDDDD",
        "#777777"};
    return fills[look];
}

MMI_FN void mmi_draw_svg_rect(mmi_text *text, size_t x, size_t y, size_t width, size_t height,
                              const char *fill) {
    mmi_text_string(text, "<rect");
    mmi_draw_svg_number(text, "x", x);
    mmi_draw_svg_number(text, "y", y);
    mmi_draw_svg_number(text, "width", width);
    mmi_draw_svg_number(text, "height", height);
    mmi_text_string(text, " fill=\"");
    mmi_text_string(text, fill);
    mmi_text_string(text, "\"/>\n");
}

// Opens a text that is anchored to its "start" or "end".
MMI_FN void mmi_draw_svg_text(mmi_text *text, size_t x, size_t y, size_t size, const char *anchor) {
    mmi_text_string(text, "<text");
    mmi_draw_svg_number(text, "x", x);
    mmi_draw_svg_number(text, "y", y);
    mmi_draw_svg_number(text, "font-size", size);
    mmi_text_string(text, " text-anchor=\"");
    mmi_text_string(text, anchor);
    mmi_text_string(text, "\">");
}

MMI_FN void mmi_draw_svg_end(mmi_text *text) { mmi_text_string(text, "</text>\n"); }

MMI_FN void mmi_draw_svg_end_path(mmi_draw_map *map) {
    if (map->path_look != MMI_DRAW_LOOKS) mmi_text_string(&map->drawing->text, "\"/>\n");
    map->path_look = MMI_DRAW_LOOKS;
}

// Adds the run to the path of its look: M x y h width v height H x z.
MMI_FN void mmi_draw_svg_end_run(mmi_draw_map *map) {
    mmi_text *text = &map->drawing->text;
    if (map->run_width == 0) return;
    if (map->path_look != map->run_look) {
        mmi_draw_svg_end_path(map);
        mmi_text_string(text, "<path fill=\"");
        mmi_text_string(text, mmi_draw_svg_fill(map->run_look));
        mmi_text_string(text, "\" d=\"");
        map->path_look = map->run_look;
    }
    mmi_text_char(text, 'M');
    mmi_text_number(text, map->run_x);
    mmi_text_char(text, ' ');
    mmi_text_number(text, map->run_y + MMI_DRAW_SVG_HEIGHT - map->run_height);
    mmi_text_char(text, 'h');
    mmi_text_number(text, map->run_width - 1);
    mmi_text_char(text, 'v');
    mmi_text_number(text, map->run_height);
    mmi_text_char(text, 'H');
    mmi_text_number(text, map->run_x);
    mmi_text_char(text, 'z');
    map->run_width = 0;
}

// Cells that look the same make one rectangle.
MMI_FN void mmi_draw_svg_put(mmi_draw_map *map, unsigned look, size_t part, bool apart) {
    unsigned height = (unsigned)mmi_draw_bar(part, map->filled, MMI_DRAW_SVG_HEIGHT);
    if (map->column == 0 || apart || look != map->run_look || height != map->run_height)
        mmi_draw_svg_end_run(map);
    if (height == 0 || map->row >= map->rows) return; // what is new since the first walk
    if (map->run_width == 0) {
        map->run_x = MMI_DRAW_SVG_LEFT + MMI_DRAW_SVG_CELL * map->column;
        map->run_y = map->top + MMI_DRAW_SVG_PITCH * map->row;
        map->run_look = look;
        map->run_height = height;
    }
    map->run_width += MMI_DRAW_SVG_CELL;
}

// The ground, on which slack is drawn, and live blocks on that.
MMI_FN void mmi_draw_svg_ground(mmi_draw_map *map) {
    size_t cells = (map->drawing->census.bytes - 1) / map->cell_size + 1;
    map->filled = 1;
    for (map->row = 0; map->row < map->rows; map->row++)
        for (map->column = 0; map->column < map->columns && cells != 0; map->column++, cells--)
            mmi_draw_svg_put(map, MMI_DRAW_FREE, 1, false);
    mmi_draw_svg_end_run(map);
}

MMI_FN void mmi_draw_svg_slack_cell(mmi_draw_map *map) {
    mmi_draw_svg_put(map, MMI_DRAW_SLACK, map->slack != 0 ? map->live + map->slack : 0, false);
}

// A cell is filled as high as it is live, with the tone that has most of it, and the address stands
// beside every fourth row. Large blocks are seen apart, by what separates rectangles.
MMI_FN void mmi_draw_svg_live_cell(mmi_draw_map *map) {
    mmi_text *text = &map->drawing->text;
    mmi_draw_svg_put(map, mmi_draw_cell_tone(map), map->live, map->starts);
    map->starts = false;
    if (map->column != 0 || map->row % 4 != 0 || map->address == 0 || map->row >= map->rows) return;
    mmi_draw_svg_end_path(map);
    mmi_draw_svg_text(text, MMI_DRAW_SVG_LEFT - 8, map->top + MMI_DRAW_SVG_PITCH * map->row + 11,
                      13, "end");
    mmi_text_hex(text, map->address, MMI_DRAW_ADDRESS_DIGITS);
    mmi_draw_svg_end(text);
}

MMI_FN void mmi_draw_svg_map(mmi_draw_map *map) {
    mmi_draw_svg_ground(map);
    if (map->drawing->census.slack != 0) mmi_draw_walk_map(map, mmi_draw_svg_slack_cell);
    mmi_draw_svg_end_run(map);
    mmi_draw_walk_map(map, mmi_draw_svg_live_cell);
    mmi_draw_svg_end_run(map);
    mmi_draw_svg_end_path(map);
}

MMI_FN void mmi_draw_svg_legend(mmi_drawing *drawing, size_t y, size_t cell_size) {
    mmi_text *text = &drawing->text;
    size_t x = MMI_DRAW_SVG_LEFT;
    mmi_draw_svg_text(text, x, y, 14, "start");
    mmi_text_string(text, "one cell is ");
    mmi_text_bytes(text, cell_size);
    mmi_text_string(text, ", filled as high as it is live, coloured by its blocks; size up to:");
    mmi_draw_svg_end(text);
    y += MMI_DRAW_SVG_LINE;
    for (unsigned i = 0; i < MMI_DRAW_LOOKS; i++) {
        static const char *const others[] = {"larger", "slack", "free"};
        if (i == MMI_DRAW_SLACK && drawing->census.slack == 0) continue;
        mmi_draw_svg_rect(text, x, y - 11, 12, 12, mmi_draw_svg_fill(i));
        mmi_draw_svg_text(text, x + 17, y, 14, "start");
        if (i < MMI_DRAW_TONES - 1)
            mmi_text_bytes(text, (size_t)64 << 2 * i);
        else
            mmi_text_string(text, others[i - (MMI_DRAW_TONES - 1)]);
        mmi_draw_svg_end(text);
        x += 73;
    }
}

// A bar, and what it stands for.
MMI_FN void mmi_draw_svg_bar(mmi_text *text, size_t x, size_t y, size_t bar, unsigned look) {
    mmi_draw_svg_rect(text, x, y - 12, bar, 14, mmi_draw_svg_fill(look));
    mmi_draw_svg_text(text, x + bar + 6, y, 14, "start");
}

MMI_FN void mmi_draw_svg_class(mmi_drawing *drawing, unsigned i, size_t y) {
    const mmi_draw_census *census = &drawing->census;
    mmi_text *text = &drawing->text;
    unsigned tone = mmi_draw_tone((size_t)16 << i);
    mmi_draw_svg_text(text, MMI_DRAW_SVG_LEFT - 8, y, 14, "end");
    mmi_text_bytes(text, (size_t)16 << i);
    mmi_draw_svg_end(text);
    if (census->counts[i] == 0) return;
    mmi_draw_svg_bar(text, MMI_DRAW_SVG_LEFT, y,
                     mmi_draw_bar(census->counts[i], census->most, MMI_DRAW_SVG_BAR), tone);
    mmi_draw_blocks(text, census->counts[i]);
    mmi_draw_svg_end(text);
    mmi_draw_svg_bar(text, MMI_DRAW_SVG_BYTES, y,
                     mmi_draw_bar(census->class_bytes[i], census->most_bytes, MMI_DRAW_SVG_BAR),
                     tone);
    mmi_text_bytes(text, census->class_bytes[i]);
    mmi_draw_svg_end(text);
}

// Returns the y of its last line.
MMI_FN size_t mmi_draw_svg_histogram(mmi_drawing *drawing, size_t y) {
    mmi_text *text = &drawing->text;
    mmi_draw_svg_text(text, MMI_DRAW_SVG_LEFT, y, 14, "start");
    mmi_text_string(text, "live blocks; size up to:");
    mmi_draw_svg_end(text);
    mmi_draw_svg_text(text, MMI_DRAW_SVG_BYTES, y, 14, "start");
    mmi_text_string(text, "their bytes:");
    mmi_draw_svg_end(text);
    for (unsigned i = drawing->census.first; i <= drawing->census.last; i++)
        mmi_draw_svg_class(drawing, i, y += MMI_DRAW_SVG_LINE);
    return y;
}

MMI_FN void mmi_draw_svg_site(mmi_drawing *drawing, const mmi_site *site, size_t most, size_t y) {
    mmi_text *text = &drawing->text;
    mmi_draw_svg_text(text, MMI_DRAW_SVG_SITE - 8, y, 14, "end");
    mmi_site_text(text, site, 36, MMI_TEXT_XML);
    mmi_draw_svg_end(text);
    mmi_draw_svg_bar(text, MMI_DRAW_SVG_SITE, y,
                     mmi_draw_bar(site->bytes, most, MMI_DRAW_SVG_SITE_BAR), MMI_DRAW_SITE);
    mmi_text_percent(text, site->bytes, drawing->census.sites.bytes);
    mmi_text_string(text, ", ");
    mmi_text_bytes(text, site->bytes);
    mmi_text_string(text, " in ");
    mmi_draw_blocks(text, site->blocks);
    mmi_draw_svg_end(text);
}

MMI_FN void mmi_draw_svg_sites(mmi_drawing *drawing, size_t y) {
    const mmi_sites *sites = &drawing->census.sites;
    size_t most = mmi_draw_site_most(sites);
    mmi_draw_svg_text(&drawing->text, MMI_DRAW_SVG_SITE, y, 14, "start");
    mmi_text_string(&drawing->text, "live bytes, by where they were allocated:");
    mmi_draw_svg_end(&drawing->text);
    for (uint32_t i = 0; i < MMI_DRAW_SITES + 2; i++) {
        mmi_site site = mmi_site_line(sites, MMI_DRAW_SITES, i);
        if (site.blocks != 0) mmi_draw_svg_site(drawing, &site, most, y += MMI_DRAW_SVG_LINE);
    }
}

// Lines of writing that come below the map.
MMI_FN size_t mmi_draw_svg_lines(const mmi_draw_census *census) {
    size_t lines = 3;
    if (census->most != 0) lines += census->last - census->first + 3;
    if (census->sites.count != 0) lines += 2;
    for (uint32_t i = 0; census->sites.count != 0 && i < MMI_DRAW_SITES + 2; i++)
        lines += mmi_site_line(&census->sites, MMI_DRAW_SITES, i).blocks != 0;
    return lines;
}

MMI_FN void mmi_draw_svg_open(mmi_drawing *drawing, size_t height) {
    mmi_text *text = &drawing->text;
    mmi_text_string(text, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ");
    mmi_text_number(text, MMI_DRAW_SVG_WIDTH);
    mmi_text_char(text, ' ');
    mmi_text_number(text, height);
    mmi_text_string(text, "\" font-family=\"sans-serif\" role=\"img\">\n<title>");
    mmi_text_name(text, drawing->name, MMI_TEXT_XML);
    mmi_text_string(text, "</title>\n");
    mmi_draw_svg_rect(text, 0, 0, MMI_DRAW_SVG_WIDTH, height, "#FFFFFF");
    if (drawing->census.slack == 0) return;
    mmi_text_string(text, "<defs><pattern id=\"memmgr-slack\" patternUnits=\"userSpaceOnUse\""
                          " width=\"4\" height=\"4\">");
    mmi_text_string(text, "<path fill=\"#555555\" d=\"M0 0h4v4H0z\"/>");
    mmi_text_string(text, "<path stroke=\"#FFFFFF\" d=\"M-1 1l2-2M0 4l4-4M3 5l2-2\"/>");
    mmi_text_string(text, "</pattern></defs>\n");
}

MMI_FN void mmi_draw_svg_summary(mmi_drawing *drawing) {
    mmi_text *text = &drawing->text;
    mmi_draw_svg_text(text, MMI_DRAW_SVG_MARGIN, 38, 26, "start");
    mmi_text_name(text, drawing->name, MMI_TEXT_XML);
    mmi_draw_svg_end(text);
    mmi_draw_svg_text(text, MMI_DRAW_SVG_MARGIN, 64, 16, "start");
    mmi_draw_usage(text, drawing->stats);
    mmi_draw_svg_end(text);
    mmi_draw_svg_text(text, MMI_DRAW_SVG_MARGIN, 86, 16, "start");
    mmi_draw_free(text, drawing->stats);
    mmi_draw_svg_end(text);
    if (drawing->census.slack == 0) return;
    mmi_draw_svg_text(text, MMI_DRAW_SVG_MARGIN, 108, 16, "start");
    mmi_draw_slack(text, &drawing->census);
    mmi_draw_svg_end(text);
}

MMI_FN void mmi_draw_svg(mmi_drawing *drawing) {
    const mmi_draw_census *census = &drawing->census;
    size_t y = MMI_DRAW_SVG_TOP + (census->slack != 0 ? MMI_DRAW_SVG_LINE : 0);
    mmi_draw_map map;
    mmi_draw_map_open(&map, drawing, MMI_DRAW_SVG_COLUMNS, MMI_DRAW_SVG_ROWS);
    map.top = (unsigned)y;
    y += MMI_DRAW_SVG_PITCH * map.rows;
    mmi_draw_svg_open(drawing, y + MMI_DRAW_SVG_LINE * mmi_draw_svg_lines(census));
    mmi_draw_svg_summary(drawing);
    if (census->bytes != 0) mmi_draw_svg_map(&map);
    mmi_draw_svg_legend(drawing, y += MMI_DRAW_SVG_LINE, map.cell_size);
    y += 3 * MMI_DRAW_SVG_LINE;
    if (census->most != 0) y = mmi_draw_svg_histogram(drawing, y) + 2 * MMI_DRAW_SVG_LINE;
    if (census->sites.count != 0) mmi_draw_svg_sites(drawing, y);
    mmi_text_string(&drawing->text, "</svg>\n");
}

// --- As JSON.

// ,"key": or without the comma, where an object begins.
MMI_FN void mmi_draw_json_key(mmi_text *text, const char *key, bool first) {
    mmi_text_string(text, first ? "\"" : ",\"");
    mmi_text_string(text, key);
    mmi_text_string(text, "\":");
}

MMI_FN void mmi_draw_json_number(mmi_text *text, const char *key, size_t value) {
    mmi_draw_json_key(text, key, false);
    mmi_text_number(text, value);
}

MMI_FN void mmi_draw_json_stats(mmi_text *text, const memmgr_stats *stats) {
    mmi_draw_json_number(text, "capacity", stats->capacity);
    mmi_draw_json_number(text, "used", stats->used);
    mmi_draw_json_number(text, "free", stats->free);
    mmi_draw_json_number(text, "largest_free", stats->largest_free);
    mmi_draw_json_number(text, "overhead", stats->overhead);
    mmi_draw_json_number(text, "peak_used", stats->peak_used);
    mmi_draw_json_number(text, "requested", stats->requested);
    mmi_draw_json_number(text, "live_blocks", stats->live_blocks);
    mmi_draw_json_number(text, "allocations", stats->allocations);
    mmi_draw_json_number(text, "frees", stats->frees);
    mmi_draw_json_number(text, "failures", stats->failures);
    mmi_draw_json_number(text, "misuses", stats->misuses);
    mmi_draw_json_number(text, "fragmentation", stats->fragmentation);
}

MMI_FN void mmi_draw_json_classes(mmi_text *text, const mmi_draw_census *census) {
    mmi_draw_json_key(text, "classes", false);
    mmi_text_char(text, '[');
    for (unsigned i = census->first; i <= census->last; i++) {
        if (census->counts[i] == 0) continue;
        mmi_text_string(text, i == census->first ? "{" : ",{");
        mmi_draw_json_key(text, "size_to", true);
        mmi_text_number(text, (size_t)16 << i);
        mmi_draw_json_number(text, "blocks", census->counts[i]);
        mmi_draw_json_number(text, "bytes", census->class_bytes[i]);
        mmi_text_char(text, '}');
    }
    mmi_text_char(text, ']');
}

MMI_FN void mmi_draw_json_holds(mmi_text *text, const mmi_site *site, bool first) {
    mmi_draw_json_key(text, "blocks", first);
    mmi_text_number(text, site->blocks);
    mmi_draw_json_number(text, "bytes", site->bytes);
    mmi_text_char(text, '}');
}

MMI_FN void mmi_draw_json_site(mmi_text *text, const mmi_site *site) {
    const char *file = mmi_site_file(site);
    mmi_text_char(text, '{');
    mmi_draw_json_key(text, file ? "file" : "caller", true);
    mmi_text_char(text, '"');
    if (file)
        mmi_text_ending(text, file, SIZE_MAX, MMI_TEXT_JSON);
    else
        mmi_text_pointer(text, mmi_site_caller(site));
    mmi_text_char(text, '"');
    if (file) mmi_draw_json_number(text, "line", (size_t)site->line);
    mmi_draw_json_holds(text, site, false);
}

// The sites that hold most one by one; what others hold, and what is not tracked, as one each.
MMI_FN void mmi_draw_json_sites(mmi_text *text, const mmi_sites *sites) {
    static const char *const rest[] = {"other_sites", "not_tracked"};
    mmi_draw_json_key(text, "sites", false);
    mmi_text_char(text, '[');
    for (uint32_t i = 0; i < sites->count && i < MMI_DRAW_JSON_SITES; i++) {
        if (i != 0) mmi_text_char(text, ',');
        mmi_draw_json_site(text, &sites->table[i]);
    }
    mmi_text_char(text, ']');
    for (uint32_t i = 0; i < 2; i++) {
        mmi_site site = mmi_site_line(sites, MMI_DRAW_JSON_SITES, MMI_DRAW_JSON_SITES + i);
        if (site.blocks == 0) continue;
        mmi_draw_json_key(text, rest[i], false);
        mmi_text_char(text, '{');
        mmi_draw_json_holds(text, &site, true);
    }
}

// --- What the rooms below call.

MMI_FN void mmi_draw(memmgr_picture kind, const char *name, const memmgr_stats *stats,
                     const void *heap, mmi_draw_walk walk, memmgr_writer write, void *ctx) {
    mmi_drawing drawing;
    mmi_draw_open(&drawing, name, stats, heap, walk);
    mmi_text_open(&drawing.text, write, ctx);
    drawing.in_colour = kind == MEMMGR_PICTURE_COLOR;
    if (kind == MEMMGR_PICTURE_SVG)
        mmi_draw_svg(&drawing);
    else
        mmi_draw_text(&drawing);
    mmi_text_flush(&drawing.text);
}

MMI_FN void mmi_draw_json(const char *name, const memmgr_stats *stats, const void *heap,
                          mmi_draw_walk walk, memmgr_writer write, void *ctx) {
    mmi_drawing drawing;
    mmi_text *text = &drawing.text;
    mmi_draw_open(&drawing, name, stats, heap, walk);
    mmi_text_open(text, write, ctx);
    mmi_text_char(text, '{');
    mmi_draw_json_key(text, "name", true);
    mmi_text_char(text, '"');
    mmi_text_ending(text, name, SIZE_MAX, MMI_TEXT_JSON);
    mmi_text_char(text, '"');
    mmi_draw_json_stats(text, stats);
    mmi_draw_json_classes(text, &drawing.census);
    if (drawing.census.sites.count != 0) mmi_draw_json_sites(text, &drawing.census.sites);
    mmi_text_string(text, "}\n");
    mmi_text_flush(text);
}

#ifndef MEMMGR_NO_STDIO
// How to print to a file.
MMI_FN memmgr_picture mmi_draw_kind_for(FILE *out) {
    int file = out == stdout ? 1 : out == stderr ? 2 : 0;
    return file != 0 && mmi_os_shows_colours(file) ? MEMMGR_PICTURE_COLOR : MEMMGR_PICTURE_TEXT;
}
#endif

#ifdef USE_MEMORY_MGR

// >>public

// The functions of the API: validate, lock, call the rooms above, unlock, report.

// A pool that may be used, with its lock held; else false, and reported.
MMI_INLINE bool mmi_public_enter(const memmgr_pool *pool, mmi_caller caller) {
    if (MMI_UNLIKELY(!mmi_pool_is_alive(pool))) {
        mmi_report(MEMMGR_BAD_ARGUMENT, pool, NULL, 0, NULL, caller);
        return false;
    }
    mmi_pool_lock(pool);
    return true;
}

// Counts, unlocks and reports what a caller did wrong. Returns the error.
MMI_COLD memmgr_error mmi_public_misuse(const memmgr_pool *pool, memmgr_error error,
                                        const void *pointer, size_t size, mmi_caller caller) {
    const void *block = NULL;
    if (error == MEMMGR_INTERIOR_POINTER) block = mmi_pool_block_around(pool, pointer, &size);
    ((memmgr_pool *)(uintptr_t)pool)->misuses++;
    mmi_pool_unlock(pool);
    mmi_report(error, pointer, block, size, pool, caller);
    return error;
}

// Unlocks, and reports what was found.
MMI_INLINE void mmi_public_leave(const memmgr_pool *pool, const mmi_findings *found) {
    mmi_pool_unlock(pool);
    if (MMI_UNLIKELY(found->count != 0)) mmi_watch_send(found);
}

// The desc of a pool with what is switched on for all pools.
MMI_FN bool mmi_public_desc(const memmgr_pool_desc *given, memmgr_pool_desc *desc) {
    if (!mmi_pool_desc_with_defaults(given, desc)) return false;
    desc->flags = mmi_watch_flags_for(desc->flags);
    return true;
}

// A pool begins its life, if there is one.
MMI_FN memmgr_pool *mmi_public_begin(memmgr_pool *pool) {
    if (!pool || !(pool->desc.flags & MMI_RECORDED)) return pool;
    mmi_tool_begin(pool);
    if (pool->desc.flags & MEMMGR_POOL_QUARANTINE) mmi_watch_make_quarantine(pool);
    return pool;
}

// All blocks are about to go at once: what is in quarantine is looked at a last time.
MMI_FN void mmi_public_clear(memmgr_pool *pool, mmi_findings *found) {
    found->count = 0;
    if (!(pool->desc.flags & MMI_RECORDED)) return;
    while (mmi_watch_empty(pool, found) && found->count == MMI_FINDINGS) {
        mmi_public_leave(pool, found);
        found->count = 0;
        mmi_pool_lock(pool);
    }
    if (mmi_watch_is_traced(pool)) mmi_trace_clear(pool);
    mmi_tool_end(pool);
}

MEMMGR_API memmgr_pool *memmgr_pool_init(void *buffer, size_t size, const memmgr_pool_desc *desc) {
    memmgr_pool_desc whole;
    bool valid = mmi_public_desc(desc, &whole) && !(whole.flags & MEMMGR_POOL_GROW);
    if (size > UINTPTR_MAX - (uintptr_t)buffer) valid = false; // it would end behind all addresses
    if (valid && buffer) return mmi_public_begin(mmi_pool_make(buffer, size, &whole, false, false));
    mmi_report(MEMMGR_BAD_ARGUMENT, buffer, NULL, size, NULL, MMI_CALLER);
    return NULL;
}

MEMMGR_API memmgr_pool *memmgr_pool_create(size_t capacity, const memmgr_pool_desc *desc) {
    memmgr_pool_desc whole;
    if (mmi_public_desc(desc, &whole)) return mmi_public_begin(mmi_pool_create(capacity, &whole));
    mmi_report(MEMMGR_BAD_ARGUMENT, NULL, NULL, capacity, NULL, MMI_CALLER);
    return NULL;
}

// Reports the live blocks of a pool, which is locked and unlocked. Returns how many there are.
MMI_COLD size_t mmi_public_pool_leaks(const memmgr_pool *pool) {
    mmi_leaks leaks;
    mmi_site_open_leaks(&leaks);
    mmi_pool_lock(pool);
    (void)mmi_stats_walk(pool, mmi_site_note_leak, &leaks);
    mmi_pool_unlock(pool);
    return mmi_site_report_leaks(&leaks, pool);
}

MEMMGR_API size_t memmgr_pool_leaks(const memmgr_pool *pool) {
    if (!mmi_public_enter(pool, MMI_CALLER)) return 0;
    mmi_pool_unlock(pool);
    return mmi_public_pool_leaks(pool);
}

// Takes note that a pool is about to end, with its lock held, and whether blocks are live. False
// when that is under way: by a handler, who hears of its leaks.
MMI_FN bool mmi_public_ends(memmgr_pool *pool, bool *leaks) {
    if (pool->desc.flags & MMI_POOL_ENDING) return false;
    pool->desc.flags |= MMI_POOL_ENDING;
    *leaks = pool->allocations != pool->frees;
    return true;
}

MEMMGR_API size_t memmgr_pool_destroy(memmgr_pool *pool) {
    mmi_findings found;
    bool leaks = false;
    if (!pool || !mmi_public_enter(pool, MMI_CALLER)) return 0;
    mmi_public_clear(pool, &found);
    bool ends = mmi_public_ends(pool, &leaks);
    mmi_public_leave(pool, &found);
    if (!ends) return 0;
    size_t blocks = leaks ? mmi_public_pool_leaks(pool) : 0;
    mmi_pool_end(pool);
    return blocks;
}

MEMMGR_API void memmgr_pool_reset(memmgr_pool *pool) {
    mmi_findings found;
    if (!mmi_public_enter(pool, MMI_CALLER)) return;
    mmi_public_clear(pool, &found);
    mmi_pool_reset(pool);
    (void)mmi_public_begin(pool);
    mmi_public_leave(pool, &found);
}

MMI_COLD void *mmi_public_alloc(memmgr_pool *pool, size_t alignment, size_t size, bool zeroed,
                                mmi_caller caller) {
    mmi_findings found;
    void *block;
    found.count = 0;
    if (!mmi_public_enter(pool, caller)) return NULL;
    if (!mmi_is_power_of_two(alignment)) {
        (void)mmi_public_misuse(pool, MEMMGR_BAD_ARGUMENT, NULL, size, caller);
        return NULL;
    }
    if (mmi_pool_is_watched(pool)) {
        block = mmi_watch_alloc(pool, alignment, size, zeroed, caller, &found);
        zeroed = false; // it is
    } else {
        block = mmi_pool_alloc(pool, alignment, size);
    }
    mmi_public_leave(pool, &found);
    if (block && zeroed) mmi_bytes_fill(block, 0, mmi_pool_granules(size) << MMI_GRANULE_SHIFT);
    return block;
}

// The short way of a plain pool; NULL when that does not lead to a block.
MMI_INLINE void *mmi_public_alloc_short(memmgr_pool *pool, size_t size) {
    if (!mmi_pool_is_plain(pool)) return NULL;
    return mmi_pool_alloc_kept(pool, mmi_pool_first(pool), size);
}

MEMMGR_API void *memmgr_pool_alloc(memmgr_pool *pool, size_t size) {
    void *block = mmi_public_alloc_short(pool, size);
    if (MMI_LIKELY(block != NULL)) return block;
    return mmi_public_alloc(pool, MMI_GRANULE, size, false, MMI_CALLER);
}

MEMMGR_API void *memmgr_pool_alloc_at(memmgr_pool *pool, size_t size, const char *file, int line) {
    void *block = mmi_public_alloc_short(pool, size);
    if (MMI_LIKELY(block != NULL)) return block;
    return mmi_public_alloc(pool, MMI_GRANULE, size, false, MMI_CALLER_AT);
}

MEMMGR_API void *memmgr_pool_calloc(memmgr_pool *pool, size_t count, size_t size) {
    return mmi_public_alloc(pool, MMI_GRANULE, mmi_product(count, size), true, MMI_CALLER);
}

MEMMGR_API void *memmgr_pool_calloc_at(memmgr_pool *pool, size_t count, size_t size,
                                       const char *file, int line) {
    return mmi_public_alloc(pool, MMI_GRANULE, mmi_product(count, size), true, MMI_CALLER_AT);
}

MEMMGR_API void *memmgr_pool_aligned_alloc(memmgr_pool *pool, size_t alignment, size_t size) {
    return mmi_public_alloc(pool, alignment, size, false, MMI_CALLER);
}

MEMMGR_API void *memmgr_pool_aligned_alloc_at(memmgr_pool *pool, size_t alignment, size_t size,
                                              const char *file, int line) {
    return mmi_public_alloc(pool, alignment, size, false, MMI_CALLER_AT);
}

MMI_COLD void *mmi_public_realloc_watched(memmgr_pool *pool, void *ptr, size_t size,
                                          mmi_caller caller) {
    mmi_findings found;
    found.count = 0;
    ptr = mmi_watch_realloc(pool, ptr, size, caller, &found);
    mmi_public_leave(pool, &found);
    return ptr;
}

MMI_FN void *mmi_public_realloc(memmgr_pool *pool, void *ptr, size_t size, mmi_caller caller) {
    if (!ptr) {
        void *block = mmi_public_alloc_short(pool, size);
        return block ? block : mmi_public_alloc(pool, MMI_GRANULE, size, false, caller);
    }
    if (!mmi_public_enter(pool, caller)) return NULL;
    if (mmi_pool_is_watched(pool)) return mmi_public_realloc_watched(pool, ptr, size, caller);
    mmi_live block = {NULL, 0, 0};
    memmgr_error error = mmi_pool_locate(pool, ptr, &block);
    if (error != MEMMGR_OK) {
        (void)mmi_public_misuse(pool, error, ptr, 0, caller);
        return NULL;
    }
    ptr = mmi_pool_realloc(pool, &block, size);
    mmi_pool_unlock(pool);
    return ptr;
}

MEMMGR_API void *memmgr_pool_realloc(memmgr_pool *pool, void *ptr, size_t size) {
    return mmi_public_realloc(pool, ptr, size, MMI_CALLER);
}

MEMMGR_API void *memmgr_pool_realloc_at(memmgr_pool *pool, void *ptr, size_t size, const char *file,
                                        int line) {
    return mmi_public_realloc(pool, ptr, size, MMI_CALLER_AT);
}

MMI_COLD memmgr_error mmi_public_free_watched(memmgr_pool *pool, void *ptr, mmi_caller caller) {
    mmi_findings found;
    found.count = 0;
    memmgr_error error = mmi_watch_free(pool, ptr, caller, &found);
    mmi_public_leave(pool, &found);
    return error;
}

MMI_COLD memmgr_error mmi_public_free(memmgr_pool *pool, void *ptr, mmi_caller caller) {
    mmi_live block = {NULL, 0, 0};
    if (!mmi_public_enter(pool, caller)) return MEMMGR_BAD_ARGUMENT;
    if (ptr && mmi_pool_is_watched(pool)) return mmi_public_free_watched(pool, ptr, caller);
    memmgr_error error = ptr ? mmi_pool_locate(pool, ptr, &block) : MEMMGR_OK;
    if (error != MEMMGR_OK) return mmi_public_misuse(pool, error, ptr, 0, caller);
    if (ptr) mmi_pool_free(pool, &block);
    mmi_pool_unlock(pool);
    return MEMMGR_OK;
}

MMI_INLINE bool mmi_public_free_short(memmgr_pool *pool, const void *ptr) {
    return mmi_pool_is_plain(pool) && mmi_pool_free_short(pool, mmi_pool_first(pool), ptr);
}

MEMMGR_API memmgr_error memmgr_pool_free(memmgr_pool *pool, void *ptr) {
    if (mmi_public_free_short(pool, ptr)) return MEMMGR_OK;
    return mmi_public_free(pool, ptr, MMI_CALLER);
}

MEMMGR_API memmgr_error memmgr_pool_free_at(memmgr_pool *pool, void *ptr, const char *file,
                                            int line) {
    if (mmi_public_free_short(pool, ptr)) return MEMMGR_OK;
    return mmi_public_free(pool, ptr, MMI_CALLER_AT);
}

MMI_FN size_t mmi_public_usable_size(const memmgr_pool *pool, const void *ptr, mmi_caller caller) {
    mmi_live block = {NULL, 0, 0};
    mmi_findings found;
    memmgr_error error = MEMMGR_OK;
    if (!mmi_public_enter(pool, caller)) return 0;
    if (ptr && mmi_pool_is_watched(pool)) {
        found.count = 0;
        size_t size = mmi_watch_size(pool, ptr, caller, &error, &found);
        mmi_public_leave(pool, &found);
        return size;
    }
    if (ptr) error = mmi_pool_locate(pool, ptr, &block);
    if (error != MEMMGR_OK) {
        (void)mmi_public_misuse(pool, error, ptr, 0, caller);
        return 0;
    }
    mmi_pool_unlock(pool);
    return (size_t)block.length << MMI_GRANULE_SHIFT;
}

MEMMGR_API size_t memmgr_pool_usable_size(const memmgr_pool *pool, const void *ptr) {
    return mmi_public_usable_size(pool, ptr, MMI_CALLER);
}

MEMMGR_API size_t memmgr_pool_usable_size_at(const memmgr_pool *pool, const void *ptr,
                                             const char *file, int line) {
    return mmi_public_usable_size(pool, ptr, MMI_CALLER_AT);
}

MEMMGR_API bool memmgr_pool_owns(const memmgr_pool *pool, const void *ptr) {
    mmi_live block = {NULL, 0, 0};
    bool owns = false;
    if (!mmi_public_enter(pool, MMI_CALLER)) return false;
    if (ptr && mmi_pool_is_watched(pool))
        owns = mmi_watch_owns(pool, ptr);
    else if (ptr)
        owns = mmi_pool_locate(pool, ptr, &block) == MEMMGR_OK;
    mmi_pool_unlock(pool);
    return owns;
}

MEMMGR_API void memmgr_pool_stats(const memmgr_pool *pool, memmgr_stats *out) {
    if (!mmi_public_enter(pool, MMI_CALLER)) return;
    if (out) mmi_stats_get(pool, out);
    mmi_pool_unlock(pool);
}

MEMMGR_API size_t memmgr_pool_bytes_used(const memmgr_pool *pool) {
    size_t held = 0;
    if (!mmi_public_enter(pool, MMI_CALLER)) return 0;
    if (mmi_pool_is_watched(pool)) (void)mmi_watch_held(pool, &held);
    size_t used = pool->used - held;
    mmi_pool_unlock(pool);
    return used;
}

MEMMGR_API size_t memmgr_pool_bytes_free(const memmgr_pool *pool) {
    if (!mmi_public_enter(pool, MMI_CALLER)) return 0;
    size_t bytes = mmi_stats_free(pool);
    mmi_pool_unlock(pool);
    return bytes;
}

MEMMGR_API size_t memmgr_pool_largest_free(const memmgr_pool *pool) {
    memmgr_stats stats;
    if (!mmi_public_enter(pool, MMI_CALLER)) return 0;
    stats.largest_free = 0;
    if (mmi_pool_is_watched(pool))
        mmi_stats_get(pool, &stats);
    else
        stats.largest_free = mmi_stats_largest_free(pool);
    mmi_pool_unlock(pool);
    return stats.largest_free;
}

// What an audit says: what was found in the blocks, or that the heap's own data are damaged.
MMI_FN memmgr_error mmi_public_verdict(const memmgr_pool *pool, bool valid,
                                       const mmi_findings *found, mmi_caller caller) {
    if (!valid) {
        mmi_report(MEMMGR_CORRUPT, pool, NULL, 0, pool, caller);
        return MEMMGR_CORRUPT;
    }
    return found->count != 0 ? found->reports[0].error : MEMMGR_OK;
}

MEMMGR_API memmgr_error memmgr_pool_check(const memmgr_pool *pool) {
    mmi_findings found;
    found.count = 0;
    if (!mmi_public_enter(pool, MMI_CALLER)) return MEMMGR_BAD_ARGUMENT;
    bool valid = mmi_stats_pool_valid(pool);
    if (valid) mmi_stats_audit_watched(pool, &found);
    mmi_public_leave(pool, &found);
    return mmi_public_verdict(pool, valid, &found, MMI_CALLER);
}

MEMMGR_API bool memmgr_pool_walk(const memmgr_pool *pool, memmgr_visitor visit, void *ctx) {
    if (!mmi_public_enter(pool, MMI_CALLER)) return false;
    if (!visit) {
        (void)mmi_public_misuse(pool, MEMMGR_BAD_ARGUMENT, NULL, 0, MMI_CALLER);
        return false;
    }
    bool finished = mmi_stats_walk(pool, visit, ctx);
    mmi_pool_unlock(pool);
    return finished;
}

MEMMGR_API void memmgr_pool_draw(const memmgr_pool *pool, memmgr_picture kind, memmgr_writer write,
                                 void *ctx) {
    memmgr_stats stats;
    if (!mmi_public_enter(pool, MMI_CALLER)) return;
    if (!write) {
        (void)mmi_public_misuse(pool, MEMMGR_BAD_ARGUMENT, NULL, 0, MMI_CALLER);
        return;
    }
    mmi_stats_get(pool, &stats);
    mmi_draw(kind, pool->desc.name, &stats, pool, mmi_stats_walk, write, ctx);
    mmi_pool_unlock(pool);
}

#ifndef MEMMGR_NO_STDIO
MEMMGR_API void memmgr_pool_print(const memmgr_pool *pool, FILE *out) {
    if (!out) out = stdout;
    memmgr_pool_draw(pool, mmi_draw_kind_for(out), mmi_text_to_file, out);
}
#endif

MEMMGR_API void memmgr_pool_set_faults(memmgr_pool *pool, const memmgr_faults *faults) {
    if (!mmi_public_enter(pool, MMI_CALLER)) return;
    if (MMI_WATCH) mmi_fault_set(&pool->faults, faults);
    mmi_pool_set_magic(pool);
    mmi_pool_unlock(pool);
}

MEMMGR_API void memmgr_pool_json(const memmgr_pool *pool, memmgr_writer write, void *ctx) {
    memmgr_stats stats;
    if (!mmi_public_enter(pool, MMI_CALLER)) return;
    if (!write) {
        (void)mmi_public_misuse(pool, MEMMGR_BAD_ARGUMENT, NULL, 0, MMI_CALLER);
        return;
    }
    mmi_stats_get(pool, &stats);
    mmi_draw_json(pool->desc.name, &stats, pool, mmi_stats_walk, write, ctx);
    mmi_pool_unlock(pool);
}

MEMMGR_API size_t memmgr_pool_size_for(size_t max_live_bytes, size_t max_block) {
    size_t live = mmi_pool_granules(max_live_bytes), longest = mmi_pool_granules(max_block);
    if (longest > live) longest = live;
    if (longest > MMI_GRANULES_MAX) return 0;
    unsigned code = mmi_index_code_for((uint32_t)longest);
    size_t granules, found = code <= MMI_CODE_MAX ? mmi_index_shortest(code) : SIZE_MAX;
    if (!mmi_multiply(live, found, &granules)) return 0;
    size_t size = mmi_pool_segment_size(granules);
    return size ? size + MMI_POOL_SIZE + MMI_GRANULE - 1 : 0;
}

// --- general calls

// Counts and reports a misuse of a general call. Returns NULL.
MMI_COLD void *mmi_public_heap_misuse(memmgr_error error, const void *pointer, const void *block,
                                      size_t size, mmi_caller caller) {
    mmi_heap_note_misuse();
    mmi_report(error, pointer, block, size, NULL, caller);
    return NULL;
}

// Reports the live blocks of the general calls. Returns how many there are.
MMI_FN size_t mmi_public_leaks(void) {
    mmi_leaks leaks;
    mmi_site_open_leaks(&leaks);
    (void)mmi_stats_heap_walk(NULL, mmi_site_note_leak, &leaks);
    return mmi_site_report_leaks(&leaks, NULL);
}

// With MEMMGR_DEBUG leaks are told of when the program ends: where that can be said, after
// everything else that is called then.
#if MMI_DEBUG && MMI_GNUC && MMI_ELF
__attribute__((destructor(102), used)) static void mmi_public_at_exit(void) {
    if (!mmi_heap_is_new()) (void)mmi_public_leaks();
}
MMI_INLINE void mmi_public_debug(void) {}
#else
MMI_FN void mmi_public_at_exit(void) { (void)mmi_public_leaks(); }

MMI_INLINE void mmi_public_debug(void) {
    static uint8_t asked;
    if (MMI_DEBUG && !mmi_atomic_byte_exchange(&asked, 1)) mmi_os_at_exit(mmi_public_at_exit);
}
#endif

MMI_COLD void *mmi_public_heap_watched(size_t alignment, size_t size, bool zeroed,
                                       mmi_caller caller) {
    mmi_findings found;
    found.count = 0;
    mmi_public_debug();
    void *block = mmi_watch_alloc(NULL, alignment, size, zeroed, caller, &found);
    if (MMI_UNLIKELY(found.count != 0)) mmi_watch_send(&found);
    return block;
}

MMI_COLD void *mmi_public_heap_alloc(size_t size, mmi_caller caller) {
    if (mmi_heap_is_watched()) return mmi_public_heap_watched(MMI_GRANULE, size, false, caller);
    return mmi_heap_alloc_any(size);
}

MEMMGR_API void *memmgr_malloc(size_t size) {
    void *block;
    if (MMI_LIKELY(mmi_heap_alloc_short(mmi_heap_short, size, &block))) return block;
    return mmi_public_heap_alloc(size, MMI_CALLER);
}

MEMMGR_API void *memmgr_malloc_at(size_t size, const char *file, int line) {
    void *block;
    if (MMI_LIKELY(mmi_heap_alloc_short(mmi_heap_short, size, &block))) return block;
    return mmi_public_heap_alloc(size, MMI_CALLER_AT);
}

MMI_INLINE void *mmi_public_heap_calloc(size_t count, size_t size, mmi_caller caller) {
    size_t bytes = mmi_product(count, size);
    void *block;
    if (MMI_LIKELY(mmi_heap_alloc_short(mmi_heap_short, bytes, &block))) {
        mmi_bytes_fill(block, 0, bytes);
        return block;
    }
    if (mmi_heap_is_watched()) return mmi_public_heap_watched(MMI_GRANULE, bytes, true, caller);
    return mmi_heap_calloc(bytes);
}

MEMMGR_API void *memmgr_calloc(size_t count, size_t size) {
    return mmi_public_heap_calloc(count, size, MMI_CALLER);
}

MEMMGR_API void *memmgr_calloc_at(size_t count, size_t size, const char *file, int line) {
    return mmi_public_heap_calloc(count, size, MMI_CALLER_AT);
}

MMI_FN void *mmi_public_heap_aligned(size_t alignment, size_t size, mmi_caller caller) {
    if (!mmi_is_power_of_two(alignment))
        return mmi_public_heap_misuse(MEMMGR_BAD_ARGUMENT, NULL, NULL, size, caller);
    if (mmi_heap_is_watched()) return mmi_public_heap_watched(alignment, size, false, caller);
    return mmi_heap_alloc_aligned(alignment, size);
}

MEMMGR_API void *memmgr_aligned_alloc(size_t alignment, size_t size) {
    return mmi_public_heap_aligned(alignment, size, MMI_CALLER);
}

MEMMGR_API void *memmgr_aligned_alloc_at(size_t alignment, size_t size, const char *file,
                                         int line) {
    return mmi_public_heap_aligned(alignment, size, MMI_CALLER_AT);
}

MMI_COLD void mmi_public_heap_free_watched(void *ptr, mmi_caller caller) {
    mmi_findings found;
    found.count = 0;
    (void)mmi_watch_free(NULL, ptr, caller, &found);
    if (MMI_UNLIKELY(found.count != 0)) mmi_watch_send(&found);
}

MMI_COLD void mmi_public_heap_free_odd(void *ptr, mmi_caller caller) {
    memmgr_block around = mmi_block_shown(NULL, 0, false);
    memmgr_error error = ptr ? mmi_heap_free(ptr, &around) : MEMMGR_OK;
    if (error != MEMMGR_OK)
        (void)mmi_public_heap_misuse(error, ptr, around.address, around.size, caller);
}

// The ways of a free that is not short: watched, of another thread's block, of what is none.
MMI_COLD void mmi_public_heap_free(void *ptr, mmi_caller caller) {
    if (ptr && mmi_heap_is_watched())
        mmi_public_heap_free_watched(ptr, caller);
    else if (!mmi_heap_free_other(ptr))
        mmi_public_heap_free_odd(ptr, caller);
}

MEMMGR_API void memmgr_free(void *ptr) {
    if (MMI_LIKELY(mmi_heap_free_short(mmi_heap_short, ptr))) return;
    mmi_public_heap_free(ptr, MMI_CALLER);
}

MEMMGR_API void memmgr_free_at(void *ptr, const char *file, int line) {
    if (MMI_LIKELY(mmi_heap_free_short(mmi_heap_short, ptr))) return;
    mmi_public_heap_free(ptr, MMI_CALLER_AT);
}

MEMMGR_API void memmgr_free_sized(void *ptr, size_t size) {
    (void)size;
    if (MMI_LIKELY(mmi_heap_free_short(mmi_heap_short, ptr))) return;
    mmi_public_heap_free(ptr, MMI_CALLER);
}

MMI_COLD void *mmi_public_heap_realloc_watched(void *ptr, size_t size, mmi_caller caller) {
    mmi_findings found;
    void *block = NULL;
    found.count = 0;
    if (size == 0 && MMI_REALLOC_0_FREES)
        (void)mmi_watch_free(NULL, ptr, caller, &found);
    else
        block = mmi_watch_realloc(NULL, ptr, size, caller, &found);
    if (MMI_UNLIKELY(found.count != 0)) mmi_watch_send(&found);
    return block;
}

MMI_COLD void *mmi_public_heap_resize(void *ptr, size_t size, mmi_caller caller) {
    memmgr_block around = mmi_block_shown(NULL, 0, false);
    memmgr_error error = MEMMGR_OK;
    if (mmi_heap_is_watched()) return mmi_public_heap_realloc_watched(ptr, size, caller);
    size_t old = mmi_heap_size(ptr, &error, &around);
    if (error != MEMMGR_OK)
        return mmi_public_heap_misuse(error, ptr, around.address, around.size, caller);
    bool frees = size == 0 && MMI_REALLOC_0_FREES;
    void *block = frees ? NULL : mmi_heap_resize(ptr, old, size);
    if (frees || (block && block != ptr)) (void)mmi_heap_free(ptr, &around);
    return block;
}

MMI_INLINE void *mmi_public_heap_realloc(void *ptr, size_t size, mmi_caller caller) {
    if (ptr) return mmi_public_heap_resize(ptr, size, caller);
    void *block;
    if (MMI_LIKELY(mmi_heap_alloc_short(mmi_heap_short, size, &block))) return block;
    return mmi_public_heap_alloc(size, caller);
}

MEMMGR_API void *memmgr_realloc(void *ptr, size_t size) {
    return mmi_public_heap_realloc(ptr, size, MMI_CALLER);
}

MEMMGR_API void *memmgr_realloc_at(void *ptr, size_t size, const char *file, int line) {
    return mmi_public_heap_realloc(ptr, size, MMI_CALLER_AT);
}

MMI_FN size_t mmi_public_heap_size(const void *ptr, mmi_caller caller) {
    memmgr_block around = mmi_block_shown(NULL, 0, false);
    memmgr_error error = MEMMGR_OK;
    mmi_findings found;
    found.count = 0;
    if (!ptr) return 0;
    if (mmi_heap_is_watched()) {
        size_t size = mmi_watch_size(NULL, ptr, caller, &error, &found);
        mmi_watch_send(&found);
        return size;
    }
    size_t size = mmi_heap_size(ptr, &error, &around);
    if (error != MEMMGR_OK)
        (void)mmi_public_heap_misuse(error, ptr, around.address, around.size, caller);
    return size;
}

MEMMGR_API size_t memmgr_usable_size(const void *ptr) {
    return mmi_public_heap_size(ptr, MMI_CALLER);
}

MEMMGR_API size_t memmgr_usable_size_at(const void *ptr, const char *file, int line) {
    return mmi_public_heap_size(ptr, MMI_CALLER_AT);
}

MEMMGR_API void memmgr_stats_get(memmgr_stats *out) {
    if (out) mmi_stats_heap_get(out);
}

MEMMGR_API size_t memmgr_trim(void) { return mmi_heap_trim(); }

MEMMGR_API memmgr_error memmgr_check(void) {
    mmi_findings found;
    found.count = 0;
    bool valid = mmi_stats_heap_valid();
    if (valid) mmi_stats_audit_watched(NULL, &found);
    mmi_watch_send(&found);
    return mmi_public_verdict(NULL, valid, &found, MMI_CALLER);
}

MEMMGR_API bool memmgr_walk(memmgr_visitor visit, void *ctx) {
    if (visit) return mmi_stats_heap_walk(NULL, visit, ctx);
    (void)mmi_public_heap_misuse(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, MMI_CALLER);
    return false;
}

MEMMGR_API void memmgr_draw(memmgr_picture kind, memmgr_writer write, void *ctx) {
    memmgr_stats stats;
    if (!write) {
        (void)mmi_public_heap_misuse(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, MMI_CALLER);
        return;
    }
    mmi_stats_heap_get(&stats);
    mmi_draw(kind, "heap", &stats, NULL, mmi_stats_heap_walk, write, ctx);
}

#ifndef MEMMGR_NO_STDIO
MEMMGR_API void memmgr_print(FILE *out) {
    if (!out) out = stdout;
    memmgr_draw(mmi_draw_kind_for(out), mmi_text_to_file, out);
}
#endif

MEMMGR_API void memmgr_json(memmgr_writer write, void *ctx) {
    memmgr_stats stats;
    if (!write) {
        (void)mmi_public_heap_misuse(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, MMI_CALLER);
        return;
    }
    mmi_stats_heap_get(&stats);
    mmi_draw_json("heap", &stats, NULL, mmi_stats_heap_walk, write, ctx);
}

MEMMGR_API size_t memmgr_leaks(void) { return mmi_public_leaks(); }

MEMMGR_API void memmgr_watch(unsigned flags) {
    if (flags & ~(unsigned)(MEMMGR_POOL_FILL | MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK |
                            MEMMGR_POOL_QUARANTINE))
        (void)mmi_public_heap_misuse(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, MMI_CALLER);
    else if (MMI_WATCH)
        mmi_watch_set(flags | MMI_WATCH_DEFAULT);
}

MEMMGR_API void memmgr_set_fill(bool fill) {
    unsigned flags = mmi_watch_general.flags & ~(unsigned)MEMMGR_POOL_FILL;
    if (MMI_WATCH) mmi_watch_set(flags | (fill ? (unsigned)MEMMGR_POOL_FILL : 0u));
}

MEMMGR_API void memmgr_set_faults(const memmgr_faults *faults) {
    if (!MMI_WATCH) return;
    mmi_heap_watch();
    mmi_watch_enter(NULL);
    mmi_fault_set(&mmi_watch_general.faults, faults);
    mmi_atomic_byte_store(&mmi_watch_general.fails, mmi_fault_is_set(&mmi_watch_general.faults));
    mmi_watch_leave(NULL);
}

MEMMGR_API size_t memmgr_fail_each(memmgr_pool *pool, void (*job)(void *ctx), void *ctx) {
    memmgr_faults faults = {0, 0, 0};
    bool met = MMI_WATCH;
    if (!job || (pool && !mmi_pool_is_alive(pool))) {
        (void)mmi_public_heap_misuse(MEMMGR_BAD_ARGUMENT, pool, NULL, 0, MMI_CALLER);
        return 0;
    }
    while (met) {
        size_t failures = pool ? pool->failures : mmi_heap_failures();
        faults.nth++;
        pool ? memmgr_pool_set_faults(pool, &faults) : memmgr_set_faults(&faults);
        job(ctx);
        met = (pool ? pool->faults.nth : mmi_watch_general.faults.nth) == 0 &&
              (pool ? pool->failures : mmi_heap_failures()) != failures;
    }
    pool ? memmgr_pool_set_faults(pool, NULL) : memmgr_set_faults(NULL);
    return faults.nth != 0 ? faults.nth - 1 : 0;
}

MEMMGR_API bool memmgr_trace_start(memmgr_writer write, void *ctx) {
    if (MMI_WATCH && write) {
        mmi_heap_begin(); // a fork's child is not to write
        mmi_heap_watch();
        if (mmi_trace_start(write, ctx)) return true;
    }
    (void)mmi_public_heap_misuse(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, MMI_CALLER);
    return false;
}

MEMMGR_API void memmgr_trace_stop(void) {
    if (MMI_WATCH) mmi_trace_stop();
}

#else // without USE_MEMORY_MGR

// >>libc

// The same calls with the switch off. Every block of a pool is one piece of malloc's, so that ASan,
// Valgrind and the like see each of them, and misuse of one is theirs to judge. The pool keeps
// nothing but a list of its blocks, and the limits and counts that it would have had.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// --- General calls that are not inline.

#if defined(__APPLE__)
#include <malloc/malloc.h>
#define MMI_LIBC_USABLE_SIZE(ptr) malloc_size(ptr)
#elif defined(__FreeBSD__)
#include <malloc_np.h>
#define MMI_LIBC_USABLE_SIZE(ptr) malloc_usable_size(ptr)
#elif defined(_WIN32)
#include <malloc.h>
#define MMI_LIBC_USABLE_SIZE(ptr) _msize((void *)(uintptr_t)(ptr))
#elif defined(__linux__)
#include <malloc.h>
#define MMI_LIBC_USABLE_SIZE(ptr) malloc_usable_size((void *)(uintptr_t)(ptr))
#else
#define MMI_LIBC_USABLE_SIZE(ptr) ((void)(ptr), (size_t)0)
#endif

#if defined(__GLIBC__) && (__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 33))
#define MMI_LIBC_HAS_MALLINFO2 1
#else
#define MMI_LIBC_HAS_MALLINFO2 0
#endif

enum {
    MMI_LIBC_MAGIC = 0x6c706d6d,
    MMI_LIBC_GRANULE = 16,
    MMI_LIBC_MALLOC_ALIGNMENT = 2 * sizeof(void *), // what every malloc keeps to
    MMI_LIBC_LEAKS_SHOWN = 16
};

MMI_FN void *mmi_libc_aligned_alloc(size_t alignment, size_t size, mmi_caller caller) {
    if (!mmi_is_power_of_two(alignment)) {
        mmi_report(MEMMGR_BAD_ARGUMENT, NULL, NULL, size, NULL, caller);
        return NULL;
    }
    if (alignment <= MMI_LIBC_MALLOC_ALIGNMENT) return malloc(size);
#if defined(_WIN32)
    errno = ENOMEM; // Windows has no aligned blocks that free() takes
    return NULL;
#elif defined(__linux__)
    return memalign(alignment, size);
#else
    void *ptr = NULL;
    int error = posix_memalign(&ptr, alignment, size);
    if (error == 0) return ptr;
    errno = error;
    return NULL;
#endif
}

MEMMGR_API void *memmgr_aligned_alloc(size_t alignment, size_t size) {
    return mmi_libc_aligned_alloc(alignment, size, MMI_CALLER);
}

MEMMGR_API void *memmgr_aligned_alloc_at(size_t alignment, size_t size, const char *file,
                                         int line) {
    return mmi_libc_aligned_alloc(alignment, size, MMI_CALLER_AT);
}

MEMMGR_API size_t memmgr_usable_size(const void *ptr) {
    return ptr != NULL ? MMI_LIBC_USABLE_SIZE(ptr) : 0;
}

MEMMGR_API size_t memmgr_usable_size_at(const void *ptr, const char *file, int line) {
    (void)file, (void)line;
    return memmgr_usable_size(ptr);
}

MEMMGR_API void memmgr_stats_get(memmgr_stats *out) {
    if (out == NULL) return;
    memset(out, 0, sizeof(*out));
#if MMI_LIBC_HAS_MALLINFO2
    struct mallinfo2 info = mallinfo2();
    out->capacity = info.arena + info.hblkhd;
    out->used = info.uordblks + info.hblkhd;
    out->requested = out->used;
    out->peak_used = out->used;
    out->free = info.fordblks;
    out->largest_free = info.keepcost;
    out->overhead = out->capacity - out->used - out->free;
    if (out->free != 0)
        out->fragmentation = (unsigned)(100 - mmi_text_share(out->largest_free, out->free, 100));
#endif
}

MEMMGR_API size_t memmgr_trim(void) {
#if MMI_LIBC_HAS_MALLINFO2
    size_t before = mallinfo2().arena;
    malloc_trim(0);
    size_t after = mallinfo2().arena;
    return before > after ? before - after : 0;
#else
    return 0;
#endif
}

// What there is to see of its heap the C library does not show, nor can it be watched.
MEMMGR_API void memmgr_watch(unsigned flags) {
    const unsigned known =
        MEMMGR_POOL_FILL | MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK | MEMMGR_POOL_QUARANTINE;
    if (flags & ~known) mmi_report(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, NULL, MMI_CALLER);
}
MEMMGR_API void memmgr_set_faults(const memmgr_faults *faults) { (void)faults; }
MEMMGR_API void memmgr_trace_stop(void) {}
MEMMGR_API bool memmgr_trace_start(memmgr_writer write, void *ctx) {
    (void)write, (void)ctx;
    return false;
}
MEMMGR_API memmgr_error memmgr_check(void) { return MEMMGR_OK; }
MEMMGR_API size_t memmgr_leaks(void) { return 0; }
MEMMGR_API void memmgr_set_fill(bool fill) { (void)fill; }

MEMMGR_API bool memmgr_walk(memmgr_visitor visit, void *ctx) {
    (void)ctx;
    if (!visit) mmi_report(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, NULL, MMI_CALLER);
    return visit != NULL;
}

MMI_FN bool mmi_libc_walk_general(const void *heap, memmgr_visitor visit, void *ctx) {
    (void)heap;
    return memmgr_walk(visit, ctx);
}

MEMMGR_API void memmgr_draw(memmgr_picture kind, memmgr_writer write, void *ctx) {
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    if (write)
        mmi_draw(kind, "heap", &stats, NULL, mmi_libc_walk_general, write, ctx);
    else
        mmi_report(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, NULL, MMI_CALLER);
}

#ifndef MEMMGR_NO_STDIO
MEMMGR_API void memmgr_print(FILE *out) {
    if (!out) out = stdout;
    memmgr_draw(mmi_draw_kind_for(out), mmi_text_to_file, out);
}
#endif

MEMMGR_API void memmgr_json(memmgr_writer write, void *ctx) {
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    if (write)
        mmi_draw_json("heap", &stats, NULL, mmi_libc_walk_general, write, ctx);
    else
        mmi_report(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, NULL, MMI_CALLER);
}

// --- Blocks.

// One block: [ slack | mmi_libc_block, padded | usable bytes ], all of it one piece from malloc.
// The slack is there only for alignments that malloc does not keep to.
typedef struct mmi_libc_block {
    struct mmi_libc_block *previous, *next; // in the pool's list; NULL at its ends
    void *memory;                           // what malloc gave
    size_t size;                            // bytes that it counts for: a multiple of 16, and not 0
    size_t usable;    // the same, or with MEMMGR_POOL_GUARD what was asked for
    size_t alignment; // a power of two, at least 16
    size_t requested, serial;
    mmi_caller caller;
} mmi_libc_block;

enum {
    MMI_LIBC_HEADER =
        (sizeof(mmi_libc_block) + MMI_LIBC_GRANULE - 1) / MMI_LIBC_GRANULE * MMI_LIBC_GRANULE
};

#define MMI_LIBC_LARGEST (SIZE_MAX / 2) // bytes of an object, at most

// Through a volatile pointer: a fill that is followed by free() must not be optimised away.
static void *(*const volatile mmi_libc_fill)(void *, int, size_t) = memset;

MMI_FN void *mmi_libc_payload(mmi_libc_block *block) { return (char *)block + MMI_LIBC_HEADER; }

MMI_FN mmi_libc_block *mmi_libc_block_of(const void *payload) {
    return (mmi_libc_block *)((uintptr_t)payload - MMI_LIBC_HEADER);
}

// The usable size of a request: a multiple of 16, and not 0; or 0 when there is no such size.
MMI_FN size_t mmi_libc_round(size_t size) {
    if (size > MMI_LIBC_LARGEST) return 0;
    return size != 0 ? (size + MMI_LIBC_GRANULE - 1) & ~(size_t)(MMI_LIBC_GRANULE - 1)
                     : (size_t)MMI_LIBC_GRANULE;
}

// A block in no list; NULL when libc has none.
MMI_FN mmi_libc_block *mmi_libc_obtain(size_t alignment, size_t size, bool zero) {
    size_t extra = MMI_LIBC_HEADER + alignment - MMI_LIBC_MALLOC_ALIGNMENT;
    if (extra > MMI_LIBC_LARGEST || size > MMI_LIBC_LARGEST - extra) return NULL;
    void *memory = zero ? calloc(1, size + extra) : malloc(size + extra);
    if (memory == NULL) return NULL;
    uintptr_t payload = ((uintptr_t)memory + extra) & ~(uintptr_t)(alignment - 1);
    mmi_libc_block *block = mmi_libc_block_of((void *)payload);
    block->previous = block->next = NULL;
    block->memory = memory;
    block->usable = size;
    block->alignment = alignment;
    return block;
}

// The block with another size, moved if need be, its links unchanged; NULL when libc has no room,
// and then the old one is intact. Where malloc's alignment will do there is no slack to move.
MMI_FN mmi_libc_block *mmi_libc_resize(mmi_libc_block *block, size_t size) {
    mmi_libc_block *moved = NULL;
    if (block->alignment <= MMI_LIBC_MALLOC_ALIGNMENT) {
        if (size <= MMI_LIBC_LARGEST - MMI_LIBC_HEADER)
            moved = (mmi_libc_block *)realloc(block->memory, MMI_LIBC_HEADER + size);
        if (moved != NULL) {
            moved->memory = moved;
            moved->usable = size;
        }
        return moved;
    }
    moved = mmi_libc_obtain(block->alignment, size, false);
    if (moved != NULL) {
        moved->previous = block->previous;
        moved->next = block->next;
        memcpy(mmi_libc_payload(moved), mmi_libc_payload(block),
               size < block->usable ? size : block->usable);
        free(block->memory);
    }
    return moved;
}

// --- A pool: its list, its limits, its counts.

//   used == the sum of the listed blocks' sizes;  live_blocks == their number
//   used + overhead <= capacity <= limit
struct memmgr_pool {
    const char *name; // first, so that a report can tell it with the switch on and off
    unsigned magic;   // MMI_LIBC_MAGIC while the pool lives
    unsigned flags;
    mmi_libc_block *first;
    size_t capacity; // bytes of the buffer; grown, bytes that one would have needed
    size_t overhead; // bytes of the buffer that this struct and its alignment take
    size_t limit;    // bytes that capacity may grow to
    size_t used, peak_used;
    size_t live_blocks, allocations, failures, misuses;
    memmgr_source source;
    bool created; // this struct's own memory is from `source`, or from malloc
    mmi_lock lock;
    mmi_faults faults;
};

// Takes the lock, where the pool has one. What is const to the caller is not to its lock.
MMI_FN memmgr_pool *mmi_libc_enter(const memmgr_pool *pool) {
    memmgr_pool *own = (memmgr_pool *)(uintptr_t)pool;
    if ((own->flags & MEMMGR_POOL_LOCKED) != 0) mmi_lock_acquire(&own->lock);
    return own;
}

MMI_FN void mmi_libc_leave(memmgr_pool *pool) {
    if ((pool->flags & MEMMGR_POOL_LOCKED) != 0) mmi_lock_release(&pool->lock);
}

// Is it a live pool, and are the call's other arguments good? If not, it is counted and reported.
MMI_FN bool mmi_libc_valid(const memmgr_pool *pool, bool arguments, mmi_caller caller) {
    bool alive = pool != NULL && pool->magic == MMI_LIBC_MAGIC;
    if (alive && arguments) return true;
    if (!alive) {
        mmi_report(MEMMGR_BAD_ARGUMENT, pool, NULL, 0, NULL, caller);
        return false;
    }
    memmgr_pool *own = mmi_libc_enter(pool);
    own->misuses++;
    mmi_libc_leave(own);
    mmi_report(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, pool, caller);
    return false;
}

// Would `size` more bytes be within the limits?
MMI_FN bool mmi_libc_fits(const memmgr_pool *pool, size_t size) {
    return size <= pool->limit - pool->overhead - pool->used;
}

// Counts a block of `size` bytes in place of one of `old_size`, of which the limits have been
// checked.
MMI_FN void mmi_libc_count(memmgr_pool *pool, size_t old_size, size_t size) {
    pool->used += size - old_size;
    if (pool->peak_used < pool->used) pool->peak_used = pool->used;
    if (pool->capacity < pool->used + pool->overhead) pool->capacity = pool->used + pool->overhead;
}

// Makes a block's neighbours in the list point at it, as it points at them.
MMI_FN void mmi_libc_link(memmgr_pool *pool, mmi_libc_block *block) {
    *(block->previous != NULL ? &block->previous->next : &pool->first) = block;
    if (block->next != NULL) block->next->previous = block;
}

MMI_FN void mmi_libc_unlink(memmgr_pool *pool, mmi_libc_block *block) {
    *(block->previous != NULL ? &block->previous->next : &pool->first) = block->next;
    if (block->next != NULL) block->next->previous = block->previous;
}

// Bytes to be asked for: with MEMMGR_POOL_GUARD no more than the caller asks for, so that a tool
// sees the first byte behind them.
MMI_FN size_t mmi_libc_usable(const memmgr_pool *pool, size_t request) {
    return (pool->flags & MEMMGR_POOL_GUARD) != 0 ? request : mmi_libc_round(request);
}

// Notes what a block is for, and fills it from some byte on.
MMI_FN void mmi_libc_note(memmgr_pool *pool, mmi_libc_block *block, size_t request, size_t from,
                          mmi_caller caller) {
    bool tracked = (pool->flags & MEMMGR_POOL_TRACK) != 0;
    block->size = mmi_libc_round(request);
    block->requested = tracked ? request : block->usable;
    block->serial = tracked ? pool->allocations : 0;
    block->caller = tracked ? caller : MMI_NOBODY;
    if ((pool->flags & MEMMGR_POOL_FILL) != 0 && block->usable > from)
        mmi_libc_fill((char *)mmi_libc_payload(block) + from, 0xCC, block->usable - from);
}

// A new block's usable bytes; NULL, and a failure counted, when there is no room.
MMI_FN void *mmi_libc_alloc(memmgr_pool *pool, size_t alignment, size_t request, bool zero,
                            mmi_caller caller) {
    size_t size = mmi_libc_round(request);
    mmi_libc_block *block = NULL;
    if (alignment < MMI_LIBC_GRANULE) alignment = MMI_LIBC_GRANULE;
    if (!mmi_fault_strikes(&pool->faults) && size != 0 && mmi_libc_fits(pool, size))
        block = mmi_libc_obtain(alignment, mmi_libc_usable(pool, request), zero);
    if (block == NULL) {
        pool->failures++;
        return NULL;
    }
    block->next = pool->first;
    mmi_libc_link(pool, block);
    mmi_libc_count(pool, 0, size);
    pool->live_blocks++;
    pool->allocations++;
    mmi_libc_note(pool, block, request, zero ? block->usable : 0, caller);
    return mmi_libc_payload(block);
}

MMI_FN void mmi_libc_release(memmgr_pool *pool, mmi_libc_block *block) {
    mmi_libc_unlink(pool, block);
    pool->used -= block->size;
    pool->live_blocks--;
    if ((pool->flags & MEMMGR_POOL_FILL) != 0)
        mmi_libc_fill(mmi_libc_payload(block), 0xDD, block->usable);
    free(block->memory);
}

// The block's usable bytes at its new size; NULL, a failure counted and the block intact, when
// there is no room.
MMI_FN void *mmi_libc_realloc(memmgr_pool *pool, mmi_libc_block *block, size_t request,
                              mmi_caller caller) {
    size_t size = mmi_libc_round(request), old_size = block->size, old = block->usable;
    size_t usable = mmi_libc_usable(pool, request);
    mmi_libc_block *moved = NULL;
    if (size == old_size && usable == old) {
        if ((pool->flags & MEMMGR_POOL_TRACK) != 0) pool->allocations++;
        mmi_libc_note(pool, block, request, old, caller);
        return mmi_libc_payload(block);
    }
    bool fails = size > old_size && mmi_fault_strikes(&pool->faults);
    if (!fails && size != 0 && (size <= old_size || mmi_libc_fits(pool, size - old_size)))
        moved = mmi_libc_resize(block, usable);
    if (moved == NULL) {
        pool->failures++;
        return NULL;
    }
    mmi_libc_link(pool, moved);
    mmi_libc_count(pool, old_size, size);
    if ((pool->flags & MEMMGR_POOL_TRACK) != 0) pool->allocations++; // and another serial
    mmi_libc_note(pool, moved, request, old, caller);
    return mmi_libc_payload(moved);
}

MMI_FN void mmi_libc_clear(memmgr_pool *pool) {
    while (pool->first != NULL)
        mmi_libc_release(pool, pool->first);
}

// What can still be handed out before the pool would have to grow.
MMI_FN size_t mmi_libc_free_bytes(const memmgr_pool *pool) {
    size_t room = pool->capacity - pool->overhead - pool->used;
    return room & ~(size_t)(MMI_LIBC_GRANULE - 1);
}

MMI_FN void mmi_libc_snapshot(const memmgr_pool *pool, memmgr_stats *out) {
    memset(out, 0, sizeof(*out));
    out->capacity = pool->capacity;
    out->used = pool->used;
    out->free = mmi_libc_free_bytes(pool);
    out->largest_free = out->free;
    out->overhead = out->capacity - out->used - out->free;
    out->peak_used = pool->peak_used;
    for (const mmi_libc_block *block = pool->first; block != NULL; block = block->next)
        out->requested += block->requested;
    out->live_blocks = pool->live_blocks;
    out->allocations = pool->allocations;
    out->frees = pool->allocations - pool->live_blocks;
    out->failures = pool->failures;
    out->misuses = pool->misuses;
}

// Do the list, its links and the sums agree? A list that has become a ring ends at the count.
MMI_FN bool mmi_libc_list_valid(const memmgr_pool *pool) {
    const mmi_libc_block *block = pool->first, *previous = NULL;
    size_t used = 0, count = 0;
    for (; block != NULL && count < pool->live_blocks; count++) {
        if (block->previous != previous || block->size % MMI_LIBC_GRANULE != 0) return false;
        used += block->size;
        previous = block;
        block = block->next;
    }
    return block == NULL && count == pool->live_blocks && used == pool->used &&
           used + pool->overhead <= pool->capacity;
}

// --- Address order, which a walk promises: a merge sort of the list, in place.

// Merges two lists sorted by address, using `next` alone.
MMI_FN mmi_libc_block *mmi_libc_merge(mmi_libc_block *left, mmi_libc_block *right) {
    mmi_libc_block *first = NULL, **end = &first;
    while (left != NULL && right != NULL) {
        mmi_libc_block **lower = (uintptr_t)left < (uintptr_t)right ? &left : &right;
        *end = *lower;
        end = &(*lower)->next;
        *lower = *end;
    }
    *end = left != NULL ? left : right;
    return first;
}

// sorted[i] is empty or a sorted list of 2^i blocks.
MMI_FN void mmi_libc_sort(memmgr_pool *pool) {
    mmi_libc_block *sorted[8 * sizeof(size_t)] = {NULL};
    mmi_libc_block *block = pool->first, *next, *previous = NULL;
    size_t i;
    for (; block != NULL; block = next) {
        next = block->next;
        block->next = NULL;
        for (i = 0; sorted[i] != NULL; i++) {
            block = mmi_libc_merge(sorted[i], block);
            sorted[i] = NULL;
        }
        sorted[i] = block;
    }
    for (i = 0; i < 8 * sizeof(size_t); i++)
        block = mmi_libc_merge(sorted[i], block);
    pool->first = block;
    for (; block != NULL; previous = block, block = block->next)
        block->previous = previous;
}

MMI_FN bool mmi_libc_walk(const memmgr_pool *pool, memmgr_visitor visit, void *ctx) {
    memmgr_block shown = mmi_block_shown(NULL, 0, true);
    mmi_libc_block *block;
    for (block = pool->first; block != NULL; block = block->next) {
        shown.address = mmi_libc_payload(block);
        shown.size = block->usable;
        shown.requested = block->requested;
        shown.serial = block->serial;
        mmi_report_caller(block->caller, &shown.file, &shown.line, &shown.caller);
        if (!visit(&shown, ctx)) return false;
    }
    return true;
}

// For pictures, whose visitors want to see all: as the walk, and behind it what is free, which has
// no address here.
MMI_FN bool mmi_libc_walk_all(const void *heap, memmgr_visitor visit, void *ctx) {
    const memmgr_pool *pool = (const memmgr_pool *)heap;
    memmgr_block rest = mmi_block_shown(NULL, mmi_libc_free_bytes(pool), false);
    bool whole = mmi_libc_walk(pool, visit, ctx);
    if (rest.size != 0) (void)visit(&rest, ctx);
    return whole;
}

// --- Making and ending a pool.

// Flags that a pool in a buffer may have, and those that all have.
enum {
    MMI_LIBC_FLAGS = MEMMGR_POOL_LOCKED | MEMMGR_POOL_FILL | MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK |
                     MEMMGR_POOL_EAGER | MEMMGR_POOL_QUARANTINE,
    MMI_LIBC_DEBUG = MMI_DEBUG ? MEMMGR_POOL_FILL | MEMMGR_POOL_GUARD | MEMMGR_POOL_TRACK : 0,
    MMI_LIBC_DEFAULT = MMI_ASAN ? MMI_LIBC_DEBUG | MEMMGR_POOL_GUARD : MMI_LIBC_DEBUG
};

// Is it a desc that this pool can keep to? If not, it is reported.
MMI_FN bool mmi_libc_desc_valid(const memmgr_pool_desc *desc, unsigned flags, mmi_caller caller) {
    if (desc == NULL || ((desc->flags & ~flags) == 0 && (int)desc->fit >= 0 &&
                         (desc->fit < MEMMGR_FIT_CUSTOM ||
                          (desc->fit == MEMMGR_FIT_CUSTOM && desc->choose != NULL))))
        return true;
    mmi_report(MEMMGR_BAD_ARGUMENT, desc, NULL, 0, NULL, caller);
    return false;
}

MMI_FN memmgr_pool *mmi_libc_setup(void *memory, size_t capacity, size_t overhead,
                                   const memmgr_pool_desc *desc) {
    memmgr_pool *pool = (memmgr_pool *)memory;
    memset(pool, 0, sizeof(*pool));
    pool->magic = MMI_LIBC_MAGIC;
    pool->name = "pool";
    pool->capacity = pool->limit = capacity;
    pool->overhead = overhead;
    pool->flags = MMI_LIBC_DEFAULT;
    if (desc == NULL) return pool;
    if (desc->name != NULL) pool->name = desc->name;
    pool->flags |= desc->flags;
    pool->source = desc->source;
    if ((desc->flags & MEMMGR_POOL_GROW) != 0)
        pool->limit = desc->limit != 0 ? desc->limit : SIZE_MAX;
    return pool;
}

// Reports the live blocks. Returns how many there are.
MMI_FN size_t mmi_libc_leaks(const memmgr_pool *pool) {
    mmi_leaks leaks;
    memmgr_pool *own = mmi_libc_enter(pool);
    mmi_site_open_leaks(&leaks);
    mmi_libc_sort(own);
    (void)mmi_libc_walk(own, mmi_site_note_leak, &leaks);
    mmi_libc_leave(own);
    return mmi_site_report_leaks(&leaks, pool);
}

// --- The public calls.

MEMMGR_API memmgr_pool *memmgr_pool_init(void *buffer, size_t size, const memmgr_pool_desc *desc) {
    size_t shift = (0 - (size_t)(uintptr_t)buffer) % MMI_LIBC_GRANULE;
    size_t overhead = shift + sizeof(memmgr_pool);
    if (!mmi_libc_desc_valid(desc, MMI_LIBC_FLAGS, MMI_CALLER)) return NULL;
    if (buffer == NULL) mmi_report(MEMMGR_BAD_ARGUMENT, NULL, NULL, size, NULL, MMI_CALLER);
    if (buffer == NULL || size < overhead + MMI_LIBC_GRANULE) return NULL;
    return mmi_libc_setup((char *)buffer + shift, size, overhead, desc);
}

MEMMGR_API memmgr_pool *memmgr_pool_create(size_t capacity, const memmgr_pool_desc *desc) {
    unsigned flags = (unsigned)MMI_LIBC_FLAGS | MEMMGR_POOL_GROW;
    if (!mmi_libc_desc_valid(desc, flags, MMI_CALLER)) return NULL;
    if (capacity < sizeof(memmgr_pool) + MMI_LIBC_GRANULE)
        capacity = sizeof(memmgr_pool) + MMI_LIBC_GRANULE;
    if (desc != NULL && (desc->flags & MEMMGR_POOL_GROW) != 0 && desc->limit != 0 &&
        capacity > desc->limit)
        return NULL;
    void *memory = desc != NULL && desc->source.map != NULL
                       ? desc->source.map(sizeof(memmgr_pool), desc->source.ctx)
                       : malloc(sizeof(memmgr_pool));
    if (memory == NULL) return NULL;
    memmgr_pool *pool = mmi_libc_setup(memory, capacity, sizeof(memmgr_pool), desc);
    pool->created = true;
    return pool;
}

MEMMGR_API size_t memmgr_pool_destroy(memmgr_pool *pool) {
    if (pool == NULL || !mmi_libc_valid(pool, true, MMI_CALLER)) return 0;
    memmgr_source source = pool->source;
    size_t leaks = mmi_libc_leaks(pool);
    mmi_libc_clear(pool);
    pool->magic = 0;
    if (pool->created && source.map == NULL)
        free(pool);
    else if (pool->created && source.unmap != NULL)
        source.unmap(pool, sizeof(*pool), source.ctx);
    return leaks;
}

MEMMGR_API size_t memmgr_pool_leaks(const memmgr_pool *pool) {
    return mmi_libc_valid(pool, true, MMI_CALLER) ? mmi_libc_leaks(pool) : 0;
}

MEMMGR_API void memmgr_pool_reset(memmgr_pool *pool) {
    if (!mmi_libc_valid(pool, true, MMI_CALLER)) return;
    mmi_libc_enter(pool);
    mmi_libc_clear(pool);
    mmi_libc_leave(pool);
}

MMI_FN void *mmi_libc_pool_alloc(memmgr_pool *pool, size_t alignment, size_t size, bool zero,
                                 mmi_caller caller) {
    if (!mmi_libc_valid(pool, mmi_is_power_of_two(alignment), caller)) return NULL;
    mmi_libc_enter(pool);
    void *ptr = mmi_libc_alloc(pool, alignment, size, zero, caller);
    mmi_libc_leave(pool);
    return ptr;
}

MEMMGR_API void *memmgr_pool_aligned_alloc(memmgr_pool *pool, size_t alignment, size_t size) {
    return mmi_libc_pool_alloc(pool, alignment, size, false, MMI_CALLER);
}

MEMMGR_API void *memmgr_pool_aligned_alloc_at(memmgr_pool *pool, size_t alignment, size_t size,
                                              const char *file, int line) {
    return mmi_libc_pool_alloc(pool, alignment, size, false, MMI_CALLER_AT);
}

MEMMGR_API void *memmgr_pool_alloc(memmgr_pool *pool, size_t size) {
    return mmi_libc_pool_alloc(pool, MMI_LIBC_GRANULE, size, false, MMI_CALLER);
}

MEMMGR_API void *memmgr_pool_alloc_at(memmgr_pool *pool, size_t size, const char *file, int line) {
    return mmi_libc_pool_alloc(pool, MMI_LIBC_GRANULE, size, false, MMI_CALLER_AT);
}

MEMMGR_API void *memmgr_pool_calloc(memmgr_pool *pool, size_t count, size_t size) {
    size_t bytes = mmi_product(count, size);
    return mmi_libc_pool_alloc(pool, MMI_LIBC_GRANULE, bytes, true, MMI_CALLER);
}

MEMMGR_API void *memmgr_pool_calloc_at(memmgr_pool *pool, size_t count, size_t size,
                                       const char *file, int line) {
    size_t bytes = mmi_product(count, size);
    return mmi_libc_pool_alloc(pool, MMI_LIBC_GRANULE, bytes, true, MMI_CALLER_AT);
}

MMI_FN void *mmi_libc_pool_realloc(memmgr_pool *pool, void *ptr, size_t size, mmi_caller caller) {
    if (ptr == NULL) return mmi_libc_pool_alloc(pool, MMI_LIBC_GRANULE, size, false, caller);
    if (!mmi_libc_valid(pool, true, caller)) return NULL;
    mmi_libc_enter(pool);
    ptr = mmi_libc_realloc(pool, mmi_libc_block_of(ptr), size, caller);
    mmi_libc_leave(pool);
    return ptr;
}

MEMMGR_API void *memmgr_pool_realloc(memmgr_pool *pool, void *ptr, size_t size) {
    return mmi_libc_pool_realloc(pool, ptr, size, MMI_CALLER);
}

MEMMGR_API void *memmgr_pool_realloc_at(memmgr_pool *pool, void *ptr, size_t size, const char *file,
                                        int line) {
    return mmi_libc_pool_realloc(pool, ptr, size, MMI_CALLER_AT);
}

MEMMGR_API memmgr_error memmgr_pool_free_at(memmgr_pool *pool, void *ptr, const char *file,
                                            int line) {
    if (!mmi_libc_valid(pool, true, MMI_CALLER_AT)) return MEMMGR_BAD_ARGUMENT;
    if (ptr == NULL) return MEMMGR_OK;
    mmi_libc_enter(pool);
    mmi_libc_release(pool, mmi_libc_block_of(ptr));
    mmi_libc_leave(pool);
    return MEMMGR_OK;
}

MEMMGR_API memmgr_error memmgr_pool_free(memmgr_pool *pool, void *ptr) {
    return memmgr_pool_free_at(pool, ptr, NULL, 0);
}

MEMMGR_API size_t memmgr_pool_usable_size_at(const memmgr_pool *pool, const void *ptr,
                                             const char *file, int line) {
    if (!mmi_libc_valid(pool, true, MMI_CALLER_AT) || ptr == NULL) return 0;
    return mmi_libc_block_of(ptr)->usable;
}

MEMMGR_API size_t memmgr_pool_usable_size(const memmgr_pool *pool, const void *ptr) {
    return memmgr_pool_usable_size_at(pool, ptr, NULL, 0);
}

MEMMGR_API void memmgr_pool_set_faults(memmgr_pool *pool, const memmgr_faults *faults) {
    if (!mmi_libc_valid(pool, true, MMI_CALLER)) return;
    mmi_libc_enter(pool);
    mmi_fault_set(&pool->faults, faults);
    mmi_libc_leave(pool);
}

MMI_FN bool mmi_libc_job_valid(const memmgr_pool *pool, void (*job)(void *ctx)) {
    if (pool) return mmi_libc_valid(pool, job != NULL, MMI_NOBODY);
    if (!job) mmi_report(MEMMGR_BAD_ARGUMENT, NULL, NULL, 0, NULL, MMI_NOBODY);
    return job != NULL;
}

// The C library's own allocations do not fail on purpose: with them one run is all there is.
MEMMGR_API size_t memmgr_fail_each(memmgr_pool *pool, void (*job)(void *ctx), void *ctx) {
    memmgr_faults faults = {0, 0, 0};
    bool met = pool != NULL;
    if (!mmi_libc_job_valid(pool, job)) return 0;
    if (!pool) job(ctx);
    while (met) {
        size_t failures = pool->failures;
        faults.nth++;
        memmgr_pool_set_faults(pool, &faults);
        job(ctx);
        met = pool->faults.nth == 0 && pool->failures != failures;
    }
    if (pool) memmgr_pool_set_faults(pool, NULL);
    return pool ? faults.nth - 1 : 0;
}

MEMMGR_API bool memmgr_pool_owns(const memmgr_pool *pool, const void *ptr) {
    if (!mmi_libc_valid(pool, true, MMI_CALLER) || ptr == NULL) return false;
    memmgr_pool *own = mmi_libc_enter(pool);
    mmi_libc_block *block = own->first;
    while (block != NULL && mmi_libc_payload(block) != ptr)
        block = block->next;
    mmi_libc_leave(own);
    return block != NULL;
}

MEMMGR_API void memmgr_pool_stats(const memmgr_pool *pool, memmgr_stats *out) {
    if (!mmi_libc_valid(pool, true, MMI_CALLER) || out == NULL) return;
    memmgr_pool *own = mmi_libc_enter(pool);
    mmi_libc_snapshot(own, out);
    mmi_libc_leave(own);
}

MEMMGR_API size_t memmgr_pool_bytes_used(const memmgr_pool *pool) {
    if (!mmi_libc_valid(pool, true, MMI_CALLER)) return 0;
    memmgr_pool *own = mmi_libc_enter(pool);
    size_t bytes = own->used;
    mmi_libc_leave(own);
    return bytes;
}

MEMMGR_API size_t memmgr_pool_bytes_free(const memmgr_pool *pool) {
    if (!mmi_libc_valid(pool, true, MMI_CALLER)) return 0;
    memmgr_pool *own = mmi_libc_enter(pool);
    size_t bytes = mmi_libc_free_bytes(own);
    mmi_libc_leave(own);
    return bytes;
}

MEMMGR_API size_t memmgr_pool_largest_free(const memmgr_pool *pool) {
    return memmgr_pool_bytes_free(pool);
}

MEMMGR_API memmgr_error memmgr_pool_check(const memmgr_pool *pool) {
    if (!mmi_libc_valid(pool, true, MMI_CALLER)) return MEMMGR_BAD_ARGUMENT;
    memmgr_pool *own = mmi_libc_enter(pool);
    bool valid = mmi_libc_list_valid(own);
    mmi_libc_leave(own);
    if (valid) return MEMMGR_OK;
    mmi_report(MEMMGR_CORRUPT, NULL, NULL, 0, pool, MMI_CALLER);
    return MEMMGR_CORRUPT;
}

MEMMGR_API bool memmgr_pool_walk(const memmgr_pool *pool, memmgr_visitor visit, void *ctx) {
    if (!mmi_libc_valid(pool, visit != NULL, MMI_CALLER)) return false;
    memmgr_pool *own = mmi_libc_enter(pool);
    mmi_libc_sort(own);
    bool whole = mmi_libc_walk(own, visit, ctx);
    mmi_libc_leave(own);
    return whole;
}

MEMMGR_API void memmgr_pool_draw(const memmgr_pool *pool, memmgr_picture kind, memmgr_writer write,
                                 void *ctx) {
    if (!mmi_libc_valid(pool, write != NULL, MMI_CALLER)) return;
    memmgr_stats stats;
    memmgr_pool *own = mmi_libc_enter(pool);
    mmi_libc_sort(own);
    mmi_libc_snapshot(own, &stats);
    mmi_draw(kind, own->name, &stats, own, mmi_libc_walk_all, write, ctx);
    mmi_libc_leave(own);
}

#ifndef MEMMGR_NO_STDIO
MEMMGR_API void memmgr_pool_print(const memmgr_pool *pool, FILE *out) {
    if (out == NULL) out = stdout;
    memmgr_pool_draw(pool, mmi_draw_kind_for(out), mmi_text_to_file, out);
}
#endif

MEMMGR_API void memmgr_pool_json(const memmgr_pool *pool, memmgr_writer write, void *ctx) {
    if (!mmi_libc_valid(pool, write != NULL, MMI_CALLER)) return;
    memmgr_stats stats;
    memmgr_pool *own = mmi_libc_enter(pool);
    mmi_libc_sort(own);
    mmi_libc_snapshot(own, &stats);
    mmi_draw_json(own->name, &stats, own, mmi_libc_walk_all, write, ctx);
    mmi_libc_leave(own);
}

// Nothing fragments here, so the room of a buffer is all but this struct and its alignment.
MEMMGR_API size_t memmgr_pool_size_for(size_t max_live_bytes, size_t max_block) {
    size_t overhead = sizeof(memmgr_pool) + MMI_LIBC_GRANULE - 1;
    size_t live = mmi_libc_round(max_live_bytes);
    (void)max_block;
    return live != 0 && live <= MMI_LIBC_LARGEST - overhead ? live + overhead : 0;
}

#endif // USE_MEMORY_MGR

// >>override

// Under a sanitizer malloc is the sanitizer's.
#if defined(MEMMGR_OVERRIDE) && defined(USE_MEMORY_MGR) && !MMI_SANITIZER

// malloc and its family, and the operators of C++, under memmgr. Where the linker knows aliases
// they are the same functions under a second name.

#include <errno.h>
#include <stdlib.h>

#if defined(__cplusplus) && defined(__THROW)
#define MMI_OVERRIDE_THROW __THROW
#else
#define MMI_OVERRIDE_THROW
#endif

#ifdef __cplusplus
extern "C" {
#endif

#if MMI_GNUC && MMI_ELF && !MMI_TCC && !(defined(__cplusplus) && defined(MEMMGR_STATIC))
#define MMI_OVERRIDE_IS(name)                                                                      \
    MMI_OVERRIDE_THROW __attribute__((alias(#name), visibility("default")));
#define MMI_OVERRIDE(type, name, parameters, target, arguments)                                    \
    type name parameters MMI_OVERRIDE_IS(target)
#define MMI_OVERRIDE_VOID(name, parameters, target, arguments)                                     \
    void name parameters MMI_OVERRIDE_IS(target)
#define MMI_OVERRIDE_API __attribute__((visibility("default")))
#else
#define MMI_OVERRIDE(type, name, parameters, target, arguments)                                    \
    type name parameters MMI_OVERRIDE_THROW { return target arguments; }
#define MMI_OVERRIDE_VOID(name, parameters, target, arguments)                                     \
    void name parameters MMI_OVERRIDE_THROW { target arguments; }
#define MMI_OVERRIDE_API
#endif

MMI_OVERRIDE(void *, malloc, (size_t size), memmgr_malloc, (size))
MMI_OVERRIDE(void *, calloc, (size_t count, size_t size), memmgr_calloc, (count, size))
MMI_OVERRIDE(void *, realloc, (void *ptr, size_t size), memmgr_realloc, (ptr, size))
MMI_OVERRIDE_VOID(free, (void *ptr), memmgr_free, (ptr))
MMI_OVERRIDE_VOID(free_sized, (void *ptr, size_t size), memmgr_free_sized, (ptr, size))

MMI_OVERRIDE_API void free_aligned_sized(void *ptr, size_t alignment, size_t size) {
    (void)alignment, (void)size;
    memmgr_free(ptr);
}

MMI_OVERRIDE_API void *reallocarray(void *ptr, size_t count, size_t size) MMI_OVERRIDE_THROW {
    size_t bytes;
    if (mmi_multiply(count, size, &bytes)) return memmgr_realloc(ptr, bytes);
    errno = ENOMEM;
    return NULL;
}

// An alignment that is no power of two is these functions' own error, and no misuse to be reported.
MMI_OVERRIDE_API void *aligned_alloc(size_t alignment, size_t size) MMI_OVERRIDE_THROW {
    if (mmi_is_power_of_two(alignment)) return memmgr_aligned_alloc(alignment, size);
    errno = EINVAL;
    return NULL;
}

MMI_OVERRIDE_API int posix_memalign(void **ptr, size_t alignment, size_t size) MMI_OVERRIDE_THROW {
    int error = errno;
    if (!mmi_is_power_of_two(alignment) || alignment % sizeof(void *) != 0) return EINVAL;
    void *block = memmgr_aligned_alloc(alignment, size);
    errno = error; // which is not to be set
    if (!block) return ENOMEM;
    *ptr = block;
    return 0;
}

MMI_OVERRIDE_API void *memalign(size_t alignment, size_t size) MMI_OVERRIDE_THROW {
    size_t power = MMI_GRANULE;
    while (power < alignment && power <= SIZE_MAX / 2)
        power *= 2; // as the C library does
    return memmgr_aligned_alloc(power, size);
}

MMI_OVERRIDE_API void *valloc(size_t size) MMI_OVERRIDE_THROW {
    return memmgr_aligned_alloc(mmi_os_page(), size);
}

MMI_OVERRIDE_API void *pvalloc(size_t size) MMI_OVERRIDE_THROW {
    size_t page = mmi_os_page();
    if (size <= SIZE_MAX - page) return memmgr_aligned_alloc(page, mmi_align_up(size, page));
    errno = ENOMEM;
    return NULL;
}

MMI_OVERRIDE_API size_t malloc_usable_size(void *ptr) MMI_OVERRIDE_THROW {
    return memmgr_usable_size(ptr);
}

#ifdef __cplusplus
} // extern "C"

#include <new>

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define MMI_OVERRIDE_BAD_ALLOC() throw std::bad_alloc()
#else
#define MMI_OVERRIDE_BAD_ALLOC() mmi_os_abort()
#endif

// As the standard says: the handler is called until there is memory, or it gives up.
static void *mmi_override_new(size_t alignment, size_t size, mmi_caller caller) {
    for (;;) {
        void *block = alignment > MMI_GRANULE ? mmi_public_heap_aligned(alignment, size, caller)
                                              : mmi_public_heap_alloc(size, caller);
        if (block) return block;
        std::new_handler handler = std::get_new_handler();
        if (!handler) return NULL;
        handler();
    }
}

static void *mmi_override_new_or_throw(size_t alignment, size_t size, mmi_caller caller) {
    void *block = mmi_override_new(alignment, size, caller);
    if (!block) MMI_OVERRIDE_BAD_ALLOC();
    return block;
}

static void *mmi_override_new_or_null(size_t alignment, size_t size, mmi_caller caller) noexcept {
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
    try { // a handler may throw
        return mmi_override_new(alignment, size, caller);
    } catch (...) {
        return NULL;
    }
#else
    return mmi_override_new(alignment, size, caller);
#endif
}

MMI_INLINE void mmi_override_delete(void *ptr, mmi_caller caller) noexcept {
    if (MMI_LIKELY(mmi_heap_free_short(mmi_heap_short, ptr))) return;
    mmi_public_heap_free(ptr, caller);
}

// The site is that of the expression with new: what calls an operator.
#define MMI_OVERRIDE_NEW(array)                                                                    \
    void *operator new array(size_t size) {                                                        \
        void *block;                                                                               \
        if (MMI_LIKELY(mmi_heap_alloc_short(mmi_heap_short, size, &block))) return block;          \
        return mmi_override_new_or_throw(1, size, MMI_CALLER);                                     \
    }                                                                                              \
    void *operator new array(size_t size, const std::nothrow_t &) noexcept {                       \
        return mmi_override_new_or_null(1, size, MMI_CALLER);                                      \
    }                                                                                              \
    void operator delete array(void *ptr) noexcept { mmi_override_delete(ptr, MMI_CALLER); }       \
    void operator delete array(void *ptr, size_t) noexcept {                                       \
        mmi_override_delete(ptr, MMI_CALLER);                                                      \
    }                                                                                              \
    void operator delete array(void *ptr, const std::nothrow_t &) noexcept {                       \
        mmi_override_delete(ptr, MMI_CALLER);                                                      \
    }

// clang-format off
MMI_OVERRIDE_NEW()
MMI_OVERRIDE_NEW([])
// clang-format on

#ifdef __cpp_aligned_new
#define MMI_OVERRIDE_NEW_ALIGNED(array)                                                            \
    void *operator new array(size_t size, std::align_val_t alignment) {                            \
        return mmi_override_new_or_throw((size_t)alignment, size, MMI_CALLER);                     \
    }                                                                                              \
    void *operator new array(size_t size, std::align_val_t alignment,                              \
                             const std::nothrow_t &) noexcept {                                    \
        return mmi_override_new_or_null((size_t)alignment, size, MMI_CALLER);                      \
    }                                                                                              \
    void operator delete array(void *ptr, std::align_val_t) noexcept {                             \
        mmi_override_delete(ptr, MMI_CALLER);                                                      \
    }                                                                                              \
    void operator delete array(void *ptr, size_t, std::align_val_t) noexcept {                     \
        mmi_override_delete(ptr, MMI_CALLER);                                                      \
    }                                                                                              \
    void operator delete array(void *ptr, std::align_val_t, const std::nothrow_t &) noexcept {     \
        mmi_override_delete(ptr, MMI_CALLER);                                                      \
    }
// clang-format off
MMI_OVERRIDE_NEW_ALIGNED()
MMI_OVERRIDE_NEW_ALIGNED([])
// clang-format on
#endif
#endif // __cplusplus

#endif // MEMMGR_OVERRIDE

// >>end

#if !defined(MEMMGR_STATIC)
#if defined(USE_MEMORY_MGR) // the names of >>attributes, which may have been read long before
const char memmgr_error_no_file_has_MEMMGR_IMPLEMENTATION_and_USE_MEMORY_MGR = 0;
#else
const char memmgr_error_no_file_has_MEMMGR_IMPLEMENTATION_without_USE_MEMORY_MGR = 0;
#endif
#endif

#undef MMI_ARENAS_MAX
#undef MMI_ARENA_LEAST
#undef MMI_ASAN
#undef MMI_ASSERT
#undef MMI_ATOMICS
#undef MMI_AT_LOAD
#undef MMI_BIN_BYTES
#undef MMI_BIN_DEPTH
#undef MMI_BIN_DEPTH_LEAST
#undef MMI_CALLER
#undef MMI_CALLER_AT
#undef MMI_CANDIDATES
#undef MMI_CLASS_DEPTH_MAX
#undef MMI_CLASS_DEPTH_MIN
#undef MMI_CLASS_MAX
#undef MMI_CODE_COARSE
#undef MMI_CODE_FINE
#undef MMI_CODE_MAX
#undef MMI_COLD
#undef MMI_DEBUG
#undef MMI_ELF
#undef MMI_ENTRY_GRANULES
#undef MMI_ERRORS
#undef MMI_ERROR_COUNT
#undef MMI_ERROR_NAME
#undef MMI_ERROR_TEXT
#undef MMI_FILL_FREED
#undef MMI_FILL_FRESH
#undef MMI_FN
#undef MMI_FRONT
#undef MMI_GNUC
#undef MMI_GRANULE
#undef MMI_GRANULES_64G
#undef MMI_GRANULES_MAX
#undef MMI_GRANULE_SHIFT
#undef MMI_GUARD
#undef MMI_GUARD_BYTE
#undef MMI_GUARD_MOST
#undef MMI_HAS_ASAN
#undef MMI_HAS_HEAPS
#undef MMI_HAS_OTHER_SANITIZER
#undef MMI_HEAP_FIRST
#undef MMI_IDLE_MILLISECONDS
#undef MMI_INLINE
#undef MMI_JOIN
#undef MMI_JOIN_
#undef MMI_LARGE_RETURNED
#undef MMI_LEAKS_TOLD
#undef MMI_LEVELS_MAX
#undef MMI_LIBC_HAS_MALLINFO2
#undef MMI_LIBC_LARGEST
#undef MMI_LIBC_USABLE_SIZE
#undef MMI_LIKELY
#undef MMI_MAGIC_OTHER
#undef MMI_MAGIC_PLAIN
#undef MMI_MAGIC_RECORDED
#undef MMI_MAP_ANONYMOUS
#undef MMI_MAP_FLAGS
#undef MMI_META
#undef MMI_MOVED_MAX
#undef MMI_MSVC
#undef MMI_NOBODY
#undef MMI_NODE
#undef MMI_NONE
#undef MMI_NO_LOCALS
#undef MMI_ONE_LOCK
#undef MMI_OS_RESERVE
#undef MMI_OS_WRITES
#undef MMI_OVERRIDE
#undef MMI_OVERRIDE_API
#undef MMI_OVERRIDE_BAD_ALLOC
#undef MMI_OVERRIDE_IS
#undef MMI_OVERRIDE_NEW
#undef MMI_OVERRIDE_NEW_ALIGNED
#undef MMI_OVERRIDE_THROW
#undef MMI_OVERRIDE_VOID
#undef MMI_PARKED_ASKED
#undef MMI_PARKED_MOST
#undef MMI_PAUSE
#undef MMI_POOL_CREATED
#undef MMI_POOL_ENDING
#undef MMI_POOL_SIZE
#undef MMI_POSIX
#undef MMI_PURGED_BYTES
#undef MMI_PURGED_UNITS
#undef MMI_QUARANTINE_BLOCKS
#undef MMI_QUARANTINE_BYTES
#undef MMI_REALLOC_0_FREES
#undef MMI_RECORDED
#undef MMI_RECORD_SIZE
#undef MMI_RETURN_ADDRESS
#undef MMI_ROOT_NODES
#undef MMI_SANITIZER
#undef MMI_SEGMENT_SIZE
#undef MMI_SIZES
#undef MMI_SMALL
#undef MMI_SMALL_MAX
#undef MMI_SPAN_FREE
#undef MMI_SPAN_LIVE
#undef MMI_SPAN_SHIFT
#undef MMI_SSE2
#undef MMI_STATIC_ASSERT
#undef MMI_TABLE_ROOM
#undef MMI_TCC
#undef MMI_TELLS_THREADS
#undef MMI_THREADS
#undef MMI_THREAD_LOCAL
#undef MMI_TSAN
#undef MMI_UNIT
#undef MMI_UNIT_SHIFT
#undef MMI_UNLIKELY
#undef MMI_VALGRIND
#undef MMI_VISIT_BLOCKS
#undef MMI_WASM
#undef MMI_WATCH
#undef MMI_WATCHED
#undef MMI_WATCH_DEFAULT
#undef MMI_WINDOWS
#undef MMI_WORD_BITS
#undef MMI_WORD_ONES

#endif // MEMMGR_IMPLEMENTATION

#undef MEMMGR_LINK
#undef MEMMGR_GENERAL

// The calls with the place that they are made from.
#ifdef MEMMGR_DEBUG
// clang-format off
#define memmgr_malloc(size) memmgr_malloc_at(size, __FILE__, __LINE__)
#define memmgr_calloc(count, size) memmgr_calloc_at(count, size, __FILE__, __LINE__)
#define memmgr_realloc(ptr, size) memmgr_realloc_at(ptr, size, __FILE__, __LINE__)
#define memmgr_aligned_alloc(alignment, size)                                                      \
    memmgr_aligned_alloc_at(alignment, size, __FILE__, __LINE__)
#define memmgr_free(ptr) memmgr_free_at(ptr, __FILE__, __LINE__)
#define memmgr_usable_size(ptr) memmgr_usable_size_at(ptr, __FILE__, __LINE__)
#define memmgr_pool_alloc(pool, size) memmgr_pool_alloc_at(pool, size, __FILE__, __LINE__)
#define memmgr_pool_calloc(pool, count, size)                                                      \
    memmgr_pool_calloc_at(pool, count, size, __FILE__, __LINE__)
#define memmgr_pool_aligned_alloc(pool, alignment, size)                                           \
    memmgr_pool_aligned_alloc_at(pool, alignment, size, __FILE__, __LINE__)
#define memmgr_pool_realloc(pool, ptr, size)                                                       \
    memmgr_pool_realloc_at(pool, ptr, size, __FILE__, __LINE__)
#define memmgr_pool_free(pool, ptr) memmgr_pool_free_at(pool, ptr, __FILE__, __LINE__)
#define memmgr_pool_usable_size(pool, ptr) memmgr_pool_usable_size_at(pool, ptr, __FILE__, __LINE__)
// clang-format on
#endif

// >>changelog
//
// What a version adds; names and behaviour of 1.0.0 stay as they are until 2.0.0.
//
// 1.0.0  MEMMGR_SMALL; WebAssembly, Windows, 16-bit size_t, systems without compare-and-swap; a
//        manual page, packages for pkg-config, CMake, Meson, Conan and vcpkg; memory of a quiet
//        program goes back; thirty faults that proofs, models, mutants, fuzzing, other processors
//        and servers under load found, the worst of them: of two threads that free one watched
//        block at once both could take effect, and an audit did not see the end of the map
// 0.3.0  watched calls: MEMMGR_DEBUG, MEMMGR_POOL_TRACK, _GUARD, _QUARANTINE, memmgr_watch, the _at
//        calls; memmgr_set_faults, _fail_each, _trace_start; memmgr_pool_leaks; pictures by size,
//        with sites and in colour; JSON; ASan and Valgrind are told
// 0.2.0  general calls with a heap for each thread, MEMMGR_OVERRIDE, preload, memmgr_check, _walk,
//        _draw, _print, _leaks, _set_fill
// 0.1.0  pools, the switch, general calls over one growing pool

// >>licence
//
// MIT License
//
// Copyright (c) 2026 memmgr contributors
//
// Permission is hereby granted, free of charge, to any person obtaining a copy
// of this software and associated documentation files (the "Software"), to deal
// in the Software without restriction, including without limitation the rights
// to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
// copies of the Software, and to permit persons to whom the Software is
// furnished to do so, subject to the following conditions:
//
// The above copyright notice and this permission notice shall be included in all
// copies or substantial portions of the Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
// IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
// FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
// AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
// LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
// OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
// SOFTWARE.
