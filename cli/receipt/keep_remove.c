/* SPDX-License-Identifier: Apache-2.0 */
/* Removing. Promises:
 *  1. A run's folder leaves the runs folder by one rename, to a name that means nothing, and is
 * emptied there: whenever this ends, what has a run's name is whole.
 *  2. An object goes only after every run that named it, and is looked at once more under a name
 * that nobody finds: who keeps the same content meanwhile has made it young (object.c), and it is
 * given back.
 *  3. What an earlier one left behind is finished or given back. One at a time. */
#include "keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define ASIDE ".gc-"
#define DEPTH_MAX 64

/* ---- Folders ---- */

static ol_status open_listing(int parent, const char *name, DIR **ret, struct ol_error *err)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    *ret = fd >= 0 ? fdopendir(fd) : NULL;
    if (*ret != NULL)
        return OL_OK;
    int code = errno;
    if (fd >= 0)
        close(fd);
    return code == ENOENT ? OL_NOT_FOUND : ol__error_set_errno(err, code, "folder '%s'", name);
}

static ol_status remove_tree(int parent, const char *name, int depth, struct ol_error *err)
{
    DIR *dir = NULL;
    if (depth > DEPTH_MAX)
        return ol__error_set(err, OL_TOO_LARGE, "folder '%s': too deep", name);
    ol_status status = open_listing(parent, name, &dir, err);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    int fd = dirfd(dir);
    for (struct dirent *e; status == OL_OK && (e = readdir(dir)) != NULL;) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            status = ol__error_set_errno(err, errno, "'%s'", e->d_name);
        else if (S_ISDIR(st.st_mode))
            status = remove_tree(fd, e->d_name, depth + 1, err);
        else if (unlinkat(fd, e->d_name, 0) != 0 && errno != ENOENT)
            status = ol__error_set_errno(err, errno, "remove '%s'", e->d_name);
        OL_CRASHPOINT("gc.in_run");
    }
    closedir(dir);
    if (status == OL_OK && unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        status = ol__error_set_errno(err, errno, "remove folder '%s'", name);
    return status;
}

static ol_status remove_run(struct receipt_keep *keep, const char *run_id, struct ol_error *err)
{
    char aside[RECEIPT_RUN_ID_SIZE + sizeof ASIDE];
    snprintf(aside, sizeof aside, ASIDE "%s", run_id);
    if (renameat(keep->fd, run_id, keep->fd, aside) != 0)
        return ol__error_set_errno(err, errno, "run '%s': put aside", run_id);
    OL_CRASHPOINT("gc.put_aside");
    if (fsync(keep->fd) != 0)
        return ol__error_set_errno(err, errno, "runs folder '%s': sync", keep->runs);
    return remove_tree(keep->fd, aside, 0, err); /* promise 1 */
}

/* Promise 3, of runs. */
static ol_status finish_runs(struct receipt_keep *keep, struct ol_error *err)
{
    DIR *dir = NULL;
    ol_status status = open_listing(keep->fd, ".", &dir, err);
    for (struct dirent *e; status == OL_OK && (e = readdir(dir)) != NULL;)
        if (strncmp(e->d_name, ASIDE, sizeof ASIDE - 1) == 0 &&
            receipt_is_run_id(e->d_name + sizeof ASIDE - 1))
            status = remove_tree(keep->fd, e->d_name, 0, err);
    if (dir != NULL)
        closedir(dir);
    return status;
}

/* ---- Objects ---- */

struct objects {
    struct receipt_keep *keep;
    struct receipt_sums named; /* by what stays */
    int64_t young_ms;
    int64_t *removed, *removed_bytes;
    struct ol_error *err;
};

static int64_t modified_ms(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

/* Promise 2. */
static ol_status remove_object(struct objects *o, int parent, const char *name)
{
    char aside[OL_SHA256_TEXT + sizeof ASIDE];
    struct stat st;
    snprintf(aside, sizeof aside, ASIDE "%s", name);
    if (renameat(parent, name, parent, aside) != 0)
        return ol__error_set_errno(o->err, errno, "object '%s': put aside", name);
    OL_CRASHPOINT("gc.object_aside");
    bool is_young =
        fstatat(parent, aside, &st, AT_SYMLINK_NOFOLLOW) != 0 || modified_ms(&st) >= o->young_ms;
    if (is_young) {
        if (renameat(parent, aside, parent, name) != 0)
            return ol__error_set_errno(o->err, errno, "object '%s': give back", name);
        return OL_OK;
    }
    if (unlinkat(parent, aside, 0) != 0)
        return ol__error_set_errno(o->err, errno, "object '%s': remove", name);
    *o->removed += 1;
    *o->removed_bytes += (int64_t)st.st_size;
    return OL_OK;
}

static bool read_name(const char *folder, const char *name, uint8_t sum[OL_SHA256_SIZE])
{
    char text[OL_SHA256_TEXT + 1];
    if (strlen(folder) != 2 || strlen(name) != OL_SHA256_TEXT - 2)
        return false;
    snprintf(text, sizeof text, "%s%s", folder, name);
    for (size_t i = 0; i < OL_SHA256_SIZE; i++) {
        int high = ol__hex_value(text[2 * i]), low = ol__hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        sum[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static ol_status look_at_object(struct objects *o, int parent, const char *folder, const char *name)
{
    uint8_t sum[OL_SHA256_SIZE];
    struct stat st;
    bool is_aside = strncmp(name, ASIDE, sizeof ASIDE - 1) == 0;
    const char *plain = is_aside ? name + sizeof ASIDE - 1 : name;
    if (!read_name(folder, plain, sum))
        return OL_OK;
    if (is_aside) { /* promise 3: it is looked at as any other */
        if (o->removed != NULL && renameat(parent, name, parent, plain) != 0)
            return ol__error_set_errno(o->err, errno, "object '%s': give back", plain);
        if (o->removed == NULL)
            return OL_OK;
    }
    if (fstatat(parent, plain, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? OL_OK : ol__error_set_errno(o->err, errno, "object '%s'", plain);
    if (receipt_sums_has(&o->named, sum) || modified_ms(&st) >= o->young_ms) {
        o->keep->objects_stay++;
        return OL_OK;
    }
    if (o->removed != NULL)
        return remove_object(o, parent, plain);
    o->keep->objects++;
    o->keep->object_bytes += (int64_t)st.st_size;
    return OL_OK;
}

static ol_status look_at_folder(struct objects *o, int parent, const char *folder)
{
    DIR *dir = NULL;
    ol_status status = open_listing(parent, folder, &dir, o->err);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    for (struct dirent *e; status == OL_OK && (e = readdir(dir)) != NULL;)
        status = look_at_object(o, dirfd(dir), folder, e->d_name);
    closedir(dir);
    return status;
}

static ol_status name_all(struct receipt_sums *into, const struct receipt_sums *from)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < from->cap && status == OL_OK; i++)
        if (from->used[i])
            status = receipt_sums_add(into, from->items[i]);
    return status;
}

ol_status receipt_keep_objects(struct receipt_keep *keep, const struct receipt_keep_policy *policy,
                               int64_t *removed, int64_t *removed_bytes, struct ol_error *err)
{
    struct objects o = {.keep = keep,
                        .young_ms = policy->now_ms - RECEIPT_KEEP_GRACE_MS,
                        .removed = removed,
                        .removed_bytes = removed_bytes,
                        .err = err};
    DIR *dir = NULL;
    ol_status status = name_all(&o.named, &keep->decided);
    for (size_t i = 0; i < keep->count && status == OL_OK; i++) {
        if (keep->items[i].fate == RECEIPT_UNREADABLE) { /* nobody knows what it names */
            receipt_sums_release(&o.named);
            return OL_OK;
        }
        if (keep->items[i].fate != RECEIPT_GOES)
            status = name_all(&o.named, &keep->items[i].named);
    }
    if (status != OL_OK)
        status = ol__error_set(err, OL_NOMEM, "runs folder: out of memory");
    if (status == OL_OK)
        status = open_listing(keep->fd, "objects", &dir, err);
    for (struct dirent *e; status == OL_OK && (e = readdir(dir)) != NULL;)
        if (strlen(e->d_name) == 2 && e->d_name[0] != '.')
            status = look_at_folder(&o, dirfd(dir), e->d_name);
    if (dir != NULL)
        closedir(dir);
    receipt_sums_release(&o.named);
    return status == OL_NOT_FOUND ? OL_OK : status;
}

/* ---- All of it ---- */

static ol_status take_lock(struct receipt_keep *keep, int *ret, struct ol_error *err)
{
    *ret = openat(keep->fd, ".gc.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*ret < 0)
        return ol__error_set_errno(err, errno, "runs folder '%s': lock", keep->runs);
    if (flock(*ret, LOCK_EX | LOCK_NB) == 0)
        return OL_OK;
    return errno == EWOULDBLOCK
               ? ol__error_set(err, OL_BUSY, "runs folder '%s': another lineage gc is at work",
                               keep->runs)
               : ol__error_set_errno(err, errno, "runs folder '%s': lock", keep->runs);
}

/* What came since it was read is to be known: another run, a decision. */
static ol_status read_again(struct receipt_keep *keep, const struct receipt_keep_policy *policy,
                            struct ol_error *err)
{
    struct receipt_keep now;
    ol_status status = receipt_keep_read(keep->runs, &now, err);
    if (status != OL_OK)
        return status;
    receipt_keep_release(keep);
    *keep = now;
    return receipt_keep_judge(keep, policy, err);
}

ol_status receipt_keep_remove(struct receipt_keep *keep, const struct receipt_keep_policy *policy,
                              int64_t *ret_runs, int64_t *ret_objects, int64_t *ret_bytes,
                              struct ol_error *err)
{
    int lock = -1;
    *ret_runs = *ret_objects = *ret_bytes = 0;
    ol_status status = take_lock(keep, &lock, err);
    if (status == OL_OK)
        status = finish_runs(keep, err);
    if (status == OL_OK)
        status = read_again(keep, policy, err);
    for (size_t i = 0; i < keep->count && status == OL_OK; i++) {
        if (keep->items[i].fate != RECEIPT_GOES)
            continue;
        status = remove_run(keep, keep->items[i].run_id, err);
        *ret_runs += status == OL_OK;
        *ret_bytes += status == OL_OK ? keep->items[i].bytes : 0;
    }
    if (status == OL_OK)
        status = receipt_keep_objects(keep, policy, ret_objects, ret_bytes, err);
    if (lock >= 0)
        close(lock);
    return status;
}
