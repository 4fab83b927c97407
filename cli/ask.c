/* SPDX-License-Identifier: Apache-2.0 */
/* lineage why, impact, diff, runs, show, events: a question to the agent, or to its store where
 * none runs. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "dataset_name.h"
#include "run_files.h"
#include "store.h"
#include "tree.h"

#define CONTENT_LIMIT ((uint64_t)1 << 30) /* bytes: larger files are found by name only */
#define DEPTH_MAX 10000
#define LIMIT_MAX 1000000

static const struct ask {
    const char *name;
    const char *help;
    bool needs_subject, has_depth, has_limit, has_filters, has_json, has_request, needs_other;
} asks[] = {
    [ASK_WHY] =
        {"why",
         "Usage: lineage why [--depth N] [--limit N] [--json] X\n"
         "Everything upstream of X: jobs and datasets, with the runs that made each step.\n",
         true, true, true, false, true, false, false},
    [ASK_IMPACT] = {"impact",
                    "Usage: lineage impact [--depth N] [--limit N] [--json] X\n"
                    "Everything downstream of X.\n",
                    true, true, true, false, true, false, false},
    [ASK_DIFF] =
        {"diff",
         "Usage: lineage diff [--depth N] [--limit N] [--json] A B\n"
         "What is different between two runs, or between those that made two datasets, and\n"
         "upstream of them: versions that were read, code, parameters, seeds, models, metrics.\n",
         true, true, true, false, true, false, true},
    [ASK_RUNS] =
        {"runs",
         "Usage: lineage runs [--job NAME] [--state STATE] [--limit N] [--json] [ID]\n"
         "Runs, newest first; with ID those that carry it as a tag or id (run_id, task_id...),\n"
         "or that answered a request of that id.\n"
         "STATE is RUNNING, COMPLETE, FAIL or ABORT.\n",
         false, false, true, true, true, false, false},
    [ASK_SHOW] =
        {"show",
         "Usage: lineage show [--json] [--request] X\n"
         "All that is recorded about a dataset, a job, a run, or an answer of a service.\n"
         "--request: X is the id of a request (request_id, provider_request_id or trace_id\n"
         "of an answer), and nothing else.\n",
         true, false, false, false, true, true, false},
    [ASK_EVENTS] = {"events",
                    "Usage: lineage events [--limit N] RUN\n"
                    "The events of a run as they came, one a line, where the store keeps them.\n",
                    true, false, true, false, false, false, false},
};

struct ask_options {
    enum ask_verb verb;
    const char *subject, *other, *job, *state;
    const char *depth, *limit; /* as given: checked, then passed on */
    bool is_json, is_request;
};

static void print_help(const struct ask *ask)
{
    fputs(ask->help, stdout);
    if (ask->needs_subject)
        puts("\nX is a dataset name, a URI, a file path, a job (NAME or NAMESPACE/NAME) or a run "
             "id (eight\n"
             "characters or more).");
    puts("Exit status: 0 yes, 1 no or failed, 2 usage, 3 not known.");
}

/** @return whether @p text is a whole number from 1 to @p max. */
static bool is_number(const char *text, long max)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= 1 &&
           value <= max;
}

static bool is_state(const char *text)
{
    return strcmp(text, "NEW") == 0 || strcmp(text, "RUNNING") == 0 ||
           strcmp(text, "COMPLETE") == 0 || strcmp(text, "FAIL") == 0 || strcmp(text, "ABORT") == 0;
}

/** @return 0: go on; -1: done; CLI_USAGE. */
static int parse(int argc, char **argv, struct ask_options *o)
{
    enum { DEPTH = 256, LIMIT, JSON, JOB, STATE, REQUEST };
    static const struct option options[] = {
        {"depth", required_argument, NULL, DEPTH}, {"limit", required_argument, NULL, LIMIT},
        {"json", no_argument, NULL, JSON},         {"job", required_argument, NULL, JOB},
        {"state", required_argument, NULL, STATE}, {"request", no_argument, NULL, REQUEST},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    const struct ask *ask = &asks[o->verb];
    int c;
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        bool is_known = true;
        switch (c) {
        case DEPTH:
            o->depth = optarg;
            is_known = ask->has_depth;
            break;
        case LIMIT:
            o->limit = optarg;
            is_known = ask->has_limit;
            break;
        case JSON:
            o->is_json = true;
            is_known = ask->has_json;
            break;
        case JOB:
            o->job = optarg;
            is_known = ask->has_filters;
            break;
        case REQUEST:
            o->is_request = true;
            is_known = ask->has_request;
            break;
        case STATE:
            o->state = optarg;
            is_known = ask->has_filters;
            break;
        case 'h':
            print_help(ask);
            return -1;
        default:
            return cli_usage(ask->name, "see the message above");
        }
        if (!is_known)
            return cli_usage(ask->name, "it has no such option");
    }
    if (o->depth != NULL && !is_number(o->depth, DEPTH_MAX))
        return cli_usage(ask->name, "--depth: '%s' is no number from 1 to %d", o->depth, DEPTH_MAX);
    if (o->limit != NULL && !is_number(o->limit, LIMIT_MAX))
        return cli_usage(ask->name, "--limit: '%s' is no number from 1 to %d", o->limit, LIMIT_MAX);
    if (optind < argc)
        o->subject = argv[optind++];
    if (optind < argc && ask->needs_other)
        o->other = argv[optind++];
    if (optind < argc)
        return cli_usage(ask->name, "'%s': only %s at a time", argv[optind],
                         ask->needs_other ? "two" : "one");
    if (o->state != NULL && !is_state(o->state))
        return cli_usage(ask->name, "--state: '%s': expected RUNNING, COMPLETE, FAIL or ABORT",
                         o->state);
    if (ask->needs_subject && (o->subject == NULL || o->subject[0] == '\0'))
        return cli_usage(ask->name, "of what? expected a dataset, file, job or run");
    if (ask->needs_other && (o->other == NULL || o->other[0] == '\0'))
        return cli_usage(ask->name, "to what? expected a second dataset, file, job or run");
    return 0;
}

/** One X of the command line, and how the store is asked for it. */
struct named {
    const char *x;          /* NULL: there is none */
    struct ol__buf subject; /* owned */
    char content[OL_DATASET_VERSION_SIZE];
};

static const char *content_of(const struct named *n)
{
    return n->content[0] != '\0' ? n->content : NULL;
}

/** How the store is asked for X: name space and name as the library would call it, then X as it was
 * given (SCHEMA.md); and the content of a file, or the version that X names. */
static ol_status resolve(struct named *n)
{
    char name_space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE];
    n->content[0] = '\0';
    if (ol_dataset_name(n->x, name_space, sizeof name_space, name, sizeof name, n->content,
                        sizeof n->content, NULL) == OL_OK) {
        ol__buf_add_format(&n->subject, "%s\x1f%s\x1f", name_space, name);
        if (n->content[0] == '\0' && strcmp(name_space, "file") == 0)
            OL_IGNORE(run_files_hash_path(name, CONTENT_LIMIT, n->content) != OL_OK,
                      "no file, or none to be hashed: by name alone");
    }
    return ol__buf_add_text(&n->subject, n->x);
}

/** X without the version at its end, for names that are no URIs: NAME@TAG, NAME:vN, NAME#sha256:...
 * @return whether it has one. */
static bool resolve_bare(struct named *n)
{
    size_t size = n->x != NULL ? strlen(n->x) : 0;
    size_t version = ol__name_digest_size(n->x, size);
    if (version == 0)
        version = ol__name_tag_size(n->x, size, OL_VERSIONED_TAG);
    if (version == 0 || version > sizeof n->content)
        return false;
    snprintf(n->content, sizeof n->content, "%s", n->x + size - version + 1);
    ol__buf_reset(&n->subject);
    return ol__buf_add(&n->subject, n->x, size - version) == OL_OK;
}

static const char *subject_of(const struct named *n)
{
    return n->x != NULL ? n->subject.data : NULL;
}

static ol_status ask_agent(struct place *place, const struct ask_options *o,
                           const struct named names[2], int *ret_status, struct ol__buf *answer,
                           struct ol_error *err)
{
    struct ol__buf target;
    ol__buf_init(&target, 60000);
    ol__buf_add_format(&target, "/v1/%s", asks[o->verb].name);
    client_add_query(&target, "subject", subject_of(&names[0]));
    client_add_query(&target, "content", content_of(&names[0]));
    client_add_query(&target, "other", subject_of(&names[1]));
    client_add_query(&target, "other_content", content_of(&names[1]));
    client_add_query(&target, "depth", o->depth);
    client_add_query(&target, "limit", o->limit);
    client_add_query(&target, "job", o->job);
    client_add_query(&target, "state", o->state);
    client_add_query(&target, "request", o->is_request ? "1" : NULL);
    ol_status st = target.status == OL_OK
                       ? place_get(place, target.data, ret_status, answer, err)
                       : ol__error_set(err, target.status, "the question is too long");
    ol__buf_release(&target);
    return st;
}

/** Put the question, to the agent or without it. @p ret_status is as HTTP has it. */
static ol_status ask(struct place *place, const struct ask_options *o, const struct named names[2],
                     int *ret_status, struct ol__buf *answer, struct ol_error *err)
{
    ol_status st = ask_agent(place, o, names, ret_status, answer, err);
    if (st != OL_NOT_FOUND)
        return st;
    struct store_question question = {
        .subject = subject_of(&names[0]),
        .content = content_of(&names[0]),
        .is_request = o->is_request,
        .other = subject_of(&names[1]),
        .other_content = content_of(&names[1]),
        .depth = o->depth != NULL ? strtol(o->depth, NULL, 10) : 0,
        .limit = o->limit != NULL ? strtol(o->limit, NULL, 10) : 0,
        .uid = STORE_ANY_UID,
        .job = o->job,
        .state = o->state,
    };
    st = offline_ask(place, o->verb, &question, answer, err);
    *ret_status = st == OL_NOT_FOUND ? 404 : 200;
    return st == OL_NOT_FOUND && answer->size > 0 ? OL_OK : st;
}

/** A second question, once the first found nothing; if this finds nothing either, the first answer
 * stands, but for two subjects, of which the first may have been found by now. */
static ol_status ask_again(struct place *place, const struct ask_options *o,
                           const struct named names[2], int *ret_status, struct ol__buf *answer,
                           struct ol_error *err)
{
    struct ol__buf other;
    int status = 0;
    ol__buf_init(&other, CLIENT_ANSWER_MAX);
    ol_status st = ask(place, o, names, &status, &other, err);
    if (st == OL_OK && (status == 200 || o->other != NULL)) {
        ol__buf_release(answer);
        *answer = other;
        *ret_status = status;
        return OL_OK;
    }
    ol__buf_release(&other);
    return st;
}

static ol_status render(enum ask_verb verb, struct ol__span json, struct pretty *p,
                        struct ol_error *err)
{
    struct json_doc doc;
    ol_status st = json_doc_read(&doc, json, err);
    if (st != OL_OK)
        return st;
    if (verb == ASK_RUNS)
        st = tree_runs(p, doc.root, err);
    else if (verb == ASK_SHOW)
        st = tree_show(p, doc.root, err);
    else if (verb == ASK_DIFF)
        st = tree_diff(p, doc.root, err);
    else
        st = tree_graph(p, doc.root, err);
    json_doc_release(&doc);
    return st;
}

static int print_answer(const struct ask_options *o, int status, struct ol__buf *answer)
{
    struct ol__span body = {.data = answer->data, .size = answer->size};
    struct ol__buf text;
    struct pretty p;
    struct ol_error err = {.message = ""};
    if (status == 200 && !o->is_json && o->verb != ASK_EVENTS) {
        ol__buf_init(&text, 4 * CLIENT_ANSWER_MAX);
        pretty_init(&p, &text);
        ol_status st = render(o->verb, body, &p, &err);
        bool is_written = st == OL_OK && pretty_flush(&p);
        ol__buf_release(&text);
        if (st != OL_OK)
            cli_say("%s", err.message);
        return is_written ? CLI_YES : CLI_NO;
    }
    if (status == 200 && o->verb == ASK_EVENTS && body.size == 0) {
        cli_say(
            "no event of '%.200s' is kept: the store route has no raw_events (lineaged.yaml(5))",
            o->subject);
        return CLI_NOT_KNOWN;
    }
    if (status == 200 || (status == 404 && o->is_json)) {
        bool is_written = fwrite(body.data, 1, body.size, stdout) == body.size;
        if (body.size > 0 && body.data[body.size - 1] != '\n')
            is_written = putchar('\n') != EOF && is_written;
        if (fflush(stdout) != 0 || !is_written)
            return CLI_NO;
    }
    if (status == 200)
        return CLI_YES;
    char fallback[300];
    const char *subject = o->subject != NULL ? o->subject : o->job;
    if (status != 404)
        snprintf(fallback, sizeof fallback, "the agent answers '%s' with an error",
                 asks[o->verb].name);
    else if (subject != NULL)
        snprintf(fallback, sizeof fallback, "nothing is recorded under '%.200s'", subject);
    else
        snprintf(fallback, sizeof fallback, "no run is recorded yet");
    char *message = cli_answer_message(body, fallback);
    cli_say("%s", message != NULL ? message : fallback);
    free(message);
    return status == 404 || status == 501 ? CLI_NOT_KNOWN : status == 400 ? CLI_USAGE : CLI_NO;
}

int verb_ask(int argc, char **argv)
{
    struct ask_options o = {.verb = ASK_WHY};
    while (strcmp(asks[o.verb].name, argv[0]) != 0)
        o.verb++;
    int result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;

    int status = 0;
    struct place place;
    struct ol_error err = {.message = ""};
    struct named names[2] = {{.x = o.subject}, {.x = o.other}};
    struct ol__buf answer;
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    ol_status st = place_find(&place, &err);
    for (size_t i = 0; i < OL_COUNT(names); i++) {
        ol__buf_init(&names[i].subject, 16384);
        if (st == OL_OK && names[i].x != NULL)
            st = asks[o.verb].needs_subject && !o.is_request
                     ? resolve(&names[i])
                     : ol__buf_add_text(&names[i].subject, names[i].x);
        if (names[i].subject.status != OL_OK)
            st = ol__error_set(&err, OL_INVALID, "the name is too long");
    }
    if (st == OL_OK)
        st = ask(&place, &o, names, &status, &answer, &err);
    if (st == OL_OK && status == 404 && asks[o.verb].needs_subject && !o.is_request) {
        bool is_bare = resolve_bare(&names[0]);
        if (resolve_bare(&names[1]) || is_bare)
            st = ask_again(&place, &o, names, &status, &answer, &err);
    }
    result = st == OL_OK ? print_answer(&o, status, &answer) : cli_fail(&place, st, &err);
    place_release(&place);
    for (size_t i = 0; i < OL_COUNT(names); i++)
        ol__buf_release(&names[i].subject);
    ol__buf_release(&answer);
    return result;
}
