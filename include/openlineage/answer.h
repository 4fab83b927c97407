/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPENLINEAGE_ANSWER_H
#define OPENLINEAGE_ANSWER_H
/** @file
 * The answers or predictions of a service: one run as long as the service, one event an answer.
 * Part of <openlineage/openlineage.h>; docs/answers.md says what goes where.
 *
 *     struct ol_serving *serving = NULL;
 *     ol_run_set_ids(run, OL_MAKE(ol_ids, .model_version = "ranker@41"));
 *     ol_run_emit(run, OL_START, NULL);
 *     ol_serving_new(run, OL_MAKE(ol_serving_options, .key_size = 0), &serving, &err);
 *     ... on any thread:
 *     ol_answer_record(serving, OL_MAKE(ol_answer, .request_id = id, .latency_ms = OL_REAL(12.5),
 *                                       .outcome = OL_ANSWERED), &err);
 *     ... when all threads are done:
 *     ol_serving_free(serving);
 *     ol_run_emit(run, OL_COMPLETE, NULL);
 *
 * Threads: ol_answer_record() and ol_answer_headers() may be called with one serving handle by any
 * number of threads at once, also while the run's own thread emits other events of it. Fork: parent
 * and child may both go on. Handles may be NULL everywhere: such a call does nothing and answers
 * OL_DISABLED.
 */
#include <openlineage/status.h>
#include <openlineage/values.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ol_run;     /* <openlineage/openlineage.h> */
struct ol_carrier; /* <openlineage/openlineage.h> */
struct ol_serving; /* opaque */

#define OL_ANSWER_DOCS_MAX 1000  /**< Of each list of documents; those behind are left out. */
#define OL_ANSWER_HEADER_MAX 256 /**< Bytes of a header's value, without its NUL. */

/** What became of a request. */
enum ol_outcome {
    OL_OUTCOME_UNSET, /**< Not told. */
    OL_ANSWERED,      /**< As asked. */
    OL_ABSTAINED,     /**< The model said that it does not know. */
    OL_REFUSED,       /**< The model, or a rule before it, would not. */
    OL_FALLBACK,      /**< Another model, rule or default answered in its place. */
    OL_HANDOFF,       /**< A human took over. */
    OL_FILTERED       /**< An answer was made and held back. */
};

/** How a serving handle is made. */
struct ol_serving_options {
    size_t struct_size; /**< Set by OL_MAKE. */
    const void *key;    /**< Hashes of input and output become HMAC-SHA-256 under these bytes, for
                             texts that could be guessed. Copied in a form that tells nothing of it but
                             its effect. */
    size_t key_size;    /**< Bytes at key, at least 16; 0: none. */
};

/** One answer. Members that are left out are absent, but for those that say otherwise. */
struct ol_answer {
    size_t struct_size;     /**< Set by OL_MAKE. */
    const char *request_id; /**< Required: id that the service gave the request, or took from it. */
    enum ol_outcome outcome;   /**< What became of it. */
    struct ol_int time_ms;     /**< When, in ms since 1970 UTC; absent: now. */
    const char *trace_id;      /**< W3C trace of the request, 32 hexadecimal digits. */
    const char *span_id;       /**< The span in it that answered, 16 hexadecimal digits. */
    const char *model_version; /**< Model and its version; NULL: that of the run's lineaged_run. */
    const char *prompt_template; /**< Template and its version; NULL: the run's. */
    const char *corpus_sha;      /**< Hash of the text corpus behind retrieval; NULL: the run's. */
    const char *feature_view;    /**< Feature view and its version; NULL: the run's. */
    const char *provider_request_id; /**< Id that the model's provider gave; NULL: the run's. */
    const char *embedding_model;     /**< Model that made the vectors, and its version. */
    const char *retrieval_index;     /**< Index that was searched, and its version. */
    const char *const *retrieved;    /**< Ids of the documents found, best first. */
    size_t retrieved_count;          /**< Elements of retrieved. */
    const char *const *cited;        /**< Ids of the documents that the answer cites. */
    size_t cited_count;              /**< Elements of cited. */
    const char *feature_snapshot_ts; /**< As of when features were taken: RFC 3339 with its zone. */
    const char *cohort;              /**< Group of the caller, e.g. the arm of an experiment. */
    const char *geo;                 /**< Where the caller is, as coarse as it may be told. */
    struct ol_real temperature;      /**< Of the sampling. */
    struct ol_int max_tokens;        /**< Most tokens that the answer could have. */
    struct ol_int seed;              /**< Of the sampling. */
    const void *input; /**< Bytes that were asked: hashed, and kept nowhere. Not with input_hash. */
    size_t input_size; /**< Bytes at input. */
    const void *output;        /**< Bytes that were answered: hashed, and kept nowhere. */
    size_t output_size;        /**< Bytes at output. */
    const char *input_hash;    /**< In place of input: "sha256:" or "hmac-sha256:" and 64 digits. */
    const char *output_hash;   /**< The same, in place of output. */
    struct ol_real latency_ms; /**< From request to answer. */
    struct ol_real confidence; /**< How sure the model is, by its own scale. */
    struct ol_int input_tokens;  /**< Tokens that went in. */
    struct ol_int output_tokens; /**< Tokens that came out. */
    struct ol_real cost;         /**< What it cost. */
    const char *currency;        /**< Of the cost, ISO 4217. */
    enum ol_bool cache_hit;      /**< Whether the answer came from a cache. */
    const char *cached_from;     /**< request_id of the call that the cached answer was made for. */
};

/** Make a handle for the answers that @p run gives. What every answer shares is taken from the run
 * now: its id, job, and the ids of its facet `lineaged_run`; later changes need a handle of their
 * own. Emits nothing. From the thread that has the run.
 *  @param ret  Owned: end it with ol_serving_free(), before or after its run, before its client.
 * NULL on any result but OL_OK.
 *  @return OL_OK; OL_DISABLED (run NULL); OL_INVALID: no run of ol_run_new(), it has ended, or a
 * key of less than 16 bytes; OL_NOMEM, OL_TOO_LARGE. Since 0.1. */
OL_API OL_NODISCARD ol_status ol_serving_new(struct ol_run *run,
                                             const struct ol_serving_options *options,
                                             struct ol_serving **ret, struct ol_error *err);

/** Free @p serving, which no thread may use again. Emits nothing. Since 0.1. */
OL_API void ol_serving_free(struct ol_serving *serving);

/** Record one answer, as an event OTHER of the run: the ids that people search in its facet
 * `lineaged_run`, beside those of the run, the rest in `lineaged_answer`. Nothing of the run itself
 * is changed or repeated, and no later event of it has anything of the answer. Emit START first.
 * Through the journal: one write, with no allocation once every thread has been here, blocks as a
 * write to a file does; through another transport as an emit there, so http waits for its server.
 * Any thread.
 *
 * What is malformed is left out, and the answer is recorded without it: OL_PARTIAL. So are
 * documents past OL_ANSWER_DOCS_MAX, and both lists where the event would be larger than the
 * client's limit.
 *  @return OL_OK, OL_PARTIAL; OL_DISABLED: NULL, or configuration filters the job or leaves the
 * facet out; OL_INVALID: no request_id, no such struct, or the run has had its terminal event;
 * OL_NOMEM; OL_FULL; OL_TOO_LARGE; OL_IO. After a negative result nothing was handed over; it is
 * counted and logged as an event refused (ol_client_lost()). Since 0.1. */
OL_API ol_status ol_answer_record(struct ol_serving *serving, const struct ol_answer *answer,
                                  struct ol_error *err);

/** Say in the HTTP response where an answer comes from. Puts into @p carrier, names in lower case
 * as HTTP/2 wants them:
 *  - `x-model-version`: model_version.
 *  - `x-dataset-version`: corpus_sha, else feature_view (with `@` and feature_snapshot_ts), else
 *    dataset_id of the run's lineaged_run.
 *  - `x-lineage-trace-id`: trace_id, else the trace that the run is part of, else the one that
 *    ol_context_inject() makes of its root run's id. 32 hexadecimal digits.
 *  - `x-reproducible`: `true`: the record of this answer names all that is needed to ask for it
 *    again: model version, input hash, a temperature of 0 or a seed, with retrieval (an index, an
 *    embedding model or documents) the corpus hash, with a feature view the time of its snapshot.
 *    Else `false; missing=` and which of `model_version`, `input_hash`, `seed`, `corpus_sha`,
 *    `feature_snapshot_ts` are not there, with commas. It promises nothing of the hardware, nor
 * that any of these are still kept. Absent ones but the last two are not put. Values are printable
 * ASCII: other bytes, and `%`, are percent-encoded; one longer than OL_ANSWER_HEADER_MAX is not
 * put, never cut. Records nothing, calls no function but `put`, does not block or allocate. Any
 * thread. Bytes of `input` count as a hash; they are not read.
 *  @return OL_OK; OL_PARTIAL: a value was too long; OL_DISABLED (NULL); OL_INVALID: no `put`, no
 * such struct; OL_IO: `put` failed, what it took before stays. Since 0.1. */
OL_API ol_status ol_answer_headers(const struct ol_serving *serving, const struct ol_answer *answer,
                                   const struct ol_carrier *carrier, struct ol_error *err);

#ifdef __cplusplus
}
#endif
#endif
