/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_ENTITY_H
#define OL_ENTITY_H
/** @file The five things of OpenLineage that carry facets. */

/** What a facet can hang on; OPENLINEAGE "entities". The same key may mean other things on each. */
enum ol__entity {
    OL_ENTITY_RUN,
    OL_ENTITY_JOB,
    OL_ENTITY_DATASET,
    OL_ENTITY_INPUT,  /**< inputs[].inputFacets */
    OL_ENTITY_OUTPUT, /**< outputs[].outputFacets */
    OL_ENTITY_COUNT
};
#endif
