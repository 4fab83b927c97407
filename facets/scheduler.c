/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "utf8.h"

/* One row: how a field is made of variables. Of the rows of one field the first counts whose
 * variables are all set and not empty. */
struct rule {
    enum ol__scheduler_field field;
    const char *text; /* ${NAME} stands for a variable */
    bool is_count;    /* the value is a number, one more is told */
};

static const struct scheduler {
    const char *name;
    const char *sign; /* the variable whose presence says that this scheduler started us */
    struct rule rules[12];
} schedulers[] = {
    {"slurm",
     "SLURM_JOB_ID",
     {
         {OL_SCHEDULER_TASK_ID, "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}", false},
         {OL_SCHEDULER_TASK_ID, "${SLURM_JOB_ID}", false},
         {OL_SCHEDULER_ATTEMPT, "${SLURM_RESTART_COUNT}", true}, /* restarts so far */
         {OL_SCHEDULER_WORKFLOW, "${SLURM_JOB_NAME}", false},
         {OL_SCHEDULER_WORKFLOW_RUN, "${SLURM_ARRAY_JOB_ID}", false},
         {OL_SCHEDULER_WORKFLOW_RUN, "${SLURM_JOB_ID}", false},
         {OL_SCHEDULER_PLACE, "${SLURM_CLUSTER_NAME}", false},
         {OL_SCHEDULER_TASK_UID, "${SLURM_JOB_ID}.${SLURM_STEP_ID}", false},
         {OL_SCHEDULER_TASK_INDEX, "${SLURM_PROCID}", false},
     }},
    {"airflow",
     "AIRFLOW_CTX_DAG_ID",
     {
         {OL_SCHEDULER_TASK_ID, "${AIRFLOW_CTX_TASK_ID}", false},
         {OL_SCHEDULER_ATTEMPT, "${AIRFLOW_CTX_TRY_NUMBER}", false},
         {OL_SCHEDULER_WORKFLOW, "${AIRFLOW_CTX_DAG_ID}", false},
         {OL_SCHEDULER_WORKFLOW_RUN, "${AIRFLOW_CTX_DAG_RUN_ID}", false},
         {OL_SCHEDULER_TASK_INDEX, "${AIRFLOW_CTX_MAP_INDEX}", false},
     }},
    {"gitlab",
     "GITLAB_CI",
     {
         {OL_SCHEDULER_TASK_ID, "${CI_JOB_ID}", false},
         {OL_SCHEDULER_WORKFLOW, "${CI_PROJECT_PATH}", false},
         {OL_SCHEDULER_WORKFLOW_RUN, "${CI_PIPELINE_ID}", false},
         {OL_SCHEDULER_PLACE, "${CI_SERVER_URL}", false},
         {OL_SCHEDULER_TASK_UID, "${CI_JOB_NAME}", false},
         {OL_SCHEDULER_TASK_INDEX, "${CI_NODE_INDEX}", false},
         {OL_SCHEDULER_URL, "${CI_JOB_URL}", false},
     }},
    {"github",
     "GITHUB_ACTIONS",
     {
         /* the number of a job is not told to it: its run and its key name it */
         {OL_SCHEDULER_TASK_ID, "${GITHUB_RUN_ID}/${GITHUB_JOB}", false},
         {OL_SCHEDULER_ATTEMPT, "${GITHUB_RUN_ATTEMPT}", false},
         {OL_SCHEDULER_WORKFLOW, "${GITHUB_REPOSITORY}/${GITHUB_WORKFLOW}", false},
         {OL_SCHEDULER_WORKFLOW_RUN, "${GITHUB_RUN_ID}", false},
         {OL_SCHEDULER_PLACE, "${GITHUB_SERVER_URL}", false},
         {OL_SCHEDULER_URL,
          "${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}", false},
     }},
    {"kubernetes",
     "KUBERNETES_SERVICE_HOST",
     {
         /* a pod's own description comes through the downward API, under names that its author
          * chose: those that the documentation and charts use; the host name is the pod's name */
         {OL_SCHEDULER_TASK_ID, "${POD_NAME}", false},
         {OL_SCHEDULER_TASK_ID, "${MY_POD_NAME}", false},
         {OL_SCHEDULER_TASK_ID, "${HOSTNAME}", false},
         {OL_SCHEDULER_WORKFLOW, "${K8S_JOB_NAME}", false},
         {OL_SCHEDULER_PLACE, "${POD_NAMESPACE}", false},
         {OL_SCHEDULER_PLACE, "${MY_POD_NAMESPACE}", false},
         {OL_SCHEDULER_TASK_UID, "${POD_UID}", false},
         {OL_SCHEDULER_TASK_UID, "${MY_POD_UID}", false},
         {OL_SCHEDULER_TASK_INDEX, "${JOB_COMPLETION_INDEX}", false},
     }},
};

bool ol__scheduler_describe(size_t index, struct ol__scheduler_row *ret)
{
    static const char *const fields[OL_SCHEDULER_FIELDS] = {
        [OL_SCHEDULER_TASK_ID] = "task_id",       [OL_SCHEDULER_ATTEMPT] = "attempt",
        [OL_SCHEDULER_WORKFLOW] = "workflow",     [OL_SCHEDULER_WORKFLOW_RUN] = "workflow_run",
        [OL_SCHEDULER_PLACE] = "place",           [OL_SCHEDULER_TASK_UID] = "task_uid",
        [OL_SCHEDULER_TASK_INDEX] = "task_index", [OL_SCHEDULER_URL] = "url"};
    for (size_t i = 0; i < OL_COUNT(schedulers); i++) {
        const struct scheduler *s = &schedulers[i];
        for (size_t k = 0; k < OL_COUNT(s->rules) && s->rules[k].text != NULL; k++) {
            if (index-- > 0)
                continue;
            *ret = (struct ol__scheduler_row){s->name, s->sign, fields[s->rules[k].field],
                                              s->rules[k].text, s->rules[k].is_count};
            return true;
        }
    }
    return false;
}

static const char *get(const char *name)
{
    const char *value = secure_getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool is_good(struct ol__span value)
{
    for (size_t i = 0; i < value.size; i++)
        if ((unsigned char)value.data[i] < ' ' || value.data[i] == 0x7f)
            return false;
    return value.size <= OL_SCHEDULER_VALUE_MAX && ol__utf8_find_bad(value) == value.size;
}

static bool add_one(const char *value, struct ol__buf *out)
{
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (errno != 0 || *end != '\0' || number < 0 || number > INT32_MAX)
        return false;
    ol__buf_add_format(out, "%ld", number + 1);
    return true;
}

struct reading {
    ol__scheduler_refused *refused;
    void *arg;
};

/* Make the text of a rule. @return false: a variable is absent or of no use. */
static bool expand(const struct reading *r, const struct rule *rule, struct ol__buf *out)
{
    for (const char *at = rule->text; *at != '\0';) {
        char name[64];
        if (at[0] != '$') {
            ol__buf_add_char(out, *at++);
            continue;
        }
        size_t size = strcspn(at + 2, "}");
        snprintf(name, sizeof name, "%.*s", (int)size, at + 2);
        at += size + 3;
        const char *value = get(name);
        if (value == NULL)
            return false;
        if (!is_good(ol__span_text(value))) {
            r->refused(r->arg, name, "at most 1024 bytes of UTF-8 without control characters");
            return false;
        }
        if (!rule->is_count)
            ol__buf_add_text(out, value);
        else if (!add_one(value, out)) {
            r->refused(r->arg, name, "a number");
            return false;
        }
    }
    return true;
}

ol_status ol__scheduler_read(struct ol__scheduler *ret, ol__scheduler_refused *refused, void *arg)
{
    const struct reading reading = {refused, arg};
    const struct scheduler *found = NULL;
    *ret = (struct ol__scheduler){0};
    for (size_t i = 0; i < OL_COUNT(schedulers) && found == NULL; i++)
        if (get(schedulers[i].sign) != NULL)
            found = &schedulers[i];
    if (found == NULL)
        return OL_OK;
    ret->name = found->name;
    for (const struct rule *rule = found->rules;
         rule < found->rules + OL_COUNT(found->rules) && rule->text != NULL; rule++) {
        struct ol__buf text;
        if (ret->values[rule->field] != NULL)
            continue;
        ol__buf_init(&text, (size_t)4 * OL_SCHEDULER_VALUE_MAX);
        if (expand(&reading, rule, &text) && text.status == OL_OK)
            ret->values[rule->field] = ol__buf_take(&text);
        ol_status status = text.status;
        ol__buf_release(&text);
        if (status == OL_NOMEM)
            return OL_NOMEM;
    }
    return OL_OK;
}

void ol__scheduler_release(struct ol__scheduler *scheduler)
{
    for (size_t i = 0; i < OL_SCHEDULER_FIELDS; i++)
        free(scheduler->values[i]);
    *scheduler = (struct ol__scheduler){0};
}
