/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CALL_OPTIONS_H
#define CALL_OPTIONS_H
/** @file The command line of `lineage call` (lineage-call(1)). Threads: main. */
#include "provider.h"
#include "run_options.h"

#define CALL_HEADERS_MAX 64
#define CALL_PARAMS_MAX 256
#define CALL_RETRIES_MAX 100

/** Exit status; 128+N: signal N ended it. */
enum call_exit {
    CALL_ANSWERED = 0,
    CALL_REFUSED = 1,    /**< the provider answers with an error, after all tries */
    CALL_USAGE = 2,      /**< command line, request or key: nothing was sent */
    CALL_NO_ANSWER = 3,  /**< no connection, timed out, not to be trusted */
    CALL_BAD_ANSWER = 4, /**< cut short, too large, or the stream ends in an error */
    CALL_NO_OUTPUT = 5,  /**< answered, but the answer could not be written where it was wanted */
    CALL_NO_REPLAY = 6   /**< the request of the receipt is not there, or not what was sent */
};

struct call_param {
    const char *path;
    const char *value;
};
struct call_options {
    const char *provider_name;
    const struct provider *provider; /**< set where the name is known */
    const char *url, *request;       /**< as given; NULL */
    const char *step, *runs, *pipeline, *task_id, *job, *job_namespace;
    int64_t seq; /**< below 0: none */
    struct run_pairs tags, groups;
    const char *model;
    struct call_param params[CALL_PARAMS_MAX];
    size_t param_count;
    const char *headers[CALL_HEADERS_MAX]; /**< "Name: value" */
    size_t header_count;
    const char *key_env, *key_file, *key_header;
    const char *idempotency_header;
    const char *template_name, *template_version, *template_file; /**< version may be NULL */
    const char *corpus, *corpus_sha256;
    const char *hmac_key_file, *hmac_key_id;
    const char *output, *ca_file, *replay;
    int64_t timeout_ms, connect_timeout_ms, retry_wait_max_ms;
    int64_t retries;
    uint64_t answer_max;
    bool has_metadata, has_no_id, allows_http;
    bool is_as_sent, is_not_stored, is_dry_run, is_json, is_quiet;
    char **argv; /**< owned: what a receipt may show of the command line, NULL-terminated */
};

/** Read the options; @p argv is changed. @return 0; below 0: help or version was printed; else what
 * to exit with, said. */
int call_options_parse(int argc, char **argv, struct call_options *o);
void call_options_release(struct call_options *o);
#endif
