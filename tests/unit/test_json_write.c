/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the promises of base/json_write.c: every byte value at every place of a run, bad UTF-8
 * repaired as a plain loop would, numbers that read back, the ceiling, and failing allocations. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fail_alloc.h"
#include "json_write.h"

static void objects_and_arrays_get_their_commas(void **state)
{
    (void)state;
    struct ol__buf buf;
    struct ol__json_writer w;
    ol__buf_init(&buf, 10000);
    ol__json_writer_init(&w, &buf);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "a", "x");
    ol__json_member_text(&w, "none", NULL);
    ol__json_member_text_opt(&w, "left out", NULL);
    ol__json_member_text_opt(&w, "kept", "");
    ol__json_member_span(&w, "span", (struct ol__span){.data = "abc", .size = 2});
    ol__json_member_span(&w, "empty", (struct ol__span){0});
    ol__json_key(&w, "list");
    ol__json_begin_array(&w);
    ol__json_int(&w, -1);
    ol__json_begin_array(&w);
    ol__json_end_array(&w);
    ol__json_begin_object(&w);
    ol__json_member_bool(&w, "t", true);
    ol__json_member_bool(&w, "f", false);
    ol__json_end_object(&w);
    ol__json_null(&w);
    ol__json_raw(&w, OL_SPAN_LIT("{\"raw\":1}"));
    ol__json_end_array(&w);
    ol__json_member_int(&w, "i", INT64_MIN);
    ol__json_member_uint(&w, "u", UINT64_MAX);
    ol__json_key_span(&w, OL_SPAN_LIT("q\"\n"));
    ol__json_begin_object(&w);
    ol__json_end_object(&w);
    ol__json_end_object(&w);
    assert_int_equal(buf.status, OL_OK);
    assert_string_equal(buf.data,
                        "{\"a\":\"x\",\"none\":null,\"kept\":\"\",\"span\":\"ab\",\"empty\":\"\","
                        "\"list\":[-1,[],{\"t\":true,\"f\":false},null,{\"raw\":1}],"
                        "\"i\":-9223372036854775808,\"u\":18446744073709551615,\"q\\\"\\n\":{}}");
    assert_int_equal(w.depth, 0);
    ol__buf_release(&buf);
}

/* The same rules, as slowly and plainly as can be. */
static size_t plain_string(const unsigned char *s, size_t size, char *out)
{
    char *p = out;
    *p++ = '"';
    for (size_t i = 0; i < size;) {
        unsigned char c = s[i];
        static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
        const char *letter = NULL;
        for (const char *l = letters; *l != '\0'; l += 2)
            if ((unsigned char)*l == c)
                letter = l + 1;
        if (letter != NULL) {
            p += sprintf(p, "\\%c", *letter);
            i++;
        } else if (c < 0x20) {
            p += sprintf(p, "\\u%04x", c);
            i++;
        } else if (c < 0x80) {
            *p++ = (char)c;
            i++;
        } else {
            /* the table of well-formed sequences, Unicode chapter 3 */
            static const unsigned char rows[][6] = {
                {0xc2, 0xdf, 0x80, 0xbf, 1, 0}, {0xe0, 0xe0, 0xa0, 0xbf, 2, 0},
                {0xe1, 0xec, 0x80, 0xbf, 2, 0}, {0xed, 0xed, 0x80, 0x9f, 2, 0},
                {0xee, 0xef, 0x80, 0xbf, 2, 0}, {0xf0, 0xf0, 0x90, 0xbf, 3, 0},
                {0xf1, 0xf3, 0x80, 0xbf, 3, 0}, {0xf4, 0xf4, 0x80, 0x8f, 3, 0}};
            size_t have = 1;
            size_t want = 0;
            for (size_t r = 0; r < OL_COUNT(rows); r++)
                if (c >= rows[r][0] && c <= rows[r][1]) {
                    want = rows[r][4] + 1u;
                    while (have < want && i + have < size &&
                           s[i + have] >= (have == 1 ? rows[r][2] : 0x80) &&
                           s[i + have] <= (have == 1 ? rows[r][3] : 0xbf))
                        have++;
                }
            if (have == want) {
                memcpy(p, s + i, have);
                p += have;
            } else {
                memcpy(p, "\xef\xbf\xbd", 3);
                p += 3;
            }
            i += have;
        }
    }
    *p++ = '"';
    return (size_t)(p - out);
}

static void check_string(struct ol__buf *buf, const unsigned char *text, size_t size)
{
    static char expected[8192];
    size_t length = plain_string(text, size, expected);
    struct ol__json_writer w;
    ol__buf_reset(buf);
    ol__json_writer_init(&w, buf);
    ol__json_span(&w, (struct ol__span){.data = (const char *)text, .size = size});
    assert_int_equal(buf->status, OL_OK);
    assert_int_equal(buf->size, length);
    assert_memory_equal(buf->data, expected, length);
}

static void every_byte_at_every_place(void **state)
{
    (void)state;
    struct ol__buf buf;
    ol__buf_init(&buf, 100000);
    unsigned char text[40];
    for (size_t size = 1; size <= sizeof text; size++)
        for (size_t at = 0; at < size; at++)
            for (unsigned c = 0; c < 256; c++) {
                memset(text, 'a', size);
                text[at] = (unsigned char)c;
                check_string(&buf, text, size);
            }
    ol__buf_release(&buf);
}

static void random_bytes_come_out_as_from_a_plain_loop(void **state)
{
    (void)state;
    struct ol__buf buf;
    ol__buf_init(&buf, 100000);
    static const unsigned char leads[] = {0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5,
                                          0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xff, '"'};
    unsigned char text[64];
    uint64_t x = 88172645463325252u;
    for (int round = 0; round < 60000; round++) {
        size_t size = 0;
        for (; size < sizeof text; size++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            if ((x & 0xff00) == 0)
                break;
            text[size] = round % 3 == 0   ? (unsigned char)(x >> 32)
                         : round % 3 == 1 ? leads[(x >> 32) % sizeof leads]
                                          : (unsigned char)(' ' + (x >> 32) % 95);
        }
        check_string(&buf, text, size);
    }
    ol__buf_release(&buf);
}

static void bad_text_becomes_replacement_characters(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* a surrogate */
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {"\xe2\x82", "\"\xef\xbf\xbd\""},                             /* cut: one maximal part */
        {"\xf0\x9f\x98x", "\"\xef\xbf\xbdx\""},
        {"\x7f\x1f", "\"\x7f\\u001f\""},
    };
    struct ol__buf buf;
    ol__buf_init(&buf, 1000);
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol__json_writer w;
        ol__buf_reset(&buf);
        ol__json_writer_init(&w, &buf);
        ol__json_text(&w, cases[i].in);
        assert_string_equal(buf.data, cases[i].out);
    }
    ol__buf_release(&buf);
}

static const char *real_text(struct ol__buf *buf, double value)
{
    struct ol__json_writer w;
    ol__buf_reset(buf);
    ol__json_writer_init(&w, buf);
    ol__json_real(&w, value);
    return buf->data;
}

static void reals_read_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"},
                 {0, "0"},
                 {-0.0, "-0"},
                 {1, "1"},
                 {-2.5, "-2.5"},
                 {1.0 / 3, "0.3333333333333333"},
                 {9007199254740993.0, "9007199254740992"},
                 {1e300, "1e+300"},
                 {(double)NAN, "null"},
                 {(double)INFINITY, "null"},
                 {-(double)INFINITY, "null"},
                 {5e-324, "5e-324"},
                 {123456789012345.0, "123456789012345"}};
    struct ol__buf buf;
    ol__buf_init(&buf, 1000);
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        assert_string_equal(real_text(&buf, cases[i].value), cases[i].text);
    uint64_t x = 1;
    for (int i = 0; i < 20000; i++) { /* few digits behind the point: as printf writes them */
        char text[64];
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
        static const double units[] = {2, 1e1, 1e3, 1e6, 1e7, 1024, 3};
        double value = (double)((int64_t)(x >> 20) % 4000000000) / units[i % 7];
        value = i % 2 == 0 ? value : -value / 1000;
        snprintf(text, sizeof text, "%.15g", value);
        if (strtod(text, NULL) == value && strchr(text, 'e') == NULL)
            assert_string_equal(real_text(&buf, value), text);
        assert_true(strtod(real_text(&buf, value), NULL) == value);
    }
    for (int i = 0; i < 20000; i++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
        double value;
        memcpy(&value, &x, sizeof value);
        if (!isfinite(value))
            continue;
        assert_true(strtod(real_text(&buf, value), NULL) == value);
    }
    ol__buf_release(&buf);
}

static void reals_ignore_the_locale(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fa_IR", "ps_AF"};
    struct ol__buf buf;
    ol__buf_init(&buf, 1000);
    bool found = false;
    for (size_t i = 0; i < OL_COUNT(names); i++)
        if (setlocale(LC_NUMERIC, names[i]) != NULL) {
            found = true;
            assert_string_equal(real_text(&buf, 2.5), "2.5");
            assert_string_equal(real_text(&buf, 1.25e-30), "1.25e-30");
        }
    assert_non_null(setlocale(LC_NUMERIC, "C"));
    ol__buf_release(&buf);
    if (!found) {
        print_message("no locale with a decimal comma is installed\n");
        skip();
    }
}

static void write_all(struct ol__buf *buf)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, buf);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "key", "plain text that is longer than sixteen bytes");
    ol__json_member_text(&w, "k\"y", "esc\n\x01\"\\ \xff end");
    ol__json_member_known(&w, "known", 5, "plain text that is longer than sixteen bytes");
    ol__json_member_known(&w, "known", 5, "esc\n\x01\"\\ \xff end");
    ol__json_key_known(&w, "k", 1);
    ol__json_null(&w);
    ol__json_key(&w, "list");
    ol__json_begin_array(&w);
    ol__json_uint(&w, 12345);
    ol__json_raw(&w, OL_SPAN_LIT("[1,2]"));
    for (int i = 0; i < 40; i++)
        ol__json_text(&w, "\x01\x02\x03 0123456789");
    ol__json_end_array(&w);
    ol__json_end_object(&w);
}

/* Keys that need no escape come out as by the ordinary way, whatever their size and their text. */
static void known_keys_come_out_as_others(void **state)
{
    (void)state;
    static const char key[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
    static const char *const texts[] = {"",
                                        "a",
                                        "abc",
                                        "0123456789abcdef",
                                        "0123456789abcdefg",
                                        "\"",
                                        "0123456789abcde\"",
                                        "\n0123",
                                        "caf\xc3\xa9",
                                        "bad \xff"};
    struct ol__buf buf[2];
    ol__buf_init(&buf[0], 100000);
    ol__buf_init(&buf[1], 100000);
    struct ol__json_writer w[2];
    for (int i = 0; i < 2; i++) {
        ol__json_writer_init(&w[i], &buf[i]);
        ol__json_begin_object(&w[i]);
    }
    for (size_t size = 1; size < sizeof key; size++) {
        struct ol__span span = {.data = key, .size = size};
        for (size_t i = 0; i < OL_COUNT(texts); i++) {
            ol__json_member_known(&w[0], key, size, texts[i]);
            ol__json_key_span(&w[1], span);
            ol__json_text(&w[1], texts[i]);
        }
        ol__json_key_known(&w[0], key, size);
        ol__json_key_span(&w[1], span);
        for (int i = 0; i < 2; i++) {
            ol__json_begin_array(&w[i]);
            ol__json_end_array(&w[i]);
        }
    }
    ol__json_end_object(&w[0]);
    ol__json_end_object(&w[1]);
    assert_int_equal(buf[0].status, OL_OK);
    assert_int_equal(buf[0].size, buf[1].size);
    assert_memory_equal(buf[0].data, buf[1].data, buf[0].size);
    ol__buf_release(&buf[0]);
    ol__buf_release(&buf[1]);
}

/* With every ceiling: whole, or failed with a clean prefix; and exactly the size is enough. */
static void ceiling_is_exact(void **state)
{
    (void)state;
    struct ol__buf whole;
    ol__buf_init(&whole, 100000);
    write_all(&whole);
    assert_int_equal(whole.status, OL_OK);
    for (size_t max = 0; max <= whole.size + 3; max++) {
        struct ol__buf buf;
        ol__buf_init(&buf, max);
        write_all(&buf);
        assert_int_equal(buf.status, max >= whole.size ? OL_OK : OL_TOO_LARGE);
        assert_true(buf.size <= max);
        if (buf.data != NULL) {
            assert_memory_equal(buf.data, whole.data, buf.size);
            assert_int_equal(buf.data[buf.size], '\0');
        }
        ol__buf_release(&buf);
    }
    ol__buf_release(&whole);
}

static void each_failing_allocation_sticks(void **state)
{
    (void)state;
    for (unsigned long n = 1;; n++) {
        struct ol__buf buf;
        ol__buf_init(&buf, 100000);
        fail_alloc_at(n);
        write_all(&buf);
        bool failed = fail_alloc_stop();
        assert_int_equal(buf.status, failed ? OL_NOMEM : OL_OK);
        ol__buf_release(&buf);
        if (!failed) {
            assert_true(n > 2);
            break;
        }
    }
}

static void nests_to_its_limit(void **state)
{
    (void)state;
    struct ol__buf buf;
    struct ol__json_writer w;
    ol__buf_init(&buf, 100000);
    ol__json_writer_init(&w, &buf);
    for (int i = 0; i < OL_JSON_WRITE_DEPTH_MAX; i++) {
        if (i % 2 == 0) {
            ol__json_begin_array(&w);
            ol__json_int(&w, i);
        } else {
            ol__json_begin_object(&w);
            ol__json_key(&w, "k");
        }
    }
    ol__json_null(&w);
    for (int i = OL_JSON_WRITE_DEPTH_MAX - 1; i >= 0; i--) {
        if (i % 2 == 0)
            ol__json_end_array(&w);
        else
            ol__json_end_object(&w);
    }
    assert_int_equal(buf.status, OL_OK);
    assert_memory_equal(buf.data, "[0,{\"k\":[2,{\"k\":", 16);
    assert_memory_equal(buf.data + buf.size - 4, "}]}]", 4);
    ol__buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_and_arrays_get_their_commas),
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(random_bytes_come_out_as_from_a_plain_loop),
        cmocka_unit_test(bad_text_becomes_replacement_characters),
        cmocka_unit_test(reals_read_back),
        cmocka_unit_test(reals_ignore_the_locale),
        cmocka_unit_test(known_keys_come_out_as_others),
        cmocka_unit_test(ceiling_is_exact),
        cmocka_unit_test(each_failing_allocation_sticks),
        cmocka_unit_test(nests_to_its_limit),
    };
    return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
