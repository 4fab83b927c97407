/* SPDX-License-Identifier: Apache-2.0 */
/* What was told of a run, field by field. Events of any producer say some of it, receipts the rest:
 * the better of the two counts. */
#include "judge.h"

#include <stdio.h>
#include "receipt/redact.h"

static const struct json_node *of_receipt(const struct repro_run *run, const char *key)
{
    return run->has_receipt ? json_get(run->receipt.root, key) : NULL;
}

static bool is_redacted(const char *text)
{
    return text != NULL && strstr(text, REDACTED) != NULL;
}

static const struct json_node *facts_of(const struct repro_run *run, const char *area)
{
    return json_get_items(json_get(run->told, "told"), area);
}

/* The fact whose name begins so. */
static const struct json_node *find_fact(const struct repro_run *run, const char *area,
                                         const char *prefix)
{
    for (const struct json_node *f = facts_of(run, area); f != NULL; f = f->next) {
        const char *what = json_get_text(f, "what");
        if (what != NULL && strncmp(what, prefix, strlen(prefix)) == 0)
            return f;
    }
    return NULL;
}

/* The engine that a framework said; programs around the library say none but themselves. */
static const char *engine_of(const struct repro_run *run)
{
    const char *name = repro_told(run, "environment", "processing_engine.name");
    bool is_ours =
        name != NULL && (strcmp(name, "lineage") == 0 || strcmp(name, "libopenlineage") == 0);
    return is_ours ? NULL : repro_told(run, "environment", "processing_engine.version");
}

static const char *image_of(const struct repro_run *run)
{
    const char *digest = repro_told(run, "code", "lineaged_container.image_digest");
    return digest != NULL ? digest : json_get_text(of_receipt(run, "container"), "image_digest");
}

/* Which system's job it was, if not a command of ours: then the job's name says what was done. */
static const char *system_of(const struct repro_run *run)
{
    const char *name = repro_told(run, "other", "jobType.integration");
    return name == NULL || strcmp(name, "LINEAGE") == 0 ? NULL : name;
}

static void judge_outcome(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    const char *state = json_get_text(json_get(run->told, "run"), "state");
    a->state = state != NULL && strcmp(state, "COMPLETE") == 0 ? REPRO_REBUILD : REPRO_NOT;
    repro_say(c, a, a->state == REPRO_REBUILD ? "it is %s" : "it is %s, not COMPLETE",
              state != NULL ? state : "not known how it ended");
}

static void judge_outputs(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    a->state = REPRO_REBUILD;
    for (const struct json_node *o = json_get_items(run->told, "outputs"); o != NULL; o = o->next) {
        const char *version = json_get_text(o, "version"), *name = json_get_text(o, "name");
        if (version != NULL && strncmp(version, "sha256:", 7) == 0)
            continue;
        repro_say(c, a, "%.500s has %s%.200s", name != NULL ? name : "an output",
                  version != NULL ? "a version that is no hash: " : "no version",
                  version != NULL ? version : "");
        a->state = REPRO_DOCUMENTED;
    }
    if (json_get_items(run->told, "outputs") == NULL) {
        a->state = REPRO_NOT;
        repro_say(c, a, "no output was told");
    }
}

/* ---- code ---- */

static bool has_program_ending(const char *path)
{
    static const char *const endings[] = {".py", ".sh",  ".awk",   ".R",     ".r",   ".jl", ".pl",
                                          ".rb", ".js",  ".ts",    ".sql",   ".lua", ".go", ".c",
                                          ".so", ".jar", ".scala", ".ipynb", ".pyz", ".sed"};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < OL_COUNT(endings); i++)
        if (strcmp(dot, endings[i]) == 0)
            return true;
    return false;
}

static const struct json_node *argv_of(const struct repro_run *run)
{
    return json_get_items(of_receipt(run, "command"), "argv");
}

static bool is_input_by_content(const struct repro_run *run, const char *path)
{
    const struct json_node *input = json_get_items(run->receipt.root, "inputs");
    for (; input != NULL; input = input->next) {
        const char *given = json_get_text(input, "path");
        if (given != NULL && strcmp(given, path) == 0 && json_get_text(input, "sha256") != NULL)
            return true;
    }
    return false;
}

/* Programs that the command names: inputs by content, or the text of the command itself. */
static bool is_in_command(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    const struct json_node *first = argv_of(run);
    size_t held = 0;
    bool is_all = true;
    for (const struct json_node *word = first; word != NULL; word = word->next) {
        if (word->text == NULL || word->text[0] == '-' || !has_program_ending(word->text))
            continue;
        bool is_held = is_input_by_content(run, word->text);
        held += is_held ? 1 : 0;
        is_all = is_all && is_held;
        if (is_held)
            repro_say(c, a, "%.500s is an input", word->text);
    }
    if (held > 0)
        return is_all;
    const struct json_node *option = first != NULL ? first->next : NULL;
    if (!is_all || option == NULL || option->text == NULL || is_redacted(option->text))
        return false;
    bool is_text = strcmp(option->text, "-c") == 0 || strcmp(option->text, "-e") == 0;
    if (is_text)
        repro_say(c, a, "it is in the command itself");
    return is_text;
}

/* A difference from the commit that is kept as git wrote it. */
static bool has_patch(struct repro_case *c, struct repro_run *run, const char *sha256)
{
    const struct json_node *kept =
        json_get_items(run->has_receipt ? run->receipt.root : NULL, "kept");
    for (; sha256 != NULL && kept != NULL; kept = kept->next) {
        const char *named = json_get_text(kept, "sha256");
        if (named != NULL && strcmp(named, sha256) == 0 && json_get(kept, "original") == NULL)
            return evidence_has_object(c->runs_folder, sha256);
    }
    return false;
}

static void judge_commit(struct repro_case *c, struct repro_run *run, struct repro_answer *a,
                         const char *commit)
{
    const struct json_node *code = of_receipt(run, "code");
    const char *dirty = repro_told(run, "code", "lineaged_code.dirty");
    const char *patch = json_get_text(code, "patch_sha256");
    const struct json_node *said = json_get(code, "dirty");
    if (said != NULL)
        dirty = said->boolean ? "true" : "false";
    int64_t untracked = json_get_int(code, "untracked_count", 0);
    repro_say(c, a, "commit %.64s", commit);
    a->state = REPRO_DOCUMENTED;
    if (dirty == NULL) {
        repro_say(c, a, "whether files differed from it was not asked (--git)");
    } else if (strcmp(dirty, "true") != 0) {
        a->state = REPRO_REBUILD;
    } else if (has_patch(c, run, patch)) {
        repro_say(c, a, "and what differed from it is kept");
        a->state = REPRO_REBUILD;
    } else {
        repro_say(c, a, "files differed from it, and how is not kept as it was (--git)");
    }
    if (untracked > 0)
        repro_say(c, a, "%lld files that git does not know are not in it", (long long)untracked);
}

/* The source that events tell; or, in the language "shell", the command line: that is how `lineage
 * run` tells it. */
static const char *told_source(const struct repro_run *run, bool is_command)
{
    const char *language = repro_told(run, "code", "sourceCode.language");
    bool is_shell = language != NULL && strcmp(language, "shell") == 0;
    return is_shell == is_command ? repro_told(run, "code", "sourceCode.sourceCode") : NULL;
}

static void judge_code(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    const char *commit = repro_told(run, "code", "lineaged_code.commit");
    if (commit == NULL)
        commit = json_get_text(of_receipt(run, "code"), "commit");
    if (commit != NULL)
        judge_commit(c, run, a, commit);
    if (a->state == REPRO_REBUILD)
        return;
    if (is_in_command(c, run, a)) {
        a->state = REPRO_REBUILD;
        return;
    }
    if (repro_told(run, "code", "sql.query") != NULL || told_source(run, false) != NULL) {
        a->state = REPRO_REBUILD;
        repro_say(c, a, "its text was told");
        return;
    }
    const char *version = repro_told(run, "code", "sourceCodeLocation.version");
    if (version != NULL && commit == NULL) {
        a->state = REPRO_DOCUMENTED;
        repro_say(c, a, "version %.100s; whether files differed from it was not told", version);
    } else if (commit == NULL && image_of(run) != NULL) {
        a->state = REPRO_DOCUMENTED;
        repro_say(c, a, "maybe in image %.100s", image_of(run));
    } else if (commit == NULL && system_of(run) != NULL) {
        a->state = REPRO_DOCUMENTED;
        repro_say(c, a, "a job of %.100s: no commit, source or query was told", system_of(run));
    } else if (commit == NULL) {
        repro_say(c, a, "no commit, source or query was told");
    }
}

/* ---- command, parameters, seeds ---- */

static void judge_command(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    const struct json_node *word = argv_of(run);
    size_t place = 0;
    a->state = word != NULL ? REPRO_REBUILD : REPRO_NOT;
    for (; word != NULL; word = word->next, place++) {
        bool is_lossy = word->text != NULL && strstr(word->text, RECEIPT_BAD_BYTES) != NULL;
        if (!is_redacted(word->text) && !is_lossy)
            continue;
        a->state = REPRO_DOCUMENTED;
        repro_say(c, a,
                  is_lossy
                      ? "word %zu has bytes that are no UTF-8, which no receipt can tell: %.200s"
                      : "word %zu is redacted: %.200s",
                  place, word->text);
    }
    if (a->state != REPRO_NOT)
        return;
    if (repro_told(run, "code", "sql.query") != NULL) {
        a->state = REPRO_REBUILD;
        repro_say(c, a, "the query");
    } else if (told_source(run, false) != NULL) {
        a->state = REPRO_REBUILD;
        repro_say(c, a, "the source");
    } else if (told_source(run, true) != NULL) {
        const bool is_whole = !is_redacted(told_source(run, true));
        a->state = is_whole ? REPRO_REBUILD : REPRO_DOCUMENTED;
        repro_say(c, a, is_whole ? "its line, by the event" : "its line, by the event, redacted");
    } else if (!run->has_receipt && system_of(run) != NULL) {
        a->state = REPRO_DOCUMENTED;
        repro_say(c, a, "a job of %.100s, by its name; its events do not tell what it executed",
                  system_of(run));
    } else {
        repro_say(c, a,
                  run->has_receipt ? "the receipt does not tell it (--no-argv, or told later)"
                                   : "events do not tell it, and there is no receipt here");
    }
}

static void judge_parameters(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    const struct json_node *told = facts_of(run, "parameter");
    const struct json_node *kept = of_receipt(run, "parameters");
    a->state = told != NULL || (kept != NULL && kept->count > 0) ? REPRO_REBUILD : REPRO_NOT;
    for (; told != NULL; told = told->next) {
        if (!is_redacted(json_get_text(told, "value")))
            continue;
        a->state = REPRO_DOCUMENTED;
        repro_say(c, a, "%.300s is redacted", json_get_text(told, "what"));
    }
    if (a->state == REPRO_NOT)
        repro_say(c, a, "none was told");
}

static void judge_seeds(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    const struct json_node *fact = facts_of(run, "seed");
    const struct json_node *seed = json_get_items(of_receipt(run, "reproducibility"), "seeds");
    a->state = fact != NULL || seed != NULL ? REPRO_REBUILD : REPRO_NOT;
    for (; fact != NULL; fact = fact->next)
        repro_say(c, a, "%.200s = %.100s", json_get_text(fact, "what"),
                  json_get_text(fact, "value"));
    for (; a->count == 0 && seed != NULL; seed = seed->next)
        repro_say(c, a, "%.200s = %.100s", seed->key, seed->text != NULL ? seed->text : "");
    if (a->state == REPRO_NOT)
        repro_say(c, a, "none was told");
}

/* ---- around it ---- */

static void judge_environment(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    static const char *const told[] = {"lineaged_machine.", "lineaged_container."};
    if (image_of(run) != NULL) {
        a->state = REPRO_REBUILD;
        repro_say(c, a, "image %.200s", image_of(run));
        return;
    }
    bool is_told = of_receipt(run, "machine") != NULL || engine_of(run) != NULL;
    for (size_t i = 0; i < OL_COUNT(told); i++)
        is_told = is_told || find_fact(run, "environment", told[i]) != NULL ||
                  find_fact(run, "code", told[i]) != NULL;
    a->state = is_told ? REPRO_DOCUMENTED : REPRO_NOT;
    repro_say(c, a,
              is_told ? "no image's digest (--image); the machine was told"
                      : "neither an image nor a machine was told");
}

static bool is_lock_file(const char *path)
{
    static const char *const names[] = {
        "requirements.txt", "poetry.lock",    "Pipfile.lock",      "uv.lock",
        "pdm.lock",         "conda-lock.yml", "package-lock.json", "yarn.lock",
        "pnpm-lock.yaml",   "go.sum",         "Cargo.lock",        "renv.lock",
        "Manifest.toml",    "Gemfile.lock",   "gradle.lockfile",   "flake.lock",
        "environment.yml"};
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    for (size_t i = 0; i < OL_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    size_t size = strlen(name);
    return (strncmp(name, "requirements", 12) == 0 && size > 16 &&
            strcmp(name + size - 4, ".txt") == 0) ||
           (size > 5 && strcmp(name + size - 5, ".lock") == 0);
}

static void judge_dependencies(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    static const char *const lists[] = {"inputs", "kept"};
    if (image_of(run) != NULL) {
        a->state = REPRO_REBUILD;
        repro_say(c, a, "in image %.200s", image_of(run));
    }
    for (size_t i = 0; run->has_receipt && i < OL_COUNT(lists); i++) {
        const struct json_node *item = json_get_items(run->receipt.root, lists[i]);
        for (; item != NULL; item = item->next) {
            const char *path = json_get_text(item, "path"), *sha256 = json_get_text(item, "sha256");
            if (path == NULL || sha256 == NULL || !is_lock_file(path))
                continue;
            bool is_kept = i == 0 || (json_get(item, "original") == NULL &&
                                      evidence_has_object(c->runs_folder, sha256));
            a->state = OL_MAX(a->state, is_kept ? REPRO_REBUILD : REPRO_DOCUMENTED);
            repro_say(c, a, "%.500s", path);
        }
    }
    if (a->state == REPRO_NOT)
        repro_say(c, a, "no lock file was read (-i) or kept (--keep)");
}

static void judge_tools(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    const struct json_node *version =
        json_get_items(of_receipt(run, "reproducibility"), "versions");
    const struct json_node *fact = find_fact(run, "environment", "versions.");
    const char *engine = engine_of(run);
    a->state = image_of(run) != NULL                               ? REPRO_REBUILD
               : version != NULL || fact != NULL || engine != NULL ? REPRO_DOCUMENTED
                                                                   : REPRO_NOT;
    for (const struct json_node *v = version; v != NULL; v = v->next)
        repro_say(c, a, "%.100s %.100s", v->key, v->text != NULL ? v->text : "");
    if (version == NULL && fact != NULL)
        repro_say(c, a, "%.100s %.100s", json_get_text(fact, "what"), json_get_text(fact, "value"));
    if (a->state == REPRO_NOT)
        repro_say(c, a, "no version of a tool was told");
}

static void judge_randomness(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    const struct json_node *flag =
        json_get_items(of_receipt(run, "reproducibility"), "determinism");
    const struct json_node *fact = find_fact(run, "environment", "determinism.");
    a->state = flag != NULL || fact != NULL ? REPRO_REBUILD : REPRO_NOT;
    for (; flag != NULL; flag = flag->next)
        repro_say(c, a, "%.100s = %.100s", flag->key, flag->text != NULL ? flag->text : "");
    if (a->state == REPRO_REBUILD && a->count == 0)
        repro_say(c, a, "%.200s = %.100s", json_get_text(fact, "what"),
                  json_get_text(fact, "value"));
    if (a->state == REPRO_NOT)
        repro_say(c, a, "no flag that makes computation repeatable was told");
}

/* An answer of a model is not given twice: it can only be kept. */
static void judge_calls(struct repro_case *c, struct repro_run *run, struct repro_answer *a)
{
    const struct json_node *call =
        json_get_items(run->has_receipt ? run->receipt.root : NULL, "calls");
    bool is_told = find_fact(run, "model", "lineaged_call.") != NULL;
    a->state = is_told || call != NULL ? REPRO_DOCUMENTED : REPRO_REBUILD;
    if (a->state == REPRO_REBUILD)
        return;
    bool is_kept = call != NULL;
    for (; call != NULL; call = call->next) {
        const struct json_node *response = json_get(json_get(call, "kept"), "response");
        const char *model = json_get_text(call, "request_model");
        bool has_answer = response != NULL && !json_get_bool(response, "redacted");
        is_kept = is_kept && has_answer;
        repro_say(c, a, "a call of %.200s: its answer %s", model != NULL ? model : "a model",
                  has_answer ? "is kept" : "is not kept as it was, and is not given twice");
    }
    if (a->count == 0)
        repro_say(c, a, "a call of %.200s: its answer is not given twice",
                  repro_told(run, "model", "lineaged_call.request_model") != NULL
                      ? repro_told(run, "model", "lineaged_call.request_model")
                      : "a model");
    if (is_kept)
        a->state = REPRO_REBUILD;
}

ol_status repro_judge_fields(struct repro_case *c, struct repro_run *run)
{
    typedef void judge(struct repro_case *, struct repro_run *, struct repro_answer *);
    static judge *const judges[REPRO_FIELDS] = {[REPRO_OUTCOME] = judge_outcome,
                                                [REPRO_OUTPUTS] = judge_outputs,
                                                [REPRO_CODE] = judge_code,
                                                [REPRO_COMMAND] = judge_command,
                                                [REPRO_PARAMETERS] = judge_parameters,
                                                [REPRO_SEEDS] = judge_seeds,
                                                [REPRO_ENVIRONMENT] = judge_environment,
                                                [REPRO_DEPENDENCIES] = judge_dependencies,
                                                [REPRO_TOOLS] = judge_tools,
                                                [REPRO_RANDOMNESS] = judge_randomness,
                                                [REPRO_CALLS] = judge_calls};
    for (int i = 0; i < REPRO_FIELDS; i++)
        if (judges[i] != NULL && run->answers[i].level != REPRO_IGNORED)
            judges[i](c, run, &run->answers[i]);
    return OL_OK;
}
