/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPORT_H
#define EXPORT_H
/** @file What the writers of `lineage export` share. Threads: main only. */
#include "json_doc.h"
#include "out_file.h"
#include "question.h"

struct export
{
    struct place *place;
    struct out_file *out;
    const char *x;             /**< NULL: the whole store */
    const char *depth, *limit; /**< as given */
    const char *direction;     /**< "why", "impact" */
};

/** Ask, and read the answer. @return OL_OK: json_doc_release(); OL_NOT_FOUND; OL_INVALID... */
OL_NODISCARD ol_status export_ask(struct export *ex, struct question *q, struct json_doc *ret,
                                  struct ol_error *err);
/** The graph of X. @return as above. */
OL_NODISCARD ol_status export_graph(struct export *ex, const char *verb, struct json_doc *ret,
                                    struct ol_error *err);
OL_NODISCARD ol_status export_write(struct export *ex, struct ol__buf *text, struct ol_error *err);

/** OpenLineage JSON lines of the store, or of X and what leads to it. */
OL_NODISCARD ol_status export_events(struct export *ex, struct ol_error *err);
/** Graphviz or Mermaid of a graph. */
OL_NODISCARD ol_status export_dot(struct export *ex, struct ol_error *err);
OL_NODISCARD ol_status export_mermaid(struct export *ex, struct ol_error *err);
/** in-toto statements. */
OL_NODISCARD ol_status export_statements(struct export *ex, struct ol_error *err);
#endif
