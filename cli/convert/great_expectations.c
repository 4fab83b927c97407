/* SPDX-License-Identifier: Apache-2.0 */
/* A result of Great Expectations: of one validation ("results"), or of a checkpoint, whose
 * validations stand in "run_results" (0.18, 1) or "validation_results" (what 1 describes).
 * Promises:
 *  1. What several data assets have to say is never put together: one of them must be named.
 *  2. Figures of a check that looked at some rows only (row_condition) are left off. */
#include <stdio.h>
#include "convert/quality.h"
#include "times.h"

static const char *const not_said[] = {"column",           "batch_id",       "result_format",
                                       "catch_exceptions", "include_config", NULL};

struct place {
    char pointer[QUALITY_POINTER_MAX];
    struct quality *q;
    struct ol_error *err;
};

static ol_status nomem(struct ol_error *err)
{
    return ol__error_set(err, OL_NOMEM, "out of memory");
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), wanted = strlen(end);
    return size >= wanted && strcmp(text + size - wanted, end) == 0;
}

/* ---- One check ---- */

/* Told for the whole check, or for each figure that it needed. */
static const char *exception_of(const struct json_node *info)
{
    if (json_get_bool(info, "raised_exception"))
        return json_get_text(info, "exception_message");
    for (const struct json_node *n = info != NULL ? info->first : NULL; n != NULL; n = n->next)
        if (n->type == OL_JSON_OBJECT && json_get_bool(n, "raised_exception"))
            return json_get_text(n, "exception_message");
    return NULL;
}

static const char *actual_of(struct quality *q, const struct json_node *each)
{
    const struct json_node *result = json_get(each, "result");
    const char *problem = exception_of(json_get(each, "exception_info"));
    if (problem != NULL)
        return quality_format(q, "could not be checked: %s", problem);
    const char *observed = quality_value(q, json_get(result, "observed_value"));
    if (observed != NULL)
        return observed;
    const char *bad = quality_number(json_get(result, "unexpected_count"));
    const char *of = quality_number(json_get(result, "element_count"));
    if (bad == NULL)
        return NULL;
    return of != NULL ? quality_format(q, "%s of %s unexpected", bad, of)
                      : quality_format(q, "%s unexpected", bad);
}

/* "warning" and "info" are less than an error; 0.18 has no severity but in the meta of users. */
static bool is_warning(const struct json_node *config)
{
    const char *severity = json_get_text(config, "severity");
    if (severity == NULL)
        severity = json_get_text(json_get(config, "meta"), "severity");
    return severity != NULL && (strcmp(severity, "warning") == 0 || strcmp(severity, "warn") == 0 ||
                                strcmp(severity, "info") == 0);
}

static const char *notes_of(struct quality *q, const struct json_node *config)
{
    const char *text = json_get_text(config, "description");
    if (text == NULL)
        text = json_get_text(config, "notes");
    if (text == NULL)
        text = json_get_text(json_get(config, "meta"), "notes");
    return text != NULL ? quality_format(q, "%s", text) : NULL;
}

/* ---- Figures ---- */

static ol_status take_quantiles(struct place *p, struct quality_column *c,
                                const struct json_node *observed)
{
    const struct json_node *at = json_get_items(observed, "quantiles");
    const struct json_node *value = json_get_items(observed, "values");
    ol_status status = OL_OK;
    for (; at != NULL && value != NULL && status == OL_OK; at = at->next, value = value->next)
        if (quality_number(at) != NULL && quality_number(value) != NULL)
            status = quality_add_quantile(p->q, c, at->text, value->text, p->err);
    return status;
}

static ol_status take_observed(struct place *p, struct quality_column *c, const char *type,
                               const struct json_node *observed)
{
    const char *number = quality_number(observed);
    if (strcmp(type, "expect_column_quantile_values_to_be_between") == 0)
        return take_quantiles(p, c, observed);
    if (number == NULL)
        return OL_OK;
    if (strcmp(type, "expect_column_min_to_be_between") == 0)
        c->min = number;
    else if (strcmp(type, "expect_column_max_to_be_between") == 0)
        c->max = number;
    else if (strcmp(type, "expect_column_sum_to_be_between") == 0)
        c->sum = number;
    else if (strcmp(type, "expect_column_unique_value_count_to_be_between") == 0)
        c->distinct_count = quality_whole(p->q, number);
    else if (strcmp(type, "expect_column_median_to_be_between") == 0)
        return quality_add_quantile(p->q, c, "0.5", number, p->err);
    return OL_OK;
}

static bool has_figures(const struct quality_column *c)
{
    return c->null_count != NULL || c->distinct_count != NULL || c->sum != NULL || c->min != NULL ||
           c->max != NULL || c->quantiles != NULL;
}

static ol_status take_figures(struct place *p, const char *type, const struct json_node *kwargs,
                              const struct json_node *result)
{
    struct quality *q = p->q;
    const char *column = json_get_text(kwargs, "column");
    const struct json_node *condition = json_get(kwargs, "row_condition");
    const struct json_node *observed = json_get(result, "observed_value");
    if (condition != NULL && condition->type != OL_JSON_NULL) /* promise 2 */
        return OL_OK;
    if (strcmp(type, "expect_table_row_count_to_be_between") == 0 ||
        strcmp(type, "expect_table_row_count_to_equal") == 0) {
        const char *rows = quality_whole(q, quality_number(observed));
        q->row_count = rows != NULL ? rows : q->row_count;
        return OL_OK;
    }
    const char *elements = quality_whole(q, quality_number(json_get(result, "element_count")));
    if (q->row_count == NULL)
        q->row_count = elements;
    if (column == NULL)
        return OL_OK;
    struct quality_column *known = NULL, found = {.name = column};
    for (size_t i = 0; i < q->column_count && known == NULL; i++)
        if (strcmp(q->columns[i].name, column) == 0)
            known = &q->columns[i];
    if (known != NULL)
        found = *known;
    const char *missing = quality_number(json_get(
        result, ends_with(type, "_values_to_not_be_null") ? "unexpected_count" : "missing_count"));
    if (missing != NULL)
        found.null_count = quality_whole(q, missing);
    ol_status status = take_observed(p, &found, type, observed);
    if (status != OL_OK || !has_figures(&found))
        return status;
    if (known == NULL)
        known = quality_column(q, column, p->err);
    if (known == NULL)
        return p->err->status != OL_OK ? p->err->status : OL_NOMEM;
    *known = found;
    return OL_OK;
}

/* ---- One validation ---- */

/* @p config: has type and kwargs; @p each itself where a checkpoint was described. */
static ol_status take_check(struct place *p, const struct json_node *each)
{
    const struct json_node *config = json_get(each, "expectation_config");
    const struct json_node *success = json_get(each, "success");
    if (each->type != OL_JSON_OBJECT)
        return quality_expected(p->err, p->pointer, "an object, the result of one expectation");
    if (config == NULL)
        config = each;
    const char *type = json_get_text(config, "type");
    if (type == NULL)
        type = json_get_text(config, "expectation_type");
    if (type == NULL)
        return ol__error_set(p->err, OL_INVALID,
                             "%s%s: expected a text \"type\" or \"expectation_type\"", p->pointer,
                             config == each ? "" : "/expectation_config");
    if (success == NULL || success->type != OL_JSON_BOOL)
        return ol__error_set(p->err, OL_INVALID, "%s/success: expected true or false", p->pointer);
    const struct json_node *kwargs = json_get(config, "kwargs");
    struct quality_assertion *a = quality_add_assertion(p->q, p->err);
    if (a == NULL)
        return p->err->status;
    *a = (struct quality_assertion){.assertion = type,
                                    .success = success->boolean,
                                    .is_warning = is_warning(config),
                                    .column = json_get_text(kwargs, "column"),
                                    .name = json_get_text(config, "id"),
                                    .description = notes_of(p->q, config),
                                    .expected = quality_describe(p->q, kwargs, not_said),
                                    .actual = actual_of(p->q, each),
                                    .params = kwargs};
    return take_figures(p, type, kwargs, json_get(each, "result"));
}

static const char *asset_of(const struct json_node *validation)
{
    return json_get_text(json_get(json_get(validation, "meta"), "active_batch_definition"),
                         "data_asset_name");
}

static void take_meta(struct quality *q, const struct json_node *validation)
{
    const struct json_node *meta = json_get(validation, "meta");
    const char *suite = json_get_text(validation, "suite_name");
    const char *when = json_get_text(json_get(meta, "run_id"), "run_time");
    bool has_zone = false;
    int64_t ms = 0;
    if (q->version == NULL)
        q->version = json_get_text(meta, "great_expectations_version");
    if (q->suite == NULL)
        q->suite = suite != NULL ? suite : json_get_text(meta, "expectation_suite_name");
    if (when != NULL && ol__time_parse(ol__span_text(when), &ms, &has_zone) == OL_OK && has_zone)
        q->time_ms = OL_MAX(q->time_ms, ms);
}

static ol_status take_validation(struct quality *q, const struct json_node *validation,
                                 const char *pointer, struct ol_error *err)
{
    const char *member = json_get(validation, "results") != NULL ? "results" : "expectations";
    const struct json_node *results = json_get(validation, member);
    struct place p = {.q = q, .err = err};
    size_t index = 0;
    ol_status status = OL_OK;
    if (results == NULL || results->type != OL_JSON_ARRAY)
        return ol__error_set(err, OL_INVALID, "%s/results: expected an array of results", pointer);
    take_meta(q, validation);
    for (const struct json_node *n = results->first; n != NULL && status == OL_OK; n = n->next) {
        snprintf(p.pointer, sizeof p.pointer, "%s/%s/%zu", pointer, member, index++);
        status = take_check(&p, n);
    }
    return status == OL_NOMEM ? nomem(err) : status;
}

/* ---- A checkpoint ---- */

static const struct json_node *validation_of(const struct json_node *each)
{
    const struct json_node *inner = json_get(each, "validation_result");
    return inner != NULL ? inner : each;
}

/* Promise 1. */
static ol_status choose(const struct quality *q, const struct json_node *list, const char *member,
                        struct ol_error *err)
{
    const char *first = NULL;
    size_t wanted = 0;
    for (const struct json_node *n = list->first; n != NULL; n = n->next) {
        const char *asset = asset_of(validation_of(n));
        if (q->asset != NULL) {
            wanted += asset != NULL && strcmp(asset, q->asset) == 0;
            continue;
        }
        if (n != list->first && (asset == NULL || first == NULL || strcmp(asset, first) != 0))
            return ol__error_set(err, OL_INVALID,
                                 "/%s: checks of several data assets, '%s' and '%s': expected "
                                 "--asset NAME, one dataset at a time",
                                 member, first != NULL ? first : "?", asset != NULL ? asset : "?");
        first = asset;
    }
    if (q->asset != NULL && wanted == 0)
        return ol__error_set(err, OL_INVALID, "/%s: no validation of data asset '%s'", member,
                             q->asset);
    return OL_OK;
}

ol_status convert_great_expectations(const struct json_node *root, struct quality *q,
                                     struct ol_error *err)
{
    static const char *const members[] = {"run_results", "validation_results"};
    const struct json_node *list = NULL;
    const char *member = NULL;
    char above[40], pointer[QUALITY_POINTER_MAX - 40];
    size_t index = 0;
    q->tool = "great_expectations";
    if (json_get(root, "results") != NULL)
        return take_validation(q, root, "", err);
    for (size_t i = 0; i < OL_COUNT(members) && list == NULL; i++) {
        list = json_get(root, members[i]);
        member = members[i];
    }
    if (list == NULL || (list->type != OL_JSON_OBJECT && list->type != OL_JSON_ARRAY))
        return quality_expected(err, "",
                                "\"results\" of a validation, or \"run_results\" of a checkpoint");
    ol_status status = choose(q, list, member, err);
    for (const struct json_node *n = list->first; n != NULL && status == OL_OK; n = n->next) {
        const struct json_node *validation = validation_of(n);
        const char *asset = asset_of(validation);
        snprintf(above, sizeof above, "/%s", member);
        if (list->type == OL_JSON_OBJECT)
            quality_point(pointer, sizeof pointer - sizeof "/validation_result", above, n->key);
        else
            snprintf(pointer, sizeof pointer, "%s/%zu", above, index);
        if (validation != n)
            strncat(pointer, "/validation_result", sizeof pointer - strlen(pointer) - 1);
        index++;
        if (q->asset == NULL || (asset != NULL && strcmp(asset, q->asset) == 0))
            status = take_validation(q, validation, pointer, err);
    }
    return status;
}
