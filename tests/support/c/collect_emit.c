/* SPDX-License-Identifier: Apache-2.0 */
/* usage: collect_emit JOURNAL
 * A run that asks for all that can be found around it, in the working directory it was started in:
 * START and COMPLETE into the journal. */
#include <openlineage/openlineage.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct ol_error err = {.message = ""};
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: collect_emit JOURNAL\n");
        return 2;
    }
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/lineaged/tests",
                               .journal_directory = argv[1]),
                       &client, &err) != OL_OK ||
        ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "collect"), &run, &err) != OL_OK ||
        ol_run_collect(run, OL_COLLECT_ALL) != OL_OK ||
        ol_run_collect(run, OL_COLLECT_ALL + 1) != OL_INVALID ||
        ol_run_collect(NULL, OL_COLLECT_ALL) != OL_DISABLED) {
        fprintf(stderr, "collect_emit: %s\n", err.message);
        return 1;
    }
    ol_run_emit(run, OL_START, NULL); /* tells of the call that was wrong */
    if (ol_run_emit(run, OL_COMPLETE, &err) != OL_OK) {
        fprintf(stderr, "collect_emit: %s\n", err.message);
        return 1;
    }
    ol_run_free(run);
    return ol_client_close(client, 1000, &err) == OL_OK ? 0 : 1;
}
