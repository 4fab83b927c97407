/* SPDX-License-Identifier: Apache-2.0 */
/* `audit`: the whole chain of evidence of one version, run or deployment.
 *
 * Promises:
 *  1. One document is about one thing: a name that means several is refused.
 *  2. Everything that is not recorded and that somebody would look for stands in `not_known`.
 *  3. The same store gives the same document: runs in the order of the walk, inputs by their names.
 *  4. At most `limit` runs and FACTS_SHOWN facts of each; what is left out is said. */
#include <stdio.h>
#include <stdlib.h>
#include "ask_assertions.h"
#include "ask_facts.h"
#include "serving.h"

#define RUNS_DEFAULT 100
#define RUNS_MAX 1000
#define DEPTH_DEFAULT 20
#define FACTS_SHOWN 500
#define UNKNOWN_MAX 1000
#define SAME_SHOWN 16

struct audited_run {
    int64_t id, depth;
};
struct source {
    int64_t dataset, version;
};
struct unknown {
    const char *what; /* static */
    int64_t dataset, version, run;
};
struct audit {
    struct decisions d;
    int64_t dataset, version, run; /* what it is about; dataset 0: a run */
    bool is_deployment;
    char id[256];             /* of a run or deployment */
    struct audited_run *runs; /* owned, max */
    int64_t count, max, depth;
    struct source *sources; /* owned, UNKNOWN_MAX */
    int64_t source_count;
    struct unknown *unknowns; /* owned, UNKNOWN_MAX */
    int64_t unknown_count;
    bool is_cut;
};

static void not_known(struct audit *a, const char *what, int64_t dataset, int64_t version,
                      int64_t run)
{
    if (a->unknown_count == UNKNOWN_MAX) {
        a->is_cut = true;
        return;
    }
    a->unknowns[a->unknown_count++] =
        (struct unknown){.what = what, .dataset = dataset, .version = version, .run = run};
}

static void add_run(struct audit *a, int64_t id, int64_t depth)
{
    for (int64_t i = 0; i < a->count; i++)
        if (a->runs[i].id == id)
            return;
    if (a->count == a->max || depth > a->depth)
        a->is_cut = true;
    else
        a->runs[a->count++] = (struct audited_run){.id = id, .depth = depth};
}

static void add_source(struct audit *a, int64_t dataset, int64_t version)
{
    for (int64_t i = 0; i < a->source_count; i++)
        if (a->sources[i].dataset == dataset && a->sources[i].version == version)
            return;
    if (a->source_count == UNKNOWN_MAX) {
        a->is_cut = true;
        return;
    }
    a->sources[a->source_count++] = (struct source){.dataset = dataset, .version = version};
}

/* Who made that version, for a reader at @p as_of. */
static ol_status follow(struct audit *a, int64_t dataset, int64_t version, int64_t as_of,
                        int64_t reader, int64_t depth)
{
    struct ask_edge writer;
    ol_status status = ask_writer(a->d.ask, dataset, version, as_of, reader, &writer);
    if (status != OL_OK)
        return status;
    if (version == 0)
        not_known(a, "which version it was", dataset, 0, reader);
    if (writer.run != 0)
        add_run(a, writer.run, depth);
    else
        add_source(a, dataset, version);
    return OL_OK;
}

/* ---- A run and what it told ---- */

static ol_status write_side(struct audit *a, const char *key, const struct facts *facts,
                            enum fact_area area)
{
    struct ol__json_writer *w = &a->d.ask->json;
    ol_status status = OL_OK;
    ol__json_key(w, key);
    ol__json_begin_array(w);
    for (size_t i = 0; i < facts->count && status == OL_OK; i++) {
        if (facts->items[i].area != area)
            continue;
        ol__json_begin_object(w);
        status = ask_write_dataset(a->d.ask, facts->items[i].dataset, facts->items[i].version);
        ol__json_end_object(w);
        status = status == OL_NOT_FOUND ? OL_OK : status;
    }
    ol__json_end_array(w);
    return status;
}

static const char *area_of(const struct fact *f)
{
    return strncmp(f->what, "lineaged_gates", 14) == 0 ? "gate" : fact_area_name(f->area);
}

static void write_facts(struct audit *a, const struct facts *facts)
{
    struct ol__json_writer *w = &a->d.ask->json;
    int shown = 0;
    ol__json_key(w, "facts");
    ol__json_begin_array(w);
    for (size_t i = 0; i < facts->count; i++) {
        const struct fact *f = &facts->items[i];
        if (f->area == FACT_INPUT || f->area == FACT_OUTPUT)
            continue;
        if (shown++ == FACTS_SHOWN)
            break;
        ol__json_begin_object(w);
        ol__json_member_text(w, "area", area_of(f));
        ol__json_member_text(w, "what", f->what);
        ol__json_member_text(w, "value", f->value);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
    if (shown > FACTS_SHOWN || facts->is_cut) {
        ol__json_member_bool(w, "facts_truncated", true);
        a->is_cut = true;
    }
}

static void look_for_gaps(struct audit *a, const struct ask_run *run, const struct facts *facts)
{
    static const struct {
        enum fact_area area;
        const char *what;
    } wanted[] = {{FACT_CODE, "its code"},
                  {FACT_PARAMETER, "its parameters"},
                  {FACT_SEED, "its seeds"},
                  {FACT_ENVIRONMENT, "its environment"},
                  {FACT_INPUT, "what it read"}};
    for (size_t k = 0; k < OL_COUNT(wanted); k++) {
        bool is_told = false;
        for (size_t i = 0; i < facts->count && !is_told; i++)
            is_told = facts->items[i].area == wanted[k].area;
        if (!is_told)
            not_known(a, wanted[k].what, 0, 0, run->row.id);
    }
    if (run->row.ended == 0)
        not_known(a, "how it ended", 0, 0, run->row.id);
    else if (run->row.flags & RUN_INFERRED)
        not_known(a, "how it ended: its end was inferred", 0, 0, run->row.id);
}

static ol_status write_run(struct audit *a, const struct audited_run *r)
{
    struct ol__json_writer *w = &a->d.ask->json;
    struct ol__arena arena = {0};
    struct facts facts = {0};
    struct ask_run run;
    ol_status status = ask_run(a->d.ask, r->id, false, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    ol__json_begin_object(w);
    ol__json_member_int(w, "depth", r->depth);
    status = ask_write_run(a->d.ask, &run);
    if (status == OL_OK)
        status = facts_read(a->d.ask, r->id, &arena, &facts);
    if (status == OL_OK)
        status = write_side(a, "inputs", &facts, FACT_INPUT);
    if (status == OL_OK)
        status = write_side(a, "outputs", &facts, FACT_OUTPUT);
    if (status == OL_OK)
        write_facts(a, &facts);
    ol__json_end_object(w);
    if (status == OL_OK && !(a->is_deployment && r->id == a->run))
        look_for_gaps(a, &run, &facts);
    for (size_t i = 0; i < facts.count && status == OL_OK; i++)
        if (facts.items[i].area == FACT_INPUT)
            status = follow(a, facts.items[i].dataset, facts.items[i].version, run.row.born, r->id,
                            r->depth + 1);
    ol__arena_reset(&arena, 0);
    return status;
}

static ol_status write_made_by(struct audit *a)
{
    struct ol__json_writer *w = &a->d.ask->json;
    ol_status status = OL_OK;
    ol__json_key(w, "made_by");
    ol__json_begin_array(w);
    for (int64_t i = 0; i < a->count && status == OL_OK; i++)
        status = write_run(a, &a->runs[i]); /* may add more */
    ol__json_end_array(w);
    ol__json_key(w, "sources");
    ol__json_begin_array(w);
    for (int64_t i = 0; i < a->source_count && status == OL_OK; i++) {
        ol__json_begin_object(w);
        status = ask_write_dataset(a->d.ask, a->sources[i].dataset, a->sources[i].version);
        ol__json_end_object(w);
        status = status == OL_NOT_FOUND ? OL_OK : status;
    }
    ol__json_end_array(w);
    return status;
}

/* ---- What it is ---- */

static ol_status write_same(struct audit *a)
{
    int64_t others[SAME_SHOWN], versions[SAME_SHOWN];
    const char *version = "";
    uint8_t bytes[32];
    int count = 0;
    struct ol__json_writer *w = &a->d.ask->json;
    ol_status status = decisions_version(&a->d, a->version, &version);
    if (status != OL_OK || !version_pack(ol__span_text(version), bytes))
        return status;
    sqlite3_stmt *stmt = store_bind(a->d.ask->store, SQL_ASK_VERSION_VALUE, a->d.ask->err, "b",
                                    (struct ol__span){(const char *)bytes, sizeof bytes});
    while ((status = store_step(a->d.ask->store, stmt, a->d.ask->err)) == OL_OK &&
           count < SAME_SHOWN) {
        versions[count] = sqlite3_column_int64(stmt, 0);
        others[count] = sqlite3_column_int64(stmt, 1);
        count += others[count] != a->dataset;
    }
    sqlite3_reset(stmt);
    status = status < 0 ? status : OL_OK;
    if (a->d.ask->question->uid != STORE_ANY_UID) /* names of others are theirs */
        count = 0;
    ol__json_key(w, "same_bytes");
    ol__json_begin_array(w);
    for (int i = 0; i < count && status == OL_OK; i++) {
        ol__json_begin_object(w);
        status = ask_write_dataset(a->d.ask, others[i], versions[i]);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
    return status;
}

static ol_status write_what(struct audit *a, const char *note)
{
    struct ol__json_writer *w = &a->d.ask->json;
    struct ask_run run;
    ol_status status = OL_OK;
    ol__json_key(w, "what");
    ol__json_begin_object(w);
    if (a->dataset != 0) {
        ol__json_member_text(w, "kind", "dataset");
        status = ask_write_dataset(a->d.ask, a->dataset, a->version);
        if (status == OL_OK)
            status = write_same(a);
    } else {
        ol__json_member_text(w, "kind", a->is_deployment ? "deployment" : "run");
        ol__json_member_text(w, "id", a->id);
        status = ask_run(a->d.ask, a->run, false, &run);
        if (status == OL_OK)
            status = ask_write_run(a->d.ask, &run);
    }
    ol__json_member_text_opt(w, "note", note);
    ol__json_end_object(w);
    return status;
}

/* ---- What was decided ---- */

static ol_status write_approvals(struct audit *a)
{
    ol_status status = a->dataset != 0 ? approvals_of_version(&a->d, a->dataset, a->version)
                                       : approvals_of_id(&a->d, a->id);
    if (status == OL_OK)
        status = approvals_write_verdict(&a->d, NULL);
    if (status == OL_OK)
        status = approvals_write(&a->d);
    if (a->d.scratch.count == 0)
        not_known(a, "who approved it: no decision is recorded", a->dataset, a->version, a->run);
    a->is_cut = a->is_cut || a->d.scratch.is_cut;
    return status;
}

static bool is_about(const struct audit *a, const struct deployment *item)
{
    return a->dataset != 0
               ? item->model == a->dataset && item->version == a->version && item->version != 0
               : item->run == a->run || (a->is_deployment && strcmp(item->id, a->id) == 0);
}

static ol_status write_deployments(struct audit *a, const struct deployments *all, int *ret_count)
{
    struct ol__json_writer *w = &a->d.ask->json;
    ol_status status = OL_OK;
    const char *note = NULL;
    ol__json_key(w, "deployments");
    ol__json_begin_array(w);
    for (int i = 0; i < all->count && status == OL_OK; i++) {
        if (!is_about(a, &all->items[i]))
            continue;
        ++*ret_count;
        ol__json_begin_object(w);
        status = deployment_write(&a->d, &all->items[i]);
        if (status == OL_OK)
            status = approvals_of_deployment(&a->d, &all->items[i], &note);
        if (status == OL_OK)
            status = approvals_write_verdict(&a->d, note);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
    return status;
}

static ol_status is_served(struct audit *a, const struct deployments *all, const char *text,
                           bool *ret)
{
    const struct deployment bare = {.model = a->dataset, .version = a->version};
    *ret = false;
    if (text[0] == '\0')
        return OL_OK;
    ol_status status = deployment_is_of(&a->d, &bare, text, ret);
    for (int i = 0; i < all->count && status == OL_OK && !*ret; i++)
        if (is_about(a, &all->items[i]))
            status = deployment_is_of(&a->d, &all->items[i], text, ret);
    return status;
}

static ol_status write_answers(struct audit *a, const struct deployments *all)
{
    struct ol__json_writer *w = &a->d.ask->json;
    struct served_list served = {0};
    int64_t answers = 0, first = 0, last = 0;
    ol_status status = served_read(&a->d, &served);
    for (int i = 0; i < served.count && status == OL_OK; i++) {
        const struct served *s = &served.items[i];
        bool is_it = false;
        status = is_served(a, all, s->model_version, &is_it);
        if (status != OL_OK || !is_it)
            continue;
        answers += s->answers;
        first = first == 0 ? s->first : OL_MIN(first, s->first);
        last = OL_MAX(last, s->last);
    }
    ol__json_key(w, "answers");
    ol__json_begin_object(w);
    ol__json_member_int(w, "count", answers);
    ask_write_time(a->d.ask, "first", first);
    ask_write_time(a->d.ask, "last", last);
    ol__json_end_object(w);
    a->is_cut = a->is_cut || served.is_cut;
    served_release(&served);
    return status;
}

static ol_status write_decisions(struct audit *a)
{
    struct deployments all = {0};
    int count = 0;
    ol_status status = write_approvals(a);
    if (status == OL_OK)
        status = deployments_read(&a->d, &all);
    if (status == OL_OK)
        status = write_deployments(a, &all, &count);
    if (status == OL_OK && count == 0)
        not_known(a, "where it serves: no deployment is recorded", a->dataset, a->version, a->run);
    if (status == OL_OK)
        status = write_answers(a, &all);
    a->is_cut = a->is_cut || all.is_cut;
    deployments_release(&all);
    return status;
}

static ol_status write_not_known(struct audit *a)
{
    struct ol__json_writer *w = &a->d.ask->json;
    ol_status status = OL_OK;
    for (int64_t i = 0; i < a->source_count; i++)
        not_known(a, "who made it: no run is recorded that wrote it", a->sources[i].dataset,
                  a->sources[i].version, 0);
    ol__json_key(w, "not_known");
    ol__json_begin_array(w);
    for (int64_t i = 0; i < a->unknown_count && status == OL_OK; i++) {
        const struct unknown *u = &a->unknowns[i];
        ol__json_begin_object(w);
        ol__json_member_text(w, "what", u->what);
        if (u->dataset != 0)
            status = ask_write_dataset(a->d.ask, u->dataset, u->version);
        if (status == OL_OK && u->run != 0) {
            struct ask_run run;
            status = ask_run(a->d.ask, u->run, false, &run);
            if (status == OL_OK)
                ol__json_member_text(w, "run_id", run.run_id);
        }
        ol__json_end_object(w);
        status = status == OL_NOT_FOUND ? OL_OK : status;
    }
    ol__json_end_array(w);
    return status;
}

/* ---- The subject ---- */

static ol_status take_dataset(struct audit *a, const char **note)
{
    struct ask *ask = a->d.ask;
    struct ask_edge writer = {0};
    ol_status status = OL_OK;
    a->dataset = ask->ids[0];
    a->version = ask->versions[0];
    if (a->version == 0 && ask->question->content != NULL) {
        *note = ask->note;
        not_known(a, "this content: no such version is recorded", a->dataset, 0, 0);
        return OL_OK;
    }
    if (a->version == 0) {
        status = decisions_latest(ask, a->dataset, &writer);
        a->version = writer.version;
        *note = a->version != 0 ? "the version that stands now" : "no version of it is recorded";
    }
    if (status == OL_OK)
        status = follow(a, a->dataset, a->version, INT64_MAX, 0, 0);
    return status;
}

static ol_status take_run(struct audit *a)
{
    struct ask_run run;
    struct json_doc doc;
    a->run = a->d.ask->ids[0];
    ol_status status = decisions_facet(a->d.ask, a->run, a->d.deployment_key, &run, &doc);
    if (status == OL_OK) {
        const char *id = json_get_text(doc.root, "id");
        a->is_deployment = true;
        snprintf(a->id, sizeof a->id, "%s", id != NULL ? id : run.run_id);
        json_doc_release(&doc);
    } else if (status == OL_NOT_FOUND) {
        status = ask_run(a->d.ask, a->run, false, &run);
        snprintf(a->id, sizeof a->id, "%s", run.run_id);
    }
    if (status == OL_OK)
        add_run(a, a->run, 0);
    return status;
}

static ol_status write_audit(struct audit *a)
{
    struct ask *ask = a->d.ask;
    const char *note = NULL;
    ol_status status = decisions_resolve(ask);
    bool is_known = ask->kind == ASK_DATASET || ask->kind == ASK_RUN;
    if (status == OL_OK && is_known && ask->count > 1) /* promise 1 */
        return ol__error_set(ask->err, OL_INVALID,
                             "'%.*s' is %d things: an audit is of one; say NAMESPACE/NAME",
                             (int)OL_MIN(ask->raw.size, 150u), ask->raw.data, ask->count);
    ol__json_begin_object(&ask->json);
    if (status == OL_OK)
        status = ask_write_subject(ask);
    if (status == OL_OK && is_known)
        status = ask->kind == ASK_DATASET ? take_dataset(a, &note) : take_run(a);
    if (status == OL_OK && is_known)
        status = write_what(a, note);
    if (status == OL_OK && is_known)
        status = write_made_by(a);
    if (status == OL_OK && is_known && a->dataset != 0)
        status = ask_write_assertions(ask, a->dataset, a->version);
    if (status == OL_OK && is_known)
        status = write_decisions(a);
    if (status == OL_OK && is_known)
        status = write_not_known(a);
    if (is_known)
        ol__json_member_bool(&ask->json, "truncated", a->is_cut);
    ol__json_end_object(&ask->json);
    return status;
}

ol_status store_audit(struct store *store, const struct store_question *q, struct ol__buf *out,
                      struct ol_error *err)
{
    struct ask ask;
    struct audit a = {.count = 0};
    if (q->subject == NULL || q->depth < 0 || q->limit < 0)
        return ol__error_set(err, OL_INVALID, "an audit needs a subject, and no number below 0");
    a.max = q->limit == 0 ? RUNS_DEFAULT : OL_MIN(q->limit, (int64_t)RUNS_MAX);
    a.depth = q->depth == 0 ? DEPTH_DEFAULT : q->depth;
    ol_status status = ask_begin(&ask, store, q, 0, out, err);
    if (status != OL_OK)
        return status;
    a.runs = calloc((size_t)a.max, sizeof *a.runs);
    a.sources = calloc(UNKNOWN_MAX, sizeof *a.sources);
    a.unknowns = calloc(UNKNOWN_MAX, sizeof *a.unknowns);
    status = a.runs != NULL && a.sources != NULL && a.unknowns != NULL
                 ? decisions_begin(&a.d, &ask)
                 : ol__error_set(err, OL_NOMEM, "store: out of memory");
    if (status == OL_OK)
        status = write_audit(&a);
    bool is_known = ask.kind == ASK_DATASET || ask.kind == ASK_RUN;
    decisions_end(&a.d);
    free(a.runs);
    free(a.sources);
    free(a.unknowns);
    status = ask_end(&ask, status);
    return status == OL_OK && !is_known ? ask_not_found(&ask) : status;
}
