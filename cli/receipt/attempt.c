/* SPDX-License-Identifier: Apache-2.0 */
/* Promises (spec/RECEIPT.md):
 *  R6  an attempt's folder is made by one process, ever;
 *  R8  the step's receipt gets its name once, and only from a whole, synced file;
 *  P1  attempt-N/receipt.json is whole or absent. */
#include "attempt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <linux/fs.h>
#include "ids.h"

#define TRIES_MAX 100000 /* at a free number: so many others would have to come first */

int64_t receipt_attempt_number(const char *name)
{
    static const char prefix[] = "attempt-";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
        return 0;
    const char *digits = name + sizeof prefix - 1;
    size_t size = strspn(digits, "0123456789");
    if (size == 0 || size > 9 || digits[size] != '\0' || digits[0] == '0')
        return 0;
    return strtoll(digits, NULL, 10);
}

ol_status receipt_attempt_highest(int step_fd, int64_t *ret, struct ol_error *err)
{
    int fd = openat(step_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    *ret = 0;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return ol__error_set_errno(err, errno, "folder of the step");
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        int64_t number = receipt_attempt_number(entry->d_name);
        *ret = OL_MAX(*ret, number);
    }
    closedir(dir);
    return OL_OK;
}

/* ---- the chain (R13) ---- */

/* `last` is a line as sha256sum prints it: of the receipt that was written last. */
static ol_status read_last(struct receipt_attempt *a, struct ol_error *err)
{
    struct ol__buf text;
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    ol_status status = receipt_get(a->folder->fd, "last", &text, NULL, NULL);
    bool is_line = status == OL_OK && text.size > OL_SHA256_TEXT + 3 &&
                   text.size - OL_SHA256_TEXT - 3 < sizeof a->previous_path &&
                   text.data[text.size - 1] == '\n';
    if (is_line) {
        size_t size = text.size - OL_SHA256_TEXT - 3;
        memcpy(a->previous_sha256, text.data, OL_SHA256_TEXT);
        memcpy(a->previous_path, text.data + OL_SHA256_TEXT + 2, size);
    }
    ol__buf_reset(&text);
    if (is_line || status == OL_NOMEM) {
        ol__buf_release(&text);
        return is_line ? OL_OK : ol__error_set(err, OL_NOMEM, "run: out of memory");
    }
    snprintf(a->previous_path, sizeof a->previous_path, "manifest.json");
    status = receipt_get(a->folder->fd, a->previous_path, &text, a->previous_sha256, err);
    ol__buf_release(&text);
    return status;
}

/* Not synced: a hint for those who come, and after a power cut an older one, or none, will do. */
static ol_status write_last(const struct receipt_attempt *a, const char *sha256,
                            struct ol_error *err)
{
    char line[OL_SHA256_TEXT + RECEIPT_PATH_SIZE + 24], name[32];
    uint32_t random;
    ol__random(&random, sizeof random);
    snprintf(name, sizeof name, ".last.%08x.tmp", random);
    int size = snprintf(line, sizeof line, "%s  %s/receipt.json\n", sha256, a->place);
    int fd =
        openat(a->folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return ol__error_set_errno(err, errno, "'last'");
    ol_status status = ol__fs_write_at(&ol__fs_real, fd, line, size > 0 ? (size_t)size : 0, 0, err);
    close(fd);
    if (status == OL_OK && renameat(a->folder->fd, name, a->folder->fd, "last") != 0)
        status = ol__error_set_errno(err, errno, "'last': rename");
    if (status != OL_OK)
        OL_IGNORE(unlinkat(a->folder->fd, name, 0) != 0, "names like it mean nothing");
    return status;
}

/* ---- taking ---- */

static ol_status make_attempt(struct receipt_attempt *a, int64_t wanted, struct ol_error *err)
{
    char name[32];
    ol_status status = OL_OK;
    a->number = wanted;
    if (wanted == 0) {
        status = receipt_attempt_highest(a->step_fd, &a->number, err);
        a->number++;
    }
    for (int tries = 0; status == OL_OK; tries++, a->number++) {
        snprintf(name, sizeof name, "attempt-%lld", (long long)a->number);
        if (mkdirat(a->step_fd, name, 0777) == 0)
            break;
        if (errno != EEXIST)
            status = ol__error_set_errno(err, errno, "step '%s': %s", a->step, name);
        else if (wanted != 0 || tries > TRIES_MAX)
            status = ol__error_set(err, OL_BUSY, "step '%s': %s is taken already", a->step, name);
    }
    if (status != OL_OK)
        return status;
    a->fd = openat(a->step_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (a->fd < 0)
        return ol__error_set_errno(err, errno, "step '%s': %s", a->step, name);
    size_t used = strlen(a->place);
    snprintf(a->place + used, sizeof a->place - used, "/%s", name);
    return OL_OK;
}

static ol_status name_step(const struct receipt_folder *folder, const char *step, int64_t seq,
                           struct receipt_attempt *ret, struct ol_error *err)
{
    const char *problem = receipt_step_problem(step);
    *ret = (struct receipt_attempt){.folder = folder, .seq = seq, .step_fd = -1, .fd = -1};
    if (problem != NULL)
        return ol__error_set(err, OL_INVALID, "step '%.60s': %s", step, problem);
    snprintf(ret->step, sizeof ret->step, "%s", step);
    if (seq >= 0)
        snprintf(ret->place, sizeof ret->place, "steps/%03lld_%s", (long long)seq, step);
    else
        snprintf(ret->place, sizeof ret->place, "steps/%s", step);
    return OL_OK;
}

/* R7 */
static ol_status set_id(struct receipt_attempt *a, struct ol_error *err)
{
    char text[RECEIPT_STEP_MAX + 32];
    snprintf(text, sizeof text, "%s/%lld", a->step, (long long)a->number);
    return ol_id_from_foreign(a->folder->run_id, text, a->uuid, err);
}

ol_status receipt_attempt_foresee(const struct receipt_folder *folder, const char *step,
                                  int64_t seq, int64_t number, struct receipt_attempt *ret,
                                  struct ol_error *err)
{
    ol_status status = name_step(folder, step, seq, ret, err);
    if (status != OL_OK)
        return status;
    ret->number = OL_MAX(number, 1);
    if (folder->fd >= 0) {
        int fd = openat(folder->fd, ret->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        status = read_last(ret, err);
        if (fd >= 0 && number == 0 && status == OL_OK) {
            status = receipt_attempt_highest(fd, &ret->number, err);
            ret->number++;
        }
        if (fd >= 0)
            close(fd);
    } else {
        snprintf(ret->previous_path, sizeof ret->previous_path, "manifest.json");
    }
    size_t used = strlen(ret->place);
    snprintf(ret->place + used, sizeof ret->place - used, "/attempt-%lld", (long long)ret->number);
    return status == OL_OK ? set_id(ret, err) : status;
}

ol_status receipt_attempt_take(const struct receipt_folder *folder, const char *step, int64_t seq,
                               int64_t number, struct receipt_attempt *ret, struct ol_error *err)
{
    ol_status status = name_step(folder, step, seq, ret, err);
    if (status != OL_OK)
        return status;
    ret->is_first = mkdirat(folder->fd, ret->place, 0777) == 0;
    if (!ret->is_first && errno != EEXIST)
        status = ol__error_set_errno(err, errno, "folder '%s'", ret->place);
    if (status == OL_OK) {
        ret->step_fd =
            openat(folder->fd, ret->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (ret->step_fd < 0)
            status = ol__error_set_errno(err, errno, "folder '%s'", ret->place);
    }
    if (status == OL_OK) {
        receipt_attempt_mend(ret->step_fd);
        status = read_last(ret, err);
    }
    if (status == OL_OK)
        status = make_attempt(ret, number, err);
    if (status == OL_OK)
        status = set_id(ret, err);
    if (status != OL_OK)
        receipt_attempt_release(ret);
    return status;
}

/* What the claim says of the chain. */
static ol_status read_previous(struct receipt_attempt *a, struct ol_error *err)
{
    struct json_doc claim;
    ol_status status = receipt_get_doc(a->fd, "claim.json", RECEIPT_FILE_MAX, &claim, err);
    if (status != OL_OK)
        return status == OL_INVALID ? OL_CORRUPT : status;
    const struct json_node *previous = json_get(claim.root, "previous");
    const char *path = json_get_text(previous, "path"), *sha256 = json_get_text(previous, "sha256");
    if (path == NULL || sha256 == NULL || strlen(path) >= sizeof a->previous_path ||
        strlen(sha256) != OL_SHA256_TEXT)
        status =
            ol__error_set(err, OL_CORRUPT, "'%s/claim.json': names no receipt before it", a->place);
    if (status == OL_OK) {
        snprintf(a->previous_path, sizeof a->previous_path, "%s", path);
        snprintf(a->previous_sha256, sizeof a->previous_sha256, "%s", sha256);
    }
    json_doc_release(&claim);
    return status;
}

ol_status receipt_attempt_open(const struct receipt_folder *folder, const char *step, int64_t seq,
                               int64_t number, struct receipt_attempt *ret, struct ol_error *err)
{
    char text[RECEIPT_STEP_MAX + 32];
    *ret = (struct receipt_attempt){
        .folder = folder, .seq = seq, .number = number, .step_fd = -1, .fd = -1};
    snprintf(ret->step, sizeof ret->step, "%s", step);
    if (seq >= 0)
        snprintf(ret->place, sizeof ret->place, "steps/%03lld_%s", (long long)seq, step);
    else
        snprintf(ret->place, sizeof ret->place, "steps/%s", step);
    ret->step_fd = openat(folder->fd, ret->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    size_t used = strlen(ret->place);
    snprintf(ret->place + used, sizeof ret->place - used, "/attempt-%lld", (long long)number);
    ret->fd = openat(folder->fd, ret->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    snprintf(text, sizeof text, "%s/%lld", step, (long long)number);
    ol_status status = ret->step_fd < 0 || ret->fd < 0
                           ? ol__error_set_errno(err, errno, "'%s'", ret->place)
                           : ol_id_from_foreign(folder->run_id, text, ret->uuid, err);
    if (status == OL_OK)
        status = read_previous(ret, err);
    if (status != OL_OK)
        receipt_attempt_release(ret);
    return status;
}

void receipt_attempt_release(struct receipt_attempt *attempt)
{
    if (attempt->fd >= 0)
        close(attempt->fd);
    if (attempt->step_fd >= 0)
        close(attempt->step_fd);
    attempt->fd = attempt->step_fd = -1;
}

/* The step's folder is found again after a crash. */
static ol_status sync_steps(const struct receipt_attempt *a, struct ol_error *err)
{
    int fd = openat(a->folder->fd, "steps", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ol_status status =
        fd < 0 || fsync(fd) != 0 ? ol__error_set_errno(err, errno, "folder 'steps'") : OL_OK;
    if (fd >= 0)
        close(fd);
    return status;
}

ol_status receipt_attempt_claim(struct receipt_attempt *attempt, struct ol__span json,
                                struct ol_error *err)
{
    struct ol__buf text;
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    receipt_indent(json, &text);
    ol_status status =
        text.status == OL_OK
            ? receipt_put(attempt->fd, "claim.json",
                          (struct ol__span){.data = text.data, .size = text.size}, err)
            : ol__error_set(err, text.status, "claim.json: %s", ol_status_name(text.status));
    ol__buf_release(&text);
    if (status == OL_OK && fsync(attempt->step_fd) != 0)
        status = ol__error_set_errno(err, errno, "folder '%s'", attempt->place);
    return status == OL_OK && attempt->is_first ? sync_steps(attempt, err) : status;
}

/* ---- ending ---- */

/* What attempt @p number of the step came to; without a receipt only its number. */
static ol_status look_at(int step_fd, int64_t number, struct receipt_over *ret)
{
    char path[64];
    struct json_doc doc;
    *ret = (struct receipt_over){.number = number, .exit_code = -1};
    snprintf(path, sizeof path, "attempt-%lld/receipt.json", (long long)number);
    ol_status status = receipt_get_doc(step_fd, path, RECEIPT_FILE_MAX, &doc, NULL);
    if (status == OL_OK) {
        const char *said = json_get_text(doc.root, "status");
        snprintf(ret->status, sizeof ret->status, "%s", said != NULL ? said : "");
        ret->exit_code = json_get_int(doc.root, "exit_code", -1);
        json_doc_release(&doc);
    }
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

static ol_status find_earlier(const struct receipt_attempt *a, struct receipt_choice *choice,
                              struct ol_error *err)
{
    size_t count = (size_t)OL_MIN(a->number - 1, (int64_t)RECEIPT_OVER_MAX);
    if (count == 0)
        return OL_OK;
    choice->over = calloc(count, sizeof *choice->over);
    if (choice->over == NULL)
        return ol__error_set(err, OL_NOMEM, "receipt: out of memory");
    for (size_t i = 0; i < count; i++) {
        if (look_at(a->step_fd, a->number - (int64_t)count + (int64_t)i, &choice->over[i]) != OL_OK)
            return ol__error_set(err, OL_NOMEM, "receipt: out of memory");
    }
    choice->over_count = count;
    return OL_OK;
}

static int64_t find_winner(int step_fd)
{
    struct json_doc doc;
    if (receipt_get_doc(step_fd, "receipt.json", RECEIPT_FILE_MAX, &doc, NULL) != OL_OK)
        return 0;
    int64_t number = json_get_int(doc.root, "attempt", 0);
    json_doc_release(&doc);
    return number;
}

static ol_status write_text(receipt_writer *writer, void *arg, const struct receipt_choice *choice,
                            struct ol__buf *out, char sha256[OL_SHA256_TEXT + 1],
                            struct ol_error *err)
{
    struct ol__buf line;
    ol__buf_init(&line, RECEIPT_FILE_MAX);
    writer(arg, choice, &line);
    ol_status status = receipt_print(&line, "receipt.json", out, sha256, err);
    ol__buf_release(&line);
    return status;
}

/* R8. @return OL_OK: ours is the step's receipt, and attempt-N/receipt.json; OL_BUSY: another one
 * was first; OL_AGAIN: this file system has no hard links. */
static ol_status try_to_win(struct receipt_attempt *a, const char *candidate, struct ol_error *err)
{
    if (linkat(a->fd, candidate, a->step_fd, "receipt.json", 0) != 0) {
        if (errno == EEXIST)
            return OL_BUSY;
        bool has_no_links = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS ||
                            errno == EMLINK || errno == EXDEV;
        return has_no_links ? OL_AGAIN : ol__error_set_errno(err, errno, "'%s': link", candidate);
    }
    OL_CRASHPOINT("receipt.linked");
    if (renameat(a->fd, candidate, a->fd, "receipt.json") != 0)
        return ol__error_set_errno(err, errno, "'%s': rename", candidate);
    return OL_OK;
}

/* Without hard links: a copy that takes the name only while it is free. */
static ol_status try_to_win_by_copy(struct receipt_attempt *a, const char *candidate,
                                    const struct ol__buf *text, struct ol_error *err)
{
    ol_status status =
        ol__fs_create(&ol__fs_real, a->step_fd, candidate, text->data, text->size, 0666, err);
    if (status != OL_OK)
        return status;
    if (renameat2(a->step_fd, candidate, a->step_fd, "receipt.json", RENAME_NOREPLACE) != 0) {
        int reason = errno;
        OL_IGNORE(unlinkat(a->step_fd, candidate, 0) != 0, "names like it mean nothing");
        if (reason == EEXIST)
            return OL_BUSY;
        return ol__error_set_errno(err, reason, "step '%s': receipt.json", a->step);
    }
    return receipt_put(a->fd, "receipt.json",
                       (struct ol__span){.data = text->data, .size = text->size}, err);
}

static ol_status win(struct receipt_attempt *a, receipt_writer *writer, void *arg,
                     struct receipt_choice *choice, struct ol__buf *text,
                     char sha256[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    char candidate[48];
    uint32_t random;
    ol__random(&random, sizeof random);
    snprintf(candidate, sizeof candidate, ".receipt.json.%08x.tmp", random);
    choice->is_winner = choice->is_linked = true;
    ol_status status = find_earlier(a, choice, err);
    if (status == OL_OK)
        status = write_text(writer, arg, choice, text, sha256, err);
    if (status == OL_OK)
        status = ol__fs_create(&ol__fs_real, a->fd, candidate, text->data, text->size, 0666, err);
    if (status != OL_OK)
        return status;
    status = try_to_win(a, candidate, err);
    if (status != OL_OK)
        OL_IGNORE(unlinkat(a->fd, candidate, 0) != 0, "names like it mean nothing");
    if (status != OL_AGAIN)
        return status;
    choice->is_linked = false;
    status = write_text(writer, arg, choice, text, sha256, err);
    return status == OL_OK ? try_to_win_by_copy(a, candidate, text, err) : status;
}

ol_status receipt_attempt_end(struct receipt_attempt *attempt, bool has_won, receipt_writer *writer,
                              void *arg, struct receipt_choice *ret_choice,
                              char ret_sha256[OL_SHA256_TEXT + 1], struct ol_error *err)
{
    struct receipt_choice choice = {.winner = find_winner(attempt->step_fd)};
    struct ol__buf text;
    ol_status status = OL_BUSY;
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    if (has_won && choice.winner == 0)
        status = win(attempt, writer, arg, &choice, &text, ret_sha256, err);
    if (status == OL_OK)
        choice.winner = attempt->number;
    if (status == OL_BUSY) {
        choice.is_winner = false;
        choice.winner = find_winner(attempt->step_fd);
        status = write_text(writer, arg, &choice, &text, ret_sha256, err);
        if (status == OL_OK)
            status = receipt_put(attempt->fd, "receipt.json",
                                 (struct ol__span){.data = text.data, .size = text.size}, err);
    }
    ol__buf_release(&text);
    free(choice.over);
    choice.over = NULL;
    choice.over_count = 0;
    if (ret_choice != NULL)
        *ret_choice = choice;
    if (status == OL_OK && (fsync(attempt->fd) != 0 || fsync(attempt->step_fd) != 0))
        status = ol__error_set_errno(err, errno, "folder '%s'", attempt->place);
    OL_CRASHPOINT("receipt.written");
    return status == OL_OK ? write_last(attempt, ret_sha256, err) : status;
}

void receipt_attempt_mend(int step_fd)
{
    char path[64];
    int64_t winner = find_winner(step_fd);
    snprintf(path, sizeof path, "attempt-%lld/receipt.json", (long long)winner);
    if (winner > 0 && faccessat(step_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
        OL_IGNORE(linkat(step_fd, "receipt.json", step_fd, path, 0) != 0,
                  "the next one who comes tries again");
}
