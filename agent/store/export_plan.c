/* SPDX-License-Identifier: Apache-2.0 */
/* Which events there were.
 * Promises:
 *  1. Taken in again, in this order or any other, they make the state that they were made of:
 *     everything is told at the time at which it was told.
 *  2. The first one is of the time under which the run is filed (runs.born), and every time that
 *     the run's row has is the time of an event.
 *  3. A dataset of which one event told several versions is told in as many events, the one whose
 *     version facet counts in the last of them. */
#include "export.h"

#include <stdlib.h>

void export_plan_release(struct export_plan *plan)
{
    free(plan->items);
    *plan = (struct export_plan){.items = NULL};
}

bool export_same_event(const struct export_item *a, const struct export_item *b)
{
    return a->at == b->at && a->pass == b->pass;
}

static ol_status add(struct export *ex, const struct export_item *item)
{
    struct export_plan *plan = &ex->plan;
    if (plan->count == plan->cap) {
        size_t cap = plan->cap == 0 ? 256 : plan->cap * 2;
        struct export_item *items = realloc(plan->items, cap * sizeof *items);
        if (items == NULL)
            return ol__error_set(ex->err, OL_NOMEM, "export: out of memory");
        plan->items = items;
        plan->cap = cap;
    }
    plan->items[plan->count++] = *item;
    return OL_OK;
}

static ol_status add_mark(struct export *ex, int64_t at, int32_t pass)
{
    return add(ex, &(struct export_item){.at = at, .pass = pass, .place = EXPORT_MARK});
}

static uint8_t place_of(uint8_t kind)
{
    switch (kind) {
    case STATE_RUN_FACET:
        return EXPORT_RUN;
    case STATE_JOB_FACET:
        return EXPORT_JOB;
    case STATE_INPUT_DATASET_FACET:
    case STATE_INPUT_FACET:
    case STATE_INPUT:
        return EXPORT_INPUT;
    case STATE_OUTPUT_DATASET_FACET:
    case STATE_OUTPUT_FACET:
    case STATE_OUTPUT:
        return EXPORT_OUTPUT;
    default:
        return EXPORT_SUBJECT;
    }
}

static bool is_edge(uint8_t kind)
{
    return kind == STATE_INPUT || kind == STATE_OUTPUT || kind == STATE_VERSION;
}

/* Whether the facet @p facet says the version with id @p version. */
static ol_status says(struct export *ex, const struct state_entry *facet, int64_t version,
                      bool *ret)
{
    struct ol__buf text;
    *ret = false;
    if (facet == NULL || facet->value == 0)
        return OL_OK;
    ol__buf_init(&text, (size_t)16 << 20);
    ol_status status = export_version(ex, version, &text);
    if (status == OL_OK)
        status = export_facet_version(ex, facet->value);
    *ret = status == OL_OK && ol__span_equal((struct ol__span){text.data, text.size},
                                             (struct ol__span){ex->text.data, ex->text.size});
    ol__buf_release(&text);
    return status == OL_NOT_FOUND ? OL_OK : status; /* damaged: it says nothing */
}

/* Promise 3. Edges of one dataset stand side by side in a state. */
static ol_status pass_of(struct export *ex, const struct state *state, size_t i, int32_t *passes,
                         int32_t *ret)
{
    const struct state_entry *e = &state->entries[i], *next = e + 1;
    const struct state_entry like = {.kind = e->kind == STATE_INPUT    ? STATE_INPUT_DATASET_FACET
                                             : e->kind == STATE_OUTPUT ? STATE_OUTPUT_DATASET_FACET
                                                                       : STATE_SUBJECT_FACET,
                                     .object = e->object,
                                     .key = ex->version_key};
    bool is_followed = i + 1 < state->count && next->kind == e->kind && next->object == e->object;
    bool is_again = i > 0 && e[-1].kind == e->kind && e[-1].object == e->object;
    if (!is_again)
        *passes = 0;
    *ret = EXPORT_LAST_PASS;
    if (e->key == 0 || ex->version_key == 0)
        return OL_OK;
    const struct state_entry *facet = state_find(state, &like);
    if (!is_again && !is_followed && (facet == NULL || facet->at != e->at))
        return OL_OK;
    bool is_told = false;
    ol_status status = says(ex, facet, e->key, &is_told);
    if (status == OL_OK && !(is_told && facet->at == e->at))
        *ret = (*passes)++;
    return status;
}

/* Ids have the time at which they were first told, facets that at which they were last: where all
 * ids of a facet are as old as this first one of them, the facet is told then already. */
static ol_status add_id(struct export *ex, size_t i)
{
    static const uint8_t kinds[] = {STATE_RUN_FACET, STATE_JOB_FACET};
    const struct state *state = &ex->ask.state;
    const struct state_entry *id = &state->entries[i];
    ol_status status = OL_OK;
    if (id->object == 0 ||
        (i > 0 && id[-1].kind == STATE_ID && id[-1].object == id->object)) /* not the first */
        return OL_OK;
    for (size_t k = i + 1; k < state->count && state->entries[k].object == id->object; k++)
        if (state->entries[k].at != id->at)
            return OL_OK;
    for (size_t k = 0; k < OL_COUNT(kinds) && status == OL_OK; k++) {
        const struct state_entry like = {.kind = kinds[k], .key = id->object};
        const struct state_entry *facet = state_find(state, &like);
        if (facet != NULL && facet->at > id->at)
            status = add(ex, &(struct export_item){.at = id->at,
                                                   .pass = EXPORT_LAST_PASS,
                                                   .place = place_of(facet->kind),
                                                   .kind = facet->kind,
                                                   .key = facet->key,
                                                   .value = facet->value});
    }
    return status;
}

static ol_status add_entries(struct export *ex, int64_t *ret_first)
{
    const struct state *state = &ex->ask.state;
    ol_status status = OL_OK;
    int32_t passes = 0;
    for (size_t i = 0; i < state->count && status == OL_OK; i++) {
        const struct state_entry *e = &state->entries[i];
        struct export_item item = {.at = e->at,
                                   .pass = EXPORT_LAST_PASS,
                                   .place = place_of(e->kind),
                                   .kind = e->kind,
                                   .object = e->object,
                                   .key = e->key,
                                   .value = e->value};
        if (e->kind == STATE_ID) {
            status = add_id(ex, i);
            *ret_first = OL_MIN(*ret_first, e->at);
            continue;
        }
        if (is_edge(e->kind))
            status = pass_of(ex, state, i, &passes, &item.pass);
        if (status == OL_OK)
            status = add(ex, &item);
        *ret_first = OL_MIN(*ret_first, e->at);
    }
    return status;
}

/* Promise 2. */
static ol_status add_marks(struct export *ex)
{
    const struct run_row *row = &ex->subject.row;
    bool has_end = row->status >= RUN_COMPLETE;
    bool is_one = has_end && row->ended == row->started;
    ol_status status = add_mark(
        ex, row->born, is_one && row->born == row->started ? EXPORT_FIRST_PASS : EXPORT_LAST_PASS);
    if (status == OL_OK)
        status =
            add_mark(ex, row->started,
                     is_one && (row->flags & RUN_HAS_START) ? EXPORT_FIRST_PASS : EXPORT_LAST_PASS);
    if (status == OL_OK && has_end)
        status = add_mark(ex, row->ended, EXPORT_LAST_PASS);
    if (status == OL_OK && !ex->subject.has_last)
        status = add_mark(ex, row->last, EXPORT_LAST_PASS);
    return status;
}

/* A run that another named before it came itself was named by its own first event: the rows are in
 * the order in which they came. */
static ol_status add_parent(struct export *ex)
{
    const struct run_row *row = &ex->subject.row;
    const struct state_entry like = {.kind = STATE_RUN_FACET, .key = ex->parent_key};
    const struct state_entry *parent = state_find(&ex->ask.state, &like);
    bool was_named =
        (row->parent != 0 && row->parent < row->id) || (row->root != 0 && row->root < row->id);
    if (!was_named || ex->parent_key == 0 || parent == NULL || parent->at == row->born)
        return OL_OK;
    return add(ex,
               &(struct export_item){.at = row->born,
                                     .pass = row->born == row->started && row->ended == row->started
                                                 ? EXPORT_FIRST_PASS
                                                 : EXPORT_LAST_PASS,
                                     .place = EXPORT_RUN,
                                     .kind = STATE_RUN_FACET,
                                     .key = parent->key,
                                     .value = parent->value});
}

static int compare(const void *a, const void *b)
{
    const struct export_item *x = a, *y = b;
    const int64_t pairs[][2] = {
        {x->is_late, y->is_late}, {x->at, y->at},     {x->pass, y->pass}, {x->place, y->place},
        {x->object, y->object},   {x->kind, y->kind}, {x->key, y->key},   {x->value, y->value}};
    for (size_t i = 0; i < OL_COUNT(pairs); i++)
        if (pairs[i][0] != pairs[i][1])
            return pairs[i][0] < pairs[i][1] ? -1 : 1;
    return 0;
}

ol_status export_plan_make(struct export *ex)
{
    struct export_plan *plan = &ex->plan;
    int64_t first = INT64_MAX;
    plan->count = 0;
    ol_status status = add_entries(ex, &first);
    if (status == OL_OK && ex->subject.kind == ASK_RUN) {
        first = ex->subject.row.born;
        status = add_marks(ex);
        if (status == OL_OK)
            status = add_parent(ex);
    } else if (status == OL_OK && plan->count == 0) { /* told of by name alone */
        first = ex->subject.seen;
        status = add_mark(ex, first, EXPORT_LAST_PASS);
    }
    if (status != OL_OK)
        return status;
    for (size_t i = 0; i < plan->count; i++)
        plan->items[i].is_late = plan->items[i].at != first;
    qsort(plan->items, plan->count, sizeof *plan->items, compare);
    return OL_OK;
}
