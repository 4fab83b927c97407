/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APPROVALS_TREE_H
#define APPROVALS_TREE_H
/** @file Answers about decisions (agent/store/SCHEMA.md: approvals, serving, untracked) as text for
 * people. @return of each as tree_graph(). Threads: main. */
#include "tree.h"

OL_NODISCARD ol_status tree_approvals(struct pretty *p, const struct json_node *root,
                                      struct ol_error *err);
OL_NODISCARD ol_status tree_serving(struct pretty *p, const struct json_node *root,
                                    struct ol_error *err);
OL_NODISCARD ol_status tree_untracked(struct pretty *p, const struct json_node *root,
                                      struct ol_error *err);
#endif
