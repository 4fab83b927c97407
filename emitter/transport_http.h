/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_TRANSPORT_HTTP_H
#define OL_TRANSPORT_HTTP_H
/** @file Events as POST requests, within a deadline. Read transport_http.c first. */
#include "config.h"
#include "transport.h"

/** Load the module and read the settings of @p map (checked, kind HTTP); nothing is sent or
 * connected. @p log is borrowed for good. @return OL_OK, OL_CONFIG, OL_NOMEM. */
OL_NODISCARD ol_status ol__transport_http_open(const struct ol__conf *map,
                                               const struct ol__log *log,
                                               struct ol__transport **ret, struct ol_error *err);
/** An emit of @p http takes no longer than @p timeout_ms, if that is less than it was told. */
void ol__transport_http_limit(struct ol__transport *http, int64_t timeout_ms);
/** The whole URL that the settings make. @p socket gets the path of a unix socket, or stays empty.
 *  @return OL_OK, OL_CONFIG, OL_NOMEM. */
OL_NODISCARD ol_status ol__http_url(const struct ol__conf *map, struct ol__buf *url,
                                    struct ol__buf *socket, struct ol_error *err);
#endif
