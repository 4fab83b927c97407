/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_JOURNAL_IMPL_H
#define INTAKE_JOURNAL_IMPL_H
/** @file
 * What journal.c (the intake object), journal_dir.c (one directory: lock, watch, names),
 * journal_leave.c (what may leave it), journal_header.c and journal_file.c (one file: header;
 * lines, end), journal_abort.c and journal_keep.c (runs whose process died) share.
 * Threads: the intake thread.
 */
#include "foreign.h"
#include "ids.h"
#include "journal.h"
#include "json_read.h"
#include "open_runs.h"

#define JOURNAL_LINE_MAX (16u * 1024u * 1024u) /**< J8, with its newline */
#define JOURNAL_TURN (1024u * 1024u)           /**< J19 */
#define JOURNAL_HEADER_MAX 4096u
#define JOURNAL_NAME_SIZE (20 + 1 + OL_UUID_TEXT + 6) /**< J4: digits, dash, UUID, ".jsonl" */
#define JOURNAL_DONE_AGE_MS (INT64_C(7) * 24 * 3600 * 1000)
#define JOURNAL_DONE_BYTES (INT64_C(256) * 1024 * 1024)
#define JOURNAL_UID_BYTES (INT64_C(256) * 1024 * 1024) /**< J15 */
#define JOURNAL_UID_FILES 10000
#define JOURNAL_UID_LISTED 20000 /**< of one owner, in memory; the newest beyond wait (J19) */
#define JOURNAL_LISTED 250000    /**< of all, while they are sorted */
#define JOURNAL_NO_OWNER 1       /**< for open_runs_note(): no journal */
#define JOURNAL_POLL_FILES 1000  /**< looked at in one poll */

struct journal_file {
    char name[JOURNAL_NAME_SIZE + 1];
    struct ol__uuid key; /**< of its position in the spool (J17) */
    uint32_t uid;        /**< the file's owner */
    uint64_t synced;     /**< lines up to here are on the spool's disk */
    uint64_t taken;      /**< lines up to here are in the group or before it */
    uint64_t resumed;    /**< lines up to here were taken before this start... */
    uint64_t rechecked;  /**< ...and up to here looked through again for parked ones (J8) */
    /* As it was when last looked at: */
    dev_t device;
    ino_t inode;
    uint64_t size;
    struct timespec changed, modified; /**< ctime, mtime */
    /* J19, the order of the parts of a chain: */
    struct ol__uuid chain;
    int64_t part;         /**< 0: not known */
    uint64_t listed_scan; /**< dir->scans when it was listed */
    uint64_t listed_look; /**< ji->looks when it was listed */
    uint64_t end_look;    /**< the last look that read to its end; 0: none yet */
    uint64_t seen_scan;   /**< the last scan that found it */
    uint32_t parked;      /**< lines that no event came of */
    /* J22, the ABORT of its runs: */
    int64_t pid;
    uint64_t start_ticks, pid_ns;
    struct open_chain *open;          /**< its chain, counted; NULL: none is to be inferred */
    uint64_t aborted_synced, aborted; /**< as synced and taken: the position of J24 */
    int64_t grace_from;               /**< monotonic; 0: not yet */
    uint64_t waiting_at;              /**< its size when it began to wait */
    uint8_t detached[OPEN_RUNS_LANE]; /**< of the last run note */
    bool may_infer;                   /**< its header says so */
    bool is_attached;                 /**< `open` is settled */
    bool is_waiting;                  /**< its writer is gone, its runs are not over: grace */
    bool is_rotated;                  /**< the last line taken says that another part follows */
    bool has_detached;
    bool is_dirty;     /**< something may have changed */
    bool is_opened;    /**< owner, key and position are known */
    bool is_looked_at; /**< at least once */
    bool has_header;
    bool is_left;    /**< not ours to read as it is: a newer format, no regular file, other links */
    bool is_failing; /**< the last look ended with an error of the file's own */
    bool is_told;    /**< why it is left, fails or stays was logged */
    bool is_local; /**< its header names this boot and host: a free lock means the writer is gone */
    bool has_end;  /**< the last line taken is an end line */
    bool is_ended; /**< J10, and taken reached its end */
    bool is_orphan;   /**< J12 */
    bool is_skipping; /**< inside a line that is too long */
    bool is_in_group; /**< the group being gathered has events of it */
    bool is_in_order; /**< J19: nothing of an earlier part is missing */
};

struct journal_dir {
    char *path;                       /**< owned */
    int fd, drain_fd, done_fd, watch; /**< -1: none; fd: the directory is missing */
    struct journal_file **files;      /**< owned, sorted by name: oldest first (J4, J19) */
    size_t count, cap;
    uint64_t scans;           /**< begun so far */
    struct timespec modified; /**< its mtime before the last scan */
    unsigned polls;
    size_t poll_next; /**< where the next poll goes on */
    char turn_next[JOURNAL_NAME_SIZE +
                   1]; /**< J19: where the next turn goes on; empty: the oldest */
    bool must_scan;
    bool is_failing;      /**< and that was logged */
    bool is_cut;          /**< some names are not listed, see JOURNAL_UID_LISTED */
    bool has_dirty;       /**< some file is_dirty */
    bool has_group;       /**< some file is_in_group */
    bool has_ended;       /**< some file is_ended or is_orphan */
    bool has_waiting;     /**< some file is_waiting */
    bool has_full_marker; /**< J15: a `.full-UID` was seen */
    bool must_sync;       /**< something was unlinked since the last fsync */
    int64_t sync_due, clean_due, marker_due; /**< monotonic */
    struct ol__uuid *gone; /**< owned: keys of what was unlinked, waiting for that fsync */
    size_t gone_count, gone_cap;
};

struct journal_intake {
    const struct agent *agent;
    struct intake_taker *taker;
    struct ol__json_reader *reader; /**< for headers */
    int inotify;                    /**< -1: none */
    struct journal_dir *dirs;       /**< owned */
    size_t dir_count, dir_next;
    struct ol__buf lines; /**< the part of a file being read */
    char boot[OL_UUID_TEXT + 1];
    char host[256];
    uint64_t looks;
    int64_t poll_due, orphan_after_ms;
    int64_t clock_offset,
        stepped_ms;         /**< wall clock less boot clock; when that jumped, on the latter */
    struct open_runs *open; /**< owned */
    uint64_t kept_bytes;    /**< J25: of the kept files of all chains */
    size_t listed_max, uid_listed_max; /**< JOURNAL_LISTED, JOURNAL_UID_LISTED; tests: less */
    struct foreign *foreign;           /**< owned */
    uint64_t owner;    /**< of the event being taken, for open_runs_note(); 0: no journal */
    uint64_t pid_ns;   /**< ours; 0: not known */
    int64_t abort_due; /**< monotonic: the first grace ends; INT64_MAX: none runs */
    bool must_look_at_graces;
    bool has_forgotten; /**< positions without a file were let go */
};

/* journal.c */
/** Whether @p since_ms (Unix) is @p age_ms ago and the wall clock was not set for so long: one that
 * jumped forward makes everything old. What was set before this agent started is not known. */
bool journal_is_past(struct journal_intake *ji, int64_t since_ms, int64_t age_ms);

/* journal_waiting.c */
/** Tell how much waits in each directory. */
void journal_waiting_publish(struct journal_intake *ji);

/* journal_dir.c */
/** @p path is copied. On failure @p dir holds the path only, for another try. */
OL_NODISCARD ol_status journal_dir_open(struct journal_intake *ji, struct journal_dir *dir,
                                        const char *path, struct ol_error *err);
/** Let go of lock, watch and files; the path stays unless @p is_final. */
void journal_dir_close(struct journal_intake *ji, struct journal_dir *dir, bool is_final);
/** Bring the list up to date with what stands in the directory. @return OL_OK; OL_NOMEM; others:
 * the directory's own trouble, tried again later. */
OL_NODISCARD ol_status journal_dir_scan(struct journal_intake *ji, struct journal_dir *dir,
                                        struct ol_error *err);
/** Empty the inotify descriptor into dirty marks. */
void journal_dir_watch(struct journal_intake *ji);
/** What is done once a poll: is the directory still there, has it new names, have files changed. */
void journal_dir_poll(struct journal_intake *ji, struct journal_dir *dir);
/** Index of the first file whose name is not before @p name. */
size_t journal_dir_index(const struct journal_dir *dir, const char *name);
static inline void journal_dir_mark(struct journal_dir *dir, struct journal_file *file)
{
    file->is_dirty = true;
    dir->has_dirty = true;
}

/* journal_leave.c */
/** Remove or move what has ended (J11, J12), fsync and forget when due (J17), clean done/, markers
 *  (J15). Costs little when nothing is due. */
void journal_dir_tidy(struct journal_intake *ji, struct journal_dir *dir, bool is_closing);
/** Remember that a position may be forgotten after the next fsync. */
void journal_dir_add_gone(struct journal_dir *dir, const struct ol__uuid *key);

/* journal_abort.c: the inferred ABORT (J22 to J24) */
/** Before the first line of @p file is taken, behind earlier parts. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status journal_abort_attach(struct journal_intake *ji, struct journal_dir *dir,
                                            struct journal_file *file, struct ol_error *err);
/** Let go of its chain; what was open in the last file of one is forgotten. */
void journal_abort_release(struct journal_intake *ji, struct journal_file *file);
/** Forget the runs of @p chain; with @p dir also their positions, after its next fsync. */
void journal_abort_drop(struct journal_intake *ji, struct journal_dir *dir,
                        struct open_chain *chain);
/** Keys of the positions that its runs need besides its own. */
void journal_abort_each_key(struct journal_intake *ji, const struct journal_file *file,
                            void (*each)(void *arg, const struct ol__uuid *key), void *arg);
/** Whether these are known: all lines that were taken before this start were looked at again. */
bool journal_abort_is_ready(const struct journal_file *file);
/** For intake_taker_watch(); @p arg is the journal_intake. */
void journal_abort_saw(void *arg, const struct spool_record *record);
/** An event of @p file, at @p offset: now, or before this start. */
void journal_abort_line(struct journal_intake *ji, struct journal_file *file,
                        const struct ol__event *event, uint64_t offset, size_t size);
void journal_abort_run_note(struct journal_intake *ji, struct journal_file *file,
                            struct ol__span line);
/** A run of @p chain is open. NULL: too many are. */
struct open_run *journal_abort_open(struct journal_intake *ji, struct open_chain *chain,
                                    const uint8_t *lane, const char *name);
/** It gets no ABORT; said once a chain, counted. */
void journal_abort_give_up(struct journal_intake *ji, struct open_run *run, const char *name,
                           const char *why);
/** The writer of @p file is gone and said no end: wait, or take the ABORTs in. @return OL_OK: then
 * @p ret_is_over says whether it may leave; else as journal_file_take(). */
OL_NODISCARD ol_status journal_abort_judge(struct journal_intake *ji, struct journal_dir *dir,
                                           struct journal_file *file, int fd, size_t *bytes,
                                           bool *ret_is_over, struct ol_error *err);
/** Whether a later part of its chain is there. */
bool journal_abort_is_followed(const struct journal_dir *dir, const struct journal_file *file);
/** @p file has left @p dir. */
void journal_abort_leave(struct journal_intake *ji, struct journal_dir *dir,
                         struct journal_file *file);
/** Mark those whose grace is over. */
void journal_abort_wake(struct journal_intake *ji, int64_t now);
/** Everything was read to its end: from here graces run. */
void journal_abort_caught_up(struct journal_intake *ji, int64_t now);
/** It is not: they will begin anew. */
void journal_abort_begin_anew(struct journal_intake *ji);
/** For --once, which waits for nobody: those that last changed before their grace are over. */
void journal_abort_let_pass(struct journal_intake *ji);

/* journal_keep.c: START lines that outlive their part (J25) */
/** @return OL_OK: read, or there are none; OL_NOMEM. */
OL_NODISCARD ol_status journal_keep_load(struct journal_intake *ji, struct journal_dir *dir,
                                         struct open_chain *chain, struct ol_error *err);
/** A kept line, or one at its place in @p fd. @return OL_OK; OL_END: it is not there; OL_NOMEM. */
OL_NODISCARD ol_status journal_keep_read(const struct journal_dir *dir,
                                         const struct open_chain *chain, const struct open_run *run,
                                         struct ol__buf *out, struct ol_error *err);
OL_NODISCARD ol_status journal_keep_read_at(int fd, const struct open_run *run, struct ol__buf *out,
                                            struct ol_error *err);
/** Before @p file, which another part follows, leaves. */
void journal_keep_write(struct journal_intake *ji, struct journal_dir *dir,
                        struct journal_file *file);
void journal_keep_remove(struct journal_intake *ji, struct journal_dir *dir,
                         struct open_chain *chain);
/** Remove kept files of chains that are no more. When all files are known. */
void journal_keep_sweep(struct journal_dir *dir);

/* journal_header.c */
/** @return OL_OK: read, or there is none; OL_AGAIN: not there yet; OL_END: as journal_file_read();
 * OL_NOMEM. */
OL_NODISCARD ol_status journal_header_read(struct journal_intake *ji, struct journal_dir *dir,
                                           struct journal_file *file, int fd, bool is_free,
                                           struct ol_error *err);

/* journal_file.c */
static inline bool journal_begins_with(struct ol__span line, struct ol__span what)
{
    return line.size >= what.size && memcmp(line.data, what.data, what.size) == 0;
}
bool journal_name_is_valid(const char *name, struct ol__uuid *ret_id);
/** Take lines, at most JOURNAL_TURN bytes. @return OL_OK: at its end for now, or it cannot be read
 * (logged); OL_AGAIN: there is more, or it must wait for an earlier part; OL_FULL, OL_IO (of the
 * spool), OL_NOMEM: stopped before the line that file->taken points at. @p ret_bytes: taken by this
 * turn. */
OL_NODISCARD ol_status journal_file_take(struct journal_intake *ji, struct journal_dir *dir,
                                         struct journal_file *file, size_t *ret_bytes,
                                         struct ol_error *err);
/** Whatever is in it stays where it is; said once. */
void journal_file_leave(struct journal_dir *dir, struct journal_file *file, const char *why);
/** @return OL_OK; OL_END: the file cannot be read now, and that was seen to. */
OL_NODISCARD ol_status journal_file_read(const struct journal_dir *dir, struct journal_file *file,
                                         int fd, char *out, size_t size, uint64_t offset,
                                         size_t *ret_size);
/** Nothing of it in the group counts: as it was at the last commit. */
void journal_file_roll_back(struct journal_file *file);
#endif
