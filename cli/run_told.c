/* SPDX-License-Identifier: Apache-2.0 */
#include "run_told.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "json_write.h"
#include "receipt/redact.h"

/* ---- the command line ---- */

static bool read_count(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        return false;
    *ret = n;
    return true;
}

const char *run_told_add_metric(struct run_told *told, char *text)
{
    char *equals = strrchr(text, '='), *end;
    struct run_metric metric = {.name = text, .step = -1};
    if (equals == NULL || equals == text || equals[1] == '\0')
        return "expected NAME=VALUE[@STEP]";
    char *at = strchr(equals, '@');
    if (at != NULL && !read_count(at + 1, &metric.step))
        return "expected a whole number behind '@'";
    if (at != NULL)
        *at = '\0';
    errno = 0;
    metric.value = strtod(equals + 1, &end);
    if (*end != '\0' || end == equals + 1 || !isfinite(metric.value))
        return "expected a finite number behind '='";
    if (told->metric_count == RUN_METRICS_MAX)
        return "more than 1000";
    struct run_metric *metrics = realloc(told->metrics, (told->metric_count + 1) * sizeof *metrics);
    if (metrics == NULL)
        return "out of memory";
    *equals = '\0';
    told->metrics = metrics;
    metrics[told->metric_count++] = metric;
    return NULL;
}

const char *run_told_add_rows(struct run_told *told, char *text)
{
    char *equals = strrchr(text, '=');
    struct run_rows rows = {.dataset = text};
    if (equals == NULL || equals == text || !read_count(equals + 1, &rows.count))
        return "expected DATASET=N, N a number of rows";
    if (told->rows_count == RUN_ROWS_MAX)
        return "more than 1000";
    struct run_rows *all = realloc(told->rows, (told->rows_count + 1) * sizeof *all);
    if (all == NULL)
        return "out of memory";
    *equals = '\0';
    told->rows = all;
    all[told->rows_count++] = rows;
    return NULL;
}

static bool is_called(const struct run_file *f, const char *dataset)
{
    return strcmp(f->text, dataset) == 0;
}

const char *run_told_find_stranger(const struct run_told *told, const struct run_files *files)
{
    for (size_t i = 0; i < told->rows_count; i++) {
        bool is_found = false;
        for (size_t k = 0; k < files->count && !is_found; k++)
            is_found = is_called(&files->items[k], told->rows[i].dataset);
        if (!is_found)
            return told->rows[i].dataset;
    }
    return NULL;
}

/* ---- events ---- */

static void describe_rows(const struct run_told *told, struct run_files *files)
{
    for (size_t i = 0; i < told->rows_count; i++) {
        for (size_t k = 0; k < files->count; k++) {
            struct run_file *f = &files->items[k];
            if (!is_called(f, told->rows[i].dataset))
                continue;
            f->has_rows = true;
            f->rows = told->rows[i].count;
            bool is_input = f->side == RUN_INPUT;
            struct ol_int rows = OL_INT(told->rows[i].count);
            OL_IGNORE((is_input
                           ? ol_dataset_set_input_statistics(
                                 f->dataset, OL_MAKE(ol_input_statistics, .row_count = rows))
                           : ol_dataset_set_output_statistics(
                                 f->dataset, OL_MAKE(ol_output_statistics, .row_count = rows))) < 0,
                      "emit reports it");
        }
    }
}

/* Redacted texts, owned. */
struct texts {
    char **items;
    size_t count;
};

static const char *keep(struct texts *texts, const char *name, const char *value)
{
    struct ol__buf shown;
    ol__buf_init(&shown, (size_t)1 << 20);
    if (name != NULL)
        redact_value(name, value, &shown);
    else
        redact_text(ol__span_text(value), &shown);
    char *text = shown.status != OL_OK ? NULL : shown.size > 0 ? ol__buf_take(&shown) : strdup("");
    ol__buf_release(&shown);
    if (text == NULL)
        return REDACTED;
    texts->items[texts->count++] = text;
    return text;
}

static void release(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
}

void run_told_describe(struct run_told *told, struct run_files *files, struct ol_run *run)
{
    struct ol__span metrics = run_told_metrics(told);
    if (metrics.size > 0)
        run_part_describe(run, "lineaged_metrics", RUN_FACET_SCHEMA("LineagedMetricsRunFacet"),
                          "metrics", metrics);
    describe_rows(told, files);
}

void run_part_describe(struct ol_run *run, const char *facet, const char *schema_url,
                       const char *member, struct ol__span part)
{
    struct ol__buf json;
    if (run == NULL || part.size == 0)
        return;
    ol__buf_init(&json, RECEIPT_FILE_MAX);
    ol__buf_add_format(&json, "{\"%s\":", member);
    ol__buf_add(&json, part.data, part.size);
    ol__buf_add_char(&json, '}');
    if (json.status == OL_OK)
        OL_IGNORE(ol_run_set_facet_json(run, facet, schema_url, json.data, json.size) < 0,
                  "emit reports it");
    ol__buf_release(&json);
}

static void describe_parameters(struct receipt_pairs parameters, struct ol_run *run)
{
    struct texts texts = {.items = calloc(parameters.count + 1, sizeof(char *))};
    struct ol_execution_parameter *items = calloc(parameters.count + 1, sizeof *items);
    bool is_able = items != NULL && texts.items != NULL;
    for (size_t i = 0; i < parameters.count && is_able; i++)
        items[i] = (struct ol_execution_parameter)OL_ITEM(
            ol_execution_parameter, .key = parameters.items[i].key,
            .value = keep(&texts, parameters.items[i].key, parameters.items[i].value));
    if (parameters.count > 0 && is_able)
        OL_IGNORE(ol_run_set_execution_parameters(
                      run, OL_MAKE(ol_execution_parameters, .parameters = items,
                                   .parameter_count = parameters.count)) < 0,
                  "emit reports it");
    free(items);
    release(&texts);
}

static size_t add_tags(struct receipt_pairs pairs, const char *source, struct texts *texts,
                       struct ol_tag *items)
{
    for (size_t i = 0; i < pairs.count; i++)
        items[i] = (struct ol_tag)OL_ITEM(
            ol_tag, .key = pairs.items[i].key,
            .value = keep(texts, pairs.items[i].key, pairs.items[i].value), .source = source);
    return pairs.count;
}

void run_pairs_describe(struct receipt_pairs parameters, struct receipt_pairs tags,
                        struct receipt_pairs groups, struct ol_run *run)
{
    size_t count = tags.count + groups.count;
    if (run == NULL)
        return;
    if (parameters.count > 0)
        describe_parameters(parameters, run);
    if (count == 0)
        return;
    struct texts texts = {.items = calloc(count, sizeof(char *))};
    struct ol_tag *items = calloc(count, sizeof *items);
    if (items != NULL && texts.items != NULL) {
        size_t used = add_tags(tags, "USER", &texts, items);
        used += add_tags(groups, "GROUP", &texts, items + used);
        OL_IGNORE(ol_run_set_tags(run, OL_MAKE(ol_tags, .tags = items, .tag_count = used)) < 0,
                  "emit reports it");
    }
    free(items);
    release(&texts);
}

/* ---- the receipt ---- */

struct ol__span run_told_metrics(struct run_told *told)
{
    struct ol__json_writer w;
    if (told->metric_count == 0)
        return (struct ol__span){.data = NULL};
    ol__buf_release(&told->json);
    ol__buf_init(&told->json, RECEIPT_FILE_MAX);
    ol__json_writer_init(&w, &told->json);
    ol__json_begin_array(&w);
    for (size_t i = 0; i < told->metric_count; i++) {
        const struct run_metric *m = &told->metrics[i];
        struct ol__buf shown;
        ol__buf_init(&shown, (size_t)1 << 20);
        redact_text(ol__span_text(m->name), &shown);
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "name",
                             shown.status == OL_OK && shown.size > 0 ? shown.data : REDACTED);
        ol__json_key(&w, "value");
        ol__json_real(&w, m->value);
        if (m->step >= 0)
            ol__json_member_int(&w, "step", m->step);
        ol__json_end_object(&w);
        ol__buf_release(&shown);
    }
    ol__json_end_array(&w);
    return told->json.status == OL_OK
               ? (struct ol__span){.data = told->json.data, .size = told->json.size}
               : (struct ol__span){.data = NULL};
}

void run_told_release(struct run_told *told)
{
    free(told->metrics);
    free(told->rows);
    ol__buf_release(&told->json);
    *told = (struct run_told){.metrics = NULL};
}
