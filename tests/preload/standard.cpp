// standard.cpp: the C++ standard library's own use of memory, whoever provides it.
#include "../test.h"

#include <algorithm>
#include <any>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <forward_list>
#include <fstream>
#include <functional>
#include <future>
#include <iomanip>
#include <iostream>
#include <list>
#include <locale>
#include <map>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <new>
#include <numeric>
#include <queue>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <valarray>
#include <variant>
#include <vector>

namespace {

enum { THREADS = 4 };

std::size_t opaque(std::size_t size) {
    volatile std::size_t hidden = size;
    return hidden;
}

// A pair of new and delete that no compiler may leave out.
template <class T> T *kept(T *pointer) {
    T *volatile hidden = pointer;
    return hidden;
}

bool is_aligned(const void *pointer, std::size_t alignment) {
    return reinterpret_cast<std::uintptr_t>(pointer) % alignment == 0;
}

std::string word(std::size_t number) {
    return "word " + std::to_string(number * number) + std::string(number % 40, 'x');
}

// --- Containers ----------------------------------------------------------------------------------

void test_standard_sequences() {
    std::vector<std::string> vector;
    std::deque<std::string> deque;
    std::list<std::string> list;
    std::forward_list<std::string> forward;
    for (std::size_t i = 0; i < 5000; i++) {
        vector.push_back(word(i));
        deque.push_front(word(i));
        list.insert(i % 2 ? list.begin() : list.end(), word(i));
        forward.push_front(word(i));
    }
    std::sort(deque.begin(), deque.end());
    list.sort();
    forward.sort();
    std::sort(vector.begin(), vector.end());
    CHECK(std::equal(vector.begin(), vector.end(), deque.begin(), deque.end()));
    CHECK(std::equal(vector.begin(), vector.end(), list.begin(), list.end()));
    CHECK(std::equal(vector.begin(), vector.end(), forward.begin(), forward.end()));
    vector.resize(100);
    vector.shrink_to_fit();
    std::vector<std::vector<int>> table(300, std::vector<int>(300, 7));
    table.erase(table.begin() + 10, table.begin() + 200);
    CHECK_EQUAL(table.size() * table[0].size(), 110 * 300);
    std::stable_sort(table.begin(), table.end());
    std::valarray<double> numbers(1.5, 10000);
    CHECK(numbers.sum() > 14999 && numbers.sum() < 15001);
}

void test_standard_maps() {
    std::map<std::string, std::vector<int>> map;
    std::unordered_map<std::size_t, std::string> hashed;
    std::multiset<std::size_t> set;
    std::priority_queue<std::pair<std::size_t, std::string>> queue;
    for (std::size_t i = 0; i < 20000; i++) {
        std::size_t key = test_below(3000);
        map[word(key % 500)].push_back(static_cast<int>(i));
        hashed[key] = word(key);
        set.insert(key);
        queue.emplace(key, word(key));
        if (i % 3 == 0) hashed.erase(test_below(3000));
        if (i % 3 == 0) queue.pop();
    }
    std::size_t count = 0;
    for (const auto &entry : map)
        count += entry.second.size();
    CHECK_EQUAL(count, 20000);
    for (const auto &entry : hashed)
        CHECK(entry.second == word(entry.first));
    CHECK_EQUAL(set.size(), 20000);
    for (; !queue.empty(); queue.pop())
        CHECK(queue.top().second == word(queue.top().first));
}

void test_standard_values() {
    std::any any = std::string(500, 'a');
    std::variant<int, std::string, std::vector<int>> variant = std::vector<int>(1000, 3);
    CHECK(std::any_cast<std::string>(any).size() == 500);
    any = std::vector<std::string>(10, word(30));
    CHECK(std::accumulate(std::get<2>(variant).begin(), std::get<2>(variant).end(), 0) == 3000);
    variant = word(39);
    CHECK(std::get<1>(variant) == word(39));
    std::vector<std::function<std::size_t()>> calls;
    for (std::size_t i = 0; i < 500; i++) {
        std::string text = word(i);
        calls.emplace_back([text, i] { return text.size() + i; });
    }
    for (std::size_t i = 0; i < 500; i++)
        CHECK_EQUAL(calls[i](), word(i).size() + i);
}

// --- Owners --------------------------------------------------------------------------------------

struct node {
    std::string text = word(17);
    std::shared_ptr<node> next;
    std::weak_ptr<node> back;
    static std::atomic<int> alive;
    node() { alive++; }
    node(const node &) = delete;
    node &operator=(const node &) = delete;
    virtual ~node() { alive--; }
};

std::atomic<int> node::alive{0};

void test_standard_pointers() {
    std::shared_ptr<node> first = std::make_shared<node>();
    for (int i = 0; i < 1000; i++) {
        std::shared_ptr<node> next(i % 2 ? new node : nullptr);
        if (!next) next = std::make_shared<node>();
        next->next = first;
        first->back = next;
        first = next;
    }
    std::vector<std::thread> threads;
    for (int i = 0; i < THREADS; i++) {
        threads.emplace_back([first] {
            std::vector<std::shared_ptr<node>> copies;
            for (std::shared_ptr<node> at = first; at; at = at->next)
                copies.push_back(at);
        });
    }
    while (first)
        first = first->next; // the threads may be the last owners
    for (std::thread &thread : threads)
        thread.join();
    CHECK_EQUAL(node::alive.load(), 0);
    std::unique_ptr<node[]> array(new node[10]);
    CHECK_EQUAL(node::alive.load(), 10);
    array.reset();
    CHECK_EQUAL(node::alive.load(), 0);
}

void test_standard_threads() {
    static thread_local std::vector<std::string> own; // ends with its thread
    std::vector<std::future<std::vector<std::string>>> results;
    std::vector<std::string> moved;
    std::mutex lock;
    for (std::size_t i = 0; i < 40; i++) {
        results.push_back(std::async(std::launch::async, [i, &moved, &lock] {
            for (std::size_t j = 0; j < 200; j++)
                own.push_back(word(i + j));
            std::lock_guard<std::mutex> guard(lock);
            if (!moved.empty() && i % 2) moved.erase(moved.begin());
            moved.push_back(own.back());
            return own;
        }));
    }
    for (std::size_t i = 0; i < 40; i++) {
        std::vector<std::string> result = results[i].get();
        CHECK(result.size() == 200 && result[7] == word(i + 7));
    }
}

// --- Exceptions ----------------------------------------------------------------------------------

void fail_deeply(int depth) {
    std::string local = word(static_cast<std::size_t>(depth));
    if (depth == 0) throw std::runtime_error("at the bottom: " + std::string(100, 'b'));
    try {
        fail_deeply(depth - 1);
    } catch (...) {
        std::throw_with_nested(std::logic_error(local));
    }
}

void test_standard_exceptions() {
    std::exception_ptr kept_for_later;
    for (int round = 0; round < 100; round++) {
        std::thread thrower([&kept_for_later] {
            try {
                fail_deeply(20);
            } catch (...) {
                kept_for_later = std::current_exception();
            }
        });
        thrower.join();
        try {
            std::rethrow_exception(kept_for_later);
        } catch (const std::logic_error &error) {
            CHECK(error.what() == word(20));
        }
        kept_for_later = nullptr;
    }
    int caught = 0;
    try {
        std::vector<int>().at(opaque(5));
    } catch (const std::out_of_range &) {
        caught++;
    }
    try {
        std::string().append(std::string().max_size(), 'x');
        std::vector<char> large(opaque(PTRDIFF_MAX));
    } catch (const std::bad_alloc &) {
        caught++;
    } catch (const std::length_error &) {
        caught++;
    }
    CHECK_EQUAL(caught, 2);
}

// --- Text ----------------------------------------------------------------------------------------

void test_standard_streams() {
    std::ostringstream out;
    for (int i = 0; i < 20000; i++)
        out << std::setw(8) << i << ' ' << std::hex << i << std::dec << '\n';
    std::istringstream in(out.str());
    long long sum = 0;
    std::string decimal, hexadecimal;
    while (in >> decimal >> hexadecimal)
        sum += std::stoll(decimal) - std::stoll(hexadecimal, nullptr, 16);
    CHECK_EQUAL(sum, 0);
    std::ifstream file("/proc/self/exe", std::ios::binary);
    std::string whole((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    CHECK(whole.size() > 10000 && whole.compare(1, 3, "ELF") == 0);
    std::locale grouped(std::locale(), new std::numpunct<char>);
    out.imbue(grouped);
    out << std::fixed << 12345.678;
    std::wstring wide(3000, L'w');
    std::wstringstream wide_stream;
    wide_stream << wide << wide;
    CHECK_EQUAL(wide_stream.str().size(), 6000);
}

void test_standard_regex() {
    std::string text;
    for (std::size_t i = 0; i < 300; i++)
        text += word(i) + ", ";
    std::regex pattern("word ([0-9]+)(x*), ");
    std::size_t count = 0;
    for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
        CHECK_EQUAL(std::stoull((*at)[1].str()), count * count);
        CHECK_EQUAL((*at)[2].length(), count % 40);
        count++;
    }
    CHECK_EQUAL(count, 300);
    CHECK(std::regex_replace(text, pattern, "").empty());
    bool refused = false;
    try {
        std::regex broken("(((");
    } catch (const std::regex_error &) {
        refused = true;
    }
    CHECK(refused);
}

// --- Memory resources ----------------------------------------------------------------------------

// Some versions of the pools do not keep to alignments beyond the usual ones, whoever provides
// their memory.
void use_resource(std::pmr::memory_resource *resource, std::size_t largest_alignment) {
    std::pmr::vector<std::pmr::string> strings(resource);
    std::pmr::map<int, std::pmr::string> map(resource);
    for (std::size_t i = 0; i < 3000; i++) {
        strings.emplace_back(word(i).c_str());
        map[static_cast<int>(i % 700)] = strings.back();
        if (i % 5 == 0) map.erase(static_cast<int>(i / 2));
    }
    for (std::size_t i = 0; i < 3000; i++)
        CHECK(strings[i] == word(i).c_str());
    for (std::size_t alignment = 1; alignment <= largest_alignment; alignment *= 2) {
        void *memory = resource->allocate(100, alignment);
        CHECK(is_aligned(memory, alignment));
        resource->deallocate(memory, 100, alignment);
    }
}

void test_standard_resources() {
    use_resource(std::pmr::new_delete_resource(), 4096);
    std::pmr::monotonic_buffer_resource monotonic;
    use_resource(&monotonic, alignof(std::max_align_t));
    std::pmr::unsynchronized_pool_resource pools;
    use_resource(&pools, alignof(std::max_align_t));
    std::pmr::synchronized_pool_resource shared;
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int i = 0; i < THREADS; i++) {
        threads.emplace_back([&shared, &wrong] {
            std::pmr::unordered_map<std::size_t, std::pmr::string> own(&shared);
            for (std::size_t j = 0; j < 2000; j++)
                own[j] = word(j).c_str();
            for (const auto &entry : own)
                if (entry.second != word(entry.first).c_str()) wrong++;
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    CHECK_EQUAL(wrong.load(), 0);
}

// --- new and delete ------------------------------------------------------------------------------

struct alignas(256) wide_type {
    char bytes[300];
};

void test_standard_new() {
    for (std::size_t size = 0; size < 100000; size += 1 + size / 4) {
        void *plain = kept(::operator new(size));
        void *array = kept(::operator new[](size));
        void *quiet = kept(::operator new(size, std::nothrow));
        void *quiet_array = kept(::operator new[](size, std::nothrow));
        CHECK(plain && array && quiet && quiet_array && plain != array && quiet != quiet_array);
        CHECK(is_aligned(plain, size >= __STDCPP_DEFAULT_NEW_ALIGNMENT__
                                    ? __STDCPP_DEFAULT_NEW_ALIGNMENT__
                                    : sizeof(void *)));
        memset(plain, 1, size);
        memset(quiet_array, 2, size);
        ::operator delete(plain, size);
        ::operator delete[](array, size);
        ::operator delete(quiet, std::nothrow);
        ::operator delete[](quiet_array, std::nothrow);
        ::operator delete(kept(::operator new(size)));
        ::operator delete[](kept(::operator new[](size)));
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr, opaque(5));
    ::operator delete(nullptr, std::align_val_t(64));
}

void test_standard_aligned_new() {
    for (std::size_t shift = 3; shift <= 16; shift++) {
        std::align_val_t alignment = std::align_val_t(std::size_t(1) << shift);
        std::size_t size = 3 * (std::size_t(1) << shift) / 2;
        void *plain = kept(::operator new(size, alignment));
        void *array = kept(::operator new[](size, alignment));
        void *quiet = kept(::operator new(size, alignment, std::nothrow));
        void *quiet_array = kept(::operator new[](size, alignment, std::nothrow));
        for (void *pointer : {plain, array, quiet, quiet_array}) {
            CHECK(pointer && is_aligned(pointer, std::size_t(1) << shift));
            memset(pointer, 5, size);
        }
        ::operator delete(plain, alignment);
        ::operator delete[](array, size, alignment);
        ::operator delete(quiet, alignment, std::nothrow);
        ::operator delete[](quiet_array, alignment, std::nothrow);
        ::operator delete(kept(::operator new(size, alignment)), size, alignment);
    }
    std::vector<wide_type> wide(50);
    wide.resize(500);
    CHECK(is_aligned(wide.data(), 256) && is_aligned(&wide[7], 256));
    std::unique_ptr<wide_type> one = std::make_unique<wide_type>();
    std::shared_ptr<wide_type> other = std::make_shared<wide_type>();
    CHECK(is_aligned(one.get(), 256) && is_aligned(other.get(), 256));
}

int handler_calls;

void handler_that_gives_up() {
    if (++handler_calls == 3) std::set_new_handler(nullptr);
}

void handler_that_throws() {
    handler_calls++;
    throw std::bad_alloc();
}

template <class Call> bool throws_bad_alloc(Call call) {
    try {
        call();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

// Larger than there can be: memory runs out for these, and for nobody else.
void test_standard_new_too_large() {
    const std::size_t size = opaque(PTRDIFF_MAX);
    const std::align_val_t alignment = std::align_val_t(64);
    CHECK(throws_bad_alloc([=] { kept(::operator new(size)); }));
    CHECK(throws_bad_alloc([=] { kept(::operator new[](size)); }));
    CHECK(throws_bad_alloc([=] { kept(::operator new(size - 100, alignment)); }));
    CHECK(throws_bad_alloc([=] { kept(::operator new[](size - 100, alignment)); }));
    CHECK(throws_bad_alloc([=] { kept(::operator new(opaque(SIZE_MAX))); }));
    CHECK(throws_bad_alloc([=] { kept(new char[size - 1000]); }));
    CHECK(throws_bad_alloc([=] { kept(new wide_type[size / 16]); })); // the product overflows
    CHECK(kept(::operator new(size, std::nothrow)) == nullptr);
    CHECK(kept(::operator new[](size, std::nothrow)) == nullptr);
    CHECK(kept(::operator new(size - 100, alignment, std::nothrow)) == nullptr);
    CHECK(kept(::operator new[](size - 100, alignment, std::nothrow)) == nullptr);
}

void test_standard_new_handler() {
    const std::size_t size = opaque(PTRDIFF_MAX);
    handler_calls = 0;
    std::set_new_handler(handler_that_gives_up);
    CHECK(throws_bad_alloc([=] { kept(::operator new(size)); }));
    CHECK_EQUAL(handler_calls, 3);
    handler_calls = 0;
    std::set_new_handler(handler_that_gives_up);
    CHECK(kept(::operator new(size, std::nothrow)) == nullptr);
    CHECK_EQUAL(handler_calls, 3);
    handler_calls = 0;
    std::set_new_handler(handler_that_throws);
    CHECK(throws_bad_alloc([=] { kept(::operator new[](size)); }));
    CHECK(kept(::operator new[](size, std::nothrow)) == nullptr);
    CHECK(throws_bad_alloc([=] { kept(::operator new(size - 100, std::align_val_t(128))); }));
    CHECK_EQUAL(handler_calls, 3);
    CHECK(std::set_new_handler(nullptr) == handler_that_throws);
    delete kept(new int(5));
}

const test_case tests[] = {
    TEST(test_standard_sequences),   TEST(test_standard_maps),
    TEST(test_standard_values),      TEST(test_standard_pointers),
    TEST(test_standard_threads),     TEST(test_standard_exceptions),
    TEST(test_standard_streams),     TEST(test_standard_regex),
    TEST(test_standard_resources),   TEST(test_standard_new),
    TEST(test_standard_aligned_new), TEST(test_standard_new_too_large),
    TEST(test_standard_new_handler),
};

} // namespace

int main(int argc, char **argv) { return TEST_MAIN(tests, argc, argv); }
