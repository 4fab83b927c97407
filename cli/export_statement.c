/* SPDX-License-Identifier: Apache-2.0 */
/* lineage export --format in-toto: a Statement v1 with SLSA provenance v1, one line for each
 * attempt of a run's folder, or for each run that the store has of X. Promises:
 *  1. Subjects are outputs with a SHA-256; a run that has none gives no statement, which is said: a
 *     statement without a subject says nothing of anything.
 *  2. Nothing is in it that receipt or store do not say. */
#include "export.h"

#include <stdio.h>
#include <stdlib.h>
#include "json_write.h"

#define TEXT_MAX ((size_t)64 << 20)
#define STATEMENT "https://in-toto.io/Statement/v1"
#define PREDICATE "https://slsa.dev/provenance/v1"
#define BUILD_TYPE                                                                                 \
    "https://github.com/lineaged/lineaged/blob/v" OL_VERSION "/docs/export.md#in-toto"
#define BUILDER "https://github.com/lineaged/lineaged/tree/v" OL_VERSION "/cli"

/* One run, from a receipt or from the store's `show`. */
struct made {
    const struct json_node *doc; /* receipt.json; NULL: from the store */
    const struct json_node *run; /* element of show's `runs`; NULL */
};

static const char *sha256_of(const struct made *m, const struct json_node *artifact)
{
    static const char prefix[] = "sha256:";
    const char *version = json_get_text(artifact, "version");
    const char *text = m->doc != NULL ? json_get_text(artifact, "sha256")
                       : version != NULL && strncmp(version, prefix, sizeof prefix - 1) == 0
                           ? version + sizeof prefix - 1
                           : NULL;
    return text != NULL && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64 ? text
                                                                                        : NULL;
}

static const struct json_node *side(const struct made *m, const char *name)
{
    return json_get_items(m->doc != NULL ? m->doc : m->run, name);
}

static void write_digest(struct ol__json_writer *w, const char *sha256)
{
    ol__json_key(w, "digest");
    ol__json_begin_object(w);
    ol__json_member_text(w, "sha256", sha256);
    ol__json_end_object(w);
}

/* What was read: all of it, with what is known of each. */
static void write_dependency(const struct made *m, struct ol__json_writer *w,
                             const struct json_node *a)
{
    const char *sha256 = sha256_of(m, a), *name = json_get_text(a, "name");
    struct ol__buf uri;
    ol__buf_init(&uri, 65536);
    export_add_uri(&uri, a);
    ol__json_begin_object(w);
    ol__json_member_text_opt(w, "name", name);
    ol__json_member_text(w, "uri", uri.data != NULL ? uri.data : "");
    if (sha256 != NULL)
        write_digest(w, sha256);
    ol__json_member_text_opt(w, "mediaType", json_get_text(a, "media_type"));
    if (sha256 == NULL && json_get_text(a, "version") != NULL) {
        ol__json_key(w, "annotations");
        ol__json_begin_object(w);
        ol__json_member_text(w, "version", json_get_text(a, "version"));
        ol__json_end_object(w);
    }
    ol__json_end_object(w);
    ol__buf_release(&uri);
}

static bool write_subjects(const struct made *m, struct ol__json_writer *w)
{
    bool has_any = false;
    ol__json_key(w, "subject");
    ol__json_begin_array(w);
    for (const struct json_node *a = side(m, "outputs"); a != NULL; a = a->next) {
        const char *sha256 = sha256_of(m, a), *name = json_get_text(a, "name");
        if (sha256 == NULL)
            continue;
        has_any = true;
        ol__json_begin_object(w);
        ol__json_member_text(w, "name", name != NULL ? name : "");
        write_digest(w, sha256);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
    return has_any;
}

static const struct json_node *facet(const struct made *m, const char *key)
{
    return json_get(json_get(m->run, "facets"), key);
}

static void write_parameters(const struct made *m, struct ol__json_writer *w)
{
    const struct json_node *origin =
        m->doc != NULL ? json_get(m->doc, "openlineage") : json_get(m->run, "job");
    ol__json_key(w, "externalParameters");
    ol__json_begin_object(w);
    ol__json_member_text_opt(w, "namespace",
                             json_get_text(origin, m->doc != NULL ? "job_namespace" : "namespace"));
    ol__json_member_text_opt(w, "job", json_get_text(origin, m->doc != NULL ? "job_name" : "name"));
    const struct json_node *argv = json_get_items(json_get(m->doc, "command"), "argv");
    if (argv != NULL) {
        ol__json_key(w, "command");
        ol__json_begin_array(w);
        for (; argv != NULL; argv = argv->next)
            ol__json_text(w, argv->text != NULL ? argv->text : "");
        ol__json_end_array(w);
    }
    ol__json_key(w, "parameters");
    ol__json_begin_object(w);
    for (const struct json_node *p = json_get_items(m->doc, "parameters"); p != NULL; p = p->next)
        ol__json_member_text(w, p->key, p->text != NULL ? p->text : "");
    for (const struct json_node *p = json_get_items(facet(m, "executionParameters"), "parameters");
         p != NULL; p = p->next)
        if (json_get_text(p, "key") != NULL && json_get_text(p, "value") != NULL)
            ol__json_member_text(w, json_get_text(p, "key"), json_get_text(p, "value"));
    ol__json_end_object(w);
    ol__json_end_object(w);
}

static void write_dependencies(const struct made *m, struct ol__json_writer *w)
{
    const struct json_node *code =
        m->doc != NULL ? json_get(m->doc, "code") : facet(m, "lineaged_code");
    const char *commit = json_get_text(code, "commit"), *remote = json_get_text(code, "remote");
    ol__json_key(w, "resolvedDependencies");
    ol__json_begin_array(w);
    for (const struct json_node *a = side(m, "inputs"); a != NULL; a = a->next)
        write_dependency(m, w, a);
    if (commit != NULL) {
        ol__json_begin_object(w);
        ol__json_member_text(w, "name", "code");
        ol__json_member_text_opt(w, "uri", remote);
        ol__json_key(w, "digest");
        ol__json_begin_object(w);
        ol__json_member_text(w, "gitCommit", commit);
        ol__json_end_object(w);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
}

static void write_byproduct(struct ol__json_writer *w, const struct json_node *kept)
{
    if (json_get_text(kept, "sha256") == NULL)
        return;
    ol__json_begin_object(w);
    ol__json_member_text_opt(w, "name", json_get_text(kept, "path"));
    write_digest(w, json_get_text(kept, "sha256"));
    ol__json_end_object(w);
}

static void write_details(const struct made *m, struct ol__json_writer *w)
{
    const struct json_node *ids = m->doc != NULL ? json_get(m->doc, "openlineage") : m->run;
    const char *started =
        json_get_text(m->doc != NULL ? m->doc : m->run, m->doc != NULL ? "started_at" : "started");
    const char *ended =
        json_get_text(m->doc != NULL ? m->doc : m->run, m->doc != NULL ? "finished_at" : "ended");
    const char *builder = m->doc != NULL ? BUILDER : json_get_text(m->run, "producer");
    ol__json_key(w, "runDetails");
    ol__json_begin_object(w);
    ol__json_key(w, "builder");
    ol__json_begin_object(w);
    ol__json_member_text(w, "id", builder != NULL ? builder : BUILDER);
    ol__json_end_object(w);
    ol__json_key(w, "metadata");
    ol__json_begin_object(w);
    ol__json_member_text_opt(w, "invocationId", json_get_text(ids, "run_id"));
    ol__json_member_text_opt(w, "startedOn", started);
    ol__json_member_text_opt(w, "finishedOn", ended);
    ol__json_end_object(w);
    const struct json_node *kept = json_get_items(m->doc, "kept");
    if (kept != NULL) {
        ol__json_key(w, "byproducts");
        ol__json_begin_array(w);
        for (; kept != NULL; kept = kept->next)
            write_byproduct(w, kept);
        ol__json_end_array(w);
    }
    ol__json_end_object(w);
}

static ol_status write_statement(struct export *ex, const struct made *m, bool *ret_any,
                                 struct ol_error *err)
{
    struct ol__json_writer w;
    struct ol__buf text;
    ol__buf_init(&text, TEXT_MAX);
    ol__json_writer_init(&w, &text);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "_type", STATEMENT);
    bool has_subject = write_subjects(m, &w);
    ol__json_member_text(&w, "predicateType", PREDICATE);
    ol__json_key(&w, "predicate");
    ol__json_begin_object(&w);
    ol__json_key(&w, "buildDefinition");
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "buildType", BUILD_TYPE);
    write_parameters(m, &w);
    write_dependencies(m, &w);
    ol__json_end_object(&w);
    write_details(m, &w);
    ol__json_end_object(&w);
    ol__json_end_object(&w);
    ol__buf_add_char(&text, '\n');
    ol_status st = has_subject ? export_write(ex, &text, err) : OL_OK; /* promise 1 */
    *ret_any = *ret_any || has_subject;
    ol__buf_release(&text);
    return st;
}

/* ---- From receipts ---- */

struct statements {
    struct export *ex;
    bool has_any;
};

static ol_status of_receipt(void *arg, const struct json_node *receipt, const char *path OL_UNUSED,
                            struct ol_error *err)
{
    struct statements *s = arg;
    const struct made m = {.doc = receipt};
    const char *status = json_get_text(receipt, "status");
    if (status == NULL || strcmp(status, "COMPLETE") != 0)
        return OL_OK;
    return write_statement(s->ex, &m, &s->has_any, err);
}

/* ---- From the store ---- */

static ol_status from_run(struct export *ex, const char *run_id, bool *ret_any,
                          struct ol_error *err)
{
    struct question q;
    struct json_doc doc;
    question_init(&q, "show");
    question_add(&q, "subject", run_id);
    ol_status st = export_ask(ex, &q, &doc, err);
    question_release(&q);
    if (st != OL_OK)
        return st;
    for (const struct json_node *run = json_get_items(doc.root, "runs"); st == OL_OK && run != NULL;
         run = run->next) {
        const struct made m = {.run = run};
        const char *state = json_get_text(run, "state");
        if (state != NULL && strcmp(state, "COMPLETE") == 0)
            st = write_statement(ex, &m, ret_any, err);
    }
    json_doc_release(&doc);
    return st;
}

ol_status export_statements(struct export *ex, struct ol_error *err)
{
    struct json_doc doc;
    struct statements s = {.ex = ex};
    ol_status st = export_each_receipt(ex->x, of_receipt, &s, err);
    if (st == OL_END) {
        ex->depth = "1"; /* the runs that made it */
        st = export_graph(ex, "why", &doc, err);
        if (st != OL_OK)
            return st;
        for (const struct json_node *n = json_get_items(doc.root, "nodes");
             st == OL_OK && n != NULL; n = n->next)
            if (json_get_text(n, "run_id") != NULL && json_get_int(n, "depth", 9) <= 1)
                st = from_run(ex, json_get_text(n, "run_id"), &s.has_any, err);
        json_doc_release(&doc);
    }
    if (st == OL_OK && !s.has_any)
        st = ol__error_set(err, OL_NOT_FOUND,
                           "'%.200s': no run that succeeded and wrote anything with a SHA-256",
                           ex->x);
    return st;
}
