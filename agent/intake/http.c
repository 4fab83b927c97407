/* SPDX-License-Identifier: Apache-2.0 */
/* Promises:
 *  1. A request is answered 201 (an array: 200) only after the commit of the group that holds its
 * events.
 *  2. Bodies never hold more than max_body each and HTTP_BODIES_MAX together; beyond, 413 and 503.
 *  3. Every request that was refused with its framing intact is read to its end first (within
 * DRAIN_FACTOR bodies), so that the client sees the answer and not a reset; one whose framing
 * cannot be trusted ends its connection.
 *  4. No daemon is stopped while a request of it is suspended (the server library would abort). */
#include "http_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "times.h"

#define DRAIN_FACTOR 4 /* bodies of up to so many times max_body are read and thrown away */

/* ---- One request ---- */

static struct http_request *request_new(struct http_listener *l, struct MHD_Connection *connection)
{
    struct http_door *door = l->door;
    struct http_request *r = door->spare;
    if (r != NULL) {
        door->spare = r->next;
        door->spare_count--;
        struct ol__buf body = r->body;
        *r = (struct http_request){.body = body};
        ol__buf_reset(&r->body);
    } else {
        r = calloc(1, sizeof *r);
        if (r == NULL)
            return NULL;
        ol__buf_init(&r->body, (size_t)door->agent->config->http_max_body);
    }
    ol__buf_init(&r->answer, 8u << 20);
    r->connection = connection;
    r->listener = l;
    door->active++;
    return r;
}

static void account(struct http_request *r, size_t bytes)
{
    r->listener->door->body_bytes += bytes - r->accounted;
    r->accounted = bytes;
}

static void forget_body(struct http_request *r)
{
    account(r, 0);
    ol__buf_release(&r->body);
    http_gunzip_free(r->gunzip);
    r->gunzip = NULL;
}

static void request_free(struct http_request *r)
{
    struct http_door *door = r->listener->door;
    door->active--;
    account(r, 0);
    http_gunzip_free(r->gunzip);
    ol__buf_release(&r->answer);
    if (r->body.cap > HTTP_SPARE_BODY_MAX)
        ol__buf_release(&r->body);
    if (door->spare_count < HTTP_SPARE_MAX) {
        r->next = door->spare;
        door->spare = r;
        door->spare_count++;
        return;
    }
    ol__buf_release(&r->body);
    free(r);
}

static void completed(void *arg OL_UNUSED, struct MHD_Connection *connection, void **request,
                      enum MHD_RequestTerminationCode code OL_UNUSED)
{
    const struct http_request *r = *request;
    if (r != NULL) {
        if (r->status == MHD_HTTP_CREATED)
            OL_CRASHPOINT("intake.sent");
        http_link_set_request(connection, NULL);
        request_free(*request);
    }
    *request = NULL;
}

/* Header fields are there, no body yet. */
static enum MHD_Result request_begin(struct http_request *r, const char *url, const char *method,
                                     const char *version)
{
    struct http_door *door = r->listener->door;
    const char *why = "";
    metric_add(&door->metrics->http_requests, 1);
    r->begun_us = ol__time_monotonic_us();
    r->url = url;
    r->kind = http_path_kind(door->agent->config, url);
    r->is_openmetrics =
        r->kind == HTTP_METRICS && admin_exposition_is_open(MHD_lookup_connection_value(
                                       r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
    http_fields_read(r->connection, &r->fields);
    int status = http_check_framing(r, version, &why);
    if (status != 0) { /* promise 3 */
        r->must_close = true;
        http_refuse(r, status, why);
        return http_answer(r);
    }
    status = http_auth_check(r, &why);
    if (status == 0)
        status = http_check_request(r, method, &why);
    if (status == 0)
        status = http_auth_allowance(r, &why);
    if (status == 0 && (door->is_quiet && r->kind <= HTTP_BATCH)) {
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
        why = "the agent is stopping";
    }
    struct ol_error err = {0};
    if (status == 0 && r->is_gzip &&
        http_gunzip_new((unsigned)door->agent->config->http_max_ratio, &r->gunzip, &err) != OL_OK) {
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
        why = err.message;
    }
    if (status == 0)
        return MHD_YES;
    http_refuse(r, status, why);
    uint64_t drain_max = (uint64_t)door->agent->config->http_max_body * DRAIN_FACTOR;
    if ((r->length != UINT64_MAX && r->length > drain_max) ||
        (r->fields.expect != NULL && r->length > 0)) {
        r->must_close = true;
        return http_answer(r);
    }
    return MHD_YES;
}

static void refuse_body(struct http_request *r, ol_status status, const char *why)
{
    http_refuse(r,
                status == OL_TOO_LARGE ? MHD_HTTP_CONTENT_TOO_LARGE
                : status == OL_INVALID ? MHD_HTTP_BAD_REQUEST
                                       : MHD_HTTP_SERVICE_UNAVAILABLE,
                why);
    forget_body(r);
}

/* A piece of the body. @return MHD_NO: give the connection up. */
static enum MHD_Result request_data(struct http_request *r, const char *data, size_t size)
{
    struct http_door *door = r->listener->door;
    struct ol_error err = {0};
    size_t max = (size_t)door->agent->config->http_max_body;
    bool is_first = r->received == 0;
    r->received += size;
    if (r->status != 0) /* decided already: read it away */
        return r->received <= (uint64_t)max * DRAIN_FACTOR ? MHD_YES : MHD_NO;
    if (r->kind > HTTP_BATCH)
        return r->received <= max ? MHD_YES : MHD_NO;
    if (is_first && !r->is_gzip && size == r->length) { /* the whole body at once: no copy */
        http_take(r, (struct ol__span){.data = data, .size = size});
        return MHD_YES;
    }
    ol_status status;
    if (r->received > max)
        status = ol__error_set(&err, OL_TOO_LARGE, "body larger than %zu bytes", max);
    else if (r->is_gzip)
        status = http_gunzip_add(r->gunzip, data, size, &r->body, &err);
    else {
        status = ol__buf_add(&r->body, data, size);
        if (status != OL_OK)
            ol__error_set(&err, status, "body: %s", ol__status_name(status));
    }
    account(r, r->body.cap);
    if (status == OL_OK && door->body_bytes > HTTP_BODIES_MAX) /* promise 2 */
        status = ol__error_set(&err, OL_FULL, "too many large bodies at once");
    if (status != OL_OK)
        refuse_body(r, status, err.message);
    return MHD_YES;
}

/* The body is whole and nothing is decided. */
static void request_end(struct http_request *r)
{
    const struct agent *agent = r->listener->door->agent;
    ol_status status;
    switch (r->kind) {
    case HTTP_HEALTH:
        r->status = admin_health(agent, &r->answer) ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
        return;
    case HTTP_METRICS:
        r->status = MHD_HTTP_OK;
        status = admin_exposition(agent, r->is_openmetrics, &r->answer);
        if (status != OL_OK)
            http_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, ol__status_name(status));
        return;
    default:
        break;
    }
    if (r->is_gzip && !http_gunzip_is_whole(r->gunzip))
        return refuse_body(r, OL_INVALID, "gzip: ends too early");
    http_take(r, (struct ol__span){.data = r->body.data != NULL ? r->body.data : "",
                                   .size = r->body.size});
    if (r->body.cap > HTTP_SPARE_BODY_MAX || r->gunzip != NULL)
        forget_body(r); /* its bytes are in the group; it may wait for the sync */
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_size, void **request)
{
    struct http_listener *l = arg;
    struct http_request *r = *request;
    if (r == NULL) {
        r = request_new(l, connection);
        if (r == NULL)
            return MHD_NO;
        *request = r; /* completed() frees it, whatever is returned */
        if (!http_link_set_request(connection, r))
            return MHD_NO;
        return request_begin(r, url, method, version);
    }
    if (*data_size > 0) {
        size_t size = *data_size;
        *data_size = 0;
        return request_data(r, data, size);
    }
    if (r->status == 0)
        request_end(r);
    if (!r->is_waiting)
        return http_answer(r);
    r->next = l->door->waiting; /* promise 1 */
    l->door->waiting = r;
    l->door->waiting_count++;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

/* ---- Listeners ---- */

static void connected(void *arg, struct MHD_Connection *connection, void **socket_context,
                      enum MHD_ConnectionNotificationCode code)
{
    struct http_listener *l = arg;
    metric *open = &l->door->metrics->http_connections;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        atomic_fetch_sub_explicit(open, 1, memory_order_relaxed);
        http_link_free(l, *socket_context);
        return;
    }
    metric_add(open, 1);
    l->door->accepted++;
    *socket_context = http_link_new(l, connection);
}

OL_PRINTF(2, 0)
static void server_log(void *arg, const char *format, va_list args)
{
    struct http_listener *l = arg;
    char text[256];
    int size = vsnprintf(text, sizeof text, format, args);
    if (size > 0 && text[OL_MIN((size_t)size, sizeof text - 1) - 1] == '\n')
        text[OL_MIN((size_t)size, sizeof text - 1) - 1] = '\0';
    if (strstr(text, "response code is 431") !=
        NULL) /* the library's own answer: nothing tells us */
        metric_add(&l->door->metrics->http_refused_large, 1);
    log_write(LOG_LEVEL_DEBUG, "intake", "http: %s", text);
}

static struct MHD_Daemon *start_daemon(struct http_listener *l, const struct agent_config *config)
{
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)http_tls_no_certificate},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)HTTP_TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL}};
    bool is_tls = l->socket.address.is_tls;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (is_tls ? MHD_USE_TLS : 0),
        0, NULL, NULL, handle, l, MHD_OPTION_EXTERNAL_LOGGER, server_log, l,
        MHD_OPTION_LISTEN_SOCKET, l->socket.fd, MHD_OPTION_CONNECTION_LIMIT, l->limit,
        MHD_OPTION_CONNECTION_TIMEOUT, l->idle_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)config->http_max_header, MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)4096,
        MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_NOTIFY_CONNECTION, connected, l,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY,
        is_tls ? tls : &tls[OL_COUNT(tls) - 1], MHD_OPTION_END);
}

static ol_status listener_start(struct http_listener *l, const char *address,
                                const struct agent_config *config, struct ol_error *err)
{
    struct listen_address parsed;
    ol_status status = listen_parse(address, &parsed, err);
    if (status == OL_OK && parsed.is_tls && l->door->tls == NULL)
        status = http_tls_open(config, &l->door->tls, err);
    if (status == OL_OK)
        status = listen_open(&parsed, &l->door->files, &l->socket, err);
    if (status != OL_OK)
        return status;
    l->is_asking = http_auth_is_asked(config, &parsed);
    if (!parsed.is_local && !parsed.is_tls)
        log_write(LOG_LEVEL_WARNING, "intake",
                  "'%s': events and keys travel unencrypted; write tls: before the address",
                  l->socket.address.text);
    l->limit = listen_limit(config->http_listen.count, (unsigned)config->http_max_connections);
    l->idle_s = (unsigned)OL_MAX(1, config->http_idle_ms / 1000);
    if (l->limit < (unsigned)config->http_max_connections)
        log_write(LOG_LEVEL_WARNING, "intake",
                  "'%s': at most %u connections at once, for want of descriptors (ulimit -n)",
                  l->socket.address.text, l->limit);
    l->daemon = start_daemon(l, config);
    if (l->daemon == NULL)
        return ol__error_set_errno(err, errno, "'%s': start the HTTP server",
                                   l->socket.address.text);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    struct epoll_event event = {.events = EPOLLIN};
    if (info == NULL || epoll_ctl(l->door->epoll_fd, EPOLL_CTL_ADD, info->epoll_fd, &event) != 0)
        return ol__error_set_errno(err, errno, "'%s': watch", l->socket.address.text);
    return OL_OK;
}

/* ---- De-duplication across restarts ---- */

struct refill {
    struct dedup *dedup;
    int64_t wall_ms, monotonic_ms;
};

static void refill_key(void *arg, const uint8_t request[16], uint64_t position,
                       uint64_t seq OL_UNUSED, int64_t time_ms)
{
    struct refill *f = arg;
    uint8_t key[DEDUP_KEY_SIZE];
    int64_t at = f->monotonic_ms - OL_MAX(0, f->wall_ms - time_ms);
    dedup_element_key(request, position, key);
    if (dedup_find(f->dedup, key, at) == DEDUP_NEW)
        dedup_add(f->dedup, key, at);
}

static ol_status open_dedup(struct http_door *door, struct ol_error *err)
{
    ol_status status = dedup_new(DEDUP_KEYS_MAX, DEDUP_WINDOW_MS, &door->dedup, err);
    if (status != OL_OK)
        return status;
    struct refill f = {.dedup = door->dedup,
                       .wall_ms = ol__time_now_ms(),
                       .monotonic_ms = ol__time_monotonic_ms()};
    /* The clock may have been set while no agent ran: what came last is as fresh as ever. */
    if (spool_clock_is_doubtful(door->agent->spool, f.wall_ms))
        f.wall_ms = spool_last_time_ms(door->agent->spool);
    status = spool_recent_keys(door->agent->spool, f.wall_ms - DEDUP_WINDOW_MS, DEDUP_KEYS_MAX,
                               refill_key, &f, err);
    dedup_commit(door->dedup);
    return status;
}

static struct MHD_Response *empty_response(bool is_last)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response != NULL && is_last &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") != MHD_YES) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

static ol_status open_senders(struct http_door *door, struct ol_error *err)
{
    const struct agent_config *config = door->agent->config;
    const struct http_sender_limits limits = {
        .rate = (uint64_t)config->http_rate,
        .burst = (uint64_t)(config->http_burst > 0 ? config->http_burst : config->http_rate * 10)};
    ol_status status = config_socket_file(config, &door->files, err);
    if (status == OL_OK)
        status = http_keys_open(config, &door->keys, err);
    if (status == OL_OK)
        status = senders_open(config->spool_directory, &door->names, err);
    if (status == OL_OK)
        status = http_senders_new(&limits, door->metrics, &door->senders, err);
    return status;
}

ol_status http_door_open(const struct agent *agent, struct intake_taker *taker,
                         struct http_door **ret, struct ol_error *err)
{
    const struct agent_config *config = agent->config;
    struct http_door *door = calloc(1, sizeof *door);
    if (door == NULL)
        return ol__error_set(err, OL_NOMEM, "HTTP door: out of memory");
    ol_status status = OL_OK;
    door->agent = agent;
    door->metrics = &agent->metrics->intake;
    door->taker = taker;
    door->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    door->created = empty_response(false);
    door->created_close = empty_response(true);
    door->listeners = calloc(OL_MAX((size_t)1, config->http_listen.count), sizeof *door->listeners);
    if (door->epoll_fd < 0)
        status = ol__error_set_errno(err, errno, "HTTP door: epoll");
    else if (door->created == NULL || door->created_close == NULL || door->listeners == NULL)
        status = ol__error_set(err, OL_NOMEM, "HTTP door: out of memory");
    if (status == OL_OK)
        status = ol__sha256_new(&door->hash, err);
    if (status == OL_OK)
        status = open_senders(door, err);
    if (status == OL_OK)
        status = open_dedup(door, err);
    for (size_t i = 0; i < config->http_listen.count && status == OL_OK; i++) {
        struct http_listener *l = &door->listeners[door->listener_count++];
        *l = (struct http_listener){.door = door, .socket = {.fd = -1}};
        status = listener_start(l, config->http_listen.items[i], config, err);
    }
    if (status != OL_OK) {
        http_door_close(door);
        return status;
    }
    *ret = door;
    return OL_OK;
}

int http_door_fd(const struct http_door *door)
{
    return door->epoll_fd;
}

int http_door_timeout_ms(const struct http_door *door)
{
    int least = -1;
    for (size_t i = 0; i < door->listener_count; i++) {
        MHD_UNSIGNED_LONG_LONG timeout;
        if (MHD_get_timeout(door->listeners[i].daemon, &timeout) == MHD_YES &&
            (least < 0 || timeout < (unsigned)least))
            least = (int)OL_MIN(timeout, 60000u);
        int look = http_links_timeout_ms(&door->listeners[i]);
        if (look >= 0 && (least < 0 || look < least))
            least = look;
    }
    return least;
}

void http_door_run(struct http_door *door)
{
    for (size_t i = 0; i < door->listener_count; i++) {
        http_server_run(door->listeners[i].daemon);
        http_links_look(&door->listeners[i]);
    }
}

bool http_door_is_waiting(const struct http_door *door)
{
    return door->waiting != NULL;
}

void http_door_committed(struct http_door *door, ol_status status)
{
    if (status == OL_OK)
        dedup_commit(door->dedup);
    else
        dedup_rollback(door->dedup);
    struct http_request *r = door->waiting;
    door->waiting = NULL;
    door->waiting_count = 0;
    metric_set(&door->metrics->dedup_keys, dedup_count(door->dedup));
    int64_t now_us = ol__time_monotonic_us();
    while (r != NULL) {
        struct http_request *next = r->next; /* r may be waiting again, or gone, after a run */
        r->next = NULL;
        r->is_waiting = false;
        histogram_add(&door->metrics->to_sync, now_us - r->begun_us, 1);
        if (status != OL_OK)
            http_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE,
                        status == OL_FULL ? "the spool is full" : "the spool cannot be written");
        MHD_resume_connection(r->connection);
        r = next;
    }
    http_door_run(door); /* a resume alone wakes nothing */
}

void http_door_quiesce(struct http_door *door)
{
    door->is_quiet = true;
    for (size_t i = 0; i < door->listener_count; i++) {
        struct http_listener *l = &door->listeners[i];
        if (l->socket.fd < 0 || l->daemon == NULL)
            continue;
        OL_IGNORE(MHD_quiesce_daemon(l->daemon) < 0, "the descriptor is ours already");
        listen_close(&l->socket);
    }
}

uint64_t http_door_accepted(const struct http_door *door)
{
    return door->accepted;
}

unsigned http_door_active(const struct http_door *door)
{
    return door->active;
}

const char *http_door_address(const struct http_door *door, size_t index)
{
    return index < door->listener_count ? door->listeners[index].socket.address.text : NULL;
}

void http_door_close(struct http_door *door)
{
    if (door == NULL)
        return;
    assert(door->waiting == NULL); /* promise 4 */
    for (size_t i = 0; i < door->listener_count; i++) {
        struct http_listener *l = &door->listeners[i];
        if (l->daemon != NULL) {
            if (l->socket.fd >= 0)
                OL_IGNORE(MHD_quiesce_daemon(l->daemon) < 0, "closed right below");
            MHD_stop_daemon(l->daemon);
        }
        listen_close(&l->socket);
    }
    while (door->spare != NULL) {
        struct http_request *r = door->spare;
        door->spare = r->next;
        ol__buf_release(&r->body);
        free(r);
    }
    if (door->created != NULL)
        MHD_destroy_response(door->created);
    if (door->created_close != NULL)
        MHD_destroy_response(door->created_close);
    ol__json_reader_free(door->json);
    http_tls_close(door->tls);
    http_senders_free(door->senders);
    http_keys_close(door->keys);
    senders_close(door->names);
    ol__sha256_free(door->hash);
    dedup_free(door->dedup);
    free(door->listeners);
    if (door->epoll_fd >= 0)
        close(door->epoll_fd);
    free(door);
}
