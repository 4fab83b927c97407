/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. What is found by hash is compared with what was asked.
 *  2. A list is only looked into for a user who has it (or who sees all); what an artifact is said
 * to have counts only as said by that user. */
#include "ask_members.h"

#include <stdio.h>
#include "answers.h"

#define PIECE_MAX ((size_t)64 << 20)

static ol_status done(ol_status status)
{
    return status < 0 ? status : OL_OK;
}

static struct ol__span as_blob(const uint8_t sha256[OL_SHA256_SIZE])
{
    return (struct ol__span){(const char *)sha256, OL_SHA256_SIZE};
}

/* ---- Members ---- */

/* The first member of the piece that is meant. */
static ol_status look_in_piece(struct ask *ask, int64_t piece, struct ol__span name,
                               const uint8_t *sha256, struct ol__buf *space,
                               ask_member_handler *each, void *arg)
{
    struct member m;
    struct ask_member found = {.piece = piece};
    ol_status status = members_piece(ask->store, piece, space, ask->err);
    struct ol__span rest = {space->data, space->size};
    for (; status == OL_OK && (status = member_next(&rest, &m)) == OL_OK; found.index++) {
        bool is_it =
            !m.is_link && (sha256 != NULL ? memcmp(m.sha256, sha256, sizeof m.sha256) == 0
                                          : ol__span_equal(member_plain_name(m.name), name));
        if (!is_it)
            continue;
        memcpy(found.sha256, m.sha256, sizeof found.sha256);
        return each(arg, &found, m.name);
    }
    if (status == OL_CORRUPT)
        ol__error_set(ask->err, OL_CORRUPT, "store: piece %lld of a list is damaged",
                      (long long)piece);
    return done(status);
}

static ol_status look_up(struct ask *ask, int64_t key, struct ol__span name, const uint8_t *sha256,
                         ask_member_handler *each, void *arg)
{
    struct ol__buf space;
    int64_t piece = 0;
    ol_status status = OL_OK;
    if (ask->store->schema < 3)
        return OL_OK;
    ol__buf_init(&space, PIECE_MAX);
    while (status == OL_OK) { /* anew for each: @p each may look up, too */
        sqlite3_stmt *stmt =
            store_bind(ask->store, SQL_ASK_MEMBER_PIECES, ask->err, "ii", key, piece);
        status = store_step(ask->store, stmt, ask->err);
        if (status != OL_OK)
            break;
        piece = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        status = look_in_piece(ask, piece, name, sha256, &space, each, arg);
    }
    ol__buf_release(&space);
    return done(status);
}

ol_status ask_members_named(struct ask *ask, struct ol__span name, ask_member_handler *each,
                            void *arg)
{
    name = member_plain_name(name);
    return name.size == 0 ? OL_OK
                          : look_up(ask, member_name_key(ask->store, name), name, NULL, each, arg);
}

ol_status ask_members_of_content(struct ask *ask, const uint8_t sha256[OL_SHA256_SIZE],
                                 ask_member_handler *each, void *arg)
{
    if (member_is_empty(sha256))
        return OL_OK;
    return look_up(ask, member_content_key(ask->store, sha256), (struct ol__span){0}, sha256, each,
                   arg);
}

ol_status ask_member_get(struct ask *ask, int64_t piece, int64_t index, struct ol__buf *space,
                         struct member *ret)
{
    ol_status status = members_piece(ask->store, piece, space, ask->err);
    struct ol__span rest = {space->data, space->size};
    for (int64_t i = 0; i <= index && status == OL_OK; i++)
        status = member_next(&rest, ret);
    return status == OL_END ? ol__error_set(ask->err, OL_CORRUPT, "store: a member is gone")
                            : status;
}

/* ---- Lists and artifacts ---- */

/* Artifacts of the list as the asker may know them. *ret_has: the asker has the list itself. */
static ol_status artifacts_of(struct ask *ask, int64_t list, uint8_t (*ret)[OL_SHA256_SIZE],
                              size_t max, size_t *ret_count, bool *ret_has)
{
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ARTIFACTS_OF_LIST, ask->err, "i", list);
    ol_status status;
    *ret_count = 0;
    *ret_has = false;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        struct ol__span sha256 = store_column(stmt, 0);
        bool is_again = false;
        if (sha256.size != OL_SHA256_SIZE || !ask_may_see(ask, sqlite3_column_int64(stmt, 1)))
            continue;
        *ret_has = *ret_has || sqlite3_column_int64(stmt, 2) != 0;
        for (size_t i = 0; i < *ret_count; i++)
            is_again = is_again || memcmp(ret[i], sha256.data, OL_SHA256_SIZE) == 0;
        if (!is_again && *ret_count < max)
            memcpy(ret[(*ret_count)++], sha256.data, OL_SHA256_SIZE);
    }
    return done(status);
}

static ol_status has_list(struct ask *ask, int64_t list, bool *ret)
{
    uint8_t artifact[1][OL_SHA256_SIZE];
    size_t count;
    return artifacts_of(ask, list, artifact, 1, &count, ret);
}

static ol_status keep_those_had(struct ask *ask, int64_t *lists, size_t *count)
{
    ol_status status = OL_OK;
    size_t kept = 0;
    for (size_t i = 0; i < *count && status == OL_OK; i++) {
        bool has = false;
        status = has_list(ask, lists[i], &has);
        if (has)
            lists[kept++] = lists[i];
    }
    *count = kept;
    return status;
}

static ol_status read_lists(struct ask *ask, sqlite3_stmt *stmt, int64_t *ret, size_t max,
                            size_t *ret_count)
{
    ol_status status;
    *ret_count = 0;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK)
        if (*ret_count < max)
            ret[(*ret_count)++] = sqlite3_column_int64(stmt, 0);
    status = done(status);
    return status == OL_OK ? keep_those_had(ask, ret, ret_count) : status;
}

ol_status ask_piece_lists(struct ask *ask, int64_t piece, int64_t *ret, size_t max,
                          size_t *ret_count)
{
    return read_lists(ask, store_bind(ask->store, SQL_ASK_PIECE_LISTS, ask->err, "i", piece), ret,
                      max, ret_count);
}

ol_status ask_artifact_lists(struct ask *ask, const uint8_t sha256[OL_SHA256_SIZE], int64_t *ret,
                             size_t max, size_t *ret_count)
{
    *ret_count = 0;
    if (ask->store->schema < 3)
        return OL_OK;
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_ARTIFACT_LISTS, ask->err, "b", as_blob(sha256));
    ol_status status;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        int64_t list = sqlite3_column_int64(stmt, 0);
        bool is_again = *ret_count > 0 && ret[*ret_count - 1] == list;
        if (ask_may_see(ask, sqlite3_column_int64(stmt, 1)) && !is_again && *ret_count < max)
            ret[(*ret_count)++] = list;
    }
    status = done(status);
    return status == OL_OK ? keep_those_had(ask, ret, ret_count) : status;
}

/* ---- Versions ---- */

static ol_status is_visible(struct ask *ask, int64_t version, bool *ret)
{
    bool sees_all = ask->question->uid == STORE_ANY_UID;
    *ret = true;
    if (sees_all)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_VERSION_RUN_UID, ask->err, "ii", version,
                                    ask->question->uid);
    ol_status status = store_step(ask->store, stmt, ask->err);
    *ret = status == OL_OK;
    sqlite3_reset(stmt);
    return done(status);
}

ol_status ask_versions_of(struct ask *ask, const uint8_t sha256[OL_SHA256_SIZE],
                          struct ask_held *ret, size_t max, size_t *ret_count)
{
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_VERSION_VALUE, ask->err, "b", as_blob(sha256));
    size_t count = 0;
    ol_status status;
    *ret_count = 0;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK)
        if (count < max)
            ret[count++] = (struct ask_held){.dataset = sqlite3_column_int64(stmt, 1),
                                             .version = sqlite3_column_int64(stmt, 0)};
    status = done(status);
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        bool is_seen = false;
        status = is_visible(ask, ret[i].version, &is_seen);
        if (is_seen)
            ret[(*ret_count)++] = ret[i];
    }
    return status;
}

ol_status ask_list_versions(struct ask *ask, int64_t list, struct ask_held *ret, size_t max,
                            size_t *ret_count)
{
    uint8_t artifacts[16][OL_SHA256_SIZE];
    size_t count = 0;
    bool has = false;
    ol_status status = artifacts_of(ask, list, artifacts, OL_COUNT(artifacts), &count, &has);
    *ret_count = 0;
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        size_t more = 0;
        status = ask_versions_of(ask, artifacts[i], ret + *ret_count, max - *ret_count, &more);
        *ret_count += more;
    }
    return status;
}

ol_status ask_version_hash(struct ask *ask, int64_t version, uint8_t ret[OL_SHA256_SIZE],
                           bool *ret_is_hash)
{
    *ret_is_hash = false;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_VERSION_GET, ask->err, "i", version);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status != OL_OK)
        return done(status);
    if (sqlite3_column_type(stmt, 1) == SQLITE_BLOB &&
        sqlite3_column_bytes(stmt, 1) == OL_SHA256_SIZE) {
        memcpy(ret, store_column(stmt, 1).data, OL_SHA256_SIZE);
        *ret_is_hash = true;
    }
    sqlite3_reset(stmt);
    return OL_OK;
}

/* ---- The subject ---- */

struct hits {
    struct ask *ask;
    const char *directory; /* NULL: any; else the member counts only where it is a dataset's */
    size_t directory_size;
};

/* Whether a list of the member is a version of the dataset file, DIRECTORY. */
static ol_status is_of_directory(const struct hits *h, int64_t list, bool *ret)
{
    struct ask_held held[ASK_MEMBER_VERSIONS];
    size_t count = 0;
    ol_status status = ask_list_versions(h->ask, list, held, OL_COUNT(held), &count);
    for (size_t i = 0; i < count && status == OL_OK && !*ret; i++) {
        sqlite3_stmt *stmt = store_bind(h->ask->store, SQL_ASK_DATASET, h->ask->err, "ii",
                                        held[i].dataset, (int64_t)0);
        status = store_step(h->ask->store, stmt, h->ask->err);
        if (status == OL_OK)
            *ret = ol__span_equal(store_column(stmt, 1),
                                  (struct ol__span){h->directory, h->directory_size});
        sqlite3_reset(stmt);
        status = done(status);
    }
    return status;
}

static ol_status add_hit(void *arg, const struct ask_member *member, struct ol__span name OL_UNUSED)
{
    const struct hits *h = arg;
    struct ask *ask = h->ask;
    int64_t lists[ASK_MEMBER_VERSIONS];
    size_t count = 0;
    bool counts = h->directory == NULL;
    ol_status status = ask_piece_lists(ask, member->piece, lists, OL_COUNT(lists), &count);
    if (status != OL_OK || count == 0)
        return status; /* nobody's, or another's */
    for (size_t i = 0; i < count && status == OL_OK && !counts; i++)
        status = is_of_directory(h, lists[i], &counts);
    if (status != OL_OK || !counts)
        return status;
    ask->kind = ASK_MEMBER;
    if (ask->count == ASK_MATCHES) {
        ask->is_cut = true;
        return OL_END;
    }
    ask->ids[ask->count] = member->piece;
    ask->versions[ask->count++] = member->index;
    return OL_OK;
}

/* A file's path: wherever a recorded directory may end. */
static ol_status find_in_directories(struct ask *ask, struct ol__span path)
{
    ol_status status = OL_OK;
    for (size_t i = path.size; i-- > 1 && status == OL_OK && ask->count == 0;) {
        if (path.data[i] != '/' || i + 1 == path.size)
            continue;
        struct hits h = {.ask = ask, .directory = path.data, .directory_size = i};
        status = ask_members_named(ask, (struct ol__span){path.data + i + 1, path.size - i - 1},
                                   add_hit, &h);
    }
    return status;
}

static ol_status see_doc(void *arg, int64_t answer OL_UNUSED, int64_t run OL_UNUSED)
{
    struct ask *ask = arg;
    ask->kind = ASK_MEMBER;
    return OL_END;
}

ol_status ask_find_members(struct ask *ask)
{
    static const char prefix[] = "sha256:";
    struct hits h = {.ask = ask};
    uint8_t sha256[OL_SHA256_SIZE];
    const char *content = ask->question->content;
    struct ol__span hash = content != NULL ? ol__span_text(content) : ask->raw;
    ol_status status = OL_OK;
    ask->by = "member";
    if (content == NULL || strncmp(content, prefix, sizeof prefix - 1) != 0)
        status = ask_members_named(ask, ask->raw, add_hit, &h);
    if (status == OL_OK && ask->count == 0 && ask->name.size > 0 && ask->name.data[0] == '/')
        status = find_in_directories(ask, ask->name);
    if (status == OL_OK && ask->count == 0 && version_pack(hash, sha256)) {
        ask->by = "content";
        status = ask_members_of_content(ask, sha256, add_hit, &h);
    }
    if (status == OL_OK && ask->count == 0)
        status = ask_members_named(ask, ask->raw, add_hit, &h);
    return status == OL_OK && ask->kind == ASK_NONE ? ask_doc_answers(ask, ask->raw, see_doc, ask)
                                                    : status;
}

/* ---- Documents of answers ---- */

ol_status ask_doc_answers(struct ask *ask, struct ol__span id, ask_doc_handler *each, void *arg)
{
    int64_t before = INT64_MAX;
    ol_status status = OL_OK;
    if (ask->store->schema < 3 || id.size == 0)
        return OL_OK;
    while (status == OL_OK) {
        bool has_it = false;
        int64_t run = 0;
        struct ask_run row;
        sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_DOC_ANSWERS, ask->err, "ii",
                                        dict_text_hash(ask->store, id), before);
        status = store_step(ask->store, stmt, ask->err);
        if (status != OL_OK)
            break;
        before = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        status = ask_answer_has_doc(ask, before, id, &run, &has_it);
        if (status != OL_OK || !has_it)
            continue;
        status = ask_run(ask, run, false, &row);
        if (status == OL_OK)
            status = each(arg, before, run);
        else if (status == OL_NOT_FOUND)
            status = OL_OK;
    }
    return done(status);
}

/* ---- Writing ---- */

ol_status ask_write_member(struct ask *ask, int64_t piece, int64_t index)
{
    struct ol__buf space;
    struct member m = {.is_link = false};
    char hex[OL_SHA256_TEXT + 1];
    ol__buf_init(&space, PIECE_MAX);
    ol_status status = ask_member_get(ask, piece, index, &space, &m);
    if (status == OL_OK) {
        ol__hex(m.sha256, sizeof m.sha256, hex);
        ol__json_member_span(&ask->json, "name", m.name);
        ol__json_member_text(&ask->json, "sha256", hex);
    }
    ol__buf_release(&space);
    return status;
}

ol_status ask_write_lists_not_here(struct ask *ask)
{
    bool sees_all = ask->question->uid == STORE_ANY_UID;
    if (ask->store->schema < 3)
        return OL_OK;
    sqlite3_stmt *stmt = sees_all ? store_bind(ask->store, SQL_ASK_LISTS_NOT_HERE, ask->err, "")
                                  : store_bind(ask->store, SQL_ASK_LISTS_NOT_HERE_UID, ask->err,
                                               "i", ask->question->uid);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK && sqlite3_column_int64(stmt, 0) > 0)
        ol__json_member_int(&ask->json, "lists_not_here", sqlite3_column_int64(stmt, 0));
    sqlite3_reset(stmt);
    return done(status);
}
