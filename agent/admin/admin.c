/* SPDX-License-Identifier: Apache-2.0 */
/* The admin socket, and housekeeping.
 * Promises:
 *  1. Health, status and metrics are answered while a sync hangs: this thread touches no file of
 *     the spool but to list dead letters, and takes no lock that is held over a system call.
 *     Housekeeping, which does, has a thread of its own.
 *  2. Who asks is known from the socket before anything is answered.
 *  3. What changes something waits for other threads and their disks: it has a thread of its own
 *     (changes.c), and its connection is suspended until that is done. */
#include "admin_impl.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "http_server.h"
#include "json_write.h"
#include "listen.h"

#define CONNECTIONS_MAX 64
#define IDLE_S 30
#define HOUSEKEEPING_S 1
#define HOUSEKEEPER_STACK (128u * 1024u)

struct admin {
    const struct agent *agent;
    struct admin_questions questions;
    struct admin_look look;
    struct listen_socket socket;
    struct MHD_Daemon *daemon;
    struct admin_changes *changes;
    int epoll_fd, wake_fd;
    int64_t group; /* gid of ADMIN_GROUP */
    pthread_t thread, housekeeper;
    bool is_started, has_housekeeper;
    pthread_mutex_t lock; /* so that the housekeeper does not miss must_stop */
    pthread_cond_t stopping;
    atomic_bool must_stop;
};

void admin_reply_error(struct admin_reply *reply, int status, const char *format, ...)
{
    char text[512];
    struct ol__json_writer w;
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    ol__buf_reset(&reply->body);
    ol__json_writer_init(&w, &reply->body);
    ol__json_begin_object(&w);
    ol__json_key(&w, "errors");
    ol__json_begin_array(&w);
    ol__json_begin_object(&w);
    ol__json_member_text(&w, "message", text);
    ol__json_end_object(&w);
    ol__json_end_array(&w);
    ol__json_end_object(&w);
    ol__buf_add_char(&reply->body, '\n');
    reply->status = status;
    reply->type = "application/json";
}

static bool is_below(const char *path, const char *base)
{
    size_t size = strlen(base);
    return strncmp(path, base, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

void admin_get(struct admin_questions *questions, const struct admin_request *request,
               struct admin_reply *reply)
{
    const struct agent *agent = questions->agent;
    if (strcmp(request->path, "/healthz") == 0) {
        reply->status = admin_health(agent, &reply->body) ? 200 : 503;
        reply->type = "text/plain; charset=utf-8";
    } else if (strcmp(request->path, "/metrics") == 0) {
        reply->status =
            admin_exposition(agent, request->wants_openmetrics, &reply->body) == OL_OK ? 200 : 503;
        reply->type = admin_exposition_type(request->wants_openmetrics);
    } else if (strcmp(request->path, "/status") == 0) {
        reply->status = admin_status(agent, &reply->body) == OL_OK ? 200 : 503;
        reply->type = "application/json";
    } else if (is_below(request->path, "/v1/deadletters"))
        admin_letters(agent, request, reply);
    else if (strncmp(request->path, "/v1/", 4) == 0)
        admin_question(questions, request, reply);
    else
        admin_reply_error(reply, 404, "no such path: %s", request->path);
}

/* ---- The server ---- */

static const char *parameter(const struct admin_request *request, const char *name)
{
    const char *value = MHD_lookup_connection_value(request->arg, MHD_GET_ARGUMENT_KIND, name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct admin_reply *reply)
{
    enum MHD_Result result = MHD_NO;
    if (reply->body.status != OL_OK)
        admin_reply_error(reply, 503, "the answer is too large");
    size_t size = reply->body.size;
    char *body = ol__buf_take(&reply->body);
    if (body == NULL)
        return MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(body);
        return MHD_NO;
    }
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type) == MHD_YES &&
        (reply->status != MHD_HTTP_METHOD_NOT_ALLOWED ||
         MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
        result = MHD_queue_response(connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static char seen; /* its address marks a request whose header has been seen */

/* Hand a change over. @return whether its answer comes later. */
static bool begin_change(struct admin *admin, struct MHD_Connection *connection,
                         const struct admin_request *request, struct admin_reply *reply,
                         void **state)
{
    if (!admin_change_is(request->path)) {
        admin_reply_error(reply, 405, "only GET");
        return false;
    }
    if (!request->peer.may_change) { /* before it takes a place in the queue */
        admin_change(admin->agent, request, reply);
        return false;
    }
    struct admin_change_item *item = calloc(1, sizeof *item);
    if (item == NULL || !admin_changes_put(admin->changes, item, request)) {
        admin_change_item_free(item);
        admin_reply_error(reply, 503, "too many changes wait");
        return false;
    }
    item->connection = connection;
    *state = item;
    MHD_suspend_connection(connection);
    return true;
}

/* Answers that are ready: the connections go on. */
static void resume_changed(struct admin *admin)
{
    struct admin_change_item *item;
    while ((item = admin_changes_take(admin->changes)) != NULL)
        MHD_resume_connection(item->connection);
}

static void completed(void *arg OL_UNUSED, struct MHD_Connection *connection OL_UNUSED,
                      void **state, enum MHD_RequestTerminationCode code OL_UNUSED)
{
    if (*state != NULL && *state != &seen)
        admin_change_item_free(*state);
    *state = NULL;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version OL_UNUSED,
                              const char *data OL_UNUSED, size_t *data_size, void **state)
{
    struct admin *admin = arg;
    struct ol_error err = {0};
    if (*state == NULL) {
        *state = &seen;
        return MHD_YES;
    }
    if (*data_size > 0) { /* nothing here takes a body */
        *data_size = 0;
        return MHD_YES;
    }
    if (*state != &seen) { /* promise 3: it was suspended, and is done */
        struct admin_change_item *item = *state;
        return send_reply(connection, &item->reply);
    }
    struct admin_request request = {
        .path = url,
        .parameter = parameter,
        .arg = connection,
        .wants_openmetrics = admin_exposition_is_open(
            MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT))};
    struct admin_reply reply = {.status = 500, .type = "text/plain"};
    ol__buf_init(&reply.body, ADMIN_ANSWER_MAX);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == NULL || admin_peer_read(info->connect_fd, geteuid(), admin->group, &request.peer,
                                        &err) != OL_OK) /* promise 2 */
        admin_reply_error(&reply, 403, "cannot tell who asks");
    else if (strcmp(method, "POST") == 0) {
        if (begin_change(admin, connection, &request, &reply, state))
            return MHD_YES;
    } else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        admin_reply_error(&reply, 405, "only GET");
    else
        admin_get(&admin->questions, &request, &reply);
    enum MHD_Result result = send_reply(connection, &reply);
    ol__buf_release(&reply.body);
    return result;
}

static void *run(void *arg)
{
    struct admin *admin = arg;
    pthread_setname_np(pthread_self(), "admin");
    while (!atomic_load(&admin->must_stop)) {
        struct epoll_event events[2];
        MHD_UNSIGNED_LONG_LONG timeout;
        int wait_ms = -1;
        if (MHD_get_timeout(admin->daemon, &timeout) == MHD_YES)
            wait_ms = (int)OL_MIN(timeout, 60000u);
        uint64_t count;
        OL_IGNORE(epoll_wait(admin->epoll_fd, events, 2, wait_ms), "any reason to look");
        OL_IGNORE(read(admin->wake_fd, &count, sizeof count) < 0, "EAGAIN: nothing came");
        resume_changed(admin);
        http_server_run(admin->daemon);
    }
    return NULL;
}

static void *keep_house(void *arg)
{
    struct admin *admin = arg;
    struct ol_error err = {0};
    struct timespec until;
    pthread_setname_np(pthread_self(), "housekeeper");
    pthread_mutex_lock(&admin->lock);
    while (!atomic_load(&admin->must_stop)) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += HOUSEKEEPING_S;
        pthread_cond_timedwait(&admin->stopping, &admin->lock, &until);
        if (atomic_load(&admin->must_stop))
            break;
        pthread_mutex_unlock(&admin->lock);
        if (spool_reap(admin->agent->spool, &err) < 0)
            log_write(LOG_LEVEL_WARNING, "spool", "%s", err.message);
        admin_look(&admin->look, admin->agent);
        log_flush(false);
        pthread_mutex_lock(&admin->lock);
    }
    pthread_mutex_unlock(&admin->lock);
    return NULL;
}

static ol_status start_housekeeper(struct admin *admin, struct ol_error *err)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, HOUSEKEEPER_STACK);
    int failed = pthread_create(&admin->housekeeper, &attributes, keep_house, admin);
    pthread_attr_destroy(&attributes);
    if (failed != 0)
        return ol__error_set_errno(err, failed, "admin: thread");
    admin->has_housekeeper = true;
    return OL_OK;
}

static ol_status watch(struct admin *admin, int fd, struct ol_error *err)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(admin->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return ol__error_set_errno(err, errno, "admin: epoll");
    return OL_OK;
}

static ol_status start_server(struct admin *admin, struct ol_error *err)
{
    const struct agent_config *config = admin->agent->config;
    struct listen_address address;
    char text[1100];
    snprintf(text, sizeof text, "unix:%s", config->admin_socket);
    ol_status status = listen_parse(text, &address, err);
    if (status == OL_OK) /* in the system place everybody may ask, about the own runs */
        status = listen_open(&address,
                             &(struct listen_file){.mode = config->is_system ? 0666 : 0600,
                                                   .group = LISTEN_NO_GROUP,
                                                   .is_system = config->is_system},
                             &admin->socket, err);
    if (status != OL_OK)
        return status;
    admin->daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, admin,
                         MHD_OPTION_LISTEN_SOCKET, admin->socket.fd, MHD_OPTION_CONNECTION_LIMIT,
                         listen_limit(0, CONNECTIONS_MAX), MHD_OPTION_CONNECTION_TIMEOUT,
                         (unsigned)IDLE_S, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
                         MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_END);
    if (admin->daemon == NULL)
        return ol__error_set_errno(err, errno, "'%s': start the HTTP server", text);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL)
        return ol__error_set(err, OL_IO, "admin: the HTTP server has no epoll");
    return watch(admin, info->epoll_fd, err);
}

static struct admin *admin_new(const struct agent *agent)
{
    pthread_condattr_t clock;
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL)
        return NULL;
    admin->agent = agent;
    admin->questions.agent = agent;
    admin->socket.fd = -1;
    admin->group = ADMIN_NO_GROUP;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&admin->stopping, &clock);
    pthread_condattr_destroy(&clock);
    pthread_mutex_init(&admin->lock, NULL);
    return admin;
}

ol_status admin_start(const struct agent *agent, struct admin **ret, struct ol_error *err)
{
    struct admin *admin = admin_new(agent);
    if (admin == NULL)
        return ol__error_set(err, OL_NOMEM, "admin: out of memory");
    if (agent->config->is_system) {
        const struct group *group = getgrnam(ADMIN_GROUP);
        if (group != NULL)
            admin->group = group->gr_gid;
    }
    admin->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    admin->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ol_status status = admin->epoll_fd < 0 || admin->wake_fd < 0
                           ? ol__error_set_errno(err, errno, "admin: epoll")
                           : watch(admin, admin->wake_fd, err);
    if (status == OL_OK)
        status = admin_changes_start(agent, admin->wake_fd, &admin->changes, err);
    if (status == OL_OK)
        status = start_server(admin, err);
    if (status == OL_OK) {
        admin_look(&admin->look, agent); /* so that the first answer has it */
        status = start_housekeeper(admin, err);
    }
    if (status == OL_OK) {
        int failed = pthread_create(&admin->thread, NULL, run, admin);
        if (failed != 0)
            status = ol__error_set_errno(err, failed, "admin: thread");
    }
    if (status != OL_OK) {
        admin_stop(admin);
        return status;
    }
    admin->is_started = true;
    log_write(LOG_LEVEL_INFO, "admin", "answering on %s", admin->socket.address.text);
    *ret = admin;
    return OL_OK;
}

void admin_stop(struct admin *admin)
{
    uint64_t one = 1;
    if (admin == NULL)
        return;
    atomic_store(&admin->must_stop, true);
    if (admin->is_started) {
        OL_IGNORE(write(admin->wake_fd, &one, sizeof one) < 0, "a full eventfd wakes as well");
        pthread_join(admin->thread, NULL);
    }
    if (admin->has_housekeeper) {
        pthread_mutex_lock(&admin->lock);
        pthread_cond_signal(&admin->stopping);
        pthread_mutex_unlock(&admin->lock);
        pthread_join(admin->housekeeper, NULL);
    }
    pthread_cond_destroy(&admin->stopping);
    pthread_mutex_destroy(&admin->lock);
    admin_changes_stop(admin->changes);
    if (admin->daemon != NULL) {
        resume_changed(admin); /* the server must not be stopped while one is suspended */
        http_server_run(admin->daemon);
        OL_IGNORE(MHD_quiesce_daemon(admin->daemon) < 0, "the descriptor is closed below");
        MHD_stop_daemon(admin->daemon);
    }
    admin_changes_free(admin->changes);
    listen_close(&admin->socket);
    admin_questions_release(&admin->questions);
    if (admin->epoll_fd >= 0)
        close(admin->epoll_fd);
    if (admin->wake_fd >= 0)
        close(admin->wake_fd);
    free(admin);
}
