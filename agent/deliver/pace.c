/* SPDX-License-Identifier: Apache-2.0 */
#include "pace.h"

#include "ol_base.h"

static void bucket_init(struct pace_bucket *b, int64_t per_s, int64_t now_ms)
{
    /* A bucket of less than one event would never let one go at its rate. */
    *b = (struct pace_bucket){
        .per_s = per_s, .level = OL_MAX(per_s * 100, INT64_C(1000)), .full_at = now_ms};
}

/* @return 0, or when something is in it again. */
static int64_t bucket_wait(struct pace_bucket *b, int64_t now_ms)
{
    if (b->per_s == 0)
        return 0;
    int64_t passed = OL_MAX(now_ms - b->full_at, INT64_C(0));
    int64_t lacks = OL_MAX(b->per_s * 100, INT64_C(1000)) - b->level;
    /* per_s is in thousandths a ms; capped before it is multiplied. */
    b->level += passed > lacks / b->per_s ? lacks : passed * b->per_s;
    b->full_at = now_ms;
    if (b->level > 0)
        return 0;
    return now_ms + -b->level / b->per_s + 1;
}

void pace_init(struct pace *pace, int64_t events_per_s, int64_t bytes_per_s, int64_t now_ms)
{
    bucket_init(&pace->events, events_per_s, now_ms);
    bucket_init(&pace->bytes, bytes_per_s, now_ms);
}

int64_t pace_wait(struct pace *pace, int64_t now_ms)
{
    int64_t events = bucket_wait(&pace->events, now_ms), bytes = bucket_wait(&pace->bytes, now_ms);
    return OL_MAX(events, bytes);
}

void pace_take(struct pace *pace, uint64_t bytes)
{
    pace->events.level -= 1000;
    pace->bytes.level -= (int64_t)bytes * 1000;
}
