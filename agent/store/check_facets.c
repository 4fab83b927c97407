/* SPDX-License-Identifier: Apache-2.0 */
/* Facets against what spec/facts knows of them: a member that must be there and is not, a value of
 * another type. The fields of a dataset: what this run wrote, beside what stood there before. And
 * checks of data that failed, while they say something of what stands now.
 */
#include "check.h"
#include "ask_assertions.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "facet_info.h"
#include "json_doc.h"

#define POINTER_MAX 300
#define CHANGES_MAX 400
#define READERS_MAX 200 /* jobs that read one dataset */

/* ---- Against their schemas ---- */

struct judge {
    char pointer[POINTER_MAX]; /* where it is wrong */
    const char *what;          /* NULL: all is right */
};

static bool fits(uint16_t node, const struct json_node *value)
{
    const char *text = value->text != NULL ? value->text : "";
    return value->type == OL_JSON_NULL ||
           ol__facet_type_fits(node, value->type, ol__span_text(text));
}

/* The depth is that of the document, which its reader bounds. */
static void judge(struct judge *j, uint16_t at,
                  const struct json_node *value, // NOLINT(misc-no-recursion)
                  size_t used)
{
    const struct ol__facet_node *node = ol__facet_node(at);
    if (at == 0 || j->what != NULL || value->type == OL_JSON_NULL)
        return;
    if (!fits(at, value)) {
        j->what = "has another type than its schema says";
        return;
    }
    size_t index = 0;
    for (const struct json_node *m = value->first; m != NULL && j->what == NULL;
         m = m->next, index++) {
        struct ol__json_step step = {.is_index = m->key == NULL, .index = index};
        bool is_recursion = false;
        int more;
        if (m->key != NULL) {
            step.key = ol__span_text(m->key);
            more = snprintf(j->pointer + used, sizeof j->pointer - used, "/%s", m->key);
        } else
            more = snprintf(j->pointer + used, sizeof j->pointer - used, "/%zu", step.index);
        if (more < 0 || used + (size_t)more >= sizeof j->pointer)
            break;
        judge(j, ol__facet_step(at, &step, &is_recursion), m, used + (size_t)more);
        if (j->what == NULL)
            j->pointer[used] = '\0';
    }
    for (uint16_t e = 0; node->type == OL_NODE_OBJECT && e < node->edge_count && j->what == NULL;
         e++) {
        const struct ol__facet_edge *edge = &ol__facet_edges[node->first_edge + e];
        if (!edge->is_required || json_get(value, edge->key) != NULL)
            continue;
        snprintf(j->pointer + used, sizeof j->pointer - used, "/%s", edge->key);
        j->what = "is missing";
    }
}

static bool entity_of(uint8_t kind, enum ol__entity *ret)
{
    static const struct {
        uint8_t kind;
        enum ol__entity entity;
    } entities[] = {{STATE_RUN_FACET, OL_ENTITY_RUN},
                    {STATE_JOB_FACET, OL_ENTITY_JOB},
                    {STATE_INPUT_DATASET_FACET, OL_ENTITY_DATASET},
                    {STATE_OUTPUT_DATASET_FACET, OL_ENTITY_DATASET},
                    {STATE_INPUT_FACET, OL_ENTITY_INPUT},
                    {STATE_OUTPUT_FACET, OL_ENTITY_OUTPUT}};
    for (size_t i = 0; i < OL_COUNT(entities); i++)
        if (entities[i].kind == kind) {
            *ret = entities[i].entity;
            return true;
        }
    return false;
}

static ol_status check_one(struct check *c, const struct ask_run *run, const struct state_entry *e)
{
    char key[128];
    struct json_doc doc;
    struct judge j = {.pointer = ""};
    enum ol__entity entity;
    if (e->value == 0 || !entity_of(e->kind, &entity) ||
        c->right[(size_t)e->value & (CHECK_FACETS - 1)] == e->value)
        return OL_OK;
    ol_status status = ask_text(c->ask, e->key, key, sizeof key);
    if (status != OL_OK)
        return status;
    const struct ol__facet_info *info = ol__facet_info(ol__facet_find(entity, ol__span_text(key)));
    if (info == NULL)
        return OL_OK; /* nobody knows its schema */
    status = ask_facet_doc(c->ask, e->value, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    judge(&j, info->node, doc.root, 0);
    json_doc_release(&doc);
    if (j.what == NULL) {
        c->right[(size_t)e->value & (CHECK_FACETS - 1)] = e->value;
        return OL_OK;
    }
    status = check_begin(c, "facet_invalid", false, run);
    if (status == OL_OK && e->object != 0)
        status = check_dataset(c, e->object, 0);
    check_end(c, e->at, "facet %s: %s %s", key, j.pointer[0] != '\0' ? j.pointer : "it", j.what);
    return status;
}

/* ---- Fields that changed ---- */

struct changes {
    char text[CHANGES_MAX];
    size_t used;
    bool is_cut;
};

static void add_change(struct changes *ch, const char *format, ...) OL_PRINTF(2, 3);
static void add_change(struct changes *ch, const char *format, ...)
{
    char one[200];
    va_list args;
    va_start(args, format);
    vsnprintf(one, sizeof one, format, args);
    va_end(args);
    size_t size = strlen(one) + (ch->used > 0 ? 2 : 0);
    if (ch->used + size >= sizeof ch->text - 8) {
        ch->is_cut = true;
        return;
    }
    ch->used += (size_t)snprintf(ch->text + ch->used, sizeof ch->text - ch->used, "%s%s",
                                 ch->used > 0 ? "; " : "", one);
}

static const struct json_node *find_field(const struct json_node *schema, const char *name)
{
    for (const struct json_node *f = json_get_items(schema, "fields"); f != NULL; f = f->next) {
        const char *other = json_get_text(f, "name");
        if (other != NULL && strcmp(other, name) == 0)
            return f;
    }
    return NULL;
}

static void compare_fields(const struct json_node *before, const struct json_node *after,
                           struct changes *ch)
{
    for (const struct json_node *f = json_get_items(before, "fields"); f != NULL; f = f->next) {
        const char *name = json_get_text(f, "name"), *type = json_get_text(f, "type");
        const struct json_node *now = name != NULL ? find_field(after, name) : NULL;
        const char *new_type = json_get_text(now, "type");
        if (name != NULL && now == NULL)
            add_change(ch, "%.60s is gone", name);
        else if (name != NULL && type != NULL && new_type != NULL && strcmp(type, new_type) != 0)
            add_change(ch, "%.60s was %.40s and is %.40s", name, type, new_type);
    }
    for (const struct json_node *f = json_get_items(after, "fields"); f != NULL; f = f->next) {
        const char *name = json_get_text(f, "name");
        if (name != NULL && find_field(before, name) == NULL)
            add_change(ch, "%.60s is new", name);
    }
}

/* The facet `schema` that another run told of the dataset it wrote; 0: none. */
static ol_status schema_of(struct check *c, int64_t run_id, int64_t dataset, int64_t *ret)
{
    struct ask_run run;
    *ret = 0;
    ol_status status = ask_run(c->ask, run_id, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    struct state_entry like = {
        .kind = STATE_OUTPUT_DATASET_FACET, .object = dataset, .key = c->key_schema};
    const struct state_entry *e = state_find(&c->ask->state, &like);
    if (e != NULL)
        *ret = e->value;
    return OL_OK;
}

static ol_status check_fields(struct check *c, const struct ask_run *run,
                              const struct state_entry *e, int64_t version)
{
    struct ask_edge before;
    struct json_doc old, new;
    struct changes ch = {.used = 0};
    int64_t facet = 0;
    ol_status status = ask_writer(c->ask, e->object, 0, run->row.born - 1, run->row.id, &before);
    if (status == OL_OK && before.run != 0)
        status = schema_of(c, before.run, e->object, &facet);
    if (status != OL_OK || facet == 0 || facet == e->value) /* kept once by content */
        return status;
    status = ask_facet_doc(c->ask, facet, &old);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    status = ask_facet_doc(c->ask, e->value, &new);
    if (status == OL_OK) {
        compare_fields(old.root, new.root, &ch);
        json_doc_release(&new);
    }
    json_doc_release(&old);
    if (status != OL_OK || ch.used == 0)
        return status == OL_NOT_FOUND ? OL_OK : status;
    status = check_begin(c, "schema_drift", false, run);
    if (status == OL_OK)
        status = check_dataset(c, e->object, version);
    check_end(c, e->at, "%s%s", ch.text, ch.is_cut ? "; ..." : "");
    return status;
}

/* ---- Checks that failed ---- */

/* Whether the job did not look at the dataset again, and nobody wrote it anew since. */
static ol_status still_stands(struct check *c, const struct ask_run *run, int64_t dataset,
                              int64_t version, bool *ret)
{
    struct ask_edge newest;
    size_t count = 0;
    int64_t next = INT64_MAX;
    struct ask_window window = {.dataset = dataset,
                                .side = 0,
                                .version = ASK_ANY_VERSION,
                                .since = INT64_MIN,
                                .until = INT64_MAX};
    *ret = false;
    ol_status status = assertions_newest(c->ask, &window, run->row.job, &newest, 1, &count);
    if (status != OL_OK || (count > 0 && newest.run != run->row.id))
        return status;
    if (version == 0)
        status = ask_next_write(c->ask, dataset, OL_MAX(run->row.last, run->row.ended), &next);
    *ret = next == INT64_MAX;
    return status;
}

static ol_status check_assertions(struct check *c, const struct ask_run *run,
                                  const struct state_entry *e, int64_t version)
{
    struct json_doc doc;
    struct changes failed = {.used = 0};
    bool is_error = false, stands = false;
    ol_status status = ask_facet_doc(c->ask, e->value, &doc);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    for (const struct json_node *a = json_get_items(doc.root, "assertions"); a != NULL;
         a = a->next) {
        const char *name = json_get_text(a, "name"), *severity = json_get_text(a, "severity");
        const char *what = json_get_text(a, "assertion"), *column = json_get_text(a, "column");
        const struct json_node *success = json_get(a, "success");
        if (success == NULL || success->type != OL_JSON_BOOL || success->boolean)
            continue;
        is_error = is_error || severity == NULL || strcmp(severity, "warn") != 0;
        add_change(&failed, "%.100s%s%.60s failed",
                   name != NULL   ? name
                   : what != NULL ? what
                                  : "a check",
                   column != NULL ? " of " : "", column != NULL ? column : "");
    }
    json_doc_release(&doc);
    if (failed.used > 0)
        status = still_stands(c, run, e->object, version, &stands);
    if (status != OL_OK || !stands)
        return status;
    status = check_begin(c, "failed_assertion", is_error, run);
    if (status == OL_OK)
        status = check_dataset(c, e->object, version);
    check_end(c, e->at, "%s%s", failed.text, failed.is_cut ? "; ..." : "");
    return status;
}

/* Clients put one facet in two places. */
static bool is_first(const struct state *state, size_t at)
{
    const struct state_entry *e = &state->entries[at];
    for (size_t i = 0; i < at; i++)
        if (state->entries[i].object == e->object && state->entries[i].key == e->key &&
            state->entries[i].value == e->value && assertions_has_place(&state->entries[i]))
            return false;
    return true;
}

static int64_t version_in(const struct state *state, enum state_kind kind, int64_t dataset)
{
    int64_t version = 0;
    for (size_t k = 0; k < state->count; k++)
        if (state->entries[k].kind == kind && state->entries[k].object == dataset)
            version = state->entries[k].key;
    return version;
}

struct readers {
    int64_t jobs[READERS_MAX];
    size_t count;
};

static ol_status keep_reader(void *arg, const struct ask_edge *edge)
{
    struct readers *r = arg;
    if (edge->run == 0)
        return OL_OK;
    r->jobs[r->count++] = edge->job;
    return r->count == READERS_MAX ? OL_END : OL_OK;
}

static ol_status check_reader(struct check *c, int64_t id, int64_t dataset)
{
    struct ask_run run;
    ol_status status = ask_run(c->ask, id, true, &run);
    if (status != OL_OK)
        return status == OL_NOT_FOUND ? OL_OK : status;
    struct state state = c->ask->state; /* taken: what follows uses the scratch */
    c->ask->state = (struct state){0};
    for (size_t i = 0; i < state.count && status == OL_OK; i++) {
        const struct state_entry *e = &state.entries[i];
        if (e->object == dataset && e->key == c->key_assertions && assertions_has_place(e) &&
            is_first(&state, i))
            status = check_assertions(c, &run, e, version_in(&state, STATE_INPUT, dataset));
    }
    state_release(&state);
    return status;
}

ol_status check_readers(struct check *c, int64_t dataset, int64_t version)
{
    struct readers readers = {.count = 0};
    struct ask_window window = {.dataset = dataset,
                                .side = 0,
                                .version = version != 0 ? version : ASK_ANY_VERSION,
                                .since = INT64_MIN,
                                .until = INT64_MAX};
    if (c->key_assertions == 0)
        return OL_OK;
    ol_status status = ask_edges(c->ask, &window, keep_reader, &readers);
    for (size_t i = 0; i < readers.count && status == OL_OK; i++) {
        struct ask_edge newest;
        size_t count = 0;
        status = assertions_newest(c->ask, &window, readers.jobs[i], &newest, 1, &count);
        if (status == OL_OK && count > 0 && newest.run != 0)
            status = check_reader(c, newest.run, dataset);
    }
    return status;
}

ol_status check_facets(struct check *c, const struct ask_run *run, const struct state *state)
{
    ol_status status = OL_OK;
    for (size_t i = 0; i < state->count && status == OL_OK; i++) {
        const struct state_entry *e = &state->entries[i];
        status = check_one(c, run, e);
        if (status != OL_OK || e->value == 0 || e->key == 0)
            continue;
        if (e->key == c->key_assertions && assertions_has_place(e) && is_first(state, i))
            status = check_assertions(c, run, e, version_in(state, STATE_INPUT, e->object));
        if (status == OL_OK && e->kind == STATE_OUTPUT_DATASET_FACET && e->key == c->key_schema)
            status = check_fields(c, run, e, version_in(state, STATE_OUTPUT, e->object));
    }
    return status;
}
