/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_IMPL_H
#define CONFIG_IMPL_H
/** @file What the config*.c files share; for nobody else. */
#include "config.h"

/** What the checks know about where settings came from. */
struct config_source {
    const char *file;
    struct ol__span yaml;
    struct ol_error *err;
};

/** Say in from->err what is wrong with a setting outside the lists. @return OL_CONFIG. */
ol_status config_refuse(const struct config_source *from, const char *key, const char *what);

/* config_intake.c */
OL_NODISCARD ol_status config_check_intake(const struct config_source *from,
                                           const struct agent_config *config);
/* config_retention.c */
OL_NODISCARD ol_status config_check_retention(const struct config_source *from,
                                              const struct route_config *route);
#endif
