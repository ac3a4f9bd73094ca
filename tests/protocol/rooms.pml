// rooms.pml: what else is without a lock, or is one, in memmgr.h: small models, by CASE.

#define LOCKED 1   // mmi_lock_acquire, mmi_lock_wait and mmi_lock_release keep three threads apart
#define STARTED 2  // mmi_heap_start: one thread prepares; who goes on knows what was prepared
#define FOUND 3    // mmi_arena_find while an arena is added, grows, is retired, revived or replaced
#define LATE 4     // mmi_slab_state_any while a unit is cut anew: states of the size, of this unit
#define RECORDED 5 // mmi_watch_claim: two threads free a watched block, which goes to quarantine

#if CASE == LOCKED
#define COUNT_ATOMICS 1
#define COUNT_LOCATIONS 2
#elif CASE == STARTED
#define COUNT_ATOMICS 1
#define COUNT_LOCATIONS 2
#elif CASE == FOUND
#define COUNT_ATOMICS 4
#define COUNT_LOCATIONS 7
#elif CASE == LATE
#define COUNT_ATOMICS 5
#define COUNT_LOCATIONS 5
#else
#define COUNT_ATOMICS 3
#define COUNT_LOCATIONS 4
#endif

c_decl {
\#define ATOMICS COUNT_ATOMICS
\#define LOCATIONS COUNT_LOCATIONS
\#define THREADS 3
\#define MESSAGES 8
#if CASE == LOCKED && !defined(LOCKED_WITHOUT_EXCHANGE)
\#define ONLY_EXCHANGED(x) 1
#endif
}
#include "memory.pml"
#include "orders.pml"

#if CASE == LOCKED

#define HELD 0
#define DATA 1
#ifdef LOCKED_WITHOUT_EXCHANGE
#define TRIES 1
#else
#define TRIES 2
#endif
byte inside;

proctype thread(byte me) {
    byte was, tries;
    for (tries : 1 .. TRIES) {
#ifdef LOCKED_WITHOUT_EXCHANGE
        load(HELD, ACQUIRE, was);
        if
        :: was == 0 -> store(HELD, RELAXED, 1)
        :: else
        fi;
#else
        exchange(HELD, ORDER_LOCK, 1, was);
#endif
        if
        :: was == 0 ->
            inside++;
            assert(inside == 1);
            plain(DATA);
            inside--;
            store(HELD, ORDER_UNLOCK, 0)
        :: else // it would look, and try again
        fi
    }
    ends()
}

#elif CASE == STARTED

#define STATE 0 // mmi_heap_all.started
#define KEY 1   // mmi_os_key, which mmi_os_thread_has reads
byte prepared;

proctype thread(byte me) {
    byte was;
    load(STATE, ORDER_STARTED_SEEN, was);
    if
    :: was == 2 -> reads(KEY)
    :: else ->
        exchange(STATE, ORDER_START, 1, was);
        if
        :: was == 1 -> // waits; it may give up, and then does not know what there is
            load(STATE, ORDER_STARTED_SEEN, was);
            if
            :: was != 1 -> reads(KEY)
            :: else
            fi
        :: was == 0 ->
            prepared++;
            plain(KEY);
            store(STATE, ORDER_STARTED, 2)
        :: else ->
            store(STATE, ORDER_STARTED, 2);
            reads(KEY)
        fi
    fi;
    ends()
}

#elif CASE == FOUND

// An arena of two units, at base 1. When it was given back it gets its memory again, or a second one,
// at base 4, has its place. An address is base + number.
#define PLACE 0 // mmi_arenas[0]: 1 or 2; 0 is not yet
#define FRESH 1 // of the first; then of the second
#define MAIL 3  // a block's address, which the program hands from thread to thread
#define TABLE 4 // of the first, with its base; then of the second
#define START 6 // of a unit's descriptor, in the first
#define BASE(arena) ((arena) == 1 -> 1 : 4)

proctype adds(byte me) {
    byte was;
#ifdef PLACED_BEFORE_DESCRIBED
    store(PLACE, ORDER_PLACE, 1);
    plain(TABLE);
#else
    plain(TABLE);
    store(PLACE, ORDER_PLACE, 1);
#endif
    store(FRESH, ORDER_FRESH, 1);
#ifdef FRESH_BEFORE_READY
    store(FRESH, ORDER_FRESH, 2);
    plain(START);
#else
    plain(START);
    store(FRESH, ORDER_FRESH, 2);
#endif
    store(MAIL, RELEASE, 2); // of unit 1
    load(MAIL, ACQUIRE, was);
    if
    :: was == 9 -> // it has come back, and all is idle: mmi_arena_retire, mmi_arena_add
        store(FRESH, RELAXED, 0);
        if
        :: store(FRESH, ORDER_FRESH, 1);
           store(MAIL, RELEASE, 1)
        :: plain(TABLE + 1);
           store(PLACE, ORDER_PLACE, 2);
           store(FRESH + 1, ORDER_FRESH, 1);
           store(MAIL, RELEASE, 4)
        fi
    :: else
    fi;
    ends()
}

// 255, or a unit's number in the arena that it belongs to.
inline find(address) {
    found = 255;
    load(PLACE, ORDER_PLACE_SEEN, arena);
    if
    :: arena == 0
    :: else ->
        reads(TABLE + arena - 1);
        load(FRESH + arena - 1, ORDER_FRESH_SEEN, fresh);
        if
        :: address >= BASE(arena) && address - BASE(arena) < fresh ->
            found = address - BASE(arena)
        :: else
        fi
    fi
}
proctype finds(byte me) {
    byte address, arena, fresh, found;
    load(MAIL, ACQUIRE, address);
    if
    :: address == 2 ->
        find(2);
        assert(found == 1); // a live block's unit is found
        plain(START);
        store(MAIL, RELEASE, 9)
    :: else ->
        find(2); // any pointer: nothing else may be found
        if
        :: found == 1 -> plain(START)
        :: else -> assert(found == 255)
        fi
    fi;
    ends()
}

proctype finds_late(byte me) {
    byte address, arena, fresh, found;
    load(MAIL, ACQUIRE, address);
    if
    :: address == 4 -> find(4); assert(found == 0 && arena == 2)
    :: address == 1 -> find(1); assert(found == 0 && arena == 1)
    :: else -> find(1)
    fi;
    ends()
}

#elif CASE == LATE

// A unit that was one block of size 1, with room for one state, becomes a slab of two of size 0,
// for which it gets other states, and one of size 1 again. A thread frees the block with number 1
// of size 0, from wherever it has the pointer.
#define SIZE 0    // of blocks, and 1; 0 is not yet
#define STATES 1  // 1: the first row, 2: the second
#define FIRST 2   // the row with one state
#define SECOND 3  // the row with two
#define SECOND_1 4
#define LIVE(size) (3 + (size))

proctype cuts(byte me) {
#ifdef SIZE_BEFORE_STATES
    store(SIZE, ORDER_SIZE, 1);
    store(STATES, RELAXED, 2);
#else
    store(STATES, RELAXED, 2);
    store(SIZE, ORDER_SIZE, 1);
#endif
    store(SECOND, RELAXED, LIVE(0));
    store(SECOND_1, RELAXED, LIVE(0));
    store(SECOND_1, RELAXED, 0); // freed by its owner,
    store(SECOND, RELAXED, 0);
    store(SIZE, ORDER_SIZE, 2); // and cut anew, to one block
    store(SECOND, RELAXED, LIVE(1));
    ends()
}

proctype frees(byte me) {
    byte size, row, was;
    load(SIZE, ORDER_SIZE_SEEN, size);
    size--; // as it is stored
    load(STATES, RELAXED, row);
    if
    :: size == 1 // no block starts there
    :: else ->
        assert(row == 2); // else the state lies behind the row
        compare_exchange(SECOND_1, ORDER_CLAIM, LIVE(0), 2, was)
    fi;
    ends()
}

// The same with the block with number 0, which is of either size.
proctype frees_first(byte me) {
    byte size, row, was;
    load(SIZE, ORDER_SIZE_SEEN, size);
    size--;
    load(STATES, RELAXED, row);
    // It has been handed a block of size 0; what the unit is by now is not its own.
    if
    :: size == 0 && row == 2 ->
#ifdef LIVE_WITHOUT_SIZE
        load(SECOND, RELAXED, was);
        if
        :: was >= LIVE(0) -> compare_exchange(SECOND, ORDER_CLAIM, was, 2, was)
        :: else
        fi;
#else
        compare_exchange(SECOND, ORDER_CLAIM, LIVE(0), 2, was);
#endif
        skip
    :: else
    fi;
    ends()
}

#elif CASE == RECORDED

#define RECORD 0 // record->state
#define ROW 1    // the raw block's state
#define NOTE 3   // what the record says about the free
#define FREED 1
byte claimed;

proctype thread(byte me) {
    byte was;
#ifdef CLAIMED_BY_STORE
    load(RECORD, RELAXED, was);
    if
    :: was == 0 -> store(RECORD, RELAXED, FREED)
    :: else
    fi;
#else
    compare_exchange(RECORD, ORDER_RECORD, 0, FREED, was);
#endif
    if
    :: was == 0 -> claimed++; plain(NOTE) // and it is pushed on the quarantine's list
    :: else // reported
    fi;
    ends()
}

#endif

init {
    byte me = 0, was;
    atomic {
        begins();
#if CASE == FOUND
        run adds(0); run finds(1); run finds_late(2)
#elif CASE == LATE
        sets(SIZE, 2); sets(STATES, 1); sets(FIRST, LIVE(1));
        run cuts(0); run frees(1); run frees_first(2)
#else
        run thread(0); run thread(1); run thread(2)
#endif
    }
    joins(3);
#if CASE == STARTED
    assert(prepared == 1)
#elif CASE == RECORDED
    assert(claimed == 1)
#elif CASE == LATE
    load(SECOND, RELAXED, was);
    assert(was == LIVE(1)) // of the other size, and not freed
#else
    skip
#endif
}
