/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. bundle.json is written last, and names the hash of SHA256SUMS, which names all other files: a
 *     bundle that was cut short or changed is none.
 *  2. Everything is copied by its hash: what is not what it was does not get in. */
#include "bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "json_write.h"
#include "layout.h"
#include "receipt/listing.h"
#include "receipt/members.h"
#include "script.h"
#include "times.h"

#define SCRIPT_MAX ((size_t)512 << 20)

struct bundle {
    const struct replay_plan *plan;
    const char *directory;
    struct bundle_figures *figures;
    struct ol__buf sums; /* SHA256SUMS */
    struct ol_error *err;
};

OL_PRINTF(3, 4)
static bool path_in(const char *folder, char out[RECEIPT_FULL_SIZE], const char *format, ...)
{
    char name[RECEIPT_FULL_SIZE];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof name)
        return false;
    size = snprintf(out, RECEIPT_FULL_SIZE, "%s/%s", folder, name);
    return size > 0 && size < RECEIPT_FULL_SIZE;
}

static ol_status too_long(struct bundle *b)
{
    return ol__error_set(b->err, OL_TOO_LARGE, "bundle '%.200s': a path is too long", b->directory);
}

/* A line of SHA256SUMS. */
static void note(struct bundle *b, const char *sha256, const char *name)
{
    artifact_line_add(&b->sums, sha256, name);
}

/* ---- objects ---- */

static ol_status add_object(struct bundle *b, const char *sha256, const struct replay_file *from)
{
    char object[RECEIPT_OBJECT_PATH], to[RECEIPT_FULL_SIZE], name[RECEIPT_OBJECT_PATH + 8];
    const struct replay_file kept = {.full = "its place in objects/", .sha256 = sha256};
    int64_t bytes = 0;
    struct stat st;
    if (strlen(sha256) != OL_SHA256_TEXT || strspn(sha256, "0123456789abcdef") != OL_SHA256_TEXT)
        return ol__error_set(b->err, OL_INVALID, "'%.80s' is no hash", sha256);
    receipt_object_path(sha256, object);
    snprintf(name, sizeof name, "runs/%s", object);
    if (!path_in(b->directory, to, "%s", name))
        return too_long(b);
    if (stat(to, &st) == 0)
        return OL_OK;
    ol_status status = layout_fetch(b->plan->runs, from != NULL ? from : &kept, to, &bytes, b->err);
    if (status != OL_OK)
        return status;
    note(b, sha256, name);
    b->figures->files++;
    b->figures->bytes += bytes;
    return OL_OK;
}

/* What was kept, and is gone since, is a loss that the script does not need: patch and members are
 * asked for again where they are. */
static ol_status add_kept(struct bundle *b, const struct json_node *item)
{
    const char *sha256 = json_get_text(item, "sha256");
    if (sha256 == NULL)
        return OL_OK;
    ol_status status = add_object(b, sha256, NULL);
    return status == OL_NOT_FOUND
               ? ol__error_set(b->err, OL_NOT_FOUND, "kept content %.64s is gone", sha256)
               : status;
}

static ol_status add_receipt_objects(struct bundle *b, const struct json_node *doc)
{
    static const char *const sides[] = {"inputs", "outputs"};
    ol_status status = OL_OK;
    const struct json_node *item = json_get_items(doc, "kept");
    for (; item != NULL && status == OL_OK; item = item->next)
        status = add_kept(b, item);
    if (status == OL_OK)
        status = add_kept(b, json_get(json_get(doc, "artifact"), "members"));
    for (size_t i = 0; i < OL_COUNT(sides); i++)
        for (item = json_get_items(doc, sides[i]); item != NULL && status == OL_OK;
             item = item->next)
            status = add_kept(b, json_get(item, "members"));
    return status;
}

/* ---- the run's folder ---- */

static bool is_document(const char *path)
{
    size_t size = strlen(path);
    return size > 13 && strcmp(path + size - 13, "/receipt.json") == 0;
}

static ol_status add_folder_file(struct bundle *b, const struct receipt_folder *folder,
                                 const char *path, const char *sha256)
{
    char from[RECEIPT_FULL_SIZE], to[RECEIPT_FULL_SIZE], name[RECEIPT_FULL_SIZE];
    int64_t bytes;
    struct json_doc doc;
    snprintf(name, sizeof name, "runs/%s/%s", folder->run_id, path);
    if (!path_in(folder->runs, from, "%s/%s", folder->run_id, path) ||
        !path_in(b->directory, to, "%s", name))
        return too_long(b);
    ol_status status = layout_copy(from, to, sha256, &bytes, b->err);
    if (status == OL_OK)
        note(b, sha256, name);
    if (status != OL_OK || (!is_document(path) && strncmp(path, "inputs/", 7) != 0))
        return status;
    status = receipt_get_doc(folder->fd, path, RECEIPT_FILE_MAX, &doc, b->err);
    if (status != OL_OK)
        return status;
    status = add_receipt_objects(b, doc.root);
    json_doc_release(&doc);
    return status;
}

/* Links are made anew; what else an attempt left that is no file stays behind. */
static ol_status add_links(struct bundle *b, const struct receipt_folder *folder,
                           const struct receipt_listing *listing)
{
    for (size_t i = 0; i < listing->other_count; i++) {
        char from[RECEIPT_FULL_SIZE], to[RECEIPT_FULL_SIZE], target[4096];
        const char *path = listing->others[i].path;
        if (!path_in(folder->runs, from, "%s/%s", folder->run_id, path) ||
            !path_in(b->directory, to, "runs/%s/%s", folder->run_id, path))
            return too_long(b);
        char *slash = strrchr(to, '/');
        *slash = '\0';
        ol_status status = ol__fs_make_directories(to, 0777, b->err);
        *slash = '/';
        if (status != OL_OK)
            return status;
        ssize_t size = readlink(from, target, sizeof target - 1);
        if (size < 0) {
            if (mkfifo(to, 0644) != 0)
                return ol__error_set_errno(b->err, errno, "'%s'", to);
            continue;
        }
        target[size] = '\0';
        if (symlink(target, to) != 0)
            return ol__error_set_errno(b->err, errno, "'%s'", to);
    }
    return OL_OK;
}

static ol_status add_run(struct bundle *b)
{
    struct receipt_folder folder = {.fd = -1};
    struct receipt_listing listing = {.items = NULL};
    char seal[OL_SHA256_TEXT + 1];
    struct ol__buf text;
    ol__buf_init(&text, RECEIPT_SEAL_MAX);
    ol_status status = receipt_folder_open(b->plan->runs, b->plan->run_id, &folder, b->err);
    if (status == OL_OK)
        status = receipt_list(&folder, &listing, b->err);
    for (size_t i = 0; status == OL_OK && i < listing.count; i++)
        status = add_folder_file(b, &folder, listing.items[i].path, listing.items[i].sha256);
    if (status == OL_OK)
        status = add_links(b, &folder, &listing);
    if (status == OL_OK && receipt_is_sealed(&folder)) {
        status = receipt_get(folder.fd, "seal.json", &text, seal, b->err);
        if (status == OL_OK)
            status = add_folder_file(b, &folder, "seal.json", seal);
    }
    ol__buf_release(&text);
    receipt_listing_release(&listing);
    receipt_folder_close(&folder);
    return status;
}

/* ---- code, script, sums ---- */

static ol_status hash_file(struct bundle *b, const char *path, const char *name)
{
    char sha256[OL_SHA256_TEXT + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ol__error_set_errno(b->err, errno, "'%s'", path);
    ol_status status = ol__sha256_file(fd, 0, sha256, NULL, b->err);
    close(fd);
    if (status == OL_OK)
        note(b, sha256, name);
    return status;
}

static ol_status add_commit(struct bundle *b, const char *folder, const char *commit)
{
    char to[RECEIPT_FULL_SIZE];
    if (strspn(commit, "0123456789abcdef") != strlen(commit) ||
        !path_in(b->directory, to, "code/%s.tar", commit))
        return ol__error_set(b->err, OL_INVALID, "'%.80s' is no commit", commit);
    if (access(to, F_OK) == 0) /* two submodules of one repository */
        return OL_OK;
    ol_status status = layout_archive(folder, commit, to, b->err);
    return status == OL_OK ? hash_file(b, to, to + strlen(b->directory) + 1) : status;
}

static ol_status add_code(struct bundle *b)
{
    char folder[RECEIPT_FULL_SIZE];
    const struct replay_code *code = &b->plan->code;
    if (code->commit == NULL)
        return OL_OK;
    ol_status status = add_commit(b, code->root, code->commit);
    const struct json_node *item = code->submodules;
    for (const char *path, *commit; item != NULL && status == OL_OK; item = item->next)
        if (replay_submodule(item, &path, &commit))
            status = path_in(code->root, folder, "%s", path) ? add_commit(b, folder, commit)
                                                             : too_long(b);
    return status == OL_OK && code->patch != NULL ? add_object(b, code->patch, NULL) : status;
}

static ol_status put(struct bundle *b, const char *name, struct ol__span text, mode_t mode)
{
    int fd = -1;
    ol_status status = ol__fs_open_directory(b->directory, &fd, b->err);
    if (status == OL_OK)
        status = ol__fs_replace(&ol__fs_real, fd, name, text.data, text.size, mode, b->err);
    if (fd >= 0)
        close(fd);
    return status;
}

static ol_status add_script(struct bundle *b)
{
    struct ol__buf text;
    char path[RECEIPT_FULL_SIZE];
    ol__buf_init(&text, SCRIPT_MAX);
    ol_status status = replay_write_script(b->plan, true, &text);
    if (status == OL_OK)
        status = put(b, "replay.sh", (struct ol__span){text.data, text.size}, 0755);
    else
        status = ol__error_set(b->err, status, "replay.sh: %s", ol_status_name(status));
    ol__buf_release(&text);
    if (status == OL_OK && !path_in(b->directory, path, "replay.sh"))
        status = too_long(b);
    return status == OL_OK ? hash_file(b, path, "replay.sh") : status;
}

/* Promise 1. */
static ol_status finish(struct bundle *b)
{
    char sha256[OL_SHA256_TEXT + 1], now[OL_TIME_TEXT + 1];
    struct ol__json_writer w;
    struct ol__buf line, text;
    const struct ol__span sums = {b->sums.data, b->sums.size};
    if (b->sums.status != OL_OK)
        return ol__error_set(b->err, b->sums.status, "SHA256SUMS: too large");
    ol_status status = put(b, "SHA256SUMS", sums, 0644);
    if (status == OL_OK)
        status = receipt_hash(sums, sha256, b->err);
    if (status != OL_OK)
        return status;
    ol__buf_init(&line, 1 << 20);
    ol__buf_init(&text, 1 << 20);
    ol__time_format(ol__time_now_ms(), now);
    ol__json_writer_init(&w, &line);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "schema", RECEIPT_SCHEMA("ReceiptBundle"));
    ol__json_member_text(&w, "run_id", b->plan->run_id);
    ol__json_member_text(&w, "created_at", now);
    ol__json_member_text(&w, "base", b->plan->base);
    ol__json_member_text(&w, "from", b->plan->steps[b->plan->first].name);
    ol__json_member_text(&w, "to", b->plan->steps[b->plan->last].name);
    ol__json_member_text_opt(&w, "commit", b->plan->code.commit);
    ol__json_member_text_opt(&w, "patch", b->plan->code.patch);
    ol__json_member_text(&w, "sums", sha256);
    ol__json_member_text(&w, "writer", "lineage/" OL_VERSION);
    ol__json_end_object(&w);
    if (line.status == OL_OK)
        receipt_indent((struct ol__span){line.data, line.size}, &text);
    status = line.status != OL_OK ? line.status : text.status;
    status = status == OL_OK ? put(b, "bundle.json", (struct ol__span){text.data, text.size}, 0644)
                             : ol__error_set(b->err, status, "bundle.json: out of memory");
    ol__buf_release(&line);
    ol__buf_release(&text);
    return status;
}

ol_status bundle_write(const struct replay_plan *plan, const char *directory,
                       struct bundle_figures *ret, struct ol_error *err)
{
    struct bundle b = {.plan = plan, .directory = directory, .figures = ret, .err = err};
    *ret = (struct bundle_figures){.files = 0};
    ol__buf_init(&b.sums, SCRIPT_MAX);
    ol_status status = add_run(&b);
    for (size_t i = 0; status == OL_OK && i < plan->source_count; i++)
        if (plan->sources[i].target == NULL)
            status = add_object(&b, plan->sources[i].sha256, &plan->sources[i]);
    if (status == OL_OK)
        status = add_code(&b);
    if (status == OL_OK)
        status = add_script(&b);
    if (status == OL_OK)
        status = finish(&b);
    ol__buf_release(&b.sums);
    return status;
}

/* ---- reading ---- */

/* A step that came afterwards would be done, too. */
static ol_status check_run(const char *directory, const char *run_id,
                           const struct receipt_hashes *known, struct ol_error *err)
{
    char runs[RECEIPT_FULL_SIZE];
    struct receipt_folder folder = {.fd = -1};
    struct receipt_listing listing = {.items = NULL};
    if (!path_in(directory, runs, "runs"))
        return ol__error_set(err, OL_TOO_LARGE, "bundle '%.200s': too long", directory);
    ol_status status = receipt_folder_open(runs, run_id, &folder, err);
    if (status == OL_OK)
        status = receipt_list(&folder, &listing, err);
    for (size_t i = 0; status == OL_OK && i < listing.count; i++) {
        char name[RECEIPT_FULL_SIZE];
        snprintf(name, sizeof name, "runs/%s/%s", run_id, listing.items[i].path);
        if (receipt_hashes_find(known, name) == NULL)
            status = ol__error_set(err, OL_CORRUPT, "bundle '%s': '%.500s' is none of its files",
                                   directory, name);
    }
    receipt_listing_release(&listing);
    receipt_folder_close(&folder);
    return status;
}

static ol_status check_sums(const char *directory, struct ol__span text,
                            struct receipt_hashes *known, struct ol_error *err)
{
    struct ol__buf space;
    struct artifact_line line;
    ol_status status;
    ol__buf_init(&space, SCRIPT_MAX);
    while ((status = artifact_line_read(&text, &space, &line)) == OL_OK) {
        char path[RECEIPT_FULL_SIZE], found[OL_SHA256_TEXT + 1];
        if (line.is_link || !path_in(directory, path, "%.*s", (int)line.name.size, line.name.data))
            status = OL_INVALID;
        int fd = status == OL_OK ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
        if (status == OL_OK && fd < 0)
            status = ol__error_set(err, OL_CORRUPT, "bundle '%s': '%.*s' is gone", directory,
                                   (int)OL_MIN(line.name.size, 500u), line.name.data);
        if (status == OL_OK)
            status = ol__sha256_file(fd, 0, found, NULL, err);
        if (fd >= 0)
            close(fd);
        if (status == OL_OK && strcmp(found, line.sha256) != 0)
            status = ol__error_set(err, OL_CORRUPT, "bundle '%s': '%.*s' was changed", directory,
                                   (int)OL_MIN(line.name.size, 500u), line.name.data);
        if (status == OL_OK)
            status = receipt_hashes_add(known, path + strlen(directory) + 1, line.sha256, err);
        if (status != OL_OK)
            break;
    }
    ol__buf_release(&space);
    return status == OL_END ? OL_OK
           : status == OL_INVALID
               ? ol__error_set(err, OL_CORRUPT, "bundle '%s': SHA256SUMS is no such list",
                               directory)
               : status;
}

static ol_status check_bundle(const char *directory, int fd, char ret_run_id[RECEIPT_RUN_ID_SIZE],
                              struct ol_error *err)
{
    struct json_doc doc;
    struct ol__buf sums;
    struct receipt_hashes known = {.items = NULL};
    char found[OL_SHA256_TEXT + 1];
    ol_status status = receipt_get_doc(fd, "bundle.json", 1 << 20, &doc, err);
    if (status == OL_NOT_FOUND)
        return ol__error_set(err, OL_NOT_FOUND, "'%s' is no bundle: it has no bundle.json",
                             directory);
    if (status != OL_OK)
        return status;
    const char *said = json_get_text(doc.root, "sums"), *run = json_get_text(doc.root, "run_id");
    ol__buf_init(&sums, SCRIPT_MAX);
    if (said == NULL || run == NULL || !receipt_is_run_id(run))
        status =
            ol__error_set(err, OL_CORRUPT, "'%s/bundle.json' has no run_id or sums", directory);
    else
        status = receipt_get(fd, "SHA256SUMS", &sums, found, err);
    if (status == OL_NOT_FOUND)
        status = ol__error_set(err, OL_CORRUPT, "bundle '%s': 'SHA256SUMS' is gone", directory);
    if (status == OL_OK && strcmp(said, found) != 0)
        status = ol__error_set(err, OL_CORRUPT, "bundle '%s': 'SHA256SUMS' was changed", directory);
    if (status == OL_OK)
        status =
            check_sums(directory, (struct ol__span){sums.data != NULL ? sums.data : "", sums.size},
                       &known, err);
    if (status == OL_OK)
        status = check_run(directory, run, &known, err);
    if (status == OL_NOT_FOUND)
        status = ol__error_set(err, OL_CORRUPT, "bundle '%s': it has no run %s", directory, run);
    if (status == OL_OK)
        snprintf(ret_run_id, RECEIPT_RUN_ID_SIZE, "%s", run);
    ol__buf_release(&sums);
    receipt_hashes_release(&known);
    json_doc_release(&doc);
    return status;
}

ol_status bundle_open(const char *directory, char **ret_runs, char ret_run_id[RECEIPT_RUN_ID_SIZE],
                      struct ol_error *err)
{
    int fd = -1;
    ol_status status = ol__fs_open_directory(directory, &fd, err);
    if (status == OL_OK)
        status = check_bundle(directory, fd, ret_run_id, err);
    if (fd >= 0)
        close(fd);
    if (status != OL_OK)
        return status;
    char *real = realpath(directory, NULL);
    size_t size = real != NULL ? strlen(real) + sizeof "/runs" : 0;
    char *runs = real != NULL ? malloc(size) : NULL;
    if (runs != NULL)
        snprintf(runs, size, "%s/runs", real);
    free(real);
    *ret_runs = runs;
    return runs != NULL ? OL_OK : ol__error_set(err, OL_NOMEM, "'%s': out of memory", directory);
}

ol_status bundle_make_empty(const char *path, char **ret, struct ol_error *err)
{
    ol_status status = ol__fs_make_directories(path, 0777, err);
    if (status != OL_OK)
        return status;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return ol__error_set_errno(err, errno, "'%s'", path);
    for (const struct dirent *e; status == OL_OK && (e = readdir(dir)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            status = ol__error_set(err, OL_INVALID,
                                   "'%s' is not empty ('%.200s'): nothing is written "
                                   "over",
                                   path, e->d_name);
    closedir(dir);
    if (status != OL_OK)
        return status;
    *ret = realpath(path, NULL);
    return *ret != NULL ? OL_OK : ol__error_set_errno(err, errno, "'%s'", path);
}
