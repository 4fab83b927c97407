/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Nothing is ever written, and no lock is taken: a look changes nothing and holds nobody up.
 *  2. Each record given verified under its segment's salt, so it is of that segment and whole, even
 * if the file was put to another use a moment later.
 *  3. Damage is told only for bytes that were of the log when they were read. The agent recycles a
 *     file after it has renamed it: if, after bytes that do not verify were read, the name still
 *     stands for the same file, they were bytes of the segment; else it has left (LOOK_GONE).
 *  4. In the newest segment bytes may be read before the agent writes them and bytes behind them
 *     after: what looked bad is read once more, now that something behind it was seen that starts a
 *     group. All before such a record was written when it was (S2), so what is still bad is damage.
 *  5. What is given of the newest segment may include the group whose sync is under way. */
#include "spool_look.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "segment.h"
#include "spool_about.h"

#define CHUNK (1024u * 1024u)
#define FILES_MAX 1000000u

struct spool_look {
    char *directory;
    const struct ol__fs *fs; /* of walks */
    size_t chunk;
    int dirfd;
    struct ol__uuid uuid;
    bool has_uuid;
    struct look_segment *segments; /* owned */
    size_t count, cap;
    struct segment_header *headers; /* owned, by the same index until they are sorted */
};

const char *look_state_name(enum look_state state)
{
    static const char *const names[] = {"sealed", "newest", "free", "bad header", "left over"};
    return names[state];
}

const struct ol__uuid *spool_look_uuid(const struct spool_look *look)
{
    return &look->uuid;
}

int spool_look_directory(const struct spool_look *look)
{
    return look->dirfd;
}

const struct look_segment *spool_look_segments(const struct spool_look *look, size_t *ret_count)
{
    *ret_count = look->count;
    return look->segments;
}

/* ---- Listing ---- */

static ol_status grow(struct spool_look *l, struct ol_error *err)
{
    if (l->count < l->cap)
        return OL_OK;
    if (l->count == FILES_MAX)
        return ol__error_set(err, OL_TOO_LARGE, "spool '%s': more than %u files", l->directory,
                             FILES_MAX);
    size_t cap = l->cap == 0 ? 64 : l->cap * 2;
    struct look_segment *segments = realloc(l->segments, cap * sizeof *segments);
    if (segments != NULL)
        l->segments = segments;
    struct segment_header *headers = realloc(l->headers, cap * sizeof *headers);
    if (headers != NULL)
        l->headers = headers;
    if (segments == NULL || headers == NULL)
        return ol__error_set(err, OL_NOMEM, "spool: out of memory for %zu files", cap);
    l->cap = cap;
    return OL_OK;
}

/* Whether the name of segment @p number still stands for the file @p fd. */
static bool is_same_file(const struct spool_look *l, uint64_t number, int fd)
{
    char name[SEGMENT_NAME_SIZE];
    struct stat named, opened;
    segment_name(number, false, name);
    return fstatat(l->dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &opened) == 0 &&
           named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

static int open_segment(const struct spool_look *l, uint64_t number)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, false, name);
    return openat(l->dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* *ret_gone: it was taken away meanwhile. @return OL_OK: *ret_good says whether it verifies. */
static ol_status read_header(struct spool_look *l, uint64_t number, struct segment_header *ret,
                             bool *ret_good, bool *ret_gone, struct ol_error *err)
{
    uint8_t bytes[SEGMENT_HEADER_SIZE];
    size_t got = 0;
    uint32_t format = 0;
    int fd = open_segment(l, number);
    *ret_good = false;
    *ret_gone = fd < 0 && errno == ENOENT;
    if (fd < 0)
        return *ret_gone ? OL_OK
                         : ol__error_set_errno(err, errno, "segment '%s/%016" PRIx64 ".seg': open",
                                               l->directory, number);
    ol_status status = ol__fs_read_at(&ol__fs_real, fd, bytes, sizeof bytes, 0, &got, err);
    if (status == OL_OK) {
        ol_status decoded = segment_header_decode(bytes, got, ret, &format);
        *ret_good = decoded == OL_OK && ret->number == number;
        *ret_gone = !*ret_good && !is_same_file(l, number, fd); /* promise 3 */
        if (decoded == OL_VERSION_NEWER && !*ret_gone)
            status = spool_about_refuse_segment(l->directory, number, format, err);
    }
    close(fd);
    return status;
}

static ol_status add(void *arg, uint64_t number, bool is_free, uint64_t size, struct ol_error *err)
{
    struct spool_look *l = arg;
    bool is_good = true, is_gone = false;
    ol_status status = grow(l, err);
    if (status != OL_OK)
        return status;
    struct segment_header *header = &l->headers[l->count];
    *header = (struct segment_header){.number = number};
    if (!is_free)
        status = read_header(l, number, header, &is_good, &is_gone, err);
    if (status != OL_OK || is_gone)
        return status;
    struct look_segment *segment = &l->segments[l->count++];
    *segment = (struct look_segment){.number = number,
                                     .size = size,
                                     .state = is_free    ? LOOK_FREE
                                              : !is_good ? LOOK_BAD
                                                         : LOOK_LEFT_OVER};
    if (is_free || !is_good)
        return OL_OK;
    segment->salt = header->salt;
    segment->first_seq = header->first_seq;
    segment->born_ms = header->born_ms;
    segment->previous = header->previous;
    segment->end = size;
    if (!l->has_uuid)
        l->uuid = header->spool;
    l->has_uuid = true;
    if (memcmp(&l->uuid, &header->spool, sizeof l->uuid) == 0)
        return OL_OK;
    char text[OL_UUID_TEXT + 1];
    ol__uuid_format(&header->spool, text);
    return ol__error_set(err, OL_CORRUPT,
                         "segment '%s/%016" PRIx64 ".seg' belongs to spool %s: move it away (S14)",
                         l->directory, number, text);
}

/* ---- The chain (S9) ---- */

static size_t highest_below(const struct spool_look *l, uint64_t number, bool is_exact)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < l->count; i++) {
        const struct look_segment *s = &l->segments[i];
        if (s->state != LOOK_LEFT_OVER || s->number > number || (is_exact && s->number != number))
            continue;
        if (best == SIZE_MAX || s->number > l->segments[best].number)
            best = i;
    }
    return best;
}

/* From the newest good header back; each is put into the log with what its successor says. */
static void follow_chain(struct spool_look *l)
{
    uint64_t next_first = 0, named_end = 0;
    size_t at = highest_below(l, UINT64_MAX, false);
    while (at != SIZE_MAX) {
        struct look_segment *s = &l->segments[at];
        const struct segment_header *h = &l->headers[at];
        if (next_first == 0 || h->first_seq <= next_first) {
            s->state = next_first == 0 ? LOOK_NEWEST : LOOK_SEALED;
            s->last_seq = next_first == 0 ? UINT64_MAX : next_first - 1;
            s->has_end = named_end != 0;
            if (named_end != 0)
                s->end = OL_MIN(named_end, OL_MAX(s->size, (uint64_t)SEGMENT_HEADER_SIZE));
            next_first = h->first_seq;
        }
        if (h->previous == 0 || s->number == 1)
            return;
        size_t previous = highest_below(l, h->previous, true);
        named_end = previous != SIZE_MAX && s->state != LOOK_LEFT_OVER ? h->previous_end : 0;
        at = previous != SIZE_MAX ? previous : highest_below(l, s->number - 1, false);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct look_segment *x = a, *y = b;
    bool x_log = x->state <= LOOK_NEWEST, y_log = y->state <= LOOK_NEWEST;
    if (x_log != y_log)
        return x_log ? -1 : 1;
    if (!x_log && x->state != y->state)
        return x->state < y->state ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

ol_status spool_look_open(const char *directory, struct spool_look **ret, struct ol_error *err)
{
    struct spool_about about = {0};
    struct spool_look *l = calloc(1, sizeof *l);
    if (l == NULL || (l->directory = strdup(directory)) == NULL) {
        free(l);
        return ol__error_set(err, OL_NOMEM, "spool: out of memory");
    }
    l->dirfd = -1;
    l->fs = &ol__fs_real;
    l->chunk = CHUNK;
    ol_status status = ol__fs_open_directory(directory, &l->dirfd, err);
    if (status == OL_OK)
        status = spool_about_read(&ol__fs_real, l->dirfd, directory, &about, err);
    if (status == OL_OK && about.has_uuid) {
        l->uuid = about.uuid;
        l->has_uuid = true;
    }
    if (status == OL_OK)
        status = segment_files_each(&ol__fs_real, l->dirfd, l->directory, add, l, err);
    if (status != OL_OK) {
        spool_look_close(l);
        return status;
    }
    follow_chain(l);
    if (l->count > 1)
        qsort(l->segments, l->count, sizeof *l->segments, by_place);
    *ret = l;
    return OL_OK;
}

void spool_look_close(struct spool_look *l)
{
    if (l == NULL)
        return;
    if (l->dirfd >= 0)
        close(l->dirfd);
    free(l->segments);
    free(l->headers);
    free(l->directory);
    free(l);
}

void spool_look_set_fs(struct spool_look *look, const struct ol__fs *fs)
{
    look->fs = fs;
}

void spool_look_set_chunk(struct spool_look *look, size_t bytes)
{
    look->chunk = bytes;
}

/* ---- Walking ---- */

struct walker {
    struct spool_look *look;
    const struct look_segment *segment;
    const struct look_sink *sink;
    struct segment_walk walk;
    uint64_t from, to;
    uint64_t passed; /* the last sequence seen, or told as gone */
};

static ol_status tell(const struct walker *w, struct look_problem problem, struct ol_error *err)
{
    problem.segment = w->segment->number;
    return w->sink->problem != NULL ? w->sink->problem(w->sink->arg, &problem, err) : OL_OK;
}

static ol_status tell_missing(const struct walker *w, uint64_t last, struct ol_error *err)
{
    if (last <= w->passed || w->passed == UINT64_MAX)
        return OL_OK;
    return tell(w,
                (struct look_problem){
                    .kind = LOOK_MISSING, .first_seq = w->passed + 1, .count = last - w->passed},
                err);
}

static ol_status give(struct walker *w, struct spool_record *record, struct ol_error *err)
{
    ol_status status = OL_OK;
    bool is_complete = (w->walk.record_flags & SEGMENT_IS_COMPLETE) != 0;
    if (record->seq > w->passed)
        status = tell_missing(w, record->seq - 1, err);
    w->passed = OL_MAX(w->passed, record->seq);
    record->segment = w->segment->number;
    if (status == OL_OK && record->seq >= w->from && record->seq <= w->to &&
        w->sink->record != NULL)
        status = w->sink->record(w->sink->arg, record, is_complete, err);
    return status;
}

/* Bytes that do not verify: promises 3 and 4. *ret_over: the segment is at its end for us. */
static ol_status judge(struct walker *w, bool *ret_over, struct ol_error *err)
{
    struct segment_walk *walk = &w->walk;
    if (!is_same_file(w->look, w->segment->number, walk->fd)) {
        *ret_over = true;
        return tell(w, (struct look_problem){.kind = LOOK_GONE}, err);
    }
    if (walk->is_newest) {
        struct segment_walk again = *walk;
        struct spool_record record;
        again.buf = NULL;
        again.cap = again.have = 0;
        again.offset = walk->bad_from;
        again.last_seq = walk->last_seq - walk->missing;
        ol_status status = segment_walk_look(&again, &record, err);
        uint64_t last_seq = again.last_seq;
        segment_walk_release(&again);
        if (status == OL_OK) {
            walk->offset = walk->bad_from; /* it was only not written yet */
            walk->last_seq = last_seq;
            walk->have = 0;
            return OL_OK;
        }
        if (status != OL_CORRUPT)
            return status;
    }
    w->passed = OL_MAX(w->passed, walk->last_seq);
    return tell(w,
                (struct look_problem){.kind = LOOK_BAD_BYTES,
                                      .from = walk->bad_from,
                                      .to = walk->bad_to,
                                      .first_seq = walk->last_seq - walk->missing + 1,
                                      .count = walk->missing},
                err);
}

static ol_status walk_records(struct walker *w, struct ol_error *err)
{
    bool is_over = false;
    while (!is_over) {
        struct spool_record record;
        ol_status status = segment_walk_next(&w->walk, &record, err);
        if (status == OL_END)
            break;
        if (status == OL_GAP)
            status = judge(w, &is_over, err);
        else if (status == OL_OK)
            status = give(w, &record, err);
        if (status != OL_OK)
            return status;
    }
    /* The file may have been recycled before its last bytes were read: an end as any other. */
    if (!is_over && w->segment->last_seq != UINT64_MAX && w->passed < w->segment->last_seq) {
        if (!is_same_file(w->look, w->segment->number, w->walk.fd))
            return tell(w, (struct look_problem){.kind = LOOK_GONE}, err);
        return tell_missing(w, w->segment->last_seq, err);
    }
    return OL_OK;
}

ol_status spool_look_walk_one(struct spool_look *look, size_t index, uint64_t from, uint64_t to,
                              const struct look_sink *sink, struct ol_error *err)
{
    const struct look_segment *s = &look->segments[index];
    struct walker w = {.look = look, .segment = s, .sink = sink, .from = from, .to = to};
    if (s->state == LOOK_BAD)
        return tell(&w, (struct look_problem){.kind = LOOK_BAD_HEADER, .to = s->size}, err);
    if (s->state > LOOK_NEWEST)
        return OL_OK;
    int fd = open_segment(look, s->number);
    if (fd < 0)
        return errno == ENOENT
                   ? tell(&w, (struct look_problem){.kind = LOOK_GONE}, err)
                   : ol__error_set_errno(err, errno, "segment '%s/%016" PRIx64 ".seg': open",
                                         look->directory, s->number);
    w.passed = s->first_seq - 1;
    w.walk = (struct segment_walk){
        .fs = look->fs,
        .fd = fd,
        .salt = s->salt,
        .first_seq = s->first_seq,
        /* The newest cannot hold more than its bytes allow. */
        .limit_seq = s->last_seq != UINT64_MAX ? s->last_seq
                                               : s->first_seq + s->size / SEGMENT_RECORD_HEADER,
        .end = s->end,
        .chunk = look->chunk,
        .is_newest = !s->has_end};
    ol_status status = walk_records(&w, err);
    segment_walk_release(&w.walk);
    close(fd);
    return status;
}

/* Whether a start has put the whole file of segment @p number into quarantine: that is dealt with.
 */
static bool is_quarantined(const struct spool_look *look, uint64_t number)
{
    char name[64];
    struct stat st;
    snprintf(name, sizeof name, "quarantine/%016" PRIx64 "-0.bin", number);
    return fstatat(look->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Segments that a header names and that are not there: only the oldest's may be gone. Which
 * sequences went with one shows when the segment before it is read. */
static ol_status check_chain(struct spool_look *look, size_t index, const struct look_sink *sink,
                             struct ol_error *err)
{
    const struct look_segment *s = &look->segments[index];
    if (index == 0 || look->segments[index - 1].has_end || sink->problem == NULL)
        return OL_OK;
    const struct look_segment *before = &look->segments[index - 1];
    if (is_quarantined(look, s->previous))
        return OL_OK;
    for (size_t i = index; i < look->count; i++) {
        const struct look_segment *other = &look->segments[i];
        if (other->state == LOOK_BAD && other->number > before->number && other->number < s->number)
            return OL_OK; /* it is there, and told as what it is */
    }
    const struct look_problem problem = {
        .kind = LOOK_NO_SEGMENT, .segment = s->number, .first_seq = before->first_seq, .count = 0};
    return sink->problem(sink->arg, &problem, err);
}

ol_status spool_look_walk(struct spool_look *look, uint64_t from, uint64_t to,
                          const struct look_sink *sink, struct ol_error *err)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < look->count && status == OL_OK; i++) {
        const struct look_segment *s = &look->segments[i];
        bool is_log = s->state <= LOOK_NEWEST;
        if (is_log && (s->last_seq < from || s->first_seq - 1 > to))
            continue;
        if (is_log)
            status = check_chain(look, i, sink, err);
        if (status == OL_OK)
            status = spool_look_walk_one(look, i, from, to, sink, err);
    }
    return status;
}
