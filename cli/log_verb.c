/* SPDX-License-Identifier: Apache-2.0 */
/* lineage log: a line for people and log collectors, with the ids of the attempt it is called in.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "event_log.h"
#include "run_options.h"
#include "times.h"

static void print_help(void)
{
    puts(
        "Usage: lineage log [OPTION]... EVENT [KEY=VALUE]...\n"
        "Write a line of JSON: time, event, the run_id, step, attempt and task_id of this place,\n"
        "and what is said.\n"
        "\n"
        "      --log FILE           append it to FILE; default: LINEAGE_LOG, else standard output\n"
        "  -h, --help\n"
        "\n"
        "Secrets are taken out of values. Exit status: 0; 1 it cannot be written; 2 usage.");
}

static const char *get(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int add(struct run_pairs *pairs, char *text)
{
    static const char *const taken[] = {"time", "event", "run_id", "step", "attempt", "task_id"};
    const char *problem = run_pairs_add(pairs, text);
    for (size_t i = 0; problem == NULL && i < OL_COUNT(taken); i++) {
        if (strcmp(text, taken[i]) == 0)
            problem = "this place says it; expected another key";
    }
    return problem == NULL ? 0 : cli_usage("log", "'%.60s': %s", text, problem);
}

static ol_status print_line(const struct event_log_entry *entry, struct ol_error *err)
{
    struct ol__buf line;
    ol__buf_init(&line, EVENT_LOG_LINE_MAX);
    event_log_write(entry, ol__time_now_ms(), &line);
    ol_status status = line.status;
    if (status != OL_OK)
        ol__error_set(err, status, "a line of more than %zu bytes, or out of memory",
                      EVENT_LOG_LINE_MAX);
    else
        status = cli_write((struct ol__span){line.data, line.size}, err);
    ol__buf_release(&line);
    return status;
}

int verb_log(int argc, char **argv)
{
    static const struct option options[] = {{"log", required_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct run_pairs more = {.items = NULL};
    struct ol_error err = {.message = ""};
    const char *path = get(EVENT_LOG_VARIABLE), *attempt = get("LINEAGE_ATTEMPT");
    for (int c; (c = getopt_long(argc, argv, "+h", options, NULL)) != -1;) {
        if (c == 'h') {
            print_help();
            return CLI_YES;
        }
        if (c != 'l')
            return cli_usage("log", "see the message above");
        path = optarg;
    }
    if (optind >= argc)
        return cli_usage("log", "no event; expected: lineage log EVENT [KEY=VALUE]...");
    const char *event = argv[optind++];
    const char *problem = receipt_step_problem(event);
    if (problem != NULL)
        return cli_usage("log", "event '%.60s': %s", event, problem);
    int result = 0;
    while (result == 0 && optind < argc)
        result = add(&more, argv[optind++]);
    if (result == 0) {
        const struct event_log_entry entry = {.event = event,
                                              .run_id = get("LINEAGE_RUN_ID"),
                                              .step = get("LINEAGE_STEP"),
                                              .attempt =
                                                  attempt != NULL ? strtoll(attempt, NULL, 10) : 0,
                                              .task_id = get("LINEAGE_TASK_ID"),
                                              .more = {.items = more.items, .count = more.count}};
        ol_status status =
            path != NULL ? event_log_append(path, &entry, &err) : print_line(&entry, &err);
        if (status != OL_OK)
            cli_say("%s", err.message);
        result = status == OL_OK ? CLI_YES : CLI_NO;
    }
    free(more.items);
    return result;
}
