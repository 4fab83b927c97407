/* SPDX-License-Identifier: Apache-2.0 */
/* What was collected as a JSON object of its own: a facet without producer and schema, which is how
 * receipts have it (spec/RECEIPT.md). */
#include "collect.h"
#include "facet_info.h"
#include "facet_place.h"

static ol_status set(const struct ol__collected *c, enum ol_collect part, struct ol_run *run)
{
    switch (part) {
    case OL_COLLECT_CODE:
        return ol_run_set_code(run, &c->code);
    case OL_COLLECT_MACHINE:
        return ol_run_set_machine(run, &c->machine);
    case OL_COLLECT_CONTAINER:
        return ol_run_set_container(run, &c->container);
    case OL_COLLECT_TOOLS:
        return ol_run_set_tools(run, &c->tools);
    case OL_COLLECT_SEEDS:
        return ol_run_set_reproducibility(run, &c->reproducibility);
    default:
        return OL_INVALID;
    }
}

/* {"KEY":{"_producer":"","_schemaURL":"...", and then what is wanted, and "}}" */
ol_status ol__facet_write_plain(const struct ol__facet_place *place, const char *key,
                                struct ol__buf *out)
{
    struct ol__buf text;
    ol__buf_init(&text, out->max);
    ol__facet_write(place, OL_ENTITY_RUN, &text);
    ol_status st = text.status;
    const struct ol__facet_info *info =
        ol__facet_info(ol__facet_find(OL_ENTITY_RUN, ol__span_text(key)));
    struct ol__span rest = {text.data, text.size};
    if (st == OL_OK && info != NULL) {
        const char *url = memmem(text.data, text.size, info->schema_url, strlen(info->schema_url));
        assert(url != NULL);
        rest.data = url + strlen(info->schema_url) + 1; /* behind the quote */
        rest.size = (size_t)(text.data + text.size - rest.data) - 1;
        if (rest.size > 0 && rest.data[0] == ',') {
            rest.data++;
            rest.size--;
        }
        ol__buf_add_char(out, '{');
        st = ol__buf_add(out, rest.data, rest.size);
    }
    ol__buf_release(&text);
    return st;
}

ol_status ol__collected_write(const struct ol__collected *c, enum ol_collect part,
                              struct ol__buf *out)
{
    static const struct {
        enum ol_collect part;
        const char *key;
    } keys[] = {{OL_COLLECT_CODE, "lineaged_code"},
                {OL_COLLECT_MACHINE, "lineaged_machine"},
                {OL_COLLECT_CONTAINER, "lineaged_container"},
                {OL_COLLECT_TOOLS, "lineaged_tools"},
                {OL_COLLECT_SEEDS, "lineaged_reproducibility"}};
    struct ol_error err = {.status = OL_OK};
    struct ol__facet_context context = {.producer = "", .facet_max = out->max};
    struct ol__facet_place place;
    ol_status st = OL_OK;
    if ((c->found & (unsigned)part) == 0)
        return OL_OK;
    ol__facet_place_init(&place, OL_ENTITY_RUN, OL_ENTITY_COUNT, &context, &err, out->max);
    st = set(c, part, (struct ol_run *)&place); /* generated setters know the place alone */
    for (size_t i = 0; st == OL_OK && i < OL_COUNT(keys); i++)
        if (keys[i].part == part)
            st = ol__facet_write_plain(&place, keys[i].key, out);
    ol__facet_place_release(&place);
    return st;
}
