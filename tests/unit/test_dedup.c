/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that a key is found for exactly its window, that the table stays right through
 * wrap-around, eviction and deletion (against a plain model), and that a rolled-back group leaves
 * no trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "dedup.h"

static struct dedup *open_dedup(uint32_t max, int64_t window_ms)
{
    struct dedup *d = NULL;
    struct ol_error err;
    assert_int_equal(dedup_new(max, window_ms, &d, &err), OL_OK);
    return d;
}

/* Keys that fall on few homes, so that probing is long. */
static void make_key(uint64_t n, uint8_t key[DEDUP_KEY_SIZE])
{
    memset(key, 0, DEDUP_KEY_SIZE);
    ol__put_le32(key, (uint32_t)(n % 3));
    ol__put_le32(key + 12, (uint32_t)n);
}

static void window_is_kept(void **state OL_UNUSED)
{
    struct dedup *d = open_dedup(8, 1000);
    uint8_t key[DEDUP_KEY_SIZE];
    make_key(1, key);
    assert_int_equal(dedup_find(d, key, 0), DEDUP_NEW);
    dedup_add(d, key, 0);
    assert_int_equal(dedup_find(d, key, 0), DEDUP_PENDING);
    dedup_commit(d);
    assert_int_equal(dedup_find(d, key, 999), DEDUP_DONE);
    assert_int_equal(dedup_find(d, key, 1000), DEDUP_NEW);
    assert_int_equal(dedup_count(d), 0);
    dedup_free(d);
}

static void pending_keys_outlive_their_window(void **state OL_UNUSED)
{
    /* A sync may hang for minutes; a copy that comes then still waits for it. */
    struct dedup *d = open_dedup(8, 1000);
    uint8_t key[DEDUP_KEY_SIZE];
    make_key(1, key);
    dedup_add(d, key, 0);
    assert_int_equal(dedup_find(d, key, 5000), DEDUP_PENDING);
    dedup_free(d);
}

static void rollback_forgets_only_the_group(void **state OL_UNUSED)
{
    struct dedup *d = open_dedup(8, 1000);
    uint8_t old[DEDUP_KEY_SIZE], lost[DEDUP_KEY_SIZE], more[DEDUP_KEY_SIZE];
    make_key(3, old); /* all with one home */
    make_key(6, lost);
    make_key(9, more);
    dedup_add(d, old, 0);
    dedup_commit(d);
    dedup_add(d, lost, 1);
    dedup_add(d, more, 1);
    dedup_rollback(d);
    assert_int_equal(dedup_find(d, old, 2), DEDUP_DONE);
    assert_int_equal(dedup_find(d, lost, 2), DEDUP_NEW);
    assert_int_equal(dedup_find(d, more, 2), DEDUP_NEW);
    assert_int_equal(dedup_count(d), 1);
    dedup_add(d, lost, 2);
    dedup_commit(d);
    assert_int_equal(dedup_find(d, lost, 3), DEDUP_DONE);
    dedup_free(d);
}

#define MODEL_MAX 64u

static void agrees_with_a_model(void **state OL_UNUSED)
{
    struct dedup *d = open_dedup(MODEL_MAX, 50);
    uint64_t held[MODEL_MAX * 2];
    int64_t times[MODEL_MAX * 2];
    size_t count = 0, committed = 0;
    unsigned seed = 1;
    int64_t now = 0;
    for (int step = 0; step < 20000; step++) {
        uint8_t key[DEDUP_KEY_SIZE];
        seed = seed * 1103515245u + 12345u;
        uint64_t n = seed >> 16 & 127;
        now += (seed >> 8 & 3) == 0;
        while (count > 0 && committed > 0 && times[0] + 50 <= now) {
            memmove(held, held + 1, --count * sizeof *held);
            memmove(times, times + 1, count * sizeof *times);
            committed--;
        }
        size_t at = 0;
        while (at < count && held[at] != n)
            at++;
        enum dedup_found expected = at == count       ? DEDUP_NEW
                                    : at >= committed ? DEDUP_PENDING
                                                      : DEDUP_DONE;
        make_key(n, key);
        assert_int_equal(dedup_find(d, key, now), expected);
        if (expected == DEDUP_NEW) {
            if (count == MODEL_MAX) {
                memmove(held, held + 1, --count * sizeof *held);
                memmove(times, times + 1, count * sizeof *times);
                committed -= committed > 0;
            }
            dedup_add(d, key, now);
            held[count] = n;
            times[count++] = now;
        }
        if ((seed >> 20 & 7) == 0) {
            dedup_commit(d);
            committed = count;
        } else if ((seed >> 20 & 31) == 1) {
            dedup_rollback(d);
            count = committed;
        }
        assert_int_equal(dedup_count(d), count);
    }
    dedup_free(d);
}

static void elements_have_keys_of_their_own(void **state OL_UNUSED)
{
    uint8_t request[DEDUP_KEY_SIZE], a[DEDUP_KEY_SIZE], b[DEDUP_KEY_SIZE];
    make_key(77, request);
    dedup_element_key(request, 0, a);
    assert_memory_equal(a, request, DEDUP_KEY_SIZE);
    dedup_element_key(request, 1, b);
    assert_memory_not_equal(a, b, DEDUP_KEY_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_is_kept),
        cmocka_unit_test(pending_keys_outlive_their_window),
        cmocka_unit_test(rollback_forgets_only_the_group),
        cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(elements_have_keys_of_their_own),
    };
    return cmocka_run_group_tests_name("dedup", tests, NULL, NULL);
}
