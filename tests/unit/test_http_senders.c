/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the allowance of a sender (rate, burst, debt), that senders are told apart by kind and
 * name, counted by name, and that those without a connection are bounded. */
#include "http_senders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

static struct intake_metrics metrics;

static struct http_senders *make(uint64_t rate, uint64_t burst)
{
    const struct http_sender_limits limits = {.rate = rate, .burst = burst};
    struct http_senders *s = NULL;
    struct ol_error err = {0};
    metrics = (struct intake_metrics){0};
    assert_int_equal(http_senders_new(&limits, &metrics, &s, &err), OL_OK);
    return s;
}

static void allowance(void **state OL_UNUSED)
{
    static const struct {
        int64_t at_ms;
        unsigned wait_s; /* what is answered then; 0: the events are sent */
        uint64_t events;
    } steps[] = {
        {1000, 0, 3},  {1000, 0, 2},                     /* the burst of 5 */
        {1000, 1, 0},  {1099, 1, 0},    {1100, 0, 1},    /* 10 a second: one after 100 ms */
        {1000, 1, 0},                                    /* a clock that goes back gives nothing */
        {1200, 0, 31}, {1300, 3, 0},    {4200, 1, 0},    /* an array of 31 is a debt of 30 */
        {4300, 0, 1},  {1000000, 0, 5}, {1000000, 1, 0}, /* never more than the burst */
    };
    struct http_senders *s = make(10, 5);
    struct http_sender *a = http_sender_ref(s, HTTP_SENDER_KEY, "a");
    struct http_sender *b = http_sender_ref(s, HTTP_SENDER_KEY, "b");
    for (size_t i = 0; i < OL_COUNT(steps); i++) {
        unsigned wait_s = http_sender_wait_s(s, a, steps[i].at_ms);
        if (wait_s != steps[i].wait_s)
            fail_msg("step %zu: %u s, expected %u", i, wait_s, steps[i].wait_s);
        http_sender_charge(s, a, steps[i].events);
    }
    assert_int_equal(http_sender_wait_s(s, b, 1000000), 0); /* each has one of its own */
    http_sender_unref(s, a);
    http_sender_unref(s, b);
    a = http_sender_ref(s, HTTP_SENDER_KEY, "a"); /* a new connection is no new allowance */
    assert_int_equal(http_sender_wait_s(s, a, 1000000), 1);
    http_sender_unref(s, a);
    http_senders_free(s);
}

static void no_limit(void **state OL_UNUSED)
{
    struct http_senders *s = make(0, 0);
    struct http_sender *a = http_sender_ref(s, HTTP_SENDER_ADDRESS, "127.0.0.1");
    http_sender_charge(s, a, 1000000);
    assert_int_equal(http_sender_wait_s(s, a, 1), 0);
    http_sender_unref(s, a);
    http_senders_free(s);
}

static void kinds_and_names(void **state OL_UNUSED)
{
    struct http_senders *s = make(1, 1);
    struct http_sender *key = http_sender_ref(s, HTTP_SENDER_KEY, "x");
    struct http_sender *address = http_sender_ref(s, HTTP_SENDER_ADDRESS, "x");
    assert_ptr_not_equal(key, address);
    assert_ptr_equal(http_sender_ref(s, HTTP_SENDER_KEY, "x"), key);
    assert_int_equal(http_sender_refs(key), 2);
    assert_int_equal(http_sender_refs(address), 1);
    assert_null(http_sender_metrics(address));
    metric_add(&http_sender_metrics(key)->events, 7);
    assert_int_equal(metrics.client_count, 1);
    assert_string_equal(metrics.clients[0].name, "x");
    assert_int_equal(metric_get(&metrics.clients[0].events), 7);
    http_sender_unref(s, key);
    http_sender_unref(s, key);
    http_sender_unref(s, address);
    http_senders_free(s);
}

static void names_past_the_counters(void **state OL_UNUSED)
{
    struct http_senders *s = make(0, 0);
    for (unsigned i = 0; i < CLIENTS_MAX + 20; i++) {
        char name[32];
        snprintf(name, sizeof name, "client-%u", i);
        struct http_sender *a = http_sender_ref(s, HTTP_SENDER_CERTIFICATE, name);
        metric_add(&http_sender_metrics(a)->requests, 1);
        http_sender_unref(s, a);
    }
    assert_int_equal(metrics.client_count, CLIENTS_MAX);
    assert_string_equal(metrics.clients[CLIENTS_MAX - 1].name, "(others)");
    assert_int_equal(metric_get(&metrics.clients[CLIENTS_MAX - 1].requests), 21);
    assert_int_equal(metric_get(&metrics.clients[0].requests), 1);
    http_senders_free(s);
}

static void the_idle_are_bounded(void **state OL_UNUSED)
{
    struct http_senders *s = make(1, 1);
    struct http_sender *held = http_sender_ref(s, HTTP_SENDER_ADDRESS, "held");
    for (unsigned i = 0; i < HTTP_SENDERS_IDLE_MAX * 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        struct http_sender *a = http_sender_ref(s, HTTP_SENDER_ADDRESS, name);
        http_sender_charge(s, a, 1);
        http_sender_unref(s, a);
    }
    assert_int_equal(http_senders_count(s), HTTP_SENDERS_IDLE_MAX + 1);
    /* the newest of them is still known */
    struct http_sender *a = http_sender_ref(s, HTTP_SENDER_ADDRESS, "10.0.31.255");
    assert_int_equal(http_sender_wait_s(s, a, 1), 1);
    http_sender_unref(s, a);
    http_sender_unref(s, held);
    http_senders_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allowance),
        cmocka_unit_test(no_limit),
        cmocka_unit_test(kinds_and_names),
        cmocka_unit_test(names_past_the_counters),
        cmocka_unit_test(the_idle_are_bounded),
    };
    return cmocka_run_group_tests_name("http_senders", tests, NULL, NULL);
}
