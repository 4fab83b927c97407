/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. size <= max and, once anything was allocated, cap > size + OL_BUF_SLACK and data[size] == 0.
 *  2. A failed append changes nothing but `status`, and no later one does until the reset. */
#include "buf.h"

#include <stdio.h>
#include <stdlib.h>

#define CAP_FIRST 256

void ol__buf_init(struct ol__buf *buf, size_t max)
{
    /* So that no sum or doubling below can overflow. */
    *buf = (struct ol__buf){.max = OL_MIN(max, SIZE_MAX / 4)};
}

void ol__buf_release(struct ol__buf *buf)
{
    free(buf->data);
    *buf = (struct ol__buf){.max = buf->max};
}

void ol__buf_reset(struct ol__buf *buf)
{
    buf->size = 0;
    buf->status = OL_OK;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

char *ol__buf_room(struct ol__buf *buf, size_t size)
{
    if (buf->status != OL_OK)
        return NULL;
    if (size > buf->max - buf->size) {
        buf->status = OL_TOO_LARGE;
        return NULL;
    }
    size_t need = buf->size + size + OL_BUF_SLACK + 1;
    if (need <= buf->cap)
        return buf->data + buf->size;
    size_t cap = buf->cap < CAP_FIRST / 2 ? CAP_FIRST : buf->cap * 2;
    cap = OL_MIN(cap, buf->max + OL_BUF_SLACK + 1);
    cap = OL_MAX(cap, need);
    char *data = realloc(buf->data, cap);
    if (data == NULL) {
        buf->status = OL_NOMEM;
        return NULL;
    }
    buf->data = data;
    buf->cap = cap;
    data[buf->size] = '\0';
    return data + buf->size;
}

void ol__buf_grow(struct ol__buf *buf, size_t size)
{
    assert(size < buf->cap - buf->size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

ol_status ol__buf_add(struct ol__buf *buf, const void *data, size_t size)
{
    if (size == 0)
        return buf->status;
    char *room = ol__buf_room(buf, size);
    if (room == NULL)
        return buf->status;
    memcpy(room, data, size);
    ol__buf_grow(buf, size);
    return OL_OK;
}

ol_status ol__buf_add_text(struct ol__buf *buf, const char *text)
{
    return ol__buf_add(buf, text, strlen(text));
}

ol_status ol__buf_add_char(struct ol__buf *buf, char c)
{
    return ol__buf_add(buf, &c, 1);
}

ol_status ol__buf_add_format(struct ol__buf *buf, const char *format, ...)
{
    if (buf->status != OL_OK)
        return buf->status;
    va_list args;
    va_start(args, format);
    char small[256]; /* most results fit, and then nothing is allocated that is not used */
    int size = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (size < 0)
        return buf->status = OL_NOMEM; /* glibc: an impossible width, or out of memory */
    if ((size_t)size < sizeof small)
        return ol__buf_add(buf, small, (size_t)size);
    char *room = ol__buf_room(buf, (size_t)size);
    if (room == NULL)
        return buf->status;
    va_start(args, format);
    size = vsnprintf(room, (size_t)size + 1, format, args);
    va_end(args);
    if (size < 0) {
        *room = '\0';
        return buf->status = OL_NOMEM;
    }
    ol__buf_grow(buf, (size_t)size);
    return OL_OK;
}

void ol__buf_consume(struct ol__buf *buf, size_t size)
{
    assert(size <= buf->size);
    if (size == 0)
        return;
    memmove(buf->data, buf->data + size, buf->size - size);
    buf->size -= size;
    buf->data[buf->size] = '\0';
}

void ol__buf_truncate(struct ol__buf *buf, size_t size)
{
    assert(size <= buf->size);
    if (size == buf->size)
        return;
    buf->size = size;
    buf->data[size] = '\0';
}

char *ol__buf_take(struct ol__buf *buf)
{
    /* An empty buffer gives an empty text, not NULL: NULL means failure only. */
    if (buf->status != OL_OK || ol__buf_room(buf, 0) == NULL)
        return NULL;
    char *data = buf->data;
    *buf = (struct ol__buf){.max = buf->max};
    return data;
}
