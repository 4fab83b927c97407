/* SPDX-License-Identifier: Apache-2.0 */
/* lineage serving, lineage untracked: what runs where; what of it nobody knows the origin of. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "approvals_tree.h"
#include "question.h"

struct serving_options {
    bool is_all, is_json, is_required;
};

/* Put the question, print the answer, and look at it once more: how many are at fault. */
static int ask(struct question *q, bool is_json, question_render *render, const char *count,
               const char *list)
{
    int http = 0;
    struct place place;
    struct json_doc doc;
    struct ol__buf answer;
    struct ol_error err = {.message = ""};
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    ol_status status = place_find(&place, &err);
    if (status == OL_OK)
        status = question_ask(&place, q, &http, &answer, &err);
    int result = status == OL_OK ? question_print(q->verb, http, &answer, is_json, render,
                                                  "nothing is recorded yet")
                                 : cli_fail(&place, status, &err);
    if (status == OL_OK && http == 200 && result == CLI_YES) {
        status = json_doc_read(&doc, (struct ol__span){answer.data, answer.size}, &err);
        if (status == OL_OK) {
            bool has_fault =
                (count != NULL && json_get_int(doc.root, count, 0) > 0) ||
                (list != NULL && json_get_items(doc.root, list) != NULL) ||
                ((count != NULL || list != NULL) && json_get_bool(doc.root, "truncated"));
            result = has_fault ? CLI_NO : CLI_YES;
            json_doc_release(&doc);
        } else {
            result = CLI_NO;
        }
    }
    question_release(q);
    place_release(&place);
    ol__buf_release(&answer);
    return result;
}

int verb_serving(int argc, char **argv)
{
    static const struct option known[] = {{"all", no_argument, NULL, 'a'},
                                          {"require-approval", no_argument, NULL, 'r'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct serving_options o = {.is_all = false};
    struct question q;
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (c) {
        case 'a':
            o.is_all = true;
            break;
        case 'r':
            o.is_required = true;
            break;
        case 'j':
            o.is_json = true;
            break;
        case 'h':
            puts(
                "Usage: lineage serving [--all] [--require-approval] [--json]\n"
                "What runs where, since when, with which share of the requests, and who approved "
                "it:\n"
                "by deployments that were recorded; and what answers though nobody deployed it.\n"
                "\n"
                "      --all                what served before, too\n"
                "      --require-approval   exit with 1 if anything serves or answers that nobody\n"
                "                           approved or waived, that was rejected, or of which it\n"
                "                           is not known which version it is\n"
                "      --json\n"
                "\n"
                "Exit status: 0; 1 see --require-approval; 2 usage; 3 nobody could be asked.");
            return CLI_YES;
        default:
            return cli_usage("serving", "see the message above");
        }
    }
    if (optind < argc)
        return cli_usage("serving", "'%.60s': no argument is expected", argv[optind]);
    question_init(&q, "serving");
    question_add(&q, "all", o.is_all ? "1" : NULL);
    return ask(&q, o.is_json, tree_serving, o.is_required ? "unapproved" : NULL, NULL);
}

int verb_untracked(int argc, char **argv)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    struct question q;
    bool is_json = false;
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (c == 'h') {
            puts(
                "Usage: lineage untracked [--json]\n"
                "Models and datasets that are deployed, answer or are called, and of which no run\n"
                "is recorded that made them, each with the reason.\n"
                "\n"
                "Exit status: 0 there is none; 1 there are; 2 usage; 3 nobody could be asked.");
            return CLI_YES;
        }
        if (c != 'j')
            return cli_usage("untracked", "see the message above");
        is_json = true;
    }
    if (optind < argc)
        return cli_usage("untracked", "'%.60s': no argument is expected", argv[optind]);
    question_init(&q, "untracked");
    return ask(&q, is_json, tree_untracked, NULL, "untracked");
}
