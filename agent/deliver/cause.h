/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CAUSE_H
#define CAUSE_H
/** @file What an answer, or none, says about what is wrong; for status, metrics and `lineage
 * doctor`. What is done about it is in retry.h. Pure tables. */
#include <curl/curl.h>
#include "metrics.h"

/** Of an HTTP status outside 200 to 299. */
enum route_cause cause_of_status(int status);
/** Of a transfer that brought no answer. @param verify  CURLINFO_SSL_VERIFYRESULT. @param detail
 * libcurl's own words, may be empty. */
enum route_cause cause_of_transfer(CURLcode result, long verify, const char *detail);
/** Both: what came of a transfer, with a reason in words in @p reason (@p size bytes).
 * @param trouble  as filled by CURLOPT_ERRORBUFFER */
enum route_cause cause_of_answer(CURL *easy, CURLcode result, int status, const char *trouble,
                                 char *reason, size_t size);

/** The last Date header field that was looked at: they change once a second. */
struct cause_clock {
    char text[64];
};
/** Look at header line @p data: by a Date, tell metrics->clock_skew_ms. */
void cause_note_clock(struct cause_clock *clock, struct route_metrics *metrics, const char *data,
                      size_t size);
#endif
