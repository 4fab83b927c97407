/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli.h"
#include "run_files.h"
#include "run_options.h"
#include "times.h"

#define CODE_BASE 256 /* of options without a letter: their place in the table is added */
static const char no_memory[] = "out of memory";

bool cli_duration_read(const char *text, int64_t least, int64_t most, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                 {"h", 3600000}, {"d", 86400000}, {"w", INT64_C(7) * 86400000}};
    char *end;
    errno = 0;
    double n = strtod(text, &end);
    if (text[0] < '0' || text[0] > '9' || errno != 0)
        return false;
    for (size_t i = 0; i < OL_COUNT(units); i++) {
        double ms = n * (double)units[i].ms;
        if (strcmp(end, units[i].unit) == 0 && ms >= (double)least && ms <= (double)most) {
            *ret_ms = (int64_t)ms;
            return true;
        }
    }
    return false;
}

static const char *expected_range(const struct cli_option *o)
{
    static char text[100]; /* until it is said, at once */
    if (o->expected != NULL)
        return o->expected;
    if (o->kind == OPTION_NUMBER)
        snprintf(text, sizeof text, "expected %lld to %lld", (long long)o->least,
                 (long long)o->most);
    else
        snprintf(text, sizeof text, "expected a duration, e.g. 200ms, 60s, 5m, 12h, 30d, 2w");
    return text;
}

static const char *read_number(const struct cli_option *o, const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || n < o->least || n > o->most)
        return expected_range(o);
    *ret = n;
    return NULL;
}

static const char *read_time(const char *text, int64_t *ret)
{
    bool has_zone = false;
    if (ol__time_parse(ol__span_text(text), ret, &has_zone) != OL_OK || !has_zone || *ret == 0)
        return "expected a time with its zone, e.g. 2026-02-04T18:41:12Z";
    return NULL;
}

static const char *add_file(struct run_files *files, enum run_side side, const char *text)
{
    ol_status status = run_files_add(files, side, text);
    return status == OL_OK          ? NULL
           : status == OL_TOO_LARGE ? "more than 10000 inputs and outputs"
                                    : no_memory;
}

/* @return NULL, or what is wrong. */
static const char *take(const struct cli_option *o, char *text, void *into)
{
    void *field = (char *)into + o->offset;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return NULL;
    case OPTION_WORD:
        *(const char **)field = o->word;
        return NULL;
    case OPTION_TEXT:
    case OPTION_ANY_TEXT:
        *(const char **)field = text;
        return text[0] != '\0' || o->kind == OPTION_ANY_TEXT ? NULL : "it must not be empty";
    case OPTION_NUMBER:
        return read_number(o, text, field);
    case OPTION_SIZE:
        return run_files_parse_size(text, field) ? NULL
                                                 : "is no size; expected e.g. 0, 64MiB, 2GiB";
    case OPTION_DURATION:
        return cli_duration_read(text, o->least, o->most, field) ? NULL : expected_range(o);
    case OPTION_TIME:
        return read_time(text, field);
    case OPTION_PAIR:
        return run_pairs_add(field, text);
    case OPTION_INPUT:
    case OPTION_OUTPUT:
        return add_file(field, o->kind == OPTION_INPUT ? RUN_INPUT : RUN_OUTPUT, text);
    case OPTION_CALL:
    case OPTION_CALL_FLAG:
        return o->call(into, text);
    }
    return "see the message above";
}

static bool has_argument(const struct cli_option *o)
{
    return o->kind != OPTION_FLAG && o->kind != OPTION_WORD && o->kind != OPTION_CALL_FLAG;
}

/* The table as getopt wants it. */
static void prepare(const struct cli_options *options, struct option longs[OPTIONS_MAX + 2],
                    char letters[2 * OPTIONS_MAX + 3])
{
    size_t count = 0, at = 0;
    if (options->stops_at_words)
        letters[at++] = '+';
    for (const struct cli_option *o = options->table; o->name != NULL && count < OPTIONS_MAX; o++) {
        longs[count++] = (struct option){
            .name = o->name,
            .has_arg = has_argument(o) ? required_argument : no_argument,
            .val = o->letter != 0 ? o->letter : CODE_BASE + (int)(o - options->table)};
        if (o->letter == 0)
            continue;
        letters[at++] = o->letter;
        if (has_argument(o))
            letters[at++] = ':';
    }
    letters[at++] = 'h';
    letters[at] = '\0';
    longs[count++] = (struct option){.name = "help", .val = 'h'};
    longs[count] = (struct option){.name = NULL};
}

static const struct cli_option *find(const struct cli_option *table, int code)
{
    if (code >= CODE_BASE)
        return &table[code - CODE_BASE];
    for (; table->name != NULL; table++)
        if (table->letter != 0 && table->letter == code)
            return table;
    return NULL;
}

int cli_options_read(const struct cli_options *options, int argc, char **argv, void *into)
{
    struct option longs[OPTIONS_MAX + 2];
    char letters[2 * OPTIONS_MAX + 3];
    prepare(options, longs, letters);
    for (int c; (c = getopt_long(argc, argv, letters, longs, NULL)) != -1;) {
        if (c == 'h') {
            options->help();
            return -1;
        }
        const struct cli_option *o = find(options->table, c);
        if (o == NULL)
            return cli_usage(options->verb, "see the message above"); /* getopt has said it */
        const char *problem = take(o, optarg, into);
        if (problem == no_memory || (problem != NULL && strcmp(problem, no_memory) == 0)) {
            cli_say("%s", no_memory);
            return CLI_NO;
        }
        if (problem != NULL)
            return cli_usage(options->verb, "--%s: '%.60s': %s", o->name,
                             optarg != NULL ? optarg : "", problem);
    }
    return 0;
}
