/* SPDX-License-Identifier: Apache-2.0 */
/* lineage why, impact, diff, show, events: a question to the agent, or to its store where
 * none runs. */
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include "options.h"
#include "question.h"
#include "tree.h"

struct ask {
    struct cli_options options;
    question_render *render; /* NULL: lines, printed as they are */
};

struct ask_options {
    const struct ask *ask;
    const char *subject, *other;
    const char *depth, *limit, *at, *column, *kind; /* the store checks them */
    bool is_json, is_request, is_since_deploy, is_all;
};

/* ---- Help ---- */

static void print_help(const char *text, const char *more)
{
    fputs(text, stdout);
    puts("\nX is a dataset name, a URI, a file path, a job (NAME or NAMESPACE/NAME) or a run id "
         "(eight\n"
         "characters or more, if that is one run); or the first seven digits or more of a "
         "content\n"
         "hash.");
    fputs(more, stdout);
    puts("Exit status: 0 yes, 1 no or failed, 2 usage, 3 not known.");
}

#define WALK                                                                                       \
    "--at TIME: as it stood then: 2026-11-21T09:00:00Z, or a date, which is the end of that day\n" \
    "(UTC). --column NAME: of that column alone, as far as runs told columnLineage; where one "    \
    "did\n"                                                                                        \
    "not, it says so and goes no further. --request: X is the id of a request, nothing else.\n"    \
    "--all: every run and dataset on a line of its own, however many. --kind: X is a dataset, "    \
    "job,\n"                                                                                       \
    "run, content, member, tag or code; without it the first of these that it is.\n"
#define WALK_X                                                                                     \
    "Or a tag (VALUE or KEY=VALUE), or a commit of the code that ran (seven digits\n"              \
    "or more): then all that have it.\n"

static void help_why(void)
{
    print_help(
        "Usage: lineage why [--at TIME] [--column NAME] [--depth N] [--limit N] [--kind KIND] "
        "[--all]\n"
        "                   [--json] X\n"
        "       lineage why --request [--at TIME] [--depth N] [--limit N] [--json] ID\n"
        "Everything upstream of X: jobs and datasets, with the runs that made each step.\n" WALK,
        WALK_X);
}

static void help_impact(void)
{
    print_help("Usage: lineage impact [--at TIME] [--column NAME] [--depth N] [--limit N] [--kind "
               "KIND]\n"
               "                      [--all] [--json] X\n"
               "       lineage impact --request [--at TIME] [--depth N] [--limit N] [--json] ID\n"
               "Everything downstream of X, and how many models, answers, datasets and jobs that "
               "are.\n" WALK,
               WALK_X);
}

static void help_diff(void)
{
    print_help("Usage: lineage diff [--depth N] [--limit N] [--json] A B\n"
               "       lineage diff --since-deploy [--depth N] [--limit N] [--json] NAME\n"
               "What is different between two runs, or between those that made two datasets, and\n"
               "upstream of them: versions that were read, code, parameters, seeds, models, "
               "metrics.\n"
               "--since-deploy: between what was deployed at the endpoint NAME (or as deployment "
               "NAME) and\n"
               "what was before it; by a model's name, or where nothing was: between what was "
               "deployed and\n"
               "the version that stands now.\n",
               "");
}

static void help_show(void)
{
    print_help("Usage: lineage show [--json] [--request] X\n"
               "All that is recorded about a dataset, a job, a run, or an answer of a service.\n"
               "--request: X is the id of a request (request_id, provider_request_id or trace_id\n"
               "of an answer), and nothing else.\n",
               "");
}

static void help_events(void)
{
    print_help("Usage: lineage events [--limit N] [--json] RUN\n"
               "The events of a run as they came, one a line, where the store keeps them.\n",
               "");
}

/* ---- Options ---- */

#define AT(member) offsetof(struct ask_options, member)
static const struct cli_option walk_options[] = {
    {"at", 0, OPTION_ANY_TEXT, .offset = AT(at)},
    {"column", 0, OPTION_ANY_TEXT, .offset = AT(column)},
    {"kind", 0, OPTION_ANY_TEXT, .offset = AT(kind)},
    {"depth", 0, OPTION_ANY_TEXT, .offset = AT(depth)},
    {"limit", 0, OPTION_ANY_TEXT, .offset = AT(limit)},
    {"request", 0, OPTION_FLAG, .offset = AT(is_request)},
    {"all", 0, OPTION_FLAG, .offset = AT(is_all)},
    {"json", 0, OPTION_FLAG, .offset = AT(is_json)},
    OPTION_END};
static const struct cli_option diff_options[] = {
    {"since-deploy", 0, OPTION_FLAG, .offset = AT(is_since_deploy)},
    {"depth", 0, OPTION_ANY_TEXT, .offset = AT(depth)},
    {"limit", 0, OPTION_ANY_TEXT, .offset = AT(limit)},
    {"json", 0, OPTION_FLAG, .offset = AT(is_json)},
    OPTION_END};
static const struct cli_option show_options[] = {
    {"request", 0, OPTION_FLAG, .offset = AT(is_request)},
    {"json", 0, OPTION_FLAG, .offset = AT(is_json)},
    OPTION_END};
static const struct cli_option events_options[] = {
    {"limit", 0, OPTION_ANY_TEXT, .offset = AT(limit)},
    {"json", 0, OPTION_FLAG, .offset = AT(is_json)},
    OPTION_END};

static const struct ask asks[] = {
    {{"why", walk_options, help_why, false}, tree_graph},
    {{"impact", walk_options, help_impact, false}, tree_graph},
    {{"diff", diff_options, help_diff, false}, tree_diff},
    {{"show", show_options, help_show, false}, tree_show},
    {{"events", events_options, help_events, false}, NULL},
};

/* What stands behind the options. @return 0 or CLI_USAGE. */
static int take_words(int argc, char **argv, struct ask_options *o)
{
    const char *verb = o->ask->options.verb;
    bool needs_other = o->ask->render == tree_diff && !o->is_since_deploy;
    if (optind < argc)
        o->subject = argv[optind++];
    if (optind < argc && needs_other)
        o->other = argv[optind++];
    if (optind < argc)
        return cli_usage(verb, "'%s': only %s at a time", argv[optind],
                         needs_other ? "two" : "one");
    if (o->kind != NULL && o->is_request)
        return cli_usage(verb, "--kind: a request is none of them");
    if (o->column != NULL && o->is_request)
        return cli_usage(verb, "--column is of a dataset, --request is none");
    if (o->subject == NULL || o->subject[0] == '\0')
        return cli_usage(verb, "of what? expected a dataset, file, job or run");
    if (needs_other && (o->other == NULL || o->other[0] == '\0'))
        return cli_usage(verb, "to what? expected a second dataset, file, job or run");
    return 0;
}

static ol_status put(struct question *q, const struct ask_options *o, struct place *place,
                     int *ret_status, struct ol__buf *answer, struct ol_error *err)
{
    ol_status st = OL_OK;
    if (!o->is_request) {
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
    while (strcmp(o.ask->options.verb, argv[0]) != 0)
        o.ask++;
    int result = cli_options_read(&o.ask->options, argc, argv, &o);
    if (result == 0)
        result = take_words(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;

    int status = 0;
    char nothing[300];
    struct question q;
    struct place place = {.config = NULL};
    struct ol_error err = {.message = ""};
    struct ol__buf answer;
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    question_init(&q, o.ask->options.verb);
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
        result = question_print(o.ask->options.verb, status, &answer, o.is_json,
                                o.is_all ? tree_graph_all : o.ask->render, nothing);
    place_release(&place);
    question_release(&q);
    ol__buf_release(&answer);
    return result;
}
