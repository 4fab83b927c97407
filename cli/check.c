/* SPDX-License-Identifier: Apache-2.0 */
/* lineage check: what contradicts itself in what is recorded, or should not be; and steps whose
 * receipts are not where the others of their run are. */
#include <dirent.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "json_write.h"
#include "options.h"
#include "pages.h"
#include "receipt/folder.h"
#include "tree.h"
#include "when.h"

struct check {
    int64_t tolerance, open_for;
    const char *limit, *runs;
    bool is_json, is_all, is_strict;
};

static void help(void)
{
    puts("Usage: lineage check [OPTION]... [X]\n"
         "What cannot be so: upstream of X, or in the newest 1000 runs. Errors are times that ran\n"
         "backwards or lie ahead, children that began before their parent, data that was read "
         "before\n"
         "it was written or in a version that nobody wrote, steps without their receipts. Warnings "
         "are\n"
         "clocks that disagree, children that outlived their parent, readers that began before "
         "the\n"
         "writer had finished, runs that are open for long, fields that changed, facets that break "
         "their\n"
         "schema.\n"
         "\n"
         "      --all                all runs\n"
         "      --strict             warnings count as well\n"
         "      --tolerance SPAN     what clocks of several machines may differ by; default 5m\n"
         "      --open-for SPAN      how long a run may be silent before it ends; default 24h\n"
         "      --runs DIR           the folder of receipts; default: LINEAGE_RUNS, else runs\n"
         "      --limit N            runs that are looked at, without X and --all\n"
         "      --json\n"
         "  -h, --help\n"
         "\n"
         "Exit status: 0 no error was found, 1 one was, or it failed, 2 usage, 3 not known: there "
         "was\n"
         "no run to check.");
}

/* ---- Receipts ---- */

/* Whether the folder of a step, "clean" or "020_clean", is that of @p step. */
static bool is_step_folder(const char *name, const char *step)
{
    size_t digits = strspn(name, "0123456789");
    return strcmp(name, step) == 0 ||
           (digits > 0 && name[digits] == '_' && strcmp(name + digits + 1, step) == 0);
}

enum found { FOUND, NO_RUN, NO_RECEIPT };

static enum found find_receipt(const char *runs, const char *run_id, const char *step,
                               const char *attempt)
{
    char path[4096];
    enum found found = NO_RECEIPT;
    if (!receipt_is_run_id(run_id) || receipt_step_problem(step) != NULL ||
        attempt[strspn(attempt, "0123456789")] != '\0')
        return NO_RUN; /* not by us */
    if (snprintf(path, sizeof path, "%s/%s/steps", runs, run_id) >= (int)sizeof path)
        return NO_RUN;
    DIR *steps = opendir(path);
    if (steps == NULL)
        return NO_RUN;
    for (const struct dirent *e = readdir(steps); e != NULL && found != FOUND;
         e = readdir(steps)) { // NOLINT(concurrency-mt-unsafe)
        if (is_step_folder(e->d_name, step) &&
            snprintf(path, sizeof path, "%s/%s/steps/%s/attempt-%s/receipt.json", runs, run_id,
                     e->d_name, attempt) < (int)sizeof path &&
            access(path, F_OK) == 0)
            found = FOUND;
    }
    closedir(steps);
    return found;
}

static ol_status add_missing(struct pages *pages, const struct json_node *step)
{
    struct ol__buf text;
    struct ol__json_writer w;
    char what[400];
    ol__buf_init(&text, 1 << 16);
    ol__json_writer_init(&w, &text);
    snprintf(what, sizeof what,
             "step %.100s, attempt %.20s of %.60s has no receipt in that run's folder",
             json_get_text(step, "step"), json_get_text(step, "attempt"),
             json_get_text(step, "run_id"));
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "kind", "step_without_receipt");
    ol__json_member_text(&w, "severity", "error");
    ol__json_key(&w, "run");
    ol__json_begin_object(&w);
    ol__json_member_text_opt(&w, "run_id", json_get_text(step, "run"));
    ol__json_end_object(&w);
    ol__json_member_text(&w, "what", what);
    ol__json_member_text_opt(&w, "since", json_get_text(step, "started"));
    ol__json_end_object(&w);
    ol_status st = text.status;
    if (st == OL_OK)
        st = pages_add(pages, (struct ol__span){text.data, text.size}, "errors");
    ol__buf_release(&text);
    return st;
}

/* Of each attempt that has ended, where its run has a folder here. */
static ol_status check_receipts(const struct check *o, struct pages *pages, struct ol_error *err)
{
    char *runs = NULL;
    struct json_doc doc;
    struct ol__buf list;
    ol_status st = receipt_find_runs(o->runs, &runs, err);
    if (st != OL_OK)
        return st;
    ol__buf_init(&list, pages->items[1].size + 16);
    ol__buf_add_char(&list, '[');
    ol__buf_add(&list, pages->items[1].data, pages->items[1].size);
    ol__buf_add_char(&list, ']');
    st = list.status == OL_OK
             ? json_doc_read(&doc, (struct ol__span){list.data, list.size}, err)
             : ol__error_set(err, list.status, "the answer: %s", ol__status_name(list.status));
    ol__buf_release(&list);
    if (st != OL_OK) {
        free(runs);
        return st;
    }
    for (const struct json_node *s = doc.root->first; s != NULL && st == OL_OK; s = s->next) {
        const char *run_id = json_get_text(s, "run_id"), *step = json_get_text(s, "step");
        const char *attempt = json_get_text(s, "attempt"), *state = json_get_text(s, "state");
        if (run_id == NULL || step == NULL || attempt == NULL || state == NULL ||
            strcmp(state, "RUNNING") == 0)
            continue;
        if (find_receipt(runs, run_id, step, attempt) == NO_RECEIPT)
            st = add_missing(pages, s);
    }
    json_doc_release(&doc);
    free(runs);
    return st;
}

/* ---- Text ---- */

static ol_status render(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *list = json_get(root, "findings");
    if (list == NULL || list->type != OL_JSON_ARRAY)
        return ol__error_set(err, OL_INVALID, "the answer has no findings");
    for (const struct json_node *n = list->first; n != NULL; n = n->next) {
        const char *severity = json_get_text(n, "severity");
        const struct json_node *run = json_get(n, "run");
        char time[ROWS_TEXT];
        if (severity == NULL || run == NULL)
            continue;
        pretty_text(p, strcmp(severity, "error") == 0 ? PRETTY_BAD : PRETTY_NOW, severity);
        ol__buf_add_text(p->out, "  ");
        pretty_text(p, PRETTY_BOLD, json_get_text(n, "kind"));
        ol__buf_add_text(p->out, "  ");
        rows_run(p, run);
        rows_time(json_get_text(n, "since"), time);
        ol__buf_add_format(p->out, "  since %s\n    ", time);
        if (json_get(n, "dataset") != NULL) {
            rows_dataset(p, json_get(n, "dataset"), PRETTY_PLAIN);
            ol__buf_add_text(p->out, ": ");
        }
        pretty_text(p, PRETTY_PLAIN, json_get_text(n, "what"));
        ol__buf_add_char(p->out, '\n');
    }
    ol__buf_add_format(p->out, "%s runs, %s errors, %s warnings%s\n", json_get_text(root, "runs"),
                       json_get_text(root, "errors"), json_get_text(root, "warnings"),
                       json_get_bool(root, "truncated") ? "; not all was looked at" : "");
    return p->out->status;
}

/* ---- The verb ---- */

static ol_status ask(const struct check *o, const char *x, struct place *place, struct pages *pages,
                     int *ret_status, struct ol__buf *answer, struct ol_error *err)
{
    char tolerance[WHEN_TEXT], open_for[WHEN_TEXT];
    struct question q;
    question_init(&q, "check");
    ol_status st = question_add_x(&q, x, err);
    question_add(&q, "steps", "1");
    question_add(&q, "limit", o->limit);
    if (o->tolerance != 0) {
        when_number(o->tolerance, tolerance);
        question_add(&q, "tolerance", tolerance);
    }
    if (o->open_for != 0) {
        when_number(o->open_for, open_for);
        question_add(&q, "open_for", open_for);
    }
    if (st == OL_OK)
        st = place_find(place, err);
    if (st == OL_OK)
        st = pages_ask(place, &q, o->is_all, pages, ret_status, answer, err);
    if (st == OL_OK && *ret_status == 200)
        st = check_receipts(o, pages, err);
    if (st == OL_OK && *ret_status == 200) {
        ol__buf_reset(answer);
        st = pages_write(pages, answer);
    }
    question_release(&q);
    return st;
}

int verb_check(int argc, char **argv)
{
#define AT(member) offsetof(struct check, member)
    static const struct cli_option table[] = {
        {"all", 0, OPTION_FLAG, AT(is_all), 0, 0, NULL, NULL, NULL},
        {"strict", 0, OPTION_FLAG, AT(is_strict), 0, 0, NULL, NULL, NULL},
        {"tolerance", 0, OPTION_DURATION, AT(tolerance), 1, INT64_MAX, NULL, WHEN_SPAN, NULL},
        {"open-for", 0, OPTION_DURATION, AT(open_for), 1, INT64_MAX, NULL, WHEN_SPAN, NULL},
        {"runs", 0, OPTION_TEXT, AT(runs), 0, 0, NULL, NULL, NULL},
        {"limit", 0, OPTION_TEXT, AT(limit), 0, 0, NULL, NULL, NULL},
        {"json", 0, OPTION_FLAG, AT(is_json), 0, 0, NULL, NULL, NULL},
        OPTION_END};
#undef AT
    static const struct cli_options options = {"check", table, help, false};
    struct check o = {.limit = NULL};
    struct pages pages = {.lists = {"findings", "steps"}};
    char nothing[300] = "nothing is recorded yet";
    int result = cli_options_read(&options, argc, argv, &o), status = 0;
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    if (argc - optind > 1)
        return cli_usage("check", "'%s': only one at a time", argv[optind + 1]);
    const char *x = optind < argc ? argv[optind] : NULL;
    if (x != NULL && o.is_all)
        return cli_usage("check", "X and --all: only one of them");
    if (x != NULL)
        snprintf(nothing, sizeof nothing, "nothing is recorded under '%.200s'", x);
    struct place place = {.config = NULL};
    struct ol_error err = {.message = ""};
    struct ol__buf answer;
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    ol_status st = ask(&o, x, &place, &pages, &status, &answer, &err);
    result = st == OL_OK ? question_print("check", status, &answer, o.is_json, render, nothing)
                         : cli_fail(&place, st, &err);
    if (result == CLI_YES && (pages_number(&pages, "errors") > 0 ||
                              (o.is_strict && pages_number(&pages, "warnings") > 0)))
        result = CLI_NO;
    if (result == CLI_YES && pages_number(&pages, "runs") == 0) /* nothing was checked */
        result = CLI_NOT_KNOWN;
    pages_release(&pages);
    place_release(&place);
    ol__buf_release(&answer);
    return result;
}
