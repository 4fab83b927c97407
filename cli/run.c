/* SPDX-License-Identifier: Apache-2.0 */
/* lineage run [options] -- command ...
 *
 * Promises:
 *  1. The command sees what it would see without us: standard streams (closed ones, too), every
 * other descriptor, signal mask and dispositions, process group. Only OPENLINEAGE_PARENT_ID and
 *     OPENLINEAGE_ROOT_PARENT_ID are added to its environment, and OPENLINEAGE_CONTEXT, which would
 *     name another parent, is taken away.
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
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "cli.h"
#include "run_child.h"
#include "run_files.h"

struct run_options {
    const char *job;
    const char *job_namespace;
    const char *id, *system; /* another system's id for the run; NULL: a new one */
    struct run_files files;
    bool is_quiet;
};

static void print_help(void)
{
    puts(
        "Usage: lineage run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
        "Run COMMAND and record it as one run: START before, COMPLETE or FAIL after.\n"
        "\n"
        "  -i, --input FILE|URI     it reads this (again for each)\n"
        "  -o, --output FILE|URI    it writes this (again for each)\n"
        "      --job NAME           job name; default: the command's file name\n"
        "      --namespace NAME     job namespace; default: OPENLINEAGE_NAMESPACE, else 'default'\n"
        "      --run-id ID          the run's id: a UUID, or any id of a scheduler or tracker, "
        "from\n"
        "                           which one is computed (`lineage runs ID` finds it)\n"
        "      --system NAME        whose id that is, e.g. slurm:cluster-a\n"
        "      --hash-limit SIZE    files past this get no version (default 1GiB; 0: hash "
        "nothing)\n"
        "  -q, --quiet              say nothing about lineage on standard error\n"
        "  -h, --help\n"
        "\n"
        "Files are hashed (SHA-256): inputs beside the command, outputs after it. Exit status: "
        "the\n"
        "command's; 128+N if signal N ended it; 126 not executable; 127 not found; 2 wrong usage.");
}

static int parse(int argc, char **argv, struct run_options *o)
{
    enum { JOB = 256, NAMESPACE, HASH_LIMIT, RUN_ID, SYSTEM };
    static const struct option options[] = {{"input", required_argument, NULL, 'i'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"job", required_argument, NULL, JOB},
                                            {"namespace", required_argument, NULL, NAMESPACE},
                                            {"run-id", required_argument, NULL, RUN_ID},
                                            {"system", required_argument, NULL, SYSTEM},
                                            {"hash-limit", required_argument, NULL, HASH_LIMIT},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "+i:o:qh", options, NULL)) != -1) {
        ol_status st = OL_OK;
        switch (c) {
        case 'i':
            st = run_files_add(&o->files, RUN_INPUT, optarg);
            break;
        case 'o':
            st = run_files_add(&o->files, RUN_OUTPUT, optarg);
            break;
        case JOB:
            o->job = optarg;
            break;
        case NAMESPACE:
            o->job_namespace = optarg;
            break;
        case RUN_ID:
            o->id = optarg;
            break;
        case SYSTEM:
            o->system = optarg;
            break;
        case HASH_LIMIT:
            if (!run_files_parse_size(optarg, &o->files.hash_limit))
                return cli_usage("run", "--hash-limit: '%s' is no size (examples: 0, 64MiB, 2GiB)",
                                 optarg);
            break;
        case 'q':
            o->is_quiet = true;
            break;
        case 'h':
            print_help();
            return -1;
        default:
            return cli_usage("run", "see the message above");
        }
        if (st == OL_TOO_LARGE)
            return cli_usage("run", "more than %d inputs and outputs", RUN_FILES_MAX);
        if (st < 0) {
            cli_say("out of memory");
            return CLI_NO;
        }
    }
    if (optind >= argc)
        return cli_usage("run", "no command; expected: lineage run [options] -- command ...");
    char id[OL_ID_SIZE];
    struct ol_error err = {.message = ""};
    if (o->id != NULL && ol_id_from_foreign(o->system, o->id, id, &err) != OL_OK)
        return cli_usage("run", "--run-id: %s", err.message);
    if (o->system != NULL && o->id == NULL)
        return cli_usage("run", "--system: whose id? expected --run-id as well");
    if (o->job != NULL && o->job[0] == '\0')
        return cli_usage("run", "--job: a name must not be empty");
    return 0;
}

static void log_trouble(void *is_quiet, ol_status status, const char *message)
{
    (void)status;
    if (!*(bool *)is_quiet)
        cli_say("%s", message);
}

/** The run, or NULL after saying why there is none: the command runs all the same (promise 2). */
static struct ol_run *begin(struct run_options *o, char *command, struct ol_client **ret_client)
{
    struct ol_error err = {.message = ""};
    struct ol_run *run = NULL;
    const char *slash = strrchr(command, '/');
    const char *job = o->job != NULL                      ? o->job
                      : slash != NULL && slash[1] != '\0' ? slash + 1
                                                          : command;
    ol_status st = ol_client_open(
        OL_MAKE(ol_client_options,
                .producer = "https://github.com/lineaged/lineaged/tree/v" OL_VERSION "/cli",
                .job_namespace = o->job_namespace, .infer_abort = true, .engine_name = "lineage",
                .log = log_trouble, .log_arg = &o->is_quiet),
        ret_client, &err);
    if (st == OL_OK)
        st = ol_run_new(*ret_client,
                        OL_MAKE(ol_run_options, .job_name = job, .foreign_id = o->id,
                                .foreign_system = o->system),
                        &run, &err);
    if (st < 0 && !o->is_quiet)
        cli_say("nothing will be recorded: %s", err.message);
    return run;
}

static void emit(struct ol_run *run, enum ol_event event, bool is_quiet)
{
    struct ol_error err = {.message = ""};
    ol_status st = ol_run_emit(run, event, &err);
    if ((st < 0 || st == OL_PARTIAL) && !is_quiet)
        cli_say("%s: %s", st < 0 ? "event not recorded" : "event recorded in part", err.message);
}

/** Describe the run, emit START, and make it the parent of what the command emits. */
static void start(struct run_options *o, struct ol_run *run)
{
    OL_IGNORE(ol_job_set_job_type(ol_run_job(run),
                                  OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                          .integration = "LINEAGE", .job_type = "COMMAND")) < 0,
              "emit reports it");
    run_files_declare(&o->files, run);
    run_files_open_inputs(&o->files); /* before the command can change them */
    emit(run, OL_START, o->is_quiet);
    OL_IGNORE(unsetenv("OPENLINEAGE_CONTEXT") < 0, "its name is a name"); /* it would win */
    OL_IGNORE(setenv("OPENLINEAGE_PARENT_ID", ol_run_parent_id(run), 1) < 0 ||
                  setenv("OPENLINEAGE_ROOT_PARENT_ID", ol_run_root_parent_id(run), 1) < 0,
              "out of memory: the command runs without them");
}

static void finish(struct run_options *o, struct ol_run *run, const struct run_outcome *outcome)
{
    if (o->files.hash_limit > 0)
        run_files_hash_outputs(&o->files, o->is_quiet);
    run_files_set_versions(&o->files);
    if (outcome->exit_status != 0)
        OL_IGNORE(
            ol_run_set_error_message(run, OL_MAKE(ol_error_message, .message = outcome->message,
                                                  .programming_language = "shell")) < 0,
            "emit reports it");
    emit(run, outcome->exit_status == 0 ? OL_COMPLETE : OL_FAIL, o->is_quiet);
    ol_run_free(run);
}

int verb_run(int argc, char **argv)
{
    struct run_options o = {
        .files = {.hash_limit = (uint64_t)1 << 30, .is_hurried = run_child_is_hurried}};
    struct ol_client *client = NULL;
    struct run_child child;
    struct run_outcome outcome;
    pthread_t hasher;
    run_child_hold_streams();
    run_child_block_signals(&child);
    int result = parse(argc, argv, &o);
    if (result != 0) {
        run_files_release(&o.files);
        return result < 0 ? CLI_YES : result;
    }
    char **command = argv + optind;
    struct ol_run *run = begin(&o, command[0], &client);
    if (run != NULL)
        start(&o, run);
    bool has_inputs = run != NULL && run_files_has_inputs(&o.files);
    bool has_hasher =
        has_inputs && pthread_create(&hasher, NULL, run_files_hash_inputs, &o.files) == 0;
    run_child_run(&child, command, &outcome);
    if (has_hasher)
        pthread_join(hasher, NULL);
    else if (has_inputs)
        run_files_hash_inputs(&o.files);
    if (run != NULL)
        finish(&o, run, &outcome);
    if (client != NULL)
        OL_IGNORE(ol_client_close(client, 0, NULL) < 0,
                  "its events are handed over or were said above");
    run_files_release(&o.files);
    if (outcome.exec_errno != 0)
        cli_say("%s: %s", command[0], strerror(outcome.exec_errno));
    return outcome.exit_status;
}
