/* SPDX-License-Identifier: Apache-2.0 */
/* lineage run [options] -- command ...
 *
 * Promises:
 *  1. The command sees what it would see without us: standard streams (closed ones, too), every
 * other descriptor, signal mask and dispositions, process group. Only OPENLINEAGE_PARENT_ID and
 *     OPENLINEAGE_ROOT_PARENT_ID are added to its environment, and OPENLINEAGE_CONTEXT, which would
 *     name another parent, is taken away. With --step also LINEAGE_RUN_ID, LINEAGE_RUNS,
 * LINEAGE_STEP, LINEAGE_ATTEMPT, LINEAGE_TASK_ID, LINEAGE_ATTEMPT_DIR, TRACEPARENT, TRACESTATE and
 *     BAGGAGE. In a call (BAGGAGE is set) the last three name this run.
 *  2. We exit as it does: its status, 128+n when signal n ended it, 126 if it could not be
 * executed, 127 if it was not found. Trouble with lineage never changes that; it is said on
 * standard error.
 *  3. START is handed over before the command starts; after it ended, whatever the reason, one
 * COMPLETE or FAIL is. If we are killed with SIGKILL there is no end; the journal permits an agent
 * to infer an ABORT.
 *  4. A version is only recorded for bytes that did not change while they were hashed, and of an
 * input only for those that were there before the command. A request to end cuts hashing short, not
 * the event.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include "pipeline.h"
#include "run_child.h"
#include "run_options.h"
#include "step.h"

/** The run, or NULL after saying why there is none: the command runs all the same (promise 2). */
static struct ol_run *begin(struct run_options *o, struct step *step, char **command,
                            struct ol_client **ret_client)
{
    struct ol_error err = {.message = ""};
    struct ol_run *run = NULL;
    const char *slash = strrchr(command[0], '/');
    const char *job = o->job != NULL                      ? o->job
                      : o->step != NULL                   ? o->step
                      : slash != NULL && slash[1] != '\0' ? slash + 1
                                                          : command[0];
    const struct step_options options = {
        .name = o->step,
        .job = job,
        .job_namespace = o->job_namespace,
        .runs = o->runs,
        .pipeline = o->pipeline,
        .task_id = o->task_id,
        .seq = o->seq,
        .attempt = o->attempt,
        .argv = command,
        .is_quiet = o->is_quiet,
        .parameters = {.items = o->parameters.items, .count = o->parameters.count},
        .tags = {.items = o->tags.items, .count = o->tags.count},
        .groups = {.items = o->groups.items, .count = o->groups.count}};
    step_find(step, &options);
    *ret_client = pipeline_open_client(o->job_namespace, &o->is_quiet);
    if (o->step != NULL)
        run = step_begin(step, *ret_client, &err);
    else if (*ret_client != NULL)
        OL_IGNORE(ol_run_new(*ret_client,
                             OL_MAKE(ol_run_options, .job_name = job, .foreign_id = o->id,
                                     .foreign_system = o->system),
                             &run, &err) < 0,
                  "said below");
    if (run == NULL && *ret_client != NULL && !o->is_quiet)
        cli_say("nothing will be recorded: %s", err.message);
    return run;
}

/** Describe the run, emit START, and make it the parent of what the command emits. */
static void start(struct run_options *o, struct step *step, struct ol_run *run)
{
    if (run != NULL)
        OL_IGNORE(ol_job_set_job_type(ol_run_job(run),
                                      OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                              .integration = "LINEAGE", .job_type = "COMMAND")) < 0,
                  "emit reports it");
    o->files.runs = step->runs;
    run_files_declare(&o->files, run);
    run_files_open_inputs(&o->files); /* before the command can change them */
    pipeline_emit(run, OL_START, 0, o->is_quiet);
    step_claim(step, run);
    step_tell(step, run);
    if (run == NULL)
        return;
    OL_IGNORE(unsetenv("OPENLINEAGE_CONTEXT") < 0, "its name is a name"); /* it would win */
    OL_IGNORE(setenv("OPENLINEAGE_PARENT_ID", ol_run_parent_id(run), 1) < 0 ||
                  setenv("OPENLINEAGE_ROOT_PARENT_ID", ol_run_root_parent_id(run), 1) < 0,
              "out of memory: the command runs without them");
}

static void finish(struct run_options *o, struct step *step, struct ol_run *run,
                   const struct run_outcome *outcome)
{
    struct receipt_artifact *inputs = NULL, *outputs = NULL;
    bool is_success = outcome->signal == 0 && outcome->exec_errno == 0 &&
                      outcome->exit_status <= RUN_OK_CODES_MAX && o->is_ok[outcome->exit_status];
    if (o->files.hash_limit > 0)
        run_files_hash_outputs(&o->files, o->is_quiet);
    struct step_result result = {.status = is_success             ? "COMPLETE"
                                           : outcome->signal != 0 ? "ABORT"
                                                                  : "FAIL",
                                 .exit_code = outcome->exit_status,
                                 .signal = outcome->signal};
    if (run_files_list(&o->files, RUN_INPUT, &inputs, &result.input_count) == OL_OK &&
        run_files_list(&o->files, RUN_OUTPUT, &outputs, &result.output_count) == OL_OK) {
        result.inputs = inputs;
        result.outputs = outputs;
        step_end(step, run, &result);
    } else if (!o->is_quiet) {
        cli_say("no receipt: out of memory");
    }
    free(inputs);
    free(outputs);
    if (run != NULL) {
        run_files_set_versions(&o->files);
        if (!is_success)
            OL_IGNORE(
                ol_run_set_error_message(run, OL_MAKE(ol_error_message, .message = outcome->message,
                                                      .programming_language = "shell")) < 0,
                "emit reports it");
        pipeline_emit(run, is_success ? OL_COMPLETE : OL_FAIL, 0, o->is_quiet);
        ol_run_free(run);
    }
    step_close(step, is_success);
}

int verb_run(int argc, char **argv)
{
    struct run_options o = {
        .files = {.hash_limit = (uint64_t)1 << 30, .is_hurried = run_child_is_hurried}};
    struct step step;
    struct ol_client *client = NULL;
    struct run_child child;
    struct run_outcome outcome;
    pthread_t hasher;
    run_child_hold_streams();
    run_child_block_signals(&child);
    int result = run_options_parse(argc, argv, &o);
    if (result != 0) {
        run_options_release(&o);
        return result < 0 ? CLI_YES : result;
    }
    char **command = argv + optind;
    struct ol_run *run = begin(&o, &step, command, &client);
    bool is_recorded = run != NULL || step.is_taken;
    if (is_recorded)
        start(&o, &step, run);
    bool has_inputs = is_recorded && run_files_has_inputs(&o.files);
    bool has_hasher =
        has_inputs && pthread_create(&hasher, NULL, run_files_hash_inputs, &o.files) == 0;
    run_child_run(&child, command, &outcome);
    if (!o.is_quiet)
        run_files_show_progress(&o.files);
    if (has_hasher)
        pthread_join(hasher, NULL);
    else if (has_inputs)
        run_files_hash_inputs(&o.files);
    finish(&o, &step, run, &outcome);
    if (client != NULL)
        OL_IGNORE(ol_client_close(client, 0, NULL) < 0,
                  "its events are handed over or were said above");
    run_options_release(&o);
    if (outcome.exec_errno != 0)
        cli_say("%s: %s", command[0], strerror(outcome.exec_errno));
    return outcome.exit_status;
}
