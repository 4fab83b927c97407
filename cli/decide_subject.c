/* SPDX-License-Identifier: Apache-2.0 */
/* What a decision is about. Promise: a decision is of exact bytes, or of one version; a name that
 * could mean several things is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "decide.h"
#include "json_doc.h"
#include "question.h"

static int fail(const char *verb, int result, const char *x, const char *problem)
{
    cli_say("%s: '%.200s': %s", verb, x, problem);
    return result;
}

/* By its bytes, or the version that the text itself carries. @return OL_OK; OL_END: neither;
 * OL_INVALID: it is there, but has no hash, `problem` says why. */
static ol_status find_local(const char *x, struct decide_subject *ret, char *problem, size_t size)
{
    struct run_files files = {.hash_limit = UINT64_MAX};
    struct receipt_artifact *items = NULL;
    size_t count = 0;
    struct stat st;
    ol_status status = run_files_add(&files, RUN_INPUT, x);
    if (status == OL_OK) {
        run_files_declare(&files, NULL);
        run_files_open_inputs(&files);
        if (run_files_has_inputs(&files))
            run_files_hash_inputs(&files);
        status = run_files_list(&files, RUN_INPUT, &items, &count);
    }
    const struct receipt_artifact *a = count == 1 ? &items[0] : NULL;
    bool is_named = a != NULL && a->name_space != NULL && a->name != NULL &&
                    strlen(a->name_space) < sizeof ret->name_space &&
                    strlen(a->name) < sizeof ret->name;
    if (status == OL_OK && (!is_named || (a->sha256 == NULL && a->version == NULL)))
        status = is_named && stat(x, &st) == 0 ? OL_INVALID : OL_END;
    if (status == OL_INVALID && a != NULL)
        snprintf(problem, size, "it has no hash: %s",
                 a->reason != NULL ? a->reason : "it cannot be read");
    if (status == OL_OK && a != NULL) {
        snprintf(ret->name_space, sizeof ret->name_space, "%s", a->name_space);
        snprintf(ret->name, sizeof ret->name, "%s", a->name);
        snprintf(ret->version, sizeof ret->version, "%s%s", a->sha256 != NULL ? "sha256:" : "",
                 a->sha256 != NULL ? a->sha256 : a->version);
    }
    free(items);
    run_files_release(&files);
    return status;
}

static void take_text(char *out, size_t size, const struct json_node *item, const char *key)
{
    const char *text = json_get_text(item, key);
    snprintf(out, size, "%s", text != NULL ? text : "");
}

/* What the store says of it (agent/store/SCHEMA.md, `approvals`). */
static int take_answer(const char *verb, const char *x, bool is_exact, const struct json_node *root,
                       struct decide_subject *ret)
{
    const struct json_node *items = json_get(root, "items"), *item = json_get_items(root, "items");
    if (item == NULL)
        return fail(verb, CLI_NOT_KNOWN, x, "nothing is recorded under that name");
    if (items->count > 1) {
        fail(verb, CLI_NO, x, "it is several; name one of them:");
        for (; item != NULL; item = item->next) {
            const char *name_space = json_get_text(item, "namespace");
            const char *name = json_get_text(item, "name");
            cli_say("  %.200s %.300s", name_space != NULL ? name_space : "run",
                    name != NULL ? name : json_get_text(item, "run_id"));
        }
        return CLI_NO;
    }
    const char *kind = json_get_text(item, "kind");
    ret->kind = kind != NULL && strcmp(kind, "run") == 0          ? "run"
                : kind != NULL && strcmp(kind, "deployment") == 0 ? "deployment"
                                                                  : "dataset";
    if (strcmp(ret->kind, "dataset") != 0) {
        take_text(ret->id, sizeof ret->id, item,
                  strcmp(ret->kind, "run") == 0 ? "run_id" : "deployment_id");
        return CLI_YES;
    }
    const char *written_at = json_get_text(item, "written_at");
    const char *note = json_get_text(json_get(item, "approval"), "note");
    take_text(ret->name_space, sizeof ret->name_space, item, "namespace");
    take_text(ret->name, sizeof ret->name, item, "name");
    take_text(ret->version, sizeof ret->version, item, "version");
    snprintf(ret->shown, sizeof ret->shown, "%s%s%s", note != NULL ? note : "",
             written_at != NULL ? ", written " : "", written_at != NULL ? written_at : "");
    if (ret->version[0] == '\0' && is_exact)
        return fail(verb, CLI_NOT_KNOWN, x,
                    note != NULL ? note : "no version of it is recorded, and none is named");
    return CLI_YES;
}

static int find_recorded(const char *verb, const char *x, bool is_exact, struct decide_subject *ret)
{
    struct question q;
    struct place place;
    struct json_doc doc;
    struct ol__buf answer;
    struct ol_error err = {.message = ""};
    int http = 0, result = CLI_NO;
    question_init(&q, "approvals");
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    ol_status status = place_find(&place, &err);
    if (status == OL_OK)
        status = question_add_x(&q, x, &err);
    if (status == OL_OK)
        status = question_ask(&place, &q, &http, &answer, &err);
    if (status == OL_OK && http == 200)
        status = cli_answer_read(http, (struct ol__span){answer.data, answer.size}, &doc, &err);
    if (status == OL_OK && http == 200) {
        result = take_answer(verb, x, is_exact, doc.root, ret);
        json_doc_release(&doc);
    } else if (status == OL_OK && http == 404) {
        result = fail(verb, CLI_NOT_KNOWN, x,
                      "it is no file here, carries no version, and nothing is recorded under that "
                      "name");
    } else if (status == OL_OK) {
        result = fail(verb, CLI_NO, x, "the agent answers with an error");
    } else {
        result = cli_fail(&place, status, &err);
    }
    question_release(&q);
    place_release(&place);
    ol__buf_release(&answer);
    return result;
}

int decide_find(const char *verb, const char *x, bool is_exact, struct decide_subject *ret)
{
    char problem[512] = "";
    *ret = (struct decide_subject){.kind = "dataset"};
    ol_status status = find_local(x, ret, problem, sizeof problem);
    if (status == OL_OK)
        return CLI_YES;
    if (status == OL_INVALID)
        return fail(verb, CLI_NO, x, problem);
    if (status != OL_END)
        return fail(verb, CLI_NO, x, "out of memory");
    return find_recorded(verb, x, is_exact, ret);
}

int decide_hash(const char *verb, const char *path, char ret_sha256[OL_SHA256_TEXT + 1],
                int64_t *ret_size)
{
    char version[RUN_VERSION_SIZE];
    struct stat st;
    ol_status status = run_files_hash_path(path, UINT64_MAX, version);
    if (status != OL_OK || stat(path, &st) != 0)
        return fail(verb, CLI_NO, path,
                    status == OL_NOT_FOUND ? "it is not there"
                                           : "it is no regular file that can be read");
    snprintf(ret_sha256, OL_SHA256_TEXT + 1, "%s", version + sizeof "sha256:" - 1);
    *ret_size = st.st_size;
    return CLI_YES;
}
