/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_PLACE_H
#define OL_PLACE_H
/** @file Which directory the journal goes to: DESIGN decision 1, "Place". Threads: set-up only. */
#include "config.h"
#include "places.h"

struct ol__place_wish {
    const char *directory; /**< said in so many words; NULL: not */
    const char *url;       /**< OPENLINEAGE_URL, if nothing else says where events go; NULL: not */
};

/** Choose. @p system_directory is tried before the user's; NULL: /var/lib/lineaged/journal.
 *  @return OL_OK: @p out is the directory; OL_END: there is an agent that drains it and @p
 * wish->url names this machine, so what goes there needs no network; OL_CONFIG: no place at all;
 * OL_TOO_LARGE. */
OL_NODISCARD ol_status ol__place_choose(const struct ol__place_wish *wish,
                                        const char *system_directory, const struct ol__log *log,
                                        char out[OL_PATH_MAX], struct ol_error *err);
#endif
