/* SPDX-License-Identifier: Apache-2.0 */
#include "facet_copy.h"

#include "facet_info.h"
#include "receipt/folder.h"
#include "receipt/redact.h"
#include "run.h"

#define SPEC "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
#define DEPTH_MAX 48 /* of a facet: what is deeper stays in the event alone */

/* ---- Values ---- */

void json_copy_members(struct ol__json_writer *w, // NOLINT(misc-no-recursion)
                       const struct json_node *node)
{
    for (const struct json_node *m = node != NULL ? node->first : NULL; m != NULL; m = m->next) {
        ol__json_key(w, m->key);
        json_copy(w, m);
    }
}

/* The reader of documents bounds the depth. */
void json_copy(struct ol__json_writer *w, // NOLINT(misc-no-recursion)
               const struct json_node *node)
{
    switch (node->type) {
    case OL_JSON_OBJECT:
        ol__json_begin_object(w);
        json_copy_members(w, node);
        ol__json_end_object(w);
        return;
    case OL_JSON_ARRAY:
        ol__json_begin_array(w);
        for (const struct json_node *m = node->first; m != NULL; m = m->next)
            json_copy(w, m);
        ol__json_end_array(w);
        return;
    case OL_JSON_BOOL:
        ol__json_bool(w, node->boolean);
        return;
    case OL_JSON_NUMBER:
        ol__json_raw(w, ol__span_text(node->text));
        return;
    case OL_JSON_STRING:
        ol__json_text(w, node->text);
        return;
    default:
        ol__json_null(w);
    }
}

/* ---- Out of a receipt ---- */

static const char *schema_of(enum ol__entity entity, const char *key)
{
    const struct ol__facet_info *info = ol__facet_info(ol__facet_find(entity, ol__span_text(key)));
    return info != NULL ? info->schema_url : SPEC "RunEvent";
}

void facet_begin(struct ol__json_writer *w, enum ol__entity entity, const char *key,
                 const char *producer)
{
    ol__json_key(w, key);
    ol__json_begin_object(w);
    ol__json_member_text(w, "_producer", producer);
    ol__json_member_text(w, "_schemaURL", schema_of(entity, key));
}

void facet_copy(struct ol__json_writer *w, enum ol__entity entity, const struct json_node *facet,
                const char *producer)
{
    const char *own = json_get_text(facet, "_producer"), *url = json_get_text(facet, "_schemaURL");
    ol__json_key(w, facet->key);
    ol__json_begin_object(w);
    ol__json_member_text(w, "_producer", own != NULL ? own : producer);
    ol__json_member_text(w, "_schemaURL", url != NULL ? url : schema_of(entity, facet->key));
    for (const struct json_node *m = facet->first; m != NULL; m = m->next) {
        if (strcmp(m->key, "_producer") == 0 || strcmp(m->key, "_schemaURL") == 0)
            continue;
        ol__json_key(w, m->key);
        json_copy(w, m);
    }
    ol__json_end_object(w);
}

/* ---- Into a receipt ---- */

struct writing {
    struct ol__json_writer w;
    const char *producer;
    bool is_whole; /* of the dataset under way: no artifact says any of its facets */
};

static size_t depth_of(const struct json_node *node) // NOLINT(misc-no-recursion)
{
    size_t deepest = 0;
    for (const struct json_node *m = node->first; m != NULL; m = m->next)
        deepest = OL_MAX(deepest, depth_of(m));
    return deepest + 1;
}

static void write_shown(struct ol__json_writer *w, // NOLINT(misc-no-recursion)
                        const struct json_node *node, const char *name)
{
    if (node->type == OL_JSON_STRING) {
        struct ol__buf shown;
        ol__buf_init(&shown, RECEIPT_FILE_MAX);
        redact_value(name, node->text, &shown);
        ol__json_span(w, (struct ol__span){shown.data != NULL ? shown.data : "", shown.size});
        if (shown.status != OL_OK && w->out->status == OL_OK)
            w->out->status = shown.status;
        ol__buf_release(&shown);
    } else if (node->type == OL_JSON_OBJECT) {
        ol__json_begin_object(w);
        for (const struct json_node *m = node->first; m != NULL; m = m->next) {
            ol__json_key(w, m->key);
            write_shown(w, m, m->key);
        }
        ol__json_end_object(w);
    } else if (node->type == OL_JSON_ARRAY) {
        ol__json_begin_array(w);
        for (const struct json_node *m = node->first; m != NULL; m = m->next)
            write_shown(w, m, name);
        ol__json_end_array(w);
    } else {
        json_copy(w, node);
    }
}

static bool is_one_of(const char *key, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        if (strcmp(key, *keys) == 0)
            return true;
    return false;
}

/* Whether members of a receipt say all that the facet does. */
static bool is_said(const struct writing *x, enum ol__entity entity, const struct json_node *facet)
{
    static const char *const of_run[] = {
        "processing_engine",        "executionParameters", "environmentVariables", "lineaged_code",
        "lineaged_machine",         "lineaged_container",  "lineaged_tools",       "lineaged_dvc",
        "lineaged_reproducibility", "lineaged_metrics",    "lineaged_gates",       NULL};
    static const char *const of_dataset[] = {"version", "lineaged_artifact", NULL};
    const char *type = json_get_text(facet, "jobType");
    switch (entity) {
    case OL_ENTITY_RUN:
        return is_one_of(facet->key, of_run);
    case OL_ENTITY_JOB:
        return strcmp(facet->key, "jobType") == 0 && type != NULL &&
               (strcmp(type, "COMMAND") == 0 || strcmp(type, "PIPELINE") == 0);
    case OL_ENTITY_DATASET:
        return !x->is_whole && is_one_of(facet->key, of_dataset);
    default:
        return false;
    }
}

static bool is_told(const struct writing *x, enum ol__entity entity, const struct json_node *facet)
{
    return facet->type == OL_JSON_OBJECT && !is_said(x, entity, facet) &&
           depth_of(facet) <= DEPTH_MAX;
}

static bool has_any(const struct writing *x, enum ol__entity entity, const struct json_node *facets)
{
    for (const struct json_node *f = facets != NULL ? facets->first : NULL; f != NULL; f = f->next)
        if (is_told(x, entity, f))
            return true;
    return false;
}

static void write_facet(struct writing *x, enum ol__entity entity, const struct json_node *facet)
{
    const char *producer = json_get_text(facet, "_producer");
    const char *url = json_get_text(facet, "_schemaURL");
    ol__json_key(&x->w, facet->key);
    ol__json_begin_object(&x->w);
    if (producer != NULL && strcmp(producer, x->producer) != 0)
        ol__json_member_text(&x->w, "_producer", producer);
    if (url != NULL && strcmp(url, schema_of(entity, facet->key)) != 0)
        ol__json_member_text(&x->w, "_schemaURL", url);
    for (const struct json_node *m = facet->first; m != NULL; m = m->next) {
        if (strcmp(m->key, "_producer") == 0 || strcmp(m->key, "_schemaURL") == 0)
            continue;
        ol__json_key(&x->w, m->key);
        write_shown(&x->w, m, m->key);
    }
    ol__json_end_object(&x->w);
}

/* Nothing where there are none. */
static void write_facets(struct writing *x, enum ol__entity entity, const char *key,
                         const struct json_node *facets)
{
    if (!has_any(x, entity, facets))
        return;
    ol__json_key(&x->w, key);
    ol__json_begin_object(&x->w);
    for (const struct json_node *f = facets->first; f != NULL; f = f->next)
        if (is_told(x, entity, f))
            write_facet(x, entity, f);
    ol__json_end_object(&x->w);
}

static void write_side(struct writing *x, const struct json_node *event, const char *side,
                       enum facets_of what)
{
    bool is_input = strcmp(side, "inputs") == 0, is_open = false;
    const char *own = is_input ? "inputFacets" : "outputFacets";
    enum ol__entity entity = is_input ? OL_ENTITY_INPUT : OL_ENTITY_OUTPUT;
    for (const struct json_node *d = json_get_items(event, side); d != NULL; d = d->next) {
        const struct json_node *facets = json_get(d, "facets"), *of_side = json_get(d, own);
        x->is_whole = what == FACETS_OF_START || json_get(facets, "lineaged_artifact") == NULL;
        if (!x->is_whole && !has_any(x, OL_ENTITY_DATASET, facets) && !has_any(x, entity, of_side))
            continue;
        if (!is_open) {
            ol__json_key(&x->w, side);
            ol__json_begin_array(&x->w);
            is_open = true;
        }
        ol__json_begin_object(&x->w);
        ol__json_member_text(&x->w, "namespace", json_get_text(d, "namespace"));
        ol__json_member_text(&x->w, "name", json_get_text(d, "name"));
        if (x->is_whole && what == FACETS_OF_END)
            ol__json_member_bool(&x->w, "whole", true);
        write_facets(x, OL_ENTITY_DATASET, "facets", facets);
        write_facets(x, entity, own, of_side);
        ol__json_end_object(&x->w);
    }
    if (is_open)
        ol__json_end_array(&x->w);
}

void facets_write(const struct ol_run *run, enum facets_of what, struct ol__buf *out)
{
    struct ol__buf line, made;
    struct json_doc doc;
    if (run == NULL)
        return;
    ol__buf_init(&line, RECEIPT_FILE_MAX);
    ol__buf_init(&made, RECEIPT_FILE_MAX);
    size_t control = ol__event_write(run, OL_OTHER, 0, NULL, &line);
    struct ol__span event = {line.data != NULL ? line.data + 1 + control : "",
                             line.size > control ? line.size - 1 - control : 0};
    if (line.status == OL_OK && json_doc_read(&doc, event, NULL) == OL_OK) {
        struct writing x = {.producer = run->context.producer};
        ol__json_writer_init(&x.w, &made);
        ol__json_begin_object(&x.w);
        write_facets(&x, OL_ENTITY_RUN, "run", json_get(json_get(doc.root, "run"), "facets"));
        write_facets(&x, OL_ENTITY_JOB, "job", json_get(json_get(doc.root, "job"), "facets"));
        write_side(&x, doc.root, "inputs", what);
        write_side(&x, doc.root, "outputs", what);
        ol__json_end_object(&x.w);
        if (made.status == OL_OK)
            ol__buf_add(out, made.data, made.size);
        json_doc_release(&doc);
    }
    ol__buf_release(&line);
    ol__buf_release(&made);
}
