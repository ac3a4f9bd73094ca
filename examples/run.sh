#!/bin/sh
# Compiles and runs every example with the switch on and off. The last line is 'N passed, N failed'.
#
#     sh examples/run.sh [name...]
#
# Honours CC, CXX, CFLAGS and CXXFLAGS. Without a C++ compiler the C++ example is skipped.

cd "$(dirname "$0")/.." || exit 1
: "${CC:=cc}" "${CXX:=c++}" "${CFLAGS=-O2}" "${CXXFLAGS=$CFLAGS}"
warnings='-Wall -Wextra -Wpedantic -Wshadow'
out=build/examples
passed=0
failed=0
mkdir -p $out

# compile SOURCE PROGRAM FLAGS...
compile() {
    source=$1
    program=$2
    shift 2
    case $source in
    *.cpp) $CXX $CXXFLAGS $warnings -pthread -I. "$@" -o "$program" "$source" ;;
    *) $CC $CFLAGS $warnings -pthread -I. "$@" -o "$program" "$source" ;;
    esac
}

# example SOURCE SWITCH FLAGS...
example() {
    source=$1
    setting=$2
    name=$(basename "$source")
    program=$out/${name%.*}_$setting
    shift 2
    if compile "$source" "$program" "$@" >"$program.txt" 2>&1 &&
        "$program" "$program.svg" >>"$program.txt" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name, switch $setting:"
        cat "$program.txt"
    fi
}

for source in examples/*.c examples/*.cpp; do
    name=$(basename "$source")
    case " $* " in
    "  " | *" ${name%.*} "*) ;;
    *) continue ;;
    esac
    case $source in
    *.cpp)
        if ! command -v ${CXX%% *} >/dev/null; then
            echo "skipped: $name, no C++ compiler ($CXX)"
            continue
        fi
        ;;
    esac
    example "$source" on -DUSE_MEMORY_MGR
    example "$source" off
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
