/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. No program is started before START is handed over, and none that was not asked for.
 *  2. The command is never kept waiting: what a program has not said a second after the command's
 *     end is left out.
 *  3. A facet that the caller set, with --facet or else, is not replaced. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "cli.h"
#include "collect_run.h"
#include "facet_place.h"
#include "hash.h"
#include "run_collect.h"
#include "run.h"
#include "scheduler.h"

#define PROGRAM_MS 10000
#define STATUS_MAX (8u << 20)
#define PATCH_MAX ((int64_t)64 << 20)
#define PART_MAX (1u << 20)

static const struct {
    const char *name;
    unsigned what;
} names[] = {{"code", OL_COLLECT_CODE},
             {"git", OL_COLLECT_CODE | COLLECT_PATCH},
             {"machine", OL_COLLECT_MACHINE},
             {"gpu", OL_COLLECT_MACHINE | COLLECT_GPU},
             {"container", OL_COLLECT_CONTAINER},
             {"tools", OL_COLLECT_TOOLS},
             {"seeds", OL_COLLECT_SEEDS},
             {"dvc", COLLECT_DVC},
             {"all", COLLECT_DEFAULT | COLLECT_PATCH | COLLECT_GPU},
             {"none", 0}};

bool collect_run_parse(const char *text, unsigned *ret)
{
    unsigned what = 0;
    for (;;) {
        size_t size = strcspn(text, ","), i = 0;
        while (i < OL_COUNT(names) &&
               (strlen(names[i].name) != size || memcmp(names[i].name, text, size) != 0))
            i++;
        if (i == OL_COUNT(names))
            return false;
        what |= names[i].what;
        if (text[size] == '\0')
            break;
        text += size + 1;
    }
    *ret = what;
    return true;
}

/* ---- to receipt and events ---- */

static const struct shown {
    unsigned what;
    enum receipt_part part;
    const char *key;
} shown[] = {{OL_COLLECT_CODE, RECEIPT_CODE, "lineaged_code"},
             {OL_COLLECT_MACHINE, RECEIPT_MACHINE, "lineaged_machine"},
             {OL_COLLECT_CONTAINER, RECEIPT_CONTAINER, "lineaged_container"},
             {OL_COLLECT_TOOLS, RECEIPT_TOOLS, "lineaged_tools"},
             {OL_COLLECT_SEEDS, RECEIPT_REPRODUCIBILITY, "lineaged_reproducibility"},
             {COLLECT_DVC, RECEIPT_DVC, "lineaged_dvc"}};

static ol_status set_facet(struct collect_run *k, unsigned what, struct ol_run *run)
{
    switch (what) {
    case OL_COLLECT_CODE:
        return ol_run_set_code(run, &k->c.code);
    case OL_COLLECT_MACHINE:
        return ol_run_set_machine(run, &k->c.machine);
    case OL_COLLECT_CONTAINER:
        return ol_run_set_container(run, &k->c.container);
    case OL_COLLECT_TOOLS:
        return ol_run_set_tools(run, &k->c.tools);
    case OL_COLLECT_SEEDS:
        return ol_run_set_reproducibility(run, &k->c.reproducibility);
    default:
        return ol_run_set_dvc(run, &k->dvc.dvc);
    }
}

/* One part of the receipt: its facet's JSON, without what only a facet has. */
static void write_part(struct collect_run *k, const struct shown *s, struct ol__span *part)
{
    struct ol_error err = {.status = OL_OK};
    struct ol__facet_context context = {.producer = "", .facet_max = PART_MAX};
    struct ol__facet_place place;
    struct ol__buf *out = &k->parts[s->part];
    ol__buf_release(out);
    ol__buf_init(out, PART_MAX);
    ol__facet_place_init(&place, OL_ENTITY_RUN, OL_ENTITY_COUNT, &context, &err, PART_MAX);
    /* generated setters know the place alone */
    if (set_facet(k, s->what, (struct ol_run *)&place) == OL_OK &&
        ol__facet_write_plain(&place, s->key, out) == OL_OK)
        *part = (struct ol__span){out->data, out->size};
    ol__facet_place_release(&place);
}

static void show(struct collect_run *k, unsigned what, struct ol_run *run,
                 struct ol__span parts[RECEIPT_PARTS])
{
    for (size_t i = 0; i < OL_COUNT(shown); i++) {
        const struct shown *s = &shown[i];
        if ((what & k->c.found & s->what) == 0)
            continue;
        if (parts != NULL)
            write_part(k, s, &parts[s->part]);
        if (run == NULL)
            continue;
        if (!ol__facet_has(&run->place, OL_ENTITY_RUN, s->key))
            k->ours |= s->what; /* promise 3 */
        if ((k->ours & s->what) != 0)
            OL_IGNORE(set_facet(k, s->what, run) < 0, "emit reports it");
    }
}

/* ---- by files ---- */

static void add_image(struct collect_run *k, const char *image, struct ol_run *run)
{
    const char *at = image != NULL ? strrchr(image, '@') : NULL;
    if (at == NULL)
        return;
    k->c.container.image = ol__collect_keep(&k->c, (struct ol__span){image, (size_t)(at - image)});
    k->c.container.image_digest = ol__collect_keep(&k->c, ol__span_text(at + 1));
    k->c.found |= OL_COLLECT_CONTAINER;
    if (run != NULL) /* what --image set stands here as well */
        k->ours |= OL_COLLECT_CONTAINER;
}

static void refused(void *arg, const char *variable, const char *expected)
{
    (void)arg; /* the client has said so */
    (void)variable;
    (void)expected;
}

/* {"scheduler":"slurm","task_id":"42"...}: what the facets lineaged_context and lineaged_run say */
static void write_scheduler(struct collect_run *k, struct ol__span *part)
{
    static const char *const keys[OL_SCHEDULER_FIELDS] = {
        [OL_SCHEDULER_TASK_ID] = "task_id",       [OL_SCHEDULER_ATTEMPT] = "attempt",
        [OL_SCHEDULER_WORKFLOW] = "workflow",     [OL_SCHEDULER_WORKFLOW_RUN] = "workflow_run",
        [OL_SCHEDULER_PLACE] = "place",           [OL_SCHEDULER_TASK_UID] = "task_uid",
        [OL_SCHEDULER_TASK_INDEX] = "task_index", [OL_SCHEDULER_URL] = "url"};
    struct ol__scheduler s;
    struct ol__json_writer w;
    struct ol__buf *out = &k->parts[RECEIPT_SCHEDULER];
    if (ol__scheduler_read(&s, refused, NULL) == OL_OK && s.name != NULL) {
        ol__json_writer_init(&w, out);
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "scheduler", s.name);
        for (size_t i = 0; i < OL_SCHEDULER_FIELDS; i++)
            ol__json_member_text_opt(&w, keys[i], s.values[i]);
        ol__json_end_object(&w);
        if (out->status == OL_OK)
            *part = (struct ol__span){out->data, out->size};
    }
    ol__scheduler_release(&s);
}

void collect_run_begin(struct collect_run *k, const struct collect_options *options,
                       struct ol_run *run, struct ol__span parts[RECEIPT_PARTS])
{
    char directory[PATH_MAX];
    bool has_directory = getcwd(directory, sizeof directory) != NULL;
    *k = (struct collect_run){.what = options->what, .patch_size = -1};
    ol__collected_init(&k->c, "");
    k->dvc.dvc.struct_size = sizeof k->dvc.dvc;
    for (size_t i = 0; i < RECEIPT_PARTS; i++)
        ol__buf_init(&k->parts[i], PART_MAX);
    if (parts != NULL && k->what != 0)
        write_scheduler(k, &parts[RECEIPT_SCHEDULER]);
    OL_IGNORE(ol__collect(&k->c, k->what & OL_COLLECT_ALL, has_directory ? directory : NULL) < 0,
              "out of memory: less is told");
    if ((k->what & COLLECT_DVC) != 0 && has_directory && collect_dvc(k, directory))
        k->c.found |= COLLECT_DVC;
    add_image(k, options->image, run);
    show(k, UINT_MAX, run, parts);
    if (run != NULL && (k->ours & OL_COLLECT_CODE) != 0)
        OL_IGNORE(ol__collected_set_location(&k->c, run) < 0, "emit reports it");
}

/* ---- by programs ---- */

static bool take_text(void *arg, const char *data, size_t size)
{
    return ol__buf_add(arg, data, size) == OL_OK;
}

struct patch {
    struct ol__sha256 *hash;
    struct ol__buf *text; /* fails where it is too long to be kept */
    int64_t size;
};

static bool take_patch(void *arg, const char *data, size_t size)
{
    struct patch *p = arg;
    ol__sha256_add(p->hash, data, size);
    p->size += (int64_t)size;
    OL_IGNORE(ol__buf_add(p->text, data, size) != OL_OK, "its hash will do");
    return p->size <= PATCH_MAX;
}

static void ask_patch(struct collect_run *k, const char *directory)
{
    static const char *const argv[] = {"git",
                                       "--no-optional-locks",
                                       "-c",
                                       "core.fsmonitor=false",
                                       "diff",
                                       "--no-ext-diff",
                                       "--no-textconv",
                                       "--no-color",
                                       "--full-index",
                                       "--binary",
                                       "--no-renames",
                                       "HEAD",
                                       "--",
                                       NULL};
    struct patch p = {NULL, &k->patch, 0};
    uint8_t sum[OL_SHA256_SIZE];
    if (ol__sha256_new(&p.hash, NULL) != OL_OK)
        return;
    if (collect_program(argv, directory, PROGRAM_MS, &k->is_late, take_patch, &p)) {
        ol__sha256_finish(p.hash, sum);
        ol__hex(sum, sizeof sum, k->patch_sha256);
        k->patch_size = p.size;
    }
    ol__sha256_free(p.hash);
}

static void *ask_programs(void *arg)
{
    struct collect_run *k = arg;
    static const char *const status[] = {
        "git",          "--no-optional-locks",      "-c",       "core.fsmonitor=false",
        "status",       "--porcelain=v2",           "--branch", "-z",
        "--no-renames", "--untracked-files=normal", NULL};
    static const char *const gpus[] = {
        "nvidia-smi", "--query-gpu=pci.bus_id,name,uuid,driver_version,memory.total",
        "--format=csv,noheader,nounits", NULL};
    if ((k->what & COLLECT_PATCH) != 0) {
        if (collect_program(status, NULL, PROGRAM_MS, &k->is_late, take_text, &k->status))
            ask_patch(k, NULL);
        else
            ol__buf_reset(&k->status);
    }
    if ((k->what & COLLECT_GPU) != 0 &&
        !collect_program(gpus, NULL, PROGRAM_MS, &k->is_late, take_text, &k->gpus))
        ol__buf_reset(&k->gpus);
    return NULL;
}

void collect_run_programs(struct collect_run *k)
{
    if ((k->what & (COLLECT_PATCH | COLLECT_GPU)) == 0)
        return;
    ol__buf_init(&k->status, STATUS_MAX);
    ol__buf_init(&k->patch, RECEIPT_KEEP_LIMIT);
    ol__buf_init(&k->gpus, STATUS_MAX);
    ol__sha256_read_no_config();
    k->has_thread = pthread_create(&k->thread, NULL, ask_programs, k) == 0;
}

static void keep_patch(struct collect_run *k, const char *runs, struct run_keep *keep)
{
    struct receipt_kept kept = {
        .path = "code.patch", .at = "start", .media_type = "text/x-diff", .size = -1};
    char path[RECEIPT_OBJECT_PATH];
    if (runs == NULL || k->patch.status != OL_OK || k->patch.size == 0 ||
        receipt_object_keep(runs, (struct ol__span){k->patch.data, k->patch.size}, &kept, NULL) !=
            OL_OK ||
        run_keep_note(keep, &kept) != OL_OK)
        return;
    receipt_object_path(kept.sha256, path);
    k->c.code.patch_object = ol__collect_keep(&k->c, ol__span_text(path));
}

void collect_run_end(struct collect_run *k, struct ol_run *run,
                     struct ol__span parts[RECEIPT_PARTS], const char *runs, struct run_keep *keep)
{
    if (k->has_thread) {
        atomic_store(&k->is_late, true);
        pthread_join(k->thread, NULL);
        k->has_thread = false;
    }
    if (k->status.size > 0) { /* it always says the branch */
        k->c.code.vcs = OL_CODE_VCS_GIT;
        collect_git_status(&k->c, (struct ol__span){k->status.data, k->status.size});
        k->c.found |= OL_COLLECT_CODE;
    }
    if (k->patch_size > 0) {
        k->c.code.patch_sha256 = k->patch_sha256;
        keep_patch(k, runs, keep);
        k->c.code.patch_size = (struct ol_int){.is_set = true, .value = k->patch_size};
    }
    if (k->gpus.size > 0)
        collect_gpu_list(&k->c, (struct ol__span){k->gpus.data, k->gpus.size});
    show(k, OL_COLLECT_CODE | OL_COLLECT_MACHINE, run, parts);
}

void collect_run_release(struct collect_run *k)
{
    for (size_t i = 0; i < RECEIPT_PARTS; i++)
        ol__buf_release(&k->parts[i]);
    ol__buf_release(&k->status);
    ol__buf_release(&k->patch);
    ol__buf_release(&k->gpus);
    ol__collected_release(&k->c);
}
