/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DECISIONS_H
#define STORE_DECISIONS_H
/** @file
 * What people decided: approvals (facet lineaged_approval) and deployments (lineaged_deployment) of
 * any producer, found by table marks, and what they mean for one version of one dataset. Threads:
 * one per store.
 */
#include "arena.h"
#include "ask.h"
#include "json_doc.h"

#define DECISIONS_MAX 10000 /* deployments, serving runs, calls that one question looks at */
#define APPROVALS_MAX 1000  /* of one subject */

enum verdict { VERDICT_NOBODY, VERDICT_APPROVED, VERDICT_REJECTED, VERDICT_WAIVED };
const char *verdict_name(enum verdict verdict);

struct approval {
    int64_t run;
    int64_t at; /* as the facet says, else the run's last event */
    int index;  /* in the facet's array */
    enum verdict verdict;
};
struct approvals {
    struct approval items[APPROVALS_MAX]; /* in the order of time; the last word counts */
    int count;
    bool is_cut;
};

struct deployment {
    int64_t run, at;
    int64_t model, version; /* 0: not told */
    int64_t endpoint;       /* dataset that was written; 0: none */
    const char *place;      /* what it serves as where endpoint is 0: url, service or name; "" */
    const char *id, *environment, *status, *strategy, *replaces; /* "" where not told */
    bool has_traffic;
    double traffic;
    bool is_live;
    int64_t gone_for; /* index + 1 of the deployment that took its place; 0: none */
};
struct deployments {
    struct deployment *items; /* owned, in the order of time */
    int count, cap;
    bool is_cut;
};

struct decisions {
    struct ask *ask;
    struct ol__arena arena;               /* texts of deployments */
    int64_t approval_key, deployment_key; /* of the facets; 0: nobody has such a one */
    struct approvals scratch;
};

OL_NODISCARD ol_status decisions_begin(struct decisions *d, struct ask *ask);
void decisions_end(struct decisions *d);

/** The run facet of @p key (a text id) of run @p id, whose state is in ask->state afterwards.
 *  @return OL_OK: json_doc_release(); OL_NOT_FOUND; or a failure. */
OL_NODISCARD ol_status decisions_facet(struct ask *ask, int64_t id, int64_t key,
                                       struct ask_run *ret_run, struct json_doc *ret);
/** The text of a version, in the arena; "" for 0. */
OL_NODISCARD ol_status decisions_version(struct decisions *d, int64_t version, const char **ret);
/** A dataset's name, in the arena. */
OL_NODISCARD ol_status decisions_name(struct decisions *d, int64_t dataset, const char **ret);

/** Those of this version of this dataset (version 0: none can be), or of the same bytes under
 * another name. Into d->scratch. */
OL_NODISCARD ol_status approvals_of_version(struct decisions *d, int64_t dataset, int64_t version);
/** Those of a run or a deployment, by its id. Into d->scratch. */
OL_NODISCARD ol_status approvals_of_id(struct decisions *d, const char *id);
/** The last word of d->scratch. */
enum verdict approvals_verdict(const struct decisions *d);
/** Member "approval": verdict, and who and when if anybody; @p note NULL: nothing to say. */
OL_NODISCARD ol_status approvals_write_verdict(struct decisions *d, const char *note);
/** Member "approvals": all of d->scratch. */
OL_NODISCARD ol_status approvals_write(struct decisions *d);

/** All that may be seen; deployments_release() in any case. is_live: it serves, as far as told. */
OL_NODISCARD ol_status deployments_read(struct decisions *d, struct deployments *ret);
void deployments_release(struct deployments *list);
/** Members of an open object: endpoint, environment, model, since... */
OL_NODISCARD ol_status deployment_write(struct decisions *d, const struct deployment *item);
/** Whether it is of that model: its id model_version, NAME@VERSION, NAME:VERSION, the version. */
OL_NODISCARD ol_status deployment_is_of(struct decisions *d, const struct deployment *item,
                                        const char *model_version, bool *ret);
/** As ask_resolve(); a deployment is also found by its id. kind ASK_NONE: nothing is. */
OL_NODISCARD ol_status decisions_resolve(struct ask *ask);
/** The version that was written last, else the one that was read last; 0: none is recorded. @p ret
 * ->run is who wrote it. */
OL_NODISCARD ol_status decisions_latest(struct ask *ask, int64_t dataset, struct ask_edge *ret);
/** The dataset and version that a text like NAME@VERSION means; 0, 0: none is recorded. */
OL_NODISCARD ol_status decisions_find_model(struct ask *ask, const char *text, int64_t *ret_dataset,
                                            int64_t *ret_version);
#endif
