/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. What is pinned stays, whatever the policy says.
 *  2. The first class that takes a run decides; what none takes goes by the policy's own limits.
 *  3. For bytes a run goes before its time, unless its class is held. */
#include "judge.h"

#include <fnmatch.h>
#include <stdlib.h>

const char *judge_reason(enum verdict verdict)
{
    static const char *const names[VERDICT_COUNT] = {"go",   "pinned",      "other_class", "young",
                                                     "open", "last_of_job", "answers",     "held"};
    return names[verdict];
}

#define NEWER_MAX 10000 /* runs of other classes that are passed over to count those of one */

/* ---- Classes ---- */

static ol_status find_text(struct store *store, struct ol__span text, int64_t *ret,
                           struct ol_error *err)
{
    sqlite3_stmt *stmt =
        store_bind(store, SQL_TEXT_FIND, err, "it", dict_text_hash(store, text), text);
    ol_status status = store_step(store, stmt, err);
    *ret = status == OL_OK ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

ol_status judge_init(struct judge *judge, struct store *store, const struct store_policy *policy,
                     struct ol_error *err)
{
    *judge = (struct judge){.store = store, .policy = policy, .youngest_ms = policy->before_ms};
    judge->slots = calloc(JUDGE_SLOTS, sizeof *judge->slots);
    ol_status status = OL_OK;
    if (judge->slots == NULL)
        return ol__error_set(err, OL_NOMEM, "store: out of memory");
    for (size_t i = 0; i < policy->class_count && status == OL_OK; i++) {
        const struct store_class *class = &policy->classes[i];
        judge->youngest_ms = OL_MAX(judge->youngest_ms, class->before_ms);
        const char *equal = class->tag != NULL ? strchr(class->tag, '=') : NULL;
        if (equal == NULL)
            continue;
        status = find_text(store, (struct ol__span){class->tag, (size_t)(equal - class->tag)},
                           &judge->tag_keys[i], err);
        if (status == OL_OK)
            status = find_text(store, ol__span_text(equal + 1), &judge->tag_values[i], err);
    }
    if (status != OL_OK)
        judge_release(judge);
    return status;
}

void judge_release(struct judge *judge)
{
    free(judge->slots);
    judge->slots = NULL;
}

/* The text as NUL-terminated, cut; patterns are for names that people gave. */
static ol_status copy_text(struct store *store, int64_t id, char *out, size_t size,
                           struct ol_error *err)
{
    out[0] = '\0';
    if (id == 0)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(store, SQL_TEXT_GET, err, "i", id);
    ol_status status = store_step(store, stmt, err);
    if (status == OL_OK)
        sqlite3_snprintf((int)size, out, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static bool matches(const char *pattern, const char *text)
{
    return pattern == NULL || fnmatch(pattern, text, 0) == 0;
}

/* Which classes' conditions on the job hold. */
static ol_status classes_of_job(struct judge *judge, int64_t job, uint64_t *ret,
                                struct ol_error *err)
{
    struct judge_slot *slot = &judge->slots[(size_t)job & (JUDGE_SLOTS - 1)];
    char name[4096] = "", name_space[4096], type[64];
    int64_t space_id = 0, type_id = 0;
    if (slot->job == job) {
        *ret = slot->classes;
        return OL_OK;
    }
    sqlite3_stmt *stmt = store_bind(judge->store, SQL_ASK_JOB, err, "i", job);
    ol_status status = store_step(judge->store, stmt, err);
    if (status == OL_OK) {
        space_id = sqlite3_column_int64(stmt, 0);
        sqlite3_snprintf(sizeof name, name, "%s", (const char *)sqlite3_column_text(stmt, 1));
        type_id = sqlite3_column_int64(stmt, 2);
    }
    sqlite3_reset(stmt);
    if (status >= 0)
        status = copy_text(judge->store, space_id, name_space, sizeof name_space, err);
    if (status == OL_OK)
        status = copy_text(judge->store, type_id, type, sizeof type, err);
    if (status != OL_OK)
        return status;
    *slot = (struct judge_slot){.job = job};
    for (size_t i = 0; i < judge->policy->class_count; i++) {
        const struct store_class *class = &judge->policy->classes[i];
        if (matches(class->job, name) && matches(class->name_space, name_space) &&
            (class->type == NULL || strcasecmp(class->type, type) == 0))
            slot->classes |= UINT64_C(1) << i;
    }
    *ret = slot->classes;
    return OL_OK;
}

static ol_status has_tag(struct judge *judge, size_t i, int64_t run, bool *ret,
                         struct ol_error *err)
{
    *ret = false;
    if (judge->tag_keys[i] == 0 || judge->tag_values[i] == 0)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(judge->store, SQL_ID_HAS, err, "iii", judge->tag_values[i], run,
                                    judge->tag_keys[i]);
    ol_status status = store_step(judge->store, stmt, err);
    *ret = status == OL_OK;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static ol_status find_class(struct judge *judge, const struct judged_run *run, size_t *ret,
                            struct ol_error *err)
{
    const struct store_policy *policy = judge->policy;
    uint64_t of_job = 0;
    *ret = policy->class_count;
    if (policy->class_count == 0)
        return OL_OK;
    ol_status status = classes_of_job(judge, run->job, &of_job, err);
    for (size_t i = 0; i < policy->class_count && status == OL_OK; i++) {
        const struct store_class *class = &policy->classes[i];
        bool holds =
            (of_job >> i & 1) != 0 &&
            (class->state == NULL || strcmp(class->state, run_status_name(run->status)) == 0);
        if (holds && class->tag != NULL)
            status = has_tag(judge, i, run->id, &holds, err);
        if (status == OL_OK && holds) {
            *ret = i;
            return OL_OK;
        }
    }
    return status;
}

/* ---- What keeps a run that is old ---- */

void judge_read_run(sqlite3_stmt *stmt, struct judged_run *ret)
{
    *ret = (struct judged_run){.id = sqlite3_column_int64(stmt, 0),
                               .job = sqlite3_column_int64(stmt, 1),
                               .status = sqlite3_column_int64(stmt, 2),
                               .seen = sqlite3_column_int64(stmt, 3),
                               .seen_day = sqlite3_column_int64(stmt, 4),
                               .born = sqlite3_column_int64(stmt, 5)};
}

/* Whether fewer than @p keep_last runs of the same job and class are newer. What goes meanwhile
 * does not change that: the newest of a class stay. */
static ol_status is_last(struct judge *judge, const struct judged_run *run, size_t class,
                         int64_t keep_last, bool *ret, struct ol_error *err)
{
    int64_t newer = 0;
    ol_status status = OL_OK;
    *ret = false;
    if (keep_last <= 0)
        return OL_OK;
    sqlite3_stmt *stmt =
        store_bind(judge->store, SQL_EXPIRE_NEWER, err, "iii", run->job, run->born, run->id);
    for (int64_t looked = 0; newer < keep_last && looked < keep_last + NEWER_MAX; looked++) {
        struct judged_run other;
        size_t its_class;
        status = store_step(judge->store, stmt, err);
        if (status != OL_OK)
            break;
        judge_read_run(stmt, &other);
        status = find_class(judge, &other, &its_class, err);
        if (status != OL_OK)
            break;
        newer += its_class == class;
    }
    sqlite3_reset(stmt);
    *ret = newer < keep_last; /* also if that was not to be told: then it stays */
    return status < 0 ? status : OL_OK;
}

/* The last of them came no later than the run's last event. */
static ol_status has_answers(struct judge *judge, const struct judged_run *run, bool *ret,
                             struct ol_error *err)
{
    *ret = false;
    if (judge->store->schema < 2 || run->seen < judge->policy->answers_before_ms)
        return OL_OK;
    sqlite3_stmt *stmt = store_bind(judge->store, SQL_EXPIRE_ANSWER, err, "i", run->id);
    ol_status status = store_step(judge->store, stmt, err);
    *ret = status == OL_OK;
    sqlite3_reset(stmt);
    return status < 0 ? status : OL_OK;
}

static bool is_meant(const struct store_policy *policy, size_t class)
{
    const char *name =
        class < policy->class_count ? policy->classes[class].name : RETENTION_DEFAULT;
    return policy->only_class == NULL || strcmp(policy->only_class, name) == 0;
}

ol_status judge_run(struct judge *judge, const struct judged_run *run, bool is_over,
                    enum verdict *ret, size_t *ret_class, struct ol_error *err)
{
    const struct store_policy *policy = judge->policy;
    ol_status status = find_class(judge, run, ret_class, err);
    if (status != OL_OK)
        return status;
    const struct store_class *class =
        *ret_class < policy->class_count ? &policy->classes[*ret_class] : NULL;
    int64_t before = class != NULL ? class->before_ms : policy->before_ms;
    int64_t keep_last = class != NULL ? class->keep_last : policy->keep_last;
    bool is_held = class != NULL && class->is_held, is_old = run->seen < before, stays = false;
    *ret = VERDICT_GO;
    if (pins_has(judge->store, run->id))
        *ret = VERDICT_PINNED; /* promise 1 */
    else if (!is_meant(policy, *ret_class))
        *ret = VERDICT_CLASS;
    else if (!is_old && !is_over)
        *ret = VERDICT_YOUNG;
    else if (!is_old && is_held)
        *ret = VERDICT_HELD; /* promise 3 */
    else if (!is_over && run->status < RUN_COMPLETE && run->seen >= policy->open_before_ms)
        *ret = VERDICT_OPEN;
    if (*ret != VERDICT_GO || (is_over && !is_held))
        return OL_OK;
    status = is_last(judge, run, *ret_class, keep_last, &stays, err);
    if (status == OL_OK && stays)
        *ret = is_over ? VERDICT_HELD : VERDICT_LAST;
    if (status == OL_OK && !stays)
        status = has_answers(judge, run, &stays, err);
    if (status == OL_OK && stays && *ret == VERDICT_GO)
        *ret = is_over ? VERDICT_HELD : VERDICT_ANSWERS;
    return status;
}
