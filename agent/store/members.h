/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_MEMBERS_H
#define STORE_MEMBERS_H
/** @file
 * Members of artifacts (spec/RECEIPT.md, R10) in the store: lists, cut into pieces that lists of
 * like content share, and where each name and each content is found. What store.h offers of them
 * is store_members_begin() and its like; this is for the room. Threads: one per store.
 */
#include "db.h"
#include "event_read.h"
#include "hash.h"

struct member {
    bool is_link;
    uint8_t sha256[OL_SHA256_SIZE]; /* not of a link */
    struct ol__span name;           /* borrowed from the piece */
};
/** The next member of a piece's @p rest. @return OL_OK, OL_END, OL_CORRUPT. */
OL_NODISCARD ol_status member_next(struct ol__span *rest, struct member *ret);
/** By what it is looked up; without the "./" that members of a directory begin with. */
int64_t member_name_key(const struct store *store, struct ol__span name);
int64_t member_content_key(const struct store *store, const uint8_t sha256[OL_SHA256_SIZE]);
/** The name as it is compared: without a leading "./". */
struct ol__span member_plain_name(struct ol__span name);
/** SHA-256 of no bytes at all: it joins nothing. */
bool member_is_empty(const uint8_t sha256[OL_SHA256_SIZE]);

/** The piece's bytes, into @p out. @return OL_OK; OL_CORRUPT: there is none of that id. */
OL_NODISCARD ol_status members_piece(struct store *store, int64_t piece, struct ol__buf *out,
                                     struct ol_error *err);
/** Ids of a list's pieces, from its column; varints behind a format byte. @return OL_OK, OL_END,
 * OL_CORRUPT. Begin with @p at 0. */
OL_NODISCARD ol_status members_next_piece(struct ol__span column, size_t *at, int64_t *ret);

/** The row of the list, made where there is none; whole or not. Inside a transaction. */
OL_NODISCARD ol_status members_have_list(struct store *store, const uint8_t sha256[OL_SHA256_SIZE],
                                         int64_t count, int64_t seen, int64_t *ret,
                                         struct ol_error *err);

/** What an event's facets lineaged_artifact say of lists: which artifact has which. */
OL_NODISCARD ol_status members_claims(struct store *store, const struct ol__event *event,
                                      int64_t uid, int64_t seen, struct ol_error *err);

/** Documents that an answer retrieved or cited, for the row @p answer. */
OL_NODISCARD ol_status members_answer_docs(struct store *store, const struct ol__event *event,
                                           const struct ol__event_facet *facet, int64_t answer,
                                           struct ol_error *err);

/* ---- Retention ---- */
/** Remove lists that no version in the store is an artifact of, and pieces of no list, some rows
 * behind list or piece *at a call. Lists seen since @p before_ms stay: their events may be under
 * way. @p ret_done: all were looked at. Inside a transaction. */
OL_NODISCARD ol_status members_sweep(struct store *store, int64_t *at, int64_t before_ms,
                                     bool *ret_done, struct ol_error *err);
#endif
