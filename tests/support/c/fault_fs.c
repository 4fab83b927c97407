/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long counts[FAULT_CALLS];

static struct {
    enum fault_call which;
    unsigned long nth; /* matching calls until it happens; 0: none set */
    bool goes_on;
    int sys_errno;
    bool is_short;
    size_t short_size;
    bool fails_next; /* the write after the short one fails */
    bool happened;
} fault;

static bool changes(enum fault_call call)
{
    return call == FAULT_WRITE || call == FAULT_PWRITE || call == FAULT_FDATASYNC ||
           call == FAULT_FSYNC || call == FAULT_FTRUNCATE || call == FAULT_RENAMEAT ||
           call == FAULT_LINKAT || call == FAULT_UNLINKAT || call == FAULT_MKDIRAT;
}

static bool matches(enum fault_call which, enum fault_call call, bool creates)
{
    switch (which) {
    case FAULT_ANY:
        return true;
    case FAULT_ANY_WRITE:
        return call == FAULT_WRITE || call == FAULT_PWRITE;
    case FAULT_ANY_SYNC:
        return call == FAULT_FDATASYNC || call == FAULT_FSYNC;
    case FAULT_ANY_CHANGE:
        return creates || changes(call);
    default:
        return which == call;
    }
}

static unsigned long creating_opens;

/* Count @p call and decide its fate: true: fail with errno set. A short write cuts *size. Locked.
 */
static bool strikes(enum fault_call call, bool creates, size_t *size)
{
    counts[call]++;
    if (creates)
        creating_opens++;
    bool is_write = call == FAULT_WRITE || call == FAULT_PWRITE;
    if (fault.fails_next && is_write) {
        fault.fails_next = false;
        errno = fault.sys_errno;
        return true;
    }
    if (fault.nth == 0 || !matches(fault.which, call, creates))
        return false;
    if (fault.nth > 1) {
        fault.nth--;
        return false;
    }
    fault.happened = true;
    if (!fault.goes_on)
        fault.nth = 0;
    if (fault.is_short) {
        *size = OL_MIN(*size, fault.short_size);
        fault.fails_next = fault.sys_errno != 0;
        return false;
    }
    errno = fault.sys_errno;
    return true;
}

void fault_fs_reset(void)
{
    fault_disk_stop();
    fault_disk_lie(false);
    pthread_mutex_lock(&lock);
    memset(&fault, 0, sizeof fault);
    memset(counts, 0, sizeof counts);
    creating_opens = 0;
    pthread_mutex_unlock(&lock);
}

static void arm(enum fault_call which, unsigned long nth, int sys_errno, bool goes_on)
{
    pthread_mutex_lock(&lock);
    memset(&fault, 0, sizeof fault);
    fault.which = which;
    fault.nth = nth;
    fault.sys_errno = sys_errno;
    fault.goes_on = goes_on;
    pthread_mutex_unlock(&lock);
}

void fault_fs_fail(enum fault_call which, unsigned long nth, int sys_errno)
{
    arm(which, nth, sys_errno, false);
}

void fault_fs_fail_from(enum fault_call which, unsigned long nth, int sys_errno)
{
    arm(which, nth, sys_errno, true);
}

void fault_fs_short_write(unsigned long nth, size_t size, int sys_errno)
{
    arm(FAULT_ANY_WRITE, nth, sys_errno, false);
    pthread_mutex_lock(&lock);
    fault.is_short = true;
    fault.short_size = size;
    pthread_mutex_unlock(&lock);
}

bool fault_fs_stop(void)
{
    pthread_mutex_lock(&lock);
    bool happened = fault.happened;
    memset(&fault, 0, sizeof fault);
    pthread_mutex_unlock(&lock);
    return happened;
}

unsigned long fault_fs_calls(enum fault_call which)
{
    pthread_mutex_lock(&lock);
    unsigned long sum = 0;
    for (int call = 0; call < FAULT_CALLS; call++)
        if (matches(which, (enum fault_call)call, false))
            sum += counts[call];
    if (which == FAULT_ANY_CHANGE)
        sum += creating_opens;
    pthread_mutex_unlock(&lock);
    return sum;
}

/* Each call: lock, ask, do, tell the disk, unlock, with errno kept. */
static bool begin(enum fault_call call, bool creates, size_t *size)
{
    pthread_mutex_lock(&lock);
    size_t whole = 0;
    if (!strikes(call, creates, size != NULL ? size : &whole))
        return true;
    int reason = errno;
    pthread_mutex_unlock(&lock);
    errno = reason;
    return false;
}

static void finish(void)
{
    int saved = errno;
    pthread_mutex_unlock(&lock);
    errno = saved;
}

static int do_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    if (!begin(FAULT_OPENAT, (flags & O_CREAT) != 0, NULL))
        return -1;
    struct stat st;
    bool is_new = (flags & O_CREAT) != 0 && fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) != 0;
    int fd = ol__fs_real.openat(dirfd, path, flags & ~O_TRUNC, mode);
    if (fd >= 0) {
        fault_disk_opened(fd, dirfd, path, flags, is_new);
        if ((flags & O_TRUNC) != 0 && (flags & O_ACCMODE) != O_RDONLY && ftruncate(fd, 0) == 0)
            fault_disk_truncated(fd, 0);
    }
    finish();
    return fd;
}

static int do_close(int fd)
{
    if (!begin(FAULT_CLOSE, false, NULL)) {
        int reason = errno;
        OL_IGNORE(ol__fs_real.close(fd), "a close that fails has closed (Linux)");
        errno = reason;
        return -1;
    }
    int result = ol__fs_real.close(fd);
    finish();
    return result;
}

static ssize_t do_pread(int fd, void *data, size_t size, off_t offset)
{
    if (!begin(FAULT_PREAD, false, NULL))
        return -1;
    ssize_t result = ol__fs_real.pread(fd, data, size, offset);
    finish();
    return result;
}

static ssize_t do_write(int fd, const void *data, size_t size)
{
    if (!begin(FAULT_WRITE, false, &size))
        return -1;
    fault_disk_before_write(fd);
    ssize_t result = ol__fs_real.write(fd, data, size);
    if (result > 0) { /* also right for O_APPEND: the position is behind the bytes */
        off_t end = lseek(fd, 0, SEEK_CUR);
        fault_disk_wrote(fd, data, (size_t)result, end - result);
    }
    finish();
    return result;
}

static ssize_t do_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    if (!begin(FAULT_PWRITE, false, &size))
        return -1;
    fault_disk_before_write(fd);
    ssize_t result = ol__fs_real.pwrite(fd, data, size, offset);
    if (result > 0)
        fault_disk_wrote(fd, data, (size_t)result, offset);
    finish();
    return result;
}

static int sync_by(enum fault_call call, int (*sync)(int), int fd)
{
    if (!begin(call, false, NULL)) {
        int reason = errno;
        pthread_mutex_lock(&lock);
        fault_disk_synced(fd, true);
        pthread_mutex_unlock(&lock);
        errno = reason;
        return -1;
    }
    int result = sync(fd);
    int reason = errno;
    fault_disk_synced(fd, result != 0);
    errno = reason;
    finish();
    return result;
}

static int do_fdatasync(int fd)
{
    return sync_by(FAULT_FDATASYNC, ol__fs_real.fdatasync, fd);
}

static int do_fsync(int fd)
{
    return sync_by(FAULT_FSYNC, ol__fs_real.fsync, fd);
}

static int do_ftruncate(int fd, off_t size)
{
    if (!begin(FAULT_FTRUNCATE, false, NULL))
        return -1;
    fault_disk_before_write(fd);
    int result = ol__fs_real.ftruncate(fd, size);
    if (result == 0)
        fault_disk_truncated(fd, size);
    finish();
    return result;
}

static int do_fstat(int fd, struct stat *st)
{
    if (!begin(FAULT_FSTAT, false, NULL))
        return -1;
    int result = ol__fs_real.fstat(fd, st);
    finish();
    return result;
}

static int do_fstatvfs(int fd, struct statvfs *st)
{
    if (!begin(FAULT_FSTATVFS, false, NULL))
        return -1;
    int result = ol__fs_real.fstatvfs(fd, st);
    finish();
    return result;
}

static int do_renameat(int olddir, const char *oldname, int newdir, const char *newname)
{
    if (!begin(FAULT_RENAMEAT, false, NULL))
        return -1;
    bool replaces = fault_disk_before_name_lost(newdir, newname);
    int result = ol__fs_real.renameat(olddir, oldname, newdir, newname);
    int reason = errno;
    if (result == 0) {
        if (replaces)
            fault_disk_unlinked(newdir, newname, false);
        fault_disk_renamed(olddir, oldname, newdir, newname);
    }
    errno = reason;
    finish();
    return result;
}

static int do_linkat(int olddir, const char *oldname, int newdir, const char *newname, int flags)
{
    if (!begin(FAULT_LINKAT, false, NULL))
        return -1;
    int result = ol__fs_real.linkat(olddir, oldname, newdir, newname, flags);
    if (result == 0)
        fault_disk_linked(newdir, newname);
    finish();
    return result;
}

static int do_unlinkat(int dirfd, const char *name, int flags)
{
    if (!begin(FAULT_UNLINKAT, false, NULL))
        return -1;
    bool is_directory = (flags & AT_REMOVEDIR) != 0;
    if (!is_directory)
        fault_disk_before_name_lost(dirfd, name);
    int result = ol__fs_real.unlinkat(dirfd, name, flags);
    int reason = errno;
    if (result == 0)
        fault_disk_unlinked(dirfd, name, is_directory);
    errno = reason;
    finish();
    return result;
}

static int do_mkdirat(int dirfd, const char *name, mode_t mode)
{
    if (!begin(FAULT_MKDIRAT, false, NULL))
        return -1;
    int result = ol__fs_real.mkdirat(dirfd, name, mode);
    if (result == 0)
        fault_disk_made_directory(dirfd, name);
    finish();
    return result;
}

/* Not under the lock while it may wait for another holder. */
static int do_flock(int fd, int operation)
{
    if (!begin(FAULT_FLOCK, false, NULL))
        return -1;
    finish();
    return ol__fs_real.flock(fd, operation);
}

const struct ol__fs fault_fs = {
    .openat = do_openat,
    .close = do_close,
    .pread = do_pread,
    .write = do_write,
    .pwrite = do_pwrite,
    .fdatasync = do_fdatasync,
    .fsync = do_fsync,
    .ftruncate = do_ftruncate,
    .fstat = do_fstat,
    .fstatvfs = do_fstatvfs,
    .renameat = do_renameat,
    .linkat = do_linkat,
    .unlinkat = do_unlinkat,
    .mkdirat = do_mkdirat,
    .flock = do_flock,
};
