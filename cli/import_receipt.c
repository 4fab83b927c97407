/* SPDX-License-Identifier: Apache-2.0 */
/* From what a receipt says to the events that were emitted when it was written: same ids, same
 * facets, so that a store that has them already is not changed by more than their times. What
 * events said and receipts do not (--facet, heartbeats, versions of programs) is not made up. */
#include "import_receipt.h"

#include <stdio.h>
#include <string.h>
#include "facet_info.h"
#include "json_write.h"

#define PRODUCER_MAX 160
#define SPEC "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

struct writing {
    const struct receipt_event *event;
    struct ol__json_writer w;
    char producer[PRODUCER_MAX], version[40];
};

static void write_value(struct ol__json_writer *w, const struct json_node *node)
{
    switch (node->type) {
    case OL_JSON_BOOL:
        ol__json_bool(w, node->boolean);
        return;
    case OL_JSON_NUMBER:
        ol__json_raw(w, ol__span_text(node->text));
        return;
    case OL_JSON_STRING:
        ol__json_text(w, node->text);
        return;
    case OL_JSON_OBJECT:
        ol__json_begin_object(w);
        for (const struct json_node *m = node->first; m != NULL; m = m->next) {
            ol__json_key(w, m->key);
            write_value(w, m);
        }
        ol__json_end_object(w);
        return;
    case OL_JSON_ARRAY:
        ol__json_begin_array(w);
        for (const struct json_node *m = node->first; m != NULL; m = m->next)
            write_value(w, m);
        ol__json_end_array(w);
        return;
    default:
        ol__json_null(w);
    }
}

static void begin_facet(struct writing *x, enum ol__entity entity, const char *key)
{
    const struct ol__facet_info *info = ol__facet_info(ol__facet_find(entity, ol__span_text(key)));
    ol__json_key(&x->w, key);
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "_producer", x->producer);
    ol__json_member_text(&x->w, "_schemaURL", info != NULL ? info->schema_url : SPEC);
}

static void write_engine(struct writing *x)
{
    begin_facet(x, OL_ENTITY_RUN, "processing_engine");
    ol__json_member_text(&x->w, "version", x->version);
    ol__json_member_text(&x->w, "name", "lineage");
    ol__json_member_text(&x->w, "openlineageAdapterVersion", x->version);
    ol__json_end_object(&x->w);
}

static void write_run_and_job(struct writing *x, const char *run_id, const struct json_node *job)
{
    ol__json_key(&x->w, "run");
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "runId", run_id);
    ol__json_end_object(&x->w);
    ol__json_key(&x->w, "job");
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "namespace", json_get_text(job, "job_namespace"));
    ol__json_member_text(&x->w, "name", json_get_text(job, "job_name"));
    ol__json_end_object(&x->w);
}

static void write_parent(struct writing *x)
{
    const struct receipt_event *e = x->event;
    const struct json_node *self = json_get(e->doc, "openlineage");
    const struct json_node *root = json_get(e->manifest, "openlineage");
    const char *parent = json_get_text(self, "parent_run_id"),
               *top = json_get_text(self, "root_run_id");
    const char *root_id = json_get_text(root, "run_id");
    if (parent == NULL || e->parent == NULL || json_get_text(e->parent, "job_name") == NULL ||
        json_get_text(e->parent, "job_namespace") == NULL)
        return;
    begin_facet(x, OL_ENTITY_RUN, "parent");
    write_run_and_job(x, parent, e->parent);
    if (top != NULL && root_id != NULL && strcmp(top, root_id) == 0 &&
        json_get_text(root, "job_name") != NULL && json_get_text(root, "job_namespace") != NULL) {
        ol__json_key(&x->w, "root");
        ol__json_begin_object(&x->w);
        write_run_and_job(x, top, root);
        ol__json_end_object(&x->w);
    }
    ol__json_end_object(&x->w);
}

/* The ids that people search: facet lineaged_run, and as tags. */
static const char *const id_keys[] = {"run_id", "step", "attempt", "task_id"};

static const char *id_of(const struct writing *x, const char *key)
{
    const struct receipt_event *e = x->event;
    return json_get_text(e->doc != NULL ? e->doc : e->manifest, key);
}

static void write_ids(struct writing *x)
{
    begin_facet(x, OL_ENTITY_RUN, "lineaged_run");
    for (size_t i = 0; i < OL_COUNT(id_keys); i++)
        ol__json_member_text_opt(&x->w, id_keys[i], id_of(x, id_keys[i]));
    ol__json_end_object(&x->w);
}

static void write_tag(struct writing *x, const char *key, const char *value, const char *source)
{
    if (value == NULL)
        return;
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "key", key);
    ol__json_member_text(&x->w, "value", value);
    ol__json_member_text_opt(&x->w, "source", source);
    ol__json_end_object(&x->w);
}

static void write_tags(struct writing *x)
{
    const struct receipt_event *e = x->event;
    begin_facet(x, OL_ENTITY_RUN, "tags");
    ol__json_key(&x->w, "tags");
    ol__json_begin_array(&x->w);
    for (const struct json_node *m = json_get_items(e->doc, "tags"); m != NULL; m = m->next)
        write_tag(x, m->key, m->text, "USER");
    for (const struct json_node *m = json_get_items(e->doc, "groups"); m != NULL; m = m->next)
        write_tag(x, m->key, m->text, "GROUP");
    if (e->seal_sha256 != NULL)
        write_tag(x, "lineaged.seal", e->seal_sha256, NULL);
    if (e->is_unverified)
        write_tag(x, "lineaged.import", "unverified", NULL);
    for (size_t i = 0; i < OL_COUNT(id_keys); i++)
        write_tag(x, id_keys[i], id_of(x, id_keys[i]), "lineaged");
    ol__json_end_array(&x->w);
    ol__json_end_object(&x->w);
}

/* An object of texts as an array of two members each. */
static void write_pairs(struct writing *x, const char *member, const char *facet, const char *list,
                        const char *key)
{
    const struct json_node *m = json_get_items(x->event->doc, member);
    if (m == NULL)
        return;
    begin_facet(x, OL_ENTITY_RUN, facet);
    ol__json_key(&x->w, list);
    ol__json_begin_array(&x->w);
    for (; m != NULL; m = m->next) {
        ol__json_begin_object(&x->w);
        ol__json_member_text(&x->w, key, m->key);
        ol__json_member_text(&x->w, "value", m->text != NULL ? m->text : "");
        ol__json_end_object(&x->w);
    }
    ol__json_end_array(&x->w);
    ol__json_end_object(&x->w);
}

/* Parts of a receipt that are facets as they stand, or lists in one. */
static void write_parts(struct writing *x)
{
    static const char *const objects[][2] = {{"code", "lineaged_code"},
                                             {"machine", "lineaged_machine"},
                                             {"container", "lineaged_container"},
                                             {"tools", "lineaged_tools"},
                                             {"dvc", "lineaged_dvc"},
                                             {"reproducibility", "lineaged_reproducibility"}};
    static const char *const lists[][2] = {{"metrics", "lineaged_metrics"},
                                           {"gates", "lineaged_gates"}};
    for (size_t i = 0; i < OL_COUNT(objects); i++) {
        const struct json_node *m = json_get_items(x->event->doc, objects[i][0]);
        if (m == NULL)
            continue;
        begin_facet(x, OL_ENTITY_RUN, objects[i][1]);
        for (; m != NULL; m = m->next) {
            ol__json_key(&x->w, m->key);
            write_value(&x->w, m);
        }
        ol__json_end_object(&x->w);
    }
    for (size_t i = 0; i < OL_COUNT(lists); i++) {
        const struct json_node *list = json_get(x->event->doc, lists[i][0]);
        if (list == NULL || list->first == NULL)
            continue;
        begin_facet(x, OL_ENTITY_RUN, lists[i][1]);
        ol__json_key(&x->w, lists[i][0]);
        write_value(&x->w, list);
        ol__json_end_object(&x->w);
    }
}

static void write_error(struct writing *x)
{
    const struct json_node *doc = x->event->doc;
    const char *signal = json_get_text(doc, "signal");
    char text[160];
    if (doc == NULL || strcmp(x->event->type, "START") == 0 ||
        strcmp(x->event->type, "COMPLETE") == 0)
        return;
    if (signal != NULL)
        snprintf(text, sizeof text, "command ended by signal (%.60s)", signal);
    else
        snprintf(text, sizeof text, "command exited with status %lld",
                 (long long)json_get_int(doc, "exit_code", 0));
    begin_facet(x, OL_ENTITY_RUN, "errorMessage");
    ol__json_member_text(&x->w, "message", text);
    ol__json_member_text(&x->w, "programmingLanguage", "shell");
    ol__json_end_object(&x->w);
}

/* ---- Datasets ---- */

static void write_artifact(struct writing *x, const struct json_node *a)
{
    static const char etag[] = "etag:";
    const char *sha256 = json_get_text(a, "sha256"), *version = json_get_text(a, "version");
    const struct json_node *members = json_get(a, "members");
    const char *listed = json_get_text(members, "sha256");
    bool is_etag = version != NULL && strncmp(version, etag, sizeof etag - 1) == 0;
    begin_facet(x, OL_ENTITY_DATASET, "lineaged_artifact");
    ol__json_member_text_opt(&x->w, "artifact_id", sha256);
    ol__json_member_text_opt(&x->w, "kind", json_get_text(a, "kind"));
    ol__json_member_text_opt(&x->w, "basis", json_get_text(a, "basis"));
    ol__json_member_text_opt(&x->w, "reason", json_get_text(a, "reason"));
    if (json_get_int(a, "size", -1) >= 0)
        ol__json_member_int(&x->w, "size", json_get_int(a, "size", 0));
    ol__json_member_text_opt(&x->w, "media_type", json_get_text(a, "media_type"));
    ol__json_member_text_opt(&x->w, "etag", is_etag ? &version[sizeof etag - 1] : NULL);
    ol__json_member_text_opt(&x->w, "version_id", is_etag || sha256 != NULL ? NULL : version);
    if (json_get_int(members, "count", -1) >= 0)
        ol__json_member_int(&x->w, "member_count", json_get_int(members, "count", 0));
    if (listed != NULL && (sha256 == NULL || strcmp(listed, sha256) != 0))
        ol__json_member_text(&x->w, "members_sha256", listed);
    ol__json_end_object(&x->w);
    char named[80];
    if (sha256 != NULL)
        snprintf(named, sizeof named, "sha256:%.64s", sha256);
    if (sha256 == NULL && version == NULL)
        return;
    begin_facet(x, OL_ENTITY_DATASET, "version");
    ol__json_member_text(&x->w, "datasetVersion", sha256 != NULL ? named : version);
    ol__json_end_object(&x->w);
}

static void write_dataset(struct writing *x, const struct json_node *a, bool is_output)
{
    bool is_named = json_get_text(a, "namespace") != NULL && json_get_text(a, "name") != NULL;
    if (!is_named)
        return;
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "namespace", json_get_text(a, "namespace"));
    ol__json_member_text(&x->w, "name", json_get_text(a, "name"));
    ol__json_key(&x->w, "facets");
    ol__json_begin_object(&x->w);
    if (strcmp(x->event->type, "START") != 0 || x->event->doc == NULL)
        write_artifact(x, a);
    ol__json_end_object(&x->w);
    if (json_get_int(a, "rows", -1) >= 0) {
        ol__json_key(&x->w, is_output ? "outputFacets" : "inputFacets");
        ol__json_begin_object(&x->w);
        begin_facet(x, is_output ? OL_ENTITY_OUTPUT : OL_ENTITY_INPUT,
                    is_output ? "outputStatistics" : "inputStatistics");
        ol__json_member_int(&x->w, "rowCount", json_get_int(a, "rows", 0));
        ol__json_end_object(&x->w);
        ol__json_end_object(&x->w);
    }
    ol__json_end_object(&x->w);
}

static void write_side(struct writing *x, const char *side)
{
    ol__json_key(&x->w, side);
    ol__json_begin_array(&x->w);
    for (const struct json_node *a = json_get_items(x->event->doc, side); a != NULL; a = a->next)
        write_dataset(x, a, strcmp(side, "outputs") == 0);
    for (size_t i = 0;
         x->event->doc == NULL && strcmp(side, "inputs") == 0 && i < x->event->input_count; i++)
        write_dataset(x, json_get(x->event->inputs[i], "artifact"), false);
    ol__json_end_array(&x->w);
}

/* ---- Events ---- */

static void write_run(struct writing *x, const struct json_node *self)
{
    ol__json_key(&x->w, "run");
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "runId", json_get_text(self, "run_id"));
    ol__json_key(&x->w, "facets");
    ol__json_begin_object(&x->w);
    write_engine(x);
    if (x->event->doc != NULL)
        write_parent(x);
    write_ids(x);
    write_pairs(x, "parameters", "executionParameters", "parameters", "key");
    write_pairs(x, "environment", "environmentVariables", "environmentVariables", "name");
    write_parts(x);
    write_error(x);
    write_tags(x);
    ol__json_end_object(&x->w);
    ol__json_end_object(&x->w);
}

static void write_job(struct writing *x, const struct json_node *self)
{
    ol__json_key(&x->w, "job");
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "namespace", json_get_text(self, "job_namespace"));
    ol__json_member_text(&x->w, "name", json_get_text(self, "job_name"));
    ol__json_key(&x->w, "facets");
    ol__json_begin_object(&x->w);
    begin_facet(x, OL_ENTITY_JOB, "jobType");
    ol__json_member_text(&x->w, "processingType", "BATCH");
    ol__json_member_text(&x->w, "integration", "LINEAGE");
    ol__json_member_text(&x->w, "jobType", x->event->doc != NULL ? "COMMAND" : "PIPELINE");
    ol__json_end_object(&x->w);
    ol__json_end_object(&x->w);
    ol__json_end_object(&x->w);
}

ol_status receipt_event_write(const struct receipt_event *event, struct ol__buf *out)
{
    struct writing x = {.event = event};
    const struct json_node *doc = event->doc != NULL ? event->doc : event->manifest;
    const struct json_node *self = json_get(doc, "openlineage");
    const char *writer = json_get_text(doc, "writer");
    const char *slash = writer != NULL ? strchr(writer, '/') : NULL;
    snprintf(x.version, sizeof x.version, "%s", slash != NULL ? slash + 1 : OL_VERSION);
    snprintf(x.producer, sizeof x.producer, "https://github.com/lineaged/lineaged/tree/v%s/cli",
             x.version);
    ol__json_writer_init(&x.w, out);
    ol__json_begin_object(&x.w);
    ol__json_member_text(&x.w, "eventType", event->type);
    ol__json_member_text(&x.w, "eventTime", event->time);
    ol__json_member_text(&x.w, "producer", x.producer);
    ol__json_member_text(&x.w, "schemaURL", SPEC);
    write_run(&x, self);
    write_job(&x, self);
    write_side(&x, "inputs");
    write_side(&x, "outputs");
    ol__json_end_object(&x.w);
    return out->status;
}
