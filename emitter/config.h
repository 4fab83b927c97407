/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CONFIG_H
#define OL_CONFIG_H
/** @file
 * What the client is told from outside, as the other OpenLineage clients are: an openlineage.yml
 * (read by a module, config_module.h), OPENLINEAGE__ variables merged below it, and the older
 * variables below those. Which settings there are: config_keys.h. A wrong value is an error that
 * names where it stands and what is allowed. Threads: set-up only.
 */
#include "config_keys.h"
#include "log.h"

#define OL_TRANSPORT_DEPTH_MAX 4 /**< composite and transform inside each other */

struct ol__transport_config {
    enum ol__transport_kind kind;
    const struct ol__conf *map;            /**< borrowed from the tree; NULL: nothing was told */
    struct ol__transport_config *children; /**< owned; of COMPOSITE (in order) and TRANSFORM */
    size_t child_count;
};

struct ol__config {
    struct ol__conf tree;      /**< file and OPENLINEAGE__ variables, older ones put where they
                                  belong; all that is borrowed below */
    struct ol__conf variables; /**< the older variables, by name */
    char *file;                /**< owned; NULL: none was read */
    bool is_disabled;
    const struct ol__conf *disabled_by; /**< who said so */
    const char *job_namespace;          /**< NULL: not told */
    struct ol__transport_config transport;
    bool is_url_told; /**< the transport is what OPENLINEAGE_URL means, nothing else */
};

/** Read file and variables. @p path as in struct ol_client_options. @return OL_OK, OL_CONFIG,
 * OL_NOMEM; whatever it is, release @p config. */
OL_NODISCARD ol_status ol__config_read(struct ol__config *config, const char *path,
                                       const struct ol__log *log, struct ol_error *err);
void ol__config_release(struct ol__config *config);

/** Whether @p url names this machine: unix:, or http to localhost, 127.0.0.0/8 or ::1. */
bool ol__url_is_local(const char *url);
#endif
