/* SPDX-License-Identifier: Apache-2.0 */
/* lineage approve, lineage approvals: somebody decides about one version; who did. */
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "approvals_tree.h"
#include "decide.h"
#include "question.h"
#include "run_told.h"

#define EVIDENCE_MAX 1000

static void print_help(void)
{
    puts(
        "Usage: lineage approve [OPTION]... X [--evidence FILE...]\n"
        "       lineage approve --verify [--runs DIR] [--json]\n"
        "Write down that X was approved: these bytes, or this version; a later one is not.\n"
        "X is a file or directory, a name with a version (models:/churn@v7), a run, a deployment,\n"
        "or a dataset's name: then the version that stands now, which is said.\n"
        "\n"
        "      --verdict V          approved (default), rejected or waived\n"
        "      --by WHO             default: this user's name\n"
        "      --role ROLE          as what: owner, risk officer...\n"
        "      --reason TEXT\n"
        "      --framework NAME     the law or standard that asks for it, e.g. 'EU AI Act'\n"
        "      --policy NAME        the rule that asks for it\n"
        "      --url URL            where it is written down\n"
        "      --evidence FILE...   what it rests on: hashed, not kept\n"
        "      --namespace NAME     job namespace; default: OPENLINEAGE_NAMESPACE, else "
        "'default'\n"
        "      --runs DIR           the runs folder; default: LINEAGE_RUNS, else runs\n"
        "      --verify             check the chain of decisions in it instead\n"
        "      --json\n"
        "  -q, --quiet              say nothing about lineage on standard error\n"
        "  -h, --help\n"
        "\n"
        "Exit status: 0; 1 it is not written down, X is several, or the chain is not what it was;\n"
        "2 usage; 3 nothing, or no version, is known by that name.");
}

struct evidence {
    const char *path;
    char sha256[OL_SHA256_TEXT + 1];
    int64_t size;
};
struct approve {
    struct decide d;
    const char *x, *verdict, *by, *role, *reason, *framework, *policy, *url;
    struct evidence *evidence; /* owned */
    size_t evidence_count;
    bool is_json, is_verify;
};

static void write_facet(const struct decide *d, struct ol__json_writer *w, const char *record,
                        const char *sha256)
{
    const struct approve *a = d->arg;
    const struct decide_subject *s = &d->inputs[0];
    bool is_dataset = strcmp(s->kind, "dataset") == 0;
    ol__json_key(w, "approvals");
    ol__json_begin_array(w);
    ol__json_begin_object(w);
    ol__json_member_text(w, "verdict", a->verdict);
    decide_member(w, "by", a->by);
    decide_member(w, "role", a->role);
    ol__json_member_text(w, "at", d->at);
    decide_member(w, "policy", a->policy);
    ol__json_member_text(w, "subject", is_dataset ? s->version : s->id);
    decide_member(w, "reason", a->reason);
    decide_member(w, "url", a->url);
    ol__json_member_text(w, "subject_kind", s->kind);
    decide_member(w, "regulatory_framework", a->framework);
    if (a->evidence_count > 0) {
        ol__json_key(w, "evidence");
        ol__json_begin_array(w);
        for (size_t i = 0; i < a->evidence_count; i++) {
            ol__json_begin_object(w);
            decide_member(w, "name", a->evidence[i].path);
            ol__json_member_text(w, "sha256", a->evidence[i].sha256);
            ol__json_member_int(w, "size", a->evidence[i].size);
            ol__json_end_object(w);
        }
        ol__json_end_array(w);
    }
    ol__json_member_text_opt(w, "record", record);
    ol__json_member_text_opt(w, "record_sha256", sha256);
    ol__json_end_object(w);
    ol__json_end_array(w);
}

static int add_evidence(struct approve *a, const char *path)
{
    if (a->evidence_count == EVIDENCE_MAX)
        return cli_usage("approve", "--evidence: more than %d", EVIDENCE_MAX);
    a->evidence[a->evidence_count++].path = path;
    return 0;
}

enum {
    VERDICT = 256,
    BY,
    ROLE,
    REASON,
    FRAMEWORK,
    POLICY,
    URL,
    EVIDENCE,
    NAMESPACE,
    RUNS,
    VERIFY,
    JSON
};

static const struct option options[] = {{"verdict", required_argument, NULL, VERDICT},
                                        {"by", required_argument, NULL, BY},
                                        {"role", required_argument, NULL, ROLE},
                                        {"reason", required_argument, NULL, REASON},
                                        {"framework", required_argument, NULL, FRAMEWORK},
                                        {"policy", required_argument, NULL, POLICY},
                                        {"url", required_argument, NULL, URL},
                                        {"evidence", required_argument, NULL, EVIDENCE},
                                        {"namespace", required_argument, NULL, NAMESPACE},
                                        {"runs", required_argument, NULL, RUNS},
                                        {"verify", no_argument, NULL, VERIFY},
                                        {"json", no_argument, NULL, JSON},
                                        {"quiet", no_argument, NULL, 'q'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static const char **find_text(struct approve *a, int code)
{
    return code == VERDICT     ? &a->verdict
           : code == BY        ? &a->by
           : code == ROLE      ? &a->role
           : code == REASON    ? &a->reason
           : code == FRAMEWORK ? &a->framework
           : code == POLICY    ? &a->policy
           : code == URL       ? &a->url
           : code == NAMESPACE ? &a->d.job_namespace
           : code == RUNS      ? &a->d.runs
                               : NULL;
}

static int check(struct approve *a)
{
    if (a->is_verify)
        return a->x == NULL ? 0 : cli_usage("approve", "--verify: no X is expected");
    if (a->x == NULL || a->x[0] == '\0')
        return cli_usage("approve", "what? expected a file, a model, a dataset, a run or a "
                                    "deployment");
    if (strcmp(a->verdict, "approved") != 0 && strcmp(a->verdict, "rejected") != 0 &&
        strcmp(a->verdict, "waived") != 0)
        return cli_usage("approve", "--verdict: '%.60s': expected approved, rejected or waived",
                         a->verdict);
    if (a->by == NULL || a->by[0] == '\0')
        return cli_usage("approve", "who decides? this user has no name: expected --by WHO");
    return 0;
}

/* @return 0; below 0: help was printed; else what to exit with. */
static int parse(int argc, char **argv, struct approve *a)
{
    int result = 0, last = 0;
    for (int c; result == 0 && (c = getopt_long(argc, argv, "-qh", options, NULL)) != -1;) {
        const char **text = find_text(a, c);
        if (text != NULL)
            *text = optarg;
        else if (c == EVIDENCE || (c == 1 && last == EVIDENCE))
            result = add_evidence(a, optarg);
        else if (c == 1 && a->x != NULL)
            result = cli_usage("approve", "'%.60s': one X at a time", optarg);
        else if (c == 1)
            a->x = optarg;
        else if (c == VERIFY)
            a->is_verify = true;
        else if (c == JSON)
            a->is_json = true;
        else if (c == 'q')
            a->d.is_quiet = true;
        else if (c == 'h')
            print_help();
        else
            result = cli_usage("approve", "see the message above");
        if (c == 'h')
            return -1;
        /* words behind --evidence FILE are more of it, once X is known */
        last = c == EVIDENCE || (c == 1 && last == EVIDENCE) ? EVIDENCE : c;
        if (c == EVIDENCE && a->x == NULL)
            last = 0;
    }
    if (result == 0 && optind < argc && a->x == NULL)
        a->x = argv[optind++];
    for (; result == 0 && optind < argc; optind++)
        result = last == EVIDENCE ? add_evidence(a, argv[optind])
                                  : cli_usage("approve", "'%.60s': one X at a time", argv[optind]);
    return result != 0 ? result : check(a);
}

static int approve(struct approve *a)
{
    int result = decide_find("approve", a->x, true, &a->d.inputs[0]);
    a->d.input_count = 1;
    for (size_t i = 0; i < a->evidence_count && result == CLI_YES; i++)
        result = decide_hash("approve", a->evidence[i].path, a->evidence[i].sha256,
                             &a->evidence[i].size);
    if (result != CLI_YES)
        return result;
    decide_begin(&a->d);
    result = decide_record(&a->d);
    return result == CLI_YES ? decide_print(&a->d, a->is_json, a->verdict) : result;
}

int verb_approve(int argc, char **argv)
{
    const struct passwd *user = getpwuid(getuid());
    char *by = user != NULL ? strdup(user->pw_name) : NULL;
    struct approve a = {.d = {.verb = "approve",
                              .kind = "approval",
                              .job = "lineaged.approval",
                              .job_type = "APPROVAL",
                              .facet_key = "lineaged_approval",
                              .schema = RUN_FACET_SCHEMA("LineagedApprovalRunFacet"),
                              .write_facet = write_facet},
                        .verdict = "approved",
                        .by = by};
    a.d.arg = &a;
    a.evidence = calloc(EVIDENCE_MAX, sizeof *a.evidence);
    int result = CLI_NO;
    if (a.evidence == NULL)
        cli_say("approve: out of memory");
    else
        result = parse(argc, argv, &a);
    if (a.evidence != NULL && result == 0)
        result = a.is_verify ? decide_verify(a.d.runs, a.is_json) : approve(&a);
    free(a.evidence);
    free(by);
    return result < 0 ? CLI_YES : result;
}

/* ---- approvals ---- */

static int print_approvals(int http, struct ol__buf *answer, bool is_json)
{
    struct json_doc doc;
    struct ol_error err = {.message = ""};
    bool is_good = false;
    int result = question_print("approvals", http, answer, is_json, tree_approvals,
                                "nothing is recorded under that name");
    if (http != 200 || result != CLI_YES)
        return result;
    if (json_doc_read(&doc, (struct ol__span){answer->data, answer->size}, &err) != OL_OK)
        return CLI_NO;
    const char *verdict = json_get_text(doc.root, "verdict");
    is_good = verdict != NULL && strcmp(verdict, "approved") == 0;
    json_doc_release(&doc);
    return is_good ? CLI_YES : CLI_NO;
}

int verb_approvals(int argc, char **argv)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    bool is_json = false;
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (c == 'h') {
            puts("Usage: lineage approvals [--json] X\n"
                 "Who approved X: these bytes, or this version; a run; a deployment. A name "
                 "without\n"
                 "version means the version that stands now. The last word counts; waived is "
                 "approved.\n"
                 "\n"
                 "Exit status: 0 it is approved; 1 nobody approved it, or it was rejected; 2 "
                 "usage;\n"
                 "3 nothing is known by that name.");
            return CLI_YES;
        }
        if (c != 'j')
            return cli_usage("approvals", "see the message above");
        is_json = true;
    }
    if (optind + 1 != argc || argv[optind][0] == '\0')
        return cli_usage("approvals", "of what? expected one X");
    struct question q;
    struct place place;
    struct ol__buf answer;
    struct ol_error err = {.message = ""};
    int http = 0;
    question_init(&q, "approvals");
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    ol_status status = place_find(&place, &err);
    if (status == OL_OK)
        status = question_add_x(&q, argv[optind], &err);
    if (status == OL_OK)
        status = question_ask(&place, &q, &http, &answer, &err);
    int result =
        status == OL_OK ? print_approvals(http, &answer, is_json) : cli_fail(&place, status, &err);
    question_release(&q);
    place_release(&place);
    ol__buf_release(&answer);
    return result;
}
