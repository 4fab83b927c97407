/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUILTIN_H
#define BUILTIN_H
/** @file
 * The patterns that redaction knows by name, and a filter that tells cheaply which of them a text
 * may contain at all. Threads: any; the filter is constant once made.
 */
#include "ol_base.h"

#define BUILTIN_MAX 32

struct builtin {
    const char *name, *help;
    const char *expression;
    /** How many bytes of a match are really one; 0: none. NULL: all of it. */
    size_t (*check)(struct ol__span match);
};

/** In the order in which they are applied. */
extern const struct builtin builtins[];
extern const size_t builtin_count;
/** Bit of the one called @p name; all bits for "all"; 0: there is none. */
uint32_t builtin_find(const char *name);

/** Which bytes must stand in a text so that an expression can match at all. */
struct builtin_trigger {
    const char *literal; /**< of one byte, or three and more */
    uint32_t names;      /**< bits of the built-in patterns */
    bool is_caseless;    /**< ASCII */
    bool is_word;        /**< no letter or digit stands before it */
};
extern const struct builtin_trigger builtin_triggers[];
extern const size_t builtin_trigger_count;
uint32_t builtin_card_bit(void);
uint32_t builtin_ssn_bit(void);
/** The one whose expression is for the name that a text has. */
uint32_t builtin_named_bit(void);

struct builtin_filter; /* opaque */
/** For the patterns of @p names only. NULL: out of memory. */
struct builtin_filter *builtin_filter_new(uint32_t names);
void builtin_filter_free(struct builtin_filter *filter);
/** Bits of those that may match somewhere in @p text; a bit that is not set does not match.
 *  @param is_json  the text is JSON as it came: escapes may hide anything */
uint32_t builtin_filter_find(const struct builtin_filter *filter, struct ol__span text,
                             bool is_json);
#endif
