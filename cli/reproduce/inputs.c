/* SPDX-License-Identifier: Apache-2.0 */
/* Is what a run read still there, byte for byte, or can it be made again? */
#include "judge.h"

#include <stdio.h>
#include "members.h"
#include "receipt/members.h"
#include "run_files.h"

/* The run of the answer that wrote it, or NULL. */
static const struct repro_run *writer_of(const struct repro_case *c, const struct json_node *input)
{
    const char *id = json_get_text(input, "written_by");
    for (size_t i = 0; id != NULL && i < c->count; i++)
        if (strcmp(c->runs[i].id, id) == 0)
            return &c->runs[i];
    return NULL;
}

/* What the receipt says of a dataset that the store knows. */
static const struct json_node *of_receipt(const struct repro_run *run,
                                          const struct json_node *input)
{
    const char *name = json_get_text(input, "name"), *space = json_get_text(input, "namespace");
    const struct json_node *a =
        run->has_receipt ? json_get_items(run->receipt.root, "inputs") : NULL;
    for (; a != NULL; a = a->next) {
        const char *n = json_get_text(a, "name"), *s = json_get_text(a, "namespace");
        if (n != NULL && s != NULL && name != NULL && space != NULL && strcmp(n, name) == 0 &&
            strcmp(s, space) == 0)
            return a;
    }
    return NULL;
}

enum found {
    NOT_LOOKED,
    FOUND_THERE,
    FOUND_KEPT,
    FOUND_GONE,
    FOUND_CHANGED,
    FOUND_UNREAD,
    FOUND_UNKNOWN
};

/* On this machine, where it was. */
static ol_status look(struct repro_case *c, const struct repro_run *run,
                      const struct json_node *input, const struct json_node *artifact,
                      enum found *ret)
{
    const char *space = json_get_text(input, "namespace"), *name = json_get_text(input, "name");
    const char *version = json_get_text(input, "version");
    *ret = FOUND_UNKNOWN;
    if (artifact != NULL) {
        struct receipt_looked looked;
        const char *cwd = json_get_text(json_get(run->receipt.root, "command"), "cwd");
        ol_status status =
            receipt_check_artifact(c->runs_folder, cwd, "input", artifact, NULL, &looked, c->err);
        if (status == OL_OK && looked.is_read)
            *ret = looked.problem[0] == '\0' ? FOUND_THERE
                   : looked.is_gone          ? FOUND_GONE
                   : looked.is_unread        ? FOUND_UNREAD
                                             : FOUND_CHANGED;
        return status;
    }
    if (space == NULL || name == NULL || strcmp(space, "file") != 0)
        return OL_OK;
    char content[RUN_VERSION_SIZE];
    ol_status status = run_files_hash_path(name, UINT64_MAX, content);
    *ret = status == OL_OK          ? strcmp(content, version) == 0 ? FOUND_THERE : FOUND_CHANGED
           : status == OL_NOT_FOUND ? FOUND_GONE
                                    : FOUND_UNKNOWN;
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

static ol_status is_kept(struct repro_case *c, const char *version,
                         const struct json_node *artifact, bool *ret)
{
    *ret = artifact == NULL && evidence_has_object(c->runs_folder, version + 7);
    if (artifact == NULL)
        return OL_OK;
    ol_status status = evidence_is_kept(c->runs_folder, artifact);
    *ret = status == OL_OK;
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

/* Of something with members each counts by itself: what is missing is named. */
static ol_status look_at_members(struct repro_case *c, const struct repro_run *run,
                                 const struct json_node *artifact, enum found *found,
                                 const char **ret)
{
    struct repro_members members = {.count = 0};
    const char *cwd = json_get_text(json_get(run->receipt.root, "command"), "cwd");
    const char *kind = json_get_text(artifact, "kind");
    bool is_manifest = kind != NULL && strcmp(kind, "manifest") == 0;
    bool is_there = *found == FOUND_THERE || *found == FOUND_KEPT;
    if (json_get(artifact, "members") == NULL || (is_there && !is_manifest) ||
        (!is_there && is_manifest))
        return OL_OK;
    ol_status status = repro_members_look(c->runs_folder, cwd, artifact, &members, c->err);
    if (status == OL_NOT_FOUND)
        *ret = "which members it had is not kept";
    else if (status == OL_OK && members.what[0] == '\0')
        *found = is_there ? *found : FOUND_KEPT; /* maybe among others that it had not then */
    else if (status == OL_OK)
        *ret = repro_keep(c, members.what);
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

/* One that has a hash. */
static ol_status judge_bytes(struct repro_case *c, struct repro_run *run, struct repro_answer *a,
                             const struct json_node *input, size_t place)
{
    unsigned char *looked = &run->looked[place];
    static const char *const words[] = {[FOUND_GONE] = "is gone",
                                        [FOUND_CHANGED] = "is not what it was",
                                        [FOUND_UNREAD] = "cannot be read",
                                        [FOUND_UNKNOWN] = "was not looked at: it is not here"};
    const struct json_node *artifact = of_receipt(run, input);
    const struct repro_run *writer = writer_of(c, input);
    const char *name = json_get_text(input, "name");
    bool has_object = false;
    enum found found = (enum found) * looked;
    ol_status status = OL_OK;
    name = name != NULL ? name : "an input";
    if (found == NOT_LOOKED) { /* reading takes its time: once */
        status = look(c, run, input, artifact, &found);
        if (status == OL_OK && found != FOUND_THERE)
            status = is_kept(c, json_get_text(input, "version"), artifact, &has_object);
        found = has_object ? FOUND_KEPT : found;
        if (status == OL_OK)
            status = look_at_members(c, run, artifact, &found, &run->members[place]);
        *looked = (unsigned char)found;
    }
    if (status != OL_OK)
        return status;
    const char *members = run->members[place];
    bool is_there = (found == FOUND_THERE || found == FOUND_KEPT) && members == NULL;
    bool can_be_made = writer != NULL && writer != run && writer->state == REPRO_REBUILD;
    if (!is_there && can_be_made) {
        repro_say(c, a, "%.500s %s; run %.36s can make it again", name,
                  members != NULL ? members : words[found], writer->id);
    } else if (members != NULL) {
        repro_say(c, a, "%.500s: %s; what is missing is not kept", name, members);
        a->state = OL_MIN(a->state, REPRO_DOCUMENTED);
    } else if (!is_there) {
        repro_say(c, a, "%.500s %s, and is not kept", name, words[found]);
        a->state = OL_MIN(a->state, REPRO_DOCUMENTED);
    }
    return OL_OK;
}

static bool is_input(const struct repro_run *run, const char *sha256)
{
    const struct json_node *a = json_get_items(run->receipt.root, "inputs");
    for (; a != NULL; a = a->next) {
        const char *other = json_get_text(a, "sha256");
        if (other != NULL && strcmp(other, sha256) == 0)
            return true;
    }
    return false;
}

/* A file that was its standard input is in no event. */
static ol_status judge_stdin(struct repro_case *c, struct repro_run *run, struct repro_answer *a,
                             unsigned char *looked)
{
    static const char *const words[] = {[FOUND_GONE] = "is gone",
                                        [FOUND_CHANGED] = "is not what it was",
                                        [FOUND_UNREAD] = "cannot be read",
                                        [FOUND_UNKNOWN] = "is not to be found"};
    const struct json_node *stream =
        run->has_receipt ? json_get(json_get(run->receipt.root, "streams"), "stdin") : NULL;
    const char *path = json_get_text(stream, "path"), *sha256 = json_get_text(stream, "sha256");
    enum found found = (enum found) * looked;
    ol_status status = OL_OK;
    if (stream == NULL || (sha256 != NULL && is_input(run, sha256)))
        return OL_OK;
    path = path != NULL ? path : "a file without a name";
    if (sha256 == NULL) {
        repro_say(c, a, "standard input was %.500s; what of it was read is not known", path);
        return OL_OK;
    }
    if (found == NOT_LOOKED) {
        status = look(c, run, stream, stream, &found);
        if (status == OL_OK && found != FOUND_THERE &&
            evidence_is_kept(c->runs_folder, stream) == OL_OK)
            found = FOUND_KEPT;
        *looked = (unsigned char)found;
    }
    if (status == OL_OK && found != FOUND_THERE && found != FOUND_KEPT) {
        repro_say(c, a, "standard input: %.500s %s, and is not kept", path, words[found]);
        a->state = OL_MIN(a->state, REPRO_DOCUMENTED);
    }
    return status;
}

ol_status repro_judge_inputs(struct repro_case *c, struct repro_run *run)
{
    struct repro_answer *a = &run->answers[REPRO_INPUTS];
    ol_status status = OL_OK;
    a->state = REPRO_REBUILD;
    const struct json_node *inputs = json_get(run->told, "inputs");
    size_t count = inputs != NULL ? inputs->count : 0, place = 0;
    if (run->looked == NULL && (run->looked = ol__arena_alloc(&c->arena, count + 1)) != NULL)
        memset(run->looked, NOT_LOOKED, count + 1);
    if (run->members == NULL &&
        (run->members = ol__arena_alloc(&c->arena, (count + 1) * sizeof(char *))) != NULL)
        memset(run->members, 0, (count + 1) * sizeof(char *));
    if (run->looked == NULL || run->members == NULL)
        return OL_NOMEM;
    const struct json_node *input = count > 0 ? inputs->first : NULL;
    for (; input != NULL && status == OL_OK; input = input->next, place++) {
        const char *version = json_get_text(input, "version"), *name = json_get_text(input, "name");
        const char *space = json_get_text(input, "namespace");
        name = name != NULL ? name : "an input";
        if (version == NULL) {
            repro_say(c, a, "%.500s has no version", name);
            a->state = OL_MIN(a->state, REPRO_DOCUMENTED);
        } else if (repro_policy_keeps(c->policy, space != NULL ? space : "", name)) {
            continue; /* the policy says that it stays */
        } else if (strncmp(version, "sha256:", 7) == 0) {
            status = judge_bytes(c, run, a, input, place);
        } else {
            repro_say(c, a, "%.500s, version %.200s: nobody says that it stays", name, version);
            a->state = OL_MIN(a->state, REPRO_DOCUMENTED);
        }
    }
    return status == OL_OK ? judge_stdin(c, run, a, &run->looked[count]) : status;
}
