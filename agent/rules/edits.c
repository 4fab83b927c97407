/* SPDX-License-Identifier: Apache-2.0 */
#include "edits.h"

#include <stdlib.h>

#define KEEP ((size_t)256 * 1024)

void edits_init(struct edits *e, size_t max)
{
    *e = (struct edits){.items = NULL};
    ol__buf_init(&e->with, max);
}

void edits_release(struct edits *e)
{
    free(e->items);
    ol__buf_release(&e->with);
    e->items = NULL;
    e->count = e->cap = 0;
}

void edits_reset(struct edits *e)
{
    if (e->with.cap > KEEP || e->cap > KEEP / sizeof *e->items)
        edits_release(e);
    ol__buf_reset(&e->with);
    e->count = 0;
}

ol_status edits_begin(struct edits *e, size_t begin, size_t end)
{
    if (e->count == e->cap) {
        struct edit *items = ol__grow(e->items, &e->cap, sizeof *items);
        if (items == NULL)
            return OL_NOMEM;
        e->items = items;
    }
    e->items[e->count++] = (struct edit){.begin = begin, .end = end, .offset = e->with.size};
    return OL_OK;
}

void edits_end(struct edits *e)
{
    struct edit *last = &e->items[e->count - 1];
    last->size = e->with.size - last->offset;
}

static int by_place(const void *left, const void *right)
{
    const struct edit *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return a->end < b->end ? -1 : a->end > b->end;
}

ol_status edits_apply(struct edits *e, struct ol__span text, struct ol__buf *out)
{
    size_t at = 0;
    if (e->with.status != OL_OK)
        return e->with.status;
    if (e->count > 1)
        qsort(e->items, e->count, sizeof *e->items, by_place);
    for (size_t i = 0; i < e->count; i++) {
        const struct edit *edit = &e->items[i];
        assert(edit->begin >= at && edit->end >= edit->begin && edit->end <= text.size);
        ol__buf_add(out, text.data + at, edit->begin - at);
        if (edit->size > 0)
            ol__buf_add(out, e->with.data + edit->offset, edit->size);
        at = edit->end;
    }
    return ol__buf_add(out, text.data + at, text.size - at);
}
