/* SPDX-License-Identifier: Apache-2.0 */
/* Proves J19 of spec/JOURNAL.md for the parts of one chain, however they come to be seen: no line
 * of a later part is in the spool before the earlier parts have given all of theirs. */
#include "journal_help.h"
#include "intake/journal_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHAIN "01941f29-7c00-7837-a31d-00000000c4a1"
#define OTHER "01941f29-7c00-7837-a31d-00000000c4a2"

/** One turn with little room, and its commit; or a death before that, and a start. @return what the
 * turn answered. */
static ol_status turn(struct place *p, size_t budget, bool is_committed)
{
    struct ol_error err = {.message = ""};
    ol_status st = journal_intake_run(p->ji, budget, &err);
    if (st != OL_OK && st != OL_AGAIN)
        fail_msg("%s", err.message);
    if (is_committed) {
        assert_int_equal(intake_taker_commit(p->taker, &err), OL_OK);
        journal_intake_committed(p->ji);
    } else {
        journal_intake_rolled_back(p->ji);
        journal_stop(p);
        journal_start(p);
    }
    return st;
}

/** @p count events from number @p first on. */
static void put_events(const struct writer *w, long first, long count)
{
    enum { BATCH = 200 };
    static char text[BATCH * EVENT_SIZE];
    for (long i = 0; i < count;) {
        size_t size = 0;
        for (int n = 0; n < BATCH && i < count; n++, i++) {
            event_text(text + size, first + i);
            size += strlen(text + size);
            text[size++] = '\n';
        }
        assert_int_equal(write(w->fd, text, size), size);
    }
}

/* A first part longer than two turns, forty after it; the reader ends every few turns and a first
 * part goes on being written until the others are there. */
static void many_parts_and_starts(void **state)
{
    struct place *p = *state;
    enum { PARTS = 40, FIRST = 12000, EACH = 120 };
    struct writer w[PARTS];
    long number = 0;
    birth_part(p, &w[0], 1, CHAIN, 1);
    put_events(&w[0], 0, FIRST / 2);
    turn(p, 1 << 20, true);
    number = FIRST / 2;
    put_events(&w[0], number, FIRST / 2);
    number += FIRST / 2;
    put_rotated(&w[0]);
    for (int i = 1; i < PARTS; i++) {
        birth_part(p, &w[i], i + 1, CHAIN, i + 1);
        put_events(&w[i], number, EACH);
        number += EACH;
        if (i < PARTS - 1)
            put_rotated(&w[i]);
    }
    for (int i = 0; i < 60; i++) {
        turn(p, 40000, i % 5 != 2);
        if (i % 7 == 3) {
            journal_stop(p);
            journal_start(p);
        }
    }
    run_and_commit(p);
    run_later(p);
    assert_spooled(p, 0, number);
    assert_true(is_there(&w[PARTS - 1]));
    put_end(&w[PARTS - 1]);
    run_later(p);
    assert_spooled(p, 0, number);
    for (int i = 0; i < PARTS; i++)
        assert_false(is_there(&w[i]));
}

/* What the reader hears of first is the last part; and in each order that three parts may have. */
static void seen_in_any_order(void **state)
{
    struct place *p = *state;
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    enum { EACH = 4000 };
    for (int round = 0; round < 6; round++) {
        struct writer w[3];
        char chain[OL_UUID_TEXT + 1], hidden[3][300];
        snprintf(chain, sizeof chain, "01941f29-7c00-7837-a31d-%012d", round);
        for (int i = 0; i < 3; i++) {
            birth_part(p, &w[i], round * 10 + i + 1, chain, i + 1);
            snprintf(hidden[i], sizeof hidden[i], "%s/.hidden-%d", p->journal, i);
            assert_int_equal(rename(w[i].path, hidden[i]), 0);
            put_events(&w[i], (round * 3 + i) * EACH, EACH);
            if (i < 2)
                put_rotated(&w[i]);
        }
        for (int i = 0; i < 3; i++)
            assert_int_equal(rename(hidden[orders[round][i]], w[orders[round][i]].path), 0);
        for (int i = 0; i < 8; i++)
            turn(p, 100000, i % 3 != 1);
        run_and_commit(p);
        put_end(&w[2]);
        run_later(p);
    }
    assert_spooled(p, 0, 6 * 3 * EACH);
}

/* A part that cannot be read lets those behind it pass, but not past what stands before it. */
static void unreadable_part_in_the_middle(void **state)
{
    struct place *p = *state;
    struct writer w[3];
    char link_path[300];
    enum { FIRST = 20000 }; /* longer than three turns */
    for (int i = 0; i < 3; i++) {
        birth_part(p, &w[i], i + 1, CHAIN, i + 1);
        put_events(&w[i], i == 2 ? FIRST : 0, i == 0 ? FIRST : i == 1 ? 0 : 3);
    }
    turn(p, 64 << 20, true); /* the headers are known, the first part is not through */
    snprintf(link_path, sizeof link_path, "%s.link", w[1].path);
    assert_int_equal(link(w[1].path, link_path), 0); /* J20: left alone */
    run_later(p);
    assert_spooled(p, 0, FIRST + 3);
    for (int i = 0; i < 3; i++)
        put_end(&w[i]);
    run_later(p);
    assert_true(is_there(&w[1]));
    assert_false(is_there(&w[2]));
}

/* Of the same numbers, but another's. */
static void other_chains_do_not_wait(void **state)
{
    struct place *p = *state;
    struct writer first, other;
    birth_part(p, &first, 1, CHAIN, 1);
    put_events(&first, 1, 8000);
    birth_part(p, &other, 2, OTHER, 2);
    put_events(&other, 0, 1);
    turn(p, 64 << 20, true);
    assert_int_equal(metric_get(&p->metrics.intake.journal_files), 2);
    run_and_commit(p);
    turn(p, 64 << 20, true);
    put_end(&first);
    put_end(&other);
    run_later(p);
    assert_int_equal(metric_get(&p->metrics.intake.journal_events), 8001);
    assert_false(is_there(&other));
}

/* More names than are listed: the oldest are found among all of them, and in the end all are taken,
 * in their order. */
static void more_names_than_are_listed(void **state)
{
    struct place *p = *state;
    enum { COUNT = 1000 };
    p->ji->listed_max = 100;
    p->ji->uid_listed_max = 30;
    for (long i = 0; i < COUNT; i++) { /* in no order, neither of names nor of time */
        struct writer w;
        long number = i * 617 % COUNT;
        birth(p, &w, number + 1);
        put_event(&w, number);
        put_end(&w);
    }
    journal_intake_rescan(p->ji);
    for (int i = 0; i < 5 * COUNT && metric_get(&p->metrics.intake.journal_events) < COUNT; i++) {
        run_later(p);
        assert_in_range(metric_get(&p->metrics.intake.journal_files), 0, 30);
    }
    assert_spooled(p, 0, COUNT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, journal_set_up, journal_tear_down)

int main(void)
{
    if (getenv("JOURNAL_TEST_LOG") == NULL)
        log_setup(LOG_LEVEL_ERROR, false);
    const struct CMUnitTest tests[] = {
        TEST(many_parts_and_starts),         TEST(seen_in_any_order),
        TEST(unreadable_part_in_the_middle), TEST(other_chains_do_not_wait),
        TEST(more_names_than_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
