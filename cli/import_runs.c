/* SPDX-License-Identifier: Apache-2.0 */
/* lineage import runs/: receipts, back into events.
 * Promises:
 *  1. A run's folder is checked first (receipt/check.c): one that is not what was sealed is named,
 *     and imported only with --force, marked by a tag.
 *  2. Every attempt comes back: with a receipt as it ended, with a claim alone as one that began.
 *     Ids are those that stand in the files.
 *  3. Lists of members that the folder keeps are handed to the agent as well. */
#include "import.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "import_receipt.h"
#include "members_door.h"
#include "receipt/attempt.h"
#include "receipt/check.h"
#include "receipt/folder.h"

#define NAMES_MAX 1000000
#define SEAL_MAX ((size_t)256 << 20)

struct names {
    char **items; /* owned */
    size_t count, cap;
};

static void names_release(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->items[i]);
    free(n->items);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a folder that do not begin with a dot, sorted. None where it is not there. */
static ol_status list(int dirfd, const char *path, struct names *ret, struct ol_error *err)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    *ret = (struct names){.items = NULL};
    if (fd < 0)
        return errno == ENOENT ? OL_OK : ol__error_set_errno(err, errno, "'%s'", path);
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return ol__error_set(err, OL_NOMEM, "'%s': out of memory", path);
    }
    ol_status st = OL_OK;
    for (const struct dirent *e; st == OL_OK && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        if (ret->count == ret->cap && ret->cap < NAMES_MAX) {
            size_t cap = ret->cap == 0 ? 64 : ret->cap * 2;
            char **items = realloc(ret->items, cap * sizeof *items);
            ret->items = items != NULL ? items : ret->items;
            ret->cap = items != NULL ? cap : ret->cap;
        }
        char *name = ret->count < ret->cap ? strdup(e->d_name) : NULL;
        if (name == NULL)
            st = ol__error_set(err, OL_TOO_LARGE, "'%s': more than %d entries, or out of memory",
                               path, NAMES_MAX);
        else
            ret->items[ret->count++] = name;
    }
    closedir(dir);
    if (ret->count > 0)
        qsort(ret->items, ret->count, sizeof *ret->items, by_text);
    return st;
}

/* ---- One run ---- */

struct attempt {
    struct json_doc doc;   /* receipt.json, else claim.json */
    struct json_doc claim; /* beside a receipt; no root: there is none */
    bool has_receipt;
};
struct run {
    struct import *im;
    struct receipt_folder folder;
    bool is_unverified;
    struct json_doc manifest;
    bool has_manifest;
    char seal_sha256[OL_SHA256_TEXT + 1];
    struct json_doc seal;
    bool has_seal;
    struct json_doc *inputs; /* owned */
    size_t input_count;
    struct attempt *attempts; /* owned */
    size_t attempt_count, attempt_cap;
};

static void tell_problem(void *arg, const char *path, const char *problem, bool is_gone)
{
    struct run *r = arg;
    if (is_gone)
        return;
    r->is_unverified = true;
    import_say(r->im, "run '%s': '%s': %s", r->folder.run_id, path, problem);
}

static ol_status read_attempt(struct run *r, const char *step, const char *attempt,
                              struct ol_error *err)
{
    char path[RECEIPT_PATH_SIZE];
    struct attempt a = {.has_receipt = true};
    struct ol_error why = {.message = ""};
    if (r->attempt_count == r->attempt_cap) {
        size_t cap = r->attempt_cap == 0 ? 16 : r->attempt_cap * 2;
        struct attempt *items = realloc(r->attempts, cap * sizeof *items);
        if (items == NULL)
            return ol__error_set(err, OL_NOMEM, "import: out of memory");
        r->attempts = items;
        r->attempt_cap = cap;
    }
    snprintf(path, sizeof path, "steps/%.160s/%.40s/receipt.json", step, attempt);
    ol_status st = receipt_get_doc(r->folder.fd, path, RECEIPT_FILE_MAX, &a.doc, &why);
    if (st == OL_NOT_FOUND) {
        a.has_receipt = false;
        snprintf(path, sizeof path, "steps/%.160s/%.40s/claim.json", step, attempt);
        st = receipt_get_doc(r->folder.fd, path, RECEIPT_FILE_MAX, &a.doc, &why);
    }
    snprintf(path, sizeof path, "steps/%.160s/%.40s/claim.json", step, attempt);
    if (st == OL_OK && a.has_receipt &&
        receipt_get_doc(r->folder.fd, path, RECEIPT_FILE_MAX, &a.claim, &why) != OL_OK)
        a.claim = (struct json_doc){.root = NULL}; /* the receipt says nearly as much */
    if (st == OL_OK && json_get_text(json_get(a.doc.root, "openlineage"), "run_id") != NULL &&
        json_get_text(json_get(a.doc.root, "openlineage"), "job_name") != NULL &&
        json_get_text(a.doc.root, "started_at") != NULL) {
        r->attempts[r->attempt_count++] = a;
        return OL_OK;
    }
    if (st == OL_OK) {
        json_doc_release(&a.doc);
        json_doc_release(&a.claim);
        import_say(r->im,
                   "run '%s': '%s': expected /openlineage/run_id, /openlineage/job_name and "
                   "/started_at",
                   r->folder.run_id, path);
    } else if (st != OL_NOT_FOUND) { /* a folder that was made and no more says nothing */
        import_say(r->im, "run '%s': '%s': %s", r->folder.run_id, path, why.message);
    }
    return st == OL_NOMEM ? st : OL_OK;
}

static ol_status read_steps(struct run *r, struct ol_error *err)
{
    struct names steps;
    ol_status st = list(r->folder.fd, "steps", &steps, err);
    for (size_t i = 0; st == OL_OK && i < steps.count; i++) {
        struct names attempts;
        char path[RECEIPT_PATH_SIZE];
        snprintf(path, sizeof path, "steps/%.200s", steps.items[i]);
        st = list(r->folder.fd, path, &attempts, err);
        for (size_t k = 0; st == OL_OK && k < attempts.count; k++)
            if (receipt_attempt_number(attempts.items[k]) > 0)
                st = read_attempt(r, steps.items[i], attempts.items[k], err);
        names_release(&attempts);
    }
    names_release(&steps);
    return st;
}

static ol_status read_inputs(struct run *r, struct ol_error *err)
{
    struct names files;
    ol_status st = list(r->folder.fd, "inputs", &files, err);
    r->inputs = calloc(files.count + 1, sizeof *r->inputs);
    if (r->inputs == NULL)
        st = ol__error_set(err, OL_NOMEM, "import: out of memory");
    for (size_t i = 0; st == OL_OK && i < files.count; i++) {
        char path[RECEIPT_PATH_SIZE];
        struct ol_error why = {.message = ""};
        snprintf(path, sizeof path, "inputs/%.200s", files.items[i]);
        if (receipt_get_doc(r->folder.fd, path, RECEIPT_FILE_MAX, &r->inputs[r->input_count],
                            &why) == OL_OK)
            r->input_count++;
        else
            import_say(r->im, "run '%s': '%s': %s", r->folder.run_id, path, why.message);
    }
    names_release(&files);
    return st;
}

static ol_status read_run(struct run *r, struct ol_error *err)
{
    struct ol_error why = {.message = ""};
    struct ol__buf seal;
    ol__buf_init(&seal, SEAL_MAX);
    r->has_manifest = receipt_get_doc(r->folder.fd, "manifest.json", RECEIPT_FILE_MAX, &r->manifest,
                                      &why) == OL_OK;
    if (!r->has_manifest ||
        json_get_text(json_get(r->manifest.root, "openlineage"), "run_id") == NULL ||
        json_get_text(json_get(r->manifest.root, "openlineage"), "job_name") == NULL ||
        json_get_text(r->manifest.root, "created_at") == NULL) {
        import_say(r->im, "run '%s': manifest.json: %s", r->folder.run_id,
                   r->has_manifest ? "expected /openlineage/run_id, /openlineage/job_name and "
                                     "/created_at"
                                   : why.message);
        return OL_INVALID;
    }
    if (receipt_get(r->folder.fd, "seal.json", &seal, r->seal_sha256, NULL) == OL_OK)
        r->has_seal =
            json_doc_read(&r->seal, (struct ol__span){seal.data, seal.size}, NULL) == OL_OK;
    if (!r->has_seal)
        r->seal_sha256[0] = '\0';
    ol__buf_release(&seal);
    ol_status st = read_inputs(r, err);
    return st == OL_OK ? read_steps(r, err) : st;
}

static void run_release(struct run *r)
{
    for (size_t i = 0; i < r->attempt_count; i++) {
        json_doc_release(&r->attempts[i].doc);
        json_doc_release(&r->attempts[i].claim);
    }
    for (size_t i = 0; i < r->input_count; i++)
        json_doc_release(&r->inputs[i]);
    free(r->attempts);
    free(r->inputs);
    if (r->has_manifest)
        json_doc_release(&r->manifest);
    if (r->has_seal)
        json_doc_release(&r->seal);
    receipt_folder_close(&r->folder);
}

/* ---- Its events ---- */

static ol_status emit(struct run *r, struct receipt_event *e, struct ol_error *err)
{
    struct ol__buf line;
    ol__buf_init(&line, RECEIPT_FILE_MAX);
    e->manifest = r->manifest.root;
    e->is_unverified = r->is_unverified;
    ol_status st = receipt_event_write(e, &line);
    st = st == OL_OK
             ? import_event(r->im, (struct ol__span){line.data, line.size},
                            r->im->result.events + 1, err)
             : ol__error_set(err, st, "run '%s': %s", r->folder.run_id, ol__status_name(st));
    ol__buf_release(&line);
    return st;
}

static bool is_end(const char *type)
{
    return strcmp(type, "COMPLETE") == 0 || strcmp(type, "FAIL") == 0 || strcmp(type, "ABORT") == 0;
}

/* `openlineage` of the run with @p id: of the run as a whole, or of one of its attempts. */
static const struct json_node *find_run(const struct run *r, const char *id)
{
    const struct json_node *found = json_get(r->manifest.root, "openlineage");
    if (id == NULL || strcmp(json_get_text(found, "run_id"), id) == 0)
        return id != NULL ? found : NULL;
    for (size_t i = 0; i < r->attempt_count; i++) {
        found = json_get(r->attempts[i].doc.root, "openlineage");
        if (strcmp(json_get_text(found, "run_id"), id) == 0)
            return found;
    }
    return NULL;
}

/* How its last event said that it ended. Receipts of before say it of those that no signal ended:
 * that is a FAIL to `lineage run`, unless it was told otherwise. */
static const char *type_of(const struct json_node *receipt)
{
    const char *status = json_get_text(receipt, "status");
    const char *told = json_get_text(json_get(receipt, "openlineage"), "event_type");
    if (told != NULL && is_end(told))
        return told;
    if (status == NULL || strcmp(status, "COMPLETE") == 0)
        return "COMPLETE";
    return strcmp(status, "ABORT") == 0 && json_get_text(receipt, "signal") == NULL ? "ABORT"
                                                                                    : "FAIL";
}

static void offer_members(const struct run *r, const struct json_node *artifact)
{
    const char *sha256 = json_get_text(json_get(artifact, "members"), "sha256");
    struct ol_error why = {.message = ""};
    if (sha256 == NULL || r->im->sink == NULL)
        return;
    ol_status st = members_offer_object(r->folder.runs, sha256, &why);
    if (st != OL_OK && st != OL_END && !r->im->is_quiet)
        cli_say("run '%s': members %.12s: %s", r->folder.run_id, sha256, why.message);
}

static ol_status emit_attempt(struct run *r, const struct attempt *a, struct ol_error *err)
{
    const struct json_node *root = a->doc.root;
    const struct json_node *claim = a->has_receipt ? a->claim.root : root;
    bool is_claim = json_get(claim, "facets") != NULL;
    struct receipt_event e = {
        .doc = is_claim ? claim : root,
        .is_claim = is_claim,
        .parent = find_run(r, json_get_text(json_get(root, "openlineage"), "parent_run_id")),
        .type = "START",
        .time = json_get_text(root, "started_at")};
    r->im->result.attempts++;
    ol_status st = emit(r, &e, err);
    if (st != OL_OK || !a->has_receipt)
        return st;
    e.doc = root;
    e.is_claim = false;
    e.type = type_of(root);
    e.time = json_get_text(root, "finished_at");
    if (e.time == NULL)
        e.time = json_get_text(root, "started_at");
    for (const struct json_node *n = json_get_items(root, "inputs"); n != NULL; n = n->next)
        offer_members(r, n);
    for (const struct json_node *n = json_get_items(root, "outputs"); n != NULL; n = n->next)
        offer_members(r, n);
    return emit(r, &e, err);
}

/* How the run as a whole ended, as its seal says, else as its steps did: a step without a success
 * is a failure. */
static const char *end_of(const struct run *r)
{
    const char *status = json_get_text(r->seal.root, "status");
    if (status != NULL && is_end(status))
        return status;
    for (size_t i = 0; i < r->attempt_count; i++) {
        const char *step = json_get_text(r->attempts[i].doc.root, "step");
        bool has_won = false;
        for (size_t k = 0; step != NULL && k < r->attempt_count && !has_won; k++) {
            const char *other = json_get_text(r->attempts[k].doc.root, "step");
            has_won = r->attempts[k].has_receipt && other != NULL && strcmp(other, step) == 0 &&
                      strcmp(type_of(r->attempts[k].doc.root), "COMPLETE") == 0;
        }
        if (!has_won)
            return "FAIL";
    }
    return "COMPLETE";
}

static ol_status emit_run(struct run *r, struct ol_error *err)
{
    const struct json_node **inputs = calloc(r->input_count + 1, sizeof(void *));
    if (inputs == NULL)
        return ol__error_set(err, OL_NOMEM, "import: out of memory");
    for (size_t i = 0; i < r->input_count; i++) {
        inputs[i] = r->inputs[i].root;
        offer_members(r, json_get(inputs[i], "artifact"));
    }
    struct receipt_event e = {.inputs = inputs,
                              .input_count = r->input_count,
                              .type = "START",
                              .time = json_get_text(r->manifest.root, "created_at")};
    ol_status st = emit(r, &e, err);
    for (size_t i = 0; st == OL_OK && i < r->attempt_count; i++)
        st = emit_attempt(r, &r->attempts[i], err);
    if (st == OL_OK && r->has_seal && json_get_text(r->seal.root, "sealed_at") != NULL) {
        e.type = end_of(r);
        e.input_count = 0; /* START named them */
        e.time = json_get_text(r->seal.root, "sealed_at");
        e.seal_sha256 = r->seal_sha256;
        st = emit(r, &e, err);
    }
    free(inputs);
    return st;
}

static ol_status import_run(struct import *im, const char *runs, const char *run_id,
                            struct ol_error *err)
{
    struct run r = {.im = im, .folder = {.fd = -1}};
    struct receipt_figures figures;
    ol_status st = receipt_folder_open(runs, run_id, &r.folder, err);
    if (st == OL_OK)
        st = receipt_check(&r.folder, false, tell_problem, &r, &figures, err); /* promise 1 */
    if (st == OL_OK && r.is_unverified && !im->is_forced) {
        cli_say("run '%s' is not what was sealed: not imported (--force imports it, marked)",
                run_id);
        receipt_folder_close(&r.folder);
        return OL_OK;
    }
    if (st == OL_OK)
        st = read_run(&r, err);
    if (st == OL_OK) {
        im->result.runs++;
        st = emit_run(&r, err);
    }
    run_release(&r);
    return st == OL_INVALID ? OL_OK : st; /* named */
}

ol_status import_runs(struct import *im, const char *path, bool is_one, struct ol_error *err)
{
    struct names names;
    char *runs = realpath(path, NULL);
    im->result.kind = is_one ? "run" : "runs";
    if (runs == NULL)
        return ol__error_set_errno(err, errno, "'%s'", path);
    char *slash = is_one ? strrchr(runs, '/') : NULL;
    ol_status st;
    if (slash != NULL && receipt_is_run_id(slash + 1)) {
        *slash = '\0';
        st = import_run(im, runs, slash + 1, err);
        free(runs);
        return st;
    }
    st = is_one ? ol__error_set(err, OL_INVALID, "'%s': expected a folder that is named as its run",
                                path)
                : list(AT_FDCWD, runs, &names, err);
    if (!is_one) {
        for (size_t i = 0; st == OL_OK && i < names.count; i++)
            if (receipt_is_run_id(names.items[i]))
                st = import_run(im, runs, names.items[i], err);
        names_release(&names);
        if (st == OL_OK)
            st = import_decisions(im, runs, err);
        if (st == OL_OK && im->result.runs == 0 && im->result.events == 0 && im->result.bad == 0)
            st = ol__error_set(err, OL_NOT_FOUND, "'%s': no folder of a run is in it", path);
    }
    free(runs);
    return st;
}
