/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H
/** @file What the store's thread does for others, below agent.h. */
#include "policy.h"

struct store_writer;
const struct route_config *store_writer_config(const struct store_writer *writer);
/** Have the thread remove what @p wish says. Waits at most @p wait_ms; the same wish again waits
 * on.
 * @return OL_OK: done; OL_AGAIN: it goes on; *ret says how far it is; OL_INVALID: there is no such
 * class; what befell the store. */
OL_NODISCARD ol_status store_writer_collect(struct store_writer *writer,
                                            const struct policy_wish *wish, int64_t wait_ms,
                                            struct store_kept *ret, struct ol_error *err);
#endif
