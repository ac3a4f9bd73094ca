// emmintrin.h: what memmgr.h uses of SSE2, byte by byte, as the processor's manual says it. With it
// CBMC sees the same code that is compiled for x86-64.
#ifndef PROOF_EMMINTRIN_H
#define PROOF_EMMINTRIN_H

#include <stdint.h>

typedef struct {
    uint8_t byte[16];
} __m128i;

static __m128i _mm_loadu_si128(const __m128i *from) { return *from; }
static __m128i _mm_load_si128(const __m128i *from) { return *from; }

static __m128i _mm_set1_epi8(char value) {
    __m128i to;
    for (unsigned i = 0; i < 16; i++)
        to.byte[i] = (uint8_t)value;
    return to;
}

static __m128i _mm_max_epu8(__m128i a, __m128i b) {
    for (unsigned i = 0; i < 16; i++)
        if (b.byte[i] > a.byte[i]) a.byte[i] = b.byte[i];
    return a;
}

static __m128i _mm_min_epu8(__m128i a, __m128i b) {
    for (unsigned i = 0; i < 16; i++)
        if (b.byte[i] < a.byte[i]) a.byte[i] = b.byte[i];
    return a;
}

static __m128i _mm_sub_epi8(__m128i a, __m128i b) {
    for (unsigned i = 0; i < 16; i++)
        a.byte[i] = (uint8_t)(a.byte[i] - b.byte[i]);
    return a;
}

static __m128i _mm_cmpeq_epi8(__m128i a, __m128i b) {
    for (unsigned i = 0; i < 16; i++)
        a.byte[i] = a.byte[i] == b.byte[i] ? 0xFF : 0;
    return a;
}

static __m128i _mm_srli_si128(__m128i a, int bytes) {
    __m128i to;
    for (int i = 0; i < 16; i++)
        to.byte[i] = i + bytes < 16 ? a.byte[i + bytes] : 0;
    return to;
}

static int _mm_movemask_epi8(__m128i a) {
    int mask = 0;
    for (unsigned i = 0; i < 16; i++)
        mask |= (a.byte[i] >> 7) << i;
    return mask;
}

static int _mm_cvtsi128_si32(__m128i a) {
    uint32_t low = a.byte[0] | (uint32_t)a.byte[1] << 8 | (uint32_t)a.byte[2] << 16 |
                   (uint32_t)a.byte[3] << 24;
    return (int)low;
}

#endif
