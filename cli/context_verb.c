/* SPDX-License-Identifier: Apache-2.0 */
/* lineage context: what travels from a caller to what it calls (docs/context.md), as text. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include "cli.h"
#include "context.h"
#include "json_write.h"
#include "pipeline.h"

#define CONTEXT_MAX ((size_t)1 << 20)

/* The first three are headers of a call, in lower case. */
#define HEADERS 3
static const char *const names[] = {"TRACEPARENT",
                                    "TRACESTATE",
                                    "BAGGAGE",
                                    "OPENLINEAGE_PARENT_ID",
                                    "OPENLINEAGE_ROOT_PARENT_ID",
                                    "OPENLINEAGE_CONTEXT",
                                    "LINEAGE_RUN_ID",
                                    "LINEAGE_RUNS",
                                    "LINEAGE_STEP",
                                    "LINEAGE_ATTEMPT",
                                    "LINEAGE_TASK_ID",
                                    "LINEAGE_ATTEMPT_DIR"};

static const char *get(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static void print_help(void)
{
    puts(
        "Usage: lineage context print [--json | --format env|json|headers]\n"
        "       lineage context exec [OPTION]... [--] COMMAND [ARGUMENT]...\n"
        "What travels from a caller to what it calls: print that of this place, or run COMMAND in\n"
        "that of a call.\n"
        "\n"
        "      --format env         NAME=VALUE lines (default)\n"
        "      --format json        one object with these names\n"
        "      --format headers     'name: value' lines, as curl reads them\n"
        "\n"
        "      --traceparent TEXT, --tracestate TEXT, --baggage TEXT\n"
        "                           the headers of the call\n"
        "      --parent, --root NAMESPACE/NAME/UUID\n"
        "                           the run that calls, and the one at its top\n"
        "      --from-json FILE     all of it from an object, names as variables or headers; "
        "'-': standard input\n"
        "  -h, --help\n"
        "\n"
        "Exit status: of print 0, or 1 something here is malformed; of exec as COMMAND's, 2 the "
        "context is\n"
        "malformed, 126 not executable, 127 not found.");
}

/* ---- what is malformed ---- */

struct refusals {
    size_t count;
};

static void refuse(void *arg, const char *name, const char *expected)
{
    struct refusals *r = arg;
    bool is_ours = strncmp(name, "OPENLINEAGE_", 12) == 0 || strncmp(name, "TRACE", 5) == 0 ||
                   strncmp(name, "BAGGAGE", 7) == 0;
    if (!is_ours)
        return; /* a scheduler's: it does not travel */
    r->count++;
    cli_say("%s: %s", name, expected);
}

/* Names what of the environment is malformed. @return how much. */
static size_t check_environment(void)
{
    struct refusals refusals = {0};
    struct ol__context context = {.parent = {.job_namespace = NULL}};
    if (ol__context_read(refuse, &refusals, &context) == OL_NOMEM) {
        cli_say("out of memory");
        refusals.count++;
    }
    ol__context_release(&context);
    return refusals.count;
}

/* ---- print ---- */

static int put_header(void *arg, const char *key, const char *value)
{
    (void)arg;
    for (size_t i = 0; i < HEADERS; i++) {
        if (strcasecmp(key, names[i]) == 0)
            return setenv(names[i], value, 1);
    }
    return -1;
}

static const char *get_header(void *arg, const char *key)
{
    (void)arg;
    for (size_t i = 0; i < HEADERS; i++) {
        if (strcasecmp(key, names[i]) == 0)
            return get(names[i]);
    }
    return NULL;
}

static ol_status put_origin(const char *name, const struct ol__origin *origin)
{
    struct ol__buf text;
    ol__buf_init(&text, CONTEXT_MAX);
    ol__buf_add_format(&text, "%s/%s/%s", origin->job_namespace, origin->job_name, origin->run_id);
    ol_status status = text.status != OL_OK || setenv(name, text.data, 1) != 0 ? OL_NOMEM : OL_OK;
    ol__buf_release(&text);
    return status;
}

/* The headers that the run which stands in our environment would call with: a run that is not ours
 * is described as far as it calls, and nothing of it is emitted. */
static ol_status make_headers(struct ol_error *err)
{
    struct ol__origin parent = {.job_namespace = NULL}, root = {.job_namespace = NULL};
    const char *text = get("OPENLINEAGE_PARENT_ID"), *top = get("OPENLINEAGE_ROOT_PARENT_ID");
    struct pipeline_client how = {.is_quiet = &(bool){true}, .is_shown = true};
    struct ol_run *run = NULL;
    if (text == NULL || ol__origin_parse(text, &parent) != OL_OK)
        return OL_OK; /* nothing is known but what is there */
    if (top == NULL || ol__origin_parse(top, &root) != OL_OK ||
        strcmp(root.run_id, parent.run_id) == 0) {
        unsetenv("OPENLINEAGE_PARENT_ID");
        unsetenv("OPENLINEAGE_ROOT_PARENT_ID");
    } else if (put_origin("OPENLINEAGE_PARENT_ID", &root) != OL_OK) {
        ol__origin_release(&parent);
        ol__origin_release(&root);
        return ol__error_set(err, OL_NOMEM, "out of memory");
    }
    struct ol_client *client = pipeline_open_client_as(&how);
    ol_status status =
        client == NULL ? OL_OK
                       : ol_run_new(client,
                                    OL_MAKE(ol_run_options, .job_namespace = parent.job_namespace,
                                            .job_name = parent.job_name, .run_id = parent.run_id,
                                            .is_detached = true),
                                    &run, err);
    if (status == OL_OK && run != NULL && get("LINEAGE_RUN_ID") != NULL)
        OL_IGNORE(ol_run_set_ids(run, OL_MAKE(ol_ids, .run_id = get("LINEAGE_RUN_ID"),
                                              .step = get("LINEAGE_STEP"),
                                              .attempt = get("LINEAGE_ATTEMPT"))) < 0,
                  "the headers name the run itself");
    if (status == OL_OK && run != NULL)
        status =
            ol_context_inject(run, OL_MAKE(ol_carrier, .get = get_header, .put = put_header), err);
    ol_run_free(run);
    if (client != NULL)
        OL_IGNORE(ol_client_close(client, 0, NULL) < 0, "it has no events");
    if (put_origin("OPENLINEAGE_PARENT_ID", &parent) != OL_OK ||
        put_origin("OPENLINEAGE_ROOT_PARENT_ID", root.job_namespace != NULL ? &root : &parent) !=
            OL_OK)
        status = ol__error_set(err, OL_NOMEM, "out of memory");
    ol__origin_release(&parent);
    ol__origin_release(&root);
    return status == OL_PARTIAL ? OL_OK : status;
}

static void print_headers(void)
{
    for (size_t i = 0; i < HEADERS; i++) {
        if (get(names[i]) == NULL)
            continue;
        for (const char *s = names[i]; *s != '\0'; s++)
            putchar(*s - 'A' + 'a');
        printf(": %s\n", get(names[i]));
    }
}

static ol_status print_json(struct ol_error *err)
{
    struct ol__json_writer w;
    struct ol__buf out;
    ol__buf_init(&out, CONTEXT_MAX);
    ol__json_writer_init(&w, &out);
    ol__json_begin_object(&w);
    for (size_t i = 0; i < OL_COUNT(names); i++)
        ol__json_member_text_opt(&w, names[i], get(names[i]));
    ol__json_end_object(&w);
    ol__buf_add_char(&out, '\n');
    ol_status status = out.status;
    if (status == OL_OK)
        status = cli_write((struct ol__span){out.data, out.size}, err);
    else
        ol__error_set(err, status, "more than %zu bytes, or out of memory", CONTEXT_MAX);
    ol__buf_release(&out);
    return status;
}

static int print(int argc, char **argv)
{
    static const struct option options[] = {{"format", required_argument, NULL, 'f'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct ol_error err = {.message = "out of memory"};
    const char *format = "env";
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h') {
            print_help();
            return CLI_YES;
        }
        if (c != 'f' && c != 'j')
            return cli_usage("context", "see the message above");
        format = c == 'j' ? "json" : optarg;
    }
    bool is_env = strcmp(format, "env") == 0, is_json = strcmp(format, "json") == 0;
    if (!is_env && !is_json && strcmp(format, "headers") != 0)
        return cli_usage("context", "--format: '%.60s': expected env, json or headers", format);
    if (optind < argc)
        return cli_usage("context", "'%.60s': no argument is expected", argv[optind]);
    if (check_environment() > 0)
        return CLI_NO;
    ol_status status = make_headers(&err);
    if (status == OL_OK && is_json)
        status = print_json(&err);
    else if (status == OL_OK && !is_env)
        print_headers();
    for (size_t i = 0; status == OL_OK && is_env && i < OL_COUNT(names); i++) {
        if (get(names[i]) != NULL)
            printf("%s=%s\n", names[i], get(names[i]));
    }
    if (status == OL_OK)
        status = cli_write((struct ol__span){0}, &err);
    if (status != OL_OK)
        cli_say("%s", err.message);
    return status == OL_OK ? CLI_YES : CLI_NO;
}

/* ---- exec ---- */

static int take_json(const char *path)
{
    struct json_doc doc;
    struct ol__buf text;
    struct ol_error err = {.message = ""};
    int result = 0;
    bool is_stdin = strcmp(path, "-") == 0;
    ol__buf_init(&text, CONTEXT_MAX);
    ol_status status =
        ol__fs_read_file(&ol__fs_real, AT_FDCWD, is_stdin ? "/dev/stdin" : path, &text, &err);
    if (status == OL_OK)
        status = json_doc_read(&doc, (struct ol__span){.data = text.data, .size = text.size}, &err);
    ol__buf_release(&text);
    if (status != OL_OK)
        return cli_usage("context", "--from-json: '%.200s': %s", path, err.message);
    if (doc.root->type != OL_JSON_OBJECT)
        result = cli_usage("context", "--from-json: '%.200s': expected an object", path);
    for (const struct json_node *m = doc.root->first; result == 0 && m != NULL; m = m->next) {
        for (size_t i = 0; result == 0 && i < OL_COUNT(names); i++) {
            if (m->key == NULL || strcasecmp(m->key, names[i]) != 0)
                continue;
            if (m->type != OL_JSON_STRING)
                result = cli_usage("context", "--from-json: '%.200s': /%s: expected a string", path,
                                   m->key);
            else if (setenv(names[i], m->text, 1) != 0)
                result = cli_usage("context", "out of memory");
        }
    }
    json_doc_release(&doc);
    return result;
}

static int parse_exec(int argc, char **argv)
{
    static const struct option options[] = {{"traceparent", required_argument, NULL, 0},
                                            {"tracestate", required_argument, NULL, 1},
                                            {"baggage", required_argument, NULL, 2},
                                            {"parent", required_argument, NULL, 3},
                                            {"root", required_argument, NULL, 4},
                                            {"from-json", required_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int result = 0;
    for (int c; result == 0 && (c = getopt_long(argc, argv, "+h", options, NULL)) != -1;) {
        if (c == 'h') {
            print_help();
            return -1;
        }
        if (c == '?')
            return cli_usage("context", "see the message above");
        if (c == 'j')
            result = take_json(optarg);
        else if (setenv(names[c], optarg, 1) != 0)
            result = cli_usage("context", "out of memory");
    }
    if (result == 0 && optind >= argc)
        return cli_usage("context", "no command; expected: lineage context exec ... -- command");
    return result;
}

static int execute(int argc, char **argv)
{
    for (size_t i = 0; i < OL_COUNT(names); i++)
        unsetenv(names[i]); /* what we were called with is not what the command is called with */
    int result = parse_exec(argc, argv);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    if (check_environment() > 0)
        return cli_usage("context", "the context of the call is malformed");
    execvp(argv[optind], argv + optind);
    cli_say("%s: %s", argv[optind], strerror(errno));
    return errno == ENOENT ? 127 : 126;
}

int verb_context(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "print") == 0)
        return print(argc - 1, argv + 1);
    if (strcmp(word, "exec") == 0)
        return execute(argc - 1, argv + 1);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        print_help();
        return CLI_YES;
    }
    return cli_usage("context", "'%.60s': expected print or exec", word);
}
