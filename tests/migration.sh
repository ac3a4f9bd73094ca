#!/bin/sh
# migration.sh: examples/migration. Its program is built and run with every compiler that is here,
# as C and as C++, with the switch on and off; each header by itself, with the implementation and
# without; and the page is held against the code: each of our calls that it names is in memmgr.h,
# each of theirs is in a shim or said to have none. FreeRTOS is a stand-in, made here; mimalloc.h is
# also compared with the real one, where it is installed. Build output goes to build/migration.
cd "$(dirname "$0")/.." || exit 1
out=build/migration
from=examples/migration
page=$from/README.md
mkdir -p "$out"
passed=0
failed=0
warnings='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror'

# count name passed failed [log]
count()
{
    passed=$((passed + $2)) failed=$((failed + $3))
    printf '  %-28s %d passed, %d failed\n' "$1" "$2" "$3"
    if [ "$3" != 0 ] && [ -n "${4:-}" ]; then sed 's/^/    /' "$4" | head -40; fi
}

skip()
{
    printf '  %-28s skipped: %s\n' "$1" "$2"
    if [ -n "${MEMMGR_REQUIRE_ALL:-}" ]; then failed=$((failed + 1)); fi
}

# verdict name log command...: passes when the command ends with 0.
verdict()
{
    row=$1 log=$2
    shift 2
    if "$@" >"$log" 2>&1; then count "$row" 1 0; else count "$row" 0 1 "$log"; fi
}

# What heap_memmgr.c needs of FreeRTOS: its names, a scheduler that counts, assertions that count.
stand_in()
{
    cat >"$out/FreeRTOS.h" <<'C'
#ifndef FREERTOS_H
#define FREERTOS_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#define configTOTAL_HEAP_SIZE (512u * 1024)
#define configUSE_MALLOC_FAILED_HOOK 1
extern unsigned freertos_assertions, freertos_failures, freertos_suspended;
#define configASSERT(x) ((x) ? (void)0 : (void)freertos_assertions++)
typedef struct HeapRegion {
    uint8_t *pucStartAddress;
    size_t xSizeInBytes;
} HeapRegion_t;
typedef struct xHeapStats {
    size_t xAvailableHeapSpaceInBytes, xSizeOfLargestFreeBlockInBytes;
    size_t xSizeOfSmallestFreeBlockInBytes, xNumberOfFreeBlocks, xMinimumEverFreeBytesRemaining;
    size_t xNumberOfSuccessfulAllocations, xNumberOfSuccessfulFrees;
} HeapStats_t;
void vPortDefineHeapRegions(const HeapRegion_t *const pxHeapRegions);
void vPortGetHeapStats(HeapStats_t *pxHeapStats);
void *pvPortMalloc(size_t xWantedSize);
void *pvPortCalloc(size_t xNum, size_t xSize);
void vPortFree(void *pv);
void vPortInitialiseBlocks(void);
void vPortHeapResetState(void);
size_t xPortGetFreeHeapSize(void);
size_t xPortGetMinimumEverFreeHeapSize(void);
void xPortResetHeapMinimumEverFreeHeapSize(void);
void vApplicationMallocFailedHook(void);
#ifdef __cplusplus
}
#endif
#endif
C
    cat >"$out/task.h" <<'C'
void vTaskSuspendAll(void);
long xTaskResumeAll(void);
C
    cat >"$out/scheduler.c" <<'C'
#include "FreeRTOS.h"
#include "task.h"
unsigned freertos_assertions, freertos_failures, freertos_suspended;
void vTaskSuspendAll(void) { freertos_suspended++; }
long xTaskResumeAll(void) { return freertos_suspended-- ? 0 : -1; }
void vApplicationMallocFailedHook(void) { freertos_failures++; }
C
    # heap_5: three regions, and a program that fills them.
    cat >"$out/regions.c" <<'C'
#include "FreeRTOS.h"
static uint8_t one[3000], two[20000], three[7000];
int main(void)
{
    const HeapRegion_t regions[] = {
        {one, sizeof one}, {two, sizeof two}, {three, sizeof three}, {NULL, 0}};
    void *block[300];
    size_t count = 0;
    if (pvPortMalloc(10)) return 1; // before there are regions
    vPortDefineHeapRegions(regions);
    size_t whole = xPortGetFreeHeapSize();
    while (count < 300 && (block[count] = pvPortMalloc(200))) count++;
    if (count < 120 || count > 150 || whole < 27000) return 2;
    if (xPortGetMinimumEverFreeHeapSize() > 2000) return 3;
    for (size_t i = 0; i < count; i++) vPortFree(block[i]);
    if (xPortGetFreeHeapSize() != whole || freertos_assertions != 0) return 4;
#ifdef USE_MEMORY_MGR
    if (pvPortMalloc(18000) == NULL || pvPortMalloc(18000)) return 5; // only the second has it
    vPortFree(block[0]), vPortFree(block[count - 1] = &count);
    if (freertos_assertions != 2) return 6; // a double free, and one of the stack
#endif
    vPortHeapResetState();
    return freertos_suspended == 0 ? 0 : 7;
}
C
}

# program compiler c|c++ on|off [flag...]: everything in one program; what is C only is compiled so.
program()
{
    compiler=$1 language=$2 setting=$3
    shift 3
    case $compiler in *++) plain=${compiler%++} ;; *) plain=$compiler ;; esac
    case $plain in g) plain=gcc ;; esac
    standard=-std=c11
    if [ "$language" = c++ ]; then standard=-std=c++11; fi
    switch=
    if [ "$setting" = on ]; then switch=-DUSE_MEMORY_MGR; fi
    # shellcheck disable=SC2086 # flags are words
    set -- "$@" -O1 -g $warnings $switch -I. "-I$from" "-I$out"
    object=$out/$compiler.$setting
    $plain -std=c11 "$@" -c -o "$object.heap.o" $from/heap_memmgr.c &&
        $plain -std=c11 -O1 -I"$out" -c -o "$object.scheduler.o" "$out/scheduler.c" &&
        $compiler $standard -x "$language" "$@" -c -o "$object.o" $from/migration.c &&
        $compiler "$@" -o "$object" "$object.o" "$object.heap.o" "$object.scheduler.o" -pthread &&
        "$object"
}

regions()
{
    switch=
    if [ "$2" = on ]; then switch=-DUSE_MEMORY_MGR; fi
    # shellcheck disable=SC2086 # flags are words
    $1 -std=c11 -O1 -g $warnings $switch -DconfigHEAP_REGIONS=1 -I. -I"$out" \
        -o "$out/regions.$1.$2" "$out/regions.c" $from/heap_memmgr.c "$out/scheduler.c" &&
        "$out/regions.$1.$2"
}

# alone compiler standard language: each header by itself, plainly, and with the implementation; in
# two files that are linked.
alone()
{
    for header in "$from"/*.h; do
        name=$(basename "$header" .h)
        unit=$out/alone.$1.$name
        printf '#include "%s.h"\nint main(void) { return 0; }\n' "$name" >"$unit.main.c"
        printf '#define MEMMGR_IMPLEMENTATION\n#include "%s.h"\n' "$name" >"$unit.c"
        if [ "$name" = umm_malloc ]; then
            printf 'void *UMM_MALLOC_CFG_HEAP_ADDR;\nuint32_t UMM_MALLOC_CFG_HEAP_SIZE;\n' >>"$unit.c"
        fi
        for switch in -DUSE_MEMORY_MGR -UUSE_MEMORY_MGR; do
            # shellcheck disable=SC2086
            $1 -x "$3" "-std=$2" $warnings $switch -I. -I$from -o "$unit" "$unit.main.c" "$unit.c" \
                -pthread && "$unit" || return 1
        done
    done
}

# The real header and the shim in one file: a signature that differs is an error.
signatures()
{
    printf '#include "%s"\n#undef MI_SMALL_SIZE_MAX\n#include "%s/mimalloc.h"\n' "$1" "$from" \
        >"$out/signatures.c"
    ${CC:-cc} -std=c11 -I. -Wall -Werror -c -o "$out/signatures.o" "$out/signatures.c"
}

# Every function for heaps that the real header declares has its place on the page.
complete()
{
    grep -o '\bmi_heap_[a-z_]*(' "$1" | tr -d '(' | sort -u | grep -v '_tp$\|stl_alloc' | while read -r name; do
        grep -q "\`${name}[\`(]" "$page" || echo "not on the page: $name"
    done >"$out/complete.txt"
    cat "$out/complete.txt"
    [ ! -s "$out/complete.txt" ]
}

# our_calls page: the memmgr_ names in it that memmgr.h does not declare.
our_calls()
{
    grep -o 'memmgr_[a-z_]*[a-z]' "$1" | sort -u | while read -r name; do
        grep -q "^MEMMGR_[A-Z]* .*[ *]$name(" memmgr.h || grep -q "^} $name;" memmgr.h ||
            grep -q "struct $name $name;" memmgr.h ||
            grep -q "(\*$name)(" memmgr.h || echo "not in memmgr.h: $name"
    done
    grep -o 'MEMMGR_[A-Z_]*[A-Z]' "$1" | sort -u | while read -r name; do
        grep -q "$name" memmgr.h || echo "not in memmgr.h: $name"
    done
}

# their_calls page: names in the first column of its tables, that no shim defines and whose row says
# neither "none" in the second column nor "No shim" in the third; and functions that a shim declares
# and the page does not name.
their_calls()
{
    for name in $(sed -n 's/^| *\(`[^|]*\)|.*|.*|$/\1/p' "$1" | grep -oE '`[A-Za-z_][A-Za-z0-9_]*' |
        tr -d '`'); do
        grep -hqE "^[a-zA-Z].*[ *]$name\(" "$from"/*.h "$from"/*.c && continue
        grep -E "^\|[^|]*\`${name}[\`(]" "$1" | grep -qE '^\|[^|]*\| none|No shim' && continue
        echo "neither in a shim nor said to have none: $name"
    done
    sed -n '/^static/d
            s/^[a-zA-Z][a-zA-Z0-9_ *]*[ *]\([a-zA-Z_0-9]*\)(.*);$/\1/p
            s/^[a-zA-Z][a-zA-Z0-9_ *]*[ *]\([a-zA-Z_0-9]*\)(.*,$/\1/p' "$from"/[a-z]*.h |
        sort -u | while read -r name; do
            grep -q "\`${name}[\`(]" "$1" || echo "in a shim, and not on the page: $name"
        done
    sed -n 's/^[a-zA-Z][a-zA-Z0-9_ *]*[ *]\([a-zA-Z]*Port[a-zA-Z]*\)(.*{$/\1/p' $from/heap_memmgr.c |
        sort -u | while read -r name; do
            grep -q "\`${name}[\`(]" "$1" || echo "in heap_memmgr.c, and not on the page: $name"
        done
}

# The page agrees; and a page with a fault in it does not.
agrees()
{
    [ -s "$page" ] || { echo "no $page"; return 1; }
    "$1" "$page" >"$out/$1.txt"
    [ ! -s "$out/$1.txt" ] || { cat "$out/$1.txt"; return 1; }
}

finds()
{
    sed "$2" "$page" >"$out/seeded.md"
    if cmp -s "$page" "$out/seeded.md"; then echo "the fault is not in the page: $2"; return 1; fi
    [ -n "$("$1" "$out/seeded.md")" ] || { echo "not found: $2"; return 1; }
}

stand_in
for compiler in gcc clang g++ clang++; do
    if ! command -v "$compiler" >/dev/null 2>&1; then skip "$compiler" 'not installed'; continue; fi
    language=c
    case $compiler in *++) language=c++ ;; esac
    for setting in on off; do
        verdict "$compiler $setting" "$out/$compiler.$setting.log" \
            program "$compiler" "$language" "$setting"
    done
    if [ $language = c ]; then
        verdict "$compiler headers alone" "$out/$compiler.log" alone "$compiler" c11 c
        for setting in on off; do
            verdict "$compiler regions $setting" "$out/$compiler.log" regions "$compiler" $setting
        done
    else
        verdict "$compiler headers alone" "$out/$compiler.log" alone "$compiler" c++11 c++
    fi
done
# Every block watched; and every block seen by a sanitizer, which tells of leaks, too.
if command -v gcc >/dev/null 2>&1; then
    verdict 'gcc debug' "$out/gcc.log" program gcc c on -DMEMMGR_DEBUG
    for setting in on off; do
        verdict "gcc sanitized $setting" "$out/gcc.log" program gcc c $setting \
            -fsanitize=address,undefined -fno-sanitize-recover=all
    done
fi
real=
for folder in /usr/include /usr/local/include; do
    if [ -e $folder/mimalloc.h ]; then real=$folder/mimalloc.h; fi
done
if [ -n "$real" ]; then
    verdict 'mimalloc signatures' "$out/real.log" signatures "$real"
    verdict 'mimalloc complete' "$out/real.log" complete "$real"
else
    skip 'mimalloc signatures' 'no mimalloc.h (libmimalloc-dev)'
fi
verdict 'our calls' "$out/page.log" agrees our_calls
verdict 'their calls' "$out/page.log" agrees their_calls
verdict 'a wrong call of ours' "$out/page.log" finds our_calls 's/memmgr_pool_alloc/memmgr_pool_get/'
# shellcheck disable=SC2016 # the backtick is the page's
verdict 'a wrong call of theirs' "$out/page.log" finds their_calls 's/^| `tlsf_free/| `tlsf_release/'
verdict 'a call left out' "$out/page.log" finds their_calls '/^| `o1heapFree/d'
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
