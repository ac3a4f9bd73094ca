// override.cpp: malloc, new and delete are memmgr's in a whole program, from several threads that
// come and go, and failures are the standard's.
#define MEMMGR_IMPLEMENTATION
#define MEMMGR_OVERRIDE
#include "../../memmgr.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int passed, failed;

static void check(bool holds, const char *what) {
    if (holds) {
        passed++;
        return;
    }
    failed++;
    std::printf("    %s\n", what);
}

#define CHECK(condition) check((condition), #condition)

static size_t live_blocks() {
    memmgr_stats stats;
    memmgr_stats_get(&stats);
    return stats.live_blocks;
}

static void count_report(const memmgr_report *report, void *ctx) {
    if (report->error == MEMMGR_DOUBLE_FREE) ++*static_cast<int *>(ctx);
}

static void calls() {
    const size_t before = live_blocks();
    int *numbers = new int[100];
    void *block = std::malloc(1000);
    CHECK(live_blocks() == before + 2);
    CHECK(memmgr_usable_size(numbers) >= 400 && memmgr_usable_size(block) >= 1000);
    block = std::realloc(block, 5000);
    CHECK(block && memmgr_usable_size(block) >= 5000);
    std::free(block);
    delete[] numbers;
    CHECK(live_blocks() == before);
}

static void misuse() {
    int reports = 0;
    memmgr_set_error_handler(count_report, &reports);
    void *volatile block = std::malloc(40);
    std::free(block);
    std::free(block);
    CHECK(reports == 1);
    memmgr_set_error_handler(NULL, NULL);
}

static void failures() {
    volatile size_t huge = static_cast<size_t>(-1) / 2;
    bool thrown = false;
    try {
        char *volatile never = new char[huge]; // volatile: else a compiler may leave out both
        delete[] never;
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    CHECK(thrown);
    char *volatile never = new (std::nothrow) char[huge];
    CHECK(never == NULL);
    delete[] never;
}

static void work(std::shared_ptr<std::string> handed, std::vector<std::string> *result) {
    std::map<int, std::string> lines;
    for (int i = 0; i < 2000; i++) {
        lines[i % 300] = *handed + std::string(static_cast<size_t>(i % 500), 'x');
        if (i % 7 == 0) lines.erase(i % 100);
    }
    for (const auto &line : lines)
        result->push_back(line.second);
}

// Blocks are allocated in threads that have ended when they are freed here.
static void threads() {
    for (int round = 0; round < 3; round++) {
        auto handed = std::make_shared<std::string>("a string that is long enough to be a block");
        std::vector<std::string> results[4];
        std::thread workers[4];
        for (int i = 0; i < 4; i++)
            workers[i] = std::thread(work, handed, &results[i]);
        for (auto &worker : workers)
            worker.join();
        size_t right = 0;
        for (const auto &result : results)
            for (const auto &line : result)
                right += line.compare(0, handed->size(), *handed) == 0;
        CHECK(right >= 4 * 200);
    }
    CHECK(memmgr_check() == MEMMGR_OK);
}

#ifdef __cpp_aligned_new
struct alignas(256) wide {
    char bytes[256];
};

static void alignment() {
    std::unique_ptr<wide> block(new wide);
    CHECK(reinterpret_cast<uintptr_t>(block.get()) % 256 == 0);
}
#else
static void alignment() {}
#endif

int main() {
    calls();
    misuse();
    failures();
    threads();
    alignment();
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
