/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CALL_STREAM_H
#define OL_CALL_STREAM_H
/** @file
 * The body of an answer, in pieces, to the JSON in it: JSON itself, lines of it, server-sent events
 * (text/event-stream), or application/vnd.amazon.eventstream. Threads: one at a time per object.
 * Allocates nothing.
 */
#include "call_scan.h"

enum ol__stream_form {
    OL_STREAM_UNKNOWN, /* no byte yet that says it */
    OL_STREAM_JSON,    /* one value, or several behind each other */
    OL_STREAM_EVENTS,  /* server-sent */
    OL_STREAM_FRAMES,  /* Amazon's */
    OL_STREAM_OTHER    /* not read */
};

struct ol__stream {
    struct ol__scan scan;
    ol__scan_handler *handler;
    void *arg;
    enum ol__stream_form form;
    uint64_t events; /* server-sent ones with data, or frames */
    /* server-sent events: the line so far */
    enum { OL_LINE_FIELD, OL_LINE_SPACE, OL_LINE_DATA, OL_LINE_SKIP } line;
    bool has_return; /* the byte before was \r, which ended a line */
    bool has_data;   /* this event has had a line of data */
    bool is_empty;   /* the line has no byte yet */
    char field[8];   /* of the line */
    size_t field_size;
    /* frames: where in one */
    uint8_t prelude[12];
    uint32_t at, headers_end, payload_end, end; /* bytes from its start */
};

void ol__stream_begin(struct ol__stream *s, ol__scan_handler *handler, void *arg);
/** What the head says, before the first byte; else the bytes themselves do. */
void ol__stream_expect(struct ol__stream *s, enum ol__stream_form form);
void ol__stream_add(struct ol__stream *s, const char *data, size_t size);
/** Whether it was more than one value. */
bool ol__stream_is_streamed(const struct ol__stream *s);
#endif
