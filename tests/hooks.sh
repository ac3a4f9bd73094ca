#!/bin/sh
# hooks.sh [name...]: the libraries of examples/hooks on memmgr, each compared with itself on its
# own malloc: the same answers, no misuse, no leak. All that are installed, or those named.
#
#     sh tests/hooks.sh
#     sh tests/hooks.sh lua zlib
#
# With the switch on and off, with the other compiler, watched (MEMMGR_DEBUG), and with the switch
# off under the address sanitizer, whose leak checker counts what memmgr then does not. memmgr.hpp
# also without RTTI and exceptions. CC, CXX, CFLAGS and CXXFLAGS are honoured. What is not installed is skipped, and a line says so; with
# MEMMGR_REQUIRE_ALL=1 that is a failure. The figures are in build/hooks/*.log.
cd "$(dirname "$0")/.." || exit 1
CC=${CC:-cc}
CXX=${CXX:-c++}
CFLAGS=${CFLAGS:--O2}
CXXFLAGS=${CXXFLAGS:-$CFLAGS}
warnings='-Wall -Wextra -Wpedantic -Werror'
out=build/hooks
only=" $* "
passed=0
failed=0
mkdir -p "$out"
limit=
command -v timeout >/dev/null 2>&1 && limit='timeout 120'

# What there is: name, program, a header that it needs, pkg-config's names for it, and what to link
# where pkg-config does not know it.
table='
lua        lua         lua.h             lua5.4,lua-5.4,lua54,lua  -llua
sqlite     sqlite      sqlite3.h         sqlite3                   -lsqlite3
containers containers  memory_resource   -
zlib       pools       zlib.h            zlib                      -lz
bzip2      pools       bzlib.h           bzip2                     -lbz2
lzma       pools       lzma.h            liblzma                   -llzma
zstd       pools       zstd.h            libzstd                   -lzstd
libpng     pools       png.h             libpng                    -lpng
freetype   pools       ft2build.h        freetype2                 -lfreetype
pcre2      pools       pcre2.h           libpcre2-8                -lpcre2-8
expat      general     expat.h           expat                     -lexpat
libxml2    general     libxml/parser.h   libxml-2.0                -lxml2
cjson      general     cjson/cJSON.h     libcjson                  -lcjson
jansson    general     jansson.h         jansson                   -ljansson
libuv      general     uv.h              libuv                     -luv
stb_ds     general     stb/stb_ds.h      -
openssl    general     openssl/crypto.h  libcrypto                 -lcrypto
gmp        general     gmp.h             gmp                       -lgmp
curl       general     curl/curl.h       libcurl                   -lcurl
'

wanted() { case $only in '  ' | *" $1 "*) true ;; *) false ;; esac; }

row() { printf '  %-28s %s\n' "$1" "$2"; }

skip()
{
    row "$1" "skipped: $2"
    [ "${MEMMGR_REQUIRE_ALL:-0}" = 1 ] && failed=$((failed + 1))
    return 0
}

# fails name log
fails()
{
    sed 's/^/    /' "$2"
    row "$1" '0 passed, 1 failed'
    failed=$((failed + 1))
}

# flags modules libraries: what compiles and links it. Headers that are not ours may warn.
flags()
{
    for module in $(echo "$1" | tr ',' ' '); do
        pkg-config --exists "$module" 2>/dev/null || continue
        pkg-config --cflags --libs "$module" | sed 's/-I */-isystem /g'
        return
    done
    echo "$2"
}

# links header flags...: is it here?
links()
{
    header=$1
    shift
    case $header in
    memory_resource)
        printf '#include <memory_resource>\nint main() { return !std::pmr::new_delete_resource(); }\n' \
            >"$out/works.cpp"
        $CXX -std=c++17 -o "$out/works" "$out/works.cpp" >/dev/null 2>&1
        ;;
    *)
        printf '#include <stdio.h>\n#include <%s>\nint main(void) { return 0; }\n' "$header" \
            >"$out/works.c"
        $CC -DPCRE2_CODE_UNIT_WIDTH=8 -o "$out/works" "$out/works.c" "$@" >/dev/null 2>&1
        ;;
    esac
}

a_font()
{
    for font in "$HOOKS_FONT" /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf \
        $(find /usr/share/fonts /usr/local/share/fonts -name '*.ttf' 2>/dev/null | sort | head -n 1); do
        if [ -f "$font" ]; then
            HOOKS_FONT=$font
            export HOOKS_FONT
            return
        fi
    done
    false
}

# compile program variant compiler option...
compile()
{
    program=$1 variant=$2 compiler=$3
    shift 3
    link=
    eval "link=\$link_$program"
    case $program in
    containers) set -- -std=c++17 $CXXFLAGS "$@" examples/hooks/containers.cpp ;;
    *) set -- -std=c11 $CFLAGS "$@" "examples/hooks/$program.c" ;;
    esac
    $compiler $warnings -I. "$@" -o "$out/$program$variant" -pthread $link \
        >"$out/$program$variant.build" 2>&1
}

# run_one name program variant [argument]
run_one()
{
    log=$out/$1$3.log
    case $2 in
    pools | general) set -- "$1" "$2" "$3" "$1" ;;
    esac
    if [ ! -x "$out/$2$3" ]; then
        fails "$1$3" "$out/$2$3.build"
        return
    fi
    $limit "$out/$2$3" $4 >"$log" 2>&1
    status=$?
    result=$(sed -n '$p' "$log")
    case $status:$result in
    0:[1-9]*' passed, 0 failed' | 1:[0-9]*' passed, '[1-9]*' failed') ;;
    *)
        fails "$1$3" "$log"
        return
        ;;
    esac
    [ $status = 0 ] || sed 's/^/    /' "$log"
    row "$1$3" "$result"
    set -- $result
    passed=$((passed + $1))
    failed=$((failed + $3))
}

# variant suffix cc cxx option...: builds what is needed, two at a time, and runs it.
variant()
{
    suffix=$1 cc=$2 cxx=$3
    shift 3
    count=0
    for program in $programs; do
        rm -f "$out/$program$suffix"
        compiler=$cc
        [ "$program" = containers ] && compiler=$cxx
        (compile "$program" "$suffix" "$compiler" "$@") &
        count=$((count + 1))
        [ $((count % 2)) = 0 ] && wait
    done
    wait
    for pair in $present; do
        run_one "${pair%:*}" "${pair#*:}" "$suffix"
    done
}

# What is here, the programs that it is in, and how each is linked.
present=
programs=
while read -r name program header modules libraries; do
    [ -n "$name" ] || continue
    wanted "$name" || continue
    options=$(flags "$modules" "$libraries")
    if ! links "$header" $options; then
        skip "$name" "no $header, or it does not link"
        continue
    fi
    if [ "$name" = freetype ] || [ "$name" = curl ]; then
        a_font || { skip "$name" 'no TrueType font: set HOOKS_FONT'; continue; }
    fi
    present="$present $name:$program"
    case " $programs " in *" $program "*) ;; *) programs="$programs $program" ;; esac
    macro=HAVE_$(echo "${name#lib}" | tr '[:lower:]' '[:upper:]')
    case $name in libxml2 | libuv) macro=HAVE_LIB${macro#HAVE_} ;; esac
    eval "link_$program=\"\$link_$program -D$macro \$options\""
done <<END
$table
END
for name in "$@"; do
    case $table in
    *"
$name "*) ;;
    *)
        row "$name" '0 passed, 1 failed'
        failed=$((failed + 1))
        ;;
    esac
done
if [ -z "$programs" ]; then
    echo "0 passed, $failed failed"
    [ $failed = 0 ]
    exit
fi

variant '' "$CC" "$CXX" -DUSE_MEMORY_MGR
variant .off "$CC" "$CXX"
variant .watched "$CC" "$CXX" -DUSE_MEMORY_MGR -DMEMMGR_DEBUG

case $($CC --version 2>/dev/null) in
*clang*) other=gcc other_cxx=g++ ;;
*) other=clang other_cxx=clang++ ;;
esac
if command -v $other >/dev/null 2>&1 && command -v $other_cxx >/dev/null 2>&1; then
    variant ".$other" $other $other_cxx -DUSE_MEMORY_MGR
else
    skip "$other" 'not installed'
fi

printf 'int main(void) { return 0; }\n' >"$out/works.c"
sanitizers='-fsanitize=address,undefined'
if $CC $sanitizers -o "$out/works" "$out/works.c" >/dev/null 2>&1 && "$out/works"; then
    # Requests that are too large are to fail, as they do elsewhere.
    ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
    export ASAN_OPTIONS UBSAN_OPTIONS
    variant .off.asan "$CC" "$CXX" -O1 -g $sanitizers -fno-sanitize-recover=all
else
    skip sanitizers "$CC has none"
fi

# memmgr.hpp without what embedded C++ has not: containers on resources, the line of a resource in
# a report, and what a failure says then.
cat >"$out/bare.cpp" <<'END'
#define MEMMGR_IMPLEMENTATION
#include "memmgr.hpp"
#include <cstring>
#include <string>
#include <vector>

static void *volatile kept; // or a compiler may leave the request out

static int sum(std::pmr::memory_resource *memory) {
    std::pmr::vector<std::pmr::string> words(memory);
    for (int i = 0; i < 100; i++)
        words.emplace_back("a word that does not fit into the string itself");
    std::pmr::vector<std::pmr::string> moved(std::move(words), memory);
    return (int)moved.size();
}

int main(int argc, char **argv) {
    const char *job = argc > 1 ? argv[1] : "";
    memmgr_pool_desc desc = {};
    desc.name = "bare";
    desc.flags = MEMMGR_POOL_TRACK;
    memmgr_pool *pool = memmgr_pool_create(100000, &desc);
    memmgr::general_resource heap;
    memmgr::pool_resource memory(pool), other(pool);
#line 1000 "made.cpp"
    memmgr::pool_resource leaky(pool);
    if (strcmp(job, "leak") == 0) kept = leaky.allocate(77);
    if (strcmp(job, "pool") == 0) kept = leaky.allocate(123456);
    if (strcmp(job, "heap") == 0) kept = heap.allocate(SIZE_MAX / 2);
    if (strcmp(job, "count") == 0)
        kept = memmgr::general_allocator<int>().allocate(SIZE_MAX);
    bool same = !(memory == heap) && memory == memory && heap == heap;
#ifdef __cpp_rtti
    same = same && memory == other;
#else
    same = same && !(memory == other);
#endif
    int words = sum(&heap) + sum(&memory);
    puts(same ? "equality holds" : "equality does not hold");
    return memmgr_pool_destroy(pool) == 0 && words == 200 && same ? 0 : 1;
}
END

# bare_says job status pattern: does the program end like this, having said that?
bare_says()
{
    "$out/bare" $1 >"$out/bare.said" 2>&1
    status=$?
    if [ $status != "$2" ] || ! grep -q "$3" "$out/bare.said"; then
        echo "$1: status $status"
        cat "$out/bare.said"
    fi
}

# bare suffix endings option...
bare()
{
    name=memmgr.hpp$1 endings=$2
    log=$out/bare$1.log
    shift 2
    if $CXX -std=c++17 $CXXFLAGS $warnings -I. -Iexamples/hooks "$@" -o "$out/bare" \
        "$out/bare.cpp" -pthread >"$log" 2>&1; then
        {
            bare_says '' 0 '^equality holds'
            bare_says leak 1 '77 bytes, .*allocated at made.cpp:1000'
            if [ "$endings" = aborts ]; then
                bare_says pool 134 '^made.cpp:1000: no 123456 bytes in the pool'
                bare_says pool 134 '^bare: '
                bare_says heap 134 '^[^:]*bare.cpp:[0-9]*: no [0-9]* bytes in the general heap'
                bare_says count 134 '^memmgr.hpp:0: no [0-9]* bytes in the general heap'
            fi
        } >"$log" 2>/dev/null
    else
        echo 'does not compile' >>"$log"
    fi
    if [ -s "$log" ]; then
        fails "$name" "$log"
    else
        row "$name" '1 passed, 0 failed'
        passed=$((passed + 1))
    fi
}

case " $programs " in
*' containers '*)
    bare .no-rtti throws -fno-rtti -DUSE_MEMORY_MGR
    bare .no-exceptions aborts -fno-exceptions -DUSE_MEMORY_MGR
    bare .bare aborts -fno-exceptions -fno-rtti -DUSE_MEMORY_MGR
    bare .bare.off aborts -fno-exceptions -fno-rtti
    ;;
esac

# Threads that share a pool.
case " $programs " in
*' sqlite '*)
    if $CC -fsanitize=thread -o "$out/works" "$out/works.c" >/dev/null 2>&1 && "$out/works"; then
        rm -f "$out/sqlite.tsan"
        compile sqlite .tsan "$CC" -DUSE_MEMORY_MGR -O1 -g -fsanitize=thread
        run_one sqlite sqlite .tsan threads
    else
        skip sqlite.tsan "$CC has no thread sanitizer"
    fi
    ;;
esac

echo "$passed passed, $failed failed"
[ $failed = 0 ]
