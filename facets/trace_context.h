/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_TRACE_CONTEXT_H
#define OL_TRACE_CONTEXT_H
/** @file
 * The W3C formats that travel with a call: traceparent and tracestate (Trace Context, level 1 and
 * 2), and the list of baggage. They come from outside: nothing here trusts them, and nothing that
 * passes can break out of a header line. Threads: any.
 */
#include "buf.h"

#define OL_TRACE_ID_TEXT 32
#define OL_SPAN_ID_TEXT 16
#define OL_TRACEPARENT_TEXT 55    /**< as we write it; 56 bytes with the NUL */
#define OL_TRACESTATE_MAX 512     /**< bytes; what every participant must be able to pass on */
#define OL_BAGGAGE_MAX 8192       /**< bytes of the whole list */
#define OL_BAGGAGE_MEMBERS_MAX 64 /**< in the whole list */

struct ol__trace {
    char trace_id[OL_TRACE_ID_TEXT + 1]; /**< lower-case hexadecimal, not all zero; "": no trace */
    char span_id[OL_SPAN_ID_TEXT + 1];   /**< likewise: who called */
    uint8_t flags;                       /**< sampled 1, random 2; no others are kept */
};

/** Read `VERSION-TRACE-SPAN-FLAGS`: version 00 exactly, later ones by their first four fields.
 *  White space around it is passed over. @return whether it is one; else @p ret is unchanged. */
bool ol__traceparent_parse(struct ol__span text, struct ol__trace *ret);
/** Write it as version 00, with NUL. */
void ol__traceparent_format(const struct ol__trace *trace, char out[OL_TRACEPARENT_TEXT + 1]);
/** Whether @p text may be passed on as tracestate: printable ASCII, 1 to OL_TRACESTATE_MAX bytes.
 */
bool ol__tracestate_is_good(struct ol__span text);

/** One `KEY=VALUE;PROPERTIES` of a list, borrowed from the text it was read from. */
struct ol__baggage_member {
    struct ol__span whole; /**< without the white space around it */
    struct ol__span key;
    struct ol__span value; /**< percent-encoded, without properties */
};

/** Take the next member off @p rest.
 *  @return OL_OK; OL_END; OL_INVALID: this member is malformed (a key that is no token, no `=`,
 *  bytes other than printable ASCII) and was passed over, whole is set. */
OL_NODISCARD ol_status ol__baggage_next(struct ol__span *rest, struct ol__baggage_member *ret);
/** Decode a member's value and append it. @return OL_OK; OL_INVALID: a byte that must be encoded,
 *  `%` without two digits, or an encoded NUL: nothing is appended; or the buffer's failure. */
OL_NODISCARD ol_status ol__baggage_decode(struct ol__span value, struct ol__buf *out);
/** Encode and append; every byte that is not allowed as it is, and `%`, becomes %XX. A failure
 * shows in @p out. */
void ol__baggage_encode(struct ol__span text, struct ol__buf *out);
#endif
