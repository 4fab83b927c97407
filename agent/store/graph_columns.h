/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_GRAPH_COLUMNS_H
#define STORE_GRAPH_COLUMNS_H
/** @file
 * A walk along one column (graph_columns.c). A node of a run has in `run` the output whose column
 * it made. Threads: one.
 */
#include "graph.h"

#define GRAPH_ALL_COLUMNS ((int64_t)-1)

/** Where the question is about a column: from now on w->columns is there, and w->column is it.
 *  @return OL_OK; OL_INVALID: the subject has no columns; or a failure. */
OL_NODISCARD ol_status graph_columns_open(struct walk *w);
void graph_columns_close(struct walk *w);
/** NULL: none, or all of them. Borrowed until graph_columns_close(). */
const char *graph_column_name(const struct walk *w, int64_t column);
/** From run or job @p index, whose state this is, to columns of its inputs or outputs. */
OL_NODISCARD ol_status graph_from_column_maker(struct walk *w, size_t index,
                                               const struct ask_run *run,
                                               const struct state *state);
/** From dataset @p index, of which a column is meant, to @p reader: a node for each column that it
 * made of it; one that says so where it told none. @p ret_maker: the first; GRAPH_NONE: there is
 * none. */
OL_NODISCARD ol_status graph_put_column_reader(struct walk *w, size_t index,
                                               const struct ask_edge *reader, size_t *ret_maker);
/** The dataset of that name; 0: it is not recorded. */
OL_NODISCARD ol_status graph_find_dataset(struct walk *w, const char *name_space, const char *name,
                                          int64_t *ret);
/** Members column and columns of a node; nothing for none. */
void graph_write_column(struct walk *w, const struct graph_node *node);
/** Member caveats, where there are any. */
void graph_write_caveats(struct walk *w);
#endif
