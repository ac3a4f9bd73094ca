# page.awk: the page of one function, from the records of parse.awk: its contract, and what is said of
# its whole group. Behind troff.awk. -v name=FUNCTION -v date=YYYY-MM-DD

# What is said of a group at its beginning holds for all of it; further down, for the calls with a
# place.
$1 == "group" { group = $2; notes = places = began = 0 }
$1 == "note" { in_note = 1; if (began) places = 0 }
$1 == "para" && in_note && !began { note[++notes] = $2 }
$1 == "para" && in_note && began { place[++places] = $2 }
$1 == "function" { in_note = 0; began = 1; here = $2 == name }
$1 == "function" && here {
    declared = $4
    of_group = group
    if (name !~ /_at$/) places = 0
    for (i = 1; i <= places; i++) said[++count] = place[i]
    for (i = 1; i <= notes; i++) said[++count] = note[i]
}
$1 == "room" || $1 == "group" { here = 0 }
$1 == "para" && here && !in_note { contract[++paragraphs] = $2 }
$1 == "version" { version = $2 }
$1 == "copyright" { copyright = $2 }

# The first sentence, without its dot, and without clauses at its end that make it too long a line.
function summary(text, room)
{
    gsub(/`/, "", text)
    if (match(text, /[.;:] /)) text = substr(text, 1, RSTART - 1)
    sub(/\.$/, "", text)
    while (length(text) > room && sub(/,? *[,(][^,(]*$/, "", text)) continue
    while (length(text) > room) sub(/ [^ ]*$/, "", text)
    return escape(text)
}

function section(title, text, count,    i)
{
    if (count > 0) print ".SH " title
    for (i = 1; i <= count; i++) {
        if (i > 1) print ".PP"
        flow(text[i])
    }
}

END {
    if (paragraphs == 0) exit 1
    print ".\\\" Made from memmgr.h: to be changed there."
    print ".TH " toupper(name) " 3 " date " \"memmgr " version "\" \"Library Functions Manual\"\n.nh\n.ad l"
    print ".SH NAME\n" name " \\- " summary(contract[1], 76 - length(name))
    print ".SH SYNOPSIS\n.nf\n\\fB#include <memmgr.h>\\fR\n"
    prototype(declared)
    print ".fi"
    section("DESCRIPTION", contract, paragraphs)
    section("NOTES", said, count)
    print ".SH SEE ALSO\n.BR memmgr (3)"
    print ".SH COPYRIGHT\n" copyright ".\nMIT licence: its text stands at the end of memmgr.h."
}
