/* SPDX-License-Identifier: Apache-2.0 */
/* Proves J22 to J25 of spec/JOURNAL.md: which runs get an inferred ABORT, when, where in the order,
 * and that it comes once, whatever start or lost group falls between any two steps. */
#include "journal_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "event_read.h"
#include "times.h"

#define GRACE_MS 60000
#define CHAIN "01941f29-7c00-7837-a31d-d79a7fb36b00"
#define OTHER_CHAIN "01941f29-7c00-7837-a31d-d79a7fb36b01"

/* The clocks are the test's: no grace is slept through. */
static int64_t monotonic_ahead_ms, wall_ahead_ms;
int64_t __real_ol__time_now_ms(void);
int64_t __wrap_ol__time_now_ms(void);
int64_t __real_ol__time_monotonic_ms(void);
int64_t __wrap_ol__time_monotonic_ms(void);

int64_t __wrap_ol__time_now_ms(void)
{
    return __real_ol__time_now_ms() + wall_ahead_ms;
}

int64_t __wrap_ol__time_monotonic_ms(void)
{
    return __real_ol__time_monotonic_ms() + monotonic_ahead_ms;
}

/** As run_later(), but the clock goes to where the poll is due. */
static void run_soon(struct place *p)
{
    int64_t due = journal_intake_deadline(p->ji), now = ol__time_monotonic_ms();
    if (due != INT64_MAX && due > now)
        monotonic_ahead_ms += OL_MIN(due - now, INT64_C(5));
    run_and_commit(p);
}

/* ---- Events ---- */

static void run_event(char out[800], const char *type, int number, const char *processing_type)
{
    char job_facets[160] = "";
    if (processing_type[0] != '\0')
        snprintf(job_facets, sizeof job_facets,
                 ",\"facets\":{\"jobType\":{\"_producer\":\"p:\",\"_schemaURL\":\"s:\","
                 "\"processingType\":\"%s\",\"integration\":\"T\"}}",
                 processing_type);
    snprintf(out, 800,
             "{\"eventType\":\"%s\",\"eventTime\":\"2026-11-21T09:00:00.000Z\","
             "\"producer\":\"https://example.org/t\",\"schemaURL\":\"https://openlineage.io/spec/"
             "2-0-2/OpenLineage.json#/$defs/RunEvent\","
             "\"run\":{\"runId\":\"01941f29-7c00-7837-a31d-%012d\"},"
             "\"job\":{\"namespace\":\"n\",\"name\":\"j\\u0041\"%s},"
             "\"inputs\":[{\"namespace\":\"f\", \"name\":\"in\"}],"
             "\"outputs\":[{\"namespace\":\"f\",\"name\":\"out\"}]}",
             type, number, job_facets);
}

static void post(struct place *p, const char *type, int number)
{
    char text[800];
    struct ol_error err = {.message = ""};
    run_event(text, type, number, "");
    struct spool_record record = {.source = SPOOL_FROM_HTTP,
                                  .uid = SPOOL_UID_UNKNOWN,
                                  .data = {.data = text, .size = strlen(text)}};
    assert_int_equal(intake_take(p->taker, &record, NULL, &err), OL_OK);
    assert_int_equal(intake_taker_commit(p->taker, &err), OL_OK);
    journal_intake_committed(p->ji);
}

/* ---- Scripts: one word a step ---- */

struct script {
    struct place *p;
    struct writer journal, other;
    int part;
    long order;
};

static void write_event(const struct writer *w, const char *type, int number,
                        const char *processing_type)
{
    char text[800];
    run_event(text, type, number, processing_type);
    put(w, text);
    put(w, "\n");
}

static void write_other(struct script *s, int number)
{
    birth_inferring(s->p, &s->other, ++s->order, OTHER_CHAIN, 1, 0);
    write_event(&s->other, "RUNNING", number, "");
    put_end(&s->other);
}

static void pass_time(struct script *s)
{
    run_soon(s->p);
    monotonic_ahead_ms += GRACE_MS + 1000;
    run_soon(s->p);
    run_soon(s->p);
}

/* A group that never came to be, as by kill -9 before its sync. */
static void lose_a_group(struct script *s)
{
    monotonic_ahead_ms += 10; /* it polls */
    OL_IGNORE(journal_intake_run(s->p->ji, 8 << 20, NULL) < 0, "then there is less to lose");
    journal_intake_rolled_back(s->p->ji);
    journal_stop(s->p);
    journal_start(s->p);
}

static void rotate_part(struct script *s)
{
    struct writer before = s->journal;
    birth_inferring(s->p, &s->journal, ++s->order, CHAIN, ++s->part, 0);
    put_rotated(&before);
}

static void step(struct script *s, const char *word)
{
    int number = word[0] != '\0' && word[1] >= '0' && word[1] <= '9' ? atoi(word + 1) : -1;
    char note[160];
    if (strcmp(word, "kill") == 0) {
        close(s->journal.fd);
    } else if (strcmp(word, "close") == 0) {
        put_end(&s->journal);
    } else if (strcmp(word, "reopen") == 0) { /* the host closed our descriptor: no end line */
        close(s->journal.fd);
        birth_inferring(s->p, &s->journal, ++s->order, CHAIN, ++s->part, 0);
    } else if (strcmp(word, "rotate") == 0) {
        rotate_part(s);
    } else if (strcmp(word, "pass") == 0) {
        pass_time(s);
    } else if (strcmp(word, "restart") == 0) {
        journal_stop(s->p);
        journal_start(s->p);
    } else if (strcmp(word, "lose") == 0) {
        lose_a_group(s);
    } else if (word[0] == 'D') {
        snprintf(note, sizeof note,
                 "{\"ol_journal_run\":\"01941f29-7c00-7837-a31d-%012d\",\"detached\":true}\n",
                 number);
        put(&s->journal, note);
        write_event(&s->journal, "START", number, "");
    } else if (word[0] == 'H' || word[0] == 'L') {
        post(s->p, word[0] == 'H' ? "RUNNING" : "COMPLETE", number);
    } else if (word[0] == 'O') {
        write_other(s, number);
    } else {
        static const char *const types[] = {
            ['S'] = "START", ['R'] = "RUNNING", ['C'] = "COMPLETE", ['F'] = "FAIL",
            ['B'] = "START", ['T'] = "START",   ['V'] = "RUNNING"};
        const char *kind = word[0] == 'T'   ? "STREAMING"
                           : word[0] == 'V' ? "service"
                           : word[0] == 'B' ? "BATCH"
                                            : "";
        assert_true(number >= 0);
        write_event(&s->journal, types[(unsigned char)word[0]], number, kind);
    }
    run_soon(s->p);
}

/** What the spool holds, e.g. "S1 A1": the first letter of each type. */
static void read_spool(struct place *p, char *out, size_t size)
{
    struct spool_reader *reader;
    struct spool_record record;
    struct ol__event_reader *events;
    size_t at = 0;
    out[0] = '\0';
    assert_int_equal(ol__event_reader_new(&events, NULL), OL_OK);
    assert_int_equal(spool_reader_open(p->spool, 0, &reader, NULL), OL_OK);
    while (spool_reader_next(reader, &record, NULL) == OL_OK) {
        const struct ol__event *event;
        if (record.type != SPOOL_EVENT)
            continue;
        assert_int_equal(ol__event_read(events, record.data, OL_EVENT_CORE, NULL, -1, &event, NULL),
                         OL_OK);
        char type = ol__event_type_name(event->type)[0];
        assert_int_equal(type == 'A', record.source == SPOOL_FROM_AGENT);
        at += (size_t)snprintf(out + at, size - at, "%s%c%d", at > 0 ? " " : "", type,
                               atoi(event->run_id.data + event->run_id.size - 4));
    }
    spool_reader_close(reader);
    ol__event_reader_free(events);
}

static size_t count_files(struct place *p, const char *pattern)
{
    char command[256];
    unsigned long count = 0;
    snprintf(command, sizeof command, "ls %s/%s 2>/dev/null | wc -l", p->journal, pattern);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu", &count), 1);
    pclose(f);
    return count;
}

static const struct script_case {
    const char *name, *words, *expected;
    bool knows_no_past; /* what came before a start is not known after it */
} cases[] = {
    {"killed", "S1 kill pass", "S1 A1", false},
    {"only what is open", "S1 S2 S3 C1 F3 kill pass", "S1 S2 S3 C1 F3 A2", false},
    {"in the order of their STARTs", "S3 S1 R3 S2 kill pass", "S3 S1 R3 S2 A3 A1 A2", false},
    {"batch", "B1 kill pass", "S1 A1", false},
    {"closed in order", "S1 close pass", "S1", false},
    {"no grace, no ABORT", "S1 kill", "S1", false},
    {"detached", "D1 S2 kill pass", "S1 S2 A2", false},
    {"streaming", "T1 kill pass", "S1", false},
    {"a service, as a later event says", "S1 V1 kill pass", "S1 R1", false},
    {"no START here", "R1 kill pass", "R1", false},
    {"over HTTP before", "H1 S1 kill pass", "R1 S1", true},
    {"over HTTP meanwhile", "S1 H1 S2 kill pass", "S1 R1 S2 A2", false},
    {"over HTTP within the grace", "S1 kill H1 pass", "S1 R1", false},
    {"another journal meanwhile", "S1 O1 kill pass", "S1 R1", false},
    {"a late COMPLETE", "S1 kill pass L1", "S1 A1 C1", false},
    {"started again", "S1 C1 S1 kill pass", "S1 C1 S1 A1", false},
    {"over two parts", "S1 S2 rotate C2 S3 kill pass", "S1 S2 C2 S3 A1 A3", false},
    {"over three parts", "S1 rotate S2 rotate S3 C2 kill pass", "S1 S2 S3 C2 A1 A3", false},
    {"over parts, shared", "S1 S2 rotate H1 rotate kill pass", "S1 S2 R1 A2", false},
    {"ended in a later part", "S1 rotate C1 kill pass", "S1 C1", false},
    {"closed in a later part", "S1 rotate close pass", "S1", false},
    {"went on in another part", "S1 reopen R1 pass S2 C1 kill pass", "S1 R1 S2 C1 A2", false},
};

static struct script begin_script(struct place *p)
{
    struct script s = {.p = p, .part = 1, .order = 1};
    monotonic_ahead_ms = wall_ahead_ms = 0;
    birth_inferring(p, &s.journal, s.order, CHAIN, 1, 0);
    return s;
}

/** Run @p words with @p inserted after word number @p at (none: -1). @return how many there are. */
static int run_script(const struct script_case *c, int at, const char *inserted)
{
    void *state;
    char words[160], found[400];
    int count = 0;
    assert_int_equal(journal_set_up(&state), 0);
    struct place *p = state;
    struct script s = begin_script(p);
    snprintf(words, sizeof words, "%s", c->words);
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        step(&s, word);
        if (count++ == at)
            step(&s, inserted);
    }
    if (strstr(c->words, "pass") != NULL)
        pass_time(&s); /* a start in the last grace begins it anew */
    read_spool(p, found, sizeof found);
    if (strcmp(found, c->expected) != 0)
        fail_msg("%s%s%s after word %d: expected '%s', found '%s'", c->name,
                 inserted != NULL ? ", " : "", inserted != NULL ? inserted : "", at, c->expected,
                 found);
    if (strstr(c->words, "pass") != NULL) { /* nothing stays behind */
        assert_int_equal(count_files(p, "*.jsonl"), 0);
        assert_int_equal(count_files(p, "done/*"), 0);
        monotonic_ahead_ms += 2000;
        run_soon(p);
        assert_int_equal(metric_get(&p->metrics.intake.open_runs), 0);
    }
    assert_int_equal(journal_tear_down(&state), 0);
    return count;
}

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        run_script(&cases[i], -1, NULL);
}

static void test_scripts_with_starts_between(void **state)
{
    (void)state;
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        int count = cases[i].knows_no_past ? 0 : 1;
        for (int at = 0; at < count; at++) {
            count = run_script(&cases[i], at, "restart");
            run_script(&cases[i], at, "lose");
        }
    }
}

/* ---- What it says ---- */

static void read_last(struct place *p, char *out, size_t size, uint32_t *ret_uid)
{
    struct spool_reader *reader;
    struct spool_record record;
    assert_int_equal(spool_reader_open(p->spool, 0, &reader, NULL), OL_OK);
    while (spool_reader_next(reader, &record, NULL) == OL_OK) {
        if (record.type != SPOOL_EVENT)
            continue;
        snprintf(out, size, "%.*s", (int)record.data.size, record.data.data);
        *ret_uid = record.uid;
    }
    spool_reader_close(reader);
}

static void test_what_it_says(void **state)
{
    struct place *p = *state;
    struct script s = begin_script(p);
    char text[2000], name[128];
    uint32_t uid = 0;
    step(&s, "S1");
    /* 2027-01-15T08:00:00.250Z, later than the START */
    const struct timespec last[2] = {{.tv_sec = 1800000000, .tv_nsec = 250000000},
                                     {.tv_sec = 1800000000, .tv_nsec = 250000000}};
    assert_int_equal(futimens(s.journal.fd, last), 0);
    snprintf(name, sizeof name, "\"journal\":\"%s\"", s.journal.name);
    step(&s, "kill");
    step(&s, "pass");
    read_last(p, text, sizeof text, &uid);
    const char *const has[] = {
        "{\"eventType\":\"ABORT\",\"eventTime\":\"2027-01-15T08:00:00.250Z\",",
        "\"producer\":\"https://github.com/lineaged/lineaged/tree/v",
        "/agent\"",
        "\"run\":{\"runId\":\"01941f29-7c00-7837-a31d-000000000001\",\"facets\":{\"lineaged_"
        "inferred\":{",
        "LineagedInferredRunFacet-1-0-0.json#/$defs/LineagedInferredRunFacet\"",
        "\"reason\":\"writer_gone\",\"last_change\":\"2027-01-15T08:00:00.250Z\"",
        "\"job\":{\"namespace\":\"n\",\"name\":\"j\\u0041\"}",
        "\"inputs\":[{\"namespace\":\"f\", \"name\":\"in\"}]}",
        name,
    };
    for (size_t i = 0; i < OL_COUNT(has); i++)
        if (strstr(text, has[i]) == NULL)
            fail_msg("'%s' is not in %s", has[i], text);
    assert_null(strstr(text, "outputs"));
    assert_int_equal(uid, geteuid());
    assert_int_equal(metric_get(&p->metrics.intake.aborts_inferred), 1);
}

/* A clock that went back between START and last write: the ABORT is not before its START. */
static void test_not_before_its_start(void **state)
{
    struct place *p = *state;
    struct script s = begin_script(p);
    char text[2000];
    uint32_t uid;
    step(&s, "S1");
    const struct timespec past[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(futimens(s.journal.fd, past), 0);
    step(&s, "kill");
    step(&s, "pass");
    read_last(p, text, sizeof text, &uid);
    assert_non_null(strstr(text, "\"ABORT\",\"eventTime\":\"2026-11-21T09:00:00.000Z\""));
    assert_non_null(strstr(text, "\"last_change\":\"2001-09-09T01:46:40.000Z\""));
}

/* ---- When ---- */

static void expect(struct place *p, const char *expected)
{
    char found[400];
    read_spool(p, found, sizeof found);
    assert_string_equal(found, expected);
}

/* Jumps of the wall clock neither shorten nor lengthen the grace. */
static void test_wall_clock_jumps(void **state)
{
    struct place *p = *state;
    struct script s = begin_script(p);
    step(&s, "S1");
    step(&s, "kill");
    run_soon(p);
    wall_ahead_ms = INT64_C(10) * 365 * 24 * 3600 * 1000;
    run_soon(p);
    expect(p, "S1");
    wall_ahead_ms = -wall_ahead_ms;
    run_soon(p);
    expect(p, "S1");
    step(&s, "pass");
    expect(p, "S1 A1");
    wall_ahead_ms = 0;
}

/* Not while its process lives in our PID namespace, even though it gave up its lock. */
static void test_living_writer(void **state)
{
    struct place *p = *state;
    struct script s = {.p = p, .order = 1, .part = 1};
    monotonic_ahead_ms = 0;
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    assert_true(pid > 0);
    birth_inferring(p, &s.journal, 1, CHAIN, 1, pid);
    step(&s, "S1");
    step(&s, "kill"); /* closes the descriptor */
    step(&s, "pass");
    step(&s, "pass");
    expect(p, "S1");
    assert_true(is_there(&s.journal));
    assert_int_equal(kill(pid, SIGKILL), 0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0); /* a zombie is dead */
    step(&s, "pass");
    expect(p, "S1 A1");
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Another boot or host in the header: nobody here can say that it ended. */
static void test_elsewhere(void **state)
{
    struct place *p = *state;
    struct script s = {.p = p, .order = 1, .part = 1};
    char boot[64];
    memcpy(boot, p->boot, sizeof boot);
    monotonic_ahead_ms = 0;
    p->boot[0] = p->boot[0] == 'a' ? 'b' : 'a';
    birth_inferring(p, &s.journal, 1, CHAIN, 1, 0);
    memcpy(p->boot, boot, sizeof boot);
    step(&s, "S1");
    step(&s, "kill");
    step(&s, "pass");
    expect(p, "S1");
    assert_true(is_there(&s.journal));
}

static void test_switched_off(void **state)
{
    struct place *p = *state;
    p->config.journal_infer_abort = false;
    struct script s = begin_script(p);
    step(&s, "S1");
    step(&s, "kill");
    step(&s, "pass");
    expect(p, "S1");
    assert_false(is_there(&s.journal));
}

/* --once waits for nobody: what changed longer ago than the grace is over, the rest waits. */
static void test_once(void **state)
{
    struct place *p = *state;
    struct script s = begin_script(p);
    const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    step(&s, "S1");
    assert_int_equal(futimens(s.journal.fd, now), 0);
    step(&s, "kill");
    journal_intake_let_pass(p->ji);
    run_soon(p);
    expect(p, "S1");
    const struct timespec past[2] = {{.tv_sec = 1700000000}, {.tv_sec = 1700000000}};
    assert_int_equal(utimensat(AT_FDCWD, s.journal.path, past, 0), 0);
    run_soon(p);
    journal_intake_let_pass(p->ji);
    run_soon(p);
    expect(p, "S1 A1");
}

/* A group that fails: who could not be taken may be what a run waits for, so the grace begins
 * anew. */
static void test_trouble_begins_the_grace_anew(void **state)
{
    struct place *p = *state;
    struct script s = begin_script(p);
    step(&s, "S1");
    step(&s, "kill");
    run_soon(p);
    monotonic_ahead_ms += GRACE_MS - 1000;
    journal_intake_rolled_back(p->ji);
    monotonic_ahead_ms += 2000;
    run_soon(p);
    run_soon(p);
    expect(p, "S1");
    step(&s, "pass");
    expect(p, "S1 A1");
}

/* More open runs than are followed: those beyond get none, and it is counted. */
static void test_limit(void **state)
{
    struct place *p = *state;
    struct script s = begin_script(p);
    enum { LIMIT = 8192, MORE = 3 };
    for (int i = 0; i < LIMIT + MORE; i++)
        write_event(&s.journal, "START", i, "");
    step(&s, "kill");
    step(&s, "pass");
    assert_int_equal(metric_get(&p->metrics.intake.aborts_inferred), LIMIT);
    assert_int_equal(metric_get(&p->metrics.intake.aborts_given_up), MORE);
    assert_false(is_there(&s.journal));
}

/* 10,000 journals whose writers died: one ABORT each, without looking at each all the time. */
static void test_many(void **state)
{
    struct place *p = *state;
    enum { COUNT = 10000 };
    monotonic_ahead_ms = 0;
    for (int i = 0; i < COUNT; i++) {
        struct writer w;
        char chain[OL_UUID_TEXT + 1];
        struct ol__uuid id = ol__uuid_v7(-1);
        ol__uuid_format(&id, chain);
        birth_inferring(p, &w, i + 1, chain, 1, 0);
        write_event(&w, "START", i, "");
        close(w.fd);
    }
    journal_intake_rescan(p->ji);
    run_and_commit(p);
    assert_int_equal(metric_get(&p->metrics.intake.open_runs), COUNT);
    run_soon(p);
    monotonic_ahead_ms += GRACE_MS + 1000;
    run_soon(p);
    run_soon(p);
    assert_int_equal(metric_get(&p->metrics.intake.aborts_inferred), COUNT);
    assert_int_equal(count_files(p, "*.jsonl"), 0);
}

int main(void)
{
    log_setup(LOG_LEVEL_ERROR, false);
#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, journal_set_up, journal_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_scripts_with_starts_between),
        WITH_PLACE(test_what_it_says),
        WITH_PLACE(test_not_before_its_start),
        WITH_PLACE(test_wall_clock_jumps),
        WITH_PLACE(test_living_writer),
        WITH_PLACE(test_elsewhere),
        WITH_PLACE(test_switched_off),
        WITH_PLACE(test_once),
        WITH_PLACE(test_trouble_begins_the_grace_anew),
        WITH_PLACE(test_limit),
        WITH_PLACE(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
