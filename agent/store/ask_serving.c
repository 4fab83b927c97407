/* SPDX-License-Identifier: Apache-2.0 */
/* `serving`: what runs where, since when, who approved; and what answers though nobody deployed it.
 *
 * Promises:
 *  1. What serves is what deployments.c makes of all that was told; with --all what served before
 * as well.
 *  2. A model that answers and that no deployment names is listed apart, with its answers counted.
 *  3. `unapproved` counts those of both lists whose version nobody approved or waived, or whose
 * version is not known. */
#include "serving.h"

#include <stdlib.h>

/* ---- Models that answer ---- */

static ol_status find_model_version(const struct json_node *ids, const char *fallback,
                                    const char **ret)
{
    const char *text = ids != NULL ? json_get_text(ids, "model_version") : NULL;
    *ret = text != NULL ? text : fallback;
    return OL_OK;
}

static struct served *served_of(struct served_list *list, const char *model_version)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->items[i].model_version, model_version) == 0)
            return &list->items[i];
    if (list->count == SERVED_MAX) {
        list->is_cut = true;
        return NULL;
    }
    return &list->items[list->count];
}

static ol_status keep(struct decisions *d, const char *text, const char **ret)
{
    size_t size = strlen(text) + 1;
    char *copy = ol__arena_alloc(&d->arena, size);
    if (copy == NULL)
        return ol__error_set(d->ask->err, OL_NOMEM, "store: out of memory");
    memcpy(copy, text, size);
    *ret = copy;
    return OL_OK;
}

/* Time of the first or last answer of a run with these ids. */
static ol_status time_of(struct ask *ask, enum store_sql sql, int64_t run, int64_t ids,
                         int64_t *ret)
{
    sqlite3_stmt *stmt = store_bind(ask->store, sql, ask->err, "in", run, ids);
    ol_status status = store_step(ask->store, stmt, ask->err);
    if (status == OL_OK)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status add_answers(struct decisions *d, struct served_list *list, int64_t run,
                             int64_t ids, const char *model_version)
{
    int64_t count = 0, first = 0, last = 0;
    ol_status status = time_of(d->ask, SQL_ASK_ANSWER_COUNT_OF_IDS, run, ids, &count);
    if (status != OL_OK || count == 0)
        return status;
    status = time_of(d->ask, SQL_ASK_ANSWER_OF_IDS, run, ids, &first);
    if (status == OL_OK)
        status = time_of(d->ask, SQL_ASK_ANSWER_LAST_OF_IDS, run, ids, &last);
    struct served *s = served_of(list, model_version);
    if (status != OL_OK || s == NULL)
        return status;
    if (s == &list->items[list->count]) {
        *s = (struct served){.first = first, .last = last};
        status = keep(d, model_version, &s->model_version);
        list->count++;
    }
    s->answers += count;
    s->first = OL_MIN(s->first, first);
    s->last = OL_MAX(s->last, last);
    bool is_again = s->run_count > 0 && s->runs[OL_MIN(s->run_count, SERVED_RUNS) - 1] == run;
    if (!is_again && s->run_count < SERVED_RUNS)
        s->runs[s->run_count] = run;
    s->run_count += !is_again;
    return status;
}

/* model_version of the run itself, for answers that say none. */
static ol_status version_of_run(struct decisions *d, int64_t run, const char **ret)
{
    struct ask_run row;
    struct json_doc doc;
    int64_t key = 0;
    *ret = "";
    ol_status status = ask_text_id(d->ask, ol__span_text("lineaged_run"), &key);
    if (status == OL_OK)
        status = decisions_facet(d->ask, run, key, &row, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND || status == OL_INVALID ? OL_OK : status;
    const char *text = json_get_text(doc.root, "model_version");
    if (text != NULL)
        status = keep(d, text, ret);
    json_doc_release(&doc);
    return status;
}

static ol_status add_run(struct decisions *d, struct served_list *list, int64_t run)
{
    struct ask_run row;
    const char *own = "", *model_version = "";
    ol_status status = ask_run(d->ask, run, false, &row);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    status = version_of_run(d, run, &own);
    if (status == OL_OK)
        status = add_answers(d, list, run, 0, own);
    int64_t after = 0;
    for (int i = 0; status == OL_OK; i++) {
        struct json_doc doc;
        if (i == SERVED_MAX) {
            list->is_cut = true;
            break;
        }
        sqlite3_stmt *stmt =
            store_bind(d->ask->store, SQL_ASK_ANSWER_IDS, d->ask->err, "ii", run, after);
        status = store_step(d->ask->store, stmt, d->ask->err);
        if (status == OL_OK) {
            after = sqlite3_column_int64(stmt, 0);
            status = json_doc_read(&doc, store_column(stmt, 1), d->ask->err);
        }
        sqlite3_reset(stmt);
        if (status != OL_OK)
            break;
        status = find_model_version(doc.root, own, &model_version);
        if (status == OL_OK)
            status = add_answers(d, list, run, after, model_version);
        json_doc_release(&doc);
    }
    return status < 0 ? status : OL_OK;
}

ol_status served_read(struct decisions *d, struct served_list *ret)
{
    int64_t after = 0;
    ol_status status = OL_OK;
    *ret = (struct served_list){0};
    if (d->ask->store->schema < 3)
        return OL_OK;
    ret->items = calloc(SERVED_MAX + 1, sizeof *ret->items);
    if (ret->items == NULL)
        return ol__error_set(d->ask->err, OL_NOMEM, "store: out of memory");
    for (int rows = 0; status == OL_OK; rows++) {
        sqlite3_stmt *stmt = store_bind(d->ask->store, SQL_ASK_ANSWER_RUN, d->ask->err, "i", after);
        status = store_step(d->ask->store, stmt, d->ask->err);
        if (status == OL_OK)
            after = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        if (status == OL_OK && rows == DECISIONS_MAX) {
            ret->is_cut = true;
            break;
        }
        if (status == OL_OK)
            status = add_run(d, ret, after);
    }
    return status < 0 ? status : OL_OK;
}

void served_release(struct served_list *list)
{
    free(list->items);
    *list = (struct served_list){0};
}

ol_status served_find_deployment(struct decisions *d, const struct deployments *all,
                                 const struct served *served, bool *ret)
{
    ol_status status = OL_OK;
    *ret = false;
    for (int i = 0; i < all->count && !*ret && status == OL_OK; i++)
        status = deployment_is_of(d, &all->items[i], served->model_version, ret);
    return status;
}

ol_status served_write(struct decisions *d, const struct served *s)
{
    struct ol__json_writer *w = &d->ask->json;
    ol_status status = OL_OK;
    if (s->model_version[0] != '\0')
        ol__json_member_text(w, "model_version", s->model_version);
    ol__json_member_int(w, "answers", s->answers);
    ask_write_time(d->ask, "first", s->first);
    ask_write_time(d->ask, "last", s->last);
    ol__json_key(w, "runs");
    ol__json_begin_array(w);
    for (int i = 0; i < OL_MIN(s->run_count, SERVED_RUNS) && status == OL_OK; i++) {
        struct ask_run run;
        status = ask_run(d->ask, s->runs[i], false, &run);
        if (status == OL_OK)
            ol__json_text(w, run.run_id);
    }
    ol__json_end_array(w);
    if (s->run_count > SERVED_RUNS)
        ol__json_member_int(w, "run_count", s->run_count);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

/* ---- The answer ---- */

static bool is_good(const struct decisions *d)
{
    enum verdict verdict = approvals_verdict(d);
    return verdict == VERDICT_APPROVED || verdict == VERDICT_WAIVED;
}

/* What answered under this deployment's model. */
static ol_status write_answers(struct decisions *d, const struct deployment *item,
                               const struct served_list *served)
{
    int64_t answers = 0, last = 0;
    for (int i = 0; i < served->count; i++) {
        bool is_it = false;
        ol_status status = served->items[i].model_version[0] == '\0'
                               ? OL_OK
                               : deployment_is_of(d, item, served->items[i].model_version, &is_it);
        if (status != OL_OK)
            return status;
        if (!is_it)
            continue;
        answers += served->items[i].answers;
        last = OL_MAX(last, served->items[i].last);
    }
    ol__json_member_int(&d->ask->json, "answers", answers);
    ask_write_time(d->ask, "last_answer", last);
    return OL_OK;
}

ol_status approvals_of_deployment(struct decisions *d, const struct deployment *item,
                                  const char **ret_note)
{
    *ret_note = NULL;
    ol_status status = approvals_of_id(d, item->id);
    if (status != OL_OK || d->scratch.count > 0) {
        *ret_note = "the deployment itself";
        return status;
    }
    if (item->model == 0)
        *ret_note = "which model it is was not told";
    else if (item->version == 0)
        *ret_note = "which version of the model it is was not told";
    return approvals_of_version(d, item->model, item->version);
}

static ol_status write_deployments(struct decisions *d, const struct deployments *all,
                                   const struct served_list *served, int64_t *unapproved)
{
    struct ol__json_writer *w = &d->ask->json;
    const char *note = NULL;
    ol_status status = OL_OK;
    ol__json_key(w, "serving");
    ol__json_begin_array(w);
    for (int i = 0; i < all->count && status == OL_OK; i++) {
        const struct deployment *item = &all->items[i];
        if (!item->is_live && !d->ask->question->is_all)
            continue;
        ol__json_begin_object(w);
        status = deployment_write(d, item);
        if (status == OL_OK)
            status = approvals_of_deployment(d, item, &note);
        if (status == OL_OK)
            status = approvals_write_verdict(d, note);
        if (item->is_live && !is_good(d))
            ++*unapproved;
        if (status == OL_OK)
            status = write_answers(d, item, served);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
    return status;
}

static ol_status write_undeployed(struct decisions *d, const struct deployments *all,
                                  const struct served_list *served, int64_t *unapproved)
{
    struct ol__json_writer *w = &d->ask->json;
    ol_status status = OL_OK;
    ol__json_key(w, "undeployed");
    ol__json_begin_array(w);
    for (int i = 0; i < served->count && status == OL_OK; i++) {
        const struct served *s = &served->items[i];
        int64_t dataset = 0, version = 0;
        bool is_deployed = false;
        status = served_find_deployment(d, all, s, &is_deployed);
        if (status != OL_OK || is_deployed)
            continue;
        if (s->model_version[0] != '\0')
            status = decisions_find_model(d->ask, s->model_version, &dataset, &version);
        ol__json_begin_object(w);
        if (status == OL_OK)
            status = served_write(d, s);
        if (status == OL_OK)
            status = approvals_of_version(d, dataset, version);
        if (status == OL_OK)
            status = approvals_write_verdict(
                d, s->model_version[0] == '\0' ? "which model answered was not told"
                   : version == 0              ? "no version of a model is recorded by that name"
                                               : NULL);
        *unapproved += !is_good(d);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
    return status;
}

ol_status store_serving(struct store *store, const struct store_question *q, struct ol__buf *out,
                        struct ol_error *err)
{
    struct ask ask;
    struct decisions d;
    struct deployments all = {0};
    struct served_list served = {0};
    int64_t unapproved = 0;
    ol_status status = ask_begin(&ask, store, q, 0, out, err);
    if (status != OL_OK)
        return status;
    status = decisions_begin(&d, &ask);
    if (status == OL_OK)
        status = deployments_read(&d, &all);
    if (status == OL_OK)
        status = served_read(&d, &served);
    ol__json_begin_object(&ask.json);
    if (status == OL_OK)
        status = write_deployments(&d, &all, &served, &unapproved);
    if (status == OL_OK)
        status = write_undeployed(&d, &all, &served, &unapproved);
    ol__json_member_int(&ask.json, "unapproved", unapproved);
    ol__json_member_bool(&ask.json, "truncated", all.is_cut || served.is_cut);
    ol__json_end_object(&ask.json);
    deployments_release(&all);
    served_release(&served);
    decisions_end(&d);
    return ask_end(&ask, status);
}
