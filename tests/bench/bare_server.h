/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_BARE_SERVER_H
#define BENCH_BARE_SERVER_H
/** @file
 * The reference of ingest: a process with a libmicrohttpd server, driven by an epoll loop of its
 * own, that reads each body and answers 201; it stores, checks and counts nothing.
 */
#include <sys/types.h>

/** Fork it, on a free port of 127.0.0.1. Dies on failure. */
pid_t bare_server_start(int *ret_port);
void bare_server_stop(pid_t pid);
#endif
