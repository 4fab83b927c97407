/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Nothing waits: FIFOs, devices and sockets in the place of files are not read from.
 *  2. What was read is bounded by the limits in collect.h, whatever a file says of itself.
 *  3. No text has a password: addresses lose what stands before '@' and behind '?' or '#'.
 */
#include "collect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "utf8.h"

void ol__collected_init(struct ol__collected *c, const char *root)
{
    *c = (struct ol__collected){.root = root};
    c->code.struct_size = sizeof c->code;
    c->machine.struct_size = sizeof c->machine;
    c->container.struct_size = sizeof c->container;
    c->tools.struct_size = sizeof c->tools;
    c->reproducibility.struct_size = sizeof c->reproducibility;
}

void ol__collected_release(struct ol__collected *c)
{
    ol__arena_reset(&c->arena, 0);
    c->found = 0;
}

/* promise 1: a FIFO is opened without waiting for its writer, and then left alone */
static int open_regular(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        return -1;
    }
    return fd;
}

ol_status ol__collect_read(struct ol__collected *c, const char *path, size_t max,
                           struct ol__span *ret)
{
    char full[4096];
    const char *root = path[0] == '/' ? c->root : "";
    if ((size_t)snprintf(full, sizeof full, "%s%s", root, path) >= sizeof full)
        return OL_NOT_FOUND;
    int fd = open_regular(full);
    if (fd < 0)
        return OL_NOT_FOUND;
    size_t size = 0, cap = OL_MIN(max, (size_t)4096);
    char *data = ol__arena_alloc(&c->arena, cap + 1);
    ssize_t n = 0;
    if (data == NULL) {
        close(fd);
        return OL_NOMEM;
    }
    for (;;) {
        if (size == cap) {
            if (cap == max)
                break;
            size_t more = OL_MIN(max, cap * 4);
            char *grown = ol__arena_grow(&c->arena, data, cap + 1, more + 1);
            if (grown == NULL) {
                close(fd);
                return OL_NOMEM;
            }
            data = grown;
            cap = more;
        }
        n = read(fd, data + size, cap - size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    bool goes_on = false;
    if (n > 0) {
        char one;
        goes_on = read(fd, &one, 1) == 1;
    }
    close(fd);
    if (n < 0)
        return OL_NOT_FOUND;
    data[size] = '\0';
    *ret = (struct ol__span){data, size};
    return goes_on ? OL_TOO_LARGE : OL_OK;
}

const char *ol__collect_keep(struct ol__collected *c, struct ol__span text)
{
    if (text.size == 0 || text.size > OL_COLLECT_VALUE_MAX || ol__utf8_find_bad(text) != text.size)
        return NULL;
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            return NULL;
    char *kept = ol__arena_alloc(&c->arena, text.size + 1);
    if (kept == NULL)
        return NULL;
    memcpy(kept, text.data, text.size);
    kept[text.size] = '\0';
    return kept;
}

/* "scheme://user:password@host/path?query": promise 3. "git@host:path" is no address with a
 * password, but what stands before a colon there may be one. */
const char *ol__collect_keep_url(struct ol__collected *c, struct ol__span url)
{
    char out[OL_COLLECT_VALUE_MAX + 1];
    size_t cut = 0;
    if (url.size == 0)
        return NULL;
    while (cut < url.size && url.data[cut] != '?' && url.data[cut] != '#')
        cut++;
    url.size = cut;
    const char *scheme = url.size > 0 ? memmem(url.data, url.size, "://", 3) : NULL;
    size_t begin = scheme != NULL ? (size_t)(scheme - url.data) + 3 : 0;
    size_t end = begin;
    while (end < url.size && url.data[end] != '/')
        end++;
    size_t host = begin;
    for (size_t i = begin; i < end; i++) /* the last '@' of the authority */
        if (url.data[i] == '@')
            host = i + 1;
    bool is_ssh = scheme == NULL || (url.size >= 3 && memcmp(url.data, "ssh", 3) == 0) ||
                  (url.size >= 7 && memcmp(url.data, "git+ssh", 7) == 0);
    if (is_ssh && host > begin && memchr(url.data + begin, ':', host - begin) == NULL)
        host = begin; /* a mere user of ssh is part of the place */
    if (begin + (url.size - host) > sizeof out - 1)
        return NULL;
    memcpy(out, url.data, begin);
    memcpy(out + begin, url.data + host, url.size - host);
    return ol__collect_keep(c, (struct ol__span){out, begin + url.size - host});
}

const char *ol__collect_variable(struct ol__collected *c, const char *name)
{
    return ol__collect_keep(c, ol__span_text(secure_getenv(name)));
}

bool ol__collect_line(struct ol__span *text, struct ol__span *ret_line)
{
    if (text->size == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->size);
    size_t size = end != NULL ? (size_t)(end - text->data) : text->size;
    *ret_line = (struct ol__span){text->data, size};
    size_t step = end != NULL ? size + 1 : size;
    text->data += step;
    text->size -= step;
    return true;
}

struct ol__span ol__collect_trim(struct ol__span text)
{
    while (text.size > 0 && strchr(" \t\r\n", text.data[0]) != NULL && text.data[0] != '\0') {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && text.data[text.size - 1] != '\0' &&
           strchr(" \t\r\n", text.data[text.size - 1]) != NULL)
        text.size--;
    return text;
}

ol_status ol__collect(struct ol__collected *c, unsigned what, const char *directory)
{
    ol_status st = OL_OK;
    if ((what & OL_COLLECT_CODE) != 0 && directory != NULL)
        st = ol__collect_code(c, directory);
    if (st == OL_OK && (what & OL_COLLECT_MACHINE) != 0)
        st = ol__collect_machine(c);
    if (st == OL_OK && (what & OL_COLLECT_CONTAINER) != 0)
        st = ol__collect_container(c);
    if (st == OL_OK && (what & (OL_COLLECT_TOOLS | OL_COLLECT_SEEDS)) != 0) {
        st = ol__collect_tools(c);
        c->found &= ~(~what & (OL_COLLECT_TOOLS | OL_COLLECT_SEEDS));
    }
    return st;
}
