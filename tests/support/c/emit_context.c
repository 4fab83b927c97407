/* SPDX-License-Identifier: Apache-2.0 */
/* emit_context: one run of a program that knows nothing of where it runs.
 *
 *   emit_context JOURNAL [INPUT...]
 *
 * Copies standard input to standard output, emits START and COMPLETE of job "emit_context" with the
 * inputs into a journal in directory JOURNAL, and exits with 1 after saying what went wrong.
 * Parent, trace and ids come from the environment as they come for every program. */
#include <openlineage/openlineage.h>
#include <stdio.h>

static void log_it(void *arg, ol_status status, const char *message)
{
    (void)arg;
    fprintf(stderr, "emit_context: %s: %s\n", ol_status_name(status), message);
}

static int fail(const char *what, const struct ol_error *err)
{
    fprintf(stderr, "emit_context: %s: %s\n", what, err->message);
    return 1;
}

int main(int argc, char **argv)
{
    struct ol_error err = {.message = ""};
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    if (argc < 2) {
        fprintf(stderr, "usage: emit_context JOURNAL [INPUT...]\n");
        return 2;
    }
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/emit_context/1",
                               .journal_directory = argv[1], .log = log_it),
                       &client, &err) != OL_OK)
        return fail("client", &err);
    if (ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "emit_context"), &run, &err) !=
        OL_OK)
        return fail("run", &err);
    for (int i = 2; i < argc; i++)
        ol_run_input(run, argv[i]);
    if (ol_run_emit(run, OL_START, &err) != OL_OK)
        return fail("START", &err);
    for (int c = getchar(); c != EOF; c = getchar())
        putchar(c);
    if (ol_run_emit(run, OL_COMPLETE, &err) != OL_OK)
        return fail("COMPLETE", &err);
    ol_run_free(run);
    if (ol_client_close(client, 1000, &err) != OL_OK)
        return fail("close", &err);
    return 0;
}
