// litmus.pml: is the memory as strong, and as weak, as it is said to be? TEST names one of the known
// litmus tests; an execution that ends in the outcome it is about breaks the assertion. litmus.txt
// says which outcomes are to be found.

c_decl {
\#define LOCATIONS 4
\#define ATOMICS 3
\#define THREADS 4
\#define MESSAGES 6
}
#include "memory.pml"

#define X 0
#define Y 1
#define Z 2
#define DATA 3

byte r[5];

#ifndef W       // the orders of a test's stores, loads, read-modify-writes and fences
#define W RELAXED
#endif
#ifndef R
#define R RELAXED
#endif
#ifndef U
#define U RELAXED
#endif
#ifdef F
#define FENCE fence(F);
#else
#define FENCE
#endif
#ifndef F2
#define FENCE2 FENCE
#else
#define FENCE2 fence(F2);
#endif

#define MP 1       // message passing
#define SB 2       // store buffering
#define LB 3       // load buffering
#define IRIW 4     // independent reads of independent writes
#define CORR 5     // coherence of reads
#define TWOTWO 6   // 2+2W
#define WRC 7      // write, read, write: causality over a third thread
#define SHAPE_S 8  // S
#define SHAPE_R 9  // R
#define SEQUENCE 10 // a release sequence goes on through another's read-modify-write
#define LOST 11    // two read-modify-writes of one value
#define RACE 12    // message passing of plain data
#define SBRMW 13   // store buffering with exchanges instead of stores
#define OVERWRITE 14 // a release sequence ends at a plain store of the same thread
#define DEKKER 15  // a compare-and-swap and a load against an exchange, a fence and a load
#define COWR 16    // a thread does not read what is older than its own store

proctype first(byte me) {
#if TEST == MP
    store(X, RELAXED, 1); FENCE store(Y, W, 1);
#elif TEST == SB
    store(X, W, 1); FENCE load(Y, R, r[0]);
#elif TEST == LB
    load(Y, R, r[0]); FENCE store(X, W, 1);
#elif TEST == IRIW || TEST == WRC || TEST == CORR
    store(X, W, 1);
#if TEST == CORR
    store(X, W, 2);
#endif
#elif TEST == TWOTWO
    store(X, W, 1); FENCE store(Y, W, 2);
#elif TEST == SHAPE_S
    store(X, RELAXED, 2); FENCE store(Y, W, 1);
#elif TEST == SHAPE_R
    store(X, W, 1); FENCE store(Y, W, 1);
#elif TEST == SEQUENCE
    plain(DATA); store(Y, W, 1);
#elif TEST == LOST
    compare_exchange(X, U, 0, 1, r[0]);
#elif TEST == RACE
    plain(DATA); FENCE store(Y, W, 1);
#elif TEST == SBRMW
    exchange(X, U, 1, r[2]); FENCE load(Y, R, r[0]);
#elif TEST == OVERWRITE
    plain(DATA); store(Y, W, 1); store(Y, RELAXED, 2);
#elif TEST == DEKKER
    compare_exchange(X, U, 0, 1, r[2]); load(Y, R, r[0]);
#elif TEST == COWR
    store(X, W, 1); load(X, R, r[0]);
#endif
    ends()
}

proctype second(byte me) {
#if TEST == MP
    load(Y, R, r[0]); FENCE2 load(X, RELAXED, r[1]);
#elif TEST == SB
    store(Y, W, 1); FENCE2 load(X, R, r[1]);
#elif TEST == LB
    load(X, R, r[1]); FENCE2 store(Y, W, 1);
#elif TEST == IRIW
    store(Y, W, 1);
#elif TEST == WRC
    load(X, R, r[0]); FENCE store(Y, W, r[0]);
#elif TEST == CORR
    load(X, R, r[0]); load(X, R, r[1]);
#elif TEST == TWOTWO
    store(Y, W, 1); FENCE2 store(X, W, 2);
#elif TEST == SHAPE_S
    load(Y, R, r[0]); FENCE2 store(X, RELAXED, 1);
#elif TEST == SHAPE_R
    store(Y, W, 2); FENCE2 load(X, R, r[0]);
#elif TEST == SEQUENCE
    compare_exchange(Y, U, 1, 2, r[0]);
#elif TEST == LOST
    compare_exchange(X, U, 0, 2, r[1]);
#elif TEST == RACE || TEST == OVERWRITE
    load(Y, R, r[0]); FENCE2
    if
    :: r[0] == 1 && TEST == RACE || r[0] == 2 -> plain(DATA)
    :: else
    fi;
#elif TEST == SBRMW
    exchange(Y, U, 1, r[3]); FENCE2 load(X, R, r[1]);
#elif TEST == DEKKER
    exchange(Y, U, 1, r[3]); FENCE load(X, RELAXED, r[1]);
#elif TEST == COWR
    store(X, W, 2);
#endif
    ends()
}

proctype third(byte me) {
#if TEST == IRIW
    load(X, R, r[0]); FENCE load(Y, R, r[1]);
#elif TEST == WRC
    load(Y, R, r[1]); FENCE2 load(X, R, r[2]);
#elif TEST == SEQUENCE
    load(Y, R, r[1]);
    if
    :: r[1] == 2 -> plain(DATA)
    :: else
    fi;
#endif
    ends()
}

proctype fourth(byte me) {
#if TEST == IRIW
    load(Y, R, r[2]); FENCE2 load(X, R, r[3]);
#endif
    ends()
}

init {
    byte me = 0, x, y;
    atomic {
        begins();
        run first(0); run second(1); run third(2); run fourth(3)
    }
    joins(4);
    load(X, RELAXED, x); load(Y, RELAXED, y);
#if TEST == MP
    assert(!(r[0] == 1 && r[1] == 0))
#elif TEST == SB || TEST == SBRMW || TEST == DEKKER
    assert(!(r[0] == 0 && r[1] == 0))
#elif TEST == LB
    assert(!(r[0] == 1 && r[1] == 1))
#elif TEST == IRIW
    assert(!(r[0] == 1 && r[1] == 0 && r[2] == 1 && r[3] == 0))
#elif TEST == CORR
    assert(!(r[0] > r[1]))
#elif TEST == TWOTWO
    assert(!(x == 1 && y == 1))
#elif TEST == WRC
    assert(!(r[0] == 1 && r[1] == 1 && r[2] == 0))
#elif TEST == SHAPE_S
    assert(!(r[0] == 1 && x == 2))
#elif TEST == SHAPE_R
    assert(!(r[0] == 0 && y == 2))
#elif TEST == LOST
    assert(!(r[0] == 0 && r[1] == 0))
#elif TEST == COWR
    assert(!(r[0] == 2 && x == 1) && r[0] != 0)
#endif
}
