# troff.awk: text as a manual page has it. man.awk and page.awk are read behind it.

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
