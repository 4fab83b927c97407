/* SPDX-License-Identifier: Apache-2.0 */
/* Copies the lines of a table that are not comments, and says so to lineage tools.
 *
 *     cc example.c $(pkg-config --cflags --libs openlineage) && ./a.out raw.csv clean.csv
 */
#include <openlineage/openlineage.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char line[4096];
    int64_t rows = 0;
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    FILE *in = argc == 3 ? fopen(argv[1], "r") : NULL;
    FILE *out = in != NULL ? fopen(argv[2], "w") : NULL;
    /* Without a client all that follows does nothing: the table matters more than its lineage. */
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/uncomment/1.0"),
                       &client, NULL) != OL_OK ||
        ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "uncomment"), &run, NULL) != OL_OK)
        fprintf(stderr, "example: no lineage today\n");
    ol_run_input(run, argc == 3 ? argv[1] : "-");
    struct ol_dataset *made = ol_run_output(run, argc == 3 ? argv[2] : "-");
    ol_run_emit(run, OL_START, NULL);
    while (out != NULL && fgets(line, sizeof line, in) != NULL)
        if (line[0] != '#')
            rows += fputs(line, out) >= 0;
    bool is_done = out != NULL && !ferror(in) && fclose(out) == 0;
    ol_dataset_set_output_statistics(made,
                                     OL_MAKE(ol_output_statistics, .row_count = OL_INT(rows)));
    struct ol_error err = {.message = ""};
    if (ol_run_emit(run, is_done ? OL_COMPLETE : OL_FAIL, &err) < 0)
        fprintf(stderr, "example: %s\n", err.message);
    ol_run_free(run);
    ol_client_close(client, 0, NULL);
    return is_done ? 0 : 1;
}
