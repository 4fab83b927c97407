/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. An event is in the group only if it passed the checks; the bytes added are the bytes given,
 * or what the rules made of them.
 *  2. Events are counted as accepted only after the sync that covers them.
 *  3. Nothing that a rule took out goes further: lane, warnings and size are those of what is left,
 * and of what is refused nothing but place and reason is told. */
#include "take.h"

#include <stdlib.h>
#include "times.h"

struct intake_taker {
    struct spool *spool;
    struct intake_metrics *metrics;
    struct ol__event_reader *reader;
    struct ol__event_limits limits;
    struct rules *rules;    /* borrowed; NULL: none */
    uint64_t events, bytes; /* of the group */
    void (*saw)(void *arg, const struct spool_record *record);
    void *saw_arg;
};

ol_status intake_taker_new(struct spool *spool, struct intake_metrics *metrics, bool is_strict,
                           size_t event_max, struct intake_taker **ret, struct ol_error *err)
{
    struct intake_taker *taker = calloc(1, sizeof *taker);
    if (taker == NULL)
        return ol__error_set(err, OL_NOMEM, "intake: out of memory");
    taker->spool = spool;
    taker->metrics = metrics;
    taker->limits = (struct ol__event_limits){.size_max = OL_MIN(event_max, SPOOL_PAYLOAD_MAX),
                                              .is_strict = is_strict};
    ol_status status = ol__event_reader_new(&taker->reader, err);
    if (status != OL_OK) {
        free(taker);
        return status;
    }
    *ret = taker;
    return OL_OK;
}

void intake_taker_limit_depth(struct intake_taker *taker, size_t depth_max)
{
    taker->limits.depth_max = depth_max;
}

void intake_taker_free(struct intake_taker *taker)
{
    if (taker == NULL)
        return;
    ol__event_reader_free(taker->reader);
    free(taker);
}

void intake_taker_use_rules(struct intake_taker *taker, struct rules *rules)
{
    taker->rules = rules;
}

void intake_taker_watch(struct intake_taker *taker,
                        void (*saw)(void *arg, const struct spool_record *record), void *arg)
{
    taker->saw = saw;
    taker->saw_arg = arg;
}

static void count_warnings(struct intake_metrics *metrics, uint32_t warnings)
{
    for (; warnings != 0; warnings &= warnings - 1)
        metric_add(&metrics->warnings[__builtin_ctz(warnings)], 1);
}

/* Promise 3. @return OL_OK; OL_END: dropped; or why not. */
static ol_status apply_rules(struct intake_taker *taker, struct spool_record *record,
                             const struct ol__event **event, int64_t now_ms, struct ol_error *err)
{
    struct ol__event_limits limits = taker->limits;
    ol_status status = rules_apply(taker->rules, record->data, *event, NULL, &record->data, err);
    if (status != OL_AGAIN)
        return status;
    limits.is_strict = false; /* what came in was judged; a rule may loosen it */
    limits.depth_max = 0;
    status =
        ol__event_read(taker->reader, record->data, OL_EVENT_CORE, &limits, now_ms, event, err);
    return status == OL_OK ? OL_OK : ol__error_prefix(err, status, "after the rules");
}

ol_status intake_take(struct intake_taker *taker, struct spool_record *record,
                      const struct ol__event **ret_event, struct ol_error *err)
{
    const struct ol__event *event;
    int64_t now_ms = ol__time_now_ms();
    ol_status status = ol__event_read(taker->reader, record->data, OL_EVENT_CORE, &taker->limits,
                                      now_ms, &event, err);
    if (status == OL_OK && taker->rules != NULL)
        status = apply_rules(taker, record, &event, now_ms, err);
    if (status == OL_INVALID)
        rules_hide(taker->rules, err); /* promise 3 */
    if (status != OL_OK)
        return status;
    record->type = SPOOL_EVENT;
    record->lane_kind = (uint8_t)ol__event_lane(event, record->lane);
    record->warnings = event->warnings;
    if (record->time_ms == 0)
        record->time_ms = now_ms;
    status = spool_group_add(taker->spool, record, err);
    if (status != OL_OK)
        return status;
    taker->events++;
    taker->bytes += record->data.size;
    if (taker->saw != NULL)
        taker->saw(taker->saw_arg, record);
    if (event->warnings != 0)
        count_warnings(taker->metrics, event->warnings);
    if (ret_event != NULL)
        *ret_event = event;
    return OL_OK;
}

ol_status intake_check(struct intake_taker *taker, struct ol__span data,
                       const struct ol__event **ret_event, struct ol_error *err)
{
    const struct ol__event *event;
    ol_status status = ol__event_read(taker->reader, data, OL_EVENT_CORE, &taker->limits,
                                      ol__time_now_ms(), &event, err);
    if (status == OL_INVALID)
        rules_hide(taker->rules, err);
    if (status == OL_OK && ret_event != NULL)
        *ret_event = event;
    return status;
}

ol_status intake_taker_commit(struct intake_taker *taker, struct ol_error *err)
{
    bool is_empty = spool_group_size(taker->spool) == 0;
    int64_t before_us = ol__time_monotonic_us();
    ol_status status = spool_group_commit(taker->spool, err);
    if (!is_empty)
        histogram_add(&taker->metrics->commit, ol__time_monotonic_us() - before_us, 1);
    if (status == OL_OK) { /* promise 2 */
        metric_add(&taker->metrics->accepted_events, taker->events);
        metric_add(&taker->metrics->accepted_bytes, taker->bytes);
        if (!is_empty)
            metric_add(&taker->metrics->groups, 1);
    }
    taker->events = taker->bytes = 0;
    return status;
}
