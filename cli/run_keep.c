/* SPDX-License-Identifier: Apache-2.0 */
#include "run_keep.h"

#include <stdlib.h>
#include <unistd.h>
#include "cli.h"
#include "receipt/record.h"

ol_status run_keep_add(struct run_keep *keep, const char *path)
{
    if (keep->path_count == RUN_KEEP_MAX)
        return OL_TOO_LARGE;
    if (keep->path_count == keep->path_cap) {
        const char **paths = ol__grow(keep->paths, &keep->path_cap, sizeof *paths);
        if (paths == NULL)
            return OL_NOMEM;
        keep->paths = paths;
    }
    keep->paths[keep->path_count++] = path;
    return OL_OK;
}

ol_status run_keep_note(struct run_keep *keep, const struct receipt_kept *kept)
{
    if (keep->count == keep->cap) {
        struct receipt_kept *items = ol__grow(keep->items, &keep->cap, sizeof *items);
        if (items == NULL)
            return OL_NOMEM;
        keep->items = items;
    }
    keep->items[keep->count++] = *kept;
    return OL_OK;
}

/* The hash of the file as it was, redacted or not. */
static const char *hash_of(const struct receipt_kept *kept)
{
    return kept->original[0] != '\0' ? kept->original : kept->sha256;
}

/* What was kept of @p path at the start; NULL: nothing. */
static const struct receipt_kept *find(const struct run_keep *keep, const char *path)
{
    for (size_t i = 0; i < keep->count; i++) {
        if (keep->items[i].path == path)
            return &keep->items[i];
    }
    return NULL;
}

static void keep_one(struct run_keep *keep, const char *runs, const char *path, const char *at,
                     bool is_quiet)
{
    struct ol_error err = {.message = "out of memory"};
    struct receipt_kept kept = {
        .path = path, .at = at, .media_type = receipt_media_type(path), .size = -1};
    ol_status status = receipt_object_keep_file(runs, path, keep->limit, &kept, &err);
    const struct receipt_kept *before = find(keep, path);
    if (status == OL_OK && before != NULL && strcmp(hash_of(before), hash_of(&kept)) == 0)
        return; /* as it was */
    if (status != OL_OK && kept.reason == NULL)
        kept.reason = status == OL_NOT_FOUND ? "not there" : "could not be read or written";
    if (status != OL_OK)
        kept.sha256[0] = kept.original[0] = '\0';
    if (status != OL_OK && !is_quiet)
        cli_say("--keep: %s", err.message);
    if (run_keep_note(keep, &kept) != OL_OK && !is_quiet)
        cli_say("--keep: '%s': out of memory", path);
}

void run_keep_start(struct run_keep *keep, const char *runs, bool is_quiet)
{
    for (size_t i = 0; i < keep->path_count; i++) {
        if (access(keep->paths[i], F_OK) == 0)
            keep_one(keep, runs, keep->paths[i], "start", is_quiet);
    }
}

void run_keep_end(struct run_keep *keep, const char *runs, bool is_quiet)
{
    for (size_t i = 0; i < keep->path_count; i++) {
        const struct receipt_kept *before = find(keep, keep->paths[i]);
        if (before != NULL && (before->sha256[0] == '\0' || access(keep->paths[i], F_OK) != 0))
            continue; /* said before; or it was there, and the command took it away */
        keep_one(keep, runs, keep->paths[i], "end", is_quiet);
    }
}

struct ol__span run_keep_value(struct run_keep *keep)
{
    if (keep->count == 0)
        return (struct ol__span){.data = NULL};
    ol__buf_release(&keep->json);
    ol__buf_init(&keep->json, RECEIPT_FILE_MAX);
    receipt_write_kept(keep->items, keep->count, &keep->json);
    return keep->json.status == OL_OK
               ? (struct ol__span){.data = keep->json.data, .size = keep->json.size}
               : (struct ol__span){.data = NULL};
}

void run_keep_release(struct run_keep *keep)
{
    ol__buf_release(&keep->json);
    free(keep->paths);
    free(keep->items);
    *keep = (struct run_keep){.paths = NULL};
}
