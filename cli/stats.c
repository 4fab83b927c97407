/* SPDX-License-Identifier: Apache-2.0 */
/* lineage stats: how much is recorded, and what became of it. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "options.h"
#include "question.h"
#include "tree.h"
#include "when.h"

static const char help[] =
    "Usage: lineage stats [--limit N] [--json]\n"
    "Counts, size and growth of the store; jobs with the most runs, how often the last 100 runs "
    "of\n"
    "each failed and how long they took; namespaces; who told of the newest 10,000 runs.\n"
    "\n"
    "      --limit N            jobs that are listed, 200 at most; default 20\n"
    "\n"
    "Exit status: 0 yes, 1 failed, 2 usage, 3 not known.";

#define CELL 32

static const char *cell(struct ol__arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = ol__arena_alloc(arena, size);
    return copy != NULL ? memcpy(copy, text, size) : "";
}

static const char *number(struct ol__arena *arena, const struct json_node *node, const char *key)
{
    const char *text = json_get_text(node, key);
    return cell(arena, text != NULL ? text : "-");
}

static const char *percent(struct ol__arena *arena, const struct json_node *node)
{
    char text[CELL];
    const char *rate = json_get_text(node, "failure_rate");
    if (rate == NULL)
        return "-";
    snprintf(text, sizeof text, "%.1f %%", strtod(rate, NULL) * 100);
    return cell(arena, text);
}

static const char *took(struct ol__arena *arena, const struct json_node *job, const char *key)
{
    char text[CELL];
    int64_t ms = json_get_int(json_get(job, "duration_ms"), key, -1);
    if (ms < 0)
        return "-";
    when_shown(ms, text, sizeof text);
    return cell(arena, text);
}

/* Their number by state; of the rate of failures a percentage. */
static void write_runs(struct pretty *p, const struct json_node *runs)
{
    struct ol__arena arena = {0};
    ol__buf_add_text(p->out, "runs\n");
    for (const struct json_node *n = runs->first; n != NULL; n = n->next) {
        bool is_rate = strcmp(n->key, "failure_rate") == 0;
        ol__buf_add_format(p->out, "  %-12s  ", is_rate ? "failed" : n->key);
        pretty_text(p, PRETTY_PLAIN,
                    is_rate ? percent(&arena, runs) : number(&arena, runs, n->key));
        ol__buf_add_text(p->out, is_rate ? " of those that ended\n" : "\n");
    }
    ol__arena_reset(&arena, 0);
}

static void write_jobs(struct pretty *p, const struct json_node *root)
{
    struct ol__arena arena = {0};
    struct pretty_table table = {
        .arena = &arena,
        .columns = 7,
        .heads = {"JOB", "NAMESPACE", "RUNS", "FAILED", "MEDIAN", "95 %", "MAX"},
        .is_right = {false, false, true, true, true, true, true},
        .flexible = 0};
    for (const struct json_node *j = json_get_items(root, "jobs"); j != NULL; j = j->next) {
        const char **row = pretty_table_row(&table);
        if (row == NULL)
            break;
        row[0] = json_get_text(j, "name");
        row[1] = json_get_text(j, "namespace");
        row[2] = number(&arena, j, "runs");
        row[3] = percent(&arena, j);
        row[4] = took(&arena, j, "median");
        row[5] = took(&arena, j, "p95");
        row[6] = took(&arena, j, "max");
    }
    if (table.count > 0) {
        ol__buf_add_char(p->out, '\n');
        pretty_table_print(p, &table, 0);
    }
    pretty_table_release(&table);
    ol__arena_reset(&arena, 0);
}

static void write_list(struct pretty *p, const struct json_node *root, const char *name,
                       const char *const *keys, const char *const *heads, size_t columns)
{
    struct ol__arena arena = {0};
    struct pretty_table table = {.arena = &arena, .columns = columns, .flexible = 0};
    for (size_t i = 0; i < columns; i++) {
        table.heads[i] = heads[i];
        table.is_right[i] = i > 0;
    }
    for (const struct json_node *n = json_get_items(root, name); n != NULL; n = n->next) {
        const char **row = pretty_table_row(&table);
        for (size_t i = 0; row != NULL && i < columns; i++)
            row[i] = i == 0 ? json_get_text(n, keys[i]) : number(&arena, n, keys[i]);
    }
    if (table.count > 0) {
        ol__buf_add_char(p->out, '\n');
        pretty_table_print(p, &table, 0);
    }
    pretty_table_release(&table);
    ol__arena_reset(&arena, 0);
}

static ol_status render(struct pretty *p, const struct json_node *root, struct ol_error *err)
{
    static const char *const days[] = {"day", "runs"}, *const day_heads[] = {"DAY", "RUNS"};
    static const char *const spaces[] = {"namespace", "datasets", "jobs"};
    static const char *const space_heads[] = {"NAMESPACE", "DATASETS", "JOBS"};
    static const char *const producers[] = {"producer", "runs"};
    static const char *const producer_heads[] = {"PRODUCER", "RUNS"};
    const struct json_node *runs = json_get(root, "runs"), *counts = json_get(root, "counts");
    if (runs == NULL)
        return ol__error_set(err, OL_INVALID, "the answer has no runs");
    write_runs(p, runs);
    if (counts != NULL) {
        ol__buf_add_text(p->out, "store\n");
        pretty_sections(p, counts, 2);
        ol__buf_add_format(p->out, "  %.1f MB, of which %.1f MB are free\n",
                           (double)json_get_int(json_get(root, "size"), "bytes", 0) / 1e6,
                           (double)json_get_int(json_get(root, "size"), "free_bytes", 0) / 1e6);
    }
    write_jobs(p, root);
    write_list(p, root, "namespaces", spaces, space_heads, 3);
    write_list(p, root, "producers", producers, producer_heads, 2);
    write_list(p, root, "days", days, day_heads, 2);
    if (json_get_bool(root, "truncated"))
        ol__buf_add_text(p->out, "(not everything was counted in time)\n");
    return p->out->status == OL_OK ? OL_OK
                                   : ol__error_set(err, p->out->status, "the answer: %s",
                                                   ol__status_name(p->out->status));
}

struct options {
    const char *limit; /* the store checks it */
    bool is_json;
};

static void print_help(void)
{
    puts(help);
}

static const struct cli_option table[] = {
    {"limit", 0, OPTION_ANY_TEXT, .offset = offsetof(struct options, limit)},
    {"json", 0, OPTION_FLAG, .offset = offsetof(struct options, is_json)},
    OPTION_END};

int verb_stats(int argc, char **argv)
{
    static const struct cli_options options = {.verb = "stats", .table = table, .help = print_help};
    struct options o = {.limit = NULL};
    struct question q;
    int result = cli_options_read(&options, argc, argv, &o);
    if (result != 0)
        return result < 0 ? CLI_YES : result;
    if (optind < argc)
        return cli_usage("stats", "'%s': no argument is expected", argv[optind]);
    question_init(&q, "stats");
    question_add(&q, "limit", o.limit);
    return question_run(&q, o.is_json, render, "nothing is recorded yet");
}
