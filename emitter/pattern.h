/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_PATTERN_H
#define OL_PATTERN_H
/** @file
 * Regular expressions of settings: POSIX extended ones with \d, \w, \s and (?:...), as libc has
 * them, with limits that keep compiling and matching cheap. Threads: any; fork: a child compiles
 * its own.
 */
#include "buf.h"

#define OL_PATTERN_MAX 512           /**< bytes of an expression */
#define OL_PATTERN_SUBJECT_MAX 65536 /**< bytes of a text it is tried on */

struct ol__pattern; /* opaque */

/** @return OL_OK; OL_INVALID: err says what is wrong; OL_NOMEM. */
OL_NODISCARD ol_status ol__pattern_new(const char *expression, struct ol__pattern **ret,
                                       struct ol_error *err);
void ol__pattern_free(struct ol__pattern *pattern);
/** Whether @p text begins with a match. One that is too long does, to be on the safe side. */
bool ol__pattern_begins(struct ol__pattern *pattern, const char *text);
/** Append @p text with each match replaced; one that is too long, or has a NUL, is replaced whole.
 * @return whether anything was. */
bool ol__pattern_replace(struct ol__pattern *pattern, struct ol__span text, const char *with,
                         struct ol__buf *out);
#endif
