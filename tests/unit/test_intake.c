/* SPDX-License-Identifier: Apache-2.0 */
/* Proves the group commit (an answer only after its sync, one sync for many, 503 for all of a group
 * that failed), de-duplication over restarts and failures, a full spool, stopping, many
 * connections, and the socket file. */
#include "intake_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "event_read.h"
#include "fault_fs.h"
#include "times.h"

static struct intake_fixture f;
static struct http_answer answer;

static int post(const char *path, const char *fields, const char *body)
{
    return intake_fixture_post(&f, path, fields, body, strlen(body), &answer);
}

static void body_of(char *out, size_t size, int n)
{
    snprintf(out, size, EVENT(",\"n\":%d"), n);
}

/* ---- De-duplication ---- */

static void retries_are_taken_once(void **state OL_UNUSED)
{
    const char *body = EVENT("");
    assert_int_equal(post("/lineage", "", body), 201);
    assert_int_equal(post("/lineage", "", body), 201);
    assert_int_equal(intake_fixture_records(&f), 1);
    assert_int_equal(metric_get(&f.metrics->intake.http_duplicates), 1);
    assert_int_equal(post("/a/lineage", "", body), 201); /* another path */
    assert_int_equal(post("/lineage", "Authorization: Bearer k\r\n", body),
                     201);                                   /* another client */
    assert_int_equal(post("/lineage", "", EVENT(" ")), 201); /* other bytes */
    assert_int_equal(intake_fixture_records(&f), 4);
    intake_fixture_stop(&f); /* the keys stand in the spool */
    intake_fixture_start(&f);
    assert_int_equal(post("/lineage", "", body), 201);
    assert_int_equal(post("/lineage", "Authorization: Bearer k\r\n", body), 201);
    assert_int_equal(intake_fixture_records(&f), 4);
}

static void arrays_are_known_after_a_restart(void **state OL_UNUSED)
{
    const char *body = "[" EVENT(",\"n\":1") "," EVENT(",\"n\":2") ",{}]";
    assert_int_equal(post("/lineage/batch", "", body), 200);
    assert_int_equal(intake_fixture_records(&f), 2);
    intake_fixture_stop(&f);
    intake_fixture_start(&f);
    assert_int_equal(post("/lineage/batch", "", body), 200);
    assert_non_null(strstr(answer.body, "\"successful\":2"));
    assert_int_equal(intake_fixture_records(&f), 2);
}

/* ---- Failing disks ---- */

static void failed_commit_is_503_and_forgotten(void **state OL_UNUSED)
{
    struct http_client client;
    const char *body = EVENT("");
    intake_fixture_stop(&f);
    fault_fs_reset();
    f.fs = &fault_fs;
    intake_fixture_start(&f);
    assert_int_equal(post("/lineage", "", EVENT(",\"before\":1")), 201);
    fault_fs_fail_from(FAULT_ANY_SYNC, 1, EIO); /* the new segment fails as well */
    assert_int_equal(post("/lineage", "", body), 503);
    assert_string_equal(http_answer_field(&answer, "Retry-After"), "1");
    assert_non_null(strstr(answer.body, "errors"));
    assert_true(http_client_open(&client, f.tcp));
    static const char health[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_true(http_client_send(&client, health, sizeof health - 1));
    assert_int_equal(http_client_read(&client, &answer), 503);
    http_client_close(&client);
    assert_true(fault_fs_stop());
    /* the disk is back: the same bytes are new, since they were never taken */
    int64_t deadline = ol__time_monotonic_ms() + 20000;
    while (post("/lineage", "", body) != 201)
        assert_true(ol__time_monotonic_ms() < deadline);
    assert_int_equal(metric_get(&f.metrics->intake.http_duplicates), 0);
    assert_int_equal(intake_fixture_records(&f), 2);
}

static void one_failed_sync_is_not_seen(void **state OL_UNUSED)
{
    intake_fixture_stop(&f);
    fault_fs_reset();
    f.fs = &fault_fs;
    intake_fixture_start(&f);
    assert_int_equal(post("/lineage", "", EVENT(",\"n\":1")), 201);
    fault_fs_fail(FAULT_FDATASYNC, 1, EIO);
    assert_int_equal(post("/lineage", "", EVENT(",\"n\":2")), 201); /* S5: written anew elsewhere */
    assert_true(fault_fs_stop());
    assert_int_equal(intake_fixture_records(&f), 2);
}

static void full_spool_is_503(void **state OL_UNUSED)
{
    char body[70000];
    int n = 0, status = 201;
    intake_fixture_stop(&f);
    f.config.spool_max_bytes = 1 << 20;
    f.config.spool_segment_bytes = 256 << 10;
    intake_fixture_start(&f);
    struct spool_cursor *cursor = NULL;
    struct ol_error err;
    assert_int_equal(spool_cursor_open(f.agent.spool, "slow", true, &cursor, &err), OL_OK);
    for (; n < 100 && status == 201; n++) {
        int size = snprintf(body, sizeof body, EVENT(",\"n\":%d"), n);
        memset(body + size, ' ', sizeof body - (size_t)size - 1);
        body[sizeof body - 1] = '\0';
        status = post("/lineage", "", body);
    }
    assert_int_equal(status, 503);
    assert_string_equal(http_answer_field(&answer, "Retry-After"), "1");
    assert_true(n > 5);
    assert_int_equal(intake_fixture_records(&f), n - 1);
    assert_int_equal(metric_get(&f.metrics->intake.http_refused_full), 1);
    /* the route catches up: there is room again */
    for (uint64_t seq = 1; seq <= spool_synced(f.agent.spool); seq++)
        spool_cursor_done(cursor, seq);
    assert_int_equal(spool_cursor_sync(cursor, &err), OL_OK); /* what is not saved is not let go */
    int64_t deadline = ol__time_monotonic_ms() + 20000;
    do {
        assert_true(spool_reap(f.agent.spool, &err) >= 0);
        assert_true(ol__time_monotonic_ms() < deadline);
    } while (post("/lineage", "", body) != 201);
    spool_cursor_close(cursor);
}

/* ---- Groups ---- */

#define SENDERS 64
#define EACH 25

struct sender {
    pthread_t thread;
    int number, created;
};

static void *send_events(void *arg)
{
    struct sender *s = arg;
    struct http_client client;
    struct http_answer *got = calloc(1, sizeof *got);
    if (got == NULL || !http_client_open(&client, s->number % 2 == 0 ? f.tcp : f.unix_address))
        return NULL;
    for (int i = 0; i < EACH; i++) {
        char body[512], wire[1024];
        body_of(body, sizeof body, s->number * EACH + i);
        int size =
            snprintf(wire, sizeof wire,
                     "POST /lineage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     strlen(body), body);
        if (!http_client_send(&client, wire, (size_t)size) || http_client_read(&client, got) != 201)
            break;
        s->created++;
    }
    http_client_close(&client);
    free(got);
    return NULL;
}

static void many_share_a_sync(void **state OL_UNUSED)
{
    struct sender senders[SENDERS] = {0};
    struct spool_stats stats;
    for (int i = 0; i < SENDERS; i++) {
        senders[i].number = i;
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_events, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].created, EACH);
    }
    assert_int_equal(intake_fixture_records(&f), SENDERS * EACH);
    spool_stats_get(f.agent.spool, &stats);
    assert_true(metric_get(&f.metrics->intake.groups) < SENDERS * EACH);
    assert_int_equal(metric_get(&f.metrics->intake.accepted_events), SENDERS * EACH);
    /* what one connection sent stands in its order */
    int64_t last[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        last[i] = -1;
    struct spool_reader *reader = NULL;
    struct spool_record r;
    struct ol_error err;
    assert_int_equal(spool_reader_open(f.agent.spool, 0, &reader, &err), OL_OK);
    while (spool_reader_next(reader, &r, &err) == OL_OK) {
        if (r.type != SPOOL_EVENT)
            continue;
        const char *n = memmem(r.data.data, r.data.size, "\"n\":", 4);
        assert_non_null(n);
        int number = atoi(n + 4);
        assert_true(number > last[number / EACH]);
        last[number / EACH] = number;
    }
    spool_reader_close(reader);
}

static void hundreds_of_connections_do_not_stall(void **state OL_UNUSED)
{
    enum { COUNT = 512 };
    struct http_client *clients = calloc(COUNT, sizeof *clients);
    assert_non_null(clients);
    for (int i = 0; i < COUNT; i++)
        assert_true(http_client_open(&clients[i], i % 2 == 0 ? f.tcp : f.unix_address));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            char body[512], wire[1024];
            body_of(body, sizeof body, round * COUNT + i);
            int size = snprintf(wire, sizeof wire,
                                "POST /lineage HTTP/1.1\r\nHost: x\r\nContent-Type: "
                                "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                strlen(body), body);
            assert_true(http_client_send(&clients[i], wire, (size_t)size));
        }
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(http_client_read(&clients[i], &answer), 201);
    }
    for (int i = 0; i < COUNT; i++)
        http_client_close(&clients[i]);
    free(clients);
    assert_int_equal(intake_fixture_records(&f), 3 * COUNT);
}

static void client_that_leaves_before_its_answer(void **state OL_UNUSED)
{
    struct http_client client;
    char wire[1024];
    snprintf(wire, sizeof wire,
             "POST /lineage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(EVENT("")), EVENT(""));
    for (int i = 0; i < 20; i++) {
        assert_true(http_client_open(&client, f.unix_address));
        assert_true(http_client_send(&client, wire, strlen(wire)));
        http_client_close(&client);
    }
    assert_int_equal(post("/lineage", "", EVENT(",\"n\":1")), 201);
}

/* ---- Stopping ---- */

static void *stop_intake(void *arg OL_UNUSED)
{
    intake_stop(f.intake);
    return NULL;
}

static void stop_answers_what_has_begun(void **state OL_UNUSED)
{
    struct http_client half, idle;
    pthread_t stopper;
    const char *body = EVENT("");
    char head[256];
    snprintf(head, sizeof head,
             "POST /lineage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n",
             strlen(body));
    assert_true(http_client_open(&half, f.tcp));
    assert_true(http_client_open(&idle, f.tcp));
    assert_true(http_client_send(&half, head, strlen(head)));
    assert_true(http_client_send(&half, body, 10));
    assert_int_equal(post("/lineage", "", EVENT(",\"n\":1")), 201); /* so the half one was seen */
    assert_int_equal(pthread_create(&stopper, NULL, stop_intake, NULL), 0);
    int64_t deadline = ol__time_monotonic_ms() + 10000;
    struct http_client probe; /* the listener goes first */
    while (http_client_open(&probe, f.unix_address)) {
        http_client_close(&probe);
        assert_true(ol__time_monotonic_ms() < deadline);
    }
    assert_true(http_client_send(&half, body + 10, strlen(body) - 10));
    assert_int_equal(http_client_read(&half, &answer), 201);
    assert_string_equal(http_answer_field(&answer, "Connection"), "close");
    pthread_join(stopper, NULL);
    http_client_close(&half);
    http_client_close(&idle);
    assert_int_equal(intake_fixture_records(&f), 2);
    assert_int_not_equal(access(f.socket, F_OK), 0);
}

static void stop_does_not_wait_for_ever(void **state OL_UNUSED)
{
    struct http_client half;
    static const char head[] = "POST /lineage HTTP/1.1\r\nHost: x\r\nContent-Type: "
                               "application/json\r\nContent-Length: 100\r\n\r\n{";
    assert_true(http_client_open(&half, f.tcp));
    assert_true(http_client_send(&half, head, sizeof head - 1));
    assert_int_equal(post("/lineage", "", EVENT("")), 201);
    int64_t before = ol__time_monotonic_ms();
    intake_stop(f.intake);
    assert_true(ol__time_monotonic_ms() - before < 15000);
    http_client_close(&half);
}

/* ---- Sockets ---- */

static void unix_peers_are_known(void **state OL_UNUSED)
{
    struct stat st;
    char wire[1024];
    snprintf(wire, sizeof wire,
             "POST /lineage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(EVENT("")), EVENT(""));
    assert_int_equal(http_client_once(f.unix_address, wire, strlen(wire), &answer), 201);
    assert_int_equal(intake_fixture_record(&f, intake_fixture_records(&f) - 1).uid, geteuid());
    assert_int_equal(stat(f.socket, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void socket_files_of_the_dead_and_the_living(void **state OL_UNUSED)
{
    struct intake *second = NULL;
    struct ol_error err = {0};
    /* somebody listens: refused, and the file stays */
    assert_int_equal(intake_open(&f.agent, false, &second, &err), OL_BUSY);
    assert_non_null(strstr(err.message, f.socket));
    assert_int_equal(post("/lineage", "", EVENT("")), 201);
    assert_int_equal(access(f.socket, F_OK), 0);
    /* left behind by a kill: bound, and nobody listens */
    intake_fixture_stop(&f);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", f.socket);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    close(fd);
    assert_int_equal(access(f.socket, F_OK), 0);
    intake_fixture_start(&f);
    unix_peers_are_known(NULL);
    /* no socket at all */
    intake_fixture_stop(&f);
    FILE *file = fopen(f.socket, "w");
    assert_non_null(file);
    fclose(file);
    struct spool *spool = NULL;
    const struct spool_options options = {.directory = f.config.spool_directory,
                                          .max_bytes = f.config.spool_max_bytes,
                                          .segment_bytes = f.config.spool_segment_bytes};
    assert_int_equal(spool_open(&options, &spool, &err), OL_OK);
    f.agent.spool = spool;
    assert_int_equal(intake_open(&f.agent, false, &second, &err), OL_BUSY);
    assert_int_equal(access(f.socket, F_OK), 0);
}

static int set_up(void **state OL_UNUSED)
{
    intake_fixture_init(&f);
    intake_fixture_start(&f);
    return 0;
}

static int tear_down(void **state OL_UNUSED)
{
    intake_fixture_release(&f);
    fault_fs_reset();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(retries_are_taken_once),
        TEST(arrays_are_known_after_a_restart),
        TEST(failed_commit_is_503_and_forgotten),
        TEST(one_failed_sync_is_not_seen),
        TEST(full_spool_is_503),
        TEST(many_share_a_sync),
        TEST(hundreds_of_connections_do_not_stall),
        TEST(client_that_leaves_before_its_answer),
        TEST(stop_answers_what_has_begun),
        TEST(stop_does_not_wait_for_ever),
        TEST(unix_peers_are_known),
        TEST(socket_files_of_the_dead_and_the_living),
    };
    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
