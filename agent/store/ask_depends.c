/* SPDX-License-Identifier: Apache-2.0 */
/* `depends A B`: was B among what A was made from? Promises:
 *  1. Yes only with a path that was recorded, each step of which a run told.
 *  2. No only where all that is upstream of A is known to its ends: each dataset has a recorded
 *     writer or is declared a source, each run told inputs (all that its lineage of columns names)
 *     and has completed, no end was inferred, no event was cut, and the walk was not cut either.
 *  3. Else not known, with the gaps. */
#include "graph_columns.h"

#include <stdlib.h>
#include "json_doc.h"

#define DEPTH_DEFAULT 10000
#define LIMIT_DEFAULT 100000
#define GAPS_SHOWN 100
#define VERSIONS_SHOWN 20
#define FAR UINT32_MAX

enum gap_kind {
    GAP_NO_WRITER,
    GAP_NO_INPUTS,
    GAP_UNTOLD_INPUT,
    GAP_RUNNING,
    GAP_FAILED,
    GAP_INFERRED,
    GAP_CUT_EVENT,
    GAP_MAYBE,
    GAP_CUT_WALK,
    GAP_KINDS
};
static const struct {
    const char *name, *what;
} gap_texts[GAP_KINDS] = {
    [GAP_NO_WRITER] = {"no_writer",
                       "no run is recorded that wrote it, and nothing declares it a source"},
    [GAP_NO_INPUTS] = {"no_inputs", "it told no inputs"},
    [GAP_UNTOLD_INPUT] = {"untold_input",
                          "its lineage of columns names data that is not among its inputs"},
    [GAP_RUNNING] = {"running", "it has not ended: it may read more"},
    [GAP_FAILED] = {"failed", "it did not complete: it may not have told everything"},
    [GAP_INFERRED] = {"inferred", "its end was inferred: it may not have told everything"},
    [GAP_CUT_EVENT] = {"cut_event", "parts of its events were left out to meet a size limit"},
    [GAP_MAYBE] = {"maybe", "which run wrote what was read is not told"},
    [GAP_CUT_WALK] = {"truncated", "there is more upstream than was looked at"},
};

struct subject {
    enum ask_kind kind;
    int64_t ids[ASK_MATCHES], versions[ASK_MATCHES];
    int count;
};
struct gap {
    enum gap_kind kind;
    size_t node; /* GRAPH_NONE: the walk itself */
};
struct depends {
    struct walk w;
    struct subject b;
    uint32_t *steps;  /* owned; from A, over edges that are certain; FAR: not so */
    uint32_t *toward; /* owned; the node it flows into on a shortest path */
    bool *has_input;  /* owned; a run's */
    bool *is_source;  /* owned; a dataset that a run calls so */
    struct gap gaps[GAPS_SHOWN];
    size_t gap_count;
    size_t found; /* node; GRAPH_NONE: none */
    bool has_maybe_path;
    int64_t key_shed, key_tags, key_columns; /* texts */
};

/* ---- B ---- */

static bool is_b(const struct depends *d, const struct graph_node *node, bool with_version)
{
    for (int i = 0; i < d->b.count; i++) {
        if (d->b.kind == ASK_DATASET && node->kind == GRAPH_DATASET && node->id == d->b.ids[i] &&
            (!with_version || node->version == d->b.versions[i]))
            return true;
        if (d->b.kind == ASK_RUN && node->kind == GRAPH_RUN && node->id == d->b.ids[i])
            return true;
        if (d->b.kind == ASK_JOB && node->kind == GRAPH_JOB && node->id == d->b.ids[i])
            return true;
    }
    return false;
}

static bool is_run_of_b(struct depends *d, const struct graph_node *node)
{
    struct ask_run run;
    if (d->b.kind != ASK_JOB || node->kind != GRAPH_RUN ||
        ask_run(d->w.ask, node->id, false, &run) != OL_OK)
        return false;
    for (int i = 0; i < d->b.count; i++)
        if (run.row.job == d->b.ids[i])
            return true;
    return false;
}

/* Whether B was asked for in a version, or is a file that has one of those that are recorded. */
static bool asks_version(const struct depends *d)
{
    for (int i = 0; i < d->b.count; i++)
        if (d->b.kind == ASK_DATASET && d->b.versions[i] != 0)
            return true;
    return false;
}

/* ---- Paths ---- */

/* Steps from A to every node; the edges stand in the order of the walk, so one pass nearly does. */
static void measure(struct depends *d, bool with_maybe)
{
    bool has_changed = true;
    for (size_t i = 0; i < d->w.count; i++)
        d->steps[i] = i < d->w.root_count ? 0 : FAR;
    while (has_changed) {
        has_changed = false;
        for (size_t i = 0; i < d->w.edge_count; i++) {
            const struct graph_edge *e = &d->w.edges[i];
            if ((e->is_maybe && !with_maybe) || d->steps[e->to] == FAR ||
                d->steps[e->from] <= d->steps[e->to] + 1)
                continue;
            d->steps[e->from] = d->steps[e->to] + 1;
            d->toward[e->from] = (uint32_t)e->to;
            has_changed = true;
        }
    }
}

/* The nearest node that is B, in the version that was asked for if there is such a path. */
static void find_nearest(struct depends *d)
{
    d->found = GRAPH_NONE;
    for (int pass = asks_version(d) ? 0 : 1; pass < 2 && d->found == GRAPH_NONE; pass++)
        for (size_t i = d->w.root_count; i < d->w.count; i++)
            if (d->steps[i] != FAR &&
                (d->found == GRAPH_NONE || d->steps[i] < d->steps[d->found]) &&
                (is_b(d, &d->w.nodes[i], pass == 0) || is_run_of_b(d, &d->w.nodes[i])))
                d->found = i;
}

/* ---- Gaps ---- */

static void add_gap(struct depends *d, enum gap_kind kind, size_t node)
{
    if (d->gap_count < GAPS_SHOWN)
        d->gaps[d->gap_count] = (struct gap){.kind = kind, .node = node};
    d->gap_count++;
}

/* Whether a facet `tags` has the key "source" with a value that means yes. */
static ol_status says_source(struct depends *d, int64_t facet, bool *ret)
{
    struct json_doc doc;
    ol_status status = ask_facet_doc(d->w.ask, facet, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    for (const struct json_node *t = json_get_items(doc.root, "tags"); t != NULL; t = t->next) {
        const char *key = json_get_text(t, "key"), *value = json_get_text(t, "value");
        if (key != NULL && strcmp(key, "source") == 0 &&
            (value == NULL || strcmp(value, "false") != 0))
            *ret = true;
    }
    json_doc_release(&doc);
    return OL_OK;
}

static bool is_input(const struct state *state, int64_t dataset)
{
    for (size_t i = 0; i < state->count; i++)
        if (state->entries[i].kind == STATE_INPUT && state->entries[i].object == dataset)
            return true;
    return false;
}

/* Whether one of the fields named from @p field on is of a dataset that the run did not name. What
 * it wrote itself it may well carry on. */
static ol_status names_untold(struct depends *d, const struct state *state, int64_t output,
                              const struct json_node *field, bool *ret)
{
    ol_status status = OL_OK;
    for (; field != NULL && status == OL_OK && !*ret; field = field->next) {
        const char *name_space = json_get_text(field, "namespace");
        const char *name = json_get_text(field, "name");
        int64_t dataset = 0;
        if (name_space == NULL || name == NULL)
            continue;
        status = graph_find_dataset(&d->w, name_space, name, &dataset);
        *ret = status == OL_OK && dataset != output && !is_input(state, dataset);
    }
    return status;
}

static ol_status look_at_columns(struct depends *d, size_t node, const struct state *state,
                                 const struct state_entry *e)
{
    struct json_doc doc;
    bool is_untold = false;
    ol_status status = ask_facet_doc(d->w.ask, e->value, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    for (const struct json_node *f = json_get_items(doc.root, "fields");
         f != NULL && status == OL_OK && !is_untold; f = f->next)
        status = names_untold(d, state, e->object, json_get_items(f, "inputFields"), &is_untold);
    if (status == OL_OK && !is_untold)
        status = names_untold(d, state, e->object, json_get_items(doc.root, "dataset"), &is_untold);
    json_doc_release(&doc);
    if (is_untold)
        add_gap(d, GAP_UNTOLD_INPUT, node);
    return status;
}

/* What a run says of its inputs, and whether it lost something. */
static ol_status look_at_state(struct depends *d, size_t node)
{
    struct state state = d->w.ask->state;
    ol_status status = OL_OK;
    for (size_t i = 0; i < state.count && status == OL_OK; i++) {
        const struct state_entry *e = &state.entries[i];
        bool is_source = false;
        if (e->kind == STATE_RUN_FACET && e->key == d->key_shed && e->value != 0 && e->key != 0)
            add_gap(d, GAP_CUT_EVENT, node);
        if (e->kind == STATE_OUTPUT_DATASET_FACET && e->key == d->key_columns && e->value != 0)
            status = look_at_columns(d, node, &state, e);
        if (e->kind != STATE_INPUT_DATASET_FACET || e->key != d->key_tags || e->value == 0 ||
            e->key == 0 || status != OL_OK)
            continue;
        status = says_source(d, e->value, &is_source);
        for (size_t k = 0; k < d->w.edge_count && is_source; k++) {
            const struct graph_edge *edge = &d->w.edges[k];
            if (edge->to == node && d->w.nodes[edge->from].kind == GRAPH_DATASET &&
                d->w.nodes[edge->from].id == e->object)
                d->is_source[edge->from] = true;
        }
    }
    return status;
}

static ol_status look_at_run(struct depends *d, size_t node)
{
    struct ask_run run;
    ol_status status = ask_run(d->w.ask, d->w.nodes[node].id, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    if (!d->has_input[node])
        add_gap(d, GAP_NO_INPUTS, node);
    if (run.row.status < RUN_COMPLETE)
        add_gap(d, GAP_RUNNING, node);
    else if (run.row.flags & RUN_INFERRED)
        add_gap(d, GAP_INFERRED, node);
    else if (run.row.status != RUN_COMPLETE)
        add_gap(d, GAP_FAILED, node);
    return look_at_state(d, node);
}

/* Whether a run as a whole starts from it, or an event about the dataset itself says so. */
static ol_status is_declared(struct depends *d, size_t node, bool *ret)
{
    struct ask *ask = d->w.ask;
    int64_t id = d->w.nodes[node].id;
    *ret = d->is_source[node];
    if (*ret)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(ask->store, SQL_ASK_READ_BY_ROOT, ask->err, "i", id);
    ol_status status = store_step(ask->store, stmt, ask->err);
    *ret = status == OL_OK;
    sqlite3_reset(stmt);
    if (status < 0 || *ret)
        return status < 0 ? status : OL_OK;
    status = ask_static(ask, ASK_DATASET, id);
    for (size_t i = 0; i < ask->state.count && status == OL_OK && !*ret; i++) {
        const struct state_entry *e = &ask->state.entries[i];
        if (e->kind == STATE_SUBJECT_FACET && e->key == d->key_tags && e->key != 0 && e->value != 0)
            status = says_source(d, e->value, ret);
    }
    return status == OL_NOT_FOUND ? OL_OK : status;
}

/* Promise 2. Runs first: they say which of their inputs are sources. */
static ol_status find_gaps(struct depends *d)
{
    ol_status status = ask_text_id(d->w.ask, ol__span_text("lineaged_shed"), &d->key_shed);
    if (status == OL_OK)
        status = ask_text_id(d->w.ask, ol__span_text("tags"), &d->key_tags);
    if (status == OL_OK)
        status = ask_text_id(d->w.ask, ol__span_text("columnLineage"), &d->key_columns);
    for (size_t i = 0; i < d->w.edge_count; i++)
        d->has_input[d->w.edges[i].to] = true;
    for (size_t i = 0; i < d->w.count && status == OL_OK; i++) {
        if (d->w.nodes[i].kind == GRAPH_RUN)
            status = look_at_run(d, i);
        else if (d->w.nodes[i].kind == GRAPH_JOB && !d->has_input[i])
            add_gap(d, GAP_NO_INPUTS, i);
    }
    for (size_t i = 0; i < d->w.count && status == OL_OK; i++) {
        bool is_source = false;
        if (d->w.nodes[i].kind != GRAPH_DATASET || d->w.nodes[i].run != 0)
            continue;
        status = is_declared(d, i, &is_source);
        if (status == OL_OK && !is_source)
            add_gap(d, GAP_NO_WRITER, i);
    }
    for (size_t i = 0; i < d->w.edge_count && status == OL_OK; i++)
        if (d->w.edges[i].is_maybe)
            add_gap(d, GAP_MAYBE, d->w.edges[i].to);
    if (d->w.is_cut_by_depth || d->w.is_cut_by_limit)
        add_gap(d, GAP_CUT_WALK, GRAPH_NONE);
    return status;
}

/* ---- Writing ---- */

/* From B to A, as data flows. */
static ol_status write_path(struct depends *d)
{
    struct ol__json_writer *json = &d->w.ask->json;
    ol_status status = OL_OK;
    ol__json_key(json, "path");
    ol__json_begin_array(json);
    for (size_t at = d->found; status == OL_OK; at = d->toward[at]) {
        status = graph_write_node(&d->w, at);
        if (d->steps[at] == 0)
            break;
    }
    ol__json_end_array(json);
    return status;
}

static ol_status write_versions(struct depends *d)
{
    struct ask *ask = d->w.ask;
    ol_status status = OL_OK;
    int64_t shown[VERSIONS_SHOWN];
    int count = 0;
    if (d->b.kind != ASK_DATASET)
        return OL_OK;
    if (asks_version(d))
        ol__json_member_bool(&ask->json, "is_asked_version", is_b(d, &d->w.nodes[d->found], true));
    ol__json_key(&ask->json, "versions");
    ol__json_begin_array(&ask->json);
    for (size_t i = d->w.root_count; i < d->w.count && status == OL_OK; i++) {
        const struct graph_node *node = &d->w.nodes[i];
        bool is_again = node->version == 0;
        for (int k = 0; k < count; k++)
            is_again = is_again || shown[k] == node->version;
        if (d->steps[i] == FAR || is_again || count == VERSIONS_SHOWN || !is_b(d, node, false))
            continue;
        shown[count++] = node->version;
        ol__json_begin_object(&ask->json);
        status = ask_write_version(ask, node->version);
        ol__json_end_object(&ask->json);
    }
    ol__json_end_array(&ask->json);
    return status;
}

static ol_status write_gaps(struct depends *d)
{
    struct ol__json_writer *json = &d->w.ask->json;
    ol_status status = OL_OK;
    ol__json_key(json, "gaps");
    ol__json_begin_array(json);
    for (size_t i = 0; i < OL_MIN(d->gap_count, (size_t)GAPS_SHOWN) && status == OL_OK; i++) {
        ol__json_begin_object(json);
        ol__json_member_text(json, "kind", gap_texts[d->gaps[i].kind].name);
        ol__json_member_text(json, "what", gap_texts[d->gaps[i].kind].what);
        if (d->gaps[i].node != GRAPH_NONE) {
            ol__json_key(json, "at");
            status = graph_write_node(&d->w, d->gaps[i].node);
        }
        ol__json_end_object(json);
    }
    ol__json_end_array(json);
    ol__json_member_uint(json, "gap_count", d->gap_count);
    return status;
}

static ol_status write_verdict(struct depends *d)
{
    static const char yes[] = "a path is recorded; that B had any effect is not said by it";
    static const char no[] =
        "all that is recorded upstream of A is known to its ends, and B is not "
        "among it; what no run told of is not known to anybody";
    static const char maybe[] = "B is upstream only by a run that may have written what was read";
    static const char gaps[] = "B is not among what is recorded upstream of A, but that is not all "
                               "there was";
    struct ol__json_writer *json = &d->w.ask->json;
    bool is_yes = d->found != GRAPH_NONE && !d->has_maybe_path;
    bool is_no = d->found == GRAPH_NONE && d->gap_count == 0;
    ol_status status = OL_OK;
    ol__json_member_text(json, "depends", is_yes ? "yes" : is_no ? "no" : "not_known");
    ol__json_member_text(json, "caveat",
                         is_yes              ? yes
                         : is_no             ? no
                         : d->has_maybe_path ? maybe
                                             : gaps);
    if (d->found != GRAPH_NONE) {
        status = write_path(d);
        if (status == OL_OK)
            status = write_versions(d);
    }
    if (status == OL_OK && !is_yes)
        status = write_gaps(d);
    ol__json_member_uint(json, "looked_at", d->w.count);
    ol__json_member_bool(json, "truncated", d->w.is_cut_by_depth || d->w.is_cut_by_limit);
    return status;
}

static ol_status search(struct depends *d)
{
    size_t count = d->w.count + 1;
    d->steps = calloc(count, sizeof *d->steps);
    d->toward = calloc(count, sizeof *d->toward);
    d->has_input = calloc(count, sizeof *d->has_input);
    d->is_source = calloc(count, sizeof *d->is_source);
    if (d->steps == NULL || d->toward == NULL || d->has_input == NULL || d->is_source == NULL)
        return graph_nomem(&d->w);
    measure(d, false);
    find_nearest(d);
    if (d->found != GRAPH_NONE)
        return OL_OK; /* promise 1 */
    measure(d, true);
    find_nearest(d);
    d->has_maybe_path = d->found != GRAPH_NONE;
    return find_gaps(d);
}

/* B, under "other"; what was found is kept, the question is A's again. */
static ol_status find_b(struct depends *d)
{
    struct ask *ask = d->w.ask;
    const struct store_question *q = ask->question;
    struct store_question other = *q;
    other.subject = q->other;
    other.content = q->other_content;
    other.is_request = false;
    ask->question = &other;
    ol_status found = ask_resolve(ask), status = found == OL_NOT_FOUND ? OL_OK : found;
    ol__json_key(&ask->json, "other");
    ol__json_begin_object(&ask->json);
    if (status == OL_OK)
        status = ask_write_subject(ask);
    ol__json_end_object(&ask->json);
    d->b = (struct subject){.kind = ask->kind, .count = ask->count};
    memcpy(d->b.ids, ask->ids, sizeof d->b.ids);
    memcpy(d->b.versions, ask->versions, sizeof d->b.versions);
    if (status == OL_OK && found == OL_NOT_FOUND)
        status = ask_not_found(ask);
    ask->question = q;
    ask->count = 0;
    ask->kind = ASK_NONE;
    ask->note = NULL;
    ask->name_space = (struct ol__span){0};
    return status;
}

static ol_status answer(struct depends *d)
{
    struct ask *ask = d->w.ask;
    ol_status status = find_b(d);
    if (status != OL_OK)
        return status;
    status = ask_resolve(ask);
    if (status == OL_OK)
        status = graph_walk(&d->w);
    if (status == OL_OK)
        status = ask_write_subject(ask);
    else if (status == OL_NOT_FOUND)
        status = ask_not_found(ask);
    if (status == OL_OK)
        status = search(d);
    return status == OL_OK ? write_verdict(d) : status;
}

ol_status store_depends(struct store *store, const struct store_question *question,
                        struct ol__buf *out, struct ol_error *err)
{
    struct ask ask;
    struct depends d = {.w = {.ask = &ask, .is_upstream = true}, .found = GRAPH_NONE};
    if (question->subject == NULL || question->other == NULL || question->depth < 0 ||
        question->limit < 0)
        return ol__error_set(err, OL_INVALID,
                             "depends: expected two subjects, and no number below 0");
    d.w.depth = question->depth == 0 ? DEPTH_DEFAULT : question->depth;
    d.w.limit = question->limit == 0 ? LIMIT_DEFAULT : OL_MIN(question->limit, LIMIT_DEFAULT);
    ol_status status = ask_begin(&ask, store, question, d.w.limit, out, err);
    if (status != OL_OK)
        return status;
    ol__json_begin_object(&ask.json);
    status = answer(&d);
    if (status == OL_OK)
        ol__json_end_object(&ask.json);
    graph_release(&d.w);
    free(d.steps);
    free(d.toward);
    free(d.has_input);
    free(d.is_source);
    status = ask_end(&ask, status);
    if (status == OL_NOT_FOUND)
        ol__buf_reset(out); /* err says which of the two */
    return status == OL_NOT_FOUND && store->damage.count > 0 ? damage_refuse(store, err) : status;
}
