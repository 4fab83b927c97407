/* SPDX-License-Identifier: Apache-2.0 */
/* lineage spool cat and export: events of the spool as lines.
 * A dead letter that was sent again is its route's alone: it is given where that route is named,
 * and where all are shown with --meta, never as one more event of its run. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "config.h"
#include "out_file.h"
#include "spool_line.h"
#include "spool_verb.h"

struct chooser {
    const struct spool_words *words;
    const char *directory;
    struct spool_look *look;
    struct spool_line *line;
    struct out_file *out;
    bool is_wrapped;
    uint8_t lane_kind, lane[16]; /* kind 0: any */
    uint8_t route_key[16];
    struct look_cursor cursor;
    struct look_gap *gaps; /* owned */
    size_t gap_count, gap_cap;
    uint64_t count, bad, gone;
};

/* ---- What is wanted ---- */

/* The bytes that name a lane are made of its text: an event with such a key has the same. */
static bool set_lane(struct chooser *c, const char *run, const char *lane)
{
    struct ol__event event = {.kind = OL_EVENT_RUN};
    const char *text = run != NULL ? run : lane;
    if (text == NULL)
        return true;
    event.run_id = ol__span_text(text);
    static const char *const prefixes[] = {"job:", "dataset:"};
    for (size_t i = 0; i < OL_COUNT(prefixes) && lane != NULL; i++) {
        size_t size = strlen(prefixes[i]);
        const char *slash = strchr(lane, '/');
        if (strncmp(lane, prefixes[i], size) != 0 || slash == NULL)
            continue;
        struct ol__span space = {.data = lane + size, .size = (size_t)(slash - lane) - size};
        event = (struct ol__event){.kind = i == 0 ? OL_EVENT_JOB : OL_EVENT_DATASET,
                                   .job_namespace = space,
                                   .job_name = ol__span_text(slash + 1),
                                   .dataset_namespace = space,
                                   .dataset_name = ol__span_text(slash + 1)};
    }
    c->lane_kind = (uint8_t)ol__event_lane(&event, c->lane);
    return true;
}

static ol_status add_gap(void *arg, const struct look_gap *gap)
{
    struct chooser *c = arg;
    if (c->gap_count == c->gap_cap) {
        struct look_gap *grown = ol__grow(c->gaps, &c->gap_cap, sizeof *grown);
        if (grown == NULL)
            return OL_NOMEM;
        c->gaps = grown;
    }
    c->gaps[c->gap_count++] = *gap;
    return OL_OK;
}

static bool is_in_gap(const struct chooser *c, uint64_t seq)
{
    for (size_t i = 0; i < c->gap_count; i++)
        if (seq >= c->gaps[i].first && seq <= c->gaps[i].last)
            return true;
    return false;
}

static bool is_wanted(const struct chooser *c, const struct spool_record *record)
{
    const struct spool_words *w = c->words;
    if (record->type != SPOOL_EVENT)
        return false;
    if (c->lane_kind != 0 &&
        (record->lane_kind != c->lane_kind || memcmp(record->lane, c->lane, sizeof c->lane) != 0))
        return false;
    if (w->route == NULL)
        return record->source != SPOOL_FROM_DEAD_LETTER || w->is_meta;
    if (!spool_record_is_for(record, c->route_key))
        return false;
    return w->is_gaps ? is_in_gap(c, record->seq)
                      : !spool_look_cursor_is_done(&c->cursor, record->seq);
}

/* ---- Giving ---- */

static ol_status give(void *arg, const struct spool_record *record, bool is_snapshot,
                      struct ol_error *err)
{
    struct chooser *c = arg;
    struct ol__span line;
    (void)is_snapshot;
    if (!is_wanted(c, record))
        return OL_OK;
    ol_status st = spool_line_write(c->line, record, c->is_wrapped, &line, err);
    if (st == OL_OK)
        st = out_file_write(c->out, line.data, line.size, err);
    c->count += st == OL_OK;
    return st;
}

static ol_status note_problem(void *arg, const struct look_problem *problem, struct ol_error *err)
{
    struct chooser *c = arg;
    char text[5000];
    (void)err;
    if (problem->kind == LOOK_GONE) {
        c->gone++;
    } else if (problem->kind != LOOK_MISSING) {
        spool_verb_describe(problem, c->directory, text, sizeof text);
        cli_say("%s", text);
        c->bad++;
    }
    return OL_OK;
}

static ol_status prepare(struct chooser *c, struct place *place, struct ol_error *err)
{
    const struct spool_words *w = c->words;
    ol_status st = spool_verb_directory(place, w, &c->directory, err);
    if (st == OL_OK)
        st = spool_look_open(c->directory, &c->look, err);
    if (st == OL_OK)
        st = spool_line_new(&c->line, err);
    if (st == OL_OK)
        spool_line_look_up_senders(c->line, c->directory);
    if (st != OL_OK || !set_lane(c, w->run, w->lane) || w->route == NULL)
        return st;
    spool_route_key(w->route, c->route_key);
    if (w->is_gaps) {
        st = spool_look_gaps(c->look, w->route, add_gap, c, err);
        if (st == OL_OK && c->gap_count == 0)
            st = ol__error_set(err, OL_NOT_FOUND, "route '%s' has given nothing up", w->route);
        return st;
    }
    st = spool_verb_cursor(place, c->look, w->route, &c->cursor, err);
    return st == OL_NOT_FOUND
               ? ol__error_set(err, st, "route '%s': nothing is known about what it has", w->route)
               : st;
}

/* @return as a status; what was given is in c->count. */
static ol_status run(struct chooser *c, struct place *place, const char *file, struct ol_error *err)
{
    const struct look_sink sink = {.record = give, .problem = note_problem, .arg = c};
    ol_status st = prepare(c, place, err);
    if (st == OL_OK)
        st = out_file_open(file, &c->out, err);
    if (st == OL_OK)
        st = spool_look_walk(c->look, c->words->from, c->words->to, &sink, err);
    if (st == OL_OK)
        st = out_file_commit(c->out, err);
    out_file_close(c->out);
    spool_line_free(c->line);
    spool_look_cursor_release(&c->cursor);
    spool_look_close(c->look);
    return st;
}

static uint64_t gap_sequences(const struct chooser *c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < c->gap_count; i++)
        sum += c->gaps[i].last - c->gaps[i].first + 1;
    return sum;
}

int spool_cat(struct place *place, const struct spool_words *words)
{
    struct chooser c = {.words = words, .is_wrapped = words->is_meta};
    struct ol_error err = {.message = ""};
    ol_status st = run(&c, place, "-", &err);
    free(c.gaps);
    if (st != OL_OK)
        return cli_fail(place, st, &err);
    return c.bad > 0 ? CLI_NO : CLI_YES;
}

int spool_export(struct place *place, const struct spool_words *words)
{
    struct chooser c = {.words = words, .is_wrapped = true};
    struct ol_error err = {.message = ""};
    ol_status st = run(&c, place, words->file, &err);
    uint64_t given_up = gap_sequences(&c);
    free(c.gaps);
    if (st != OL_OK)
        return cli_fail(place, st, &err);
    cli_say("%" PRIu64 " events exported", c.count);
    if (words->is_gaps && given_up > c.count)
        cli_say("of %" PRIu64 " sequences given up %" PRIu64
                " are not among them: no other route holds them any more, or they were no events",
                given_up, given_up - c.count);
    if (c.bad > 0)
        cli_say("what does not verify is not among them; it is named above");
    return c.bad > 0 ? CLI_NO : CLI_YES;
}
