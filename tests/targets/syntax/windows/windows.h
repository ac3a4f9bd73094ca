// The Windows API.
#pragma once
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
#define WINAPI __stdcall
typedef unsigned long DWORD, *LPDWORD;
typedef unsigned short WORD;
typedef int BOOL;
typedef char *LPSTR;
typedef const char *LPCSTR;
typedef void *HANDLE, *PVOID, *LPVOID;
typedef const void *LPCVOID;
typedef size_t SIZE_T;
typedef size_t DWORD_PTR;
typedef struct {
    WORD wProcessorArchitecture, wReserved;
    DWORD dwPageSize;
    LPVOID lpMinimumApplicationAddress, lpMaximumApplicationAddress;
    DWORD_PTR dwActiveProcessorMask;
    DWORD dwNumberOfProcessors, dwProcessorType, dwAllocationGranularity;
    WORD wProcessorLevel, wProcessorRevision;
} SYSTEM_INFO;
typedef union {
    struct {
        DWORD LowPart;
        long HighPart;
    } u;
    long long QuadPart;
} LARGE_INTEGER;
typedef struct OVERLAPPED OVERLAPPED;
typedef void(WINAPI *PFLS_CALLBACK_FUNCTION)(PVOID value);

#define MEM_COMMIT 0x1000
#define MEM_RESERVE 0x2000
#define MEM_DECOMMIT 0x4000
#define MEM_RELEASE 0x8000
#define MEM_RESET 0x80000
#define PAGE_READWRITE 4
#define STD_OUTPUT_HANDLE ((DWORD)-11)
#define STD_ERROR_HANDLE ((DWORD)-12)
#define FLS_OUT_OF_INDEXES ((DWORD)0xFFFFFFFF)

void WINAPI GetSystemInfo(SYSTEM_INFO *info);
LPVOID WINAPI VirtualAlloc(LPVOID at, SIZE_T size, DWORD kind, DWORD protection);
BOOL WINAPI VirtualFree(LPVOID at, SIZE_T size, DWORD kind);
HANDLE WINAPI GetStdHandle(DWORD which);
BOOL WINAPI WriteFile(HANDLE file, LPCVOID from, DWORD size, LPDWORD written, OVERLAPPED *none);
BOOL WINAPI GetConsoleMode(HANDLE console, LPDWORD mode);
DWORD WINAPI GetEnvironmentVariableA(LPCSTR name, LPSTR to, DWORD size);
BOOL WINAPI SwitchToThread(void);
void WINAPI Sleep(DWORD milliseconds);
DWORD WINAPI GetTickCount(void);
BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *to);
BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *to);
DWORD WINAPI FlsAlloc(PFLS_CALLBACK_FUNCTION end);
BOOL WINAPI FlsSetValue(DWORD key, PVOID value);
PVOID WINAPI FlsGetValue(DWORD key);
BOOL WINAPI FlsFree(DWORD key);
#ifdef __cplusplus
}
#endif
