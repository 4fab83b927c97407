/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: each status and failure of a transfer tells the kind of trouble that `lineage doctor`
 * speaks of, and every kind has a name of its own. */
#include "cause.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "ol_base.h"
#include "times.h"

static void of_statuses(void **state OL_UNUSED)
{
    static const struct {
        int status;
        enum route_cause cause;
    } cases[] = {
        {200, CAUSE_NONE},    {201, CAUSE_NONE},    {302, CAUSE_NOT_FOUND}, {400, CAUSE_REFUSED},
        {401, CAUSE_AUTH},    {403, CAUSE_AUTH},    {404, CAUSE_NOT_FOUND}, {405, CAUSE_NOT_FOUND},
        {407, CAUSE_AUTH},    {408, CAUSE_TIMEOUT}, {413, CAUSE_REFUSED},   {422, CAUSE_REFUSED},
        {429, CAUSE_BUSY},    {500, CAUSE_SERVER},  {502, CAUSE_SERVER},    {503, CAUSE_BUSY},
        {504, CAUSE_TIMEOUT}, {599, CAUSE_SERVER},  {0, CAUSE_BROKEN},      {700, CAUSE_BROKEN},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        assert_int_equal(cause_of_status(cases[i].status), cases[i].cause);
}

static void of_transfers(void **state OL_UNUSED)
{
    static const struct {
        CURLcode result;
        long verify;
        const char *detail;
        enum route_cause cause;
    } cases[] = {
        {CURLE_COULDNT_RESOLVE_HOST, 0, "", CAUSE_DNS},
        {CURLE_COULDNT_CONNECT, 0, "", CAUSE_CONNECT},
        {CURLE_OPERATION_TIMEDOUT, 0, "", CAUSE_TIMEOUT},
        {CURLE_OPERATION_TIMEDOUT, 0, "SSL connection timeout", CAUSE_TLS},
        {CURLE_GOT_NOTHING, 0, "", CAUSE_BROKEN},
        {CURLE_SSL_CONNECT_ERROR, 0, "", CAUSE_TLS},
        {CURLE_PEER_FAILED_VERIFICATION, 18, "", CAUSE_TLS_UNTRUSTED},
        {CURLE_PEER_FAILED_VERIFICATION, 20, "", CAUSE_TLS_UNTRUSTED},
        {CURLE_PEER_FAILED_VERIFICATION, 10, "", CAUSE_TLS_EXPIRED},
        {CURLE_PEER_FAILED_VERIFICATION, 9, "", CAUSE_TLS_EXPIRED},
        {CURLE_PEER_FAILED_VERIFICATION, 0, "SSL: no alternative certificate subject name matches",
         CAUSE_TLS_NAME},
        {CURLE_SSL_CERTPROBLEM, 0, "", CAUSE_CREDENTIALS},
        {CURLE_OUT_OF_MEMORY, 0, "", CAUSE_OTHER},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        assert_int_equal(cause_of_transfer(cases[i].result, cases[i].verify, cases[i].detail),
                         cases[i].cause);
}

static void names(void **state OL_UNUSED)
{
    for (int i = CAUSE_NONE; i <= CAUSE_OTHER; i++)
        for (int j = CAUSE_NONE; j < i; j++)
            assert_string_not_equal(route_cause_name((enum route_cause)i),
                                    route_cause_name((enum route_cause)j));
}

/* To a second, by whatever case and form; what is no date changes nothing. */
static void clocks(void **state OL_UNUSED)
{
    static struct cause_clock clock;
    static struct route_metrics m;
    static const char line[] = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    cause_note_clock(&clock, &m, "Date: nonsense\r\n", 16);
    cause_note_clock(&clock, &m, "Server: x\r\n", 11);
    cause_note_clock(&clock, &m, "Date:", 5);
    assert_int_equal(atomic_load(&m.clock_skew_ms), 0);
    cause_note_clock(&clock, &m, line, sizeof line - 1);
    int64_t expected = ol__time_now_ms() - INT64_C(784111777000);
    assert_in_range(atomic_load(&m.clock_skew_ms), expected - 5000, expected);
}

/* Each value counts below the first bound that is not under it; taken times merge. */
static void histograms(void **state OL_UNUSED)
{
    static struct histogram h;
    static struct taken_times t;
    histogram_add(&h, -5, 1);
    histogram_add(&h, 100, 2);
    histogram_add(&h, 101, 1);
    histogram_add(&h, INT64_C(3600000001), 3);
    assert_int_equal(metric_get(&h.counts[0]), 3);
    assert_int_equal(metric_get(&h.counts[1]), 1);
    assert_int_equal(metric_get(&h.counts[HISTOGRAM_BOUNDS]), 3);
    for (int i = 1; i < HISTOGRAM_BOUNDS; i++)
        assert_true(histogram_bounds_us[i] > histogram_bounds_us[i - 1]);
    uint64_t count = 0;
    for (int i = 0; i < 1000; i++)
        taken_times_add(&t, i * 60);
    assert_int_equal(t.used, TAKEN_ENTRIES);
    for (unsigned i = 0; i < t.used; i++)
        count += t.entries[i].count;
    assert_int_equal(count, 1000);
    assert_int_equal(t.entries[1].ms, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_statuses), cmocka_unit_test(of_transfers), cmocka_unit_test(names),
        cmocka_unit_test(clocks),      cmocka_unit_test(histograms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
