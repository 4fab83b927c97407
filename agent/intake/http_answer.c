/* SPDX-License-Identifier: Apache-2.0 */
#include "http_impl.h"

#include <stdio.h>
#include "json_write.h"

/* So that who runs the agent can see why a client gets nowhere; the text names places, never what
 * stands there. 401 is told where it is found out, 503 by the spool. */
static void log_refusal(const struct http_request *r, int status, const char *text)
{
    if (status < 400 || status == MHD_HTTP_UNAUTHORIZED || status >= 500)
        return;
    log_write(LOG_LEVEL_WARNING, "intake", "%s: a request is refused with %d: %s",
              r->listener->socket.address.text, status, text);
}

void http_refuse(struct http_request *r, int status, const char *text)
{
    log_refusal(r, status, text);
    struct ol__json_writer w;
    const char *colon = text[0] == '/' ? strstr(text, ": ") : NULL;
    r->status = status;
    ol__buf_reset(&r->answer);
    ol__json_writer_init(&w, &r->answer);
    ol__json_begin_object(&w);
    ol__json_key(&w, "errors");
    ol__json_begin_array(&w);
    ol__json_begin_object(&w);
    if (colon != NULL)
        ol__json_member_span(&w, "pointer",
                             (struct ol__span){.data = text, .size = (size_t)(colon - text)});
    ol__json_member_text(&w, "message", colon != NULL ? colon + 2 : text);
    ol__json_end_object(&w);
    ol__json_end_array(&w);
    ol__json_end_object(&w);
    ol__buf_add_char(&r->answer, '\n');
}

/* Header fields that an answer needs besides its body's. @return whether they were added. */
static bool add_fields(struct http_request *r, struct MHD_Response *response)
{
    char wait[16];
    bool is_json = r->kind != HTTP_HEALTH && r->kind != HTTP_METRICS;
    const char *type = is_json || r->status >= 400 ? "application/json"
                       : r->kind == HTTP_METRICS   ? admin_exposition_type(r->is_openmetrics)
                                                   : "text/plain; charset=utf-8";
    if (r->kind == HTTP_HEALTH && r->status == MHD_HTTP_SERVICE_UNAVAILABLE)
        type = "text/plain; charset=utf-8";
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) != MHD_YES)
        return false;
    if (r->must_close &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") != MHD_YES)
        return false;
    switch (r->status) {
    case MHD_HTTP_SERVICE_UNAVAILABLE:
        return MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1") == MHD_YES;
    case MHD_HTTP_UNAUTHORIZED:
        return MHD_add_response_header(
                   response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                   r->fields.authorization == NULL
                       ? "Bearer realm=\"lineaged\""
                       : "Bearer realm=\"lineaged\", error=\"invalid_token\"") == MHD_YES;
    case MHD_HTTP_TOO_MANY_REQUESTS:
        snprintf(wait, sizeof wait, "%u", r->wait_s);
        return MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, wait) == MHD_YES;
    case MHD_HTTP_METHOD_NOT_ALLOWED:
        return MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
                                       is_json ? "POST" : "GET, HEAD") == MHD_YES;
    case MHD_HTTP_UNSUPPORTED_MEDIA_TYPE:
        return MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_ENCODING, "gzip") ==
               MHD_YES;
    default:
        return true;
    }
}

static metric *counter_of(struct intake_metrics *m, int status)
{
    switch (status) {
    case MHD_HTTP_OK:
    case MHD_HTTP_CREATED:
        return &m->http_accepted;
    case MHD_HTTP_BAD_REQUEST:
        return &m->http_refused_invalid;
    case MHD_HTTP_UNAUTHORIZED:
        return &m->http_refused_unauthorized;
    case MHD_HTTP_CONTENT_TOO_LARGE:
        return &m->http_refused_large;
    case MHD_HTTP_TOO_MANY_REQUESTS:
        return &m->http_refused_rate;
    case MHD_HTTP_SERVICE_UNAVAILABLE:
        return &m->http_refused_full;
    default:
        return &m->http_refused_other;
    }
}

static void count(struct http_request *r)
{
    bool is_question = r->kind == HTTP_HEALTH || r->kind == HTTP_METRICS;
    if (is_question && r->status != MHD_HTTP_UNAUTHORIZED)
        return;
    metric_add(counter_of(r->listener->door->metrics, r->status), 1);
    http_auth_count(r, r->status < 300 ? r->events : 0, r->status >= 400);
}

enum MHD_Result http_answer(struct http_request *r)
{
    struct http_door *door = r->listener->door;
    enum MHD_Result result = MHD_NO;
    assert(r->status != 0 && !r->is_answered);
    r->is_answered = true;
    if (door->is_quiet)
        r->must_close = true;
    count(r);
    if (r->status == MHD_HTTP_CREATED)
        return MHD_queue_response(r->connection, MHD_HTTP_CREATED,
                                  r->must_close ? door->created_close : door->created);
    if (r->answer.status != OL_OK)
        return MHD_NO; /* out of memory: the connection is closed, the client asks again */
    size_t size = r->answer.size;
    char *body = ol__buf_take(&r->answer);
    if (body == NULL)
        return MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        return MHD_NO;
    if (add_fields(r, response))
        result = MHD_queue_response(r->connection, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return result;
}
