/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_SETTINGS_IMPL_H
#define OL_SETTINGS_IMPL_H
/** @file What the files settings*.c share; not for others. */
#include "settings.h"

#define OL_SETTING_LINE "(line)" /**< the pseudo-setting of a LIST element's table */

/** Where a value comes from, for messages: "lineaged.yaml:7: routes[0].on_lag: ". */
struct ol__setting_place {
    const char *file; /**< NULL: the command line, or the table's own default */
    size_t line;
    const char *key; /**< whole, with the list elements above it */
};

/** OL_CONFIG with the place before the message. */
ol_status ol__setting_error(struct ol_error *err, const struct ol__setting_place *place,
                            const char *format, ...) OL_PRINTF(3, 4);
/** Whether the line is a real setting, not "(line)". */
bool ol__setting_is_real(const struct ol__setting *setting);
/** The real setting with this key, NULL if there is none. */
const struct ol__setting *ol__setting_find(const struct ol__setting *table, const char *key);
/** Whether @p prefix is a section: some key begins with it and a dot. */
bool ol__setting_is_section(const struct ol__setting *table, const char *prefix);
/** The key, whole, that @p key most likely was meant to be; "" if nothing is near.
 *  @param prefix the section that @p key stands in, "" at the top */
void ol__setting_suggest(const struct ol__setting *table, const char *prefix, const char *key,
                         char *out, size_t size);

/** How many characters must be put, taken, changed or swapped with a neighbour to make one the
 * other. */
size_t ol__setting_distance(struct ol__span a, struct ol__span b);
/** The @p n-th of "a|b|c", empty past the last. */
struct ol__span ol__setting_choice(const char *choices, int n);
/** An INT, SIZE or TIME as one would write it. 32 bytes are enough. */
void ol__setting_show(const struct ol__setting *setting, int64_t value, char *out, size_t size);

/** Set a setting that is no list from its text, which is checked. Replaces what was there; on
 * failure leaves it. @return OL_OK, OL_CONFIG, OL_NOMEM. */
ol_status ol__setting_set_scalar(const struct ol__setting *setting, void *target,
                                 struct ol__span text, const struct ol__setting_place *place,
                                 struct ol_error *err);
/** Append to a TEXT_LIST. @return OL_OK, OL_CONFIG, OL_NOMEM. */
ol_status ol__setting_add_text(const struct ol__setting *setting, void *target,
                               struct ol__span text, const struct ol__setting_place *place,
                               struct ol_error *err);
/** Empty what one setting owns. */
void ol__setting_clear(const struct ol__setting *setting, void *target);

static inline void *ol__setting_at(const struct ol__setting *setting, void *target)
{
    return (char *)target + setting->offset;
}
static inline const void *ol__setting_in(const struct ol__setting *setting, const void *target)
{
    return (const char *)target + setting->offset;
}
#endif
