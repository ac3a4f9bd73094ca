// memory.pml: the operations of memory.h as steps of a model. A process has `byte me`, its number.

c_decl {
\#include <stdlib.h>
\#include <string.h>
\#include "memory.h"
}
c_state "memory M" "Global"

#define RELAXED 0
#define ACQUIRE 1
#define RELEASE 2
#define ACQ_REL 3
#define SEQ_CST 7

// Arguments of the step under way; 0 between steps.
byte x_kind, x_me, x_at, x_order, x_value, x_expected, x_places, x_place, x_was;

inline operate(kind, location, order, value, expected) {
    x_kind = kind; x_me = me; x_at = location; x_order = order;
    x_value = value; x_expected = expected;
    c_code {
        now.x_places = (uchar)memory_places(&now.M, now.x_kind, now.x_me, now.x_at, now.x_order,
                                            now.x_expected);
    };
    do
    :: (x_places >> x_place) > 1 -> x_place++
    :: ((x_places >> x_place) & 1) != 0 -> break
    od;
    c_code {
        now.x_was = (uchar)memory_do(&now.M, now.x_kind, now.x_me, now.x_at, now.x_order,
                                     now.x_value, now.x_expected, now.x_place);
    };
    assert(c_expr { now.M.fault != FAULT_HISTORY }); // MESSAGES is too small
    x_kind = 0; x_me = 0; x_at = 0; x_order = 0; x_value = 0; x_expected = 0;
    x_places = 0; x_place = 0
}

inline load(location, order, into) {
    atomic { operate(0, location, order, 0, 0); into = x_was; x_was = 0 }
}
inline store(location, order, what) {
    atomic { operate(1, location, order, what, 0); x_was = 0 }
}
inline exchange(location, order, what, into) {
    atomic { operate(2, location, order, what, 0); into = x_was; x_was = 0 }
}
// `into` is what was there: `from` if it was replaced.
inline compare_exchange(location, order, from, to, into) {
    atomic { operate(3, location, order, to, from); into = x_was; x_was = 0 }
}
inline fence(order) {
    atomic {
        x_me = me; x_order = order;
        c_code { memory_fence(&now.M, now.x_me, now.x_order); };
        x_me = 0; x_order = 0
    }
}
inline plain(location) {
    atomic {
        x_me = me; x_at = location;
        c_code { memory_plain(&now.M, now.x_me, now.x_at); };
        assert(c_expr { now.M.fault != FAULT_RACE });
        x_me = 0; x_at = 0
    }
}
// A read of what is not written any more while others may read it: several may do so at once.
inline reads(location) {
    atomic {
        x_me = me; x_at = location;
        c_code { memory_knows(&now.M, now.x_me, now.x_at); };
        assert(c_expr { now.M.fault != FAULT_RACE });
        x_me = 0; x_at = 0
    }
}
inline begins() { c_code { memory_begin(&now.M); } }
inline sets(location, what) {
    x_at = location; x_value = what;
    c_code { memory_set(&now.M, now.x_at, now.x_value); };
    x_at = 0; x_value = 0
}

byte ended;
inline ends() {
    atomic {
        x_me = me;
        c_code { memory_end(&now.M, now.x_me); };
        x_me = 0;
        ended++
    }
}
inline joins(count) {
    atomic {
        ended == count;
        x_me = me;
        c_code { memory_join(&now.M, now.x_me); };
        x_me = 0
    }
}
