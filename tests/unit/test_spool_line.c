/* SPDX-License-Identifier: Apache-2.0 */
/* An event that was exported comes back with the bytes it had, wrapped or bare; what is no event is
 * refused with the reason. An output file is there whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <unistd.h>
#include "files.h"
#include "out_file.h"
#include "spool_line.h"

#define REST                                                                                       \
    "\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"https://e.org/p\","                     \
    "\"job\":{\"namespace\":\"n\",\"name\":\"j\"}}"
#define RUN "\"run\":{\"runId\":\"0190a1b2-0000-7000-8000-000000000001\"},"

static void there_and_back(void **state)
{
    (void)state;
    static const struct {
        const char *event, *bare; /* bare NULL: the same bytes */
    } cases[] = {
        {"{" RUN REST, NULL},
        {"{" REST, NULL},
        {"{ \"x\" : \"\\u0000\\ud800 \xc3\xa9\",\t" RUN REST, NULL},
        {"{\"x\":1.50e+3,\n  \"y\": [ 1, 2 ],\r\n " RUN REST,
         "{\"x\":1.50e+3,\"y\":[1,2]," RUN REST},
        {"{\"event\":{\"a\":1}," RUN REST, NULL},
    };
    struct spool_line *line = NULL;
    assert_int_equal(spool_line_new(&line, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        for (int is_wrapped = 0; is_wrapped < 2; is_wrapped++) {
            struct spool_record record = {.type = SPOOL_EVENT,
                                          .source = SPOOL_FROM_JOURNAL,
                                          .seq = 7 + i,
                                          .uid = 12,
                                          .time_ms = 1000,
                                          .data = ol__span_text(cases[i].event)};
            struct ol__span text, bytes;
            const struct ol__event *event;
            struct ol_error err = {0};
            assert_int_equal(spool_line_write(line, &record, is_wrapped, &text, NULL), OL_OK);
            assert_ptr_equal(memchr(text.data, '\n', text.size), text.data + text.size - 1);
            char *copy = strndup(text.data, text.size - 1);
            assert_non_null(copy);
            if (spool_line_read(line, ol__span_text(copy), &bytes, &event, &err) != OL_OK)
                fail_msg("case %zu: %s", i, err.message);
            const char *expected =
                !is_wrapped && cases[i].bare != NULL ? cases[i].bare : cases[i].event;
            assert_true(ol__span_equal(bytes, ol__span_text(expected)));
            assert_true(ol__span_equal(event->job_name, OL_SPAN_LIT("j")));
            free(copy);
        }
    }
    spool_line_free(line);
}

static void what_is_no_event(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", ""},
        {"x", ""},
        {"[]", "object"},
        {"{\"a\":1}", "/run"},
        {"{\"seq\":1,\"event\":{\"a\":1}}", "/run"},
        {"{\"seq\":1,\"event\":\"{\"}", ""},
        {"{\"seq\":1,\"event\":3}", "/run"},
        {"{" RUN REST "x", ""},
    };
    struct spool_line *line = NULL;
    assert_int_equal(spool_line_new(&line, NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol__span bytes;
        const struct ol__event *event;
        struct ol_error err = {0};
        assert_int_equal(spool_line_read(line, ol__span_text(cases[i].text), &bytes, &event, &err),
                         OL_INVALID);
        if (strstr(err.message, cases[i].why) == NULL)
            fail_msg("case %zu: %s", i, err.message);
    }
    spool_line_free(line);
}

static void a_file_is_whole_or_not_there(void **state)
{
    (void)state;
    char directory[] = "/tmp/test_spool_line.XXXXXX", path[96], other[96];
    struct out_file *out = NULL;
    struct ol_error err = {0};
    struct ol__buf text;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/out", directory);
    snprintf(other, sizeof other, "%s/none/out", directory);
    assert_int_equal(out_file_open(other, &out, &err), OL_NOT_FOUND);
    assert_int_equal(out_file_open(path, &out, &err), OL_OK);
    assert_int_equal(out_file_write(out, "abc", 3, &err), OL_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    out_file_close(out); /* without a commit */
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(out_file_open(path, &out, &err), OL_OK);
    assert_int_equal(out_file_write(out, "abc", 3, &err), OL_OK);
    assert_int_equal(out_file_commit(out, &err), OL_OK);
    out_file_close(out);
    assert_int_equal(out_file_open(path, &out, &err), OL_INVALID);
    ol__buf_init(&text, 100);
    assert_int_equal(ol__fs_read_file(&ol__fs_real, -1, path, &text, NULL), OL_OK);
    assert_int_equal(text.size, 3);
    ol__buf_release(&text);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0); /* no temporary is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back),
                                       cmocka_unit_test(what_is_no_event),
                                       cmocka_unit_test(a_file_is_whole_or_not_there)};
    return cmocka_run_group_tests_name("spool_line", tests, NULL, NULL);
}
