/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the promises of agent/deliver/route_file.c: each event once and in order through stops,
 * kills and torn tails; one line each; rotation, by size and by others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include "event_read.h"
#include "deliver_fixture.h"

static char out_path[100];

static void begin(struct fixture *f)
{
    fixture_init(f, ROUTE_FILE);
    snprintf(out_path, sizeof out_path, "%s/events.jsonl", f->directory);
    f->route.path = out_path;
}

static char *read_all(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("no file %s", path);
    char *text = malloc(4u << 20);
    assert_non_null(text);
    *ret_size = fread(text, 1, (4u << 20) - 1, file);
    text[*ret_size] = '\0';
    fclose(file);
    return text;
}

static void append(const char *path, const char *text)
{
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* The lines of @p path are the events from @p first on, one each; returns the number after the
 * last. */
static unsigned expect_numbers(const char *path, unsigned first)
{
    size_t size;
    char *text = read_all(path, &size);
    char *line = text;
    assert_true(size == 0 || text[size - 1] == '\n');
    while (*line != '\0') {
        char *end = strchr(line, '\n');
        *end = '\0';
        const char *number = strstr(line, "\"n\":");
        if (number == NULL || strtoul(number + 4, NULL, 10) != first)
            fail_msg("%s: expected event %u, not %s", path, first, line);
        assert_int_equal(end[-1], '}');
        first++;
        line = end + 1;
    }
    free(text);
    return first;
}

static void add_numbers(struct fixture *f, unsigned from, unsigned below)
{
    for (unsigned n = from; n < below; n++)
        fixture_event(f, n % 7, n);
    fixture_commit(f);
}

static void wait_empty(struct fixture *f)
{
    struct ol_error err = {0};
    if (deliver_wait(f->deliver, NULL, &err) != OL_OK)
        fail_msg("not empty: %s", err.message);
}

static void reopen(struct fixture *f)
{
    spool_close(f->spool);
    fixture_spool_open(f);
    fixture_start(f);
}

static void once_and_in_order(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    add_numbers(&f, 0, 100);
    fixture_start(&f);
    wait_empty(&f);
    assert_int_equal(expect_numbers(out_path, 0), 100);
    add_numbers(&f, 100, 150);
    wait_empty(&f);
    assert_int_equal(fixture_stop(&f, 0), 0);
    reopen(&f);
    wait_empty(&f);
    add_numbers(&f, 150, 151);
    wait_empty(&f);
    assert_int_equal(expect_numbers(out_path, 0), 151);
    assert_int_equal(metric_get(&f.metrics.routes[0].delivered_events), 151);
    fixture_release(&f);
}

/* As a kill would leave it: lines, and half a line, behind what the cursor file knows. */
static void an_unsynced_tail_is_cut(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    add_numbers(&f, 0, 10);
    fixture_start(&f);
    wait_empty(&f);
    fixture_stop(&f, 0);
    append(out_path, "{\"n\":10}\n{\"n\":11}\n{\"n\":1");
    add_numbers(&f, 10, 13);
    reopen(&f);
    wait_empty(&f);
    assert_int_equal(expect_numbers(out_path, 0), 13);
    fixture_release(&f);
}

/* Another process writes and is killed at any moment; nothing is lost or doubled in the file. */
static void killed_at_any_moment(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    unsigned sent = 0;
    for (int kills = 0; kills < 12; kills++) {
        add_numbers(&f, sent, sent + 300);
        sent += 300;
        spool_close(f.spool);
        f.spool = NULL;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            fixture_spool_open(&f);
            fixture_start(&f);
            pause();
            _exit(0);
        }
        usleep((useconds_t)(kills * 1500));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        fixture_spool_open(&f);
    }
    fixture_start(&f);
    wait_empty(&f);
    assert_int_equal(expect_numbers(out_path, 0), sent);
    fixture_release(&f);
}

static void a_line_each(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    fixture_add(&f, 1, OL_SPAN_LIT(" {\"a\" : 1.50,  \"b\":\"\\u00e9 x\"} "));
    fixture_add(&f, 1, OL_SPAN_LIT("{\n  \"a\" : 1.50,\r\n  \"b\" : \"\\u00e9 x\\n\"\n}\n"));
    fixture_commit(&f);
    fixture_start(&f);
    wait_empty(&f);
    size_t size;
    char *text = read_all(out_path, &size);
    assert_string_equal(text, " {\"a\" : 1.50,  \"b\":\"\\u00e9 x\"} \n"
                              "{\"a\":1.50,\"b\":\"\\u00e9 x\\n\"}\n");
    free(text);
    fixture_release(&f);
}

static void rotates_by_size(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.route.rotate_bytes = 4000;
    fixture_start(&f);
    for (unsigned n = 0; n < 60; n += 5) {
        add_numbers(&f, n, n + 5);
        wait_empty(&f);
    }
    fixture_stop(&f, 0);
    reopen(&f);
    add_numbers(&f, 60, 61);
    wait_empty(&f);
    /* names sort by age: the sequence is in them */
    struct dirent **names;
    int count = scandir(f.directory, &names, NULL, alphasort);
    unsigned next = 0, files = 0;
    for (int i = 0; i < count; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", f.directory, names[i]->d_name);
        if (strncmp(names[i]->d_name, "events.jsonl.0", 14) == 0) {
            next = expect_numbers(path, next);
            files++;
        }
        free(names[i]);
    }
    free(names);
    assert_true(files >= 3);
    assert_int_equal(expect_numbers(out_path, next), 61);
    fixture_release(&f);
}

/* How many renamed files there are; *ret_next: the number after the last event in them, which
 * follow one another from @p next on. */
static unsigned renamed_files(struct fixture *f, unsigned next, unsigned *ret_next)
{
    struct dirent **names;
    unsigned files = 0;
    int count = scandir(f->directory, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", f->directory, names[i]->d_name);
        if (strncmp(names[i]->d_name, "events.jsonl.000000000", 22) == 0 &&
            strchr(names[i]->d_name + 22, '.') == NULL) {
            if (ret_next != NULL)
                next = expect_numbers(path, next);
            files++;
        }
        free(names[i]);
    }
    free(names);
    if (ret_next != NULL)
        *ret_next = next;
    return files;
}

static bool was_renamed(void *arg)
{
    return renamed_files(arg, 0, NULL) > 0;
}

/* A file whose time is over is renamed although nothing comes any more, and by the next start too.
 */
static void rotates_by_time(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.route.rotate_every_ms = 1000;
    fixture_start(&f);
    add_numbers(&f, 0, 5);
    wait_empty(&f);
    fixture_until(was_renamed, &f, "the file is renamed when its second is over");
    unsigned next = 0;
    renamed_files(&f, 0, &next);
    assert_true(next > 0);
    fixture_stop(&f, 0);
    /* lines of long ago, by the file's own time */
    f.route.rotate_every_ms = INT64_C(86400000);
    reopen(&f);
    add_numbers(&f, 5, 7);
    wait_empty(&f);
    fixture_stop(&f, 0);
    const struct timespec old[2] = {{.tv_sec = 1600000000}, {.tv_sec = 1600000000}};
    assert_int_equal(utimensat(AT_FDCWD, out_path, old, 0), 0);
    unsigned before = renamed_files(&f, 0, &next);
    reopen(&f);
    add_numbers(&f, 7, 9);
    wait_empty(&f);
    assert_int_equal(renamed_files(&f, 0, &next), before + 1);
    assert_int_equal(next, 7);
    assert_int_equal(expect_numbers(out_path, 7), 9);
    fixture_release(&f);
}

/* Promise 4: what has the name already stays; of the renamed ones the oldest go, nothing else does.
 */
static void keeps_as_many_as_told(void **state)
{
    (void)state;
    static const char *const others[] = {"events.jsonl.old", "events.jsonl.00000000000000000001.gz",
                                         "events.jsonl.failed-00000000000000000001",
                                         "events.jsonl.1"};
    struct fixture f;
    char path[160];
    begin(&f);
    f.route.rotate_bytes = 1;
    f.route.keep_files = 3;
    for (size_t i = 0; i < OL_COUNT(others); i++) {
        snprintf(path, sizeof path, "%s/%s", f.directory, others[i]);
        append(path, "mine\n");
    }
    fixture_start(&f);
    for (unsigned n = 0; n < 8; n++) {
        add_numbers(&f, n, n + 1);
        wait_empty(&f);
    }
    unsigned next = 0;
    assert_int_equal(renamed_files(&f, 5, &next), 3);
    assert_int_equal(next, 8);
    for (size_t i = 0; i < OL_COUNT(others); i++) {
        snprintf(path, sizeof path, "%s/%s", f.directory, others[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
    fixture_release(&f);
}

static void replaces_no_renamed_file(void **state)
{
    (void)state;
    struct fixture f;
    char path[160];
    size_t size;
    begin(&f);
    f.route.rotate_bytes = 1;
    snprintf(path, sizeof path, "%s.%020d", out_path, 1);
    append(path, "of another spool\n");
    fixture_start(&f);
    add_numbers(&f, 0, 1);
    wait_empty(&f);
    char *text = read_all(path, &size);
    assert_string_equal(text, "of another spool\n");
    free(text);
    snprintf(path, sizeof path, "%s.%020d-2", out_path, 1);
    assert_int_equal(expect_numbers(path, 0), 1);
    fixture_release(&f);
}

static void a_log_rotator_may_take_it(void **state)
{
    (void)state;
    struct fixture f;
    char moved[120];
    begin(&f);
    fixture_start(&f);
    add_numbers(&f, 0, 5);
    wait_empty(&f);
    snprintf(moved, sizeof moved, "%s.1", out_path);
    assert_int_equal(rename(out_path, moved), 0);
    add_numbers(&f, 5, 8); /* these still go into the moved one */
    wait_empty(&f);
    add_numbers(&f, 8, 12);
    wait_empty(&f);
    unsigned next = expect_numbers(moved, 0);
    assert_int_equal(expect_numbers(out_path, next), 12);
    /* and while nobody looks: the file that comes is not ours to cut */
    fixture_stop(&f, 0);
    assert_int_equal(unlink(out_path), 0);
    add_numbers(&f, 12, 14);
    reopen(&f);
    wait_empty(&f);
    assert_int_equal(expect_numbers(out_path, 12), 14);
    fixture_release(&f);
}

static bool has_failed(void *arg)
{
    struct fixture *f = arg;
    return metric_get(&f->metrics.routes[0].state) == ROUTE_FAILED;
}

static void fails_and_comes_back(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    fixture_start(&f);
    add_numbers(&f, 0, 3);
    wait_empty(&f);
    /* a directory stands where the next file would be */
    char moved[120];
    snprintf(moved, sizeof moved, "%s.1", out_path);
    assert_int_equal(rename(out_path, moved), 0);
    assert_int_equal(mkdir(out_path, 0700), 0);
    add_numbers(&f, 3, 6);
    fixture_until(has_failed, &f, "the route says that it failed");
    assert_int_equal(rmdir(out_path), 0);
    add_numbers(&f, 6, 8);
    struct ol_error err;
    int64_t deadline = ol__time_monotonic_ms() + DEADLINE_MS;
    while (deliver_wait(f.deliver, NULL, &err) != OL_OK) {
        assert_true(ol__time_monotonic_ms() < deadline);
        usleep(10000);
    }
    unsigned next = expect_numbers(moved, 0);
    assert_int_equal(expect_numbers(out_path, next), 8);
    fixture_release(&f);
}

static void to_standard_output(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    static char dash[] = "-";
    f.route.path = dash;
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    int file = open(out_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(saved >= 0 && file >= 0 && dup2(file, STDOUT_FILENO) >= 0);
    add_numbers(&f, 0, 20);
    fixture_start(&f);
    struct ol_error err = {0};
    ol_status first = deliver_wait(f.deliver, NULL, &err);
    fixture_stop(&f, 0);
    add_numbers(&f, 20, 30);
    reopen(&f);
    ol_status second = deliver_wait(f.deliver, NULL, &err);
    fixture_stop(&f, 0);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    close(file);
    assert_int_equal(first, OL_OK);
    assert_int_equal(second, OL_OK);
    assert_int_equal(expect_numbers(out_path, 0), 30);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once_and_in_order),         cmocka_unit_test(an_unsynced_tail_is_cut),
        cmocka_unit_test(killed_at_any_moment),      cmocka_unit_test(a_line_each),
        cmocka_unit_test(rotates_by_time),           cmocka_unit_test(keeps_as_many_as_told),
        cmocka_unit_test(replaces_no_renamed_file),  cmocka_unit_test(rotates_by_size),
        cmocka_unit_test(a_log_rotator_may_take_it), cmocka_unit_test(fails_and_comes_back),
        cmocka_unit_test(to_standard_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
