/* SPDX-License-Identifier: Apache-2.0 */
/* What changes something, by path, and the thread that does it.
 * Promises:
 *  1. Nobody but root and the agent's uid changes anything.
 *  2. One change at a time, in the order they came; at most CHANGES_MAX wait.
 *  3. Every item that was put comes out of admin_changes_take(), at the latest after
 *     admin_changes_stop(). */
#include "admin_impl.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CHANGES_MAX 8
#define TEXTS_MAX 8192
#define CHANGE_STACK (512u * 1024u)

static const struct {
    const char *path;
    void (*run)(const struct agent *agent, const struct admin_request *request,
                struct admin_reply *reply);
} verbs[] = {
    {"/v1/deadletters/retry", admin_letters_retry},
    {"/v1/deadletters/drop", admin_letters_drop},
    {"/v1/spool/replay", admin_replay},
    {"/v1/store/gc", admin_gc},
};
/* All that any of them takes. */
static const char *const parameter_names[] = {
    "id",   "route", "reason",        "status",    "up_to", "all",
    "from", "run",   "older_than_ms", "keep_last", "class", "limit"};

struct admin_changes {
    const struct agent *agent;
    int wake_fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct admin_change_item *first, **last; /* waiting */
    struct admin_change_item *done;
    unsigned count;
    bool must_stop, is_started;
};

static size_t find_verb(const char *path)
{
    size_t i = 0;
    while (i < OL_COUNT(verbs) && strcmp(path, verbs[i].path) != 0)
        i++;
    return i;
}

bool admin_change_is(const char *path)
{
    return find_verb(path) < OL_COUNT(verbs);
}

void admin_change(const struct agent *agent, const struct admin_request *request,
                  struct admin_reply *reply)
{
    size_t i = find_verb(request->path);
    if (i == OL_COUNT(verbs))
        admin_reply_error(reply, 404, "no such path: %s", request->path);
    else if (!request->peer.may_change)
        admin_reply_error(reply, 403,
                          "only root and the agent's own user (uid %ld) may change something here",
                          (long)geteuid());
    else
        verbs[i].run(agent, request, reply);
}

/* ---- The queue ---- */

/* texts: path NUL, then name NUL value NUL for each parameter given. */
static const char *kept_parameter(const struct admin_request *request, const char *name)
{
    const struct admin_change_item *item = request->arg;
    const char *at = item->texts.data + strlen(item->texts.data) + 1;
    const char *end = item->texts.data + item->texts.size;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

static bool keep(struct admin_change_item *item, const struct admin_request *request)
{
    ol__buf_init(&item->texts, TEXTS_MAX);
    ol__buf_init(&item->reply.body, ADMIN_ANSWER_MAX);
    ol__buf_add(&item->texts, request->path, strlen(request->path) + 1);
    for (size_t i = 0; i < OL_COUNT(parameter_names); i++) {
        const char *value = request->parameter(request, parameter_names[i]);
        if (value == NULL)
            continue;
        ol__buf_add(&item->texts, parameter_names[i], strlen(parameter_names[i]) + 1);
        ol__buf_add(&item->texts, value, strlen(value) + 1);
    }
    item->request = (struct admin_request){
        .path = item->texts.data, .parameter = kept_parameter, .arg = item, .peer = request->peer};
    return item->texts.status == OL_OK;
}

bool admin_changes_put(struct admin_changes *c, struct admin_change_item *item,
                       const struct admin_request *request)
{
    if (!keep(item, request))
        return false;
    pthread_mutex_lock(&c->lock);
    bool has_room = c->count < CHANGES_MAX && !c->must_stop;
    if (has_room) {
        *c->last = item;
        c->last = &item->next;
        c->count++;
        pthread_cond_signal(&c->news);
    }
    pthread_mutex_unlock(&c->lock);
    return has_room;
}

struct admin_change_item *admin_changes_take(struct admin_changes *c)
{
    if (c == NULL)
        return NULL;
    pthread_mutex_lock(&c->lock);
    struct admin_change_item *item = c->done;
    if (item != NULL)
        c->done = item->next;
    pthread_mutex_unlock(&c->lock);
    return item;
}

void admin_change_item_free(struct admin_change_item *item)
{
    if (item == NULL)
        return;
    ol__buf_release(&item->texts);
    ol__buf_release(&item->reply.body);
    free(item);
}

/* ---- The thread ---- */

static void *run(void *arg)
{
    struct admin_changes *c = arg;
    uint64_t one = 1;
    pthread_setname_np(pthread_self(), "changes");
    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (c->first == NULL && !c->must_stop)
            pthread_cond_wait(&c->news, &c->lock);
        struct admin_change_item *item = c->first;
        if (item == NULL)
            break;
        c->first = item->next;
        if (c->first == NULL)
            c->last = &c->first;
        bool is_late = c->must_stop;
        pthread_mutex_unlock(&c->lock);
        if (is_late)
            admin_reply_error(&item->reply, 503, "the agent is stopping");
        else
            admin_change(c->agent, &item->request, &item->reply);
        pthread_mutex_lock(&c->lock);
        c->count--;
        item->next = c->done;
        c->done = item;
        OL_IGNORE(write(c->wake_fd, &one, sizeof one) < 0, "full means it is awake already");
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

ol_status admin_changes_start(const struct agent *agent, int wake_fd, struct admin_changes **ret,
                              struct ol_error *err)
{
    struct admin_changes *c = calloc(1, sizeof *c);
    pthread_attr_t attributes;
    if (c == NULL)
        return ol__error_set(err, OL_NOMEM, "admin: out of memory");
    c->agent = agent;
    c->wake_fd = wake_fd;
    c->last = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->news, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, CHANGE_STACK);
    int failed = pthread_create(&c->thread, &attributes, run, c);
    pthread_attr_destroy(&attributes);
    c->is_started = failed == 0;
    if (failed != 0) {
        admin_changes_free(c);
        return ol__error_set_errno(err, failed, "admin: thread");
    }
    *ret = c;
    return OL_OK;
}

void admin_changes_stop(struct admin_changes *c)
{
    if (c == NULL || !c->is_started)
        return;
    pthread_mutex_lock(&c->lock);
    c->must_stop = true;
    pthread_cond_signal(&c->news);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    c->is_started = false;
}

void admin_changes_free(struct admin_changes *c)
{
    if (c == NULL)
        return;
    pthread_cond_destroy(&c->news);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
