// general.c: libraries whose hook is a set of functions for the whole process. They get the general
// calls, from whichever thread. A hook comes before the library's first allocation: what was
// allocated by one set must not be freed by another.
//
// Not shown is what is the same everywhere: with -DMEMMGR_OVERRIDE no library needs a hook.
//
// A library is in the program where HAVE_... is defined: see README.md.

#include "inputs.h"

#if defined(HAVE_LIBXML2) || defined(HAVE_CURL)
// For libraries that want a strdup, too.
static inline char *general_strdup(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = (char *)memmgr_malloc(size);
    return copy ? (char *)memcpy(copy, text, size) : NULL;
}
#endif

// --- expat ---------------------------------------------------------------------------------------
#ifdef HAVE_EXPAT
#include <expat.h>

static const XML_Memory_Handling_Suite expat_suite = {memmgr_malloc, memmgr_realloc, memmgr_free};

// Each parser is told: where this is NULL it uses malloc.
static const XML_Memory_Handling_Suite *expat_memory;

static void expat_hook(void) { expat_memory = &expat_suite; }

static void XMLCALL expat_start(void *hash, const XML_Char *name, const XML_Char **attributes) {
    uint64_t *answer = (uint64_t *)hash;
    *answer = hash_text(*answer, name);
    for (; *attributes; attributes++)
        *answer = hash_text(*answer, *attributes);
}

static void XMLCALL expat_text(void *hash, const XML_Char *text, int length) {
    *(uint64_t *)hash = hash_bytes(*(uint64_t *)hash, text, (size_t)length);
}

// One document, in pieces of 8 KiB.
static uint64_t expat_parse(uint64_t hash) {
    XML_Parser parser = XML_ParserCreate_MM(NULL, expat_memory, NULL);
    if (!parser) return 0;
    XML_SetUserData(parser, &hash);
    XML_SetStartElementHandler(parser, expat_start);
    XML_SetCharacterDataHandler(parser, expat_text);
    enum XML_Status status = XML_STATUS_OK;
    for (size_t at = 0, piece; status == XML_STATUS_OK && at < xml_text.size; at += piece) {
        piece = xml_text.size - at < 8192 ? xml_text.size - at : 8192;
        status = XML_Parse(parser, xml_text.at + at, (int)piece, at + piece == xml_text.size);
    }
    XML_ParserFree(parser);
    return status == XML_STATUS_OK ? hash : 0;
}

static uint64_t expat_work(void) {
    uint64_t hash = HASH_START;
    for (int i = 0; hash != 0 && i < 3; i++)
        hash = expat_parse(hash);
    return hash;
}
#endif

// --- libxml2 -------------------------------------------------------------------------------------
#ifdef HAVE_LIBXML2
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>

// Free is the first. Without the last xmlStrdup'ed names would be the C library's.
static void libxml2_hook(void) {
    xmlMemSetup(memmgr_free, memmgr_malloc, memmgr_realloc, general_strdup);
}

static uint64_t libxml2_query(xmlDocPtr document, const char *path, uint64_t hash) {
    xmlXPathContextPtr context = xmlXPathNewContext(document);
    xmlXPathObjectPtr found = xmlXPathEvalExpression((const xmlChar *)path, context);
    if (found && found->nodesetval) {
        for (int i = 0; i < found->nodesetval->nodeNr; i++) {
            xmlChar *content = xmlNodeGetContent(found->nodesetval->nodeTab[i]);
            hash = hash_text(hash, (const char *)content);
            xmlFree(content);
        }
    }
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    return hash;
}

static uint64_t libxml2_work(void) {
    xmlDocPtr document = xmlReadMemory(xml_text.at, (int)xml_text.size, "orders.xml", NULL, 0);
    if (!document) return 0;
    uint64_t hash = libxml2_query(document, "//order[@kind='kelp']/total", HASH_START);
    hash = libxml2_query(document, "//item[@count > 80]", hash);
    xmlChar *text = NULL;
    int size = 0;
    xmlDocDumpMemory(document, &text, &size);
    hash = text ? hash_bytes(hash, text, (size_t)size) : 0;
    xmlFree(text);
    xmlFreeDoc(document);
    return hash;
}
#endif

// --- cJSON ---------------------------------------------------------------------------------------
#ifdef HAVE_CJSON
#include <cjson/cJSON.h>

static void cjson_hook(void) {
    cJSON_Hooks hooks = {memmgr_malloc, memmgr_free};
    cJSON_InitHooks(&hooks);
}

static uint64_t cjson_work(void) {
    cJSON *list = cJSON_ParseWithLength(json_text.at, json_text.size), *item;
    if (!list) return 0;
    double sum = 0;
    int next = 0;
    cJSON_ArrayForEach(item, list) {
        sum += cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(item, "price"));
        cJSON_AddNumberToObject(item, "place", next++);
        cJSON_DeleteItemFromObject(item, "tags");
    }
    char *text = cJSON_PrintUnformatted(list);
    uint64_t hash = text ? hash_text(hash_bytes(HASH_START, &sum, sizeof sum), text) : 0;
    cJSON_free(text); // not free: it is memmgr's
    cJSON_Delete(list);
    return hash;
}
#endif

// --- jansson -------------------------------------------------------------------------------------
#ifdef HAVE_JANSSON
#include <jansson.h>

static void jansson_hook(void) { json_set_alloc_funcs(memmgr_malloc, memmgr_free); }

static uint64_t jansson_work(void) {
    json_malloc_t allocate;
    json_free_t release;
    json_t *list = json_loadb(json_text.at, json_text.size, 0, NULL), *item;
    if (!list) return 0;
    size_t place;
    double sum = 0;
    json_array_foreach(list, place, item) {
        sum += json_number_value(json_object_get(item, "price"));
        json_object_set_new(item, "place", json_integer((json_int_t)place));
        json_object_del(item, "tags");
    }
    char *text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
    uint64_t hash = text ? hash_text(hash_bytes(HASH_START, &sum, sizeof sum), text) : 0;
    json_get_alloc_funcs(&allocate, &release);
    release(text); // not free: it is memmgr's
    json_decref(list);
    return hash;
}
#endif

// --- libuv ---------------------------------------------------------------------------------------
#ifdef HAVE_LIBUV
#include <uv.h>

// It wants all four.
static void libuv_hook(void) {
    uv_replace_allocator(memmgr_malloc, memmgr_realloc, memmgr_calloc, memmgr_free);
}

// A server that echoes, and clients that talk to it; beside them jobs for libuv's threads and a
// look into a directory. A message is of eight pieces, more than a uv_write_t has room for.
enum { UV_CLIENTS = 20, UV_ROUNDS = 50, UV_MESSAGE = 4096, UV_PIECES = 8, UV_JOBS = 40 };

typedef struct {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    char message[UV_MESSAGE];
    size_t at; // bytes of the message that have come
    int round;
    uint64_t hash;
} uv_peer;

typedef struct {
    uv_work_t work;
    const char *from;
    uint64_t hash;
} uv_job;

static uv_tcp_t uv_server;
static uv_peer uv_clients[UV_CLIENTS], uv_served[UV_CLIENTS];
static uv_job uv_jobs[UV_JOBS];
static int uv_accepted, uv_errors;

static void uv_expect(int status) { uv_errors += status < 0; }

static void uv_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room) {
    uv_peer *peer = (uv_peer *)handle->data;
    (void)wanted;
    *room = uv_buf_init(peer->message + peer->at, (unsigned)(UV_MESSAGE - peer->at));
}

static void uv_send(uv_peer *peer, char *message, uv_write_cb sent) {
    uv_buf_t pieces[UV_PIECES];
    for (int i = 0; i < UV_PIECES; i++)
        pieces[i] = uv_buf_init(message + i * (UV_MESSAGE / UV_PIECES), UV_MESSAGE / UV_PIECES);
    peer->write.data = peer;
    uv_expect(uv_write(&peer->write, (uv_stream_t *)&peer->tcp, pieces, UV_PIECES, sent));
}

static void uv_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room);

static void uv_echoed(uv_write_t *write, int status) {
    uv_peer *peer = (uv_peer *)write->data;
    uv_expect(status);
    peer->at = 0;
    uv_expect(uv_read_start((uv_stream_t *)&peer->tcp, uv_room, uv_read));
}

static void uv_told(uv_write_t *write, int status) {
    (void)write;
    uv_expect(status);
}

static void uv_talk(uv_peer *peer) {
    size_t offset = (size_t)(peer - uv_clients) * 5000 + (size_t)peer->round * 9000;
    peer->at = 0;
    uv_send(peer, xml_text.at + offset, uv_told);
}

static void uv_whole_message(uv_peer *peer) {
    bool client = peer >= uv_clients && peer < uv_clients + UV_CLIENTS;
    if (!client) {
        uv_read_stop((uv_stream_t *)&peer->tcp);
        uv_send(peer, peer->message, uv_echoed);
        return;
    }
    peer->hash = hash_bytes(peer->hash, peer->message, UV_MESSAGE);
    if (++peer->round < UV_ROUNDS)
        uv_talk(peer);
    else
        uv_close((uv_handle_t *)&peer->tcp, NULL);
}

static void uv_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room) {
    uv_peer *peer = (uv_peer *)stream->data;
    (void)room;
    if (size < 0) {
        uv_close((uv_handle_t *)stream, NULL);
        return;
    }
    peer->at += (size_t)size;
    if (peer->at == UV_MESSAGE) uv_whole_message(peer);
}

static void uv_on_connected(uv_connect_t *connect, int status) {
    uv_peer *peer = (uv_peer *)connect->data;
    uv_expect(status);
    uv_expect(uv_read_start((uv_stream_t *)&peer->tcp, uv_room, uv_read));
    uv_talk(peer);
}

static void uv_on_connection(uv_stream_t *server, int status) {
    uv_peer *peer = &uv_served[uv_accepted++];
    uv_expect(status);
    uv_expect(uv_tcp_init(server->loop, &peer->tcp));
    peer->tcp.data = peer;
    uv_expect(uv_accept(server, (uv_stream_t *)&peer->tcp));
    uv_expect(uv_read_start((uv_stream_t *)&peer->tcp, uv_room, uv_read));
    if (uv_accepted == UV_CLIENTS) uv_close((uv_handle_t *)server, NULL);
}

static void uv_start_talk(uv_loop_t *loop) {
    struct sockaddr_in address;
    int length = (int)sizeof address;
    uv_expect(uv_ip4_addr("127.0.0.1", 0, &address));
    uv_expect(uv_tcp_init(loop, &uv_server));
    uv_expect(uv_tcp_bind(&uv_server, (struct sockaddr *)&address, 0));
    uv_expect(uv_listen((uv_stream_t *)&uv_server, UV_CLIENTS, uv_on_connection));
    uv_expect(uv_tcp_getsockname(&uv_server, (struct sockaddr *)&address, &length));
    for (uv_peer *peer = uv_clients; peer < uv_clients + UV_CLIENTS; peer++) {
        uv_expect(uv_tcp_init(loop, &peer->tcp));
        peer->tcp.data = peer->connect.data = peer;
        peer->hash = HASH_START;
        uv_expect(uv_tcp_connect(&peer->connect, &peer->tcp, (struct sockaddr *)&address,
                                 uv_on_connected));
    }
}

static void uv_on_thread(uv_work_t *work) {
    uv_job *job = (uv_job *)work->data;
    job->hash = hash_bytes(HASH_START, job->from, 40000);
}

static void uv_worked(uv_work_t *work, int status) {
    (void)work;
    uv_expect(status);
}

static uint64_t uv_look_around(uv_loop_t *loop) {
    uv_fs_t request;
    uv_dirent_t entry;
    uint64_t hash = 0;
    uv_expect(uv_fs_scandir(loop, &request, ".", 0, NULL));
    while (uv_fs_scandir_next(&request, &entry) == 0)
        hash += hash_text(HASH_START, entry.name);
    uv_fs_req_cleanup(&request);
    return hash;
}

static uint64_t libuv_work(void) {
    uv_loop_t loop;
    setenv("UV_THREADPOOL_SIZE", "8", 1); // more than libuv has room for without allocating
    if (uv_loop_init(&loop) != 0) return 0;
    uv_start_talk(&loop);
    for (int i = 0; i < UV_JOBS; i++) {
        uv_jobs[i].work.data = &uv_jobs[i];
        uv_jobs[i].from = json_text.at + i * 40000;
        uv_expect(uv_queue_work(&loop, &uv_jobs[i].work, uv_on_thread, uv_worked));
    }
    uint64_t hash = uv_look_around(&loop);
    uv_expect(uv_run(&loop, UV_RUN_DEFAULT) == 0 ? 0 : -1);
    for (int i = 0; i < UV_CLIENTS; i++)
        hash = hash_number(hash, uv_clients[i].hash);
    for (int i = 0; i < UV_JOBS; i++)
        hash = hash_number(hash, uv_jobs[i].hash);
    bool talked = uv_clients[UV_CLIENTS - 1].round == UV_ROUNDS;
    return uv_loop_close(&loop) == 0 && uv_errors == 0 && talked ? hash : 0;
}

// Its threads end, and their memory is freed. It comes last: after main it may be too late.
static void libuv_end(void) { uv_library_shutdown(); }
#endif

// --- stb_ds --------------------------------------------------------------------------------------
#ifdef HAVE_STB_DS
// A program of its own needs no choice, only
//
//     #define STBDS_REALLOC(context, block, size) memmgr_realloc(block, size)
//     #define STBDS_FREE(context, block) memmgr_free(block)
//
// before the header, in every file that includes it.
static bool stb_ds_on_memmgr;
#define STBDS_REALLOC(context, block, size)                                                        \
    (stb_ds_on_memmgr ? memmgr_realloc(block, size) : realloc(block, size))
#define STBDS_FREE(context, block) (stb_ds_on_memmgr ? memmgr_free(block) : free(block))
#define STB_DS_IMPLEMENTATION
#include <stb/stb_ds.h>

static void stb_ds_hook(void) { stb_ds_on_memmgr = true; }

typedef struct {
    char *key;
    int value;
} stb_count;

// How often each word of the XML occurs, and where it stood last.
static uint64_t stb_ds_work(void) {
    stb_count *counts = NULL;
    size_t *places = NULL;
    char word[64];
    size_t length = 0;
    sh_new_strdup(counts);
    for (size_t i = 0; i < xml_text.size; i++) {
        char c = xml_text.at[i];
        if (c > ' ' && length < sizeof word - 1) {
            word[length++] = c;
            continue;
        }
        if (length == 0) continue;
        word[length] = '\0';
        length = 0;
        int before = shget(counts, word); // not inside shput, which makes the entry first
        shput(counts, word, before + 1);
        arrput(places, i);
    }
    uint64_t hash = HASH_START;
    for (ptrdiff_t i = 0; i < shlen(counts); i++)
        hash = hash_number(hash_text(hash, counts[i].key), (uint64_t)counts[i].value);
    hash = hash_bytes(hash, places, arrlenu(places) * sizeof *places);
    arrfree(places);
    shfree(counts);
    return hash;
}
#endif

// --- OpenSSL -------------------------------------------------------------------------------------
#ifdef HAVE_OPENSSL
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

// These hand over OpenSSL's own file and line, which is just what the _at calls take: a leak is
// reported with the place in OpenSSL that allocated it, where blocks are watched.
static void openssl_hook(void) {
    if (!CRYPTO_set_mem_functions(memmgr_malloc_at, memmgr_realloc_at, memmgr_free_at)) abort();
}

static void openssl_end(void) { OPENSSL_cleanup(); }

static uint64_t openssl_digests(uint64_t hash) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    for (size_t at = 0; at + 4096 <= xml_text.size; at += 4096) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        bool done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) &&
                    EVP_DigestUpdate(context, xml_text.at + at, 4096) &&
                    EVP_DigestFinal_ex(context, digest, &size);
        EVP_MD_CTX_free(context);
        if (!done) return 0;
        hash = hash_bytes(hash, digest, size);
    }
    return hash;
}

static uint64_t openssl_base64(uint64_t hash) {
    BIO *filter = BIO_new(BIO_f_base64()), *memory = BIO_new(BIO_s_mem());
    char *text = NULL;
    BIO_push(filter, memory);
    bool done = BIO_write(filter, xml_text.at, (int)xml_text.size) > 0 && BIO_flush(filter) == 1;
    long size = BIO_get_mem_data(memory, &text);
    hash = done ? hash_bytes(hash, text, (size_t)size) : 0;
    BIO_free_all(filter);
    return hash;
}

// 2^n mod a 2048-bit number, and its decimal digits.
static uint64_t openssl_numbers(uint64_t hash) {
    BN_CTX *context = BN_CTX_new();
    BIGNUM *modulus = BN_bin2bn((const unsigned char *)json_text.at + 1000, 256, NULL);
    BIGNUM *exponent = BN_bin2bn((const unsigned char *)json_text.at + 2000, 256, NULL);
    BIGNUM *base = BN_new(), *result = BN_new();
    bool done = context && modulus && exponent && base && result && BN_set_bit(modulus, 0) &&
                BN_set_word(base, 2) && BN_mod_exp(result, base, exponent, modulus, context);
    char *digits = done ? BN_bn2dec(result) : NULL;
    hash = digits ? hash_text(hash, digits) : 0;
    OPENSSL_free(digits);
    BN_free(base), BN_free(result), BN_free(exponent), BN_free(modulus);
    BN_CTX_free(context);
    return hash;
}

// A key from 32 bytes, signed with, written as PEM and read back. Ed25519 signs the same each time.
static uint64_t openssl_sign(uint64_t hash) {
    unsigned char signature[64];
    size_t size = sizeof signature;
    const unsigned char *secret = (const unsigned char *)json_text.at;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, 32), *again = NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    BIO *memory = BIO_new(BIO_s_mem());
    bool done = key && context && memory && EVP_DigestSignInit(context, NULL, NULL, NULL, key) &&
                EVP_DigestSign(context, signature, &size, secret, 10000) &&
                PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL);
    if (done) again = PEM_read_bio_PrivateKey(memory, NULL, NULL, NULL);
    done = again && EVP_PKEY_eq(key, again) == 1;
    BIO_free(memory);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(again);
    EVP_PKEY_free(key);
    return done ? hash_bytes(hash, signature, size) : 0;
}

static uint64_t openssl_work(void) {
    uint64_t hash = openssl_digests(HASH_START);
    if (hash) hash = openssl_base64(hash);
    if (hash) hash = openssl_numbers(hash);
    for (int i = 0; hash && i < 200; i++)
        hash = openssl_sign(hash);
    return hash;
}
#endif

// --- GMP -----------------------------------------------------------------------------------------
#ifdef HAVE_GMP
#include <gmp.h>

// GMP takes no NULL for an answer: there is nothing that it could do.
static void *gmp_sure(void *block) {
    if (!block) abort();
    return block;
}

static void *gmp_alloc(size_t size) { return gmp_sure(memmgr_malloc(size)); }

static void *gmp_realloc(void *block, size_t old_size, size_t new_size) {
    (void)old_size;
    return gmp_sure(memmgr_realloc(block, new_size));
}

static void gmp_free(void *block, size_t size) { memmgr_free_sized(block, size); }

static void gmp_hook(void) { mp_set_memory_functions(gmp_alloc, gmp_realloc, gmp_free); }

// The terms from..to - 1 of Chudnovsky's series for pi, as t / q; p is for the next step.
static void gmp_terms(mpz_t p, mpz_t q, mpz_t t, unsigned long from, unsigned long to) {
    if (to - from == 1) {
        mpz_set_ui(p, from ? 6 * from - 5 : 1);
        mpz_mul_ui(p, p, from ? 2 * from - 1 : 1);
        mpz_mul_ui(p, p, from ? 6 * from - 1 : 1);
        mpz_ui_pow_ui(q, from ? from : 1, 3);
        for (int i = 0; from && i < 3; i++)
            mpz_mul_ui(q, q, i < 2 ? 640320 : 26680);
        mpz_set_ui(t, 545140134);
        mpz_mul_ui(t, t, from);
        mpz_add_ui(t, t, 13591409);
        mpz_mul(t, t, p);
        if (from % 2) mpz_neg(t, t);
        return;
    }
    mpz_t p2, q2, t2;
    mpz_inits(p2, q2, t2, NULL);
    unsigned long middle = from + (to - from) / 2;
    gmp_terms(p, q, t, from, middle);
    gmp_terms(p2, q2, t2, middle, to);
    mpz_mul(t, t, q2);
    mpz_addmul(t, p, t2);
    mpz_mul(p, p, p2);
    mpz_mul(q, q, q2);
    mpz_clears(p2, q2, t2, NULL);
}

// 50,000 digits of pi.
static uint64_t gmp_work(void) {
    enum { DIGITS = 50000 };
    mpz_t p, q, t, root;
    mpz_inits(p, q, t, root, NULL);
    gmp_terms(p, q, t, 0, DIGITS / 14 + 2);
    mpz_ui_pow_ui(root, 10, 2 * DIGITS);
    mpz_mul_ui(root, root, 10005);
    mpz_sqrt(root, root);
    mpz_mul(q, q, root);
    mpz_mul_ui(q, q, 426880);
    mpz_tdiv_q(q, q, t);
    char *digits = mpz_get_str(NULL, 10, q);
    bool right = strncmp(digits, "31415926535897932384626433832795", 32) == 0;
    uint64_t hash = hash_text(HASH_START, digits);
    void (*release)(void *, size_t);
    mp_get_memory_functions(NULL, NULL, &release);
    release(digits, strlen(digits) + 1);
    mpz_clears(p, q, t, root, NULL);
    return right ? hash : 0;
}
#endif

// --- libcurl -------------------------------------------------------------------------------------
#ifdef HAVE_CURL
#include <curl/curl.h>

static void curl_hook(void) {
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, memmgr_malloc, memmgr_free, memmgr_realloc,
                             general_strdup, memmgr_calloc) != CURLE_OK)
        abort();
}

static void curl_end(void) { curl_global_cleanup(); }

static size_t curl_take(char *bytes, size_t size, size_t count, void *hash) {
    *(uint64_t *)hash = hash_bytes(*(uint64_t *)hash, bytes, size * count);
    return size * count;
}

// 3,000 addresses taken apart and put together.
static uint64_t curl_addresses(uint64_t hash) {
    uint64_t state = 4;
    for (int i = 0; i < 3000; i++) {
        char text[256], *whole = NULL, *query = NULL;
        snprintf(text, sizeof text, "https://%s.example:8%d/%s/../%s?q=%s%%20%s#%d",
                 input_word(&state), i % 10, input_word(&state), input_word(&state),
                 input_word(&state), input_word(&state), i);
        CURLU *url = curl_url();
        bool done = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                    curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK &&
                    curl_url_get(url, CURLUPART_QUERY, &query, CURLU_URLDECODE) == CURLUE_OK;
        if (done) hash = hash_text(hash_text(hash, whole), query);
        curl_free(whole);
        curl_free(query);
        curl_url_cleanup(url);
        if (!done) return 0;
    }
    return hash;
}

// A file, 30 times, each with a handle of its own.
static uint64_t curl_transfers(uint64_t hash) {
    char address[1024];
    snprintf(address, sizeof address, "file://%s", font_path());
    for (int i = 0; i < 30; i++) {
        CURL *handle = curl_easy_init();
        bool done = handle && curl_easy_setopt(handle, CURLOPT_URL, address) == CURLE_OK &&
                    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, curl_take) == CURLE_OK &&
                    curl_easy_setopt(handle, CURLOPT_WRITEDATA, (void *)&hash) == CURLE_OK &&
                    curl_easy_perform(handle) == CURLE_OK;
        curl_easy_cleanup(handle);
        if (!done) return 0;
    }
    return hash;
}

static uint64_t curl_work(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT); // with the hook in place only a count goes up
    uint64_t hash = curl_addresses(HASH_START);
    if (hash) hash = curl_transfers(hash);
    curl_global_cleanup();
    return hash;
}
#endif

// --- The table -----------------------------------------------------------------------------------

typedef struct {
    const char *name;
    void (*hook)(void); // before anything else
    uint64_t (*work)(void);
    void (*end)(void); // NULL, or: the library lets go of its globals
} library;

static const library libraries[] = {
#ifdef HAVE_EXPAT
    {"expat", expat_hook, expat_work, NULL},
#endif
#ifdef HAVE_LIBXML2
    {"libxml2", libxml2_hook, libxml2_work, xmlCleanupParser},
#endif
#ifdef HAVE_CJSON
    {"cjson", cjson_hook, cjson_work, NULL},
#endif
#ifdef HAVE_JANSSON
    {"jansson", jansson_hook, jansson_work, NULL},
#endif
#ifdef HAVE_LIBUV
    {"libuv", libuv_hook, libuv_work, libuv_end},
#endif
#ifdef HAVE_STB_DS
    {"stb_ds", stb_ds_hook, stb_ds_work, NULL},
#endif
#ifdef HAVE_OPENSSL
    {"openssl", openssl_hook, openssl_work, openssl_end},
#endif
#ifdef HAVE_GMP
    {"gmp", gmp_hook, gmp_work, NULL},
#endif
#ifdef HAVE_CURL
    {"curl", curl_hook, curl_work, curl_end},
#endif
    {NULL, NULL, NULL, NULL},
};

static uint64_t on_libc(void *ctx) {
    const library *row = (const library *)ctx;
    uint64_t answer = row->work();
    if (row->end) row->end();
    return answer;
}

static uint64_t on_memmgr(void *ctx) {
    const library *row = (const library *)ctx;
    row->hook();
    return on_libc(ctx);
}

int main(int argc, char **argv) {
    inputs_make();
    compare_head();
    for (const library *row = libraries; row->name; row++) {
        if (argc > 1 && strcmp(argv[1], row->name) != 0) continue;
        outcome out = compare(row->name, on_libc, on_memmgr, (void *)(uintptr_t)row);
        (void)out;
    }
    inputs_free();
    return checks_end();
}
