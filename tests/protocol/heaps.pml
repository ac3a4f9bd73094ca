// heaps.pml: the slabs of thread heaps, as the rooms slab, arena and heap of memmgr.h have them:
// remote frees, parking, adoption, idle units. CASE says what the threads do. The steps have the
// names of the functions; each touch of a shared location is one step, in the order of the code.
//
// To be true in every execution:
//   - a block is handed out by one thread at a time, and never while it is held;
//   - who is handed a block knows all that was done to it before it was freed (races are found);
//   - what is not atomic, descriptors, stacks, lists, is never touched by two threads at once;
//   - at the end every block is held, or on one stack, or FREE in its slab, and counted so: no
//     REMOTE one is left that nobody will be told of.
//
// Simplified: one size, so one list of told slabs in a heap; lists of slabs and stacks are sets; a
// stack is refilled by one block; whoever waits for the lock stands still.

#define REMOTE_FREES 1 // two threads free blocks of a third's, which collects and allocates
#define FREED_TWICE 2  // two threads free the same block of a third's
#define FREED_BY_BOTH 3 // its owner and another thread free the same block
#define ADOPTED_SLAB 4 // a heap is parked, another takes its slab, a third thread frees
#define ADOPTED_HEAP 5 // a heap is parked, another thread takes it over, a third frees
#define REUSED 6       // a slab becomes idle and its pages go back; it is used anew; late words
#define DRAINED 7      // a heap is parked and drained by another thread while two more free

#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef SLABS
#define SLABS 1
#endif
#define HEAPS 2
#define ALL (SLABS * BLOCKS)

// Atomic locations, then plain ones. A block's number is that of its state.
#define TOLD(s) (ALL + (s))
#define OWNER(s) (ALL + SLABS + (s))
#define LIST(h) (ALL + 2 * SLABS + (h))
#define LOCK (ALL + 2 * SLABS + HEAPS)
#define MAIL (LOCK + 1)
#define COUNT_ATOMICS (MAIL + 1)
#define DATA(g) (COUNT_ATOMICS + (g))
#define DESC(s) (DATA(ALL) + (s))
#define NEXT(s) (DESC(SLABS) + (s))
#define BINS(h) (NEXT(SLABS) + (h))
#define ARENA (BINS(HEAPS))
#define COUNT_LOCATIONS (ARENA + 1)

c_decl {
\#define ATOMICS COUNT_ATOMICS
\#define LOCATIONS COUNT_LOCATIONS
\#define THREADS 4
\#define MESSAGES 8
\#define ONLY_EXCHANGED(x) ((x) == LOCK)
}
#include "memory.pml"
#include "orders.pml"

#define FREE 0
#define CACHED 1
#define REMOTE 2
#define LIVE 3

// What is not atomic.
byte free_count[SLABS]; // under DESC
byte next_told[SLABS];  // under NEXT: a slab and 1, or 0
byte partial[HEAPS];    // under BINS: slabs with FREE blocks, a bit for each
byte stack[HEAPS];      // under BINS: CACHED blocks
byte idle, parked;      // under ARENA: slabs, heaps
bool locked;

// What the program knows.
bool held[ALL];
byte freed;

inline lock() {
#ifdef WITHOUT_LOCK
    skip;
#else
    atomic {
        !locked;
        exchange(LOCK, ORDER_LOCK, 1, was);
        assert(was == 0);
        locked = true
    }
#endif
    plain(ARENA)
}
inline unlock() {
#ifdef WITHOUT_LOCK
    skip
#else
    atomic {
        store(LOCK, ORDER_UNLOCK, 0);
        locked = false
    }
#endif
}

inline list_slab(h, s) { plain(BINS(h)); partial[h] = partial[h] | (1 << (s)) }
inline unlist_slab(h, s) { plain(BINS(h)); partial[h] = partial[h] & ~(1 << (s)) }

// mmi_heap_release
inline release_slab(s) {
#ifdef OWNER_LEFT_LATE
    lock();
    idle = idle | (1 << (s));
    unlock();
    store(OWNER(s), RELAXED, 0)
#else
    lock();
    store(OWNER(s), RELAXED, 0);
    idle = idle | (1 << (s));
    for (i : 0 .. BLOCKS - 1) {
        plain(DATA((s) * BLOCKS + i)) // mmi_arena_purge
    }
    unlock()
#endif
}

// mmi_heap_note_free
inline note_free(h, s, count) {
    plain(DESC(s));
    free_count[s] = free_count[s] + count;
    assert(free_count[s] <= BLOCKS);
    list_slab(h, s);
    if
    :: free_count[s] == BLOCKS && partial[h] != (1 << (s)) ->
        unlist_slab(h, s);
        release_slab(s)
    :: else
    fi
}

// mmi_heap_tell
inline tell(s) {
    do
    ::
#ifdef TOLD_WITHOUT_EXCHANGE
        load(TOLD(s), ACQUIRE, was);
        store(TOLD(s), RELEASE, 1);
#else
        exchange(TOLD(s), ORDER_TELL, 1, was);
#endif
        if
        :: was -> break
        :: else
        fi;
        load(OWNER(s), RELAXED, owner);
        if
        :: owner ->
            load(LIST(owner - 1), RELAXED, first);
            do
            ::
#ifdef PUSHED_BEFORE_LINKED
                compare_exchange(LIST(owner - 1), ORDER_PUSH, first, s + 1, was);
                if
                :: was == first -> plain(NEXT(s)); next_told[s] = first; break
                :: else -> first = was
                fi
#else
                plain(NEXT(s));
                next_told[s] = first;
#ifdef PUSHED_WITHOUT_COMPARE
                store(LIST(owner - 1), ORDER_PUSH, s + 1);
                break
#else
                compare_exchange(LIST(owner - 1), ORDER_PUSH, first, s + 1, was);
                if
                :: was == first -> break
                :: else -> first = was
                fi
#endif
#endif
            od;
            break
        :: else
        fi;
#ifdef NOT_UNTOLD
        break
#else
        exchange(TOLD(s), ORDER_UNTELL, 0, was);
        fence(ORDER_UNTELL_FENCE);
#ifdef OWNER_NOT_ASKED_AGAIN
        break
#else
        load(OWNER(s), RELAXED, owner);
        if
        :: owner == 0 -> break
        :: else
        fi
#endif
#endif
    od;
    was = 0; owner = 0; first = 0
}

// mmi_slab_sweep, count of what was REMOTE
inline sweep(s) {
    count = 0;
    for (i : 0 .. BLOCKS - 1) {
        load((s) * BLOCKS + i, RELAXED, was);
        if
        :: was == REMOTE ->
            store((s) * BLOCKS + i, RELAXED, FREE);
            count++
        :: else
        fi
    }
    was = 0; i = 0;
    fence(ORDER_SWEEP_FENCE)
}

// mmi_heap_collect
inline collect(h) {
    load(LIST(h), RELAXED, told);
    if
    :: told ->
#ifdef COLLECTED_WITHOUT_EXCHANGE
        load(LIST(h), ACQUIRE, told);
        store(LIST(h), RELAXED, 0);
#else
        exchange(LIST(h), ORDER_COLLECT, 0, told);
#endif
        do
        :: told ->
            at = told - 1;
#ifndef LINK_READ_LATE
            plain(NEXT(at));
            told = next_told[at];
#endif
#ifdef SWEPT_BEFORE_HEARD
            sweep(at);
            load(OWNER(at), RELAXED, owner);
            if
            :: owner == (h) + 1 && count -> note_free(h, at, count)
            :: else
            fi;
            exchange(TOLD(at), ORDER_HEARD, 0, was);
            fence(ORDER_HEARD_FENCE);
#else
#ifndef NOT_HEARD
            exchange(TOLD(at), ORDER_HEARD, 0, was);
            fence(ORDER_HEARD_FENCE);
#endif
#ifdef LINK_READ_LATE
            plain(NEXT(at));
            told = next_told[at];
#endif
            load(OWNER(at), RELAXED, owner);
            if
            :: owner == (h) + 1 ->
                sweep(at);
                if
                :: count -> note_free(h, at, count)
                :: else
                fi
            :: owner != (h) + 1 && owner ->
#ifndef NOT_PASSED_ON
                tell(at)
#else
                skip
#endif
            :: else
            fi
#endif
        :: else -> break
        od
    :: else
    fi;
    told = 0; at = 0; count = 0; owner = 0; was = 0
}

// mmi_heap_free_remote
inline free_remote(g) {
#ifdef CLAIMED_WITHOUT_COMPARE
    load(g, RELAXED, was);
    if
    :: was == LIVE -> store(g, RELEASE, REMOTE)
    :: else
    fi;
#else
    compare_exchange(g, ORDER_CLAIM, LIVE, REMOTE, was);
#endif
    if
    :: was == LIVE ->
        freed++;
        load(TOLD((g) / BLOCKS), ORDER_LOOK, was);
        if
        :: was == 0 -> tell((g) / BLOCKS)
        :: else
        fi
    :: else
    fi;
    was = 0
}

// mmi_heap_push
inline free_own(h, g) {
    load(g, RELAXED, was);
    if
    :: was == LIVE ->
        store(g, RELAXED, CACHED);
        freed++;
        plain(BINS(h));
        stack[h] = stack[h] | (1 << (g))
    :: else
    fi;
    was = 0
}

// mmi_heap_refill and mmi_slab_take: one block from a slab that has some
inline refill(h) {
    plain(BINS(h));
    if
    :: partial[h] ->
        at = 0;
        do
        :: ((partial[h] >> at) & 1) == 0 -> at++
        :: else -> break
        od;
        plain(DESC(at));
        i = at * BLOCKS;
        do
        ::
            assert(i < (at + 1) * BLOCKS); // a FREE one is there
            load(i, RELAXED, was);
            if
            :: was == FREE -> break
            :: else -> i++
            fi
        od;
        store(i, RELAXED, CACHED);
        stack[h] = stack[h] | (1 << i);
        free_count[at] = free_count[at] - 1;
        if
        :: free_count[at] == 0 -> unlist_slab(h, at)
        :: else
        fi
    :: else
    fi;
    at = 0; i = 0; was = 0
}

// mmi_heap_alloc: `got` is the block and 1, or 0
inline alloc(h) {
    got = 0;
    plain(BINS(h));
    if
    :: stack[h] == 0 -> refill(h)
    :: else
    fi;
    if
    :: stack[h] ->
        do
        :: ((stack[h] >> got) & 1) == 0 -> got++
        :: else -> break
        od;
        stack[h] = stack[h] & ~(1 << got);
        store(got, RELAXED, LIVE);
        assert(!held[got]);
        held[got] = true;
        plain(DATA(got));
        got++
    :: else
    fi
}

// mmi_heap_flush
inline flush(h) {
    plain(BINS(h));
    i = 0;
    do
    :: i < ALL ->
        if
        :: ((stack[h] >> i) & 1) ->
            store(i, RELAXED, FREE);
            note_free_kept(h, i / BLOCKS)
        :: else
        fi;
        i++
    :: else -> break
    od;
    stack[h] = 0; i = 0
}
// One more is FREE; empty slabs are given back by release_empty.
inline note_free_kept(h, s) {
    plain(DESC(s));
    free_count[s] = free_count[s] + 1;
    assert(free_count[s] <= BLOCKS);
    list_slab(h, s)
}

// mmi_heap_release_empty
inline release_empty(h) {
    plain(BINS(h));
    at = 0;
    do
    :: at < SLABS ->
        if
        :: ((partial[h] >> at) & 1) && free_count[at] == BLOCKS ->
            plain(DESC(at));
            unlist_slab(h, at);
            release_slab(at)
        :: else
        fi;
        at++
    :: else -> break
    od;
    at = 0; i = 0
}

// mmi_heap_park
inline park(h) {
    collect(h);
#ifndef PARKED_BEFORE_FLUSHED
    flush(h);
    release_empty(h);
#endif
    lock();
    parked = parked | (1 << (h));
    unlock();
#ifdef PARKED_BEFORE_FLUSHED
    flush(h);
#endif
}

// mmi_heap_take and the beginning of mmi_heap_enter: `mine` is the heap and 1, or 0
inline take_heap() {
    lock();
    mine = 0;
    do
    :: mine < HEAPS && ((parked >> mine) & 1) == 0 -> mine++
    :: else -> break
    od;
    if
    :: mine < HEAPS -> parked = parked & ~(1 << mine); mine++
    :: else -> mine = 0
    fi;
    unlock();
    if
    :: mine -> collect(mine - 1)
    :: else
    fi
}

// mmi_heap_drain_parked, for a heap
inline drain(h) {
    lock();
    told = 0;
    if
    :: (parked >> (h)) & 1 -> load(LIST(h), RELAXED, told)
    :: else
    fi;
    if
    :: told -> parked = parked & ~(1 << (h))
    :: else
    fi;
    got = told;
    unlock();
    if
    :: got -> park(h)
    :: else
    fi;
    told = 0; got = 0
}

// mmi_heap_get_slab with mmi_heap_adopt_slab, mmi_heap_make_slab and mmi_heap_own
inline get_slab(h) {
#ifdef ADOPTED_WITHOUT_LOCK
    skip;
#else
    lock();
#endif
    got = 0;
    at = 0;
    do
    :: at < HEAPS && got == 0 ->
        if
        :: (parked >> at) & 1 ->
            plain(BINS(at));
            load(LIST(at), RELAXED, told);
            if
            :: partial[at] && told == 0 ->
                do
                :: ((partial[at] >> got) & 1) == 0 -> got++
                :: else -> break
                od;
                unlist_slab(at, got);
                got++
            :: else
            fi
        :: else
        fi;
        at++
    :: else -> break
    od;
    if
    :: got == 0 && idle ->
        do
        :: ((idle >> got) & 1) == 0 -> got++
        :: else -> break
        od;
        idle = idle & ~(1 << got);
        plain(DESC(got));
        free_count[got] = BLOCKS;
        got++
    :: else
    fi;
    if
    :: got ->
        plain(DESC(got - 1));
        store(OWNER(got - 1), RELAXED, (h) + 1);
        fence(ORDER_OWN_FENCE);
        list_slab(h, got - 1)
    :: else
    fi;
#ifndef ADOPTED_WITHOUT_LOCK
    unlock();
#endif
    got = 0; told = 0; at = 0
}

#define LOCALS                                                                                     \
    byte was, owner, first, told, at, i, count, got, mine;

// The program writes to a block, and frees it.
inline use_and_free_remote(g) {
    plain(DATA(g));
    held[g] = false;
    free_remote(g)
}
inline use_and_free_own(h, g) {
    plain(DATA(g));
    held[g] = false;
    free_own(h, g)
}

proctype first_thread(byte me) {
    LOCALS
#if CASE == REMOTE_FREES
    collect(0); alloc(0);
    collect(0); alloc(0);
#elif CASE == FREED_TWICE
    collect(0); refill(0); collect(0);
#elif CASE == FREED_BY_BOTH
    free_own(0, 0); collect(0); flush(0);
#elif CASE == ADOPTED_SLAB || CASE == ADOPTED_HEAP || CASE == DRAINED
    use_and_free_own(0, 1);
    park(0);
#elif CASE == REUSED
    collect(0); release_empty(0);
    collect(0); release_empty(0);
    get_slab(0);
    alloc(0);
    if
    :: got -> got--; store(MAIL, RELEASE, got + 1)
    :: else
    fi;
    collect(0);
#endif
    ends()
}

proctype second_thread(byte me) {
    LOCALS
#if CASE == FREED_TWICE || CASE == FREED_BY_BOTH
    free_remote(0);
#else
    use_and_free_remote(0);
#endif
    ends()
}

proctype third_thread(byte me) {
    LOCALS
#if CASE == REMOTE_FREES
    use_and_free_remote(1);
#elif CASE == FREED_TWICE
    free_remote(0);
#elif CASE == ADOPTED_SLAB
    get_slab(1); alloc(1);
    if
    :: got -> got--; use_and_free_own(1, got)
    :: else
    fi;
    collect(1);
#elif CASE == ADOPTED_HEAP
    take_heap();
    if
    :: mine -> alloc(0); collect(0); flush(0)
    :: else
    fi;
#elif CASE == REUSED
    use_and_free_remote(1);
    load(MAIL, ACQUIRE, got);
    if
    :: got -> got--; use_and_free_remote(got)
    :: else
    fi;
#elif CASE == DRAINED
    drain(0);
    get_slab(1); alloc(1);
#endif
    ends()
}

proctype fourth_thread(byte me) {
    LOCALS
#if CASE == DRAINED
    use_and_free_remote(2);
#endif
    ends()
}

// A last thread, which has joined all others, collects what is left.
inline collect_rest() {
    do
    ::
        got = 0;
        load(LIST(0), RELAXED, told); got = got + told;
        load(LIST(1), RELAXED, told); got = got + told;
        if
        :: got == 0 -> break
        :: else -> collect(0); collect(1)
        fi
    od
}

inline all_is_there() {
    for (at : 0 .. SLABS - 1) {
        load(OWNER(at), RELAXED, owner);
        assert((owner == 0) == ((idle >> at) & 1));
        count = 0;
        for (i : at * BLOCKS .. at * BLOCKS + BLOCKS - 1) {
            load(i, RELAXED, was);
            assert(was != REMOTE); // a block is lost
            assert((was == LIVE) == held[i]);
            got = 0;
            if
            :: (stack[0] >> i) & 1 -> got++; assert(owner == 1)
            :: else
            fi;
            if
            :: (stack[1] >> i) & 1 -> got++; assert(owner == 2)
            :: else
            fi;
            assert(got == (was == CACHED));
            if
            :: was == FREE -> count++
            :: else
            fi;
        }
        assert(owner == 0 && count == BLOCKS || count == free_count[at]);
        assert(owner == 0 || ((partial[owner - 1] >> at) & 1) == (count != 0))
    }
}

init {
    byte me = 0;
    LOCALS
    atomic {
        begins();
        for (i : 0 .. ALL - 1) {
            sets(i, LIVE);
            held[i] = !(i == 0 && (CASE == FREED_TWICE || CASE == FREED_BY_BOTH))
        }
        for (i : 0 .. SLABS - 1) {
            sets(OWNER(i), 1)
        }
        i = 0;
        run first_thread(0);
        run second_thread(1);
        run third_thread(2);
        run fourth_thread(3)
    }
    joins(4);
    atomic {
        collect_rest();
#if CASE == FREED_TWICE
        assert(freed == 1); // one takes effect, the other is reported
#elif CASE == FREED_BY_BOTH
        assert(freed == 1 || freed == 2); // the second may have been harmless
#endif
        all_is_there()
    }
}
