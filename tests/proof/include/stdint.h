// stdint.h: the integer types of the models that proofs are made for, in place of the host's.
#ifndef PROOF_STDINT_H
#define PROOF_STDINT_H

typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef signed short int16_t;
typedef unsigned short uint16_t;
#ifdef PROOF_INT16
typedef signed long int32_t;
typedef unsigned long uint32_t;
#define UINT32_MAX 0xFFFFFFFFul
#else
typedef signed int int32_t;
typedef unsigned int uint32_t;
#define UINT32_MAX 0xFFFFFFFFu
#endif
typedef signed long long int64_t;
typedef unsigned long long uint64_t;

typedef __CPROVER_size_t uintptr_t;
typedef __CPROVER_ssize_t intptr_t;

#define UINT8_MAX 0xFF
#define UINT16_MAX 0xFFFF
#define UINT64_MAX 0xFFFFFFFFFFFFFFFFull
#define UINT64_C(x) x##ull
#ifdef PROOF_SIZE32
#define SIZE_MAX 0xFFFFFFFFul
#else
#define SIZE_MAX 0xFFFFFFFFFFFFFFFFul
#endif
#define UINTPTR_MAX SIZE_MAX

#endif
