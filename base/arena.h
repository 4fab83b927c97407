/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_ARENA_H
#define OL_ARENA_H
/** @file
 * Memory that is given back all at once, or back to a mark; what was handed out never moves.
 * Threads: one at a time per arena.
 */
#include "ol_base.h"

struct ol__arena_chunk;
struct ol__arena {
    struct ol__arena_chunk *first;   /**< Owned list. */
    struct ol__arena_chunk *current; /**< Those behind it are empty, kept for later. */
    size_t used;                     /**< of current */
};
struct ol__arena_mark {
    struct ol__arena_chunk *current;
    size_t used;
};

/** @p size bytes, aligned for anything, not zeroed; NULL: out of memory. A zeroed arena is a fresh
 * one. */
void *ol__arena_alloc(struct ol__arena *arena, size_t size);
/** Grow the block at @p old (NULL: there is none), of @p old_size, maybe elsewhere; in place if it
 * was the last. NULL:
 * out of memory, @p old is as it was. */
void *ol__arena_grow(struct ol__arena *arena, void *old, size_t old_size, size_t size);
struct ol__arena_mark ol__arena_here(const struct ol__arena *arena);
/** Give back what was handed out since @p mark. */
void ol__arena_rewind(struct ol__arena *arena, struct ol__arena_mark mark);
/** Give back everything; of the memory keep at most @p keep bytes for later. */
void ol__arena_reset(struct ol__arena *arena, size_t keep);
#endif
