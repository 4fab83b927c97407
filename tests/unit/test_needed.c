/* SPDX-License-Identifier: Apache-2.0 */
/* Has a step been done already? Against receipts that attempts left in a real folder: each thing
 * that may differ is named, and what cannot be compared counts as changed. */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include "needed.h"
#include "pipeline.h"

static char directory[64];
static struct receipt_folder folder;

static void put(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int make_run(void **state)
{
    static char runs[128];
    struct ol_run *root = NULL;
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/test_needed.XXXXXX");
    if (mkdtemp(directory) == NULL || chdir(directory) != 0)
        return -1;
    setenv("XDG_CACHE_HOME", directory, 1);
    unsetenv("LINEAGE_RUN_ID");
    unsetenv("LINEAGE_TASK_ID");
    snprintf(runs, sizeof runs, "%s/runs", directory);
    setenv("LINEAGE_RUNS", runs, 1);
    put("in", "1");
    put("out", "2");
    const struct pipeline_options options = {
        .runs = runs, .job_namespace = "tests", .name = "p", .is_quiet = true};
    return pipeline_begin(&options, NULL, &folder, &root, NULL) == OL_OK ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *at)
{
    (void)s;
    (void)kind;
    (void)at;
    return remove(path);
}

static int remove_run(void **state)
{
    (void)state;
    receipt_folder_close(&folder);
    return chdir("/") == 0 && nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

/* What a case asks for. */
struct asked {
    const char *step;
    const char *argv[4];
    const char *param; /* value of "lr"; NULL: no parameter */
    const char *input, *output;
};

static struct step_options options_of(const struct asked *a, struct receipt_pair *pair)
{
    *pair = (struct receipt_pair){.key = "lr", .value = a->param};
    return (struct step_options){.name = a->step,
                                 .job = a->step,
                                 .run_id = folder.run_id,
                                 .seq = -1,
                                 .argv = (char *const *)(uintptr_t)a->argv,
                                 .is_quiet = true,
                                 .parameters = {.items = pair, .count = a->param != NULL ? 1 : 0}};
}

static void files_of(const struct asked *a, struct run_files *files)
{
    *files = (struct run_files){.hash_limit = 1 << 20, .caching = ARTIFACT_CACHE_NONE};
    if (a->input != NULL)
        assert_int_equal(run_files_add(files, RUN_INPUT, a->input), OL_OK);
    if (a->output != NULL)
        assert_int_equal(run_files_add(files, RUN_OUTPUT, a->output), OL_OK);
}

/* An attempt as it is asked for, with this end. */
static void attempt(const struct asked *a, const char *status)
{
    struct step step;
    struct run_files files;
    struct receipt_pair pair;
    struct receipt_artifact *inputs = NULL, *outputs = NULL;
    struct step_result result = {.status = status};
    struct ol_error err = {.message = ""};
    const struct step_options options = options_of(a, &pair);
    step_find(&step, &options);
    assert_null(step_begin(&step, NULL, &err));
    assert_true(step.is_taken);
    files_of(a, &files);
    run_files_declare(&files, NULL);
    run_files_open_inputs(&files);
    if (run_files_has_inputs(&files))
        run_files_hash_inputs(&files);
    run_files_hash_outputs(&files, true);
    assert_int_equal(run_files_list(&files, RUN_INPUT, &inputs, &result.input_count), OL_OK);
    assert_int_equal(run_files_list(&files, RUN_OUTPUT, &outputs, &result.output_count), OL_OK);
    result.inputs = inputs;
    result.outputs = outputs;
    step_claim(&step, NULL);
    step_end(&step, NULL, &result);
    step_close(&step, strcmp(status, "COMPLETE") == 0);
    free(inputs);
    free(outputs);
    run_files_release(&files);
}

static ol_status look(const struct asked *a, int64_t *ret_attempt, char reason[NEEDED_REASON_SIZE])
{
    struct step step;
    struct run_files files;
    struct receipt_pair pair;
    const struct step_options options = options_of(a, &pair);
    step_find(&step, &options);
    files_of(a, &files);
    ol_status status = needed_look(&step, &files, ret_attempt, reason);
    run_files_release(&files);
    step_close(&step, true);
    return status;
}

static void must(const struct asked *a, const char *why)
{
    char reason[NEEDED_REASON_SIZE] = "";
    int64_t number = 0;
    assert_int_equal(look(a, &number, reason), OL_END);
    if (strstr(reason, why) == NULL)
        fail_msg("expected '%s', found '%s'", why, reason);
}

static void need_not(const struct asked *a, int64_t by)
{
    char reason[NEEDED_REASON_SIZE] = "";
    int64_t number = 0;
    ol_status status = look(a, &number, reason);
    if (status != OL_OK)
        fail_msg("it is needed: %s", reason);
    assert_int_equal(number, by);
}

static const struct asked base = {.step = "train",
                                  .argv = {"./train", "--password=x"},
                                  .param = "0.1",
                                  .input = "in",
                                  .output = "out"};

static void what_differs_is_named(void **state)
{
    struct asked a = base;
    (void)state;
    must(&base, "no attempt has succeeded yet");
    attempt(&base, "FAIL");
    must(&base, "no attempt has succeeded yet");
    attempt(&base, "COMPLETE");
    need_not(&base, 2);
    a.argv[0] = "./other";
    must(&a, "its command is another");
    a = base;
    a.argv[2] = "more";
    must(&a, "its command is another");
    a = base;
    a.argv[1] = NULL;
    must(&a, "its command is another");
    a = base;
    a.param = "0.2";
    must(&a, "parameter 'lr' is another");
    a.param = NULL;
    must(&a, "its parameters are others");
    a = base;
    a.input = NULL;
    must(&a, "it had another number of inputs");
    a.input = "out";
    must(&a, "its inputs are others");
    a = base;
    a.output = NULL;
    must(&a, "it had another number of outputs");
    a = base;
    a.argv[1] = "--password=y"; /* secrets are in no receipt: they cannot differ */
    need_not(&a, 2);
}

static void bytes_count_and_not_names(void **state)
{
    (void)state;
    put("in", "another");
    must(&base, "input 'in' has changed");
    put("in", "1");
    need_not(&base, 2);
    put("out", "another");
    must(&base, "output 'out' has changed");
    assert_int_equal(unlink("out"), 0);
    must(&base, "output 'out' cannot be compared");
    put("out", "2");
    need_not(&base, 2);
}

/* An older attempt counts as well, the newest one's reason is said. */
static void of_several_the_one_that_fits(void **state)
{
    struct asked other = base, third = base;
    (void)state;
    other.param = "0.5";
    attempt(&other, "COMPLETE");
    attempt(&other, "ABORT");
    need_not(&other, 3);
    need_not(&base, 2);
    third.param = "0.7";
    third.argv[0] = "./third";
    must(&third, "its command is another");
}

static void what_has_no_hash_counts_as_changed(void **state)
{
    struct asked a = {.step = "remote", .argv = {"x"}, .input = "s3://bucket/key"};
    (void)state;
    attempt(&a, "COMPLETE");
    must(&a, "cannot be compared");
    a.step = "versioned";
    a.input = "s3://bucket/key?versionId=7";
    attempt(&a, "COMPLETE");
    need_not(&a, 1);
    a.input = "s3://bucket/key?versionId=8";
    must(&a, "in");
}

static void a_receipt_that_is_none_is_no_success(void **state)
{
    char path[256];
    struct asked a = {.step = "torn", .argv = {"x"}};
    (void)state;
    attempt(&a, "COMPLETE");
    need_not(&a, 1);
    snprintf(path, sizeof path, "runs/%s/steps/torn/attempt-1/receipt.json", folder.run_id);
    assert_int_equal(unlink(path), 0);
    put(path, "{\"status\": \"COMP");
    must(&a, "no attempt has succeeded yet");
    assert_int_equal(unlink(path), 0);
    put(path, "{\"status\": \"COMPLETE\"}"); /* says nothing of a command */
    must(&a, "its command is another");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_is_named),
        cmocka_unit_test(bytes_count_and_not_names),
        cmocka_unit_test(of_several_the_one_that_fits),
        cmocka_unit_test(what_has_no_hash_counts_as_changed),
        cmocka_unit_test(a_receipt_that_is_none_is_no_success),
    };
    return cmocka_run_group_tests(tests, make_run, remove_run);
}
