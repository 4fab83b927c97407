/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OL_QUIET_WRITE_H
#define OL_QUIET_WRITE_H
/** @file write(2) to what may be a pipe, or a file whose limit nobody watched. Threads: any. */
#include <stddef.h>
#include <sys/types.h>

/** As write(2), but a reader that has gone, or a file at its limit, is only EPIPE or EFBIG: the
 * signal that would end the host (SIGPIPE, SIGXFSZ) is held back in this thread and taken. A signal
 * that was pending before stays so; the host's dispositions are not touched. */
ssize_t ol__write_quiet(int fd, const void *data, size_t size);
#endif
