// Runs the demo's builds by turns and prints how they compare.
//
//     compare LIBC_DEMO MEMMGR_DEMO SVG FILE...
//
// Machines change their speed from one second to the next, so a round runs every build once, each
// round begins with another one, and a ratio is taken within a round; the table shows medians.

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 7, ROUNDS_AT_LEAST = 3, SECONDS = 25, FIGURES = 16, VARIANTS = 3 };
enum { SPREAD = 25 }; // percent: more between the rounds of one build is not the build's doing
enum { LIBC, MEMMGR, POOL };
enum { SIZE_DIGITS = 16, POOL_AT_MOST = 500000000 };

typedef struct {
    char name[16], unit[8];
    char text[32]; // of the value
} Figure;

typedef struct {
    Figure figures[FIGURES];
    int count;
} Result;

static Result results[VARIANTS][ROUNDS];

static void fail(const char *what) {
    fprintf(stderr, "compare: %s\n", what);
    exit(EXIT_FAILURE);
}

// Starts a program and returns what it writes to stdout as a stream.
static FILE *start(char *const *command, pid_t *child) {
    int ends[2];
    fflush(NULL);
    if (pipe(ends) != 0) fail("no pipe");
    *child = fork();
    if (*child < 0) fail("no process");
    if (*child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(command[0], command);
        _exit(127);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    if (!output) fail("no stream");
    return output;
}

// Did it succeed?
static bool finish(FILE *output, pid_t child) {
    int status = 0;
    fclose(output);
    return waitpid(child, &status, 0) == child && status == 0;
}

static bool run(char *const *command, Result *result) {
    pid_t child;
    FILE *output = start(command, &child);
    Figure *figure = result->figures;
    result->count = 0;
    while (result->count < FIGURES &&
           fscanf(output, "%15s %31s %7s", figure->name, figure->text, figure->unit) == 3) {
        result->count++;
        figure++;
    }
    return finish(output, child);
}

static void show(char *const *command) {
    pid_t child;
    FILE *output = start(command, &child);
    for (int c; (c = getc(output)) != EOF;)
        putchar(c);
    if (!finish(output, child)) fail("a run failed");
}

static const Figure *find(const Result *result, const char *name) {
    for (int i = 0; i < result->count; i++)
        if (strcmp(result->figures[i].name, name) == 0) return &result->figures[i];
    fail("a figure is missing");
    return NULL;
}

static double value(const Result *result, const char *name) {
    return strtod(find(result, name)->text, NULL);
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

// Prints the median of a figure and, for other builds than the first, the median of its ratios.
static void print_cell(int variant, int rounds, const char *name) {
    double values[ROUNDS], ratios[ROUNDS];
    for (int i = 0; i < rounds; i++) {
        values[i] = value(&results[variant][i], name);
        ratios[i] = values[i] / value(&results[LIBC][i], name);
    }
    printf(" %12.*f", strcmp(name, "calls") == 0 ? 0 : 1, median(values, rounds));
    if (variant != LIBC) printf(" %7.2f", median(ratios, rounds));
}

static void print_table(int rounds) {
    static const char *const names[][2] = {
        {"build", "build, ms"},        {"edit", "edit, ms"},
        {"search", "search, ms"},      {"rebuild", "rebuild, ms"},
        {"teardown", "tear down, ms"}, {"total", "all, ms"},
        {"peak", "peak memory, MiB"},  {"calls", "calls"},
    };
    printf("%-17s %12s %12s %7s %12s %7s\n", "", "libc malloc", "memmgr", "ratio", "memmgr pool",
           "ratio");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        printf("%-17s", names[i][1]);
        for (int variant = 0; variant < VARIANTS; variant++)
            print_cell(variant, rounds, names[i][0]);
        putchar('\n');
    }
}

// Did the rounds of a build differ widely, without the fastest and the slowest of them?
static bool differs(int variant, int rounds) {
    double values[ROUNDS];
    for (int i = 0; i < rounds; i++)
        values[i] = value(&results[variant][i], "total");
    qsort(values, (size_t)rounds, sizeof *values, compare_doubles);
    return values[rounds - 2] * 100 > values[1] * (100 + SPREAD);
}

static void tell_of_noise(int rounds) {
    bool noisy = rounds < ROUNDS;
    for (int variant = 0; variant < VARIANTS; variant++)
        noisy = noisy || differs(variant, rounds);
    if (noisy) printf("\nThe machine is busy: these times mean little.\n");
}

static void require_equal_answers(int rounds) {
    const char *answer = find(&results[LIBC][0], "answer")->text;
    for (int variant = 0; variant < VARIANTS; variant++)
        for (int i = 0; i < rounds; i++)
            if (strcmp(find(&results[variant][i], "answer")->text, answer) != 0)
                fail("the builds do not agree");
    printf("All %d runs gave the same answer, %s.\n", rounds * VARIANTS, answer);
}

static int run_rounds(char **commands[VARIANTS]) {
    time_t begin = time(NULL);
    int round = 0;
    for (; round < ROUNDS; round++) {
        if (round >= ROUNDS_AT_LEAST && time(NULL) - begin >= SECONDS) break;
        if (isatty(STDERR_FILENO)) fprintf(stderr, "round %d of %d\r", round + 1, ROUNDS);
        for (int i = 0; i < VARIANTS; i++) {
            int variant = (round + i) % VARIANTS;
            if (!run(commands[variant], &results[variant][round])) fail("a run failed");
        }
    }
    return round;
}

// The program, some options, the files, NULL.
static char **command_of(char *program, char *const *options, int option_count,
                         char *const *files) {
    int count = 0, file_count = 0;
    while (files[file_count])
        file_count++;
    char **command = calloc((size_t)(file_count + option_count) + 2, sizeof *command);
    if (!command) fail("out of memory");
    command[count++] = program;
    for (int i = 0; i < option_count; i++)
        command[count++] = options[i];
    for (int i = 0; i < file_count; i++)
        command[count++] = files[i];
    return command;
}

static void require_files(char **files) {
    for (; *files; files++) {
        FILE *file = fopen(*files, "rb");
        bool readable = file && (getc(file) != EOF || !ferror(file)); // a folder opens, too
        if (file) fclose(file);
        if (readable) continue;
        fprintf(stderr, "%s: cannot be opened\n", *files);
        exit(EXIT_FAILURE);
    }
}

// How large the pool must be: what was used in one that is far too large, and as many quarters of
// that for fragmentation as it takes for the program to run through.
static void find_pool_size(char *program, char **files, char size[SIZE_DIGITS]) {
    char *const options[] = {"-p", size, "-q"};
    char **command = command_of(program, options, 3, files);
    Result result;
    snprintf(size, SIZE_DIGITS, "%d", POOL_AT_MOST);
    if (!run(command, &result)) fail("not even the largest pool will do");
    double used = value(&result, "used");
    for (int quarters = 5; quarters < 16; quarters++) {
        snprintf(size, SIZE_DIGITS, "%.0f", used * quarters / 4);
        if (run(command, &result)) break;
    }
    free(command);
}

int main(int argc, char **argv) {
    if (argc < 5) fail("usage: compare LIBC_DEMO MEMMGR_DEMO SVG FILE...");
    char *libc = argv[1], *memmgr = argv[2], *svg = argv[3], **files = argv + 4;
    char size[SIZE_DIGITS];
    require_files(files);
    find_pool_size(memmgr, files, size);
    char *const options[] = {"-p", size, "-d", svg};
    char **commands[VARIANTS];
    commands[LIBC] = command_of(libc, options, 0, files);
    commands[MEMMGR] = command_of(memmgr, options, 0, files);
    commands[POOL] = command_of(memmgr, options, 2, files);
    char **picture = command_of(memmgr, options, 4, files);

    int rounds = run_rounds(commands);
    printf("An archive of documents made from");
    for (char **file = files; *file; file++)
        printf(" %s", *file);
    printf(",\nbuilt, edited, searched, rebuilt and torn down. Medians of %d interleaved rounds;\n"
           "ratios to libc malloc in the same round: below 1 is less.\n\n",
           rounds);
    print_table(rounds);
    tell_of_noise(rounds);
    putchar('\n');
    require_equal_answers(rounds);
    printf("\nThe pool of %.1f MiB after the edits (as SVG in %s):\n\n",
           strtod(size, NULL) / 1048576, svg);
    show(picture);
    for (int i = 0; i < VARIANTS; i++)
        free(commands[i]);
    free(picture);
    return EXIT_SUCCESS;
}
