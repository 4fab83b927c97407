/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_POSITIONS_H
#define SPOOL_POSITIONS_H
/** @file
 * How far each journal was taken: the table behind positions records (SPOOL.md S15), with the
 * changes of the group being gathered kept apart until it is committed. Belongs to the intake
 * thread.
 */
#include "segment.h"

#define POSITIONS_FORGET UINT64_MAX /**< on disk: the journal is gone */

struct position {
    struct ol__uuid journal;
    uint64_t value;   /**< committed */
    uint64_t pending; /**< of the group being gathered */
    int64_t changed_ms;
    bool is_live;      /**< has a committed value */
    bool is_pending;   /**< `pending` counts once the group is committed */
    bool is_explicit;  /**< and it travels in a positions record, not in an event */
    bool is_forgotten; /**< to be dropped with the next group */
    bool is_dirty;     /**< listed in `dirty` */
};

struct positions {
    struct position *items; /**< owned */
    uint32_t count, cap;
    uint32_t *slots; /**< owned; index + 1 of an item, 0: empty; slot_count is a power of two */
    uint32_t slot_count;
    uint32_t *dirty; /**< owned; as many as items have room */
    uint32_t dirty_count;
    uint32_t explicit_count; /**< entries that force a positions record */
    uint32_t forget_count;   /**< entries that go along with one */
    uint64_t seed;
    uint32_t max;
};

/** Whether an event moves a position (S15), and whose. */
bool positions_are_moved_by(const struct spool_record *record, struct ol__uuid *ret);

void positions_init(struct positions *table, uint32_t max);
void positions_release(struct positions *table);
const struct position *positions_find(const struct positions *table,
                                      const struct ol__uuid *journal);
/** Make sure that the next positions_move() of @p journal succeeds. @return OL_OK, OL_NOMEM,
 * OL_FULL. */
OL_NODISCARD ol_status positions_reserve(struct positions *table, const struct ol__uuid *journal,
                                         struct ol_error *err);
/** Move a journal within the group. @p is_explicit: no event of the group says so. */
void positions_move(struct positions *table, const struct ol__uuid *journal, uint64_t value,
                    bool is_explicit);
/** Let it go with the next group; an unknown journal is ignored. */
void positions_forget(struct positions *table, const struct ol__uuid *journal);
/** The group is on disk. @p told_forgotten: a snapshot or a positions record of it let the
 * forgotten ones go. */
void positions_commit(struct positions *table, int64_t now_ms, bool told_forgotten);
/** The group came to nothing. What was forgotten stays so. */
void positions_rollback(struct positions *table);
/** Bytes of the payload of a positions record for the pending changes, with or without those
 * forgotten. */
size_t positions_changes_size(const struct positions *table, bool with_forgotten);
/** Bytes of the payload of a snapshot of what is committed. */
size_t positions_snapshot_size(const struct positions *table);
void positions_write_changes(const struct positions *table, bool with_forgotten, int64_t now_ms,
                             uint8_t *out);
/** @return bytes written, at most positions_snapshot_size(), never 0. */
size_t positions_write_snapshot(const struct positions *table, uint8_t *out);
/** Take in a record found on disk (recovery). @return OL_OK, OL_NOMEM; entries past the maximum are
 * left out. */
OL_NODISCARD ol_status positions_replay(struct positions *table, const struct spool_record *record,
                                        bool is_complete, struct ol_error *err);
#endif
