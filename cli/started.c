/* SPDX-License-Identifier: Apache-2.0 */
#include "started.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "json_write.h"
#include "times.h"

bool started_find_folder(const char *option, char out[STARTED_TEXT_MAX])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int size = -1;
    if (option != NULL)
        size = snprintf(out, STARTED_TEXT_MAX, "%s", option);
    else if (state != NULL && state[0] == '/')
        size = snprintf(out, STARTED_TEXT_MAX, "%s/lineaged/started", state);
    else if (home != NULL && home[0] == '/')
        size = snprintf(out, STARTED_TEXT_MAX, "%s/.local/state/lineaged/started", home);
    else if (geteuid() == 0) /* a prolog has no HOME */
        size = snprintf(out, STARTED_TEXT_MAX, "/var/lib/lineaged/started");
    return size > 0 && size < STARTED_TEXT_MAX;
}

static void write_started(const struct started *s, struct ol__buf *out)
{
    struct ol__json_writer w;
    char time[OL_TIME_TEXT + 1];
    ol__time_format(s->started_ms, time);
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "run_id", s->run_id);
    ol__json_member_text(&w, "job_namespace", s->job_namespace);
    ol__json_member_text(&w, "job_name", s->job_name);
    ol__json_member_text_opt(&w, "parent_id", s->parent_id);
    ol__json_member_text_opt(&w, "root_id", s->root_id);
    ol__json_member_text_opt(&w, "foreign_id", s->foreign_id);
    ol__json_member_text_opt(&w, "foreign_system", s->foreign_system);
    ol__json_member_text(&w, "started_at", time);
    ol__json_key(&w, "inputs");
    ol__json_begin_array(&w);
    for (size_t i = 0; i < s->input_count; i++)
        receipt_write_artifact(&w, &s->inputs[i]);
    ol__json_end_array(&w);
    ol__json_key(&w, "outputs");
    ol__json_begin_array(&w);
    for (size_t i = 0; i < s->output_count; i++)
        ol__json_text(&w, s->outputs[i]);
    ol__json_end_array(&w);
    ol__json_end_object(&w);
}

ol_status started_put(int dirfd, const char *name, const struct started *started,
                      struct ol_error *err)
{
    struct ol__buf line, text;
    ol__buf_init(&line, RECEIPT_FILE_MAX);
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    write_started(started, &line);
    if (line.status == OL_OK)
        receipt_indent((struct ol__span){.data = line.data, .size = line.size}, &text);
    ol_status status = line.status != OL_OK ? line.status : text.status;
    if (status != OL_OK)
        ol__error_set(err, status, "%s: %s", name, ol_status_name(status));
    else
        status =
            receipt_put(dirfd, name, (struct ol__span){.data = text.data, .size = text.size}, err);
    ol__buf_release(&line);
    ol__buf_release(&text);
    return status;
}

static struct receipt_artifact read_artifact(const struct json_node *node)
{
    const struct json_node *members = json_get(node, "members");
    const char *path = json_get_text(node, "path"), *kind = json_get_text(node, "kind");
    const char *basis = json_get_text(node, "basis");
    return (struct receipt_artifact){.path = path != NULL ? path : "",
                                     .name_space = json_get_text(node, "namespace"),
                                     .name = json_get_text(node, "name"),
                                     .sha256 = json_get_text(node, "sha256"),
                                     .version = json_get_text(node, "version"),
                                     .size = json_get_int(node, "size", -1),
                                     .media_type = json_get_text(node, "media_type"),
                                     .kind = kind != NULL ? kind : "file",
                                     .basis = basis != NULL ? basis : "unknown",
                                     .reason = json_get_text(node, "reason"),
                                     .member_count = json_get_int(members, "count", 0),
                                     .members_sha256 = json_get_text(members, "sha256")};
}

ol_status started_get(int dirfd, const char *name, struct started_doc *ret, struct ol_error *err)
{
    struct started *s = &ret->started;
    *ret = (struct started_doc){.inputs = NULL};
    struct ol_error why = {.message = ""};
    ol_status status = receipt_get_doc(dirfd, name, RECEIPT_FILE_MAX, &ret->doc, &why);
    if (status != OL_OK)
        return ol__error_set(err, status == OL_INVALID ? OL_CORRUPT : status, "'%s': %s", name,
                             why.message);
    const struct json_node *root = ret->doc.root, *inputs = json_get(root, "inputs");
    const struct json_node *outputs = json_get(root, "outputs");
    const char *started = json_get_text(root, "started_at");
    *s = (struct started){.run_id = json_get_text(root, "run_id"),
                          .job_namespace = json_get_text(root, "job_namespace"),
                          .job_name = json_get_text(root, "job_name"),
                          .parent_id = json_get_text(root, "parent_id"),
                          .root_id = json_get_text(root, "root_id"),
                          .foreign_id = json_get_text(root, "foreign_id"),
                          .foreign_system = json_get_text(root, "foreign_system")};
    if (s->run_id == NULL || s->job_name == NULL || s->job_namespace == NULL || started == NULL ||
        ol__time_parse(ol__span_text(started), &s->started_ms, NULL) != OL_OK)
        status = ol__error_set(err, OL_CORRUPT,
                               "%s: expected run_id, job_namespace, job_name and started_at", name);
    ret->inputs = calloc((inputs != NULL ? inputs->count : 0) + 1, sizeof *ret->inputs);
    ret->outputs = calloc((outputs != NULL ? outputs->count : 0) + 1, sizeof *ret->outputs);
    if (status == OL_OK && (ret->inputs == NULL || ret->outputs == NULL))
        status = ol__error_set(err, OL_NOMEM, "%s: out of memory", name);
    if (status != OL_OK) {
        started_release(ret);
        return status;
    }
    for (const struct json_node *n = inputs != NULL ? inputs->first : NULL; n != NULL; n = n->next)
        ret->inputs[s->input_count++] = read_artifact(n);
    for (const struct json_node *n = outputs != NULL ? outputs->first : NULL; n != NULL;
         n = n->next)
        ret->outputs[s->output_count++] = n->text != NULL ? n->text : "";
    s->inputs = ret->inputs;
    s->outputs = ret->outputs;
    return OL_OK;
}

void started_release(struct started_doc *doc)
{
    free(doc->inputs);
    free(doc->outputs);
    json_doc_release(&doc->doc);
    *doc = (struct started_doc){.inputs = NULL};
}
