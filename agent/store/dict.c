/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A thing has one id for ever; ids are never given to another thing while something names them.
 *  2. A cached id is believed only while the transaction that gave it, and all later ones, were
 * committed.
 *  3. A facet comes back byte for byte: its head (`{"_producer":...,"_schemaURL":...`, which
 * repeats in thousands of facets) is kept once as a text, the rest as the facet's body. */
#include "facet_index.h"

#include <stdlib.h>
#include <xxhash.h>

enum dict_kind { KIND_TEXT = 1, KIND_JOB, KIND_DATASET, KIND_VERSION, KIND_FACET, KIND_JOB_TYPE };

static XXH128_hash_t hash_of(const struct store *store, enum dict_kind kind, int64_t scope,
                             struct ol__span data)
{
    uint64_t seed = store->hash_seed + (uint64_t)kind * 0x9e3779b97f4a7c15u +
                    (uint64_t)scope * 0xc2b2ae3d27d4eb4fu;
    return XXH3_128bits_withSeed(data.data != NULL ? data.data : "", data.size, seed);
}

/* Versions and facets, of which nearly every event brings new ones, do not push out names and
 * texts, which come again: each have half of the cache. */
static struct cache_slot *cache_place(struct store *store, enum dict_kind kind, XXH128_hash_t hash)
{
    bool is_fleeting = kind == KIND_VERSION || kind == KIND_FACET;
    return &store
                ->cache[(hash.low64 & (CACHE_SLOTS / 2 - 2)) + (is_fleeting ? CACHE_SLOTS / 2 : 0)];
}

static struct cache_slot *cache_find(struct store *store, enum dict_kind kind, XXH128_hash_t hash)
{
    /* Two neighbours a place: the second catches what would push out a busy first. */
    struct cache_slot *slot = cache_place(store, kind, hash);
    if (slot[0].low == hash.low64 && slot[0].high == hash.high64)
        return &slot[0];
    if (slot[1].low == hash.low64 && slot[1].high == hash.high64)
        return &slot[1];
    return NULL;
}

static void cache_put(struct store *store, enum dict_kind kind, XXH128_hash_t hash, int64_t id)
{
    struct cache_slot *slot = cache_place(store, kind, hash);
    slot[1] = slot[0];
    slot[0] = (struct cache_slot){.low = hash.low64, .high = hash.high64, .id = id};
}

void dict_forget(struct store *store)
{
    if (store->cache != NULL)
        memset(store->cache, 0, CACHE_SLOTS * sizeof *store->cache);
}

int64_t dict_text_hash(const struct store *store, struct ol__span text)
{
    return (int64_t)hash_of(store, KIND_TEXT, 0, text).low64;
}

/* The id that a SELECT gives, 0 if it has no row. */
static ol_status find(struct store *store, sqlite3_stmt *stmt, int64_t *ret, struct ol_error *err)
{
    ol_status status = store_step(store, stmt, err);
    if (status < 0)
        return status;
    *ret = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return OL_OK;
}

static ol_status added(struct store *store, ol_status status, enum dict_kind kind,
                       XXH128_hash_t hash, int64_t *ret)
{
    if (status != OL_OK)
        return status;
    if (*ret == 0)
        *ret = sqlite3_last_insert_rowid(store->db);
    cache_put(store, kind, hash, *ret);
    return OL_OK;
}

ol_status dict_text(struct store *store, struct ol__span text, int64_t *ret, struct ol_error *err)
{
    XXH128_hash_t hash = hash_of(store, KIND_TEXT, 0, text);
    const struct cache_slot *slot = cache_find(store, KIND_TEXT, hash);
    if (slot != NULL) {
        *ret = slot->id;
        sweep_mark_id(store->sweep, SQL_SWEEP_TEXTS, *ret);
        return OL_OK;
    }
    int64_t low = (int64_t)hash.low64;
    ol_status status =
        find(store, store_bind(store, SQL_TEXT_FIND, err, "it", low, text), ret, err);
    if (status == OL_OK && *ret == 0)
        status = store_run(store, SQL_TEXT_ADD, err, "it", low, text);
    status = added(store, status, KIND_TEXT, hash, ret);
    if (status == OL_OK)
        sweep_mark_id(store->sweep, SQL_SWEEP_TEXTS, *ret);
    return status;
}

/* Jobs and datasets: a name in a namespace. */
static ol_status dict_named(struct store *store, enum dict_kind kind, struct ol__span name_space,
                            struct ol__span name, int64_t *ret, struct ol_error *err)
{
    bool is_job = kind == KIND_JOB;
    int64_t space = 0;
    ol_status status = dict_text(store, name_space, &space, err);
    if (status != OL_OK)
        return status;
    XXH128_hash_t hash = hash_of(store, kind, space, name);
    const struct cache_slot *slot = cache_find(store, kind, hash);
    if (slot != NULL) {
        *ret = slot->id;
    } else {
        sqlite3_stmt *stmt =
            store_bind(store, is_job ? SQL_JOB_FIND : SQL_DATASET_FIND, err, "ti", name, space);
        status = find(store, stmt, ret, err);
        if (status == OL_OK && *ret == 0)
            status =
                store_run(store, is_job ? SQL_JOB_ADD : SQL_DATASET_ADD, err, "ti", name, space);
        status = added(store, status, kind, hash, ret);
    }
    if (status == OL_OK)
        sweep_mark_id(store->sweep, is_job ? SQL_SWEEP_JOBS : SQL_SWEEP_DATASETS, *ret);
    return status;
}

ol_status dict_job(struct store *store, struct ol__span name_space, struct ol__span name,
                   int64_t *ret, struct ol_error *err)
{
    return dict_named(store, KIND_JOB, name_space, name, ret, err);
}

ol_status dict_dataset(struct store *store, struct ol__span name_space, struct ol__span name,
                       int64_t *ret, struct ol_error *err)
{
    return dict_named(store, KIND_DATASET, name_space, name, ret, err);
}

ol_status dict_job_type(struct store *store, int64_t job, struct ol__span text,
                        struct ol_error *err)
{
    int64_t type = 0;
    XXH128_hash_t hash = hash_of(store, KIND_JOB_TYPE, job, (struct ol__span){0});
    const struct cache_slot *slot = cache_find(store, KIND_JOB_TYPE, hash);
    ol_status status = dict_text(store, text, &type, err);
    if (status != OL_OK || (slot != NULL && slot->id == type))
        return status;
    status = store_run(store, SQL_JOB_TYPE, err, "ii", job, type);
    return added(store, status, KIND_JOB_TYPE, hash, &type);
}

/* ---- Versions ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool version_pack(struct ol__span value, uint8_t bytes[32])
{
    static const char prefix[] = "sha256:";
    if (value.size != sizeof prefix - 1 + 64 || memcmp(value.data, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *digits = value.data + sizeof prefix - 1;
    for (size_t i = 0; i < 32; i++) {
        int high = hex_digit(digits[2 * i]), low = hex_digit(digits[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

ol_status version_unpack(sqlite3_stmt *stmt, int column, struct ol__buf *out)
{
    struct ol__span value = store_column(stmt, column);
    if (sqlite3_column_type(stmt, column) != SQLITE_BLOB)
        return ol__buf_add(out, value.data, value.size);
    char *room = ol__buf_room(out, 7 + 2 * value.size);
    if (room == NULL)
        return out->status;
    static const char prefix[7] = {'s', 'h', 'a', '2', '5', '6', ':'};
    memcpy(room, prefix, sizeof prefix);
    for (size_t i = 0; i < value.size; i++) {
        room[7 + 2 * i] = "0123456789abcdef"[(uint8_t)value.data[i] >> 4];
        room[8 + 2 * i] = "0123456789abcdef"[value.data[i] & 15];
    }
    ol__buf_grow(out, 7 + 2 * value.size);
    return out->status;
}

ol_status dict_version(struct store *store, int64_t dataset, struct ol__span value, int64_t born,
                       int64_t *ret, struct ol_error *err)
{
    uint8_t bytes[32];
    XXH128_hash_t hash = hash_of(store, KIND_VERSION, dataset, value);
    const struct cache_slot *slot = cache_find(store, KIND_VERSION, hash);
    ol_status status = OL_OK;
    if (slot != NULL) {
        *ret = slot->id;
    } else {
        bool is_packed = version_pack(value, bytes);
        if (is_packed)
            value = (struct ol__span){.data = (const char *)bytes, .size = sizeof bytes};
        sqlite3_stmt *stmt =
            store_bind(store, SQL_VERSION_FIND, err, is_packed ? "bi" : "ti", value, dataset);
        status = find(store, stmt, ret, err);
        if (status == OL_OK && *ret == 0)
            status = store_run(store, SQL_VERSION_ADD, err, is_packed ? "ibi" : "iti", dataset,
                               value, born);
        status = added(store, status, KIND_VERSION, hash, ret);
    }
    if (status == OL_OK)
        sweep_mark_id(store->sweep, SQL_SWEEP_VERSIONS, *ret);
    return status;
}

/* ---- Facets ---- */

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

/* After a string without escapes, or NULL. */
static const char *skip_text(const char *p, const char *end)
{
    if (p == end || *p != '"')
        return NULL;
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\')
            return NULL;
    return p < end ? p + 1 : NULL;
}

/* How many bytes of @p json are its head: through the value of the first two members, as far as
 * they are _producer and _schemaURL. Any answer is right (promise 3): it only decides what is
 * shared. */
size_t dict_facet_head(struct ol__span json)
{
    const char *p = json.data, *end = p + json.size;
    size_t size = 0;
    if (p == end || *p++ != '{')
        return 0;
    for (int member = 0; member < 2; member++) {
        const char *key = skip_space(p, end), *after = skip_text(key, end);
        if (after == NULL)
            break;
        size_t key_size = (size_t)(after - key);
        if (!(key_size == 11 && memcmp(key, "\"_producer\"", 11) == 0) &&
            !(key_size == 12 && memcmp(key, "\"_schemaURL\"", 12) == 0))
            break;
        after = skip_space(after, end);
        if (after == end || *after != ':')
            break;
        after = skip_text(skip_space(after + 1, end), end);
        if (after == NULL)
            break;
        size = (size_t)(after - json.data);
        after = skip_space(after, end);
        if (after == end || *after != ',')
            break;
        p = after + 1;
    }
    return size;
}

ol_status dict_facet(struct store *store, struct ol__span json, int64_t *ret, struct ol_error *err)
{
    XXH128_hash_t hash = hash_of(store, KIND_FACET, 0, json);
    const struct cache_slot *slot = cache_find(store, KIND_FACET, hash);
    if (slot != NULL) {
        *ret = slot->id;
        sweep_mark_id(store->sweep, SQL_SWEEP_FACETS, *ret);
        return OL_OK;
    }
    int64_t head = 0, low = (int64_t)hash.low64;
    size_t size = dict_facet_head(json);
    struct ol__span body = {.data = json.data + size, .size = json.size - size};
    ol_status status = OL_OK;
    if (size > 0)
        status = dict_text(store, (struct ol__span){.data = json.data, .size = size}, &head, err);
    if (status != OL_OK)
        return status;
    status = facet_index_find(store, low, head, body, ret, err);
    if (status == OL_OK && *ret == 0) {
        status = store_run(store, SQL_FACET_ADD, err, "iit", low, head, body);
        *ret = sqlite3_last_insert_rowid(store->db);
        if (status == OL_OK)
            status = facet_index_add(store, low, *ret, err);
    }
    status = added(store, status, KIND_FACET, hash, ret);
    if (status == OL_OK)
        sweep_mark_id(store->sweep, SQL_SWEEP_FACETS, *ret);
    return status;
}

int64_t dict_facet_hash(const struct store *store, struct ol__span head, struct ol__span body)
{
    char small[4096]; /* nearly all are */
    struct ol__buf json;
    if (head.size + body.size <= sizeof small) {
        if (head.size > 0)
            memcpy(small, head.data, head.size);
        if (body.size > 0)
            memcpy(small + head.size, body.data, body.size);
        return (int64_t)hash_of(store, KIND_FACET, 0,
                                (struct ol__span){.data = small, .size = head.size + body.size})
            .low64;
    }
    ol__buf_init(&json, head.size + body.size + 1);
    ol__buf_add(&json, head.data, head.size);
    ol__buf_add(&json, body.data, body.size);
    XXH128_hash_t hash =
        hash_of(store, KIND_FACET, 0, (struct ol__span){.data = json.data, .size = json.size});
    ol__buf_release(&json);
    return (int64_t)hash.low64;
}
