/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SERVING_H
#define STORE_SERVING_H
/** @file What gives answers, by the model that it says it is. Threads: one per store. */
#include "decisions.h"

#define SERVED_MAX 1000 /* models that answer, of one question */
#define SERVED_RUNS 10  /* of each, those that are listed */

struct served {
    const char *model_version; /* in the arena of decisions; "": none is told */
    int64_t answers, first, last;
    int64_t runs[SERVED_RUNS];
    int64_t run_count;
};
struct served_list {
    struct served *items; /* owned */
    int count;
    bool is_cut;
};

/** served_release() in any case. */
OL_NODISCARD ol_status served_read(struct decisions *d, struct served_list *ret);
void served_release(struct served_list *list);
/** Whether any deployment names that model. */
OL_NODISCARD ol_status served_find_deployment(struct decisions *d, const struct deployments *all,
                                              const struct served *served, bool *ret);
/** Members of an open object. */
OL_NODISCARD ol_status served_write(struct decisions *d, const struct served *served);
/** Those of the deployment, else of its model, into d->scratch. */
OL_NODISCARD ol_status approvals_of_deployment(struct decisions *d, const struct deployment *item,
                                               const char **ret_note);
#endif
