/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALL_BODY_H
#define CALL_BODY_H
/** @file
 * Changing single members of a request and leaving every other byte as it came. Threads: one per
 * buffer.
 */
#include "buf.h"

#define BODY_DEPTH_MAX 8 /**< names in a path */

/** Give the member @p path ("temperature", "generationConfig.temperature") the value @p json;
 * objects on the way are made. The last of two equal members counts, as it does for readers.
 *  @return OL_OK; OL_INVALID: the body is no JSON object, or the path is none; OL_TOO_LARGE;
 * OL_NOMEM. @p body is as it was unless OL_OK. */
OL_NODISCARD ol_status body_set(struct ol__buf *body, const char *path, struct ol__span json,
                                struct ol_error *err);
/** The same with a text. */
OL_NODISCARD ol_status body_set_text(struct ol__buf *body, const char *path, const char *text,
                                     struct ol_error *err);
/** What VALUE of --param stands for: itself where it is JSON, else the text. @return OL_OK,
 * OL_NOMEM, OL_TOO_LARGE. */
OL_NODISCARD ol_status body_value(const char *text, struct ol__buf *out, struct ol_error *err);
/** Whether a receipt may show that value: a number, true, false, null, or a short word; what else
 * stands there may be a prompt. */
bool body_is_plain(const char *text);
/** How many members the object at @p path has; -1: there is none. */
int body_count(struct ol__span body, const char *path);
#endif
