/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of decisions (spec/RECEIPT.md, R17, R18): numbers without gaps or twins whoever writes
 * at once, each with the hash of the one before, and whatever was changed is named first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "json_write.h"
#include "receipt/decision.h"

static char runs[64];

static int setup(void **state)
{
    (void)state;
    snprintf(runs, sizeof runs, "/tmp/decision-test-XXXXXX");
    return mkdtemp(runs) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", runs);
    return system(command); // NOLINT(cert-env33-c): a path of our own
}

static void write_one(void *arg, const struct receipt_decision *d, struct ol__buf *out)
{
    struct ol__json_writer w;
    ol__json_writer_init(&w, out);
    ol__json_begin_object(&w);
    ol__json_member_int(&w, "number", d->number);
    ol__json_member_text(&w, "who", arg);
    if (d->previous_path[0] != '\0') {
        ol__json_key(&w, "previous");
        ol__json_begin_object(&w);
        ol__json_member_text(&w, "path", d->previous_path);
        ol__json_member_text(&w, "sha256", d->previous_sha256);
        ol__json_end_object(&w);
    }
    ol__json_end_object(&w);
}

static ol_status add(char *who, struct receipt_decision *ret)
{
    char sha256[OL_SHA256_TEXT + 1];
    struct ol_error err = {.message = ""};
    ol_status status = receipt_decision_add(runs, write_one, who, ret, sha256, &err);
    if (status != OL_OK)
        fprintf(stderr, "%s\n", err.message);
    return status;
}

struct heard {
    char text[2048];
};

static void hear(void *arg, const char *path, const char *problem)
{
    struct heard *h = arg;
    size_t used = strlen(h->text);
    snprintf(h->text + used, sizeof h->text - used, "%s: %.20s\n", path, problem);
}

static struct heard check(int64_t records, int64_t problems)
{
    struct heard heard = {""};
    struct receipt_decision_figures figures;
    struct ol_error err = {.message = ""};
    assert_int_equal(receipt_decision_check(runs, hear, &heard, &figures, &err), OL_OK);
    if (figures.problems != problems || figures.count != records)
        fail_msg("%lld records, %lld problems: %s", (long long)figures.count,
                 (long long)figures.problems, heard.text);
    return heard;
}

static void put(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/decisions/%s", runs, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_a_chain(void **state)
{
    (void)state;
    char who[] = "ann";
    struct receipt_decision d;
    check(0, 0); /* no folder is a chain of none */
    for (int i = 1; i <= 4; i++) {
        assert_int_equal(add(who, &d), OL_OK);
        assert_int_equal(d.number, i);
    }
    assert_string_equal(d.previous_path, "decisions/000003.json");
    check(4, 0);
    put(".000005.json.12345678.tmp", "left over by a crash"); /* means nothing */
    put("000001.txt", "nor this");
    check(4, 0);
    put("000002.json", "{\"number\": 2, \"previous\": {}}");
    struct heard heard = check(4, 2); /* names none before it, and the next knows another */
    assert_ptr_equal(strstr(heard.text, "decisions/000002.json"), heard.text);
    put("000002.json", "{");
    heard = check(4, 1); /* once */
    assert_ptr_equal(strstr(heard.text, "decisions/000002.json: was changed: "), heard.text);
}

static void test_at_once(void **state)
{
    (void)state;
    pid_t children[8];
    struct receipt_decision d;
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            char who[] = "child";
            bool is_good = true;
            for (int k = 0; k < 5; k++)
                is_good = add(who, &d) == OL_OK && is_good;
            _exit(is_good ? 0 : 1);
        }
    }
    for (int i = 0; i < 8; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    check(40, 0);
}

static void test_no_folder(void **state)
{
    (void)state;
    char who[] = "ann", path[128];
    struct receipt_decision d;
    snprintf(path, sizeof path, "%s/decisions", runs);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
    assert_true(add(who, &d) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_folder, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
