/* SPDX-License-Identifier: Apache-2.0 */
/* lineage replay: a run's commands as a script; or done again, in place or in another root, and
 * compared. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli.h"
#include "json_write.h"
#include "pretty.h"
#include "reproduce/bundle.h"
#include "reproduce/execute.h"
#include "reproduce/layout.h"
#include "reproduce/script.h"

#define OUTPUT_MAX ((size_t)256 << 20)

static const char help[] =
    "Usage: lineage replay [OPTION]... RUN_ID\n"
    "       lineage replay [OPTION]... --bundle DIR\n"
    "Print the commands of a run as a script for a POSIX shell, in the order of its receipts: it\n"
    "compares what it reads and what it writes with what the run read and wrote.\n"
    "\n"
    "      --from STEP, --to STEP   these steps only, both included\n"
    "      --run                    do them again where they were done, as new attempts of the "
    "run\n"
    "                               (of a new run, if it has ended), and compare the outputs by "
    "hash;\n"
    "                               what the run wrote keeps its bytes: other ones are put beside "
    "it\n"
    "      --overwrite              what is written over stays so, and was there with whatever "
    "bytes\n"
    "      --root DIR               as a new run in a folder that is empty or not there yet, "
    "which\n"
    "                               stands for the run's own; code and inputs are put there "
    "first\n"
    "      --runs DIR               the runs folder; default: LINEAGE_RUNS, else runs\n"
    "      --bundle DIR             a folder that `lineage bundle` made, in the place of --runs\n"
    "      --json                   with --run: what came of it\n"
    "  -h, --help\n"
    "\n"
    "Exit status: 0 printed, or every output has the same bytes; 1 different or not written (each "
    "is\n"
    "named), a step failed, or it cannot be replayed: why is said; 2 usage; 3 no such run or step, "
    "or an output "
    "has\n"
    "no hash to compare.";

struct options {
    const char *run_id, *from, *to, *root, *runs, *bundle;
    bool is_run, is_json, may_overwrite;
};

static int check(const struct options *o)
{
    const char *stranger = o->root != NULL    ? "--root"
                           : o->may_overwrite ? "--overwrite"
                           : o->is_json       ? "--json"
                                              : NULL;
    if (!o->is_run && stranger != NULL)
        return cli_usage("replay", "%s is for --run", stranger);
    if (o->root != NULL && o->may_overwrite)
        return cli_usage("replay", "--overwrite: with --root there is nothing to write over");
    if (o->is_run && o->bundle != NULL && o->root == NULL)
        return cli_usage("replay", "--bundle: --run needs --root DIR, to lay it out in");
    if (o->bundle != NULL && o->runs != NULL)
        return cli_usage("replay", "--bundle and --runs: one of them");
    if (o->bundle == NULL && (o->run_id == NULL || o->run_id[0] == '\0'))
        return cli_usage("replay", "which run? expected RUN_ID, or --bundle DIR");
    return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
    enum { FROM = 256, TO, RUN, ROOT, RUNS, BUNDLE, JSON, OVERWRITE };
    static const struct option options[] = {
        {"from", required_argument, NULL, FROM}, {"to", required_argument, NULL, TO},
        {"run", no_argument, NULL, RUN},         {"root", required_argument, NULL, ROOT},
        {"runs", required_argument, NULL, RUNS}, {"bundle", required_argument, NULL, BUNDLE},
        {"json", no_argument, NULL, JSON},       {"overwrite", no_argument, NULL, OVERWRITE},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    const char **texts[] = {&o->from, &o->to, NULL, &o->root, &o->runs, &o->bundle};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h') {
            puts(help);
            return -1;
        }
        if (c == '?')
            return cli_usage("replay", "see the message above");
        if (c == RUN)
            o->is_run = true;
        else if (c == JSON)
            o->is_json = true;
        else if (c == OVERWRITE)
            o->may_overwrite = true;
        else
            *texts[c - FROM] = optarg;
    }
    if (optind < argc)
        o->run_id = argv[optind++];
    if (optind < argc)
        return cli_usage("replay", "'%.60s': one run is expected", argv[optind]);
    return check(o);
}

/* ---- the outcome ---- */

struct outcome {
    bool is_json;
    struct ol__json_writer w;
    struct ol__buf text;
    struct pretty p;
};

static void tell(void *arg, const struct replay_verdict *v)
{
    static const char *const names[] = {"same", "different", "not_written", "not_done", "unknown"};
    static const enum pretty_colour colours[] = {PRETTY_GOOD, PRETTY_BAD, PRETTY_BAD, PRETTY_NOW,
                                                 PRETTY_NOW};
    struct outcome *o = arg;
    if (o->is_json) {
        ol__json_begin_object(&o->w);
        ol__json_member_text(&o->w, "step", v->step);
        if (v->attempt > 0)
            ol__json_member_int(&o->w, "attempt", v->attempt);
        ol__json_member_text(&o->w, "path", v->path);
        ol__json_member_text(&o->w, "result", names[v->result]);
        ol__json_member_text_opt(&o->w, "was", v->was);
        ol__json_member_text_opt(&o->w, "is", v->is);
        ol__json_member_text_opt(&o->w, "put_beside", v->replayed);
        ol__json_end_object(&o->w);
        return;
    }
    pretty_text(&o->p, colours[v->result], names[v->result]);
    ol__buf_add_format(&o->text, "%*s", (int)(13 - strlen(names[v->result])), "");
    pretty_text(&o->p, PRETTY_PLAIN, v->step);
    ol__buf_add_text(&o->text, ": ");
    pretty_text(&o->p, PRETTY_BOLD, v->path);
    if (v->result == REPLAY_DIFFERENT)
        ol__buf_add_format(&o->text, "  %.12s..., it was %.12s...", v->is, v->was);
    if (v->replayed != NULL) {
        ol__buf_add_text(&o->text, "; the new one is ");
        pretty_text(&o->p, PRETTY_PLAIN, v->replayed);
    }
    ol__buf_add_char(&o->text, '\n');
}

static void begin_outcome(struct outcome *o, const struct replay_plan *plan, const char *root)
{
    ol__buf_init(&o->text, OUTPUT_MAX);
    ol__json_writer_init(&o->w, &o->text);
    pretty_init(&o->p, &o->text);
    if (!o->is_json)
        return;
    ol__json_begin_object(&o->w);
    ol__json_member_text(&o->w, "run_id", plan->run_id);
    ol__json_member_text(&o->w, "root", root);
    ol__json_key(&o->w, "outputs");
    ol__json_begin_array(&o->w);
}

static ol_status end_outcome(struct outcome *o, const struct replay_execution *x,
                             struct ol_error *err)
{
    if (o->is_json) {
        ol__json_end_array(&o->w);
        ol__json_member_text_opt(&o->w, "new_run_id", x->run_id[0] != '\0' ? x->run_id : NULL);
        ol__json_member_text(&o->w, "runs", x->runs);
        ol__json_member_int(&o->w, "steps", x->done);
        ol__json_member_int(&o->w, "same", x->same);
        ol__json_member_int(&o->w, "different", x->different);
        ol__json_member_int(&o->w, "not_written", x->missing);
        ol__json_member_int(&o->w, "not_done", x->not_done);
        ol__json_member_int(&o->w, "unknown", x->unknown);
        ol__json_member_text_opt(&o->w, "failed", x->failed);
        if (x->failed != NULL)
            ol__json_member_int(&o->w, "exit_code", x->status);
        ol__json_end_object(&o->w);
        ol__buf_add_char(&o->text, '\n');
    } else {
        ol__buf_add_format(&o->text, "%lld steps as %srun %s in %s: ", (long long)x->done,
                           x->is_same_run ? "new attempts of " : "", x->run_id, x->runs);
        ol__buf_add_format(&o->text, "%lld outputs the same, %lld different, %lld not known",
                           (long long)x->same, (long long)x->different, (long long)x->unknown);
        if (x->missing > 0)
            ol__buf_add_format(&o->text, ", %lld not written", (long long)x->missing);
        if (x->not_done > 0)
            ol__buf_add_format(&o->text, ", %lld not done", (long long)x->not_done);
        ol__buf_add_char(&o->text, '\n');
    }
    ol_status status = o->text.status;
    if (status != OL_OK)
        return ol__error_set(err, status, "the outcome: %s", ol_status_name(status));
    return cli_write((struct ol__span){o->text.data, o->text.size}, err);
}

/* ---- doing it ---- */

static int refuse(const struct replay_plan *plan)
{
    size_t shown = OL_MIN(plan->problem_count, (size_t)REPLAY_PROBLEMS_MAX);
    for (size_t i = 0; i < shown; i++)
        cli_say("%s", plan->problems[i] != NULL ? plan->problems[i] : "out of memory");
    if (plan->problem_count > shown)
        cli_say("and %zu more", plan->problem_count - shown);
    cli_say("run %s cannot be replayed", plan->run_id);
    return CLI_NO;
}

static void say_notes(const struct replay_plan *plan)
{
    for (size_t i = 0; i < OL_MIN(plan->note_count, (size_t)REPLAY_PROBLEMS_MAX); i++)
        cli_say("%s", plan->notes[i] != NULL ? plan->notes[i] : "out of memory");
}

static int execute(const struct options *o, struct replay_plan *plan, const char *root,
                   struct ol_error *err)
{
    struct outcome outcome = {.is_json = o->is_json};
    struct in_place place = {.plan = plan, .may_overwrite = o->may_overwrite, .err = err};
    bool is_in_place = o->root == NULL;
    struct layout layout = {
        .plan = plan, .root = root, .bundle = o->bundle, .is_in_place = is_in_place, .err = err};
    struct replay_execution x = {.plan = plan,
                                 .root = root,
                                 .in_place = is_in_place ? &place : NULL,
                                 .tell = tell,
                                 .arg = &outcome};
    ol_status status = OL_OK;
    if (is_in_place)
        status = in_place_look(&place);
    else
        replay_check_movable(plan);
    say_notes(plan);
    if (status == OL_OK && plan->problem_count > 0) {
        in_place_release(&place);
        return refuse(plan);
    }
    if (status == OL_OK)
        status = layout_make(&layout);
    begin_outcome(&outcome, plan, root);
    if (status == OL_OK)
        status = replay_execute(&x, err);
    if (status == OL_OK)
        status = end_outcome(&outcome, &x, err);
    ol__buf_release(&outcome.text);
    in_place_release(&place);
    if (status != OL_OK) {
        cli_say("%s", err->message);
        return CLI_NO;
    }
    if (x.failed != NULL)
        cli_say("step '%s' ended with exit status %d", x.failed, x.status);
    return x.failed != NULL || x.different > 0 || x.missing > 0 ? CLI_NO
           : x.unknown > 0                                      ? CLI_NOT_KNOWN
                                                                : CLI_YES;
}

static int print_script(struct replay_plan *plan)
{
    struct ol__buf out;
    ol__buf_init(&out, OUTPUT_MAX);
    if (plan->problem_count > 0)
        return refuse(plan);
    ol_status status = replay_write_script(plan, false, &out);
    if (status != OL_OK)
        cli_say("the script: %s", ol_status_name(status));
    bool is_written = status == OL_OK && cli_print_buf(&out);
    ol__buf_release(&out);
    return is_written ? CLI_YES : CLI_NO;
}

int verb_replay(int argc, char **argv)
{
    struct options o = {0};
    struct replay_plan plan = {.runs = NULL};
    struct ol_error err = {.message = "out of memory"};
    char *runs = NULL, *root = NULL, *bundle = NULL;
    int result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    char run_id[RECEIPT_RUN_ID_SIZE] = "";
    ol_status status = o.bundle != NULL ? bundle_open(o.bundle, &runs, run_id, &err)
                                        : receipt_find_runs(o.runs, &runs, &err);
    if (status == OL_OK)
        status =
            replay_plan_read(&plan, runs, o.run_id != NULL ? o.run_id : run_id, o.from, o.to, &err);
    if (status == OL_OK && o.bundle != NULL) { /* tar unpacks elsewhere */
        o.bundle = bundle = realpath(o.bundle, NULL);
        if (bundle == NULL)
            status = ol__error_set(&err, OL_NOMEM, "the bundle: out of memory");
    }
    if (status == OL_OK && o.root != NULL)
        status = bundle_make_empty(o.root, &root, &err);
    if (status != OL_OK) {
        cli_say("%s", err.message);
        result = status == OL_NOT_FOUND ? CLI_NOT_KNOWN : status == OL_INVALID ? CLI_USAGE : CLI_NO;
    } else {
        result = o.is_run ? execute(&o, &plan, root != NULL ? root : plan.base, &err)
                          : print_script(&plan);
    }
    replay_plan_release(&plan);
    free(runs);
    free(root);
    free(bundle);
    return result;
}
