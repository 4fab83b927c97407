#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# PrologSlurmctld= in slurm.conf: each job is a run from its begin on, whatever it does itself. Nothing that happens here may
# hold up a job or set it back, which an exit status other than 0 would.
PATH=$PATH:/usr/local/bin
: "${SLURM_JOB_ID:?}"
lineage start --quiet --state "${LINEAGE_STATE:-/var/spool/lineage-slurm}" \
    --system "slurm:${SLURM_CLUSTER_NAME:-cluster}" --run-id "$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}" \
    --namespace "slurm.${SLURM_CLUSTER_NAME:-cluster}" --job "${SLURM_JOB_NAME:-job}" \
    --tag "user=${SLURM_JOB_USER:-}" --tag "partition=${SLURM_JOB_PARTITION:-}" --tag "account=${SLURM_JOB_ACCOUNT:-}" >/dev/null
exit 0
