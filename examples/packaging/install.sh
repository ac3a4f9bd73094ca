#!/bin/sh
# install.sh install|uninstall: what 'make install' puts where, and 'make uninstall' takes away.
# DESTDIR, PREFIX, INCLUDEDIR, DATADIR and MANDIR say where. It takes sh, awk and sed.
cd "$(dirname "$0")/../.." || exit 1
here=examples/packaging
version=$(sed -n 's/^#define MEMMGR_VERSION "\(.*\)"$/\1/p' memmgr.h)
major=${version%%.*}

# A folder with neither a slash at its end nor one that is only implied at its beginning.
absolute() {
    case $1 in
    /*) folder=$1 ;;
    *) folder=$PWD/$1 ;;
    esac
    while [ "${folder%/}" != "$folder" ]; do folder=${folder%/}; done
    echo "$folder"
}

PREFIX=$(absolute "${PREFIX:-/usr/local}")
INCLUDEDIR=$(absolute "${INCLUDEDIR:-$PREFIX/include}")
DATADIR=$(absolute "${DATADIR:-$PREFIX/share}")
MANDIR=$(absolute "${MANDIR:-$DATADIR/man}")
config=$DATADIR/cmake/memmgr

# relative FROM TO: the way from one folder to the other, so that the whole tree may be moved.
relative() {
    from=$1 to=$2 up=
    while [ "$from" != "$to" ] && [ "${to#"$from"/}" = "$to" ]; do
        from=${from%/*}
        up=../$up
    done
    to=${to#"$from"}
    way=$up${to#/}
    echo "${way%/}"
}

# fill TEMPLATE FOLDER: the template for a file that will stand in that folder.
fill() {
    sed -e "s|@VERSION@|$version|g" -e "s|@MAJOR@|$major|g" \
        -e "s|@TO_PREFIX@|$(relative "$2" "$PREFIX")|g" \
        -e "s|@TO_INCLUDE@|$(relative "$2" "$INCLUDEDIR")|g" "$here/$1.in" >"$out/$1"
}

# What is made goes to a folder of its own, which is gone at the end: after an install by root,
# nothing of root's is left in the checkout.
prepare() {
    out=$(mktemp -d "${TMPDIR:-/tmp}/memmgr.XXXXXX") || return 1
    trap 'rm -rf "$out"' EXIT
    trap 'exit 1' HUP INT TERM
    sh examples/docs/docs.sh man memmgr.h "$out/man" &&
        fill memmgr.pc "$DATADIR/pkgconfig" &&
        fill memmgrConfig.cmake "$config" &&
        fill memmgrConfigVersion.cmake "$config"
}

# Every file, and the folder it goes to.
files() {
    echo "memmgr.h $INCLUDEDIR"
    echo "$out/memmgr.pc $DATADIR/pkgconfig"
    echo "$out/memmgrConfig.cmake $config"
    echo "$out/memmgrConfigVersion.cmake $config"
    for file in LICENSE README.md; do echo "$file $DATADIR/doc/memmgr"; done
    for page in "$out"/man/*.3; do echo "$page $MANDIR/man3"; done
}

install_one() {
    mkdir -p "$DESTDIR$2" && cp "$1" "$DESTDIR$2/" && chmod 644 "$DESTDIR$2/${1##*/}"
}

uninstall_one() { rm -f "$DESTDIR$2/${1##*/}"; }

case $1 in
install | uninstall) ;;
*)
    echo "usage: install.sh install|uninstall" >&2
    exit 2
    ;;
esac
prepare || exit 1
files | while read -r file folder; do "$1_one" "$file" "$folder" || exit 1; done || exit 1
for folder in "$config" "$DATADIR/doc/memmgr"; do
    [ "$1" = install ] || [ ! -d "$DESTDIR$folder" ] || rmdir "$DESTDIR$folder" 2>/dev/null
done
echo "memmgr $version: ${1}ed: $DESTDIR$INCLUDEDIR/memmgr.h, $DESTDIR$DATADIR/pkgconfig," \
    "$DESTDIR$config, $DESTDIR$MANDIR/man3, $DESTDIR$DATADIR/doc/memmgr"
