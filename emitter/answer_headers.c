/* SPDX-License-Identifier: Apache-2.0 */
/* What the HTTP response says of an answer. Promises:
 *  1. A value is printable ASCII without `%` but as encoding: nothing in it ends a header line.
 *  2. A value is whole or not there. */
#include "serving.h"

struct headers {
    const struct ol_carrier *carrier;
    struct ol_error *err;
    ol_status status; /* OL_PARTIAL: some value was too long; OL_IO: the carrier is done */
    size_t size;      /* of the value so far; more than the most: it has no room */
    char value[OL_ANSWER_HEADER_MAX + 1];
};

static void add_byte(struct headers *h, char c)
{
    if (h->size < OL_ANSWER_HEADER_MAX)
        h->value[h->size] = c;
    h->size++;
}

static void add_text(struct headers *h, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text != '\0' && h->size <= OL_ANSWER_HEADER_MAX; text++) {
        unsigned char c = (unsigned char)*text;
        if (c > ' ' && c < 0x7f && c != '%') {
            add_byte(h, *text);
            continue;
        }
        add_byte(h, '%');
        add_byte(h, hex[c >> 4]);
        add_byte(h, hex[c & 15]);
    }
}

static void put(struct headers *h, const char *name)
{
    size_t size = h->size;
    h->size = 0;
    if (h->status == OL_IO)
        return;
    if (size > OL_ANSWER_HEADER_MAX) {
        if (h->status == OL_OK)
            h->status = ol__error_set(h->err, OL_PARTIAL, "%s: not put: longer than %d bytes", name,
                                      OL_ANSWER_HEADER_MAX);
        return;
    }
    h->value[size] = '\0';
    if (h->carrier->put(h->carrier->arg, name, h->value) != 0)
        h->status =
            ol__error_set(h->err, OL_IO, "ol_answer_headers: the carrier did not take '%s'", name);
}

static bool is_there(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static void put_dataset(struct headers *h, const struct ol_serving *s, const struct ol_answer *a)
{
    const char *corpus = ol__answer_id(s, a, OL_ANSWER_CORPUS_SHA);
    const char *view = ol__answer_id(s, a, OL_ANSWER_FEATURE_VIEW);
    if (is_there(corpus)) {
        add_text(h, corpus);
    } else if (is_there(view)) {
        add_text(h, view);
        if (is_there(a->feature_snapshot_ts)) {
            add_byte(h, '@');
            add_text(h, a->feature_snapshot_ts);
        }
    } else if (s->dataset_id != NULL) {
        add_text(h, s->dataset_id);
    } else {
        return;
    }
    put(h, "x-dataset-version");
}

static void put_trace(struct headers *h, const struct ol_serving *s, const struct ol_answer *a)
{
    bool has_own = a->trace_id != NULL && ol__answer_is_trace(a->trace_id, OL_TRACE_ID_TEXT);
    if (!has_own && s->trace_id[0] == '\0')
        return; /* ids that are all zero */
    add_text(h, has_own ? a->trace_id : s->trace_id);
    put(h, "x-lineage-trace-id");
}

static void put_reproducible(struct headers *h, const struct ol_serving *s,
                             const struct ol_answer *a)
{
    bool is_greedy = a->temperature.is_set && a->temperature.value == 0;
    bool has_retrieval = is_there(a->retrieval_index) || is_there(a->embedding_model) ||
                         a->retrieved_count > 0 || a->cited_count > 0;
    const struct {
        const char *name;
        bool is_here;
    } needs[] = {
        {"model_version", is_there(ol__answer_id(s, a, OL_ANSWER_MODEL_VERSION))},
        {"input_hash", a->input != NULL || is_there(a->input_hash)},
        {"seed", is_greedy || a->seed.is_set},
        {"corpus_sha", !has_retrieval || is_there(ol__answer_id(s, a, OL_ANSWER_CORPUS_SHA))},
        {"feature_snapshot_ts", !is_there(ol__answer_id(s, a, OL_ANSWER_FEATURE_VIEW)) ||
                                    is_there(a->feature_snapshot_ts)},
    };
    bool is_whole = true;
    for (size_t i = 0; i < OL_COUNT(needs); i++) {
        if (needs[i].is_here)
            continue;
        if (is_whole) { /* not add_text(): its space is meant */
            for (const char *c = "false; missing="; *c != '\0'; c++)
                add_byte(h, *c);
        } else {
            add_byte(h, ',');
        }
        add_text(h, needs[i].name);
        is_whole = false;
    }
    if (is_whole)
        add_text(h, "true");
    put(h, "x-reproducible");
}

ol_status ol_answer_headers(const struct ol_serving *serving, const struct ol_answer *answer,
                            const struct ol_carrier *carrier, struct ol_error *err)
{
    struct ol_answer a;
    struct ol_carrier c;
    if (serving == NULL)
        return ol__error_set(err, OL_DISABLED,
                             "ol_answer_headers: there is no serving handle: NULL was given");
    ol_status status = ol__answer_copy(answer, &a, err);
    if (status != OL_OK)
        return status;
    if (carrier == NULL || !ol__options_copy(carrier, &c, sizeof c, sizeof c))
        return ol__options_refused(carrier, "ol_carrier", err);
    if (c.put == NULL)
        return ol__error_set(err, OL_INVALID, "ol_answer_headers: ol_carrier.put: required");
    struct headers h = {.carrier = &c, .err = err};
    const char *model = ol__answer_id(serving, &a, OL_ANSWER_MODEL_VERSION);
    if (is_there(model)) {
        add_text(&h, model);
        put(&h, "x-model-version");
    }
    put_dataset(&h, serving, &a);
    put_trace(&h, serving, &a);
    put_reproducible(&h, serving, &a);
    return h.status;
}
