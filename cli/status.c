/* SPDX-License-Identifier: Apache-2.0 */
/* lineage status: what the agent says of itself. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "tree.h"

static const char *number(const struct json_node *node, const char *key)
{
    const char *text = json_get_text(node, key);
    return text != NULL ? text : "?";
}

/** "512 B", "1.5 MiB" */
static void write_size(struct pretty *p, int64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    if (bytes < 1024) {
        ol__buf_add_format(p->out, "%d B", (int)bytes);
        return;
    }
    for (value /= 1024; value >= 1024 && unit + 1 < OL_COUNT(units); unit++)
        value /= 1024;
    ol__buf_add_format(p->out, "%.1f %s", value, units[unit]);
}

static void write_intake(struct pretty *p, const struct json_node *intake)
{
    const struct json_node *http = json_get(intake, "http"), *journal = json_get(intake, "journal");
    int64_t refused = json_get_int(http, "refused_invalid", 0) +
                      json_get_int(http, "refused_full", 0) +
                      json_get_int(http, "refused_other", 0);
    ol__buf_add_format(
        p->out,
        "intake  %s events on disk; http: %s requests, %lld refused; journal: %s events,"
        " %s lines parked\n",
        number(intake, "accepted"), number(http, "requests"), (long long)refused,
        number(journal, "events"), number(journal, "parked_lines"));
}

static void write_spool(struct pretty *p, const struct json_node *spool)
{
    ol__buf_add_text(p->out, "spool   ");
    write_size(p, json_get_int(spool, "bytes", 0));
    ol__buf_add_text(p->out, " of ");
    write_size(p, json_get_int(spool, "max_bytes", 0));
    ol__buf_add_text(p->out, " in ");
    pretty_text(p, PRETTY_PLAIN, number(spool, "directory"));
    if (json_get_bool(spool, "full"))
        pretty_text(p, PRETTY_BAD, "; full");
    if (json_get_bool(spool, "failing"))
        pretty_text(p, PRETTY_BAD, "; cannot be written");
    ol__buf_add_char(p->out, '\n');
}

static ol_status write_routes(struct pretty *p, const struct json_node *routes)
{
    static const char *const keys[] = {"name",      "type",   "state",   "waiting",
                                       "delivered", "parked", "dropped", "last_error"};
    struct ol__arena arena = {.first = NULL};
    struct pretty_table table = {.arena = &arena,
                                 .columns = OL_COUNT(keys),
                                 .heads = {"ROUTE", "TYPE", "STATE", "WAITING", "DELIVERED",
                                           "PARKED", "DROPPED", "LAST ERROR"},
                                 .is_right = {[3] = true, [4] = true, [5] = true, [6] = true},
                                 .flexible = OL_COUNT(keys) - 1};
    ol_status st = OL_OK;
    for (const struct json_node *n = routes->first; n != NULL && st == OL_OK; n = n->next) {
        const char **row = pretty_table_row(&table);
        if (row == NULL)
            st = OL_NOMEM;
        for (size_t i = 0; i < OL_COUNT(keys) && row != NULL; i++)
            row[i] = json_get_text(n, keys[i]);
    }
    if (st == OL_OK && table.count > 0)
        pretty_table_print(p, &table, 0);
    pretty_table_release(&table);
    ol__arena_reset(&arena, 0);
    return st;
}

ol_status tree_status(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *intake = json_get(root, "intake"), *spool = json_get(root, "spool");
    const struct json_node *routes = json_get(root, "routes");
    char since[ROWS_TEXT];
    if (intake == NULL || spool == NULL || routes == NULL)
        return ol__error_set(err, OL_INVALID, "the agent's status has no intake, spool or routes");
    bool is_healthy = json_get_bool(root, "healthy");
    rows_time(json_get_text(root, "started"), since);
    ol__buf_add_format(p->out, "lineaged %s, pid %s, since %s: ", number(root, "version"),
                       number(root, "pid"), since);
    pretty_text(p, is_healthy ? PRETTY_GOOD : PRETTY_BAD, is_healthy ? "healthy" : "not healthy");
    ol__buf_add_char(p->out, '\n');
    write_intake(p, intake);
    write_spool(p, spool);
    ol_status st = write_routes(p, routes);
    for (const struct json_node *n = json_get_items(root, "waits"); n != NULL; n = n->next) {
        pretty_text(p, PRETTY_BAD, number(n, "who"));
        ol__buf_add_text(p->out, " waits for ");
        pretty_text(p, PRETTY_PLAIN, number(n, "for"));
        ol__buf_add_text(p->out, ": ");
        pretty_text(p, PRETTY_PLAIN, number(n, "why"));
        ol__buf_add_char(p->out, '\n');
    }
    if (st == OL_OK)
        st = p->out->status;
    return st == OL_OK ? OL_OK : ol__error_set(err, st, "the status: %s", ol__status_name(st));
}

static int print_status(struct ol__span body)
{
    struct ol__buf text;
    struct pretty p;
    struct json_doc doc;
    struct ol_error err = {.message = ""};
    if (json_doc_read(&doc, body, &err) != OL_OK) {
        cli_say("the agent's status: %s", err.message);
        return CLI_NO;
    }
    ol__buf_init(&text, CLIENT_ANSWER_MAX);
    pretty_init(&p, &text);
    ol_status st = tree_status(&p, doc.root, &err);
    bool is_written = st == OL_OK && pretty_flush(&p);
    if (st != OL_OK)
        cli_say("%s", err.message);
    bool is_healthy = json_get_bool(doc.root, "healthy");
    ol__buf_release(&text);
    json_doc_release(&doc);
    return is_written && is_healthy ? CLI_YES : CLI_NO;
}

int verb_status(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    bool is_json = false;
    int c, status = 0, result = CLI_NO;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'h') {
            puts("Usage: lineage status [--json]\n"
                 "Intake, spool and routes of the running agent.\n"
                 "Exit status: 0 healthy, 1 not, 2 usage, 3 no agent runs.");
            return CLI_YES;
        }
        if (c != 'j')
            return cli_usage("status", "see the message above");
        is_json = true;
    }
    if (optind < argc)
        return cli_usage("status", "'%s': no argument is expected", argv[optind]);
    struct place place;
    struct ol__buf body;
    struct ol_error err = {.message = ""};
    ol__buf_init(&body, CLIENT_ANSWER_MAX);
    ol_status st = place_find(&place, &err);
    if (st == OL_OK)
        st = place_get(&place, "/status", &status, &body, &err);
    if (st != OL_OK) {
        result = cli_fail(&place, st, &err);
    } else if (status != 200) {
        cli_say("the agent answers with status %d", status);
    } else if (is_json) {
        result = fwrite(body.data, 1, body.size, stdout) == body.size && fflush(stdout) == 0
                     ? CLI_YES
                     : CLI_NO;
    } else {
        result = print_status((struct ol__span){.data = body.data, .size = body.size});
    }
    place_release(&place);
    ol__buf_release(&body);
    return result;
}
