/* SPDX-License-Identifier: Apache-2.0 */
/* lineage bundle: all that it takes to do a run again elsewhere, in one folder. */
#include "reproduce/bundle.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"

static const char help[] =
    "Usage: lineage bundle [OPTION]... RUN_ID -o DIR\n"
    "Put all that it takes to do a run again into DIR, which is empty or not there yet: its\n"
    "receipts, what they kept, what its steps read, the code at its commit, and replay.sh.\n"
    "\n"
    "  -o, --output DIR\n"
    "      --from STEP, --to STEP   these steps only, both included\n"
    "      --runs DIR               the runs folder; default: LINEAGE_RUNS, else runs\n"
    "  -h, --help\n"
    "\n"
    "`lineage replay --bundle DIR --run --root NEW` does it again, anywhere; so does\n"
    "`sh DIR/replay.sh NEW`, which needs no lineage.\n"
    "Exit status: 0; 1 it cannot be done again, or something of it is gone: what is said; 2 "
    "usage;\n"
    "3 no such run or step.";

struct options {
    const char *run_id, *from, *to, *runs, *directory;
};

static int parse(int argc, char **argv, struct options *o)
{
    enum { FROM = 256, TO, RUNS };
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, {"from", required_argument, NULL, FROM},
        {"to", required_argument, NULL, TO},      {"runs", required_argument, NULL, RUNS},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "o:h", options, NULL)) != -1;) {
        switch (c) {
        case 'o':
            o->directory = optarg;
            break;
        case FROM:
            o->from = optarg;
            break;
        case TO:
            o->to = optarg;
            break;
        case RUNS:
            o->runs = optarg;
            break;
        case 'h':
            puts(help);
            return -1;
        default:
            return cli_usage("bundle", "see the message above");
        }
    }
    if (optind < argc)
        o->run_id = argv[optind++];
    if (optind < argc)
        return cli_usage("bundle", "'%.60s': one run is expected", argv[optind]);
    if (o->run_id == NULL || o->run_id[0] == '\0')
        return cli_usage("bundle", "which run? expected RUN_ID");
    if (o->directory == NULL || o->directory[0] == '\0')
        return cli_usage("bundle", "where to? expected -o DIR");
    return 0;
}

static void say_all(const char *const *lines, size_t count)
{
    size_t shown = OL_MIN(count, (size_t)REPLAY_PROBLEMS_MAX);
    for (size_t i = 0; i < shown; i++)
        cli_say("%s", lines[i] != NULL ? lines[i] : "out of memory");
    if (count > shown)
        cli_say("and %zu more", count - shown);
}

static int write_bundle(const struct replay_plan *plan, const char *directory)
{
    struct bundle_figures figures;
    struct ol_error err = {.message = "out of memory"};
    char *real = NULL;
    ol_status status = bundle_make_empty(directory, &real, &err);
    if (status == OL_OK)
        status = bundle_write(plan, real, &figures, &err);
    free(real);
    if (status != OL_OK) {
        cli_say("%s", err.message);
        return status == OL_INVALID ? CLI_USAGE : CLI_NO;
    }
    printf("run %s: %zu steps, %lld files (%lld bytes)%s in %s\n", plan->run_id,
           plan->last - plan->first + 1, (long long)figures.files, (long long)figures.bytes,
           plan->code.commit != NULL ? " and its code" : "", directory);
    return cli_print((struct ol__span){0}) ? CLI_YES : CLI_NO;
}

int verb_bundle(int argc, char **argv)
{
    struct options o = {0};
    struct replay_plan plan = {.runs = NULL};
    struct ol_error err = {.message = "out of memory"};
    char *runs = NULL;
    int result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    ol_status status = receipt_find_runs(o.runs, &runs, &err);
    if (status == OL_OK)
        status = replay_plan_read(&plan, runs, o.run_id, o.from, o.to, &err);
    if (status != OL_OK) {
        cli_say("%s", err.message);
        result = status == OL_NOT_FOUND ? CLI_NOT_KNOWN : status == OL_INVALID ? CLI_USAGE : CLI_NO;
    } else {
        replay_check_movable(&plan);
        say_all(plan.notes, plan.note_count);
        say_all(plan.problems, plan.problem_count);
        if (plan.problem_count > 0)
            cli_say("run %s cannot be replayed elsewhere", plan.run_id);
        result = plan.problem_count > 0 ? CLI_NO : write_bundle(&plan, o.directory);
    }
    replay_plan_release(&plan);
    free(runs);
    return result;
}
