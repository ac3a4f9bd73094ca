#!/bin/sh
# check_pages.sh: every link of the pages (*.md) leads to a file, and to a heading in it, that is
# there; every table of the pages has as many cells in a row as in its head.
cd "$(dirname "$0")/.." || exit 1
files=$(git ls-files -co --exclude-standard -- '*.md' 2>/dev/null)
[ -n "$files" ] || files=$(find . -path ./build -prune -o -name '*.md' -print | sed 's,^\./,,')
work=build/pages
mkdir -p "$work"

# "file#anchor" of every heading, as GitHub makes them: lower case, words joined by '-'.
awk '
FNR == 1 { fence = 0; delete seen }
/^```/ { fence = !fence }
!fence && /^#+ / {
    text = tolower($0)
    sub(/^#+ /, "", text)
    gsub(/\]\([^)]*\)/, "", text)
    gsub(/[^a-z0-9_ -]/, "", text)
    gsub(/ /, "-", text)
    print FILENAME "#" text (text in seen ? "-" seen[text] : "")
    seen[text]++
}' $files >"$work/anchors"

# "file:line target" of every link that stays in the repository, code left out.
awk '
FNR == 1 { fence = 0 }
/^```/ { fence = !fence; next }
fence { next }
{
    text = $0
    gsub(/`[^`]*`/, "x", text)
    while (match(text, /\]\([^)]*\)/)) {
        target = substr(text, RSTART + 2, RLENGTH - 3)
        text = substr(text, RSTART + RLENGTH)
        if (target !~ /^[a-z]+:/) print FILENAME ":" FNR, target
    }
}' $files >"$work/links"

passed=0 failed=0
while read -r place target; do
    file=${place%:*} anchor=
    case $target in *'#'*) anchor=${target#*#} ;; esac
    path=${target%%#*}
    case $path in
    '') path=$file ;;
    *)
        case $file in */*) path=${file%/*}/$path ;; esac
        # a/b/../c is a/c
        path=$(echo "$path" | sed -e ':a' -e 's,[^/]*[^/.][^/]*/\.\./,,;ta' -e 's,^\./,,' -e 's,/$,,')
        ;;
    esac
    if [ ! -e "$path" ]; then
        echo "$place: no $path"
    elif [ -n "$anchor" ] && ! grep -qxF "$path#$anchor" "$work/anchors"; then
        echo "$place: no heading #$anchor in $path"
    else
        passed=$((passed + 1))
        continue
    fi
    failed=$((failed + 1))
done <"$work/links"

awk '
FNR == 1 { fence = 0; cells = 0 }
/^```/ { fence = !fence }
fence || !/^\|/ { cells = 0; next }
{
    text = $0
    gsub(/\\\|/, "", text)
    count = gsub(/\|/, "", text)
    if (!cells) cells = count
    if (count != cells) print FILENAME ":" FNR ": " count - 1 " cells, not " cells - 1
}' $files >"$work/tables"
if [ -s "$work/tables" ]; then
    cat "$work/tables"
    failed=$((failed + 1))
else
    passed=$((passed + 1))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
