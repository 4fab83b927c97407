/* SPDX-License-Identifier: Apache-2.0 */
#include "rules_help.h"

#include <stdio.h>
#include <stdlib.h>

#define YAML_MAX 65536

static ol_status load(struct rules_world *w, const char *yaml, struct ol_error *err)
{
    static char text[YAML_MAX];
    size_t used = (size_t)snprintf(text, sizeof text, "rules:\n");
    while (*yaml != '\0') {
        size_t size = strcspn(yaml, "\n");
        used += (size_t)snprintf(text + used, sizeof text - used, "  - %.*s\n", (int)size, yaml);
        yaml += size + (yaml[size] == '\n');
    }
    assert_true(used < sizeof text);
    ol_status status = ol__settings_defaults(agent_settings, &w->config, err);
    if (status == OL_OK)
        status = ol__settings_read(agent_settings, &w->config, "test.yaml",
                                   (struct ol__span){text, used}, err);
    if (status == OL_OK)
        w->config.config_path = strdup("test.yaml");
    return status == OL_OK ? rules_new(&w->config, w->metrics, &w->rules, err) : status;
}

void rules_world_init(struct rules_world *w, const char *yaml)
{
    struct ol_error err = {0};
    *w = (struct rules_world){.metrics = calloc(1, sizeof *w->metrics)};
    assert_non_null(w->metrics);
    ol__buf_init(&w->told, 1 << 24);
    if (load(w, yaml, &err) != OL_OK)
        fail_msg("%s", err.message);
    assert_int_equal(ol__event_reader_new(&w->reader, NULL), OL_OK);
}

void rules_world_release(struct rules_world *w)
{
    rules_free(w->rules);
    ol__event_reader_free(w->reader);
    ol__settings_release(agent_settings, &w->config);
    free(w->config.config_path);
    free(w->metrics);
    ol__buf_release(&w->told);
}

const char *rules_world_refusal(const char *yaml)
{
    static struct ol_error err;
    struct rules_world w = {.metrics = NULL};
    err = (struct ol_error){0};
    ol_status status = load(&w, yaml, &err);
    assert_int_equal(status, OL_CONFIG);
    assert_null(w.rules);
    rules_world_release(&w);
    return err.message;
}

static void tell(void *arg, const char *rule, const char *pointer, struct ol__span before,
                 struct ol__span after)
{
    struct rules_world *w = arg;
    ol__buf_add_format(&w->told, "%s %s %.*s -> %.*s\n", rule, pointer, (int)before.size,
                       before.data, (int)after.size, after.data);
}

ol_status rules_world_apply(struct rules_world *w, struct ol__span event, struct ol__span *ret)
{
    const struct rules_watch watch = {.changed = tell, .arg = w};
    const struct ol__event *read;
    struct ol_error err = {0};
    struct ol__span left = event;
    ol__buf_reset(&w->told);
    if (ol__event_read(w->reader, event, OL_EVENT_CORE, NULL, -1, &read, &err) != OL_OK)
        fail_msg("%s", err.message);
    ol_status status = rules_apply(w->rules, event, read, &watch, &left, &err);
    if (status != OL_OK && status != OL_AGAIN && status != OL_END)
        fail_msg("%s", err.message);
    if (status == OL_AGAIN) {
        assert_ptr_not_equal(left.data, event.data);
        if (ol__event_read(w->reader, left, OL_EVENT_ALL, NULL, -1, &read, &err) != OL_OK)
            fail_msg("%s: %.*s", err.message, (int)OL_MIN(left.size, 2000u), left.data);
    } else
        assert_ptr_equal(left.data, event.data);
    *ret = left;
    return status;
}

void rules_world_expect(struct rules_world *w, const char *event, const char *expected)
{
    struct ol__span left;
    ol_status status = rules_world_apply(w, ol__span_text(event), &left);
    if (expected == NULL) {
        assert_int_equal(status, OL_END);
        return;
    }
    if (!ol__span_equal(left, ol__span_text(expected)))
        fail_msg("of   %s\ncame %.*s\nnot  %s", event, (int)left.size, left.data, expected);
    assert_int_equal(status, strcmp(event, expected) == 0 ? OL_OK : OL_AGAIN);
}
