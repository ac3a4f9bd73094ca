// memory.h: a memory with release and acquire, for the models of this folder. spin's own memory is
// sequentially consistent; this one is as weak as C++20's, but for two things (see below).
//
// Each atomic location has a HISTORY of messages, in modification order. A thread has a VIEW: for
// each location the oldest message that it may still read. To read is to choose any message that is
// not older. A message carries the view of who released it; who acquires it joins that view.
//
//   location X    [0: 0] [1: REMOTE] [2: FREE]      thread A  now[X] = 1: it may read 1 or 2
//
// A plain location is only checked for races: a view says whether its holder knows the last access.
// An access by a thread that does not know it is a race. Two reads count as one, too: what is
// plain here belongs to one thread at a time.
//
// Sequentially consistent accesses are weaker than fences, as in C++20: `written` is what loads of
// that kind, and fences, may not miss; `fenced` is what fences hand to each other.
//
// What is not shown: a load that reads what only later becomes written (load buffering), which no
// processor does with the locked operations and dependencies of these protocols; and without
// INSERT stores that enter the modification order before stores that were made sooner.
//
// The model defines LOCATIONS, ATOMICS (the first ones, the rest are plain), THREADS, MESSAGES.
#ifndef MEMORY_H
#define MEMORY_H

#ifndef INSERT
#define INSERT 0
#endif

// A lock's word is read by exchanges only, which read the last message.
#ifndef ONLY_EXCHANGED
#define ONLY_EXCHANGED(x) 0
#endif

enum { RELAXED = 0, ACQUIRE = 1, RELEASE = 2, ACQ_REL = 3, SEQ_CST = 7 };
enum { LOAD, STORE, EXCHANGE, CAS };
enum { FAULT_NONE, FAULT_RACE, FAULT_HISTORY };

// The models name the orders of memmgr.h by numbers from NAMED on; what they are is said when a
// model is run, by the digits of the environment's ORDERS, so that a weaker one needs no other
// model.
enum { NAMED = 16 };

static int order_of(int order) {
    const char *digits = getenv("ORDERS");
    if (order < NAMED) return order;
    if (!digits || strlen(digits) <= (unsigned)(order - NAMED)) abort();
    return digits[order - NAMED] - '0';
}

typedef unsigned char view[LOCATIONS];

typedef struct {
    unsigned char value;
    unsigned char glued; // written by a read-modify-write: nothing comes before it
    view seen;
} message;

typedef struct {
    unsigned char ended;
    view now;      // what it may not miss
    view pending;  // what an acquire fence adds
    view released; // what was known at the last release fence
} viewer;

typedef struct {
    unsigned char count[ATOMICS];
    unsigned char fault, where;
    message history[ATOMICS][MESSAGES];
    viewer threads[THREADS];
    view written, fenced, ended;
} memory;

static void view_join(unsigned char *to, const unsigned char *from) {
    for (int x = 0; x < LOCATIONS; x++)
        if (to[x] < from[x]) to[x] = from[x];
}

// Fences of the sequentially consistent kind order what is read; they do not make races good.
static void view_join_atomics(unsigned char *to, const unsigned char *from) {
    for (int x = 0; x < ATOMICS; x++)
        if (to[x] < from[x]) to[x] = from[x];
}

// All views that there are, one after the other.
static unsigned char *memory_view(memory *m, int n) {
    if (n < 3 * THREADS) {
        viewer *thread = &m->threads[n / 3];
        return n % 3 == 0 ? thread->now : n % 3 == 1 ? thread->pending : thread->released;
    }
    n -= 3 * THREADS;
    if (n < 3) return n == 0 ? m->written : n == 1 ? m->fenced : m->ended;
    n -= 3;
    for (int x = 0; x < ATOMICS; n -= m->count[x++])
        if (n < m->count[x]) return m->history[x][n].seen;
    return 0;
}

static void memory_begin(memory *m) {
    memset(m, 0, sizeof *m);
    for (int x = 0; x < ATOMICS; x++)
        m->count[x] = 1;
    for (int n = 0; memory_view(m, n); n++)
        for (int x = ATOMICS; x < LOCATIONS; x++)
            memory_view(m, n)[x] = 1;
}

static void memory_set(memory *m, int x, int value) {
    m->history[x][0].value = (unsigned char)value;
}

// Forgets the messages that nobody can read any more, so that equal memories are the same state.
static void memory_forget(memory *m) {
    for (int x = 0; x < ATOMICS; x++) {
        int oldest = m->count[x] - 1;
        for (int t = 0; t < THREADS && !ONLY_EXCHANGED(x); t++)
            if (!m->threads[t].ended && m->threads[t].now[x] < oldest)
                oldest = m->threads[t].now[x];
        if (oldest == 0) continue;
        m->count[x] = (unsigned char)(m->count[x] - oldest);
        memmove(&m->history[x][0], &m->history[x][oldest], m->count[x] * sizeof(message));
        memset(&m->history[x][m->count[x]], 0, (unsigned)oldest * sizeof(message));
        m->history[x][0].glued = 0;
        unsigned char *any;
        for (int n = 0; (any = memory_view(m, n)) != 0; n++)
            any[x] = (unsigned char)(any[x] > oldest ? any[x] - oldest : 0);
    }
}

// A fault of the bound, not of the program.
static int memory_full(memory *m, int x) {
    if (m->count[x] < MESSAGES) return 0;
    m->fault = FAULT_HISTORY;
    m->where = (unsigned char)x;
    return 1;
}

static int memory_last(const memory *m, int x) { return m->count[x] - 1; }

static int memory_oldest(const memory *m, int t, int x, int order) {
    int at = m->threads[t].now[x];
    if (order == SEQ_CST && m->written[x] > at) at = m->written[x];
    return at;
}

// May a store follow the message at a place?
static int memory_open(const memory *m, int x, int at) {
    if (!INSERT) return at == memory_last(m, x);
    return at == memory_last(m, x) || !m->history[x][at + 1].glued;
}

// The places of the messages that an operation may read, or put its own behind: a bit for each.
static int memory_places(const memory *m, int kind, int t, int x, int order, int expected) {
    int places = 0;
    order = order_of(order);
    for (int at = memory_oldest(m, t, x, order); at <= memory_last(m, x); at++)
        if (kind == LOAD || (kind == CAS && m->history[x][at].value != expected) ||
            memory_open(m, x, at))
            places |= 1 << at;
    return places;
}

static void memory_read(memory *m, int t, int x, int order, int at) {
    viewer *own = &m->threads[t];
    own->now[x] = own->now[x] > at ? own->now[x] : (unsigned char)at;
    view_join(own->pending, m->history[x][at].seen);
    if (order & ACQUIRE) view_join(own->now, m->history[x][at].seen);
}

// Puts a message behind the one at a place: all that lies behind moves up. A read-modify-write
// carries on what the message before it released.
static void memory_write(memory *m, int t, int x, int order, int at, int value, int rmw) {
    viewer *own = &m->threads[t];
    if (memory_full(m, x)) return;
    message *before = &m->history[x][at], *made = before + 1;
    unsigned char *any;
    for (int n = 0; (any = memory_view(m, n)) != 0; n++)
        if (any[x] > at) any[x]++;
    memmove(made + 1, made, (unsigned)(memory_last(m, x) - at) * sizeof *made);
    m->count[x]++;
    own->now[x] = (unsigned char)(at + 1);
    memcpy(made->seen, order & RELEASE ? own->now : own->released, sizeof(view));
    if (rmw) view_join(made->seen, before->seen);
    made->seen[x] = (unsigned char)(at + 1);
    made->value = (unsigned char)value;
    made->glued = (unsigned char)rmw;
    if (order == SEQ_CST) m->written[x] = (unsigned char)(at + 1);
}

// Returns what was read. `value` is to be stored; `expected` is a compare-and-swap's, whose order
// is that of both its ends but for a failure, which does not release.
static int memory_do(memory *m, int kind, int t, int x, int order, int value, int expected,
                     int at) {
    int was = m->history[x][at].value;
    order = order_of(order);
    if (kind != STORE) memory_read(m, t, x, order, at);
    if (kind == STORE) memory_write(m, t, x, order, at, value, 0);
    if (kind == EXCHANGE || (kind == CAS && was == expected))
        memory_write(m, t, x, order, at, value, 1);
    memory_forget(m);
    return was;
}

static void memory_fence(memory *m, int t, int order) {
    viewer *own = &m->threads[t];
    order = order_of(order);
    if (order & ACQUIRE) view_join(own->now, own->pending);
    if (order == SEQ_CST) {
        view_join_atomics(own->now, m->fenced);
        view_join_atomics(own->now, m->written);
        view_join_atomics(m->fenced, own->now);
    }
    if (order & RELEASE) memcpy(own->released, own->now, sizeof(view));
    memory_forget(m);
}

static void memory_knows(memory *m, int t, int x) {
    if (m->threads[t].now[x]) return;
    m->fault = FAULT_RACE;
    m->where = (unsigned char)x;
}

static void memory_plain(memory *m, int t, int x) {
    unsigned char *any;
    memory_knows(m, t, x);
    for (int n = 0; (any = memory_view(m, n)) != 0; n++)
        any[x] = 0;
    m->threads[t].now[x] = 1;
}

// A thread has ended; one that joins all who have.
static void memory_end(memory *m, int t) {
    viewer *own = &m->threads[t];
    view_join(m->ended, own->now);
    memset(own, 0, sizeof *own);
    own->ended = 1;
    memory_forget(m);
}

static void memory_join(memory *m, int t) {
    view_join(m->threads[t].now, m->ended);
    memory_forget(m);
}

#endif
