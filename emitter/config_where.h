/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_CONFIG_WHERE_H
#define OL_CONFIG_WHERE_H
/** @file
 * Where the events of a program in this environment would go, for `lineage doctor`: the same
 * decisions as client_transport.c makes, with nothing opened or made. Threads: one.
 */
#include "places.h"

enum ol__where_kind {
    OL_WHERE_DISABLED, /**< nothing is emitted */
    OL_WHERE_NOOP,
    OL_WHERE_JOURNAL, /**< target: the directory */
    OL_WHERE_HTTP,    /**< target: the URL; socket: the path of a unix socket, or empty */
    OL_WHERE_FILE,    /**< target: the file */
    OL_WHERE_CONSOLE
};
#define OL_WHERE_MAX 8

struct ol__where {
    enum ol__where_kind kind;
    char target[OL_PATH_MAX];
    char socket[OL_PATH_MAX];
    char api_key[512]; /**< HTTP: what is sent as a bearer token; secret */
    char source[200];  /**< who said so: "FILE:LINE: transport.type", a variable; "the default" */
    bool is_local;     /**< HTTP: names this machine */
};

/** @param path  as in struct ol_client_options. @param ret  OL_WHERE_MAX items; what goes beyond is
 * left out. @return OL_OK; OL_CONFIG: a client could not be opened; OL_NOMEM, OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__config_where(const char *path, struct ol__where *ret, size_t *ret_count,
                                        struct ol_error *err);
#endif
