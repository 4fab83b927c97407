/* SPDX-License-Identifier: Apache-2.0 */
/* A facet is kept once by content, however long ago it came: while it is in memory only, once it is
 * in facet_keys, after a start, after a rollback, and after a sweep that gave numbers free. */
#include "store_fixture.h"

#include "retention.h"

#define EACH 500 /* facets of an event */
/* the latest 65,536 facets are in memory: this many events are more */
#define MANY 150

/* An event of run @p run with facets @p first and following; those of one number are the same. */
static void add(struct store *store, int run, int first)
{
    struct ol__buf text;
    struct ol_error err = {0};
    ol__buf_init(&text, 1 << 20);
    ol__buf_add_format(&text,
                       "{\"eventType\":\"COMPLETE\",\"eventTime\":\"2026-11-21T09:00:00Z\","
                       "\"producer\":\"p\",\"job\":{\"namespace\":\"n\",\"name\":\"j\"},\"run\":{"
                       "\"runId\":\"01941f29-7c00-7837-a31d-%012d\",\"facets\":{",
                       run);
    for (int i = 0; i < EACH; i++)
        ol__buf_add_format(&text, "%s\"x_%d\":{\"_producer\":\"p\",\"value\":%d}", i > 0 ? "," : "",
                           i, first + i);
    ol__buf_add_text(&text, "}}}");
    struct store_event event = {
        .taken_ms = NOW, .uid = 1000, .data = {.data = text.data, .size = text.size}};
    if (store_add(store, &event, false, &err) != OL_OK)
        fail_msg("%s", err.message);
    ol__buf_release(&text);
}

/* Events @p from to @p to - 1, each with facets of its own, of runs @p run and following. */
static void add_many(struct store *store, int run, int from, int to)
{
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int i = from; i < to; i++)
        add(store, run + i, i * EACH);
    assert_int_equal(store_commit(store, &spool_a, 1, NULL), OL_OK);
}

static void expect_facets(int events)
{
    char count[16];
    snprintf(count, sizeof count, "%d|%d", events * EACH, events * EACH);
    fixture_expect("SELECT count(*), count(DISTINCT body) FROM facets", count);
    /* each facet up to the mark has its row, and each row its facet */
    fixture_expect("SELECT (SELECT count(*) FROM facet_keys) = (SELECT count(*) FROM facets WHERE "
                   "id <= ifnull((SELECT value FROM meta WHERE key = 'facet_keys'), 0)), "
                   "(SELECT count(*) FROM facet_keys JOIN facets ON id = facet WHERE "
                   "key <> hash >> 32)",
                   "1|0");
    fixture_expect("PRAGMA foreign_key_check", "");
}

static void expect_stats(struct store *store, int events)
{
    struct ol__buf out;
    struct store_question question = {.uid = STORE_ANY_UID};
    char text[32];
    ol__buf_init(&out, 1 << 20);
    assert_int_equal(store_stats(store, &question, &out, NULL), OL_OK);
    assert_int_equal(ol__buf_add_char(&out, '\0'), OL_OK);
    snprintf(text, sizeof text, "\"facets\":%d,", events * EACH);
    assert_non_null(strstr(out.data, text));
    ol__buf_release(&out);
}

static void test_once(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    add_many(store, 0, 0, MANY);
    expect_facets(MANY);
    expect_stats(store, MANY);
    fixture_expect("SELECT count(*) FROM facet_keys", "65536");
    add_many(store, 1000, 0, 10); /* of other runs, told again */
    expect_facets(MANY);
    store_close(store);
    store = fixture_open(STORE_WRITE); /* no id is cached; the late ones come from their rows */
    add_many(store, 2000, 5, 15);
    add_many(store, 2000, MANY - 10, MANY);
    expect_facets(MANY);
    store_close(store);
    fixture_expect("PRAGMA integrity_check", "ok");
}

/* The second fold happens in a transaction that is rolled back. */
static void test_rollback(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    add_many(store, 0, 0, MANY);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    for (int i = MANY; i < 2 * MANY; i++)
        add(store, i, i * EACH);
    store_rollback(store);
    expect_facets(MANY);
    add_many(store, 0, MANY - 10, 2 * MANY);
    expect_facets(2 * MANY);
    fixture_expect("SELECT count(*) FROM facet_keys", "131072");
    store_close(store);
}

static void remove_all(struct store *store, struct ol_error *err)
{
    const struct store_policy policy = {.before_ms = NOW + 86400000 * INT64_C(5),
                                        .answers_before_ms = NOW + 86400000 * INT64_C(5),
                                        .open_before_ms = NOW + 86400000 * INT64_C(5),
                                        .is_fresh = true};
    ol_status status;
    while ((status = store_expire(store, &policy, 1000, err)) == OL_AGAIN)
        continue;
    assert_int_equal(status, OL_OK);
}

/* All rows go, late ones and older ones; numbers below the mark are given again. */
static void test_sweep(void **state)
{
    (void)state;
    struct ol_error err = {0};
    struct store *store = fixture_open(STORE_WRITE);
    add_many(store, 0, 0, MANY);
    remove_all(store, &err);
    expect_facets(0);
    add_many(store, 0, MANY, MANY + 5);
    expect_facets(5);
    fixture_expect("SELECT max(id) < (SELECT value FROM meta WHERE key = 'facet_keys') FROM facets",
                   "1");
    store_close(store);
    store = fixture_open(STORE_WRITE);
    add_many(store, 1000, MANY, MANY + 5);
    expect_facets(5);
    store_close(store);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {TEST(test_once), TEST(test_rollback), TEST(test_sweep)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
