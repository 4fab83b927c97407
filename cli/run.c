/* SPDX-License-Identifier: Apache-2.0 */
/* lineage run [options] -- command ...
 *
 * Promises:
 *  1. The command sees what it would see without us: standard streams (closed ones, too), every
 * other descriptor, signal mask and dispositions, process group. Only OPENLINEAGE_PARENT_ID and
 *     OPENLINEAGE_ROOT_PARENT_ID are added to its environment, and OPENLINEAGE_CONTEXT, which would
 *     name another parent, is taken away. With --step also LINEAGE_RUN_ID, LINEAGE_RUNS,
 * LINEAGE_STEP, LINEAGE_ATTEMPT, LINEAGE_TASK_ID, LINEAGE_ATTEMPT_DIR, TRACEPARENT, TRACESTATE and
 *     BAGGAGE; with --log LINEAGE_LOG. In a call (BAGGAGE is set) the last three name this run. A
 *     gate runs before, in its environment, and touches none of its streams but standard error.
 *  2. We exit as it does: its status, 128+n when signal n ended it, 126 if it could not be
 * executed, 127 if it was not found. Trouble with lineage never changes that; it is said on
 * standard error. Only a gate that says no, and --strict, keep it from being started: 125.
 *  3. START is handed over before the command starts; after it ended, whatever the reason, one
 * COMPLETE or FAIL is. If we are killed with SIGKILL there is no end; the journal permits an agent
 * to infer an ABORT.
 *  4. A version is only recorded for bytes that did not change while they were hashed, and of an
 * input only for those that were there before the command. A request to end cuts hashing short, not
 * the event.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "collect_run.h"
#include "event_log.h"
#include "needed.h"
#include "pipeline.h"
#include "run_child.h"
#include "run_describe.h"
#include "run_streams.h"
#include "times.h"

/* One run of `lineage run`. */
struct work {
    struct run_options o;
    struct step step;
    struct collect_run collected;
    struct ol_client *client; /* owned; NULL: none */
    struct ol_run *run;       /* owned; NULL: nothing is emitted */
    struct run_child child;
    struct run_streams streams;
    char **command;
    bool is_troubled; /* something that was asked for cannot be recorded */
    int64_t started_us;
};

/** Whether an attempt at the step has done the same (--if-needed); said. */
static bool is_done(struct work *w)
{
    char reason[NEEDED_REASON_SIZE];
    int64_t attempt = 0;
    if (!w->o.if_needed)
        return false;
    ol_status status = needed_look(&w->step, &w->o.files, &attempt, reason);
    w->o.is_done = status == OL_OK;
    if (!w->o.is_quiet && w->o.is_done)
        cli_say("step '%s' is done: attempt %lld; inputs and outputs are as it left them",
                w->o.step, (long long)attempt);
    else if (!w->o.is_quiet)
        cli_say("step '%s' is needed: %s", w->o.step,
                status == OL_END ? reason : "out of memory, or its folder cannot be read");
    return w->o.is_done;
}

/** Without a run the command runs all the same (promise 2). */
static void begin(struct work *w)
{
    struct run_options *o = &w->o;
    struct ol_error err = {.message = ""};
    const struct step_options options = run_step_options(o, w->command);
    struct pipeline_client how = {.job_namespace = o->job_namespace,
                                  .is_quiet = &o->is_quiet,
                                  .is_offline = o->is_offline,
                                  .emit_timeout_ms = o->emit_timeout_ms};
    w->started_us = ol__time_monotonic_us();
    step_find(&w->step, &options);
    if (is_done(w))
        return;
    w->client = pipeline_open_client_as(&how);
    w->run = o->step != NULL ? step_begin(&w->step, w->client, &err)
                             : run_new(o, w->client, w->command, &err);
    if (w->run == NULL && w->client != NULL && !o->is_quiet)
        cli_say("nothing will be recorded: %s", err.message);
    w->is_troubled = how.has_failed || (w->client != NULL && w->run == NULL) ||
                     (o->step != NULL && !w->step.is_taken);
}

static void write_log(const struct work *w, const char *event, const struct step_result *result)
{
    struct ol_error err = {.message = ""};
    struct event_log_entry entry = {.event = event,
                                    .run_id = w->step.is_taken ? w->step.folder.run_id
                                              : w->run != NULL ? ol_run_id(w->run)
                                                               : NULL,
                                    .step = w->o.step,
                                    .attempt = w->step.is_taken ? w->step.attempt.number : 0,
                                    .task_id = w->step.task_id[0] != '\0' ? w->step.task_id : NULL};
    if (w->o.log == NULL)
        return;
    if (result != NULL) {
        entry.status = result->status;
        entry.has_ended = true;
        entry.exit_code = result->exit_code;
        entry.duration_ms = (ol__time_monotonic_us() - w->started_us) / 1000;
        entry.outputs = result->outputs;
        entry.output_count = result->output_count;
    }
    if (event_log_append(w->o.log, &entry, &err) != OL_OK && !w->o.is_quiet)
        cli_say("--log: %s", err.message);
}

/* Where the command may log to, for `lineage log`; it may change its directory. */
static void tell_log(const struct work *w)
{
    struct ol__buf path;
    char *cwd = w->o.log == NULL || w->o.log[0] == '/' || strcmp(w->o.log, "-") == 0
                    ? NULL
                    : getcwd(NULL, 0);
    if (w->o.log == NULL)
        return;
    ol__buf_init(&path, 65536);
    ol__buf_add_format(&path, "%s%s%s", cwd != NULL ? cwd : "", cwd != NULL ? "/" : "", w->o.log);
    OL_IGNORE(path.status != OL_OK || setenv(EVENT_LOG_VARIABLE, path.data, 1) != 0,
              "out of memory: the command runs without it");
    ol__buf_release(&path);
    free(cwd);
}

/* What is around the command; with a receipt without being asked. */
static void collect(struct work *w)
{
    const struct run_options *o = &w->o;
    unsigned what = o->is_collect_given ? o->collects : w->step.is_taken ? COLLECT_DEFAULT : 0;
    const struct collect_options options = {
        .what = what | (o->has_git ? OL_COLLECT_CODE | COLLECT_PATCH : 0), .image = o->image};
    collect_run_begin(&w->collected, &options, w->run, w->step.is_taken ? w->step.parts : NULL);
}

/** Describe the run, emit START, and make it the parent of what the command emits. */
static void start(struct work *w)
{
    struct run_options *o = &w->o;
    o->files.runs = w->step.runs;
    run_files_declare(&o->files, w->run);
    w->is_troubled = !run_describe(o, w->command, w->run) || w->is_troubled;
    run_files_open_inputs(&o->files); /* before the command can change them */
    if (w->step.is_taken)
        run_streams_look(&w->streams);
    if (w->step.is_taken)
        run_keep_start(&o->keep, w->step.runs, o->is_quiet);
    collect(w);
    run_set_parts(o, &w->step);
    pipeline_emit(w->run, OL_START, w->step.started_ms, o->is_quiet);
    step_claim(&w->step, w->run);
    write_log(w, "step_started", NULL);
    step_tell(&w->step, w->run);
    tell_log(w);
    if (w->run == NULL)
        return;
    OL_IGNORE(unsetenv("OPENLINEAGE_CONTEXT") < 0, "its name is a name"); /* it would win */
    OL_IGNORE(setenv("OPENLINEAGE_PARENT_ID", ol_run_parent_id(w->run), 1) < 0 ||
                  setenv("OPENLINEAGE_ROOT_PARENT_ID", ol_run_root_parent_id(w->run), 1) < 0,
              "out of memory: the command runs without them");
}

static bool is_success(const struct run_options *o, const struct run_outcome *outcome)
{
    return outcome->signal == 0 && outcome->exec_errno == 0 && !outcome->is_not_started &&
           outcome->exit_status <= RUN_OK_CODES_MAX && o->is_ok[outcome->exit_status];
}

static bool is_recorded(const struct work *w)
{
    return w->run != NULL || w->step.is_taken;
}

static void write_receipt(struct work *w, struct step_result *result)
{
    struct run_options *o = &w->o;
    struct receipt_artifact *inputs = NULL, *outputs = NULL;
    struct ol__buf gates;
    if (!is_recorded(w)) {
        write_log(w, "step_finished", result);
        return;
    }
    ol__buf_init(&gates, RECEIPT_FILE_MAX);
    run_gates_write(&o->gates, &gates);
    if (w->step.is_taken)
        run_keep_end(&o->keep, w->step.runs, o->is_quiet);
    collect_run_end(&w->collected, w->run, w->step.is_taken ? w->step.parts : NULL,
                    w->step.is_taken ? w->step.runs : NULL, &o->keep);
    run_set_parts(o, &w->step);
    w->step.parts[RECEIPT_GATES] = (struct ol__span){.data = gates.data, .size = gates.size};
    run_streams_hash(&w->streams, &o->files);
    w->step.parts[RECEIPT_STREAMS] = run_streams_value(&w->streams);
    run_part_describe(w->run, "lineaged_gates", RUN_FACET_SCHEMA("LineagedGatesRunFacet"), "gates",
                      w->step.parts[RECEIPT_GATES]);
    if (run_files_list(&o->files, RUN_INPUT, &inputs, &result->input_count) == OL_OK &&
        run_files_list(&o->files, RUN_OUTPUT, &outputs, &result->output_count) == OL_OK) {
        result->inputs = inputs;
        result->outputs = outputs;
        step_end(&w->step, w->run, result);
    } else if (!o->is_quiet) {
        cli_say("no receipt: out of memory");
    }
    write_log(w, "step_finished", result);
    w->step.parts[RECEIPT_GATES] = (struct ol__span){.data = NULL};
    w->step.parts[RECEIPT_STREAMS] = (struct ol__span){.data = NULL};
    result->inputs = result->outputs = NULL;
    ol__buf_release(&gates);
    free(inputs);
    free(outputs);
}

static void finish(struct work *w, const struct run_outcome *outcome)
{
    struct run_options *o = &w->o;
    bool has_won = is_success(o, outcome);
    struct step_result result = {.status = has_won                ? "COMPLETE"
                                           : outcome->signal != 0 ? "ABORT"
                                                                  : "FAIL",
                                 .exit_code = outcome->exit_status,
                                 .signal = outcome->signal};
    enum ol_event event = has_won                                       ? OL_COMPLETE
                          : outcome->signal != 0 && o->aborts_on_signal ? OL_ABORT
                                                                        : OL_FAIL;
    result.event_type = event == OL_FAIL ? "FAIL" : result.status;
    if (o->files.hash_limit > 0 && !outcome->is_not_started && is_recorded(w))
        run_files_hash_outputs(&o->files, o->is_quiet);
    if (w->run != NULL && !has_won)
        OL_IGNORE(
            ol_run_set_error_message(w->run, OL_MAKE(ol_error_message, .message = outcome->message,
                                                     .programming_language = "shell")) < 0,
            "emit reports it");
    if (w->run != NULL)
        run_files_set_versions(&o->files);
    write_receipt(w, &result);
    if (w->run != NULL) {
        pipeline_emit(w->run, event, w->step.finished_ms, o->is_quiet);
        ol_run_free(w->run);
    }
    step_close(&w->step, has_won);
    collect_run_release(&w->collected);
    run_streams_release(&w->streams);
}

static void beat(void *run)
{
    pipeline_emit(run, OL_RUNNING, 0, true);
}

/* What is asked first, then the command. */
static void run_command(struct work *w, struct run_outcome *outcome)
{
    if (w->is_troubled && w->o.is_strict) {
        *outcome = (struct run_outcome){.exit_status = RUN_NOT_STARTED, .is_not_started = true};
        snprintf(outcome->message, sizeof outcome->message,
                 "command not started: it cannot be recorded as told (--strict)");
    } else if (!run_gates_pass(&w->o.gates, &w->child)) {
        run_gates_outcome(&w->o.gates, outcome);
    } else {
        w->child.beat_ms = w->run != NULL ? w->o.heartbeat_ms : 0;
        w->child.beat = beat;
        w->child.beat_arg = w->run;
        collect_run_programs(&w->collected);
        run_child_run(&w->child, w->command, outcome);
    }
    if (outcome->is_not_started)
        cli_say("%s", outcome->message);
}

static void work(struct work *w, struct run_outcome *outcome)
{
    pthread_t hasher;
    begin(w);
    if (w->o.is_done) {
        step_close(&w->step, true);
        return;
    }
    if (is_recorded(w))
        start(w);
    else
        write_log(w, "step_started", NULL);
    bool has_inputs = is_recorded(w) && run_files_has_inputs(&w->o.files);
    bool has_hasher =
        has_inputs && pthread_create(&hasher, NULL, run_files_hash_inputs, &w->o.files) == 0;
    run_command(w, outcome);
    if (!w->o.is_quiet)
        run_files_show_progress(&w->o.files);
    if (has_hasher)
        pthread_join(hasher, NULL);
    else if (has_inputs)
        run_files_hash_inputs(&w->o.files);
    finish(w, outcome);
    if (w->client != NULL)
        OL_IGNORE(ol_client_close(w->client, 0, NULL) < 0,
                  "its events are handed over or were said above");
}

int verb_run(int argc, char **argv)
{
    struct work w = {
        .o = {.files = {.hash_limit = (uint64_t)1 << 30, .is_hurried = run_child_is_hurried}}};
    struct run_outcome outcome = {.exit_status = 0};
    run_child_hold_streams();
    run_child_block_signals(&w.child);
    int result = run_options_parse(argc, argv, &w.o);
    if (result == 0) {
        w.command = argv + optind;
        if (w.o.is_dry)
            outcome.exit_status = run_dry(&w.o, w.command);
        else
            work(&w, &outcome);
        result = outcome.exit_status;
    } else if (result < 0) {
        result = CLI_YES;
    }
    run_options_release(&w.o);
    if (outcome.exec_errno != 0)
        cli_say("%s: %s", w.command[0], strerror(outcome.exec_errno));
    return result;
}
