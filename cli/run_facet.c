/* SPDX-License-Identifier: Apache-2.0 */
#include "run_facet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include "facet_info.h"
#include "files.h"
#include "run.h"

const char *run_facets_add(struct run_facets *facets, const char *text)
{
    static const char expected[] =
        "expected [run:|job:|dataset:NAME:]KEY=@FILE, where FILE holds one JSON object";
    const char *equals = text;
    /* the one in front of '@' or '{': names of datasets may have others */
    do {
        equals = strchr(equals + (equals == text ? 0 : 1), '=');
    } while (equals != NULL && equals[1] != '@' && equals[1] != '{');
    if (equals == NULL || equals == text)
        return expected;
    if (facets->count == RUN_FACETS_MAX)
        return "more than 100";
    struct run_facet *items = realloc(facets->items, (facets->count + 1) * sizeof *items);
    if (items == NULL)
        return "out of memory";
    facets->items = items;
    struct run_facet *f = &items[facets->count];
    *f = (struct run_facet){.text = strdup(text)};
    if (f->text == NULL)
        return "out of memory";
    facets->count++;
    f->text[equals - text] = '\0';
    f->source = f->text + (equals - text) + 1;
    f->key = f->text;
    if (strncmp(f->text, "run:", 4) == 0) {
        f->place = RUN_FACET_RUN;
        f->key = f->text + 4;
    } else if (strncmp(f->text, "job:", 4) == 0) {
        f->place = RUN_FACET_JOB;
        f->key = f->text + 4;
    } else if (strncmp(f->text, "dataset:", 8) == 0) {
        char *colon = strrchr(f->text, ':');
        if (colon <= f->text + 8)
            return expected;
        *colon = '\0';
        f->place = RUN_FACET_DATASET;
        f->dataset = f->text + 8;
        f->key = colon + 1;
    }
    return f->key[0] != '\0' && f->source[1] != '\0' ? NULL : expected;
}

static bool is_known(enum ol__entity entity, const char *key)
{
    return ol__facet_find(entity, ol__span_text(key)) != OL_FACET_UNKNOWN;
}

/* On each dataset of that name, on whichever side. @return OL_NOT_FOUND: there is none. */
static ol_status set_dataset(const struct run_facet *f, const struct run_files *files,
                             struct ol__span json)
{
    ol_status status = OL_NOT_FOUND;
    for (size_t i = 0; i < files->count; i++) {
        struct ol_dataset *dataset = files->items[i].dataset;
        if (dataset == NULL || strcmp(files->items[i].text, f->dataset) != 0)
            continue;
        bool is_of_side = is_known(dataset->place.side, f->key);
        status = is_of_side
                     ? ol_dataset_set_side_facet_json(dataset, f->key, NULL, json.data, json.size)
                     : ol_dataset_set_facet_json(dataset, f->key, NULL, json.data, json.size);
        if (status < 0)
            return status;
    }
    return status;
}

static ol_status set(const struct run_facet *f, const struct run_files *files, struct ol_run *run,
                     struct ol__span json)
{
    enum run_facet_place place = f->place;
    if (place == RUN_FACET_ANYWHERE)
        place = is_known(OL_ENTITY_JOB, f->key) && !is_known(OL_ENTITY_RUN, f->key) ? RUN_FACET_JOB
                                                                                    : RUN_FACET_RUN;
    if (place == RUN_FACET_DATASET)
        return set_dataset(f, files, json);
    return place == RUN_FACET_JOB
               ? ol_job_set_facet_json(ol_run_job(run), f->key, NULL, json.data, json.size)
               : ol_run_set_facet_json(run, f->key, NULL, json.data, json.size);
}

static bool set_one(const struct run_facet *f, const struct run_files *files, struct ol_run *run,
                    bool is_quiet)
{
    struct ol__buf text;
    struct ol_error err = {.message = "out of memory"}, before = run->first_error;
    bool is_file = f->source[0] == '@';
    ol_status status = OL_OK;
    ol__buf_init(&text, RUN_FACET_FILE_MAX);
    if (is_file)
        status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, f->source + 1, &text, &err);
    else
        status = ol__buf_add_text(&text, f->source);
    if (status == OL_OK) {
        run->first_error = (struct ol_error){.status = OL_OK};
        status = set(f, files, run, (struct ol__span){.data = text.data, .size = text.size});
        err = run->first_error;
        run->first_error = before; /* it is said here, once */
        if (status == OL_NOT_FOUND)
            ol__error_set(&err, status, "no -i or -o is called '%s'", f->dataset);
    }
    ol__buf_release(&text);
    if (status < 0 && !is_quiet)
        cli_say("--facet %s: %s%s%s", f->key, is_file ? f->source + 1 : "", is_file ? ": " : "",
                err.message);
    return status >= 0;
}

bool run_facets_set(const struct run_facets *facets, const struct run_files *files,
                    struct ol_run *run, bool is_quiet)
{
    bool is_all = true;
    for (size_t i = 0; i < facets->count && run != NULL; i++)
        is_all = set_one(&facets->items[i], files, run, is_quiet) && is_all;
    return is_all;
}

void run_facets_release(struct run_facets *facets)
{
    for (size_t i = 0; i < facets->count; i++)
        free(facets->items[i].text);
    free(facets->items);
    *facets = (struct run_facets){.items = NULL};
}
