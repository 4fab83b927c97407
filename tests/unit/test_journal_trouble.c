/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that the journals' reader loses, doubles and reorders nothing (spec/JOURNAL.md P2, J6,
 * J11, J17, J19, J20) when inotify is silent, directories go, files shrink or cannot be read,
 * memory is short, and the emitter's own writer races it. */
#include "journal_help.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openlineage/openlineage.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "client.h"
#include "fail_alloc.h"
#include "journal.h"
#include "times.h"

static int count_journals(const char *directory)
{
    int count = 0;
    const struct dirent *entry;
    DIR *stream = opendir(directory);
    assert_non_null(stream);
    while ((entry = readdir(stream)) != NULL)
        count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
    closedir(stream);
    return count;
}

static uint64_t parked(struct place *p)
{
    return metric_get(&p->metrics.intake.journal_parked_lines);
}

/* ---- Hints that do not come ---- */

/* Only the overflow of the queue can tell of the last file: the next poll is an hour away. */
static void inotify_overflow_rescans(void **state)
{
    struct place *p = *state;
    struct writer w[2], last;
    long limit = 0, bytes = 0;
    FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    if (f == NULL || fscanf(f, "%ld", &limit) != 1 || limit > 100000) {
        print_message("SKIP inotify_overflow_rescans: the queue is too long here\n");
        skip();
    }
    fclose(f);
    p->config.journal_poll_ms = 3600 * 1000;
    birth(p, &w[0], 1);
    birth(p, &w[1], 2);
    run_and_commit(p);
    run_and_commit(p);
    for (; bytes < limit + 100; bytes++) /* events of one file in a row would be merged */
        put(&w[bytes % 2], "\n");
    birth(p, &last, 3);
    put_event(&last, 0);
    put_event(&w[0], 1);
    run_and_commit(p);
    put_end(&last);
    close(w[0].fd);
    close(w[1].fd);
    run_and_commit(p);
    assert_int_equal(metric_get(&p->metrics.intake.journal_events), 2);
    assert_int_equal(count_journals(p->journal), 0);
}

/* What intake.c does when a turn adds no event: no commit follows. */
static void an_end_line_needs_no_commit(void **state)
{
    struct place *p = *state;
    struct writer w;
    birth(p, &w, 1);
    put_event(&w, 0);
    run_and_commit(p);
    put_end(&w);
    while (ol__time_monotonic_ms() < journal_intake_deadline(p->ji))
        usleep(500);
    assert_int_equal(journal_intake_run(p->ji, 1 << 20, NULL), OL_OK);
    assert_int_equal(spool_group_size(p->spool), 0);
    assert_false(is_there(&w));
    assert_spooled(p, 0, 1);
}

/* ---- Directories ---- */

static void directory_goes_and_returns(void **state)
{
    struct place *p = *state;
    struct writer before, between;
    char away[160], held[160];
    snprintf(away, sizeof away, "%s/away", p->root);
    snprintf(held, sizeof held, "%s/held", p->root);
    birth(p, &before, 1);
    put_event(&before, 0);
    run_and_commit(p);
    assert_int_equal(rename(p->journal, away), 0);
    put_event(&before, 2); /* whoever has it open writes on */
    run_later(p);          /* makes the directory again */
    birth(p, &between, 2);
    put_event(&between, 1);
    run_later(p);
    assert_spooled(p, 0, 2);
    assert_int_equal(rename(p->journal, held), 0);
    assert_int_equal(rename(away, p->journal), 0);
    run_later(p);
    assert_spooled(p, 0, 3); /* 0 is not taken twice */
    put_end(&before);
    run_later(p);
    assert_false(is_there(&before));
    close(between.fd);
}

static void another_directory_is_not_held_up(void **state)
{
    struct place *p = *state;
    struct writer w;
    char other[160], gone[160];
    char *both[2] = {other, p->journal};
    journal_stop(p);
    snprintf(other, sizeof other, "%s/other", p->root);
    snprintf(gone, sizeof gone, "%s/gone", p->root);
    p->config.journal_directories = (struct ol__text_list){.items = both, .count = 2};
    journal_start(p);
    run_and_commit(p);
    assert_int_equal(rename(other, gone), 0);
    int fd = open(other, O_CREAT | O_WRONLY, 0600); /* in its place stands what cannot be drained */
    assert_true(fd >= 0);
    close(fd);
    birth(p, &w, 1);
    put_event(&w, 0);
    put_end(&w);
    run_later(p);
    run_later(p);
    assert_spooled(p, 0, 1);
    assert_false(is_there(&w));
    journal_stop(p);
}

static void done_is_made_again(void **state)
{
    struct place *p = *state;
    struct writer w;
    char done[160];
    snprintf(done, sizeof done, "%s/done", p->journal);
    run_and_commit(p);
    assert_int_equal(rmdir(done), 0);
    birth(p, &w, 1);
    put(&w, "[]\n");
    put_event(&w, 0);
    put_end(&w);
    run_later(p);
    assert_false(is_there(&w));
    assert_true(is_in_done(p, &w));
    assert_spooled(p, 0, 1);
}

static void foreign_done_is_refused(void **state)
{
    struct place *p = *state;
    char done[160];
    struct journal_intake *ji = NULL;
    struct ol_error err = {.message = ""};
    if (geteuid() != 0) {
        print_message("SKIP foreign_done_is_refused: needs root to own it as another\n");
        skip();
    }
    snprintf(done, sizeof done, "%s/done", p->journal);
    assert_int_equal(chown(done, 61003, (gid_t)-1), 0);
    journal_intake_close(p->ji);
    p->ji = NULL;
    assert_int_equal(journal_intake_open(&p->agent, p->taker, &ji, &err), OL_DENIED);
    assert_non_null(strstr(err.message, "61003"));
    intake_taker_free(p->taker);
    spool_close(p->spool);
}

/* ---- Files ---- */

/* J6: a writer whose write fell short cuts note and torn event off again; what it writes then
 * begins where the note began. */
static void cut_back_note_is_not_consumed(void **state)
{
    struct place *p = *state;
    struct writer w;
    struct stat st;
    birth(p, &w, 1);
    put_event(&w, 0);
    assert_int_equal(fstat(w.fd, &st), 0);
    put(&w,
        "{\"ol_journal_run\":\"01941f29-7c00-7837-a31d-000000000001\",\"detached\":true}\n{\"ev");
    run_and_commit(p);
    assert_int_equal(ftruncate(w.fd, st.st_size), 0);
    put_event(&w, 1);
    put_event(&w, 2);
    run_later(p);
    assert_spooled(p, 0, 3);
    put_end(&w);
    run_later(p);
    assert_false(is_there(&w));
    assert_int_equal(parked(p), 0);
}

static void a_file_that_shrinks(void **state)
{
    struct place *p = *state;
    struct writer w;
    struct stat st;
    birth(p, &w, 1);
    put_event(&w, 0);
    assert_int_equal(fstat(w.fd, &st), 0);
    put_event(&w, 1);
    run_and_commit(p);
    assert_int_equal(ftruncate(w.fd, st.st_size),
                     0); /* a sync failed: event 1 went elsewhere, too */
    run_later(p);
    assert_spooled(p, 0, 2);
    assert_int_equal(ftruncate(w.fd, 0), 0);
    run_later(p);
    put_end(&w);
    run_later(p);
    assert_spooled(p, 0, 2);
    assert_false(is_there(&w));
}

static void a_failing_file_holds_up_nobody(void **state)
{
    (void)state;
    struct place *p = NULL;
    struct writer bad, good;
    if (geteuid() == 0)
        assert_int_equal(seteuid(61003), 0);
    assert_int_equal(journal_set_up((void **)&p), 0);
    birth(p, &bad, 1);
    put_event(&bad, 0);
    run_and_commit(p);
    put_event(&bad, 2);
    put_end(&bad);
    assert_int_equal(chmod(bad.path, 0), 0);
    birth(p, &good, 2);
    put_event(&good, 1);
    put_end(&good);
    run_later(p);
    assert_spooled(p, 0, 2);
    assert_false(is_there(&good));
    journal_stop(p); /* its position outlives a start that cannot read it */
    journal_start(p);
    run_and_commit(p);
    run_later(p);
    assert_true(is_there(&bad));
    assert_int_equal(chmod(bad.path, 0600), 0);
    run_later(p);
    run_later(p);
    assert_spooled(p, 0, 3);
    assert_false(is_there(&bad));
    journal_tear_down((void **)&p);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
}

static void what_changes_after_its_end_stays(void **state)
{
    struct place *p = *state;
    struct writer w;
    birth(p, &w, 1);
    put_event(&w, 0);
    put(&w, "{\"ol_journal_end\":\"closed\",\"events\":1}\n");
    assert_int_equal(journal_intake_run(p->ji, 1 << 20, NULL), OL_OK);
    put_event(&w, 1); /* between the judgement and the commit */
    assert_int_equal(intake_taker_commit(p->taker, NULL), OL_OK);
    journal_intake_committed(p->ji);
    assert_true(is_there(&w));
    run_later(p);
    assert_spooled(p, 0, 2);
    put_end(&w);
    run_later(p);
    assert_false(is_there(&w));
}

/* J8 over starts: the bad line stands far before the position that the second start begins with. */
static void a_parked_line_is_remembered(void **state)
{
    struct place *p = *state;
    struct writer bad, good;
    birth(p, &bad, 1);
    birth(p, &good, 2);
    for (long i = 0; i < 6000; i++) {
        put_event(&bad, i);
        if (i == 5000)
            put(&bad, "[]\n");
    }
    run_and_commit(p);
    journal_stop(p);
    journal_start(p);
    run_and_commit(p);
    for (long i = 6000; i < 12000; i++)
        put_event(&good, i);
    run_later(p);
    journal_stop(p);
    journal_start(p);
    put_end(&bad);
    put_end(&good);
    run_and_commit(p);
    run_later(p);
    assert_spooled(p, 0, 12000);
    assert_true(is_in_done(p, &bad));
    assert_false(is_in_done(p, &good));
    assert_false(is_there(&good));
}

/* ---- Order and fairness ---- */

/* A backlog in three parts, each longer than one turn: taken part by part (J19). */
static void parts_in_order(void **state)
{
    struct place *p = *state;
    struct ol__journal_limits limits = ol__journal_limits_default;
    struct ol__journal_options options = {.directory = p->journal, .limits = &limits};
    struct ol__transport *t = NULL;
    char line[EVENT_SIZE + 2] = "\n";
    enum { EVENTS = 30000 };
    limits.rotate_bytes = 2560 << 10;
    limits.floor_percent = 0;
    assert_int_equal(ol__journal_open(&options, &t, NULL), OL_OK);
    for (long i = 0; i < EVENTS; i++) {
        event_text(line + 1, i);
        strcat(line, "\n"); /* NOLINT: there is room for two more */
        struct ol__line l = {.data = line, .size = strlen(line)};
        assert_int_equal(t->functions->emit(t, &l, NULL), OL_OK);
    }
    assert_true(count_journals(p->journal) >= 3);
    run_and_commit(p);
    assert_spooled(p, 0, EVENTS);
    t->functions->close(t, 0, NULL);
    run_later(p);
    assert_int_equal(count_journals(p->journal), 0);
}

static void many_busy_writers_starve_nobody(void **state)
{
    struct place *p = *state;
    struct writer busy[6], late;
    for (long b = 0; b < 6; b++) {
        birth(p, &busy[b], b + 1);
        for (long i = 0; i < 9000; i++)
            put_event(&busy[b], b * 10000 + i);
    }
    birth(p, &late, 100);
    put_event(&late, 99999);
    int runs = 0;
    uint64_t before = 0;
    for (; runs < 3; runs++) {
        assert_int_equal(journal_intake_run(p->ji, 3 << 20, NULL), OL_AGAIN);
        assert_int_equal(intake_taker_commit(p->taker, NULL), OL_OK);
        journal_intake_committed(p->ji);
        assert_true(metric_get(&p->metrics.intake.journal_events) > before);
        before = metric_get(&p->metrics.intake.journal_events);
    }
    struct spool_reader *reader;
    struct spool_record record;
    bool is_found = false;
    assert_int_equal(spool_reader_open(p->spool, 0, &reader, NULL), OL_OK);
    while (spool_reader_next(reader, &record, NULL) == OL_OK)
        is_found |= record.type == SPOOL_EVENT &&
                    memmem(record.data.data, record.data.size, "000000099999", 12) != NULL;
    spool_reader_close(reader);
    assert_true(is_found); /* though each of the busy ones has more */
    for (int b = 0; b < 6; b++)
        close(busy[b].fd);
    close(late.fd);
}

/* ---- Many ---- */

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void ten_thousand_files(void **state)
{
    struct place *p = *state;
    enum { COUNT = 10000, POLLS = 50 };
    struct rlimit files;
    struct writer *w = calloc(COUNT, sizeof *w);
    assert_non_null(w);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_max < COUNT + 100) {
        print_message("SKIP ten_thousand_files: only %lu descriptors\n",
                      (unsigned long)files.rlim_max);
        free(w);
        skip();
    }
    run_and_commit(p);
    for (long i = 0; i < COUNT; i++) {
        birth(p, &w[i], i + 1);
        put_event(&w[i], i);
    }
    double begin = cpu_s();
    run_and_commit(p);
    print_message("10,000 journals taken: %.1f ms of CPU\n", (cpu_s() - begin) * 1e3);
    assert_spooled(p, 0, COUNT);
    begin = cpu_s();
    for (int i = 0; i < POLLS; i++)
        run_later(p);
    print_message("10,000 idle journals: %.2f ms of CPU a poll\n", (cpu_s() - begin) * 1e3 / POLLS);
    for (long i = 0; i < COUNT; i++)
        put_end(&w[i]);
    begin = cpu_s();
    run_and_commit(p);
    run_later(p);
    print_message("10,000 ended journals unlinked: %.1f ms of CPU\n", (cpu_s() - begin) * 1e3);
    assert_int_equal(count_journals(p->journal), 0);
    free(w);
}

/* ---- Out of memory ---- */

static void every_allocation_fails_once(void **state)
{
    struct place *p = *state;
    struct writer w;
    long events = 0;
    journal_intake_close(p->ji);
    unsigned long n = 1;
    for (;; n++) {
        bool is_over;
        birth(p, &w, (long)n);
        put(&w, "[]\n");
        put_event(&w, events++);
        p->ji = NULL;
        fail_alloc_at(n);
        ol_status st = journal_intake_open(&p->agent, p->taker, &p->ji, NULL);
        if (st == OL_OK) {
            st = journal_intake_run(p->ji, 1 << 20, NULL);
            if (st == OL_OK && intake_taker_commit(p->taker, NULL) == OL_OK)
                journal_intake_committed(p->ji);
            else {
                assert_int_equal(intake_taker_commit(p->taker, NULL),
                                 OL_OK); /* empty, or nothing lost */
                journal_intake_rolled_back(p->ji);
            }
            put_end(&w);
            while (ol__time_monotonic_ms() < journal_intake_deadline(p->ji))
                usleep(500);
            st = journal_intake_run(p->ji, 1 << 20, NULL);
            if (st == OL_OK && intake_taker_commit(p->taker, NULL) == OL_OK)
                journal_intake_committed(p->ji);
        } else {
            assert_int_equal(st, OL_NOMEM);
            assert_null(p->ji);
            put_end(&w);
        }
        is_over = !fail_alloc_stop();
        journal_intake_close(p->ji);
        assert_int_equal(journal_intake_open(&p->agent, p->taker, &p->ji, NULL), OL_OK);
        run_and_commit(p);
        run_later(p);
        assert_spooled(p, 0, events);
        assert_int_equal(count_journals(p->journal), 0);
        assert_true(is_in_done(p, &w)); /* for its bad line, whatever failed */
        if (is_over)
            break;
        journal_intake_close(p->ji);
    }
    assert_true(n > 10);
}

/* ---- The real writer ---- */

static void events_of_the_library(void **state)
{
    struct place *p = *state;
    struct ol__journal_limits limits = ol__journal_limits_default;
    struct ol__client_hooks hooks = {.limits = &limits};
    struct ol_client_options options = {.struct_size = sizeof options,
                                        .producer = "https://example.org/t",
                                        .journal_directory = p->journal};
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    struct ol_error err = {.message = ""};
    enum { RUNS = 20 };
    limits.floor_percent = 0;
    if (ol__client_open_hooked(&options, &hooks, &client, &err) != OL_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < RUNS; i++) {
        struct ol_run_options run_options = {.struct_size = sizeof run_options,
                                             .job_namespace = "n",
                                             .job_name = "j",
                                             .is_detached = i % 2 == 0};
        assert_int_equal(ol_run_new(client, &run_options, &run, &err), OL_OK);
        assert_non_null(ol_run_input_named(run, "file", "/raw \"it\".csv"));
        assert_true(ol_run_emit(run, OL_START, &err) >= 0);
        assert_true(ol_run_emit(run, OL_COMPLETE, &err) >= 0);
        ol_run_free(run);
        if (i == RUNS / 2)
            run_and_commit(p);
    }
    assert_int_equal(ol_client_close(client, 0, NULL), OL_OK);
    run_later(p);
    struct spool_reader *reader;
    struct spool_record record;
    int count = 0;
    assert_int_equal(spool_reader_open(p->spool, 0, &reader, NULL), OL_OK);
    while (spool_reader_next(reader, &record, NULL) == OL_OK) {
        const char *type = count % 2 == 0 ? "\"START\"" : "\"COMPLETE\"";
        if (record.type != SPOOL_EVENT)
            continue;
        assert_non_null(memmem(record.data.data, record.data.size, type, strlen(type)));
        assert_int_equal(record.warnings, 0);
        count++;
    }
    spool_reader_close(reader);
    assert_int_equal(count, 2 * RUNS);
    assert_int_equal(parked(p), 0);
    assert_int_equal(count_journals(p->journal), 0);
}

struct racer {
    pthread_t thread;
    const char *directory;
    long first, count;
    atomic_bool is_over;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct ol__journal_limits limits = ol__journal_limits_default;
    struct ol__journal_options options = {.directory = r->directory, .limits = &limits};
    struct ol__transport *t = NULL;
    char line[EVENT_SIZE + 2] = "\n";
    limits.rotate_bytes = 3000; /* some eight events a file */
    limits.floor_percent = 0;
    bool is_good = ol__journal_open(&options, &t, NULL) == OL_OK;
    for (long i = 0; is_good && i < r->count; i++) {
        event_text(line + 1, r->first + i);
        strcat(line, "\n"); /* NOLINT: there is room for two more */
        struct ol__line l = {.data = line, .size = strlen(line)};
        ol_status st;
        while ((st = t->functions->emit(t, &l, NULL)) == OL_FULL)
            usleep(1000); /* J15: the drainer is behind */
        is_good = st == OL_OK;
    }
    if (t != NULL)
        t->functions->close(t, 0, NULL);
    atomic_store(&r->is_over, true);
    return is_good ? r : NULL;
}

/* Every event once, and those of one writer in their order, over some hundred rotations. */
static void writers_and_reader_race(void **state)
{
    struct place *p = *state;
    enum { WRITERS = 3, EVENTS = 3000 };
    struct racer racers[WRITERS];
    long next[WRITERS] = {0};
    void *result;
    for (long i = 0; i < WRITERS; i++) {
        racers[i] = (struct racer){.directory = p->journal, .first = i * 1000000, .count = EVENTS};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (bool is_over = false; !is_over;) {
        is_over = true;
        for (int i = 0; i < WRITERS; i++)
            is_over &= atomic_load(&racers[i].is_over);
        run_and_commit(p);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(racers[i].thread, &result);
        assert_ptr_equal(result, &racers[i]);
    }
    run_later(p);
    assert_int_equal(count_journals(p->journal), 0);
    assert_int_equal(parked(p), 0);
    struct spool_reader *reader;
    struct spool_record record;
    assert_int_equal(spool_reader_open(p->spool, 0, &reader, NULL), OL_OK);
    while (spool_reader_next(reader, &record, NULL) == OL_OK) {
        if (record.type != SPOOL_EVENT)
            continue;
        const char *id = memmem(record.data.data, record.data.size, "a31d-", 5);
        assert_non_null(id);
        long number = strtol(id + 5, NULL, 10), writer = number / 1000000;
        assert_in_range(writer, 0, WRITERS - 1);
        assert_int_equal(number % 1000000, next[writer]++);
    }
    spool_reader_close(reader);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(next[i], EVENTS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, journal_set_up, journal_tear_down)

int main(void)
{
    if (getenv("JOURNAL_TEST_LOG") == NULL)
        log_setup(LOG_LEVEL_ERROR, false);
    const struct CMUnitTest tests[] = {
        TEST(inotify_overflow_rescans),
        TEST(an_end_line_needs_no_commit),
        TEST(directory_goes_and_returns),
        TEST(another_directory_is_not_held_up),
        TEST(done_is_made_again),
        TEST(foreign_done_is_refused),
        TEST(cut_back_note_is_not_consumed),
        TEST(a_file_that_shrinks),
        cmocka_unit_test(a_failing_file_holds_up_nobody),
        TEST(what_changes_after_its_end_stays),
        TEST(a_parked_line_is_remembered),
        TEST(parts_in_order),
        TEST(many_busy_writers_starve_nobody),
        TEST(ten_thousand_files),
        TEST(every_allocation_fails_once),
        TEST(events_of_the_library),
        TEST(writers_and_reader_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
