/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_line.h"

#include <stdlib.h>
#include "json_write.h"
#include "senders.h"
#include "spool_verb.h"
#include "times.h"

struct spool_line {
    struct ol__event_reader *events;
    struct ol__json_reader *json;
    struct ol__buf out, text;
    const char *directory; /* borrowed; NULL: names of senders are not known */
    uint32_t sender_uid;   /* whose name `sender` is; 0: nobody's */
    char sender[SENDERS_NAME_MAX + 1];
};

ol_status spool_line_new(struct spool_line **ret, struct ol_error *err)
{
    struct spool_line *l = calloc(1, sizeof *l);
    if (l == NULL)
        return ol__error_set(err, OL_NOMEM, "events: out of memory");
    ol__buf_init(&l->out, SPOOL_LINE_MAX);
    ol__buf_init(&l->text, SPOOL_LINE_MAX);
    ol_status st = ol__event_reader_new(&l->events, err);
    if (st == OL_OK)
        st = ol__json_reader_new(&l->json, err);
    if (st != OL_OK) {
        spool_line_free(l);
        return st;
    }
    *ret = l;
    return OL_OK;
}

void spool_line_look_up_senders(struct spool_line *l, const char *directory)
{
    l->directory = directory;
    l->sender_uid = 0;
}

void spool_line_free(struct spool_line *l)
{
    if (l == NULL)
        return;
    ol__event_reader_free(l->events);
    ol__json_reader_free(l->json);
    ol__buf_release(&l->out);
    ol__buf_release(&l->text);
    free(l);
}

/* ---- Writing ---- */

static void write_bare(struct spool_line *l, struct ol__span event, bool is_broken)
{
    if (!is_broken) {
        ol__buf_add(&l->out, event.data, event.size);
    } else if (ol__json_minify(l->json, event, NULL, &l->out, NULL) != OL_OK &&
               l->out.status == OL_OK) { /* nested past our limit: a newline between tokens may as
                                            well be a space */
        size_t from = l->out.size;
        ol__buf_add(&l->out, event.data, event.size);
        for (size_t i = from; i < l->out.size; i++)
            if (l->out.data[i] == '\n')
                l->out.data[i] = ' ';
    }
}

/* A user by number, a key or a certificate by its name. */
static void write_sender(struct spool_line *l, struct ol__json_writer *w, uint32_t uid)
{
    if (uid == SPOOL_UID_UNKNOWN)
        return;
    if (senders_has(uid) && l->directory != NULL && l->sender_uid != uid &&
        senders_name(l->directory, uid, l->sender, NULL) == OL_OK)
        l->sender_uid = uid;
    if (l->sender_uid == uid && senders_has(uid))
        ol__json_member_text(w, "sender", l->sender);
    else
        ol__json_member_uint(w, "uid", uid);
}

static void write_wrapped(struct spool_line *l, const struct spool_record *record, bool is_broken)
{
    struct ol__json_writer w;
    char time[OL_TIME_TEXT + 1];
    const struct ol__event *event;
    ol__time_format(record->time_ms, time);
    ol__buf_reset(&l->text);
    if (ol__event_read(l->events, record->data, OL_EVENT_CORE, NULL, -1, &event, NULL) == OL_OK)
        OL_IGNORE(ol__event_lane_text(event, &l->text) != OL_OK, "sticks in the buffer");
    ol__json_writer_init(&w, &l->out);
    ol__json_begin_object(&w);
    ol__json_member_uint(&w, "seq", record->seq);
    ol__json_member_text(&w, "time", time);
    ol__json_member_text(&w, "source", spool_source_name(record->source));
    write_sender(l, &w, record->uid);
    ol__json_member_span(&w, "lane", (struct ol__span){.data = l->text.data, .size = l->text.size});
    if (is_broken) {
        ol__json_member_span(&w, "event", record->data);
    } else {
        ol__json_key(&w, "event");
        ol__json_raw(&w, record->data);
    }
    ol__json_end_object(&w);
}

ol_status spool_line_write(struct spool_line *l, const struct spool_record *record, bool is_wrapped,
                           struct ol__span *ret, struct ol_error *err)
{
    bool is_broken = memchr(record->data.data, '\n', record->data.size) != NULL;
    ol__buf_reset(&l->out);
    if (is_wrapped)
        write_wrapped(l, record, is_broken);
    else
        write_bare(l, record->data, is_broken);
    ol__buf_add_char(&l->out, '\n');
    if (l->out.status != OL_OK)
        return ol__error_set(err, l->out.status, "events: out of memory for one");
    *ret = (struct ol__span){.data = l->out.data, .size = l->out.size};
    return OL_OK;
}

/* ---- Reading ---- */

struct wrapper {
    struct spool_line *line;
    struct ol__span text;
    struct ol__span event; /* data NULL: none */
    bool has_seq, is_text;
};

static ol_status take_member(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct wrapper *w = arg;
    if (v->depth != 1 || v->path[0].is_index)
        return OL_OK;
    if (v->type == OL_JSON_NUMBER && ol__span_equal(v->path[0].key, OL_SPAN_LIT("seq")))
        w->has_seq = true;
    if (!ol__span_equal(v->path[0].key, OL_SPAN_LIT("event")))
        return OL_OK;
    if (v->type == OL_JSON_OBJECT_END) {
        w->is_text = false;
        w->event = (struct ol__span){.data = w->text.data + v->begin, .size = v->end - v->begin};
    } else if (v->type == OL_JSON_STRING) {
        ol__buf_reset(&w->line->text);
        if (ol__buf_add(&w->line->text, v->text.data, v->text.size) != OL_OK)
            return ol__error_set(err, OL_NOMEM, "out of memory");
        w->is_text = true;
        w->event = (struct ol__span){.data = w->line->text.data, .size = w->line->text.size};
    }
    return OL_OK;
}

ol_status spool_line_read(struct spool_line *l, struct ol__span text, struct ol__span *ret_bytes,
                          const struct ol__event **ret_event, struct ol_error *err)
{
    static const struct ol__event_limits limits = {.size_max = SPOOL_PAYLOAD_MAX};
    struct wrapper w = {.line = l, .text = text};
    ol_status st = ol__json_read(l->json, text, NULL, take_member, &w, err);
    if (st != OL_OK)
        return st;
    bool is_wrapped = w.has_seq && w.event.data != NULL;
    *ret_bytes = is_wrapped ? w.event : text;
    return ol__event_read(l->events, *ret_bytes, OL_EVENT_CORE, &limits, ol__time_now_ms(),
                          ret_event, err);
}
