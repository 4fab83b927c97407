/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FACETS_BUILT_H
#define FACETS_BUILT_H
/** @file
 * Every facet as a program would build it, through the public header alone. What must come out is
 * written by hand in tests/data/facets/NAME.json. Threads: as the handles.
 */
#include <openlineage/openlineage.h>

struct built_handles {
    struct ol_run *run;
    struct ol_job *job;
    struct ol_dataset *input, *output;
};

struct built_facet {
    const char *name; /**< ENTITY.KEY, or ENTITY.KEY.VARIANT: the same facet otherwise filled */
    ol_status (*build)(const struct built_handles *h);
};

extern const struct built_facet built_facets[]; /**< all of them */
extern const size_t built_facet_count;

/* Of facets_ours.c: facets of our own that built_facets names. */
#define BUILT_OURS(name) ol_status built_##name(const struct built_handles *h)
BUILT_OURS(artifact);
BUILT_OURS(artifact_remote);
BUILT_OURS(ai_call);
BUILT_OURS(prompt);
BUILT_OURS(retrieval);
BUILT_OURS(reproducibility);
BUILT_OURS(metrics);
BUILT_OURS(deployment);
BUILT_OURS(approvals);
BUILT_OURS(gates);
BUILT_OURS(code);
BUILT_OURS(machine);
BUILT_OURS(container);
BUILT_OURS(tools);
BUILT_OURS(dvc);
#endif
