/* SPDX-License-Identifier: Apache-2.0 */
/* lineage start: what a prolog begins and an epilog ends with `lineage finish`. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli.h"
#include "collect_run.h"
#include "options.h"
#include "origin.h"
#include "pipeline.h"
#include "run_describe.h"
#include "run_options.h"
#include "run_told.h"
#include "started.h"
#include "step.h"
#include "times.h"

static void print_help(void)
{
    puts(
        "Usage: lineage start [OPTION]... [[--] COMMAND [ARGUMENT]...]\n"
        "Begin a run that another process ends with 'lineage finish': emit START, print its id.\n"
        "COMMAND is noted, not run.\n"
        "\n"
        "      --run-id ID          whose it is: a scheduler's id, from which the run's is "
        "computed\n"
        "      --system NAME        whose id that is, e.g. slurm:cluster-a\n"
        "      --step NAME          in its place: an attempt at a step of the run that\n"
        "                           LINEAGE_RUN_ID names\n"
        "      --job NAME           job name; default: the step, else the command's file name\n"
        "      --namespace NAME     job namespace; default: OPENLINEAGE_NAMESPACE, else 'default'\n"
        "  -i, --input FILE|URI     it reads this (again for each)\n"
        "  -o, --output FILE|URI    it will write this\n"
        "      --hash-limit SIZE    files past this get no hash (default 1GiB; 0: hash nothing)\n"
        "      --seq N              as of lineage run\n"
        "      --attempt N\n"
        "      --task-id ID\n"
        "      --param, --tag, --group KEY=VALUE\n"
        "      --runs DIR\n"
        "      --state DIR          where runs without a step are noted until they end; default:\n"
        "                           XDG_STATE_HOME/lineaged/started\n"
        "      --export             print the shell commands that make what follows its children\n"
        "  -q, --quiet\n"
        "  -h, --help\n"
        "\n"
        "Exit status: 0; 1 it is not begun, or was begun before; 2 usage.");
}

struct start {
    struct step_options step;
    struct run_files files;
    struct run_pairs parameters, tags, groups;
    const char *id, *system, *state;
    bool is_export;
};

#define AT(member) offsetof(struct start, member)
static const struct cli_option table[] = {
    {"run-id", 0, OPTION_TEXT, .offset = AT(id)},
    {"system", 0, OPTION_TEXT, .offset = AT(system)},
    {"step", 0, OPTION_TEXT, .offset = AT(step.name)},
    {"job", 0, OPTION_TEXT, .offset = AT(step.job)},
    {"namespace", 0, OPTION_TEXT, .offset = AT(step.job_namespace)},
    {"input", 'i', OPTION_INPUT, .offset = AT(files)},
    {"output", 'o', OPTION_OUTPUT, .offset = AT(files)},
    {"hash-limit", 0, OPTION_SIZE, .offset = AT(files.hash_limit)},
    {"seq", 0, OPTION_NUMBER, .offset = AT(step.seq), .least = 0, .most = 999999},
    {"attempt", 0, OPTION_NUMBER, .offset = AT(step.attempt), .least = 1, .most = 999999},
    {"task-id", 0, OPTION_TEXT, .offset = AT(step.task_id)},
    {"param", 0, OPTION_PAIR, .offset = AT(parameters)},
    {"tag", 0, OPTION_PAIR, .offset = AT(tags)},
    {"group", 0, OPTION_PAIR, .offset = AT(groups)},
    {"runs", 0, OPTION_TEXT, .offset = AT(step.runs)},
    {"state", 0, OPTION_TEXT, .offset = AT(state)},
    {"export", 0, OPTION_FLAG, .offset = AT(is_export)},
    {"quiet", 'q', OPTION_FLAG, .offset = AT(step.is_quiet)},
    OPTION_END};
#undef AT

static int check(struct start *s)
{
    char id[OL_ID_SIZE];
    struct ol_error err = {.message = ""};
    const char *run_id = getenv("LINEAGE_RUN_ID");
    const char *problem = s->step.name != NULL ? receipt_step_problem(s->step.name) : NULL;
    if (problem != NULL)
        return cli_usage("start", "--step: '%.60s': %s", s->step.name, problem);
    if ((s->step.name != NULL) == (s->id != NULL))
        return cli_usage("start", "which run? expected --run-id or --step, so that 'lineage "
                                  "finish' finds it");
    if (s->id != NULL && ol_id_from_foreign(s->system, s->id, id, &err) != OL_OK)
        return cli_usage("start", "--run-id: %s", err.message);
    if (s->step.name != NULL && (run_id == NULL || run_id[0] == '\0'))
        return cli_usage("start", "--step: of which run? LINEAGE_RUN_ID is not set; begin one with "
                                  "'lineage begin'");
    if (s->step.name == NULL && (s->step.seq >= 0 || s->step.attempt > 0 || s->step.runs != NULL))
        return cli_usage("start", "options of receipts need --step NAME");
    if (s->step.job != NULL)
        return 0;
    if (s->step.name == NULL && s->step.argv == NULL)
        return cli_usage("start", "what is it? expected --job, --step or a command");
    s->step.job = s->step.name != NULL ? s->step.name : s->step.argv[0];
    return 0;
}

static int parse(int argc, char **argv, struct start *s)
{
    static const struct cli_options options = {
        .verb = "start", .table = table, .help = print_help, .stops_at_words = true};
    s->step.seq = -1;
    int result = cli_options_read(&options, argc, argv, s);
    if (result != 0)
        return result;
    if (optind < argc)
        s->step.argv = argv + optind;
    return check(s);
}

/* ---- what finish will need ---- */

static ol_status put(const struct start *s, const struct step *step, struct started *started,
                     struct ol_error *err)
{
    char folder[STARTED_TEXT_MAX], name[OL_ID_SIZE + sizeof ".json"];
    int fd = -1;
    if (step->is_taken)
        return started_put(step->attempt.fd, "started.json", started, err);
    if (!started_find_folder(s->state, folder))
        return ol__error_set(err, OL_INVALID, "where to note the run? expected --state DIR");
    ol_status status = ol__fs_make_directories(folder, 0700, err);
    if (status == OL_OK)
        status = ol__fs_open_directory(folder, &fd, err);
    snprintf(name, sizeof name, "%s.json", started->run_id);
    if (status == OL_OK && faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        status = ol__error_set(err, OL_BUSY, "run '%s' was started before and has not ended",
                               s->id != NULL ? s->id : started->run_id);
    if (status == OL_OK)
        status = started_put(fd, name, started, err);
    if (fd >= 0)
        close(fd);
    return status;
}

/* A file: by its absolute path, since who ends the run may stand elsewhere. */
static bool is_local(const struct receipt_artifact *a)
{
    return a->name_space != NULL && strcmp(a->name_space, "file") == 0 && a->name != NULL;
}

static ol_status note(struct start *s, const struct step *step, const struct ol_run *run,
                      struct ol_error *err)
{
    struct receipt_artifact *inputs = NULL, *outputs = NULL;
    struct ol__origin self = {.job_namespace = NULL};
    struct started started = {.foreign_id = s->id,
                              .foreign_system = s->system,
                              .parent_id = getenv("OPENLINEAGE_PARENT_ID"),
                              .root_id = getenv("OPENLINEAGE_ROOT_PARENT_ID"),
                              .started_ms = step->started_ms};
    ol_status status = ol__origin_parse(ol_run_parent_id(run), &self);
    if (status == OL_OK)
        status = run_files_list(&s->files, RUN_INPUT, &inputs, &started.input_count);
    if (status == OL_OK)
        status = run_files_list(&s->files, RUN_OUTPUT, &outputs, &started.output_count);
    const char **texts = calloc(started.output_count + 1, sizeof *texts);
    if (status == OL_OK && texts != NULL) {
        for (size_t i = 0; i < started.output_count; i++)
            texts[i] = is_local(&outputs[i]) ? outputs[i].name : outputs[i].path;
        started.run_id = self.run_id;
        started.job_namespace = self.job_namespace;
        started.job_name = self.job_name;
        started.inputs = inputs;
        started.outputs = texts;
        status = put(s, step, &started, err);
    } else {
        status = ol__error_set(err, OL_NOMEM, "out of memory");
    }
    ol__origin_release(&self);
    free(texts);
    free(inputs);
    free(outputs);
    return status;
}

static int print(const struct start *s, const struct step *step, const struct ol_run *run)
{
    static const char *const names[] = {"LINEAGE_RUN_ID",  "LINEAGE_RUNS",    "LINEAGE_STEP",
                                        "LINEAGE_ATTEMPT", "LINEAGE_TASK_ID", "LINEAGE_ATTEMPT_DIR",
                                        "TRACEPARENT",     "TRACESTATE",      "BAGGAGE"};
    if (s->is_export) {
        cli_print_parent(run);
        for (size_t i = 0; step->is_taken && i < OL_COUNT(names); i++) {
            if (getenv(names[i]) != NULL)
                cli_print_variable(names[i], getenv(names[i]));
        }
    } else {
        puts(ol_run_id(run));
    }
    return cli_print((struct ol__span){0}) ? CLI_YES : CLI_NO;
}

static int start(struct start *s)
{
    struct step step;
    struct ol_error err = {.message = "lineage is disabled"};
    struct ol_run *run = NULL;
    struct collect_run collected = {.what = 0};
    int result = CLI_NO;
    step_find(&step, &s->step);
    struct ol_client *client = pipeline_open_client(s->step.job_namespace, &s->step.is_quiet);
    if (s->step.name != NULL)
        run = step_begin(&step, client, &err);
    else if (client != NULL)
        OL_IGNORE(ol_run_new(client,
                             OL_MAKE(ol_run_options, .job_name = s->step.job, .foreign_id = s->id,
                                     .foreign_system = s->system, .is_detached = true),
                             &run, &err) < 0,
                  "said below");
    if (step.started_ms == 0)
        step.started_ms = ol__time_now_ms();
    ol_status status = run != NULL && (s->step.name == NULL || step.is_taken) ? OL_OK : OL_INVALID;
    if (status == OL_OK) {
        OL_IGNORE(ol_job_set_job_type(ol_run_job(run),
                                      OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                              .integration = "LINEAGE", .job_type = "COMMAND")) < 0,
                  "emit reports it");
        const struct collect_options around = {.what = step.is_taken ? COLLECT_DEFAULT : 0};
        collect_run_begin(&collected, &around, run, step.is_taken ? step.parts : NULL);
        run_command_describe(s->step.argv, run);
        run_pairs_describe(s->step.parameters, s->step.tags, s->step.groups, run);
        s->files.runs = step.runs;
        run_files_declare(&s->files, run);
        run_files_open_inputs(&s->files);
        if (run_files_has_inputs(&s->files))
            run_files_hash_inputs(&s->files);
        run_files_set_versions(&s->files);
        step_claim(&step, run);
        status = note(s, &step, run, &err);
    }
    if (status == OL_OK) {
        pipeline_emit(run, OL_START, step.started_ms, s->step.is_quiet);
        step_tell(&step, run);
        result = print(s, &step, run);
    } else {
        cli_say("not started: %s", err.message);
    }
    ol_run_free(run);
    step_close(&step, true);
    collect_run_release(&collected);
    if (client != NULL)
        OL_IGNORE(ol_client_close(client, 0, NULL) < 0, "its events are handed over or were said");
    return result;
}

int verb_start(int argc, char **argv)
{
    struct start s = {.files = {.hash_limit = (uint64_t)1 << 30}, .step = {.is_detached = true}};
    int result = parse(argc, argv, &s);
    if (result == 0) {
        s.step.parameters =
            (struct receipt_pairs){.items = s.parameters.items, .count = s.parameters.count};
        s.step.tags = (struct receipt_pairs){.items = s.tags.items, .count = s.tags.count};
        s.step.groups = (struct receipt_pairs){.items = s.groups.items, .count = s.groups.count};
        result = start(&s);
    }
    run_files_release(&s.files);
    free(s.parameters.items);
    free(s.tags.items);
    free(s.groups.items);
    return result < 0 ? CLI_YES : result;
}
