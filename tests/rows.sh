# rows.sh: lines of a script's output, one for each thing that is tested, and their sums in $passed
# and $failed. Read by docs.sh and install.sh.
# shellcheck shell=sh

# row NAME PASSED FAILED
row()
{
    printf '  %-28s %s\n' "$1" "$2 passed, $3 failed"
    passed=$((passed + $2))
    failed=$((failed + $3))
}

# skip NAME REASON: a failure where nothing may be missing
skip()
{
    printf '  %-28s %s\n' "$1" "skipped: $2"
    [ "$MEMMGR_REQUIRE_ALL" != 1 ] || failed=$((failed + 1))
}
