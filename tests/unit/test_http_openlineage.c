/* SPDX-License-Identifier: Apache-2.0 */
/* Proves what the door answers to each OpenLineage client as that client speaks (heads as they were
 * seen on the wire), to each kind of event, loose ones among them, and to arrays; that what is
 * taken stands in the spool byte for byte, and that a request sent twice is one event. */
#include "intake_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

static struct intake_fixture f;
static struct http_answer answer;
static unsigned char packed[1 << 16];

static size_t gzip(const char *text, unsigned char *out, size_t size)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)strlen(text);
    z.next_out = out;
    z.avail_out = (uInt)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

/* ---- How each client asks ---- */

#define HOST "Host: localhost:5010\r\n"
#define JAVA                                                                                       \
    "Accept: application/json; charset=UTF-8\r\nContent-Type: application/json; charset=UTF-8\r\n" \
    "Accept-Encoding: gzip, deflate, x-gzip\r\nConnection: keep-alive\r\n"                         \
    "User-Agent: Apache-HttpClient/5.6.5 (Java/17.0.15)\r\n"
#define PYTHON                                                                                     \
    "User-Agent: python-requests/2.34.2\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n"      \
    "Connection: keep-alive\r\nContent-Type: application/json\r\n"
#define GO "User-Agent: Go-http-client/1.1\r\nContent-Type: application/json\r\n"
#define RUST "content-type: application/json\r\naccept: */*\r\nhost: localhost:5010\r\n"

enum coding { PLAIN, GZIP, CHUNKED, CHUNKED_GZIP };

static const struct {
    const char *what, *target, *head;
    enum coding coding;
    int status;
} clients[] = {
    {"Python", "/api/v1/lineage", HOST PYTHON, PLAIN, 201},
    {"Python, gzip", "/api/v1/lineage", HOST PYTHON, GZIP, 201},
    {"Python, a key", "/api/v1/lineage", HOST PYTHON "Authorization: Bearer k\r\n", PLAIN, 201},
    {"Java", "/api/v1/lineage", HOST JAVA, PLAIN, 201},
    {"Java, gzip: chunked without a length", "/api/v1/lineage", HOST JAVA, CHUNKED_GZIP, 201},
    {"Java, an own header", "/api/v1/lineage", HOST JAVA "X-Team: a\r\nx-trace: b\r\n", CHUNKED,
     201},
    {"Spark, urlParams", "/api/v1/lineage?app=1&user=x%20y", HOST JAVA, PLAIN, 201},
    {"Java, a path of its own", "/teams/a/lineage", HOST JAVA, PLAIN, 201},
    {"Java, a configured path", "/custom/endpoint", HOST JAVA, PLAIN, 201},
    {"Trino", "/api/v1/lineage", HOST JAVA "Authorization: Bearer k\r\n", PLAIN, 201},
    {"Go", "/api/v1/lineage", HOST GO, PLAIN, 201},
    {"Go, gzip", "/api/v1/lineage", HOST GO "Accept-Encoding: gzip\r\n", GZIP, 201},
    {"Rust, one event", "/api/v1/lineage", RUST, PLAIN, 201},
    {"Polaris' path", "/api/openlineage/v1/lineage", HOST JAVA, PLAIN, 201},
    {"DataHub's path", "/openapi/openlineage/api/v1/lineage", HOST JAVA, PLAIN, 201},
    {"OpenMetadata's path", "/api/v1/openlineage/lineage", HOST JAVA, PLAIN, 201},
    {"trailing slash", "/api/v1/lineage/", HOST PYTHON, PLAIN, 201},
    {"trailing slash and query", "/api/v1/lineage/?x=/y", HOST PYTHON, PLAIN, 201},
    {"a query alone makes no path", "/?x=/lineage", HOST PYTHON, PLAIN, 404},
    {"a path that was lost by urljoin", "/api/v1", HOST PYTHON, PLAIN, 404},
};

static void add_chunks(struct ol__buf *wire, const char *data, size_t size)
{
    for (size_t at = 0; at < size; at += 100) {
        size_t piece = OL_MIN((size_t)100, size - at);
        ol__buf_add_format(wire, "%zX\r\n", piece);
        ol__buf_add(wire, data + at, piece);
        ol__buf_add_text(wire, "\r\n");
    }
    ol__buf_add_text(wire, "0\r\n\r\n");
}

static void add_request(struct ol__buf *wire, const char *target, const char *head,
                        enum coding coding, const char *body)
{
    bool is_packed = coding == GZIP || coding == CHUNKED_GZIP;
    const char *data = is_packed ? (const char *)packed : body;
    size_t size = is_packed ? gzip(body, packed, sizeof packed) : strlen(body);
    ol__buf_add_format(wire, "POST %s HTTP/1.1\r\n%s%s", target, head,
                       is_packed ? "Content-Encoding: gzip\r\n" : "");
    if (coding >= CHUNKED) {
        ol__buf_add_text(wire, "Transfer-Encoding: chunked\r\n\r\n");
        add_chunks(wire, data, size);
    } else {
        ol__buf_add_format(wire, "Content-Length: %zu\r\n\r\n", size);
        ol__buf_add(wire, data, size);
    }
}

/* All over one connection, as a pool of connections does. */
static void each_client_as_it_speaks(void **state OL_UNUSED)
{
    struct http_client client;
    size_t taken = 0;
    assert_true(http_client_open(&client, f.tcp));
    for (size_t i = 0; i < OL_COUNT(clients); i++) {
        struct ol__buf wire;
        char body[1024];
        snprintf(body, sizeof body, EVENT(",\"client\": %zu , \"\\u00fc\":[1.0,\t1e2]"), i);
        ol__buf_init(&wire, 1 << 20);
        add_request(&wire, clients[i].target, clients[i].head, clients[i].coding, body);
        assert_true(http_client_send(&client, wire.data, wire.size));
        ol__buf_release(&wire);
        int status = http_client_read(&client, &answer);
        if (status != clients[i].status)
            fail_msg("%s: %d: %s", clients[i].what, status, answer.body);
        if (status != 201)
            continue;
        /* Java reads a body of any answer, and throws where there can be none (204) */
        assert_string_equal(http_answer_field(&answer, "Content-Length"), "0");
        struct spool_record r = intake_fixture_record(&f, taken++);
        if (r.data.size != strlen(body) || memcmp(r.data.data, body, r.data.size) != 0)
            fail_msg("%s: other bytes in the spool", clients[i].what);
    }
    http_client_close(&client);
    assert_int_equal(intake_fixture_records(&f), taken);
}

/* ---- What each event is ---- */

#define TIME "\"eventTime\":\"2025-01-01T00:00:00Z\","
#define MAKER "\"producer\":\"https://e.org/p\","
#define SCHEMA(kind)                                                                               \
    "\"schemaURL\":\"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/" kind "\","
#define RUN "\"run\":{\"runId\":\"01941f29-7c00-7837-a31d-d79a7fb36a3d\"},"
#define JOB "\"job\":{\"namespace\":\"n\",\"name\":\"j\"}"
#define DATASET "\"dataset\":{\"namespace\":\"n\",\"name\":\"d\"}"
#define LIKE(type) "{" TIME MAKER SCHEMA("RunEvent") "\"eventType\":" type "," RUN JOB "}"
#define WITH_URI(uri)                                                                              \
    "{" TIME MAKER SCHEMA("RunEvent") RUN JOB                                                      \
        ",\"inputs\":[{\"namespace\":\"n\",\"name\":\"d\",\"facets\":{\"dataSource\":{\"_"         \
        "producer\":"                                                                              \
        "\"https://e.org\",\"_schemaURL\":\"https://e.org/s\",\"name\":\"x\",\"uri\":\"" uri       \
        "\"}}}]}"

static const struct {
    const char *what, *body;
    int status, strict; /* as validation: lenient and strict */
    const char *pointer;
} events[] = {
    {"START", LIKE("\"START\""), 201, 201, NULL},
    {"RUNNING", LIKE("\"RUNNING\""), 201, 201, NULL},
    {"COMPLETE", LIKE("\"COMPLETE\""), 201, 201, NULL},
    {"ABORT", LIKE("\"ABORT\""), 201, 201, NULL},
    {"FAIL", LIKE("\"FAIL\""), 201, 201, NULL},
    {"OTHER", LIKE("\"OTHER\""), 201, 201, NULL},
    {"no eventType", "{" TIME MAKER SCHEMA("RunEvent") RUN JOB "}", 201, 201, NULL},
    {"a number for eventType", LIKE("7"), 400, 400, "/eventType"},
    {"JobEvent", "{" TIME MAKER SCHEMA("JobEvent") JOB "}", 201, 201, NULL},
    {"DatasetEvent", "{" TIME MAKER SCHEMA("DatasetEvent") DATASET "}", 201, 201, NULL},
    {"run, job and dataset", "{" TIME MAKER SCHEMA("RunEvent") RUN JOB "," DATASET "}", 201, 201,
     NULL},
    {"an older core",
     "{" TIME MAKER "\"schemaURL\":\"https://openlineage.io/spec/1-0-5/OpenLineage.json\"," RUN JOB
     "}",
     201, 201, NULL},
    {"unknown keys", "{\"new\":{\"a\":[null]}," TIME MAKER SCHEMA("RunEvent") RUN JOB "}", 201, 201,
     NULL},
    {"_deleted without what its schema needs",
     "{" TIME MAKER SCHEMA(
         "JobEvent") "\"job\":{\"namespace\":\"n\",\"name\":\"j\",\"facets\":{\"sql\":{\"_"
                     "producer\":\"https://e.org"
                     "\",\"_schemaURL\":\"https://e.org/s\",\"_deleted\":true}}}}",
     201, 201, NULL},
    {"uri file", WITH_URI("file"), 201, 201, NULL},
    {"uri bigquery", WITH_URI("bigquery"), 201, 201, NULL},
    {"no schemaURL", "{" TIME MAKER RUN JOB "}", 201, 400, "/schemaURL"},
    {"a time without zone",
     "{\"eventTime\":\"2025-01-01T00:00:00\"," MAKER SCHEMA("RunEvent") RUN JOB "}", 201, 400,
     "/eventTime"},
    {"a run id that is no UUID",
     "{" TIME MAKER SCHEMA("RunEvent") "\"run\":{\"runId\":\"x\"}," JOB "}", 201, 400,
     "/run/runId"},
    {"no eventTime", "{" MAKER SCHEMA("RunEvent") RUN JOB "}", 400, 400, "/eventTime"},
    {"no producer", "{" TIME SCHEMA("RunEvent") RUN JOB "}", 400, 400, "/producer"},
    {"no run id", "{" TIME MAKER SCHEMA("RunEvent") "\"run\":{}," JOB "}", 400, 400, "/run/runId"},
    {"no job", "{" TIME MAKER SCHEMA("RunEvent") "\"run\":{\"runId\":\"x\"}}", 400, 400, "/job"},
    {"no job name", "{" TIME MAKER SCHEMA("JobEvent") "\"job\":{\"namespace\":\"n\"}}", 400, 400,
     "/job/name"},
    {"no dataset name", "{" TIME MAKER SCHEMA("DatasetEvent") "\"dataset\":{\"namespace\":\"n\"}}",
     400, 400, "/dataset/name"},
    {"nothing of all that", "{" TIME MAKER SCHEMA("RunEvent") "\"x\":1}", 400, 400, NULL},
    {"an object with events", "{\"events\":[]}", 400, 400, NULL},
    {"an array", "[" LIKE("\"START\"") "]", 400, 400, NULL},
    {"two values", LIKE("\"START\"") LIKE("\"START\""), 400, 400, NULL},
    {"not UTF-8", "{" TIME MAKER SCHEMA("RunEvent") RUN JOB ",\"x\":\"\xff\"}", 400, 400, NULL},
};

static void check_events(bool is_strict)
{
    size_t taken = 0;
    for (size_t i = 0; i < OL_COUNT(events); i++) {
        int wanted = is_strict ? events[i].strict : events[i].status;
        const char *body = events[i].body;
        int status = intake_fixture_post(&f, "/api/v1/lineage", "", body, strlen(body), &answer);
        if (status != wanted)
            fail_msg("%s: %d, expected %d: %s", events[i].what, status, wanted, answer.body);
        if (status == 201) {
            struct spool_record r = intake_fixture_record(&f, taken++);
            assert_int_equal(r.data.size, strlen(body));
            assert_memory_equal(r.data.data, body, r.data.size);
            continue;
        }
        char pointer[64];
        snprintf(pointer, sizeof pointer, "\"pointer\":\"%s",
                 events[i].pointer != NULL ? events[i].pointer : "");
        if (events[i].pointer != NULL && strstr(answer.body, pointer) == NULL)
            fail_msg("%s: no %s in: %s", events[i].what, pointer, answer.body);
        assert_non_null(strstr(answer.body, "\"message\":\""));
    }
}

static void each_event_as_it_is(void **state OL_UNUSED)
{
    check_events(false);
}

static void each_event_where_strict(void **state OL_UNUSED)
{
    intake_fixture_stop(&f);
    f.config.validation = 1;
    intake_fixture_start(&f);
    check_events(true);
}

/* ---- Arrays ---- */

static const struct {
    const char *what, *target, *head, *body;
    int status;
    const char *text; /* in the answer */
    size_t taken;
} arrays[] = {
    {"Rust, two of a run", "/api/v1/lineage/batch", RUST,
     "[" LIKE("\"START\"") "," LIKE("\"COMPLETE\"") "]", 200,
     "\"status\":\"success\",\"summary\":{\"received\":2,\"successful\":2,\"failed\":0,"
     "\"retriable\":0,\"non_retriable\":0}",
     2},
    {"every kind in one", "/lineage/batch/", HOST JAVA,
     "[{" TIME MAKER SCHEMA("JobEvent") JOB "},{" TIME MAKER SCHEMA("DatasetEvent") DATASET "}]",
     200, "\"failed_events\":[],\"status\":\"success\"", 2},
    {"a bad one between", "/a/lineage/batch?x=1", HOST JAVA,
     "[" LIKE("\"RUNNING\"") ",{}," LIKE("\"OTHER\"") "]", 200,
     "\"failed_events\":[{\"index\":1,\"reason\":\"", 2},
    {"all bad", "/lineage/batch", HOST JAVA, "[{},[],null,\"x\"]", 200,
     "\"status\":\"partial_success\",\"summary\":{\"received\":4,\"successful\":0,\"failed\":4,"
     "\"retriable\":0,\"non_retriable\":4}",
     0},
    {"why", "/b/lineage/batch", HOST JAVA, "[{" TIME MAKER RUN "\"job\":{\"namespace\":\"n\"}}]",
     200, "\"reason\":\"/job/name: ", 0},
    {"the same twice in one", "/c/lineage/batch", HOST JAVA,
     "[" LIKE("\"FAIL\"") "," LIKE("\"FAIL\"") "]", 200, "\"successful\":2", 2},
    {"none", "/d/lineage/batch", HOST JAVA, "[]", 200, "\"received\":0", 0},
    {"a configured path", "/custom/endpoint/batch", HOST JAVA, "[" LIKE("\"ABORT\"") "]", 200,
     "\"successful\":1", 1},
    {"one event", "/lineage/batch", HOST JAVA, LIKE("\"START\""), 400, "array", 0},
    {"OpenMetadata's object", "/lineage/batch", HOST JAVA, "{\"events\":[]}", 400, "array", 0},
    {"cut short", "/lineage/batch", HOST JAVA, "[" LIKE("\"START\"") ",", 400, "errors", 0},
    {"nothing", "/lineage/batch", HOST JAVA, "", 400, "errors", 0},
};

static void each_array(void **state OL_UNUSED)
{
    size_t taken = 0;
    for (size_t i = 0; i < OL_COUNT(arrays); i++)
        for (int coding = PLAIN; coding <= CHUNKED_GZIP; coding++) { /* again: nothing is new */
            struct ol__buf wire;
            ol__buf_init(&wire, 1 << 20);
            add_request(&wire, arrays[i].target, arrays[i].head, (enum coding)coding,
                        arrays[i].body);
            int status = http_client_once(f.tcp, wire.data, wire.size, &answer);
            ol__buf_release(&wire);
            if (status != arrays[i].status || strstr(answer.body, arrays[i].text) == NULL)
                fail_msg("%s: %d: %s", arrays[i].what, status, answer.body);
            assert_string_equal(http_answer_field(&answer, "Content-Type"), "application/json");
            taken += coding == PLAIN ? arrays[i].taken : 0;
            if (intake_fixture_records(&f) != taken)
                fail_msg("%s: %zu records, expected %zu", arrays[i].what,
                         intake_fixture_records(&f), taken);
        }
}

/* ---- Sent again ---- */

static void what_is_sent_again_is_one_event(void **state OL_UNUSED)
{
    static const struct {
        const char *target, *head;
        enum coding coding;
        size_t records; /* afterwards */
    } steps[] = {
        {"/api/v1/lineage", HOST JAVA, PLAIN, 1},
        {"/api/v1/lineage", HOST JAVA, PLAIN, 1},
        {"/api/v1/lineage", HOST PYTHON, GZIP, 1}, /* the same bytes, however packed */
        {"/api/v1/lineage", HOST JAVA, CHUNKED_GZIP, 1},
        {"/other/lineage", HOST JAVA, PLAIN, 2}, /* another path, another key: another sender */
        {"/api/v1/lineage", HOST JAVA "Authorization: Bearer a\r\n", PLAIN, 3},
        {"/api/v1/lineage", HOST JAVA "Authorization: Bearer b\r\n", PLAIN, 4},
        {"/api/v1/lineage", HOST JAVA "Authorization: Bearer a\r\n", PLAIN, 4},
    };
    for (size_t i = 0; i < OL_COUNT(steps); i++) {
        struct ol__buf wire;
        ol__buf_init(&wire, 1 << 20);
        add_request(&wire, steps[i].target, steps[i].head, steps[i].coding, EVENT(""));
        assert_int_equal(http_client_once(f.tcp, wire.data, wire.size, &answer), 201);
        ol__buf_release(&wire);
        assert_int_equal(intake_fixture_records(&f), steps[i].records);
    }
}

static int set_up(void **state OL_UNUSED)
{
    intake_fixture_init(&f);
    intake_fixture_add_path(&f, "/custom/endpoint");
    intake_fixture_start(&f);
    return 0;
}

static int tear_down(void **state OL_UNUSED)
{
    intake_fixture_release(&f);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_client_as_it_speaks),        TEST(each_event_as_it_is),
        TEST(each_event_where_strict),         TEST(each_array),
        TEST(what_is_sent_again_is_one_event),
    };
    return cmocka_run_group_tests_name("http_openlineage", tests, NULL, NULL);
}
