/* SPDX-License-Identifier: Apache-2.0 */
#include "script.h"

#include <ctype.h>
#include <stdio.h>
#include "receipt/members.h"
#include "receipt/redact.h"
#include "shell_words.h"

/* ---- words ---- */

/* On one line, whatever stands in it: for a comment. */
static void add_flat(struct ol__buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        ol__buf_add_char(out, (unsigned char)*text < ' ' || *text == 127 ? ' ' : *text);
}

static void add_comment(struct ol__buf *out, const char *mark, const char *text)
{
    ol__buf_add_format(out, "# %s", mark);
    add_flat(out, text);
    ol__buf_add_char(out, '\n');
}

/* "$root"/path, or the path as it was. */
static void add_path(struct ol__buf *out, const struct replay_plan *plan, const char *full)
{
    const char *beneath = replay_beneath(plan, full);
    ol__buf_add_text(out, beneath != NULL ? "\"$root\"" : "");
    if (beneath != NULL && beneath[0] != '\0')
        ol__buf_add_char(out, '/');
    if (beneath == NULL || beneath[0] != '\0')
        shell_word(out, beneath != NULL ? beneath : full);
}

/* ---- variables ---- */

static bool is_variable(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && !isdigit((unsigned char)name[0]) &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == size;
}

static bool is_upper(const char *name)
{
    for (; *name != '\0'; name++)
        if (islower((unsigned char)*name))
            return false;
    return true;
}

void replay_each_variable(const struct replay_step *step, replay_variable *each, void *arg)
{
    const struct json_node *found = json_get(step->doc.root, "reproducibility");
    const struct json_node *environment = json_get(step->doc.root, "environment");
    static const char *const parts[] = {"seeds", "determinism"};
    for (size_t i = 0; i < OL_COUNT(parts); i++) /* those that are called as their variables are */
        for (const struct json_node *v = json_get_items(found, parts[i]); v != NULL; v = v->next)
            if (v->text != NULL && is_variable(v->key) && is_upper(v->key) &&
                json_get(environment, v->key) == NULL)
                each(arg, v->key, v->text, strstr(v->text, REDACTED) != NULL);
    for (const struct json_node *v = environment != NULL ? environment->first : NULL; v != NULL;
         v = v->next)
        if (v->text != NULL && is_variable(v->key))
            each(arg, v->key, v->text, strstr(v->text, REDACTED) != NULL);
}

struct writer {
    const struct replay_plan *plan;
    struct ol__buf *out;
    bool has_bundle;
};

static void need_variable(void *arg, const char *name, const char *value, bool is_redacted)
{
    struct writer *w = arg;
    (void)value;
    if (is_redacted)
        ol__buf_add_format(w->out, ": \"${%s:?is redacted in the receipt: set it}\"\n", name);
}

static void add_variable(void *arg, const char *name, const char *value, bool is_redacted)
{
    struct writer *w = arg;
    ol__buf_add_format(w->out, " %s=", name);
    if (is_redacted)
        ol__buf_add_format(w->out, "\"$%s\"", name);
    else
        shell_word(w->out, value);
}

/* ---- parts ---- */

static const char head[] =
    "set -eu\n"
    "fail() { printf '%s\\n' \"replay: $*\" >&2; exit 1; }\n"
    "sum() { sha256sum < \"$1\" | cut -d ' ' -f 1; }\n"
    "need() { [ -e \"$2\" ] || fail \"$2 is not there\"\n"
    "    [ \"$(sum \"$2\")\" = \"$1\" ] || fail \"$2 is not what the run read\"; }\n"
    "free() { [ -n \"${REPLAY_OVERWRITE:-}\" ] || [ ! -e \"$1\" ] ||\n"
    "    fail \"$1 is there already (REPLAY_OVERWRITE=1 writes over it)\"; }\n"
    "different=0\n"
    "attempt=$(mktemp -d)\n"
    "trap 'rm -rf \"$attempt\"' EXIT\n"
    "compare() { if [ -e \"$2\" ] && [ \"$(sum \"$2\")\" = \"$1\" ]; then echo \"same       $2\"\n"
    "    else echo \"different  $2\"; different=1; fi; }\n";

static const char bundle_head[] =
    "bundle=$(cd \"$(dirname \"$0\")\" && pwd)\n"
    "root=${1:?expected a folder to lay it out in}\n"
    "mkdir -p \"$root\" && root=$(cd \"$root\" && pwd)\n"
    "[ -z \"$(ls -A \"$root\")\" ] || fail \"$root is not empty: nothing is written over\"\n"
    "lay() { mkdir -p \"$(dirname \"$2\")\" && [ -e \"$2\" ] || cp \"$bundle/runs/objects/$1\" "
    "\"$2\"\n"
    "    chmod u+w \"$2\"; }\n"
    "link() { mkdir -p \"$(dirname \"$2\")\" && [ -L \"$2\" ] || ln -s \"$1\" \"$2\"; }\n";

/* @param beneath  the root of the code; NULL: that itself. */
static void add_commit(struct writer *w, const char *beneath, const char *commit)
{
    static const char *const verbs[] = {"mkdir -p ", "\ntar -x -k -C "};
    for (size_t i = 0; i < OL_COUNT(verbs); i++) {
        ol__buf_add_text(w->out, verbs[i]);
        add_path(w->out, w->plan, w->plan->code.root);
        ol__buf_add_text(w->out, beneath != NULL ? "/" : "");
        shell_word(w->out, beneath != NULL ? beneath : "/.");
    }
    ol__buf_add_text(w->out, " -f \"$bundle\"/code/");
    shell_word(w->out, commit);
    ol__buf_add_text(w->out, ".tar\n");
}

static void add_code(struct writer *w)
{
    const struct replay_code *code = &w->plan->code;
    char object[RECEIPT_OBJECT_PATH];
    if (code->commit == NULL)
        return;
    add_commit(w, NULL, code->commit);
    const struct json_node *item = code->submodules;
    for (const char *path, *commit; item != NULL; item = item->next)
        if (replay_submodule(item, &path, &commit))
            add_commit(w, path, commit);
    if (code->patch == NULL)
        return;
    receipt_object_path(code->patch, object);
    ol__buf_add_text(w->out, "(cd ");
    add_path(w->out, w->plan, code->root);
    ol__buf_add_text(w->out, " && GIT_CEILING_DIRECTORIES=$root git apply "
                             "--whitespace=nowarn");
    ol__buf_add_text(w->out, code->submodules != NULL ? " --allow-empty" : "");
    item = code->submodules;
    for (const char *path, *commit; item != NULL; item = item->next) {
        if (!replay_submodule(item, &path, &commit))
            continue;
        ol__buf_add_text(w->out, " --exclude=");
        shell_word(w->out, path);
    }
    ol__buf_add_format(w->out, " \"$bundle/runs/%s\")\n", object);
}

static void add_layout(struct writer *w)
{
    char object[RECEIPT_OBJECT_PATH];
    add_code(w);
    for (size_t i = 0; i < w->plan->source_count; i++) {
        const struct replay_file *f = &w->plan->sources[i];
        if (replay_beneath(w->plan, f->full) == NULL)
            continue;
        if (f->target != NULL) {
            ol__buf_add_text(w->out, "link ");
            shell_word(w->out, f->target);
        } else {
            receipt_object_path(f->sha256, object);
            ol__buf_add_format(w->out, "lay %s", object + sizeof "objects");
        }
        ol__buf_add_char(w->out, ' ');
        add_path(w->out, w->plan, f->full);
        ol__buf_add_char(w->out, '\n');
    }
}

static void add_needs(struct writer *w, size_t step)
{
    for (size_t i = 0; i < w->plan->source_count; i++) {
        const struct replay_file *f = &w->plan->sources[i];
        if (f->step != step || f->target != NULL)
            continue;
        ol__buf_add_format(w->out, "need %s ", f->sha256);
        add_path(w->out, w->plan, f->full);
        ol__buf_add_char(w->out, '\n');
    }
}

struct output_line {
    struct writer *w;
    const char *verb;
};

static ol_status add_output(void *arg, const char *full, const char *sha256, const char *target)
{
    struct output_line *line = arg;
    if (target != NULL)
        return OL_OK;
    ol__buf_add_format(line->w->out, "%s %s ", line->verb, sha256);
    add_path(line->w->out, line->w->plan, full);
    ol__buf_add_char(line->w->out, '\n');
    return line->w->out->status;
}

static void add_redirection(struct writer *w, const char *mark, const struct replay_step *s,
                            const struct json_node *stream)
{
    char full[RECEIPT_FULL_SIZE];
    if (stream == NULL || !receipt_find_artifact(s->cwd, stream, full))
        return;
    ol__buf_add_text(w->out, mark);
    add_path(w->out, w->plan, full);
}

/* An output must not be there, unless it is read or was made by a step before. */
static void add_free(struct writer *w, const struct replay_step *s, size_t step)
{
    const struct json_node *o = json_get_items(s->doc.root, "outputs");
    for (; o != NULL; o = o->next) {
        char full[RECEIPT_FULL_SIZE], other[RECEIPT_FULL_SIZE];
        bool is_known = false;
        const char *kind = json_get_text(o, "kind");
        if (kind == NULL || strcmp(kind, "list") == 0 || !receipt_find_artifact(s->cwd, o, full))
            continue;
        for (size_t i = w->plan->first; i <= step; i++) {
            static const char *const sides[] = {"inputs", "outputs"};
            for (size_t k = 0; k < (i < step ? 2u : 1u); k++) {
                const struct json_node *a = json_get_items(w->plan->steps[i].doc.root, sides[k]);
                for (; a != NULL && !is_known; a = a->next)
                    is_known = receipt_find_artifact(w->plan->steps[i].cwd, a, other) &&
                               strcmp(full, other) == 0;
            }
        }
        if (is_known)
            continue;
        ol__buf_add_text(w->out, "free ");
        add_path(w->out, w->plan, full);
        ol__buf_add_char(w->out, '\n');
    }
}

static void add_parent(struct writer *w, const struct replay_step *s,
                       const struct json_node *artifact)
{
    char full[RECEIPT_FULL_SIZE];
    if (artifact == NULL || !receipt_find_artifact(s->cwd, artifact, full) ||
        strpbrk(full, "*?[") != NULL || replay_beneath(w->plan, full) == NULL)
        return;
    *strrchr(full, '/') = '\0'; /* what was found is absolute */
    if (strcmp(full, s->cwd) == 0 || replay_beneath(w->plan, full) == NULL)
        return;
    ol__buf_add_text(w->out, "mkdir -p ");
    add_path(w->out, w->plan, full);
    ol__buf_add_char(w->out, '\n');
}

/* Folders that stood around what it writes. */
static void add_parents(struct writer *w, const struct replay_step *s, size_t step)
{
    const struct json_node *o = json_get_items(s->doc.root, "outputs");
    for (; o != NULL; o = o->next)
        add_parent(w, s, o);
    add_parent(w, s, replay_stdout(w->plan, step, w->has_bundle));
}

static ol_status add_outputs(struct writer *w, const struct replay_step *s, const char *verb)
{
    struct output_line line = {.w = w, .verb = verb};
    ol_status status = OL_OK;
    const struct json_node *o = json_get_items(s->doc.root, "outputs");
    for (; o != NULL && status == OL_OK; o = o->next) {
        status = replay_each_file(w->plan, s->cwd, o, add_output, &line, NULL);
        if (status == OL_NOT_FOUND || status == OL_INVALID)
            status = OL_OK; /* its members are not known: nothing to compare with */
    }
    return status;
}

static ol_status add_step(struct writer *w, const struct replay_step *s, size_t step)
{
    const struct json_node *p = json_get_items(s->doc.root, "parameters");
    ol__buf_add_char(w->out, '\n');
    add_comment(w->out, "step ", s->name);
    for (; p != NULL; p = p->next) {
        ol__buf_add_text(w->out, "# parameter ");
        add_flat(w->out, p->key);
        ol__buf_add_text(w->out, " = ");
        add_flat(w->out, p->text != NULL ? p->text : "");
        ol__buf_add_char(w->out, '\n');
    }
    if (s->is_call) {
        ol__buf_add_text(w->out,
                         "# it calls a model, which does not answer twice: what it wrote has "
                         "to be there\n");
        add_needs(w, step);
        return w->out->status;
    }
    replay_each_variable(s, need_variable, w);
    ol__buf_add_text(w->out, "mkdir -p ");
    add_path(w->out, w->plan, s->cwd);
    ol__buf_add_text(w->out, " && cd ");
    add_path(w->out, w->plan, s->cwd);
    ol__buf_add_char(w->out, '\n');
    add_needs(w, step);
    add_free(w, s, step);
    add_parents(w, s, step);
    if (!w->has_bundle) /* it may be no output */
        add_redirection(w, "free ", s, replay_stdout(w->plan, step, false));
    if (!w->has_bundle && replay_stdout(w->plan, step, false) != NULL)
        ol__buf_add_char(w->out, '\n');
    ol__buf_add_text(w->out, "env -i PATH=\"$PATH\" HOME=\"${HOME:-/}\" "
                             "LINEAGE_ATTEMPT_DIR=\"$attempt\" LINEAGE_STEP=");
    shell_word(w->out, s->name);
    replay_each_variable(s, add_variable, w);
    for (const struct json_node *word = replay_argv(s); word != NULL; word = word->next) {
        ol__buf_add_char(w->out, ' ');
        shell_word(w->out, word->text);
    }
    add_redirection(w, " < ", s, replay_stdin(s));
    add_redirection(w, " > ", s, replay_stdout(w->plan, step, w->has_bundle));
    int64_t exit_code = json_get_int(s->doc.root, "exit_code", 0);
    if (exit_code != 0) /* a success as well, for that run */
        ol__buf_add_format(w->out, " || [ $? -eq %d ]", (int)exit_code);
    ol__buf_add_char(w->out, '\n');
    return add_outputs(w, s, "compare");
}

ol_status replay_write_script(const struct replay_plan *plan, bool has_bundle, struct ol__buf *out)
{
    struct writer w = {.plan = plan, .out = out, .has_bundle = has_bundle};
    ol_status status = OL_OK;
    ol__buf_add_text(out, "#!/bin/sh\n");
    ol__buf_add_format(out,
                       "# The commands of run %s, as its receipts tell them, in the order in which "
                       "they began.\n# Inputs are compared with what the run read, outputs with "
                       "what it wrote. Exit status: 0 the same, 1 not.\n",
                       plan->run_id);
    for (size_t i = 0; i < OL_MIN(plan->note_count, (size_t)REPLAY_PROBLEMS_MAX); i++)
        add_comment(out, "Note: ", plan->notes[i]);
    if (plan->code.commit != NULL) {
        add_comment(out, "Code: commit ", plan->code.commit);
        add_comment(out, "of ", plan->code.root);
    }
    ol__buf_add_text(out, head);
    if (has_bundle) {
        ol__buf_add_text(out, bundle_head);
        add_layout(&w);
    } else {
        ol__buf_add_text(out, "root=${1:-");
        shell_quote(out, plan->base);
        ol__buf_add_text(out, "}\nroot=$(cd \"$root\" && pwd)\n");
    }
    for (size_t i = plan->first; i <= plan->last && status == OL_OK; i++)
        status = add_step(&w, &plan->steps[i], i);
    ol__buf_add_text(out, "\nexit $different\n");
    return status == OL_OK ? out->status : status;
}
