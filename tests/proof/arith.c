// arith.c: sizes do not wrap. run.sh has CBMC check every unsigned and signed operation, shift and
// pointer of these proofs; the few functions where a wrap is meant are named there.
//
// Symbolic: every size, count and length, over the whole range of its type, unless it says
// otherwise. Bounded: nothing, but where it is said. Run for 64 bits, for 32, for 16-bit ints with
// 32-bit sizes, and for bytes in the other order.
#include "proof.h"

static const size_t granules_max =
    SIZE_MAX / 16 < 0xFFFFF000u ? SIZE_MAX / 16 : (size_t)0xFFFFF000u;

void wraps_granules(void) {
    size_t size = nondet_size(), granules = mmi_pool_granules(size);
    PROVE(granules > 0 && granules <= SIZE_MAX / 16 + 1);
    PROVE(granules == (size == 0 ? 1 : size / 16 + (size % 16 != 0)));
    REACHED();
}

void wraps_align_up(void) {
    size_t size = nondet_size();
    unsigned shift = nondet_byte();
    ASSUME(shift < sizeof(size_t) * 8);
    size_t unit = (size_t)1 << shift;
    ASSUME(size <= SIZE_MAX - (unit - 1));
    size_t up = mmi_align_up(size, unit);
    PROVE(up >= size && up - size < unit && (up & (unit - 1)) == 0);
    REACHED();
}

// One factor is at most 255: the product is then made here from its bits, beside a solver's reach
// otherwise.
void wraps_product(void) {
    size_t wide = nondet_size(), narrow = nondet_byte(), exact = 0;
    bool fits = true, swap = nondet_bool();
    for (unsigned bit = 8; bit-- > 0;) {
        fits = fits && exact <= SIZE_MAX / 2;
        exact = fits ? exact * 2 : 0;
        size_t part = narrow >> bit & 1 ? wide : 0;
        fits = fits && part <= SIZE_MAX - exact;
        exact = fits ? exact + part : 0;
    }
    size_t told = swap ? mmi_product(narrow, wide) : mmi_product(wide, narrow);
    PROVE(told == (fits ? exact : SIZE_MAX));
    REACHED();
}

// The parts of a segment without classes lie one behind the other, and each is large enough.
void wraps_layout(void) {
    mmi_segment segment;
    size_t granules = nondet_size();
    ASSUME(granules > 0 && granules <= granules_max && granules <= SIZE_MAX / 16 / 2);
    size_t front = mmi_segment_lay_out(&segment, granules, 0);
    size_t entries = segment.entry_count, count = (entries + 63) / 64 * 64, end = 0;
    PROVE(entries == (granules + 63) / 64 && segment.granule_count == granules);
    PROVE(segment.index_offset >= sizeof segment && segment.index_offset % 16 == 0);
    for (unsigned level = 0; level < 5; level++) {
        if (level >= segment.level_count) break;
        PROVE(segment.level_offset[level] == end);
        end += count;
        if (level + 1 < segment.level_count) count = (count / 64 + 63) / 64 * 64;
    }
    PROVE(segment.level_count <= 5 && count == segment.root_nodes * 64u);
    PROVE(segment.root_nodes >= 1 && segment.root_nodes <= 4);
    PROVE(segment.map_offset == segment.index_offset + end);
    PROVE(front == segment.granules_offset && front == segment.map_offset + (entries + 1) * 16);
    PROVE(front <= SIZE_MAX - granules * 16);
    REACHED();
}

// A segment fills its bytes: one granule more would not fit.
void wraps_fit(void) {
    mmi_segment segment, more;
    size_t size = nondet_size();
    ASSUME(size <= SIZE_MAX / 2);
    size_t granules = mmi_segment_fit(&segment, size, false);
    PROVE(granules <= granules_max);
    PROVE(granules == 0 || segment.granules_offset + granules * 16 <= size);
    if (granules < granules_max) {
        size_t front = mmi_segment_lay_out(&more, granules + 1, 0);
        PROVE(front + (granules + 1) * 16 > size);
    }
    REACHED();
}

// Any address: outside it, or off its granules, is no granule of a segment.
void wraps_granule(void) {
    mmi_segment segment;
    uintptr_t address = nondet_size();
    segment.granules_offset = nondet_size();
    segment.granule_count = nondet_u32();
    ASSUME(segment.granules_offset <= UINTPTR_MAX - (uintptr_t)&segment);
    uintptr_t base = (uintptr_t)mmi_segment_granules(&segment);
    ASSUME(base % 16 == 0 && segment.granule_count <= granules_max);
    ASSUME(segment.granule_count <= (UINTPTR_MAX - base) / 16);
    size_t granule = mmi_segment_granule(&segment, (const void *)address);
    bool on = address >= base && address % 16 == 0 && (address - base) / 16 < segment.granule_count;
    PROVE((granule < segment.granule_count) == on);
    PROVE(!on || granule == (address - base) / 16);
    REACHED();
}

// A share is at most the scale.
void wraps_share(void) {
    size_t part = nondet_size(), whole = nondet_size();
    ASSUME(part >= whole || part <= SIZE_MAX / 100 || whole >= 100);
    (void)mmi_text_share(part, whole, 100);
    REACHED();
}

static size_t written;
static void count_text(const char *text, size_t length, void *ctx) {
    (void)text, (void)ctx;
    written += length;
}

// A number has as many digits as there is room for.
void wraps_number(void) {
    mmi_text text;
    mmi_text_open(&text, count_text, NULL);
    mmi_text_number(&text, nondet_size());
    PROVE(text.length >= 1 && text.length <= 20);
    REACHED();
}
