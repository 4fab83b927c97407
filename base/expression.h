/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_EXPRESSION_H
#define OL_EXPRESSION_H
/** @file
 * Regular expressions of the agent's settings, over PCRE2 (base_agent: not for libopenlineage), on
 * text that may come from anybody: matching is bounded by steps, memory and time, whatever the
 * expression. Compiled to machine code where the system allows that. Threads: an expression any, a
 * matcher one at a time.
 */
#include "buf.h"

#define OL_EXPRESSION_MAX 4096  /**< bytes of an expression */
#define OL_EXPRESSION_GROUPS 16 /**< groups that a match tells of, the whole of it included */

struct ol__expression; /* opaque */
/** @param is_whole  the expression must match a text from its first to its last byte.
 *  @return OL_OK; OL_INVALID: err says what is wrong at which byte; OL_NOMEM. */
OL_NODISCARD ol_status ol__expression_new(const char *text, bool is_whole,
                                          struct ol__expression **ret, struct ol_error *err);
void ol__expression_free(struct ol__expression *expression);
/** Whether it runs as machine code. */
bool ol__expression_is_compiled(const struct ol__expression *expression);

enum ol__found {
    OL_FOUND_NOT,
    OL_FOUND,
    OL_FOUND_LIMIT /**< steps, memory or time were used up, or the match is too long to be sure of:
                      nothing is known about the text */
};

struct ol__matcher; /* opaque: memory for matching, and the time that is left */
OL_NODISCARD ol_status ol__matcher_new(struct ol__matcher **ret, struct ol_error *err);
void ol__matcher_free(struct ol__matcher *matcher);
/** From now on all matching together may take @p budget_us of the calling thread's own time; past
 * it everything is OL_FOUND_LIMIT. */
void ol__matcher_begin(struct ol__matcher *matcher, int64_t budget_us);

/** One group of a match: offsets in the text. SIZE_MAX: the group took no part. */
struct ol__match {
    size_t begin, end;
};

/** Look for the first match that is not empty, from @p from on. @p text is valid UTF-8 (NULs are
 * characters).
 *  @param ret  OL_EXPRESSION_GROUPS of them; [0] is the whole; set with OL_FOUND only. */
enum ol__found ol__expression_find(const struct ol__expression *expression,
                                   struct ol__matcher *matcher, struct ol__span text, size_t from,
                                   struct ol__match *ret);
#endif
