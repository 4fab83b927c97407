/* SPDX-License-Identifier: Apache-2.0 */
/* lineage why, impact, diff, show, events: a question to the agent, or to its store where
 * none runs. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "question.h"
#include "store.h"
#include "tree.h"

#define WALK_HELP                                                                                  \
    "--at TIME: as it stood then: 2026-11-21T09:00:00Z, or a date, which is the end of that day\n" \
    "(UTC). --column NAME: of that column alone, as far as runs told columnLineage; where one "    \
    "did\n"                                                                                        \
    "not, it says so and goes no further. --request: X is the id of a request, nothing else.\n"    \
    "--all: every run and dataset on a line of its own, however many. --kind: X is a dataset, "    \
    "job,\n"                                                                                       \
    "run, content, member, tag or code; without it the first of these that it is.\n"

static const struct ask {
    const char *name;
    const char *help;
    question_render *render; /* NULL: lines, printed as they are */
    bool needs_subject, has_depth, has_limit, has_json, has_request, needs_other;
    bool is_walk; /* --at, --column, and more things that X may be */
} asks[] = {
    {"why",
     "Usage: lineage why [--at TIME] [--column NAME] [--depth N] [--limit N] [--kind KIND] [--all] "
     "[--json]\n"
     "                   X\n"
     "       lineage why --request [--at TIME] [--depth N] [--limit N] [--json] ID\n"
     "Everything upstream of X: jobs and datasets, with the runs that made each step.\n" WALK_HELP,
     tree_graph, .needs_subject = true, .has_depth = true, .has_limit = true, .has_json = true,
     .has_request = true, .is_walk = true},
    {"impact",
     "Usage: lineage impact [--at TIME] [--column NAME] [--depth N] [--limit N] [--kind KIND] "
     "[--all]\n"
     "                      [--json] X\n"
     "       lineage impact --request [--at TIME] [--depth N] [--limit N] [--json] ID\n"
     "Everything downstream of X, and how many models, answers, datasets and jobs that "
     "are.\n" WALK_HELP,
     tree_graph, .needs_subject = true, .has_depth = true, .has_limit = true, .has_json = true,
     .has_request = true, .is_walk = true},
    {"diff",
     "Usage: lineage diff [--depth N] [--limit N] [--json] A B\n"
     "       lineage diff --since-deploy [--depth N] [--limit N] [--json] NAME\n"
     "What is different between two runs, or between those that made two datasets, and\n"
     "upstream of them: versions that were read, code, parameters, seeds, models, metrics.\n"
     "--since-deploy: between what was deployed at the endpoint NAME (or as deployment NAME) and\n"
     "what was before it; by a model's name, or where nothing was: between what was deployed and\n"
     "the version that stands now.\n",
     tree_diff, .needs_subject = true, .has_depth = true, .has_limit = true, .has_json = true,
     .needs_other = true},
    {"show",
     "Usage: lineage show [--json] [--request] X\n"
     "All that is recorded about a dataset, a job, a run, or an answer of a service.\n"
     "--request: X is the id of a request (request_id, provider_request_id or trace_id\n"
     "of an answer), and nothing else.\n",
     tree_show, .needs_subject = true, .has_json = true, .has_request = true},
    {"events",
     "Usage: lineage events [--limit N] [--json] RUN\n"
     "The events of a run as they came, one a line, where the store keeps them.\n",
     NULL, .needs_subject = true, .has_limit = true, .has_json = true},
};

struct ask_options {
    const struct ask *ask;
    const char *subject, *other;
    const char *depth, *limit, *at, *column, *kind; /* as given: checked, then passed on */
    bool is_json, is_request, is_since_deploy, is_all;
};

static void print_help(const struct ask *ask)
{
    fputs(ask->help, stdout);
    if (ask->needs_subject)
        puts("\nX is a dataset name, a URI, a file path, a job (NAME or NAMESPACE/NAME) or a run "
             "id (eight\n"
             "characters or more, if that is one run); or the first seven digits or more of a "
             "content\n"
             "hash.");
    if (ask->is_walk)
        puts("Or a tag (VALUE or KEY=VALUE), or a commit of the code that ran (seven digits\n"
             "or more): then all that have it.");
    puts("Exit status: 0 yes, 1 no or failed, 2 usage, 3 not known.");
}

/** @return whether @p text is a whole number from 1 to @p max. */
static bool is_number(const char *text, long max)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= 1 &&
           value <= max;
}

/** @return 0: go on; -1: done; CLI_USAGE. */
static int parse(int argc, char **argv, struct ask_options *o)
{
    enum { DEPTH = 256, LIMIT, JSON, REQUEST, TIME, COLUMN, SINCE, ALL, KIND };
    static const struct option options[] = {{"depth", required_argument, NULL, DEPTH},
                                            {"limit", required_argument, NULL, LIMIT},
                                            {"json", no_argument, NULL, JSON},
                                            {"request", no_argument, NULL, REQUEST},
                                            {"at", required_argument, NULL, TIME},
                                            {"column", required_argument, NULL, COLUMN},
                                            {"since-deploy", no_argument, NULL, SINCE},
                                            {"all", no_argument, NULL, ALL},
                                            {"kind", required_argument, NULL, KIND},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const struct ask *ask = o->ask;
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        bool is_known = true;
        switch (c) {
        case DEPTH:
            o->depth = optarg;
            is_known = ask->has_depth;
            break;
        case LIMIT:
            o->limit = optarg;
            is_known = ask->has_limit;
            break;
        case JSON:
            o->is_json = true;
            is_known = ask->has_json;
            break;
        case REQUEST:
            o->is_request = true;
            is_known = ask->has_request;
            break;
        case TIME:
            o->at = optarg;
            is_known = ask->is_walk;
            break;
        case COLUMN:
            o->column = optarg;
            is_known = ask->is_walk;
            break;
        case SINCE:
            o->is_since_deploy = true;
            is_known = ask->needs_other;
            break;
        case KIND:
            o->kind = optarg;
            is_known = ask->is_walk;
            break;
        case ALL:
            o->is_all = true;
            is_known = ask->is_walk;
            break;
        case 'h':
            print_help(ask);
            return -1;
        default:
            return cli_usage(ask->name, "see the message above");
        }
        if (!is_known)
            return cli_usage(ask->name, "it has no such option");
    }
    if (o->depth != NULL && !is_number(o->depth, STORE_DEPTH_MAX))
        return cli_usage(ask->name, "--depth: '%s' is no number from 1 to %d", o->depth,
                         STORE_DEPTH_MAX);
    if (o->limit != NULL && !is_number(o->limit, STORE_LIMIT_MAX))
        return cli_usage(ask->name, "--limit: '%s' is no number from 1 to %d", o->limit,
                         STORE_LIMIT_MAX);
    if (optind < argc)
        o->subject = argv[optind++];
    bool needs_other = ask->needs_other && !o->is_since_deploy;
    if (optind < argc && needs_other)
        o->other = argv[optind++];
    if (optind < argc)
        return cli_usage(ask->name, "'%s': only %s at a time", argv[optind],
                         needs_other ? "two" : "one");
    if (o->kind != NULL && o->is_request)
        return cli_usage(ask->name, "--kind: a request is none of them");
    if (o->column != NULL && o->is_request)
        return cli_usage(ask->name, "--column is of a dataset, --request is none");
    if (ask->needs_subject && (o->subject == NULL || o->subject[0] == '\0'))
        return cli_usage(ask->name, "of what? expected a dataset, file, job or run");
    if (needs_other && (o->other == NULL || o->other[0] == '\0'))
        return cli_usage(ask->name, "to what? expected a second dataset, file, job or run");
    return 0;
}

static ol_status put(struct question *q, const struct ask_options *o, struct place *place,
                     int *ret_status, struct ol__buf *answer, struct ol_error *err)
{
    ol_status st = OL_OK;
    if (o->ask->needs_subject && !o->is_request) {
        st = question_add_x(q, o->subject, err);
        if (st == OL_OK)
            st = question_add_x(q, o->other, err);
    } else
        question_add(q, "subject", o->subject);
    question_add(q, "at", o->at);
    question_add(q, "column", o->column);
    question_add(q, "kind", o->kind);
    question_add(q, "depth", o->depth);
    question_add(q, "limit", o->limit);
    question_add(q, "request", o->is_request ? "1" : NULL);
    question_add(q, "since_deploy", o->is_since_deploy ? "1" : NULL);
    if (st == OL_OK)
        st = place_find(place, err);
    return st == OL_OK ? question_ask(place, q, ret_status, answer, err) : st;
}

/* The last line of damaged events, which was said, is none. */
static void drop_note(struct ol__buf *answer)
{
    static const char note[] = "{\"events\":{\"complete\":false}";
    const char *last = answer->size > 1 ? memrchr(answer->data, '\n', answer->size - 1) : NULL;
    size_t at = last != NULL ? (size_t)(last + 1 - answer->data) : 0;
    if (answer->size - at > sizeof note && memcmp(answer->data + at, note, sizeof note - 1) == 0)
        ol__buf_truncate(answer, at);
}

int verb_ask(int argc, char **argv)
{
    struct ask_options o = {.ask = asks};
    while (strcmp(o.ask->name, argv[0]) != 0)
        o.ask++;
    int result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;

    int status = 0;
    char nothing[300];
    struct question q;
    struct place place = {.config = NULL};
    struct ol_error err = {.message = ""};
    struct ol__buf answer;
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    question_init(&q, o.ask->name);
    snprintf(nothing, sizeof nothing, "nothing is recorded under '%.200s'", o.subject);
    ol_status st = put(&q, &o, &place, &status, &answer, &err);
    bool is_any = st == OL_OK && answer.size > 0;
    if (is_any && status == 200 && o.ask->render == NULL)
        drop_note(&answer);
    if (st != OL_OK)
        result = cli_fail(&place, st, &err);
    else if (status == 200 && o.ask->render == NULL && !is_any) {
        cli_say(
            "no event of '%.200s' is kept: the store route has no raw_events (lineaged.yaml(5))",
            o.subject);
        result = CLI_NOT_KNOWN;
    } else
        result = question_print(o.ask->name, status, &answer, o.is_json,
                                o.is_all ? tree_graph_all : o.ask->render, nothing);
    place_release(&place);
    question_release(&q);
    ol__buf_release(&answer);
    return result;
}
