/* SPDX-License-Identifier: Apache-2.0 */
/* JSON-lines manifests: of each line only the name and the hash are kept. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "artifact.h"
#include "json_read.h"
#include "artifact_lines.h"

#define PIECE ((size_t)256 << 10)

/* ---- one line ---- */

struct fields {
    struct ol__buf *path, *id;
    char sha256[OL_SHA256_TEXT + 1];
    bool is_object;
};

static ol_status take_name(struct ol__buf *out, const char *key, const struct ol__json_value *value,
                           struct ol_error *err)
{
    bool is_number = value->type == OL_JSON_NUMBER && strcmp(key, "id") == 0;
    if ((value->type != OL_JSON_STRING && !is_number) || value->text.size == 0 ||
        memchr(value->text.data, '\0', value->text.size) != NULL)
        return ol__error_set(err, OL_INVALID, "/%s: expected a text%s", key,
                             strcmp(key, "id") == 0 ? " or a number" : "");
    ol__buf_reset(out);
    return ol__buf_add(out, value->text.data, value->text.size);
}

static ol_status take_hash(struct fields *f, const struct ol__json_value *value,
                           struct ol_error *err)
{
    struct ol__span text = value->text;
    bool is_hash = value->type == OL_JSON_STRING && text.size == OL_SHA256_TEXT;
    for (size_t i = 0; is_hash && i < text.size; i++) {
        int digit = ol__hex_value(text.data[i]);
        is_hash = digit >= 0;
        f->sha256[i] = "0123456789abcdef"[OL_MAX(digit, 0)];
    }
    f->sha256[is_hash ? OL_SHA256_TEXT : 0] = '\0';
    return is_hash ? OL_OK
                   : ol__error_set(err, OL_INVALID, "/sha256: expected 64 hexadecimal digits");
}

static ol_status take_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    static const char *const keys[][1] = {{"path"}, {"id"}, {"sha256"}};
    struct fields *f = arg;
    if (value->depth == 0 && value->type == OL_JSON_OBJECT)
        f->is_object = true;
    if (value->type == OL_JSON_OBJECT_END || value->type == OL_JSON_ARRAY_END)
        return OL_OK;
    if (ol__json_at(value, keys[0], 1))
        return take_name(f->path, "path", value, err);
    if (ol__json_at(value, keys[1], 1))
        return take_name(f->id, "id", value, err);
    return ol__json_at(value, keys[2], 1) ? take_hash(f, value, err) : OL_OK;
}

static bool is_blank(struct ol__span line)
{
    for (size_t i = 0; i < line.size; i++) {
        if (strchr(" \t\r\n", line.data[i]) == NULL || line.data[i] == '\0')
            return false;
    }
    return true;
}

ol_status artifact_read_manifest_line(struct ol__json_reader *reader, struct ol__span line,
                                      struct ol__buf *name, char sha256[OL_SHA256_TEXT + 1],
                                      struct ol_error *err)
{
    struct ol__buf path, id;
    if (is_blank(line))
        return OL_END;
    ol__buf_init(&path, ARTIFACT_MANIFEST_LINE_MAX);
    ol__buf_init(&id, ARTIFACT_MANIFEST_LINE_MAX);
    struct fields f = {.path = &path, .id = &id};
    ol_status status = ol__json_read(
        reader, line, &(struct ol__json_limits){.size_max = ARTIFACT_MANIFEST_LINE_MAX}, take_value,
        &f, err);
    const struct ol__buf *chosen = path.size > 0 ? &path : &id;
    if (status == OL_OK && !f.is_object)
        status = ol__error_set(err, OL_INVALID, "expected an object");
    else if (status == OL_OK && chosen->size == 0)
        status = ol__error_set(err, OL_INVALID, "expected a member 'path' or 'id'");
    else if (status == OL_OK && f.sha256[0] == '\0')
        status = ol__error_set(err, OL_INVALID, "expected a member 'sha256'");
    if (status == OL_OK) {
        memcpy(sha256, f.sha256, sizeof f.sha256);
        status = ol__buf_add(name, chosen->data, chosen->size);
    }
    ol__buf_release(&path);
    ol__buf_release(&id);
    return status == OL_TOO_LARGE
               ? ol__error_set(err, OL_INVALID, "longer than %zu bytes", ARTIFACT_MANIFEST_LINE_MAX)
               : status;
}

/* ---- all of them ---- */

struct member {
    const char *name; /* in the artifact's arena */
    char sha256[OL_SHA256_TEXT + 1];
};
struct reading {
    struct artifact *a;
    struct ol__json_reader *reader;
    struct ol__buf name;
    struct member *members; /* owned */
    size_t count, cap, line;
};

static ol_status refuse(struct reading *r, const char *message)
{
    snprintf(r->a->trouble, sizeof r->a->trouble, "line %zu: %.200s; its members are not recorded",
             r->line, message);
    return OL_END;
}

static ol_status add_member(struct reading *r, const char *sha256)
{
    if (r->count == ARTIFACT_MEMBERS_MAX)
        return refuse(r, "more than 1000000 members");
    if (r->count == r->cap) {
        struct member *members = ol__grow(r->members, &r->cap, sizeof *members);
        if (members == NULL)
            return OL_NOMEM;
        r->members = members;
    }
    char *name = ol__arena_alloc(&r->a->arena, r->name.size + 1);
    if (name == NULL)
        return OL_NOMEM;
    memcpy(name, r->name.data, r->name.size + 1);
    struct member *m = &r->members[r->count++];
    m->name = name;
    memcpy(m->sha256, sha256, sizeof m->sha256);
    return OL_OK;
}

static ol_status read_line(struct reading *r, struct ol__span line)
{
    struct ol_error err = {.message = ""};
    char sha256[OL_SHA256_TEXT + 1];
    r->line++;
    ol__buf_reset(&r->name);
    ol_status status = artifact_read_manifest_line(r->reader, line, &r->name, sha256, &err);
    if (status == OL_END)
        return OL_OK;
    if (status == OL_OK)
        return add_member(r, sha256);
    return status == OL_NOMEM ? OL_NOMEM : refuse(r, err.message);
}

/** Lines up to the end of the file. */
static ol_status read_lines(struct reading *r, int fd, struct ol__buf *waiting)
{
    ol_status status = OL_OK;
    for (off_t at = 0; status == OL_OK;) {
        char *room = ol__buf_room(waiting, PIECE);
        if (room == NULL) {
            r->line++;
            return waiting->status == OL_NOMEM ? OL_NOMEM : refuse(r, "longer than 4 MiB");
        }
        ssize_t n = pread(fd, room, PIECE, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return refuse(r, strerror(errno));
        if (n == 0)
            break;
        at += n;
        ol__buf_grow(waiting, (size_t)n);
        size_t used = 0;
        const char *newline;
        while (status == OL_OK &&
               (newline = memchr(waiting->data + used, '\n', waiting->size - used)) != NULL) {
            size_t size = (size_t)(newline - waiting->data) - used;
            status = read_line(r, (struct ol__span){waiting->data + used, size});
            used += size + 1;
        }
        ol__buf_consume(waiting, used);
    }
    if (status == OL_OK && waiting->size > 0)
        status = read_line(r, (struct ol__span){waiting->data, waiting->size});
    return status;
}

static int compare(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int by_name = strcmp(x->name, y->name);
    return by_name != 0 ? by_name : strcmp(x->sha256, y->sha256);
}

/** Each member once, in order; a name with two hashes is trouble. */
static ol_status write_members(struct reading *r)
{
    struct artifact *a = r->a;
    size_t count = 0;
    if (r->count > 1)
        qsort(r->members, r->count, sizeof *r->members, compare);
    for (size_t i = 0; i < r->count; i++) {
        const struct member *m = &r->members[i], *before = i > 0 ? m - 1 : NULL;
        bool is_again = before != NULL && strcmp(before->name, m->name) == 0;
        if (is_again && strcmp(before->sha256, m->sha256) != 0) {
            snprintf(a->trouble, sizeof a->trouble,
                     "'%.100s' is named with two hashes; its members are not recorded", m->name);
            return OL_END;
        }
        if (is_again)
            continue;
        artifact_line_add(&a->members, m->sha256, m->name);
        count++;
    }
    a->member_count = (int64_t)count;
    return a->members.status;
}

ol_status artifact_read_manifest(struct artifact *a, int fd)
{
    struct reading r = {.a = a};
    struct ol__buf waiting;
    ol__buf_init(&waiting, ARTIFACT_MANIFEST_LINE_MAX + PIECE);
    ol__buf_init(&r.name, ARTIFACT_MANIFEST_LINE_MAX);
    ol_status status = ol__json_reader_new(&r.reader, NULL);
    if (status == OL_OK)
        status = read_lines(&r, fd, &waiting);
    if (status == OL_OK)
        status = write_members(&r);
    if (status == OL_TOO_LARGE) {
        snprintf(a->trouble, sizeof a->trouble, "the names of its members are too long together");
        status = OL_END;
    }
    if (status != OL_OK) {
        ol__buf_release(&a->members);
        a->member_count = -1;
    }
    ol__json_reader_free(r.reader);
    ol__buf_release(&r.name);
    ol__buf_release(&waiting);
    free(r.members);
    return status < 0 ? status : OL_OK;
}
