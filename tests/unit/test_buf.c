/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the promises of base/buf.c: the ceiling, the NUL, sticky failure without change, and that
 * the failure of any allocation is reported and survived. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "buf.h"
#include "fail_alloc.h"

static void appends_and_terminates(void **state)
{
    (void)state;
    struct ol__buf buf;
    ol__buf_init(&buf, 1 << 20);
    assert_null(buf.data);
    assert_int_equal(ol__buf_add(&buf, "", 0), OL_OK);
    assert_null(buf.data);
    assert_int_equal(ol__buf_add_text(&buf, "ab"), OL_OK);
    assert_int_equal(ol__buf_add_char(&buf, 'c'), OL_OK);
    assert_int_equal(ol__buf_add_format(&buf, "-%d", 42), OL_OK);
    assert_string_equal(buf.data, "abc-42");
    assert_int_equal(buf.size, 6);
    ol__buf_consume(&buf, 0);
    ol__buf_consume(&buf, 2);
    assert_string_equal(buf.data, "c-42");
    ol__buf_truncate(&buf, 1);
    assert_string_equal(buf.data, "c");
    char *room = ol__buf_room(&buf, 1000);
    assert_non_null(room);
    memset(room, 'x', 1000);
    ol__buf_grow(&buf, 1000);
    assert_int_equal(buf.size, 1001);
    assert_int_equal(strlen(buf.data), 1001);
    ol__buf_reset(&buf);
    assert_string_equal(buf.data, "");
    ol__buf_release(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.max, 1 << 20);
}

static void formats_of_any_length(void **state)
{
    (void)state;
    struct ol__buf buf;
    ol__buf_init(&buf, 1 << 20);
    for (int width = 250; width < 262; width++) { /* around the small buffer inside */
        ol__buf_reset(&buf);
        assert_int_equal(ol__buf_add_format(&buf, "%*d", width, 7), OL_OK);
        assert_int_equal(buf.size, width);
        assert_int_equal(strlen(buf.data), width);
        assert_int_equal(buf.data[width - 1], '7');
    }
    ol__buf_release(&buf);
}

static void ceiling_holds_and_sticks(void **state)
{
    (void)state;
    struct ol__buf buf;
    ol__buf_init(&buf, 10);
    assert_int_equal(ol__buf_add_text(&buf, "12345678"), OL_OK);
    assert_int_equal(ol__buf_add_text(&buf, "abc"), OL_TOO_LARGE);
    assert_string_equal(buf.data, "12345678");
    assert_int_equal(ol__buf_add_text(&buf, "a"), OL_TOO_LARGE); /* sticky, though it would fit */
    assert_int_equal(ol__buf_add_format(&buf, "%d", 1), OL_TOO_LARGE);
    assert_null(ol__buf_room(&buf, 1));
    assert_null(ol__buf_take(&buf));
    ol__buf_reset(&buf);
    assert_int_equal(ol__buf_add_text(&buf, "1234567890"), OL_OK); /* exactly full */
    assert_int_equal(ol__buf_add_char(&buf, '1'), OL_TOO_LARGE);
    assert_int_equal(buf.size, 10);
    ol__buf_release(&buf);

    ol__buf_init(&buf, SIZE_MAX);
    assert_int_equal(ol__buf_add_text(&buf, "x"), OL_OK);
    assert_null(ol__buf_room(&buf, SIZE_MAX)); /* no overflow on the way */
    assert_int_equal(buf.status, OL_TOO_LARGE);
    ol__buf_release(&buf);
}

static void taken_bytes_are_the_callers(void **state)
{
    (void)state;
    struct ol__buf buf;
    ol__buf_init(&buf, 100);
    char *empty = ol__buf_take(&buf);
    assert_string_equal(empty, "");
    free(empty);
    assert_int_equal(ol__buf_add_text(&buf, "abc"), OL_OK);
    char *text = ol__buf_take(&buf);
    assert_string_equal(text, "abc");
    assert_null(buf.data);
    assert_int_equal(buf.size, 0);
    free(text);
    struct ol__buf zeroed = {0};
    ol__buf_release(&zeroed);
}

static void each_failing_allocation_is_reported(void **state)
{
    (void)state;
    for (unsigned long n = 1;; n++) {
        struct ol__buf buf;
        ol__buf_init(&buf, 1 << 20);
        char expected[3000];
        size_t size = 0;
        fail_alloc_at(n);
        for (int i = 0; i < 100 && buf.status == OL_OK; i++) {
            if (ol__buf_add(&buf, "0123456789abcdefghijklmno", 25) == OL_OK) {
                memcpy(expected + size, "0123456789abcdefghijklmno", 25);
                size += 25;
            }
        }
        bool failed = fail_alloc_stop();
        assert_int_equal(buf.status, failed ? OL_NOMEM : OL_OK);
        assert_int_equal(buf.size, size);
        if (size > 0)
            assert_memory_equal(buf.data, expected, size);
        assert_int_equal(ol__buf_add_char(&buf, 'x'), buf.status);
        ol__buf_release(&buf);
        if (!failed) {
            assert_true(n > 2);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_terminates),
        cmocka_unit_test(formats_of_any_length),
        cmocka_unit_test(ceiling_holds_and_sticks),
        cmocka_unit_test(taken_bytes_are_the_callers),
        cmocka_unit_test(each_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
