/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "receipt/members.h"

/* Whether a folder is that of the step: its name, maybe behind a number. */
static bool is_of_step(const char *folder, const char *step)
{
    size_t digits = strspn(folder, "0123456789");
    return strcmp(folder, step) == 0 ||
           (digits > 0 && folder[digits] == '_' && strcmp(folder + digits + 1, step) == 0);
}

static bool is_plain_number(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size < 12 && strspn(text, "0123456789") == size;
}

ol_status evidence_receipt(const char *runs, const char *run_id, const char *step,
                           const char *attempt, struct json_doc *ret,
                           char ret_path[RECEIPT_WHERE_SIZE], struct ol_error *err)
{
    struct receipt_folder folder = {.fd = -1};
    if (run_id == NULL || step == NULL || attempt == NULL || !receipt_is_run_id(run_id) ||
        receipt_step_problem(step) != NULL || !is_plain_number(attempt))
        return ol__error_set(err, OL_NOT_FOUND, "its events name no receipt");
    ol_status status = receipt_folder_open(runs, run_id, &folder, err);
    if (status != OL_OK)
        return status;
    int fd = openat(folder.fd, "steps", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL && fd >= 0)
        close(fd);
    status = ol__error_set(err, OL_NOT_FOUND, "run '%s' has no receipt of step '%s', attempt %s",
                           run_id, step, attempt);
    for (const struct dirent *e; dir != NULL && status == OL_NOT_FOUND && (e = readdir(dir));) {
        char path[RECEIPT_WHERE_SIZE];
        if (!is_of_step(e->d_name, step))
            continue;
        snprintf(path, sizeof path, "steps/%.160s/attempt-%s/receipt.json", e->d_name, attempt);
        status = receipt_get_doc(folder.fd, path, RECEIPT_FILE_MAX, ret, err);
        snprintf(ret_path, RECEIPT_WHERE_SIZE, "%s/%.400s", run_id, path);
    }
    if (dir != NULL)
        closedir(dir);
    receipt_folder_close(&folder);
    return status;
}

bool evidence_has_object(const char *runs, const char *sha256)
{
    char path[RECEIPT_OBJECT_PATH], found[OL_SHA256_TEXT + 1], full[RECEIPT_FULL_SIZE];
    if (sha256 == NULL || strlen(sha256) != OL_SHA256_TEXT ||
        strspn(sha256, "0123456789abcdef") != OL_SHA256_TEXT)
        return false;
    receipt_object_path(sha256, path);
    int size = snprintf(full, sizeof full, "%s/%s", runs, path);
    if (size < 0 || (size_t)size >= sizeof full)
        return false;
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    bool is_same = ol__sha256_file(fd, 0, found, NULL, NULL) == OL_OK && strcmp(found, sha256) == 0;
    close(fd);
    return is_same;
}

static ol_status has_members(const char *runs, struct ol__span text)
{
    struct ol__buf space;
    struct artifact_line line;
    bool has_all = true;
    ol_status status = OL_OK;
    ol__buf_init(&space, ARTIFACT_TEXT_MAX);
    while (has_all && (status = artifact_line_read(&text, &space, &line)) == OL_OK)
        has_all = line.is_link || evidence_has_object(runs, line.sha256);
    ol__buf_release(&space);
    return status == OL_NOMEM ? OL_NOMEM : has_all && status == OL_END ? OL_OK : OL_END;
}

ol_status evidence_is_kept(const char *runs, const struct json_node *artifact)
{
    struct ol__buf text;
    const char *sha256 = json_get_text(artifact, "sha256");
    const char *members = json_get_text(json_get(artifact, "members"), "sha256");
    const char *kind = json_get_text(artifact, "kind");
    bool is_many = members != NULL && kind != NULL && strcmp(kind, "manifest") != 0;
    if (!is_many)
        return evidence_has_object(runs, sha256) ? OL_OK : OL_END;
    ol__buf_init(&text, ARTIFACT_TEXT_MAX);
    ol_status status = receipt_members_read(runs, members, &text, NULL);
    if (status == OL_OK)
        status =
            has_members(runs, (struct ol__span){text.data != NULL ? text.data : "", text.size});
    else if (status != OL_NOMEM)
        status = OL_END;
    ol__buf_release(&text);
    return status;
}
