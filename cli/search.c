/* SPDX-License-Identifier: Apache-2.0 */
/* lineage search: whatever has a text as its id, version or name. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include "question.h"
#include "tree.h"

static const char help[] =
    "Usage: lineage search [--limit N] [--json] TEXT\n"
    "Everything that TEXT may be: a run's id (or its first eight digits), a step, task_id, tag,\n"
    "request id, provider's request id, trace id, commit, a version or the first six digits of a\n"
    "SHA-256, and names of datasets and jobs that are TEXT, begin with it or have it in them.\n"
    "\n"
    "What is listed first was found by id. Names are searched for 0.4 s at most; where that did\n"
    "not suffice, it is said.\n"
    "\n"
    "Exit status: 0 something was found, 1 failed, 2 usage, 3 nothing.";

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static ol_status render(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *results = json_get(root, "results");
    if (results == NULL || results->type != OL_JSON_ARRAY)
        return ol__error_set(err, OL_INVALID, "the answer has no results");
    for (const struct json_node *n = results->first; n != NULL; n = n->next) {
        const char *kind = or_empty(json_get_text(n, "kind"));
        const char *key = json_get_text(n, "key");
        char head[64];
        snprintf(head, sizeof head, "%-8.20s %-10.30s ", kind,
                 key != NULL ? key : or_empty(json_get_text(n, "by")));
        pretty_text(p, PRETTY_DIM, head);
        if (strcmp(kind, "dataset") == 0)
            rows_dataset(p, n, PRETTY_BOLD);
        else if (strcmp(kind, "answer") == 0)
            rows_answer(p, n);
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

int verb_search(int argc, char **argv)
{
    enum { LIMIT = 256, JSON };
    static const struct option options[] = {{"limit", required_argument, NULL, LIMIT},
                                            {"json", no_argument, NULL, JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct question q;
    const char *limit = NULL;
    bool is_json = false;
    char nothing[300];
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == LIMIT)
            limit = optarg;
        else if (c == JSON)
            is_json = true;
        else if (c == 'h') {
            puts(help);
            return CLI_YES;
        } else
            return cli_usage("search", "see the message above");
    }
    if (argc - optind != 1 || argv[optind][0] == '\0')
        return cli_usage("search", "for what? expected one text");
    snprintf(nothing, sizeof nothing, "nothing is recorded that has '%.200s' in it", argv[optind]);
    question_init(&q, "search");
    question_add(&q, "subject", argv[optind]);
    question_add(&q, "limit", limit);
    return question_run(&q, is_json, render, nothing);
}
