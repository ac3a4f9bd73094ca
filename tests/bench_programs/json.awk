# json.awk: RECORDS records of JSON, from the lines of a text.
NR > records { exit }
{
    printf "%s{\"id\":%d,\"name\":\"%s %s\",", NR == 1 ? "[" : ",\n", NR, $2, $3
    printf "\"tags\":[\"%s\",\"%s\",\"%s\"],", $4, $5, $6
    printf "\"at\":{\"x\":%d,\"y\":%d}}", NR % 97, NR * 31 % 101
}
END { print "]" }
