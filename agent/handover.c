/* SPDX-License-Identifier: Apache-2.0 */
/* Promise: every job that was handed over is answered, at the latest by handover_close(). */
#include "handover.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct handover {
    int wake_fd;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    struct handover_job *first, **last;
    unsigned count;
    bool is_closed;
};

ol_status handover_new(int wake_fd, struct handover **ret, struct ol_error *err)
{
    struct handover *h = calloc(1, sizeof *h);
    if (h == NULL)
        return ol__error_set(err, OL_NOMEM, "requests to a thread: out of memory");
    h->wake_fd = wake_fd;
    h->last = &h->first;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->answered, NULL);
    *ret = h;
    return OL_OK;
}

void handover_free(struct handover *h)
{
    if (h == NULL)
        return;
    pthread_cond_destroy(&h->answered);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

ol_status handover_ask(struct handover *h, struct handover_job *job, struct ol_error *err)
{
    uint64_t one = 1;
    job->next = NULL;
    job->is_done = false;
    job->err = (struct ol_error){.status = OL_OK};
    pthread_mutex_lock(&h->lock);
    if (h->is_closed || h->count == HANDOVER_MAX) {
        bool is_closed = h->is_closed;
        pthread_mutex_unlock(&h->lock);
        return ol__error_set(err, OL_BUSY,
                             is_closed ? "the agent is stopping" : "too many requests wait");
    }
    *h->last = job;
    h->last = &job->next;
    h->count++;
    OL_IGNORE(write(h->wake_fd, &one, sizeof one) < 0, "full means it is awake already");
    while (!job->is_done)
        pthread_cond_wait(&h->answered, &h->lock);
    pthread_mutex_unlock(&h->lock);
    if (job->err.status != OL_OK && err != NULL)
        *err = job->err;
    return job->err.status;
}

/* Under the lock. */
static struct handover_job *take(struct handover *h)
{
    struct handover_job *job = h->first;
    if (job == NULL)
        return NULL;
    h->first = job->next;
    if (h->first == NULL)
        h->last = &h->first;
    job->next = NULL;
    h->count--;
    return job;
}

struct handover_job *handover_next(struct handover *h)
{
    pthread_mutex_lock(&h->lock);
    struct handover_job *job = take(h);
    pthread_mutex_unlock(&h->lock);
    return job;
}

bool handover_is_waiting(struct handover *h)
{
    pthread_mutex_lock(&h->lock);
    bool is_waiting = h->first != NULL;
    pthread_mutex_unlock(&h->lock);
    return is_waiting;
}

static void finish(struct handover *h, struct handover_job *job, ol_status status,
                   const struct ol_error *err)
{
    if (status != OL_OK && err != NULL)
        job->err = *err;
    job->err.status = status;
    job->is_done = true;
    pthread_cond_broadcast(&h->answered);
}

void handover_answer(struct handover *h, struct handover_job *job, ol_status status,
                     const struct ol_error *err)
{
    pthread_mutex_lock(&h->lock);
    finish(h, job, status, err);
    pthread_mutex_unlock(&h->lock);
}

void handover_close(struct handover *h)
{
    struct ol_error err = {0};
    struct handover_job *job;
    if (h == NULL)
        return;
    pthread_mutex_lock(&h->lock);
    h->is_closed = true;
    while ((job = take(h)) != NULL)
        finish(h, job, ol__error_set(&err, OL_BUSY, "the agent is stopping"), &err);
    pthread_mutex_unlock(&h->lock);
}
