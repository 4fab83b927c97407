/* SPDX-License-Identifier: Apache-2.0 */
#include "conflict.h"

#include <stdio.h>
#include <stdlib.h>
#include "members.h"

static ol_status read_earlier(const struct receipt_attempt *a, struct receipt_conflicts *c)
{
    int64_t first = OL_MAX(1, a->number - RECEIPT_OVER_MAX);
    if (a->number <= first)
        return OL_OK;
    c->earlier = calloc((size_t)(a->number - first), sizeof *c->earlier);
    if (c->earlier == NULL)
        return OL_NOMEM;
    for (int64_t n = first; n < a->number; n++) {
        char path[64];
        snprintf(path, sizeof path, "attempt-%lld/receipt.json", (long long)n);
        if (receipt_get_doc(a->step_fd, path, RECEIPT_FILE_MAX, &c->earlier[c->earlier_count],
                            NULL) == OL_OK)
            c->earlier_count++;
    }
    return OL_OK;
}

/** Which member it is, as far as the texts of both are there. */
static ol_status name_member(const char *runs, const struct receipt_artifact *now,
                             const struct json_node *then, struct receipt_conflict *c)
{
    const char *was = json_get_text(json_get(then, "members"), "sha256");
    struct artifact_difference difference = {.count = 0};
    struct ol__buf text;
    if (was == NULL || now->members_sha256 == NULL)
        return OL_OK;
    ol__buf_init(&text, ARTIFACT_TEXT_MAX);
    ol_status status = receipt_members_read(runs, was, &text, NULL);
    if (status == OL_OK)
        status = artifact_lines_compare((struct ol__span){text.data, text.size}, now->members,
                                        &difference);
    if (status == OL_OK && difference.count > 0) {
        c->member = ol__buf_take(&difference.first);
        c->member_count = (int64_t)difference.count;
        status = c->member == NULL ? OL_NOMEM : OL_OK;
    }
    ol__buf_release(&difference.first);
    ol__buf_release(&text);
    return status == OL_NOMEM ? OL_NOMEM : OL_OK;
}

static ol_status compare(const char *runs, struct receipt_conflicts *c,
                         const struct receipt_artifact *now, const char *shown)
{
    for (size_t i = c->earlier_count; i > 0; i--) {
        const struct json_node *doc = c->earlier[i - 1].root;
        const struct json_node *then = json_get_items(doc, "outputs");
        for (; then != NULL; then = then->next) {
            const char *path = json_get_text(then, "path"), *was = json_get_text(then, "sha256");
            if (path == NULL || was == NULL || strcmp(path, shown) != 0)
                continue;
            if (strcmp(was, now->sha256) == 0)
                return OL_OK;
            c->items[c->count++] =
                (struct receipt_conflict){.path = path,
                                          .attempt = json_get_int(doc, "attempt", 0),
                                          .sha256 = now->sha256,
                                          .was = was};
            return name_member(runs, now, then, &c->items[c->count - 1]);
        }
    }
    return OL_OK;
}

ol_status receipt_find_conflicts(const struct receipt_attempt *attempt,
                                 const struct receipt_artifact *outputs, size_t count,
                                 struct receipt_conflicts *ret)
{
    *ret = (struct receipt_conflicts){0};
    if (attempt->number == 1 || count == 0)
        return OL_OK;
    ret->items = calloc(count, sizeof *ret->items);
    if (ret->items == NULL || read_earlier(attempt, ret) != OL_OK)
        return OL_NOMEM;
    ol_status status = OL_OK;
    for (size_t i = 0; i < count && status == OL_OK; i++) {
        struct ol__buf shown;
        if (outputs[i].sha256 == NULL)
            continue;
        ol__buf_init(&shown, RECEIPT_FILE_MAX);
        receipt_shown_path(&outputs[i], &shown);
        status = shown.status;
        if (status == OL_OK && shown.size > 0)
            status = compare(attempt->folder->runs, ret, &outputs[i], shown.data);
        ol__buf_release(&shown);
    }
    return status;
}

void receipt_conflicts_release(struct receipt_conflicts *conflicts)
{
    for (size_t i = 0; i < conflicts->earlier_count; i++)
        json_doc_release(&conflicts->earlier[i]);
    for (size_t i = 0; i < conflicts->count; i++)
        free(conflicts->items[i].member);
    free(conflicts->earlier);
    free(conflicts->items);
    *conflicts = (struct receipt_conflicts){0};
}
