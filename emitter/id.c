/* SPDX-License-Identifier: Apache-2.0 */
/* The public face of base/derive.c. */
#include <openlineage/openlineage.h>
#include "client.h"
#include "derive.h"

static_assert(OL_ID_SIZE == OL_UUID_TEXT + 1, "the public size is that of base/");

static ol_status give(ol_status status, const struct ol__uuid *uuid, char *ret_id)
{
    if (status == OL_OK)
        ol__uuid_format(uuid, ret_id);
    return status;
}

ol_status ol_id_derive(enum ol_id_rule rule, const char *instant, const void *data, size_t size,
                       char ret_id[OL_ID_SIZE], struct ol_error *err)
{
    struct ol__uuid uuid = {{0}};
    struct ol__span bytes = {data, size};
    if (ret_id == NULL || instant == NULL || (data == NULL && size > 0) || rule > OL_ID_JAVA)
        return ol__error_set(err, OL_INVALID, "ol_id_derive: an argument is NULL or no rule");
    ol_status status = rule == OL_ID_PYTHON
                           ? ol__derive_python(ol__span_text(instant), bytes, &uuid)
                           : ol__derive_java(ol__span_text(instant), bytes, &uuid);
    if (status != OL_OK)
        return ol__error_set(err, OL_INVALID,
                             "ol_id_derive: instant '%.40s': expected RFC 3339 with a zone, 1685 to"
                             " 2254",
                             instant);
    return give(status, &uuid, ret_id);
}

ol_status ol_id_derive_airflow_task(const struct ol_airflow_task *task, char ret_id[OL_ID_SIZE],
                                    struct ol_error *err)
{
    struct ol_airflow_task t;
    struct ol__uuid uuid = {{0}};
    if (ret_id == NULL)
        return ol__error_set(err, OL_INVALID, "ol_id_derive_airflow_task: ret_id is NULL");
    if (task == NULL || !ol__options_copy(task, &t, sizeof t, sizeof t))
        return ol__options_refused(task, "ol_airflow_task", err);
    ol_status status = ol__derive_airflow_task(
        t.job_namespace != NULL ? t.job_namespace : "default", t.dag_id, t.task_id, t.try_number,
        t.map_index.is_set ? t.map_index.value : -1, t.logical_date, &uuid);
    if (status != OL_OK)
        return ol__error_set(err, OL_INVALID,
                             "ol_airflow_task: dag_id, task_id and a logical_date (RFC 3339 with a"
                             " zone) are required");
    return give(status, &uuid, ret_id);
}

ol_status ol_id_derive_airflow_dag(const char *job_namespace, const char *dag_id,
                                   const char *logical_date, int64_t clear_number,
                                   char ret_id[OL_ID_SIZE], struct ol_error *err)
{
    struct ol__uuid uuid = {{0}};
    ol_status status =
        ret_id == NULL ? OL_INVALID
                       : ol__derive_airflow_dag(job_namespace != NULL ? job_namespace : "default",
                                                dag_id, clear_number, logical_date, &uuid);
    if (status != OL_OK)
        return ol__error_set(err, OL_INVALID,
                             "ol_id_derive_airflow_dag: dag_id and a logical_date (RFC 3339 with a"
                             " zone) are required");
    return give(status, &uuid, ret_id);
}

ol_status ol_id_from_foreign(const char *system, const char *text, char ret_id[OL_ID_SIZE],
                             struct ol_error *err)
{
    struct ol__uuid uuid = {{0}};
    enum ol__foreign form;
    ol_status status = ret_id == NULL ? OL_INVALID
                                      : ol__derive_foreign(ol__span_text(system),
                                                           ol__span_text(text), &uuid, &form);
    if (status != OL_OK)
        return ol__error_set(
            err, OL_INVALID,
            "foreign id '%.60s': expected 1 to 4096 bytes, and no '/' in its system",
            text != NULL ? text : "");
    return give(status, &uuid, ret_id);
}
