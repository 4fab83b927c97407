/* SPDX-License-Identifier: Apache-2.0 */
/* lineage runs: a list, by whatever filters. */
#include <getopt.h>
#include <stdio.h>
#include "question.h"
#include "times.h"
#include "tree.h"
#include "when.h"

static const char help[] =
    "Usage: lineage runs [OPTION]... [ID]\n"
    "Runs, newest first; with ID those that carry it as a tag or id (run_id, task_id...),\n"
    "or that answered a request of that id.\n"
    "\n"
    "      --job NAME           of that job (NAME or NAMESPACE/NAME)\n"
    "      --state STATE        RUNNING, COMPLETE, FAIL or ABORT\n"
    "      --failed             FAIL and ABORT\n"
    "      --group KEY=VALUE    with that tag: what `lineage run --group` records\n"
    "      --parent RUN         below that run\n"
    "      --by-root            only runs that are below no other, and how many are below each\n"
    "      --since, --until TIME  started then: a date, a time (2026-11-21T09:00:00Z), or how\n"
    "                           long ago (90m, 12h, 30d, 2w)\n"
    "      --limit N            at most so many; default 50\n"
    "      --json\n"
    "  -h, --help\n"
    "\n"
    "Several filters must all hold.\n"
    "Exit status: 0 yes, 1 no or failed, 2 usage, 3 not known.";

enum { JOB = 256, STATE, FAILED, GROUP, PARENT, BY_ROOT, SINCE, UNTIL, LIMIT, JSON };

struct options {
    struct question *q;
    const char *name; /* of what is asked, for messages */
    bool is_json, has_state, is_failed;
    char since[WHEN_TEXT], until[WHEN_TEXT];
};

static bool add_time(struct options *o, const char *key, char out[WHEN_TEXT])
{
    int64_t ms;
    if (!when_time(optarg, ol__time_now_ms(), &ms))
        return false;
    when_number(ms, out);
    question_add(o->q, key, out);
    return true;
}

/** @return 0: go on; -1: done; CLI_USAGE. */
static int take_option(struct options *o, int c)
{
    switch (c) {
    case JOB:
        o->name = optarg;
        question_add(o->q, "job", optarg);
        return 0;
    case STATE:
        o->has_state = true;
        question_add(o->q, "state", optarg);
        return 0;
    case FAILED:
        o->is_failed = true;
        question_add(o->q, "failed", "1");
        return 0;
    case GROUP:
        if (strchr(optarg, '=') == NULL || optarg[0] == '=')
            return cli_usage("runs", "--group: '%s': expected KEY=VALUE", optarg);
        question_add(o->q, "group", optarg);
        return 0;
    case PARENT:
        o->name = optarg;
        question_add(o->q, "parent", optarg);
        return 0;
    case BY_ROOT:
        question_add(o->q, "by_root", "1");
        return 0;
    case SINCE:
        return add_time(o, "since", o->since)
                   ? 0
                   : cli_usage("runs", "--since: '%s': expected " WHEN_TIME, optarg);
    case UNTIL:
        return add_time(o, "until", o->until)
                   ? 0
                   : cli_usage("runs", "--until: '%s': expected " WHEN_TIME, optarg);
    case LIMIT:
        question_add(o->q, "limit", optarg);
        return 0;
    case JSON:
        o->is_json = true;
        return 0;
    case 'h':
        puts(help);
        return -1;
    default:
        return cli_usage("runs", "see the message above");
    }
}

static int parse(struct options *o, int argc, char **argv)
{
    static const struct option options[] = {{"job", required_argument, NULL, JOB},
                                            {"state", required_argument, NULL, STATE},
                                            {"failed", no_argument, NULL, FAILED},
                                            {"group", required_argument, NULL, GROUP},
                                            {"parent", required_argument, NULL, PARENT},
                                            {"by-root", no_argument, NULL, BY_ROOT},
                                            {"since", required_argument, NULL, SINCE},
                                            {"until", required_argument, NULL, UNTIL},
                                            {"limit", required_argument, NULL, LIMIT},
                                            {"json", no_argument, NULL, JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (o->q->count + 2 > QUESTION_PARAMETERS)
            return cli_usage("runs", "too many options");
        int result = take_option(o, c);
        if (result != 0)
            return result;
    }
    if (o->has_state && o->is_failed)
        return cli_usage("runs", "--state and --failed: only one of them");
    if (optind < argc) {
        o->name = argv[optind];
        question_add(o->q, "subject", argv[optind++]);
    }
    if (optind < argc)
        return cli_usage("runs", "'%s': only one at a time", argv[optind]);
    return 0;
}

int verb_runs(int argc, char **argv)
{
    struct question q;
    struct options o = {.q = &q};
    char nothing[300] = "no run is recorded yet";
    question_init(&q, "runs");
    int result = parse(&o, argc, argv);
    if (result != 0) {
        question_release(&q);
        return result < 0 ? CLI_YES : result;
    }
    if (o.name != NULL)
        snprintf(nothing, sizeof nothing, "nothing is recorded under '%.200s'", o.name);
    return question_run(&q, o.is_json, tree_runs, nothing);
}
