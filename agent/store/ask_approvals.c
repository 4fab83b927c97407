/* SPDX-License-Identifier: Apache-2.0 */
/* `approvals`: who approved this very version.
 *
 * Promises:
 *  1. A name without a version means the version that stands now, which the answer names; a later
 * one has approvals of its own.
 *  2. Nobody is an answer: a version that is recorded and that nobody decided about. */
#include "decisions.h"

#include <stdio.h>

static ol_status keep_latest(void *arg, const struct ask_edge *edge)
{
    struct ask_edge *best = arg;
    bool is_complete = edge->status == RUN_COMPLETE, was_complete = best->status == RUN_COMPLETE;
    if (edge->version == 0 || edge->run == 0)
        return OL_OK;
    if (best->version == 0 || (is_complete && !was_complete) ||
        (is_complete == was_complete && edge->at > best->at))
        *best = *edge;
    return OL_OK;
}

static ol_status latest_of(struct ask *ask, int64_t dataset, int64_t side, struct ask_edge *best)
{
    const struct ask_window window = {.dataset = dataset,
                                      .side = side,
                                      .version = ASK_ANY_VERSION,
                                      .since = INT64_MIN,
                                      .until = INT64_MAX};
    *best = (struct ask_edge){0};
    return ask_edges(ask, &window, keep_latest, best);
}

ol_status decisions_latest(struct ask *ask, int64_t dataset, struct ask_edge *ret)
{
    ol_status status = latest_of(ask, dataset, 1, ret);
    if (status != OL_OK || ret->version != 0)
        return status;
    status = latest_of(ask, dataset, 0, ret);
    ret->run = 0; /* it only read it */
    return status;
}

struct answer_of {
    struct decisions d;
    int approved, others;
    const char *worst; /* verdict of the first that is not approved */
};

static void count_verdict(struct answer_of *a)
{
    enum verdict verdict = approvals_verdict(&a->d);
    if (verdict == VERDICT_APPROVED || verdict == VERDICT_WAIVED) {
        a->approved++;
    } else {
        if (a->others == 0)
            a->worst = verdict_name(verdict);
        a->others++;
    }
}

static ol_status write_dataset(struct answer_of *a, int64_t dataset, int64_t version)
{
    struct ask *ask = a->d.ask;
    struct ol__json_writer *w = &ask->json;
    struct ask_edge writer = {0};
    struct ask_run run;
    const char *note = NULL;
    ol_status status = OL_OK;
    if (version == 0 && ask->question->content == NULL) {
        status = decisions_latest(ask, dataset, &writer);
        version = writer.version;
        note = version != 0 ? "the version that stands now" : "no version of it is recorded";
    } else if (version == 0) {
        note = "no such version is recorded";
    } else {
        status = ask_writer(ask, dataset, version, INT64_MAX, 0, &writer);
        if (writer.version != version)
            writer.run = 0;
    }
    ol__json_member_text(w, "kind", "dataset");
    if (status == OL_OK)
        status = ask_write_dataset(ask, dataset, version);
    if (status == OL_OK && writer.run != 0)
        status = ask_run(ask, writer.run, false, &run);
    if (status == OL_OK && writer.run != 0) {
        ol__json_member_text(w, "written_by", run.run_id);
        ask_write_time(ask, "written_at", run.row.last);
    }
    if (status == OL_OK || status == OL_NOT_FOUND)
        status = approvals_of_version(&a->d, dataset, version);
    if (status == OL_OK)
        status = approvals_write_verdict(&a->d, note);
    return status;
}

static ol_status write_run(struct answer_of *a, int64_t id)
{
    struct ask *ask = a->d.ask;
    struct ol__json_writer *w = &ask->json;
    struct ask_run run;
    struct json_doc doc;
    char by[256];
    ol_status status = decisions_facet(ask, id, a->d.deployment_key, &run, &doc);
    bool is_deployment = status == OL_OK;
    if (status == OL_NOT_FOUND)
        status = ask_run(ask, id, false, &run);
    if (status != OL_OK)
        return status;
    snprintf(by, sizeof by, "%s", run.run_id);
    if (is_deployment && json_get_text(doc.root, "id") != NULL)
        snprintf(by, sizeof by, "%s", json_get_text(doc.root, "id"));
    if (is_deployment)
        json_doc_release(&doc);
    ol__json_member_text(w, "kind", is_deployment ? "deployment" : "run");
    if (is_deployment)
        ol__json_member_text(w, "deployment_id", by);
    ol__json_member_text(w, "run_id", run.run_id);
    ol__json_key(w, "job");
    ol__json_begin_object(w);
    status = ask_write_name(ask, ASK_JOB, run.row.job);
    ol__json_end_object(w);
    ol__json_member_text(w, "state", run_status_name(run.row.status));
    if (status == OL_OK)
        status = approvals_of_id(&a->d, by);
    if (status == OL_OK && a->d.scratch.count == 0 && strcmp(by, run.run_id) != 0)
        status = approvals_of_id(&a->d, run.run_id);
    return status == OL_OK ? approvals_write_verdict(&a->d, NULL) : status;
}

static ol_status write_item(struct answer_of *a, int i)
{
    struct ask *ask = a->d.ask;
    ol__json_begin_object(&ask->json);
    ol_status status = ask->kind == ASK_DATASET ? write_dataset(a, ask->ids[i], ask->versions[i])
                                                : write_run(a, ask->ids[i]);
    if (status == OL_OK)
        status = approvals_write(&a->d);
    count_verdict(a);
    ol__json_end_object(&ask->json);
    return status;
}

/* By the id of a deployment that is no run's. */
static ol_status find_deployment(struct ask *ask)
{
    struct ask_run run;
    int64_t id = 0, key = 0, found = 0;
    ol_status status = ask_text_id(ask, ask->raw, &id);
    if (status == OL_OK)
        status = ask_text_id(ask, ol__span_text("deployment.id"), &key);
    if (status != OL_OK || id == 0 || key == 0)
        return status;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_ID_KEYED, ask->err, "ii", id, key);
    while ((status = store_step(ask->store, stmt, ask->err)) == OL_OK)
        found = sqlite3_column_int64(stmt, 0); /* the newest: it says what became of it */
    sqlite3_reset(stmt);
    if (status < 0 || found == 0)
        return status < 0 ? status : OL_OK;
    status = ask_run(ask, found, false, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    ask->kind = ASK_RUN;
    ask->count = 1;
    ask->versions[0] = 0;
    ask->ids[0] = found;
    return OL_OK;
}

ol_status decisions_resolve(struct ask *ask)
{
    ol_status status = ask_resolve(ask);
    if (status == OL_OK && strcmp(ask->by, "tag") == 0) {
        ask->kind = ASK_NONE; /* NAME@VERSION is also a tag of what deployed it: a thing is meant */
        ask->count = 0;
    }
    if (status == OL_NOT_FOUND || (status == OL_OK && ask->kind == ASK_NONE)) {
        status = find_deployment(ask);
        if (status == OL_OK)
            ask->by = "id";
    }
    return status;
}

ol_status store_approvals(struct store *store, const struct store_question *q, struct ol__buf *out,
                          struct ol_error *err)
{
    struct ask ask;
    struct answer_of a = {.worst = NULL};
    if (q->subject == NULL)
        return ol__error_set(err, OL_INVALID, "approvals of what? a subject is expected");
    ol_status status = ask_begin(&ask, store, q, 0, out, err);
    if (status != OL_OK)
        return status;
    status = decisions_begin(&a.d, &ask);
    if (status == OL_OK)
        status = decisions_resolve(&ask);
    bool is_known = ask.kind == ASK_DATASET || ask.kind == ASK_RUN;
    ol__json_begin_object(&ask.json);
    if (status == OL_OK)
        status = ask_write_subject(&ask);
    ol__json_key(&ask.json, "items");
    ol__json_begin_array(&ask.json);
    for (int i = 0; i < ask.count && is_known && status == OL_OK; i++)
        status = write_item(&a, i);
    ol__json_end_array(&ask.json);
    ol__json_member_text(&ask.json, "verdict",
                         a.others > 0     ? a.worst
                         : a.approved > 0 ? verdict_name(VERDICT_APPROVED)
                                          : "not_known");
    ol__json_member_bool(&ask.json, "truncated", ask.count == ASK_MATCHES);
    ol__json_end_object(&ask.json);
    decisions_end(&a.d);
    status = ask_end(&ask, status);
    if (status == OL_OK && !is_known)
        return ol__error_set(err, OL_NOT_FOUND, "nothing is recorded under '%.*s'",
                             (int)OL_MIN(ask.raw.size, 150u), ask.raw.data);
    return status;
}
