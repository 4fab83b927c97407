/* SPDX-License-Identifier: Apache-2.0 */
/* lineage export: what the store knows, in formats that others read. Each format has a file of its
 * own. */
#include "export.h"

#include <getopt.h>
#include <stdio.h>
#include "options.h"
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
        "Exit status: 0; 1 failed, cut by a limit, or damaged rows of the store were left out\n"
        "(they are named); 2 usage; 3 not known.");
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
    const char *output, *x;
    const char *depth, *limit; /* as given: checked, then passed on */
    const char *direction;
};

static const char *set_format(void *into, char *text)
{
    for (size_t i = 0; i < OL_COUNT(formats); i++) {
        if (strcmp(formats[i].name, text) == 0) {
            ((struct export_options *)into)->format = &formats[i];
            return NULL;
        }
    }
    return "expected openlineage, in-toto, dot, mermaid or ro-crate";
}

static int check_number(const char *name, const char *text)
{
    struct store_question checked = {.uid = 0};
    struct ol_error err = {.message = ""};
    return text == NULL || store_question_set(&checked, name, text, &err) == OL_OK
               ? 0
               : cli_usage("export", "--%s", err.message);
}

static int parse(int argc, char **argv, struct export_options *o)
{
#define AT(member) offsetof(struct export_options, member)
    static const struct cli_option table[] = {
        {"format", 0, OPTION_CALL, .call = set_format},
        {"impact", 0, OPTION_WORD, .offset = AT(direction), .word = "impact"},
        {"depth", 0, OPTION_ANY_TEXT, .offset = AT(depth)},
        {"limit", 0, OPTION_ANY_TEXT, .offset = AT(limit)},
        {"output", 'o', OPTION_ANY_TEXT, .offset = AT(output)},
        OPTION_END};
#undef AT
    static const struct cli_options options = {
        .verb = "export", .table = table, .help = print_help};
    int result = cli_options_read(&options, argc, argv, o);
    if (result == 0)
        result = check_number("depth", o->depth);
    if (result == 0)
        result = check_number("limit", o->limit);
    if (result != 0)
        return result;
    if (optind < argc)
        o->x = argv[optind++];
    if (optind < argc)
        return cli_usage("export", "'%.60s': one X is expected", argv[optind]);
    if (o->x == NULL && o->format->needs_x)
        return cli_usage("export", "--format %s: of what? expected X", o->format->name);
    if (o->limit == NULL)
        o->limit = o->format->limit;
    return 0;
}

int verb_export(int argc, char **argv)
{
    struct place place;
    struct ol_error err = {.message = ""};
    struct export_options o = {.format = &formats[0], .output = "-", .direction = "why"};
    int result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    struct export ex = {
        .place = &place, .x = o.x, .depth = o.depth, .limit = o.limit, .direction = o.direction};
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
    result = st != OL_OK ? cli_fail(&place, st, &err) : is_cut || ex.is_damaged ? CLI_NO : CLI_YES;
    out_file_close(ex.out);
    place_release(&place);
    return result;
}
