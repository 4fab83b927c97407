/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONVERT_QUALITY_H
#define CONVERT_QUALITY_H
/** @file
 * What a tool found out about data: checks that held or not, figures about columns, other figures;
 * and the facets that say so. Texts are borrowed from the tool's document or stand in the arena.
 * Threads: main.
 */
#include "json_doc.h"

#define QUALITY_FILE_MAX ((size_t)16 << 20) /* bytes of a result */
#define QUALITY_ITEMS_MAX 5000              /* checks, columns, and figures, each */
#define QUALITY_TEXT_MAX 1000               /* bytes of what was expected, or found */
#define QUALITY_POINTER_MAX 300
#define QUALITY_KEYS 3

struct quality_assertion {
    const char *assertion; /**< what was checked, as its tool calls it */
    bool success;
    bool is_warning; /**< a failure is one to look at, not an error */
    const char *column, *name, *description, *expected, *actual; /**< NULL: not told */
    const struct json_node *params;                              /**< an object, or NULL */
};
struct quality_quantile {
    const char *at, *value; /**< JSON numbers */
    struct quality_quantile *next;
};
/** Figures are JSON numbers as text; NULL: not told. */
struct quality_column {
    const char *name;
    const char *null_count, *distinct_count, *sum, *count, *min, *max;
    struct quality_quantile *quantiles;
};
struct quality_metric {
    const char *name, *value, *split;
};
struct quality {
    struct ol__arena arena;
    const char *asset; /**< of several that were checked the one that counts; NULL */
    const char *tool, *version, *suite;   /**< NULL: not told */
    int64_t time_ms;                      /**< when; 0: not told */
    const char *row_count;                /**< NULL: not told */
    struct quality_assertion *assertions; /**< owned, as are the next two */
    struct quality_column *columns;
    struct quality_metric *metrics;
    size_t assertion_count, column_count, metric_count;
};
void quality_release(struct quality *q);

/* ---- filling: NULL: out of memory, or more than QUALITY_ITEMS_MAX, which err says ---- */
struct quality_assertion *quality_add_assertion(struct quality *q, struct ol_error *err);
/** The column of that name, new or not. */
struct quality_column *quality_column(struct quality *q, const char *name, struct ol_error *err);
struct quality_metric *quality_add_metric(struct quality *q, struct ol_error *err);
OL_NODISCARD ol_status quality_add_quantile(struct quality *q, struct quality_column *column,
                                            const char *at, const char *value,
                                            struct ol_error *err);
/** A text of the arena, cut to QUALITY_TEXT_MAX. NULL: out of memory. */
const char *quality_format(struct quality *q, const char *format, ...) OL_PRINTF(2, 3);
/** @p number without the ".0" that a tool may write behind a count; NULL: it is not whole. */
const char *quality_whole(struct quality *q, const char *number);
/** The text of a number, else NULL. */
const char *quality_number(const struct json_node *node);
/** "key=value, ..." of an object's members, but for @p left_off; NULL: nothing to say. */
const char *quality_describe(struct quality *q, const struct json_node *object,
                             const char *const *left_off);
/** The text of any value: a text itself, else JSON. */
const char *quality_value(struct quality *q, const struct json_node *node);
/** The JSON pointer of member @p key of what @p at points to; cut to @p size. */
void quality_point(char *out, size_t size, const char *at, const char *key);
/** "OL_INVALID: POINTER: expected WHAT". */
ol_status quality_expected(struct ol_error *err, const char *pointer, const char *what);

/* ---- writing ---- */
#define QUALITY_ASSERTIONS "dataQualityAssertions"
#define QUALITY_METRICS "dataQualityMetrics"
#define QUALITY_FIGURES "lineaged_metrics"
/** The facet @p key, without what every facet has. @return whether there is anything to say. */
bool quality_write_facet(const struct quality *q, const char *key, struct ol__buf *out);

/* ---- the tools ---- */
/** A validation or checkpoint result of Great Expectations 0.18 or 1. @return OL_OK; OL_INVALID,
 * with a JSON pointer; OL_TOO_LARGE; OL_NOMEM. */
OL_NODISCARD ol_status convert_great_expectations(const struct json_node *root, struct quality *q,
                                                  struct ol_error *err);
/** A report or test suite of Evidently 0.4 to 0.6, or of 0.7. @return as above. */
OL_NODISCARD ol_status convert_evidently(const struct json_node *root, struct quality *q,
                                         struct ol_error *err);
#endif
