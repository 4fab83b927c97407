/* SPDX-License-Identifier: Apache-2.0 */
/* lineage stale: what was made from old data, or from data that was written anew since. */
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include "options.h"
#include "pages.h"
#include "tree.h"
#include "when.h"

struct stale {
    int64_t older_than;
    const char *limit;
    bool is_json;
};

static void help(void)
{
    puts(
        "Usage: lineage stale [--older-than SPAN] [--limit N] [--json] [X]\n"
        "Datasets that were made from a version of which a newer one was written since; upstream "
        "of X,\n"
        "or all that there are.\n"
        "\n"
        "      --older-than SPAN    also what was made from data that was written longer ago, and\n"
        "                           models of that age that are in use: 90m, 12h, 30d, 2w\n"
        "      --limit N            findings; default 1000\n"
        "      --json\n"
        "  -h, --help\n"
        "\n"
        "Exit status: 0 nothing is stale, 1 something is, or it failed, 2 usage, 3 not\n"
        "known: there was nothing to look at.");
}

static ol_status render(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    static const char *const kinds[][2] = {{"newer_input", "newer input"},
                                           {"old_input", "old input"},
                                           {"old_model", "old model in use"}};
    const struct json_node *list = json_get(root, "stale");
    if (list == NULL || list->type != OL_JSON_ARRAY)
        return ol__error_set(err, OL_INVALID, "the answer has no list of what is stale");
    for (const struct json_node *n = list->first; n != NULL; n = n->next) {
        const char *kind = json_get_text(n, "kind");
        char time[ROWS_TEXT];
        for (size_t i = 0; i < OL_COUNT(kinds); i++)
            if (kind != NULL && strcmp(kind, kinds[i][0]) == 0)
                pretty_text(p, PRETTY_BAD, kinds[i][1]);
        ol__buf_add_text(p->out, "  ");
        rows_dataset(p, json_get(n, "dataset"), PRETTY_BOLD);
        rows_time(json_get_text(n, "written_at"), time);
        ol__buf_add_format(p->out, "  written %s\n", time);
        if (json_get(n, "input") != NULL) {
            ol__buf_add_text(p->out, "    from  ");
            rows_dataset(p, json_get(n, "input"), PRETTY_PLAIN);
            rows_time(json_get_text(json_get(n, "input"), "written_at"), time);
            ol__buf_add_format(p->out, "  %s\n", time);
        }
        if (json_get(n, "newer") != NULL) {
            ol__buf_add_text(p->out, "    now   ");
            rows_dataset(p, json_get(n, "newer"), PRETTY_PLAIN);
            rows_time(json_get_text(json_get(n, "newer"), "written_at"), time);
            ol__buf_add_format(p->out, "  %s\n", time);
        }
    }
    if (list->count == 0)
        ol__buf_add_text(p->out, json_get_int(root, "looked_at", 0) > 0
                                     ? "nothing is stale\n"
                                     : "nothing is recorded that could be stale\n");
    if (json_get_bool(root, "truncated"))
        ol__buf_add_text(p->out, "(there may be more)\n");
    return p->out->status;
}

int verb_stale(int argc, char **argv)
{
    static const struct cli_option table[] = {
        {"older-than", 0, OPTION_DURATION, offsetof(struct stale, older_than), 1, INT64_MAX, NULL,
         WHEN_SPAN, NULL},
        {"limit", 0, OPTION_TEXT, offsetof(struct stale, limit), 0, 0, NULL, NULL, NULL},
        {"json", 0, OPTION_FLAG, offsetof(struct stale, is_json), 0, 0, NULL, NULL, NULL},
        OPTION_END};
    static const struct cli_options options = {"stale", table, help, false};
    struct stale o = {.limit = NULL};
    struct pages pages = {.lists = {"stale", NULL}};
    char span[WHEN_TEXT], nothing[300] = "nothing is recorded yet";
    int result = cli_options_read(&options, argc, argv, &o), status = 0;
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    if (argc - optind > 1)
        return cli_usage("stale", "'%s': only one at a time", argv[optind + 1]);
    struct question q;
    struct place place = {.config = NULL};
    struct ol_error err = {.message = ""};
    struct ol__buf answer;
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    question_init(&q, "stale");
    ol_status st = OL_OK;
    if (optind < argc) {
        snprintf(nothing, sizeof nothing, "nothing is recorded under '%.200s'", argv[optind]);
        st = question_add_x(&q, argv[optind], &err);
    }
    if (o.older_than != 0) {
        when_number(o.older_than, span);
        question_add(&q, "older_than", span);
    }
    question_add(&q, "limit", o.limit);
    if (st == OL_OK)
        st = place_find(&place, &err);
    if (st == OL_OK)
        st = pages_ask(&place, &q, o.limit == NULL, &pages, &status, &answer, &err);
    if (st == OL_OK && status == 200) {
        ol__buf_reset(&answer);
        st = pages_write(&pages, &answer);
    }
    result = st == OL_OK ? question_print("stale", status, &answer, o.is_json, render, nothing)
                         : cli_fail(&place, st, &err);
    if (result == CLI_YES && pages.item_count > 0)
        result = CLI_NO;
    else if (result == CLI_YES && pages_number(&pages, "looked_at") == 0)
        result = CLI_NOT_KNOWN;
    pages_release(&pages);
    place_release(&place);
    question_release(&q);
    ol__buf_release(&answer);
    return result;
}
