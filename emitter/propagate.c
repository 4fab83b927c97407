/* SPDX-License-Identifier: Apache-2.0 */
/* A run's context into a call to another process, and out of one. Promises:
 *  1. What others put into the carrier stays: a valid traceparent, and every member of the baggage
 * that is not ours.
 *  2. A trace that came from outside is passed on as it came; none is recorded under ids of ours.
 */
#include <stdlib.h>
#include "run.h"
#include "run_ids.h"

static ol_status read_carrier(const struct ol_carrier *carrier, struct ol_carrier *ret,
                              struct ol_error *err)
{
    if (carrier == NULL || !ol__options_copy(carrier, ret, sizeof *ret, sizeof *ret))
        return ol__options_refused(carrier, "ol_carrier", err);
    return OL_OK;
}

static ol_status check_run(const struct ol_run *run, const char *who, struct ol_error *err)
{
    if (run == NULL)
        return ol__error_set(err, OL_DISABLED, "%s: there is no run: NULL was given", who);
    if (run->form != OL_FORM_RUN)
        return ol__error_set(err, OL_INVALID,
                             "%s: this is an event without a run; expected what ol_run_new() made",
                             who);
    return OL_OK;
}

/* ---- into ---- */

/* 16 hexadecimal digits of a UUID's text from digit @p first on. @return whether one is not 0. */
static bool copy_digits(const char *uuid, size_t first, size_t count, char *out)
{
    bool has_any = false;
    size_t digit = 0, n = 0;
    for (; *uuid != '\0' && n < count; uuid++) {
        if (*uuid == '-' || digit++ < first)
            continue;
        out[n++] = *uuid;
        has_any = has_any || *uuid != '0';
    }
    out[n] = '\0';
    return has_any;
}

bool ol__run_make_trace(const struct ol_run *run, const struct ol__origin *root,
                        struct ol__trace *ret)
{
    *ret = (struct ol__trace){.flags = 0};
    return (copy_digits(root->run_id, 0, OL_TRACE_ID_TEXT, ret->trace_id) ||
            copy_digits(run->run_id, 0, OL_TRACE_ID_TEXT, ret->trace_id)) &&
           copy_digits(run->run_id, 32 - OL_SPAN_ID_TEXT, OL_SPAN_ID_TEXT, ret->span_id);
}

static ol_status put(const struct ol_carrier *carrier, const char *key, const char *value,
                     struct ol_error *err)
{
    if (carrier->put(carrier->arg, key, value) == 0)
        return OL_OK;
    return ol__error_set(err, OL_IO, "ol_context_inject: the carrier did not take '%s'", key);
}

static const char *get(const struct ol_carrier *carrier, const char *key)
{
    return carrier->get != NULL ? carrier->get(carrier->arg, key) : NULL;
}

static ol_status put_trace(const struct ol_run *run, const struct ol__origin *root,
                           const struct ol_carrier *carrier, struct ol_error *err)
{
    char text[OL_TRACEPARENT_TEXT + 1];
    const char *there = get(carrier, "traceparent");
    struct ol__trace trace;
    if (there != NULL &&
        ol__traceparent_parse((struct ol__span){there, strnlen(there, OL_TRACESTATE_MAX)}, &trace))
        return OL_OK; /* promise 1 */
    bool is_ours = run->travel.trace.trace_id[0] == '\0';
    if (!is_ours)
        trace = run->travel.trace;
    else if (!ol__run_make_trace(run, root, &trace))
        return OL_OK; /* ids that are all zero */
    ol__traceparent_format(&trace, text);
    ol_status status = put(carrier, "traceparent", text, err);
    if (status == OL_OK && !is_ours && run->travel.state != NULL)
        status = put(carrier, "tracestate", run->travel.state, err);
    return status;
}

static ol_status put_list(const struct ol_run *run, const struct ol_carrier *carrier,
                          const char *const ids[OL_TRAVEL_IDS], struct ol_error *err)
{
    struct ol__buf list;
    ol__buf_init(&list, OL_BAGGAGE_MAX);
    bool is_whole = ol__travel_write_baggage(get(carrier, "baggage"), &run->travel, ids, &list);
    ol_status status = list.status;
    if (status == OL_OK && list.size > 0)
        status = put(carrier, "baggage", list.data, err);
    if (status == OL_OK && !is_whole)
        status = ol__error_set(err, OL_PARTIAL,
                               "baggage: not all of it has room in 64 members and 8192 bytes");
    ol__buf_release(&list);
    return status;
}

static ol_status put_baggage(const struct ol_run *run, const struct ol__origin *root,
                             const struct ol_carrier *carrier, struct ol_error *err)
{
    struct ol__run_ids known;
    struct ol__buf top;
    char *job_name = NULL;
    ol__run_ids_init(&known);
    ol__buf_init(&top, OL_LINE_MAX);
    ol_status status = ol__run_ids_read(run, &known);
    const char *ids[OL_TRAVEL_IDS] = {
        [OL_TRAVEL_RUN_ID] = known.ids.run_id != NULL ? known.ids.run_id : root->run_id,
        [OL_TRAVEL_STEP] = known.ids.step,
        [OL_TRAVEL_ATTEMPT] = known.ids.attempt,
        [OL_TRAVEL_PARENT] = run->parent_id,
    };
    if (status == OL_OK && (ids[OL_TRAVEL_STEP] == NULL || ids[OL_TRAVEL_STEP][0] == '\0')) {
        job_name = strndup(run->parent_id + run->namespace_size + 1, run->name_size);
        ids[OL_TRAVEL_STEP] = job_name;
        status = job_name != NULL ? OL_OK : OL_NOMEM;
    }
    if (status == OL_OK && strcmp(root->run_id, run->run_id) != 0) {
        status =
            ol__buf_add_format(&top, "%s/%s/%s", root->job_namespace, root->job_name, root->run_id);
        ids[OL_TRAVEL_ROOT] = top.data;
    }
    if (status == OL_OK)
        status = put_list(run, carrier, ids, err);
    free(job_name);
    ol__buf_release(&top);
    ol__run_ids_release(&known);
    return status == OL_NOMEM ? ol__error_set(err, status, "baggage: out of memory") : status;
}

ol_status ol_context_inject(const struct ol_run *run, const struct ol_carrier *carrier,
                            struct ol_error *err)
{
    struct ol_carrier c = {.put = NULL};
    struct ol__origin root = {0};
    ol_status status = check_run(run, "ol_context_inject", err);
    if (status != OL_OK)
        return status;
    status = read_carrier(carrier, &c, err);
    if (status != OL_OK)
        return status;
    if (c.put == NULL)
        return ol__error_set(err, OL_INVALID, "ol_context_inject: ol_carrier.put: required");
    status = ol__run_find_root(run, &root);
    if (status == OL_INVALID) /* a parent facet from JSON that names nobody */
        status = ol__origin_make(run->parent_id, run->namespace_size, run->name_size, run->run_id,
                                 &root);
    if (status != OL_OK)
        return ol__error_set(err, OL_NOMEM, "ol_context_inject: out of memory");
    status = put_trace(run, &root, &c, err);
    if (status == OL_OK)
        status = put_baggage(run, &root, &c, err);
    ol__origin_release(&root);
    return status;
}

/* ---- out of ---- */

struct extracting {
    struct ol_run *run;
    struct ol_error *err;
    bool has_refused;
};

static void refuse(void *arg, const char *key, const char *why)
{
    struct extracting *e = arg;
    ol__client_ignored(e->run->client, false, key, why);
    if (!e->has_refused)
        OL_IGNORE(ol__error_set(e->err, OL_PARTIAL, "%s: ignored: %s", key, why) != OL_PARTIAL,
                  "it is returned below");
    e->has_refused = true;
}

/* Whether a parent facet names nobody but who stood above the run by itself: the run that the
 * environment names, or the one that called before. */
static bool is_replaceable(const struct ol_run *run, const char *parent)
{
    const struct ol__origin *told = &run->client->context.parent;
    struct ol__origin before = {0}, top = {0};
    bool is_told = told->job_namespace != NULL && strcmp(told->run_id, parent) == 0;
    if (!is_told && ol__travel_origins(&run->travel, &before, &top) == OL_OK)
        is_told = strcmp(before.run_id, parent) == 0;
    ol__origin_release(&before);
    ol__origin_release(&top);
    return is_told;
}

/* The caller becomes the parent, unless the program has said who that is. */
static ol_status set_caller(struct ol_run *run, const struct ol__travel *call)
{
    struct ol__origin parent = {0}, root = {0}, known = {0}, top = {0};
    struct ol__span facet;
    ol_status status = ol__travel_origins(call, &parent, &root);
    if (status == OL_END)
        return OL_OK;
    bool is_free = !ol__run_find_facet(run, "parent", &facet);
    if (status == OL_OK && !is_free) {
        status = ol__origin_read(facet, OL_ORIGIN_FACET, &known, &top, NULL);
        is_free = status == OL_OK && is_replaceable(run, known.run_id);
        status = status == OL_NOMEM ? OL_NOMEM : OL_OK;
        ol__origin_release(&known);
        ol__origin_release(&top);
    }
    if (status == OL_OK && is_free)
        status = ol__run_set_origin(run, &parent, &root);
    ol__origin_release(&parent);
    ol__origin_release(&root);
    return status;
}

ol_status ol_context_extract(struct ol_run *run, const struct ol_carrier *carrier,
                             struct ol_error *err)
{
    struct ol_carrier c = {.put = NULL};
    struct ol__travel travel;
    ol_status status = check_run(run, "ol_context_extract", err);
    if (status != OL_OK)
        return status;
    status = read_carrier(carrier, &c, err);
    if (status != OL_OK)
        return status;
    if (c.get == NULL)
        return ol__error_set(err, OL_INVALID, "ol_context_extract: ol_carrier.get: required");
    struct extracting e = {.run = run, .err = err};
    status = ol__travel_read(c.get, c.arg, refuse, &e, &travel);
    if (status != OL_OK) {
        ol__travel_release(&travel);
        return ol__error_set(err, OL_NOMEM, "ol_context_extract: out of memory");
    }
    if (ol__travel_is_empty(&travel)) { /* the environment's stays */
        ol__travel_release(&travel);
        return e.has_refused ? OL_PARTIAL : OL_OK;
    }
    status = set_caller(run, &travel);
    ol__travel_release(&run->travel);
    run->travel = travel;
    if (status == OL_OK)
        status = ol__context_describe_again(run);
    if (status != OL_OK)
        return ol__error_set(err, ol__status_public(status), "ol_context_extract: %s",
                             ol_status_name(ol__status_public(status)));
    return e.has_refused ? OL_PARTIAL : OL_OK;
}
