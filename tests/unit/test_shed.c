/* SPDX-License-Identifier: Apache-2.0 */
/* An event above the limit loses its largest optional facets, as few as will do, and says which;
 * the required ones and the datasets stay; what does not fit even so is refused; and whatever
 * fails on the way, the run is as it was. */
#include "emitter_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openlineage/openlineage.h>
#include "fail_alloc.h"
#include "ol_base.h"

#define URL "https://example.org/f.json"
#define LIMIT 4096

struct fixture {
    char *directory;
    struct ol_client *client;
    struct ol_run *run;
    char logged[512];
    int log_count;
};

static void keep_log(void *arg, ol_status status, const char *message)
{
    struct fixture *f = arg;
    f->log_count++;
    snprintf(f->logged, sizeof f->logged, "%s: %s", ol_status_name(status), message);
}

static ol_status open_client(struct fixture *f, size_t event_max, struct ol_error *err)
{
    return ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/p/1",
                                  .journal_directory = f->directory, .event_max = event_max,
                                  .log = keep_log, .log_arg = f),
                          &f->client, err);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->directory = help_directory();
    help_clean_environment(f->directory);
    *state = f;
    return 0;
}

static void end(struct fixture *f)
{
    ol_run_free(f->run);
    if (f->client != NULL)
        ol_client_close(f->client, 0, NULL);
    f->run = NULL;
    f->client = NULL;
    f->log_count = 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    end(f);
    help_remove(f->directory);
    free(f);
    return 0;
}

static void begin(struct fixture *f, size_t event_max, bool is_lean)
{
    struct ol_error err = {.message = ""};
    if (open_client(f, event_max, &err) != OL_OK ||
        ol_run_new(f->client, OL_MAKE(ol_run_options, .job_name = "j", .is_lean = is_lean), &f->run,
                   &err) != OL_OK)
        fail_msg("%s", err.message);
}

/* A facet of just @p size bytes with its key, on run, job, input or output (r, j, i, o), or on the
 * side of input or output (I, O) of @p run. */
static void set_facet(struct ol_run *run, char where, const char *key, size_t size)
{
    static const char frame[] = "{\"_producer\":\"p\",\"_schemaURL\":\"" URL "\",\"t\":\"\"}";
    ol_status status = OL_INVALID;
    size_t json_size = size - strlen(key) - 3;
    assert_true(json_size >= sizeof frame - 1);
    char *json = malloc(json_size + 1);
    assert_non_null(json);
    memset(json, 'x', json_size);
    memcpy(json, frame, sizeof frame - 3);
    memcpy(json + json_size - 2, "\"}", 3);
    struct ol_dataset *in = strchr("iI", where) != NULL ? ol_run_input_named(run, "n", "in") : NULL;
    struct ol_dataset *out =
        strchr("oO", where) != NULL ? ol_run_output_named(run, "n", "out") : NULL;
    if (where == 'r')
        status = ol_run_set_facet_json(run, key, NULL, json, json_size);
    else if (where == 'j')
        status = ol_job_set_facet_json(ol_run_job(run), key, NULL, json, json_size);
    else if (where == 'i' || where == 'o')
        status = ol_dataset_set_facet_json(in != NULL ? in : out, key, NULL, json, json_size);
    else
        status = ol_dataset_set_side_facet_json(in != NULL ? in : out, key, NULL, json, json_size);
    free(json);
    assert_int_equal(status, OL_OK);
}

/* The last event in the journal; owned. */
static char *last_event(struct fixture *f, size_t *ret_count)
{
    struct help_journals all = help_read(f->directory);
    size_t count = 0;
    const char **events = help_events(&all, &count);
    char *last = count > 0 ? strdup(events[count - 1]) : NULL;
    free(events);
    help_release(&all);
    if (ret_count != NULL)
        *ret_count = count;
    return last;
}

struct facet {
    char where;
    const char *key;
    size_t size;
};
static const struct row {
    const char *name;
    struct facet facets[6];
    const char *left_out; /* the list in the marker; NULL: nothing is left out */
} rows[] = {
    {"all fit", {{'r', "a", 300}, {'j', "b", 300}, {'i', "c", 300}}, NULL},
    {"the largest goes, wherever it is",
     {{'r', "a", 900}, {'j', "b", 1000}, {'i', "c", 3000}},
     "{\"pointer\":\"/inputs/0/facets/c\",\"bytes\":3000}"},
    {"each place has its pointer",
     {{'r', "a", 4006},
      {'j', "b", 4005},
      {'i', "c", 4004},
      {'I', "d", 4003},
      {'o', "e", 4002},
      {'O', "f", 4001}},
     "{\"pointer\":\"/run/facets/a\",\"bytes\":4006},{\"pointer\":\"/job/facets/b\",\"bytes\":4005}"
     ",{\"pointer\":\"/inputs/0/facets/c\",\"bytes\":4004},"
     "{\"pointer\":\"/inputs/0/inputFacets/d\",\"bytes\":4003},"
     "{\"pointer\":\"/outputs/0/facets/e\",\"bytes\":4002},"
     "{\"pointer\":\"/outputs/0/outputFacets/f\",\"bytes\":4001}"},
    {"of equal ones the first goes",
     {{'j', "b", 1500}, {'r', "z", 1500}, {'r', "a", 1500}},
     "{\"pointer\":\"/run/facets/z\",\"bytes\":1500},{\"pointer\":\"/run/facets/"
     "a\",\"bytes\":1500}"},
    {"a small one stays beside a large one",
     {{'o', "a", 200}, {'o', "b", 9000}},
     "{\"pointer\":\"/outputs/0/facets/b\",\"bytes\":9000}"},
    {"tags go, what mirrors our ids stays",
     {{'r', "tags", 5000}},
     "{\"pointer\":\"/run/facets/tags\",\"bytes\":5000}"},
    {"one of the marker's name makes room for it",
     {{'r', "lineaged_shed", 300}, {'r', "a", 5000}},
     "{\"pointer\":\"/run/facets/a\",\"bytes\":5000}"},
};

/* Each facet is in the event or in the list, never in both. */
static void check_event(const struct row *r, const char *event)
{
    char text[200];
    const char *list = r->left_out != NULL ? r->left_out : "";
    size_t left_out = 0, bytes = 0;
    assert_non_null(strstr(event, "\"processing_engine\":{"));
    assert_non_null(strstr(event, "\"nominalTime\":{"));
    assert_non_null(strstr(event, "\"errorMessage\":{"));
    assert_non_null(strstr(event, "\"lineaged_run\":{"));
    assert_non_null(strstr(event, "{\"key\":\"step\",\"value\":\"s\",\"source\":\"lineaged\"}"));
    for (size_t i = 0; i < OL_COUNT(r->facets) && r->facets[i].key != NULL; i++) {
        const struct facet *facet = &r->facets[i];
        if (strchr("ioIO", facet->where) != NULL &&
            strstr(event, facet->where == 'i' || facet->where == 'I' ? "\"name\":\"in\""
                                                                     : "\"name\":\"out\"") == NULL)
            fail_msg("%s: a dataset is missing: %s", r->name, event);
        if (strcmp(facet->key, "lineaged_shed") == 0)
            continue;
        snprintf(text, sizeof text, "acets/%s\"", facet->key);
        bool is_listed = strstr(list, text) != NULL;
        left_out += is_listed;
        bytes += is_listed ? facet->size : 0;
        snprintf(text, sizeof text, "\"%s\":{\"_producer\":\"p\"", facet->key);
        if ((strstr(event, text) == NULL) != is_listed)
            fail_msg("%s: facet %s: %s", r->name, facet->key, event);
    }
    snprintf(text, sizeof text, "\"count\":%zu,\"bytes\":%zu,\"limit\":%d,\"facets\":[", left_out,
             bytes, LIMIT);
    const char *at = strstr(event, text);
    if (r->left_out == NULL) {
        assert_null(at);
        return;
    }
    if (at == NULL || strncmp(at + strlen(text), list, strlen(list)) != 0 ||
        at[strlen(text) + strlen(list)] != ']')
        fail_msg("%s: %s", r->name, event);
    at = strstr(event, "\"lineaged_shed\":");
    assert_non_null(at);
    assert_null(strstr(at + 1, "\"lineaged_shed\":")); /* just once */
}

static void the_largest_optional_ones_go(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        const struct row *r = &rows[i];
        struct ol_error err = {.message = ""};
        begin(f, LIMIT, false);
        ol_run_set_nominal_time(
            f->run, OL_MAKE(ol_nominal_time, .nominal_start_time = "2026-11-21T00:00:00Z"));
        ol_run_set_error_message(
            f->run, OL_MAKE(ol_error_message, .message = "m", .programming_language = "C"));
        ol_run_set_ids(f->run, OL_MAKE(ol_ids, .step = "s"));
        for (size_t k = 0; k < OL_COUNT(r->facets) && r->facets[k].key != NULL; k++)
            set_facet(f->run, r->facets[k].where, r->facets[k].key, r->facets[k].size);
        ol_status status = ol_run_emit(f->run, OL_COMPLETE, &err);
        bool is_shed = r->left_out != NULL;
        if (status != (is_shed ? OL_PARTIAL : OL_OK))
            fail_msg("%s: %s %s", r->name, ol_status_name(status), err.message);
        assert_int_equal(ol_client_shed(f->client), is_shed);
        assert_int_equal(f->log_count, is_shed);
        assert_int_equal(ol_client_lost(f->client, NULL), 0);
        char *event = last_event(f, NULL);
        assert_non_null(event);
        assert_true(strlen(event) <= LIMIT);
        check_event(r, event);
        free(event);
        end(f);
    }
}

/* One byte more than fits is one facet less, and one byte less fits whole. */
static void the_limit_is_exact(void **state)
{
    struct fixture *f = *state;
    for (int more = 0; more <= 1; more++) {
        begin(f, LIMIT, false);
        ol_run_emit(f->run, OL_START, NULL);
        char *event = last_event(f, NULL);
        size_t size = strlen(event) + 3; /* COMPLETE */
        free(event);
        set_facet(f->run, 'j', "a", LIMIT - size + (size_t)more);
        assert_int_equal(ol_run_emit(f->run, OL_COMPLETE, NULL), more ? OL_PARTIAL : OL_OK);
        event = last_event(f, NULL);
        assert_true(more ? strlen(event) < 2000 : strlen(event) == LIMIT);
        free(event);
        end(f);
    }
}

static void many_are_counted_the_largest_listed(void **state)
{
    struct fixture *f = *state;
    begin(f, 2 * LIMIT, false);
    for (int i = 0; i < 200; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        set_facet(f->run, 'r', key, 1000 + (size_t)i);
    }
    assert_int_equal(ol_run_emit(f->run, OL_START, NULL), OL_PARTIAL);
    char *event = last_event(f, NULL);
    size_t listed = 0;
    for (const char *at = event; (at = strstr(at, "\"pointer\":")) != NULL; at++)
        listed++;
    assert_int_equal(listed, 32);
    int count = (int)strtol(help_member(event, "count"), NULL, 10);
    assert_in_range(count, 190, 199);
    char last_gone[32], first_kept[32];
    snprintf(last_gone, sizeof last_gone, "\"k%d\":{", 200 - count);
    snprintf(first_kept, sizeof first_kept, "\"k%d\":{", 199 - count);
    assert_null(strstr(event, last_gone));
    assert_non_null(strstr(event, first_kept));
    assert_true(strlen(event) <= 2 * LIMIT && strlen(event) > 2 * LIMIT - 1300);
    free(event);
}

/* What was left out is not lost to the run; told once, counted each time. */
static void the_next_event_tries_again(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    begin(f, LIMIT, true);
    set_facet(f->run, 'j', "a", 2000);
    set_facet(f->run, 'i', "b", 2100);
    assert_int_equal(ol_run_emit(f->run, OL_START, &err), OL_PARTIAL);
    assert_int_equal(err.status, OL_PARTIAL);
    assert_non_null(strstr(err.message, "4096 bytes: 1 facets left out, first /inputs/0/facets/b"));
    assert_int_equal(ol_run_emit(f->run, OL_RUNNING, &err), OL_PARTIAL);
    assert_int_equal(ol_client_shed(f->client), 2);
    assert_int_equal(f->log_count, 1);
    assert_non_null(strstr(f->logged, "OL_TOO_LARGE: event larger than 4096 bytes"));
    /* a lean end has only what no event had: now b fits */
    assert_int_equal(ol_run_emit(f->run, OL_COMPLETE, &err), OL_OK);
    char *event = last_event(f, NULL);
    assert_non_null(strstr(event, "\"b\":{"));
    assert_null(strstr(event, "\"a\":{"));
    assert_null(strstr(event, "lineaged_shed"));
    free(event);
}

/* The note in front of a detached run's START is no part of the event. */
static void control_lines_do_not_count(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    size_t sizes[2] = {0};
    for (int is_detached = 0; is_detached <= 1; is_detached++) {
        assert_int_equal(open_client(f, LIMIT, &err), OL_OK);
        assert_int_equal(
            ol_run_new(f->client,
                       OL_MAKE(ol_run_options, .job_name = "j", .is_detached = is_detached != 0),
                       &f->run, &err),
            OL_OK);
        set_facet(f->run, 'j', "a", 5000);
        set_facet(f->run, 'j', "b", 2500);
        assert_int_equal(ol_run_emit(f->run, OL_START, &err), OL_PARTIAL);
        char *event = last_event(f, NULL);
        assert_non_null(strstr(event, "\"count\":1,\"bytes\":5000"));
        assert_int_equal(strncmp(event, "{\"eventType\":\"START\"", 20), 0);
        sizes[is_detached] = strlen(event);
        free(event);
        end(f);
    }
    assert_int_equal(sizes[0], sizes[1]);
}

static void events_without_a_run(void **state)
{
    struct fixture *f = *state;
    struct ol_run *job = NULL, *dataset = NULL;
    struct ol_dataset *d = NULL;
    struct ol_error err;
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    begin(f, LIMIT, false);
    assert_int_equal(ol_job_event_new(f->client, NULL, "j", &job, &err), OL_OK);
    ol_job_set_sql(ol_run_job(job), OL_MAKE(ol_sql, .query = text));
    assert_int_equal(ol_job_event_emit(job, &err), OL_PARTIAL);
    char *event = last_event(f, NULL);
    assert_non_null(strstr(event, "\"facets\":{\"lineaged_shed\":{"));
    assert_non_null(strstr(event, "LineagedShedJobFacet\",\"count\":1"));
    assert_non_null(strstr(event, "\"/job/facets/sql\""));
    free(event);
    ol_run_free(job);
    assert_int_equal(ol_dataset_event_new_named(f->client, "n", "d", &dataset, &d, &err), OL_OK);
    ol_dataset_set_data_source(d, OL_MAKE(ol_data_source, .name = text));
    assert_int_equal(ol_dataset_event_emit(dataset, &err), OL_PARTIAL);
    event = last_event(f, NULL);
    assert_non_null(strstr(event, "\"facets\":{\"lineaged_shed\":{"));
    assert_non_null(strstr(event, "LineagedShedDatasetFacet\",\"count\":1"));
    assert_non_null(strstr(event, "\"/dataset/facets/dataSource\""));
    free(event);
    ol_run_free(dataset);
}

/* Names and required facets alone are above the limit, or leave no room to say so. */
static void what_cannot_fit_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    char text[4096];
    for (size_t size = 2700; size < sizeof text; size += 20) {
        memset(text, 'x', size);
        text[size] = '\0';
        begin(f, LIMIT, false);
        ol_run_set_error_message(
            f->run, OL_MAKE(ol_error_message, .message = text, .programming_language = "C"));
        set_facet(f->run, 'j', "a", 5000);
        size_t before = 0, after = 0;
        free(last_event(f, &before));
        ol_status status = ol_run_emit(f->run, OL_FAIL, &err);
        char *event = last_event(f, &after);
        bool is_refused = status == OL_TOO_LARGE;
        if (is_refused ? err.status != OL_TOO_LARGE || after != before
                       : status != OL_PARTIAL || after != before + 1 || strlen(event) > LIMIT ||
                             strstr(event, "\"lineaged_shed\":") == NULL)
            fail_msg("%zu: %s %s", size, ol_status_name(status), err.message);
        free(event);
        assert_int_equal(ol_client_lost(f->client, NULL), is_refused);
        assert_int_equal(ol_client_shed(f->client), !is_refused);
        assert_true(size > 2700 ? size < 4000 || is_refused : !is_refused);
        end(f);
    }
}

static void every_failed_allocation_is_survived(void **state)
{
    struct fixture *f = *state;
    unsigned long n = 1;
    for (;; n++) {
        struct ol_error err = {.message = ""};
        begin(f, LIMIT, true);
        set_facet(f->run, 'j', "a", 2000);
        for (int i = 0; i < 40; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", i);
            set_facet(f->run, 'o', key, 1000);
        }
        fail_alloc_at(n);
        ol_status status = ol_run_emit(f->run, OL_COMPLETE, &err);
        bool has_failed = fail_alloc_stop();
        /* refused, and the run is as before; or the failure was without consequence */
        if (status == OL_NOMEM) {
            assert_int_equal(ol_client_lost(f->client, NULL), 1);
            assert_int_equal(ol_client_shed(f->client), 0);
            status = ol_run_emit(f->run, OL_COMPLETE, &err);
        }
        if (status != OL_PARTIAL)
            fail_msg("allocation %lu: %s %s", n, ol_status_name(status), err.message);
        assert_int_equal(ol_client_shed(f->client), 1);
        char *event = last_event(f, NULL);
        assert_non_null(strstr(event, "[{\"pointer\":\"/job/facets/a\",\"bytes\":2000}"));
        assert_true(strlen(event) <= LIMIT);
        free(event);
        end(f);
        if (!has_failed)
            break;
        assert_true(n < 200);
    }
    assert_true(n > 3);
}

static void the_limit_is_told_in_code_or_outside(void **state)
{
    static const struct {
        size_t option;
        const char *variable;
        ol_status open, emit;
    } cases[] = {
        {0, NULL, OL_OK, OL_OK},
        {0, "4096", OL_OK, OL_PARTIAL},
        {0, "4095", OL_CONFIG, OL_OK},
        {0, "16777215", OL_CONFIG, OL_OK},
        {10000, "4096", OL_OK, OL_OK}, /* options win */
        {4096, "10000", OL_OK, OL_PARTIAL},
        {4095, NULL, OL_INVALID, OL_OK},
        {16777214, NULL, OL_OK, OL_OK},
        {16777215, NULL, OL_INVALID, OL_OK},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        struct ol_error err = {.message = ""};
        help_clean_environment(f->directory);
        if (cases[i].variable != NULL)
            setenv("OPENLINEAGE__EVENT_MAX_BYTES", cases[i].variable, 1);
        ol_status status = open_client(f, cases[i].option, &err);
        if (status != cases[i].open)
            fail_msg("case %zu: %s %s", i, ol_status_name(status), err.message);
        if (status == OL_OK) {
            assert_int_equal(
                ol_run_new(f->client, OL_MAKE(ol_run_options, .job_name = "j"), &f->run, NULL),
                OL_OK);
            set_facet(f->run, 'r', "a", 5000);
            if (ol_run_emit(f->run, OL_START, &err) != cases[i].emit)
                fail_msg("case %zu: %s", i, err.message);
        }
        end(f);
    }
    assert_int_equal(ol_client_shed(NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_largest_optional_ones_go),         TEST(the_limit_is_exact),
        TEST(many_are_counted_the_largest_listed),  TEST(the_next_event_tries_again),
        TEST(control_lines_do_not_count),           TEST(events_without_a_run),
        TEST(what_cannot_fit_is_refused),           TEST(every_failed_allocation_is_survived),
        TEST(the_limit_is_told_in_code_or_outside),
    };
    return cmocka_run_group_tests_name("shed", tests, NULL, NULL);
}
