/* SPDX-License-Identifier: Apache-2.0 */
/* `diff`: what is different between two runs, and between those that made what they read.
 *
 * Promises:
 *  1. A fact that both told is equal or changed; one that only one of them told is said to be so:
 * nothing is taken for equal because nobody spoke of it.
 *  2. Where both read the same dataset in different versions, the runs that wrote these are
 * compared as well, and so on upstream; each pair of runs once. So are runs of one job that wrote
 * what only one side read: files that carry the version in their name.
 *  3. Where each wrote (read) one dataset that the other did not, what was told of the one is
 * compared with what was told of the other, as facts about "output" ("input"). */
#include <stdio.h>
#include <stdlib.h>
#include "ask_facts.h"
#include "ask_since.h"

#define PAIRS_DEFAULT 100
#define PAIRS_MAX 10000
#define DEPTH_DEFAULT 20

struct pair {
    int64_t a, b; /* runs; 0: nobody is known */
    int64_t depth;
};
#define UNPAIRED_MAX 64
struct unpaired { /* inputs that only one side read */
    const struct fact *facts[UNPAIRED_MAX];
    size_t count; /* past UNPAIRED_MAX: none is looked at */
};
struct diff {
    struct ask *ask;
    struct pair *pairs; /* owned; in the order in which they were found */
    size_t count, max;
    struct unpaired only_a, only_b; /* of the pair that is being compared */
    int64_t depth;
    bool is_cut_by_depth, is_cut_by_limit;
};

/* ---- Pairs ---- */

static void add_pair(struct diff *d, int64_t a, int64_t b, int64_t depth)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->pairs[i].a == a && d->pairs[i].b == b)
            return;
    if (depth > d->depth)
        d->is_cut_by_depth = true;
    else if (d->count == d->max)
        d->is_cut_by_limit = true;
    else
        d->pairs[d->count++] = (struct pair){.a = a, .b = b, .depth = depth};
}

static ol_status writer_of(struct diff *d, const struct fact *fact, int64_t reader, int64_t *ret)
{
    struct ask_run run;
    struct ask_edge edge;
    ol_status status = ask_run(d->ask, reader, false, &run);
    *ret = 0;
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    status = ask_writer(d->ask, fact->dataset, fact->version, run.row.born, reader, &edge);
    *ret = edge.run;
    return status;
}

/* Promise 2. */
static ol_status follow(struct diff *d, const struct pair *pair, const struct fact *a,
                        const struct fact *b)
{
    int64_t x = 0, y = 0;
    ol_status status = writer_of(d, a, pair->a, &x);
    if (status == OL_OK)
        status = writer_of(d, b, pair->b, &y);
    if (status == OL_OK && x != y && x != 0 && y != 0)
        add_pair(d, x, y, pair->depth + 1);
    return status;
}

static void keep_unpaired(struct unpaired *list, const struct fact *fact)
{
    if (list->count < UNPAIRED_MAX)
        list->facts[list->count] = fact;
    list->count++;
}

struct maker {
    int64_t run, job; /* 0: nobody is known */
};

static ol_status find_makers(struct diff *d, const struct unpaired *list, int64_t reader,
                             struct maker makers[UNPAIRED_MAX])
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < list->count && status == OL_OK; i++) {
        struct ask_run run = {.row = {.id = 0}};
        makers[i].run = makers[i].job = 0;
        status = writer_of(d, list->facts[i], reader, &makers[i].run);
        if (status == OL_OK && makers[i].run != 0)
            status = ask_run(d->ask, makers[i].run, false, &run);
        if (status == OL_OK)
            makers[i].job = run.row.job;
        if (status == OL_NOT_FOUND)
            status = OL_OK;
    }
    return status;
}

/* Promise 2, its second half. Of several the first of each side belong together. */
static ol_status follow_unpaired(struct diff *d, const struct pair *pair)
{
    struct maker a[UNPAIRED_MAX], b[UNPAIRED_MAX];
    if (d->only_a.count > UNPAIRED_MAX || d->only_b.count > UNPAIRED_MAX || d->only_a.count == 0 ||
        d->only_b.count == 0)
        return OL_OK;
    ol_status status = find_makers(d, &d->only_a, pair->a, a);
    if (status == OL_OK)
        status = find_makers(d, &d->only_b, pair->b, b);
    for (size_t i = 0; i < d->only_a.count && status == OL_OK; i++)
        for (size_t j = 0; j < d->only_b.count && a[i].job != 0; j++) {
            if (b[j].job != a[i].job)
                continue;
            if (a[i].run != b[j].run)
                add_pair(d, a[i].run, b[j].run, pair->depth + 1);
            b[j].job = a[i].job = 0;
        }
    return status;
}

/* ---- Comparing ---- */

static void write_change(struct diff *d, const struct fact *a, const struct fact *b)
{
    struct ol__json_writer *w = &d->ask->json;
    const struct fact *any = a != NULL ? a : b;
    if (any == NULL)
        return;
    ol__json_begin_object(w);
    ol__json_member_text(w, "area", fact_area_name(any->area));
    ol__json_member_text(w, "what", any->what);
    if (a != NULL)
        ol__json_member_text(w, "a", a->value);
    if (b != NULL)
        ol__json_member_text(w, "b", b->value);
    ol__json_end_object(w);
}

static size_t group_size(const struct facts *f, size_t at)
{
    size_t n = 1;
    while (at + n < f->count && fact_compare(&f->items[at], &f->items[at + n]) == 0)
        n++;
    return n;
}

/* Several facts about one thing (a dataset read in two versions): those of one side that the other
 * has are equal; of the rest the first of each side belong together. */
static ol_status compare_group(struct diff *d, const struct pair *pair, const struct fact *a,
                               size_t a_count, const struct fact *b, size_t b_count,
                               int64_t same[FACT_AREAS])
{
    size_t i = 0, j = 0;
    ol_status status = OL_OK;
    while ((i < a_count || j < b_count) && status == OL_OK) {
        int order = i == a_count ? 1 : j == b_count ? -1 : strcmp(a[i].value, b[j].value);
        if (order == 0) {
            same[a[i].area]++;
            i++;
            j++;
            continue;
        }
        bool is_change = i < a_count && j < b_count;
        write_change(d, i < a_count && (is_change || order < 0) ? &a[i] : NULL,
                     j < b_count && (is_change || order > 0) ? &b[j] : NULL);
        if (is_change && a[i].area == FACT_INPUT)
            status = follow(d, pair, &a[i], &b[j]);
        else if (!is_change && order < 0 && a[i].area == FACT_INPUT)
            keep_unpaired(&d->only_a, &a[i]);
        else if (!is_change && order > 0 && b[j].area == FACT_INPUT)
            keep_unpaired(&d->only_b, &b[j]);
        i += is_change || order < 0;
        j += is_change || order > 0;
    }
    return status;
}

static int by_what(const void *a, const void *b)
{
    return fact_compare(a, b);
}

/* The one dataset that @p a has on this side and @p b has not; NULL: none, or several. */
static const char *only_one(const struct facts *a, const struct facts *b, enum fact_area side)
{
    const char *found = NULL;
    for (size_t i = 0; i < a->count; i++) {
        const struct fact *fact = &a->items[i];
        if (fact->area != side || (found != NULL && strcmp(found, fact->what) == 0) ||
            (b->count > 0 && bsearch(fact, b->items, b->count, sizeof *fact, by_what) != NULL))
            continue;
        if (found != NULL)
            return NULL;
        found = fact->what;
    }
    return found;
}

static ol_status rename_owner(struct facts *f, const char *owner, enum fact_area side,
                              struct ol__arena *arena)
{
    for (size_t i = 0; i < f->count; i++) {
        struct fact *fact = &f->items[i];
        if (fact->owner == NULL || fact->side != side || strcmp(fact->owner, owner) != 0)
            continue;
        size_t size = strlen(fact_area_name(side)) + strlen(fact->rest) + 3;
        char *what = ol__arena_alloc(arena, size);
        if (what == NULL)
            return OL_NOMEM;
        snprintf(what, size, "%s: %s", fact_area_name(side), fact->rest);
        fact->what = what;
    }
    facts_sort(f);
    return OL_OK;
}

/* Promise 3. */
static ol_status match_renamed(struct diff *d, struct facts *a, struct facts *b,
                               struct ol__arena *arena)
{
    static const enum fact_area sides[] = {FACT_INPUT, FACT_OUTPUT};
    ol_status status = OL_OK;
    for (size_t i = 0; i < OL_COUNT(sides) && status == OL_OK; i++) {
        const char *one = only_one(a, b, sides[i]), *other = only_one(b, a, sides[i]);
        if (one == NULL || other == NULL)
            continue;
        status = rename_owner(a, one, sides[i], arena);
        if (status == OL_OK)
            status = rename_owner(b, other, sides[i], arena);
    }
    return status == OL_OK ? OL_OK : ol__error_set(d->ask->err, status, "diff: out of memory");
}

static ol_status compare_facts(struct diff *d, const struct pair *pair, const struct facts *a,
                               const struct facts *b, int64_t same[FACT_AREAS])
{
    size_t i = 0, j = 0;
    ol_status status = OL_OK;
    d->only_a.count = d->only_b.count = 0;
    while ((i < a->count || j < b->count) && status == OL_OK) {
        int order = i == a->count   ? 1
                    : j == b->count ? -1
                                    : fact_compare(&a->items[i], &b->items[j]);
        size_t a_count = order <= 0 ? group_size(a, i) : 0;
        size_t b_count = order >= 0 ? group_size(b, j) : 0;
        status = compare_group(d, pair, a_count > 0 ? &a->items[i] : NULL, a_count,
                               b_count > 0 ? &b->items[j] : NULL, b_count, same);
        i += a_count;
        j += b_count;
    }
    return status == OL_OK ? follow_unpaired(d, pair) : status;
}

static ol_status write_side(struct diff *d, const char *key, int64_t id)
{
    struct ask_run run;
    ol_status status = ask_run(d->ask, id, false, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    ol__json_key(&d->ask->json, key);
    ol__json_begin_object(&d->ask->json);
    status = ask_write_run(d->ask, &run);
    ol__json_end_object(&d->ask->json);
    return status;
}

static ol_status write_pair(struct diff *d, const struct pair *pair)
{
    struct ol__json_writer *w = &d->ask->json;
    struct ol__arena arena = {0};
    struct facts a, b;
    int64_t same[FACT_AREAS] = {0};
    ol__json_begin_object(w);
    ol__json_member_int(w, "depth", pair->depth);
    ol_status status = write_side(d, "a", pair->a);
    if (status == OL_OK)
        status = write_side(d, "b", pair->b);
    if (status == OL_OK)
        status = facts_read(d->ask, pair->a, &arena, &a);
    if (status == OL_OK)
        status = facts_read(d->ask, pair->b, &arena, &b);
    if (status == OL_OK)
        status = match_renamed(d, &a, &b, &arena);
    if (status == OL_OK) {
        ol__json_key(w, "changed");
        ol__json_begin_array(w);
        status = compare_facts(d, pair, &a, &b, same);
        ol__json_end_array(w);
        ol__json_key(w, "same");
        ol__json_begin_object(w);
        for (int i = 0; i < FACT_AREAS; i++)
            if (same[i] > 0)
                ol__json_member_int(w, fact_area_name((enum fact_area)i), same[i]);
        ol__json_end_object(w);
        if (a.is_cut || b.is_cut)
            ol__json_member_bool(w, "truncated", true);
    }
    ol__json_end_object(w);
    ol__arena_reset(&arena, 0);
    return status;
}

/* ---- The subjects ---- */

/* The run that is meant: itself, the latest of a job, the one that wrote the dataset. */
static ol_status run_of(struct ask *ask, int64_t *ret)
{
    struct ask_edge edge = {0};
    ol_status status = OL_OK;
    *ret = 0;
    for (int i = 0; i < ask->count && *ret == 0 && status == OL_OK; i++) {
        if (ask->kind == ASK_RUN) {
            *ret = ask->ids[i];
        } else if (ask->kind == ASK_DATASET) {
            status = ask_writer(ask, ask->ids[i], ask->versions[i], INT64_MAX, 0, &edge);
            *ret = edge.run;
        } else {
            status = ask_latest_run(ask, ask->ids[i], ret);
        }
    }
    if (status == OL_OK && *ret == 0)
        status = ol__error_set(ask->err, OL_NOT_FOUND, "no run is recorded that made '%.*s'",
                               (int)OL_MIN(ask->raw.size, 150u), ask->raw.data);
    return status;
}

/* Member @p key: what was found under this name; and the run. */
static ol_status find_side(struct ask *ask, const char *key, const char *subject,
                           const char *content, int64_t *ret)
{
    const struct store_question *before = ask->question;
    struct store_question question = *before;
    question.subject = subject;
    question.content = content;
    ask->question = &question;
    ask->count = 0;
    ask->kind = ASK_NONE;
    ask->note = NULL;
    ol_status found = ask_resolve(ask);
    ol_status status = found == OL_NOT_FOUND ? OL_OK : found;
    ol__json_key(&ask->json, key);
    ol__json_begin_object(&ask->json);
    if (status == OL_OK)
        status = ask_write_subject(ask);
    ol__json_end_object(&ask->json);
    *ret = 0;
    if (status == OL_OK && found == OL_OK)
        status = run_of(ask, ret);
    ask->question = before;
    if (status == OL_OK && found == OL_NOT_FOUND)
        return ask_not_found(ask);
    return status;
}

/* Both sides of a deployment's. */
static ol_status find_since(struct ask *ask, int64_t *ret_a, int64_t *ret_b)
{
    static const char *const keys[] = {"a", "b"};
    struct since_side sides[2] = {{0}};
    int64_t *const runs[] = {ret_a, ret_b};
    ol_status status = since_find(ask, ask->question->subject, sides);
    for (int i = 0; i < 2 && status == OL_OK; i++) {
        ask->kind = ASK_DATASET;
        ask->by = "name";
        ask->note = sides[i].note;
        ask->count = 1;
        ask->ids[0] = sides[i].dataset;
        ask->versions[0] = sides[i].version;
        ol__json_key(&ask->json, keys[i]);
        ol__json_begin_object(&ask->json);
        status = ask_write_subject(ask);
        ol__json_end_object(&ask->json);
        if (status == OL_OK)
            status = run_of(ask, runs[i]);
    }
    ask->note = NULL;
    return status;
}

static ol_status write_diff(struct diff *d)
{
    const struct store_question *q = d->ask->question;
    struct ol__json_writer *w = &d->ask->json;
    int64_t a = 0, b = 0;
    ol__json_begin_object(w);
    ol_status status = q->is_since_deploy ? find_since(d->ask, &a, &b)
                                          : find_side(d->ask, "a", q->subject, q->content, &a);
    if (status == OL_OK && !q->is_since_deploy)
        status = find_side(d->ask, "b", q->other, q->other_content, &b);
    ol__json_key(w, "pairs");
    ol__json_begin_array(w);
    if (status == OL_OK && a != b)
        add_pair(d, a, b, 0);
    for (size_t i = 0; i < d->count && status == OL_OK; i++)
        status = write_pair(d, &d->pairs[i]); /* may add more */
    ol__json_end_array(w);
    ol__json_member_bool(w, "truncated", d->is_cut_by_depth || d->is_cut_by_limit);
    if (d->is_cut_by_depth || d->is_cut_by_limit)
        ol__json_member_text(w, "cut_by", d->is_cut_by_limit ? "limit" : "depth");
    ol__json_end_object(w);
    return status;
}

ol_status store_diff(struct store *store, const struct store_question *q, struct ol__buf *out,
                     struct ol_error *err)
{
    struct ask ask;
    struct diff d = {.ask = &ask};
    if (q->subject == NULL || (q->other == NULL && !q->is_since_deploy) || q->depth < 0 ||
        q->limit < 0)
        return ol__error_set(err, OL_INVALID,
                             "a difference needs two subjects, and no number below 0");
    d.depth = q->depth == 0 ? DEPTH_DEFAULT : q->depth;
    d.max = (size_t)(q->limit == 0 ? PAIRS_DEFAULT : OL_MIN(q->limit, (int64_t)PAIRS_MAX));
    ol_status status = ask_begin(&ask, store, q, 0, out, err);
    if (status != OL_OK)
        return status;
    struct pair *pairs = d.pairs = calloc(d.max, sizeof *d.pairs);
    status =
        d.pairs != NULL ? write_diff(&d) : ol__error_set(err, OL_NOMEM, "store: out of memory");
    free(pairs);
    status = ask_end(&ask, status);
    if (status == OL_NOT_FOUND)
        ol__buf_reset(out); /* err says which of the two */
    return status == OL_NOT_FOUND && store->damage.count > 0 ? damage_refuse(store, err) : status;
}
