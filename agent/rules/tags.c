/* SPDX-License-Identifier: Apache-2.0 */
/* Tags that a rule adds to the facet `tags` of the run or the job.
 * Promises:
 *  1. A tag of the same key (case apart) is replaced; one that says the same already stays, so that
 * adding again changes nothing.
 *  2. Of the event only that facet's array changes, or the facet is added.
 *  3. A facet `tags` that is no object, or has another thing in its array's place than null, is
 * left alone. */
#include <strings.h>
#include "json_write.h"
#include "rules_impl.h"

#define PRODUCER "https://github.com/lineaged/lineaged/tree/v" OL_VERSION

struct range {
    enum ol__json_type type;
    size_t begin, end; /* end 0: it is not there */
    size_t members;    /* of an object or array */
};

/* The way down to the array: run or job, facets, tags, tags. */
enum { ENTITY, FACETS, FACET, ARRAY, LEVELS };

struct adding {
    const struct rule_tags *tags;
    const char *path[LEVELS];
    struct ol__span text;
    struct range at[LEVELS];
    struct ol__buf *kept; /* elements that stay */
    size_t kept_count, replaced;
    uint64_t is_same; /* bit of each tag that is there already */
    size_t same_key;  /* of the element we are in: the tag of its key; count: none */
    bool is_same_value;
};

static void forget(struct adding *a, size_t level)
{
    for (; level < LEVELS; level++)
        a->at[level] = (struct range){.end = 0};
    ol__buf_reset(a->kept);
    a->kept_count = a->replaced = 0;
    a->is_same = 0;
}

static void on_level(struct adding *a, const struct ol__json_value *v, size_t level)
{
    struct range *at = &a->at[level];
    if (v->type == OL_JSON_OBJECT_END || v->type == OL_JSON_ARRAY_END) {
        at->end = v->end;
        return;
    }
    forget(a, level); /* given twice: the last counts */
    at->type = v->type;
    at->begin = v->begin;
    at->end = v->end;
}

static void on_element(struct adding *a, const struct ol__json_value *v)
{
    const struct rule_tags *tags = a->tags;
    if (v->depth == LEVELS + 1 && (v->type == OL_JSON_OBJECT || v->type == OL_JSON_ARRAY)) {
        a->same_key = tags->count;
        a->is_same_value = false;
        return;
    }
    if (v->depth == LEVELS + 2 && v->type == OL_JSON_STRING) {
        for (size_t i = 0; i < tags->count && rules_key_is(v, LEVELS + 1, "key"); i++)
            if (strlen(tags->items[i].key) == v->text.size &&
                strncasecmp(tags->items[i].key, v->text.data, v->text.size) == 0)
                a->same_key = i;
        return;
    }
    if (v->depth != LEVELS + 1)
        return;
    struct ol__span json = {.data = a->text.data + v->begin, .size = v->end - v->begin};
    if (v->type == OL_JSON_OBJECT_END && a->same_key < tags->count) {
        if (!ol__span_equal(json, ol__span_text(tags->items[a->same_key].json))) {
            a->replaced++;
            return;
        }
        a->is_same |= UINT64_C(1) << a->same_key;
    }
    if (a->kept_count++ > 0)
        ol__buf_add_char(a->kept, ',');
    ol__buf_add(a->kept, json.data, json.size);
}

static ol_status take(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct adding *a = arg;
    bool is_end = v->type == OL_JSON_OBJECT_END || v->type == OL_JSON_ARRAY_END;
    (void)err;
    if (v->depth == 0 || v->path[0].is_index)
        return OL_OK;
    for (size_t i = 0; i < v->depth && i < LEVELS; i++) {
        if (!rules_key_is(v, i, a->path[i]))
            return OL_OK;
        if (v->depth == i + 2 && !is_end)
            a->at[i].members++;
    }
    if (v->depth <= LEVELS)
        on_level(a, v, v->depth - 1);
    else if (a->at[ARRAY].type == OL_JSON_ARRAY)
        on_element(a, v);
    return a->kept->status;
}

/* ---- writing ---- */

static void write_array(const struct adding *a, struct ol__buf *out)
{
    size_t count = a->kept_count;
    ol__buf_add_char(out, '[');
    if (a->kept->size > 0)
        ol__buf_add(out, a->kept->data, a->kept->size);
    for (size_t i = 0; i < a->tags->count; i++) {
        if ((a->is_same >> i & 1) != 0)
            continue;
        if (count++ > 0)
            ol__buf_add_char(out, ',');
        ol__buf_add_text(out, a->tags->items[i].json);
    }
    ol__buf_add_char(out, ']');
}

static void write_facet(const struct adding *a, enum ol__facet_id id, struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "_producer", PRODUCER);
    ol__json_member_text(&w, "_schemaURL", ol__facet_info(id)->schema_url);
    ol__json_key(&w, "tags");
    write_array(a, out);
    ol__buf_add_char(out, '}');
}

/* What is written for a level that is not there, inside of the one above it. */
static void write_missing(const struct adding *a, size_t level, enum ol__facet_id id,
                          struct ol__buf *out)
{
    if (level == FACETS)
        ol__buf_add_text(out, "{\"tags\":");
    if (level == ARRAY)
        write_array(a, out);
    else
        write_facet(a, id, out);
    if (level == FACETS)
        ol__buf_add_char(out, '}');
}

static bool is_object(const struct range *at)
{
    return at->end > 0 && at->type == OL_JSON_OBJECT;
}

static ol_status edit(struct rules *r, const struct adding *a, enum ol__facet_id id,
                      bool *ret_is_changed)
{
    size_t level = FACETS;
    struct ol__buf *out = &r->edits.with;
    uint64_t all = a->tags->count == 64 ? UINT64_MAX : (UINT64_C(1) << a->tags->count) - 1;
    *ret_is_changed = false;
    if (!is_object(&a->at[ENTITY]))
        return OL_OK;
    while (level < ARRAY && is_object(&a->at[level]))
        level++;
    const struct range *at = &a->at[level], *above = &a->at[level - 1];
    bool is_array = level == ARRAY && at->end > 0 && at->type == OL_JSON_ARRAY;
    if (is_array && a->is_same == all && a->replaced == 0) /* promise 1 */
        return OL_OK;
    if (at->end > 0 && !is_array && at->type != OL_JSON_NULL) /* promise 3 */
        return OL_OK;
    bool is_new = at->end == 0;
    if (edits_begin(&r->edits, is_new ? above->begin + 1 : at->begin,
                    is_new ? above->begin + 1 : at->end) != OL_OK)
        return OL_NOMEM;
    if (is_new)
        ol__buf_add_format(out, "\"%s\":", a->path[level]);
    write_missing(a, level, id, out);
    if (is_new && above->members > 0)
        ol__buf_add_char(out, ',');
    edits_end(&r->edits);
    *ret_is_changed = true;
    return out->status;
}

static ol_status add_to(struct rules *r, struct rule *rule, const struct rule_tags *tags,
                        enum ol__facet_id id, struct ol__span text, struct ol_error *err)
{
    struct adding a = {.tags = tags,
                       .path = {id == OL_FACET_RUN_TAGS ? "run" : "job", "facets", "tags", "tags"},
                       .text = text,
                       .kept = &r->scratch[0]};
    bool is_changed = false;
    forget(&a, 0);
    ol_status status = ol__json_read(r->json, text, NULL, take, &a, err);
    if (status == OL_OK)
        status = edit(r, &a, id, &is_changed);
    if (status != OL_OK || !is_changed)
        return status;
    rules_count(rule);
    if (r->watch != NULL) {
        const struct edit *last = &r->edits.items[r->edits.count - 1];
        const struct ol__json_step path[] = {{.key = ol__span_text(a.path[0])},
                                             {.key = ol__span_text(a.path[1])},
                                             {.key = ol__span_text(a.path[2])}};
        const struct ol__json_value v = {.path = path, .depth = OL_COUNT(path)};
        rules_tell(
            r, rule, &v,
            (struct ol__span){.data = text.data + last->begin, .size = last->end - last->begin},
            (struct ol__span){.data = r->edits.with.data + last->offset, .size = last->size});
    }
    return OL_OK;
}

ol_status rules_tag(struct rules *r, struct rule *rule, enum ol__event_kind kind,
                    struct ol__span text, struct ol_error *err)
{
    ol_status status = OL_OK;
    if (rule->run_tags.count > 0 && kind == OL_EVENT_RUN)
        status = add_to(r, rule, &rule->run_tags, OL_FACET_RUN_TAGS, text, err);
    if (status == OL_OK && rule->job_tags.count > 0 && kind != OL_EVENT_DATASET)
        status = add_to(r, rule, &rule->job_tags, OL_FACET_JOB_TAGS, text, err);
    if (status != OL_OK)
        return status;
    return r->edits.count > 0 ? OL_AGAIN : OL_OK;
}
