/* SPDX-License-Identifier: Apache-2.0 */
#include "event_log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "json_write.h"
#include "receipt/redact.h"
#include "times.h"

static void write_outputs(struct ol__json_writer *w, const struct event_log_entry *e)
{
    const char *first = NULL;
    for (size_t i = 0; i < e->output_count && first == NULL; i++)
        first = e->outputs[i].sha256;
    ol__json_member_text_opt(w, "output_sha256", first);
    if (e->output_count < 2)
        return;
    ol__json_key(w, "outputs");
    ol__json_begin_object(w);
    for (size_t i = 0; i < e->output_count; i++)
        ol__json_member_text_opt(w, e->outputs[i].path, e->outputs[i].sha256);
    ol__json_end_object(w);
}

static void write_more(struct ol__json_writer *w, const struct receipt_pairs *more)
{
    for (size_t i = 0; i < more->count; i++) {
        struct ol__buf shown;
        ol__buf_init(&shown, EVENT_LOG_LINE_MAX);
        redact_value(more->items[i].key, more->items[i].value, &shown);
        ol__json_member_text(w, more->items[i].key, shown.data != NULL ? shown.data : "");
        if (shown.status != OL_OK && w->out->status == OL_OK)
            w->out->status = shown.status;
        ol__buf_release(&shown);
    }
}

void event_log_write(const struct event_log_entry *e, int64_t now_ms, struct ol__buf *out)
{
    struct ol__json_writer w;
    char time[OL_TIME_TEXT + 1];
    ol__time_format(now_ms, time);
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "time", time);
    ol__json_member_text(&w, "event", e->event);
    ol__json_member_text_opt(&w, "run_id", e->run_id);
    ol__json_member_text_opt(&w, "step", e->step);
    if (e->attempt > 0)
        ol__json_member_int(&w, "attempt", e->attempt);
    ol__json_member_text_opt(&w, "task_id", e->task_id);
    ol__json_member_text_opt(&w, "status", e->status);
    if (e->has_ended)
        ol__json_member_int(&w, "exit_code", e->exit_code);
    write_outputs(&w, e);
    if (e->has_ended)
        ol__json_member_int(&w, "duration_ms", e->duration_ms);
    write_more(&w, &e->more);
    ol__json_end_object(&w);
    ol__buf_add_char(out, '\n');
}

ol_status event_log_append(const char *path, const struct event_log_entry *entry,
                           struct ol_error *err)
{
    struct ol__buf line;
    bool is_stderr = strcmp(path, "-") == 0;
    ol__buf_init(&line, EVENT_LOG_LINE_MAX);
    event_log_write(entry, ol__time_now_ms(), &line);
    ol_status status = line.status;
    if (status != OL_OK)
        ol__error_set(err, status, "log '%s': a line of more than %zu bytes, or out of memory",
                      path, EVENT_LOG_LINE_MAX);
    int fd = status != OL_OK ? -1
             : is_stderr
                 ? STDERR_FILENO
                 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                        0666); /* a FIFO that nobody reads must not hold us */
    if (status == OL_OK && fd < 0)
        status = ol__error_set_errno(err, errno, "log '%s'", path);
    if (status == OL_OK) {
        ssize_t size = write(fd, line.data, line.size);
        if (size < 0)
            status = ol__error_set_errno(err, errno, "log '%s'", path);
        else if ((size_t)size != line.size)
            status = ol__error_set(err, OL_FULL, "log '%s': a line was cut", path);
    }
    if (fd >= 0 && !is_stderr)
        close(fd);
    ol__buf_release(&line);
    return status;
}
