/* SPDX-License-Identifier: Apache-2.0 */
/* Approvals. Promises:
 *  1. An approval is of one version: what it says of another version, or of a dataset whose version
 * nobody told, is nothing.
 *  2. With a subject it is of the dataset that has this version (or of those bytes, whatever they
 * are called); without one, of what its run wrote, or where that wrote nothing of what it read.
 *  3. Of several the last one counts, by the time they say, else by their event's. */
#include "decisions.h"

#include <stdlib.h>
#include "times.h"

#define DIGEST "sha256:"

static const char *const verdicts[] = {[VERDICT_NOBODY] = "nobody",
                                       [VERDICT_APPROVED] = "approved",
                                       [VERDICT_REJECTED] = "rejected",
                                       [VERDICT_WAIVED] = "waived"};

const char *verdict_name(enum verdict verdict)
{
    return verdicts[verdict];
}

ol_status decisions_begin(struct decisions *d, struct ask *ask)
{
    *d = (struct decisions){.ask = ask};
    ol_status status = ask_text_id(ask, ol__span_text("lineaged_approval"), &d->approval_key);
    return status == OL_OK
               ? ask_text_id(ask, ol__span_text("lineaged_deployment"), &d->deployment_key)
               : status;
}

void decisions_end(struct decisions *d)
{
    ol__arena_reset(&d->arena, 0);
}

ol_status decisions_facet(struct ask *ask, int64_t id, int64_t key, struct ask_run *ret_run,
                          struct json_doc *ret)
{
    ol_status status = key == 0 ? OL_NOT_FOUND : ask_run(ask, id, true, ret_run);
    if (status != OL_OK)
        return status;
    for (size_t i = 0; i < ask->state.count; i++) {
        const struct state_entry *e = &ask->state.entries[i];
        if (e->kind == STATE_RUN_FACET && e->key == key && e->value != 0)
            return ask_facet_doc(ask, e->value, ret);
    }
    return OL_NOT_FOUND;
}

static ol_status keep_span(struct decisions *d, struct ol__span text, const char **ret)
{
    char *copy = ol__arena_alloc(&d->arena, text.size + 1);
    if (copy == NULL)
        return ol__error_set(d->ask->err, OL_NOMEM, "store: out of memory");
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    *ret = copy;
    return OL_OK;
}

ol_status decisions_version(struct decisions *d, int64_t version, const char **ret)
{
    struct ol__buf text;
    *ret = "";
    if (version <= 0)
        return OL_OK;
    ol__buf_init(&text, 1 << 20);
    sqlite3_stmt *stmt = store_bind(d->ask->store, SQL_VERSION_GET, d->ask->err, "i", version);
    ol_status status = store_step(d->ask->store, stmt, d->ask->err);
    if (status == OL_OK && version_unpack(stmt, 1, &text) == OL_OK)
        status = keep_span(d, (struct ol__span){text.data, text.size}, ret);
    sqlite3_reset(stmt);
    ol__buf_release(&text);
    return status < 0 ? status : OL_OK;
}

ol_status decisions_name(struct decisions *d, int64_t dataset, const char **ret)
{
    *ret = "";
    sqlite3_stmt *stmt =
        store_bind(d->ask->store, SQL_ASK_DATASET, d->ask->err, "ii", dataset, (int64_t)0);
    ol_status status = store_step(d->ask->store, stmt, d->ask->err);
    if (status == OL_OK)
        status = keep_span(d, store_column(stmt, 1), ret);
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

/* ---- Which approvals ---- */

struct candidates {
    int64_t runs[APPROVALS_MAX];
    int count;
    bool is_cut;
};

static ol_status take_candidates(struct decisions *d, sqlite3_stmt *stmt, struct candidates *c)
{
    ol_status status;
    while ((status = store_step(d->ask->store, stmt, d->ask->err)) == OL_OK) {
        int64_t run = sqlite3_column_int64(stmt, 0);
        bool is_again = false;
        for (int i = 0; i < c->count; i++)
            is_again = is_again || c->runs[i] == run;
        if (is_again)
            continue;
        if (c->count == APPROVALS_MAX) {
            c->is_cut = true;
            break;
        }
        c->runs[c->count++] = run;
    }
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status take_by_id(struct decisions *d, const char *text, struct candidates *c)
{
    int64_t id = 0;
    ol_status status = ask_text_id(d->ask, ol__span_text(text), &id);
    if (status != OL_OK || id == 0)
        return status;
    return take_candidates(
        d,
        store_bind(d->ask->store, SQL_ASK_ID_MARKED, d->ask->err, "ii", id, (int64_t)MARK_APPROVAL),
        c);
}

static bool is_digest(const char *version)
{
    return strncmp(version, DIGEST, sizeof DIGEST - 1) == 0;
}

struct target {
    int64_t dataset, version; /* version 0: an id is meant */
    const char *text;         /* of the version, or the id */
};

static enum verdict verdict_of(const char *text)
{
    for (int i = VERDICT_APPROVED; i <= VERDICT_WAIVED; i++)
        if (text != NULL && strcmp(text, verdicts[i]) == 0)
            return (enum verdict)i;
    return VERDICT_NOBODY;
}

/* Promise 2, of the run whose state is in ask->state. */
static bool is_about(const struct decisions *d, const struct json_node *item,
                     const struct target *target)
{
    const struct state *state = &d->ask->state;
    const char *subject = json_get_text(item, "subject"),
               *kind = json_get_text(item, "subject_kind");
    bool wrote_any = false, reads = false, wrote = false;
    if (target->version == 0)
        return subject != NULL && strcmp(subject, target->text) == 0;
    if (kind != NULL && strcmp(kind, "dataset") != 0)
        return false;
    for (size_t i = 0; i < state->count; i++) {
        const struct state_entry *e = &state->entries[i];
        bool is_it = e->object == target->dataset && e->key == target->version;
        wrote_any = wrote_any || e->kind == STATE_OUTPUT;
        reads = reads || (e->kind == STATE_INPUT && is_it);
        wrote = wrote || (e->kind == STATE_OUTPUT && is_it);
    }
    if (subject == NULL)
        return wrote || (!wrote_any && reads);
    bool is_same =
        strcmp(subject, target->text) == 0 ||
        (is_digest(target->text) && strcmp(subject, target->text + sizeof DIGEST - 1) == 0);
    return is_same && (reads || wrote || is_digest(target->text));
}

static ol_status add_run(struct decisions *d, int64_t run, const struct target *target)
{
    struct ask_run row;
    struct json_doc doc;
    struct approvals *list = &d->scratch;
    int index = 0;
    ol_status status = decisions_facet(d->ask, run, d->approval_key, &row, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND || status == OL_INVALID ? OL_OK : status;
    for (const struct json_node *item = json_get_items(doc.root, "approvals"); item != NULL;
         item = item->next, index++) {
        struct approval a = {.run = run, .at = row.row.last, .index = index};
        const char *at = json_get_text(item, "at");
        int64_t told = 0;
        a.verdict = verdict_of(json_get_text(item, "verdict"));
        if (a.verdict == VERDICT_NOBODY || !is_about(d, item, target))
            continue;
        if (at != NULL && ol__time_parse(ol__span_text(at), &told, NULL) == OL_OK)
            a.at = told;
        if (list->count < APPROVALS_MAX)
            list->items[list->count++] = a;
        else
            list->is_cut = true;
    }
    json_doc_release(&doc);
    return OL_OK;
}

static int compare(const void *a, const void *b)
{
    const struct approval *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if (x->run != y->run)
        return x->run < y->run ? -1 : 1;
    return x->index - y->index;
}

static ol_status read_candidates(struct decisions *d, const struct candidates *c,
                                 const struct target *target)
{
    ol_status status = OL_OK;
    d->scratch.is_cut = c->is_cut;
    for (int i = 0; i < c->count && status == OL_OK; i++)
        status = add_run(d, c->runs[i], target);
    qsort(d->scratch.items, (size_t)d->scratch.count, sizeof *d->scratch.items, compare);
    return status;
}

ol_status approvals_of_version(struct decisions *d, int64_t dataset, int64_t version)
{
    struct candidates c = {.count = 0};
    struct target target = {.dataset = dataset, .version = version, .text = ""};
    ol_status status = OL_OK;
    d->scratch.count = 0;
    d->scratch.is_cut = false;
    if (version <= 0 || d->approval_key == 0 || d->ask->store->schema < 3) /* promise 1 */
        return OL_OK;
    status = decisions_version(d, version, &target.text);
    for (int64_t side = 0; side < 2 && status == OL_OK; side++)
        status = take_candidates(d,
                                 store_bind(d->ask->store, SQL_ASK_IO_MARKED, d->ask->err, "iiii",
                                            dataset, version, (int64_t)MARK_APPROVAL, side),
                                 &c);
    if (status == OL_OK && is_digest(target.text))
        status = take_by_id(d, target.text, &c);
    if (status == OL_OK && is_digest(target.text))
        status = take_by_id(d, target.text + sizeof DIGEST - 1, &c);
    return status == OL_OK ? read_candidates(d, &c, &target) : status;
}

ol_status approvals_of_id(struct decisions *d, const char *id)
{
    struct candidates c = {.count = 0};
    const struct target target = {.text = id};
    d->scratch.count = 0;
    d->scratch.is_cut = false;
    if (d->approval_key == 0 || d->ask->store->schema < 3)
        return OL_OK;
    ol_status status = take_by_id(d, id, &c);
    return status == OL_OK ? read_candidates(d, &c, &target) : status;
}

/* Promise 3. */
enum verdict approvals_verdict(const struct decisions *d)
{
    return d->scratch.count > 0 ? d->scratch.items[d->scratch.count - 1].verdict : VERDICT_NOBODY;
}

/* ---- Writing ---- */

static void write_evidence(struct ol__json_writer *w, const struct json_node *item)
{
    const struct json_node *e = json_get_items(item, "evidence");
    if (e == NULL)
        return;
    ol__json_key(w, "evidence");
    ol__json_begin_array(w);
    for (; e != NULL; e = e->next) {
        ol__json_begin_object(w);
        ol__json_member_text_opt(w, "name", json_get_text(e, "name"));
        ol__json_member_text_opt(w, "sha256", json_get_text(e, "sha256"));
        if (json_get_int(e, "size", -1) >= 0)
            ol__json_member_int(w, "size", json_get_int(e, "size", 0));
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
}

/* Members of one approval; @p is_full: all that it says. */
static ol_status write_one(struct decisions *d, const struct approval *a, bool is_full)
{
    static const char *const members[] = {
        "by",      "role",         "policy", "regulatory_framework", "reason", "url",
        "subject", "subject_kind", "record", "record_sha256"};
    struct ol__json_writer *w = &d->ask->json;
    struct ask_run row;
    struct json_doc doc;
    ol__json_member_text(w, "verdict", verdict_name(a->verdict));
    ol_status status = decisions_facet(d->ask, a->run, d->approval_key, &row, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    const struct json_node *item = json_get_items(doc.root, "approvals");
    for (int i = 0; i < a->index && item != NULL; i++)
        item = item->next;
    for (size_t i = 0; i < (is_full ? OL_COUNT(members) : 2); i++)
        ol__json_member_text_opt(w, members[i], json_get_text(item, members[i]));
    ask_write_time(d->ask, "at", a->at);
    ol__json_member_text(w, "run_id", row.run_id);
    if (is_full)
        write_evidence(w, item);
    json_doc_release(&doc);
    return OL_OK;
}

ol_status approvals_write_verdict(struct decisions *d, const char *note)
{
    struct ol__json_writer *w = &d->ask->json;
    ol_status status = OL_OK;
    ol__json_key(w, "approval");
    ol__json_begin_object(w);
    if (d->scratch.count > 0)
        status = write_one(d, &d->scratch.items[d->scratch.count - 1], false);
    else
        ol__json_member_text(w, "verdict", verdict_name(VERDICT_NOBODY));
    ol__json_member_text_opt(w, "note", note);
    ol__json_end_object(w);
    return status;
}

ol_status approvals_write(struct decisions *d)
{
    struct ol__json_writer *w = &d->ask->json;
    ol_status status = OL_OK;
    ol__json_key(w, "approvals");
    ol__json_begin_array(w);
    for (int i = 0; i < d->scratch.count && status == OL_OK; i++) {
        ol__json_begin_object(w);
        status = write_one(d, &d->scratch.items[i], true);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
    if (d->scratch.is_cut)
        ol__json_member_bool(w, "approvals_truncated", true);
    return status;
}
