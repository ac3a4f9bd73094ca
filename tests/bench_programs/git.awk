# git.awk: a stream for git fast-import: COMMITS commits, each of which changes some of 40 files.
function draw(limit) {
    state = state * 16807 % 2147483647
    return state % limit
}
function line(    i, text) {
    text = "    "
    for (i = 0; i < 8; i++) text = text "word" draw(2000) " "
    return text
}
function file(name,    i, text) {
    for (i = 0; i < 250; i++) text = text lines[name, i] "\n"
    printf "M 100644 inline src/part%d.txt\ndata %d\n%s\n", name, length(text), text
}
BEGIN {
    state = 1
    for (name = 0; name < 40; name++)
        for (i = 0; i < 250; i++) lines[name, i] = line()
    for (commit = 1; commit <= commits; commit++) {
        print "commit refs/heads/main\ncommitter Anna Example <anna@example.org> " \
            1700000000 + commit * 3600 " +0000"
        message = "Change number " commit "\n"
        printf "data %d\n%s\n", length(message), message
        if (commit == 1) {
            for (name = 0; name < 40; name++) file(name)
        } else {
            for (k = 0; k < 4; k++) {
                name = k < 2 ? k : draw(40)
                for (i = 0; i < 6; i++) lines[name, draw(250)] = line()
                file(name)
            }
        }
        print ""
    }
}
