/* SPDX-License-Identifier: Apache-2.0 */
/* Our two facets of a run's surroundings: the ids that people search (lineaged_run) and the rest
 * (lineaged_context). What the host sets later replaces them whole, as with every facet. */
#include <stdlib.h>
#include "run.h"
#include "run_ids.h"

static void add_surroundings(const struct ol__scheduler *s, const struct ol__trace *trace,
                             struct ol_surroundings *facet)
{
    if (trace->trace_id[0] != '\0') {
        facet->trace_id = trace->trace_id;
        facet->span_id = trace->span_id;
    }
    facet->scheduler = s->name;
    facet->workflow = s->values[OL_SCHEDULER_WORKFLOW];
    facet->workflow_run = s->values[OL_SCHEDULER_WORKFLOW_RUN];
    facet->place = s->values[OL_SCHEDULER_PLACE];
    facet->task_uid = s->values[OL_SCHEDULER_TASK_UID];
    facet->task_index = s->values[OL_SCHEDULER_TASK_INDEX];
    facet->url = s->values[OL_SCHEDULER_URL];
}

static ol_status set_surroundings(struct ol_run *run)
{
    struct ol_surroundings facet = {.struct_size = sizeof facet};
    add_surroundings(&run->client->context.scheduler, &run->travel.trace, &facet);
    if (facet.trace_id == NULL && facet.scheduler == NULL)
        return OL_OK;
    return ol_run_set_surroundings(run, &facet);
}

/* The attempt that travels is one at the step that travels; without them, the scheduler's. */
static void add_travel(const struct ol__travel *travel, struct ol_ids *ids)
{
    char *const *from = travel->ids;
    if (from[OL_TRAVEL_RUN_ID] != NULL)
        ids->run_id = from[OL_TRAVEL_RUN_ID];
    if (from[OL_TRAVEL_STEP] != NULL || from[OL_TRAVEL_ATTEMPT] != NULL) {
        ids->step = from[OL_TRAVEL_STEP];
        ids->attempt = from[OL_TRAVEL_ATTEMPT];
    }
}

static bool has_any(const struct ol_ids *ids)
{
    return ids->run_id != NULL || ids->step != NULL || ids->attempt != NULL || ids->task_id != NULL;
}

ol_status ol__context_describe(struct ol_run *run, const struct ol_run *from)
{
    const struct ol__scheduler *s = &run->client->context.scheduler;
    struct ol_ids ids = {.struct_size = sizeof ids};
    struct ol__run_ids known;
    ol_status status = OL_OK;
    ol__run_ids_init(&known);
    if (from != NULL) {
        status = ol__run_ids_read(from, &known);
        ids.run_id = known.ids.run_id;
        ids.step = known.ids.step;
        ids.attempt = known.ids.attempt;
        ids.task_id = known.ids.task_id;
    } else {
        ids.task_id = s->values[OL_SCHEDULER_TASK_ID];
        ids.attempt = s->values[OL_SCHEDULER_ATTEMPT];
        add_travel(&run->travel, &ids);
    }
    if (status == OL_OK && has_any(&ids))
        status = ol_run_set_ids(run, &ids);
    ol__run_ids_release(&known);
    return status == OL_OK ? set_surroundings(run) : status;
}

ol_status ol__context_describe_again(struct ol_run *run)
{
    struct ol__run_ids known;
    ol__run_ids_init(&known);
    ol_status status = ol__run_ids_read(run, &known);
    add_travel(&run->travel, &known.ids);
    if (status == OL_OK && has_any(&known.ids))
        status = ol_run_set_ids(run, &known.ids);
    ol__run_ids_release(&known);
    return status == OL_OK ? set_surroundings(run) : status;
}
