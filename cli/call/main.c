/* SPDX-License-Identifier: Apache-2.0 */
/* lineage-call: what `lineage call` starts, so that `lineage` itself needs no libcurl.
 *
 * Promises:
 *  1. Each try is an attempt at the step with a receipt and a run of its own, the ones that failed
 *     too; of those that succeed the first wins (spec/RECEIPT.md R8).
 *  2. A key reaches the provider in a header and nothing else: no file, no event, no message; its
 *     bytes are wiped.
 *  3. Between tries we wait as long as the answer asks, never longer than --retry-wait-max; where
 * it does not ask, a random time below a bound that doubles (full jitter).
 *  4. A signal ends the call: the attempt gets a receipt (ABORT), and we exit with 128+N. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "call.h"
#include "cli.h"
#include "ids.h"
#include "pipeline.h"
#include "retry.h"

#define BACKOFF_MS 500

/* Two calls with the same request in the same place are one. */
static void make_idempotency_key(struct call *c)
{
    char text[OL_SHA256_TEXT + RECEIPT_STEP_MAX + RECEIPT_RUN_ID_SIZE + 4];
    char sha256[OL_SHA256_TEXT + 1];
    const char *run_id = getenv("LINEAGE_RUN_ID");
    if (receipt_hash((struct ol__span){.data = c->request.data, .size = c->request.size}, sha256,
                     NULL) != OL_OK)
        return;
    snprintf(text, sizeof text, "%.*s/%s/%s", RECEIPT_RUN_ID_SIZE - 1, run_id != NULL ? run_id : "",
             c->options->step, sha256);
    OL_IGNORE(ol_id_from_foreign("lineage-call", text, c->idempotency_key, NULL) != OL_OK,
              "no key is sent");
}

static int show(struct call *c)
{
    struct call_lines lines;
    struct ol__buf body, url;
    struct ol_error err = {.message = "out of memory"};
    ol__buf_init(&body, CALL_REQUEST_MAX);
    ol__buf_init(&url, 16384);
    provider_show_url(c->url.data, &url);
    ol_status status = call_body(c, "RUN_ID", "N", "run=RUN_ID;step=STEP;attempt=N", &body, &err);
    if (status == OL_OK)
        status = url.status;
    if (status == OL_OK) {
        call_lines(c, c->provider->id_header, "run=RUN_ID;step=STEP;attempt=N", &lines);
        fprintf(stderr, "POST %s\n", url.data);
        for (size_t i = 0; i < lines.count; i++) {
            const char *line = lines.items[i];
            bool is_ours = line == lines.id || line == lines.idempotency ||
                           line == c->provider->header ||
                           strncmp(line, "Content-Type:", sizeof "Content-Type:" - 1) == 0;
            if (is_ours)
                fprintf(stderr, "%s\n", line);
            else if (line[strcspn(line, ":") + 1] != '\0') /* else: that is left out */
                fprintf(stderr, "%.*s: %s\n", (int)strcspn(line, ":"), line, REDACTED);
        }
        status = cli_write((struct ol__span){body.data, body.size}, &err);
    }
    if (status != OL_OK)
        cli_say("call: %s", err.message);
    ol__buf_release(&body);
    ol__buf_release(&url);
    return status == OL_OK ? CALL_ANSWERED : CALL_USAGE;
}

/* How long before the next try (promise 3). */
static int64_t wait_for(const struct call_options *o, const struct try_result *r, int tries)
{
    uint64_t random;
    ol__random(&random, sizeof random);
    int64_t asked = OL_MIN(r->wait_ms, o->retry_wait_max_ms);
    int64_t jitter = retry_backoff(BACKOFF_MS, o->retry_wait_max_ms, tries - 1, random);
    /* who waits for the same time must not come back at the same moment */
    return asked < 0 ? jitter
                     : OL_MIN(asked + retry_backoff(BACKOFF_MS / 2, BACKOFF_MS / 2, 0, random),
                              OL_MAX(asked, o->retry_wait_max_ms));
}

static void try_all(struct call *c, struct try_result *r)
{
    const struct call_options *o = c->options;
    int64_t waited_ms = 0;
    for (int tries = 1;; tries++) {
        try_once(c, tries, waited_ms, r);
        if (!r->may_retry || tries > o->retries)
            return;
        waited_ms = wait_for(o, r, tries);
        if (!o->is_quiet)
            cli_say("call: %s; try %d of %lld in %lld ms", r->why, tries + 1,
                    (long long)o->retries + 1, (long long)waited_ms);
        if (!transport_wait(c->transport, waited_ms)) {
            r->signal = transport_signal(); /* no attempt was taken for it */
            snprintf(r->why, sizeof r->why, "stopped by signal %d", r->signal);
            return;
        }
        step_again(&c->step);
    }
}

static int call(struct call *c)
{
    struct call_options *o = c->options;
    struct ol_error err = {.message = ""};
    struct try_result r = {.exit = CALL_ANSWERED};
    const struct transport_options transport = {.timeout_ms = o->timeout_ms,
                                                .connect_timeout_ms = o->connect_timeout_ms,
                                                .ca_file = o->ca_file,
                                                .answer_max = o->answer_max};
    if (transport_open(&transport, &c->transport, &err) != OL_OK) {
        cli_say("call: %s", err.message);
        return CALL_NO_ANSWER;
    }
    ol__buf_init(&r.summary, RECEIPT_FILE_MAX);
    ol__buf_init(&r.differences, RECEIPT_FILE_MAX);
    make_idempotency_key(c);
    const struct step_options step = {
        .name = o->step,
        .job = o->job != NULL ? o->job : o->step,
        .job_namespace = o->job_namespace,
        .runs = o->runs,
        .pipeline = o->pipeline,
        .task_id = o->task_id,
        .seq = o->seq,
        .argv = o->argv,
        .is_quiet = o->is_quiet,
        .parameters = {.items = c->parameters, .count = c->parameter_count},
        .tags = {.items = o->tags.items, .count = o->tags.count},
        .groups = {.items = o->groups.items, .count = o->groups.count}};
    step_find(&c->step, &step);
    c->client = pipeline_open_client(o->job_namespace, &o->is_quiet);
    try_all(c, &r);
    step_close(&c->step, r.exit == CALL_ANSWERED && r.signal == 0);
    if (c->client != NULL)
        OL_IGNORE(ol_client_close(c->client, 0, NULL) < 0,
                  "they are handed over, or that was said");
    transport_close(c->transport);
    int result = r.signal != 0 ? 128 + r.signal : (int)r.exit;
    if (r.why[0] != '\0')
        cli_say("call: %s", r.why);
    if (!o->is_json && r.differences.size > 0)
        replay_say((struct ol__span){.data = r.differences.data, .size = r.differences.size});
    if (o->is_json && r.summary.size > 0 && !cli_print_buf(&r.summary) && result == CALL_ANSWERED)
        result = CALL_NO_OUTPUT;
    ol__buf_release(&r.summary);
    ol__buf_release(&r.differences);
    return result;
}

int main(int argc, char **argv)
{
    struct call_options o;
    struct call c;
    OL_IGNORE(signal(SIGPIPE, SIG_IGN) == SIG_ERR, "then a reader that goes away ends us");
    int result = call_options_parse(argc, argv, &o);
    if (result != 0) {
        call_options_release(&o);
        return result < 0 ? CALL_ANSWERED : result;
    }
    result = call_prepare(&c, &o);
    if (result == 0)
        result = o.is_dry_run ? show(&c) : call(&c);
    call_release(&c);
    call_options_release(&o);
    return result;
}
