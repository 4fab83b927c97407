/* SPDX-License-Identifier: Apache-2.0 */
/* lineage status: what the agent says of itself. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "pretty.h"

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
    pretty_sections(&p, doc.root, 0);
    bool is_written = pretty_flush(&p);
    bool is_healthy = json_get(doc.root, "healthy") == NULL || json_get_bool(doc.root, "healthy");
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
