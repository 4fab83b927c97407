/* SPDX-License-Identifier: Apache-2.0 */
#include "run_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static void print_help(void)
{
    puts(
        "Usage: lineage run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
        "Run COMMAND and record it as one run: START before, COMPLETE or FAIL after.\n"
        "\n"
        "  -i, --input ARTIFACT     it reads this (again for each)\n"
        "  -o, --output ARTIFACT    it writes this (again for each): a file, a directory, a glob,\n"
        "                           @LIST (a file with one path a line), manifest:FILE (JSON\n"
        "                           lines with path or id, and sha256), or a URI\n"
        "      --job NAME           job name; default: the step, else the command's file name\n"
        "      --namespace NAME     job namespace; default: OPENLINEAGE_NAMESPACE, else 'default'\n"
        "      --run-id ID          the run's id: a UUID, or any id of a scheduler or tracker, "
        "from\n"
        "                           which one is computed (`lineage runs ID` finds it)\n"
        "      --system NAME        whose id that is, e.g. slurm:cluster-a\n"
        "      --hash-limit SIZE    files past this get no version (default 1GiB; 0: hash "
        "nothing)\n"
        "      --no-cache           ask no hashes of an earlier command, and leave none\n"
        "      --rehash             ask none, but leave new ones\n"
        "      --ok-codes N[,N]     these exit statuses are a success as well\n"
        "  -q, --quiet              say nothing about lineage on standard error\n"
        "  -h, --help\n"
        "\n"
        "Receipts, kept in a folder (spec/RECEIPT.md):\n"
        "      --step NAME          write one for this attempt at a step of the run that "
        "LINEAGE_RUN_ID\n"
        "                           names, or of a new run, which ends with the command\n"
        "      --seq N              the step's place among the others, in front of its folder's "
        "name\n"
        "      --attempt N          this attempt, which must be free; default: the next\n"
        "      --task-id ID         the scheduler's id; default: the one of the environment\n"
        "      --param, --tag, --group KEY=VALUE\n"
        "      --runs DIR           the runs folder; default: LINEAGE_RUNS, else runs\n"
        "      --pipeline NAME      job name of a new run as a whole; default: the folder's name\n"
        "\n"
        "Files are hashed (SHA-256): inputs beside the command, outputs after it. Exit status: "
        "the\n"
        "command's; 128+N if signal N ended it; 126 not executable; 127 not found; 2 wrong usage.");
}

const char *run_pairs_add(struct run_pairs *pairs, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return "expected KEY=VALUE";
    if (pairs->count == RUN_PAIRS_MAX)
        return "more than 1000";
    if (pairs->count == pairs->cap) {
        size_t cap = pairs->cap == 0 ? 16 : pairs->cap * 2;
        struct receipt_pair *items = realloc(pairs->items, cap * sizeof *items);
        if (items == NULL)
            return "out of memory";
        pairs->items = items;
        pairs->cap = cap;
    }
    *equals = '\0';
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->items[i].key, text) == 0) {
            pairs->items[i].value = equals + 1; /* the last counts, as for other options */
            return NULL;
        }
    }
    pairs->items[pairs->count++] = (struct receipt_pair){.key = text, .value = equals + 1};
    return NULL;
}

/* A whole number of at least @p least. */
static bool parse_number(const char *text, int64_t least, int64_t most, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (text[0] == '\0' || *end != '\0' || errno != 0 || n < least || n > most)
        return false;
    *ret = n;
    return true;
}

static bool parse_codes(const char *text, bool *is_ok)
{
    while (*text != '\0') {
        char *end;
        long n = strtol(text, &end, 10);
        if (end == text || n < 0 || n > RUN_OK_CODES_MAX || (*end != ',' && *end != '\0') ||
            (*end == ',' && end[1] == '\0'))
            return false;
        is_ok[n] = true;
        text = *end == ',' ? end + 1 : end;
    }
    return true;
}

enum option_code {
    JOB = 256,
    NAMESPACE,
    HASH_LIMIT,
    NO_CACHE,
    REHASH,
    RUN_ID,
    SYSTEM,
    OK_CODES,
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

/* Options of receipts. @return 0, or what to exit with. */
static int take_receipt_option(int code, struct run_options *o)
{
    const char *problem = NULL;
    switch (code) {
    case STEP:
        o->step = optarg;
        problem = receipt_step_problem(optarg);
        return problem == NULL ? 0 : cli_usage("run", "--step: '%.60s': %s", optarg, problem);
    case SEQ:
        return parse_number(optarg, 0, 999999, &o->seq)
                   ? 0
                   : cli_usage("run", "--seq: '%.60s': expected 0 to 999999", optarg);
    case ATTEMPT:
        return parse_number(optarg, 1, 999999, &o->attempt)
                   ? 0
                   : cli_usage("run", "--attempt: '%.60s': expected 1 to 999999", optarg);
    case TASK_ID:
        o->task_id = optarg;
        return 0;
    case RUNS:
        o->runs = optarg;
        return 0;
    case PIPELINE:
        o->pipeline = optarg;
        return 0;
    case PARAM:
        problem = run_pairs_add(&o->parameters, optarg);
        return problem == NULL ? 0 : cli_usage("run", "--param: '%.60s': %s", optarg, problem);
    case TAG:
        problem = run_pairs_add(&o->tags, optarg);
        return problem == NULL ? 0 : cli_usage("run", "--tag: '%.60s': %s", optarg, problem);
    case GROUP:
        problem = run_pairs_add(&o->groups, optarg);
        return problem == NULL ? 0 : cli_usage("run", "--group: '%.60s': %s", optarg, problem);
    default:
        return cli_usage("run", "see the message above");
    }
}

/* @return 0, or what to exit with. */
static int take_option(int code, struct run_options *o)
{
    ol_status st = OL_OK;
    switch (code) {
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
    case NO_CACHE:
        o->files.caching = ARTIFACT_CACHE_NONE;
        break;
    case REHASH:
        o->files.caching = ARTIFACT_CACHE_REFRESH;
        break;
    case OK_CODES:
        if (!parse_codes(optarg, o->is_ok))
            return cli_usage("run", "--ok-codes: '%.60s': expected exit statuses, e.g. 0,3",
                             optarg);
        break;
    case 'q':
        o->is_quiet = true;
        break;
    default:
        return take_receipt_option(code, o);
    }
    if (st == OL_TOO_LARGE)
        return cli_usage("run", "more than %d inputs and outputs", RUN_FILES_MAX);
    if (st < 0) {
        cli_say("out of memory");
        return CLI_NO;
    }
    return 0;
}

static int check(const struct run_options *o)
{
    char id[OL_ID_SIZE];
    struct ol_error err = {.message = ""};
    bool has_receipt_option = o->seq >= 0 || o->attempt > 0 || o->task_id != NULL ||
                              o->runs != NULL || o->pipeline != NULL || o->parameters.count > 0 ||
                              o->tags.count > 0 || o->groups.count > 0;
    if (o->id != NULL && ol_id_from_foreign(o->system, o->id, id, &err) != OL_OK)
        return cli_usage("run", "--run-id: %s", err.message);
    if (o->system != NULL && o->id == NULL)
        return cli_usage("run", "--system: whose id? expected --run-id as well");
    if (o->job != NULL && o->job[0] == '\0')
        return cli_usage("run", "--job: a name must not be empty");
    if (o->pipeline != NULL && o->pipeline[0] == '\0')
        return cli_usage("run", "--pipeline: a name must not be empty");
    if (o->step == NULL && has_receipt_option)
        return cli_usage("run", "options of receipts need --step NAME");
    if (o->step != NULL && o->id != NULL)
        return cli_usage("run", "--run-id: an attempt at a step has an id of its own; the "
                                "scheduler's goes into --task-id");
    return 0;
}

int run_options_parse(int argc, char **argv, struct run_options *o)
{
    static const struct option options[] = {{"input", required_argument, NULL, 'i'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"job", required_argument, NULL, JOB},
                                            {"namespace", required_argument, NULL, NAMESPACE},
                                            {"run-id", required_argument, NULL, RUN_ID},
                                            {"system", required_argument, NULL, SYSTEM},
                                            {"hash-limit", required_argument, NULL, HASH_LIMIT},
                                            {"no-cache", no_argument, NULL, NO_CACHE},
                                            {"rehash", no_argument, NULL, REHASH},
                                            {"ok-codes", required_argument, NULL, OK_CODES},
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
    o->seq = -1;
    o->is_ok[0] = true;
    for (int c; (c = getopt_long(argc, argv, "+i:o:qh", options, NULL)) != -1;) {
        if (c == 'h') {
            print_help();
            return -1;
        }
        int result = take_option(c, o);
        if (result != 0)
            return result;
    }
    if (optind >= argc)
        return cli_usage("run", "no command; expected: lineage run [options] -- command ...");
    return check(o);
}

void run_options_release(struct run_options *o)
{
    run_files_release(&o->files);
    free(o->parameters.items);
    free(o->tags.items);
    free(o->groups.items);
}
