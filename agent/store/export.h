/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_EXPORT_H
#define STORE_EXPORT_H
/** @file From what the store keeps of a run, a job or a dataset back to OpenLineage events:
 * export_plan.c says which events there were, export_event.c writes them, export.c goes through the
 * store. Threads: one per store. */
#include "ask.h"

/** One thing that an event says, in the order in which events say it. */
enum export_place {
    EXPORT_MARK,
    EXPORT_RUN,
    EXPORT_JOB,
    EXPORT_SUBJECT,
    EXPORT_INPUT,
    EXPORT_OUTPUT
};
struct export_item {
    int64_t at;
    bool is_late;       /**< not of the event that the store took first */
    int32_t pass;       /**< of events with the same time the earlier ones */
    uint8_t place;      /**< enum export_place */
    uint8_t kind;       /**< enum state_kind; of a mark 0 */
    int64_t object;     /**< dataset */
    int64_t key, value; /**< as in struct state_entry */
};
#define EXPORT_LAST_PASS INT32_MAX
#define EXPORT_FIRST_PASS (-1)

struct export_plan {
    struct export_item *items; /**< owned */
    size_t count, cap;
};

/** Whose events they are. */
struct export_subject {
    enum ask_kind kind; /**< ASK_RUN, ASK_JOB, ASK_DATASET */
    struct run_row row; /**< of a run */
    struct ol__buf run_id;
    int64_t job, dataset; /**< ids; 0: none */
    int64_t seen;         /**< of a job or dataset: when it was last told of */
    bool has_last;        /**< an answer tells of row.last */
};

struct export
{
    struct ask ask;
    struct store *store;
    struct ol__buf *out;
    struct ol_error *err;
    struct export_subject subject;
    struct export_plan plan;
    struct ol__buf text, facet; /**< scratch */
    int64_t version_key;        /**< of text "version"; 0: nobody has one */
    int64_t parent_key, inferred_key;
};

/** An event holds about this many bytes at most before another one of the same time goes on. */
#define EXPORT_EVENT_BYTES ((size_t)1 << 20)

/** Fill ex->plan from ex->ask.state and the subject. */
OL_NODISCARD ol_status export_plan_make(struct export *ex);
void export_plan_release(struct export_plan *plan);
/** Whether two items are told by the same event. */
bool export_same_event(const struct export_item *a, const struct export_item *b);

/** Write the event that begins at item @p from. @return OL_OK, *ret_next is the item that the next
 * one begins at; OL_NOT_FOUND: it is damaged, and maybe half written; or a failure. */
OL_NODISCARD ol_status export_event_write(struct export *ex, size_t from, size_t *ret_next);
/** Write the event of answer @p id. @return as above. */
OL_NODISCARD ol_status export_answer_write(struct export *ex, int64_t id);
/** Text @p id into @p out, which is emptied. @return OL_NOT_FOUND: it is damaged. */
OL_NODISCARD ol_status export_text(struct export *ex, int64_t id, struct ol__buf *out);
/** The version that the facet with id @p facet says, into ex->text, empty if it says none. @return
 * as above. */
OL_NODISCARD ol_status export_facet_version(struct export *ex, int64_t facet);
/** The text of version @p id, into @p out. @return as above. */
OL_NODISCARD ol_status export_version(struct export *ex, int64_t id, struct ol__buf *out);
#endif
