/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_SERVING_H
#define OL_SERVING_H
/** @file What a serving handle is inside, for answer.c and answer_headers.c. Threads: all members
 * but `run` are constant once it is made. */
#include <openlineage/answer.h>
#include "run.h"
#include "sha2.h"

/** Those of the run's searched ids that an answer may say better. */
enum ol__answer_id {
    OL_ANSWER_FEATURE_VIEW,
    OL_ANSWER_CORPUS_SHA,
    OL_ANSWER_PROMPT_TEMPLATE,
    OL_ANSWER_MODEL_VERSION,
    OL_ANSWER_PROVIDER_REQUEST_ID,
    OL_ANSWER_IDS
};

struct ol_serving {
    struct ol_client *client;          /**< held */
    struct ol__run_share *run;         /**< held: what its run tells us, and we it */
    const struct ol__facet_hook *hook; /**< the client's; NULL: none */
    bool is_filtered;                  /**< records nothing */
    bool has_ids;                      /**< ids_head holds an id */
    bool is_keyed;
    struct ol__hmac hmac;      /**< where is_keyed: keyed, with nothing added */
    struct ol__buf head;       /**< from behind the time to the run's facets, `{` included */
    struct ol__buf ids_head;   /**< `"lineaged_run":{...` with the ids that no answer changes */
    struct ol__buf facet_head; /**< `"lineaged_answer":{...` with producer and schema */
    struct ol__buf tail;       /**< from behind the run's last facet to the newline */
    char *ids[OL_ANSWER_IDS];  /**< owned: the run's own; NULL: none */
    char *dataset_id;          /**< owned: the run's; NULL: none */
    char trace_id[OL_TRACE_ID_TEXT + 1]; /**< what x-lineage-trace-id says without one; "": none */
};

/** The answer's id, else the run's; NULL: none. */
const char *ol__answer_id(const struct ol_serving *serving, const struct ol_answer *answer,
                          enum ol__answer_id id);
/** Copy a caller's struct, of this or another version. @return OL_OK, OL_INVALID. */
OL_NODISCARD ol_status ol__answer_copy(const struct ol_answer *answer, struct ol_answer *ret,
                                       struct ol_error *err);
/** Whether @p text is @p digits hexadecimal digits, not all 0. */
bool ol__answer_is_trace(const char *text, size_t digits);
#endif
