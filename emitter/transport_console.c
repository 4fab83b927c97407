/* SPDX-License-Identifier: Apache-2.0 */
/* Standard output, for looking at what would be sent, and two that send nothing. Promise: a line
 * stands whole between the lines of other threads; standard output is touched only where the
 * configuration says so; its reader may go, and a file behind it be full, without a signal to the
 * host. */
#include "transport.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "fork_lock.h"
#include "quiet_write.h"

#define WAIT_MS 1000 /* for a reader of a non-blocking pipe */

struct console_transport {
    struct ol__transport transport; /* first */
    struct ol__fork_lock lock;
    bool is_torn; /* a piece of a line stands last: the next line begins with a newline */
};

static ol_status write_all(const char *data, size_t size, struct ol_error *err)
{
    while (size > 0) {
        ssize_t n = ol__write_quiet(STDOUT_FILENO, data, size);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
            continue;
        }
        int sys_errno = errno;
        struct pollfd ready = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (n < 0 && sys_errno == EINTR)
            continue;
        if (n < 0 && sys_errno == EAGAIN && poll(&ready, 1, WAIT_MS) == 1)
            continue;
        return ol__error_set_errno(err,
                                   n == 0                ? ENOSPC
                                   : sys_errno == EAGAIN ? EIO
                                                         : sys_errno,
                                   "standard output: write");
    }
    return OL_OK;
}

static ol_status console_emit(struct ol__transport *transport, const struct ol__line *line,
                              struct ol_error *err)
{
    struct console_transport *t = (struct console_transport *)transport;
    OL_IGNORE(ol__fork_lock_take(&t->lock), "a child cannot know better whether a line is torn");
    size_t skip = line->control_size + (t->is_torn ? 0 : 1); /* a newline stands before the event */
    ol_status status = write_all(line->data + skip, line->size - skip, err);
    t->is_torn = status != OL_OK; /* perhaps not one byte went: an empty line is nothing */
    ol__fork_lock_give(&t->lock);
    return status;
}

static ol_status console_close(struct ol__transport *transport, int timeout_ms OL_UNUSED,
                               struct ol_error *err OL_UNUSED)
{
    struct console_transport *t = (struct console_transport *)transport;
    ol__fork_lock_release(&t->lock);
    free(t);
    return OL_OK;
}

static const struct ol__transport_functions console_functions = {.emit = console_emit,
                                                                 .close = console_close};

ol_status ol__transport_console_open(struct ol__transport **ret, struct ol_error *err)
{
    struct console_transport *t = calloc(1, sizeof *t);
    if (t == NULL || ol__fork_lock_init(&t->lock) != OL_OK) {
        free(t);
        return ol__error_set(err, OL_NOMEM, "console: out of memory");
    }
    t->transport.functions = &console_functions;
    *ret = &t->transport;
    return OL_OK;
}

static ol_status noop_emit(struct ol__transport *transport OL_UNUSED,
                           const struct ol__line *line OL_UNUSED, struct ol_error *err OL_UNUSED)
{
    return OL_OK;
}

static ol_status noop_close(struct ol__transport *transport, int timeout_ms OL_UNUSED,
                            struct ol_error *err OL_UNUSED)
{
    free(transport);
    return OL_OK;
}

static const struct ol__transport_functions noop_functions = {.emit = noop_emit,
                                                              .close = noop_close};

ol_status ol__transport_noop_open(struct ol__transport **ret, struct ol_error *err)
{
    struct ol__transport *t = calloc(1, sizeof *t);
    if (t == NULL)
        return ol__error_set(err, OL_NOMEM, "noop: out of memory");
    t->functions = &noop_functions;
    *ret = t;
    return OL_OK;
}

void ol__fate_divert(struct ol__fate *fate, const char *why)
{
    if (!fate->wants_journal)
        snprintf(fate->why, sizeof fate->why, "%s", why);
    fate->wants_journal = true;
}

static ol_status elsewhere_emit(struct ol__transport *transport OL_UNUSED,
                                const struct ol__line *line, struct ol_error *err OL_UNUSED)
{
    ol__fate_divert(line->fate, "a transport that is the agent's work");
    return OL_OK;
}

static const struct ol__transport_functions elsewhere_functions = {.emit = elsewhere_emit,
                                                                   .close = noop_close};

ol_status ol__transport_elsewhere_open(struct ol__transport **ret, struct ol_error *err)
{
    ol_status status = ol__transport_noop_open(ret, err);
    if (status == OL_OK)
        (*ret)->functions = &elsewhere_functions;
    return status;
}
