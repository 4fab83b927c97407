/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_calls.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static unsigned long calls, first, last; /* those from first to last fail; 0: none */
static enum fault_kind kind;
static int fault_errno;
static const char *failed;

void fault_calls_arm(unsigned long nth, bool is_for_ever, enum fault_kind kind_, int sys_errno)
{
    calls = 0;
    failed = NULL;
    kind = kind_;
    fault_errno = sys_errno;
    last = is_for_ever ? (unsigned long)-1 : nth;
    first = nth;
}

const char *fault_calls_stop(void)
{
    first = 0;
    return failed;
}

static bool is_allocation(const char *name)
{
    return strstr(name, "alloc") != NULL || strstr(name, "dup") != NULL ||
           strcmp(name, "regcomp") == 0;
}

static bool is_beyond_us; /* a dlopen(), or a regcomp() of libc, is under way */

/* Whether it is code that we answer for, or that libcurl, libyaml and libc are in our service: what
 * others do when they are loaded, GnuTLS and the like, is not for us to test. */
static bool is_ours(const void *caller)
{
    static const char *const ours[] = {"/libopenlineage", "/libcurl", "/libyaml",
                                       "/libyajl",        "/libuuid", "/libz."};
    /* dladdr() is slow, and the callers are few. */
    static struct {
        const void *caller;
        const char *file;
    } known[4096];
    size_t at = ((uintptr_t)caller >> 2) % (sizeof known / sizeof known[0]);
    Dl_info info;
    if (known[at].caller != caller) {
        if (dladdr(caller, &info) == 0 || info.dli_fname == NULL)
            return false;
        known[at].caller = caller;
        known[at].file = info.dli_fname;
    }
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strstr(known[at].file, ours[i]) != NULL)
            return true;
    return !is_beyond_us && strstr(known[at].file, "/libc.so") != NULL;
}

static bool must_fail_for(const char *name, const void *caller)
{
    if (first == 0 || (kind == FAULT_MEMORY && !is_allocation(name)) ||
        (kind == FAULT_SYSTEM && is_allocation(name)) ||
        (kind == FAULT_SHORT && strcmp(name, "write") != 0) || !is_ours(caller))
        return false;
    if (++calls < first || calls > last)
        return false;
    if (failed == NULL)
        failed = name;
    errno = fault_errno;
    return true;
}

/* Of the function that stands here in libc's place. */
#define must_fail(name) must_fail_for(name, __builtin_return_address(0))

/* ISO C has no cast from an object to a function pointer. */
static void look_up(const char *name, void *function, size_t size)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    if (symbol == NULL)
        abort();
    memcpy(function, &symbol, size);
}

#define FAILING(type, name, parameters, arguments, failure)                                        \
    type name parameters;                                                                          \
    type name parameters                                                                           \
    {                                                                                              \
        static type(*real) parameters;                                                             \
        if (real == NULL)                                                                          \
            look_up(#name, &real, sizeof real);                                                    \
        if (must_fail(#name))                                                                      \
            return failure;                                                                        \
        return real arguments;                                                                     \
    }

/* dlsym() itself may allocate: these have another name in glibc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    return must_fail("malloc") ? (errno = ENOMEM, NULL) : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return must_fail("calloc") ? (errno = ENOMEM, NULL) : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return must_fail("realloc") ? (errno = ENOMEM, NULL) : __libc_realloc(old, size);
}

/* libc marks parameters of these as never NULL; what they are given here is passed on. */
FAILING(char *, strdup, (const char *text), (text), NULL)
FAILING(char *, strndup, (const char *text, size_t size), (text, size), NULL)
FAILING(int, access, (const char *path, int mode), (path, mode), -1)
FAILING(int, faccessat, (int fd, const char *path, int mode, int flags), (fd, path, mode, flags),
        -1)
FAILING(int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
FAILING(int, fdatasync, (int fd), (fd), -1)
FAILING(int, fsync, (int fd), (fd), -1)
FAILING(DIR *, fdopendir, (int fd), (fd), NULL)
FAILING(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
FAILING(char *, fgets, (char *text, int size, FILE *file), (text, size, file), NULL)
FAILING(int, flock, (int fd, int operation), (fd, operation), -1)
FAILING(int, fstat, (int fd, struct stat *st), (fd, st), -1)
FAILING(int, stat, (const char *path, struct stat *st), (path, st), -1)
FAILING(int, lstat, (const char *path, struct stat *st), (path, st), -1)
FAILING(int, fstatat, (int fd, const char *path, struct stat *st, int flags), (fd, path, st, flags),
        -1)
FAILING(int, fstatvfs, (int fd, struct statvfs *st), (fd, st), -1)
FAILING(int, ftruncate, (int fd, off_t size), (fd, size), -1)
FAILING(int, futimens, (int fd, const struct timespec times[2]), (fd, times), -1)
FAILING(char *, getcwd, (char *text, size_t size), (text, size), NULL)
FAILING(int, gethostname, (char *text, size_t size), (text, size), -1)
FAILING(ssize_t, getrandom, (void *data, size_t size, unsigned flags), (data, size, flags), -1)
FAILING(int, getrlimit, (__rlimit_resource_t what, struct rlimit *limit), (what, limit), -1)
FAILING(int, linkat, (int from, const char *old, int to, const char *new, int flags),
        (from, old, to, new, flags), -1)
FAILING(int, madvise, (void *data, size_t size, int advice), (data, size, advice), -1)
FAILING(int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
FAILING(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), -1)
FAILING(void *, mmap, (void *at, size_t size, int prot, int flags, int fd, off_t offset),
        (at, size, prot, flags, fd, offset), MAP_FAILED)
FAILING(int, poll, (struct pollfd * fds, nfds_t count, int ms), (fds, count, ms), -1)
FAILING(DIR *, opendir, (const char *path), (path), NULL)
FAILING(ssize_t, pread, (int fd, void *data, size_t size, off_t offset), (fd, data, size, offset),
        -1)
FAILING(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t offset),
        (fd, data, size, offset), -1)
FAILING(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size), -1)
FAILING(struct dirent *, readdir, (DIR * directory), (directory), NULL)
FAILING(char *, realpath, (const char *path, char *resolved), (path, resolved), NULL)
FAILING(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new),
        -1)
FAILING(int, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set), (pid, size, set), -1)
FAILING(long, sysconf, (int name), (name), -1)
FAILING(int, uname, (struct utsname * names), (names), -1)
FAILING(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), -1)
FAILING(int, regexec,
        (const regex_t *pattern, const char *text, size_t count, regmatch_t found[count],
         int flags),
        (pattern, text, count, found, flags), REG_ESPACE)
FAILING(int, pthread_mutex_init, (pthread_mutex_t * mutex, const pthread_mutexattr_t *attributes),
        (mutex, attributes), ENOMEM)

void *dlopen(const char *path, int flags)
{
    static void *(*real)(const char *, int);
    if (real == NULL)
        look_up("dlopen", &real, sizeof real);
    if (must_fail("dlopen"))
        return NULL;
    is_beyond_us = true;
    void *library = real(path, flags);
    is_beyond_us = false;
    return library;
}

/* glibc's (2.36) frees some of its memory twice when there is not enough of it. */
int regcomp(regex_t *regex, const char *pattern, int flags)
{
    static int (*real)(regex_t *, const char *, int);
    if (real == NULL)
        look_up("regcomp", &real, sizeof real);
    if (must_fail("regcomp"))
        return REG_ESPACE;
    is_beyond_us = true;
    int result = real(regex, pattern, flags);
    is_beyond_us = false;
    return result;
}

/* A close that fails has closed all the same. */
int close(int fd)
{
    static int (*real)(int);
    if (real == NULL)
        look_up("close", &real, sizeof real);
    bool is_due = must_fail("close");
    int result = real(fd);
    if (is_due)
        errno = fault_errno;
    return is_due ? -1 : result;
}

ssize_t write(int fd, const void *data, size_t size)
{
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL)
        look_up("write", &real, sizeof real);
    if (!must_fail("write"))
        return real(fd, data, size);
    return kind == FAULT_SHORT ? real(fd, data, size / 2) : -1;
}

static mode_t mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? (mode_t)va_arg(args, int) : 0;
}

int open(const char *path, int flags, ...)
{
    static int (*real)(const char *, int, ...);
    if (real == NULL)
        look_up("open", &real, sizeof real);
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return must_fail("open") ? -1 : real(path, flags, mode);
}

int openat(int fd, const char *path, int flags, ...)
{
    static int (*real)(int, const char *, int, ...);
    if (real == NULL)
        look_up("openat", &real, sizeof real);
    va_list args;
    va_start(args, flags);
    mode_t mode = mode_of(flags, args);
    va_end(args);
    return must_fail("openat") ? -1 : real(fd, path, flags, mode);
}

/* The library asks only for flags, so there is no third argument to pass on. */
int fcntl(int fd, int command, ...)
{
    static int (*real)(int, int, ...);
    if (real == NULL)
        look_up("fcntl", &real, sizeof real);
    va_list args;
    va_start(args, command);
    int argument = command == F_SETFD || command == F_SETFL ? va_arg(args, int) : 0;
    va_end(args);
    return must_fail("fcntl") ? -1 : real(fd, command, argument);
}

const char *const fault_calls_names[] = {
    "access",
    "calloc",
    "close",
    "dlopen",
    "faccessat",
    "fchmod",
    "fcntl",
    "fdatasync",
    "fdopendir",
    "fgets",
    "flock",
    "fopen",
    "fstat",
    "fstatat",
    "fstatvfs",
    "fsync",
    "ftruncate",
    "futimens",
    "getcwd",
    "gethostname",
    "getrandom",
    "getrlimit",
    "linkat",
    "lstat",
    "madvise",
    "malloc",
    "mkdir",
    "mkdirat",
    "mmap",
    "open",
    "openat",
    "opendir",
    "poll",
    "pread",
    "pthread_mutex_init",
    "pwrite",
    "read",
    "readdir",
    "realloc",
    "realpath",
    "regcomp",
    "regexec",
    "renameat",
    "sched_getaffinity",
    "stat",
    "strdup",
    "strndup",
    "sysconf",
    "uname",
    "unlinkat",
    "write",
    NULL,
};
