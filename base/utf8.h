/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_UTF8_H
#define OL_UTF8_H
/** @file Well-formed UTF-8 (Unicode, chapter 3: no overlong forms, no surrogates). Threads: any. */
#include "ol_base.h"

/** How many bytes at @p s, before @p end, are one well-formed character (positive) or one maximal
 * bad part (negative). @p s < @p end. */
int ol__utf8_size(const unsigned char *s, const unsigned char *end);
/** Offset of the first byte of the first bad part, text.size if there is none. */
size_t ol__utf8_find_bad(struct ol__span text);
/** Write @p code (no surrogate, at most 0x10ffff) to @p out. @return bytes, 1 to 4. */
size_t ol__utf8_put(char *out, uint32_t code);
#endif
