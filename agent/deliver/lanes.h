/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LANES_H
#define LANES_H
/** @file
 * What an HTTP route sends next. Events of one lane key leave one after the other, many lanes at
 * once; a lane that failed waits its own backoff; the circuit stops them all when nothing gets
 * through. Pure data: no clock, no payloads, no input or output. Times are monotonic ms, handed in.
 * Threads: one.
 */
#include "ol_base.h"
#include "retry.h"

/** Sequences with this bit are no record's: tickets for what the route itself puts into a lane, in
 * the order of the calls. */
#define LANES_TICKET (UINT64_C(1) << 63)

struct lanes; /* opaque */

struct lanes_options {
    size_t window;          /**< most events held; 0: 65,536, which is also the most */
    int in_flight_max;      /**< at least 1 */
    int64_t backoff_ms;     /**< first step of a backoff; 0: 250 */
    int64_t backoff_max_ms; /**< its ceiling; 0: 5 minutes */
    int64_t hold_ms;        /**< between the probes of a held route; 0: 60 s */
    int poison_tries;       /**< DESIGN 7; 0: 10 */
    uint64_t seed;          /**< of jitter and hash */
};

enum lanes_circuit {
    LANES_CLOSED,       /**< all lanes may send */
    LANES_OPEN,         /**< an outage: one probe at a time */
    LANES_DENIED,       /**< held: one probe a hold_ms (401, 403, 404, 405...) */
    LANES_MISCONFIGURED /**< held: 10 events of different lanes refused in a row */
};

/** The event to send, in flight until lanes_answer(), lanes_release() or lanes_remove(). */
struct lanes_item {
    uint64_t seq, segment, offset;
    uint32_t lane; /**< handle for the calls below */
    int tries;     /**< this one included */
    bool is_probe;
    bool is_alone; /**< not to be sent together with others */
};

enum lanes_verdict {
    LANES_DELIVERED, /**< forgotten: mark it done */
    LANES_KEPT,      /**< will come out of lanes_next() again */
    LANES_PARK       /**< write a dead letter, then lanes_remove(); if that fails lanes_release() */
};

OL_NODISCARD ol_status lanes_new(const struct lanes_options *options, struct lanes **ret,
                                 struct ol_error *err);
void lanes_free(struct lanes *lanes);
/** Forget every event, those in flight too, and all that was learnt from answers: as new. */
void lanes_clear(struct lanes *lanes);

/** Whether reading ahead helps: room in the window, and fewer ready lanes than could be in flight,
 * or lanes_wants_witness(). */
bool lanes_wants(const struct lanes *lanes);
/** Whether all lanes failed since something got through last, so that only the event of another can
 * tell whether it is they or the other side. */
bool lanes_wants_witness(const struct lanes *lanes);
/** Say whether these lanes hold up all events behind them (the route's window is used up): then
 * their backoff is short, and each failure that may be the event's counts in full. */
void lanes_press(struct lanes *lanes, bool is_pressed, int64_t now_ms);
/** Put an event behind those of its lane. Sequences of records must rise. @return OL_OK, OL_FULL
 * (window), OL_NOMEM: nothing changed. */
OL_NODISCARD ol_status lanes_add(struct lanes *lanes, uint8_t kind, const uint8_t key[16],
                                 uint64_t seq, uint64_t segment, uint64_t offset);
/** Take the next event that may be sent at @p now_ms. @return false: none, see lanes_deadline(). */
bool lanes_next(struct lanes *lanes, int64_t now_ms, struct lanes_item *ret);
/** What the other side made of it. */
enum lanes_verdict lanes_answer(struct lanes *lanes, const struct lanes_item *item,
                                const struct retry_class *answer, int64_t now_ms);
/** It was not sent, or its dead letter could not be written: comes again after @p delay_ms, no try
 * counted. */
void lanes_release(struct lanes *lanes, const struct lanes_item *item, int64_t now_ms,
                   int64_t delay_ms);
/** From now on its event goes alone, until it is dealt with. Before the calls around this one. */
void lanes_set_alone(struct lanes *lanes, const struct lanes_item *item);
/** Whether other events of its lane wait behind it. */
bool lanes_has_next(const struct lanes *lanes, const struct lanes_item *item);
/** It is dealt with without an answer that counts (parked, gone from disk): forget it. */
void lanes_remove(struct lanes *lanes, const struct lanes_item *item);
/** Let a probe out at once, e.g. because the API key changed. */
void lanes_probe_now(struct lanes *lanes);

/** Whether an outage's probe may go out at @p now_ms. */
bool lanes_is_probe_due(const struct lanes *lanes, int64_t now_ms);
/** The other side is known to be still down, without a probe: the next is due later. */
void lanes_probe_failed(struct lanes *lanes, int64_t now_ms);

/** When lanes_next() may have something: now_ms or earlier, or INT64_MAX if only an answer or a new
 * event can change that. */
int64_t lanes_deadline(const struct lanes *lanes);
enum lanes_circuit lanes_circuit(const struct lanes *lanes);
size_t lanes_count(const struct lanes *lanes); /**< events held, in flight included */
size_t lanes_in_flight(const struct lanes *lanes);
size_t lanes_waiting(const struct lanes *lanes); /**< lanes in their backoff */
#endif
