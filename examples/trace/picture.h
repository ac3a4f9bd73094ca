// picture.h: memory over time, as text, as SVG and as numbers for other tools.
#ifndef PICTURE_H
#define PICTURE_H

#include "memmgr.h"
#include "trace.h"

// --- Numbers as text. --------------------------------------------------------------------------

typedef struct {
    char text[32];
} Short;

static Short scaled(double value, double step, const char *const *units, int last) {
    Short result;
    int unit = 0;
    for (; unit < last && value >= step * 0.9995; unit++)
        value /= step;
    bool whole = value >= 100 || value == (double)(int)value;
    snprintf(result.text, sizeof result.text, "%.*f %s", whole ? 0 : 1, value, units[unit]);
    return result;
}

static const char *const byte_units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
static const char *const time_units[] = {"ns", "us", "ms", "s"};

static Short bytes_text(uint64_t bytes) { return scaled((double)bytes, 1024, byte_units, 5); }

static Short time_text(double nanoseconds) { return scaled(nanoseconds, 1000, time_units, 3); }

static Short count_text(uint64_t count, const char *noun) {
    Short result;
    snprintf(result.text, sizeof result.text, "%llu %s%s", (unsigned long long)count, noun,
             count == 1 ? "" : "s");
    return result;
}

// --- Memory over time. -------------------------------------------------------------------------

enum { OTHERS = TOP, LAYERS };

// An equal share of the trace's time: what was live at the moment when most was.
//   total == the sum of the layers
typedef struct {
    uint64_t total;
    uint64_t layers[LAYERS]; // by rank of site, and all other sites
} Column;

static size_t column_at(const Trace *trace, uint64_t time, size_t columns) {
    size_t column = (size_t)((double)time / ((double)trace->time + 1) * (double)columns);
    return column < columns ? column : columns - 1;
}

static uint8_t layer_of(const Ranking *ranking, uint32_t site) {
    for (int i = 0; i < ranking->count; i++)
        if (ranking->sites[i] == site) return (uint8_t)i;
    return OTHERS;
}

static void fill_columns(const Trace *trace, const Ranking *ranking, Column *columns,
                         size_t count) {
    uint8_t *layers = pages(trace->block_count); // of the blocks
    Column live = {0};
    size_t column = 0;
    columns[0] = live;
    for (size_t i = 0; i < trace->op_count; i++) {
        const Op *op = &trace->ops[i];
        if (op->kind == OP_TRY) continue;
        for (size_t to = column_at(trace, trace->moments[i].time, count); column < to;)
            columns[++column] = live;
        live.layers[layers[op->block]] -= op->old;
        layers[op->block] = layer_of(ranking, trace->moments[i].site);
        live.layers[layers[op->block]] += op->size;
        live.total += op->size - op->old;
        if (live.total > columns[column].total) columns[column] = live;
    }
    while (++column < count)
        columns[column] = live;
    munmap(layers, trace->block_count + (trace->block_count == 0));
}

// --- As text.

enum { TEXT_COLUMNS = 68, TEXT_ROWS = 16, TEXT_LEFT = 11, TEXT_QUARTER = TEXT_COLUMNS / 4 };

static bool wants_colour(void) {
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    if (no_colour && *no_colour) return false;
    return isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

static void print_peak(const Trace *trace, bool colour) {
    char text[96];
    int column = (int)column_at(trace, trace->peak_time, TEXT_COLUMNS);
    int length = snprintf(text, sizeof text, "peak %s after %s", bytes_text(trace->peak_bytes).text,
                          time_text((double)trace->peak_time).text);
    bool before = column + 2 + length > TEXT_COLUMNS;
    printf("\n%*s%s", TEXT_LEFT + column - (before ? length + 1 : 0), "", colour ? "\033[31m" : "");
    printf(before ? "%s v" : "v %s", text);
    puts(colour ? "\033[0m" : "");
}

// A row is `row - 1` to `row` sixteenths of the peak.
static void print_bars(const Column *columns, double peak, int row, bool colour) {
    char cells[TEXT_COLUMNS + 1];
    int length = 0;
    for (int i = 0; i < TEXT_COLUMNS; i++) {
        double filled = (double)columns[i].total / peak * TEXT_ROWS - (row - 1);
        bool some = row == 1 ? columns[i].total > 0 : filled > 0.05;
        cells[i] = filled > 0.95 ? '#' : filled >= 0.5 ? ':' : some ? '.' : ' ';
        if (cells[i] != ' ') length = i + 1;
    }
    printf("%s%.*s%s\n", colour ? "\033[34m" : "", length, cells, colour ? "\033[0m" : "");
}

static void print_time_axis(const Trace *trace) {
    char labels[TEXT_LEFT + TEXT_COLUMNS + 1];
    memset(labels, ' ', sizeof labels);
    printf("%9s +", "0 B");
    for (int i = 1; i <= TEXT_COLUMNS; i++)
        putchar(i % TEXT_QUARTER == 0 ? '+' : '-');
    for (int i = 0; i <= 4; i++) {
        Short label = time_text((double)trace->time * i / 4);
        int length = (int)strlen(label.text), at = TEXT_LEFT - 1 + i * TEXT_QUARTER;
        memcpy(labels + (i < 4 ? at : at + 1 - length), label.text, (size_t)length);
    }
    printf("\n%.*s\n", TEXT_LEFT + TEXT_COLUMNS, labels);
}

static void print_picture(const Trace *trace) {
    Column columns[TEXT_COLUMNS];
    Ranking none = {.count = 0};
    bool colour = wants_colour();
    if (trace->peak_bytes == 0) return;
    fill_columns(trace, &none, columns, TEXT_COLUMNS);
    print_peak(trace, colour);
    for (int row = TEXT_ROWS; row >= 1; row--) {
        bool labelled = row % 4 == 0;
        uint64_t level = (uint64_t)((double)trace->peak_bytes * row / TEXT_ROWS);
        printf("%9s %c", labelled ? bytes_text(level).text : "", labelled ? '+' : '|');
        print_bars(columns, (double)trace->peak_bytes, row, colour);
    }
    print_time_axis(trace);
    printf("%*slive bytes; one column is the most in %s\n", TEXT_LEFT, "",
           time_text((double)trace->time / TEXT_COLUMNS).text);
}

// --- As SVG.

enum {
    SVG_WIDTH = 800,
    SVG_LEFT = 110, // of the plot
    SVG_RIGHT = 780,
    SVG_TOP = 84,
    SVG_PEAK = 122, // where the peak is drawn: above it stands its label
    SVG_BOTTOM = 420,
    SVG_COLUMNS = SVG_RIGHT - SVG_LEFT,
    SVG_LEGEND = 492, // first line of the legend
    SVG_LINE = 30,
    SVG_NAME = 46 // letters of a site's name
};

// Okabe and Ito's, which everyone can tell apart; others are grey, and vermilion marks the peak.
static const char *const layer_colours[LAYERS] = {"#0072B2", "#E69F00", "#009E73",
                                                  "#CC79A7", "#56B4E9", "#AAAAAA"};

typedef struct {
    memmgr_writer write;
    void *ctx;
} Sink;

__attribute__((format(printf, 2, 3))) static void put(const Sink *sink, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0)
        sink->write(text, (size_t)length < sizeof text ? (size_t)length : 511, sink->ctx);
}

static void put_escaped(const Sink *sink, const char *text) {
    for (; *text; text++)
        if (*text == '<' || *text == '>' || *text == '&')
            put(sink, "&#%d;", *text);
        else
            put(sink, "%c", *text >= ' ' && *text <= '~' ? *text : '?');
}

static void put_text(const Sink *sink, double x, double y, const char *anchor, const char *text) {
    put(sink, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    put_escaped(sink, text);
    put(sink, "</text>\n");
}

static void put_line(const Sink *sink, double x1, double y1, double x2, double y2,
                     const char *colour) {
    put(sink, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\"/>\n", x1, y1, x2, y2, colour);
}

static double svg_x(const Trace *trace, double time) {
    return SVG_LEFT + (trace->time ? time / (double)trace->time * SVG_COLUMNS : 0);
}

static double svg_y(const Trace *trace, double bytes) {
    return SVG_BOTTOM -
           bytes / (double)(trace->peak_bytes + (trace->peak_bytes == 0)) * (SVG_BOTTOM - SVG_PEAK);
}

// 1, 2 or 5 times a power of ten, so that there are at most `count` steps.
static double tick_step(double most, int count) {
    double step = 1;
    for (int i = 0; most / step > count; i++)
        step *= i % 3 == 1 ? 2.5 : 2;
    for (int i = 0; most > 0 && most / step * 2.5 <= count; i++)
        step /= i % 3 == 1 ? 2.5 : 2;
    return step;
}

static void put_ticks_of_bytes(const Sink *sink, const Trace *trace) {
    double unit = 1, most = (double)trace->peak_bytes;
    int name = 0;
    char label[48];
    for (; most / unit >= 1024 && name < 5; name++)
        unit *= 1024;
    double step = tick_step(most / unit, 6);
    for (int i = 0; i * step <= most / unit; i++) {
        double y = svg_y(trace, i * step * unit);
        put_line(sink, SVG_LEFT - 6, y, SVG_RIGHT, y, i ? "#DDDDDD" : "#333333");
        snprintf(label, sizeof label, i ? "%g %s" : "0", i * step, byte_units[name]);
        put_text(sink, SVG_LEFT - 12, y + 6, "end", label);
    }
}

static void put_ticks_of_time(const Sink *sink, const Trace *trace) {
    double unit = 1, most = (double)trace->time;
    int name = 0;
    char label[48];
    for (; most / unit >= 1000 && name < 3; name++)
        unit *= 1000;
    double step = tick_step(most / unit, 6);
    for (int i = 0; i * step <= most / unit; i++) {
        double x = svg_x(trace, i * step * unit);
        put_line(sink, x, SVG_BOTTOM, x, SVG_BOTTOM + 6, "#333333");
        snprintf(label, sizeof label, "%g %s", i * step, time_units[name]);
        put_text(sink, x, SVG_BOTTOM + 26, x > SVG_RIGHT - 30 ? "end" : "middle", label);
    }
}

// The layers up to this one, as one area: those that are drawn later cover what is theirs.
static void put_area(const Sink *sink, const Trace *trace, const Column *columns, int layer,
                     const char *colour) {
    double last = SVG_BOTTOM;
    put(sink, "<path fill=\"%s\" d=\"M%d %d", colour, SVG_LEFT, SVG_BOTTOM);
    for (int i = 0; i < SVG_COLUMNS; i++) {
        uint64_t bytes = 0;
        for (int j = 0; j <= layer; j++)
            bytes += columns[i].layers[j];
        double y = svg_y(trace, (double)bytes);
        if (y - last < 0.05 && last - y < 0.05) continue;
        put(sink, "H%dV%.1f", SVG_LEFT + i, y);
        last = y;
    }
    put(sink, "H%dV%dZ\"/>\n", SVG_RIGHT, SVG_BOTTOM);
}

static void put_peak(const Sink *sink, const Trace *trace) {
    size_t column = column_at(trace, trace->peak_time, SVG_COLUMNS);
    double x = SVG_LEFT + (double)column + 0.5;
    bool left = x<SVG_LEFT + 150, right = x> SVG_RIGHT - 150;
    char label[96];
    snprintf(label, sizeof label, "peak %s after %s", bytes_text(trace->peak_bytes).text,
             time_text((double)trace->peak_time).text);
    put(sink,
        "<circle cx=\"%.1f\" cy=\"%d\" r=\"6\" fill=\"#D55E00\" stroke=\"#FFFFFF\" "
        "stroke-width=\"2\"/>\n",
        x, SVG_PEAK);
    put_text(sink,
             left    ? x - 6
             : right ? x + 6
                     : x,
             SVG_PEAK - 16,
             left    ? "start"
             : right ? "end"
                     : "middle",
             label);
}

static void put_legend_line(const Sink *sink, int y, const char *colour, const char *name,
                            const char *value) {
    put(sink, "<rect x=\"%d\" y=\"%d\" width=\"18\" height=\"18\" fill=\"%s\"/>\n", SVG_LEFT,
        y - 15, colour);
    put_text(sink, SVG_LEFT + 30, y, "start", name);
    put_text(sink, SVG_RIGHT, y, "end", value);
}

static void put_legend(const Sink *sink, const Trace *trace, const Ranking *ranking,
                       uint64_t others) {
    int y = SVG_LEGEND;
    put_text(sink, SVG_LEFT, y, "start", "allocated at");
    put_text(sink, SVG_RIGHT, y, "end", "most live");
    for (int i = 0; i < ranking->count; i++)
        put_legend_line(sink, y += SVG_LINE, layer_colours[i],
                        site_name(trace, ranking->sites[i], SVG_NAME).text,
                        bytes_text(trace->sites[ranking->sites[i]].peak).text);
    if (others > 0)
        put_legend_line(sink, y + SVG_LINE, layer_colours[OTHERS], "all others",
                        bytes_text(others).text);
}

static void put_heading(const Sink *sink, const Trace *trace, const char *name, int height) {
    const char *slash = strrchr(name, '/');
    char title[64], line[96];
    snprintf(title, sizeof title, "Live memory over time: %.40s", slash ? slash + 1 : name);
    snprintf(line, sizeof line, "%s; %s live at the peak",
             count_text(trace->op_count, "operation").text,
             count_text(trace->peak_blocks, "block").text);
    put(sink,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
        "font-family=\"sans-serif\" font-size=\"20\" fill=\"#222222\">\n<title>",
        SVG_WIDTH, height);
    put_escaped(sink, title);
    put(sink, "</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#FFFFFF\"/>\n", SVG_WIDTH, height);
    put(sink, "<g font-size=\"26\">\n");
    put_text(sink, 20, 38, "start", title);
    put(sink, "</g>\n");
    put_text(sink, 20, 68, "start", line);
}

// Layers lie upon each other, the site that holds most at the bottom. Without sites there is one.
static void draw_svg(const Trace *trace, const char *name, const Sink *sink) {
    Column columns[SVG_COLUMNS];
    Ranking ranking = {.count = 0};
    uint64_t others = 0;
    if (sites_known(trace)) ranking = rank_sites(trace, site_peak);
    fill_columns(trace, &ranking, columns, SVG_COLUMNS);
    for (int i = 0; i < SVG_COLUMNS; i++)
        if (columns[i].layers[OTHERS] > others) others = columns[i].layers[OTHERS];
    int lines = ranking.count + (others > 0), last = SVG_BOTTOM + SVG_LINE;
    if (ranking.count) last = SVG_LEGEND + lines * SVG_LINE;
    put_heading(sink, trace, name, last + SVG_LINE / 2);
    put_ticks_of_bytes(sink, trace);
    for (int layer = OTHERS; layer >= 0; layer--)
        if (layer == OTHERS || layer < ranking.count)
            put_area(sink, trace, columns, layer, layer_colours[ranking.count ? layer : 0]);
    put_ticks_of_time(sink, trace);
    if (trace->peak_bytes) put_peak(sink, trace);
    if (ranking.count) put_legend(sink, trace, &ranking, others);
    put(sink, "</svg>\n");
}

// --- As CSV.

// A row for each moment: what is live after all that happened then.
static void draw_csv(const Trace *trace, const char *name, const Sink *sink) {
    uint64_t bytes = 0, blocks = 0;
    (void)name;
    put(sink, "time_ns,live_bytes,live_blocks\n");
    for (size_t i = 0; i < trace->op_count; i++) {
        const Op *op = &trace->ops[i];
        uint64_t time = trace->moments[i].time;
        bool last = i + 1 == trace->op_count || trace->moments[i + 1].time != time;
        if (op->kind != OP_TRY) bytes += op->size - op->old;
        blocks += op->kind == OP_MALLOC || op->kind == OP_CALLOC || op->kind == OP_ALIGNED;
        blocks -= op->kind == OP_FREE;
        if (last)
            put(sink, "%llu,%llu,%llu\n", (unsigned long long)time, (unsigned long long)bytes,
                (unsigned long long)blocks);
    }
}

#endif
