/* SPDX-License-Identifier: Apache-2.0 */
/* lineage audit: the chain of evidence of one thing as one document. The store says what is
 * recorded; whether the records of decisions are what their events know is looked up in the runs
 * folder. */
#include "audit.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "json_write.h"
#include "question.h"
#include "receipt/decision.h"

#define PAGE_MAX ((size_t)256 << 20)

struct audit_options {
    const char *x, *runs, *depth, *limit;
    bool is_json;
};
struct records {
    int fd; /* of the runs folder; -1: there is none */
    int64_t changed;
    struct receipt_decision_figures chain;
};

static int parse(int argc, char **argv, struct audit_options *o)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, 'j'},        {"runs", required_argument, NULL, 'r'},
        {"depth", required_argument, NULL, 'd'}, {"limit", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (c) {
        case 'j':
            o->is_json = true;
            break;
        case 'r':
            o->runs = optarg;
            break;
        case 'd':
            o->depth = optarg;
            break;
        case 'l':
            o->limit = optarg;
            break;
        case 'h':
            puts(
                "Usage: lineage audit [--depth N] [--limit N] [--runs DIR] [--json] X\n"
                "The whole chain of evidence of one version, run or deployment, as Markdown: what "
                "it\n"
                "is, how it was made, who approved it, where it serves, what it answered, and what "
                "is\n"
                "not known. A name without version means the version that stands now.\n"
                "\n"
                "      --depth N            steps upstream (default 20)\n"
                "      --limit N            runs (default 100, at most 1000)\n"
                "      --runs DIR           the runs folder, whose records of decisions are "
                "compared with\n"
                "                           their events; default: LINEAGE_RUNS, else runs\n"
                "      --json\n"
                "\n"
                "Exit status: 0; 1 a record of a decision is not what its event knows, or the "
                "chain was\n"
                "changed; 2 usage, or X is several things; 3 nothing is known by that name.");
            return -1;
        default:
            return cli_usage("audit", "see the message above");
        }
    }
    if (optind + 1 != argc || argv[optind][0] == '\0')
        return cli_usage("audit", "of what? expected one X");
    o->x = argv[optind];
    return 0;
}

/* ---- The runs folder ---- */

static void count(void *arg, const char *path, const char *problem)
{
    (void)arg;
    cli_say("%s: %s", path, problem);
}

static ol_status records_open(struct records *r, const char *option, struct ol_error *err)
{
    char *runs = NULL;
    *r = (struct records){.fd = -1};
    ol_status status = receipt_find_runs(option, &runs, err);
    if (status == OL_OK)
        status = receipt_decision_check(runs, count, NULL, &r->chain, err);
    if (status == OL_OK)
        r->fd = open(runs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(runs);
    return status;
}

static enum audit_record look(void *arg, const struct json_node *decision)
{
    struct records *r = arg;
    struct ol__buf text;
    char sha256[OL_SHA256_TEXT + 1];
    const char *record = json_get_text(decision, "record");
    const char *known = json_get_text(decision, "record_sha256");
    bool is_path = record != NULL && strlen(record) + 1 == RECEIPT_DECISION_PATH &&
                   strncmp(record, RECEIPT_DECISIONS "/", sizeof RECEIPT_DECISIONS) == 0 &&
                   strspn(record + sizeof RECEIPT_DECISIONS, "0123456789") == 6;
    if (r->fd < 0 || !is_path || known == NULL)
        return AUDIT_NOT_HERE;
    ol__buf_init(&text, RECEIPT_FILE_MAX);
    ol_status status = receipt_get(r->fd, record, &text, sha256, NULL);
    ol__buf_release(&text);
    if (status != OL_OK)
        return AUDIT_NOT_HERE;
    if (strcmp(sha256, known) == 0)
        return AUDIT_AS_IT_WAS;
    r->changed++;
    return AUDIT_CHANGED;
}

/* ---- Printing ---- */

static void write_records(struct ol__json_writer *w, struct records *r,
                          const struct json_node *decision)
{
    static const char *const states[] = {[AUDIT_AS_IT_WAS] = "as_it_was",
                                         [AUDIT_CHANGED] = "changed",
                                         [AUDIT_NOT_HERE] = "not_here"};
    for (; decision != NULL; decision = decision->next) {
        if (json_get_text(decision, "record") == NULL)
            continue;
        ol__json_begin_object(w);
        ol__json_member_text(w, "record", json_get_text(decision, "record"));
        ol__json_member_text_opt(w, "record_sha256", json_get_text(decision, "record_sha256"));
        ol__json_member_text(w, "state", states[look(r, decision)]);
        ol__json_end_object(w);
    }
}

/* The store's document, with what the runs folder says as its last members. */
static void write_json(const struct ol__buf *answer, const struct json_node *root,
                       struct records *r, struct ol__buf *out)
{
    struct ol__json_writer w;
    struct ol__buf more;
    size_t size = answer->size;
    while (size > 0 && answer->data[size - 1] != '}')
        size--;
    ol__buf_init(&more, PAGE_MAX);
    ol__json_writer_init(&w, &more);
    ol__json_begin_object(&w);
    ol__json_key(&w, "records");
    ol__json_begin_array(&w);
    write_records(&w, r, json_get_items(root, "approvals"));
    write_records(&w, r, json_get_items(root, "deployments"));
    ol__json_end_array(&w);
    ol__json_key(&w, "chain");
    ol__json_begin_object(&w);
    ol__json_member_int(&w, "records", r->chain.count);
    ol__json_member_int(&w, "problems", r->chain.problems);
    ol__json_end_object(&w);
    ol__json_end_object(&w);
    ol__buf_add(out, answer->data, size > 0 ? size - 1 : 0);
    ol__buf_add_char(out, ',');
    if (more.status == OL_OK)
        ol__buf_add(out, more.data + 1, more.size - 1);
    ol__buf_add_char(out, '\n');
    ol__buf_release(&more);
}

static int print(const struct audit_options *o, const struct ol__buf *answer)
{
    struct json_doc doc;
    struct records r;
    struct ol__buf out;
    struct ol_error err = {.message = ""};
    bool is_written = false;
    ol_status status = json_doc_read(&doc, (struct ol__span){answer->data, answer->size}, &err);
    if (status != OL_OK) {
        cli_say("audit: %s", err.message);
        return CLI_NO;
    }
    ol__buf_init(&out, PAGE_MAX);
    status = records_open(&r, o->runs, &err);
    if (status == OL_OK && o->is_json)
        write_json(answer, doc.root, &r, &out);
    else if (status == OL_OK)
        OL_IGNORE(audit_markdown(doc.root, look, &r, &out) != OL_OK, "it sticks in the buffer");
    if (status == OL_OK && out.status == OL_OK)
        is_written = cli_print_buf(&out);
    else
        cli_say("audit: %s", status != OL_OK ? err.message : ol_status_name(out.status));
    if (r.fd >= 0)
        close(r.fd);
    json_doc_release(&doc);
    ol__buf_release(&out);
    return is_written && r.changed == 0 && r.chain.problems == 0 ? CLI_YES : CLI_NO;
}

int verb_audit(int argc, char **argv)
{
    struct audit_options o = {.x = NULL};
    struct question q;
    struct place place;
    struct ol__buf answer;
    struct ol_error err = {.message = ""};
    int http = 0, result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    question_init(&q, "audit");
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    question_add(&q, "depth", o.depth);
    question_add(&q, "limit", o.limit);
    ol_status status = place_find(&place, &err);
    if (status == OL_OK)
        status = question_add_x(&q, o.x, &err);
    if (status == OL_OK)
        status = question_ask(&place, &q, &http, &answer, &err);
    if (status != OL_OK)
        result = cli_fail(&place, status, &err);
    else if (http != 200)
        result = question_print("audit", http, &answer, o.is_json, NULL,
                                "nothing is recorded under that name");
    else
        result = print(&o, &answer);
    question_release(&q);
    place_release(&place);
    ol__buf_release(&answer);
    return result;
}
