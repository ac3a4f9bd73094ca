// Microsoft's compiler.
#pragma once
#ifdef __cplusplus
extern "C" {
#endif
long _InterlockedExchange(long volatile *at, long value);
char _InterlockedExchange8(char volatile *at, char value);
long _InterlockedOr(long volatile *at, long value);
char _InterlockedCompareExchange8(char volatile *at, char value, char expected);
void *_InterlockedExchangePointer(void *volatile *at, void *value);
void *_InterlockedCompareExchangePointer(void *volatile *at, void *value, void *expected);
unsigned char _BitScanForward64(unsigned long *index, unsigned __int64 mask);
unsigned char _BitScanReverse64(unsigned long *index, unsigned __int64 mask);
void *_ReturnAddress(void);
#if defined(_M_ARM) || defined(_M_ARM64)
void __dmb(unsigned int domain);
#endif
#ifdef __cplusplus
}
#endif
