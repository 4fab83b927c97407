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
#include "pipeline.h"
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

enum {
    STARTED = 256,
    FINISHED,
    STATUS,
    FAIL,
    ABORT,
    JOB,
    NAMESPACE,
    RUN_ID,
    SYSTEM,
    HASH_LIMIT,
    STEP,
    SEQ,
    ATTEMPT,
    TASK_ID,
    PARAM,
    TAG,
    GROUP,
    RUNS,
    PIPELINE
};

static const struct option options[] = {{"started", required_argument, NULL, STARTED},
                                        {"finished", required_argument, NULL, FINISHED},
                                        {"status", required_argument, NULL, STATUS},
                                        {"fail", no_argument, NULL, FAIL},
                                        {"abort", no_argument, NULL, ABORT},
                                        {"input", required_argument, NULL, 'i'},
                                        {"output", required_argument, NULL, 'o'},
                                        {"job", required_argument, NULL, JOB},
                                        {"namespace", required_argument, NULL, NAMESPACE},
                                        {"run-id", required_argument, NULL, RUN_ID},
                                        {"system", required_argument, NULL, SYSTEM},
                                        {"hash-limit", required_argument, NULL, HASH_LIMIT},
                                        {"step", required_argument, NULL, STEP},
                                        {"seq", required_argument, NULL, SEQ},
                                        {"attempt", required_argument, NULL, ATTEMPT},
                                        {"task-id", required_argument, NULL, TASK_ID},
                                        {"param", required_argument, NULL, PARAM},
                                        {"tag", required_argument, NULL, TAG},
                                        {"group", required_argument, NULL, GROUP},
                                        {"runs", required_argument, NULL, RUNS},
                                        {"pipeline", required_argument, NULL, PIPELINE},
                                        {"quiet", no_argument, NULL, 'q'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static const char *take_number(int64_t least, int64_t most, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(optarg, &end, 10);
    if (optarg[0] == '\0' || *end != '\0' || errno != 0 || n < least || n > most)
        return least == 0 && most == 255 ? "expected 0 to 255" : "expected a number up to 999999";
    *ret = n;
    return NULL;
}

static const char *take_time(int64_t *ret)
{
    bool has_zone = false;
    if (ol__time_parse(ol__span_text(optarg), ret, &has_zone) != OL_OK || !has_zone || *ret == 0)
        return "expected a time with its zone, e.g. 2026-02-04T18:41:12Z";
    return NULL;
}

static const char *take_file(struct record *r, enum run_side side)
{
    ol_status status = run_files_add(&r->files, side, optarg);
    return status == OL_OK          ? NULL
           : status == OL_TOO_LARGE ? "more than 10000 inputs and outputs"
                                    : "out of memory";
}

/* Those that are one text each. */
static const char **find_text(int code, struct record *r)
{
    return code == JOB         ? &r->step.job
           : code == NAMESPACE ? &r->step.job_namespace
           : code == RUN_ID    ? &r->id
           : code == SYSTEM    ? &r->system
           : code == STEP      ? &r->step.name
           : code == TASK_ID   ? &r->step.task_id
           : code == RUNS      ? &r->step.runs
           : code == PIPELINE  ? &r->step.pipeline
                               : NULL;
}

/* @return NULL, or what is wrong with it. */
static const char *take(int code, struct record *r)
{
    const char **text = find_text(code, r);
    if (text != NULL) {
        *text = optarg;
        return optarg[0] == '\0' ? "it must not be empty" : NULL;
    }
    switch (code) {
    case STARTED:
        return take_time(&r->step.started_ms);
    case FINISHED:
        return take_time(&r->finished_ms);
    case STATUS:
        return take_number(0, 255, &r->code);
    case FAIL:
        r->status = "FAIL";
        return NULL;
    case ABORT:
        r->status = "ABORT";
        return NULL;
    case 'i':
        return take_file(r, RUN_INPUT);
    case 'o':
        return take_file(r, RUN_OUTPUT);
    case HASH_LIMIT:
        return run_files_parse_size(optarg, &r->files.hash_limit) ? NULL
                                                                  : "no size (examples: 0, 64MiB)";
    case SEQ:
        return take_number(0, 999999, &r->step.seq);
    case ATTEMPT:
        return take_number(1, 999999, &r->step.attempt);
    case PARAM:
        return run_pairs_add(&r->parameters, optarg);
    case TAG:
        return run_pairs_add(&r->tags, optarg);
    case GROUP:
        return run_pairs_add(&r->groups, optarg);
    case 'q':
        r->step.is_quiet = true;
        return NULL;
    default:
        return "see the message above";
    }
}

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
    int index = 0;
    r->step.seq = -1;
    for (int c; (c = getopt_long(argc, argv, "+i:o:qh", options, &index)) != -1;) {
        if (c == 'h') {
            print_help();
            return -1;
        }
        const char *problem = c == '?' ? "see the message above" : take(c, r);
        if (problem != NULL && c < STARTED)
            return cli_usage("record", "%s", problem);
        if (problem != NULL)
            return cli_usage("record", "--%s: '%.60s': %s", options[index].name,
                             optarg != NULL ? optarg : "", problem);
    }
    if (optind < argc)
        r->step.argv = argv + optind;
    int result = check(r);
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
    pipeline_emit(run, OL_START, r->step.started_ms, r->step.is_quiet);
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
    pipeline_emit(run, event, r->finished_ms, r->step.is_quiet);
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
