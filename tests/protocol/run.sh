#!/bin/sh
# run.sh: the protocols between threads as models, checked by spin, with a memory that has release
# and acquire. Rows: the memory itself (litmus tests); whether the tables of memmgr.h's atomic
# operations are complete and current; each model; each memory order made weaker, and each step
# left out, which must be found out; a test of what a model has found.
#
# SHORT=1 leaves out the largest models. MEMMGR_REQUIRE_ALL=1: nothing may be skipped. What is built
# goes to build/protocol.
cd "$(dirname "$0")/../.." || exit 1
CC=${CC:-cc}
models=tests/protocol
out=build/protocol
passed=0
failed=0
skipped=
mkdir -p "$out"

row() # name passed failed
{
    printf '  %-36s %d passed, %d failed\n' "$1" "$2" "$3"
    passed=$((passed + $2)) failed=$((failed + $3))
}
verdict() { if [ "$2" = 0 ]; then row "$1" 1 0; else row "$1" 0 1; fi; }
finish()
{
    [ -z "$skipped" ] || [ -z "$MEMMGR_REQUIRE_ALL" ] || failed=$((failed + 1))
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}
lines() { sed 's/#.*//; /^[[:blank:]]*$/d' "$1"; }

# --- The tables

# Does orderings.txt list what memmgr.h has?
operations() { LC_ALL=C awk -f $models/extract.awk "$@" | LC_ALL=C sort; }
operations memmgr.h >"$out/operations"
lines $models/orderings.txt | awk '{ print $1 "  " $2 "  " $3 "  " $4 }' | LC_ALL=C sort >"$out/listed"
diff "$out/listed" "$out/operations" >"$out/differences"
verdict 'orderings.txt and memmgr.h' $?
sed -n 's/^</    listed, and not there: /p; s/^>/    there, and not listed: /p' "$out/differences"

# Would it be seen if an order were another, or an operation more, or gone?
good=0
for change in '/^MMI_INLINE.*half_release/,/^}/s/__ATOMIC_RELEASE/__ATOMIC_RELAXED/' \
    '/^MMI_FN.*mmi_heap_own(/,/^}/s/mmi_atomic_fence();//' \
    '/^MMI_FN.*mmi_heap_own(/,/^}/s/mmi_atomic_fence();/&&/' \
    '/^MMI_FN.*mmi_slab_sweep(/,/^}/s/mmi_atomic_acquire/mmi_atomic_fence/'; do
    sed "$change" memmgr.h | operations - | cmp -s - "$out/operations" || good=$((good + 1))
done
row 'changes of memmgr.h that are seen' $good $((4 - good))

# Has each order of orders.txt its place, and there the same name? An order is that of the operation
# of room base; the first one of a compare-and-swap's.
lines $models/orders.txt >"$out/orders"
awk -v listed=$models/orderings.txt '
    FILENAME == ARGV[1] && $2 ~ /^__atomic/ && !(($1 == "mmi_atomic_byte") && $3 == "ACQUIRE") {
        split($3, of, ","); is[$1] = of[1]; next
    }
    FILENAME == ARGV[1] { there[$1 " " $2] = 1; next }
    FILENAME == ARGV[2] {
        if ($5 == "model") named[$1 " " $2] = $0
        next
    }
    {
        at = $3 " " $4
        if (!there[at]) wrong($1 " is not in memmgr.h: " at)
        else if (is[$4] != $2) wrong($1 " is " is[$4] " in memmgr.h")
        else if (named[at] !~ "[ ,]" $1 "[:,]?") wrong($1 " is not named in orderings.txt: " at)
    }
    function wrong(what) { print "    " what; bad = 1 }
    END { exit bad }
' "$out/operations" $models/orderings.txt "$out/orders" >"$out/wrong"
verdict 'orders.txt and memmgr.h' $?
cat "$out/wrong"

# --- Models

if ! command -v spin >/dev/null 2>&1 || ! command -v gcc >/dev/null 2>&1; then
    echo '  models                               skipped: no spin, or no gcc'
    skipped=1
    finish
fi

# The names of orders as numbers; what they are is said when a model is run: with one of them changed
# by orders NAME ORDER.
awk '{ printf "#define ORDER_%s %d\n", $1, 16 + n++ }' "$out/orders" >"$out/orders.pml"
orders()
{
    awk -v name="$1" -v other="$2" '
        BEGIN { is["RELAXED"] = 0; is["ACQUIRE"] = 1; is["RELEASE"] = 2; is["ACQ_REL"] = 3
                is["SEQ_CST"] = 7 }
        { printf "%d", is[$1 == name ? other : $2] }' "$out/orders"
}

# make_model folder insert model definition...
make_model()
{
    built=$out/$1 insert=$2 model=$3
    shift 3
    mkdir -p "$built"
    rm -f "$built/pan"
    cp $models/*.pml $models/memory.h "$out/orders.pml" "$built"
    (
        cd "$built" || exit 1
        spin -a "$@" "$model.pml" >spin.log 2>&1 &&
            gcc -O0 -w -DSAFETY -DCOLLAPSE -DVECTORSZ=4096 -DMEMLIM=4000 "-DINSERT=$insert" \
                -o pan pan.c >>spin.log 2>&1
    ) && return
    sed 's/^/    /' "$built/spin.log"
    return 1
}

# run_model folder orders: holds, caught, or broken, which is when its bounds were too small.
run_model()
{
    (cd "$out/$1" && ORDERS=$2 ./pan -m500000 -w20 >pan.log 2>&1)
    if grep -q 'violated.*FAULT_HISTORY\|error: max search\|out of memory\|VECTORSZ' "$out/$1/pan.log"; then
        echo broken
    elif grep -q 'errors: 0' "$out/$1/pan.log" && ! grep -q 'Search not completed' "$out/$1/pan.log"; then
        echo holds
    elif grep -q 'assertion violated\|invalid end state' "$out/$1/pan.log"; then
        echo caught
    else
        echo broken
    fi
}

# expect name verdict folder orders
expect()
{
    found=$(run_model "$3" "$4")
    [ "$found" = "$2" ]
    wrong=$?
    [ $wrong = 0 ] || echo "    $1: $found, expected $2: $out/$3/pan.log"
    return $wrong
}

as_written=$(orders)

# --- The memory

good=0 bad=0
lines $models/litmus.txt >"$out/litmus.rows"
while read -r wanted insert definitions; do
    set --
    for definition in $definitions; do set -- "$@" "-D$definition"; done
    case $wanted in allowed) wanted=caught ;; *) wanted=holds ;; esac
    if make_model litmus "$insert" litmus "$@" && expect "litmus $definitions" $wanted litmus "$as_written"
    then good=$((good + 1)); else bad=$((bad + 1)); fi
done <"$out/litmus.rows"
row 'memory: litmus tests' $good $bad

# --- The protocols

# model case insert and more definitions; "long" ones are left out when SHORT is set.
while read -r length insert model case more; do
    [ "$length" = long ] && [ -n "$SHORT" ] && continue
    folder=$model.$case
    [ "$insert" = 0 ] || folder=$folder.insert
    set -- "-DCASE=$case"
    for definition in $more; do set -- "$@" "-D$definition"; done
    make_model "$folder" "$insert" "$model" "$@" && expect "$folder" holds "$folder" "$as_written"
    verdict "$folder" $?
done <<'CASES'
short 0 heaps REMOTE_FREES
short 0 heaps FREED_TWICE
short 0 heaps FREED_BY_BOTH
short 0 heaps ADOPTED_SLAB
short 0 heaps ADOPTED_HEAP
short 0 heaps REUSED
long  0 heaps DRAINED BLOCKS=3
short 0 rooms LOCKED
short 0 rooms STARTED
short 0 rooms FOUND
short 0 rooms LATE
short 0 rooms RECORDED
long  1 heaps FREED_TWICE
long  1 heaps FREED_BY_BOTH
long  1 rooms FOUND
long  1 rooms LATE
long  1 rooms RECORDED
CASES

# --- Weaker orders: each is to be found out by the model that it names.
while read -r name _ _ _ weaker; do
    [ "$weaker" = - ] && continue
    good=0 bad=0
    for one in $weaker; do
        if expect "$name ${one%%:*}" caught "${one#*:}" "$(orders "$name" "${one%%:*}")"
        then good=$((good + 1)); else bad=$((bad + 1)); fi
    done
    row "weaker: $name" $good $bad
done <"$out/orders"

# --- Steps left out, or in another order: each is to be found out.
while read -r step model case more; do
    set -- "-DCASE=$case" "-D$step"
    for definition in $more; do set -- "$@" "-D$definition"; done
    make_model seeded 0 "$model" "$@" && expect "$step" caught seeded "$as_written"
    verdict "without a step: $(echo "$step" | tr 'A-Z_' 'a-z ')" $?
done <<'STEPS'
CLAIMED_WITHOUT_COMPARE    heaps FREED_TWICE
TOLD_WITHOUT_EXCHANGE      heaps REMOTE_FREES
PUSHED_BEFORE_LINKED       heaps REMOTE_FREES
PUSHED_WITHOUT_COMPARE     heaps REMOTE_FREES SLABS=2 BLOCKS=1
COLLECTED_WITHOUT_EXCHANGE heaps REMOTE_FREES SLABS=2 BLOCKS=1
NOT_UNTOLD                 heaps REUSED
OWNER_NOT_ASKED_AGAIN      heaps REUSED
NOT_HEARD                  heaps REMOTE_FREES
LINK_READ_LATE             heaps REMOTE_FREES
SWEPT_BEFORE_HEARD         heaps REMOTE_FREES
NOT_PASSED_ON              heaps ADOPTED_SLAB
PARKED_BEFORE_FLUSHED      heaps ADOPTED_SLAB
ADOPTED_WITHOUT_LOCK       heaps ADOPTED_SLAB
WITHOUT_LOCK               heaps ADOPTED_HEAP
OWNER_LEFT_LATE            heaps ADOPTED_SLAB
LOCKED_WITHOUT_EXCHANGE    rooms LOCKED
FRESH_BEFORE_READY         rooms FOUND
PLACED_BEFORE_DESCRIBED    rooms FOUND
SIZE_BEFORE_STATES         rooms LATE
LIVE_WITHOUT_SIZE          rooms LATE
CLAIMED_BY_STORE           rooms RECORDED
STEPS

# --- What a model has found, with the header itself
$CC -std=c11 -O1 -g -DUSE_MEMORY_MGR -o "$out/claim" $models/claim.c -pthread >"$out/claim.log" 2>&1 &&
    "$out/claim" >"$out/claim.log" 2>&1
verdict 'claim' $?
grep -q '[1-9] failed' "$out/claim.log" && sed 's/^/    /' "$out/claim.log"

finish
