/* SPDX-License-Identifier: Apache-2.0 */
/* The first line of a journal: who wrote it, where, and what it permits (spec/JOURNAL.md).
 *
 *  1. What is not said, or cannot be read, counts as the careful thing: a writer elsewhere, no
 * chain, no permission.
 */
#include "journal_impl.h"

struct header {
    int64_t format, part;
    uint64_t pid, start_ticks, pid_ns;
    bool may_infer;
    struct ol__uuid chain;
    char boot[OL_UUID_TEXT + 1], host[256];
};

static void copy_text(struct ol__span text, char *out, size_t size)
{
    size_t n = OL_MIN(text.size, size - 1);
    memcpy(out, text.data, n);
    out[n] = '\0';
}

/** A whole number from 0 to 999,999,999, else -1. */
static int64_t small_number(struct ol__span text)
{
    int64_t n = 0;
    if (text.size == 0 || text.size > 9)
        return -1;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -1;
        n = n * 10 + (text.data[i] - '0');
    }
    return n;
}

/** As many digits as fit, else 0. */
static uint64_t large_number(struct ol__span text)
{
    uint64_t n = 0;
    if (text.size > 19)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        n = n * 10 + (uint64_t)(text.data[i] - '0');
    }
    return n;
}

static void header_process(struct header *h, struct ol__span key, struct ol__span text)
{
    if (ol__span_equal(key, OL_SPAN_LIT("pid")))
        h->pid = large_number(text);
    else if (ol__span_equal(key, OL_SPAN_LIT("start")))
        h->start_ticks = large_number(text);
    else if (ol__span_equal(key, OL_SPAN_LIT("pid_ns")))
        h->pid_ns = large_number(text);
}

static ol_status header_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct header *h = arg;
    (void)err;
    if (value->depth != 1 || value->path[0].is_index)
        return OL_OK;
    struct ol__span key = value->path[0].key;
    if (value->type == OL_JSON_NUMBER && ol__span_equal(key, OL_SPAN_LIT("ol_journal")))
        h->format = small_number(value->text);
    else if (value->type == OL_JSON_NUMBER && ol__span_equal(key, OL_SPAN_LIT("part")))
        h->part = OL_MAX(small_number(value->text), 0);
    else if (value->type == OL_JSON_NUMBER)
        header_process(h, key, value->text);
    else if (value->type == OL_JSON_BOOL && ol__span_equal(key, OL_SPAN_LIT("infer_abort")))
        h->may_infer = value->boolean;
    else if (value->type != OL_JSON_STRING)
        return OL_OK;
    else if (ol__span_equal(key, OL_SPAN_LIT("boot")))
        copy_text(value->text, h->boot, sizeof h->boot);
    else if (ol__span_equal(key, OL_SPAN_LIT("host")))
        copy_text(value->text, h->host, sizeof h->host);
    else if (ol__span_equal(key, OL_SPAN_LIT("chain")) && !ol__uuid_parse(value->text, &h->chain))
        h->chain = (struct ol__uuid){.bytes = {0}};
    return OL_OK;
}

ol_status journal_header_read(struct journal_intake *ji, struct journal_dir *dir,
                              struct journal_file *file, int fd, bool is_free, struct ol_error *err)
{
    char text[JOURNAL_HEADER_MAX];
    size_t size;
    struct header h = {.format = 0};
    static const struct ol__json_limits limits = {.size_max = JOURNAL_HEADER_MAX, .depth_max = 4};
    ol_status st = journal_file_read(dir, file, fd, text, sizeof text, 0, &size);
    if (st != OL_OK)
        return st;
    const char *end = memchr(text, '\n', size);
    if (end == NULL && size < sizeof text && !is_free)
        return OL_AGAIN;
    if (end == NULL)
        return OL_OK; /* no header: the lines below say what to make of the bytes */
    struct ol__span line = {.data = text, .size = (size_t)(end - text)};
    file->has_header = true; /* or a line that is treated like any other */
    if (!journal_begins_with(line, OL_SPAN_LIT("{\"ol_journal\":")))
        return OL_OK;
    st = ol__json_read(ji->reader, line, &limits, header_value, &h, NULL);
    if (st == OL_NOMEM) {
        file->has_header = false;
        return ol__error_set(err, OL_NOMEM, "journal '%s': out of memory", file->name);
    }
    if (st != OL_OK)
        return OL_OK;
    if (h.format < 0 || h.format > 1) {
        file->has_header = false;
        journal_file_leave(dir, file, "written in a newer format");
        return OL_OK;
    }
    /* A boot id or host that cannot be read says nothing about where the writer ran. */
    file->is_local = ji->boot[0] != '\0' && ji->host[0] != '\0' && strcmp(h.boot, ji->boot) == 0 &&
                     strcmp(h.host, ji->host) == 0;
    file->chain = h.chain;
    file->part = h.part;
    file->may_infer = h.may_infer;
    file->pid = h.pid <= INT32_MAX ? (int64_t)h.pid : 0;
    file->start_ticks = h.start_ticks;
    file->pid_ns = h.pid_ns;
    file->taken = OL_MAX(file->taken, line.size + 1);
    return OL_OK;
}
