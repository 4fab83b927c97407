/* SPDX-License-Identifier: Apache-2.0 */
/* ol_run_collect(): what facets/ finds around a run becomes its facets. What the program told of
 * itself stays as it is. */
#include "collect.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include "run.h"
#include "run_collect.h"

ol_status ol__collected_set_location(const struct ol__collected *c, struct ol_run *run)
{
    const struct ol_code *code = &c->code;
    struct ol_job *job = &run->job;
    if (code->remote == NULL || ol__facet_has(&job->place, OL_ENTITY_JOB, "sourceCodeLocation"))
        return OL_OK;
    return ol_job_set_source_code_location(
        job, OL_MAKE(ol_source_code_location, .type = "git", .url = code->remote,
                     .repo_url = code->remote, .version = code->commit, .branch = code->branch,
                     .tag = code->tag));
}

ol_status ol__collected_set(const struct ol__collected *c, struct ol_run *run)
{
    const struct ol__facet_place *place = &run->place;
    ol_status st = OL_OK;
#define SET(bit, key, name)                                                                        \
    if (st == OL_OK && (c->found & (bit)) != 0 && !ol__facet_has(place, OL_ENTITY_RUN, key))       \
    st = ol_run_set_##name(run, &c->name)
    SET(OL_COLLECT_CODE, "lineaged_code", code);
    SET(OL_COLLECT_MACHINE, "lineaged_machine", machine);
    SET(OL_COLLECT_CONTAINER, "lineaged_container", container);
    SET(OL_COLLECT_TOOLS, "lineaged_tools", tools);
    SET(OL_COLLECT_SEEDS, "lineaged_reproducibility", reproducibility);
#undef SET
    if (st == OL_OK && (c->found & OL_COLLECT_CODE) != 0)
        st = ol__collected_set_location(c, run);
    return st;
}

ol_status ol_run_collect(struct ol_run *run, unsigned what)
{
    char directory[PATH_MAX];
    struct ol__collected *c;
    if (run == NULL)
        return OL_DISABLED;
    if ((what & ~(unsigned)OL_COLLECT_ALL) != 0)
        return ol__run_fail(run, OL_INVALID, "collect: 0x%x: there is no such thing to collect",
                            what & ~(unsigned)OL_COLLECT_ALL);
    if (run->form != OL_FORM_RUN)
        return ol__run_fail(run, OL_INVALID, "collect: there is no run it could describe");
    c = malloc(sizeof *c);
    if (c == NULL)
        return ol__run_fail(run, OL_NOMEM, "collect: out of memory");
    ol__collected_init(c, "");
    ol_status st =
        ol__collect(c, what, getcwd(directory, sizeof directory) != NULL ? directory : NULL);
    if (st == OL_OK)
        st = ol__collected_set(c, run);
    ol__collected_release(c);
    free(c);
    return ol__status_public(st);
}
