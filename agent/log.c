/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. One line is one write(2) of at most LINE_MAX_BYTES, so lines of two threads never mix.
 *  2. A caller that repeats itself (same area, same format) is heard BURST times in WINDOW_MS, then
 * only counted; the count is told with the next line of that kind, or by log_flush() when the
 * window is over. Errors of different kinds never silence each other, unless more than SLOTS kinds
 * are said at once, when the one heard longest ago is forgotten, its count told first.
 *  3. Control characters and bytes that are not UTF-8 never reach the terminal or the JSON as they
 * are. */
#include "agent.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include "json_write.h"
#include "times.h"

#define LINE_MAX_BYTES 2048
#define SLOTS 32
#define BURST 10
#define WINDOW_MS 60000
#define REMEMBERED 120 /* bytes of the line that a count is told with */

struct slot {
    const char *format; /* identity only: formats are literals */
    char area[40];
    int64_t window_ms; /* when the window began; 0: unused */
    unsigned said;
    uint64_t suppressed;
    enum log_level level;
    char last[REMEMBERED]; /* as it was said last */
};

static struct {
    pthread_mutex_t lock;
    enum log_level level;
    bool is_json;
    struct slot slots[SLOTS];
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_LEVEL_INFO};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_setup(enum log_level level, bool is_json)
{
    pthread_mutex_lock(&sink.lock);
    sink.level = level;
    sink.is_json = is_json;
    pthread_mutex_unlock(&sink.lock);
}

/* Promise 2. @return whether to say it; @p ret_suppressed: how many were not said before it.
 * @p ret_forgotten: a slot whose count is to be told now; its suppressed is 0 if none is. */
static bool may_say(const char *area, const char *format, int64_t now_ms, uint64_t *ret_suppressed,
                    struct slot *ret_forgotten)
{
    struct slot *oldest = &sink.slots[0], *slot = NULL;
    for (size_t i = 0; i < SLOTS && slot == NULL; i++) {
        struct slot *s = &sink.slots[i];
        if (s->window_ms != 0 && s->format == format &&
            strncmp(s->area, area, sizeof s->area - 1) == 0)
            slot = s;
        else if (s->window_ms < oldest->window_ms)
            oldest = s;
    }
    *ret_suppressed = 0;
    ret_forgotten->suppressed = 0;
    if (slot == NULL) {
        slot = oldest;
        *ret_forgotten = *slot;
        *slot = (struct slot){.format = format, .window_ms = now_ms};
        snprintf(slot->area, sizeof slot->area, "%s", area);
    }
    if (now_ms - slot->window_ms >= WINDOW_MS) {
        *ret_suppressed = slot->suppressed;
        slot->window_ms = now_ms;
        slot->said = 0;
        slot->suppressed = 0;
    }
    if (slot->said >= BURST) {
        slot->suppressed++;
        return false;
    }
    slot->said++;
    return true;
}

static void write_json(struct ol__buf *line, enum log_level level, const char *area,
                       const char *text, uint64_t suppressed)
{
    char when[OL_TIME_TEXT + 1];
    struct ol__json_writer w;
    ol__time_format(ol__time_now_ms(), when);
    ol__json_writer_init(&w, line);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "time", when);
    ol__json_member_text(&w, "level", level_names[level]);
    ol__json_member_text(&w, "area", area);
    ol__json_member_text(&w, "message", text);
    if (suppressed != 0)
        ol__json_member_uint(&w, "suppressed", suppressed);
    ol__json_end_object(&w);
}

static void write_text(struct ol__buf *line, enum log_level level, const char *area, char *text,
                       uint64_t suppressed)
{
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) /* promise 3 */
            *p = '?';
    ol__buf_add_format(line, "lineaged: %s: %s: %s", level_names[level], area, text);
    if (suppressed != 0)
        ol__buf_add_format(line, " (%llu more suppressed)", (unsigned long long)suppressed);
}

/* Promise 1. */
static void put(bool is_json, enum log_level level, const char *area, char *text,
                uint64_t suppressed)
{
    struct ol__buf line;
    ol__buf_init(&line, 8 * LINE_MAX_BYTES);
    if (is_json)
        write_json(&line, level, area, text, suppressed);
    else
        write_text(&line, level, area, text, suppressed);
    ol__buf_add_char(&line, '\n');
    if (line.status == OL_OK)
        OL_IGNORE(write(STDERR_FILENO, line.data, line.size) < 0,
                  "nobody is left to tell that standard error is gone");
    ol__buf_release(&line);
}

/* What was counted of @p slot and not told. */
static void put_count(bool is_json, const struct slot *slot)
{
    char text[REMEMBERED + 40];
    snprintf(text, sizeof text, "more of: %s", slot->last);
    put(is_json, slot->level, slot->area, text, slot->suppressed);
}

/* So that a count can be told later. */
static void remember(const char *area, const char *format, enum log_level level, const char *text)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *s = &sink.slots[i];
        if (s->window_ms == 0 || s->format != format ||
            strncmp(s->area, area, sizeof s->area - 1) != 0)
            continue;
        s->level = level;
        snprintf(s->last, sizeof s->last, "%s", text);
        return;
    }
}

void log_write(enum log_level level, const char *area, const char *format, ...)
{
    char text[LINE_MAX_BYTES / 2];
    struct slot forgotten = {.suppressed = 0};
    uint64_t suppressed;
    va_list args;
    pthread_mutex_lock(&sink.lock);
    bool is_said = level <= sink.level &&
                   may_say(area, format, ol__time_monotonic_ms(), &suppressed, &forgotten);
    bool is_json = sink.is_json;
    pthread_mutex_unlock(&sink.lock);
    if (forgotten.suppressed != 0)
        put_count(is_json, &forgotten);
    if (!is_said)
        return;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    pthread_mutex_lock(&sink.lock);
    remember(area, format, level, text);
    pthread_mutex_unlock(&sink.lock);
    put(is_json, level, area, text, suppressed);
}

void log_flush(bool is_final)
{
    struct slot due[SLOTS];
    size_t count = 0;
    int64_t now_ms = ol__time_monotonic_ms();
    pthread_mutex_lock(&sink.lock);
    bool is_json = sink.is_json;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *s = &sink.slots[i];
        if (s->suppressed == 0 || (!is_final && now_ms - s->window_ms < WINDOW_MS))
            continue;
        due[count++] = *s;
        s->suppressed = 0;
        s->said = 0;
        s->window_ms = now_ms;
    }
    pthread_mutex_unlock(&sink.lock);
    for (size_t i = 0; i < count; i++)
        put_count(is_json, &due[i]);
}
