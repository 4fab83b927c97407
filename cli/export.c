/* SPDX-License-Identifier: Apache-2.0 */
/* lineage export: what the store knows, in formats that others read. Each format has a file of its
 * own. */
#include "export.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "store.h"

#define GRAPH_LIMIT "100000" /* nodes, unless --limit says otherwise */
#define DRAWN_LIMIT "200"    /* of a drawing */

static void print_help(void)
{
    puts(
        "Usage: lineage export [OPTION]... [X]\n"
        "What is recorded, in a format that others read. X is a dataset, file, job or run, as for\n"
        "'lineage why'; without X the whole store.\n"
        "\n"
        "      --format FORMAT      openlineage: events, one JSON object a line (default). Taken "
        "in\n"
        "                           again they give the same answers.\n"
        "                           in-toto: a Statement with SLSA provenance of each run of X\n"
        "                           dot, mermaid: a drawing of what leads to X\n"
        "                           ro-crate: ro-crate-metadata.json of a run's folder X\n"
        "      --impact             dot, mermaid: of what X affects instead\n"
        "      --depth N, --limit N of the graph, in steps and in nodes\n"
        "  -o, --output FILE        write there; a file that is there already is left alone\n"
        "  -h, --help\n"
        "\n"
        "in-toto and ro-crate also read the folder of a run (receipts): then X is that folder, "
        "and\n"
        "neither agent nor store is needed.\n"
        "Exit status: 0; 1 failed, or cut by a limit; 2 usage; 3 not known.");
}

ol_status export_write(struct export *ex, struct ol__buf *text, struct ol_error *err)
{
    if (text->status != OL_OK)
        return ol__error_set(err, text->status, "export: %s", ol__status_name(text->status));
    return out_file_write(ex->out, text->data != NULL ? text->data : "", text->size, err);
}

ol_status export_ask(struct export *ex, struct question *q, struct json_doc *ret,
                     struct ol_error *err)
{
    struct ol__buf answer;
    int status = 0;
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    ol_status st = question_ask(ex->place, q, &status, &answer, err);
    struct ol__span body = {answer.data, answer.size};
    if (st == OL_OK && status == 404)
        st = ol__error_set(err, OL_NOT_FOUND, "nothing is recorded under '%.200s'",
                           ex->x != NULL ? ex->x : "");
    else if (st == OL_OK)
        st = cli_answer_read(status, body, ret, err);
    ol__buf_release(&answer);
    return st;
}

ol_status export_graph(struct export *ex, const char *verb, struct json_doc *ret,
                       struct ol_error *err)
{
    struct question q;
    question_init(&q, verb);
    ol_status st = question_add_x(&q, ex->x, err);
    question_add(&q, "depth", ex->depth);
    question_add(&q, "limit", ex->limit);
    if (st == OL_OK)
        st = export_ask(ex, &q, ret, err);
    question_release(&q);
    return st;
}

/* ---- The command line ---- */

typedef ol_status format_function(struct export *ex, struct ol_error *err);
static const struct format {
    const char *name;
    format_function *write;
    bool needs_x;
    const char *limit;
} formats[] = {
    {"openlineage", export_events, false, GRAPH_LIMIT},
    {"in-toto", export_statements, true, GRAPH_LIMIT},
    {"dot", export_dot, true, DRAWN_LIMIT},
    {"mermaid", export_mermaid, true, DRAWN_LIMIT},
    {"ro-crate", export_crate, true, GRAPH_LIMIT},
};

struct export_options {
    const struct format *format;
    const char *output;
};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; i < OL_COUNT(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

static int take(int c, struct export *ex, struct export_options *o)
{
    struct store_question checked = {.uid = 0};
    struct ol_error err = {.message = ""};
    const char *number = c == 'D' ? "depth" : c == 'L' ? "limit" : NULL;
    if (number != NULL && store_question_set(&checked, number, optarg, &err) != OL_OK)
        return cli_usage("export", "--%s", err.message);
    switch (c) {
    case 'F':
        o->format = find_format(optarg);
        return o->format != NULL
                   ? 0
                   : cli_usage("export",
                               "--format: '%.60s': expected openlineage, in-toto, dot, "
                               "mermaid or ro-crate",
                               optarg);
    case 'I':
        ex->direction = "impact";
        return 0;
    case 'D':
        ex->depth = optarg;
        return 0;
    case 'L':
        ex->limit = optarg;
        return 0;
    case 'o':
        o->output = optarg;
        return 0;
    default:
        return cli_usage("export", "see the message above");
    }
}

static int parse(int argc, char **argv, struct export *ex, struct export_options *o)
{
    static const struct option options[] = {{"format", required_argument, NULL, 'F'},
                                            {"impact", no_argument, NULL, 'I'},
                                            {"depth", required_argument, NULL, 'D'},
                                            {"limit", required_argument, NULL, 'L'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int result = 0;
    for (int c; result == 0 && (c = getopt_long(argc, argv, "o:h", options, NULL)) != -1;) {
        if (c == 'h') {
            print_help();
            return -1;
        }
        result = take(c, ex, o);
    }
    if (result != 0)
        return result;
    if (optind < argc)
        ex->x = argv[optind++];
    if (optind < argc)
        return cli_usage("export", "'%.60s': one X is expected", argv[optind]);
    if (ex->x == NULL && o->format->needs_x)
        return cli_usage("export", "--format %s: of what? expected X", o->format->name);
    if (ex->limit == NULL)
        ex->limit = o->format->limit;
    return 0;
}

int verb_export(int argc, char **argv)
{
    struct place place;
    struct ol_error err = {.message = ""};
    struct export ex = {.place = &place, .direction = "why"};
    struct export_options o = {.format = &formats[0], .output = "-"};
    int result = parse(argc, argv, &ex, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    ol_status st = place_find(&place, &err);
    if (st == OL_OK)
        st = out_file_open(o.output, &ex.out, &err);
    if (st == OL_OK)
        st = o.format->write(&ex, &err);
    bool is_cut = st == OL_PARTIAL; /* what is there is whole lines, and said to be cut */
    if (is_cut)
        cli_say("%s", err.message);
    if (st == OL_OK || is_cut)
        st = out_file_commit(ex.out, &err);
    result = st != OL_OK ? cli_fail(&place, st, &err) : is_cut ? CLI_NO : CLI_YES;
    out_file_close(ex.out);
    place_release(&place);
    return result;
}
