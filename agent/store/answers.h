/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ANSWERS_H
#define STORE_ANSWERS_H
/** @file The table of answers (facet lineaged_answer): what ingest.c, expire.c and the questions
 * need of it. Threads: one per store. */
#include "ask.h"
#include "ingest.h"
#include "json_doc.h"

#define ANSWERS_BATCH 5000 /* rows that one transaction removes at most */

struct answer {
    const struct ol__event_facet *facet, *ids; /* ids NULL: no lineaged_run */
    struct ol__span request, provider, trace;  /* empty: not told */
    bool says_more;                            /* datasets, or other facets */
};
/** Whether @p event holds an answer: a RunEvent, none that begins or ends a run, with an id. */
bool answer_of(const struct ol__event *event, struct answer *ret);
/** Whether the facet is part of the answer, so that it is not the run's. */
bool answer_has_facet(const struct ol__event_facet *facet);

/** Whether the very answer is a row already. */
OL_NODISCARD ol_status answer_is_there(struct store *store, const struct answer *answer,
                                       int64_t run, int64_t at, bool *ret, struct ol_error *err);
OL_NODISCARD ol_status answer_add(struct store *store, const struct ol__event *event,
                                  const struct answer *answer, int64_t run, int64_t at,
                                  int64_t seen, struct ol_error *err);
/** Of the run's row what an answer changes. */
OL_NODISCARD ol_status answer_touch(struct store *store, const struct run_row *old,
                                    const struct run_row *row, struct ol_error *err);

/** The newest answers with this id, of runs that may be seen. */
OL_NODISCARD ol_status ask_find_answers(struct ask *ask, struct ol__span text, int64_t *ret_answers,
                                        int64_t *ret_runs, int max, int *ret_count);
/** Members of an answer's object: at, provider_request_id, ids, answer, run. */
OL_NODISCARD ol_status ask_write_answer(struct ask *ask, int64_t id);
/** Whether the answer retrieved or cited that document, and whose it is. */
OL_NODISCARD ol_status ask_answer_has_doc(struct ask *ask, int64_t id, struct ol__span doc,
                                          int64_t *ret_run, bool *ret);
/** When answer @p id was given, and its facet: json_doc_release(). @return OL_OK; OL_NOT_FOUND: it
 * is not there, or cannot be read; or a failure. */
OL_NODISCARD ol_status ask_read_answer(struct ask *ask, int64_t id, int64_t *ret_at,
                                       struct json_doc *ret);
OL_NODISCARD ol_status ask_count_answers(struct ask *ask, int64_t run, int64_t *ret);

/** At most ANSWERS_BATCH rows of a run. */
OL_NODISCARD ol_status answers_remove_run(struct store *store, int64_t run, bool *ret_more,
                                          struct ol_error *err);
/** Of the ANSWERS_BATCH that came first, those taken before @p before_ms. */
OL_NODISCARD ol_status answers_remove_old(struct store *store, int64_t before_ms,
                                          int64_t *ret_removed, struct ol_error *err);
/** When the first of them was taken; INT64_MAX: there is none. */
OL_NODISCARD ol_status answers_oldest(struct store *store, int64_t *ret_seen, struct ol_error *err);
#endif
