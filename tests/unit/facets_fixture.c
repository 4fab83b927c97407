/* SPDX-License-Identifier: Apache-2.0 */
#include "facets_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define BASE "'_producer':'p','_schemaURL':'https://"
#define IDS_URL                                                                                    \
    BASE "raw.githubusercontent.com/lineaged/lineaged/v0.1.0/spec/schemas/"                        \
         "LineagedRunFacet-1-0-0.json#/$defs/LineagedRunFacet'"

int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->context = (struct ol__facet_context){.producer = "p", .facet_max = 65536};
    ol__facet_place_init(&f->run, OL_ENTITY_RUN, OL_ENTITY_COUNT, &f->context, &f->error, 1 << 20);
    ol__facet_place_init(&f->job, OL_ENTITY_JOB, OL_ENTITY_COUNT, &f->context, &f->error, 1 << 20);
    ol__facet_place_init(&f->input, OL_ENTITY_DATASET, OL_ENTITY_INPUT, &f->context, &f->error,
                         1 << 20);
    ol__facet_place_init(&f->output, OL_ENTITY_DATASET, OL_ENTITY_OUTPUT, &f->context, &f->error,
                         1 << 20);
    *state = f;
    return 0;
}

int tear_down(void **state)
{
    struct fixture *f = *state;
    ol__facet_place_release(&f->run);
    ol__facet_place_release(&f->job);
    ol__facet_place_release(&f->input);
    ol__facet_place_release(&f->output);
    ol__json_reader_free(f->context.reader);
    free(f);
    return 0;
}

static char *expand(const char *text)
{
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    for (const char *c = text; *c != '\0'; c++) {
        size_t size = strcspn(c, ",}");
        if (strncmp(c, "$ids", 4) == 0) {
            ol__buf_add_text(&out, IDS_URL);
            c += 3;
        } else if (*c == '$') {
            const char *name = strchr(c, '/') + 1;
            int name_size = (int)(c + size - name);
            ol__buf_add_format(&out, BASE "openlineage.io/spec/facets/%.*s.json#/$defs/%.*s'",
                               (int)size - 1, c + 1, name_size, name);
            c += size - 1;
        } else {
            ol__buf_add_char(&out, *c);
        }
    }
    for (char *c = out.data; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    return ol__buf_take(&out);
}

void holds(struct ol__facet_place *place, enum ol__entity entity, const char *expected)
{
    struct ol__buf out;
    ol__buf_init(&out, 1 << 20);
    ol__facet_write(place, entity, &out);
    assert_int_equal(out.status, OL_OK);
    char *text = expand(expected);
    assert_non_null(text);
    assert_string_equal(out.data, text);
    free(text);
    ol__buf_release(&out);
}

void refused(struct fixture *f, ol_status status, const char *message)
{
    assert_int_equal(status, OL_INVALID);
    assert_int_equal(f->error.status, OL_INVALID);
    assert_string_equal(f->error.message, message);
    f->error = (struct ol_error){.status = OL_OK};
}
