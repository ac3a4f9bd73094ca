// memmgr.hpp: memmgr behind C++ containers. Two resources for std::pmr, and two allocators for
// everything else: one of each on the general calls, one of each on a pool. C++17.
#ifndef MEMMGR_HPP
#define MEMMGR_HPP

#include "memmgr.h"
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <new>
#include <type_traits>

namespace memmgr {

// What a plain call is aligned to. Beyond that it is asked for.
constexpr std::size_t plain_alignment = alignof(std::max_align_t);

inline void *general_allocate(std::size_t bytes, std::size_t alignment) {
    void *block = alignment <= plain_alignment ? memmgr_malloc(bytes)
                                               : memmgr_aligned_alloc(alignment, bytes);
    if (!block) throw std::bad_alloc();
    return block;
}

inline void *pool_allocate(memmgr_pool *pool, std::size_t bytes, std::size_t alignment) {
    void *block = alignment <= plain_alignment ? memmgr_pool_alloc(pool, bytes)
                                               : memmgr_pool_aligned_alloc(pool, alignment, bytes);
    if (!block) throw std::bad_alloc();
    return block;
}

// The bytes of `count` T. A standard allocator says it like this when there is no such number.
template <typename T> std::size_t bytes_of(std::size_t count) {
    if (count > SIZE_MAX / sizeof(T)) throw std::bad_array_new_length();
    return count * sizeof(T);
}

// --- std::pmr ------------------------------------------------------------------------------------

// May be shared by threads; any such resource frees what another one allocated.
class general_resource : public std::pmr::memory_resource {
    void *do_allocate(std::size_t bytes, std::size_t alignment) override {
        return general_allocate(bytes, alignment);
    }
    void do_deallocate(void *block, std::size_t, std::size_t) override { memmgr_free(block); }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
        return dynamic_cast<const general_resource *>(&other) != nullptr;
    }
};

// The pool is the caller's, and must be there as long as what is in it. One thread's at a time,
// unless it was made with MEMMGR_POOL_LOCKED.
class pool_resource : public std::pmr::memory_resource {
    memmgr_pool *pool_;

    void *do_allocate(std::size_t bytes, std::size_t alignment) override {
        return pool_allocate(pool_, bytes, alignment);
    }
    void do_deallocate(void *block, std::size_t, std::size_t) override {
        memmgr_pool_free(pool_, block);
    }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
        const pool_resource *same = dynamic_cast<const pool_resource *>(&other);
        return same && same->pool_ == pool_;
    }

  public:
    explicit pool_resource(memmgr_pool *pool) : pool_(pool) {}
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

#endif
