/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_FACET_H
#define RUN_FACET_H
/** @file --facet: facets that are given as JSON. Threads: main. */
#include "run_files.h"

#define RUN_FACETS_MAX 100
#define RUN_FACET_FILE_MAX ((size_t)4 << 20)

enum run_facet_place { RUN_FACET_ANYWHERE, RUN_FACET_RUN, RUN_FACET_JOB, RUN_FACET_DATASET };
struct run_facet {
    enum run_facet_place place;
    char *dataset; /**< within `text`: as -i or -o has it; NULL */
    char *key;     /**< within `text` */
    char *source;  /**< within `text`: a file's path behind '@', or JSON */
    char *text;    /**< owned copy of what was given */
};
struct run_facets {
    struct run_facet *items; /**< owned */
    size_t count;
};

/** Add "[run:|job:|dataset:NAME:]KEY=@FILE", or JSON in the place of @FILE. @return NULL, or what
 * is wrong with it: static text. */
const char *run_facets_add(struct run_facets *facets, const char *text);
/** Read the files and set the facets; the datasets have been declared. Each one that cannot be is
 * said, with file and JSON pointer, unless quiet. @return whether all could be. */
bool run_facets_set(const struct run_facets *facets, const struct run_files *files,
                    struct ol_run *run, bool is_quiet);
void run_facets_release(struct run_facets *facets);
#endif
