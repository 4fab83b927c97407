/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULES_IMPL_H
#define RULES_IMPL_H
/** @file What the files of this room share; for nobody else. */
#include "builtin.h"
#include "edits.h"
#include "expression.h"
#include "rules.h"

/** One step of a JSON pointer. */
struct rule_step {
    char *key; /**< owned, decoded; NULL: any */
};
/** One tag that is added. */
struct rule_tag {
    char *key, *json; /**< owned; json: the element of the facet's array */
};
struct rule_tags {
    struct rule_tag *items; /**< owned */
    size_t count;
};

struct rule {
    const struct rule_config *config; /**< borrowed */
    struct rule_metrics *metrics;     /**< borrowed; NULL: none */
    size_t stage_end;                 /**< index behind the last rule that shares its pass */
    bool has_conditions;
    bool was_told;   /**< that a text was redacted whole for a limit */
    bool is_touched; /**< it changed the event under way */
    struct ol__expression *job, *name_space, *producer; /**< owned conditions; NULL: none */
    uint32_t builtins;                                  /**< redact: bit of each */
    struct ol__expression *pattern;                     /**< redact: owned */
    char *with;              /**< redact: owned; NULL: by the name of what was found */
    struct rule_step *steps; /**< redact: owned pointer */
    size_t step_count;
    struct ol__expression *from; /**< rename: owned */
    struct rule_tags run_tags, job_tags;
};

struct rules {
    struct rule *list; /**< owned */
    size_t count;
    int64_t budget_us;
    struct ol__matcher *matcher;
    struct ol__expression *builtins[BUILTIN_MAX]; /**< owned; those in use */
    struct builtin_filter *filter;                /**< owned; NULL: no built-in pattern is in use */
    struct ol__json_reader *json;
    struct ol__event_reader *events;
    struct ol__buf texts[2]; /**< the event after a stage, by turns */
    unsigned turn;
    struct ol__buf scratch[2]; /**< a value on its way */
    struct edits edits;
    const struct rules_watch *watch;
};

/** Which facet a value lies in: its key is path[at]. @return false: in none. */
bool rules_in_facet(const struct ol__json_value *v, size_t *ret_at);
static inline bool rules_key_is(const struct ol__json_value *v, size_t at, const char *key)
{
    return !v->path[at].is_index && ol__span_equal(v->path[at].key, ol__span_text(key));
}
/** The rule changed something of the event under way. */
void rules_count(struct rule *rule);
/** The watch, if there is one, is told of the value @p v. */
void rules_tell(const struct rules *r, const struct rule *rule, const struct ol__json_value *v,
                struct ol__span before, struct ol__span after);

/* Stages: @return OL_OK: nothing to change; OL_AGAIN: r->edits say what; OL_NOMEM... */
/** values.c: rules [first, end), all redact or rename. */
ol_status rules_values(struct rules *r, size_t first, size_t end, struct ol__span text,
                       struct ol_error *err);
/** tags.c */
ol_status rules_tag(struct rules *r, struct rule *rule, enum ol__event_kind kind,
                    struct ol__span text, struct ol_error *err);
/** shed.c */
ol_status rules_shed(struct rules *r, struct rule *rule, enum ol__event_kind kind,
                     struct ol__span text, struct ol_error *err);

/* rename.c */
/** Whether @p v is a namespace that the rule is about. @p facet_at: SIZE_MAX: in no facet. */
bool rename_is_for(const struct rule *rule, const struct ol__json_value *v, size_t facet_at);
/** @return whether @p name gets another one, appended to @p out. A limit leaves it, and is told by
 * @p ret_is_limit. */
bool rename_apply(const struct rules *r, const struct rule *rule, struct ol__span name,
                  struct ol__buf *out, bool *ret_is_limit);
#endif
