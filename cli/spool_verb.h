/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SPOOL_VERB_H
#define SPOOL_VERB_H
/** @file What the files of `lineage spool` share. Threads: main only. */
#include "cli.h"
#include "event_read.h"
#include "spool_look.h"

struct spool_words {
    const char *directory; /**< --directory; NULL: the place's */
    const char *route, *run, *lane, *since;
    uint64_t from, to;  /**< 0, UINT64_MAX: all */
    uint64_t from_line; /**< import: 1 is the first */
    bool has_from;
    bool is_json, is_meta, is_dry, is_gaps, skips_bad;
    const char *file;
};

int spool_ls(struct place *place, const struct spool_words *words);
int spool_cat(struct place *place, const struct spool_words *words);
int spool_export(struct place *place, const struct spool_words *words);
int spool_verify(struct place *place, const struct spool_words *words);
int spool_repair_verb(struct place *place, const struct spool_words *words);
int spool_import(struct place *place, const struct spool_words *words);
int spool_replay(struct place *place, const struct spool_words *words);

/** Which directory is meant. @return OL_OK; OL_DENIED: not for this user; OL_CONFIG... */
OL_NODISCARD ol_status spool_verb_directory(struct place *place, const struct spool_words *words,
                                            const char **ret, struct ol_error *err);
/** Open it for looking. */
OL_NODISCARD ol_status spool_verb_look(struct place *place, const struct spool_words *words,
                                       struct spool_look **ret, struct ol_error *err);
/** Where route @p name stands: its cursor, or, for those that keep their place with what they
 * delivered, what that says. @return OL_OK; OL_NOT_FOUND: no such route, or it has no place yet. */
OL_NODISCARD ol_status spool_verb_cursor(struct place *place, struct spool_look *look,
                                         const char *name, struct look_cursor *ret,
                                         struct ol_error *err);
/** One sentence about @p problem: which file, from where to where, what is gone. */
void spool_verb_describe(const struct look_problem *problem, const char *directory, char *out,
                         size_t size);
/** "http", "journal"... */
const char *spool_source_name(int source);
#endif
