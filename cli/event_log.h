/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EVENT_LOG_H
#define EVENT_LOG_H
/** @file
 * Lines of JSON for people and their log collectors: step_started, step_finished, and whatever
 * `lineage log` is told. One write(2) a line, so that processes may share a file. What users say is
 * redacted (spec/RECEIPT.md, R12). Threads: plain functions.
 */
#include "receipt/record.h"

#define EVENT_LOG_LINE_MAX ((size_t)1 << 20)
/** Names where lines go, for what a wrapped command logs itself. */
#define EVENT_LOG_VARIABLE "LINEAGE_LOG"

/** Zero it. Texts are borrowed; NULL is left out. */
struct event_log_entry {
    const char *event; /**< step_started, step_finished, or what the user says */
    const char *run_id, *step;
    int64_t attempt; /**< 0: left out */
    const char *task_id;
    const char *status; /**< COMPLETE, FAIL, ABORT */
    bool has_ended;     /**< the two below hold */
    int64_t exit_code, duration_ms;
    const struct receipt_artifact *outputs; /**< output_sha256 is the first one's that has one;
                                               if there are more, `outputs` has them by path */
    size_t output_count;
    struct receipt_pairs more; /**< behind the others; keys as given, values redacted */
};

/** Append a line to the file at @p path, made if need be ("-": standard error).
 *  @return OL_OK; OL_TOO_LARGE (EVENT_LOG_LINE_MAX); OL_NOT_FOUND, OL_DENIED, OL_FULL, OL_IO,
 * OL_NOMEM. */
OL_NODISCARD ol_status event_log_append(const char *path, const struct event_log_entry *entry,
                                        struct ol_error *err);
/** The line itself, newline included. */
void event_log_write(const struct event_log_entry *entry, int64_t now_ms, struct ol__buf *out);
#endif
