/* SPDX-License-Identifier: Apache-2.0 */
/* Proves: what each kind of option takes and refuses, and that a table is read as getopt would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include <string.h>
#include "cli.h"
#include "options.h"
#include "run_files.h"
#include "run_options.h"

static void durations(void **state OL_UNUSED)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: it is none */
    } cases[] = {{"1ms", 1},       {"1.5s", 1500},     {"5m", 300000}, {"12h", 43200000},
                 {"1d", 86400000}, {"2w", 1209600000}, {"0s", 0},      {"", -1},
                 {"s", -1},        {"5", -1},          {"5 s", -1},    {"-5s", -1},
                 {"5sec", -1},     {"1e300d", -1},     {"nans", -1},   {"5y", -1}};
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        int64_t ms = -1;
        assert_int_equal(cli_duration_read(cases[i].text, 0, INT64_MAX / 2, &ms), cases[i].ms >= 0);
        assert_int_equal(ms, cases[i].ms);
    }
    int64_t ms = 7;
    assert_false(cli_duration_read("99ms", 100, 1000, &ms));
    assert_false(cli_duration_read("1001ms", 100, 1000, &ms));
    assert_true(cli_duration_read("1s", 100, 1000, &ms));
    assert_int_equal(ms, 1000);
}

struct taken {
    bool is_on;
    const char *word, *text, *any;
    int64_t number, duration, time;
    uint64_t size;
    struct run_pairs pairs;
    struct run_files files;
    int calls;
};

static const char *call(void *into, char *text)
{
    ((struct taken *)into)->calls++;
    return text != NULL && strcmp(text, "bad") == 0 ? "expected good" : NULL;
}

static int helped;
static void help(void)
{
    helped++;
}

#define AT(member) offsetof(struct taken, member)
static const struct cli_option table[] = {
    {"on", 'n', OPTION_FLAG, .offset = AT(is_on)},
    {"word", 0, OPTION_WORD, .offset = AT(word), .word = "FAIL"},
    {"text", 't', OPTION_TEXT, .offset = AT(text)},
    {"any", 0, OPTION_ANY_TEXT, .offset = AT(any)},
    {"number", 0, OPTION_NUMBER, .offset = AT(number), .least = 1, .most = 255},
    {"size", 0, OPTION_SIZE, .offset = AT(size)},
    {"duration", 0, OPTION_DURATION, .offset = AT(duration), .least = 1, .most = 60000},
    {"time", 0, OPTION_TIME, .offset = AT(time)},
    {"pair", 0, OPTION_PAIR, .offset = AT(pairs)},
    {"input", 'i', OPTION_INPUT, .offset = AT(files)},
    {"output", 'o', OPTION_OUTPUT, .offset = AT(files)},
    {"call", 0, OPTION_CALL, .call = call},
    {"call-flag", 0, OPTION_CALL_FLAG, .call = call},
    OPTION_END};

/* Reads `line`, words parted by one space, '_' for the empty word. */
static int read_line(const char *line, bool stops, struct taken *ret)
{
    static char text[1000];
    char *argv[32] = {text};
    int argc = 1;
    const struct cli_options options = {
        .verb = "try", .table = table, .help = help, .stops_at_words = stops};
    run_files_release(&ret->files);
    free(ret->pairs.items);
    *ret = (struct taken){.number = -1};
    snprintf(text, sizeof text, "try %s", line);
    for (char *word = strtok(text, " "); (word = strtok(NULL, " ")) != NULL;)
        argv[argc++] = strcmp(word, "_") == 0 ? word + 1 : word;
    optind = 0; /* glibc: begin anew */
    return cli_options_read(&options, argc, argv, ret);
}

static void kinds(void **state OL_UNUSED)
{
    struct taken t = {.number = 0};
    assert_int_equal(
        read_line("-n --word -t a --any _ --number 255 --size 2MiB --duration 1m --time "
                  "2026-02-04T18:41:12Z --pair a=1 --pair b=2 --pair a=3 -i x --output y "
                  "--call good --call-flag rest",
                  false, &t),
        0);
    assert_true(t.is_on);
    assert_string_equal(t.word, "FAIL");
    assert_string_equal(t.text, "a");
    assert_string_equal(t.any, "");
    assert_int_equal(t.number, 255);
    assert_int_equal(t.size, 2 << 20);
    assert_int_equal(t.duration, 60000);
    assert_int_equal(t.time, INT64_C(1770230472000));
    assert_int_equal(t.pairs.count, 2);
    assert_string_equal(t.pairs.items[0].value, "3"); /* the last counts */
    assert_int_equal(t.files.count, 2);
    assert_int_equal(t.calls, 2);
    static const char *const wrong[] = {
        "--text _",    "--number 0",    "--number 256", "--number 1x", "--number _",
        "--size many", "--duration 2m", "--duration 1", "--time now",  "--time 2026-02-04T18:41:12",
        "--pair a",    "--pair =a",     "--call bad",   "--unknown",   "-x",
        "--text",      "--on=yes"};
    for (size_t i = 0; i < OL_COUNT(wrong); i++)
        assert_int_equal(read_line(wrong[i], false, &t), CLI_USAGE);
    assert_int_equal(read_line("--help --number 0", false, &t), -1);
    assert_int_equal(read_line("-n -h", false, &t), -1);
    assert_int_equal(helped, 2);
    /* words end the options only where a command follows */
    assert_int_equal(read_line("word -n", false, &t), 0);
    assert_true(t.is_on);
    assert_int_equal(read_line("word -n", true, &t), 0);
    assert_false(t.is_on);
    run_files_release(&t.files);
    free(t.pairs.items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(durations), cmocka_unit_test(kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
