/* SPDX-License-Identifier: Apache-2.0 */
#include "syscalls.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include "bench.h"

#define SYSCALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */

/* Threads that were not seized yet, in one pass. */
static int seize_threads(pid_t pid)
{
    char path[64];
    int seized = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    if (d == NULL)
        bench_die("%s: %s", path, strerror(errno));
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
        if (tid <= 0 ||
            ptrace(PTRACE_SEIZE, tid, NULL,
                   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) != 0)
            continue; /* `.`, one that ended, one that is ours already */
        if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) != 0)
            bench_die("ptrace: %s", strerror(errno));
        seized++;
    }
    closedir(d);
    return seized;
}

void syscalls_seize(pid_t pid)
{
    if (seize_threads(pid) == 0)
        bench_die("ptrace: process %d cannot be traced: %s", (int)pid, strerror(errno));
    while (seize_threads(pid) > 0) /* those made meanwhile by threads that were not ours yet */
        ;
}

/* The next thread that stops or ends. */
static pid_t wait_any(int *ret_status)
{
    pid_t tid;
    while ((tid = waitpid(-1, ret_status, __WALL)) < 0) {
        if (errno != EINTR)
            bench_die("waitpid: %s", strerror(errno));
    }
    return tid;
}

uint64_t syscalls_until(pid_t pid, int fd)
{
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    uint64_t stops = 0; /* one before a call and one after it */
    /* The child's own write makes it readable: a stop always follows. */
    while (poll(&answer, 1, 0) != 1) {
        int status;
        pid_t tid = wait_any(&status);
        if (!WIFSTOPPED(status)) {
            if (tid == pid)
                bench_die("process %d ended while its calls were counted", (int)pid);
            continue;
        }
        int passed_on = 0;
        if (WSTOPSIG(status) == SYSCALL_STOP)
            stops++;
        else if (status >> 16 == 0) /* a signal on its way, no event of ptrace's own */
            passed_on = WSTOPSIG(status);
        /* ESRCH: it was killed just now, and its end is reported next. */
        if (ptrace(PTRACE_SYSCALL, tid, NULL, passed_on) != 0 && errno != ESRCH)
            bench_die("ptrace: %s", strerror(errno));
    }
    return stops / 2;
}

void syscalls_end(pid_t pid)
{
    int status;
    if (kill(pid, SIGKILL) != 0)
        bench_die("kill: %s", strerror(errno));
    while (wait_any(&status) != pid || WIFSTOPPED(status))
        ;
}
