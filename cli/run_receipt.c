/* SPDX-License-Identifier: Apache-2.0 */
#include "run_receipt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "pipeline.h"
#include "receipt/conflict.h"
#include "origin.h"
#include "run_ids.h"
#include "times.h"

OL_PRINTF(2, 3)
static void trouble(const struct run_receipt *r, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!r->options->is_quiet)
        cli_say("%s", text);
}

/* ---- the run ---- */

void run_receipt_find(struct run_receipt *r, const struct run_options *o)
{
    struct ol_error err = {.message = ""};
    *r = (struct run_receipt){.options = o, .folder = {.fd = -1}};
    r->attempt = (struct receipt_attempt){.fd = -1, .step_fd = -1};
    if (o->step == NULL)
        return;
    r->cwd = getcwd(NULL, 0);
    const char *run_id = getenv("LINEAGE_RUN_ID");
    ol_status status = receipt_find_runs(o->runs, &r->runs, &err);
    if (status == OL_OK && run_id != NULL && run_id[0] != '\0') {
        status = receipt_folder_open(r->runs, run_id, &r->folder, &err);
        r->is_open = status == OL_OK;
        if (status == OL_OK)
            status = pipeline_be_child_of(&r->folder, &err);
    }
    if (status != OL_OK)
        trouble(r, "no receipt is written: %s", err.message);
    if (status != OL_OK) {
        receipt_folder_close(&r->folder);
        free(r->runs);
        r->runs = NULL;
        r->is_open = false;
    }
}

/* A run that begins and ends with this command. */
static ol_status make_run(struct run_receipt *r, struct ol_client *client, struct ol_error *err)
{
    const struct run_options *o = r->options;
    struct pipeline_options p = {.runs = r->runs,
                                 .job_namespace = o->job_namespace,
                                 .name = o->pipeline,
                                 .is_quiet = o->is_quiet};
    ol_status status = pipeline_begin(&p, client, &r->folder, &r->root, err);
    r->is_open = r->is_made = status == OL_OK;
    return status;
}

/* Run id, step and attempt into the facet that people search, beside what the context says. */
static void set_ids(struct run_receipt *r, struct ol_run *run)
{
    struct ol__run_ids known;
    char number[24];
    ol__run_ids_init(&known);
    ol_status status = ol__run_ids_read(run, &known);
    snprintf(number, sizeof number, "%lld", (long long)r->attempt.number);
    known.ids.run_id = r->folder.run_id;
    known.ids.step = r->attempt.step;
    known.ids.attempt = number;
    if (r->options->task_id != NULL)
        known.ids.task_id = r->options->task_id;
    snprintf(r->task_id, sizeof r->task_id, "%s",
             known.ids.task_id != NULL ? known.ids.task_id : "");
    if (status == OL_OK)
        status = ol_run_set_ids(run, &known.ids);
    OL_IGNORE(status != OL_OK, "the next emit says it");
    ol__run_ids_release(&known);
}

struct ol_run *run_receipt_begin(struct run_receipt *r, struct ol_client *client, const char *job,
                                 struct ol_error *err)
{
    struct ol_run *run = NULL;
    struct ol_error why = {.message = ""};
    ol_status status = r->runs != NULL ? OL_OK : OL_DISABLED; /* said before */
    if (status == OL_OK && !r->is_open)
        status = make_run(r, client, &why);
    if (status == OL_OK)
        status = ol_id_from_foreign(NULL, r->folder.run_id, r->root_id, &why);
    if (status == OL_OK) {
        status = receipt_attempt_take(&r->folder, r->options->step, r->options->seq,
                                      r->options->attempt, &r->attempt, &why);
        r->is_taken = status == OL_OK;
    }
    if (status < 0)
        trouble(r, "no receipt is written: %s", why.message);
    r->started_ms = ol__time_now_ms();
    r->started_us = ol__time_monotonic_us();
    snprintf(r->task_id, sizeof r->task_id, "%s",
             r->options->task_id != NULL ? r->options->task_id : "");
    const struct ol_run_options options = {.struct_size = sizeof options,
                                           .job_namespace = r->options->job_namespace,
                                           .job_name = job,
                                           .run_id = r->is_taken ? r->attempt.uuid : NULL};
    status = r->root != NULL ? ol_run_new_child(r->root, &options, &run, err)
                             : ol_run_new(client, &options, &run, err);
    if (status == OL_OK && r->is_taken)
        set_ids(r, run);
    return run;
}

/* ---- the environment of the command ---- */

static int put_variable(void *arg, const char *key, const char *value)
{
    char name[32];
    size_t size = strlen(key);
    (void)arg;
    if (size >= sizeof name)
        return -1;
    for (size_t i = 0; i <= size; i++)
        name[i] = (char)(key[i] >= 'a' && key[i] <= 'z' ? key[i] - 'a' + 'A' : key[i]);
    return setenv(name, value, 1);
}

static const char *get_variable(void *arg, const char *key)
{
    (void)arg;
    return strcmp(key, "traceparent") == 0  ? getenv("TRACEPARENT")
           : strcmp(key, "tracestate") == 0 ? getenv("TRACESTATE")
           : strcmp(key, "baggage") == 0    ? getenv("BAGGAGE")
                                            : NULL;
}

static void hand_on(const struct ol_run *run)
{
    if (run != NULL)
        OL_IGNORE(ol_context_inject(
                      run, OL_MAKE(ol_carrier, .get = get_variable, .put = put_variable), NULL) < 0,
                  "the command runs without");
}

static void tell_command(struct run_receipt *r, const struct ol_run *run)
{
    char path[8192];
    int size = snprintf(path, sizeof path, "%s/%s/%s", r->runs, r->folder.run_id, r->attempt.place);
    OL_IGNORE(
        setenv("LINEAGE_RUN_ID", r->folder.run_id, 1) != 0 ||
            setenv("LINEAGE_RUNS", r->runs, 1) != 0 ||
            (size > 0 && (size_t)size < sizeof path && setenv("LINEAGE_ATTEMPT_DIR", path, 1) != 0),
        "out of memory: the command runs without them");
    hand_on(run);
}

/* ---- claim and receipt ---- */

struct text {
    const struct run_receipt *r;
    struct receipt receipt;
    char started[OL_TIME_TEXT + 1], finished[OL_TIME_TEXT + 1];
    struct ol__origin self, parent, root;
    struct receipt_artifact *inputs, *outputs; /* owned */
};

/* As the events say it. */
static void set_origin(struct text *t, const struct ol_run *run)
{
    struct receipt_origin *o = &t->receipt.openlineage;
    struct ol__span facet;
    o->run_id = t->r->attempt.uuid;
    o->root_run_id = t->r->root_id;
    if (run == NULL)
        return;
    if (ol__origin_make(run->parent_id, run->namespace_size, run->name_size, run->run_id,
                        &t->self) == OL_OK) {
        o->job_namespace = t->self.job_namespace;
        o->job_name = t->self.job_name;
    }
    if (ol__run_find_facet(run, "parent", &facet) &&
        ol__origin_read(facet, OL_ORIGIN_FACET, &t->parent, &t->root, NULL) == OL_OK) {
        o->parent_run_id = t->parent.run_id;
        o->root_run_id = t->root.run_id;
    }
}

static ol_status set_artifacts(struct text *t)
{
    const struct run_files *files = &t->r->options->files;
    t->inputs = calloc(files->count + 1, sizeof *t->inputs);
    t->outputs = calloc(files->count + 1, sizeof *t->outputs);
    if (t->inputs == NULL || t->outputs == NULL)
        return OL_NOMEM;
    for (size_t i = 0; i < files->count; i++) {
        const struct run_file *f = &files->items[i];
        bool is_hashed = f->version[0] != '\0';
        struct receipt_artifact a = {.path = f->text,
                                     .name_space = f->path != NULL ? "file" : NULL,
                                     .name = f->path,
                                     .sha256 = is_hashed ? f->version + sizeof "sha256:" - 1 : NULL,
                                     .size = f->size,
                                     .media_type = receipt_media_type(f->text),
                                     .kind = f->path != NULL ? "file" : "remote",
                                     .basis = is_hashed ? "computed" : "unknown",
                                     .reason = is_hashed ? NULL : f->reason};
        if (f->side == RUN_INPUT)
            t->inputs[t->receipt.input_count++] = a;
        else
            t->outputs[t->receipt.output_count++] = a;
    }
    t->receipt.inputs = t->inputs;
    t->receipt.outputs = t->outputs;
    return OL_OK;
}

static void text_init(struct text *t, const struct run_receipt *r, const struct ol_run *run,
                      char *const *argv)
{
    const struct run_options *o = r->options;
    *t = (struct text){.r = r};
    ol__time_format(r->started_ms, t->started);
    t->receipt =
        (struct receipt){.attempt = &r->attempt,
                         .task_id = r->task_id[0] != '\0' ? r->task_id : NULL,
                         .started_at = t->started,
                         .argv = argv,
                         .cwd = r->cwd,
                         .parameters = {.items = o->parameters.items, .count = o->parameters.count},
                         .tags = {.items = o->tags.items, .count = o->tags.count},
                         .groups = {.items = o->groups.items, .count = o->groups.count}};
    set_origin(t, run);
}

static void text_release(struct text *t)
{
    free(t->inputs);
    free(t->outputs);
    ol__origin_release(&t->self);
    ol__origin_release(&t->parent);
    ol__origin_release(&t->root);
}

static void write_receipt(void *arg, const struct receipt_choice *choice, struct ol__buf *out)
{
    const struct text *t = arg;
    receipt_write(&t->receipt, choice, out);
}

void run_receipt_start(struct run_receipt *r, const struct ol_run *run, char *const *argv)
{
    struct text t;
    struct ol__buf out;
    struct ol_error err = {.message = "out of memory"};
    if (!r->is_taken) {
        if (getenv("BAGGAGE") != NULL) /* called itself: what the command calls has it for parent */
            hand_on(run);
        return;
    }
    text_init(&t, r, run, argv);
    ol__buf_init(&out, RECEIPT_FILE_MAX);
    receipt_write(&t.receipt, NULL, &out);
    ol_status status = out.status;
    if (status == OL_OK)
        status = receipt_attempt_claim(&r->attempt,
                                       (struct ol__span){.data = out.data, .size = out.size}, &err);
    if (status != OL_OK)
        trouble(r, "step '%s': %s", r->attempt.step, err.message);
    ol__buf_release(&out);
    text_release(&t);
    tell_command(r, run);
}

void run_receipt_end(struct run_receipt *r, const struct ol_run *run, char *const *argv,
                     const char *status, const struct run_outcome *outcome)
{
    struct text t;
    struct receipt_conflicts conflicts = {0};
    struct receipt_choice choice;
    struct ol_error err = {.message = "out of memory"};
    char sha256[OL_SHA256_TEXT + 1], name[24];
    if (!r->is_taken)
        return;
    text_init(&t, r, run, argv);
    ol__time_format(ol__time_now_ms(), t.finished);
    t.receipt.finished_at = t.finished;
    t.receipt.duration_ms = (ol__time_monotonic_us() - r->started_us) / 1000;
    t.receipt.status = status;
    t.receipt.exit_code = outcome->exit_status;
    if (outcome->signal != 0) {
        const char *abbreviation = sigabbrev_np(outcome->signal);
        if (abbreviation != NULL)
            snprintf(name, sizeof name, "SIG%s", abbreviation);
        else
            snprintf(name, sizeof name, "SIGRT%d", outcome->signal);
        t.receipt.signal = name;
    }
    ol_status result = set_artifacts(&t);
    if (result == OL_OK)
        result = receipt_find_conflicts(&r->attempt, t.outputs, t.receipt.output_count, &conflicts);
    t.receipt.conflicts = conflicts.items;
    t.receipt.conflict_count = conflicts.count;
    for (size_t i = 0; i < conflicts.count; i++)
        trouble(r, "step '%s': output '%s' is not what attempt %lld wrote", r->attempt.step,
                conflicts.items[i].path, (long long)conflicts.items[i].attempt);
    if (result == OL_OK)
        result = receipt_attempt_end(&r->attempt, strcmp(status, "COMPLETE") == 0, write_receipt,
                                     &t, &choice, sha256, &err);
    if (result != OL_OK)
        trouble(r, "step '%s': no receipt: %s", r->attempt.step, err.message);
    receipt_conflicts_release(&conflicts);
    text_release(&t);
}

void run_receipt_close(struct run_receipt *r, bool is_success)
{
    struct ol_error err = {.message = ""};
    if (r->is_made && pipeline_end(&r->folder, r->root, is_success ? OL_COMPLETE : OL_FAIL,
                                   r->options->is_quiet, &err) != OL_OK)
        trouble(r, "run '%s': %s", r->folder.run_id, err.message);
    ol_run_free(r->root);
    receipt_attempt_release(&r->attempt);
    receipt_folder_close(&r->folder);
    free(r->runs);
    free(r->cwd);
    *r = (struct run_receipt){.folder = {.fd = -1}};
}
