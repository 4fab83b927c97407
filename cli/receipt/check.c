/* SPDX-License-Identifier: Apache-2.0 */
/* Each receipt, claim and manifest is read and hashed once; whoever names another one by its hash
 * is compared with what stands there. */
#include "check_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "artifact_lines.h"
#include "attempt.h"
#include "check_files.h"

struct check {
    const struct receipt_folder *folder;
    struct receipt_listing listing;
    bool with_files;
    receipt_problem *tell;
    void *arg;
    struct receipt_figures *figures;
    struct ol_error *err;
    bool *is_told; /* of each file of the listing, that it was changed */
    struct receipt_kept_list kept;
};

OL_PRINTF(3, 4)
static void tell(struct check *c, const char *path, const char *format, ...)
{
    char problem[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(problem, sizeof problem, format, args);
    va_end(args);
    c->figures->problems++;
    c->tell(c->arg, path, problem, false);
}

/* Somebody says that @p path has hash @p sha256. */
static void compare(struct check *c, const char *who, const char *path, const char *sha256)
{
    const struct receipt_file *file = receipt_find(&c->listing, path);
    if (file == NULL) {
        tell(c, path, "was taken away; %s knows it with hash %.64s", who, sha256);
        return;
    }
    size_t index = (size_t)(file - c->listing.items);
    if (strcmp(file->sha256, sha256) == 0 || c->is_told[index])
        return;
    c->is_told[index] = true;
    tell(c, path, "was changed: its hash is %s, %s knows it with %.64s", file->sha256, who, sha256);
}

/* ---- one document ---- */

static ol_status read_doc(struct check *c, const char *path, struct json_doc *ret,
                          bool *ret_is_read)
{
    struct ol_error why;
    ol_status status = receipt_get_doc(c->folder->fd, path, RECEIPT_SEAL_MAX, ret, &why);
    *ret_is_read = status == OL_OK;
    if (status == OL_OK)
        return OL_OK;
    if (status != OL_INVALID)
        return ol__error_set(c->err, status, "%s", why.message);
    tell(c, path, "%s", why.message);
    return OL_OK;
}

static bool is_text(const struct json_node *doc, const char *key, const char *expected)
{
    const char *text = json_get_text(doc, key);
    return text != NULL && strcmp(text, expected) == 0;
}

/* "steps/020_render/attempt-2/receipt.json": the step's folder, the attempt (0: of the step itself)
 * and the file's name. @return whether it is such a path. */
static bool split(const char *path, char *step, size_t size, int64_t *ret_attempt,
                  const char **ret_name)
{
    if (strncmp(path, "steps/", 6) != 0)
        return false;
    const char *behind = strchr(path + 6, '/');
    if (behind == NULL || (size_t)(behind - path - 6) >= size)
        return false;
    memcpy(step, path + 6, (size_t)(behind - path - 6));
    step[behind - path - 6] = '\0';
    const char *slash = strchr(behind + 1, '/');
    char attempt[32];
    *ret_attempt = 0;
    *ret_name = behind + 1;
    if (slash == NULL)
        return true;
    if ((size_t)(slash - behind) > sizeof attempt)
        return false;
    snprintf(attempt, sizeof attempt, "%.*s", (int)(slash - behind - 1), behind + 1);
    *ret_attempt = receipt_attempt_number(attempt);
    *ret_name = slash + 1;
    return *ret_attempt > 0;
}

/* The step's name within its folder's, behind the number that may stand in front. */
static bool is_step_folder(const char *folder, const struct json_node *doc)
{
    const char *step = json_get_text(doc, "step");
    int64_t seq = json_get_int(doc, "seq", -1);
    char expected[RECEIPT_STEP_MAX + 32];
    if (step == NULL)
        return false;
    if (seq >= 0)
        snprintf(expected, sizeof expected, "%03lld_%s", (long long)seq, step);
    else
        snprintf(expected, sizeof expected, "%s", step);
    return strcmp(folder, expected) == 0;
}

static void check_winner(struct check *c, const char *path, const char *folder,
                         const struct receipt_file *file, const struct json_node *doc)
{
    char other[RECEIPT_PATH_SIZE + 64];
    int64_t attempt = json_get_int(doc, "attempt", 0);
    c->figures->steps++;
    c->figures->won++;
    snprintf(other, sizeof other, "steps/%s/attempt-%lld/receipt.json", folder, (long long)attempt);
    const struct receipt_file *same = receipt_find(&c->listing, other);
    if (same != NULL && strcmp(same->sha256, file->sha256) != 0)
        tell(c, path, "is not what attempt %lld wrote", (long long)attempt);
    if (json_get(doc, "selected") == NULL)
        tell(c, path, "was not selected by who wrote it");
}

static void count_attempt(struct check *c, const char *folder, int64_t attempt, const char *name,
                          const struct json_node *doc)
{
    char receipt[RECEIPT_PATH_SIZE + 64], step[RECEIPT_PATH_SIZE + 64];
    if (strcmp(name, "receipt.json") == 0) {
        c->figures->failed += is_text(doc, "status", "COMPLETE") ? 0 : 1;
        return;
    }
    c->figures->attempts++;
    snprintf(receipt, sizeof receipt, "steps/%s/attempt-%lld/receipt.json", folder,
             (long long)attempt);
    if (receipt_find(&c->listing, receipt) != NULL)
        return;
    /* a winner that died between its two names */
    struct json_doc winner;
    bool has_won = false;
    snprintf(step, sizeof step, "steps/%s/receipt.json", folder);
    if (receipt_get_doc(c->folder->fd, step, RECEIPT_FILE_MAX, &winner, NULL) == OL_OK) {
        has_won = json_get_int(winner.root, "attempt", 0) == attempt;
        json_doc_release(&winner);
    }
    c->figures->open += has_won ? 0 : 1;
}

/* What the calls of an attempt kept beside its receipt. */
static void check_calls(struct check *c, const struct receipt_file *file,
                        const struct json_node *doc)
{
    static const char *const sides[] = {"request", "response"};
    const struct json_node *call = json_get_items(doc, "calls");
    int folder = (int)(strrchr(file->path, '/') - file->path);
    for (; call != NULL; call = call->next) {
        for (size_t i = 0; i < OL_COUNT(sides); i++) {
            const struct json_node *kept = json_get(json_get(call, "kept"), sides[i]);
            const char *name = json_get_text(kept, "path"), *sha256 = json_get_text(kept, "sha256");
            char path[RECEIPT_PATH_SIZE + 64];
            if (name == NULL || sha256 == NULL)
                continue; /* what was not kept, and why */
            snprintf(path, sizeof path, "%.*s/%.64s", folder, file->path, name);
            compare(c, file->path, path, sha256);
        }
    }
}

/* What the run starts from: the manifest vouches for it. */
static void compare_inputs(struct check *c, const struct json_node *manifest)
{
    for (const struct json_node *input = json_get_items(manifest, "inputs"); input != NULL;
         input = input->next) {
        const char *path = json_get_text(input, "path"), *sha256 = json_get_text(input, "sha256");
        if (path == NULL || sha256 == NULL)
            tell(c, "manifest.json", "names an input without path or hash");
        else
            compare(c, "the manifest", path, sha256);
    }
}

static ol_status check_file(struct check *c, const struct receipt_file *file)
{
    char folder[RECEIPT_PATH_SIZE];
    int64_t attempt = 0;
    const char *name = NULL;
    struct json_doc doc;
    bool is_read = false, is_manifest = strcmp(file->path, "manifest.json") == 0;
    bool is_step = split(file->path, folder, sizeof folder, &attempt, &name);
    bool is_claim = is_step && attempt > 0 && strcmp(name, "claim.json") == 0;
    bool is_input = strncmp(file->path, "inputs/", 7) == 0;
    if (!is_manifest && !is_input && !is_claim && !(is_step && strcmp(name, "receipt.json") == 0))
        return OL_OK; /* what an attempt kept */
    ol_status status = read_doc(c, file->path, &doc, &is_read);
    if (status != OL_OK || !is_read)
        return status;
    if (!is_text(doc.root, "run_id", c->folder->run_id))
        tell(c, file->path, "belongs to another run: %s",
             json_get_text(doc.root, "run_id") != NULL ? json_get_text(doc.root, "run_id")
                                                       : "none");
    c->figures->inputs += is_input ? 1 : 0;
    if (is_manifest)
        compare_inputs(c, doc.root);
    if (is_step && !is_step_folder(folder, doc.root))
        tell(c, file->path, "belongs to another step: %s",
             json_get_text(doc.root, "step") != NULL ? json_get_text(doc.root, "step") : "none");
    if (attempt > 0 && json_get_int(doc.root, "attempt", 0) != attempt)
        tell(c, file->path, "belongs to attempt %lld",
             (long long)json_get_int(doc.root, "attempt", 0));
    const struct json_node *previous = json_get(doc.root, "previous");
    const char *path = json_get_text(previous, "path"), *sha256 = json_get_text(previous, "sha256");
    if (is_step && (path == NULL || sha256 == NULL))
        tell(c, file->path, "names no receipt before it");
    else if (is_step)
        compare(c, file->path, path, sha256);
    if (is_step && attempt > 0 && !is_claim)
        check_calls(c, file, doc.root);
    if (is_step && attempt > 0)
        count_attempt(c, folder, attempt, name, doc.root);
    else if (is_step)
        check_winner(c, file->path, folder, file, doc.root);
    if (status == OL_OK)
        status = receipt_kept_note(&c->kept, file->path, doc.root, c->err);
    json_doc_release(&doc);
    return status;
}

/* ---- the seal ---- */

/* A line as sha256sum prints it. @return false: it is none. */
static bool check_seal_line(struct check *c, const char *text, const struct receipt_file **ret)
{
    struct artifact_line line;
    struct ol__buf copy, name;
    ol__buf_init(&copy, RECEIPT_SEAL_MAX);
    ol__buf_init(&name, RECEIPT_SEAL_MAX);
    ol__buf_add_text(&copy, text != NULL ? text : "");
    ol__buf_add_char(&copy, '\n');
    struct ol__span rest = {copy.data, copy.size};
    bool is_good = copy.status == OL_OK && artifact_line_read(&rest, &name, &line) == OL_OK &&
                   rest.size == 0 && !line.is_link && line.name.size > 0;
    char *path = is_good ? strndup(line.name.data, line.name.size) : NULL;
    if (path != NULL) {
        *ret = receipt_find(&c->listing, path);
        compare(c, "the seal", path, line.sha256);
    }
    free(path);
    ol__buf_release(&copy);
    ol__buf_release(&name);
    return path != NULL;
}

static const char *find_other(const struct check *c, const char *line)
{
    for (size_t i = 0; i < c->listing.other_count; i++)
        if (strcmp(c->listing.others[i].line, line) == 0)
            return line;
    return NULL;
}

static bool is_in(const struct json_node *lines, const char *text)
{
    for (; lines != NULL; lines = lines->next)
        if (lines->text != NULL && strcmp(lines->text, text) == 0)
            return true;
    return false;
}

/* Links by their targets, FIFOs, sockets and devices by what they are. */
static void check_others(struct check *c, const struct json_node *seal)
{
    const struct json_node *lines = json_get_items(seal, "others");
    for (const struct json_node *line = lines; line != NULL; line = line->next)
        if (line->text == NULL || find_other(c, line->text) == NULL)
            tell(c, "seal.json", "was taken away or changed; the seal knows '%.500s'",
                 line->text != NULL ? line->text : "");
    for (size_t i = 0; i < c->listing.other_count; i++)
        if (!is_in(lines, c->listing.others[i].line))
            tell(c, c->listing.others[i].path, "came after the seal: '%.500s'",
                 c->listing.others[i].line);
}

static ol_status check_seal(struct check *c)
{
    struct json_doc doc;
    bool is_read = false;
    if (faccessat(c->folder->fd, "seal.json", F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return OL_OK;
    c->figures->is_sealed = true;
    ol_status status = read_doc(c, "seal.json", &doc, &is_read);
    if (status != OL_OK || !is_read)
        return status;
    bool *is_sealed = calloc(c->listing.count + 1, sizeof *is_sealed);
    if (is_sealed == NULL) {
        json_doc_release(&doc);
        return ol__error_set(c->err, OL_NOMEM, "seal.json: out of memory");
    }
    for (const struct json_node *line = json_get_items(doc.root, "receipts"); line != NULL;
         line = line->next) {
        const struct receipt_file *file = NULL;
        if (!check_seal_line(c, line->text, &file))
            tell(c, "seal.json", "a line that names no file");
        if (file != NULL)
            is_sealed[file - c->listing.items] = true;
    }
    for (size_t i = 0; i < c->listing.count; i++) {
        if (!is_sealed[i])
            tell(c, c->listing.items[i].path, "came after the seal");
    }
    check_others(c, doc.root);
    free(is_sealed);
    json_doc_release(&doc);
    return OL_OK;
}

ol_status receipt_check(const struct receipt_folder *folder, bool with_files,
                        receipt_problem *tell_one, void *arg, struct receipt_figures *ret,
                        struct ol_error *err)
{
    struct check c = {.folder = folder,
                      .with_files = with_files,
                      .tell = tell_one,
                      .arg = arg,
                      .figures = ret,
                      .err = err};
    *ret = (struct receipt_figures){0};
    ol_status status = receipt_list(folder, &c.listing, err);
    c.is_told = calloc(c.listing.count + 1, sizeof *c.is_told);
    if (status == OL_OK && c.is_told == NULL)
        status = ol__error_set(err, OL_NOMEM, "check: out of memory");
    if (status == OL_OK && receipt_find(&c.listing, "manifest.json") == NULL)
        tell(&c, "manifest.json", "is not there");
    for (size_t i = 0; status == OL_OK && i < c.listing.count; i++)
        status = check_file(&c, &c.listing.items[i]);
    if (status == OL_OK)
        status = check_seal(&c);
    if (status == OL_OK && with_files)
        status = receipt_files_check(folder, &c.listing, tell_one, arg, ret, err);
    if (status == OL_OK)
        status = receipt_kept_check(&c.kept, folder->runs, tell_one, arg, &ret->kept,
                                    &ret->problems, err);
    ret->unnamed = (int64_t)c.listing.unnamed;
    receipt_kept_list_release(&c.kept);
    free(c.is_told);
    receipt_listing_release(&c.listing);
    return status;
}
