/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_TRANSPORT_PARTS_H
#define OL_TRANSPORT_PARTS_H
/** @file Transports that stand before others. */
#include "log.h"
#include "transport.h"

/** @p children: @p count of them, taken on OL_OK only. */
OL_NODISCARD ol_status ol__transport_composite_open(struct ol__transport *const *children,
                                                    size_t count, bool goes_on_after_failure,
                                                    bool goes_on_after_success,
                                                    const struct ol__log *log,
                                                    struct ol__transport **ret,
                                                    struct ol_error *err);
/** Give the job (and, if @p with_parent, the parent facet's jobs) another name space on the way to
 * @p inner, taken on OL_OK only. @p name_space is copied. */
OL_NODISCARD ol_status ol__transport_rename_open(struct ol__transport *inner,
                                                 const char *name_space, bool with_parent,
                                                 struct ol__transport **ret, struct ol_error *err);
#endif
