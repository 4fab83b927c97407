/* SPDX-License-Identifier: Apache-2.0 */
#include "call_stream.h"

#define FRAME_MAX (16U * 1024 * 1024 + 256 * 1024) /* Amazon's limits: payload, then headers */
#define FRAME_HEADERS_MAX (128U * 1024)
#define PRELUDE 12
#define TRAILER 4 /* a checksum: TCP and TLS have theirs, and nothing is trusted for it */

void ol__stream_begin(struct ol__stream *s, ol__scan_handler *handler, void *arg)
{
    s->handler = handler;
    s->arg = arg;
    s->form = OL_STREAM_UNKNOWN;
    s->events = 0;
    s->line = OL_LINE_FIELD;
    s->has_return = false;
    s->has_data = false;
    s->is_empty = true;
    s->field_size = 0;
    s->at = 0;
    ol__scan_begin(&s->scan, handler, arg);
}

void ol__stream_expect(struct ol__stream *s, enum ol__stream_form form)
{
    if (s->form == OL_STREAM_UNKNOWN)
        s->form = form;
}

bool ol__stream_is_streamed(const struct ol__stream *s)
{
    return s->form == OL_STREAM_EVENTS || s->form == OL_STREAM_FRAMES ||
           (s->form == OL_STREAM_JSON && s->scan.roots > 1);
}

/* ---- server-sent events (WHATWG HTML, 9.2.6) ---- */

static void end_line(struct ol__stream *s)
{
    if (s->is_empty) { /* the event is whole */
        s->has_data = false;
    } else if (s->line == OL_LINE_DATA || s->line == OL_LINE_SPACE) {
        ol__scan_add(&s->scan, "\n", 1); /* ends a number as well */
    }
    s->line = OL_LINE_FIELD;
    s->is_empty = true;
    s->field_size = 0;
}

static void end_field(struct ol__stream *s)
{
    struct ol__span field = {s->field, s->field_size};
    if (!ol__span_equal(field, OL_SPAN_LIT("data"))) {
        s->line = OL_LINE_SKIP;
        return;
    }
    s->line = OL_LINE_SPACE;
    if (s->has_data)
        return;
    s->has_data = true;
    s->events++;
    ol__scan_begin(&s->scan, s->handler, s->arg);
}

static void event_byte(struct ol__stream *s, char c)
{
    static const char mark[] = "\xef\xbb\xbf";
    s->is_empty = false;
    if (s->line == OL_LINE_SPACE) {
        s->line = OL_LINE_DATA;
        if (c != ' ')
            ol__scan_add(&s->scan, &c, 1);
        return;
    }
    if (c == ':') {
        end_field(s);
        return;
    }
    if (s->field_size == sizeof s->field) {
        s->line = OL_LINE_SKIP;
        return;
    }
    s->field[s->field_size++] = c;
    if (s->field_size == 3 && memcmp(s->field, mark, 3) == 0)
        s->field_size = 0; /* of the file's start; nobody sends it elsewhere */
}

static size_t line_end(const char *data, size_t size)
{
    size_t n = 0;
    while (n < size && data[n] != '\n' && data[n] != '\r')
        n++;
    return n;
}

static void add_events(struct ol__stream *s, const char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        char c = data[at];
        if (c == '\n' || c == '\r') {
            if (c == '\r' || !s->has_return)
                end_line(s);
            s->has_return = c == '\r';
            at++;
            continue;
        }
        s->has_return = false;
        if (s->line == OL_LINE_DATA || s->line == OL_LINE_SKIP) {
            size_t n = line_end(data + at, size - at);
            if (s->line == OL_LINE_DATA)
                ol__scan_add(&s->scan, data + at, n);
            at += n;
        } else {
            event_byte(s, data[at++]);
        }
    }
}

/* ---- frames ---- */

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void begin_frame(struct ol__stream *s)
{
    uint32_t size = big_endian(s->prelude), headers = big_endian(s->prelude + 4);
    if (size > FRAME_MAX || headers > FRAME_HEADERS_MAX || size < PRELUDE + TRAILER + headers) {
        s->form = OL_STREAM_OTHER;
        return;
    }
    s->headers_end = PRELUDE + headers;
    s->payload_end = size - TRAILER;
    s->end = size;
    s->events++;
    ol__scan_begin(&s->scan, s->handler, s->arg);
}

static void add_frames(struct ol__stream *s, const char *data, size_t size)
{
    for (size_t done = 0; done < size && s->form == OL_STREAM_FRAMES;) {
        uint32_t until = PRELUDE;
        if (s->at >= PRELUDE)
            until = s->at < s->headers_end   ? s->headers_end
                    : s->at < s->payload_end ? s->payload_end
                                             : s->end;
        size_t part = OL_MIN(size - done, (size_t)(until - s->at));
        if (s->at < PRELUDE)
            memcpy(s->prelude + s->at, data + done, part);
        else if (s->at >= s->headers_end && s->at < s->payload_end)
            ol__scan_add(&s->scan, data + done, part);
        s->at += (uint32_t)part;
        done += part;
        if (s->at == PRELUDE && until == PRELUDE)
            begin_frame(s);
        else if (s->at == s->end && until == s->end)
            s->at = 0;
    }
}

/* ---- all ---- */

/* What a first byte says. JSON here is an object or an array of them. */
static enum ol__stream_form form_of(char c)
{
    if (c == '{' || c == '[')
        return OL_STREAM_JSON;
    if (strchr("deir:\xef", c) != NULL && c != '\0') /* data, event, id, retry, a comment; a mark */
        return OL_STREAM_EVENTS;
    return OL_STREAM_OTHER;
}

void ol__stream_add(struct ol__stream *s, const char *data, size_t size)
{
    size_t at = 0;
    while (s->form == OL_STREAM_UNKNOWN && at < size) {
        char c = data[at];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
            at++;
        else
            s->form = form_of(c);
    }
    if (s->form == OL_STREAM_JSON)
        ol__scan_add(&s->scan, data + at, size - at);
    else if (s->form == OL_STREAM_EVENTS)
        add_events(s, data + at, size - at);
    else if (s->form == OL_STREAM_FRAMES)
        add_frames(s, data + at, size - at);
}
