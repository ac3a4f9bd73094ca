# parse.awk: reads memmgr.h, and writes down what it says of itself, a record a line, fields between
# tabs. man.awk and html.awk make the manual page and the docs of it, and read nothing else.
#
#     version NUMBER        summary TEXT          copyright TEXT      room NAME LINE
#     topic TITLE LINE      a topic of the manual
#     group TITLE LINE      a group of functions
#     option NAME LINE TERM                       macro NAME LINE VALUE
#     function NAME LINE PROTOTYPE
#     type NAME LINE KIND DECLARATION             KIND: enum, struct, opaque, callback
#     item NAME LINE DECLARATION TEXT             of the type before it; NAME: of an enumerator
#     note                  what follows is said of the whole group
#     para TEXT             a paragraph of the record before it
#     term TERM TEXT        a row of a table         pre TEXT    a line to be shown as it is

BEGIN { OFS = "\t" }

function trim(text)
{
    sub(/^ +/, "", text)
    sub(/ +$/, "", text)
    return text
}

function joined(first, second) { return first == "" ? second : first " " second }

# --- Prose: paragraphs, tables, drawings. Fed line by line, without the slashes.

function end_block(    i, margin)
{
    if (block == "para") print "para", paragraph
    if (block == "table") {
        for (i = 1; i <= lefts; i++) show_row(left_term[i], left_text[i])
        for (i = 1; i <= rights; i++) show_row(right_term[i], right_text[i])
    }
    if (block == "pre") {
        margin = 1000
        for (i = 1; i <= pres; i++)
            if (pre[i] != "" && match(pre[i], /[^ ]/) && RSTART < margin) margin = RSTART
        while (pres > 0 && pre[pres] == "") pres--
        for (i = 1; i <= pres; i++) print "pre", substr(pre[i], margin)
    }
    block = ""
    lefts = rights = pres = 0
}

function show_row(term, text)
{
    if (room == "config") {
        name = term
        sub(/[^A-Za-z0-9_].*/, "", name)
        print "option", name, row_line[term], term
        print "para", text
    } else {
        print "term", term, text
    }
}

# Where the second of two columns begins: after two blanks, or where it began in the row before.
function second_column(text,    at)
{
    if (match(text, /[^ ]  +[^ ]/)) return RSTART + RLENGTH - 1
    return lefts > 0 && substr(text, column - 1, 1) == " " ? column : 0
}

function prose_row(text,    at, rest)
{
    at = second_column(text)
    if (at == 0) at = length(text) + 1
    column = at
    lefts++
    left_term[lefts] = trim(substr(text, 1, at - 1))
    row_line[left_term[lefts]] = FNR
    rest = substr(text, at)
    if (match(rest, /[^ ]  +[^ ]/)) {
        at = RSTART
        prose_right(substr(rest, at + 1))
        rest = substr(rest, 1, at)
    }
    left_text[lefts] = trim(rest)
}

function prose_right(text)
{
    text = trim(text)
    match(text, /  +/)
    rights++
    right_term[rights] = substr(text, 1, RSTART - 1)
    right_text[rights] = trim(substr(text, RSTART))
}

function prose(text,    indent)
{
    if (trim(text) == "") {
        if (block == "pre") pre[++pres] = ""
        else end_block()
        return
    }
    match(text, /[^ ]/)
    indent = RSTART - 1
    if (indent == 1) {
        if (block != "para") { end_block(); block = "para"; paragraph = "" }
        paragraph = joined(paragraph, trim(text))
    } else if (indent == 3 && block != "pre") {
        if (block != "table") { end_block(); block = "table" }
        prose_row(text)
    } else if (block == "table" && trim(text) ~ /[^ ]  +[^ ]/) {
        prose_right(text)
    } else if (block == "table") {
        left_text[lefts] = joined(left_text[lefts], trim(text))
    } else {
        if (block != "pre") { end_block(); block = "pre" }
        pre[++pres] = text
    }
}

# --- Declarations.

# The comment before a declaration, as its paragraph; a comment on its own is a note.
function contract(text) { if (text != "") print "para", text }

function end_comment()
{
    if (comment != "" && (room == "types" || room == "api")) {
        print "note"
        print "para", comment
    }
    comment = ""
}

function begin_group(text,    dot)
{
    dot = index(text, ".")
    print "group", substr(text, 1, dot - 1), FNR
    if (trim(substr(text, dot + 1)) != "") {
        print "note"
        print "para", trim(substr(text, dot + 1))
    }
}

function end_function(text,    name)
{
    sub(/^(MEMMGR_API|MEMMGR_GENERAL) /, "", text)
    name = text
    sub(/\(.*/, "", name)
    sub(/^.*[^A-Za-z0-9_]/, "", name)
    print "function", name, statement_line, text
    contract(comment)
    comment = ""
}

# What stands in braces: a line may hold a declaration, a comment, or both.
function add_item(line,    at, code, text)
{
    at = index(line, "//")
    code = at ? substr(line, 1, at - 1) : line
    text = at ? trim(substr(line, at + 2)) : ""
    code = trim(code)
    if (code != "") {
        items++
        item_code[items] = code
        item_line[items] = FNR
        item_text[items] = text
    } else if (items > 0) {
        item_text[items] = joined(item_text[items], text)
    }
}

function end_type(name, kind, text,    i, item)
{
    print "type", name, statement_line, kind, text
    contract(comment)
    for (i = 1; i <= items; i++) {
        item = ""
        if (kind == "enum") {
            item = item_code[i]
            sub(/[^A-Za-z0-9_].*/, "", item)
        }
        sub(/[,;]$/, "", item_code[i])
        print "item", item, item_line[i], item_code[i], item_text[i]
    }
    comment = ""
    items = 0
    in_braces = 0
}

function end_statement(text,    name)
{
    if (text ~ /^(MEMMGR_API|MEMMGR_GENERAL) /) { end_function(text); return }
    if (text !~ /^typedef /) { comment = ""; return }
    name = text
    if (text ~ /\(\*/) {
        sub(/^[^(]*\(\*/, "", name)
        sub(/\).*/, "", name)
        end_type(name, "callback", text)
    } else {
        sub(/;$/, "", name)
        sub(/^.* /, "", name)
        end_type(name, "opaque", text)
    }
}

function declaration(line,    name)
{
    if (in_braces && line ~ /^}/) {
        name = line
        sub(/^} */, "", name)
        sub(/;.*/, "", name)
        end_type(name, in_braces, "")
    } else if (in_braces) {
        add_item(line)
    } else if (statement == "" && line ~ /^(typedef )?(struct|enum) [{]$/) {
        in_braces = line ~ /enum/ ? "enum" : "struct"
        statement_line = FNR
    } else {
        if (statement == "") statement_line = FNR
        statement = joined(statement, trim(line))
        if (line ~ /;$/) { end_statement(statement); statement = "" }
    }
}

function macro(line,    name)
{
    if (comment != "") macro_comment = comment
    sub(/^#define /, "", line)
    name = line
    sub(/[^A-Za-z0-9_].*/, "", name)
    print "macro", name, FNR, trim(substr(line, length(name) + 1))
    contract(macro_comment)
    comment = ""
}

# --- The file, line by line.

FNR == 1 {
    text = $0
    sub(/^\/\/ [^ ]* /, "", text)
    summary = substr(text, index(text, ": ") + 2)
    sub(/\..*/, "", summary)
}

/^\/\/ >>/ {
    end_block()
    room = substr($0, 6)
    comment = ""
    print "room", room, FNR
    next
}

/^#define MEMMGR_VERSION "/ {
    text = $0
    gsub(/^[^"]*"|"$/, "", text)
    print "version", text
    print "summary", summary
}

room == "licence" && /^\/\/ Copyright/ { print "copyright", substr($0, 4) }

room == "manual" && /^\/\/ [A-Z][A-Z ]*$/ {
    end_block()
    print "topic", substr($0, 4), FNR
    next
}

room == "manual" && /^\/\// { prose(substr($0, 3)); next }

room == "manual" && /^#/ { end_block(); room = "version" }

room == "version" {
    if (/^\/\/ /) comment = joined(comment, trim(substr($0, 3)))
    else if (/^#define MEMMGR_VERSION/) macro($0)
    else comment = macro_comment = ""
}

room == "config" && /^\/\/ +[^ ]/ && !/clang-format/ { prose(substr($0, 3)); next }
room == "config" { end_block() }

# The functions' definitions without the switch follow.
room == "api" && /^#ifndef USE_MEMORY_MGR/ { end_comment(); room = "inlines" }

room == "types" || room == "api" {
    if (/^\/\/ --- /) { begin_group(substr($0, 8)); next }
    if (/^\/\/ /) { comment = joined(comment, trim(substr($0, 3))); next }
    if (/^#/) { comment = ""; next }
    if (!/^$/) { declaration($0); next }
    end_comment()
}
