/* SPDX-License-Identifier: Apache-2.0 */
/* What `verify` says of outputs is read anew from the disk: the cache of hashes is not asked. */
#include "members.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "artifact/artifact.h"

ol_status receipt_members_keep(const char *runs, const struct receipt_artifact *items, size_t count,
                               struct ol_error *err)
{
    char sha256[OL_SHA256_TEXT + 1];
    ol_status status = OL_OK;
    for (size_t i = 0; status == OL_OK && i < count; i++) {
        if (items[i].members_sha256 != NULL)
            status = receipt_object_put(runs, items[i].members, sha256, err);
    }
    return status;
}

ol_status receipt_members_read(const char *runs, const char *sha256, struct ol__buf *out,
                               struct ol_error *err)
{
    char path[RECEIPT_OBJECT_PATH], found[OL_SHA256_TEXT + 1];
    int runs_fd = -1;
    size_t before = out->size;
    if (strlen(sha256) != OL_SHA256_TEXT || strspn(sha256, "0123456789abcdef") != OL_SHA256_TEXT)
        return ol__error_set(err, OL_CORRUPT, "'%.80s' is no hash", sha256);
    receipt_object_path(sha256, path);
    ol_status status = ol__fs_open_directory(runs, &runs_fd, err);
    if (status == OL_OK)
        status = ol__fs_read_file(&ol__fs_real, runs_fd, path, out, err);
    if (runs_fd >= 0)
        close(runs_fd);
    if (status == OL_OK)
        status =
            receipt_hash((struct ol__span){out->data + before, out->size - before}, found, err);
    if (status == OL_OK && strcmp(found, sha256) != 0)
        status = ol__error_set(err, OL_CORRUPT, "'%s': its hash is %s", path, found);
    return status;
}

/* ---- outputs ---- */

struct output {
    const char *runs, *cwd;
    const char *path, *sha256, *members; /* as the receipt says */
    char full[8192];
    char *problem;
    size_t size;
};

OL_PRINTF(2, 3)
static void tell(const struct output *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(o->problem, o->size, format, args);
    va_end(args);
}

/** Where @p name is, into @p out. */
static bool resolve(const char *cwd, const char *name, char *out, size_t out_size)
{
    bool is_absolute = name[0] == '/' || cwd == NULL;
    int size =
        snprintf(out, out_size, "%s%s%s", is_absolute ? "" : cwd, is_absolute ? "" : "/", name);
    return size >= 0 && (size_t)size < out_size;
}

static ol_status hash_all(struct artifact *a)
{
    const struct artifact_hasher hasher = {.limit = UINT64_MAX};
    size_t count = 0;
    struct artifact_sum **sums = artifact_collect_sums(&(struct artifact *){a}, 1, &count);
    if (sums == NULL && a->sum_count > 0)
        return OL_NOMEM;
    artifact_sums_settle(sums, count);
    artifact_hash_all(&hasher, sums, count);
    free(sums);
    return OL_OK;
}

/** The member that is not what it was. */
static ol_status name_member(const struct output *o, const struct artifact *a)
{
    struct ol__buf was;
    struct artifact_difference difference = {.count = 0};
    ol__buf_init(&was, ARTIFACT_TEXT_MAX);
    ol_status status =
        o->members != NULL ? receipt_members_read(o->runs, o->members, &was, NULL) : OL_NOT_FOUND;
    if (status == OL_OK)
        status = artifact_lines_compare((struct ol__span){was.data, was.size},
                                        (struct ol__span){a->members.data, a->members.size},
                                        &difference);
    if (status == OL_OK && difference.count > 0)
        tell(o, "output '%s' was changed: '%.*s'%s", o->full,
             (int)OL_MIN(difference.first.size, 300), difference.first.data,
             difference.count > 1 ? " and others are not what they were" : " is not what it was");
    ol__buf_release(&difference.first);
    ol__buf_release(&was);
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

static ol_status check_one(const struct output *o)
{
    struct artifact a;
    size_t budget = ARTIFACT_MEMBERS_MAX;
    struct stat st;
    ol_status status = artifact_init_path(&a, o->full);
    if (status == OL_OK && stat(o->runs, &st) == 0) {
        a.skip_device = (uint64_t)st.st_dev;
        a.skip_inode = (uint64_t)st.st_ino;
    }
    if (status == OL_OK)
        status = artifact_look(&a, &budget);
    if (status == OL_OK)
        status = hash_all(&a);
    if (status == OL_OK)
        status = artifact_finish(&a);
    if (status == OL_OK && a.sha256[0] == '\0')
        tell(o, "output '%s': %s", o->full, a.reason);
    else if (status == OL_OK && strcmp(a.sha256, o->sha256) != 0) {
        tell(o, "output '%s' was changed: its hash is %s, the receipt says %.64s", o->full,
             a.sha256, o->sha256);
        if (a.kind == ARTIFACT_DIRECTORY)
            status = name_member(o, &a);
    }
    artifact_release(&a);
    return status;
}

/** A list's members by the text that was kept, each where its path leads now. */
static ol_status compare_list(const struct output *o, struct ol__span text, struct artifact *a)
{
    struct ol__buf space;
    struct artifact_line line;
    struct ol__span rest = text;
    size_t budget = ARTIFACT_MEMBERS_MAX, changed = 0;
    char full[8192];
    ol__buf_init(&space, ARTIFACT_TEXT_MAX);
    ol_status status;
    while ((status = artifact_line_read(&rest, &space, &line)) == OL_OK) {
        char name[4096];
        if (line.name.size >= sizeof name)
            status = OL_INVALID;
        else
            snprintf(name, sizeof name, "%.*s", (int)line.name.size, line.name.data);
        if (status != OL_OK || !resolve(o->cwd, name, full, sizeof full))
            break;
        status = artifact_add_sum(a, full, true, &budget);
        if (status != OL_OK)
            break;
        artifact_sum_look(&a->sums[a->sum_count - 1]);
    }
    if (status == OL_END)
        status = hash_all(a);
    rest = text;
    for (size_t i = 0; status == OL_OK && i < a->sum_count; i++) {
        char sha256[OL_SHA256_TEXT + 1];
        status = artifact_line_read(&rest, &space, &line);
        ol__hex(a->sums[i].sha256, OL_SHA256_SIZE, sha256);
        bool is_same = a->sums[i].is_hashed && strcmp(sha256, line.sha256) == 0;
        if (!is_same && changed++ == 0)
            tell(o, "output '%s': '%.300s' %s", o->path, a->sums[i].path,
                 a->sums[i].is_hashed ? "is not what it was" : a->sums[i].reason);
    }
    ol__buf_release(&space);
    return status;
}

static ol_status check_list(const struct output *o)
{
    struct ol__buf text;
    struct artifact a;
    struct ol_error why = {.message = ""};
    if (o->members == NULL)
        return OL_OK;
    ol__buf_init(&text, ARTIFACT_TEXT_MAX);
    ol_status status = receipt_members_read(o->runs, o->members, &text, &why);
    if (status != OL_OK && status != OL_NOMEM) {
        tell(o, "output '%s': its members cannot be read: %s", o->path, why.message);
        status = OL_OK;
    } else if (status == OL_OK) {
        status = artifact_init_path(&a, "/");
        if (status == OL_OK)
            status = compare_list(o, (struct ol__span){text.data, text.size}, &a);
        if (status < 0 && status != OL_NOMEM) {
            tell(o, "output '%s': its members are no text of R10", o->path);
            status = OL_OK;
        }
        artifact_release(&a);
    }
    ol__buf_release(&text);
    return status;
}

ol_status receipt_check_output(const char *runs, const char *cwd, const struct json_node *output,
                               char *problem, size_t size, bool *ret_is_read, struct ol_error *err)
{
    static const char manifest_mark[] = "manifest:";
    struct output o = {.runs = runs,
                       .cwd = cwd,
                       .path = json_get_text(output, "path"),
                       .sha256 = json_get_text(output, "sha256"),
                       .members = json_get_text(json_get(output, "members"), "sha256"),
                       .problem = problem,
                       .size = size};
    const char *kind = json_get_text(output, "kind"), *basis = json_get_text(output, "basis");
    const char *path = o.path;
    problem[0] = '\0';
    *ret_is_read = false;
    if (path == NULL || o.sha256 == NULL || kind == NULL || strcmp(kind, "remote") == 0 ||
        (basis != NULL && strcmp(basis, "computed") != 0))
        return OL_OK;
    if (strcmp(kind, "manifest") == 0 &&
        strncmp(path, manifest_mark, sizeof manifest_mark - 1) == 0)
        path += sizeof manifest_mark - 1;
    if (strncmp(path, "file:", 5) == 0) /* a URI; its name is the path */
        path = json_get_text(output, "name");
    if (path == NULL || !resolve(cwd, path, o.full, sizeof o.full))
        return OL_OK;
    *ret_is_read = true;
    ol_status status = strcmp(kind, "list") == 0 ? check_list(&o) : check_one(&o);
    return status == OL_OK ? OL_OK : ol__error_set(err, status, "'%s': out of memory", o.full);
}
