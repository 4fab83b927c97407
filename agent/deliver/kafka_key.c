/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka_key.h"

#include <stdlib.h>

#define KEY_MAX (64u * 1024u)
/* Runs whose key is remembered; which one a slot holds is by its lane's bytes, the newer wins. */
#define SLOTS 1024u

struct slot {
    uint8_t kind, lane[16];
    char *key; /* owned; NULL: empty */
    size_t size;
};

struct kafka_keys {
    bool is_job;
    struct ol__event_reader *events;
    struct ol__json_reader *json;
    struct ol__buf text;
    struct slot *slots;
};

/* Candidates, best first: each is a name space and a name. */
enum { ROOT, PARENT, OWN, CANDIDATES };
struct job_names {
    struct ol__buf name_space[CANDIDATES], name[CANDIDATES];
};

static const struct {
    size_t depth;
    const char *path[6];
} places[CANDIDATES] = {
    {6, {"run", "facets", "parent", "root", "job", NULL}},
    {5, {"run", "facets", "parent", "job", NULL}},
    {2, {"job", NULL}},
};

static ol_status find_names(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct job_names *names = arg;
    if (value->type != OL_JSON_STRING)
        return OL_OK;
    for (int i = 0; i < CANDIDATES; i++) {
        const char *path[6];
        size_t depth = places[i].depth;
        if (value->depth != depth)
            continue;
        memcpy(path, places[i].path, sizeof path);
        struct ol__buf *into[] = {&names->name_space[i], &names->name[i]};
        static const char *const leaves[] = {"namespace", "name"};
        for (int leaf = 0; leaf < 2; leaf++) {
            path[depth - 1] = leaves[leaf];
            if (!ol__json_at(value, path, depth))
                continue;
            ol__buf_reset(into[leaf]); /* a key given twice: the last counts */
            ol_status status = ol__buf_add(into[leaf], value->text.data, value->text.size);
            if (status != OL_OK)
                return ol__error_set(err, status, "job name");
        }
    }
    return OL_OK;
}

static ol_status job_key(struct kafka_keys *k, struct ol__span event, struct ol_error *err)
{
    struct job_names names;
    for (int i = 0; i < CANDIDATES; i++) {
        ol__buf_init(&names.name_space[i], KEY_MAX / 4);
        ol__buf_init(&names.name[i], KEY_MAX / 4);
    }
    ol_status status = ol__json_read(k->json, event, NULL, find_names, &names, err);
    int best = ROOT;
    while (best < OWN && (names.name_space[best].size == 0 || names.name[best].size == 0))
        best++;
    ol__buf_reset(&k->text);
    ol__buf_add_text(&k->text, "run:");
    ol__buf_add(&k->text, names.name_space[best].data, names.name_space[best].size);
    ol__buf_add_char(&k->text, '/');
    ol__buf_add(&k->text, names.name[best].data, names.name[best].size);
    for (int i = 0; i < CANDIDATES; i++) {
        ol__buf_release(&names.name_space[i]);
        ol__buf_release(&names.name[i]);
    }
    if (status == OL_OK && k->text.status != OL_OK)
        status = ol__error_set(err, k->text.status, "message key");
    return status;
}

static bool is_run(const struct spool_record *record)
{
    return record->lane_kind == OL_LANE_RUN_UUID || record->lane_kind == OL_LANE_RUN_TEXT;
}

ol_status kafka_keys_get(struct kafka_keys *k, const struct spool_record *record,
                         struct ol__span *ret, struct ol_error *err)
{
    ol_status status = OL_OK;
    if (k->is_job && is_run(record)) {
        struct slot *slot = &k->slots[ol__get_le32(record->lane + 12) % SLOTS];
        if (slot->key == NULL || slot->kind != record->lane_kind ||
            memcmp(slot->lane, record->lane, 16) != 0) {
            status = job_key(k, record->data, err);
            if (status != OL_OK)
                return status;
            free(slot->key);
            slot->kind = record->lane_kind;
            memcpy(slot->lane, record->lane, 16);
            slot->size = k->text.size;
            slot->key = ol__buf_take(&k->text);
            if (slot->key == NULL)
                return ol__error_set(err, OL_NOMEM, "message key");
        }
        *ret = (struct ol__span){.data = slot->key, .size = slot->size};
        return OL_OK;
    }
    ol__buf_reset(&k->text);
    if (record->lane_kind == OL_LANE_RUN_UUID) { /* canonical: format gives what was written */
        struct ol__uuid uuid;
        char text[OL_UUID_TEXT + 1];
        memcpy(uuid.bytes, record->lane, 16);
        ol__uuid_format(&uuid, text);
        ol__buf_add_text(&k->text, text);
    } else {
        const struct ol__event *event;
        status = ol__event_read(k->events, record->data, OL_EVENT_CORE, NULL, -1, &event, err);
        if (status != OL_OK)
            return status;
        ol__event_lane_text(event, &k->text);
    }
    if (k->text.status != OL_OK)
        return ol__error_set(err, k->text.status, "message key");
    *ret = (struct ol__span){.data = k->text.data, .size = k->text.size};
    return OL_OK;
}

ol_status kafka_keys_new(bool is_job, struct kafka_keys **ret, struct ol_error *err)
{
    struct kafka_keys *k = calloc(1, sizeof *k);
    if (k == NULL)
        return ol__error_set(err, OL_NOMEM, "message keys");
    k->is_job = is_job;
    ol__buf_init(&k->text, KEY_MAX);
    ol_status status = ol__event_reader_new(&k->events, err);
    if (status == OL_OK)
        status = ol__json_reader_new(&k->json, err);
    if (status == OL_OK && is_job && (k->slots = calloc(SLOTS, sizeof *k->slots)) == NULL)
        status = ol__error_set(err, OL_NOMEM, "message keys");
    if (status != OL_OK) {
        kafka_keys_free(k);
        return status;
    }
    *ret = k;
    return OL_OK;
}

void kafka_keys_free(struct kafka_keys *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; k->slots != NULL && i < SLOTS; i++)
        free(k->slots[i].key);
    free(k->slots);
    ol__buf_release(&k->text);
    ol__event_reader_free(k->events);
    ol__json_reader_free(k->json);
    free(k);
}
