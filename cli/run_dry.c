/* SPDX-License-Identifier: Apache-2.0 */
/* --dry-run: the event by the way that it would take, but to standard output; then a line of JSON
 * for each file that would be written and each command that would be run. Nothing is made, hashed
 * or run; an id that would be made is one that was made for show. */
#include <stdio.h>
#include "json_write.h"
#include "pipeline.h"
#include "receipt/redact.h"
#include "run_describe.h"

static void add_command(struct ol__json_writer *w, const char *key, char *const *command)
{
    bool is_value = false;
    ol__json_key(w, key);
    ol__json_begin_array(w);
    for (; *command != NULL; command++) {
        struct ol__buf shown;
        ol__buf_init(&shown, RECEIPT_FILE_MAX);
        redact_argument(*command, &is_value, &shown);
        ol__json_text(w, shown.data != NULL ? shown.data : "");
        ol__buf_release(&shown);
    }
    ol__json_end_array(w);
}

static void add_file(struct ol__buf *out, const struct step *step, const struct ol_run *run)
{
    struct ol__json_writer w;
    struct ol__buf claim;
    char path[8192];
    snprintf(path, sizeof path, "%s/%s/%s/claim.json", step->runs, step->folder.run_id,
             step->attempt.place);
    ol__buf_init(&claim, RECEIPT_FILE_MAX);
    step_write_claim(step, run, &claim);
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "write", path);
    ol__json_key(&w, "content");
    if (claim.status == OL_OK)
        ol__json_raw(&w, (struct ol__span){.data = claim.data, .size = claim.size});
    else
        ol__json_null(&w);
    ol__json_end_object(&w);
    ol__buf_add_char(out, '\n');
    ol__buf_release(&claim);
}

static void add_text(struct ol__buf *out, const char *key, const char *text)
{
    struct ol__json_writer w;
    struct ol__buf shown;
    ol__buf_init(&shown, RECEIPT_FILE_MAX);
    redact_text(ol__span_text(text), &shown);
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, key, shown.data != NULL ? shown.data : "");
    ol__json_end_object(&w);
    ol__buf_add_char(out, '\n');
    ol__buf_release(&shown);
}

static void add_rest(struct ol__buf *out, const struct run_options *o, char *const *command)
{
    struct ol__json_writer w;
    for (size_t i = 0; i < o->keep.path_count; i++)
        add_text(out, "keep", o->keep.paths[i]);
    for (size_t i = 0; i < o->gates.count; i++)
        add_text(out, "gate", o->gates.items[i].command);
    if (o->log != NULL)
        add_text(out, "append", o->log);
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    add_command(&w, "run", command);
    ol__json_end_object(&w);
    ol__buf_add_char(out, '\n');
}

int run_dry(struct run_options *o, char *const *command)
{
    struct step step;
    struct ol_error err = {.message = ""};
    struct ol__buf out;
    const struct step_options options = run_step_options(o, command);
    struct pipeline_client how = {
        .job_namespace = o->job_namespace, .is_quiet = &o->is_quiet, .is_shown = true};
    step_find(&step, &options);
    struct ol_client *client = pipeline_open_client_as(&how);
    struct ol_run *run =
        o->step != NULL ? step_foresee(&step, client, &err) : run_new(o, client, command, &err);
    if (run == NULL && client != NULL)
        cli_say("nothing would be recorded: %s", err.message);
    o->files.runs = step.runs;
    run_files_declare(&o->files, run);
    bool is_all = run_describe(o, command, run);
    run_set_parts(o, &step);
    pipeline_emit(run, OL_START, 0, o->is_quiet);
    ol__buf_init(&out, RECEIPT_FILE_MAX);
    if (o->step != NULL && step.attempt.number > 0)
        add_file(&out, &step, run);
    add_rest(&out, o, command);
    bool is_shown = cli_print_buf(&out);
    ol__buf_release(&out);
    ol_run_free(run);
    step_close(&step, true);
    if (client != NULL)
        OL_IGNORE(ol_client_close(client, 0, NULL) < 0, "it was shown");
    return is_shown && is_all && !how.has_failed ? CLI_YES : CLI_NO;
}
