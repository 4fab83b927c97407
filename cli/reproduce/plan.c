/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "receipt/members.h"
#include "receipt/redact.h"

const char *replay_keep(struct replay_plan *plan, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = ol__arena_alloc(&plan->arena, size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

OL_PRINTF(4, 0)
static void keep_line(struct replay_plan *plan, const char **lines, size_t *count,
                      const char *format, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, args);
    if (*count < REPLAY_PROBLEMS_MAX)
        lines[*count] = replay_keep(plan, text);
    ++*count;
}

void replay_problem(struct replay_plan *plan, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    keep_line(plan, plan->problems, &plan->problem_count, format, args);
    va_end(args);
}

void replay_note(struct replay_plan *plan, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    keep_line(plan, plan->notes, &plan->note_count, format, args);
    va_end(args);
}

const char *replay_beneath(const struct replay_plan *plan, const char *full)
{
    size_t size = strlen(plan->base);
    if (strcmp(plan->base, "/") == 0)
        return full + strspn(full, "/");
    if (strncmp(full, plan->base, size) != 0 || (full[size] != '/' && full[size] != '\0'))
        return NULL;
    return full + size + (full[size] == '/' ? 1 : 0);
}

const struct json_node *replay_argv(const struct replay_step *step)
{
    return json_get_items(json_get(step->doc.root, "command"), "argv");
}

/* ---- streams ---- */

static const struct json_node *stream_of(const struct replay_step *s, const char *name)
{
    const struct json_node *stream = json_get(json_get(s->doc.root, "streams"), name);
    return json_get(stream, "sha256") != NULL ? stream : NULL;
}

const struct json_node *replay_stdin(const struct replay_step *step)
{
    return stream_of(step, "stdin");
}

static bool is_at(const struct replay_step *s, const struct json_node *artifact, const char *full)
{
    char other[RECEIPT_FULL_SIZE];
    return receipt_find_artifact(s->cwd, artifact, other) && strcmp(other, full) == 0;
}

static bool names_file(const struct replay_step *s, const char *side, const char *full)
{
    const struct json_node *a = json_get_items(s->doc.root, side);
    for (; a != NULL; a = a->next)
        if (is_at(s, a, full))
            return true;
    return false;
}

const struct json_node *replay_stdout(const struct replay_plan *plan, size_t place,
                                      bool is_elsewhere)
{
    char full[RECEIPT_FULL_SIZE];
    const struct replay_step *s = &plan->steps[place];
    const struct json_node *stream = stream_of(s, "stdout");
    if (stream == NULL || !receipt_find_artifact(s->cwd, stream, full))
        return NULL;
    if ((is_elsewhere && replay_beneath(plan, full) != NULL) || names_file(s, "outputs", full))
        return stream;
    for (size_t i = place + 1; i <= plan->last; i++)
        if (names_file(&plan->steps[i], "inputs", full) ||
            is_at(&plan->steps[i], replay_stdin(&plan->steps[i]), full))
            return stream;
    return NULL;
}

/* ---- files of an artifact ---- */

static void add_path(struct ol__buf *out, const char *folder, struct ol__span name)
{
    if (name.size > 2 && name.data[0] == '.' && name.data[1] == '/')
        name = (struct ol__span){name.data + 2, name.size - 2};
    ol__buf_reset(out);
    if (name.size == 0 || name.data[0] != '/')
        ol__buf_add_format(out, "%s/", folder);
    ol__buf_add(out, name.data, name.size);
}

/* "./a/b -> ../c" */
static ol_status each_link(const char *folder, struct ol__span text, struct ol__buf *path,
                           replay_file_handler *each, void *arg)
{
    static const char arrow[] = " -> ";
    const char *at = memmem(text.data, text.size, arrow, sizeof arrow - 1);
    if (at == NULL)
        return OL_INVALID;
    size_t size = (size_t)(at - text.data);
    char *target = strndup(at + 4, text.size - size - 4);
    add_path(path, folder, (struct ol__span){text.data, size});
    ol_status status = target == NULL          ? OL_NOMEM
                       : path->status != OL_OK ? path->status
                                               : each(arg, path->data, "", target);
    free(target);
    return status;
}

static ol_status each_member(const char *folder, struct ol__span text, replay_file_handler *each,
                             void *arg)
{
    struct ol__buf space, path;
    struct artifact_line line;
    ol_status status;
    ol__buf_init(&space, ARTIFACT_TEXT_MAX);
    ol__buf_init(&path, RECEIPT_FULL_SIZE);
    while ((status = artifact_line_read(&text, &space, &line)) == OL_OK) {
        if (line.is_link) {
            status = each_link(folder, line.name, &path, each, arg);
        } else {
            add_path(&path, folder, line.name);
            status = path.status != OL_OK ? path.status : each(arg, path.data, line.sha256, NULL);
        }
        if (status != OL_OK)
            break;
    }
    ol__buf_release(&space);
    ol__buf_release(&path);
    return status == OL_END ? OL_OK : status;
}

ol_status replay_each_file(const struct replay_plan *plan, const char *cwd,
                           const struct json_node *artifact, replay_file_handler *each, void *arg,
                           struct ol_error *err)
{
    char full[RECEIPT_FULL_SIZE];
    const char *kind = json_get_text(artifact, "kind");
    const char *sha256 = json_get_text(artifact, "sha256"), *path = json_get_text(artifact, "path");
    const char *members = json_get_text(json_get(artifact, "members"), "sha256");
    if (kind == NULL || sha256 == NULL || !receipt_find_artifact(cwd, artifact, full))
        return OL_OK;
    bool is_directory = strcmp(kind, "directory") == 0;
    if (!is_directory && strcmp(kind, "list") != 0)
        return each(arg, full, sha256, NULL);
    struct ol__buf text;
    ol__buf_init(&text, ARTIFACT_TEXT_MAX);
    ol_status status =
        members != NULL ? receipt_members_read(plan->runs, members, &text, err) : OL_NOT_FOUND;
    if (status == OL_OK)
        status = each_member(is_directory  ? full
                             : cwd != NULL ? cwd
                                           : "/",
                             (struct ol__span){text.data != NULL ? text.data : "", text.size}, each,
                             arg);
    else if (status != OL_NOMEM)
        status = ol__error_set(err, OL_NOT_FOUND, "the names of its members are not kept");
    ol__buf_release(&text);
    if (status == OL_INVALID)
        status = ol__error_set(err, OL_INVALID, "'%.500s': its members are no text of R10",
                               path != NULL ? path : "");
    return status;
}

/* ---- steps ---- */

static ol_status add_step(struct replay_plan *plan, const struct receipt_folder *folder,
                          const char *name)
{
    char path[600];
    struct replay_step *s = &plan->steps[plan->count];
    snprintf(path, sizeof path, "steps/%.500s/receipt.json", name);
    if (name[0] == '.')
        return OL_OK;
    ol_status status = receipt_get_doc(folder->fd, path, RECEIPT_FILE_MAX, &s->doc, plan->err);
    if (status == OL_NOT_FOUND) {
        replay_note(plan, "step '%.200s': no attempt succeeded, so there is nothing to do again",
                    name);
        return OL_OK;
    }
    if (status != OL_OK)
        return status;
    const struct json_node *doc = s->doc.root;
    s->name = json_get_text(doc, "step");
    s->started_at = json_get_text(doc, "started_at");
    s->cwd = json_get_text(json_get(doc, "command"), "cwd");
    s->seq = json_get_int(doc, "seq", -1);
    s->is_call = json_get_items(doc, "calls") != NULL;
    plan->count++;
    if (s->name == NULL || s->started_at == NULL)
        return ol__error_set(plan->err, OL_INVALID, "%s: it has no step or started_at", path);
    return OL_OK;
}

static int by_time(const void *a, const void *b)
{
    const struct replay_step *x = a, *y = b;
    int order = strcmp(x->started_at, y->started_at);
    if (order == 0 && x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return order != 0 ? order : strcmp(x->name, y->name);
}

static ol_status read_steps(struct replay_plan *plan, const struct receipt_folder *folder)
{
    int fd = openat(folder->fd, "steps", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    size_t cap = 0;
    ol_status status = OL_OK;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return ol__error_set(plan->err, OL_NOT_FOUND, "run '%s' has no steps", plan->run_id);
    }
    for (const struct dirent *e; status == OL_OK && (e = readdir(dir)) != NULL;) {
        if (plan->count == REPLAY_STEPS_MAX) {
            status = ol__error_set(plan->err, OL_TOO_LARGE, "more than %d steps", REPLAY_STEPS_MAX);
        } else if (plan->count == cap) {
            cap = cap == 0 ? 32 : cap * 2;
            struct replay_step *steps = realloc(plan->steps, cap * sizeof *steps);
            if (steps == NULL)
                status = ol__error_set(plan->err, OL_NOMEM, "steps: out of memory");
            else
                plan->steps = steps;
        }
        if (status == OL_OK)
            status = add_step(plan, folder, e->d_name);
    }
    closedir(dir);
    if (status == OL_OK && plan->count == 0)
        status = ol__error_set(plan->err, OL_NOT_FOUND, "run '%s': no step of it succeeded",
                               plan->run_id);
    if (status == OL_OK)
        qsort(plan->steps, plan->count, sizeof *plan->steps, by_time);
    return status;
}

static ol_status find_step(struct replay_plan *plan, const char *name, size_t *ret)
{
    for (size_t i = 0; name != NULL && i < plan->count; i++) {
        if (strcmp(plan->steps[i].name, name) == 0) {
            *ret = i;
            return OL_OK;
        }
    }
    return name == NULL
               ? OL_OK
               : ol__error_set(plan->err, OL_NOT_FOUND, "run '%s' has no successful step '%.200s'",
                               plan->run_id, name);
}

/* ---- base and code ---- */

/* Cut @p base to what it has in common with @p path. */
static void cut_base(char *base, const char *path)
{
    size_t same = 0, at = 0;
    while (base[at] != '\0' && base[at] == path[at]) {
        at++;
        if ((base[at] == '/' || base[at] == '\0') && (path[at] == '/' || path[at] == '\0'))
            same = at;
    }
    base[OL_MAX(same, 1u)] = '\0';
}

static bool is_object_name(const char *text)
{
    size_t size = text != NULL ? strlen(text) : 0;
    return size >= 7 && size <= 64 && strspn(text, "0123456789abcdef") == size;
}

bool replay_submodule(const struct json_node *item, const char **ret_path, const char **ret_commit)
{
    *ret_path = json_get_text(item, "path");
    *ret_commit = json_get_text(item, "commit");
    return *ret_path != NULL && (*ret_path)[0] != '\0' && (*ret_path)[0] != '/' &&
           strstr(*ret_path, "..") == NULL && is_object_name(*ret_commit);
}

static bool has_same_submodules(const struct json_node *a, const struct json_node *b)
{
    for (; a != NULL && b != NULL; a = a->next, b = b->next) {
        const char *path, *commit, *other_path, *other_commit;
        bool is_out = replay_submodule(a, &path, &commit);
        if (is_out != replay_submodule(b, &other_path, &other_commit) ||
            (is_out && (strcmp(path, other_path) != 0 || strcmp(commit, other_commit) != 0)))
            return false;
    }
    return a == b; /* both at their end */
}

/* What differs inside of a submodule is not in the difference that git writes. */
static void check_submodules(struct replay_plan *plan, const struct replay_step *s)
{
    static const char mark[] = "\n+Subproject commit ", dirty[] = "-dirty\n";
    struct ol__buf text;
    if (plan->code.submodules == NULL || plan->code.patch == NULL)
        return;
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    if (receipt_members_read(plan->runs, plan->code.patch, &text, NULL) == OL_OK) {
        struct ol__span rest = {text.data, text.size};
        for (const char *at; (at = memmem(rest.data, rest.size, mark, sizeof mark - 1)) != NULL;) {
            at += sizeof mark - 1;
            rest = (struct ol__span){at, (size_t)(text.data + text.size - at)};
            const char *end = memchr(at, '\n', rest.size);
            size_t size = sizeof dirty - 1;
            if (end != NULL && (size_t)(end + 1 - at) > size &&
                memcmp(end + 1 - size, dirty, size) == 0)
                replay_problem(plan,
                               "step '%s': files of a submodule differed from its commit %.12s..., "
                               "and how is not kept",
                               s->name, at);
        }
    }
    ol__buf_release(&text);
}

static void find_code(struct replay_plan *plan, const struct replay_step *s)
{
    const struct json_node *code = json_get(s->doc.root, "code");
    const char *commit = json_get_text(code, "commit"), *root = json_get_text(code, "root");
    const char *patch = json_get_bool(code, "dirty") ? json_get_text(code, "patch_sha256") : NULL;
    if (commit == NULL || root == NULL || s->is_call)
        return;
    int64_t untracked = json_get_int(code, "untracked_count", 0);
    if (json_get_bool(code, "dirty") && patch == NULL)
        replay_problem(plan, "step '%s': files differed from commit %.40s, and how is not known",
                       s->name, commit);
    if (untracked > 0)
        replay_note(plan, "step '%s': %lld files that git did not know are not in its commit",
                    s->name, (long long)untracked);
    if (plan->code.commit == NULL) {
        plan->code = (struct replay_code){.root = root,
                                          .commit = commit,
                                          .patch = patch,
                                          .is_known = json_get(code, "dirty"),
                                          .submodules = json_get_items(code, "submodules")};
        check_submodules(plan, s);
        return;
    }
    bool is_same = strcmp(plan->code.commit, commit) == 0 && strcmp(plan->code.root, root) == 0 &&
                   (plan->code.patch == NULL) == (patch == NULL) &&
                   (patch == NULL || strcmp(plan->code.patch, patch) == 0) &&
                   has_same_submodules(plan->code.submodules, json_get_items(code, "submodules"));
    plan->code.is_known = plan->code.is_known || json_get(code, "dirty") != NULL;
    if (!is_same)
        replay_problem(plan,
                       "step '%s' ran with other code than the steps before it (commit %.40s%s): "
                       "replay them one after the other (--from, --to)",
                       s->name, commit, patch != NULL ? " and differences" : "");
}

static void check_step(struct replay_plan *plan, const struct replay_step *s)
{
    const struct json_node *word = replay_argv(s);
    size_t place = 0;
    if (s->is_call) {
        replay_note(plan,
                    "step '%s' calls a model, which does not answer twice: what it wrote is "
                    "taken from before",
                    s->name);
        return;
    }
    if (word == NULL)
        replay_problem(plan, "step '%s': its receipt does not tell the command", s->name);
    if (s->cwd == NULL)
        replay_problem(plan, "step '%s': its receipt does not tell the working directory", s->name);
    for (; word != NULL; word = word->next, place++) {
        if (word->text == NULL || strstr(word->text, REDACTED) != NULL)
            replay_problem(plan, "step '%s': word %zu of its command is redacted: %.300s", s->name,
                           place, word->text != NULL ? word->text : "");
        else if (strstr(word->text, RECEIPT_BAD_BYTES) != NULL)
            replay_problem(plan,
                           "step '%s': word %zu of its command has bytes that are no UTF-8, which "
                           "no receipt can tell: %.300s",
                           s->name, place, word->text);
    }
    const struct json_node *gate = json_get_items(s->doc.root, "gates");
    for (; gate != NULL; gate = gate->next)
        replay_note(plan, "step '%s' had to pass a gate, which is not asked again: %.300s", s->name,
                    json_get_text(gate, "command") != NULL ? json_get_text(gate, "command") : "");
}

static ol_status find_base(struct replay_plan *plan)
{
    for (size_t i = plan->first; i <= plan->last; i++) {
        const struct replay_step *s = &plan->steps[i];
        const char *root = json_get_text(json_get(s->doc.root, "code"), "root");
        const char *const paths[] = {s->cwd, s->cwd != NULL ? root : NULL};
        for (size_t k = 0; k < OL_COUNT(paths); k++) {
            if (paths[k] == NULL || paths[k][0] != '/')
                continue;
            if (plan->base != NULL)
                cut_base(plan->base, paths[k]);
            else if ((plan->base = ol__arena_alloc(&plan->arena, strlen(paths[k]) + 2)) != NULL)
                memcpy(plan->base, paths[k], strlen(paths[k]) + 1);
            else
                return ol__error_set(plan->err, OL_NOMEM, "the plan: out of memory");
        }
    }
    if (plan->base == NULL && (plan->base = ol__arena_alloc(&plan->arena, 2)) != NULL)
        memcpy(plan->base, "/", 2);
    return plan->base != NULL ? OL_OK
                              : ol__error_set(plan->err, OL_NOMEM, "the plan: out of memory");
}

ol_status replay_plan_read(struct replay_plan *plan, const char *runs, const char *run_id,
                           const char *from, const char *to, struct ol_error *err)
{
    struct receipt_folder folder = {.fd = -1};
    *plan = (struct replay_plan){.runs = runs, .err = err};
    ol_status status = receipt_folder_open(runs, run_id, &folder, err);
    if (status != OL_OK)
        return status;
    snprintf(plan->run_id, sizeof plan->run_id, "%s", folder.run_id);
    status = read_steps(plan, &folder);
    receipt_folder_close(&folder);
    plan->last = plan->count > 0 ? plan->count - 1 : 0;
    if (status == OL_OK)
        status = find_step(plan, from, &plan->first);
    if (status == OL_OK)
        status = find_step(plan, to, &plan->last);
    if (status == OL_OK && plan->first > plan->last)
        status = ol__error_set(err, OL_INVALID, "step '%s' comes after step '%s'", from, to);
    if (status == OL_OK)
        status = find_base(plan);
    for (size_t i = plan->first; status == OL_OK && i <= plan->last; i++) {
        check_step(plan, &plan->steps[i]);
        find_code(plan, &plan->steps[i]);
    }
    return status == OL_OK ? replay_find_sources(plan) : status;
}

/* Whether @p word names the base or what is beneath it. */
static bool names_base(const struct replay_plan *plan, const char *word)
{
    size_t size = strlen(plan->base);
    for (const char *at = word; size > 1 && (at = strstr(at, plan->base)) != NULL; at += size) {
        char behind = at[size];
        if (behind == '\0' || strchr("/'\" :;,)=&|<>", behind) != NULL)
            return true;
    }
    return false;
}

/* Whether another root gets @p full: it is read by content, or a step of the plan makes it. */
static bool is_laid_out(const struct replay_plan *plan, const char *full)
{
    for (size_t i = 0; i < plan->source_count; i++)
        if (strcmp(plan->sources[i].full, full) == 0)
            return true;
    for (size_t i = plan->first; i <= plan->last; i++) {
        char made[RECEIPT_FULL_SIZE];
        const struct json_node *o = json_get_items(plan->steps[i].doc.root, "outputs");
        for (; o != NULL; o = o->next) {
            const char *path = json_get_text(o, "path");
            size_t size = receipt_find_artifact(plan->steps[i].cwd, o, made) ? strlen(made) : 0;
            if (size > 0 && strncmp(made, full, size) == 0 &&
                (full[size] == '\0' || full[size] == '/'))
                return true;
            if (path != NULL && fnmatch(made, full, FNM_PATHNAME) == 0 && size > 0)
                return true;
        }
    }
    return false;
}

/* Programs and files beside the data, which the command names but no receipt tells of, are in
 * another root only if they are in the commit. */
static void check_words(struct replay_plan *plan, const struct replay_step *s)
{
    const struct json_node *word = replay_argv(s);
    if (s->cwd == NULL || plan->code.commit != NULL)
        return;
    for (bool is_first = true; word != NULL; word = word->next, is_first = false) {
        char full[RECEIPT_FULL_SIZE];
        struct stat st;
        const char *name = word->text != NULL ? word->text : "";
        bool is_program = is_first && strchr(name, '/') != NULL;
        if (name[0] == '/' || name[0] == '\0' || (is_first && !is_program))
            continue;
        name += strncmp(name, "./", 2) == 0 ? 2 : 0;
        int size = snprintf(full, sizeof full, "%s/%s", s->cwd, name);
        if (size < 0 || (size_t)size >= sizeof full)
            continue;
        bool is_there = stat(full, &st) == 0 && S_ISREG(st.st_mode);
        if ((is_there || is_program) && !is_laid_out(plan, full))
            replay_problem(plan,
                           "step '%s' names '%.500s', which is neither an input (-i) nor in a "
                           "commit",
                           s->name, word->text);
    }
}

void replay_check_movable(struct replay_plan *plan)
{
    for (size_t i = plan->first; i <= plan->last; i++) {
        const struct replay_step *s = &plan->steps[i];
        const struct json_node *word = s->is_call ? NULL : replay_argv(s);
        if (!s->is_call)
            check_words(plan, s);
        for (; word != NULL; word = word->next)
            if (word->text != NULL && names_base(plan, word->text))
                replay_problem(plan,
                               "step '%s' names '%.500s': in another root it would still use "
                               "the old place; such a run is replayed by its script, there",
                               s->name, word->text);
        const struct json_node *o = s->is_call ? NULL : json_get_items(s->doc.root, "outputs");
        for (; o != NULL; o = o->next) {
            char full[RECEIPT_FULL_SIZE];
            const char *kind = json_get_text(o, "kind"), *path = json_get_text(o, "path");
            bool is_remote = kind != NULL && strcmp(kind, "remote") == 0;
            bool is_outside =
                receipt_find_artifact(s->cwd, o, full) && replay_beneath(plan, full) == NULL;
            if (is_remote || is_outside)
                replay_problem(plan,
                               "step '%s' writes '%.500s', which is outside of '%s': it would "
                               "be written over",
                               s->name, path != NULL ? path : "", plan->base);
        }
    }
}

void replay_plan_release(struct replay_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        json_doc_release(&plan->steps[i].doc);
    free(plan->steps);
    free(plan->sources);
    ol__arena_reset(&plan->arena, 0);
    *plan = (struct replay_plan){.runs = NULL};
}
