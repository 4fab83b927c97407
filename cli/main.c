/* SPDX-License-Identifier: Apache-2.0 */
/* lineage: wrap a command, ask what came from where. Each verb has a file of its own. */
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} verbs[] = {
    {"run", verb_run, "run a command and record what it read and wrote"},
    {"call", verb_call, "send a request to a model, keep it and the answer, print the answer"},
    {"begin", verb_begin, "begin a run of several steps that leave receipts"},
    {"end", verb_end, "end it: seal its folder"},
    {"start", verb_start, "begin a run that another process ends: for prolog scripts"},
    {"finish", verb_finish, "end it: for epilog scripts"},
    {"record", verb_record, "record what has happened already, marked so"},
    {"log", verb_log, "write a line of JSON with the ids of this place"},
    {"context", verb_context, "what travels to what is called: print it, or run a command in it"},
    {"verify", verb_verify, "check the receipts of a run"},
    {"artifact", verb_artifact, "the id of a file, directory, list or manifest, and its members"},
    {"convert", verb_convert, "what Great Expectations or Evidently found out, as facets; a gate"},
    {"why", verb_ask, "where did this come from"},
    {"impact", verb_ask, "what does this affect"},
    {"diff", verb_ask, "what is different between two runs, or two datasets"},
    {"reproducible", verb_reproducible, "can this be made again, and what is missing"},
    {"replay", verb_replay,
     "the commands of a run as a script; or done again elsewhere, and compared"},
    {"bundle", verb_bundle, "all that it takes to do a run again, in one folder"},
    {"runs", verb_runs, "list runs, newest first"},
    {"depends", verb_depends, "was B among what A was made from: yes, no, or not known"},
    {"check", verb_check, "what contradicts itself in what is recorded, or should not be"},
    {"stale", verb_stale, "what was made from old data, or from data that was written anew since"},
    {"search", verb_search, "whatever has this text as its id, version or name"},
    {"stats", verb_stats, "how much is recorded, and what became of it"},
    {"show", verb_ask, "all that is known about a dataset, job or run"},
    {"events", verb_ask, "the events of a run as they came (where the store keeps them)"},
    {"approve", verb_approve, "write down that a version was approved, rejected or waived"},
    {"approvals", verb_approvals, "who approved it"},
    {"deploy", verb_deploy, "write down which version of a model serves where"},
    {"audit", verb_audit, "the whole chain of evidence as one document"},
    {"serving", verb_serving, "what runs where, since when, who approved it"},
    {"untracked", verb_untracked, "what is in use though nobody knows where it came from"},
    {"export", verb_export, "what is recorded, in formats that others read"},
    {"import", verb_import, "take lineage in from receipts and files of events"},
    {"deadletter", verb_deadletter,
     "events that a route refused: list, show, send again, forget, export"},
    {"gc", verb_gc, "what store and receipts would let go, and why the rest stays; let it go"},
    {"backup", verb_backup,
     "copy store and receipts while the agent runs; check a copy or a store"},
    {"restore", verb_restore, "put a backup back"},
    {"doctor", verb_doctor, "why does nothing arrive, and what to do"},
    {"spool", verb_spool, "what the agent keeps on disk: list, read, verify, repair, move, replay"},
    {"status", verb_status, "what the agent is doing"},
    {"config", verb_config, "what programs with the library are told to do, and by whom"},
    {"key", verb_key, "make an API key for the agent's HTTP door"},
};

static void print_help(FILE *out)
{
    fputs("Usage: lineage VERB ...\n\n", out);
    for (size_t i = 0; i < OL_COUNT(verbs); i++)
        fprintf(out, "  %-12s %s\n", verbs[i].name, verbs[i].help);
    fputs("\n'lineage help VERB' ('lineage VERB --help') and lineage(1) say more.\n"
          "Exit status: 0 yes, 1 no, 2 usage, 3 not known; 'lineage run' exits as its command "
          "does.\n",
          out);
}

static int run_verb(int argc, char **argv)
{
    for (size_t i = 0; i < OL_COUNT(verbs); i++) {
        if (strcmp(argv[0], verbs[i].name) == 0)
            return verbs[i].run(argc, argv);
    }
    fprintf(stderr, "lineage: no verb '%.100s'\nTry 'lineage --help'.\n", argv[0]);
    return CLI_USAGE;
}

int main(int argc, char **argv)
{
    static char help[] = "--help";
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    bool is_help = strcmp(argv[1], "help") == 0;
    if (is_help && argc > 2) { /* "help VERB" is "VERB --help" */
        char *words[] = {argv[2], help, NULL};
        return run_verb(2, words);
    }
    if (is_help || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return CLI_YES;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("lineage " OL_VERSION);
        return CLI_YES;
    }
    return run_verb(argc - 1, argv + 1);
}
