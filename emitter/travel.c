/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Baggage of others is passed on byte for byte, member by member, never a part of one.
 *  2. Nothing that is passed on can end a header line: members are printable ASCII.
 *  3. Of a list at most OL_BAGGAGE_MAX bytes are looked at, and at most OL_BAGGAGE_MEMBERS_MAX
 * members. */
#include "travel.h"

#include <stdlib.h>

static const char *const id_keys[OL_TRAVEL_IDS] = {
    "lineage.run_id", "lineage.step", "lineage.attempt", "lineage.parent", "lineage.root"};

void ol__travel_release(struct ol__travel *travel)
{
    free(travel->state);
    free(travel->baggage);
    for (size_t i = 0; i < OL_TRAVEL_IDS; i++)
        free(travel->ids[i]);
    *travel = (struct ol__travel){0};
}

bool ol__travel_is_empty(const struct ol__travel *t)
{
    bool has_any = t->trace.trace_id[0] != '\0' || t->baggage != NULL;
    for (size_t i = 0; i < OL_TRAVEL_IDS; i++)
        has_any = has_any || t->ids[i] != NULL;
    return !has_any;
}

static bool copy_text(const char *from, char **ret)
{
    *ret = from != NULL ? strdup(from) : NULL;
    return from == NULL || *ret != NULL;
}

ol_status ol__travel_copy(const struct ol__travel *from, struct ol__travel *ret)
{
    struct ol__travel to = {.trace = from->trace};
    bool is_whole = copy_text(from->state, &to.state) && copy_text(from->baggage, &to.baggage);
    for (size_t i = 0; i < OL_TRAVEL_IDS; i++)
        is_whole = is_whole && copy_text(from->ids[i], &to.ids[i]);
    if (!is_whole) {
        ol__travel_release(&to);
        return OL_NOMEM;
    }
    *ret = to;
    return OL_OK;
}

ol_status ol__travel_origins(const struct ol__travel *travel, struct ol__origin *ret_parent,
                             struct ol__origin *ret_root)
{
    const char *parent = travel->ids[OL_TRAVEL_PARENT], *root = travel->ids[OL_TRAVEL_ROOT];
    if (parent == NULL)
        return OL_END;
    ol_status status = ol__origin_parse(parent, ret_parent);
    if (status == OL_OK)
        status = ol__origin_parse(root != NULL ? root : parent, ret_root);
    if (status != OL_OK)
        ol__origin_release(ret_parent);
    return status;
}

/* Which of ours a key is; -1: none. */
static int find_id(struct ol__span key)
{
    for (int i = 0; i < OL_TRAVEL_IDS; i++)
        if (ol__span_equal(key, ol__span_text(id_keys[i])))
            return i;
    return -1;
}

/* ---- reading ---- */

struct reading {
    ol__travel_refused *refused;
    void *arg;
    struct ol__travel *ret;
};

/* Where a list ends for us: at its end, or behind the last whole member within the limit. */
static struct ol__span bounded(const char *list, bool *ret_is_cut)
{
    size_t size = strnlen(list, OL_BAGGAGE_MAX + 1);
    *ret_is_cut = size > OL_BAGGAGE_MAX;
    if (*ret_is_cut) {
        size = OL_BAGGAGE_MAX;
        while (size > 0 && list[size] != ',')
            size--;
    }
    return (struct ol__span){list, size};
}

static bool is_origin(int id)
{
    return id == OL_TRAVEL_PARENT || id == OL_TRAVEL_ROOT;
}

static ol_status check_id(int id, const struct ol__buf *text)
{
    struct ol__origin origin = {0};
    if (text->size == 0)
        return OL_INVALID;
    ol_status status = is_origin(id) ? ol__origin_parse(text->data, &origin) : OL_OK;
    ol__origin_release(&origin);
    return status;
}

static ol_status take_id(const struct reading *r, int id, struct ol__span value)
{
    struct ol__buf text;
    ol__buf_init(&text, OL_BAGGAGE_MAX);
    ol_status status = ol__baggage_decode(value, &text);
    if (status == OL_OK)
        status = check_id(id, &text);
    if (status == OL_INVALID) {
        r->refused(r->arg, id_keys[id],
                   is_origin(id) ? "expected NAMESPACE/NAME/UUID, percent-encoded"
                                 : "expected a percent-encoded text");
        status = OL_OK;
    } else if (status == OL_OK) {
        free(r->ret->ids[id]); /* given twice: the last counts */
        r->ret->ids[id] = ol__buf_take(&text);
        status = r->ret->ids[id] != NULL ? OL_OK : OL_NOMEM;
    }
    ol__buf_release(&text);
    return status;
}

static ol_status read_baggage(const struct reading *r, const char *list)
{
    struct ol__baggage_member member;
    struct ol__buf others;
    bool is_cut, has_refused = false;
    size_t count = 0;
    struct ol__span rest = bounded(list, &is_cut);
    ol_status status = OL_OK;
    ol__buf_init(&others, OL_BAGGAGE_MAX);
    while (status == OL_OK) {
        ol_status one = ol__baggage_next(&rest, &member);
        if (one == OL_END)
            break;
        if (++count > OL_BAGGAGE_MEMBERS_MAX) {
            is_cut = true;
            break;
        }
        int id = one == OL_OK ? find_id(member.key) : -1;
        if (one == OL_INVALID) {
            if (!has_refused)
                r->refused(r->arg, "baggage", "a member is malformed; expected KEY=VALUE");
            has_refused = true;
        } else if (id >= 0) {
            status = take_id(r, id, member.value);
        } else {
            if (others.size > 0)
                ol__buf_add_char(&others, ',');
            status = ol__buf_add(&others, member.whole.data, member.whole.size);
        }
    }
    if (is_cut)
        r->refused(r->arg, "baggage", "more than 64 members or 8192 bytes; the rest is not read");
    if (status == OL_OK && others.size > 0) {
        r->ret->baggage = ol__buf_take(&others);
        status = r->ret->baggage != NULL ? OL_OK : OL_NOMEM;
    }
    ol__buf_release(&others);
    return status;
}

ol_status ol__travel_read(ol__travel_get *get, void *arg, ol__travel_refused *refused,
                          void *refused_arg, struct ol__travel *ret)
{
    const struct reading r = {refused, refused_arg, ret};
    *ret = (struct ol__travel){0};
    const char *text = get(arg, "traceparent");
    size_t size = text != NULL ? strnlen(text, OL_TRACESTATE_MAX + 1) : 0;
    if (size > 0 && !ol__traceparent_parse((struct ol__span){text, size}, &ret->trace))
        refused(refused_arg, "traceparent", "expected VERSION-TRACE-SPAN-FLAGS, not all zero");
    if (ret->trace.trace_id[0] != '\0') { /* without the trace its state means nothing */
        text = get(arg, "tracestate");
        size = text != NULL ? strnlen(text, OL_TRACESTATE_MAX + 1) : 0;
        if (size > 0 && !ol__tracestate_is_good((struct ol__span){text, size}))
            refused(refused_arg, "tracestate", "expected at most 512 bytes of printable ASCII");
        else if (size > 0 && (ret->state = strdup(text)) == NULL)
            return OL_NOMEM;
    }
    text = get(arg, "baggage");
    return text != NULL ? read_baggage(&r, text) : OL_OK;
}

/* ---- writing ---- */

struct list {
    struct ol__buf *out;
    size_t count;
    bool is_whole; /* nothing was left out */
};

static void add(struct list *list, struct ol__span member)
{
    size_t size = member.size + (list->count > 0);
    if (list->count == OL_BAGGAGE_MEMBERS_MAX || list->out->size + size > OL_BAGGAGE_MAX) {
        list->is_whole = false;
        return;
    }
    if (list->count++ > 0)
        ol__buf_add_char(list->out, ',');
    ol__buf_add(list->out, member.data, member.size);
}

static bool has_key(struct ol__span list, struct ol__span key)
{
    struct ol__baggage_member member;
    ol_status status;
    while ((status = ol__baggage_next(&list, &member)) != OL_END)
        if (status == OL_OK && ol__span_equal(member.key, key))
            return true;
    return false;
}

static void add_others(struct list *list, const char *text)
{
    struct ol__baggage_member member;
    bool is_cut;
    ol_status status;
    /* what stands there already, fixed now: a key twice in one list stays twice */
    struct ol__buf before;
    ol__buf_init(&before, OL_BAGGAGE_MAX);
    if (list->out->size > 0)
        ol__buf_add(&before, list->out->data, list->out->size);
    struct ol__span rest = bounded(text, &is_cut);
    if (is_cut)
        list->is_whole = false;
    while ((status = ol__baggage_next(&rest, &member)) != OL_END)
        if (status == OL_OK && find_id(member.key) < 0 &&
            !has_key((struct ol__span){before.data, before.size}, member.key))
            add(list, member.whole);
    if (before.status != OL_OK)
        list->out->status = before.status;
    ol__buf_release(&before);
}

bool ol__travel_write_baggage(const char *carrier, const struct ol__travel *travel,
                              const char *const ids[OL_TRAVEL_IDS], struct ol__buf *out)
{
    struct list list = {.out = out, .is_whole = true};
    if (carrier != NULL)
        add_others(&list, carrier);
    if (travel->baggage != NULL)
        add_others(&list, travel->baggage);
    for (size_t i = 0; i < OL_TRAVEL_IDS; i++) {
        struct ol__buf member;
        if (ids[i] == NULL || ids[i][0] == '\0')
            continue;
        ol__buf_init(&member, OL_BAGGAGE_MAX);
        ol__buf_add_text(&member, id_keys[i]);
        ol__buf_add_char(&member, '=');
        ol__baggage_encode(ol__span_text(ids[i]), &member);
        if (member.status == OL_OK)
            add(&list, (struct ol__span){member.data, member.size});
        else if (member.status == OL_TOO_LARGE)
            list.is_whole = false;
        else
            out->status = member.status;
        ol__buf_release(&member);
    }
    return list.is_whole;
}
