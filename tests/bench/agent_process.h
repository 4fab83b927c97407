/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_AGENT_PROCESS_H
#define BENCH_AGENT_PROCESS_H
/** @file
 * A lineaged of the same build, with places of its own in a new directory, on a free port.
 */
#include <stdint.h>
#include <sys/types.h>

struct agent_process {
    pid_t pid;
    int port;
    char directory[256];
    int64_t ready_ns; /**< from its start to the first answer of /healthz */
};

/** Its directory, port and settings, without starting it: agent_process_again() does.
 *  @param spool_bytes  its size limit, e.g. "512MiB".
 *  @param routes       the YAML of the list, each line indented; %s in it: the directory. */
void agent_process_make(struct agent_process *agent, const char *spool_bytes, const char *routes);
/** Make it and start it. Dies if it does not answer within 30 s. */
void agent_process_start(struct agent_process *agent, const char *spool_bytes, const char *routes);
/** The value of one metric without labels, e.g. "lineaged_spool_syncs_total". */
double agent_process_metric(const struct agent_process *agent, const char *name);
/** Resident set now, in MB. */
double agent_process_resident(const struct agent_process *agent);
/** SIGTERM and wait; its directory stays. */
void agent_process_end(struct agent_process *agent);
/** Start it again after agent_process_end(). */
void agent_process_again(struct agent_process *agent);
/** agent_process_end(), remove its directory. */
void agent_process_stop(struct agent_process *agent);
#endif
