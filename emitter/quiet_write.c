/* SPDX-License-Identifier: Apache-2.0 */
/* Both signals are sent to the thread that writes, so only its own mask counts. Promise: when the
 * call returns, mask and pending signals of this thread are as they were. */
#include "quiet_write.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

ssize_t ol__write_quiet(int fd, const void *data, size_t size)
{
    const struct timespec at_once = {0};
    sigset_t deadly, before, pending;
    sigemptyset(&deadly);
    sigaddset(&deadly, SIGPIPE);
    sigaddset(&deadly, SIGXFSZ);
    sigemptyset(&pending);
    if (pthread_sigmask(SIG_BLOCK, &deadly, &before) != 0) {
        errno = EINVAL;
        return -1;
    }
    /* What is pending and blocked already is the host's: then one more of it is one and the same.
     */
    sigpending(&pending);
    ssize_t n = write(fd, data, size);
    int sys_errno = errno;
    int raised = n >= 0 ? 0 : sys_errno == EPIPE ? SIGPIPE : sys_errno == EFBIG ? SIGXFSZ : 0;
    if (raised != 0 && sigismember(&pending, raised) == 0) {
        sigemptyset(&deadly);
        sigaddset(&deadly, raised);
        while (sigtimedwait(&deadly, NULL, &at_once) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = sys_errno;
    return n;
}
