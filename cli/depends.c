/* SPDX-License-Identifier: Apache-2.0 */
/* lineage depends: was B among what A was made from? */
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include "options.h"
#include "question.h"
#include "json_doc.h"
#include "tree.h"

struct depends {
    const char *depth, *limit;
    bool is_json;
};

static void help(void)
{
    puts("Usage: lineage depends [--depth N] [--limit N] [--json] A B\n"
         "Whether B (a dataset, a job, a run) is upstream of A (a model, say).\n"
         "Yes: with the shortest path that was recorded. No: only where all that is upstream of A "
         "is\n"
         "known to its ends: every dataset has a recorded writer or is declared a source (an input "
         "of\n"
         "a run as a whole, or its tag `source`), every run has completed and told inputs, nothing "
         "was\n"
         "cut or inferred. Else it is not known, and the gaps are listed.\n"
         "\n"
         "      --depth N, --limit N  how far and how much is looked at; default 10000, 100000\n"
         "      --json\n"
         "  -h, --help\n"
         "\n"
         "Exit status: 0 yes, 1 no, or it failed, 2 usage, 3 not known.");
}

static void write_node(struct pretty *p, const struct json_node *node)
{
    const char *kind = json_get_text(node, "kind");
    if (kind != NULL && strcmp(kind, "dataset") == 0)
        rows_dataset(p, node, PRETTY_PLAIN);
    else
        rows_run(p, node);
}

static ol_status render(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    const char *verdict = json_get_text(root, "depends"), *caveat = json_get_text(root, "caveat");
    const char *arrow = p->is_utf8 ? "\xe2\x86\x93 " : "v ";
    if (verdict == NULL || caveat == NULL)
        return ol__error_set(err, OL_INVALID, "the answer has no verdict");
    pretty_text(p, PRETTY_BOLD, strcmp(verdict, "not_known") == 0 ? "not known" : verdict);
    ol__buf_add_format(p->out, ": %s\n", caveat);
    const struct json_node *asked = json_get(root, "is_asked_version");
    if (asked != NULL && !asked->boolean)
        ol__buf_add_text(p->out, "(by another version of B than the one that was asked for)\n");
    const char *lead = "  ";
    for (const struct json_node *n = json_get_items(root, "path"); n != NULL; n = n->next) {
        ol__buf_add_text(p->out, n == json_get_items(root, "path") ? "  " : lead);
        if (n != json_get_items(root, "path"))
            ol__buf_add_text(p->out, arrow);
        write_node(p, n);
        ol__buf_add_char(p->out, '\n');
    }
    for (const struct json_node *n = json_get_items(root, "gaps"); n != NULL; n = n->next) {
        ol__buf_add_text(p->out, "  gap: ");
        if (json_get(n, "at") != NULL) {
            write_node(p, json_get(n, "at"));
            ol__buf_add_text(p->out, ": ");
        }
        pretty_text(p, PRETTY_PLAIN, json_get_text(n, "what"));
        ol__buf_add_char(p->out, '\n');
    }
    return p->out->status;
}

/* What the answer's verdict exits with. */
static int verdict_of(const struct ol__buf *answer)
{
    struct json_doc doc;
    int result = CLI_NO;
    if (json_doc_read(&doc, (struct ol__span){answer->data, answer->size}, NULL) != OL_OK)
        return CLI_NO;
    const char *verdict = json_get_text(doc.root, "depends");
    if (verdict != NULL && strcmp(verdict, "yes") == 0)
        result = CLI_YES;
    else if (verdict != NULL && strcmp(verdict, "not_known") == 0)
        result = CLI_NOT_KNOWN;
    json_doc_release(&doc);
    return result;
}

int verb_depends(int argc, char **argv)
{
    static const struct cli_option table[] = {
        {"depth", 0, OPTION_TEXT, offsetof(struct depends, depth), 0, 0, NULL, NULL, NULL},
        {"limit", 0, OPTION_TEXT, offsetof(struct depends, limit), 0, 0, NULL, NULL, NULL},
        {"json", 0, OPTION_FLAG, offsetof(struct depends, is_json), 0, 0, NULL, NULL, NULL},
        OPTION_END};
    static const struct cli_options options = {"depends", table, help, false};
    struct depends o = {.depth = NULL};
    int result = cli_options_read(&options, argc, argv, &o), status = 0;
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    if (argc - optind != 2)
        return cli_usage("depends", "of what on what? expected A and B");
    struct question q;
    struct place place = {.config = NULL};
    struct ol_error err = {.message = ""};
    struct ol__buf answer;
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    question_init(&q, "depends");
    ol_status st = question_add_x(&q, argv[optind], &err);
    if (st == OL_OK)
        st = question_add_x(&q, argv[optind + 1], &err);
    question_add(&q, "depth", o.depth);
    question_add(&q, "limit", o.limit);
    if (st == OL_OK)
        st = place_find(&place, &err);
    if (st == OL_OK)
        st = question_ask(&place, &q, &status, &answer, &err);
    result = st == OL_OK ? question_print("depends", status, &answer, o.is_json, render,
                                          "one of the two is not recorded")
                         : cli_fail(&place, st, &err);
    if (result == CLI_YES)
        result = verdict_of(&answer);
    place_release(&place);
    question_release(&q);
    ol__buf_release(&answer);
    return result;
}
