/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H
/** @file Times and spans of time on command lines, the same for every verb. Threads: main. */
#include "cli.h"

#define WHEN_SPAN "a number with m, h, d or w, such as 90m, 12h, 30d or 2w"
#define WHEN_TIME "a date, a time (2026-11-21T09:00:00Z), or how long ago (" WHEN_SPAN ")"
#define WHEN_TEXT 24

/** "30d": a whole number above 0 with s, m, h, d or w, in ms. @return whether it is one. */
bool when_span(const char *text, int64_t *ret_ms);
/** A date (its first moment, UTC), a time, or a span before @p now_ms. @return whether it is one.
 */
bool when_time(const char *text, int64_t now_ms, int64_t *ret_ms);
/** The number as a parameter of a question. */
void when_number(int64_t ms, char out[WHEN_TEXT]);
/** "12 ms", "1.8 s", "3 min 05 s", "2 h 05 min", "40 d". */
void when_shown(int64_t ms, char *out, size_t size);
#endif
