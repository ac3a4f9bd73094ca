# extract.awk: every atomic operation in memmgr.h, a line for each:
#
#     function  operation  order  times
#
# The operations of room base are the compiler's, with their orders; all others go through those, so
# that their order is "-". Comments are left out.

function note(operation, order) { times[name "  " operation "  " order]++ }

# The orders that a call names, in a row.
function orders_of(call, found) {
    found = ""
    while (match(call, /__ATOMIC_[A-Z_]+/)) {
        found = found (found == "" ? "" : ",") substr(call, RSTART + 9, RLENGTH - 9)
        call = substr(call, RSTART + RLENGTH)
    }
    return found == "" ? "-" : found
}

{ sub(/\/\/.*/, "") }
/^#[ \t]*(define|include|undef)/ { next }

# The line that a function begins at. Its name is the last word before the first parenthesis that
# is no attribute's.
/^[A-Za-z_].*[({,]$/ || /^[A-Za-z_].*\).*\{.*\}$/ {
    head = $0
    gsub(/__attribute__\(\([^)]*(\([^)]*\))?[^)]*\)\)/, "", head)
    if (head !~ /[;=].*\(/ || head ~ /\{/) {
        if (match(head, /[A-Za-z_0-9]+\(/)) name = substr(head, RSTART, RLENGTH - 1)
    }
}

{
    line = pending $0
    pending = ""
    if (line ~ /__atomic_[a-z_]+\(/ && line !~ /;/) { pending = line; next }
    rest = line
    while (match(rest, /(__atomic_[a-z_0-9]+|_Interlocked[A-Za-z0-9]+|mmi_atomic_[a-z_]+|__libc_single_threaded|_mm_load_si128)/)) {
        operation = substr(rest, RSTART, RLENGTH)
        tail = substr(rest, RSTART + RLENGTH)
        if (operation != name && (tail ~ /^\(/ || operation == "__libc_single_threaded"))
            note(operation, operation ~ /^__atomic_/ ? orders_of(tail) : "-")
        rest = tail
    }
}

END { for (one in times) print one "  " times[one] }
