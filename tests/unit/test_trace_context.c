/* SPDX-License-Identifier: Apache-2.0 */
/* W3C traceparent and baggage as texts: what is one and what is not, and that percent encoding
 * loses nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "trace_context.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static void traceparent(void **state)
{
    static const struct {
        const char *text, *again; /* NULL: is none */
    } rows[] = {
        {"00-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01"},
        {"00-" TRACE "-" SPAN "-00", "00-" TRACE "-" SPAN "-00"},
        {" \t00-" TRACE "-" SPAN "-03 ", "00-" TRACE "-" SPAN "-03"},
        {"00-" TRACE "-" SPAN "-ff", "00-" TRACE "-" SPAN "-03"}, /* flags nobody defined yet */
        {"cc-" TRACE "-" SPAN "-01", "00-" TRACE "-" SPAN "-01"}, /* a later version */
        {"01-" TRACE "-" SPAN "-01-what-comes", "00-" TRACE "-" SPAN "-01"},
        {"01-" TRACE "-" SPAN "-01what-comes", NULL},
        {"00-" TRACE "-" SPAN "-01-what-comes", NULL},
        {"00-" TRACE "-" SPAN "-01.", NULL},
        {"ff-" TRACE "-" SPAN "-01", NULL},
        {"00-00000000000000000000000000000000-" SPAN "-01", NULL},
        {"00-" TRACE "-0000000000000000-01", NULL},
        {"00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01", NULL},
        {"00-0af7651916cd43dd8448eb211c80319g-" SPAN "-01", NULL},
        {"00-" TRACE "-" SPAN "-0", NULL},
        {"00-" TRACE "-" SPAN "-0g", NULL},
        {"0-" TRACE "-" SPAN "-01", NULL},
        {"00_" TRACE "-" SPAN "-01", NULL},
        {"00-" TRACE "_" SPAN "-01", NULL},
        {"00-" TRACE "-" SPAN "_01", NULL},
        {TRACE ":" SPAN ":0:1", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__trace trace = {.flags = 77};
        char text[OL_TRACEPARENT_TEXT + 1];
        bool is_one = ol__traceparent_parse(ol__span_text(rows[i].text), &trace);
        if (is_one != (rows[i].again != NULL))
            fail_msg("row %zu: %s", i, rows[i].text);
        if (!is_one) {
            assert_int_equal(trace.flags, 77); /* unchanged */
            continue;
        }
        ol__traceparent_format(&trace, text);
        assert_string_equal(text, rows[i].again);
    }
    struct ol__trace trace; /* exactly so many bytes are read */
    char *cut = malloc(OL_TRACEPARENT_TEXT);
    assert_non_null(cut);
    memcpy(cut, "00-" TRACE "-" SPAN "-01", OL_TRACEPARENT_TEXT);
    assert_true(ol__traceparent_parse((struct ol__span){cut, OL_TRACEPARENT_TEXT}, &trace));
    assert_false(ol__traceparent_parse((struct ol__span){cut, OL_TRACEPARENT_TEXT - 1}, &trace));
    free(cut);
}

static void tracestate(void **state)
{
    char large[OL_TRACESTATE_MAX + 2];
    (void)state;
    memset(large, 'a', sizeof large);
    assert_true(ol__tracestate_is_good(OL_SPAN_LIT("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")));
    assert_true(ol__tracestate_is_good((struct ol__span){large, OL_TRACESTATE_MAX}));
    assert_false(ol__tracestate_is_good((struct ol__span){large, OL_TRACESTATE_MAX + 1}));
    assert_false(ol__tracestate_is_good(OL_SPAN_LIT("")));
    assert_false(ol__tracestate_is_good(OL_SPAN_LIT("a=b\r\nSet-Cookie: c")));
    assert_false(ol__tracestate_is_good(OL_SPAN_LIT("a=\xc3\xa4")));
}

static void members(void **state)
{
    static const struct {
        const char *list;
        const char *want; /* KEY:VALUE of each, "!" for a malformed one */
    } rows[] = {
        {"a=1", "a:1 "},
        {"a=1,b=2", "a:1 b:2 "},
        {" a = 1 ;p;q=r , b=2\t", "a:1 b:2 "},
        {"a=", "a: "},
        {"a=b=c", "a:b=c "},
        {"", ""},
        {" , ,", ""},
        {"a,b=2", "! b:2 "},
        {"=1,b=2", "! b:2 "},
        {"a b=1,b=2", "! b:2 "},
        {"a(=1,b=2", "! b:2 "},
        {"a=1\r\nX: y,b=2", "! b:2 "},
        {"a=\xc3\xa4,b=2", "! b:2 "},
        {"a=%C3%A4,b=2", "a:%C3%A4 b:2 "},
        {"a;p=1,b=2", "! b:2 "},
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol__span rest = ol__span_text(rows[i].list);
        struct ol__baggage_member member;
        struct ol__buf told;
        ol_status status;
        ol__buf_init(&told, 1000);
        ol__buf_add_text(&told, ">");
        while ((status = ol__baggage_next(&rest, &member)) != OL_END) {
            if (status == OL_OK)
                ol__buf_add_format(&told, "%.*s:%.*s ", (int)member.key.size, member.key.data,
                                   (int)member.value.size, member.value.data);
            else
                ol__buf_add_text(&told, "! ");
        }
        if (strcmp(told.data + 1, rows[i].want) != 0)
            fail_msg("row %zu: '%s', expected '%s'", i, told.data, rows[i].want);
        assert_int_equal(ol__baggage_next(&rest, &member), OL_END);
        ol__buf_release(&told);
    }
}

static void values(void **state)
{
    static const struct {
        const char *encoded, *decoded; /* NULL: malformed */
    } rows[] = {
        {"", ""},
        {"plain-1.2_~", "plain-1.2_~"},
        {"a%20b", "a b"},
        {"%C3%A4", "\xc3\xa4"},
        {"%c3%a4%2C", "\xc3\xa4,"},
        {"a=b/c:d", "a=b/c:d"},
        {"%25", "%"},
        {"%", NULL},
        {"%2", NULL},
        {"a%2", NULL},
        {"%2g", NULL},
        {"%%20", NULL},
        {"%00", NULL},
        {"a b", NULL},
        {"a\"b", NULL},
        {"a\\b", NULL},
        {"\xc3\xa4", NULL},
    };
    struct ol__buf text;
    (void)state;
    ol__buf_init(&text, 4096);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        ol__buf_reset(&text);
        ol__buf_add_text(&text, ">");
        ol_status status = ol__baggage_decode(ol__span_text(rows[i].encoded), &text);
        if (status != (rows[i].decoded != NULL ? OL_OK : OL_INVALID))
            fail_msg("row %zu: %s", i, rows[i].encoded);
        assert_string_equal(text.data + 1, rows[i].decoded != NULL ? rows[i].decoded : "");
    }
    /* every byte but NUL, there and back */
    char all[255];
    struct ol__buf again;
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)(i + 1);
    ol__buf_reset(&text);
    ol__buf_init(&again, 4096);
    ol__baggage_encode((struct ol__span){all, sizeof all}, &text);
    assert_null(strpbrk(text.data, " \",;\\\r\n"));
    assert_int_equal(ol__baggage_decode((struct ol__span){text.data, text.size}, &again), OL_OK);
    assert_int_equal(again.size, sizeof all);
    assert_memory_equal(again.data, all, sizeof all);
    ol__buf_release(&again);
    ol__buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traceparent),
        cmocka_unit_test(tracestate),
        cmocka_unit_test(members),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
