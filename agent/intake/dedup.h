/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_DEDUP_H
#define INTAKE_DEDUP_H
/** @file
 * Recognises requests that a client sends again because it missed the answer (DESIGN 9): a window
 * of keys, bounded in time and number. Keys of the group being gathered can be taken back. Threads:
 * one.
 */
#include "ol_base.h"

#define DEDUP_WINDOW_MS (2 * 60 * 1000)
#define DEDUP_KEYS_MAX 131072u
#define DEDUP_KEY_SIZE 16

struct dedup; /* opaque */

/** @p keys_max is a power of two. Memory is touched as keys come. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status dedup_new(uint32_t keys_max, int64_t window_ms, struct dedup **ret,
                                 struct ol_error *err);
void dedup_free(struct dedup *dedup);

enum dedup_found { DEDUP_NEW, DEDUP_PENDING, DEDUP_DONE };
/** Look for @p key. PENDING: it was added since the last commit. @p now_ms is monotonic. */
enum dedup_found dedup_find(struct dedup *dedup, const uint8_t key[DEDUP_KEY_SIZE], int64_t now_ms);
/** Add a key that is not there; the oldest goes if there are too many. @p now_ms does not go back.
 */
void dedup_add(struct dedup *dedup, const uint8_t key[DEDUP_KEY_SIZE], int64_t now_ms);
/** What was added since the last commit stands, or is forgotten. */
void dedup_commit(struct dedup *dedup);
void dedup_rollback(struct dedup *dedup);
uint32_t dedup_count(const struct dedup *dedup);

/** The key of element @p index of a batch whose body has the key @p request; that of a single event
 * is the request's own (index 0). */
static inline void dedup_element_key(const uint8_t request[DEDUP_KEY_SIZE], uint64_t index,
                                     uint8_t out[DEDUP_KEY_SIZE])
{
    memcpy(out, request, DEDUP_KEY_SIZE);
    ol__put_le64(out + 8, ol__get_le64(out + 8) ^ index);
}
#endif
