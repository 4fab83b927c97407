/* SPDX-License-Identifier: Apache-2.0 */
/* Put before libc with LD_PRELOAD: writes or syncs of one program's files fail on demand, those of
 * its libraries (SQLite) included. LINEAGED_FAULT names a file of `struct control`, shared with the
 * test, which may change it at any time; support/fault_preload.py is the other side. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ON_WRITE = 1, ON_SYNC = 2 };

struct control {
    int32_t kinds; /* what is counted: ON_ bits */
    int32_t error;
    int64_t first, last;    /* calls that fail, counted from 1; 0: none */
    _Atomic int64_t seen;   /* calls that matched */
    _Atomic int64_t struck; /* of these, that failed */
    char match[256];        /* stands in the path of the files that are meant */
};

static struct control *control;

__attribute__((constructor)) static void set_up(void)
{
    const char *path = getenv("LINEAGED_FAULT");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        control = map;
}

static bool strikes(int fd, int kind)
{
    char link[64], path[4096];
    if (control == NULL || (control->kinds & kind) == 0)
        return false;
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (size <= 0)
        return false;
    path[size] = '\0';
    if (strstr(path, control->match) == NULL)
        return false;
    int64_t at = ++control->seen;
    if (at < control->first || at > control->last)
        return false;
    control->struck++;
    errno = control->error;
    return true;
}

/* The function of this name behind ours. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRITING(name, parameters, arguments)                                                       \
    ssize_t name parameters                                                                        \
    {                                                                                              \
        return strikes(fd, ON_WRITE) ? -1 : NEXT(name) arguments;                                  \
    }
#define CHANGING(kind, name, parameters, arguments)                                                \
    int name parameters                                                                            \
    {                                                                                              \
        return strikes(fd, kind) ? -1 : NEXT(name) arguments;                                      \
    }

WRITING(write, (int fd, const void *data, size_t size), (fd, data, size))
WRITING(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRITING(pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
WRITING(pwrite64, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
CHANGING(ON_SYNC, fsync, (int fd), (fd))
CHANGING(ON_SYNC, fdatasync, (int fd), (fd))
CHANGING(ON_WRITE, fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
