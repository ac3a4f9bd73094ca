// slab.c: the numbers of blocks in slabs, for every size and every address in a unit: what one
// multiplication tells, against a division. And the sizes and tables it rests on, for every size
// that a general call may ask a slab for. No address and no size is left out, so this is a proof,
// though it is a plain program. With an argument it seeds a fault: a multiplier that is 1 less.
#define MEMMGR_IMPLEMENTATION
#define MEMMGR_STATIC
#define USE_MEMORY_MGR
#include "memmgr.h"

static unsigned long passed, failed;

static void check(bool holds, const char *what, unsigned size_index) {
    if (holds) {
        passed++;
        return;
    }
    failed++;
    printf("    %s: size %u\n", what, size_index);
}

// Block numbers and first bytes, at every address of a unit.
static bool numbers_hold(unsigned size_index, uint32_t multiplier) {
    uintptr_t size = (uintptr_t)mmi_slab_size(size_index);
    for (uintptr_t address = 0; address < 65536; address++) {
        bool starts;
        size_t number = mmi_slab_number(address + 7 * 65536, multiplier, &starts);
        if (number != address / size || starts != (address % size == 0)) return false;
    }
    return true;
}

// There is a state for every block that an address can name.
static bool states_suffice(unsigned size_index) {
    return ((size_t)64 << mmi_slab_order(size_index)) > 65535 / mmi_slab_size(size_index);
}

// A size's bin is the first whose blocks are large enough.
static bool bin_holds(size_t bytes) {
    static mmi_heap heap;
    size_t size_index = (size_t)(mmi_slab_bin(&heap, bytes) - heap.bins);
    if (size_index >= 40 || mmi_slab_size((unsigned)size_index) < bytes) return false;
    return size_index == 0 || mmi_slab_size((unsigned)size_index - 1) < bytes;
}

int main(int argc, char **argv) {
    (void)argv;
    mmi_slab_fill_tables();
    for (unsigned i = 0; i < 40; i++) {
        uint32_t multiplier = mmi_slab_multipliers[i] - (argc > 1 ? 1 : 0);
        check(numbers_hold(i, multiplier), "a number is wrong", i);
        check(states_suffice(i), "too few states", i);
        check(mmi_slab_size(i) % 16 == 0 && (i == 0 || mmi_slab_size(i - 1) < mmi_slab_size(i)),
              "sizes out of order", i);
    }
    bool bins = mmi_slab_size(39) == 32768;
    for (size_t bytes = 1; bytes <= 32768; bytes++)
        bins = bins && bin_holds(bytes);
    check(bins, "a bin is wrong", 0);
    printf("%lu passed, %lu failed\n", passed, failed);
    return failed != 0;
}
