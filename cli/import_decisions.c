/* SPDX-License-Identifier: Apache-2.0 */
/* lineage import runs/: decisions, back into events (spec/RECEIPT.md, R17).
 * Promises:
 *  1. The chain is checked first: where it is not what it was, nothing of it is imported but with
 *     --force, and then what was changed is said.
 *  2. Ids, times, datasets and facets are those that stand in the record; the facet names the
 * record and its hash, as the event did that was emitted then. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "facet_copy.h"
#include "import.h"
#include "receipt/decision.h"

#define SPEC "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
#define PRODUCER "https://github.com/lineaged/lineaged/tree/v%.30s/cli"

struct writing {
    struct ol__json_writer w;
    char producer[96];
    const char *path, *sha256; /* of the record */
};

static void write_record(struct writing *x)
{
    ol__json_member_text(&x->w, "record", x->path);
    ol__json_member_text(&x->w, "record_sha256", x->sha256);
}

/* Promise 2. */
static void write_facet(struct writing *x, const struct json_node *facet)
{
    const struct json_node *approvals = json_get(facet, "approvals");
    facet_begin(&x->w, OL_ENTITY_RUN, facet->key, x->producer);
    if (approvals != NULL && strcmp(facet->key, "lineaged_approval") == 0) {
        ol__json_key(&x->w, "approvals");
        ol__json_begin_array(&x->w);
        for (const struct json_node *a = approvals->first; a != NULL; a = a->next) {
            ol__json_begin_object(&x->w);
            json_copy_members(&x->w, a);
            write_record(x);
            ol__json_end_object(&x->w);
        }
        ol__json_end_array(&x->w);
    } else {
        json_copy_members(&x->w, facet);
        if (strcmp(facet->key, "lineaged_deployment") == 0)
            write_record(x);
    }
    ol__json_end_object(&x->w);
}

static void write_tags(struct writing *x, const struct json_node *ids)
{
    if (ids == NULL || ids->first == NULL)
        return;
    facet_begin(&x->w, OL_ENTITY_RUN, "tags", x->producer);
    ol__json_key(&x->w, "tags");
    ol__json_begin_array(&x->w);
    for (const struct json_node *id = ids->first; id != NULL; id = id->next) {
        if (id->text == NULL)
            continue;
        ol__json_begin_object(&x->w);
        ol__json_member_text(&x->w, "key", id->key);
        ol__json_member_text(&x->w, "value", id->text);
        ol__json_member_text(&x->w, "source", "lineaged");
        ol__json_end_object(&x->w);
    }
    ol__json_end_array(&x->w);
    ol__json_end_object(&x->w);
}

static void write_side(struct writing *x, const struct json_node *record, const char *side)
{
    ol__json_key(&x->w, side);
    ol__json_begin_array(&x->w);
    for (const struct json_node *d = json_get_items(record, side); d != NULL; d = d->next) {
        const char *version = json_get_text(d, "version"), *type = json_get_text(d, "type");
        ol__json_begin_object(&x->w);
        ol__json_member_text(&x->w, "namespace", json_get_text(d, "namespace"));
        ol__json_member_text(&x->w, "name", json_get_text(d, "name"));
        ol__json_key(&x->w, "facets");
        ol__json_begin_object(&x->w);
        if (version != NULL) {
            facet_begin(&x->w, OL_ENTITY_DATASET, "version", x->producer);
            ol__json_member_text(&x->w, "datasetVersion", version);
            ol__json_end_object(&x->w);
        }
        if (type != NULL) {
            facet_begin(&x->w, OL_ENTITY_DATASET, "datasetType", x->producer);
            ol__json_member_text(&x->w, "datasetType", type);
            ol__json_end_object(&x->w);
        }
        ol__json_end_object(&x->w);
        ol__json_end_object(&x->w);
    }
    ol__json_end_array(&x->w);
}

static void write_run_and_job(struct writing *x, const struct json_node *record,
                              const char *version)
{
    const struct json_node *self = json_get(record, "openlineage");
    const char *kind = json_get_text(record, "kind");
    ol__json_key(&x->w, "run");
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "runId", json_get_text(self, "run_id"));
    ol__json_key(&x->w, "facets");
    ol__json_begin_object(&x->w);
    facet_begin(&x->w, OL_ENTITY_RUN, "processing_engine", x->producer);
    ol__json_member_text(&x->w, "version", version);
    ol__json_member_text(&x->w, "name", "lineage");
    ol__json_member_text(&x->w, "openlineageAdapterVersion", version);
    ol__json_end_object(&x->w);
    for (const struct json_node *f = json_get_items(record, "facets"); f != NULL; f = f->next)
        if (f->type == OL_JSON_OBJECT)
            write_facet(x, f);
    write_tags(x, json_get(json_get(record, "facets"), "lineaged_run"));
    ol__json_end_object(&x->w);
    ol__json_end_object(&x->w);
    ol__json_key(&x->w, "job");
    ol__json_begin_object(&x->w);
    ol__json_member_text(&x->w, "namespace", json_get_text(self, "job_namespace"));
    ol__json_member_text(&x->w, "name", json_get_text(self, "job_name"));
    ol__json_key(&x->w, "facets");
    ol__json_begin_object(&x->w);
    facet_begin(&x->w, OL_ENTITY_JOB, "jobType", x->producer);
    ol__json_member_text(&x->w, "processingType", "BATCH");
    ol__json_member_text(&x->w, "integration", "LINEAGE");
    ol__json_member_text(&x->w, "jobType",
                         strcmp(kind, "approval") == 0 ? "APPROVAL" : "DEPLOYMENT");
    ol__json_end_object(&x->w);
    ol__json_end_object(&x->w);
    ol__json_end_object(&x->w);
}

static bool is_decision(const struct json_node *record)
{
    const struct json_node *self = json_get(record, "openlineage");
    return json_get_text(record, "kind") != NULL && json_get_text(record, "at") != NULL &&
           json_get_text(self, "run_id") != NULL && json_get_text(self, "job_namespace") != NULL &&
           json_get_text(self, "job_name") != NULL;
}

static ol_status import_one(struct import *im, const char *path, const char *sha256,
                            const struct json_node *record, struct ol_error *err)
{
    struct writing x = {.path = path, .sha256 = sha256};
    struct ol__buf line;
    const char *writer = json_get_text(record, "writer");
    const char *slash = writer != NULL ? strchr(writer, '/') : NULL;
    const char *version = slash != NULL ? slash + 1 : OL_VERSION;
    snprintf(x.producer, sizeof x.producer, PRODUCER, version);
    ol__buf_init(&line, RECEIPT_FILE_MAX);
    ol__json_writer_init(&x.w, &line);
    ol__json_begin_object(&x.w);
    ol__json_member_text(&x.w, "eventType", "COMPLETE");
    ol__json_member_text(&x.w, "eventTime", json_get_text(record, "at"));
    ol__json_member_text(&x.w, "producer", x.producer);
    ol__json_member_text(&x.w, "schemaURL", SPEC);
    write_run_and_job(&x, record, version);
    write_side(&x, record, "inputs");
    write_side(&x, record, "outputs");
    ol__json_end_object(&x.w);
    ol_status st =
        line.status == OL_OK
            ? import_event(im, (struct ol__span){line.data, line.size}, im->result.events + 1, err)
            : ol__error_set(err, line.status, "'%s': %s", path, ol_status_name(line.status));
    ol__buf_release(&line);
    return st;
}

static void tell(void *arg, const char *path, const char *problem)
{
    import_say(arg, "'%s': %s", path, problem);
}

static ol_status import_number(struct import *im, int dirfd, int64_t number, bool *ret_is_there,
                               struct ol_error *err)
{
    char path[RECEIPT_DECISION_PATH], sha256[OL_SHA256_TEXT + 1];
    struct json_doc doc;
    struct ol__buf text;
    snprintf(path, sizeof path, RECEIPT_DECISIONS "/%06d.json", (int)number);
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    ol_status st = receipt_get(dirfd, path, &text, sha256, err);
    *ret_is_there = st != OL_NOT_FOUND;
    if (st == OL_OK &&
        json_doc_read(&doc, (struct ol__span){text.data, text.size}, NULL) == OL_OK) {
        if (is_decision(doc.root))
            st = import_one(im, path, sha256, doc.root, err);
        else
            import_say(im, "'%s': expected /kind, /at and /openlineage", path);
        json_doc_release(&doc);
    }
    ol__buf_release(&text);
    return st == OL_NOT_FOUND ? OL_OK : st;
}

ol_status import_decisions(struct import *im, const char *runs, struct ol_error *err)
{
    struct receipt_decision_figures figures;
    ol_status st = receipt_decision_check(runs, tell, im, &figures, err); /* promise 1 */
    if (st != OL_OK || figures.head[0] == '\0')
        return st;
    if (figures.problems > 0 && !im->is_forced) {
        cli_say("the decisions in '%s' are not what they were: not imported (--force imports them)",
                runs);
        return OL_OK;
    }
    int fd = open(runs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ol__error_set(err, OL_IO, "'%s': cannot be opened", runs);
    int64_t left = figures.count;
    for (int64_t number = 1; number <= RECEIPT_DECISION_MAX && left > 0 && st == OL_OK; number++) {
        bool is_there = false;
        st = import_number(im, fd, number, &is_there, err);
        left -= is_there;
    }
    close(fd);
    return st;
}
