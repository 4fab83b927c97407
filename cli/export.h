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
    bool is_damaged;           /**< something was left out for that; said */
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
/** ro-crate-metadata.json of the folder of a run. */
OL_NODISCARD ol_status export_crate(struct export *ex, struct ol_error *err);

/* ---- Of receipts (export_receipts.c) ---- */
struct receipt_folder;
/** @p x as the folder of a run; end with receipt_folder_close(). @return OL_END: it is none. */
OL_NODISCARD ol_status export_open_folder(const char *x, struct receipt_folder *ret,
                                          struct ol_error *err);
/** @p path: below the run's folder. */
typedef ol_status export_receipt_handler(void *arg, const struct json_node *receipt,
                                         const char *path, struct ol_error *err);
/** Calls @p each with the receipt of every attempt in the folder @p x, by path. @return OL_OK;
 * OL_END: x is no folder of a run; or a failure, also that of @p each. */
OL_NODISCARD ol_status export_each_receipt(const char *x, export_receipt_handler *each, void *arg,
                                           struct ol_error *err);
/** An artifact's name as a URI. */
void export_add_uri(struct ol__buf *out, const struct json_node *artifact);
#endif
