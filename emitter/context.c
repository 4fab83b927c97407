/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. In this order, the first that holds: OPENLINEAGE_CONTEXT, OPENLINEAGE_PARENT_ID,
 * AIRFLOW_CTX_*, lineage.parent in BAGGAGE. A malformed one is as if it were not set.
 *  2. Parent and root are told by the same source, or the root is the parent. */
#include "context.h"

#include <stdio.h>
#include <stdlib.h>

#define VALUE_MAX 65536 /* bytes of one variable */

static const char *get_text(const char *name)
{
    const char *value = secure_getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The names of the W3C's headers as variables have them; NULL: none of them. */
static const char *find_variable(const char *key)
{
    static const char *const names[][2] = {
        {"traceparent", "TRACEPARENT"}, {"tracestate", "TRACESTATE"}, {"baggage", "BAGGAGE"}};
    for (size_t i = 0; i < OL_COUNT(names); i++)
        if (strcmp(names[i][0], key) == 0)
            return names[i][1];
    return NULL;
}

static const char *get_header(void *arg OL_UNUSED, const char *key)
{
    const char *variable = find_variable(key);
    return variable != NULL ? get_text(variable) : NULL;
}

struct header_refused {
    ol__context_refused *refused;
    void *arg;
};

static void refuse_header(void *arg, const char *key, const char *why)
{
    const struct header_refused *r = arg;
    char name[64]; /* of a member: BAGGAGE: lineage.step */
    const char *variable = find_variable(key);
    snprintf(name, sizeof name, "BAGGAGE: %s", key);
    r->refused(r->arg, variable != NULL ? variable : name, why);
}

static ol_status read_json(const char *text, ol__context_refused *refused, void *arg,
                           struct ol__context *ret)
{
    struct ol_error err = {.message = ""};
    size_t size = strnlen(text, VALUE_MAX + 1);
    ol_status status = OL_TOO_LARGE;
    if (size <= VALUE_MAX)
        status = ol__origin_read((struct ol__span){text, size}, OL_ORIGIN_CONTEXT, &ret->parent,
                                 &ret->root, &err);
    if (status == OL_INVALID || status == OL_TOO_LARGE)
        refused(arg, "OPENLINEAGE_CONTEXT",
                status == OL_INVALID ? err.message : "expected at most 65536 bytes");
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

static ol_status read_origin(const char *name, const char *text, ol__context_refused *refused,
                             void *arg, struct ol__origin *ret)
{
    ol_status status =
        strnlen(text, VALUE_MAX + 1) <= VALUE_MAX ? ol__origin_parse(text, ret) : OL_INVALID;
    if (status == OL_INVALID)
        refused(arg, name, "expected NAMESPACE/NAME/UUID");
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

static ol_status copy_origin(const struct ol__origin *from, struct ol__origin *ret)
{
    return ol__origin_make(from->job_namespace, strlen(from->job_namespace), strlen(from->job_name),
                           from->run_id, ret);
}

static ol_status read_parents(ol__context_refused *refused, void *arg, struct ol__context *ret)
{
    ol_status status = OL_OK;
    const char *json = get_text("OPENLINEAGE_CONTEXT");
    const char *parent = get_text("OPENLINEAGE_PARENT_ID");
    const char *root = get_text("OPENLINEAGE_ROOT_PARENT_ID");
    if (json != NULL)
        status = read_json(json, refused, arg, ret);
    if (status != OL_OK || ret->parent.job_namespace != NULL)
        return status;
    if (parent != NULL)
        status = read_origin("OPENLINEAGE_PARENT_ID", parent, refused, arg, &ret->parent);
    if (status == OL_OK && ret->parent.job_namespace != NULL) {
        if (root != NULL)
            status = read_origin("OPENLINEAGE_ROOT_PARENT_ID", root, refused, arg, &ret->root);
        if (status == OL_OK && ret->root.job_namespace == NULL)
            status = copy_origin(&ret->parent, &ret->root);
        return status;
    }
    if (status == OL_OK && root != NULL && parent == NULL)
        refused(arg, "OPENLINEAGE_ROOT_PARENT_ID", "not used without OPENLINEAGE_PARENT_ID");
    return status == OL_OK ? ol__airflow_read(refused, arg, &ret->parent, &ret->root) : status;
}

ol_status ol__context_read(ol__context_refused *refused, void *arg, struct ol__context *ret)
{
    *ret = (struct ol__context){0};
    ol_status status = read_parents(refused, arg, ret);
    if (status == OL_OK)
        status = ol__travel_read(get_header, NULL, refuse_header,
                                 &(struct header_refused){refused, arg}, &ret->travel);
    if (status == OL_OK && ret->parent.job_namespace == NULL)
        status = ol__travel_origins(&ret->travel, &ret->parent, &ret->root);
    if (status == OL_OK || status == OL_END)
        status = ol__scheduler_read(&ret->scheduler, refused, arg);
    return status;
}

void ol__context_release(struct ol__context *context)
{
    ol__origin_release(&context->parent);
    ol__origin_release(&context->root);
    ol__travel_release(&context->travel);
    ol__scheduler_release(&context->scheduler);
}
