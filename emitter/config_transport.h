/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CONFIG_TRANSPORT_H
#define OL_CONFIG_TRANSPORT_H
/** @file What the transport section of a configuration means. Threads: set-up only. */
#include "config.h"

/** Put the older variables (OPENLINEAGE_URL...) into the tree, where they mean something, and work
 * out config->transport. @return OL_OK, OL_CONFIG, OL_NOMEM. */
OL_NODISCARD ol_status ol__config_transport(struct ol__config *config, const struct ol__log *log,
                                            struct ol_error *err);
void ol__config_transport_release(struct ol__transport_config *transport);
#endif
