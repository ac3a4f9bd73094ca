#!/bin/sh
# migration.sh: examples/migration. Its program is built and run with every compiler that is here,
# as C and as C++, with the switch on and off; each header by itself, with the implementation and
# without; and the page is held against the code: each of our calls that it names is in memmgr.h,
# each of theirs is in a shim or said to have none. For FreeRTOS there is a stand-in in
# tests/migration; mimalloc.h is also compared with the real one, where it is installed. Build output
# goes to build/migration.
cd "$(dirname "$0")/.." || exit 1
out=build/migration
from=examples/migration
page=$from/README.md
stand_in=tests/migration
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
    set -- "$@" -O1 -g $warnings $switch -I. "-I$from" "-I$stand_in"
    object=$out/$compiler.$setting
    $plain -std=c11 "$@" -c -o "$object.heap.o" $from/heap_memmgr.c &&
        $plain -std=c11 -O1 -I$stand_in -c -o "$object.scheduler.o" $stand_in/scheduler.c &&
        $compiler $standard -x "$language" "$@" -c -o "$object.o" $from/migration.c &&
        $compiler "$@" -o "$object" "$object.o" "$object.heap.o" "$object.scheduler.o" -pthread &&
        "$object"
}

regions()
{
    switch=
    if [ "$2" = on ]; then switch=-DUSE_MEMORY_MGR; fi
    # shellcheck disable=SC2086 # flags are words
    $1 -std=c11 -O1 -g $warnings $switch -DconfigHEAP_REGIONS=1 -I. -I$stand_in \
        -o "$out/regions.$1.$2" $stand_in/regions.c $from/heap_memmgr.c $stand_in/scheduler.c &&
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

# The index of examples: each file and folder is listed once, and each link leads somewhere.
index()
{
    list=examples/README.md
    for file in examples/*; do
        name=${file#examples/}
        case $name in README.md | run.sh) continue ;; esac
        if [ -d "$file" ]; then name=$name/; fi
        times=$(grep -cF "]($name)" "$list")
        [ "$times" = 1 ] || echo "listed $times times: $name"
    done
    sed -n 's/^|.*](\([^)]*\)).*/\1/p' "$list" | while read -r name; do
        case $name in */) continue ;; esac
        [ -e "examples/$name" ] || echo "not there: $name"
    done
}

# Folders that the index names and that are not here.
absent()
{
    sed -n 's/^|.*](\([^)]*\/\)).*/\1/p' examples/README.md | while read -r name; do
        [ -e "examples/$name" ] || echo "$name"
    done
}

indexed() { index >"$out/index.txt"; cat "$out/index.txt"; [ ! -s "$out/index.txt" ]; }

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
verdict 'index of examples' "$out/page.log" indexed
for folder in $(absent); do skip "examples/$folder" 'not here'; done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
