/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_ANSWERS_H
#define HTTP_ANSWERS_H
/** @file What an HTTP route does with answers of serving runs (`answers` of its settings): each as
 * it is, summed up by window, or none. NULL `answers` of the route: each. Delivery thread. */
#include "summary.h"

struct http_route;

struct answers {
    int mode; /**< enum route_answers: SUMMARY or NONE */
    struct summaries sums;
    uint64_t *pending; /**< owned: sequences that are summed up, but not on disk */
    size_t pending_count;
    int64_t dirty_since;     /**< monotonic; 0: the file is as `sums` */
    int64_t retry_at;        /**< monotonic: when a failed save is tried again; 0: none failed */
    int64_t clock_ms;        /**< the latest time of taking that was read */
    uint64_t restored_until; /**< what is found in the file waits until so far was read again */
    int dirfd;
    struct ol__buf bytes, event; /**< scratch */
};

enum answer_taken {
    ANSWER_NONE,  /**< the record goes on to its lane */
    ANSWER_TAKEN, /**< summed up, or left out: nothing more to do with it */
    ANSWER_LATER  /**< it comes out of route_read() again; wait a little */
};

OL_NODISCARD ol_status answers_open(struct http_route *r, struct ol_error *err);
/** Saves what it can. Before the route's cursor is closed. */
void answers_close(struct http_route *r);
/** Look at a record that was read. */
enum answer_taken answers_take(struct http_route *r, const struct spool_record *record,
                               int64_t now_ms);
/** Close, save, and queue what is due. @param is_at_end  all that is in the spool was read.
 *  @return when to come again. */
int64_t answers_work(struct http_route *r, bool is_at_end, int64_t now_ms);
/** The event of ticket @p seq, as if it had been read; borrowed until the next call. @return false:
 * it cannot be made now. */
bool answers_record(struct http_route *r, uint64_t seq, struct spool_record *ret);
/** It was taken by the other side: count its answers. */
void answers_delivered(struct http_route *r, uint64_t seq);
/** All lanes were cleared. */
void answers_forget(struct http_route *r);
/** @p from and all behind it come again. @return OL_OK; OL_IO: nothing changed that matters. */
OL_NODISCARD ol_status answers_rewind(struct http_route *r, uint64_t from, struct ol_error *err);
#endif
