/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that docs/naming.md tells the truth: its table of schemes is that of emitter/name_table.c,
 * each of its lines of names, tables, refusals and ids comes out as it says, each scheme has a
 * line, no secret comes out of any of them, and no name ends in a version. OL_UPDATE_DOCS=1 writes
 * the table of schemes anew. */
#include "emitter_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <openlineage/openlineage.h>
#include "buf.h"
#include "dataset_name.h"

static char *page; /* the whole file */

static void read_page(void)
{
    FILE *file = fopen(OL_NAMING_PAGE, "rb");
    assert_non_null(file);
    page = calloc(1, 256 * 1024);
    assert_non_null(page);
    size_t size = fread(page, 1, 256 * 1024 - 1, file);
    assert_true(size > 0 && size < 256 * 1024 - 1);
    fclose(file);
}

/* Where the part between <!-- name --> and <!-- /name --> begins; its size in @p ret_size. */
static char *find_part(const char *name, size_t *ret_size)
{
    char mark[64];
    snprintf(mark, sizeof mark, "<!-- %s -->\n", name);
    char *begin = strstr(page, mark);
    assert_non_null(begin);
    begin += strlen(mark);
    snprintf(mark, sizeof mark, "<!-- /%s -->\n", name);
    char *end = strstr(begin, mark);
    assert_non_null(end);
    *ret_size = (size_t)(end - begin);
    return begin;
}

/* ---- the table of schemes ---- */

static const char *name_form(const struct ol__name_scheme *s)
{
    static const char *const by_levels[] = {"", "`a`", "`a.b`", "`a.b.c`"};
    switch (s->rule) {
    case OL_NAME_TABLE:
    case OL_NAME_BARE:
        return by_levels[s->levels];
    case OL_NAME_FILE:
    case OL_NAME_PATH:
        return "`/path`";
    case OL_NAME_OBJECT:
        return "key";
    case OL_NAME_REST:
        return "path";
    case OL_NAME_ID:
        return "the rest";
    case OL_NAME_LOCAL:
        return "the file's path, or the table";
    }
    return "?";
}

static void add_port(struct ol__buf *out, unsigned port)
{
    if (port == OL_PORT_NONE)
        ol__buf_add_text(out, " none |");
    else if (port != 0)
        ol__buf_add_format(out, " %u |", port);
    else
        ol__buf_add_text(out, " |");
}

static void write_schemes(struct ol__buf *out)
{
    static const struct {
        enum ol__name_version bit;
        const char *name;
    } versions[] = {{OL_VERSIONED_TAG, "tag"},     {OL_VERSIONED_IMAGE, "image"},
                    {OL_VERSIONED_QUERY, "query"}, {OL_VERSIONED_GENERATION, "generation"},
                    {OL_VERSIONED_LAST, "last"},   {OL_VERSIONED_REF, "ref"},
                    {OL_VERSIONED_REPO, "repo"},   {OL_VERSIONED_OFFSETS, "offsets"}};
    ol__buf_add_text(out, "| scheme | name space | port | behind jdbc: | name | versions | kind |\n"
                          "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < ol__name_scheme_count; i++) {
        const struct ol__name_scheme *s = &ol__name_schemes[i];
        ol__buf_add_format(out, "| `%s`%s | `%s", s->name, s->needs_no_slashes ? " *:*" : "",
                           s->canonical);
        if (s->rule == OL_NAME_FILE)
            ol__buf_add_text(out, "`, `file://host");
        else if (s->rule != OL_NAME_BARE && s->rule != OL_NAME_ID && s->rule != OL_NAME_LOCAL)
            ol__buf_add_text(out, (s->host & OL_HOST_CONTAINER) != 0 ? "://container@account"
                                  : s->port != 0                     ? "://host:port"
                                                                     : "://host");
        for (unsigned n = 0; n < s->segments; n++)
            ol__buf_add_format(out, "/%c", 'a' + (int)n);
        ol__buf_add_text(out, "` |");
        add_port(out, s->port);
        add_port(out, s->jdbc_port);
        ol__buf_add_format(out, " %s |", name_form(s));
        const char *comma = " ";
        for (size_t v = 0; v < sizeof versions / sizeof versions[0]; v++) {
            if ((s->versions & versions[v].bit) != 0) {
                ol__buf_add_format(out, "%s%s", comma, versions[v].name);
                comma = ", ";
            }
        }
        ol__buf_add_format(out, " | %s |\n", s->type != NULL ? s->type : "");
    }
}

static void the_table_of_schemes_is_the_code_s(void **state)
{
    (void)state;
    struct ol__buf out;
    size_t size;
    char *part = find_part("schemes", &size);
    ol__buf_init(&out, 256 * 1024);
    write_schemes(&out);
    assert_int_equal(out.status, OL_OK);
    bool is_same = out.size == size && memcmp(out.data, part, size) == 0;
    if (!is_same && getenv("OL_UPDATE_DOCS") != NULL) {
        FILE *file = fopen(OL_NAMING_PAGE, "wb");
        assert_non_null(file);
        fwrite(page, 1, (size_t)(part - page), file);
        fwrite(out.data, 1, out.size, file);
        fputs(part + size, file);
        assert_int_equal(fclose(file), 0);
        is_same = true;
    }
    if (!is_same)
        fail_msg("docs/naming.md: the table of schemes differs from name_table.c; run %s",
                 "OL_UPDATE_DOCS=1 test_naming_page");
    ol__buf_release(&out);
}

/* ---- the lines ---- */

#define CELLS 5
struct line {
    char cells[CELLS][1024];
};

/* The cells of a line: what stands between backticks, else nothing. */
static bool next_line(char **at, const char *end, struct line *ret)
{
    memset(ret, 0, sizeof *ret);
    while (*at < end) {
        char *newline = memchr(*at, '\n', (size_t)(end - *at));
        char *p = *at;
        *at = newline + 1;
        if (memchr(p, '`', (size_t)(newline - p)) == NULL)
            continue;
        for (int cell = -1; p < newline; p++) {
            if (*p == '|') {
                cell++;
            } else if (*p == '`') {
                char *close = memchr(p + 1, '`', (size_t)(newline - p - 1));
                assert_non_null(close);
                assert_true(cell >= 0 && cell < CELLS && close - p < 1024);
                memcpy(ret->cells[cell], p + 1, (size_t)(close - p - 1));
                p = close;
            }
        }
        return true;
    }
    return false;
}

static void assert_no_secret(const char *given, const char *text)
{
    if (strstr(text, "secret") != NULL)
        fail_msg("%s: a secret in '%s'", given, text);
}

static void each_name_is_as_the_page_says(void **state)
{
    (void)state;
    char space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE],
        version[OL_DATASET_VERSION_SIZE];
    size_t size, count = 0;
    char *at = find_part("names", &size);
    const char *end = at + size;
    bool *seen = calloc(ol__name_scheme_count, sizeof *seen);
    for (struct line l; next_line(&at, end, &l); count++) {
        const char *given = l.cells[0], *kind = ol_dataset_name_type(given);
        struct ol_error err = {.message = ""};
        if (ol_dataset_name(given, space, sizeof space, name, sizeof name, version, sizeof version,
                            &err) != OL_OK)
            fail_msg("%s: %s", given, err.message);
        if (strcmp(space, l.cells[1]) != 0 || strcmp(name, l.cells[2]) != 0 ||
            strcmp(version, l.cells[3]) != 0 || strcmp(kind != NULL ? kind : "", l.cells[4]) != 0)
            fail_msg("%s: '%s' '%s' '%s' '%s', the page says '%s' '%s' '%s' '%s'", given, space,
                     name, version, kind != NULL ? kind : "", l.cells[1], l.cells[2], l.cells[3],
                     l.cells[4]);
        assert_no_secret(given, space);
        assert_no_secret(given, name);
        assert_no_secret(given, version);
        assert_int_equal(ol__name_digest_size(name, strlen(name)), 0);
        size_t scheme = strcspn(given, ":");
        for (size_t i = 0; i < ol__name_scheme_count; i++) {
            const char *own = ol__name_schemes[i].name;
            size_t own_size = strlen(own);
            if (strncasecmp(own, given, own_size) == 0 &&
                (own_size == scheme || given[own_size] == '+'))
                seen[i] = true;
        }
    }
    for (size_t i = 0; i < ol__name_scheme_count; i++)
        if (!seen[i])
            fail_msg("docs/naming.md: no example for scheme '%s'", ol__name_schemes[i].name);
    assert_true(count > ol__name_scheme_count);
    free(seen);
}

static void each_table_is_as_the_page_says(void **state)
{
    (void)state;
    char space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE];
    size_t size, count = 0;
    char *at = find_part("tables", &size);
    const char *end = at + size;
    for (struct line l; next_line(&at, end, &l); count++) {
        struct ol_error err = {.message = ""};
        if (ol_dataset_name_table(l.cells[0], l.cells[1], space, sizeof space, name, sizeof name,
                                  &err) != OL_OK)
            fail_msg("%s: %s", l.cells[0], err.message);
        if (strcmp(space, l.cells[2]) != 0 || strcmp(name, l.cells[3]) != 0)
            fail_msg("%s: '%s' '%s', the page says '%s' '%s'", l.cells[0], space, name, l.cells[2],
                     l.cells[3]);
        assert_no_secret(l.cells[0], space);
        assert_no_secret(l.cells[0], name);
    }
    assert_true(count > 20);
    assert_int_equal(
        ol_dataset_name_table("/a/path", "t", space, sizeof space, name, sizeof name, NULL),
        OL_INVALID);
    assert_int_equal(
        ol_dataset_name_table("s3://bucket", "t", space, sizeof space, name, sizeof name, NULL),
        OL_INVALID);
    assert_int_equal(
        ol_dataset_name_table("kafka://b", "", space, sizeof space, name, sizeof name, NULL),
        OL_INVALID);
    assert_int_equal(ol_dataset_name_table(NULL, "t", space, sizeof space, name, sizeof name, NULL),
                     OL_INVALID);
}

static void what_the_page_refuses_is_refused(void **state)
{
    (void)state;
    char space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE],
        version[OL_DATASET_VERSION_SIZE];
    size_t size, count = 0;
    char *at = find_part("refused", &size);
    const char *end = at + size;
    for (struct line l; next_line(&at, end, &l); count++) {
        struct ol_error err = {.message = ""};
        if (ol_dataset_name(l.cells[0], space, sizeof space, name, sizeof name, version,
                            sizeof version, &err) != OL_INVALID)
            fail_msg("'%s' was taken as '%s' '%s'", l.cells[0], space, name);
        assert_string_not_equal(err.message, "");
        assert_no_secret(l.cells[0], err.message);
        assert_null(ol_dataset_name_type(l.cells[0]));
    }
    assert_true(count > 8);
}

static void each_id_is_as_the_page_says(void **state)
{
    (void)state;
    char id[OL_ID_SIZE];
    size_t size, count = 0;
    char *at = find_part("ids", &size);
    const char *end = at + size;
    for (struct line l; next_line(&at, end, &l); count++) {
        enum ol_id_rule rule = strcmp(l.cells[0], "java") == 0 ? OL_ID_JAVA : OL_ID_PYTHON;
        assert_int_equal(ol_id_derive(rule, l.cells[1], l.cells[2], strlen(l.cells[2]), id, NULL),
                         OL_OK);
        assert_string_equal(id, l.cells[3]);
    }
    assert_true(count > 6);
    count = 0;
    at = find_part("foreign", &size);
    end = at + size;
    for (struct line l; next_line(&at, end, &l); count++) {
        assert_int_equal(ol_id_from_foreign(l.cells[0], l.cells[1], id, NULL), OL_OK);
        assert_string_equal(id, l.cells[2]);
    }
    assert_true(count > 4);
}

static void ids_refuse_what_they_cannot_be_made_of(void **state)
{
    (void)state;
    char id[OL_ID_SIZE] = "untouched";
    struct ol_error err = {.message = ""};
    assert_int_equal(ol_id_derive(OL_ID_PYTHON, "yesterday", "x", 1, id, &err), OL_INVALID);
    assert_non_null(strstr(err.message, "yesterday"));
    assert_int_equal(ol_id_derive(OL_ID_PYTHON, NULL, "x", 1, id, NULL), OL_INVALID);
    assert_int_equal(ol_id_derive(OL_ID_PYTHON, "2025-01-01T00:00:00Z", NULL, 1, id, NULL),
                     OL_INVALID);
    assert_int_equal(ol_id_from_foreign(NULL, NULL, id, NULL), OL_INVALID);
    assert_int_equal(ol_id_from_foreign("a/b", "c", id, NULL), OL_INVALID);
    assert_int_equal(ol_id_derive_airflow_task(OL_MAKE(ol_airflow_task, .dag_id = "d",
                                                       .logical_date = "2025-01-01T00:00:00Z"),
                                               id, &err),
                     OL_INVALID);
    assert_int_equal(ol_id_derive_airflow_dag(NULL, "d", "2025-01-01", 0, id, NULL), OL_INVALID);
    assert_string_equal(id, "untouched");

    assert_int_equal(ol_id_derive_airflow_task(
                         OL_MAKE(ol_airflow_task, .dag_id = "my_dag", .task_id = "my_task",
                                 .logical_date = "2025-01-01T00:00:00+00:00", .try_number = 1),
                         id, NULL),
                     OL_OK);
    assert_string_equal(id, "01941f29-7c00-7837-a31d-d79a7fb36a3d");
    assert_int_equal(ol_id_derive_airflow_dag(NULL, "my_dag", "2025-01-01T00:00:00Z", 0, id, NULL),
                     OL_OK);
    assert_string_equal(id, "01941f29-7c00-709e-becf-9b63d4348e4b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_schemes_is_the_code_s),
        cmocka_unit_test(each_name_is_as_the_page_says),
        cmocka_unit_test(each_table_is_as_the_page_says),
        cmocka_unit_test(what_the_page_refuses_is_refused),
        cmocka_unit_test(each_id_is_as_the_page_says),
        cmocka_unit_test(ids_refuse_what_they_cannot_be_made_of),
    };
    read_page();
    int failed = cmocka_run_group_tests_name("naming_page", tests, NULL, NULL);
    free(page);
    return failed;
}
