/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_LOOK_H
#define SPOOL_LOOK_H
/** @file
 * Look at a spool's files from outside: without the lock, beside a running agent or without one,
 * and without ever writing. What the agent does meanwhile (append, put a new segment to use, remove
 * or recycle an old one) is told apart from damage; see the promises in spool_look.c. Threads: one
 * at a time.
 */
#include "spool.h"

enum look_state {
    LOOK_SEALED,
    LOOK_NEWEST,
    LOOK_FREE,      /**< prepared or recycled, no part of the log */
    LOOK_BAD,       /**< its header does not verify (S13) */
    LOOK_LEFT_OVER, /**< the chain of headers passes it over (S9): of a write that failed */
};
const char *look_state_name(enum look_state state);

struct look_segment {
    uint64_t number;
    enum look_state state;
    uint64_t size; /**< of the file */
    /* SEALED, NEWEST: */
    uint64_t salt;
    uint64_t first_seq;
    uint64_t last_seq; /**< as its successor says; NEWEST: UINT64_MAX, not known without reading */
    uint64_t end;      /**< where it ends at the most */
    bool has_end;      /**< a successor says so, else S11 */
    int64_t born_ms;
    uint64_t previous; /**< number of the one before it, 0: none */
};

enum look_problem_kind {
    LOOK_BAD_HEADER, /**< file, from 0 to its size */
    LOOK_BAD_BYTES,  /**< file, from, to; sequences if any are gone with them */
    LOOK_NO_SEGMENT, /**< a successor names one that is not there; sequences */
    LOOK_MISSING,    /**< sequences that are not there, though all bytes verify: lost and dealt with
                        before */
    LOOK_GONE,       /**< not damage: the agent took the segment away while it was read */
};
struct look_problem {
    enum look_problem_kind kind;
    uint64_t segment;
    uint64_t from, to;
    uint64_t first_seq, count; /**< sequences that are gone; count 0: none, or not known */
};

struct spool_look; /* opaque */
/** List the segments and read their headers.
 *  @return OL_OK; OL_NOT_FOUND: no spool there; OL_VERSION_NEWER: of another version, err says
 * which and what to do; OL_CORRUPT: a segment of another spool (S14); OL_DENIED, OL_IO, OL_NOMEM.
 */
OL_NODISCARD ol_status spool_look_open(const char *directory, struct spool_look **ret,
                                       struct ol_error *err);
void spool_look_close(struct spool_look *look);
/** For tests: read segments through @p fs (borrowed), or in steps of @p bytes. */
void spool_look_set_fs(struct spool_look *look, const struct ol__fs *fs);
void spool_look_set_chunk(struct spool_look *look, size_t bytes);
const struct ol__uuid *spool_look_uuid(const struct spool_look *look);
/** Directory of the spool, for openat(). */
int spool_look_directory(const struct spool_look *look);
/** All files, by kind and number: of the log in order, then the others. Borrowed. */
const struct look_segment *spool_look_segments(const struct spool_look *look, size_t *ret_count);

/** Who gets what a walk finds. Anything but OL_OK ends the walk and is returned. */
struct look_sink {
    ol_status (*record)(void *arg, const struct spool_record *record, bool is_complete_snapshot,
                        struct ol_error *err);
    ol_status (*problem)(void *arg, const struct look_problem *problem, struct ol_error *err);
    void *arg;
};
/** Read the records @p from..@p to (by sequence, both included; snapshots of positions have the one
 * before their segment's first) of all types in order. Segments without any of them are not read.
 *  @return OL_OK, or what the sink returned; OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status spool_look_walk(struct spool_look *look, uint64_t from, uint64_t to,
                                       const struct look_sink *sink, struct ol_error *err);
/** The same for one segment, by its place in spool_look_segments(). */
OL_NODISCARD ol_status spool_look_walk_one(struct spool_look *look, size_t index, uint64_t from,
                                           uint64_t to, const struct look_sink *sink,
                                           struct ol_error *err);

/* ---- Cursors: spool_look_cursor.c ---- */

/** A route's position, as it stood at one moment. */
struct look_cursor {
    char name[65];
    bool has_place; /**< false: the files do not verify; the route would start at the oldest */
    bool is_live;   /**< from `.live`; else from `.saved` (S18) */
    uint64_t low;
    uint64_t ahead;         /**< done above low */
    uint64_t gap_count;     /**< lines of `.gaps` */
    uint64_t gap_sequences; /**< given up */
    bool is_whole;          /**< nothing above low is done: `ring` is not there */
    uint8_t *ring;          /**< owned; spool_look_cursor_is_done() */
};
/** @return OL_OK; OL_NOT_FOUND: no such cursor; OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status spool_look_cursor(struct spool_look *look, const char *name,
                                         struct look_cursor *ret, struct ol_error *err);
void spool_look_cursor_release(struct look_cursor *cursor);
bool spool_look_cursor_is_done(const struct look_cursor *cursor, uint64_t seq);
/** Call @p each with the name of each cursor or gaps file, in order of names. */
OL_NODISCARD ol_status spool_look_cursor_names(struct spool_look *look,
                                               ol_status (*each)(void *arg, const char *name),
                                               void *arg, struct ol_error *err);
struct look_gap {
    uint64_t first, last;
    int64_t from_ms, to_ms;
};
/** Call @p each for each gap on record of @p route. A line that is none is passed over. */
OL_NODISCARD ol_status spool_look_gaps(struct spool_look *look, const char *route,
                                       ol_status (*each)(void *arg, const struct look_gap *gap),
                                       void *arg, struct ol_error *err);
#endif
