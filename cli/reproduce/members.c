/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A member counts as there only if what is there, or in objects/, has its hash.
 *  2. However many there are, some are named and all are counted. */
#include "members.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "artifact/artifact.h"
#include "receipt/members.h"

struct names {
    size_t count;
    struct ol__buf text;
};
struct look {
    const char *runs;
    const char *folders[2]; /* where members are looked for, in this order; NULL: nowhere else */
    struct artifact sums;   /* of the members that are files, in their order */
    struct names gone, changed, unread;
    size_t count;
};

static void name(struct names *names, struct ol__span member)
{
    if (member.size > 2 && memcmp(member.data, "./", 2) == 0)
        member = (struct ol__span){member.data + 2, member.size - 2};
    if (names->count++ < REPRO_NAMED_MAX)
        ol__buf_add_format(&names->text, "%s%.*s", names->count > 1 ? ", " : "",
                           (int)OL_MIN(member.size, 40u), member.data);
}

static bool find_path(const struct look *l, struct ol__span member, char out[RECEIPT_FULL_SIZE])
{
    struct stat st;
    for (size_t i = 0; i < OL_COUNT(l->folders); i++) {
        bool is_absolute = member.size > 0 && member.data[0] == '/';
        if (l->folders[i] == NULL)
            continue;
        int size = snprintf(out, RECEIPT_FULL_SIZE, "%s%s%.*s", is_absolute ? "" : l->folders[i],
                            is_absolute ? "" : "/", (int)member.size, member.data);
        if (size <= 0 || size >= RECEIPT_FULL_SIZE)
            return false;
        if (lstat(out, &st) == 0)
            return true;
    }
    return false;
}

/* "./a -> b" */
static void look_at_link(struct look *l, struct ol__span line)
{
    char path[RECEIPT_FULL_SIZE], target[4096];
    const char *at = memmem(line.data, line.size, " -> ", 4);
    const struct ol__span member = {line.data, at != NULL ? (size_t)(at - line.data) : line.size};
    const struct ol__span wanted = {at != NULL ? at + 4 : "",
                                    at != NULL ? line.size - member.size - 4 : 0};
    ssize_t size = find_path(l, member, path) ? readlink(path, target, sizeof target) : -1;
    if (size < 0)
        name(&l->gone, member);
    else if ((size_t)size != wanted.size || memcmp(target, wanted.data, wanted.size) != 0)
        name(&l->changed, member);
}

/* One sum for each member that is a file; of one that is not to be found an empty path. */
static ol_status find_all(struct look *l, struct ol__span text)
{
    struct ol__buf space;
    struct artifact_line line;
    size_t budget = ARTIFACT_MEMBERS_MAX;
    ol_status status;
    ol__buf_init(&space, ARTIFACT_TEXT_MAX);
    while ((status = artifact_line_read(&text, &space, &line)) == OL_OK) {
        char path[RECEIPT_FULL_SIZE];
        l->count++;
        if (line.is_link) {
            look_at_link(l, line.name);
            continue;
        }
        status =
            artifact_add_sum(&l->sums, find_path(l, line.name, path) ? path : "", true, &budget);
        if (status != OL_OK)
            break;
        artifact_sum_look(&l->sums.sums[l->sums.sum_count - 1]);
    }
    ol__buf_release(&space);
    return status == OL_END ? OL_OK : status;
}

/* Promise 1. */
static ol_status judge_all(struct look *l, struct ol__span text)
{
    struct ol__buf space;
    struct artifact_line line;
    size_t place = 0;
    ol_status status;
    ol__buf_init(&space, ARTIFACT_TEXT_MAX);
    while ((status = artifact_line_read(&text, &space, &line)) == OL_OK) {
        char sha256[OL_SHA256_TEXT + 1];
        if (line.is_link)
            continue;
        const struct artifact_sum *sum = &l->sums.sums[place++];
        ol__hex(sum->sha256, OL_SHA256_SIZE, sha256);
        bool is_same = sum->is_hashed && strcmp(sha256, line.sha256) == 0;
        if (is_same || evidence_has_object(l->runs, line.sha256))
            continue;
        name(sum->path[0] == '\0'               ? &l->gone
             : sum->is_there && !sum->is_hashed ? &l->unread
                                                : &l->changed,
             line.name);
    }
    ol__buf_release(&space);
    return status == OL_END ? OL_OK : status;
}

static void tell(struct ol__buf *out, const struct names *names, const char *one, const char *many)
{
    if (names->count == 0)
        return;
    ol__buf_add_format(out, "%s%zu %s (%s%s)", out->size > 0 ? ", " : "", names->count,
                       names->count == 1 ? one : many,
                       names->text.data != NULL ? names->text.data : "",
                       names->count > REPRO_NAMED_MAX ? ", ..." : "");
}

static void sum_up(const struct look *l, struct repro_members *ret)
{
    struct ol__buf text;
    *ret = (struct repro_members){.count = l->count,
                                  .gone = l->gone.count,
                                  .changed = l->changed.count,
                                  .unread = l->unread.count};
    ol__buf_init(&text, 4096);
    tell(&text, &l->gone, "is gone", "are gone");
    tell(&text, &l->changed, "is not what it was", "are not what they were");
    tell(&text, &l->unread, "cannot be read", "cannot be read");
    if (text.size > 0 && text.data != NULL)
        snprintf(ret->what, sizeof ret->what, "of %zu member%s %.*s", l->count,
                 l->count == 1 ? "" : "s", (int)text.size, text.data);
    ol__buf_release(&text);
}

static ol_status look_at_text(struct look *l, struct ol__span text)
{
    ol_status status = artifact_init_path(&l->sums, "/");
    if (status == OL_OK)
        status = find_all(l, text);
    if (status == OL_OK)
        status = receipt_hash_sums(&l->sums);
    if (status == OL_OK)
        status = judge_all(l, text);
    artifact_release(&l->sums);
    return status;
}

ol_status repro_members_look(const char *runs, const char *cwd, const struct json_node *artifact,
                             struct repro_members *ret, struct ol_error *err)
{
    char full[RECEIPT_FULL_SIZE];
    struct ol__buf text;
    const char *kind = json_get_text(artifact, "kind");
    const char *members = json_get_text(json_get(artifact, "members"), "sha256");
    struct look l = {.runs = runs, .folders = {cwd, NULL}};
    if (kind == NULL || members == NULL || !receipt_find_artifact(cwd, artifact, full))
        return OL_NOT_FOUND;
    if (strcmp(kind, "directory") == 0) {
        l.folders[0] = full;
    } else if (strcmp(kind, "manifest") == 0) {
        *strrchr(full, '/') = '\0'; /* what was found is absolute */
        l.folders[0] = full;
        l.folders[1] = cwd;
    }
    ol__buf_init(&text, ARTIFACT_TEXT_MAX);
    ol__buf_init(&l.gone.text, 1024);
    ol__buf_init(&l.changed.text, 1024);
    ol__buf_init(&l.unread.text, 1024);
    ol_status status = receipt_members_read(runs, members, &text, err);
    if (status == OL_OK)
        status = look_at_text(&l, (struct ol__span){text.data != NULL ? text.data : "", text.size});
    if (status == OL_OK)
        sum_up(&l, ret);
    ol__buf_release(&text);
    ol__buf_release(&l.gone.text);
    ol__buf_release(&l.changed.text);
    ol__buf_release(&l.unread.text);
    return status == OL_OK || status == OL_NOMEM ? status : OL_NOT_FOUND;
}
