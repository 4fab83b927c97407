/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes: no crash; what passes as NAMESPACE/NAME/UUID, as a parent facet or as
 * OPENLINEAGE_CONTEXT has all its parts, and written out as NAMESPACE/NAME/UUID names the same run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "origin.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void check(struct ol__origin *origin)
{
    struct ol__uuid uuid;
    CHECK(origin->job_namespace[0] != '\0' && origin->job_name[0] != '\0');
    CHECK(ol__uuid_parse(ol__span_text(origin->run_id), &uuid));
    CHECK(ol__uuid_is_canonical(ol__span_text(origin->run_id)));
    ol__origin_release(origin);
    CHECK(origin->job_namespace == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ol__origin parent, root;
    struct ol_error err = {.message = ""};
    char *text = strndup((const char *)data, size);
    CHECK(text != NULL);
    if (ol__origin_parse(text, &root) == OL_OK) {
        struct ol__buf again;
        ol__buf_init(&again, size + 1);
        ol__buf_add_format(&again, "%s/%s/%s", root.job_namespace, root.job_name, root.run_id);
        CHECK(again.size == strlen(text));
        CHECK(memcmp(again.data, text, again.size - OL_UUID_TEXT) == 0); /* its case may differ */
        ol__buf_release(&again);
        check(&root);
    }
    for (int form = OL_ORIGIN_FACET; form <= OL_ORIGIN_CONTEXT; form++) {
        ol_status status = ol__origin_read((struct ol__span){(const char *)data, size},
                                           (enum ol__origin_form)form, &parent, &root, &err);
        CHECK(status == OL_OK || (status == OL_INVALID && err.message[0] != '\0'));
        if (status != OL_OK)
            continue;
        check(&parent);
        check(&root);
    }
    free(text);
    return 0;
}
