/* SPDX-License-Identifier: Apache-2.0 */
/* Proves, over real sockets and with a real spool, what the door answers to every kind of request,
 * that what it took is in the spool byte for byte, and that bodies in every encoding come out right
 * and within their bound. */
#include "intake_fixture.h"
#include "event_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

static struct intake_fixture f;
static struct http_answer answer;

#define JSON_TYPE "Content-Type: application/json\r\n"
#define HOST "Host: x\r\n"
#define POST "POST /api/v1/lineage HTTP/1.1\r\n"

/* ---- Framing, headers, paths ---- */

struct request_case {
    const char *what, *head; /* without the empty line */
    const char *body;
    int status;
    bool has_length;           /* the test adds Content-Length */
    bool is_closed;            /* the connection ends after the answer */
    const char *field, *value; /* of the answer; NULL: not looked at */
    const char *text;          /* in the answer's body */
};

static void check_case(const struct request_case *c)
{
    struct http_client client;
    struct ol__buf request;
    ol__buf_init(&request, 1 << 20);
    ol__buf_add_text(&request, c->head);
    if (c->has_length)
        ol__buf_add_format(&request, "Content-Length: %zu\r\n", strlen(c->body));
    ol__buf_add_format(&request, "\r\n%s", c->body);
    assert_true(http_client_open(&client, f.tcp));
    assert_true(http_client_send(&client, request.data, request.size));
    int status = http_client_read(&client, &answer);
    if (status != c->status)
        fail_msg("%s: %d, expected %d: %s", c->what, status, c->status, answer.body);
    if (c->status == 201)
        assert_string_equal(http_answer_field(&answer, "Content-Length"), "0");
    if (c->text != NULL && strstr(answer.body, c->text) == NULL)
        fail_msg("%s: '%s' is not in: %s", c->what, c->text, answer.body);
    if (c->field != NULL) {
        const char *value = http_answer_field(&answer, c->field);
        if (value == NULL || strcmp(value, c->value) != 0)
            fail_msg("%s: %s is '%s'", c->what, c->field, value != NULL ? value : "absent");
    }
    if (c->is_closed && !http_client_is_closed(&client))
        fail_msg("%s: the connection stays open: %s%s", c->what, answer.head, answer.body);
    if (!c->is_closed && status != 0) { /* and is still good for another request */
        static const char next[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_true(http_client_send(&client, next, sizeof next - 1));
        if (http_client_read(&client, &answer) != 200)
            fail_msg("%s: the connection is not usable: %d", c->what, answer.status);
    }
    http_client_close(&client);
    ol__buf_release(&request);
}

static void every_kind_of_request(void **state OL_UNUSED)
{
    static char long_head[60000];
    snprintf(long_head, sizeof long_head, POST HOST JSON_TYPE "X-Long: %050000d\r\n", 1);
    const struct request_case cases[] = {
        {"plain", POST HOST JSON_TYPE, EVENT(",\"a\":1"), 201, true, false, NULL, NULL, NULL},
        {"trailing slash", "POST /api/v1/lineage/ HTTP/1.1\r\n" HOST JSON_TYPE, EVENT(",\"a\":2"),
         201, true, false, NULL, NULL, NULL},
        {"other prefix, query", "POST /x/lineage?a=b HTTP/1.1\r\n" HOST JSON_TYPE,
         EVENT(",\"a\":3"), 201, true, false, NULL, NULL, NULL},
        {"configured path", "POST /events HTTP/1.1\r\n" HOST JSON_TYPE, EVENT(",\"a\":4"), 201,
         true, false, NULL, NULL, NULL},
        {"charset", POST HOST "Content-Type: application/json; charset=UTF-8\r\n",
         EVENT(",\"a\":5"), 201, true, false, NULL, NULL, NULL},
        {"quoted charset, upper case",
         POST HOST "content-type: Application/JSON;charset=\"utf-8\"\r\n", EVENT(",\"a\":6"), 201,
         true, false, NULL, NULL, NULL},
        {"HTTP/1.0 without Host", "POST /api/v1/lineage HTTP/1.0\r\n" JSON_TYPE, EVENT(",\"a\":7"),
         201, true, true, NULL, NULL, NULL},
        {"identity", POST HOST JSON_TYPE "Content-Encoding: identity\r\n", EVENT(",\"a\":8"), 201,
         true, false, NULL, NULL, NULL},
        {"other charset", POST HOST "Content-Type: application/json; charset=latin1\r\n", EVENT(""),
         415, true, false, NULL, NULL, NULL},
        {"other type", POST HOST "Content-Type: text/plain\r\n", EVENT(""), 415, true, false,
         "Accept-Encoding", "gzip", "application/json"},
        {"type that only begins alike", POST HOST "Content-Type: application/jsonx\r\n", EVENT(""),
         415, true, false, NULL, NULL, NULL},
        {"no type", POST HOST, EVENT(""), 415, true, false, NULL, NULL, NULL},
        {"brotli", POST HOST JSON_TYPE "Content-Encoding: br\r\n", EVENT(""), 415, true, false,
         NULL, NULL, "gzip"},
        {"two encodings", POST HOST JSON_TYPE "Content-Encoding: gzip, gzip\r\n", EVENT(""), 415,
         true, false, NULL, NULL, NULL},
        {"GET", "GET /api/v1/lineage HTTP/1.1\r\n" HOST, "", 405, false, false, "Allow", "POST",
         NULL},
        {"PUT", "PUT /api/v1/lineage HTTP/1.1\r\n" HOST JSON_TYPE, EVENT(""), 405, true, false,
         "Allow", "POST", NULL},
        {"POST to health", "POST /healthz HTTP/1.1\r\n" HOST JSON_TYPE, "{}", 405, true, false,
         "Allow", "GET, HEAD", NULL},
        {"elsewhere", "POST /lineages HTTP/1.1\r\n" HOST JSON_TYPE, EVENT(""), 404, true, false,
         NULL, NULL, "/lineage"},
        {"length and chunked",
         POST HOST JSON_TYPE "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n",
         400, false, true, NULL, NULL, "Content-Length and Transfer-Encoding"},
        {"chunked and length",
         POST HOST JSON_TYPE "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n",
         400, false, true, NULL, NULL, NULL},
        {"two lengths", POST HOST JSON_TYPE "Content-Length: 2\r\nContent-Length: 3\r\n", "{}x",
         400, false, true, NULL, NULL, "more than one Content-Length"},
        {"the same length twice", POST HOST JSON_TYPE "Content-Length: 2\r\nContent-Length: 2\r\n",
         "{}", 400, false, true, NULL, NULL, NULL},
        {"list of lengths", POST HOST JSON_TYPE "Content-Length: 2, 2\r\n", "{}", 400, false, true,
         NULL, NULL, NULL},
        {"signed length", POST HOST JSON_TYPE "Content-Length: +2\r\n", "{}", 400, false, true,
         NULL, NULL, NULL},
        {"negative length", POST HOST JSON_TYPE "Content-Length: -2\r\n", "{}", 400, false, true,
         NULL, NULL, NULL},
        {"other coding", POST HOST JSON_TYPE "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n",
         501, false, true, NULL, NULL, "chunked"},
        {"two codings",
         POST HOST JSON_TYPE "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
         "0\r\n\r\n", 501, false, true, NULL, NULL, NULL},
        {"chunked in HTTP/1.0",
         "POST /lineage HTTP/1.0\r\n" JSON_TYPE "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", 400,
         false, true, NULL, NULL, NULL},
        {"bad chunk", POST HOST JSON_TYPE "Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n", 400,
         false, true, NULL, NULL, NULL},
        {"no Host", POST JSON_TYPE, EVENT(""), 400, true, true, NULL, NULL, NULL},
        {"two Hosts", POST HOST HOST JSON_TYPE, EVENT(""), 400, true, true, NULL, NULL, NULL},
        {"bad Host", POST "Host: a/b\r\n" JSON_TYPE, EVENT(""), 400, true, true, NULL, NULL,
         "Host"},
        {"bad port", POST "Host: a:b\r\n" JSON_TYPE, EVENT(""), 400, true, true, NULL, NULL,
         "Host"},
        {"space before the colon", POST HOST "Content-Type : application/json\r\n", EVENT(""), 400,
         true, true, NULL, NULL, NULL},
        {"long header", long_head, EVENT(""), 431, true, true, NULL, NULL, NULL},
        {"HTTP/2.0", "POST /lineage HTTP/2.0\r\n" HOST, "", 505, false, true, NULL, NULL, NULL},
        {"not JSON", POST HOST JSON_TYPE, "{\"a\"", 400, true, false, NULL, NULL, "errors"},
        {"empty", POST HOST JSON_TYPE, "", 400, true, false, NULL, NULL, "errors"},
        {"array on the single path", POST HOST JSON_TYPE, "[]", 400, true, false, NULL, NULL,
         "errors"},
        {"no eventTime", POST HOST JSON_TYPE,
         "{\"producer\":\"p\",\"run\":{\"runId\":\"r\"},\"job\":{\"namespace\":\"n\",\"name\":"
         "\"j\"}}",
         400, true, false, "Content-Type", "application/json", "\"pointer\":\"/eventTime\""},
        {"wrong type inside", POST HOST JSON_TYPE, EVENT_HEAD "7}}", 400, true, false, NULL, NULL,
         "\"pointer\":\"/run/runId\""},
        {"health", "GET /healthz HTTP/1.1\r\n" HOST, "", 200, false, false, NULL, NULL, "ok\n"},
        {"metrics", "GET /metrics HTTP/1.1\r\n" HOST, "", 200, false, false, NULL, NULL,
         "lineaged_http_requests_total"},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        check_case(&cases[i]);
    assert_int_equal(intake_fixture_records(&f), 8);
}

static void second_request_is_not_smuggled(void **state OL_UNUSED)
{
    static const char wire[] =
        POST HOST JSON_TYPE "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    struct http_client client;
    assert_true(http_client_open(&client, f.tcp));
    assert_true(http_client_send(&client, wire, sizeof wire - 1));
    assert_int_equal(http_client_read(&client, &answer), 400);
    assert_int_equal(http_client_read(&client, &answer), 0);
    http_client_close(&client);
}

static void folded_header_cannot_hide_a_length(void **state OL_UNUSED)
{
    /* obs-fold: either refused, or read as one value; never as a field of its own */
    static const char wire[] = POST HOST JSON_TYPE "X-A: b\r\n Content-Length: 3\r\n\r\n";
    struct http_client client;
    assert_true(http_client_open(&client, f.tcp));
    assert_true(http_client_send(&client, wire, sizeof wire - 1));
    assert_int_equal(http_client_read(&client, &answer), 400);
    http_client_close(&client);
    assert_int_equal(intake_fixture_records(&f), 0);
}

static void pipelined_requests_are_answered_in_order(void **state OL_UNUSED)
{
    struct http_client client;
    struct ol__buf wire;
    ol__buf_init(&wire, 1 << 20);
    for (int i = 0; i < 20; i++) {
        char body[512];
        snprintf(body, sizeof body, i % 2 == 0 ? EVENT(",\"a\":%d") : "{%d", i);
        ol__buf_add_format(&wire, POST HOST JSON_TYPE "Content-Length: %zu\r\n\r\n%s", strlen(body),
                           body);
    }
    assert_true(http_client_open(&client, f.unix_address));
    assert_true(http_client_send(&client, wire.data, wire.size));
    for (int i = 0; i < 20; i++)
        assert_int_equal(http_client_read(&client, &answer), i % 2 == 0 ? 201 : 400);
    http_client_close(&client);
    ol__buf_release(&wire);
    assert_int_equal(intake_fixture_records(&f), 10);
}

static void every_byte_in_a_piece_of_its_own(void **state OL_UNUSED)
{
    static const char body[] = EVENT(",\"slow\":true");
    char head[256];
    struct http_client client;
    snprintf(head, sizeof head, POST HOST JSON_TYPE "Content-Length: %zu\r\n\r\n", sizeof body - 1);
    assert_true(http_client_open(&client, f.unix_address));
    for (size_t i = 0; i < strlen(head); i++)
        assert_true(http_client_send(&client, head + i, 1));
    for (size_t i = 0; i < sizeof body - 1; i++)
        assert_true(http_client_send(&client, body + i, 1));
    assert_int_equal(http_client_read(&client, &answer), 201);
    http_client_close(&client);
    struct spool_record r = intake_fixture_record(&f, 0);
    assert_int_equal(r.data.size, sizeof body - 1);
    assert_memory_equal(r.data.data, body, sizeof body - 1);
}

static void continue_is_given_and_withheld(void **state OL_UNUSED)
{
    struct http_client client;
    char head[256];
    const char *body = EVENT("");
    snprintf(head, sizeof head,
             POST HOST JSON_TYPE "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    assert_true(http_client_open(&client, f.tcp));
    assert_true(http_client_send(&client, head, strlen(head)));
    assert_int_equal(http_client_read(&client, &answer), 100);
    assert_true(http_client_send(&client, body, strlen(body)));
    assert_int_equal(http_client_read(&client, &answer), 201);
    http_client_close(&client);
    snprintf(head, sizeof head,
             POST HOST JSON_TYPE "Expect: 100-continue\r\nContent-Length: 999999\r\n\r\n");
    assert_int_equal(http_client_once(f.tcp, head, strlen(head), &answer), 413);
}

/* ---- Bodies ---- */

static void bytes_are_kept(void **state OL_UNUSED)
{
    static const char body[] =
        "\r\n\t " EVENT(",  \"x\" :\t[1 , 2],\"u\":\"\\u00e9\xc3\xa9\"") " \n";
    assert_int_equal(intake_fixture_post(&f, "/lineage", "", body, sizeof body - 1, &answer), 201);
    struct spool_record r = intake_fixture_record(&f, 0);
    assert_int_equal(r.data.size, sizeof body - 1);
    assert_memory_equal(r.data.data, body, sizeof body - 1);
    assert_int_equal(r.source, SPOOL_FROM_HTTP);
    assert_int_equal(r.lane_kind, OL_LANE_RUN_UUID);
    assert_int_equal(r.lane[15], 1);
    assert_int_equal(r.uid, SPOOL_UID_UNKNOWN);
    assert_true(r.time_ms > INT64_C(1700000000000));
}

static size_t gzip(const void *data, size_t size, unsigned char *out, size_t out_size)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)out_size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t made = z.total_out;
    deflateEnd(&z);
    return made;
}

static unsigned char packed[1 << 16];

static void gzip_bodies(void **state OL_UNUSED)
{
    static const char fields[] = "Content-Encoding: gzip\r\n";
    static const char body[] = EVENT(",\"z\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"");
    size_t size = gzip(body, sizeof body - 1, packed, sizeof packed);
    assert_int_equal(intake_fixture_post(&f, "/lineage", fields, packed, size, &answer), 201);
    struct spool_record r = intake_fixture_record(&f, 0);
    assert_int_equal(r.data.size, sizeof body - 1);
    assert_memory_equal(r.data.data, body, sizeof body - 1);
    /* two members */
    size_t half = gzip(body, 100, packed, sizeof packed);
    size = half + gzip(body + 100, sizeof body - 101, packed + half, sizeof packed - half);
    assert_int_equal(intake_fixture_post(&f, "/a/lineage", fields, packed, size, &answer), 201);
    r = intake_fixture_record(&f, 1);
    assert_int_equal(r.data.size, sizeof body - 1);
    /* cut short, garbage, garbage behind */
    assert_int_equal(intake_fixture_post(&f, "/lineage", fields, packed, size - 1, &answer), 400);
    assert_non_null(strstr(answer.body, "gzip"));
    assert_int_equal(intake_fixture_post(&f, "/lineage", fields, body, sizeof body - 1, &answer),
                     400);
    memcpy(packed + size, "junk", 4);
    assert_int_equal(intake_fixture_post(&f, "/lineage", fields, packed, size + 4, &answer), 400);
    assert_int_equal(intake_fixture_post(&f, "/lineage", fields, "", 0, &answer), 400);
    assert_int_equal(intake_fixture_records(&f), 2);
}

static void chunked_gzip(void **state OL_UNUSED)
{
    static const char body[] = EVENT(",\"c\":\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"");
    for (int is_packed = 0; is_packed < 2; is_packed++) {
        size_t size = gzip(body, sizeof body - 1, packed, sizeof packed);
        const char *data = is_packed ? (const char *)packed : body;
        size = is_packed ? size : sizeof body - 1;
        struct ol__buf wire;
        ol__buf_init(&wire, 1 << 20);
        ol__buf_add_format(&wire,
                           "POST /%d/lineage HTTP/1.1\r\n" HOST JSON_TYPE
                           "Transfer-Encoding: chunked\r\n%s\r\n",
                           is_packed, is_packed ? "Content-Encoding: gzip\r\n" : "");
        for (size_t at = 0; at < size; at += 37) {
            size_t piece = OL_MIN((size_t)37, size - at);
            ol__buf_add_format(&wire, "%zx;ext=1\r\n", piece);
            ol__buf_add(&wire, data + at, piece);
            ol__buf_add_text(&wire, "\r\n");
        }
        ol__buf_add_text(&wire, "0\r\nTrailer: x\r\n\r\n");
        assert_int_equal(http_client_once(f.tcp, wire.data, wire.size, &answer), 201);
        ol__buf_release(&wire);
        struct spool_record r = intake_fixture_record(&f, (size_t)is_packed);
        assert_int_equal(r.data.size, sizeof body - 1);
        assert_memory_equal(r.data.data, body, sizeof body - 1);
    }
}

static void bodies_are_bounded(void **state OL_UNUSED)
{
    size_t max = (size_t)f.config.http_max_body, huge = 8u << 20;
    char *zeros = calloc(1, huge);
    assert_non_null(zeros);
    memset(zeros, ' ', huge);
    /* refused by its length, and read away so that the answer arrives */
    assert_int_equal(intake_fixture_post(&f, "/lineage", "", zeros, max + 1, &answer), 413);
    /* too large to be read away: answered at once */
    assert_int_equal(intake_fixture_post(&f, "/lineage", "", zeros, max * 5, &answer), 413);
    /* a bomb: small as sent */
    size_t size = gzip(zeros, huge, packed, sizeof packed);
    assert_true(size < max / 8);
    assert_int_equal(
        intake_fixture_post(&f, "/lineage", "Content-Encoding: gzip\r\n", packed, size, &answer),
        413);
    /* exactly the limit is taken */
    static const char body[] = EVENT(",\"big\":1");
    memcpy(zeros, body, sizeof body - 1);
    assert_int_equal(intake_fixture_post(&f, "/lineage", "", zeros, max, &answer), 201);
    assert_int_equal(intake_fixture_record(&f, 0).data.size, max);
    /* chunked, past the limit */
    struct ol__buf wire;
    ol__buf_init(&wire, 16u << 20);
    ol__buf_add_format(&wire, POST HOST JSON_TYPE "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
                       max * 2);
    ol__buf_add(&wire, zeros, max * 2);
    ol__buf_add_text(&wire, "\r\n0\r\n\r\n");
    assert_int_equal(http_client_once(f.tcp, wire.data, wire.size, &answer), 413);
    ol__buf_release(&wire);
    free(zeros);
}

/* ---- Arrays ---- */

static void arrays_are_answered_by_element(void **state OL_UNUSED)
{
    static const char a[] = EVENT(",\"n\":1"), c[] = "{ \"x\":\n 1}", d[] = EVENT(" , \"n\" : 2 ");
    struct ol__buf body;
    ol__buf_init(&body, 1 << 20);
    ol__buf_add_format(&body, " [ %s ,7,%s,\n%s]\n", a, c, d);
    assert_int_equal(
        intake_fixture_post(&f, "/api/v1/lineage/batch", "", body.data, body.size, &answer), 200);
    assert_non_null(strstr(answer.body, "\"status\":\"partial_success\""));
    assert_non_null(strstr(answer.body, "{\"received\":4,\"successful\":2,\"failed\":2,"
                                        "\"retriable\":0,\"non_retriable\":2}"));
    assert_non_null(strstr(answer.body, "{\"index\":1,"));
    assert_non_null(strstr(answer.body, "{\"index\":2,"));
    assert_int_equal(intake_fixture_records(&f), 2);
    struct spool_record r = intake_fixture_record(&f, 0);
    assert_int_equal(r.data.size, sizeof a - 1);
    assert_memory_equal(r.data.data, a, sizeof a - 1);
    assert_int_equal(r.source_position, 0);
    r = intake_fixture_record(&f, 1);
    assert_int_equal(r.data.size, sizeof d - 1);
    assert_memory_equal(r.data.data, d, sizeof d - 1);
    assert_int_equal(r.source_position, 3);
    /* the same array again: nothing new */
    assert_int_equal(
        intake_fixture_post(&f, "/api/v1/lineage/batch", "", body.data, body.size, &answer), 200);
    assert_non_null(strstr(answer.body, "\"successful\":2"));
    assert_int_equal(intake_fixture_records(&f), 2);
    ol__buf_release(&body);
}

static void arrays_that_are_none(void **state OL_UNUSED)
{
    static const char object[] = EVENT("");
    assert_int_equal(
        intake_fixture_post(&f, "/lineage/batch", "", object, sizeof object - 1, &answer), 400);
    assert_int_equal(intake_fixture_post(&f, "/lineage/batch", "", "[{},", 4, &answer), 400);
    assert_int_equal(intake_fixture_post(&f, "/lineage/batch", "", "[]", 2, &answer), 200);
    assert_non_null(strstr(answer.body, "\"status\":\"success\""));
    static char many[40003];
    memset(many, '1', sizeof many);
    for (size_t i = 2; i < sizeof many; i += 2)
        many[i] = ',';
    many[0] = '[';
    many[sizeof many - 1] = ']';
    assert_int_equal(intake_fixture_post(&f, "/lineage/batch", "", many, sizeof many, &answer),
                     413);
    assert_int_equal(intake_fixture_records(&f), 0);
}

/* ---- Limits ---- */

static void nesting_is_bounded(void **state OL_UNUSED)
{
    intake_fixture_stop(&f);
    f.config.max_depth = 20;
    intake_fixture_start(&f);
    for (int depth = 19; depth <= 20; depth++) { /* behind the event's own brace */
        struct ol__buf body;
        ol__buf_init(&body, 4096);
        ol__buf_add_text(&body, EVENT_HEAD EVENT_RUN "},\"deep\":");
        for (int i = 0; i < depth; i++)
            ol__buf_add_char(&body, '[');
        for (int i = 0; i < depth; i++)
            ol__buf_add_char(&body, ']');
        ol__buf_add_char(&body, '}');
        int status = intake_fixture_post(&f, "/lineage", "", body.data, body.size, &answer);
        assert_int_equal(status, depth == 19 ? 201 : 400);
        ol__buf_release(&body);
    }
    assert_non_null(strstr(answer.body, "deep"));
    assert_int_equal(metric_get(&f.metrics->intake.http_refused_invalid), 1);
}

static void growth_is_bounded(void **state OL_UNUSED)
{
    static const struct {
        int64_t ratio;
        size_t size;
        int status;
    } cases[] = {
        {200, 3 << 20, 413}, /* a thousand times */
        {200, 1 << 20, 400}, /* too small to matter: no event, that is all */
        {0, 3 << 20, 400},   /* not looked at */
        {0, 5 << 20, 413},   /* max_body is */
    };
    char *spaces = malloc(5 << 20);
    assert_non_null(spaces);
    memset(spaces, ' ', 5 << 20);
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        intake_fixture_stop(&f);
        f.config.http_max_body = 4 << 20;
        f.config.http_max_ratio = cases[i].ratio;
        intake_fixture_start(&f);
        size_t size = gzip(spaces, cases[i].size, packed, sizeof packed);
        uint64_t before = metric_get(&f.metrics->intake.http_refused_large);
        int status = intake_fixture_post(&f, "/lineage", "Content-Encoding: gzip\r\n", packed, size,
                                         &answer);
        if (status != cases[i].status)
            fail_msg("case %zu: %d: %s", i, status, answer.body);
        assert_int_equal(metric_get(&f.metrics->intake.http_refused_large) - before, status == 413);
    }
    free(spaces);
}

static void headers_are_bounded(void **state OL_UNUSED)
{
    static char wire[20000];
    intake_fixture_stop(&f);
    f.config.http_max_header = 8192;
    intake_fixture_start(&f);
    for (int size = 5000; size <= 15000; size += 10000) {
        const char *body = EVENT("");
        snprintf(wire, sizeof wire, POST HOST JSON_TYPE "X: %0*d\r\nContent-Length: %zu\r\n\r\n%s",
                 size, 1, strlen(body), body);
        int status = http_client_once(f.tcp, wire, strlen(wire), &answer);
        assert_int_equal(status, size == 5000 ? 201 : 431);
    }
    assert_int_equal(metric_get(&f.metrics->intake.http_refused_large), 1);
}

/* A client that ends its side with the request still hears the answer. */
static void half_closed(void **state OL_UNUSED)
{
    const char *const addresses[] = {f.tcp, f.unix_address};
    const char *bodies[] = {EVENT(",\"half\":1"), EVENT(",\"half\":2"), "{"};
    for (size_t i = 0; i < 6; i++) {
        struct http_client client;
        char wire[1024];
        const char *body = bodies[i % 3];
        snprintf(wire, sizeof wire, POST HOST JSON_TYPE "Content-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
        assert_true(http_client_open(&client, addresses[i / 3]));
        assert_true(http_client_send(&client, wire, strlen(wire)));
        assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
        assert_int_equal(http_client_read(&client, &answer), i % 3 == 2 ? 400 : 201);
        http_client_close(&client);
    }
    assert_int_equal(intake_fixture_records(&f), 4); /* a peer on each */
    /* half of a body, and no more: nothing is taken, and the place is free again */
    struct http_client client;
    static const char half[] = POST HOST JSON_TYPE "Content-Length: 500\r\n\r\n{";
    assert_true(http_client_open(&client, f.tcp));
    assert_true(http_client_send(&client, half, sizeof half - 1));
    assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
    assert_int_equal(http_client_read(&client, &answer), 0);
    assert_true(http_client_is_closed(&client));
    http_client_close(&client);
    assert_int_equal(intake_fixture_records(&f), 4);
}

static void strict_validation(void **state OL_UNUSED)
{
    static const char loose[] =
        "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"producer\":\"https://e.org/p\","
        "\"job\":{\"namespace\":\"n\",\"name\":\"j\"},\"run\":{\"runId\":\"r\"}}";
    assert_int_equal(intake_fixture_post(&f, "/lineage", "", loose, sizeof loose - 1, &answer),
                     201);
    assert_int_equal(metric_get(&f.metrics->intake.warnings[0]), 1);
    assert_int_equal(metric_get(&f.metrics->intake.warnings[1]), 1);
    intake_fixture_stop(&f);
    f.config.validation = 1;
    intake_fixture_start(&f);
    assert_int_equal(
        intake_fixture_post(&f, "/other/lineage", "", loose, sizeof loose - 1, &answer), 400);
    assert_int_equal(intake_fixture_records(&f), 1);
}

static int set_up(void **state OL_UNUSED)
{
    intake_fixture_init(&f);
    intake_fixture_add_path(&f, "/events");
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
        TEST(every_kind_of_request),
        TEST(second_request_is_not_smuggled),
        TEST(folded_header_cannot_hide_a_length),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(every_byte_in_a_piece_of_its_own),
        TEST(continue_is_given_and_withheld),
        TEST(bytes_are_kept),
        TEST(gzip_bodies),
        TEST(chunked_gzip),
        TEST(bodies_are_bounded),
        TEST(arrays_are_answered_by_element),
        TEST(arrays_that_are_none),
        TEST(strict_validation),
        TEST(nesting_is_bounded),
        TEST(growth_is_bounded),
        TEST(headers_are_bounded),
        TEST(half_closed),
    };
    return cmocka_run_group_tests_name("http_door", tests, NULL, NULL);
}
