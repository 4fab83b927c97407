/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_SYSCALLS_H
#define BENCH_SYSCALLS_H
/** @file
 * Counts the system calls of a child with all its threads, by ptrace: the same count for a program
 * in C, Java or Python. It slows the child; never count in what is timed. Dies on failure.
 * Threads: one, and always the same. One child at a time.
 */
#include <stdint.h>
#include <sys/types.h>

/** Take over a child that waits for its input. It dies with this process. */
void syscalls_seize(pid_t pid);
/** Let it run until something can be read at @p fd; how many calls it made until then. */
uint64_t syscalls_until(pid_t pid, int fd);
/** Kill it and wait for its end. */
void syscalls_end(pid_t pid);
#endif
