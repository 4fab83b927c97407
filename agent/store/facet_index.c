/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A facet is found by its content as long as its row is there, whenever it was added: those up
 * to `mark` by the table facet_keys, later ones by what is in memory, which the rows themselves
 * give again after a start.
 *  2. What is found is compared with the content asked for.
 *  3. Late facets go into facet_keys in one transaction with the mark that says so. If that fails,
 * what is in memory is forgotten with the rest of the transaction.
 *  4. Memory is bounded: LATE_MAX facets of 16 bytes, and FILTER_BITS. */
#include "facet_index.h"

#include <stdlib.h>

#define LATE_MAX (1u << 16)
#define SLOTS (LATE_MAX * 2)
#define FILTER_BITS (1u << 23)
#define MARK "facet_keys" /* in meta */

struct late_facet {
    int32_t key;
    uint32_t id; /* less the mark; 0: empty */
};

struct facet_index {
    int64_t mark;
    size_t count; /* of late */
    struct late_facet late[SLOTS];
    uint64_t *filter; /* owned; two bits for each key of the table; NULL: not made yet */
};

static int32_t key_of(int64_t hash)
{
    return (int32_t)(hash >> 32);
}

/* ---- The filter: most facets are new, and need not be looked for ---- */

static void filter_places(int32_t key, uint32_t places[2])
{
    uint64_t mixed = (uint64_t)(uint32_t)key * 0x9e3779b97f4a7c15u;
    places[0] = (uint32_t)(mixed >> 41);
    places[1] = (uint32_t)(mixed >> 18) & (FILTER_BITS - 1);
}

static void filter_add(struct facet_index *index, int32_t key)
{
    uint32_t places[2];
    if (index->filter == NULL)
        return;
    filter_places(key, places);
    for (int i = 0; i < 2; i++)
        index->filter[places[i] / 64] |= UINT64_C(1) << places[i] % 64;
}

static bool filter_may_have(const struct facet_index *index, int32_t key)
{
    uint32_t places[2];
    if (index->filter == NULL)
        return true;
    filter_places(key, places);
    return (index->filter[places[0] / 64] >> places[0] % 64 & 1) != 0 &&
           (index->filter[places[1] / 64] >> places[1] % 64 & 1) != 0;
}

static ol_status filter_make(struct store *store, struct ol_error *err)
{
    struct facet_index *index = store->facet_index;
    index->filter = calloc(FILTER_BITS / 64, sizeof *index->filter);
    if (index->filter == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    sqlite3_stmt *stmt = store_bind(store, SQL_FACET_KEYS, err, "");
    ol_status status;
    while ((status = store_step(store, stmt, err)) == OL_OK)
        filter_add(index, (int32_t)sqlite3_column_int64(stmt, 0));
    return status == OL_END ? OL_OK : status;
}

/* ---- The latest facets ---- */

static size_t first_slot(int32_t key)
{
    return ((uint32_t)key * 0x9e3779b1u) >> 15; /* SLOTS is 2^17 */
}

static void put_late(struct facet_index *index, int32_t key, uint32_t id)
{
    size_t at = first_slot(key);
    while (index->late[at].id != 0)
        at = (at + 1) % SLOTS;
    index->late[at].key = key;
    index->late[at].id = id;
    index->count++;
}

static int by_key(const void *a, const void *b)
{
    const struct late_facet *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : (x->id > y->id) - (x->id < y->id);
}

/* Promise 3. In the order of the table, so that many share the pages that they change. */
static ol_status fold(struct store *store, struct ol_error *err)
{
    struct facet_index *index = store->facet_index;
    size_t count = 0;
    uint32_t last = 0;
    ol_status status = index->filter == NULL ? filter_make(store, err) : OL_OK;
    for (size_t i = 0; i < SLOTS; i++)
        if (index->late[i].id != 0)
            index->late[count++] = index->late[i];
    qsort(index->late, count, sizeof *index->late, by_key);
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        const struct late_facet *late = &index->late[i];
        last = OL_MAX(last, late->id);
        filter_add(index, late->key);
        status = store_run(store, SQL_FACET_KEY_ADD, err, "ii", (int64_t)late->key,
                           index->mark + late->id);
    }
    memset(index->late, 0, sizeof index->late);
    index->count = 0;
    index->mark += last;
    return status == OL_OK
               ? store_run(store, SQL_META_SET, err, "ti", ol__span_text(MARK), index->mark)
               : status;
}

static ol_status load(struct store *store, struct ol_error *err)
{
    struct facet_index *index = store->facet_index = calloc(1, sizeof *index);
    if (index == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    sqlite3_stmt *stmt = store_bind(store, SQL_META_GET, err, "t", ol__span_text(MARK));
    ol_status status = store_step(store, stmt, err);
    if (status == OL_OK)
        index->mark = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    if (status < 0)
        return status;
    stmt = store_bind(store, SQL_FACETS_LATE, err, "ii", index->mark, index->mark + UINT32_MAX);
    while (index->count < LATE_MAX && (status = store_step(store, stmt, err)) == OL_OK)
        put_late(index, key_of(sqlite3_column_int64(stmt, 1)),
                 (uint32_t)(sqlite3_column_int64(stmt, 0) - index->mark));
    sqlite3_reset(stmt);
    if (status < 0)
        return status;
    return index->count == LATE_MAX ? fold(store, err) : OL_OK;
}

void facet_index_free(struct store *store)
{
    if (store->facet_index != NULL)
        free(store->facet_index->filter);
    free(store->facet_index);
    store->facet_index = NULL;
}

/* ---- Finding and adding ---- */

static ol_status is_it(struct store *store, int64_t id, int64_t hash, int64_t head,
                       struct ol__span body, int64_t *ret, struct ol_error *err)
{
    sqlite3_stmt *stmt = store_bind(store, SQL_FACET_IS, err, "iiit", id, hash, head, body);
    ol_status status = store_step(store, stmt, err);
    if (status == OL_OK)
        *ret = id;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status facet_index_find(struct store *store, int64_t hash, int64_t head, struct ol__span body,
                           int64_t *ret, struct ol_error *err)
{
    int32_t key = key_of(hash);
    ol_status status = store->facet_index == NULL ? load(store, err) : OL_OK;
    *ret = 0;
    if (status != OL_OK) {
        facet_index_free(store);
        return status;
    }
    const struct facet_index *index = store->facet_index;
    for (size_t at = first_slot(key); index->late[at].id != 0 && *ret == 0; at = (at + 1) % SLOTS)
        if (index->late[at].key == key) {
            status = is_it(store, index->mark + index->late[at].id, hash, head, body, ret, err);
            if (status != OL_OK)
                return status;
        }
    if (*ret != 0 || !filter_may_have(index, key))
        return OL_OK;
    sqlite3_stmt *stmt =
        store_bind(store, SQL_FACET_FIND, err, "iiit", (int64_t)key, hash, head, body);
    status = store_step(store, stmt, err);
    if (status == OL_OK)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status facet_index_add(struct store *store, int64_t hash, int64_t id, struct ol_error *err)
{
    struct facet_index *index = store->facet_index;
    int32_t key = key_of(hash);
    if (id <= index->mark || id - index->mark > UINT32_MAX) {
        /* the newest rows were removed and their numbers are given anew */
        filter_add(index, key);
        return store_run(store, SQL_FACET_KEY_ADD, err, "ii", (int64_t)key, id);
    }
    put_late(index, key, (uint32_t)(id - index->mark));
    return index->count == LATE_MAX ? fold(store, err) : OL_OK;
}
