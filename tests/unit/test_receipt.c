/* SPDX-License-Identifier: Apache-2.0 */
/* The small parts of receipts (spec/RECEIPT.md): names, ids, what is redacted, how JSON is laid
 * out. The folder as a whole is tests/e2e/test_receipts.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "receipt/check.h"
#include "receipt/record.h"

static void run_ids_are_dated_and_never_repeat(void **state)
{
    char id[RECEIPT_RUN_ID_SIZE], other[RECEIPT_RUN_ID_SIZE], uuid[OL_ID_SIZE];
    (void)state;
    receipt_make_run_id(id);
    receipt_make_run_id(other);
    assert_true(receipt_is_run_id(id));
    assert_string_not_equal(id, other);
    assert_int_equal(ol_id_from_foreign(NULL, id, uuid, NULL), OL_OK);
    assert_memory_equal(uuid, id + 21, 8);
    assert_int_equal(uuid[14], '7');
    static const char *const wrong[] = {
        "",
        "2026-02-04T18-41-12Z_",
        "2026-02-04T18-41-12Z_0123456789abcdef0123456789abcde",
        "2026-02-04T18-41-12Z_0123456789abcdef0123456789abcdef0",
        "2026-02-04T18-41-12Z_0123456789ABCDEF0123456789abcdef",
        "2026-02-04T18:41:12Z_0123456789abcdef0123456789abcdef",
        "../../../../../../../../../../../../../../../../../../etc/",
    };
    for (size_t i = 0; i < OL_COUNT(wrong); i++)
        assert_false(receipt_is_run_id(wrong[i]));
    assert_true(receipt_is_run_id("2026-02-04T18-41-12Z_0123456789abcdef0123456789abcdef"));
}

static void step_names_are_safe_as_folders(void **state)
{
    char name[RECEIPT_STEP_MAX + 2];
    (void)state;
    static const char *const good[] = {"a", "render_video", "2.clean-up", "A"};
    static const char *const bad[] = {"", ".", "..", ".x", "-x", "a/b", "a b", "a\n", "\xc3\xa9"};
    for (size_t i = 0; i < OL_COUNT(good); i++)
        assert_null(receipt_step_problem(good[i]));
    for (size_t i = 0; i < OL_COUNT(bad); i++)
        assert_non_null(receipt_step_problem(bad[i]));
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_non_null(receipt_step_problem(name));
    name[sizeof name - 2] = '\0';
    assert_null(receipt_step_problem(name));
    assert_int_equal(receipt_attempt_number("attempt-17"), 17);
    static const char *const no_attempts[] = {"attempt-",   "attempt-0",          "attempt-01",
                                              "attempt-1x", "attempt-9999999999", "attempt",
                                              ".attempt-1"};
    for (size_t i = 0; i < OL_COUNT(no_attempts); i++)
        assert_int_equal(receipt_attempt_number(no_attempts[i]), 0);
}

static void json_is_laid_out(void **state)
{
    static const char line[] = "{\"a\":[],\"b\":{},\"c\":[1,\"x\\\",:{\"],\"d\":{\"e\":null}}";
    static const char laid_out[] = "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    "
                                   "\"x\\\",:{\"\n  ],\n  \"d\": {\n    \"e\": null\n  }\n}\n";
    struct ol__buf out;
    (void)state;
    ol__buf_init(&out, 4096);
    receipt_indent(OL_SPAN_LIT(line), &out);
    assert_string_equal(out.data, laid_out);
    ol__buf_release(&out);
    assert_string_equal(receipt_media_type("a/b.CSV"), "text/csv");
    assert_null(receipt_media_type("a.csv/b"));
    assert_null(receipt_media_type("a/.csv"));
    assert_null(receipt_media_type("a/b.unheard-of"));
}

/* ---- many processes ---- */

#define PROCESSES 8
#define ATTEMPTS 25

struct race {
    struct receipt_folder folder;
    char runs[64];
};

static void write_one(void *arg, const struct receipt_choice *choice, struct ol__buf *out)
{
    const struct receipt r = {.attempt = arg,
                              .status = "COMPLETE",
                              .started_at = "2026-01-01T00:00:00.000Z",
                              .finished_at = "2026-01-01T00:00:00.000Z",
                              .argv = (char *const[]){NULL}};
    receipt_write(&r, choice, out);
}

static void take_many(const struct race *race)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        struct receipt_attempt a;
        struct receipt_choice choice;
        char sha256[OL_SHA256_TEXT + 1];
        struct ol__buf out;
        ol__buf_init(&out, 65536);
        if (receipt_attempt_take(&race->folder, i % 5 == 0 ? "shared" : "other", -1, 0, &a, NULL) !=
            OL_OK)
            _exit(1);
        const struct receipt claim = {
            .attempt = &a, .started_at = "2026-01-01T00:00:00.000Z", .argv = (char *const[]){NULL}};
        receipt_write(&claim, NULL, &out);
        if (receipt_attempt_claim(&a, (struct ol__span){.data = out.data, .size = out.size},
                                  NULL) != OL_OK ||
            receipt_attempt_end(&a, true, write_one, &a, &choice, sha256, NULL) != OL_OK)
            _exit(2);
        ol__buf_release(&out);
        receipt_attempt_release(&a);
    }
    _exit(0);
}

static void count_problem(void *arg, const char *path, const char *problem, bool is_gone)
{
    print_message("%s: %s%s\n", path, problem, is_gone ? " (gone)" : "");
    (*(int *)arg)++;
}

static void attempts_of_many_processes_have_numbers_of_their_own(void **state)
{
    struct race race = {.runs = "/tmp/receipt-XXXXXX"};
    struct receipt_figures figures;
    struct ol_error err = {.message = ""};
    char id[RECEIPT_RUN_ID_SIZE], command[128];
    pid_t pids[PROCESSES];
    int problems = 0;
    (void)state;
    assert_non_null(mkdtemp(race.runs));
    receipt_make_run_id(id);
    assert_int_equal(receipt_folder_make(race.runs, id, &race.folder, &err), OL_OK);
    struct ol__buf out, text;
    ol__buf_init(&out, 65536);
    ol__buf_init(&text, 65536);
    receipt_write_manifest(
        &(struct receipt_manifest){.run_id = id, .created_at = "2026-01-01T00:00:00.000Z"}, &out);
    receipt_indent((struct ol__span){.data = out.data, .size = out.size}, &text);
    assert_int_equal(receipt_put(race.folder.fd, "manifest.json",
                                 (struct ol__span){.data = text.data, .size = text.size}, &err),
                     OL_OK);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            take_many(&race);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(receipt_check(&race.folder, false, count_problem, &problems, &figures, &err),
                     OL_OK);
    assert_int_equal(problems, 0);
    assert_int_equal(figures.attempts, PROCESSES * ATTEMPTS);
    assert_int_equal(figures.open, 0);
    assert_int_equal(figures.steps, 2);
    assert_int_equal(figures.won, 2);
    ol__buf_release(&out);
    ol__buf_release(&text);
    receipt_folder_close(&race.folder);
    snprintf(command, sizeof command, "rm -r %s", race.runs);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_ids_are_dated_and_never_repeat),
        cmocka_unit_test(step_names_are_safe_as_folders),
        cmocka_unit_test(json_is_laid_out),
        cmocka_unit_test(attempts_of_many_processes_have_numbers_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
