/* SPDX-License-Identifier: Apache-2.0 */
/* The generated tables: every facet is found by entity and key and by nothing else, every field by
 * its path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include "facet_info.h"

static void every_facet_is_found(void **state)
{
    (void)state;
    assert_true(OL_FACET_COUNT > 14);
    for (int id = 1; id < OL_FACET_COUNT; id++) {
        const struct ol__facet_info *info = ol__facet_info((enum ol__facet_id)id);
        assert_non_null(info);
        assert_int_equal(ol__facet_find(info->entity, ol__span_text(info->key)), id);
        assert_non_null(strstr(info->schema_url, ".json#/$defs/"));
        /* a byte more, a byte less, another byte */
        char key[OL_FACET_KEY_MAX + 2];
        snprintf(key, sizeof key, "%sx", info->key);
        assert_int_equal(ol__facet_find(info->entity, ol__span_text(key)), OL_FACET_UNKNOWN);
        key[strlen(key) - 2] = '\0'; /* lineaged_answers, lineaged_answer */
        enum ol__facet_id shorter = ol__facet_find(info->entity, ol__span_text(key));
        assert_int_not_equal(shorter, id);
        if (shorter != OL_FACET_UNKNOWN)
            assert_string_equal(ol__facet_info(shorter)->key, key);
        snprintf(key, sizeof key, "%s", info->key);
        key[0] ^= 1;
        assert_int_equal(ol__facet_find(info->entity, ol__span_text(key)), OL_FACET_UNKNOWN);
    }
    assert_null(ol__facet_info(OL_FACET_UNKNOWN));
    assert_null(ol__facet_info(OL_FACET_COUNT));
}

static void entity_matters(void **state)
{
    (void)state;
    assert_int_equal(ol__facet_find(OL_ENTITY_RUN, OL_SPAN_LIT("tags")), OL_FACET_RUN_TAGS);
    assert_int_equal(ol__facet_find(OL_ENTITY_INPUT, OL_SPAN_LIT("tags")), OL_FACET_UNKNOWN);
    assert_int_equal(ol__facet_find(OL_ENTITY_JOB, OL_SPAN_LIT("schema")), OL_FACET_UNKNOWN);
    assert_int_equal(ol__facet_find(OL_ENTITY_INPUT, OL_SPAN_LIT("outputStatistics")),
                     OL_FACET_UNKNOWN);
    assert_int_equal(ol__facet_find(OL_ENTITY_RUN, OL_SPAN_LIT("")), OL_FACET_UNKNOWN);
    assert_int_equal(ol__facet_find(OL_ENTITY_COUNT, OL_SPAN_LIT("tags")), OL_FACET_UNKNOWN);
    static const char huge[1000] = "tags";
    assert_int_equal(ol__facet_find(OL_ENTITY_RUN, (struct ol__span){huge, sizeof huge}),
                     OL_FACET_UNKNOWN);
}

/* "tags/2/key" as steps; a number, or '*', is an index */
static size_t steps_of(const char *path, struct ol__json_step *steps)
{
    size_t depth = 0;
    for (const char *part = path; *part != '\0'; depth++) {
        size_t size = strcspn(part, "/");
        bool is_index = part[0] == '*' || (part[0] >= '0' && part[0] <= '9');
        steps[depth] = (struct ol__json_step){.is_index = is_index};
        if (!is_index)
            steps[depth].key = (struct ol__span){part, size};
        part += part[size] == '/' ? size + 1 : size;
    }
    return depth;
}

static enum ol__field_id find(enum ol__facet_id facet, const char *path)
{
    struct ol__json_step steps[16];
    size_t depth = steps_of(path, steps);
    return ol__facet_field(facet, steps, depth);
}

static void every_field_is_found(void **state)
{
    (void)state;
    for (int id = 1; id < OL_FIELD_COUNT; id++) {
        const struct ol__field_info *info = ol__field_info((enum ol__field_id)id);
        assert_non_null(info);
        if (!ol__facet_info(info->facet)->has_map) /* there '*' may also stand for a name */
            assert_int_equal(find(info->facet, info->path), id);
    }
    assert_int_equal(find(OL_FACET_RUN_TAGS, "tags/7/key"), OL_FIELD_RUN_TAGS_TAGS_KEY);
    assert_int_equal(find(OL_FACET_RUN_PARENT, "root/job/name"), OL_FIELD_RUN_PARENT_ROOT_JOB_NAME);
    assert_int_equal(find(OL_FACET_RUN_LINEAGED_RUN, "run_id"), OL_FIELD_RUN_LINEAGED_RUN_RUN_ID);
}

static void other_places_are_unknown(void **state)
{
    (void)state;
    static const struct {
        enum ol__facet_id facet;
        const char *path;
    } rows[] = {
        {OL_FACET_RUN_TAGS, "tags"},      {OL_FACET_RUN_TAGS, "tags/0"},
        {OL_FACET_RUN_TAGS, "tags/key"},  {OL_FACET_RUN_TAGS, "tags/0/key/x"},
        {OL_FACET_RUN_TAGS, "0"},         {OL_FACET_RUN_TAGS, "nothing"},
        {OL_FACET_RUN_TAGS, ""},          {OL_FACET_UNKNOWN, "tags"},
        {OL_FACET_RUN_TAGS, "_producer"}, {OL_FACET_DATASET_SCHEMA, "fields/0/fields/0/name"}};
    for (size_t i = 0; i < OL_COUNT(rows); i++)
        assert_int_equal(find(rows[i].facet, rows[i].path), OL_FIELD_UNKNOWN);
}

static void types_fit(void **state)
{
    (void)state;
    const uint16_t root = ol__facet_info(OL_FACET_OUTPUT_OUTPUT_STATISTICS)->node;
    bool is_recursion = false;
    const struct ol__json_step size = {.key = OL_SPAN_LIT("size")};
    uint16_t node = ol__facet_step(root, &size, &is_recursion);
    assert_true(ol__facet_type_fits(root, OL_JSON_OBJECT, OL_SPAN_LIT("")));
    assert_false(ol__facet_type_fits(root, OL_JSON_ARRAY, OL_SPAN_LIT("")));
    assert_true(ol__facet_type_fits(node, OL_JSON_NUMBER, OL_SPAN_LIT("-12")));
    assert_false(ol__facet_type_fits(node, OL_JSON_NUMBER, OL_SPAN_LIT("1.5")));
    assert_false(ol__facet_type_fits(node, OL_JSON_NUMBER, OL_SPAN_LIT("1e3")));
    assert_false(ol__facet_type_fits(node, OL_JSON_STRING, OL_SPAN_LIT("1")));
    assert_false(ol__facet_type_fits(node, OL_JSON_NULL, OL_SPAN_LIT("")));
    assert_true(ol__facet_type_fits(0, OL_JSON_NULL, OL_SPAN_LIT("")));
    assert_false(is_recursion);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_facet_is_found),
        cmocka_unit_test(entity_matters),
        cmocka_unit_test(every_field_is_found),
        cmocka_unit_test(other_places_are_unknown),
        cmocka_unit_test(types_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
