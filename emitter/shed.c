/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Facets are left out of an event only if it is larger than the limit, the largest first (of
 * equal ones the first in the event), and no more than it takes; never a required one, a dataset,
 * or anything that is no facet.
 *  2. An event that lacks some says so itself, in lineaged_shed: how many, of how many bytes, and
 * the largest of them. One without room for that is refused.
 *  3. The run keeps what was left out: the next event tries it again, and to a lean run it was not
 * sent.
 *  4. Whatever fails, ol__shed_end() puts everything back. */
#include "shed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "facet_info.h"

#define MARKER_KEY "lineaged_shed"
#define POINTER_MAX (OL_FACET_JSON_KEY_MAX + 64)

static const enum ol__facet_id marker_ids[] = {
    [OL_FORM_RUN] = OL_FACET_RUN_LINEAGED_SHED,
    [OL_FORM_JOB] = OL_FACET_JOB_LINEAGED_SHED,
    [OL_FORM_DATASET] = OL_FACET_DATASET_LINEAGED_SHED,
};

static struct ol__facet_slot *slot_of(const struct ol__shed_item *item)
{
    return &item->place->slots[item->slot];
}

static void put_back(const struct ol__shed_item *item)
{
    struct ol__facet_slot *s = slot_of(item);
    s->entity = (uint8_t)(s->entity & ~OL_FACET_ASIDE);
}

/* ---- what may be left out ---- */

/* Whether the program itself set a facet of the marker's name where the marker will stand. */
static bool is_marker(const struct ol__shed *shed, const struct ol__facet_place *place,
                      const struct ol__facet_slot *s)
{
    return place == shed->marker_place &&
           (s->entity & ~OL_FACET_ASIDE) == (unsigned)place->entity &&
           ol__span_equal((struct ol__span){place->text.data + s->key_offset, s->key_size},
                          OL_SPAN_LIT(MARKER_KEY));
}

static ol_status add(struct ol__shed *shed, struct ol__facet_place *place, size_t dataset,
                     bool is_lean)
{
    for (size_t i = 0; i < place->count; i++) {
        struct ol__facet_slot *s = &place->slots[i];
        if (s->entity == OL_FACET_MIRROR ||
            (s->is_required ? !is_marker(shed, place, s) : is_lean && s->is_sent))
            continue;
        if (shed->aside == shed->cap) {
            size_t cap = OL_MAX(shed->cap * 2, (size_t)32);
            struct ol__shed_item *items = realloc(shed->items, cap * sizeof *items);
            if (items == NULL)
                return OL_NOMEM;
            shed->items = items;
            shed->cap = cap;
        }
        shed->items[shed->aside++] =
            (struct ol__shed_item){.place = place, .slot = i, .dataset = dataset};
        s->entity = (uint8_t)(s->entity | OL_FACET_ASIDE);
    }
    return OL_OK;
}

static ol_status add_datasets(struct ol__shed *shed, const struct ol__dataset_set *set,
                              bool is_lean)
{
    ol_status status = OL_OK;
    size_t index = 0;
    for (size_t i = 0; i < set->count && status == OL_OK; i++)
        if (ol__event_has_dataset(set->items[i], is_lean))
            status = add(shed, &set->items[i]->place, index++, is_lean);
    return status;
}

/* Set aside everything that may be left out. */
static ol_status gather(struct ol__shed *shed, struct ol_run *run, bool is_lean)
{
    if (run->form == OL_FORM_DATASET)
        return add(shed, &run->subject->place, 0, false);
    ol_status status = OL_OK;
    if (run->form == OL_FORM_RUN)
        status = add(shed, &run->place, 0, is_lean);
    if (status == OL_OK)
        status = add(shed, &run->job.place, 0, is_lean);
    if (status == OL_OK)
        status = add_datasets(shed, &run->inputs, is_lean);
    if (status == OL_OK)
        status = add_datasets(shed, &run->outputs, is_lean);
    return status;
}

/* Where the place stands in the event: run, job, dataset, inputs, outputs. */
static int rank(const struct ol__facet_place *place)
{
    return place->entity == OL_ENTITY_DATASET ? (int)place->side + OL_ENTITY_COUNT
                                              : (int)place->entity;
}

static int largest_first(const void *left, const void *right)
{
    const struct ol__shed_item *a = left, *b = right;
    uint32_t size_a = slot_of(a)->size, size_b = slot_of(b)->size;
    if (size_a != size_b)
        return size_a > size_b ? -1 : 1;
    if (rank(a->place) != rank(b->place))
        return rank(a->place) < rank(b->place) ? -1 : 1;
    if (a->dataset != b->dataset)
        return a->dataset < b->dataset ? -1 : 1;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

/* ---- saying so ---- */

static void write_pointer(const struct ol__shed_item *item, char *out, size_t size)
{
    const struct ol__facet_slot *s = slot_of(item);
    const struct ol__facet_place *place = item->place;
    char where[40];
    bool is_input = place->side == OL_ENTITY_INPUT;
    unsigned entity = s->entity & ~OL_FACET_ASIDE;
    if (place->entity == OL_ENTITY_DATASET && place->side != OL_ENTITY_COUNT)
        snprintf(where, sizeof where, "%s/%zu", is_input ? "inputs" : "outputs", item->dataset);
    else
        snprintf(where, sizeof where, "%s",
                 place->entity == OL_ENTITY_RUN   ? "run"
                 : place->entity == OL_ENTITY_JOB ? "job"
                                                  : "dataset");
    snprintf(out, size, "/%s/%s/%.*s", where,
             entity == OL_ENTITY_INPUT    ? "inputFacets"
             : entity == OL_ENTITY_OUTPUT ? "outputFacets"
                                          : "facets",
             (int)s->key_size, place->text.data + s->key_offset);
}

static ol_status write_marker(struct ol__shed *shed, const struct ol_run *run, size_t listed)
{
    struct ol__json_writer w;
    char pointer[POINTER_MAX];
    ol__buf_reset(&shed->marker);
    ol__buf_add_text(&shed->marker, "\"" MARKER_KEY "\":");
    ol__json_writer_init(&w, &shed->marker);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "_producer", run->client->producer);
    ol__json_member_text(&w, "_schemaURL", ol__facet_info(marker_ids[run->form])->schema_url);
    ol__json_member_uint(&w, "count", shed->count);
    ol__json_member_uint(&w, "bytes", shed->bytes);
    ol__json_member_uint(&w, "limit", shed->limit);
    ol__json_key(&w, "facets");
    ol__json_begin_array(&w);
    for (size_t i = 0; i < listed; i++) {
        write_pointer(&shed->items[i], pointer, sizeof pointer);
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "pointer", pointer);
        ol__json_member_uint(&w, "bytes", slot_of(&shed->items[i])->size);
        ol__json_end_object(&w);
    }
    ol__json_end_array(&w);
    ol__json_end_object(&w);
    return shed->marker.status;
}

/* ---- choosing ---- */

/* A facet of that key that the program set would stand there twice: it goes, unlisted. */
static void drop_markers(struct ol__shed *shed)
{
    size_t to = 0;
    for (size_t i = 0; i < shed->aside; i++) {
        struct ol__shed_item item = shed->items[i];
        if (!is_marker(shed, item.place, slot_of(&item))) {
            shed->items[i] = shed->items[to];
            shed->items[to++] = item;
        }
    }
    shed->total = to; /* those behind stay aside until the end */
}

/* How many of the sorted facets go so that the others and the marker fit into @p room. */
static ol_status choose(struct ol__shed *shed, const struct ol_run *run, uint64_t room)
{
    uint64_t kept = 0;
    for (size_t i = 0; i < shed->total; i++)
        kept += (uint64_t)slot_of(&shed->items[i])->size + 1; /* and a comma */
    for (;;) {
        size_t listed = OL_MIN(shed->count, (size_t)OL_SHED_LISTED_MAX);
        bool is_last = shed->count == shed->total;
        while (shed->count > 0 && kept <= room) {
            ol_status status = write_marker(shed, run, listed);
            if (status != OL_OK || kept + shed->marker.size + 1 <= room)
                return status;
            if (!is_last || listed == 0)
                break;
            listed /= 2; /* nothing more can go but what the marker lists */
        }
        if (is_last)
            return OL_TOO_LARGE;
        uint64_t size = slot_of(&shed->items[shed->count++])->size;
        shed->bytes += size;
        kept -= size + 1;
    }
}

ol_status ol__shed_write(struct ol__shed *shed, struct ol_run *run, enum ol_event type,
                         int64_t time_ms, struct ol__buf *line, size_t *ret_control_size)
{
    ol__buf_init(&shed->marker, OL_LINE_MAX);
    shed->limit = run->client->event_max;
    shed->marker_place = run->form == OL_FORM_RUN   ? &run->place
                         : run->form == OL_FORM_JOB ? &run->job.place
                                                    : &run->subject->place;
    ol_status status = gather(shed, run, ol__event_is_lean(run, type));
    if (status != OL_OK)
        return status;
    ol__buf_reset(line);
    size_t control_size = ol__event_write(run, type, time_ms, NULL, line);
    if (line->status != OL_OK || ol__shed_is_needed(run->client, line, control_size))
        return line->status != OL_OK ? line->status : OL_TOO_LARGE;
    size_t room = OL_MIN(shed->limit + 2 + control_size, OL_LINE_MAX) - line->size;
    drop_markers(shed);
    if (shed->total > 0)
        qsort(shed->items, shed->total, sizeof *shed->items, largest_first);
    status = choose(shed, run, room);
    if (status != OL_OK)
        return status;
    for (size_t i = shed->count; i < shed->total; i++)
        put_back(&shed->items[i]);
    ol__buf_reset(line);
    *ret_control_size = ol__event_write(run, type, time_ms, &shed->marker, line);
    assert(line->status != OL_OK || !ol__shed_is_needed(run->client, line, *ret_control_size));
    return line->status;
}

void ol__shed_tell(const struct ol__shed *shed, struct ol_run *run)
{
    struct ol_client *client = run->client;
    char pointer[POINTER_MAX];
    write_pointer(&shed->items[0], pointer, sizeof pointer);
    if (atomic_fetch_add(&client->shed, 1) == 0)
        ol__log(&client->log, OL_TOO_LARGE,
                "event larger than %zu bytes: sent without %zu of its facets, %" PRIu64
                " bytes, first %s; it says so in " MARKER_KEY
                "; further ones are counted, not told here",
                shed->limit, shed->count, shed->bytes, pointer);
    OL_IGNORE(ol__run_fail(run, OL_PARTIAL,
                           "event larger than %zu bytes: %zu facets left out, first %s",
                           shed->limit, shed->count, pointer),
              "told by the emit");
}

void ol__shed_end(struct ol__shed *shed)
{
    for (size_t i = 0; i < shed->aside; i++)
        put_back(&shed->items[i]);
    free(shed->items);
    ol__buf_release(&shed->marker);
    *shed = (struct ol__shed){.items = NULL};
}
