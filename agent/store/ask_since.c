/* SPDX-License-Identifier: Apache-2.0 */
/* `diff` since a deployment: which two versions are compared.
 *
 * Promises:
 *  1. By an endpoint's name, or the id, name or URL of a deployment: what was put there last,
 * against what was put there before it in another version.
 *  2. Where there is none before, or by the name of the model: the version of the model that stands
 * now, against what was deployed last.
 *  3. Deployments that failed or were rolled back were never there. */
#include "ask_since.h"

#include <stdio.h>
#include "times.h"

static bool was_there(const struct deployment *item)
{
    return strcmp(item->status, "failed") != 0 && strcmp(item->status, "rolled_back") != 0 &&
           item->model != 0 && item->version != 0;
}

static ol_status is_at(struct decisions *d, const struct deployment *item, struct ol__span name,
                       bool *ret)
{
    const char *endpoint = "";
    ol_status status = item->endpoint != 0 ? decisions_name(d, item->endpoint, &endpoint) : OL_OK;
    *ret = ol__span_equal(name, ol__span_text(item->id)) ||
           ol__span_equal(name, ol__span_text(item->place)) ||
           ol__span_equal(name, ol__span_text(endpoint));
    return status;
}

/* Where the same was put: the place of @p item. */
static bool is_same_place(const struct deployment *a, const struct deployment *b)
{
    return a->endpoint == b->endpoint && strcmp(a->environment, b->environment) == 0 &&
           (a->endpoint != 0 || strcmp(a->place, b->place) == 0);
}

static void set_side(struct since_side *side, const struct deployment *item)
{
    char time[OL_TIME_TEXT + 1];
    ol__time_format(item->at, time);
    side->dataset = item->model;
    side->version = item->version;
    snprintf(side->note, sizeof side->note, "deployed %s as %.100s", time, item->id);
}

/* The last that was there and is meant; -1: none. */
static ol_status find_now(struct decisions *d, const struct deployments *all, struct ol__span raw,
                          struct ol__span name, int *ret)
{
    ol_status status = OL_OK;
    *ret = -1;
    for (int i = all->count - 1; i >= 0 && *ret < 0 && status == OL_OK; i--) {
        bool is_it = false;
        if (!was_there(&all->items[i]))
            continue;
        status = is_at(d, &all->items[i], raw, &is_it);
        if (status == OL_OK && !is_it)
            status = is_at(d, &all->items[i], name, &is_it);
        if (is_it)
            *ret = i;
    }
    return status;
}

/* Promise 2. */
static ol_status against_latest(struct decisions *d, const struct deployment *item,
                                struct since_side sides[2])
{
    struct ask_edge latest;
    ol_status status = decisions_latest(d->ask, item->model, &latest);
    set_side(&sides[0], item);
    sides[1].dataset = item->model;
    sides[1].version = latest.version != 0 ? latest.version : item->version;
    snprintf(sides[1].note, sizeof sides[1].note, "the version that stands now");
    return status;
}

static ol_status find_model(struct decisions *d, const struct deployments *all,
                            struct since_side sides[2], bool *ret)
{
    struct ask *ask = d->ask;
    ol_status status = ask_resolve(ask);
    *ret = false;
    for (int i = all->count - 1; i >= 0 && !*ret && status == OL_OK; i--)
        for (int k = 0; k < ask->count && ask->kind == ASK_DATASET && !*ret; k++)
            if (was_there(&all->items[i]) && all->items[i].model == ask->ids[k]) {
                *ret = true;
                status = against_latest(d, &all->items[i], sides);
            }
    return status == OL_NOT_FOUND ? OL_OK : status;
}

/* "NAMESPACE U+001F NAME U+001F TEXT": the text, and the name. */
static void split(const char *subject, struct ol__span *raw, struct ol__span *name)
{
    const char *first = strchr(subject, '\x1f');
    const char *second = first != NULL ? strchr(first + 1, '\x1f') : NULL;
    *raw = ol__span_text(second != NULL ? second + 1 : subject);
    *name = second != NULL
                ? (struct ol__span){.data = first + 1, .size = (size_t)(second - first - 1)}
                : *raw;
}

ol_status since_find(struct ask *ask, const char *subject, struct since_side sides[2])
{
    struct decisions d;
    struct deployments all = {0};
    struct ol__span raw, name;
    bool is_found = false;
    int now = -1;
    split(subject, &raw, &name);
    ask->raw = raw;
    ol_status status = decisions_begin(&d, ask);
    if (status == OL_OK)
        status = deployments_read(&d, &all);
    if (status == OL_OK)
        status = find_now(&d, &all, raw, name, &now);
    if (status == OL_OK && now >= 0) {
        is_found = true;
        int before = now - 1;
        while (before >= 0 && !(was_there(&all.items[before]) &&
                                is_same_place(&all.items[before], &all.items[now]) &&
                                (all.items[before].model != all.items[now].model ||
                                 all.items[before].version != all.items[now].version)))
            before--;
        if (before >= 0) { /* promise 1 */
            set_side(&sides[0], &all.items[before]);
            set_side(&sides[1], &all.items[now]);
        } else {
            status = against_latest(&d, &all.items[now], sides);
        }
    } else if (status == OL_OK) {
        status = find_model(&d, &all, sides, &is_found);
    }
    deployments_release(&all);
    decisions_end(&d);
    if (status == OL_OK && !is_found)
        return ol__error_set(ask->err, OL_NOT_FOUND, "no deployment is recorded at or of '%.*s'",
                             (int)OL_MIN(raw.size, 150u), raw.data);
    return status;
}
