/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_PLACES_H
#define OL_PLACES_H
/** @file
 * Where the parts meet without configuration (DESIGN "Places"): the system place, or one user's XDG
 * directories. Reads the environment and, once, whether directories exist; makes nothing. Threads:
 * any, while nobody changes the environment.
 */
#include "ol_base.h"

#define OL_PATH_MAX 1024

struct ol__places {
    bool is_system;
    char config[OL_PATH_MAX];  /**< .../lineaged.yaml; beside the state where there is no HOME */
    char state[OL_PATH_MAX];   /**< /var/lib/lineaged or $XDG_STATE_HOME/lineaged */
    char journal[OL_PATH_MAX]; /**< state/journal */
    char spool[OL_PATH_MAX];   /**< state/spool */
    char store[OL_PATH_MAX];   /**< state/lineage.db */
    char socket[OL_PATH_MAX];  /**< where events are taken: .../lineaged.sock */
    char admin_socket[OL_PATH_MAX]; /**< where questions are: .../lineaged-admin.sock */
};

/** The places of the system agent or of this user's.
 *  @return OL_OK; OL_CONFIG: no home (HOME and XDG_STATE_HOME unset or relative); OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__places_find(bool is_system, struct ol__places *ret,
                                       struct ol_error *err);
/** The places of the agent that collects what this user's programs emit: the system's where its
 * journal directory exists, else the user's own. */
OL_NODISCARD ol_status ol__places_of_user(struct ol__places *ret, struct ol_error *err);
/** The admin socket that belongs to an event socket: "X.sock" -> "X-admin.sock". @return OL_OK,
 * OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__places_admin_socket(const char *socket, char *out, size_t size);
#endif
