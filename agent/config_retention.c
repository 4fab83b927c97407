/* SPDX-License-Identifier: Apache-2.0 */
/* What a store keeps for how long: the table of a class, and what the table cannot say. */
#include "config_impl.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define AT(member) offsetof(struct retention_config, member)
const struct ol__setting retention_settings[] = {
    {.key = "(line)", .type = OL_SETTING_INT, .offset = AT(line)},
    {.key = "name",
     .type = OL_SETTING_TEXT,
     .offset = AT(name),
     .is_required = true,
     .help = "Names the class, for lineage gc --class: 1 to 64 of a-z, 0-9, '_' and '-', unique; "
             "default is the class of the runs that none takes."},
    {.key = "job",
     .type = OL_SETTING_TEXT,
     .offset = AT(job),
     .help = "Takes runs of jobs whose whole name matches: * any text, ? a character, [abc] one of "
             "them."},
    {.key = "namespace",
     .type = OL_SETTING_TEXT,
     .offset = AT(name_space),
     .help = "Takes runs of jobs whose whole namespace matches, as for job."},
    {.key = "type",
     .type = OL_SETTING_TEXT,
     .offset = AT(type),
     .help = "Takes runs of jobs of this processing type: BATCH, STREAMING, SERVICE..."},
    {.key = "tag",
     .type = OL_SETTING_TEXT,
     .offset = AT(tag),
     .help = "Takes runs that have this tag, KEY=VALUE."},
    {.key = "state",
     .type = OL_SETTING_TEXT,
     .offset = AT(state),
     .help = "Takes runs in this state: RUNNING, COMPLETE, FAIL or ABORT."},
    {.key = "keep",
     .type = OL_SETTING_TIME,
     .offset = AT(keep_ms),
     .default_value = "90d",
     .min = 0,
     .max = 36500 * INT64_C(86400000),
     .help = "Its runs are removed once their last event came so long ago; 0: never for their "
             "age."},
    {.key = "keep_last",
     .type = OL_SETTING_INT,
     .offset = AT(keep_last),
     .default_value = "0",
     .min = 0,
     .max = 10000,
     .help = "So many of each job's newest runs are not removed for their age."},
    {.key = "hold",
     .type = OL_SETTING_BOOL,
     .offset = AT(is_held),
     .default_value = "false",
     .help = "Nothing of the class is removed before its time, not even past retention_size."},
    {.key = NULL}};

/* ---- Checks ---- */

static bool is_name(const char *name)
{
    size_t size = strlen(name);
    return size >= 1 && size <= 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == size;
}

static ol_status refuse_class(const struct config_source *from, const struct route_config *r,
                              size_t i, const char *key, const char *what)
{
    const struct retention_config *c =
        (const struct retention_config *)r->retention_classes.items + i;
    return ol__error_set(from->err, OL_CONFIG,
                         "%s:%lld: routes.retention_classes[%zu].%s: route '%s': %s", from->file,
                         (long long)c->line, i, key, r->name, what);
}

static ol_status check_class(const struct config_source *from, const struct route_config *r,
                             size_t i)
{
    static const char *const states[] = {"NEW", "RUNNING", "COMPLETE", "FAIL", "ABORT"};
    const struct retention_config *classes = r->retention_classes.items, *c = &classes[i];
    bool is_state = c->state == NULL;
    char what[96];
    if (!is_name(c->name) || strcmp(c->name, "default") == 0)
        return refuse_class(from, r, i, "name",
                            "expected 1 to 64 of a-z, 0-9, '_' and '-', and not default");
    for (size_t j = 0; j < i; j++)
        if (strcmp(classes[j].name, c->name) == 0) {
            snprintf(what, sizeof what, "the class at line %lld has this name",
                     (long long)classes[j].line);
            return refuse_class(from, r, i, "name", what);
        }
    for (size_t k = 0; k < OL_COUNT(states); k++)
        is_state = is_state || strcmp(states[k], c->state) == 0;
    for (size_t k = 0; k < OL_COUNT(states) && !is_state; k++)
        if (strncasecmp(states[k], c->state, 2) == 0) {
            snprintf(what, sizeof what,
                     "expected RUNNING, COMPLETE, FAIL or ABORT (did you mean '%s'?)", states[k]);
            return refuse_class(from, r, i, "state", what);
        }
    if (!is_state)
        return refuse_class(from, r, i, "state", "expected RUNNING, COMPLETE, FAIL or ABORT");
    const char *equal = c->tag != NULL ? strchr(c->tag, '=') : NULL;
    if (c->tag != NULL && (equal == NULL || equal == c->tag || equal[1] == '\0'))
        return refuse_class(from, r, i, "tag", "expected KEY=VALUE");
    if (c->job == NULL && c->name_space == NULL && c->type == NULL && c->tag == NULL &&
        c->state == NULL)
        return refuse_class(from, r, i, "name",
                            "it would take every run: expected job, namespace, type, tag or state");
    return OL_OK;
}

ol_status config_check_retention(const struct config_source *from, const struct route_config *r)
{
    ol_status status = OL_OK;
    if (r->retention_classes.count > 0 && r->type != ROUTE_STORE)
        return refuse_class(from, r, 0, "name", "only a route of type store has classes");
    for (size_t i = 0; i < r->retention_classes.count && status == OL_OK; i++)
        status = check_class(from, r, i);
    return status;
}
