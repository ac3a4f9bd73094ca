// sqlite.c: SQLite on memmgr, by SQLITE_CONFIG_MALLOC, in two ways: on the general calls, and all
// of it in one pool with a limit, where a query that needs more gets SQLITE_NOMEM and the database
// goes on.

#include "compare.h"
#include <pthread.h>
#include <sqlite3.h>

// Both ways round up to granules, as SQLite asks beforehand how large a block will be.
static int sqlite_roundup(int size) { return (size + 15) & ~15; }

// --- The hook: general calls ---------------------------------------------------------------------

// Sizes are ints here, and never 0.
static void *general_malloc(int size) { return memmgr_malloc((size_t)size); }
static void *general_realloc(void *block, int size) { return memmgr_realloc(block, (size_t)size); }
static void general_free(void *block) { memmgr_free(block); }
static int general_size(void *block) { return (int)memmgr_usable_size(block); }

static int general_init(void *ctx) {
    (void)ctx;
    return SQLITE_OK;
}

static void general_shutdown(void *ctx) { (void)ctx; }

static const sqlite3_mem_methods general_methods = {
    general_malloc, general_free, general_realloc,  general_size,
    sqlite_roundup, general_init, general_shutdown, NULL,
};

// --- The hook: one pool --------------------------------------------------------------------------

// Only xInit and xShutdown are handed the context, so that the pool is a global. It is locked, as
// connections of several threads share it.
static memmgr_pool *sqlite_pool;

static void *pool_malloc(int size) { return memmgr_pool_alloc(sqlite_pool, (size_t)size); }

static void *pool_realloc(void *block, int size) {
    return memmgr_pool_realloc(sqlite_pool, block, (size_t)size);
}

static void pool_free(void *block) { memmgr_pool_free(sqlite_pool, block); }
static int pool_size(void *block) { return (int)memmgr_pool_usable_size(sqlite_pool, block); }

static int pool_init(void *limit) {
    memmgr_pool_desc desc = {.name = "sqlite", .flags = MEMMGR_POOL_GROW | MEMMGR_POOL_LOCKED};
    desc.limit = *(size_t *)limit;
    sqlite_pool = memmgr_pool_create(65536, &desc);
    return sqlite_pool ? SQLITE_OK : SQLITE_NOMEM;
}

static void pool_shutdown(void *limit) {
    (void)limit;
    end_pool(sqlite_pool); // a plain memmgr_pool_destroy where nothing is measured
    sqlite_pool = NULL;
}

static size_t pool_limit = 0; // none

static const sqlite3_mem_methods pool_methods = {
    pool_malloc,    pool_free, pool_realloc,  pool_size,
    sqlite_roundup, pool_init, pool_shutdown, &pool_limit,
};

// Before sqlite3_initialize, or after sqlite3_shutdown.
static bool use(const sqlite3_mem_methods *methods) {
    return sqlite3_config(SQLITE_CONFIG_MALLOC, methods) == SQLITE_OK &&
           sqlite3_initialize() == SQLITE_OK;
}

// --- The work ------------------------------------------------------------------------------------

static int hash_row(void *hash, int columns, char **values, char **names) {
    (void)names;
    for (int i = 0; i < columns; i++)
        *(uint64_t *)hash = hash_text(*(uint64_t *)hash, values[i] ? values[i] : "NULL");
    return 0;
}

// False, and why, when SQLite says no.
static bool execute(sqlite3 *database, const char *sql, uint64_t *hash) {
    char *message = NULL;
    bool done = sqlite3_exec(database, sql, hash ? hash_row : NULL, hash, &message) == SQLITE_OK;
    if (!done) printf("    %s\n", message ? message : "out of memory");
    sqlite3_free(message);
    return done;
}

// `count` orders of 1000 customers, one statement for all.
static bool insert_rows(sqlite3 *database, int count) {
    uint64_t state = 5;
    char note[64];
    sqlite3_stmt *insert = NULL;
    bool done = execute(database, "BEGIN", NULL) &&
                sqlite3_prepare_v2(database, "INSERT INTO orders VALUES (?, ?, ?, ?)", -1, &insert,
                                   NULL) == SQLITE_OK;
    for (int i = 0; done && i < count; i++) {
        int length = snprintf(note, sizeof note, "note %llx",
                              (unsigned long long)(noise(&state) >> (i % 60)));
        sqlite3_bind_int(insert, 1, i);
        sqlite3_bind_int(insert, 2, (int)(noise(&state) % 1000));
        sqlite3_bind_double(insert, 3, (double)(noise(&state) % 100000) / 100);
        sqlite3_bind_text(insert, 4, note, length, SQLITE_TRANSIENT);
        done = sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK;
    }
    sqlite3_finalize(insert);
    return done && execute(database, "COMMIT", NULL);
}

static const char schema[] =
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INT, total REAL, note TEXT);"
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
    "  INSERT INTO customers SELECT i, 'customer ' || i FROM n;";

static const char questions[] =
    "CREATE INDEX by_customer ON orders (customer, total);"
    "SELECT name, count(*), round(sum(total), 2), max(note) FROM orders"
    "  JOIN customers ON customers.id = customer GROUP BY customer ORDER BY 3 DESC LIMIT 200;"
    "SELECT group_concat(id) FROM (SELECT id FROM orders WHERE total > 990 ORDER BY note);"
    "UPDATE orders SET note = upper(note) || ' ' || id WHERE customer % 3 = 0;"
    "DELETE FROM orders WHERE customer % 7 = 0;"
    "SELECT count(DISTINCT note), sum(length(note)) FROM orders;"
    "PRAGMA integrity_check;";

// A database in memory: tables, index, join and sorting are all on the allocator.
static uint64_t database_work(int rows) {
    uint64_t hash = HASH_START;
    sqlite3 *database = NULL;
    bool done = sqlite3_open(":memory:", &database) == SQLITE_OK &&
                execute(database, schema, NULL) && insert_rows(database, rows) &&
                execute(database, questions, &hash);
    return sqlite3_close(database) == SQLITE_OK && done ? hash : 0;
}

static uint64_t on_libc(void *ctx) {
    (void)ctx;
    uint64_t answer = database_work(100000);
    sqlite3_shutdown();
    return answer;
}

static uint64_t on_general(void *ctx) { return use(&general_methods) ? on_libc(ctx) : 0; }
static uint64_t on_pool(void *ctx) { return use(&pool_methods) ? on_libc(ctx) : 0; }

// --- A limit -------------------------------------------------------------------------------------

// What SQLite says of one statement.
static int ask(sqlite3 *database, const char *sql) {
    return sqlite3_exec(database, sql, NULL, NULL, NULL);
}

// Rows are inserted until there is no room: SQLITE_NOMEM. After a rollback the database is as it
// was before, and works on. Returns 1 when it was like that.
static uint64_t at_limit(void *ctx) {
    (void)ctx;
    static const char flood[] = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n)"
                                "  INSERT INTO orders SELECT i, i % 1000, i, hex(i) FROM n;";
    sqlite3 *database = NULL;
    uint64_t hash = HASH_START, again = HASH_START;
    pool_limit = (size_t)6 << 20;
    if (!use(&pool_methods)) return 0;
    bool done = sqlite3_open(":memory:", &database) == SQLITE_OK &&
                execute(database, schema, NULL) && insert_rows(database, 10000) &&
                execute(database, "SELECT count(*), sum(customer) FROM orders", &hash);
    done = done && ask(database, "BEGIN; DELETE FROM orders") == SQLITE_OK &&
           ask(database, flood) == SQLITE_NOMEM;
    if (!sqlite3_get_autocommit(database)) ask(database, "ROLLBACK");
    memmgr_stats stats;
    memmgr_pool_stats(sqlite_pool, &stats);
    done = done && stats.failures > 0 && stats.capacity <= pool_limit &&
           memmgr_pool_check(sqlite_pool) == MEMMGR_OK;
    done = done && execute(database, "SELECT count(*), sum(customer) FROM orders", &again) &&
           again == hash && ask(database, "INSERT INTO orders VALUES (-1, 0, 0, '')") == SQLITE_OK;
    bool closed = sqlite3_close(database) == SQLITE_OK;
    sqlite3_shutdown();
    return done && closed;
}

// --- Threads -------------------------------------------------------------------------------------

static void *thread_work(void *answer) {
    *(uint64_t *)answer = database_work(10000);
    return NULL;
}

// Two threads, each with a database of its own, on the same methods. SQLite's own count of memory
// is off: otherwise it takes a lock of its own around every call.
static uint64_t threads_on(const sqlite3_mem_methods *methods) {
    uint64_t answers[2] = {0, 0};
    pthread_t threads[2];
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    pool_limit = 0;
    if (!use(methods)) return 0;
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], NULL, thread_work, &answers[i]) != 0) abort();
    }
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    sqlite3_shutdown();
    return answers[0] == answers[1] ? answers[0] : 0;
}

static uint64_t threads_on_general(void *ctx) { return (void)ctx, threads_on(&general_methods); }
static uint64_t threads_on_pool(void *ctx) { return (void)ctx, threads_on(&pool_methods); }

static void check_threads(void) {
    outcome general, pool;
    check(run_apart(threads_on_general, NULL, &general), "threads", "end well on general calls");
    check(run_apart(threads_on_pool, NULL, &pool), "threads", "end well on a locked pool");
    check(general.answer != 0 && general.answer == pool.answer, "threads", "the same answers");
    check_clean("threads", &general);
    check_clean("threads", &pool);
}

// With the argument "threads" these only, for a thread sanitizer.
int main(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "threads") != 0) {
        outcome out;
        compare_head();
        compare("sqlite", on_libc, on_general, NULL);
        compare("sqlite, pool", on_libc, on_pool, NULL);
        check(run_apart(at_limit, NULL, &out), "limit", "ends well");
        check(out.answer == 1, "limit", "SQLITE_NOMEM, and all as before");
        check_clean("limit", &out);
    }
    check_threads();
    return checks_end();
}
