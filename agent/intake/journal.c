/* SPDX-License-Identifier: Apache-2.0 */
/* Journals as a source of intake: which file next, what a commit and a roll-back mean.
 *
 *  1. file->synced moves only in journal_intake_committed(), to what the group held; a roll-back goes back to it,
 *     so each line is taken again (JOURNAL.md P2).
 *  2. inotify is a hint: behind it every file is looked at once a poll, whatever it said.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>
#include "journal_impl.h"
#include "times.h"

#define RETRY_MS 1000

static void read_host(struct journal_intake *ji)
{
    struct ol__buf boot;
    ol__buf_init(&boot, 256);
    if (ol__fs_read_file(&ol__fs_real, AT_FDCWD, "/proc/sys/kernel/random/boot_id", &boot, NULL) ==
            OL_OK &&
        boot.size >= OL_UUID_TEXT)
        memcpy(ji->boot, boot.data, OL_UUID_TEXT);
    ol__buf_release(&boot);
    if (gethostname(ji->host, sizeof ji->host - 1) < 0)
        ji->host[0] = '\0';
}

struct known {
    struct journal_intake *ji;
    struct ol__uuid *keys;
    size_t count, cap;
    bool is_complete;
};

static void note_position(void *arg, const struct ol__uuid *journal, uint64_t position)
{
    struct known *known = arg;
    (void)position;
    if (known->count == known->cap) {
        size_t cap = known->cap == 0 ? 256 : known->cap * 2;
        struct ol__uuid *keys = realloc(known->keys, cap * sizeof *keys);
        if (keys == NULL) {
            known->is_complete = false;
            return;
        }
        known->keys = keys;
        known->cap = cap;
    }
    known->keys[known->count++] = *journal;
}

static bool has_file(const struct journal_intake *ji, const struct ol__uuid *key)
{
    for (size_t d = 0; d < ji->dir_count; d++) {
        for (size_t i = 0; i < ji->dirs[d].count; i++) {
            const struct journal_file *file = ji->dirs[d].files[i];
            if (file->is_opened && memcmp(file->key.bytes, key->bytes, sizeof key->bytes) == 0)
                return true;
        }
    }
    return false;
}

/** Positions of files that were unlinked before the last end, whose forgetting did not reach the disk. */
static void forget_lost(struct journal_intake *ji)
{
    struct known known = {.ji = ji, .is_complete = true};
    for (size_t d = 0; d < ji->dir_count; d++) {
        if (fsync(ji->dirs[d].fd) < 0)
            return; /* an unlink may still come undone: keep them all */
    }
    spool_positions(ji->agent->spool, note_position, &known);
    for (size_t i = 0; i < known.count; i++) {
        if (!has_file(ji, &known.keys[i]))
            OL_IGNORE(spool_group_forget(ji->agent->spool, &known.keys[i]) != OL_OK,
                      "kept until the next start");
    }
    free(known.keys);
}

ol_status journal_intake_open(const struct agent *agent, struct intake_taker *taker,
                              struct journal_intake **ret, struct ol_error *err)
{
    const struct agent_config *config = agent->config;
    struct journal_intake *ji = calloc(1, sizeof *ji);
    if (ji == NULL)
        return ol__error_set(err, OL_NOMEM, "journals: out of memory");
    ji->agent = agent;
    ji->taker = taker;
    ji->orphan_after_ms = config->journal_orphan_after_ms;
    ol__buf_init(&ji->lines, JOURNAL_LINE_MAX + (1u << 20));
    read_host(ji);
    ji->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    ol_status st = ol__json_reader_new(&ji->reader, err);
    size_t count = config->journal_directories.count;
    ji->dirs = calloc(count + 1, sizeof *ji->dirs);
    if (st == OL_OK && ji->dirs == NULL)
        st = ol__error_set(err, OL_NOMEM, "journals: out of memory");
    while (st == OL_OK && ji->dir_count < count) {
        struct journal_dir *dir = &ji->dirs[ji->dir_count++];
        st = journal_dir_open(ji, dir, config->journal_directories.items[ji->dir_count - 1], err);
    }
    if (st != OL_OK) {
        journal_intake_close(ji);
        return st;
    }
    *ret = ji;
    return OL_OK;
}

int journal_intake_fd(const struct journal_intake *ji)
{
    return ji->inotify;
}

int64_t journal_intake_deadline(const struct journal_intake *ji)
{
    int64_t due = ji->poll_due;
    if (ji->dir_count == 0)
        return INT64_MAX;
    for (size_t i = 0; i < ji->dir_count; i++) {
        if (ji->dirs[i].must_sync)
            due = OL_MIN(due, ji->dirs[i].sync_due);
    }
    return due;
}

static void mark_all_dirty(struct journal_intake *ji)
{
    for (size_t d = 0; d < ji->dir_count; d++) {
        for (size_t i = 0; i < ji->dirs[d].count; i++)
            ji->dirs[d].files[i]->is_dirty = true;
    }
}

void journal_intake_rescan(struct journal_intake *ji)
{
    for (size_t d = 0; d < ji->dir_count; d++)
        ji->dirs[d].must_scan = true;
    mark_all_dirty(ji);
}

/** One turn over the dirty files of a directory, oldest first. */
static ol_status take_directory(struct journal_intake *ji, struct journal_dir *dir, size_t *budget,
                                struct ol_error *err)
{
    ol_status result = OL_OK;
    for (size_t i = 0; i < dir->count; i++) {
        struct journal_file *file = dir->files[i];
        size_t bytes;
        if (!file->is_dirty || file->is_left || file->is_ended)
            continue;
        if (*budget == 0)
            return OL_AGAIN;
        ol_status st = journal_file_take(ji, dir, file, &bytes, err);
        *budget -= OL_MIN(*budget, bytes);
        if (st == OL_AGAIN)
            result = OL_AGAIN;
        else if (st != OL_OK)
            return st;
        else
            file->is_dirty = false;
    }
    return result;
}

ol_status journal_intake_run(struct journal_intake *ji, size_t budget_bytes, struct ol_error *err)
{
    int64_t now = ol__time_monotonic_ms();
    ol_status result = OL_OK;
    uint64_t files = 0;
    bool is_first = ji->poll_due == 0;
    journal_dir_watch(ji);
    if (now >= ji->poll_due) { /* promise 2 */
        mark_all_dirty(ji);
        ji->poll_due = now + ji->agent->config->journal_poll_ms;
    }
    for (size_t d = 0; d < ji->dir_count; d++) {
        struct journal_dir *dir = &ji->dirs[d];
        ol_status st = dir->must_scan ? journal_dir_scan(ji, dir, err) : OL_OK;
        if (st == OL_OK)
            st = take_directory(ji, dir, &budget_bytes, err);
        if (st == OL_AGAIN)
            result = OL_AGAIN;
        else if (st != OL_OK) {
            ji->poll_due = now + RETRY_MS;
            return st;
        }
        files += dir->count;
    }
    metric_set(&ji->agent->metrics->intake.journal_files, files);
    if (is_first && result == OL_OK)
        forget_lost(ji);
    else if (is_first)
        ji->poll_due = 0; /* the first look is not over */
    return result;
}

void journal_intake_committed(struct journal_intake *ji)
{
    for (size_t d = 0; d < ji->dir_count; d++) {
        for (size_t i = 0; i < ji->dirs[d].count; i++)
            ji->dirs[d].files[i]->synced = ji->dirs[d].files[i]->taken; /* promise 1 */
        journal_dir_tidy(ji, &ji->dirs[d], false);
    }
}

void journal_intake_rolled_back(struct journal_intake *ji)
{
    for (size_t d = 0; d < ji->dir_count; d++) {
        for (size_t i = 0; i < ji->dirs[d].count; i++) {
            struct journal_file *file = ji->dirs[d].files[i];
            if (file->taken == file->synced && !file->is_dirty)
                continue;
            file->taken = file->synced;
            file->has_end = file->is_ended = file->is_orphan = file->is_skipping = false;
            file->is_dirty = true;
        }
    }
    ji->poll_due = ol__time_monotonic_ms() + RETRY_MS;
}

void journal_intake_close(struct journal_intake *ji)
{
    if (ji == NULL)
        return;
    for (size_t d = 0; d < ji->dir_count; d++) {
        if (ji->dirs[d].fd >= 0 && ji->dirs[d].must_sync)
            journal_dir_tidy(ji, &ji->dirs[d], true);
        journal_dir_close(&ji->dirs[d]);
    }
    free(ji->dirs);
    if (ji->inotify >= 0)
        close(ji->inotify);
    ol__json_reader_free(ji->reader);
    ol__buf_release(&ji->lines);
    free(ji);
}
