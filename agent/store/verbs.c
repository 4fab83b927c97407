/* SPDX-License-Identifier: Apache-2.0 */
/* Which questions there are: the agent's socket and `lineage` without an agent both look here. */
#include "store.h"

static const struct store_verb verbs[] = {
    {"why", store_why, "application/json", true},
    {"impact", store_impact, "application/json", true},
    {"diff", store_diff, "application/json", true},
    {"runs", store_runs, "application/json", false},
    {"show", store_show, "application/json", true},
    {"approvals", store_approvals, "application/json", true},
    {"audit", store_audit, "application/json", true},
    {"serving", store_serving, "application/json", false},
    {"untracked", store_untracked, "application/json", false},
    {"reproducible", store_reproducible, "application/json", true},
    {"events", store_events, "application/x-ndjson", true},
    {"search", store_search, "application/json", true},
    {"check", store_findings, "application/json", false},
    {"depends", store_depends, "application/json", true},
    {"stale", store_stale, "application/json", false},
    {"stats", store_stats, "application/json", false},
    {"export", store_export, "application/x-ndjson", false},
};

const struct store_verb *store_verb(const char *name)
{
    for (size_t i = 0; i < OL_COUNT(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

const struct store_verb *store_verb_at(size_t index)
{
    return index < OL_COUNT(verbs) ? &verbs[index] : NULL;
}
