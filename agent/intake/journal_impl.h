/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_JOURNAL_IMPL_H
#define INTAKE_JOURNAL_IMPL_H
/** @file
 * What journal.c (the intake object), journal_dir.c (directories, names, inotify) and journal_file.c (one
 * file: header, lines, end) share. Threads: the intake thread.
 */
#include "ids.h"
#include "journal.h"
#include "json_read.h"

#define JOURNAL_LINE_MAX (16u * 1024u * 1024u) /**< J8, with its newline */
#define JOURNAL_TURN (1024u * 1024u)           /**< J19 */
#define JOURNAL_HEADER_MAX 4096u
#define JOURNAL_NAME_SIZE (20 + 1 + OL_UUID_TEXT + 6) /**< J4: digits, dash, UUID, ".jsonl" */
#define JOURNAL_DONE_AGE_MS (INT64_C(7) * 24 * 3600 * 1000)
#define JOURNAL_DONE_BYTES (INT64_C(256) * 1024 * 1024)
#define JOURNAL_UID_BYTES (INT64_C(256) * 1024 * 1024) /**< J15 */
#define JOURNAL_UID_FILES 10000

struct journal_file {
    char name[JOURNAL_NAME_SIZE + 1];
    struct ol__uuid key; /**< of its position in the spool (J17) */
    uint32_t uid;        /**< the file's owner */
    uint64_t synced;     /**< lines up to here are on the spool's disk */
    uint64_t taken;      /**< lines up to here are in the group or before it */
    int64_t changed_ms;  /**< mtime */
    uint64_t size;       /**< when last looked at */
    bool is_dirty;       /**< something may have changed */
    bool is_opened;      /**< owner, key and position are known */
    bool has_header;
    bool is_left;        /**< not ours to read: a newer format, no regular file, other links */
    bool is_local;       /**< its header names this boot and host: a free lock means the writer is gone */
    bool has_end;        /**< the last line taken is an end line */
    bool is_ended;       /**< J10, and taken reached its end */
    bool is_orphan;      /**< J12 */
    bool is_skipping;    /**< inside a line that is too long */
    uint32_t parked;     /**< lines that no event came of */
};

struct journal_dir {
    char *path; /**< owned */
    int fd, drain_fd, done_fd, watch;
    struct journal_file **files; /**< owned, sorted by name: oldest first (J4, J19) */
    size_t count, cap;
    bool must_scan;
    bool has_full_marker; /**< J15: a `.full-UID` was seen */
    bool must_sync;       /**< something was unlinked since the last fsync */
    int64_t sync_due;     /**< monotonic */
    int64_t clean_due;    /**< done/, monotonic */
    struct ol__uuid *gone; /**< owned: unlinked, waiting for that fsync */
    size_t gone_count, gone_cap;
};

struct journal_intake {
    const struct agent *agent;
    struct intake_taker *taker;
    struct ol__json_reader *reader; /**< for headers */
    int inotify;
    struct journal_dir *dirs; /**< owned */
    size_t dir_count;
    struct ol__buf lines; /**< the part of a file being read */
    char boot[OL_UUID_TEXT + 1];
    char host[256];
    int64_t poll_due, orphan_after_ms;
};

/* journal_dir.c */
OL_NODISCARD ol_status journal_dir_open(struct journal_intake *ji, struct journal_dir *dir,
                                        const char *path, struct ol_error *err);
void journal_dir_close(struct journal_dir *dir);
/** Bring the list up to date with what stands in the directory. */
OL_NODISCARD ol_status journal_dir_scan(struct journal_intake *ji, struct journal_dir *dir,
                                        struct ol_error *err);
/** Empty the inotify descriptor into dirty marks. */
void journal_dir_watch(struct journal_intake *ji);
/** Remove or move what has ended (J11, J12), fsync and forget when due (J17), clean done/, markers (J15). */
void journal_dir_tidy(struct journal_intake *ji, struct journal_dir *dir, bool is_closing);

/* journal_file.c */
bool journal_name_is_valid(const char *name, struct ol__uuid *ret_id);
/** Take lines, at most JOURNAL_TURN bytes. @return OL_OK: at its end for now; OL_AGAIN: there is more; OL_FULL,
 *  OL_IO, OL_NOMEM: stopped before the line that file->taken points at. @p ret_bytes: taken by this turn. */
OL_NODISCARD ol_status journal_file_take(struct journal_intake *ji, struct journal_dir *dir,
                                         struct journal_file *file, size_t *ret_bytes,
                                         struct ol_error *err);
#endif
