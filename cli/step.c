/* SPDX-License-Identifier: Apache-2.0 */
#include "step.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli.h"
#include "facet_copy.h"
#include "pipeline.h"
#include "receipt/conflict.h"
#include "receipt/members.h"
#include "origin.h"
#include "run_ids.h"
#include "times.h"

OL_PRINTF(2, 3)
static void trouble(const struct step *s, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!s->options.is_quiet)
        cli_say("%s", text);
}

/* ---- the run ---- */

void step_find(struct step *s, const struct step_options *options)
{
    struct ol_error err = {.message = ""};
    *s = (struct step){.options = *options, .folder = {.fd = -1}};
    s->attempt = (struct receipt_attempt){.fd = -1, .step_fd = -1};
    if (options->name == NULL)
        return;
    s->cwd = getcwd(NULL, 0);
    const char *run_id = options->run_id != NULL ? options->run_id : getenv("LINEAGE_RUN_ID");
    ol_status status = receipt_find_runs(options->runs, &s->runs, &err);
    if (status == OL_OK && run_id != NULL && run_id[0] != '\0') {
        status = receipt_folder_open(s->runs, run_id, &s->folder, &err);
        s->is_open = status == OL_OK;
        if (status == OL_OK)
            status = pipeline_be_child_of(&s->folder, &err);
    }
    if (status != OL_OK) {
        trouble(s, "no receipt is written: %s", err.message);
        receipt_folder_close(&s->folder);
        free(s->runs);
        s->runs = NULL;
        s->is_open = false;
    }
}

/* A run that begins and ends with this command. */
static ol_status make_run(struct step *s, struct ol_client *client, struct ol_error *err)
{
    const struct step_options *o = &s->options;
    struct pipeline_options p = {.runs = s->runs,
                                 .job_namespace = o->job_namespace,
                                 .name = o->pipeline,
                                 .is_quiet = o->is_quiet,
                                 .is_detached = o->is_detached};
    ol_status status = pipeline_begin(&p, client, &s->folder, &s->root, err);
    s->is_open = s->is_made = status == OL_OK;
    return status;
}

/* Run id, step and attempt into the facet that people search, beside what the context says. */
static void set_ids(struct step *s, struct ol_run *run)
{
    struct ol__run_ids known;
    char number[24];
    ol__run_ids_init(&known);
    ol_status status = ol__run_ids_read(run, &known);
    snprintf(number, sizeof number, "%lld", (long long)s->attempt.number);
    known.ids.run_id = s->folder.run_id;
    known.ids.step = s->attempt.step;
    known.ids.attempt = number;
    if (s->options.task_id != NULL)
        known.ids.task_id = s->options.task_id;
    snprintf(s->task_id, sizeof s->task_id, "%s",
             known.ids.task_id != NULL ? known.ids.task_id : "");
    if (status == OL_OK)
        status = ol_run_set_ids(run, &known.ids);
    OL_IGNORE(status != OL_OK, "the next emit says it");
    ol__run_ids_release(&known);
}

struct ol_run *step_begin(struct step *s, struct ol_client *client, struct ol_error *err)
{
    struct ol_run *run = NULL;
    struct ol_error why = {.message = ""};
    ol_status status = s->runs != NULL ? OL_OK : OL_DISABLED; /* said before */
    if (status == OL_OK && !s->is_open)
        status = make_run(s, client, &why);
    if (status == OL_OK)
        status = ol_id_from_foreign(NULL, s->folder.run_id, s->root_id, &why);
    if (status == OL_OK) {
        status = receipt_attempt_take(&s->folder, s->options.name, s->options.seq,
                                      s->options.attempt, &s->attempt, &why);
        s->is_taken = status == OL_OK;
    }
    if (status < 0)
        trouble(s, "no receipt is written: %s", why.message);
    s->started_ms = s->options.started_ms != 0 ? s->options.started_ms : ol__time_now_ms();
    s->started_us = ol__time_monotonic_us();
    snprintf(s->task_id, sizeof s->task_id, "%s",
             s->options.task_id != NULL ? s->options.task_id : "");
    const struct ol_run_options options = {.struct_size = sizeof options,
                                           .job_namespace = s->options.job_namespace,
                                           .job_name = s->options.job,
                                           .run_id = s->is_taken ? s->attempt.uuid : NULL,
                                           .is_detached = s->options.is_detached};
    if (client == NULL)
        return NULL;
    status = s->root != NULL ? ol_run_new_child(s->root, &options, &run, err)
                             : ol_run_new(client, &options, &run, err);
    if (status == OL_OK && s->is_taken)
        set_ids(s, run);
    return run;
}

struct ol_run *step_foresee(struct step *s, struct ol_client *client, struct ol_error *err)
{
    struct ol_run *run = NULL;
    ol_status status = s->runs != NULL ? OL_OK : OL_DISABLED; /* said before */
    s->started_ms = ol__time_now_ms();
    if (status == OL_OK && !s->is_open)
        receipt_make_run_id(s->folder.run_id);
    if (status == OL_OK)
        status = ol_id_from_foreign(NULL, s->folder.run_id, s->root_id, err);
    if (status == OL_OK)
        status = receipt_attempt_foresee(&s->folder, s->options.name, s->options.seq,
                                         s->options.attempt, &s->attempt, err);
    if (status != OL_OK)
        return NULL;
    if (ol_run_new(client,
                   OL_MAKE(ol_run_options, .job_namespace = s->options.job_namespace,
                           .job_name = s->options.job, .run_id = s->attempt.uuid),
                   &run, err) == OL_OK)
        set_ids(s, run);
    return run;
}

/* A member of the claim that a receipt has as well. */
static ol_status take_part(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct step *s = arg;
    bool is_whole = value->type != OL_JSON_OBJECT && value->type != OL_JSON_ARRAY;
    (void)err;
    for (int i = 0; value->depth == 1 && is_whole && i < RECEIPT_PARTS; i++)
        if (ol__span_equal(value->path[0].key,
                           ol__span_text(receipt_part_name((enum receipt_part)i))))
            s->parts[i] = (struct ol__span){.data = s->claim.data + value->begin,
                                            .size = value->end - value->begin};
    return OL_OK;
}

/* What was found around the beginning is what there is to say of it at the end. */
static void read_claim(struct step *s)
{
    struct ol__buf text;
    struct ol__json_reader *reader = NULL;
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    ol__buf_init(&s->claim, RECEIPT_FILE_MAX);
    ol_status status = receipt_get(s->attempt.fd, "claim.json", &text, NULL, NULL);
    if (status == OL_OK)
        status = ol__json_reader_new(&reader, NULL);
    struct ol__span json = {.data = text.data, .size = text.size};
    if (status == OL_OK) /* parts stand on one line */
        status = ol__json_minify(reader, json, NULL, &s->claim, NULL);
    json = (struct ol__span){.data = s->claim.data, .size = s->claim.size};
    if (status == OL_OK)
        status = ol__json_read(reader, json, NULL, take_part, s, NULL);
    if (status != OL_OK)
        trouble(s, "step '%s': what stands in the claim is not repeated: %s", s->options.name,
                ol__status_name(status));
    ol__json_reader_free(reader);
    ol__buf_release(&text);
}

struct ol_run *step_reopen(struct step *s, struct ol_client *client, struct ol_error *err)
{
    struct ol_run *run = NULL;
    ol_status status = s->is_open ? OL_OK : OL_DISABLED; /* said before */
    if (status == OL_OK)
        status = ol_id_from_foreign(NULL, s->folder.run_id, s->root_id, err);
    if (status == OL_OK)
        status = receipt_attempt_open(&s->folder, s->options.name, s->options.seq,
                                      s->options.attempt, &s->attempt, err);
    s->is_taken = status == OL_OK;
    if (s->is_taken)
        read_claim(s);
    s->started_ms = s->options.started_ms;
    snprintf(s->task_id, sizeof s->task_id, "%s",
             s->options.task_id != NULL ? s->options.task_id : "");
    const struct ol_run_options options = {.struct_size = sizeof options,
                                           .job_namespace = s->options.job_namespace,
                                           .job_name = s->options.job,
                                           .run_id = s->attempt.uuid,
                                           .is_detached = true};
    if (client == NULL || !s->is_taken || ol_run_new(client, &options, &run, err) != OL_OK)
        return NULL;
    set_ids(s, run);
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

bool step_directory(const struct step *s, char *out, size_t size)
{
    if (!s->is_taken)
        return false;
    int n = snprintf(out, size, "%s/%s/%s", s->runs, s->folder.run_id, s->attempt.place);
    return n > 0 && (size_t)n < size;
}

void step_tell(const struct step *s, const struct ol_run *run)
{
    char path[8192], number[24];
    if (!s->is_taken) {
        if (getenv("BAGGAGE") != NULL) /* called itself: what the command calls has it for parent */
            hand_on(run);
        return;
    }
    snprintf(number, sizeof number, "%lld", (long long)s->attempt.number);
    OL_IGNORE(
        setenv("LINEAGE_RUN_ID", s->folder.run_id, 1) != 0 ||
            setenv("LINEAGE_RUNS", s->runs, 1) != 0 ||
            setenv("LINEAGE_STEP", s->attempt.step, 1) != 0 ||
            setenv("LINEAGE_ATTEMPT", number, 1) != 0 ||
            (s->task_id[0] != '\0' ? setenv("LINEAGE_TASK_ID", s->task_id, 1)
                                   : unsetenv("LINEAGE_TASK_ID")) != 0 ||
            (step_directory(s, path, sizeof path) && setenv("LINEAGE_ATTEMPT_DIR", path, 1) != 0),
        "out of memory: the command runs without them");
    hand_on(run);
}

/* ---- claim and receipt ---- */

struct text {
    const struct step *s;
    struct receipt receipt;
    char started[OL_TIME_TEXT + 1], finished[OL_TIME_TEXT + 1];
    struct ol__origin self, parent, root;
    char signal[24];
};

/* As the events say it. */
static void set_origin(struct text *t, const struct ol_run *run)
{
    struct receipt_origin *o = &t->receipt.openlineage;
    struct ol__span facet;
    o->run_id = t->s->attempt.uuid;
    o->root_run_id = t->s->root_id;
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

static void text_init(struct text *t, const struct step *s, const struct ol_run *run)
{
    const struct step_options *o = &s->options;
    *t = (struct text){.s = s};
    ol__time_format(s->started_ms, t->started);
    t->receipt = (struct receipt){.attempt = &s->attempt,
                                  .is_declared = o->is_declared,
                                  .task_id = s->task_id[0] != '\0' ? s->task_id : NULL,
                                  .started_at = t->started,
                                  .argv = o->argv,
                                  .cwd = s->cwd,
                                  .parameters = o->parameters,
                                  .tags = o->tags,
                                  .groups = o->groups};
    memcpy(t->receipt.parts, s->parts, sizeof t->receipt.parts);
    set_origin(t, run);
}

static void text_release(struct text *t)
{
    ol__origin_release(&t->self);
    ol__origin_release(&t->parent);
    ol__origin_release(&t->root);
}

static void write_receipt(void *arg, const struct receipt_choice *choice, struct ol__buf *out)
{
    const struct text *t = arg;
    receipt_write(&t->receipt, choice, out);
}

void step_write_claim(const struct step *s, const struct ol_run *run, struct ol__buf *out)
{
    struct text t;
    text_init(&t, s, run);
    receipt_write(&t.receipt, NULL, out);
    text_release(&t);
}

/* Into the part of that name. */
static void set_facets(struct step *s, const struct ol_run *run, enum facets_of what)
{
    ol__buf_release(&s->facets);
    ol__buf_init(&s->facets, RECEIPT_FILE_MAX);
    facets_write(run, what, &s->facets);
    s->parts[RECEIPT_FACETS] = (struct ol__span){s->facets.data, s->facets.size};
}

void step_claim(struct step *s, const struct ol_run *run)
{
    struct ol__buf out;
    struct ol_error err = {.message = "out of memory"};
    if (!s->is_taken)
        return;
    ol__buf_init(&out, RECEIPT_FILE_MAX);
    set_facets(s, run, FACETS_OF_START);
    step_write_claim(s, run, &out);
    ol_status status = out.status;
    if (status == OL_OK)
        status = receipt_attempt_claim(&s->attempt,
                                       (struct ol__span){.data = out.data, .size = out.size}, &err);
    if (status != OL_OK)
        trouble(s, "step '%s': %s", s->attempt.step, err.message);
    ol__buf_release(&out);
}

static void set_result(struct text *t, const struct step_result *result)
{
    int64_t now_ms = t->s->finished_ms;
    struct receipt *r = &t->receipt;
    ol__time_format(now_ms, t->finished);
    r->finished_at = t->finished;
    r->duration_ms = t->s->options.started_ms != 0 || result->finished_ms != 0
                         ? OL_MAX(0, now_ms - t->s->started_ms)
                         : (ol__time_monotonic_us() - t->s->started_us) / 1000;
    r->status = result->status;
    r->openlineage.event_type = result->event_type != NULL ? result->event_type : result->status;
    r->exit_code = result->exit_code;
    r->inputs = result->inputs;
    r->input_count = result->input_count;
    r->outputs = result->outputs;
    r->output_count = result->output_count;
    if (result->signal == 0)
        return;
    const char *abbreviation = sigabbrev_np(result->signal);
    if (abbreviation != NULL)
        snprintf(t->signal, sizeof t->signal, "SIG%s", abbreviation);
    else
        snprintf(t->signal, sizeof t->signal, "SIGRT%d", result->signal);
    r->signal = t->signal;
}

static void keep_members(const struct step *s, const struct step_result *result)
{
    struct ol_error err = {.message = ""};
    if (receipt_members_keep(s->runs, result->inputs, result->input_count, &err) != OL_OK ||
        receipt_members_keep(s->runs, result->outputs, result->output_count, &err) != OL_OK)
        trouble(s, "step '%s': members of its artifacts are not kept: %s", s->attempt.step,
                err.message);
}

void step_end(struct step *s, const struct ol_run *run, const struct step_result *result)
{
    struct text t;
    struct receipt_conflicts conflicts = {0};
    struct receipt_choice choice;
    struct ol_error err = {.message = "out of memory"};
    char sha256[OL_SHA256_TEXT + 1];
    if (!s->is_taken)
        return;
    s->finished_ms = result->finished_ms != 0 ? result->finished_ms : ol__time_now_ms();
    set_facets(s, run, FACETS_OF_END);
    text_init(&t, s, run);
    set_result(&t, result);
    ol_status status =
        receipt_find_conflicts(&s->attempt, result->outputs, result->output_count, &conflicts);
    t.receipt.conflicts = conflicts.items;
    t.receipt.conflict_count = conflicts.count;
    for (size_t i = 0; i < conflicts.count; i++)
        trouble(s, "step '%s': output '%s' is not what attempt %lld wrote%s%.200s%s",
                s->attempt.step, conflicts.items[i].path, (long long)conflicts.items[i].attempt,
                conflicts.items[i].member != NULL ? ": '" : "",
                conflicts.items[i].member != NULL ? conflicts.items[i].member : "",
                conflicts.items[i].member == NULL      ? ""
                : conflicts.items[i].member_count == 1 ? "' differs"
                                                       : "' and others differ");
    keep_members(s, result);
    if (status == OL_OK)
        status = receipt_attempt_end(&s->attempt, strcmp(result->status, "COMPLETE") == 0,
                                     write_receipt, &t, &choice, sha256, &err);
    if (status != OL_OK)
        trouble(s, "step '%s': no receipt: %s", s->attempt.step, err.message);
    receipt_conflicts_release(&conflicts);
    text_release(&t);
}

void step_again(struct step *s)
{
    receipt_attempt_release(&s->attempt);
    s->attempt = (struct receipt_attempt){.fd = -1, .step_fd = -1};
    s->is_taken = false;
    memset(s->parts, 0, sizeof s->parts);
}

void step_close(struct step *s, bool is_success)
{
    struct ol_error err = {.message = ""};
    if (s->is_made && pipeline_end(&s->folder, s->root, is_success ? OL_COMPLETE : OL_FAIL,
                                   s->options.is_quiet, &err) != OL_OK)
        trouble(s, "run '%s': %s", s->folder.run_id, err.message);
    ol_run_free(s->root);
    receipt_attempt_release(&s->attempt);
    receipt_folder_close(&s->folder);
    free(s->runs);
    free(s->cwd);
    ol__buf_release(&s->claim);
    ol__buf_release(&s->facets);
    *s = (struct step){.folder = {.fd = -1}};
}
