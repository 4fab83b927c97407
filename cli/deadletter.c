/* SPDX-License-Identifier: Apache-2.0 */
/* lineage deadletter: ls and show through the agent, else from the spool's files, as the same
 * documents. The other verbs are in deadletter_change.c. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "config.h"
#include "deadletter.h"
#include "json_write.h"
#include "tree.h"

/* ---- Without an agent ---- */

struct listing {
    struct ol__json_writer writer;
    const struct letters_choice *choice;
    const char *id; /**< NULL: list all */
    uint64_t count;
};

static ol_status write_letter(void *arg, const struct dead_letter *letter)
{
    struct listing *l = arg;
    struct ol__json_writer *w = &l->writer;
    if (!letters_choice_has(l->choice, letter) || (l->id != NULL && strcmp(l->id, letter->id) != 0))
        return OL_OK;
    l->count++;
    dead_letter_write(w, letter, l->id != NULL);
    return l->id != NULL ? OL_END : w->out->status;
}

static const char *one_id(const struct letter_options *o)
{
    return o->verb == LETTER_SHOW ? o->ids[0] : NULL;
}

/** The document that the agent would answer with. @return OL_OK, OL_NOT_FOUND (no such letter), ...
 */
static ol_status read_files(struct place *place, const struct letter_options *o,
                            struct ol__buf *out, struct ol_error *err)
{
    struct listing l = {.choice = &o->choice, .id = one_id(o)};
    ol_status st = place_configure(place, err);
    if (!place_is_ours(place))
        return ol__error_set(err, OL_DENIED, "the system agent is not running");
    if (st != OL_OK)
        return st;
    ol__json_writer_init(&l.writer, out);
    if (l.id == NULL) {
        ol__json_begin_object(&l.writer);
        ol__json_key(&l.writer, "deadletters");
        ol__json_begin_array(&l.writer);
    }
    st = dead_letters_each(place->config->spool_directory, o->choice.route, write_letter, &l, err);
    if (st != OL_OK && st != OL_END && st != OL_NOT_FOUND) /* no file: no letter */
        return st;
    if (l.id == NULL) {
        ol__json_end_array(&l.writer);
        ol__json_end_object(&l.writer);
    } else if (l.count == 0) {
        return ol__error_set(err, OL_NOT_FOUND, "no such dead letter: %s", l.id);
    }
    ol__buf_add_char(out, '\n');
    return out->status == OL_OK ? OL_OK : ol__error_set(err, out->status, "too many dead letters");
}

/* ---- Printing ---- */

static const char *text_or_empty(const struct json_node *node, const char *key)
{
    const char *text = json_get_text(node, key);
    return text != NULL ? text : "";
}

static int print_list(const struct json_node *letters)
{
    enum { ID, PARKED, STATUS, TRIES, SIZE, REASON, COLUMNS };
    struct ol__arena arena = {.first = NULL};
    struct pretty_table table = {.arena = &arena,
                                 .columns = COLUMNS,
                                 .heads = {"ID", "PARKED", "STATUS", "TRIES", "SIZE", "REASON"},
                                 .is_right = {[STATUS] = true, [TRIES] = true, [SIZE] = true},
                                 .flexible = REASON};
    struct ol__buf text;
    struct pretty p;
    bool is_whole = true;
    ol__buf_init(&text, CLIENT_ANSWER_MAX);
    pretty_init(&p, &text);
    for (const struct json_node *n = letters->first; n != NULL && is_whole; n = n->next) {
        const char **row = pretty_table_row(&table);
        char *time = ol__arena_alloc(&arena, ROWS_TEXT);
        is_whole = row != NULL && time != NULL;
        if (!is_whole)
            break;
        rows_time(json_get_text(n, "parked"), time);
        row[ID] = json_get_text(n, "id");
        row[PARKED] = time;
        row[STATUS] = json_get_text(n, "status");
        row[TRIES] = json_get_text(n, "tries");
        row[SIZE] = json_get_text(n, "size");
        row[REASON] = json_get_text(n, "reason");
    }
    if (letters->count == 0)
        ol__buf_add_text(&text, "no dead letters\n");
    else
        pretty_table_print(&p, &table, 0);
    is_whole = pretty_flush(&p) && is_whole;
    pretty_table_release(&table);
    ol__arena_reset(&arena, 0);
    ol__buf_release(&text);
    return is_whole ? CLI_YES : CLI_NO;
}

/** The event as it came, and why it is here. */
static int print_letter(const struct json_node *letter)
{
    const char *event = json_get_text(letter, "event");
    const char *status = json_get_text(letter, "status");
    char parked[ROWS_TEXT];
    if (event == NULL) {
        cli_say("the agent's answer has no event");
        return CLI_NO;
    }
    rows_time(json_get_text(letter, "parked"), parked);
    cli_say("parked by route %s, %s, after %s tries: %s%s%s", text_or_empty(letter, "route"),
            parked, text_or_empty(letter, "tries"), text_or_empty(letter, "reason"),
            status != NULL ? ", status " : "", status != NULL ? status : "");
    const char *end = isatty(STDOUT_FILENO) == 1 ? "\n" : "";
    return cli_print(ol__span_text(event)) && cli_print(ol__span_text(end)) ? CLI_YES : CLI_NO;
}

static int print_answer(const struct letter_options *o, struct ol__span body)
{
    struct json_doc doc;
    struct ol_error err = {.message = ""};
    if (o->is_json)
        return cli_print(body) ? CLI_YES : CLI_NO;
    if (json_doc_read(&doc, body, &err) != OL_OK) {
        cli_say("the agent's answer: %s", err.message);
        return CLI_NO;
    }
    const struct json_node *letters = json_get(doc.root, "deadletters");
    int result;
    if (o->verb == LETTER_SHOW) {
        result = print_letter(doc.root);
    } else if (letters != NULL) {
        result = print_list(letters);
    } else {
        cli_say("the agent's answer has no list");
        result = CLI_NO;
    }
    json_doc_release(&doc);
    return result;
}

/* ---- The verb ---- */

static ol_status ask(struct place *place, const struct letter_options *o, int *ret_status,
                     struct ol__buf *body, struct ol_error *err)
{
    struct ol__buf target;
    char status[16];
    snprintf(status, sizeof status, "%d", o->choice.status);
    ol__buf_init(&target, 4096);
    ol__buf_add_text(&target, "/v1/deadletters");
    if (one_id(o) != NULL)
        ol__buf_add_format(&target, "/%s", one_id(o));
    client_add_query(&target, "route", o->choice.route);
    client_add_query(&target, "reason", o->choice.reason);
    client_add_query(&target, "status", o->choice.status >= 0 ? status : NULL);
    ol_status st = target.status == OL_OK
                       ? place_get(place, target.data, ret_status, body, err)
                       : ol__error_set(err, target.status, "the name is too long");
    ol__buf_release(&target);
    if (st != OL_NOT_FOUND)
        return st;
    *ret_status = 200;
    return read_files(place, o, body, err);
}

static const char *const verb_names[] = {"ls", "show", "retry", "drop", "export"};

static int parse_verb(int argc, char **argv, struct letter_options *o)
{
    const char *what = optind < argc ? argv[optind++] : "";
    size_t verb = 0;
    while (verb < OL_COUNT(verb_names) && strcmp(what, verb_names[verb]) != 0)
        verb++;
    if (verb == OL_COUNT(verb_names))
        return cli_usage("deadletter", "'%s': expected ls, show, retry, drop or export", what);
    o->verb = (enum letter_verb)verb;
    int left = argc - optind;
    bool is_chosen = letters_choice_is_narrow(&o->choice) || o->is_all;
    bool is_change = o->verb == LETTER_RETRY || o->verb == LETTER_DROP;
    if (o->verb == LETTER_EXPORT && left > 0) {
        o->file = argv[optind++];
        left--;
    } else if (o->verb == LETTER_SHOW || is_change) {
        o->ids = argv + optind;
        o->id_count = left;
        left = 0;
    }
    if (left > 0)
        return cli_usage("deadletter", "'%s': one argument too many", argv[argc - left]);
    if (o->verb == LETTER_SHOW && (o->id_count != 1 || is_chosen))
        return cli_usage("deadletter", "show: expected the id of one letter");
    if (o->verb == LETTER_EXPORT && o->file == NULL)
        return cli_usage("deadletter", "export: expected a file, or - for standard output");
    if (is_change && (o->id_count > 0) == is_chosen)
        return cli_usage("deadletter",
                         "%s: which letters? Their ids, or --route, --reason, --status, or --all",
                         what);
    return 0;
}

static int parse(int argc, char **argv, struct letter_options *o)
{
    static const struct option options[] = {{"route", required_argument, NULL, 'r'},
                                            {"reason", required_argument, NULL, 'w'},
                                            {"status", required_argument, NULL, 's'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        char *end = NULL;
        switch (c) {
        case 'r':
            o->choice.route = optarg;
            break;
        case 'w':
            o->choice.reason = optarg;
            break;
        case 's':
            o->choice.status = (int)strtol(optarg, &end, 10);
            if (end == optarg || *end != '\0' || o->choice.status < 0 || o->choice.status > 999)
                return cli_usage("deadletter", "--status '%s': expected 0 to 999", optarg);
            break;
        case 'a':
            o->is_all = true;
            break;
        case 'j':
            o->is_json = true;
            break;
        case 'h':
            puts("Usage: lineage deadletter ls [SELECTION] [--json]\n"
                 "       lineage deadletter show [--json] ID\n"
                 "       lineage deadletter retry|drop [--json] ID... | SELECTION | --all\n"
                 "       lineage deadletter export [SELECTION] FILE|-\n"
                 "SELECTION: [--route NAME] [--reason TEXT] [--status NUMBER]; all must hold.\n"
                 "Events that a route refused for good, with the reason; the exact bytes of one;\n"
                 "to their route once more, or forgotten for good; as JSON lines into a file.\n"
                 "Exit status: 0 yes, 1 failed, 2 usage, 3 not known.");
            return -1;
        default:
            return cli_usage("deadletter", "see the message above");
        }
    }
    return parse_verb(argc, argv, o);
}

/* @return exit status. */
static int look(struct place *place, const struct letter_options *o)
{
    int status = 0, result;
    struct ol__buf body;
    struct ol_error err = {.message = ""};
    ol__buf_init(&body, CLIENT_ANSWER_MAX);
    ol_status st = ask(place, o, &status, &body, &err);
    struct ol__span answer = {.data = body.data, .size = body.size};
    if (st != OL_OK) {
        result = cli_fail(place, st, &err);
    } else if (status != 200) {
        char *message = cli_answer_message(answer, "the agent answers with an error");
        cli_say("%s", message != NULL ? message : "out of memory");
        free(message);
        result = status == 404 ? CLI_NOT_KNOWN : CLI_NO;
    } else {
        result = print_answer(o, answer);
    }
    ol__buf_release(&body);
    return result;
}

int verb_deadletter(int argc, char **argv)
{
    struct letter_options o = {.choice = {.status = -1}};
    int result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    for (int i = 0; i < o.id_count; i++) {
        const char *id = o.ids[i];
        if (id[0] != '\0' && id[strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0')
            continue;
        cli_say("no such dead letter: %s", id);
        return CLI_NOT_KNOWN;
    }
    struct place place;
    struct ol_error err = {.message = ""};
    if (place_find(&place, &err) != OL_OK)
        result = cli_fail(&place, err.status, &err);
    else if (o.verb == LETTER_EXPORT)
        result = deadletter_export(&place, &o);
    else if (o.verb == LETTER_RETRY || o.verb == LETTER_DROP)
        result = deadletter_change(&place, &o);
    else
        result = look(&place, &o);
    place_release(&place);
    return result;
}
