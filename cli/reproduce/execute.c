/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A command sees the variables that its receipt tells, PATH, HOME, and what lineage itself
 * needs to reach its agent; nothing else of this environment.
 *  2. The first step that does not end as it did then is the last.
 *  3. A signal that ends us ends the step; what was put aside gets its name back first. */
#include "execute.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "evidence.h"
#include "layout.h"
#include "receipt/attempt.h"
#include "receipt/members.h"
#include "script.h"

/* ---- the command line of `lineage run` ---- */

struct words {
    const char **items; /* owned */
    size_t count, cap;
    struct ol__arena arena;
    bool is_short; /* of memory */
};

static void add(struct words *w, const char *word)
{
    if (w->count + 1 >= w->cap) {
        size_t cap = w->cap == 0 ? 64 : w->cap * 2;
        const char **items = realloc(w->items, cap * sizeof *items);
        if (items == NULL) {
            w->is_short = true;
            return;
        }
        w->items = items;
        w->cap = cap;
    }
    w->items[w->count++] = word;
    w->items[w->count] = NULL;
}

static void add_pair(struct words *w, const char *option, const char *key, const char *value)
{
    size_t size = strlen(key) + strlen(value) + 2;
    char *text = ol__arena_alloc(&w->arena, size);
    if (text == NULL) {
        w->is_short = true;
        return;
    }
    snprintf(text, size, "%s=%s", key, value);
    add(w, option);
    add(w, text);
}

static void add_number(struct words *w, const char *option, int64_t number)
{
    char *text = ol__arena_alloc(&w->arena, 24);
    if (text == NULL) {
        w->is_short = true;
        return;
    }
    snprintf(text, 24, "%lld", (long long)number);
    add(w, option);
    add(w, text);
}

static void add_artifacts(struct words *w, const struct replay_step *s, const char *side,
                          const char *option)
{
    const struct json_node *a = json_get_items(s->doc.root, side);
    for (; a != NULL; a = a->next) {
        if (json_get_text(a, "path") == NULL)
            continue;
        add(w, option);
        add(w, json_get_text(a, "path"));
    }
}

static void add_environment(void *arg, const char *name, const char *value, bool is_redacted)
{
    (void)value;
    (void)is_redacted;
    add(arg, "--env");
    add(arg, name);
}

static void make_words(struct words *w, const char *self, const struct replay_execution *x,
                       const struct replay_step *s, int64_t attempt)
{
    const struct json_node *origin = json_get(s->doc.root, "openlineage");
    const struct json_node *p = json_get_items(s->doc.root, "parameters");
    int64_t exit_code = json_get_int(s->doc.root, "exit_code", 0);
    add(w, self);
    add(w, "run");
    add(w, "--step");
    add(w, s->name);
    if (s->seq >= 0)
        add_number(w, "--seq", s->seq);
    add(w, "--runs");
    add(w, x->runs);
    if (x->is_same_run)
        add_number(w, "--attempt", attempt);
    if (json_get_text(origin, "job_name") != NULL) {
        add(w, "--job");
        add(w, json_get_text(origin, "job_name"));
    }
    if (json_get_text(origin, "job_namespace") != NULL) {
        add(w, "--namespace");
        add(w, json_get_text(origin, "job_namespace"));
    }
    if (exit_code != 0)
        add_number(w, "--ok-codes", exit_code);
    for (; p != NULL; p = p->next)
        if (p->text != NULL)
            add_pair(w, "--param", p->key, p->text);
    add_pair(w, "--tag", "replay_of", x->plan->run_id);
    replay_each_variable(s, add_environment, w);
    add_artifacts(w, s, "inputs", "-i");
    add_artifacts(w, s, "outputs", "-o");
    add(w, "--");
    for (const struct json_node *word = replay_argv(s); word != NULL; word = word->next)
        add(w, word->text);
}

/* ---- the environment: promise 1 ---- */

static bool is_passed(const char *variable)
{
    static const char *const names[] = {"PATH=", "HOME=", "TMPDIR=", "USER=", "LOGNAME="};
    static const char *const prefixes[] = {"OPENLINEAGE", "LINEAGED_", "XDG_"};
    for (size_t i = 0; i < OL_COUNT(names); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    for (size_t i = 0; i < OL_COUNT(prefixes); i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static void set_variable(void *arg, const char *name, const char *value, bool is_redacted)
{
    const char *now = is_redacted ? getenv(name) : value;
    if (now != NULL)
        add_pair(arg, "", name, now);
}

/* Every second word is a variable; the empty ones between are taken out. */
static void make_environment(struct words *w, const struct replay_execution *x,
                             const struct replay_step *s)
{
    for (char **v = environ; *v != NULL; v++)
        if (is_passed(*v))
            add(w, *v);
    add_pair(w, "", "LINEAGE_RUN_ID", x->run_id);
    add_pair(w, "", "LINEAGE_RUNS", x->runs);
    if (s != NULL)
        replay_each_variable(s, set_variable, w);
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->items[i][0] != '\0')
            w->items[kept++] = w->items[i];
    if (w->items != NULL)
        w->items[w->count = kept] = NULL;
}

static void say_missing(void *arg, const char *name, const char *value, bool is_redacted)
{
    const char **missing = arg;
    (void)value;
    if (is_redacted && getenv(name) == NULL)
        *missing = name;
}

/* ---- running ---- */

/* Promise 3. */
static volatile sig_atomic_t running, stopped;

static void pass_on(int number, siginfo_t *info, void *context)
{
    (void)context;
    stopped = 1;
    if (running > 0 && info->si_code != SI_KERNEL) /* the terminal tells its whole group */
        kill((pid_t)running, number);
}

static const int numbers[3] = {SIGINT, SIGTERM, SIGHUP};

static void hold_signals(bool is_held, struct sigaction old[3])
{
    struct sigaction action = {.sa_sigaction = pass_on, .sa_flags = SA_SIGINFO | SA_RESTART};
    for (size_t i = 0; i < OL_COUNT(numbers); i++) {
        if (is_held && sigaction(numbers[i], NULL, &old[i]) == 0 && old[i].sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
        else if (!is_held)
            sigaction(numbers[i], &old[i], NULL);
    }
}

/* Where a step runs, and what it reads and writes by its standard streams; "": as usual. */
struct streams {
    char directory[RECEIPT_FULL_SIZE], in[RECEIPT_FULL_SIZE], out[RECEIPT_FULL_SIZE];
};

static bool find_stream(const struct layout *l, const struct replay_step *s,
                        const struct json_node *stream, char out[RECEIPT_FULL_SIZE])
{
    char full[RECEIPT_FULL_SIZE];
    out[0] = '\0';
    return stream == NULL || !receipt_find_artifact(s->cwd, stream, full) ||
           layout_path(l, full, out, RECEIPT_FULL_SIZE);
}

static bool find_streams(const struct replay_execution *x, const struct layout *l, size_t place,
                         struct streams *ret)
{
    const struct replay_step *s = &x->plan->steps[place];
    return layout_path(l, s->cwd, ret->directory, sizeof ret->directory) &&
           find_stream(l, s, replay_stdin(s), ret->in) &&
           find_stream(l, s, replay_stdout(x->plan, place, x->in_place == NULL), ret->out);
}

/* fork(), during which no signal comes: each finds either no step, or the process to pass it on to.
 * @return as fork(); -1 also when a signal came before. */
static pid_t fork_step(void)
{
    sigset_t ours, before;
    sigemptyset(&ours);
    for (size_t i = 0; i < OL_COUNT(numbers); i++)
        sigaddset(&ours, numbers[i]);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    pid_t pid = stopped ? -1 : fork();
    if (pid > 0)
        running = pid;
    for (size_t i = 0; pid == 0 && i < OL_COUNT(numbers); i++) { /* its own end, if it is ours */
        struct sigaction is;
        if (sigaction(numbers[i], NULL, &is) == 0 && is.sa_handler != SIG_IGN)
            signal(numbers[i], SIG_DFL);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* @return its exit status, 128 + a signal's number, -1: it could not be started. */
static int start(const struct words *argv, const struct words *environment,
                 const struct streams *streams)
{
    union {
        const char **given;
        char **wanted; /* execve() writes nothing there */
    } words = {.given = argv->items}, variables = {.given = environment->items};
    int status = 0;
    pid_t pid = fork_step();
    if (pid < 0)
        return stopped ? 128 + SIGTERM : -1;
    if (pid == 0) {
        const char *input = streams->in[0] != '\0' ? streams->in : "/dev/null";
        int in = open(input, O_RDONLY);
        int out = streams->out[0] != '\0' ? open(streams->out, O_WRONLY | O_CREAT | O_TRUNC, 0666)
                                          : dup(STDERR_FILENO);
        if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
            chdir(streams->directory) != 0)
            _exit(126);
        close(in);
        close(out);
        execve(words.wanted[0], words.wanted, variables.wanted);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    running = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void words_release(struct words *w)
{
    free(w->items);
    ol__arena_reset(&w->arena, 0);
}

static bool find_self(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    if (n > 0)
        out[n] = '\0';
    return n > 0;
}

static ol_status make_parent(const char *path, struct ol_error *err)
{
    char folder[RECEIPT_FULL_SIZE];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return OL_OK;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return ol__fs_make_directories(folder, 0777, err);
}

/* Folders that stood around what it writes. */
static ol_status make_parents(const struct layout *l, const struct replay_step *s,
                              struct ol_error *err)
{
    ol_status status = OL_OK;
    const struct json_node *o = json_get_items(s->doc.root, "outputs");
    for (; o != NULL && status == OL_OK; o = o->next) {
        char full[RECEIPT_FULL_SIZE], to[RECEIPT_FULL_SIZE];
        if (!receipt_find_artifact(s->cwd, o, full) || strpbrk(full, "*?[") != NULL ||
            replay_beneath(l->plan, full) == NULL || !layout_path(l, full, to, sizeof to))
            continue;
        status = make_parent(to, err);
    }
    return status;
}

/* Which attempt of the same run it will be. */
static ol_status choose_attempt(const struct replay_execution *x, const struct replay_step *s,
                                int64_t *ret, struct ol_error *err)
{
    struct receipt_folder folder = {.fd = -1};
    struct receipt_attempt attempt;
    *ret = 1;
    if (!x->is_same_run)
        return OL_OK;
    ol_status status = receipt_folder_open(x->runs, x->run_id, &folder, err);
    if (status == OL_OK)
        status = receipt_attempt_foresee(&folder, s->name, s->seq, 0, &attempt, err);
    if (status == OL_OK)
        *ret = attempt.number;
    receipt_folder_close(&folder);
    return status;
}

static ol_status run_step(struct replay_execution *x, size_t place, struct ol_error *err)
{
    const struct replay_step *s = &x->plan->steps[place];
    char self[4096];
    struct streams streams;
    const struct layout l = {.plan = x->plan, .root = x->root};
    struct words argv = {.items = NULL}, environment = {.items = NULL};
    if (!find_self(self, sizeof self) || !find_streams(x, &l, place, &streams))
        return ol__error_set(err, OL_IO, "step '%s': where it runs is not to be found", s->name);
    ol_status status = ol__fs_make_directories(streams.directory, 0777, err);
    if (status == OL_OK)
        status = make_parents(&l, s, err);
    if (status == OL_OK && streams.out[0] != '\0')
        status = make_parent(streams.out, err);
    if (status == OL_OK)
        status = choose_attempt(x, s, &x->attempts[place], err);
    make_words(&argv, self, x, s, x->attempts[place]);
    make_environment(&environment, x, s);
    if (argv.is_short || environment.is_short)
        status = ol__error_set(err, OL_NOMEM, "step '%s': out of memory", s->name);
    if (status == OL_OK) {
        int64_t then = json_get_int(s->doc.root, "exit_code", 0);
        x->status = start(&argv, &environment, &streams);
        x->failed = x->status == (int)then ? NULL : s->name;
        x->done++;
    }
    words_release(&argv);
    words_release(&environment);
    return status;
}

/* ---- comparing ---- */

static enum replay_result weigh(const char *was, const char *is, const struct json_node *now)
{
    static const char away[] = "not there";
    const char *reason = json_get_text(now, "reason");
    if (is == NULL && reason != NULL && strcmp(reason, away) == 0)
        return REPLAY_MISSING;
    return was == NULL || is == NULL ? REPLAY_UNKNOWN
           : strcmp(was, is) == 0    ? REPLAY_SAME
                                     : REPLAY_DIFFERENT;
}

/* @p now: the receipt of the new attempt; NULL: the step was not done to its end. */
static void compare_output(struct replay_execution *x, size_t place, const struct json_node *then,
                           const struct json_node *now)
{
    char full[RECEIPT_FULL_SIZE];
    int64_t *const counts[] = {&x->same, &x->different, &x->missing, &x->not_done, &x->unknown};
    const struct replay_step *s = &x->plan->steps[place];
    const struct json_node *same = NULL;
    struct replay_verdict v = {.step = s->name,
                               .path = json_get_text(then, "path"),
                               .was = json_get_text(then, "sha256"),
                               .attempt = x->attempts[place],
                               .result = REPLAY_NOT_DONE};
    v.path = v.path != NULL ? v.path : "";
    for (const struct json_node *o = json_get_items(now, "outputs"); o != NULL; o = o->next) {
        const char *other = json_get_text(o, "path");
        if (other != NULL && strcmp(v.path, other) == 0)
            same = o;
    }
    v.is = json_get_text(same, "sha256");
    if (now != NULL)
        v.result = weigh(v.was, v.is, same);
    if (x->in_place != NULL && receipt_find_artifact(s->cwd, then, full))
        v.replayed = in_place_replayed(x->in_place, full);
    ++*counts[v.result];
    x->tell(x->arg, &v);
}

static ol_status compare_step(struct replay_execution *x, size_t place, bool is_done,
                              struct ol_error *err)
{
    struct json_doc now = {.root = NULL};
    char where[RECEIPT_WHERE_SIZE], number[24];
    const struct replay_step *s = &x->plan->steps[place];
    snprintf(number, sizeof number, "%lld", (long long)x->attempts[place]);
    ol_status status =
        is_done ? evidence_receipt(x->runs, x->run_id, s->name, number, &now, where, err) : OL_OK;
    const char *of = json_get_text(json_get(now.root, "tags"), "replay_of");
    if (status != OL_OK || (is_done && (of == NULL || strcmp(of, x->plan->run_id) != 0))) {
        status = ol__error_set(err, OL_IO, "step '%s' left no receipt in '%s' of attempt %s",
                               s->name, x->runs, number);
        is_done = is_done && now.root != NULL;
        if (is_done)
            json_doc_release(&now);
        return status;
    }
    for (const struct json_node *o = json_get_items(s->doc.root, "outputs"); o != NULL; o = o->next)
        compare_output(x, place, o, now.root);
    if (is_done)
        json_doc_release(&now);
    return OL_OK;
}

static ol_status compare_steps(struct replay_execution *x, size_t end, struct ol_error *err)
{
    ol_status status = OL_OK;
    for (size_t i = x->plan->first; i <= x->plan->last && status == OL_OK; i++)
        if (!x->plan->steps[i].is_call)
            status = compare_step(x, i, i < end, err);
    return status;
}

/* ---- the run ---- */

/* `lineage begin` or `lineage end`. */
static ol_status begin_or_end(struct replay_execution *x, bool is_begin, struct ol_error *err)
{
    char self[4096], path[sizeof x->runs + 32];
    struct ol__buf text;
    if (!find_self(self, sizeof self))
        return ol__error_set(err, OL_IO, "/proc/self/exe: %s", strerror(errno));
    char tag[RECEIPT_RUN_ID_SIZE + 16];
    snprintf(tag, sizeof tag, "replay_of=%s", x->plan->run_id);
    const char *const begin[] = {self, "begin", "--runs", x->runs, "--tag", tag, NULL};
    const char *const end[] = {self,
                               "end",
                               "--runs",
                               x->runs,
                               x->failed != NULL ? "--fail" : x->run_id,
                               x->failed != NULL ? x->run_id : NULL,
                               NULL};
    snprintf(path, sizeof path, "%s/.replay.%ld", x->in_place != NULL ? x->runs : x->root,
             (long)getpid());
    if (layout_program(is_begin ? begin : end, x->root, NULL, path) != 0) {
        OL_IGNORE(unlink(path) != 0, "it may not be there");
        return ol__error_set(err, OL_IO, "'lineage %s' failed", is_begin ? "begin" : "end");
    }
    ol__buf_init(&text, 4096);
    ol_status status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, path, &text, err);
    OL_IGNORE(unlink(path) != 0, "it was ours");
    if (status == OL_OK && is_begin) {
        snprintf(x->run_id, sizeof x->run_id, "%.*s",
                 text.data != NULL ? (int)strcspn(text.data, "\n") : 0,
                 text.data != NULL ? text.data : "");
        if (!receipt_is_run_id(x->run_id))
            status = ol__error_set(err, OL_IO, "'lineage begin' says no run_id");
    }
    ol__buf_release(&text);
    return status;
}

/* Whose receipts the new attempts are: those of the same run, as long as it has no seal (R14). */
static ol_status choose_run(struct replay_execution *x, struct ol_error *err)
{
    struct receipt_folder folder = {.fd = -1};
    int size = x->in_place != NULL ? snprintf(x->runs, sizeof x->runs, "%s", x->plan->runs)
                                   : snprintf(x->runs, sizeof x->runs, "%s/runs", x->root);
    if (size < 0 || (size_t)size >= sizeof x->runs)
        return ol__error_set(err, OL_TOO_LARGE, "'%.100s...': too long", x->root);
    if (x->in_place == NULL)
        return OL_OK;
    ol_status status = receipt_folder_open(x->runs, x->plan->run_id, &folder, err);
    x->is_same_run = status == OL_OK && !receipt_is_sealed(&folder);
    if (x->is_same_run)
        snprintf(x->run_id, sizeof x->run_id, "%s", x->plan->run_id);
    receipt_folder_close(&folder);
    return status;
}

static ol_status check_variables(const struct replay_plan *plan, struct ol_error *err)
{
    for (size_t i = plan->first; i <= plan->last; i++) {
        const char *missing = NULL;
        replay_each_variable(&plan->steps[i], say_missing, &missing);
        if (missing != NULL)
            return ol__error_set(err, OL_INVALID,
                                 "step '%s': variable %s is redacted in its "
                                 "receipt: set it",
                                 plan->steps[i].name, missing);
    }
    return OL_OK;
}

/* @param ret_end  behind the last step that ended as it did then. */
static ol_status run_steps(struct replay_execution *x, size_t *ret_end, struct ol_error *err)
{
    const struct replay_plan *plan = x->plan;
    struct sigaction old[3];
    ol_status status = OL_OK;
    size_t i = plan->first;
    stopped = 0;
    hold_signals(true, old);
    if (x->in_place != NULL)
        status = in_place_begin(x->in_place);
    for (; status == OL_OK && i <= plan->last && stopped == 0; i++) {
        if (plan->steps[i].is_call)
            continue;
        status = run_step(x, i, err);
        if (x->failed != NULL) /* promise 2 */
            break;
    }
    *ret_end = i;
    if (stopped != 0 && x->failed == NULL && i <= plan->last) {
        x->failed = plan->steps[i].name; /* a signal between two steps: this one is not begun */
        x->status = 128 + SIGTERM;
    }
    ol_status back = x->in_place != NULL ? in_place_end(x->in_place) : OL_OK; /* promise 3 */
    hold_signals(false, old);
    return status == OL_OK ? back : status;
}

ol_status replay_execute(struct replay_execution *x, struct ol_error *err)
{
    const struct replay_plan *plan = x->plan;
    size_t end = plan->first;
    ol_status status = check_variables(plan, err);
    if (status == OL_OK)
        status = choose_run(x, err);
    x->attempts = calloc(plan->count + 1, sizeof *x->attempts);
    if (status == OL_OK && x->attempts == NULL)
        status = ol__error_set(err, OL_NOMEM, "replay: out of memory");
    OL_IGNORE(unsetenv("LINEAGE_RUN_ID") != 0 || unsetenv("LINEAGE_RUNS") != 0 ||
                  unsetenv("LINEAGE_STEP") != 0,
              "names without '='");
    bool is_begun = status == OL_OK && !x->is_same_run;
    if (is_begun)
        status = begin_or_end(x, true, err);
    is_begun = is_begun && status == OL_OK;
    if (status == OL_OK)
        status = run_steps(x, &end, err);
    if (status == OL_OK)
        status = compare_steps(x, end, err);
    ol_status ended = is_begun ? begin_or_end(x, false, status == OL_OK ? err : NULL) : OL_OK;
    free(x->attempts);
    x->attempts = NULL;
    return status == OL_OK ? ended : status;
}
