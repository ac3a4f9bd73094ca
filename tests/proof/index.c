// index.c: proofs of the room index.
//
// Symbolic: all bytes of a node, or of a tree that is in order; the entry, the code. One node: both
// the portable code and the one with vectors (PROOF_SSE2), of which a model stands in include/. The
// tree is proved with nodes of 4 bytes and a root of at most 2 nodes, so that it has two levels
// with 20 entries, three with 40: run.sh changes those two constants in a copy (MMI_NODE,
// MMI_ROOT_NODES), and nothing else.
#include "proof.h"

#ifndef NODE
#define NODE 64
#define ROOT_NODES 4
#endif
#ifndef LEAVES
#define LEAVES 100
#endif

// --- codes

// For every length there can be: the code's runs are at least as long as its shortest, and shorter
// than the next code's; code_for is the lowest that is sure to be long enough.
void index_codes(void) {
    uint32_t length = nondet_u32();
    unsigned code = mmi_index_code(length);
    PROVE(code <= 255 && mmi_index_shortest(code) <= length);
    PROVE(code == 255 || length < mmi_index_shortest(code + 1));
    unsigned sure = mmi_index_code_for(length);
    PROVE(sure == 256 || mmi_index_shortest(sure) >= length);
    PROVE(sure == 0 || mmi_index_shortest(sure - 1) < length);
    REACHED();
}

// --- one node

static uint8_t node[NODE];

static void any_node(void) {
    for (unsigned i = 0; i < NODE; i++)
        node[i] = nondet_byte();
}

static unsigned any_place(void) {
    unsigned place = nondet_u32();
    ASSUME(place < NODE);
    return place;
}

// Whatever is said of all bytes is said of one at any place.
void index_node_largest(void) {
    any_node();
    unsigned largest = mmi_index_largest(node), other = any_place();
    bool found = false;
    for (unsigned i = 0; i < NODE; i++)
        found = found || node[i] == largest;
    PROVE(found && node[other] <= largest);
    REACHED();
}

// The first byte from a place on that is at least `code`.
void index_node_first(void) {
    any_node();
    unsigned from = any_place(), code = nondet_byte(), other = any_place();
    unsigned first = mmi_index_first(node, from, code);
    PROVE(first == NODE || (first < NODE && first >= from && node[first] >= code));
    PROVE(other < from || other >= first || node[other] < code);
    REACHED();
}

// The lowest of the places where the smallest byte stands that is at least `code`.
void index_node_least(void) {
    any_node();
    unsigned code = nondet_byte(), other = any_place();
    ASSUME(code != 0);
    unsigned least = mmi_index_least(node, code);
    PROVE(least == NODE || (least < NODE && node[least] >= code));
    if (least == NODE)
        PROVE(node[other] < code);
    else
        PROVE(node[other] < code || node[other] > node[least] ||
              (node[other] == node[least] && other >= least));
    REACHED();
}

// --- a tree

enum {
    NODES_0 = (LEAVES + NODE - 1) / NODE,
    NODES_1 = NODES_0 > ROOT_NODES ? (NODES_0 + NODE - 1) / NODE : 0,
    NODES_2 = NODES_1 > ROOT_NODES ? (NODES_1 + NODE - 1) / NODE : 0,
    LEVELS = NODES_2   ? 3
             : NODES_1 ? 2
                       : 1
};

static struct {
    mmi_segment segment;
    uint8_t bytes[(NODES_0 + NODES_1 + NODES_2) * NODE];
} tree;

static uint8_t *const level_0 = tree.bytes;
static uint8_t *const level_1 = tree.bytes + NODES_0 * NODE;
static uint8_t *const level_2 = tree.bytes + (NODES_0 + NODES_1) * NODE;

// Is each byte the largest of the node below it, and nothing behind the last?
static bool level_holds(const uint8_t *parents, unsigned parent_count, const uint8_t *children,
                        unsigned child_nodes) {
    bool holds = true;
    for (unsigned parent = 0; parent < parent_count; parent++) {
        uint8_t largest = 0;
        for (unsigned i = 0; parent < child_nodes && i < NODE; i++)
            if (children[parent * NODE + i] > largest) largest = children[parent * NODE + i];
        holds = holds && parents[parent] == largest;
    }
    return holds;
}

static bool tree_holds(void) {
    bool holds = true;
    for (unsigned i = LEAVES; i < NODES_0 * NODE; i++)
        holds = holds && level_0[i] == 0;
    if (LEVELS > 1) holds = holds && level_holds(level_1, NODES_1 * NODE, level_0, NODES_0);
    if (LEVELS > 2) holds = holds && level_holds(level_2, NODES_2 * NODE, level_1, NODES_1);
    return holds;
}

static void any_tree(void) {
    (void)mmi_segment_lay_out(&tree.segment, (size_t)LEAVES * 64, 0);
    PROVE(tree.segment.level_count == LEVELS); // what is laid out is the tree as it is here
    PROVE(tree.segment.level_offset[LEVELS - 1] == (LEVELS == 1   ? 0
                                                    : LEVELS == 2 ? NODES_0 * NODE
                                                                  : (NODES_0 + NODES_1) * NODE));
    tree.segment.index_offset = offsetof(__typeof__(tree), bytes);
    for (unsigned i = 0; i < sizeof tree.bytes; i++)
        tree.bytes[i] = nondet_byte();
    ASSUME(tree_holds());
}

static uint32_t any_entry(void) {
    uint32_t entry = nondet_u32();
    ASSUME(entry < LEAVES);
    return entry;
}

// After an entry was given a code it has it, no other has changed, and the tree is in order.
void index_sets(void) {
    any_tree();
    uint32_t entry = any_entry(), other = any_entry();
    unsigned code = nondet_byte(), before = level_0[other];
    mmi_index_set_code(&tree.segment, entry, code);
    PROVE(level_0[entry] == code);
    PROVE(other == entry || level_0[other] == before);
    PROVE(tree_holds());
    REACHED();
}

// The first entry from any on, as a scan of the leaves finds it.
void index_next(void) {
    any_tree();
    uint32_t from = nondet_u32(), first = UINT32_MAX;
    ASSUME(from <= LEAVES);
    unsigned code = nondet_byte();
    ASSUME(code != 0);
    for (uint32_t i = LEAVES; i-- > 0;)
        if (i >= from && level_0[i] >= code) first = i;
    PROVE(mmi_index_next(&tree.segment, from, code) == first);
    REACHED();
}

// An entry that will do is found whenever there is one; with one level it is the smallest, with
// more the smallest of its node.
void index_finds(void) {
    any_tree();
    unsigned code = nondet_byte(), least = 0;
    ASSUME(code != 0);
    uint32_t found = mmi_index_find(&tree.segment, code);
    for (uint32_t i = 0; i < LEAVES; i++)
        if (level_0[i] >= code && (least == 0 || level_0[i] < least)) least = level_0[i];
    PROVE((found == UINT32_MAX) == (least == 0));
    PROVE(found == UINT32_MAX || (found < LEAVES && level_0[found] >= code));
    PROVE(found == UINT32_MAX || LEVELS > 1 || level_0[found] == least);
    unsigned other = any_place();
    if (found != UINT32_MAX) {
        unsigned near = level_0[found / NODE * NODE + other];
        PROVE(near < code || near >= level_0[found]);
    }
    REACHED();
}

// The largest code of all.
void index_tops(void) {
    any_tree();
    unsigned top = mmi_index_top(&tree.segment);
    bool found = top == 0, larger = false;
    for (uint32_t i = 0; i < LEAVES; i++) {
        found = found || level_0[i] == top;
        larger = larger || level_0[i] > top;
    }
    PROVE(found && !larger);
    REACHED();
}
