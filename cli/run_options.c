/* SPDX-License-Identifier: Apache-2.0 */
#include "run_help.h"
#include "run_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "collect_run.h"
#include "options.h"
#include "receipt/redact.h"

const char *run_pairs_add(struct run_pairs *pairs, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return "expected KEY=VALUE";
    if (pairs->count == RUN_PAIRS_MAX)
        return "more than 1000";
    if (pairs->count == pairs->cap) {
        struct receipt_pair *items = ol__grow(pairs->items, &pairs->cap, sizeof *items);
        if (items == NULL)
            return "out of memory";
        pairs->items = items;
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

/* REF@sha256:HEX */
static bool is_image(const char *text)
{
    const char *at = strrchr(text, '@');
    const char *colon = at != NULL ? strchr(at, ':') : NULL;
    return at != NULL && at > text && colon != NULL && colon > at + 1 && strlen(colon + 1) >= 32 &&
           strspn(colon + 1, "0123456789abcdef") == strlen(colon + 1);
}

static const char *add_keep(void *into, char *text)
{
    ol_status status = run_keep_add(&((struct run_options *)into)->keep, text);
    return status == OL_OK ? NULL : status == OL_TOO_LARGE ? "more than 1000" : "out of memory";
}

static const char *add_metric(void *into, char *text)
{
    return run_told_add_metric(&((struct run_options *)into)->told, text);
}

static const char *add_rows(void *into, char *text)
{
    return run_told_add_rows(&((struct run_options *)into)->told, text);
}

static const char *add_facet(void *into, char *text)
{
    return run_facets_add(&((struct run_options *)into)->facets, text);
}

static const char *add_variables(void *into, char *text)
{
    return run_environment_add(&((struct run_options *)into)->environment, text);
}

static const char *add_gate(void *into, char *command)
{
    struct run_gates *gates = &((struct run_options *)into)->gates;
    if (gates->count == RUN_GATES_MAX)
        return "more than 100";
    gates->items[gates->count++].command = command;
    return command[0] != '\0' ? NULL : "expected a command";
}

static const char *add_expression(void *into OL_UNUSED, char *expression)
{
    static char message[sizeof(struct ol_error)]; /* until it is said, at once */
    struct ol_error err = {.message = ""};
    if (redact_add(expression, &err) == OL_OK)
        return NULL;
    snprintf(message, sizeof message, "%s", err.message);
    return message;
}

static const char *set_step(void *into, char *name)
{
    ((struct run_options *)into)->step = name;
    return receipt_step_problem(name);
}

static const char *set_keep_limit(void *into, char *text)
{
    uint64_t *limit = &((struct run_options *)into)->keep.limit;
    if (!run_files_parse_size(text, limit))
        return "is no size; expected e.g. 0, 64MiB, 2GiB";
    return *limit <= RECEIPT_KEEP_LIMIT_MAX ? NULL : "expected at most 256MiB";
}

static const char *set_no_cache(void *into, char *text OL_UNUSED)
{
    ((struct run_options *)into)->files.caching = ARTIFACT_CACHE_NONE;
    return NULL;
}

static const char *set_rehash(void *into, char *text OL_UNUSED)
{
    ((struct run_options *)into)->files.caching = ARTIFACT_CACHE_REFRESH;
    return NULL;
}

static const char *set_codes(void *into, char *text)
{
    return parse_codes(text, ((struct run_options *)into)->is_ok)
               ? NULL
               : "expected exit statuses, e.g. 0,3";
}

static const char *set_image(void *into, char *text)
{
    ((struct run_options *)into)->image = text;
    return is_image(text) ? NULL : "expected REF@sha256:HEX";
}

static const char *set_collect(void *into, char *text)
{
    struct run_options *o = into;
    o->is_collect_given = true;
    return collect_run_parse(text, &o->collects)
               ? NULL
               : "expected code, git, machine, gpu, container, tools, seeds, dvc, all or none, "
                 "with commas";
}

#define AT(member) offsetof(struct run_options, member)
static const struct cli_option table[] = {
    {"input", 'i', OPTION_INPUT, .offset = AT(files)},
    {"output", 'o', OPTION_OUTPUT, .offset = AT(files)},
    {"job", 0, OPTION_TEXT, .offset = AT(job)},
    {"namespace", 0, OPTION_ANY_TEXT, .offset = AT(job_namespace)},
    {"run-id", 0, OPTION_ANY_TEXT, .offset = AT(id)},
    {"system", 0, OPTION_ANY_TEXT, .offset = AT(system)},
    {"derive-id", 0, OPTION_ANY_TEXT, .offset = AT(derive_id)},
    {"hash-limit", 0, OPTION_SIZE, .offset = AT(files.hash_limit)},
    {"no-cache", 0, OPTION_CALL_FLAG, .call = set_no_cache},
    {"rehash", 0, OPTION_CALL_FLAG, .call = set_rehash},
    {"ok-codes", 0, OPTION_CALL, .call = set_codes},
    {"abort-on-signal", 0, OPTION_FLAG, .offset = AT(aborts_on_signal)},
    {"step", 0, OPTION_CALL, .call = set_step},
    {"seq", 0, OPTION_NUMBER, .offset = AT(seq), .least = 0, .most = 999999},
    {"attempt", 0, OPTION_NUMBER, .offset = AT(attempt), .least = 1, .most = 999999},
    {"task-id", 0, OPTION_ANY_TEXT, .offset = AT(task_id)},
    {"if-needed", 0, OPTION_FLAG, .offset = AT(if_needed)},
    {"runs", 0, OPTION_ANY_TEXT, .offset = AT(runs)},
    {"pipeline", 0, OPTION_TEXT, .offset = AT(pipeline)},
    {"keep", 0, OPTION_CALL, .call = add_keep},
    {"keep-limit", 0, OPTION_CALL, .call = set_keep_limit},
    {"param", 0, OPTION_PAIR, .offset = AT(parameters)},
    {"tag", 0, OPTION_PAIR, .offset = AT(tags)},
    {"group", 0, OPTION_PAIR, .offset = AT(groups)},
    {"metric", 0, OPTION_CALL, .call = add_metric},
    {"rows", 0, OPTION_CALL, .call = add_rows},
    {"facet", 0, OPTION_CALL, .call = add_facet},
    {"env", 0, OPTION_CALL, .call = add_variables},
    {"image", 0, OPTION_CALL, .call = set_image},
    {"git", 0, OPTION_FLAG, .offset = AT(has_git)},
    {"collect", 0, OPTION_CALL, .call = set_collect},
    {"redact", 0, OPTION_CALL, .call = add_expression},
    {"no-argv", 0, OPTION_FLAG, .offset = AT(has_no_argv)},
    {"gate", 0, OPTION_CALL, .call = add_gate},
    {"gate-timeout", 0, OPTION_DURATION, .offset = AT(gates.timeout_ms), .least = 1,
     .most = 86400000, .expected = "expected a time of 1ms to 24h, e.g. 60s"},
    {"heartbeat", 0, OPTION_DURATION, .offset = AT(heartbeat_ms), .least = 100, .most = 86400000,
     .expected = "expected a time of 100ms to 24h, e.g. 60s"},
    {"emit-timeout", 0, OPTION_DURATION, .offset = AT(emit_timeout_ms), .least = 1, .most = 60000,
     .expected = "expected a time of 1ms to 60s, e.g. 200ms"},
    {"log", 0, OPTION_ANY_TEXT, .offset = AT(log)},
    {"strict", 0, OPTION_FLAG, .offset = AT(is_strict)},
    {"offline", 0, OPTION_FLAG, .offset = AT(is_offline)},
    {"dry-run", 0, OPTION_FLAG, .offset = AT(is_dry)},
    {"quiet", 'q', OPTION_FLAG, .offset = AT(is_quiet)},
    OPTION_END};
#undef AT

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
    static const struct cli_options options = {
        .verb = "run", .table = table, .help = run_help_print, .stops_at_words = true};
    int result = cli_options_read(&options, argc, argv, o);
    if (result != 0)
        return result;
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
