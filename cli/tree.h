/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_H
#define TREE_H
/** @file Answers of the store (agent/store/SCHEMA.md, "Answers") as text for people. Threads: main.
 */
#include "pretty.h"

/** `why` and `impact`: a tree that begins at the subject.
 *  @return OL_OK; OL_INVALID: no such document; OL_NOMEM, OL_TOO_LARGE: also of p->out. */
OL_NODISCARD ol_status tree_graph(struct pretty *p, const struct json_node *root,
                                  struct ol_error *err);
/** The same with every run and dataset on a line of its own. */
OL_NODISCARD ol_status tree_graph_all(struct pretty *p, const struct json_node *root,
                                      struct ol_error *err);
/** `runs`: a table. @return as tree_graph(). */
OL_NODISCARD ol_status tree_runs(struct pretty *p, const struct json_node *root,
                                 struct ol_error *err);
/** `show`: sections. @return as tree_graph(). */
OL_NODISCARD ol_status tree_show(struct pretty *p, const struct json_node *root,
                                 struct ol_error *err);

/** `diff`: a table for each pair of runs. @return as tree_graph(). */
OL_NODISCARD ol_status tree_diff(struct pretty *p, const struct json_node *root,
                                 struct ol_error *err);

/** The agent's own status (status.c): a summary. @return as tree_graph(). */
OL_NODISCARD ol_status tree_status(struct pretty *p, const struct json_node *root,
                                   struct ol_error *err);

/* ---- Parts, in rows.c ---- */
#define ROWS_TEXT 48
/** "2026-11-21 09:00:01Z" of an RFC 3339 time in UTC, "" for NULL. */
void rows_time(const char *text, char out[ROWS_TEXT]);
/** "12 ms", "1.8 s", "3 min 05 s": between two RFC 3339 times; "" unless both are there. */
void rows_duration(const char *begin, const char *end, char out[ROWS_TEXT]);
/** "file /x  sha256:12ab34cd…" */
void rows_dataset(struct pretty *p, const struct json_node *dataset, enum pretty_colour colour);
/** "01a1fdfa-029e…" */
void rows_run_id(struct pretty *p, const struct json_node *run);
/** "report (demo)  run 01a1fdfa-029e…  COMPLETE  2026-11-21 09:00:01Z  1.8 s" */
void rows_run(struct pretty *p, const struct json_node *run);
/** An answer of a service: when it was given, and the run that gave it. */
void rows_answer(struct pretty *p, const struct json_node *answer);
#endif
