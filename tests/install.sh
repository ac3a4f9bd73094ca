#!/bin/sh
# install.sh [row...]: 'make install', what finds it, what takes it away, and the descriptions for
# package managers. Rows: places copy pkgconfig cmake project meson uninstall versions clib vcpkg conan
#
# Every consumer is built of examples/packaging/consumer, with the switch on and off, and run. CC is
# honoured; what is not installed is skipped, unless MEMMGR_REQUIRE_ALL=1.
cd "$(dirname "$0")/.." || exit 1
CC=${CC:-cc}
export CC
kinds=examples/packaging
out=$PWD/build/tests/install
version=$(sed -n 's/^#define MEMMGR_VERSION "\(.*\)"$/\1/p' memmgr.h)
major=${version%%.*}
passed=0
failed=0
rm -rf "$out"
mkdir -p "$out"
MAKEFLAGS=
export MAKEFLAGS

. tests/rows.sh

# Debian has no such tool: what can be said without it stands in the rows before.
not_run() { printf '  %-28s %s\n' "$1, the tool" 'not run: not in Debian'; }

# check NAME COMMAND...: passes if the command does; else its output is shown.
check()
{
    name=$1
    shift
    if "$@" >"$out/log" 2>&1; then
        row "$name" 1 0
    else
        sed 's/^/    /' "$out/log"
        row "$name" 0 1
    fi
}

has() { command -v "$1" >/dev/null 2>&1; }

install_to() { make -s install PREFIX="$1" >/dev/null; }

# says PROGRAM memmgr|libc: does the consumer do its work, on that memory?
says()
{
    told=$("$1") || { echo "$1: status $?: $told"; return 1; }
    [ "$told" = "memmgr $version: 6 words on $2, 0 leaks" ] || { echo "$1: $told"; return 1; }
}

# expect TEXT TEXT
expect() { [ "$1" = "$2" ] || { printf 'expected: %s\nfound:    %s\n' "$2" "$1"; return 1; }; }

# --- make install

# All files below a folder but the pages that stand for a name.
listed() { (cd "$1" && find . -type f | grep -v '/memmgr_[a-z_]*\.3$' | sort | tr '\n' ' '); }

stage_usual()
{
    make -s install DESTDIR="$out/stage" PREFIX=/usr &&
        expect "$(listed "$out/stage")" "./usr/include/memmgr.h \
./usr/share/cmake/memmgr/memmgrConfig.cmake ./usr/share/cmake/memmgr/memmgrConfigVersion.cmake \
./usr/share/doc/memmgr/LICENSE ./usr/share/doc/memmgr/README.md \
./usr/share/man/man3/memmgr.3 ./usr/share/pkgconfig/memmgr.pc " &&
        cmp memmgr.h "$out/stage/usr/include/memmgr.h" &&
        cmp LICENSE "$out/stage/usr/share/doc/memmgr/LICENSE" &&
        grep -q '^memmgr_pool_alloc ' "$out/stage/usr/share/man/man3/memmgr_pool_alloc.3" &&
        expect "$(cat "$out/stage/usr/share/man/man3/memmgr_pool_desc.3")" '.so man3/memmgr.3' &&
        ! grep -r "$out" "$out/stage" && ! grep -r '@[A-Z_]*@' "$out/stage"
}

stage_unusual()
{
    make -s install DESTDIR="$out/unusual" PREFIX=/opt/m/ INCLUDEDIR=/headers/c \
        DATADIR='/opt/m/data files' MANDIR=/manual &&
        expect "$(listed "$out/unusual")" "./headers/c/memmgr.h ./manual/man3/memmgr.3 \
./opt/m/data files/cmake/memmgr/memmgrConfig.cmake \
./opt/m/data files/cmake/memmgr/memmgrConfigVersion.cmake \
./opt/m/data files/doc/memmgr/LICENSE ./opt/m/data files/doc/memmgr/README.md \
./opt/m/data files/pkgconfig/memmgr.pc " &&
        grep -qF 'includedir=${pcfiledir}/../../../../headers/c' \
            "$out/unusual/opt/m/data files/pkgconfig/memmgr.pc" &&
        grep -qF '/../../../../../headers/c"' \
            "$out/unusual/opt/m/data files/cmake/memmgr/memmgrConfig.cmake"
}

# An install leaves nothing in the checkout, where it would be root's, nor in TMPDIR.
leaves_nothing()
{
    mkdir -p "$out/temporary" && touch "$out/stamp" &&
        TMPDIR=$out/temporary make -s install PREFIX="$out/somewhere" &&
        expect "$(ls "$out/temporary")" '' &&
        expect "$(find . -newer "$out/stamp" -type f ! -path './build/*' ! -path './.git/*')" '' &&
        { [ ! -d build/install ] || expect "$(find build/install -newer "$out/stamp")" ''; }
}

row_places()
{
    check 'DESTDIR, PREFIX=/usr' stage_usual
    check 'other folders' stage_unusual
    check 'nothing left behind' leaves_nothing
}

# The tree that the consumers find was moved after it was installed.
moved_tree()
{
    [ -d "$out/moved" ] && return
    install_to "$out/prefix" && mv "$out/prefix" "$out/moved"
}

# --- Consumers. build_KIND on|off: builds the program, and says what it is called.

memory_of() { case $1 in on) echo memmgr ;; off) echo libc ;; esac; }

consumer()
{
    for switch in on off; do
        check "$1, switch $switch" "consume_$1" "$switch" "$(memory_of $switch)"
    done
}

# make_consumer FOLDER SWITCH PROGRAM VARIABLE...
make_consumer()
{
    folder=$1 switch=-DUSE_MEMORY_MGR program=$3
    [ "$2" = on ] || switch=
    shift 3
    make -s -C "$kinds/$folder" PROGRAM="$program" SWITCH="$switch" "$@" &&
        [ -x "$program" ]
}

consume_copy()
{
    mkdir -p "$out/vendor" && cp memmgr.h "$out/vendor/" &&
        make_consumer copy "$1" "$out/copy_$1" VENDOR="$out/vendor" && says "$out/copy_$1" "$2"
}

row_copy() { consumer copy; }

consume_pkgconfig()
{
    PKG_CONFIG_PATH=$out/moved/share/pkgconfig
    export PKG_CONFIG_PATH
    expect "$(pkg-config --modversion memmgr)" "$version" &&
        make_consumer pkg-config "$1" "$out/pkgconfig_$1" && says "$out/pkgconfig_$1" "$2"
}

row_pkgconfig()
{
    has pkg-config || { skip pkg-config 'not installed'; return; }
    moved_tree
    consumer pkgconfig
}

# cmake_consumer BUILD on|off MEMORY OPTION...
cmake_consumer()
{
    build=$1 switch=$2 memory=$3
    shift 3
    cmake -S "$kinds/cmake" -B "$build" -DUSE_MEMORY_MGR="$switch" "$@" &&
        cmake --build "$build" && says "$build/words" "$memory"
}

consume_cmake()
{
    cmake_consumer "$out/cmake_$1" "$1" "$2" -DCMAKE_PREFIX_PATH="$out/moved"
}

# wants yes|no VERSION: does find_package take the installed version for that one?
wants()
{
    mkdir -p "$out/wants"
    printf '%s\n' 'cmake_minimum_required(VERSION 3.19)' 'project(wants NONE)' \
        "find_package(memmgr $2 CONFIG)" 'message("found: ${memmgr_FOUND}")' \
        >"$out/wants/CMakeLists.txt"
    rm -rf "$out/wants/build"
    case $(cmake -S "$out/wants" -B "$out/wants/build" -DCMAKE_PREFIX_PATH="$out/moved" 2>&1) in
    *'found: 1'*) found=yes ;;
    *'found: 0'*) found=no ;;
    *) found='nothing understood' ;;
    esac
    expect "version $2: $found" "version $2: $1"
}

versions_wanted()
{
    next=$((major + 1))
    wants yes '' && wants yes "$major" && wants yes "$version" && wants yes "$version EXACT" &&
        wants no "$major.99" && wants no "$next" && wants yes "$major...$next" &&
        wants no "$next...99" && wants yes "$major...$version" &&
        { [ "$version" = "$major.0.0" ] || wants no "$major.0.0...<$version"; }
}

# A project sets the switch itself, under a policy that lets option() forget variables.
set_in_project()
{
    mkdir -p "$out/set" && cp "$kinds/consumer/"* "$out/set/" &&
        printf '%s\n' 'cmake_minimum_required(VERSION 3.12)' 'project(words C)' \
            'set(USE_MEMORY_MGR ON)' 'find_package(memmgr REQUIRED)' \
            'add_executable(words main.c words.c)' \
            'target_link_libraries(words PRIVATE memmgr::memmgr)' \
            'target_compile_definitions(words PUBLIC $<$<CONFIG:Debug>:MEMMGR_DEBUG>)' \
            >"$out/set/CMakeLists.txt" || return 1
    for kind in Debug Release; do
        cmake -S "$out/set" -B "$out/set_$kind" -DCMAKE_PREFIX_PATH="$out/moved" \
            -DCMAKE_BUILD_TYPE=$kind >"$out/set/log" &&
            grep -q "^-- memmgr $version: USE_MEMORY_MGR is on" "$out/set/log" &&
            cmake --build "$out/set_$kind" && says "$out/set_$kind/words" memmgr || return 1
    done
    grep -q MEMMGR_DEBUG "$out/set_Debug/CMakeFiles/words.dir/flags.make" &&
        ! grep -q MEMMGR_DEBUG "$out/set_Release/CMakeFiles/words.dir/flags.make"
}

row_cmake()
{
    has cmake || { skip cmake 'not installed'; return; }
    moved_tree
    consumer cmake
    check 'cmake, set in the project' set_in_project
    check 'cmake, versions' versions_wanted
}

consume_subdirectory()
{
    cmake_consumer "$out/subdirectory_$1" "$1" "$2" -DMEMMGR_SOURCE="$PWD"
}

consume_fetch()
{
    mkdir -p "$out/fetch" && cp "$kinds/consumer/"* "$out/fetch/" &&
        printf '%s\n' 'cmake_minimum_required(VERSION 3.18)' 'project(words C)' \
            'include(FetchContent)' \
            "FetchContent_Declare(memmgr URL \"$(archive)\" SOURCE_SUBDIR examples/packaging/project)" \
            'FetchContent_MakeAvailable(memmgr)' 'add_executable(words main.c words.c)' \
            'target_link_libraries(words PRIVATE memmgr::memmgr)' >"$out/fetch/CMakeLists.txt" &&
        cmake -S "$out/fetch" -B "$out/fetch_$1" -DUSE_MEMORY_MGR="$1" &&
        cmake --build "$out/fetch_$1" && says "$out/fetch_$1/words" "$2"
}

# Inside another project: told of, a system header, and not installed unless it is asked for.
guest()
{
    cmake -S "$kinds/cmake" -B "$out/guest" -DMEMMGR_SOURCE="$PWD" \
        -DCMAKE_INSTALL_PREFIX="$out/by_guest" >"$out/guest.log" &&
        grep -q "^-- memmgr $version: USE_MEMORY_MGR is off" "$out/guest.log" &&
        grep -qF -- "-isystem $PWD" "$out/guest/CMakeFiles/words.dir/flags.make" &&
        cmake --build "$out/guest" && cmake --install "$out/guest" &&
        [ ! -e "$out/by_guest/include/memmgr.h" ] &&
        cmake -S "$kinds/cmake" -B "$out/guest" -DMEMMGR_INSTALL=ON && cmake --build "$out/guest" &&
        cmake --install "$out/guest" && cmp memmgr.h "$out/by_guest/include/memmgr.h"
}

# What CMake installs is what make installs, without the manual.
same_as_make()
{
    cmake -S "$kinds/project" -B "$out/project" -DCMAKE_INSTALL_PREFIX="$out/by_cmake" &&
        cmake --install "$out/project" && moved_tree &&
        rm -rf "$out/by_make" && cp -r "$out/moved" "$out/by_make" &&
        rm -r "$out/by_make/share/man" && diff -r "$out/by_make" "$out/by_cmake"
}

row_project()
{
    has cmake || { skip 'cmake project' 'cmake is not installed'; return; }
    consumer subdirectory
    consumer fetch
    check 'cmake, in another project' guest
    check 'cmake --install' same_as_make
}

# The source as somebody may publish it.
archive()
{
    if [ ! -f "$out/memmgr-$version.tar.gz" ]; then
        mkdir -p "$out/memmgr-$version"
        cp -r memmgr.h LICENSE README.md examples "$out/memmgr-$version/"
        (cd "$out" && tar czf "memmgr-$version.tar.gz" "memmgr-$version")
    fi
    echo "$out/memmgr-$version.tar.gz"
}

# fill FOLDER: a copy of a folder of examples/packaging with the blanks filled in.
fill()
{
    file=$(archive)
    mkdir -p "$out/filled"
    rm -rf "$out/filled/$1"
    cp -r "$kinds/$1" "$out/filled/$1"
    find "$out/filled/$1" -type f | while read -r one; do
        sed -e "s|@MEMMGR_URL@|file://$file|g" -e "s|@MEMMGR_REPOSITORY@|memmgr/memmgr|g" \
            -e "s|@MEMMGR_SHA256@|$(sha256sum "$file" | cut -d' ' -f1)|g" \
            -e "s|@MEMMGR_SHA512@|$(sha512sum "$file" | cut -d' ' -f1)|g" "$one" >"$out/one" &&
            cp "$out/one" "$one"
    done
    ! grep -rn '@[A-Z_0-9]*@' "$out/filled/$1"
}

# meson_consumer BUILD on|off MEMORY OPTION...
meson_consumer()
{
    build=$1 use=true memory=$3
    [ "$2" = on ] || use=false
    shift 3
    rm -rf "$build"
    meson setup "$build" "$out/filled/meson" -Duse_memory_mgr=$use "$@" && ninja -C "$build" &&
        says "$build/words" "$memory"
}

consume_meson()
{
    PKG_CONFIG_PATH=$out/moved/share/pkgconfig
    export PKG_CONFIG_PATH
    meson_consumer "$out/meson_$1" "$1" "$2" --wrap-mode=nofallback
}

consume_wrap()
{
    rm -rf "$out/filled/meson/subprojects/memmgr-$version"
    meson_consumer "$out/wrap_$1" "$1" "$2" --wrap-mode=forcefallback
}

row_meson()
{
    { has meson && has ninja; } || { skip meson 'meson or ninja is not installed'; return; }
    moved_tree
    check 'meson, filled in' fill meson
    cp -r "$kinds/consumer" "$out/filled/"
    consumer meson
    consumer wrap
}

# --- make uninstall

taken_away()
{
    mkdir -p "$out/shared/include" "$out/shared/share/man/man3" "$out/shared/share/cmake/other" \
        "$out/shared/share/pkgconfig" "$out/shared/share/doc/other" &&
        touch "$out/shared/include/other.h" "$out/shared/share/man/man3/other.3" \
            "$out/shared/share/man/man3/memmgr_of_others.3" &&
        (cd "$out/shared" && find . | sort) >"$out/before" &&
        install_to "$out/shared" &&
        make -s uninstall PREFIX="$out/shared" &&
        (cd "$out/shared" && find . | sort) >"$out/after" && diff "$out/before" "$out/after"
}

nothing_is_left()
{
    install_to "$out/alone" && make -s uninstall PREFIX="$out/alone" &&
        expect "$(find "$out/alone" ! -type d)" '' &&
        make -s uninstall PREFIX="$out/alone"
}

row_uninstall()
{
    check 'uninstall among others' taken_away
    check 'uninstall, twice' nothing_is_left
}

# --- Package managers

# Every version that a description states is the header's.
versions_agree()
{
    grep -nE '"?version(-semver)?"? *[:=] *"|^directory = |^source_filename = ' \
        "$kinds/clib/clib.json" "$kinds/vcpkg/vcpkg.json" "$kinds/conan/conanfile.py" \
        "$kinds/meson/subprojects/memmgr.wrap" >"$out/stated"
    expect "$(wc -l <"$out/stated" | tr -d ' ')" 5 && ! grep -vF "$version" "$out/stated"
}

row_versions() { check versions versions_agree; }

json() { python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$1"; }

# clib is not in Debian: is it JSON, and are the files there that it names?
clib_described()
{
    fill clib && json "$out/filled/clib/clib.json" &&
        python3 -c '
import json, os, sys
told = json.load(open(sys.argv[1]))
assert {"name", "version", "repo", "src"} <= set(told), told
assert all(os.path.isfile(name) for name in told["src"]), told["src"]
' "$out/filled/clib/clib.json"
}

row_clib()
{
    has python3 || { skip clib 'no python3'; return; }
    check 'clib.json' clib_described
    not_run clib
}

# vcpkg is not in Debian: its functions are stood in for by a few lines that do their work.
vcpkg_port()
{
    fill vcpkg && json "$out/filled/vcpkg/vcpkg.json" || return 1
    cat >"$out/vcpkg.cmake" <<'EOF'
set(CURRENT_PACKAGES_DIR "${OUT}/package")
function(vcpkg_download_distfile variable)
    cmake_parse_arguments(one "" "URLS;FILENAME;SHA512" "" ${ARGN})
    file(DOWNLOAD "${one_URLS}" "${OUT}/${one_FILENAME}" EXPECTED_HASH "SHA512=${one_SHA512}")
    set(${variable} "${OUT}/${one_FILENAME}" PARENT_SCOPE)
endfunction()
function(vcpkg_extract_source_archive variable)
    cmake_parse_arguments(one "" "ARCHIVE" "" ${ARGN})
    file(ARCHIVE_EXTRACT INPUT "${one_ARCHIVE}" DESTINATION "${OUT}/source")
    set(${variable} "${OUT}/source/memmgr-${VERSION}" PARENT_SCOPE)
endfunction()
function(run)
    execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_configure)
    cmake_parse_arguments(one "" "SOURCE_PATH" "" ${ARGN})
    run(${CMAKE_COMMAND} -S "${one_SOURCE_PATH}" -B "${OUT}/build"
        -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR})
endfunction()
function(vcpkg_cmake_install)
    run(${CMAKE_COMMAND} --install "${OUT}/build")
endfunction()
function(vcpkg_install_copyright)
    cmake_parse_arguments(one "" "" "FILE_LIST" ${ARGN})
    file(COPY_FILE "${one_FILE_LIST}" "${CURRENT_PACKAGES_DIR}/copyright")
endfunction()
include("${PORT}/portfile.cmake")
EOF
    mkdir -p "$out/vcpkg" &&
        cmake -DOUT="$out/vcpkg" -DPORT="$out/filled/vcpkg" -DVERSION="$version" \
            -P "$out/vcpkg.cmake" &&
        cmp LICENSE "$out/vcpkg/package/copyright" &&
        cmake_consumer "$out/vcpkg/consumer" on memmgr \
            -DCMAKE_PREFIX_PATH="$out/vcpkg/package"
}

row_vcpkg()
{
    { has cmake && has python3; } || { skip vcpkg 'no cmake, or no python3'; return; }
    check 'vcpkg port, stand-ins' vcpkg_port
    not_run vcpkg
}

# Conan is not in Debian: the recipe is run with stand-ins for what it imports.
conan_recipe()
{
    fill conan || return 1
    for file in conanfile.py test_package/conanfile.py; do
        python3 -m py_compile "$out/filled/conan/$file" || return 1
    done
    cat >"$out/conan.py" <<'EOF'
import fnmatch
import hashlib
import os
import shutil
import sys
import tarfile
import types
import urllib.request

recipe, out = sys.argv[1:]


def get(conanfile, url, sha256, strip_root):
    data = urllib.request.urlopen(url).read()
    assert hashlib.sha256(data).hexdigest() == sha256 and strip_root
    with open(out + "/source.tar.gz", "wb") as file:
        file.write(data)
    with tarfile.open(out + "/source.tar.gz") as archive:
        archive.extractall(out + "/source")
    conanfile.source_folder = os.path.join(out, "source", "memmgr-" + conanfile.version)


def copy(conanfile, pattern, source, target):
    names = fnmatch.filter(os.listdir(source), pattern)
    assert names, pattern
    os.makedirs(target, exist_ok=True)
    for name in names:
        shutil.copy(os.path.join(source, name), target)


class Info:
    def __init__(self):
        self.properties = {}
        self.defines = []

    def set_property(self, name, value):
        self.properties[name] = value

    def clear(self):
        pass


for name, members in (("conan", {"ConanFile": object}), ("conan.tools", {}),
                      ("conan.tools.files", {"copy": copy, "get": get}),
                      ("conan.tools.layout", {"basic_layout": lambda *a, **k: None})):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(members)
module = types.ModuleType("conanfile")
exec(open(recipe).read(), module.__dict__)
conan = module.MemmgrConan()
assert conan.default_options == {"use_memory_mgr": False}
conan.options = types.SimpleNamespace(use_memory_mgr=True)
conan.settings = types.SimpleNamespace(os="Linux")
conan.info = Info()
conan.cpp_info = Info()
conan.package_folder = os.path.join(out, "package")
conan.layout()
conan.source()
conan.package()
conan.package_info()
conan.package_id()
assert conan.cpp_info.properties["cmake_target_name"] == "memmgr::memmgr"
assert conan.cpp_info.defines == ["USE_MEMORY_MGR"]
EOF
    mkdir -p "$out/conan" &&
        python3 "$out/conan.py" "$out/filled/conan/conanfile.py" "$out/conan" &&
        cmp memmgr.h "$out/conan/package/include/memmgr.h" &&
        cmp LICENSE "$out/conan/package/licenses/LICENSE"
}

# The program that the recipe's test builds, with what make has installed in the package's place.
conan_test_package()
{
    moved_tree
    mkdir -p "$out/filled/conan" && cp -r "$kinds/consumer" "$out/filled/" &&
        cmake -S "$out/filled/conan/test_package" -B "$out/conan_test" -DUSE_MEMORY_MGR=ON \
            -DCMAKE_PREFIX_PATH="$out/moved" && cmake --build "$out/conan_test" &&
        says "$out/conan_test/words" memmgr
}

row_conan()
{
    has python3 || { skip conan 'no python3'; return; }
    check 'conan recipe, stand-ins' conan_recipe
    if has cmake; then check 'conan test package' conan_test_package; fi
    not_run conan
}

[ $# -gt 0 ] || set -- places copy pkgconfig cmake project meson uninstall versions clib vcpkg conan
for one in "$@"; do "row_$one"; done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
