/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_H
#define SPOOL_H
/** @file
 * The agent's log on disk. Layout, promises and rules: spec/SPOOL.md. One thread (intake) writes:
 * add events to a group, commit it, acknowledge. Any number of readers, each owned by one thread,
 * follow the synced end. Cursors belong to one thread each. spool_reap() and spool_prepare() are
 * called by housekeeping threads. What is shared (synced end, segment list, marks) is locked
 * inside.
 */
#include "files.h"
#include "ids.h"

#define SPOOL_PAYLOAD_MAX (16u * 1024u * 1024u)
#define SPOOL_GROUP_MAX                                                                            \
    (32u * 1024u * 1024u) /**< bytes of one group, or what a segment holds if that is less */
#define SPOOL_UID_UNKNOWN 0xffffffffu
#define SPOOL_UID_SENDERS 0xffff0000u /**< from here up: no user, but a line of `senders` */

enum spool_type { SPOOL_EVENT = 1, SPOOL_POSITIONS = 2 };
enum spool_source {
    SPOOL_FROM_HTTP = 1,
    SPOOL_FROM_JOURNAL = 2,
    SPOOL_FROM_KAFKA = 3,
    SPOOL_FROM_FILE = 4,
    SPOOL_FROM_AGENT = 5,
    SPOOL_FROM_DEAD_LETTER = 6,
    SPOOL_FROM_IMPORT = 7
};

struct spool; /* opaque */

struct spool_options {
    const char *directory;   /**< made if absent (0700) */
    int64_t max_bytes;       /**< all files together; 0: 2 GiB */
    int64_t segment_bytes;   /**< 0: 64 MiB; at least 64 KiB (tests); a record must fit */
    int64_t min_free_bytes;  /**< 0: the smaller of 5 % and 1 GiB; below 0: no floor (tests) */
    const struct ol__fs *fs; /**< NULL: the real one */
    bool is_read_only; /**< no lock taken, nothing written, no recovery on disk: for looking at a
                          spool */
    bool no_prepare;   /**< do not start the thread that zero-fills ahead (tests) */
    int64_t retry_ms; /**< S5: after two failures in a row a commit tries again; 0: 1 s; below 0: at
                         once (tests) */
};

/** Lock the directory, recover, and be ready to append. Memory does not grow with the backlog.
 *  @return OL_OK; OL_BUSY: err says pid and host of the holder; OL_VERSION_NEWER: err says which
 * version wrote it; OL_CORRUPT: a foreign segment (S14); OL_DENIED, OL_FULL, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status spool_open(const struct spool_options *options, struct spool **ret,
                                  struct ol_error *err);
/** Stop threads, sync cursors, unlock, free. Readers and cursors must be closed first. */
void spool_close(struct spool *spool);
/** The spool's UUID; borrowed. */
const struct ol__uuid *spool_uuid(const struct spool *spool);

/* ---- Writing: the intake thread ---- */

/** One event on its way in; also what a reader gives back. */
struct spool_record {
    enum spool_type type;
    enum spool_source source;
    uint8_t lane_kind; /**< enum ol__lane_kind; 0: none */
    uint8_t lane[16];
    uint8_t source_id[16];
    uint64_t source_position;
    uint32_t uid;
    uint32_t warnings;
    int64_t time_ms;      /**< when taken */
    uint64_t seq;         /**< out: of spool_group_add() */
    struct ol__span data; /**< borrowed */
    uint64_t segment;     /**< readers: where it stands, for spool_read_again() */
    uint64_t offset;
};

/** What stands in source_id of a dead letter that is sent again: whose it is (UUIDv5 of the route's
 * name; SPOOL.md, "Record"). */
void spool_route_key(const char *route, uint8_t out[16]);
/** Whether @p record goes to the route with this key: all do, but another route's dead letters. */
bool spool_record_is_for(const struct spool_record *record, const uint8_t key[16]);

/** Copy @p record into the group being gathered (in memory) and give it its sequence. A journal
 * record moves its journal's position. @return OL_OK; OL_FULL: S7, or the group has no room for it
 * (commit, then again: groups far below SPOOL_GROUP_MAX never see that); OL_TOO_LARGE, OL_INVALID,
 * OL_NOMEM: nothing was added. */
OL_NODISCARD ol_status spool_group_add(struct spool *spool, struct spool_record *record,
                                       struct ol_error *err);
/** Record that a journal's position moved without an event (control lines, parked lines). Travels
 * with the next commit, which it makes non-empty. */
OL_NODISCARD ol_status spool_group_position(struct spool *spool, const struct ol__uuid *journal,
                                            uint64_t position, struct ol_error *err);
/** Record that a journal is gone for good (unlinked, directory synced). Travels with the next group
 * that has other content; never makes a commit of its own. */
ol_status spool_group_forget(struct spool *spool, const struct ol__uuid *journal);
/** Bytes gathered so far. */
size_t spool_group_size(const struct spool *spool);
/** Write and sync the group (S2..S5), publish the new synced end, wake subscribers. On failure
 * nothing of the group counts: sequences and positions are as before the first add. Empty group:
 * OL_OK, no sync.
 *  @return OL_OK; OL_FULL, OL_IO: answer 503. Blocks on disk. */
OL_NODISCARD ol_status spool_group_commit(struct spool *spool, struct ol_error *err);

/** Synced position of a journal. @return OL_OK or OL_NOT_FOUND. */
OL_NODISCARD ol_status spool_position(const struct spool *spool, const struct ol__uuid *journal,
                                      uint64_t *ret);
/** Call @p each for every live position. */
void spool_positions(const struct spool *spool,
                     void (*each)(void *arg, const struct ol__uuid *journal, uint64_t position),
                     void *arg);
/** Call @p each for HTTP records taken at @p since_ms or later, oldest first, at most the newest @p
 * max of them (rebuilds the de-duplication window after a start). Reads headers only. */
OL_NODISCARD ol_status spool_recent_keys(struct spool *spool, int64_t since_ms, size_t max,
                                         void (*each)(void *arg, const uint8_t key[16],
                                                      uint64_t position, uint64_t seq,
                                                      int64_t time_ms),
                                         void *arg, struct ol_error *err);

/* ---- Following: delivery and store threads ---- */

/** Newest synced sequence; 0: none yet. Any thread. */
uint64_t spool_synced(const struct spool *spool);
/** Whether @p wall_ms, the clock as it is at a start, can be told from the time of the newest
 * record to have been set: before it, or more than a day behind it. (A day without any event looks
 * the same; what is doubted must cost no more than waiting.) */
bool spool_clock_is_doubtful(const struct spool *spool, int64_t wall_ms);
/** When the newest record that was found at the open was taken; 0: there is none. */
int64_t spool_last_time_ms(const struct spool *spool);
/** Oldest sequence still on disk (synced + 1 if none). Any thread. */
uint64_t spool_oldest(const struct spool *spool);
/** Write 1 to @p event_fd (an eventfd, borrowed) after each commit. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status spool_subscribe(struct spool *spool, int event_fd);
void spool_unsubscribe(struct spool *spool, int event_fd);

struct spool_reader; /* opaque */
/** Read records with a sequence above @p after. The reader holds back spool_reap() of the segment
 * it is in. */
OL_NODISCARD ol_status spool_reader_open(struct spool *spool, uint64_t after,
                                         struct spool_reader **ret, struct ol_error *err);
/** Next record, of any type, in order. Blocks on disk (usually the page cache).
 *  @param ret  data is borrowed until the next call on this reader.
 *  @return OL_OK; OL_END: caught up with the synced end; OL_GAP: sequences ret->seq up to
 * ret->offset (both included) are gone (quarantined, or reaped before this reader came), counted;
 * go on; OL_IO, OL_NOMEM: ask again. */
OL_NODISCARD ol_status spool_reader_next(struct spool_reader *reader, struct spool_record *ret,
                                         struct ol_error *err);
/** Read again the record at @p segment / @p offset, for a retry. As spool_reader_next(), but does
 * not move.
 *  @return OL_OK; OL_NOT_FOUND: reaped; OL_CORRUPT: it no longer verifies; OL_IO; OL_NOMEM. */
OL_NODISCARD ol_status spool_read_again(struct spool_reader *reader, uint64_t segment,
                                        uint64_t offset, uint64_t seq, struct spool_record *ret,
                                        struct ol_error *err);
void spool_reader_close(struct spool_reader *reader);

/* ---- Cursors ---- */

#define SPOOL_CURSOR_AHEAD 32768u /**< a sequence above low + this cannot be marked done (S17) */

struct spool_cursor; /* opaque */
/** Open or make the cursor of route @p name ([a-z0-9_-], 1..64). @p is_pinned: never given up (S8).
 * Open all cursors before the first spool_reap(): a route without one holds nothing back. A mark
 * beyond the log (its newest records were lost with the disk) is set back to the log's end. Owner's
 * thread: whoever calls done and sync.
 *  @return OL_OK, OL_INVALID, OL_IO, OL_FULL, OL_NOMEM. */
OL_NODISCARD ol_status spool_cursor_open(struct spool *spool, const char *name, bool is_pinned,
                                         struct spool_cursor **ret, struct ol_error *err);
/** All sequences up to this are done. Any thread. */
uint64_t spool_cursor_low(const struct spool_cursor *cursor);
/** Of a detached route whose backlog spool_reap() gave up: the newest sequence of that; 0: never.
 * @param ret_records  how many records so far, since the cursor was opened. Any thread. */
uint64_t spool_cursor_given_up(const struct spool_cursor *cursor, uint64_t *ret_records);
/** How many sequences are done: the mark, and those above it. Owner's thread. */
uint64_t spool_cursor_done_count(const struct spool_cursor *cursor);
/** Whether @p seq is done. Owner's thread. */
bool spool_cursor_is_done(const struct spool_cursor *cursor, uint64_t seq);
/** Mark @p seq done (delivered, or safely parked, or not for this route): in the mapping at once
 * (S16). The mark moves over every done sequence. @p seq must be at most low + SPOOL_CURSOR_AHEAD;
 * one at or below low (given up by spool_reap() in the meantime) is ignored. */
void spool_cursor_done(struct spool_cursor *cursor, uint64_t seq);
/** Mark @p first..@p last done, as far as the window goes (an OL_GAP of a reader may be longer).
 * @return the last one that is done; below @p last: call again with what is left once the mark has
 * moved. */
uint64_t spool_cursor_done_through(struct spool_cursor *cursor, uint64_t first, uint64_t last);
/** Go back: @p from and all behind it are not done any more, though they may be. Not for what the
 * spool has lost in the meantime, and never forward. External cursors too: whoever keeps their
 * place must put it on record. Owner's thread.
 *  @return the sequence that the mark stands before now: @p from, or a later one. */
uint64_t spool_cursor_rewind(struct spool_cursor *cursor, uint64_t from);
/** Put the state on disk if it changed (S18); once a second from the owner's thread. @return OL_OK,
 * OL_IO, OL_FULL: the next call writes to the other slot; delivery may go on. */
OL_NODISCARD ol_status spool_cursor_sync(struct spool_cursor *cursor, struct ol_error *err);
/** Whether spool_cursor_sync() has something to write: after an open always, so that what was done
 * before a kill lets segments go. Owner's thread. */
bool spool_cursor_is_dirty(const struct spool_cursor *cursor);
void spool_cursor_close(struct spool_cursor *cursor);

/** A cursor that lives elsewhere (store, file): tell the spool how far it is, so that segments go.
 */
OL_NODISCARD ol_status spool_cursor_open_external(struct spool *spool, const char *name,
                                                  bool is_pinned, uint64_t low,
                                                  struct spool_cursor **ret, struct ol_error *err);
void spool_cursor_set_external(struct spool_cursor *cursor, uint64_t low);

/** Remove or recycle segments that nobody needs (S8; of cursors counts what spool_cursor_sync()
 * saved); for a `detach` route past half of max_bytes, give up its backlog: record the gap
 * (`.gaps`), move its mark. Call about once a second from one housekeeping thread. */
ol_status spool_reap(struct spool *spool, struct ol_error *err);

/* ---- Looking ---- */

struct spool_stats {
    uint64_t synced_seq, oldest_seq;
    uint64_t bytes_used; /**< all files of the spool */
    uint64_t bytes_max;
    uint64_t free_bytes,
        min_free_bytes; /**< of the file system, as last looked at; the floor (S7) */
    uint64_t segments;
    uint64_t quarantined_records, quarantined_bytes; /**< since open, recovery included */
    uint64_t torn_bytes;                             /**< cut off at open (S11) */
    uint64_t syncs, sync_failures;
    uint64_t
        written_bytes; /**< handed to the device by group commits, headers and padding included */
    uint64_t gap_records;    /**< given up by detached routes */
    int64_t sync_started_ms; /**< monotonic; 0: no sync is running (a hanging one shows) */
    bool is_full, is_failing;
};
void spool_stats_get(const struct spool *spool, struct spool_stats *ret); /* any thread */
#endif
