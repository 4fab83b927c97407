/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEADLETTER_H
#define DEADLETTER_H
/** @file What the files of `lineage deadletter` share. Threads: main only. */
#include "cli.h"
#include "letters_change.h"

enum letter_verb { LETTER_LS, LETTER_SHOW, LETTER_RETRY, LETTER_DROP, LETTER_EXPORT };

struct letter_options {
    enum letter_verb verb;
    struct letters_choice choice; /**< but for ids */
    char *const *ids;             /**< retry, drop: none or some; show: one */
    int id_count;
    const char *file; /**< export; "-": standard output */
    bool is_all, is_json;
};

/** retry and drop: through the agent, else under the lock. @return exit status. */
int deadletter_change(struct place *place, const struct letter_options *options);
/** export. @return exit status. */
int deadletter_export(struct place *place, const struct letter_options *options);
#endif
