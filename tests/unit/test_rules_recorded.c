/* SPDX-License-Identifier: Apache-2.0 */
/* All rules over events that other projects recorded: what no rule touches keeps its bytes, in what
 * one touches nothing but the values that it tells of has others. They are reference data that a
 * user's checkout has not: then this test skips, saying so. OL_REFERENCE names the folder; else it
 * is looked for as shared/openlineage beside the checkout. */
#include "rules_help.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "files.h"

static char folder[4096];

static bool find_reference(void)
{
    const char *named = getenv("OL_REFERENCE");
    char base[2048];
    snprintf(folder, sizeof folder, "%s/events", named != NULL ? named : "");
    if (named != NULL)
        return access(folder, R_OK) == 0;
    snprintf(base, sizeof base, "%s", SOURCE_DIRECTORY);
    for (char *slash = strrchr(base, '/'); slash != NULL; slash = strrchr(base, '/')) {
        *slash = '\0';
        snprintf(folder, sizeof folder, "%s/shared/openlineage/events", base);
        if (access(folder, R_OK) == 0)
            return true;
    }
    return false;
}

/* ---- one event after the other ---- */

typedef void on_event(struct rules_world *w, const char *name, struct ol__span text, void *arg);

struct each {
    struct rules_world *world;
    on_event *call;
    void *arg;
    size_t count;
};

static void feed(struct each *each, const char *name, struct ol__span text)
{
    const struct ol__event *read;
    if (ol__event_read(each->world->reader, text, OL_EVENT_CORE, NULL, -1, &read, NULL) != OL_OK)
        return; /* the door refuses it */
    each->count++;
    each->call(each->world, name, text, each->arg);
}

static void feed_directory(struct each *each, const char *directory)
{
    char path[8192];
    struct ol__buf text;
    snprintf(path, sizeof path, "%s/%s", folder, directory);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    ol__buf_init(&text, 64u << 20);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".json") == NULL)
            continue;
        ol__buf_reset(&text);
        assert_int_equal(ol__fs_read_file(&ol__fs_real, dirfd(dir), entry->d_name, &text, NULL),
                         OL_OK);
        feed(each, entry->d_name, (struct ol__span){text.data, text.size});
    }
    ol__buf_release(&text);
    closedir(dir);
}

static size_t each_event(struct rules_world *w, on_event *call, void *arg)
{
    struct each each = {.world = w, .call = call, .arg = arg};
    feed_directory(&each, "valid");
    feed_directory(&each, "invalid");
    return each.count;
}

static void need_reference(void)
{
    if (find_reference())
        return;
    print_message("no reference data: shared/openlineage/events is not beside this checkout\n");
    skip();
}

/* ---- what is the same ---- */

struct value {
    size_t begin, end;
    char pointer[256];
};
struct values {
    struct value *items;
    size_t count;
};

static ol_status add_value(void *arg, const struct ol__json_value *v, struct ol_error *err)
{
    struct values *all = arg;
    (void)err;
    if (v->type >= OL_JSON_OBJECT)
        return OL_OK;
    all->items = realloc(all->items, (all->count + 1) * sizeof *all->items);
    assert_non_null(all->items);
    struct value *value = &all->items[all->count++];
    *value = (struct value){.begin = v->begin, .end = v->end};
    ol__json_pointer(v, value->pointer, sizeof value->pointer);
    return OL_OK;
}

static struct values values_of(struct ol__span text)
{
    struct values all = {.items = NULL};
    struct ol__json_reader *reader;
    assert_int_equal(ol__json_reader_new(&reader, NULL), OL_OK);
    assert_int_equal(ol__json_read(reader, text, NULL, add_value, &all, NULL), OL_OK);
    ol__json_reader_free(reader);
    return all;
}

static bool is_told(const struct rules_world *w, const char *pointer)
{
    char needle[300];
    snprintf(needle, sizeof needle, " %s ", pointer);
    return w->told.data != NULL && strstr(w->told.data, needle) != NULL;
}

/* Bytes between values are the same, and so are the values but those that were told. */
static void compare(const struct rules_world *w, const char *name, struct ol__span before,
                    struct ol__span after)
{
    struct values a = values_of(before), b = values_of(after);
    size_t at_a = 0, at_b = 0, changed = 0;
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i <= a.count; i++) {
        struct value va = {.begin = before.size, .end = before.size}, vb = va;
        vb.begin = vb.end = after.size;
        if (i < a.count)
            va = a.items[i], vb = b.items[i];
        struct ol__span gap_a = {before.data + at_a, va.begin - at_a};
        struct ol__span gap_b = {after.data + at_b, vb.begin - at_b};
        struct ol__span text_a = {before.data + va.begin, va.end - va.begin};
        struct ol__span text_b = {after.data + vb.begin, vb.end - vb.begin};
        if (!ol__span_equal(gap_a, gap_b))
            fail_msg("%s: other bytes before %s", name, va.pointer);
        if (!ol__span_equal(text_a, text_b)) {
            changed++;
            if (!is_told(w, va.pointer))
                fail_msg("%s: %s changed, and nothing tells it", name, va.pointer);
        }
        at_a = va.end;
        at_b = vb.end;
    }
    assert_true(changed > 0);
    free(a.items);
    free(b.items);
}

/* ---- the tests ---- */

static void expect_bytes(struct rules_world *w, const char *name, struct ol__span text, void *arg)
{
    struct ol__span left;
    (void)arg;
    if (rules_world_apply(w, text, &left) != OL_OK || w->told.size != 0)
        fail_msg("%s: changed: %s", name, w->told.data);
}

static void what_no_rule_is_about_keeps_its_bytes(void **state)
{
    struct rules_world w;
    (void)state;
    need_reference();
    rules_world_init(
        &w, "{ name: a, type: redact, pattern: 'no such text anywhere [0-9]{30}' }\n"
            "{ name: b, type: redact, builtin: [ssn, card, jwt, aws, gcp, azure, github, gitlab, "
            "slack, stripe, llm, databricks, packages, private_key, bearer] }\n"
            "{ name: c, type: redact, facet: noSuchFacet }\n"
            "{ name: d, type: drop, job_regex: 'no such job', namespace_regex: '.*' }\n"
            "{ name: e, type: rename, from_regex: 'no such .*', from_hosts: [nowhere], to: x }\n"
            "{ name: f, type: tag, namespace: [nowhere], run_tags: [a] }\n"
            "{ name: g, type: shed, max_event: 16MiB, max_facet: 1MiB }");
    assert_true(each_event(&w, expect_bytes, NULL) >= 50);
    rules_world_release(&w);
}

static void expect_told_values(struct rules_world *w, const char *name, struct ol__span text,
                               void *arg)
{
    struct ol__span left;
    size_t *changed = arg;
    if (rules_world_apply(w, text, &left) == OL_OK)
        return;
    compare(w, name, text, left);
    ++*changed;
}

static void what_is_changed_is_what_is_told(void **state)
{
    struct rules_world w;
    size_t changed = 0;
    (void)state;
    need_reference();
    rules_world_init(&w, "{ name: a, type: redact, builtin: [all] }\n"
                         "{ name: b, type: redact, pattern: '(?i)select |[aeiou]{3} ' }\n"
                         "{ name: c, type: redact, facet: schema, pointer: '/fields/*/type' }\n"
                         "{ name: d, type: rename, from_regex: '(.*)', to: 'x-$1' }");
    size_t count = each_event(&w, expect_told_values, &changed);
    assert_int_equal(changed, count);
    rules_world_release(&w);
}

/* Added and left out: what comes out is an event (the help reads it), and again changes nothing. */
static void expect_settled(struct rules_world *w, const char *name, struct ol__span text, void *arg)
{
    struct ol__span left;
    struct ol__buf once;
    size_t *changed = arg;
    if (rules_world_apply(w, text, &left) != OL_AGAIN)
        return;
    ++*changed;
    ol__buf_init(&once, 64u << 20);
    assert_int_equal(ol__buf_add(&once, left.data, left.size), OL_OK);
    if (rules_world_apply(w, (struct ol__span){once.data, once.size}, &left) != OL_OK)
        fail_msg("%s: changed again: %s", name, w->told.data);
    ol__buf_release(&once);
}

static void tags_and_sheds_leave_events_that_settle(void **state)
{
    struct rules_world w;
    size_t changed = 0;
    (void)state;
    need_reference();
    rules_world_init(&w, "{ name: t, type: tag, run_tags: [a, 'b:c'], job_tags: ['d:e:f'] }");
    size_t count = each_event(&w, expect_settled, &changed);
    assert_true(changed + 10 > count); /* all but DatasetEvents */
    rules_world_release(&w);
    changed = 0;
    rules_world_init(&w, "{ name: s, type: shed, max_facet: 300 }");
    each_event(&w, expect_settled, &changed);
    assert_true(changed > 20);
    rules_world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_rule_is_about_keeps_its_bytes),
        cmocka_unit_test(what_is_changed_is_what_is_told),
        cmocka_unit_test(tags_and_sheds_leave_events_that_settle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
