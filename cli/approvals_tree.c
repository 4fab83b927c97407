/* SPDX-License-Identifier: Apache-2.0 */
#include "approvals_tree.h"

#include <stdio.h>

static const char *text_or(const struct json_node *node, const char *key, const char *fallback)
{
    const char *text = json_get_text(node, key);
    return text != NULL ? text : fallback;
}

static ol_status finish(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    if (json_get_bool(root, "truncated"))
        ol__buf_add_text(p->out, "(there is more that was not looked at)\n");
    return p->out->status == OL_OK ? OL_OK
                                   : ol__error_set(err, p->out->status, "the answer: %s",
                                                   ol__status_name(p->out->status));
}

static ol_status no_answer(struct ol_error *err)
{
    return ol__error_set(err, OL_INVALID, "the answer is not what was expected");
}

static void write_verdict(struct pretty *p, const struct json_node *approval)
{
    char time[ROWS_TEXT];
    const char *verdict = text_or(approval, "verdict", "?");
    bool is_good = strcmp(verdict, "approved") == 0 || strcmp(verdict, "waived") == 0;
    bool is_nobody = strcmp(verdict, "nobody") == 0;
    pretty_text(p, is_good ? PRETTY_GOOD : PRETTY_BAD, is_nobody ? "approved by nobody" : verdict);
    if (json_get_text(approval, "by") != NULL) {
        ol__buf_add_text(p->out, " by ");
        pretty_text(p, PRETTY_PLAIN, json_get_text(approval, "by"));
    }
    if (json_get_text(approval, "role") != NULL) {
        ol__buf_add_text(p->out, " (");
        pretty_text(p, PRETTY_PLAIN, json_get_text(approval, "role"));
        ol__buf_add_char(p->out, ')');
    }
    rows_time(json_get_text(approval, "at"), time);
    if (time[0] != '\0')
        ol__buf_add_format(p->out, "  %s", time);
}

static void write_line(struct pretty *p, const char *head, const char *text)
{
    if (text == NULL)
        return;
    ol__buf_add_format(p->out, "      %s: ", head);
    pretty_text(p, PRETTY_PLAIN, text);
    ol__buf_add_char(p->out, '\n');
}

static void write_approval(struct pretty *p, const struct json_node *a)
{
    static const char *const lines[][2] = {{"reason", "reason"},
                                           {"framework", "regulatory_framework"},
                                           {"policy", "policy"},
                                           {"url", "url"},
                                           {"record", "record"}};
    ol__buf_add_text(p->out, "    ");
    write_verdict(p, a);
    ol__buf_add_char(p->out, '\n');
    for (size_t i = 0; i < OL_COUNT(lines); i++)
        write_line(p, lines[i][0], json_get_text(a, lines[i][1]));
    for (const struct json_node *e = json_get_items(a, "evidence"); e != NULL; e = e->next) {
        ol__buf_add_text(p->out, "      evidence: ");
        pretty_text(p, PRETTY_PLAIN, text_or(e, "name", "?"));
        ol__buf_add_text(p->out, "  ");
        pretty_text(p, PRETTY_DIM, text_or(e, "sha256", "?"));
        ol__buf_add_char(p->out, '\n');
    }
}

ol_status tree_approvals(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *items = json_get(root, "items");
    if (items == NULL || items->type != OL_JSON_ARRAY)
        return no_answer(err);
    for (const struct json_node *i = items->first; i != NULL; i = i->next) {
        const char *kind = text_or(i, "kind", "?");
        const char *note = json_get_text(json_get(i, "approval"), "note");
        if (strcmp(kind, "dataset") == 0) {
            rows_dataset(p, i, PRETTY_BOLD);
        } else {
            pretty_text(p, PRETTY_PLAIN, kind);
            ol__buf_add_char(p->out, ' ');
            if (json_get_text(i, "deployment_id") != NULL) {
                pretty_text(p, PRETTY_BOLD, json_get_text(i, "deployment_id"));
                ol__buf_add_text(p->out, "  ");
            }
            rows_run(p, i);
        }
        if (note != NULL) {
            ol__buf_add_text(p->out, "  ");
            pretty_text(p, PRETTY_DIM, note);
        }
        ol__buf_add_text(p->out, "\n  ");
        write_verdict(p, json_get(i, "approval"));
        ol__buf_add_char(p->out, '\n');
        for (const struct json_node *a = json_get_items(i, "approvals"); a != NULL; a = a->next)
            write_approval(p, a);
    }
    return finish(p, root, err);
}

/* ---- serving ---- */

static void write_answers(struct pretty *p, const struct json_node *s, const char *last)
{
    char time[ROWS_TEXT];
    int64_t answers = json_get_int(s, "answers", 0);
    if (answers == 0)
        return;
    rows_time(last, time);
    ol__buf_add_format(p->out, "    %lld answers, the last %s\n", (long long)answers, time);
}

static void write_serving(struct pretty *p, const struct json_node *s)
{
    static const char *const said[] = {"engine", "image", "strategy", "url"};
    char time[ROWS_TEXT];
    const struct json_node *endpoint = json_get(s, "endpoint"), *model = json_get(s, "model");
    const struct json_node *approval = json_get(s, "approval");
    if (endpoint != NULL)
        rows_dataset(p, endpoint, PRETTY_BOLD);
    else
        pretty_text(p, PRETTY_BOLD, text_or(s, "url", text_or(s, "service", "(no endpoint)")));
    if (json_get_text(s, "environment") != NULL) {
        ol__buf_add_text(p->out, "  ");
        pretty_text(p, PRETTY_PLAIN, json_get_text(s, "environment"));
    }
    if (json_get_text(s, "traffic_percent") != NULL)
        ol__buf_add_format(p->out, "  %.20s %%", json_get_text(s, "traffic_percent"));
    if (!json_get_bool(s, "serves"))
        ol__buf_add_text(p->out, "  (no more)");
    ol__buf_add_text(p->out, "\n    ");
    if (model != NULL)
        rows_dataset(p, model, PRETTY_PLAIN);
    else
        ol__buf_add_text(p->out, "which model was not told");
    rows_time(json_get_text(s, "since"), time);
    ol__buf_add_format(p->out, "  since %s\n    ", time);
    write_verdict(p, approval);
    if (json_get_text(approval, "note") != NULL) {
        ol__buf_add_text(p->out, ": ");
        pretty_text(p, PRETTY_DIM, json_get_text(approval, "note"));
    }
    ol__buf_add_char(p->out, '\n');
    for (size_t i = 0; i < OL_COUNT(said); i++) {
        if (json_get_text(s, said[i]) == NULL)
            continue;
        ol__buf_add_format(p->out, "    %s: ", said[i]);
        pretty_text(p, PRETTY_PLAIN, json_get_text(s, said[i]));
        ol__buf_add_char(p->out, '\n');
    }
    ol__buf_add_text(p->out, "    deployment ");
    pretty_text(p, PRETTY_DIM, text_or(s, "deployment_id", "?"));
    ol__buf_add_char(p->out, '\n');
    write_answers(p, s, json_get_text(s, "last_answer"));
}

ol_status tree_serving(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *serving = json_get(root, "serving"),
                           *more = json_get(root, "undeployed");
    if (serving == NULL || more == NULL)
        return no_answer(err);
    if (serving->count == 0)
        ol__buf_add_text(p->out, "nothing is deployed, as far as is recorded\n");
    for (const struct json_node *s = serving->first; s != NULL; s = s->next)
        write_serving(p, s);
    for (const struct json_node *s = more->first; s != NULL; s = s->next) {
        pretty_text(p, PRETTY_BOLD, text_or(s, "model_version", "(a model that was not named)"));
        ol__buf_add_text(p->out, "  ");
        pretty_text(p, PRETTY_BAD, "answers, and nobody deployed it");
        ol__buf_add_text(p->out, "\n    ");
        write_verdict(p, json_get(s, "approval"));
        ol__buf_add_char(p->out, '\n');
        write_answers(p, s, json_get_text(s, "last"));
    }
    return finish(p, root, err);
}

/* ---- untracked ---- */

ol_status tree_untracked(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    const struct json_node *list = json_get(root, "untracked");
    if (list == NULL || list->type != OL_JSON_ARRAY)
        return no_answer(err);
    for (const struct json_node *u = list->first; u != NULL; u = u->next) {
        char time[ROWS_TEXT];
        if (json_get_text(u, "name") != NULL)
            rows_dataset(p, u, PRETTY_BOLD);
        else
            pretty_text(p, PRETTY_BOLD, text_or(u, "model_version", "?"));
        ol__buf_add_text(p->out, "\n    ");
        pretty_text(p, PRETTY_BAD, text_or(u, "reason", "?"));
        rows_time(json_get_text(u, "last_used"), time);
        ol__buf_add_format(p->out, "\n    used by ");
        pretty_text(p, PRETTY_PLAIN, text_or(u, "used_by", "?"));
        int64_t uses = json_get_int(u, "uses", 0);
        if (uses > 1)
            ol__buf_add_format(p->out, ", %lld times, the last %s\n", (long long)uses, time);
        else
            ol__buf_add_format(p->out, ", once, %s\n", time);
    }
    ol__buf_add_format(p->out, "%zu without lineage, %lld with\n", list->count,
                       (long long)json_get_int(root, "tracked", 0));
    return finish(p, root, err);
}
