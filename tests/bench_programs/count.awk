# count.awk: counts the words of a text and the pairs of them.
{
    for (i = 2; i <= NF; i++) {
        count[$i]++
        if (i < 5) pair[$i " " $(i + 1)] = pair[$i " " $(i + 1)] "."
        gsub(/word/, "", $i)
        sum += length($i)
    }
}
END {
    for (word in count) words++
    for (key in pair) if (length(pair[key]) > 1) pairs++
    print words, pairs, sum
}
