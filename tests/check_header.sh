#!/bin/sh
# check_header.sh [header]: does memmgr.h keep its own laws? First by its text, then by what the
# compiler makes of it. CC is honoured; build output goes to build/tests.
cd "$(dirname "$0")/.." || exit 1
header=${1:-memmgr.h}
CC=${CC:-cc}
out=build/tests/header
failed=0
mkdir -p "$out"
case $header in /*) ;; *) header=$PWD/$header ;; esac

externals() { nm "$out/names.o" | awk '$(NF - 1) ~ /^[A-TV-Z]$/ { print $NF }'; }
breach() { echo "    $*"; failed=1; }

LC_ALL=C awk -f tests/check_header.awk "$header" >"$out/text" 2>&1 || failed=1
sed "s|^.*/memmgr.h|    memmgr.h|; /breaches\$/d" "$out/text"

# What an includer sees after the end of the file.
for mode in "" -DUSE_MEMORY_MGR; do
    for part in "" -DMEMMGR_IMPLEMENTATION "-DMEMMGR_IMPLEMENTATION -DMEMMGR_STATIC"; do
        echo "#include \"$header\"" >"$out/include.c"
        if ! $CC -E -dM $mode $part "$out/include.c" >"$out/macros" 2>"$out/errors"; then
            echo "    private macros: skipped, $CC has no -E -dM"
            break 2
        fi
        leaked=$(sed -n 's/^#define \([Mm][Mm][Ii]_[A-Za-z0-9_]*\).*/\1/p' "$out/macros")
        [ -z "$leaked" ] || breach "private macros survive ($mode $part):" $leaked
    done
done

# What a linker sees of the implementation.
if command -v nm >/dev/null 2>&1; then
    for mode in "" -DUSE_MEMORY_MGR; do
        printf '#define MEMMGR_IMPLEMENTATION\n#include "%s"\n' "$header" >"$out/names.c"
        $CC $mode -c -o "$out/names.o" "$out/names.c" || { breach "does not compile"; continue; }
        leaked=$(externals | grep -v '^_*memmgr_')
        [ -z "$leaked" ] || breach "external names that are not memmgr_ ($mode):" $leaked
        $CC $mode -DMEMMGR_STATIC -c -o "$out/names.o" "$out/names.c" || continue
        leaked=$(externals | grep -v USE_MEMORY_MGR)
        [ -z "$leaked" ] || breach "external names of a static implementation ($mode):" $leaked
    done
else
    echo "    external names: skipped, no nm"
fi

if [ $failed = 0 ]; then echo "1 passed, 0 failed"; else echo "0 passed, 1 failed"; fi
exit $failed
