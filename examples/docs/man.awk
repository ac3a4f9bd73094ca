# man.awk: memmgr.3 from the records of parse.awk, which are read twice: records records.
# -v date=YYYY-MM-DD

BEGIN { FS = "\t"; width = 72 }

# A backslash, as troff has it.
function escape(text,    out, at)
{
    out = ""
    while ((at = index(text, "\\")) > 0) {
        out = out substr(text, 1, at - 1) "\\e"
        text = substr(text, at + 1)
    }
    return out text
}

# Names are bold, and `what stands between these` is in italics.
function marked(text,    out, c, at, italic)
{
    out = ""
    text = escape(text)
    while (match(text, /`|-D[A-Z]|(memmgr|MEMMGR|USE_MEMORY)_[A-Za-z0-9_]+/)) {
        c = substr(text, RSTART, RLENGTH)
        at = RSTART + RLENGTH
        out = out substr(text, 1, RSTART - 1)
        if (c == "`") {
            italic = !italic
            out = out (italic ? "\\fI" : "\\fR")
        } else if (c ~ /^-D/) {
            out = out "\\-"
            at = RSTART + 1
        } else {
            out = out (italic ? c : "\\fB" c "\\fR")
        }
        text = substr(text, at)
    }
    return out text
}

# A line that begins with a dot or a quote is not a request.
function line(text) { print (text ~ /^[.']/ ? "\\&" : "") text }

function flow(text,    words, count, i, row)
{
    count = split(marked(text), words, " ")
    row = ""
    for (i = 1; i <= count; i++) {
        if (row != "" && length(row) + length(words[i]) + 1 > width) { line(row); row = "" }
        row = row == "" ? words[i] : row " " words[i]
    }
    if (row != "") line(row)
}

function row(term, text)
{
    print ".TP"
    print ".B \"" escape(term) "\""
    flow(text)
}

# The last name of a parameter is in italics.
function parameter(text)
{
    if (text ~ /\(/ || text !~ / / || !match(text, /[A-Za-z0-9_]+$/)) return text
    return substr(text, 1, RSTART - 1) "\\fI" substr(text, RSTART) "\\fB"
}

# The parameters of a prototype, at commas that stand in no further parentheses.
function split_parameters(text, into,    i, c, depth, count)
{
    count = 1
    into[1] = ""
    depth = 0
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "(") depth++
        if (c == ")") depth--
        if (c == "," && depth == 0) { into[++count] = ""; i++ }
        else into[count] = into[count] c
    }
    return count
}

function prototype(text,    open, parameters, count, i, plain, styled, end)
{
    open = index(text, "(")
    if (substr(text, open, 2) == "(*") open += index(substr(text, open + 1), "(")
    plain = styled = substr(text, 1, open)
    count = split_parameters(substr(text, open + 1, length(text) - open - 2), parameters)
    for (i = 1; i <= count; i++) {
        end = i < count ? "," : ");"
        if (i > 1 && length(plain) + length(parameters[i]) + 3 > width) {
            print "\\fB" styled "\\fR"
            plain = styled = "    "
        } else if (i > 1) {
            plain = plain " "
            styled = styled " "
        }
        plain = plain parameters[i] end
        styled = styled parameter(parameters[i]) end
    }
    print "\\fB" styled "\\fR"
}

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
