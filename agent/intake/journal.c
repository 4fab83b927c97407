/* SPDX-License-Identifier: Apache-2.0 */
/* Journals as a source of intake: which file next, what a commit and a roll-back mean.
 *
 *  1. file->synced moves past an event only in journal_intake_committed(); a roll-back goes back to
 * it, so each line is taken again (JOURNAL.md P2).
 *  2. inotify is a hint: behind it every file is looked at by polling, whatever it said.
 *  3. The trouble of one file or directory holds up no other; the spool's trouble holds up all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "journal_impl.h"
#include "times.h"

#define RETRY_MS 1000
#define CLOCK_STEP_MS 60000
#define LINES_KEEP (1u << 20) /* a larger buffer goes back after its run */

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
    struct stat st;
    ji->pid_ns = stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* ---- Positions whose files left just before the last end ---- */

struct known {
    struct ol__uuid *keys;
    size_t count, cap;
    bool is_short; /* out of memory */
};

static void note_key(void *arg, const struct ol__uuid *journal)
{
    struct known *known = arg;
    if (known->count == known->cap) {
        struct ol__uuid *keys = ol__grow(known->keys, &known->cap, sizeof *keys);
        if (keys == NULL) {
            known->is_short = true;
            return; /* the rest at the next start */
        }
        known->keys = keys;
    }
    known->keys[known->count++] = *journal;
}

static void note_position(void *arg, const struct ol__uuid *journal, uint64_t position)
{
    (void)position;
    note_key(arg, journal);
}

static int by_key(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct ol__uuid));
}

/** Keys of all files, sorted; false: not all of them are known, or out of memory. */
static bool gather_keys(struct journal_intake *ji, struct known *known)
{
    for (size_t d = 0; d < ji->dir_count; d++) {
        const struct journal_dir *dir = &ji->dirs[d];
        if (dir->fd < 0 || dir->must_scan || dir->is_cut || dir->is_failing)
            return false;
        for (size_t i = 0; i < dir->count; i++) {
            const struct journal_file *file = dir->files[i];
            if (!file->is_opened || !journal_abort_is_ready(file))
                return false;
            note_key(known, &file->key);
            journal_abort_each_key(ji, file, note_key, known);
            if (known->is_short)
                return false;
        }
    }
    if (!foreign_each_key(ji->foreign, note_key, known) || known->is_short)
        return false;
    if (known->count > 0)
        qsort(known->keys, known->count, sizeof *known->keys, by_key);
    return true;
}

/** Positions of files that were unlinked before the last end, whose forgetting did not reach the
 * disk. Only when every file is known: a position too few doubles events. */
static void forget_lost(struct journal_intake *ji)
{
    struct known files = {.keys = NULL}, positions = {.keys = NULL};
    if (!gather_keys(ji, &files))
        goto out;
    for (size_t d = 0; d < ji->dir_count; d++) {
        if (fsync(ji->dirs[d].fd) < 0)
            goto out; /* an unlink may still come undone: keep them all */
    }
    ji->has_forgotten = true;
    for (size_t d = 0; d < ji->dir_count; d++)
        journal_keep_sweep(&ji->dirs[d]);
    spool_positions(ji->agent->spool, note_position, &positions);
    for (size_t i = 0; i < positions.count; i++) {
        if (files.count == 0 || bsearch(&positions.keys[i], files.keys, files.count,
                                        sizeof *files.keys, by_key) == NULL)
            OL_IGNORE(spool_group_forget(ji->agent->spool, &positions.keys[i]) != OL_OK,
                      "kept until the next start");
    }
out:
    free(files.keys);
    free(positions.keys);
}

/* ---- Age ---- */

static int64_t boot_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now); /* runs on while the machine sleeps */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool journal_is_past(struct journal_intake *ji, int64_t since_ms, int64_t age_ms)
{
    int64_t wall = ol__time_now_ms(), boot = boot_clock_ms();
    int64_t step = wall - boot - ji->clock_offset;
    ji->clock_offset += step;
    if (step > CLOCK_STEP_MS || step < -CLOCK_STEP_MS) {
        ji->stepped_ms = boot;
        log_write(
            LOG_LEVEL_WARNING, "intake",
            "the clock was set by %lld s: journals of writers elsewhere wait anew before they "
            "are moved away",
            (long long)(step / 1000));
    }
    return wall - since_ms >= age_ms && boot - ji->stepped_ms >= age_ms;
}

/* ---- Life ---- */

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
    ji->clock_offset = ol__time_now_ms() - boot_clock_ms();
    ji->stepped_ms = INT64_MIN / 2; /* never */
    if (spool_clock_is_doubtful(agent->spool, ol__time_now_ms()))
        ji->stepped_ms = boot_clock_ms(); /* it may have been set while no agent ran */
    ol__buf_init(&ji->lines, JOURNAL_LINE_MAX + (1u << 20));
    read_host(ji);
    ji->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    ji->abort_due = INT64_MAX;
    ji->listed_max = JOURNAL_LISTED;
    ji->uid_listed_max = JOURNAL_UID_LISTED;
    ol_status st = ol__json_reader_new(&ji->reader, err);
    if (st == OL_OK)
        st = open_runs_new(&ji->open, err);
    if (st == OL_OK)
        st = foreign_open(agent, taker, &ji->foreign, err);
    if (st == OL_OK)
        intake_taker_watch(taker, journal_abort_saw, ji);
    size_t count = config->journal_directories.count;
    if (st == OL_OK)
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
    if (ji->dir_count == 0)
        return foreign_deadline(ji->foreign);
    int64_t due = OL_MIN(OL_MIN(ji->poll_due, ji->abort_due), foreign_deadline(ji->foreign));
    for (size_t i = 0; i < ji->dir_count; i++) {
        if (ji->dirs[i].must_sync)
            due = OL_MIN(due, ji->dirs[i].sync_due);
    }
    return due;
}

void journal_intake_rescan(struct journal_intake *ji)
{
    foreign_rescan(ji->foreign);
    for (size_t d = 0; d < ji->dir_count; d++) {
        struct journal_dir *dir = &ji->dirs[d];
        dir->must_scan = true;
        for (size_t i = 0; i < dir->count; i++)
            journal_dir_mark(dir, dir->files[i]);
    }
}

/* ---- Taking ---- */

/** One turn over the dirty files of a directory, oldest first, from where the last one stopped. */
static ol_status take_directory(struct journal_intake *ji, struct journal_dir *dir, size_t *budget,
                                struct ol_error *err)
{
    ol_status result = OL_OK;
    size_t begin = dir->turn_next[0] != '\0' ? journal_dir_index(dir, dir->turn_next) : 0;
    size_t bytes;
    if (!dir->has_dirty)
        return OL_OK;
    for (size_t n = 0; n < dir->count; n++) {
        struct journal_file *file = dir->files[(begin + n) % dir->count];
        if (!file->is_dirty || file->is_left || file->is_ended || file->is_orphan)
            continue;
        if (*budget == 0) {
            memcpy(dir->turn_next, file->name, sizeof dir->turn_next);
            return OL_AGAIN;
        }
        ol_status st = journal_file_take(ji, dir, file, &bytes, err);
        *budget -= OL_MIN(*budget, bytes);
        if (st == OL_AGAIN)
            result = OL_AGAIN;
        else if (st == OL_OK)
            file->is_dirty = false;
        else {
            memcpy(dir->turn_next, file->name, sizeof dir->turn_next);
            return st;
        }
    }
    dir->turn_next[0] = '\0';
    if (result == OL_OK)
        dir->has_dirty = false;
    return result;
}

static ol_status scan_directory(struct journal_intake *ji, struct journal_dir *dir,
                                struct ol_error *err)
{
    struct ol_error why = {.status = OL_OK};
    ol_status st = journal_dir_scan(ji, dir, &why);
    if (st == OL_NOMEM) {
        if (err != NULL)
            *err = why;
        return st;
    }
    if (st != OL_OK && !dir->is_failing) /* promise 3 */
        log_write(LOG_LEVEL_ERROR, "intake", "%s; tried again", why.message);
    dir->is_failing = st != OL_OK;
    return OL_OK;
}

static ol_status take_all(struct journal_intake *ji, size_t budget, struct ol_error *err)
{
    ol_status result = OL_OK;
    size_t begin = ji->dir_next;
    ji->dir_next = 0;
    for (size_t n = 0; n < ji->dir_count; n++) {
        size_t d = (begin + n) % ji->dir_count;
        struct journal_dir *dir = &ji->dirs[d];
        if (dir->fd < 0)
            continue;
        ol_status st = dir->must_scan ? scan_directory(ji, dir, err) : OL_OK;
        if (st == OL_OK)
            st = take_directory(ji, dir, &budget, err);
        if (st == OL_OK)
            continue;
        if (st != OL_AGAIN)
            return st;
        result = OL_AGAIN;
        if (budget == 0) {
            ji->dir_next = d;
            break;
        }
    }
    return result;
}

ol_status journal_intake_run(struct journal_intake *ji, size_t budget_bytes, struct ol_error *err)
{
    int64_t now = ol__time_monotonic_ms();
    uint64_t files = 0;
    OL_IGNORE(journal_is_past(ji, 0, 0), "it looks at the clock, even if no journal asks");
    journal_dir_watch(ji);
    bool is_poll = now >= ji->poll_due;
    if (is_poll) { /* promise 2 */
        for (size_t d = 0; d < ji->dir_count; d++)
            journal_dir_poll(ji, &ji->dirs[d]);
        ji->poll_due = now + ji->agent->config->journal_poll_ms;
    }
    journal_abort_wake(ji, now);
    ol_status st = take_all(ji, budget_bytes, err);
    if (st == OL_OK || st == OL_AGAIN) {
        ol_status other = foreign_run(ji->foreign, &ji->owner, err);
        st = other != OL_OK ? other : st;
    }
    if (st == OL_FULL && spool_group_size(ji->agent->spool) > 0)
        st = OL_AGAIN; /* the group may be what is full; if it is the spool, the next call says so
                        */
    if (st == OL_OK)
        journal_abort_caught_up(ji, now);
    else if (st < 0)
        journal_abort_begin_anew(ji);
    if (ji->lines.cap > LINES_KEEP)
        ol__buf_release(&ji->lines);
    for (size_t d = 0; d < ji->dir_count; d++) {
        journal_dir_tidy(ji, &ji->dirs[d], false); /* what ended with no event in the group */
        files += ji->dirs[d].count;
    }
    metric_set(&ji->agent->metrics->intake.journal_files, files);
    if (is_poll)
        journal_waiting_publish(ji);
    metric_set(&ji->agent->metrics->intake.open_runs, open_runs_count(ji->open));
    if (st == OL_OK && !ji->has_forgotten)
        forget_lost(ji);
    if (st < 0)
        ji->poll_due = now + RETRY_MS;
    OL_CRASHPOINT("journal.taken");
    return st;
}

void journal_intake_committed(struct journal_intake *ji)
{
    OL_CRASHPOINT("journal.committed");
    open_runs_settle(ji->open, true);
    foreign_committed(ji->foreign);
    for (size_t d = 0; d < ji->dir_count; d++) {
        struct journal_dir *dir = &ji->dirs[d];
        for (size_t i = 0; dir->has_group && i < dir->count; i++) {
            dir->files[i]->synced = dir->files[i]->taken; /* promise 1 */
            dir->files[i]->aborted_synced = dir->files[i]->aborted;
            dir->files[i]->is_in_group = false;
        }
        dir->has_group = false;
        journal_dir_tidy(ji, dir, false);
    }
}

void journal_intake_rolled_back(struct journal_intake *ji)
{
    open_runs_settle(ji->open, false);
    foreign_rolled_back(ji->foreign);
    journal_abort_begin_anew(ji);
    for (size_t d = 0; d < ji->dir_count; d++) {
        struct journal_dir *dir = &ji->dirs[d];
        for (size_t i = 0; i < dir->count; i++) {
            struct journal_file *file = dir->files[i];
            file->is_in_order = false; /* an earlier part may have gone back */
            if (file->is_in_group) {
                journal_file_roll_back(file);
                journal_dir_mark(dir, file);
            }
        }
        dir->has_group = false;
    }
    ji->poll_due = ol__time_monotonic_ms() + RETRY_MS;
}

void journal_intake_let_pass(struct journal_intake *ji)
{
    journal_abort_let_pass(ji);
}

void journal_intake_close(struct journal_intake *ji)
{
    if (ji == NULL)
        return;
    for (size_t d = 0; d < ji->dir_count; d++)
        journal_dir_close(ji, &ji->dirs[d], true);
    free(ji->dirs);
    if (ji->inotify >= 0)
        close(ji->inotify);
    ol__json_reader_free(ji->reader);
    intake_taker_watch(ji->taker, NULL, NULL);
    open_runs_free(ji->open);
    foreign_close(ji->foreign);
    ol__buf_release(&ji->lines);
    free(ji);
}
