/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. What nobody told is missing, never assumed.
 *  2. A run is no better than the least of what its policy asks for; X no better than the least of
 *     the runs that led to it.
 *  3. An input that is gone counts as there if a run of the answer that can be rebuilt wrote it. A
 *     run counts as such only once that is shown, so that no circle holds itself up; verdicts only
 *     get better, so that the looking ends. */
#include "judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *repro_state_name(enum repro_state state)
{
    static const char *const names[] = {"not", "documented", "rebuild"};
    return names[state];
}

const char *repro_keep(struct repro_case *c, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = ol__arena_alloc(&c->arena, size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

void repro_say(struct repro_case *c, struct repro_answer *a, const char *format, ...)
{
    char text[1200];
    va_list args;
    if (a->count++ >= REPRO_WHAT_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    a->what[a->count - 1] = repro_keep(c, text);
    if (a->what[a->count - 1] == NULL)
        a->count--;
}

const char *repro_told(const struct repro_run *run, const char *area, const char *what)
{
    const struct json_node *fact = json_get_items(json_get(run->told, "told"), area);
    for (; fact != NULL; fact = fact->next) {
        const char *name = json_get_text(fact, "what");
        if (name != NULL && strcmp(name, what) == 0)
            return json_get_text(fact, "value");
    }
    return NULL;
}

enum repro_state repro_weigh(enum repro_level level, enum repro_state state)
{
    if (level == REPRO_REQUIRED)
        return state;
    if (level == REPRO_ONLY_TOLD)
        return state == REPRO_NOT ? REPRO_NOT : REPRO_REBUILD;
    return REPRO_REBUILD;
}

/* Promise 2. */
static enum repro_state weigh(const struct repro_run *run)
{
    enum repro_state state = REPRO_REBUILD;
    for (int i = 0; i < REPRO_FIELDS; i++)
        state = OL_MIN(state, repro_weigh(run->answers[i].level, run->answers[i].state));
    return state;
}

static ol_status read_run(struct repro_case *c, struct repro_run *run, const struct json_node *told)
{
    const struct json_node *ids = json_get(told, "ids"), *made = json_get(told, "run");
    const struct json_node *job = json_get(made, "job");
    *run = (struct repro_run){.told = told,
                              .id = json_get_text(made, "run_id"),
                              .name_space = json_get_text(job, "namespace"),
                              .job = json_get_text(job, "name")};
    run->id = run->id != NULL ? run->id : "";
    run->name_space = run->name_space != NULL ? run->name_space : "";
    run->job = run->job != NULL ? run->job : "";
    run->is_whole = json_get_int(told, "children", 0) > 0 &&
                    json_get_items(told, "inputs") == NULL &&
                    json_get_items(told, "outputs") == NULL;
    ol_status status =
        evidence_receipt(c->runs_folder, json_get_text(ids, "run_id"), json_get_text(ids, "step"),
                         json_get_text(ids, "attempt"), &run->receipt, run->receipt_path, c->err);
    run->has_receipt = status == OL_OK;
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

static ol_status judge_run(struct repro_case *c, struct repro_run *run)
{
    enum repro_level levels[REPRO_FIELDS];
    repro_policy_levels(c->policy, run->name_space, run->job, levels);
    for (int i = 0; i < REPRO_FIELDS; i++)
        run->answers[i].level = levels[i];
    ol_status status = repro_judge_fields(c, run);
    if (levels[REPRO_INPUTS] == REPRO_IGNORED)
        run->state = weigh(run);
    return status; /* REPRO_NOT, until inputs are looked at: promise 3 */
}

/* Promise 3. */
static ol_status judge_chains(struct repro_case *c)
{
    bool is_changed = true;
    ol_status status = OL_OK;
    while (is_changed && status == OL_OK) {
        is_changed = false;
        for (size_t i = c->count; i-- > 0 && status == OL_OK;) {
            struct repro_run *run = &c->runs[i];
            enum repro_level level = run->answers[REPRO_INPUTS].level;
            if (run->is_whole || level == REPRO_IGNORED)
                continue;
            run->answers[REPRO_INPUTS] = (struct repro_answer){.level = level};
            status = repro_judge_inputs(c, run);
            enum repro_state state = weigh(run);
            is_changed = is_changed || state > run->state;
            run->state = OL_MAX(run->state, state);
        }
    }
    return status;
}

ol_status repro_judge(struct repro_case *c, const struct json_node *root,
                      const struct repro_policy *policy, const char *runs_folder,
                      struct ol_error *err)
{
    const struct json_node *list = json_get(root, "runs");
    *c = (struct repro_case){.policy = policy,
                             .runs_folder = runs_folder,
                             .state = REPRO_REBUILD,
                             .is_cut = json_get_bool(root, "truncated"),
                             .err = err};
    if (list == NULL || list->type != OL_JSON_ARRAY)
        return ol__error_set(err, OL_INVALID, "the answer has no runs");
    c->runs = calloc(list->count + 1, sizeof *c->runs);
    if (c->runs == NULL)
        return ol__error_set(err, OL_NOMEM, "the verdict: out of memory");
    ol_status status = OL_OK;
    for (const struct json_node *n = list->first; n != NULL && status == OL_OK; n = n->next) {
        status = read_run(c, &c->runs[c->count], n);
        if (status == OL_OK)
            status = judge_run(c, &c->runs[c->count++]);
    }
    if (status == OL_OK)
        status = judge_chains(c);
    for (size_t i = 0; i < c->count; i++)
        if (!c->runs[i].is_whole)
            c->state = OL_MIN(c->state, c->runs[i].state);
    return status == OL_OK ? OL_OK : ol__error_set(err, status, "the verdict: out of memory");
}

void repro_case_release(struct repro_case *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->runs[i].has_receipt)
            json_doc_release(&c->runs[i].receipt);
    free(c->runs);
    ol__arena_reset(&c->arena, 0);
    *c = (struct repro_case){.runs = NULL};
}
