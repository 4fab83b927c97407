/* SPDX-License-Identifier: Apache-2.0 */
/* Kept content (spec/RECEIPT.md, R11): once, by its hash, read-only, redacted, mended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "event_log.h"
#include "receipt/object.h"

#define SHA_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

struct world {
    char runs[64], object[256], file[128];
};

static int set_up(void **state)
{
    static struct world w;
    snprintf(w.runs, sizeof w.runs, "/tmp/ol_object.XXXXXX");
    assert_non_null(mkdtemp(w.runs));
    snprintf(w.object, sizeof w.object, "%s/objects/ba/%s", w.runs, &SHA_OF_ABC[2]);
    snprintf(w.file, sizeof w.file, "%s/file.txt", w.runs);
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    char command[256];
    snprintf(command, sizeof command, "chmod -R u+w %s && rm -r %s", w->runs, w->runs);
    return system(command);
}

static void write_file(const char *path, const char *text)
{
    OL_IGNORE(unlink(path) != 0, "maybe it is not there");
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_holds(const char *path, const char *text)
{
    char got[256] = "";
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    got[fread(got, 1, sizeof got - 1, f)] = '\0';
    assert_int_equal(fclose(f), 0);
    assert_string_equal(got, text);
}

static void content_is_kept_once_and_read_only(void **state)
{
    struct world *w = *state;
    char sha256[OL_SHA256_TEXT + 1];
    struct ol_error err;
    struct stat before, after;
    assert_int_equal(receipt_object_put(w->runs, OL_SPAN_LIT("abc"), sha256, &err), OL_OK);
    assert_string_equal(sha256, SHA_OF_ABC);
    assert_holds(w->object, "abc");
    assert_int_equal(stat(w->object, &before), 0);
    assert_int_equal(before.st_mode & 0222, 0);
    assert_int_equal(receipt_object_put(w->runs, OL_SPAN_LIT("abc"), sha256, &err), OL_OK);
    assert_int_equal(stat(w->object, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    write_file(w->object, "abd"); /* damaged: the next who keeps the same mends it */
    assert_int_equal(receipt_object_put(w->runs, OL_SPAN_LIT("abc"), sha256, &err), OL_OK);
    assert_holds(w->object, "abc");
    /* nothing half is left behind */
    assert_int_equal(receipt_object_put("/nowhere/at/all", OL_SPAN_LIT("abc"), sha256, &err),
                     OL_NOT_FOUND);
}

static void text_is_redacted_before_it_is_kept(void **state)
{
    struct world *w = *state;
    struct ol_error err;
    struct receipt_kept kept = {.path = "notes.txt", .at = "start"};
    char path[256];
    write_file(w->file, "mail jane.doe@example.org\n");
    assert_int_equal(receipt_object_keep_file(w->runs, w->file, 100, &kept, &err), OL_OK);
    snprintf(path, sizeof path, "%s/objects/%.2s/%s", w->runs, kept.sha256, kept.sha256 + 2);
    assert_holds(path, "mail [redacted]\n");
    assert_int_equal(kept.original_size, 26);
    assert_int_equal(kept.size, 16);
    assert_string_not_equal(kept.original, kept.sha256);
    struct ol__buf out;
    ol__buf_init(&out, 4096);
    receipt_write_kept(&kept, 1, &out);
    assert_non_null(strstr(out.data, "\"original\":{\"sha256\":\""));
    ol__buf_release(&out);
    write_file(w->file, "abc");
    assert_int_equal(receipt_object_keep_file(w->runs, w->file, 3, &kept, &err), OL_OK);
    assert_string_equal(kept.sha256, SHA_OF_ABC);
    assert_string_equal(kept.original, "");
    /* bytes that are no text stay as they are */
    assert_int_equal(receipt_object_keep(w->runs, OL_SPAN_LIT("a@b.io\0"), &kept, &err), OL_OK);
    assert_int_equal(kept.size, 7);
    assert_string_equal(kept.original, "");
}

static void what_is_not_kept_says_why(void **state)
{
    struct world *w = *state;
    struct ol_error err;
    struct receipt_kept kept = {.path = "x"};
    write_file(w->file, "abcd");
    assert_int_equal(receipt_object_keep_file(w->runs, w->file, 3, &kept, &err), OL_TOO_LARGE);
    assert_string_equal(kept.reason, "larger than --keep-limit");
    assert_int_equal(kept.size, 4);
    assert_string_equal(kept.sha256, "");
    assert_int_equal(receipt_object_keep_file(w->runs, w->runs, 3, &kept, &err), OL_INVALID);
    assert_string_equal(kept.reason, "no regular file");
    assert_int_equal(unlink(w->file), 0);
    assert_int_equal(receipt_object_keep_file(w->runs, w->file, 3, &kept, &err), OL_NOT_FOUND);
}

static void lines_of_the_log_say_ids_and_hashes(void **state)
{
    struct world *w = *state;
    struct ol_error err;
    struct ol__buf line;
    const struct receipt_artifact outputs[] = {{.path = "a"}, {.path = "b", .sha256 = SHA_OF_ABC}};
    const struct receipt_pair more[] = {{.key = "api_key", .value = "x"},
                                        {.key = "note", .value = "to a@b.io"}};
    ol__buf_init(&line, 4096);
    const struct event_log_entry entry = {.event = "step_finished",
                                          .run_id = "r",
                                          .step = "s",
                                          .attempt = 2,
                                          .task_id = "t",
                                          .status = "COMPLETE",
                                          .has_ended = true,
                                          .duration_ms = 7,
                                          .outputs = outputs,
                                          .output_count = 2,
                                          .more = {.items = more, .count = 2}};
    event_log_write(&entry, 0, &line);
    assert_string_equal(
        line.data,
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"event\":\"step_finished\",\"run_id\":"
        "\"r\",\"step\":\"s\",\"attempt\":2,\"task_id\":\"t\",\"status\":\"COMPLETE\","
        "\"exit_code\":0,\"output_sha256\":\"" SHA_OF_ABC "\",\"outputs\":{\"b\":\"" SHA_OF_ABC
        "\"},\"duration_ms\":7,\"api_key\":\"[redacted]\",\"note\":\"to "
        "[redacted]\"}\n");
    ol__buf_release(&line);
    assert_int_equal(event_log_append(w->file, &(struct event_log_entry){.event = "x"}, &err),
                     OL_OK);
    assert_int_equal(
        event_log_append("/nowhere/log", &(struct event_log_entry){.event = "x"}, &err),
        OL_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(content_is_kept_once_and_read_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text_is_redacted_before_it_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_kept_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_of_the_log_say_ids_and_hashes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
