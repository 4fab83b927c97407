/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <stdlib.h>
#include <strings.h>
#include "json_write.h"
#include "redact.h"

#define WRITER "lineage/" OL_VERSION

static void write_shown(struct ol__json_writer *w, struct ol__buf *shown)
{
    ol__json_span(
        w, (struct ol__span){.data = shown->data != NULL ? shown->data : "", .size = shown->size});
    if (shown->status != OL_OK && w->out->status == OL_OK)
        w->out->status = shown->status;
    ol__buf_release(shown);
}

static void write_argument(struct ol__json_writer *w, const char *text, bool *is_value)
{
    struct ol__buf shown;
    ol__buf_init(&shown, RECEIPT_FILE_MAX);
    redact_argument(text, is_value, &shown);
    write_shown(w, &shown);
}

static void write_value(struct ol__json_writer *w, const char *name, const char *value)
{
    struct ol__buf shown;
    ol__buf_init(&shown, RECEIPT_FILE_MAX);
    redact_value(name, value, &shown);
    write_shown(w, &shown);
}

static void write_pairs(struct ol__json_writer *w, const char *key,
                        const struct receipt_pairs *pairs)
{
    if (pairs->count == 0)
        return;
    ol__json_key(w, key);
    ol__json_begin_object(w);
    for (size_t i = 0; i < pairs->count; i++) {
        const struct receipt_pair *pair = &pairs->items[i];
        ol__json_key(w, pair->key);
        write_value(w, pair->key, pair->value);
    }
    ol__json_end_object(w);
}

static void write_origin(struct ol__json_writer *w, const struct receipt_origin *o)
{
    if (o->run_id == NULL)
        return;
    ol__json_key(w, "openlineage");
    ol__json_begin_object(w);
    ol__json_member_text(w, "run_id", o->run_id);
    ol__json_member_text_opt(w, "root_run_id", o->root_run_id);
    ol__json_member_text_opt(w, "parent_run_id", o->parent_run_id);
    ol__json_member_text_opt(w, "job_namespace", o->job_namespace);
    ol__json_member_text_opt(w, "job_name", o->job_name);
    ol__json_member_text_opt(w, "event_type", o->event_type);
    ol__json_end_object(w);
}

void receipt_write_manifest(const struct receipt_manifest *m, struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "schema", RECEIPT_SCHEMA("ReceiptManifest"));
    ol__json_member_text(&w, "run_id", m->run_id);
    ol__json_member_text(&w, "created_at", m->created_at);
    ol__json_member_text_opt(&w, "pipeline", m->pipeline);
    write_pairs(&w, "parameters", &m->parameters);
    write_pairs(&w, "tags", &m->tags);
    write_pairs(&w, "groups", &m->groups);
    if (m->input_count > 0) {
        ol__json_key(&w, "inputs");
        ol__json_begin_array(&w);
        for (size_t i = 0; i < m->input_count; i++) {
            ol__json_begin_object(&w);
            ol__json_member_text(&w, "path", m->inputs[i].path);
            ol__json_member_text(&w, "sha256", m->inputs[i].sha256);
            ol__json_end_object(&w);
        }
        ol__json_end_array(&w);
    }
    if (m->facets.size > 0) {
        ol__json_key(&w, receipt_part_name(RECEIPT_FACETS));
        ol__json_raw(&w, m->facets);
    }
    write_origin(&w, &m->openlineage);
    ol__json_member_text(&w, "writer", WRITER);
    ol__json_end_object(&w);
}

/* ---- receipts ---- */

static void write_command(struct ol__json_writer *w, const struct receipt *r)
{
    bool is_next = false;
    ol__json_key(w, "command");
    ol__json_begin_object(w);
    if (r->argv != NULL) {
        ol__json_key(w, "argv");
        ol__json_begin_array(w);
        for (char *const *word = r->argv; *word != NULL; word++)
            write_argument(w, *word, &is_next);
        ol__json_end_array(w);
    }
    ol__json_member_text_opt(w, "cwd", r->cwd);
    ol__json_end_object(w);
}

void receipt_shown_path(const struct receipt_artifact *a, struct ol__buf *out)
{
    if (strcmp(a->kind, "remote") == 0)
        redact_text(ol__span_text(a->path), out);
    else
        ol__buf_add_text(out, a->path);
}

void receipt_write_artifact(struct ol__json_writer *w, const struct receipt_artifact *a)
{
    struct ol__buf path;
    ol__json_begin_object(w);
    ol__buf_init(&path, RECEIPT_FILE_MAX);
    receipt_shown_path(a, &path);
    ol__json_key(w, "path");
    write_shown(w, &path);
    ol__json_member_text_opt(w, "namespace", a->name_space);
    ol__json_member_text_opt(w, "name", a->name);
    ol__json_member_text_opt(w, "sha256", a->sha256);
    ol__json_member_text_opt(w, "version", a->version);
    if (a->size >= 0)
        ol__json_member_int(w, "size", a->size);
    if (a->has_rows)
        ol__json_member_int(w, "rows", a->rows);
    ol__json_member_text_opt(w, "media_type", a->media_type);
    ol__json_member_text(w, "kind", a->kind);
    ol__json_member_text(w, "basis", a->basis);
    ol__json_member_text_opt(w, "reason", a->reason);
    if (a->members_sha256 != NULL || a->member_count > 0) {
        ol__json_key(w, "members");
        ol__json_begin_object(w);
        ol__json_member_int(w, "count", a->member_count);
        ol__json_member_text_opt(w, "sha256", a->members_sha256);
        ol__json_end_object(w);
    }
    ol__json_end_object(w);
}

static void write_artifacts(struct ol__json_writer *w, const char *key,
                            const struct receipt_artifact *items, size_t count)
{
    ol__json_key(w, key);
    ol__json_begin_array(w);
    for (size_t i = 0; i < count; i++)
        receipt_write_artifact(w, &items[i]);
    ol__json_end_array(w);
}

void receipt_write_input(const struct receipt_input *input, struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "schema", RECEIPT_SCHEMA("ReceiptInput"));
    ol__json_member_text(&w, "run_id", input->run_id);
    ol__json_member_text(&w, "name", input->name);
    ol__json_key(&w, "artifact");
    receipt_write_artifact(&w, input->artifact);
    ol__json_member_text(&w, "writer", WRITER);
    ol__json_end_object(&w);
}

static void write_conflicts(struct ol__json_writer *w, const struct receipt *r)
{
    if (r->conflict_count == 0)
        return;
    ol__json_key(w, "conflicts");
    ol__json_begin_array(w);
    for (size_t i = 0; i < r->conflict_count; i++) {
        const struct receipt_conflict *c = &r->conflicts[i];
        ol__json_begin_object(w);
        ol__json_member_text(w, "path", c->path);
        ol__json_member_int(w, "attempt", c->attempt);
        ol__json_member_text(w, "sha256", c->sha256);
        ol__json_member_text(w, "was", c->was);
        if (c->member != NULL) {
            ol__json_member_text(w, "member", c->member);
            ol__json_member_int(w, "members", c->member_count);
        }
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
}

static void write_choice(struct ol__json_writer *w, const struct receipt *r,
                         const struct receipt_choice *choice)
{
    if (!choice->is_winner) {
        ol__json_key(w, "not_selected");
        ol__json_begin_object(w);
        ol__json_member_text(w, "reason",
                             strcmp(r->status, "COMPLETE") == 0 ? "not_first" : "failed");
        if (choice->winner > 0)
            ol__json_member_int(w, "winner", choice->winner);
        ol__json_end_object(w);
        return;
    }
    ol__json_key(w, "selected");
    ol__json_begin_object(w);
    ol__json_member_text(w, "reason", "first_success");
    if (!choice->is_linked)
        ol__json_member_bool(w, "linked", false);
    ol__json_key(w, "over");
    ol__json_begin_array(w);
    for (size_t i = 0; i < choice->over_count; i++) {
        const struct receipt_over *o = &choice->over[i];
        ol__json_begin_object(w);
        ol__json_member_int(w, "attempt", o->number);
        ol__json_member_text_opt(w, "status", o->status[0] != '\0' ? o->status : NULL);
        if (o->exit_code >= 0)
            ol__json_member_int(w, "exit_code", o->exit_code);
        ol__json_end_object(w);
    }
    ol__json_end_array(w);
    ol__json_end_object(w);
}

const char *receipt_part_name(enum receipt_part part)
{
    static const char *const keys[RECEIPT_PARTS] = {
        [RECEIPT_METRICS] = "metrics",
        [RECEIPT_ENVIRONMENT] = "environment",
        [RECEIPT_CODE] = "code",
        [RECEIPT_MACHINE] = "machine",
        [RECEIPT_CONTAINER] = "container",
        [RECEIPT_SCHEDULER] = "scheduler",
        [RECEIPT_TOOLS] = "tools",
        [RECEIPT_DVC] = "dvc",
        [RECEIPT_REPRODUCIBILITY] = "reproducibility",
        [RECEIPT_STREAMS] = "streams",
        [RECEIPT_GATES] = "gates",
        [RECEIPT_CALLS] = "calls",
        [RECEIPT_KEPT] = "kept",
        [RECEIPT_FACETS] = "facets",
    };
    return keys[part];
}

static void write_parts(struct ol__json_writer *w, const struct receipt *r)
{
    for (int i = 0; i < RECEIPT_PARTS; i++) {
        if (r->parts[i].size == 0)
            continue;
        ol__json_key(w, receipt_part_name((enum receipt_part)i));
        ol__json_raw(w, r->parts[i]);
    }
}

static void write_end(struct ol__json_writer *w, const struct receipt *r)
{
    ol__json_member_text(w, "finished_at", r->finished_at);
    ol__json_member_int(w, "duration_ms", r->duration_ms);
    if (r->signal != NULL)
        ol__json_member_text(w, "signal", r->signal);
    else
        ol__json_member_int(w, "exit_code", r->exit_code);
}

void receipt_write(const struct receipt *r, const struct receipt_choice *choice,
                   struct ol__buf *out)
{
    const struct receipt_attempt *a = r->attempt;
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(
        &w, "schema", choice == NULL ? RECEIPT_SCHEMA("ReceiptClaim") : RECEIPT_SCHEMA("Receipt"));
    ol__json_member_text(&w, "run_id", a->folder->run_id);
    ol__json_member_text(&w, "step", a->step);
    if (a->seq >= 0)
        ol__json_member_int(&w, "seq", a->seq);
    ol__json_member_int(&w, "attempt", a->number);
    ol__json_member_text_opt(&w, "task_id", r->task_id);
    if (choice != NULL)
        ol__json_member_text(&w, "status", r->status);
    if (r->is_declared)
        ol__json_member_bool(&w, "declared", true);
    ol__json_member_text(&w, "started_at", r->started_at);
    if (choice != NULL)
        write_end(&w, r);
    write_command(&w, r);
    if (choice != NULL) {
        write_artifacts(&w, "inputs", r->inputs, r->input_count);
        write_artifacts(&w, "outputs", r->outputs, r->output_count);
        write_conflicts(&w, r);
    }
    write_pairs(&w, "parameters", &r->parameters);
    write_pairs(&w, "tags", &r->tags);
    write_pairs(&w, "groups", &r->groups);
    write_parts(&w, r);
    write_origin(&w, &r->openlineage);
    ol__json_key(&w, "previous");
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "path", a->previous_path);
    ol__json_member_text(&w, "sha256", a->previous_sha256);
    ol__json_end_object(&w);
    if (choice != NULL)
        write_choice(&w, r, choice);
    ol__json_member_text(&w, "writer", WRITER);
    ol__json_end_object(&w);
}

const char *receipt_media_type(const char *path)
{
    static const struct {
        const char *ending, *type; /* IANA's names, but for what is registered nowhere */
    } table[] = {
        {"csv", "text/csv"},
        {"tsv", "text/tab-separated-values"},
        {"txt", "text/plain"},
        {"md", "text/markdown"},
        {"html", "text/html"},
        {"htm", "text/html"},
        {"xml", "application/xml"},
        {"json", "application/json"},
        {"jsonl", "application/jsonl"},
        {"ndjson", "application/x-ndjson"},
        {"yaml", "application/yaml"},
        {"yml", "application/yaml"},
        {"toml", "application/toml"},
        {"pdf", "application/pdf"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"tif", "image/tiff"},
        {"tiff", "image/tiff"},
        {"svg", "image/svg+xml"},
        {"mp4", "video/mp4"},
        {"mov", "video/quicktime"},
        {"mkv", "video/matroska"},
        {"webm", "video/webm"},
        {"mp3", "audio/mpeg"},
        {"wav", "audio/vnd.wave"},
        {"flac", "audio/flac"},
        {"ogg", "audio/ogg"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
        {"zst", "application/zstd"},
        {"tar", "application/x-tar"},
        {"parquet", "application/vnd.apache.parquet"},
        {"arrow", "application/vnd.apache.arrow.file"},
        {"avro", "application/avro"},
        {"sqlite", "application/vnd.sqlite3"},
        {"db", "application/vnd.sqlite3"},
        {"py", "text/x-python"},
        {"sql", "application/sql"},
        {"h5", "application/x-hdf5"},
        {"npy", "application/x-npy"},
        {"onnx", "application/onnx"},
        {"safetensors", "application/x-safetensors"},
        {"pt", "application/x-pytorch"},
    };
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    if (dot == NULL || dot == path || (slash != NULL && dot < slash + 2))
        return NULL;
    for (size_t i = 0; i < OL_COUNT(table); i++) {
        if (strcasecmp(dot + 1, table[i].ending) == 0)
            return table[i].type;
    }
    return NULL;
}
