/* SPDX-License-Identifier: Apache-2.0 */
/* lineage export --format ro-crate: ro-crate-metadata.json (RO-Crate 1.1, profile Process Run Crate
 * 0.5) of the folder of a run. Promises:
 *  1. Every attempt with a receipt is an action: what it read, what it wrote, which command, when,
 *     and how it ended.
 *  2. An entity has one id and stands once: artifacts by URI and content, so that a file that was
 *     written twice is two.
 *  3. Nothing is in it that receipts and manifest do not say. */
#include "export.h"

#include <stdio.h>
#include <stdlib.h>
#include "json_write.h"
#include "receipt/folder.h"

#define TEXT_MAX ((size_t)256 << 20)
#define ID_MAX 65536
#define CRATE "https://w3id.org/ro/crate/1.1"
#define PROFILE "https://w3id.org/ro/wfrun/process/0.5"
#define DIGEST "https://schema.org/sha256" /* not among the terms of RO-Crate 1.1 */

struct crate {
    struct ol__json_writer w;
    struct ol__buf text;
    struct ol__arena arena;
    const char **ids; /* owned: of artifacts and commands that stand in the graph; in the arena */
    size_t count, cap;
};

/* @return whether it is new; OL_NOMEM by *ret_status. */
static bool remember(struct crate *c, const char *id, ol_status *ret_status)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->ids[i], id) == 0)
            return false;
    if (c->count == c->cap) {
        size_t cap = c->cap == 0 ? 64 : c->cap * 2;
        const char **ids = realloc(c->ids, cap * sizeof *ids);
        if (ids == NULL) {
            *ret_status = OL_NOMEM;
            return false;
        }
        c->ids = ids;
        c->cap = cap;
    }
    char *copy = ol__arena_alloc(&c->arena, strlen(id) + 1);
    if (copy == NULL) {
        *ret_status = OL_NOMEM;
        return false;
    }
    memcpy(copy, id, strlen(id) + 1);
    c->ids[c->count++] = copy;
    return true;
}

static void write_reference(struct crate *c, const char *key, const char *id)
{
    ol__json_key(&c->w, key);
    ol__json_begin_object(&c->w);
    ol__json_member_text(&c->w, "@id", id);
    ol__json_end_object(&c->w);
}

static void write_element(struct crate *c, const char *id)
{
    ol__json_begin_object(&c->w);
    ol__json_member_text(&c->w, "@id", id);
    ol__json_end_object(&c->w);
}

/* Promise 2. */
static ol_status artifact_id(const struct json_node *artifact, struct ol__buf *ret)
{
    const char *sha256 = json_get_text(artifact, "sha256");
    const char *version = json_get_text(artifact, "version");
    ol__buf_reset(ret);
    export_add_uri(ret, artifact);
    if (sha256 != NULL)
        ol__buf_add_format(ret, "#sha256=%s", sha256);
    else if (version != NULL) {
        ol__buf_add_text(ret, "#version=");
        client_add_percent(ret, version, "");
    }
    return ret->status;
}

static ol_status write_artifacts(struct crate *c, const struct json_node *list)
{
    struct ol__buf id;
    ol_status st = OL_OK;
    ol__buf_init(&id, ID_MAX);
    for (const struct json_node *a = list; a != NULL && st == OL_OK; a = a->next) {
        const char *kind = json_get_text(a, "kind");
        st = artifact_id(a, &id);
        if (st != OL_OK || !remember(c, id.data, &st))
            continue;
        ol__json_begin_object(&c->w);
        ol__json_member_text(&c->w, "@id", id.data);
        ol__json_member_text(&c->w, "@type",
                             kind != NULL && strcmp(kind, "directory") == 0 ? "Dataset" : "File");
        ol__json_member_text_opt(&c->w, "name", json_get_text(a, "path"));
        ol__json_member_text_opt(&c->w, "encodingFormat", json_get_text(a, "media_type"));
        ol__json_member_text_opt(&c->w, "contentSize", json_get_text(a, "size"));
        ol__json_member_text_opt(&c->w, "sha256", json_get_text(a, "sha256"));
        ol__json_member_text_opt(&c->w, "version", json_get_text(a, "version"));
        ol__json_end_object(&c->w);
    }
    ol__buf_release(&id);
    return st;
}

static ol_status write_references(struct crate *c, const char *key, const struct json_node *list)
{
    struct ol__buf id;
    ol_status st = OL_OK;
    ol__buf_init(&id, ID_MAX);
    ol__json_key(&c->w, key);
    ol__json_begin_array(&c->w);
    for (const struct json_node *a = list; a != NULL && st == OL_OK; a = a->next) {
        st = artifact_id(a, &id);
        if (st == OL_OK)
            write_element(c, id.data);
    }
    ol__json_end_array(&c->w);
    ol__buf_release(&id);
    return st;
}

/* What ran: the command, or the step where the receipt does not tell it. */
static ol_status instrument(struct crate *c, const struct json_node *receipt, struct ol__buf *id)
{
    const struct json_node *argv = json_get_items(json_get(receipt, "command"), "argv");
    const char *name =
        argv != NULL && argv->text != NULL ? argv->text : json_get_text(receipt, "step");
    const char *slash = name != NULL ? strrchr(name, '/') : NULL;
    ol_status st = OL_OK;
    ol__buf_add_text(id, "#command/");
    client_add_percent(id, name != NULL ? name : "", "/");
    if (id->status != OL_OK || !remember(c, id->data, &st))
        return id->status != OL_OK ? id->status : st;
    ol__json_begin_object(&c->w);
    ol__json_member_text(&c->w, "@id", id->data);
    ol__json_member_text(&c->w, "@type", "SoftwareApplication");
    ol__json_member_text_opt(&c->w, "name", slash != NULL && slash[1] != '\0' ? slash + 1 : name);
    ol__json_end_object(&c->w);
    return OL_OK;
}

static void add_words(struct ol__buf *out, const struct json_node *argv)
{
    for (const struct json_node *word = argv; word != NULL; word = word->next)
        ol__buf_add_format(out, "%s%s", word != argv ? " " : "",
                           word->text != NULL ? word->text : "");
}

static ol_status write_action(struct crate *c, const struct json_node *receipt, const char *tool)
{
    const char *status = json_get_text(receipt, "status");
    bool is_complete = status != NULL && strcmp(status, "COMPLETE") == 0;
    const char *run_id = json_get_text(json_get(receipt, "openlineage"), "run_id");
    const struct json_node *error = json_get(receipt, "error");
    struct ol__buf text;
    ol__buf_init(&text, (size_t)4 << 20);
    ol__json_begin_object(&c->w);
    ol__buf_add_format(&text, "#attempt/%s", run_id != NULL ? run_id : "");
    ol__json_member_text(&c->w, "@id", text.data != NULL ? text.data : "");
    ol__json_member_text(&c->w, "@type", "CreateAction");
    ol__buf_reset(&text);
    ol__buf_add_format(&text, "%s, attempt %lld",
                       json_get_text(receipt, "step") != NULL ? json_get_text(receipt, "step") : "",
                       (long long)json_get_int(receipt, "attempt", 0));
    ol__json_member_text(&c->w, "name", text.data != NULL ? text.data : "");
    ol__buf_reset(&text);
    add_words(&text, json_get_items(json_get(receipt, "command"), "argv"));
    if (text.size > 0)
        ol__json_member_text(&c->w, "description", text.data);
    ol__json_member_text_opt(&c->w, "startTime", json_get_text(receipt, "started_at"));
    ol__json_member_text_opt(&c->w, "endTime", json_get_text(receipt, "finished_at"));
    write_reference(c, "actionStatus",
                    is_complete ? "http://schema.org/CompletedActionStatus"
                                : "http://schema.org/FailedActionStatus");
    if (!is_complete)
        ol__json_member_text_opt(&c->w, "error", json_get_text(error, "message"));
    write_reference(c, "instrument", tool);
    ol_status st = write_references(c, "object", json_get_items(receipt, "inputs"));
    if (st == OL_OK)
        st = write_references(c, "result", json_get_items(receipt, "outputs"));
    ol__json_end_object(&c->w);
    if (text.status != OL_OK)
        st = text.status;
    ol__buf_release(&text);
    return st;
}

static ol_status add_receipt(void *arg, const struct json_node *receipt, const char *path,
                             struct ol_error *err)
{
    struct crate *c = arg;
    struct ol__buf tool;
    ol__buf_init(&tool, ID_MAX);
    ol_status st = instrument(c, receipt, &tool);
    if (st == OL_OK)
        st = write_artifacts(c, json_get_items(receipt, "inputs"));
    if (st == OL_OK)
        st = write_artifacts(c, json_get_items(receipt, "outputs"));
    if (st == OL_OK)
        st = write_action(c, receipt, tool.data);
    if (st == OL_OK) {
        ol__json_begin_object(&c->w);
        ol__json_member_text(&c->w, "@id", path);
        ol__json_member_text(&c->w, "@type", "File");
        ol__json_member_text(&c->w, "encodingFormat", "application/json");
        ol__json_end_object(&c->w);
    }
    ol__buf_release(&tool);
    return st == OL_OK ? OL_OK : ol__error_set(err, st, "'%s': %s", path, ol__status_name(st));
}

static void write_heading(struct crate *c)
{
    struct ol__json_writer *w = &c->w;
    ol__json_key(w, "@context");
    ol__json_begin_array(w);
    ol__json_text(w, CRATE "/context");
    ol__json_begin_object(w);
    ol__json_member_text(w, "sha256", DIGEST);
    ol__json_end_object(w);
    ol__json_end_array(w);
    ol__json_key(w, "@graph");
    ol__json_begin_array(w);
    ol__json_begin_object(w);
    ol__json_member_text(w, "@id", "ro-crate-metadata.json");
    ol__json_member_text(w, "@type", "CreativeWork");
    write_reference(c, "about", "./");
    write_reference(c, "conformsTo", CRATE);
    ol__json_end_object(w);
    ol__json_begin_object(w);
    ol__json_member_text(w, "@id", PROFILE);
    ol__json_member_text(w, "@type", "CreativeWork");
    ol__json_member_text(w, "name", "Process Run Crate");
    ol__json_member_text(w, "version", "0.5");
    ol__json_end_object(w);
}

/* Ids of the root's members: a first pass over the receipts. */
struct parts {
    struct crate *c;
    bool wants_actions;
    struct crate seen;
};

static ol_status add_part(void *arg, const struct json_node *receipt, const char *path,
                          struct ol_error *err)
{
    struct parts *p = arg;
    struct ol__buf id;
    ol_status st = OL_OK;
    ol__buf_init(&id, ID_MAX);
    if (p->wants_actions) {
        const char *run_id = json_get_text(json_get(receipt, "openlineage"), "run_id");
        ol__buf_add_format(&id, "#attempt/%s", run_id != NULL ? run_id : "");
        if (id.status == OL_OK)
            write_element(p->c, id.data);
    } else {
        static const char *const sides[] = {"inputs", "outputs"};
        write_element(p->c, path);
        for (size_t i = 0; i < OL_COUNT(sides); i++)
            for (const struct json_node *a = json_get_items(receipt, sides[i]);
                 a != NULL && st == OL_OK; a = a->next) {
                st = artifact_id(a, &id);
                if (st == OL_OK && remember(&p->seen, id.data, &st))
                    write_element(p->c, id.data);
            }
    }
    ol__buf_release(&id);
    return st == OL_OK ? OL_OK : ol__error_set(err, st, "'%s': %s", path, ol__status_name(st));
}

static ol_status write_root(struct crate *c, const char *x, const struct json_node *manifest,
                            struct ol_error *err)
{
    struct ol__json_writer *w = &c->w;
    struct parts parts = {.c = c};
    char text[512];
    const char *pipeline = json_get_text(manifest, "pipeline");
    const char *run_id = json_get_text(manifest, "run_id");
    ol__json_begin_object(w);
    ol__json_member_text(w, "@id", "./");
    ol__json_member_text(w, "@type", "Dataset");
    ol__json_member_text_opt(w, "name", pipeline != NULL ? pipeline : run_id);
    snprintf(text, sizeof text,
             "What the run %.200s of %.200s read, did and wrote, by its receipts",
             run_id != NULL ? run_id : "", pipeline != NULL ? pipeline : "a pipeline");
    ol__json_member_text(w, "description", text);
    ol__json_member_text_opt(w, "identifier", run_id);
    ol__json_member_text_opt(w, "datePublished", json_get_text(manifest, "created_at"));
    write_reference(c, "conformsTo", PROFILE);
    ol__json_key(w, "hasPart");
    ol__json_begin_array(w);
    ol_status st = export_each_receipt(x, add_part, &parts, err);
    ol__json_end_array(w);
    ol__json_key(w, "mentions");
    ol__json_begin_array(w);
    parts.wants_actions = true;
    if (st == OL_OK)
        st = export_each_receipt(x, add_part, &parts, err);
    ol__json_end_array(w);
    ol__json_end_object(w);
    free(parts.seen.ids);
    ol__arena_reset(&parts.seen.arena, 0);
    return st;
}

ol_status export_crate(struct export *ex, struct ol_error *err)
{
    struct receipt_folder folder;
    struct json_doc manifest;
    struct crate c = {.count = 0};
    ol_status st = export_open_folder(ex->x, &folder, err);
    if (st == OL_END)
        return ol__error_set(err, OL_INVALID, "'%.200s': expected the folder of a run: runs/RUN_ID",
                             ex->x);
    if (st != OL_OK)
        return st;
    st = receipt_get_doc(folder.fd, "manifest.json", RECEIPT_FILE_MAX, &manifest, err);
    receipt_folder_close(&folder);
    if (st != OL_OK)
        return st;
    ol__buf_init(&c.text, TEXT_MAX);
    ol__json_writer_init(&c.w, &c.text);
    ol__json_begin_object(&c.w);
    write_heading(&c);
    st = write_root(&c, ex->x, manifest.root, err);
    if (st == OL_OK)
        st = export_each_receipt(ex->x, add_receipt, &c, err);
    ol__json_end_array(&c.w);
    ol__json_end_object(&c.w);
    ol__buf_add_char(&c.text, '\n');
    if (st == OL_OK)
        st = export_write(ex, &c.text, err);
    ol__buf_release(&c.text);
    ol__arena_reset(&c.arena, 0);
    free(c.ids);
    json_doc_release(&manifest);
    return st;
}
