/* SPDX-License-Identifier: Apache-2.0 */
/* usage: facets_emit DIRECTORY
 * Every facet of facets_built.c in events of every kind, into a journal in DIRECTORY: a run with
 * all of them (job "all": START and COMPLETE), a run for each variant (job "VARIANT'S NAME"), a
 * JobEvent and a DatasetEvent with what they can carry. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "facets_built.h"

static void need(ol_status status, const char *what, const struct ol_error *err)
{
    if (status == OL_OK)
        return;
    fprintf(stderr, "facets_emit: %s: %s: %s\n", what, ol_status_name(status), err->message);
    exit(1);
}

static bool is_variant(const char *name)
{
    return strchr(strchr(name, '.') + 1, '.') != NULL;
}

static bool begins(const char *name, const char *entity)
{
    return strncmp(name, entity, strlen(entity)) == 0;
}

static struct ol_run *new_run(struct ol_client *client, const char *job, struct built_handles *h)
{
    struct ol_error err = {.message = ""};
    need(ol_run_new(client, OL_MAKE(ol_run_options, .job_namespace = "tests", .job_name = job),
                    &h->run, &err),
         "run", &err);
    h->job = ol_run_job(h->run);
    h->input = ol_run_input_named(h->run, "file", "/in");
    h->output = ol_run_output_named(h->run, "file", "/out");
    return h->run;
}

static void emit_runs(struct ol_client *client)
{
    struct built_handles h, one;
    struct ol_error err = {.message = ""};
    struct ol_run *all = new_run(client, "all", &h);
    for (size_t i = 0; i < built_facet_count; i++) {
        if (!is_variant(built_facets[i].name)) {
            need(built_facets[i].build(&h), built_facets[i].name, &err);
            continue;
        }
        struct ol_run *run = new_run(client, built_facets[i].name, &one);
        need(built_facets[i].build(&one), built_facets[i].name, &err);
        need(ol_run_emit(run, OL_ABORT, &err), built_facets[i].name, &err);
        ol_run_free(run);
    }
    need(ol_run_emit(all, OL_START, &err), "START", &err);
    need(ol_run_emit(all, OL_COMPLETE, &err), "COMPLETE", &err);
    if (ol_run_emit(all, OL_OTHER, &err) != OL_INVALID)
        need(OL_INVALID, "an event after the last", &err);
    ol_run_free(all);
}

static void emit_job_event(struct ol_client *client)
{
    struct built_handles h = {NULL, NULL, NULL, NULL};
    struct ol_error err = {.message = ""};
    struct ol_run *event = NULL;
    need(ol_job_event_new(client, "tests", "designed", &event, &err), "job event", &err);
    h.job = ol_run_job(event);
    h.input = ol_run_input_named(event, "file", "/in");
    h.output = ol_run_output_named(event, "file", "/out");
    for (size_t i = 0; i < built_facet_count; i++)
        if (!is_variant(built_facets[i].name) && !begins(built_facets[i].name, "run."))
            need(built_facets[i].build(&h), built_facets[i].name, &err);
    need(ol_job_event_emit(event, &err), "JobEvent", &err);
    ol_run_free(event);
}

static void emit_dataset_event(struct ol_client *client)
{
    struct built_handles h = {NULL, NULL, NULL, NULL};
    struct ol_error err = {.message = ""};
    struct ol_run *event = NULL;
    need(ol_dataset_event_new_named(client, "file", "/out", &event, &h.output, &err),
         "dataset event", &err);
    for (size_t i = 0; i < built_facet_count; i++)
        if (!is_variant(built_facets[i].name) && begins(built_facets[i].name, "dataset."))
            need(built_facets[i].build(&h), built_facets[i].name, &err);
    need(ol_dataset_event_emit(event, &err), "DatasetEvent", &err);
    ol_run_free(event);
}

int main(int argc, char **argv)
{
    struct ol_error err = {.message = ""};
    struct ol_client *client = NULL;
    if (argc != 2) {
        fprintf(stderr, "usage: facets_emit DIRECTORY\n");
        return 2;
    }
    need(ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/lineaged/tests",
                                .journal_directory = argv[1]),
                        &client, &err),
         argv[1], &err);
    emit_runs(client);
    emit_job_event(client);
    emit_dataset_event(client);
    need(ol_client_close(client, 0, &err), "close", &err);
    return 0;
}
