/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: every type reads, prints and reads back; every refusal names file, line, key and what is
 * allowed, with a suggestion where one is near; the manual is made from the table; failing
 * allocations are errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fail_alloc.h"
#include "settings.h"

struct route {
    char *name;
    char *token;
    int on_lag;
    struct ol__text_list only;
    int64_t line;
};

struct program {
    char *listen;
    char *note;
    bool strict;
    int64_t workers;
    int64_t floor;
    int64_t spool_max;
    int64_t spool_keep;
    int64_t store_keep;
    int level;
    struct ol__text_list tags;
    struct ol__setting_items routes;
};

static const struct ol__setting route_table[] = {
    {.key = "name",
     .type = OL_SETTING_TEXT,
     .offset = offsetof(struct route, name),
     .is_required = true,
     .help = "Its name."},
    {.key = "on_lag",
     .type = OL_SETTING_ENUM,
     .offset = offsetof(struct route, on_lag),
     .default_value = "pin",
     .choices = "pin|detach",
     .help = "What to do."},
    {.key = "auth.token",
     .type = OL_SETTING_TEXT,
     .offset = offsetof(struct route, token),
     .is_secret = true,
     .help = "Secret."},
    {.key = "only", .type = OL_SETTING_TEXT_LIST, .offset = offsetof(struct route, only), .max = 3},
    {.key = "(line)", .type = OL_SETTING_INT, .offset = offsetof(struct route, line)},
    {0}};

static const struct ol__setting table[] = {
    {.key = "listen",
     .type = OL_SETTING_TEXT,
     .offset = offsetof(struct program, listen),
     .default_value = "/run/x.sock",
     .help = ".starts with a dot and has a \\ in it."},
    {.key = "spool.max_bytes",
     .type = OL_SETTING_SIZE,
     .offset = offsetof(struct program, spool_max),
     .default_value = "2GiB",
     .min = 1024,
     .max = INT64_C(1) << 40,
     .help = "Ceiling."},
    {.key = "note", .type = OL_SETTING_TEXT, .offset = offsetof(struct program, note)},
    {.key = "strict",
     .type = OL_SETTING_BOOL,
     .offset = offsetof(struct program, strict),
     .default_value = "off"},
    {.key = "workers",
     .type = OL_SETTING_INT,
     .offset = offsetof(struct program, workers),
     .default_value = "4",
     .min = -2,
     .max = 64},
    {.key = "floor",
     .type = OL_SETTING_INT,
     .offset = offsetof(struct program, floor),
     .min = 5,
     .max = 9},
    {.key = "spool.keep",
     .type = OL_SETTING_TIME,
     .offset = offsetof(struct program, spool_keep),
     .default_value = "7d"},
    {.key = "store.deep.keep",
     .type = OL_SETTING_TIME,
     .offset = offsetof(struct program, store_keep),
     .default_value = "1500ms"},
    {.key = "level",
     .type = OL_SETTING_ENUM,
     .offset = offsetof(struct program, level),
     .default_value = "info",
     .choices = "debug|info|warning"},
    {.key = "tags",
     .type = OL_SETTING_TEXT_LIST,
     .offset = offsetof(struct program, tags),
     .default_value = "a, b",
     .help = "Tags."},
    {.key = "proxy", .type = OL_SETTING_TEXT, .reserved = "it comes with version 2"},
    {.key = "routes",
     .type = OL_SETTING_LIST,
     .offset = offsetof(struct program, routes),
     .table = route_table,
     .item_size = sizeof(struct route),
     .max = 2,
     .help = "Routes."},
    {0}};

static ol_status read_text(struct program *p, const char *yaml, struct ol_error *err)
{
    memset(p, 0, sizeof *p);
    ol_status status = ol__settings_defaults(table, p, err);
    if (status == OL_OK)
        status = ol__settings_read(table, p, "f.yaml", ol__span_text(yaml), err);
    return status;
}

static void defaults_are_set(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "# nothing\n", "---\n", "{}",
                                        "spool:\nstore:\n  deep:\n"};
    for (size_t i = 0; i < OL_COUNT(empty); i++) {
        struct program p;
        assert_int_equal(read_text(&p, empty[i], NULL), OL_OK);
        assert_string_equal(p.listen, "/run/x.sock");
        assert_null(p.note);
        assert_false(p.strict);
        assert_int_equal(p.workers, 4);
        assert_true(p.spool_max == INT64_C(2) << 30);
        assert_int_equal(p.spool_keep, 7 * 86400000);
        assert_int_equal(p.store_keep, 1500);
        assert_int_equal(p.level, 1);
        assert_int_equal(p.tags.count, 2);
        assert_string_equal(p.tags.items[1], "b");
        assert_int_equal(p.routes.count, 0);
        ol__settings_release(table, &p);
        ol__settings_release(table, &p); /* twice does no harm */
    }
}

static const char whole[] = "# a comment\n"
                            "listen: 'a: b'\n"
                            "note: \"\\x01 \\\"\\\\ \\u00e4\\u2028\\x7f\\n \\U0001F600 :\"\n"
                            "strict: yes\n"
                            "workers: -1\n"
                            "spool:\n"
                            "  max_bytes: 64KiB\n"
                            "  keep: 36h\n"
                            "store: {deep: {keep: 0}}\n"
                            "level: warning\n"
                            "tags: [x, 'y, z', \"\"]\n"
                            "routes:\n"
                            "  - name: one\n"
                            "    on_lag: detach\n"
                            "    auth:\n"
                            "      token: geheim\n"
                            "  - {name: two, only: [p, q, r]}\n";

static void check_whole(const struct program *p)
{
    const struct route *routes = p->routes.items;
    assert_string_equal(p->listen, "a: b");
    assert_string_equal(p->note, "\x01 \"\\ \xc3\xa4\xe2\x80\xa8\x7f\n \xf0\x9f\x98\x80 :");
    assert_true(p->strict);
    assert_int_equal(p->workers, -1);
    assert_int_equal(p->spool_max, 65536);
    assert_int_equal(p->spool_keep, 36 * 3600000);
    assert_int_equal(p->store_keep, 0);
    assert_int_equal(p->level, 2);
    assert_int_equal(p->tags.count, 3);
    assert_string_equal(p->tags.items[1], "y, z");
    assert_string_equal(p->tags.items[2], "");
    assert_int_equal(p->routes.count, 2);
    assert_string_equal(routes[0].name, "one");
    assert_int_equal(routes[0].on_lag, 1);
    assert_string_equal(routes[1].name, "two");
    assert_int_equal(routes[1].on_lag, 0);
    assert_int_equal(routes[1].only.count, 3);
    assert_string_equal(routes[1].only.items[2], "r");
}

static void all_types_read_print_and_read_back(void **state)
{
    (void)state;
    struct program p;
    struct ol_error err = {.message = ""};
    assert_int_equal(read_text(&p, whole, &err), OL_OK);
    check_whole(&p);
    const struct route *routes = p.routes.items;
    assert_string_equal(routes[0].token, "geheim");
    assert_null(routes[1].token);
    assert_int_equal(routes[0].line, 13);
    assert_int_equal(routes[1].line, 17);
    struct ol__buf out;
    ol__buf_init(&out, 100000);
    assert_int_equal(ol__settings_print(table, &p, &out), OL_OK);
    ol__settings_release(table, &p);
    assert_null(strstr(out.data, "geheim"));
    assert_non_null(strstr(out.data, "# token: (set)"));
    assert_non_null(strstr(out.data, "# floor: (not set)"));
    assert_null(strstr(out.data, "proxy"));
    assert_null(strstr(out.data, "(line)"));
    assert_int_equal(read_text(&p, out.data, &err), OL_OK);
    check_whole(&p);
    struct ol__buf again;
    ol__buf_init(&again, 100000);
    free(((struct route *)p.routes.items)[0].token);
    ((struct route *)p.routes.items)[0].token = strdup("other");
    assert_int_equal(ol__settings_print(table, &p, &again), OL_OK);
    assert_string_equal(again.data, out.data);
    ol__settings_release(table, &p);
    ol__buf_release(&out);
    ol__buf_release(&again);
}

static void the_defaults_print_and_read_back(void **state)
{
    (void)state;
    struct program p;
    struct ol__buf out;
    ol__buf_init(&out, 100000);
    assert_int_equal(read_text(&p, "", NULL), OL_OK);
    assert_int_equal(ol__settings_print(table, &p, &out), OL_OK);
    ol__settings_release(table, &p);
    assert_string_equal(out.data, "listen: \"/run/x.sock\"\n"
                                  "spool:\n"
                                  "  max_bytes: 2GiB\n"
                                  "  keep: 7d\n"
                                  "# note: (not set)\n"
                                  "strict: false\n"
                                  "workers: 4\n"
                                  "# floor: (not set)\n"
                                  "store:\n"
                                  "  deep:\n"
                                  "    keep: 1500ms\n"
                                  "level: info\n"
                                  "tags:\n"
                                  "  - \"a\"\n"
                                  "  - \"b\"\n"
                                  "routes: []\n");
    assert_int_equal(read_text(&p, out.data, NULL), OL_OK);
    ol__settings_release(table, &p);
    ol__buf_release(&out);
}

static void refusals_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *message;
    } cases[] = {
        {"\n\nlisen: x", "f.yaml:3: lisen: there is no such setting (did you mean 'listen'?)"},
        {"spool:\n  max_byte: 1",
         "f.yaml:2: spool.max_byte: there is no such setting (did you mean "
         "'spool.max_bytes'?)"},
        {"spol:\n  keep: 1", "f.yaml:1: spol: there is no such setting (did you mean 'spool'?)"},
        {"max_bytes: 1",
         "f.yaml:1: max_bytes: there is no such setting (did you mean 'spool.max_bytes'?)"},
        {"nonsense: 1", "f.yaml:1: nonsense: there is no such setting"},
        {"prox: 1",
         "f.yaml:1: prox: there is no such setting"}, /* reserved ones are not suggested */
        {"proxy: x", "f.yaml:1: proxy: is not for use yet: it comes with version 2"},
        {"(line): 1", "f.yaml:1: (line): there is no such setting"},
        {"routes:\n  - name: a\n    on_lag: pinn",
         "f.yaml:3: routes[0].on_lag: 'pinn' is not one of pin, detach (did you mean 'pin'?)"},
        {"level: loud", "f.yaml:1: level: 'loud' is not one of debug, info, warning"},
        {"level: ifno", "f.yaml:1: level: 'ifno' is not one of debug, info, warning (did you mean "
                        "'info'?)"},
        {"routes:\n  - name: a\n  - {name: b, auth: {tokn: x}}",
         "f.yaml:3: routes[1].auth.tokn: there is no such setting (did you mean 'auth.token'?)"},
        {"routes:\n  - on_lag: pin", "f.yaml:2: routes[0]: 'name' is missing"},
        {"routes:\n  -", "f.yaml:2: routes[0]: 'name' is missing"},
        {"routes:\n  - x", "f.yaml:2: routes[0]: a section is needed, not a single value"},
        {"routes: x", "f.yaml:1: routes: a list is needed, not a single value"},
        {"routes: {name: x}", "f.yaml:1: routes: a list is needed, not a section"},
        {"routes: [{name: a},{name: b},{name: c}]", "f.yaml:1: routes: more than 2 elements"},
        {"routes: [{name: a, only: [a,b,c,d]}]", "f.yaml:1: routes[0].only: more than 3 elements"},
        {"tags: a", "f.yaml:1: tags: a list is needed, not a single value"},
        {"tags:", "f.yaml:1: tags: a list is needed, not nothing"},
        {"tags:\n - a\n - [b]", "f.yaml:3: tags: text is needed, not a list"},
        {"listen: [a]", "f.yaml:1: listen: a single value is needed, not a list"},
        {"listen: {a: b}", "f.yaml:1: listen: a single value is needed, not a section"},
        {"listen:", "f.yaml:1: listen: a single value is needed, not nothing"},
        {"listen: ~", "f.yaml:1: listen: a single value is needed, not nothing"},
        {"listen: \"a\\0b\"", "f.yaml:1: listen: the text has a NUL character in it"},
        {"spool: 7", "f.yaml:1: spool: a section is needed, not a single value"},
        {"listen: a\nlisten: b", "f.yaml:2: listen: was set before, on line 1"},
        {"spool: {keep: 1d}\nspool: {max_bytes: 1M}", "f.yaml:2: spool: was set before, on line 1"},
        {"spool: {keep: 1d}\nspool.keep: 1d", "f.yaml:2: spool.keep: was set before, on line 1"},
        {"strict: maybe", "f.yaml:1: strict: 'maybe' is not true or false"},
        {"strict: True", "f.yaml:1: strict: 'True' is not true or false"},
        {"workers: 65", "f.yaml:1: workers: 65 is not from -2 to 64"},
        {"workers: 4x", "f.yaml:1: workers: '4x' is not a whole number"},
        {"workers: 1.5", "f.yaml:1: workers: '1.5' is not a whole number"},
        {"workers: ''", "f.yaml:1: workers: '' is not a whole number"},
        {"workers: 9223372036854775808",
         "f.yaml:1: workers: '9223372036854775808' is not a whole number"},
        {"spool: {max_bytes: 1000}", "f.yaml:1: spool.max_bytes: 1000 is not from 1KiB to 1TiB"},
        {"spool: {max_bytes: 9999999TiB}",
         "f.yaml:1: spool.max_bytes: '9999999TiB' is not a size such "
         "as 512, 64KiB or 2GiB"},
        {"spool: {max_bytes: -1}",
         "f.yaml:1: spool.max_bytes: '-1' is not a size such as 512, 64KiB or 2GiB"},
        {"spool: {keep: 10}",
         "f.yaml:1: spool.keep: '10' is not a time such as 500ms, 10s, 5m, 24h or 7d"},
        {"a: &x b", "f.yaml:1: an anchor (&name) is not supported here"},
        {"listen: a\nnote: *x", "f.yaml:2: an alias (*name) is not supported here"},
        {"listen: !!str a", "f.yaml:1: a tag (!name) is not supported here"},
        {"%YAML 1.1\n---\nlisten: a", "f.yaml:1: a directive is not supported here"},
        {"listen: a\n---\nlisten: b", "f.yaml:2: a second document is not supported here"},
        {"[1]", "f.yaml:1: settings are needed, not a list"},
        {"text", "f.yaml:1: settings are needed, not a single value"},
        {"[a]: b", "f.yaml:1: a key is needed, not a list"},
        {"a: b\n c: d", "f.yaml:2: not YAML: mapping values are not allowed in this context"},
        {"listen: \"a",
         "f.yaml:1: not YAML: found unexpected end of stream while scanning a quoted "
         "scalar"},
        {"listen: a\nnote: \xff", "f.yaml:2: not UTF-8"},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct program p;
        struct ol_error err = {.message = ""};
        assert_int_equal(read_text(&p, cases[i].yaml, &err), OL_CONFIG);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(err.status, OL_CONFIG);
        ol__settings_release(table, &p);
        assert_int_equal(read_text(&p, cases[i].yaml, NULL), OL_CONFIG);
        ol__settings_release(table, &p);
    }
}

static void monsters_are_refused(void **state)
{
    (void)state;
    struct ol__buf yaml;
    struct program p;
    struct ol_error err;
    ol__buf_init(&yaml, 8 << 20);
    for (int i = 0; i < 50; i++)
        assert_int_equal(ol__buf_add_char(&yaml, '['), OL_OK);
    assert_int_equal(read_text(&p, yaml.data, &err), OL_CONFIG);
    assert_string_equal(err.message, "f.yaml:1: nested deeper than 32 levels");
    ol__settings_release(table, &p);
    ol__buf_reset(&yaml);
    for (int i = 0; i < 300; i++)
        assert_int_equal(ol__buf_add_char(&yaml, 'k'), OL_OK);
    assert_int_equal(ol__buf_add_text(&yaml, ": 1"), OL_OK);
    assert_int_equal(read_text(&p, yaml.data, &err), OL_CONFIG);
    assert_non_null(strstr(err.message, "a key that is too long"));
    ol__settings_release(table, &p);
    ol__buf_reset(&yaml);
    for (int i = 0; i < 500000; i++)
        assert_int_equal(ol__buf_add_text(&yaml, "# comment\n"), OL_OK);
    assert_int_equal(read_text(&p, yaml.data, &err), OL_CONFIG);
    assert_string_equal(err.message, "f.yaml:1: more than 4194304 bytes");
    ol__settings_release(table, &p);
    ol__buf_release(&yaml);
}

static void sizes_and_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } sizes[] = {{"1024", 1024},          {"2048B", 2048}, {"1K", 1024},
                 {"1KiB", 1024},          {"2 KiB", 2048}, {"3M", 3 << 20},
                 {"3MiB", 3 << 20},       {"2kB", 2000},   {"2MB", 2000000},
                 {"1GB", 1000000000},     {"1G", 1 << 30}, {"1TB", INT64_C(1000000000000)},
                 {"1T", INT64_C(1) << 40}},
      times[] = {{"0", 0},       {"5ms", 5},        {"10s", 10000},
                 {"5m", 300000}, {"24h", 86400000}, {"30d", INT64_C(2592000000)},
                 {"0s", 0}};
    struct program p;
    assert_int_equal(read_text(&p, "", NULL), OL_OK);
    for (size_t i = 0; i < OL_COUNT(sizes); i++) {
        assert_int_equal(ol__settings_set(table, &p, "spool.max_bytes", sizes[i].text, NULL),
                         OL_OK);
        assert_true(p.spool_max == sizes[i].value);
    }
    for (size_t i = 0; i < OL_COUNT(times); i++) {
        assert_int_equal(ol__settings_set(table, &p, "spool.keep", times[i].text, NULL), OL_OK);
        assert_true(p.spool_keep == times[i].value);
    }
    ol__settings_release(table, &p);
}

static void the_command_line_sets_one(void **state)
{
    (void)state;
    struct program p;
    struct ol_error err;
    assert_int_equal(read_text(&p, "", NULL), OL_OK);
    assert_int_equal(ol__settings_set(table, &p, "listen", "elsewhere", &err), OL_OK);
    assert_string_equal(p.listen, "elsewhere");
    assert_int_equal(ol__settings_set(table, &p, "tags", " one,two words ,, three", &err), OL_OK);
    assert_int_equal(p.tags.count, 3);
    assert_string_equal(p.tags.items[0], "one");
    assert_string_equal(p.tags.items[1], "two words");
    assert_int_equal(ol__settings_set(table, &p, "tags", "", &err), OL_OK);
    assert_int_equal(p.tags.count, 0);
    static const struct {
        const char *key;
        const char *value;
        const char *message;
    } cases[] = {
        {"lissen", "x", "lissen: there is no such setting (did you mean 'listen'?)"},
        {"spool.kep", "x", "spool.kep: there is no such setting (did you mean 'spool.keep'?)"},
        {"spool", "x", "spool: is a section, not a setting"},
        {"", "x", ": there is no such setting"},
        {"routes", "x", "routes: can only be set in a file"},
        {"proxy", "x", "proxy: is not for use yet: it comes with version 2"},
        {"listen", "\xff", "listen: the text is not UTF-8"},
        {"workers", "x", "workers: 'x' is not a whole number"},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        assert_int_equal(ol__settings_set(table, &p, cases[i].key, cases[i].value, &err),
                         OL_CONFIG);
        const char *expected = cases[i].message[0] == ':' ? cases[i].message + 2 : cases[i].message;
        assert_string_equal(err.message, expected);
    }
    assert_string_equal(p.listen, "elsewhere"); /* kept by the failures */
    assert_int_equal(p.workers, 4);
    ol__settings_release(table, &p);
}

static void the_manual_is_made_from_the_table(void **state)
{
    (void)state;
    struct ol__buf out;
    ol__buf_init(&out, 100000);
    assert_int_equal(ol__settings_manual(table, &out), OL_OK);
    static const char *const parts[] = {
        ".TP\n\\fBlisten\\fR (text; default /run/x.sock)\n",
        "\n\\&.starts with a dot and has a \\e in it.\n",
        ".TP\n\\fBspool.max_bytes\\fR (size from 1KiB to 1TiB; default 2GiB)\nCeiling.\n",
        ".TP\n\\fBworkers\\fR (number from \\-2 to 64; default 4)\n",
        ".TP\n\\fBlevel\\fR (one of debug, info, warning; default info)\n",
        ".TP\n\\fBroutes\\fR (list of sections, at most 2)\nRoutes.\n",
        ".TP\n\\fBroutes[].name\\fR (text; required)\nIts name.\n",
        ".TP\n\\fBroutes[].only\\fR (list of texts, at most 3)\n",
    };
    for (size_t i = 0; i < OL_COUNT(parts); i++)
        assert_non_null(strstr(out.data, parts[i]));
    assert_null(strstr(out.data, "proxy"));
    assert_null(strstr(out.data, "(line)"));
    ol__buf_release(&out);
}

static void each_failing_allocation_is_reported(void **state)
{
    (void)state;
    unsigned long n = 1;
    for (;; n++) {
        struct program p;
        struct ol_error err = {.message = ""};
        fail_alloc_at(n);
        ol_status status = read_text(&p, whole, &err);
        if (status == OL_OK)
            status = ol__settings_set(table, &p, "tags", "a,b", &err);
        if (status == OL_OK)
            status = ol__settings_set(table, &p, "note", "x", &err);
        bool failed = fail_alloc_stop();
        assert_int_equal(status, failed ? OL_NOMEM : OL_OK);
        if (failed)
            assert_int_equal(err.status, OL_NOMEM);
        ol__settings_release(table, &p);
        if (!failed)
            break;
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_set),
        cmocka_unit_test(all_types_read_print_and_read_back),
        cmocka_unit_test(the_defaults_print_and_read_back),
        cmocka_unit_test(refusals_name_the_place),
        cmocka_unit_test(monsters_are_refused),
        cmocka_unit_test(sizes_and_times),
        cmocka_unit_test(the_command_line_sets_one),
        cmocka_unit_test(the_manual_is_made_from_the_table),
        cmocka_unit_test(each_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
