/* SPDX-License-Identifier: Apache-2.0 */
/* What X of a question is.
 * Promises:
 *  1. What is tried, and in which order, does not depend on who asks; what is found does (ask.c,
 * promise 2).
 *  2. A thing that is not recorded is not guessed at: the answer says all that was tried. */
#include "answers.h"
#include "ask_members.h"

#include "derive.h"

#define SEPARATOR '\x1f'
#define SPLITS_MAX 64
#define CONTENT_PREFIX "sha256:"

/* ---- Looking up ---- */

static ol_status dataset_is_visible(struct ask *ask, int64_t dataset, bool *ret)
{
    *ret = true;
    if (ask->question->uid == STORE_ANY_UID)
        return OL_OK;
    struct store *store = ask->store;
    sqlite3_stmt *stmt =
        store_bind(store, SQL_ASK_DATASET_UID, ask->err, "ii", dataset, ask->question->uid);
    ol_status status = store_step(store, stmt, ask->err);
    if (status < 0)
        return status;
    sqlite3_reset(stmt);
    if (status == OL_OK)
        return OL_OK;
    stmt = store_bind(store, SQL_DATASET_GET, ask->err, "i", dataset);
    status = store_step(store, stmt, ask->err);
    *ret = status == OL_OK && sqlite3_column_type(stmt, 3) != SQLITE_NULL &&
           sqlite3_column_int64(stmt, 1) == ask->question->uid;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status job_is_visible(struct ask *ask, int64_t job, bool *ret)
{
    *ret = true;
    if (ask->question->uid == STORE_ANY_UID)
        return OL_OK;
    *ret = false;
    struct store *store = ask->store;
    sqlite3_stmt *stmt = store_bind(store, SQL_ASK_RUNS_JOB, ask->err, "i", job);
    ol_status status;
    while ((status = store_step(store, stmt, ask->err)) == OL_OK && !*ret)
        *ret = ask_may_see(ask, sqlite3_column_int64(stmt, 1));
    sqlite3_reset(stmt);
    if (status < 0 || *ret)
        return status < 0 ? status : OL_OK;
    stmt = store_bind(store, SQL_JOB_GET, ask->err, "i", job);
    status = store_step(store, stmt, ask->err);
    *ret = status == OL_OK && sqlite3_column_type(stmt, 3) != SQLITE_NULL &&
           sqlite3_column_int64(stmt, 1) == ask->question->uid;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status ask_is_visible(struct ask *ask, enum ask_kind kind, int64_t id, bool *ret)
{
    *ret = true;
    return kind == ASK_DATASET ? dataset_is_visible(ask, id, ret)
           : kind == ASK_JOB   ? job_is_visible(ask, id, ret)
                               : OL_OK;
}

ol_status ask_add_match(struct ask *ask, enum ask_kind kind, int64_t id, int64_t version, int max)
{
    bool is_visible = true;
    ol_status status = ask_is_visible(ask, kind, id, &is_visible);
    if (status != OL_OK || !is_visible)
        return status;
    for (int i = 0; i < ask->count; i++)
        if (ask->ids[i] == id && ask->versions[i] == version)
            return OL_OK;
    if (ask->count == max) {
        ask->is_cut = max > ASK_MATCHES; /* of a name the first are enough */
        return OL_OK;
    }
    ask->kind = kind;
    ask->ids[ask->count] = id;
    ask->versions[ask->count++] = version;
    return OL_OK;
}

static ol_status add_match(struct ask *ask, enum ask_kind kind, int64_t id, int64_t version)
{
    return ask_add_match(ask, kind, id, version, ASK_MATCHES);
}

/* By name, in @p name_space or (NULL data) any. Visibility needs other statements: gather first. */
static ol_status find_named(struct ask *ask, enum ask_kind kind, struct ol__span name_space,
                            struct ol__span name)
{
    int64_t found[ASK_MATCHES];
    int count = 0;
    if (name.size == 0)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(
        ask->store, kind == ASK_JOB ? SQL_ASK_JOB_NAME : SQL_ASK_DATASET_NAME, ask->err, "t", name);
    ol_status status;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK)
        if ((name_space.data == NULL || ol__span_equal(name_space, store_column(stmt, 1))) &&
            count < ASK_MATCHES)
            found[count++] = sqlite3_column_int64(stmt, 0);
    status = status == OL_END ? OL_OK : status;
    for (int i = 0; i < count && status == OL_OK; i++)
        status = add_match(ask, kind, found[i], 0);
    return status;
}

/* NAMESPACE/NAME, NAMESPACE NAME, or a URI: wherever a namespace may end and a name begin. */
static ol_status find_split(struct ask *ask, enum ask_kind kind, struct ol__span text)
{
    ol_status status = OL_OK;
    for (size_t i = 1, splits = 0; i + 1 < text.size && splits < SPLITS_MAX && status == OL_OK;
         i++) {
        if (text.data[i] != '/' && text.data[i] != ' ')
            continue;
        splits++;
        struct ol__span space = {.data = text.data, .size = i};
        struct ol__span name = {.data = text.data + i + 1, .size = text.size - i - 1};
        status = find_named(ask, kind, space, name);
        if (status == OL_OK && text.data[i] == '/') /* hdfs, file: names with their slash */
            status = find_named(ask, kind, space,
                                (struct ol__span){.data = name.data - 1, .size = name.size + 1});
    }
    return status;
}

ol_status ask_find_jobs(struct ask *ask, struct ol__span text)
{
    ol_status status = find_named(ask, ASK_JOB, (struct ol__span){0}, text);
    return status == OL_OK && ask->count == 0 ? find_split(ask, ASK_JOB, text) : status;
}

ol_status ask_find_datasets(struct ask *ask, struct ol__span text)
{
    ol_status status = find_named(ask, ASK_DATASET, (struct ol__span){0}, text);
    return status == OL_OK && ask->count == 0 ? find_split(ask, ASK_DATASET, text) : status;
}

/* The bytes of a UUID's first digits, the rest filled with @p fill. false: not such a prefix. */
static bool uuid_prefix(struct ol__span text, uint8_t fill, uint8_t out[16])
{
    size_t digits = 0;
    memset(out, fill, 16);
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '-' && (i == 8 || i == 13 || i == 18 || i == 23))
            continue;
        int v = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (v < 0 || digits == 32)
            return false;
        uint8_t *byte = &out[digits / 2];
        *byte = digits % 2 == 0 ? (uint8_t)(v << 4 | (fill & 15)) : (uint8_t)((*byte & 0xf0) | v);
        digits++;
    }
    return digits >= 8;
}

ol_status ask_find_runs(struct ask *ask, struct ol__span text)
{
    uint8_t low[16], high[16];
    struct ol__uuid exact, of_receipts;
    enum ol__foreign form;
    bool is_receipt =
        ol__derive_foreign((struct ol__span){0}, text, &of_receipts, &form) == OL_OK &&
        form == OL_FOREIGN_RECEIPT;
    exact =
        is_receipt ? of_receipts : run_uuid(text); /* the folder's name of a run with receipts */
    memcpy(low, exact.bytes, 16);                  /* an id that is no UUID, or one in full */
    memcpy(high, exact.bytes, 16);
    if (text.size < OL_UUID_TEXT && uuid_prefix(text, 0x00, low))
        (void)uuid_prefix(text, 0xff, high);
    else
        memcpy(low, exact.bytes, 16); /* uuid_prefix() may have begun to write */
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_RUN_RANGE, ask->err, "bb",
                                    (struct ol__span){(const char *)low, 16},
                                    (struct ol__span){(const char *)high, 16});
    ol_status status;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK)
        if (ask_may_see(ask, sqlite3_column_int64(stmt, 1)) && ask->count < ASK_MATCHES) {
            ask->kind = ASK_RUN;
            ask->versions[ask->count] = 0;
            ask->ids[ask->count++] = sqlite3_column_int64(stmt, 0);
        }
    return status == OL_END ? OL_OK : status;
}

/* Rows of versions with this value: of @p dataset, or (0) of any. */
static ol_status find_content(struct ask *ask, struct ol__span content, int64_t dataset,
                              int64_t *ret_version)
{
    uint8_t bytes[32];
    int64_t versions[ASK_MATCHES], datasets[ASK_MATCHES];
    int count = 0;
    bool is_packed = version_pack(content, bytes);
    if (is_packed)
        content = (struct ol__span){.data = (const char *)bytes, .size = sizeof bytes};
    sqlite3_stmt *stmt = dataset != 0 ? store_bind(ask->store, SQL_ASK_VERSION, ask->err,
                                                   is_packed ? "bi" : "ti", content, dataset)
                                      : store_bind(ask->store, SQL_ASK_VERSION_VALUE, ask->err,
                                                   is_packed ? "b" : "t", content);
    ol_status status;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK && count < ASK_MATCHES) {
        versions[count] = sqlite3_column_int64(stmt, 0);
        datasets[count++] = dataset != 0 ? dataset : sqlite3_column_int64(stmt, 1);
    }
    sqlite3_reset(stmt);
    status = status == OL_END ? OL_OK : status;
    if (dataset != 0) {
        *ret_version = count > 0 ? versions[0] : 0;
        return status;
    }
    for (int i = 0; i < count && status == OL_OK; i++)
        status = add_match(ask, ASK_DATASET, datasets[i], versions[i]);
    return status;
}

/* The name was found; the content picks the version. */
static ol_status pick_version(struct ask *ask)
{
    struct ol__span content = ol__span_text(ask->question->content);
    bool has_any = false;
    ol_status status = OL_OK;
    for (int i = 0; i < ask->count && status == OL_OK; i++) {
        status = find_content(ask, content, ask->ids[i], &ask->versions[i]);
        has_any = has_any || ask->versions[i] != 0;
    }
    if (!has_any)
        ask->note = strchr(ask->question->content, ':') != NULL
                        ? "content differs from every recorded version"
                        : "no such version is recorded";
    return status;
}

static void split_subject(struct ask *ask)
{
    struct ol__span text = ol__span_text(ask->question->subject);
    const char *first = text.size > 0 ? memchr(text.data, SEPARATOR, text.size) : NULL;
    ask->raw = ask->name = text;
    if (first == NULL)
        return;
    const char *end = text.data + text.size;
    const char *second = memchr(first + 1, SEPARATOR, (size_t)(end - first - 1));
    const char *name_end = second != NULL ? second : end;
    ask->name_space = (struct ol__span){.data = text.data, .size = (size_t)(first - text.data)};
    ask->name = (struct ol__span){.data = first + 1, .size = (size_t)(name_end - first - 1)};
    ask->raw = second != NULL
                   ? (struct ol__span){.data = second + 1, .size = (size_t)(end - second - 1)}
                   : ask->name;
}

/* Runs that called a model whose provider gave this id to the request. */
static ol_status find_calls(struct ask *ask)
{
    int64_t runs[ASK_MATCHES], value = 0, key = 0;
    int count = 0;
    ol_status status = ask_text_id(ask, ask->raw, &value);
    if (status == OL_OK && value != 0)
        status = ask_text_id(ask, ol__span_text("provider_request_id"), &key);
    if (status != OL_OK || key == 0)
        return status;
    sqlite3_stmt *stmt =
        store_bind(ask->store, SQL_ASK_ID_KEY, ask->err, "iii", value, key, (int64_t)ASK_MATCHES);
    while (count < ASK_MATCHES && (status = store_step(ask->store, stmt, ask->err)) == OL_OK)
        runs[count++] = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    status = status < 0 ? status : OL_OK;
    for (int i = 0; i < count && status == OL_OK; i++) {
        struct ask_run run;
        status = ask_run(ask, runs[i], false, &run);
        if (status == OL_OK)
            status = add_match(ask, ASK_RUN, runs[i], 0);
        else if (status == OL_NOT_FOUND)
            status = OL_OK;
    }
    return status;
}

/* By the id of a request: answers, or the runs that gave them; else calls of models. */
static ol_status find_answers(struct ask *ask)
{
    int64_t answers[ASK_MATCHES], runs[ASK_MATCHES];
    int count = 0;
    ask->by = "request";
    ol_status status = ask_find_answers(ask, ask->raw, answers, runs, ASK_MATCHES, &count);
    for (int i = 0; i < count && status == OL_OK; i++)
        status = ask->wants_answers ? add_match(ask, ASK_ANSWER, answers[i], 0)
                                    : add_match(ask, ASK_RUN, runs[i], 0);
    if (status == OL_OK && ask->count == 0)
        status = find_calls(ask);
    return status == OL_OK && ask->count == 0 ? OL_NOT_FOUND : status;
}

static bool is_kind(const char *text)
{
    static const char *const kinds[] = {"dataset", "job", "run", "content",
                                        "member",  "tag", "code"};
    for (size_t i = 0; i < OL_COUNT(kinds); i++)
        if (strcmp(kinds[i], text) == 0)
            return true;
    return false;
}

bool ask_wants(const struct ask *ask, const char *kind)
{
    return ask->question->kind == NULL || strcmp(ask->question->kind, kind) == 0;
}

/* A job of the very name of a dataset that was found: said, so that it can be asked for. */
static ol_status look_for_job(struct ask *ask)
{
    int64_t found[ASK_MATCHES];
    int count = 0;
    if (!ask_wants(ask, "job"))
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_JOB_NAME, ask->err, "t", ask->raw);
    ol_status status = OL_OK;
    while (count < ASK_MATCHES && (status = store_step(ask->store, stmt, ask->err)) == OL_OK)
        found[count++] = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    status = status < 0 ? status : OL_OK;
    for (int i = 0; i < count && status == OL_OK && ask->also == NULL; i++) {
        bool is_visible = false;
        status = job_is_visible(ask, found[i], &is_visible);
        ask->also = is_visible ? "job" : NULL;
    }
    return status;
}

static ol_status resolve_name(struct ask *ask)
{
    const struct ol__span any = {0};
    ol_status status = OL_OK;
    bool wants_dataset = ask_wants(ask, "dataset");
    ask->by = "name";
    if (wants_dataset && ask->name_space.data != NULL)
        status = find_named(ask, ASK_DATASET, ask->name_space, ask->name);
    if (wants_dataset && status == OL_OK && ask->count == 0)
        status = find_named(ask, ASK_DATASET, any, ask->raw);
    if (wants_dataset && status == OL_OK && ask->count == 0)
        status = find_split(ask, ASK_DATASET, ask->raw);
    if (status == OL_OK && ask->count > 0)
        status = look_for_job(ask);
    if (status == OL_OK && ask->count > 0 && ask->question->content != NULL)
        return pick_version(ask);
    if (status == OL_OK && ask->count == 0 && ask_wants(ask, "job"))
        status = ask_find_jobs(ask, ask->raw);
    return status;
}

/* The first digits of several runs are none of them. */
static ol_status one_run(struct ask *ask)
{
    ol_status status = OL_OK;
    if (ask->count < 2)
        return OL_OK;
    for (int i = 0; i < ask->count && status == OL_OK; i++) {
        struct ask_run run;
        status = ask_run(ask, ask->ids[i], false, &run);
        if (status == OL_OK)
            ask_add_candidate(ask, "run id", ol__span_text(run.run_id));
        status = status == OL_NOT_FOUND ? OL_OK : status;
    }
    ask->candidates.is_cut = ask->count == ASK_MATCHES;
    ask->count = 0;
    ask->kind = ASK_NONE;
    return status;
}

/* By its content, or as a member of something. */
static ol_status resolve_bytes(struct ask *ask)
{
    ol_status status = OL_OK;
    ask->by = "content";
    /* "v7" of something else is no answer; a digest is the same bytes under whatever name. */
    if (!ask_wants(ask, "content") && !ask_wants(ask, "member"))
        return OL_OK;
    if (ask_wants(ask, "content") && ask->question->content != NULL &&
        strchr(ask->question->content, ':') != NULL)
        status = find_content(ask, ol__span_text(ask->question->content), 0, NULL);
    else if (ask_wants(ask, "content") && ask->raw.size > sizeof CONTENT_PREFIX &&
             memcmp(ask->raw.data, CONTENT_PREFIX, sizeof CONTENT_PREFIX - 1) == 0)
        status = find_content(ask, ask->raw, 0, NULL);
    if (status == OL_OK && ask->count == 0 && ask->wants_members && ask_wants(ask, "member"))
        status = ask_find_members(ask);
    return status;
}

ol_status ask_resolve(struct ask *ask)
{
    ol_status status = OL_OK;
    split_subject(ask);
    ask->also = NULL;
    ask->candidates = (struct ask_candidates){.kind = NULL};
    if (ask->question->is_request) {
        ask->raw = ask->name = ol__span_text(ask->question->subject);
        return find_answers(ask);
    }
    if (ask->question->kind != NULL && !is_kind(ask->question->kind))
        return ol__error_set(ask->err, OL_INVALID,
                             "kind: '%.60s': expected dataset, job, run, content, member, tag or "
                             "code",
                             ask->question->kind);
    status = resolve_name(ask);
    if (status != OL_OK || ask->count > 0)
        return status;
    ask->by = "id";
    if (ask_wants(ask, "run"))
        status = ask_find_runs(ask, ask->raw);
    if (status == OL_OK)
        status = one_run(ask);
    if (status != OL_OK || ask->count > 0 || ask->candidates.count > 0)
        return status != OL_OK || ask->count > 0 ? status : OL_NOT_FOUND;
    status = resolve_bytes(ask);
    if (status != OL_OK || ask->count > 0 || ask->kind == ASK_MEMBER)
        return status;
    if (ask_wants(ask, "tag") || ask_wants(ask, "code"))
        status = ask_find_tagged(ask, ask->raw);
    if (status == OL_OK && ask->count == 0 && (ask_wants(ask, "content") || ask_wants(ask, "code")))
        status = ask_find_short(ask, ask->raw);
    if (status != OL_OK || ask->count > 0)
        return status;
    return ask->question->kind == NULL ? find_answers(ask) : OL_NOT_FOUND;
}

ol_status ask_not_found(const struct ask *ask)
{
    if (ask->candidates.count > 0)
        return ol__error_set(ask->err, OL_NOT_FOUND, "'%.*s' is the beginning of several %ss",
                             (int)OL_MIN(ask->raw.size, 150u), ask->raw.data, ask->candidates.kind);
    return ol__error_set(ask->err, OL_NOT_FOUND, "nothing is recorded under '%.*s'",
                         (int)OL_MIN(ask->raw.size, 150u), ask->raw.data);
}

/* ---- Writing ---- */

static ol_status write_match(struct ask *ask, int i)
{
    if (ask->kind == ASK_ANSWER)
        return OL_OK; /* it stands below, whole */
    if (ask->kind == ASK_MEMBER)
        return ask_write_member(ask, ask->ids[i], ask->versions[i]);
    if (ask->kind != ASK_RUN) {
        return ask->kind == ASK_DATASET ? ask_write_dataset(ask, ask->ids[i], ask->versions[i])
                                        : ask_write_name(ask, ask->kind, ask->ids[i]);
    }
    return ask_write_run_id(ask, "run_id",
                            ask->ids[i]); /* at the time asked for, maybe not there */
}

ol_status ask_write_subject(struct ask *ask)
{
    static const char *const kinds[] = {"none", "dataset", "job", "run", "answer", "member"};
    struct ol__json_writer *w = &ask->json;
    ol_status status = OL_OK;
    ol__json_key(w, "subject");
    ol__json_begin_object(w);
    ol__json_member_span(w, "query", ask->raw);
    ol__json_member_text_opt(w, "content", ask->question->content);
    ol__json_member_text(w, "kind", kinds[ask->kind]);
    if (ask->kind == ASK_NONE) {
        ol__json_key(w, "tried");
        ol__json_begin_array(w);
        ol__json_text(w, "dataset by name");
        ol__json_text(w, "dataset by namespace and name");
        ol__json_text(w, "job by name");
        ol__json_text(w, "run by id");
        ol__json_text(w, "dataset by content");
        if (ask->wants_members)
            ol__json_text(w, "member of an artifact");
        ol__json_text(w, "tag");
        ol__json_text(w, "code by version");
        ol__json_text(w, "answer by request");
        ol__json_end_array(w);
        status = ask_write_candidates(ask);
    } else {
        ol__json_member_text(w, "by", ask->by);
        ol__json_member_text_opt(w, "also", ask->also);
        ol__json_member_text_opt(w, "note", ask->note);
        if (ask->is_cut && ask->kind != ASK_MEMBER) /* of members the walk says it */
            ol__json_member_bool(w, "truncated", true);
        ol__json_key(w, "matches");
        ol__json_begin_array(w);
        for (int i = 0; i < ask->count && status == OL_OK; i++) {
            ol__json_begin_object(w);
            status = write_match(ask, i);
            ol__json_end_object(w);
        }
        ol__json_end_array(w);
    }
    if (status == OL_OK && ask->wants_members)
        status = ask_write_lists_not_here(ask);
    ol__json_end_object(w);
    return status;
}
