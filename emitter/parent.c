/* SPDX-License-Identifier: Apache-2.0 */
/* Which run stands above this one, as its parent facet says it now (from the environment, from a
 * parent run in this process, or set by the host), for children and for the environment of child
 * processes. */
#include <stdlib.h>
#include "run.h"

bool ol__run_find_facet(const struct ol_run *run, const char *key, struct ol__span *ret)
{
    const struct ol__facet_place *p = &run->place;
    for (size_t i = 0; i < p->count; i++) {
        const struct ol__facet_slot *slot = &p->slots[i];
        struct ol__span found = {p->text.data + slot->key_offset, slot->key_size};
        if (slot->entity != OL_ENTITY_RUN || !ol__span_equal(found, ol__span_text(key)))
            continue;
        size_t head = slot->key_size + 3; /* "key": */
        *ret = (struct ol__span){p->text.data + slot->offset + head, slot->size - head};
        return true;
    }
    return false;
}

ol_status ol__run_find_root(const struct ol_run *run, struct ol__origin *ret)
{
    struct ol__span json;
    if (ol__run_find_facet(run, "parent", &json))
        return ol__origin_read(json, OL_ORIGIN_FACET, NULL, ret, NULL);
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
    ol__origin_release(&root);
    return status == OL_OK ? run->root_id->data : run->parent_id;
}
