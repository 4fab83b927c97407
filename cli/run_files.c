/* SPDX-License-Identifier: Apache-2.0 */
/* Artifacts of a wrapped command (promise 4 of run.c).
 *
 *  1. An input's id is of the bytes that were there before the command started: what is hashed has
 * the identity, size and times that were seen then, and members are those that were there then.
 *  2. What changes while it is hashed has no id (artifact/sum.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "members_door.h"
#include "receipt/object.h"
#include "run_files.h"

#define OPEN_MAX_INPUTS 256 /* the others are found by name when their turn comes */

ol_status run_files_add(struct run_files *files, enum run_side side, const char *text)
{
    if (files->count == RUN_FILES_MAX)
        return OL_TOO_LARGE;
    if (files->count == files->cap) {
        struct run_file *items = ol__grow(files->items, &files->cap, sizeof *items);
        if (items == NULL)
            return OL_NOMEM;
        files->items = items;
    }
    files->items[files->count++] = (struct run_file){
        .side = side,
        .text = text,
        .artifact = {.text = text, .subject = text, .size = -1, .member_count = -1}};
    return OL_OK;
}

void run_files_declare(struct run_files *files, struct ol_run *run)
{
    for (size_t i = 0; i < files->count; i++) {
        struct run_file *f = &files->items[i];
        OL_IGNORE(artifact_init(&f->artifact, f->text, files->hash_limit > 0) != OL_OK,
                  "out of memory: it has no id");
        f->dataset = f->side == RUN_INPUT ? ol_run_input(run, f->artifact.subject)
                                          : ol_run_output(run, f->artifact.subject);
    }
}

/** Look at all of one side. */
static void look(struct run_files *files, enum run_side side)
{
    size_t budget = ARTIFACT_MEMBERS_MAX - OL_MIN(files->members, ARTIFACT_MEMBERS_MAX);
    struct stat st;
    bool has_runs = files->runs != NULL && stat(files->runs, &st) == 0;
    for (size_t i = 0; i < files->count; i++) {
        struct artifact *a = &files->items[i].artifact;
        a->skip_device = has_runs ? (uint64_t)st.st_dev : 0;
        a->skip_inode = has_runs ? (uint64_t)st.st_ino : 0;
        if (files->items[i].side == side && artifact_look(a, &budget) != OL_OK)
            snprintf(a->reason, sizeof a->reason, "out of memory");
    }
    files->members = ARTIFACT_MEMBERS_MAX - budget;
}

/** The sums of one side, owned. */
static struct artifact_sum **collect(struct run_files *files, enum run_side side, size_t *ret_count)
{
    struct artifact_sum **sums = NULL;
    size_t count = 0;
    *ret_count = 0;
    struct artifact **chosen = malloc((files->count + 1) * sizeof(struct artifact *));
    for (size_t i = 0; chosen != NULL && i < files->count; i++) {
        if (files->items[i].side == side && files->items[i].artifact.reason[0] == '\0')
            chosen[count++] = &files->items[i].artifact;
    }
    if (chosen != NULL)
        sums = artifact_collect_sums(chosen, count, ret_count);
    free(chosen);
    return sums;
}

static void hash(struct run_files *files, enum run_side side)
{
    size_t count;
    struct artifact_sum **sums = collect(files, side, &count);
    const struct artifact_hasher hasher = {.limit = files->hash_limit,
                                           .is_hurried = files->is_hurried,
                                           .cache = files->cache,
                                           .progress = &files->progress};
    artifact_hash_all(&hasher, sums, count);
    free(sums);
    for (size_t i = 0; i < files->count; i++) {
        struct artifact *a = &files->items[i].artifact;
        if (files->items[i].side == side && artifact_finish(a) != OL_OK)
            snprintf(a->reason, sizeof a->reason, "out of memory");
    }
}

void run_files_open_inputs(struct run_files *files)
{
    size_t count, open_max = OPEN_MAX_INPUTS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) /* the threads that hash need some, too */
        open_max = OL_MIN(open_max, limit.rlim_cur / 2);
    look(files, RUN_INPUT);
    struct artifact_sum **sums = collect(files, RUN_INPUT, &count);
    for (size_t i = 0, opened = 0; i < count && opened < open_max; i++) {
        if (sums[i]->is_there) {
            artifact_sum_open(sums[i]);
            opened += sums[i]->fd >= 0 ? 1 : 0;
        }
    }
    if (count > 0) {
        artifact_sums_settle(sums, count);
        files->cache = artifact_cache_open(files->caching);
    }
    free(sums);
}

bool run_files_has_inputs(const struct run_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct artifact *a = &files->items[i].artifact;
        if (files->items[i].side == RUN_INPUT && a->path != NULL && a->reason[0] == '\0')
            return true;
    }
    return false;
}

void *run_files_hash_inputs(void *arg)
{
    hash(arg, RUN_INPUT);
    return NULL;
}

void run_files_show_progress(struct run_files *files)
{
    artifact_progress_allow(&files->progress);
}

/** What is to be said of one. */
static void say(const struct run_file *f)
{
    const struct artifact *a = &f->artifact;
    const char *side = f->side == RUN_INPUT ? "input" : "output";
    static const char closed[] = "cannot be opened";
    if (strcmp(a->reason, "not there") == 0)
        cli_say(f->side == RUN_OUTPUT ? "output '%s' is not there after the command"
                                      : "input '%s' was not there before the command",
                f->text);
    else if (strncmp(a->reason, closed, sizeof closed - 1) == 0)
        cli_say("%s '%s' has no version: %s", side, f->text, a->reason);
    else if (a->reason[0] != '\0' && a->path != NULL && a->kind != ARTIFACT_FILE)
        cli_say("%s '%s' has no id: %s", side, f->text, a->reason);
    if (a->trouble[0] != '\0')
        cli_say("%s '%s': %s", side, f->text, a->trouble);
}

void run_files_hash_outputs(struct run_files *files, bool is_quiet)
{
    size_t count;
    look(files, RUN_OUTPUT);
    struct artifact_sum **sums = collect(files, RUN_OUTPUT, &count);
    if (count > 0) {
        artifact_sums_settle(sums, count);
        if (files->cache == NULL)
            files->cache = artifact_cache_open(files->caching);
    }
    free(sums);
    hash(files, RUN_OUTPUT);
    for (size_t i = 0; !is_quiet && i < files->count; i++)
        say(&files->items[i]);
}

static bool has_listed_members(const struct artifact *a)
{
    return a->kind == ARTIFACT_DIRECTORY || a->kind == ARTIFACT_LIST;
}

/** What is known of it, into the dataset's own facet. */
static void set_artifact(const struct run_file *f)
{
    static const char etag[] = "etag:";
    const struct artifact *a = &f->artifact;
    bool is_etag = a->version != NULL && strncmp(a->version, etag, sizeof etag - 1) == 0;
    bool is_hashed = a->sha256[0] != '\0';
    bool is_other = a->members_sha256[0] != '\0' && strcmp(a->members_sha256, a->sha256) != 0;
    if (!is_hashed && a->version == NULL && a->path == NULL)
        return; /* a name alone */
    struct ol_artifact facet = {.struct_size = sizeof facet,
                                .artifact_id = is_hashed ? a->sha256 : NULL,
                                .kind = artifact_kind_name(a->kind),
                                .basis = a->version != NULL ? "declared"
                                         : is_hashed        ? "computed"
                                                            : "unknown",
                                .reason = a->reason[0] != '\0' ? a->reason : NULL,
                                .media_type =
                                    has_listed_members(a) ? NULL : receipt_media_type(a->subject),
                                .etag = is_etag ? a->version + sizeof etag - 1 : NULL,
                                .version_id = !is_etag && !is_hashed ? a->version : NULL,
                                .members_sha256 = is_other ? a->members_sha256 : NULL};
    if (a->size >= 0)
        facet.size = (struct ol_int)OL_INT(a->size);
    if (a->member_count >= 0)
        facet.member_count = (struct ol_int)OL_INT(a->member_count);
    OL_IGNORE(ol_dataset_set_artifact(f->dataset, &facet) < 0, "the next emit reports it");
}

/** To the agent, whether it is there or not; the event that follows names the list. */
static void hand_members_over(const struct run_files *files, const struct artifact *a)
{
    struct ol_error err = {.message = ""};
    if (a->member_count <= 0 || a->members_sha256[0] == '\0')
        return;
    ol_status status = members_offer(
        files->runs, (struct ol__span){a->members.data, a->members.size}, a->members_sha256, &err);
    if (status < 0 && status != OL_NOT_FOUND) /* no such folder: an agent of before, or none yet */
        cli_say("members of '%s' are not handed over (lineage import can do it later): %s",
                a->subject, err.message);
}

void run_files_set_versions(struct run_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct run_file *f = &files->items[i];
        char version[RUN_VERSION_SIZE];
        hand_members_over(files, &f->artifact);
        if (files->hash_limit > 0)
            set_artifact(f);
        if (f->artifact.sha256[0] == '\0' || f->artifact.version != NULL)
            continue; /* one that is declared stands there by its name */
        snprintf(version, sizeof version, "sha256:%s", f->artifact.sha256);
        OL_IGNORE(ol_dataset_set_dataset_version(
                      f->dataset, OL_MAKE(ol_dataset_version, .version = version)) < 0,
                  "the next emit reports it");
    }
}

static struct receipt_artifact describe(const struct run_file *f)
{
    const struct artifact *a = &f->artifact;
    bool is_declared = a->version != NULL, is_hashed = a->sha256[0] != '\0';
    bool is_kept = a->member_count >= 0 && a->members.size <= RECEIPT_KEEP_LIMIT_MAX;
    return (struct receipt_artifact){
        .path = f->text,
        .name_space = a->name_space,
        .name = a->name,
        .sha256 = is_hashed ? a->sha256 : NULL,
        .version = is_declared && !is_hashed ? a->version : NULL,
        .size = a->size,
        .has_rows = f->has_rows,
        .rows = f->rows,
        .media_type = has_listed_members(a) ? NULL : receipt_media_type(a->subject),
        .kind = artifact_kind_name(a->kind),
        .basis = is_declared ? "declared"
                 : is_hashed ? "computed"
                             : "unknown",
        .reason = a->reason[0] != '\0' ? a->reason : NULL,
        .member_count = a->member_count,
        .members = {a->members.data, a->members.size},
        .members_sha256 = is_kept ? a->members_sha256 : NULL};
}

ol_status run_files_list(const struct run_files *files, enum run_side side,
                         struct receipt_artifact **ret, size_t *ret_count)
{
    struct receipt_artifact *items = calloc(files->count + 1, sizeof *items);
    if (items == NULL)
        return OL_NOMEM;
    *ret = items;
    *ret_count = 0;
    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i].side == side &&
            files->items[i].artifact.subject != NULL) /* looked at */
            items[(*ret_count)++] = describe(&files->items[i]);
    }
    return OL_OK;
}

void run_files_release(struct run_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        artifact_release(&files->items[i].artifact);
    artifact_cache_close(files->cache);
    free(files->items);
    *files = (struct run_files){.items = NULL};
}

ol_status run_files_hash_path(const char *path, uint64_t limit, char out[RUN_VERSION_SIZE])
{
    struct artifact a;
    struct artifact_sum **sums = NULL;
    size_t budget = ARTIFACT_MEMBERS_MAX, count = 0;
    const struct artifact_hasher hasher = {.limit = limit};
    ol_status status = artifact_init(&a, path, true);
    struct stat st;
    if (status == OL_OK && a.path != NULL && stat(a.path, &st) == 0 && !S_ISREG(st.st_mode))
        status = OL_END;
    if (status == OL_OK)
        status = artifact_look(&a, &budget);
    if (status == OL_OK)
        sums = artifact_collect_sums(&(struct artifact *){&a}, 1, &count);
    artifact_sums_settle(sums, count);
    artifact_hash_all(&hasher, sums, count);
    if (status == OL_OK)
        status = artifact_finish(&a);
    if (status == OL_OK && a.version != NULL)
        status = OL_END;
    if (status == OL_OK && a.sha256[0] != '\0')
        snprintf(out, RUN_VERSION_SIZE, "sha256:%s", a.sha256);
    else if (status == OL_OK)
        status = strcmp(a.reason, "not there") == 0 ? OL_NOT_FOUND : OL_END;
    free(sums);
    artifact_release(&a);
    return status;
}

bool run_files_parse_size(const char *text, uint64_t *ret)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0},     {"B", 0},  {"K", 10},   {"KiB", 10}, {"M", 20},
                 {"MiB", 20}, {"G", 30}, {"GiB", 30}, {"T", 40},   {"TiB", 40}};
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0)
        return false;
    for (size_t i = 0; i < OL_COUNT(units); i++) {
        if (strcmp(end, units[i].unit) == 0) {
            if (n > UINT64_MAX >> units[i].shift)
                return false;
            *ret = (uint64_t)n << units[i].shift;
            return true;
        }
    }
    return false;
}
