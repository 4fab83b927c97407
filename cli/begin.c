/* SPDX-License-Identifier: Apache-2.0 */
/* lineage begin, lineage end: a run as a whole, for those whose steps are not below one command. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "options.h"
#include "pipeline.h"
#include "run_options.h"

static void print_begin_help(void)
{
    puts(
        "Usage: lineage begin [OPTION]...\n"
        "Begin a run of several steps, each a `lineage run --step`; print its run_id.\n"
        "\n"
        "      --pipeline NAME      job name of the run as a whole; default: the folder's name\n"
        "      --namespace NAME     job namespace; default: OPENLINEAGE_NAMESPACE, else 'default'\n"
        "      --runs DIR           the runs folder; default: LINEAGE_RUNS, else runs\n"
        "      --param, --tag, --group KEY=VALUE\n"
        "      --input NAME=FILE|URI  what the run as a whole starts from: inputs/NAME.json\n"
        "      --hash-limit SIZE    files past this get no hash (default 1GiB; 0: hash nothing)\n"
        "      --resume RUN_ID      go on with this run instead, which must not have ended;\n"
        "                           'last': with the newest such in the runs folder\n"
        "      --export             print the shell commands that hand the run on: "
        "eval \"$(lineage begin --export)\"\n"
        "  -q, --quiet              say nothing about lineage on standard error\n"
        "  -h, --help\n"
        "\n"
        "Exit status: 0; 1 the folder cannot be written, or the run to resume has ended; 2 usage; "
        "3 no\n"
        "such run.");
}

void cli_print_variable(const char *name, const char *value)
{
    printf("export %s='", name);
    for (; *value != '\0'; value++) {
        if (*value == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*value);
    }
    puts("'");
}

void cli_print_parent(const struct ol_run *run)
{
    cli_print_variable("OPENLINEAGE_PARENT_ID", ol_run_parent_id(run));
    cli_print_variable("OPENLINEAGE_ROOT_PARENT_ID", ol_run_root_parent_id(run));
    if (getenv("OPENLINEAGE_CONTEXT") != NULL) /* it would win (docs/context.md) */
        puts("unset OPENLINEAGE_CONTEXT");
}

static int print_run(const struct receipt_folder *folder, const struct ol_run *root, bool is_export)
{
    if (is_export) {
        cli_print_variable("LINEAGE_RUN_ID", folder->run_id);
        cli_print_variable("LINEAGE_RUNS", folder->runs);
        if (root != NULL)
            cli_print_parent(root);
    } else {
        puts(folder->run_id);
    }
    return cli_print((struct ol__span){0}) ? CLI_YES : CLI_NO;
}

#define BEGIN_INPUTS_MAX 1000

struct begin_options {
    const char *runs, *pipeline, *job_namespace, *resume;
    struct run_pairs parameters, tags, groups;
    struct run_files inputs;
    const char *input_names[BEGIN_INPUTS_MAX];
    bool is_export, is_quiet;
};

/* "NAME=FILE|URI", split in place. */
static const char *add_input(void *into, char *text)
{
    struct begin_options *o = into;
    char *equals = strchr(text, '=');
    if (equals == NULL || equals[1] == '\0')
        return "expected NAME=FILE or NAME=URI";
    *equals = '\0';
    const char *problem = receipt_step_problem(text);
    if (problem != NULL)
        return problem;
    for (size_t i = 0; i < o->inputs.count; i++) {
        if (strcmp(o->input_names[i], text) == 0)
            return "two are called that";
    }
    if (o->inputs.count == BEGIN_INPUTS_MAX)
        return "more than 1000";
    o->input_names[o->inputs.count] = text;
    return run_files_add(&o->inputs, RUN_INPUT, equals + 1) == OL_OK ? NULL : "out of memory";
}

static int check_begin(int argc, char **argv, const struct begin_options *o)
{
    if (optind < argc)
        return cli_usage("begin", "'%.60s': no argument is expected", argv[optind]);
    if (o->resume != NULL &&
        (o->pipeline != NULL || o->job_namespace != NULL || o->inputs.count > 0 ||
         o->parameters.count > 0 || o->tags.count > 0 || o->groups.count > 0))
        return cli_usage("begin", "--resume: the run has been described when it was begun; only "
                                  "--runs, --export and --quiet go with it");
    return 0;
}

/* @return 0; below 0: help was printed; else what to exit with. */
static int parse_begin(int argc, char **argv, struct begin_options *o)
{
#define AT(member) offsetof(struct begin_options, member)
    static const struct cli_option table[] = {
        {"pipeline", 0, OPTION_TEXT, .offset = AT(pipeline)},
        {"namespace", 0, OPTION_ANY_TEXT, .offset = AT(job_namespace)},
        {"runs", 0, OPTION_ANY_TEXT, .offset = AT(runs)},
        {"param", 0, OPTION_PAIR, .offset = AT(parameters)},
        {"tag", 0, OPTION_PAIR, .offset = AT(tags)},
        {"group", 0, OPTION_PAIR, .offset = AT(groups)},
        {"export", 0, OPTION_FLAG, .offset = AT(is_export)},
        {"input", 0, OPTION_CALL, .call = add_input},
        {"hash-limit", 0, OPTION_SIZE, .offset = AT(inputs.hash_limit)},
        {"resume", 0, OPTION_ANY_TEXT, .offset = AT(resume)},
        {"quiet", 'q', OPTION_FLAG, .offset = AT(is_quiet)},
        OPTION_END};
#undef AT
    static const struct cli_options options = {
        .verb = "begin", .table = table, .help = print_begin_help};
    int result = cli_options_read(&options, argc, argv, o);
    return result != 0 ? result : check_begin(argc, argv, o);
}

static ol_status begin(struct begin_options *o, const char *runs, struct ol_client *client,
                       struct receipt_folder *folder, struct ol_run **root, struct ol_error *err)
{
    const struct pipeline_options p = {
        .runs = runs,
        .job_namespace = o->job_namespace,
        .name = o->pipeline,
        .is_quiet = o->is_quiet,
        .is_detached = true,
        .inputs = &o->inputs,
        .input_names = o->input_names,
        .parameters = {.items = o->parameters.items, .count = o->parameters.count},
        .tags = {.items = o->tags.items, .count = o->tags.count},
        .groups = {.items = o->groups.items, .count = o->groups.count}};
    return pipeline_begin(&p, client, folder, root, err);
}

/* Its steps have the folder; whoever watches the events is told that it goes on. */
static void tell_resumed(const struct begin_options *o, const struct receipt_folder *folder,
                         struct ol_client *client, struct ol_run **root)
{
    struct ol_error why = {.message = ""};
    *root = pipeline_root(folder, client, &why);
    if (*root != NULL)
        pipeline_emit(*root, OL_RUNNING, 0, o->is_quiet);
    else if (client != NULL && !o->is_quiet)
        cli_say("no event for the run: %s", why.message);
}

/* A shell that ended a run goes on with its variables: what begins there is not below that run. */
static void leave_ended_run(void)
{
    const char *run_id = getenv("LINEAGE_RUN_ID");
    struct receipt_folder folder = {.fd = -1};
    char *runs = NULL;
    if (run_id != NULL && receipt_find_runs(NULL, &runs, NULL) == OL_OK &&
        receipt_folder_open(runs, run_id, &folder, NULL) == OL_OK && receipt_is_sealed(&folder))
        pipeline_step_out(&folder);
    receipt_folder_close(&folder);
    free(runs);
}

int verb_begin(int argc, char **argv)
{
    struct begin_options o = {.inputs = {.hash_limit = (uint64_t)1 << 30}};
    struct ol_error err = {.message = ""};
    struct ol_client *client = NULL;
    struct ol_run *root = NULL;
    struct receipt_folder folder = {.fd = -1};
    char *runs = NULL;
    int result = parse_begin(argc, argv, &o);
    if (result == 0) {
        ol_status status = receipt_find_runs(o.runs, &runs, &err);
        if (status == OL_OK && o.resume != NULL)
            status = pipeline_resume(runs, o.resume, &folder, &err);
        if (status == OL_OK && o.resume != NULL)
            pipeline_step_out(&folder);
        else if (status == OL_OK)
            leave_ended_run();
        if (status == OL_OK)
            client = pipeline_open_client(o.job_namespace, &o.is_quiet);
        if (status == OL_OK && o.resume != NULL)
            tell_resumed(&o, &folder, client, &root);
        else if (status == OL_OK)
            status = begin(&o, runs, client, &folder, &root, &err);
        if (status == OL_OK)
            result = print_run(&folder, root, o.is_export);
        else
            cli_say("%s", err.message);
        if (status != OL_OK)
            result = status == OL_INVALID     ? CLI_USAGE
                     : status == OL_NOT_FOUND ? CLI_NOT_KNOWN
                                              : CLI_NO;
    }
    ol_run_free(root);
    if (client != NULL)
        OL_IGNORE(ol_client_close(client, 0, NULL) < 0, "its events are handed over or were said");
    receipt_folder_close(&folder);
    free(runs);
    run_files_release(&o.inputs);
    free(o.parameters.items);
    free(o.tags.items);
    free(o.groups.items);
    return result < 0 ? CLI_YES : result;
}

/* ---- end ---- */

struct end_options {
    const char *runs, *run_id;
    enum ol_event event;
    bool is_quiet;
};

static void print_end_help(void)
{
    puts("Usage: lineage end [OPTION]... [RUN_ID]\n"
         "End the run that LINEAGE_RUN_ID or RUN_ID names: seal its folder, emit COMPLETE.\n"
         "\n"
         "      --fail, --abort      it ended otherwise: emit FAIL, or ABORT\n"
         "      --runs DIR           the runs folder; default: LINEAGE_RUNS, else runs\n"
         "  -q, --quiet              say nothing about lineage on standard error\n"
         "  -h, --help\n"
         "\n"
         "Exit status: 0; 1 it is ended already, or cannot be written; 2 usage; 3 no such run.");
}

static const char *set_fail(void *into, char *text OL_UNUSED)
{
    ((struct end_options *)into)->event = OL_FAIL;
    return NULL;
}

static const char *set_abort(void *into, char *text OL_UNUSED)
{
    ((struct end_options *)into)->event = OL_ABORT;
    return NULL;
}

static int parse_end(int argc, char **argv, struct end_options *o)
{
    static const struct cli_option table[] = {
        {"runs", 0, OPTION_ANY_TEXT, .offset = offsetof(struct end_options, runs)},
        {"fail", 0, OPTION_CALL_FLAG, .call = set_fail},
        {"abort", 0, OPTION_CALL_FLAG, .call = set_abort},
        {"quiet", 'q', OPTION_FLAG, .offset = offsetof(struct end_options, is_quiet)},
        OPTION_END};
    static const struct cli_options options = {
        .verb = "end", .table = table, .help = print_end_help};
    int result = cli_options_read(&options, argc, argv, o);
    if (result != 0)
        return result;
    o->run_id = optind < argc ? argv[optind++] : getenv("LINEAGE_RUN_ID");
    if (optind < argc)
        return cli_usage("end", "'%.60s': one run is expected", argv[optind]);
    if (o->run_id == NULL || o->run_id[0] == '\0')
        return cli_usage("end", "which run? expected RUN_ID, or LINEAGE_RUN_ID in the environment");
    return 0;
}

int verb_end(int argc, char **argv)
{
    struct end_options o = {.event = OL_COMPLETE};
    struct ol_error err = {.message = ""}, why = {.message = ""};
    struct receipt_folder folder = {.fd = -1};
    char *runs = NULL;
    int result = parse_end(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    ol_status status = receipt_find_runs(o.runs, &runs, &err);
    if (status == OL_OK)
        status = receipt_folder_open(runs, o.run_id, &folder, &err);
    if (status == OL_OK) {
        pipeline_step_out(&folder);
        struct ol_client *client = pipeline_open_client(NULL, &o.is_quiet);
        struct ol_run *root = pipeline_root(&folder, client, &why);
        if (client != NULL && root == NULL && !o.is_quiet)
            cli_say("no event for the run: %s", why.message);
        status = pipeline_end(&folder, root, o.event, o.is_quiet, &err);
        ol_run_free(root);
        if (client != NULL)
            OL_IGNORE(ol_client_close(client, 0, NULL) < 0,
                      "its events are handed over or were said");
    }
    receipt_folder_close(&folder);
    free(runs);
    if (status == OL_OK)
        return CLI_YES;
    cli_say("%s", err.message);
    return status == OL_INVALID ? CLI_USAGE : status == OL_NOT_FOUND ? CLI_NOT_KNOWN : CLI_NO;
}
