# html.awk: one page from the records of parse.awk, which are read twice: records records. It stands
# in the folder with the lists that docs.sh makes: pictures (file, caption), examples (file, purpose).

BEGIN { FS = "\t" }

function escape(text)
{
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    return text
}

function anchor(text)
{
    text = tolower(text)
    gsub(/[^a-z0-9_]+/, "-", text)
    return text
}

function source(line, text) { return "<a class=\"line\" href=\"source/memmgr.h.html#L" line "\">" text "</a>" }

# A declaration: its own name is bold, others that are known are linked.
function linked(text, own,    out, word)
{
    out = ""
    text = escape(text)
    while (match(text, /(memmgr|MEMMGR)_[A-Za-z0-9_]+/)) {
        word = substr(text, RSTART, RLENGTH)
        out = out substr(text, 1, RSTART - 1)
        if (word == own) out = out "<strong>" word "</strong>"
        else out = out (word in known ? "<a href=\"#" word "\">" word "</a>" : word)
        text = substr(text, RSTART + RLENGTH)
    }
    return out text
}

# Prose, in which `what stands between these` is code, too, and "A TOPIC" is linked.
function marked(text, own,    out, word, name, rest, code)
{
    out = ""
    text = escape(text)
    while (match(text, /`|"[A-Z][A-Z ]+"|(-D)?(memmgr|MEMMGR|USE_MEMORY)_[A-Za-z0-9_]+/)) {
        word = name = substr(text, RSTART, RLENGTH)
        sub(/^-D/, "", name)
        out = out substr(text, 1, RSTART - 1)
        rest = substr(text, RSTART + RLENGTH)
        if (word == "`") {
            code = !code
            out = out (code ? "<code>" : "</code>")
        } else if (word ~ /^"/) {
            word = substr(word, 2, length(word) - 2)
            out = out "\"" (word in topics ? "<a href=\"#" anchor(word) "\">" word "</a>" : word) "\""
        } else if (name in known && name != own) {
            out = out "<a href=\"#" name "\"><code>" word "</code></a>"
        } else {
            out = out "<code>" word "</code>"
        }
        text = rest
    }
    return out text
}

function titled(text) { return toupper(substr(text, 1, 1)) tolower(substr(text, 2)) }

function close_list() { if (list != "") print "</" list ">"; list = "" }
function open_list(kind, class)
{
    if (list == kind) return
    close_list()
    print "<" kind (class == "" ? "" : " class=\"" class "\"") ">"
    list = kind
}
function close_entry() { close_list(); if (in_entry) print "</section>"; in_entry = 0 }
function open_entry(id, class)
{
    close_entry()
    print "<section class=\"" class "\"" (id == "" ? "" : " id=\"" id "\"") ">"
    in_entry = 1
}
function close_part() { close_entry(); if (in_part) print "</section>"; in_part = 0 }
function open_part(id, title)
{
    close_part()
    print "<section id=\"" id "\">\n<h2>" title "</h2>"
    in_part = 1
}

# Prints a file as it is.
function include(file,    row)
{
    while ((getline row < file) > 0) print row
    close(file)
}

# The next picture of a heap; 0: there is none.
function picture(    row, fields)
{
    if ((getline row < "pictures") <= 0) return 0
    split(row, fields, "\t")
    print "<figure>"
    include(fields[1])
    print "<figcaption>" marked(fields[2]) "</figcaption>\n</figure>"
    return 1
}

# The first stands at the top, the others behind the manual.
function pictures()
{
    open_part("pictures", "Heaps, as the library draws them")
    print "<div class=\"pictures\">"
    while (picture()) continue
    print "</div>"
    close_part()
}

function examples(    row, fields)
{
    open_part("examples", "Examples")
    open_list("dl", "wide")
    while ((getline row < "examples") > 0) {
        split(row, fields, "\t")
        print "<dt><a href=\"source/" fields[1] ".html\"><code>" fields[1] "</code></a></dt>"
        print "<dd>" marked(fields[2]) "</dd>"
    }
    close("examples")
    close_part()
}

function menu(    i)
{
    print "<nav aria-label=\"Contents\">\n<ul>"
    for (i = 1; i <= topic_count; i++) {
        if (i == 1) print "<li><a href=\"#manual\">Manual</a>\n<ul>"
        print "<li><a href=\"#" anchor(topic_name[i]) "\">" titled(topic_name[i]) "</a></li>"
    }
    print "</ul></li>\n<li><a href=\"#pictures\">Pictures</a></li>\n<li><a href=\"#options\">Options</a></li>"
    print "<li><a href=\"#types\">Types</a>\n<ul class=\"names\">"
    for (i = 1; i <= type_count; i++)
        print "<li><a href=\"#" type_name[i] "\">" substr(type_name[i], 8) "</a></li>"
    print "</ul></li>\n<li><a href=\"#functions\">Functions</a>\n<ul class=\"names\">" functions
    print "</ul></li>\n<li><a href=\"#examples\">Examples</a></li>"
    print "<li><a href=\"#rooms\">Rooms</a></li>\n</ul>\n</nav>"
}

# --- The first time: all names, for links and the menu.

NR == FNR && $1 == "version" { version = $2 }
NR == FNR && $1 == "summary" { summary = $2 }
NR == FNR && $1 == "copyright" { copyright = $2 }
NR == FNR && $1 == "room" { room_line[$2] = $3; room_name[++room_count] = $2 }
NR == FNR && $1 == "term" { room_text[$2] = $3 }
NR == FNR && $1 == "topic" { topics[$2] = 1; topic_name[++topic_count] = $2 }
NR == FNR && $2 != "" && $1 ~ /^(function|type|item|option|macro)$/ { known[$2] = 1 }
NR == FNR && $1 == "type" && $2 != "" { type_name[++type_count] = $2 }
NR == FNR && $1 == "group" {
    functions = functions "</ul></li>\n<li><a href=\"#" anchor($2) "\">" $2 "</a>\n<ul class=\"names\">"
}
NR == FNR && $1 == "group" { group = $2 }
NR == FNR && $1 == "function" {
    index_of[group] = index_of[group] "<a href=\"#" $2 "\">" substr($2, 8) "</a> "
    functions = functions "<li><a href=\"#" $2 "\">" substr($2, 8) "</a></li>\n"
}
NR == FNR { next }

FNR == 1 {
    print "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">"
    print "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
    print "<title>memmgr.h " version "</title>\n<style>"
    include(style)
    print "</style>\n</head>\n<body>"
    print "<header>\n<h1>memmgr.h <small>" version "</small></h1>"
    print "<p class=\"lead\">" titled(substr(summary, 1, 1)) substr(summary, 2) ".</p>\n</header>"
    menu()
    print "<main>"
    picture()
    open_part("manual", "Manual")
}

{ if ($1 != "pre" && in_pre) { print "</pre>"; in_pre = 0 } }
{ if ($1 != "term" && $1 != "option" && $1 != "macro" && $1 != "item" && !told) close_list() }
$1 == "topic" {
    open_entry(anchor($2), "topic")
    print "<h3>" titled($2) "</h3>"
}
$1 == "macro" && !versions++ {
    close_part()
    pictures()
    open_part("options", "Options and version")
}
$1 == "room" && $2 == "config" { close_list() }
$1 == "room" && $2 == "types" { open_part("types", "Types") }
$1 == "room" && $2 == "api" { open_part("functions", "Functions") }
$1 == "room" && $2 == "platform" { close_part() }

$1 == "para" && told { print "<dd>" marked($2, told) "</dd>"; told = ""; next }
$1 == "para" { print "<p>" marked($2, own) "</p>" }
$1 == "pre" {
    if (!in_pre) print "<pre>"
    in_pre = 1
    print escape($2)
}
$1 == "term" {
    open_list("dl", "wide")
    print "<dt><code>" ($2 in room_line ? source(room_line[$2], $2) : linked($2)) "</code></dt>"
    print "<dd>" marked($3) "</dd>"
}
$1 == "option" || $1 == "macro" {
    open_list("dl", "")
    print "<dt id=\"" $2 "\"><code>" escape($4 == "" || $1 == "macro" ? $2 " " $4 : $4) "</code>"
    print source($3, "line " $3) "</dt>"
    told = $2
}
$1 == "group" {
    close_entry()
    print "<h3 id=\"" anchor($2) "\">" $2 "</h3>\n<p class=\"index\">" index_of[$2] "</p>"
    own = ""
}
$1 == "note" { close_entry(); own = "" }
$1 == "function" {
    open_entry($2, "entry")
    print "<h4><code>" linked($4, $2) "</code> " source($3, "line " $3) "</h4>"
    own = $2
}
$1 == "type" {
    open_entry($2, "entry")
    print "<h4><code>" ($2 == "" ? "enum" : $4 == "opaque" || $4 == "callback" ? linked($5, $2) : \
        $4 " " $2) "</code> " source($3, "line " $3) "</h4>"
    own = $2
}
$1 == "item" {
    open_list("dl", "")
    print "<dt" ($2 == "" ? "" : " id=\"" $2 "\"") "><code>" linked($4, $2) "</code></dt>"
    print "<dd>" marked($5, $2) "</dd>"
}

END {
    close_part()
    examples()
    open_part("rooms", "Rooms of the file")
    print "<p>The file reads downwards: a room calls only itself and the rooms above it.</p>"
    open_list("dl", "wide")
    for (i = 1; i <= room_count; i++) {
        print "<dt><code>" source(room_line[room_name[i]], room_name[i]) "</code></dt>"
        print "<dd>" marked(room_text[room_name[i]]) " (line " room_line[room_name[i]] ")</dd>"
    }
    close_part()
    print "<footer><p>" escape(copyright) ". MIT licence: " source(room_line["licence"], "its text") \
        ".</p></footer>"
    print "</main>\n</body>\n</html>"
}
