/* SPDX-License-Identifier: Apache-2.0 */
/* lineage search: whatever has a text as its id, version or name. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include "options.h"
#include "question.h"
#include "tree.h"

static const char help[] =
    "Usage: lineage search [--limit N] [--json] TEXT\n"
    "Everything that TEXT may be: a run's id (or its first eight digits), a step, task_id, tag,\n"
    "request id, provider's request id, trace id, commit, a version or the first six digits of a\n"
    "SHA-256, a member of a recorded directory, list or manifest (a record's id), a document that\n"
    "answers retrieved, and names of datasets and jobs that are TEXT, begin with it or have it in\n"
    "them.\n"
    "\n"
    "What is listed first was found by id. Names are searched for 0.4 s at most; where that did\n"
    "not suffice, it is said.\n"
    "\n"
    "Exit status: 0 something was found, 1 failed, 2 usage, 3 nothing.";

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* What of the thing is TEXT: `key` of a run's id, else where TEXT stands in the name. */
static const char *found_by(const struct json_node *n)
{
    const char *key = json_get_text(n, "key");
    const char *by = or_empty(json_get_text(n, "by"));
    if (key != NULL)
        return key;
    if (strcmp(by, "beginning") == 0)
        return "name begins";
    return strcmp(by, "part") == 0 ? "in name" : by;
}

static ol_status render(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *results = json_get(root, "results");
    if (results == NULL || results->type != OL_JSON_ARRAY)
        return ol__error_set(err, OL_INVALID, "the answer has no results");
    for (const struct json_node *n = results->first; n != NULL; n = n->next) {
        const char *kind = or_empty(json_get_text(n, "kind"));
        char head[64];
        snprintf(head, sizeof head, "%-8.20s %-14.30s ", kind, found_by(n));
        pretty_text(p, PRETTY_DIM, head);
        if (strcmp(kind, "dataset") == 0)
            rows_dataset(p, n, PRETTY_BOLD);
        else if (strcmp(kind, "answer") == 0)
            rows_answer(p, n);
        else if (strcmp(kind, "member") == 0)
            pretty_text(p, PRETTY_BOLD, or_empty(json_get_text(n, "name")));
        else
            rows_run(p, n); /* a job as well */
        ol__buf_add_char(p->out, '\n');
    }
    if (json_get_bool(root, "truncated")) {
        const char *by = or_empty(json_get_text(root, "cut_by"));
        if (strcmp(by, "limit") == 0)
            ol__buf_add_text(p->out, "(there may be more: --limit N)\n");
        else
            ol__buf_add_format(p->out,
                               "(%" PRId64 " names were read, not all: there may be more)\n",
                               json_get_int(root, "names_read", 0));
    }
    return p->out->status == OL_OK ? OL_OK
                                   : ol__error_set(err, p->out->status, "the answer: %s",
                                                   ol__status_name(p->out->status));
}

struct options {
    const char *limit; /* the store checks it */
    bool is_json;
};

static void print_help(void)
{
    puts(help);
}

static const struct cli_option table[] = {
    {"limit", 0, OPTION_ANY_TEXT, .offset = offsetof(struct options, limit)},
    {"json", 0, OPTION_FLAG, .offset = offsetof(struct options, is_json)},
    OPTION_END};

int verb_search(int argc, char **argv)
{
    static const struct cli_options options = {
        .verb = "search", .table = table, .help = print_help};
    struct options o = {.limit = NULL};
    struct question q;
    char nothing[300];
    int result = cli_options_read(&options, argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    if (argc - optind != 1 || argv[optind][0] == '\0')
        return cli_usage("search", "for what? expected one text");
    snprintf(nothing, sizeof nothing, "nothing is recorded that has '%.200s' in it", argv[optind]);
    question_init(&q, "search");
    question_add(&q, "subject", argv[optind]);
    question_add(&q, "limit", o.limit);
    return question_run(&q, o.is_json, render, nothing);
}
