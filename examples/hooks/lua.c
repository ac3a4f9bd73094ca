// lua.c: every Lua state in a pool of its own, with a limit. A state that asks for more gets an
// error that it can catch; the program and the other states go on. To end a state is to empty its
// pool.

#include "compare.h"
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

// --- The hook ------------------------------------------------------------------------------------

// Where `block` is NULL, `old_size` tells what kind of object is made: it is not a size.
static void *lua_from_pool(void *pool, void *block, size_t old_size, size_t new_size) {
    (void)old_size;
    if (new_size == 0) {
        memmgr_pool_free((memmgr_pool *)pool, block);
        return NULL;
    }
    return memmgr_pool_realloc((memmgr_pool *)pool, block, new_size);
}

typedef struct {
    memmgr_pool *pool;
    lua_State *lua;
} sandbox;

// False when the limit is too small for a state.
static bool sandbox_open(sandbox *box, const char *name, size_t limit) {
    memmgr_pool_desc desc = {.name = name, .flags = MEMMGR_POOL_GROW, .limit = limit};
    box->lua = NULL;
    box->pool = memmgr_pool_create(4096, &desc); // grows from there
    if (box->pool) box->lua = lua_newstate(lua_from_pool, box->pool);
    if (!box->lua) memmgr_pool_destroy(box->pool);
    return box->lua != NULL;
}

// The polite end: finalizers run, files are closed, every block is freed one by one. Returns the
// blocks that were not: none.
static size_t sandbox_close(sandbox *box) {
    lua_close(box->lua);
    return memmgr_pool_destroy(box->pool);
}

// The other: at once, whatever state Lua is in. No finalizer runs.
static size_t sandbox_kill(sandbox *box) {
    memmgr_pool_reset(box->pool);
    return memmgr_pool_destroy(box->pool);
}

// --- Running a script ----------------------------------------------------------------------------

typedef struct {
    const char *path;   // a file, or
    const char *script; // the script itself
    uint64_t answer;
} lua_job;

// All that may run out of memory happens in here: opening the libraries, too.
static int job_body(lua_State *lua) {
    lua_job *job = (lua_job *)lua_touserdata(lua, 1);
    luaL_openlibs(lua);
    int status = job->path ? luaL_loadfile(lua, job->path) : luaL_loadstring(lua, job->script);
    if (status != LUA_OK) return lua_error(lua);
    lua_call(lua, 0, 1);
    job->answer = hash_text(HASH_START, luaL_tolstring(lua, -1, NULL));
    return 0;
}

// LUA_OK, or the error, whose message is then on the stack.
static int job_run(lua_State *lua, lua_job *job) {
    lua_pushcfunction(lua, job_body); // neither of these allocates
    lua_pushlightuserdata(lua, job);
    return lua_pcall(lua, 1, 0, 0);
}

// --- The same program, in a pool and on malloc ---------------------------------------------------

static uint64_t on_libc(void *path) {
    lua_job job = {.path = (const char *)path};
    lua_State *lua = luaL_newstate();
    if (!lua) return 0;
    if (job_run(lua, &job) != LUA_OK) printf("    %s\n", lua_tostring(lua, -1));
    lua_close(lua);
    return job.answer;
}

static uint64_t on_pool(void *path) {
    lua_job job = {.path = (const char *)path};
    sandbox box;
    if (!sandbox_open(&box, "program", (size_t)256 << 20)) return 0;
    if (job_run(box.lua, &job) != LUA_OK) printf("    %s\n", lua_tostring(box.lua, -1));
    lua_close(box.lua);
    end_pool(box.pool);
    return job.answer;
}

// --- Limits --------------------------------------------------------------------------------------

static const char hoard[] = "local kept = {} "
                            "while true do kept[#kept + 1] = string.rep('x', 1000) .. #kept end";

static const char survivor[] = "local function hoard() local kept = {} "
                               "  while true do kept[#kept + 1] = { #kept } end end "
                               "local ok, message = pcall(hoard) "
                               "assert(not ok and message == 'not enough memory') "
                               "local sum = 0 "
                               "for i = 1, 1000 do sum = sum + #string.rep('y', i) end "
                               "return sum";

// One state goes over its limit and is killed, while two others are in the middle of their work.
static void check_kill(void) {
    sandbox good[2], greedy;
    const char *half = "count = (count or 0) + 1; local t = {} "
                       "for i = 1, 20000 do t[i] = tostring(i * count) end return #t + count";
    lua_job first = {.script = half}, second = {.script = half}, hog = {.script = hoard};
    bool opened = sandbox_open(&good[0], "good", (size_t)8 << 20) &&
                  sandbox_open(&good[1], "good, too", (size_t)8 << 20) &&
                  sandbox_open(&greedy, "greedy", (size_t)8 << 20);
    if (!check(opened, "kill", "three states open")) return;
    bool halves = job_run(good[0].lua, &first) == LUA_OK && job_run(good[1].lua, &first) == LUA_OK;
    check(halves, "kill", "two states work");

    check(job_run(greedy.lua, &hog) == LUA_ERRMEM, "kill", "the greedy one gets LUA_ERRMEM");
    const char *message = lua_tostring(greedy.lua, -1);
    check(message && strcmp(message, "not enough memory") == 0, "kill", "and Lua's own message");
    memmgr_stats stats;
    memmgr_pool_stats(greedy.pool, &stats);
    check(stats.capacity <= (size_t)8 << 20 && stats.failures > 0, "kill", "within its limit");
    printf("greedy state: \"%s\" with %zu blocks, %zu KiB live; killed\n", message,
           stats.live_blocks, stats.used / 1024);
    check(stats.live_blocks > 0 && sandbox_kill(&greedy) == 0, "kill", "it is killed at once");

    bool again = job_run(good[0].lua, &second) == LUA_OK && job_run(good[1].lua, &second) == LUA_OK;
    check(again && second.answer != first.answer, "kill", "the others go on where they were");
    check(sandbox_close(&good[0]) == 0, "kill", "the first closes without a leak");
    check(sandbox_close(&good[1]) == 0, "kill", "the second closes without a leak");
}

// A script may catch the error, let go of what it hoarded, and go on.
static void check_survivor(void) {
    sandbox box;
    lua_job job = {.script = survivor};
    if (!check(sandbox_open(&box, "survivor", (size_t)2 << 20), "survivor", "opens")) return;
    check(job_run(box.lua, &job) == LUA_OK, "survivor", "goes on after its error");
    check(job.answer == hash_text(HASH_START, "500500"), "survivor", "and has its answer");
    check(memmgr_pool_check(box.pool) == MEMMGR_OK, "survivor", "the pool's data are sound");
    check(sandbox_close(&box) == 0, "survivor", "no leak");
}

// Every limit, from one that is too small for anything to one that is large enough: a state fails
// to open, fails in the middle, or works; nothing else happens.
static void check_limits(void) {
    unsigned unopened = 0, out_of_memory = 0, done = 0, other = 0, leaks = 0;
    for (size_t limit = 2048; limit <= 262144; limit += limit / 16) {
        sandbox box;
        lua_job job = {.script = "local t = {} for i = 1, 500 do t[i] = 'n' .. i end return #t"};
        if (!sandbox_open(&box, "small", limit)) {
            unopened++;
            continue;
        }
        int status = job_run(box.lua, &job);
        if (status == LUA_OK)
            done++;
        else if (status == LUA_ERRMEM)
            out_of_memory++;
        else
            other++;
        leaks += sandbox_close(&box) != 0;
    }
    check(unopened > 0 && out_of_memory > 0 && done > 0, "limits", "all three endings are seen");
    check(other == 0, "limits", "no other");
    check(leaks == 0, "limits", "no leak");
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "examples/hooks/program.lua";
    memmgr_set_error_handler(count_report, NULL);
    compare_head();
    compare("lua", on_libc, on_pool, (void *)(uintptr_t)path);
    memset(&run, 0, sizeof run);
    check_kill();
    check_survivor();
    check_limits();
    check(run.reports == 0, "lua", "no misuse, no leak reported");
    return checks_end();
}
