/* SPDX-License-Identifier: Apache-2.0 */
/* lineage record: what has happened already. Times are those that are told; files are hashed as
 * they are now; receipt and events say that it was declared. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli.h"
#include "options.h"
#include "pipeline.h"
#include "run_describe.h"
#include "run_options.h"
#include "run_told.h"
#include "step.h"
#include "times.h"

static void print_help(void)
{
    puts(
        "Usage: lineage record --started TIME [OPTION]... [[--] COMMAND [ARGUMENT]...]\n"
        "Record what has happened already as one run; with --step as an attempt with a receipt.\n"
        "COMMAND is noted, not run.\n"
        "\n"
        "      --started TIME, --finished TIME\n"
        "                           e.g. 2026-02-04T18:41:12Z; the end is now unless told\n"
        "      --status N           it exited with N: 0 (default) is COMPLETE, others are FAIL\n"
        "      --fail, --abort      it failed; it was ended by somebody\n"
        "  -i, --input FILE|URI     it read this (again for each)\n"
        "  -o, --output FILE|URI    it wrote this (again for each)\n"
        "      --job NAME           job name; default: the step, else the command's file name\n"
        "      --namespace NAME     job namespace; default: OPENLINEAGE_NAMESPACE, else 'default'\n"
        "      --run-id ID          as of lineage run\n"
        "      --system NAME\n"
        "      --hash-limit SIZE\n"
        "      --step NAME          as of lineage run\n"
        "      --seq N\n"
        "      --attempt N\n"
        "      --task-id ID\n"
        "      --param, --tag, --group KEY=VALUE\n"
        "      --runs DIR\n"
        "      --pipeline NAME\n"
        "  -q, --quiet\n"
        "  -h, --help\n"
        "\n"
        "Exit status: 0; 1 it is not recorded, or not all of it; 2 usage.");
}

struct record {
    struct step_options step;
    struct run_files files;
    struct run_pairs parameters, tags, groups;
    const char *id, *system;
    int64_t finished_ms, code;
    const char *status;
};

#define AT(member) offsetof(struct record, member)
static const struct cli_option table[] = {
    {"started", 0, OPTION_TIME, .offset = AT(step.started_ms)},
    {"finished", 0, OPTION_TIME, .offset = AT(finished_ms)},
    {"status", 0, OPTION_NUMBER, .offset = AT(code), .least = 0, .most = 255},
    {"fail", 0, OPTION_WORD, .offset = AT(status), .word = "FAIL"},
    {"abort", 0, OPTION_WORD, .offset = AT(status), .word = "ABORT"},
    {"input", 'i', OPTION_INPUT, .offset = AT(files)},
    {"output", 'o', OPTION_OUTPUT, .offset = AT(files)},
    {"job", 0, OPTION_TEXT, .offset = AT(step.job)},
    {"namespace", 0, OPTION_TEXT, .offset = AT(step.job_namespace)},
    {"run-id", 0, OPTION_TEXT, .offset = AT(id)},
    {"system", 0, OPTION_TEXT, .offset = AT(system)},
    {"hash-limit", 0, OPTION_SIZE, .offset = AT(files.hash_limit)},
    {"step", 0, OPTION_TEXT, .offset = AT(step.name)},
    {"seq", 0, OPTION_NUMBER, .offset = AT(step.seq), .least = 0, .most = 999999},
    {"attempt", 0, OPTION_NUMBER, .offset = AT(step.attempt), .least = 1, .most = 999999},
    {"task-id", 0, OPTION_TEXT, .offset = AT(step.task_id)},
    {"param", 0, OPTION_PAIR, .offset = AT(parameters)},
    {"tag", 0, OPTION_PAIR, .offset = AT(tags)},
    {"group", 0, OPTION_PAIR, .offset = AT(groups)},
    {"runs", 0, OPTION_TEXT, .offset = AT(step.runs)},
    {"pipeline", 0, OPTION_TEXT, .offset = AT(step.pipeline)},
    {"quiet", 'q', OPTION_FLAG, .offset = AT(step.is_quiet)},
    OPTION_END};
#undef AT

static int check(struct record *r)
{
    char id[OL_ID_SIZE];
    struct ol_error err = {.message = ""};
    const struct step_options *s = &r->step;
    const char *problem = s->name != NULL ? receipt_step_problem(s->name) : NULL;
    int64_t now_ms = ol__time_now_ms();
    if (r->finished_ms == 0)
        r->finished_ms = now_ms;
    if (problem != NULL)
        return cli_usage("record", "--step: '%.60s': %s", s->name, problem);
    if (s->started_ms == 0)
        return cli_usage("record", "when was it? expected --started TIME");
    if (r->finished_ms < s->started_ms)
        return cli_usage("record", "--finished: it ended before it started");
    if (r->id != NULL && ol_id_from_foreign(r->system, r->id, id, &err) != OL_OK)
        return cli_usage("record", "--run-id: %s", err.message);
    if (r->system != NULL && r->id == NULL)
        return cli_usage("record", "--system: whose id? expected --run-id as well");
    if (s->name != NULL && r->id != NULL)
        return cli_usage("record", "--run-id: an attempt at a step has an id of its own; the "
                                   "scheduler's goes into --task-id");
    if (s->name == NULL && (s->seq >= 0 || s->attempt > 0 || s->task_id != NULL ||
                            s->runs != NULL || s->pipeline != NULL))
        return cli_usage("record", "options of receipts need --step NAME");
    if (s->job == NULL && s->name == NULL && s->argv == NULL)
        return cli_usage("record", "what was it? expected --job, --step or a command");
    return 0;
}

static int parse(int argc, char **argv, struct record *r)
{
    static const struct cli_options options = {
        .verb = "record", .table = table, .help = print_help, .stops_at_words = true};
    r->step.seq = -1;
    int result = cli_options_read(&options, argc, argv, r);
    if (result != 0)
        return result;
    if (optind < argc)
        r->step.argv = argv + optind;
    result = check(r);
    if (result != 0 || r->step.job != NULL)
        return result;
    if (r->step.name != NULL || r->step.argv == NULL) {
        r->step.job = r->step.name;
        return 0;
    }
    const char *slash = strrchr(r->step.argv[0], '/');
    r->step.job = slash != NULL && slash[1] != '\0' ? slash + 1 : r->step.argv[0];
    return 0;
}

/* The run's facets, and the mark that nobody has seen it. */
static void describe(struct record *r, struct ol_run *run)
{
    OL_IGNORE(ol_job_set_job_type(ol_run_job(run),
                                  OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                          .integration = "LINEAGE", .job_type = "COMMAND")) < 0,
              "emit reports it");
    run_command_describe(r->step.argv, run);
    struct receipt_pair *tags = calloc(r->tags.count + 1, sizeof *tags);
    if (tags == NULL)
        return;
    if (r->tags.count > 0)
        memcpy(tags, r->tags.items, r->tags.count * sizeof *tags);
    tags[r->tags.count] = (struct receipt_pair){.key = "lineaged.declared", .value = "true"};
    run_pairs_describe(r->step.parameters,
                       (struct receipt_pairs){.items = tags, .count = r->tags.count + 1},
                       r->step.groups, run);
    free(tags);
}

/* @return whether all could be recorded. */
static bool record(struct record *r)
{
    struct step step;
    struct ol_error err = {.message = ""};
    struct ol_run *run = NULL;
    struct receipt_artifact *inputs = NULL, *outputs = NULL;
    step_find(&step, &r->step);
    struct pipeline_client how = {.job_namespace = r->step.job_namespace,
                                  .is_quiet = &r->step.is_quiet};
    struct ol_client *client = pipeline_open_client_as(&how);
    if (r->step.name != NULL)
        run = step_begin(&step, client, &err);
    else if (client != NULL)
        OL_IGNORE(ol_run_new(client,
                             OL_MAKE(ol_run_options, .job_name = r->step.job, .foreign_id = r->id,
                                     .foreign_system = r->system),
                             &run, &err) < 0,
                  "said below");
    bool is_good = !how.has_failed && (client == NULL || run != NULL) &&
                   (r->step.name == NULL || step.is_taken);
    if (client != NULL && run == NULL)
        cli_say("nothing will be recorded: %s", err.message);
    if (run != NULL)
        describe(r, run);
    r->files.runs = step.runs;
    run_files_declare(&r->files, run);
    run_files_open_inputs(&r->files);
    if (run_files_has_inputs(&r->files))
        run_files_hash_inputs(&r->files);
    run_files_hash_outputs(&r->files, r->step.is_quiet);
    run_files_set_versions(&r->files);
    pipeline_emit(run, OL_START, r->step.started_ms != 0 ? r->step.started_ms : step.started_ms,
                  r->step.is_quiet);
    step_claim(&step, run);
    struct step_result result = {
        .status = r->status, .exit_code = (int)r->code, .finished_ms = r->finished_ms};
    if (run_files_list(&r->files, RUN_INPUT, &inputs, &result.input_count) == OL_OK &&
        run_files_list(&r->files, RUN_OUTPUT, &outputs, &result.output_count) == OL_OK) {
        result.inputs = inputs;
        result.outputs = outputs;
        step_end(&step, run, &result);
    }
    is_good = is_good && (!step.is_taken || faccessat(step.attempt.fd, "receipt.json", F_OK,
                                                      AT_SYMLINK_NOFOLLOW) == 0);
    bool is_success = strcmp(r->status, "COMPLETE") == 0;
    enum ol_event event = is_success                        ? OL_COMPLETE
                          : strcmp(r->status, "ABORT") == 0 ? OL_ABORT
                                                            : OL_FAIL;
    pipeline_emit(run, event, r->finished_ms != 0 ? r->finished_ms : step.finished_ms,
                  r->step.is_quiet);
    ol_run_free(run);
    step_close(&step, is_success);
    free(inputs);
    free(outputs);
    if (client != NULL)
        OL_IGNORE(ol_client_close(client, 0, NULL) < 0, "its events are handed over or were said");
    return is_good;
}

int verb_record(int argc, char **argv)
{
    struct record r = {.files = {.hash_limit = (uint64_t)1 << 30}, .step = {.is_declared = true}};
    int result = parse(argc, argv, &r);
    if (result == 0) {
        r.step.parameters =
            (struct receipt_pairs){.items = r.parameters.items, .count = r.parameters.count};
        r.step.tags = (struct receipt_pairs){.items = r.tags.items, .count = r.tags.count};
        r.step.groups = (struct receipt_pairs){.items = r.groups.items, .count = r.groups.count};
        if (r.status == NULL)
            r.status = r.code == 0 ? "COMPLETE" : "FAIL";
        if (r.code == 0 && strcmp(r.status, "COMPLETE") != 0)
            r.code = 1;
        result = record(&r) ? CLI_YES : CLI_NO;
    }
    run_files_release(&r.files);
    free(r.parameters.items);
    free(r.tags.items);
    free(r.groups.items);
    return result < 0 ? CLI_YES : result;
}
