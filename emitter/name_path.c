/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, file: URIs and databases that are files (promises 1 and 3 of dataset_name.c). */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "dataset_name.h"

/* ---- paths ---- */

static void pop_segment(struct ol__name_text *t)
{
    while (t->used > 0 && t->out[t->used - 1] != '/')
        t->used--;
    if (t->used > 0)
        t->used--;
    t->out[t->used] = '\0';
}

/* `link/..` is the parent of where the link leads. */
static void resolve_link(struct ol__name_text *t)
{
    struct stat st;
    if (t->used == 0 || lstat(t->out, &st) != 0 || !S_ISLNK(st.st_mode))
        return;
    char *real = realpath(t->out, NULL);
    if (real == NULL)
        return;
    t->used = 0;
    ol__name_put_text(t, strcmp(real, "/") == 0 ? "" : real);
    free(real);
}

/* Put @p path, absolute, without empty and dot segments. @p t holds what it is relative to. */
static void put_path(struct ol__name_text *t, const char *path, size_t size, bool is_here)
{
    const char *end = path + size;
    while (path < end) {
        const char *slash = memchr(path, '/', (size_t)(end - path));
        size_t segment = (size_t)((slash != NULL ? slash : end) - path);
        if (segment == 2 && path[0] == '.' && path[1] == '.') {
            if (is_here)
                resolve_link(t);
            pop_segment(t);
        } else if (segment > 0 && !(segment == 1 && path[0] == '.')) {
            ol__name_put(t, "/", 1);
            ol__name_put(t, path, segment);
        }
        path += segment + 1;
    }
    if (t->used == 0)
        ol__name_put(t, "/", 1);
}

/* As the kernel would find @p path, NUL-terminated behind @p size. */
ol_status ol__name_path(const char *path, size_t size, struct ol__name_text *name,
                        struct ol_error *err)
{
    char current[PATH_MAX];
    if (path[0] != '/') {
        if (getcwd(current, sizeof current) == NULL || current[0] != '/')
            return ol__error_set(err, OL_INVALID,
                                 "dataset '%.80s': relative, and the working directory"
                                 " has no usable name",
                                 path);
        put_path(name, current, strlen(current), false);
        if (name->used == 1) /* "/" */
            name->used = 0;
    }
    put_path(name, path, size, true);
    return OL_OK;
}

/* %XX to bytes; @p out holds at least @p size. A percent sign without two digits stays. */
static ol_status decode(const char *text, size_t size, char *out, size_t *ret, struct ol_error *err)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        int high = text[i] == '%' && i + 2 < size ? ol__hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? ol__hex_value(text[i + 2]) : -1;
        out[used++] = low >= 0 ? (char)(high << 4 | low) : text[i];
        if (low >= 0)
            i += 2;
        if (out[used - 1] == '\0')
            return ol__error_set(err, OL_INVALID, "dataset '%.80s': a file name cannot hold %%00",
                                 text);
    }
    *ret = used;
    return OL_OK;
}

/* ---- file: and databases in files ---- */

static bool is_drive(const char *host, size_t size)
{
    return size == 2 && host[1] == ':' &&
           ((host[0] >= 'a' && host[0] <= 'z') || (host[0] >= 'A' && host[0] <= 'Z'));
}

ol_status ol__name_file(struct ol__span rest, struct ol__name *ret, struct ol_error *err)
{
    char path[OL_DATASET_NAME_SIZE];
    struct ol__span host = {"", 0};
    const char *at = rest.data;
    size_t size = rest.size;
    if (size >= 2 && at[0] == '/' && at[1] == '/') {
        host.data = at + 2;
        const char *slash = memchr(host.data, '/', size - 2);
        host.size = slash != NULL ? (size_t)(slash - host.data) : size - 2;
        size -= 2 + host.size;
        at = host.data + host.size;
        for (size_t i = host.size; i > 0; i--) {
            if (host.data[i - 1] == '@') {
                host = (struct ol__span){host.data + i, host.size - i};
                break;
            }
        }
        if (is_drive(host.data, host.size)) { /* file://C:/x was meant to be file:///C:/x */
            at = host.data - 1;
            size += host.size + 1;
            host.size = 0;
        }
        if (host.size == 9 && strncasecmp(host.data, "localhost", 9) == 0)
            host.size = 0;
    }
    if (size == 0)
        return ol__error_set(err, OL_INVALID, "dataset 'file:': no path");
    if (size >= sizeof path)
        return ol__error_set(err, OL_TOO_LARGE, "dataset: name longer than %zu bytes",
                             sizeof path - 1);
    ol_status status = decode(at, size, path, &size, err);
    if (status != OL_OK)
        return status;
    path[size] = '\0';
    ol__name_put_text(&ret->space, "file");
    if (host.size == 0)
        return ol__name_path(path, size, &ret->name, err);
    ol__name_put_text(&ret->space, "://");
    ol__name_put_lower(&ret->space, host.data, host.size);
    put_path(&ret->name, path, size, false);
    return OL_OK;
}

/* sqlite:PATH; with two slashes, SQLAlchemy's way: ///RELATIVE, ////ABSOLUTE. */
ol_status ol__name_local(const struct ol__name_scheme *s, const struct ol__name_given *given,
                         struct ol__name *ret, struct ol_error *err)
{
    char path[OL_DATASET_NAME_SIZE], resolved[OL_DATASET_NAME_SIZE];
    struct ol__span rest = given->rest;
    size_t slashes = 0;
    while (slashes < 3 && slashes < rest.size && rest.data[slashes] == '/')
        slashes++;
    if (slashes == 3)
        rest = (struct ol__span){rest.data + 3, rest.size - 3};
    size_t size = 0;
    while (size < rest.size && rest.data[size] != '?' && rest.data[size] != ';')
        size++;
    if (size == 0 || slashes == 2 || rest.data[0] == ':')
        return ol__error_set(err, OL_INVALID,
                             "dataset '%s:...': expected %s:PATH; a database in memory has no name",
                             s->name, s->name);
    if (size >= sizeof path)
        return ol__error_set(err, OL_TOO_LARGE, "dataset: name longer than %zu bytes",
                             sizeof path - 1);
    memcpy(path, rest.data, size);
    path[size] = '\0';
    ol__name_put_text(&ret->space, given->table == NULL ? "file" : s->canonical);
    if (given->table == NULL)
        return ol__name_path(path, size, &ret->name, err);
    struct ol__name_text at = {.out = resolved, .size = sizeof resolved};
    resolved[0] = '\0';
    ol_status status = ol__name_path(path, size, &at, err);
    ol__name_put_text(&ret->space, ":");
    ol__name_put(&ret->space, resolved, at.used);
    ret->space.is_cut = ret->space.is_cut || at.is_cut;
    ol__name_put_text(&ret->name, given->table);
    return status;
}
