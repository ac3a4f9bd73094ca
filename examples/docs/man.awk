# man.awk: memmgr.3 from the records of parse.awk, which are read twice: records records. Behind
# troff.awk. -v date=YYYY-MM-DD

function end_pre() { if (in_pre) print ".fi\n.RE"; in_pre = 0 }
function end_function() { if (in_function) print ".RE"; in_function = 0 }

# --- The first time: what stands before the rest.

NR == FNR && $1 == "version" { version = $2 }
NR == FNR && $1 == "summary" { summary = $2 }
NR == FNR && $1 == "copyright" { copyright = $2 }
NR == FNR && $1 == "group" { synopsis[++rows] = "group\t" $2 }
NR == FNR && $1 == "function" { synopsis[++rows] = $4 }
NR == FNR { next }

FNR == 1 {
    print ".\\\" Made from memmgr.h: to be changed there."
    print ".TH MEMMGR 3 " date " \"memmgr " version "\" \"Library Functions Manual\"\n.nh\n.ad l"
    print ".SH NAME\nmemmgr \\- " summary "\n.SH SYNOPSIS\n.nf"
    print "\\fB#define MEMMGR_IMPLEMENTATION\\fR  /* in exactly one file */"
    print "\\fB#include <memmgr.h>\\fR"
    for (i = 1; i <= rows; i++) {
        if (synopsis[i] ~ /^group/) print ".sp\n/* " substr(synopsis[i], 7) " */"
        else prototype(synopsis[i])
    }
    print ".fi\n.SH DESCRIPTION"
}

{ if ($1 != "pre") end_pre() }
$1 != "para" && $1 != "pre" { end_function() }

# How the rooms lie is for who reads the header.
$1 == "topic" && $2 == "HOW TO READ THIS FILE" { hidden = 1 }
$1 == "macro" || $1 == "room" { hidden = 0 }
hidden { next }
$1 == "topic" { print ".SS \"" $2 "\""; first = 1 }
$1 == "room" && $2 == "config" { print ".SH OPTIONS"; first = 1 }
$1 == "room" && $2 == "types" { print ".SH TYPES"; first = 1 }
$1 == "room" && $2 == "api" { print ".SH FUNCTIONS" }

$1 == "para" && tagged { flow($2); tagged = 0; next }
$1 == "para" {
    if (!first) print ".PP"
    flow($2)
    first = 0
}
$1 == "term" { row($2, $3); first = 0 }
$1 == "pre" {
    if (!in_pre) print (first ? "" : ".PP\n") ".RS 4\n.nf"
    in_pre = 1
    first = 0
    line(escape($2))
}
$1 == "macro" && !in_version { print ".SH VERSION"; in_version = 1 }
$1 == "macro" { print ".TP\n.B " $2 " " escape($4); tagged = 1; first = 0 }
$1 == "option" { print ".TP\n.B " $4; tagged = 1; first = 0 }
$1 == "group" { print ".SS \"" $2 "\""; first = 1 }
$1 == "note" { if (!first) print ".PP"; first = 1 }
$1 == "function" {
    print (first ? "" : ".PP\n") ".nf"
    prototype($4)
    print ".fi\n.RS 4"
    in_function = 1
    first = 1
}
$1 == "type" {
    print ".SS \"" ($2 == "" ? "Flags of a pool" : $2) "\""
    if ($4 == "callback") {
        print ".nf"
        prototype($5)
        print ".fi"
        print ".PP"
    }
    first = 1
}
$1 == "item" { row($4, $5); first = 0 }

END {
    end_pre()
    end_function()
    print ".SH ERRORS"
    flow("Misuse and leaks are reported to the handler that memmgr_set_error_handler sets, with one of the values of memmgr_error, which are listed under TYPES. memmgr_pool_free, memmgr_pool_check and memmgr_check return it, too. A general call that finds no memory sets errno to ENOMEM.")
    print ".SH SEE ALSO\n.BR malloc (3),\n.BR malloc_usable_size (3),\n.BR posix_memalign (3)"
    author = copyright
    sub(/^Copyright \(c\) [0-9]+ /, "", author)
    print ".SH AUTHORS\n" author
    print ".SH COPYRIGHT\n" copyright ".\nMIT licence: its text stands at the end of memmgr.h."
}
