# narrow.sh: programs of 32 bits on a machine of 64. Read by check.sh, configs.sh, cover.sh, lint.sh.
# shellcheck shell=sh disable=SC2034,SC2086 # what is set is for who reads this; flags are words

# narrow FOLDER COMPILER...: does it make such programs, and can they be run? Then $narrow_flags is
# what it is told, and $narrow_runner what runs them: nothing, or an emulator where the kernel takes
# none. Debian keeps the kernel's headers where such a compiler does not look for them.
narrow()
{
    narrow_works=$1/narrow
    shift
    narrow_flags="-m32 -isystem /usr/include/$(uname -m)-linux-gnu"
    narrow_runner=
    printf '#include <stdio.h>\n#include <sys/mman.h>\nint main(void) { return puts("") < 0; }\n' \
        >"$narrow_works.c"
    "$@" $narrow_flags -o "$narrow_works" "$narrow_works.c" >/dev/null 2>&1 || return
    "$narrow_works" >/dev/null 2>&1 && return
    narrow_runner=qemu-i386-static
    command -v $narrow_runner >/dev/null 2>&1 && $narrow_runner "$narrow_works" >/dev/null 2>&1
}
