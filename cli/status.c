/* SPDX-License-Identifier: Apache-2.0 */
/* lineage status: what comes in, what waits, for whom and since when, what is wrong. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "cli.h"
#include "doctor.h"
#include "times.h"
#include "tree.h"

#define WATCH_DEFAULT_S 2
#define WATCH_MAX_S 3600

static const char *number(const struct json_node *node, const char *key)
{
    const char *text = json_get_text(node, key);
    return text != NULL ? text : "?";
}

static void write_size(struct pretty *p, int64_t bytes)
{
    char text[32];
    ol__buf_add_text(p->out, doctor_size(bytes, text, sizeof text));
}

/* "3 min 05 s" since an RFC 3339 time; "" for NULL. */
static void age_of(const char *since, char out[ROWS_TEXT])
{
    char now[OL_TIME_TEXT + 1];
    ol__time_format(ol__time_now_ms(), now);
    rows_duration(since, now, out);
}

/* What waits in journals, and where the agent has lost a directory. */
static void write_directories(struct pretty *p, const struct json_node *journal)
{
    char age[ROWS_TEXT];
    for (const struct json_node *n = json_get_items(journal, "directories"); n != NULL;
         n = n->next) {
        bool is_lost = json_get_bool(n, "lost");
        if (json_get_int(n, "waiting_bytes", 0) == 0 && !is_lost)
            continue;
        ol__buf_add_text(p->out, "journal ");
        pretty_text(p, PRETTY_PLAIN, number(n, "path"));
        if (is_lost) {
            ol__buf_add_text(p->out, ": ");
            pretty_text(p, PRETTY_BAD, "missing, or drained by somebody else");
        } else {
            age_of(json_get_text(n, "oldest"), age);
            ol__buf_add_text(p->out, ": ");
            write_size(p, json_get_int(n, "waiting_bytes", 0));
            ol__buf_add_format(p->out, " wait, the oldest for %s", age[0] != '\0' ? age : "?");
        }
        ol__buf_add_char(p->out, '\n');
    }
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
    write_directories(p, journal);
}

static void write_spool(struct pretty *p, const struct json_node *spool)
{
    ol__buf_add_text(p->out, "spool   ");
    write_size(p, json_get_int(spool, "bytes", 0));
    ol__buf_add_text(p->out, " of ");
    write_size(p, json_get_int(spool, "max_bytes", 0));
    ol__buf_add_text(p->out, " in ");
    pretty_text(p, PRETTY_PLAIN, number(spool, "directory"));
    if (json_get(spool, "free_bytes") != NULL) {
        ol__buf_add_text(p->out, "; ");
        write_size(p, json_get_int(spool, "free_bytes", 0));
        ol__buf_add_text(p->out, " free on its disk");
    }
    if (json_get_bool(spool, "full"))
        pretty_text(p, PRETTY_BAD, "; full");
    if (json_get_bool(spool, "failing"))
        pretty_text(p, PRETTY_BAD, "; cannot be written");
    ol__buf_add_char(p->out, '\n');
}

/* Whether nothing gets through there. */
static bool is_wrong_route(const struct json_node *route)
{
    const char *state = json_get_text(route, "state");
    return state != NULL && strcmp(state, "ok") != 0 && strcmp(state, "starting") != 0;
}

static bool is_stuck_route(const struct json_node *route)
{
    const char *state = json_get_text(route, "state");
    return is_wrong_route(route) && strcmp(state, "retrying") != 0;
}

static bool is_well(const struct json_node *root)
{
    bool result = json_get_bool(root, "healthy");
    const struct json_node *journal = json_get(json_get(root, "intake"), "journal");
    for (const struct json_node *n = json_get_items(root, "routes"); n != NULL; n = n->next)
        result = result && !is_stuck_route(n);
    for (const struct json_node *n = json_get_items(journal, "directories"); n != NULL; n = n->next)
        result = result && !json_get_bool(n, "lost");
    return result;
}

/* Who waits for whom, why and since when, and what to do. */
static void write_waits(struct pretty *p, const struct json_node *root)
{
    char since[ROWS_TEXT];
    for (const struct json_node *n = json_get_items(root, "waits"); n != NULL; n = n->next) {
        rows_time(json_get_text(n, "since"), since);
        pretty_text(p, PRETTY_BAD, number(n, "who"));
        ol__buf_add_text(p->out, " waits for ");
        pretty_text(p, PRETTY_PLAIN, number(n, "for"));
        ol__buf_add_format(p->out, "%s%s: ", since[0] != '\0' ? " since " : "", since);
        pretty_text(p, PRETTY_PLAIN, number(n, "why"));
        ol__buf_add_char(p->out, '\n');
    }
    for (const struct json_node *n = json_get_items(root, "routes"); n != NULL; n = n->next) {
        const char *advice = doctor_advice(json_get_text(n, "cause"));
        if (is_wrong_route(n) && advice != NULL)
            ol__buf_add_format(p->out, "  do: %s\n", advice);
        if (json_get_int(n, "parked", 0) > 0)
            ol__buf_add_format(p->out, "  parked events: lineage deadletter ls --route %s\n",
                               number(n, "name"));
    }
}

static ol_status write_routes(struct pretty *p, const struct json_node *routes)
{
    enum { OLDEST = 4 };
    static const char *const keys[] = {"name",      "type",   "state",   "waiting",   "oldest",
                                       "delivered", "parked", "dropped", "last_error"};
    struct ol__arena arena = {.first = NULL};
    struct pretty_table table = {
        .arena = &arena,
        .columns = OL_COUNT(keys),
        .heads = {"ROUTE", "TYPE", "STATE", "WAITING", "OLDEST", "DELIVERED", "PARKED", "DROPPED",
                  "LAST ERROR"},
        .is_right = {[3] = true, [OLDEST] = true, [5] = true, [6] = true, [7] = true},
        .flexible = OL_COUNT(keys) - 1};
    ol_status st = OL_OK;
    for (const struct json_node *n = routes->first; n != NULL && st == OL_OK; n = n->next) {
        const char **row = pretty_table_row(&table);
        if (row == NULL)
            st = OL_NOMEM;
        for (size_t i = 0; i < OL_COUNT(keys) && row != NULL; i++)
            row[i] = json_get_text(n, keys[i]);
        char *age = ol__arena_alloc(&arena, ROWS_TEXT);
        if (row == NULL || age == NULL) {
            st = OL_NOMEM;
            break;
        }
        age_of(row[OLDEST], age);
        row[OLDEST] = age;
        if (!is_wrong_route(n)) /* an error that is over only frightens */
            row[OL_COUNT(keys) - 1] = NULL;
    }
    if (st == OL_OK && table.count > 0)
        pretty_table_print(p, &table, 0);
    pretty_table_release(&table);
    ol__arena_reset(&arena, 0);
    return st;
}

/* What waits on purpose, and what it became. */
static void write_answers(struct pretty *p, const struct json_node *routes)
{
    for (const struct json_node *n = routes->first; n != NULL; n = n->next) {
        long long waiting = (long long)json_get_int(n, "answers_waiting", 0);
        long long summed = (long long)json_get_int(n, "answers_summed", 0);
        if (waiting + summed > 0)
            ol__buf_add_format(p->out,
                               "answers of services to %s: %lld summed up and delivered, %lld in"
                               " summaries that are not\n",
                               number(n, "name"), summed, waiting);
    }
}

/* Over the ceiling, with nothing that may go: someone has to decide. */
static void write_stuck(struct pretty *p, const struct json_node *routes)
{
    for (const struct json_node *n = routes->first; n != NULL; n = n->next) {
        const struct json_node *store = json_get(n, "store");
        char text[256];
        if (store == NULL || !json_get_bool(store, "stuck"))
            continue;
        snprintf(text, sizeof text,
                 "store of route %s: %lld bytes, over retention_size (%lld), and all that is left "
                 "is pinned or held: raise retention_size",
                 number(n, "name"), (long long)json_get_int(store, "bytes", 0),
                 (long long)json_get_int(store, "max_bytes", 0));
        pretty_text(p, PRETTY_BAD, text);
        ol__buf_add_char(p->out, '\n');
    }
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
    write_answers(p, routes);
    write_stuck(p, routes);
    write_waits(p, root);
    if (st == OL_OK)
        st = p->out->status;
    return st == OL_OK ? OL_OK : ol__error_set(err, st, "the status: %s", ol__status_name(st));
}

struct status_options {
    bool is_json;
    long watch_s; /* 0: once */
};

/* @return CLI_YES: well; CLI_NO. */
static int print_status(const struct status_options *o, struct ol__span body)
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
    ol_status st = OL_OK;
    if (o->is_json)
        st = ol__buf_add(&text, body.data, body.size);
    else {
        if (o->watch_s > 0 && isatty(STDOUT_FILENO) == 1)
            ol__buf_add_text(&text, "\033[H\033[2J");
        st = tree_status(&p, doc.root, &err);
    }
    bool is_written = st == OL_OK && pretty_flush(&p);
    if (st != OL_OK)
        cli_say("%s", err.message);
    bool is_fine = is_well(doc.root);
    ol__buf_release(&text);
    json_doc_release(&doc);
    return is_written && is_fine ? CLI_YES : CLI_NO;
}

static int ask_and_print(const struct status_options *o, bool *ret_is_answered)
{
    struct place place;
    struct ol__buf body;
    struct ol_error err = {.message = ""};
    int status = 0, result = CLI_NO;
    ol__buf_init(&body, CLIENT_ANSWER_MAX);
    ol_status st = place_find(&place, &err);
    if (st == OL_OK)
        st = place_get(&place, "/status", &status, &body, &err);
    *ret_is_answered = st == OL_OK && status == 200;
    if (st != OL_OK) {
        result = cli_fail(&place, st, &err);
        if (st == OL_NOT_FOUND)
            cli_say("'lineage doctor' tells more");
    } else if (status != 200)
        cli_say("the agent answers with status %d", status);
    else
        result = print_status(o, (struct ol__span){.data = body.data, .size = body.size});
    place_release(&place);
    ol__buf_release(&body);
    return result;
}

/* @return whether @p text is a number of seconds. */
static bool read_watch(const char *text, long *ret)
{
    char *end;
    if (text == NULL) {
        *ret = WATCH_DEFAULT_S;
        return true;
    }
    errno = 0;
    *ret = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *ret >= 1 && *ret <= WATCH_MAX_S;
}

int verb_status(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"watch", optional_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct status_options o = {.is_json = false};
    bool is_answered;
    int c, result;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'h') {
            puts("Usage: lineage status [--json] [--watch[=SECONDS]]\n"
                 "What comes in, what waits, for whom and since when, what is wrong and what to "
                 "do.\n"
                 "--watch asks again every 2 seconds, or so many, until the agent is gone.\n"
                 "Exit status: 0 well, 1 something is wrong, 2 usage, 3 no agent runs.");
            return CLI_YES;
        }
        if (c == 'w' && !read_watch(optarg, &o.watch_s))
            return cli_usage("status", "--watch: expected seconds from 1 to %d", WATCH_MAX_S);
        if (c != 'j' && c != 'w')
            return cli_usage("status", "see the message above");
        o.is_json = o.is_json || c == 'j';
    }
    if (optind < argc)
        return cli_usage("status", "'%s': no argument is expected", argv[optind]);
    result = ask_and_print(&o, &is_answered);
    while (o.watch_s > 0 && is_answered) {
        const struct timespec pause = {.tv_sec = o.watch_s};
        nanosleep(&pause, NULL);
        result = ask_and_print(&o, &is_answered);
    }
    return result;
}
