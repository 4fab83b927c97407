/* SPDX-License-Identifier: Apache-2.0 */
/* Proves that each request is answered by its owner once, in order, that the queue is bounded, and
 * that nobody waits for an owner that is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "handover.h"

#define ASKERS 8
#define ROUNDS 200

static struct handover *h;
static int wake_fd;

static void set_up(void)
{
    struct ol_error err;
    wake_fd = eventfd(0, EFD_CLOEXEC);
    assert_true(wake_fd >= 0);
    assert_int_equal(handover_new(wake_fd, &h, &err), OL_OK);
}

static void tear_down(void)
{
    handover_close(h);
    handover_free(h);
    close(wake_fd);
}

static void *ask_often(void *arg)
{
    intptr_t *good = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct ol_error err = {0};
        int value = i;
        struct handover_job job = {.kind = i, .arg = &value};
        ol_status status = handover_ask(h, &job, &err);
        /* the owner doubles what is even and refuses what is odd */
        if (i % 2 == 0 ? status == OL_OK && value == 2 * i
                       : status == OL_INVALID && strcmp(err.message, "odd") == 0)
            (*good)++;
    }
    return NULL;
}

static void all_are_answered(void **state OL_UNUSED)
{
    pthread_t threads[ASKERS];
    intptr_t good[ASKERS] = {0};
    set_up();
    for (int i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &good[i]), 0);
    for (int left = ASKERS * ROUNDS; left > 0;) {
        uint64_t count;
        assert_int_equal(read(wake_fd, &count, sizeof count), sizeof count);
        struct handover_job *job;
        while ((job = handover_next(h)) != NULL) {
            struct ol_error err = {0};
            int *value = job->arg;
            ol_status status = job->kind % 2 == 0 ? OL_OK : ol__error_set(&err, OL_INVALID, "odd");
            *value *= 2;
            handover_answer(h, job, status, &err);
            left--;
        }
    }
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(good[i], ROUNDS);
    }
    assert_false(handover_is_waiting(h));
    tear_down();
}

static void *ask_once(void *arg)
{
    struct ol_error err = {0};
    struct handover_job job = {.kind = 0};
    *(ol_status *)arg = handover_ask(h, &job, &err);
    return NULL;
}

static void a_full_or_closed_queue_refuses(void **state OL_UNUSED)
{
    pthread_t threads[HANDOVER_MAX];
    ol_status answers[HANDOVER_MAX], more = OL_OK;
    uint64_t count = 0, sum = 0;
    set_up();
    for (int i = 0; i < HANDOVER_MAX; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_once, &answers[i]), 0);
    while (sum < HANDOVER_MAX) { /* each wakes once it is queued */
        assert_int_equal(read(wake_fd, &count, sizeof count), sizeof count);
        sum += count;
    }
    ask_once(&more);
    assert_int_equal(more, OL_BUSY);
    handover_close(h);
    for (int i = 0; i < HANDOVER_MAX; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(answers[i], OL_BUSY);
    }
    more = OL_OK;
    ask_once(&more);
    assert_int_equal(more, OL_BUSY);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_are_answered),
                                       cmocka_unit_test(a_full_or_closed_queue_refuses)};
    return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}
