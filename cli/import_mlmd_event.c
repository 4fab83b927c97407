/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of ML Metadata as OpenLineage events.
 * Promises:
 *  1. Nothing is made up: an execution without a known state has no end, an artifact without a
 *     digest or version has none.
 *  2. What properties and uris hold goes through the one place that takes secrets out.
 *  3. An execution is one or two events: START, and its end, which carries all that is known. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "facet_info.h"
#include "import_mlmd.h"
#include "openlineage/openlineage.h"
#include "receipt/redact.h"
#include "times.h"

#define SPEC "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
#define PROPERTIES_MAX 200 /* of one row */
#define KEY_MAX 256
#define VALUE_MAX 4096
#define RUN_DEPTH_MAX 16
#define SOURCE "mlmd"

enum state { UNKNOWN, NEW, RUNNING, COMPLETE, FAILED, CACHED, CANCELED };
static const char *const state_names[] = {"UNKNOWN", "NEW",    "RUNNING", "COMPLETE",
                                          "FAILED",  "CACHED", "CANCELED"};
/* What an execution's only or last event is. */
static const char *const state_types[] = {"OTHER", "OTHER",    "START", "COMPLETE",
                                          "FAIL",  "COMPLETE", "ABORT"};

/* As the run of an execution, or of a context (a pipeline run), is called. */
static const struct ol__uuid run_space = {{0x9b, 0x88, 0xc6, 0x09, 0x5d, 0x76, 0x48, 0xf3, 0x8c,
                                           0x71, 0xee, 0x60, 0xc2, 0x39, 0x81, 0xa3}};

static void run_id(const struct mlmd *m, const char *what, int64_t id, int64_t created,
                   char out[OL_UUID_TEXT + 1])
{
    char text[160];
    snprintf(text, sizeof text, "%s %s %" PRId64 " %" PRId64, m->identity, what, id, created);
    struct ol__uuid uuid = ol__uuid_v5(&run_space, ol__span_text(text));
    ol__uuid_format(&uuid, out);
}

static void begin_facet(struct mlmd *m, enum ol__entity entity, const char *key)
{
    const struct ol__facet_info *info = ol__facet_info(ol__facet_find(entity, ol__span_text(key)));
    ol__json_key(&m->w, key);
    ol__json_begin_object(&m->w);
    ol__json_member_text(&m->w, "_producer", m->producer);
    ol__json_member_text(&m->w, "_schemaURL", info != NULL ? info->schema_url : SPEC "RunEvent");
}

/* ---- Properties ---- */

/* Into m->value, as text, without secrets. @return whether the property has one. */
static bool read_value(struct mlmd *m, enum mlmd_query query, int64_t id, const char *name)
{
    static const int expected[] = {SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_INTEGER};
    sqlite3_stmt *s = m->queries[query];
    char text[64];
    int k = 0, type = SQLITE_NULL;
    while (k < 4 && (type = sqlite3_column_type(s, k + 1)) == SQLITE_NULL)
        k++;
    ol__buf_reset(&m->value);
    if (k == 4)
        return false;
    if (type != expected[k]) {
        import_say(m->im, "'%s': %s of %" PRId64 ": '%s': %s is not of its type", m->path,
                   query == MLMD_EXECUTION_PROPERTIES  ? "ExecutionProperty"
                   : query == MLMD_ARTIFACT_PROPERTIES ? "ArtifactProperty"
                                                       : "ContextProperty",
                   id, name, sqlite3_column_name(s, k + 1));
        return false;
    }
    const char *value = (const char *)sqlite3_column_text(s, k + 1);
    size_t size = (size_t)sqlite3_column_bytes(s, k + 1);
    if (k == 3) {
        value = sqlite3_column_int64(s, k + 1) != 0 ? "true" : "false";
    } else if (k == 2 && (value == NULL || size > VALUE_MAX ||
                          !redact_is_text((struct ol__span){value, size}))) {
        snprintf(text, sizeof text, "[%zu bytes]", size);
        value = text;
    }
    redact_value(name, value, &m->value);
    return m->value.status == OL_OK && m->value.size > 0;
}

struct properties {
    enum mlmd_query query;
    int64_t id;
    const char *prefix; /* NULL: none */
    bool are_tags;
};

static void write_pair(struct mlmd *m, const char *key, const char *value, bool is_tag)
{
    ol__json_begin_object(&m->w);
    ol__json_member_text(&m->w, "key", key);
    ol__json_member_text(&m->w, "value", value);
    if (is_tag)
        ol__json_member_text(&m->w, "source", SOURCE);
    ol__json_end_object(&m->w);
}

static ol_status write_properties(struct mlmd *m, const struct properties *p, struct ol_error *err)
{
    ol_status st;
    size_t count = 0;
    mlmd_begin(m, p->query, p->id);
    while ((st = mlmd_next(m, p->query, err)) == OL_OK) {
        char key[MLMD_TEXT_MAX + KEY_MAX + 2];
        const char *name;
        if (count++ == PROPERTIES_MAX) {
            import_say(m->im, "'%s': %" PRId64 " has more than %d properties: the rest is left out",
                       m->path, p->id, PROPERTIES_MAX);
            return OL_OK;
        }
        if (!mlmd_text(m, p->query, 0, p->id, KEY_MAX, false, &name) ||
            !read_value(m, p->query, p->id, name))
            continue;
        snprintf(key, sizeof key, "%s%s%s", p->prefix != NULL ? p->prefix : "",
                 p->prefix != NULL ? "." : "", name);
        write_pair(m, key, m->value.data, p->are_tags);
    }
    return st == OL_END ? OL_OK : st;
}

/* The value of the first property that one of @p names names, in their order. */
static ol_status find_property(struct mlmd *m, const struct properties *p, const char *const *names,
                               char *ret, size_t size, size_t *ret_which, struct ol_error *err)
{
    ol_status st;
    size_t best = SIZE_MAX;
    ret[0] = '\0';
    mlmd_begin(m, p->query, p->id);
    while ((st = mlmd_next(m, p->query, err)) == OL_OK) {
        sqlite3_stmt *s = m->queries[p->query];
        const char *name = sqlite3_column_type(s, 0) == SQLITE_TEXT
                               ? (const char *)sqlite3_column_text(s, 0)
                               : NULL;
        for (size_t i = 0; name != NULL && names[i] != NULL && i < best; i++) {
            if (strcasecmp(names[i], name) != 0)
                continue;
            /* text or a whole number; others are said where all are written */
            int column = sqlite3_column_type(s, 3) == SQLITE_TEXT      ? 3
                         : sqlite3_column_type(s, 1) == SQLITE_INTEGER ? 1
                                                                       : 0;
            const char *value = (const char *)sqlite3_column_text(s, column);
            size_t bytes = (size_t)sqlite3_column_bytes(s, column);
            if (column == 0 || value == NULL || bytes == 0 || bytes >= size ||
                !redact_is_text((struct ol__span){value, bytes}))
                continue;
            snprintf(ret, size, "%s", value);
            best = i;
        }
    }
    *ret_which = best;
    return st == OL_END ? OL_OK : st;
}

static void write_redacted(struct mlmd *m, const char *key, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    ol__buf_reset(&m->value);
    redact_text(ol__span_text(value), &m->value);
    if (m->value.status == OL_OK && m->value.size > 0)
        write_pair(m, key, m->value.data, true);
}

/* ---- Datasets ---- */

struct dataset {
    char space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE],
        version[OL_DATASET_VERSION_SIZE];
    bool is_model;
};

static bool is_absolute(const char *uri)
{
    size_t n = strspn(uri, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return uri[0] == '/' || (n > 1 && uri[n] == ':');
}

/* What is called so within this database only. */
static void name_here(struct mlmd *m, const struct mlmd_artifact *a, struct dataset *ret)
{
    char text[MLMD_TEXT_MAX * 2 + 32];
    ret->version[0] = '\0';
    snprintf(ret->space, sizeof ret->space, "mlmd://%s", m->identity);
    if (a->name != NULL && a->name[0] != '\0')
        snprintf(text, sizeof text, "%s/%s", a->type, a->name);
    else
        snprintf(text, sizeof text, "%s#%" PRId64, a->type, a->id);
    ol__buf_reset(&m->value);
    redact_text(ol__span_text(a->uri != NULL && a->uri[0] != '\0' ? a->uri : text), &m->value);
    snprintf(ret->name, sizeof ret->name, "%s", m->value.status == OL_OK ? m->value.data : text);
}

static bool is_model(const char *type)
{
    const char *dot = type != NULL ? strrchr(type, '.') : NULL;
    return type != NULL && strcmp(dot != NULL ? dot + 1 : type, "Model") == 0;
}

static ol_status describe(struct mlmd *m, const struct mlmd_artifact *a, struct dataset *ret,
                          struct ol_error *err)
{
    static const char *const names[] = {
        "sha256", "digest",      "content_hash",      "checksum",     "hash",
        "md5",    "fingerprint", "input_fingerprint", "data_version", "version",
        NULL};
    const struct properties p = {.query = MLMD_ARTIFACT_PROPERTIES, .id = a->id};
    char found[OL_DATASET_VERSION_SIZE - 8];
    size_t which;
    if (a->uri == NULL || !is_absolute(a->uri) ||
        ol_dataset_name(a->uri, ret->space, sizeof ret->space, ret->name, sizeof ret->name,
                        ret->version, sizeof ret->version, NULL) != OL_OK)
        name_here(m, a, ret);
    ret->is_model = is_model(a->type) || is_model(a->base);
    ol_status st = find_property(m, &p, names, found, sizeof found, &which, err);
    if (st != OL_OK || found[0] == '\0')
        return st;
    bool is_sha256 =
        which < 5 && strlen(found) == 64 && strspn(found, "0123456789abcdefABCDEF") == 64;
    ol__buf_reset(&m->value);
    redact_text(ol__span_text(found), &m->value);
    if (m->value.status == OL_OK)
        snprintf(ret->version, sizeof ret->version, "%s%s", is_sha256 ? "sha256:" : "",
                 m->value.data);
    for (char *c = ret->version; is_sha256 && *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'F' ? (char)(*c + ('a' - 'A')) : *c;
    return OL_OK;
}

static void write_number_tag(struct mlmd *m, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    write_pair(m, key, text, true);
}

static void write_context_tags(struct mlmd *m)
{
    for (size_t i = 0; i < m->context_count; i++)
        write_redacted(m, m->contexts[i].type, m->contexts[i].name);
}

static ol_status write_dataset(struct mlmd *m, const struct mlmd_artifact *a, struct ol_error *err)
{
    const struct properties p = {.query = MLMD_ARTIFACT_PROPERTIES, .id = a->id, .are_tags = true};
    struct dataset d;
    ol_status st = describe(m, a, &d, err);
    if (st == OL_OK)
        st = mlmd_read_contexts(m, MLMD_ARTIFACT_CONTEXTS, a->id, err);
    if (st != OL_OK)
        return st;
    ol__json_begin_object(&m->w);
    ol__json_member_text(&m->w, "namespace", d.space);
    ol__json_member_text(&m->w, "name", d.name);
    ol__json_key(&m->w, "facets");
    ol__json_begin_object(&m->w);
    if (d.version[0] != '\0') {
        begin_facet(m, OL_ENTITY_DATASET, "version");
        ol__json_member_text(&m->w, "datasetVersion", d.version);
        ol__json_end_object(&m->w);
    }
    if (d.is_model) {
        begin_facet(m, OL_ENTITY_DATASET, "datasetType");
        ol__json_member_text(&m->w, "datasetType", "MODEL");
        ol__json_end_object(&m->w);
    }
    begin_facet(m, OL_ENTITY_DATASET, "tags");
    ol__json_key(&m->w, "tags");
    ol__json_begin_array(&m->w);
    write_number_tag(m, "mlmd.artifact", a->id);
    write_pair(m, "mlmd.type", a->type, true);
    write_redacted(m, "mlmd.name", a->name);
    write_context_tags(m);
    st = write_properties(m, &p, err);
    ol__json_end_array(&m->w);
    ol__json_end_object(&m->w);
    ol__json_end_object(&m->w);
    ol__json_end_object(&m->w);
    return st;
}

static ol_status write_side(struct mlmd *m, const char *key, enum mlmd_query query, int64_t id,
                            struct ol_error *err)
{
    int64_t last = 0;
    bool has_last = false;
    ol_status st;
    ol__json_key(&m->w, key);
    ol__json_begin_array(&m->w);
    mlmd_begin(m, query, id);
    while ((st = mlmd_next(m, query, err)) == OL_OK) {
        struct mlmd_artifact a;
        int64_t artifact = sqlite3_column_int64(m->queries[query], 1);
        if (has_last && artifact == last) /* declared, and then so */
            continue;
        last = artifact;
        has_last = true;
        if (!mlmd_read_artifact(m, query, 2, &a))
            continue;
        st = write_dataset(m, &a, err);
        if (st != OL_OK)
            return st;
    }
    ol__json_end_array(&m->w);
    return st == OL_END ? OL_OK : st;
}

/* ---- Runs and jobs ---- */

struct names {
    char pipeline[MLMD_TEXT_MAX], job[MLMD_TEXT_MAX * 2 + 2];
    struct mlmd_context run, root; /* id 0: none */
    char root_job[MLMD_TEXT_MAX];
};

/* A pipeline that a run of it belongs to; else the type of its context. */
static ol_status name_pipeline(struct mlmd *m, const struct mlmd_context *run, char *ret,
                               struct ol_error *err)
{
    struct mlmd_context found;
    ol_status st = mlmd_parent(m, run->id, MLMD_PIPELINE, &found, err);
    if (st == OL_OK || st == OL_END)
        snprintf(ret, MLMD_TEXT_MAX, "%s", st == OL_OK ? found.name : run->type);
    return st == OL_END ? OL_OK : st;
}

/* The run that is the execution's own: of those it is in, the one that is above no other. */
static ol_status find_run(struct mlmd *m, struct names *n, struct ol_error *err)
{
    bool is_above[MLMD_CONTEXTS_MAX] = {false};
    ol_status st = OL_OK;
    for (size_t i = 0; i < m->context_count; i++) {
        struct mlmd_context up;
        if (m->contexts[i].kind != MLMD_RUN)
            continue;
        st = mlmd_parent(m, m->contexts[i].id, MLMD_RUN, &up, err);
        for (size_t k = 0; st == OL_OK && k < m->context_count; k++)
            is_above[k] = is_above[k] || m->contexts[k].id == up.id;
        if (st != OL_OK && st != OL_END)
            return st;
    }
    for (size_t i = 0; i < m->context_count && n->run.id == 0; i++)
        if (m->contexts[i].kind == MLMD_RUN && !is_above[i])
            n->run = m->contexts[i];
    n->root = n->run;
    st = OL_OK;
    for (int depth = 0; n->run.id != 0 && depth < RUN_DEPTH_MAX && st == OL_OK; depth++) {
        struct mlmd_context up;
        st = mlmd_parent(m, n->root.id, MLMD_RUN, &up, err);
        if (st == OL_OK)
            n->root = up;
    }
    return st == OL_END ? OL_OK : st;
}

/* PIPELINE.STEP; a step is a node, else what a property calls it, else the execution's type. */
static ol_status find_names(struct mlmd *m, const struct mlmd_execution *e, struct names *n,
                            struct ol_error *err)
{
    static const char *const keys[] = {"task_name", "component_id", "display_name", NULL};
    const struct properties p = {.query = MLMD_EXECUTION_PROPERTIES, .id = e->id};
    const char *node = NULL;
    char step[MLMD_TEXT_MAX] = "";
    size_t which;
    memset(n, 0, sizeof *n);
    for (size_t i = 0; i < m->context_count; i++) {
        const struct mlmd_context *c = &m->contexts[i];
        if (c->kind == MLMD_PIPELINE && n->pipeline[0] == '\0')
            snprintf(n->pipeline, sizeof n->pipeline, "%s", c->name);
        if (c->kind == MLMD_NODE && node == NULL)
            node = c->name;
    }
    ol_status st = find_run(m, n, err);
    if (st == OL_OK && n->root.id != 0)
        st = name_pipeline(m, &n->root, n->root_job, err);
    if (st == OL_OK && n->run.id != 0 && n->pipeline[0] == '\0')
        st = name_pipeline(m, &n->run, n->pipeline, err);
    if (st == OL_OK && n->run.id == n->root.id)
        snprintf(n->root_job, sizeof n->root_job, "%s", n->pipeline);
    if (st == OL_OK)
        st = find_property(m, &p, keys, step, sizeof step, &which, err);
    size_t size = strlen(n->pipeline);
    bool is_full =
        node != NULL && (size == 0 || (strncmp(node, n->pipeline, size) == 0 && node[size] == '.'));
    snprintf(n->job, sizeof n->job, "%s%s%s", is_full ? "" : n->pipeline,
             is_full || size == 0 ? "" : ".",
             node != NULL      ? node
             : step[0] != '\0' ? step
                               : e->type);
    return st;
}

static void write_job(struct mlmd *m, const char *name)
{
    ol__json_member_text(&m->w, "namespace", m->job_namespace);
    ol__buf_reset(&m->value);
    redact_text(ol__span_text(name), &m->value);
    ol__json_member_text(&m->w, "name", m->value.status == OL_OK ? m->value.data : name);
}

static void write_run_and_job(struct mlmd *m, const struct mlmd_context *run, const char *job)
{
    char id[OL_UUID_TEXT + 1];
    run_id(m, "context", run->id, run->created, id);
    ol__json_key(&m->w, "run");
    ol__json_begin_object(&m->w);
    ol__json_member_text(&m->w, "runId", id);
    ol__json_end_object(&m->w);
    ol__json_key(&m->w, "job");
    ol__json_begin_object(&m->w);
    write_job(m, job);
    ol__json_end_object(&m->w);
}

static void write_parent(struct mlmd *m, const struct names *n)
{
    if (n->run.id == 0)
        return;
    begin_facet(m, OL_ENTITY_RUN, "parent");
    write_run_and_job(m, &n->run, n->pipeline);
    ol__json_key(&m->w, "root");
    ol__json_begin_object(&m->w);
    write_run_and_job(m, &n->root, n->root_job);
    ol__json_end_object(&m->w);
    ol__json_end_object(&m->w);
}

static ol_status write_what_is_known(struct mlmd *m, const struct mlmd_execution *e,
                                     struct ol_error *err)
{
    struct properties p = {.query = MLMD_EXECUTION_PROPERTIES, .id = e->id};
    begin_facet(m, OL_ENTITY_RUN, "executionParameters");
    ol__json_key(&m->w, "parameters");
    ol__json_begin_array(&m->w);
    ol_status st = write_properties(m, &p, err);
    ol__json_end_array(&m->w);
    ol__json_end_object(&m->w);
    begin_facet(m, OL_ENTITY_RUN, "tags");
    ol__json_key(&m->w, "tags");
    ol__json_begin_array(&m->w);
    write_number_tag(m, "mlmd.execution", e->id);
    write_pair(m, "mlmd.type", e->type, true);
    write_pair(m, "mlmd.state", state_names[e->state], true);
    write_redacted(m, "mlmd.name", e->name);
    write_context_tags(m);
    for (size_t i = 0; i < m->context_count && st == OL_OK; i++) {
        p = (struct properties){MLMD_CONTEXT_PROPERTIES, m->contexts[i].id, m->contexts[i].type,
                                true};
        st = write_properties(m, &p, err);
    }
    ol__json_end_array(&m->w);
    ol__json_end_object(&m->w);
    return st;
}

static void begin_event(struct mlmd *m, const char *kind, int64_t time)
{
    char text[OL_TIME_TEXT + 1];
    ol__time_format(time, text);
    ol__buf_reset(&m->line);
    ol__json_writer_init(&m->w, &m->line);
    ol__json_begin_object(&m->w);
    ol__json_member_text(&m->w, "eventTime", text);
    ol__json_member_text(&m->w, "producer", m->producer);
    ol__json_member_text(&m->w, "schemaURL",
                         strcmp(kind, "RunEvent") == 0 ? SPEC "RunEvent" : SPEC "DatasetEvent");
}

/* is_whole: with all that is known (promise 3). */
static ol_status emit(struct mlmd *m, const struct mlmd_execution *e, const struct names *n,
                      const char *type, int64_t time, bool is_whole, struct ol_error *err)
{
    char id[OL_UUID_TEXT + 1];
    ol_status st = OL_OK;
    run_id(m, "execution", e->id, e->created, id);
    begin_event(m, "RunEvent", time);
    ol__json_member_text(&m->w, "eventType", type);
    ol__json_key(&m->w, "run");
    ol__json_begin_object(&m->w);
    ol__json_member_text(&m->w, "runId", id);
    ol__json_key(&m->w, "facets");
    ol__json_begin_object(&m->w);
    write_parent(m, n);
    if (is_whole)
        st = write_what_is_known(m, e, err);
    ol__json_end_object(&m->w);
    ol__json_end_object(&m->w);
    ol__json_key(&m->w, "job");
    ol__json_begin_object(&m->w);
    write_job(m, n->job);
    ol__json_key(&m->w, "facets");
    ol__json_begin_object(&m->w);
    begin_facet(m, OL_ENTITY_JOB, "jobType");
    ol__json_member_text(&m->w, "processingType", "BATCH");
    ol__json_member_text(&m->w, "integration", "MLMD");
    ol__json_member_text(&m->w, "jobType", "TASK");
    ol__json_end_object(&m->w);
    ol__json_end_object(&m->w);
    ol__json_end_object(&m->w);
    if (st == OL_OK && is_whole)
        st = write_side(m, "inputs", MLMD_INPUTS, e->id, err);
    if (st == OL_OK && is_whole)
        st = write_side(m, "outputs", MLMD_OUTPUTS, e->id, err);
    ol__json_end_object(&m->w);
    return st == OL_OK ? mlmd_hand_over(m, "Execution", e->id, err) : st;
}

ol_status mlmd_emit_execution(struct mlmd *m, const struct mlmd_execution *e, struct ol_error *err)
{
    struct names n;
    const char *type = state_types[e->state];
    bool has_end = e->state >= COMPLETE;
    ol_status st = find_names(m, e, &n, err);
    if (st == OL_OK && has_end)
        st = emit(m, e, &n, "START", e->created, false, err);
    if (st == OL_OK)
        st = emit(m, e, &n, type, has_end && e->updated > e->created ? e->updated : e->created,
                  true, err);
    if (st != OL_OK)
        return st;
    mlmd_begin(m, MLMD_OTHER_EVENTS, e->id);
    while ((st = mlmd_next(m, MLMD_OTHER_EVENTS, err)) == OL_OK) {
        sqlite3_stmt *s = m->queries[MLMD_OTHER_EVENTS];
        import_say(m->im, "'%s': Event %" PRId64 ": type: expected 1 to 7, found %.40s", m->path,
                   (int64_t)sqlite3_column_int64(s, 0), (const char *)sqlite3_column_text(s, 1));
    }
    return st == OL_END ? OL_OK : st;
}

ol_status mlmd_emit_artifact(struct mlmd *m, const struct mlmd_artifact *a, struct ol_error *err)
{
    if (a->created <= 0) {
        import_say(m->im, "'%s': Artifact %" PRId64 ": create_time_since_epoch: it has no time",
                   m->path, a->id);
        return OL_OK;
    }
    begin_event(m, "DatasetEvent", a->created);
    ol__json_key(&m->w, "dataset");
    ol_status st = write_dataset(m, a, err);
    ol__json_end_object(&m->w);
    return st == OL_OK ? mlmd_hand_over(m, "Artifact", a->id, err) : st;
}
