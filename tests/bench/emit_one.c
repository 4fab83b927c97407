/* SPDX-License-Identifier: Apache-2.0 */
/* A process that emits one event: emit_one JOURNAL-DIRECTORY [rss]; `rss`: print its highest
 * resident set at the end, in KB. */
#include <openlineage/openlineage.h>
#include <stdio.h>
#include "peak.h"

int main(int argc, char **argv)
{
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    struct ol_error err = {0};
    if (argc < 2)
        return 2;
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/emit_one/1",
                               .journal_directory = argv[1]),
                       &client, &err) != OL_OK ||
        ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "one"), &run, &err) != OL_OK)
        goto failed;
    ol_job_set_sql(ol_run_job(run), OL_MAKE(ol_sql, .query = "select 1"));
    ol_run_input(run, "s3://bucket/in");
    ol_run_output(run, "s3://bucket/out");
    if (ol_run_emit(run, OL_COMPLETE, &err) != OL_OK)
        goto failed;
    ol_run_free(run);
    if (ol_client_close(client, 1000, &err) != OL_OK)
        goto failed;
    return argc > 2 ? print_peak() : 0;
failed:
    fprintf(stderr, "emit_one: %s\n", err.message);
    return 1;
}
