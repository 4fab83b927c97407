/* SPDX-License-Identifier: Apache-2.0 */
/* Bar 5: delivery out of a spool to an instant HTTP sink, against a bare libcurl-multi loop that
 * posts the same bytes over as many connections, with runs of 2 and of 100 events, and with one
 * single run, whose order allows both sides one request at a time. Threads: the
 * delivery thread. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent.h"
#include "bench.h"
#include "spool_fill.h"
#include "event_read.h"
#include "sink.h"

#define EVENTS 8000u
#define EVENT_SIZE 2048u
#define CONNECTIONS 16u

struct work {
    struct sink *sink;
    char url[80];
    char event[EVENT_SIZE + 1];
    char directory[100];
    struct spool *spool;
    unsigned bursts;
    unsigned connections; /* of the bare loop */
};

static void figures(int64_t wall_ns, int64_t cpu_ns, struct bench_figures *ret)
{
    ret->of[BENCH_WALL] = (double)wall_ns / 1e3 / EVENTS;
    ret->of[BENCH_CPU] = (double)cpu_ns / 1e3 / EVENTS;
}

struct taken {
    uint64_t requests, bytes;
};

static struct taken taken(const struct work *w)
{
    struct taken t;
    sink_count(w->sink, &t.requests, &t.bytes);
    return t;
}

static void expect_taken(const struct work *w, struct taken before)
{
    struct taken now = taken(w);
    if (now.requests - before.requests != EVENTS ||
        now.bytes - before.bytes != (uint64_t)EVENTS * EVENT_SIZE)
        bench_die("the sink took %llu of %u, %llu bytes",
                  (unsigned long long)(now.requests - before.requests), EVENTS,
                  (unsigned long long)(now.bytes - before.bytes));
}

/* ---- The reference ---- */

static void curl_try(CURLcode code)
{
    if (code != CURLE_OK)
        bench_die("curl: %s", curl_easy_strerror(code));
}

static void burst_bare(void *arg, struct bench_figures *ret)
{
    struct work *w = arg;
    struct taken before = taken(w);
    int64_t wall = bench_now_ns(), cpu = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    CURLM *multi = curl_multi_init();
    CURL *easy[CONNECTIONS];
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    unsigned sent = 0, answered = 0;
    if (multi == NULL || headers == NULL)
        bench_die("curl: out of memory");
    for (; sent < w->connections; sent++) {
        easy[sent] = curl_easy_init();
        curl_try(curl_easy_setopt(easy[sent], CURLOPT_URL, w->url));
        curl_try(curl_easy_setopt(easy[sent], CURLOPT_NOSIGNAL, 1L));
        curl_try(curl_easy_setopt(easy[sent], CURLOPT_HTTPHEADER, headers));
        curl_try(curl_easy_setopt(easy[sent], CURLOPT_POSTFIELDSIZE, (long)EVENT_SIZE));
        curl_try(curl_easy_setopt(easy[sent], CURLOPT_POSTFIELDS, w->event));
        curl_multi_add_handle(multi, easy[sent]);
    }
    while (answered < EVENTS) {
        int running, left;
        CURLMsg *message;
        curl_multi_perform(multi, &running);
        while ((message = curl_multi_info_read(multi, &left)) != NULL) {
            CURL *done = message->easy_handle;
            curl_try(message->data.result);
            answered++;
            curl_multi_remove_handle(multi, done);
            if (sent < EVENTS) {
                curl_multi_add_handle(multi, done);
                sent++;
            }
        }
        if (answered < EVENTS)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    figures(bench_now_ns() - wall, bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu, ret);
    for (unsigned i = 0; i < w->connections; i++)
        curl_easy_cleanup(easy[i]);
    curl_slist_free_all(headers);
    curl_multi_cleanup(multi);
    expect_taken(w, before);
}

/* ---- Delivery ---- */

static void burst_deliver(void *arg, struct bench_figures *ret)
{
    struct work *w = arg;
    char name[40]; /* a cursor of its own: from the oldest event */
    snprintf(name, sizeof name, "burst%u", w->bursts++);
    struct route_config route = {.name = name,
                                 .type = ROUTE_HTTP,
                                 .on_lag = ON_LAG_PIN,
                                 .url = w->url,
                                 .timeout_ms = 30000,
                                 .max_in_flight = CONNECTIONS,
                                 .retry_max_ms = 60000,
                                 .poison_tries = 8};
    struct agent_config config = {.spool_directory = w->directory,
                                  .routes = {.items = &route, .count = 1}};
    struct agent_metrics metrics = {.route_count = 1, .routes = {{.name = name}}};
    struct agent agent = {.config = &config, .metrics = &metrics, .spool = w->spool};
    struct deliver *deliver;
    struct ol_error err = {0};
    struct taken before = taken(w);
    int64_t wall = bench_now_ns(), cpu = bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (deliver_open(&agent, &deliver, &err) != OL_OK || deliver_start(deliver, &err) != OL_OK ||
        deliver_wait(deliver, NULL, &err) != OL_OK)
        bench_die("delivery: %s", err.message);
    figures(bench_now_ns() - wall, bench_cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu, ret);
    deliver_stop(deliver, 0, NULL);
    deliver_close(deliver);
    expect_taken(w, before);
}

int main(void)
{
    static struct work w;
    int port;
    log_setup(LOG_LEVEL_ERROR, false);
    bench_begin("bench_deliver", "a spool to an HTTP sink against a bare libcurl-multi loop");
    w.sink = sink_start(&port);
    curl_try(curl_global_init(CURL_GLOBAL_DEFAULT));
    snprintf(w.url, sizeof w.url, "http://127.0.0.1:%d/api/v1/lineage", port);
    memset(w.event, 'x', EVENT_SIZE);
    memcpy(w.event, "{\"text\":\"", 9);
    memcpy(w.event + EVENT_SIZE - 2, "\"}", 2);
    static const unsigned run_lengths[] = {2, 100, EVENTS};
    for (size_t i = 0; i < OL_COUNT(run_lengths); i++) {
        char what[80];
        bench_directory_make(w.directory, sizeof w.directory);
        w.spool = bench_spool_fill(w.directory, (struct ol__span){w.event, EVENT_SIZE}, EVENTS,
                                   run_lengths[i]);
        w.connections = run_lengths[i] == EVENTS ? 1 : CONNECTIONS;
        const struct bench_side sides[] = {{"bare libcurl multi", burst_bare, &w},
                                           {"delivery", burst_deliver, &w}};
        struct bench_set set = {.sides = sides, .side_count = 2};
        bench_run(&set);
        snprintf(what, sizeof what, "delivery over HTTP, 2 KB, %u connection%s, %s%u%s",
                 w.connections, w.connections == 1 ? "" : "s",
                 w.connections == 1 ? "one single run of " : "runs of ", run_lengths[i],
                 w.connections == 1 ? " events" : "");
        bench_at_least(&set, "5", 1, BENCH_WALL, 0.8, what);
        bench_say_sides(&set, what);
        bench_release(&set);
        spool_close(w.spool);
        bench_directory_remove(w.directory);
    }
    curl_global_cleanup();
    sink_stop(w.sink);
    return 0;
}
