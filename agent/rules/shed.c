/* SPDX-License-Identifier: Apache-2.0 */
/* Facets that are too large, left out. The vocabulary is the library's own (emitter/shed.c).
 * Promises:
 *  1. Left out are facets larger than max_facet; and of an event that is then still larger than
 * max_event the largest ones (of equal ones the first), no more than it takes. Never a required
 * one, one that the rule keeps, a dataset, or anything that is no facet.
 *  2. An event that lacks some says so in lineaged_shed: how many, of how many bytes, the largest
 * of them; what an earlier lineaged_shed said is in it.
 *  3. What cannot be made small enough stays as small as it can be. */
#include <stdio.h>
#include <stdlib.h>
#include "json_write.h"
#include "rules_impl.h"

#define PRODUCER "https://github.com/lineaged/lineaged/tree/v" OL_VERSION
#define MARKER_KEY "lineaged_shed"
#define LISTED_MAX 32
#define FACETS_MAX 200000
#define POINTER_MAX 512
#define MARKER_ROOM 512 /* what a marker takes that lists nothing, about */

struct member {
    size_t begin;        /* of the key */
    size_t end;          /* of the value */
    size_t last_end;     /* of the member before it, or of the opening bracket */
    size_t next;         /* where the next member's key begins; 0: it is the last */
    bool may_go, is_out; /* is_out: left out */
    bool is_first;
    char *pointer; /* owned; of those that may go */
};

struct shedding {
    struct rules *r;
    struct rule *rule;
    struct ol__span text;
    const char *marker_entity; /* run, job, dataset */
    struct member *items;      /* owned, in the order of the text */
    size_t count, cap;
    size_t last_end; /* of the token before */
    bool is_before;  /* items[count - 1] is the member before the next one */
    bool is_cut;     /* more facets than we look at: then all stay */
    /* where the marker goes */
    size_t facets_begin, facets_end; /* the object; end 0: none */
    size_t entity_begin, entity_end;
    size_t marker; /* index of the marker that is there; SIZE_MAX: none */
    /* what it said */
    uint64_t old_count, old_bytes;
    struct ol__buf *old_list;
    uint64_t out_count, out_bytes, limit;
};

/* ---- gathering ---- */

static enum ol__entity entity_of(const struct ol__json_value *v, size_t facet_at)
{
    if (rules_key_is(v, 0, "run"))
        return OL_ENTITY_RUN;
    if (rules_key_is(v, 0, "job"))
        return OL_ENTITY_JOB;
    return rules_key_is(v, facet_at - 1, "inputFacets")    ? OL_ENTITY_INPUT
           : rules_key_is(v, facet_at - 1, "outputFacets") ? OL_ENTITY_OUTPUT
                                                           : OL_ENTITY_DATASET;
}

static bool may_go(const struct shedding *s, const struct ol__json_value *v, size_t facet_at)
{
    struct ol__span key = v->path[facet_at].key;
    const struct ol__facet_info *info = ol__facet_info(ol__facet_find(entity_of(v, facet_at), key));
    const struct ol__text_list *keep = &s->rule->config->keep;
    if ((info != NULL && info->is_kept) || rules_key_is(v, facet_at, MARKER_KEY))
        return false;
    for (size_t i = 0; i < keep->count; i++)
        if (ol__span_equal(key, ol__span_text(keep->items[i])))
            return false;
    return true;
}

static size_t key_begin(const struct shedding *s, const struct ol__json_value *v)
{
    size_t at = s->last_end;
    while (at < v->begin && s->text.data[at] != '"')
        at++;
    return at;
}

/* A facet begins, or is there already if it is no object. */
static ol_status begin_facet(struct shedding *s, const struct ol__json_value *v, size_t facet_at)
{
    if (s->count == FACETS_MAX) {
        s->is_cut = true;
        return OL_OK;
    }
    if (s->count == s->cap) {
        struct member *items = ol__grow(s->items, &s->cap, sizeof *items);
        if (items == NULL)
            return OL_NOMEM;
        s->items = items;
    }
    struct member *m = &s->items[s->count++];
    *m = (struct member){.begin = key_begin(s, v),
                         .end = v->end,
                         .last_end = s->last_end,
                         .is_first = !s->is_before,
                         .may_go = may_go(s, v, facet_at)};
    if (s->is_before)
        s->items[s->count - 2].next = m->begin;
    s->is_before = true;
    if (facet_at == 2 && rules_key_is(v, 0, s->marker_entity) &&
        rules_key_is(v, facet_at, MARKER_KEY)) {
        s->marker = s->count - 1; /* given twice: both have the same key, one is enough */
        s->old_count = s->old_bytes = 0;
        ol__buf_reset(s->old_list);
    }
    return OL_OK;
}

static uint64_t number_of(struct ol__span text)
{
    uint64_t n = 0;
    for (size_t i = 0; i < text.size && text.data[i] >= '0' && text.data[i] <= '9' && n < 1u << 30;
         i++)
        n = n * 10 + (uint64_t)(text.data[i] - '0');
    return n;
}

/* Promise 2. */
static void read_marker(struct shedding *s, const struct ol__json_value *v)
{
    if (v->depth == 4 && v->type == OL_JSON_NUMBER && rules_key_is(v, 3, "count"))
        s->old_count = number_of(v->text);
    else if (v->depth == 4 && v->type == OL_JSON_NUMBER && rules_key_is(v, 3, "bytes"))
        s->old_bytes = number_of(v->text);
    else if (v->depth == 5 && v->type == OL_JSON_OBJECT_END && rules_key_is(v, 3, "facets") &&
             v->end - v->begin < POINTER_MAX && v->path[4].index < LISTED_MAX) {
        ol__buf_add_char(s->old_list, ',');
        ol__buf_add(s->old_list, s->text.data + v->begin, v->end - v->begin);
    }
}

/* The object of facets, and what it hangs on, where the marker goes. */
static void note_place(struct shedding *s, const struct ol__json_value *v)
{
    if (v->depth == 0 || v->depth > 2 || !rules_key_is(v, 0, s->marker_entity))
        return;
    if (v->depth == 1 && v->type == OL_JSON_OBJECT)
        s->facets_end = 0;
    if (v->depth == 1 && v->type == OL_JSON_OBJECT_END) {
        s->entity_begin = v->begin;
        s->entity_end = v->end;
    } else if (v->depth == 2 && rules_key_is(v, 1, "facets") && v->type == OL_JSON_OBJECT_END) {
        s->facets_begin = v->begin;
        s->facets_end = v->end;
    }
}

static ol_status take(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct shedding *s = arg;
    bool is_end = v->type == OL_JSON_OBJECT_END || v->type == OL_JSON_ARRAY_END;
    size_t at;
    ol_status status = OL_OK;
    (void)err;
    if (s->is_cut)
        return OL_END;
    note_place(s, v);
    if (rules_in_facet(v, &at)) {
        bool is_marker = s->marker != SIZE_MAX && s->marker == s->count - 1;
        if (v->depth == at + 1 && !is_end)
            status = begin_facet(s, v, at);
        else if (v->depth == at + 1 && s->count > 0)
            s->items[s->count - 1].end = v->end;
        else if (is_marker && v->depth > at + 1)
            read_marker(s, v);
        if (v->depth == at + 1 && !s->is_cut && (is_end || v->type < OL_JSON_OBJECT) &&
            status == OL_OK) {
            struct member *m = &s->items[s->count - 1];
            if (m->may_go && m->pointer == NULL) {
                char pointer[POINTER_MAX];
                ol__json_pointer(v, pointer, sizeof pointer);
                m->pointer = strdup(pointer);
                status = m->pointer != NULL ? OL_OK : OL_NOMEM;
            }
        }
    } else
        s->is_before = false;
    s->last_end = v->end;
    return status;
}

/* ---- choosing ---- */

/* One that may go; they are sorted, the members keep their order. */
struct candidate {
    struct member *member;
};

static size_t size_of(const struct member *m)
{
    return m->end - m->begin;
}

static int largest_first(const void *left, const void *right)
{
    const struct candidate *l = left, *r = right;
    const struct member *a = l->member, *b = r->member;
    if (size_of(a) != size_of(b))
        return size_of(a) > size_of(b) ? -1 : 1;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

static void leave_out(struct shedding *s, struct member *m)
{
    m->is_out = true;
    s->out_count++;
    s->out_bytes += size_of(m);
}

/* How large the marker is that lists what is out: each with its pointer. */
static size_t marker_size(const struct candidate *sorted, size_t count)
{
    size_t size = MARKER_ROOM;
    for (size_t i = 0, listed = 0; i < count && listed < LISTED_MAX; i++)
        if (sorted[i].member->is_out) {
            size += strlen(sorted[i].member->pointer) + 40;
            listed++;
        }
    return size;
}

/* Promise 1. */
static void choose(struct shedding *s, const struct candidate *sorted, size_t count)
{
    const struct rule_config *c = s->rule->config;
    size_t max_facet = (size_t)c->max_facet, max_event = (size_t)c->max_event;
    s->limit = c->max_event > 0 ? (uint64_t)c->max_event : (uint64_t)c->max_facet;
    for (size_t i = 0; i < count && max_facet > 0 && size_of(sorted[i].member) > max_facet; i++)
        leave_out(s, sorted[i].member);
    if (max_event == 0 || (s->out_count == 0 && s->text.size <= max_event))
        return;
    for (size_t i = 0; i < count; i++) {
        if (sorted[i].member->is_out)
            continue;
        if (s->out_count > 0 && s->text.size - s->out_bytes + marker_size(sorted, i) <= max_event)
            return;
        leave_out(s, sorted[i].member);
    }
}

/* ---- writing ---- */

static ol_status remove_members(struct shedding *s)
{
    struct edits *e = &s->r->edits;
    bool has_kept = false; /* a member before, in the same object, stays */
    for (size_t i = 0; i < s->count; i++) {
        const struct member *m = &s->items[i];
        if (m->is_first)
            has_kept = false;
        if (!m->is_out) {
            has_kept = true;
            continue;
        }
        size_t begin = has_kept ? m->last_end : m->begin;
        size_t end = has_kept || m->next == 0 ? m->end : m->next;
        if (edits_begin(e, begin, end) != OL_OK)
            return OL_NOMEM;
        edits_end(e);
    }
    return OL_OK;
}

static void write_marker(const struct shedding *s, const struct candidate *sorted, size_t count,
                         struct ol__buf *out)
{
    static const char *const entities[] = {"run", "job", "dataset"};
    static const enum ol__facet_id ids[] = {OL_FACET_RUN_LINEAGED_SHED, OL_FACET_JOB_LINEAGED_SHED,
                                            OL_FACET_DATASET_LINEAGED_SHED};
    struct ol__json_writer w;
    size_t listed = 0, which = 0;
    while (which + 1 < OL_COUNT(ids) && strcmp(entities[which], s->marker_entity) != 0)
        which++;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "_producer", PRODUCER);
    ol__json_member_text(&w, "_schemaURL", ol__facet_info(ids[which])->schema_url);
    ol__json_member_uint(&w, "count", s->out_count + s->old_count);
    ol__json_member_uint(&w, "bytes", s->out_bytes + s->old_bytes);
    ol__json_member_uint(&w, "limit", s->limit);
    ol__json_key(&w, "facets");
    ol__json_begin_array(&w);
    for (size_t i = 0; i < count && listed < LISTED_MAX; i++) {
        if (!sorted[i].member->is_out)
            continue;
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "pointer", sorted[i].member->pointer);
        ol__json_member_uint(&w, "bytes", size_of(sorted[i].member));
        ol__json_end_object(&w);
        listed++;
    }
    if (s->old_list->size > 0) /* each with a comma before it */
        ol__buf_add(out, s->old_list->data + (listed == 0), s->old_list->size - (listed == 0));
    ol__json_end_array(&w);
    ol__json_end_object(&w);
}

/* Promise 2: in place of the old one, as the last member of facets, or with facets. */
static ol_status put_marker(struct shedding *s, const struct candidate *sorted, size_t count)
{
    struct edits *e = &s->r->edits;
    size_t begin, end, kept = 0;
    bool has_facets = s->facets_end > 0;
    if (s->marker != SIZE_MAX) {
        const struct member *m = &s->items[s->marker];
        begin = m->begin;
        end = m->end;
    } else if (s->entity_end == 0) {
        return OL_OK; /* it hangs on nothing that is there */
    } else
        begin = end = (has_facets ? s->facets_end : s->entity_end) - 1;
    for (size_t i = 0; i < s->count; i++)
        kept += has_facets && s->items[i].begin > s->facets_begin &&
                s->items[i].end < s->facets_end && !s->items[i].is_out;
    if (edits_begin(e, begin, end) != OL_OK)
        return OL_NOMEM;
    if (s->marker == SIZE_MAX && (!has_facets || kept > 0))
        ol__buf_add_char(&e->with, ','); /* run, job and dataset have members */
    if (!has_facets)
        ol__buf_add_text(&e->with, "\"facets\":{");
    ol__buf_add_text(&e->with, "\"" MARKER_KEY "\":");
    write_marker(s, sorted, count, &e->with);
    if (!has_facets)
        ol__buf_add_char(&e->with, '}');
    edits_end(e);
    return e->with.status;
}

static void tell(const struct shedding *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct member *m = &s->items[i];
        if (!m->is_out)
            continue;
        rules_count(s->rule);
        if (s->r->watch != NULL)
            s->r->watch->changed(
                s->r->watch->arg, s->rule->config->name, m->pointer,
                (struct ol__span){.data = s->text.data + m->begin, .size = size_of(m)},
                (struct ol__span){.data = "", .size = 0});
    }
}

static ol_status shed(struct shedding *s)
{
    size_t count = 0;
    struct candidate *sorted = malloc((s->count + 1) * sizeof *sorted);
    if (sorted == NULL)
        return OL_NOMEM;
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].may_go)
            sorted[count++].member = &s->items[i];
    if (count > 1)
        qsort(sorted, count, sizeof *sorted, largest_first);
    if (!s->is_cut)
        choose(s, sorted, count);
    ol_status status = OL_OK;
    if (s->out_count > 0) {
        status = remove_members(s);
        if (status == OL_OK)
            status = put_marker(s, sorted, count);
        if (status == OL_OK)
            tell(s);
    }
    free(sorted);
    return status;
}

ol_status rules_shed(struct rules *r, struct rule *rule, enum ol__event_kind kind,
                     struct ol__span text, struct ol_error *err)
{
    static const char *const entities[] = {
        [OL_EVENT_RUN] = "run", [OL_EVENT_JOB] = "job", [OL_EVENT_DATASET] = "dataset"};
    struct shedding s = {.r = r,
                         .rule = rule,
                         .text = text,
                         .marker_entity = entities[kind],
                         .marker = SIZE_MAX,
                         .old_list = &r->scratch[0]};
    size_t smallest =
        OL_MIN(rule->config->max_facet > 0 ? (size_t)rule->config->max_facet : SIZE_MAX,
               rule->config->max_event > 0 ? (size_t)rule->config->max_event : SIZE_MAX);
    if (text.size <= smallest) /* then no facet is larger either */
        return OL_OK;
    ol__buf_reset(s.old_list);
    ol_status status = ol__json_read(r->json, text, NULL, take, &s, err);
    if (status == OL_OK)
        status = shed(&s);
    for (size_t i = 0; i < s.count; i++)
        free(s.items[i].pointer);
    free(s.items);
    if (status != OL_OK)
        return status;
    return r->edits.count > 0 ? OL_AGAIN : OL_OK;
}
