/* SPDX-License-Identifier: Apache-2.0 */
/* lineage verify: is the folder of a run what it was? */
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "json_write.h"
#include "pretty.h"
#include "receipt/check.h"

#define OUTPUT_MAX ((size_t)256 << 20)

struct output {
    struct ol__json_writer w, gone_w;
    struct ol__buf text, gone;
    bool is_json;
};

static void tell(void *arg, const char *path, const char *problem, bool is_gone)
{
    struct output *out = arg;
    struct ol__json_writer *w = is_gone ? &out->gone_w : &out->w;
    if (!out->is_json) { /* names are other people's: no control characters reach a terminal */
        struct ol__buf line;
        struct pretty p;
        ol__buf_init(&line, OUTPUT_MAX);
        pretty_init(&p, &line);
        pretty_text(&p, PRETTY_PLAIN, path);
        ol__buf_add_text(&line, ": ");
        pretty_text(&p, PRETTY_PLAIN, problem);
        printf("%.*s\n", (int)line.size, line.data != NULL ? line.data : "");
        ol__buf_release(&line);
        return;
    }
    ol__json_begin_object(w);
    ol__json_member_text(w, "path", path);
    ol__json_member_text(w, "problem", problem);
    ol__json_end_object(w);
}

static void print_figures(const struct receipt_folder *folder, bool with_files,
                          const struct receipt_figures *f)
{
    printf("run %s: %lld attempts, %lld steps with a winner, %lld failed, %lld without an end; %s",
           folder->run_id, (long long)f->attempts, (long long)f->steps, (long long)f->failed,
           (long long)f->open, f->is_sealed ? "sealed" : "not sealed");
    if (f->inputs > 0)
        printf("; %lld inputs", (long long)f->inputs);
    if (f->files_in > 0)
        printf("; %lld inputs read again", (long long)f->files_in);
    if (f->replaced > 0)
        printf("; %lld replaced by a later step", (long long)f->replaced);
    if (f->files > 0)
        printf("; %lld outputs read", (long long)f->files);
    if (f->gone > 0)
        printf("; %lld gone", (long long)f->gone);
    if (f->unread > 0)
        printf("; %lld could not be read", (long long)f->unread);
    if (f->unnamed > 0)
        printf("; %lld names that are no UTF-8 are not sealed", (long long)f->unnamed);
    if (f->problems == 0 && !with_files)
        printf("; the receipts are as they were (files were not looked at)\n");
    else if (f->problems == 0 && f->unread > 0)
        printf("; all that could be read is as it was\n");
    else if (f->problems == 0 && f->gone > 0)
        printf("; all that is there is as it was\n");
    else if (f->problems == 0)
        printf("; all is as it was\n");
    else
        printf("; %lld problems\n", (long long)f->problems);
}

static void write_figures(struct output *out, bool with_files, const struct receipt_figures *f)
{
    ol__json_end_array(&out->w);
    ol__json_end_array(&out->gone_w);
    ol__json_key(&out->w, "gone");
    ol__json_raw(&out->w, (struct ol__span){out->gone.data, out->gone.size});
    ol__json_member_int(&out->w, "attempts", f->attempts);
    ol__json_member_int(&out->w, "steps", f->steps);
    ol__json_member_int(&out->w, "failed", f->failed);
    ol__json_member_int(&out->w, "open", f->open);
    ol__json_member_int(&out->w, "inputs", f->inputs);
    ol__json_member_int(&out->w, "inputs_read", f->files_in);
    ol__json_member_int(&out->w, "outputs_read", f->files);
    ol__json_member_int(&out->w, "replaced", f->replaced);
    ol__json_member_int(&out->w, "unread", f->unread);
    ol__json_member_bool(&out->w, "receipts_only", !with_files);
    ol__json_member_int(&out->w, "kept_read", f->kept);
    ol__json_member_int(&out->w, "unnamed", f->unnamed);
    ol__json_member_bool(&out->w, "sealed", f->is_sealed);
    ol__json_end_object(&out->w);
    ol__buf_add_char(&out->text, '\n');
}

struct verify_options {
    const char *runs, *run_id;
    bool with_files, receipts_only, is_json, is_all;
};

static int parse(int argc, char **argv, struct verify_options *o)
{
    static const struct option options[] = {{"runs", required_argument, NULL, 'r'},
                                            {"files", no_argument, NULL, 'f'},
                                            {"receipts-only", no_argument, NULL, 'o'},
                                            {"all", no_argument, NULL, 'a'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'r':
            o->runs = optarg;
            break;
        case 'f':
            o->with_files = true;
            break;
        case 'o':
            o->receipts_only = true;
            break;
        case 'a':
            o->is_all = true;
            break;
        case 'j':
            o->is_json = true;
            break;
        case 'h':
            puts(
                "Usage: lineage verify [OPTION]... [RUN_ID]\n"
                "Check a run: the one that LINEAGE_RUN_ID or RUN_ID names. Its receipts, what they "
                "kept,\n"
                "what the run started from, and what its steps read and wrote are hashed again, as "
                "far as\n"
                "they are on this machine, members of directories and lists, too. Nothing is taken "
                "from\n"
                "the cache of hashes.\n"
                "\n"
                "      --all                of every run in the runs folder; --json: one a line\n"
                "      --receipts-only      receipts, seal and kept content only: quick, and says "
                "nothing\n"
                "                           of the files that the steps read and wrote\n"
                "      --files              the opposite: what is done anyway\n"
                "      --runs DIR           the runs folder; default: LINEAGE_RUNS, else runs\n"
                "      --json\n"
                "  -h, --help\n"
                "\n"
                "Exit status: 0 all is as it was; 1 it is not, a line for each file; 2 usage; 3 no "
                "such\n"
                "run, or nothing is wrong but some files are gone or cannot be read, so that "
                "nobody can say.");
            return -1;
        default:
            return cli_usage("verify", "see the message above");
        }
    }
    if (o->with_files && o->receipts_only)
        return cli_usage("verify", "--files and --receipts-only: one of them");
    o->with_files = !o->receipts_only;
    if (o->is_all && optind < argc)
        return cli_usage("verify", "'%.60s': --all is every run", argv[optind]);
    if (o->is_all)
        return 0;
    o->run_id = optind < argc ? argv[optind++] : getenv("LINEAGE_RUN_ID");
    if (optind < argc)
        return cli_usage("verify", "'%.60s': one run is expected", argv[optind]);
    if (o->run_id == NULL || o->run_id[0] == '\0')
        return cli_usage("verify",
                         "which run? expected RUN_ID, or LINEAGE_RUN_ID in the environment");
    return 0;
}

/** One run, opened in folder @p runs. @return what to exit with, said. */
static int verify_one(const struct verify_options *o, const char *runs, const char *run_id)
{
    struct ol_error err = {.message = "out of memory"};
    struct receipt_folder folder = {.fd = -1};
    struct receipt_figures figures = {0};
    struct output out = {.is_json = o->is_json};
    ol__buf_init(&out.text, OUTPUT_MAX);
    ol__buf_init(&out.gone, OUTPUT_MAX);
    ol__json_writer_init(&out.w, &out.text);
    ol__json_writer_init(&out.gone_w, &out.gone);
    ol__json_begin_array(&out.gone_w);
    ol_status status = receipt_folder_open(runs, run_id, &folder, &err);
    if (status == OL_OK && o->is_json) {
        ol__json_begin_object(&out.w);
        ol__json_member_text(&out.w, "run_id", folder.run_id);
        ol__json_key(&out.w, "problems");
        ol__json_begin_array(&out.w);
    }
    if (status == OL_OK)
        status = receipt_check(&folder, o->with_files, tell, &out, &figures, &err);
    if (status == OL_OK && o->is_json) {
        write_figures(&out, o->with_files, &figures);
        status = out.gone.status != OL_OK ? out.gone.status : out.text.status;
        if (status != OL_OK)
            status = ol__error_set(&err, status, "the answer: %s", ol_status_name(status));
    } else if (status == OL_OK) {
        print_figures(&folder, o->with_files, &figures);
    }
    if (status == OL_OK)
        status = cli_write((struct ol__span){out.text.data, out.text.size}, &err);
    ol__buf_release(&out.text);
    ol__buf_release(&out.gone);
    receipt_folder_close(&folder);
    if (status == OL_OK)
        return figures.problems > 0                     ? CLI_NO
               : figures.gone > 0 || figures.unread > 0 ? CLI_NOT_KNOWN
                                                        : CLI_YES;
    cli_say("%s", err.message);
    return status == OL_INVALID ? CLI_USAGE : status == OL_NOT_FOUND ? CLI_NOT_KNOWN : CLI_NO;
}

static int is_run(const struct dirent *entry)
{
    return receipt_is_run_id(entry->d_name);
}

/** Each in the order in which they began. @return the worst: one that is not what it was, or
 * cannot be read, before one of which nobody can say. */
static int verify_all(const struct verify_options *o, const char *runs)
{
    struct dirent **list = NULL;
    int count = scandir(runs, &list, is_run, alphasort), result = CLI_YES;
    if (count <= 0) {
        cli_say("'%s': no run is in there", runs);
        free(list);
        return CLI_NOT_KNOWN;
    }
    for (int i = 0; i < count; i++) {
        int one = verify_one(o, runs, list[i]->d_name);
        if (one == CLI_NOT_KNOWN && result == CLI_YES)
            result = CLI_NOT_KNOWN;
        else if (one != CLI_YES && one != CLI_NOT_KNOWN)
            result = CLI_NO;
        free(list[i]);
    }
    free(list);
    return result;
}

int verb_verify(int argc, char **argv)
{
    struct verify_options o = {0};
    struct ol_error err = {.message = "out of memory"};
    char *runs = NULL;
    int result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    ol_status status = receipt_find_runs(o.runs, &runs, &err);
    if (status != OL_OK) {
        cli_say("%s", err.message);
        result = status == OL_INVALID ? CLI_USAGE : status == OL_NOT_FOUND ? CLI_NOT_KNOWN : CLI_NO;
    } else {
        result = o.is_all ? verify_all(&o, runs) : verify_one(&o, runs, o.run_id);
    }
    free(runs);
    return result;
}
