/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_HASH_H
#define OL_HASH_H
/** @file SHA-256 over OpenSSL (base_agent: not for libopenlineage). Threads: one per object. */
#include "ol_base.h"

#define OL_SHA256_SIZE 32
#define OL_SHA256_TEXT 64 /**< hexadecimal digits; 65 bytes with the NUL */

struct ol__sha256; /* opaque */
/** Keep the process's OpenSSL from reading openssl.cnf, for a program that uses it for hashes only:
 * it reads it by a descriptor that is not closed on exec, which a command started meanwhile
 * inherits. Before the first hash; again is a no-op. Any thread. */
void ol__sha256_read_no_config(void);
OL_NODISCARD ol_status ol__sha256_new(struct ol__sha256 **ret, struct ol_error *err);
void ol__sha256_free(struct ol__sha256 *hash);
/** Start over; the object is ready for a new message. */
void ol__sha256_reset(struct ol__sha256 *hash);
void ol__sha256_add(struct ol__sha256 *hash, const void *data, size_t size);
void ol__sha256_finish(struct ol__sha256 *hash, uint8_t out[OL_SHA256_SIZE]);
/** All of it at once, as lower-case hexadecimal. @return OL_OK, OL_NOMEM. */
OL_NODISCARD ol_status ol__sha256_text(struct ol__span bytes, char out[OL_SHA256_TEXT + 1],
                                       struct ol_error *err);
/** Lower-case hexadecimal of @p size bytes into out, 2 * size + 1 bytes. */
void ol__hex(const uint8_t *data, size_t size, char *out);
/** @p size bytes from the 2 x @p size hexadecimal digits at @p text, of either case. @return
 * whether that is what stands there; @p out is undefined where not. */
bool ol__hex_read(const char *text, uint8_t *out, size_t size);
/** Hash a file from its start to its end by descriptor. Stops with OL_TOO_LARGE past @p limit bytes
 *  (0: none). @return OL_OK, OL_TOO_LARGE, OL_IO, OL_NOMEM. */
OL_NODISCARD ol_status ol__sha256_file(int fd, uint64_t limit, char out[OL_SHA256_TEXT + 1],
                                       uint64_t *ret_size, struct ol_error *err);
#endif
