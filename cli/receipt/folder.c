/* SPDX-License-Identifier: Apache-2.0 */
#include "folder.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "ids.h"
#include "times.h"

ol_status receipt_find_runs(const char *option, char **ret, struct ol_error *err)
{
    const char *given = option != NULL ? option : getenv("LINEAGE_RUNS");
    const char *whose = option != NULL ? "--runs" : "LINEAGE_RUNS";
    *ret = NULL;
    if (option != NULL && option[0] == '\0')
        return ol__error_set(err, OL_INVALID, "--runs: empty; expected a folder");
    if (given == NULL || given[0] == '\0')
        given = "runs";
    if (given[0] == '/') {
        *ret = strdup(given);
        return *ret != NULL ? OL_OK : ol__error_set(err, OL_NOMEM, "%s: out of memory", whose);
    }
    char *here = getcwd(NULL, 0);
    if (here == NULL)
        return ol__error_set_errno(err, errno, "working directory");
    int size = snprintf(NULL, 0, "%s/%s", here, given);
    char *path = size > 0 ? malloc((size_t)size + 1) : NULL;
    if (path != NULL)
        snprintf(path, (size_t)size + 1, "%s/%s", strcmp(here, "/") == 0 ? "" : here, given);
    free(here);
    *ret = path;
    return path != NULL ? OL_OK : ol__error_set(err, OL_NOMEM, "%s: out of memory", whose);
}

void receipt_make_run_id(char out[RECEIPT_RUN_ID_SIZE])
{
    struct ol__uuid uuid = ol__uuid_v7(-1);
    char hex[2 * sizeof uuid.bytes + 1];
    int64_t ms = 0; /* the id's own time, so that both parts say the same */
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | uuid.bytes[i];
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    char time[32];
    OL_IGNORE(gmtime_r(&seconds, &utc) == NULL, "48 bits of ms are a year of five digits at most");
    OL_IGNORE(strftime(time, sizeof time, "%Y-%m-%dT%H-%M-%SZ", &utc) == 0, "it fits");
    ol__hex(uuid.bytes, sizeof uuid.bytes, hex);
    snprintf(out, RECEIPT_RUN_ID_SIZE, "%.20s_%s", time, hex);
}

bool receipt_is_run_id(const char *text)
{
    static const char form[] = "0000-00-00T00-00-00Z_";
    if (text == NULL || strlen(text) != RECEIPT_RUN_ID_SIZE - 1)
        return false;
    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    }
    for (size_t i = sizeof form - 1; text[i] != '\0'; i++) {
        if (ol__hex_value(text[i]) < 0 || (text[i] >= 'A' && text[i] <= 'F'))
            return false;
    }
    return true;
}

const char *receipt_step_problem(const char *step)
{
    size_t size = strlen(step);
    if (size == 0 || size > RECEIPT_STEP_MAX)
        return "expected 1 to 128 bytes";
    if (strspn(step, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != size)
        return "expected letters, digits, '.', '_' and '-' only";
    if (!isalnum((unsigned char)step[0]))
        return "expected a letter or a digit at its begin";
    return NULL;
}

/* ---- the folder ---- */

static ol_status open_below(const char *runs, const char *run_id, bool is_new,
                            struct receipt_folder *ret, struct ol_error *err)
{
    int runs_fd = -1;
    ol_status status = ol__fs_open_directory(runs, &runs_fd, err);
    if (status != OL_OK)
        return status;
    if (is_new && (mkdirat(runs_fd, run_id, 0777) != 0 || fsync(runs_fd) != 0))
        status = ol__error_set_errno(err, errno, "run folder '%s/%s'", runs, run_id);
    if (status == OL_OK) {
        ret->fd = openat(runs_fd, run_id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (ret->fd < 0)
            status = ol__error_set_errno(err, errno, "run folder '%s/%s'", runs, run_id);
    }
    if (status == OL_OK && is_new && mkdirat(ret->fd, "steps", 0777) != 0)
        status = ol__error_set_errno(err, errno, "folder '%s/%s/steps'", runs, run_id);
    close(runs_fd);
    return status;
}

static ol_status open_folder(const char *runs, const char *run_id, bool is_new,
                             struct receipt_folder *ret, struct ol_error *err)
{
    *ret = (struct receipt_folder){.fd = -1};
    if (!receipt_is_run_id(run_id))
        return ol__error_set(err, OL_INVALID,
                             "run '%.60s': expected a run id as 'lineage begin' makes it, e.g. "
                             "2026-02-04T18-41-12Z_ and 32 hexadecimal digits",
                             run_id);
    memcpy(ret->run_id, run_id, RECEIPT_RUN_ID_SIZE);
    ret->runs = strdup(runs);
    ol_status status = ret->runs == NULL ? ol__error_set(err, OL_NOMEM, "run folder: out of memory")
                       : is_new          ? ol__fs_make_directories(runs, 0777, err)
                                         : OL_OK;
    if (status == OL_OK)
        status = open_below(runs, run_id, is_new, ret, err);
    if (status != OL_OK)
        receipt_folder_close(ret);
    return status;
}

ol_status receipt_folder_make(const char *runs, const char *run_id, struct receipt_folder *ret,
                              struct ol_error *err)
{
    return open_folder(runs, run_id, true, ret, err);
}

ol_status receipt_folder_open(const char *runs, const char *run_id, struct receipt_folder *ret,
                              struct ol_error *err)
{
    return open_folder(runs, run_id, false, ret, err);
}

bool receipt_is_sealed(const struct receipt_folder *folder)
{
    return faccessat(folder->fd, "seal.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void receipt_folder_close(struct receipt_folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    free(folder->runs);
    *folder = (struct receipt_folder){.fd = -1};
}

/* ---- files ---- */

ol_status receipt_put(int dirfd, const char *name, struct ol__span bytes, struct ol_error *err)
{
    return ol__fs_replace(&ol__fs_real, dirfd, name, bytes.data, bytes.size, 0666, err);
}

ol_status receipt_hash(struct ol__span bytes, char out[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    ol__sha256_read_no_config();
    return ol__sha256_text(bytes, out, err);
}

ol_status receipt_get(int dirfd, const char *path, struct ol__buf *out,
                      char ret_sha256[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    size_t before = out->size;
    ol_status status = ol__fs_read_file(&ol__fs_real, dirfd, path, out, err);
    if (status != OL_OK || ret_sha256 == NULL)
        return status;
    const char *data = out->data != NULL ? out->data + before : "";
    return receipt_hash((struct ol__span){.data = data, .size = out->size - before}, ret_sha256,
                        err);
}

ol_status receipt_get_doc(int dirfd, const char *path, size_t max, struct json_doc *ret,
                          struct ol_error *err)
{
    struct ol__buf text;
    ol__buf_init(&text, max);
    ol_status status = receipt_get(dirfd, path, &text, NULL, err);
    if (status == OL_OK)
        status = json_doc_read(ret, (struct ol__span){.data = text.data, .size = text.size}, err);
    ol__buf_release(&text);
    return status;
}

static void new_line(struct ol__buf *out, int depth)
{
    ol__buf_add_char(out, '\n');
    for (int i = 0; i < depth; i++)
        ol__buf_add(out, "  ", 2);
}

void receipt_indent(struct ol__span json, struct ol__buf *out)
{
    int depth = 0;
    bool is_text = false;
    for (size_t i = 0; i < json.size; i++) {
        char c = json.data[i];
        if (is_text) {
            ol__buf_add_char(out, c);
            if (c == '\\' && i + 1 < json.size)
                ol__buf_add_char(out, json.data[++i]);
            is_text = c != '"';
            continue;
        }
        bool is_empty = (c == '{' || c == '[') && i + 1 < json.size &&
                        json.data[i + 1] == (c == '{' ? '}' : ']');
        if (is_empty) {
            ol__buf_add(out, json.data + i++, 2);
        } else if (c == '{' || c == '[') {
            ol__buf_add_char(out, c);
            new_line(out, ++depth);
        } else if (c == '}' || c == ']') {
            new_line(out, --depth);
            ol__buf_add_char(out, c);
        } else if (c == ',') {
            ol__buf_add_char(out, c);
            new_line(out, depth);
        } else if (c == ':') {
            ol__buf_add(out, ": ", 2);
        } else {
            ol__buf_add_char(out, c);
            is_text = c == '"';
        }
    }
    ol__buf_add_char(out, '\n');
}

ol_status receipt_print(const struct ol__buf *line, const char *name, struct ol__buf *out,
                        char ret_sha256[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    ol__buf_reset(out);
    if (line->status == OL_OK)
        receipt_indent((struct ol__span){line->data, line->size}, out);
    ol_status status = line->status != OL_OK ? line->status : out->status;
    if (status != OL_OK)
        return ol__error_set(err, status, "%s: %s", name, ol_status_name(status));
    return receipt_hash((struct ol__span){out->data, out->size}, ret_sha256, err);
}
