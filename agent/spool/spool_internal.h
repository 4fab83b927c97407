/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_INTERNAL_H
#define SPOOL_INTERNAL_H
/** @file
 * What the files of this room share. Who owns what: `writer` and `positions` belong to the intake
 * thread; everything under "shared" is guarded by `lock`; the rest is constant after spool_open().
 */
#include <pthread.h>
#include <stdatomic.h>
#include "spool_positions.h"

#define SPOOL_FREE_MAX 2
#define SPOOL_SUBSCRIBERS_MAX 16
#define SPOOL_SNAPSHOT_MAX (4u * 1024u * 1024u)
#define SPOOL_QUARANTINE_MAX (64u * 1024u * 1024u)
#define SPOOL_NOTED_MAX 4096
#define SPOOL_NAME_MAX 64 /**< of a route */

/** A segment of the log, on disk under its number. */
struct spool_segment {
    uint64_t number, salt;
    uint64_t first_seq; /**< first counted sequence; first_seq - 1 when nothing was written yet */
    uint64_t last_seq;  /**< last one; of the newest: the last synced */
    uint64_t end;       /**< offset behind it */
    uint64_t size;      /**< bytes it takes of max_bytes */
    int64_t born_ms;
    uint32_t readers; /**< that stand in it */
    bool is_filled;   /**< was written in full before its use: worth keeping for another one */
    bool is_leaving;  /**< spool_reap() is taking it away: no reader may enter */
};

/** A log that is being gathered and written by the intake thread. */
struct spool_writer {
    int fd; /**< of the newest segment; -1: the next group begins one (S4) */
    uint64_t salt;
    uint64_t offset;      /**< synced end of that segment */
    uint64_t next_seq;    /**< of the first record of the group */
    uint64_t next_number; /**< of the next segment; never one that was tried before */
    uint8_t *group;       /**< owned, aligned to a page; size of cap bytes used */
    size_t size, cap;
    uint64_t count;
    bool has_room_for_roll; /**< asked for this group already */
    bool is_failing;        /**< S5: two files in a row */
    int64_t failed_ms;      /**< monotonic */
};

struct spool_cursor {
    struct spool_cursor *next;
    struct spool *spool;
    char name[SPOOL_NAME_MAX + 1];
    bool is_pinned, is_external;
    _Atomic uint64_t low;         /**< what other threads see */
    _Atomic uint64_t give_up;     /**< spool_reap() gave up to here; the owner's thread follows */
    _Atomic uint64_t gap_records; /**< how many that were, since it was opened */
    uint8_t *map; /**< LIVE_SIZE bytes, shared with the kernel; NULL when external */
    int saved_fd; /**< -1: `.saved` is to be written anew */
    uint64_t generation;
    _Atomic uint64_t saved_low; /**< as far as a power loss may take it back */
    uint64_t ahead;             /**< bits set: done above low */
    bool is_dirty;
    bool is_in_memory; /**< there was no room for `.live` */
};

struct spool {
    const struct ol__fs *fs;
    char *directory;
    int dirfd, cursor_fd, quarantine_fd, lock_fd;
    struct ol__uuid uuid;
    uint64_t max_bytes, segment_bytes, min_free; /**< min_free UINT64_MAX: 5 % or 1 GiB */
    bool has_no_floor, is_read_only;
    int64_t retry_ms;

    struct spool_writer writer;
    struct positions positions;

    _Atomic uint64_t synced;
    _Atomic int64_t sync_started_ms;
    _Atomic uint64_t syncs, sync_failures, written_bytes;
    _Atomic bool is_full, is_failing;

    pthread_mutex_t lock;
    /* shared */
    struct spool_segment *segments; /**< owned, oldest first */
    size_t count, cap;
    uint64_t free_files[SPOOL_FREE_MAX + 1]; /**< numbers of `free-` files of segment_bytes each */
    size_t free_count;
    uint64_t next_free;
    uint64_t log_bytes;               /**< segments, free files, and what is being made */
    uint64_t free_bytes, floor_bytes; /**< of the file system, as last looked at */
    uint64_t other_bytes;             /**< cursors, dead letters, quarantine: as last counted */
    struct spool_cursor *cursors;
    int subscribers[SPOOL_SUBSCRIBERS_MAX];
    size_t subscriber_count;
    struct {
        uint64_t segment, offset;
    } * noted; /**< owned: bad places already counted */
    size_t noted_count;
    uint64_t quarantine_bytes; /**< files in quarantine/ */
    int64_t last_time_ms;      /* of the newest record, as the open found it; 0: none */
    uint64_t quarantined_records, quarantined_bytes, torn_bytes, gap_records;
    pthread_cond_t prepare_wake;
    bool prepare_stop;
    /* end of shared */
    pthread_t prepare_thread;
    bool has_thread;
};

/* spool_recover.c: what is on disk. */
OL_NODISCARD ol_status spool_recover(struct spool *spool, struct ol_error *err);
/** Read positions from the segments (S15). */
OL_NODISCARD ol_status spool_recover_positions(struct spool *spool, struct ol_error *err);

/* spool_files.c: files, space and names. */
OL_NODISCARD ol_status spool_segment_open(const struct spool *spool, uint64_t number, int flags,
                                          int *ret, struct ol_error *err);
OL_NODISCARD ol_status spool_sync_directory(const struct spool *spool, struct ol_error *err);
/** Whether another segment may be made or is ready (S7). Takes the lock. */
OL_NODISCARD ol_status spool_check_room(struct spool *spool, struct ol_error *err);
/** A `free-` file for a new segment, open for writing: a prepared or recycled one, else a new one.
 * Its bytes count from now on. @return OL_OK, OL_FULL (S7), OL_IO... */
OL_NODISCARD ol_status spool_free_take(struct spool *spool, uint64_t *ret_number, int *ret_fd,
                                       bool *ret_is_filled, struct ol_error *err);
/** Remove a `free-` file taken in vain. */
void spool_free_drop(struct spool *spool, uint64_t number);
/** Count the small files (cursors, dead letters, quarantine). */
void spool_count_other(struct spool *spool);
OL_NODISCARD ol_status spool_prepare_start(struct spool *spool, struct ol_error *err);
void spool_prepare_stop(struct spool *spool);
/** Subtract from the bytes in use. Takes the lock. */
void spool_release_bytes(struct spool *spool, uint64_t bytes);

/* spool_quarantine.c */
/** Bytes that do not verify: keep a copy, count once (any number of readers pass them). Takes the
 * lock. */
void spool_quarantine_bytes(struct spool *spool, uint64_t segment, int fd, uint64_t from,
                            uint64_t to, uint64_t missing);
/** A file whose header does not verify (S13). */
void spool_quarantine_file(struct spool *spool, uint64_t number, uint64_t size);

/* spool_cursor.c */
/** As far as the spool may go for this cursor. Any thread. */
uint64_t spool_cursor_mark(const struct spool_cursor *cursor);
/** As spool_cursor_mark(), but what is on disk: a segment that leaves earlier would be missed after
 * power loss. */
uint64_t spool_cursor_saved(const struct spool_cursor *cursor);

/* spool.c */
bool spool_name_is_valid(const char *name);
#endif
