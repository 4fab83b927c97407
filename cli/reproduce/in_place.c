/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. An output that the run wrote and that is there keeps its bytes, whatever the replay writes:
 * it waits under another name in its own folder and gets its name back.
 *  2. A replay that was killed loses nothing: the next one gives such an output its name back, or
 *     says what stands in its place.
 *  3. Nothing else is written over, unless somebody said so. */
#include "in_place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hash.h"
#include "layout.h"
#include "receipt/members.h"

/* ---- the code ---- */

static ol_status hash_output(const char *const *argv, char out[OL_SHA256_TEXT + 1], int64_t *size,
                             struct ol_error *err)
{
    char path[] = "/tmp/lineage-replay-XXXXXX", file[sizeof path + 8];
    struct stat st;
    ol_status status = OL_IO;
    *size = -1;
    if (mkdtemp(path) == NULL)
        return ol__error_set_errno(err, errno, "'%s'", path);
    snprintf(file, sizeof file, "%s/out", path);
    int fd = layout_program(argv, NULL, NULL, file) == 0 ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        *size = st.st_size;
        status = ol__sha256_file(fd, 0, out, NULL, err);
    }
    if (fd >= 0)
        close(fd);
    OL_IGNORE(unlink(file) != 0 || rmdir(path) != 0, "it was ours");
    return status;
}

/* Git compares the trees: 0 the same, 1 not, else it cannot tell. */
static int is_at_commit(const char *folder, const char *commit)
{
    const char *const argv[] = {"git", "-C", folder, "diff", "--quiet", commit, "HEAD", "--", NULL};
    return layout_program(argv, NULL, NULL, NULL);
}

static void look_at_submodules(struct in_place *p)
{
    const struct json_node *item = p->plan->code.submodules;
    for (const char *path, *commit; item != NULL; item = item->next) {
        char folder[RECEIPT_FULL_SIZE];
        if (!replay_submodule(item, &path, &commit))
            continue;
        int size = snprintf(folder, sizeof folder, "%s/%s", p->plan->code.root, path);
        if (size < 0 || (size_t)size >= sizeof folder || is_at_commit(folder, commit) != 0)
            replay_problem(p->plan,
                           "submodule '%.500s' is not at commit %.12s..., with which the run was "
                           "done: check that one out, or use --root DIR",
                           path, commit);
    }
}

/* Whether the working copy is at the commit, with the differences, that the steps ran with. */
static void look_at_code(struct in_place *p)
{
    const struct replay_code *code = &p->plan->code;
    char found[OL_SHA256_TEXT + 1];
    int64_t size = 0;
    if (code->commit == NULL)
        return;
    const char *const patch[] = {"git",
                                 "--no-optional-locks",
                                 "-c",
                                 "core.fsmonitor=false",
                                 "-C",
                                 code->root,
                                 "diff",
                                 "--no-ext-diff",
                                 "--no-textconv",
                                 "--no-color",
                                 "--full-index",
                                 "--binary",
                                 "--no-renames",
                                 "HEAD",
                                 "--",
                                 NULL};
    int status = is_at_commit(code->root, code->commit);
    if (status == 1)
        replay_problem(p->plan,
                       "the working copy '%s' is at another commit than %.12s..., with which the "
                       "run was done: check that one out, or use --root DIR",
                       code->root, code->commit);
    else if (status != 0)
        replay_problem(p->plan,
                       "whether '%s' is at commit %.12s... cannot be told (git says why): use "
                       "--root DIR",
                       code->root, code->commit);
    else if (!code->is_known)
        replay_note(p->plan,
                    "whether files differed from commit %.12s... was not asked when the run was "
                    "done (--git)",
                    code->commit);
    else if (hash_output(patch, found, &size, NULL) != OL_OK ||
             (code->patch != NULL ? strcmp(found, code->patch) != 0 : size != 0))
        replay_problem(p->plan,
                       "files of '%s' differ from commit %.12s... otherwise than when the run was "
                       "done: use --root DIR",
                       code->root, code->commit);
    look_at_submodules(p);
}

/* ---- names ---- */

/* "DIR/.NAME.MARK-HASH8" */
static char *name_beside(const char *full, const char *mark, const char *sha256)
{
    const char *slash = strrchr(full, '/');
    size_t folder = slash != NULL ? (size_t)(slash - full) + 1 : 0;
    size_t size = strlen(full) + strlen(mark) + 16;
    char *name = malloc(size);
    if (name != NULL)
        snprintf(name, size, "%.*s.%s.%s-%.8s", (int)folder, full, full + folder, mark, sha256);
    return name;
}

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

static bool is_beneath(const char *folder, const char *path)
{
    size_t size = strlen(folder);
    return strncmp(folder, path, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* ---- looking ---- */

struct finder {
    struct in_place *p;
    const struct replay_step *step;
    const struct json_node *artifact;
    struct receipt_hashes made;    /* by the last step that writes it */
    struct receipt_hashes sources; /* what is read and not made */
};

/* What is there now: OL_OK those bytes, OL_NOT_FOUND nothing, OL_END others, or not to be read. */
static ol_status compare(const struct in_place *p, const char *full, const char *cwd,
                         const struct json_node *directory, const char *sha256)
{
    struct receipt_looked looked;
    char found[OL_SHA256_TEXT + 1];
    if (!is_there(full))
        return OL_NOT_FOUND;
    if (directory != NULL) {
        ol_status status =
            receipt_check_artifact(p->plan->runs, cwd, "output", directory, NULL, &looked, p->err);
        return status != OL_OK ? status : looked.problem[0] == '\0' ? OL_OK : OL_END;
    }
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ol_status status = fd >= 0 ? ol__sha256_file(fd, 0, found, NULL, NULL) : OL_END;
    if (fd >= 0)
        close(fd);
    return status == OL_NOMEM                              ? OL_NOMEM
           : status == OL_OK && strcmp(found, sha256) == 0 ? OL_OK
                                                           : OL_END;
}

static const char *directory_blocks(const struct finder *f, const char *full)
{
    const struct replay_plan *plan = f->p->plan;
    if (is_beneath(full, plan->runs))
        return "the runs folder";
    for (size_t i = plan->first; i <= plan->last; i++)
        if (plan->steps[i].cwd != NULL && is_beneath(full, plan->steps[i].cwd))
            return "a working directory";
    for (size_t i = 0; i < plan->source_count; i++)
        if (is_beneath(full, plan->sources[i].full))
            return "what the run reads";
    return NULL;
}

static ol_status add_item(struct finder *f, const char *full, const char *sha256)
{
    struct in_place *p = f->p;
    if (p->count == p->cap) {
        size_t cap = p->cap == 0 ? 32 : p->cap * 2;
        struct in_place_item *items = realloc(p->items, cap * sizeof *items);
        if (items == NULL)
            return ol__error_set(p->err, OL_NOMEM, "outputs: out of memory");
        p->items = items;
        p->cap = cap;
    }
    struct in_place_item *item = &p->items[p->count];
    *item =
        (struct in_place_item){.full = strdup(full), .cwd = f->step->cwd, .artifact = f->artifact};
    snprintf(item->sha256, sizeof item->sha256, "%s", sha256);
    if (item->full == NULL)
        return ol__error_set(p->err, OL_NOMEM, "outputs: out of memory");
    p->count++;
    return OL_OK;
}

/* Promise 2. */
static void heal(struct finder *f, const char *full, const char *aside)
{
    if (!is_there(aside))
        return;
    if (!is_there(full) && rename(aside, full) == 0)
        replay_note(f->p->plan,
                    "'%.900s' had been put aside by a replay that did not end: it is "
                    "back",
                    full);
    else
        replay_problem(f->p->plan,
                       "'%.500s' was put aside by a replay that did not end, and something else "
                       "has its name: mv '%.500s' '%.500s', or remove one",
                       full, aside, full);
}

static ol_status look_at_output(struct finder *f, const char *full, const char *sha256)
{
    struct in_place *p = f->p;
    const struct json_node *directory = f->artifact;
    const char *why = directory != NULL ? directory_blocks(f, full) : NULL;
    const char *last = receipt_hashes_find(&f->made, full);
    char *aside = name_beside(full, "original", last != NULL ? last : sha256);
    if (aside == NULL)
        return ol__error_set(p->err, OL_NOMEM, "outputs: out of memory");
    heal(f, full, aside);
    free(aside);
    if (p->may_overwrite || (last != NULL && strcmp(last, sha256) != 0))
        return OL_OK; /* a later step writes it anew: that one's turn */
    ol_status status = compare(p, full, f->step->cwd, directory, sha256);
    if (status == OL_NOT_FOUND)
        return OL_OK;
    if (status == OL_END)
        replay_problem(p->plan,
                       "'%.1000s' is there, with other bytes than step '%s' wrote: it is not "
                       "written over (--overwrite, or --root DIR)",
                       full, f->step->name);
    else if (status == OL_OK && receipt_hashes_find(&f->sources, full) != NULL)
        replay_problem(p->plan,
                       "step '%s' works on '%.1000s' in its place: it is not written over "
                       "(--overwrite, or --root DIR)",
                       f->step->name, full);
    else if (status == OL_OK && why != NULL)
        replay_problem(p->plan,
                       "step '%s' writes into '%.1000s', which has %s in it: it cannot be put "
                       "aside (--overwrite, or --root DIR)",
                       f->step->name, full, why);
    else if (status == OL_OK)
        return add_item(f, full, sha256);
    return status == OL_END ? OL_OK : status;
}

static ol_status take_output(void *arg, const char *full, const char *sha256, const char *target)
{
    struct finder *f = arg;
    return target != NULL ? OL_OK : look_at_output(f, full, sha256);
}

static ol_status note_made(void *arg, const char *full, const char *sha256, const char *target)
{
    struct finder *f = arg;
    return target != NULL ? OL_OK : receipt_hashes_add(&f->made, full, sha256, f->p->err);
}

/* Without a hash there is nothing to compare with: it may not be there. */
static void look_at_unknown(struct finder *f, const struct json_node *output)
{
    char full[RECEIPT_FULL_SIZE];
    const char *kind = json_get_text(output, "kind"), *path = json_get_text(output, "path");
    bool is_remote = kind != NULL && strcmp(kind, "remote") == 0;
    if (f->p->may_overwrite || path == NULL)
        return;
    int size = path[0] == '/' ? snprintf(full, sizeof full, "%s", path)
                              : snprintf(full, sizeof full, "%s/%s", f->step->cwd, path);
    if (is_remote)
        replay_problem(f->p->plan,
                       "step '%s' writes '%.1000s', which is elsewhere: it is not written over "
                       "(--overwrite)",
                       f->step->name, path);
    else if (size < 0 || (size_t)size >= sizeof full || is_there(full))
        replay_problem(f->p->plan,
                       "'%.1000s' is there, and the receipt of step '%s' has no hash of it: it is "
                       "not written over (--overwrite, or --root DIR)",
                       path, f->step->name);
}

/* What the shell redirected into a file. */
static ol_status each_stream(struct finder *f, size_t place, replay_file_handler *each)
{
    char full[RECEIPT_FULL_SIZE];
    const struct json_node *stream = replay_stdout(f->p->plan, place, false);
    f->artifact = NULL;
    return stream == NULL || !receipt_find_artifact(f->step->cwd, stream, full)
               ? OL_OK
               : each(f, full, json_get_text(stream, "sha256"), NULL);
}

static ol_status each_output(struct finder *f, replay_file_handler *each, bool is_last)
{
    struct replay_plan *plan = f->p->plan;
    ol_status status = OL_OK;
    for (size_t i = plan->first; i <= plan->last && status == OL_OK; i++) {
        f->step = &plan->steps[i];
        if (!f->step->is_call)
            status = each_stream(f, i, each);
        const struct json_node *o =
            f->step->is_call ? NULL : json_get_items(f->step->doc.root, "outputs");
        for (; o != NULL && status == OL_OK; o = o->next) {
            char full[RECEIPT_FULL_SIZE];
            const char *kind = json_get_text(o, "kind");
            f->artifact = NULL;
            if (!receipt_find_artifact(f->step->cwd, o, full)) {
                if (is_last)
                    look_at_unknown(f, o);
            } else if (kind != NULL && strcmp(kind, "directory") == 0) {
                f->artifact = o;
                status = each(f, full, json_get_text(o, "sha256"), NULL);
            } else {
                status = replay_each_file(plan, f->step->cwd, o, each, f, f->p->err);
                if (status == OL_NOT_FOUND || status == OL_INVALID) {
                    replay_problem(plan,
                                   "step '%s': '%.500s': the names of its members are not "
                                   "kept: what would be written over is not known (--root DIR)",
                                   f->step->name, full);
                    status = OL_OK;
                }
            }
        }
    }
    return status;
}

ol_status in_place_look(struct in_place *p)
{
    static const char link[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct finder f = {.p = p};
    ol_status status = OL_OK;
    look_at_code(p);
    for (size_t i = 0; i < p->plan->source_count && status == OL_OK; i++) {
        const struct replay_file *s = &p->plan->sources[i];
        status =
            receipt_hashes_add(&f.sources, s->full, s->target != NULL ? link : s->sha256, p->err);
    }
    if (status == OL_OK)
        status = each_output(&f, note_made, false);
    if (status == OL_OK)
        status = each_output(&f, take_output, true);
    receipt_hashes_release(&f.sources);
    receipt_hashes_release(&f.made);
    return status;
}

/* ---- aside and back ---- */

ol_status in_place_begin(struct in_place *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct in_place_item *item = &p->items[i];
        char *aside = name_beside(item->full, "original", item->sha256);
        if (aside == NULL)
            return ol__error_set(p->err, OL_NOMEM, "outputs: out of memory");
        if (rename(item->full, aside) != 0) {
            int sys_errno = errno;
            free(aside);
            if (sys_errno == ENOENT) /* two receipts name it */
                continue;
            return ol__error_set_errno(p->err, sys_errno, "'%s' cannot be put aside", item->full);
        }
        item->aside = aside;
    }
    return OL_OK;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)where;
    return type == FTW_DP || type == FTW_D ? rmdir(path) : unlink(path);
}

static int remove_tree(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Promise 1. Between two renames the name is free: promise 2 holds. */
static ol_status put_back(struct in_place *p, struct in_place_item *item)
{
    ol_status same = compare(p, item->full, item->cwd, item->artifact, item->sha256);
    if (same != OL_OK && same != OL_NOT_FOUND && same != OL_END)
        return same;
    if (same == OL_OK && item->artifact != NULL) /* the same bytes once more */
        OL_IGNORE(remove_tree(item->full) != 0, "the rename says it");
    if (same == OL_END) {
        item->replayed = name_beside(item->full, "replay", item->sha256);
        if (item->replayed == NULL)
            return ol__error_set(p->err, OL_NOMEM, "outputs: out of memory");
        if (is_there(item->replayed)) /* of a replay before this one */
            OL_IGNORE(remove_tree(item->replayed) != 0, "the rename says it");
        if (rename(item->full, item->replayed) != 0)
            return ol__error_set_errno(p->err, errno, "'%s'", item->replayed);
    }
    return rename(item->aside, item->full) == 0
               ? OL_OK
               : ol__error_set_errno(p->err, errno, "'%s' cannot have its name '%s' back",
                                     item->aside, item->full);
}

ol_status in_place_end(struct in_place *p)
{
    ol_status result = OL_OK;
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].aside == NULL)
            continue;
        ol_status status = put_back(p, &p->items[i]);
        result = result == OL_OK ? status : result;
    }
    return result;
}

const char *in_place_replayed(const struct in_place *p, const char *full)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].replayed != NULL && strcmp(p->items[i].full, full) == 0)
            return p->items[i].replayed;
    return NULL;
}

void in_place_release(struct in_place *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->items[i].full);
        free(p->items[i].aside);
        free(p->items[i].replayed);
    }
    free(p->items);
    *p = (struct in_place){.items = NULL};
}
