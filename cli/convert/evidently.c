/* SPDX-License-Identifier: Apache-2.0 */
/* What Evidently says: a report or test suite up to 0.6 ({"metric", "result"}; tests with
 * "parameters"), and of 0.7 ({"metric_name", "config", "value"}; tests with "metric_config").
 * Promises:
 *  1. Figures are numbers; what was counted by value (the labels of a column) is not told, since
 * these are data. Distributions, which are arrays, are not either.
 *  2. A test that was skipped is no check; one that could not be made failed. */
#include <stdio.h>
#include "convert/quality.h"

#define FLAT_DEPTH_MAX 8

static ol_status failure(const struct ol_error *err)
{
    return err->status != OL_OK ? err->status : OL_NOMEM;
}

/* ---- Figures as they are ---- */

struct flat {
    struct quality *q;
    const char *split;
    struct ol_error *err;
};

static const char *split_of(const char *key)
{
    return strncmp(key, "current", 7) == 0     ? "current"
           : strncmp(key, "reference", 9) == 0 ? "reference"
                                               : NULL;
}

/* Every number below @p node, called by the way to it. */
static ol_status flatten(const struct flat *f, const char *name, const struct json_node *node,
                         int depth)
{
    if (node->type == OL_JSON_NUMBER || node->type == OL_JSON_BOOL) {
        struct quality_metric *m = quality_add_metric(f->q, f->err);
        if (m == NULL)
            return failure(f->err);
        *m = (struct quality_metric){.name = name,
                                     .value = node->type == OL_JSON_NUMBER ? node->text
                                              : node->boolean              ? "1"
                                                                           : "0",
                                     .split = f->split};
        return OL_OK;
    }
    ol_status status = OL_OK;
    if (node->type != OL_JSON_OBJECT || depth == FLAT_DEPTH_MAX)
        return OL_OK;
    for (const struct json_node *n = node->first; n != NULL && status == OL_OK; n = n->next) {
        struct flat below = *f;
        const char *split = depth == 0 ? split_of(n->key) : NULL;
        bool is_side = split != NULL && n->type == OL_JSON_OBJECT;
        if (n->type == OL_JSON_ARRAY || n->type == OL_JSON_STRING || n->type == OL_JSON_NULL)
            continue;
        if (is_side)
            below.split = split;
        const char *path = is_side ? name : quality_format(f->q, "%s.%s", name, n->key);
        if (path == NULL)
            return ol__error_set(f->err, OL_NOMEM, "out of memory");
        status = flatten(&below, path, n, depth + 1);
    }
    return status;
}

/* ---- Up to 0.6 ---- */

static ol_status take_by_column(struct quality *q, const struct json_node *counts, bool is_distinct,
                                struct ol_error *err)
{
    for (const struct json_node *n = counts != NULL ? counts->first : NULL; n != NULL;
         n = n->next) {
        const char *count = quality_whole(q, quality_number(n));
        struct quality_column *c = n->key != NULL ? quality_column(q, n->key, err) : NULL;
        if (c == NULL)
            return failure(err);
        if (is_distinct)
            c->distinct_count = count;
        else
            c->null_count = count;
    }
    return OL_OK;
}

static ol_status take_summary(struct quality *q, const char *column,
                              const struct json_node *figures, struct ol_error *err)
{
    static const char *const names[] = {"p25", "p50", "p75"}, *const ats[] = {"0.25", "0.5",
                                                                              "0.75"};
    struct quality_column *c = quality_column(q, column, err);
    ol_status status = OL_OK;
    if (c == NULL)
        return failure(err);
    c->null_count = quality_whole(q, quality_number(json_get(figures, "missing")));
    c->distinct_count = quality_whole(q, quality_number(json_get(figures, "unique")));
    c->count = quality_number(json_get(figures, "count"));
    c->min = quality_number(json_get(figures, "min"));
    c->max = quality_number(json_get(figures, "max"));
    for (size_t i = 0; i < OL_COUNT(names) && status == OL_OK; i++)
        if (quality_number(json_get(figures, names[i])) != NULL)
            status = quality_add_quantile(q, c, ats[i], quality_number(json_get(figures, names[i])),
                                          err);
    return status;
}

static ol_status take_old_metric(struct quality *q, const struct json_node *each,
                                 const char *pointer, struct ol_error *err)
{
    const char *name = json_get_text(each, "metric");
    const struct json_node *result = json_get(each, "result");
    if (name == NULL)
        return ol__error_set(err, OL_INVALID, "%s/metric: expected the name of a metric", pointer);
    if (result == NULL || result->type != OL_JSON_OBJECT)
        return ol__error_set(err, OL_INVALID, "%s/result: expected an object", pointer);
    const char *column = json_get_text(result, "column_name");
    const struct json_node *current = json_get(result, "current");
    ol_status status = OL_OK;
    if (strcmp(name, "DatasetSummaryMetric") == 0) {
        const char *rows = quality_whole(q, quality_number(json_get(current, "number_of_rows")));
        q->row_count = rows != NULL ? rows : q->row_count;
        status = take_by_column(q, json_get(current, "nans_by_columns"), false, err);
        if (status == OL_OK)
            status = take_by_column(q, json_get(current, "number_uniques_by_columns"), true, err);
    } else if (strcmp(name, "ColumnSummaryMetric") == 0 && column != NULL) {
        status = take_summary(q, column, json_get(result, "current_characteristics"), err);
    }
    const char *called = column != NULL ? quality_format(q, "%s(%s)", name, column) : name;
    if (called == NULL)
        return ol__error_set(err, OL_NOMEM, "out of memory");
    const struct flat flat = {.q = q, .err = err};
    return status == OL_OK ? flatten(&flat, called, result, 0) : status;
}

/* ---- 0.7 ---- */

/* "evidently:metric_v2:RowCount" or "RowCount(...)": the size of RowCount, which *ret begins. */
static size_t kind_of(const struct json_node *config, const char *called, const char **ret)
{
    const char *type = json_get_text(config, "type");
    const char *colon = type != NULL ? strrchr(type, ':') : NULL;
    *ret = colon != NULL ? colon + 1 : type != NULL ? type : called;
    return strcspn(*ret, "(");
}

static bool is_kind(const char *kind, size_t size, const char *wanted)
{
    return strlen(wanted) == size && memcmp(kind, wanted, size) == 0;
}

/* The config's, else what stands in "MinValue(column=price)". */
static const char *column_of(struct quality *q, const struct json_node *config, const char *called)
{
    const char *column = json_get_text(config, "column");
    const char *at = column == NULL && called != NULL ? strstr(called, "column=") : NULL;
    if (at == NULL)
        return column;
    at += strlen("column=");
    return quality_format(q, "%.*s", (int)OL_MIN(strcspn(at, ",)"), (size_t)QUALITY_TEXT_MAX), at);
}

/* Promise 1: how many labels a column has, not which. */
static const char *count_labels(struct quality *q, const struct json_node *counts)
{
    size_t count = 0;
    for (const struct json_node *n = counts->first; n != NULL; n = n->next) {
        const char *number = quality_number(n);
        count += number != NULL && number[strspn(number, "0.")] != '\0';
    }
    return quality_format(q, "%zu", count);
}

static ol_status take_column(struct quality *q, const char *kind, size_t size, const char *column,
                             const struct json_node *config, const struct json_node *value,
                             struct ol_error *err)
{
    static const char *const known[] = {"MissingValueCount", "UniqueValueCount", "MinValue",
                                        "MaxValue",          "SumValue",         "QuantileValue"};
    const char *number = quality_number(value);
    size_t i = 0;
    while (i < OL_COUNT(known) && !is_kind(kind, size, known[i]))
        i++;
    if (i == OL_COUNT(known) || column == NULL)
        return OL_OK;
    struct quality_column *c = quality_column(q, column, err);
    if (c == NULL)
        return failure(err);
    const struct json_node *counts = json_get(value, "counts");
    if (i == 0)
        c->null_count = quality_whole(q, quality_number(json_get(value, "count")));
    else if (i == 1 && counts != NULL)
        c->distinct_count = count_labels(q, counts);
    else if (i == 2)
        c->min = number;
    else if (i == 3)
        c->max = number;
    else if (i == 4)
        c->sum = number;
    const char *at = quality_number(json_get(config, "quantile"));
    return i == 5 && at != NULL && number != NULL ? quality_add_quantile(q, c, at, number, err)
                                                  : OL_OK;
}

static ol_status take_new_metric(struct quality *q, const struct json_node *each,
                                 const char *pointer, struct ol_error *err)
{
    const struct json_node *config = json_get(each, "config"), *value = json_get(each, "value");
    const char *called = json_get_text(each, "metric_name"), *kind;
    if (called == NULL)
        called = json_get_text(each, "metric_id");
    if (called == NULL)
        return ol__error_set(err, OL_INVALID,
                             "%s: expected \"metric\", \"metric_name\" or \"metric_id\"", pointer);
    if (value == NULL)
        return ol__error_set(err, OL_INVALID, "%s/value: expected what was measured", pointer);
    size_t size = kind_of(config, called, &kind);
    if (is_kind(kind, size, "RowCount") && quality_number(value) != NULL)
        q->row_count = quality_whole(q, value->text);
    ol_status status = take_column(q, kind, size, column_of(q, config, called), config, value, err);
    const struct flat flat = {.q = q, .err = err};
    if (status != OL_OK || json_get(value, "counts") != NULL) /* promise 1 */
        return status;
    return flatten(&flat, called, value, 1);
}

/* ---- Tests ---- */

/* "... of the column **price** ..." is the one place where 0.4 says it. */
static const char *column_in(struct quality *q, const char *description)
{
    static const char before[] = "column **";
    const char *at = description != NULL ? strstr(description, before) : NULL;
    const char *end = at != NULL ? strstr(at + sizeof before - 1, "**") : NULL;
    if (end == NULL)
        return NULL;
    at += sizeof before - 1;
    return quality_format(q, "%.*s", (int)OL_MIN((size_t)(end - at), (size_t)QUALITY_TEXT_MAX), at);
}

static const char *measured(struct quality *q, const struct json_node *root, const char *id)
{
    for (const struct json_node *n = json_get_items(root, "metrics"); n != NULL && id != NULL;
         n = n->next) {
        const char *each = json_get_text(n, "id");
        if (each != NULL && strcmp(each, id) == 0)
            return json_get(json_get(n, "value"), "counts") == NULL
                       ? quality_value(q, json_get(n, "value"))
                       : NULL;
    }
    return NULL;
}

static void describe_test(struct quality *q, const struct json_node *root,
                          const struct json_node *test, struct quality_assertion *a)
{
    static const char *const not_said[] = {"type", "is_critical", "alias", "label_filters", NULL};
    const struct json_node *parameters = json_get(test, "parameters");
    const struct json_node *metric = json_get(test, "metric_config");
    if (metric != NULL) {
        a->column = json_get_text(json_get(metric, "params"), "column");
        a->expected = quality_describe(q, json_get(test, "test_config"), not_said);
        a->actual = measured(q, root, json_get_text(metric, "metric_id"));
        a->params = json_get(metric, "params");
        return;
    }
    a->column = json_get_text(parameters, "column_name");
    if (a->column == NULL)
        a->column = column_in(q, a->description);
    a->expected = quality_describe(q, json_get(parameters, "condition"), not_said);
    a->actual = quality_value(q, json_get(parameters, "value"));
    a->params = json_get(parameters, "condition");
}

static ol_status take_test(struct quality *q, const struct json_node *root,
                           const struct json_node *test, const char *pointer, struct ol_error *err)
{
    static const char *const states[] = {"SUCCESS", "FAIL", "WARNING", "ERROR", "SKIPPED"};
    const char *name = json_get_text(test, "name"), *state = json_get_text(test, "status");
    const struct json_node *critical = json_get(json_get(test, "test_config"), "is_critical");
    size_t i = 0;
    if (name == NULL)
        return ol__error_set(err, OL_INVALID, "%s/name: expected the name of a test", pointer);
    while (i < OL_COUNT(states) && (state == NULL || strcmp(state, states[i]) != 0))
        i++;
    if (i == OL_COUNT(states))
        return ol__error_set(err, OL_INVALID,
                             "%s/status: expected SUCCESS, FAIL, WARNING, ERROR or SKIPPED",
                             pointer);
    if (i == 4) /* promise 2 */
        return OL_OK;
    struct quality_assertion *a = quality_add_assertion(q, err);
    if (a == NULL)
        return failure(err);
    *a = (struct quality_assertion){
        .assertion = name,
        .success = i == 0,
        .is_warning =
            i == 2 || (critical != NULL && critical->type == OL_JSON_BOOL && !critical->boolean),
        .description = json_get_text(test, "description")};
    if (a->description != NULL)
        a->description = quality_format(q, "%s", a->description);
    describe_test(q, root, test, a);
    return OL_OK;
}

/* ---- All of it ---- */

static ol_status each_of(struct quality *q, const struct json_node *root, const char *member,
                         bool is_tests, struct ol_error *err)
{
    const struct json_node *list = json_get(root, member);
    char pointer[40];
    size_t index = 0;
    ol_status status = OL_OK;
    if (list != NULL && list->type != OL_JSON_ARRAY) {
        snprintf(pointer, sizeof pointer, "/%s", member);
        return quality_expected(err, pointer, "an array");
    }
    for (const struct json_node *n = list != NULL ? list->first : NULL;
         n != NULL && status == OL_OK; n = n->next) {
        snprintf(pointer, sizeof pointer, "/%s/%zu", member, index++);
        if (n->type != OL_JSON_OBJECT)
            status = quality_expected(err, pointer, "an object");
        else if (is_tests)
            status = take_test(q, root, n, pointer, err);
        else
            status = json_get(n, "metric") != NULL ? take_old_metric(q, n, pointer, err)
                                                   : take_new_metric(q, n, pointer, err);
    }
    return status;
}

ol_status convert_evidently(const struct json_node *root, struct quality *q, struct ol_error *err)
{
    q->tool = "evidently";
    q->version = json_get_text(root, "version");
    if (json_get(root, "metrics") == NULL && json_get(root, "tests") == NULL)
        return quality_expected(err, "", "\"metrics\" of a report, or \"tests\" of a test suite");
    ol_status status = each_of(q, root, "metrics", false, err);
    return status == OL_OK ? each_of(q, root, "tests", true, err) : status;
}
