/* SPDX-License-Identifier: Apache-2.0 */
/* Inside an Airflow task: the run id of the task and of its DAG run, as the OpenLineage provider
 * derives them. Promises:
 *  1. A variable without which the id would be a guess: no parent rather than a wrong one.
 *  2. What Airflow does not export but lets its users export (get_airflow_context_vars) is used:
 *     AIRFLOW_CTX_MAP_INDEX (of a mapped task; else -1), AIRFLOW_CTX_CLEAR_NUMBER (of a DAG run
 * that was cleared; else 0).
 *  3. The name space is the provider's: AIRFLOW__OPENLINEAGE__NAMESPACE, airflow.cfg,
 *     OPENLINEAGE_NAMESPACE, "default". */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "context.h"
#include "derive.h"
#include "files.h"

#define NAME_MAX_BYTES 1024
#define CONFIG_MAX ((size_t)4 * 1024 * 1024)

static const char *get_text(const char *name)
{
    const char *value = secure_getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* ---- name space ---- */

/* The value of `namespace` in section [openlineage]; NULL: none. Cuts @p text into lines. */
static char *find_namespace(char *text)
{
    bool is_inside = false;
    char *found = NULL, *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line != NULL;
         line = strtok_r(NULL, "\r\n", &rest)) {
        if (line[0] == '[') {
            is_inside = strncmp(line, "[openlineage]", 13) == 0;
            continue;
        }
        size_t key = strcspn(line, " \t=:");
        char *value = line + key + strspn(line + key, " \t");
        if (!is_inside || key != 9 || strncmp(line, "namespace", 9) != 0 ||
            (*value != '=' && *value != ':'))
            continue;
        value += 1 + strspn(value + 1, " \t");
        size_t size = strlen(value);
        while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
            value[--size] = '\0';
        found = size > 0 ? value : NULL; /* given twice: the last counts */
    }
    return found;
}

/* @return OL_OK; OL_NOT_FOUND: no such file, or it does not say; OL_NOMEM. */
static ol_status read_config(struct ol__buf *out)
{
    char path[4096];
    struct stat st;
    const char *home = get_text("HOME");
    const char *airflow_home = get_text("AIRFLOW_HOME");
    const char *given = get_text("AIRFLOW_CONFIG");
    int n = given != NULL          ? snprintf(path, sizeof path, "%s", given)
            : airflow_home != NULL ? snprintf(path, sizeof path, "%s/airflow.cfg", airflow_home)
            : home != NULL         ? snprintf(path, sizeof path, "%s/airflow/airflow.cfg", home)
                                   : -1;
    if (n < 0 || (size_t)n >= sizeof path || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return OL_NOT_FOUND;
    struct ol__buf text;
    ol__buf_init(&text, CONFIG_MAX);
    ol_status status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, path, &text, NULL);
    char *found = status == OL_OK && text.size > 0 ? find_namespace(text.data) : NULL;
    if (found != NULL)
        status = ol__buf_add_text(out, found);
    else if (status != OL_NOMEM)
        status = OL_NOT_FOUND;
    ol__buf_release(&text);
    return status;
}

static ol_status read_namespace(struct ol__buf *out)
{
    const char *given = get_text("AIRFLOW__OPENLINEAGE__NAMESPACE");
    if (given == NULL) {
        ol_status status = read_config(out);
        if (status != OL_NOT_FOUND)
            return status;
        given = get_text("OPENLINEAGE_NAMESPACE");
    }
    return ol__buf_add_text(out, given != NULL ? given : "default");
}

/* ---- what the task says of itself ---- */

struct task {
    const char *dag, *task;
    long try_number, map_index, clear_number;
    const char *date;
};

static bool parse_number(const char *name, long missing, long minimum, long *ret)
{
    const char *text = get_text(name);
    char *end = NULL;
    errno = 0;
    *ret = text != NULL ? strtol(text, &end, 10) : missing;
    return text == NULL || (errno == 0 && end != text && *end == '\0' && *ret >= minimum);
}

static bool is_short(const char *text)
{
    return strnlen(text, NAME_MAX_BYTES + 1) <= NAME_MAX_BYTES;
}

/* @return whether there is a task whose id can be told. */
static bool read_task(ol__context_refused *refused, void *arg, struct task *ret)
{
    const char *date_name = "AIRFLOW_CTX_LOGICAL_DATE";
    const char *date = get_text(date_name);
    if (date == NULL) {
        date_name = "AIRFLOW_CTX_EXECUTION_DATE"; /* Airflow 2 */
        date = get_text(date_name);
    }
    *ret = (struct task){.dag = get_text("AIRFLOW_CTX_DAG_ID"),
                         .task = get_text("AIRFLOW_CTX_TASK_ID")};
    if (ret->dag == NULL || ret->task == NULL || date == NULL ||
        get_text("AIRFLOW_CTX_TRY_NUMBER") == NULL)
        return false;
    const char *wrong = NULL, *expected = "expected a number";
    if (!parse_number("AIRFLOW_CTX_TRY_NUMBER", 0, 0, &ret->try_number))
        wrong = "AIRFLOW_CTX_TRY_NUMBER";
    else if (!parse_number("AIRFLOW_CTX_MAP_INDEX", -1, -1, &ret->map_index))
        wrong = "AIRFLOW_CTX_MAP_INDEX";
    else if (!parse_number("AIRFLOW_CTX_CLEAR_NUMBER", 0, 0, &ret->clear_number))
        wrong = "AIRFLOW_CTX_CLEAR_NUMBER";
    ret->date = date;
    struct ol__uuid uuid;
    if (wrong == NULL && ol__derive_airflow_dag("n", "d", 0, date, &uuid) != OL_OK) {
        wrong = date_name;
        expected = "expected an ISO 8601 time with zone";
    }
    if (wrong == NULL && (!is_short(ret->dag) || !is_short(ret->task))) {
        wrong = is_short(ret->dag) ? "AIRFLOW_CTX_TASK_ID" : "AIRFLOW_CTX_DAG_ID";
        expected = "expected at most 1024 bytes";
    }
    if (wrong != NULL)
        refused(arg, wrong, expected);
    return wrong == NULL;
}

/* ---- the two origins ---- */

static ol_status derive(const struct task *t, const char *name_space, bool is_dag_run,
                        struct ol__origin *ret)
{
    char run_id[OL_UUID_TEXT + 1];
    struct ol__uuid uuid;
    struct ol__buf names;
    ol_status status =
        is_dag_run ? ol__derive_airflow_dag(name_space, t->dag, t->clear_number, t->date, &uuid)
                   : ol__derive_airflow_task(name_space, t->dag, t->task, t->try_number,
                                             t->map_index, t->date, &uuid);
    if (status != OL_OK)
        return status;
    ol__uuid_format(&uuid, run_id);
    ol__buf_init(&names, CONFIG_MAX + (size_t)4 * NAME_MAX_BYTES);
    ol__buf_add_format(&names, "%s/%s%s%s", name_space, t->dag, is_dag_run ? "" : ".",
                       is_dag_run ? "" : t->task);
    status = names.status;
    if (status == OL_OK)
        status = ol__origin_make(names.data, strlen(name_space),
                                 names.size - strlen(name_space) - 1, run_id, ret);
    ol__buf_release(&names);
    return status;
}

ol_status ol__airflow_read(ol__context_refused *refused, void *arg, struct ol__origin *ret_parent,
                           struct ol__origin *ret_root)
{
    struct task task;
    struct ol__buf name_space;
    struct ol__origin parent = {0}, root = {0};
    if (!read_task(refused, arg, &task))
        return OL_OK;
    ol__buf_init(&name_space, CONFIG_MAX);
    ol_status status = read_namespace(&name_space);
    if (status == OL_OK)
        status = derive(&task, name_space.data, false, &parent);
    if (status == OL_OK)
        status = derive(&task, name_space.data, true, &root);
    ol__buf_release(&name_space);
    if (status != OL_OK) {
        ol__origin_release(&parent);
        return status;
    }
    *ret_parent = parent;
    *ret_root = root;
    return OL_OK;
}
