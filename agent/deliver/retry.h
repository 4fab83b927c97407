/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RETRY_H
#define RETRY_H
/** @file
 * What an answer means (DESIGN 7), as tables: by status, by kind of failure; profile.h adds
 * what single servers mean by theirs. Pure. Threads: any.
 */
#include "config.h"
#include "event_read.h"

enum retry_kind {
    RETRY_DONE,  /**< delivered */
    RETRY_LATER, /**< backoff, no limit of tries */
    RETRY_PARK,  /**< this event will never be taken */
    RETRY_HOLD   /**< this route is set up wrongly, or not allowed */
};

/* How much a failure says against the event itself; poison is reached at tries * RETRY_SUSPECT. */
#define RETRY_SUSPECT 10 /* the server failed on it: 500 and the like */
#define RETRY_ODD 1      /* timed out, or broke off: usually the network, perhaps the event */

struct retry_class {
    enum retry_kind kind;
    int suspicion; /**< LATER: 0, RETRY_ODD, RETRY_SUSPECT */
    bool
        is_doubtful; /**< LATER: it may be the event after all, if it alone fails: 5xx, no answer */
    bool is_rate_limit; /**< the whole route waits after_ms, not this lane only */
    int64_t after_ms;   /**< Retry-After, capped; 0: none */
};

enum retry_failure {
    RETRY_ANSWERED,      /**< a whole answer came: status counts */
    RETRY_NO_CONNECTION, /**< nothing was sent: name, address, handshake */
    RETRY_TIMED_OUT,
    RETRY_BROKEN,    /**< sent, perhaps, without a whole answer */
    RETRY_UNTRUSTED, /**< certificate does not verify, no such CA file, URL refused */
    RETRY_LOCAL      /**< out of memory or descriptors here */
};

struct retry_answer {
    enum retry_failure failure;
    int status;
    struct ol__span body;        /**< what was kept of it */
    struct ol__span retry_after; /**< header value, empty: none */
};

/** @param reader   looks into bodies, borrowed.
 *  @param unix_ms  now, for a Retry-After that is a date.
 *  @param cap_ms   ceiling of Retry-After. */
struct retry_class retry_classify(enum route_profile profile, const struct retry_answer *answer,
                                  struct ol__json_reader *reader, int64_t unix_ms, int64_t cap_ms);

/** Wait that a Retry-After value asks for, in ms, at most @p cap_ms; -1: not one. */
int64_t retry_after_parse(struct ol__span value, int64_t unix_ms, int64_t cap_ms);

/** min(@p max_ms, @p base_ms * 2^@p level) */
int64_t retry_ceiling(int64_t base_ms, int64_t max_ms, int level);
/** Exponential backoff with full jitter: between 1 and the ceiling, by @p random. */
int64_t retry_backoff(int64_t base_ms, int64_t max_ms, int level, uint64_t random);
#endif
