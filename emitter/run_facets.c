/* SPDX-License-Identifier: Apache-2.0 */
/* Facets by key: given as JSON, or said to hold no longer. Those with structs are generated. */
#include "run.h"

ol_status ol_run_set_facet_json(struct ol_run *run, const char *key, const char *schema_url,
                                const char *json, size_t size)
{
    if (run == NULL)
        return OL_DISABLED;
    if (run->form != OL_FORM_RUN)
        return ol__run_fail(run, OL_INVALID, "facet %.60s: there is no run it could describe",
                            key != NULL ? key : "(NULL)");
    return ol__status_public(ol__facet_set_json(&run->place, OL_ENTITY_RUN, key, schema_url,
                                                (struct ol__span){json, size}));
}

ol_status ol_job_set_facet_json(struct ol_job *job, const char *key, const char *schema_url,
                                const char *json, size_t size)
{
    if (job == NULL)
        return OL_DISABLED;
    return ol__status_public(ol__facet_set_json(&job->place, OL_ENTITY_JOB, key, schema_url,
                                                (struct ol__span){json, size}));
}

ol_status ol_dataset_set_facet_json(struct ol_dataset *dataset, const char *key,
                                    const char *schema_url, const char *json, size_t size)
{
    if (dataset == NULL)
        return OL_DISABLED;
    return ol__status_public(ol__facet_set_json(&dataset->place, OL_ENTITY_DATASET, key, schema_url,
                                                (struct ol__span){json, size}));
}

ol_status ol_dataset_set_side_facet_json(struct ol_dataset *dataset, const char *key,
                                         const char *schema_url, const char *json, size_t size)
{
    if (dataset == NULL)
        return OL_DISABLED;
    return ol__status_public(ol__facet_set_json(&dataset->place, dataset->place.side, key,
                                                schema_url, (struct ol__span){json, size}));
}

ol_status ol_job_delete_facet(struct ol_job *job, const char *key, const char *schema_url)
{
    if (job == NULL)
        return OL_DISABLED;
    return ol__status_public(ol__facet_delete(&job->place, OL_ENTITY_JOB, key, schema_url));
}

ol_status ol_dataset_delete_facet(struct ol_dataset *dataset, const char *key,
                                  const char *schema_url)
{
    if (dataset == NULL)
        return OL_DISABLED;
    return ol__status_public(ol__facet_delete(&dataset->place, OL_ENTITY_DATASET, key, schema_url));
}
