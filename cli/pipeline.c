/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "origin.h"
#include "receipt/listing.h"
#include "run.h"
#include "times.h"

static void log_trouble(void *is_quiet, ol_status status, const char *message)
{
    (void)status;
    if (!*(const bool *)is_quiet)
        cli_say("%s", message);
}

struct ol_client *pipeline_open_client_as(struct pipeline_client *how)
{
    struct ol_client *client = NULL;
    struct ol_error err = {.message = ""};
    const struct ol__client_hooks hooks = {.is_journal_only = how->is_offline,
                                           .is_console = how->is_shown,
                                           .timeout_ms = how->emit_timeout_ms};
    ol_status status = ol__client_open_hooked(
        OL_MAKE(ol_client_options,
                .producer = "https://github.com/lineaged/lineaged/tree/v" OL_VERSION "/cli",
                .job_namespace = how->job_namespace, .infer_abort = true, .engine_name = "lineage",
                .log = log_trouble, .log_arg = (void *)(uintptr_t)how->is_quiet),
        &hooks, &client, &err);
    how->has_failed = status < 0;
    if (status < 0 && !*how->is_quiet)
        cli_say("nothing will be recorded: %s", err.message);
    return client;
}

struct ol_client *pipeline_open_client(const char *job_namespace, const bool *is_quiet)
{
    return pipeline_open_client_as(
        &(struct pipeline_client){.job_namespace = job_namespace, .is_quiet = is_quiet});
}

/* The name of the folder in which the runs folder stands; owned. */
static char *folder_name(const char *runs)
{
    const char *end = runs + strlen(runs);
    for (int i = 0; i < 2; i++) { /* the runs folder's own name, then its folder's */
        while (end > runs && end[-1] == '/')
            end--;
        const char *begin = end;
        while (begin > runs && begin[-1] != '/')
            begin--;
        if (i == 1 && begin < end)
            return strndup(begin, (size_t)(end - begin));
        end = begin;
    }
    return strdup("pipeline");
}

static ol_status new_root(struct ol_client *client, const char *job_namespace, const char *name,
                          const char *run_id, bool is_detached, struct ol_run **ret,
                          struct ol_error *err)
{
    ol_status status =
        ol_run_new(client,
                   OL_MAKE(ol_run_options, .job_namespace = job_namespace, .job_name = name,
                           .foreign_id = run_id, .is_detached = is_detached),
                   ret, err);
    if (status == OL_OK)
        OL_IGNORE(ol_job_set_job_type(ol_run_job(*ret),
                                      OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                              .integration = "LINEAGE", .job_type = "PIPELINE")) <
                      0,
                  "emit reports it");
    return status;
}

void pipeline_emit(struct ol_run *run, enum ol_event event, int64_t time_ms, bool is_quiet)
{
    struct ol_error err = {.message = ""};
    if (run == NULL)
        return;
    ol_status status =
        time_ms != 0 ? ol_run_emit_at(run, event, time_ms, &err) : ol_run_emit(run, event, &err);
    if ((status < 0 || status == OL_PARTIAL) && !is_quiet)
        cli_say("%s: %s", status < 0 ? "event not recorded" : "event recorded in part",
                err.message);
}

static ol_status put_manifest(const struct pipeline_options *options, const char *name,
                              const struct receipt_folder *folder, const struct ol_run *root,
                              struct ol_error *err)
{
    char now[OL_TIME_TEXT + 1], id[OL_ID_SIZE];
    struct ol__origin self = {0};
    struct ol__buf line, text;
    const char *told = getenv("OPENLINEAGE_NAMESPACE");
    ol__time_format(ol__time_now_ms(), now);
    ol_status status = ol_id_from_foreign(NULL, folder->run_id, id, err);
    if (status == OL_OK && root != NULL)
        status = ol__origin_make(root->parent_id, root->namespace_size, root->name_size,
                                 root->run_id, &self);
    const struct receipt_manifest manifest = {
        .run_id = folder->run_id,
        .created_at = now,
        .pipeline = name,
        .parameters = options->parameters,
        .tags = options->tags,
        .groups = options->groups,
        .openlineage = {.run_id = id,
                        .job_namespace = self.job_namespace != NULL        ? self.job_namespace
                                         : options->job_namespace != NULL  ? options->job_namespace
                                         : told != NULL && told[0] != '\0' ? told
                                                                           : "default",
                        .job_name = name}};
    ol__buf_init(&line, RECEIPT_FILE_MAX);
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    receipt_write_manifest(&manifest, &line);
    if (line.status == OL_OK)
        receipt_indent((struct ol__span){.data = line.data, .size = line.size}, &text);
    if (status == OL_OK && (line.status != OL_OK || text.status != OL_OK))
        status = ol__error_set(err, OL_NOMEM, "manifest.json: out of memory");
    if (status == OL_OK)
        status = receipt_put(folder->fd, "manifest.json",
                             (struct ol__span){.data = text.data, .size = text.size}, err);
    ol__buf_release(&line);
    ol__buf_release(&text);
    ol__origin_release(&self);
    return status;
}

ol_status pipeline_begin(const struct pipeline_options *options, struct ol_client *client,
                         struct receipt_folder *ret, struct ol_run **ret_root, struct ol_error *err)
{
    char run_id[RECEIPT_RUN_ID_SIZE];
    char *own = options->name == NULL ? folder_name(options->runs) : NULL;
    const char *name = options->name != NULL ? options->name : own;
    *ret_root = NULL;
    *ret = (struct receipt_folder){.fd = -1};
    if (name == NULL)
        return ol__error_set(err, OL_NOMEM, "run: out of memory");
    receipt_make_run_id(run_id);
    ol_status status = receipt_folder_make(options->runs, run_id, ret, err);
    if (status == OL_OK && client != NULL) {
        struct ol_error why = {.message = ""};
        if (new_root(client, options->job_namespace, name, run_id, options->is_detached, ret_root,
                     &why) == OL_OK)
            pipeline_emit(*ret_root, OL_START, 0, options->is_quiet);
        else if (!options->is_quiet)
            cli_say("no event for the run: %s", why.message);
    }
    if (status == OL_OK)
        status = put_manifest(options, name, ret, *ret_root, err);
    if (status != OL_OK) {
        receipt_folder_close(ret);
        ol_run_free(*ret_root);
        *ret_root = NULL;
    }
    free(own);
    return status;
}

static ol_status read_manifest(const struct receipt_folder *folder, struct json_doc *ret,
                               struct ol_error *err)
{
    struct ol_error why = {.message = ""};
    ol_status status = receipt_get_doc(folder->fd, "manifest.json", RECEIPT_FILE_MAX, ret, &why);
    if (status != OL_OK)
        status = ol__error_set(err, status == OL_INVALID ? OL_CORRUPT : status,
                               "run '%s': manifest.json: %s", folder->run_id, why.message);
    if (status == OL_OK && json_get_text(json_get(ret->root, "openlineage"), "job_name") == NULL) {
        json_doc_release(ret);
        status = ol__error_set(err, OL_CORRUPT, "run '%s': manifest.json: no /openlineage/job_name",
                               folder->run_id);
    }
    return status;
}

static const char *text_or(const struct json_node *node, const char *key, const char *fallback)
{
    const char *text = json_get_text(node, key);
    return text != NULL ? text : fallback;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0';
}

ol_status pipeline_be_child_of(const struct receipt_folder *folder, struct ol_error *err)
{
    struct json_doc doc;
    struct ol__buf text;
    ol_status status = read_manifest(folder, &doc, err);
    if (status != OL_OK)
        return status;
    if (is_set("OPENLINEAGE_PARENT_ID") || is_set("OPENLINEAGE_CONTEXT")) {
        json_doc_release(&doc);
        return OL_OK;
    }
    const struct json_node *o = json_get(doc.root, "openlineage");
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    ol__buf_add_format(&text, "%s/%s/%s", text_or(o, "job_namespace", "default"),
                       text_or(o, "job_name", ""), text_or(o, "run_id", ""));
    if (text.status != OL_OK || setenv("OPENLINEAGE_PARENT_ID", text.data, 1) != 0 ||
        setenv("OPENLINEAGE_ROOT_PARENT_ID", text.data, 1) != 0)
        status = ol__error_set(err, OL_NOMEM, "environment: out of memory");
    ol__buf_release(&text);
    json_doc_release(&doc);
    return status;
}

struct ol_run *pipeline_root(const struct receipt_folder *folder, struct ol_client *client,
                             struct ol_error *err)
{
    struct json_doc doc;
    struct ol_run *root = NULL;
    if (client == NULL || read_manifest(folder, &doc, err) != OL_OK)
        return NULL;
    const struct json_node *o = json_get(doc.root, "openlineage");
    if (new_root(client, json_get_text(o, "job_namespace"), json_get_text(o, "job_name"),
                 folder->run_id, true, &root, err) != OL_OK)
        root = NULL;
    json_doc_release(&doc);
    return root;
}

ol_status pipeline_end(const struct receipt_folder *folder, struct ol_run *root,
                       enum ol_event event, bool is_quiet, struct ol_error *err)
{
    char sha256[OL_SHA256_TEXT + 1];
    ol_status status = receipt_seal(folder, sha256, err);
    if (root != NULL && status == OL_OK) {
        const struct ol_tag tags[] = {OL_ITEM(ol_tag, .key = "lineaged.seal", .value = sha256)};
        OL_IGNORE(ol_run_set_tags(root, OL_MAKE(ol_tags, .tags = tags, .tag_count = 1)) < 0,
                  "emit reports it");
    }
    if (root != NULL && (status == OL_OK || status != OL_BUSY))
        pipeline_emit(root, event, 0, is_quiet);
    return status;
}
