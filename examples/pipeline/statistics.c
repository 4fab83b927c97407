/* SPDX-License-Identifier: Apache-2.0 */
/* statistics SYMBOLS OUT: functions, lines and the longest function of each file. A step of a
 * pipeline that tells its lineage itself, through libopenlineage. */
#include <openlineage/openlineage.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    char file[256], longest[128];
    long functions, lines, longest_lines;
};

static int add_up(FILE *in, FILE *out, long *ret_rows)
{
    struct row sum = {0}, now = {0};
    char text[512];
    *ret_rows = 0;
    while (fgets(text, sizeof text, in) != NULL) {
        long first;
        if (sscanf(text, "%255[^\t]\t%ld\t%127[^\t]\t%ld", now.file, &first, now.longest,
                   &now.longest_lines) != 4) {
            fprintf(stderr, "statistics: expected four columns, found: %s", text);
            return -1;
        }
        if (sum.functions > 0 && strcmp(sum.file, now.file) != 0) {
            fprintf(out, "%s\t%ld\t%ld\t%s\t%ld\n", sum.file, sum.functions, sum.lines, sum.longest,
                    sum.longest_lines);
            ++*ret_rows;
            sum.functions = sum.lines = sum.longest_lines = 0;
        }
        memcpy(sum.file, now.file, sizeof sum.file);
        sum.functions++;
        sum.lines += now.longest_lines;
        if (now.longest_lines > sum.longest_lines) {
            sum.longest_lines = now.longest_lines;
            memcpy(sum.longest, now.longest, sizeof sum.longest);
        }
    }
    if (sum.functions > 0) {
        fprintf(out, "%s\t%ld\t%ld\t%s\t%ld\n", sum.file, sum.functions, sum.lines, sum.longest,
                sum.longest_lines);
        ++*ret_rows;
    }
    return ferror(in) || fflush(out) != 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
    static const struct ol_schema_field columns[] = {
        OL_ITEM(ol_schema_field, .name = "file", .type = "TEXT"),
        OL_ITEM(ol_schema_field, .name = "functions", .type = "INTEGER"),
        OL_ITEM(ol_schema_field, .name = "lines", .type = "INTEGER"),
        OL_ITEM(ol_schema_field, .name = "longest", .type = "TEXT"),
        OL_ITEM(ol_schema_field, .name = "longest_lines", .type = "INTEGER")};
    if (argc != 3) {
        fprintf(stderr, "usage: statistics SYMBOLS OUT\n");
        return 2;
    }

    struct ol_error err;
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    /* A failure leaves the handle NULL, and NULL does nothing: the work matters more. */
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/statistics/1.0"),
                       &client, &err) < 0 ||
        ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "statistics"), &run, &err) < 0)
        fprintf(stderr, "statistics: no lineage: %s\n", err.message);
    ol_run_input(run, argv[1]);
    struct ol_dataset *result = ol_run_output(run, argv[2]);
    ol_dataset_set_schema(result, OL_MAKE(ol_schema, .fields = columns, .field_count = 5));
    ol_run_emit(run, OL_START, NULL);

    long rows = 0;
    FILE *in = fopen(argv[1], "r");
    FILE *out = fopen(argv[2], "w");
    int failed = in == NULL || out == NULL || add_up(in, out, &rows) != 0;
    if (in != NULL)
        fclose(in);
    if (out != NULL && fclose(out) != 0)
        failed = 1;

    ol_dataset_set_output_statistics(result,
                                     OL_MAKE(ol_output_statistics, .row_count = OL_INT(rows)));
    if (ol_run_emit(run, failed ? OL_FAIL : OL_COMPLETE, &err) < 0)
        fprintf(stderr, "statistics: %s\n", err.message);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    return failed;
}
