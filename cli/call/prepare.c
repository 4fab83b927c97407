/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent: the request and the changes to it, the headers, the key. Everything that can be
 * wrong with them is found here, before an attempt is taken. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include "body.h"
#include "call.h"
#include "cli.h"
#include "secret.h"

#define KEY_MAX 16384
#define HMAC_KEY_MAX 4096
#define METADATA_MAX 16 /* members that OpenAI takes */

static struct ol__span span_of(const struct ol__buf *buf)
{
    return (struct ol__span){.data = buf->data != NULL ? buf->data : "", .size = buf->size};
}

/* ---- the request ---- */

static ol_status read_input(struct ol__buf *out, struct ol_error *err)
{
    for (;;) {
        char *room = ol__buf_room(out, 65536);
        if (room == NULL)
            return ol__error_set(err, out->status, "standard input: %s",
                                 ol_status_name(out->status));
        ssize_t n = read(STDIN_FILENO, room, 65536);
        if (n < 0)
            return ol__error_set(err, OL_IO, "standard input cannot be read");
        if (n == 0)
            return OL_OK;
        ol__buf_grow(out, (size_t)n);
    }
}

static ol_status read_request(struct call *c, struct ol_error *err)
{
    const struct call_options *o = c->options;
    ol_status status;
    if (o->replay != NULL)
        return ol__buf_add(&c->request, c->replay.request.data, c->replay.request.size) == OL_OK
                   ? OL_OK
                   : ol__error_set(err, OL_NOMEM, "out of memory");
    if (strcmp(o->request, "@-") == 0)
        status = read_input(&c->request, err);
    else {
        status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, o->request + 1, &c->request, err);
        c->request_path = status == OL_OK ? realpath(o->request + 1, NULL) : NULL;
    }
    c->request_size = (int64_t)c->request.size;
    if (status == OL_OK)
        status = receipt_hash(span_of(&c->request), c->request_sha256, err);
    return status;
}

static void note_change(struct call *c, const char *member)
{
    for (size_t i = 0; i < c->change_count; i++) {
        if (strcmp(c->changes[i], member) == 0)
            return;
    }
    if (c->change_count < CALL_CHANGES_MAX)
        c->changes[c->change_count++] = member;
}

static ol_status set_model(struct call *c, struct ol_error *err)
{
    struct ol__buf url;
    const char *model = c->options->model;
    if (model == NULL)
        return OL_OK;
    ol__buf_init(&url, c->url.max);
    ol_status status = provider_set_model(c->provider, c->url.data, model, &url);
    if (status == OL_OK) {
        ol__buf_release(&c->url);
        c->url = url;
        note_change(c, "url");
        return OL_OK;
    }
    ol__buf_release(&url);
    if (status != OL_NOT_FOUND)
        return ol__error_set(err, status, "%s", ol_status_name(status));
    note_change(c, "model");
    return body_set_text(&c->request, "model", model, err);
}

static ol_status set_params(struct call *c, struct ol_error *err)
{
    const struct call_options *o = c->options;
    for (size_t i = 0; i < o->param_count; i++) {
        const struct call_param *p = &o->params[i];
        struct ol__buf json;
        ol__buf_init(&json, c->request.max);
        ol_status status = body_value(p->value, &json, err);
        if (status == OL_OK)
            status = body_set(&c->request, p->path, span_of(&json), err);
        ol__buf_release(&json);
        if (status != OL_OK)
            return ol__error_prefix(err, status, "--param %.60s", p->path);
        note_change(c, p->path);
        if (body_is_plain(p->value)) /* P5: what else stands there may be a prompt */
            c->parameters[c->parameter_count++] =
                (struct receipt_pair){.key = p->path, .value = p->value};
    }
    return OL_OK;
}

/* Where in the request each provider takes ids, as a caller's own. */
static ol_status set_ids(const struct call *c, const char *run_id, const char *attempt,
                         const char *client_id, struct ol__buf *out, struct ol_error *err)
{
    bool has_labels = c->provider->metadata == PROVIDER_METADATA_LABELS;
    const char *values[] = {run_id, c->options->step, attempt};
    static const char *const paths[] = {"metadata.lineage_run_id", "metadata.lineage_step",
                                        "metadata.lineage_attempt"};
    static const char *const labels[] = {"labels.lineage_run_id", "labels.lineage_step",
                                         "labels.lineage_attempt"};
    if (c->provider->metadata == PROVIDER_METADATA_USER_ID)
        return body_set_text(out, "metadata.user_id", client_id, err);
    for (size_t i = 0; i < OL_COUNT(values); i++) {
        char text[RECEIPT_STEP_MAX + 1];
        snprintf(text, sizeof text, "%s", values[i]);
        for (char *p = text; has_labels && *p != '\0'; p++) { /* a-z 0-9 _ -, at most 63 */
            *p = (char)tolower((unsigned char)*p);
            *p = isalnum((unsigned char)*p) || *p == '-' ? *p : '_';
        }
        if (has_labels)
            text[63] = '\0';
        ol_status status = body_set_text(out, has_labels ? labels[i] : paths[i], text, err);
        if (status != OL_OK)
            return status;
    }
    if (c->provider->metadata == PROVIDER_METADATA_OBJECT &&
        body_count(span_of(out), "metadata") > METADATA_MAX)
        return ol__error_set(err, OL_INVALID,
                             "--metadata: the request's metadata would have more than 16 members");
    return OL_OK;
}

ol_status call_body(const struct call *c, const char *run_id, const char *attempt,
                    const char *client_id, struct ol__buf *out, struct ol_error *err)
{
    if (ol__buf_add(out, c->request.data, c->request.size) != OL_OK)
        return ol__error_set(err, out->status, "request: %s", ol_status_name(out->status));
    return c->options->has_metadata ? set_ids(c, run_id, attempt, client_id, out, err) : OL_OK;
}

/* ---- keys ---- */

static bool has_header(const struct call_options *o, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < o->header_count; i++) {
        if (strncasecmp(o->headers[i], name, size) == 0 && o->headers[i][size] == ':')
            return true;
    }
    return false;
}

static ol_status set_key(struct call *c, struct ol_error *err)
{
    const struct call_options *o = c->options;
    const struct provider *p = c->provider;
    const char *header = o->key_header != NULL ? o->key_header : p->key_header;
    struct secret file = {.is_there = false};
    struct ol__span key = {0};
    ol_status status = OL_OK;
    if (has_header(o, header))
        return OL_OK; /* the option's wins */
    if (o->key_file != NULL) {
        status = secret_open(&file, "--key-file", NULL, o->key_file, KEY_MAX, err);
        if (status == OL_OK)
            status = secret_read(&file, true, err);
        key = secret_span(&file);
    } else if (o->key_env != NULL || p->key_env != NULL) {
        key = ol__span_text(getenv(o->key_env != NULL ? o->key_env : p->key_env));
        if (o->key_env != NULL && key.size == 0)
            status = ol__error_set(
                err, OL_CONFIG, "--key-env: the environment has no variable '%.60s'", o->key_env);
    }
    for (size_t i = 0; i < key.size && status == OL_OK; i++) {
        if ((unsigned char)key.data[i] < ' ' || key.data[i] == 0x7f)
            status =
                ol__error_set(err, OL_CONFIG, "the key has a control character at byte %zu", i);
    }
    if (status == OL_OK && key.size > 0) {
        /* a header of another name has no customary word in front of the key */
        const char *prefix =
            o->key_header == NULL || strcasecmp(header, "Authorization") == 0 ? p->key_prefix : "";
        ol__buf_add_format(&c->key_line, "%s: %s", header, prefix);
        if (ol__buf_add(&c->key_line, key.data, key.size) != OL_OK)
            status = ol__error_set(err, c->key_line.status, "the key is too long");
    }
    secret_release(&file);
    return status;
}

static ol_status set_hmac_key(struct call *c, struct ol_error *err)
{
    const struct call_options *o = c->options;
    if (o->hmac_key_file == NULL)
        return OL_OK;
    ol_status status =
        ol__fs_read_file(&ol__fs_real, AT_FDCWD, o->hmac_key_file, &c->hmac_key, err);
    if (status == OL_OK && c->hmac_key.size < 16)
        status = ol__error_set(err, OL_CONFIG, "'%s' has less than 16 bytes", o->hmac_key_file);
    const char *slash = strrchr(o->hmac_key_file, '/');
    snprintf(c->hmac_key_id, sizeof c->hmac_key_id, "%s",
             o->hmac_key_id != NULL ? o->hmac_key_id
             : slash != NULL        ? slash + 1
                                    : o->hmac_key_file);
    return status == OL_OK ? OL_OK : ol__error_prefix(err, status, "--hmac-key-file");
}

static ol_status hash_template(struct call *c, struct ol_error *err)
{
    const struct call_options *o = c->options;
    struct ol__buf text;
    if (o->template_file == NULL)
        return OL_OK;
    ol__buf_init(&text, CALL_REQUEST_MAX);
    ol_status status = ol__fs_read_file(&ol__fs_real, AT_FDCWD, o->template_file, &text, err);
    if (status == OL_OK)
        status = receipt_hash(span_of(&text), c->template_sha256, err);
    if (status == OL_OK) {
        c->template_path = realpath(o->template_file, NULL);
        c->template_size = (int64_t)text.size;
    }
    ol__buf_release(&text);
    return status == OL_OK ? OL_OK : ol__error_prefix(err, status, "--prompt-template");
}

/* ---- headers ---- */

static void add_line(const struct call *c, struct call_lines *ret, const char *line)
{
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(line, ":;"), line);
    if (!has_header(c->options, name) && ret->count < CALL_LINES_MAX)
        ret->items[ret->count++] = line;
}

void call_lines(const struct call *c, const char *id_header, const char *client_id,
                struct call_lines *ret)
{
    const struct call_options *o = c->options;
    ret->count = 0;
    for (size_t i = 0; i < o->header_count; i++)
        ret->items[ret->count++] = o->headers[i];
    add_line(c, ret, "Content-Type: application/json");
    add_line(c, ret, "Expect:"); /* libcurl's own, which costs a round trip */
    if (c->key_line.size > 0)
        add_line(c, ret, c->key_line.data);
    if (c->provider->header != NULL)
        add_line(c, ret, c->provider->header);
    if (!o->has_no_id && client_id[0] != '\0') {
        snprintf(ret->id, sizeof ret->id, "%s: %s", id_header, client_id);
        add_line(c, ret, ret->id);
    }
    if (o->idempotency_header != NULL) {
        snprintf(ret->idempotency, sizeof ret->idempotency, "%s: %s", o->idempotency_header,
                 c->idempotency_key);
        add_line(c, ret, ret->idempotency);
    }
}

/* ---- the whole ---- */

/* @return 0, or what to exit with, said. */
static int find_replay(struct call *c)
{
    struct ol_error err = {.message = ""};
    const struct call_options *o = c->options;
    if (o->replay == NULL)
        return 0;
    ol_status status = replay_read(o->replay, &c->replay, &err);
    if (status != OL_OK) {
        cli_say("--replay: %s", err.message);
        return CALL_NO_REPLAY;
    }
    const char *name = json_get_text(c->replay.call, "provider");
    if (c->provider == NULL && name != NULL)
        c->provider = provider_find_gen_ai(name);
    if (c->provider == NULL)
        return cli_usage("call", "--replay: the receipt names no known provider; expected "
                                 "--provider NAME");
    const char *url = o->url != NULL ? o->url : json_get_text(c->replay.call, "url");
    if (url == NULL || strstr(url, REDACTED) != NULL)
        return cli_usage("call", "--replay: the receipt has not the whole URL; expected URL");
    return ol__buf_add_text(&c->url, url) == OL_OK ? 0 : CALL_USAGE;
}

static int check_url(const struct call *c)
{
    const char *problem =
        provider_url_problem(c->url.data, c->key_line.size > 0, c->options->allows_http);
    struct ol__buf shown;
    if (problem == NULL)
        return 0;
    ol__buf_init(&shown, 8192);
    provider_show_url(c->url.data, &shown);
    bool has_user = strchr(c->url.data, '@') != NULL; /* and perhaps a password */
    int result = cli_usage("call", "URL '%.200s': %s",
                           has_user || shown.data == NULL ? "..." : shown.data, problem);
    ol__buf_release(&shown);
    return result;
}

int call_prepare(struct call *c, struct call_options *o)
{
    struct ol_error err = {.message = "out of memory"};
    *c = (struct call){.options = o, .provider = o->provider};
    ol__buf_init(&c->url, 8192);
    ol__buf_init(&c->request, CALL_REQUEST_MAX);
    ol__buf_init(&c->key_line, KEY_MAX + 512);
    ol__buf_init(&c->hmac_key, HMAC_KEY_MAX);
    ol__buf_init(&c->replay.request, CALL_REQUEST_MAX);
    int result = find_replay(c);
    if (result != 0)
        return result;
    ol_status status = o->replay != NULL ? OL_OK : ol__buf_add_text(&c->url, o->url);
    if (status == OL_OK)
        status = read_request(c, &err);
    if (status == OL_OK)
        status = set_model(c, &err);
    if (status == OL_OK)
        status = set_params(c, &err);
    if (status == OL_OK)
        status = set_key(c, &err);
    if (status == OL_OK)
        status = set_hmac_key(c, &err);
    if (status == OL_OK)
        status = hash_template(c, &err);
    if (o->has_metadata && c->provider->metadata == PROVIDER_METADATA_NONE)
        return cli_usage("call", "--metadata: requests to %s have no place for it",
                         c->provider->name);
    if (status == OL_OK) { /* the body of a try must be one that can be made */
        struct ol__buf body;
        ol__buf_init(&body, CALL_REQUEST_MAX);
        status = call_body(c, "", "", "", &body, &err);
        ol__buf_release(&body);
        if (o->has_metadata)
            note_change(c,
                        c->provider->metadata == PROVIDER_METADATA_LABELS ? "labels" : "metadata");
    }
    if (status != OL_OK)
        return cli_usage("call", "%s", err.message);
    return check_url(c);
}

void call_release(struct call *c)
{
    ol__buf_release(&c->url);
    ol__buf_release(&c->request);
    secret_wipe(&c->key_line);
    secret_wipe(&c->hmac_key);
    free(c->request_path);
    free(c->template_path);
    replay_release(&c->replay);
}
