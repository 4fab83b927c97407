/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ASK_FACTS_H
#define STORE_ASK_FACTS_H
/** @file
 * All that a run told, as single facts that can be compared: which version of which dataset, which
 * parameter has which value. What is different in every run by its nature (ids, times, traces) is
 * left out. Threads: one.
 */
#include "arena.h"
#include "ask.h"

/** What a fact is about, in the order in which people are told. */
enum fact_area {
    FACT_INPUT,       /**< version of a dataset that was read */
    FACT_OUTPUT,      /**< and written */
    FACT_CODE,        /**< commit, source, query, image */
    FACT_PARAMETER,   /**< what the run was called with */
    FACT_SEED,        /**< of a random generator */
    FACT_MODEL,       /**< model, prompt, corpus, call */
    FACT_ENVIRONMENT, /**< machine, versions, variables */
    FACT_SCHEMA,      /**< fields of datasets */
    FACT_METRIC,      /**< what came out, in numbers */
    FACT_OUTCOME,     /**< state, error */
    FACT_TAG,
    FACT_OTHER, /**< any other facet */
    FACT_AREAS
};
const char *fact_area_name(enum fact_area area);

struct fact {
    enum fact_area area;
    const char *what;    /**< "file /data/raw.csv", "learning_rate", "sourceCodeLocation.version" */
    const char *value;   /**< "" where a dataset has no version */
    int64_t dataset;     /**< INPUT, OUTPUT: its id, else 0 */
    int64_t version;     /**< INPUT, OUTPUT: its row, or 0 */
    const char *owner;   /**< a facet's fact about a dataset: "NAMESPACE NAME", else NULL */
    const char *rest;    /**< then: what it is about it, the end of `what` */
    enum fact_area side; /**< then: INPUT or OUTPUT */
};
struct facts {
    struct fact *items; /**< in the arena; sorted by area, what, value, once facts_read() is done */
    size_t count, cap;
    bool is_cut; /**< there were more than FACTS_MAX */
};
#define FACTS_MAX 20000

/** All of run @p id. @return OL_OK; OL_NOT_FOUND: not to be seen; or a failure. */
OL_NODISCARD ol_status facts_read(struct ask *ask, int64_t id, struct ol__arena *arena,
                                  struct facts *ret);
/** Puts them in order again, after `what` was changed. */
void facts_sort(struct facts *facts);
/** Order of facts by what they are about; 0: the same thing. */
int fact_compare(const struct fact *a, const struct fact *b);
#endif
