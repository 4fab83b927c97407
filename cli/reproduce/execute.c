/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A command sees the variables that its receipt tells, PATH, HOME, and what lineage itself
 * needs to reach its agent; nothing else of this environment.
 *  2. The first step that does not end as it did then is the last. */
#include "execute.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "evidence.h"
#include "layout.h"
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
                       const struct replay_step *s)
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

/* @return its exit status, 128 + a signal's number, -1: it could not be started. */
static int start(const struct words *argv, const struct words *environment, const char *directory)
{
    union {
        const char **given;
        char **wanted; /* execve() writes nothing there */
    } words = {.given = argv->items}, variables = {.given = environment->items};
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        int in = open("/dev/null", O_RDONLY);
        if (in < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
            chdir(directory) != 0)
            _exit(126);
        execve(words.wanted[0], words.wanted, variables.wanted);
        _exit(127);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
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

static ol_status run_step(struct replay_execution *x, const struct replay_step *s,
                          struct ol_error *err)
{
    char self[4096], directory[RECEIPT_WHERE_SIZE * 16];
    const struct layout l = {.plan = x->plan, .root = x->root};
    struct words argv = {.items = NULL}, environment = {.items = NULL};
    if (!find_self(self, sizeof self) || !layout_path(&l, s->cwd, directory, sizeof directory))
        return ol__error_set(err, OL_IO, "step '%s': where it runs is not to be found", s->name);
    ol_status status = ol__fs_make_directories(directory, 0777, err);
    make_words(&argv, self, x, s);
    make_environment(&environment, x, s);
    if (argv.is_short || environment.is_short)
        status = ol__error_set(err, OL_NOMEM, "step '%s': out of memory", s->name);
    if (status == OL_OK) {
        int64_t then = json_get_int(s->doc.root, "exit_code", 0);
        x->status = start(&argv, &environment, directory);
        x->failed = x->status == (int)then ? NULL : s->name;
        x->done++;
    }
    words_release(&argv);
    words_release(&environment);
    return status;
}

/* ---- comparing ---- */

static void compare_output(struct replay_execution *x, const struct replay_step *s,
                           const struct json_node *then, const struct json_node *now)
{
    const char *path = json_get_text(then, "path"), *was = json_get_text(then, "sha256");
    const char *is = NULL;
    for (const struct json_node *o = json_get_items(now, "outputs"); o != NULL; o = o->next) {
        const char *other = json_get_text(o, "path");
        if (path != NULL && other != NULL && strcmp(path, other) == 0)
            is = json_get_text(o, "sha256");
    }
    enum replay_result result = was == NULL || is == NULL ? REPLAY_UNKNOWN
                                : strcmp(was, is) == 0    ? REPLAY_SAME
                                                          : REPLAY_DIFFERENT;
    x->same += result == REPLAY_SAME ? 1 : 0;
    x->different += result == REPLAY_DIFFERENT ? 1 : 0;
    x->unknown += result == REPLAY_UNKNOWN ? 1 : 0;
    x->tell(x->arg, s->name, path != NULL ? path : "", was, is, result);
}

static ol_status compare_step(struct replay_execution *x, const struct replay_step *s,
                              struct ol_error *err)
{
    struct json_doc now;
    char where[RECEIPT_WHERE_SIZE];
    ol_status status = evidence_receipt(x->runs, x->run_id, s->name, "1", &now, where, err);
    if (status != OL_OK)
        return ol__error_set(err, OL_IO, "step '%s' left no receipt in '%s'", s->name, x->runs);
    for (const struct json_node *o = json_get_items(s->doc.root, "outputs"); o != NULL; o = o->next)
        compare_output(x, s, o, now.root);
    json_doc_release(&now);
    return OL_OK;
}

/* ---- the run ---- */

/* `lineage begin` or `lineage end`. */
static ol_status begin_or_end(struct replay_execution *x, bool is_begin, struct ol_error *err)
{
    char self[4096], path[sizeof x->runs + 16];
    struct ol__buf text;
    if (!find_self(self, sizeof self))
        return ol__error_set(err, OL_IO, "/proc/self/exe: %s", strerror(errno));
    const char *const begin[] = {self, "begin", "--runs", x->runs, NULL};
    const char *const end[] = {self,
                               "end",
                               "--runs",
                               x->runs,
                               x->failed != NULL ? "--fail" : x->run_id,
                               x->failed != NULL ? x->run_id : NULL,
                               NULL};
    snprintf(path, sizeof path, "%s/.replay.%ld", x->root, (long)getpid());
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

ol_status replay_execute(struct replay_execution *x, struct ol_error *err)
{
    const struct replay_plan *plan = x->plan;
    int size = snprintf(x->runs, sizeof x->runs, "%s/runs", x->root);
    if (size < 0 || (size_t)size >= sizeof x->runs)
        return ol__error_set(err, OL_TOO_LARGE, "'%.100s...': too long", x->root);
    for (size_t i = plan->first; i <= plan->last; i++) {
        const char *missing = NULL;
        replay_each_variable(&plan->steps[i], say_missing, &missing);
        if (missing != NULL)
            return ol__error_set(err, OL_INVALID,
                                 "step '%s': variable %s is redacted in its "
                                 "receipt: set it",
                                 plan->steps[i].name, missing);
    }
    OL_IGNORE(unsetenv("LINEAGE_RUN_ID") != 0 || unsetenv("LINEAGE_RUNS") != 0 ||
                  unsetenv("LINEAGE_STEP") != 0,
              "names without '='");
    ol_status status = begin_or_end(x, true, err);
    if (status != OL_OK)
        return status;
    for (size_t i = plan->first; status == OL_OK && x->failed == NULL && i <= plan->last; i++) {
        if (plan->steps[i].is_call)
            continue;
        status = run_step(x, &plan->steps[i], err);
        if (status == OL_OK && x->failed == NULL) /* promise 2 */
            status = compare_step(x, &plan->steps[i], err);
    }
    ol_status ended = begin_or_end(x, false, status == OL_OK ? err : NULL);
    return status == OL_OK ? ended : status;
}
