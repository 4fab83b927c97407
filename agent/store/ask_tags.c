/* SPDX-License-Identifier: Apache-2.0 */
/* Subjects that are many things at once: all that have a tag, all that ran one version of the code.
 * Promises:
 *  1. Runs are found by an index of values, never by looking at all of them.
 *  2. A tag of a job or dataset is believed only where the facet that counts still says so;
 * datasets come in the version in which the run told it.
 *  3. What static events (JobEvent, DatasetEvent) told is looked for only where no run told it:
 * their jobs and datasets are read for STATIC_MS at most, and the answer says if that was not
 * enough. */
#include "ask.h"

#include "json_doc.h"
#include "times.h"

#define ROWS_MAX 5000 /* runs that are looked at */
#define STATIC_MS 300
#define STATIC_STEP 1024

struct wanted {
    char key[512], value[4096]; /* key "": any */
    int64_t key_id, value_id, tags_id, commit_id, code_tag_id;
};

/* The same few facets of tags are those of many. */
struct looked {
    int64_t facets[256];
    bool says[256];
};

/* ---- Whether a facet still says so ---- */

static bool is_tag(const struct wanted *wanted, const struct json_node *tag)
{
    const char *key = json_get_text(tag, "key"), *value = json_get_text(tag, "value");
    return key != NULL && value != NULL && strcmp(value, wanted->value) == 0 &&
           (wanted->key[0] == '\0' || strcmp(key, wanted->key) == 0);
}

static ol_status has_tag(struct ask *ask, const struct wanted *wanted, int64_t facet, bool *ret)
{
    struct json_doc doc;
    *ret = false;
    if (facet == 0)
        return OL_OK;
    ol_status status = ask_facet_doc(ask, facet, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    for (const struct json_node *t = json_get_items(doc.root, "tags"); t != NULL; t = t->next)
        *ret = *ret || is_tag(wanted, t);
    json_doc_release(&doc);
    return OL_OK;
}

static int64_t version_told(const struct state *state, uint8_t side, int64_t dataset)
{
    int64_t version = 0;
    for (size_t i = 0; i < state->count; i++)
        if (state->entries[i].kind == side && state->entries[i].object == dataset)
            version = state->entries[i].key;
    return version;
}

/* ---- One run of which something of that value was told ---- */

enum pass { PASS_DATASETS, PASS_RUNS };

static bool is_code(const struct wanted *wanted, int64_t key)
{
    return key == wanted->commit_id || key == wanted->code_tag_id;
}

/* The run itself is what has it: by its own facets, by its code, or by its job's tags. */
static ol_status take_run(struct ask *ask, const struct wanted *wanted, int64_t run,
                          const struct state_entry *e)
{
    bool is_it = false;
    ol_status status = OL_OK;
    if (e->kind == STATE_ID)
        is_it = e->value == wanted->value_id && e->object != 0 &&
                (wanted->key_id == 0 || e->key == wanted->key_id);
    else if (e->kind == STATE_JOB_FACET && e->key == wanted->tags_id)
        status = has_tag(ask, wanted, e->value, &is_it); /* promise 2 */
    bool is_of_code = e->kind == STATE_ID && is_code(wanted, e->key);
    if (status != OL_OK || !is_it || !ask_wants(ask, is_of_code ? "code" : "tag"))
        return status;
    if (ask->count == 0)
        ask->by = is_of_code ? "code" : "tag";
    return ask_add_match(ask, ASK_RUN, run, 0, ASK_SET);
}

static ol_status take_dataset(struct ask *ask, const struct wanted *wanted,
                              const struct state *state, const struct state_entry *e)
{
    bool is_input = e->kind == STATE_INPUT_DATASET_FACET, is_it = false;
    if ((!is_input && e->kind != STATE_OUTPUT_DATASET_FACET) || e->key != wanted->tags_id)
        return OL_OK;
    ol_status status = has_tag(ask, wanted, e->value, &is_it);
    if (status != OL_OK || !is_it)
        return status;
    ask->by = "tag";
    return ask_add_match(ask, ASK_DATASET, e->object,
                         version_told(state, is_input ? STATE_INPUT : STATE_OUTPUT, e->object),
                         ASK_SET);
}

static ol_status look_at(struct ask *ask, const struct wanted *wanted, int64_t id, enum pass pass)
{
    struct ask_run run;
    ol_status status = ask_run(ask, id, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    struct state state = ask->state;
    ask->state = (struct state){0}; /* whoever is asked below may need it */
    for (size_t i = 0; i < state.count && status == OL_OK; i++)
        status = pass == PASS_DATASETS ? take_dataset(ask, wanted, &state, &state.entries[i])
                                       : take_run(ask, wanted, id, &state.entries[i]);
    state_release(&state);
    return status;
}

/* ---- All of them ---- */

static ol_status read_ids(struct ask *ask, struct wanted *wanted)
{
    const struct {
        const char *text;
        int64_t *id;
    } texts[] = {{wanted->key, &wanted->key_id},
                 {wanted->value, &wanted->value_id},
                 {"tags", &wanted->tags_id},
                 {STATE_ID_COMMIT, &wanted->commit_id},
                 {STATE_ID_CODE_TAG, &wanted->code_tag_id}};
    ol_status status = OL_OK;
    for (size_t i = 0; i < OL_COUNT(texts) && status == OL_OK; i++)
        if (texts[i].text[0] != '\0')
            status = ask_text_id(ask, ol__span_text(texts[i].text), texts[i].id);
    return status;
}

/* Runs of which something of that value was told, the newest first. */
static ol_status gather(struct ask *ask, const struct wanted *wanted, int64_t runs[ROWS_MAX],
                        size_t *ret_count)
{
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_ID_PAIRS, ask->err, "ii", wanted->value_id,
                                    (int64_t)ROWS_MAX * 2);
    ol_status status = OL_OK;
    *ret_count = 0;
    while (*ret_count < ROWS_MAX && (status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        int64_t run = sqlite3_column_int64(stmt, 0);
        if ((wanted->key_id != 0 && sqlite3_column_int64(stmt, 1) != wanted->key_id) ||
            (*ret_count > 0 && runs[*ret_count - 1] == run))
            continue;
        runs[(*ret_count)++] = run;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status find(struct ask *ask, struct wanted *wanted)
{
    int64_t runs[ROWS_MAX];
    size_t count = 0;
    ol_status status = read_ids(ask, wanted);
    if (status != OL_OK || wanted->value_id == 0 || (wanted->key[0] != '\0' && wanted->key_id == 0))
        return status;
    status = gather(ask, wanted, runs, &count);
    for (size_t i = 0;
         i < count && status == OL_OK && wanted->tags_id != 0 && ask_wants(ask, "tag"); i++)
        status = look_at(ask, wanted, runs[i], PASS_DATASETS);
    for (size_t i = 0; i < count && status == OL_OK && ask->kind != ASK_DATASET; i++)
        status = look_at(ask, wanted, runs[i], PASS_RUNS);
    ask->is_cut = ask->is_cut || (ask->count > 0 && count == ROWS_MAX);
    return status;
}

/* ---- What static events told: of no run, so in no index ---- */

/* The facet was looked at before, or is now. */
static ol_status facet_says(struct ask *ask, const struct wanted *wanted, struct looked *looked,
                            int64_t facet, bool *ret)
{
    size_t at = (size_t)facet % OL_COUNT(looked->facets);
    if (looked->facets[at] == facet) {
        *ret = looked->says[at];
        return OL_OK;
    }
    ol_status status = has_tag(ask, wanted, facet, ret);
    looked->facets[at] = facet;
    looked->says[at] = *ret;
    return status;
}

/* The state of job or dataset @p id is in ask->told. */
static ol_status take_static(struct ask *ask, const struct wanted *wanted, struct looked *looked,
                             enum ask_kind kind, int64_t id)
{
    int64_t version = 0;
    bool is_it = false;
    ol_status status = OL_OK;
    const uint8_t of_facet = kind == ASK_JOB ? STATE_JOB_FACET : STATE_SUBJECT_FACET;
    for (size_t i = 0; i < ask->told.count && status == OL_OK; i++) {
        const struct state_entry *e = &ask->told.entries[i];
        if (e->kind == STATE_VERSION)
            version = e->key;
        if (e->kind != of_facet || e->key != wanted->tags_id || is_it)
            continue;
        status = facet_says(ask, wanted, looked, e->value, &is_it);
    }
    if (status != OL_OK || !is_it || (ask->count > 0 && ask->kind != kind))
        return status;
    ask->by = "tag";
    return ask_add_match(ask, kind, id, kind == ASK_DATASET ? version : 0, ASK_SET);
}

/* One step's rows, of those that may be seen and were told something. */
static ol_status static_rows(struct ask *ask, enum ask_kind kind, int64_t *last,
                             int64_t found[STATIC_STEP], size_t *ret_count, bool *ret_more)
{
    size_t rows = 0;
    ol_status status;
    sqlite3_stmt *stmt =
        store_bind(ask->store, kind == ASK_JOB ? SQL_ASK_STATIC_JOBS : SQL_ASK_STATIC_DATASETS,
                   ask->err, "ii", *last, (int64_t)STATIC_STEP);
    *ret_count = 0;
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK) {
        *last = sqlite3_column_int64(stmt, 0);
        rows++;
        if (sqlite3_column_type(stmt, 2) != SQLITE_NULL &&
            ask_may_see(ask, sqlite3_column_int64(stmt, 1)))
            found[(*ret_count)++] = *last;
    }
    sqlite3_reset(stmt);
    *ret_more = rows == STATIC_STEP;
    return status < 0 ? status : OL_OK;
}

static ol_status scan_static(struct ask *ask, const struct wanted *wanted, struct looked *looked,
                             enum ask_kind kind, int64_t deadline)
{
    int64_t last = 0, found[STATIC_STEP];
    ol_status status = OL_OK;
    for (bool has_more = true; has_more && status == OL_OK;) {
        size_t count = 0;
        status = static_rows(ask, kind, &last, found, &count, &has_more);
        for (size_t i = 0; i < count && status == OL_OK; i++) {
            status = ask_static(ask, kind, found[i]);
            struct state mine = ask->state; /* what is asked below uses the other */
            ask->state = ask->told;
            ask->told = mine;
            if (status == OL_OK)
                status = take_static(ask, wanted, looked, kind, found[i]);
        }
        if (has_more && ol__time_monotonic_ms() > deadline) {
            ask->is_cut = ask->candidates.is_cut = true; /* promise 3 */
            break;
        }
    }
    return status;
}

static ol_status find_static(struct ask *ask, struct wanted *wanted)
{
    struct looked looked = {.facets = {0}};
    int64_t deadline = ol__time_monotonic_ms() + STATIC_MS;
    ol_status status = read_ids(ask, wanted);
    if (status != OL_OK || wanted->tags_id == 0)
        return status;
    status = scan_static(ask, wanted, &looked, ASK_DATASET, deadline);
    if (status == OL_OK && ask->count == 0)
        status = scan_static(ask, wanted, &looked, ASK_JOB, deadline);
    return status;
}

static bool cut(struct ol__span text, char *out, size_t size)
{
    if (text.size == 0 || text.size >= size)
        return false;
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

/* KEY=VALUE, or (@p with_key false) VALUE. @return false: it is no tag. */
static bool split(struct ol__span text, bool with_key, struct wanted *ret)
{
    const char *equals = text.size > 0 ? memchr(text.data, '=', text.size) : NULL;
    *ret = (struct wanted){.key = ""};
    if (!with_key)
        return cut(text, ret->value, sizeof ret->value);
    if (equals == NULL)
        return false;
    struct ol__span key = {.data = text.data, .size = (size_t)(equals - text.data)};
    struct ol__span value = {.data = equals + 1, .size = text.size - key.size - 1};
    return cut(key, ret->key, sizeof ret->key) && cut(value, ret->value, sizeof ret->value);
}

ol_status ask_find_tagged(struct ask *ask, struct ol__span text)
{
    struct wanted wanted;
    ol_status status = OL_OK;
    for (int with_key = 0; with_key < 2 && status == OL_OK && ask->count == 0; with_key++)
        if (split(text, with_key != 0, &wanted))
            status = find(ask, &wanted);
    for (int with_key = 0; with_key < 2 && status == OL_OK && ask->count == 0; with_key++)
        if (ask_wants(ask, "tag") && split(text, with_key != 0, &wanted))
            status = find_static(ask, &wanted);
    return status;
}
