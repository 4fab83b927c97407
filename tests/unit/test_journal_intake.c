/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the reader's side of spec/JOURNAL.md (J8-J12, J15, J17-J21) with a real spool: which lines
 * are taken, when a journal leaves, and that nothing is taken twice or lost over commits,
 * roll-backs and restarts. */
#include "journal_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "times.h"

/* ---- Tests ---- */

static void test_lives_then_ends(void **state)
{
    struct place *p = *state;
    struct writer w;
    run_and_commit(p);
    birth(p, &w, 1);
    put_event(&w, 0);
    put_event(&w, 1);
    run_later(p);
    assert_spooled(p, 0, 2);
    assert_true(is_there(&w)); /* J11: its lock is held */
    put_event(&w, 2);
    run_later(p);
    assert_spooled(p, 0, 3);
    put_end(&w);
    run_later(p);
    run_later(p);
    assert_spooled(p, 0, 3);
    assert_false(is_there(&w));
    assert_false(is_in_done(p, &w));
}

static void test_killed_writer(void **state)
{
    struct place *p = *state;
    struct writer here, elsewhere, old;
    birth(p, &here, 1);
    put_event(&here, 0);
    birth_as(p, &elsewhere, 2, "01941f29-7c00-7837-a31d-d79a7fb36a3d", p->boot, "another", 1);
    put_event(&elsewhere, 1);
    birth_as(p, &old, 3, "01941f29-7c00-7837-a31d-d79a7fb36a3e",
             "00000000-0000-0000-0000-000000000000", p->host, 1);
    put_event(&old, 2);
    close(here.fd);
    close(elsewhere.fd);
    struct timespec long_ago[2] = {{.tv_sec = 1600000000}, {.tv_sec = 1600000000}};
    assert_int_equal(futimens(old.fd, long_ago), 0);
    close(old.fd);
    run_and_commit(p);
    assert_spooled(p, 0, 3);
    assert_false(is_there(&here));     /* J10 */
    assert_true(is_there(&elsewhere)); /* its lock may be hidden from us */
    assert_false(is_there(&old));      /* J12 */
    assert_true(is_in_done(p, &old));  /* for seven days from now on, however old it was */
    assert_false(is_in_done(p, &here));
}

static void test_torn_and_parked(void **state)
{
    struct place *p = *state;
    struct writer w;
    birth(p, &w, 1);
    put_event(&w, 0);
    put(&w, "{\"eventType\":\"STA\n"); /* a torn piece that a later line closed (J6) */
    put(&w, "\n");
    put(&w, "{\"ol_journal_note\":1}\n");
    put(&w, "[]\n");
    put_event(&w, 1);
    put(&w, "{\"eventType\":\"START\",");
    close(w.fd);
    run_and_commit(p);
    assert_spooled(p, 0, 2);
    assert_int_equal(metric_get(&p->metrics.intake.journal_parked_lines), 3);
    assert_false(is_there(&w));
    assert_true(is_in_done(p, &w)); /* J8 */
}

static void test_half_a_line_waits(void **state)
{
    struct place *p = *state;
    struct writer w;
    char text[EVENT_SIZE];
    event_text(text, 0);
    birth(p, &w, 1);
    assert_int_equal(write(w.fd, text, 100), 100);
    run_and_commit(p);
    assert_spooled(p, 0, 0);
    put(&w, text + 100);
    put(&w, "\n");
    run_later(p);
    assert_spooled(p, 0, 1);
    put_end(&w);
}

static void test_roll_back_takes_again(void **state)
{
    struct place *p = *state;
    struct writer w;
    birth(p, &w, 1);
    for (long i = 0; i < 10; i++)
        put_event(&w, i);
    run_and_commit(p);
    for (long i = 10; i < 20; i++)
        put_event(&w, i);
    put_end(&w);
    /* The group is lost, as after a failed commit: close the spool without one. */
    int64_t due = journal_intake_deadline(p->ji);
    while (ol__time_monotonic_ms() < due)
        usleep(500);
    assert_int_equal(journal_intake_run(p->ji, 8 << 20, NULL), OL_OK);
    journal_intake_rolled_back(p->ji);
    assert_true(is_there(&w));
    journal_stop(p);
    journal_start(p);
    run_and_commit(p);
    assert_spooled(p, 0, 20);
    assert_false(is_there(&w));
}

static void test_restart_doubles_nothing(void **state)
{
    struct place *p = *state;
    struct writer w;
    birth(p, &w, 1);
    for (long i = 0; i < 100; i++) {
        put_event(&w, i);
        if (i % 10 == 9) {
            run_and_commit(p);
            journal_stop(p);
            journal_start(p);
        }
    }
    put_end(&w);
    run_and_commit(p);
    assert_spooled(p, 0, 100);
    assert_false(is_there(&w));
}

static void test_reappears_after_power_loss(void **state)
{
    struct place *p = *state;
    struct writer w, again;
    const char *uuid = "01941f29-7c00-7837-a31d-d79a7fb36a40";
    birth_as(p, &w, 1, uuid, p->boot, p->host, 1);
    put_event(&w, 0);
    close(w.fd);
    run_and_commit(p);
    assert_false(is_there(&w));
    /* The unlink is undone, and the end of the file is lost with it. */
    birth_as(p, &again, 1, uuid, p->boot, p->host, 1);
    close(again.fd);
    run_later(p);
    assert_spooled(p, 0, 1);
    assert_false(is_there(&again));
}

static void test_long_line(void **state)
{
    struct place *p = *state;
    struct writer w;
    size_t size = 17u << 20;
    char *line = malloc(size);
    assert_non_null(line);
    memset(line, 'x', size);
    birth(p, &w, 1);
    put_event(&w, 0);
    assert_int_equal(write(w.fd, line, size), size);
    put(&w, "\n");
    put_event(&w, 1);
    put_end(&w);
    free(line);
    run_and_commit(p);
    run_later(p);
    assert_spooled(p, 0, 2);
    assert_int_equal(metric_get(&p->metrics.intake.journal_parked_lines), 1);
    assert_true(is_in_done(p, &w));
}

static void test_what_is_left_alone(void **state)
{
    struct place *p = *state;
    struct writer target, linked, newer;
    char link_path[256], fifo_path[256], hard_path[256];
    birth(p, &target, 1);
    put_event(&target, 0);
    snprintf(link_path, sizeof link_path,
             "%s/00000000000000000002-01941f29-7c00-7837-a31d-d79a7fb36a41.jsonl", p->journal);
    assert_int_equal(symlink("/etc/passwd", link_path), 0);
    snprintf(fifo_path, sizeof fifo_path,
             "%s/00000000000000000003-01941f29-7c00-7837-a31d-d79a7fb36a42.jsonl", p->journal);
    assert_int_equal(mkfifo(fifo_path, 0600), 0);
    birth(p, &linked, 4);
    put_event(&linked, 7);
    snprintf(hard_path, sizeof hard_path, "%s/second", p->root);
    assert_int_equal(link(linked.path, hard_path), 0);
    birth_as(p, &newer, 5, "01941f29-7c00-7837-a31d-d79a7fb36a43", p->boot, p->host, 2);
    put_event(&newer, 8);
    close(newer.fd);
    close(linked.fd);
    run_and_commit(p);
    assert_spooled(p, 0, 1);
    assert_int_equal(access(link_path, F_OK), 0);
    assert_int_equal(access(fifo_path, F_OK), 0);
    assert_true(is_there(&linked));
    assert_true(is_there(&newer));
    put_end(&target);
}

static void test_oldest_first_and_many(void **state)
{
    struct place *p = *state;
    enum { COUNT = 2000 };
    run_and_commit(p); /* from here on inotify tells */
    for (long i = COUNT - 1; i >= 0; i--) {
        struct writer w;
        birth(p, &w, i + 1);
        put_event(&w, i);
        put_end(&w);
    }
    journal_intake_rescan(p->ji);
    run_and_commit(p);
    assert_spooled(p, 0, COUNT);
    run_later(p);
    char command[192];
    snprintf(command, sizeof command, "test -z \"$(ls '%s'/*.jsonl 2>/dev/null)\"", p->journal);
    assert_int_equal(system(command), 0);
}

static void test_one_drainer(void **state)
{
    struct place *p = *state;
    struct journal_intake *second = NULL;
    struct ol_error err = {.message = ""};
    char pid[32];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    assert_int_equal(journal_intake_open(&p->agent, p->taker, &second, &err), OL_BUSY);
    assert_null(second);
    assert_non_null(strstr(err.message, pid));
}

static void test_another_uid_cannot_move_a_position(void **state)
{
    struct place *p = *state;
    struct writer mine, thief;
    const char *uuid = "01941f29-7c00-7837-a31d-d79a7fb36a44";
    if (geteuid() != 0) {
        print_message(
            "SKIP test_another_uid_cannot_move_a_position: needs root to own files as another\n");
        skip();
    }
    birth_as(p, &thief, 1, uuid, p->boot, p->host, 1);
    for (int i = 0; i < 50; i++)
        put(&thief, "{\"ol_journal_note\":\"x\"}\n");
    assert_int_equal(fchown(thief.fd, 61003, (gid_t)-1), 0);
    close(thief.fd);
    run_and_commit(p);
    journal_stop(p);
    birth_as(p, &mine, 2, uuid, p->boot, p->host, 1);
    put_event(&mine, 0);
    close(mine.fd);
    journal_start(p);
    run_and_commit(p);
    assert_spooled(p, 0, 1);
}

static void test_full_marker_goes(void **state)
{
    struct place *p = *state;
    struct writer w;
    char marker[256];
    snprintf(marker, sizeof marker, "%s/.full-%u", p->journal, (unsigned)geteuid());
    birth(p, &w, 1);
    put_event(&w, 0);
    put_end(&w);
    int fd = open(marker, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    journal_intake_rescan(p->ji);
    run_and_commit(p);
    run_later(p);
    assert_int_not_equal(access(marker, F_OK), 0);
    assert_spooled(p, 0, 1);
}

static int64_t clock_jump_ms;
int64_t __real_ol__time_now_ms(void);
int64_t __wrap_ol__time_now_ms(void);

int64_t __wrap_ol__time_now_ms(void)
{
    return __real_ol__time_now_ms() + clock_jump_ms;
}

static void run_for(struct place *p, int64_t ms)
{
    for (int64_t end = ol__time_monotonic_ms() + ms; ol__time_monotonic_ms() < end;)
        run_later(p);
}

/* J12: a wall clock that is set forward makes no journal old, neither here nor in done/. */
static void test_clock_set_forward(void **state)
{
    struct place *p = *state;
    struct writer living, old;
    birth_as(p, &living, 1, "01941f29-7c00-7837-a31d-d79a7fb36a3d",
             "5ac4b9ab-1111-4e17-9d4c-2d1f2b7e9a01", "elsewhere", 1);
    put_event(&living, 0);
    close(living.fd); /* its lock is free, yet nobody knows whether it has ended */
    birth_as(p, &old, 2, "01941f29-7c00-7837-a31d-d79a7fb36a3e",
             "5ac4b9ab-1111-4e17-9d4c-2d1f2b7e9a01", "elsewhere", 1);
    put_event(&old, 1);
    const struct timespec long_ago[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(futimens(old.fd, long_ago), 0);
    close(old.fd);
    run_and_commit(p);
    assert_true(is_in_done(p, &old));
    assert_true(is_there(&living));
    clock_jump_ms = INT64_C(30) * 24 * 3600 * 1000;
    run_for(p, 1500); /* done/ is looked at a second after a move */
    assert_true(is_there(&living));
    assert_true(is_in_done(p, &old));
    clock_jump_ms = -clock_jump_ms;
    run_for(p, 100);
    assert_true(is_there(&living));
    assert_true(is_in_done(p, &old));
    /* One that did not see it jump has its newest record to go by. */
    clock_jump_ms = -clock_jump_ms;
    journal_stop(p);
    journal_start(p);
    run_for(p, 1500);
    assert_true(is_there(&living));
    assert_true(is_in_done(p, &old));
    clock_jump_ms = 0;
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lives_then_ends, journal_set_up, journal_tear_down),
        cmocka_unit_test_setup_teardown(test_killed_writer, journal_set_up, journal_tear_down),
        cmocka_unit_test_setup_teardown(test_torn_and_parked, journal_set_up, journal_tear_down),
        cmocka_unit_test_setup_teardown(test_half_a_line_waits, journal_set_up, journal_tear_down),
        cmocka_unit_test_setup_teardown(test_roll_back_takes_again, journal_set_up,
                                        journal_tear_down),
        cmocka_unit_test_setup_teardown(test_restart_doubles_nothing, journal_set_up,
                                        journal_tear_down),
        cmocka_unit_test_setup_teardown(test_reappears_after_power_loss, journal_set_up,
                                        journal_tear_down),
        cmocka_unit_test_setup_teardown(test_long_line, journal_set_up, journal_tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_left_alone, journal_set_up, journal_tear_down),
        cmocka_unit_test_setup_teardown(test_clock_set_forward, journal_set_up, journal_tear_down),
        cmocka_unit_test_setup_teardown(test_oldest_first_and_many, journal_set_up,
                                        journal_tear_down),
        cmocka_unit_test_setup_teardown(test_one_drainer, journal_set_up, journal_tear_down),
        cmocka_unit_test_setup_teardown(test_another_uid_cannot_move_a_position, journal_set_up,
                                        journal_tear_down),
        cmocka_unit_test_setup_teardown(test_full_marker_goes, journal_set_up, journal_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
