#!/bin/sh
# bench_chart.sh DATA SVG: draws what bench_general.sh measured: time and memory with every
# allocator, relative to glibc, as geometric means of all programs (bars) and program by program
# (dots). DATA is general.tsv. It needs gnuplot.
set -eu
data=$1 svg=$2
work=$svg.$$
trap 'rm -rf "$work"' EXIT
mkdir "$work"

# Writes what the drawing needs to know, and the figures: for the bars "allocator time memory", for
# the dots "allocator row time memory". memmgr, or what stands for it, comes first.
awk -F'\t' -v base="${BENCH_BASE:-memmgr}" -v work="$work" '
NR == 1 { next }
!($2 in rows) { rows[$2] = ++row_count; programs[row_count] = $2; kinds[row_count] = $1 }
!($3 in known) {
    known[$3] = 1
    if ($3 != base && $3 != "glibc") others[++other_count] = $3
}
$4 != "-" { time[$2, $3] = $4; memory[$2, $3] = $5 }
# gnuplot would lower the letter after an underscore.
function shown(name, instead) { gsub(/_/, instead, name); return name }
function clip(x) { return x < 0.21 ? 0.21 : x > 4.8 ? 4.8 : x }
function add(name,    p, t, m, program, time_sum, memory_sum, counted) {
    count++
    names = names " " shown(name, "-")
    bar_tics = bar_tics sprintf("%s\"%s\" %d", count > 1 ? ", " : "", shown(name, "-"), -count)
    for (p = 1; p <= row_count; p++) {
        program = programs[p]
        if (!((program, name) in time) || !((program, "glibc") in time)) continue
        t = time[program, name] / time[program, "glibc"]
        m = memory[program, name] / memory[program, "glibc"]
        time_sum += log(t); memory_sum += log(m); counted++
        if (name != "glibc") print count, -place[p], clip(t), clip(m) >(work "/dots")
    }
    if (!counted) return
    time_sum = exp(time_sum / counted); memory_sum = exp(memory_sum / counted)
    print count, time_sum, memory_sum >(work "/bars")
    if (time_sum > most) most = time_sum
    if (memory_sum > most) most = memory_sum
}
END {
    shift = 0
    for (p = 1; p <= row_count; p++) {
        if (p > 1 && kinds[p] != kinds[p - 1]) shift = 0.7 # a gap between patterns and programs
        place[p] = p + shift
        row_tics = row_tics sprintf("%s\"%s\" %g", p > 1 ? ", " : "", shown(programs[p], " "),
            -place[p])
        row_places = row_places sprintf("%s\"\" %g", p > 1 ? ", " : "", -place[p])
    }
    if (base in known && base != "glibc") add(base)
    else base = "nothing"
    add("glibc")
    for (i = 1; i <= other_count; i++) add(others[i])
    print "names = \"" substr(names, 2) "\""
    print "count = " count
    print "programs = " row_count
    print "lowest = " place[row_count]
    print "most = " most
    print "emphasised = " (base == "nothing" ? 0 : 1)
    print "plain = " (base == "nothing" ? 1 : 2)
    print "set macros"
    print "bar_tics = \x27(" bar_tics ")\x27"
    print "row_places = \x27(" row_places ")\x27"
    print "row_tics = \x27(" row_tics ")\x27"
}' "$data" >"$work/names"

cat >"$work/draw" <<'END'
load work . "/names"
bar_height = 17 * count
dot_height = 15 * (lowest + 1)
height = 92 + bar_height + 84 + dot_height + 34
from_top(y) = 1 - y / real(height)
set terminal svg size 800, height background "#ffffff" font "Arial,12"
set output svg

# The colours of Okabe and Ito; shapes differ as well.
hues = "#0072B2 #8C8C8C #E69F00 #D55E00 #009E73 #56B4E9 #CC79A7 #333333 #A6761D #7570B3"
shapes = "7 7 9 5 13 11 15 3 2 1"
index_of(i) = emphasised ? i : i + 1
hue(i) = word(hues, (index_of(i) - 1) % 10 + 1)
shape(i) = int(word(shapes, (index_of(i) - 1) % 10 + 1))
mark_size(i) = i == emphasised ? 0.95 : 0.55
figure(x) = sprintf("%.2f", x)
strong(i, text) = i == emphasised ? "{/:Bold " . text . "}" : text
panel_left(k) = k == 0 ? 0.125 : 0.57
panel_right(k) = k == 0 ? 0.54 : 0.985
panel_title(k) = k == 0 ? "{/:Bold Time}" : "{/:Bold Peak memory}"

unset key
set border 0
set tics scale 0
set multiplot

set label 1 "{/:Bold Programs on malloc, one allocator after another in place of glibc’s}" \
    at screen 0.016, screen from_top(22) font ",15" textcolor "#111111"
set label 2 sprintf("Geometric means of %d programs; glibc = 1, shorter is better", programs) \
    at screen 0.016, screen from_top(44) textcolor "#444444"
set tmargin at screen from_top(88)
set bmargin at screen from_top(88 + bar_height)
set yrange [-count - 0.5 : -0.5]
set ytics @bar_tics
set xrange [0 : most * 1.13]
unset xtics
set style fill solid 1.0
set arrow 1 from 1, graph 0 to 1, graph 1 nohead linecolor "#bbbbbb" dashtype 2 back
half = 0.36

do for [k = 0 : 1] {
    set lmargin at screen panel_left(k)
    set rmargin at screen panel_right(k)
    set label 3 panel_title(k) at graph 0, screen from_top(76) font ",13" textcolor "#111111"
    if (k == 1) { unset ytics }
    plot for [i = 1 : count] work . "/bars" \
             using (0):($1 == i ? -$1 : NaN):(0):(column(2 + k)):(-$1 - half):(-$1 + half) \
             with boxxyerror linecolor rgb hue(i) linewidth 0, \
         for [i = 1 : count] work . "/bars" \
             using (column(2 + k)):($1 == i ? -$1 : NaN):(strong(i, figure(column(2 + k)))) \
             with labels left offset 0.6, 0 textcolor "#222222"
    unset label 1
    unset label 2
}

dot_top = 88 + bar_height + 76
set label 1 "Program by program, on a logarithmic scale; further left is better. " . \
    "Beyond 5 or under ⅕ stands at the edge." \
    at screen 0.016, screen from_top(dot_top - 48) textcolor "#444444"
set tmargin at screen from_top(dot_top)
set bmargin at screen from_top(dot_top + dot_height)
set yrange [-lowest - 0.6 : -0.4]
set ytics @row_tics scale 0 font ",11"
set logscale x 2
set xrange [0.2 : 5]
set xtics ("¼" 0.25, "½" 0.5, "1" 1, "2" 2, "4" 4) scale 0
set grid ytics linecolor "#eeeeee" linetype 1
set arrow 1 from 1, graph 0 to 1, graph 1 nohead linecolor "#8C8C8C" linewidth 1.5 back
do for [x in "0.25 0.5 2 4"] {
    set arrow from real(x), graph 0 to real(x), graph 1 nohead linecolor "#e4e4e4" back
}
unset label 3

do for [k = 0 : 1] {
    set lmargin at screen panel_left(k)
    set rmargin at screen panel_right(k)
    # The legend: a mark and a name each, above the dots.
    if (k == 0) {
        at = 0.0
        do for [i = 1 : count] {
            if (i != plain) {
                set label 10 + i strong(i, word(names, i)) \
                    at screen 0.023 + at * 0.122, \
                    screen from_top(dot_top - 26) \
                    point linetype 1 linecolor rgb hue(i) pointtype shape(i) \
                    pointsize mark_size(i) offset 0.9, -0.3 textcolor "#222222"
                at = at + 1
            }
        }
    } else {
        set ytics @row_places scale 0
    }
    set label 3 panel_title(k) at graph 0, screen from_top(dot_top - 6) textcolor "#111111"
    plot for [n = count : 1 : -1] work . "/dots" \
        using ($1 == n ? column(3 + k) : NaN):2 with points pointtype shape(n) \
        linecolor rgb hue(n) pointsize mark_size(n)
    unset label
}
unset multiplot
END
gnuplot -e "work='$work'; svg='$svg'" "$work/draw"
