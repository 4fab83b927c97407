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
#endif
