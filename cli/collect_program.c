/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A program that hangs is killed, alone and by its id, when its time is over.
 *  2. It gets no descriptor of ours but /dev/null, and signals as if a shell had started it.
 *  3. Git changes nothing: no lock of the index is taken, nothing is asked at a terminal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "collect_run.h"
#include "files.h"
#include "times.h"

#define LATE_MS 1000 /* what a program may take after the command's end */
#define TICK_MS 50
#define ARGUMENTS_MAX 31

static int spawn(const char *const *argv, const char *directory, int output, pid_t *ret)
{
    char *arguments[ARGUMENTS_MAX + 1] = {NULL}; /* it wants them writable, and writes nothing */
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    size_t count = 0;
    while (count < ARGUMENTS_MAX && argv[count] != NULL)
        count++;
    if (count == 0)
        return EINVAL;
    memcpy(arguments, argv, count * sizeof *arguments);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawnattr_init(&how);
    if (failed != 0)
        return failed;
    failed = posix_spawn_file_actions_init(&files);
    if (failed == 0) {
        failed = posix_spawnattr_setsigmask(&how, &none) |
                 posix_spawnattr_setsigdefault(&how, &all) |
                 posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) |
                 posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0) |
                 posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO) |
                 posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        if (failed == 0 && directory != NULL)
            failed = posix_spawn_file_actions_addchdir_np(&files, directory);
        if (failed == 0)
            failed = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
        if (failed == 0)
            failed = posix_spawnp(ret, argv[0], &files, &how, arguments, environ);
        posix_spawn_file_actions_destroy(&files);
    }
    posix_spawnattr_destroy(&how);
    return failed;
}

/* Until the other end is closed. @return false: too late, or refused. */
static bool read_all(int fd, int64_t deadline, const atomic_bool *is_late,
                     bool (*take)(void *, const char *, size_t), void *arg)
{
    char data[16384];
    for (;;) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        int64_t now = ol__time_monotonic_ms();
        if (atomic_load(is_late))
            deadline = OL_MIN(deadline, now + LATE_MS);
        if (now >= deadline)
            return false;
        int n = poll(&one, 1, (int)OL_MIN(deadline - now, (int64_t)TICK_MS));
        if (n < 0 && errno != EINTR)
            return false;
        if (n <= 0)
            continue;
        ssize_t size = read(fd, data, sizeof data);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return size == 0;
        if (!take(arg, data, (size_t)size))
            return false;
    }
}

bool collect_program(const char *const *argv, const char *directory, int limit_ms,
                     const atomic_bool *is_late, bool (*take)(void *, const char *, size_t),
                     void *arg)
{
    int ends[2], status = -1;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    ends[0] = ol__fs_above_standard(ends[0]);
    ends[1] = ol__fs_above_standard(ends[1]);
    int failed = ends[0] < 0 || ends[1] < 0 ? EMFILE : spawn(argv, directory, ends[1], &pid);
    if (ends[1] >= 0)
        close(ends[1]);
    bool is_whole =
        failed == 0 && read_all(ends[0], ol__time_monotonic_ms() + limit_ms, is_late, take, arg);
    if (ends[0] >= 0)
        close(ends[0]);
    if (failed != 0)
        return false;
    if (!is_whole)
        kill(pid, SIGKILL); /* promise 1; not waited for yet, so it is still this one */
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) /* as init of a container the main thread takes every status */
            return false;
    return is_whole && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
