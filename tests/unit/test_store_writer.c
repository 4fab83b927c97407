/* SPDX-License-Identifier: Apache-2.0 */
/* The store's thread over a real spool: everything arrives, the spool's mark follows the commits,
 * an event that cannot be read is counted and passed, a store that fails is opened anew and loses
 * nothing, stop and wait. */
#include "store_fixture.h"

#include <sys/stat.h>
#include "agent.h"
#include "times.h"

#define WAIT_MS 20000

static struct spool *spool;
static struct agent_metrics metrics;
static struct agent_config config;
static struct route_config route;
static struct agent agent;
static char spool_directory[128];

static int setup(void **state)
{
    if (fixture_setup(state) != 0)
        return -1;
    snprintf(spool_directory, sizeof spool_directory, "%s/spool", fixture_directory);
    struct spool_options options = {.directory = spool_directory,
                                    .max_bytes = 64 << 20,
                                    .segment_bytes = 1 << 20,
                                    .min_free_bytes = -1,
                                    .no_prepare = true};
    memset(&metrics, 0, sizeof metrics);
    static char name[] = "local", type[] = "store";
    route = (struct route_config){.name = name, .type = ROUTE_STORE, .path = fixture_path};
    config = (struct agent_config){.routes = {.items = &route, .count = 1}};
    metrics.routes[0].name = name;
    metrics.routes[0].type = type;
    log_setup(LOG_LEVEL_ERROR, false);
    if (spool_open(&options, &spool, NULL) != OL_OK)
        return -1;
    agent = (struct agent){.config = &config, .metrics = &metrics, .spool = spool};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[256];
    spool_close(spool);
    snprintf(command, sizeof command, "rm -rf '%s'", fixture_directory);
    return system(command);
}

static void put(const char *text)
{
    struct spool_record record = {.type = SPOOL_EVENT,
                                  .source = SPOOL_FROM_HTTP,
                                  .uid = 1000,
                                  .time_ms = NOW,
                                  .data = ol__span_text(text)};
    assert_int_equal(spool_group_add(spool, &record, NULL), OL_OK);
    assert_int_equal(spool_group_commit(spool, NULL), OL_OK);
}

static void put_run(int n)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"eventType\":\"COMPLETE\",\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":"
             "\"p:x\",\"run\":{\"runId\":\"01941f29-7c00-7837-a31d-%012d\"},"
             "\"job\":{\"namespace\":\"n\",\"name\":\"j\"}}",
             n);
    put(text);
}

static struct store_writer *open_writer(void)
{
    struct store_writer *writer = NULL;
    struct ol_error err = {0};
    if (store_writer_open(&agent, 0, &writer, &err) != OL_OK)
        fail_msg("%s", err.message);
    return writer;
}

/* Until it is done, through failures. */
static void wait_done(struct store_writer *writer)
{
    int64_t until = ol__time_monotonic_ms() + WAIT_MS;
    struct ol_error err = {0};
    while (store_writer_wait(writer, &err) != OL_OK)
        if (ol__time_monotonic_ms() > until)
            fail_msg("%s", err.message);
}

static void test_follows(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        put_run(i);
    put("{\"not\":\"an event\"}");
    struct store_writer *writer = open_writer();
    assert_int_equal(store_writer_start(writer, NULL), OL_OK);
    wait_done(writer);
    fixture_expect("SELECT count(*) FROM runs", "100");
    for (int i = 100; i < 300; i++) /* while it runs */
        put_run(i);
    wait_done(writer);
    fixture_expect("SELECT count(*) FROM runs", "300");
    assert_int_equal(metric_get(&metrics.routes[0].delivered_events), 300);
    assert_int_equal(metric_get(&metrics.routes[0].skipped), 1);
    assert_int_equal(metric_get(&metrics.routes[0].low), spool_synced(spool));
    assert_int_equal(metric_get(&metrics.routes[0].state), ROUTE_OK);
    uint64_t left = 9;
    store_writer_stop(writer, WAIT_MS, &left);
    assert_int_equal(left, 0);
    store_writer_close(writer);
    /* Another start reads nothing twice. */
    put_run(300);
    writer = open_writer();
    assert_int_equal(store_writer_start(writer, NULL), OL_OK);
    wait_done(writer);
    store_writer_stop(writer, WAIT_MS, &left);
    store_writer_close(writer);
    fixture_expect("SELECT count(*), min(events), max(events) FROM runs", "301|1|1");
    assert_int_equal(metric_get(&metrics.routes[0].delivered_events), 301);
}

/* What waits at the stop is still taken. */
static void test_stop_drains(void **state)
{
    (void)state;
    struct store_writer *writer = open_writer();
    for (int i = 0; i < 2000; i++)
        put_run(i);
    uint64_t left = 9;
    store_writer_stop(writer, WAIT_MS, &left); /* never started: nothing can be done */
    assert_true(left >= 2000);
    assert_int_equal(store_writer_start(writer, NULL), OL_OK);
    store_writer_stop(writer, WAIT_MS, &left);
    assert_int_equal(left, 0);
    store_writer_close(writer);
    fixture_expect("SELECT count(*) FROM runs", "2000");
}

/* Another process holds the database, then lets go: the thread says so meanwhile, and catches up.
 */
static void test_fails_and_recovers(void **state)
{
    (void)state;
    struct store_writer *writer = open_writer();
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(fixture_path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    put_run(1);
    assert_int_equal(store_writer_start(writer, NULL), OL_OK);
    struct ol_error err = {0};
    assert_int_equal(store_writer_wait(writer, &err), OL_AGAIN); /* after the busy timeout */
    assert_non_null(strstr(err.message, fixture_path));
    assert_int_equal(metric_get(&metrics.routes[0].state), ROUTE_CIRCUIT_OPEN);
    assert_int_equal(metric_get(&metrics.routes[0].low) < spool_synced(spool), 1);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    wait_done(writer);
    assert_int_equal(metric_get(&metrics.routes[0].state), ROUTE_OK);
    uint64_t left = 9;
    store_writer_stop(writer, WAIT_MS, &left);
    store_writer_close(writer);
    fixture_expect("SELECT count(*), max(events) FROM runs", "1|1");
}

/* A store that another spool wrote starts with this one's oldest record. */
static void test_foreign_cursor(void **state)
{
    (void)state;
    struct store *store = fixture_open(STORE_WRITE);
    assert_int_equal(store_begin(store, NULL), OL_OK);
    assert_int_equal(store_commit(store, &spool_b, 12345, NULL), OL_OK);
    store_close(store);
    put_run(1);
    struct store_writer *writer = open_writer();
    assert_int_equal(store_writer_start(writer, NULL), OL_OK);
    wait_done(writer);
    store_writer_close(writer);
    fixture_expect("SELECT count(*) FROM runs", "1");
    fixture_expect("SELECT count(*) FROM cursors", "2");
}

int main(void)
{
#define WITH_SPOOL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SPOOL(test_follows),
        WITH_SPOOL(test_stop_drains),
        WITH_SPOOL(test_fails_and_recovers),
        WITH_SPOOL(test_foreign_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
