/* SPDX-License-Identifier: Apache-2.0 */
/* C11 threads over the pthread functions that ThreadSanitizer intercepts. Linked only with
 * OL_SANITIZE=thread, into what loads librdkafka.
 *
 * Debian's librdkafka starts its threads and locks its queues with <threads.h>. GCC 12's runtime
 * does not intercept those: glibc's thrd_create() reaches its own pthread_create() from inside
 * libc, so the new thread has no state of the runtime, and its first calloc() is a crash; and what
 * a queue hands from one thread to another looks like a race. Here they become calls the runtime
 * sees.
 *
 * Promises:
 *  1. Same objects as glibc's: a mtx_t or cnd_t is a pthread_mutex_t or pthread_cond_t there, so
 * functions not defined here (thrd_current, tss_*) work on.
 *  2. They come before libc's, also for a library loaded with dlopen(): the executable exports
 * them. */
#pragma GCC visibility push(default)
#include <threads.h>
#pragma GCC visibility pop
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* Of the runtime, in no header of GCC 12's. */
void __tsan_ignore_thread_begin(void);
void __tsan_ignore_thread_end(void);

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "mtx_t is a pthread_mutex_t");
_Static_assert(_Alignof(mtx_t) == _Alignof(pthread_mutex_t), "mtx_t is a pthread_mutex_t");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "cnd_t is a pthread_cond_t");
_Static_assert(_Alignof(cnd_t) == _Alignof(pthread_cond_t), "cnd_t is a pthread_cond_t");
_Static_assert(sizeof(once_flag) == sizeof(pthread_once_t), "once_flag is a pthread_once_t");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "thrd_t is a pthread_t");

static int result_of(int error)
{
    switch (error) {
    case 0:
        return thrd_success;
    case ENOMEM:
        return thrd_nomem;
    case ETIMEDOUT:
        return thrd_timedout;
    case EBUSY:
        return thrd_busy;
    default:
        return thrd_error;
    }
}

/* Promise 3. */
static void hush(void)
{
    __tsan_ignore_thread_begin();
}

static int heard(int error)
{
    __tsan_ignore_thread_end();
    return result_of(error);
}

/* ---- Threads ---- */

struct start {
    thrd_start_t function;
    void *arg;
};

static void *begin(void *arg)
{
    struct start start = *(struct start *)arg;
    free(arg);
    return (void *)(intptr_t)start.function(start.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *arg)
{
    struct start *start = malloc(sizeof *start); /* begin() frees it */
    if (start == NULL)
        return thrd_nomem;
    *start = (struct start){.function = function, .arg = arg};
    int error = pthread_create(thread, NULL, begin, start);
    if (error != 0)
        free(start);
    return error == EAGAIN ? thrd_nomem : result_of(error);
}

int thrd_join(thrd_t thread, int *result)
{
    void *value = NULL;
    int error = pthread_join(thread, &value);
    if (error == 0 && result != NULL)
        *result = (int)(intptr_t)value;
    return result_of(error);
}

int thrd_detach(thrd_t thread)
{
    return result_of(pthread_detach(thread));
}

void thrd_exit(int result)
{
    pthread_exit((void *)(intptr_t)result);
}

void call_once(once_flag *flag, void (*function)(void))
{
    pthread_once((pthread_once_t *)flag, function);
}

/* ---- Mutexes ---- */

int mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attr;
    int error = pthread_mutexattr_init(&attr);
    if (error != 0)
        return result_of(error);
    pthread_mutexattr_settype(&attr, (type & mtx_recursive) != 0 ? PTHREAD_MUTEX_RECURSIVE
                                                                 : PTHREAD_MUTEX_NORMAL);
    hush();
    int result = heard(pthread_mutex_init((pthread_mutex_t *)mutex, &attr));
    pthread_mutexattr_destroy(&attr);
    return result;
}

void mtx_destroy(mtx_t *mutex)
{
    hush();
    heard(pthread_mutex_destroy((pthread_mutex_t *)mutex));
}

int mtx_lock(mtx_t *mutex)
{
    hush();
    return heard(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
    hush();
    return heard(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int mtx_timedlock(mtx_t *restrict mutex, const struct timespec *restrict until)
{
    hush();
    return heard(pthread_mutex_timedlock((pthread_mutex_t *)mutex, until));
}

int mtx_unlock(mtx_t *mutex)
{
    hush();
    return heard(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

/* ---- Conditions ---- */

int cnd_init(cnd_t *condition)
{
    hush();
    return heard(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

void cnd_destroy(cnd_t *condition)
{
    hush();
    heard(pthread_cond_destroy((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    hush();
    return heard(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex,
                  const struct timespec *restrict until)
{
    hush();
    return heard(
        pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}

int cnd_signal(cnd_t *condition)
{
    hush();
    return heard(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition)
{
    hush();
    return heard(pthread_cond_broadcast((pthread_cond_t *)condition));
}
