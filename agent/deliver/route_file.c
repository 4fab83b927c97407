/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Exactly once in the file: `PATH.cursor` holds spool, sequence and size of what was synced; a
 * start cuts the file back to it and goes on behind it. Only a file that is the recorded one is
 * ever cut.
 *  2. One event a line, in spool order: its bytes, or, if they hold a newline, its tokens as they
 * are spelled without the white space between.
 *  3. A file whose sync failed is not written to again: it is cut, best effort, and renamed
 * `.failed-SEQ`.
 *  4. No renamed file is replaced; one is removed only if keep_files says so.
 *  5. "-" writes to standard output; its place is kept in an ordinary cursor, so kill -9 may double
 * the last batch. */
#include "route.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "rotate.h"
#include "times.h"

#define BATCH_MAX (256u * 1024u)
#define COMMIT_BYTES (INT64_C(8) * 1024 * 1024)
#define COMMIT_MS 1000
#define RETRY_MS 1000
#define TURN_LOOK_MS 60000 /* a wall clock that was set is seen after so long */
#define CURSOR_NAME "lineaged-file-cursor 1 "
#define CURSOR_FORMAT CURSOR_NAME "%s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n"

struct file_route {
    struct route base;
    bool is_stdout;
    int dirfd, fd;
    char *name, *cursor_name; /* in dirfd */
    uint64_t inode;
    struct ol__buf batch;
    size_t batch_events;
    struct taken_times taken; /* of the batch */
    uint64_t batch_seq;       /* newest sequence in, or passed before, the batch */
    uint64_t written_seq, synced_seq;
    uint64_t written_size, synced_size;
    int64_t commit_at; /* 0: nothing to commit */
    int64_t turn;      /* rotate_every: which one its lines are of */
    int64_t paced_at;  /* 0: the rate lets more go */
    int64_t retry_at;
    struct ol__buf minified;
};

/* ---- Opening: promise 1 ---- */

/* @p ret_numbers: sequence, inode, size. */
static bool cursor_parse(struct ol__span text, char ret_uuid[OL_UUID_TEXT + 1],
                         uint64_t ret_numbers[3])
{
    char copy[256];
    const size_t head = strlen(CURSOR_NAME);
    if (text.size >= sizeof copy || text.size < head + OL_UUID_TEXT ||
        memcmp(text.data, CURSOR_NAME, head) != 0)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    memcpy(ret_uuid, copy + head, OL_UUID_TEXT);
    ret_uuid[OL_UUID_TEXT] = '\0';
    char *at = copy + head + OL_UUID_TEXT;
    for (int i = 0; i < 3; i++) {
        if (at[0] != ' ' || at[1] < '0' || at[1] > '9')
            return false;
        errno = 0;
        ret_numbers[i] = strtoull(at, &at, 10);
        if (errno != 0)
            return false;
    }
    return strcmp(at, "\n") == 0;
}

static ol_status cursor_read(struct file_route *r, uint64_t *ret_inode, uint64_t *ret_size,
                             struct ol_error *err)
{
    struct ol__buf text;
    char uuid[OL_UUID_TEXT + 1], own[OL_UUID_TEXT + 1];
    ol__buf_init(&text, 4096);
    ol_status status = ol__fs_read_file(&ol__fs_real, r->dirfd, r->cursor_name, &text, err);
    *ret_inode = 0;
    r->synced_seq = 0;
    if (status == OL_NOT_FOUND) {
        ol__buf_release(&text);
        return OL_OK;
    }
    uint64_t numbers[3] = {0};
    if (status == OL_OK && !cursor_parse((struct ol__span){text.data, text.size}, uuid, numbers))
        status = ol__error_set(err, OL_CORRUPT, "'%s': not a cursor of ours; move it away",
                               r->cursor_name);
    ol__buf_release(&text);
    if (status != OL_OK)
        return status;
    ol__uuid_format(spool_uuid(r->base.agent->spool), own);
    if (strcmp(uuid, own) != 0) {
        log_write(LOG_LEVEL_WARNING, r->base.area,
                  "the cursor is of another spool (%s): from the oldest event", uuid);
        return OL_OK; /* the file is not cut, being written by another spool */
    }
    r->synced_seq = numbers[0];
    *ret_inode = numbers[1];
    *ret_size = numbers[2];
    return OL_OK;
}

static ol_status cursor_write(struct file_route *r, struct ol_error *err)
{
    char uuid[OL_UUID_TEXT + 1], text[256];
    ol__uuid_format(spool_uuid(r->base.agent->spool), uuid);
    int size =
        snprintf(text, sizeof text, CURSOR_FORMAT, uuid, r->written_seq, r->inode, r->written_size);
    ol_status status =
        ol__fs_replace(&ol__fs_real, r->dirfd, r->cursor_name, text, (size_t)size, 0600, err);
    if (status != OL_OK)
        return status;
    r->synced_seq = r->written_seq;
    r->synced_size = r->written_size;
    spool_cursor_set_external(r->base.cursor, r->synced_seq);
    return OL_OK;
}

/* A last line without newline is of someone who died; ours begins on its own. */
static ol_status end_line(struct file_route *r, uint64_t size, struct ol_error *err)
{
    char last = '\n';
    size_t got = 0;
    ol_status status = OL_OK;
    if (size > 0)
        status = ol__fs_read_at(&ol__fs_real, r->fd, &last, 1, (off_t)size - 1, &got, err);
    r->written_size = size;
    if (status != OL_OK || last == '\n')
        return status;
    if (write(r->fd, "\n", 1) != 1)
        return ol__error_set_errno(err, errno, "'%s': write", r->name);
    r->written_size++;
    return OL_OK;
}

static ol_status file_open(struct file_route *r, struct ol_error *err)
{
    struct stat st;
    uint64_t inode = 0, size = 0;
    ol_status status = cursor_read(r, &inode, &size, err);
    if (status != OL_OK)
        return status;
    r->fd = openat(r->dirfd, r->name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (r->fd < 0 || fstat(r->fd, &st) != 0)
        return ol__error_set_errno(err, errno, "'%s': open", r->base.config->path);
    if (!S_ISREG(st.st_mode))
        return ol__error_set(err, OL_CONFIG, "'%s': not a regular file", r->base.config->path);
    r->inode = (uint64_t)st.st_ino;
    if (r->base.config->rotate_every_ms > 0)
        r->turn = rotate_turn((int64_t)st.st_mtim.tv_sec * 1000, r->base.config->rotate_every_ms);
    r->written_seq = r->batch_seq = r->synced_seq;
    if (inode == r->inode && (uint64_t)st.st_size > size) {
        if (ftruncate(r->fd, (off_t)size) != 0)
            return ol__error_set_errno(err, errno, "'%s': cut to %" PRIu64, r->name, size);
        st.st_size = (off_t)size;
    }
    status = end_line(r, (uint64_t)st.st_size, err);
    if (status != OL_OK)
        return status;
    if (r->base.cursor == NULL) {
        status = spool_cursor_open_external(
            r->base.agent->spool, r->base.config->name,
            route_is_pinned(r->base.agent, (int)(r->base.metrics - r->base.agent->metrics->routes)),
            r->synced_seq, &r->base.cursor, err);
        if (status != OL_OK)
            return status;
    }
    /* Before the first line: a crash must find the file that it may cut. */
    return cursor_write(r, err);
}

static void forget(struct file_route *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    spool_reader_close(r->base.reader);
    r->base.reader = NULL;
    ol__buf_reset(&r->batch);
    r->batch_events = r->taken.used = 0;
    r->commit_at = 0;
}

static ol_status ensure_open(struct file_route *r, struct ol_error *err)
{
    ol_status status = OL_OK;
    if (!r->is_stdout && r->fd < 0)
        status = file_open(r, err);
    if (status == OL_OK && r->base.reader == NULL)
        status = spool_reader_open(r->base.agent->spool, r->written_seq, &r->base.reader, err);
    if (status != OL_OK)
        forget(r);
    return status;
}

/* ---- Writing ---- */

static ol_status write_out(struct file_route *r, struct ol_error *err)
{
    size_t done = 0;
    while (done < r->batch.size) {
        ssize_t n =
            write(r->is_stdout ? STDOUT_FILENO : r->fd, r->batch.data + done, r->batch.size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ol__error_set_errno(err, errno, "'%s': write", r->base.config->path);
        done += (size_t)n;
    }
    return OL_OK;
}

static ol_status flush(struct file_route *r, int64_t now_ms, struct ol_error *err)
{
    ol_status status = write_out(r, err);
    if (status != OL_OK)
        return status;
    OL_CRASHPOINT("file.written");
    if (r->batch.size > 0)
        metric_add(&r->base.metrics->requests, 1);
    metric_add(&r->base.metrics->delivered_bytes, r->batch.size - r->batch_events);
    metric_add(&r->base.metrics->delivered_events, r->batch_events);
    route_metrics_delivered_all(r->base.metrics, &r->taken);
    if (r->base.config->rotate_every_ms > 0 && r->written_size == 0)
        r->turn = rotate_turn(ol__time_now_ms(), r->base.config->rotate_every_ms);
    r->written_size += r->batch.size;
    if (r->batch.size > 0 && r->commit_at == 0)
        r->commit_at = now_ms + COMMIT_MS;
    r->written_seq = r->batch_seq;
    ol__buf_reset(&r->batch);
    r->batch_events = 0;
    return OL_OK;
}

static ol_status rotate(struct file_route *r, struct ol_error *err)
{
    size_t removed = 0;
    struct ol_error trouble;
    ol_status status = rotate_away(r->dirfd, r->name, r->synced_seq, err);
    if (status != OL_OK)
        return status;
    OL_CRASHPOINT("file.rotated");
    forget(r);
    status = ensure_open(r, err);
    if (status != OL_OK || r->base.config->keep_files == 0)
        return status;
    if (rotate_prune(r->dirfd, r->name, (size_t)r->base.config->keep_files, &removed, &trouble) !=
        OL_OK) /* the next rotation tries again */
        log_write(LOG_LEVEL_WARNING, r->base.area, "keep_files: %s", trouble.message);
    if (removed > 0)
        log_write(LOG_LEVEL_INFO, r->base.area, "keep_files: %zu old file%s removed", removed,
                  removed == 1 ? "" : "s");
    return OL_OK;
}

static ol_status commit(struct file_route *r, struct ol_error *err)
{
    r->commit_at = 0;
    if (fdatasync(r->fd) != 0) {
        int code = errno; /* promise 3 */
        char name[600];
        snprintf(name, sizeof name, "%s.failed-%020" PRIu64, r->name, r->synced_seq);
        OL_IGNORE(ftruncate(r->fd, (off_t)r->synced_size), "best effort: its lines come again");
        OL_IGNORE(renameat(r->dirfd, r->name, r->dirfd, name), "then it is cut at the next open");
        return ol__error_set_errno(err, code, "'%s': fdatasync", r->name);
    }
    OL_CRASHPOINT("file.synced");
    ol_status status = cursor_write(r, err);
    if (status != OL_OK)
        return status;
    OL_CRASHPOINT("file.marked");
    metric_set(&r->base.metrics->last_success, (uint64_t)ol__time_now_ms());
    int64_t limit = r->base.config->rotate_bytes;
    struct stat st;
    if (limit > 0 && r->synced_size >= (uint64_t)limit)
        return rotate(r, err);
    if (fstatat(r->dirfd, r->name, &st, 0) != 0 || (uint64_t)st.st_ino != r->inode) {
        forget(r); /* a log rotator took it away: go on in a new one */
        return ensure_open(r, err);
    }
    return OL_OK;
}

/* Whether its lines are of an earlier turn (or a later one: the clock was set back). */
static bool is_old(const struct file_route *r)
{
    int64_t every = r->base.config->rotate_every_ms;
    return every > 0 && !r->is_stdout && r->written_size > 0 &&
           rotate_turn(ol__time_now_ms(), every) != r->turn;
}

static ol_status turn_over(struct file_route *r, struct ol_error *err)
{
    ol_status status = OL_OK;
    if (r->commit_at != 0)
        status = commit(r, err);
    if (status == OL_OK && r->written_size > 0) /* or its size was enough */
        status = rotate(r, err);
    return status;
}

/* When to look whether it is; monotonic. */
static int64_t old_at(const struct file_route *r, int64_t now_ms)
{
    int64_t every = r->base.config->rotate_every_ms;
    if (every <= 0 || r->is_stdout || r->written_size == 0)
        return INT64_MAX;
    int64_t wall = ol__time_now_ms();
    return now_ms + OL_MIN((rotate_turn(wall, every) + 1) * every - wall, (int64_t)TURN_LOOK_MS);
}

/* ---- Reading ---- */

static ol_status add_line(struct file_route *r, struct ol__span event)
{
    if (memchr(event.data, '\n', event.size) != NULL) { /* promise 2 */
        ol__buf_reset(&r->minified);
        if (ol__json_minify(r->base.json, event, NULL, &r->minified, NULL) == OL_OK) {
            event = (struct ol__span){.data = r->minified.data, .size = r->minified.size};
        } else if (r->minified.status == OL_NOMEM) {
            return OL_NOMEM;
        } else { /* nested past our limit: a newline between tokens may as well be a space */
            ol__buf_reset(&r->minified);
            if (ol__buf_add(&r->minified, event.data, event.size) != OL_OK)
                return OL_NOMEM;
            for (size_t i = 0; i < r->minified.size; i++)
                if (r->minified.data[i] == '\n')
                    r->minified.data[i] = ' ';
            event.data = r->minified.data;
        }
    }
    size_t before = r->batch.size;
    ol__buf_add(&r->batch, event.data, event.size);
    ol__buf_add_char(&r->batch, '\n');
    if (r->batch.status == OL_OK) {
        r->batch_events++;
        pace_take(&r->base.pace, event.size);
        return OL_OK;
    }
    r->batch.status = OL_OK;
    ol__buf_truncate(&r->batch, before);
    return OL_NOMEM;
}

/* Whether the rate lets one more event go; else when, for the next round. */
static bool is_paced(struct file_route *r, int64_t now_ms)
{
    r->paced_at = pace_wait(&r->base.pace, now_ms);
    return r->paced_at != 0;
}

/* Records that are gone; what the spool gave up is counted as that. */
static void count_gap(struct file_route *r, uint64_t first, uint64_t last)
{
    uint64_t records;
    uint64_t known = OL_MAX(r->synced_seq, spool_cursor_given_up(r->base.cursor, &records));
    if (last > known)
        metric_add(&r->base.metrics->skipped, last - OL_MAX(first - 1, known));
}

/* Fill a batch. @return OL_OK: full; OL_END: caught up, or the rate is used up. */
static ol_status gather(struct file_route *r, int64_t now_ms, struct ol_error *err)
{
    struct spool_record record;
    unsigned passed = 0;
    while (r->batch.size < BATCH_MAX) {
        if (is_paced(r, now_ms))
            return OL_END;
        ol_status status = spool_reader_next(r->base.reader, &record, err);
        if (status == OL_GAP) {
            count_gap(r, record.seq, record.offset);
            r->batch_seq = OL_MAX(r->batch_seq, record.offset);
            continue;
        }
        if (status != OL_OK)
            return status;
        bool is_taken = record.type == SPOOL_EVENT && route_takes(&r->base, &record);
        if (is_taken && add_line(r, record.data) != OL_OK)
            return ol__error_set(err, OL_NOMEM, "out of memory for a line");
        if (is_taken)
            taken_times_add(&r->taken, record.time_ms);
        r->batch_seq = record.seq;
        passed += !is_taken;
        r->base.is_yielding = passed >= ROUTE_SKIP_MAX;
        if (r->base.is_yielding)
            return OL_END;
    }
    return OL_OK;
}

/* For standard output the place is an ordinary cursor. */
static ol_status gather_stdout(struct file_route *r, int64_t now_ms, struct ol_error *err)
{
    struct spool_record record;
    while (r->batch.size < BATCH_MAX) {
        if (is_paced(r, now_ms))
            return OL_END;
        ol_status status = route_read(&r->base, &record, err);
        if (status != OL_OK)
            return status == OL_AGAIN ? OL_END : status;
        if (add_line(r, record.data) != OL_OK) {
            r->base.ahead = record;
            return ol__error_set(err, OL_NOMEM, "out of memory for a line");
        }
        r->batch_seq = record.seq;
    }
    return OL_OK;
}

static ol_status advance(struct file_route *r, int64_t now_ms, struct ol_error *err)
{
    ol_status status = ensure_open(r, err);
    if (status == OL_OK && is_old(r))
        status = turn_over(r, err);
    while (status == OL_OK) {
        uint64_t first = r->written_seq + 1;
        ol_status got = r->is_stdout ? gather_stdout(r, now_ms, err) : gather(r, now_ms, err);
        if (got < 0)
            return got; /* the batch is kept */
        bool is_news = r->batch_seq > r->written_seq;
        bool has_lines = r->batch.size > 0;
        status = flush(r, now_ms, err);
        if (status != OL_OK)
            return status;
        if (r->is_stdout)
            for (uint64_t seq = OL_MAX(first, spool_cursor_low(r->base.cursor) + 1);
                 seq <= r->written_seq; seq++)
                route_done(&r->base, seq);
        else if (is_news && !has_lines && r->commit_at == 0)
            r->commit_at = now_ms + COMMIT_MS;
        bool is_due =
            r->commit_at != 0 && (now_ms >= r->commit_at || (r->base.is_hurried && got == OL_END) ||
                                  r->written_size >= r->synced_size + (uint64_t)COMMIT_BYTES);
        if (!r->is_stdout && is_due)
            status = commit(r, err);
        if (got == OL_END)
            break;
    }
    return status;
}

static int64_t work(struct route *base, int64_t now_ms)
{
    struct file_route *r = (struct file_route *)base;
    struct ol_error err = {0};
    if (now_ms < r->retry_at)
        return r->retry_at;
    r->retry_at = 0;
    ol_status status = advance(r, now_ms, &err);
    if (r->is_stdout)
        r->commit_at = 0;
    if (status == OL_OK) {
        route_set_state(base, ROUTE_OK, NULL);
        int64_t next = OL_MIN(r->paced_at != 0 ? r->paced_at : INT64_MAX, old_at(r, now_ms));
        return r->commit_at != 0 ? OL_MIN(next, r->commit_at) : next;
    }
    if (!r->is_stdout)
        forget(r); /* opening again cuts it back to what is synced */
    route_metrics_set_cause(base->metrics, CAUSE_DISK, err.message);
    route_set_state(base, ROUTE_FAILED, err.message);
    r->retry_at = now_ms + RETRY_MS;
    return r->retry_at;
}

static void stop(struct route *base)
{
    struct file_route *r = (struct file_route *)base;
    struct ol_error err;
    if (!r->is_stdout && r->fd >= 0 && r->commit_at != 0 && commit(r, &err) != OL_OK)
        log_write(LOG_LEVEL_ERROR, base->area, "%s", err.message);
}

static void file_close(struct route *base)
{
    struct file_route *r = (struct file_route *)base;
    forget(r);
    if (r->dirfd >= 0)
        close(r->dirfd);
    free(r->name);
    free(r->cursor_name);
    ol__buf_release(&r->batch);
    ol__buf_release(&r->minified);
    route_release(base);
    free(r);
}

static void forget_batch(struct route *base)
{
    struct file_route *r = (struct file_route *)base;
    ol__buf_reset(&r->batch);
    r->batch_events = 0;
}

/* The lines that are there stay; those from @p from on come again behind them. */
static ol_status file_rewind(struct route *base, uint64_t from, uint64_t *ret_from,
                             struct ol_error *err)
{
    struct file_route *r = (struct file_route *)base;
    ol_status status = ensure_open(r, err);
    if (r->is_stdout && status == OL_OK) {
        status = route_rewind(base, from, forget_batch, ret_from, err);
        if (status == OL_OK)
            r->written_seq = r->batch_seq = *ret_from - 1;
        return status;
    }
    if (status == OL_OK && r->commit_at != 0)
        status = commit(r, err);
    if (status == OL_OK) /* a commit may have found the file moved away */
        status = ensure_open(r, err);
    if (status != OL_OK)
        return status;
    forget_batch(base);
    *ret_from = spool_cursor_rewind(base->cursor, from);
    r->written_seq = r->batch_seq = *ret_from - 1;
    status = cursor_write(r, err);
    spool_reader_close(base->reader); /* opened anew behind written_seq */
    base->reader = NULL;
    return status;
}

static const struct route_ops file_ops = {work, stop, file_close, file_rewind};

static ol_status place(struct file_route *r, struct ol_error *err)
{
    const char *path = r->base.config->path;
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    r->name = strdup(slash == NULL ? path : slash + 1);
    ol_status status = OL_NOMEM;
    if (directory != NULL && r->name != NULL &&
        (r->cursor_name = malloc(strlen(r->name) + sizeof ".cursor")) != NULL) {
        memcpy(r->cursor_name, r->name, strlen(r->name));
        memcpy(r->cursor_name + strlen(r->name), ".cursor", sizeof ".cursor");
        if (r->name[0] == '\0' || strlen(r->name) > 200)
            status = ol__error_set(err, OL_CONFIG, "path '%s': no file name", path);
        else
            status = ol__fs_open_directory(directory, &r->dirfd, err);
    } else {
        ol__error_set(err, OL_NOMEM, "route: out of memory");
    }
    free(directory);
    return status;
}

ol_status route_file_open(const struct agent *agent, int index, struct route **ret,
                          struct ol_error *err)
{
    const struct route_config *config =
        &((const struct route_config *)agent->config->routes.items)[index];
    struct file_route *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ol__error_set(err, OL_NOMEM, "route: out of memory");
    *ret = &r->base;
    r->base.ops = &file_ops;
    r->fd = r->dirfd = -1;
    r->is_stdout = strcmp(config->path, "-") == 0;
    ol__buf_init(&r->batch, BATCH_MAX + SPOOL_PAYLOAD_MAX + 1);
    ol__buf_init(&r->minified, SPOOL_PAYLOAD_MAX);
    ol_status status = route_init(&r->base, agent, index, !r->is_stdout, err);
    if (status != OL_OK)
        return status;
    if (r->is_stdout) {
        r->written_seq = r->batch_seq = spool_cursor_low(r->base.cursor);
        return OL_OK;
    }
    status = place(r, err);
    return status == OL_OK ? ensure_open(r, err) : status;
}
