/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_STORE_WORLD_H
#define BENCH_STORE_WORLD_H
/** @file
 * The events that bench_store takes in, and the answers that must come out of them, told by plain
 * arithmetic and a walk in memory: nothing of the store is used.
 *
 * WORLD_LAYERS layers of datasets. A dataset is made by one run of two inputs in the layer below:
 * the one in its own column and one of the SPREAD columns beside it. So a question about the last
 * (or first) layer reaches every layer, about 90 more datasets in each. Every dataset is made once
 * a round, all rounds alike but for versions: an answer is that of the last round.
 */
#include <stdbool.h>
#include <stdint.h>
#include "buf.h"

#define WORLD_LAYERS 20 /* with the runs that made the first: 20 steps */

struct world {
    long width;    /* datasets a layer */
    long datasets; /* width x WORLD_LAYERS */
    long rounds;
    int8_t *depth; /* owned; scratch of world_check(): steps from the subject, -1 not reached */
    bool *is_seen; /* owned; the same */
    long *queue;   /* owned; the same */
};

/** At least @p datasets. Dies when there is no memory. */
void world_init(struct world *world, long datasets, long rounds);
void world_release(struct world *world);
/** Events of all rounds: a START and a COMPLETE for each dataset and round. */
long world_event_count(const struct world *world);
/** Event @p n of them into @p out, in place of what it held. */
void world_event(const struct world *world, long n, struct ol__buf *out);
/** The name of a dataset; at least 64 bytes at @p ret. */
void world_name(const struct world *world, long dataset, char *ret, size_t size);

#define WORLD_VERSION 80
/** The version that the last round made of a dataset: "sha256:" and 64 digits. */
void world_version(const struct world *world, long dataset, char ret[WORLD_VERSION]);

/** Die unless @p answer to `why` (or `impact`) of the last version of @p dataset is right: each
 * dataset that can be reached once, at its depth, in its last version, each with its run, and all
 * edges between them. With @p limit above 0 the answer was cut there: exactly so many nodes, none
 * of them wrong.
 *  @return How many nodes it has. */
long world_check(struct world *world, bool is_why, long dataset, long limit, const char *answer);
#endif
