/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define CHUNK_MIN 8192
#define ALIGN alignof(max_align_t)
#define HEAD ((sizeof(struct ol__arena_chunk) + ALIGN - 1) / ALIGN * ALIGN)

struct ol__arena_chunk {
    struct ol__arena_chunk *next;
    size_t size; /* bytes behind the head */
};

static char *bytes_of(struct ol__arena_chunk *chunk)
{
    return (char *)chunk + HEAD;
}

/* Make a chunk with room for @p size the current one. */
static bool next_chunk(struct ol__arena *arena, size_t size)
{
    struct ol__arena_chunk **link = arena->current != NULL ? &arena->current->next : &arena->first;
    if (*link == NULL || (*link)->size < size) {
        size_t room = OL_MAX(size, (size_t)CHUNK_MIN - HEAD);
        struct ol__arena_chunk *chunk = malloc(HEAD + room);
        if (chunk == NULL)
            return false;
        chunk->next = *link;
        chunk->size = room;
        *link = chunk;
    }
    arena->current = *link;
    arena->used = 0;
    return true;
}

void *ol__arena_alloc(struct ol__arena *arena, size_t size)
{
    if (size > SIZE_MAX / 4)
        return NULL;
    size_t need = (size + ALIGN - 1) / ALIGN * ALIGN;
    if ((arena->current == NULL || arena->current->size - arena->used < need) &&
        !next_chunk(arena, need))
        return NULL;
    void *block = bytes_of(arena->current) + arena->used;
    arena->used += need;
    return block;
}

void *ol__arena_grow(struct ol__arena *arena, void *old, size_t old_size, size_t size)
{
    size_t have = (old_size + ALIGN - 1) / ALIGN * ALIGN;
    if (old == NULL)
        return ol__arena_alloc(arena, size);
    if (size <= have)
        return old;
    if (size > SIZE_MAX / 4)
        return NULL;
    size_t more = (size + ALIGN - 1) / ALIGN * ALIGN - have;
    bool is_last = (char *)old + have == bytes_of(arena->current) + arena->used;
    if (is_last && arena->current->size - arena->used >= more) {
        arena->used += more;
        return old;
    }
    void *block = ol__arena_alloc(arena, size);
    if (block != NULL)
        memcpy(block, old, old_size);
    return block;
}

struct ol__arena_mark ol__arena_here(const struct ol__arena *arena)
{
    return (struct ol__arena_mark){.current = arena->current, .used = arena->used};
}

void ol__arena_rewind(struct ol__arena *arena, struct ol__arena_mark mark)
{
    arena->current = mark.current;
    arena->used = mark.used;
}

void ol__arena_reset(struct ol__arena *arena, size_t keep)
{
    struct ol__arena_chunk **link = &arena->first;
    while (*link != NULL) {
        struct ol__arena_chunk *chunk = *link;
        if (chunk->size + HEAD <= keep) {
            keep -= chunk->size + HEAD;
            link = &chunk->next;
        } else {
            *link = chunk->next;
            free(chunk);
        }
    }
    arena->current = NULL;
    arena->used = 0;
}
