/* SPDX-License-Identifier: Apache-2.0 */
/* Proves, over real sockets, who must show a key, what is answered with a good, a wrong and no key
 * on each path and socket, that a file of keys is read again, and that a sender that sends more
 * than it may is told when to come back. */
#include "intake_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "http_keys.h"
#include "http_senders.h"
#include "spool/senders.h"

static struct intake_fixture f;
static struct http_answer answer;
static int number;

/* SHA-256 of "good" and of "other" */
#define GOOD "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c"
#define OTHER "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"

static char *copy(const char *text)
{
    char *c = strdup(text);
    assert_non_null(c);
    return c;
}

static void use_key(const char *name, const char *sum)
{
    struct api_key_config *keys = calloc(1, sizeof *keys);
    assert_non_null(keys);
    *keys = (struct api_key_config){.name = copy(name), .sum = copy(sum)};
    f.config.http_api_keys = (struct ol__setting_items){.items = keys, .count = 1};
}

static void write_keys(const char *text)
{
    char path[128], temporary[160];
    snprintf(path, sizeof path, "%s/keys", f.directory);
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *out = fopen(temporary, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(temporary, path), 0);
    if (f.config.http_api_keys_file == NULL)
        f.config.http_api_keys_file = copy(path);
}

static int ask(const char *address, const char *start, const char *fields)
{
    struct ol__buf wire;
    char body[512] = "";
    if (strncmp(start, "POST", 4) == 0)
        snprintf(body, sizeof body, EVENT(",\"number\":%d"), number++);
    ol__buf_init(&wire, 1 << 20);
    ol__buf_add_format(&wire,
                       "%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n%s\r\n%s",
                       start, strlen(body), fields, body);
    int status = http_client_once(address, wire.data, wire.size, &answer);
    ol__buf_release(&wire);
    return status;
}

#define POST "POST /api/v1/lineage"
#define KEY(text) "Authorization: Bearer " text "\r\n"

static void check(const char *what, const char *start, const char *fields, int tcp, int local)
{
    int status = ask(f.tcp, start, fields);
    if (status != tcp)
        fail_msg("%s, TCP: %d, expected %d: %s", what, status, tcp, answer.body);
    if (status == 401)
        assert_non_null(strstr(http_answer_field(&answer, "WWW-Authenticate"), "Bearer"));
    status = ask(f.unix_address, start, fields);
    if (status != local)
        fail_msg("%s, unix: %d, expected %d: %s", what, status, local, answer.body);
}

static void a_door_that_asks(void **state OL_UNUSED)
{
    f.config.http_authentication = AUTHENTICATION_TCP;
    use_key("ci", GOOD);
    intake_fixture_start(&f);
    check("a good key", POST, KEY("good"), 201, 201);
    check("the scheme in other letters, spaces", POST, "authorization: bEARER   good \r\n", 201,
          201);
    check("no key", POST, "", 401, 201);
    check("a wrong key", POST, KEY("god"), 401, 401);
    check("one that begins alike", POST, KEY("goodx"), 401, 401);
    check("an empty key", POST, KEY(""), 401, 401);
    check("the sum is no key", POST, KEY(GOOD), 401, 401);
    check("another scheme", POST, "Authorization: Basic Z29vZA==\r\n", 401, 201);
    check("the key alone", POST, "Authorization: good\r\n", 401, 201);
    check("health is open", "GET /healthz", "", 200, 200);
    check("health with a wrong key", "GET /healthz", KEY("x"), 200, 200);
    check("metrics are not", "GET /metrics", "", 401, 200);
    check("metrics with a key", "GET /metrics", KEY("good"), 200, 200);
    check("no path is told without a key", "POST /nowhere", "", 401, 404);
    check("nor a method", "PUT /lineage", "", 401, 405);
    check("an array", "POST /lineage/batch", "", 401, 400);
    assert_int_equal(metric_get(&f.metrics->intake.http_refused_unauthorized), 15);
    assert_string_equal(f.metrics->intake.clients[0].name, "ci");
    assert_int_equal(metric_get(&f.metrics->intake.clients[0].events), 4);
    assert_int_equal(metric_get(&f.metrics->intake.clients[0].refused), 0);
    struct ol__buf text;
    ol__buf_init(&text, 1 << 20);
    assert_int_equal(admin_exposition(&f.agent, false, &text), OL_OK);
    assert_non_null(strstr(text.data, "lineaged_http_client_events_total{client=\"ci\"} 4\n"));
    assert_non_null(strstr(text.data, "lineaged_http_refused_total{reason=\"unauthorized\"} 15\n"));
    assert_null(strstr(text.data, "good"));
    ol__buf_release(&text);
}

static void a_refused_body_is_read_away(void **state OL_UNUSED)
{
    struct http_client client;
    struct ol__buf wire;
    size_t size = 200 << 10;
    f.config.http_authentication = AUTHENTICATION_TCP;
    use_key("ci", GOOD);
    intake_fixture_start(&f);
    ol__buf_init(&wire, 1 << 20);
    ol__buf_add_format(&wire, POST " HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", size);
    memset(ol__buf_room(&wire, size), ' ', size);
    ol__buf_grow(&wire, size);
    assert_true(http_client_open(&client, f.tcp));
    for (int i = 0; i < 3; i++) { /* the connection stays good */
        assert_true(http_client_send(&client, wire.data, wire.size));
        assert_int_equal(http_client_read(&client, &answer), 401);
    }
    http_client_close(&client);
    ol__buf_release(&wire);
}

static void loopback_asks_nobody(void **state OL_UNUSED)
{
    use_key("ci", GOOD);
    intake_fixture_start(&f);
    check("no key", POST, "", 201, 201);
    check("a good one counts", POST, KEY("good"), 201, 201);
    check("a wrong one is wrong", POST, KEY("bad"), 401, 401);
    check("metrics", "GET /metrics", "", 200, 200);
    assert_int_equal(metric_get(&f.metrics->intake.clients[0].events), 2);
}

static void without_keys_none_is_looked_at(void **state OL_UNUSED)
{
    intake_fixture_start(&f);
    check("any key", POST, KEY("whatever"), 201, 201);
    assert_int_equal(f.metrics->intake.client_count, 0);
}

static void a_file_is_read_again(void **state OL_UNUSED)
{
    f.config.http_authentication = AUTHENTICATION_TCP;
    write_keys("# keys\n\n  ci\t" GOOD "  # ours\r\n");
    intake_fixture_start(&f);
    assert_int_equal(ask(f.tcp, POST, KEY("good")), 201);
    assert_int_equal(ask(f.tcp, POST, KEY("other")), 401);
    write_keys("ci " GOOD "\nlab " OTHER "\n");
    for (int i = 0; i < 200 && ask(f.tcp, POST, KEY("other")) != 201; i++)
        usleep(50 * 1000);
    assert_int_equal(answer.status, 201);
    write_keys("lab " OTHER "\n");
    for (int i = 0; i < 200 && ask(f.tcp, POST, KEY("good")) != 401; i++)
        usleep(50 * 1000);
    assert_int_equal(answer.status, 401);
    write_keys("lab nonsense\n"); /* is told, and changes nothing */
    usleep(1100 * 1000);
    assert_int_equal(ask(f.tcp, POST, KEY("other")), 201);
}

static void files_with_mistakes(void **state OL_UNUSED)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"a " GOOD "\nb\n", ":2: key 'b': expected 64 hexadecimal digits"},
        {"a b " GOOD, ":1: expected a name and a sum, and nothing behind"},
        {"a/b " GOOD, ":1: expected a name of 1 to 64"},
        {"\n\na " GOOD "00\n", ":3: key 'a': expected 64"},
    };
    struct ol_error err;
    struct http_keys *keys;
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        write_keys(cases[i].text);
        assert_int_equal(http_keys_open(&f.config, &keys, &err), OL_CONFIG);
        if (strstr(err.message, cases[i].expected) == NULL)
            fail_msg("%s", err.message);
    }
    assert_int_equal(unlink(f.config.http_api_keys_file), 0);
    assert_int_equal(http_keys_open(&f.config, &keys, &err), OL_CONFIG);
    assert_non_null(strstr(err.message, f.config.http_api_keys_file));
}

static void more_than_it_may(void **state OL_UNUSED)
{
    f.config.http_rate = 1;
    f.config.http_burst = 3;
    f.config.http_authentication = AUTHENTICATION_TCP;
    write_keys("ci " GOOD "\nlab " OTHER "\n");
    intake_fixture_start(&f);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(f.tcp, POST, KEY("good")), 201);
    assert_int_equal(ask(f.tcp, POST, KEY("good")), 429);
    assert_int_equal(atoi(http_answer_field(&answer, "Retry-After")), 1);
    assert_non_null(strstr(answer.body, "intake.http.rate"));
    assert_int_equal(ask(f.unix_address, POST, KEY("good")), 429);  /* by name, wherever it comes */
    assert_int_equal(ask(f.tcp, POST, KEY("other")), 201);          /* another name */
    assert_int_equal(ask(f.unix_address, POST, ""), 201);           /* another: a uid */
    assert_int_equal(ask(f.tcp, "GET /metrics", KEY("good")), 200); /* no event */
    assert_int_equal(metric_get(&f.metrics->intake.http_refused_rate), 2);
    int64_t refused = (int64_t)metric_get(&f.metrics->intake.clients[0].refused);
    assert_int_equal(refused, 2);
    for (int i = 0; i < 200 && ask(f.tcp, POST, KEY("good")) != 201; i++)
        usleep(50 * 1000);
    assert_int_equal(answer.status, 201);
}

static void an_array_is_charged_by_events(void **state OL_UNUSED)
{
    struct ol__buf body;
    f.config.http_rate = 1;
    f.config.http_burst = 3;
    intake_fixture_start(&f);
    ol__buf_init(&body, 1 << 20);
    for (int i = 0; i < 20; i++)
        ol__buf_add_format(&body, "%c" EVENT(",\"element\":%d"), i == 0 ? '[' : ',', i);
    ol__buf_add_char(&body, ']');
    assert_int_equal(intake_fixture_post(&f, "/lineage/batch", "", body.data, body.size, &answer),
                     200);
    assert_non_null(strstr(answer.body, "\"successful\":20"));
    assert_int_equal(ask(f.tcp, POST, ""), 429);
    int wait_s = atoi(http_answer_field(&answer, "Retry-After"));
    assert_true(wait_s >= 17 && wait_s <= 19);
    ol__buf_release(&body);
}

static void connections_of_one_peer(void **state OL_UNUSED)
{
    struct http_client held[3], more;
    f.config.http_max_per_peer = 3;
    intake_fixture_start(&f);
    for (int i = 0; i < 3; i++) {
        static const char ok[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_true(http_client_open(&held[i], f.tcp));
        assert_true(http_client_send(&held[i], ok, sizeof ok - 1));
        assert_int_equal(http_client_read(&held[i], &answer), 200);
    }
    assert_true(http_client_open(&more, f.tcp));
    assert_true(http_client_is_closed(&more));
    http_client_close(&more);
    assert_int_equal(metric_get(&f.metrics->intake.http_peer_refused), 1);
    assert_int_equal(ask(f.unix_address, POST, ""), 201); /* a uid is another peer */
    http_client_close(&held[0]);
    for (int i = 0; i < 200 && ask(f.tcp, POST, "") != 201; i++)
        usleep(50 * 1000);
    assert_int_equal(answer.status, 201);
    http_client_close(&held[1]);
    http_client_close(&held[2]);
}

static void a_record_has_the_uid_of_its_sender(void **state OL_UNUSED)
{
    intake_fixture_start(&f);
    assert_int_equal(ask(f.unix_address, POST, ""), 201);
    assert_int_equal(ask(f.tcp, POST, ""), 201);
    assert_true(intake_fixture_record(&f, 0).uid == listen_known_uid(geteuid()));
    assert_true(intake_fixture_record(&f, 1).uid == SPOOL_UID_UNKNOWN);
}

static void a_record_has_the_name_of_its_key(void **state OL_UNUSED)
{
    char name[SENDERS_NAME_MAX + 1];
    use_key("ci", GOOD);
    intake_fixture_start(&f);
    assert_int_equal(ask(f.tcp, POST, KEY("good")), 201);
    assert_int_equal(ask(f.tcp, POST, KEY("good")), 201);
    assert_int_equal(ask(f.unix_address, POST, KEY("good")), 201); /* the kernel knows better */
    for (size_t i = 0; i < 2; i++) {
        uint32_t uid = intake_fixture_record(&f, i).uid;
        assert_true(senders_has(uid));
        assert_int_equal(senders_name(f.config.spool_directory, uid, name, NULL), OL_OK);
        assert_string_equal(name, "key ci");
    }
    assert_true(intake_fixture_record(&f, 2).uid == listen_known_uid(geteuid()));
}

static int set_up(void **state OL_UNUSED)
{
    intake_fixture_init(&f);
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
        TEST(a_door_that_asks),
        TEST(a_refused_body_is_read_away),
        TEST(loopback_asks_nobody),
        TEST(without_keys_none_is_looked_at),
        TEST(a_file_is_read_again),
        TEST(files_with_mistakes),
        TEST(more_than_it_may),
        TEST(an_array_is_charged_by_events),
        TEST(connections_of_one_peer),
        TEST(a_record_has_the_uid_of_its_sender),
        TEST(a_record_has_the_name_of_its_key),
    };
    return cmocka_run_group_tests_name("http_auth", tests, NULL, NULL);
}
