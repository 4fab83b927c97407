/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUMMARY_H
#define SUMMARY_H
/** @file
 * Answers of serving runs (facet lineaged_answer), summed up by run and window of time, for routes
 * that are not to get each. summary.c keeps the sums, summary_read.c reads an answer and writes the
 * event, summary_state.c is their form on disk. Pure: no clock, no files. Threads: one.
 */
#include "event_read.h"
#include "json_write.h"
#include "spool/spool.h"

#define SUMMARY_WINDOWS_MAX 1024 /**< held at once, sent or not */
#define SUMMARY_MODELS_MAX 32
#define SUMMARY_COSTS_MAX 8
#define SUMMARY_BUCKETS 400   /**< of a latency, each 6 % wide, from a microsecond to some hours */
#define SUMMARY_TEXT_MAX 1024 /**< bytes of a model's name that are kept */

enum summary_outcome {
    SUMMARY_UNSAID,
    SUMMARY_ANSWERED,
    SUMMARY_ABSTAINED,
    SUMMARY_REFUSED,
    SUMMARY_FALLBACK,
    SUMMARY_HANDOFF,
    SUMMARY_FILTERED,
    SUMMARY_OUTCOMES
};
/** "answered"...; NULL for SUMMARY_UNSAID. */
const char *summary_outcome_name(enum summary_outcome outcome);

/** One answer, borrowed from the event. */
struct summary_answer {
    struct ol__span run_id, job_namespace, job_name;
    int64_t time_ms; /**< eventTime, or when it was taken */
    enum summary_outcome outcome;
    bool has_latency, has_cost, has_input, has_output, is_cached;
    double latency_ms, cost;
    uint64_t input_tokens, output_tokens;
    struct ol__span currency, model;
};

struct summary_named {
    char *name; /**< owned */
    uint64_t count;
    double sum;
};

/** The sums of one run and window. */
struct summary {
    uint8_t lane_kind, lane[16];
    uint64_t ticket;                         /**< stands for its sequence among the lanes */
    char *run_id, *job_namespace, *job_name; /**< owned */
    int64_t start_ms;                        /**< of the window, a multiple of its length */
    int64_t window_ms;
    int64_t first_at, last_at; /**< times of answers */
    int64_t last_taken_ms;
    uint64_t first_seq, last_seq;
    bool is_closed; /**< takes no more */
    bool is_saved;  /**< closed, and so on disk: it may be sent */
    bool is_queued; /**< among the lanes */
    uint64_t count, outcomes[SUMMARY_OUTCOMES], cached;
    bool has_input, has_output;
    uint64_t input_tokens, output_tokens;
    uint64_t latencies;
    double latency_sum, latency_min, latency_max;
    uint32_t buckets[SUMMARY_BUCKETS];
    struct summary_named models[SUMMARY_MODELS_MAX], costs[SUMMARY_COSTS_MAX];
    size_t model_count, cost_count;
};

/** All of a route. Zeroed but for window_ms, it is ready. */
struct summaries {
    int64_t window_ms;
    uint64_t next_ticket;
    uint64_t taken_seq;     /**< answers up to this sequence are in some summary, or were */
    struct summary **items; /**< owned, in the order they were begun */
    size_t count, cap;
};

void summary_free(struct summary *w);
void summaries_release(struct summaries *s);
/** Put an answer into the open summary of its run and window, closing an open one of another
 * window.
 *  @param record  its sequence, lane and time of taking.
 *  @return OL_OK; OL_FULL: SUMMARY_WINDOWS_MAX are held; OL_NOMEM: nothing changed. */
OL_NODISCARD ol_status summaries_add(struct summaries *s, const struct summary_answer *answer,
                                     const struct spool_record *record);
/** Close those whose window ended at or before @p now_ms (when records are taken). @return whether
 * any was. */
bool summaries_close_ended(struct summaries *s, int64_t now_ms);
bool summaries_close_all(struct summaries *s);
/** Close those of a lane. @p ret_any: whether there are any, closed before or now, that are not
 * queued. @return whether one was closed. */
bool summaries_close_lane(struct summaries *s, uint8_t kind, const uint8_t lane[16], bool *ret_any);
/** When the next open window ends; INT64_MAX: none is open. */
int64_t summaries_next_end(const struct summaries *s);
struct summary *summaries_find(const struct summaries *s, uint64_t ticket);
/** It was delivered, or parked. */
void summaries_remove(struct summaries *s, uint64_t ticket);
/** How many answers are in them. */
uint64_t summaries_answers(const struct summaries *s);
/** The latency that @p part of all are not above; 0 where there are none. */
double summary_latency_at(const struct summary *w, double part);

/* ---- summary_read.c ---- */

/** Whether @p record holds an answer: a RunEvent that neither begins nor ends its run, with the
 * facet and a request_id. @p ret is borrowed from the record and the reader. */
bool summary_answer_of(struct ol__event_reader *reader, const struct spool_record *record,
                       struct summary_answer *ret);
/** The event OTHER with facet lineaged_answers. The same sums give the same bytes. @return
 * out->status. */
ol_status summary_write(const struct summary *w, struct ol__buf *out);

/* ---- summary_state.c ---- */

/** All of them as bytes, for a file. @return out->status. */
ol_status summaries_write(const struct summaries *s, const struct ol__uuid *spool,
                          struct ol__buf *out);
/** Back again, into a zeroed one; window_ms is the caller's. Those that were closed are saved, none
 * is queued. @return OL_OK; OL_CORRUPT: it is not what summaries_write() makes; OL_NOMEM: @p s is
 * empty. */
OL_NODISCARD ol_status summaries_read(struct summaries *s, struct ol__span bytes,
                                      struct ol__uuid *ret_spool);
#endif
