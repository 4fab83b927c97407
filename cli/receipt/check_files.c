/* SPDX-License-Identifier: Apache-2.0 */
/* Promises (spec/RECEIPT.md, R13):
 *  1. What is not there is told as gone, never as wrong.
 *  2. A file that another winner of the run wrote anew is what the run says if it is what that one
 *     wrote: a step may work in place. What an attempt that did not win left behind is not.
 *  3. Every byte is read, once: what one step wrote and another one read, too. */
#include "check_files.h"

#include <stdio.h>
#include <stdlib.h>
#include "members.h"

struct written {
    char *full; /* owned */
    char sha256[OL_SHA256_TEXT + 1];
    size_t file; /* of the listing: whose receipt says so */
};
struct look {
    const struct receipt_folder *folder;
    const struct receipt_listing *listing;
    receipt_problem *tell;
    void *arg;
    struct receipt_figures *figures;
    struct ol_error *err;
    struct written *written; /* owned */
    size_t count, cap;
    struct receipt_hashes hashes;
};

/* "steps/020_render/receipt.json" */
static bool is_winner(const char *path)
{
    const char *slash = strncmp(path, "steps/", 6) == 0 ? strchr(path + 6, '/') : NULL;
    return slash != NULL && strcmp(slash, "/receipt.json") == 0;
}

static bool is_input(const char *path)
{
    return strncmp(path, "inputs/", 7) == 0;
}

static ol_status note_written(struct look *l, size_t file, const char *cwd,
                              const struct json_node *output)
{
    char full[RECEIPT_FULL_SIZE];
    const char *sha256 = json_get_text(output, "sha256");
    if (sha256 == NULL || !receipt_find_artifact(cwd, output, full))
        return OL_OK;
    if (l->count == l->cap) {
        struct written *written = ol__grow(l->written, &l->cap, sizeof *written);
        if (written == NULL)
            return ol__error_set(l->err, OL_NOMEM, "outputs: out of memory");
        l->written = written;
    }
    struct written *w = &l->written[l->count];
    *w = (struct written){.full = strdup(full), .file = file};
    if (w->full == NULL)
        return ol__error_set(l->err, OL_NOMEM, "outputs: out of memory");
    snprintf(w->sha256, sizeof w->sha256, "%s", sha256);
    l->count++;
    return OL_OK;
}

/* Promise 2. */
static bool is_replaced(const struct look *l, size_t file, bool is_read,
                        const struct receipt_looked *looked)
{
    for (size_t i = 0; looked->sha256[0] != '\0' && i < l->count; i++) {
        const struct written *w = &l->written[i];
        if ((is_read || w->file != file) && strcmp(w->sha256, looked->sha256) == 0 &&
            strcmp(w->full, looked->full) == 0)
            return true;
    }
    return false;
}

static ol_status look_at(struct look *l, size_t file, const char *cwd, const char *side,
                         const struct json_node *artifact)
{
    struct receipt_looked looked;
    bool is_read = strcmp(side, "input") == 0;
    ol_status status =
        receipt_check_artifact(l->folder->runs, cwd, side, artifact, &l->hashes, &looked, l->err);
    if (status != OL_OK || !looked.is_read)
        return status;
    bool is_open = looked.is_gone || looked.is_unread; /* nobody can say: promise 1 */
    l->figures->files += is_read || is_open ? 0 : 1;
    l->figures->files_in += is_read && !is_open ? 1 : 0;
    if (looked.problem[0] == '\0')
        return OL_OK;
    if (is_open)
        *(looked.is_gone ? &l->figures->gone : &l->figures->unread) += 1;
    else if (is_replaced(l, file, is_read, &looked))
        l->figures->replaced++;
    else
        l->figures->problems++;
    if (is_open || !is_replaced(l, file, is_read, &looked))
        l->tell(l->arg, l->listing->items[file].path, looked.problem, is_open);
    return OL_OK;
}

typedef ol_status artifact_handler(struct look *l, size_t file, const char *cwd, const char *side,
                                   const struct json_node *artifact);

static ol_status note(struct look *l, size_t file, const char *cwd, const char *side,
                      const struct json_node *artifact)
{
    char full[RECEIPT_FULL_SIZE];
    const char *kind = json_get_text(artifact, "kind");
    ol_status status = OL_OK;
    if (kind != NULL && strcmp(kind, "list") != 0 && receipt_find_artifact(cwd, artifact, full))
        status = receipt_hashes_add(&l->hashes, full, "", l->err);
    return status == OL_OK && strcmp(side, "output") == 0 ? note_written(l, file, cwd, artifact)
                                                          : status;
}

static ol_status each_artifact(struct look *l, size_t file, artifact_handler *each)
{
    struct json_doc doc;
    const char *path = l->listing->items[file].path;
    if (!is_winner(path) && !is_input(path))
        return OL_OK;
    ol_status status = receipt_get_doc(l->folder->fd, path, RECEIPT_FILE_MAX, &doc, l->err);
    if (status == OL_INVALID || status == OL_NOT_FOUND)
        return OL_OK; /* said before */
    if (status != OL_OK)
        return status;
    const char *cwd = json_get_text(json_get(doc.root, "command"), "cwd");
    const struct json_node *artifact = json_get(doc.root, "artifact");
    if (artifact != NULL)
        status = each(l, file, NULL, "input", artifact);
    artifact = json_get(json_get(doc.root, "streams"), "stdin");
    if (artifact != NULL && status == OL_OK)
        status = each(l, file, cwd, "input", artifact);
    artifact = json_get_items(doc.root, "inputs");
    for (; status == OL_OK && artifact != NULL; artifact = artifact->next)
        status = each(l, file, cwd, "input", artifact);
    artifact = json_get_items(doc.root, "outputs");
    for (; status == OL_OK && artifact != NULL; artifact = artifact->next)
        status = each(l, file, cwd, "output", artifact);
    json_doc_release(&doc);
    return status;
}

ol_status receipt_files_check(const struct receipt_folder *folder,
                              const struct receipt_listing *listing, receipt_problem *tell,
                              void *arg, struct receipt_figures *figures, struct ol_error *err)
{
    struct look l = {.folder = folder,
                     .listing = listing,
                     .tell = tell,
                     .arg = arg,
                     .figures = figures,
                     .err = err};
    ol_status status = OL_OK;
    for (size_t i = 0; status == OL_OK && i < listing->count; i++)
        status = each_artifact(&l, i, note);
    if (status == OL_OK)
        status = receipt_hashes_read(&l.hashes, err); /* promise 3 */
    for (size_t i = 0; status == OL_OK && i < listing->count; i++)
        status = each_artifact(&l, i, look_at);
    for (size_t i = 0; i < l.count; i++)
        free(l.written[i].full);
    free(l.written);
    receipt_hashes_release(&l.hashes);
    return status;
}
