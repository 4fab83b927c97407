/* SPDX-License-Identifier: Apache-2.0 */
/* The wrapped command.
 *
 *  1. Signals sent to us are passed on, but for those that the terminal sent to the whole
 * foreground group (si_code SI_KERNEL), which reach the command anyway. A signal that a process
 * sends to our whole group cannot be told from one for us alone: the command gets it twice.
 *  2. When the command stops and our parent is a job-control shell, we stop; when it continues us,
 * the command is continued. Without such a parent we stay: nobody would continue us.
 *  3. A failed exec leaves its errno in a page shared with the child, so 126 and 127 are told from
 * a command that exits with them; no descriptor is needed for it, and the page is gone after exec.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "run_child.h"
#include "times.h"

/* Not here: what the kernel raises for a fault, what cannot be caught, SIGCHLD, SIGPIPE (ours
 * alone), and SIGTTIN, SIGTTOU, which stop us as they would any program. Real-time signals are
 * added. */
static const int passed_on[] = {SIGHUP,  SIGINT,  SIGQUIT,   SIGABRT, SIGUSR1,  SIGUSR2,
                                SIGALRM, SIGTERM, SIGCONT,   SIGTSTP, SIGXCPU,  SIGVTALRM,
                                SIGPROF, SIGIO,   SIGSTKFLT, SIGPWR,  SIGWINCH, SIGURG};

void run_child_hold_streams(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* The lowest free descriptor is fd: those below it are open. */
        int got = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (got < 0)
            return; /* no /dev/null: messages go nowhere; journals check their own descriptors */
    }
}

static bool is_ignored(int number)
{
    struct sigaction action;
    return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

void run_child_block_signals(struct run_child *child)
{
    sigemptyset(&child->waited);
    for (size_t i = 0; i < OL_COUNT(passed_on); i++) {
        if (!is_ignored(passed_on[i]))
            sigaddset(&child->waited, passed_on[i]);
    }
    for (int number = SIGRTMIN; number <= SIGRTMAX; number++) {
        if (!is_ignored(number))
            sigaddset(&child->waited, number);
    }
    sigaddset(&child->waited, SIGCHLD);
    sigset_t blocked = child->waited;
    sigaddset(&blocked, SIGPIPE); /* a closed standard error must not cost the terminal event */
    pthread_sigmask(SIG_BLOCK, &blocked, &child->old_mask);
}

bool run_child_is_hurried(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1 ||
            sigismember(&pending, SIGHUP) == 1 || sigismember(&pending, SIGQUIT) == 1);
}

/** In the child; only what may be called between fork and exec. @p report may be NULL. */
static _Noreturn void execute(const struct run_child *child, char **command, int *report,
                              const struct sigaction *old_chld)
{
    sigaction(SIGCHLD, old_chld, NULL);
    sigprocmask(SIG_SETMASK, &child->old_mask, NULL);
    execvp(command[0], command);
    int sys_errno = errno;
    if (report != NULL)
        *report = sys_errno;
    _exit(sys_errno == ENOENT ? 127 : 126);
}

static void take_status(int status, struct run_outcome *outcome)
{
    if (WIFEXITED(status)) {
        outcome->exit_status = WEXITSTATUS(status);
        snprintf(outcome->message, sizeof outcome->message, "command exited with status %d",
                 outcome->exit_status);
        return;
    }
    int number = WTERMSIG(status);
    const char *name = sigabbrev_np(number);
    outcome->signal = number;
    outcome->exit_status = 128 + number;
    snprintf(outcome->message, sizeof outcome->message, "command ended by signal %d (%s%s)%s",
             number, name != NULL ? "SIG" : "real-time", name != NULL ? name : "",
             WCOREDUMP(status) ? ", core dumped" : "");
}

/** Whether somebody does job control on us: a parent of our session that put us in a group of our
 * own. */
static bool has_shell(void)
{
    pid_t parent = getppid();
    return parent > 0 && getsid(parent) == getsid(0) && getpgid(parent) != getpgrp();
}

/** The command has stopped: so do we, until the shell continues us (2). */
static void stop_too(pid_t pid)
{
    static const struct timespec now = {0};
    int status;
    sigset_t cont;
    if (!has_shell())
        return;
    OL_IGNORE(raise(SIGSTOP) != 0, "then we wait for the command to be continued");
    sigemptyset(&cont);
    sigaddset(&cont, SIGCONT);
    OL_IGNORE(sigtimedwait(&cont, NULL, &now) < 0, "what continued us is used up");
    if (waitpid(pid, &status, WNOHANG | WCONTINUED | WNOWAIT) != pid) /* with its group, it was */
        kill(pid, SIGCONT);
}

/** Whether the command got signal @p info from the same hand (1). */
static bool has_reached_group(const siginfo_t *info)
{
    if (info->si_code != SI_KERNEL)
        return false;
    switch (info->si_signo) {
    case SIGINT:
    case SIGQUIT:
    case SIGTSTP:
    case SIGWINCH:
        return true;
    case SIGHUP: /* a hang-up goes to the session's leader; to the others when that one ends */
    case SIGCONT:
        return getsid(0) != getpid();
    default: /* a timer that was set before we were executed is the command's */
        return false;
    }
}

static void pass_on(pid_t pid, const siginfo_t *info)
{
    if (has_reached_group(info))
        return;
    if (info->si_code == SI_QUEUE)
        sigqueue(pid, info->si_signo, info->si_value);
    else
        kill(pid, info->si_signo);
}

/** The next signal, or 0 once it is time for a beat. */
static int wait_for_signal(const struct run_child *child, int64_t *next_beat_ms, siginfo_t *info)
{
    if (child->beat_ms == 0)
        return sigwaitinfo(&child->waited, info);
    int64_t left = *next_beat_ms - ol__time_monotonic_ms();
    if (left <= 0) {
        child->beat(child->beat_arg);
        *next_beat_ms = ol__time_monotonic_ms() + child->beat_ms;
        return 0;
    }
    const struct timespec time = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
    return sigtimedwait(&child->waited, info, &time);
}

/** Wait for the end of @p pid, passing signals on. */
static void wait_for(const struct run_child *child, pid_t pid, struct run_outcome *outcome)
{
    pid_t whom = getpid() == 1 ? -1 : pid; /* as init of a container: end orphans, too */
    int64_t next_beat_ms = child->beat_ms > 0 ? ol__time_monotonic_ms() + child->beat_ms : 0;
    for (;;) {
        int status;
        pid_t got = waitpid(whom, &status, WNOHANG | WUNTRACED);
        if (got == pid && (WIFEXITED(status) || WIFSIGNALED(status))) {
            take_status(status, outcome);
            return;
        }
        if (got == pid)
            stop_too(pid);
        if (got > 0)
            continue;
        if (got < 0 && errno != EINTR) { /* cannot be: it is our child and SIGCHLD not ignored */
            outcome->exit_status = 126;
            snprintf(outcome->message, sizeof outcome->message, "waitpid: %s", strerror(errno));
            return;
        }
        siginfo_t info;
        int number = wait_for_signal(child, &next_beat_ms, &info);
        if (number > 0 && number != SIGCHLD)
            pass_on(pid, &info);
    }
}

void run_child_run(const struct run_child *child, char **command, struct run_outcome *outcome)
{
    struct sigaction old_chld;
    struct sigaction default_chld = {.sa_handler = SIG_DFL};
    *outcome = (struct run_outcome){.exit_status = 126};
    /* Without the page the command runs all the same; only the reason of a failed exec is not
     * known. */
    int *report =
        mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED)
        report = NULL;
    sigaction(SIGCHLD, &default_chld, &old_chld); /* ignored, it would hide the status */
    pid_t pid = fork();
    if (pid == 0)
        execute(child, command, report, &old_chld);
    if (pid < 0) {
        outcome->exec_errno = errno;
        snprintf(outcome->message, sizeof outcome->message, "fork: %s", strerror(errno));
    } else {
        wait_for(child, pid, outcome);
        if (report != NULL && *(volatile int *)report != 0) { /* 3 */
            outcome->exec_errno = *(volatile int *)report;
            snprintf(outcome->message, sizeof outcome->message, "command not executed: %s",
                     strerror(outcome->exec_errno));
        }
    }
    if (report != NULL)
        munmap(report, sizeof *report);
}
