/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of serving runs on a route that gets summaries of them. Promises:
 *  1. An answer is marked only once its sums are on disk (`answers/ROUTE` in the spool's
 * directory), and leaves that file only once the summary that holds it was answered or parked: kill
 * -9 and power cuts lose none, and double none that the file has (its sequence says which).
 *  2. A summary is sent only after the file says that it is closed: sent again after a kill it is
 * the same, byte for byte.
 *  3. Of a run and window there is one summary; a second only of answers that came after the run's
 * end, or after a clock was set back.
 *  4. A route that is to get each again, or none, still sends what the file has.
 *  5. What ends a run waits for the summaries before it; what began it has gone before them. */
#include "http_answers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "http_route.h"
#include "times.h"

#define PENDING_MAX 8192 /* answers summed up in memory only; a quarter of the cursor's window */
#define SAVE_MS 1000
#define STATE_MAX (64u << 20)
#define EVENT_MAX (1u << 20)

static struct answers *of(struct http_route *r)
{
    return r->answers;
}

/* ---- The file ---- */

static ol_status open_directory(struct http_route *r, struct ol_error *err)
{
    struct ol__buf path;
    ol__buf_init(&path, 4096);
    ol__buf_add_format(&path, "%s/answers", r->base.agent->config->spool_directory);
    ol_status status = path.status;
    if (status == OL_OK && mkdir(path.data, 0700) != 0 && errno != EEXIST)
        status = ol__error_set_errno(err, errno, "'%s': mkdir", path.data);
    if (status == OL_OK)
        status = ol__fs_open_directory(path.data, &of(r)->dirfd, err);
    ol__buf_release(&path);
    return status;
}

static bool has_file(const struct http_route *r)
{
    char path[4096];
    int size = snprintf(path, sizeof path, "%s/answers/%s", r->base.agent->config->spool_directory,
                        r->base.config->name);
    return size > 0 && (size_t)size < sizeof path && access(path, F_OK) == 0;
}

/* What was summed up before the start. A file that is broken is put aside: its answers are lost to
 * this route, and that is told. */
static ol_status load(struct http_route *r, struct ol_error *err)
{
    struct answers *a = of(r);
    const struct spool *spool = r->base.agent->spool;
    struct ol__uuid uuid = {0};
    struct ol__buf bytes;
    ol__buf_init(&bytes, STATE_MAX);
    ol_status status = ol__fs_read_file(&ol__fs_real, a->dirfd, r->base.config->name, &bytes, err);
    if (status == OL_NOT_FOUND) {
        ol__buf_release(&bytes);
        return OL_OK;
    }
    if (status == OL_OK)
        status = summaries_read(&a->sums, (struct ol__span){bytes.data, bytes.size}, &uuid);
    ol__buf_release(&bytes);
    if (status == OL_CORRUPT) {
        log_write(LOG_LEVEL_ERROR, r->base.area,
                  "answers/%s does not verify: what it held of answers does not reach this route; "
                  "it is kept as %s.bad",
                  r->base.config->name, r->base.config->name);
        char bad[96];
        snprintf(bad, sizeof bad, "%s.bad", r->base.config->name);
        OL_IGNORE(renameat(a->dirfd, r->base.config->name, a->dirfd, bad) != 0,
                  "then the next save replaces it");
        return OL_OK;
    }
    if (status != OL_OK)
        return status;
    if (memcmp(uuid.bytes, spool_uuid(spool)->bytes, sizeof uuid.bytes) != 0)
        a->sums.taken_seq = 0; /* of another spool: the sums are good, its sequences are not */
    a->sums.taken_seq = OL_MIN(a->sums.taken_seq, spool_synced(spool));
    a->restored_until = a->sums.taken_seq;
    return OL_OK;
}

/* Promise 1. @return whether the sums are on disk, and all pending answers marked. */
static bool save(struct http_route *r, int64_t now_ms)
{
    struct answers *a = of(r);
    struct ol_error err;
    if (now_ms < a->retry_at)
        return false;
    ol__buf_reset(&a->bytes);
    ol_status status = summaries_write(&a->sums, spool_uuid(r->base.agent->spool), &a->bytes);
    if (status != OL_OK)
        ol__error_set(&err, status, "answers: %s", ol__status_name(status));
    else
        status = ol__fs_replace(&ol__fs_real, a->dirfd, r->base.config->name, a->bytes.data,
                                a->bytes.size, 0600, &err);
    if (status != OL_OK) {
        if (a->retry_at == 0)
            log_write(LOG_LEVEL_ERROR, r->base.area, "sums of answers, which wait: %s",
                      err.message);
        route_metrics_set_cause(r->base.metrics, CAUSE_DISK, err.message);
        a->retry_at = now_ms + SAVE_MS;
        return false;
    }
    if (a->retry_at != 0)
        log_write(LOG_LEVEL_INFO, r->base.area, "sums of answers can be written again");
    a->retry_at = a->dirty_since = 0;
    OL_CRASHPOINT("deliver.summed");
    for (size_t i = 0; i < a->sums.count; i++)
        a->sums.items[i]->is_saved = a->sums.items[i]->is_closed;
    for (size_t i = 0; i < a->pending_count; i++)
        route_done(&r->base, a->pending[i]);
    a->pending_count = 0;
    return true;
}

static void show(struct http_route *r)
{
    struct answers *a = of(r);
    r->base.kept = 0;
    r->base.kept_from = UINT64_MAX;
    for (size_t i = 0; i < a->sums.count; i++) {
        r->base.kept += a->sums.items[i]->is_closed;
        r->base.kept_from = OL_MIN(r->base.kept_from, a->sums.items[i]->first_seq);
    }
    r->base.kept_answers = summaries_answers(&a->sums) - a->pending_count;
    metric_set(&r->base.metrics->answers_waiting, summaries_answers(&a->sums));
}

/* ---- Reading ---- */

static enum answer_taken later(struct http_route *r, const struct spool_record *record)
{
    r->base.ahead = *record; /* comes out of route_read() again */
    return ANSWER_LATER;
}

/* Put those that are closed and on disk among the lanes. @p lane NULL: of all. @return whether all
 * are. */
static bool queue(struct http_route *r, const struct spool_record *lane)
{
    struct answers *a = of(r);
    for (size_t i = 0; i < a->sums.count; i++) {
        struct summary *w = a->sums.items[i];
        if (w->is_queued || !w->is_saved ||
            (lane != NULL &&
             (w->lane_kind != lane->lane_kind || memcmp(w->lane, lane->lane, sizeof w->lane) != 0)))
            continue;
        if (lanes_add(r->lanes, w->lane_kind, w->lane, LANES_TICKET | w->ticket, 0, 0) != OL_OK)
            return false;
        w->is_queued = true;
    }
    return true;
}

static bool has_unsaved(const struct answers *a)
{
    for (size_t i = 0; i < a->sums.count; i++)
        if (a->sums.items[i]->is_closed && !a->sums.items[i]->is_saved)
            return true;
    return false;
}

/* Promise 5. */
static enum answer_taken take_other(struct http_route *r, const struct spool_record *record,
                                    int64_t now_ms)
{
    struct answers *a = of(r);
    const struct ol__event *event;
    bool has_any = false;
    if (a->sums.count == 0 ||
        ol__event_read(r->base.events, record->data, OL_EVENT_CORE, NULL, -1, &event, NULL) !=
            OL_OK ||
        event->kind != OL_EVENT_RUN ||
        (event->type != OL_TYPE_COMPLETE && event->type != OL_TYPE_FAIL &&
         event->type != OL_TYPE_ABORT))
        return ANSWER_NONE;
    summaries_close_lane(&a->sums, record->lane_kind, record->lane, &has_any);
    if (has_any && has_unsaved(a) && !save(r, now_ms))
        return later(r, record);
    return has_any && !queue(r, record) ? later(r, record) : ANSWER_NONE;
}

enum answer_taken answers_take(struct http_route *r, const struct spool_record *record,
                               int64_t now_ms)
{
    struct answers *a = of(r);
    struct summary_answer answer;
    if (a == NULL)
        return ANSWER_NONE;
    a->clock_ms = OL_MAX(a->clock_ms, record->time_ms);
    if (a->mode == ANSWERS_EACH || !summary_answer_of(r->base.events, record, &answer))
        return take_other(r, record, now_ms);
    if (a->mode == ANSWERS_NONE) {
        metric_add(&r->base.metrics->skipped, 1);
        route_done(&r->base, record->seq);
        return ANSWER_TAKEN;
    }
    if (record->seq <= a->sums.taken_seq) { /* a kill between the file and the mark */
        route_done(&r->base, record->seq);
        return ANSWER_TAKEN;
    }
    if (a->pending_count == PENDING_MAX && !save(r, now_ms))
        return later(r, record);
    ol_status status = summaries_add(&a->sums, &answer, record);
    if (status != OL_OK) {
        route_metrics_set_error(r->base.metrics, status == OL_FULL ? "answers: 1024 summaries wait"
                                                                   : "answers: out of memory");
        return later(r, record);
    }
    a->pending[a->pending_count++] = record->seq;
    if (a->dirty_since == 0)
        a->dirty_since = now_ms;
    return ANSWER_TAKEN;
}

/* ---- Sending ---- */

int64_t answers_work(struct http_route *r, bool is_at_end, int64_t now_ms)
{
    struct answers *a = of(r);
    int64_t wall = ol__time_now_ms(), again = INT64_MAX;
    if (a == NULL)
        return INT64_MAX;
    if (is_at_end) /* nothing of an older window can come any more */
        summaries_close_ended(&a->sums, OL_MAX(a->clock_ms, wall));
    else
        summaries_close_ended(&a->sums, a->clock_ms);
    if (is_at_end && r->base.is_awaited)
        summaries_close_all(&a->sums);
    if (has_unsaved(a) ||
        (a->dirty_since != 0 &&
         (now_ms - a->dirty_since >= SAVE_MS || a->pending_count >= PENDING_MAX / 2 ||
          r->base.is_hurried || route_is_pressed(&r->base))))
        OL_IGNORE(!save(r, now_ms), "it was told, and is tried again");
    if ((is_at_end || r->base.read_seq >= a->restored_until) && !queue(r, NULL))
        again = now_ms + LOCAL_DELAY_MS;
    if (a->dirty_since != 0)
        again = OL_MIN(again, OL_MAX(a->dirty_since + SAVE_MS, a->retry_at));
    int64_t end = summaries_next_end(&a->sums);
    if (end != INT64_MAX && is_at_end)
        again = OL_MIN(again, now_ms + OL_MAX(end - wall, INT64_C(1)));
    show(r);
    return again;
}

bool answers_record(struct http_route *r, uint64_t seq, struct spool_record *ret)
{
    struct answers *a = of(r);
    const struct summary *w = a != NULL ? summaries_find(&a->sums, seq & ~LANES_TICKET) : NULL;
    if (w == NULL)
        return false;
    ol__buf_reset(&a->event);
    if (summary_write(w, &a->event) != OL_OK) {
        route_metrics_set_error(r->base.metrics, "a summary of answers: out of memory");
        return false;
    }
    *ret = (struct spool_record){.type = SPOOL_EVENT,
                                 .source = SPOOL_FROM_AGENT,
                                 .lane_kind = w->lane_kind,
                                 .uid = SPOOL_UID_UNKNOWN,
                                 .time_ms = w->last_taken_ms,
                                 .seq = w->last_seq, /* a dead letter's name */
                                 .data = {a->event.data, a->event.size}};
    memcpy(ret->lane, w->lane, sizeof ret->lane);
    return true;
}

void answers_delivered(struct http_route *r, uint64_t seq)
{
    const struct summary *w = summaries_find(&of(r)->sums, seq & ~LANES_TICKET);
    if (w != NULL)
        metric_add(&r->base.metrics->answers_summed, w->count);
}

void http_done(struct http_route *r, uint64_t seq)
{
    struct answers *a = of(r);
    if ((seq & LANES_TICKET) == 0) {
        route_done(&r->base, seq);
        return;
    }
    summaries_remove(&a->sums, seq & ~LANES_TICKET);
    if (a->dirty_since == 0)
        a->dirty_since = ol__time_monotonic_ms();
    show(r);
}

/* ---- The route ---- */

ol_status answers_open(struct http_route *r, struct ol_error *err)
{
    const struct route_config *config = r->base.config;
    enum route_answers mode = config->answers != ANSWERS_DEFAULT
                                  ? (enum route_answers)config->answers
                                  : r->profile->answers;
    if (mode == ANSWERS_EACH && !has_file(r))
        return OL_OK;
    struct answers *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ol__error_set(err, OL_NOMEM, "route: out of memory");
    r->answers = a;
    r->base.keeps_sums = true;
    a->mode = mode;
    a->dirfd = -1;
    a->sums.window_ms = config->answer_window_ms > 0 ? config->answer_window_ms : 60000;
    ol__buf_init(&a->bytes, STATE_MAX);
    ol__buf_init(&a->event, EVENT_MAX);
    a->pending = calloc(PENDING_MAX, sizeof *a->pending);
    if (a->pending == NULL)
        return ol__error_set(err, OL_NOMEM, "route: out of memory");
    ol_status status = open_directory(r, err);
    if (status == OL_OK)
        status = load(r, err);
    if (status == OL_OK && mode != ANSWERS_SUMMARY) { /* promise 4 */
        summaries_close_all(&a->sums);
        a->dirty_since = 1;
    }
    if (status == OL_OK)
        show(r);
    return status;
}

void answers_close(struct http_route *r)
{
    struct answers *a = of(r);
    if (a == NULL)
        return;
    if (a->dirty_since != 0 && a->dirfd >= 0 && r->base.cursor != NULL)
        OL_IGNORE(!save(r, ol__time_monotonic_ms()),
                  "it was told; unmarked answers are summed up again, a summary is sent again");
    if (a->dirfd >= 0)
        close(a->dirfd);
    summaries_release(&a->sums);
    ol__buf_release(&a->bytes);
    ol__buf_release(&a->event);
    free(a->pending);
    free(a);
    r->answers = NULL;
}

void answers_forget(struct http_route *r)
{
    for (size_t i = 0; of(r) != NULL && i < of(r)->sums.count; i++)
        of(r)->sums.items[i]->is_queued = false;
}

/* What comes again is summed up again, in summaries of its own. */
ol_status answers_rewind(struct http_route *r, uint64_t from, struct ol_error *err)
{
    struct answers *a = of(r);
    if (a == NULL || a->mode != ANSWERS_SUMMARY)
        return OL_OK;
    uint64_t taken = a->sums.taken_seq;
    summaries_close_all(&a->sums);
    a->sums.taken_seq = OL_MIN(taken, from - 1);
    a->retry_at = 0;
    if (save(r, ol__time_monotonic_ms())) {
        a->restored_until = 0;
        return OL_OK;
    }
    a->sums.taken_seq = taken;
    return ol__error_set(err, OL_IO, "answers/%s cannot be written", r->base.config->name);
}
