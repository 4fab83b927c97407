/* SPDX-License-Identifier: Apache-2.0 */
/* Where routes stand, read beside their owners.
 * Promise: the mark and the marks above it are of one moment, as far as is_done() goes: the file is
 * read again until its mark is the same before and after. The owner stores the mark before it
 * clears bits (S17), so a bit that went meanwhile stands for what the mark has passed. */
#include "spool_look.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cursor_bytes.h"
#include "json_read.h"
#include "spool_internal.h"

#define READ_TRIES 100
#define GAPS_READ_MAX (4u * 1024u * 1024u)
#define NAMES_MAX 256

static ol_status read_whole(int dirfd, const char *name, uint8_t *bytes, size_t size,
                            size_t *ret_got, struct ol_error *err)
{
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *ret_got = 0;
    if (fd < 0)
        return ol__error_set_errno(err, errno, "cursor '%s': open", name);
    ol_status status = ol__fs_read_at(&ol__fs_real, fd, bytes, size, 0, ret_got, err);
    close(fd);
    return status;
}

static ol_status read_live(const struct spool_look *look, int dirfd, struct look_cursor *c,
                           uint8_t *image, struct ol_error *err)
{
    char name[SPOOL_NAME_MAX + 16];
    uint8_t boot[16], after[CURSOR_LOW_AT + 8];
    size_t got = 0, got_after = 0;
    snprintf(name, sizeof name, "%s.live", c->name);
    ol_status status = cursor_read_boot_id(boot) ? OL_OK : OL_NOT_FOUND;
    for (int i = 0; i < READ_TRIES && status == OL_OK; i++) {
        status = read_whole(dirfd, name, image, CURSOR_LIVE_SIZE, &got, err);
        if (status == OL_OK)
            status = read_whole(dirfd, name, after, sizeof after, &got_after, err);
        if (status == OL_OK && got_after == sizeof after &&
            memcmp(after + CURSOR_LOW_AT, image + CURSOR_LOW_AT, 8) == 0)
            break;
    }
    c->is_live = status == OL_OK && cursor_is_believed(spool_look_uuid(look), image, got, boot);
    if (c->is_live)
        c->low = cursor_low(image);
    return status;
}

static ol_status read_saved(const struct spool_look *look, int dirfd, struct look_cursor *c,
                            uint8_t *image, struct ol_error *err)
{
    char name[SPOOL_NAME_MAX + 16];
    uint64_t generation = 0;
    size_t got = 0;
    snprintf(name, sizeof name, "%s.saved", c->name);
    uint8_t *bytes = calloc(1, CURSOR_SAVED_SIZE);
    if (bytes == NULL)
        return ol__error_set(err, OL_NOMEM, "cursor '%s': out of memory", c->name);
    ol_status status = read_whole(dirfd, name, bytes, CURSOR_SAVED_SIZE, &got, err);
    if (status == OL_OK)
        c->has_place =
            cursor_load_slots(spool_look_uuid(look), bytes, got, image, &generation, &c->low);
    free(bytes);
    return status;
}

static ol_status count_gap(void *arg, const struct look_gap *gap)
{
    struct look_cursor *c = arg;
    c->gap_count++;
    c->gap_sequences += gap->last - gap->first + 1;
    return OL_OK;
}

ol_status spool_look_cursor(struct spool_look *look, const char *name, struct look_cursor *ret,
                            struct ol_error *err)
{
    *ret = (struct look_cursor){.low = 0};
    if (!spool_name_is_valid(name))
        return ol__error_set(err, OL_NOT_FOUND, "no cursor can have the name '%.80s'", name);
    snprintf(ret->name, sizeof ret->name, "%s", name);
    int dirfd = openat(spool_look_directory(look), "cursor", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint8_t *image = calloc(1, CURSOR_LIVE_SIZE);
    if (dirfd < 0 || image == NULL) {
        int code = dirfd < 0 ? errno : ENOMEM;
        free(image);
        if (dirfd >= 0)
            close(dirfd);
        return ol__error_set_errno(err, code, "cursor '%s'", name);
    }
    ol_status status = read_live(look, dirfd, ret, image, err);
    bool has_live = status == OL_OK;
    ret->has_place = ret->is_live;
    if (!ret->is_live && (status == OL_OK || status == OL_NOT_FOUND)) {
        memset(image, 0, CURSOR_LIVE_SIZE);
        status = read_saved(look, dirfd, ret, image, err);
        if (status == OL_NOT_FOUND && has_live)
            status = OL_OK; /* of another boot, and never saved: at the oldest record */
    }
    close(dirfd);
    if (status != OL_OK) {
        free(image);
        return status;
    }
    ret->ring = image;
    for (uint64_t seq = ret->low + 1; seq <= ret->low + SPOOL_CURSOR_AHEAD; seq++)
        ret->ahead += cursor_bit(image, seq);
    return spool_look_gaps(look, name, count_gap, ret, err);
}

void spool_look_cursor_release(struct look_cursor *cursor)
{
    free(cursor->ring);
    cursor->ring = NULL;
}

bool spool_look_cursor_is_done(const struct look_cursor *c, uint64_t seq)
{
    if (!c->has_place)
        return false;
    return seq <= c->low ||
           (!c->is_whole && seq - c->low <= SPOOL_CURSOR_AHEAD && cursor_bit(c->ring, seq));
}

/* ---- Names ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* "NAME.live", ".saved", ".gaps" -> NAME. */
static bool take_name(const char *file, char out[SPOOL_NAME_MAX + 1])
{
    const char *dot = strchr(file, '.');
    if (dot == NULL || dot == file || dot - file > SPOOL_NAME_MAX ||
        (strcmp(dot, ".live") != 0 && strcmp(dot, ".saved") != 0 && strcmp(dot, ".gaps") != 0))
        return false;
    snprintf(out, SPOOL_NAME_MAX + 1, "%.*s", (int)(dot - file), file);
    return spool_name_is_valid(out);
}

ol_status spool_look_cursor_names(struct spool_look *look,
                                  ol_status (*each)(void *arg, const char *name), void *arg,
                                  struct ol_error *err)
{
    int fd = openat(spool_look_directory(look), "cursor", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return OL_OK;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    char(*names)[SPOOL_NAME_MAX + 1] = calloc(NAMES_MAX, sizeof *names);
    if (dir == NULL || names == NULL) {
        ol_status status = ol__error_set_errno(err, dir == NULL ? errno : ENOMEM, "cursors: list");
        if (dir != NULL)
            closedir(dir);
        else if (fd >= 0)
            close(fd);
        free(names);
        return status;
    }
    size_t count = 0;
    for (const struct dirent *e = readdir(dir); e != NULL && count < NAMES_MAX; e = readdir(dir))
        count += take_name(e->d_name, names[count]);
    closedir(dir);
    qsort(names, count, sizeof names[0], by_text);
    ol_status status = OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            status = each(arg, names[i]);
    free(names);
    return status;
}

/* ---- Gaps ---- */

static ol_status take_member(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct look_gap *gap = arg;
    (void)err;
    if (value->depth != 1 || value->path[0].is_index || value->type != OL_JSON_NUMBER)
        return OL_OK;
    char digits[24];
    snprintf(digits, sizeof digits, "%.*s", (int)OL_MIN(value->text.size, (size_t)20),
             value->text.data);
    struct ol__span key = value->path[0].key;
    if (ol__span_equal(key, OL_SPAN_LIT("first")))
        gap->first = strtoull(digits, NULL, 10);
    else if (ol__span_equal(key, OL_SPAN_LIT("last")))
        gap->last = strtoull(digits, NULL, 10);
    else if (ol__span_equal(key, OL_SPAN_LIT("from")))
        gap->from_ms = strtoll(digits, NULL, 10);
    else if (ol__span_equal(key, OL_SPAN_LIT("to")))
        gap->to_ms = strtoll(digits, NULL, 10);
    return OL_OK;
}

ol_status spool_look_gaps(struct spool_look *look, const char *route,
                          ol_status (*each)(void *arg, const struct look_gap *gap), void *arg,
                          struct ol_error *err)
{
    char path[SPOOL_NAME_MAX + 32];
    struct ol__buf text;
    struct ol__json_reader *reader = NULL;
    snprintf(path, sizeof path, "cursor/%.64s.gaps", route);
    ol__buf_init(&text, GAPS_READ_MAX);
    ol_status status = ol__fs_read_file(&ol__fs_real, spool_look_directory(look), path, &text, err);
    if (status == OL_OK)
        status = ol__json_reader_new(&reader, err);
    for (const char *at = text.data; status == OL_OK && text.size > 0;) {
        const char *end = memchr(at, '\n', text.size - (size_t)(at - text.data));
        if (end == NULL)
            break;
        struct look_gap gap = {0};
        ol_status parsed =
            ol__json_read(reader, (struct ol__span){.data = at, .size = (size_t)(end - at)}, NULL,
                          take_member, &gap, NULL);
        if (parsed == OL_NOMEM)
            status = ol__error_set(err, parsed, "gaps of '%s': out of memory", route);
        else if (parsed == OL_OK && gap.first > 0 && gap.last >= gap.first)
            status = each(arg, &gap);
        at = end + 1;
        if (at == text.data + text.size)
            break;
    }
    ol__json_reader_free(reader);
    ol__buf_release(&text);
    return status == OL_NOT_FOUND ? OL_OK : status;
}
