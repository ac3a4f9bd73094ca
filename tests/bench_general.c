// bench_general.c: patterns of malloc, realloc, calloc and free, for whichever malloc is preloaded.
//
//     bench_general PATTERN [SCALE]     SCALE: the percentage of the steps, default 100
//
// Without arguments it lists the patterns. The work is the same in every run, but for the order in
// which two threads come. The first bytes of every block are written, and a byte of each of its
// pages; where a pattern allows it a block carries its size and a seal, which have to be there when
// it is freed. It exits with 1 when they are not, or when memory ran out. Nothing is measured here:
// bench_run does that from outside.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned scale = 100;

static unsigned scaled(unsigned steps) {
    uint64_t part = (uint64_t)steps * scale / 100;
    return part > 0 ? (unsigned)part : 1;
}

static void fail(const char *what) {
    fprintf(stderr, "bench_general: %s\n", what);
    exit(1);
}

// --- Numbers. ------------------------------------------------------------------------------------

typedef struct {
    uint64_t state;
} draw;

static inline uint32_t draw_bits(draw *d) {
    d->state += 0x9E3779B97F4A7C15u;
    uint64_t z = d->state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

static inline uint32_t draw_below(draw *d, uint32_t limit) {
    return (uint32_t)((uint64_t)draw_bits(d) * limit >> 32);
}

static inline uint32_t draw_from(draw *d, uint32_t least, uint32_t most) {
    return least + draw_below(d, most - least + 1);
}

// Log-uniform sizes come from a table, so that drawing one costs next to nothing. Each doubling is
// as likely as any other, and even within itself.
enum { TABLE = 4096 };

typedef struct {
    uint32_t sizes[TABLE];
} size_table;

static void table_fill(size_table *table, uint32_t least, unsigned doublings) {
    draw d = {least};
    for (unsigned i = 0; i < TABLE; i++) {
        uint32_t base = least << draw_below(&d, doublings);
        table->sizes[i] = base + draw_below(&d, base);
    }
}

static inline uint32_t table_draw(const size_table *table, draw *d) {
    return table->sizes[draw_bits(d) % TABLE];
}

// --- Blocks. -------------------------------------------------------------------------------------

enum { PAGE = 4096 };

typedef struct {
    uint64_t size, seal;
} block_head;

static inline uint64_t block_seal(const block_head *block, uint64_t size) {
    return ((uint64_t)(uintptr_t)block ^ size) * 0x9E3779B97F4A7C15u;
}

// A block of at least 16 bytes.
static inline void *block_new(size_t size) {
    block_head *block = (block_head *)malloc(size);
    if (!block) fail("out of memory");
    for (size_t at = PAGE; at < size; at += PAGE)
        ((volatile unsigned char *)block)[at] = 1;
    block->size = size;
    block->seal = block_seal(block, size);
    return block;
}

static inline void block_delete(void *memory) {
    block_head *block = (block_head *)memory;
    if (!block) return;
    if (block->seal != block_seal(block, block->size)) fail("a block was overwritten");
    free(block);
}

static void **slots_new(size_t count) {
    void **slots = (void **)calloc(count, sizeof *slots);
    if (!slots) fail("out of memory");
    return slots;
}

static void slots_delete(void **slots, size_t count) {
    for (size_t i = 0; i < count; i++)
        block_delete(slots[i]);
    free(slots);
}

// --- One thread, small blocks. -------------------------------------------------------------------

static void pattern_pair(void) {
    for (unsigned i = scaled(50000000); i > 0; i--)
        block_delete(block_new(64));
}

// A stack goes up and down by legs of 1 to 16 blocks, between 0 and 100.
static void pattern_lifo(void) {
    enum { PEAK = 100 };
    void *stack[PEAK];
    draw d = {1};
    unsigned depth = 0;
    for (unsigned leg = scaled(8000000); leg > 0; leg--) {
        unsigned count = draw_from(&d, 1, 16);
        if (leg % 2 == 0) {
            while (count-- > 0 && depth < PEAK)
                stack[depth++] = block_new(draw_from(&d, 16, 256));
        } else {
            while (count-- > 0 && depth > 0)
                block_delete(stack[--depth]);
        }
    }
    while (depth > 0)
        block_delete(stack[--depth]);
}

static void pattern_fifo(void) {
    enum { LENGTH = 1000 };
    void **queue = slots_new(LENGTH);
    draw d = {2};
    unsigned at = 0;
    for (unsigned i = scaled(30000000); i > 0; i--) {
        block_delete(queue[at]);
        queue[at] = block_new(draw_from(&d, 16, 512));
        if (++at == LENGTH) at = 0;
    }
    slots_delete(queue, LENGTH);
}

// `live` blocks; each step frees one at random and allocates another.
static void churn(unsigned live, unsigned steps, uint32_t least, uint32_t most) {
    void **slots = slots_new(live);
    draw d = {3};
    for (unsigned i = 0; i < live; i++)
        slots[i] = block_new(draw_from(&d, least, most));
    while (steps-- > 0) {
        unsigned slot = draw_below(&d, live);
        block_delete(slots[slot]);
        slots[slot] = block_new(draw_from(&d, least, most));
    }
    slots_delete(slots, live);
}

static void pattern_churn1k(void) { churn(1000, scaled(25000000), 16, 512); }
static void pattern_churn50k(void) { churn(50000, scaled(10000000), 16, 512); }
static void pattern_churn1m(void) { churn(1000000, scaled(1500000), 16, 128); }

// The same, log-uniform.
static void churn_log(unsigned live, unsigned steps, uint32_t least, unsigned doublings) {
    static size_table table;
    void **slots = slots_new(live);
    draw d = {4};
    table_fill(&table, least, doublings);
    for (unsigned i = 0; i < live; i++)
        slots[i] = block_new(table_draw(&table, &d));
    while (steps-- > 0) {
        unsigned slot = draw_below(&d, live);
        block_delete(slots[slot]);
        slots[slot] = block_new(table_draw(&table, &d));
    }
    slots_delete(slots, live);
}

static void pattern_mixed(void) { churn_log(10000, scaled(8000000), 16, 8); }
static void pattern_middle(void) { churn_log(2000, scaled(3500000), 1024, 5); }

// --- Structures. ---------------------------------------------------------------------------------

// In a tree the links lead to the branches, in a list to the next node and the one before it.
typedef struct node {
    struct node *next, *other;
} node;

enum { NODES = 500000, BUCKETS = 1024 };

static unsigned nodes_freed;

static node *node_new(draw *d) {
    node *n = (node *)malloc(draw_from(d, 16, 128));
    if (!n) fail("out of memory");
    return n;
}

static node *node_delete(node *n) {
    node *next = n->next;
    free(n);
    nodes_freed++;
    return next;
}

static node *list_build(draw *d, node **last) {
    node *first = NULL;
    for (unsigned i = 0; i < NODES; i++) {
        node *n = node_new(d);
        n->next = first;
        n->other = NULL;
        if (first) first->other = n;
        if (i == 0) *last = n;
        first = n;
    }
    return first;
}

static void list_newest_first(draw *d) {
    node *last;
    for (node *n = list_build(d, &last); n;)
        n = node_delete(n);
}

static void list_oldest_first(draw *d) {
    node *last;
    list_build(d, &last);
    while (last) {
        node *before = last->other;
        node_delete(last);
        last = before;
    }
}

// The nodes are dealt out to buckets as a hash table would, and freed by bucket.
static void list_by_bucket(draw *d) {
    static node *buckets[BUCKETS];
    node *last;
    for (node *n = list_build(d, &last); n;) {
        node *next = n->next, **bucket = &buckets[draw_below(d, BUCKETS)];
        n->next = *bucket;
        *bucket = n;
        n = next;
    }
    for (unsigned i = 0; i < BUCKETS; i++)
        while (buckets[i])
            buckets[i] = node_delete(buckets[i]);
}

static node *tree_build(draw *d, unsigned count) {
    if (count == 0) return NULL;
    node *n = node_new(d);
    unsigned left = draw_below(d, count);
    if (left > count * 3 / 4) left = count * 3 / 4;
    n->next = tree_build(d, left);
    n->other = tree_build(d, count - 1 - left);
    return n;
}

static void tree_delete(node *n) {
    if (!n) return;
    tree_delete(n->next);
    tree_delete(n->other);
    node_delete(n);
}

static void pattern_build(void) {
    draw d = {5};
    unsigned rounds = scaled(6);
    for (unsigned i = 0; i < rounds; i++) {
        nodes_freed = 0;
        switch (i % 4) {
        case 0:
            list_by_bucket(&d);
            break;
        case 1:
            tree_delete(tree_build(&d, NODES));
            break;
        case 2:
            list_newest_first(&d);
            break;
        default:
            list_oldest_first(&d);
            break;
        }
        if (nodes_freed != NODES) fail("a node was lost");
    }
}

// --- Growth, large blocks, zeroed tables. --------------------------------------------------------

typedef struct {
    unsigned char *bytes;
    size_t size;
} growing;

static void grow_to(growing *g, size_t size) {
    unsigned char *bytes = (unsigned char *)realloc(g->bytes, size);
    if (!bytes) fail("out of memory");
    if (g->size > 0 && (bytes[0] != 1 || bytes[g->size - 1] != (unsigned char)g->size))
        fail("realloc lost bytes");
    memset(bytes + g->size, 1, size - g->size);
    bytes[0] = 1;
    bytes[size - 1] = size > 1 ? (unsigned char)size : 1;
    g->bytes = bytes;
    g->size = size;
}

static void grow_again(growing *g) {
    free(g->bytes);
    g->bytes = NULL;
    g->size = 0;
}

// Strings, some at a time, appended to by 1 to 32 bytes up to some KiB.
static void grow_strings(draw *d, unsigned steps) {
    enum { STRINGS = 64 };
    growing strings[STRINGS] = {{NULL, 0}};
    while (steps-- > 0) {
        growing *g = &strings[draw_below(d, STRINGS)];
        grow_to(g, g->size + draw_from(d, 1, 32));
        if (g->size > 2000 && draw_below(d, 64) == 0) grow_again(g);
    }
    for (unsigned i = 0; i < STRINGS; i++)
        grow_again(&strings[i]);
}

// Vectors, some at a time, doubled from 16 bytes up to 1 MiB; most end before.
static void grow_vectors(draw *d, unsigned steps) {
    enum { VECTORS = 16, MOST = 1 << 20 };
    growing vectors[VECTORS] = {{NULL, 0}};
    while (steps-- > 0) {
        growing *g = &vectors[draw_below(d, VECTORS)];
        if (g->size >= MOST || (g->size > 256 && draw_below(d, 4) == 0)) grow_again(g);
        grow_to(g, g->size ? g->size * 2 : 16);
    }
    for (unsigned i = 0; i < VECTORS; i++)
        grow_again(&vectors[i]);
}

static void pattern_grow(void) {
    draw d = {6};
    for (unsigned i = scaled(40); i > 0; i--) {
        grow_strings(&d, 100000);
        grow_vectors(&d, 5000);
    }
}

// 64 KiB to 25 MiB, 8 blocks live.
static void pattern_large(void) {
    enum { LIVE = 8, MOST = 25 << 20 };
    static size_table table;
    void **slots = slots_new(LIVE);
    draw d = {7};
    table_fill(&table, 64 << 10, 9);
    for (unsigned i = scaled(400); i > 0; i--) {
        uint32_t size = table_draw(&table, &d);
        unsigned slot = draw_below(&d, LIVE);
        block_delete(slots[slot]);
        slots[slot] = block_new(size < MOST ? size : MOST);
    }
    slots_delete(slots, LIVE);
}

// Zeroed tables of 64 B to 256 KiB, filled thinly. What is looked at has to be zero.
static void *zeroed_new(size_t size) {
    unsigned char *bytes = (unsigned char *)calloc(size / 16, 16);
    unsigned seen = 0;
    if (!bytes) fail("out of memory");
    size -= size % 16;
    for (size_t at = 0; at < size; at += PAGE / 4) {
        seen |= bytes[at];
        bytes[at] = 0xA5;
    }
    seen |= bytes[size - 1];
    bytes[size - 1] = 0xA5;
    if (seen) fail("calloc gave bytes that are not zero");
    return bytes;
}

static void pattern_calloc(void) {
    enum { LIVE = 200 };
    static size_table table;
    void **slots = slots_new(LIVE);
    draw d = {8};
    table_fill(&table, 64, 12);
    for (unsigned i = scaled(300000); i > 0; i--) {
        unsigned slot = draw_below(&d, LIVE);
        free(slots[slot]);
        slots[slot] = zeroed_new(table_draw(&table, &d));
    }
    for (unsigned i = 0; i < LIVE; i++)
        free(slots[i]);
    free(slots);
}

// --- Two threads. --------------------------------------------------------------------------------

enum { THREADS = 2 };

static pthread_t thread_new(void *(*work)(void *), void *ctx) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, ctx) != 0) fail("no thread");
    return thread;
}

// Runs work() twice at once, with 0 and 1.
static void threads_run(void *(*work)(void *)) {
    static unsigned numbers[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        threads[i] = thread_new(work, &numbers[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

// prodcons: a bounded ring of batches between one thread that allocates and one that frees.
enum { RING = 32, BATCH = 100 };

static struct {
    void *batches[RING][BATCH];
    _Atomic unsigned made, used;
} ring;

static unsigned batches;

static void *prodcons_produce(void) {
    draw d = {9};
    for (unsigned i = 0; i < batches; i++) {
        while (i - atomic_load_explicit(&ring.used, memory_order_acquire) == RING)
            sched_yield();
        for (unsigned k = 0; k < BATCH; k++)
            ring.batches[i % RING][k] = block_new(draw_from(&d, 16, 256));
        atomic_store_explicit(&ring.made, i + 1, memory_order_release);
    }
    return NULL;
}

static void *prodcons_consume(void) {
    for (unsigned i = 0; i < batches; i++) {
        while (atomic_load_explicit(&ring.made, memory_order_acquire) == i)
            sched_yield();
        for (unsigned k = 0; k < BATCH; k++)
            block_delete(ring.batches[i % RING][k]);
        atomic_store_explicit(&ring.used, i + 1, memory_order_release);
    }
    return NULL;
}

static void *prodcons_work(void *number) {
    return *(unsigned *)number == 0 ? prodcons_produce() : prodcons_consume();
}

static void pattern_prodcons(void) {
    batches = scaled(25000);
    threads_run(prodcons_work);
}

// larson: a server replaces random blocks of its array for a while, then a new thread takes the
// array over. The new one joins the old one, so that there are never more than two of a server.
enum { SERVED = 1000 };

typedef struct {
    void *slots[SERVED];
    draw d;
    unsigned left; // generations
    pthread_t before;
    bool first;
} server;

static server servers[THREADS];
static pthread_mutex_t servers_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t servers_changed = PTHREAD_COND_INITIALIZER;
static unsigned servers_done;

static void server_end(void) {
    pthread_mutex_lock(&servers_lock);
    servers_done++;
    pthread_cond_signal(&servers_changed);
    pthread_mutex_unlock(&servers_lock);
}

static void *larson_work(void *ctx) {
    server *s = (server *)ctx;
    if (!s->first) pthread_join(s->before, NULL);
    s->first = false;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned slot = draw_below(&s->d, SERVED);
        block_delete(s->slots[slot]);
        s->slots[slot] = block_new(draw_from(&s->d, 16, 1024));
    }
    s->before = pthread_self();
    if (--s->left > 0)
        thread_new(larson_work, s); // nothing of *s may be touched from here on
    else
        server_end();
    return NULL;
}

static void pattern_larson(void) {
    for (unsigned i = 0; i < THREADS; i++) {
        servers[i].d.state = 10 + i;
        servers[i].left = scaled(700);
        servers[i].first = true;
        thread_new(larson_work, &servers[i]);
    }
    pthread_mutex_lock(&servers_lock);
    while (servers_done < THREADS)
        pthread_cond_wait(&servers_changed, &servers_lock);
    pthread_mutex_unlock(&servers_lock);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(servers[i].before, NULL);
        for (unsigned k = 0; k < SERVED; k++)
            block_delete(servers[i].slots[k]);
    }
}

// alltoall: both threads exchange blocks with slots of one array, so that half of what they free is
// the other's.
enum { SHARED = 10000 };

static _Atomic(void *) shared[SHARED];

static void *alltoall_work(void *number) {
    draw d = {12 + *(unsigned *)number};
    for (unsigned i = scaled(3000000); i > 0; i--) {
        void *block = block_new(draw_from(&d, 16, 256));
        block_delete(atomic_exchange(&shared[draw_below(&d, SHARED)], block));
    }
    return NULL;
}

static void pattern_alltoall(void) {
    threads_run(alltoall_work);
    for (unsigned i = 0; i < SHARED; i++)
        block_delete(atomic_load(&shared[i]));
}

// falseshare: two threads write to small blocks all the time. In even rounds one thread has
// allocated both first blocks, which the two threads free before they allocate their own: where
// they get them back they share a line (cache-scratch). In odd rounds each starts with its own
// (cache-thrash). Sizes of 8 to 56 bytes.
static struct {
    pthread_barrier_t start;
    volatile unsigned char *given[THREADS];
    size_t size;
} hot;

static void *falseshare_work(void *number) {
    volatile unsigned char *block = hot.given[*(unsigned *)number];
    size_t size = hot.size;
    pthread_barrier_wait(&hot.start);
    free((void *)block);
    for (unsigned i = 0; i < 100; i++) {
        block = (volatile unsigned char *)malloc(size);
        if (!block) fail("out of memory");
        for (size_t k = 0; k < size; k++)
            block[k] = 0;
        for (unsigned k = 0; k < 2000; k++)
            block[k % 8]++;
        if (block[0] != 250) fail("a block was overwritten");
        free((void *)block);
    }
    return NULL;
}

static void pattern_falseshare(void) {
    pthread_barrier_init(&hot.start, NULL, THREADS);
    for (unsigned round = scaled(1500); round > 0; round--) {
        hot.size = 8 + round / 2 % 7 * 8;
        for (unsigned i = 0; i < THREADS; i++)
            hot.given[i] = round % 2 == 0 ? (volatile unsigned char *)malloc(hot.size) : NULL;
        threads_run(falseshare_work);
    }
    pthread_barrier_destroy(&hot.start);
}

// threads: many short lives, two at a time, with blocks of 16 B to 32 KiB.
static void *threads_work(void *number) {
    static const uint32_t bounds[] = {64, 64, 64, 256, 256, 1024, 4096, 32768};
    void *slots[200] = {NULL};
    draw d = {14 + *(unsigned *)number};
    for (unsigned i = 0; i < 3000; i++) {
        unsigned slot = draw_below(&d, 200);
        block_delete(slots[slot]);
        slots[slot] = block_new(draw_from(&d, 16, bounds[draw_below(&d, 8)]));
    }
    for (unsigned i = 0; i < 200; i++)
        block_delete(slots[i]);
    return NULL;
}

static void pattern_threads(void) {
    for (unsigned i = scaled(900); i > 0; i--)
        threads_run(threads_work);
}

// --- ---------------------------------------------------------------------------------------------

static const struct {
    const char *name;
    void (*run)(void);
} patterns[] = {
    {"pair", pattern_pair},         {"lifo", pattern_lifo},
    {"fifo", pattern_fifo},         {"churn1k", pattern_churn1k},
    {"churn50k", pattern_churn50k}, {"churn1m", pattern_churn1m},
    {"mixed", pattern_mixed},       {"middle", pattern_middle},
    {"build", pattern_build},       {"grow", pattern_grow},
    {"large", pattern_large},       {"calloc", pattern_calloc},
    {"prodcons", pattern_prodcons}, {"larson", pattern_larson},
    {"alltoall", pattern_alltoall}, {"falseshare", pattern_falseshare},
    {"threads", pattern_threads},
};

enum { PATTERNS = sizeof patterns / sizeof patterns[0] };

int main(int argc, char **argv) {
    if (argc > 2) scale = (unsigned)strtoul(argv[2], NULL, 10);
    for (unsigned i = 0; i < PATTERNS; i++) {
        if (argc < 2) {
            puts(patterns[i].name);
        } else if (!strcmp(argv[1], patterns[i].name)) {
            patterns[i].run();
            return 0;
        }
    }
    if (argc < 2) return 0;
    fprintf(stderr, "bench_general: no pattern is called %s\n", argv[1]);
    return 2;
}
