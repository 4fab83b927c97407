/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGMENT_H
#define SEGMENT_H
/** @file
 * The bytes of one segment: its header, its records, and a walk over the good ones (spec/SPOOL.md,
 * layout and S9..S11). Knows nothing of the spool around it. Threads: one at a time per walk.
 */
#include "spool.h"

#define SEGMENT_HEADER_SIZE 4096u
#define SEGMENT_RECORD_HEADER 80u
#define SEGMENT_POSITION_SIZE 32u /**< one entry of a positions record */
#define SEGMENT_NAME_SIZE 32      /**< bytes for a file's name with its NUL */

enum segment_flag {
    SEGMENT_STARTS_GROUP =
        1,                  /**< all before it in its segment was synced when it was written (S2) */
    SEGMENT_IS_COMPLETE = 2 /**< positions: forget what is not in it */
};

struct segment_header {
    uint64_t number;
    uint64_t salt;
    struct ol__uuid spool;
    uint64_t first_seq; /**< of the first record behind the snapshot */
    uint64_t previous;  /**< number of the segment before, 0: none */
    uint64_t previous_end;
    int64_t born_ms;
    uint64_t allocated;
};

void segment_header_encode(const struct segment_header *header, uint8_t out[SEGMENT_HEADER_SIZE]);
/** @return OL_OK; OL_CORRUPT: no header that verifies; OL_VERSION_NEWER: it verifies and has
 * another format, older or newer, which *ret_format tells. */
OL_NODISCARD ol_status segment_header_decode(const uint8_t *data, size_t size,
                                             struct segment_header *ret, uint32_t *ret_format);
/** "%016x.seg" or "free-%016x.seg". */
void segment_name(uint64_t number, bool is_free, char out[SEGMENT_NAME_SIZE]);
/** @return whether @p name is one of the two. */
bool segment_name_parse(const char *name, uint64_t *ret_number, bool *ret_is_free);
/** Told of one file of the spool's directory that has such a name; not OL_OK ends the listing. */
typedef ol_status segment_file_handler(void *arg, uint64_t number, bool is_free, uint64_t size,
                                       struct ol_error *err);
/** List them, in no order. @param directory its name, for errors. @return OL_OK, what the handler
 * returned, or as ol__error_set_errno(). */
OL_NODISCARD ol_status segment_files_each(const struct ol__fs *fs, int dirfd, const char *directory,
                                          segment_file_handler *handler, void *arg,
                                          struct ol_error *err);

/** Bytes a record with this payload takes. */
static inline size_t segment_record_size(size_t payload)
{
    return (SEGMENT_RECORD_HEADER + payload + 7u) & ~(size_t)7u;
}
/** Write header, payload and padding at @p out (segment_record_size() bytes); the sum is left open.
 */
void segment_record_encode(const struct spool_record *record, uint8_t *out);
/** Set flags and sum of an encoded record, for the segment with this salt. May be done again. */
void segment_record_seal(uint8_t *record, uint8_t flags, uint64_t salt);
/** Whether the sum holds; @p record is whole and writable (it is as before on return). */
bool segment_record_verify(uint8_t *record, uint64_t salt);
void segment_record_decode(const uint8_t *record, struct spool_record *ret);

/** A walk over the good records of a file. Set the first part, zero the rest;
 * segment_walk_release() ends it. */
struct segment_walk {
    const struct ol__fs *fs;
    int fd; /**< borrowed */
    uint64_t salt;
    uint64_t first_seq; /**< from the header */
    uint64_t limit_seq; /**< highest that can stand here; UINT64_MAX: not known */
    uint64_t end;       /**< offset where it ends; may be raised between calls */
    size_t chunk;       /**< bytes read at a time */
    bool is_newest;     /**< by S11: a bad record ends the log unless a group starts behind it */

    uint64_t offset;   /**< of the next record; 0: start behind the header */
    uint64_t last_seq; /**< of the last good record; first_seq - 1 before it */

    uint64_t record_offset; /**< after OL_OK: where the record stands */
    uint8_t record_flags;
    uint64_t bad_from, bad_to; /**< after OL_GAP: bytes that do not verify */
    uint64_t missing; /**< after OL_GAP: sequences that are gone with them, from last_seq + 1 -
                         missing */
    uint64_t torn;    /**< after OL_END of the newest: bytes of a group cut short */

    uint64_t budget; /**< bytes that searching may still sum up; 0: not set yet */
    uint8_t *buf;    /**< owned, cap bytes, `have` of them from offset buf_at */
    size_t cap, have;
    uint64_t buf_at;
};

/** The next good record; borrowed until the next call.
 *  @return OL_OK; OL_GAP: bad_from.. are skipped, go on (last_seq counts the missing ones as
 * passed); OL_END: `end` is reached, or the log ends at `offset`; OL_IO, OL_NOMEM: nothing moved.
 */
OL_NODISCARD ol_status segment_walk_next(struct segment_walk *walk, struct spool_record *ret,
                                         struct ol_error *err);
/** The record at `offset`, without moving. @return OL_OK; OL_CORRUPT: none that is good stands
 * there; OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status segment_walk_look(struct segment_walk *walk, struct spool_record *ret,
                                         struct ol_error *err);
void segment_walk_release(struct segment_walk *walk);
#endif
