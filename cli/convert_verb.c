/* SPDX-License-Identifier: Apache-2.0 */
/* lineage convert: what a tool found out about data, as facets, and as a run where a dataset is
 * named.
 * Promises:
 *  1. Exit status 1 says that a check of severity error failed, whatever else is to be said;
 *     what cannot be read, or checked nothing where checks were expected, is 3: never a pass.
 *  2. A result is read whole and checked before anything is emitted. */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "convert/quality.h"
#include "files.h"
#include "json_write.h"
#include "pipeline.h"
#include "pretty.h"
#include "run_files.h"
#include "times.h"

#define OUTPUT_MAX ((size_t)64 << 20)

static const char *const keys[QUALITY_KEYS] = {QUALITY_ASSERTIONS, QUALITY_METRICS,
                                               QUALITY_FIGURES};
static const struct {
    const char *name;
    ol_status (*read)(const struct json_node *root, struct quality *q, struct ol_error *err);
    bool has_checks; /**< one without any has checked nothing */
} formats[] = {{"great-expectations", convert_great_expectations, true},
               {"evidently", convert_evidently, false}};

struct convert {
    size_t format;
    const char *path, *dataset, *facet, *job, *job_namespace;
    bool is_json, is_report_only, is_quiet;
    struct quality quality;
    size_t failed, warned;
    char run_id[OL_ID_SIZE]; /* "" until it is emitted */
};

static void print_help(void)
{
    puts(
        "Usage: lineage convert great-expectations|evidently [OPTION]... RESULT.json\n"
        "What a validation or checkpoint of Great Expectations (0.18, 1), or a report or test "
        "suite of\n"
        "Evidently (0.4 to 0.7), found out: its checks, and figures about columns.\n"
        "\n"
        "      --dataset FILE|URI   record it as a run that read this, with the facets "
        "dataQualityAssertions\n"
        "                           and dataQualityMetrics; others stand in lineaged_metrics\n"
        "      --job NAME           job name; default: the tool's, and its suite\n"
        "      --namespace NAME     job namespace; default: OPENLINEAGE_NAMESPACE, else 'default'\n"
        "      --facet KEY          print that facet alone, for lineage run --facet\n"
        "      --asset NAME         of a checkpoint with several data assets, this one\n"
        "      --report-only        exit with 0 though a check failed\n"
        "      --json\n"
        "  -q, --quiet              print nothing\n"
        "  -h, --help\n"
        "\n"
        "Exit status: 0 all checks hold, but for warnings; 1 one failed; 2 usage, or no such "
        "result;\n"
        "3 nothing was checked.");
}

/* ---- The result ---- */

/** Python writes NaN and Infinity, which are no JSON: they become null. */
static ol_status without_nan(const struct ol__buf *text, struct ol__buf *out)
{
    static const char *const words[] = {"-Infinity", "Infinity", "NaN"};
    bool is_text = false;
    size_t done = 0;
    for (size_t i = 0; i < text->size; i++) {
        const char *at = text->data + i;
        if (is_text && *at == '\\') {
            i++;
            continue;
        }
        if (*at == '"')
            is_text = !is_text;
        for (size_t k = 0; !is_text && k < OL_COUNT(words); k++) {
            size_t size = strlen(words[k]);
            if (text->size - i < size || memcmp(at, words[k], size) != 0)
                continue;
            ol__buf_add(out, text->data + done, i - done);
            ol__buf_add_text(out, "null");
            done = i + size;
            i = done - 1;
            break;
        }
    }
    return ol__buf_add(out, text->data + done, text->size - done);
}

static ol_status read_result(struct convert *c, struct json_doc *doc, struct ol_error *err)
{
    struct ol__buf raw, text;
    struct ol_error why = {.message = "out of memory"};
    ol__buf_init(&raw, QUALITY_FILE_MAX);
    ol__buf_init(&text, QUALITY_FILE_MAX * 2);
    ol_status status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, c->path, &raw, err);
    if (status == OL_OK) {
        status = without_nan(&raw, &text);
        if (status == OL_OK)
            status =
                json_doc_read(doc, (struct ol__span){.data = text.data, .size = text.size}, &why);
    }
    bool is_read = err->message[0] == '\0';
    ol__buf_release(&raw);
    ol__buf_release(&text);
    if (!is_read)
        return status;
    if (status != OL_OK)
        return ol__error_set(err, status, "'%s': not JSON: %s", c->path, why.message);
    status = formats[c->format].read(doc->root, &c->quality, &why);
    if (status != OL_OK) {
        json_doc_release(doc);
        return ol__error_set(err, status, "'%s': %s", c->path, why.message);
    }
    for (size_t i = 0; i < c->quality.assertion_count; i++) {
        const struct quality_assertion *a = &c->quality.assertions[i];
        c->failed += !a->success && !a->is_warning;
        c->warned += !a->success && a->is_warning;
    }
    return OL_OK;
}

static int verdict(const struct convert *c)
{
    if (c->quality.assertion_count == 0 && formats[c->format].has_checks) {
        if (!c->is_quiet)
            cli_say("'%s': nothing was checked", c->path);
        return CLI_NOT_KNOWN;
    }
    return c->failed > 0 && !c->is_report_only ? CLI_NO : CLI_YES;
}

/* ---- A run of it ---- */

static void set_facets(const struct convert *c, struct ol_run *run, struct ol_dataset *dataset)
{
    for (size_t i = 0; i < OL_COUNT(keys); i++) {
        struct ol__buf facet;
        ol__buf_init(&facet, OUTPUT_MAX);
        if (quality_write_facet(&c->quality, keys[i], &facet))
            OL_IGNORE(strcmp(keys[i], QUALITY_FIGURES) == 0
                          ? ol_run_set_facet_json(run, keys[i], NULL, facet.data, facet.size) < 0
                          : ol_dataset_set_side_facet_json(dataset, keys[i], NULL, facet.data,
                                                           facet.size) < 0,
                      "emit reports it");
        ol__buf_release(&facet);
    }
    OL_IGNORE(ol_job_set_job_type(ol_run_job(run),
                                  OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                          .integration = "LINEAGE", .job_type = "CHECK")) < 0,
              "emit reports it");
    if (c->failed > 0)
        OL_IGNORE(ol_run_set_error_message(run, OL_MAKE(ol_error_message,
                                                        .message = "checks of the data failed",
                                                        .programming_language = "JSON")) < 0,
                  "emit reports it");
}

/** @return whether it was recorded, or nothing is to be. */
static bool emit(struct convert *c)
{
    struct run_files files = {.hash_limit = (uint64_t)1 << 30};
    struct ol_error err = {.message = "out of memory"};
    struct ol_run *run = NULL;
    struct pipeline_client how = {.job_namespace = c->job_namespace, .is_quiet = &c->is_quiet};
    const struct quality *q = &c->quality;
    char name[300];
    snprintf(name, sizeof name, "%s%s%.200s", q->tool, q->suite != NULL ? "." : "",
             q->suite != NULL ? q->suite : "");
    struct ol_client *client = pipeline_open_client_as(&how);
    ol_status status = client == NULL ? OL_DISABLED : run_files_add(&files, RUN_INPUT, c->dataset);
    if (status == OL_OK)
        status =
            ol_run_new(client, OL_MAKE(ol_run_options, .job_name = c->job != NULL ? c->job : name),
                       &run, &err);
    if (status == OL_OK) {
        run_files_declare(&files, run);
        run_files_open_inputs(&files);
        if (run_files_has_inputs(&files))
            run_files_hash_inputs(&files);
        run_files_hash_outputs(&files, c->is_quiet);
        run_files_set_versions(&files);
        set_facets(c, run, files.items[0].dataset);
        pipeline_emit(run, OL_START, q->time_ms, c->is_quiet);
        pipeline_emit(run, verdict(c) == CLI_NO ? OL_FAIL : OL_COMPLETE, q->time_ms, c->is_quiet);
        snprintf(c->run_id, sizeof c->run_id, "%s", ol_run_id(run));
    } else if (client != NULL) {
        cli_say("nothing will be recorded: %s", err.message);
    }
    ol_run_free(run);
    run_files_release(&files);
    if (client != NULL)
        OL_IGNORE(ol_client_close(client, 0, NULL) < 0, "its events are handed over or were said");
    return status == OL_OK || (client == NULL && !how.has_failed);
}

/* ---- Output ---- */

static void write_json(const struct convert *c, struct ol__buf *out)
{
    const struct quality *q = &c->quality;
    struct ol__json_writer w;
    char time[OL_TIME_TEXT + 1];
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "tool", q->tool);
    ol__json_member_text_opt(&w, "version", q->version);
    ol__json_member_text_opt(&w, "suite", q->suite);
    if (q->time_ms != 0) {
        ol__time_format(q->time_ms, time);
        ol__json_member_text(&w, "time", time);
    }
    ol__json_member_text_opt(&w, "run_id", c->run_id[0] != '\0' ? c->run_id : NULL);
    ol__json_member_uint(&w, "checked", q->assertion_count);
    ol__json_member_uint(&w, "failed", c->failed);
    ol__json_member_uint(&w, "warned", c->warned);
    ol__json_key(&w, "facets");
    ol__json_begin_object(&w);
    for (size_t i = 0; i < OL_COUNT(keys); i++) {
        struct ol__buf facet;
        ol__buf_init(&facet, OUTPUT_MAX);
        if (quality_write_facet(q, keys[i], &facet) && facet.status == OL_OK) {
            ol__json_key(&w, keys[i]);
            ol__json_raw(&w, (struct ol__span){.data = facet.data, .size = facet.size});
        }
        if (facet.status != OL_OK && out->status == OL_OK)
            out->status = facet.status;
        ol__buf_release(&facet);
    }
    ol__json_end_object(&w);
    ol__json_end_object(&w);
    ol__buf_add_char(out, '\n');
}

static void write_text(const struct convert *c, struct pretty *p)
{
    const struct quality *q = &c->quality;
    enum { RESULT, COLUMN, CHECK, EXPECTED, ACTUAL, COLUMNS };
    struct ol__arena arena = {.first = NULL};
    struct pretty_table table = {.arena = &arena,
                                 .columns = COLUMNS,
                                 .heads = {"RESULT", "COLUMN", "CHECK", "EXPECTED", "ACTUAL"},
                                 .flexible = EXPECTED};
    for (size_t i = 0; i < q->assertion_count; i++) {
        const struct quality_assertion *a = &q->assertions[i];
        const char **row = pretty_table_row(&table);
        if (row == NULL) {
            p->out->status = OL_NOMEM;
            break;
        }
        row[RESULT] = a->success ? "ok" : a->is_warning ? "warn" : "FAIL";
        row[COLUMN] = a->column;
        row[CHECK] = a->assertion;
        row[EXPECTED] = a->expected;
        row[ACTUAL] = a->actual;
    }
    if (table.count > 0)
        pretty_table_print(p, &table, 0);
    pretty_table_release(&table);
    ol__arena_reset(&arena, 0);
    pretty_text(p, c->failed > 0 ? PRETTY_BAD : PRETTY_GOOD,
                c->failed > 0            ? "failed"
                : q->assertion_count > 0 ? "passed"
                                         : "no verdict");
    ol__buf_add_format(p->out, ": %zu checks, %zu failed, %zu warnings; %zu columns, %zu figures\n",
                       q->assertion_count, c->failed, c->warned, q->column_count, q->metric_count);
}

/** @return what to exit with. */
static int print(const struct convert *c)
{
    struct ol__buf out;
    struct pretty p;
    bool has_any = true;
    ol__buf_init(&out, OUTPUT_MAX);
    pretty_init(&p, &out);
    if (c->facet != NULL) {
        has_any = quality_write_facet(&c->quality, c->facet, &out);
        ol__buf_add_text(&out, has_any ? "\n" : "");
    } else if (c->is_json) {
        write_json(c, &out);
    } else if (!c->is_quiet) {
        write_text(c, &p);
    }
    bool is_written = pretty_flush(&p);
    ol__buf_release(&out);
    if (!is_written)
        return CLI_NO;
    if (has_any)
        return verdict(c);
    cli_say("'%s' has nothing for %s", c->path, c->facet);
    return CLI_NOT_KNOWN;
}

/* ---- The verb ---- */

static int check(struct convert *c, int argc, char **argv)
{
    const char *what = optind < argc ? argv[optind++] : "";
    while (c->format < OL_COUNT(formats) && strcmp(what, formats[c->format].name) != 0)
        c->format++;
    if (c->format == OL_COUNT(formats))
        return cli_usage("convert", "'%.60s': expected great-expectations or evidently", what);
    if (optind + 1 != argc)
        return cli_usage("convert", "expected one RESULT.json");
    c->path = argv[optind];
    bool is_known = c->facet == NULL;
    for (size_t i = 0; i < OL_COUNT(keys); i++)
        is_known = is_known || strcmp(c->facet, keys[i]) == 0;
    if (!is_known)
        return cli_usage("convert", "--facet '%.60s': expected %s, %s or %s", c->facet, keys[0],
                         keys[1], keys[2]);
    if (c->dataset == NULL && (c->job != NULL || c->job_namespace != NULL))
        return cli_usage("convert", "--job and --namespace are of a run: expected --dataset");
    return 0;
}

static int parse(int argc, char **argv, struct convert *c)
{
    static const struct option options[] = {{"dataset", required_argument, NULL, 'd'},
                                            {"job", required_argument, NULL, 'b'},
                                            {"namespace", required_argument, NULL, 'n'},
                                            {"facet", required_argument, NULL, 'f'},
                                            {"asset", required_argument, NULL, 'a'},
                                            {"report-only", no_argument, NULL, 'r'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int code; (code = getopt_long(argc, argv, "qh", options, NULL)) != -1;) {
        const char **text = code == 'd'   ? &c->dataset
                            : code == 'b' ? &c->job
                            : code == 'n' ? &c->job_namespace
                            : code == 'f' ? &c->facet
                            : code == 'a' ? &c->quality.asset
                                          : NULL;
        if (text != NULL && optarg[0] == '\0')
            return cli_usage("convert", "an option must not be empty");
        if (code == 'h') {
            print_help();
            return -1;
        }
        if (code == '?')
            return cli_usage("convert", "see the message above");
        if (text != NULL)
            *text = optarg;
        c->is_report_only = c->is_report_only || code == 'r';
        c->is_json = c->is_json || code == 'j';
        c->is_quiet = c->is_quiet || code == 'q';
    }
    return check(c, argc, argv);
}

int verb_convert(int argc, char **argv)
{
    struct convert c = {.format = 0};
    struct json_doc doc;
    struct ol_error err = {.message = ""};
    int result = parse(argc, argv, &c);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    ol_status status = read_result(&c, &doc, &err);
    if (status == OL_OK) { /* promise 2 */
        bool is_recorded = c.dataset == NULL || emit(&c);
        result = print(&c);
        if (!is_recorded && result == CLI_YES)
            result = CLI_NO;
        json_doc_release(&doc);
    } else {
        cli_say("%s", err.message);
        result = status == OL_NOT_FOUND || status == OL_INVALID || status == OL_DENIED ||
                         status == OL_TOO_LARGE
                     ? CLI_USAGE
                     : CLI_NO;
    }
    quality_release(&c.quality);
    return result;
}
