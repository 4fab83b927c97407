/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A file is removed only when its list is in the store, or can never be.
 *  2. Whose list it is says the file's owner, nothing else; what it is called is a claim that its
 * bytes must prove.
 *  3. Between two calls no transaction is open; a call reads on for its budget and one batch. */
#include "members_inbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hash.h"
#include "times.h"

#define FOLDER "members"
#define PIECE ((size_t)256 << 10)
#define NAME_EXTRA 17 /* behind the hash: '-' and what makes it unlike others */
#define FILE_MAX ((int64_t)256 << 20)

struct folder {
    const char *path; /* the journal directory; borrowed */
    bool is_broken;   /* said, and left alone from then on */
};
struct members_inbox {
    const char *area; /* for the log; borrowed */
    struct folder *folders;
    size_t count;
    char *bytes; /* PIECE */
    /* the file under way */
    int dirfd, fd;
    size_t folder;
    char name[OL_SHA256_TEXT + NAME_EXTRA + 1];
    struct store_members *members;
};

ol_status members_inbox_new(const struct agent *agent, const char *area, struct members_inbox **ret,
                            struct ol_error *err)
{
    const struct ol__text_list *paths = &agent->config->journal_directories;
    struct members_inbox *inbox = calloc(1, sizeof *inbox);
    if (inbox != NULL) {
        *inbox = (struct members_inbox){.area = area, .dirfd = -1, .fd = -1};
        inbox->bytes = malloc(PIECE);
        inbox->folders = calloc(paths->count + 1, sizeof *inbox->folders);
    }
    if (inbox == NULL || inbox->bytes == NULL || inbox->folders == NULL) {
        members_inbox_free(inbox);
        return ol__error_set(err, OL_NOMEM, "store route: out of memory");
    }
    for (; inbox->count < paths->count; inbox->count++)
        inbox->folders[inbox->count].path = paths->items[inbox->count];
    *ret = inbox;
    return OL_OK;
}

static void close_file(struct members_inbox *inbox)
{
    store_members_close(inbox->members);
    inbox->members = NULL;
    if (inbox->fd >= 0)
        close(inbox->fd);
    if (inbox->dirfd >= 0)
        close(inbox->dirfd);
    inbox->fd = inbox->dirfd = -1;
}

void members_inbox_drop(struct members_inbox *inbox)
{
    if (inbox != NULL)
        close_file(inbox);
}

void members_inbox_free(struct members_inbox *inbox)
{
    if (inbox == NULL)
        return;
    close_file(inbox);
    free(inbox->folders);
    free(inbox->bytes);
    free(inbox);
}

/* ---- Folders ---- */

OL_PRINTF(3, 4)
static void give_up(struct members_inbox *inbox, size_t folder, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    inbox->folders[folder].is_broken = true;
    log_write(LOG_LEVEL_WARNING, inbox->area,
              "lists of members in '%s/" FOLDER "' are not taken: %s", inbox->folders[folder].path,
              why);
}

/* As the journal directory is, so is the folder: everybody's, or its owner's alone. -1: none. */
static int open_folder(struct members_inbox *inbox, size_t at)
{
    struct stat above, st;
    int parent = open(inbox->folders[at].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 || fstat(parent, &above) != 0) {
        if (parent >= 0)
            close(parent);
        return -1; /* not made yet */
    }
    bool is_made = mkdirat(parent, FOLDER, 0700) == 0;
    int fd = openat(parent, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int reason = errno;
    close(parent);
    if (fd < 0 || fstat(fd, &st) != 0) {
        give_up(inbox, at, "%s", strerror(reason));
    } else if (st.st_uid != geteuid()) {
        give_up(inbox, at, "the folder belongs to uid %u", (unsigned)st.st_uid);
    } else if (is_made && (above.st_mode & S_ISVTX) != 0 &&
               fchmod(fd, above.st_mode & 07777) != 0) {
        give_up(inbox, at, "chmod: %s", strerror(errno));
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool is_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == OL_SHA256_TEXT &&
           (name[OL_SHA256_TEXT] == '\0' || name[OL_SHA256_TEXT] == '-') &&
           strlen(name) <= OL_SHA256_TEXT + NAME_EXTRA;
}

/* A directory of such a name is nobody's list: it stays, and keeps nobody from being heard. */
static bool is_directory(int fd, const char *name)
{
    struct stat st;
    return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* The first name of a list into inbox->name. */
static bool find_name(struct members_inbox *inbox, int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (dir == NULL) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL &&
           (!is_name(entry->d_name) || is_directory(fd, entry->d_name))) {
    }
    if (entry != NULL)
        memcpy(inbox->name, entry->d_name, strlen(entry->d_name) + 1);
    closedir(dir);
    return entry != NULL;
}

/* ---- One file ---- */

static void remove_file(struct members_inbox *inbox)
{
    if (unlinkat(inbox->dirfd, inbox->name, 0) != 0 && errno != ENOENT)
        give_up(inbox, inbox->folder, "'%s' cannot be removed: %s", inbox->name, strerror(errno));
    close_file(inbox);
}

static void refuse(struct members_inbox *inbox, const char *why)
{
    log_write(LOG_LEVEL_WARNING, inbox->area,
              "a list of members is refused: '%s/" FOLDER "/%s': %s",
              inbox->folders[inbox->folder].path, inbox->name, why);
    remove_file(inbox);
}

/* Open inbox->name and begin. */
static ol_status begin(struct members_inbox *inbox, struct store *store, struct ol_error *err)
{
    struct stat st;
    uint8_t sha256[OL_SHA256_SIZE];
    if (!ol__hex_read(inbox->name, sha256, sizeof sha256))
        return ol__error_set(err, OL_INVALID, "'%s': no name of a list of members", inbox->name);
    inbox->fd = openat(inbox->dirfd, inbox->name,
                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (inbox->fd < 0 || fstat(inbox->fd, &st) != 0) {
        refuse(inbox, strerror(errno));
        return OL_OK;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
        refuse(inbox, S_ISREG(st.st_mode) ? "larger than 256 MiB" : "no file");
        return OL_OK;
    }
    ol_status status = store_members_begin(store, sha256, (int64_t)st.st_uid, ol__time_now_ms(),
                                           &inbox->members, err);
    if (status == OL_END)
        remove_file(inbox);
    return status == OL_END ? OL_OK : status;
}

/* Some bytes further, or the end. */
static ol_status read_on(struct members_inbox *inbox, struct ol_error *err)
{
    ssize_t size = read(inbox->fd, inbox->bytes, PIECE);
    if (size < 0 && errno == EINTR)
        return OL_OK;
    if (size < 0) {
        refuse(inbox, strerror(errno));
        return OL_OK;
    }
    ol_status status =
        size > 0
            ? store_members_add(inbox->members, (struct ol__span){inbox->bytes, (size_t)size}, err)
            : store_members_end(inbox->members, err);
    if (status == OL_INVALID || status == OL_TOO_LARGE) {
        refuse(inbox, err->message);
        return OL_OK;
    }
    if (status == OL_OK && size == 0)
        remove_file(inbox); /* promise 1 */
    return status;
}

/* @return whether a file is under way. */
static ol_status next_file(struct members_inbox *inbox, struct store *store, bool *ret,
                           struct ol_error *err)
{
    *ret = false;
    for (size_t i = 0; i < inbox->count; i++) {
        int fd = inbox->folders[i].is_broken ? -1 : open_folder(inbox, i);
        if (fd < 0)
            continue;
        if (find_name(inbox, fd)) {
            inbox->dirfd = fd;
            inbox->folder = i;
            *ret = true;
            return begin(inbox, store, err);
        }
        close(fd);
    }
    return OL_OK;
}

ol_status members_inbox_step(struct members_inbox *inbox, struct store *store, int64_t budget_ms,
                             bool *ret_more, struct ol_error *err)
{
    int64_t until = ol__time_monotonic_ms() + budget_ms;
    ol_status status = OL_OK;
    *ret_more = true;
    while (status == OL_OK && *ret_more && ol__time_monotonic_ms() < until)
        status =
            inbox->members != NULL ? read_on(inbox, err) : next_file(inbox, store, ret_more, err);
    return status;
}
