// memmgr.hpp: memmgr behind C++ containers. Two resources for std::pmr, and two allocators for
// everything else: one of each on the general calls, one of each on a pool. C++17.
//
// Without exceptions (-fno-exceptions) a request that fails ends the program, with a line that says
// which. Without RTTI (-fno-rtti) a resource equals no other one, so containers move what they
// could have handed over. A resource reports misuse and leaks as of the line where it was made.
#ifndef MEMMGR_HPP
#define MEMMGR_HPP

#include "memmgr.h"
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory_resource>
#include <new>
#include <type_traits>

// The line of whoever calls a function whose default arguments these are.
#if defined(__GNUC__) || (defined(_MSC_VER) && _MSC_VER >= 1926)
#define MEMMGR_HPP_FILE __builtin_FILE()
#define MEMMGR_HPP_LINE __builtin_LINE()
#else
#define MEMMGR_HPP_FILE nullptr
#define MEMMGR_HPP_LINE 0
#endif

namespace memmgr {

// A line of the program; without a file it is the place of the call that the report is about.
struct site {
    const char *file = nullptr;
    int line = 0;
};

// Ends the program, or throws. The picture of a pool begins with its name.
[[noreturn]] inline void out_of_memory(std::size_t bytes, const memmgr_pool *pool, site at) {
#ifdef __cpp_exceptions
    (void)bytes, (void)pool, (void)at;
    throw std::bad_alloc();
#else
    std::fprintf(stderr, "%s:%d: no %zu bytes in the %s\n", at.file ? at.file : "memmgr.hpp",
                 at.line, bytes, pool ? "pool" : "general heap");
    if (pool) memmgr_pool_print(pool, stderr);
    std::abort();
#endif
}

// What a plain call is aligned to. Beyond that it is asked for.
constexpr std::size_t plain_alignment = alignof(std::max_align_t);

inline void *general_allocate(std::size_t bytes, std::size_t alignment) {
    void *block = alignment <= plain_alignment ? memmgr_malloc(bytes)
                                               : memmgr_aligned_alloc(alignment, bytes);
    if (!block) out_of_memory(bytes, nullptr, {});
    return block;
}

inline void *general_allocate_at(std::size_t bytes, std::size_t alignment, site at) {
    void *block = alignment <= plain_alignment
                      ? memmgr_malloc_at(bytes, at.file, at.line)
                      : memmgr_aligned_alloc_at(alignment, bytes, at.file, at.line);
    if (!block) out_of_memory(bytes, nullptr, at);
    return block;
}

inline void *pool_allocate(memmgr_pool *pool, std::size_t bytes, std::size_t alignment) {
    void *block = alignment <= plain_alignment ? memmgr_pool_alloc(pool, bytes)
                                               : memmgr_pool_aligned_alloc(pool, alignment, bytes);
    if (!block) out_of_memory(bytes, pool, {});
    return block;
}

inline void *pool_allocate_at(memmgr_pool *pool, std::size_t bytes, std::size_t alignment,
                              site at) {
    void *block = alignment <= plain_alignment
                      ? memmgr_pool_alloc_at(pool, bytes, at.file, at.line)
                      : memmgr_pool_aligned_alloc_at(pool, alignment, bytes, at.file, at.line);
    if (!block) out_of_memory(bytes, pool, at);
    return block;
}

// The bytes of `count` T. A standard allocator says it like this when there is no such number.
template <typename T> std::size_t bytes_of(std::size_t count) {
#ifdef __cpp_exceptions
    if (count > SIZE_MAX / sizeof(T)) throw std::bad_array_new_length();
#else
    if (count > SIZE_MAX / sizeof(T)) out_of_memory(SIZE_MAX, nullptr, {});
#endif
    return count * sizeof(T);
}

// --- std::pmr ------------------------------------------------------------------------------------

// May be shared by threads; any such resource frees what another one allocated.
class general_resource : public std::pmr::memory_resource {
    site made_;

    void *do_allocate(std::size_t bytes, std::size_t alignment) override {
        return general_allocate_at(bytes, alignment, made_);
    }
    void do_deallocate(void *block, std::size_t, std::size_t) override {
        memmgr_free_at(block, made_.file, made_.line);
    }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
#ifdef __cpp_rtti
        return dynamic_cast<const general_resource *>(&other) != nullptr;
#else
        return &other == this;
#endif
    }

  public:
    explicit general_resource(const char *file = MEMMGR_HPP_FILE, int line = MEMMGR_HPP_LINE)
        : made_{file, line} {}
};

// The pool is the caller's, and must be there as long as what is in it. One thread's at a time,
// unless it was made with MEMMGR_POOL_LOCKED.
class pool_resource : public std::pmr::memory_resource {
    memmgr_pool *pool_;
    site made_;

    void *do_allocate(std::size_t bytes, std::size_t alignment) override {
        return pool_allocate_at(pool_, bytes, alignment, made_);
    }
    void do_deallocate(void *block, std::size_t, std::size_t) override {
        memmgr_pool_free_at(pool_, block, made_.file, made_.line);
    }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
#ifdef __cpp_rtti
        const pool_resource *same = dynamic_cast<const pool_resource *>(&other);
        return same && same->pool_ == pool_;
#else
        return &other == this;
#endif
    }

  public:
    explicit pool_resource(memmgr_pool *pool, const char *file = MEMMGR_HPP_FILE,
                           int line = MEMMGR_HPP_LINE)
        : pool_(pool), made_{file, line} {}
    memmgr_pool *pool() const { return pool_; }
};

// --- Standard allocators -------------------------------------------------------------------------

template <typename T> struct general_allocator {
    using value_type = T;
    using is_always_equal = std::true_type;

    general_allocator() = default;
    template <typename U> general_allocator(const general_allocator<U> &) noexcept {}

    T *allocate(std::size_t count) {
        return static_cast<T *>(general_allocate(bytes_of<T>(count), alignof(T)));
    }
    void deallocate(T *block, std::size_t) noexcept { memmgr_free(block); }
};

template <typename T, typename U>
bool operator==(const general_allocator<T> &, const general_allocator<U> &) noexcept {
    return true;
}

template <typename T, typename U>
bool operator!=(const general_allocator<T> &, const general_allocator<U> &) noexcept {
    return false;
}

// Moved and swapped containers take their pool along; copies by assignment stay in theirs.
template <typename T> struct pool_allocator {
    using value_type = T;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;
    memmgr_pool *pool;

    explicit pool_allocator(memmgr_pool *from) noexcept : pool(from) {}
    template <typename U>
    pool_allocator(const pool_allocator<U> &other) noexcept : pool(other.pool) {}

    T *allocate(std::size_t count) {
        return static_cast<T *>(pool_allocate(pool, bytes_of<T>(count), alignof(T)));
    }
    void deallocate(T *block, std::size_t) noexcept { memmgr_pool_free(pool, block); }
};

template <typename T, typename U>
bool operator==(const pool_allocator<T> &a, const pool_allocator<U> &b) noexcept {
    return a.pool == b.pool;
}

template <typename T, typename U>
bool operator!=(const pool_allocator<T> &a, const pool_allocator<U> &b) noexcept {
    return a.pool != b.pool;
}

} // namespace memmgr

#undef MEMMGR_HPP_FILE
#undef MEMMGR_HPP_LINE

#endif
