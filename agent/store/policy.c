/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <stdio.h>
#include <string.h>
#include "json_write.h"

#define OPEN_MS INT64_C(86400000) /* a run without an end that was seen in the last day goes on */

static int64_t before(int64_t now_ms, int64_t keep_ms)
{
    return keep_ms > 0 ? now_ms - keep_ms : INT64_MIN;
}

void policy_make(const struct route_config *route, int64_t now_ms, struct policy *ret)
{
    const struct retention_config *from = route->retention_classes.items;
    int64_t answers_ms =
        route->retention_answers_ms > 0 ? route->retention_answers_ms : route->retention_ms;
    *ret = (struct policy){.policy = {.before_ms = before(now_ms, route->retention_ms),
                                      .keep_last = route->retention_keep_last,
                                      .answers_before_ms = before(now_ms, answers_ms),
                                      .open_before_ms = now_ms - OPEN_MS,
                                      .max_bytes = route->retention_bytes}};
    size_t count = OL_MIN(route->retention_classes.count, (size_t)RETENTION_CLASSES_MAX);
    for (size_t i = 0; i < count; i++)
        ret->classes[i] = (struct store_class){.name = from[i].name,
                                               .job = from[i].job,
                                               .name_space = from[i].name_space,
                                               .type = from[i].type,
                                               .tag = from[i].tag,
                                               .state = from[i].state,
                                               .before_ms = before(now_ms, from[i].keep_ms),
                                               .keep_last = from[i].keep_last,
                                               .is_held = from[i].is_held};
    ret->policy.classes = ret->classes;
    ret->policy.class_count = count;
}

static ol_status no_such_class(const struct policy *policy, const char *name, struct ol_error *err)
{
    char names[256] = RETENTION_DEFAULT;
    for (size_t i = 0; i < policy->policy.class_count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, ", %s", policy->classes[i].name);
    }
    return ol__error_set(err, OL_INVALID, "class: there is no '%.64s'; there are %s", name, names);
}

ol_status policy_change(struct policy *policy, const struct policy_wish *wish, int64_t now_ms,
                        struct ol_error *err)
{
    struct store_policy *p = &policy->policy;
    const char *only = wish->only_class;
    bool is_default = only == NULL || strcmp(only, RETENTION_DEFAULT) == 0, is_known = is_default;
    bool has_age = wish->older_than_ms > 0, has_count = wish->keep_last > 0;
    int64_t limit = has_age ? now_ms - wish->older_than_ms : now_ms;
    for (size_t i = 0; i < p->class_count; i++) {
        bool is_meant = only == NULL || strcmp(only, policy->classes[i].name) == 0;
        is_known = is_known || is_meant;
        if (is_meant && (has_age || has_count))
            policy->classes[i].before_ms = limit;
        if (is_meant && has_count)
            policy->classes[i].keep_last = wish->keep_last;
    }
    if (!is_known)
        return no_such_class(policy, only, err);
    if (is_default && (has_age || has_count))
        p->before_ms = limit;
    if (is_default && has_count)
        p->keep_last = wish->keep_last;
    if (only == NULL && has_age)
        p->answers_before_ms = limit;
    if (only != NULL)
        p->answers_before_ms = INT64_MIN; /* answers are of no class */
    p->only_class = only;
    p->is_fresh = true;
    return OL_OK;
}

ol_status policy_write_gone(const struct store_kept *kept, bool has_more, struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_bool(&w, "dry_run", false);
    ol__json_key(&w, "gone");
    ol__json_begin_object(&w);
    ol__json_member_int(&w, "runs", kept->removed_runs);
    ol__json_member_int(&w, "answers", kept->removed_answers);
    ol__json_end_object(&w);
    ol__json_key(&w, "store");
    ol__json_begin_object(&w);
    ol__json_member_int(&w, "used_bytes", kept->used_bytes);
    ol__json_member_int(&w, "pinned_runs", kept->pinned_runs);
    ol__json_member_bool(&w, "stuck", kept->is_stuck);
    ol__json_end_object(&w);
    ol__json_member_bool(&w, "more", has_more);
    ol__json_end_object(&w);
    return ol__buf_add_char(out, '\n');
}
