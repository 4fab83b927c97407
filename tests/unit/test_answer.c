/* SPDX-License-Identifier: Apache-2.0 */
/* One answer is one event, whole, whatever the number of threads; what is malformed costs itself
 * and not the answer; the run it belongs to is untouched; and what the headers of a response say.
 */
#include "emitter_help.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "client.h"
#include "event_read.h"
#include "fail_alloc.h"
#include "ol_base.h"

#define RUN_ID "01941f29-7c00-7837-a31d-d79a7fb36a3d"
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

struct fixture {
    char *directory;
    struct ol_client *client;
    struct ol_run *run;
    struct ol_serving *serving;
};

static void open_client(struct fixture *f, size_t event_max)
{
    assert_int_equal(
        ol_client_open(OL_MAKE(ol_client_options, .producer = "https://e.org/p/1",
                               .journal_directory = f->directory, .event_max = event_max),
                       &f->client, NULL),
        OL_OK);
    assert_int_equal(ol_run_new(f->client,
                                OL_MAKE(ol_run_options, .job_namespace = "ns", .job_name = "rank",
                                        .run_id = RUN_ID),
                                &f->run, NULL),
                     OL_OK);
}

static void serve(struct fixture *f, const char *key)
{
    assert_int_equal(ol_serving_new(f->run,
                                    OL_MAKE(ol_serving_options, .key = key,
                                            .key_size = key != NULL ? strlen(key) : 0),
                                    &f->serving, NULL),
                     OL_OK);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->directory = help_directory();
    help_clean_environment(f->directory);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    unsetenv("OPENLINEAGE__FACETS__LINEAGED_ANSWER__DISABLED");
    ol_serving_free(f->serving);
    ol_run_free(f->run);
    if (f->client != NULL)
        ol_client_close(f->client, 0, NULL);
    help_remove(f->directory);
    free(f);
    return 0;
}

/* The event lines so far; the last one must be one that every reader takes. Owned. */
static char *last_event(const struct fixture *f, size_t *ret_count)
{
    struct help_journals journals = help_read(f->directory);
    size_t count;
    const char **lines = help_events(&journals, &count);
    assert_true(count > 0);
    char *copy = strdup(lines[count - 1]);
    if (ret_count != NULL)
        *ret_count = count;
    free(lines);
    help_release(&journals);
    struct ol__event_reader *reader = NULL;
    const struct ol__event *event = NULL;
    assert_int_equal(ol__event_reader_new(&reader, NULL), OL_OK);
    assert_int_equal(
        ol__event_read(reader, ol__span_text(copy), OL_EVENT_ALL, NULL, -1, &event, NULL), OL_OK);
    assert_int_equal(event->warnings, 0);
    ol__event_reader_free(reader);
    return copy;
}

static void expect(const char *line, const char *part)
{
    if (strstr(line, part) == NULL)
        fail_msg("'%s' is not in %s", part, line);
}

static void expect_none(const char *line, const char *part)
{
    if (strstr(line, part) != NULL)
        fail_msg("'%s' is in %s", part, line);
}

/* ---- the event ---- */

static void a_whole_answer_is_one_event(void **state)
{
    struct fixture *f = *state;
    static const char *const found[] = {"d\"1", "d2"}, *const cited[] = {"d2"};
    open_client(f, 0);
    ol_run_set_ids(f->run, OL_MAKE(ol_ids, .run_id = "r", .step = "serve", .dataset_id = "ds@4",
                                   .model_version = "m@0", .corpus_sha = "c0"));
    serve(f, NULL);
    assert_int_equal(
        ol_answer_record(
            f->serving,
            OL_MAKE(ol_answer, .request_id = "q-1", .outcome = OL_FALLBACK,
                    .time_ms = OL_INT(1763715600123), .trace_id = TRACE,
                    .span_id = "00f067aa0ba902b7", .model_version = "m@1", .prompt_template = "p@2",
                    .feature_view = "v@3", .provider_request_id = "req_9", .embedding_model = "e@1",
                    .retrieval_index = "i@1", .retrieved = found, .retrieved_count = 2,
                    .cited = cited, .cited_count = 1,
                    .feature_snapshot_ts = "2026-11-21T09:00:00+01:00", .cohort = "b", .geo = "DE",
                    .temperature = OL_REAL(0.5), .max_tokens = OL_INT(64), .seed = OL_INT(-7),
                    .input = "abc", .input_size = 3, .output_hash = "hmac-sha256:" ABC,
                    .latency_ms = OL_REAL(12.25), .confidence = OL_REAL(0.875),
                    .input_tokens = OL_INT(3), .output_tokens = OL_INT(0), .cost = OL_REAL(0.001),
                    .currency = "USD", .cache_hit = OL_TRUE, .cached_from = "q-0"),
            NULL),
        OL_OK);
    char *line = last_event(f, NULL);
    expect(line, "{\"eventType\":\"OTHER\",\"eventTime\":\"2025-11-21T09:00:00.123Z\",\"producer\":"
                 "\"https://e.org/p/1\",\"schemaURL\":\"https://openlineage.io/spec/2-0-2/"
                 "OpenLineage.json#/$defs/RunEvent\",\"run\":{\"runId\":\"" RUN_ID
                 "\",\"facets\":{\"lineaged_run\":{\"_producer\":\"https://e.org/p/1\",");
    expect(line, "LineagedRunFacet\",\"run_id\":\"r\",\"step\":\"serve\",\"dataset_id\":\"ds@4\","
                 "\"feature_view\":\"v@3\",\"corpus_sha\":\"c0\",\"prompt_template\":\"p@2\","
                 "\"model_version\":\"m@1\",\"provider_request_id\":\"req_9\"},"
                 "\"lineaged_answer\":{\"_producer\":\"https://e.org/p/1\",");
    expect(line,
           "LineagedAnswerRunFacet\",\"request_id\":\"q-1\",\"outcome\":\"fallback\",\"trace_id\":"
           "\"" TRACE "\",\"span_id\":\"00f067aa0ba902b7\",\"embedding_model\":\"e@1\","
           "\"retrieval_index\":\"i@1\",\"retrieved\":[\"d\\\"1\",\"d2\"],\"cited\":[\"d2\"],"
           "\"feature_snapshot_ts\":\"2026-11-21T09:00:00+01:00\",\"cohort\":\"b\",\"geo\":\"DE\","
           "\"temperature\":0.5,\"max_tokens\":64,\"seed\":-7,\"input_hash\":\"sha256:" ABC
           "\",\"input_bytes\":3,\"output_hash\":\"hmac-sha256:" ABC "\",\"latency_ms\":12.25,"
           "\"confidence\":0.875,\"input_tokens\":3,\"output_tokens\":0,\"cost\":0.001,"
           "\"currency\":\"USD\",\"cache_hit\":true,\"cached_from\":\"q-0\"}}},\"job\":{"
           "\"namespace\":\"ns\",\"name\":\"rank\",\"facets\":{}},\"inputs\":[],\"outputs\":[]}");
    free(line);
}

static void the_run_is_not_touched(void **state)
{
    struct fixture *f = *state;
    size_t count;
    open_client(f, 0);
    serve(f, NULL);
    assert_int_equal(ol_run_emit(f->run, OL_START, NULL), OL_OK);
    assert_int_equal(ol_answer_record(f->serving, OL_MAKE(ol_answer, .request_id = "q-1"), NULL),
                     OL_OK);
    char *line = last_event(f, &count);
    assert_int_equal(count, 2);
    expect_none(line, "lineaged_run");
    expect_none(line, "processing_engine");
    expect(line, "\"request_id\":\"q-1\"}}}");
    free(line);
    assert_int_equal(ol_run_emit(f->run, OL_COMPLETE, NULL), OL_OK);
    line = last_event(f, &count);
    expect_none(line, "lineaged_answer");
    free(line);
    struct ol_error err;
    assert_int_equal(ol_answer_record(f->serving, OL_MAKE(ol_answer, .request_id = "q-2"), &err),
                     OL_INVALID);
    expect(err.message, "COMPLETE, FAIL or ABORT");
    assert_int_equal(ol_client_lost(f->client, NULL), 1);
    ol_run_free(f->run); /* before its handle */
    f->run = NULL;
    assert_int_equal(ol_answer_record(f->serving, OL_MAKE(ol_answer, .request_id = "q-2"), NULL),
                     OL_INVALID);
}

static void a_keyed_hash_is_an_hmac(void **state)
{
    struct fixture *f = *state;
    open_client(f, 0);
    serve(f, "01234567890123456789");
    assert_int_equal(ol_answer_record(f->serving,
                                      OL_MAKE(ol_answer, .request_id = "q", .output = "abc",
                                              .output_size = 3, .input = "", .input_size = 0),
                                      NULL),
                     OL_OK);
    char *line = last_event(f, NULL);
    /* printf abc | openssl dgst -sha256 -hmac 01234567890123456789 */
    expect(line, "\"input_bytes\":0,\"output_hash\":\"hmac-sha256:"
                 "3a54618ecc20519a0b588ea7a5a31140e0eb2f89b491a5a7857f59c16060db74"
                 "\",\"output_bytes\":3");
    free(line);
    ol_serving_free(f->serving);
    struct ol_error err;
    assert_int_equal(ol_serving_new(f->run,
                                    OL_MAKE(ol_serving_options, .key = "short", .key_size = 5),
                                    &f->serving, &err),
                     OL_INVALID);
    expect(err.message, "expected at least 16");
    assert_null(f->serving);
}

static void what_is_malformed_costs_itself(void **state)
{
    struct fixture *f = *state;
    const char *const holed[] = {"a", NULL};
    const struct ol_answer answers[] = {
#define BAD(...) OL_ITEM(ol_answer, .request_id = "q", .cohort = "kept", __VA_ARGS__)
        BAD(.outcome = (enum ol_outcome)99),
        BAD(.trace_id = "4bf92f"),
        BAD(.trace_id = "00000000000000000000000000000000"),
        BAD(.span_id = "00f067aa0ba902bz"),
        BAD(.feature_snapshot_ts = "2026-11-21T09:00:00"),
        BAD(.retrieved = holed, .retrieved_count = 2),
        BAD(.cited_count = 2),
        BAD(.input_hash = "sha256:12"),
        BAD(.output_hash = "md5:" ABC),
        BAD(.max_tokens = OL_INT(-1)),
        BAD(.input_tokens = OL_INT(-1)),
        BAD(.output_tokens = OL_INT(-1)),
        BAD(.temperature = OL_REAL((double)NAN)),
        BAD(.latency_ms = OL_REAL((double)INFINITY)),
        BAD(.confidence = OL_REAL((double)NAN)),
        BAD(.cost = OL_REAL((double)NAN)),
    };
    static const char *const members[] = {
        "outcome",      "trace_id",      "trace_id",    "span_id",     "feature_snapshot_ts",
        "retrieved",    "cited",         "input_hash",  "output_hash", "max_tokens",
        "input_tokens", "output_tokens", "temperature", "latency_ms",  "confidence",
        "cost",
    };
    open_client(f, 0);
    serve(f, NULL);
    for (size_t i = 0; i < OL_COUNT(answers); i++) {
        struct ol_error err = {.message = ""};
        char named[64];
        assert_int_equal(ol_answer_record(f->serving, &answers[i], &err), OL_PARTIAL);
        assert_int_equal(err.status, OL_PARTIAL);
        snprintf(named, sizeof named, "ol_answer.%s: left out:", members[i]);
        expect(err.message, named);
        char *line = last_event(f, NULL);
        expect(line, "\"cohort\":\"kept\"");
        snprintf(named, sizeof named, "\"%s\":", members[i]);
        if (strcmp(members[i], "retrieved") != 0)
            expect_none(line, named);
        free(line);
    }
    assert_int_equal(ol_client_lost(f->client, NULL), 0);
}

static void no_answer_at_all_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    struct ol_answer unset = {.request_id = "q"};
    struct ol_run *job = NULL;
    struct ol_serving *none = NULL;
    open_client(f, 0);
    serve(f, NULL);
    assert_int_equal(ol_answer_record(f->serving, OL_MAKE(ol_answer, .geo = "DE"), &err),
                     OL_INVALID);
    expect(err.message, "request_id");
    assert_int_equal(ol_answer_record(f->serving, &unset, &err), OL_INVALID);
    expect(err.message, "struct_size");
    assert_int_equal(ol_answer_record(f->serving, NULL, &err), OL_INVALID);
    assert_int_equal(ol_client_lost(f->client, NULL), 3);
    assert_int_equal(ol_answer_record(NULL, OL_MAKE(ol_answer, .request_id = "q"), &err),
                     OL_DISABLED);
    assert_int_equal(ol_serving_new(NULL, OL_MAKE(ol_serving_options, .key_size = 0), &none, NULL),
                     OL_DISABLED);
    assert_int_equal(ol_job_event_new(f->client, NULL, "j", &job, NULL), OL_OK);
    assert_int_equal(ol_serving_new(job, OL_MAKE(ol_serving_options, .key_size = 0), &none, NULL),
                     OL_INVALID);
    ol_run_free(job);
    ol_serving_free(NULL);
}

static void documents_give_way_to_the_limit(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    static const char *docs[OL_ANSWER_DOCS_MAX + 1];
    char *big = calloc(1, 5000);
    for (size_t i = 0; i < OL_COUNT(docs); i++)
        docs[i] = "document-7";
    memset(big, 'x', 4999);
    open_client(f, 4096);
    serve(f, NULL);
    assert_int_equal(ol_answer_record(f->serving,
                                      OL_MAKE(ol_answer, .request_id = "q", .retrieved = docs,
                                              .retrieved_count = 1000, .geo = "DE"),
                                      &err),
                     OL_PARTIAL);
    expect(err.message, "larger than the limit");
    char *line = last_event(f, NULL);
    expect_none(line, "document-7");
    expect(line, "\"geo\":\"DE\"");
    free(line);
    assert_int_equal(
        ol_answer_record(f->serving, OL_MAKE(ol_answer, .request_id = "q", .geo = big), &err),
        OL_TOO_LARGE);
    ol_serving_free(f->serving);
    ol_run_free(f->run);
    ol_client_close(f->client, 0, NULL);
    open_client(f, 0);
    serve(f, NULL);
    assert_int_equal(ol_answer_record(f->serving,
                                      OL_MAKE(ol_answer, .request_id = "q", .retrieved = docs,
                                              .retrieved_count = OL_COUNT(docs)),
                                      &err),
                     OL_PARTIAL);
    expect(err.message, "more than 1000");
    line = last_event(f, NULL);
    size_t count = 0;
    for (const char *at = line; (at = strstr(at, "document-7")) != NULL; at++)
        count++;
    assert_int_equal(count, OL_ANSWER_DOCS_MAX);
    free(line);
    free(big);
}

static void configuration_may_leave_it_out(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    setenv("OPENLINEAGE__FACETS__LINEAGED_ANSWER__DISABLED", "true", 1);
    open_client(f, 0);
    serve(f, NULL);
    assert_int_equal(ol_answer_record(f->serving, OL_MAKE(ol_answer, .request_id = "q"), &err),
                     OL_DISABLED);
    expect(err.message, "leaves its facet out");
}

/* ---- threads, processes, memory ---- */

#define THREADS 4
#define EACH 400

static void *record_many(void *arg)
{
    struct ol_serving *serving = arg;
    static _Atomic int next;
    char id[32];
    for (int i = 0; i < EACH; i++) {
        snprintf(id, sizeof id, "q-%d", atomic_fetch_add(&next, 1));
        if (ol_answer_record(serving,
                             OL_MAKE(ol_answer, .request_id = id, .latency_ms = OL_REAL(i)),
                             NULL) != OL_OK)
            return serving;
    }
    return NULL;
}

static void many_threads_share_one_handle(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[THREADS];
    static bool seen[THREADS * EACH];
    open_client(f, 0);
    serve(f, NULL);
    assert_int_equal(ol_run_emit(f->run, OL_START, NULL), OL_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, record_many, f->serving), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(ol_run_emit(f->run, OL_RUNNING, NULL), OL_OK);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(ol_run_emit(f->run, OL_COMPLETE, NULL), OL_OK);
    struct help_journals journals = help_read(f->directory);
    size_t count, answers = 0;
    const char **lines = help_events(&journals, &count);
    assert_int_equal(count, THREADS * EACH + 52);
    for (size_t i = 0; i < count; i++) {
        const char *id = strstr(lines[i], "\"request_id\":\"q-");
        if (id == NULL)
            continue;
        long number = strtol(id + strlen("\"request_id\":\"q-"), NULL, 10);
        assert_in_range(number, 0, THREADS * EACH - 1);
        assert_false(seen[number]);
        seen[number] = true;
        answers++;
        expect(lines[i], "\"outputs\":[]}");
    }
    assert_int_equal(answers, THREADS * EACH);
    free(lines);
    help_release(&journals);
}

static void a_child_goes_on_with_its_copy(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    open_client(f, 0);
    serve(f, NULL);
    assert_int_equal(ol_answer_record(f->serving, OL_MAKE(ol_answer, .request_id = "q-1"), NULL),
                     OL_OK);
    pid_t pid = fork();
    if (pid == 0)
        _exit(ol_answer_record(f->serving, OL_MAKE(ol_answer, .request_id = "q-2"), NULL) == OL_OK
                  ? 0
                  : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(ol_answer_record(f->serving, OL_MAKE(ol_answer, .request_id = "q-3"), NULL),
                     OL_OK);
    struct help_journals journals = help_read(f->directory);
    size_t count;
    const char **lines = help_events(&journals, &count);
    assert_int_equal(count, 3);
    assert_int_equal(journals.count, 2); /* the child's is its own */
    free(lines);
    help_release(&journals);
}

static void every_allocation_may_fail(void **state)
{
    struct fixture *f = *state;
    const char *const docs[] = {"d1"};
    open_client(f, 0);
    ol_run_set_ids(f->run, OL_MAKE(ol_ids, .model_version = "m", .dataset_id = "d"));
    for (unsigned long n = 1;; n++) {
        struct ol_serving *serving = NULL;
        fail_alloc_at(n);
        ol_status made =
            ol_serving_new(f->run, OL_MAKE(ol_serving_options, .key_size = 0), &serving, NULL);
        ol_status recorded =
            made != OL_OK ? OL_OK
                          : ol_answer_record(serving,
                                             OL_MAKE(ol_answer, .request_id = "q",
                                                     .retrieved = docs, .retrieved_count = 1),
                                             NULL);
        bool has_failed = fail_alloc_stop();
        assert_true(made == OL_OK || (made == OL_NOMEM && serving == NULL));
        assert_true(recorded == OL_OK || recorded == OL_NOMEM);
        assert_true(has_failed || (made == OL_OK && recorded == OL_OK));
        ol_serving_free(serving);
        if (!has_failed)
            break;
    }
    serve(f, NULL);
    assert_int_equal(ol_answer_record(f->serving, OL_MAKE(ol_answer, .request_id = "q"), NULL),
                     OL_OK);
    fail_alloc_from(1); /* promise 2 of answer.c */
    ol_status status = ol_answer_record(
        f->serving, OL_MAKE(ol_answer, .request_id = "q", .input = "a", .input_size = 1), NULL);
    assert_false(fail_alloc_stop());
    assert_int_equal(status, OL_OK);
}

/* ---- headers ---- */

struct headers {
    int left; /* so many are taken, then none */
    char text[2048];
};

static int put(void *arg, const char *key, const char *value)
{
    struct headers *h = arg;
    size_t used = strlen(h->text);
    if (h->left-- == 0)
        return -1;
    return snprintf(h->text + used, sizeof h->text - used, "%s: %s\n", key, value) < 0;
}

static ol_status headers_of(struct fixture *f, const struct ol_answer *answer, struct headers *h,
                            struct ol_error *err)
{
    *h = (struct headers){.left = 10};
    return ol_answer_headers(f->serving, answer, OL_MAKE(ol_carrier, .put = put, .arg = h), err);
}

static void headers_say_where_it_comes_from(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct ol_answer answer;
        const char *expected;
    } rows[] = {
        {OL_ITEM(ol_answer, .request_id = "q"),
         "x-model-version: m@1\nx-lineage-trace-id: 01941f297c007837a31dd79a7fb36a3d\n"
         "x-reproducible: false; missing=input_hash,seed\n"},
        {OL_ITEM(ol_answer, .request_id = "q", .model_version = "m@2", .trace_id = TRACE,
                 .input = "a", .input_size = 1, .temperature = OL_REAL(0)),
         "x-model-version: m@2\nx-lineage-trace-id: " TRACE "\nx-reproducible: true\n"},
        {OL_ITEM(ol_answer, .request_id = "q", .input_hash = "sha256:1", .seed = OL_INT(0),
                 .retrieval_index = "i", .feature_view = "v\r\nSet-Cookie: a=1\xc3\xbc%"),
         "x-model-version: m@1\nx-dataset-version: v%0D%0ASet-Cookie:%20a=1%C3%BC%25\n"
         "x-lineage-trace-id: 01941f297c007837a31dd79a7fb36a3d\n"
         "x-reproducible: false; missing=corpus_sha,feature_snapshot_ts\n"},
        {OL_ITEM(ol_answer, .request_id = "q", .feature_view = "v@3", .input = "", .input_size = 0,
                 .feature_snapshot_ts = "2026-11-21T09:00:00Z", .temperature = OL_REAL(0)),
         "x-model-version: m@1\nx-dataset-version: v@3@2026-11-21T09:00:00Z\n"
         "x-lineage-trace-id: 01941f297c007837a31dd79a7fb36a3d\nx-reproducible: true\n"},
        {OL_ITEM(ol_answer, .request_id = "q", .corpus_sha = "c", .feature_view = "v",
                 .model_version = "", .trace_id = "zz"),
         "x-dataset-version: c\nx-lineage-trace-id: 01941f297c007837a31dd79a7fb36a3d\n"
         "x-reproducible: false; missing=model_version,input_hash,seed,feature_snapshot_ts\n"},
    };
    struct headers h;
    open_client(f, 0);
    ol_run_set_ids(f->run, OL_MAKE(ol_ids, .model_version = "m@1"));
    serve(f, NULL);
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        assert_int_equal(headers_of(f, &rows[i].answer, &h, NULL), OL_OK);
        assert_string_equal(h.text, rows[i].expected);
    }
}

static void a_header_is_whole_or_not_there(void **state)
{
    struct fixture *f = *state;
    struct ol_error err;
    struct headers h;
    char most[OL_ANSWER_HEADER_MAX + 1], more[OL_ANSWER_HEADER_MAX + 2];
    memset(most, 'm', sizeof most);
    memset(more, 'n', sizeof more);
    most[sizeof most - 1] = more[sizeof more - 1] = '\0';
    open_client(f, 0);
    serve(f, NULL);
    assert_int_equal(
        headers_of(f, OL_MAKE(ol_answer, .request_id = "q", .model_version = most), &h, &err),
        OL_OK);
    expect(h.text, most);
    assert_int_equal(
        headers_of(f, OL_MAKE(ol_answer, .request_id = "q", .model_version = more), &h, &err),
        OL_PARTIAL);
    expect(err.message, "x-model-version");
    expect_none(h.text, "nn");
    expect(h.text, "x-reproducible: ");
    h = (struct headers){.left = 1};
    assert_int_equal(ol_answer_headers(f->serving, OL_MAKE(ol_answer, .request_id = "q"),
                                       OL_MAKE(ol_carrier, .put = put, .arg = &h), &err),
                     OL_IO);
    assert_int_equal(ol_answer_headers(f->serving, OL_MAKE(ol_answer, .request_id = "q"),
                                       OL_MAKE(ol_carrier, .arg = &h), &err),
                     OL_INVALID);
    assert_int_equal(ol_answer_headers(NULL, OL_MAKE(ol_answer, .request_id = "q"),
                                       OL_MAKE(ol_carrier, .put = put, .arg = &h), &err),
                     OL_DISABLED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_whole_answer_is_one_event),     TEST(the_run_is_not_touched),
        TEST(a_keyed_hash_is_an_hmac),         TEST(what_is_malformed_costs_itself),
        TEST(no_answer_at_all_is_refused),     TEST(documents_give_way_to_the_limit),
        TEST(configuration_may_leave_it_out),  TEST(many_threads_share_one_handle),
        TEST(a_child_goes_on_with_its_copy),   TEST(every_allocation_may_fail),
        TEST(headers_say_where_it_comes_from), TEST(a_header_is_whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
