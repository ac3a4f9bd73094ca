#!/bin/sh
# docs.sh man|html [header [folder]]: the manual page, or the docs, from what memmgr.h says of
# itself. They go to build/man and build/docs. It takes sh and awk, and for the pictures of the docs
# a C compiler: CC and CFLAGS are honoured, and AWK; SOURCE_DATE_EPOCH is the date of the page.
here=$(cd "$(dirname "$0")" && pwd) || exit 1
root=$here/../..
kind=$1
header=${2:-$root/memmgr.h}
folder=${3:-$root/build/${kind:-none}}
[ "$kind" != html ] || folder=${3:-$root/build/docs}
: "${AWK:=awk}" "${CC:=cc}" "${CFLAGS=-O2}"
LC_ALL=C
export LC_ALL

# The day of SOURCE_DATE_EPOCH; else that of the header, where date can tell it; else today.
day() {
    if [ -n "$SOURCE_DATE_EPOCH" ]; then
        date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d 2>/dev/null ||
            date -u -r "$SOURCE_DATE_EPOCH" +%Y-%m-%d
    else
        date -u -r "$header" +%Y-%m-%d 2>/dev/null || date -u +%Y-%m-%d
    fi
}

# pages KIND: the names of all functions, or types.
pages() { $AWK -F '\t' -v kind="$1" '$1 == kind && $2 != "" { print $2 }' "$folder/records"; }

# memmgr.3, a page for each function, and for each type one that stands for it.
make_man() {
    today=$(day)
    $AWK -v date="$today" -f "$here/troff.awk" -f "$here/man.awk" "$folder/records" \
        "$folder/records" >"$folder/memmgr.3" || return 1
    pages function | while read -r name; do
        $AWK -v name="$name" -v date="$today" -f "$here/troff.awk" -f "$here/page.awk" \
            "$folder/records" >"$folder/$name.3" || exit 1
    done || return 1
    pages type | while read -r name; do echo '.so man3/memmgr.3' >"$folder/$name.3" || exit 1; done
}

# Pictures of heaps, drawn by the library just now. A compiler for another system leaves none.
make_pictures() {
    : >"$folder/pictures"
    $CC $CFLAGS -DUSE_MEMORY_MGR -I"$(dirname "$header")" -o "$folder/draw" "$here/pictures.c" \
        -pthread >"$folder/log" 2>&1 &&
        (cd "$folder" && ./draw >pictures) || echo "pictures: skipped, $CC makes no program for here"
}

make_source() {
    $AWK -v name="$2" -f "$here/source.awk" "$1" >"$folder/source/$2.html"
}

make_html() {
    make_pictures
    mkdir -p "$folder/source" || return 1
    make_source "$header" memmgr.h || return 1
    : >"$folder/examples"
    for file in "$root"/examples/*.c "$root"/examples/*.cpp; do
        name=${file##*/}
        make_source "$file" "$name" || return 1
        $AWK -v name="$name" 'NR == 1 { sub(/^\/\/ */, ""); print name "\t" $0; exit }' "$file" \
            >>"$folder/examples"
    done
    (cd "$folder" && $AWK -v style="$here/style.css" -f "$here/html.awk" records records) >"$folder/index.html" || return 1
    rm -f "$folder/draw" "$folder"/*.svg "$folder/pictures" "$folder/examples" "$folder/log"
}

case $kind in
man | html) ;;
*)
    echo "usage: docs.sh man|html [header [folder]]" >&2
    exit 2
    ;;
esac
case $header in /*) ;; *) header=$PWD/$header ;; esac
mkdir -p "$folder" || exit 1
folder=$(cd "$folder" && pwd)
rm -f "$folder"/memmgr*.3 "$folder/index.html" "$folder"/source/*.html
$AWK -f "$here/parse.awk" "$header" >"$folder/records" && "make_$kind" || exit 1
rm -f "$folder/records"
