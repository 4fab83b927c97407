/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around lists of members: which artifact has which list, as events say; which answer
 * has which documents; what is swept; and whether a list is still what it was. Promises:
 *  1. That an artifact has a list is said by somebody: it holds for that user (and root), whoever
 * has the list itself.
 *  2. A list goes when no version of a dataset is an artifact of it, a piece when no list has it,
 * a look-up row with its piece. */
#include "members.h"

#include <stdlib.h>
#include "artifact_lines.h"

#define SWEEP_LISTS 50
#define SWEEP_PIECES 2000

/* ---- What events say ---- */

static bool hash_of(struct ol__span text, uint8_t out[OL_SHA256_SIZE])
{
    if (text.size != OL_SHA256_TEXT)
        return false;
    for (size_t i = 0; i < OL_SHA256_SIZE; i++) {
        int high = ol__hex_value(text.data[2 * i]), low = ol__hex_value(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

struct claim {
    struct ol__span artifact, list;
    int64_t count;
};

static struct claim read_claim(const struct ol__event *event, size_t facet)
{
    struct claim claim = {.count = 0};
    for (size_t i = 0; i < event->fact_count; i++) {
        const struct ol__event_fact *f = &event->facts[i];
        if (f->facet != (int)facet)
            continue;
        if (f->field == OL_FIELD_DATASET_LINEAGED_ARTIFACT_ARTIFACT_ID)
            claim.artifact = f->text;
        else if (f->field == OL_FIELD_DATASET_LINEAGED_ARTIFACT_MEMBERS_SHA256)
            claim.list = f->text;
        else if (f->field == OL_FIELD_DATASET_LINEAGED_ARTIFACT_MEMBER_COUNT && f->text.size < 19)
            for (size_t k = 0; k < f->text.size && f->text.data[k] >= '0' && f->text.data[k] <= '9';
                 k++)
                claim.count = claim.count * 10 + (f->text.data[k] - '0');
    }
    if (claim.list.size == 0) /* of a directory or a list the id is that of the text */
        claim.list = claim.artifact;
    return claim;
}

static ol_status put_claim(struct store *store, const struct claim *claim, int64_t uid,
                           int64_t seen, struct ol_error *err)
{
    uint8_t artifact[OL_SHA256_SIZE], list[OL_SHA256_SIZE];
    int64_t id = 0;
    if (claim->count <= 0 || !hash_of(claim->artifact, artifact) || !hash_of(claim->list, list))
        return OL_OK;
    ol_status status = members_have_list(store, list, claim->count, seen, &id, err);
    return status == OL_OK ? store_run(store, SQL_ARTIFACT_ADD, err, "biii",
                                       (struct ol__span){(const char *)artifact, sizeof artifact},
                                       id, uid, (int64_t)0)
                           : status;
}

ol_status members_claims(struct store *store, const struct ol__event *event, int64_t uid,
                         int64_t seen, struct ol_error *err)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < event->facet_count && status == OL_OK; i++) {
        if (event->facets[i].id != OL_FACET_DATASET_LINEAGED_ARTIFACT)
            continue;
        struct claim claim = read_claim(event, i);
        status = put_claim(store, &claim, uid, seen, err);
    }
    return status;
}

ol_status members_answer_docs(struct store *store, const struct ol__event *event,
                              const struct ol__event_facet *facet, int64_t answer,
                              struct ol_error *err)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < event->fact_count && status == OL_OK; i++) {
        const struct ol__event_fact *f = &event->facts[i];
        if (&event->facets[f->facet] == facet && f->type == OL_JSON_STRING &&
            (f->field == OL_FIELD_RUN_LINEAGED_ANSWER_RETRIEVED ||
             f->field == OL_FIELD_RUN_LINEAGED_ANSWER_CITED))
            status = store_run(store, SQL_ANSWER_DOC_ADD, err, "ii", dict_text_hash(store, f->text),
                               answer);
    }
    return status;
}

/* ---- Retention ---- */

/* Whether a version of any dataset is an artifact of the list. */
static ol_status is_named(struct store *store, int64_t list, bool *ret, struct ol_error *err)
{
    sqlite3_stmt *stmt = store_bind(store, SQL_ARTIFACTS_OF_LIST, err, "i", list);
    ol_status status = OL_OK;
    *ret = false;
    while (!*ret && (status = store_step(store, stmt, err)) == OL_OK) {
        sqlite3_stmt *version =
            store_bind(store, SQL_ASK_VERSION_VALUE, err, "b", store_column(stmt, 0));
        ol_status found = store_step(store, version, err);
        sqlite3_reset(version);
        *ret = found == OL_OK;
        if (found < 0) {
            status = found;
            break;
        }
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status remove_list(struct store *store, int64_t list, struct ol_error *err)
{
    struct ol__buf column;
    size_t at = 0;
    int64_t piece;
    sqlite3_stmt *stmt = store_bind(store, SQL_LIST_GET, err, "i", list);
    ol_status status = store_step(store, stmt, err);
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    ol__buf_init(&column, (size_t)10 * STORE_MEMBERS_MAX);
    struct ol__span ids = store_column(stmt, 3);
    ol__buf_add(&column, ids.data, ids.size);
    sqlite3_reset(stmt);
    if (column.status != OL_OK)
        status = ol__error_set(err, OL_NOMEM, "store: out of memory");
    while (status == OL_OK && column.size > 0 &&
           members_next_piece((struct ol__span){column.data, column.size}, &at, &piece) == OL_OK)
        status = store_run(store, SQL_LIST_PIECE_REMOVE, err, "ii", piece, list);
    ol__buf_release(&column);
    if (status == OL_OK)
        status = store_run(store, SQL_ARTIFACTS_REMOVE, err, "i", list);
    return status == OL_OK ? store_run(store, SQL_LIST_REMOVE, err, "i", list) : status;
}

static ol_status remove_piece(struct store *store, int64_t piece, struct ol__buf *data,
                              struct ol_error *err)
{
    struct member member;
    ol_status status = members_piece(store, piece, data, err);
    struct ol__span rest = {data->data, data->size};
    while (status == OL_OK && member_next(&rest, &member) == OL_OK) {
        if (member.is_link)
            continue;
        status = store_run(store, SQL_MEMBER_KEY_REMOVE, err, "ii",
                           member_name_key(store, member.name), piece);
        if (status == OL_OK)
            status = store_run(store, SQL_MEMBER_KEY_REMOVE, err, "ii",
                               member_content_key(store, member.sha256), piece);
    }
    return status == OL_OK ? store_run(store, SQL_PIECE_REMOVE, err, "i", piece) : status;
}

static ol_status sweep_lists(struct store *store, int64_t *at, int64_t before_ms, bool *ret_done,
                             struct ol_error *err)
{
    int64_t ids[SWEEP_LISTS], seen[SWEEP_LISTS];
    int count = 0;
    sqlite3_stmt *stmt = store_bind(store, SQL_SWEEP_LISTS, err, "ii", *at, (int64_t)SWEEP_LISTS);
    ol_status status;
    while ((status = store_step(store, stmt, err)) == OL_OK) {
        ids[count] = sqlite3_column_int64(stmt, 0);
        seen[count++] = sqlite3_column_int64(stmt, 1);
    }
    status = status == OL_END ? OL_OK : status;
    for (int i = 0; i < count && status == OL_OK; i++) {
        bool stays = seen[i] >= before_ms;
        if (!stays)
            status = is_named(store, ids[i], &stays, err);
        if (status == OL_OK && !stays)
            status = remove_list(store, ids[i], err);
        *at = ids[i];
    }
    *ret_done = count < SWEEP_LISTS;
    return status;
}

static ol_status sweep_pieces(struct store *store, int64_t *at, bool *ret_done,
                              struct ol_error *err)
{
    struct ol__buf data;
    int64_t *ids = calloc(SWEEP_PIECES, sizeof *ids);
    int looked = 0, count = 0;
    if (ids == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    sqlite3_stmt *stmt = store_bind(store, SQL_SWEEP_PIECES, err, "ii", *at, (int64_t)SWEEP_PIECES);
    ol_status status;
    while ((status = store_step(store, stmt, err)) == OL_OK) {
        *at = sqlite3_column_int64(stmt, 0);
        looked++;
        if (sqlite3_column_int64(stmt, 1) == 0)
            ids[count++] = *at;
    }
    status = status == OL_END ? OL_OK : status;
    ol__buf_init(&data, (size_t)64 << 20);
    for (int i = 0; i < count && status == OL_OK; i++)
        status = remove_piece(store, ids[i], &data, err);
    ol__buf_release(&data);
    free(ids);
    *ret_done = looked < SWEEP_PIECES;
    return status;
}

/* *at: from 0 the list; below 0: -1 - piece. */
ol_status members_sweep(struct store *store, int64_t *at, int64_t before_ms, bool *ret_done,
                        struct ol_error *err)
{
    bool is_over = false;
    *ret_done = false;
    if (*at >= 0) {
        ol_status status = sweep_lists(store, at, before_ms, &is_over, err);
        if (status == OL_OK && is_over)
            *at = -1;
        return status;
    }
    if (store->members_open > 0) { /* next time */
        *ret_done = true;
        return OL_OK;
    }
    int64_t piece = -1 - *at;
    ol_status status = sweep_pieces(store, &piece, ret_done, err);
    *at = -1 - piece;
    return status;
}

/* ---- Integrity ---- */

/* The bytes of the text, as they were put in. */
static ol_status write_piece(struct ol__span piece, struct ol__buf *text)
{
    struct member m;
    ol_status status;
    char hex[OL_SHA256_TEXT + 1];
    struct ol__buf name;
    ol__buf_init(&name, (size_t)8 << 20);
    while ((status = member_next(&piece, &m)) == OL_OK) {
        ol__buf_reset(&name);
        ol__buf_add(&name, m.name.data, m.name.size);
        if (name.status != OL_OK) {
            status = name.status;
            break;
        }
        ol__hex(m.sha256, sizeof m.sha256, hex);
        if (m.is_link)
            artifact_mark_add(text, "link", name.data);
        else
            artifact_line_add(text, hex, name.data);
    }
    ol__buf_release(&name);
    return status == OL_END ? text->status : status;
}

static ol_status hash_list(struct store *store, struct ol__span ids, uint8_t out[OL_SHA256_SIZE],
                           struct ol_error *err)
{
    struct ol__buf data, text;
    struct ol__sha256 *hash;
    size_t at = 0;
    int64_t piece;
    ol_status status = ol__sha256_new(&hash, err), next;
    if (status != OL_OK)
        return status;
    ol__buf_init(&data, (size_t)64 << 20);
    ol__buf_init(&text, (size_t)64 << 20);
    while (status == OL_OK && (next = members_next_piece(ids, &at, &piece)) != OL_END) {
        status = next == OL_OK
                     ? members_piece(store, piece, &data, err)
                     : ol__error_set(err, OL_CORRUPT, "store '%s': pieces of a list", store->path);
        ol__buf_reset(&text);
        if (status == OL_OK && write_piece((struct ol__span){data.data, data.size}, &text) != OL_OK)
            status = ol__error_set(err, OL_CORRUPT, "store '%s': piece %lld of a list is damaged",
                                   store->path, (long long)piece);
        if (status == OL_OK)
            ol__sha256_add(hash, text.data, text.size);
    }
    ol__sha256_finish(hash, out);
    ol__sha256_free(hash);
    ol__buf_release(&data);
    ol__buf_release(&text);
    return status;
}

static ol_status check_list(struct store *store, int64_t list, bool *ret_whole,
                            struct ol_error *err)
{
    uint8_t wanted[OL_SHA256_SIZE] = {0}, found[OL_SHA256_SIZE] = {0};
    char hex[OL_SHA256_TEXT + 1];
    struct ol__buf ids;
    sqlite3_stmt *stmt = store_bind(store, SQL_LIST_GET, err, "i", list);
    ol_status status = store_step(store, stmt, err);
    if (status != OL_OK)
        return status == OL_END ? OL_OK : status;
    struct ol__span sha256 = store_column(stmt, 0), column = store_column(stmt, 3);
    ol__buf_init(&ids, (size_t)10 * STORE_MEMBERS_MAX);
    ol__buf_add(&ids, column.data, column.size);
    if (sha256.size == sizeof wanted)
        memcpy(wanted, sha256.data, sizeof wanted);
    sqlite3_reset(stmt);
    *ret_whole = ids.size > 0;
    if (ids.status != OL_OK)
        status = ol__error_set(err, OL_NOMEM, "store: out of memory");
    else if (*ret_whole)
        status = hash_list(store, (struct ol__span){ids.data, ids.size}, found, err);
    ol__buf_release(&ids);
    if (status != OL_OK || !*ret_whole || memcmp(found, wanted, sizeof found) == 0)
        return status;
    ol__hex(wanted, sizeof wanted, hex);
    return ol__error_set(err, OL_CORRUPT, "store '%s': the list of members %s is not what it was",
                         store->path, hex);
}

ol_status store_members_check(struct store *store, int64_t *ret_lists, struct ol_error *err)
{
    int64_t last = 0;
    ol_status status = OL_OK;
    *ret_lists = 0;
    if (store->schema < 3)
        return OL_OK;
    for (;;) {
        bool is_whole = false;
        sqlite3_stmt *stmt = store_bind(store, SQL_SWEEP_LISTS, err, "ii", last, (int64_t)1);
        status = store_step(store, stmt, err);
        if (status != OL_OK)
            return status == OL_END ? OL_OK : status;
        last = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        status = check_list(store, last, &is_whole, err);
        if (status != OL_OK)
            return status;
        *ret_lists += is_whole;
    }
}
