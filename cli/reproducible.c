/* SPDX-License-Identifier: Apache-2.0 */
/* lineage reproducible: can X, and what led to it, be made again? */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "question.h"
#include "reproduce/answer.h"

#define OUTPUT_MAX ((size_t)256 << 20)

static const char help[] =
    "Usage: lineage reproducible [OPTION]... X\n"
    "Can X be made again, with all that led to it? Three verdicts: it can be rebuilt; it is\n"
    "documented only; it cannot; with what is missing of each run.\n"
    "\n"
    "      --policy FILE        what has to be known (YAML; default: --print-policy)\n"
    "      --print-policy       print the default policy, as a file to begin with\n"
    "      --require LEVEL      what is enough for exit status 0: rebuild (default) or documented\n"
    "      --runs DIR           the runs folder, for receipts and kept content; default:\n"
    "                           LINEAGE_RUNS, else runs\n"
    "      --depth N, --limit N how far upstream (default 20), how many runs (default 200)\n"
    "      --json\n"
    "  -h, --help\n"
    "\n"
    "X is a dataset name, a URI, a file path, a job (NAME or NAMESPACE/NAME) or a run id.\n"
    "Exit status: 0 it can be rebuilt (--require documented: or is documented); 1 not; 2 usage, "
    "or\n"
    "the policy is wrong; 3 not known: nothing of that name, or no run is known that made it.";

struct options {
    const char *x, *policy, *runs, *depth, *limit;
    enum repro_state require;
    bool is_json;
};

static int parse(int argc, char **argv, struct options *o)
{
    enum { POLICY = 256, PRINT, REQUIRE, RUNS, DEPTH, LIMIT, JSON };
    static const struct option options[] = {{"policy", required_argument, NULL, POLICY},
                                            {"print-policy", no_argument, NULL, PRINT},
                                            {"require", required_argument, NULL, REQUIRE},
                                            {"runs", required_argument, NULL, RUNS},
                                            {"depth", required_argument, NULL, DEPTH},
                                            {"limit", required_argument, NULL, LIMIT},
                                            {"json", no_argument, NULL, JSON},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    o->require = REPRO_REBUILD;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case POLICY:
            o->policy = optarg;
            break;
        case PRINT:
            fputs(repro_policy_text(), stdout);
            return -1;
        case REQUIRE:
            if (strcmp(optarg, "rebuild") != 0 && strcmp(optarg, "documented") != 0)
                return cli_usage("reproducible",
                                 "--require: '%.60s': expected rebuild or documented", optarg);
            o->require = optarg[0] == 'r' ? REPRO_REBUILD : REPRO_DOCUMENTED;
            break;
        case RUNS:
            o->runs = optarg;
            break;
        case DEPTH:
            o->depth = optarg;
            break;
        case LIMIT:
            o->limit = optarg;
            break;
        case JSON:
            o->is_json = true;
            break;
        case 'h':
            puts(help);
            return -1;
        default:
            return cli_usage("reproducible", "see the message above");
        }
    }
    if (optind < argc)
        o->x = argv[optind++];
    if (optind < argc)
        return cli_usage("reproducible", "'%.60s': only one at a time", argv[optind]);
    if (o->x == NULL || o->x[0] == '\0')
        return cli_usage("reproducible", "of what? expected a dataset, file, job or run");
    return 0;
}

static ol_status print(const struct repro_case *c, const struct json_node *root, bool is_json,
                       struct ol_error *err)
{
    struct ol__buf text;
    struct pretty p;
    ol__buf_init(&text, OUTPUT_MAX);
    const struct json_node *subject = json_get(root, "subject");
    if (is_json) {
        OL_IGNORE(repro_write_json(c, subject, &text) != OL_OK, "the buffer says it");
    } else if (c->count > 0) {
        pretty_init(&p, &text);
        repro_write_text(c, subject, &p);
    }
    ol_status status = text.status;
    if (status != OL_OK)
        status = ol__error_set(err, status, "the answer: %s", ol_status_name(status));
    else
        status = cli_write((struct ol__span){text.data, text.size}, err);
    ol__buf_release(&text);
    return status;
}

static int judge(const struct options *o, const struct repro_policy *policy, struct ol__span answer)
{
    struct json_doc doc;
    struct repro_case c = {.runs = NULL};
    struct ol_error err = {.message = "out of memory"};
    char *runs = NULL;
    int result = CLI_NO;
    ol_status status = json_doc_read(&doc, answer, &err);
    if (status != OL_OK) {
        cli_say("%s", err.message);
        return CLI_NO;
    }
    status = receipt_find_runs(o->runs, &runs, &err);
    if (status == OL_OK)
        status = repro_judge(&c, doc.root, policy, runs, &err);
    if (status == OL_OK)
        status = print(&c, doc.root, o->is_json, &err);
    if (status != OL_OK) {
        cli_say("%s", err.message);
    } else if (c.count == 0) {
        cli_say("no run is recorded that made '%s'", o->x);
        result = CLI_NOT_KNOWN;
    } else if (c.state < o->require) {
        result = CLI_NO;
    } else {
        if (c.is_cut)
            cli_say("what lies further upstream was not looked at (--depth, --limit)");
        result = c.is_cut ? CLI_NOT_KNOWN : CLI_YES;
    }
    repro_case_release(&c);
    json_doc_release(&doc);
    free(runs);
    return result;
}

static int ask(const struct options *o, const struct repro_policy *policy)
{
    struct place place;
    struct question q;
    struct ol_error err = {.message = ""};
    struct ol__buf answer;
    char root[OL_ID_SIZE];
    int status = 0;
    const char *x = o->x;
    if (receipt_is_run_id(x) && ol_id_from_foreign(NULL, x, root, NULL) == OL_OK)
        x = root; /* of receipts: the run as a whole has the same digits in events */
    question_init(&q, "reproducible");
    ol__buf_init(&answer, CLIENT_ANSWER_MAX);
    question_add(&q, "depth", o->depth);
    question_add(&q, "limit", o->limit);
    ol_status st = place_find(&place, &err);
    if (st == OL_OK)
        st = question_add_x(&q, x, &err);
    if (st == OL_OK)
        st = question_ask(&place, &q, &status, &answer, &err);
    int result = st != OL_OK     ? cli_fail(&place, st, &err)
                 : status != 200 ? question_print("reproducible", status, &answer, o->is_json, NULL,
                                                  "nothing is recorded under this name or content")
                                 : judge(o, policy, (struct ol__span){answer.data, answer.size});
    question_release(&q);
    place_release(&place);
    ol__buf_release(&answer);
    return result;
}

int verb_reproducible(int argc, char **argv)
{
    struct options o = {0};
    struct repro_policy policy;
    struct ol_error err = {.message = ""};
    int result = parse(argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    ol_status status = repro_policy_read(o.policy, &policy, &err);
    if (status != OL_OK) {
        cli_say("%s", err.message);
        return status == OL_NOMEM ? CLI_NO : CLI_USAGE;
    }
    result = ask(&o, &policy);
    repro_policy_release(&policy);
    return result;
}
