/* SPDX-License-Identifier: Apache-2.0 */
/* From what a receipt says to the events that were emitted when it was written: same ids, same
 * facets, same times, so that a store that has them already is not changed. Files of before
 * receipts had `facets` say less; what they do not say is not made up. */
#include "import_receipt.h"

#include <stdio.h>
#include <string.h>
#include "facet_copy.h"

#define PRODUCER_MAX 160
#define SPEC "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

struct writing {
    const struct receipt_event *event;
    const struct json_node *told; /* `facets` of the file; NULL: it is of before there were any */
    struct ol__json_writer w;
    char producer[PRODUCER_MAX], version[40];
};

static void begin_facet(struct writing *x, enum ol__entity entity, const char *key)
{
    facet_begin(&x->w, entity, key, x->producer);
}

/* What the receipt has of the facets of an entity ("run", "job"), where it was written by one that
 * tells them; else NULL. */
static const struct json_node *told(const struct writing *x, const char *entity)
{
    return json_get(x->told, entity);
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

static void write_known_tags(struct writing *x)
{
    const struct receipt_event *e = x->event;
    for (const struct json_node *m = json_get_items(e->doc, "tags"); m != NULL; m = m->next)
        write_tag(x, m->key, m->text, "USER");
    for (const struct json_node *m = json_get_items(e->doc, "groups"); m != NULL; m = m->next)
        write_tag(x, m->key, m->text, "GROUP");
    for (size_t i = 0; i < OL_COUNT(id_keys); i++)
        write_tag(x, id_keys[i], id_of(x, id_keys[i]), "lineaged");
}

static void write_tags(struct writing *x)
{
    const struct receipt_event *e = x->event;
    const struct json_node *tags = json_get_items(json_get(told(x, "run"), "tags"), "tags");
    if (x->told != NULL && tags == NULL && e->seal_sha256 == NULL && !e->is_unverified)
        return;
    begin_facet(x, OL_ENTITY_RUN, "tags");
    ol__json_key(&x->w, "tags");
    ol__json_begin_array(&x->w);
    for (const struct json_node *m = tags; m != NULL; m = m->next)
        json_copy(&x->w, m);
    if (x->told == NULL)
        write_known_tags(x);
    if (e->seal_sha256 != NULL)
        write_tag(x, "lineaged.seal", e->seal_sha256, NULL);
    if (e->is_unverified)
        write_tag(x, "lineaged.import", "unverified", NULL);
    ol__json_end_array(&x->w);
    ol__json_end_object(&x->w);
}

/* An object of texts as an array of two members each. */
static void write_pairs(struct writing *x, const char *member, const char *facet, const char *list,
                        const char *key)
{
    const struct receipt_event *e = x->event;
    /* of the run as a whole its START tells them, since there is `facets` */
    bool is_root = e->doc == NULL && x->told != NULL && strcmp(e->type, "START") == 0;
    const struct json_node *m = json_get_items(is_root ? e->manifest : e->doc, member);
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
            json_copy(&x->w, m);
        }
        ol__json_end_object(&x->w);
    }
    for (size_t i = 0; i < OL_COUNT(lists); i++) {
        const struct json_node *list = json_get(x->event->doc, lists[i][0]);
        if (list == NULL || list->first == NULL)
            continue;
        begin_facet(x, OL_ENTITY_RUN, lists[i][1]);
        ol__json_key(&x->w, lists[i][0]);
        json_copy(&x->w, list);
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

/* What is told of the dataset beyond the artifact. Few are: receipts name those that have some. */
static const struct json_node *find_dataset(const struct writing *x, const char *side,
                                            const struct json_node *a)
{
    const char *space = json_get_text(a, "namespace"), *name = json_get_text(a, "name");
    for (const struct json_node *d = json_get_items(x->told, side); d != NULL; d = d->next) {
        const char *its_space = json_get_text(d, "namespace"), *its = json_get_text(d, "name");
        if (its_space != NULL && its != NULL && strcmp(its, name) == 0 &&
            strcmp(its_space, space) == 0)
            return d;
    }
    return NULL;
}

static void write_facets(struct writing *x, enum ol__entity entity, const struct json_node *facets)
{
    for (const struct json_node *f = facets != NULL ? facets->first : NULL; f != NULL; f = f->next)
        facet_copy(&x->w, entity, f, x->producer);
}

static void write_side_facets(struct writing *x, const struct json_node *a,
                              const struct json_node *more, bool is_output)
{
    const char *key = is_output ? "outputFacets" : "inputFacets";
    const char *statistics = is_output ? "outputStatistics" : "inputStatistics";
    enum ol__entity entity = is_output ? OL_ENTITY_OUTPUT : OL_ENTITY_INPUT;
    const struct json_node *facets = json_get(more, key);
    int64_t rows = json_get(facets, statistics) == NULL ? json_get_int(a, "rows", -1) : -1;
    if (facets == NULL && rows < 0)
        return;
    ol__json_key(&x->w, key);
    ol__json_begin_object(&x->w);
    write_facets(x, entity, facets);
    if (rows >= 0) {
        begin_facet(x, entity, statistics);
        ol__json_member_int(&x->w, "rowCount", rows);
        ol__json_end_object(&x->w);
    }
    ol__json_end_object(&x->w);
}

static void write_dataset(struct writing *x, const struct json_node *a, const char *side)
{
    if (json_get_text(a, "namespace") == NULL || json_get_text(a, "name") == NULL)
        return;
    const struct json_node *more = find_dataset(x, side, a);
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "namespace", json_get_text(a, "namespace"));
    ol__json_member_text(&x->w, "name", json_get_text(a, "name"));
    ol__json_key(&x->w, "facets");
    ol__json_begin_object(&x->w);
    bool is_start = strcmp(x->event->type, "START") == 0 && x->event->doc != NULL;
    if (!is_start && !json_get_bool(more, "whole"))
        write_artifact(x, a);
    write_facets(x, OL_ENTITY_DATASET, json_get(more, "facets"));
    ol__json_end_object(&x->w);
    write_side_facets(x, a, more, strcmp(side, "outputs") == 0);
    ol__json_end_object(&x->w);
}

/* Whether the receipt has an artifact by the dataset's name. */
static bool is_artifact(const struct json_node *doc, const char *side, const struct json_node *d)
{
    const char *space = json_get_text(d, "namespace"), *name = json_get_text(d, "name");
    for (const struct json_node *a = json_get_items(doc, side); a != NULL; a = a->next) {
        const char *its_space = json_get_text(a, "namespace"), *its = json_get_text(a, "name");
        if (its_space != NULL && its != NULL && space != NULL && name != NULL &&
            strcmp(its, name) == 0 && strcmp(its_space, space) == 0)
            return true;
    }
    return false;
}

/* A dataset that is no artifact, e.g. the model that was called. */
static void write_told(struct writing *x, const struct json_node *d, const char *side)
{
    if (json_get_text(d, "namespace") == NULL || json_get_text(d, "name") == NULL)
        return;
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "namespace", json_get_text(d, "namespace"));
    ol__json_member_text(&x->w, "name", json_get_text(d, "name"));
    ol__json_key(&x->w, "facets");
    ol__json_begin_object(&x->w);
    write_facets(x, OL_ENTITY_DATASET, json_get(d, "facets"));
    ol__json_end_object(&x->w);
    write_side_facets(x, d, d, strcmp(side, "outputs") == 0);
    ol__json_end_object(&x->w);
}

static void write_side(struct writing *x, const char *side)
{
    const struct receipt_event *e = x->event;
    ol__json_key(&x->w, side);
    ol__json_begin_array(&x->w);
    for (const struct json_node *a = json_get_items(e->is_claim ? x->told : e->doc, side);
         a != NULL; a = a->next)
        if (e->is_claim)
            write_told(x, a, side);
        else
            write_dataset(x, a, side);
    for (const struct json_node *d = json_get_items(x->told, side); d != NULL && !e->is_claim;
         d = d->next)
        if (e->doc != NULL && !is_artifact(e->doc, side, d))
            write_told(x, d, side);
    for (size_t i = 0; e->doc == NULL && strcmp(side, "inputs") == 0 && i < e->input_count; i++)
        write_dataset(x, json_get(e->inputs[i], "artifact"), side);
    ol__json_end_array(&x->w);
}

/* ---- Events ---- */

/* What files of before `facets` say of the same. */
static void write_known(struct writing *x)
{
    if (x->event->doc != NULL)
        write_parent(x);
    write_ids(x);
    write_error(x);
}

static void write_run(struct writing *x, const struct json_node *self)
{
    ol__json_key(&x->w, "run");
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "runId", json_get_text(self, "run_id"));
    ol__json_key(&x->w, "facets");
    ol__json_begin_object(&x->w);
    write_engine(x);
    if (x->told == NULL)
        write_known(x);
    for (const struct json_node *f = json_get_items(x->told, "run"); f != NULL; f = f->next)
        if (strcmp(f->key, "tags") != 0)
            facet_copy(&x->w, OL_ENTITY_RUN, f, x->producer);
    write_pairs(x, "parameters", "executionParameters", "parameters", "key");
    write_pairs(x, "environment", "environmentVariables", "environmentVariables", "name");
    write_parts(x);
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
    if (json_get(told(x, "job"), "jobType") == NULL) {
        begin_facet(x, OL_ENTITY_JOB, "jobType");
        ol__json_member_text(&x->w, "processingType", "BATCH");
        ol__json_member_text(&x->w, "integration", "LINEAGE");
        ol__json_member_text(&x->w, "jobType", x->event->doc != NULL ? "COMMAND" : "PIPELINE");
        ol__json_end_object(&x->w);
    }
    write_facets(x, OL_ENTITY_JOB, told(x, "job"));
    ol__json_end_object(&x->w);
    ol__json_end_object(&x->w);
}

ol_status receipt_event_write(const struct receipt_event *event, struct ol__buf *out)
{
    struct writing x = {.event = event};
    const struct json_node *doc = event->doc != NULL ? event->doc : event->manifest;
    const struct json_node *self = json_get(doc, "openlineage");
    x.told = json_get(doc, "facets");
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
