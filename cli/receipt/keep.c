/* SPDX-License-Identifier: Apache-2.0 */
/* What may go. Promises:
 *  1. A run goes only if it is sealed, every file of it could be read, and no decision needs it:
 * neither itself nor what it made is named by one, nor used by a run that is needed.
 *  2. Whatever looks like a SHA-256 in a file of a run that stays is named by it: of the objects
 * none goes that anybody might mean. */
#include "keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "artifact_lines.h"
#include "ids.h"
#include "object.h"

#define DEPTH_MAX 16

const char *receipt_fate_name(enum receipt_fate fate)
{
    static const char *const names[RECEIPT_FATES] = {"go",    "pinned",           "open",
                                                     "young", "last_of_pipeline", "unreadable"};
    return names[fate];
}

/* ---- Sets ---- */

static size_t slot_of(const struct receipt_sums *s, const uint8_t sum[OL_SHA256_SIZE])
{
    size_t at;
    memcpy(&at, sum, sizeof at); /* a hash is its own hash */
    at &= s->cap - 1;
    while (s->used[at] && memcmp(s->items[at], sum, OL_SHA256_SIZE) != 0)
        at = (at + 1) & (s->cap - 1);
    return at;
}

bool receipt_sums_has(const struct receipt_sums *s, const uint8_t sum[OL_SHA256_SIZE])
{
    return s->cap > 0 && s->used[slot_of(s, sum)];
}

static ol_status sums_grow(struct receipt_sums *s)
{
    struct receipt_sums old = *s;
    size_t cap = OL_MAX(old.cap * 2, (size_t)16);
    *s = (struct receipt_sums){.items = calloc(cap, sizeof *s->items),
                               .used = calloc(cap, sizeof *s->used),
                               .count = old.count,
                               .cap = cap};
    if (s->items == NULL || s->used == NULL) {
        free(s->items);
        free(s->used);
        *s = old;
        return OL_NOMEM;
    }
    for (size_t i = 0; i < old.cap; i++)
        if (old.used[i]) {
            size_t at = slot_of(s, old.items[i]);
            s->used[at] = true;
            memcpy(s->items[at], old.items[i], OL_SHA256_SIZE);
        }
    free(old.items);
    free(old.used);
    return OL_OK;
}

ol_status receipt_sums_add(struct receipt_sums *s, const uint8_t sum[OL_SHA256_SIZE])
{
    if (s->count * 2 >= s->cap && sums_grow(s) != OL_OK)
        return OL_NOMEM;
    size_t at = slot_of(s, sum);
    if (s->used[at])
        return OL_OK;
    s->used[at] = true;
    memcpy(s->items[at], sum, OL_SHA256_SIZE);
    s->count++;
    return OL_OK;
}

void receipt_sums_release(struct receipt_sums *s)
{
    free(s->items);
    free(s->used);
    *s = (struct receipt_sums){0};
}

/* "sha256:HEX" or HEX. */
static bool read_sum(const char *text, uint8_t out[OL_SHA256_SIZE])
{
    if (text == NULL)
        return false;
    text += strncmp(text, "sha256:", 7) == 0 ? 7 : 0;
    if (strlen(text) != OL_SHA256_TEXT)
        return false;
    for (size_t i = 0; i < OL_SHA256_SIZE; i++) {
        int high = ol__hex_value(text[2 * i]), low = ol__hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The 16 bytes of a run's id, as receipts or as events write it. */
static bool read_id(const char *text, uint8_t out[OL_SHA256_SIZE])
{
    struct ol__uuid uuid;
    memset(out, 0, OL_SHA256_SIZE);
    if (text == NULL)
        return false;
    if (ol__uuid_is_canonical(ol__span_text(text)) && ol__uuid_parse(ol__span_text(text), &uuid)) {
        memcpy(out, uuid.bytes, sizeof uuid.bytes);
        return true;
    }
    if (!receipt_is_run_id(text))
        return false;
    const char *hex = strchr(text, '_') + 1;
    return ol__hex_read(hex, out, sizeof uuid.bytes);
}

/* ---- What documents name ---- */

struct reading {
    struct receipt_keep *keep;
    struct receipt_kept_run *run; /* NULL: decisions */
    struct ol_error *err;
};

static ol_status nomem(struct ol_error *err)
{
    return ol__error_set(err, OL_NOMEM, "runs folder: out of memory");
}

static ol_status note_all(struct receipt_sums *into, struct receipt_sums *ids,
                          const struct json_node *node)
{
    uint8_t sum[OL_SHA256_SIZE];
    ol_status status = OL_OK;
    if (node == NULL)
        return OL_OK;
    if (node->type == OL_JSON_STRING && read_sum(node->text, sum))
        return receipt_sums_add(into, sum);
    if (node->type == OL_JSON_STRING && read_id(node->text, sum))
        return receipt_sums_add(ids, sum);
    for (const struct json_node *n = node->first; n != NULL && status == OL_OK; n = n->next)
        status = note_all(into, ids, n);
    return status;
}

/* The members of an artifact, where their text is kept; else the artifact itself has to do. */
static ol_status note_members(const struct reading *r, struct receipt_sums *into, const char *text)
{
    char path[RECEIPT_OBJECT_PATH];
    uint8_t sum[OL_SHA256_SIZE];
    struct ol__buf bytes, space;
    struct artifact_line line;
    if (!read_sum(text, sum))
        return OL_OK;
    receipt_object_path(text, path);
    ol__buf_init(&bytes, ARTIFACT_TEXT_MAX);
    ol__buf_init(&space, ARTIFACT_TEXT_MAX);
    ol_status status = receipt_get(r->keep->fd, path, &bytes, NULL, NULL);
    struct ol__span rest = {bytes.data, bytes.size};
    status = status == OL_NOMEM ? OL_NOMEM : OL_OK; /* gone or too large: not followed */
    while (status == OL_OK && artifact_line_read(&rest, &space, &line) == OL_OK)
        if (!line.is_link && read_sum(line.sha256, sum))
            status = receipt_sums_add(into, sum);
    ol__buf_release(&bytes);
    ol__buf_release(&space);
    return status;
}

static ol_status note_artifacts(const struct reading *r, struct receipt_sums *into,
                                const struct json_node *doc, const char *key)
{
    uint8_t sum[OL_SHA256_SIZE];
    ol_status status = OL_OK;
    for (const struct json_node *a = json_get_items(doc, key); a != NULL && status == OL_OK;
         a = a->next) {
        if (read_sum(json_get_text(a, "sha256"), sum))
            status = receipt_sums_add(into, sum);
        if (status == OL_OK)
            status = note_members(r, into, json_get_text(json_get(a, "members"), "sha256"));
    }
    return status;
}

static ol_status note_document(const struct reading *r, const struct json_node *doc)
{
    struct receipt_kept_run *run = r->run;
    if (run == NULL)
        return note_all(&r->keep->decided, &r->keep->decided_ids, doc);
    const char *pipeline = json_get_text(doc, "pipeline");
    ol_status status = note_all(&run->named, &run->ids, doc);
    if (status == OL_OK)
        status = note_artifacts(r, &run->used, doc, "inputs");
    if (status == OL_OK)
        status = note_artifacts(r, &run->made, doc, "outputs");
    if (status == OL_OK && json_get(doc, "artifact") != NULL) { /* inputs/NAME.json */
        uint8_t sum[OL_SHA256_SIZE];
        const struct json_node *a = json_get(doc, "artifact");
        if (read_sum(json_get_text(a, "sha256"), sum))
            status = receipt_sums_add(&run->used, sum);
        if (status == OL_OK)
            status = note_members(r, &run->used, json_get_text(json_get(a, "members"), "sha256"));
    }
    if (status == OL_OK && pipeline != NULL && run->pipeline == NULL &&
        (run->pipeline = strdup(pipeline)) == NULL)
        status = OL_NOMEM;
    return status;
}

/* ---- Reading a folder ---- */

static bool is_json(const char *name)
{
    size_t size = strlen(name);
    return size > 5 && strcmp(name + size - 5, ".json") == 0;
}

static ol_status read_folder(const struct reading *r, int dirfd, const char *name, int depth);

static ol_status read_entry(const struct reading *r, int dirfd, const char *name, int depth)
{
    struct stat st;
    struct json_doc doc;
    struct receipt_kept_run *run = r->run;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? OL_OK : ol__error_set_errno(r->err, errno, "'%s'", name);
    if (S_ISDIR(st.st_mode))
        return read_folder(r, dirfd, name, depth + 1);
    if (!S_ISREG(st.st_mode))
        return OL_OK;
    if (run != NULL) {
        run->bytes += (int64_t)st.st_size;
        if (depth == 0 && strcmp(name, "seal.json") == 0) {
            run->is_sealed = true;
            run->sealed_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
            return OL_OK; /* it names files, no objects */
        }
    }
    if (!is_json(name))
        return OL_OK;
    ol_status status = receipt_get_doc(dirfd, name, RECEIPT_FILE_MAX, &doc, NULL);
    if (status == OL_NOT_FOUND)
        return OL_OK;
    if (status != OL_OK) { /* what an attempt kept may be anything; promise 1 */
        if (run != NULL && (strcmp(name, "receipt.json") == 0 || strcmp(name, "claim.json") == 0 ||
                            strcmp(name, "manifest.json") == 0))
            run->is_readable = false;
        return run != NULL
                   ? OL_OK
                   : ol__error_set(r->err, OL_CORRUPT,
                                   "decision '%s' cannot be read: what it pins is not known, "
                                   "so nothing is removed",
                                   name);
    }
    status = note_document(r, doc.root);
    json_doc_release(&doc);
    return status == OL_NOMEM ? nomem(r->err) : status;
}

static ol_status read_folder(const struct reading *r, int dirfd, const char *name, int depth)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    ol_status status = OL_OK;
    if (dir == NULL) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return code == ENOENT ? OL_OK : ol__error_set_errno(r->err, code, "folder '%s'", name);
    }
    if (depth > DEPTH_MAX)
        status = ol__error_set(r->err, OL_TOO_LARGE, "folder '%s': too deep", name);
    for (struct dirent *e; status == OL_OK && (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.')
            status = read_entry(r, fd, e->d_name, depth);
    closedir(dir);
    return status;
}

static ol_status add_run(struct receipt_keep *keep, const char *run_id, struct ol_error *err)
{
    if (keep->count == keep->cap) {
        size_t cap = keep->cap * 2 + 64;
        struct receipt_kept_run *items = realloc(keep->items, cap * sizeof *items);
        if (items == NULL)
            return nomem(err);
        keep->items = items;
        keep->cap = cap;
    }
    struct receipt_kept_run *run = &keep->items[keep->count++];
    *run = (struct receipt_kept_run){.is_readable = true};
    memcpy(run->run_id, run_id, sizeof run->run_id); /* receipt_is_run_id() */
    struct reading reading = {.keep = keep, .run = run, .err = err};
    ol_status status = read_folder(&reading, keep->fd, run_id, 0);
    if (status == OL_DENIED || status == OL_TOO_LARGE || status == OL_IO) {
        run->is_readable = false; /* it stays; the others are looked at */
        status = OL_OK;
    }
    return status;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct receipt_kept_run *)a)->run_id,
                  ((const struct receipt_kept_run *)b)->run_id);
}

ol_status receipt_keep_read(const char *runs, struct receipt_keep *ret, struct ol_error *err)
{
    *ret = (struct receipt_keep){.fd = -1, .runs = strdup(runs)};
    ol_status status = ret->runs == NULL ? nomem(err) : ol__fs_open_directory(runs, &ret->fd, err);
    int copy = status == OL_OK ? openat(ret->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (status == OL_OK && dir == NULL)
        status = ol__error_set_errno(err, errno, "runs folder '%s'", runs);
    for (struct dirent *e; status == OL_OK && (e = readdir(dir)) != NULL;)
        if (receipt_is_run_id(e->d_name))
            status = add_run(ret, e->d_name, err);
    if (dir != NULL)
        closedir(dir);
    else if (copy >= 0)
        close(copy);
    struct reading reading = {.keep = ret, .err = err};
    if (status == OL_OK)
        status = read_folder(&reading, ret->fd, "decisions", 0);
    if (status == OL_OK && ret->count > 0)
        qsort(ret->items, ret->count, sizeof *ret->items, by_id);
    if (status != OL_OK)
        receipt_keep_release(ret);
    return status;
}

void receipt_keep_release(struct receipt_keep *keep)
{
    for (size_t i = 0; i < keep->count; i++) {
        free(keep->items[i].pipeline);
        receipt_sums_release(&keep->items[i].made);
        receipt_sums_release(&keep->items[i].used);
        receipt_sums_release(&keep->items[i].named);
        receipt_sums_release(&keep->items[i].ids);
    }
    receipt_sums_release(&keep->decided);
    receipt_sums_release(&keep->decided_ids);
    free(keep->items);
    free(keep->runs);
    if (keep->fd >= 0)
        close(keep->fd);
    *keep = (struct receipt_keep){.fd = -1};
}

/* ---- Judging ---- */

static bool meets(const struct receipt_sums *a, const struct receipt_sums *b)
{
    for (size_t i = 0; i < a->cap; i++)
        if (a->used[i] && receipt_sums_has(b, a->items[i]))
            return true;
    return false;
}

/* Promise 1: until nothing new is needed. */
static ol_status pin(struct receipt_keep *keep, struct receipt_sums *needed)
{
    ol_status status = OL_OK;
    for (bool is_new = true; is_new && status == OL_OK;) {
        is_new = false;
        for (size_t i = keep->count; i-- > 0 && status == OL_OK;) { /* the newest first: it mostly
                                                                       takes one round */
            struct receipt_kept_run *run = &keep->items[i];
            if (run->fate == RECEIPT_PINNED || !meets(&run->made, needed))
                continue;
            run->fate = RECEIPT_PINNED;
            is_new = true;
            for (size_t k = 0; k < run->used.cap && status == OL_OK; k++)
                if (run->used.used[k])
                    status = receipt_sums_add(needed, run->used.items[k]);
        }
    }
    return status;
}

/* How many runs of the same pipeline are newer. */
static int64_t newer(const struct receipt_keep *keep, size_t i)
{
    int64_t count = 0;
    const char *name = keep->items[i].pipeline;
    for (size_t k = i + 1; k < keep->count; k++) {
        const char *other = keep->items[k].pipeline;
        count += (name == NULL && other == NULL) ||
                 (name != NULL && other != NULL && strcmp(name, other) == 0);
    }
    return count;
}

static enum receipt_fate fate_of(const struct receipt_keep *keep, size_t i,
                                 const struct receipt_keep_policy *policy)
{
    const struct receipt_kept_run *run = &keep->items[i];
    if (!run->is_readable)
        return RECEIPT_UNREADABLE;
    if (!run->is_sealed)
        return RECEIPT_OPEN;
    if (run->sealed_ms >= policy->before_ms)
        return RECEIPT_YOUNG;
    return policy->keep_last > 0 && newer(keep, i) < policy->keep_last ? RECEIPT_LAST
                                                                       : RECEIPT_GOES;
}

ol_status receipt_keep_judge(struct receipt_keep *keep, const struct receipt_keep_policy *policy,
                             struct ol_error *err)
{
    struct receipt_sums needed = {0};
    ol_status status = OL_OK;
    memset(keep->fates, 0, sizeof keep->fates);
    keep->bytes = keep->objects = keep->object_bytes = keep->objects_stay = 0;
    for (size_t i = 0; i < keep->count; i++)
        keep->items[i].fate = fate_of(keep, i, policy);
    for (size_t i = 0; i < keep->decided.cap && status == OL_OK; i++)
        if (keep->decided.used[i])
            status = receipt_sums_add(&needed, keep->decided.items[i]);
    for (size_t i = 0; i < keep->count && status == OL_OK; i++) {
        struct receipt_kept_run *run = &keep->items[i];
        if (!meets(&run->ids, &keep->decided_ids))
            continue;
        run->fate = RECEIPT_PINNED;
        for (size_t k = 0; k < run->used.cap && status == OL_OK; k++)
            if (run->used.used[k])
                status = receipt_sums_add(&needed, run->used.items[k]);
    }
    if (status == OL_OK)
        status = pin(keep, &needed);
    receipt_sums_release(&needed);
    for (size_t i = 0; i < keep->count; i++) {
        keep->fates[keep->items[i].fate]++;
        keep->bytes += keep->items[i].fate == RECEIPT_GOES ? keep->items[i].bytes : 0;
    }
    return status == OL_OK ? receipt_keep_objects(keep, policy, NULL, NULL, err) : nomem(err);
}
