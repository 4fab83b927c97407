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

extern const struct built_facet built_facets[];
extern const size_t built_facet_count;
#endif
