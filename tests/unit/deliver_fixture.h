/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DELIVER_FIXTURE_H
#define DELIVER_FIXTURE_H
/* A spool in a directory of its own, one route, and the delivery thread on it. Include after
 * cmocka.h. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "agent.h"
#include "times.h"
#include "dead_letters.h"

#define DEADLINE_MS 30000

struct fixture {
    char directory[64], spool_directory[80];
    struct route_config route;
    struct agent_config config;
    struct agent_metrics metrics;
    struct agent agent;
    struct spool *spool;
    struct deliver *deliver;
};

static inline void fixture_spool_open(struct fixture *f)
{
    struct spool_options options = {
        .directory = f->spool_directory, .min_free_bytes = -1, .no_prepare = true};
    struct ol_error err = {0};
    if (spool_open(&options, &f->spool, &err) != OL_OK)
        fail_msg("spool: %s", err.message);
    f->agent = (struct agent){.config = &f->config, .metrics = &f->metrics, .spool = f->spool};
}

static inline void fixture_init(struct fixture *f, int type)
{
    memset(f, 0, sizeof *f);
    log_setup(LOG_LEVEL_ERROR, false);
    strcpy(f->directory, "/tmp/ol-deliver-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->spool_directory, sizeof f->spool_directory, "%s/spool", f->directory);
    static char name[] = "out";
    f->route = (struct route_config){.name = name,
                                     .type = type,
                                     .timeout_ms = 5000,
                                     .max_in_flight = 4,
                                     .retry_max_ms = 300,
                                     .hold_ms = 60000,
                                     .poison_tries = 3};
    f->config.spool_directory = f->spool_directory;
    f->config.routes.items = &f->route;
    f->config.routes.count = 1;
    f->metrics.route_count = 1;
    f->metrics.routes[0].name = name;
    fixture_spool_open(f);
}

static inline void fixture_start(struct fixture *f)
{
    struct ol_error err = {0};
    if (deliver_open(&f->agent, &f->deliver, &err) != OL_OK ||
        deliver_start(f->deliver, &err) != OL_OK)
        fail_msg("deliver: %s", err.message);
}

static inline uint64_t fixture_stop(struct fixture *f, int64_t timeout_ms)
{
    uint64_t left = 0;
    deliver_stop(f->deliver, timeout_ms, &left);
    deliver_close(f->deliver);
    f->deliver = NULL;
    return left;
}

static inline void fixture_release(struct fixture *f)
{
    if (f->deliver != NULL)
        fixture_stop(f, 0);
    spool_close(f->spool);
    char command[120];
    snprintf(command, sizeof command, "rm -rf '%s'", f->directory);
    assert_int_equal(system(command), 0); /* NOLINT: a test's own directory */
}

/* Into the group; fixture_commit() makes it count. */
static inline uint64_t fixture_add(struct fixture *f, unsigned run, struct ol__span data)
{
    struct ol_error err = {0};
    struct spool_record record = {.type = SPOOL_EVENT,
                                  .source = SPOOL_FROM_HTTP,
                                  .lane_kind = OL_LANE_RUN_UUID,
                                  .uid = 1000,
                                  .time_ms = ol__time_now_ms(),
                                  .data = data};
    record.lane[0] = (uint8_t)run;
    record.lane[1] = (uint8_t)(run >> 8);
    if (spool_group_add(f->spool, &record, &err) != OL_OK)
        fail_msg("add: %s", err.message);
    return record.seq;
}

static inline void fixture_commit(struct fixture *f)
{
    struct ol_error err = {0};
    if (spool_group_commit(f->spool, &err) != OL_OK)
        fail_msg("commit: %s", err.message);
}

/* An event of run @p run, whose runId is the UUID that its lane holds. */
static inline uint64_t fixture_event(struct fixture *f, unsigned run, unsigned number)
{
    struct ol__uuid uuid = {{(uint8_t)run, (uint8_t)(run >> 8)}};
    char id[OL_UUID_TEXT + 1], text[600];
    ol__uuid_format(&uuid, id);
    int size = snprintf(text, sizeof text,
                        "{\"eventType\":\"%s\",\"eventTime\":\"2026-11-21T09:00:00Z\",\"run\":{"
                        "\"runId\":\"%s\"},\"job\":{\"namespace\":\"ns\",\"name\":\"job-%u\"},"
                        "\"producer\":\"https://example.com/p\",\"schemaURL\":\"https://openlineage"
                        ".io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent\",\"n\":%u}",
                        number == 0 ? "START" : "RUNNING", id, run, number);
    return fixture_add(f, run, (struct ol__span){.data = text, .size = (size_t)size});
}

static inline void fixture_until(bool (*is_so)(void *arg), void *arg, const char *what)
{
    int64_t deadline = ol__time_monotonic_ms() + DEADLINE_MS;
    while (!is_so(arg)) {
        if (ol__time_monotonic_ms() > deadline)
            fail_msg("not within %d s: %s", DEADLINE_MS / 1000, what);
        usleep(2000);
    }
}
#endif
