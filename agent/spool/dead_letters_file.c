/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Any bytes can be read: a line that is no letter is DEAD_LINE_OTHER, one without a newline is
 * none.
 *  2. Memory holds one line and its decoded parts, at most LINE_MAX each. */
#include "dead_letters_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>
#include "json_read.h"
#include "times.h"

#define READ_STEP 65536u
#define DEAD_LINE_MAX                                                                              \
    (128u * 1024u * 1024u) /* an event of 16 MiB, each byte escaped, and the rest */
#define ROUTES_MAX 256

/* ---- one line ---- */

enum { PART_ID, PART_ROUTE, PART_REASON, PART_LANE, PART_ANSWER, PART_EVENT, PART_DONE, PARTS };
static const char *const part_keys[PARTS] = {"id",     "route", "reason", "lane",
                                             "answer", "event", "done"};

struct parser {
    struct ol__json_reader *reader;
    struct ol__buf store; /* decoded texts, each with its NUL */
    size_t part_at[PARTS], part_size[PARTS];
    bool has_part[PARTS];
    struct dead_letter letter; /* the numbers */
};

static int64_t number_of(struct ol__span text)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%.*s", (int)OL_MIN(text.size, sizeof digits - 1), text.data);
    return strtoll(digits, NULL, 10);
}

static uint64_t unsigned_of(struct ol__span text)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%.*s", (int)OL_MIN(text.size, sizeof digits - 1), text.data);
    return strtoull(digits, NULL, 10);
}

static void take_number(struct dead_letter *letter, struct ol__span key, struct ol__span text)
{
    if (ol__span_equal(key, OL_SPAN_LIT("seq")))
        letter->seq = unsigned_of(text);
    else if (ol__span_equal(key, OL_SPAN_LIT("taken")))
        letter->taken_ms = number_of(text);
    else if (ol__span_equal(key, OL_SPAN_LIT("parked")))
        letter->parked_ms = number_of(text);
    else if (ol__span_equal(key, OL_SPAN_LIT("status")))
        letter->status = (int)number_of(text);
    else if (ol__span_equal(key, OL_SPAN_LIT("tries")))
        letter->tries = (int)number_of(text);
    else if (ol__span_equal(key, OL_SPAN_LIT("uid")))
        letter->uid = (uint32_t)unsigned_of(text);
}

static ol_status take_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct parser *p = arg;
    if (value->depth != 1 || value->path[0].is_index)
        return OL_OK;
    if (value->type == OL_JSON_NUMBER)
        take_number(&p->letter, value->path[0].key, value->text);
    if (value->type != OL_JSON_STRING)
        return OL_OK;
    for (int i = 0; i < PARTS; i++) {
        if (!ol__span_equal(value->path[0].key, ol__span_text(part_keys[i])))
            continue;
        p->has_part[i] = true;
        p->part_at[i] = p->store.size;
        p->part_size[i] = value->text.size;
        OL_IGNORE(ol__buf_add(&p->store, value->text.data, value->text.size), "looked at below");
        if (ol__buf_add_char(&p->store, '\0') != OL_OK)
            return ol__error_set(err, p->store.status, "dead letters: out of memory for a line");
    }
    return OL_OK;
}

static const char *text_of(const struct parser *p, int part)
{
    return p->has_part[part] ? p->store.data + p->part_at[part] : "";
}

static struct ol__span span_of(const struct parser *p, int part)
{
    return (struct ol__span){.data = text_of(p, part),
                             .size = p->has_part[part] ? p->part_size[part] : 0};
}

bool dead_id_parse(const char *route, struct ol__span id, uint64_t *ret_seq)
{
    size_t size = strlen(route);
    if (id.size < size + 2 || id.size > size + 1 + 20 || memcmp(id.data, route, size) != 0 ||
        id.data[size] != '-')
        return false;
    uint64_t seq = 0;
    for (size_t i = size + 1; i < id.size; i++) {
        if (id.data[i] < '0' || id.data[i] > '9' || seq > UINT64_MAX / 10 - 1)
            return false;
        seq = seq * 10 + (uint64_t)(id.data[i] - '0');
    }
    *ret_seq = seq;
    return true;
}

#define SUM_KEY ",\"sum\":\""
#define SUM_TAIL (sizeof SUM_KEY - 1 + 16 + 3) /* with the quote, the brace, the newline */

static void format_sum(struct ol__span text, char out[17])
{
    snprintf(out, 17, "%016" PRIx64, (uint64_t)XXH3_64bits(text.data, text.size));
}

void dead_line_seal(struct ol__buf *line, size_t start)
{
    if (line->status != OL_OK || line->size <= start)
        return;
    char sum[17];
    ol__buf_truncate(line, line->size - 1); /* the brace */
    format_sum((struct ol__span){.data = line->data + start, .size = line->size - start}, sum);
    OL_IGNORE(ol__buf_add_text(line, SUM_KEY), "failures stick in the buffer");
    OL_IGNORE(ol__buf_add_text(line, sum), "as above");
    OL_IGNORE(ol__buf_add_text(line, "\"}\n"), "as above");
}

/* Whether no bit of @p line changed since it was written. Lines from before there were sums have
 * none, and are believed. */
static bool sum_holds(struct ol__span line)
{
    char sum[17];
    if (line.size < SUM_TAIL)
        return true;
    const char *tail = line.data + line.size - SUM_TAIL;
    if (memcmp(tail, SUM_KEY, sizeof SUM_KEY - 1) != 0)
        return true;
    format_sum((struct ol__span){.data = line.data, .size = line.size - SUM_TAIL}, sum);
    return memcmp(tail + sizeof SUM_KEY - 1, sum, 16) == 0;
}

static ol_status parse_line(struct parser *p, const char *route, struct ol__span line,
                            struct dead_line *ret, struct ol_error *err)
{
    ol__buf_reset(&p->store);
    memset(p->has_part, 0, sizeof p->has_part);
    p->letter = (struct dead_letter){.uid = UINT32_MAX};
    *ret = (struct dead_line){.kind = DEAD_LINE_OTHER};
    if (!sum_holds(line))
        return OL_OK;
    ol_status status = ol__json_read(p->reader, line, NULL, take_value, p, err);
    if (status == OL_NOMEM)
        return status;
    if (status != OL_OK)
        return OL_OK;
    if (p->has_part[PART_DONE]) {
        if (dead_id_parse(route, span_of(p, PART_DONE), &ret->seq))
            ret->kind = DEAD_LINE_END;
        return OL_OK;
    }
    uint64_t seq = 0;
    if (!p->has_part[PART_EVENT] || !dead_id_parse(route, span_of(p, PART_ID), &seq) ||
        seq != p->letter.seq)
        return OL_OK;
    ret->kind = DEAD_LINE_LETTER;
    ret->seq = seq;
    ret->letter = p->letter;
    ret->letter.id = text_of(p, PART_ID);
    ret->letter.route = text_of(p, PART_ROUTE);
    ret->letter.reason = text_of(p, PART_REASON);
    ret->letter.lane = text_of(p, PART_LANE);
    ret->letter.answer = span_of(p, PART_ANSWER);
    ret->letter.event = span_of(p, PART_EVENT);
    return OL_OK;
}

/* ---- a file ---- */

/* Give the whole lines of @p buf and take them off. */
static ol_status give_lines(struct parser *p, struct ol__buf *buf, const char *route,
                            dead_line_handler *each, void *arg, size_t seen, size_t *ret_given,
                            struct ol_error *err)
{
    size_t at = 0;
    for (;;) {
        size_t from = OL_MAX(at, seen); /* what was searched before has no newline */
        const char *end =
            buf->size > from ? memchr(buf->data + from, '\n', buf->size - from) : NULL;
        if (end == NULL)
            break;
        struct ol__span line = {.data = buf->data + at, .size = (size_t)(end - buf->data) + 1 - at};
        struct dead_line what;
        ol_status status = parse_line(p, route, line, &what, err);
        if (status == OL_OK)
            status = each(arg, line, &what, err);
        if (status != OL_OK)
            return status;
        at += line.size;
    }
    if (at > 0)
        ol__buf_consume(buf, at);
    *ret_given = at;
    return OL_OK;
}

ol_status dead_file_read(const struct ol__fs *fs, int fd, const char *route,
                         dead_line_handler *each, void *arg, uint64_t *ret_whole,
                         uint64_t *ret_size, struct ol_error *err)
{
    struct parser parser = {0};
    struct ol__buf buf;
    ol__buf_init(&buf, DEAD_LINE_MAX);
    ol__buf_init(&parser.store, DEAD_LINE_MAX);
    uint64_t at = 0, whole = 0;
    ol_status status = ol__json_reader_new(&parser.reader, err);
    while (status == OL_OK) {
        size_t seen = buf.size, got = 0, given = 0;
        char *room = ol__buf_room(&buf, READ_STEP);
        if (room == NULL) {
            status = ol__error_set(err, buf.status == OL_NOMEM ? OL_NOMEM : OL_IO,
                                   "dead letters of '%s': a line of more than %u bytes", route,
                                   DEAD_LINE_MAX);
            break;
        }
        status = ol__fs_read_at(fs, fd, room, READ_STEP, (off_t)at, &got, err);
        if (status != OL_OK || got == 0)
            break;
        at += got;
        ol__buf_grow(&buf, got);
        status = give_lines(&parser, &buf, route, each, arg, seen, &given, err);
        whole += given;
    }
    ol__json_reader_free(parser.reader);
    ol__buf_release(&parser.store);
    ol__buf_release(&buf);
    *ret_whole = whole;
    *ret_size = at;
    return status;
}

ol_status dead_directory_open(const struct ol__fs *fs, const char *spool_directory, bool make,
                              int *ret, struct ol_error *err)
{
    int base = -1;
    ol_status status = ol__fs_open_directory(spool_directory, &base, err);
    if (status != OL_OK)
        return status;
    if (make && fs->mkdirat(base, "dead", 0700) != 0 && errno != EEXIST)
        status = ol__error_set_errno(err, errno, "directory '%s/dead': create", spool_directory);
    if (status == OL_OK && make && fs->fsync(base) != 0)
        status = ol__error_set_errno(err, errno, "directory '%s': sync", spool_directory);
    if (status == OL_OK) {
        *ret = fs->openat(base, "dead", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        if (*ret < 0)
            status = ol__error_set_errno(err, errno, "directory '%s/dead': open", spool_directory);
    }
    OL_IGNORE(fs->close(base), "read only");
    return status;
}

/* ---- listing ---- */

struct ended {
    uint64_t seq;
    size_t line; /* the last one that ends it: a letter written again after that is open */
};

struct lister {
    struct ended *ended; /* owned */
    size_t ended_count, ended_cap;
    size_t line;
    ol_status (*each)(void *arg, const struct dead_letter *letter);
    void *arg;
};

static ol_status note_end(void *arg, struct ol__span line, const struct dead_line *what,
                          struct ol_error *err)
{
    struct lister *lister = arg;
    (void)line;
    size_t at = lister->line++;
    if (what->kind != DEAD_LINE_END)
        return OL_OK;
    if (lister->ended_count == lister->ended_cap) {
        struct ended *grown = ol__grow(lister->ended, &lister->ended_cap, sizeof *grown);
        if (grown == NULL)
            return ol__error_set(err, OL_NOMEM, "dead letters: out of memory");
        lister->ended = grown;
    }
    lister->ended[lister->ended_count++] = (struct ended){.seq = what->seq, .line = at};
    return OL_OK;
}

static int by_seq_and_line(const void *a, const void *b)
{
    const struct ended *x = a, *y = b;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

/* Whether a line behind @p line ends @p seq. */
static bool has_ended(const struct lister *lister, uint64_t seq, size_t line)
{
    size_t low = 0, high = lister->ended_count; /* the first entry above (seq, line) */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct ended *e = &lister->ended[middle];
        if (e->seq < seq || (e->seq == seq && e->line < line))
            low = middle + 1;
        else
            high = middle;
    }
    return low < lister->ended_count && lister->ended[low].seq == seq;
}

static ol_status list_letter(void *arg, struct ol__span line, const struct dead_line *what,
                             struct ol_error *err)
{
    struct lister *lister = arg;
    (void)line;
    (void)err;
    size_t at = lister->line++;
    if (what->kind != DEAD_LINE_LETTER || has_ended(lister, what->seq, at))
        return OL_OK;
    return lister->each(lister->arg, &what->letter);
}

static ol_status list_file(int dirfd, const char *route, struct lister *lister,
                           struct ol_error *err)
{
    char name[96];
    snprintf(name, sizeof name, "%.80s.jsonl", route);
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? OL_OK
                               : ol__error_set_errno(err, errno, "file 'dead/%s': open", name);
    uint64_t whole = 0, size = 0;
    lister->ended_count = lister->line = 0;
    ol_status status =
        dead_file_read(&ol__fs_real, fd, route, note_end, lister, &whole, &size, err);
    if (lister->ended_count > 1)
        qsort(lister->ended, lister->ended_count, sizeof *lister->ended, by_seq_and_line);
    lister->line = 0;
    if (status == OL_OK)
        status = dead_file_read(&ol__fs_real, fd, route, list_letter, lister, &whole, &size, err);
    close(fd);
    return status;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static ol_status list_routes(int dirfd, char names[][96], size_t *ret_count, struct ol_error *err)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        ol_status status = ol__error_set_errno(err, errno, "directory 'dead': list");
        if (fd >= 0)
            close(fd);
        return status;
    }
    size_t count = 0;
    for (const struct dirent *e = readdir(dir); e != NULL && count < ROUTES_MAX; e = readdir(dir)) {
        size_t size = strlen(e->d_name);
        if (size <= 6 || size > 80 || e->d_name[0] == '.' ||
            strcmp(e->d_name + size - 6, ".jsonl") != 0)
            continue;
        snprintf(names[count++], 96, "%.*s", (int)(size - 6), e->d_name);
    }
    closedir(dir);
    qsort(names, count, sizeof names[0], by_text);
    *ret_count = count;
    return OL_OK;
}

ol_status dead_letters_each(const char *spool_directory, const char *route,
                            ol_status (*each)(void *arg, const struct dead_letter *letter),
                            void *arg, struct ol_error *err)
{
    struct lister lister = {.each = each, .arg = arg};
    char(*names)[96] = NULL;
    size_t count = 0;
    int dirfd = -1;
    ol_status status = dead_directory_open(&ol__fs_real, spool_directory, false, &dirfd, err);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status; /* no spool, no letters */
    if (route != NULL) {
        status = list_file(dirfd, route, &lister, err);
    } else {
        names = calloc(ROUTES_MAX, sizeof *names);
        status = names == NULL ? ol__error_set(err, OL_NOMEM, "dead letters: out of memory")
                               : list_routes(dirfd, names, &count, err);
        for (size_t i = 0; i < count && status == OL_OK; i++)
            status = list_file(dirfd, names[i], &lister, err);
    }
    free(names);
    free(lister.ended);
    close(dirfd);
    return status;
}

static void member_time(struct ol__json_writer *w, const char *key, int64_t unix_ms)
{
    char text[OL_TIME_TEXT + 1];
    ol__time_format(unix_ms, text);
    ol__json_member_text(w, key, text);
}

void dead_letter_write(struct ol__json_writer *w, const struct dead_letter *letter, bool with_event)
{
    ol__json_begin_object(w);
    ol__json_member_text(w, "id", letter->id);
    ol__json_member_text(w, "route", letter->route);
    ol__json_member_uint(w, "seq", letter->seq);
    member_time(w, "taken", letter->taken_ms);
    member_time(w, "parked", letter->parked_ms);
    ol__json_member_text(w, "reason", letter->reason);
    if (letter->status != 0)
        ol__json_member_int(w, "status", letter->status);
    ol__json_member_span(w, "answer", letter->answer);
    ol__json_member_int(w, "tries", letter->tries);
    ol__json_member_text(w, "lane", letter->lane);
    if (letter->uid != UINT32_MAX)
        ol__json_member_uint(w, "uid", letter->uid);
    ol__json_member_uint(w, "size", letter->event.size);
    if (with_event)
        ol__json_member_span(w, "event", letter->event);
    ol__json_end_object(w);
}
