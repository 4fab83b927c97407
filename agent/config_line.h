/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_LINE_H
#define CONFIG_LINE_H
/** @file Where a setting stands in a YAML text, for errors that are found after reading. */
#include "ol_base.h"

/** Line (from 1) of the key @p key, dotted as in the settings table; 0 if it is not there. */
int64_t config_line(struct ol__span yaml, const char *key);
#endif
