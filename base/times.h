/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_TIMES_H
#define OL_TIMES_H
/** @file Clocks and RFC 3339 times. Event times are UTC in ms; deadlines use the monotonic clock.
 */
#include "ol_base.h"

#define OL_TIME_TEXT 24 /**< "2026-11-21T09:00:00.000Z"; 25 bytes with the NUL */

int64_t ol__time_now_ms(void);       /**< Unix time, UTC */
int64_t ol__time_now_ns(void);       /**< Unix time, UTC */
int64_t ol__time_monotonic_ms(void); /**< for deadlines and durations only */
int64_t ol__time_monotonic_us(void);
#ifdef OL_CRASHPOINTS
/** Test builds: the wall clock, as all code of this process sees it, is off by the ms at @p ms, as
 * they stand at each call; borrowed until the next call of this, NULL: it is right. */
void ol__time_shift_wall(const int64_t *ms);
#endif
/** Years 0001 to 9999; outside them the nearest end. */
void ol__time_format(int64_t unix_ms, char out[OL_TIME_TEXT + 1]);
/** Parse an RFC 3339 date-time: any fraction (cut to ms), 'T' or 't' or a space, 'Z' or an offset.
 *  @p ret_has_zone (may be NULL) tells a time without zone, which is read as UTC.
 *  @return OL_OK or OL_INVALID: no such time (leap second 60 is read as 59). */
OL_NODISCARD ol_status ol__time_parse(struct ol__span text, int64_t *ret_unix_ms,
                                      bool *ret_has_zone);
/** The same with @p ret_ns (0 to 999,999): what of the fraction lies past the ms; cut to ns. */
OL_NODISCARD ol_status ol__time_parse_ns(struct ol__span text, int64_t *ret_unix_ms,
                                         uint32_t *ret_ns, bool *ret_has_zone);
#endif
