/* SPDX-License-Identifier: Apache-2.0 */
/* Which run stands above this one, as its parent facet says it now (from the environment, from a
 * parent run in this process, or set by the host), for children and for the environment of child
 * processes. */
#include <stdio.h>
#include <stdlib.h>
#include "run.h"

ol_status ol__origin_make(const char *names, size_t namespace_size, size_t name_size,
                          const char *run_id, struct ol__origin *ret)
{
    *ret = (struct ol__origin){0};
    char *copy = strndup(names, namespace_size + 1 + name_size);
    if (copy == NULL)
        return OL_NOMEM;
    copy[namespace_size] = '\0';
    ret->job_namespace = copy;
    ret->job_name = copy + namespace_size + 1;
    memcpy(ret->run_id, run_id, OL_UUID_TEXT + 1);
    return OL_OK;
}

/* The three texts of a parent facet's `run` and `job`, or of its root's. */
struct found {
    struct ol__buf name_space, name, run_id;
};
struct search {
    struct found parent, root;
};

static ol_status take(void *arg, const struct ol__json_value *value, struct ol_error *err OL_UNUSED)
{
    static const char *const keys[] = {"root",      "run",  "runId", "root", "job",
                                       "namespace", "root", "job",   "name"};
    struct search *s = arg;
    if (value->type != OL_JSON_STRING)
        return OL_OK;
    struct ol__buf *to[2][3] = {{&s->root.run_id, &s->root.name_space, &s->root.name},
                                {&s->parent.run_id, &s->parent.name_space, &s->parent.name}};
    for (size_t whose = 0; whose < 2; whose++) { /* the parent's paths lack the first step */
        for (size_t i = 0; i < 3; i++) {
            if (!ol__json_at(value, keys + i * 3 + whose, 3 - whose))
                continue;
            ol__buf_reset(to[whose][i]); /* a key given twice: the last counts */
            return ol__buf_add(to[whose][i], value->text.data, value->text.size);
        }
    }
    return OL_OK;
}

static ol_status to_origin(const struct found *f, struct ol__origin *ret)
{
    struct ol__uuid uuid;
    char run_id[OL_UUID_TEXT + 1];
    if (f->name_space.size == 0 || f->name.size == 0 ||
        !ol__uuid_parse((struct ol__span){f->run_id.data, f->run_id.size}, &uuid))
        return OL_INVALID;
    ol__uuid_format(&uuid, run_id);
    size_t size = f->name_space.size + f->name.size + 2;
    char *names = malloc(size);
    if (names == NULL)
        return OL_NOMEM;
    snprintf(names, size, "%s/%s", f->name_space.data, f->name.data);
    ol_status status = ol__origin_make(names, f->name_space.size, f->name.size, run_id, ret);
    free(names);
    return status;
}

static ol_status read_facet(struct ol__span json, struct ol__origin *ret)
{
    struct ol__json_reader *reader = NULL;
    struct search s = {0};
    struct ol__buf *all[] = {&s.parent.name_space, &s.parent.name, &s.parent.run_id,
                             &s.root.name_space,   &s.root.name,   &s.root.run_id};
    for (size_t i = 0; i < OL_COUNT(all); i++)
        ol__buf_init(all[i], OL_LINE_MAX);
    ol_status status = ol__json_reader_new(&reader, NULL);
    if (status == OL_OK)
        status = ol__json_read(reader, json, NULL, take, &s, NULL);
    if (status == OL_OK)
        status = to_origin(s.root.run_id.size > 0 ? &s.root : &s.parent, ret);
    for (size_t i = 0; i < OL_COUNT(all); i++)
        ol__buf_release(all[i]);
    ol__json_reader_free(reader);
    return status;
}

ol_status ol__run_find_root(const struct ol_run *run, struct ol__origin *ret)
{
    const struct ol__facet_place *p = &run->place;
    for (size_t i = 0; i < p->count; i++) {
        const struct ol__facet_slot *slot = &p->slots[i];
        struct ol__span key = {p->text.data + slot->key_offset, slot->key_size};
        if (slot->entity != OL_ENTITY_RUN || !ol__span_equal(key, OL_SPAN_LIT("parent")))
            continue;
        size_t head = slot->key_size + 3; /* "key": */
        return read_facet((struct ol__span){p->text.data + slot->offset + head, slot->size - head},
                          ret);
    }
    return ol__origin_make(run->parent_id, run->namespace_size, run->name_size, run->run_id, ret);
}

const char *ol_run_parent_id(const struct ol_run *run)
{
    return run != NULL && run->form == OL_FORM_RUN ? run->parent_id : NULL;
}

const char *ol_run_root_parent_id(const struct ol_run *run)
{
    struct ol__origin root;
    if (run == NULL || run->form != OL_FORM_RUN)
        return NULL;
    if (ol__run_find_root(run, &root) != OL_OK)
        return run->parent_id; /* without memory, or a parent facet that names nobody: itself */
    ol__buf_reset(run->root_id);
    ol_status status = ol__buf_add_format(run->root_id, "%s/%s/%s", root.job_namespace,
                                          root.job_name, root.run_id);
    free(root.job_namespace);
    return status == OL_OK ? run->root_id->data : run->parent_id;
}
