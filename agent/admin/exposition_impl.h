/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPOSITION_IMPL_H
#define EXPOSITION_IMPL_H
/** @file Writing one metric family after the other; shared by the exposition*.c files. */
#include "admin_impl.h"

enum exposition_type { EXPOSE_COUNTER, EXPOSE_GAUGE, EXPOSE_HISTOGRAM };

struct exposition {
    struct ol__buf *out; /**< borrowed */
    bool is_openmetrics; /**< else Prometheus text 0.0.4 */
    const char *family;  /**< being written, without "lineaged_" and "_total" */
    enum exposition_type type;
};

/** One label: its value is escaped here. */
struct exposition_label {
    const char *name, *value;
};

/** Begin a family; its samples follow. @p name without "lineaged_", and for counters without
 * "_total". */
void expose_family(struct exposition *x, const char *name, enum exposition_type type,
                   const char *help);
/** One sample of the family with up to two labels (name NULL: none). */
void expose(struct exposition *x, struct exposition_label a, struct exposition_label b,
            uint64_t value);
/** The same in seconds, from milliseconds. */
void expose_ms(struct exposition *x, struct exposition_label a, uint64_t ms);
void expose_histogram(struct exposition *x, struct exposition_label a, struct histogram *h);
#define EXPOSE_NO_LABEL ((struct exposition_label){NULL, NULL})
#define EXPOSE_LABEL(n, v) ((struct exposition_label){.name = (n), .value = (v)})

/* exposition_http.c */
void expose_http(struct exposition *x, struct intake_metrics *m);

/* exposition_routes.c */
void expose_routes(struct exposition *x, const struct agent *agent);
#endif
