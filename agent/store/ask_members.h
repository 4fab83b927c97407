/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ASK_MEMBERS_H
#define STORE_ASK_MEMBERS_H
/** @file
 * Looking members up for the questions: by name, by content, and what holds them. Of lists that the
 * asker has not, and versions of runs that the asker may not see, nothing is found. Threads: one
 * per question.
 */
#include "ask.h"
#include "members.h"

#define ASK_MEMBER_VERSIONS 64 /* of one artifact, datasets that are looked at */

/** A member where it stands: the piece, and which of its members. */
struct ask_member {
    int64_t piece, index;
    uint8_t sha256[OL_SHA256_SIZE];
};
struct ask_held {
    int64_t dataset, version;
};

/** Calls @p each for every member with @p key's name or content (one of the two is given), one in
 * each piece. @return OL_OK or a failure, also that of @p each; OL_END of it ends the search. */
typedef ol_status ask_member_handler(void *arg, const struct ask_member *member,
                                     struct ol__span name);
OL_NODISCARD ol_status ask_members_named(struct ask *ask, struct ol__span name,
                                         ask_member_handler *each, void *arg);
OL_NODISCARD ol_status ask_members_of_content(struct ask *ask, const uint8_t sha256[OL_SHA256_SIZE],
                                              ask_member_handler *each, void *arg);
/** Lists that have @p piece, at most @p max, those that the asker has. */
OL_NODISCARD ol_status ask_piece_lists(struct ask *ask, int64_t piece, int64_t *ret, size_t max,
                                       size_t *ret_count);
/** Lists of which @p sha256 is an artifact, and that are here. */
OL_NODISCARD ol_status ask_artifact_lists(struct ask *ask, const uint8_t sha256[OL_SHA256_SIZE],
                                          int64_t *ret, size_t max, size_t *ret_count);
/** Versions of datasets with these bytes. */
OL_NODISCARD ol_status ask_versions_of(struct ask *ask, const uint8_t sha256[OL_SHA256_SIZE],
                                       struct ask_held *ret, size_t max, size_t *ret_count);
/** Versions of datasets that are an artifact of @p list. */
OL_NODISCARD ol_status ask_list_versions(struct ask *ask, int64_t list, struct ask_held *ret,
                                         size_t max, size_t *ret_count);
/** The hash that a version is. false: it is none. */
OL_NODISCARD ol_status ask_version_hash(struct ask *ask, int64_t version,
                                        uint8_t ret[OL_SHA256_SIZE], bool *ret_is_hash);
/** The member's name and hash, into @p space, which it borrows. */
OL_NODISCARD ol_status ask_member_get(struct ask *ask, int64_t piece, int64_t index,
                                      struct ol__buf *space, struct member *ret);

/** Members "name" and "sha256" of an open object. */
OL_NODISCARD ol_status ask_write_member(struct ask *ask, int64_t piece, int64_t index);
/** Member "lists_not_here": how many artifacts are known to have members that nobody told. Nothing
 * for none. */
OL_NODISCARD ol_status ask_write_lists_not_here(struct ask *ask);
/** Members with the subject's name, or with its content, as matches; documents of answers. @return
 * OL_OK, whatever was found. */
OL_NODISCARD ol_status ask_find_members(struct ask *ask);
/** Whether an answer retrieved or cited the document @p id; those to be seen. Calls @p each, newest
 * first. */
typedef ol_status ask_doc_handler(void *arg, int64_t answer, int64_t run);
OL_NODISCARD ol_status ask_doc_answers(struct ask *ask, struct ol__span id, ask_doc_handler *each,
                                       void *arg);
#endif
