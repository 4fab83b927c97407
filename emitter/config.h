/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CONFIG_H
#define OL_CONFIG_H
/** @file
 * What the client is told from outside: an openlineage.yml (read by a module, config_module.h) and
 * the OPENLINEAGE_ variables; the file wins. A wrong value is an error that names where it stands
 * and what is allowed. Threads: set-up only.
 */
#include "log.h"

enum ol__transport_kind {
    OL_KIND_UNSET,
    OL_KIND_JOURNAL,
    OL_KIND_FILE,
    OL_KIND_CONSOLE,
    OL_KIND_NOOP,
    OL_KIND_HTTP /**< not in this version: falls back to the journal and says so */
};

/** A text and where it was said, e.g. "OPENLINEAGE_URL" or "/etc/ol.yml: transport.url". */
struct ol__told {
    char *value;  /**< owned; NULL: not told */
    char *source; /**< owned */
};

struct ol__config {
    struct ol__told disabled, type, directory, location, url, transport_url, job_namespace,
        durability;
    /* made of them: */
    bool is_disabled, is_durable;
    enum ol__transport_kind kind;
};

/** Read file and variables. @p path as in struct ol_client_options. @return OL_OK, OL_CONFIG,
 * OL_NOMEM; whatever it is, release @p config. */
OL_NODISCARD ol_status ol__config_read(struct ol__config *config, const char *path,
                                       const struct ol__log *log, struct ol_error *err);
void ol__config_release(struct ol__config *config);

/** Take one setting by its dotted key in the file, e.g. "transport.type"; the first one told wins.
 *  @return OL_OK; OL_NOT_FOUND: no such key; OL_NOMEM. */
OL_NODISCARD ol_status ol__config_tell(struct ol__config *config, const char *key,
                                       const char *value, const char *source);

/** Whether @p url names this machine: unix:, or http to localhost, 127.0.0.0/8 or ::1. */
bool ol__url_is_local(const char *url);
#endif
