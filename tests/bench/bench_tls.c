/* SPDX-License-Identifier: Apache-2.0 */
/* Watched: what TLS and an API key cost the agent for an event of 2 KB, against the same libcurl
 * client over plain TCP to the same agent. CPU is the agent's alone. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "agent_process.h"
#include "bench.h"

#define EVENT_BYTES 2048
#define CONNECTIONS 64
#define REQUESTS 4000
#define KEY "olk_bench"

struct client {
    CURLM *multi;
    struct curl_slist *fields;
    char url[64];
    const struct agent_process *agent;
};

struct transfer {
    CURL *easy;
    char body[EVENT_BYTES + 1];
};

static long number;

static size_t ignore(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

/* Each event is another one, or it would be taken for a retry. */
static void fill(struct transfer *t)
{
    int size = snprintf(t->body, sizeof t->body,
                        "{\"eventTime\":\"2026-11-21T09:00:00Z\",\"eventType\":\"START\","
                        "\"producer\":\"https://example.org/bench\",\"job\":{\"namespace\":\"n\","
                        "\"name\":\"j\"},\"run\":{\"runId\":\"0190a1b2-0000-7000-8000-%012lx\"},"
                        "\"pad\":\"",
                        (unsigned long)number++);
    memset(t->body + size, 'x', (size_t)(EVENT_BYTES - size - 2));
    memcpy(t->body + EVENT_BYTES - 2, "\"}", 3);
}

static void add(const struct client *c, struct transfer *t)
{
    fill(t);
    if (curl_multi_add_handle(c->multi, t->easy) != CURLM_OK)
        bench_die("libcurl: add");
}

static void open_transfer(const struct client *c, struct transfer *t)
{
    t->easy = curl_easy_init();
    if (t->easy == NULL)
        bench_die("libcurl: out of memory");
    curl_easy_setopt(t->easy, CURLOPT_URL, c->url);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body);
    curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE, (long)EVENT_BYTES);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, c->fields);
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
}

/* One that ended; send another on its connection. */
static void again(const struct client *c, const CURLMsg *message, long *started)
{
    struct transfer *t;
    long status = 0;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&t);
    curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
    if (message->data.result != CURLE_OK || status != 201)
        bench_die("%s: %s, status %ld", c->url, curl_easy_strerror(message->data.result), status);
    curl_multi_remove_handle(c->multi, t->easy);
    if (*started < REQUESTS) {
        ++*started;
        add(c, t);
    }
}

static void burst(void *arg, struct bench_figures *ret)
{
    struct client *c = arg;
    static struct transfer transfers[CONNECTIONS];
    long started = CONNECTIONS, done = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        open_transfer(c, &transfers[i]);
        add(c, &transfers[i]);
    }
    int64_t cpu = bench_cpu_ns(bench_cpu_clock(c->agent->pid)), begin = bench_now_ns();
    while (done < REQUESTS) {
        int running, queued;
        if (curl_multi_perform(c->multi, &running) != CURLM_OK)
            bench_die("libcurl: perform");
        for (const CURLMsg *m; (m = curl_multi_info_read(c->multi, &queued)) != NULL; done++)
            again(c, m, &started);
        if (done < REQUESTS && curl_multi_poll(c->multi, NULL, 0, 1000, NULL) != CURLM_OK)
            bench_die("libcurl: poll");
    }
    ret->of[BENCH_WALL] = (double)(bench_now_ns() - begin) / 1e3 / REQUESTS;
    ret->of[BENCH_CPU] =
        (double)(bench_cpu_ns(bench_cpu_clock(c->agent->pid)) - cpu) / 1e3 / REQUESTS;
    for (int i = 0; i < CONNECTIONS; i++)
        curl_easy_cleanup(transfers[i].easy);
}

/* Certificate, key and the sum of KEY. */
static void make_files(const char *directory)
{
    char command[1024];
    snprintf(command, sizeof command,
             "cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-days 2 -keyout key.pem -out certificate.pem -subj /CN=bench 2>openssl.log && "
             "printf " KEY " | sha256sum | cut -c1-64 >sum",
             directory);
    if (system(command) != 0) /* NOLINT(cert-env33-c): in a directory of our own */
        bench_die("%s", command);
}

/* The same agent with two doors, one of them over TLS. */
static void write_settings(const struct agent_process *agent, int tls_port)
{
    char path[300], sum[65];
    const char *d = agent->directory;
    make_files(d);
    snprintf(path, sizeof path, "%s/sum", d);
    if (bench_read_file(path, sum, sizeof sum) < 64)
        bench_die("%s: too short", path);
    snprintf(path, sizeof path, "%s/lineaged.yaml", d);
    FILE *f = fopen(path, "we");
    if (f == NULL)
        bench_die("%s: %s", path, strerror(errno));
    fprintf(f,
            "intake:\n  http:\n"
            "    listen: [\"unix:%s/lineaged.sock\", \"127.0.0.1:%d\", \"tls:127.0.0.1:%d\"]\n"
            "    tls: { certificate: %s/certificate.pem, key: %s/key.pem }\n"
            "    api_keys: [{ name: bench, sha256: %.64s }]\n"
            "  journal: { directories: [\"%s/journal\"] }\n"
            "spool: { directory: \"%s/spool\", max_bytes: 512MiB }\ndrain: 0s\nroutes:\n"
            "  - { name: nowhere, type: http, url: \"http://127.0.0.1:1\", on_lag: detach }\n",
            d, agent->port, tls_port, d, d, sum, d, d);
    if (fclose(f) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

static void open_client(struct client *c, const struct agent_process *agent, const char *scheme,
                        int port, const char *key)
{
    c->agent = agent;
    c->multi = curl_multi_init();
    c->fields = curl_slist_append(NULL, "Content-Type: application/json");
    c->fields = curl_slist_append(c->fields, "Expect:");
    if (key != NULL)
        c->fields = curl_slist_append(c->fields, key);
    if (c->multi == NULL || c->fields == NULL)
        bench_die("libcurl: out of memory");
    snprintf(c->url, sizeof c->url, "%s://127.0.0.1:%d/api/v1/lineage", scheme, port);
}

int main(void)
{
    static struct agent_process agent, other;
    static struct client plain, tls, keyed;
    bench_begin("bench_tls", "lineaged taking events over TLS, and with a key");
    if (access(LINEAGED, X_OK) != 0) {
        printf("no %s\n", LINEAGED);
        return BENCH_SKIP;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    agent_process_make(&other, "1MiB", ""); /* for a free port */
    agent_process_make(&agent, "512MiB", "");
    write_settings(&agent, other.port);
    agent_process_again(&agent);
    open_client(&plain, &agent, "http", agent.port, NULL);
    open_client(&tls, &agent, "https", other.port, NULL);
    open_client(&keyed, &agent, "https", other.port, "Authorization: Bearer " KEY);
    const struct bench_side sides[] = {
        {"plain", burst, &plain}, {"TLS", burst, &tls}, {"TLS and a key", burst, &keyed}};
    struct bench_set set = {.sides = sides, .side_count = 3};
    bench_run(&set);
    bench_say_sides(&set, "64 connections, 2 KB");
    bench_at_most(&set, "tls", 1, BENCH_CPU, 0, "CPU of an event over TLS to one without");
    bench_at_most(&set, "tls", 2, BENCH_CPU, 0,
                  "CPU of an event over TLS with a key to one without");
    bench_say("tls", agent_process_resident(&agent), " MB", true, 0,
              "resident with 64 plain and 128 TLS connections");
    bench_release(&set);
    struct client *const clients[] = {&plain, &tls, &keyed};
    for (size_t i = 0; i < 3; i++) {
        curl_multi_cleanup(clients[i]->multi);
        curl_slist_free_all(clients[i]->fields);
    }
    agent_process_stop(&agent);
    bench_directory_remove(other.directory);
    return 0;
}
