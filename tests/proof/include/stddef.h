// stddef.h: as stdint.h beside it.
#ifndef PROOF_STDDEF_H
#define PROOF_STDDEF_H

typedef __CPROVER_size_t size_t;
typedef __CPROVER_ssize_t ptrdiff_t;

#define NULL ((void *)0)
#define offsetof(type, member) __builtin_offsetof(type, member)

#endif
