/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt at a call.
 *
 * Promises:
 *  1. The request is kept before it is sent, the answer and the receipt after it, whatever came.
 *  2. A stream is printed as it comes; once a byte of it was, no other try follows. Every other
 *     answer is printed when all of it is there, and only if it is one: errors are kept, not
 * printed.
 *  3. No text of request or answer is in an event, a message or the receipt: of an error only the
 *     provider's word for it.
 *  4. What is kept has no secrets in it, unless --as-sent; what cannot be read is not kept. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "body.h"
#include "call.h"
#include "cli.h"
#include "collect_run.h"
#include "json_write.h"
#include "pipeline.h"
#include "times.h"

#define STREAM_TAIL 8192 /* bytes in which a stream's last event is looked for */

/* A file in the attempt's folder. */
struct kept {
    char name[32]; /* "": none */
    char sha256[OL_SHA256_TEXT + 1];
    int64_t size;
    bool is_redacted;
    const char *why_not;
};
struct
try {
    struct call *call;
    struct ol_run *run;
    struct ol_call *ai;
    char attempt[24];
    struct ol__buf body, answer; /* as sent, as received */
    struct transport_answer net;
    bool has_printed, has_no_output;
    struct kept request, response;
    struct receipt_artifact inputs[2], outputs[1];
    size_t input_count, output_count;
    char output_sha256[OL_SHA256_TEXT + 1];
    char *output_path; /* owned; absolute */
    struct ol__buf part;
    struct collect_run collected;
};

static struct ol__span span_of(const struct ol__buf *buf)
{
    return (struct ol__span){.data = buf->data != NULL ? buf->data : "", .size = buf->size};
}

static enum keep_form form_of(const struct try *t)
{
    return keep_form_of(t->net.media_type);
}

static bool is_streamed(const struct try *t)
{
    return form_of(t) == KEEP_EVENTS || form_of(t) == KEEP_LINES;
}

static bool is_good_status(const struct try *t)
{
    return t->net.status >= 200 && t->net.status < 300;
}

/* Request and answer could be guessed: nobody gets a hash of them that anybody can make. */
static bool is_keyed(const struct call *c)
{
    return c->hmac_key.size > 0;
}

/* ---- output ---- */

static void print(struct try *t, const char *data, size_t size)
{
    while (size > 0 && !t->has_no_output) {
        ssize_t n = write(STDOUT_FILENO, data, size);
        if (n >= 0) {
            t->has_printed = true;
            data += n;
            size -= (size_t)n;
        } else if (errno != EINTR || transport_signal() != 0) {
            t->has_no_output = true;
            cli_say("call: standard output: %s", strerror(errno));
        }
    }
}

static void put_output(struct try *t)
{
    const char *path = t->call->options->output, *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    char *directory = slash == NULL   ? strdup(".")
                      : slash == path ? strdup("/")
                                      : strndup(path, (size_t)(slash - path));
    struct ol_error err = {.message = "out of memory"};
    struct ol__span bytes = span_of(&t->answer);
    int fd = -1;
    ol_status status = directory != NULL ? ol__fs_open_directory(directory, &fd, &err) : OL_NOMEM;
    if (status == OL_OK)
        status = ol__fs_replace(&ol__fs_real, fd, name, bytes.data, bytes.size, 0666, &err);
    if (status == OL_OK)
        status = receipt_hash(bytes, t->output_sha256, &err);
    if (fd >= 0)
        close(fd);
    free(directory);
    if (status != OL_OK) {
        t->has_no_output = true;
        cli_say("call: '%s': %s", path, err.message);
        return;
    }
    t->output_path = realpath(path, NULL);
    t->outputs[t->output_count++] = (struct receipt_artifact){
        .path = path,
        .name_space = t->output_path != NULL ? "file" : NULL,
        .name = t->output_path,
        .sha256 = is_keyed(t->call) ? NULL : t->output_sha256,
        .size = (int64_t)bytes.size,
        .media_type = t->net.media_type[0] != '\0' ? t->net.media_type : receipt_media_type(path),
        .kind = "file",
        .basis = is_keyed(t->call) ? "unknown" : "computed",
        .reason = is_keyed(t->call) ? "its hash is keyed" : NULL};
}

/* Promise 2. */
static void output(struct try *t)
{
    const struct call_options *o = t->call->options;
    if (o->output != NULL)
        put_output(t);
    else if (!o->is_json && !is_streamed(t))
        print(t, t->answer.data != NULL ? t->answer.data : "", t->answer.size);
}

static void take_header(void *arg, const char *line, size_t size)
{
    struct try *t = arg;
    char copy[8192]; /* longer ones are of no interest */
    if (size > sizeof copy)
        return;
    memcpy(copy, line, size);
    ol_call_header(copy, 1, size, t->ai);
}

static void take_data(void *arg, const char *data, size_t size)
{
    struct try *t = arg;
    ol__buf_add(&t->answer, data, size); /* transport.c keeps the limit */
    ol_call_response_body(t->ai, data, size);
    const struct call_options *o = t->call->options;
    if (is_good_status(t) && is_streamed(t) && o->output == NULL && !o->is_json)
        print(t, data, size);
}

/* ---- what is kept ---- */

static void tell(void *arg, struct ol__span bytes)
{
    struct try *t = arg;
    ol_call_response_redacted(t->ai, bytes.data, bytes.size);
}

static void keep(struct try *t, const char *side, enum keep_form form, struct ol__span content,
                 struct kept *ret)
{
    const struct call_options *o = t->call->options;
    const struct step *step = &t->call->step;
    struct ol__buf shown;
    struct ol_error err = {.message = "out of memory"};
    ol_status status = OL_OK;
    if (o->is_not_stored || !step->is_taken || content.size == 0) {
        ret->why_not = o->is_not_stored ? "no_store" : content.size == 0 ? "empty" : NULL;
        return;
    }
    ol__buf_init(&shown, RECEIPT_FILE_MAX * 17);
    if (!o->is_as_sent) {
        status = keep_redact(form, content, &shown, &ret->is_redacted, &err);
        if (status == OL_INVALID) {
            ret->why_not = "binary"; /* promise 4 */
            ol__buf_release(&shown);
            return;
        }
    }
    struct ol__span bytes = ret->is_redacted ? span_of(&shown) : content;
    if (status == OL_OK)
        status = receipt_hash(bytes, ret->sha256, &err);
    snprintf(ret->name, sizeof ret->name, "%s.%s", side, keep_ending(form));
    if (status == OL_OK)
        status = receipt_put(step->attempt.fd, ret->name, bytes, &err);
    ret->size = (int64_t)bytes.size;
    if (status != OL_OK) {
        if (!o->is_quiet)
            cli_say("call: the %s is not kept: %s", side, err.message);
        ret->name[0] = '\0';
        ret->why_not = "failed";
    } else if (ret->is_redacted && ret == &t->request)
        ol_call_request_redacted(t->ai, bytes.data, bytes.size);
    else if (ret->is_redacted)
        tell(t, bytes);
    ol__buf_release(&shown);
}

static void set_kept(struct try *t, const char *path, const struct kept *k)
{
    struct ol__buf json;
    struct ol__json_writer w;
    if (k->name[0] == '\0' && k->why_not == NULL)
        return;
    ol__buf_init(&json, 4096);
    ol__json_writer_init(&w, &json);
    ol__json_begin_object(&w);
    if (k->name[0] != '\0') {
        ol__json_member_text(&w, "path", k->name);
        ol__json_member_text(&w, "sha256", k->sha256);
        ol__json_member_int(&w, "size", k->size);
        ol__json_member_bool(&w, "redacted", k->is_redacted);
    } else
        ol__json_member_text(&w, "not_kept", k->why_not);
    ol__json_end_object(&w);
    OL_IGNORE(json.status != OL_OK || body_set(&t->part, path, span_of(&json), NULL) != OL_OK,
              "the receipt says the rest");
    ol__buf_release(&json);
}

static void set_text(struct try *t, const char *path, const char *text)
{
    OL_IGNORE(body_set_text(&t->part, path, text, NULL) != OL_OK, "the receipt says the rest");
}

static void set_int(struct try *t, const char *path, int64_t value)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%lld", (long long)value);
    OL_IGNORE(body_set(&t->part, path, (struct ol__span){.data = digits, .size = (size_t)size},
                       NULL) != OL_OK,
              "the receipt says the rest");
}

/* The entry in `calls`: what the library says of the call, and what only we know. */
static void make_part(struct try *t, int64_t number, int64_t waited_ms)
{
    const struct call *c = t->call;
    const char *json = NULL;
    size_t size = 0;
    struct ol__buf shown;
    ol__buf_init(&t->part, RECEIPT_FILE_MAX);
    if (ol_call_receipt(t->ai, &json, &size, NULL) != OL_OK ||
        ol__buf_add(&t->part, json, size) != OL_OK)
        return;
    ol__buf_init(&shown, 16384);
    provider_show_url(c->url.data, &shown);
    if (shown.status == OL_OK)
        set_text(t, "url", shown.data);
    ol__buf_release(&shown);
    set_text(t, "end", transport_end_name(t->net.end));
    set_int(t, "try", number);
    if (waited_ms > 0)
        set_int(t, "waited_ms", waited_ms);
    if (c->change_count > 0) {
        struct ol__json_writer w;
        struct ol__buf list;
        ol__buf_init(&list, 65536);
        ol__json_writer_init(&w, &list);
        ol__json_begin_array(&w);
        for (size_t i = 0; i < c->change_count; i++)
            ol__json_text(&w, c->changes[i]);
        ol__json_end_array(&w);
        OL_IGNORE(list.status != OL_OK ||
                      body_set(&t->part, "changed", span_of(&list), NULL) != OL_OK,
                  "the receipt says the rest");
        ol__buf_release(&list);
    }
    set_kept(t, "kept.request", &t->request);
    set_kept(t, "kept.response", &t->response);
    if (c->replay.is_read)
        set_text(t, "replay_path", c->replay.path);
}

/* ---- the run ---- */

static void add_file(struct try *t, const char *path, const char *name, const char *sha256,
                     int64_t size)
{
    t->inputs[t->input_count++] =
        (struct receipt_artifact){.path = path,
                                  .name_space = "file",
                                  .name = name,
                                  .sha256 = sha256,
                                  .size = size,
                                  .media_type = receipt_media_type(path),
                                  .kind = "file",
                                  .basis = sha256 != NULL ? "computed" : "unknown",
                                  .reason = sha256 != NULL ? NULL : "its hash is keyed"};
}

static void set_version(struct ol_dataset *dataset, const char *sha256)
{
    char version[OL_SHA256_TEXT + 8];
    if (sha256 == NULL)
        return;
    snprintf(version, sizeof version, "sha256:%s", sha256);
    OL_IGNORE(ol_dataset_set_dataset_version(dataset,
                                             OL_MAKE(ol_dataset_version, .version = version)) < 0,
              "the next emit reports it");
}

static void describe(struct try *t)
{
    const struct call *c = t->call;
    if (c->request_path != NULL) {
        const char *sha256 = is_keyed(c) ? NULL : c->request_sha256;
        add_file(t, c->options->request + 1, c->request_path, sha256, c->request_size);
        set_version(ol_run_input(t->run, c->request_path), sha256);
    }
    if (c->template_path != NULL)
        add_file(t, c->options->template_file, c->template_path, c->template_sha256,
                 c->template_size);
    OL_IGNORE(ol_job_set_job_type(ol_run_job(t->run),
                                  OL_MAKE(ol_job_type, .processing_type = "BATCH",
                                          .integration = "LINEAGE", .job_type = "CALL")) < 0,
              "emit reports it");
}

static void begin(struct try *t)
{
    struct call *c = t->call;
    const struct call_options *o = c->options;
    struct ol_error err = {.message = "out of memory"};
    t->run = step_begin(&c->step, c->client, &err);
    snprintf(t->attempt, sizeof t->attempt, "%lld",
             c->step.is_taken ? (long long)c->step.attempt.number : 1);
    const char *run_id = c->step.is_taken ? c->step.folder.run_id : NULL;
    describe(t);
    ol_status status = ol_call_new(
        t->run,
        OL_MAKE(ol_call_options, .provider = c->provider->gen_ai,
                .operation = provider_operation(c->url.data), .endpoint = c->url.data,
                .prompt_name = o->template_name, .prompt_version = o->template_version,
                .prompt_source_sha256 = o->template_name != NULL ? c->template_sha256 : NULL,
                .corpus = o->corpus, .corpus_sha256 = o->corpus_sha256, .run_id = run_id,
                .step = o->step, .attempt = t->attempt,
                .key = c->hmac_key.size > 0 ? c->hmac_key.data : NULL, .key_size = c->hmac_key.size,
                .key_id = c->hmac_key.size > 0 ? c->hmac_key_id : NULL,
                .replay_of = c->replay.is_read ? c->replay.sha256 : NULL,
                .is_standalone = true), /* a receipt is wanted where no event is */
        &t->ai, &err);
    if (status != OL_OK && !o->is_quiet)
        cli_say("call: the receipt says less: %s", err.message);
}

/* ---- how it ended ---- */

/* A connection that is closed at the end of each answer cannot tell a stream that was cut off. */
static bool is_cut_stream(const struct try *t, const struct ol_call_result *look)
{
    static const char *const ends[] = {
        "[DONE]",          "message_stop",  "response.completed", "response.incomplete",
        "response.failed", "\"done\":true", "\"done\": true"};
    if (!is_good_status(t) || !is_streamed(t) || look->finish_reasons != NULL || look->is_error)
        return false;
    struct ol__span tail = span_of(&t->answer);
    if (tail.size > STREAM_TAIL) {
        tail.data += tail.size - STREAM_TAIL;
        tail.size = STREAM_TAIL;
    }
    for (size_t i = 0; i < OL_COUNT(ends); i++) {
        if (memmem(tail.data, tail.size, ends[i], strlen(ends[i])) != NULL)
            return false;
    }
    return true;
}

static bool may_try_again(const struct try *t, enum call_exit exit)
{
    if (t->has_printed || t->has_no_output || exit == CALL_ANSWERED)
        return false; /* promise 2 */
    switch (t->net.end) {
    case TRANSPORT_NO_CONNECTION:
    case TRANSPORT_TIMED_OUT:
    case TRANSPORT_CUT:
        return true;
    case TRANSPORT_ANSWERED:
        break;
    default:
        return false;
    }
    if (t->net.may_retry >= 0)
        return t->net.may_retry == 1;
    int status = t->net.status;
    return status == 408 || status == 409 || status == 425 || status == 429 ||
           (status >= 500 && status != 501 && status != 505) || exit == CALL_BAD_ANSWER;
}

static void conclude(struct try *t, const struct ol_call_result *look, struct try_result *ret)
{
    const char *type = look->error_type != NULL && body_is_plain(look->error_type)
                           ? look->error_type
                           : "error"; /* promise 3 */
    switch (t->net.end) {
    case TRANSPORT_ANSWERED:
        ret->exit = !is_good_status(t) ? CALL_REFUSED
                    : look->is_error   ? CALL_BAD_ANSWER
                                       : CALL_ANSWERED;
        if (t->net.status >= 300 && t->net.status < 400)
            snprintf(ret->why, sizeof ret->why,
                     "status %d: redirects are not followed, the key would go there as well",
                     t->net.status);
        else if (ret->exit == CALL_REFUSED)
            snprintf(ret->why, sizeof ret->why, "the provider answers %d %s", t->net.status, type);
        else if (ret->exit == CALL_BAD_ANSWER)
            snprintf(ret->why, sizeof ret->why, "the answer is an error: %s", type);
        break;
    case TRANSPORT_CUT:
    case TRANSPORT_TOO_LARGE:
        ret->exit = CALL_BAD_ANSWER;
        snprintf(ret->why, sizeof ret->why, "the answer is %s: %s",
                 t->net.end == TRANSPORT_CUT ? "cut short" : "too large", t->net.why);
        break;
    case TRANSPORT_STOPPED:
        ret->exit = CALL_NO_ANSWER;
        ret->signal = transport_signal();
        snprintf(ret->why, sizeof ret->why, "stopped by signal %d", ret->signal);
        break;
    default:
        ret->exit = CALL_NO_ANSWER;
        snprintf(ret->why, sizeof ret->why, "no answer: %s", t->net.why);
    }
    ret->may_retry = may_try_again(t, ret->exit);
    ret->wait_ms = t->net.retry_ms;
}

/* ---- the whole ---- */

static bool exchange(struct try *t, struct try_result *ret)
{
    struct call *c = t->call;
    struct call_lines lines;
    struct ol_error err = {.message = "out of memory"};
    const char *client_id = t->ai != NULL ? ol_call_client_request_id(t->ai) : "";
    const char *run_id = c->step.is_taken ? c->step.folder.run_id : "";
    ol_status status = call_body(c, run_id, t->attempt, client_id, &t->body, &err);
    if (status != OL_OK) {
        ret->exit = CALL_USAGE;
        snprintf(ret->why, sizeof ret->why, "%s", err.message);
        return false;
    }
    const char *header = c->provider->id_header;
    call_lines(c, header, client_id, &lines);
    ol_call_request_body(t->ai, t->body.data, t->body.size);
    keep(t, "request", KEEP_JSON, span_of(&t->body), &t->request); /* promise 1 */
    OL_CRASHPOINT("call.kept");
    OL_IGNORE(ol_call_begin(t->ai, NULL) < 0, "it is no run of its own");
    const struct transport_request request = {.url = c->url.data,
                                              .body = span_of(&t->body),
                                              .headers = lines.items,
                                              .header_count = lines.count,
                                              .on_header = take_header,
                                              .on_data = take_data,
                                              .arg = t};
    transport_exchange(c->transport, &request, &t->net);
    return true;
}

static void received(struct try *t, struct try_result *ret)
{
    struct ol_call_result look = {.struct_size = sizeof look};
    OL_IGNORE(ol_call_look(t->ai, &look) < 0, "it stays empty");
    if (t->net.end == TRANSPORT_ANSWERED && is_cut_stream(t, &look)) {
        t->net.end = TRANSPORT_CUT;
        snprintf(t->net.why, sizeof t->net.why, "the stream has no last event");
    }
    keep(t, "response", form_of(t), span_of(&t->answer), &t->response);
    OL_IGNORE(ol_call_end(t->ai,
                          t->net.end == TRANSPORT_ANSWERED ? NULL : transport_end_name(t->net.end),
                          NULL) < 0,
              "the next emit reports it");
    look = (struct ol_call_result){.struct_size = sizeof look};
    OL_IGNORE(ol_call_look(t->ai, &look) < 0, "it stays empty");
    conclude(t, &look, ret);
    if (ret->exit == CALL_ANSWERED)
        output(t);
    if (t->has_no_output && ret->exit == CALL_ANSWERED) {
        ret->exit = CALL_NO_OUTPUT;
        snprintf(ret->why, sizeof ret->why, "the answer could not be written");
    }
}

static void finish(struct try *t, int64_t number, int64_t waited_ms, const struct try_result *r)
{
    struct call *c = t->call;
    bool is_quiet = c->options->is_quiet;
    struct ol__buf list;
    make_part(t, number, waited_ms);
    ol__buf_init(&list, RECEIPT_FILE_MAX);
    ol__buf_add_char(&list, '[');
    ol__buf_add(&list, t->part.data != NULL ? t->part.data : "", t->part.size);
    ol__buf_add_char(&list, ']');
    if (list.status == OL_OK && t->part.status == OL_OK)
        c->step.parts[RECEIPT_CALLS] = span_of(&list);
    const struct step_result result = {.status = r->signal != 0             ? "ABORT"
                                                 : r->exit == CALL_ANSWERED ? "COMPLETE"
                                                                            : "FAIL",
                                       .exit_code = (int)r->exit,
                                       .signal = r->signal,
                                       .inputs = t->inputs,
                                       .input_count = t->input_count,
                                       .outputs = t->outputs,
                                       .output_count = t->output_count};
    if (r->exit != CALL_ANSWERED)
        OL_IGNORE(ol_run_set_error_message(t->run, OL_MAKE(ol_error_message, .message = r->why,
                                                           .programming_language = "HTTP")) < 0,
                  "emit reports it");
    if (t->output_path != NULL)
        set_version(ol_run_output(t->run, t->output_path), is_keyed(c) ? NULL : t->output_sha256);
    step_end(&c->step, t->run, &result);
    c->step.parts[RECEIPT_CALLS] = (struct ol__span){0};
    ol__buf_release(&list);
    pipeline_emit(t->run,
                  r->signal != 0             ? OL_ABORT
                  : r->exit == CALL_ANSWERED ? OL_COMPLETE
                                             : OL_FAIL,
                  c->step.finished_ms, is_quiet);
}

/* What --json prints, and how a replay differs. */
static void report(struct try *t, int64_t number, struct try_result *r)
{
    const struct call *c = t->call;
    char folder[8192];
    struct ol__json_writer w;
    ol__buf_reset(&r->differences);
    if (c->replay.is_read && t->part.size > 0)
        replay_compare(&c->replay, span_of(&t->part), &r->differences);
    if (!c->options->is_json)
        return;
    ol__buf_reset(&r->summary);
    ol__json_writer_init(&w, &r->summary);
    ol__json_begin_object(&w);
    if (c->step.is_taken) {
        ol__json_member_text(&w, "run_id", c->step.folder.run_id);
        ol__json_member_text(&w, "step", c->step.attempt.step);
        ol__json_member_int(&w, "attempt", c->step.attempt.number);
    }
    if (step_directory(&c->step, folder, sizeof folder))
        ol__json_member_text(&w, "folder", folder);
    ol__json_member_int(&w, "exit_code", r->signal != 0 ? 128 + r->signal : (int)r->exit);
    ol__json_member_int(&w, "tries", number);
    ol__json_member_text_opt(&w, "error", r->why[0] != '\0' ? r->why : NULL);
    if (t->part.status == OL_OK && t->part.size > 0) {
        ol__json_key(&w, "call");
        ol__json_raw(&w, span_of(&t->part));
    }
    if (r->differences.size > 0) {
        ol__json_key(&w, "differences");
        ol__json_raw(&w, span_of(&r->differences));
    }
    ol__json_end_object(&w);
    ol__buf_add_char(&r->summary, '\n');
}

void try_once(struct call *call, int64_t number, int64_t waited_ms, struct try_result *ret)
{
    struct try t = {.call = call};
    ret->exit = CALL_ANSWERED;
    ret->signal = 0;
    ret->may_retry = false;
    ret->wait_ms = -1;
    ret->why[0] = '\0';
    ol__buf_init(&t.body, CALL_REQUEST_MAX);
    ol__buf_init(&t.answer, call->options->answer_max);
    begin(&t);
    const struct collect_options around = {.what = call->step.is_taken ? COLLECT_DEFAULT : 0};
    collect_run_begin(&t.collected, &around, t.run, call->step.is_taken ? call->step.parts : NULL);
    pipeline_emit(t.run, OL_START, call->step.started_ms, call->options->is_quiet);
    step_claim(&call->step, t.run);
    if (exchange(&t, ret))
        received(&t, ret);
    finish(&t, number, waited_ms, ret);
    report(&t, number, ret);
    memset(call->step.parts, 0, sizeof call->step.parts); /* they were borrowed */
    collect_run_release(&t.collected);
    ol_call_free(t.ai);
    ol_run_free(t.run);
    ol__buf_release(&t.body);
    ol__buf_release(&t.answer);
    ol__buf_release(&t.part);
    free(t.output_path);
}
