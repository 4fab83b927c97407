/* SPDX-License-Identifier: Apache-2.0 */
#include "run_help.h"
#include "run_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "collect_run.h"
#include "receipt/redact.h"

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

/* "200ms", "60s", "5m", "1h". */
static bool parse_time(const char *text, int64_t least_ms, int64_t most_ms, int64_t *ret)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    char *end;
    errno = 0;
    double n = strtod(text, &end);
    if (text[0] < '0' || text[0] > '9' || errno != 0)
        return false;
    for (size_t i = 0; i < OL_COUNT(units); i++) {
        double ms = n * (double)units[i].ms;
        if (strcmp(end, units[i].unit) == 0 && ms >= (double)least_ms && ms <= (double)most_ms) {
            *ret = (int64_t)ms;
            return true;
        }
    }
    return false;
}

/* REF@sha256:HEX */
static bool is_image(const char *text)
{
    const char *at = strrchr(text, '@');
    const char *colon = at != NULL ? strchr(at, ':') : NULL;
    return at != NULL && at > text && colon != NULL && colon > at + 1 && strlen(colon + 1) >= 32 &&
           strspn(colon + 1, "0123456789abcdef") == strlen(colon + 1);
}

enum option_code {
    JOB = 256,
    NAMESPACE,
    HASH_LIMIT,
    NO_CACHE,
    REHASH,
    RUN_ID,
    SYSTEM,
    DERIVE_ID,
    OK_CODES,
    STEP,
    SEQ,
    ATTEMPT,
    TASK_ID,
    IF_NEEDED,
    RUNS,
    PIPELINE,
    KEEP,
    KEEP_LIMIT,
    PARAM,
    TAG,
    GROUP,
    METRIC,
    ROWS,
    FACET,
    ENV,
    IMAGE,
    GIT,
    COLLECT,
    REDACT,
    NO_ARGV,
    GATE,
    GATE_TIMEOUT,
    HEARTBEAT,
    EMIT_TIMEOUT,
    LOG,
    ABORT_ON_SIGNAL,
    STRICT,
    OFFLINE,
    DRY_RUN
};

static const struct option options[] = {{"input", required_argument, NULL, 'i'},
                                        {"output", required_argument, NULL, 'o'},
                                        {"job", required_argument, NULL, JOB},
                                        {"namespace", required_argument, NULL, NAMESPACE},
                                        {"run-id", required_argument, NULL, RUN_ID},
                                        {"system", required_argument, NULL, SYSTEM},
                                        {"derive-id", required_argument, NULL, DERIVE_ID},
                                        {"hash-limit", required_argument, NULL, HASH_LIMIT},
                                        {"no-cache", no_argument, NULL, NO_CACHE},
                                        {"rehash", no_argument, NULL, REHASH},
                                        {"ok-codes", required_argument, NULL, OK_CODES},
                                        {"abort-on-signal", no_argument, NULL, ABORT_ON_SIGNAL},
                                        {"step", required_argument, NULL, STEP},
                                        {"seq", required_argument, NULL, SEQ},
                                        {"attempt", required_argument, NULL, ATTEMPT},
                                        {"task-id", required_argument, NULL, TASK_ID},
                                        {"if-needed", no_argument, NULL, IF_NEEDED},
                                        {"runs", required_argument, NULL, RUNS},
                                        {"pipeline", required_argument, NULL, PIPELINE},
                                        {"keep", required_argument, NULL, KEEP},
                                        {"keep-limit", required_argument, NULL, KEEP_LIMIT},
                                        {"param", required_argument, NULL, PARAM},
                                        {"tag", required_argument, NULL, TAG},
                                        {"group", required_argument, NULL, GROUP},
                                        {"metric", required_argument, NULL, METRIC},
                                        {"rows", required_argument, NULL, ROWS},
                                        {"facet", required_argument, NULL, FACET},
                                        {"env", required_argument, NULL, ENV},
                                        {"image", required_argument, NULL, IMAGE},
                                        {"git", no_argument, NULL, GIT},
                                        {"collect", required_argument, NULL, COLLECT},
                                        {"redact", required_argument, NULL, REDACT},
                                        {"no-argv", no_argument, NULL, NO_ARGV},
                                        {"gate", required_argument, NULL, GATE},
                                        {"gate-timeout", required_argument, NULL, GATE_TIMEOUT},
                                        {"heartbeat", required_argument, NULL, HEARTBEAT},
                                        {"emit-timeout", required_argument, NULL, EMIT_TIMEOUT},
                                        {"log", required_argument, NULL, LOG},
                                        {"strict", no_argument, NULL, STRICT},
                                        {"offline", no_argument, NULL, OFFLINE},
                                        {"dry-run", no_argument, NULL, DRY_RUN},
                                        {"quiet", no_argument, NULL, 'q'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

/* Options that are taken as they are. */
static const struct {
    int code;
    size_t offset; /* of a text, or a bool where the option has no argument */
} plain[] = {{JOB, offsetof(struct run_options, job)},
             {NAMESPACE, offsetof(struct run_options, job_namespace)},
             {RUN_ID, offsetof(struct run_options, id)},
             {SYSTEM, offsetof(struct run_options, system)},
             {DERIVE_ID, offsetof(struct run_options, derive_id)},
             {TASK_ID, offsetof(struct run_options, task_id)},
             {IF_NEEDED, offsetof(struct run_options, if_needed)},
             {RUNS, offsetof(struct run_options, runs)},
             {PIPELINE, offsetof(struct run_options, pipeline)},
             {GIT, offsetof(struct run_options, has_git)},
             {LOG, offsetof(struct run_options, log)},
             {NO_ARGV, offsetof(struct run_options, has_no_argv)},
             {ABORT_ON_SIGNAL, offsetof(struct run_options, aborts_on_signal)},
             {STRICT, offsetof(struct run_options, is_strict)},
             {OFFLINE, offsetof(struct run_options, is_offline)},
             {DRY_RUN, offsetof(struct run_options, is_dry)},
             {'q', offsetof(struct run_options, is_quiet)}};

static bool take_plain(int code, struct run_options *o)
{
    for (size_t i = 0; i < OL_COUNT(plain); i++) {
        void *member = (char *)o + plain[i].offset;
        if (plain[i].code != code)
            continue;
        if (optarg != NULL)
            *(const char **)member = optarg;
        else
            *(bool *)member = true;
        return true;
    }
    return false;
}

static const char *problem_of(ol_status status, const char *too_many)
{
    return status == OL_OK ? NULL : status == OL_TOO_LARGE ? too_many : "out of memory";
}

static const char *add_gate(struct run_gates *gates, const char *command)
{
    if (gates->count == RUN_GATES_MAX)
        return "more than 100";
    gates->items[gates->count++].command = command;
    return command[0] != '\0' ? NULL : "expected a command";
}

static const char *add_expression(const char *expression)
{
    static char message[sizeof(struct ol_error)]; /* until it is said, at once */
    struct ol_error err = {.message = ""};
    if (redact_add(expression, &err) == OL_OK)
        return NULL;
    snprintf(message, sizeof message, "%s", err.message);
    return message;
}

/* Those of which there may be several. @return NULL, or what is wrong. */
static const char *add(int code, struct run_options *o)
{
    switch (code) {
    case 'i':
        return problem_of(run_files_add(&o->files, RUN_INPUT, optarg),
                          "more than 10000 inputs and outputs");
    case 'o':
        return problem_of(run_files_add(&o->files, RUN_OUTPUT, optarg),
                          "more than 10000 inputs and outputs");
    case KEEP:
        return problem_of(run_keep_add(&o->keep, optarg), "more than 1000");
    case PARAM:
        return run_pairs_add(&o->parameters, optarg);
    case TAG:
        return run_pairs_add(&o->tags, optarg);
    case GROUP:
        return run_pairs_add(&o->groups, optarg);
    case METRIC:
        return run_told_add_metric(&o->told, optarg);
    case ROWS:
        return run_told_add_rows(&o->told, optarg);
    case FACET:
        return run_facets_add(&o->facets, optarg);
    case ENV:
        return run_environment_add(&o->environment, optarg);
    case REDACT:
        return add_expression(optarg);
    case GATE:
        return add_gate(&o->gates, optarg);
    default:
        return "see the message above";
    }
}

/* Those that are read. @return NULL, or what is wrong; "": it is none of them. */
static const char *read_value(int code, struct run_options *o)
{
    static const char size[] = "is no size; expected e.g. 0, 64MiB, 2GiB";
    switch (code) {
    case STEP:
        o->step = optarg;
        return receipt_step_problem(optarg);
    case SEQ:
        return parse_number(optarg, 0, 999999, &o->seq) ? NULL : "expected 0 to 999999";
    case ATTEMPT:
        return parse_number(optarg, 1, 999999, &o->attempt) ? NULL : "expected 1 to 999999";
    case HASH_LIMIT:
        return run_files_parse_size(optarg, &o->files.hash_limit) ? NULL : size;
    case KEEP_LIMIT:
        if (!run_files_parse_size(optarg, &o->keep.limit))
            return size;
        return o->keep.limit <= RECEIPT_KEEP_LIMIT_MAX ? NULL : "expected at most 256MiB";
    case NO_CACHE:
        o->files.caching = ARTIFACT_CACHE_NONE;
        return NULL;
    case REHASH:
        o->files.caching = ARTIFACT_CACHE_REFRESH;
        return NULL;
    case OK_CODES:
        return parse_codes(optarg, o->is_ok) ? NULL : "expected exit statuses, e.g. 0,3";
    case IMAGE:
        o->image = optarg;
        return is_image(optarg) ? NULL : "expected REF@sha256:HEX";
    case COLLECT:
        o->is_collect_given = true;
        return collect_run_parse(optarg, &o->collects)
                   ? NULL
                   : "expected code, git, machine, gpu, container, tools, seeds, dvc, all or none, "
                     "with commas";
    case GATE_TIMEOUT:
        return parse_time(optarg, 1, 86400000, &o->gates.timeout_ms)
                   ? NULL
                   : "expected a time of 1ms to 24h, e.g. 60s";
    case HEARTBEAT:
        return parse_time(optarg, 100, 86400000, &o->heartbeat_ms)
                   ? NULL
                   : "expected a time of 100ms to 24h, e.g. 60s";
    case EMIT_TIMEOUT:
        return parse_time(optarg, 1, 60000, &o->emit_timeout_ms)
                   ? NULL
                   : "expected a time of 1ms to 60s, e.g. 200ms";
    default:
        return "";
    }
}

static int complain(int code, const char *problem)
{
    for (const struct option *option = options; option->name != NULL; option++) {
        if (option->val == code)
            return cli_usage("run", "--%s: '%.60s': %s", option->name, optarg, problem);
    }
    return cli_usage("run", "%s", problem); /* getopt has said it */
}

/* @return 0, or what to exit with. */
static int take_option(int code, struct run_options *o)
{
    if (take_plain(code, o))
        return 0;
    const char *problem = read_value(code, o);
    if (problem != NULL && problem[0] == '\0')
        problem = add(code, o);
    if (problem == NULL)
        return 0;
    if (strcmp(problem, "out of memory") == 0) {
        cli_say("out of memory");
        return CLI_NO;
    }
    return complain(code, problem);
}

static int check_ids(const struct run_options *o)
{
    char id[OL_ID_SIZE];
    struct ol_error err = {.message = ""};
    if (o->id != NULL && ol_id_from_foreign(o->system, o->id, id, &err) != OL_OK)
        return cli_usage("run", "--run-id: %s", err.message);
    if (o->system != NULL && o->id == NULL)
        return cli_usage("run", "--system: whose id? expected --run-id as well");
    if (o->derive_id != NULL && o->id != NULL)
        return cli_usage("run", "--derive-id: the run has one by --run-id already");
    if (o->derive_id != NULL && (o->derive_id[0] == '\0' || strlen(o->derive_id) > 1024))
        return cli_usage("run", "--derive-id: expected 1 to 1024 bytes");
    if (o->step != NULL && (o->id != NULL || o->derive_id != NULL))
        return cli_usage("run",
                         "%s: an attempt at a step has an id of its own; the "
                         "scheduler's goes into --task-id",
                         o->id != NULL ? "--run-id" : "--derive-id");
    return 0;
}

static int check(const struct run_options *o)
{
    bool has_receipt_option = o->seq >= 0 || o->if_needed || o->attempt > 0 || o->task_id != NULL ||
                              o->runs != NULL || o->pipeline != NULL || o->keep.path_count > 0;
    const char *stranger = run_told_find_stranger(&o->told, &o->files);
    if (o->job != NULL && o->job[0] == '\0')
        return cli_usage("run", "--job: a name must not be empty");
    if (o->pipeline != NULL && o->pipeline[0] == '\0')
        return cli_usage("run", "--pipeline: a name must not be empty");
    if (o->step == NULL && has_receipt_option)
        return cli_usage("run", "options of receipts need --step NAME");
    if (stranger != NULL)
        return cli_usage("run", "--rows: '%.60s': expected what an -i or -o says", stranger);
    return check_ids(o);
}

int run_options_parse(int argc, char **argv, struct run_options *o)
{
    o->seq = -1;
    o->is_ok[0] = true;
    o->gates.timeout_ms = RUN_GATE_TIMEOUT_MS;
    o->keep.limit = RECEIPT_KEEP_LIMIT;
    for (int c; (c = getopt_long(argc, argv, "+i:o:qh", options, NULL)) != -1;) {
        if (c == 'h') {
            run_help_print();
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
    run_told_release(&o->told);
    run_facets_release(&o->facets);
    run_environment_release(&o->environment);
    run_keep_release(&o->keep);
    ol__buf_release(&o->container);
}
