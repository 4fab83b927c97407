/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the promises of base/json_read.c: exact ranges for every kind of value in any layout
 * (against a generator that knows them), paths, decoded text, refusal of all that is not JSON with
 * its place, limits, and that any failing allocation is an ordinary error, after which the reader
 * works again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fail_alloc.h"
#include "json_read.h"

static struct ol__json_reader *reader;

static int set_up(void **state)
{
    (void)state;
    return ol__json_reader_new(&reader, NULL) == OL_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ol__json_reader_free(reader);
    ol__json_reader_free(NULL);
    return 0;
}

/* One line per value: type, pointer, text in brackets, range. */
static ol_status list_value(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)err;
    struct ol__buf *out = arg;
    char pointer[200];
    ol__json_pointer(value, pointer, sizeof pointer);
    OL_IGNORE(ol__buf_add_format(out, "%c %s ", "nb#s{[}]"[value->type], pointer), "sticks");
    if (value->type == OL_JSON_BOOL)
        OL_IGNORE(ol__buf_add_text(out, value->boolean ? "yes " : "no "), "sticks");
    if (value->type == OL_JSON_NUMBER || value->type == OL_JSON_STRING) {
        OL_IGNORE(ol__buf_add_char(out, '<'), "sticks");
        for (size_t i = 0; i < value->text.size; i++)
            OL_IGNORE(
                ol__buf_add_char(out, value->text.data[i] != '\0' ? value->text.data[i] : '@'),
                "sticks");
        OL_IGNORE(ol__buf_add_text(out, "> "), "sticks");
    }
    OL_IGNORE(ol__buf_add_format(out, "%zu-%zu\n", value->begin, value->end), "sticks");
    return OL_OK;
}

static void values_paths_and_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *values;
    } cases[] = {
        {"12", "#  <12> 0-2\n"},
        {" -1.5e+3 \n", "#  <-1.5e+3> 1-8\n"},
        {"null", "n  0-4\n"},
        {"\ttrue", "b  yes 1-5\n"},
        {"false ", "b  no 0-5\n"},
        {"\"\"", "s  <> 0-2\n"},
        {"\"abc\"", "s  <abc> 0-5\n"},
        {"\"a\\\"\\\\\"", "s  <a\"\\> 0-7\n"},
        {"\"\\\\\"", "s  <\\> 0-4\n"},
        {"\"\\u0000x\"", "s  <@x> 0-9\n"},
        {"\"\\b\\f\\n\\r\\t\\/\"", "s  <\b\f\n\r\t/> 0-14\n"},
        {"\"\\u00e4\\u20AC\\uD83d\\uDe00\"", "s  <\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80> 0-26\n"},
        /* halves of surrogate pairs */
        {"\"\\ud800\"", "s  <\xef\xbf\xbd> 0-8\n"},
        {"\"\\udc00x\"", "s  <\xef\xbf\xbdx> 0-9\n"},
        {"\"\\ud800\\u0041\"", "s  <\xef\xbf\xbd"
                               "A> 0-14\n"},
        {"\"\\ud800\\ud83d\\ude00\"", "s  <\xef\xbf\xbd\xf0\x9f\x98\x80> 0-20\n"},
        {"\"\\ud800\\\\\"", "s  <\xef\xbf\xbd\\> 0-10\n"},
        {"{}", "{  0-1\n}  0-2\n"},
        {" [ ] ", "[  1-2\n]  1-4\n"},
        {"[1,[2 , 3],{\"a\":4}]", "[  0-1\n# /0 <1> 1-2\n[ /1 3-4\n# /1/0 <2> 4-5\n# /1/1 <3> 8-9\n"
                                  "] /1 3-10\n{ /2 11-12\n# /2/a <4> 16-17\n} /2 11-18\n]  0-19\n"},
        {"{ \"a/b\" : null,\n\"m~n\":true , \"x\\ny\\\"\": \"\\\"\",\"\":[]}",
         "{  0-1\nn /a~1b 10-14\nb /m~0n yes 22-26\ns /x\ny\" <\"> 39-43\n[ / 47-48\n] / 47-49\n}  "
         "0-50\n"},
        {"{\"k\\u0041\":{\"k\\u0042\":1,\"c\":2},\"d\":3}",
         "{  0-1\n{ /kA 11-12\n# /kA/kB <1> 22-23\n# /kA/c <2> 28-29\n} /kA 11-30\n# /d <3> "
         "35-36\n}  "
         "0-37\n"},
        {"{\"a\":1,\"a\":2}", "{  0-1\n# /a <1> 5-6\n# /a <2> 11-12\n}  0-13\n"},
        {"{\"\\u0000\":1}", "{  0-1\n# /\xef\xbf\xbd <1> 10-11\n}  0-12\n"},
        {"[123456789012345678901234567890,1e400]",
         "[  0-1\n# /0 <123456789012345678901234567890> 1-31\n# /1 <1e400> 32-37\n]  0-38\n"},
    };
    struct ol__buf out;
    ol__buf_init(&out, 100000);
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol_error err = {.message = ""};
        ol__buf_reset(&out);
        assert_int_equal(
            ol__json_read(reader, ol__span_text(cases[i].json), NULL, list_value, &out, &err),
            OL_OK);
        assert_string_equal(out.data, cases[i].values);
    }
    ol__buf_release(&out);
}

/* ---- a generator that knows the ranges ---- */

static uint64_t random_state;

static unsigned draw(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 20) % below;
}

struct made {
    struct ol__buf json;
    struct ol__buf values; /* as list_value() writes them */
    char path[2000];
};

static void put_white(struct made *m)
{
    static const char white[] = " \t\r\n";
    while (draw(3) == 0)
        OL_IGNORE(ol__buf_add_char(&m->json, white[draw(4)]), "sticks");
}

/* A string token; its decoded text goes to @p text. */
static void put_string(struct made *m, char *text)
{
    static const char *const parts[][2] = {
        {"a", "a"},
        {"bcd", "bcd"},
        {"\\\"", "\""},
        {"\\\\", "\\"},
        {"\\n", "\n"},
        {"\\u0041", "A"},
        {"\\u00e4", "\xc3\xa4"},
        {"\xe2\x82\xac", "\xe2\x82\xac"},
        {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
        {"\\uDC01", "\xef\xbf\xbd"},
        {"[{,:", "[{,:"},
        {"a longer run of text, past sixteen", "a longer run of text, past sixteen"}};
    OL_IGNORE(ol__buf_add_char(&m->json, '"'), "sticks");
    text[0] = '\0';
    bool is_plain = draw(2) == 0;
    for (unsigned n = draw(5); n > 0; n--) {
        unsigned p = is_plain ? draw(2) : draw(OL_COUNT(parts));
        OL_IGNORE(ol__buf_add_text(&m->json, parts[p][0]), "sticks");
        strcat(text, parts[p][1]);
    }
    OL_IGNORE(ol__buf_add_char(&m->json, '"'), "sticks");
}

static void note(struct made *m, char type, const char *text, size_t begin)
{
    OL_IGNORE(ol__buf_add_format(&m->values, "%c %s %s%zu-%zu\n", type, m->path, text, begin,
                                 m->json.size),
              "sticks");
}

static void put_value(struct made *m, int depth)
{
    static const char *const numbers[] = {"0",   "-1",      "12.5",
                                          "1e5", "-0.1E-7", "98765432109876543210"};
    char text[600];
    char shown[610];
    size_t begin = m->json.size;
    size_t path = strlen(m->path);
    unsigned kind = draw(depth > 6 ? 5 : 8);
    switch (kind) {
    case 0:
        OL_IGNORE(ol__buf_add_text(&m->json, "null"), "sticks");
        note(m, 'n', "", begin);
        break;
    case 1:
    case 2:
        OL_IGNORE(ol__buf_add_text(&m->json, kind == 1 ? "true" : "false"), "sticks");
        note(m, 'b', kind == 1 ? "yes " : "no ", begin);
        break;
    case 3:
        snprintf(text, sizeof text, "%s", numbers[draw(OL_COUNT(numbers))]);
        OL_IGNORE(ol__buf_add_text(&m->json, text), "sticks");
        snprintf(shown, sizeof shown, "<%s> ", text);
        note(m, '#', shown, begin);
        break;
    case 4:
        put_string(m, text);
        snprintf(shown, sizeof shown, "<%s> ", text);
        note(m, 's', shown, begin);
        break;
    default: {
        bool is_array = kind == 5;
        OL_IGNORE(ol__buf_add_char(&m->json, is_array ? '[' : '{'), "sticks");
        note(m, is_array ? '[' : '{', "", begin);
        put_white(m);
        unsigned count = draw(5);
        for (unsigned i = 0; i < count; i++) {
            if (is_array) {
                snprintf(m->path + path, 20, "/%u", i);
            } else {
                put_string(m, text);
                put_white(m);
                OL_IGNORE(ol__buf_add_char(&m->json, ':'), "sticks");
                put_white(m);
                snprintf(m->path + path, sizeof m->path - path, "/%s", text);
            }
            put_value(m, depth + 1);
            m->path[path] = '\0';
            put_white(m);
            if (i + 1 < count) {
                OL_IGNORE(ol__buf_add_char(&m->json, ','), "sticks");
                put_white(m);
            }
        }
        OL_IGNORE(ol__buf_add_char(&m->json, is_array ? ']' : '}'), "sticks");
        note(m, is_array ? ']' : '}', "", begin);
    }
    }
}

static ol_status list_with_long_pointers(void *arg, const struct ol__json_value *value,
                                         struct ol_error *err)
{
    (void)err;
    struct ol__buf *out = arg;
    char pointer[2000]; /* the generator does not escape, and makes no / or ~ */
    ol__json_pointer(value, pointer, sizeof pointer);
    OL_IGNORE(ol__buf_add_format(out, "%c %s ", "nb#s{[}]"[value->type], pointer), "sticks");
    if (value->type == OL_JSON_BOOL)
        OL_IGNORE(ol__buf_add_text(out, value->boolean ? "yes " : "no "), "sticks");
    if (value->type == OL_JSON_NUMBER || value->type == OL_JSON_STRING)
        OL_IGNORE(ol__buf_add_format(out, "<%.*s> ", (int)value->text.size, value->text.data),
                  "sticks");
    OL_IGNORE(ol__buf_add_format(out, "%zu-%zu\n", value->begin, value->end), "sticks");
    return OL_OK;
}

static void generated_texts_give_their_ranges(void **state)
{
    (void)state;
    struct made m = {.path = ""};
    struct ol__buf out;
    struct ol__buf small;
    ol__buf_init(&m.json, 1 << 22);
    ol__buf_init(&m.values, 1 << 22);
    ol__buf_init(&out, 1 << 22);
    ol__buf_init(&small, 1 << 22);
    for (unsigned seed = 1; seed <= 3000; seed++) {
        random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
        ol__buf_reset(&m.json);
        ol__buf_reset(&m.values);
        ol__buf_reset(&out);
        ol__buf_reset(&small);
        put_white(&m);
        put_value(&m, 0);
        put_white(&m);
        assert_int_equal(m.json.status | m.values.status, OL_OK);
        /* a copy of exactly the size, so that reading past it is seen */
        char *exact = malloc(m.json.size);
        assert_non_null(exact);
        memcpy(exact, m.json.data, m.json.size);
        struct ol__span json = {.data = exact, .size = m.json.size};
        assert_int_equal(ol__json_read(reader, json, NULL, list_with_long_pointers, &out, NULL),
                         OL_OK);
        assert_string_equal(out.data, m.values.data);
        /* cut anywhere it is no JSON any more, unless only white space went or a number got shorter
         */
        size_t cut = draw((unsigned)m.json.size);
        json.size = cut;
        ol_status status = ol__json_read(reader, json, NULL, NULL, NULL, NULL);
        if (m.json.data[0] == '{' || m.json.data[0] == '[') {
            size_t last = m.json.size;
            while (strchr(" \t\r\n", m.json.data[last - 1]) != NULL)
                last--;
            assert_int_equal(status, cut >= last ? OL_OK : OL_INVALID);
        }
        free(exact);
    }
    ol__buf_release(&m.json);
    ol__buf_release(&m.values);
    ol__buf_release(&out);
    ol__buf_release(&small);
}

static void what_is_not_json_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *message; /* begins with; NULL: only refused */
    } cases[] = {
        {"", "not JSON at byte 0: parse error: premature EOF"},
        {"  ", "not JSON at byte 2: parse error: premature EOF"},
        {"{\"run\":{\"facets\":xx}}",
         "not JSON at byte 17 (/run/facets): lexical error: invalid char "
         "in json text"},
        {"{\n\"run\":\n{\"facets\":xx}}",
         "not JSON at byte 19, line 3 (/run/facets): lexical error"},
        {"[1,,2]", "not JSON at byte 3: parse error"},
        {"[[1],[2,{\"a\":}]]", "not JSON at byte 13 (/1/1/a): parse error"},
        {"{\"a\":1,}", "not JSON at byte 7: parse error"},
        {"{\"a\" 1}", "not JSON at byte 5 (/a): parse error"},
        {"{true:1}", "not JSON at byte 1: parse error"},
        {"[1 2]", "not JSON at byte 3: parse error"},
        {"[\"abc\" \"def\"]", "not JSON at byte 7: parse error"},
        {"nul", "not JSON at byte 3: lexical error"},
        {"\"abc", "not JSON at byte 4: parse error: premature EOF"},
        {"\"abc\\", "not JSON at byte 5: lexical error"},
        {"{\"a\":[1,2", "not JSON at byte 9 (/a): parse error: premature EOF"},
        {"{} x", "not JSON at byte 3: parse error: trailing garbage"},
        {"{} \"x", "not JSON at byte 3: parse error: trailing garbage"},
        {"{}\n\"", "not JSON at byte 3, line 2: parse error: trailing garbage"},
        {"1 \"", "not JSON at byte 2: parse error: trailing garbage"},
        {"{}{}", "not JSON at byte 2: parse error: trailing garbage"},
        {"[1]]", "not JSON at byte 3: parse error: trailing garbage"},
        {"\"a\\qb\"", "not JSON at byte 3: lexical error"},
        {"\"a\nb\"", "not JSON at byte 2: lexical error"},
        {"\"\\u12g4\"", "not JSON at byte 5: lexical error"},
        {"\xef\xbb\xbf{}", "not JSON at byte 0: lexical error"},
        {"/* */1", "not JSON at byte 0: lexical error"},
        {"01", NULL},
        {"1.", NULL},
        {"-", NULL},
        {".5", NULL},
        {"+1", NULL},
        {"1e", NULL},
        {"NaN", NULL},
        {"'a'", NULL},
        {"[1,]", NULL},
        {"{a:1}", NULL},
        {"[\v1]", "not JSON at byte 1: lexical error: not white"},
        {"\f[1]", "not JSON at byte 0: lexical error: not white"},
        {"[1] \f", "not JSON at byte 4: lexical error: not white"},
        {"[1\v]", "not JSON at byte 2: lexical error: not white"},
        {"{\v\"a\":1}", "not JSON at byte 1: lexical error: not white"},
        {"{\"a\":\v1}", "not JSON at byte 5 (/a): lexical error: not white"},
        {"TRUE", NULL},
        {"{\"a\":\"\xff\"}", "not JSON at byte 6 (/a): not UTF-8"},
        {"\"\xc3\x28\"", "not JSON at byte 1: not UTF-8"},
        {"\"\xc0\xaf\"", "not JSON at byte 1: not UTF-8"},
        {"\"\xed\xa0\x80\"", "not JSON at byte 1: not UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "not JSON at byte 1: not UTF-8"},
        {"\"\xe2\x82", "not JSON at byte 1: not UTF-8"},
        {"[\xff]", "not JSON at byte 1: not UTF-8"},
        {"[x,\xff]", "not JSON at byte 1: lexical error"}, /* the first thing wrong */
    };
    struct ol__buf out;
    ol__buf_init(&out, 1000);
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol_error err = {.message = ""};
        struct ol__span json = ol__span_text(cases[i].json);
        assert_int_equal(ol__json_read(reader, json, NULL, NULL, NULL, &err), OL_INVALID);
        assert_int_equal(err.status, OL_INVALID);
        assert_false(err.is_retryable);
        if (cases[i].message != NULL &&
            strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            assert_string_equal(err.message, cases[i].message);
        assert_int_equal(ol__json_read(reader, json, NULL, NULL, NULL, NULL), OL_INVALID);
        assert_int_equal(ol__json_minify(reader, json, NULL, &out, NULL), OL_INVALID);
        assert_int_equal(out.size, 0);
    }
    ol__buf_release(&out);
    struct ol__span nul = {.data = "[1\0]", .size = 4};
    assert_int_equal(ol__json_read(reader, nul, NULL, NULL, NULL, NULL), OL_INVALID);
    assert_int_equal(ol__json_read(reader, (struct ol__span){0}, NULL, NULL, NULL, NULL),
                     OL_INVALID);
}

static void limits_hold(void **state)
{
    (void)state;
    char json[600];
    for (size_t depth = 1; depth <= 200; depth++)
        for (size_t max = 0; max <= 200; max = max == 0 ? 1 : max * 2) {
            for (size_t i = 0; i < depth; i++) {
                json[i] = '[';
                json[2 * depth - 1 - i] = ']';
            }
            struct ol__json_limits limits = {.depth_max = max};
            struct ol_error err;
            size_t allowed = max == 0 || max > OL_JSON_DEPTH_MAX ? OL_JSON_DEPTH_MAX : max;
            struct ol__span text = {.data = json, .size = 2 * depth};
            ol_status status = ol__json_read(reader, text, &limits, NULL, NULL, &err);
            assert_int_equal(status, depth <= allowed ? OL_OK : OL_INVALID);
            if (status != OL_OK) {
                char expected[60];
                snprintf(expected, sizeof expected, "nested deeper than %zu levels", allowed);
                assert_non_null(strstr(err.message, expected));
                snprintf(expected, sizeof expected, "at byte %zu", allowed);
                assert_non_null(strstr(err.message, expected));
            }
        }
    struct ol__json_limits limits = {.size_max = 5};
    struct ol_error err;
    assert_int_equal(ol__json_read(reader, OL_SPAN_LIT("[1,2]"), &limits, NULL, NULL, &err), OL_OK);
    assert_int_equal(ol__json_read(reader, OL_SPAN_LIT("[1,2] "), &limits, NULL, NULL, &err),
                     OL_TOO_LARGE);
    assert_string_equal(err.message, "JSON text of 6 bytes, more than 5");
}

struct stop {
    size_t after;
    ol_status with;
    size_t calls;
};

static ol_status stop_handler(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)value;
    struct stop *stop = arg;
    if (++stop->calls < stop->after)
        return OL_OK;
    return stop->with < 0 ? ol__error_set(err, stop->with, "enough") : stop->with;
}

static void handlers_stop(void **state)
{
    (void)state;
    struct ol__span good = OL_SPAN_LIT("{\"a\":[1,\"x\\n\",{\"k\\n\":2}],\"b\":null}");
    struct ol__span bad = OL_SPAN_LIT("{\"a\":[1,\"x\\n\",{\"k\\n\":2}],\"b\":nil}");
    for (size_t after = 1; after <= 8; after++) {
        struct ol_error err = {.message = ""};
        struct stop stop = {.after = after, .with = OL_DENIED};
        assert_int_equal(ol__json_read(reader, good, NULL, stop_handler, &stop, &err), OL_DENIED);
        assert_string_equal(err.message, "enough");
        assert_int_equal(stop.calls, after);
        stop = (struct stop){.after = after, .with = OL_END};
        assert_int_equal(ol__json_read(reader, good, NULL, stop_handler, &stop, &err), OL_OK);
        assert_int_equal(stop.calls, after);
        /* after OL_END the rest is checked still, and its place is known */
        stop = (struct stop){.after = after, .with = OL_END};
        assert_int_equal(ol__json_read(reader, bad, NULL, stop_handler, &stop, &err), OL_INVALID);
        assert_non_null(strstr(err.message, "at byte 30 (/b)"));
    }
}

static ol_status check_at(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)err;
    int *found = arg;
    static const char *const run_id[] = {"run", "runId"};
    static const char *const names[] = {"inputs", "*", "name"};
    if (ol__json_at(value, run_id, 2))
        *found += 1;
    if (ol__json_at(value, names, 3))
        *found += 10;
    if (ol__json_at(value, NULL, 0))
        *found += 100;
    return OL_OK;
}

static void paths_are_matched(void **state)
{
    (void)state;
    int found = 0;
    struct ol__span json =
        OL_SPAN_LIT("{\"run\":{\"runId\":1,\"runI\":2,\"runIdx\":2},\"inputs\":"
                    "[{\"name\":1},{\"name\":2,\"n\":{\"name\":3}}],\"runId\":5}");
    assert_int_equal(ol__json_read(reader, json, NULL, check_at, &found, NULL), OL_OK);
    assert_int_equal(found, 1 + 20 + 200); /* the root begins and ends */
}

static ol_status cut_pointer(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)arg;
    (void)err;
    if (value->type != OL_JSON_NULL)
        return OL_OK;
    static const char whole[] = "/a/\xe2\x82\xac/0/~1~0";
    for (size_t size = 1; size < 20; size++) {
        char out[20];
        memset(out, 'x', sizeof out);
        ol__json_pointer(value, out, size);
        size_t length = strlen(out);
        assert_true(length < size);
        assert_memory_equal(out, whole, length);
        /* never inside of a character or of an escape */
        assert_true(length != 4 && length != 5 && length != 10 && length != 12);
        if (size > strlen(whole))
            assert_string_equal(out, whole);
    }
    return OL_OK;
}

static void pointers_are_cut_between_characters(void **state)
{
    (void)state;
    struct ol__span json = OL_SPAN_LIT("{\"a\":{\"\xe2\x82\xac\":[{\"/~\":null}]}}");
    assert_int_equal(ol__json_read(reader, json, NULL, cut_pointer, NULL, NULL), OL_OK);
}

/* Keys with escapes live as long as their object, however many come after them. */
static ol_status keep_first_key(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    (void)err;
    struct ol__span *first = arg;
    if (value->depth == 1 && first->data == NULL)
        *first = value->path[0].key;
    if (value->depth == 1)
        assert_true(ol__span_equal(*first, OL_SPAN_LIT("first\n")));
    return OL_OK;
}

static void keys_live_as_long_as_their_object(void **state)
{
    (void)state;
    struct ol__buf json;
    ol__buf_init(&json, 1 << 20);
    assert_int_equal(ol__buf_add_text(&json, "{\"first\\n\":0"), OL_OK);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(
            ol__buf_add_format(&json, ",\"key\\t%d\":{\"in\\ner\":[{\"\\\\\":%d}]}", i, i), OL_OK);
    assert_int_equal(ol__buf_add_char(&json, '}'), OL_OK);
    struct ol__span first = {0};
    assert_int_equal(ol__json_read(reader, (struct ol__span){json.data, json.size}, NULL,
                                   keep_first_key, &first, NULL),
                     OL_OK);
    assert_non_null(first.data);
    ol__buf_release(&json);
}

static void minify_drops_white_space_only(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{" { \"a b\" : [ 1.50 , \"\\u0041 \\\" \" , true ] }\n",
                                            "{\"a b\":[1.50,\"\\u0041 \\\" \",true]}"},
                                           {"{\n\t\"a\":\r\n{}}", "{\"a\":{}}"},
                                           {"[]", "[]"},
                                           {" 1 ", "1"},
                                           {"\"  \\\\\"", "\"  \\\\\""}};
    struct ol__buf out;
    ol__buf_init(&out, 1000);
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        ol__buf_reset(&out);
        assert_int_equal(ol__buf_add_char(&out, '>'), OL_OK);
        assert_int_equal(ol__json_minify(reader, ol__span_text(cases[i][0]), NULL, &out, NULL),
                         OL_OK);
        assert_string_equal(out.data + 1, cases[i][1]);
    }
    ol__buf_release(&out);
    struct ol_error err;
    ol__buf_init(&out, 5);
    assert_int_equal(ol__buf_add_text(&out, "123"), OL_OK);
    assert_int_equal(ol__json_minify(reader, OL_SPAN_LIT("[ 1 , 2 ]"), NULL, &out, &err),
                     OL_TOO_LARGE);
    assert_string_equal(out.data, "123");
    ol__buf_release(&out);
}

static void each_failing_allocation_is_reported(void **state)
{
    (void)state;
    /* long strings, keys with escapes and deep nesting make every kind of memory grow */
    struct ol__buf json;
    ol__buf_init(&json, 1 << 20);
    assert_int_equal(ol__buf_add_text(&json, "[\""), OL_OK);
    for (int i = 0; i < 30000; i++)
        assert_int_equal(ol__buf_add_text(&json, "x\\n"), OL_OK);
    assert_int_equal(ol__buf_add_text(&json, "\",{\"k"), OL_OK);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(ol__buf_add_text(&json, "\\\\"), OL_OK);
    assert_int_equal(ol__buf_add_text(&json, "\":"), OL_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(ol__buf_add_text(&json, "["), OL_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(ol__buf_add_text(&json, "]"), OL_OK);
    assert_int_equal(ol__buf_add_text(&json, "}, 12345"), OL_OK);
    struct ol__span cut = {.data = json.data,
                           .size = json.size}; /* a premature end: yajl_get_error */
    assert_int_equal(ol__buf_add_text(&json, "]"), OL_OK);
    struct ol__span whole = {.data = json.data, .size = json.size};
    cut.data = json.data;
    unsigned long n = 1;
    for (;; n++) {
        struct ol__json_reader *fresh = NULL;
        struct ol__buf out;
        struct ol_error err = {.message = ""};
        ol__buf_init(&out, 1 << 24);
        fail_alloc_at(n);
        ol_status status = ol__json_reader_new(&fresh, &err);
        if (status == OL_OK)
            status = ol__json_minify(fresh, whole, NULL, &out, &err);
        ol_status bad = status;
        if (status == OL_OK)
            bad = ol__json_read(fresh, cut, NULL, list_value, &out, &err);
        bool failed = fail_alloc_stop();
        bool was_reported = status == OL_NOMEM || bad == OL_NOMEM || out.status == OL_NOMEM;
        assert_int_equal(failed, was_reported);
        if (!failed) {
            assert_int_equal(status, OL_OK);
            assert_int_equal(bad, OL_INVALID);
        } else {
            assert_true(out.status == OL_NOMEM || err.status == OL_NOMEM);
        }
        if (fresh != NULL) /* and the reader still works */
            assert_int_equal(ol__json_read(fresh, whole, NULL, NULL, NULL, NULL), OL_OK);
        ol__json_reader_free(fresh);
        ol__buf_release(&out);
        if (!failed)
            break;
    }
    assert_true(n > 8);
    ol__buf_release(&json);
}

static void a_warm_reader_allocates_nothing(void **state)
{
    (void)state;
    struct ol__span json = OL_SPAN_LIT("{\"a\\n\":\"b\\n\",\"c\":[1,2,{\"d\":\"e\"}]}");
    assert_int_equal(ol__json_read(reader, json, NULL, NULL, NULL, NULL), OL_OK);
    fail_alloc_from(1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ol__json_read(reader, json, NULL, NULL, NULL, NULL), OL_OK);
    assert_false(fail_alloc_stop());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_paths_and_ranges),
        cmocka_unit_test(generated_texts_give_their_ranges),
        cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(handlers_stop),
        cmocka_unit_test(paths_are_matched),
        cmocka_unit_test(pointers_are_cut_between_characters),
        cmocka_unit_test(keys_live_as_long_as_their_object),
        cmocka_unit_test(minify_drops_white_space_only),
        cmocka_unit_test(each_failing_allocation_is_reported),
        cmocka_unit_test(a_warm_reader_allocates_nothing),
    };
    return cmocka_run_group_tests_name("json_read", tests, set_up, tear_down);
}
