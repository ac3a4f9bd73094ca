# text.awk: LINES lines of words, some frequent and most rare.
function draw(limit) {
    state = state * 16807 % 2147483647
    return state % limit
}
BEGIN {
    state = 1
    for (i = 0; i < lines; i++) {
        text = i
        for (k = 0; k < 10; k++) text = text " word" draw(1 + draw(1 + draw(50000)))
        print text
    }
}
