/* SPDX-License-Identifier: Apache-2.0 */
/* The wrapped command.
 *
 *  1. Signals sent to us alone are passed on; those the terminal sent to the whole foreground group
 *     (si_code SI_KERNEL) reach the command anyway and are not doubled.
 *  2. When the command stops, we stop; when we are continued, it is.
 *  3. A failed exec comes back through a close-on-exec pipe, so 126 and 127 are told from a command
 *     that exits with them, and nothing of ours is left in a process that runs the command.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "run_child.h"

static const int passed_on[] = {SIGTERM, SIGINT,  SIGQUIT, SIGHUP,   SIGUSR1, SIGUSR2,
                                SIGALRM, SIGCONT, SIGTSTP, SIGWINCH, SIGPWR};

void run_child_block_signals(struct run_child *child)
{
    sigemptyset(&child->waited);
    for (size_t i = 0; i < OL_COUNT(passed_on); i++) {
        struct sigaction action;
        if (sigaction(passed_on[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&child->waited, passed_on[i]);
    }
    sigaddset(&child->waited, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &child->waited, &child->old_mask);
}

static _Noreturn void execute(const struct run_child *child, char **command,
                              const struct ol_run *run, int report, bool child_was_ignored)
{
    const char *parent = ol_run_parent_id(run);
    const char *root = ol_run_root_parent_id(run);
    if (parent != NULL)
        OL_IGNORE(setenv("OPENLINEAGE_PARENT_ID", parent, 1), "the command runs without it");
    if (root != NULL)
        OL_IGNORE(setenv("OPENLINEAGE_ROOT_PARENT_ID", root, 1), "the command runs without it");
    if (child_was_ignored)
        signal(SIGCHLD, SIG_IGN);
    sigprocmask(SIG_SETMASK, &child->old_mask, NULL);
    execvp(command[0], command);
    int sys_errno = errno;
    ssize_t n;
    do {
        n = write(report, &sys_errno, sizeof sys_errno);
    } while (n < 0 && errno == EINTR);
    _exit(sys_errno == ENOENT ? 127 : 126);
}

static const char *signal_name(int number)
{
    const char *name = sigabbrev_np(number);
    return name != NULL ? name : "?";
}

static void take_status(int status, struct run_outcome *outcome)
{
    if (WIFEXITED(status)) {
        outcome->exit_status = WEXITSTATUS(status);
        snprintf(outcome->message, sizeof outcome->message, "command exited with status %d",
                 outcome->exit_status);
    } else {
        int number = WTERMSIG(status);
        outcome->exit_status = 128 + number;
        snprintf(outcome->message, sizeof outcome->message, "command ended by signal %d (SIG%s)%s",
                 number, signal_name(number), WCOREDUMP(status) ? ", core dumped" : "");
    }
}

/** Wait for the end of @p pid, passing signals on (1, 2). */
static void wait_for(const struct run_child *child, pid_t pid, struct run_outcome *outcome)
{
    for (;;) {
        int status;
        pid_t got = waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED);
        if (got == pid && (WIFEXITED(status) || WIFSIGNALED(status))) {
            take_status(status, outcome);
            return;
        }
        if (got == pid && WIFSTOPPED(status)) {
            raise(SIGSTOP); /* returns when we are continued */
            kill(pid, SIGCONT);
            continue;
        }
        if (got == pid)
            continue;
        if (got < 0 && errno != EINTR) { /* cannot be: it is our child and SIGCHLD is not ignored */
            outcome->exit_status = 126;
            snprintf(outcome->message, sizeof outcome->message, "waitpid: %s", strerror(errno));
            return;
        }
        siginfo_t info;
        int number = sigwaitinfo(&child->waited, &info);
        if (number < 0 || number == SIGCHLD)
            continue;
        if (info.si_code != SI_KERNEL || number == SIGPWR)
            kill(pid, number);
        if (number == SIGTSTP && info.si_code != SI_KERNEL)
            continue; /* it stops or not; WUNTRACED tells */
    }
}

void run_child_run(struct run_child *child, char **command, const struct ol_run *run,
                   struct run_outcome *outcome)
{
    int report[2];
    struct sigaction old_chld;
    struct sigaction default_chld = {.sa_handler = SIG_DFL};
    *outcome = (struct run_outcome){.exit_status = 126};
    if (pipe2(report, O_CLOEXEC) < 0) {
        outcome->exec_errno = errno;
        snprintf(outcome->message, sizeof outcome->message, "pipe: %s", strerror(errno));
        return;
    }
    sigaction(SIGCHLD, &default_chld, &old_chld); /* ignored, it would hide the status */
    pid_t pid = fork();
    if (pid == 0)
        execute(child, command, run, report[1], old_chld.sa_handler == SIG_IGN);
    close(report[1]);
    if (pid < 0) {
        outcome->exec_errno = errno;
        snprintf(outcome->message, sizeof outcome->message, "fork: %s", strerror(errno));
        close(report[0]);
        return;
    }
    int sys_errno = 0;
    ssize_t n;
    do {
        n = read(report[0], &sys_errno, sizeof sys_errno);
    } while (n < 0 && errno == EINTR);
    close(report[0]);
    wait_for(child, pid, outcome);
    if (n == (ssize_t)sizeof sys_errno) { /* 3 */
        outcome->exec_errno = sys_errno;
        snprintf(outcome->message, sizeof outcome->message, "command not executed: %s",
                 strerror(sys_errno));
    }
}
