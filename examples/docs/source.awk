# source.awk: a page that shows a file with numbered lines, each of which can be linked to: #L12.
# -v name=FILE

function escape(text)
{
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    gsub(/>/, "\\&gt;", text)
    return text
}

BEGIN {
    print "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">"
    print "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
    print "<title>" name "</title>\n<style>"
    print ":root { color-scheme: light dark; --back: #fff; --text: #1c1e21; --faint: #6a7078;"
    print "    --mark: #fff3bf; }"
    print "@media (prefers-color-scheme: dark) { :root { --back: #16181b; --text: #dfe2e6;"
    print "    --faint: #8b929b; --mark: #4a4010; } }"
    print "body { margin: 1em; background: var(--back); color: var(--text); }"
    print "pre { font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; margin: 0; }"
    print "a { color: var(--faint); text-decoration: none; display: inline-block; width: 4em;"
    print "    text-align: right; margin-right: 1.5em; user-select: none; }"
    print "span:target { background: var(--mark); }"
    print "p { font-family: system-ui, sans-serif; } p a { width: auto; text-decoration: underline; }"
    print "</style>\n</head>\n<body>\n<p><a href=\"../index.html\">memmgr.h</a> " name "</p>\n<pre>"
}

{ print "<span id=\"L" FNR "\"><a href=\"#L" FNR "\">" FNR "</a>" escape($0) "</span>" }

END { print "</pre>\n</body>\n</html>" }
