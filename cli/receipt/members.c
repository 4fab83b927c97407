/* SPDX-License-Identifier: Apache-2.0 */
/* What `verify` says of artifacts is read anew from the disk: the cache of hashes is not asked. */
#include "members.h"

#include <errno.h>
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

/* ---- artifacts ---- */

struct output {
    const char *runs, *cwd;
    const char *side;                    /* "input", "output" */
    const char *path, *sha256, *members; /* as the receipt says */
    struct receipt_hashes *hashes;       /* NULL: none */
    struct receipt_looked *looked;
};

OL_PRINTF(2, 3)
static void tell(const struct output *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(o->looked->problem, sizeof o->looked->problem, format, args);
    va_end(args);
}

static bool is_gone(const char *path)
{
    struct stat st;
    return stat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/** Where @p name is, into @p out. */
static bool resolve(const char *cwd, const char *name, char *out, size_t out_size)
{
    bool is_absolute = name[0] == '/' || cwd == NULL;
    int size =
        snprintf(out, out_size, "%s%s%s", is_absolute ? "" : cwd, is_absolute ? "" : "/", name);
    return size >= 0 && (size_t)size < out_size;
}

ol_status receipt_hash_sums(struct artifact *a)
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
        tell(o, "%s '%s' was changed: '%.*s'%s", o->side, o->looked->full,
             (int)OL_MIN(difference.first.size, 300), difference.first.data,
             difference.count > 1 ? " and others are not what they were" : " is not what it was");
    ol__buf_release(&difference.first);
    ol__buf_release(&was);
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

/** A FIFO or a device where a file was is a change; a file that nobody lets us read is not. */
static bool is_other_thing(const struct artifact *a, const char *full)
{
    struct stat st;
    return a->kind != ARTIFACT_DIRECTORY && stat(full, &st) == 0 && !S_ISREG(st.st_mode);
}

static ol_status check_one(const struct output *o)
{
    struct artifact a;
    size_t budget = ARTIFACT_MEMBERS_MAX;
    struct stat st;
    const char *known = receipt_hashes_find(o->hashes, o->looked->full);
    if (known != NULL && strcmp(known, o->sha256) == 0) {
        snprintf(o->looked->sha256, sizeof o->looked->sha256, "%s", known);
        return OL_OK;
    }
    if (is_gone(o->looked->full)) {
        o->looked->is_gone = true;
        tell(o, "%s '%s' is gone", o->side, o->looked->full);
        return OL_OK;
    }
    ol_status status = artifact_init_path(&a, o->looked->full);
    if (status == OL_OK && stat(o->runs, &st) == 0) {
        a.skip_device = (uint64_t)st.st_dev;
        a.skip_inode = (uint64_t)st.st_ino;
    }
    if (status == OL_OK)
        status = artifact_look(&a, &budget);
    if (status == OL_OK)
        status = receipt_hash_sums(&a);
    if (status == OL_OK)
        status = artifact_finish(&a);
    snprintf(o->looked->sha256, sizeof o->looked->sha256, "%s", status == OL_OK ? a.sha256 : "");
    if (status == OL_OK && a.sha256[0] == '\0') {
        o->looked->is_unread = !is_other_thing(&a, o->looked->full);
        tell(o, "%s '%s': %s", o->side, o->looked->full, a.reason);
    } else if (status == OL_OK && strcmp(a.sha256, o->sha256) != 0) {
        tell(o, "%s '%s' was changed: its hash is %s, the receipt says %.64s", o->side,
             o->looked->full, a.sha256, o->sha256);
        if (a.kind == ARTIFACT_DIRECTORY)
            status = name_member(o, &a);
    }
    if (status == OL_OK && o->hashes != NULL && a.sha256[0] != '\0')
        status = receipt_hashes_add(o->hashes, o->looked->full, a.sha256, NULL);
    artifact_release(&a);
    return status;
}

/** A list's members by the text that was kept, each where its path leads now. */
static ol_status compare_list(const struct output *o, struct ol__span text, struct artifact *a)
{
    struct ol__buf space;
    struct artifact_line line;
    struct ol__span rest = text;
    size_t budget = ARTIFACT_MEMBERS_MAX, changed = 0, gone = 0, unread = 0;
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
        status = receipt_hash_sums(a);
    rest = text;
    for (size_t i = 0; status == OL_OK && i < a->sum_count; i++) {
        char sha256[OL_SHA256_TEXT + 1];
        status = artifact_line_read(&rest, &space, &line);
        ol__hex(a->sums[i].sha256, OL_SHA256_SIZE, sha256);
        bool is_same = a->sums[i].is_hashed && strcmp(sha256, line.sha256) == 0;
        bool is_away = !a->sums[i].is_hashed && is_gone(a->sums[i].path);
        bool is_unread = !a->sums[i].is_hashed && !is_away && !is_other_thing(a, a->sums[i].path);
        if (is_away && gone++ == 0 && changed == 0)
            tell(o, "%s '%s': '%.300s' is gone", o->side, o->path, a->sums[i].path);
        if (is_unread && unread++ == 0 && gone == 0 && changed == 0)
            tell(o, "%s '%s': '%.300s' %s", o->side, o->path, a->sums[i].path, a->sums[i].reason);
        if (!is_same && !is_away && !is_unread && changed++ == 0)
            tell(o, "%s '%s': '%.300s' %s", o->side, o->path, a->sums[i].path,
                 a->sums[i].is_hashed ? "is not what it was" : a->sums[i].reason);
    }
    o->looked->is_gone = gone > 0 && changed == 0;
    o->looked->is_unread = unread > 0 && gone == 0 && changed == 0;
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
        tell(o, "%s '%s': its members cannot be read: %s", o->side, o->path, why.message);
        status = OL_OK;
    } else if (status == OL_OK) {
        status = artifact_init_path(&a, "/");
        if (status == OL_OK)
            status = compare_list(o, (struct ol__span){text.data, text.size}, &a);
        if (status < 0 && status != OL_NOMEM) {
            tell(o, "%s '%s': its members are no text of R10", o->side, o->path);
            status = OL_OK;
        }
        artifact_release(&a);
    }
    ol__buf_release(&text);
    return status;
}

bool receipt_find_artifact(const char *cwd, const struct json_node *artifact,
                           char out[RECEIPT_FULL_SIZE])
{
    static const char manifest_mark[] = "manifest:";
    const char *kind = json_get_text(artifact, "kind"), *basis = json_get_text(artifact, "basis");
    const char *name_space = json_get_text(artifact, "namespace");
    const char *path = json_get_text(artifact, "path");
    if (path == NULL || kind == NULL || strcmp(kind, "remote") == 0 ||
        json_get(artifact, "sha256") == NULL || (basis != NULL && strcmp(basis, "computed") != 0))
        return false;
    if (strcmp(kind, "manifest") == 0 &&
        strncmp(path, manifest_mark, sizeof manifest_mark - 1) == 0)
        path += sizeof manifest_mark - 1;
    bool is_of_run = cwd == NULL && name_space != NULL && strcmp(name_space, "file") == 0;
    if (strncmp(path, "file:", 5) == 0 || (is_of_run && strcmp(kind, "list") != 0))
        path =
            json_get_text(artifact, "name"); /* a URI, or without a folder: the name is the path */
    return path != NULL && (path[0] == '/' || cwd != NULL) &&
           resolve(cwd, path, out, RECEIPT_FULL_SIZE);
}

ol_status receipt_check_artifact(const char *runs, const char *cwd, const char *side,
                                 const struct json_node *artifact, struct receipt_hashes *hashes,
                                 struct receipt_looked *ret, struct ol_error *err)
{
    const struct output o = {.runs = runs,
                             .cwd = cwd,
                             .side = side,
                             .path = json_get_text(artifact, "path"),
                             .sha256 = json_get_text(artifact, "sha256"),
                             .members = json_get_text(json_get(artifact, "members"), "sha256"),
                             .hashes = hashes,
                             .looked = ret};
    const char *kind = json_get_text(artifact, "kind");
    *ret = (struct receipt_looked){.is_gone = false};
    if (!receipt_find_artifact(cwd, artifact, ret->full))
        return OL_OK;
    ret->is_read = true;
    ol_status status = strcmp(kind, "list") == 0 ? check_list(&o) : check_one(&o);
    return status == OL_OK ? OL_OK : ol__error_set(err, status, "'%s': out of memory", ret->full);
}
