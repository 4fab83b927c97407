/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALL_H
#define CALL_H
/** @file
 * `lineage call`: what its files share. Read main.c first. Threads: main.
 */
#include <openlineage/openlineage.h>
#include "call_options.h"
#include "keep.h"
#include "receipt/redact.h"
#include "step.h"
#include "transport.h"

#define CALL_REQUEST_MAX RECEIPT_FILE_MAX
#define CALL_CHANGES_MAX (CALL_PARAMS_MAX + 8)

/* ---- replay.c: an earlier call ---- */

/** What the receipt of an earlier call says. Texts are owned; NULL: it does not say. */
struct replay {
    struct json_doc doc;
    const struct json_node *call; /**< borrowed from doc */
    bool is_read;
    char path[RECEIPT_PATH_SIZE + RECEIPT_RUN_ID_SIZE]; /**< RUN_ID/steps/.../receipt.json */
    char sha256[OL_SHA256_TEXT + 1];                    /**< of the receipt */
    struct ol__buf request;                             /**< as it was sent */
};
/** Read the receipt that @p path, or the attempt's folder that it names, has, and the request that
 * it vouches for. @return OL_OK; OL_NOT_FOUND, OL_CORRUPT (not what was sent), OL_INVALID (no
 * receipt of a call), OL_DENIED, OL_IO, OL_NOMEM. replay_release() in any case. */
OL_NODISCARD ol_status replay_read(const char *path, struct replay *ret, struct ol_error *err);
void replay_release(struct replay *replay);
/** Write what differs between the earlier call and this one, whose entry in `calls` is @p now, as
 * a JSON array of `member`, `was`, `is`, on one line. */
void replay_compare(const struct replay *replay, struct ol__span now, struct ol__buf *out);
/** The same for people, a line each, on standard error. */
void replay_say(struct ol__span differences);

/* ---- prepare.c: before anything is sent ---- */

struct call {
    struct call_options *options;
    const struct provider *provider;
    struct ol__buf url;
    struct ol__buf request; /**< without what is different for each try */
    char *request_path;     /**< owned; absolute; NULL: standard input, or a replay */
    char request_sha256[OL_SHA256_TEXT + 1]; /**< of the file as it was given */
    int64_t request_size;
    struct ol__buf key_line; /**< "Authorization: Bearer ..."; wiped */
    struct ol__buf hmac_key; /**< wiped */
    char hmac_key_id[256];
    char *template_path; /**< owned; absolute */
    char template_sha256[OL_SHA256_TEXT + 1];
    int64_t template_size;
    struct receipt_pair parameters[CALL_PARAMS_MAX]; /**< what a receipt may show of --param */
    size_t parameter_count;
    const char *changes[CALL_CHANGES_MAX]; /**< members that are not as they were given */
    size_t change_count;
    char idempotency_key[OL_ID_SIZE];
    struct replay replay;
    /* set by main.c */
    struct transport *transport;
    struct ol_client *client;
    struct step step;
};
/** @return 0, or what to exit with, said. call_release() in any case. */
int call_prepare(struct call *call, struct call_options *options);
void call_release(struct call *call);
/** The body of one try into @p out. @return OL_OK, OL_INVALID, OL_NOMEM, OL_TOO_LARGE. */
OL_NODISCARD ol_status call_body(const struct call *call, const char *run_id, const char *attempt,
                                 const char *client_id, struct ol__buf *out, struct ol_error *err);

#define CALL_LINES_MAX (CALL_HEADERS_MAX + 8)
/** The header lines of one try; an option's line wins over ours. */
struct call_lines {
    const char *items[CALL_LINES_MAX];
    size_t count;
    char id[768], idempotency[256];
};
void call_lines(const struct call *call, const char *id_header, const char *client_id,
                struct call_lines *ret);

/* ---- try.c: one attempt ---- */

/** How a try ended. Zero it, and give the buffers their limits, before the first one. */
struct try_result {
    enum call_exit exit;
    int signal;
    bool may_retry;         /**< the next one may do better, and nothing of this one was printed */
    int64_t wait_ms;        /**< that the answer asks to wait; below 0: it does not */
    char why[384];          /**< no part of the content */
    struct ol__buf summary; /**< --json: an object on one line */
    struct ol__buf differences; /**< replay_compare()'s; empty: it is no replay */
};
/** Take the attempt, send the request, keep what is kept, write the receipt. @p number from 1. */
void try_once(struct call *call, int64_t number, int64_t waited_ms, struct try_result *ret);
#endif
