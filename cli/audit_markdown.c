/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Nothing from outside is Markdown or a control character: it is text.
 *  2. The same answer gives the same text. */
#include "audit.h"

#include <stdio.h>
#include <string.h>

struct page {
    struct ol__buf *out;
    audit_look *look;
    void *arg;
};

static const char *text_or(const struct json_node *node, const char *key, const char *fallback)
{
    const char *text = json_get_text(node, key);
    return text != NULL ? text : fallback;
}

/* Promise 1. */
static void put(struct page *p, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            ol__buf_add_char(p->out, ' ');
            continue;
        }
        if (strchr("\\`*_[]<>|#~&", *c) != NULL)
            ol__buf_add_char(p->out, '\\');
        ol__buf_add_char(p->out, *c);
    }
}

static void item(struct page *p, const char *head, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    ol__buf_add_format(p->out, "- %s: ", head);
    put(p, text);
    ol__buf_add_char(p->out, '\n');
}

static void put_dataset(struct page *p, const struct json_node *d)
{
    put(p, text_or(d, "namespace", "?"));
    ol__buf_add_char(p->out, ' ');
    put(p, text_or(d, "name", "?"));
    ol__buf_add_text(p->out, ", version ");
    put(p, text_or(d, "version", "not known"));
}

static void put_datasets(struct page *p, const char *head, const struct json_node *first)
{
    for (; first != NULL; first = first->next) {
        ol__buf_add_format(p->out, "- %s: ", head);
        put_dataset(p, first);
        ol__buf_add_char(p->out, '\n');
    }
}

static void put_job(struct page *p, const struct json_node *run)
{
    const struct json_node *job = json_get(run, "job");
    put(p, text_or(job, "namespace", "?"));
    ol__buf_add_char(p->out, '/');
    put(p, text_or(job, "name", "?"));
}

/* ---- Sections ---- */

static void write_what(struct page *p, const struct json_node *root)
{
    const struct json_node *what = json_get(root, "what");
    ol__buf_add_text(p->out, "# Audit of ");
    put(p, text_or(what, "name", text_or(what, "id", "?")));
    ol__buf_add_text(p->out, "\n\n## What it is\n\n");
    item(p, "Kind", json_get_text(what, "kind"));
    item(p, "Namespace", json_get_text(what, "namespace"));
    item(p, "Name", json_get_text(what, "name"));
    item(p, "Type", json_get_text(what, "type"));
    item(p, "Version", json_get_text(what, "version"));
    item(p, "Id", json_get_text(what, "id"));
    item(p, "State", json_get_text(what, "state"));
    item(p, "Which", json_get_text(what, "note"));
    put_datasets(p, "The same bytes", json_get_items(what, "same_bytes"));
}

static void write_run(struct page *p, const struct json_node *run, int number)
{
    const char *area = "";
    ol__buf_add_format(p->out, "\n### %d. ", number);
    put_job(p, run);
    ol__buf_add_text(p->out, "\n\n");
    item(p, "Run", json_get_text(run, "run_id"));
    item(p, "State",
         json_get_bool(run, "inferred") ? "its end was inferred" : json_get_text(run, "state"));
    item(p, "Started", json_get_text(run, "started"));
    item(p, "Ended", json_get_text(run, "ended"));
    item(p, "Engine", json_get_text(run, "engine"));
    item(p, "Error", json_get_text(run, "error"));
    put_datasets(p, "Read", json_get_items(run, "inputs"));
    put_datasets(p, "Wrote", json_get_items(run, "outputs"));
    const struct json_node *f = json_get_items(run, "facts");
    if (f != NULL)
        ol__buf_add_text(p->out, "\n| about | what | value |\n|---|---|---|\n");
    for (; f != NULL; f = f->next) {
        const char *now = text_or(f, "area", "");
        ol__buf_add_text(p->out, "| ");
        put(p, strcmp(now, area) != 0 ? now : "");
        area = now;
        ol__buf_add_text(p->out, " | ");
        put(p, text_or(f, "what", ""));
        ol__buf_add_text(p->out, " | ");
        put(p, text_or(f, "value", ""));
        ol__buf_add_text(p->out, " |\n");
    }
    if (json_get_bool(run, "facts_truncated"))
        ol__buf_add_text(p->out, "\nIt told more than is listed here.\n");
}

static void write_made(struct page *p, const struct json_node *root)
{
    int number = 0;
    ol__buf_add_text(p->out, "\n## How it was made\n");
    for (const struct json_node *r = json_get_items(root, "made_by"); r != NULL; r = r->next)
        write_run(p, r, ++number);
    if (number == 0)
        ol__buf_add_text(p->out, "\nNo run is recorded that made it.\n");
    if (json_get_items(root, "sources") != NULL)
        ol__buf_add_text(p->out, "\n### Where the record begins\n\n");
    put_datasets(p, "Source", json_get_items(root, "sources"));
}

static void write_checks(struct page *p, const struct json_node *root)
{
    const struct json_node *a = json_get_items(root, "assertions");
    if (a == NULL)
        return;
    ol__buf_add_text(p->out, "\n## What checks said of it\n\n"
                             "| check | column | result | expected | found | at | run |\n"
                             "|---|---|---|---|---|---|---|\n");
    for (; a != NULL; a = a->next) {
        bool is_warning = strcmp(text_or(a, "severity", ""), "warn") == 0;
        const char *const cells[] = {text_or(a, "name", text_or(a, "assertion", "?")),
                                     text_or(a, "column", ""),
                                     json_get_bool(a, "success") ? "held"
                                     : is_warning                ? "failed (a warning)"
                                                                 : "failed",
                                     text_or(a, "expected", ""),
                                     text_or(a, "actual", ""),
                                     text_or(a, "at", ""),
                                     text_or(a, "run_id", "")};
        for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
            ol__buf_add_text(p->out, "| ");
            put(p, cells[i]);
            ol__buf_add_char(p->out, ' ');
        }
        ol__buf_add_text(p->out, "|\n");
    }
}

static void put_record(struct page *p, const struct json_node *decision)
{
    static const char *const states[] = {[AUDIT_AS_IT_WAS] = "it is what the event knows",
                                         [AUDIT_CHANGED] = "**it is not what the event knows**",
                                         [AUDIT_NOT_HERE] = "it is not in this runs folder"};
    const char *record = json_get_text(decision, "record");
    if (record == NULL)
        return;
    ol__buf_add_text(p->out, "- Record: ");
    put(p, record);
    ol__buf_add_text(p->out, ", sha256 ");
    put(p, text_or(decision, "record_sha256", "not told"));
    if (p->look != NULL)
        ol__buf_add_format(p->out, "; %s", states[p->look(p->arg, decision)]);
    ol__buf_add_char(p->out, '\n');
}

static void put_verdict(struct page *p, const struct json_node *approval)
{
    const char *verdict = text_or(approval, "verdict", "?");
    if (strcmp(verdict, "nobody") == 0) {
        ol__buf_add_text(p->out, "approved by nobody");
    } else {
        put(p, verdict);
        ol__buf_add_text(p->out, " by ");
        put(p, text_or(approval, "by", "?"));
        if (json_get_text(approval, "at") != NULL)
            ol__buf_add_format(p->out, " at %.30s", json_get_text(approval, "at"));
    }
}

static void write_approvals(struct page *p, const struct json_node *root)
{
    int number = 0;
    ol__buf_add_text(p->out, "\n## Who approved it\n\nThe last word: ");
    put_verdict(p, json_get(root, "approval"));
    ol__buf_add_text(p->out, ".\n");
    for (const struct json_node *a = json_get_items(root, "approvals"); a != NULL; a = a->next) {
        ol__buf_add_format(p->out, "\n### Decision %d: ", ++number);
        put_verdict(p, a);
        ol__buf_add_text(p->out, "\n\n");
        item(p, "Role", json_get_text(a, "role"));
        item(p, "Reason", json_get_text(a, "reason"));
        item(p, "Framework", json_get_text(a, "regulatory_framework"));
        item(p, "Policy", json_get_text(a, "policy"));
        item(p, "Written down at", json_get_text(a, "url"));
        item(p, "Of", json_get_text(a, "subject"));
        for (const struct json_node *e = json_get_items(a, "evidence"); e != NULL; e = e->next) {
            ol__buf_add_text(p->out, "- Evidence: ");
            put(p, text_or(e, "name", "?"));
            ol__buf_add_text(p->out, ", sha256 ");
            put(p, text_or(e, "sha256", "?"));
            ol__buf_add_char(p->out, '\n');
        }
        put_record(p, a);
        item(p, "Run", json_get_text(a, "run_id"));
    }
}

static void write_deployments(struct page *p, const struct json_node *root)
{
    const struct json_node *d = json_get_items(root, "deployments");
    const struct json_node *answers = json_get(root, "answers");
    int number = 0;
    ol__buf_add_text(p->out, "\n## Where it serves\n");
    if (d == NULL)
        ol__buf_add_text(p->out, "\nNo deployment is recorded.\n");
    for (; d != NULL; d = d->next) {
        const struct json_node *endpoint = json_get(d, "endpoint");
        ol__buf_add_format(p->out, "\n### Deployment %d: ", ++number);
        put(p, text_or(endpoint, "name", text_or(d, "url", "no endpoint told")));
        ol__buf_add_text(p->out, "\n\n");
        item(p, "Id", json_get_text(d, "deployment_id"));
        item(p, "Environment", json_get_text(d, "environment"));
        item(p, "Since", json_get_text(d, "since"));
        item(p, "Status", json_get_text(d, "status"));
        item(p, "Serves now", json_get_bool(d, "serves") ? "yes" : "no");
        item(p, "Share of the requests, percent", json_get_text(d, "traffic_percent"));
        item(p, "Strategy", json_get_text(d, "strategy"));
        item(p, "Replaces", json_get_text(d, "replaces"));
        item(p, "Engine", json_get_text(d, "engine"));
        item(p, "Image", json_get_text(d, "image"));
        item(p, "Image digest", json_get_text(d, "image_digest"));
        item(p, "Configuration, sha256", json_get_text(d, "config_sha256"));
        ol__buf_add_text(p->out, "- Approval: ");
        put_verdict(p, json_get(d, "approval"));
        ol__buf_add_char(p->out, '\n');
        put_record(p, d);
    }
    ol__buf_add_format(p->out, "\n## Answers given\n\n%lld",
                       (long long)json_get_int(answers, "count", 0));
    if (json_get_text(answers, "first") != NULL)
        ol__buf_add_format(p->out, ", from %.30s to %.30s", json_get_text(answers, "first"),
                           text_or(answers, "last", "?"));
    ol__buf_add_text(p->out, ".\n");
}

static void write_not_known(struct page *p, const struct json_node *root)
{
    const struct json_node *u = json_get_items(root, "not_known");
    ol__buf_add_text(p->out, "\n## What is not known\n\n");
    if (u == NULL)
        ol__buf_add_text(p->out, "Nothing that was looked for is missing.\n");
    for (; u != NULL; u = u->next) {
        ol__buf_add_text(p->out, "- ");
        if (json_get_text(u, "name") != NULL) {
            put(p, text_or(u, "namespace", "?"));
            ol__buf_add_char(p->out, ' ');
            put(p, text_or(u, "name", "?"));
            if (json_get_text(u, "version") != NULL) {
                ol__buf_add_char(p->out, ' ');
                put(p, json_get_text(u, "version"));
            }
            ol__buf_add_text(p->out, json_get_text(u, "run_id") != NULL ? ", " : ": ");
        }
        if (json_get_text(u, "run_id") != NULL) {
            ol__buf_add_text(p->out, "run ");
            put(p, json_get_text(u, "run_id"));
            ol__buf_add_text(p->out, ": ");
        }
        put(p, text_or(u, "what", "?"));
        ol__buf_add_char(p->out, '\n');
    }
    if (json_get_bool(root, "truncated"))
        ol__buf_add_text(p->out, "- there is more than was looked at\n");
}

ol_status audit_markdown(const struct json_node *root, audit_look *look, void *arg,
                         struct ol__buf *out)
{
    struct page p = {.out = out, .look = look, .arg = arg};
    write_what(&p, root);
    write_made(&p, root);
    write_checks(&p, root);
    write_approvals(&p, root);
    write_deployments(&p, root);
    write_not_known(&p, root);
    return out->status;
}
