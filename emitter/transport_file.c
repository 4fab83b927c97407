/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines in a file that others may append to as well. Promises:
 *  1. One write call an event, on a descriptor opened with O_APPEND, so lines of several processes
 * do not mix on a local filesystem.
 *  2. A torn line is never cut off (another process may stand behind it): the next line begins with
 * a newline instead, which closes the piece.
 *  3. The file never reaches RLIMIT_FSIZE by our writes: the kernel would kill the host.
 *  4. What is no regular file (a fifo) is never waited for, neither its reader nor room in it. */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "files.h"
#include "quiet_write.h"

struct file_transport {
    struct ol__transport transport; /* first */
    int fd;
    bool is_regular;
    _Atomic bool needs_newline;
    char *path; /* owned */
};

/* Promise 3. A limit is rare, so only then one more call is made. */
static ol_status check_limit(const struct file_transport *t, size_t size, struct ol_error *err)
{
    struct rlimit limit;
    struct stat st;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return OL_OK;
    if (fstat(t->fd, &st) != 0)
        return ol__error_set_errno(err, errno, "file '%s': fstat", t->path);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size + size < limit.rlim_cur)
        return OL_OK;
    return ol__error_set(err, OL_FULL, "file '%s': the file size limit of this process is reached",
                         t->path);
}

static ol_status file_emit(struct ol__transport *transport, const struct ol__line *line,
                           struct ol_error *err)
{
    struct file_transport *t = (struct file_transport *)transport;
    const char *data =
        line->data + 1 + line->control_size; /* a newline stands before it in any case */
    size_t size = line->size - 1 - line->control_size;
    ssize_t n;
    ol_status status = check_limit(t, size + 1, err);
    if (status != OL_OK)
        return status;
    bool closes_torn = atomic_exchange(&t->needs_newline, false);
    if (closes_torn) {
        data--;
        size++;
    }
    do
        n = t->is_regular ? write(t->fd, data, size) : ol__write_quiet(t->fd, data, size);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n == size)
        return OL_OK;
    int sys_errno = errno;
    if (n > 0 || closes_torn)
        atomic_store(&t->needs_newline, true); /* promise 2 */
    if (n < 0)
        return ol__error_set_errno(err, sys_errno, "file '%s': write", t->path);
    return ol__error_set(err, OL_FULL, "file '%s': only %zd of %zu bytes written", t->path, n,
                         size);
}

static ol_status file_close(struct ol__transport *transport, int timeout_ms OL_UNUSED,
                            struct ol_error *err)
{
    struct file_transport *t = (struct file_transport *)transport;
    ol_status status = OL_OK;
    if (t->fd >= 0 && close(t->fd) != 0) /* some filesystems tell of a failed write only here */
        status = ol__error_set_errno(err, errno, "file '%s': close", t->path);
    free(t->path);
    free(t);
    return status;
}

static const struct ol__transport_functions file_functions = {.emit = file_emit,
                                                              .close = file_close};

static bool ends_torn(int fd, const struct stat *st)
{
    char last = '\n';
    if (st->st_size > 0 && pread(fd, &last, 1, st->st_size - 1) != 1)
        return false;
    return last != '\n';
}

/* With O_NONBLOCK for promise 4; it does nothing to a regular file. A fifo is opened for writing
 * only, else we were its reader ourselves. */
static int open_file(const char *path)
{
    const int flags = O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat st;
    bool is_regular = stat(path, &st) != 0 || S_ISREG(st.st_mode);
    int fd = is_regular ? open(path, O_RDWR | flags, 0640) : -1;
    if (!is_regular || (fd < 0 && errno == EACCES)) /* not ours to read */
        fd = open(path, O_WRONLY | flags, 0640);
    return ol__fs_above_standard(fd);
}

ol_status ol__transport_file_open(const char *path, struct ol__transport **ret,
                                  struct ol_error *err)
{
    ol_status status = OL_OK;
    struct stat st;
    struct file_transport *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ol__error_set(err, OL_NOMEM, "file '%s': out of memory", path);
    t->transport.functions = &file_functions;
    t->path = strdup(path);
    t->fd = open_file(path);
    if (t->fd < 0)
        status = ol__error_set_errno(err, errno, "file '%s': open", path);
    else if (t->path == NULL)
        status = ol__error_set(err, OL_NOMEM, "file '%s': out of memory", path);
    else if (fstat(t->fd, &st) != 0)
        status = ol__error_set_errno(err, errno, "file '%s': fstat", path);
    if (status != OL_OK) {
        OL_IGNORE(file_close(&t->transport, 0, NULL), "nothing was written");
        return status;
    }
    t->is_regular = S_ISREG(st.st_mode);
    atomic_init(&t->needs_newline, t->is_regular && ends_torn(t->fd, &st));
    *ret = &t->transport;
    return OL_OK;
}
