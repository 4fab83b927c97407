/* SPDX-License-Identifier: Apache-2.0 */
/* Proves F1 to F6 of spec/JOURNAL.md with real files and a real spool: every line once, whatever
 * becomes of the file's name, over starts and groups that came to nothing; and no file changed. */
#include "journal_help.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "times.h"

struct foreign_place {
    struct place *p;
    char log[128], pattern[128], *paths[2];
};

static int set_up(void **state)
{
    struct foreign_place *f = calloc(1, sizeof *f);
    void *place;
    assert_non_null(f);
    assert_int_equal(journal_set_up(&place), 0);
    f->p = place;
    snprintf(f->log, sizeof f->log, "%s/events.jsonl", f->p->root);
    snprintf(f->pattern, sizeof f->pattern, "%s/one-*.json", f->p->root);
    f->paths[0] = f->log;
    f->paths[1] = f->pattern;
    f->p->config.files_paths = (struct ol__text_list){.items = f->paths, .count = 2};
    f->p->config.files_poll_ms = 1;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct foreign_place *f = *state;
    void *place = f->p;
    int result = journal_tear_down(&place);
    free(f);
    return result;
}

static void append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void append_event(const char *path, long number, const char *end)
{
    char text[EVENT_SIZE];
    event_text(text, number);
    append(path, text);
    append(path, end);
}

/* Two looks: the second one sees that nothing moves. */
static void look(struct foreign_place *f)
{
    for (int i = 0; i < 3; i++) {
        usleep(2000);
        run_and_commit(f->p);
    }
}

static void restart(struct foreign_place *f)
{
    journal_stop(f->p);
    journal_start(f->p);
}

/** The spool holds these events, from files, in this order; ended by -1. */
static void assert_numbers(struct foreign_place *f, const long *expected)
{
    struct spool_reader *reader;
    struct spool_record record;
    assert_int_equal(spool_reader_open(f->p->spool, 0, &reader, NULL), OL_OK);
    while (spool_reader_next(reader, &record, NULL) == OL_OK) {
        char text[EVENT_SIZE];
        if (record.type != SPOOL_EVENT)
            continue;
        assert_true(*expected >= 0);
        event_text(text, *expected++);
        assert_int_equal(record.data.size, strlen(text));
        assert_memory_equal(record.data.data, text, record.data.size);
        assert_int_equal(record.source, SPOOL_FROM_FILE);
        assert_int_equal(record.uid, geteuid());
    }
    assert_int_equal(*expected, -1);
    spool_reader_close(reader);
}

static void test_appended(void **state)
{
    struct foreign_place *f = *state;
    struct stat before, after;
    append_event(f->log, 0, "\n");
    append_event(f->log, 1, "\r\n");
    look(f);
    assert_numbers(f, (const long[]){0, 1, -1});
    restart(f);
    look(f);
    append_event(f->log, 2, "\n");
    assert_int_equal(stat(f->log, &before), 0);
    look(f);
    restart(f);
    look(f);
    assert_numbers(f, (const long[]){0, 1, 2, -1});
    assert_int_equal(stat(f->log, &after), 0);
    assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof before.st_ctim);
    assert_int_equal(metric_get(&f->p->metrics.intake.foreign_events), 3);
}

static void test_half_a_line_waits(void **state)
{
    struct foreign_place *f = *state;
    char text[EVENT_SIZE];
    event_text(text, 1);
    append_event(f->log, 0, "\n");
    text[100] = '\0';
    append(f->log, text);
    look(f);
    assert_numbers(f, (const long[]){0, -1});
    event_text(text, 1);
    append(f->log, text + 100);
    append(f->log, "\n");
    look(f);
    assert_numbers(f, (const long[]){0, 1, -1});
}

static void test_one_event_a_file(void **state)
{
    struct foreign_place *f = *state;
    long expected[40];
    for (long i = 0; i < 39; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/one-%02ld.json", f->p->root, i);
        append_event(path, i, i % 2 == 0 ? "" : "\n"); /* F3 */
        look(f);
        if (i % 10 == 5)
            restart(f);
        expected[i] = i;
    }
    expected[39] = -1;
    look(f);
    assert_numbers(f, expected);
}

static void test_rotated(void **state)
{
    struct foreign_place *f = *state;
    char old[160];
    snprintf(old, sizeof old, "%s.1", f->log);
    append_event(f->log, 0, "\n");
    look(f);
    append_event(f->log, 1, "\n"); /* not read yet... */
    assert_int_equal(rename(f->log, old), 0);
    append_event(old, 2, "\n"); /* ...nor this, by a writer that holds it open */
    append_event(f->log, 3, "\n");
    look(f);
    restart(f);
    look(f);
    struct spool_stats stats;
    spool_stats_get(f->p->spool, &stats);
    char found[EVENT_SIZE * 5] = "";
    struct spool_reader *reader;
    struct spool_record record;
    int count = 0, seen[4] = {0};
    assert_int_equal(spool_reader_open(f->p->spool, 0, &reader, NULL), OL_OK);
    while (spool_reader_next(reader, &record, NULL) == OL_OK) {
        if (record.type != SPOOL_EVENT)
            continue;
        for (long i = 0; i < 4; i++) {
            event_text(found, i);
            seen[i] += record.data.size == strlen(found) &&
                       memcmp(record.data.data, found, record.data.size) == 0;
        }
        count++;
    }
    spool_reader_close(reader);
    assert_int_equal(count, 4); /* two files: each in its own order, each once */
    for (int i = 0; i < 4; i++)
        assert_int_equal(seen[i], 1);
}

static void test_cut_back(void **state)
{
    struct foreign_place *f = *state;
    append_event(f->log, 0, "\n");
    append_event(f->log, 1, "\n");
    look(f);
    assert_int_equal(truncate(f->log, 0), 0);
    append_event(f->log, 2, "\n");
    look(f);
    restart(f);
    look(f);
    append_event(f->log, 3, "\n");
    look(f);
    assert_numbers(f, (const long[]){0, 1, 2, 3, -1});
}

static void test_replaced(void **state)
{
    struct foreign_place *f = *state;
    append_event(f->log, 0, "\n");
    look(f);
    assert_int_equal(unlink(f->log), 0);
    append_event(f->log, 1, "\n"); /* perhaps with the same inode */
    append_event(f->log, 2, "\n");
    look(f);
    assert_numbers(f, (const long[]){0, 1, 2, -1});
}

static void test_no_event(void **state)
{
    struct foreign_place *f = *state;
    size_t size = 17u << 20;
    char *line = malloc(size + 1);
    assert_non_null(line);
    memset(line, 'x', size);
    line[size] = '\0';
    append(f->log, "no event\n[]\n\n");
    append_event(f->log, 0, "\n");
    append(f->log, line);
    append(f->log, "\n");
    append_event(f->log, 1, "\n");
    free(line);
    look(f);
    assert_numbers(f, (const long[]){0, 1, -1});
    assert_int_equal(metric_get(&f->p->metrics.intake.foreign_parked_lines), 3);
}

/* What another has put there is not read through us. */
static void test_links_are_not_followed(void **state)
{
    struct foreign_place *f = *state;
    char secret[160];
    snprintf(secret, sizeof secret, "%s/secret", f->p->root);
    append_event(secret, 7, "\n");
    assert_int_equal(symlink(secret, f->log), 0);
    look(f);
    assert_numbers(f, (const long[]){-1});
}

static void test_rolled_back(void **state)
{
    struct foreign_place *f = *state;
    append_event(f->log, 0, "\n");
    append_event(f->log, 1, "\n");
    usleep(2000);
    assert_int_equal(journal_intake_run(f->p->ji, 8 << 20, NULL), OL_OK);
    journal_intake_rolled_back(f->p->ji);
    restart(f);
    look(f);
    assert_numbers(f, (const long[]){0, 1, -1});
}

/* J23: a run that a foreign file has spoken of gets no ABORT; here the START is in a journal. */
static void test_shares_runs(void **state)
{
    struct foreign_place *f = *state;
    struct writer w;
    f->p->config.journal_abort_grace_ms = 1;
    birth_inferring(f->p, &w, 1, "01941f29-7c00-7837-a31d-d79a7fb36b02", 1, 0);
    put_event(&w, 0);
    put_event(&w, 1);
    append_event(f->log, 1, "\n");
    look(f);
    close(w.fd);
    look(f);
    look(f);
    assert_false(is_there(&w));
    assert_int_equal(metric_get(&f->p->metrics.intake.aborts_inferred), 1);
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_appended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_half_a_line_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_event_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rotated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rolled_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shares_runs, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
