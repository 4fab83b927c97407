/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes: no crash; a failure names what was expected; the check says the same again;
 * and set as a facet, without a schema of its own, what is JSON is taken exactly if it passes the
 * check. The first byte says which facet. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "facet_check.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static struct ol__json_reader *reader;

struct look {
    struct ol__facet_check check;
    bool is_json, is_object, has_schema_url, has_bad_meta;
};

static ol_status see(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    struct look *l = arg;
    (void)err;
    ol__facet_check_value(&l->check, value);
    if (value->depth == 0)
        l->is_object = value->type == OL_JSON_OBJECT || value->type == OL_JSON_OBJECT_END;
    if (value->depth != 1)
        return OL_OK;
    bool is_url = ol__span_equal(value->path[0].key, OL_SPAN_LIT("_schemaURL"));
    l->has_schema_url |= is_url;
    l->has_bad_meta |= (is_url || ol__span_equal(value->path[0].key, OL_SPAN_LIT("_producer"))) &&
                       value->type != OL_JSON_STRING;
    return OL_OK;
}

static ol_status look_at(enum ol__facet_id id, struct ol__span json, struct look *ret,
                         struct ol_error *err)
{
    const struct ol__json_limits limits = {.depth_max = OL_FACET_JSON_DEPTH_MAX};
    *ret = (struct look){.is_object = false};
    ol__facet_check_begin(&ret->check, id);
    ol_status status = ol__json_read(reader, json, &limits, see, ret, err);
    ret->is_json = status == OL_OK;
    return ret->is_json ? ol__facet_check_end(&ret->check, err) : status;
}

static void check_set(enum ol__facet_id id, struct ol__span json, const struct look *look,
                      ol_status status)
{
    struct ol__facet_context context = {.producer = "https://e.org/p", .facet_max = 1 << 20};
    struct ol_error first = {.status = OL_OK};
    struct ol__facet_place place;
    const struct ol__facet_info *info = ol__facet_info(id);
    bool is_side = info->entity == OL_ENTITY_INPUT || info->entity == OL_ENTITY_OUTPUT;
    ol__facet_place_init(&place, is_side ? OL_ENTITY_DATASET : info->entity,
                         is_side ? info->entity : OL_ENTITY_COUNT, &context, &first, 1 << 21);
    ol_status set = ol__facet_set_json(&place, info->entity, info->key, NULL, json);
    bool is_taken = look->is_json && look->is_object && !look->has_bad_meta &&
                    (status == OL_OK || look->has_schema_url);
    CHECK((set == OL_OK) == is_taken);
    CHECK(set == OL_OK || first.message[0] != '\0');
    ol__facet_place_release(&place);
    ol__json_reader_free(context.reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct look look, again, unknown;
    struct ol_error err = {.message = ""}, same = {.message = ""};
    if (size == 0 || (reader == NULL && ol__json_reader_new(&reader, NULL) != OL_OK))
        return 0;
    enum ol__facet_id id = (enum ol__facet_id)(1 + data[0] % (OL_FACET_COUNT - 1));
    struct ol__span json = {(const char *)data + 1, size - 1};
    ol_status status = look_at(id, json, &look, &err);
    CHECK(status == OL_OK || (status == OL_INVALID && err.message[0] != '\0'));
    CHECK(look_at(id, json, &again, &same) == status && strcmp(err.message, same.message) == 0);
    CHECK((look_at(OL_FACET_UNKNOWN, json, &unknown, &err) == OL_OK) == look.is_json);
    check_set(id, json, &look, status);
    return 0;
}
