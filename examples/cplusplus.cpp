// From C++: the header compiles as C++11, and a pool can stand behind the standard containers.

#include <cstdio>
#include <map>
#include <new>
#include <string>

#define MEMMGR_IMPLEMENTATION
#include "memmgr.h"

// A standard allocator over a pool.
template <typename T> struct PoolAllocator {
    typedef T value_type;
    memmgr_pool *pool;

    explicit PoolAllocator(memmgr_pool *from) : pool(from) {}
    template <typename U> PoolAllocator(const PoolAllocator<U> &other) : pool(other.pool) {}

    T *allocate(std::size_t count) {
        void *memory = nullptr;
        if (count <= SIZE_MAX / sizeof(T))
            memory = memmgr_pool_aligned_alloc(pool, alignof(T), count * sizeof(T));
        if (!memory) throw std::bad_alloc();
        return static_cast<T *>(memory);
    }
    void deallocate(T *memory, std::size_t) { memmgr_pool_free(pool, memory); }
    bool operator==(const PoolAllocator &other) const { return pool == other.pool; }
    bool operator!=(const PoolAllocator &other) const { return pool != other.pool; }
};

typedef std::map<int, int, std::less<int>, PoolAllocator<std::pair<const int, int>>> Map;

int main() {
    static unsigned char buffer[64 * 1024];
    memmgr_pool *pool = memmgr_pool_init(buffer, sizeof buffer, nullptr);
    if (!pool) return 1;

    int sum = 0;
    bool ran_out = false;
    {
        Map squares{PoolAllocator<std::pair<const int, int>>(pool)};
        for (int i = 0; i < 500; i++)
            squares[i] = i * i;
        for (const auto &entry : squares)
            sum += entry.second;
        try {
            for (int i = 500; i < 100000; i++)
                squares[i] = 0;
        } catch (const std::bad_alloc &) {
            ran_out = true;
            std::printf("sum %d, then full with %zu entries\n", sum, squares.size());
        }
    }
    std::size_t leaks = memmgr_pool_destroy(pool);
    return leaks == 0 && sum == 41541750 && ran_out ? 0 : 1;
}
