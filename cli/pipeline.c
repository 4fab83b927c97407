/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli.h"
#include "facet_copy.h"
#include "origin.h"
#include "receipt/listing.h"
#include "receipt/members.h"
#include "run.h"
#include "run_told.h"
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

/* A file of @p json, which is on one line; its hash. */
static ol_status put_json(int dirfd, const char *name, const struct ol__buf *json,
                          char ret_sha256[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    struct ol__buf text;
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    if (json->status == OL_OK)
        receipt_indent((struct ol__span){.data = json->data, .size = json->size}, &text);
    ol_status status = json->status != OL_OK ? json->status : text.status;
    if (status != OL_OK)
        ol__error_set(err, status, "%s: %s", name, ol_status_name(status));
    const struct ol__span bytes = {.data = text.data, .size = text.size};
    if (status == OL_OK && ret_sha256 != NULL)
        status = receipt_hash(bytes, ret_sha256, err);
    if (status == OL_OK)
        status = receipt_put(dirfd, name, bytes, err);
    ol__buf_release(&text);
    return status;
}

static ol_status put_input(const struct receipt_folder *folder, int dirfd, const char *name,
                           const struct receipt_artifact *artifact, struct receipt_input_file *ret,
                           struct ol_error *err)
{
    char file[RECEIPT_STEP_MAX + sizeof ".json"];
    struct ol__buf line;
    ol__buf_init(&line, RECEIPT_FILE_MAX);
    snprintf(file, sizeof file, "%s.json", name);
    snprintf(ret->path, sizeof ret->path, "inputs/%s", file);
    receipt_write_input(
        &(struct receipt_input){.run_id = folder->run_id, .name = name, .artifact = artifact},
        &line);
    ol_status status = put_json(dirfd, file, &line, ret->sha256, err);
    ol__buf_release(&line);
    return status;
}

/* inputs/NAME.json of each. @p ret is owned, also on failure. */
static ol_status put_inputs(const struct pipeline_options *options,
                            const struct receipt_folder *folder, struct receipt_input_file **ret,
                            size_t *ret_count, struct ol_error *err)
{
    struct receipt_artifact *artifacts = NULL;
    size_t count = 0;
    if (options->inputs == NULL || options->inputs->count == 0)
        return OL_OK;
    ol_status status = run_files_list(options->inputs, RUN_INPUT, &artifacts, &count);
    if (status == OL_OK) {
        *ret = calloc(count + 1, sizeof **ret);
        status = *ret != NULL ? OL_OK : OL_NOMEM;
    }
    if (status != OL_OK) {
        free(artifacts);
        return ol__error_set(err, status, "inputs: out of memory");
    }
    struct ol_error why = {.message = ""};
    if (receipt_members_keep(options->runs, artifacts, count, &why) != OL_OK && !options->is_quiet)
        cli_say("members of the inputs are not kept: %s", why.message);
    int fd = -1;
    if (mkdirat(folder->fd, "inputs", 0777) == 0)
        fd = openat(folder->fd, "inputs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        status = ol__error_set_errno(err, errno, "folder 'inputs'");
    for (size_t i = 0; status == OL_OK && i < count; i++)
        status = put_input(folder, fd, options->input_names[i], &artifacts[i], &(*ret)[i], err);
    *ret_count = status == OL_OK ? count : 0;
    if (fd >= 0)
        close(fd);
    free(artifacts);
    return status;
}

static ol_status put_manifest(const struct pipeline_options *options, const char *name,
                              const struct receipt_folder *folder, const struct ol_run *root,
                              int64_t created_ms, struct ol_error *err)
{
    struct receipt_input_file *inputs = NULL;
    size_t input_count = 0;
    char now[OL_TIME_TEXT + 1], id[OL_ID_SIZE];
    struct ol__origin self = {0};
    struct ol__buf line, facets;
    const char *told = getenv("OPENLINEAGE_NAMESPACE");
    ol__time_format(created_ms, now);
    ol__buf_init(&facets, RECEIPT_FILE_MAX);
    facets_write(root, FACETS_OF_END, &facets);
    ol_status status = ol_id_from_foreign(NULL, folder->run_id, id, err);
    if (status == OL_OK && root != NULL)
        status = ol__origin_make(root->parent_id, root->namespace_size, root->name_size,
                                 root->run_id, &self);
    if (status == OL_OK)
        status = put_inputs(options, folder, &inputs, &input_count, err);
    const struct receipt_manifest manifest = {
        .run_id = folder->run_id,
        .created_at = now,
        .pipeline = name,
        .parameters = options->parameters,
        .tags = options->tags,
        .groups = options->groups,
        .inputs = inputs,
        .input_count = input_count,
        .facets = {facets.data, facets.size},
        .openlineage = {.run_id = id,
                        .job_namespace = self.job_namespace != NULL        ? self.job_namespace
                                         : options->job_namespace != NULL  ? options->job_namespace
                                         : told != NULL && told[0] != '\0' ? told
                                                                           : "default",
                        .job_name = name}};
    ol__buf_init(&line, RECEIPT_FILE_MAX);
    receipt_write_manifest(&manifest, &line);
    if (status == OL_OK)
        status = put_json(folder->fd, "manifest.json", &line, NULL, err);
    ol__buf_release(&line);
    ol__buf_release(&facets);
    free(inputs);
    ol__origin_release(&self);
    return status;
}

/* Hash what the run starts from, and tell the run, which may be NULL. */
static void describe_inputs(const struct pipeline_options *options, struct ol_run *root)
{
    if (options->inputs == NULL)
        return;
    options->inputs->runs = options->runs;
    run_files_declare(options->inputs, root);
    run_files_open_inputs(options->inputs);
    if (!options->is_quiet)
        run_files_show_progress(options->inputs);
    if (run_files_has_inputs(options->inputs))
        run_files_hash_inputs(options->inputs);
    for (size_t i = 0; !options->is_quiet && i < options->inputs->count; i++) {
        const struct run_file *f = &options->inputs->items[i];
        if (f->artifact.reason[0] != '\0' && f->artifact.path != NULL)
            cli_say("input %s: '%s' has no hash: %s", options->input_names[i], f->text,
                    f->artifact.reason);
    }
    run_files_set_versions(options->inputs);
}

ol_status pipeline_begin(const struct pipeline_options *options, struct ol_client *client,
                         struct receipt_folder *ret, struct ol_run **ret_root, struct ol_error *err)
{
    char run_id[RECEIPT_RUN_ID_SIZE];
    int64_t created_ms = ol__time_now_ms();
    char *own = options->name == NULL ? folder_name(options->runs) : NULL;
    const char *name = options->name != NULL ? options->name : own;
    *ret_root = NULL;
    *ret = (struct receipt_folder){.fd = -1};
    if (name == NULL)
        return ol__error_set(err, OL_NOMEM, "run: out of memory");
    receipt_make_run_id(run_id);
    ol_status status = receipt_folder_make(options->runs, run_id, ret, err);
    struct ol_error why = {.message = ""};
    if (status == OL_OK && client != NULL &&
        new_root(client, options->job_namespace, name, run_id, options->is_detached, ret_root,
                 &why) != OL_OK &&
        !options->is_quiet)
        cli_say("no event for the run: %s", why.message);
    if (status == OL_OK) {
        run_pairs_describe(options->parameters, options->tags, options->groups, *ret_root);
        describe_inputs(options, *ret_root);
        pipeline_emit(*ret_root, OL_START, created_ms, options->is_quiet);
    }
    if (status == OL_OK)
        status = put_manifest(options, name, ret, *ret_root, created_ms, err);
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

/* Labels of the run as its manifest has them, and the hash of its seal, if any: each event has all,
 * for the last one replaces what was told before. */
static void set_tags(struct ol_run *root, const struct json_node *manifest, const char *seal)
{
    static const struct {
        const char *member, *source;
    } kinds[] = {{"tags", "USER"}, {"groups", "GROUP"}};
    size_t count = seal != NULL, used = 0;
    for (size_t i = 0; i < OL_COUNT(kinds); i++)
        count += json_get(manifest, kinds[i].member) != NULL
                     ? json_get(manifest, kinds[i].member)->count
                     : 0;
    struct ol_tag *tags = calloc(count + 1, sizeof *tags);
    if (tags == NULL || count == 0) {
        free(tags);
        return;
    }
    if (seal != NULL)
        tags[used++] = (struct ol_tag)OL_ITEM(ol_tag, .key = "lineaged.seal", .value = seal);
    for (size_t i = 0; i < OL_COUNT(kinds); i++)
        for (const struct json_node *m = json_get_items(manifest, kinds[i].member); m != NULL;
             m = m->next)
            tags[used++] = (struct ol_tag)OL_ITEM(ol_tag, .key = m->key, .value = m->text,
                                                  .source = kinds[i].source);
    OL_IGNORE(ol_run_set_tags(root, OL_MAKE(ol_tags, .tags = tags, .tag_count = used)) < 0,
              "emit reports it");
    free(tags);
}

/* Set @p variable to the run that @p said names, a parent facet or its root; unset it without. */
static void name_run(const char *variable, const struct json_node *said)
{
    const struct json_node *job = json_get(said, "job");
    const char *space = json_get_text(job, "namespace"), *name = json_get_text(job, "name"),
               *id = json_get_text(json_get(said, "run"), "runId");
    struct ol__buf text;
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    if (space != NULL && name != NULL && id != NULL)
        ol__buf_add_format(&text, "%s/%s/%s", space, name, id);
    if (text.status != OL_OK || text.size == 0 || setenv(variable, text.data, 1) != 0)
        OL_IGNORE(unsetenv(variable) < 0, "the name is a name");
    ol__buf_release(&text);
}

void pipeline_step_out(const struct receipt_folder *folder)
{
    char id[OL_ID_SIZE];
    struct json_doc doc = {.root = NULL};
    const char *parent = getenv("OPENLINEAGE_PARENT_ID");
    size_t size = parent != NULL ? strlen(parent) : 0;
    if (size < OL_ID_SIZE || ol_id_from_foreign(NULL, folder->run_id, id, NULL) != OL_OK ||
        strcmp(parent + size - (OL_ID_SIZE - 1), id) != 0)
        return;
    bool is_read = read_manifest(folder, &doc, NULL) == OL_OK;
    const struct json_node *above =
        is_read ? json_get(json_get(json_get(doc.root, "facets"), "run"), "parent") : NULL;
    name_run("OPENLINEAGE_PARENT_ID", above);
    name_run("OPENLINEAGE_ROOT_PARENT_ID", json_get(above, "root"));
    if (is_read)
        json_doc_release(&doc);
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
    else
        set_tags(root, doc.root, NULL);
    json_doc_release(&doc);
    return root;
}

/* The newest run that has a manifest and no seal; ids of a folder sort by their time. */
static ol_status find_last(const char *runs, char ret[RECEIPT_RUN_ID_SIZE], struct ol_error *err)
{
    DIR *dir = opendir(runs);
    ret[0] = '\0';
    if (dir == NULL && errno != ENOENT)
        return ol__error_set_errno(err, errno, "runs folder '%s'", runs);
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char path[RECEIPT_RUN_ID_SIZE + sizeof "/manifest.json"];
        if (!receipt_is_run_id(entry->d_name) || strcmp(entry->d_name, ret) <= 0)
            continue;
        snprintf(path, sizeof path, "%.*s/seal.json", RECEIPT_RUN_ID_SIZE - 1, entry->d_name);
        if (faccessat(dirfd(dir), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        snprintf(path, sizeof path, "%.*s/manifest.json", RECEIPT_RUN_ID_SIZE - 1, entry->d_name);
        if (faccessat(dirfd(dir), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            memcpy(ret, entry->d_name, RECEIPT_RUN_ID_SIZE);
    }
    if (dir != NULL)
        closedir(dir);
    return ret[0] != '\0' ? OL_OK
                          : ol__error_set(err, OL_NOT_FOUND,
                                          "runs folder '%s': no run that has not ended", runs);
}

ol_status pipeline_resume(const char *runs, const char *run_id, struct receipt_folder *ret,
                          struct ol_error *err)
{
    char last[RECEIPT_RUN_ID_SIZE];
    struct json_doc doc;
    ol_status status = OL_OK;
    *ret = (struct receipt_folder){.fd = -1};
    if (strcmp(run_id, "last") == 0) {
        status = find_last(runs, last, err);
        run_id = last;
    }
    if (status == OL_OK)
        status = receipt_folder_open(runs, run_id, ret, err);
    if (status == OL_OK && receipt_is_sealed(ret))
        status = ol__error_set(err, OL_BUSY, "run '%s' has ended: it is sealed", run_id);
    if (status == OL_OK) {
        status = read_manifest(ret, &doc, err);
        if (status == OL_OK)
            json_doc_release(&doc);
    }
    if (status != OL_OK)
        receipt_folder_close(ret);
    return status;
}

ol_status pipeline_end(const struct receipt_folder *folder, struct ol_run *root,
                       enum ol_event event, bool is_quiet, struct ol_error *err)
{
    char sha256[OL_SHA256_TEXT + 1];
    int64_t now_ms = ol__time_now_ms();
    const char *how = event == OL_COMPLETE ? "COMPLETE" : event == OL_ABORT ? "ABORT" : "FAIL";
    ol_status status = receipt_seal(folder, how, now_ms, sha256, err);
    if (root != NULL && status == OL_OK) {
        struct json_doc doc;
        struct ol_error why = {.message = ""};
        bool is_read = read_manifest(folder, &doc, &why) == OL_OK;
        set_tags(root, is_read ? doc.root : NULL, sha256);
        if (is_read)
            json_doc_release(&doc);
    }
    if (root != NULL && (status == OL_OK || status != OL_BUSY))
        pipeline_emit(root, event, now_ms, is_quiet);
    return status;
}
