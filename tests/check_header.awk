# check_header.awk: the laws that memmgr.h keeps, as far as its text can tell.
#
#   - a room begins with a line "// >>name", each name once
#   - a room calls only itself and the rooms above it
#   - no forward declarations of functions
#   - a private function carries its room's name, where the room is one that owns a noun
#   - no function is longer than 50 lines, no line than 100 columns
#   - ASCII, no tabs, no trailing blanks
#   - every private macro is undefined at the end
#
# Prints each breach; the last line is "N breaches".

BEGIN {
    room = "top"
    # Rooms whose private functions are named after them: mmi_<noun>_ or mmi_<noun>.
    nouns["tool"] = "tool"
    nouns["report"] = "report caller"
    nouns["site"] = "site"
    nouns["fault"] = "fault"
    nouns["record"] = "record"
    nouns["trace"] = "trace"
    nouns["watch"] = "watch"
    nouns["map"] = "map block"
    nouns["pool"] = "pool block"
    nouns["class"] = "class"
    nouns["slab"] = "slab"
    nouns["arena"] = "arena"
    nouns["large"] = "large"
    nouns["single"] = "heap"
    nouns["heap"] = "heap"
    nouns["stats"] = "stats walk"
    nouns["draw"] = "draw text svg"
    nouns["libc"] = "libc"
    nouns["override"] = "override"
}

function breach(line, text)
{
    printf "%s:%d: %s\n", FILENAME, line, text
    breaches++
}

# The line without comments and without the contents of strings.
function code_of(line,    out, at, c, quote)
{
    out = ""
    quote = ""
    for (at = 1; at <= length(line); at++) {
        c = substr(line, at, 1)
        if (in_comment) {
            if (substr(line, at, 2) == "*/") { in_comment = 0; at++ }
        } else if (quote != "") {
            if (c == "\\") at++
            else if (c == quote) { quote = ""; out = out c }
        } else if (substr(line, at, 2) == "//") {
            break
        } else if (substr(line, at, 2) == "/*") {
            in_comment = 1
            at++
        } else {
            if (c == "\"" || c == "'") quote = c
            out = out c
        }
    }
    return out
}

# Remembers each name followed by "(" in the code as a call made in this room.
function note_calls(code, line,    name)
{
    while (match(code, /(mmi|memmgr)_[a-z0-9_]+[ ]*\(/)) {
        name = substr(code, RSTART, RLENGTH)
        sub(/[ ]*\($/, "", name)
        if (RSTART == 1 || substr(code, RSTART - 1, 1) !~ /[A-Za-z0-9_]/) {
            call_count++
            call_name[call_count] = name
            call_room[call_count] = room_number
            call_line[call_count] = line
        }
        code = substr(code, RSTART + RLENGTH)
    }
}

function note_definition(name, line,    parts, count, i, fits)
{
    if (!(name in defined_in) || room_number < defined_in[name]) defined_in[name] = room_number
    if (name !~ /^mmi_/ || !(room in nouns)) return
    count = split(nouns[room], parts, " ")
    fits = 0
    for (i = 1; i <= count; i++) {
        if (index(name, "mmi_" parts[i] "_") == 1 || name == "mmi_" parts[i]) fits = 1
    }
    if (!fits) breach(line, name " stands in room " room ", whose name it does not carry")
}

{
    if (length($0) > 100) breach(NR, "longer than 100 columns: " length($0))
    if ($0 ~ /[^ -~]/) breach(NR, "a tab or a character that is not ASCII")
    if ($0 ~ / $/) breach(NR, "blanks at the end")
}

/^\/\/ >>/ {
    room = substr($0, 6)
    if (room !~ /^[a-z]+$/) breach(NR, "a room's line is // >>name, no more: " room)
    if (room in room_seen) breach(NR, "room " room " for the second time")
    room_seen[room] = ++room_number
}

{
    code = code_of($0)
    if (code ~ /^[ ]*#[ ]*define[ ]+MMI_/) {
        name = code
        sub(/^[ ]*#[ ]*define[ ]+/, "", name)
        sub(/[^A-Za-z0-9_].*$/, "", name)
        macro[name] = NR
        undefined[name] = 0
    }
    if (code ~ /^[ ]*#[ ]*undef[ ]+MMI_/) {
        name = code
        sub(/^[ ]*#[ ]*undef[ ]+/, "", name)
        sub(/[^A-Za-z0-9_].*$/, "", name)
        undefined[name] = 1
    }

    # A signature begins at the left margin and goes on to "{" (a definition) or ";".
    starts = code ~ /^[A-Za-z_].*[^A-Za-z0-9_](mmi|memmgr)_[a-z0-9_]+\(/
    if (starts && !in_body && signature == "" && code !~ /^(typedef|extern)/ && code !~ /=/) {
        signature = code
        signature_line = NR
    } else if (signature != "" && code !~ /^[ ]*#/) {
        signature = signature " " code
    } else if (in_body) {
        note_calls(code, NR)
    } else if (code ~ /^[ ]*#[ ]*define|\\$/) {
        note_calls(code, NR)
    }
    if (signature != "") {
        if (signature ~ /\{/) {
            name = signature
            sub(/\{.*/, "", name)
            match(name, /(mmi|memmgr)_[a-z0-9_]+\(/)
            name = substr(name, RSTART, RLENGTH - 1)
            function_count++
            note_definition(name, signature_line)
            body_name = name
            in_body = 1
            code_after = signature
            sub(/^[^{]*\{/, "", code_after)
            note_calls(code_after, NR)
            if (code_after ~ /\}[ ]*$/) in_body = 0
            signature = ""
        } else if (signature ~ /;[ ]*$/) {
            if (signature ~ /^(static|inline|MMI_)/ && signature !~ /=/) {
                breach(signature_line, "a forward declaration")
            }
            signature = ""
        }
    }
    if (in_body && $0 ~ /^\}/) {
        in_body = 0
        if (NR - signature_line + 1 > 50) {
            breach(signature_line, body_name " has " NR - signature_line + 1 " lines")
        }
        if (NR - signature_line + 1 > longest) longest = NR - signature_line + 1
    }
}

END {
    for (i = 1; i <= call_count; i++) {
        name = call_name[i]
        if (!(name in defined_in)) continue
        if (defined_in[name] > call_room[i]) breach(call_line[i], name " is called above its room")
    }
    for (name in undefined) {
        if (!undefined[name]) breach(macro[name], name " is still defined at the end")
    }
    printf "%d rooms, %d functions, the longest of %d lines\n", room_number, function_count, longest
    printf "%d breaches\n", breaches
    exit (breaches > 0)
}
