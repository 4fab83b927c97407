/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A text or facet that is not what was stored is never read by a question: for its statements
 * the row is not there.
 *  2. What stands on a page whose checksum is wrong (page_sums.h) is not there either.
 *  3. What was left out for that is named in the answer, which is otherwise whole. */
#include "damage.h"
#include "db.h"

#include <stdio.h>
#include <xxhash.h>

static struct ol__span bytes_of(sqlite3_value *value)
{
    const void *data = sqlite3_value_blob(value); /* before its size: SQLite converts */
    return (struct ol__span){.data = data, .size = (size_t)sqlite3_value_bytes(value)};
}

static void judge_row(sqlite3_context *context, const char *table, sqlite3_value **values,
                      int64_t hash)
{
    struct store *store = sqlite3_user_data(context);
    bool is_whole = sqlite3_value_int64(values[1]) == hash;
    if (!is_whole)
        damage_note(store, table, sqlite3_value_int64(values[0]));
    sqlite3_result_int(context, is_whole);
}

/* is_text(ID, HASH, TEXT) */
static void is_text(sqlite3_context *context, int count OL_UNUSED, sqlite3_value **values)
{
    judge_row(context, "texts", values,
              dict_text_hash(sqlite3_user_data(context), bytes_of(values[2])));
}

/* is_facet(ID, HASH, HEAD, BODY) */
static void is_facet(sqlite3_context *context, int count OL_UNUSED, sqlite3_value **values)
{
    judge_row(
        context, "facets", values,
        dict_facet_hash(sqlite3_user_data(context), bytes_of(values[2]), bytes_of(values[3])));
}

/* is_event(ID, HASH, DATA) */
static void is_event(sqlite3_context *context, int count OL_UNUSED, sqlite3_value **values)
{
    const struct store *store = sqlite3_user_data(context);
    struct ol__span data = bytes_of(values[2]);
    judge_row(
        context, "events", values,
        (int64_t)XXH3_64bits_withSeed(data.size > 0 ? data.data : "", data.size, store->hash_seed));
}

ol_status damage_open(struct store *store, struct ol_error *err)
{
    static const struct {
        const char *name;
        int arguments;
        void (*function)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {{"is_text", 3, is_text}, {"is_facet", 4, is_facet}, {"is_event", 3, is_event}};
    for (size_t i = 0; i < OL_COUNT(functions); i++)
        if (sqlite3_create_function(store->db, functions[i].name, functions[i].arguments,
                                    SQLITE_UTF8 | SQLITE_DIRECTONLY, store, functions[i].function,
                                    NULL, NULL) != SQLITE_OK)
            return ol__error_set(err, OL_NOMEM, "store '%s': out of memory", store->path);
    return OL_OK;
}

void damage_begin(struct store *store)
{
    store->damage.count = 0;
    store->damage.is_told = false;
    store->damage.is_noted = true;
}

void damage_note(struct store *store, const char *table, int64_t id)
{
    struct damage *d = &store->damage;
    if (!d->is_noted || d->count == DAMAGE_MAX)
        return;
    for (size_t i = 0; i < d->count; i++)
        if (d->items[i].id == id && strcmp(d->items[i].table, table) == 0)
            return;
    d->items[d->count++] = (struct damage_item){.table = table, .id = id};
}

void damage_note_missing(struct store *store, const sqlite3_stmt *stmt)
{
    static const struct {
        enum store_sql sql;
        const char *table;
    } by_id[] = {
        {SQL_TEXT_GET, "texts"},       {SQL_FACET_GET, "facets"},     {SQL_VERSION_GET, "versions"},
        {SQL_ASK_RUN, "runs"},         {SQL_ASK_DATASET, "datasets"}, {SQL_ASK_JOB, "jobs"},
        {SQL_DATASET_GET, "datasets"}, {SQL_JOB_GET, "jobs"},         {SQL_ANSWER_GET, "answers"}};
    if (!store->damage.is_noted)
        return;
    for (size_t i = 0; i < OL_COUNT(by_id); i++)
        if (store->statements[by_id[i].sql] == stmt && store->first[by_id[i].sql] > 0)
            damage_note(store, by_id[i].table, store->first[by_id[i].sql]);
}

bool store_damage(const struct store *store, char *out, size_t size)
{
    const struct damage *d = &store->damage;
    if (d->count == 0)
        return false;
    bool is_page = strcmp(d->items[0].table, "pages") == 0;
    snprintf(out, size, "%s %lld of %s is damaged%s", is_page ? "page" : "row",
             (long long)d->items[0].id, is_page ? "the file" : d->items[0].table,
             d->count > 1 ? ", and more" : "");
    return true;
}

ol_status damage_refuse(const struct store *store, struct ol_error *err)
{
    char text[200];
    store_damage(store, text, sizeof text);
    return ol__error_set(err, OL_CORRUPT, "store: %s", text);
}

void damage_tell(struct store *store, struct ol__buf *out)
{
    struct damage *d = &store->damage;
    struct ol__json_writer w;
    struct ol__buf list;
    if (d->count == 0)
        return;
    ol__buf_init(&list, 8192);
    ol__json_writer_init(&w, &list);
    ol__json_begin_array(&w);
    for (size_t i = 0; i < d->count; i++) {
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "table", d->items[i].table);
        ol__json_member_int(&w, "id", d->items[i].id);
        ol__json_end_object(&w);
    }
    ol__json_end_array(&w);
    ol__buf_add_text(out, ",\"damaged\":");
    if (list.status == OL_OK)
        ol__buf_add(out, list.data, list.size);
    else if (out->status == OL_OK)
        out->status = list.status;
    ol__buf_release(&list);
    d->is_told = true;
}

ol_status damage_end(struct store *store, struct ol__buf *out, size_t from, ol_status status,
                     struct ol_error *err)
{
    struct damage *d = &store->damage;
    d->is_noted = false;
    if (d->count == 0 || d->is_told || status == OL_NOMEM || status == OL_CORRUPT ||
        status == OL_IO)
        return status;
    if ((status != OL_OK && status != OL_NOT_FOUND) || /* it may only seem so */
        out->size <= from + 2 || out->data[from] != '{' || out->data[out->size - 1] != '}')
        return damage_refuse(store, err);
    ol__buf_truncate(out, out->size - 1);
    damage_tell(store, out);
    ol__buf_add_char(out, '}');
    return status;
}
