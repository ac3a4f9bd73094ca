#!/bin/sh
# docs.sh: are the manual page and the docs complete, well formed, and made alike by every awk?
#
# The public names do not come from the generator. What is left of memmgr_ and MEMMGR_ names when
# the preprocessor is through with the header, without the implementation, are functions, types and
# enumerators; nm tells the functions once more; -dM tells the macros, and what the header asks for
# by #if is an option. Copies of the header with names that are not documented must be caught.
# CC is honoured; what is not installed is skipped, unless MEMMGR_REQUIRE_ALL=1.
cd "$(dirname "$0")/.." || exit 1
CC=${CC:-cc}
out=build/tests/docs
passed=0
failed=0
LC_ALL=C
export LC_ALL CC
rm -rf "$out"
mkdir -p "$out"

. tests/rows.sh

# judge NAME FILE: the file lists what is wrong, a line each.
judge()
{
    if [ -s "$2" ]; then sed 's/^/    /' "$2"; row "$1" 0 1; else row "$1" 1 0; fi
}

has() { command -v "$1" >/dev/null 2>&1; }

# Names that are the header's own business: its guards, and what its files tell the linker.
private='memmgr_link|memmgr_error_.*USE_MEMORY_MGR.*|MEMMGR_H|MEMMGR_IMPLEMENTED'

# names HEADER: every public name, sorted.
names()
{
    echo "#include \"$1\"" >"$out/names.c"
    printf '#define MEMMGR_IMPLEMENTATION\n#include "%s"\n' "$1" >"$out/all.c"
    {
        $CC -E -P -DUSE_MEMORY_MGR "$out/names.c" | grep -oE '[A-Za-z0-9_]+' |
            grep -E '^(memmgr|MEMMGR)_'
        if $CC -DUSE_MEMORY_MGR -c -o "$out/all.o" "$out/all.c"; then
            nm "$out/all.o" | awk '$(NF - 1) == "T" { sub(/^_/, "", $NF); print $NF }' |
                sed 's/^emmgr/memmgr/' | tee "$out/functions"
        fi
        $CC -E -dM -DUSE_MEMORY_MGR "$out/names.c" |
            sed -n 's/^#define \([Mm][Ee][Mm][Mm][Gg][Rr]_[A-Za-z0-9_]*\).*/\1/p'
        grep -oE '(defined\(|# *ifn?def )(MEMMGR_[A-Z0-9_]+|USE_MEMORY_MGR)' "$1" |
            grep -oE '(MEMMGR_[A-Z0-9_]+|USE_MEMORY_MGR)$'
    } | grep -vxE "$private" | sort -u
}

# What stands between the entry of a name and the next one is its contract: not to be empty.

# told_in_docs PAGE: the names that have one.
told_in_docs()
{
    awk '
        match($0, /<(section|dt)[^>]* id="[^"]*"/) {
            name = substr($0, RSTART, RLENGTH)
            gsub(/^.* id="|"$/, "", name)
        }
        /^<(p|dd)>/ { text = $0; gsub(/<[^>]*>/, "", text); if (length(text) > 3) print name }
    ' "$1" | sort -u
}

# told_in_page PAGE: an entry begins with .B or .SS and its name, or with a prototype.
told_in_page()
{
    awk '
        { text = $0; gsub(/\\f[BIRP]|\\&|"/, "", text) }
        /^\.SH/ { section = $2; name = "" }
        section == "SYNOPSIS" { next }
        text ~ /^\.(B|SS) / {
            name = text
            sub(/^\.[BS]+ /, "", name)
            sub(/[^A-Za-z0-9_].*/, "", name)
            next
        }
        text ~ /^[^. ].*[ *]memmgr_[a-z0-9_]+\(.*[,;]$/ {
            name = text
            sub(/\(.*/, "", name)
            sub(/.*[ *]/, "", name)
            next
        }
        text ~ /^    .*[,;]$/ { next }
        name != "" && /^[^.]/ { print name }
    ' "$1" | sort -u
}

# page_of_function NAME PAGE MANUAL: has it the prototype, and what the manual says? Lines break
# alike in both.
page_of_function()
{
    sed -n '/^\.SH SYNOPSIS/,/^\.SH/p' "$2" | grep -q "^\\\\fB.*[ *]$1(" ||
        echo "$1.3 has no prototype"
    sed -n '/^\.SH DESCRIPTION/,/^\.SH/p' "$2" | grep -v '^\.' >"$out/contract"
    [ -s "$out/contract" ] || echo "$1.3 says nothing"
    sed 's/$/ /' "$out/contract" | grep -vxFf "$out/manual_lines" | sed "s/^/$1.3 says otherwise: /"
}

# missing HEADER FOLDER: makes both and tells what they lack, a line each.
missing()
{
    sh examples/docs/docs.sh man "$1" "$2/man" || echo "no manual page"
    CC=${CC_OF_DOCS:-$CC} sh examples/docs/docs.sh html "$1" "$2/html" || echo "no docs"
    names "$1" >"$2/names"
    [ "$(wc -l <"$2/names")" -gt 100 ] || echo "too few names are known to the test"
    told_in_docs "$2/html/index.html" >"$2/told"
    comm -23 "$2/names" "$2/told" | sed 's/^/the docs do not tell of /'
    told_in_page "$2/man/memmgr.3" >"$2/told"
    sed 's/$/ /' "$2/man/memmgr.3" >"$out/manual_lines"
    comm -23 "$2/names" "$2/told" | sed 's/^/the manual page does not tell of /'
    grep -E '^memmgr_' "$2/names" | while read -r name; do
        page=$2/man/$name.3
        if [ ! -f "$page" ]; then
            echo "no page $name.3"
        elif ! grep -qx "$name" "$out/functions"; then
            [ "$(cat "$page")" = '.so man3/memmgr.3' ] || echo "$name.3 does not lead to memmgr.3"
        else
            page_of_function "$name" "$page" "$2/man/memmgr.3"
        fi
    done
}

check_names()
{
    missing "$PWD/memmgr.h" "$out" >"$out/missing"
    judge names "$out/missing"
}

# seed NAME PATTERN TEXT: a copy of the header with a text before the line that matches: is the name
# missed?
seed()
{
    folder=$out/seed_$1
    mkdir -p "$folder"
    awk -v pattern="$2" -v text="$3" '
        $0 ~ pattern && !done { print text; done = 1 }
        { print }
    ' memmgr.h >"$folder/memmgr.h"
    # Without pictures: no program is made by false.
    CC_OF_DOCS=false missing "$PWD/$folder/memmgr.h" "$folder" >"$folder/missing" 2>&1
    if grep -q "$4" "$folder/missing"; then
        caught=$((caught + 1))
    else
        echo "    not caught: $1"
        escaped=$((escaped + 1))
    fi
}

check_seeds()
{
    caught=0 escaped=0
    seed function '^// Frees every block at once' 'MEMMGR_API void memmgr_pool_seeded(void);' \
        memmgr_pool_seeded
    seed unusual '^// Frees every block at once' \
        '// Is told, but not seen.\nextern void memmgr_pool_seeded(void);\n' memmgr_pool_seeded
    seed enumerator '^    MEMMGR_LEAK ' '    MEMMGR_SEEDED,' MEMMGR_SEEDED
    seed type '^// How a heap is drawn' 'typedef struct { int x; } memmgr_seeded;\n' memmgr_seeded
    seed option '^// >>attributes' '#ifdef MEMMGR_SEEDED\n#endif\n' MEMMGR_SEEDED
    row 'seeded faults' $caught $escaped
}

check_page()
{
    if has mandoc; then
        grep -L '^\.so ' "$out"/man/*.3 | xargs mandoc -Tlint >"$out/mandoc" 2>&1
        judge mandoc "$out/mandoc"
    else
        skip mandoc 'not installed'
    fi
    if has groff; then
        grep -L '^\.so ' "$out"/man/*.3 | xargs groff -man -ww -z >"$out/groff" 2>&1
        judge groff "$out/groff"
    else
        skip groff 'not installed'
    fi
    mkdir -p "$out/tree/man3" && cp "$out"/man/*.3 "$out/tree/man3/"
    if ! has man || ! man -M "$PWD/$out/tree" -w memmgr_pool_alloc >/dev/null 2>&1; then
        skip man 'no man that finds pages below a folder'
    elif man -M "$PWD/$out/tree" -P cat memmgr_pool_alloc 2>/dev/null | col -b |
        grep -q '^ *void \*memmgr_pool_alloc(memmgr_pool \*pool, size_t size);' &&
        man -M "$PWD/$out/tree" -P cat memmgr_pool_desc 2>/dev/null | col -b |
        grep -q 'memmgr_pool_size_for'; then
        row man 1 0
    else
        row man 0 1
    fi
}

# tidy does not know that an <svg> may have a font-family.
check_html()
{
    if has tidy; then
        for page in index.html source/memmgr.h.html source/hello.c.html; do
            tidy -errors -quiet "$out/html/$page" 2>&1 |
                grep -v '<svg> proprietary attribute "font-family"'
        done >"$out/tidy"
        judge tidy "$out/tidy"
    else
        skip tidy 'not installed'
    fi
    # Nothing is fetched, every link within leads somewhere, and the pictures are there.
    {
        grep -nE '(src|href)="(https?:|//)|@import|url\([^#]|<script' "$out/html/index.html"
        grep -oE 'href="#[^"]*"' "$out/html/index.html" | sed 's/^href="#//; s/"$//' | sort -u |
            while read -r id; do
                grep -qF " id=\"$id\"" "$out/html/index.html" || echo "no place: #$id"
            done
        grep -oE 'href="source/[^"]*"' "$out/html/index.html" | sed 's/^href="//; s/"$//' |
            sort -u | while IFS='#' read -r file line; do
                if [ ! -f "$out/html/$file" ]; then echo "no file: $file"
                elif [ -n "$line" ] && ! grep -q "id=\"$line\"" "$out/html/$file"; then
                    echo "no line: $file $line"
                fi
            done
        [ "$(grep -c '<svg' "$out/html/index.html")" = 3 ] || echo "not three pictures"
    } >"$out/links"
    judge links "$out/links"
}

# The same pages, whatever awk makes them.
check_awks()
{
    for tool in gawk mawk original-awk 'busybox awk'; do
        has "${tool%% *}" || { skip "$tool" 'not installed'; continue; }
        name=${tool%% *}
        {
            AWK=$tool sh examples/docs/docs.sh man memmgr.h "$out/$name"
            diff -r "$out/man" "$out/$name"
            AWK=$tool sh examples/docs/docs.sh html memmgr.h "$out/$name"
            # Addresses in pictures are other ones each time.
            for kind in html $name; do grep -v '<text' "$out/$kind/index.html" >"$out/$kind.text"; done
            cmp "$out/html.text" "$out/$name.text"
        } >"$out/$name.differs" 2>&1
        judge "$tool" "$out/$name.differs"
    done
}

# What an editor shows: clang attaches the comment to every public declaration, field, enumerator.
check_editor()
{
    if ! has clang || ! has python3; then
        skip editor 'no clang, or no python3'
        return
    fi
    echo '#include "memmgr.h"' >"$out/editor.c"
    clang -fsyntax-only -fparse-all-comments -Xclang -ast-dump=json -I. -DUSE_MEMORY_MGR \
        "$out/editor.c" >"$out/editor.json" 2>"$out/editor" &&
        python3 - "$out/editor.json" >"$out/editor" 2>&1 <<'EOF'
import json
import sys


def told(node):
    return any(child.get('kind') == 'FullComment' for child in node.get('inner', []))


count = 0
nodes = json.load(open(sys.argv[1]))['inner']
for at, node in enumerate(nodes):
    name = node.get('name', '')
    kind = node.get('kind')
    if kind in ('FunctionDecl', 'TypedefDecl') and name.startswith('memmgr_'):
        count += 1
        if not told(node):
            print('no comment is shown for', name)
    if kind not in ('RecordDecl', 'EnumDecl'):
        continue
    owner = name or (nodes[at + 1].get('name', '') if at + 1 < len(nodes) else '')
    for child in node.get('inner', []):
        member = child.get('name', '')
        ours = owner.startswith('memmgr_') or member.startswith('MEMMGR_')
        if child.get('kind') in ('FieldDecl', 'EnumConstantDecl') and ours:
            count += 1
            if not told(child):
                print('no comment is shown for', owner, member)
if count < 140:
    print('only', count, 'declarations were seen')
EOF
    judge editor "$out/editor"
}

check_names
check_seeds
check_page
check_html
check_awks
check_editor
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
