/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes: no crash; CORE and ALL come to the same verdict and the same core; what
 * strict takes has no warning; spans of facets lie in the text and are objects; facts and datasets
 * point to what exists; a lane is the same each time. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "event_read.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void check_lists(const struct ol__event *e, struct ol__span text)
{
    for (size_t i = 0; i < e->facet_count; i++) {
        const struct ol__event_facet *f = &e->facets[i];
        CHECK(f->json.data >= text.data && f->json.size >= 2 &&
              f->json.data + f->json.size <= text.data + text.size);
        CHECK(f->json.data[0] == '{' && f->json.data[f->json.size - 1] == '}');
        CHECK(f->dataset >= -1 && f->dataset < (int)e->dataset_count);
        CHECK((f->dataset == -1) == (f->entity == OL_ENTITY_RUN || f->entity == OL_ENTITY_JOB));
        CHECK(f->dataset == -1 || f->entity == OL_ENTITY_DATASET ||
              f->entity == e->datasets[f->dataset].side);
        CHECK(f->id == ol__facet_find(f->entity, f->key));
    }
    int last = 0;
    for (size_t i = 0; i < e->fact_count; i++) {
        const struct ol__event_fact *f = &e->facts[i];
        CHECK(f->facet >= last && (size_t)f->facet < e->facet_count);
        last = f->facet;
        CHECK(ol__field_info(f->field) != NULL);
        CHECK(ol__field_info(f->field)->facet == e->facets[f->facet].id);
        CHECK(f->type == OL_JSON_STRING || f->type == OL_JSON_NUMBER || f->type == OL_JSON_BOOL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ol__event_reader *core, *all;
    if (core == NULL) {
        CHECK(ol__event_reader_new(&core, NULL) == OL_OK);
        CHECK(ol__event_reader_new(&all, NULL) == OL_OK);
    }
    const struct ol__span text = {(const char *)data, size};
    const struct ol__event_limits strict = {.is_strict = true};
    const struct ol__event *a = NULL, *b = NULL;
    struct ol_error err = {.status = OL_OK};
    ol_status st = ol__event_read(core, text, OL_EVENT_CORE, NULL, -1, &a, &err);
    CHECK(st == OL_OK || (st == OL_INVALID && err.status == OL_INVALID && err.message[0] != '\0'));
    CHECK(ol__event_read(all, text, OL_EVENT_ALL, NULL, -1, &b, NULL) == st);
    if (st != OL_OK)
        return 0;
    CHECK(a->kind == b->kind && a->type == b->type && a->time_ms == b->time_ms);
    CHECK(((a->warnings ^ b->warnings) & ~(uint32_t)OL_WARN_FACET) == 0);
    CHECK(ol__span_equal(a->run_id, b->run_id) && ol__span_equal(a->job_name, b->job_name));
    CHECK(ol__span_equal(a->processing_type, b->processing_type));
    uint8_t lane[2][16];
    CHECK(ol__event_lane(a, lane[0]) == ol__event_lane(b, lane[1]));
    CHECK(memcmp(lane[0], lane[1], sizeof lane[0]) == 0);
    check_lists(b, text);
    uint32_t warnings = b->warnings;
    st = ol__event_read(all, text, OL_EVENT_CORE, &strict, -1, &b, &err);
    CHECK(st == (warnings == 0 ? OL_OK : OL_INVALID));
    return 0;
}
