/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the promises at the head of agent/deliver/lanes.c, and by a random model: whatever the
 * answers, each event is dealt with exactly once, in order within its lane, one of a lane at a
 * time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fail_alloc.h"
#include "lanes.h"

static const struct retry_class DONE = {.kind = RETRY_DONE};
static const struct retry_class PARK = {.kind = RETRY_PARK};
static const struct retry_class HOLD = {.kind = RETRY_HOLD};
static const struct retry_class LATER = {.kind = RETRY_LATER};
static const struct retry_class SUSPECT = {.kind = RETRY_LATER, .suspicion = RETRY_SUSPECT};
static const struct retry_class ODD = {.kind = RETRY_LATER, .suspicion = RETRY_ODD};

static struct lanes *make(int in_flight_max)
{
    struct lanes *lanes;
    struct lanes_options options = {.in_flight_max = in_flight_max,
                                    .backoff_ms = 100,
                                    .backoff_max_ms = 1000,
                                    .hold_ms = 60000,
                                    .poison_tries = 3,
                                    .seed = 42};
    assert_int_equal(lanes_new(&options, &lanes, NULL), OL_OK);
    return lanes;
}

static void add(struct lanes *lanes, unsigned key, uint64_t seq)
{
    uint8_t bytes[16] = {(uint8_t)key, (uint8_t)(key >> 8)};
    assert_int_equal(lanes_add(lanes, 1, bytes, seq, seq * 10, seq * 100), OL_OK);
}

static struct lanes_item expect(struct lanes *lanes, int64_t now, uint64_t seq)
{
    struct lanes_item item;
    assert_true(lanes_next(lanes, now, &item));
    assert_int_equal(item.seq, seq);
    assert_int_equal(item.segment, seq * 10);
    assert_int_equal(item.offset, seq * 100);
    return item;
}

static void expect_none(struct lanes *lanes, int64_t now)
{
    struct lanes_item item;
    assert_false(lanes_next(lanes, now, &item));
}

static void one_of_a_lane_many_lanes(void **state)
{
    (void)state;
    struct lanes *lanes = make(3);
    expect_none(lanes, 0);
    assert_int_equal(lanes_deadline(lanes), INT64_MAX);
    add(lanes, 1, 1);
    add(lanes, 1, 2);
    add(lanes, 2, 3);
    add(lanes, 3, 4);
    add(lanes, 4, 5);
    struct lanes_item a = expect(lanes, 0, 1);
    struct lanes_item b = expect(lanes, 0, 3);
    struct lanes_item c = expect(lanes, 0, 4);
    expect_none(lanes, 0); /* three in flight */
    assert_int_equal(lanes_deadline(lanes), INT64_MAX);
    assert_int_equal(lanes_in_flight(lanes), 3);
    assert_int_equal(lanes_answer(lanes, &b, &DONE, 0), LANES_DELIVERED);
    struct lanes_item d = expect(lanes, 0, 5);
    assert_int_equal(lanes_answer(lanes, &a, &DONE, 0), LANES_DELIVERED);
    struct lanes_item e = expect(lanes, 0, 2);
    assert_int_equal(lanes_answer(lanes, &c, &DONE, 0), LANES_DELIVERED);
    assert_int_equal(lanes_answer(lanes, &d, &DONE, 0), LANES_DELIVERED);
    assert_int_equal(lanes_answer(lanes, &e, &DONE, 0), LANES_DELIVERED);
    assert_int_equal(lanes_count(lanes), 0);
    lanes_free(lanes);
}

static void a_failing_lane_waits_alone(void **state)
{
    (void)state;
    struct lanes *lanes = make(4);
    add(lanes, 1, 1);
    add(lanes, 1, 2);
    add(lanes, 2, 3);
    struct lanes_item a = expect(lanes, 0, 1);
    struct lanes_item b = expect(lanes, 0, 3);
    assert_int_equal(lanes_answer(lanes, &a, &LATER, 0), LANES_KEPT);
    assert_int_equal(lanes_waiting(lanes), 1);
    expect_none(lanes, 0);
    assert_int_equal(lanes_answer(lanes, &b, &DONE, 0), LANES_DELIVERED);
    add(lanes, 3, 4);
    b = expect(lanes, 0, 4);
    assert_int_equal(lanes_answer(lanes, &b, &DONE, 0), LANES_DELIVERED);
    int64_t at = lanes_deadline(lanes);
    assert_in_range(at, 1, 100);
    expect_none(lanes, at - 1);
    a = expect(lanes, at, 1);
    assert_int_equal(a.tries, 2);
    /* Retry-After is longer than the backoff */
    struct retry_class after = {.kind = RETRY_LATER, .after_ms = 5000};
    assert_int_equal(lanes_answer(lanes, &a, &after, at), LANES_KEPT);
    assert_int_equal(lanes_deadline(lanes), at + 5000);
    lanes_free(lanes);
}

static void a_rate_limit_pauses_the_route(void **state)
{
    (void)state;
    struct lanes *lanes = make(4);
    add(lanes, 1, 1);
    struct lanes_item a = expect(lanes, 0, 1);
    struct retry_class slow = {.kind = RETRY_LATER, .after_ms = 700, .is_rate_limit = true};
    assert_int_equal(lanes_answer(lanes, &a, &slow, 0), LANES_KEPT);
    add(lanes, 2, 2);
    expect_none(lanes, 699);
    assert_int_equal(lanes_deadline(lanes), 700);
    expect(lanes, 700, 2);
    lanes_free(lanes);
}

/* Answer whatever comes until @p stop_at, advancing the clock; return the time. */
static int64_t step(struct lanes *lanes, int64_t now)
{
    int64_t at = lanes_deadline(lanes);
    assert_true(at < INT64_MAX);
    return OL_MAX(now, at);
}

static void poison_is_parked_while_others_succeed(void **state)
{
    (void)state;
    static const struct {
        const struct retry_class *answer;
        int tries_least, tries_most;
    } rows[] = {{&SUSPECT, 3, 4}, {&ODD, 30, 31}};
    for (size_t row = 0; row < OL_COUNT(rows); row++) {
        struct lanes *lanes = make(1);
        uint64_t seq = 2;
        int64_t now = 0;
        add(lanes, 1, 1);
        int tries = 0;
        for (;;) {
            add(lanes, 100, ++seq);
            now = step(lanes, now) + 5; /* others' answers take time */
            struct lanes_item item;
            assert_true(lanes_next(lanes, now, &item));
            if (item.seq != 1) {
                assert_int_equal(lanes_answer(lanes, &item, &DONE, now), LANES_DELIVERED);
                continue;
            }
            tries++;
            assert_int_equal(item.tries, tries);
            enum lanes_verdict verdict = lanes_answer(lanes, &item, rows[row].answer, now);
            assert_int_equal(lanes_circuit(lanes), LANES_CLOSED);
            if (verdict == LANES_PARK) {
                lanes_remove(lanes, &item);
                break;
            }
            assert_int_equal(verdict, LANES_KEPT);
            assert_true(tries < 100);
        }
        assert_in_range(tries, rows[row].tries_least, rows[row].tries_most);
        lanes_free(lanes);
    }
}

static void an_outage_counts_nothing(void **state)
{
    (void)state;
    struct lanes *lanes = make(4);
    int64_t now = 0;
    for (unsigned i = 1; i <= 20; i++)
        add(lanes, i, i);
    struct lanes_item item = expect(lanes, 0, 1);
    assert_int_equal(lanes_answer(lanes, &item, &DONE, 0), LANES_DELIVERED);
    int failures = 0;
    uint64_t last_probe = 0;
    while (failures < 300) {
        now = step(lanes, now);
        struct lanes_item in_flight[8];
        int n = 0;
        while (lanes_next(lanes, now, &in_flight[n]))
            n++;
        assert_true(n > 0);
        if (lanes_circuit(lanes) == LANES_OPEN) {
            assert_int_equal(n, 1); /* one probe at a time, */
            assert_true(in_flight[0].is_probe);
            assert_true(in_flight[0].seq != last_probe); /* each with another run's event */
            last_probe = in_flight[0].seq;
        }
        for (int i = 0; i < n; i++, failures++)
            assert_int_equal(lanes_answer(lanes, &in_flight[i], &SUSPECT, now), LANES_KEPT);
    }
    assert_int_equal(lanes_circuit(lanes), LANES_OPEN);
    assert_in_range(lanes_deadline(lanes) - now, 500, 1000); /* the ceiling, half of it fixed */
    assert_int_equal(lanes_count(lanes), 19);
    now = step(lanes, now);
    assert_true(lanes_next(lanes, now, &item));
    assert_int_equal(lanes_answer(lanes, &item, &DONE, now), LANES_DELIVERED);
    assert_int_equal(lanes_circuit(lanes), LANES_CLOSED);
    int sent = 0;
    while (lanes_next(lanes, now + 1000, &item)) {
        assert_int_equal(lanes_answer(lanes, &item, &DONE, now + 1000), LANES_DELIVERED);
        sent++;
    }
    assert_int_equal(sent, 18);
    lanes_free(lanes);
}

static void one_lane_alone_is_an_outage_and_holds_nobody_up(void **state)
{
    (void)state;
    struct lanes *lanes = make(4);
    int64_t now = 0;
    add(lanes, 1, 1);
    struct lanes_item item;
    for (int i = 0; i < 50; i++) {
        now = step(lanes, now);
        item = expect(lanes, now, 1);
        assert_int_equal(lanes_answer(lanes, &item, &SUSPECT, now), LANES_KEPT);
        assert_int_equal(lanes_circuit(lanes), i < 2 ? LANES_CLOSED : LANES_OPEN);
    }
    add(lanes, 2, 2); /* no need to wait for the next probe of the other */
    item = expect(lanes, now, 2);
    assert_true(item.is_probe);
    assert_int_equal(lanes_answer(lanes, &item, &DONE, now), LANES_DELIVERED);
    assert_int_equal(lanes_circuit(lanes), LANES_CLOSED);
    lanes_free(lanes);
}

static void denied_holds_everything(void **state)
{
    (void)state;
    struct lanes *lanes = make(4);
    for (unsigned i = 1; i <= 6; i++)
        add(lanes, i, i);
    struct lanes_item a = expect(lanes, 0, 1);
    struct lanes_item b = expect(lanes, 0, 2);
    assert_int_equal(lanes_answer(lanes, &a, &HOLD, 10), LANES_KEPT);
    assert_int_equal(lanes_circuit(lanes), LANES_DENIED);
    assert_int_equal(lanes_answer(lanes, &b, &HOLD, 20), LANES_KEPT);
    expect_none(lanes, 60009);
    assert_int_equal(lanes_deadline(lanes), 60010);
    a = expect(lanes, 60010, 3);
    expect_none(lanes, 60010); /* one probe */
    assert_int_equal(lanes_deadline(lanes), INT64_MAX);
    assert_int_equal(lanes_answer(lanes, &a, &LATER, 60020), LANES_KEPT);
    assert_int_equal(lanes_circuit(lanes), LANES_DENIED);
    expect_none(lanes, 120019);
    lanes_probe_now(lanes);
    a = expect(lanes, 60021, 4);
    assert_int_equal(lanes_answer(lanes, &a, &DONE, 60030), LANES_DELIVERED);
    assert_int_equal(lanes_circuit(lanes), LANES_CLOSED);
    assert_int_equal(lanes_count(lanes), 5);
    lanes_free(lanes);
}

static void the_tenth_refusal_holds(void **state)
{
    (void)state;
    struct lanes *lanes = make(16);
    for (unsigned i = 1; i <= 12; i++)
        add(lanes, i, i);
    struct lanes_item items[12];
    for (unsigned i = 0; i < 12; i++)
        items[i] = expect(lanes, 0, i + 1);
    for (unsigned i = 0; i < 12; i++) {
        enum lanes_verdict verdict = lanes_answer(lanes, &items[i], &PARK, 0);
        assert_int_equal(verdict, i < 9 ? LANES_PARK : LANES_KEPT);
        if (verdict == LANES_PARK)
            lanes_remove(lanes, &items[i]);
    }
    assert_int_equal(lanes_circuit(lanes), LANES_MISCONFIGURED);
    expect_none(lanes, 59999);
    struct lanes_item probe = expect(lanes, 60000, 10);
    assert_int_equal(lanes_answer(lanes, &probe, &PARK, 60000), LANES_KEPT);
    probe = expect(lanes, 120000, 11);
    assert_int_equal(lanes_answer(lanes, &probe, &DONE, 120000), LANES_DELIVERED);
    assert_int_equal(lanes_circuit(lanes), LANES_CLOSED);
    /* counted anew, and refusals of one run count once */
    probe = expect(lanes, 120000, 12);
    assert_int_equal(lanes_answer(lanes, &probe, &PARK, 120000), LANES_PARK);
    lanes_remove(lanes, &probe);
    for (uint64_t seq = 100; seq < 130; seq++) {
        add(lanes, 7, seq);
        struct lanes_item item;
        assert_true(lanes_next(lanes, 120000, &item));
        assert_int_equal(lanes_answer(lanes, &item, &PARK, 120000), LANES_PARK);
        lanes_remove(lanes, &item);
    }
    lanes_free(lanes);
}

static void a_release_counts_no_try(void **state)
{
    (void)state;
    struct lanes *lanes = make(1);
    add(lanes, 1, 1);
    add(lanes, 1, 2);
    for (int i = 0; i < 20; i++) {
        struct lanes_item item = expect(lanes, i * 10, 1);
        assert_int_equal(item.tries, 1);
        lanes_release(lanes, &item, i * 10, 10);
        expect_none(lanes, i * 10 + 9);
    }
    lanes_free(lanes);
}

/* What goes alone does so until it is dealt with; the next of its lane does not. */
static void alone_until_dealt_with(void **state)
{
    (void)state;
    struct lanes *lanes = make(4);
    add(lanes, 1, 1);
    add(lanes, 1, 2);
    struct lanes_item item = expect(lanes, 0, 1);
    assert_false(item.is_alone);
    assert_true(lanes_has_next(lanes, &item));
    lanes_set_alone(lanes, &item);
    lanes_release(lanes, &item, 0, 0);
    item = expect(lanes, 0, 1);
    assert_true(item.is_alone);
    assert_int_equal(item.tries, 1); /* a release counts none */
    assert_int_equal(lanes_answer(lanes, &item, &LATER, 0), LANES_KEPT);
    item = expect(lanes, 1000, 1);
    assert_true(item.is_alone);
    assert_int_equal(lanes_answer(lanes, &item, &DONE, 1000), LANES_DELIVERED);
    item = expect(lanes, 1000, 2);
    assert_false(item.is_alone);
    assert_false(lanes_has_next(lanes, &item));
    lanes_remove(lanes, &item);
    lanes_free(lanes);
}

/* A health page that says no puts the probe off, and only an outage's. */
static void a_probe_may_be_put_off(void **state)
{
    (void)state;
    struct lanes *lanes = make(4);
    add(lanes, 1, 1);
    int64_t now = 0;
    assert_false(lanes_is_probe_due(lanes, now)); /* all is well: no probe */
    lanes_probe_failed(lanes, now);
    for (int i = 0; i < 3; i++, now += 10000) {
        struct lanes_item item = expect(lanes, now, 1);
        assert_int_equal(lanes_answer(lanes, &item, &LATER, now), LANES_KEPT);
    }
    assert_int_equal(lanes_circuit(lanes), LANES_OPEN);
    for (int i = 0; i < 5; i++) {
        now = OL_MAX(now, lanes_deadline(lanes));
        assert_true(lanes_is_probe_due(lanes, now));
        lanes_probe_failed(lanes, now);
        assert_false(lanes_is_probe_due(lanes, now));
        expect_none(lanes, now);
        assert_true(lanes_deadline(lanes) > now);
    }
    now = lanes_deadline(lanes);
    struct lanes_item item = expect(lanes, now, 1);
    assert_true(item.is_probe);
    assert_false(lanes_is_probe_due(lanes, now + 100000)); /* it is out */
    assert_int_equal(lanes_answer(lanes, &item, &DONE, now), LANES_DELIVERED);
    lanes_free(lanes);
}

static void the_window_bounds_it(void **state)
{
    (void)state;
    struct lanes *lanes;
    struct lanes_options options = {.window = 1000, .in_flight_max = 2, .seed = 7};
    assert_int_equal(lanes_new(&options, &lanes, NULL), OL_OK);
    uint8_t key[16] = {9};
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        assert_true(lanes_wants(lanes)); /* one lane only: reading on may find another */
        assert_int_equal(lanes_add(lanes, 3, key, seq, 0, 0), OL_OK);
    }
    assert_false(lanes_wants(lanes));
    assert_int_equal(lanes_add(lanes, 3, key, 1001, 0, 0), OL_FULL);
    lanes_free(lanes);
}

static void out_of_memory_changes_nothing(void **state)
{
    (void)state;
    for (unsigned long n = 1;; n++) {
        struct lanes *lanes = make(4);
        unsigned added = 0;
        int refusals = 0;
        fail_alloc_at(n);
        for (uint64_t seq = 1; seq <= 600; seq++) {
            uint8_t key[16] = {(uint8_t)(seq % 200)};
            ol_status status = lanes_add(lanes, 1, key, seq, 0, 0);
            if (status == OL_OK)
                added++;
            else
                refusals++;
            assert_true(status == OL_OK || status == OL_NOMEM);
        }
        bool failed = fail_alloc_stop();
        assert_int_equal(refusals, failed ? 1 : 0);
        assert_int_equal(lanes_count(lanes), added);
        struct lanes_item item;
        while (lanes_next(lanes, 0, &item)) {
            assert_int_equal(lanes_answer(lanes, &item, &DONE, 0), LANES_DELIVERED);
            added--;
        }
        assert_int_equal(added, 0);
        lanes_free(lanes);
        if (!failed)
            break;
        assert_true(n < 100);
    }
}

/* ---- The model ---- */

#define MODEL_LANES 40
#define MODEL_EVENTS 6000

struct model {
    uint64_t random;
    uint64_t last_of_lane[MODEL_LANES]; /* dealt with */
    uint64_t lane_of[MODEL_EVENTS + 1];
    bool is_in_flight[MODEL_LANES];
    uint8_t dealt[MODEL_EVENTS + 1];
    struct lanes_item flying[16];
    int flying_count;
    uint64_t left;
};

static unsigned draw(struct model *m, unsigned below)
{
    m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((m->random >> 33) % below);
}

static void deal(struct model *m, uint64_t seq)
{
    assert_int_equal(m->dealt[seq], 0);
    m->dealt[seq] = 1;
    m->left--;
    assert_true(m->last_of_lane[m->lane_of[seq]] < seq);
    m->last_of_lane[m->lane_of[seq]] = seq;
}

static void answer_one(struct model *m, struct lanes *lanes, unsigned weather, int64_t now)
{
    int at = (int)draw(m, (unsigned)m->flying_count);
    struct lanes_item item = m->flying[at];
    m->flying[at] = m->flying[--m->flying_count];
    m->is_in_flight[m->lane_of[item.seq]] = false;
    static const struct retry_class *const kinds[] = {&DONE, &LATER, &SUSPECT, &ODD,
                                                      &PARK, &HOLD,  NULL};
    unsigned kind = draw(m, 100) >= weather ? 0 : draw(m, OL_COUNT(kinds));
    if (kinds[kind] == NULL) {
        if (draw(m, 2) == 0) {
            lanes_release(lanes, &item, now, draw(m, 50));
        } else {
            lanes_remove(lanes, &item);
            deal(m, item.seq);
        }
        return;
    }
    switch (lanes_answer(lanes, &item, kinds[kind], now)) {
    case LANES_KEPT:
        assert_int_not_equal(kind, 0);
        break;
    case LANES_PARK:
        if (draw(m, 4) == 0) { /* the dead letter could not be written */
            lanes_release(lanes, &item, now, 20);
            break;
        }
        lanes_remove(lanes, &item);
        deal(m, item.seq);
        break;
    case LANES_DELIVERED:
        assert_int_equal(kind, 0);
        deal(m, item.seq);
        break;
    }
}

static void model_run(uint64_t seed)
{
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->random = seed;
    m->left = MODEL_EVENTS;
    struct lanes *lanes;
    struct lanes_options options = {.window = 50 + draw(m, 500),
                                    .in_flight_max = 1 + (int)draw(m, 16),
                                    .backoff_ms = 10,
                                    .backoff_max_ms = 500,
                                    .hold_ms = 300,
                                    .poison_tries = 1 + (int)draw(m, 4),
                                    .seed = seed};
    assert_int_equal(lanes_new(&options, &lanes, NULL), OL_OK);
    uint64_t seq = 0;
    int64_t now = 0;
    unsigned weather = 0; /* chance of a bad answer in 100 */
    for (unsigned long round = 0; m->left > 0; round++) {
        assert_true(round < 10000000);
        if (round % 500 == 0)
            weather = m->left < 50 ? 0 : draw(m, 3) * 50;
        while (seq < MODEL_EVENTS && lanes_wants(lanes)) {
            m->lane_of[++seq] = draw(m, MODEL_LANES);
            uint8_t key[16] = {(uint8_t)m->lane_of[seq]};
            assert_int_equal(lanes_add(lanes, 1, key, seq, 0, 0), OL_OK);
        }
        struct lanes_item item;
        while (m->flying_count < 16 && lanes_next(lanes, now, &item)) {
            assert_false(m->is_in_flight[m->lane_of[item.seq]]);
            m->is_in_flight[m->lane_of[item.seq]] = true;
            m->flying[m->flying_count++] = item;
            assert_true(m->flying_count <= options.in_flight_max);
        }
        assert_int_equal(lanes_in_flight(lanes), m->flying_count);
        int64_t at = lanes_deadline(lanes);
        if (m->flying_count > 0 && (at == INT64_MAX || draw(m, 3) > 0))
            answer_one(m, lanes, weather, now);
        else if (at != INT64_MAX)
            now = OL_MAX(now, at); /* never stuck: in flight, or a deadline */
        else
            assert_int_equal(lanes_count(lanes), 0);
    }
    assert_int_equal(lanes_count(lanes), 0);
    lanes_free(lanes);
    free(m);
}

static void any_answers_in_any_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        model_run(seed * UINT64_C(0x9E3779B97F4A7C15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_a_lane_many_lanes),
        cmocka_unit_test(a_failing_lane_waits_alone),
        cmocka_unit_test(a_rate_limit_pauses_the_route),
        cmocka_unit_test(poison_is_parked_while_others_succeed),
        cmocka_unit_test(an_outage_counts_nothing),
        cmocka_unit_test(one_lane_alone_is_an_outage_and_holds_nobody_up),
        cmocka_unit_test(denied_holds_everything),
        cmocka_unit_test(the_tenth_refusal_holds),
        cmocka_unit_test(a_release_counts_no_try),
        cmocka_unit_test(alone_until_dealt_with),
        cmocka_unit_test(a_probe_may_be_put_off),
        cmocka_unit_test(the_window_bounds_it),
        cmocka_unit_test(out_of_memory_changes_nothing),
        cmocka_unit_test(any_answers_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
