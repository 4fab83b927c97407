/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a model: the id that is sent along, what is refused, what is hashed, what the run and
 * a receipt say in the end and what they never say, and that it may run out of memory anywhere. */
#include "emitter_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <openlineage/openlineage.h>
#include "fail_alloc.h"
#include "sha2.h"

#define RUN_ID "01a1fdf6-1a8b-7197-a023-18fbf2fcf91c"
#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define KEY "0123456789abcdef"
#define PROMPT                                                                                     \
    "{\"model\":\"gpt-x\",\"temperature\":0.7,\"seed\":-5,\"max_tokens\":64,"                      \
    "\"stream\":false,\"messages\":[{\"content\":\"who did it?\"}]}"
#define ANSWER                                                                                     \
    "{\"id\":\"r-1\",\"model\":\"gpt-x-2026\",\"choices\":[{\"finish_reason\":\"stop\","           \
    "\"message\":{\"content\":\"the butler\"}}],\"usage\":{\"prompt_tokens\":3}}"

struct fixture {
    char *home;
    struct ol_client *client;
    struct ol_run *run;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->home = help_directory();
    help_clean_environment(f->home);
    *state = f;
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/p/1",
                               .journal_directory = f->home),
                       &f->client, NULL) != OL_OK)
        return -1;
    return ol_run_new(f->client, OL_MAKE(ol_run_options, .job_name = "my job", .run_id = RUN_ID),
                      &f->run, NULL);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    ol_run_free(f->run);
    ol_client_close(f->client, 0, NULL);
    help_remove(f->home);
    free(f);
    return 0;
}

static struct ol_call *make(struct ol_run *run, const struct ol_call_options *options)
{
    struct ol_call *call = NULL;
    struct ol_error err;
    if (ol_call_new(run, options, &call, &err) != OL_OK)
        fail_msg("%s", err.message);
    return call;
}

static struct ol_call_result look(struct ol_call *call)
{
    struct ol_call_result r = {.struct_size = sizeof r};
    assert_int_equal(ol_call_look(call, &r), OL_OK);
    return r;
}

static void give_head(struct ol_call *call, const char *head)
{
    char copy[1000];
    size_t size = strlen(head);
    memcpy(copy, head, size);
    assert_int_equal(ol_call_header(copy, size, 1, call), size);
}

/* The line of the n-th event, from 0. */
static char *event(struct fixture *f, size_t n)
{
    struct help_journals journals = help_read(f->home);
    size_t count = 0;
    const char **lines = help_events(&journals, &count);
    if (n >= count)
        fail_msg("event %zu of %zu", n, count);
    char *line = strdup(lines[n]);
    free(lines);
    help_release(&journals);
    return line;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no %s in %s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("%s in %s", part, text);
}

/* ---- ids ---- */

#define X100                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxx"

static void the_id_that_is_sent(void **state)
{
    static const struct {
        const char *run, *step, *attempt, *call;
        const char *want;
    } rows[] = {
        {"r", "s", "1", NULL, "run=r;step=s;attempt=1"},
        {"r", "s", "1", "7", "run=r;step=s;attempt=1;call=7"},
        {"r", NULL, NULL, NULL, "run=r"},
        {NULL, NULL, "2", "c", "attempt=2;call=c"},
        {NULL, NULL, NULL, NULL, ""},
        {"2026-02-04T18-41-12Z_0195d2c4a1b97e6f8a3c0d1e2f405162", "render_video", "3", NULL,
         "run=2026-02-04T18-41-12Z_0195d2c4a1b97e6f8a3c0d1e2f405162;step=render_video;attempt=3"},
        {"a;b=c,d e%", "\xc3\xa4\x01", "\x7f", NULL,
         "run=a%3Bb%3Dc%2Cd%20e%25;step=%C3%A4%01;attempt=%7F"},
        {X100 X100, "s", "1", NULL, "run=" X100 "xxxxxxxxxxxxxxxxxxxxxxxxxxxx;step=s;attempt=1"},
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol_call *call =
            make(NULL, OL_MAKE(ol_call_options, .provider = "p", .run_id = rows[i].run,
                               .step = rows[i].step, .attempt = rows[i].attempt,
                               .call_id = rows[i].call, .is_standalone = true));
        assert_string_equal(ol_call_client_request_id(call), rows[i].want);
        ol_call_free(call);
    }
}

/* Whatever is too long: the step gives way, and never inside of a character. */
static void the_id_has_512_bytes_at_most(void **state)
{
    (void)state;
    char step[1001];
    for (size_t size = 1; size <= 1000; size++) {
        for (size_t i = 0; i < size; i++)
            step[i] = i % 5 == 3 ? '\xc3' : i % 5 == 4 ? '\xa4' : ' ';
        step[size] = '\0';
        struct ol_call *call =
            make(NULL, OL_MAKE(ol_call_options, .provider = "p", .run_id = step, .step = step,
                               .attempt = step, .call_id = step, .is_standalone = true));
        const char *id = ol_call_client_request_id(call);
        assert_in_range(strlen(id), 1, OL_CALL_CLIENT_ID_MAX);
        for (const char *at = id; *at != '\0'; at++) {
            assert_in_range(*at, 0x21, 0x7e);
            if (*at == '%')
                assert_true(ol__hex_value(at[1]) >= 0 && ol__hex_value(at[2]) >= 0);
        }
        const char *behind = strstr(id, ";attempt=");
        assert_non_null(behind);
        assert_non_null(strstr(behind, ";call="));
        if (size > 5 && size % 5 != 4) /* the last one was whole, so must each of the cut ones be */
            assert_true(strncmp(behind - 3, "%C3", 3) != 0);
        ol_call_free(call);
    }
}

static void ids_of_the_run(void **state)
{
    struct fixture *f = *state;
    struct ol_call *call = make(f->run, OL_MAKE(ol_call_options, .provider = "openai"));
    assert_string_equal(ol_call_client_request_id(call), "run=" RUN_ID ";step=my%20job");
    assert_string_equal(ol_call_client_request_header(call), "X-Client-Request-Id");
    ol_call_free(call);
    ol_run_set_ids(f->run, OL_MAKE(ol_ids, .run_id = "R", .step = "S", .attempt = "4"));
    call = make(f->run, OL_MAKE(ol_call_options, .provider = "azure.ai.openai", .step = "T"));
    assert_string_equal(ol_call_client_request_id(call), "run=R;step=T;attempt=4");
    assert_string_equal(ol_call_client_request_header(call), "x-ms-client-request-id");
    ol_call_free(call);
    call = make(f->run, OL_MAKE(ol_call_options, .provider = "openai", .is_own_run = true));
    char want[200];
    snprintf(want, sizeof want, "run=R;step=S;attempt=4;call=%s", ol_run_id(ol_call_run(call)));
    assert_string_equal(ol_call_client_request_id(call), want);
    assert_string_not_equal(ol_run_id(ol_call_run(call)), RUN_ID);
    ol_call_free(call);
}

static int put(void *arg, const char *key, const char *value)
{
    char *text = arg;
    size_t used = strlen(text);
    return snprintf(text + used, 4000 - used, "%s: %s\n", key, value) < 0;
}

static void headers_of_a_request(void **state)
{
    struct fixture *f = *state;
    char text[4000] = "";
    struct ol_call *call =
        make(f->run, OL_MAKE(ol_call_options, .provider = "openai", .attempt = "1"));
    assert_int_equal(ol_call_inject(call, OL_MAKE(ol_carrier, .put = put, .arg = text), NULL),
                     OL_OK);
    assert_has(text, "x-client-request-id: run=" RUN_ID ";step=my%20job;attempt=1\n");
    assert_has(text, "traceparent: 00-01a1fdf61a8b7197a02318fbf2fcf91c-a02318fbf2fcf91c-00\n");
    assert_has(text, "baggage: lineage.run_id=" RUN_ID);
    assert_int_equal(ol_call_inject(call, OL_MAKE(ol_carrier, .arg = text), NULL), OL_INVALID);
    assert_int_equal(ol_call_inject(call, NULL, NULL), OL_INVALID);
    ol_call_free(call);
}

/* ---- what is refused ---- */

static void refused_options(void **state)
{
    struct fixture *f = *state;
    static char long_text[OL_CALL_OPTION_MAX + 2];
    memset(long_text, 'x', sizeof long_text - 1);
    const struct {
        struct ol_call_options o;
        const char *want;
    } rows[] = {
        {{.operation = "chat"}, "ol_call_options.provider: none"},
        {{.provider = ""}, "ol_call_options.provider: expected 1 to 1024 bytes"},
        {{.provider = "p", .step = long_text}, "ol_call_options.step: expected"},
        {{.provider = "p", .prompt_source_sha256 = "abc"}, "prompt_source_sha256: expected the 64"},
        {{.provider = "p", .corpus_sha256 = DIGEST "0"}, "ol_call_options.corpus_sha256: expected"},
        {{.provider = "p", .prompt_name = "postgres://me:secret@db"},
         "ol_call_options.prompt_name"},
        {{.provider = "p", .corpus = "corpus://x:v1"}, "ol_call_options.corpus"},
        {{.provider = "p", .key = KEY, .key_size = 15, .key_id = "k"}, "ol_call_options.key:"},
        {{.provider = "p", .key = KEY, .key_size = 16}, "ol_call_options.key:"},
        {{.provider = "p", .key_size = 16, .key_id = "k"}, "ol_call_options.key:"},
        {{.provider = "p", .endpoint = "api.example"}, "ol_call_options.endpoint: expected"},
        {{.provider = "p", .endpoint = "ftp://api.example/"}, "ol_call_options.endpoint"},
        {{.provider = "p", .endpoint = "https:///x"}, "ol_call_options.endpoint"},
        {{.provider = "p", .endpoint = "https://me:sec/ret@api/"}, "ol_call_options.endpoint"},
        {{.provider = "p", .endpoint = "https://api:99999/"}, "ol_call_options.endpoint"},
        {{.provider = "p", .endpoint = "https://api/a b"}, "ol_call_options.endpoint"},
    };
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol_call_options o = rows[i].o;
        struct ol_call *call = (struct ol_call *)f;
        struct ol_error err = {.message = ""};
        o.struct_size = sizeof o;
        assert_int_equal(ol_call_new(f->run, &o, &call, &err), OL_INVALID);
        assert_null(call);
        assert_has(err.message, rows[i].want);
        assert_has_not(err.message, "sec");
    }
    struct ol_call *call = NULL;
    struct ol_call_options o = {.provider = "p"}; /* no struct_size */
    assert_int_equal(ol_call_new(f->run, &o, &call, NULL), OL_INVALID);
    assert_int_equal(ol_call_new(f->run, NULL, &call, NULL), OL_INVALID);
    assert_int_equal(ol_call_new(f->run, &o, NULL, NULL), OL_INVALID);
    assert_int_equal(ol_call_new(NULL, OL_MAKE(ol_call_options, .provider = "p"), &call, NULL),
                     OL_DISABLED);
    struct ol_run *job = NULL;
    assert_int_equal(ol_job_event_new(f->client, NULL, "j", &job, NULL), OL_OK);
    assert_int_equal(ol_call_new(job, OL_MAKE(ol_call_options, .provider = "p"), &call, NULL),
                     OL_INVALID);
    ol_run_free(job);
    char line[] = "x";
    assert_int_equal(ol_call_header(line, 1, 1, NULL), 1); /* a NULL handle minds nothing */
    ol_call_response_body(NULL, "x", 1);
    ol_call_request_body(NULL, "x", 1);
}

/* ---- hashes ---- */

static const char *sha256(const char *text)
{
    static char out[4][OL_SHA2_TEXT + 1];
    static unsigned next;
    char *at = out[next++ % 4];
    struct ol__sha2 s;
    uint8_t digest[OL_SHA2_SIZE];
    ol__sha2_init(&s);
    ol__sha2_add(&s, text, strlen(text));
    ol__sha2_finish(&s, digest);
    ol__sha2_text(digest, at);
    return at;
}

static void what_is_hashed(void **state)
{
    (void)state;
    struct ol_call *call =
        make(NULL, OL_MAKE(ol_call_options, .provider = "p", .is_standalone = true));
    assert_null(look(call).request_sha256);
    ol_call_request_body(call, "half", 4);
    ol_call_request_restart(call); /* sent again from its start */
    ol_call_request_body(call, PROMPT, 10);
    ol_call_request_body(call, &PROMPT[10], strlen(PROMPT) - 10);
    ol_call_request_redacted(call, "[redacted]", 10);
    ol_call_prompt_rendered(call, "who did it?", 11);
    ol_call_response_body(call, "of the first try", 16);
    assert_int_equal(ol_call_begin(call, NULL), OL_OK);
    assert_int_equal(ol_call_begin(call, NULL), OL_OK); /* the second try */
    ol_call_response_body(call, "of a redirect", 13);
    give_head(call, "HTTP/1.1 200 OK\r\n\r\n");
    ol_call_response_body(call, ANSWER, strlen(ANSWER));
    ol_call_response_redacted(call, "{}", 2);
    struct ol_call_result r = look(call);
    assert_string_equal(r.request_sha256, sha256(PROMPT));
    assert_int_equal(r.request_size, strlen(PROMPT));
    assert_string_equal(r.request_redacted_sha256, sha256("[redacted]"));
    assert_int_equal(r.request_redacted_size, 10);
    assert_string_equal(r.prompt_rendered_sha256, sha256("who did it?"));
    assert_int_equal(r.prompt_rendered_size, 11);
    assert_string_equal(r.response_sha256, sha256(ANSWER));
    assert_int_equal(r.response_size, strlen(ANSWER));
    assert_string_equal(r.response_redacted_sha256, sha256("{}"));
    assert_int_equal(r.tries, 2);
    assert_int_equal(r.duration_ms, -1);
    assert_true(r.first_byte_ms >= 0);
    assert_null(r.request_hmac);
    assert_int_equal(ol_call_end(call, NULL, NULL), OL_OK);
    assert_int_equal(ol_call_end(call, NULL, NULL), OL_INVALID);
    assert_int_equal(ol_call_begin(call, NULL), OL_INVALID);
    ol_call_request_body(call, "late", 4);
    ol_call_response_body(call, "late", 4);
    ol_call_request_redacted(call, "late", 4);
    ol_call_request_restart(call);
    give_head(call, "HTTP/1.1 500 Late\r\n");
    r = look(call);
    assert_int_equal(r.http_status, 200);
    assert_string_equal(r.response_sha256, sha256(ANSWER));
    assert_string_equal(r.request_sha256, sha256(PROMPT));
    assert_true(r.has_ended && r.duration_ms >= 0 && r.ended_ms >= r.started_ms && !r.is_error);
    ol_call_free(call);
}

static void keyed_hashes(void **state)
{
    (void)state;
    char key[] = KEY;
    struct ol__hmac m;
    uint8_t digest[OL_SHA2_SIZE];
    char want[OL_SHA2_TEXT + 1];
    ol__hmac_init(&m, KEY, 16);
    ol__hmac_add(&m, "yes", 3);
    ol__hmac_finish(&m, digest);
    ol__sha2_text(digest, want);
    struct ol_call *call =
        make(NULL, OL_MAKE(ol_call_options, .provider = "p", .is_standalone = true, .key = key,
                           .key_size = 16, .key_id = "key-7"));
    memset(key, 0, sizeof key); /* it is not looked at again */
    ol_call_request_body(call, "yes", 3);
    ol_call_response_body(call, "yes", 3);
    ol_call_prompt_rendered(call, "yes", 3);
    ol_call_request_redacted(call, "yes", 3);
    struct ol_call_result r = look(call);
    assert_string_equal(r.request_hmac, want);
    assert_string_equal(r.response_hmac, want);
    assert_string_equal(r.prompt_rendered_hmac, want);
    assert_null(r.request_sha256);
    assert_null(r.response_sha256);
    assert_null(r.prompt_rendered_sha256);
    assert_string_equal(r.request_redacted_sha256, sha256("yes"));
    const char *json = NULL;
    assert_int_equal(ol_call_receipt(call, &json, NULL, NULL), OL_OK);
    assert_has(json, "\"hmac_key_id\":\"key-7\"");
    assert_has_not(json, KEY);
    ol_call_free(call);
}

/* ---- what it says in the end ---- */

static struct ol_call *whole_call(struct ol_run *run, bool is_own_run)
{
    struct ol_call *call = NULL;
    ol_status status = ol_call_new(
        run,
        OL_MAKE(ol_call_options, .provider = "openai", .operation = "chat",
                .endpoint = "https://me:sesame@api.example:8443/v1/chat?key=sesame#sesame",
                .prompt_name = "greeting", .prompt_version = "v12", .prompt_source_sha256 = DIGEST,
                .corpus = "corpus:handbook", .corpus_sha256 = DIGEST, .attempt = "2",
                .is_own_run = is_own_run, .replay_of = DIGEST),
        &call, NULL);
    if (status != OL_OK)
        return NULL;
    ol_call_request_body(call, PROMPT, strlen(PROMPT));
    ol_call_prompt_rendered(call, "who did it?", 11);
    give_head(call, "HTTP/2 200\r\nx-request-id: req-9\r\ncf-ray: ray-1\r\n\r\n");
    ol_call_response_body(call, ANSWER, strlen(ANSWER));
    return call;
}

static void assert_said(const char *line)
{
    static const char *const parts[] = {
        "\"provider_request_id\":\"req-9\"",
        "\"model_version\":\"gpt-x-2026\"",
        "\"prompt_template\":\"greeting@v12\"",
        "\"corpus_sha\":\"" DIGEST "\"",
        "{\"namespace\":\"openai\",\"name\":\"gpt-x\"",
        "\"datasetVersion\":\"gpt-x-2026\"",
        "\"datasetType\":\"MODEL\"",
        "{\"namespace\":\"prompt\",\"name\":\"greeting\"",
        "\"datasetVersion\":\"v12\"",
        "{\"namespace\":\"corpus\",\"name\":\"handbook\"",
        "\"datasetVersion\":\"sha256:" DIGEST "\"",
        "\"lineaged_call\":{",
        "\"request_id_header\":\"x-request-id\"",
        "\"response_id\":\"r-1\"",
        "\"finish_reasons\":[\"stop\"]",
        "\"input_tokens\":3",
        "\"temperature\":0.7",
        "\"seed\":-5",
        "\"max_tokens\":64",
        "\"stream\":false",
        "\"server_address\":\"api.example\"",
        "\"server_port\":8443",
        "\"url_path\":\"/v1/chat\"",
        "\"status_code\":200",
        "\"replay_of\":\"" DIGEST "\"",
        "\"lineaged_prompt\":{",
        "\"source_sha256\":\"" DIGEST "\"",
        "\"rendered_size\":11",
    };
    static const char *const secrets[] = {"sesame", "butler", "who did it"};
    for (size_t i = 0; i < OL_COUNT(parts); i++)
        assert_has(line, parts[i]);
    for (size_t i = 0; i < OL_COUNT(secrets); i++)
        assert_has_not(line, secrets[i]);
    assert_has(line, sha256(PROMPT));
    assert_has(line, sha256(ANSWER));
}

static void on_the_callers_run(void **state)
{
    struct fixture *f = *state;
    ol_run_set_ids(f->run, OL_MAKE(ol_ids, .run_id = "R", .task_id = "T"));
    assert_int_equal(ol_run_emit(f->run, OL_START, NULL), OL_OK);
    struct ol_call *call = whole_call(f->run, false);
    assert_int_equal(ol_call_begin(call, NULL), OL_OK);
    give_head(call, "HTTP/2 200\r\nx-request-id: req-9\r\ncf-ray: ray-1\r\n\r\n");
    ol_call_response_body(call, ANSWER, strlen(ANSWER));
    assert_int_equal(ol_call_end(call, NULL, NULL), OL_OK);
    assert_ptr_equal(ol_call_run(call), f->run);
    ol_call_free(call);
    assert_int_equal(ol_run_emit(f->run, OL_COMPLETE, NULL), OL_OK);
    char *line = event(f, 1);
    assert_said(line);
    assert_has(line, "\"client_request_id\":\"run=R;step=my%20job;attempt=2\"");
    assert_has(line, "\"task_id\":\"T\""); /* what was there stays */
    assert_has(line, "{\"key\":\"provider_request_id\",\"value\":\"req-9\"");
    free(line);
}

static void on_a_run_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct ol_call *call = whole_call(f->run, true);
    assert_int_equal(ol_call_end(call, NULL, NULL), OL_OK); /* begins as well */
    char *start = event(f, 0), *end = event(f, 1);
    assert_has(start, "{\"eventType\":\"START\"");
    assert_has(end, "{\"eventType\":\"COMPLETE\"");
    assert_has(end, "\"name\":\"my job.chat\"");
    assert_has(end, "\"parent\":{");
    assert_has(end, "\"runId\":\"" RUN_ID "\"");
    assert_said(end);
    assert_has_not(start, "sesame");
    free(start);
    free(end);
    ol_call_free(call);
    call = make(f->run,
                OL_MAKE(ol_call_options, .provider = "p", .is_own_run = true, .job_name = "ask"));
    assert_int_equal(ol_call_begin(call, NULL), OL_OK);
    assert_int_equal(ol_call_end(call, "timeout", NULL), OL_OK);
    end = event(f, 3);
    assert_has(end, "{\"eventType\":\"FAIL\"");
    assert_has(end, "\"name\":\"ask\"");
    assert_has(end, "\"error_type\":\"timeout\"");
    assert_has_not(end, "\"model_version\"");
    free(end);
    ol_call_free(call);
}

static void what_a_prompt_is_called(void **state)
{
    static const struct {
        const char *name, *version, *want, *want_version, *want_id;
    } rows[] = {
        {"greeting", NULL, "\"prompt\",\"name\":\"greeting\"", NULL, "greeting"},
        {"team:greeting@x", "v2", "\"prompt\",\"name\":\"team:greeting@x\"", "v2",
         "team:greeting@x@v2"},
        {"prompt:greeting:v7", NULL, "\"prompt\",\"name\":\"greeting\"", "v7",
         "prompt:greeting:v7"},
        {"prompt://registry/a/b", "v3", "\"prompt://registry\",\"name\":\"a/b\"", "v3",
         "prompt://registry/a/b@v3"},
        {"/etc/prompts/a.txt", NULL, "\"file\",\"name\":\"/etc/prompts/a.txt\"", NULL,
         "/etc/prompts/a.txt"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        char text[200];
        struct ol_run *run = NULL;
        assert_int_equal(
            ol_run_new(f->client, OL_MAKE(ol_run_options, .job_name = "j"), &run, NULL), OL_OK);
        struct ol_call *call = make(
            run, OL_MAKE(ol_call_options, .provider = "aws.bedrock", .request_model = "a.b-v1:0",
                         .prompt_name = rows[i].name, .prompt_version = rows[i].version));
        assert_int_equal(ol_call_end(call, NULL, NULL), OL_OK);
        ol_call_free(call);
        assert_int_equal(ol_run_emit(run, OL_COMPLETE, NULL), OL_OK);
        ol_run_free(run);
        char *line = event(f, i);
        snprintf(text, sizeof text, "{\"namespace\":%s", rows[i].want);
        assert_has(line, text);
        assert_has(line, "\"datasetType\":\"PROMPT\"");
        assert_has(line, "{\"namespace\":\"bedrock\",\"name\":\"a.b-v1:0\"");
        snprintf(text, sizeof text, "\"prompt_template\":\"%s\"", rows[i].want_id);
        assert_has(line, text);
        snprintf(text, sizeof text, "\"datasetVersion\":\"%s\"",
                 rows[i].want_version != NULL ? rows[i].want_version : "");
        if (rows[i].want_version != NULL)
            assert_has(line, text);
        else
            assert_has_not(line, "\"datasetVersion\"");
        free(line);
    }
}

/* ---- which id ---- */

static void ids_that_are_none_and_ids_that_win(void **state)
{
    (void)state;
    struct ol_call *call =
        make(NULL, OL_MAKE(ol_call_options, .provider = "p", .run_id = "R", .is_standalone = true,
                           .request_id_header = "X-My-Id"));
    give_head(call, "HTTP/2 200\r\nx-request-id: run=R\r\ncf-ray: ray\r\n\r\n");
    struct ol_call_result r = look(call);
    assert_string_equal(r.provider_request_id, "ray"); /* the other is an echo */
    give_head(call, "x-request-id: trailer\r\ncf-ray: ray-2\r\n\r\n");
    r = look(call);
    assert_string_equal(r.provider_request_id, "trailer"); /* the head had none */
    give_head(call, "HTTP/2 200\r\nx-request-id: a\r\nX-MY-ID: mine\r\n\r\n");
    r = look(call);
    assert_string_equal(r.provider_request_id, "mine");
    assert_string_equal(r.provider_request_header, "x-my-id");
    give_head(call, "HTTP/2 429\r\nretry-after: 2\r\nRetry-After-Ms: 1500.5\r\n"
                    "openai-processing-ms: 12\r\n\r\n");
    r = look(call);
    assert_null(r.provider_request_id);
    assert_int_equal(r.retry_after_ms, 1500);
    assert_int_equal(r.processing_ms, 12);
    give_head(call, "HTTP/2 503\r\nretry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n");
    assert_int_equal(look(call).retry_after_ms, -1);
    static char line[OL_CALL_OPTION_MAX * 9];
    memset(line, 'x', sizeof line);
    memcpy(line, "request-id:", 11);
    assert_int_equal(ol_call_header(line, 1, sizeof line, call), sizeof line);
    give_head(call, "\r\nrequest-id: short\r\n");
    assert_string_equal(look(call).provider_request_id, "short");
    ol_call_free(call);
}

static void models_in_the_url(void **state)
{
    static const struct {
        const char *url, *want;
    } rows[] = {
        {"https://x.openai.azure.com/openai/deployments/my-gpt/chat/completions?v=1", "my-gpt"},
        {"https://bedrock.example/model/anthropic.claude-x-v1%3A0/converse",
         "anthropic.claude-x-v1:0"},
        {"https://g.example/v1beta/models/gemini-x:streamGenerateContent?alt=sse", "gemini-x"},
        {"https://g.example/v1/projects/p/publishers/google/models/gemini-y:predict", "gemini-y"},
        {"https://[::1]:8080/v1/models", NULL},
        {"http://host", NULL},
    };
    (void)state;
    for (size_t i = 0; i < OL_COUNT(rows); i++) {
        struct ol_call *call = make(NULL, OL_MAKE(ol_call_options, .provider = "p",
                                                  .endpoint = rows[i].url, .is_standalone = true));
        const char *model = look(call).request_model;
        assert_true((model == NULL) == (rows[i].want == NULL));
        if (model != NULL)
            assert_string_equal(model, rows[i].want);
        ol_call_request_body(call, "{\"model\":\"from the body\"}", 25);
        assert_string_equal(look(call).request_model, "from the body");
        ol_call_free(call);
    }
}

/* ---- versions, trouble ---- */

static void results_of_other_versions(void **state)
{
    (void)state;
    struct ol_call *call =
        make(NULL, OL_MAKE(ol_call_options, .provider = "p", .is_standalone = true));
    give_head(call, "HTTP/2 404\r\n\r\n");
    struct {
        struct ol_call_result r;
        char more[64];
    } newer;
    memset(&newer, 0x55, sizeof newer);
    newer.r.struct_size = sizeof newer;
    assert_int_equal(ol_call_look(call, &newer.r), OL_OK);
    assert_int_equal(newer.r.http_status, 404);
    assert_int_equal(newer.more[0], 0);
    struct ol_call_result older;
    memset(&older, 0x55, sizeof older);
    older.struct_size = offsetof(struct ol_call_result, is_streamed);
    assert_int_equal(ol_call_look(call, &older), OL_OK);
    assert_int_equal(older.http_status, 404);
    assert_int_equal(((unsigned char *)&older)[sizeof older - 1], 0x55);
    older.struct_size = 0;
    assert_int_equal(ol_call_look(call, &older), OL_INVALID);
    assert_int_equal(ol_call_look(call, NULL), OL_INVALID);
    ol_call_free(call);
}

static void out_of_memory_anywhere(void **state)
{
    struct fixture *f = *state;
    for (int own = 0; own <= 1; own++) {
        unsigned long n = 1;
        for (;; n++) {
            struct ol_call *call = NULL;
            struct ol_error err = {.message = ""};
            const char *json = NULL;
            struct ol_run *run = NULL;
            assert_int_equal(
                ol_run_new(f->client, OL_MAKE(ol_run_options, .job_name = "j"), &run, NULL), OL_OK);
            fail_alloc_at(n);
            call = whole_call(run, own != 0);
            ol_status ended = ol_call_end(call, NULL, &err);
            ol_status told = ol_call_receipt(call, &json, NULL, &err);
            bool has_failed = fail_alloc_stop();
            if (call == NULL)
                assert_int_equal(ended, OL_DISABLED);
            else if (!has_failed)
                assert_true(ended == OL_OK && told == OL_OK);
            else if (ended == OL_OK && told == OL_OK) /* the run tells it with its next event */
                assert_true(own == 0 || ol_client_lost(f->client, NULL) == 0);
            else
                assert_true(err.message[0] != '\0');
            if (call != NULL)
                assert_int_equal(ol_call_receipt(call, &json, NULL, NULL), OL_OK);
            ol_call_free(call);
            ol_run_free(run);
            if (!has_failed)
                break;
        }
        assert_in_range(n, 20, 400);
    }
}

/* Both go on with their copies. */
static void a_fork_under_way(void **state)
{
    struct fixture *f = *state;
    struct ol_call *call = whole_call(f->run, true);
    assert_int_equal(ol_call_begin(call, NULL), OL_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ol_call_response_body(call, ANSWER, strlen(ANSWER));
        struct ol_call_result r = {.struct_size = sizeof r};
        _exit(ol_call_look(call, &r) == OL_OK && r.response_id != NULL &&
                      strcmp(r.response_id, "r-1") == 0
                  ? 7
                  : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_int_equal(ol_call_end(call, NULL, NULL), OL_OK);
    ol_call_free(call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_id_that_is_sent),
        cmocka_unit_test(the_id_has_512_bytes_at_most),
        cmocka_unit_test_setup_teardown(ids_of_the_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(headers_of_a_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_options, set_up, tear_down),
        cmocka_unit_test(what_is_hashed),
        cmocka_unit_test(keyed_hashes),
        cmocka_unit_test_setup_teardown(on_the_callers_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(on_a_run_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_a_prompt_is_called, set_up, tear_down),
        cmocka_unit_test(ids_that_are_none_and_ids_that_win),
        cmocka_unit_test(models_in_the_url),
        cmocka_unit_test(results_of_other_versions),
        cmocka_unit_test_setup_teardown(out_of_memory_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fork_under_way, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
