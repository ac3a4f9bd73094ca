#!/bin/sh
# run.sh [server...]: redis, nginx, memcached, postgres, or those named, under the preload library
# with load, faults and failing allocations, and beside it on the C library. See soak.py.
#
#     sh tests/soak/run.sh                  ten minutes each, all at once
#     SHORT=1 sh tests/soak/run.sh nginx    ten seconds
#
# SOAK_SECONDS is the time of load on memmgr; faults, other allocators and rates take about half as
# much again. All is on 127.0.0.1, on ports that are free, and at low priority. Everything that is
# built or written goes to build/soak. What is not installed is skipped, and a line says so; with
# MEMMGR_REQUIRE_ALL=1 that is a failure. CC and CFLAGS are honoured.
cd "$(dirname "$0")/../.." || exit 1
CC=${CC:-cc}
CFLAGS=${CFLAGS:--O2}
SECONDS_OF_LOAD=${SOAK_SECONDS:-600}
[ -n "${SHORT:-}" ] && SECONDS_OF_LOAD=${SOAK_SECONDS:-10}
[ $# -gt 0 ] || set -- redis nginx memcached postgres
root=$(pwd)
out=$root/build/soak
passed=0
failed=0
running=
locked=
unset LD_PRELOAD MEMMGR_OPTIONS MAKEFLAGS
PATH=$PATH:/usr/sbin:/sbin

stop()
{
    for pid in $running; do kill "$pid" 2>/dev/null; done
    for pid in $running; do wait "$pid" 2>/dev/null; done
    running=
    [ -z "$locked" ] || rm -rf "$out.lock"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# row name passed failed
row()
{
    passed=$((passed + $2))
    failed=$((failed + $3))
    printf '  %-28s %s\n' "$1" "$2 passed, $3 failed"
}

skip()
{
    if [ "${MEMMGR_REQUIRE_ALL:-}" = 1 ]; then
        echo "    FAILED: $1 cannot be skipped: $2"
        row "$1" 0 1
    else
        printf '  %-28s skipped: %s\n' "$1" "$2"
    fi
}

end()
{
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}

# begin name what [server]: soak.py in the background, its output in a directory of its own.
begin()
{
    mkdir -p "$out/$1"
    env OUT="$out/$1" LIBRARY="$out/libmemmgr.so" WHERE="$out/where.so" SECONDS="$SECONDS_OF_LOAD" \
        PYTHONDONTWRITEBYTECODE=1 nice -n 15 python3 tests/soak/soak.py "$2" "${3:-}" \
        >"$out/$1/result" 2>"$out/$1/log" &
    running="$running $!"
}

# result name: what it said, as a row. Without a last line it was stopped.
result()
{
    last=$(sed -n '$p' "$out/$1/result")
    sed '$d' "$out/$1/result"
    case $last in
    [0-9]*' passed, '[0-9]*' failed') ;;
    *)
        echo "$last"
        tail -5 "$out/$1/log" | sed 's/^/    /'
        last='0 passed, 1 failed'
        ;;
    esac
    set -- "$1" $last
    row "$1" "$2" "$4"
}

wait_for_all()
{
    for pid in $running; do wait "$pid"; done
    running=
}

# What a server needs and has not, in words; "" when all is there.
missing()
{
    case $1 in
    redis) needs='redis-server redis-benchmark' ;;
    nginx) needs='nginx wrk openssl' ;;
    memcached) needs='memcached memcslap' ;;
    postgres)
        needs='pgbench psql'
        ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || needs="$needs initdb postgres"
        ;;
    *)
        echo "no such server"
        return
        ;;
    esac
    for program in $needs; do
        command -v "$program" >/dev/null 2>&1 || { echo "there is no $program"; return; }
    done
    [ "$1$(id -u)" = postgres0 ] || return
    user=nobody
    id postgres >/dev/null 2>&1 && user=postgres
    setpriv --reuid "$user" --clear-groups --regid "$(id -g $user)" test -x "$out" ||
        echo "the user $user has no way to $out"
}

if [ "$(uname)" != Linux ]; then
    skip soak 'not on Linux'
    end
fi
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    skip soak 'there is no python3 of 3.9 or later'
    end
fi
# One run at a time: each begins with an empty directory.
mkdir -p build
if ! mkdir "$out.lock" 2>/dev/null; then
    if kill -0 "$(cat "$out.lock/pid" 2>/dev/null)" 2>/dev/null; then
        echo "    FAILED: another run is under way"
        row soak 0 1
        end
    fi
fi
locked=1
echo $$ >"$out.lock/pid"
rm -rf "$out"
mkdir -p "$out"
for build in "libmemmgr.so examples/preload/preload.c -fno-builtin -fvisibility=hidden" \
    "where.so tests/soak/where.c"; do
    set -f
    # shellcheck disable=SC2086
    (
        set -- $build
        target=$1 source=$2
        shift 2
        $CC $CFLAGS -Wall -Wextra -fPIC -shared "$@" -o "$out/$target" "$source" -pthread -ldl
    ) >"$out/build.log" 2>&1 || {
        sed 's/^/    /' "$out/build.log"
        row "${build%% *}" 0 1
        end
    }
    set +f
done
if ! $CC -O0 -w -fno-builtin -o "$out/faulty" tests/soak/faulty.c; then
    row faulty 0 1
    end
fi

begin self self
wait_for_all
result self

servers=
for server in "$@"; do
    why=$(missing "$server")
    if [ -n "$why" ]; then skip "$server" "$why"; else servers="$servers $server"; fi
done
for server in $servers; do begin "$server" soak "$server"; done
wait_for_all
for server in $servers; do result "$server"; done

# One after the other, that the rates can be compared.
for server in $servers; do
    begin "$server.rate" rate "$server"
    wait_for_all
    result "$server.rate"
done

tab=$(printf '\t')
echo
echo 'MiB (PSS of all processes) at the most, after steady load, and flushed; growth of heaps in %'
for server in $servers; do cat "$out/$server/table"; done 2>/dev/null | awk -F "$tab" '
    BEGIN {
        form = "%-10s %-18s %7s %6s %10s %8s %8s %8s %8s %8s %8s %7s %8s\n"
        printf form, "server", "allocator", "seconds", "rounds", "requests", "peak", "after",
            "flushed", "growth%", "faults%", "reports", "faults", "went on"
    }
    { printf form, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 }'
echo
echo 'requests a second, medians, in turns'
for server in $servers; do cat "$out/$server.rate/table"; done 2>/dev/null | awk -F "$tab" '
    BEGIN { printf "%-10s %-18s %10s %8s\n", "server", "allocator", "req/s", "memmgr/it" }
    $3 == "memmgr" { own = $4 }
    { printf "%-10s %-18s %10s %8.2f\n", $2, $3, $4, own / $4 }'
end
