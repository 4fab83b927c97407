/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REDACT_IMPL_H
#define REDACT_IMPL_H
/** @file What the two files of redaction share; for nobody else. */
#include "redact.h"

/* While a text is on its way the mark has a colon, which no expression touches again. */
#define REDACT_MARK "[redacted:]"

/** redact_names.c: copy @p text to @p out without what stands behind secret names.
 *  @param is_content  only quoted values, and lines that begin with the name */
void redact_names(struct ol__span text, bool is_content, struct ol__buf *out);
bool redact_is_secret(struct ol__span name);
#endif
