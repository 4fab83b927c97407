/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRODUCE_POLICY_H
#define REPRODUCE_POLICY_H
/** @file
 * What has to be known of a run before it counts as one that can be rebuilt: a policy file, or the
 * default one (docs/reproduce.md). Threads: main.
 */
#include "settings.h"

/** What is asked of a run. */
enum repro_field {
    REPRO_OUTCOME, /**< it ended well; always required */
    REPRO_INPUTS,
    REPRO_OUTPUTS,
    REPRO_CODE,
    REPRO_COMMAND,
    REPRO_PARAMETERS,
    REPRO_SEEDS,
    REPRO_ENVIRONMENT,
    REPRO_DEPENDENCIES,
    REPRO_TOOLS,
    REPRO_RANDOMNESS,
    REPRO_CALLS,
    REPRO_FIELDS
};
const char *repro_field_name(enum repro_field field);

/** How much of it is asked for. */
enum repro_level {
    REPRO_INHERIT,   /**< in a rule: as it was */
    REPRO_REQUIRED,  /**< it can be done again */
    REPRO_ONLY_TOLD, /**< "documented": somebody told */
    REPRO_OPTIONAL,  /**< said if it is missing, and nothing else */
    REPRO_IGNORED
};
const char *repro_level_name(enum repro_level level);

#define REPRO_RULES_MAX 1000
struct repro_rule {
    int64_t line;
    char *match; /**< a glob over the job's name, or NAMESPACE/NAME */
    int levels[REPRO_FIELDS];
};
struct repro_policy {
    int levels[REPRO_FIELDS];
    struct ol__setting_items rules;
    struct ol__text_list keeps; /**< globs over NAMESPACE/NAME: versions of these stay */
    const char *name;           /**< the file, or "default"; borrowed */
};

/** The default policy as YAML, which repro_policy_read() reads. Static text. */
const char *repro_policy_text(void);
/** @param file  NULL: the default. @return OL_OK: end it with repro_policy_release(); OL_NOT_FOUND,
 * OL_DENIED, OL_IO; OL_CONFIG: err names file, line, key and what was expected; OL_NOMEM. */
OL_NODISCARD ol_status repro_policy_read(const char *file, struct repro_policy *ret,
                                         struct ol_error *err);
void repro_policy_release(struct repro_policy *policy);
/** What is asked of a job's runs: the rules in order, the last one that says something counts. */
void repro_policy_levels(const struct repro_policy *policy, const char *name_space,
                         const char *name, enum repro_level out[REPRO_FIELDS]);
/** Whether versions of that dataset stay. */
bool repro_policy_keeps(const struct repro_policy *policy, const char *name_space,
                        const char *name);
#endif
