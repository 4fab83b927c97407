/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. At most one process holds a store to write: what it remembers of the file (ids of names) is
 * what is there.
 *  2. The file is replaced only while nobody has it open: SQLite finds a log by its name, and an
 * old file with the log of a new one would be neither.
 *  3. A lock ends with the process that has it, however that ends; the file FILE-lock is never
 * removed, since two of that name would be two locks.
 * Byte 0 of the file is the writer's, byte 1 shared by all who have the store open. The locks are
 * of the open file description: SQLite's own, which are of the process, do not meet them. */
#include "store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "times.h"

#define TRY_EVERY_MS 10
enum { BYTE_WRITER, BYTE_FILE };

/* One byte, waiting until @p until. @return 0, EAGAIN or another errno. */
static int lock_byte(int fd, short type, off_t byte, int64_t until)
{
    for (;;) {
        struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
        if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
            return 0;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return errno;
        if (ol__time_monotonic_ms() >= until)
            return EAGAIN;
        const struct timespec pause = {.tv_nsec = TRY_EVERY_MS * 1000000L};
        OL_IGNORE(nanosleep(&pause, NULL), "it is tried again then");
    }
}

static ol_status refuse(const char *path, enum store_hold hold, off_t byte, struct ol_error *err)
{
    const char *who = byte == BYTE_WRITER
                          ? "another process (an agent, lineage gc or restore) writes"
                      : hold == STORE_HOLD_REPLACE ? "another process reads or writes"
                                                   : "lineage restore is replacing";
    ol_status status = ol__error_set(err, OL_BUSY, "store '%s': %s it", path, who);
    if (err != NULL)
        err->is_retryable = true;
    return status;
}

ol_status store_lock(const char *path, enum store_hold hold, int64_t wait_ms, int *ret,
                     struct ol_error *err)
{
    char name[4096];
    int64_t until = ol__time_monotonic_ms() + wait_ms;
    bool is_read = hold == STORE_HOLD_READ;
    int size = snprintf(name, sizeof name, "%s-lock", path);
    if (size < 0 || (size_t)size >= sizeof name)
        return ol__error_set(err, OL_INVALID, "store '%.100s...': too long a path", path);
    int fd = open(name, (is_read ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && is_read) { /* nobody wrote it here, or it is somebody else's */
        *ret = -1;
        return OL_OK;
    }
    if (fd < 0)
        return ol__error_set_errno(err, errno, "store '%s': lock", path);
    off_t byte = BYTE_WRITER;
    int code = is_read ? 0 : lock_byte(fd, F_WRLCK, BYTE_WRITER, until);
    if (code == 0) {
        byte = BYTE_FILE;
        code = lock_byte(fd, hold == STORE_HOLD_REPLACE ? F_WRLCK : F_RDLCK, BYTE_FILE, until);
    }
    if (code == 0) {
        *ret = fd;
        return OL_OK;
    }
    close(fd);
    if (code == EAGAIN)
        return refuse(path, hold, byte, err);
    if (code != EINVAL && code != ENOLCK && code != EOPNOTSUPP)
        return ol__error_set_errno(err, code, "store '%s': lock", path);
    *ret = -1; /* no such locks here: SQLite's own are all there is */
    return OL_OK;
}
