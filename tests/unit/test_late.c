/* SPDX-License-Identifier: Apache-2.0 */
/* Proves late.h: which events are late, which terminal event goes again, and the bound; and, over a
 * scripted server, that a route of profile marquez sends it once, behind the last late event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include "late.h"

#include "deliver_fixture.h"
#include "http_script.h"

#define S OL_TYPE_START
#define R OL_TYPE_RUNNING
#define O OL_TYPE_OTHER
#define C OL_TYPE_COMPLETE
#define F OL_TYPE_FAIL
#define A OL_TYPE_ABORT
#define NO INT64_MIN

static void each_sequence(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct {
            enum ol__event_type type;
            int64_t time_ms;
            bool is_inferred;
        } events[5]; /* as they are delivered; sequence 1, 2... */
        size_t count;
        uint64_t owed; /* after the last one; 0: nothing */
    } rows[] = {
        {"in order", {{S, 1, 0}, {R, 2, 0}, {C, 3, 0}}, 3, 0},
        {"START after COMPLETE", {{C, 3, 0}, {S, 1, 0}}, 2, 1},
        {"at the same time", {{C, 3, 0}, {S, 3, 0}}, 2, 1},
        {"START of a run that begins anew", {{C, 3, 0}, {S, 4, 0}}, 2, 0},
        {"and what follows it", {{C, 3, 0}, {S, 4, 0}, {R, 5, 0}}, 3, 0},
        {"RUNNING after FAIL, by a clock that is ahead", {{F, 3, 0}, {R, 9, 0}}, 2, 1},
        {"OTHER after ABORT", {{A, 3, 0}, {O, 9, 0}}, 2, 1},
        {"no time", {{C, 3, 0}, {S, NO, 0}}, 2, 1},
        {"two late ones", {{C, 3, 0}, {S, 1, 0}, {R, 2, 0}}, 3, 1},
        {"late, then a later end", {{C, 3, 0}, {S, 1, 0}, {F, 4, 0}}, 3, 0},
        {"late after the later end", {{C, 3, 0}, {F, 4, 0}, {S, 1, 0}}, 3, 2},
        {"an earlier end late", {{C, 3, 0}, {F, 2, 0}}, 2, 1},
        {"an inferred end after a real one", {{C, 3, 0}, {A, 9, 1}}, 2, 1},
        {"a real end after an inferred one", {{A, 9, 1}, {C, 3, 0}}, 2, 0},
        {"late after both", {{A, 9, 1}, {C, 3, 0}, {S, 1, 0}}, 3, 2},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct late *late = late_new(i);
        struct late_event event = {0}, owed = {0};
        for (size_t n = 0; n < rows[i].count; n++) {
            event = (struct late_event){.lane_kind = OL_LANE_RUN_UUID,
                                        .lane = {7},
                                        .is_run = true,
                                        .type = rows[i].events[n].type,
                                        .time_ms = rows[i].events[n].time_ms,
                                        .source = rows[i].events[n].is_inferred ? SPOOL_FROM_AGENT
                                                                                : SPOOL_FROM_HTTP,
                                        .seq = n + 1};
            late_delivered(late, &event);
        }
        bool is_owed = late_is_owed(late, &event, &owed);
        if (is_owed != (rows[i].owed != 0) || (is_owed && owed.seq != rows[i].owed))
            fail_msg("%s: %d, %llu", rows[i].what, is_owed, (unsigned long long)owed.seq);
        late_paid(late, &event);
        assert_false(late_is_owed(late, &event, &owed));
        late_free(late);
    }
}

static struct late_event event_of(unsigned run, enum ol__event_type type, uint64_t seq)
{
    struct late_event event = {.lane_kind = OL_LANE_RUN_UUID,
                               .is_run = true,
                               .type = type,
                               .source = SPOOL_FROM_HTTP,
                               .seq = seq};
    memcpy(event.lane, &run, sizeof run);
    return event;
}

/* The oldest go, and only they. */
static void the_table_is_bounded(void **state)
{
    (void)state;
    struct late *late = late_new(1);
    struct late_event owed;
    for (unsigned run = 0; run < LATE_RUNS_MAX + 100; run++) {
        struct late_event end = event_of(run, C, run + 1);
        late_delivered(late, &end);
    }
    for (unsigned run = 0; run < LATE_RUNS_MAX + 100; run++) {
        struct late_event start = event_of(run, S, 100000 + run);
        late_delivered(late, &start);
        assert_int_equal(late_is_owed(late, &start, &owed), run >= 100);
        if (run >= 100)
            assert_int_equal(owed.seq, run + 1);
        late_settle(late, &start);
        assert_int_equal(late_is_settled(late, &start), run >= 100);
    }
    struct late_event dataset = event_of(500, S, 1);
    dataset.is_run = false;
    assert_false(late_is_owed(late, &dataset, &owed));
    late_free(late);
}

/* ---- Over a route ---- */

struct sink {
    char said[200]; /* a letter for each request: S, R, C; small if it was not taken */
    size_t size;
    const char *fails; /* numbers of requests to fail, as letters 'a' + n */
    int status;
};

static void handle(void *arg, const struct script_request *request, struct script_reply *reply)
{
    struct sink *sink = arg;
    const char *type = memmem(request->body.data, request->body.size, "\"eventType\":\"", 13);
    assert_non_null(type);
    if (sink->fails != NULL && strchr(sink->fails, 'a' + (int)sink->size) != NULL)
        reply->status = sink->status;
    char letter = type[13];
    sink->said[sink->size++] = reply->status < 300 ? letter : (char)(letter + 'a' - 'A');
}

static void add(struct fixture *f, const char *type, const char *time, enum spool_source source)
{
    char text[600];
    struct ol_error err = {0};
    int size =
        snprintf(text, sizeof text,
                 "{\"eventType\":\"%s\",\"eventTime\":\"2026-11-21T09:00:%sZ\",\"run\":{"
                 "\"runId\":\"01010101-0000-0000-0000-000000000000\"},\"job\":{"
                 "\"namespace\":\"ns\",\"name\":\"j\"},\"producer\":\"https://example.com/p\","
                 "\"schemaURL\":\"https://x/OpenLineage.json#/$defs/RunEvent\"}",
                 type, time);
    struct spool_record record = {.type = SPOOL_EVENT,
                                  .source = source,
                                  .lane_kind = OL_LANE_RUN_UUID,
                                  .lane = {1, 1, 1, 1},
                                  .time_ms = ol__time_now_ms(),
                                  .data = {.data = text, .size = (size_t)size}};
    assert_int_equal(spool_group_add(f->spool, &record, &err), OL_OK);
}

static void wait_empty(struct fixture *f)
{
    struct ol_error err = {0};
    int64_t deadline = ol__time_monotonic_ms() + DEADLINE_MS;
    while (deliver_wait(f->deliver, NULL, &err) != OL_OK) {
        if (ol__time_monotonic_ms() > deadline)
            fail_msg("never empty: %s", err.message);
        usleep(5000);
    }
}

static void each_delivery(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int profile;
        const char *first, *then; /* two commits; S R C; '|': a restart of delivery */
        const char *fails;
        int status;
        const char *said;
        unsigned resent, not_resent, parked;
    } rows[] = {
        {"in order", PROFILE_MARQUEZ, "SRC", "", NULL, 0, "SRC", 0, 0, 0},
        {"one late", PROFILE_MARQUEZ, "C", "S", NULL, 0, "CSC", 1, 0, 0},
        {"two late, waiting together", PROFILE_MARQUEZ, "C", "SR", NULL, 0, "CSRC", 1, 0, 0},
        {"in one group", PROFILE_MARQUEZ, "CSR", "", NULL, 0, "CSRC", 1, 0, 0},
        {"late, then the end itself", PROFILE_MARQUEZ, "C", "SC", NULL, 0, "CSC", 0, 0, 0},
        {"others", PROFILE_GENERIC, "C", "S", NULL, 0, "CS", 0, 0, 0},
        {"after a restart", PROFILE_MARQUEZ, "C", "|S", NULL, 0, "CSC", 1, 0, 0},
        {"the end fails for a while", PROFILE_MARQUEZ, "C", "S", "cd", 503, "CSccC", 1, 0, 0},
        {"the late one fails for a while", PROFILE_MARQUEZ, "C", "S", "bc", 503, "CssSC", 1, 0, 0},
        {"the end is refused this time", PROFILE_MARQUEZ, "C", "S", "c", 422, "CSc", 0, 1, 0},
        {"the late one is refused", PROFILE_MARQUEZ, "C", "S", "b", 422, "Cs", 0, 0, 1},
        {"the last of two is refused", PROFILE_MARQUEZ, "C", "SR", "c", 422, "CSrC", 1, 0, 1},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct fixture f;
        struct sink sink = {.fails = rows[i].fails, .status = rows[i].status};
        struct http_script *server = http_script_start(0, handle, &sink);
        assert_non_null(server);
        fixture_init(&f, ROUTE_HTTP);
        char url[64];
        snprintf(url, sizeof url, "http://127.0.0.1:%d", http_script_port(server));
        f.route.url = url;
        f.route.profile = rows[i].profile;
        fixture_start(&f);
        const char *const parts[] = {rows[i].first, rows[i].then};
        for (size_t part = 0; part < 2; part++) {
            for (const char *c = parts[part]; *c != '\0'; c++) {
                if (*c == '|') {
                    assert_int_equal(fixture_stop(&f, 0), 0);
                    fixture_start(&f);
                } else
                    add(&f,
                        *c == 'S'   ? "START"
                        : *c == 'R' ? "RUNNING"
                                    : "COMPLETE",
                        *c == 'S'   ? "01"
                        : *c == 'R' ? "02"
                                    : "03",
                        SPOOL_FROM_HTTP);
            }
            fixture_commit(&f);
            wait_empty(&f);
        }
        struct route_metrics *m = &f.metrics.routes[0];
        if (strcmp(sink.said, rows[i].said) != 0 || metric_get(&m->resent) != rows[i].resent ||
            metric_get(&m->not_resent) != rows[i].not_resent ||
            metric_get(&m->parked) != rows[i].parked)
            fail_msg("%s: %s, not %s; %llu resent, %llu not, %llu parked", rows[i].what, sink.said,
                     rows[i].said, (unsigned long long)metric_get(&m->resent),
                     (unsigned long long)metric_get(&m->not_resent),
                     (unsigned long long)metric_get(&m->parked));
        assert_int_equal(fixture_stop(&f, 0), 0);
        fixture_release(&f);
        http_script_stop(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sequence),
        cmocka_unit_test(the_table_is_bounded),
        cmocka_unit_test(each_delivery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
