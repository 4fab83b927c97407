#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# EpilogSlurmctld= in slurm.conf: how the job ended, by SLURM_JOB_EXIT_CODE2 ("status:signal"). A job that was never started
# here, or has ended already, is none of ours.
PATH=$PATH:/usr/local/bin
: "${SLURM_JOB_ID:?}"
code=${SLURM_JOB_EXIT_CODE2%%:*}
signal=${SLURM_JOB_EXIT_CODE2##*:}
if [ "${signal:-0}" != 0 ]; then
    set -- --abort --status "$((128 + signal))"
else
    set -- --status "${code:-0}"
fi
lineage finish --quiet --if-open --state "${LINEAGE_STATE:-/var/spool/lineage-slurm}" \
    --system "slurm:${SLURM_CLUSTER_NAME:-cluster}" --run-id "$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}" "$@"
exit 0
