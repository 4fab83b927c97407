/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_MAX_SIZE 128

void secret_wipe(struct ol__buf *buf)
{
    if (buf->data != NULL)
        explicit_bzero(buf->data, buf->cap);
    ol__buf_release(buf);
}

ol_status secret_expand(const char *text, struct ol__buf *out, struct ol_error *err)
{
    for (;;) {
        const char *begin = strstr(text, "${");
        if (begin == NULL)
            break;
        const char *end = strchr(begin, '}');
        char name[NAME_MAX_SIZE];
        size_t size = end != NULL ? (size_t)(end - begin) - 2 : 0;
        if (size == 0 || size >= sizeof name)
            return ol__error_set(err, OL_CONFIG, "expected ${NAME} of a variable");
        memcpy(name, begin + 2, size);
        name[size] = '\0';
        const char *value = getenv(name);
        if (value == NULL)
            return ol__error_set(err, OL_CONFIG, "the environment has no variable '%s'", name);
        ol__buf_add(out, text, (size_t)(begin - text));
        ol__buf_add_text(out, value);
        text = end + 1;
    }
    if (ol__buf_add_text(out, text) != OL_OK)
        return ol__error_set(err, out->status, "out of memory, or too long");
    return OL_OK;
}

ol_status secret_open(struct secret *s, const char *name, const char *value, const char *path,
                      size_t max, struct ol_error *err)
{
    *s = (struct secret){.name = name, .path = path};
    ol__buf_init(&s->text, max);
    if (value == NULL)
        return OL_OK;
    ol_status status = secret_expand(value, &s->text, err);
    if (status != OL_OK)
        return ol__error_prefix(err, status, "%s", name);
    s->is_there = true;
    return OL_OK;
}

static bool is_same(const struct secret *s, const struct stat *st)
{
    return s->is_there && st->st_size == s->size && st->st_ino == s->inode &&
           st->st_mtim.tv_sec == s->mtime.tv_sec && st->st_mtim.tv_nsec == s->mtime.tv_nsec;
}

ol_status secret_read(struct secret *s, bool trims, struct ol_error *err)
{
    struct stat st;
    if (s->path == NULL)
        return OL_END;
    bool is_known = stat(s->path, &st) == 0; /* before reading: a later change shows next time */
    if (is_known && is_same(s, &st))
        return OL_END;
    struct ol__buf text;
    ol__buf_init(&text, s->text.max);
    ol_status status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, s->path, &text, err);
    while (trims && text.size > 0 && strchr(" \t\r\n", text.data[text.size - 1]) != NULL)
        ol__buf_truncate(&text, text.size - 1);
    if (status == OL_OK && text.size == 0)
        status = ol__error_set(err, OL_CONFIG, "'%s' is empty", s->path);
    if (status != OL_OK) {
        secret_wipe(&text);
        return ol__error_prefix(err, status, "%s", s->name);
    }
    secret_wipe(&s->text);
    s->text = text;
    s->is_there = true;
    s->mtime = st.st_mtim;
    s->size = is_known ? st.st_size : -1;
    s->inode = st.st_ino;
    return OL_OK;
}

struct ol__span secret_span(const struct secret *s)
{
    return (struct ol__span){.data = s->text.data, .size = s->text.size};
}

void secret_release(struct secret *s)
{
    secret_wipe(&s->text);
}
