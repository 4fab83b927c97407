/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of a plan read that none of them makes.
 *
 * Promises:
 *  1. A file that a step reads has the bytes that the step before it in the plan wrote there, or it
 *     is a source; anything else is said, for it could not be as it was.
 *  2. Of two steps that read one source both found the same bytes in it, or that is said. */
#include <stdio.h>
#include <stdlib.h>
#include "plan.h"
#include "receipt/members.h"

#define FILES_MAX 2000000

struct known {
    const char *full, *sha256, *target;
    bool is_made;
};
struct finder {
    struct replay_plan *plan;
    struct known *items; /* owned; a table of `cap` places, a power of two */
    size_t count, cap;
    size_t step;
    bool is_output;
};

static size_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return (size_t)(h ^ (h >> 29));
}

static struct known *place_of(struct known *items, size_t cap, const char *full)
{
    size_t at = hash(full) & (cap - 1);
    while (items[at].full != NULL && strcmp(items[at].full, full) != 0)
        at = (at + 1) & (cap - 1);
    return &items[at];
}

static ol_status make_room(struct finder *f)
{
    if ((f->count + 1) * 2 <= f->cap)
        return OL_OK;
    size_t cap = f->cap == 0 ? 256 : f->cap * 2;
    struct known *items = f->count < FILES_MAX ? calloc(cap, sizeof *items) : NULL;
    if (items == NULL)
        return f->count < FILES_MAX
                   ? ol__error_set(f->plan->err, OL_NOMEM, "files of a run: out of memory")
                   : ol__error_set(f->plan->err, OL_TOO_LARGE, "more than %d files", FILES_MAX);
    for (size_t i = 0; i < f->cap; i++)
        if (f->items[i].full != NULL)
            *place_of(items, cap, f->items[i].full) = f->items[i];
    free(f->items);
    f->items = items;
    f->cap = cap;
    return OL_OK;
}

/* What a model answered, as the attempt's folder has it. @return in the arena; NULL: it has not. */
static const char *kept_answer(const struct finder *f, const char *sha256)
{
    struct replay_plan *plan = f->plan;
    const struct replay_step *s = &plan->steps[f->step];
    const struct json_node *call = s->is_call ? json_get_items(s->doc.root, "calls") : NULL;
    for (; call != NULL; call = call->next) {
        char path[RECEIPT_FULL_SIZE], number[24] = "";
        const struct json_node *response = json_get(json_get(call, "kept"), "response");
        const char *name = json_get_text(response, "path"), *is = json_get_text(response, "sha256");
        if (name == NULL || is == NULL || strcmp(is, sha256) != 0 || strchr(name, '/') != NULL)
            continue;
        if (s->seq >= 0)
            snprintf(number, sizeof number, "%03lld_", (long long)s->seq);
        int size = snprintf(path, sizeof path, "%s/%s/steps/%s%s/attempt-%lld/%s", plan->runs,
                            plan->run_id, number, s->name,
                            (long long)json_get_int(s->doc.root, "attempt", 1), name);
        return size > 0 && (size_t)size < sizeof path ? replay_keep(plan, path) : NULL;
    }
    return NULL;
}

static ol_status add_source(struct finder *f, const struct known *known)
{
    struct replay_plan *plan = f->plan;
    if (plan->source_count == plan->source_cap) {
        size_t cap = plan->source_cap == 0 ? 64 : plan->source_cap * 2;
        struct replay_file *sources = realloc(plan->sources, cap * sizeof *sources);
        if (sources == NULL)
            return ol__error_set(plan->err, OL_NOMEM, "sources: out of memory");
        plan->sources = sources;
        plan->source_cap = cap;
    }
    plan->sources[plan->source_count++] =
        (struct replay_file){.full = known->full,
                             .sha256 = known->sha256,
                             .target = known->target,
                             .kept = kept_answer(f, known->sha256),
                             .step = f->step};
    return OL_OK;
}

static bool is_same(const struct known *k, const char *sha256, const char *target)
{
    return strcmp(k->sha256, sha256) == 0 && (k->target == NULL) == (target == NULL) &&
           (target == NULL || strcmp(k->target, target) == 0);
}

static ol_status take_file(void *arg, const char *full, const char *sha256, const char *target)
{
    struct finder *f = arg;
    struct replay_plan *plan = f->plan;
    ol_status status = make_room(f);
    if (status != OL_OK)
        return status;
    if (strstr(full, "/../") != NULL || full[0] != '/' ||
        (strlen(full) > 3 && strcmp(full + strlen(full) - 3, "/..") == 0)) {
        replay_problem(plan, "step '%s': '%.1000s' leads upwards: it has no place in another root",
                       plan->steps[f->step].name, full);
        return OL_OK;
    }
    struct known *k = place_of(f->items, f->cap, full);
    bool is_new = k->full == NULL;
    if (!is_new && !f->is_output && !is_same(k, sha256, target)) /* promises 1, 2 */
        replay_problem(plan, "step '%s' read '%.1000s' with other bytes than %s", /* said once */
                       plan->steps[f->step].name, full,
                       k->is_made ? "the step before it wrote there" : "a step before it");
    if (!is_new && !f->is_output)
        return OL_OK;
    k->full = is_new ? replay_keep(plan, full) : k->full;
    k->sha256 = replay_keep(plan, sha256);
    k->target = target != NULL ? replay_keep(plan, target) : NULL;
    k->is_made = f->is_output;
    if (k->full == NULL || k->sha256 == NULL || (target != NULL && k->target == NULL))
        return ol__error_set(plan->err, OL_NOMEM, "files of a run: out of memory");
    f->count += is_new ? 1 : 0;
    return f->is_output ? OL_OK : add_source(f, k);
}

static ol_status take_artifacts(struct finder *f, const char *side)
{
    struct replay_plan *plan = f->plan;
    const struct replay_step *s = &plan->steps[f->step];
    const struct json_node *artifact = json_get_items(s->doc.root, side);
    ol_status status = OL_OK;
    for (; artifact != NULL && status == OL_OK; artifact = artifact->next) {
        struct ol_error why = {.message = ""};
        const char *path = json_get_text(artifact, "path"), *kind = json_get_text(artifact, "kind");
        path = path != NULL ? path : "";
        if (!f->is_output && kind != NULL && strcmp(kind, "remote") == 0)
            replay_note(plan, "step '%s' reads '%.500s', which is elsewhere: it is not checked",
                        s->name, path);
        else if (!f->is_output && json_get(artifact, "sha256") == NULL)
            replay_problem(plan, "step '%s' reads '%.500s', which has no hash", s->name, path);
        status = replay_each_file(plan, s->cwd, artifact, take_file, f, &why);
        if (status == OL_NOT_FOUND || status == OL_INVALID) {
            replay_problem(plan, "step '%s': '%.500s': %s", s->name, path, why.message);
            status = OL_OK;
        }
    }
    return status;
}

/* What the shell around a step redirected. */
static ol_status take_stream(struct finder *f, const char *name)
{
    const struct replay_step *s = &f->plan->steps[f->step];
    const struct json_node *stream = json_get(json_get(s->doc.root, "streams"), name);
    const char *path = json_get_text(stream, "path"), *why = json_get_text(stream, "reason");
    bool is_written = strcmp(name, "stdout") == 0;
    if (stream == NULL || json_get(stream, "sha256") != NULL)
        return stream == NULL
                   ? OL_OK
                   : replay_each_file(f->plan, s->cwd, stream, take_file, f, f->plan->err);
    replay_note(f->plan, "step '%s' %s '%.500s', of which no hash is known (%s): %s", s->name,
                is_written ? "wrote to" : "had for standard input", path != NULL ? path : "a file",
                why != NULL ? why : "",
                is_written ? "that is not repeated" : "it gets an empty one");
    return OL_OK;
}

/* Files that were kept as they were before a step: configuration, lock files. */
static ol_status take_kept(struct finder *f)
{
    const struct replay_step *s = &f->plan->steps[f->step];
    const struct json_node *kept = json_get_items(s->doc.root, "kept");
    ol_status status = OL_OK;
    for (; kept != NULL && status == OL_OK; kept = kept->next) {
        const char *at = json_get_text(kept, "at"), *path = json_get_text(kept, "path");
        const char *sha256 = json_get_text(kept, "sha256");
        char full[8192];
        if (at == NULL || strcmp(at, "start") != 0 || path == NULL || sha256 == NULL ||
            s->cwd == NULL)
            continue;
        const char *patch = json_get_text(json_get(s->doc.root, "code"), "patch_sha256");
        if (patch != NULL && strcmp(patch, sha256) == 0)
            continue; /* it is part of the code */
        if (json_get(kept, "original") != NULL) {
            replay_note(f->plan, "step '%s': '%.500s' is kept redacted: it is not put back",
                        s->name, path);
            continue;
        }
        int size = snprintf(full, sizeof full, "%s%s%s", path[0] == '/' ? "" : s->cwd,
                            path[0] == '/' ? "" : "/", path);
        if (size > 0 && (size_t)size < sizeof full)
            status = take_file(f, full, sha256, NULL);
    }
    return status;
}

ol_status replay_find_sources(struct replay_plan *plan)
{
    struct finder f = {.plan = plan};
    ol_status status = OL_OK;
    for (f.step = plan->first; status == OL_OK && f.step <= plan->last; f.step++) {
        bool is_call = plan->steps[f.step].is_call;
        f.is_output = false;
        if (!is_call)
            status = take_artifacts(&f, "inputs");
        if (status == OL_OK && !is_call)
            status = take_stream(&f, "stdin");
        if (status == OL_OK && !is_call)
            status = take_kept(&f);
        f.is_output = !is_call; /* what a model answered is taken from before */
        if (status == OL_OK)
            status = take_artifacts(&f, "outputs");
        if (status == OL_OK && !is_call)
            status = take_stream(&f, "stdout");
    }
    free(f.items);
    return status;
}
