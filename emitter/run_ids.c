/* SPDX-License-Identifier: Apache-2.0 */
#include "run_ids.h"

#include <stdlib.h>

/* The texts of struct ol_ids; a member that a later version adds there belongs here too. */
static const struct member {
    const char *key;
    size_t offset;
} members[] = {
    {"run_id", offsetof(struct ol_ids, run_id)},
    {"step", offsetof(struct ol_ids, step)},
    {"attempt", offsetof(struct ol_ids, attempt)},
    {"task_id", offsetof(struct ol_ids, task_id)},
    {"dataset_id", offsetof(struct ol_ids, dataset_id)},
    {"feature_view", offsetof(struct ol_ids, feature_view)},
    {"corpus_sha", offsetof(struct ol_ids, corpus_sha)},
    {"prompt_template", offsetof(struct ol_ids, prompt_template)},
    {"model_version", offsetof(struct ol_ids, model_version)},
    {"provider_request_id", offsetof(struct ol_ids, provider_request_id)},
};
static_assert(sizeof(struct ol_ids) == sizeof(size_t) + OL_COUNT(members) * sizeof(const char *),
              "every member of struct ol_ids is listed");

struct reading {
    struct ol__buf *text;
    size_t offsets[OL_COUNT(members)]; /* in text, plus one; 0: absent */
};

void ol__run_ids_init(struct ol__run_ids *ids)
{
    *ids = (struct ol__run_ids){.ids.struct_size = sizeof ids->ids};
    ol__buf_init(&ids->text, OL_LINE_MAX);
}

void ol__run_ids_release(struct ol__run_ids *ids)
{
    ol__buf_release(&ids->text);
    ids->ids = (struct ol_ids){.struct_size = sizeof ids->ids};
}

static ol_status take(void *arg, const struct ol__json_value *value, struct ol_error *err OL_UNUSED)
{
    struct reading *r = arg;
    for (size_t i = 0; i < OL_COUNT(members) && value->type == OL_JSON_STRING; i++) {
        if (!ol__json_at(value, &members[i].key, 1))
            continue;
        r->offsets[i] = r->text->size + 1;
        ol__buf_add(r->text, value->text.data, value->text.size);
        return ol__buf_add(r->text, "", 1);
    }
    return OL_OK;
}

ol_status ol__run_ids_read(const struct ol_run *run, struct ol__run_ids *ret)
{
    struct ol__json_reader *reader = NULL;
    struct reading r = {.text = &ret->text};
    struct ol__span json;
    if (!ol__run_find_facet(run, "lineaged_run", &json))
        return OL_OK;
    ol_status status = ol__json_reader_new(&reader, NULL);
    if (status == OL_OK)
        status = ol__json_read(reader, json, NULL, take, &r, NULL);
    ol__json_reader_free(reader);
    for (size_t i = 0; i < OL_COUNT(members) && status == OL_OK; i++)
        if (r.offsets[i] > 0)
            *(const char **)((char *)&ret->ids + members[i].offset) =
                ret->text.data + r.offsets[i] - 1;
    return status;
}
