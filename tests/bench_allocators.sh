# bench_allocators.sh: which allocators are here, for the scripts that source it.
#
# find_allocators sets `allocators` to their names and writes $out/allocators, lines of "name path":
# the path is what LD_PRELOAD gets. It needs $out/bench_general. BENCH_EXTRA="name=/path/lib.so ..."
# adds more. A library counts when the loader takes it without a word and, as far as the loader
# tells, it is the one that serves malloc.

serves() { # LIBRARY: does it serve malloc?
    said=$(LD_PRELOAD=$1 "$out/bench_general" pair 0 2>&1) && [ -z "$said" ] || return 1
    bound=$(LD_PRELOAD=$1 LD_DEBUG=bindings "$out/bench_general" pair 0 2>&1 |
        grep 'bench_general \[0\] to .* symbol .malloc' || true)
    case $bound in
    '' | *" to $1 "*) return 0 ;;
    esac
    return 1
}

find_library() { # FILE...: the path of the last that serves malloc
    found=
    for file; do
        for path in /usr/local/lib/$file /usr/lib/$file /usr/lib64/$file /usr/lib/*-linux-*/$file \
            /usr/lib/llvm-?/lib/clang/*/lib/*/$file /usr/lib/llvm-??/lib/clang/*/lib/*/$file \
            /usr/lib/clang/*/lib/*/$file; do
            if [ -e "$path" ] && serves "$path"; then found=$path; fi
        done
        if [ -n "$found" ]; then return; fi
    done
}

add_allocator() { # NAME PATH
    allocators="$allocators $1"
    echo "$1 $2" >>"$out/allocators"
}

add_library() { # NAME FILE...
    name=$1
    shift
    find_library "$@"
    if [ -n "$found" ]; then
        add_allocator "$name" "$found"
    else
        echo "skipped: $name is not installed ($1)"
    fi
}

# A program may be linked with an allocator of its own, as redis is on Debian: for the malloc of the
# C library that is preloaded as well.
find_libc() {
    ldd "$out/bench_general" 2>/dev/null | awk '/libc\.so/ { print $3; exit }'
}

find_allocators() {
    allocators=
    : >"$out/allocators"
    add_allocator glibc "$(find_libc)"
    rm -f "$out/libmemmgr.so"
    if [ -e build/libmemmgr.so ]; then cp build/libmemmgr.so "$out"; fi # may be built meanwhile
    if [ ! -e "$out/libmemmgr.so" ]; then
        echo "skipped: memmgr, there is no build/libmemmgr.so"
    elif serves "$PWD/$out/libmemmgr.so"; then
        add_allocator memmgr "$PWD/$out/libmemmgr.so"
    else
        echo "skipped: memmgr, build/libmemmgr.so cannot be preloaded"
    fi
    if [ -n "${BENCH_WATCHED:-}" ]; then # the same library, with MEMMGR_OPTIONS=track,guard
        add_allocator watched "$PWD/$out/libmemmgr.so"
        allocators=${allocators# }
        return
    fi
    add_library jemalloc libjemalloc.so.2
    add_library mimalloc libmimalloc.so.3 libmimalloc.so.2 libmimalloc.so.2.0
    add_library tcmalloc libtcmalloc_minimal.so.4
    add_library tbbmalloc libtbbmalloc_proxy.so.2
    add_library scudo "libclang_rt.scudo_standalone-$(uname -m).so" libclang_rt.scudo_standalone.so
    for extra in ${BENCH_EXTRA:-}; do
        if [ -e "${extra#*=}" ] && serves "${extra#*=}"; then
            add_allocator "${extra%%=*}" "${extra#*=}"
        else
            echo "skipped: ${extra%%=*}, ${extra#*=} cannot be preloaded"
        fi
    done
    allocators=${allocators# }
}

path_of() { # NAME
    awk -v name="$1" '$1 == name { print $2 }' "$out/allocators"
}
