/* SPDX-License-Identifier: Apache-2.0 */
/* Says more of a dataset than its name: its columns, which columns of which dataset they were made
 * from, and something that no standard facet has; then fails, and says why.
 *
 *     cc facets.c $(pkg-config --cflags --libs openlineage) && ./a.out
 */
#include <openlineage/openlineage.h>
#include <stdio.h>
#include <string.h>

#define RAW "s3://landing/users.csv"

static void describe(struct ol_dataset *users)
{
    const struct ol_schema_field address[] = {
        OL_ITEM(ol_schema_field, .name = "street", .type = "TEXT"),
        OL_ITEM(ol_schema_field, .name = "city", .type = "TEXT"),
    };
    const struct ol_schema_field columns[] = {
        OL_ITEM(ol_schema_field, .name = "id", .type = "BIGINT", .ordinal_position = OL_INT(1)),
        OL_ITEM(ol_schema_field, .name = "address", .type = "STRUCT", .fields = address,
                .field_count = 2),
    };
    ol_dataset_set_schema(users, OL_MAKE(ol_schema, .fields = columns, .field_count = 2));

    /* Facets refer to datasets by name space and name; these are what ol_run_input(RAW) uses. */
    char space[OL_DATASET_NAMESPACE_SIZE], name[OL_DATASET_NAME_SIZE];
    char version[OL_DATASET_VERSION_SIZE];
    if (ol_dataset_name(RAW, space, sizeof space, name, sizeof name, version, sizeof version,
                        NULL) != OL_OK)
        return;
    const struct ol_transformation copied[] = {
        OL_ITEM(ol_transformation, .type = OL_TRANSFORMATION_TYPE_DIRECT,
                .subtype = OL_TRANSFORMATION_SUBTYPE_IDENTITY),
    };
    const struct ol_input_field raw_id[] = {
        OL_ITEM(ol_input_field, .name_space = space, .name = name, .field = "user_id",
                .transformations = copied, .transformation_count = 1),
    };
    const struct ol_column_origin origins[] = {
        OL_ITEM(ol_column_origin, .key = "id", .input_fields = raw_id, .input_field_count = 1),
    };
    ol_dataset_set_column_lineage(users,
                                  OL_MAKE(ol_column_lineage, .fields = origins, .field_count = 1));
}

int main(void)
{
    static const char skipped[] = "{\"rows\": 3, \"reason\": \"not UTF-8\"}";
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    struct ol_error err = {.message = ""};
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/load/1.0"),
                       &client, &err) != OL_OK ||
        ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "load"), &run, &err) != OL_OK)
        fprintf(stderr, "facets: no lineage today: %s\n", err.message);
    ol_run_input(run, RAW);
    describe(ol_run_output(run, "postgres://db/shop.public.users"));
    ol_run_emit(run, OL_START, NULL);
    /* ... the work ... */
    ol_run_set_facet_json(run, "example_skipped", "https://example.org/SkippedRunFacet.json",
                          skipped, strlen(skipped));
    ol_run_set_error_message(run, OL_MAKE(ol_error_message, .message = "users: no space left",
                                          .programming_language = "C"));
    /* What a setter refused comes back here, as OL_PARTIAL with the reason. */
    ol_status end = ol_run_emit(run, OL_FAIL, &err);
    if (end < 0 || end == OL_PARTIAL)
        fprintf(stderr, "facets: %s\n", err.message);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    return 0;
}
