/* SPDX-License-Identifier: Apache-2.0 */
/* The intake thread.
 * Promises:
 *  1. One group at a time: gather what has come, commit, tell every source, and only then gather
 * again. What comes while the sync runs waits in sockets and journals and shares the next group.
 *  2. Nobody hears of success before spool_group_commit() has returned OL_OK.
 *  3. While the spool takes nothing, journals wait on disk and HTTP is answered 503; the loop never
 * spins.
 *  4. A stop answers every request that was whole when it came.
 *  5. Who hands records over hears of them after the sync, as all others do. */
#include "agent.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "handover.h"
#include "http.h"
#include "journal.h"
#include "take.h"
#include "times.h"

#define GROUP_BYTES ((size_t)4 << 20) /* of journals in one group */
#define FAILED_PAUSE_MS 1000 /* after a commit that failed, before journals are read again */
#define ACCEPT_MS 500        /* who keeps connecting holds up a stop no longer */
#define STOP_MS 3000         /* how long a request that is half sent may hold up a stop */

struct intake {
    const struct agent *agent;
    struct intake_taker *taker;
    struct http_door *door;          /* NULL: no listeners */
    struct journal_intake *journals; /* NULL: no directories */
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool is_started;
    atomic_bool must_stop;
    bool has_more;             /* journals had more than fitted into the group */
    bool is_failing;           /* the last commit failed */
    int64_t journals_after_ms; /* monotonic: not before */
    struct handover *requests;
    struct handover_job *put; /* its records are in the group; answered after the commit */
};

/* What intake_put() hands over. */
struct put {
    struct spool_record *records;
    size_t count, added;
};

static ol_status watch(struct intake *in, int fd, uint32_t events, struct ol_error *err)
{
    struct epoll_event event = {.events = events};
    if (epoll_ctl(in->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return ol__error_set_errno(err, errno, "intake: epoll");
    return OL_OK;
}

static ol_status open_journals(struct intake *in, struct ol_error *err)
{
    ol_status status = journal_intake_open(in->agent, in->taker, &in->journals, err);
    if (status != OL_OK)
        return status;
    journal_intake_rescan(in->journals);
    in->has_more = true; /* the first turn looks at them */
    int fd = journal_intake_fd(in->journals);
    /* edge-triggered: it stays readable while journals must wait, and must not make the loop spin
     */
    return fd >= 0 ? watch(in, fd, EPOLLIN | EPOLLET, err) : OL_OK;
}

ol_status intake_open(const struct agent *agent, bool no_listeners, struct intake **ret,
                      struct ol_error *err)
{
    const struct agent_config *config = agent->config;
    struct intake *in = calloc(1, sizeof *in);
    if (in == NULL)
        return ol__error_set(err, OL_NOMEM, "intake: out of memory");
    in->agent = agent;
    in->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    in->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ol_status status = in->epoll_fd < 0 || in->wake_fd < 0
                           ? ol__error_set_errno(err, errno, "intake: epoll")
                           : watch(in, in->wake_fd, EPOLLIN, err);
    if (status == OL_OK)
        status = handover_new(in->wake_fd, &in->requests, err);
    if (status == OL_OK)
        status = intake_taker_new(agent->spool, &agent->metrics->intake, config->validation == 1,
                                  SPOOL_PAYLOAD_MAX, &in->taker, err);
    if (status == OL_OK) {
        intake_taker_limit_depth(in->taker, (size_t)config->max_depth);
        intake_taker_use_rules(in->taker, agent->rules);
    }
    if (status == OL_OK && config->http_listen.count > 0 && !no_listeners)
        status = http_door_open(agent, in->taker, &in->door, err);
    if (status == OL_OK && in->door != NULL)
        status = watch(in, http_door_fd(in->door), EPOLLIN, err);
    if (status == OL_OK && config->journal_directories.count + config->files_paths.count > 0)
        status = open_journals(in, err);
    if (status != OL_OK) {
        intake_close(in);
        return status;
    }
    *ret = in;
    return OL_OK;
}

/* Tell once when it begins and once when it ends. */
static void note_commit(struct intake *in, ol_status status, const struct ol_error *err)
{
    if (status != OL_OK && !in->is_failing)
        log_write(LOG_LEVEL_ERROR, "intake", "events are refused: %s", err->message);
    if (status == OL_OK && in->is_failing)
        log_write(LOG_LEVEL_INFO, "intake", "events are taken again");
    in->is_failing = status != OL_OK;
}

static ol_status commit(struct intake *in, struct ol_error *err)
{
    OL_CRASHPOINT("intake.gathered");
    ol_status status = intake_taker_commit(in->taker, err);
    OL_CRASHPOINT("intake.committed");
    note_commit(in, status, err);
    if (status != OL_OK) /* promise 3 */
        in->journals_after_ms = ol__time_monotonic_ms() + FAILED_PAUSE_MS;
    if (in->journals != NULL) {
        if (status == OL_OK)
            journal_intake_committed(in->journals);
        else
            journal_intake_rolled_back(in->journals);
    }
    return status;
}

static void run_journals(struct intake *in, int64_t now_ms)
{
    struct ol_error err = {0};
    if (in->journals == NULL)
        return;
    if (now_ms < in->journals_after_ms) {
        in->has_more = true; /* the edge that woke us is gone: look when the pause is over */
        return;
    }
    ol_status status = journal_intake_run(in->journals, GROUP_BYTES, &err);
    in->has_more = status == OL_AGAIN;
    if (status < 0) {
        if (status != OL_FULL) /* that is told by who looks at the spool, once */
            log_write(LOG_LEVEL_WARNING, "intake", "journals: %s", err.message);
        in->journals_after_ms = now_ms + FAILED_PAUSE_MS;
    }
}

/* One a turn: its records are few beside what a group holds. */
static void take_put(struct intake *in)
{
    struct ol_error err = {0};
    ol_status status = OL_OK;
    in->put = handover_next(in->requests);
    if (in->put == NULL)
        return;
    struct put *put = in->put->arg;
    while (put->added < put->count && status == OL_OK) {
        status = spool_group_add(in->agent->spool, &put->records[put->added], &err);
        put->added += status == OL_OK;
    }
    if (put->added > 0)
        return;
    handover_answer(in->requests, in->put, status, &err);
    in->put = NULL;
}

static void answer_put(struct intake *in, ol_status status, const struct ol_error *err)
{
    if (in->put == NULL)
        return;
    if (status != OL_OK)
        ((struct put *)in->put->arg)->added = 0;
    handover_answer(in->requests, in->put, status, err); /* promise 5 */
    in->put = NULL;
}

ol_status intake_put(struct intake *in, struct spool_record *records, size_t count,
                     size_t *ret_count, struct ol_error *err)
{
    struct put put = {.records = records, .count = count};
    struct handover_job job = {.arg = &put};
    ol_status status = handover_ask(in->requests, &job, err);
    *ret_count = status == OL_OK ? put.added : 0;
    return status;
}

/* Gather, commit, answer (promises 1 and 2). */
static void turn(struct intake *in)
{
    struct ol_error err = {0};
    if (in->door != NULL)
        http_door_run(in->door);
    take_put(in);
    run_journals(in, ol__time_monotonic_ms());
    bool is_http = in->door != NULL && http_door_is_waiting(in->door);
    if (!is_http && spool_group_size(in->agent->spool) == 0)
        return;
    ol_status status = commit(in, &err);
    answer_put(in, status, &err);
    if (in->door != NULL)
        http_door_committed(in->door, status);
    OL_CRASHPOINT("intake.answered");
}

/* ms until the next turn; -1: until something comes. */
static int pause_ms(const struct intake *in, int64_t now_ms)
{
    int64_t deadline = INT64_MAX;
    if (handover_is_waiting(in->requests))
        return 0;
    if (in->door != NULL) {
        if (http_door_is_waiting(in->door))
            return 0;
        int timeout = http_door_timeout_ms(in->door);
        if (timeout >= 0)
            deadline = now_ms + timeout;
    }
    if (in->journals != NULL) {
        int64_t journals = in->has_more ? now_ms : journal_intake_deadline(in->journals);
        deadline = OL_MIN(deadline, OL_MAX(journals, in->journals_after_ms));
    }
    if (deadline == INT64_MAX)
        return -1;
    return deadline <= now_ms ? 0 : (int)OL_MIN(deadline - now_ms, 60000);
}

static void wait_for_work(struct intake *in, int timeout_ms)
{
    struct epoll_event events[4];
    uint64_t count;
    OL_IGNORE(epoll_wait(in->epoll_fd, events, OL_COUNT(events), timeout_ms), "any reason to turn");
    OL_IGNORE(read(in->wake_fd, &count, sizeof count), "only wakes");
}

/* Promise 4. */
static void finish(struct intake *in)
{
    if (in->door == NULL)
        return;
    int64_t deadline = ol__time_monotonic_ms() + ACCEPT_MS;
    uint64_t accepted;
    do { /* what stands in the sockets already is taken; the server accepts a few a turn */
        accepted = http_door_accepted(in->door);
        turn(in);
    } while (http_door_accepted(in->door) != accepted && ol__time_monotonic_ms() < deadline);
    http_door_quiesce(in->door);
    deadline = ol__time_monotonic_ms() + STOP_MS;
    for (;;) {
        turn(in);
        int64_t left = deadline - ol__time_monotonic_ms();
        if (!http_door_is_waiting(in->door) && (http_door_active(in->door) == 0 || left <= 0))
            return;
        int timeout = http_door_is_waiting(in->door) ? 0 : (int)OL_MAX(0, OL_MIN(left, 100));
        wait_for_work(in, timeout);
    }
}

static void *run(void *arg)
{
    struct intake *in = arg;
    pthread_setname_np(pthread_self(), "intake");
    while (!atomic_load(&in->must_stop)) {
        wait_for_work(in, pause_ms(in, ol__time_monotonic_ms()));
        turn(in);
    }
    finish(in);
    handover_close(in->requests);
    return NULL;
}

ol_status intake_start(struct intake *in, struct ol_error *err)
{
    for (size_t i = 0; in->door != NULL && http_door_address(in->door, i) != NULL; i++)
        log_write(LOG_LEVEL_INFO, "intake", "listening on %s", http_door_address(in->door, i));
    int failed = pthread_create(&in->thread, NULL, run, in);
    if (failed != 0)
        return ol__error_set_errno(err, failed, "intake: thread");
    in->is_started = true;
    return OL_OK;
}

void intake_stop(struct intake *in)
{
    uint64_t one = 1;
    if (in == NULL || !in->is_started)
        return;
    atomic_store(&in->must_stop, true);
    OL_IGNORE(write(in->wake_fd, &one, sizeof one), "an eventfd that is full wakes as well");
    pthread_join(in->thread, NULL);
    in->is_started = false;
}

ol_status intake_drain_once(struct intake *in, struct ol_error *err)
{
    ol_status status = OL_AGAIN;
    if (in->journals == NULL)
        return OL_OK;
    bool has_passed = false;
    journal_intake_rescan(in->journals);
    while (status == OL_AGAIN) {
        status = journal_intake_run(in->journals, GROUP_BYTES, err);
        if (status < 0 && status != OL_FULL)
            return status;
        struct ol_error commit_err = {0};
        ol_status committed = commit(in, &commit_err);
        if (committed != OL_OK) {
            if (err != NULL)
                *err = commit_err;
            return committed;
        }
        if (status == OL_OK && !has_passed) {
            has_passed = true;
            journal_intake_let_pass(in->journals);
            status = OL_AGAIN;
        }
    }
    return status;
}

const char *intake_address(const struct intake *in, size_t index)
{
    return in->door != NULL ? http_door_address(in->door, index) : NULL;
}

void intake_close(struct intake *in)
{
    if (in == NULL)
        return;
    intake_stop(in);
    handover_close(in->requests);
    handover_free(in->requests);
    http_door_close(in->door);
    journal_intake_close(in->journals);
    intake_taker_free(in->taker);
    if (in->epoll_fd >= 0)
        close(in->epoll_fd);
    if (in->wake_fd >= 0)
        close(in->wake_fd);
    free(in);
}
