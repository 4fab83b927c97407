/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_PLACE_H
#define OL_PLACE_H
/** @file Which directory the journal goes to: DESIGN decision 1, "Place". Threads: set-up only. */
#include "config.h"
#include "places.h"

/** Choose. @p system_directory is tried before the user's; NULL: /var/lib/lineaged/journal. Tells
 * @p log once if a URL cannot be served by this version.
 *  @return OL_OK; OL_CONFIG: no place at all; OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__place_choose(const struct ol__config *config,
                                        const char *system_directory, const struct ol__log *log,
                                        char out[OL_PATH_MAX], struct ol_error *err);
#endif
