/* SPDX-License-Identifier: Apache-2.0 */
/* lineage finish: end what `lineage start` began.
 *
 *  1. Of several that end the same run one does: a lock is held from the look to the end.
 *  2. Killed in between, the run is still there to be ended: the note goes, or the receipt comes,
 * last but for events. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>
#include "cli.h"
#include "options.h"
#include "pipeline.h"
#include "run_options.h"
#include "run_told.h"
#include "started.h"
#include "step.h"

static void print_help(void)
{
    puts("Usage: lineage finish [OPTION]...\n"
         "End a run that 'lineage start' began, maybe elsewhere: emit COMPLETE, FAIL or ABORT.\n"
         "\n"
         "      --run-id ID          which: as start was told\n"
         "      --system NAME\n"
         "      --step NAME          in their place: the newest open attempt at the step; default: "
         "the\n"
         "                           one that LINEAGE_STEP and LINEAGE_ATTEMPT name\n"
         "      --seq N              as start was told\n"
         "      --attempt N\n"
         "      --status N           it exited with N: 0 (default) is COMPLETE, others are FAIL\n"
         "      --fail, --abort      it failed; it was ended by somebody\n"
         "  -o, --output FILE|URI    it wrote this, too (again for each)\n"
         "      --hash-limit SIZE\n"
         "      --if-open            do nothing, and exit with 0, if it has ended already, or was\n"
         "                           never started\n"
         "      --runs DIR\n"
         "      --state DIR          as start was told\n"
         "  -q, --quiet\n"
         "  -h, --help\n"
         "\n"
         "Exit status: 0; 1 it has ended already, or its end cannot be recorded; 2 usage; 3 it was "
         "not\n"
         "started.");
}

struct finish {
    const char *id, *system, *step, *runs, *state, *status;
    int64_t seq, attempt, code;
    struct run_files files;
    bool if_open, is_quiet;
};

#define AT(member) offsetof(struct finish, member)
static const struct cli_option table[] = {
    {"run-id", 0, OPTION_TEXT, .offset = AT(id)},
    {"system", 0, OPTION_TEXT, .offset = AT(system)},
    {"step", 0, OPTION_TEXT, .offset = AT(step)},
    {"seq", 0, OPTION_NUMBER, .offset = AT(seq), .least = 0, .most = 999999},
    {"attempt", 0, OPTION_NUMBER, .offset = AT(attempt), .least = 1, .most = 999999},
    {"status", 0, OPTION_NUMBER, .offset = AT(code), .least = 0, .most = 255},
    {"fail", 0, OPTION_WORD, .offset = AT(status), .word = "FAIL"},
    {"abort", 0, OPTION_WORD, .offset = AT(status), .word = "ABORT"},
    {"output", 'o', OPTION_OUTPUT, .offset = AT(files)},
    {"hash-limit", 0, OPTION_SIZE, .offset = AT(files.hash_limit)},
    {"if-open", 0, OPTION_FLAG, .offset = AT(if_open)},
    {"runs", 0, OPTION_TEXT, .offset = AT(runs)},
    {"state", 0, OPTION_TEXT, .offset = AT(state)},
    {"quiet", 'q', OPTION_FLAG, .offset = AT(is_quiet)},
    OPTION_END};
#undef AT

static const char *get(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int check(struct finish *f)
{
    char id[OL_ID_SIZE];
    struct ol_error err = {.message = ""};
    if (f->id == NULL && f->step == NULL) {
        f->step = get("LINEAGE_STEP");
        if (f->attempt == 0 && get("LINEAGE_ATTEMPT") != NULL)
            f->attempt = strtoll(get("LINEAGE_ATTEMPT"), NULL, 10);
    }
    if ((f->id == NULL) == (f->step == NULL))
        return cli_usage("finish", "which run? expected --run-id or --step, as 'lineage start' was "
                                   "told");
    const char *problem = f->step != NULL ? receipt_step_problem(f->step) : NULL;
    if (problem != NULL)
        return cli_usage("finish", "--step: '%.60s': %s", f->step, problem);
    if (f->step != NULL && get("LINEAGE_RUN_ID") == NULL)
        return cli_usage("finish", "--step: of which run? LINEAGE_RUN_ID is not set");
    if (f->id != NULL && ol_id_from_foreign(f->system, f->id, id, &err) != OL_OK)
        return cli_usage("finish", "--run-id: %s", err.message);
    if (f->status == NULL)
        f->status = f->code == 0 ? "COMPLETE" : "FAIL";
    if (f->code == 0 && strcmp(f->status, "COMPLETE") != 0)
        f->code = 1;
    return 0;
}

static int parse(int argc, char **argv, struct finish *f)
{
    static const struct cli_options options = {
        .verb = "finish", .table = table, .help = print_help};
    int result = cli_options_read(&options, argc, argv, f);
    if (result != 0)
        return result;
    if (optind < argc)
        return cli_usage("finish", "'%.60s': no argument is expected", argv[optind]);
    return check(f);
}

/* ---- the end ---- */

/* The terminal event stands where START stood, whatever the environment is now. */
static void set_parents(const struct started *s)
{
    OL_IGNORE(unsetenv("OPENLINEAGE_CONTEXT") != 0 ||
                  (s->parent_id != NULL ? setenv("OPENLINEAGE_PARENT_ID", s->parent_id, 1)
                                        : unsetenv("OPENLINEAGE_PARENT_ID")) != 0 ||
                  (s->parent_id != NULL && s->root_id != NULL
                       ? setenv("OPENLINEAGE_ROOT_PARENT_ID", s->root_id, 1)
                       : unsetenv("OPENLINEAGE_ROOT_PARENT_ID")) != 0,
              "out of memory: the end names no parent");
}

static void describe(const struct started *s, struct ol_run *run)
{
    OL_IGNORE(ol_job_set_job_type(ol_run_job(run),
                                  OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                          .integration = "LINEAGE", .job_type = "COMMAND")) < 0,
              "emit reports it");
    for (size_t i = 0; i < s->input_count; i++) {
        const struct receipt_artifact *a = &s->inputs[i];
        bool is_local = a->name_space != NULL && strcmp(a->name_space, "file") == 0;
        struct ol_dataset *dataset =
            ol_run_input(run, is_local && a->name != NULL ? a->name : a->path);
        char version[RUN_VERSION_SIZE];
        if (s->inputs[i].sha256 == NULL)
            continue;
        snprintf(version, sizeof version, "sha256:%s", s->inputs[i].sha256);
        OL_IGNORE(ol_dataset_set_dataset_version(
                      dataset, OL_MAKE(ol_dataset_version, .version = version)) < 0,
                  "emit reports it");
    }
}

/* The outputs, those of start first. @return OL_OK, OL_NOMEM, OL_TOO_LARGE. */
static ol_status collect_outputs(const struct finish *f, const struct started *s,
                                 struct run_files *ret)
{
    ol_status status = OL_OK;
    *ret = (struct run_files){.hash_limit = f->files.hash_limit};
    for (size_t i = 0; status == OL_OK && i < s->output_count; i++)
        status = run_files_add(ret, RUN_OUTPUT, s->outputs[i]);
    for (size_t i = 0; status == OL_OK && i < f->files.count; i++)
        status = run_files_add(ret, RUN_OUTPUT, f->files.items[i].text);
    return status;
}

/* @p step has no name where there is none. @return whether all was recorded. */
static bool end(const struct finish *f, const struct started *s, struct step *step,
                struct ol_run *run)
{
    struct run_files files;
    struct receipt_artifact *outputs = NULL;
    const char *how = f->status != NULL ? f->status : "COMPLETE";
    struct step_result result = {.status = how,
                                 .exit_code = (int)f->code,
                                 .inputs = s->inputs,
                                 .input_count = s->input_count};
    bool is_good = collect_outputs(f, s, &files) == OL_OK;
    if (run != NULL)
        describe(s, run);
    files.runs = step->runs;
    run_files_declare(&files, run);
    run_files_hash_outputs(&files, f->is_quiet);
    run_files_set_versions(&files);
    if (is_good && run_files_list(&files, RUN_OUTPUT, &outputs, &result.output_count) == OL_OK) {
        result.outputs = outputs;
        step_end(step, run, &result);
    }
    is_good = is_good && (step->options.name == NULL ||
                          (step->is_taken && faccessat(step->attempt.fd, "receipt.json", F_OK,
                                                       AT_SYMLINK_NOFOLLOW) == 0));
    pipeline_emit(run,
                  strcmp(how, "COMPLETE") == 0 ? OL_COMPLETE
                  : strcmp(how, "ABORT") == 0  ? OL_ABORT
                                               : OL_FAIL,
                  step->finished_ms, f->is_quiet);
    free(outputs);
    run_files_release(&files);
    return is_good;
}

/* ---- an attempt at a step ---- */

/* Members of @p node as pairs; owned. */
static struct receipt_pair *read_pairs(const struct json_node *claim, const char *key,
                                       struct receipt_pairs *ret)
{
    const struct json_node *node = json_get(claim, key);
    struct receipt_pair *items = calloc((node != NULL ? node->count : 0) + 1, sizeof *items);
    *ret = (struct receipt_pairs){.items = items};
    for (const struct json_node *m = node != NULL ? node->first : NULL; items != NULL && m != NULL;
         m = m->next)
        items[ret->count++] =
            (struct receipt_pair){.key = m->key, .value = m->text != NULL ? m->text : ""};
    return items;
}

static char **read_argv(const struct json_node *claim)
{
    const struct json_node *argv = json_get(json_get(claim, "command"), "argv");
    char **words = argv != NULL ? calloc(argv->count + 1, sizeof *words) : NULL;
    size_t count = 0;
    for (const struct json_node *w = argv != NULL ? argv->first : NULL; words != NULL && w != NULL;
         w = w->next)
        words[count++] = (char *)(uintptr_t)(w->text != NULL ? w->text : "");
    return words;
}

static int end_attempt(const struct finish *f, int fd, struct step_options *o)
{
    struct started_doc doc;
    struct json_doc claim;
    struct step step;
    struct ol_error err = {.message = ""};
    ol_status status = started_get(fd, "started.json", &doc, &err);
    if (status != OL_OK) {
        cli_say("step '%s': %s", o->name, err.message);
        return status == OL_NOT_FOUND ? CLI_NOT_KNOWN : CLI_NO;
    }
    status = receipt_get_doc(fd, "claim.json", RECEIPT_FILE_MAX, &claim, &err);
    if (status != OL_OK) {
        cli_say("step '%s': claim.json: %s", o->name, err.message);
        started_release(&doc);
        return CLI_NO;
    }
    struct receipt_pair *parameters = read_pairs(claim.root, "parameters", &o->parameters);
    struct receipt_pair *tags = read_pairs(claim.root, "tags", &o->tags);
    struct receipt_pair *groups = read_pairs(claim.root, "groups", &o->groups);
    char **argv = read_argv(claim.root);
    o->argv = argv;
    o->task_id = json_get_text(claim.root, "task_id");
    o->job = doc.started.job_name;
    o->job_namespace = doc.started.job_namespace;
    o->started_ms = doc.started.started_ms;
    set_parents(&doc.started);
    step_find(&step, o);
    struct ol_client *client = pipeline_open_client(o->job_namespace, &o->is_quiet);
    struct ol_run *run = step_reopen(&step, client, &err);
    if (run != NULL)
        run_pairs_describe(o->parameters, o->tags, o->groups, run);
    if (!step.is_taken || (client != NULL && run == NULL))
        cli_say("step '%s': %s", o->name, err.message);
    const char *cwd = json_get_text(json_get(claim.root, "command"), "cwd");
    free(step.cwd);
    step.cwd = cwd != NULL ? strdup(cwd) : NULL;
    bool is_good = step.is_taken && end(f, &doc.started, &step, run);
    ol_run_free(run);
    step_close(&step, is_good);
    if (client != NULL)
        OL_IGNORE(ol_client_close(client, 0, NULL) < 0, "its events are handed over or were said");
    free(parameters);
    free(tags);
    free(groups);
    free(argv);
    json_doc_release(&claim);
    started_release(&doc);
    return is_good ? CLI_YES : CLI_NO;
}

static bool has(int step_fd, int64_t number, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "attempt-%lld/%s", (long long)number, name);
    return faccessat(step_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The newest attempt that was started and has no receipt; 0: there is none, *ret_is_known tells
 * whether one has been. */
static int64_t find_open(int step_fd, int64_t wanted, bool *ret_is_known)
{
    int64_t number = wanted;
    *ret_is_known = false;
    if (wanted == 0 && receipt_attempt_highest(step_fd, &number, NULL) != OL_OK)
        return 0;
    for (; number > 0; number--) {
        bool is_started = has(step_fd, number, "started.json");
        *ret_is_known = *ret_is_known || is_started;
        if (is_started && !has(step_fd, number, "receipt.json"))
            return number;
        if (wanted != 0)
            break;
    }
    return 0;
}

static int not_open(const struct finish *f, bool is_known, const char *what)
{
    if (f->if_open)
        return CLI_YES;
    cli_say(is_known ? "'%s' has ended already" : "'%s' was not started", what);
    return is_known ? CLI_NO : CLI_NOT_KNOWN;
}

static int finish_step(const struct finish *f)
{
    char *runs = NULL, path[RECEIPT_PATH_SIZE];
    struct receipt_folder folder = {.fd = -1};
    struct ol_error err = {.message = ""};
    struct step_options o = {.name = f->step,
                             .seq = f->seq,
                             .runs = f->runs,
                             .is_quiet = f->is_quiet,
                             .is_detached = true};
    int result = CLI_NO, step_fd = -1, fd = -1;
    bool is_known = false;
    ol_status status = receipt_find_runs(f->runs, &runs, &err);
    if (status == OL_OK)
        status = receipt_folder_open(runs, get("LINEAGE_RUN_ID"), &folder, &err);
    if (status != OL_OK) {
        cli_say("%s", err.message);
        free(runs);
        return status == OL_INVALID ? CLI_USAGE : status == OL_NOT_FOUND ? CLI_NOT_KNOWN : CLI_NO;
    }
    if (f->seq >= 0)
        snprintf(path, sizeof path, "steps/%03lld_%s", (long long)f->seq, f->step);
    else
        snprintf(path, sizeof path, "steps/%s", f->step);
    step_fd = openat(folder.fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (step_fd >= 0)
        receipt_attempt_mend(step_fd);
    o.attempt = step_fd >= 0 ? find_open(step_fd, f->attempt, &is_known) : 0;
    if (o.attempt > 0) {
        snprintf(path, sizeof path, "attempt-%lld", (long long)o.attempt);
        fd = openat(step_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        OL_IGNORE(fd >= 0 && flock(fd, LOCK_EX) != 0, "a file system without locks: (1) is open");
    }
    if (fd < 0 || has(step_fd, o.attempt, "receipt.json"))
        result = not_open(f, is_known, f->step);
    else
        result = end_attempt(f, fd, &o);
    if (fd >= 0)
        close(fd);
    if (step_fd >= 0)
        close(step_fd);
    receipt_folder_close(&folder);
    free(runs);
    return result;
}

/* ---- a run without a step ---- */

static int end_run(const struct finish *f, int dirfd, const char *name)
{
    struct started_doc doc;
    struct ol_error err = {.message = ""};
    struct ol_run *run = NULL;
    struct step none = {.folder = {.fd = -1}};
    ol_status status = started_get(dirfd, name, &doc, &err);
    if (status != OL_OK) {
        cli_say("%s", err.message);
        return CLI_NO;
    }
    set_parents(&doc.started);
    struct ol_client *client = pipeline_open_client(doc.started.job_namespace, &f->is_quiet);
    if (client != NULL)
        status =
            ol_run_new(client,
                       OL_MAKE(ol_run_options, .job_name = doc.started.job_name,
                               .job_namespace = doc.started.job_namespace,
                               .foreign_id = doc.started.foreign_id,
                               .foreign_system = doc.started.foreign_system, .is_detached = true),
                       &run, &err);
    bool is_good = status == OL_OK && end(f, &doc.started, &none, run);
    if (status != OL_OK)
        cli_say("%s", err.message);
    if (is_good && unlinkat(dirfd, name, 0) != 0) {
        cli_say("'%s': %s", name, strerror(errno));
        is_good = false;
    }
    ol_run_free(run);
    if (client != NULL)
        OL_IGNORE(ol_client_close(client, 0, NULL) < 0, "its events are handed over or were said");
    started_release(&doc);
    return is_good ? CLI_YES : CLI_NO;
}

static int finish_run(const struct finish *f)
{
    char folder[STARTED_TEXT_MAX], id[OL_ID_SIZE], name[OL_ID_SIZE + sizeof ".json"];
    struct stat st;
    if (!started_find_folder(f->state, folder))
        return cli_usage("finish", "where is the run noted? expected --state DIR");
    if (ol_id_from_foreign(f->system, f->id, id, NULL) != OL_OK)
        return CLI_USAGE;
    snprintf(name, sizeof name, "%s.json", id);
    int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dirfd >= 0 ? openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    int reason = errno, result;
    OL_IGNORE(fd >= 0 && flock(fd, LOCK_EX) != 0, "a file system without locks: (1) is open");
    if (fd < 0 && reason != ENOENT) {
        cli_say("'%s/%s': %s", folder, name, strerror(reason));
        result = CLI_NO;
    } else if (fd < 0) {
        result = not_open(f, false, f->id);
    } else if (fstat(fd, &st) == 0 && st.st_nlink == 0) {
        result = not_open(f, true, f->id);
    } else {
        result = end_run(f, dirfd, name);
    }
    if (fd >= 0)
        close(fd);
    if (dirfd >= 0)
        close(dirfd);
    return result;
}

int verb_finish(int argc, char **argv)
{
    struct finish f = {.seq = -1, .files = {.hash_limit = (uint64_t)1 << 30}};
    int result = parse(argc, argv, &f);
    if (result == 0)
        result = f.step != NULL ? finish_step(&f) : finish_run(&f);
    run_files_release(&f.files);
    return result < 0 ? CLI_YES : result;
}
