/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A name in the folder is a whole list: it gets it by rename() or link().
 *  2. The same list offered again is the same name, where the folder is this user's own. */
#include "members_door.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config_where.h"
#include "files.h"
#include "ids.h"
#include "receipt/members.h"

#define FOLDER "members"
#define WAITING_MAX 1000
#define NAME_SIZE (OL_SHA256_TEXT + 32)

/* The journal directory of the agent that gets this user's events. @return OL_OK; OL_END: none. */
static ol_status find_directory(char out[OL_PATH_MAX], struct ol_error *err)
{
    struct ol__where where[OL_WHERE_MAX];
    struct ol__places places;
    size_t count = 0;
    bool is_local = false;
    ol_status status = ol__config_where(NULL, where, &count, err);
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        if (where[i].kind == OL_WHERE_JOURNAL) {
            memcpy(out, where[i].target, OL_PATH_MAX);
            return OL_OK;
        }
        is_local = is_local || (where[i].kind == OL_WHERE_HTTP &&
                                (where[i].is_local || where[i].socket[0] != '\0'));
    }
    if (status != OL_OK || !is_local)
        return status == OL_OK ? OL_END : status;
    status = ol__places_of_user(&places, err);
    if (status == OL_OK)
        memcpy(out, places.journal, OL_PATH_MAX);
    return status;
}

/* @return its descriptor, or -1 with errno. */
static int open_folder(const char *directory, bool *ret_is_ours)
{
    struct stat st;
    int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0)
        return -1;
    if (fstat(parent, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & S_ISVTX) == 0)
        OL_IGNORE(mkdirat(parent, FOLDER, 0700) != 0, "it is there, or cannot be opened below");
    int fd = openat(parent, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int reason = errno;
    close(parent);
    *ret_is_ours = fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid();
    errno = reason;
    return fd;
}

static bool is_full(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (dir == NULL && copy >= 0)
        close(copy);
    while (dir != NULL && count <= WAITING_MAX && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count > WAITING_MAX;
}

/* The agent of the system reads by the folder's group. */
static ol_status write_list(int fd, const char *name, struct ol__span text, struct ol_error *err)
{
    char temporary[NAME_SIZE + 16];
    uint64_t random;
    ol__random(&random, sizeof random);
    snprintf(temporary, sizeof temporary, ".%s.%08x", name, (unsigned)random);
    int file = openat(fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (file < 0)
        return ol__error_set_errno(err, errno, "a list of members");
    ol_status status = fchmod(file, 0640) == 0
                           ? ol__fs_write_at(&ol__fs_real, file, text.data, text.size, 0, err)
                           : ol__error_set_errno(err, errno, "a list of members: chmod");
    close(file);
    if (status == OL_OK && renameat(fd, temporary, fd, name) != 0)
        status = ol__error_set_errno(err, errno, "a list of members: rename");
    if (status != OL_OK)
        unlinkat(fd, temporary, 0);
    return status;
}

/* A second name for the object, which nobody writes to. */
static bool link_object(int fd, const char *name, const char *runs, const char *sha256)
{
    char path[RECEIPT_OBJECT_PATH];
    int from = -1;
    receipt_object_path(sha256, path);
    if (runs == NULL || ol__fs_open_directory(runs, &from, NULL) != OL_OK)
        return false;
    bool is_done = linkat(from, path, fd, name, 0) == 0 || errno == EEXIST;
    close(from);
    return is_done;
}

ol_status members_offer(const char *runs, struct ol__span text, const char *sha256,
                        struct ol_error *err)
{
    char directory[OL_PATH_MAX], name[NAME_SIZE];
    bool is_ours = false;
    if (text.size == 0)
        return OL_END;
    if (text.size > RECEIPT_KEEP_LIMIT_MAX)
        return ol__error_set(err, OL_TOO_LARGE, "a list of members of more than 256 MiB");
    ol_status status = find_directory(directory, err);
    if (status != OL_OK)
        return status;
    int fd = open_folder(directory, &is_ours);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "'%s/" FOLDER "'", directory);
    uint64_t random;
    ol__random(&random, sizeof random);
    snprintf(name, sizeof name, is_ours ? "%s" : "%s-%016llx", sha256, (unsigned long long)random);
    if (faccessat(fd, name, F_OK, 0) != 0 && !(is_ours && link_object(fd, name, runs, sha256)))
        status = is_full(fd) ? ol__error_set(err, OL_TOO_LARGE, "'%s/" FOLDER "': %d lists wait",
                                             directory, WAITING_MAX)
                             : write_list(fd, name, text, err);
    close(fd);
    return status;
}

ol_status members_offer_object(const char *runs, const char *sha256, struct ol_error *err)
{
    struct ol__buf text;
    ol__buf_init(&text, ARTIFACT_TEXT_MAX);
    ol_status status = receipt_members_read(runs, sha256, &text, err);
    if (status == OL_OK)
        status = members_offer(runs, (struct ol__span){text.data, text.size}, sha256, err);
    ol__buf_release(&text);
    return status;
}
