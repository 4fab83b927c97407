/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A gate cannot hold us: past its time its process group gets SIGTERM, then SIGKILL.
 *  2. A gate neither reads nor writes the command's streams: standard input stays unread, standard
 *     output gets nothing.
 *  3. Who asks us to end while a gate runs, ends it; the command is not started. */
#include "run_gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "json_write.h"
#include "receipt/redact.h"
#include "times.h"

#define GRACE_MS 2000 /* between SIGTERM and SIGKILL */

static _Noreturn void execute(const struct run_child *child, const char *command,
                              const struct sigaction *old_chld)
{
    sigaction(SIGCHLD, old_chld, NULL);
    sigprocmask(SIG_SETMASK, &child->old_mask, NULL);
    setpgid(0, 0);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        _exit(126);
    if (null > STDERR_FILENO)
        close(null);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static bool is_request_to_end(int number)
{
    return number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
}

static void wait_for(const struct run_child *child, struct run_gates *gates, struct run_gate *gate,
                     pid_t pid, int *ret_status)
{
    int64_t deadline = ol__time_monotonic_ms() + gates->timeout_ms;
    bool is_told = false; /* to end */
    while (waitpid(pid, ret_status, WNOHANG) != pid) {
        int64_t left = deadline - ol__time_monotonic_ms();
        if (left <= 0) { /* 1 */
            kill(-pid, is_told ? SIGKILL : SIGTERM);
            if (!is_told)
                snprintf(gate->message, sizeof gate->message, "it took longer than %.3g s",
                         (double)gates->timeout_ms / 1000);
            is_told = true;
            deadline = ol__time_monotonic_ms() + GRACE_MS;
            continue;
        }
        const struct timespec time = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};
        int number = sigtimedwait(&child->waited, NULL, &time);
        if (number <= 0 || !is_request_to_end(number))
            continue;
        gates->stopped_by = number; /* 3 */
        snprintf(gate->message, sizeof gate->message, "we were asked to end (SIG%s)",
                 sigabbrev_np(number));
        kill(-pid, number);
        is_told = true;
        deadline = ol__time_monotonic_ms() + GRACE_MS;
    }
}

static void judge(struct run_gate *gate, int status)
{
    gate->has_ended = true;
    if (WIFSIGNALED(status))
        gate->signal = WTERMSIG(status);
    else
        gate->exit_code = WEXITSTATUS(status);
    if (gate->message[0] != '\0') {
        gate->verdict = "error";
        return;
    }
    gate->verdict = gate->signal == 0 && gate->exit_code == 0 ? "pass" : "fail";
    if (gate->signal != 0)
        snprintf(gate->message, sizeof gate->message, "ended by signal %d", gate->signal);
    else if (gate->exit_code != 0)
        snprintf(gate->message, sizeof gate->message, "exit status %d", gate->exit_code);
}

static void run_one(const struct run_child *child, struct run_gates *gates, struct run_gate *gate,
                    const struct sigaction *old_chld)
{
    int64_t started = ol__time_monotonic_ms();
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        execute(child, gate->command, old_chld);
    if (pid < 0) {
        gate->verdict = "error";
        snprintf(gate->message, sizeof gate->message, "fork: %s", strerror(errno));
        return;
    }
    setpgid(pid, pid); /* whoever comes first */
    wait_for(child, gates, gate, pid, &status);
    gate->duration_ms = ol__time_monotonic_ms() - started;
    judge(gate, status);
}

bool run_gates_pass(struct run_gates *gates, const struct run_child *child)
{
    struct sigaction old_chld;
    struct sigaction default_chld = {.sa_handler = SIG_DFL};
    bool is_pass = true;
    if (gates->count == 0)
        return true;
    sigaction(SIGCHLD, &default_chld, &old_chld); /* ignored, it would hide the status */
    for (size_t i = 0; i < gates->count && is_pass; i++) {
        run_one(child, gates, &gates->items[i], &old_chld);
        is_pass = strcmp(gates->items[i].verdict, "pass") == 0;
    }
    sigaction(SIGCHLD, &old_chld, NULL);
    return is_pass;
}

/* ---- what is told of them ---- */

static const char *signal_text(const struct run_gate *gate, char *out, size_t size)
{
    if (gate->signal == 0)
        return NULL;
    const char *name = sigabbrev_np(gate->signal);
    if (name != NULL)
        snprintf(out, size, "SIG%s", name);
    else
        snprintf(out, size, "SIGRT%d", gate->signal);
    return out;
}

void run_gates_write(const struct run_gates *gates, struct ol__buf *out)
{
    struct ol__json_writer w;
    if (gates->count == 0 || gates->items[0].verdict == NULL)
        return;
    ol__json_writer_init(&w, out);
    ol__json_begin_array(&w);
    for (size_t i = 0; i < gates->count && gates->items[i].verdict != NULL; i++) {
        const struct run_gate *g = &gates->items[i];
        struct ol__buf shown;
        char name[24];
        ol__buf_init(&shown, (size_t)1 << 20);
        redact_text(ol__span_text(g->command), &shown);
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "command",
                             shown.status == OL_OK && shown.size > 0 ? shown.data : REDACTED);
        ol__json_member_text(&w, "verdict", g->verdict);
        if (g->has_ended && g->signal == 0)
            ol__json_member_int(&w, "exit_code", g->exit_code);
        ol__json_member_text_opt(&w, "signal", signal_text(g, name, sizeof name));
        ol__json_member_int(&w, "duration_ms", g->duration_ms);
        ol__json_member_text_opt(&w, "message", g->message[0] != '\0' ? g->message : NULL);
        ol__json_end_object(&w);
        ol__buf_release(&shown);
    }
    ol__json_end_array(&w);
}

void run_gates_outcome(const struct run_gates *gates, struct run_outcome *outcome)
{
    size_t i = 0;
    while (i + 1 < gates->count && strcmp(gates->items[i].verdict, "pass") == 0)
        i++;
    const struct run_gate *gate = &gates->items[i];
    *outcome = (struct run_outcome){.exit_status = RUN_NOT_STARTED, .is_not_started = true};
    if (gates->stopped_by != 0) {
        outcome->signal = gates->stopped_by;
        outcome->exit_status = 128 + gates->stopped_by;
    }
    snprintf(outcome->message, sizeof outcome->message,
             "command not started: gate %zu of %zu did not pass: %s", i + 1, gates->count,
             gate->message);
}
