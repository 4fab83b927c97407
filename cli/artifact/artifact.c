/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "artifact_lines.h"

static const char manifest_mark[] = "manifest:";

const char *artifact_kind_name(enum artifact_kind kind)
{
    static const char *const names[ARTIFACT_KINDS] = {[ARTIFACT_FILE] = "file",
                                                      [ARTIFACT_REMOTE] = "remote",
                                                      [ARTIFACT_DIRECTORY] = "directory",
                                                      [ARTIFACT_MANIFEST] = "manifest",
                                                      [ARTIFACT_LIST] = "list"};
    return names[kind];
}

/** What the text declares: a hash is the id, anything else a version. @return whether it is one of
 * them. */
static bool take_version(struct artifact *a, const char *version)
{
    static const char sha256[] = "sha256:";
    if (version[0] == '\0')
        return true;
    if (strncmp(version, sha256, sizeof sha256 - 1) == 0 &&
        strlen(version) == sizeof sha256 - 1 + OL_SHA256_TEXT)
        memcpy(a->sha256, version + sizeof sha256 - 1, OL_SHA256_TEXT + 1);
    a->version = strdup(version);
    return a->version != NULL;
}

ol_status artifact_init(struct artifact *a, const char *text, bool is_local)
{
    char name_space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE],
        version[OL_DATASET_VERSION_SIZE];
    *a = (struct artifact){.text = text, .subject = text, .size = -1, .member_count = -1};
    ol__buf_init(&a->members, ARTIFACT_TEXT_MAX);
    bool is_manifest = strncmp(text, manifest_mark, sizeof manifest_mark - 1) == 0;
    bool is_list = text[0] == '@';
    a->subject += is_manifest ? sizeof manifest_mark - 1 : is_list ? 1 : 0;
    a->kind = ARTIFACT_REMOTE;
    snprintf(a->reason, sizeof a->reason, "no file of this machine");
    struct ol_error err = {.message = ""};
    if (ol_dataset_name(a->subject, name_space, sizeof name_space, name, sizeof name, version,
                        sizeof version, &err) != OL_OK) {
        if (err.message[0] != '\0')
            snprintf(a->reason, sizeof a->reason, "%.250s", err.message);
        return OL_OK; /* the run says it */
    }
    a->name_space = strdup(name_space);
    a->name = strdup(name);
    if (a->name_space == NULL || a->name == NULL || !take_version(a, version))
        return OL_NOMEM;
    if (a->version != NULL)
        a->reason[0] = '\0'; /* it is declared */
    if (strcmp(name_space, "file") != 0)
        return OL_OK;
    a->kind = is_manifest ? ARTIFACT_MANIFEST : is_list ? ARTIFACT_LIST : ARTIFACT_FILE;
    if (a->version != NULL)
        return OL_OK;
    snprintf(a->reason, sizeof a->reason, "%s", is_local ? "not there" : "nothing is hashed");
    if (is_local && (a->path = strdup(name)) == NULL)
        return OL_NOMEM;
    return OL_OK;
}

ol_status artifact_init_path(struct artifact *a, const char *path)
{
    *a = (struct artifact){.text = path, .subject = path, .size = -1, .member_count = -1};
    ol__buf_init(&a->members, ARTIFACT_TEXT_MAX);
    a->is_literal = true;
    a->path = strdup(path);
    return a->path != NULL ? OL_OK : OL_NOMEM;
}

/* ---- looking ---- */

/** Forget what was found before. */
static void forget(struct artifact *a)
{
    for (size_t i = 0; i < a->sum_count; i++)
        artifact_sum_close(&a->sums[i]);
    a->sum_count = a->link_count = a->left_out = 0;
    ol__arena_reset(&a->arena, 0);
    ol__buf_reset(&a->members);
    a->size = a->member_count = -1;
    a->reason[0] = a->trouble[0] = '\0';
}

static ol_status look_at_file(struct artifact *a, size_t *budget)
{
    ol_status status = artifact_add_sum(a, a->path, true, budget);
    if (status == OL_TOO_LARGE) {
        snprintf(a->reason, sizeof a->reason, "more than %d members", ARTIFACT_MEMBERS_MAX);
        return OL_OK;
    }
    if (status != OL_OK)
        return status;
    artifact_sum_look(&a->sums[0]);
    a->sums[0].is_kept_open = a->kind == ARTIFACT_MANIFEST;
    return OL_OK;
}

ol_status artifact_look(struct artifact *a, size_t *budget)
{
    struct stat st;
    if (a->path == NULL)
        return OL_OK;
    forget(a);
    bool is_there = lstat(a->path, &st) == 0;
    bool is_directory = is_there && stat(a->path, &st) == 0 && S_ISDIR(st.st_mode);
    if (a->kind == ARTIFACT_FILE || a->kind == ARTIFACT_DIRECTORY || a->is_glob) {
        a->is_glob = !is_there && !a->is_literal && strpbrk(a->path, "*?[") != NULL;
        a->kind = a->is_glob ? ARTIFACT_LIST : is_directory ? ARTIFACT_DIRECTORY : ARTIFACT_FILE;
    }
    ol_status status = a->kind == ARTIFACT_DIRECTORY ? artifact_walk(a, budget)
                       : a->is_glob                  ? artifact_expand_glob(a, budget)
                       : a->kind == ARTIFACT_LIST    ? artifact_read_list(a, budget)
                                                     : look_at_file(a, budget);
    for (size_t i = 0; a->kind == ARTIFACT_LIST && i < a->sum_count; i++)
        artifact_sum_look(&a->sums[i]);
    return status;
}

struct artifact_sum **artifact_collect_sums(struct artifact *const *items, size_t count,
                                            size_t *ret_count)
{
    size_t total = 0, at = 0;
    *ret_count = 0;
    for (size_t i = 0; i < count; i++)
        total += items[i]->sum_count;
    struct artifact_sum **sums = total > 0 ? malloc(total * sizeof(struct artifact_sum *)) : NULL;
    if (sums == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < items[i]->sum_count; k++)
            sums[at++] = &items[i]->sums[k];
    }
    *ret_count = total;
    return sums;
}

/* ---- the id ---- */

static ol_status hash_text(struct ol__span text, char out[OL_SHA256_TEXT + 1])
{
    ol__sha256_read_no_config();
    return ol__sha256_text(text, out, NULL);
}

/** The path as the text has it. */
static void add_line(struct artifact *a, const struct artifact_sum *sum, size_t root_size,
                     struct ol__buf *name)
{
    char hex[OL_SHA256_TEXT + 1];
    ol__hex(sum->sha256, sizeof sum->sha256, hex);
    if (a->kind != ARTIFACT_DIRECTORY) {
        artifact_line_add(&a->members, hex, sum->path);
        return;
    }
    ol__buf_reset(name);
    ol__buf_add_char(name, '.');
    if (ol__buf_add_text(name, sum->path + root_size) == OL_OK)
        artifact_line_add(&a->members, hex, name->data);
    else
        a->members.status = name->status;
}

static ol_status write_text(struct artifact *a)
{
    struct ol__buf name;
    size_t root_size = strcmp(a->path, "/") == 0 ? 0 : strlen(a->path);
    ol__buf_init(&name, (size_t)64 << 10);
    a->size = 0;
    for (size_t i = 0; i < a->sum_count; i++) {
        add_line(a, &a->sums[i], root_size, &name);
        a->size += a->sums[i].stamp.size;
    }
    for (size_t i = 0; i < a->link_count; i++)
        ol__buf_add_text(&a->members, a->links[i]);
    ol__buf_release(&name);
    a->member_count = (int64_t)(a->sum_count + a->link_count);
    return a->members.status;
}

/** The text is all that is asked for from here on. */
static void drop_sums(struct artifact *a)
{
    for (size_t i = 0; i < a->sum_count; i++)
        artifact_sum_close(&a->sums[i]);
    free(a->sums);
    free(a->links);
    a->sums = NULL;
    a->links = NULL;
    a->sum_count = a->sum_cap = a->link_count = a->link_cap = 0;
    ol__arena_reset(&a->arena, 0);
}

static ol_status finish_members(struct artifact *a)
{
    ol_status status = write_text(a);
    drop_sums(a);
    const struct ol__span text = {a->members.data, a->members.size};
    if (status == OL_OK)
        status = hash_text(text, a->sha256);
    memcpy(a->members_sha256, a->sha256, sizeof a->members_sha256);
    if (status == OL_OK)
        return OL_OK;
    a->sha256[0] = '\0';
    a->size = a->member_count = -1;
    ol__buf_release(&a->members);
    snprintf(a->reason, sizeof a->reason, "the names of its members are too long together");
    return status == OL_TOO_LARGE ? OL_OK : status;
}

static ol_status finish_file(struct artifact *a)
{
    struct artifact_sum *sum = &a->sums[0];
    struct stat st;
    struct artifact_stamp now;
    a->size = sum->stamp.size;
    ol__hex(sum->sha256, sizeof sum->sha256, a->sha256);
    if (a->kind != ARTIFACT_MANIFEST)
        return OL_OK;
    artifact_sum_open(sum); /* its hash may have been known */
    ol_status status = OL_OK;
    if (sum->fd < 0)
        snprintf(a->trouble, sizeof a->trouble, "cannot be opened: its members are not recorded");
    else
        status = artifact_read_manifest(a, sum->fd);
    if (sum->fd >= 0 && fstat(sum->fd, &st) == 0) {
        artifact_stamp_of(&st, &now);
        if (!artifact_stamp_is_same(&sum->stamp, &now)) {
            ol__buf_release(&a->members);
            a->member_count = -1;
            snprintf(a->trouble, sizeof a->trouble,
                     "changed while it was read: its members are not recorded");
        }
    }
    artifact_sum_close(sum);
    if (status == OL_OK && a->member_count >= 0)
        status = hash_text((struct ol__span){a->members.data, a->members.size}, a->members_sha256);
    return status;
}

ol_status artifact_finish(struct artifact *a)
{
    bool has_members = a->kind == ARTIFACT_DIRECTORY || a->kind == ARTIFACT_LIST;
    if (a->path == NULL)
        return OL_OK;
    a->sha256[0] = a->members_sha256[0] = '\0';
    for (size_t i = 0; i < a->sum_count && a->reason[0] == '\0'; i++) {
        const struct artifact_sum *sum = &a->sums[i];
        const char *why = sum->reason != NULL ? sum->reason : "out of memory";
        if (!has_members && sum->is_there)
            a->size = sum->stamp.size;
        if (!sum->is_hashed && has_members)
            snprintf(a->reason, sizeof a->reason, "'%.150s': %s", sum->path, why);
        else if (!sum->is_hashed)
            snprintf(a->reason, sizeof a->reason, "%s", why);
    }
    if (a->reason[0] != '\0')
        return OL_OK;
    return has_members ? finish_members(a) : finish_file(a);
}

void artifact_release(struct artifact *a)
{
    for (size_t i = 0; i < a->sum_count; i++)
        artifact_sum_close(&a->sums[i]);
    ol__arena_reset(&a->arena, 0);
    ol__buf_release(&a->members);
    free(a->sums);
    free(a->links);
    free(a->name_space);
    free(a->name);
    free(a->version);
    free(a->path);
    *a = (struct artifact){.size = -1, .member_count = -1};
}
