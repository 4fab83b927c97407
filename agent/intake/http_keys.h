/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTAKE_HTTP_KEYS_H
#define INTAKE_HTTP_KEYS_H
/** @file
 * The API keys of the door: names and SHA-256 sums, from the settings and from a file that is read
 * again when it changes. A key itself is nowhere kept. Threads: the intake thread only.
 */
#include "config.h"
#include "hash.h"

struct http_keys; /* opaque */
/** Those of intake.http.api_keys and api_keys_file. @p config is borrowed. @return OL_OK;
 * OL_CONFIG: err says what is wrong with the file, and where; OL_NOMEM. */
OL_NODISCARD ol_status http_keys_open(const struct agent_config *config, struct http_keys **ret,
                                      struct ol_error *err);
void http_keys_close(struct http_keys *keys);
/** Whether there are keys at all (or a file for them). */
bool http_keys_are_used(const struct http_keys *keys);
/** Read the file again if it changed; not more than once a second. A file that cannot be read, or
 * has a mistake, leaves the keys as they were; that is logged, once for each change. */
void http_keys_look(struct http_keys *keys, int64_t now_ms);
/** Whether a header's value is a bearer token at all. */
bool http_keys_is_bearer(const char *authorization);
/** Name of the key in "Bearer KEY"; NULL: it is none of ours. Takes as long whichever it is.
 * @p hash is scratch. Borrowed until http_keys_look(). */
const char *http_keys_find(const struct http_keys *keys, struct ol__sha256 *hash,
                           const char *authorization);
#endif
