/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. Neither keys nor tokens reach logs, errors or status; their bytes are wiped.
 *  2. A key file is read again when it changes; while it cannot be read the last good key stays.
 *  3. A token is replaced ahead of its end, while the old one goes on being used; never used past
 * it.
 *  4. A 401 to a token gets one new token; a 401 to that one holds the route.
 *  5. A token endpoint that is down is tried again with backoff; one that refuses us (4xx) is held
 * like a route, until the interval is over or the secret changes. */
#include "http_auth.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "agent.h"
#include "times.h"

#define KEY_MAX 8192
#define FORM_MAX 32768
#define CHECK_MS 1000
#define TOKEN_BACKOFF_MS 1000
#define TOKEN_BACKOFF_MAX_MS 30000
#define TOKEN_ANSWER_MAX 65536

struct http_auth {
    struct http_link *link;
    const struct route_config *config;
    const char *area;
    struct ol__json_reader *json;
    struct secret key; /* API key, or client secret */
    struct http_headers *headers;
    uint64_t version;
    int64_t check_at;
    char why[ROUTE_ERROR_MAX];
    enum route_cause cause;
    bool is_held, is_failing; /* failing: and that was logged */
    /* tokens */
    struct http_transfer transfer;
    struct curl_slist *form_headers;
    struct ol__buf form, user, password;
    int64_t fetch_at, ends_at;
    int level;       /* failures in a row */
    bool was_denied; /* the token in use replaced one that drew a 401 */
    bool has_changed;
};

/* ---- Header lines ---- */

void auth_headers_unref(struct http_headers *headers)
{
    if (headers == NULL || --headers->refs > 0)
        return;
    struct curl_slist *lists[] = {headers->plain, headers->packed};
    for (size_t i = 0; i < OL_COUNT(lists); i++) {
        for (struct curl_slist *line = lists[i]; line != NULL; line = line->next)
            explicit_bzero(line->data, strlen(line->data));
        curl_slist_free_all(lists[i]);
    }
    free(headers);
}

struct http_headers *auth_headers(struct http_auth *auth)
{
    if (auth->headers == NULL || !link_is_ready(auth->link))
        return NULL;
    auth->headers->refs++;
    return auth->headers;
}

static bool add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL)
        return false;
    *list = longer;
    return true;
}

static ol_status check_key(struct ol__span key, const char *what, struct ol_error *err)
{
    for (size_t i = 0; i < key.size; i++)
        if (key.data[i] < 0x21 || key.data[i] > 0x7e)
            return ol__error_set(err, OL_CONFIG, "%s: position %zu is no visible ASCII character",
                                 what, i);
    return OL_OK;
}

/* "Name: value" of the settings. */
static ol_status custom_line(const char *text, struct ol__buf *out, struct ol_error *err)
{
    static const char *const ours[] = {"content-type",      "content-length", "content-encoding",
                                       "transfer-encoding", "connection",     "expect",
                                       "authorization"};
    size_t name = strcspn(text, ": \t\r\n");
    if (name == 0 || text[name] != ':')
        return ol__error_set(err, OL_CONFIG, "headers: expected \"Name: value\"");
    for (size_t i = 0; i < OL_COUNT(ours); i++)
        if (strlen(ours[i]) == name && strncasecmp(text, ours[i], name) == 0)
            return ol__error_set(err, OL_CONFIG, "headers: '%s' is set by the agent", ours[i]);
    ol_status status = secret_expand(text, out, err);
    if (status != OL_OK)
        return ol__error_prefix(err, status, "headers: '%.*s'", (int)name, text);
    for (size_t i = 0; i < out->size; i++)
        if ((unsigned char)out->data[i] < ' ' || (unsigned char)out->data[i] == 0x7f)
            return ol__error_set(err, OL_CONFIG, "headers: '%.*s': a control character", (int)name,
                                 text);
    return OL_OK;
}

static ol_status add_lines(struct http_auth *a, struct curl_slist **list, struct ol__span bearer,
                           struct ol_error *err)
{
    struct ol__buf line;
    ol__buf_init(&line, KEY_MAX + 100);
    ol_status status = OL_OK;
    bool is_good = add_line(list, "Content-Type: application/json") && add_line(list, "Expect:");
    for (size_t i = 0; is_good && status == OL_OK && i < a->config->headers.count; i++) {
        ol__buf_reset(&line);
        status = custom_line(a->config->headers.items[i], &line, err);
        is_good = status != OL_OK || add_line(list, line.data);
    }
    if (is_good && status == OL_OK && bearer.size > 0) {
        ol__buf_reset(&line);
        ol__buf_add_text(&line, "Authorization: Bearer ");
        ol__buf_add(&line, bearer.data, bearer.size);
        is_good = line.status == OL_OK && add_line(list, line.data);
    }
    secret_wipe(&line);
    if (!is_good)
        return ol__error_set(err, OL_NOMEM, "HTTP headers: out of memory");
    return status;
}

static ol_status set_headers(struct http_auth *a, struct ol__span bearer, struct ol_error *err)
{
    struct http_headers *headers = calloc(1, sizeof *headers);
    if (headers == NULL)
        return ol__error_set(err, OL_NOMEM, "HTTP headers: out of memory");
    headers->refs = 1;
    ol_status status = add_lines(a, &headers->plain, bearer, err);
    if (status == OL_OK && a->config->compression != 0) {
        status = add_lines(a, &headers->packed, bearer, err);
        if (status == OL_OK && !add_line(&headers->packed, "Content-Encoding: gzip"))
            status = ol__error_set(err, OL_NOMEM, "HTTP headers: out of memory");
    }
    if (status != OL_OK) {
        auth_headers_unref(headers);
        return status;
    }
    headers->version = ++a->version;
    auth_headers_unref(a->headers);
    a->headers = headers;
    a->has_changed = true;
    return OL_OK;
}

/* ---- Trouble ---- */

static void trouble(struct http_auth *a, enum route_cause cause, const char *why, bool is_held)
{
    snprintf(a->why, sizeof a->why, "%s", why);
    a->cause = cause;
    a->is_held = is_held;
    if (!a->is_failing)
        log_write(is_held ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, a->area, "%s", why);
    a->is_failing = true;
}

static void well(struct http_auth *a, const char *what)
{
    if (a->is_failing)
        log_write(LOG_LEVEL_INFO, a->area, "%s", what);
    a->is_failing = false;
    a->why[0] = '\0';
}

/* ---- Tokens ---- */

static bool has_tokens(const struct http_auth *a)
{
    return a->config->auth != AUTH_API_KEY;
}

static int64_t hold_ms(const struct http_auth *a)
{
    return OL_MAX(a->config->hold_ms, (int64_t)CHECK_MS);
}

static void drop_headers(struct http_auth *a)
{
    auth_headers_unref(a->headers);
    a->headers = NULL;
}

static bool add_escaped(struct ol__buf *out, const char *text, size_t size)
{
    char *escaped = curl_easy_escape(NULL, text, (int)size);
    if (escaped == NULL)
        return false;
    ol__buf_add_text(out, escaped);
    explicit_bzero(escaped, strlen(escaped));
    curl_free(escaped);
    return out->status == OL_OK;
}

static bool add_field(struct ol__buf *form, const char *name, const char *value)
{
    if (value == NULL)
        return true;
    if (form->size > 0)
        ol__buf_add_char(form, '&');
    ol__buf_add_text(form, name);
    ol__buf_add_char(form, '=');
    return add_escaped(form, value, strlen(value));
}

static bool fill_form(struct http_auth *a)
{
    const struct route_config *c = a->config;
    const char *secret = a->key.text.data;
    secret_wipe(&a->form);
    secret_wipe(&a->user);
    secret_wipe(&a->password);
    if (c->auth == AUTH_JWT)
        return add_field(&a->form, "grant_type", c->grant_type) &&
               add_field(&a->form, "response_type", c->response_type) &&
               add_field(&a->form, "apikey", secret);
    if (!add_field(&a->form, "grant_type", "client_credentials") ||
        !add_field(&a->form, "scope", c->scope))
        return false;
    if (c->client_auth == 1)
        return add_field(&a->form, "client_id", c->client_id) &&
               add_field(&a->form, "client_secret", secret);
    /* RFC 6749, 2.3.1: each is form-encoded before they become one header. */
    return add_escaped(&a->user, c->client_id, strlen(c->client_id)) &&
           add_escaped(&a->password, secret, a->key.text.size);
}

static void fetch(struct http_auth *a, bool is_fresh, int64_t now_ms)
{
    a->transfer.is_fresh = is_fresh;
    if (fill_form(a)) {
        struct http_message message = {.url = a->config->token_url,
                                       .body = {.data = a->form.data, .size = a->form.size},
                                       .headers = a->form_headers,
                                       .user = a->user.data,
                                       .password = a->password.data};
        if (transfer_start(&a->transfer, &message)) {
            a->fetch_at = INT64_MAX;
            return;
        }
    }
    trouble(a, CAUSE_OTHER, "token request: out of memory", false);
    a->fetch_at = now_ms + CHECK_MS;
}

struct token {
    const struct ol__text_list *fields;
    size_t rank; /* of the field found */
    struct ol__buf text;
    int64_t lives_s; /* 0: not said */
};

static ol_status token_member(void *arg, const struct ol__json_value *value, struct ol_error *err)
{
    static const char *const usual[] = {"token", "access_token"};
    struct token *token = arg;
    (void)err;
    bool is_usual = token->fields->count == 0;
    size_t count = is_usual ? OL_COUNT(usual) : token->fields->count;
    for (size_t i = 0; i < count && i < token->rank; i++) {
        const char *const path[] = {is_usual ? usual[i] : token->fields->items[i]};
        if (value->type != OL_JSON_STRING || value->text.size == 0 || !ol__json_at(value, path, 1))
            continue;
        ol__buf_reset(&token->text);
        ol__buf_add(&token->text, value->text.data, value->text.size);
        token->rank = i;
    }
    static const char *const life[] = {"expires_in"};
    if ((value->type == OL_JSON_STRING || value->type == OL_JSON_NUMBER) &&
        ol__json_at(value, life, 1)) {
        char digits[32];
        snprintf(digits, sizeof digits, "%.*s", (int)OL_MIN(value->text.size, (size_t)20),
                 value->text.data);
        long long seconds = strtoll(digits, NULL, 10);
        token->lives_s = OL_MIN(OL_MAX(seconds, 0LL), 366LL * 86400);
    }
    return OL_OK;
}

/* @return OL_OK: the token in it is in use. */
static ol_status take_token(struct http_auth *a, struct ol__span body, int64_t now_ms,
                            struct ol_error *err)
{
    struct token token = {.fields = &a->config->token_fields, .rank = SIZE_MAX};
    ol__buf_init(&token.text, KEY_MAX);
    ol_status status = ol__json_read(a->json, body, NULL, token_member, &token, NULL);
    if (status != OL_OK || token.text.size == 0)
        status =
            ol__error_set(err, OL_INVALID, "%s",
                          status != OL_OK ? "its answer is no JSON" : "no token in its answer");
    struct ol__span text = {.data = token.text.data, .size = token.text.size};
    if (status == OL_OK)
        status = check_key(text, "token", err);
    if (status == OL_OK)
        status = set_headers(a, text, err);
    secret_wipe(&token.text);
    if (status != OL_OK)
        return status;
    a->level = 0;
    if (token.lives_s == 0) {
        a->fetch_at = a->ends_at = INT64_MAX; /* until a 401 */
        return OL_OK;
    }
    int64_t lives = token.lives_s * 1000;
    a->ends_at = now_ms + lives;
    a->fetch_at = a->ends_at - OL_MIN(a->config->token_ahead_ms, lives / 2);
    return OL_OK;
}

static void token_finished(struct http_transfer *t, CURLcode result, int64_t now_ms)
{
    struct http_auth *a = t->owner;
    if (transfer_is_stale(t, result)) {
        fetch(a, true, now_ms);
        return;
    }
    struct retry_answer answer = transfer_answer(t, result);
    struct ol_error err = {0};
    bool is_good = answer.failure == RETRY_ANSWERED && answer.status == 200;
    ol_status status = is_good ? take_token(a, answer.body, now_ms, &err) : OL_IO;
    if (t->answer.data != NULL)
        explicit_bzero(t->answer.data, t->answer.size);
    secret_wipe(&a->form);
    secret_wipe(&a->user);
    secret_wipe(&a->password);
    if (status == OL_OK) {
        well(a, "the token endpoint gives tokens again");
        return;
    }
    struct retry_class class =
        retry_classify(PROFILE_GENERIC, &answer, a->json, ol__time_now_ms(), TOKEN_BACKOFF_MAX_MS);
    bool is_held = class.kind == RETRY_HOLD || class.kind == RETRY_PARK;
    char reason[ROUTE_ERROR_MAX - 20], why[ROUTE_ERROR_MAX];
    enum route_cause cause =
        cause_of_answer(t->easy, result, answer.status, t->trouble, reason, sizeof reason);
    snprintf(why, sizeof why, "token_url: %s", is_good ? err.message : reason);
    trouble(a, is_good || is_held ? CAUSE_CREDENTIALS : cause, why, is_held);
    int64_t wait = retry_ceiling(TOKEN_BACKOFF_MS, TOKEN_BACKOFF_MAX_MS, a->level);
    if (a->level < 30)
        a->level++;
    if (is_held)
        wait = OL_MAX(wait, hold_ms(a));
    a->fetch_at = now_ms + OL_MAX(wait, class.after_ms);
}

bool auth_is_ready(const struct http_auth *a)
{
    return a->headers != NULL && link_is_ready(a->link);
}

bool auth_denied(struct http_auth *a, uint64_t version, int64_t now_ms)
{
    if (!has_tokens(a))
        return false;
    if (a->headers == NULL || a->headers->version != version)
        return true;
    bool again = !a->was_denied;
    a->was_denied = true; /* promise 4 */
    if (again)
        drop_headers(a);
    int64_t at = again ? now_ms : now_ms + hold_ms(a);
    if (!a->transfer.is_running)
        a->fetch_at = OL_MIN(a->fetch_at, at);
    return again;
}

void auth_accepted(struct http_auth *a)
{
    a->was_denied = false;
}

/* ---- From outside ---- */

ol_status auth_open(struct http_link *link, const char *area, struct ol__json_reader *json,
                    struct http_auth **ret, struct ol_error *err)
{
    struct http_auth *a = calloc(1, sizeof *a);
    if (a == NULL)
        return ol__error_set(err, OL_NOMEM, "route: out of memory");
    const struct route_config *c = link->config;
    *a = (struct http_auth){
        .link = link, .config = c, .area = area, .json = json, .fetch_at = 0, .ends_at = INT64_MAX};
    transfer_init(&a->transfer, link, token_finished, a);
    a->transfer.answer.max = TOKEN_ANSWER_MAX;
    ol__buf_init(&a->form, FORM_MAX);
    ol__buf_init(&a->user, FORM_MAX);
    ol__buf_init(&a->password, FORM_MAX);
    *ret = a;
    bool is_client = c->auth == AUTH_OAUTH2;
    const char *path = is_client ? c->client_secret_file : c->api_key_file;
    const char *name = is_client      ? path != NULL ? "client_secret_file" : "client_secret"
                       : path != NULL ? "api_key_file"
                                      : "api_key";
    ol_status status =
        secret_open(&a->key, name, is_client ? c->client_secret : c->api_key, path, KEY_MAX, err);
    if (status == OL_OK && has_tokens(a) &&
        (!add_line(&a->form_headers, "Content-Type: application/x-www-form-urlencoded") ||
         !add_line(&a->form_headers, "Accept: application/json") ||
         !add_line(&a->form_headers, "Expect:")))
        status = ol__error_set(err, OL_NOMEM, "HTTP headers: out of memory");
    if (status == OL_OK && !has_tokens(a)) {
        if (path != NULL) {
            status = set_headers(a, (struct ol__span){0}, err); /* are the others good? */
            drop_headers(a);
        } else {
            while (a->key.text.size > 0 &&
                   strchr(" \t\r\n", a->key.text.data[a->key.text.size - 1]) != NULL)
                ol__buf_truncate(&a->key.text, a->key.text.size - 1);
            status = check_key(secret_span(&a->key), "api_key", err);
            if (status == OL_OK)
                status = set_headers(a, secret_span(&a->key), err);
        }
    }
    return status;
}

static void check_files(struct http_auth *a, int64_t now_ms)
{
    struct ol_error err = {0};
    ol_status link = link_read(a->link, &err);
    if (link == OL_OK)
        a->has_changed = true;
    ol_status status = link == OL_OK || link == OL_END ? secret_read(&a->key, true, &err) : link;
    if (status == OL_OK && !has_tokens(a)) {
        status = check_key(secret_span(&a->key), a->key.name, &err);
        if (status == OL_OK)
            status = set_headers(a, secret_span(&a->key), &err);
    } else if (status == OL_OK && !a->transfer.is_running) {
        a->fetch_at = now_ms; /* promise 5 */
    }
    if (status == OL_OK)
        well(a, "the key is read");
    else if (status != OL_END)
        trouble(a, CAUSE_CREDENTIALS, err.message, true);
    else if (link == OL_OK)
        well(a, "the certificates are read");
}

int64_t auth_work(struct http_auth *a, int64_t now_ms, bool *ret_changed)
{
    const struct route_config *c = a->config;
    bool has_files = a->key.path != NULL || c->ca_file != NULL || c->cert_file != NULL ||
                     c->proxy_auth_file != NULL;
    if (has_files && now_ms >= a->check_at) {
        a->check_at = now_ms + CHECK_MS;
        check_files(a, now_ms);
    }
    int64_t next = has_files ? a->check_at : INT64_MAX;
    if (has_tokens(a)) {
        if (a->headers != NULL && now_ms >= a->ends_at)
            drop_headers(a); /* promise 3 */
        bool can_ask = a->key.is_there && link_is_ready(a->link) && !a->transfer.is_running;
        if (can_ask && now_ms >= a->fetch_at)
            fetch(a, false, now_ms);
        if (can_ask)
            next = OL_MIN(next, a->fetch_at);
        if (a->headers != NULL)
            next = OL_MIN(next, a->ends_at);
    }
    *ret_changed = a->has_changed;
    a->has_changed = false;
    return next;
}

const char *auth_why(const struct http_auth *a, bool *ret_is_held, enum route_cause *ret_cause)
{
    *ret_is_held = a->is_held;
    *ret_cause = a->cause;
    return a->why[0] != '\0' ? a->why : NULL;
}

void auth_stop(struct http_auth *a)
{
    transfer_stop(&a->transfer);
    if (a->fetch_at == INT64_MAX && a->headers == NULL)
        a->fetch_at = 0;
}

void auth_close(struct http_auth *a)
{
    if (a == NULL)
        return;
    transfer_release(&a->transfer);
    curl_slist_free_all(a->form_headers);
    auth_headers_unref(a->headers);
    secret_release(&a->key);
    secret_wipe(&a->form);
    secret_wipe(&a->user);
    secret_wipe(&a->password);
    free(a);
}
