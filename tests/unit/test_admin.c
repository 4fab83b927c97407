/* SPDX-License-Identifier: Apache-2.0 */
/* Proves who may see what (the rule, and that questions and dead letters obey it), and what the
 * admin socket answers. The store is a double that notes what it was asked: its own answers are
 * tested in its room. */
#include "intake_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "admin_impl.h"
#include "spool/dead_letters.h"
#include "times.h"

static struct intake_fixture f;
static struct http_answer answer;

/* ---- The double ---- */

static struct {
    struct store_question question;
    const char *verb;
    ol_status open, answer;
    int opened, closed;
} asked;

ol_status store_open(const char *path OL_UNUSED, enum store_mode mode, struct store **ret,
                     struct ol_error *err)
{
    assert_int_equal(mode, STORE_READ);
    if (asked.open != OL_OK)
        return ol__error_set(err, asked.open, "no store");
    *ret = (struct store *)&asked;
    asked.opened++;
    return OL_OK;
}
bool store_damage(const struct store *store OL_UNUSED, char *out OL_UNUSED, size_t size OL_UNUSED)
{
    return false;
}

void store_close(struct store *store OL_UNUSED)
{
    asked.closed++;
}
ol_status store_writer_gc(struct store_writer *writer OL_UNUSED,
                          const struct policy_wish *wish OL_UNUSED, bool is_dry OL_UNUSED,
                          int64_t limit OL_UNUSED, struct ol__buf *out OL_UNUSED,
                          struct ol_error *err)
{
    return ol__error_set(err, OL_IO, "no store");
}
static ol_status note(const char *verb, const struct store_question *question, struct ol__buf *out,
                      struct ol_error *err)
{
    asked.verb = verb;
    asked.question = *question;
    if (asked.answer == OL_OK || asked.answer == OL_NOT_FOUND)
        ol__buf_add_text(out, "{}\n");
    else
        ol__error_set(err, asked.answer, "cannot");
    return asked.answer;
}
static ol_status ask_why(struct store *store OL_UNUSED, const struct store_question *question,
                         struct ol__buf *out, struct ol_error *err)
{
    return note("why", question, out, err);
}
static ol_status ask_runs(struct store *store OL_UNUSED, const struct store_question *question,
                          struct ol__buf *out, struct ol_error *err)
{
    return note("runs", question, out, err);
}
const struct store_verb *store_verb(const char *name)
{
    static const struct store_verb why = {"why", ask_why, "application/json", true};
    static const struct store_verb runs = {"runs", ask_runs, "application/json", false};
    return strcmp(name, "why") == 0 ? &why : strcmp(name, "runs") == 0 ? &runs : NULL;
}

/* Delivery's thread, as far as dead letters go. */
static struct dead_letters *owned_letters;
ol_status deliver_end_letters(struct deliver *deliver OL_UNUSED, const char *route,
                              const uint64_t *seqs, size_t count, const char *how,
                              size_t *ret_ended, struct ol_error *err)
{
    assert_string_equal(route, "web");
    return dead_letters_end_many(owned_letters, seqs, count, how, ret_ended, err);
}

ol_status deliver_rewind(struct deliver *deliver OL_UNUSED, const char *route, uint64_t from,
                         uint64_t *ret_from, struct ol_error *err)
{
    assert_string_equal(route, "web");
    if (from > 100)
        return ol__error_set(err, OL_INVALID, "not so far");
    *ret_from = OL_MAX(from, UINT64_C(7));
    return OL_OK;
}

/* ---- Rules ---- */

static void who_sees_all(void **state OL_UNUSED)
{
    static const struct {
        uint32_t uid, groups[3];
        uint32_t own;
        int64_t group;
        bool expected;
    } cases[] = {
        {0, {1, 2, 3}, 500, ADMIN_NO_GROUP, true},
        {500, {1, 2, 3}, 500, ADMIN_NO_GROUP, true},
        {501, {1, 2, 3}, 500, ADMIN_NO_GROUP, false},
        {501, {1, 2, 3}, 500, 3, true},
        {501, {1, 2, 3}, 500, 4, false},
        {501, {1, 2, UINT32_MAX}, 500, ADMIN_NO_GROUP, false}, /* -1 as a gid matches nothing */
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++)
        assert_int_equal(
            admin_peer_sees_all(cases[i].uid, cases[i].groups, 3, cases[i].own, cases[i].group),
            cases[i].expected);
}

static void who_may_change(void **state OL_UNUSED)
{
    assert_true(admin_peer_may_change(0, 500));
    assert_true(admin_peer_may_change(500, 500));
    assert_false(admin_peer_may_change(501, 500)); /* also if it is in group lineaged */
}

static const char *parameters; /* "name=value&name=value" */
static const char *parameter(const struct admin_request *request OL_UNUSED, const char *name)
{
    static char values[4][64];
    static int next;
    char key[32];
    snprintf(key, sizeof key, "%s=", name);
    const char *at = strstr(parameters, key);
    if (at == NULL)
        return NULL;
    char *value = values[next++ % 4];
    snprintf(value, sizeof values[0], "%.*s", (int)strcspn(at + strlen(key), "&"),
             at + strlen(key));
    return value;
}

static int ask(const char *path, const char *query, uint32_t uid, bool sees_all, char *out,
               size_t size)
{
    struct admin_questions questions = {.agent = &f.agent};
    struct admin_request request = {
        .path = path, .parameter = parameter, .peer = {.uid = uid, .may_see_all = sees_all}};
    struct admin_reply reply = {0};
    parameters = query;
    asked.verb = NULL;
    ol__buf_init(&reply.body, 1 << 20);
    admin_get(&questions, &request, &reply);
    snprintf(out, size, "%s", reply.body.data != NULL ? reply.body.data : "");
    ol__buf_release(&reply.body);
    admin_questions_release(&questions);
    return reply.status;
}

static void questions_carry_the_askers_uid(void **state OL_UNUSED)
{
    char text[1024];
    assert_int_equal(ask("/v1/why", "subject=a&depth=3&uid=0", 501, false, text, sizeof text), 200);
    assert_string_equal(asked.verb, "why");
    assert_int_equal(asked.question.uid, 501);
    assert_int_equal(asked.question.depth, 3);
    assert_int_equal(ask("/v1/runs", "limit=7&state=FAIL", 501, true, text, sizeof text), 200);
    assert_string_equal(asked.verb, "runs");
    assert_true(asked.question.uid == STORE_ANY_UID);
    assert_int_equal(asked.question.limit, 7);
    assert_int_equal(asked.opened, asked.closed);
}

static void questions_that_are_wrong(void **state OL_UNUSED)
{
    char text[1024];
    static const struct {
        const char *path, *query;
        ol_status open, answer;
        int status;
        const char *text;
    } cases[] = {
        {"/v1/why", "", OL_OK, OL_OK, 400, "subject: missing"},
        {"/v1/why", "subject=a&depth=x", OL_OK, OL_OK, 400, "depth: expected"},
        {"/v1/why", "subject=a&depth=-1", OL_OK, OL_OK, 400, "depth: expected"},
        {"/v1/why", "subject=a&limit=99999999999999999999", OL_OK, OL_OK, 400, "limit: expected"},
        {"/v1/nothing", "subject=a", OL_OK, OL_OK, 404, "no such question"},
        {"/nothing", "", OL_OK, OL_OK, 404, "no such path"},
        {"/v1/why", "subject=a", OL_NOT_FOUND, OL_OK, 404, "no store"},
        {"/v1/why", "subject=a", OL_CORRUPT, OL_OK, 503, "no store"},
        {"/v1/why", "subject=a", OL_OK, OL_NOT_FOUND, 404, "{}"},
        {"/v1/why", "subject=a", OL_OK, OL_INVALID, 400, "cannot"},
        {"/v1/why", "subject=a", OL_OK, OL_IO, 503, "cannot"},
    };
    for (size_t i = 0; i < OL_COUNT(cases); i++) {
        asked.open = cases[i].open;
        asked.answer = cases[i].answer;
        assert_int_equal(ask(cases[i].path, cases[i].query, 1, false, text, sizeof text),
                         cases[i].status);
        assert_non_null(strstr(text, cases[i].text));
    }
    asked.open = asked.answer = OL_OK;
    ((struct route_config *)f.config.routes.items)[0].type = ROUTE_HTTP;
    assert_int_equal(ask("/v1/why", "subject=a", 1, false, text, sizeof text), 501);
}

static void letters_are_their_senders(void **state OL_UNUSED)
{
    struct dead_letters *letters = NULL;
    struct ol_error err = {0};
    char text[8192];
    assert_int_equal(ask("/v1/deadletters", "", 0, true, text, sizeof text), 200);
    assert_string_equal(text, "{\"deadletters\":[]}\n");
    if (dead_letters_open(f.config.spool_directory, "local", 0, NULL, &letters, &err) != OL_OK)
        fail_msg("%s", err.message);
    for (unsigned i = 1; i <= 3; i++) {
        char id[32];
        snprintf(id, sizeof id, "local-%u", i);
        const struct dead_letter letter = {.id = id,
                                           .route = "local",
                                           .seq = i,
                                           .taken_ms = 1,
                                           .parked_ms = 2,
                                           .reason = "status 422",
                                           .status = 422,
                                           .answer = OL_SPAN_LIT("no"),
                                           .tries = 1,
                                           .lane = "r",
                                           .uid = 500 + i,
                                           .event = OL_SPAN_LIT("{\"a\":\"\\u0001\"}")};
        assert_int_equal(dead_letters_add(letters, &letter, &err), OL_OK);
    }
    dead_letters_close(letters);
    assert_int_equal(ask("/v1/deadletters", "", 0, true, text, sizeof text), 200);
    assert_non_null(strstr(text, "local-1"));
    assert_non_null(strstr(text, "local-3"));
    assert_null(strstr(text, "\"event\""));
    assert_int_equal(ask("/v1/deadletters", "route=local", 502, false, text, sizeof text), 200);
    assert_null(strstr(text, "local-1"));
    assert_non_null(strstr(text, "local-2"));
    assert_int_equal(ask("/v1/deadletters/local-2", "", 502, false, text, sizeof text), 200);
    assert_non_null(strstr(text, "\"event\":\"{\\\"a\\\":\\\"\\\\u0001\\\"}\""));
    assert_int_equal(ask("/v1/deadletters/local-1", "", 502, false, text, sizeof text), 404);
    assert_int_equal(ask("/v1/deadletters/local-9", "", 0, true, text, sizeof text), 404);
    assert_int_equal(ask("/v1/deadletters/../../etc-1", "", 0, true, text, sizeof text), 404);
    assert_int_equal(ask("/v1/deadletters", "route=other", 0, true, text, sizeof text), 404);
}

/* ---- The socket ---- */

static int get(const char *method, const char *target)
{
    char wire[256], address[128];
    snprintf(address, sizeof address, "unix:%s", f.config.admin_socket);
    snprintf(wire, sizeof wire, "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, target);
    return http_client_once(address, wire, strlen(wire), &answer);
}

static void the_socket_answers(void **state OL_UNUSED)
{
    struct admin *admin = NULL;
    struct ol_error err = {0};
    const char *event = EVENT("");
    if (admin_start(&f.agent, &admin, &err) != OL_OK)
        fail_msg("%s", err.message);
    assert_int_equal(intake_fixture_post(&f, "/lineage", "", event, strlen(event), &answer), 201);
    route_metrics_set_state(&f.metrics->routes[0], ROUTE_CIRCUIT_OPEN);
    route_metrics_set_error(&f.metrics->routes[0], "connection refused");
    assert_int_equal(get("GET", "/healthz"), 200);
    assert_string_equal(answer.body, "ok\n");
    assert_int_equal(get("GET", "/status"), 200);
    assert_non_null(strstr(answer.body, "\"state\":\"circuit_open\""));
    assert_non_null(strstr(answer.body, "\"last_error\":\"connection refused\""));
    assert_null(strstr(answer.body, "\"waiting\":0"));
    assert_non_null(strstr(answer.body, "{\"who\":\"route local\",\"for\":\"its destination\","
                                        "\"why\":\"connection refused\"}"));
    assert_int_equal(get("GET", "/metrics"), 200);
    assert_non_null(strstr(answer.body, "# TYPE lineaged_events_accepted_total counter\n"
                                        "lineaged_events_accepted_total 1\n"));
    assert_non_null(
        strstr(answer.body, "lineaged_route_state{route=\"local\",state=\"circuit_open\"} 1\n"));
    assert_int_equal(get("GET", "/v1/why?subject=a%20b"), 200);
    assert_string_equal(answer.body, "{}\n");
    assert_int_equal(get("POST", "/status"), 405);
    assert_int_equal(get("GET", "/"), 404);
    /* a second agent does not take the socket over */
    struct admin *second = NULL;
    assert_int_equal(admin_start(&f.agent, &second, &err), OL_BUSY);
    assert_int_equal(get("GET", "/healthz"), 200);
    admin_stop(admin);
    assert_int_not_equal(access(f.config.admin_socket, F_OK), 0);
}

static void add_letter(const char *route, unsigned seq, int status, const char *reason)
{
    struct ol_error err = {0};
    char id[32], event[512];
    snprintf(id, sizeof id, "%s-%u", route, seq);
    snprintf(event, sizeof event, EVENT(",\"n\":%u"), seq);
    const struct dead_letter letter = {.id = id,
                                       .route = route,
                                       .seq = seq,
                                       .reason = reason,
                                       .status = status,
                                       .tries = 3,
                                       .lane = "r",
                                       .uid = 77,
                                       .event = ol__span_text(event)};
    if (dead_letters_add(owned_letters, &letter, &err) != OL_OK)
        fail_msg("%s", err.message);
}

static void add_web_route(void)
{
    struct route_config *routes = calloc(2, sizeof *routes);
    struct ol_error err;
    assert_non_null(routes);
    routes[0] = *(struct route_config *)f.config.routes.items;
    assert_int_equal(ol__settings_defaults(route_settings, &routes[1], &err), OL_OK);
    routes[1].name = strdup("web");
    routes[1].type = ROUTE_HTTP;
    free(f.config.routes.items);
    f.config.routes = (struct ol__setting_items){.items = routes, .count = 2};
}

/* Letters go into the spool for their route alone, with their tries, and end; by what was chosen
 * and by nothing else. Verbs that change take POST only. */
static void letters_are_changed(void **state OL_UNUSED)
{
    struct admin *admin = NULL;
    struct ol_error err = {0};
    uint8_t key[16], other[16];
    const char *event = EVENT("");
    add_web_route();
    f.agent.intake = f.intake;
    f.agent.deliver = (struct deliver *)(void *)&asked;
    if (dead_letters_open(f.config.spool_directory, "web", 0, NULL, &owned_letters, &err) != OL_OK)
        fail_msg("%s", err.message);
    for (unsigned i = 0; i < 6; i++) /* so that the spool is further than the letters */
        assert_int_equal(intake_fixture_post(&f, i % 2 == 0 ? "/lineage" : "/x/lineage", "", event,
                                             strlen(event), &answer),
                         i < 2 ? 201 : answer.status);
    if (admin_start(&f.agent, &admin, &err) != OL_OK)
        fail_msg("%s", err.message);
    add_letter("web", 1, 422, "status 422");
    add_letter("web", 2, 400, "status 400");
    assert_int_equal(get("GET", "/v1/deadletters/retry"), 404);
    assert_int_equal(get("POST", "/v1/deadletters"), 405);
    assert_int_equal(get("POST", "/v1/deadletters/retry"), 400);
    assert_non_null(strstr(answer.body, "which letters?"));
    assert_int_equal(get("POST", "/v1/deadletters/retry?status=4x"), 400);
    assert_int_equal(get("POST", "/v1/deadletters/retry?route=local"), 404);
    assert_int_equal(get("POST", "/v1/deadletters/drop?id=web-9"), 404);
    assert_int_equal(dead_letters_count(owned_letters), 2);
    size_t before = intake_fixture_records(&f);
    assert_int_equal(get("POST", "/v1/deadletters/retry?reason=422"), 200);
    assert_non_null(strstr(answer.body, "{\"retried\":1,\"left_off\":0,\"more\":false,"));
    assert_int_equal(intake_fixture_records(&f), before + 1);
    assert_false(dead_letters_has(owned_letters, 1));
    struct spool_record record = intake_fixture_record(&f, before);
    assert_int_equal(record.source, SPOOL_FROM_DEAD_LETTER);
    assert_int_equal(record.source_position, 3);
    assert_int_equal(record.uid, 77);
    assert_int_equal(record.lane_kind, 1);
    assert_memory_equal(record.data.data, EVENT(",\"n\":1"), record.data.size);
    spool_route_key("web", key);
    spool_route_key("local", other);
    assert_true(spool_record_is_for(&record, key));
    assert_false(spool_record_is_for(&record, other));
    assert_int_equal(get("POST", "/v1/deadletters/drop?all=1"), 200);
    assert_non_null(strstr(answer.body, "\"dropped\":1"));
    assert_int_equal(dead_letters_count(owned_letters), 0);
    assert_int_equal(intake_fixture_records(&f), before + 1);
    assert_int_equal(get("POST", "/v1/spool/replay?route=web&from=3"), 200);
    assert_non_null(strstr(answer.body, "{\"route\":\"web\",\"from\":7,\"to\":"));
    assert_int_equal(get("POST", "/v1/spool/replay?route=web&from=101"), 400);
    assert_int_equal(get("POST", "/v1/spool/replay?route=web&from=x"), 400);
    assert_int_equal(get("POST", "/v1/spool/replay?from=1"), 400);
    assert_int_equal(get("POST", "/v1/spool/replay?route=local"), 400); /* a store */
    assert_int_equal(get("POST", "/v1/spool/replay?route=none"), 404);
    /* a stop answers who waits: the thread of intake is gone */
    add_letter("web", 2, 400, "status 400");
    intake_stop(f.intake);
    assert_int_equal(get("POST", "/v1/deadletters/retry?all=1"), 503);
    assert_non_null(strstr(answer.body, "stopping"));
    assert_int_equal(dead_letters_count(owned_letters), 1);
    admin_stop(admin);
    dead_letters_close(owned_letters);
}

/* A peer that may not change is told so, with a sentence. */
static void others_change_nothing(void **state OL_UNUSED)
{
    struct admin_request request = {.path = "/v1/deadletters/drop",
                                    .parameter = parameter,
                                    .peer = {.uid = 501, .may_see_all = true}};
    struct admin_reply reply = {0};
    parameters = "all=1";
    ol__buf_init(&reply.body, 1 << 16);
    admin_change(&f.agent, &request, &reply);
    assert_int_equal(reply.status, 403);
    assert_non_null(strstr(reply.body.data, "only root and the agent's own user"));
    ol__buf_release(&reply.body);
}

/* Every metric has its help and type once, before its first value (the format demands it). */
static void exposition_is_well_formed(void **state OL_UNUSED)
{
    struct ol__buf text;
    char name[128] = "", last[128] = "";
    ol__buf_init(&text, 1 << 20);
    assert_int_equal(admin_exposition(&f.agent, false, &text), OL_OK);
    size_t lines = 0;
    for (char *line = strtok(text.data, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        if (sscanf(line, "# HELP %127s", name) == 1) {
            assert_string_not_equal(name, last);
            continue;
        }
        if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_memory_equal(line + 7, name, strlen(name));
            snprintf(last, sizeof last, "%s", name);
            continue;
        }
        assert_memory_equal(line, name, strlen(name));
        size_t size = strcspn(line, " {") - strlen(name); /* of a histogram's suffix */
        assert_true(size == 0 || memcmp(line + strlen(name), "_bucket", OL_MIN(size, 7)) == 0 ||
                    memcmp(line + strlen(name), "_sum", OL_MIN(size, 4)) == 0 ||
                    memcmp(line + strlen(name), "_count", OL_MIN(size, 6)) == 0);
        assert_non_null(strrchr(line, ' '));
    }
    assert_true(lines > 100);
    ol__buf_release(&text);
}

static int set_up(void **state OL_UNUSED)
{
    char text[128];
    struct ol_error err;
    intake_fixture_init(&f);
    struct route_config *route = calloc(1, sizeof *route);
    if (route == NULL || ol__settings_defaults(route_settings, route, &err) != OL_OK)
        return 1;
    route->name = strdup("local");
    route->type = ROUTE_STORE;
    route->on_lag = ON_LAG_PIN;
    route->path = strdup("/nowhere/lineage.db");
    f.config.routes = (struct ol__setting_items){.items = route, .count = 1};
    snprintf(text, sizeof text, "%s/a.sock", f.directory);
    f.config.admin_socket = strdup(text);
    f.metrics->route_count = 1;
    f.metrics->routes[0].name = "local";
    f.metrics->routes[0].type = "store";
    memset(&asked, 0, sizeof asked);
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
        cmocka_unit_test(who_sees_all),   TEST(questions_carry_the_askers_uid),
        TEST(questions_that_are_wrong),   TEST(letters_are_their_senders),
        cmocka_unit_test(who_may_change), TEST(letters_are_changed),
        TEST(others_change_nothing),      TEST(the_socket_answers),
        TEST(exposition_is_well_formed),
    };
    return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
