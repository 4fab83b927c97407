/* SPDX-License-Identifier: Apache-2.0 */
/* Proves agent/deliver/pace.h over simulated time: the rate is reached and not passed, for rates
 * from one event a second to more than there are milliseconds, whatever the sizes; bursts are a
 * tenth of a second's worth; a clock that stands or jumps does no harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "ol_base.h"
#include "pace.h"

/* Send all that may go for @p ms, waking when told. @return events sent. */
static uint64_t send_for(struct pace *p, int64_t from, int64_t ms, uint64_t size)
{
    uint64_t sent = 0;
    for (int64_t now = from; now < from + ms;) {
        int64_t again = pace_wait(p, now);
        if (again != 0) {
            assert_true(again > now); /* or the loop that asks would spin */
            now = again;
            continue;
        }
        pace_take(p, size);
        sent++;
    }
    return sent;
}

static void the_rate_is_kept(void **state)
{
    (void)state;
    static const struct {
        int64_t events, bytes;
        uint64_t size;
        double expected; /* events in ten seconds */
    } rows[] = {
        {1, 0, 2000, 10},
        {7, 0, 2000, 70},
        {50, 0, 2000, 500},
        {1000, 0, 2000, 10000},
        {25000, 0, 2000, 250000},
        {0, 1000, 2000, 5},
        {0, 1 << 20, 2000, 5243},
        {0, 1 << 20, 1 << 22, 2.5},
        {50, 1 << 20, 2000, 500},
        {5000, 100000, 2000, 500},
        {0, INT64_C(1) << 40, 1 << 24, 655360},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct pace p;
        pace_init(&p, rows[i].events, rows[i].bytes, 1000000);
        double sent = (double)send_for(&p, 1000000, 10000, rows[i].size);
        if (sent < rows[i].expected * 0.98 - 1 || sent > rows[i].expected * 1.02 + 2)
            fail_msg("row %zu: %.0f events, expected %.0f", i, sent, rows[i].expected);
    }
}

static void a_burst_is_a_tenth_of_a_second(void **state)
{
    (void)state;
    struct pace p;
    uint64_t sent = 0;
    pace_init(&p, 1000, 0, 5000);
    assert_int_equal(pace_wait(&p, 500000), 0); /* long idle: no more than that is saved up */
    while (pace_wait(&p, 500000) == 0) {
        pace_take(&p, 1);
        sent++;
    }
    assert_int_equal(sent, 100);
}

static void no_limit_is_none(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 0, 0, 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(pace_wait(&p, 0), 0);
        pace_take(&p, UINT64_C(1) << 24);
    }
}

static void a_clock_that_jumps_does_no_harm(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, 10, 0, 1000);
    while (pace_wait(&p, 1000) == 0)
        pace_take(&p, 1);
    assert_true(pace_wait(&p, 500) > 500); /* back: nothing is refilled */
    assert_int_equal(pace_wait(&p, INT64_MAX / 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(a_burst_is_a_tenth_of_a_second),
        cmocka_unit_test(no_limit_is_none),
        cmocka_unit_test(a_clock_that_jumps_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
