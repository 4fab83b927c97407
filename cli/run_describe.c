/* SPDX-License-Identifier: Apache-2.0 */
#include "run_describe.h"

#include <stdio.h>
#include "json_write.h"
#include "run.h"
#include "shell_words.h"

#define COMMAND_MAX 65536 /* a line past this is in the receipt alone */

static const char *job_name(const struct run_options *o, char *const *command)
{
    const char *slash = strrchr(command[0], '/');
    return o->job != NULL                      ? o->job
           : o->step != NULL                   ? o->step
           : slash != NULL && slash[1] != '\0' ? slash + 1
                                               : command[0];
}

struct step_options run_step_options(const struct run_options *o, char *const *command)
{
    return (struct step_options){
        .name = o->step,
        .job = job_name(o, command),
        .job_namespace = o->job_namespace,
        .runs = o->runs,
        .pipeline = o->pipeline,
        .task_id = o->task_id,
        .seq = o->seq,
        .attempt = o->attempt,
        .argv = o->has_no_argv ? NULL : command,
        .is_quiet = o->is_quiet,
        .parameters = {.items = o->parameters.items, .count = o->parameters.count},
        .tags = {.items = o->tags.items, .count = o->tags.count},
        .groups = {.items = o->groups.items, .count = o->groups.count}};
}

struct ol_run *run_new(const struct run_options *o, struct ol_client *client, char *const *command,
                       struct ol_error *err)
{
    struct ol_run *run = NULL;
    struct ol__buf derived;
    const char *job = job_name(o, command);
    if (client == NULL)
        return NULL;
    ol__buf_init(&derived, 65536);
    if (o->derive_id != NULL) /* its UUID is version 5 of this text */
        ol__buf_add_format(&derived, "%s/%s/%s",
                           o->job_namespace != NULL ? o->job_namespace : client->job_namespace, job,
                           o->derive_id);
    OL_IGNORE(ol_run_new(client,
                         OL_MAKE(ol_run_options, .job_namespace = o->job_namespace, .job_name = job,
                                 .foreign_id = o->derive_id != NULL ? derived.data : o->id,
                                 .foreign_system = o->system),
                         &run, err) < 0,
              "said by who asked");
    ol__buf_release(&derived);
    return run;
}

/* {"image":"REF","image_digest":"sha256:..."} */
static void write_image(struct run_options *o)
{
    struct ol__json_writer w;
    ol__buf_release(&o->container);
    ol__buf_init(&o->container, 65536);
    if (o->image == NULL)
        return;
    const char *at = strrchr(o->image, '@');
    ol__json_writer_init(&w, &o->container);
    ol__json_begin_object(&w);
    ol__json_member_span(&w, "image",
                         (struct ol__span){.data = o->image, .size = (size_t)(at - o->image)});
    ol__json_member_text(&w, "image_digest", at + 1);
    ol__json_end_object(&w);
}

void run_command_describe(char *const *command, struct ol_run *run)
{
    struct ol__buf line;
    if (run == NULL || command == NULL)
        return;
    ol__buf_init(&line, COMMAND_MAX);
    shell_shown_command(&line, command);
    if (line.status == OL_OK)
        OL_IGNORE(
            ol_job_set_source_code(ol_run_job(run), OL_MAKE(ol_source_code, .language = "shell",
                                                            .text = line.data)) < 0,
            "emit reports it");
    ol__buf_release(&line);
}

bool run_describe(struct run_options *o, char *const *command, struct ol_run *run)
{
    const struct receipt_pairs parameters = {o->parameters.items, o->parameters.count},
                               tags = {o->tags.items, o->tags.count},
                               groups = {o->groups.items, o->groups.count};
    bool is_read = run_environment_read(&o->environment) == OL_OK;
    if (!is_read && !o->is_quiet)
        cli_say("--env: out of memory");
    write_image(o);
    run_told_describe(&o->told, &o->files, run);
    if (run == NULL)
        return is_read;
    OL_IGNORE(ol_job_set_job_type(ol_run_job(run),
                                  OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                          .integration = "LINEAGE", .job_type = "COMMAND")) < 0,
              "emit reports it");
    if (!o->has_no_argv)
        run_command_describe(command, run);
    run_pairs_describe(parameters, tags, groups, run);
    run_environment_describe(&o->environment, run);
    if (o->container.size > 0)
        OL_IGNORE(ol_run_set_facet_json(run, "lineaged_container",
                                        RUN_FACET_SCHEMA("LineagedContainerRunFacet"),
                                        o->container.data, o->container.size) < 0,
                  "emit reports it");
    return run_facets_set(&o->facets, &o->files, run, o->is_quiet) && is_read;
}

void run_set_parts(struct run_options *o, struct step *step)
{
    step->parts[RECEIPT_METRICS] = run_told_metrics(&o->told);
    step->parts[RECEIPT_ENVIRONMENT] = run_environment_value(&o->environment);
    step->parts[RECEIPT_KEPT] = run_keep_value(&o->keep);
    if (o->container.size > 0 && step->parts[RECEIPT_CONTAINER].size == 0) /* none was found */
        step->parts[RECEIPT_CONTAINER] =
            (struct ol__span){.data = o->container.data, .size = o->container.size};
}
