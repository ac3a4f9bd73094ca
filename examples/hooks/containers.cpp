// containers.cpp: the resources and allocators of memmgr.hpp at work behind the standard
// containers, compared with the ones of the C++ library; and the rules that they must keep.

#include "compare.h"
#include "memmgr.hpp"
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

static const std::size_t no_limit = 0;

static memmgr_pool *open_pool(std::size_t limit) {
    memmgr_pool_desc desc = {};
    desc.name = "containers";
    desc.flags = MEMMGR_POOL_GROW;
    desc.limit = limit;
    return memmgr_pool_create(16384, &desc);
}

// --- std::pmr ------------------------------------------------------------------------------------

// An index of words, as a search engine would have it. The resource goes down into the strings and
// vectors by itself.
static uint64_t pmr_index(std::pmr::memory_resource *memory) {
    uint64_t state = 6, hash = HASH_START;
    std::pmr::map<std::pmr::string, std::pmr::vector<int>> index(memory);
    std::pmr::unordered_map<int, std::pmr::string> documents(memory);
    for (int i = 0; i < 60000; i++) {
        std::pmr::string word("word number ", memory);
        word += std::to_string(noise(&state) % 5000);
        index[word].push_back(i);
        documents.emplace(i, word + " in a document of some length");
    }
    for (int i = 0; i < 60000; i += 3)
        documents.erase(i);
    for (const auto &entry : index) {
        hash = hash_bytes(hash, entry.first.data(), entry.first.size());
        for (int place : entry.second)
            hash = hash_number(hash, documents.count(place));
    }
    return hash;
}

// A queue, a list that is sorted and spliced, and one of the standard's own resources on top.
static uint64_t pmr_lists(std::pmr::memory_resource *memory) {
    uint64_t state = 7, hash = HASH_START;
    std::pmr::unsynchronized_pool_resource nodes(memory);
    std::pmr::list<uint64_t> first(&nodes), second(&nodes);
    std::pmr::deque<uint64_t> queue(memory);
    for (int i = 0; i < 50000; i++) {
        first.push_back(noise(&state) % 100000);
        second.push_front(noise(&state) % 100000);
        queue.push_back(first.back());
        if (i % 3 == 2) queue.pop_front();
    }
    first.sort();
    second.sort();
    first.merge(second);
    first.unique();
    for (uint64_t number : first)
        hash = hash_number(hash, number);
    for (uint64_t number : queue)
        hash = hash_number(hash, number);
    return hash;
}

static uint64_t pmr_work(std::pmr::memory_resource *memory) {
    return pmr_index(memory) ^ pmr_lists(memory);
}

static uint64_t pmr_on_libc(void *) { return pmr_work(std::pmr::new_delete_resource()); }

static uint64_t pmr_on_general(void *) {
    memmgr::general_resource memory;
    return pmr_work(&memory);
}

static uint64_t pmr_on_pool(void *) {
    memmgr::pool_resource memory(open_pool(no_limit));
    uint64_t answer = pmr_work(&memory);
    end_pool(memory.pool());
    return answer;
}

// --- Standard allocators -------------------------------------------------------------------------

struct alignas(64) line {
    uint64_t value;
};

// `From` is an allocator of anything: containers rebind it to what they need.
template <typename From> static uint64_t allocator_work(const From &from) {
    using traits = std::allocator_traits<From>;
    using chars = typename traits::template rebind_alloc<char>;
    using text = std::basic_string<char, std::char_traits<char>, chars>;
    using entry = std::pair<const int, text>;
    using entries = typename traits::template rebind_alloc<entry>;
    using lines = std::vector<line, typename traits::template rebind_alloc<line>>;

    uint64_t state = 8, hash = HASH_START;
    std::map<int, text, std::less<int>, entries> sorted{entries(from)};
    std::unordered_map<int, text, std::hash<int>, std::equal_to<int>, entries> hashed{
        entries(from)};
    lines wide{typename lines::allocator_type(from)};
    for (int i = 0; i < 60000; i++) {
        int key = (int)(noise(&state) % 20000);
        text value("a value that is too long for a small string ", chars(from));
        value.append((std::size_t)(key % 40), '.');
        if (i % 4 == 3) sorted.erase(key % 1000);
        sorted.insert(entry(key, value));
        hashed.insert(entry(key, std::move(value)));
        if (i % 8 == 0) wide.push_back(line{(uint64_t)key});
    }
    auto shared = std::allocate_shared<line>(from, line{hash});
    for (const entry &one : sorted)
        hash = hash_number(hash, (uint64_t)one.first * hashed.at(one.first).size());
    for (const line &one : wide) {
        if (reinterpret_cast<uintptr_t>(&one) % alignof(line) != 0) return 0;
        hash = hash_number(hash, one.value);
    }
    return hash_number(hash, shared->value);
}

static uint64_t allocator_on_libc(void *) { return allocator_work(std::allocator<int>()); }

static uint64_t allocator_on_general(void *) {
    return allocator_work(memmgr::general_allocator<int>());
}

static uint64_t allocator_on_pool(void *) {
    memmgr_pool *pool = open_pool(no_limit);
    uint64_t answer = allocator_work(memmgr::pool_allocator<int>(pool));
    end_pool(pool);
    return answer;
}

// --- The rules -----------------------------------------------------------------------------------

// Does it throw just this?
template <typename Exception, typename Action> static bool throws(Action action) {
    try {
        action();
    } catch (const Exception &) {
        return true;
    } catch (...) {
    }
    return false;
}

template <typename T> static T opaque(T value) {
    volatile T hidden = value; // a size that no compiler warns about
    return hidden;
}

static void check_equality(memmgr_pool *one, memmgr_pool *two) {
    memmgr::general_resource a, b;
    memmgr::pool_resource in_one(one), also_in_one(one), in_two(two);
    check(a.is_equal(b) && a == b, "equality", "of general resources");
    check(in_one == also_in_one && in_one != in_two, "equality", "of pools: by the pool");
    check(a != in_one && in_one != a, "equality", "of a pool and the general calls: never");
    check(a != *std::pmr::new_delete_resource(), "equality", "with a foreign resource: never");

    memmgr::pool_allocator<int> ints(one);
    memmgr::pool_allocator<std::string> strings(ints);
    check(ints == strings && memmgr::pool_allocator<int>(strings) == ints, "equality",
          "of an allocator and what it is rebound to");
    check(ints != memmgr::pool_allocator<int>(two), "equality", "of allocators: by the pool");
    check(memmgr::general_allocator<int>() == memmgr::general_allocator<long>(), "equality",
          "of general allocators: always");

    // What one resource allocated an equal one frees.
    b.deallocate(a.allocate(100, 64), 100, 64);
    also_in_one.deallocate(in_one.allocate(100, 64), 100, 64);
}

// From 1 to 64 KiB, of sizes that are no multiple of it, and none.
static void check_alignment(std::pmr::memory_resource *memory, const char *name) {
    bool aligned = true;
    for (std::size_t alignment = 1; alignment <= 65536; alignment *= 2) {
        for (std::size_t size : {std::size_t(0), std::size_t(1), std::size_t(100), 3 * alignment}) {
            void *block = memory->allocate(size, alignment);
            if (reinterpret_cast<uintptr_t>(block) % alignment != 0) aligned = false;
            memset(block, 1, size);
            memory->deallocate(block, size, alignment);
        }
    }
    check(aligned, name, "every alignment");
}

static void check_overflow(memmgr_pool *pool) {
    memmgr::general_allocator<line> general;
    memmgr::pool_allocator<line> in_pool(pool);
    memmgr::pool_resource memory(pool);
    memmgr::general_resource heap;
    std::size_t many = opaque(SIZE_MAX / sizeof(line) + 1), most = opaque(SIZE_MAX);
    using overflow = std::bad_array_new_length;
    check(throws<overflow>([&] { (void)general.allocate(many); }), "overflow", "general calls");
    check(throws<overflow>([&] { (void)in_pool.allocate(many); }), "overflow", "pool");
    check(throws<std::bad_alloc>([&] { (void)in_pool.allocate(many - 1); }), "overflow",
          "just below it");
    check(throws<std::bad_alloc>([&] { (void)memory.allocate(most); }), "overflow", "resource");
    check(throws<std::bad_alloc>([&] { (void)heap.allocate(most - 100, 4096); }), "overflow",
          "aligned");
}

// A container that runs out of memory is as it was before.
static void check_exhaustion() {
    memmgr_pool *pool = open_pool(256 * 1024);
    {
        memmgr::pool_resource memory(pool);
        std::pmr::vector<std::pmr::string> texts(&memory);
        auto fill = [&] {
            for (;;)
                texts.emplace_back("a string that is too long to stand in the object itself");
        };
        check(throws<std::bad_alloc>(fill), "full", "bad_alloc");
        std::size_t size = texts.size();
        check(size > 100 && texts.back().size() == 55, "full", "the container is whole");
        texts.resize(size / 2);
        texts.shrink_to_fit();
        std::pmr::list<int> more({1, 2, 3}, &memory);
        check(more.size() == 3, "full", "there is room again");
    }
    check(memmgr_pool_destroy(pool) == 0, "full", "no leak");
}

// Between two pools a pmr container is copied, whatever is written; an allocator goes along.
static void check_moves(memmgr_pool *one, memmgr_pool *two) {
    memmgr::pool_resource in_one(one), in_two(two);
    std::pmr::vector<int> from(1000, 7, &in_one), to(&in_two);
    to = std::move(from);
    check(memmgr_pool_owns(two, to.data()), "moves", "pmr: elements are moved over");

    using ints = std::vector<int, memmgr::pool_allocator<int>>;
    ints a(1000, 7, memmgr::pool_allocator<int>(one)), b{memmgr::pool_allocator<int>(two)};
    const int *before = a.data();
    b = std::move(a);
    check(b.data() == before && b.get_allocator().pool == one, "moves", "the allocator moves");
    ints c(10, 1, memmgr::pool_allocator<int>(two));
    b.swap(c);
    check(c.data() == before && memmgr_pool_owns(two, b.data()), "moves", "and is swapped");
    c = b;
    check(memmgr_pool_owns(one, c.data()) && c.size() == 10, "moves", "a copy stays in its pool");
}

static uint64_t rules(void *) {
    memmgr_pool *one = open_pool(no_limit), *two = open_pool(64u << 20);
    memmgr::general_resource heap;
    memmgr::pool_resource memory(two);
    check_equality(one, two);
    check_alignment(&heap, "general calls");
    check_alignment(&memory, "pool");
    check_overflow(two);
    check_exhaustion();
    check_moves(one, two);
    end_pool(one);
    end_pool(two);
    return checks_failed == 0;
}

int main() {
    compare_head();
    compare("pmr", pmr_on_libc, pmr_on_general, nullptr);
    compare("pmr, pool", pmr_on_libc, pmr_on_pool, nullptr);
    compare("allocator", allocator_on_libc, allocator_on_general, nullptr);
    compare("allocator, pool", allocator_on_libc, allocator_on_pool, nullptr);
    run_here(rules, nullptr);
    check(run.answer == 1, "rules", "all hold");
    check_clean("rules", &run);
    return checks_end();
}
