/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_RUN_H
#define OL_RUN_H
/** @file What a run, its job and its datasets are inside. Threads: one at a time per run. */
#include "client.h"
#include "facet_place.h"

#define OL_RUN_DATASETS_MAX 100000 /**< of each side; readers of events refuse more */

enum ol__event_form { OL_FORM_RUN, OL_FORM_JOB, OL_FORM_DATASET };

struct ol_job {
    struct ol__facet_place place; /* first: generated setters cast */
};

struct ol_dataset {
    struct ol__facet_place place;  /* first */
    bool is_sent;                  /**< an event that was accepted held it */
    const char *name_space, *name; /**< in the same allocation */
    uint64_t hash;
    struct ol__buf head; /**< `{"namespace":"...","name":"...","facets":` */
};

/** The datasets of one side, in the order in which they were added, found by name. */
struct ol__dataset_set {
    struct ol_dataset **items; /**< owned, as are the datasets */
    size_t count, cap;
    uint32_t *table;   /**< owned; open addressing, index + 1; 0: empty */
    size_t table_size; /**< a power of two, at least twice count; 0: none */
};

/** What a run and its serving handles, which are on other threads, tell each other. */
struct ol__run_share {
    _Atomic size_t users;     /**< the run, and each handle: the last one frees */
    _Atomic bool has_ended;   /**< a terminal event was accepted */
    _Atomic bool is_diverted; /**< an event lies in the journal: the others follow it there */
};

struct ol_run {
    struct ol__facet_place place; /* first */
    struct ol_job job;
    struct ol_client *client; /**< borrowed */
    struct ol__facet_context context;
    struct ol_error first_error; /**< of a setter since the last emit; status OL_OK: none */
    enum ol__event_form form;
    bool is_detached, is_lean, has_ended;
    bool is_filtered; /**< emits nothing */
    bool is_diverted; /**< an event of it lies in the journal although it should be elsewhere */
    char run_id[OL_UUID_TEXT + 1];
    char *parent_id; /**< owned: NAMESPACE/NAME/RUNID, also where the two are kept */
    size_t namespace_size, name_size;
    struct ol__buf *root_id;  /**< owned: what ol_run_root_parent_id() gave last */
    struct ol__buf job_head;  /**< `"job":{"namespace":"...","name":"...","facets":` */
    struct ol__travel travel; /**< what came with the call that it serves, or in the environment */
    struct ol__dataset_set inputs, outputs;
    struct ol_dataset *subject;  /**< of a DatasetEvent; owned */
    struct ol__run_share *share; /**< held; NULL: it never had a serving handle */
};

/** Find or make. @return NULL: no memory or too many; kept in run->first_error. */
struct ol_dataset *ol__dataset_get(struct ol_run *run, struct ol__dataset_set *set,
                                   enum ol__entity side, const char *name_space, const char *name);
void ol__dataset_set_release(struct ol__dataset_set *set);
void ol__dataset_free(struct ol_dataset *dataset);
/** One dataset of no set, e.g. the subject of a DatasetEvent. */
OL_NODISCARD ol_status ol__dataset_new(struct ol_run *run, enum ol__entity side,
                                       const char *name_space, const char *name,
                                       struct ol_dataset **ret);
/** From a URI or path, or a connection and a @p table behind it (else NULL); its version becomes
 * the version facet. */
struct ol_dataset *ol__dataset_from_uri(struct ol_run *run, struct ol__dataset_set *set,
                                        enum ol__entity side, const char *uri_or_path,
                                        const char *table);

/** Keep the first failure since the last emit; returns @p status. */
ol_status ol__run_fail(struct ol_run *run, ol_status status, const char *format, ...)
    OL_PRINTF(3, 4);
/** The JSON of a facet of the run as it is now; borrowed until the next setter. */
bool ol__run_find_facet(const struct ol_run *run, const char *key, struct ol__span *ret);
/** The run at the top, from the parent facet as it is now; the run itself without one.
 *  @return OL_OK, OL_NOMEM; OL_INVALID: a parent facet from JSON that says no such thing. */
OL_NODISCARD ol_status ol__run_find_root(const struct ol_run *run, struct ol__origin *ret);
/** Without a trace from outside: the root run's 128 bits name it, the run's last 64 the caller. Not
 * sampled: nobody records it. @return false: ids that are all zero. */
bool ol__run_make_trace(const struct ol_run *run, const struct ol__origin *root,
                        struct ol__trace *ret);
/** Made when first asked for; the caller holds it. NULL: out of memory. From the run's thread. */
struct ol__run_share *ol__run_share(struct ol_run *run);
/** NULL is a no-op. Any thread. */
void ol__run_share_release(struct ol__run_share *share);

/** The parent facet of a run that stands elsewhere. */
OL_NODISCARD ol_status ol__run_set_origin(struct ol_run *run, const struct ol__origin *parent,
                                          const struct ol__origin *root);

/** Assemble the line of an event: newline, control lines, event, newline. @p type is ignored unless
 * the form is RUN. @p marker (NULL: none) is one more facet, with its key, of the run, in its
 * absence of the job, else of the dataset. A failure shows in @p out. @return bytes of control
 * lines. */
size_t ol__event_write(const struct ol_run *run, enum ol_event type, int64_t time_ms,
                       const struct ol__buf *marker, struct ol__buf *out);
static inline bool ol__event_ends_run(enum ol_event type)
{
    return type == OL_COMPLETE || type == OL_FAIL || type == OL_ABORT;
}
/** Whether an event of that type leaves out what was in one before. */
static inline bool ol__event_is_lean(const struct ol_run *run, enum ol_event type)
{
    return run->is_lean && run->form == OL_FORM_RUN && ol__event_ends_run(type);
}
static inline bool ol__event_has_dataset(const struct ol_dataset *d, bool is_lean)
{
    return !is_lean || !d->is_sent || ol__facet_has_unsent(&d->place);
}
#endif
