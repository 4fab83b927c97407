/* SPDX-License-Identifier: Apache-2.0 */
/* Promises (spec/RECEIPT.md):
 *  R17  a record gets its number once, and only as a whole, synced file that names the hash of the
 *       one before: of those who write at once each takes the next number, and nobody holds a lock;
 *  R18  the first record that is not what the next one knows is the first that is named. */
#include "decision.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/fs.h>
#include "ids.h"

#define TRIES_MAX 10000 /* so many others would have to be faster, one after the other */
#define LAST "last"

/* "000012.json": 12; 0: no record's name. */
static int64_t number_of(const char *name)
{
    if (strspn(name, "0123456789") != 6 || strcmp(name + 6, ".json") != 0)
        return 0;
    return strtoll(name, NULL, 10);
}

static void path_of(int64_t number, char out[RECEIPT_DECISION_PATH])
{
    int64_t bounded = number < 0 ? 0 : OL_MIN(number, (int64_t)RECEIPT_DECISION_MAX);
    snprintf(out, RECEIPT_DECISION_PATH, RECEIPT_DECISIONS "/%06d.json", (int)bounded);
}

/* Within the folder. */
static const char *name_of(const char *path)
{
    return path + sizeof RECEIPT_DECISIONS;
}

static ol_status find_highest(int dirfd, int64_t *ret, struct ol_error *err)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    *ret = 0;
    if (dir == NULL) {
        ol_status status = ol__error_set_errno(err, errno, "folder '" RECEIPT_DECISIONS "'");
        if (fd >= 0)
            close(fd);
        return status;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int64_t number = number_of(entry->d_name);
        *ret = OL_MAX(*ret, number);
    }
    closedir(dir);
    return OL_OK;
}

static ol_status hash_record(int dirfd, const char *path, struct ol__buf *text,
                             char ret_sha256[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    ol__buf_reset(text);
    return receipt_get(dirfd, name_of(path), text, ret_sha256, err);
}

/* ---- adding ---- */

/* The number behind the highest, and the record that stands there. */
static ol_status take_number(int dirfd, struct receipt_decision *ret, struct ol_error *err)
{
    struct ol__buf text;
    int64_t highest = 0;
    *ret = (struct receipt_decision){0};
    ol_status status = find_highest(dirfd, &highest, err);
    if (status == OL_OK && highest >= RECEIPT_DECISION_MAX)
        status = ol__error_set(err, OL_TOO_LARGE, "folder '" RECEIPT_DECISIONS "': %d are there",
                               RECEIPT_DECISION_MAX);
    if (status != OL_OK)
        return status;
    ret->number = highest + 1;
    path_of(ret->number, ret->path);
    if (highest == 0)
        return OL_OK;
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    path_of(highest, ret->previous_path);
    status = hash_record(dirfd, ret->previous_path, &text, ret->previous_sha256, err);
    ol__buf_release(&text);
    return status;
}

static ol_status write_record(receipt_decision_writer *writer, void *arg,
                              const struct receipt_decision *decision, struct ol__buf *text,
                              char ret_sha256[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    struct ol__buf line;
    ol__buf_init(&line, RECEIPT_FILE_MAX);
    writer(arg, decision, &line);
    ol_status status = receipt_print(&line, decision->path, text, ret_sha256, err);
    ol__buf_release(&line);
    return status;
}

/* R17. @return OL_OK; OL_BUSY: somebody else has that number. */
static ol_status give_name(int dirfd, const char *temporary, const char *path, struct ol_error *err)
{
    if (renameat2(dirfd, temporary, dirfd, name_of(path), RENAME_NOREPLACE) == 0)
        return OL_OK;
    if (errno == EINVAL || errno == ENOSYS) { /* a file system that cannot: by a second name */
        if (linkat(dirfd, temporary, dirfd, name_of(path), 0) == 0) {
            OL_IGNORE(unlinkat(dirfd, temporary, 0) != 0, "names like it mean nothing");
            return OL_OK;
        }
    }
    return errno == EEXIST ? OL_BUSY : ol__error_set_errno(err, errno, "'%s': rename", path);
}

/* A hint: it may name an older record where two were written at once. */
static void write_last(int dirfd, const char *path, const char *sha256)
{
    char line[OL_SHA256_TEXT + RECEIPT_DECISION_PATH + 8];
    int size = snprintf(line, sizeof line, "%s  %s\n", sha256, name_of(path));
    OL_IGNORE(receipt_put(dirfd, LAST, (struct ol__span){line, size > 0 ? (size_t)size : 0},
                          NULL) != OL_OK,
              "the record stands, and the chain is whole without");
}

static ol_status add_at(int dirfd, receipt_decision_writer *writer, void *arg,
                        struct receipt_decision *ret, struct ol__buf *text,
                        char ret_sha256[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    char temporary[48];
    uint32_t random;
    ol_status status = take_number(dirfd, ret, err);
    if (status == OL_OK)
        status = write_record(writer, arg, ret, text, ret_sha256, err);
    if (status != OL_OK)
        return status;
    ol__random(&random, sizeof random);
    snprintf(temporary, sizeof temporary, ".%s.%08x.tmp", name_of(ret->path), random);
    status = ol__fs_create(&ol__fs_real, dirfd, temporary, text->data, text->size, 0666, err);
    if (status != OL_OK)
        return status;
    status = give_name(dirfd, temporary, ret->path, err);
    if (status != OL_OK)
        OL_IGNORE(unlinkat(dirfd, temporary, 0) != 0, "names like it mean nothing");
    return status;
}

ol_status receipt_decision_add(const char *runs, receipt_decision_writer *writer, void *arg,
                               struct receipt_decision *ret, char ret_sha256[OL_SHA256_TEXT + 1],
                               struct ol_error *err)
{
    struct ol__buf text;
    int runs_fd = -1, fd = -1;
    ol_status status = ol__fs_make_directories(runs, 0777, err);
    if (status == OL_OK)
        status = ol__fs_open_directory(runs, &runs_fd, err);
    if (status != OL_OK)
        return status;
    if (mkdirat(runs_fd, RECEIPT_DECISIONS, 0777) == 0) {
        if (fsync(runs_fd) != 0)
            status = ol__error_set_errno(err, errno, "runs folder '%s'", runs);
    } else if (errno != EEXIST) {
        status = ol__error_set_errno(err, errno, "folder '%s/" RECEIPT_DECISIONS "'", runs);
    }
    if (status == OL_OK) {
        fd = openat(runs_fd, RECEIPT_DECISIONS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            status = ol__error_set_errno(err, errno, "folder '%s/" RECEIPT_DECISIONS "'", runs);
    }
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    if (status == OL_OK)
        status = OL_BUSY;
    for (int tries = 0; status == OL_BUSY && tries < TRIES_MAX; tries++)
        status = add_at(fd, writer, arg, ret, &text, ret_sha256, err);
    if (status == OL_BUSY)
        status = ol__error_set(err, OL_BUSY,
                               "folder '%s/" RECEIPT_DECISIONS "': others write "
                               "faster",
                               runs);
    if (status == OL_OK && fsync(fd) != 0)
        status = ol__error_set_errno(err, errno, "folder '%s/" RECEIPT_DECISIONS "'", runs);
    if (status == OL_OK)
        write_last(fd, ret->path, ret_sha256);
    ol__buf_release(&text);
    if (fd >= 0)
        close(fd);
    close(runs_fd);
    return status;
}

/* ---- checking ---- */

struct check {
    int fd;
    receipt_decision_problem *tell;
    void *arg;
    struct receipt_decision_figures *figures;
    struct ol__buf text;
    char (*sums)[OL_SHA256_TEXT + 1]; /* owned; of record n at [n]; "": not there */
    int64_t highest;
    int64_t told; /* of record @p told, that it was changed */
};

OL_PRINTF(3, 4)
static void tell(struct check *c, const char *path, const char *format, ...)
{
    char problem[512];
    va_list args;
    va_start(args, format);
    vsnprintf(problem, sizeof problem, format, args);
    va_end(args);
    c->figures->problems++;
    c->tell(c->arg, path, problem);
}

/* What record @p number says of the one before it. */
static void check_previous(struct check *c, int64_t number, const char *path,
                           const struct json_node *record)
{
    char expected[RECEIPT_DECISION_PATH];
    const struct json_node *previous = json_get(record, "previous");
    const char *before = json_get_text(previous, "path");
    const char *sha256 = json_get_text(previous, "sha256");
    if (number == 1 && previous != NULL)
        tell(c, path, "is the first, and names one before it");
    if (number == 1)
        return;
    path_of(number - 1, expected);
    if (before == NULL || sha256 == NULL)
        tell(c, path, "names no record before it");
    else if (strcmp(before, expected) != 0)
        tell(c, path, "names '%.60s' before it; expected '%s'", before, expected);
    else if (c->sums[number - 1][0] != '\0' && strcmp(c->sums[number - 1], sha256) != 0 &&
             c->told != number - 1)
        tell(c, expected, "was changed: its hash is %s, %s knows it with %.64s",
             c->sums[number - 1], path, sha256);
}

/* Record @p number is read once it is known what the next one says of it: problems come in the
 * order of the records they are about. */
static ol_status check_record(struct check *c, int64_t number, struct ol_error *err)
{
    char path[RECEIPT_DECISION_PATH];
    struct json_doc doc;
    path_of(number, path);
    ol__buf_reset(&c->text);
    ol_status status = hash_record(c->fd, path, &c->text, c->sums[number], err);
    if (status == OL_NOT_FOUND) {
        c->sums[number][0] = '\0';
        tell(c, path, "was taken away");
        return OL_OK;
    }
    if (status != OL_OK)
        return status;
    c->figures->count++;
    struct ol_error why = {.message = ""};
    status = json_doc_read(&doc, (struct ol__span){c->text.data, c->text.size}, &why);
    if (status == OL_NOMEM)
        return ol__error_set(err, OL_NOMEM, "%s: out of memory", path);
    if (status != OL_OK) {
        c->told = number;
        tell(c, path, "was changed: %s", why.message);
        return OL_OK;
    }
    check_previous(c, number, path, doc.root);
    if (json_get_int(doc.root, "number", 0) != number) {
        tell(c, path, "says that it is number %lld",
             (long long)json_get_int(doc.root, "number", 0));
        c->told = number;
    }
    json_doc_release(&doc);
    return OL_OK;
}

/* The newest record has none behind it that vouches for it, but this line. */
static ol_status check_last(struct check *c, struct ol_error *err)
{
    char path[RECEIPT_DECISION_PATH];
    ol__buf_reset(&c->text);
    ol_status status = receipt_get(c->fd, LAST, &c->text, NULL, NULL);
    if (status == OL_NOT_FOUND && c->highest > 0) {
        tell(c, RECEIPT_DECISIONS "/" LAST, "is not there: nothing vouches for the newest record");
        return OL_OK;
    }
    if (status == OL_NOT_FOUND)
        return OL_OK;
    if (status != OL_OK)
        return ol__error_set(err, status, RECEIPT_DECISIONS "/" LAST ": cannot be read");
    bool is_line = c->text.size == OL_SHA256_TEXT + 2 + sizeof "000001.json" &&
                   c->text.data[c->text.size - 1] == '\n';
    if (is_line)
        c->text.data[c->text.size - 1] = '\0';
    int64_t number = is_line ? number_of(c->text.data + OL_SHA256_TEXT + 2) : 0;
    if (number == 0) {
        tell(c, RECEIPT_DECISIONS "/" LAST, "is no line of sha256sum that names a record");
        return OL_OK;
    }
    path_of(number, path);
    if (number > c->highest)
        tell(c, path, "was taken away; '" LAST "' knows it with hash %.64s", c->text.data);
    else if (c->sums[number][0] != '\0' && c->told != number &&
             memcmp(c->sums[number], c->text.data, OL_SHA256_TEXT) != 0)
        tell(c, path, "was changed: its hash is %s, '" LAST "' knows it with %.64s",
             c->sums[number], c->text.data);
    return OL_OK;
}

static ol_status check_folder(struct check *c, struct ol_error *err)
{
    ol_status status = find_highest(c->fd, &c->highest, err);
    if (status != OL_OK)
        return status;
    c->sums = calloc((size_t)c->highest + 1, sizeof *c->sums);
    if (c->sums == NULL)
        return ol__error_set(err, OL_NOMEM, "decisions: out of memory");
    for (int64_t number = 1; number <= c->highest && status == OL_OK; number++)
        status = check_record(c, number, err);
    if (status == OL_OK)
        status = check_last(c, err);
    if (status == OL_OK && c->highest > 0) {
        path_of(c->highest, c->figures->head);
        memcpy(c->figures->head_sha256, c->sums[c->highest], OL_SHA256_TEXT + 1);
    }
    free(c->sums);
    return status;
}

ol_status receipt_decision_check(const char *runs, receipt_decision_problem *tell_one, void *arg,
                                 struct receipt_decision_figures *ret, struct ol_error *err)
{
    struct check c = {.fd = -1, .tell = tell_one, .arg = arg, .figures = ret};
    int runs_fd = -1;
    *ret = (struct receipt_decision_figures){0};
    ol_status status = ol__fs_open_directory(runs, &runs_fd, err);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    c.fd = openat(runs_fd, RECEIPT_DECISIONS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int reason = errno;
    close(runs_fd);
    if (c.fd < 0)
        return reason == ENOENT
                   ? OL_OK
                   : ol__error_set_errno(err, reason, "folder '%s/" RECEIPT_DECISIONS "'", runs);
    ol__buf_init(&c.text, RECEIPT_FILE_MAX);
    status = check_folder(&c, err);
    ol__buf_release(&c.text);
    close(c.fd);
    return status;
}
