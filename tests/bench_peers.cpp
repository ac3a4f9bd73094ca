// bench_peers.cpp: the adaptors in C++ for bench.h. One of these is defined when it is compiled:
//
//     BENCH_PMR               std::pmr::unsynchronized_pool_resource on a monotonic one
//     BENCH_PMR_DROP          std::pmr::monotonic_buffer_resource: frees only everything
//     BENCH_FOONATHAN         memory_pool_collection, a free list for each power of two
//     BENCH_FOONATHAN_FIXED   memory_pool: blocks of one size
//     BENCH_FOONATHAN_DROP    memory_stack, unwound as a whole
//     BENCH_BOOST_FIXED       boost::pool: blocks of one size
//
// None of them can resize a block: for that the caller allocates, copies and frees.
#define HEAP_IN_BUFFER true
#include "bench.h"

#include <new>
#include <optional>

static char *rest_at, *rest_end; // what of the buffer has not been given to the allocator yet

[[maybe_unused]] static void rest_start(void *buffer, size_t size) {
    rest_at = static_cast<char *>(buffer);
    rest_end = rest_at + size;
}

// What the allocators take the buffer's memory from, in pieces.
[[maybe_unused]] static void *rest_take(size_t size) noexcept {
    size = (size + 15) & ~static_cast<size_t>(15);
    if (size > static_cast<size_t>(rest_end - rest_at)) return nullptr;
    rest_at += size;
    return rest_at - size;
}

#if defined(BENCH_PMR) || defined(BENCH_PMR_DROP)

#include <memory_resource>

static std::optional<std::pmr::monotonic_buffer_resource> whole;

#ifdef BENCH_PMR
static std::optional<std::pmr::unsynchronized_pool_resource> heap;
static void heap_make(const bench_job *job) {
    std::pmr::pool_options options;
    options.largest_required_pool_block = job->most;
    heap.emplace(options, &*whole);
}
#else
static auto &heap = whole;
static void heap_make(const bench_job *) {}
#endif

static bool heap_open(const bench_job *job, void *buffer) {
    heap.reset();
    whole.emplace(buffer, job->buffer, std::pmr::null_memory_resource());
    heap_make(job);
    return true;
}

static inline void *heap_alloc(size_t size) {
    try {
        return heap->allocate(size, 16);
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

static inline void heap_free(void *block, size_t size) { heap->deallocate(block, size, 16); }
static void heap_drop(void **, const uint32_t *, size_t) { heap->release(); }

#elif defined(BENCH_FOONATHAN) || defined(BENCH_FOONATHAN_FIXED) || defined(BENCH_FOONATHAN_DROP)

#include <foonathan/memory/memory_pool.hpp>
#include <foonathan/memory/memory_pool_collection.hpp>
#include <foonathan/memory/memory_stack.hpp>

namespace fm = foonathan::memory;

// Gives the arenas the buffer in blocks of one size.
class buffer_blocks {
    size_t size;

  public:
    explicit buffer_blocks(size_t block_size) : size(block_size) {}
    size_t next_block_size() const { return size; }
    void deallocate_block(fm::memory_block) {}
    fm::memory_block allocate_block() {
        if (void *memory = rest_take(size)) return fm::memory_block(memory, size);
        throw std::bad_alloc();
    }
};

#if defined(BENCH_FOONATHAN)
static std::optional<fm::memory_pool_collection<fm::node_pool, fm::log2_buckets, buffer_blocks>>
    heap;
static bool exhausted; // then an empty list must not be asked: it would be given the arena's rest a
                       // second time
static void heap_make(const bench_job *job, size_t block) {
    heap.emplace(job->most, block);
    exhausted = false;
}
#elif defined(BENCH_FOONATHAN_FIXED)
static std::optional<fm::memory_pool<fm::node_pool, buffer_blocks>> heap;
static void heap_make(const bench_job *job, size_t block) { heap.emplace(job->most, block); }
#else
static std::optional<fm::memory_stack<buffer_blocks>> heap;
static std::optional<fm::memory_stack<buffer_blocks>::marker> empty;
static void heap_make(const bench_job *, size_t block) {
    heap.emplace(block);
    empty = heap->top();
}
#endif

static bool heap_open(const bench_job *job, void *buffer) {
    size_t block =
        job->buffer / 64; // shared by up to 14 lists, each of which needs room for one block
    if (block < job->most * 16) block = job->most * 16;
    if (block > job->buffer / 8) return false;
    heap.reset();
    rest_start(buffer, job->buffer);
    heap_make(job, block);
    return true;
}

static inline void *heap_alloc(size_t size) {
    try {
#if defined(BENCH_FOONATHAN)
        if (exhausted && heap->pool_capacity_left(size) == 0) return nullptr;
        return heap->allocate_node(size);
#elif defined(BENCH_FOONATHAN_FIXED)
        (void)size;
        return heap->allocate_node();
#else
        return heap->allocate(size, 16);
#endif
    } catch (const std::bad_alloc &) {
#if defined(BENCH_FOONATHAN)
        exhausted = true;
#endif
        return nullptr;
    }
}

static inline void heap_free(void *block, size_t size) {
#if defined(BENCH_FOONATHAN)
    heap->deallocate_node(block, size);
#elif defined(BENCH_FOONATHAN_FIXED)
    (void)size;
    heap->deallocate_node(block);
#else
    (void)block, (void)size;
#endif
}

static void heap_drop(void **all, const uint32_t *all_sizes, size_t count) {
#if defined(BENCH_FOONATHAN_DROP)
    (void)all, (void)all_sizes, (void)count;
    heap->unwind(*empty);
#else
    for (size_t i = 0; i < count; i++)
        heap_free(all[i], all_sizes[i]);
#endif
}

#else

#include <boost/pool/pool.hpp>

struct buffer_memory {
    typedef std::size_t size_type;
    typedef std::ptrdiff_t difference_type;
    static char *malloc(size_type size) { return static_cast<char *>(rest_take(size)); }
    static void free(char *) {}
};

static std::optional<boost::pool<buffer_memory>> heap;

static bool heap_open(const bench_job *job, void *buffer) {
    if (job->least != job->most) return false;
    heap.reset();
    rest_start(buffer, job->buffer);
    heap.emplace(job->most);
    return true;
}

static inline void *heap_alloc(size_t) { return heap->malloc(); }
static inline void heap_free(void *block, size_t) { heap->free(block); }

static void heap_drop(void **all, const uint32_t *all_sizes, size_t count) {
    for (size_t i = 0; i < count; i++)
        heap_free(all[i], all_sizes[i]);
}

#endif

static inline void *heap_realloc(void *block, size_t old_size, size_t size) {
    void *moved = heap_alloc(size);
    if (!moved) return nullptr;
    memcpy(moved, block, old_size < size ? old_size : size);
    heap_free(block, old_size);
    return moved;
}

int main(int argc, char **argv) { return bench_main(argc, argv); }
